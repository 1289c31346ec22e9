"""The lifetime of certificates: as typed, as shown, as issued."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceplab_ndes.authority import CertificateOrder
from sceplab_ndes.errors import ConfigError
from sceplab_ndes.hierarchy import BACKDATE
from sceplab_ndes.profiles import load_profile
from sceplab_ndes.settings import TemplateSettings
from sceplab_ndes.validity import LONGEST, lifetime_of, validity_settings, validity_text
from sceplab_scep.csr import read_csr
from tests.support.ndes_cli import run, serving
from tests.support.pki import device_csr
from tests.support.server import NOW, make_server


def template(typed: str) -> TemplateSettings:
    """A template with that lifetime."""
    return load_profile("compat", {"template": validity_settings(typed, source="x")}).template


@pytest.mark.parametrize(
    ("typed", "shown", "lifetime"),
    [
        ("4m", "4m", timedelta(minutes=4)),
        ("90m", "90m", timedelta(minutes=90)),
        ("120m", "2h", timedelta(hours=2)),
        ("36h", "36h", timedelta(hours=36)),
        ("48h", "2d", timedelta(days=2)),
        ("36500d", "36500d", LONGEST),
    ],
)
def test_typed_and_shown(typed: str, shown: str, lifetime: timedelta) -> None:
    """Minutes, hours or days; shown in the largest unit that fits."""
    assert (validity_text(template(typed)), lifetime_of(template(typed))) == (shown, lifetime)


def test_days_take_the_place_of_minutes() -> None:
    """A configuration file may have set minutes; what is typed wins."""
    settings = {"validity_minutes": 5, **validity_settings("3d", source="x")}
    assert validity_text(load_profile("compat", {"template": settings}).template) == "3d"


@pytest.mark.parametrize("typed", ["", "0m", "4", "m", "4 m", "1.5h", "-1d", "36501d", "4M", "٤m"])
def test_no_lifetimes(typed: str) -> None:
    """The reason names the option and what would be right."""
    with pytest.raises(ConfigError, match=r"--validity: .* 10m, 36h and 30d"):
        validity_settings(typed, source="--validity")


@given(st.text(max_size=12) | st.from_regex(r"[0-9]{0,12}[mhd]?", fullmatch=True))
def test_any_text_is_a_lifetime_or_refused(typed: str) -> None:
    """Nothing else happens, and what is taken is a template's."""
    try:
        settings = validity_settings(typed, source="x")
    except ConfigError:
        return
    found = load_profile("compat", {"template": settings}).template
    assert timedelta(minutes=1) <= lifetime_of(found) <= LONGEST


@pytest.mark.parametrize(
    ("typed", "begins", "ends"),
    [
        ("4m", timedelta(), timedelta(minutes=4)),
        ("23h", timedelta(), timedelta(hours=23)),
        ("1d", -BACKDATE, timedelta(days=1) - BACKDATE),
    ],
)
def test_issued(typed: str, begins: timedelta, ends: timedelta) -> None:
    """Short lives begin with the request, longer ones ten minutes before it."""
    server = make_server(settings={"template": validity_settings(typed, source="x")})
    later = NOW + timedelta(days=1)
    order = CertificateOrder(request_id=1, csr=read_csr(device_csr()))
    certificate = server.authority.issue(order, later)
    assert certificate.not_valid_before_utc == later + begins
    assert certificate.not_valid_after_utc == later + ends
    server.close()


@pytest.mark.daemon
def test_serve_says_how_long(tmp_path: Path) -> None:
    """The ready object has it; later commands on the folder use it."""
    with serving(tmp_path / "s", "--validity", "90m") as ready:
        assert ready["validity"] == "90m"
    with serving(tmp_path / "s") as ready:
        assert ready["validity"] == "365d"


def test_serve_refuses_what_is_none(tmp_path: Path) -> None:
    """Exit code 2, and nothing is made."""
    told = run("serve", "--state", tmp_path / "s", "--validity", "soon")
    assert told.exit_code == 2
    assert "--validity: 'soon' is no lifetime" in told.stderr
    assert not (tmp_path / "s").exists()
