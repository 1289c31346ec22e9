"""The shape of a rack file. A text has to be one: what YAML took for something else is refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator

from sceplab_lab.login_secrets import SCHEMES

FloorName = Literal["modern", "ndes", "lab"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _check_reference(value: str) -> str:
    if not value.startswith(SCHEMES):
        raise ValueError("a secret is given by reference: env:NAME, file:PATH or prompt:")
    return value


class DeviceSettings(_Table):
    """What can be said of one device, of several, or of all by default."""

    profile: str = ""
    lines: list[str] = Field(default_factory=list)
    """Endpoints; fixed ports are counted up over the devices of a range."""
    options: dict[str, str | int | bool] = Field(default_factory=dict)
    """Settings of the profile."""
    users: dict[str, str] = Field(default_factory=dict)
    """Login name to the reference of its password."""
    enable_secret: str = ""
    """Reference."""
    keys: str = ""
    """URI of the key store; ``{name}`` and ``{n}`` stand for the device."""
    keys_secret: str = ""
    """Reference."""
    server: str | None = None
    """Enrollment URL; ``None``: the rack's; empty: none."""
    floor: FloorName = "ndes"

    @field_validator("enable_secret", "keys_secret")
    @classmethod
    def _is_reference(cls, value: str) -> str:
        return _check_reference(value) if value else value

    @field_validator("users")
    @classmethod
    def _are_references(cls, value: dict[str, str]) -> dict[str, str]:
        for reference in value.values():
            _check_reference(reference)
        return value

    @field_validator("keys")
    @classmethod
    def _holds_no_pin(cls, value: str) -> str:
        if "pin-value=" in value:
            raise ValueError("leave pin-value out; the PIN is given by reference, in keys_secret")
        return value


class DeviceEntry(DeviceSettings):
    """One entry of ``devices``: a device, or a range of them."""

    name: str = Field(min_length=1)
    """``r1``, or a range: ``r{1..20}``, ``r{01..20}``."""
    count: int | None = Field(default=None, ge=1, le=100_000)
    """So many devices: the name with 1, 2, … behind it."""
    hostname: str = ""
    """Empty: the name."""


class ServerSettings(_Table):
    """A server that the rack starts itself."""

    profile: str = "compat"
    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535)
    approval: Literal["auto", "manual"] | None = None
    challenge: Literal["one-time", "static", "none"] | None = None
    floor: FloorName | None = None
    validity: str = ""
    """Lifetime of new certificates: ``10m``, ``36h``, ``30d``; empty: the profile's."""
    config: str = ""
    """Configuration file (TOML) of the server, beside the rack file; the keys above win."""


def _kind_of_server(value: Any) -> str:
    return "table" if isinstance(value, dict | ServerSettings) else "url"


class RackFile(_Table):
    """The whole file."""

    state: str = ""
    """Folder, beside the rack file, with a folder for each device; empty: a temporary one."""
    server: Annotated[
        Annotated[str, Tag("url")] | Annotated[ServerSettings, Tag("table")],
        Discriminator(_kind_of_server),
    ] = ""
    """Enrollment URL, or a server to start; empty: none."""
    defaults: DeviceSettings = DeviceSettings()
    devices: list[DeviceEntry] = Field(min_length=1)
