"""How long the stub takes: in the proportions of a chip, not in its exact times."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from sceplab_hsm.api import KeyAlgorithm

SWTPM_SECONDS: Mapping[tuple[str, KeyAlgorithm | None], float] = MappingProxyType(
    {
        ("CreatePrimary", None): 0.002,
        ("EvictControl", None): 0.008,
        ("Load", None): 0.002,
        ("Create", KeyAlgorithm.RSA_2048): 0.4,
        ("Create", KeyAlgorithm.RSA_3072): 0.6,
        ("Create", KeyAlgorithm.EC_P256): 0.002,
        ("Create", KeyAlgorithm.EC_P384): 0.004,
        ("Sign", KeyAlgorithm.RSA_2048): 0.004,
        ("Sign", KeyAlgorithm.RSA_3072): 0.012,
        ("Sign", KeyAlgorithm.EC_P256): 0.001,
        ("Sign", KeyAlgorithm.EC_P384): 0.002,
        ("RSA_Decrypt", KeyAlgorithm.RSA_2048): 0.004,
        ("RSA_Decrypt", KeyAlgorithm.RSA_3072): 0.012,
    }
)
"""Durations of a software TPM: the proportions are measured (the values of P-384 and of RSA-3072
signatures are estimates). Commands that are not named take no time."""

DISCRETE_FACTOR = 20.0
"""How much slower than that a discrete chip is taken to be: an order of magnitude, not measured."""


class Latency(Protocol):
    """Waits as long as a command takes."""

    def pause(self, command: str, algorithm: KeyAlgorithm | None) -> None:
        """Waits.

        Args:
            command: name as in the specification, without ``TPM2_``.
            algorithm: of the key in use or in the making, where it matters.
        """


class NoLatency:
    """Takes no time."""

    def pause(self, command: str, algorithm: KeyAlgorithm | None) -> None:
        """Returns at once."""


@dataclass(slots=True, kw_only=True)
class ChipLatency:
    """Takes the time of a chip."""

    sleep: Callable[[float], None] = time.sleep
    factor: float = DISCRETE_FACTOR
    jitter: float = 0.0
    """Largest deviation as a share of the duration, 0 to 1."""
    seed: int = 0
    """The same seed gives the same deviations."""
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - no secret hangs on it

    def pause(self, command: str, algorithm: KeyAlgorithm | None) -> None:
        """Sleeps for the command's duration."""
        seconds = SWTPM_SECONDS.get((command, algorithm), SWTPM_SECONDS.get((command, None), 0.0))
        if seconds:
            deviation = self._random.uniform(-self.jitter, self.jitter)
            self.sleep(seconds * self.factor * (1 + deviation))
