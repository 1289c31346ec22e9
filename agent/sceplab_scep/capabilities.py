"""What a server says it can do (GetCACaps), and the algorithms a client then chooses.

The list is not authenticated, so it may only choose among what the floor allows.

Spec: RFC 8894 §3.5.2, §7.5; checklist 2.7, 16.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sceplab_scep.algorithms import AlgorithmSuite, Cipher, Digest, Floor, lowest_floor
from sceplab_scep.errors import UnsupportedAlgorithmError

if TYPE_CHECKING:
    from collections.abc import Sequence

KEYWORDS = (
    "AES",
    "DES3",
    "GetNextCACert",
    "POSTPKIOperation",
    "Renewal",
    "SCEPStandard",
    "SHA-1",
    "SHA-256",
    "SHA-512",
    # Outside the RFC, seen in the field.
    "SHA-224",
    "SHA-384",
    "Update",
)
"""Keywords with a meaning here, in the spelling that is written."""

MAX_BODY_BYTES = 65_536
"""What follows in a longer GetCACaps body is ignored."""

_MAX_LINES = 256
_BY_FOLDED_NAME = {keyword.casefold(): keyword for keyword in KEYWORDS}


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Answer to GetCACaps. Empty for a server that lists nothing or does not know the operation."""

    keywords: frozenset[str] = frozenset()
    """The known ones, in the spelling of `KEYWORDS`."""
    listed: tuple[str, ...] = ()
    """Lines as received, blank ones left out; for display only."""

    @property
    def scep_standard(self) -> bool:
        """Whether the server claims all that RFC 8894 §2.9 makes mandatory."""
        return "SCEPStandard" in self.keywords

    @property
    def supports_post(self) -> bool:
        """Whether messages go by POST. SCEPStandard implies it."""
        return "POSTPKIOperation" in self.keywords or self.scep_standard

    @property
    def supports_aes(self) -> bool:
        """Whether AES128-CBC is accepted (never more than 128 bits). SCEPStandard implies it."""
        return "AES" in self.keywords or self.scep_standard

    @property
    def supports_des3(self) -> bool:
        """Whether DES-EDE3-CBC is accepted."""
        return "DES3" in self.keywords

    @property
    def supports_sha1(self) -> bool:
        """Whether SHA-1 is listed."""
        return "SHA-1" in self.keywords

    @property
    def supports_sha256(self) -> bool:
        """Whether SHA-256 is accepted. SCEPStandard implies it."""
        return "SHA-256" in self.keywords or self.scep_standard

    @property
    def supports_sha512(self) -> bool:
        """Whether SHA-512 is listed."""
        return "SHA-512" in self.keywords

    @property
    def supports_renewal(self) -> bool:
        """Whether RenewalReq is understood. SCEPStandard implies it."""
        return "Renewal" in self.keywords or self.scep_standard

    @property
    def supports_next_ca(self) -> bool:
        """Whether GetNextCACert has an answer now."""
        return "GetNextCACert" in self.keywords


NO_CAPABILITIES = Capabilities()
"""What an empty body, an HTTP error or a closed connection mean. Spec: checklist C-24."""


def parse_capabilities(body: bytes) -> Capabilities:
    """Reads a GetCACaps body; never fails, whatever the body is.

    Unknown lines are kept for display and otherwise ignored; keywords match whole trimmed lines
    without regard to case; lines end in LF, CRLF or CR.

    Spec: RFC 8894 §3.5.2; checklist C-20 to C-24, T-33.
    """
    text = body[:MAX_BODY_BYTES].decode("utf-8", errors="replace").removeprefix("\ufeff")
    lines = text.replace("\r", "\n").split("\n")
    listed = tuple(line for raw in lines if (line := raw.strip()))[:_MAX_LINES]
    found = (_BY_FOLDED_NAME.get(line.casefold()) for line in listed)
    return Capabilities(frozenset(keyword for keyword in found if keyword), listed)


def format_capabilities(keywords: Sequence[str]) -> bytes:
    """Body of a GetCACaps answer: the keywords in the order given, each line ended by LF.

    Spec: RFC 8894 §3.5.2; checklist S-07, S-08, T-33.
    """
    return "".join(f"{keyword}\n" for keyword in keywords).encode("ascii")


def choose_algorithms(capabilities: Capabilities, floor: Floor) -> AlgorithmSuite:
    """The algorithms to write requests with.

    A server that names no cipher (or no digest) at all gets what every known server takes, 3DES
    (SHA-1), where the floor allows that, and otherwise what the RFC makes mandatory, AES128-CBC
    (SHA-256).

    Raises:
        UnsupportedAlgorithmError: the best the server lists is below the floor.

    Spec: RFC 8894 §3.5.2, §7.5; checklist 16 (C-25, F-01, F-02).
    """
    cipher = _choose_cipher(capabilities, floor)
    digest = _choose_digest(capabilities, floor)
    for algorithm in (cipher, digest):
        if not floor.allows(algorithm):
            raise UnsupportedAlgorithmError(
                algorithm.value,
                floor=floor.value,
                allowed_by=lowest_floor(algorithm).value,
                peer="server",
                offers=capabilities.listed,
            )
    return AlgorithmSuite(digest=digest, cipher=cipher)


def _choose_cipher(capabilities: Capabilities, floor: Floor) -> Cipher:
    if capabilities.supports_aes:
        return Cipher.AES128_CBC
    if capabilities.supports_des3 or floor.allows(Cipher.DES_EDE3_CBC):
        return Cipher.DES_EDE3_CBC
    return Cipher.AES128_CBC


def _choose_digest(capabilities: Capabilities, floor: Floor) -> Digest:
    if capabilities.supports_sha256:
        return Digest.SHA256
    if capabilities.supports_sha512:
        return Digest.SHA512
    if capabilities.supports_sha1 or floor.allows(Digest.SHA1):
        return Digest.SHA1
    return Digest.SHA256
