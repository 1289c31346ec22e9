"""The RSA floor: the private-key operations that one enrollment cannot do without.

Client: three signatures (CSR, self-signed certificate, request) and one decryption (reply). Server:
two signatures (certificate, reply) and one decryption (request). Only these count; verification,
key transport, DER, X.509 and the state machine are overhead. RSA-2048, keys loaded, blinding warmed
by the measurement's first calls, the same `cryptography` calls as the product makes.
"""

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

_MESSAGE = bytes(range(256)) * 2
_CONTENT_KEY = bytes(16)


def make_floor(key: rsa.RSAPrivateKey, *, signatures: int, decryptions: int) -> Callable[[], None]:
    """A function that does exactly the given private operations with the key."""
    wrapped = key.public_key().encrypt(_CONTENT_KEY, PKCS1v15())

    def work() -> None:
        for _ in range(signatures):
            key.sign(_MESSAGE, PKCS1v15(), SHA256())
        for _ in range(decryptions):
            key.decrypt(wrapped, PKCS1v15())

    return work


def client_floor(key: rsa.RSAPrivateKey) -> Callable[[], None]:
    """The client's share of one enrollment."""
    return make_floor(key, signatures=3, decryptions=1)


def server_floor(key: rsa.RSAPrivateKey) -> Callable[[], None]:
    """The server's share of one enrollment."""
    return make_floor(key, signatures=2, decryptions=1)
