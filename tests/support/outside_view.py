"""Our messages as another ASN.1 library sees them."""

from __future__ import annotations

from dataclasses import dataclass

from asn1crypto import cms, core

SCEP = "2.16.840.1.113733.1.9."
MESSAGE_TYPE = SCEP + "2"
PKI_STATUS = SCEP + "3"
FAIL_INFO = SCEP + "4"
SENDER_NONCE = SCEP + "5"
RECIPIENT_NONCE = SCEP + "6"
TRANSACTION_ID = SCEP + "7"
FAIL_INFO_TEXT = "1.3.6.1.5.5.7.24.1"
CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
SIGNING_TIME = "1.2.840.113549.1.9.5"


@dataclass(frozen=True)
class OutsideView:
    """A pkiMessage, decoded strictly by asn1crypto."""

    signed_data: cms.SignedData
    signer_info: cms.SignerInfo

    @property
    def attributes(self) -> dict[str, core.Asn1Value]:
        """The one value of each signed attribute, by OID."""
        values = {}
        for attribute in self.signer_info["signed_attrs"]:
            (value,) = attribute["values"]
            oid = attribute["type"].dotted
            assert oid not in values
            values[oid] = value.parse() if isinstance(value, core.Any) else value
        return values

    @property
    def attribute_encodings(self) -> list[bytes]:
        """Every signed attribute, DER, in the order of the wire."""
        return [attribute.dump() for attribute in self.signer_info["signed_attrs"]]

    @property
    def content(self) -> bytes | None:
        """eContent, None when absent."""
        return self.signed_data["encap_content_info"]["content"].native

    @property
    def envelope(self) -> cms.EnvelopedData:
        """What eContent holds."""
        content = cms.ContentInfo.load(self.content, strict=True)
        assert content["content_type"].native == "enveloped_data"
        return content["content"]


def look_at(message: bytes) -> OutsideView:
    """Decodes a message; it has to be one SignedData with one signer and nothing behind it."""
    outer = cms.ContentInfo.load(message, strict=True)
    assert outer["content_type"].native == "signed_data"
    assert outer.dump(force=True) == message
    signed_data = outer["content"]
    (signer_info,) = signed_data["signer_infos"]
    return OutsideView(signed_data, signer_info)
