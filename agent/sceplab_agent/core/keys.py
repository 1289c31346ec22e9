"""Names of keys: one question always gets one name, and a doomed name is not used again."""

from __future__ import annotations

from dataclasses import replace

from sceplab_agent.core.model import Enrollment
from sceplab_agent.core.policy import EnrollmentPolicy
from sceplab_agent.core.values import NewKey


def choose_key(model: Enrollment, policy: EnrollmentPolicy) -> NewKey:
    """The key of the next certificate.

    A key that an earlier transaction already made is used again: a retry with the same key lets
    the server recognise the client, another key would orphan the first.

    Not so the key in use, where the policy wants a new one by now.

    A policy that names another key than the active certificate's line of keys has its way.

    Spec: RFC 8894 §2.5 (C-11); checklist 12.
    """
    active, kept = model.active, model.new_key
    is_old = active is not None and kept is not None and kept.key_id == active.key_id
    if kept is not None and not (is_old and policy.renewal.new_key):
        return kept
    generation = 1 if active is None else active.generation + 1
    base = policy.first_key_id
    is_other_key = active is None or not _descends(active.key_id, base)
    if active is not None and not is_other_key and not policy.renewal.new_key:
        return NewKey(key_id=active.key_id, generation=generation, is_ours=False)
    is_kept = model.shadow is not None and model.shadow.key.key_id == base
    if is_other_key and base not in model.retired_keys and not is_kept:
        return NewKey(key_id=base, generation=generation, is_ours=policy.owns_key)
    generation = max(generation, 2)
    taken = {*model.retired_keys, active.key_id if active is not None else ""}
    if model.shadow is not None:
        taken.add(model.shadow.key.key_id)
    while (key_id := f"{base}.{generation}") in taken:
        generation += 1
    return NewKey(key_id=key_id, generation=generation, is_ours=True)


def drop_waiting(model: Enrollment) -> None:
    """Gives up the certificate that no consumer took. Its key serves the next one.

    The next one counts as another generation: a consumer has seen this one already.
    """
    successor, key = model.successor, model.new_key
    if successor is not None and key is not None:
        model.successor = None
        model.new_key = replace(key, generation=successor.generation + 1)


def drop_shadow(model: Enrollment) -> None:
    """Gives up the kept certificate of the next CA; its key is to be deleted."""
    shadow, model.shadow = model.shadow, None
    if shadow is not None and shadow.key.is_ours:
        model.retired_keys = (*model.retired_keys, shadow.key.key_id)


def retire_new_key(model: Enrollment) -> None:
    """Gives up the key of a certificate that will not come; it is to be deleted if it is ours."""
    key, model.new_key = model.new_key, None
    if key is not None and key.is_ours:
        model.retired_keys = (*model.retired_keys, key.key_id)


def _descends(key_id: str, base: str) -> bool:
    return key_id == base or key_id.startswith(f"{base}.")
