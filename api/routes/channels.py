"""``/api/v1/channels`` and ``deliveries``: where alerts go, and what became of each message."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import delete, select
from starlette.responses import Response

from api.auth import Admins, Writes
from api.deps import Json, Now, Page, PageQuery, ServicesDep, key_of, page_of
from api.routes.schemas import LARGEST_ID, Body, Id
from api.routes.watches import JobOut
from listener.errors import NotFound
from listener.store import channels, history, jobs, outbox
from listener.store.tables import ChannelRow, JobRow, OutboxRow

router = APIRouter(prefix="/api/v1", tags=["alerts"])

MessageState = Literal["pending", "sent", "dead", "held", "digested", "withdrawn"]


# --- deliveries ----------------------------------------------------------------------------------


class DeliveryOut(BaseModel):
    """One attempt to send a message."""

    id: int
    channel_id: int
    channel: str = Field(description="The channel's name.")
    message_id: str = Field(description="The same for every attempt: receivers can drop repeats.")
    alert_id: int | None
    event: str = Field(examples=["alert.opened"])
    attempt: int = Field(description="1 = the first.")
    at: datetime
    ok: bool
    status_code: int | None = Field(description="The receiver's HTTP status.")
    reason: str = Field(description="Why it failed.")
    duration_ms: int
    state: str = Field(description="The message now: pending, sent, or dead (given up).")


class DeliveryQuery(PageQuery):
    """Which deliveries."""

    channel: int | None = Field(None, ge=1, le=LARGEST_ID, description="Id of a channel.")
    alert: int | None = Field(None, ge=1, le=LARGEST_ID, description="Id of an alert.")


@router.get("/deliveries", response_model=Page[DeliveryOut], operation_id="list_deliveries")
def list_deliveries(services: ServicesDep, query: Annotated[DeliveryQuery, Query()]) -> Response:
    """Attempts to tell of alerts, the latest first."""
    before = key_of(query.cursor, "delivery")
    with services.database.read() as session:
        found = history.deliveries(
            session,
            channel_id=query.channel,
            alert_id=query.alert,
            before_id=before,
            limit=query.limit + 1,
        )
    return page_of(found, limit=query.limit, name="delivery", key=lambda one: one.id)


class MessageOut(BaseModel):
    """A message to one channel, with what came of the latest attempt."""

    id: int
    message_id: str = Field(description="The same for every attempt: receivers can drop repeats.")
    channel_id: int
    channel: str = Field(description="The channel's name.")
    alert_id: int | None
    event: str = Field(examples=["alert.opened"])
    state: MessageState = Field(
        description="pending, sent, dead (given up), held (until people may be told), digested "
        "(told in a digest) or withdrawn (overtaken)."
    )
    attempts: int = Field(description="Since it was made, or sent again.")
    created_at: datetime
    next_try_at: datetime
    last_at: datetime | None = Field(description="When it was tried last.")
    reason: str = Field(description="What came of that.")
    status_code: int | None


class MessageQuery(PageQuery):
    """Which messages."""

    state: MessageState | None = Field(None, description="Such as dead: given up.")
    channel: int | None = Field(None, ge=1, le=LARGEST_ID, description="Id of a channel.")
    alert: int | None = Field(None, ge=1, le=LARGEST_ID, description="Id of an alert.")


class Replayed(BaseModel):
    """How many messages are sent again."""

    messages: int


@router.get("/messages", response_model=Page[MessageOut], operation_id="list_messages")
def list_messages(services: ServicesDep, query: Annotated[MessageQuery, Query()]) -> Response:
    """Messages to channels, the latest first; `state=dead` are those that were given up."""
    with services.database.read() as session:
        found = outbox.listing(
            session,
            state=query.state,
            channel_id=query.channel,
            alert_id=query.alert,
            before_id=key_of(query.cursor, "message"),
            limit=query.limit + 1,
        )
    return page_of(found, limit=query.limit, name="message", key=lambda one: one.id)


@router.post(
    "/messages/{message_id}/retry",
    response_model=Replayed,
    status_code=202,
    operation_id="retry_message",
    dependencies=[Writes],
)
def retry_message(services: ServicesDep, now: Now, message_id: Id) -> Response:
    """Send a message again that was given up, under the same `message_id`. Others stay as they are.

    The address takes the `id` of the list.
    """
    with services.database.write() as work:
        if work.session.get(OutboxRow, message_id) is None:
            raise NotFound(f"There is no message {message_id}.")
        done = outbox.revive(work.session, message_id, now=now)
        work.commit()
    return Json({"messages": int(done)}, 202)


# --- channels ------------------------------------------------------------------------------------


Wants = Literal["alerts", "notices", "both"]
_WANTS = "Alerts of spikes, notices of sources that fail, or both."


class ChannelOut(BaseModel):
    """Where alerts go. The address is stored encrypted and shown without its secrets."""

    id: int
    name: str
    kind: Literal["webhook", "messenger", "apprise"] = Field(
        description="A signed webhook, the webhook of a messenger, or whatever apprise knows."
    )
    address_shown: str
    language: Literal["ko", "en"]
    wants: Wants = Field(description=_WANTS)
    enabled: bool
    created_at: datetime


class ChannelMade(ChannelOut):
    """A new channel, with what is shown this once."""

    address: str = Field(description="As you sent it; it is not shown again.")
    secret: str | None = Field(description="Signs the webhook's messages; it is not shown again.")


class ChannelIn(Body):
    """A new channel."""

    name: str = Field(min_length=1, max_length=100, examples=["ops"])
    address: str = Field(
        min_length=1,
        max_length=2000,
        description="The https address of a webhook (of yours, or one that a messenger gave you), "
        "or an apprise address.",
        examples=["https://hooks.example/listener", "slack://token@workspace/#ops"],
    )
    kind: Literal["webhook", "messenger", "apprise"] | None = Field(
        None, description="Default: by the address."
    )
    language: Literal["ko", "en"] | None = Field(None, description="Default: the install's.")
    wants: Wants = Field("both", description=_WANTS)
    secret: str | None = Field(
        None, max_length=200, description="Signs webhooks (`whsec_…`); made for you if left out."
    )


class ChannelPatch(Body):
    """What to change; fields that are left out stay."""

    enabled: bool | None = None
    language: Literal["ko", "en"] | None = None
    wants: Wants | None = Field(None, description=_WANTS)


@router.get("/channels", response_model=Page[ChannelOut], operation_id="list_channels")
def list_channels(services: ServicesDep, query: Annotated[PageQuery, Query()]) -> Response:
    """Where alerts go, by id."""
    rows = select(ChannelRow).order_by(ChannelRow.id).limit(query.limit + 1)
    after = key_of(query.cursor, "channel")
    if after is not None:
        rows = rows.where(ChannelRow.id > after)
    with services.database.read() as session:
        told = [_channel(row) for row in session.scalars(rows)]
    return page_of(told, limit=query.limit, name="channel", key=lambda one: one["id"])


@router.post(
    "/channels",
    response_model=ChannelMade,
    status_code=201,
    operation_id="create_channel",
    dependencies=[Admins],
)
def create_channel(services: ServicesDep, body: ChannelIn) -> Response:
    """Add a channel. Addresses inside the network are refused unless the install allows them."""
    made = services.wiring.add_channel(
        name=body.name,
        address=body.address,
        kind=body.kind or "",
        language=body.language or "",
        secret=body.secret,
    )
    with services.database.write() as work:
        row = channels.get(work.session, made.id)
        row.wants = body.wants
        work.commit()
        told = _channel(row)
    return Json(told | {"address": body.address, "secret": made.secret}, 201)


@router.patch(
    "/channels/{channel_id}",
    response_model=ChannelOut,
    operation_id="update_channel",
    dependencies=[Admins],
)
def update_channel(services: ServicesDep, channel_id: Id, body: ChannelPatch) -> Response:
    """Switch a channel off or on, or change its language."""
    with services.database.write() as work:
        row = channels.get(work.session, channel_id)
        for name, value in body.model_dump(exclude_unset=True).items():
            if value is not None:
                setattr(row, name, value)
        work.commit()
        return Json(_channel(row))


@router.delete(
    "/channels/{channel_id}",
    status_code=204,
    operation_id="delete_channel",
    dependencies=[Admins],
)
def delete_channel(services: ServicesDep, channel_id: Id) -> Response:
    """Remove a channel with what was to be sent, and was sent, over it."""
    with services.database.write() as work:
        channels.get(work.session, channel_id)
        work.session.execute(delete(ChannelRow).where(ChannelRow.id == channel_id))
        work.commit()
    return Response(status_code=204)


@router.post(
    "/channels/{channel_id}/test",
    response_model=JobOut,
    status_code=202,
    operation_id="test_channel",
    dependencies=[Admins],
)
def test_channel(services: ServicesDep, now: Now, channel_id: Id) -> Response:
    """Send a test message. How it went shows up under `/api/v1/deliveries`."""
    with services.database.write() as work:
        channels.get(work.session, channel_id)
        job_id = jobs.ask(work.session, "test-channel", {"channel_id": channel_id}, now=now)
        work.commit()
        row = work.session.get_one(JobRow, job_id)
        return Json({name: getattr(row, name) for name in JobOut.model_fields}, 202)


@router.post(
    "/channels/{channel_id}/retry",
    response_model=Replayed,
    status_code=202,
    operation_id="retry_channel",
    dependencies=[Writes],
)
def retry_channel(services: ServicesDep, now: Now, channel_id: Id) -> Response:
    """Send all messages of a channel again that were given up; how many there are."""
    with services.database.write() as work:
        channels.get(work.session, channel_id)
        count = outbox.revive_all(work.session, channel_id, now=now)
        work.commit()
    return Json({"messages": count}, 202)


def _channel(row: ChannelRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ChannelOut.model_fields}
