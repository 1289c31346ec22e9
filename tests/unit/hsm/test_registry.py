"""Finding stores by scheme: built-in ones, plug-ins, and plug-ins that are broken."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from sceplab_hsm import cli
from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.errors import (
    MechanismUnsupportedError,
    StoreLockedError,
    StoreUnavailableError,
    StoreUriError,
)
from sceplab_hsm.moving import mover_of
from sceplab_hsm.registry import known_schemes, open_key_store
from sceplab_hsm.secret import Secret
from tests.support.soft_stores import MADE_AT, PASSPHRASE

Install = Callable[..., None]

ECHO = """
from sceplab_hsm.software import open_store
def opened(uri, secrets, *, create, now):
    return open_store('soft:' + uri.partition(':')[2] + '?kdf=lab', secrets, create=create, now=now)
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a distribution with one module and one key store entry point."""
    before = set(sys.modules)

    def installed(name: str, scheme: str, code: str, attribute: str = "opened") -> None:
        module = f"fake_{name}"
        site = tmp_path / "site" / name
        info = site / f"{module}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            f"[sceplab.keystores]\n{scheme} = {module}:{attribute}\n"
        )
        (site / f"{module}.py").write_text(code)
        monkeypatch.syspath_prepend(str(site))

    yield installed
    for name in set(sys.modules) - before:
        if name.startswith("fake_"):
            del sys.modules[name]


def ask(prompt: str) -> Secret:
    """Knows the passphrase."""
    return Secret(PASSPHRASE)


FAULTY = """
from sceplab_hsm.api import KeyAlgorithm, StoreCapabilities
class Handle:
    key_id, uri, algorithm, public_key = "k", "faulty:x#k", KeyAlgorithm.EC_P256, None
    def sign(self, *_): raise ValueError("quotes " + secret)
    def decrypt(self, *_): raise OSError("quotes " + secret)
class Store:
    uri = "faulty:x"
    def capabilities(self):
        return StoreCapabilities(algorithms=frozenset(), keys_leave_store=True,
                                 supports_oaep=False, thread_safe=True, moves_keys=True)
    def get(self, key_id): return Handle()
    def generate(self, *_): raise TypeError("quotes " + secret)
    def list_keys(self): raise ValueError("quotes " + secret)
    def delete(self, *_): raise KeyError("quotes " + secret)
    def generate_exportable(self, *_): raise TypeError("quotes " + secret)
    def export_key(self, *_): raise KeyError("quotes " + secret)
    def import_key(self, *_, exportable): raise ValueError("quotes " + secret)
    def close(self): pass
def opened(uri, secrets, *, create, now):
    global secret
    secret = secrets("PIN: ").reveal()
    return Store()
"""


def test_what_a_plugin_raises_in_use_is_a_failure_of_the_store(install: Install) -> None:
    """Only key store errors leave a store: the class of another is named, its text is not."""
    install("faulty", "faulty", FAULTY)
    store = open_key_store("faulty:x", ask)
    mover = mover_of(store)
    uses: list[tuple[str, Callable[[], object]]] = [
        ("make a key: TypeError", lambda: store.generate("k", KeyAlgorithm.EC_P256)),
        ("list its keys: ValueError", store.list_keys),
        ("delete a key: KeyError", lambda: store.delete("k")),
        ("make a key: TypeError", lambda: mover.generate_exportable("k", KeyAlgorithm.EC_P256)),
        ("export a key: KeyError", lambda: mover.export_key("k", ask(""))),
        (
            "import a key: ValueError",
            lambda: mover.import_key("k", b"", ask(""), exportable=True),
        ),
        ("sign: ValueError", lambda: store.get("k").sign(b"", hashes.SHA256())),
        ("decrypt: OSError", lambda: store.get("k").decrypt(b"", PKCS1v15())),
    ]
    for words, use in uses:
        with pytest.raises(StoreUnavailableError, match=f"of fake_faulty.* failed to {words}") as e:
            use()
        assert PASSPHRASE not in str(e.value)
    store.close()


def test_a_plugin_that_cannot_move_keys_is_believed(install: Install) -> None:
    """A store that says it moves keys and lacks the methods is named; nothing breaks."""
    code = FAULTY.replace("def generate_exportable", "def something_else")
    install("boastful", "boastful", code)
    mover = mover_of(open_key_store("boastful:x", ask))
    with pytest.raises(MechanismUnsupportedError, match="lacks generate_exportable"):
        mover.generate_exportable("k", KeyAlgorithm.EC_P256)


def test_the_command_line_tells_a_faulty_plugin(
    install: Install, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 6 and one line, no traceback."""
    install("faulty", "faulty", FAULTY)
    monkeypatch.setenv("FAULTY_PIN", PASSPHRASE)
    assert cli.main(["list", "faulty:x", "--secret", "env:FAULTY_PIN"]) == cli.EXIT_KEY_STORE
    told = capsys.readouterr()
    assert "failed to list its keys: ValueError" in told.err
    assert PASSPHRASE not in told.out + told.err


def test_the_software_store_is_built_in(tmp_path: Path) -> None:
    """``soft:`` opens without any installed plug-in, makes keys with the time given, reopens."""
    uri = f"SOFT:{tmp_path}/keys?kdf=lab"
    store = open_key_store(uri, ask, create=True, now=lambda: MADE_AT)
    store.generate("router1", KeyAlgorithm.EC_P256)
    store.close()
    store = open_key_store(uri, ask)
    assert [info.created_at for info in store.list_keys()] == ["2026-03-01T12:30:05Z"]
    with pytest.raises(StoreLockedError):
        open_key_store(uri, lambda _: Secret("other"))


def test_a_plug_in_is_found(install: Install, tmp_path: Path) -> None:
    """A store that an installed distribution registers opens by its scheme, with all arguments."""
    install("good", "echo", ECHO)
    assert {"echo", "soft"} <= set(known_schemes())
    now = datetime(2027, 1, 1, tzinfo=UTC)
    store = open_key_store(f"echo:{tmp_path}/keys", ask, create=True, now=lambda: now)
    store.generate("router1", KeyAlgorithm.EC_P256)
    assert store.list_keys()[0].created_at == "2027-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("import missing_library", "No module named 'missing_library'"),
        ("def opened(:", "SyntaxError"),
        ("raise OSError('libtoken.so: cannot open')", "libtoken.so: cannot open"),
        ("other = 1", "has no attribute 'opened'"),
        ("opened = None", "failed to open"),
        ("def opened(*a, **k): raise RuntimeError('PIN 1234')", "failed to open .*: RuntimeError$"),
        ("def opened(*a, **k): return None", "gave no key store: it lacks"),
        ("def opened(uri): return None", "failed to open .*: TypeError$"),
    ],
)
def test_a_broken_plug_in_is_named(install: Install, tmp_path: Path, code: str, text: str) -> None:
    """However a plug-in breaks, the error names it and its distribution; others still work."""
    install("bad", "bad", code)
    install("good", "echo", ECHO)
    with pytest.raises(StoreUnavailableError, match=text) as caught:
        open_key_store("bad:x", ask)
    assert "'bad' (of fake_bad)" in str(caught.value)
    assert "1234" not in str(caught.value)
    open_key_store(f"echo:{tmp_path}/keys", ask, create=True).close()
    open_key_store(f"soft:{tmp_path}/keys", ask).close()


def test_errors_of_a_plug_in_s_own_kind_come_through(install: Install) -> None:
    """A plug-in that says which error it is, is believed."""
    install(
        "locked",
        "locked",
        "from sceplab_hsm.errors import StoreLockedError\n"
        "def opened(*a, **k): raise StoreLockedError('2 tries left')",
    )
    with pytest.raises(StoreLockedError, match="2 tries left"):
        open_key_store("locked:x", ask)


def test_two_plug_ins_for_one_scheme_are_refused(install: Install) -> None:
    """Which of two would open must not depend on the order of installation."""
    install("one", "twice", ECHO)
    install("two", "twice", ECHO)
    with pytest.raises(StoreUnavailableError, match="fake_one:opened, fake_two:opened"):
        open_key_store("twice:x", ask)


def test_a_plug_in_cannot_take_a_built_in_scheme(install: Install, tmp_path: Path) -> None:
    """``soft:`` stays ours, and the other's module is not even imported."""
    install("thief", "soft", "raise RuntimeError")
    open_key_store(f"soft:{tmp_path}/keys?kdf=lab", ask, create=True).close()
    assert "fake_thief" not in sys.modules


def test_unknown_schemes_name_the_known(install: Install) -> None:
    """An unknown scheme is refused with the known ones and the closest."""
    install("good", "echo", ECHO)
    with pytest.raises(StoreUriError, match=r"known: .*echo.*soft.*did you mean 'soft:'"):
        open_key_store("sofd:x", ask)
