"""What has to hold on a site, at every moment and once the agent is at rest. Finds, never repairs.

Each check gives problems as texts for a person; none means that all is well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from sceplab_agent.audit import KeyAudit
from sceplab_agent.config import AgentConfig, load_config
from sceplab_agent.core.model import Awaited, Enrollment
from sceplab_agent.core.snapshot import read_snapshot
from sceplab_agent.handoff.run import MARK
from sceplab_agent.journal_sqlite import FILE_NAME, SqliteJournal
from sceplab_agent.key_stores import KeyStores
from tests.support.power.power_server import PowerServer
from tests.support.power.shared_clock import SharedClock
from tests.support.power.stages import Stage

_LEFTOVER = re.compile(r"\.(new|tmp)$|-journal$")
_PROBE = b"does this key belong to that certificate?"


def check_consumers(folder: Path, issued: list[bytes], *, has_one: bool) -> list[str]:
    """Whether each consumer has a whole certificate of the server. Holds at any moment.

    Args:
        folder: of the agent.
        issued: certificates that the server issued, DER.
        has_one: whether a certificate was handed over before.
    """
    problems = []
    for name, path in (
        ("files", folder / "files/current/certificate.pem"),
        ("hook", folder / "service/in-use.pem"),
        ("agent", folder / "state/lab/certificate.pem"),
    ):
        if not path.exists():
            problems += [f"{name}: there is no certificate any more"] if has_one else []
        elif _der_of(path) not in issued:
            problems.append(f"{name}: {path} is not a certificate that the server issued")
    problems += [f"files: {text}" for text in _files_at_odds(folder / "files/current")]
    return problems


def check_rest(folder: Path, clock: SharedClock, stage: Stage, issued: list[bytes]) -> list[str]:
    """Whether one certificate is in use everywhere, with its key and without any other.

    Opens journal and key store anew. Holds at the end of a stage.
    """
    config = load_config(folder / "agent.toml")
    journal = SqliteJournal.open_read_only(config.state_dir / FILE_NAME)
    if journal is None:
        return ["there is no journal"]
    stores = KeyStores(now=clock)
    try:
        stored = journal.snapshot("lab")
        if stored is None:
            return ["the journal has no snapshot"]
        model = read_snapshot(stored.body)
        return [
            *_check_journal(journal),
            *(["a hand-off is open in the journal"] if MARK in stored.body else []),
            *_check_model(model, stage),
            *_check_certificate(folder, model, issued, stage),
            *_check_keys(config, journal, stores, model, stage),
            *_check_leftovers(folder, model),
        ]
    finally:
        stores.close()
        journal.close()


def check_server(server: PowerServer, stage: Stage) -> list[str]:
    """Whether the server saw each intended enrollment once."""
    requests = server.requests()
    problems = []
    if len(requests) != stage.certificates:
        told = ", ".join(f"{r.kind} {r.transaction_id[:8]} {r.state.value}" for r in requests)
        problems.append(f"server: {len(requests)} requests, not {stage.certificates}: {told}")
    if len({request.transaction_id for request in requests}) != len(requests):
        problems.append("server: two requests of one transaction")
    issued = server.issued()
    if len(issued) != stage.certificates:
        problems.append(f"server: {len(issued)} certificates issued, not {stage.certificates}")
    for der in issued[stage.active - 1 : stage.active]:
        try:
            x509.load_der_x509_certificate(der).verify_directly_issued_by(server.anchor(stage.ca))
        except InvalidSignature:
            problems.append(f"server: certificate {stage.active} is not of CA {stage.ca}")
    return problems


def _check_journal(journal: SqliteJournal) -> Iterator[str]:
    numbers = [entry.seq for entry in journal.entries()]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"the journal has gaps: {numbers}"


def _check_model(model: Enrollment, stage: Stage) -> Iterator[str]:
    if model.state.value != stage.state:
        yield f"the state is {model.state.value}, not {stage.state}"
    if model.awaited is not Awaited.NOTHING:
        yield f"an answer is awaited: {model.awaited.value}"
    if model.transaction is not None:
        yield "a transaction is open"
    if model.retired_keys:
        yield f"keys wait for their deletion: {model.retired_keys}"


def _check_certificate(
    folder: Path, model: Enrollment, issued: list[bytes], stage: Stage
) -> Iterator[str]:
    active = model.active
    if active is None:
        yield "no certificate is active"
        return
    if issued[stage.active - 1 : stage.active] != [active.certificate_der]:
        yield f"the active certificate is not number {stage.active} of the server"
    for path in ("state/lab", "files/current"):
        if _der_of(folder / path / "certificate.pem") != active.certificate_der:
            yield f"{path} has another certificate than the active one"
    if _der_of(folder / "service/in-use.pem") != active.certificate_der:
        yield "the consumer of the hook works with another certificate"
    if _der_of(folder / "service/current/certificate.pem") != active.certificate_der:
        yield "the files of the hook are of another certificate"
    chain = x509.load_pem_x509_certificates((folder / "state/lab/chain.pem").read_bytes())
    (anchor,) = x509.load_pem_x509_certificates((folder / "state/lab/ca.pem").read_bytes())
    if chain[-1] != anchor:
        yield "chain.pem does not end with ca.pem"
    if model.ca is None or model.ca.anchor_der != anchor.public_bytes(Encoding.DER):
        yield "ca.pem is not the CA that is trusted"
    certificate = x509.load_der_x509_certificate(active.certificate_der)
    for issuer in chain:
        certificate.verify_directly_issued_by(issuer)
        certificate = issuer


def _check_keys(
    config: AgentConfig,
    journal: SqliteJournal,
    stores: KeyStores,
    model: Enrollment,
    stage: Stage,
) -> Iterator[str]:
    (trustpoint,) = config.trustpoints
    store = stores.open(trustpoint, create=False)
    names = tuple(info.key_id for info in store.list_keys())
    if names != stage.key_ids:
        yield f"the key store has {names}, not {stage.key_ids}"
    if model.active is not None and model.active.key_id in names:
        certificate = x509.load_der_x509_certificate(model.active.certificate_der)
        public_key = certificate.public_key()
        assert isinstance(public_key, RSAPublicKey)
        signature = store.get(model.active.key_id).sign(_PROBE, hashes.SHA256())
        public_key.verify(signature, _PROBE, PKCS1v15(), hashes.SHA256())
    for audit in KeyAudit(config, journal, stores).run(config.trustpoints):
        if audit.error:
            yield f"audit: {audit.error}"
        for finding in audit.findings:
            yield f"audit: {finding.fault.value} {finding.key_id} {finding.remark}"


def _check_leftovers(folder: Path, model: Enrollment) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if _LEFTOVER.search(path.name):
            yield f"left over: {path.relative_to(folder)}"
    for name in ("files", "service"):
        generations = [path.name for path in (folder / name).glob("generation-*")]
        if len(generations) != 1:
            yield f"{name} has generations {sorted(generations)}"


def _files_at_odds(current: Path) -> Iterator[str]:
    """Files of one generation that do not belong together."""
    if not current.exists():
        return
    certificate = x509.load_der_x509_certificate(_der_of(current / "certificate.pem"))
    key = current / "key.pem"
    if key.exists():
        # Used, which is quicker than the check of the library and says as much.
        private_key = load_pem_private_key(
            key.read_bytes(), None, unsafe_skip_rsa_key_validation=True
        )
        public_key = certificate.public_key()
        assert isinstance(private_key, RSAPrivateKey)
        assert isinstance(public_key, RSAPublicKey)
        signature = private_key.sign(_PROBE, PKCS1v15(), hashes.SHA256())
        try:
            public_key.verify(signature, _PROBE, PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            yield "the key is not the certificate's"
    chain = x509.load_pem_x509_certificates((current / "chain.pem").read_bytes())
    certificate.verify_directly_issued_by(chain[0])


def _der_of(path: Path) -> bytes:
    if not path.exists():
        return b""
    certificates = x509.load_pem_x509_certificates(path.read_bytes())
    return certificates[0].public_bytes(Encoding.DER)
