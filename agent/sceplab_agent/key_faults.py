"""Whether the certificate in use still has its key."""

from __future__ import annotations

from sceplab_agent.core.next_steps import KEY_LOST
from sceplab_agent.core.values import ActiveCertificate
from sceplab_agent.key_claims import public_key_of
from sceplab_hsm.api import KeyStore
from sceplab_hsm.errors import KeyDamagedError, KeyNotFoundError, KeyStoreError


def find_key_fault(store: KeyStore, active: ActiveCertificate) -> str:
    """What is wrong with the key, with the next step; empty: nothing, or the store cannot say now.

    Args:
        store: has the key.
        active: the certificate.
    """
    try:
        key = store.get(active.key_id)
    except (KeyDamagedError, KeyNotFoundError) as error:
        return _told(str(error))
    except KeyStoreError:
        return ""  # whoever needs the key is told
    if public_key_of(key) != active.public_key_der:
        return _told(f"another key bears the name '{active.key_id}' in {store.uri}")
    return ""


def _told(reason: str) -> str:
    return f"the certificate in use has lost its key: {reason}; {KEY_LOST}"
