"""The transition table as a page for people: a picture, the states, the rows, the guards.

``python -m sceplab_agent.core.diagram`` writes ``docs/state-diagram.md``; with ``--check`` it only
compares. Nothing but the table goes in, so the page cannot differ from what runs.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import itertools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from sceplab_agent.core import guards, states
from sceplab_agent.core.events import (
    CaRefused,
    EnrollmentCancelled,
    ReplyRejected,
    TransportFailed,
    TrustpointConfigured,
)
from sceplab_agent.core.states import RfcState, State
from sceplab_agent.core.transitions import TRANSITIONS, Transition

DEFAULT_PATH = Path("docs/state-diagram.md")

_NOT_DRAWN = (EnrollmentCancelled, TrustpointConfigured)
"""Triggers that lead from almost everywhere to a state at rest: in the table, not in a picture."""

_TROUBLE = frozenset(
    {State.BLOCKED, State.NEEDS_CHALLENGE, State.EXPIRED_TXN, State.RETRY_WAIT, State.FAILED}
)
"""States of the second picture."""
_SETBACKS = (CaRefused, ReplyRejected, TransportFailed)
"""Triggers of the second picture, wherever they lead."""

_CLASSES = {
    RfcState.CERT_NONEXISTENT: ("nonexistent", "fill:#eeeeee,stroke:#555555,color:#000000"),
    RfcState.CERT_REQ_PENDING: ("pending", "fill:#fff2cc,stroke:#b7950b,color:#000000"),
    RfcState.CERT_ISSUED: ("issued", "fill:#d5f5e3,stroke:#1e8449,color:#000000"),
}

_INTRODUCTION = """\
<!-- Written by `python -m sceplab_agent.core.diagram`; change the table, not this page. -->

# The enrollment machine

Every transition is declared once, in `sceplab_agent/core/transitions.py`; this page is made of that
table. Rows with the same trigger are tried from top to bottom, the first whose guards all hold is
taken. An event that no row accepts is illegal and changes nothing.
"""


def render() -> str:
    """The page, Markdown with one Mermaid picture."""
    parts = (_INTRODUCTION, _pictures(), _state_table(), _row_table(), _guard_table())
    return "\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes or checks the page; 0 when it is (now) up to date."""
    parser = argparse.ArgumentParser(prog="python -m sceplab_agent.core.diagram")
    parser.add_argument("path", nargs="?", type=Path, default=DEFAULT_PATH)
    parser.add_argument("--check", action="store_true", help="compare, do not write")
    options = parser.parse_args(arguments)
    path: Path = options.path
    page = render()
    if path.is_file() and path.read_text(encoding="utf-8") == page:
        return 0
    if options.check:
        sys.stderr.write(f"{path} is stale: run python -m sceplab_agent.core.diagram\n")
        return 1
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return 0


def _pictures() -> str:
    left_out = ", ".join(f"`{trigger.__name__}`" for trigger in _NOT_DRAWN)
    well = _edges(is_setback=False)
    badly = _edges(is_setback=True)
    return f"""\
## Pictures

Grey: {RfcState.CERT_NONEXISTENT.value}, yellow: {RfcState.CERT_REQ_PENDING.value}, green:
{RfcState.CERT_ISSUED.value} (RFC 8894, figure 1). In the table only: rows that keep the state,
{left_out}.

### As long as all goes well

{_picture(well, "    [*] --> CONFIGURED : TrustpointConfigured")}
### When something does not, and the way back

{_picture(badly)}"""


def _edges(*, is_setback: bool) -> dict[tuple[State, State], str]:
    """Pairs of states and the triggers that lead from one to the other, for one picture."""
    triggers: dict[tuple[State, State], list[str]] = {}
    for row in TRANSITIONS:
        if row.destination is None or row.trigger in _NOT_DRAWN:
            continue
        for source in row.sources:
            is_trouble = row.trigger in _SETBACKS or bool(_TROUBLE & {source, row.destination})
            if is_trouble is is_setback and source is not row.destination:
                triggers.setdefault((source, row.destination), []).append(row.trigger.__name__)
    return {pair: "<br/>".join(dict.fromkeys(names)) for pair, names in triggers.items()}


def _picture(edges: Mapping[tuple[State, State], str], *first: str) -> str:
    drawn = [state for state in State if any(state in pair for pair in edges)]
    lines = [
        "```mermaid",
        "stateDiagram-v2",
        *first,
        *(
            f"    {source.value} --> {destination.value} : {label}"
            for (source, destination), label in edges.items()
        ),
        *(f"    classDef {name} {style}" for name, style in _CLASSES.values()),
        *(f"    class {state.value} {_CLASSES[state.rfc_state][0]}" for state in drawn),
        "```",
    ]
    return "".join(f"{line}\n" for line in lines)


def _state_table() -> str:
    meanings = _member_docstrings(State)
    rows = (
        (
            f"`{state.value}`",
            state.rfc_state.value,
            meanings[state.name],
        )
        for state in State
    )
    return "## States\n\n" + _table(("state", "RFC 8894", "meaning"), rows)


def _row_table() -> str:
    rows = (
        (
            f"`{row.trigger.__name__}`",
            _sources(row),
            f"`{row.destination.value}`" if row.destination else "stays",
            "<br/>".join(f"`{name}`" for name in row.guards),
            f"`{row.action}`" if row.action else "",
            row.reason,
        )
        for row in TRANSITIONS
    )
    return "## Transitions\n\n" + _table(("trigger", "from", "to", "if", "does", "why"), rows)


def _guard_table() -> str:
    names = sorted({name for row in TRANSITIONS for name in row.guards})
    rows = ((f"`{name}`", _summary(getattr(guards, name))) for name in names)
    return "## Guards\n\n" + _table(("guard", "holds when"), rows)


def _sources(row: Transition) -> str:
    missing = [state for state in State if state not in row.sources]
    if not missing:
        return "any"
    if len(missing) <= len(State) // 4:
        return "any but " + ", ".join(f"`{state.value}`" for state in missing)
    return ", ".join(f"`{state.value}`" for state in row.sources)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _summary(function: Callable[..., object]) -> str:
    return (inspect.getdoc(function) or "").split("\n\n")[0].replace("\n", " ")


def _member_docstrings(enumeration: type[State]) -> dict[str, str]:
    """The text below each member, which Python does not keep."""
    tree = ast.parse(inspect.getsource(states))
    body = next(
        node.body
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == enumeration.__name__
    )
    found: dict[str, str] = {}
    for member, text in itertools.pairwise(body):
        if isinstance(member, ast.Assign) and isinstance(text, ast.Expr):
            target = member.targets[0]
            assert isinstance(target, ast.Name)
            assert isinstance(text.value, ast.Constant)
            found[target.id] = " ".join(str(text.value.value).split())
    return found


if __name__ == "__main__":
    sys.exit(main())
