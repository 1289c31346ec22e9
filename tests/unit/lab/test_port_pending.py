"""The request that waits at the CA: shown the same after a restart, gone with its transaction."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceplab_lab.pending_request import PendingRequest
from sceplab_lab.request_file import REQUEST_FILE, RequestFile
from sceplab_scep.csr import read_csr
from tests.support.lab_port import PortBench, full_disk
from tests.support.pki import device_csr

PASSWORD = "0123456789ABCDEF"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[PortBench]:
    """A device with a request that waits for an administrator."""
    settings = {"template": {"approval": "manual"}, "challenge": {"mode": "none"}}
    made = PortBench(tmp_path, profile="compat", settings=settings)
    made.authenticate()
    yield made
    made.close()


def restart(bench: PortBench) -> None:
    """The device starts again, with LAB in its configuration."""
    bench.port.close()
    bench.start()
    bench.port.configure(bench.trustpoint())


def sent(bench: PortBench) -> bytes:
    """The request that left last."""
    return [event.csr_der for event in bench.heard if event.csr_der][-1]


def test_the_same_request_after_a_restart(bench: PortBench) -> None:
    """Subject, key and fingerprints of what was sent, and that it is pending."""
    bench.port.enroll("LAB", challenge=PASSWORD)
    shown = bench.view
    assert (shown.state, shown.last_status) == ("PENDING", "pending")
    assert shown.pending_digests["md5"] == hashlib.md5(sent(bench)).digest()
    assert read_csr(shown.pending_csr_der or b"").challenge is None
    restart(bench)
    assert bench.view == shown
    bench.wait(minutes=1)
    assert bench.view.pending_digests == shown.pending_digests


def test_the_file_is_private_and_has_no_password(bench: PortBench) -> None:
    """0600, and nowhere in the device's folder is the password in clear."""
    bench.port.enroll("LAB", challenge=PASSWORD)
    assert (bench.place / REQUEST_FILE).stat().st_mode & 0o777 == 0o600
    assert read_csr(sent(bench)).challenge == PASSWORD
    for path in bench.folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert PASSWORD.encode() not in content
        assert b64encode(PASSWORD.encode())[:-4] not in content


@pytest.mark.parametrize("ends", ["approved", "denied", "cancelled", "removed"])
def test_the_file_goes_with_its_transaction(bench: PortBench, ends: str) -> None:
    """Whatever ends it, also after a restart, leaves nothing to show."""
    bench.port.enroll("LAB", challenge="")
    restart(bench)
    (request,) = bench.server.administration.pending()
    if ends == "approved":
        bench.server.administration.approve(request.request_id, bench.clock())
    elif ends == "denied":
        bench.server.administration.deny(request.request_id, bench.clock())
    elif ends == "cancelled":
        bench.port.cancel("LAB")
    else:
        bench.port.remove("LAB")
    bench.wait(minutes=1)
    assert not (bench.place / REQUEST_FILE).exists()
    assert (bench.view.pending_csr_der, bench.view.pending_digests) == (None, {})


def test_a_pending_renewal_over_a_restart(bench: PortBench) -> None:
    """The certificate in use and the request for the next one are both there."""
    bench.port.enroll("LAB", challenge="")
    (request,) = bench.server.administration.pending()
    bench.server.administration.approve(request.request_id, bench.clock())
    bench.wait(minutes=1)
    bench.port.enroll("LAB", challenge=PASSWORD)
    shown = bench.view
    assert shown.certificate_der
    assert shown.pending_csr_der
    restart(bench)
    assert bench.view == shown


def test_a_file_of_another_transaction_counts_for_nothing(bench: PortBench) -> None:
    """Only the journal says what is waited for."""
    bench.port.enroll("LAB", challenge="")
    path = bench.place / REQUEST_FILE
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({**fields, "transaction_id": "OTHER"}))
    restart(bench)
    assert (bench.view.state, bench.view.pending_csr_der) == ("PENDING", None)


def test_a_file_without_a_transaction_goes(bench: PortBench) -> None:
    """A crash may leave one behind."""
    bench.port.enroll("LAB", challenge="")
    left = (bench.place / REQUEST_FILE).read_bytes()
    bench.port.cancel("LAB")
    (bench.place / REQUEST_FILE).write_bytes(left)
    restart(bench)
    assert not (bench.place / REQUEST_FILE).exists()


def test_a_full_disk_costs_no_more_than_what_is_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The request is not kept, and the log says so."""
    request = PendingRequest.of(device_csr())
    file = RequestFile(tmp_path)
    with full_disk():
        file.save("T", request)
    assert "cannot be written" in caplog.text
    assert list(tmp_path.iterdir()) == []
    file.save("T", request)
    assert file.load("T") == request


@given(st.binary(max_size=80) | st.sampled_from([b"[]", b"{}", b'{"version":1}', b"null"]))
def test_damaged_files_are_no_request(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    """Any bytes: nothing is shown, nothing is raised."""
    folder = tmp_path_factory.mktemp("place")
    (folder / REQUEST_FILE).write_bytes(data)
    assert RequestFile(folder).load("T") is None


@given(
    st.sampled_from(["version", "transaction_id", "request"]),
    st.none() | st.integers() | st.text(max_size=9) | st.dictionaries(
        st.sampled_from(["der", "digests"]), st.none() | st.text(max_size=9)
    ),
)  # fmt: skip
def test_damaged_fields_are_no_request(
    tmp_path_factory: pytest.TempPathFactory, field: str, value: object
) -> None:
    """A field that makes no sense: as if there were no file."""
    folder = tmp_path_factory.mktemp("place")
    request = PendingRequest.of(device_csr())
    RequestFile(folder).save("T", request)
    path = folder / REQUEST_FILE
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({**fields, field: value}))
    loaded = RequestFile(folder).load("T")
    assert loaded == (request if fields[field] == value else None)
