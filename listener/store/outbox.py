"""The outbox: messages written in the transaction of their cause, and each attempt to send them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from listener.store.tables import ChannelRow, DeliveryRow, OutboxRow
from listener.store.upsert import insert_ignore


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message in the hands of one sender; ``token`` fences what it writes."""

    id: int
    message_id: str
    channel_id: int
    alert_id: int | None
    event: str
    refs: Mapping[str, Any]
    created_at: datetime
    attempt: int  # 1 = first
    token: str
    notice_id: int | None = None


def put(
    session: Session,
    *,
    channel_id: int,
    alert_id: int | None,
    event: str,
    event_key: str = "",
    refs: Mapping[str, Any],
    now: datetime,
    notice_id: int | None = None,
) -> None:
    """Queue a message for a channel; the same event of the same alert or notice is queued once."""
    insert_ignore(
        session,
        OutboxRow,
        [
            {
                "message_id": f"msg_{secrets.token_hex(12)}",
                "channel_id": channel_id,
                "alert_id": alert_id,
                "notice_id": notice_id,
                "event": event,
                "event_key": event_key,
                "refs": dict(refs),
                "created_at": now,
                "state": "pending",
                "attempts": 0,
                "next_try_at": now,
            }
        ],
    )


def put_for_all(
    session: Session,
    *,
    alert_id: int,
    event: str,
    event_key: str = "",
    refs: Mapping[str, Any],
    now: datetime,
) -> int:
    """Queue a message for every enabled channel that wants alerts; returns how many there are."""
    channels = _wanting(session, "alerts")
    for channel_id in channels:
        put(
            session,
            channel_id=channel_id,
            alert_id=alert_id,
            event=event,
            event_key=event_key,
            refs=refs,
            now=now,
        )
    return len(channels)


def put_notice(
    session: Session, *, notice_id: int, event: str, event_key: str, now: datetime
) -> int:
    """Queue a notice's message for every enabled channel that wants notices; returns how many."""
    channels = _wanting(session, "notices")
    for channel_id in channels:
        put(
            session,
            channel_id=channel_id,
            alert_id=None,
            notice_id=notice_id,
            event=event,
            event_key=event_key,
            refs={},
            now=now,
        )
    return len(channels)


def _wanting(session: Session, what: str) -> Sequence[int]:
    return session.scalars(
        select(ChannelRow.id)
        .where(ChannelRow.enabled.is_(True), ChannelRow.wants.in_((what, "both")))
        .order_by(ChannelRow.id)
    ).all()


def last_at(session: Session, alert_id: int, event: str) -> datetime | None:
    """When a message of that event was last queued for an alert."""
    return session.scalar(
        select(func.max(OutboxRow.created_at)).where(
            OutboxRow.alert_id == alert_id, OutboxRow.event == event
        )
    )


def claim(session: Session, *, now: datetime, length: timedelta) -> Message | None:
    """The next message that is due and in nobody's hands.

    Messages of one alert or notice to one channel go out in their order: a later one waits while
    an earlier one is still being tried.
    """
    earlier = OutboxRow.__table__.alias("earlier")
    waits = (
        select(earlier.c.id)
        .where(
            or_(
                earlier.c.alert_id == OutboxRow.alert_id,
                earlier.c.notice_id == OutboxRow.notice_id,
            ),
            earlier.c.channel_id == OutboxRow.channel_id,
            earlier.c.id < OutboxRow.id,
            earlier.c.state == "pending",
        )
        .exists()
    )
    outbox_id = session.scalar(
        select(OutboxRow.id)
        .where(
            OutboxRow.state == "pending",
            OutboxRow.next_try_at <= now,
            or_(OutboxRow.claim_until.is_(None), OutboxRow.claim_until < now),
            ~waits,
        )
        .order_by(OutboxRow.next_try_at, OutboxRow.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if outbox_id is None:
        return None
    token = secrets.token_hex(16)
    row = session.execute(
        update(OutboxRow)
        .where(OutboxRow.id == outbox_id)
        .values(claim_token=token, claim_until=now + length, attempts=OutboxRow.attempts + 1)
        .returning(
            OutboxRow.message_id,
            OutboxRow.channel_id,
            OutboxRow.alert_id,
            OutboxRow.event,
            OutboxRow.refs,
            OutboxRow.created_at,
            OutboxRow.attempts,
            OutboxRow.notice_id,
        )
    ).one()
    return Message(
        id=outbox_id,
        message_id=row.message_id,
        channel_id=row.channel_id,
        alert_id=row.alert_id,
        event=row.event,
        refs=row.refs,
        created_at=row.created_at,
        attempt=row.attempts,
        token=token,
        notice_id=row.notice_id,
    )


def record(
    session: Session,
    message: Message,
    *,
    ok: bool,
    status_code: int | None,
    reason: str,
    duration_ms: int,
    retry_at: datetime | None,
    now: datetime,
) -> bool:
    """Write an attempt down and settle the message: sent, to be tried again, or given up.

    ``retry_at`` None on a failure means that it is given up ("dead"). False when another sender
    holds the message by now; the attempt itself is written down all the same.
    """
    session.add(
        DeliveryRow(
            outbox_id=message.id,
            attempt=message.attempt,
            at=now,
            ok=ok,
            status_code=status_code,
            reason=reason,
            duration_ms=duration_ms,
        )
    )
    state = "sent" if ok else "pending" if retry_at else "dead"
    settled = session.execute(
        update(OutboxRow)
        .where(OutboxRow.id == message.id, OutboxRow.claim_token == message.token)
        .values(state=state, next_try_at=retry_at or now, claim_token=None, claim_until=None)
        .returning(OutboxRow.id)
    ).first()
    session.flush()
    return settled is not None


def revive(session: Session, outbox_id: int, *, now: datetime) -> bool:
    """Try a message that was given up once more; its id stays the same."""
    row = session.execute(
        update(OutboxRow)
        .where(OutboxRow.id == outbox_id, OutboxRow.state == "dead")
        .values(state="pending", next_try_at=now, attempts=0)
        .returning(OutboxRow.id)
    ).first()
    return row is not None
