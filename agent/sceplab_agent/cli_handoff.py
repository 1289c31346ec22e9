"""``sceplab-agent handoff``: proves what consumers were handed over; hands it over once more."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime

from sceplab_agent.cli_commands import make_service
from sceplab_agent.cli_control import require_ok
from sceplab_agent.cli_output import Output
from sceplab_agent.config import AgentConfig, load_config
from sceplab_agent.control_client import ask_agent
from sceplab_agent.errors import SnapshotDamagedError
from sceplab_agent.exit_codes import ExitCode
from sceplab_agent.handoff.again import HandedAgain, code_of
from sceplab_agent.handoff.api import Delivery, ProofKind
from sceplab_agent.handoff.proof import Proof, prove
from sceplab_agent.journal import Journal
from sceplab_agent.journal_sqlite import FILE_NAME, SqliteJournal
from sceplab_agent.store_choice import key_home
from sceplab_agent.stored_model import read_stored
from sceplab_agent.trustpoint import TrustpointConfig
from sceplab_hsm.uri import join_key_uri


def handoff(arguments: argparse.Namespace, output: Output) -> int:
    """Does what ``action`` says."""
    config = load_config(arguments.config)
    configs = config.select(tuple(arguments.trustpoints))
    if arguments.action == "again":
        return _again(config, configs, output)
    return _verify(config, configs, output)


def _again(config: AgentConfig, configs: Sequence[TrustpointConfig], output: Output) -> int:
    """Hands certificates in use over once more; by the running agent, where one runs."""
    names = [one.name for one in configs]
    replies = ask_agent(config.state_dir, {"op": "handoff-again", "trustpoints": names})
    if replies is not None:
        reply = next(replies)
        require_ok(reply)
        return _tell_again([HandedAgain.from_json(one) for one in reply["handoffs"]], output)
    with make_service(config, output, is_tracing=False) as service:
        return _tell_again(service.hand_again(configs), output)


def _tell_again(told: Sequence[HandedAgain], output: Output) -> int:
    code = code_of(told)
    if output.as_json:
        handoffs = [one.to_json() for one in told]
        output.document({"ok": code is ExitCode.OK, "exit_code": int(code), "handoffs": handoffs})
        return code
    if not told:
        output.text("no trustpoint has a hand-off; nothing was done")
    for one in told:
        where = f"{one.trustpoint}: {one.handoff or 'no hand-off'}"
        output.text(f"{where}: {'handed over' if one.is_done else 'FAILED'}: {one.text}")
    return code


def _verify(config: AgentConfig, configs: Sequence[TrustpointConfig], output: Output) -> int:
    """Proves each hand-off of each trustpoint, as strongly as can be now."""
    journal = SqliteJournal.open_read_only(config.state_dir / FILE_NAME)
    try:
        proofs = [proof for one in configs for proof in _prove_all(one, journal)]
    finally:
        if journal is not None:
            journal.close()
    return _tell(proofs, output)


def _prove_all(config: TrustpointConfig, journal: Journal | None) -> list[Proof]:
    reason = "there is no certificate; run: sceplab-agent enroll"
    try:
        delivery = _delivered(config, journal)
    except SnapshotDamagedError as error:
        delivery, reason = None, str(error)
    if delivery is None:
        return [
            Proof(
                trustpoint=config.name,
                handoff="",
                kind=ProofKind.CHECK,
                is_proved=False,
                text=reason,
            )
        ]
    return [prove(delivery, handoff, _now) for handoff in config.handoffs or (None,)]


def _delivered(config: TrustpointConfig, journal: Journal | None) -> Delivery | None:
    """What was handed over last; ``None``: nothing was."""
    stored = journal.snapshot(config.name) if journal is not None else None
    active = read_stored(config.name, stored).active if stored is not None else None
    if active is None:
        return None
    return Delivery(
        trustpoint=config.name,
        generation=active.generation,
        certificate_der=active.certificate_der,
        chain_der=active.chain_der,
        key_uri=join_key_uri(key_home(config, stored).store_uri, active.key_id),
        expects_key=config.key_exportable,
    )


def _tell(proofs: Sequence[Proof], output: Output) -> int:
    code = ExitCode.OK if all(proof.is_proved for proof in proofs) else ExitCode.FAILED
    if output.as_json:
        output.document(
            {
                "ok": code is ExitCode.OK,
                "exit_code": int(code),
                "proofs": [proof.to_json() for proof in proofs],
            }
        )
        return code
    for proof in proofs:
        where = f"{proof.trustpoint}: {proof.handoff or 'no hand-off'}"
        output.text(f"{where}: {'proved' if proof.is_proved else 'NOT PROVED'}: {proof.text}")
        if proof.is_proved and proof.weakness:
            output.text(f"  {proof.weakness}")
    return code


def _now() -> datetime:
    return datetime.now(UTC)
