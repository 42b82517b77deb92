"""``POST /hooks/{id}``: what others send to us is checked, put into the inbox, and acknowledged.

Nothing is read of it here: the runtime maps what lies in the inbox. Who is not known, or does not
sign right, learns no more than that.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from datetime import datetime
from threading import Lock
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from api.deps import Json, Now, Services, ServicesDep
from api.errors import Unauthorized
from api.signatures import Verdict, verify
from listener.errors import NotFound
from listener.store import inbound

router = APIRouter(prefix="/hooks", tags=["inbound"])

_NOBODY = "a secret of no endpoint, so that an unknown one takes as long"
_KEPT = ("content-type", "user-agent", "webhook-id", "webhook-timestamp", "x-github-event")
_PER_MINUTE = 600  # deliveries of one endpoint
_REFUSALS_PER_MINUTE = 60  # of one address

PublicId = Annotated[str, Path(max_length=40, description="The endpoint's public id.")]
Token = Annotated[str, Path(max_length=300, description="The token, for senders without headers.")]


class Accepted(BaseModel):
    """A delivery that is stored for good."""

    delivery_id: str = Field(examples=["in_5f2c…"])
    repeated: bool = Field(description="It was here already, and is stored once.")


class Brake:
    """A token bucket by name, in memory; the oldest names make room."""

    def __init__(self, per_minute: int, names: int = 10_000) -> None:
        self._rate = per_minute / 60
        self._most = float(per_minute)
        self._names = names
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def take(self, name: str) -> float:
        """Seconds to wait; 0 = go on."""
        now = time.monotonic()
        with self._lock:
            left, at = self._left.get(name, (self._most, now))
            left = min(self._most, left + (now - at) * self._rate)
            wait = 0.0 if left >= 1 else (1 - left) / self._rate
            self._left[name] = (left - (0 if wait else 1), now)
            self._left.move_to_end(name)
            while len(self._left) > self._names:
                self._left.popitem(last=False)
        return wait


class Brakes:
    """What one app lets in."""

    def __init__(self) -> None:
        self.deliveries = Brake(_PER_MINUTE)
        self.refusals = Brake(_REFUSALS_PER_MINUTE)


@router.post(
    "/{public_id}",
    response_model=Accepted,
    status_code=202,
    operation_id="receive_hook",
)
async def receive(request: Request, services: ServicesDep, now: Now, public_id: PublicId) -> Json:
    """Take a delivery that is signed as the endpoint wants it. 202 = it is stored for good.

    A repeated delivery (the same `webhook-id`, else the same body) is stored once. 401: the
    signature, its timestamp or the token does not fit. 413: over 1 MB. 429: too many.
    """
    return await _receive(request, services, now, public_id, "")


@router.post(
    "/{public_id}/{token}",
    response_model=Accepted,
    status_code=202,
    operation_id="receive_hook_with_token",
)
async def receive_with_token(
    request: Request, services: ServicesDep, now: Now, public_id: PublicId, token: Token
) -> Json:
    """The same for senders that can neither sign nor send a header."""
    return await _receive(request, services, now, public_id, token)


async def _receive(
    request: Request, services: Services, now: datetime, public_id: str, token: str
) -> Json:
    brakes: Brakes = request.app.state.brakes
    caller = request.client.host if request.client else ""
    body = await request.body()
    headers = {name.lower(): value for name, value in request.headers.items()}
    found, verdict = await run_in_threadpool(_judge, services, public_id, token, headers, body, now)
    if not verdict.ok or found is None:
        # Only those who are refused: behind a proxy all callers may have one address.
        _slow_down(brakes.refusals.take(caller))
        if found is None:
            raise NotFound("There is no such webhook.")
        raise Unauthorized(verdict.why, hint="Check the secret and how the sender signs.")
    _slow_down(brakes.deliveries.take(public_id))
    received = await run_in_threadpool(
        _store, services, found, verdict.delivery, headers, body, now
    )
    return Json(
        {"delivery_id": received.delivery_id, "repeated": received.repeated}, status_code=202
    )


def _judge(
    services: Services,
    public_id: str,
    token: str,
    headers: dict[str, str],
    body: bytes,
    now: datetime,
) -> tuple[int | None, Verdict]:
    with services.database.read() as session:
        row = inbound.by_public_id(session, public_id)
    known = row is not None and row.enabled
    secret = services.secrets.decrypt(
        row.secret if row is not None else services.secrets.encrypt(_NOBODY)
    )
    scheme = row.scheme if row is not None else "standard"
    verdict = verify(scheme, headers=headers, body=body, secret=secret, token=token, now=now)
    return (row.id if row is not None and known else None), verdict


def _store(
    services: Services,
    inbound_id: int,
    delivery: str,
    headers: dict[str, str],
    body: bytes,
    now: datetime,
) -> inbound.Received:
    with services.database.write() as work:
        received = inbound.receive(
            work.session,
            inbound_id,
            dedupe=delivery,
            content_type=headers.get("content-type", "")[:200],
            headers={name: headers[name][:300] for name in _KEPT if name in headers},
            body=body,
            now=now,
        )
        work.commit()
    return received


def _slow_down(wait: float) -> None:
    if wait:
        raise HTTPException(
            429, "Too many deliveries.", headers={"Retry-After": str(int(wait) + 1)}
        )
