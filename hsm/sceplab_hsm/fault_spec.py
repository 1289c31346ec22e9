"""What may go wrong, as the query of a ``fault+`` URI says it.

``fault=KIND[=VALUE]:OPERATION[:WHICH[:COUNT]]``, as often as wanted::

    fault=busy:sign:3          the third signature finds the token busy
    fault=slow=0.5:any         everything takes half a second longer
    fault=full:generate:1:*    no key can be made
    fault=removed:sign:2:4     at the second signature the token goes away for four calls
    fault=busy:sign:1/10       one signature in ten, by chance (``fault-seed=N`` repeats it)
    fault=lockout=3            after three wrong PINs the right one is refused as well
    fault-state=PATH           calls are counted in this file, from one opening to the next
"""

from __future__ import annotations

import difflib
import enum
import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import unquote

from sceplab_hsm.errors import StoreUriError

PREFIX = "fault+"


class FaultKind(enum.Enum):
    """What happens. The value is what URIs write."""

    SLOW = "slow"
    """Takes so many seconds longer, and then works."""
    BUSY = "busy"
    REMOVED = "removed"
    """The token goes away; every operation fails until it is back."""
    LOST = "lost"
    """The operation is carried out, its answer is lost."""
    WRONG_PIN = "wrong-pin"
    LOCKOUT = "lockout"
    """So many wrong PINs in a row at opening lock the store: what SoftHSM lacks."""
    FULL = "full"
    MEMORY = "memory"
    FAIL = "fail"


class Operation(enum.Enum):
    """What is disturbed. The value is what URIs write."""

    OPEN = "open"
    GENERATE = "generate"
    GET = "get"
    LIST = "list"
    DELETE = "delete"
    SIGN = "sign"
    DECRYPT = "decrypt"
    EXPORT = "export"
    IMPORT = "import"
    ANY = "any"


EVERY_CALL = 0
"""As a count: without end."""

_VALUES = {FaultKind.SLOW: "seconds", FaultKind.LOCKOUT: "tries"}
_OPTIONS = ("fault", "fault-state", "fault-seed")
_SECONDS = re.compile(r"[0-9]{1,4}(\.[0-9]{1,6})?")
_NUMBER = re.compile(r"[1-9][0-9]{0,5}")
_CHANCE = re.compile(r"1/([1-9][0-9]{0,5})")
_FIELDS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One disturbance."""

    kind: FaultKind
    operation: Operation
    first: int = 1
    """Number of the first call of the operation that is disturbed."""
    count: int = EVERY_CALL
    """How many calls from then on; of `REMOVED`: of any operation."""
    one_in: int = 0
    """With a number: by chance, one call in so many; `first` and `count` do not matter then."""
    value: float = 0.0
    """Seconds of `SLOW`, tries of `LOCKOUT`."""
    text: str = ""
    """As written, for error texts."""

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Reads ``KIND[=VALUE]:OPERATION[:WHICH[:COUNT]]``.

        Raises:
            StoreUriError: with the part that is wrong and what may stand there.
        """
        fields = text.split(":")
        if len(fields) > _FIELDS:
            raise _wrong(text, "it has more parts than KIND:OPERATION:WHICH:COUNT")
        name, equals, value = fields[0].partition("=")
        kind = FaultKind(_chosen(text, "kind", name, [item.value for item in FaultKind]))
        if bool(equals) != (kind in _VALUES):
            needed = f"write {kind.value}={_VALUES[kind].upper()}" if kind in _VALUES else "drop it"
            raise _wrong(text, f"kind '{kind.value}' with '{equals}{value}': {needed}")
        if kind is FaultKind.LOCKOUT:
            if len(fields) > 1:
                raise _wrong(text, "a lockout concerns every opening; write lockout=TRIES alone")
            tries = _number(text, "tries", value)
            return cls(kind=kind, operation=Operation.OPEN, value=tries, text=text)
        if len(fields) == 1:
            raise _wrong(text, f"it names no operation; write for example {kind.value}:sign")
        operation = Operation(
            _chosen(text, "operation", fields[1], [item.value for item in Operation])
        )
        which = cls._which(text, fields[2:], kind)
        return cls(kind=kind, operation=operation, value=_seconds(text, value), text=text, **which)

    @staticmethod
    def _which(text: str, fields: list[str], kind: FaultKind) -> dict[str, int]:
        if not fields:
            return {}
        if chance := _CHANCE.fullmatch(fields[0]):
            if len(fields) > 1:
                raise _wrong(text, "a chance takes no count")
            return {"one_in": int(chance[1]), "count": 1}
        first = _number(text, "call", fields[0])
        if len(fields) == 1:
            # What is taken away stays away until it is put back.
            return {"first": first, "count": EVERY_CALL if kind is FaultKind.REMOVED else 1}
        count = EVERY_CALL if fields[1] == "*" else _number(text, "count", fields[1])
        return {"first": first, "count": count}


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultUri:
    """A ``fault+`` URI, taken apart."""

    inner: str
    """URI of the store that is disturbed."""
    faults: tuple[Fault, ...]
    state_path: str
    """File that keeps the counters, empty: none."""
    seed: int

    @classmethod
    def parse(cls, uri: str) -> FaultUri:
        """Reads the URI of a store; what is not about faults is left for the inner store.

        Raises:
            StoreUriError: an option or fault is wrong. The URI is not quoted as a whole.
        """
        if uri[: len(PREFIX)].lower() != PREFIX:
            raise StoreUriError(f"a store with injected faults is written {PREFIX}SCHEME:...")
        rest, _, query = uri[len(PREFIX) :].partition("?")
        if rest[: len(PREFIX)].lower() == PREFIX:
            raise StoreUriError(f"'{PREFIX}' stands twice; write all faults into one query")
        passed, own = _split_query(query)
        faults = tuple(Fault.parse(unquote(value)) for name, value in own if name == "fault")
        single = {name: unquote(value) for name, value in own if name != "fault"}
        seed = single.get("fault-seed", "0")
        if not re.fullmatch("[0-9]{1,9}", seed):
            raise StoreUriError(f"fault-seed is a number, not {seed[:20]!r}")
        if not single.get("fault-state", "-").isprintable():
            raise StoreUriError("fault-state is the path of a file")
        return cls(
            inner=rest + ("?" + "&".join(passed) if passed else ""),
            faults=faults,
            state_path=single.get("fault-state", ""),
            seed=int(seed),
        )


def wrapped_uri(inner: str, uri: str) -> str:
    """URI of a wrapped store: the prefix, the inner store's own URI, the faults of ``uri``."""
    _, own = _split_query(uri.partition("?")[2])
    items = [f"{name}={value}" for name, value in own]
    if not items:
        return PREFIX + inner
    return f"{PREFIX}{inner}{'&' if '?' in inner else '?'}{'&'.join(items)}"


def _split_query(query: str) -> tuple[list[str], list[tuple[str, str]]]:
    """The items for the inner store, and ours with their values still encoded."""
    passed: list[str] = []
    own: list[tuple[str, str]] = []
    for item in filter(None, query.split("&")):
        name, equals, value = item.partition("=")
        if not name.startswith("fault"):
            passed.append(item)
            continue
        if name not in _OPTIONS:
            raise StoreUriError(f"option '{name[:40]}' is unknown{_hint(name, _OPTIONS)}")
        if not equals or not value:
            raise StoreUriError(f"option '{name}' has no value")
        if name != "fault" and name in dict(own):
            raise StoreUriError(f"option '{name}' stands twice")
        own.append((name, value))
    return passed, own


def _chosen(text: str, what: str, value: str, known: Collection[str]) -> str:
    if value in known:
        return value
    hint = _hint(value, known)
    raise _wrong(text, f"{what} '{value[:40]}' is unknown (known: {', '.join(known)}){hint}")


def _hint(value: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(value, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def _number(text: str, what: str, value: str) -> int:
    if not _NUMBER.fullmatch(value):
        raise _wrong(text, f"{what} {value[:20]!r} is not a number from 1 to 999999")
    return int(value)


def _seconds(text: str, value: str) -> float:
    if not value:
        return 0.0
    if not _SECONDS.fullmatch(value):
        raise _wrong(text, f"seconds {value[:20]!r} are not a number such as 0.5")
    return float(value)


def _wrong(text: str, reason: str) -> StoreUriError:
    return StoreUriError(f"fault {text[:80]!r}: {reason}")
