"""Bodies of GetCACaps and GetCACert.

Spec: RFC 8894 §3.5, §4.2; NDES 3, 4 (C3 to C5); checklist S-02, S-07, S-09, S-43.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from cryptography import x509

from sceplab_ndes.hierarchy import Hierarchy
from sceplab_ndes.settings import CapabilitySettings, CaReplySettings
from sceplab_scep.algorithms import Cipher, Digest, Floor
from sceplab_scep.degenerate import build_certs_only
from sceplab_scep.operations import CA_BUNDLE_TYPE, CA_CERTIFICATE_TYPE
from sceplab_scep.x509fields import certificate_der

_NEXT_CA = "GetNextCACert"
_NEEDS: dict[str, Digest | Cipher] = {"SHA-1": Digest.SHA1, "DES3": Cipher.DES_EDE3_CBC}


def capabilities_body(
    settings: CapabilitySettings, floor: Floor, *, has_next_ca: bool = False
) -> bytes:
    """The keyword lines of this server.

    Args:
        settings: which keywords, in which order, with which line ends.
        floor: what it refuses is left out where the settings say so.
        has_next_ca: whether GetNextCACert has an answer now (S-43).
    """
    keywords = [
        keyword
        for keyword in settings.keywords
        if not settings.trim_to_floor or keyword not in _NEEDS or floor.allows(_NEEDS[keyword])
    ]
    if has_next_ca and settings.next_ca:
        keywords.append(_NEXT_CA)
    line_end = "\r\n" if settings.line_ending == "crlf" else "\n"
    text = line_end.join(keywords)
    if keywords and settings.final_newline:
        text += line_end
    return text.encode("ascii")


class CaReply:
    """Answers GetCACert.

    Args:
        hierarchy: the certificates of the current CA.
        settings: order, and whether the root is in.
        random_bytes: seeds the order ``random``.
        earlier: CAs that were current before; they follow, for devices that pinned them.
    """

    def __init__(
        self,
        hierarchy: Hierarchy,
        settings: CaReplySettings,
        *,
        random_bytes: Callable[[int], bytes],
        earlier: Sequence[Hierarchy] = (),
    ) -> None:
        self.certificates = [
            certificate
            for one in (hierarchy, *earlier)
            for certificate in order_certificates(one, settings)
        ]
        self._random_bytes = random_bytes if settings.order == "random" else None
        # RFC 8894 §4.2.1: a CA that answers for itself and has nobody above it sends itself bare
        is_single = len(self.certificates) == 1 and not hierarchy.has_ra
        self.content_type = CA_CERTIFICATE_TYPE if is_single else CA_BUNDLE_TYPE
        self._body = (
            certificate_der(self.certificates[0])
            if is_single
            else build_certs_only(self.certificates, sorted_set=settings.order == "der-sorted")
        )

    def body(self) -> bytes:
        """The body; the same bytes every time unless the order is ``random``."""
        if self._random_bytes is None:
            return self._body
        shuffled = list(self.certificates)
        random.Random(self._random_bytes(16)).shuffle(shuffled)  # noqa: S311 - no secret
        return build_certs_only(shuffled)


def order_certificates(hierarchy: Hierarchy, settings: CaReplySettings) -> list[x509.Certificate]:
    """The certificates of the bundle in the order of the settings."""
    chain = list(hierarchy.chain)
    root = chain[-1]
    if not settings.include_root and len(chain) > 1:
        chain.pop()
    if not hierarchy.has_ra:
        return chain
    signing = hierarchy.ra_signing.certificate
    encryption = hierarchy.ra_encryption.certificate
    if settings.order == "enc,sign,chain":
        return [encryption, signing, *chain]
    if settings.order == "ra,root,ra,issuing":
        below = [certificate for certificate in chain if certificate is not root]
        top = [certificate for certificate in chain if certificate is root]
        return [encryption, *top, signing, *below]
    return [signing, encryption, *chain]
