"""Every event that the journal or the log may tell: the machine's own, and the agent's around it.

``python -m sceplab_agent.event_catalogue`` prints the page ``docs/events.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from sceplab_agent.core.catalogue import CATALOGUE, Entry
from sceplab_agent.core.commands import NoticeLevel
from sceplab_agent.journal import JournalEntry
from sceplab_agent.text import clean_text

_WARNING = NoticeLevel.WARNING

EVENTS: dict[str, Entry] = {
    **CATALOGUE,
    "trustpoint.changed": Entry("other settings hold from now on; the details name them"),
    "trustpoint.removed": Entry(
        "the trustpoint left the configuration; keys and certificate stay", _WARNING
    ),
    "journal.set-aside": Entry(
        "what the journal knew of the trustpoint was damaged; it is kept in the file, and the "
        "trustpoint begins anew",
        _WARNING,
    ),
    "journal.unreadable": Entry(
        "an entry of the journal is damaged; shown, not journalled", _WARNING
    ),
    "journal.mark-set-aside": Entry(
        "the mark beside the journal was damaged and is written anew; shown, not journalled",
        _WARNING,
    ),
    "journal.trustpoint-damaged": Entry(
        "what the journal knows of the trustpoint cannot be used; it is left out, others go on",
        NoticeLevel.ERROR,
    ),
    "key-store.fallback": Entry("the fallback store is worked with", _WARNING),
    "key-store.closed": Entry("a key store does not open; it is tried again", NoticeLevel.ERROR),
    "key.lost": Entry(
        "the certificate in use has lost its key, or the key is damaged", NoticeLevel.ERROR
    ),
    "certificate.file-mended": Entry(
        "a damaged certificate file was written anew; what was there is set aside", _WARNING
    ),
    "certificate.file-fault": Entry(
        "a certificate file is not what the journal says, and is left as it is", _WARNING
    ),
    "handoff.prepared": Entry("every consumer is ready for the certificate; the old one is in use"),
    "handoff.verified": Entry("every consumer works with the certificate; there is no way back"),
    "handoff.undone": Entry("every consumer is back at what it used before", _WARNING),
    "handoff.leftover": Entry(
        "a consumer could not tidy up, or left the configuration in the middle", _WARNING
    ),
    "handoff.again": Entry("the certificate in use is about to be handed over once more"),
    "handoff.again-done": Entry("every consumer works with the certificate in use"),
    "handoff.again-failed": Entry(
        "a consumer does not work with the certificate in use; the details say which", _WARNING
    ),
    "ca.asked": Entry(
        "the operator has to compare the fingerprint; shown, not journalled", _WARNING
    ),
    "clock.jumped": Entry(
        "the clock was set by so many seconds; the details name the next step", _WARNING
    ),
}

_UNKNOWN = Entry("")
_HEAD = """\
<!-- Written by `python -m sceplab_agent.event_catalogue`; change the tables, not this page. -->

# Events of the agent

What `sceplab-agent events` shows. The names are stable; details may gain fields. No event holds a
secret.

| event | level | means |
| --- | --- | --- |
"""


def entry_to_json(entry: JournalEntry) -> dict[str, object]:
    """JSON-ready form of a journal entry, with its level and meaning."""
    known = EVENTS.get(entry.event_id, _UNKNOWN)
    return {
        "seq": entry.seq,
        "at": entry.at.isoformat(),
        "trustpoint": entry.trustpoint,
        "event": entry.event_id,
        "level": known.level.value,
        "meaning": known.meaning,
        "details": dict(entry.details),
    }


def format_event(event: Mapping[str, object]) -> str:
    """One line for a person, of what `entry_to_json` gave."""
    at = datetime.fromisoformat(str(event["at"])).astimezone(UTC)
    details = event.get("details")
    pairs = details.items() if isinstance(details, Mapping) else ()
    shown = " ".join(f"{name}={value}" for name, value in pairs if value is not None)
    words = f"{event['trustpoint']} {event['level']} {event['event']} {shown}"
    return f"{at:%Y-%m-%d %H:%M:%S} {clean_text(words, max_chars=2000)}"


def render() -> str:
    """The page about all events."""
    rows = [f"| `{name}` | {one.level.value} | {one.meaning} |" for name, one in EVENTS.items()]
    return _HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(render(), end="")
