"""How a trustpoint gets its certificates: what its ``enrollment …`` lines come to."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sceplab_devices.profiles.cisco_ios.router import Router
    from sceplab_devices.profiles.cisco_ios.trustpoint import Trustpoint


class EnrollmentMethod(Enum):
    """Where requests go."""

    NONE = ""
    SCEP = "url"
    TERMINAL = "terminal"
    """The operator carries request and certificates."""
    SELF_SIGNED = "selfsigned"
    IMPORTED = "pkcs12"
    """Key and certificates came in a file; nothing can be requested."""


def enrollment_url(router: Router, trustpoint: Trustpoint) -> str:
    """URL of the SCEP server, the trustpoint's own or its enrollment profile's; else empty."""
    return trustpoint.url or _profile_value(router, trustpoint, "url")


def enrollment_method(router: Router, trustpoint: Trustpoint) -> EnrollmentMethod:
    """The method that counts: the trustpoint's own line before that of its profile."""
    line = trustpoint.line("enrollment url")
    for method in (
        EnrollmentMethod.TERMINAL, EnrollmentMethod.SELF_SIGNED, EnrollmentMethod.IMPORTED
    ):  # fmt: skip
        if line.startswith(f"enrollment {method.value}"):
            return method
    if enrollment_url(router, trustpoint):
        return EnrollmentMethod.SCEP
    if "enrollment terminal" in _profile_lines(router, trustpoint):
        return EnrollmentMethod.TERMINAL
    return EnrollmentMethod.NONE


def wants_armor(trustpoint: Trustpoint) -> bool:
    """``enrollment terminal pem``: a request is shown between its BEGIN and END lines."""
    return trustpoint.line("enrollment url").endswith(" pem")


def _profile_lines(router: Router, trustpoint: Trustpoint) -> list[str]:
    name = trustpoint.value("enrollment profile", "profile")
    blocks = router.config.blocks.get("pki-profile", {})
    block = blocks.get(f"crypto pki profile enrollment {name}") if name else None
    return list(block.lines.values()) if block else []


def _profile_value(router: Router, trustpoint: Trustpoint, keyword: str) -> str:
    """What follows ``enrollment KEYWORD`` in the profile, else ``authentication KEYWORD``."""
    lines = _profile_lines(router, trustpoint)
    for step in ("enrollment", "authentication"):
        for line in lines:
            words = line.split()
            if words[:2] == [step, keyword] and len(words) > 2:  # noqa: PLR2004 - step, keyword
                return words[2]
    return ""
