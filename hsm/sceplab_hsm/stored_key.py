"""What every handle of a store that keeps key files knows of its key, without the private part."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sceplab_hsm.api import KeyAlgorithm, KeyInfo
from sceplab_hsm.uri import join_key_uri

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


class StoredKey:
    """The part of a key handle that needs no private key. Stores add `sign` and `decrypt`.

    Args:
        store_uri: of the store.
        info: of the key.
        public_key: of the key.
    """

    __slots__ = ("_info", "_public_key", "_store_uri")

    def __init__(self, *, store_uri: str, info: KeyInfo, public_key: PublicKey) -> None:
        self._store_uri = store_uri
        self._info = info
        self._public_key = public_key

    @property
    def key_id(self) -> str:
        """Name of the key inside its store."""
        return self._info.key_id

    @property
    def uri(self) -> str:
        """URI of the key: the store's, with the key's name as fragment."""
        return join_key_uri(self._store_uri, self._info.key_id)

    @property
    def algorithm(self) -> KeyAlgorithm:
        """Type and size."""
        return self._info.algorithm

    @property
    def public_key(self) -> PublicKey:
        """Public half."""
        return self._public_key

    def __reduce__(self) -> str:
        raise TypeError("a key handle is not pickled; pass its URI")
