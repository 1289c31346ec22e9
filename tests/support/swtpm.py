"""Software TPMs for tests: private instances in folders of the test's own, ended with it.

Where the binding or swtpm is missing the tests skip with the line that the bootstrap printed.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sceplab_hsm.api import Clock
from sceplab_hsm.secret import Secret
from sceplab_hsm.tpm.hardware import open_store
from sceplab_hsm.tpm.store import TpmKeyStore
from sceplab_hsm.tpm.swtpm import SwtpmInstance, running_swtpm, start_swtpm
from tests.support.programs import require_program

PIN = "pin 4711 of the chip"


def require_tpm() -> None:
    """Skips the calling test where no software TPM can be used.

    Raises:
        pytest.skip.Exception: swtpm or the extra is missing.
        pytest.fail.Exception: it is, although the bootstrap ran as root in continuous integration.
    """
    require_program("swtpm", package="swtpm")
    if importlib.util.find_spec("tpm2_pytss") is not None:
        return
    reason = reason_of_the_bootstrap()
    if os.environ.get("CI") == "true" and os.geteuid() == 0:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def reason_of_the_bootstrap() -> str:
    """Why the extra is not installed, in the line that the bootstrap printed."""
    try:
        return (Path(sys.prefix) / "sceplab-no-tpm").read_text(encoding="utf-8").strip()
    except OSError:
        return "the extra `tpm` is not installed; run: scripts/bootstrap.sh test"


@contextmanager
def software_tpm(state: Path) -> Iterator[SwtpmInstance]:
    """A running swtpm; the instance that runs on the state at the end is ended."""
    require_tpm()
    instance = start_swtpm(state)
    try:
        yield instance
    finally:
        running = running_swtpm(state)  # a test may have started it again
        if running is not None:
            running.power_cut()


def tpm_uri(instance: SwtpmInstance, place: Path, **options: str) -> str:
    """URI of a store on that chip."""
    more = "".join(f"&{name}={value}" for name, value in options.items())
    return f"tpm:{place}?tcti={instance.tcti}{more}"


def tpm_store(
    instance: SwtpmInstance,
    place: Path,
    *,
    pin: str = PIN,
    create: bool = True,
    now: Clock | None = None,
    **options: str,
) -> TpmKeyStore:
    """Opens the store of that folder on that chip, or makes it."""
    uri = tpm_uri(instance, place, **options)
    return open_store(uri, lambda _: Secret(pin), create=create, now=now)
