"""Mistakes in settings, said so that the reader can correct them: path, reason, closest key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel, ValidationError


def closest(word: str, known: Iterable[str]) -> str:
    """A hint: the most similar known word, or all of them."""
    names = sorted(known)
    similar = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if similar:
        return f"did you mean '{similar[0]}'?"
    return "known: " + ", ".join(names)


def describe_mistakes(error: ValidationError, model: type[BaseModel]) -> str:
    """All mistakes of one validation, one a line, none showing a secret.

    Args:
        error: what pydantic found.
        model: the model that was validated.
    """
    lines = []
    for mistake in error.errors(include_url=False):
        path = ".".join(str(part) for part in mistake["loc"])
        if mistake["type"] == "extra_forbidden":
            known = _fields_at(model, mistake["loc"][:-1])
            lines.append(f"unknown key '{path}'; {closest(str(mistake['loc'][-1]), known)}")
        elif mistake["type"] in {"enum", "literal_error"}:
            given = str(mistake["input"])
            choices = re.findall(r"'([^']*)'", str(mistake["ctx"]["expected"]))
            lines.append(f"'{path}' cannot be '{given}'; {closest(given, choices)}")
        else:
            lines.append(f"'{path}': {mistake['msg']}")
    return "\n".join(lines)


def _fields_at(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    for part in path:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        if field is None:
            return []
        model = _model_in(field.annotation) or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
