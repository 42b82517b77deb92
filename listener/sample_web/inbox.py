"""The webhook inbox: takes the demo's alerts, checks their signature, and shows them."""

import base64
import binascii
import hashlib
import hmac
import json
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from listener.sample_web.site import Clock, Site

KEEP: Final = 200
LARGEST: Final = 1_000_000
# Standard Webhooks asks receivers to refuse messages further off than this.
TOLERANCE_SECONDS: Final = 300


@dataclass(frozen=True, slots=True)
class Received:
    """One request to the inbox."""

    at: datetime
    id: str
    verified: bool | None
    reason: str
    body: str
    attempt: int

    def as_json(self) -> dict[str, Any]:
        """The message as `/inbox.json` tells it."""
        try:
            payload = json.loads(self.body)
        except ValueError:
            payload = None
        return {
            "received_at": self.at.isoformat(),
            "webhook_id": self.id,
            "attempt": self.attempt,
            "verified": self.verified,
            "reason": self.reason,
            "payload": payload,
            "body": self.body,
        }


@dataclass(slots=True)
class Inbox:
    """Keeps the last messages in memory; with a secret it refuses what is not signed with it."""

    site: Site
    clock: Clock
    secret: str = ""
    messages: deque[Received] = field(default_factory=lambda: deque(maxlen=KEEP))
    _attempts: dict[str, int] = field(default_factory=dict)

    def routes(self) -> list[Route]:
        """The routes of the inbox."""
        return [
            Route("/inbox", self.receive, methods=["POST"]),
            Route("/inbox", self.show, methods=["GET"]),
            Route("/inbox.json", self.listing, methods=["GET"]),
        ]

    async def receive(self, request: Request) -> Response:
        """Take a message: 204, or 401 when a secret is set and the signature is wrong."""
        chunks, size = [], 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > LARGEST:
                return JSONResponse({"error": "too large"}, 413)
            chunks.append(chunk)
        body = b"".join(chunks)
        now = self.clock()
        name = request.headers.get("webhook-id", "")[:200]
        verified: bool | None = None
        reason = ""
        if self.secret:
            reason = check(
                self.secret,
                webhook_id=name,
                timestamp=request.headers.get("webhook-timestamp", ""),
                signature=request.headers.get("webhook-signature", ""),
                body=body,
                now=now,
            )
            verified = not reason
        self._attempts[name] = attempt = self._attempts.get(name, 0) + 1
        while len(self._attempts) > 5 * KEEP:
            del self._attempts[next(iter(self._attempts))]
        text = body.decode("utf-8", "replace")
        self.messages.appendleft(Received(now, name, verified, reason, text, attempt))
        if reason:
            return JSONResponse({"error": reason}, 401)
        return Response(status_code=204)

    async def show(self, request: Request) -> Response:
        """The messages as a page that refreshes itself."""
        rows = [(message, _pretty(message.body)) for message in self.messages]
        return self.site.page("inbox.html", rows=rows, signed=bool(self.secret), keep=KEEP)

    async def listing(self, request: Request) -> Response:
        """The messages as JSON, newest first."""
        return JSONResponse({"items": [message.as_json() for message in self.messages]})


def check(
    secret: str, *, webhook_id: str, timestamp: str, signature: str, body: bytes, now: datetime
) -> str:
    """Why a message is not to be trusted, by the Standard Webhooks rules; empty if it is."""
    if not webhook_id or not timestamp or not signature:
        return "a webhook header is missing"
    if not timestamp.isascii() or not timestamp.isdigit():
        return "the timestamp is not a number"
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        return "the timestamp is too far off"
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    expected = base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest())
    for part in signature.split():
        version, _, value = part.partition(",")
        if version == "v1" and hmac.compare_digest(value.encode(), expected):
            return ""
    return "the signature does not match"


def _key(secret: str) -> bytes:
    """A `whsec_` secret is base64; one that is not valid base64 is taken as it is written."""
    bare = secret.removeprefix("whsec_")
    try:
        return base64.b64decode(bare, validate=True)
    except (binascii.Error, ValueError):
        return secret.encode()


def _pretty(body: str) -> str:
    try:
        return json.dumps(json.loads(body), ensure_ascii=False, indent=2)
    except ValueError:
        return body
