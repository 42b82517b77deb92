"""The past as it was known at each moment: mentions with when they were seen, coverage with when
that was known. Backtests replay it.

Readings, stories and flags are those in force today: a rule is tried on what Listener reads now.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import orjson
from sqlalchemy import BigInteger, ColumnElement, Text, case, cast, func, or_, select, type_coerce
from sqlalchemy.orm import Session

from listener.store import buckets, coverage
from listener.store.base import from_us
from listener.store.buckets import STEP, Counted
from listener.store.tables import (
    AlertRow,
    AlertRuleRow,
    BackfillRow,
    CoverageRow,
    InboundRow,
    MatchRow,
    MentionRow,
    MentionWatchRow,
    ReadingRow,
    SpikeRow,
    WatchRow,
)
from listener.store.upsert import table_of
from listener.types import Precision

LEAST_PATIENCE = timedelta(minutes=15)  # as store/coverage.py waits for a watch
FIRST_RUN = timedelta(hours=1)  # a first run is over by then
_FILE, _WEBHOOK = "file", "webhook"
_PART = 5_000  # rows at a time, so that a year does not have to fit into memory


class Piece(NamedTuple):
    """[from_at, to_at) was collected, and that became known."""

    known_at: datetime
    from_at: datetime
    to_at: datetime


class Past(NamedTuple):
    """A watch of a brand: as ``listener.detect.asof.WatchPast`` takes it."""

    watch_id: int
    made_at: datetime
    ended_at: datetime | None
    every: timedelta
    late_after: timedelta
    pieces: Sequence[Piece]
    waited_for: bool = True
    streams: bool = False
    first: tuple[datetime, datetime] | None = None
    undated: bool = False
    source: str = ""


class Walk(NamedTuple):
    """A back-fill of history of a source: from ``from_at`` back to ``reached_at``."""

    began_at: datetime
    from_at: datetime
    reached_at: datetime
    ended_at: datetime | None
    source: str = ""


class Judged(NamedTuple):
    """An alert that people judged, with the spikes in it."""

    alert_id: int
    verdict: str  # right | false | planned
    from_at: datetime
    to_at: datetime | None  # None = it goes on
    dimensions: frozenset[str]
    rule_ids: frozenset[int]


# --- mentions ------------------------------------------------------------------------------------


def mentions(
    session: Session,
    brand_id: int,
    since: datetime,
    until: datetime,
    *conditions: ColumnElement[bool],
    by_event: bool = False,
) -> Iterator[tuple[Counted, int]]:
    """The mentions of a brand in [since, until) as buckets count them, each with the microsecond in
    which it was first seen; in the order of seeing, or ``by_event`` in that of saying.

    Equal topics and tags are one tuple, so that a walk over many mentions parses each but once.
    """
    seen_us = type_coerce(MentionRow.seen_at, BigInteger)
    lists: dict[str | None, Sequence[str]] = {None: ()}
    query = (
        buckets._counted(session, table_of(MatchRow))
        .add_columns(cast(ReadingRow.topics, Text), cast(ReadingRow.tags, Text), seen_us)
        .where(
            MatchRow.brand_id == brand_id,
            MatchRow.event_at >= since,
            MatchRow.event_at < until,
            MentionRow.is_own.is_(False),
            *conditions,
        )
        .order_by(MatchRow.event_at if by_event else seen_us, MatchRow.mention_id)
        .execution_options(yield_per=_PART)
    )
    for *row, topics, tags, seen in session.connection().execute(query):
        for told in (topics, tags):
            if told not in lists:
                lists[told] = tuple(orjson.loads(told))
        yield Counted._make((*row, lists[topics], lists[tags])), seen


def lateness(
    session: Session, brand_id: int, since: datetime, until: datetime, late: timedelta
) -> tuple[int, int]:
    """How many mentions there are in [since, until), and how many of them were first seen more than
    ``late`` after they were said.
    """
    behind = type_coerce(MentionRow.seen_at, BigInteger) - type_coerce(
        MatchRow.event_at, BigInteger
    )
    is_late = case((behind > late // timedelta(microseconds=1), 1), else_=0)
    total, found = session.execute(
        select(func.count(), func.coalesce(func.sum(is_late), 0))
        .select_from(MatchRow)
        .join(MentionRow, MentionRow.id == MatchRow.mention_id)
        .where(MatchRow.brand_id == brand_id, MatchRow.event_at >= since, MatchRow.event_at < until)
    ).one()
    return total, found


def starts(
    session: Session, brand_id: int, since: datetime, until: datetime
) -> list[tuple[datetime, datetime]]:
    """The earliest mention of [since, until) that was known at first, and the earlier ones that
    became known later: (seen at, event at), ascending in the first, descending in the second.
    """
    event_us = type_coerce(MatchRow.event_at, BigInteger)
    seen_us = type_coerce(MentionRow.seen_at, BigInteger)
    found: list[tuple[int, int]] = []
    whole = (
        MatchRow.brand_id == brand_id,
        MatchRow.event_at >= since,
        MatchRow.event_at < until,
    )
    first_seen = session.scalar(
        select(func.min(seen_us))
        .select_from(MatchRow)
        .join(MentionRow, MentionRow.id == MatchRow.mention_id)
        .where(*whole)
    )
    rows = session.execute(
        select(seen_us, event_us)
        .select_from(MatchRow)
        .join(MentionRow, MentionRow.id == MatchRow.mention_id)
        .where(*whole)
        .order_by(event_us)
        .execution_options(yield_per=_PART)
    )
    for seen, event in rows:
        if not found or seen < found[-1][0]:
            found.append((seen, event))
            if seen == first_seen:
                break
    rows.close()
    return [(from_us(seen), from_us(event)) for seen, event in reversed(found)]


# --- coverage ------------------------------------------------------------------------------------


def pasts(session: Session, brand_id: int, since: datetime) -> list[Past]:
    """What the watches of a brand (and those of no brand), its files and its webhooks collected
    from ``since`` on, with when that became known.
    """
    rows = session.scalars(
        select(WatchRow).where(
            or_(WatchRow.brand_id == brand_id, WatchRow.brand_id.is_(None)),
            WatchRow.covered_to.is_not(None),
        )
    ).all()
    pieces = _pieces(session, [row.id for row in rows], since)
    found = []
    for row in rows:
        every = timedelta(seconds=row.every_s)
        ends = [at for at in (row.deleted_at, None if row.enabled else row.covered_to) if at]
        found.append(
            Past(
                watch_id=row.id,
                made_at=row.created_at,
                ended_at=min(ends, default=None),
                every=every,
                late_after=max(2 * every, LEAST_PATIENCE),
                pieces=pieces.get(row.id, []),
                first=first_brought(session, row.id, row.created_at),
                undated=is_undated(session, row.id, row.created_at),
                source=row.source,
            )
        )
    return [*found, *_files(session, brand_id, since, _FILE), *_webhooks(session, brand_id)]


def of_source(
    session: Session, brand_id: int, found: Sequence[Past], source: str | None, since: datetime
) -> list[Past]:
    """Those ``pasts`` by which a series of one source is judged, as ``coverage.of_source``."""
    if source is None:
        return list(found)
    known = [past for past in found if past.source == source]
    if known or coverage.is_collected(session, brand_id, source):
        return known
    return _files(session, brand_id, since, source)


def walks(session: Session, brand_id: int) -> list[Walk]:
    """The back-fills of history that brought something."""
    rows = session.execute(
        select(BackfillRow, WatchRow.source)
        .join(WatchRow, WatchRow.id == BackfillRow.watch_id)
        .where(
            or_(WatchRow.brand_id == brand_id, WatchRow.brand_id.is_(None)),
            BackfillRow.to_at.is_(None),
            BackfillRow.reached_at.is_not(None),
        )
    )
    return [
        Walk(row.created_at, row.from_at, row.reached_at, row.finished_at, source)
        for row, source in rows
        if row.reached_at is not None
    ]


def _pieces(session: Session, watch_ids: Sequence[int], since: datetime) -> dict[int, list[Piece]]:
    rows = session.execute(
        select(CoverageRow.watch_id, CoverageRow.known_at, CoverageRow.from_at, CoverageRow.to_at)
        .where(CoverageRow.watch_id.in_(watch_ids), CoverageRow.to_at > since)
        .order_by(CoverageRow.known_at, CoverageRow.id)
    )
    found: dict[int, list[Piece]] = {}
    for watch_id, *piece in rows:
        found.setdefault(watch_id, []).append(Piece._make(piece))
    return found


def first_brought(
    session: Session, watch_id: int, made_at: datetime
) -> tuple[datetime, datetime] | None:
    """The earliest that a watch brought by the time its first run was over: when that became known,
    and of when it is.
    """
    row = session.execute(
        select(MentionRow.seen_at, MentionRow.event_at)
        .join(MentionWatchRow, MentionWatchRow.mention_id == MentionRow.id)
        .where(MentionWatchRow.watch_id == watch_id, MentionRow.event_at < made_at + FIRST_RUN)
        .order_by(MentionRow.event_at)
        .limit(1)
    ).first()
    return None if row is None else (row.seen_at, row.event_at)


def is_undated(session: Session, watch_id: int, made_at: datetime) -> bool:
    """Whether its first run brought what tells no time: it counts as of then."""
    found = session.scalar(
        select(MentionRow.id)
        .join(MentionWatchRow, MentionWatchRow.mention_id == MentionRow.id)
        .where(
            MentionWatchRow.watch_id == watch_id,
            MentionRow.published_precision == Precision.NONE,
            MentionRow.event_at >= made_at,
            MentionRow.event_at < made_at + FIRST_RUN,
        )
        .limit(1)
    )
    return found is not None


def _files(session: Session, brand_id: int, since: datetime, source: str) -> list[Past]:
    """Files count as collected from the first to the last mention that they brought."""
    rows = session.execute(
        select(MentionRow.seen_at, func.min(MatchRow.event_at), func.max(MatchRow.event_at))
        .join(MatchRow, MatchRow.mention_id == MentionRow.id)
        .where(
            MatchRow.brand_id == brand_id,
            MatchRow.event_at >= since,
            MentionRow.source == source,
            MentionRow.is_own.is_(False),
        )
        .group_by(MentionRow.seen_at)
        .order_by(MentionRow.seen_at)
    ).all()
    pieces = [
        Piece(seen_at, buckets.start_of(first), buckets.start_of(last) + STEP)
        for seen_at, first, last in rows
    ]
    return [_unwaited(pieces[0].from_at, pieces, source)] if pieces else []


def _webhooks(session: Session, brand_id: int) -> list[Past]:
    """Webhooks count from when they were made."""
    made = session.scalars(
        select(InboundRow.created_at).where(
            or_(InboundRow.brand_id == brand_id, InboundRow.brand_id.is_(None)),
            InboundRow.enabled.is_(True),
        )
    )
    return [_unwaited(at, [], _WEBHOOK, streams=True) for at in made]


def _unwaited(
    made_at: datetime, pieces: Sequence[Piece], source: str, *, streams: bool = False
) -> Past:
    return Past(
        watch_id=0,
        made_at=made_at,
        ended_at=None,
        every=STEP,
        late_after=LEAST_PATIENCE,
        pieces=pieces,
        waited_for=False,
        streams=streams,
        source=source,
    )


# --- what people said ----------------------------------------------------------------------------


def judged(session: Session, brand_id: int, since: datetime, until: datetime) -> list[Judged]:
    """The alerts of a brand that people marked, with an onset in [since, until), in time order."""
    rows = session.execute(
        select(AlertRow, SpikeRow)
        .join(SpikeRow, SpikeRow.alert_id == AlertRow.id)
        .where(AlertRow.brand_id == brand_id, AlertRow.verdict.is_not(None))
        .order_by(SpikeRow.onset_at, SpikeRow.id)
    ).all()
    spikes: dict[int, list[SpikeRow]] = {}
    alerts: dict[int, AlertRow] = {}
    for alert, spike in rows:
        alerts[alert.id] = alert
        spikes.setdefault(alert.id, []).append(spike)
    rules: dict[int, set[int]] = {}
    for alert_id, rule_id in session.execute(
        select(AlertRuleRow.alert_id, AlertRuleRow.rule_id).where(
            AlertRuleRow.alert_id.in_(list(alerts))
        )
    ):
        rules.setdefault(alert_id, set()).add(rule_id)
    found = []
    for alert_id, alert in alerts.items():
        of_alert = spikes[alert_id]
        onset_at = of_alert[0].onset_at
        if since <= onset_at < until:
            found.append(
                Judged(
                    alert_id=alert_id,
                    verdict=alert.verdict or "",
                    from_at=onset_at,
                    to_at=alert.resolved_at,
                    dimensions=frozenset(spike.dimension for spike in of_alert),
                    rule_ids=frozenset(rules.get(alert_id, ())),
                )
            )
    return found


def spike_near(
    session: Session, brand_id: int, dimension: str, by: str, at: datetime, *, within: timedelta
) -> int | None:
    """The stored spike of a series whose onset is nearest to a time, and not further off."""
    rows = session.execute(
        select(SpikeRow.id, SpikeRow.onset_at).where(
            SpikeRow.brand_id == brand_id,
            SpikeRow.dimension == dimension,
            SpikeRow.by == by,
            SpikeRow.onset_at >= at - within,
            SpikeRow.onset_at <= at + within,
        )
    ).all()
    nearest = min(rows, key=lambda row: abs(row.onset_at - at), default=None)
    return None if nearest is None else nearest.id
