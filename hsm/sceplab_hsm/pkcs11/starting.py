"""Why a PKCS#11 module does not start."""

from __future__ import annotations

import os

from pkcs11.exceptions import PKCS11Error

from sceplab_hsm.errors import StoreUnavailableError, TokenMissingError
from sceplab_hsm.pkcs11.failures import name_of

CONFIGURATION_VARIABLE = "SOFTHSM2_CONF"
_TOKENS_KEY = "directories.tokendir"


def start_failure(
    path: str, configuration: str | None, error: PKCS11Error
) -> StoreUnavailableError:
    """The error for a module that does not load or start, with its cause and the next step.

    Args:
        path: of the module.
        configuration: file that SoftHSM reads, when one is named.
        error: what the binding raised.

    Returns:
        `TokenMissingError` only where the place of SoftHSM's tokens is gone.
    """
    words = f"PKCS#11 module {path} does not start ({name_of(error)})"
    if type(error) is PKCS11Error:
        # The loader's own words: the file is no library, or one without PKCS#11 in it.
        return StoreUnavailableError(
            f"{words}: is it a PKCS#11 module of this machine's kind? Correct module-path"
        )
    if "softhsm" not in os.path.basename(path).lower():
        return StoreUnavailableError(f"{words}; look into the module's log or its documentation")
    missing = _missing_place(configuration) if configuration else None
    if missing is not None:
        return TokenMissingError(
            f"{words}: {missing} is not there; put it back, or make a token with "
            "`sceplab hsm softhsm-init DIR`"
        )
    return StoreUnavailableError(
        f"{words}; SoftHSM needs {CONFIGURATION_VARIABLE} or x-softhsm2-conf to name a readable "
        "configuration, and access to the directory of its tokens"
    )


def _missing_place(configuration: str) -> str | None:
    """The configuration or the directory it names, whichever is not there."""
    try:
        with open(configuration, encoding="utf-8", errors="replace") as file:
            lines = [line.partition("=") for line in file]
    except FileNotFoundError:
        return configuration
    except OSError:
        return None
    for key, _, value in lines:
        if key.strip() == _TOKENS_KEY:
            try:
                os.stat(value.strip())
            except FileNotFoundError:
                return value.strip()
            except OSError:
                return None
    return None
