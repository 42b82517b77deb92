"""Messages of alerts on their way to the outbox: queued at once, or held until people may be told.

What is held survives a restart. When it is due it goes out by itself, or, with others for the same
channel, as one digest.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from listener.store.tables import ChannelRow, OutboxRow
from listener.store.upsert import insert_into

OPENED = "alert.opened"
DIGEST = "alert.digest"
_TOLD = ("pending", "sent", "dead", "digested")  # people know, or will in a moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """What went out to a channel: of which alerts, in one digest or as the message that it was."""

    channel_id: int
    alert_ids: tuple[int, ...]
    digest: bool


def queue(
    session: Session,
    *,
    channel_id: int,
    alert_id: int,
    event: str,
    event_key: str = "",
    refs: Mapping[str, Any],
    hold_until: datetime | None = None,
    why: str = "",
    now: datetime,
) -> bool:
    """Queue a message, to be held until then; False when that very event was queued before, and
    not withdrawn since. ``why`` it is held, "quiet" or "storm", is kept with it.
    """
    if hold_until is not None:
        refs = {**refs, "why": why}
    row = _message(
        channel_id=channel_id,
        alert_id=alert_id,
        event=event,
        event_key=event_key,
        refs=refs,
        now=now,
        state="pending" if hold_until is None else "held",
        due_at=hold_until or now,
    )
    statement = insert_into(session, OutboxRow).values(row).on_conflict_do_nothing()
    if session.execute(statement.returning(OutboxRow.id)).first() is not None:
        return True
    again = (
        update(OutboxRow)
        .where(
            OutboxRow.alert_id == alert_id,
            OutboxRow.channel_id == channel_id,
            OutboxRow.event == event,
            OutboxRow.event_key == event_key,
            OutboxRow.state == "withdrawn",
        )
        .values({name: row[name] for name in ("refs", "created_at", "state", "next_try_at")})
        .execution_options(synchronize_session="fetch")
    )
    return session.execute(again.returning(OutboxRow.id)).first() is not None


def told(session: Session, alert_id: int) -> dict[int, bool]:
    """The channels that an alert was told to, with whether they have heard of it by now: what is
    held they have not.
    """
    rows = session.execute(
        select(OutboxRow.channel_id, OutboxRow.state).where(
            OutboxRow.alert_id == alert_id, OutboxRow.event == OPENED
        )
    )
    return {channel: state in _TOLD for channel, state in rows if state != "withdrawn"}


def one_by_one(session: Session, channel_id: int, *, since: datetime) -> set[int]:
    """The alerts of which a channel got a message of their own since then."""
    rows = session.scalars(
        select(OutboxRow.alert_id).where(
            OutboxRow.channel_id == channel_id,
            OutboxRow.alert_id.is_not(None),
            OutboxRow.state.in_(("pending", "sent", "dead")),
            OutboxRow.created_at > since,
        )
    )
    return {alert_id for alert_id in rows if alert_id is not None}


def next_due(session: Session, channel_id: int) -> datetime | None:
    """When the next of the messages held for a channel goes out."""
    return session.scalar(
        select(func.min(OutboxRow.next_try_at)).where(
            OutboxRow.channel_id == channel_id, OutboxRow.state == "held"
        )
    )


def any_due(session: Session, *, now: datetime) -> bool:
    """Whether there is something for ``release`` to do."""
    return (
        session.scalar(
            select(OutboxRow.id)
            .where(OutboxRow.state == "held", OutboxRow.next_try_at <= now)
            .limit(1)
        )
        is not None
    )


def release(session: Session, *, now: datetime) -> list[Released]:
    """Let go out what was held until now: to each channel one message.

    That is the message itself where it is the only one, else a digest of all the alerts.
    """
    rows = session.scalars(
        select(OutboxRow)
        .where(OutboxRow.state == "held", OutboxRow.next_try_at <= now)
        .order_by(OutboxRow.channel_id, OutboxRow.id)
        .with_for_update(skip_locked=True)
    ).all()
    by_channel: dict[int, list[OutboxRow]] = {}
    for row in rows:
        by_channel.setdefault(row.channel_id, []).append(row)
    return [_release(session, channel, held, now) for channel, held in by_channel.items()]


def _release(
    session: Session, channel_id: int, rows: Sequence[OutboxRow], now: datetime
) -> Released:
    alert_ids = tuple(dict.fromkeys(row.alert_id for row in rows if row.alert_id is not None))
    if len(rows) == 1:
        _let_go(rows[0], now)
        session.flush()
        return Released(channel_id=channel_id, alert_ids=alert_ids, digest=False)
    for row in rows:
        row.state, row.next_try_at = "digested", now
    session.flush()
    quiet = any(row.refs.get("why") == "quiet" for row in rows)
    message = _message(
        channel_id=channel_id,
        alert_id=None,
        event=DIGEST,
        event_key=f"{now:%Y%m%d%H%M%S}",
        refs={"alert_ids": list(alert_ids), "why": "quiet" if quiet else "storm"},
        now=now,
        state="pending",
        due_at=now,
    )
    session.execute(insert_into(session, OutboxRow).values(message))
    return Released(channel_id=channel_id, alert_ids=alert_ids, digest=True)


def release_alert(session: Session, alert_id: int, *, now: datetime) -> list[int]:
    """Hold nothing of an alert any longer; gives the channels that hear of it now.

    A channel gets the first of its messages: the text is made at sending, from all that is known.
    """
    rows = session.scalars(
        select(OutboxRow)
        .where(OutboxRow.alert_id == alert_id, OutboxRow.state == "held")
        .order_by(OutboxRow.id)
        .with_for_update()
    ).all()
    channels: list[int] = []
    for row in rows:
        if row.channel_id in channels:
            row.state, row.next_try_at = "digested", now
        else:
            _let_go(row, now)
            channels.append(row.channel_id)
    session.flush()
    return channels


def put_off(session: Session, alert_id: int, *, until: datetime) -> None:
    """Hold what is held of an alert at least until then."""
    session.execute(
        update(OutboxRow)
        .where(
            OutboxRow.alert_id == alert_id,
            OutboxRow.state == "held",
            OutboxRow.next_try_at < until,
        )
        .values(next_try_at=until)
        .execution_options(synchronize_session="fetch")
    )


def withdraw(session: Session, alert_id: int, *, held: bool = False) -> None:
    """Take back what nobody needs to be told any more: reminders that nobody tried to send yet,
    with ``held`` all that is held.
    """
    is_held = OutboxRow.state == "held"
    unsent = (OutboxRow.state == "pending") & (OutboxRow.attempts == 0)
    overtaken = (OutboxRow.event == "alert.reminder") & (unsent | is_held)
    session.execute(
        update(OutboxRow)
        .where(OutboxRow.alert_id == alert_id, overtaken | is_held if held else overtaken)
        .values(state="withdrawn")
        .execution_options(synchronize_session="fetch")
    )


def webhooks(session: Session, channel_ids: Collection[int]) -> Sequence[int]:
    """Those of the channels that are webhooks and switched on."""
    return session.scalars(
        select(ChannelRow.id)
        .where(
            ChannelRow.id.in_(channel_ids),
            ChannelRow.kind == "webhook",
            ChannelRow.enabled.is_(True),
        )
        .order_by(ChannelRow.id)
    ).all()


def _let_go(row: OutboxRow, now: datetime) -> None:
    row.state, row.created_at, row.next_try_at = "pending", now, now


def _message(
    *,
    channel_id: int,
    alert_id: int | None,
    event: str,
    event_key: str,
    refs: Mapping[str, Any],
    now: datetime,
    state: str,
    due_at: datetime,
) -> dict[str, Any]:
    return {
        "message_id": f"msg_{secrets.token_hex(12)}",
        "channel_id": channel_id,
        "alert_id": alert_id,
        "event": event,
        "event_key": event_key,
        "refs": dict(refs),
        "created_at": now,
        "state": state,
        "attempts": 0,
        "next_try_at": due_at,
    }
