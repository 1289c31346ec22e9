"""Files with secrets, as careful people make them."""

from __future__ import annotations

from pathlib import Path


def write_secret(path: Path, text: str) -> Path:
    """Writes a secret into a file that only its owner can reach; gives the path back."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, newline="")
    return path
