"""Directories of certificates, one a generation, and one link to the one in use.

::

    DIRECTORY/
      current -> generation-3    switched in one step
      generation-2/              until the agent commits
      generation-3/

Whatever else lies in the directory is not ours and stays. Every change goes through `durable`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from sceplab_agent.durable import (
    make_directory,
    remove_cut_off,
    remove_link,
    remove_tree,
    replace_link,
)
from sceplab_agent.handoff.safe_directory import require_own

LINK = "current"
_NAME = re.compile(r"generation-[1-9][0-9]{0,17}(-[1-9][0-9]{0,8})?")
OPEN_TO_READERS = 0o755
"""Permission bits of the directories."""


class GenerationError(Exception):
    """The directory is not as it was left; the message says what to do."""


class Generations:
    """The generations in one directory.

    Args:
        directory: absolute.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.link = directory / LINK

    def open(self) -> None:
        """Makes the directory where there is none.

        Raises:
            OSError: it cannot be made.
            UnsafeDirectoryError: others can change it.
        """
        make_directory(self.directory, mode=OPEN_TO_READERS)
        require_own(self.directory)

    def require_safe(self, *, user: int | None = None) -> None:
        """Looks again whether nobody else can change the directory.

        Args:
            user: see `require_own`.

        Raises:
            OSError: it is not there.
            UnsafeDirectoryError: others can change it.
        """
        require_own(self.directory, user=user)

    def current(self) -> str:
        """Name of the generation in use; empty: none is, or it is gone.

        Raises:
            GenerationError: the link is something else, or leads elsewhere.
        """
        try:
            status = self.link.lstat()
        except FileNotFoundError:
            return ""
        if not stat.S_ISLNK(status.st_mode):
            raise GenerationError(
                f"{self.link} is no symbolic link; move it away, the agent makes the link"
            )
        target = os.readlink(self.link)
        if not _NAME.fullmatch(target):
            raise GenerationError(
                f"{self.link} leads to {target!r}, which is none of the agent's generations; "
                "remove the link"
            )
        return target if self.exists(target) else ""

    def exists(self, name: str) -> bool:
        """Whether there is a generation of that name.

        Raises:
            GenerationError: the name is no generation's, or something else has it.
        """
        path = self.path(name)
        try:
            status = path.lstat()
        except FileNotFoundError:
            return False
        if not stat.S_ISDIR(status.st_mode):
            raise GenerationError(f"{path} is no directory; move it away")
        return True

    def path(self, name: str) -> Path:
        """Directory of a generation.

        Raises:
            GenerationError: the name, perhaps out of a damaged journal, is no generation's.
        """
        if not _NAME.fullmatch(name):
            raise GenerationError(f"{name!r} is no name of a generation")
        return self.directory / name

    def free_name(self, number: int) -> str:
        """A name for a generation that is not the one in use."""
        name = f"generation-{number}"
        return name if self.current() != name else f"{name}-2"

    def before(self, name: str, files: Sequence[str]) -> str:
        """The newest generation before this one that has all these files; empty: none."""
        earlier = [
            path.name
            for path in self.directory.iterdir()
            if _NAME.fullmatch(path.name)
            and _order(path.name) < _order(name)
            and self.exists(path.name)
            and all((path / file).is_file() for file in files)
        ]
        return max(earlier, key=_order, default="")

    def make(self, name: str) -> Path:
        """An empty directory for a generation that is not in use; what was there is removed."""
        path = self.path(name)
        if self.exists(name):
            remove_tree(path)
        make_directory(path, mode=OPEN_TO_READERS)
        # Whatever the umask left of it; where the directory gives its group to files, so does this.
        path.chmod(OPEN_TO_READERS | path.stat().st_mode & stat.S_ISGID)
        return path

    def switch(self, name: str) -> None:
        """Puts a generation to use; an empty name: none."""
        if not name:
            remove_link(self.link)
        elif not self.exists(name):
            raise GenerationError(f"{self.path(name)} is gone")
        elif self.current() != name:
            replace_link(self.link, name)

    def keep_only(self, *names: str) -> None:
        """Removes all generations but those named and the one in use."""
        remove_cut_off(self.link)
        kept = {*names, self.current()}
        for path in sorted(self.directory.iterdir()):
            if _NAME.fullmatch(path.name) and path.name not in kept and self.exists(path.name):
                remove_tree(path)


def _order(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.split("-")[1:])
