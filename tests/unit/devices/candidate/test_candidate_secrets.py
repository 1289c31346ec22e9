"""How Junos and PAN-OS hide secrets in configurations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceplab_devices.profiles.juniper_junos import secret as junos
from sceplab_devices.profiles.paloalto_panos import secret as panos
from tests.support.device_bench import DeviceBench, shared_profile


@given(st.text(min_size=1, max_size=40))
def test_a_hidden_secret_is_read_back(secret: str) -> None:
    """In both forms, which never hold it in clear."""
    for form in (junos, panos):
        hidden = form.conceal(secret)
        assert form.reveal(hidden) == secret
        assert form.conceal(secret) == hidden


@given(st.text(max_size=60))
def test_what_is_no_hidden_form_is_none(text: str) -> None:
    """Anything may be typed there, behind either mark."""
    assert junos.reveal(text) is None or text.startswith("$9$")
    assert panos.reveal(text) is None or text.startswith("-AQ==")
    junos.reveal("$9$" + text)
    panos.reveal("-AQ==" + text)


def test_a_published_example_is_read() -> None:
    """The form is the box's: ``$9$`` of others is understood."""
    assert junos.reveal("$9$LbHX-wg4Z") == "lc"


@pytest.mark.parametrize(
    ("profile", "lines"),
    [
        (
            "juniper-junos",
            [
                "set security pki ca-profile R ca-identity R",
                "set security pki auto-re-enrollment certificate-id L ca-profile-name R "
                "challenge-password Geheim-1 re-enroll-trigger-time-percentage 9",
            ],
        ),
        (
            "paloalto-panos",
            ["set shared scep L scep-url http://10.0.0.9 scep-challenge fixed Geheim-1"],
        ),
    ],
)
def test_a_typed_secret_is_in_no_output(profile: str, lines: list[str]) -> None:
    """Neither shown nor saved in clear."""
    bench = DeviceBench(shared_profile(profile))
    terminal = bench.terminal()
    terminal.console.session.length = 0
    shown = ""
    terminal.type("configure\r")
    for line in lines:
        terminal.type(line + "\r")
    for line in ("show", "commit", "run show configuration", "run show config running"):
        shown += terminal.type(line + "\r")
    assert "commit" in shown
    assert "Geheim" not in shown
    assert "Geheim" not in bench.saved[-1]
