"""``show running-config``: the model as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cryptography import x509

from sceplab_devices.profiles.cisco.dates import weekday_text
from sceplab_devices.profiles.cisco.hexdump import hex_lines, serial_hex
from sceplab_devices.profiles.cisco.obfuscation import hash_secret, is_hashed, obfuscate
from sceplab_devices.profiles.cisco.store import Block
from sceplab_devices.profiles.cisco_ios.router import Router
from sceplab_devices.profiles.cisco_ios.running_config import Interface
from sceplab_devices.profiles.cisco_ios.terminal_lines import FACTORY_LINES
from sceplab_devices.profiles.cisco_ios.trustpoint import Trustpoint

Group = list[str]
"""Lines that stand together, between two ``!``."""


def render_config(router: Router) -> str:
    """The running configuration, from its first ``!`` to ``end``, every line with its end."""
    lines = ["!"]
    if router.changed_at is not None:
        changed = weekday_text(router.changed_at, router.config.zone)
        lines += [f"! Last configuration change at {changed}", "!"]
    for group in _groups(router):
        lines += [*group, "!"]
    return "\n".join([*lines, "end"]) + "\n"


def _groups(router: Router) -> Iterator[Group]:
    yield [
        f"version {router.train.version}",
        "service timestamps debug datetime msec",
        "service timestamps log datetime msec",
        "service password-encryption",
    ]
    yield [f"hostname {router.hostname}"]
    yield ["boot-start-marker", "boot-end-marker"]
    if router.enable_password:
        yield [f"enable {_password(router.enable_password, router.config.enable_is_secret)}"]
    zone = router.config.zone
    if zone.minutes or zone.name != "UTC":
        hours, minutes = divmod(abs(zone.minutes), 60)
        yield [f"clock timezone {zone.name} {'-' if zone.minutes < 0 else ''}{hours} {minutes}"]
    for section in router.profile.data["config_sections"]:
        yield from _section(router, section)


def _section(router: Router, section: str) -> Iterator[Group]:
    config = router.config
    lines = list(config.lines.get(section, {}).values())
    if section == "ip-names" and config.domain_name:
        lines.insert(0, f"ip domain name {config.domain_name}")
    if section == "username":
        lines += _user_lines(router)
    if lines:
        yield lines
    for block in config.blocks.get(section, {}).values():
        yield _block(block)
    if section == "pki-trustpoint":
        for trustpoint in config.trustpoints.values():
            yield trustpoint_lines(router, trustpoint)
    elif section == "pki-chain":
        for name in config.trustpoints:
            yield from _chain(router, name)
    elif section == "interface":
        for interface in config.interfaces.values():
            yield interface_lines(interface)
    elif section == "line":
        yield _terminal_lines(router)


def _block(block: Block) -> Group:
    return [block.header, *(f" {line}" for line in block.lines.values())]


def _user_lines(router: Router) -> Iterator[str]:
    for name, user in router.config.users.items():
        privilege = f" privilege {user.privilege}" if user.privilege != 1 else ""
        yield f"username {name}{privilege} {_password(router.users[name], user.is_secret)}"


def _password(password: str, is_secret: bool) -> str:
    if not is_secret:
        return f"password 7 {obfuscate(password)}"
    return f"secret 8 {password if is_hashed(password) else hash_secret(password)}"


def trustpoint_lines(router: Router, trustpoint: Trustpoint) -> Group:
    """A trustpoint's block."""
    lines = {key: entry.line for key, entry in trustpoint.entries.items()}
    lines.setdefault("revocation-check", "revocation-check crl")
    order: list[str] = router.profile.data["trustpoint_order"]

    def place(key: str) -> int:
        return next((i for i, known in enumerate(order) if key.startswith(known)), len(order))

    keys = sorted(lines, key=place)
    return [f"crypto pki trustpoint {trustpoint.name}", *(f" {lines[key]}" for key in keys)]


def _chain(router: Router, name: str) -> Iterator[Group]:
    view = router.view(name)
    if not view.ca_certificates_der:
        return
    group = [f"crypto pki certificate chain {name}"]
    if view.certificate_der:
        group += _certificate_lines("certificate", view.certificate_der)
    group += _certificate_lines("certificate ca", view.ca_certificates_der[0])
    yield group


def _certificate_lines(title: str, certificate_der: bytes) -> Iterable[str]:
    serial = x509.load_der_x509_certificate(certificate_der).serial_number
    return [f" {title} {serial_hex(serial)}", *hex_lines(certificate_der), "  quit"]


def interface_lines(interface: Interface) -> Group:
    """An interface's block."""
    lines = [f"interface {interface.name}"]
    if "description" in interface.lines:
        lines.append(f" {interface.lines['description']}")
    if interface.address:
        lines.append(f" ip address {interface.address} {interface.mask}")
    else:
        lines.append(" ip address dhcp" if interface.uses_dhcp else " no ip address")
    if interface.is_shut_down:
        lines.append(" shutdown")
    lines += [f" {line}" for key, line in interface.lines.items() if key != "description"]
    return lines


def _terminal_lines(router: Router) -> Group:
    blocks = {header: Block(header) for header in FACTORY_LINES} | router.config.terminal_lines
    return [line for header in sorted(blocks, key=_line_place) for line in _block(blocks[header])]


def _line_place(header: str) -> tuple[int, int]:
    _, kind, number, *_ = header.split()
    return ("con", "aux", "vty").index(kind), int(number)
