"""``show running-config``: the model as text."""

from __future__ import annotations

from collections.abc import Iterator

from sceplab_devices.profiles.cisco.obfuscation import hash_secret, is_hashed
from sceplab_devices.profiles.cisco_nxos.switch import Switch
from sceplab_devices.profiles.cisco_nxos.trustpoint import Trustpoint

Group = list[str]
"""A line, or a header with the indented lines below it."""

_FACTORY_FEATURE = "ssh"


def render_config(switch: Switch) -> str:
    """The running configuration as it is saved, from its version on."""
    lines = [str(switch.profile.data["version_line"])]
    for group in config_groups(switch):
        lines += group
    return "\n".join(lines) + "\n"


def config_groups(switch: Switch) -> Iterator[Group]:
    """Every line and block, in the order of the configuration."""
    config = switch.config
    yield [f"hostname {switch.hostname}"]
    yield [""]
    if _FACTORY_FEATURE not in config.features:
        yield [f"no feature {_FACTORY_FEATURE}"]
    yield from ([f"feature {name}"] for name in sorted(config.features - {_FACTORY_FEATURE}))
    yield [""]
    for name, role in config.roles.items():
        password = switch.users[name]
        hashed = password if is_hashed(password) else hash_secret(password)
        yield [f"username {name} password 8 {hashed} role {role}"]
    if config.domain_name:
        yield [f"ip domain-name {config.domain_name}"]
    for section in switch.profile.data["config_sections"]:
        yield from _section(switch, section)
    zone = config.zone
    if zone.minutes or zone.name != "UTC":
        hours, minutes = divmod(abs(zone.minutes), 60)
        sign = "-" if zone.minutes < 0 else ""
        yield [f"clock timezone {zone.name} {sign}{hours} {minutes}"]
    for interface in config.interfaces.values():
        yield [""]
        yield [interface.header, *(f"  {line}" for line in interface.lines.values())]
    for section in switch.profile.data["config_last_sections"]:
        yield from _section(switch, section)


def _section(switch: Switch, section: str) -> Iterator[Group]:
    config = switch.config
    if section == "trustpoint":
        for trustpoint in config.trustpoints.values():
            yield trustpoint_lines(trustpoint)
    yield from ([line] for line in config.lines.get(section, {}).values())
    for block in config.blocks.get(section, {}).values():
        yield [block.header, *(f"  {line}" for line in block.lines.values())]


def trustpoint_lines(trustpoint: Trustpoint) -> Group:
    """A trustpoint's block; the only way to enroll is not said."""
    lines = {key: entry.line for key, entry in trustpoint.entries.items() if key != "enrollment"}
    lines.setdefault("revocation-check", "revocation-check crl")
    keys = sorted(lines, key=lambda key: (key != "rsakeypair", key))
    return [f"crypto ca trustpoint {trustpoint.name}", *(f"  {lines[key]}" for key in keys)]
