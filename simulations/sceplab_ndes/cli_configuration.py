"""The configuration that `sceplab ndes serve` runs: the file with the command line on top."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from pydantic import ValidationError

from sceplab_hsm.api import KeyAlgorithm
from sceplab_ndes.config import ServerConfig, load_config
from sceplab_ndes.errors import ConfigError
from sceplab_ndes.validation import describe_mistakes
from sceplab_ndes.validity import validity_settings


def merged_configuration(
    path: Path | None, changes: Mapping[str, str | int | None]
) -> ServerConfig:
    """The file, if any, with changes on top.

    Args:
        path: of the file, TOML.
        changes: values by their places, ``settings.challenge.mode``; ``None`` changes nothing.

    Raises:
        ConfigError: the file or a change is malformed.
    """
    loaded = load_config(path) if path is not None else ServerConfig()
    values = loaded.model_dump()
    for place, value in changes.items():
        *sections, name = place.split(".")
        if value is not None:
            table = values
            for section in sections:
                table = table.setdefault(section, {})
            table[name] = value
    try:
        merged = ServerConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(describe_mistakes(error, ServerConfig), source="options") from error
    merged.server_profile()
    return merged


def validity_changes(typed: str | None) -> dict[str, int]:
    """Settings of a lifetime, by their places.

    Raises:
        ConfigError: it is none.
    """
    if typed is None:
        return {}
    found = validity_settings(typed, source="--validity")
    return {f"settings.template.{name}": value for name, value in found.items()}


def ra_algorithm(bits: int | None) -> str | None:
    """RSA of this length, as the configuration writes it.

    Raises:
        ConfigError: no key store makes this length.
    """
    if bits is None:
        return None
    known = [kind.value.removeprefix("rsa:") for kind in KeyAlgorithm if kind.is_rsa]
    if str(bits) not in known:
        raise ConfigError(f"{bits} is none of {', '.join(known)}", source="--ra-key-bits")
    return f"rsa:{bits}"


def absolute_uri(uri: str) -> str:
    """A store's URI as later commands can use it, from whichever directory they are called."""
    scheme, _, rest = uri.partition(":")
    if scheme not in {"soft", "tpm", "tpm-stub"} or not rest or rest.startswith(("/", "~", "?")):
        return uri
    return f"{scheme}:{quote(str(Path.cwd()))}/{rest}"


def absolute_reference(reference: str) -> str:
    """A secret's reference, likewise."""
    scheme, _, rest = reference.partition(":")
    if scheme != "file" or not rest:
        return reference
    return f"file:{Path(rest).expanduser().absolute()}"
