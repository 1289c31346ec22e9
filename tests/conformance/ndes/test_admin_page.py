"""The admin page: who gets in, what is shown, in which bytes."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from sceplab_hsm.secret import Secret
from sceplab_ndes.access import AdminUser
from sceplab_ndes.exchange import ScepHttpRequest, ScepHttpResponse
from sceplab_ndes.hierarchy import CaPlan
from sceplab_ndes.state import ServerState
from tests.support.scep_device import ScepDevice, issued
from tests.support.server import ADMIN, NOW, make_server

ADMIN_PATH = "/certsrv/mscep_admin/"
FLEET = re.compile(r"(?i)The enrollment challenge password is: <B> (?P<password>\S*)")


def get(
    server: ServerState,
    user: str = "admin",
    password: str = "correct horse battery",
    *,
    path: str = ADMIN_PATH,
    query: str = "",
) -> ScepHttpResponse:
    """Answer to a GET with Basic authentication."""
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
    request = ScepHttpRequest(
        method="GET",
        path=path,
        raw_query=query,
        headers={"authorization": f"Basic {credentials}", "host": "ndes.example.test"},
    )
    return server.responder.respond(request, NOW)


@pytest.mark.covers("A24", "A13", "B1")
def test_an_administrator_gets_a_password_that_enrolls() -> None:
    """The way of the source: page, password, device, certificate."""
    server = make_server("ndes")
    text = get(server).body.decode("utf-16-le")
    found = FLEET.search(text)
    assert found is not None
    assert issued(ScepDevice(server=server).enroll(found["password"]))


@pytest.mark.covers("A13")
def test_each_visit_makes_another_password() -> None:
    """Two visits, two passwords."""
    server = make_server("ndes")
    passwords = {FLEET.search(get(server).body.decode("utf-16-le"))["password"] for _ in range(2)}  # type: ignore[index]
    assert len(passwords) == 2
    assert all(re.fullmatch(r"[0-9A-F]{16}", password) for password in passwords)


@pytest.mark.covers("T-45")
def test_the_page_to_the_byte() -> None:
    """UTF-16LE without a BOM, a Meta tag that claims UTF-8, the MD5 thumbprint in four groups."""
    server = make_server("ndes")
    body = get(server).body
    assert not body.startswith(b"\xff\xfe")
    text = body.decode("utf-16-le")
    assert "charset=UTF-8" in text
    assert "\n" not in text
    from cryptography.hazmat.primitives.serialization import Encoding

    der = server.hierarchy.issuing.certificate.public_bytes(Encoding.DER)
    digits = hashlib.md5(der, usedforsecurity=False).hexdigest().upper()
    groups = " ".join(digits[at : at + 8] for at in range(0, 32, 8))
    for sentence in (
        "Network Device Enrollment Service allows you to obtain certificates for routers or other "
        "network devices using the Simple Certificate Enrollment Protocol (SCEP).",
        "To complete certificate enrollment for your network device you will need the following "
        "information:",
        f"The thumbprint (hash value) for the CA certificate is: <B> {groups} </B>",
        "This password can be used only once and will expire within 60 minutes.",
        "Each enrollment requires a new challenge password. You can refresh this web page to "
        "obtain a new challenge password.",
        "<A HREF=http://go.microsoft.com/fwlink/?LinkId=67852>Using Network Device Enrollment "
        "Service</A>",
        "#008080",
    ):
        assert sentence in text
    # The client that takes the first run of 16 hex digits must not find the thumbprint.
    first_run = re.search(r"[A-F0-9]{16}", text)
    assert first_run is not None
    assert first_run.group() in FLEET.search(text)["password"]  # type: ignore[index]


def test_a_bom_is_a_setting() -> None:
    """Two sources disagree."""
    server = make_server("ndes", settings={"admin_page": {"bom": True}})
    assert get(server).body.startswith(b"\xff\xfe<\x00")


def test_the_thumbprint_is_that_of_the_issuing_ca_or_of_the_root() -> None:
    """With two tiers the setting decides."""
    from sceplab_ndes.pages import thumbprint
    from sceplab_scep.x509fields import certificate_der

    for choice in ("issuing", "root"):
        server = make_server(
            settings={"admin_page": {"thumbprint_of": choice}}, plan=CaPlan(two_tier=True)
        )
        shown = getattr(server.hierarchy, choice).certificate
        assert thumbprint(certificate_der(shown)) in get(server).body.decode("utf-16-le")


@pytest.mark.covers("B8", "B7")
def test_the_sixth_visit_shows_that_the_cache_is_full() -> None:
    """A 200 with another text and no password."""
    server = make_server("ndes")
    for _ in range(5):
        assert FLEET.search(get(server).body.decode("utf-16-le"))
    response = get(server)
    text = response.body.decode("utf-16-le")
    assert response.status == 200
    assert "The password cache is full." in text
    assert "to cache more than 5 passwords" in text
    assert not FLEET.search(text)


@pytest.mark.covers("A25")
def test_a_user_without_the_right_to_enroll_is_told_so_with_200() -> None:
    """The sentence with its two spaces; no slot is taken."""
    users = [AdminUser(name="guest", password=Secret("guest"), may_enroll=False), ADMIN]
    server = make_server("ndes", users=users)
    response = get(server, "guest", "guest")
    assert response.status == 200
    assert (
        "You do not have sufficient permission to enroll with SCEP.  Please contact your system "
        "administrator."
    ) in response.body.decode("utf-16-le")
    assert server.depot.passwords.count_unused(NOW) == 0


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("admin", "wrong"),
        ("nobody", "correct horse battery"),
        ("", ""),
        ("admin", ""),
    ],
)
def test_others_get_401_with_a_basic_challenge(user: str, password: str) -> None:
    """Nothing is handed out, and the realm names the host."""
    server = make_server()
    response = get(server, user, password)
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == 'Basic realm="ndes.example.test"'
    assert server.depot.passwords.count_unused(NOW) == 0


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic !!!", "Bearer x", "Basic " + base64.b64encode(b"\xff").decode()]
)
def test_unreadable_credentials_are_401(header: str) -> None:
    """No exception, whatever stands in the header."""
    request = ScepHttpRequest(method="GET", path=ADMIN_PATH, headers={"authorization": header})
    assert make_server().responder.respond(request, NOW).status == 401


@pytest.mark.parametrize("user", ["admin", "ADMIN", "CONTOSO\\admin", "admin@contoso.test"])
def test_user_names_in_every_form(user: str) -> None:
    """Plain, UPN and down-level names."""
    assert get(make_server(), user).status == 200


@pytest.mark.parametrize(
    "path", ["/certsrv/mscep_admin", "/CertSrv/mscep_admin/mscep.dll", ADMIN_PATH]
)
def test_all_spellings_of_the_admin_path(path: str) -> None:
    """Both forms of the virtual directory lead to the page."""
    assert FLEET.search(get(make_server("ndes"), path=path).body.decode("utf-16-le"))


def test_scep_works_on_the_admin_path_after_log_on() -> None:
    """Both virtual directories lead to one program; no password is made for it."""
    server = make_server("ndes")
    assert b"POSTPKIOperation" in get(server, query="operation=GetCACaps").body
    assert get(server, password="wrong", query="operation=GetCACaps").status == 401
    assert server.depot.passwords.count_unused(NOW) == 0


def test_authentication_may_be_switched_off() -> None:
    """For tests without users."""
    server = make_server(settings={"admin_page": {"authentication": "none"}}, users=[])
    request = ScepHttpRequest(method="GET", path=ADMIN_PATH)
    response = server.responder.respond(request, NOW)
    assert FLEET.search(response.body.decode("utf-16-le"))


def test_no_password_page_in_mode_none() -> None:
    """There is nothing to hand out."""
    server = make_server(settings={"challenge": {"mode": "none"}})
    text = get(server).body.decode("utf-16-le")
    assert "No enrollment challenge password is needed." in text
