"""The server's configuration file (TOML): its shape and how mistakes in it are told.

Secrets stand in it as references only: ``env:NAME``, ``file:PATH`` or ``prompt:``.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sceplab_hsm.api import KeyAlgorithm
from sceplab_ndes.errors import ConfigError
from sceplab_ndes.profiles import DEFAULT_PROFILE, check_floor, load_profile
from sceplab_ndes.settings import ServerProfile
from sceplab_ndes.validation import describe_mistakes
from sceplab_scep.algorithms import Floor

_SCHEMES = ("env:", "file:", "prompt:")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class UserConfig(_Table):
    """Somebody who may log on to the admin page."""

    name: str = Field(min_length=1)
    password: str
    """Reference to the password."""
    may_enroll: bool = True

    @field_validator("password")
    @classmethod
    def _is_reference(cls, value: str) -> str:
        return _check_reference(value)


class CaConfig(_Table):
    """Names of a new CA; a state that exists keeps its own."""

    common_name: str = "sceplab Lab CA"
    organization: str = "sceplab"
    host: str = "NDES"
    two_tier: bool = False
    algorithm: KeyAlgorithm = KeyAlgorithm.RSA_2048
    ra_algorithm: KeyAlgorithm | None = None
    """Of both RA keys; ``None`` as the CA's. A state that has others is refused."""

    @field_validator("algorithm", "ra_algorithm")
    @classmethod
    def _is_rsa(cls, value: KeyAlgorithm | None) -> KeyAlgorithm | None:
        if value is not None and not value.is_rsa:
            raise ValueError("SCEP needs RSA keys on the server: rsa:2048, rsa:3072 or rsa:4096")
        return value


class KeyStoreConfig(_Table):
    """Where the private keys of CA and RA are; empty for the store in the state folder."""

    uri: str = ""
    passphrase: str = ""
    """Reference to its passphrase or PIN; empty for the folder's own, else it is asked for."""

    @field_validator("uri")
    @classmethod
    def _holds_no_pin(cls, value: str) -> str:
        if "pin-value=" in value:
            raise ValueError("leave pin-value out; the PIN is given by reference, in 'passphrase'")
        return value

    @field_validator("passphrase")
    @classmethod
    def _is_reference(cls, value: str) -> str:
        return _check_reference(value) if value else value


class ServerConfig(_Table):
    """A whole configuration."""

    profile: str = DEFAULT_PROFILE
    floor: Floor | None = None
    """``None`` takes the profile's."""
    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535)
    public_url: str = ""
    """Base of the URLs in certificates; empty for the address that is listened on."""
    static_password: str = ""
    """Reference to the challenge of mode ``static``."""
    users: tuple[UserConfig, ...] = ()
    ca: CaConfig = CaConfig()
    keys: KeyStoreConfig = KeyStoreConfig()
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the profile to change, by section."""

    @field_validator("static_password")
    @classmethod
    def _is_reference(cls, value: str) -> str:
        return _check_reference(value) if value else value

    def server_profile(self) -> ServerProfile:
        """The profile with this configuration's settings.

        Raises:
            ConfigError: unknown profile or setting, an impossible value, or a floor at which the
                profile cannot work.
        """
        profile = load_profile(self.profile, self.settings)
        check_floor(profile, self.floor or profile.floor)
        return profile


def load_config(path: Path) -> ServerConfig:
    """Reads a configuration file.

    Raises:
        ConfigError: all mistakes at once, each with its place and the closest known key.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", source=str(path)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"is no TOML: {error}", source=str(path)) from error
    try:
        config = ServerConfig.model_validate(tables)
    except ValidationError as error:
        raise ConfigError(describe_mistakes(error, ServerConfig), source=str(path)) from error
    try:
        config.server_profile()
    except ConfigError as error:
        raise ConfigError(str(error), source=str(path)) from error
    return config


def _check_reference(value: str) -> str:
    if not value.startswith(_SCHEMES):
        raise ValueError("a secret is given by reference: env:NAME, file:PATH or prompt:")
    return value
