"""The three floors."""

from __future__ import annotations

import copy
import pickle

import pytest

from sceplab_scep.algorithms import Cipher, Digest, Floor, lowest_floor
from sceplab_scep.errors import UnsupportedAlgorithmError

WEAKEST_FLOOR = {
    Digest.MD5: Floor.LAB,
    Digest.SHA1: Floor.NDES,
    Cipher.DES_CBC: Floor.LAB,
    Cipher.DES_EDE3_CBC: Floor.NDES,
}


@pytest.mark.covers("C-14", "S-19")
@pytest.mark.parametrize("algorithm", [*Digest, *Cipher])
def test_floors(algorithm: Digest | Cipher) -> None:
    """Modern takes AES and SHA-2, ndes also 3DES and SHA-1, lab all; each includes the stricter."""
    needed = WEAKEST_FLOOR.get(algorithm, Floor.MODERN)
    assert lowest_floor(algorithm) is needed
    order = [Floor.MODERN, Floor.NDES, Floor.LAB]
    for position, floor in enumerate(order):
        assert floor.allows(algorithm) == (position >= order.index(needed))


@pytest.mark.parametrize("member", [*Digest, *Cipher, *Floor])
def test_members_work_as_keys_after_copying(member: Digest | Cipher | Floor) -> None:
    """Copied and pickled members are the same key."""
    table = {member: 1}
    assert table[copy.deepcopy(member)] == 1
    assert table[pickle.loads(pickle.dumps(member))] == 1


def test_refusal_without_remedy() -> None:
    """An algorithm that no floor allows is refused without naming one."""
    error = UnsupportedAlgorithmError("rc4", floor="lab", allowed_by=None, peer="client")
    assert str(error) == "the client uses rc4, which floor 'lab' refuses; no floor allows it"
    assert UnsupportedAlgorithmError("rc4", floor="lab", allowed_by=None).peer == ""
