"""Signatures of HTTP messages, as the Standard Webhooks specification has them.

HMAC-SHA256 over the message's id, the time and the body as it is sent, in three headers:
``webhook-id``, ``webhook-timestamp``, ``webhook-signature``. There are libraries that verify it for many
languages, and five lines do as well: see docs/actions.md. Specification: https://www.standardwebhooks.com.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

PREFIX = "whsec_"
"""Stands before a secret that is written in base64; any other text is the secret itself."""

TOLERANCE_S = 300.0
"""An older message is not believed: somebody may have kept a copy."""


def key_of(secret: str) -> bytes:
    """Give the key that a secret stands for.

    Raises
    ------
    ValueError
        It says that it is base64, and is not.
    """
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(f"must have base64 behind {PREFIX}, or be any other text") from None


def signature_headers(key: bytes, message_id: str, timestamp_s: float, body: bytes) -> dict[str, str]:
    """Give the headers that sign a message.

    Parameters
    ----------
    key
        Known to both sides alone.
    message_id
        Names the message: the same whenever it is sent again.
    timestamp_s
        Time of day at which it is sent, in seconds since 1970.
    body
        As it is sent, to the byte.
    """
    timestamp = f"{timestamp_s:.0f}"
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": _signature(key, message_id, timestamp, body),
    }


def is_genuine(
    key: bytes, headers: Mapping[str, str], body: bytes, now_s: float, tolerance_s: float = TOLERANCE_S
) -> bool:
    """Say whether a message was signed with a key, and not long ago.

    Parameters
    ----------
    key
        Known to both sides alone.
    headers
        Of the message, in small letters.
    body
        As it came, to the byte.
    now_s
        Time of day, in seconds since 1970.
    tolerance_s
        How far the time in the message may be from it, in seconds.
    """
    timestamp = headers.get("webhook-timestamp", "")
    if not timestamp.isdecimal() or len(timestamp) > 12 or abs(now_s - int(timestamp)) > tolerance_s:
        return False
    expected = _signature(key, headers.get("webhook-id", ""), timestamp, body).encode()
    given = headers.get("webhook-signature", "").encode(errors="replace").split()
    # In constant time: how long it takes must not tell how much of a guess is right.
    return any([hmac.compare_digest(expected, one) for one in given])  # noqa: C419 - all of them, always


def _signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
