"""``sceplab-agent handoff verify``: proves that consumers work with what they were handed over."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from sceplab_agent.cli_output import Output
from sceplab_agent.config import load_config
from sceplab_agent.core.values import ActiveCertificate
from sceplab_agent.errors import JournalError
from sceplab_agent.exit_codes import ExitCode
from sceplab_agent.handoff.api import Delivery, ProofKind
from sceplab_agent.handoff.proof import Proof, prove
from sceplab_agent.journal import Journal
from sceplab_agent.journal_sqlite import FILE_NAME, SqliteJournal
from sceplab_agent.store_choice import key_home
from sceplab_agent.trustpoint import TrustpointConfig
from sceplab_hsm.uri import join_key_uri


def handoff(arguments: argparse.Namespace, output: Output) -> int:
    """Proves each hand-off of each trustpoint, as strongly as can be now. Changes nothing."""
    config = load_config(arguments.config)
    configs = config.select(tuple(arguments.trustpoints))
    journal = SqliteJournal.open_read_only(config.state_dir / FILE_NAME)
    try:
        proofs = [proof for one in configs for proof in _prove_all(one, journal)]
    finally:
        if journal is not None:
            journal.close()
    return _tell(proofs, output)


def _prove_all(config: TrustpointConfig, journal: Journal | None) -> list[Proof]:
    delivery = _delivered(config, journal)
    if delivery is None:
        reason = "there is no certificate; run: sceplab-agent enroll"
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
    data = stored.body.get("active") if stored is not None else None
    if data is None:
        return None
    try:
        active = ActiveCertificate.from_json(cast("dict[str, Any]", data))
    except (KeyError, TypeError, ValueError) as error:
        raise JournalError(
            f"the journal's certificate of trustpoint {config.name} cannot be used: "
            f"{type(error).__name__}"
        ) from error
    return Delivery(
        trustpoint=config.name,
        generation=active.generation,
        certificate_der=active.certificate_der,
        chain_der=active.chain_der,
        key_uri=join_key_uri(key_home(config, stored).store_uri, active.key_id),
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
