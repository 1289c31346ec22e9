"""A trustpoint that is removed while work for it is under way."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sceplab_agent.journal_sqlite import SqliteJournal
from sceplab_devices.errors import DeviceError
from sceplab_hsm.api import KeyAlgorithm
from tests.support.lab_port import PortBench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[PortBench]:
    """A device with threads beside it, and an NDES that issues at once."""
    made = PortBench(tmp_path, in_threads=True)
    yield made
    made.close()


def journal_of(bench: PortBench) -> list[str]:
    """What the journal on disk says of LAB."""
    journal = SqliteJournal.open_read_only(bench.place / "journal.sqlite3")
    assert journal is not None
    events = [entry.event_id for entry in journal.entries()]
    journal.close()
    return events


def test_an_answer_for_a_removed_trustpoint_goes_nowhere(bench: PortBench) -> None:
    """The certificate that comes after the removal is neither installed nor shown nor noted."""
    bench.authenticate()
    bench.transport.hold("PKIOperation")
    bench.enroll()
    bench.transport.gate.wait_for_somebody()
    bench.port.remove("LAB")
    assert not bench.place.exists()
    bench.kinds()
    bench.port.configure(bench.trustpoint())
    bench.port.authenticate("LAB")
    bench.threads.pump_until(lambda: bench.view.state == "CA_PINNED")
    bench.transport.gate.release()
    bench.rest()
    assert bench.view.certificate_der is None
    assert bench.kinds() == ["ca_pinned_ok"]
    assert not (bench.place / "certificate.pem").exists()
    assert journal_of(bench) == ["trustpoint.configured", "ca.pinned"]
    assert bench.key_names() == ["K"]


def test_the_new_trustpoint_enrolls_while_the_old_work_hangs(bench: PortBench) -> None:
    """Nobody waits for a server that does not answer what was removed."""
    bench.authenticate()
    bench.transport.hold("PKIOperation")
    bench.enroll()
    bench.transport.gate.wait_for_somebody()
    bench.port.remove("LAB")
    bench.port.configure(bench.trustpoint())
    bench.port.enroll("LAB", challenge=bench.password())
    bench.threads.pump_until(lambda: bench.view.state == "INSTALLED")
    certificate = bench.view.certificate_der
    bench.transport.gate.release()
    bench.rest()
    assert bench.view.certificate_der == certificate
    assert (bench.place / "certificate.pem").exists()


def test_the_key_of_an_abandoned_renewal_goes(bench: PortBench) -> None:
    """The key pair of the label stays; the one made for the next certificate does not."""
    bench.authenticate(new_key_on_renewal=True)
    bench.enroll()
    bench.rest()
    bench.transport.hold("PKIOperation")
    bench.port.renew("LAB")
    bench.transport.gate.wait_for_somebody()
    assert bench.key_names() == ["K", "K.2"]
    bench.port.remove("LAB")
    assert bench.key_names() == ["K"]
    bench.transport.gate.release()
    bench.rest()
    assert bench.key_names() == ["K"]


def test_a_key_that_is_being_made_for_an_abandoned_renewal_goes(bench: PortBench) -> None:
    """A key that is finished after the removal is destroyed by whoever finished it."""
    bench.authenticate(new_key_on_renewal=True)
    bench.enroll()
    bench.rest()
    bench.store.gate.hold()
    bench.port.renew("LAB")
    bench.store.gate.wait_for_somebody()
    bench.port.remove("LAB")
    bench.port.configure(bench.trustpoint())
    bench.store.gate.release()
    bench.rest()
    assert bench.key_names() == ["K"]
    assert bench.view.state == "CONFIGURED"


def test_the_key_of_a_pending_renewal_goes_with_it(tmp_path: Path) -> None:
    """Also when nothing is under way: the request waits at the CA."""
    bench = PortBench(tmp_path, settings={"template": {"renewal_approval": "manual"}})
    bench.authenticate(new_key_on_renewal=True)
    bench.enroll()
    bench.port.renew("LAB")
    assert bench.view.state == "PENDING"
    assert bench.key_names() == ["K", "K.2"]
    bench.port.remove("LAB")
    assert bench.key_names() == ["K"]
    assert bench.labels() == ["K"]
    bench.close()


def test_the_key_of_the_label_stays_in_every_generation(tmp_path: Path) -> None:
    """After a renewal with a new key the label means that one, and a removal leaves it."""
    bench = PortBench(tmp_path)
    bench.authenticate(new_key_on_renewal=True)
    bench.enroll()
    bench.port.renew("LAB")
    assert bench.key_names() == ["K.2"]
    bench.port.remove("LAB")
    assert bench.labels() == ["K"]
    bench.authenticate()
    bench.enroll()
    assert bench.view.state == "INSTALLED"
    assert bench.key_names() == ["K.2"]
    bench.close()


def test_a_folder_that_cannot_be_removed_never_comes_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the old files cannot go there is no new trustpoint of that name; then a fresh one."""
    bench = PortBench(tmp_path)
    bench.authenticate()
    bench.enroll()

    def refuse(*_: object, **__: object) -> Path:
        raise OSError(30, "Read-only file system", "trustpoints")

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(Path, "rename", refuse)
        bench.port.remove("LAB")
        assert "its files cannot be removed now" in caplog.text
        with pytest.raises(DeviceError, match="Read-only"):
            bench.port.configure(bench.trustpoint())
        assert bench.view.state == "UNCONFIGURED"
    bench.port.configure(bench.trustpoint())
    assert bench.view.certificate_der is None
    assert not (bench.place / "certificate.pem").exists()
    assert not list(bench.place.parent.glob(".removed-*"))
    bench.close()


def test_what_a_crash_left_of_a_removal_goes_at_the_next_start(tmp_path: Path) -> None:
    """A folder that was set aside and not deleted yet is deleted when the device starts again."""
    bench = PortBench(tmp_path)
    bench.authenticate()
    bench.port.close()
    shutil.move(bench.place, bench.place.with_name(".removed-x"))
    bench.start()
    assert list(bench.place.parent.iterdir()) == []
    bench.close()


def test_giving_up_a_request_costs_no_key(tmp_path: Path) -> None:
    """``no crypto pki enroll``: the transaction ends, the operator's key pair stays."""
    bench = PortBench(tmp_path, settings={"template": {"approval": "manual"}})
    bench.authenticate()
    bench.enroll()
    bench.port.cancel("LAB")
    assert bench.view.state == "CA_PINNED"
    assert bench.labels() == ["K"]
    bench.close()


def test_giving_up_a_renewal_takes_its_key_along(tmp_path: Path) -> None:
    """The key that was made for the renewal goes, the one in use stays."""
    bench = PortBench(tmp_path, settings={"template": {"renewal_approval": "manual"}})
    bench.authenticate(new_key_on_renewal=True)
    bench.enroll()
    bench.port.renew("LAB")
    assert sorted(bench.labels()) == ["K", "K#"]
    bench.port.cancel("LAB")
    assert bench.view.state == "INSTALLED"
    assert bench.key_names() == ["K"]
    bench.close()


def test_a_renewal_moves_the_label_and_nothing_else(bench: PortBench) -> None:
    """Another key that the trustpoint is to use from now on keeps label and life."""
    bench.store.generate("OTHER", KeyAlgorithm.EC_P256)
    bench.authenticate(new_key_on_renewal=True)
    bench.enroll()
    bench.rest()
    bench.port.configure(bench.trustpoint(key_label="OTHER", new_key_on_renewal=True))
    bench.rest()
    assert bench.key_names() == ["K", "OTHER"]
    assert sorted(bench.labels()) == ["K", "OTHER"]


def test_a_key_that_another_trustpoint_uses_outlives_a_renewal(bench: PortBench) -> None:
    """Two trustpoints with one key pair: the renewal of one does not take the other's key."""
    bench.authenticate(new_key_on_renewal=True)
    bench.enroll()
    bench.rest()
    bench.port.configure(bench.trustpoint(name="SECOND"))
    bench.port.enroll("SECOND", challenge=bench.password())
    bench.rest()
    assert bench.port.view("SECOND").state == "INSTALLED"
    bench.port.renew("LAB")
    bench.rest()
    assert bench.key_names() == ["K", "K.2"]


def test_a_crash_before_the_label_moved_is_made_good(bench: PortBench) -> None:
    """A device that starts again finds the key of its certificate under the label."""
    bench.authenticate(new_key_on_renewal=True)
    bench.enroll()
    bench.port.renew("LAB")
    bench.rest()
    assert bench.key_names() == ["K.2"]
    bench.port.close()
    (bench.folder / "key-labels.json").unlink()
    bench.start()
    bench.port.configure(bench.trustpoint(new_key_on_renewal=True))
    bench.rest()
    assert bench.labels() == ["K"]
    bench.port.renew("LAB")
    bench.rest()
    assert bench.view.state == "INSTALLED"
    assert len(bench.key_names()) == 1


def test_renewal_after_renewal_keeps_one_key_under_the_label(bench: PortBench) -> None:
    """Every renewal's key takes the label over, and the one before it goes."""
    bench.authenticate(new_key_on_renewal=True)
    bench.enroll()
    bench.rest()
    for generation in (2, 3, 4):
        bench.port.renew("LAB")
        bench.rest()
        assert bench.key_names() == [f"K.{generation}"]
        assert bench.labels() == ["K"]
