"""The demo, as a process: what it prints, that it repeats, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509

from tests.support.agent_cli import SOURCES

pytestmark = pytest.mark.daemon

MASKS = (
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r"\b[0-9A-F]{64}\b", "SHA-256"),
    (r"\b[0-9A-F]{32}\b", "32 DIGITS"),
    (r"\b(?:[0-9A-F]{8} ){3,7}[0-9A-F]{8}\b", "FINGERPRINT"),
)
"""Ports, and what is derived from keys: fingerprints and transactionIDs."""


def command(*words: str) -> list[str]:
    """A command line of `sceplab`."""
    return [sys.executable, "-m", "sceplab_lab", *words]


def environment(home: Path) -> dict[str, str]:
    """Temporary folders go where the test looks."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(SOURCES), "TMPDIR": str(home)}


def play(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs the demo to its end."""
    return subprocess.run(
        command("demo", *words),
        cwd=home,
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def masked(transcript: str) -> str:
    """The transcript without ports and without values derived from keys."""
    for pattern, replacement in MASKS:
        transcript = re.sub(pattern, replacement, transcript)
    return transcript


def test_seeded_runs_repeat(tmp_path: Path) -> None:
    """Two runs with one seed print the same, ports and key-derived values apart."""
    first, second = play(tmp_path, "--seed", "7"), play(tmp_path, "--seed", "7")
    assert first.returncode == 0, first.stdout + first.stderr
    assert masked(first.stdout) == masked(second.stdout)
    assert first.stdout != second.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.covers("A24", "A38", "C19", "M1", "M6")
def test_the_whole_story_is_told(tmp_path: Path) -> None:
    """Password page, dialog, PENDING, approval, certificate, renewal and summary are shown."""
    told = play(tmp_path).stdout
    in_order = [
        "The enrollment challenge password is:",
        "crypto pki authenticate NDES",
        "Certificate validated - fingerprints matched.",
        "crypto pki enroll NDES",
        "REQUESTING -> PENDING",
        "Status: Pending",
        "approved, serial number",
        "%PKI-6-CERTRET",
        "PENDING -> ISSUED_UNVERIFIED -> INSTALLED",
        "%PKI-6-CERTRENEWAUTO",
        "INSTALLED -> RENEW_DUE -> KEYGEN -> REQUESTING -> ISSUED_UNVERIFIED -> INSTALLED",
        "What came of it",
        "valid until",
    ]
    position = 0
    for text in in_order:
        position = told.find(text, position)
        assert position >= 0, text
    for message in ("PKCSReq", "CertPoll", "RenewalReq", "CertRep"):
        assert message in told


def test_a_kept_folder_holds_the_certificate(tmp_path: Path) -> None:
    """--dir keeps the files, --json tells where they are and what is in them."""
    ended = play(tmp_path, "--json", "--dir", "kept")
    assert ended.returncode == 0, ended.stderr
    router = json.loads(ended.stdout)[1]
    certificate = x509.load_pem_x509_certificate(
        (tmp_path / router["files"] / "certificate.pem").read_bytes()
    )
    assert f"{certificate.serial_number:X}" == router["serial"]
    refused = play(tmp_path, "--dir", "kept")
    assert refused.returncode == 2
    assert "not empty" in refused.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_the_middle_cleans_up(tmp_path: Path, number: signal.Signals) -> None:
    """A signal while the story is told ends it with exit code 130 and removes the folder."""
    with subprocess.Popen(
        command("demo"),
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "admin page" in line:
                break
        process.send_signal(number)
        _, said = process.communicate(timeout=90)
    assert process.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_interruption_of_a_kept_demo(tmp_path: Path) -> None:
    """--keep prints how to get in; SIGINT ends everything and removes the folder."""
    with subprocess.Popen(
        command("demo", "--keep"),
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        told = ""
        for line in process.stdout:
            told += line
            if "Ctrl-C ends it" in line:
                break
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert re.search(r"telnet 127\.0\.0\.1 \d+", told)
    assert "/certsrv/mscep_admin/" in told
    assert list(tmp_path.iterdir()) == []
