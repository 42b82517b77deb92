"""Whether a delivery was sent by whom it says: the schemes by which webhooks are signed.

Pure: headers, body and secret in, a verdict out; ``now`` is a parameter. Comparisons take the same
time whatever is wrong.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from listener.security import equal

TOLERANCE = timedelta(minutes=5)  # Standard Webhooks: how far a timestamp may be off


@dataclass(frozen=True, slots=True)
class Verdict:
    """``delivery`` is what tells repeats apart: an id that the signature covers, else a hash."""

    ok: bool
    delivery: str = ""
    why: str = ""


def verify(
    scheme: str,
    *,
    headers: Mapping[str, str],
    body: bytes,
    secret: str,
    token: str = "",
    now: datetime,
) -> Verdict:
    """Judge a delivery. Header names are lower case; ``token`` is what stands in the path."""
    check = {
        "standard": _standard,
        "typeform": _typeform,
        "github": _github,
        "zendesk": _zendesk,
    }.get(scheme)
    if check is None:
        return _token(headers, body, secret, token)
    return check(headers, body, secret, now)


def body_hash(body: bytes) -> str:
    """What identifies a body without an id."""
    return "sha256:" + hashlib.sha256(body).hexdigest()[:48]


def _standard(headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> Verdict:
    """Standard Webhooks: HMAC-SHA256 of ``id.timestamp.body`` in base64, several versions apart
    by spaces.
    """
    given = headers.get("webhook-id", "")
    stamp = headers.get("webhook-timestamp", "")
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"))
    except binascii.Error:
        key = secret.encode()
    signed = f"{given}.{stamp}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    fits = False
    for one in headers.get("webhook-signature", "").split(" ")[:20]:
        fits = equal(one, wanted) or fits
    if not given or not fits:
        return Verdict(False, why="The signature does not fit.")
    if _is_off(stamp, now):
        return Verdict(False, why="The timestamp is more than 5 minutes off.")
    return Verdict(True, _short("id:", given))


def _typeform(headers: Mapping[str, str], body: bytes, secret: str, _now: datetime) -> Verdict:
    """``Typeform-Signature: sha256=<base64 of HMAC-SHA256 of the body>``."""
    mac = base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()
    return _judged(headers.get("typeform-signature", ""), f"sha256={mac}", body)


def _github(headers: Mapping[str, str], body: bytes, secret: str, _now: datetime) -> Verdict:
    """``X-Hub-Signature-256: sha256=<hex of HMAC-SHA256 of the body>``."""
    mac = hmac.digest(secret.encode(), body, "sha256").hex()
    return _judged(headers.get("x-hub-signature-256", ""), f"sha256={mac}", body)


def _zendesk(headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> Verdict:
    """``X-Zendesk-Webhook-Signature``: base64 of HMAC-SHA256 of timestamp and body."""
    stamp = headers.get("x-zendesk-webhook-signature-timestamp", "")
    mac = base64.b64encode(hmac.digest(secret.encode(), stamp.encode() + body, "sha256")).decode()
    verdict = _judged(headers.get("x-zendesk-webhook-signature", ""), mac, body)
    if verdict.ok and _is_off(stamp, now):
        return Verdict(False, why="The timestamp is more than 5 minutes off.")
    return verdict


def _token(headers: Mapping[str, str], body: bytes, secret: str, token: str) -> Verdict:
    """``Authorization: Bearer …``, ``X-Listener-Token``, or the end of the address."""
    kind, _, bearer = headers.get("authorization", "").partition(" ")
    given = token or headers.get("x-listener-token", "")
    if not given and kind.lower() == "bearer":
        given = bearer.strip()
    if not equal(given, secret):
        return Verdict(False, why="The token does not fit.")
    told = headers.get("webhook-id") or headers.get("idempotency-key")
    return Verdict(True, _short("id:", told) if told else body_hash(body))


def _judged(given: str, wanted: str, body: bytes) -> Verdict:
    if not equal(given, wanted):
        return Verdict(False, why="The signature does not fit.")
    return Verdict(True, body_hash(body))


def _short(prefix: str, told: str) -> str:
    if len(told) <= 60:
        return prefix + told
    return prefix + hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:48]


def _is_off(stamp: str, now: datetime) -> bool:
    try:
        if stamp.isdecimal():
            at = datetime.fromtimestamp(int(stamp[:12]), UTC)
        else:
            at = datetime.fromisoformat(stamp)
            at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    except (ValueError, OverflowError, OSError):
        return True
    return abs(now - at) > TOLERANCE
