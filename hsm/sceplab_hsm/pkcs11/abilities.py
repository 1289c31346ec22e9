"""What a token can do, read from its list of mechanisms: one probe at each opening."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import pkcs11
from pkcs11 import Mechanism, SlotFlag
from pkcs11.exceptions import PKCS11Error

from sceplab_hsm.api import KeyAlgorithm, KeyResidence, StoreCapabilities

RSA_BITS = {
    KeyAlgorithm.RSA_2048: 2048,
    KeyAlgorithm.RSA_3072: 3072,
    KeyAlgorithm.RSA_4096: 4096,
}
EC_BITS = {KeyAlgorithm.EC_P256: 256, KeyAlgorithm.EC_P384: 384}


@dataclass(frozen=True, slots=True)
class Abilities:
    """Mechanisms and key types of one token."""

    mechanisms: AbstractSet[Mechanism | int]
    algorithms: frozenset[KeyAlgorithm]
    is_hardware: bool
    """What the module says of the slot; SoftHSM's tokens are files under a PIN."""

    @property
    def capabilities(self) -> StoreCapabilities:
        """The same in the words of the interface."""
        offered = self.mechanisms
        return StoreCapabilities(
            algorithms=self.algorithms,
            keys_leave_store=not self.is_hardware,
            supports_oaep=bool(offered & {Mechanism.RSA_PKCS_OAEP, Mechanism.RSA_X_509}),
            thread_safe=True,
            supports_pss=bool(offered & {Mechanism.SHA256_RSA_PKCS_PSS, Mechanism.RSA_PKCS_PSS}),
            residence=KeyResidence.TOKEN,
        )


def probe_abilities(token: pkcs11.Token) -> Abilities:
    """Asks the token; call it under the module's lock.

    Raises:
        PKCS11Error: the token does not answer.
    """
    slot = token.slot
    offered = frozenset(slot.get_mechanisms())
    algorithms: set[KeyAlgorithm] = set()
    if offered & {Mechanism.RSA_PKCS, Mechanism.SHA256_RSA_PKCS}:
        algorithms |= _in_range(slot, offered, Mechanism.RSA_PKCS_KEY_PAIR_GEN, RSA_BITS)
    if Mechanism.ECDSA in offered:
        algorithms |= _in_range(slot, offered, Mechanism.EC_KEY_PAIR_GEN, EC_BITS)
    return Abilities(
        mechanisms=offered,
        algorithms=frozenset(algorithms),
        is_hardware=bool(slot.flags & SlotFlag.HW_SLOT),
    )


def _in_range(
    slot: pkcs11.Slot,
    offered: frozenset[Mechanism | int],
    mechanism: Mechanism,
    sizes: dict[KeyAlgorithm, int],
) -> set[KeyAlgorithm]:
    if mechanism not in offered:
        return set()
    try:
        info = slot.get_mechanism_info(mechanism)
    except PKCS11Error:
        return set()
    low, high = info.min_key_length or 0, info.max_key_length or 1 << 20
    return {algorithm for algorithm, bits in sizes.items() if low <= bits <= high}
