"""Which trustpoints must not keep their keys in one store: those whose keys' names would meet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from sceplab_agent.config_paths import is_token, may_be_one_store, place_of
from sceplab_agent.config_view import mask_uri
from sceplab_agent.trustpoint import TrustpointConfig
from sceplab_hsm.errors import KeyStoreError

_MAY_MEET = "; their URIs may mean one token: if they do not, write serial= into both"
_TOKENS = "tokens"
"""Where all tokens meet: their URIs do not always tell them apart."""


class KeyNames:
    """Finds the trustpoints whose keys' names would meet, without comparing all with all."""

    def __init__(self, trustpoints: Iterable[TrustpointConfig] = ()) -> None:
        self._by_name: dict[str, list[TrustpointConfig]] = defaultdict(list)
        self._by_renewed: dict[str, list[TrustpointConfig]] = defaultdict(list)
        for trustpoint in trustpoints:
            self.add(trustpoint)

    def add(self, config: TrustpointConfig) -> None:
        """Takes a trustpoint in."""
        name = config.policy.first_key_id
        self._by_name[name].append(config)
        self._by_renewed[_renewed(name)].append(config)

    def rivals(self, config: TrustpointConfig) -> list[TrustpointConfig]:
        """Others that `key_conflict` may name a reason for."""
        name = config.policy.first_key_id
        found = [
            *self._by_name.get(name, ()),
            *self._by_name.get(_renewed(name), ()),
            *self._by_renewed.get(name, ()),
        ]
        return [one for one in found if one.name != config.name]


def find_conflicts(trustpoints: Sequence[TrustpointConfig]) -> Iterator[tuple[str, str]]:
    """Trustpoints that might make, and later delete, the key of one before them; and why."""
    names: dict[object, KeyNames] = defaultdict(KeyNames)
    numbers = {trustpoint.name: number for number, trustpoint in enumerate(trustpoints)}
    for trustpoint in trustpoints:
        places = _places(trustpoint)
        rivals = [rival for place in places for rival in names[place].rivals(trustpoint)]
        for other in sorted(rivals, key=lambda rival: numbers[rival.name]):
            reason = key_conflict(trustpoint, other)
            hint = _meeting(trustpoint, other) if reason else None
            if hint is not None:
                yield trustpoint.name, reason + hint
                break
        for place in places:
            names[place].add(trustpoint)


def require_own_names(
    config: TrustpointConfig,
    names: KeyNames,
    are_one: Callable[[str, str], bool],
) -> None:
    """Looks again once stores are open: then it is known which URIs are of one store.

    Args:
        config: whose store is open.
        names: of all trustpoints of the configuration.
        are_one: whether two URIs turned out to be of one store.

    Raises:
        KeyStoreError: another trustpoint may make or delete the keys of this one.
    """
    for other in names.rivals(config):
        for variant in other.variants():
            if not are_one(config.store_uri, variant.store_uri):
                continue
            reason = key_conflict(config, other)
            if reason:
                raise KeyStoreError(
                    f"trustpoint {config.name}: key.id {reason} ({mask_uri(config.store_uri)} and "
                    f"{mask_uri(variant.store_uri)} are one store)"
                )


def key_conflict(one: TrustpointConfig, other: TrustpointConfig) -> str:
    """Why the two cannot keep their keys in one store; empty: they can."""
    name, other_name = one.policy.first_key_id, other.policy.first_key_id
    if name == other_name:
        if any(config.policy.owns_key or config.policy.renewal.new_key for config in (one, other)):
            return (
                f"names the key of trustpoint '{other.name}', and either would delete it; choose "
                "another name, or set delete_when_replaced = false and renewal.new_key = false in "
                "both"
            )
        return ""
    longer, shorter = (name, other_name) if len(name) > len(other_name) else (other_name, name)
    if _renewed(longer) == shorter:
        return (
            f"'{longer}' is what a renewal names a new key of '{shorter}' (trustpoint "
            f"'{other.name}'); choose another name"
        )
    return ""


def _renewed(name: str) -> str:
    """The name whose renewal makes a key of this name; empty: none does."""
    renewed, _, number = name.rpartition(".")
    return renewed if number.isascii() and number.isdigit() else ""


def _places(config: TrustpointConfig) -> set[object]:
    """Where a trustpoint's keys may be; with whom it shares none it cannot meet."""
    uris = [variant.store_uri for variant in config.variants()]
    return {*map(place_of, uris), *(_TOKENS for uri in uris if is_token(uri))}


def _meeting(one: TrustpointConfig, other: TrustpointConfig) -> str | None:
    """A word on how the two come to have one store; ``None``: they have none in common."""
    uris = [(a.store_uri, b.store_uri) for a in one.variants() for b in other.variants()]
    near = [pair for pair in uris if may_be_one_store(*pair)]
    if not near:
        return None
    return "" if any(place_of(first) == place_of(second) for first, second in near) else _MAY_MEET
