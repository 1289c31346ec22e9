"""Which token a URI means: exactly one, or an error that says what to do."""

from __future__ import annotations

import time
from dataclasses import dataclass
from urllib.parse import quote

import pkcs11
from pkcs11 import TokenFlag
from pkcs11 import exceptions as codes

from sceplab_hsm.errors import AmbiguousTokenError, StoreUnavailableError, TokenMissingError
from sceplab_hsm.pkcs11.failures import name_of
from sceplab_hsm.pkcs11.modules import LoadedModule
from sceplab_hsm.pkcs11.uri import Pkcs11Uri

_EMPTY_SLOT = (
    codes.TokenNotPresent,
    codes.TokenNotRecognised,
    codes.DeviceRemoved,
    codes.SlotIDInvalid,
)


class SlotUnreadableError(StoreUnavailableError):
    """No token fits, and what is in one of the slots could not be found out."""


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
        SlotUnreadableError: a slot does not tell what is in it.
        AmbiguousTokenError: several.
    """
    if module.is_doubtful:
        module.restart()
    with module.entering():
        return _find(module, uri)


def _find(module: LoadedModule, uri: Pkcs11Uri) -> pkcs11.Token:
    shown = _initialised(module)
    found = _fitting(shown, uri)
    for pause_s in module.look_pauses_s:
        if found:
            break
        time.sleep(pause_s)
        module.restart()
        shown = _initialised(module)
        found = _fitting(shown, uri)
    if not found:
        _require_all_read(module, shown)
        labels = ", ".join(f"'{token.label}'" for token in shown.tokens) or "no token"
        raise TokenMissingError(
            f"no token fits {uri.uri}; the module shows {labels}. {_next_step(module)}"
        )
    if len(found) > 1:
        serials = ", ".join(token.serial.decode("utf-8", "replace") for token in found)
        raise AmbiguousTokenError(
            f"{len(found)} tokens fit {uri.uri}; add ;serial= to say which (serial numbers: "
            f"{serials})"
        )
    return found[0]


def find_again(module: LoadedModule, identity: TokenIdentity) -> pkcs11.Token | None:
    """The token of that identity, in whichever slot it is now; under the module's lock.

    Raises:
        SlotUnreadableError: it is not to be seen, and a slot does not tell what is in it.
    """
    shown = _initialised(module)
    for token in shown.tokens:
        if TokenIdentity.of(token) == identity:
            return token
    _require_all_read(module, shown)
    return None


@dataclass(frozen=True, slots=True)
class _Shown:
    """The tokens that a module shows."""

    tokens: list[pkcs11.Token]
    unread: codes.PKCS11Error | None
    """Why a slot did not tell what is in it."""


def _require_all_read(module: LoadedModule, shown: _Shown) -> None:
    if shown.unread is not None:
        raise SlotUnreadableError(
            f"{module.path} does not tell what is in one of its slots ({name_of(shown.unread)}); "
            "look at the reader and into the module's log"
        ) from shown.unread


def _next_step(module: LoadedModule) -> str:
    if module.is_softhsm:
        return (
            "Insert the token, correct token=, or make one: sceplab hsm softhsm-init DIR "
            "(pkcs11-tool --list-token-slots shows all)"
        )
    if "p11-kit-client" in module.path:
        return "Start the p11-kit server, and let P11_KIT_SERVER_ADDRESS name its socket"
    return "Insert the token, or correct token= (pkcs11-tool --list-token-slots shows all)"


def _fitting(shown: _Shown, uri: Pkcs11Uri) -> list[pkcs11.Token]:
    return [token for token in shown.tokens if _fits(token, uri)]


def _initialised(module: LoadedModule) -> _Shown:
    found: list[pkcs11.Token] = []
    unread: codes.PKCS11Error | None = None
    for slot in module.slots():
        try:
            token = slot.get_token()
        except _EMPTY_SLOT:
            continue
        except codes.PKCS11Error as error:
            unread = error
            continue
        if module.is_softhsm and not token.serial.rstrip():
            continue  # its file is being written at this moment
        if token.flags & TokenFlag.TOKEN_INITIALIZED:
            found.append(token)
    return _Shown(found, unread)


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
