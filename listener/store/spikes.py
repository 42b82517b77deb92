"""Spikes, the detector's states and alerts: what the watchdog keeps between two looks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, func, select, tuple_, type_coerce, update
from sqlalchemy.orm import Session

from listener.store.base import from_us, to_us
from listener.store.buckets import STEP_S, Mark
from listener.store.tables import AlertRow, BrandRow, BucketRow, DetectorRow, SpikeRow
from listener.store.upsert import insert_update
from listener.types import By, Sensitivity

STALE = "stale"  # a detector version that no code has: the state is rebuilt from the buckets
SERIES = ("all", "negative", "complaint", "low_rating")


@dataclass(frozen=True, slots=True)
class Head:
    """Where a detector stands, without its state."""

    upto: datetime
    version: str


def is_watched(dimension: str) -> bool:
    """Whether there is a detector for the series: totals, and the complaints about each topic."""
    return dimension in SERIES or (
        dimension.startswith("topic:") and dimension.endswith(":complaint")
    )


def heads(session: Session, brand_id: int) -> dict[str, Head]:
    """Where the detectors of a brand stand, by dimension."""
    rows = session.execute(
        select(DetectorRow.dimension, DetectorRow.upto, DetectorRow.version).where(
            DetectorRow.brand_id == brand_id
        )
    )
    return {dimension: Head(upto, version) for dimension, upto, version in rows}


def states(session: Session, brand_id: int) -> dict[str, Mapping[str, Any]]:
    """The stored detector states of a brand, by dimension."""
    rows = session.execute(
        select(DetectorRow.dimension, DetectorRow.state).where(DetectorRow.brand_id == brand_id)
    )
    return {dimension: state for dimension, state in rows}


def save_detector(
    session: Session,
    *,
    brand_id: int,
    dimension: str,
    upto: datetime,
    version: str,
    state: Mapping[str, Any],
    by: str = By.POSTS,
    sensitivity: str = Sensitivity.NORMAL,
) -> None:
    """Store where the detector of a series stands."""
    values = {
        "brand_id": brand_id,
        "dimension": dimension,
        "by": by,
        "sensitivity": sensitivity,
        "upto": upto,
        "version": version,
        "state": dict(state),
    }
    insert_update(
        session,
        DetectorRow,
        [values],
        key=["brand_id", "dimension", "by", "sensitivity"],
        update=["upto", "version", "state"],
    )


def lock(session: Session, brand_ids: Collection[int]) -> None:
    """Let nobody else move detectors or count passed buckets of these brands anew until the end of
    the transaction. Mentions can be written meanwhile.
    """
    session.execute(
        select(BrandRow.id)
        .where(BrandRow.id.in_(brand_ids))
        .order_by(BrandRow.id)  # in one order everywhere, so that two never wait for each other
        .with_for_update(key_share=True)
    ).all()


def mark_stale(
    session: Session, marks: Sequence[Mark], counted: Mapping[tuple[Mark, str], int]
) -> None:
    """Buckets are about to be counted anew: where that changes a number that detectors have passed,
    they have to be rebuilt.

    ``counted`` holds the new counts by (mark, dimension); what is left out is 0. Call it in the
    transaction that replaces the buckets, before it does.
    """
    brand_ids = {brand_id for brand_id, _ in marks}
    lock(session, brand_ids)
    passed = {
        brand_id: to_us(upto)
        for brand_id, upto in session.execute(
            select(DetectorRow.brand_id, func.max(DetectorRow.upto))
            .where(DetectorRow.brand_id.in_(brand_ids))
            .group_by(DetectorRow.brand_id)
        )
    }
    late = [mark for mark in marks if mark[1] < passed.get(mark[0], 0)]
    if not late:
        return
    at = type_coerce(BucketRow.at, BigInteger)
    rows = session.execute(
        select(BucketRow.brand_id, at, BucketRow.dimension, BucketRow.count).where(
            BucketRow.step_s == STEP_S, tuple_(BucketRow.brand_id, at).in_(late)
        )
    )
    held = {
        ((brand_id, us), dimension): count
        for brand_id, us, dimension, count in rows
        if is_watched(dimension)
    }
    of_late = set(late)
    fresh = {k: n for k, n in counted.items() if k[0] in of_late and is_watched(k[1])}
    changed: dict[int, int] = {}
    for key in held.keys() | fresh.keys():
        if held.get(key) != fresh.get(key):
            brand_id, us = key[0]
            changed[brand_id] = min(us, changed.get(brand_id, us))
    for brand_id, us in changed.items():
        session.execute(
            update(DetectorRow)
            .where(DetectorRow.brand_id == brand_id, DetectorRow.upto > from_us(us))
            .values(version=STALE)
        )


def latest(session: Session, brand_id: int, *, since: datetime) -> dict[str, SpikeRow]:
    """By dimension the spike that is open, or else the last one resolved since that time."""
    rows = session.scalars(
        select(SpikeRow)
        .where(
            SpikeRow.brand_id == brand_id,
            (SpikeRow.state == "open") | (SpikeRow.resolved_at >= since),
        )
        .order_by(SpikeRow.onset_at, SpikeRow.id)
    )
    found: dict[str, SpikeRow] = {}
    for row in rows:
        had = found.get(row.dimension)
        if had is None or had.state != "open":
            found[row.dimension] = row
    return found


def marker(session: Session, brand_id: int) -> object:
    """Something that differs once a spike of the brand was written."""
    return session.execute(
        select(func.max(SpikeRow.id), func.max(SpikeRow.updated_at)).where(
            SpikeRow.brand_id == brand_id
        )
    ).one()


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
