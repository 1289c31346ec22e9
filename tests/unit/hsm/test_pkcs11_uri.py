"""PKCS#11 URIs: what is read, what is refused, and the way between store and key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceplab_hsm.errors import StoreUriError
from sceplab_hsm.pkcs11.uri import Pkcs11Uri, encode_value
from sceplab_hsm.uri import join_key_uri, split_key_uri

STORE = "pkcs11:token=lab?module-name=softhsm2"
ALLOWED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@#+-"
KEY_IDS = st.text(ALLOWED, min_size=1, max_size=128)


def test_all_attributes_are_read() -> None:
    """Every attribute of path and query lands in its field, percent-decoded."""
    parsed = Pkcs11Uri.parse(
        "pkcs11:token=The%20lab%3b%c3%a4;serial=ab%2F1;manufacturer=SoftHSM%20project;"
        "model=v2;slot-id=327;type=private;id=%00%ffA"
        "?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/pin%26x"
        "&x-softhsm2-conf=/etc/soft%20hsm.conf"
    )
    assert (parsed.token, parsed.serial, parsed.manufacturer, parsed.model) == (
        "The lab;ä",
        "ab/1",
        "SoftHSM project",
        "v2",
    )
    assert (parsed.slot_id, parsed.cka_id) == (327, b"\0\xffA")
    assert parsed.module_path == "/usr/lib/softhsm/libsofthsm2.so"
    assert parsed.pin_source == "file:/etc/pin&x"
    assert parsed.softhsm2_conf == "/etc/soft hsm.conf"
    assert parsed.module_name is None


def test_a_module_is_enough() -> None:
    """A path without attributes fits every token."""
    parsed = Pkcs11Uri.parse("pkcs11:?module-name=softhsm2")
    assert (parsed.token, parsed.slot_id, parsed.cka_id) == (None, None, None)
    assert parsed.module_name == "softhsm2"


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("pkcs11:token=lab", "names no module"),
        ("pkcs11:token=lab;object=k?module-name=x", "names a key"),
        ("pkcs11:object=a;object=b?module-name=x", "two keys"),
        ("pkcs11:token=lab#k?module-name=x", "%23"),
        ("pkcs11:tokn=lab?module-name=x", "did you mean 'token'"),
        ("pkcs11:token=a;token=b?module-name=x", "doubled"),
        ("pkcs11:token?module-name=x", "no value"),
        ("pkcs11:token=lab;?module-name=x", "attribute ''"),
        ("pkcs11:token=%g1?module-name=x", "hex digits"),
        ("pkcs11:token=%ff?module-name=x", "not UTF-8"),
        ("pkcs11:token=%00?module-name=x", "null character"),
        ("pkcs11:slot-id=1x?module-name=x", "not a number"),
        ("pkcs11:type=cert?module-name=x", "'private'"),
        ("pkcs11:module-name=x", "behind the"),
        ("pkcs11:token=lab?module-name=x&serial=1", "before the"),
        ("pkcs11:token=lab?module-name=x&pin-source=1234", "reference"),
        ("pkcs11:token=lab?module-name=x&pin-source=|cat /etc/pin", "reference"),
    ],
)
def test_wrong_uris_say_what_is_wrong(uri: str, text: str) -> None:
    """Each mistake has its own text."""
    with pytest.raises(StoreUriError, match=text):
        Pkcs11Uri.parse(uri)


@pytest.mark.parametrize("place", ["?module-name=x&pin-value=9-8-7-6", ";pin-value=9-8-7-6?x=y"])
def test_a_pin_in_the_uri_is_refused_and_not_repeated(place: str) -> None:
    """The text says how a PIN is referred to, without the PIN."""
    with pytest.raises(StoreUriError, match="pin-source=file:PATH") as caught:
        Pkcs11Uri.parse(f"pkcs11:token=lab{place}")
    assert "9-8-7-6" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["pkcs11", "PKCS11", "fault+pkcs11"])
def test_the_key_is_an_attribute(scheme: str) -> None:
    """A key's URI has ``object`` in its path, for wrapped stores too."""
    store = STORE.replace("pkcs11", scheme, 1)
    key = f"{scheme}:token=lab;object=router%231?module-name=softhsm2"
    assert join_key_uri(store, "router#1") == key
    assert split_key_uri(key) == (store, "router#1")
    assert split_key_uri(store) == (store, None)


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("pkcs11:object=k", ("pkcs11:", "k")),
        ("pkcs11:object=k;token=a?x=y", ("pkcs11:token=a?x=y", "k")),
        ("pkcs11:a=b;object=k;type=private", ("pkcs11:a=b;type=private", "k")),
        ("pkcs11:token=object%3dk", ("pkcs11:token=object%3dk", None)),
        ("fault+pkcs11:token=a;object=k?x-slow=1", ("fault+pkcs11:token=a?x-slow=1", "k")),
    ],
)
def test_the_key_may_stand_anywhere_in_the_path(uri: str, parts: tuple[str, str | None]) -> None:
    """What stands around it stays as it is written."""
    assert split_key_uri(uri) == parts


@pytest.mark.parametrize(
    "uri", ["pkcs11:object=", "pkcs11:object", "pkcs11:object=a%20b", "pkcs11:object=%zz"]
)
def test_a_key_needs_an_allowed_name(uri: str) -> None:
    """An empty or forbidden name is refused when the URI is split."""
    with pytest.raises(StoreUriError):
        split_key_uri(uri)


@given(KEY_IDS)
def test_key_uris_lead_back(key_id: str) -> None:
    """Joining and splitting gives the store and the name again, whatever the name."""
    for store in (STORE, "pkcs11:", "pkcs11:?module-name=x", "fault+pkcs11:token=a"):
        assert split_key_uri(join_key_uri(store, key_id)) == (store, key_id)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_encoded_values_lead_back(text: str) -> None:
    """What we encode into a URI is read again as it was."""
    uri = (
        f"pkcs11:token={encode_value(text)}"
        f"?module-name=x&x-softhsm2-conf={encode_value(text, in_query=True)}"
    )
    parsed = Pkcs11Uri.parse(uri)
    assert (parsed.token, parsed.softhsm2_conf) == (text, text)
