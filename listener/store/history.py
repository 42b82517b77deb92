"""What happened, page by page and newest first: gaps, alerts, and the attempts to tell of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from listener.errors import NotFound
from listener.store.tables import (
    AlertRow,
    ChannelRow,
    DeliveryRow,
    GapRow,
    OutboxRow,
    SpikeRow,
    WatchRow,
)


@dataclass(frozen=True, slots=True)
class Sent:
    """One attempt to deliver a message; ``state`` is where the message stands now."""

    id: int
    channel_id: int
    channel: str
    message_id: str
    alert_id: int | None
    event: str
    attempt: int
    at: datetime
    ok: bool
    status_code: int | None
    reason: str
    duration_ms: int
    state: str


def gaps(
    session: Session,
    *,
    watch_id: int | None = None,
    brand_id: int | None = None,
    is_open: bool | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> Sequence[GapRow]:
    """Gaps in the order they became known, the latest first; ``is_open`` = not filled yet."""
    query = select(GapRow).order_by(GapRow.id.desc()).limit(limit)
    if watch_id is not None:
        query = query.where(GapRow.watch_id == watch_id)
    if brand_id is not None:
        watches = select(WatchRow.id).where(WatchRow.brand_id == brand_id)
        query = query.where(GapRow.watch_id.in_(watches))
    if is_open is not None:
        filled = GapRow.filled_at
        query = query.where(filled.is_(None) if is_open else filled.is_not(None))
    if before_id is not None:
        query = query.where(GapRow.id < before_id)
    return session.scalars(query).all()


def alerts(
    session: Session,
    *,
    brand_id: int | None = None,
    state: str | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> Sequence[AlertRow]:
    """Alerts, the latest first."""
    query = select(AlertRow).order_by(AlertRow.id.desc()).limit(limit)
    if brand_id is not None:
        query = query.where(AlertRow.brand_id == brand_id)
    if state is not None:
        query = query.where(AlertRow.state == state)
    if before_id is not None:
        query = query.where(AlertRow.id < before_id)
    return session.scalars(query).all()


def get_alert(session: Session, alert_id: int) -> AlertRow:
    """One alert. Raises NotFound."""
    row = session.get(AlertRow, alert_id)
    if row is None:
        raise NotFound(f"There is no alert {alert_id}.")
    return row


def spikes_of(session: Session, alert_ids: Sequence[int]) -> Mapping[int, Sequence[int]]:
    """The ids of the spikes that each alert groups."""
    found: dict[int, list[int]] = {alert_id: [] for alert_id in alert_ids}
    for alert_id, spike_id in session.execute(
        select(SpikeRow.alert_id, SpikeRow.id)
        .where(SpikeRow.alert_id.in_(alert_ids))
        .order_by(SpikeRow.id)
    ):
        if alert_id is not None:
            found[alert_id].append(spike_id)
    return found


def get_spike(session: Session, spike_id: int) -> SpikeRow:
    """One spike. Raises NotFound."""
    row = session.get(SpikeRow, spike_id)
    if row is None:
        raise NotFound(f"There is no spike {spike_id}.")
    return row


def deliveries(
    session: Session,
    *,
    channel_id: int | None = None,
    alert_id: int | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> Sequence[Sent]:
    """Attempts to deliver, the latest first."""
    query = (
        select(
            DeliveryRow.id,
            ChannelRow.id,
            ChannelRow.name,
            OutboxRow.message_id,
            OutboxRow.alert_id,
            OutboxRow.event,
            DeliveryRow.attempt,
            DeliveryRow.at,
            DeliveryRow.ok,
            DeliveryRow.status_code,
            DeliveryRow.reason,
            DeliveryRow.duration_ms,
            OutboxRow.state,
        )
        .join(OutboxRow, OutboxRow.id == DeliveryRow.outbox_id)
        .join(ChannelRow, ChannelRow.id == OutboxRow.channel_id)
        .order_by(DeliveryRow.id.desc())
        .limit(limit)
    )
    conditions: dict[Any, int | None] = {
        OutboxRow.channel_id: channel_id,
        OutboxRow.alert_id: alert_id,
    }
    for column, value in conditions.items():
        if value is not None:
            query = query.where(column == value)
    if before_id is not None:
        query = query.where(DeliveryRow.id < before_id)
    return [Sent(*tuple(row)) for row in session.execute(query)]
