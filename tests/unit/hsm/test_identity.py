"""One place written in several ways is one store; two places are two."""

from __future__ import annotations

from pathlib import Path

import pytest

from sceplab_hsm.api import KeyStore
from sceplab_hsm.registry import identity_of, open_key_store
from sceplab_hsm.secret import Secret, secrets_from
from tests.support.softhsm import MODULE, make_token


class BareStore:
    """A plug-in's store that says nothing of its identity."""

    uri = "bare:here"


def opened(uri: str) -> str:
    """Identity of the store behind a URI."""
    store = open_key_store(uri, lambda _: Secret("words"), create=True)
    store.close()
    return identity_of(store)


@pytest.mark.parametrize("scheme", ["soft", "tpm-stub", "fault+soft"])
def test_a_directory_is_one_store_by_any_name(tmp_path: Path, scheme: str) -> None:
    """A symbolic link, dots and options make no other store; a neighbour is one."""
    (tmp_path / "link").symlink_to(tmp_path / "keys")
    first = opened(f"{scheme}:{tmp_path}/keys")
    assert opened(f"{scheme}:{tmp_path}/link") == first
    assert opened(f"{scheme}:{tmp_path}/x/../keys") == first
    assert opened(f"{scheme}:{tmp_path}/other") != first


def test_a_token_is_one_store_by_any_uri() -> None:
    """Order, module and further attributes make no other token; a second one of its label is."""
    token = make_token("twin")
    conf = token.configuration
    spellings = (
        token.uri,
        f"pkcs11:token=twin?x-softhsm2-conf={conf}&module-name=softhsm2",
        f"pkcs11:manufacturer=SoftHSM%20project;token=tw%69n?module-path={MODULE}"
        f"&x-softhsm2-conf={conf}",
        f"fault+{token.uri}",
    )
    secrets = secrets_from(token.secret_reference)
    found = set()
    for uri in spellings:
        store: KeyStore = open_key_store(uri, secrets)
        found.add(identity_of(store))
        store.close()
    assert len(found) == 1
    other = make_token("twin-2")
    store = open_key_store(other.uri, secrets_from(other.secret_reference))
    assert identity_of(store) not in found
    store.close()


def test_a_store_without_identity_is_its_uri() -> None:
    """What plug-ins need not say is taken from the URI."""
    assert identity_of(BareStore()) == "bare:here"  # type: ignore[arg-type]
