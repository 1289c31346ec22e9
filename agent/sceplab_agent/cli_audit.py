"""``sceplab-agent audit``: shows what an audit of the keys found, and deletes on request."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sceplab_agent.audit import Fault, KeyAudit, KeyFinding, StoreAudit
from sceplab_agent.audit_files import FileFinding, audit_files, kept_aside
from sceplab_agent.cli_output import Output
from sceplab_agent.config import load_config
from sceplab_agent.errors import ConfigError, ConfigProblem
from sceplab_agent.exit_codes import ExitCode
from sceplab_agent.journal_sqlite import FILE_NAME, SqliteJournal
from sceplab_agent.key_stores import KeyStores
from sceplab_agent.state_dir import StateDirLock

_STAMP_PRECISION = timedelta(seconds=1)
"""Key stores keep whole seconds."""
_ADVICE = """\
Another configuration or program may keep keys in the same store: what looks like an orphan may be
in use there. `sceplab-agent audit --delete-orphans` deletes orphans that bear the name of a key of
this configuration; `sceplab hsm delete` deletes any key."""


def audit(arguments: argparse.Namespace, output: Output) -> int:
    """Finds keys without a trustpoint, and trustpoints without their key."""
    config = load_config(arguments.config)
    configs = config.select(tuple(arguments.trustpoints))
    deleted: list[KeyFinding] = []
    with contextlib.ExitStack() as stack:
        if arguments.delete_orphans:
            # Nobody makes a key meanwhile; an audit that only looks needs no lock.
            stack.enter_context(StateDirLock(config.state_dir))
        journal = SqliteJournal.open_read_only(config.state_dir / FILE_NAME)
        if journal is not None:
            stack.callback(journal.close)
        elif arguments.delete_orphans:
            reason = "there is no journal, so every key looks like an orphan; nothing is deleted"
            raise ConfigError(str(config.state_dir), (ConfigProblem("", reason),))
        stores = KeyStores(now=lambda: datetime.now(UTC))
        stack.callback(stores.close)
        key_audit = KeyAudit(config, journal, stores)
        audits = key_audit.run(configs)
        if arguments.delete_orphans:
            for error in key_audit.unread.values():
                raise error  # what looks like an orphan may be its key
            deleted = _deletable(audits, key_audit.started_at())
            if deleted and not arguments.yes:
                _require_consent(deleted, is_quiet=arguments.json)
            for finding in deleted:
                key_audit.delete(finding)
            audits = key_audit.run(configs) if deleted else audits
        found = Found(
            audits=audits,
            deleted=deleted,
            unread=[str(error) for error in key_audit.unread.values()],
            files=audit_files(configs, journal, config.state_dir),
            aside=kept_aside(config.state_dir),
        )
    return _tell(found, output)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What an audit found."""

    audits: Sequence[StoreAudit]
    deleted: Sequence[KeyFinding]
    unread: Sequence[str]
    """Why the journal says nothing of a trustpoint, one text for each."""
    files: Sequence[FileFinding]
    aside: Sequence[str]
    """Files that were set aside; for information."""


def _deletable(audits: Sequence[StoreAudit], started_at: datetime | None) -> list[KeyFinding]:
    """Orphans that bear our names and are older than every transaction under way."""
    return [
        finding
        for audit in audits
        for finding in audit.findings
        if finding.fault is Fault.ORPHAN
        and finding.trustpoint
        and (started_at is None or _is_older(finding, started_at))
    ]


def _is_older(finding: KeyFinding, moment: datetime) -> bool:
    if not finding.created_at:
        return False
    return datetime.fromisoformat(finding.created_at) + _STAMP_PRECISION < moment


def _require_consent(findings: Sequence[KeyFinding], *, is_quiet: bool) -> None:
    """Asks; everything but a plain yes ends the command.

    Raises:
        ConfigError: nobody is there to ask, or the answer is no.
    """
    if is_quiet or not sys.stdin.isatty():
        reason = "nobody is there to confirm; add --yes to delete without being asked"
    else:
        for finding in findings:
            print(f"  {finding.key_id} in {finding.store}", file=sys.stderr)
        print(f"Delete {_count(len(findings), 'key')} for good? [yes/no] ", end="", file=sys.stderr)
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() == "yes":
            return
        reason = "not confirmed; nothing was deleted"
    raise ConfigError("--delete-orphans", (ConfigProblem("", reason),))


def _tell(found: Found, output: Output) -> int:
    audits, deleted = found.audits, found.deleted
    findings = [finding for audit in audits for finding in audit.findings]
    errors = [audit for audit in audits if audit.error]
    is_wrong = bool(findings or found.unread or found.files)
    code = ExitCode.KEY_STORE if errors else ExitCode.FAILED if is_wrong else ExitCode.OK
    if output.as_json:
        output.document(
            {
                "ok": code is ExitCode.OK,
                "exit_code": int(code),
                "stores": [
                    {
                        "uri": audit.uri,
                        "trustpoints": list(audit.trustpoints),
                        "keys": audit.keys,
                        "error": audit.error,
                        "absence": audit.absence,
                    }
                    for audit in audits
                ],
                "findings": [finding.to_json() for finding in findings],
                "deleted": [finding.to_json() for finding in deleted],
                "unread": list(found.unread),
                "files": [finding.to_json() for finding in found.files],
                "set_aside": list(found.aside),
            }
        )
        return int(code)
    for audit in audits:
        output.text(_describe(audit))
    for finding in deleted:
        output.text(f"deleted {finding.key_id} in {finding.store}")
    for file in found.files:
        output.text(f"{file.trustpoint}: {file.path}: {file.remark}")
    for text in found.unread:
        output.text(text)
    for path in found.aside:
        output.text(f"set aside, and kept until you delete it: {path}")
    if any(finding.fault is Fault.ORPHAN for finding in findings):
        output.text(_ADVICE)
    elif code is ExitCode.OK:
        output.text("every key has its trustpoint, and every trustpoint its key")
    return int(code)


def _describe(audit: StoreAudit) -> str:
    title = f"{audit.uri} ({', '.join(audit.trustpoints)}): "
    absence = audit.absence and f"not there, and no key expected: {audit.absence}"
    lines = [title + (audit.error or absence or _count(audit.keys, "key"))]
    for finding in audit.findings:
        what = " ".join(filter(None, (finding.algorithm, finding.created_at)))
        lines.append(
            f"  {finding.fault.value:<8} {finding.key_id:<20} {what:<30} {finding.remark}".rstrip()
        )
    return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
