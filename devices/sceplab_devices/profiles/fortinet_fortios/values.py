"""What ``set`` accepts for each type of attribute, and how a value is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

from sceplab_devices.profiles.fortinet_fortios import hidden
from sceplab_devices.profiles.fortinet_fortios.configuration import Words
from sceplab_devices.profiles.fortinet_fortios.schema import SECRETS, Attribute
from sceplab_devices.profiles.fortinet_fortios.words import quoted

Exists = Callable[[str, str], bool]
"""Whether a table (path) has an entry (name)."""

_QUOTED = frozenset({"string", "text", "reference", "references"})


@dataclass(frozen=True, slots=True)
class ValueProblem:
    """Why a value was not taken."""

    kind: str
    """Name of a text below ``[texts.value]``."""
    word: str


def check(attribute: Attribute, words: Words, exists: Exists) -> Words | ValueProblem:
    """The value that typed words mean, or what is wrong with them."""
    checker = _CHECKERS[attribute.type]
    many = attribute.is_list or attribute.type in ("address-mask", *SECRETS)
    if len(words) > 1 and not many:
        return ValueProblem("parse", words[1])
    return checker(attribute, words, exists)


def _string(attribute: Attribute, words: Words, _exists: Exists) -> Words | ValueProblem:
    if attribute.size and len(words[0]) > attribute.size:
        return ValueProblem("too_long", words[0])
    return words if words[0] else ()


def _text(attribute: Attribute, words: Words, exists: Exists) -> Words | ValueProblem:
    return _string(attribute, (words[0].strip("\n"),), exists)


def _secret(hide: Callable[[str], str], words: Words) -> Words | ValueProblem:
    if words[0] == hidden.MARK and len(words) > 1:
        return words[1:2]
    if len(words) > 1:
        return ValueProblem("parse", words[1])
    return (hide(words[0]),) if words[0] else ()


def _password(_attribute: Attribute, words: Words, _exists: Exists) -> Words | ValueProblem:
    return _secret(hidden.hide, words)


def _login_password(_attribute: Attribute, words: Words, _exists: Exists) -> Words | ValueProblem:
    return _secret(hidden.hash_login, words[:1] if words[0] != hidden.MARK else words)


def _integer(attribute: Attribute, words: Words, _exists: Exists) -> Words | ValueProblem:
    text = words[0]
    is_number = text.isascii() and text.isdigit() and len(text) < len(str(attribute.maximum)) + 1
    if not is_number or not attribute.minimum <= int(text) <= attribute.maximum:
        return ValueProblem("parse", text)
    return (str(int(text)),)


def _options(attribute: Attribute, words: Words, _exists: Exists) -> Words | ValueProblem:
    chosen = []
    for word in words:
        fitting = [option for option in attribute.options if option.startswith(word.lower())]
        exact = [option for option in attribute.options if option.lower() == word.lower()]
        found = exact or fitting
        if len(found) != 1:
            return ValueProblem("parse", word)
        chosen.append(found[0])
    return tuple(dict.fromkeys(chosen))


def _references(attribute: Attribute, words: Words, exists: Exists) -> Words | ValueProblem:
    names = [word for word in words if word]
    for name in names:
        if not any(exists(table, name) for table in attribute.to):
            return ValueProblem("not_found", name)
    return tuple(dict.fromkeys(names))


def _address(_attribute: Attribute, words: Words, _exists: Exists) -> Words | ValueProblem:
    try:
        return (str(IPv4Address(words[0])),)
    except AddressValueError:
        return ValueProblem("parse", words[0])


def _address_mask(_attribute: Attribute, words: Words, _exists: Exists) -> Words | ValueProblem:
    """``10.0.0.1 255.255.255.0`` or ``10.0.0.1/24``."""
    address, _, mask = words[0].partition("/")
    mask = words[1] if len(words) > 1 else mask
    try:
        network = IPv4Network(f"0.0.0.0/{mask}" if mask else "", strict=False)
        return (str(IPv4Address(address)), str(network.netmask))
    except (AddressValueError, NetmaskValueError, ValueError):
        return ValueProblem("parse", words[0])


_CHECKERS: dict[str, Callable[[Attribute, Words, Exists], Words | ValueProblem]] = {
    "string": _string,
    "text": _text,
    "password": _password,
    "login-password": _login_password,
    "integer": _integer,
    "option": _options,
    "options": _options,
    "reference": _references,
    "references": _references,
    "address": _address,
    "address-mask": _address_mask,
}


def shown(attribute: Attribute, words: Words) -> str:
    """A value as ``show`` prints it behind the attribute's name."""
    if attribute.type in SECRETS:
        return f"{hidden.MARK} {words[0]}" if words else ""
    if attribute.type in _QUOTED:
        return " ".join(quoted(word) for word in words) or "''"
    return " ".join(words)


def plain(attribute: Attribute, words: Words) -> str:
    """A value as ``get`` prints it: secrets as ``*``."""
    if attribute.type in SECRETS:
        return "*" if words else ""
    return " ".join(words)
