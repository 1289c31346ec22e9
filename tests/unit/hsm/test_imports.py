"""What the key store packages import, and what they leave alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HSM = Path(__file__).resolve().parents[3] / "hsm"
HEAVY = {"pytest", "_pytest", "asyncio", "importlib.metadata", "email", "sqlite3", "ssl", "logging"}


def test_opening_a_store_imports_nothing_heavy(tmp_path: Path) -> None:
    """Opening, making a key and signing need neither pytest nor any other heavy module."""
    program = f"""
import json, sys
sys.path.insert(0, {str(HSM)!r})
from cryptography.hazmat.primitives import hashes
from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import Secret
assert "sceplab_hsm.software" not in sys.modules, "the store is imported before it is asked for"
store = open_key_store({f"soft:{tmp_path}/keys?kdf=lab"!r}, lambda _: Secret("x"), create=True)
store.generate("a", KeyAlgorithm.EC_P256).sign(b"", hashes.SHA256())
print(json.dumps(sorted(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout))
    assert "sceplab_hsm.software" in loaded
    assert not loaded & HEAVY
