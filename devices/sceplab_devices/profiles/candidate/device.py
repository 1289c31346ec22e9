"""A box with a committed and a candidate configuration, shared by all its sessions."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Unpack, cast

from sceplab_devices.device import CommonSettings, Device
from sceplab_devices.profiles.candidate.language import CandidateLanguage
from sceplab_devices.profiles.candidate.paths import Place, read_path
from sceplab_devices.profiles.candidate.platform import Platform
from sceplab_devices.profiles.candidate.session_state import edit_path
from sceplab_devices.profiles.candidate.text import edit_banner, set_lines
from sceplab_devices.profiles.candidate.tree import Tree, copy, put
from sceplab_devices.profiles.candidate.words import split_words

if TYPE_CHECKING:
    from sceplab_devices.profile import DeviceProfile
    from sceplab_devices.session import Session

logger = logging.getLogger(__name__)

_RECORD = "# record "
"""How lines of the saved text begin that are no statements: what the box keeps beside them."""


@dataclass(slots=True)
class Revision:
    """A configuration that was committed."""

    tree: Tree
    at: datetime
    user: str
    via: str = "cli"
    comment: str = ""


class CandidateDevice(Device):
    """State of one such box. Profiles say what a configuration means (`apply`).

    Attributes:
        candidate: what configuration commands change.
        revisions: committed configurations, the active one first.
        started_at: when the box came up.
    """

    def __init__(self, profile: DeviceProfile, **common: Unpack[CommonSettings]) -> None:
        super().__init__(profile, **common)
        language = cast("CandidateLanguage", profile.language)
        self.platform: Platform = language.platform
        self.started_at = self.now()
        factory = self.read_lines(self.factory_lines())
        self.revisions = [Revision(factory, self.started_at, "root", "other")]
        self.candidate = copy(factory)

    # --- hooks ------------------------------------------------------------------------------------

    def factory_lines(self) -> list[str]:
        """Statements of a box as delivered."""
        return []

    def problems(self, tree: Tree) -> list[str]:
        """Why a configuration cannot be committed, a text for each reason."""
        del tree
        return []

    def apply(self, old: Tree, new: Tree) -> None:
        """The active configuration has become another one."""

    def records(self) -> list[dict[str, Any]]:
        """What is kept beside the configuration, as JSON objects."""
        return []

    def take_record(self, record: dict[str, Any]) -> None:
        """Takes in what `records` gave before a restart."""

    def hide(self, text: str) -> str:
        """A secret as the configuration shows it; what is hidden already stays."""
        return text

    def prompt_values(self, session: Session) -> Mapping[str, str]:
        """See `Device.prompt_values`: who is there, and what is being edited."""
        return {"user": self.user_of(session), "edit": edit_banner(edit_path(session))}

    def user_of(self, session: Session) -> str:
        """Who is on a terminal; on a console without login the platform's first user."""
        return session.user or str(self.platform.manners["user"])

    # --- configuration ----------------------------------------------------------------------------

    @property
    def active(self) -> Tree:
        """The committed configuration."""
        return self.revisions[0].tree

    @property
    def is_changed(self) -> bool:
        """The candidate differs from what is active."""
        return self.candidate != self.active

    def commit(self, user: str, *, comment: str = "") -> None:
        """Makes the candidate active, and keeps it over restarts.

        Raises:
            DeviceError: it cannot be kept; the candidate stays a candidate.
        """
        old = self.active
        revision = Revision(copy(self.candidate), self.now(), user, comment=comment)
        kept = self.revisions
        self.revisions = [revision, *kept][: int(self.platform.manners["revisions"])]
        try:
            self.save()
        except Exception:
            self.revisions = kept
            raise
        self.apply(old, self.active)

    def rollback(self, number: int) -> bool:
        """Makes a committed configuration the candidate; false: there is none of that number."""
        if number >= len(self.revisions):
            return False
        self.candidate = copy(self.revisions[number].tree)
        return True

    def save(self) -> None:
        """Keeps the active configuration and the records.

        Raises:
            DeviceError: it cannot be kept; what was kept before counts.
        """
        lines = set_lines(self.active, self.platform.schema.root, self.platform.style)
        last = self.revisions[0]
        commit = {"kind": "commit", "at": last.at.isoformat(), "user": last.user}
        records = [commit, *self.records()]
        lines += [_RECORD + json.dumps(record, sort_keys=True) for record in records]
        self.on_save("".join(f"{line}\n" for line in lines))

    def restore(self, text: str) -> None:
        """See `Device.restore`."""
        if not text:
            return
        lines = text.splitlines()
        tree = self.read_lines(["" if line.startswith(_RECORD) else line for line in lines])
        self.revisions = [Revision(tree, self.now(), "root", "other")]
        self.candidate = copy(tree)
        for line in lines:
            if line.startswith(_RECORD):
                self._take_line(line.removeprefix(_RECORD))
        self.apply({}, tree)

    def _take_line(self, text: str) -> None:
        try:
            record = json.loads(text)
            if record["kind"] == "commit":
                self.revisions[0].at = datetime.fromisoformat(record["at"])
                self.revisions[0].user = str(record["user"])
            else:
                self.take_record(record)
        except (ValueError, KeyError, TypeError) as error:
            logger.warning("%s: saved record is damaged: %s", self.hostname, error)

    def read_lines(self, lines: list[str]) -> Tree:
        """The configuration that ``set`` lines make; what is none, is logged by its number."""
        tree: Tree = {}
        for number, line in enumerate(lines, start=1):
            words = split_words(line)
            if not words:
                continue
            place = read_path(self.platform.schema.root, words[1:], several=True)
            if words[0].text == "set" and isinstance(place, Place):
                put(tree, place)
            else:
                logger.warning("%s: saved line %d is no statement", self.hostname, number)
        return tree
