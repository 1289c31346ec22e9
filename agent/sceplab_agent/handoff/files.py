"""Hand-off ``files``: PEM or PKCS#12 files that a consumer reads through one link.

A consumer is configured with ``DIRECTORY/current/certificate.pem`` and so on. It sees all files of
one generation, before the switch and after it, also when the power fails in between. A consumer
that opens several files one after another across a switch may still mix them: it reads
``fullchain.pem`` and ``key.pem`` through a directory it has opened once, or is told to reload
(hand-off ``hook``).
"""

from __future__ import annotations

import grp
import os
import pwd
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sceplab_agent.config_paths import resolve_path, resolve_reference
from sceplab_agent.config_table import ConfigTable
from sceplab_agent.durable import replace_file
from sceplab_agent.errors import HandOffError
from sceplab_agent.handoff.api import Delivery, Memo
from sceplab_agent.handoff.bundle import PUBLIC_PARTS, BundleError, Part, check, check_chain, render
from sceplab_agent.handoff.generations import OPEN_TO_READERS, GenerationError, Generations
from sceplab_agent.handoff.purposes import Purpose
from sceplab_agent.handoff.read_back import read_back, require_access
from sceplab_agent.handoff.safe_directory import UnsafeDirectoryError
from sceplab_agent.handoff.usage_checks import read_purpose, require_purpose
from sceplab_hsm.errors import KeyStoreError
from sceplab_hsm.secret import Secret, resolve_secret

_MENDED_BY_AGAIN = (BundleError, GenerationError, FileNotFoundError)
_MODE = re.compile(r"0?[0-7]{3}")
NEW, PREVIOUS = "new", "previous"
"""What the memo names: generations, the previous one empty where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesSettings:
    """How the files are to be."""

    directory: Path
    """Absolute; of the agent alone."""
    parts: tuple[Part, ...] = ()
    """Which files; none: all PEM files, the key only where it leaves its store."""
    passphrase: str = ""
    """Reference to the passphrase of the PKCS#12 file."""
    key_mode: int = 0o600
    """Permission bits of files with the key."""
    mode: int = 0o644
    """Permission bits of all others."""
    owner: str = ""
    """User whose the files are, by name or number; empty: the agent's."""
    group: str = ""
    """Group, likewise."""
    purpose: Purpose | None = None
    """What the certificate is for; ``None``: not held against anything."""


class FilesHandOff:
    """Hands over as files. See the module for what a consumer may rely on.

    Args:
        name: of the hand-off.
        settings: how the files are to be.
        clock: now, aware UTC.
    """

    def __init__(
        self, name: str, settings: FilesSettings, *, clock: Callable[[], datetime]
    ) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock
        self._generations = Generations(settings.directory)

    @property
    def name(self) -> str:
        """See `HandOff.name`."""
        return self._name

    @property
    def purpose(self) -> Purpose | None:
        """What the certificate is for; ``None``: nobody said."""
        return self._settings.purpose

    @property
    def link(self) -> Path:
        """The link that a consumer reads through."""
        return self._generations.link

    def probe(self) -> str:
        """See `Reachable.probe`. Looks whether the directory is the agent's alone."""
        with self._failures():
            self._owner()
            if not self._settings.directory.exists():
                return f"{self._settings.directory} is not there yet; the first hand-off makes it"
            self._generations.require_safe()
            return f"{self._settings.directory} is the agent's alone"

    def prepare(self, delivery: Delivery) -> Memo:
        """See `HandOff.prepare`. Writes the new generation beside the one in use."""
        with self._failures():
            require_purpose(self._name, delivery, self._settings.purpose, self._clock())
            check_chain(delivery)
            generations = self._generations
            generations.open()
            current = generations.current()
            if current and self._is_delivered(delivery, current):
                # Installed already; what it replaced may still be wanted back.
                names = [part.file_name for part in self.parts(delivery)]
                previous = generations.before(current, names) or current
                generations.keep_only(previous)
                return {NEW: current, PREVIOUS: previous}
            generations.keep_only(current)
            name = generations.free_name(delivery.generation)
            contents = self._render(delivery)
            try:
                self._write(generations.make(name), contents)
            except OSError:
                generations.keep_only(current)
                raise
            return {NEW: name, PREVIOUS: current}

    def install(self, delivery: Delivery, memo: Memo) -> None:
        """See `HandOff.install`. Switches the link, once the new generation is whole."""
        with self._failures():
            self._generations.require_safe()
            self._check_directory(delivery, self._generations.path(memo.get(NEW, "")))
            self._generations.switch(memo.get(NEW, ""))

    def verify(self, delivery: Delivery, memo: Memo) -> str:
        """See `HandOff.verify`. Reads through the link what the consumer reads."""
        with self._failures():
            self._generations.require_safe()
            if self._generations.current() != memo.get(NEW, ""):
                raise GenerationError(
                    f"{self._generations.link} does not lead to {memo.get(NEW, '')}"
                )
            self._check_directory(delivery, self._generations.link)
            check_chain(delivery)
            files = ", ".join(part.file_name for part in self.parts(delivery))
            return f"read back through {self._generations.link}: {files}; chain to the trusted CA"

    def commit(self, delivery: Delivery, memo: Memo) -> None:
        """See `HandOff.commit`. Removes the generation before."""
        with self._failures():
            self._generations.keep_only(memo.get(NEW, ""))

    def roll_back(self, delivery: Delivery, memo: Memo) -> None:
        """See `HandOff.roll_back`. Switches back and removes what was prepared."""
        self.switch_back(memo)
        with self._failures():
            self._generations.keep_only(memo.get(PREVIOUS, ""))

    def switch_back(self, memo: Memo) -> None:
        """The first half of `roll_back`: both generations stay."""
        with self._failures():
            self._generations.require_safe()
            self._generations.switch(memo.get(PREVIOUS, ""))

    def paths(self, delivery: Delivery, generation: str) -> dict[Part, Path]:
        """Where the files of a generation are; of none: nowhere."""
        if not generation:
            return {}
        directory = self._generations.path(generation)
        return {part: directory / part.file_name for part in self.parts(delivery)}

    def parts(self, delivery: Delivery) -> tuple[Part, ...]:
        """The files of a delivery."""
        leaves = delivery.key_pem is not None or delivery.expects_key
        return self._settings.parts or (*PUBLIC_PARTS, *([Part.KEY] if leaves else []))

    def secrets(self, delivery: Delivery) -> list[str]:
        """Texts that must not be repeated: passphrases of what is handed over."""
        with self._failures():
            found = [self._passphrase(), delivery.key_secret() if delivery.key_secret else None]
            return [secret.reveal() for secret in found if secret]

    def installed(self) -> Mapping[Part, Path]:
        """Files that a consumer finds now, through the link.

        Raises:
            HandOffError: the directory cannot be used.
        """
        with self._failures():
            link = self._generations.link
            if not self._generations.current():
                return {}
            paths = {part: link / part.file_name for part in Part}
            return {part: path for part, path in paths.items() if path.is_file()}

    def check_installed(self, delivery: Delivery) -> None:
        """Holds what a consumer finds now against what was delivered last.

        The agent's user counts as the one whose the directory is: root may look, too.

        Raises:
            HandOffError: it is not that; the message names the file.
        """
        link = self._generations.link
        try:
            with self._failures():
                self._generations.require_safe(user=self._user())
                if not self._generations.current():
                    is_gone = link.is_symlink()
                    why = "its directory is gone" if is_gone else "nothing was handed over yet"
                    raise GenerationError(f"{link} leads to no certificate; {why}")
                parts = set(self.parts(delivery))
                if not self._settings.parts:
                    parts |= {part for part in Part if os.path.lexists(link / part.file_name)}
                self._check_directory(delivery, link, [part for part in Part if part in parts])
                check_chain(delivery)
        except HandOffError as error:
            if not isinstance(error.__cause__, _MENDED_BY_AGAIN):
                raise
            reason = f"{error.reason}; run: sceplab-agent handoff again"
            raise HandOffError(self._name, reason, may_pass=error.may_pass) from error

    def _render(self, delivery: Delivery) -> dict[Part, bytes]:
        passphrase = self._passphrase()
        return {part: render(delivery, part, passphrase) for part in self.parts(delivery)}

    def _write(self, directory: Path, contents: Mapping[Part, bytes]) -> None:
        owner = self._owner()
        for part, content in contents.items():
            replace_file(directory / part.file_name, content, mode=self._mode(part), owner=owner)

    def _check_directory(
        self, delivery: Delivery, directory: Path, parts: Iterable[Part] = ()
    ) -> None:
        passphrase, (uid, gid) = self._passphrase(), self._owner()
        around = directory.stat()
        require_access(directory, around, OPEN_TO_READERS, (self._user(), around.st_gid))
        # What nobody asked for is as whoever made the directory.
        owner = (around.st_uid if uid < 0 else uid, around.st_gid if gid < 0 else gid)
        for part in parts or self.parts(delivery):
            path = directory / part.file_name
            content, status = read_back(path)
            try:
                check(delivery, part, content, passphrase)
            except BundleError as error:
                raise BundleError(f"{directory}: {error}") from error
            require_access(path, status, self._mode(part), owner)

    def _user(self) -> int:
        """Number of the user whose the directory is."""
        return self._settings.directory.stat().st_uid

    def _is_delivered(self, delivery: Delivery, name: str) -> bool:
        try:
            self._check_directory(delivery, self._generations.path(name))
        except (BundleError, OSError):
            return False
        return True

    def _mode(self, part: Part) -> int:
        return self._settings.key_mode if part.holds_key else self._settings.mode

    def _passphrase(self) -> Secret | None:
        reference = self._settings.passphrase
        return resolve_secret(reference) if reference else None

    def _owner(self) -> tuple[int, int]:
        owner, group = self._settings.owner, self._settings.group
        try:
            uid = _number(owner, lambda: pwd.getpwnam(owner).pw_uid)
            gid = _number(group, lambda: grp.getgrnam(group).gr_gid)
        except KeyError as error:
            raise GenerationError(f"there is no such user or group: {error.args[0]}") from error
        return uid, gid

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Says every failure as the agent expects it."""
        try:
            yield
        except (BundleError, GenerationError, UnsafeDirectoryError) as error:
            raise HandOffError(self._name, str(error), may_pass=False) from error
        except KeyStoreError as error:
            raise HandOffError(self._name, str(error)) from error
        except OSError as error:
            place = error.filename or self._settings.directory
            raise HandOffError(self._name, f"{place}: {error.strerror or error}") from error


def open_handoff(name: str, table: ConfigTable, base_dir: Path) -> FilesHandOff:
    """Makes the hand-off of its table; see `registry.HandOffFactory`."""
    return FilesHandOff(name, read_settings(table, base_dir), clock=_now)


def read_settings(table: ConfigTable, base_dir: Path) -> FilesSettings:
    """Reads the keys of `FilesSettings`."""
    directory = table.converted(
        "directory", lambda text: resolve_path(text, base_dir), base_dir, example="certificates"
    )
    parts = table.texts("parts", _part)
    passphrase = table.converted("passphrase", lambda text: resolve_reference(text, base_dir), "")
    if Part.PKCS12 in parts and not passphrase:
        table.problem("passphrase", "is missing; a PKCS#12 file is never written without one")
    if passphrase and Part.PKCS12 not in parts:
        table.problem("passphrase", 'is of no use without "pkcs12" among the parts')
    return FilesSettings(
        directory=directory.absolute(),
        parts=parts,
        passphrase=passphrase,
        key_mode=table.converted("key_mode", _key_mode, 0o600),
        mode=table.converted("mode", _mode, 0o644),
        owner=table.text("owner"),
        group=table.text("group"),
        purpose=read_purpose(table),
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _part(text: str) -> Part:
    try:
        return Part(text)
    except ValueError as error:
        names = ", ".join(part.value for part in Part)
        raise ValueError(f"is one of {names}") from error


def _mode(text: str) -> int:
    if not _MODE.fullmatch(text):
        raise ValueError('is written in octal with quotes, for example "0644"')
    mode = int(text, 8)
    if mode & 0o022:
        raise ValueError("may not let others write")
    return mode


def _key_mode(text: str) -> int:
    mode = _mode(text)
    if mode & 0o007:
        raise ValueError('may not let everybody read a key; use owner, group and "0640"')
    return mode


def _number(name: str, look_up: Callable[[], int]) -> int:
    if not name:
        return -1
    return int(name) if name.isdecimal() else look_up()
