"""SCEP's signed attributes: values to attributes and back.

    messageType, pkiStatus, failInfo, transactionID   PrintableString
    senderNonce, recipientNonce                       OCTET STRING
    failInfoText, NDES server message                 UTF8String
    NDES error                                        PrintableString, signed decimal

Spec: RFC 8894 §3.2.1; checklist 2.2, 5, 9, 10; NDES 5.3.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.asn1 import (
    TLV,
    GeneralizedTime,
    PrintableString,
    UTCTime,
)

from sceplab_scep import oids
from sceplab_scep.attributes import FailInfo, MessageType, PkiStatus
from sceplab_scep.cms import Attribute, SignedValue, make_attribute, to_tlv
from sceplab_scep.errors import LocalProtocolError, RemoteProtocolError
from sceplab_scep.messages import CertRep, Request
from sceplab_scep.strings import (
    decode_string,
    encode_printable,
    is_printable_string,
)

MAX_TRANSACTION_ID = 255
MAX_NONCE_BYTES = 64
"""Old IOS sends 8 bytes, some servers 32. Spec: checklist 10."""

_PRINTABLE_STRING = b"\x13"
_FIRST_GENERALIZED_YEAR = 2050
_HRESULTS = range(-(1 << 31), 1 << 32)
_MAX_HRESULT_DIGITS = 10

Number = TypeVar("Number", bound=enum.IntEnum)

SignedValues = Mapping[x509.ObjectIdentifier, SignedValue]
"""Value of each signed attribute by its type."""


_MESSAGE_TYPES = {str(int(number)): number for number in MessageType}
_PKI_STATUSES = {str(int(number)): number for number in PkiStatus}
_FAIL_INFOS = {str(int(number)): number for number in FailInfo}


def _written(
    attribute_type: x509.ObjectIdentifier, read: Mapping[str, Number]
) -> dict[Number, Attribute]:
    return {
        number: make_attribute(attribute_type, PrintableString(text))
        for text, number in read.items()
    }


_WRITTEN_MESSAGE_TYPES = _written(oids.MESSAGE_TYPE, _MESSAGE_TYPES)
_WRITTEN_PKI_STATUSES = _written(oids.PKI_STATUS, _PKI_STATUSES)
_WRITTEN_FAIL_INFOS = _written(oids.FAIL_INFO, _FAIL_INFOS)


@dataclass(slots=True, kw_only=True)
class ScepAttributes:
    """Values of the signed attributes, typed. What is absent is ``None`` or empty."""

    message_type: MessageType
    transaction_id: str
    sender_nonce: bytes | None = None
    recipient_nonce: bytes | None = None
    status: PkiStatus | None = None
    fail_info: FailInfo | None = None
    fail_info_text: str = ""
    hresult: int | None = None
    server_message: str = ""
    signing_time: datetime | None = None
    """UTC; ``None`` when absent or unreadable."""
    deviations: tuple[str, ...] = ()


def request_attributes(message: Request, now: datetime | None) -> list[Attribute]:
    """Attributes of a request.

    Args:
        message: the request.
        now: written as signingTime, timezone-aware UTC; ``None`` leaves it out.

    Raises:
        LocalProtocolError: transactionID or senderNonce are not what the RFC asks for.

    Spec: RFC 8894 §3.2.1; checklist C-15, C-16.
    """
    transaction_id = message.transaction_id
    if not 0 < len(transaction_id) <= MAX_TRANSACTION_ID or not is_printable_string(transaction_id):
        raise LocalProtocolError("a transactionID is 1 to 255 characters of PrintableString")
    if not 0 < len(message.sender_nonce) <= MAX_NONCE_BYTES:
        raise LocalProtocolError(f"a senderNonce has 1 to {MAX_NONCE_BYTES} bytes")
    attributes = [
        _WRITTEN_MESSAGE_TYPES[message.message_type],
        make_attribute(oids.TRANSACTION_ID, encode_printable(transaction_id)),
        make_attribute(oids.SENDER_NONCE, message.sender_nonce),
    ]
    if now is not None:
        moment = now.astimezone(UTC).replace(microsecond=0)
        short = moment.year < _FIRST_GENERALIZED_YEAR
        time = UTCTime(moment) if short else GeneralizedTime(moment)
        attributes.append(make_attribute(oids.SIGNING_TIME, time))
    return attributes


def reply_attributes(rep: CertRep) -> list[Attribute]:
    """Attributes of a CertRep; transactionID and recipientNonce are echoed byte for byte.

    Raises:
        LocalProtocolError: failInfo without FAILURE, or FAILURE without failInfo.

    Spec: RFC 8894 §3.3.2; checklist S-11, S-12.
    """
    if (rep.status is PkiStatus.FAILURE) != (rep.fail_info is not None):
        raise LocalProtocolError("a CertRep has a failInfo exactly when it is a FAILURE")
    attributes = [
        _WRITTEN_MESSAGE_TYPES[rep.message_type],
        _WRITTEN_PKI_STATUSES[rep.status],
        make_attribute(oids.TRANSACTION_ID, encode_printable(rep.transaction_id)),
        make_attribute(oids.RECIPIENT_NONCE, rep.recipient_nonce),
    ]
    if rep.sender_nonce is not None:
        attributes.append(make_attribute(oids.SENDER_NONCE, rep.sender_nonce))
    if rep.fail_info is not None:
        attributes.append(_WRITTEN_FAIL_INFOS[rep.fail_info])
    if rep.fail_info_text:
        attributes.append(make_attribute(oids.FAIL_INFO_TEXT, rep.fail_info_text))
    if rep.hresult is not None:
        attributes.append(make_attribute(oids.NDES_ERROR, PrintableString(str(rep.hresult))))
    if rep.server_message:
        attributes.append(make_attribute(oids.NDES_MESSAGE, rep.server_message))
    return attributes


def read_scep_attributes(values: SignedValues) -> ScepAttributes:
    """Types the attributes of a message.

    Raises:
        RemoteProtocolError: a mandatory attribute is missing, of the wrong type, or undefined.

    Spec: RFC 8894 §3.2.1; checklist C-18, 5.
    """
    deviations: list[str] = []
    message_type = _read_number(values, oids.MESSAGE_TYPE, _MESSAGE_TYPES, "RFC 8894 §3.2.1.2")
    if message_type is None:
        raise _missing(oids.MESSAGE_TYPE, "RFC 8894 §3.2.1.2")
    status = _read_number(values, oids.PKI_STATUS, _PKI_STATUSES, "RFC 8894 §3.2.1.3")
    fail_info = _read_number(values, oids.FAIL_INFO, _FAIL_INFOS, "RFC 8894 §3.2.1.4")
    if message_type is MessageType.CERT_REP:
        if status is None:
            raise _missing(oids.PKI_STATUS, "RFC 8894 §3.2.1.3")
        if status is PkiStatus.FAILURE and fail_info is None:
            raise _missing(oids.FAIL_INFO, "RFC 8894 §3.2.1.4")
        if status is not PkiStatus.FAILURE and fail_info is not None:
            deviations.append("failInfo although nothing failed")
            fail_info = None
    return ScepAttributes(
        message_type=message_type,
        transaction_id=read_transaction_id(values, deviations),
        sender_nonce=read_nonce(values, oids.SENDER_NONCE),
        recipient_nonce=read_nonce(values, oids.RECIPIENT_NONCE),
        status=status,
        fail_info=fail_info,
        fail_info_text=_read_text(values, oids.FAIL_INFO_TEXT, deviations),
        hresult=_read_hresult(values, deviations),
        server_message=_read_text(values, oids.NDES_MESSAGE, deviations),
        signing_time=_read_time(values, deviations),
        deviations=tuple(deviations),
    )


def read_transaction_id(values: SignedValues, deviations: list[str]) -> str:
    """The transactionID.

    Args:
        values: signed attributes.
        deviations: gets a line when characters stand in it that PrintableString does not have.

    Raises:
        RemoteProtocolError: missing, empty, too long, or no PrintableString.

    Spec: RFC 8894 §3.2.1.1; checklist 9.
    """
    section = "RFC 8894 §3.2.1.1"
    text = _read_printable(values, oids.TRANSACTION_ID, section)
    if text is None:
        raise _missing(oids.TRANSACTION_ID, section)
    if not 0 < len(text) <= MAX_TRANSACTION_ID or not text.isprintable():
        raise RemoteProtocolError(
            f"a transactionID has 1 to {MAX_TRANSACTION_ID} visible characters",
            section=section,
            attribute="transactionID",
        )
    if not is_printable_string(text):
        deviations.append("transactionID has characters that PrintableString does not have")
    return text


def read_nonce(values: SignedValues, attribute_type: x509.ObjectIdentifier) -> bytes | None:
    """A nonce, ``None`` when absent.

    Raises:
        RemoteProtocolError: no OCTET STRING, empty or too long.

    Spec: RFC 8894 §3.2.1.5; checklist 10.
    """
    nonce = values.get(attribute_type)
    if nonce is None:
        return None
    if not isinstance(nonce, bytes) or not 0 < len(nonce) <= MAX_NONCE_BYTES:
        name = oids.ATTRIBUTE_NAMES[attribute_type]
        raise RemoteProtocolError(
            f"{name} is no OCTET STRING of 1 to {MAX_NONCE_BYTES} bytes",
            section="RFC 8894 §3.2.1.5",
            attribute=name,
        )
    return nonce


def _missing(attribute_type: x509.ObjectIdentifier, section: str) -> RemoteProtocolError:
    name = oids.ATTRIBUTE_NAMES[attribute_type]
    return RemoteProtocolError(
        f"signed attribute {name} is missing", section=section, attribute=name
    )


def _read_printable(
    values: SignedValues, attribute_type: x509.ObjectIdentifier, section: str
) -> str | None:
    value = values.get(attribute_type)
    if value is None:
        return None
    if isinstance(value, PrintableString):
        return value.as_str()
    if isinstance(value, TLV) and value.tag_bytes == _PRINTABLE_STRING:
        # Characters that do not belong there; who needs them strictly looks again.
        try:
            return decode_string(value)[0]
        except ValueError:
            pass
    name = oids.ATTRIBUTE_NAMES[attribute_type]
    raise RemoteProtocolError(f"{name} is no PrintableString", section=section, attribute=name)


def _read_number(
    values: SignedValues,
    attribute_type: x509.ObjectIdentifier,
    numbers: Mapping[str, Number],
    section: str,
) -> Number | None:
    text = _read_printable(values, attribute_type, section)
    if text is None:
        return None
    try:
        return numbers[text]
    except KeyError:
        name = oids.ATTRIBUTE_NAMES[attribute_type]
        raise RemoteProtocolError(
            f"{name} {text[:20]!r} is not defined", section=section, attribute=name
        ) from None


def _read_text(
    values: SignedValues, attribute_type: x509.ObjectIdentifier, deviations: list[str]
) -> str:
    """Text for people; what cannot be read is reported and left out."""
    value = values.get(attribute_type)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, PrintableString):
        return value.as_str()
    try:
        return decode_string(to_tlv(value))[0]
    except ValueError:
        deviations.append(f"{oids.ATTRIBUTE_NAMES[attribute_type]} is unreadable")
        return ""


def _read_hresult(values: SignedValues, deviations: list[str]) -> int | None:
    """NDES' error number, as a signed 32-bit value."""
    text = _read_text(values, oids.NDES_ERROR, deviations)
    if not text:
        return None
    digits = text.removeprefix("-")
    is_decimal = digits.isascii() and digits.isdigit() and len(digits) <= _MAX_HRESULT_DIGITS
    number = int(text) if is_decimal else None
    if number is None or number not in _HRESULTS:
        deviations.append("NDES error is no 32-bit number")
        return None
    return number - (1 << 32) if number >= 1 << 31 else number


def _read_time(values: SignedValues, deviations: list[str]) -> datetime | None:
    value = values.get(oids.SIGNING_TIME)
    if value is None:
        return None
    if isinstance(value, UTCTime | GeneralizedTime):
        return value.as_datetime()
    deviations.append("signingTime is unreadable")
    return None
