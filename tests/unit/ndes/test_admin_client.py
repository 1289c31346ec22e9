"""Fetching passwords from admin pages: every page, every refusal."""

from __future__ import annotations

import pytest

from sceplab_hsm.secret import Secret
from sceplab_ndes.access import AdminUser
from sceplab_ndes.admin_client import AdminPageError, decode_page, fetch_password
from sceplab_ndes.errors import ConfigError
from tests.support.server import ADMIN, make_server, serve_in_thread


@pytest.mark.parametrize("bom", [False, True])
def test_a_password_is_fetched_from_the_page(bom: bool) -> None:
    """With and without a byte order mark."""
    state = make_server("ndes", settings={"admin_page": {"bom": bom}})
    with serve_in_thread(state) as server:
        password = fetch_password(server.admin_url, ADMIN.name, ADMIN.password)
        assert len(password.reveal()) == 16


@pytest.mark.covers("B7")
def test_passwords_are_fetched_until_the_cache_is_full() -> None:
    """Five, and then the reason."""
    with serve_in_thread(make_server("ndes")) as server:
        for _ in range(5):
            fetch_password(server.admin_url, ADMIN.name, ADMIN.password)
        with pytest.raises(AdminPageError, match="cache is full"):
            fetch_password(server.admin_url, ADMIN.name, ADMIN.password)


def test_other_pages_are_told_apart() -> None:
    """No permission, wrong password, wrong URL, no server."""
    guest = AdminUser(name="guest", password=Secret("guest"), may_enroll=False)
    with serve_in_thread(make_server("ndes", users=[ADMIN, guest])) as server:
        with pytest.raises(AdminPageError, match="guest may not enroll"):
            fetch_password(server.admin_url, "guest", guest.password)
        with pytest.raises(AdminPageError, match="401; wrong user or password"):
            fetch_password(server.admin_url, "guest", Secret("wrong"))
        with pytest.raises(AdminPageError, match="shows no password"):
            fetch_password(server.scep_url, ADMIN.name, ADMIN.password)
        gone = server.admin_url
    with pytest.raises(AdminPageError, match="no answer"):
        fetch_password(gone, ADMIN.name, ADMIN.password)


@pytest.mark.covers("A22")
def test_plain_http_to_other_machines_is_refused_unless_told() -> None:
    """The administrator's password is not sent in the clear by accident."""
    with pytest.raises(ConfigError, match="--no-ssl"):
        fetch_password("http://ndes.example.test/certsrv/mscep_admin/", "a", Secret("b"))
    with pytest.raises(AdminPageError, match="no answer"):
        fetch_password("http://ndes.invalid/", "a", Secret("b"), allow_plain=True)
    with pytest.raises(ConfigError, match="no http or https URL"):
        fetch_password("ftp://ndes.example.test/", "a", Secret("b"))


@pytest.mark.parametrize(
    "encoding", ["utf-16-le", "utf-16", "utf-8"], ids=["utf-16-le", "bom", "utf-8"]
)
def test_pages_are_decoded_by_their_bytes(encoding: str) -> None:
    """Whatever the Meta tag says."""
    assert decode_page("<HTML>é".encode(encoding)) == "<HTML>é"
