"""Finds the kind of a hand-off: built-in ones, then plug-ins of the group ``sceplab.handoffs``.

A kind's module is imported when a configuration first names it, so that a broken or missing one
troubles nobody else.
"""

from __future__ import annotations

import difflib
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from sceplab_agent.config_table import ConfigTable
from sceplab_agent.handoff.api import HandOff

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINT_GROUP = "sceplab.handoffs"

_BUILT_IN = {
    "files": "sceplab_agent.handoff.files:open_handoff",
    "hook": "sceplab_agent.handoff.hook:open_handoff",
    "strongswan": "sceplab_agent.handoff.strongswan:open_handoff",
    "wpa_supplicant": "sceplab_agent.handoff.wpa_supplicant:open_handoff",
}
_METHODS = ("prepare", "install", "verify", "commit", "roll_back")


class HandOffFactory(Protocol):
    """Makes a consumer of one kind from its table. Touches nothing outside: no file, no socket."""

    def __call__(self, name: str, table: ConfigTable, base_dir: Path) -> HandOff:
        """Asks the table for every key the kind knows.

        A mistake goes to `ConfigTable.problem` (a getter does so by itself) and is no exception:
        the hand-off is made of defaults then, and never used. The caller finishes the table.

        Args:
            name: of the hand-off, as `HandOff.name` gives it.
            table: without ``kind`` and ``name``, which were asked for already.
            base_dir: directory that relative paths start from.
        """


class _UnknownKindError(Exception):
    """No usable factory; the text says why and what to do."""


def open_handoff(
    kind: str, table: ConfigTable, base_dir: Path, *, name: str = ""
) -> HandOff | None:
    """Makes the hand-off that one ``[[trustpoint.NAME.handoff]]`` describes.

    Args:
        kind: for example ``files``.
        table: the kind's own keys; every key nobody asked for becomes a problem.
        base_dir: directory that relative paths start from.
        name: as configuration, journal and messages call it; empty: the kind.

    Returns:
        ``None`` when there is no such kind or its plug-in is broken: noted at the key ``kind``.
    """
    try:
        factory, origin = _load_factory(kind)
    except _UnknownKindError as error:
        table.problem("kind", str(error))
        return None
    try:
        handoff = factory(name or kind, table, base_dir)
    except Exception as error:
        # Only the kind of it: a table may hold what its author does not want repeated.
        table.problem("kind", f"{origin} failed on this table: {type(error).__name__}")
        return None
    missing = [method for method in _METHODS if not callable(getattr(handoff, method, None))]
    if missing:
        table.problem("kind", f"{origin} gave no hand-off: it lacks {', '.join(missing)}")
        return None
    table.finish()
    return handoff


def known_kinds() -> list[str]:
    """Kinds that `open_handoff` accepts, sorted; nothing is imported to find out."""
    return sorted({*_BUILT_IN, *(point.name for point in _entry_points())})


def _load_factory(kind: str) -> tuple[HandOffFactory, str]:
    if kind in _BUILT_IN:
        origin, target = f"hand-off '{kind}'", _BUILT_IN[kind]
    else:
        point = _find_entry_point(kind)
        distribution = point.dist.name if point.dist is not None else "unknown"
        origin, target = f"hand-off plug-in '{kind}' (of {distribution})", point.value
    module, _, attribute = target.partition(":")
    try:
        factory = getattr(import_module(module), attribute)
    except Exception as error:
        raise _UnknownKindError(
            f"{origin} does not load: {type(error).__name__}: {error}"
        ) from error
    return cast("HandOffFactory", factory), origin


def _find_entry_point(kind: str) -> EntryPoint:
    found = {point.value: point for point in _entry_points() if point.name == kind}
    if len(found) > 1:
        raise _UnknownKindError(
            f"several plug-ins offer '{kind}' ({', '.join(sorted(found))}); uninstall all but one"
        )
    if not found:
        known = known_kinds()
        close = difflib.get_close_matches(kind, known, n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise _UnknownKindError(f"is one of {', '.join(known)}{hint}")
    return next(iter(found.values()))


def _entry_points() -> list[EntryPoint]:
    from importlib.metadata import entry_points

    return list(entry_points(group=ENTRY_POINT_GROUP))
