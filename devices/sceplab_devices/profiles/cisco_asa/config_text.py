"""``show running-config``: the model as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cryptography import x509

from sceplab_devices.profiles.cisco.hexdump import hex_lines, serial_hex
from sceplab_devices.profiles.cisco.obfuscation import obfuscate
from sceplab_devices.profiles.cisco.store import Block
from sceplab_devices.profiles.cisco_asa.firewall import Firewall
from sceplab_devices.profiles.cisco_asa.passwords import hash_password, is_hashed
from sceplab_devices.profiles.cisco_asa.trustpoint import Trustpoint

Group = list[str]
"""A line, or a header with the indented lines below it."""

_UNNAMED = ("no nameif", "no security-level", "no ip address")


def render_config(firewall: Firewall) -> str:
    """The running configuration as it is saved, from its version to ``: end``."""
    lines = [str(firewall.profile.data["version_line"]), "!"]
    for group in config_groups(firewall):
        lines += group
    return "\n".join([*lines, ": end"]) + "\n"


def config_groups(firewall: Firewall) -> Iterator[Group]:
    """Every line and block, in the order of the configuration."""
    config = firewall.config
    yield [f"hostname {firewall.hostname}"]
    if config.domain_name:
        yield [f"domain-name {config.domain_name}"]
    if firewall.enable_password:
        yield [f"enable password {_hashed(firewall.enable_password)} pbkdf2"]
    yield ["names"]
    for interface in config.interfaces.values():
        yield ["!"]
        yield interface_lines(interface)
    yield ["!"]
    zone = config.zone
    if zone.minutes or zone.name != "UTC":
        hours, minutes = divmod(abs(zone.minutes), 60)
        sign = "-" if zone.minutes < 0 else ""
        yield [f"clock timezone {zone.name} {sign}{hours}" + (f" {minutes}" if minutes else "")]
    for section in firewall.profile.data["config_sections"]:
        yield from _section(firewall, section)


def _section(firewall: Firewall, section: str) -> Iterator[Group]:
    config = firewall.config
    if section == "pager":
        yield [f"pager lines {config.page_length}" if config.page_length else "no pager"]
    yield from ([line] for line in config.lines.get(section, {}).values())
    for block in config.blocks.get(section, {}).values():
        yield [block.header, *(f" {line}" for line in block.lines.values())]
    if section == "ca-trustpoint":
        for trustpoint in config.trustpoints.values():
            yield trustpoint_lines(firewall, trustpoint)
    elif section == "ca-chain":
        for name in config.trustpoints:
            yield from _chain(firewall, name)
    elif section == "username":
        for name, level in config.privileges.items():
            password = _hashed(firewall.users[name])
            yield [f"username {name} password {password} pbkdf2 privilege {level}"]


def _hashed(password: str) -> str:
    return password if is_hashed(password) else hash_password(password)


def interface_lines(interface: Block) -> Group:
    """An interface's block: what is not configured is said so."""
    lines = dict(interface.lines)
    shown = [lines.pop(key) for key in ("description", "shutdown") if key in lines]
    for unset in _UNNAMED:
        shown.append(lines.pop(unset.removeprefix("no "), unset))
    return [interface.header, *(f" {line}" for line in (*shown, *lines.values()))]


def trustpoint_lines(firewall: Firewall, trustpoint: Trustpoint) -> Group:
    """A trustpoint's block."""
    lines = {key: entry.line for key, entry in trustpoint.entries.items()}
    if trustpoint.challenge:
        lines["password"] = f"password 7 {obfuscate(trustpoint.challenge)}"
    order: list[str] = firewall.profile.data["trustpoint_order"]
    keys = sorted(lines, key=lambda key: order.index(key) if key in order else len(order))
    return [
        f"crypto ca trustpoint {trustpoint.name}",
        *(f" {lines[key]}" for key in keys),
        " crl configure",
        *(f"  {line}" for line in trustpoint.crl_lines.values()),
    ]


def _chain(firewall: Firewall, name: str) -> Iterator[Group]:
    view = firewall.view(name)
    if not view.ca_certificates_der:
        return
    group = [f"crypto ca certificate chain {name}"]
    if view.certificate_der:
        group += _certificate_lines("certificate", view.certificate_der)
    group += _certificate_lines("certificate ca", view.ca_certificates_der[0])
    yield group


def _certificate_lines(title: str, certificate_der: bytes) -> Iterable[str]:
    serial = x509.load_der_x509_certificate(certificate_der).serial_number
    lines = [line.lower().rstrip() for line in hex_lines(certificate_der, indent=4)]
    return [f" {title} {serial_hex(serial).lower()}", *lines, "  quit"]
