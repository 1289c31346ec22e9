"""The ASA profile's data: marks, help."""

from __future__ import annotations

from importlib.resources import files

import pytest

from sceplab_devices.profiles import cisco_asa
from tests.support.asa import FirewallBench


def test_every_text_is_marked() -> None:
    """Each text says how well it is known."""
    for name in ("texts-pki.toml", "texts-system.toml"):
        lines = (files(cisco_asa) / "data" / name).read_text().splitlines()
        texts = [line for line in lines if " = " in line]
        assert texts
        assert [line for line in texts if "  # " not in line] == []


@pytest.mark.parametrize(
    ("typed", "row"),
    [
        ("crypto ca ?", "  authenticate  Get the CA certificate\n"),
        ("crypto key generate ?", "  rsa    RSA keys\n"),
        ("sh?", "show\n"),
    ],
)
def test_help(typed: str, row: str) -> None:
    """``?`` describes the words of the certificate commands."""
    terminal = FirewallBench().terminal(user="operator")
    terminal.console.session.privilege = 15
    terminal.run("configure terminal")
    shown = terminal.type(typed)
    assert row in "".join(f"{line.rstrip()}\n" for line in shown.split("\n"))
