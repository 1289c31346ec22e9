"""The settings of a server profile as a model: which names exist and which values they take.

No default stands here; every value comes from ``data/profiles.toml`` and may be changed by the
server's configuration file.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from sceplab_scep.algorithms import Floor


class Section(BaseModel):
    """A group of settings; unknown names are refused and values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CapabilitySettings(Section):
    """GetCACaps."""

    keywords: tuple[str, ...]
    trim_to_floor: bool
    line_ending: Literal["lf", "crlf"]
    final_newline: bool
    content_type: str
    next_ca: bool
    """Whether GetNextCACert is served and announced while there is a next CA."""
    next_ca_issues: bool
    """Whether requests enveloped for the next CA are answered before the switch, too."""


class CaReplySettings(Section):
    """GetCACert."""

    order: Literal["sign,enc,chain", "enc,sign,chain", "ra,root,ra,issuing", "random", "der-sorted"]
    include_root: bool


class RoleSettings(Section):
    """What is made with a new CA."""

    ra: Literal["split", "none"]
    ra_lifetime_days: int = Field(gt=0)
    ca_lifetime_days: int = Field(gt=0)


class ReplySettings(Section):
    """How a CertRep is written."""

    digest: Literal["as-request", "sha1", "sha256", "sha512"]
    cipher: Literal["as-request", "des-ede3-cbc", "aes-128-cbc", "aes-256-cbc"]
    key_transport: Literal["as-request", "pkcs1v15", "oaep"]
    signature_oid: Literal["rsaEncryption", "shaNWithRSA"]
    empty_content: Literal["omit", "empty", "zero"]
    include_certificates: bool
    include_chain: bool
    sorted_certificates: bool
    fail_info_text: bool
    hresult: bool
    server_message: str


class ChallengeSettings(Section):
    """Challenge passwords."""

    mode: Literal["one-time", "static", "none"]
    length_bytes: int = Field(ge=1, le=64)
    validity_minutes: int = Field(gt=0)
    cache_size: int = Field(gt=0)
    consume: Literal["on_check", "on_issue"]
    persist: bool
    string_types: Literal["any", "printable"]
    ignore_case: bool


class AdminPageSettings(Section):
    """The page that hands out passwords."""

    authentication: Literal["basic", "none"]
    bom: bool
    thumbprint_of: Literal["issuing", "root"]
    permission_check: bool


class TransactionSettings(Section):
    """Which messages are served and what is remembered of them."""

    message_types: tuple[Literal["PKCSReq", "RenewalReq", "CertPoll"], ...]
    answer_cache_minutes: int = Field(ge=0)
    pending_days: int = Field(gt=0)
    other_csr: Literal["refuse", "replace"]
    known_key: Literal["redeliver", "reissue", "refuse"]
    max_id_length: int = Field(gt=0)
    max_skew_minutes: int = Field(ge=0)


class RenewalSettings(Section):
    """What a renewal has to satisfy."""

    challenge: Literal["optional", "required"]
    same_subject: bool
    san: Literal["same", "not-wider", "any"]
    same_key: Literal["issue", "existing", "refuse"]
    window_days: int = Field(ge=0)
    expired_days: int = Field(ge=0)


class TemplateSettings(Section):
    """The certificate template requests are issued from."""

    name: str = Field(min_length=1, max_length=60)
    validity_days: int = Field(gt=0, le=36500)
    validity_minutes: int = Field(ge=0, le=36500 * 1440)
    """Instead of the days; 0: the days count."""
    minimum_rsa_bits: int = Field(ge=512)
    allow_ec: bool
    approval: Literal["auto", "manual"]
    renewal_approval: Literal["auto", "manual"]
    extended_key_usages: tuple[str, ...]
    key_usages: tuple[Literal["digitalSignature", "nonRepudiation", "keyEncipherment"], ...]
    requested_ca: Literal["refuse", "ignore"]
    basic_constraints: bool
    template_extension: bool
    serial_layout: Literal["random", "adcs"]


class RevocationSettings(Section):
    """The certificate revocation list."""

    crl_days: int = Field(gt=0)
    crl_overlap_hours: int = Field(ge=0)


class HttpSettings(Section):
    """What stands around the messages."""

    server_header: str
    paths: tuple[str, ...]
    admin_paths: tuple[str, ...]
    any_path: bool
    require_message: bool
    malformed_status: int = Field(ge=200, le=599)
    malformed_body: Literal["text", "general-page"]
    wrong_recipient: Literal["cert-rep", "error-page"]
    wrong_recipient_status: int = Field(ge=200, le=599)
    max_body_bytes: int = Field(gt=0)


class ServerProfile(Section):
    """Everything a server does that others do differently."""

    name: str
    description: str
    floor: Floor
    capabilities: CapabilitySettings
    ca_reply: CaReplySettings
    roles: RoleSettings
    reply: ReplySettings
    challenge: ChallengeSettings
    admin_page: AdminPageSettings
    transactions: TransactionSettings
    renewal: RenewalSettings
    template: TemplateSettings
    revocation: RevocationSettings
    http: HttpSettings
