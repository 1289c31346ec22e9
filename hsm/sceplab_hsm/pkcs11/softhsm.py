"""SoftHSM tokens for labs: a private directory with configuration, tokens and their PINs.

``DIR/softhsm2.conf``, ``DIR/tokens/LABEL/`` and, mode 0600, ``DIR/LABEL.pin`` and
``DIR/LABEL.so-pin``. Who reads the directory has the keys: the PIN lies next to the token. It keeps
the code path the same as in earnest, no more.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sceplab_hsm.errors import ModuleMissingError, StoreUnavailableError, StoreUriError
from sceplab_hsm.files import (
    create_private,
    locked_directory,
    make_private_directory,
    require_private_directory,
)
from sceplab_hsm.lab import ensure_lab_secret
from sceplab_hsm.pkcs11.factory import require_binding
from sceplab_hsm.pkcs11.uri import encode_value

MODULE_NAME = "softhsm2"
_UTILITY = "softhsm2-util"
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_SET_PINS = """
import json, sys
import pkcs11
told = json.load(sys.stdin)
library = pkcs11.lib(told["module"])
token = library.get_token(token_label=told["label"])
for role in ("so_pin", "user_pin"):
    session = token.open(rw=True, **{role: told["first"]})
    session.set_pin(told["first"], told[role])
    session.close()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabToken:
    """A token that is ready for use."""

    uri: str
    """Of the key store; the PIN's reference is not in it."""
    secret_reference: str
    """Of the user's PIN: ``file:PATH``."""
    label: str
    configuration: Path
    """For ``SOFTHSM2_CONF``, when other programs shall see the token."""


def init_softhsm(directory: Path | str, *, label: str = "lab") -> LabToken:
    """Makes a token in a private directory, or finds the one that is there.

    Several tokens of different labels may share the directory, which they must when one process
    uses them: SoftHSM reads one configuration per process. A token appears whole or not at all.

    Args:
        directory: made with mode 0700 when it is not there.
        label: 1 to 32 characters of ``A-Z a-z 0-9 . _ -``.

    Raises:
        StoreUriError: not a label.
        ModuleMissingError: SoftHSM or python-pkcs11 is not installed; nothing was made.
        StoreUnavailableError: the directory cannot be used, or SoftHSM fails.
    """
    if _LABEL.fullmatch(label) is None:
        raise StoreUriError(
            f"token label {label[:40]!r} is not 1 to 32 characters of A-Z a-z 0-9 . _ -"
        )
    require_binding()
    place = Path(directory).expanduser().absolute()
    make_private_directory(place)
    require_private_directory(place)
    configuration = place / "softhsm2.conf"
    tokens = place / "tokens"
    make_private_directory(tokens)
    with contextlib.suppress(FileExistsError):
        create_private(configuration, _configuration(tokens))
    secret_reference = ensure_lab_secret(place / f"{label}.pin")
    so_reference = ensure_lab_secret(place / f"{label}.so-pin")
    with locked_directory(tokens):
        if not (tokens / label).is_dir():
            _make_token(tokens / label, label, pin=secret_reference, so_pin=so_reference)
    return LabToken(
        uri=(
            f"pkcs11:token={encode_value(label)}?module-name={MODULE_NAME}"
            f"&x-softhsm2-conf={encode_value(os.fspath(configuration), in_query=True)}"
        ),
        secret_reference=secret_reference,
        label=label,
        configuration=configuration,
    )


def _configuration(tokens: Path) -> bytes:
    text = f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
    return os.fsencode(text)


def _make_token(target: Path, label: str, *, pin: str, so_pin: str) -> None:
    # Command lines are for everybody to read, and softhsm2-util takes PINs there only. So the token
    # starts with a PIN of no worth, and gets the real ones before it is put in its place.
    with tempfile.TemporaryDirectory(prefix=".new-", dir=target.parent.parent) as folder:
        staging = Path(folder) / "tokens"
        staging.mkdir(mode=0o700)
        configuration = Path(folder) / "softhsm2.conf"
        configuration.write_bytes(_configuration(staging))
        environment = {**os.environ, "SOFTHSM2_CONF": os.fspath(configuration)}
        first = secrets.token_hex(8)
        secret_options = ["--pin", first, "--so-pin", first]
        _run([_utility(), "--init-token", "--free", "--label", label, *secret_options], environment)
        told = {
            "module": _module(),
            "label": label,
            "first": first,
            "user_pin": _read(pin),
            "so_pin": _read(so_pin),
        }
        _run([sys.executable, "-c", _SET_PINS], environment, json.dumps(told))
        (made,) = staging.iterdir()
        made.rename(target)
        os.sync()  # SoftHSM has synced none of it


def _read(reference: str) -> str:
    return Path(reference.removeprefix("file:")).read_text(encoding="ascii").rstrip("\n")


def _utility() -> str:
    found = shutil.which(_UTILITY)
    if found is None:
        raise ModuleMissingError(f"{_UTILITY} is missing; on Debian: apt-get install softhsm2")
    return found


def _module() -> str:
    from sceplab_hsm.pkcs11.library_paths import module_file
    from sceplab_hsm.pkcs11.uri import Pkcs11Uri

    return os.fspath(module_file(Pkcs11Uri(uri="", module_name=MODULE_NAME)))


def _run(command: list[str], environment: dict[str, str], given: str = "") -> None:
    done = subprocess.run(  # noqa: S603 - our own command, no shell
        command, env=environment, input=given, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().rpartition("\n")[2]
        raise StoreUnavailableError(f"the SoftHSM token was not made: {last}")
