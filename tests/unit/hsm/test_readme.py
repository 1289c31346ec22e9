"""The example of the folder's README runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.secret_files import write_secret

README = Path(__file__).resolve().parents[3] / "hsm" / "README.md"


def test_the_main_path_runs(tmp_path: Path) -> None:
    """The first example opens a store, makes a key and signs, only with other paths."""
    code = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    write_secret(tmp_path / "passphrase", "x\n")
    example = (
        code[1].replace("/var/lib/device", str(tmp_path)).replace("/etc/device", str(tmp_path))
    )
    names: dict[str, object] = {}
    exec(compile(example, str(README), "exec"), names)
    assert len(names["signature"]) == 256  # type: ignore[arg-type]
    assert (tmp_path / "keys" / "router1.key").is_file()
