"""Key store URIs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceplab_hsm.errors import StoreUriError
from sceplab_hsm.uri import (
    DirectoryUri,
    check_key_id,
    join_key_uri,
    scheme_of,
    split_key_uri,
)

ALLOWED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@#+-"
KEY_IDS = st.text(ALLOWED, min_size=1, max_size=128)


@pytest.mark.parametrize(
    ("uri", "scheme"),
    [("soft:keys", "soft"), ("SOFT:keys", "soft"), ("tpm-stub:x", "tpm-stub"), ("a+b.c:", "a+b.c")],
)
def test_schemes_are_read(uri: str, scheme: str) -> None:
    """The scheme is what stands before the first colon, in lower case."""
    assert scheme_of(uri) == scheme


@pytest.mark.parametrize("uri", ["", "keys", "/var/lib/keys", ":keys", "1x:y", "so ft:x", "ä:x"])
def test_texts_without_scheme_are_refused(uri: str) -> None:
    """What has no scheme is refused with an example of what is meant."""
    with pytest.raises(StoreUriError, match="write for example soft:"):
        scheme_of(uri)


@given(KEY_IDS)
def test_key_uris_lead_back(key_id: str) -> None:
    """Joining and splitting gives the store and the name again, whatever the name."""
    uri = join_key_uri("soft:/var/keys?kdf=lab", key_id)
    assert uri.count("#") == 1
    assert split_key_uri(uri) == ("soft:/var/keys?kdf=lab", key_id)


def test_a_plain_hash_in_a_name_is_read_too() -> None:
    """A person who types a name with ``#`` need not know of percent-encoding."""
    assert split_key_uri("soft:keys#a#b") == ("soft:keys", "a#b")


def test_a_store_uri_names_no_key() -> None:
    """Without ``#`` there is no key, and an empty name is none."""
    assert split_key_uri("soft:keys") == ("soft:keys", None)
    with pytest.raises(StoreUriError, match="key name ''"):
        split_key_uri("soft:keys#")


@given(st.text(max_size=200))
def test_names_are_checked_whole(text: str) -> None:
    """A name passes exactly when every character is an allowed one and the length fits."""
    if 1 <= len(text) <= 128 and set(text) <= set(ALLOWED):
        assert check_key_id(text) == text
    else:
        with pytest.raises(StoreUriError):
            check_key_id(text)


def test_directories_are_read() -> None:
    """Path and options, percent-encoding and the home directory."""
    parsed = DirectoryUri.parse("soft:/a%23b%3Fc%25/d e?kdf=lab", options=("kdf",))
    assert (parsed.scheme, parsed.path, parsed.options) == (
        "soft",
        Path("/a#b?c%/d e"),
        {"kdf": "lab"},
    )
    assert DirectoryUri.parse("soft:~/keys").path == Path.home() / "keys"
    assert DirectoryUri.parse("soft:rel/keys").path == Path("rel/keys")


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("soft:", "names no directory"),
        ("soft:?kdf=lab", "names no directory"),
        ("soft:/a%00b", "names no directory"),
        ("soft:///a", "one slash"),
        ("soft://host/a", "one slash"),
        ("soft:/a#router1", "names a key"),
        ("soft:/a?kdf=lab&kdf=lab", "unknown or doubled"),
        ("soft:/a?kfd=lab", "did you mean 'kdf'"),
        ("soft:/a?pin=1234", "option 'pin' is unknown"),
        ("soft:~nobody-of-this-name/keys", "no such home directory"),
    ],
)
def test_wrong_directory_uris_say_what_is_wrong(uri: str, text: str) -> None:
    """Each mistake has its own text."""
    with pytest.raises(StoreUriError, match=text):
        DirectoryUri.parse(uri, options=("kdf",))


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text behind the scheme raises anything but ``StoreUriError``."""
    for read in (split_key_uri, DirectoryUri.parse):
        try:
            read(f"soft:{text}")
        except StoreUriError:
            continue
