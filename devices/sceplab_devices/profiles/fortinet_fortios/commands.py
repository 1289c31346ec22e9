"""Commands that are no configuration, by the words that name them; which there are is data.

::

    [data.commands."execute vpn certificate ca import auto"]
    handler = "import_ca"
    help = "Import CA certificate via SCEP."
    arguments = ["<url>", "<ca-identifier>"]

    [data.words]                        # help of keywords on the way there
    "execute vpn" = "VPN commands."
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from sceplab_devices.errors import ProfileError
from sceplab_devices.profile_data import ProfileReader
from sceplab_devices.profiles.fortinet_fortios import (
    certificate_commands,
    system_commands,
)
from sceplab_devices.profiles.fortinet_fortios.box import Context
from sceplab_devices.profiles.fortinet_fortios.paths import Path
from sceplab_devices.profiles.fortinet_fortios.words import Word
from sceplab_devices.steps import Dialog

Action: TypeAlias = Callable[[Context, Sequence[Word]], Dialog | None]
"""A command; the words are those behind its own."""

ACTIONS: dict[str, Action] = {
    "status": system_commands.status,
    "performance": system_commands.performance,
    "no_tunnels": system_commands.no_tunnels,
    "no_gateways": system_commands.no_gateways,
    "date": system_commands.date,
    "time": system_commands.clock_time,
    "reboot": system_commands.reboot,
    "factory_reset": system_commands.factory_reset,
    "backup": system_commands.backup,
    "save_config": system_commands.save_config,
    "log_display": system_commands.log_display,
    "log_delete": system_commands.log_delete,
    "debug_application": system_commands.debug_application,
    "debug_enable": system_commands.debug_enable,
    "debug_disable": system_commands.debug_disable,
    "debug_reset": system_commands.debug_reset,
    "chip": system_commands.chip,
    "import_ca": certificate_commands.import_ca,
    "generate_rsa": certificate_commands.generate_rsa,
    "generate_ec": certificate_commands.generate_ec,
    "verify_local": certificate_commands.verify_local,
    "transfer": certificate_commands.transfer,
    "local_details": certificate_commands.local_details,
    "ca_details": certificate_commands.ca_details,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of the data."""

    handler: str
    help: str = ""
    arguments: tuple[str, ...] = ()
    """What may stand behind it, for ``?``."""
    maximum: int = -1
    """Words behind it at most; below 0: as many as there are ``arguments``."""

    @property
    def limit(self) -> int:
        """Words behind it at most."""
        return len(self.arguments) if self.maximum < 0 else self.maximum


def read_commands(profile: str, data: Mapping[str, Any]) -> dict[Path, Command]:
    """The commands in ``[data.commands]``.

    Raises:
        ProfileError: a command has unknown fields or an unknown handler.
    """
    reader = ProfileReader(profile, {})
    commands = {}
    for words, values in data.items():
        place = f"data.commands.{words}"
        command = reader.settings(Command, place, values)
        if command.handler not in ACTIONS:
            raise ProfileError(profile, f"unknown handler {command.handler!r}", place=place)
        commands[tuple(words.split())] = command
    return commands


@lru_cache(maxsize=256)
def below(paths: tuple[Path, ...], first: str) -> dict[Path, Path]:
    """Paths that begin with a word, by what follows it."""
    return {path[1:]: path for path in paths if path[0] == first}
