"""Tells what pydantic found wrong in a rack file: line, key, and what to write instead."""

from __future__ import annotations

import re
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from sceplab_lab.rack_errors import RackError
from sceplab_lab.yaml_file import YamlFile
from sceplab_ndes.validation import closest

_TAKEN_FOR = {
    "bool": "a yes or no",
    "int": "a number",
    "float": "a number",
    "date": "a date",
    "datetime": "a date",
    "NoneType": "nothing",
}


def describe_mistake(
    error: ValidationError, file: YamlFile, model: type[BaseModel], *, source: str
) -> RackError:
    """The first mistake. No value is shown that may be a secret."""
    mistake = error.errors(include_url=False)[0]
    place = tuple(part for part in mistake["loc"] if part not in ("url", "table", "[key]"))
    path = ".".join(str(part) for part in place)
    reason = _reason(mistake, path, file, place, model)
    return RackError(reason, source=source, line=file.line_of(place))


def _reason(
    mistake: Any, path: str, file: YamlFile, place: tuple[int | str, ...], model: type[BaseModel]
) -> str:
    match mistake["type"]:
        case "extra_forbidden":
            known = closest(str(place[-1]), _fields_at(model, place[:-1]))
            return f"unknown key '{path}'; {known}"
        case "missing":
            return f"'{path}' is missing"
        case "literal_error":
            choices = re.findall(r"'([^']*)'", str(mistake["ctx"]["expected"]))
            given = str(mistake["input"])
            return f"'{path}' cannot be '{given}'; {closest(given, choices)}"
        case "string_type":
            written = str(place[-1]) if "[key]" in mistake["loc"] else file.written(place)
            return _not_a_text(mistake["input"], path, written)
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"'{path or 'the file'}' must be a table: indented lines 'key: value'"
        case "list_type":
            return f"'{path}' must be a list: lines that begin with '- ', or [a, b]"
        case "value_error":
            return f"'{path}': {mistake['ctx']['error']}"
        case _:
            return f"'{path}': {mistake['msg']}"


def _not_a_text(value: object, path: str, written: str) -> str:
    kind = _TAKEN_FOR.get(type(value).__name__)
    if kind is None:
        return f"'{path}' must be a text"
    shown = f'write "{written}" in quotes' if written else "write it in quotes"
    return f"'{path}' must be a text, and YAML takes this for {kind}; {shown}"


def _fields_at(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    for part in place:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
