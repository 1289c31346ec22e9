"""Generated PKCS#11 URIs: read, split and joined again, or refused with our error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceplab_hsm.errors import StoreUriError
from sceplab_hsm.pkcs11.uri import Pkcs11Uri
from sceplab_hsm.uri import join_key_uri, split_key_uri

NAMES = ["token", "serial", "object", "id", "type", "slot-id", "model", "pin-value", "", "x"]
QUERY_NAMES = ["module-path", "module-name", "pin-source", "x-softhsm2-conf", "pin-value", "token"]
PIECES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["%", "%2", "%23", "%00", "%ff", "%c3%a4", "private", "file:/p", "env:P", "7"]),
    st.from_regex(r"\A(%[0-9a-fA-F]{2}){1,4}\Z"),
)


def attributes(names: list[str], separator: str) -> st.SearchStrategy[str]:
    """A part of a URI, mostly well formed."""
    one = st.builds(
        "{}{}{}".format, st.sampled_from(names), st.sampled_from(["=", "=", ""]), PIECES
    )
    return st.lists(one, max_size=5).map(separator.join)


URIS = st.one_of(
    st.text(max_size=80).map("pkcs11:{}".format),
    st.builds(
        "{}:{}{}{}".format,
        st.sampled_from(["pkcs11", "fault+pkcs11", "PKCS11"]),
        attributes(NAMES, ";"),
        st.sampled_from(["?", "", "#"]),
        attributes(QUERY_NAMES, "&"),
    ),
)


@pytest.mark.fuzz
@given(URIS)
def test_uris_are_read_or_refused(uri: str) -> None:
    """No text raises anything but ``StoreUriError``, and the PIN of ``pin-value`` gets nowhere."""
    try:
        parsed = Pkcs11Uri.parse(uri)
    except StoreUriError:
        return
    assert parsed.uri == uri
    path = uri.partition("?")[0]
    assert "pin-value" not in (part.partition("=")[0] for part in path.split(";"))


@pytest.mark.fuzz
@given(URIS)
def test_a_key_s_uri_leads_to_its_store_and_back(uri: str) -> None:
    """What is split can be joined and split again, with the same result."""
    try:
        store, key_id = split_key_uri(uri)
    except StoreUriError:
        return
    if key_id is None:
        assert store == uri
        return
    assert split_key_uri(store) == (store, None)
    assert split_key_uri(join_key_uri(store, key_id)) == (store, key_id)
