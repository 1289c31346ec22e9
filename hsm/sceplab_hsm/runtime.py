"""The user's directory for locks: nobody else can get in, and nobody else can have made it."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from sceplab_hsm.errors import StoreUnavailableError
from sceplab_hsm.files import make_private_directory


def runtime_directory() -> Path:
    """``$XDG_RUNTIME_DIR/sceplab`` where that is a directory of this user, else below ``/tmp``.

    Made when it is missing. In ``/tmp`` anybody can make a directory of that name first; such a one
    is refused, for its maker could hold our locks or lead us elsewhere.

    Raises:
        StoreUnavailableError: it is a link, another user's or open to others; or it cannot be made.
    """
    place = _place()
    make_private_directory(place)
    status = place.lstat()
    if not stat.S_ISDIR(status.st_mode):
        fault = "is a link"
    elif status.st_uid != os.geteuid():
        fault = "belongs to another user"
    elif status.st_mode & 0o077:
        fault = f"is open to other users (mode {stat.S_IMODE(status.st_mode):o})"
    else:
        return place
    raise StoreUnavailableError(
        f"{place} {fault} and is not used for locks; remove it, or set XDG_RUNTIME_DIR to a "
        "directory of your own (mode 700)"
    )


def _place() -> Path:
    user = os.geteuid()
    given = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    if given.is_absolute() and given.is_dir() and given.stat().st_uid == user:
        return given / "sceplab"
    return Path(tempfile.gettempdir()) / f"sceplab-{user}"
