"""Spikes, the detector's states and alerts: what the watchdog keeps between two looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from listener.store.tables import AlertRow, DetectorRow, SpikeRow
from listener.store.upsert import insert_update

STALE = "stale"  # a detector version that no code has: the state is rebuilt from the buckets


def detectors(session: Session, brand_id: int) -> dict[str, DetectorRow]:
    """The stored detector states of a brand, by dimension."""
    rows = session.scalars(select(DetectorRow).where(DetectorRow.brand_id == brand_id))
    return {row.dimension: row for row in rows}


def save_detector(
    session: Session,
    *,
    brand_id: int,
    dimension: str,
    upto: datetime,
    version: str,
    state: Mapping[str, Any],
) -> None:
    """Store where the detector of a series stands."""
    values = {
        "brand_id": brand_id,
        "dimension": dimension,
        "upto": upto,
        "version": version,
        "state": dict(state),
    }
    insert_update(
        session,
        DetectorRow,
        [values],
        key=["brand_id", "dimension"],
        update=["upto", "version", "state"],
    )


def mark_stale(session: Session, brand_id: int, *, at: datetime) -> None:
    """A bucket changed that detectors have passed already: they have to be rebuilt."""
    session.execute(
        update(DetectorRow)
        .where(DetectorRow.brand_id == brand_id, DetectorRow.upto > at)
        .values(version=STALE)
    )


def open_spikes(session: Session, brand_id: int) -> dict[str, SpikeRow]:
    """The spikes of a brand that are not resolved, by dimension."""
    rows = session.scalars(
        select(SpikeRow).where(SpikeRow.brand_id == brand_id, SpikeRow.state == "open")
    )
    return {row.dimension: row for row in rows}


def last_resolved(session: Session, brand_id: int, dimension: str) -> SpikeRow | None:
    """The newest resolved spike of a series."""
    return session.scalar(
        select(SpikeRow)
        .where(
            SpikeRow.brand_id == brand_id,
            SpikeRow.dimension == dimension,
            SpikeRow.state == "resolved",
        )
        .order_by(SpikeRow.resolved_at.desc())
        .limit(1)
    )


def page(
    session: Session,
    *,
    brand_id: int | None = None,
    state: str | None = None,
    before: tuple[datetime, int] | None = None,
    limit: int = 50,
) -> Sequence[SpikeRow]:
    """Spikes, newest onset first; ``before`` is (onset_at, id) of the last one seen."""
    query = select(SpikeRow).order_by(SpikeRow.onset_at.desc(), SpikeRow.id.desc()).limit(limit)
    if brand_id is not None:
        query = query.where(SpikeRow.brand_id == brand_id)
    if state is not None:
        query = query.where(SpikeRow.state == state)
    if before is not None:
        at, spike_id = before
        query = query.where(
            (SpikeRow.onset_at < at) | ((SpikeRow.onset_at == at) & (SpikeRow.id < spike_id))
        )
    return session.scalars(query).all()


def alert_for(
    session: Session, brand_id: int, *, onset_at: datetime, within: timedelta
) -> AlertRow | None:
    """The alert that a new spike belongs to: still open, or resolved less than ``within`` ago."""
    return session.scalar(
        select(AlertRow)
        .where(
            AlertRow.brand_id == brand_id,
            (AlertRow.state == "open") | (AlertRow.resolved_at >= onset_at - within),
        )
        .order_by(AlertRow.opened_at.desc(), AlertRow.id.desc())
        .limit(1)
    )


def of_alert(session: Session, alert_id: int) -> Sequence[SpikeRow]:
    """The spikes that an alert groups, highest score first."""
    return session.scalars(
        select(SpikeRow)
        .where(SpikeRow.alert_id == alert_id)
        .order_by(SpikeRow.score.desc(), SpikeRow.id)
    ).all()
