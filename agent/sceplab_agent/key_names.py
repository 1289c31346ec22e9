"""Which trustpoints must not keep their keys in one store: those whose keys' names would meet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from sceplab_agent.config_paths import may_be_one_store, place_of
from sceplab_agent.config_view import mask_uri
from sceplab_agent.trustpoint import TrustpointConfig
from sceplab_hsm.errors import KeyStoreError

_MAY_MEET = "; their URIs may mean one token: if they do not, write serial= into both"


def find_conflicts(trustpoints: Sequence[TrustpointConfig]) -> Iterator[tuple[str, str]]:
    """Trustpoints that might make, and later delete, the key of one before them; and why."""
    for number, trustpoint in enumerate(trustpoints):
        for other in trustpoints[:number]:
            reason = key_conflict(trustpoint, other)
            hint = _meeting(trustpoint, other) if reason else None
            if hint is not None:
                yield trustpoint.name, reason + hint
                break


def require_own_names(
    config: TrustpointConfig,
    trustpoints: Iterable[TrustpointConfig],
    are_one: Callable[[str, str], bool],
) -> None:
    """Looks again once stores are open: then it is known which URIs are of one store.

    Args:
        config: whose store is open.
        trustpoints: all of the configuration.
        are_one: whether two URIs turned out to be of one store.

    Raises:
        KeyStoreError: another trustpoint may make or delete the keys of this one.
    """
    for other in trustpoints:
        reason = key_conflict(config, other) if other.name != config.name else ""
        if not reason:
            continue
        for variant in other.variants():
            if are_one(config.store_uri, variant.store_uri):
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
    number = longer.removeprefix(f"{shorter}.")
    if number != longer and number.isascii() and number.isdigit():
        return (
            f"'{longer}' is what a renewal names a new key of '{shorter}' (trustpoint "
            f"'{other.name}'); choose another name"
        )
    return ""


def _meeting(one: TrustpointConfig, other: TrustpointConfig) -> str | None:
    """A word on how the two come to have one store; ``None``: they have none in common."""
    uris = [(a.store_uri, b.store_uri) for a in one.variants() for b in other.variants()]
    if any(place_of(first) == place_of(second) for first, second in uris):
        return ""
    return _MAY_MEET if any(may_be_one_store(*pair) for pair in uris) else None
