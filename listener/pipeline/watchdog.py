"""The watchdog: buckets with their coverage to verdicts, verdicts to spikes, spikes to alerts.

It reads, decides with the pure parts of ``detect/``, and writes detectors, spikes, alert and outbox
of a brand in one transaction. Looking again with nothing new changes nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from listener.detect import catalogue
from listener.detect.follow import fill, follow
from listener.detect.lifecycle import Event, Ongoing, SpikeLife
from listener.detect.policy import Policy
from listener.detect.series import (
    STEP,
    SeriesBucket,
    build_series,
    floor_to_step,
)
from listener.detect.spike import VERSION, Detector
from listener.errors import StorageError
from listener.pipeline.calling import hours_of
from listener.pipeline.causes import explain_spike
from listener.pipeline.telling import Series, Teller
from listener.settings import Settings
from listener.store import brands, coverage, generations, rules, spikes
from listener.store.killpoints import reach
from listener.store.spikes import SERIES, STALE, Head
from listener.store.tables import (
    BackfillRow,
    BucketRow,
    CoverageRow,
    DirtyRow,
    MentionRow,
    MentionWatchRow,
    SpikeRow,
    WatchRow,
)
from listener.store.work import Database
from listener.types import Brand, By, Interval, Precision, Sensitivity

log = logging.getLogger(__name__)

HISTORY = timedelta(days=60)  # as long as 5-minute buckets are kept
REBUILD_SHARE = 0.1  # of the time may go into rebuilding the detectors of one brand for late items
NEW_WATCH = timedelta(days=14)  # by then the detector takes the new level for the usual
LATER = timedelta(hours=1)  # a first run is over by then
SETTLED = timedelta(hours=1)  # the detectors know of a walk that ended so long ago
RECOUNT = timedelta(hours=1)  # after a switch all buckets are counted anew within that time
TOLD_GROWTH = 1.1  # a spike that goes on is explained anew when it has grown by this factor

Counts = dict[str, dict[datetime, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """What there is to see of a brand. ``heads`` are the detectors that go on from where they
    stand; the other ``dimensions`` are built anew.
    """

    stored: Mapping[str, Head]
    heads: Mapping[str, Head]
    dimensions: Sequence[str]
    start: datetime
    frame: Sequence[SeriesBucket]
    counts: Counts

    def looks_like(self, other: _View | None) -> bool:
        """Whether a look at the other left nothing to find in this one."""
        return other is not None and (
            (self.start, self.frame, self.counts, self.stored, self.heads.keys())
            == (other.start, other.frame, other.counts, other.stored, other.heads.keys())
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What one series gave in one look."""

    dimension: str
    upto: datetime
    state: Mapping[str, Any] | None  # None = the detector did not move
    spike: SpikeLife | None
    row_id: int | None  # the spike row that ``spike`` is kept in
    events: Sequence[Event]


class Watchdog:
    """Looks after all brands. Keeps nothing that matters in memory."""

    def __init__(
        self, database: Database, settings: Settings, policy: Policy | None = None
    ) -> None:
        self._database = database
        self._tz = ZoneInfo(settings.timezone)
        self._hours = hours_of(settings)
        self._policy = policy or Policy()
        setup = blake2b(f"{self._policy!r} {self._tz}".encode(), digest_size=6).hexdigest()
        self._version = f"detector-{VERSION}-{setup}"
        self._seen: dict[int, _View] = {}  # brand -> its last look: what looks the same is skipped
        self._rebuilt: dict[int, tuple[datetime, float]] = {}  # when, and the seconds it took
        self._told: dict[tuple[int, str], tuple[datetime, float]] = {}  # onset, observed

    def look(self, *, now: datetime) -> int:
        """Look at every brand; returns how many spikes opened, changed or ended.

        A brand that cannot be looked at is logged and does not keep the others waiting. Raises
        StorageError.
        """
        with self._database.read() as session:
            all_brands = brands.listing(session)
        return sum(self._look_safely(brand, now) for brand in all_brands)

    def _look_safely(self, brand: Brand, now: datetime) -> int:
        try:
            return self._look_at(brand, now)
        except StorageError:
            raise
        except Exception:
            # Each look is a job of its own: a bug that one brand's data bring out must not make
            # the others deaf.
            log.exception("brand %s could not be looked at", brand.id)
            return 0

    def _look_at(self, brand: Brand, now: datetime) -> int:
        with self._database.read() as session:
            view = self._view(session, brand, now)
            if view is None or view.looks_like(self._seen.get(brand.id)):
                return 0
            marker = spikes.marker(session, brand.id)
            began = time.perf_counter()
            looks = self._judge(session, brand, view, now)
            if any(h.version == STALE for n, h in view.stored.items() if n not in view.heads):
                self._rebuilt[brand.id] = now, time.perf_counter() - began
        reach("watchdog-judged")
        if any(look.events or look.state is not None for look in looks):
            explained = self._explain(brand, looks, now)
            if not self._write(brand, view, marker, looks, explained, now):
                return 0
        self._seen[brand.id] = view
        return sum(len(look.events) for look in looks)

    # --- seeing --------------------------------------------------------------------------------

    def _view(self, session: Session, brand: Brand, now: datetime) -> _View | None:
        """All that the brand's detectors have not passed yet; None while nothing was collected.

        Coverage is read before the marks of stale buckets, and these before the counts: what is
        covered was marked before, and what is not marked any more is in the counts, even where
        each statement sees a later state of the database.
        """
        switched = generations.switches(session, since=now - RECOUNT, limit=1)
        if switched and _is_being_recounted(session, brand.id, switched[0].at):
            return None  # half of the counts are by other models: what they show is no spike
        stored = spikes.heads(session, brand.id)
        usable = {self._version}
        if not switched and not self._may_rebuild(brand.id, now):
            usable.add(STALE)
        heads = {name: head for name, head in stored.items() if head.version in usable}
        earliest = floor_to_step(now - HISTORY)
        start = max(min((head.upto for head in heads.values()), default=earliest), earliest)
        if any(name not in heads for name in SERIES):
            first = _first_bucket(session, brand.id, earliest)
            if first is None:
                return None
            start = first
        watches = coverage.of_brand(session, brand.id, start, now=now)
        if not watches:
            return None
        dirty = _first_dirty(session, brand.id)
        counts = _counts(session, brand.id, start, now)
        if any(name not in heads for name in counts):
            # A topic that is complained about for the first time: its past is zeros, or was counted
            # anew just now.
            start = _first_bucket(session, brand.id, earliest) or start
            watches = coverage.of_brand(session, brand.id, start, now=now)
            dirty = _first_dirty(session, brand.id)
            counts = _counts(session, brand.id, start, now)
        frame = build_series({}, watches, start=start, end=now, now=now)
        if dirty is not None:
            frame = [
                replace(item, final=False) if item.final and item.bucket.at >= dirty else item
                for item in frame
            ]
        return _View(
            stored=stored,
            heads=heads,
            dimensions=[*SERIES, *sorted((heads.keys() | counts.keys()) - set(SERIES))],
            start=start,
            frame=frame,
            counts=counts,
        )

    def _may_rebuild(self, brand_id: int, now: datetime) -> bool:
        """Whether stale detectors are rebuilt in this look, or used as they are once more."""
        at, took = self._rebuilt.get(brand_id, (None, 0.0))
        return at is None or (now - at).total_seconds() >= took / REBUILD_SHARE

    # --- judging -------------------------------------------------------------------------------

    def _judge(self, session: Session, brand: Brand, view: _View, now: datetime) -> list[_Look]:
        """Step every series of a brand over what is new. Nothing is written."""
        states = spikes.states(session, brand.id)
        recent = now - self._policy.cooldown - self._policy.max_lateness
        rows = spikes.latest(session, brand.id, since=recent)
        back_fills = _back_fills(session, brand.id, now)
        looks = []
        for dimension in view.dimensions:
            head, detector = view.heads.get(dimension), None
            if head is not None:
                detector = Detector.load(states[dimension], self._policy, self._tz)
            upto = head.upto if head is not None and detector is not None else view.start
            series = fill(view.frame, view.counts.get(dimension, {}), upto)
            detector = detector or Detector(self._policy, self._tz)
            row = rows.get(dimension)
            found = follow(
                detector,
                series,
                life_of(row),
                self._policy,
                upto=upto,
                back_fills=back_fills,
                now=now,
            )
            looks.append(
                _Look(
                    dimension=dimension,
                    upto=found.upto,
                    state=found.dump(detector),
                    spike=found.spike,
                    row_id=row.id if row is not None else None,
                    events=found.events,
                )
            )
        return looks

    # --- telling -------------------------------------------------------------------------------

    def _explain(
        self, brand: Brand, looks: Sequence[_Look], now: datetime
    ) -> dict[str, tuple[dict[str, Any], list[int]]]:
        """Causes of the spikes that have news, by dimension."""
        explained = {}
        for look in looks:
            if look.spike is None or not self._needs_words(brand, look, look.spike):
                continue
            with self._database.read() as session:
                explained[look.dimension] = explain_spike(
                    session, brand.id, look.dimension, look.spike, now=now
                )
            told = look.spike.onset_at, look.spike.total_observed
            self._told[brand.id, look.dimension] = told
        return explained

    def _needs_words(self, brand: Brand, look: _Look, spike: SpikeLife) -> bool:
        if not look.events:
            return False
        for event in look.events:
            if not isinstance(event, Ongoing) or event.escalated or event.reopened:
                return True
        onset_at, observed = self._told.get((brand.id, look.dimension), (None, 0.0))
        return onset_at != spike.onset_at or spike.total_observed >= observed * TOLD_GROWTH

    def _write(
        self,
        brand: Brand,
        view: _View,
        marker: object,
        looks: Sequence[_Look],
        explained: Mapping[str, tuple[dict[str, Any], list[int]]],
        now: datetime,
    ) -> bool:
        """Keep what the look gave; False if another watchdog was here meanwhile."""
        with self._database.write() as work:
            session = work.session
            spikes.lock(session, [brand.id])
            heads = spikes.heads(session, brand.id)
            if (
                {name: head.upto for name, head in heads.items()}
                != {name: head.upto for name, head in view.stored.items()}
            ) or spikes.marker(session, brand.id) != marker:
                log.info("brand %s was looked at by another watchdog", brand.id)
                return False
            final_to = next((i.bucket.at for i in view.frame if not i.final), now)
            late = _counts(session, brand.id, view.start, final_to) != _until(view.counts, final_to)
            for look in looks:
                if look.state is None:
                    continue
                went_on = look.dimension in view.heads
                stale = went_on and heads[look.dimension].version == STALE
                spikes.save_detector(
                    session,
                    brand_id=brand.id,
                    dimension=look.dimension,
                    upto=look.upto,
                    version=STALE if late or stale else self._version,
                    state=look.state,
                )
            teller = Teller(session, brand, now, self._hours)
            watching = catalogue.watched_by(
                rules.of_brand(session, brand.id), [look.dimension for look in looks]
            )
            for look in looks:
                if look.events:
                    by_rules = [of for key, of in watching.items() if key[0] == look.dimension]
                    series = Series(
                        dimension=look.dimension,
                        by=By.POSTS,
                        sensitivity=Sensitivity.NORMAL,
                        row_id=look.row_id,
                        rules=tuple(dict.fromkeys(rule for of in by_rules for rule in of)),
                    )
                    teller.tell(series, look.events, explained.get(look.dimension, ({}, [])))
            teller.settle()
            reach("watchdog-before-commit")
            work.commit()
        reach("watchdog-committed")
        return True


def _back_fills(session: Session, brand_id: int, now: datetime) -> list[Interval]:
    """Where what new watches bring begins in the series of a brand: their past, and, of those that
    show none or tell no times, themselves. History that is still walked begins further back with
    every look.
    """
    found: list[Interval] = []
    young = session.execute(
        select(WatchRow.id, WatchRow.created_at).where(
            (WatchRow.brand_id == brand_id) | WatchRow.brand_id.is_(None),
            WatchRow.created_at > now - NEW_WATCH,
        )
    ).all()
    for watch_id, created_at in young:
        past = session.scalars(
            select(CoverageRow.from_at).where(
                CoverageRow.watch_id == watch_id, CoverageRow.from_at < created_at
            )
        ).all()
        found += [(at, at) for at in past]
        if not past and (first := _first(session, watch_id, created_at)) is not None:
            found.append((first, first))
        if _is_undated(session, watch_id, created_at):
            found.append((created_at, created_at))
    walked = select(BackfillRow).where(
        BackfillRow.watch_id.in_(
            select(WatchRow.id).where((WatchRow.brand_id == brand_id) | WatchRow.brand_id.is_(None))
        ),
        BackfillRow.to_at.is_(None),
        BackfillRow.created_at > now - NEW_WATCH,
        BackfillRow.reached_at.is_not(None),
    )
    for row in session.scalars(walked):
        reached = row.reached_at or row.from_at
        over = row.finished_at is not None and row.finished_at < now - SETTLED
        found.append((reached, reached if over else max(reached, row.from_at)))
    return found


def _first(session: Session, watch_id: int, created_at: datetime) -> datetime | None:
    """The earliest that a watch brought by the time its first run was over."""
    return session.scalar(
        select(func.min(MentionRow.event_at))
        .join(MentionWatchRow, MentionWatchRow.mention_id == MentionRow.id)
        .where(MentionWatchRow.watch_id == watch_id, MentionRow.event_at < created_at + LATER)
    )


def _is_undated(session: Session, watch_id: int, created_at: datetime) -> bool:
    """Whether its first run brought what tells no time: it counts as of then."""
    found = session.scalar(
        select(MentionRow.id)
        .join(MentionWatchRow, MentionWatchRow.mention_id == MentionRow.id)
        .where(
            MentionWatchRow.watch_id == watch_id,
            MentionRow.published_precision == Precision.NONE,
            MentionRow.event_at >= created_at,
            MentionRow.event_at < created_at + LATER,
        )
        .limit(1)
    )
    return found is not None


def life_of(row: SpikeRow | None) -> SpikeLife | None:
    """The spike's life as it was stored with its row."""
    return None if row is None or not row.detail else SpikeLife.load(row.detail)


def _first_bucket(session: Session, brand_id: int, earliest: datetime) -> datetime | None:
    return session.scalar(
        select(BucketRow.at)
        .where(
            BucketRow.brand_id == brand_id,
            BucketRow.step_s == int(STEP.total_seconds()),
            BucketRow.at >= earliest,
        )
        .order_by(BucketRow.at)
        .limit(1)
    )


def _is_being_recounted(session: Session, brand_id: int, switched_at: datetime) -> bool:
    """Whether buckets from before a switch to other models are still to be counted anew."""
    dirty = _first_dirty(session, brand_id)
    return dirty is not None and dirty < switched_at - STEP


def _first_dirty(session: Session, brand_id: int) -> datetime | None:
    return session.scalar(select(func.min(DirtyRow.at)).where(DirtyRow.brand_id == brand_id))


def _counts(session: Session, brand_id: int, start: datetime, end: datetime) -> Counts:
    """The counts of the watched series in [start, end), by dimension and start of the bucket."""
    rows = session.execute(
        select(BucketRow.dimension, BucketRow.at, BucketRow.count).where(
            BucketRow.brand_id == brand_id,
            BucketRow.step_s == int(STEP.total_seconds()),
            BucketRow.at >= start,
            BucketRow.at < end,
            or_(
                BucketRow.dimension.in_(SERIES),
                BucketRow.dimension.like("topic:%:complaint"),
            ),
        )
    )
    counts: Counts = {}
    for dimension, at, count in rows:
        counts.setdefault(dimension, {})[at] = count
    return counts


def _until(counts: Counts, end: datetime) -> Counts:
    """The counts of buckets that begin before ``end``."""
    cut = {name: {at: n for at, n in of.items() if at < end} for name, of in counts.items()}
    return {name: of for name, of in cut.items() if of}
