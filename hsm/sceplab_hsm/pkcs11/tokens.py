"""Which token a URI means: exactly one, or an error that says what to do."""

from __future__ import annotations

import time
from dataclasses import dataclass
from urllib.parse import quote

import pkcs11
from pkcs11 import TokenFlag
from pkcs11.exceptions import PKCS11Error

from sceplab_hsm.errors import AmbiguousTokenError, TokenMissingError
from sceplab_hsm.pkcs11.modules import LoadedModule
from sceplab_hsm.pkcs11.uri import Pkcs11Uri


@dataclass(frozen=True, slots=True)
class TokenIdentity:
    """What tells a token from another, wherever it is inserted."""

    label: str
    serial: bytes
    manufacturer: str
    model: str

    @property
    def text(self) -> str:
        """The same in one line of text."""
        parts = (self.manufacturer, self.model, self.label, self.serial.hex())
        return "pkcs11:" + ";".join(quote(part, safe="") for part in parts)

    @classmethod
    def of(cls, token: pkcs11.Token) -> TokenIdentity:
        """Reads it from a token."""
        return cls(
            token.label.rstrip(),
            token.serial.rstrip(),
            (token.manufacturer_id or "").rstrip(),
            (token.model or "").rstrip(),
        )


def find_token(module: LoadedModule, uri: Pkcs11Uri) -> pkcs11.Token:
    """The one token that fits; call it under the module's lock.

    When none fits, the module is started anew: it may not have seen a token that was made or
    inserted after it was loaded.

    Raises:
        TokenMissingError: none.
        AmbiguousTokenError: several.
    """
    if module.is_doubtful:
        module.restart()
    with module.entering():
        return _find(module, uri)


def _find(module: LoadedModule, uri: Pkcs11Uri) -> pkcs11.Token:
    found = _fitting(module, uri)
    for pause_s in module.look_pauses_s:
        if found:
            break
        time.sleep(pause_s)
        module.restart()
        found = _fitting(module, uri)
    if not found:
        labels = ", ".join(f"'{token.label}'" for token in _initialised(module)) or "no token"
        raise TokenMissingError(
            f"no token fits {uri.uri}; the module shows {labels}. Insert the token, or make one: "
            "sceplab hsm softhsm-init DIR (pkcs11-tool --list-token-slots shows all)"
        )
    if len(found) > 1:
        serials = ", ".join(token.serial.decode("utf-8", "replace") for token in found)
        raise AmbiguousTokenError(
            f"{len(found)} tokens fit {uri.uri}; add ;serial= to say which (serial numbers: "
            f"{serials})"
        )
    return found[0]


def find_again(module: LoadedModule, identity: TokenIdentity) -> pkcs11.Token | None:
    """The token of that identity, in whichever slot it is now; under the module's lock."""
    for token in _initialised(module):
        if TokenIdentity.of(token) == identity:
            return token
    return None


def _fitting(module: LoadedModule, uri: Pkcs11Uri) -> list[pkcs11.Token]:
    return [token for token in _initialised(module) if _fits(token, uri)]


def _initialised(module: LoadedModule) -> list[pkcs11.Token]:
    found = []
    for slot in module.slots():
        try:
            token = slot.get_token()
        except PKCS11Error:
            continue  # no token in it, or one that was just removed
        if module.is_softhsm and not token.serial.rstrip():
            continue  # its file is being written at this moment
        if token.flags & TokenFlag.TOKEN_INITIALIZED:
            found.append(token)
    return found


def _fits(token: pkcs11.Token, uri: Pkcs11Uri) -> bool:
    identity = TokenIdentity.of(token)
    wanted = (
        (uri.token, identity.label),
        (uri.serial, identity.serial.decode("utf-8", "replace")),
        (uri.manufacturer, identity.manufacturer),
        (uri.model, identity.model),
        (uri.slot_id, token.slot.slot_id),
    )
    return all(want is None or want == have for want, have in wanted)
