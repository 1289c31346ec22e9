"""Finds the DER in a request body: clients send it plain, in base64 or between PEM lines.

Spec: checklist 20.
"""

from __future__ import annotations

import base64
import binascii
import re

_PEM = re.compile(rb"-----BEGIN [A-Z0-9 ]+-----(.*?)-----END [A-Z0-9 ]+-----", re.DOTALL)


def remove_armour(body: bytes) -> bytes:
    """The binary message in a body; the body itself when it is neither base64 nor PEM."""
    if not body.isascii():
        return body
    found = _PEM.search(body)
    text = b"".join((found.group(1) if found else body).split())
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return body
