"""The outbox: messages written in the transaction of their cause, and each attempt to send them."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from listener.store.tables import ChannelRow, DeliveryRow, OutboxRow
from listener.store.upsert import insert_ignore

REACHED = "reached"  # in ``refs``: those of the channel's people who have the message


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
) -> str:
    """Queue a message for a channel; the same event of the same alert or notice is queued once.

    Gives the id that the message has if it is queued now.
    """
    message_id = f"msg_{secrets.token_hex(12)}"
    insert_ignore(
        session,
        OutboxRow,
        [
            {
                "message_id": message_id,
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
    return message_id


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


def any_due(session: Session, *, now: datetime) -> bool:
    """Whether a message is due, in somebody's hands or not: costs no lock."""
    due = select(OutboxRow.id).where(OutboxRow.state == "pending", OutboxRow.next_try_at <= now)
    return session.scalar(due.limit(1)) is not None


def claim(session: Session, *, now: datetime, length: timedelta) -> Message | None:
    """The next message that is due and in nobody's hands.

    Messages of one alert or notice to one channel go out in their order: a later one waits while
    an earlier one is still being tried. A channel has one message in hand at a time, so that one
    that hangs keeps no other channel waiting, however many senders there are.
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
    other = OutboxRow.__table__.alias("other")
    busy = (
        select(other.c.id)
        .where(
            other.c.channel_id == OutboxRow.channel_id,
            other.c.state == "pending",
            other.c.claim_until >= now,
        )
        .exists()
    )
    outbox_id = session.scalar(
        select(OutboxRow.id)
        .where(
            OutboxRow.state == "pending",
            OutboxRow.next_try_at <= now,
            # Said of the row itself, too: where another sender commits meanwhile, PostgreSQL judges
            # the row as it is now, but the questions about other rows as they were.
            or_(OutboxRow.claim_until.is_(None), OutboxRow.claim_until < now),
            ~busy,
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
    reached: Collection[str] = (),
) -> bool:
    """Write an attempt down and settle the message: sent, to be tried again, or given up.

    ``retry_at`` None on a failure means that it is given up ("dead"); ``reached`` are people who
    have it and do not get it again. False when another sender holds the message by now; the attempt
    itself is written down all the same.
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
    refs = {"refs": dict(message.refs) | {REACHED: sorted(reached)}} if reached else {}
    settled = session.execute(
        update(OutboxRow)
        .where(OutboxRow.id == message.id, OutboxRow.claim_token == message.token)
        .values(
            state=state, next_try_at=retry_at or now, claim_token=None, claim_until=None, **refs
        )
        .returning(OutboxRow.id)
    ).first()
    session.flush()
    return settled is not None


def revive(session: Session, outbox_id: int, *, now: datetime) -> bool:
    """Try a message that was given up once more; its id stays the same."""
    return _revive(session, OutboxRow.id == outbox_id, now=now) > 0


def revive_all(session: Session, channel_id: int, *, now: datetime) -> int:
    """Try all messages of a channel once more that were given up; how many there are."""
    return _revive(session, OutboxRow.channel_id == channel_id, now=now)


def _revive(session: Session, which: ColumnElement[bool], *, now: datetime) -> int:
    rows = session.execute(
        update(OutboxRow)
        .where(which, OutboxRow.state == "dead")
        .values(state="pending", next_try_at=now, attempts=0)
        .returning(OutboxRow.id)
    ).all()
    return len(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A message as people look at it, with what came of the latest attempt."""

    id: int
    message_id: str
    channel_id: int
    channel: str
    alert_id: int | None
    event: str
    state: str
    attempts: int
    created_at: datetime
    next_try_at: datetime
    last_at: datetime | None
    reason: str
    status_code: int | None


def listing(
    session: Session,
    *,
    state: str | None = None,
    channel_id: int | None = None,
    alert_id: int | None = None,
    message_id: str | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> list[Stored]:
    """Messages, the latest first."""
    latest = (
        select(DeliveryRow.outbox_id, func.max(DeliveryRow.id).label("id"))
        .group_by(DeliveryRow.outbox_id)
        .subquery()
    )
    query = (
        select(
            OutboxRow, ChannelRow.name, DeliveryRow.at, DeliveryRow.reason, DeliveryRow.status_code
        )
        .join(ChannelRow, ChannelRow.id == OutboxRow.channel_id)
        .outerjoin(latest, latest.c.outbox_id == OutboxRow.id)
        .outerjoin(DeliveryRow, DeliveryRow.id == latest.c.id)
        .order_by(OutboxRow.id.desc())
        .limit(limit)
    )
    conditions: tuple[tuple[Any, object], ...] = (
        (OutboxRow.state, state),
        (OutboxRow.channel_id, channel_id),
        (OutboxRow.alert_id, alert_id),
        (OutboxRow.message_id, message_id),
    )
    for column, value in conditions:
        if value is not None:
            query = query.where(column == value)
    if before_id is not None:
        query = query.where(OutboxRow.id < before_id)
    return [
        Stored(
            id=row.id,
            message_id=row.message_id,
            channel_id=row.channel_id,
            channel=channel,
            alert_id=row.alert_id,
            event=row.event,
            state=row.state,
            attempts=row.attempts,
            created_at=row.created_at,
            next_try_at=row.next_try_at,
            last_at=last_at,
            reason=reason or "",
            status_code=status_code,
        )
        for row, channel, last_at, reason, status_code in session.execute(query)
    ]


def dead_by_channel(session: Session, *, since: datetime | None = None) -> dict[int, int]:
    """How many messages of each channel were given up (since then, and not tried again)."""
    query = (
        select(OutboxRow.channel_id, func.count())
        .where(OutboxRow.state == "dead")
        .group_by(OutboxRow.channel_id)
    )
    if since is not None:
        query = query.where(OutboxRow.next_try_at >= since)  # when it was given up
    return {channel_id: count for channel_id, count in session.execute(query)}
