"""How typed lines are read: by the command grammar, or by a language of a profile's own.

Cisco-like shells are command tables, and `GrammarLanguage` reads them. A platform whose shell is no
such table (a configuration tree with objects, quoted words, an own way to complete) gives its
`DeviceProfile` a language; editing, paging, dialogs, log lines and sessions stay the console's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sceplab_devices.completion import complete, help_text
from sceplab_devices.interpreter import Decision, interpret

if TYPE_CHECKING:
    from sceplab_devices.device import Device
    from sceplab_devices.session import Session


class Language(Protocol):
    """Meaning of what is typed. Pure: it reads the session and changes nothing."""

    def interpret(self, device: Device, session: Session, line: str) -> Decision:
        """What to do with a whole line; the handler it names finds the line in ``ctx.line``."""

    def help_text(self, device: Device, session: Session, typed: str) -> str:
        """What ``?`` prints behind ``typed``: lines with their ends."""

    def complete(self, device: Device, session: Session, typed: str) -> list[str]:
        """What Tab may make of ``typed``: whole lines, in the order in which Tab offers them."""


class GrammarLanguage:
    """Reads lines with the command tables of the profile's data."""

    def interpret(self, device: Device, session: Session, line: str) -> Decision:
        """See `Language.interpret`."""
        return interpret(device, session, line)

    def help_text(self, device: Device, session: Session, typed: str) -> str:
        """See `Language.help_text`."""
        return help_text(device, session, typed)

    def complete(self, device: Device, session: Session, typed: str) -> list[str]:
        """See `Language.complete`."""
        return complete(device, session, typed)
