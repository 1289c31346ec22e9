"""A store written outside the project: built, installed, proved and used as any distribution."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.support.agent_cli import SOURCES
from tests.support.agent_process import configure
from tests.support.sample_site import install
from tests.support.server import make_server, serve_in_thread

SAMPLE = Path(__file__).parents[2] / "support" / "sample_keystore"
PASSPHRASE = "correct horse"

SUITE = f"""
from sceplab_hsm.contract import KeyStoreContract
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import Secret


class TestSample(KeyStoreContract):
    passphrase = {PASSPHRASE!r}

    @classmethod
    def open_store(cls, place):
        secrets = lambda _: Secret(cls.passphrase)
        return open_key_store(f"sample:{{place}}/ring", secrets, create=True)

    @classmethod
    def open_store_with(cls, place, secret):
        return open_key_store(f"sample:{{place}}/ring", lambda _: Secret(secret), create=True)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages with the sample in it."""
    site = tmp_path_factory.mktemp("sample") / "site"
    install(SAMPLE, site)
    return site


def python(*words: str, cwd: Path, sites: tuple[Path, ...]) -> subprocess.CompletedProcess[str]:
    """Runs Python where the project and those folders of packages are found."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, sites), *SOURCES])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_it_imports_the_interface_alone() -> None:
    """The sample needs the interface, the errors and the URI helpers, and nothing of our inside."""
    imported = {
        module
        for path in SAMPLE.rglob("*.py")
        for module in re.findall(r"^\s*(?:from|import) (sceplab_[\w.]+)", path.read_text(), re.M)
    }
    assert imported == {"sceplab_hsm.api", "sceplab_hsm.errors", "sceplab_hsm.uri"}


@pytest.mark.daemon
def test_it_passes_the_contract_suite(site: Path, tmp_path: Path) -> None:
    """Found by its entry point, it keeps the contract, in a pytest of its own."""
    (tmp_path / "test_sample.py").write_text(SUITE)
    plain = ("-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-c", os.devnull)
    done = python("-m", "pytest", *plain, "--rootdir", ".", ".", cwd=tmp_path, sites=(site,))
    assert done.returncode == 0, done.stdout + done.stderr
    (passed,) = re.findall(r"(\d+) passed in", done.stdout)
    assert int(passed) > 50
    assert "skipped" not in done.stdout


@pytest.mark.daemon
def test_an_agent_enrolls_with_it(site: Path, tmp_path: Path) -> None:
    """`sceplab-agent enroll` makes its key on the ring and gets a certificate for it."""
    server = make_server(now=datetime.now(UTC))
    with serve_in_thread(server, lambda: datetime.now(UTC)) as running:
        agent = configure(tmp_path, server, running.scep_url, store="sample:ring.json")
        words = ("-m", "sceplab_agent", "enroll", "-c", "agent.toml")
        done = python(*words, cwd=tmp_path, sites=(site,))
    assert done.returncode == 0, done.stderr
    certificate = x509.load_pem_x509_certificate(agent.certificate.read_bytes())
    ring = json.loads((tmp_path / "ring.json").read_text())
    (key,) = (entry for name, entry in ring["entries"].items() if not name.startswith(" "))
    assert "ENCRYPTED PRIVATE KEY" in key["sealed"]
    assert load_pem_public_key(key["public"].encode()) == certificate.public_key()


def break_sample(folder: Path) -> Path:
    """A second distribution, whose module does not load."""
    source = folder / "broken"
    package = source / "sample_keystore_broken"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "store.py").write_text("import a_driver_that_is_not_installed\n")
    project = (SAMPLE / "pyproject.toml").read_text()
    for old, new in (
        ('name = "sample-keystore"', 'name = "sample-keystore-broken"'),
        ('sample = "sample_keystore.', 'broken = "sample_keystore_broken.'),
    ):
        assert old in project
        project = project.replace(old, new)
    (source / "pyproject.toml").write_text(project)
    return source


@pytest.mark.daemon
def test_a_broken_one_is_named_and_harms_no_other(site: Path, tmp_path: Path) -> None:
    """The error names the distribution; the sample beside it and our own stores open."""
    broken = tmp_path / "broken-site"
    install(break_sample(tmp_path), broken)
    program = """
from sceplab_hsm.errors import StoreUnavailableError
from sceplab_hsm.registry import known_schemes, open_key_store
from sceplab_hsm.secret import Secret

print(*known_schemes())
try:
    open_key_store("broken:x", lambda _: Secret("x"), create=True)
except StoreUnavailableError as error:
    print(error)
for uri in ("sample:ring.json", "soft:keys?kdf=lab"):
    print(open_key_store(uri, lambda _: Secret("x"), create=True).uri)
"""
    done = python("-c", program, cwd=tmp_path, sites=(site, broken))
    assert done.returncode == 0, done.stderr
    schemes, error, *opened = done.stdout.splitlines()
    assert {"broken", "sample", "soft"} <= set(schemes.split())
    assert "'broken' (of sample-keystore-broken) does not load" in error
    assert "a_driver_that_is_not_installed" in error
    assert opened == ["sample:ring.json", "soft:keys?kdf=lab"]
