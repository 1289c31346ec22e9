"""Opens PKCS#11 stores; the binding is imported only when one is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sceplab_hsm.api import Clock, KeyStore, SecretProvider, StoreFactory
from sceplab_hsm.errors import ModuleMissingError


def open_store(
    uri: str,
    secrets: SecretProvider,
    *,
    create: bool = False,  # noqa: ARG001 - a token is made by its own tools
    now: Clock | None = None,  # noqa: ARG001 - a token keeps no time of making
) -> KeyStore:
    """Opens the one token a URI names, as `sceplab_hsm.pkcs11.store.open_token` says.

    Args:
        uri: of the scheme ``pkcs11``.
        secrets: asked for the PIN, at most once.
        create: makes no difference; `sceplab_hsm.pkcs11.softhsm.init_softhsm` makes lab tokens.
        now: not used.

    Raises:
        ModuleMissingError: python-pkcs11 is not installed.
        KeyStoreError: of the kind that fits.
    """
    require_binding()
    from sceplab_hsm.pkcs11.store import open_token

    return open_token(uri, secrets)


def require_binding() -> None:
    """Looks whether python-pkcs11 can be used.

    Raises:
        ModuleMissingError: it is not installed.
    """
    try:
        import pkcs11  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise ModuleMissingError(
            f"key stores 'pkcs11:' need the package python-pkcs11 ({error}); "
            "run: pip install python-pkcs11"
        ) from error


if TYPE_CHECKING:
    _PROOF: StoreFactory = open_store  # store, handles and factory fit the interface
