"""Spikes, the detector's states and alerts: what the watchdog keeps between two looks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import BigInteger, ColumnElement, delete, func, select, tuple_, type_coerce, update
from sqlalchemy.orm import Session

from listener.store.base import from_us, to_us
from listener.store.buckets import STEP_S, Mark, Numbers
from listener.store.tables import BrandRow, BucketRow, DetectorRow, SpikeRow
from listener.store.upsert import insert_update

_LATE = "late:"  # before a version: buckets changed that the state has passed, the first then

SeriesId: TypeAlias = tuple[str, str, str]  # dimension, by, sensitivity: a catalogue.SeriesKey
Changes: TypeAlias = dict[tuple[str, str], int]  # (dimension, what is counted) -> microseconds


@dataclass(frozen=True, slots=True)
class Head:
    """Where a detector stands, without its state.

    ``late_from`` is the earliest bucket that changed since the detector passed it: it has to take
    in again what came from there on.
    """

    upto: datetime
    version: str
    late_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """The state of a detector, and earlier ones to go back to: (upto, state), the oldest first."""

    state: Mapping[str, Any]
    earlier: Sequence[tuple[datetime, Mapping[str, Any]]] = ()


def heads(session: Session, brand_id: int) -> dict[SeriesId, Head]:
    """Where the detectors of a brand stand, by series."""
    rows = session.execute(
        select(
            DetectorRow.dimension,
            DetectorRow.by,
            DetectorRow.sensitivity,
            DetectorRow.upto,
            DetectorRow.version,
        ).where(DetectorRow.brand_id == brand_id)
    )
    return {(name, by, how): _head(upto, version) for name, by, how, upto, version in rows}


def _head(upto: datetime, version: str) -> Head:
    if version.startswith(_LATE):
        us, _, version = version.removeprefix(_LATE).partition(":")
        return Head(upto, version, from_us(int(us)))
    return Head(upto, version)


def _version(version: str, late_from: datetime | None) -> str:
    return version if late_from is None else f"{_LATE}{to_us(late_from)}:{version}"


def kept(session: Session, brand_id: int, keys: Collection[SeriesId]) -> dict[SeriesId, Kept]:
    """The stored states of these series of a brand."""
    rows = session.execute(
        select(
            DetectorRow.dimension,
            DetectorRow.by,
            DetectorRow.sensitivity,
            DetectorRow.state,
            DetectorRow.earlier_state,
        ).where(
            DetectorRow.brand_id == brand_id,
            DetectorRow.dimension.in_({dimension for dimension, _, _ in keys}),
        )
    )
    return {
        (name, by, how): Kept(state, _earlier(earlier))
        for name, by, how, state, earlier in rows
        if (name, by, how) in keys
    }


def _earlier(told: Mapping[str, Any] | None) -> list[tuple[datetime, Mapping[str, Any]]]:
    if not told:
        return []
    return [(from_us(one["upto"]), one["state"]) for one in told["states"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Where a detector stands now. ``earlier`` None = as they were stored; ``late_from`` = there is
    still something to take in again.
    """

    key: SeriesId
    upto: datetime
    version: str
    state: Mapping[str, Any]
    earlier: Sequence[tuple[datetime, Mapping[str, Any]]] | None = None
    late_from: datetime | None = None


def save_detectors(session: Session, brand_id: int, moved: Sequence[Moved]) -> None:
    """Store where the detectors of series stand."""
    for with_earlier in (False, True):
        rows = [
            _detector(brand_id, one) for one in moved if (one.earlier is not None) is with_earlier
        ]
        if rows:
            update_ = [name for name in rows[0] if name not in _DETECTOR]
            insert_update(session, DetectorRow, rows, key=_DETECTOR, update=update_)


_DETECTOR = ("brand_id", "dimension", "by", "sensitivity")


def _detector(brand_id: int, one: Moved) -> dict[str, Any]:
    dimension, by, sensitivity = one.key
    values: dict[str, Any] = {
        "brand_id": brand_id,
        "dimension": dimension,
        "by": str(by),
        "sensitivity": str(sensitivity),
        "upto": one.upto,
        "version": _version(one.version, one.late_from),
        "state": dict(one.state),
    }
    if one.earlier is not None:
        states = [{"upto": to_us(at), "state": dict(then)} for at, then in one.earlier]
        values["earlier_upto"] = one.earlier[0][0] if states else None
        values["earlier_state"] = {"states": states} if states else None
    return values


def forget_detectors(session: Session, brand_id: int, keys: Collection[SeriesId]) -> None:
    """Remove the detectors of series that nothing watches any more."""
    for dimension, by, sensitivity in keys:
        session.execute(
            delete(DetectorRow).where(
                DetectorRow.brand_id == brand_id,
                DetectorRow.dimension == dimension,
                DetectorRow.by == by,
                DetectorRow.sensitivity == sensitivity,
            )
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


def changes(
    session: Session, marks: Sequence[Mark], counted: Mapping[tuple[Mark, str], Numbers]
) -> dict[int, Changes]:
    """Buckets are about to be counted anew: which numbers change that detectors have passed, by
    brand, with the earliest bucket of each.

    ``counted`` holds the new numbers by (mark, dimension); what is left out is 0. Call it in the
    transaction that replaces the buckets, before it does: from here to its end nobody else moves
    detectors of these brands.
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
    late = {mark for mark in marks if mark[1] < passed.get(mark[0], 0)}
    if not late:
        return {}
    at = type_coerce(BucketRow.at, BigInteger)
    columns = [getattr(BucketRow, name) for name in _COUNTS]
    rows = session.execute(
        select(BucketRow.brand_id, at, BucketRow.dimension, *columns).where(
            BucketRow.step_s == STEP_S, tuple_(BucketRow.brand_id, at).in_(late)
        )
    )
    held = {
        ((brand_id, us), dimension): tuple(numbers) for brand_id, us, dimension, *numbers in rows
    }
    fresh = {
        key: tuple(getattr(n, name) for name in _COUNTS)
        for key, n in counted.items()
        if key[0] in late
    }
    none = (0,) * len(_COUNTS)
    found: dict[int, Changes] = {}
    for key in held.keys() | fresh.keys():
        (brand_id, us), dimension = key
        before, after = held.get(key, none), fresh.get(key, none)
        for name, old, new in zip(_COUNTS, before, after, strict=True):
            if abs(old - new) > _SAME:
                of_brand = found.setdefault(brand_id, {})
                of_brand[dimension, name] = min(us, of_brand.get((dimension, name), us))
    return found


_COUNTS = ("count", "new_stories", "new_authors", "score_sum", "scored")
_SAME = 1e-9  # sums of scores come out in any order


def set_late(session: Session, brand_id: int, key: SeriesId, head: Head, from_at: datetime) -> None:
    """The detector at ``head`` has passed what changed since, from that time on."""
    late_from = min(from_at, head.late_from or from_at)
    dimension, by, sensitivity = key
    session.execute(
        update(DetectorRow)
        .where(
            DetectorRow.brand_id == brand_id,
            DetectorRow.dimension == dimension,
            DetectorRow.by == by,
            DetectorRow.sensitivity == sensitivity,
        )
        .values(version=_version(head.version, late_from))
    )


def set_all_late(session: Session, brand_id: int | None, from_at: datetime) -> None:
    """What the calendar says of a brand (None = of all) is another from that time on: its detectors
    that have passed it have to take it in again.
    """
    query = select(DetectorRow.brand_id).where(DetectorRow.upto > from_at).distinct()
    if brand_id is not None:
        query = query.where(DetectorRow.brand_id == brand_id)
    brand_ids = session.scalars(query).all()
    lock(session, brand_ids)
    for one in brand_ids:
        for key, head in heads(session, one).items():
            if head.upto > from_at:
                set_late(session, one, key, head, from_at)


def open_or_since(brand_id: int, since: datetime) -> ColumnElement[bool]:
    """The spikes of a brand that are open, or were resolved since then.

    Two questions, as SQLite answers one with OR by walking through all spikes there ever were.
    """
    of_brand = select(SpikeRow.id).where(SpikeRow.brand_id == brand_id)
    is_open = of_brand.where(SpikeRow.resolved_at.is_(None))
    return SpikeRow.id.in_(is_open.union_all(of_brand.where(SpikeRow.resolved_at >= since)))


def latest(session: Session, brand_id: int, *, since: datetime) -> dict[SeriesId, SpikeRow]:
    """By series the spike that is open, or else the last one resolved since that time."""
    rows = session.scalars(
        select(SpikeRow)
        .where(open_or_since(brand_id, since))
        .order_by(SpikeRow.onset_at, SpikeRow.id)
    )
    found: dict[SeriesId, SpikeRow] = {}
    for row in rows:
        key = (row.dimension, row.by, row.sensitivity)
        had = found.get(key)
        if had is None or had.state != "open":
            found[key] = row
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


def of_alert(session: Session, alert_id: int) -> Sequence[SpikeRow]:
    """The spikes that an alert groups, highest score first."""
    return session.scalars(
        select(SpikeRow)
        .where(SpikeRow.alert_id == alert_id)
        .order_by(SpikeRow.score.desc(), SpikeRow.id)
    ).all()
