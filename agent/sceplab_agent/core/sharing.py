"""One copy of what many trustpoints have in common: certificates of their CA, parts of policies."""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import TypeVar, cast

T = TypeVar("T", bound=Hashable)

_MAX_REMEMBERED = 256


def shared(value: T) -> T:
    """An equal value of the same type that was here before, else this one. It must not change."""
    return cast("T", _remembered(value))


@lru_cache(maxsize=_MAX_REMEMBERED, typed=True)
def _remembered(value: Hashable) -> Hashable:
    return value
