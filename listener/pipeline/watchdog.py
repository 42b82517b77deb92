"""The watchdog: buckets with their coverage to verdicts, verdicts to spikes, spikes to alerts.

It reads a snapshot, decides with the pure parts of ``detect/``, and writes detectors, spikes,
alert and outbox in one transaction. Looking again with nothing new changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from listener.detect.lifecycle import Event, Judged, Ongoing, Opened, Resolved, SpikeLife, advance
from listener.detect.policy import Policy
from listener.detect.series import (
    STEP,
    SeriesBucket,
    WatchCoverage,
    build_series,
    floor_to_step,
    split_final,
)
from listener.detect.spike import VERSION, Detector
from listener.pipeline.causes import explain_spike
from listener.settings import Settings
from listener.store import brands, coverage, outbox, spikes
from listener.store.killpoints import reach
from listener.store.tables import AlertRow, BucketRow, DetectorRow, SpikeRow, WatchRow
from listener.store.work import Database
from listener.types import Brand, Bucket, Coverage

log = logging.getLogger(__name__)

HISTORY = timedelta(days=60)  # as long as 5-minute buckets are kept
GROUP = timedelta(hours=6)  # a spike this soon after an alert's end belongs to the same event
DROP_OUT = timedelta(days=1)  # a watch silent for longer is no longer waited for
REBUILD = timedelta(minutes=5)  # late items rebuild a brand's detectors no more often than that
_SERIES = ("all", "negative", "complaint", "low_rating")
# These call people; a volume spike alone is shown, but may well be good news.
_ALERTING = ("negative", "complaint", "low_rating")
_SPIKE_VERSION = f"detector-{VERSION}"


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
        self._policy = policy or Policy()
        self._seen: dict[int, object] = {}  # brand -> what its last look saw: skip equal ones
        self._rebuilt: dict[int, datetime] = {}

    def look(self, *, now: datetime) -> int:
        """Look at every brand; returns how many spikes opened, changed or ended."""
        with self._database.read() as session:
            all_brands = brands.listing(session)
        return sum(self._look_at(brand, now) for brand in all_brands)

    def _look_at(self, brand: Brand, now: datetime) -> int:
        with self._database.read() as session:
            looks, fingerprint = self._judge(session, brand, now)
        events = sum(len(look.events) for look in looks)
        if not looks:
            return 0
        reach("watchdog-judged")
        explained = {}
        if events:
            with self._database.read() as session:
                for look in looks:
                    if look.events and look.spike is not None:
                        explained[look.dimension] = explain_spike(
                            session, brand.id, look.dimension, look.spike, now=now
                        )
        with self._database.write() as work:
            for look in looks:
                if look.state is not None:
                    spikes.save_detector(
                        work.session,
                        brand_id=brand.id,
                        dimension=look.dimension,
                        upto=look.upto,
                        version=_SPIKE_VERSION,
                        state=look.state,
                    )
            told = _Teller(work.session, brand, now)
            for look in looks:
                if look.events:
                    told.tell(look, explained.get(look.dimension, ({}, [])))
            told.settle()
            reach("watchdog-before-commit")
            work.commit()
        reach("watchdog-committed")
        self._seen[brand.id] = fingerprint
        return events

    # --- judging -------------------------------------------------------------------------------

    def _judge(self, session: Session, brand: Brand, now: datetime) -> tuple[list[_Look], object]:
        """Step every series of a brand over what is new. Nothing is written."""
        stored = spikes.detectors(session, brand.id)
        if self._may_rebuild(brand.id, stored, now):
            stored = {k: row for k, row in stored.items() if row.version == _SPIKE_VERSION}
        first = session.scalar(
            select(BucketRow.at)
            .where(
                BucketRow.brand_id == brand.id,
                BucketRow.step_s == int(STEP.total_seconds()),
                BucketRow.at >= now - HISTORY,
            )
            .order_by(BucketRow.at)
            .limit(1)
        )
        if first is None:
            return [], None
        start = min([row.upto for row in stored.values()], default=first)
        dimensions = self._dimensions(session, brand.id)
        if any(dimension not in stored for dimension in dimensions):
            start = first
        start = max(start, floor_to_step(now - HISTORY))
        counts = self._counts(session, brand.id, dimensions, start, now)
        frame = build_series(
            {}, watch_coverage(session, brand.id, start, now), start=start, end=now, now=now
        )
        fingerprint = (
            [(b.bucket.at, b.bucket.coverage, b.final) for b in frame],
            {d: dict(c) for d, c in counts.items()},
        )
        if self._seen.get(brand.id) == fingerprint:
            return [], fingerprint
        live = spikes.open_spikes(session, brand.id)
        looks = []
        for dimension in dimensions:
            row = live.get(dimension) or spikes.last_resolved(session, brand.id, dimension)
            looks.append(
                self._step(
                    dimension,
                    stored.get(dimension),
                    _fill(frame, counts.get(dimension, {})),
                    row,
                    now,
                )
            )
        return looks, fingerprint

    def _may_rebuild(self, brand_id: int, stored: Mapping[str, DetectorRow], now: datetime) -> bool:
        """Whether stale detectors are rebuilt in this look, or used as they are once more."""
        if all(row.version == _SPIKE_VERSION for row in stored.values()):
            return False
        last = self._rebuilt.get(brand_id)
        if last is not None and now - last < REBUILD:
            return False
        self._rebuilt[brand_id] = now
        return True

    def _dimensions(self, session: Session, brand_id: int) -> list[str]:
        topics = session.scalars(
            select(BucketRow.dimension)
            .where(
                BucketRow.brand_id == brand_id,
                BucketRow.dimension.like("topic:%:complaint"),
            )
            .distinct()
        )
        return [*_SERIES, *sorted(topics)]

    def _counts(
        self,
        session: Session,
        brand_id: int,
        dimensions: Sequence[str],
        start: datetime,
        now: datetime,
    ) -> dict[str, dict[datetime, int]]:
        rows = session.execute(
            select(BucketRow.dimension, BucketRow.at, BucketRow.count).where(
                BucketRow.brand_id == brand_id,
                BucketRow.step_s == int(STEP.total_seconds()),
                BucketRow.at >= start,
                BucketRow.at < now,
                BucketRow.dimension.in_(dimensions),
            )
        )
        counts: dict[str, dict[datetime, int]] = {}
        for dimension, at, count in rows:
            counts.setdefault(dimension, {})[at] = count
        return counts

    def _step(
        self,
        dimension: str,
        stored: DetectorRow | None,
        series: Sequence[SeriesBucket],
        row: SpikeRow | None,
        now: datetime,
    ) -> _Look:
        detector = None
        if stored is not None:
            detector = Detector.load(stored.state, self._policy, self._tz)
        upto = stored.upto if stored is not None and detector is not None else series[0].bucket.at
        detector = detector or Detector(self._policy, self._tz)
        final, rest = split_final(item for item in series if item.bucket.at >= upto)
        judged = [Judged(detector.step(b), b.coverage, True) for b in final]
        state = detector.dump() if final else None
        if rest:
            twin = detector.copy()
            judged += [Judged(twin.step(b), b.coverage, False) for b in rest]
        spike, events = advance(life_of(row), judged, self._policy, now=now)
        return _Look(
            dimension=dimension,
            upto=final[-1].at + STEP if final else upto,
            state=state,
            spike=spike,
            row_id=row.id if row is not None else None,
            events=events,
        )


class _Teller:
    """Writes what happened to spikes, and tells it in one alert an event."""

    def __init__(self, session: Session, brand: Brand, now: datetime) -> None:
        self._session = session
        self._brand = brand
        self._now = now
        self._touched: set[int] = set()  # alerts to settle at the end
        self._escalated: set[int] = set()

    def tell(self, look: _Look, explained: tuple[dict[str, Any], list[int]]) -> None:
        """Store the spike as it stands after the look, and attach it to its alert."""
        row_id = look.row_id
        for event in look.events:
            fresh = isinstance(event, Opened)
            row = None if fresh or row_id is None else self._session.get(SpikeRow, row_id)
            if row is None:
                row = SpikeRow(
                    brand_id=self._brand.id,
                    dimension=look.dimension,
                    opened_at=self._now,
                )
                self._session.add(row)
            _write(row, event.spike, explained, now=self._now)
            self._session.flush()
            row_id = row.id
            if row.alert_id is None and not isinstance(event, Resolved):
                self._attach(row)
            if row.alert_id is not None:
                self._touched.add(row.alert_id)
                if isinstance(event, Ongoing) and (event.escalated or event.reopened):
                    self._escalated.add(row.alert_id)

    def settle(self) -> None:
        """Queue escalations and ends of alerts, once for all that happened in this look."""
        for alert_id in sorted(self._touched):
            alert = self._session.get_one(AlertRow, alert_id)
            rows = spikes.of_alert(self._session, alert_id)
            open_rows = [row for row in rows if row.state == "open"]
            refs = {"alert_id": alert_id, "spike_ids": [row.id for row in rows]}
            alert.updated_at = self._now
            if open_rows:
                alert.severity = max(
                    [alert.severity, *map(severity, open_rows)], key=SEVERITIES.index
                )
                alert.state, alert.resolved_at = "open", None
                if alert_id in self._escalated:
                    # At most one an hour: people read the first message, not the tenth.
                    outbox.put_for_all(
                        self._session,
                        alert_id=alert_id,
                        event="alert.escalated",
                        event_key=f"{self._now:%Y%m%d%H}",
                        refs=refs,
                        now=self._now,
                    )
            elif alert.state == "open":
                alert.state = "resolved"
                alert.resolved_at = self._now
                outbox.put_for_all(
                    self._session,
                    alert_id=alert_id,
                    event="alert.resolved",
                    event_key=f"{self._now:%Y%m%d%H%M}",
                    refs=refs,
                    now=self._now,
                )
        self._session.flush()

    def _attach(self, row: SpikeRow) -> None:
        """Give a new spike its alert: that of the event going on, or a new one that is sent."""
        if self._brand.competitor or not is_alerting(row.dimension):
            return
        alert = spikes.alert_for(self._session, self._brand.id, onset_at=row.onset_at, within=GROUP)
        if alert is None:
            alert = AlertRow(
                brand_id=self._brand.id,
                state="open",
                severity=severity(row),
                opened_at=self._now,
                updated_at=self._now,
            )
            self._session.add(alert)
            self._session.flush()
            sent = outbox.put_for_all(
                self._session,
                alert_id=alert.id,
                event="alert.opened",
                refs={"alert_id": alert.id, "spike_ids": [row.id]},
                now=self._now,
            )
            log.info("alert opened", extra={"alert": alert.id, "brand": self._brand.id, "to": sent})
        row.alert_id = alert.id
        self._session.flush()


SEVERITIES = ("low", "medium", "high")


def is_alerting(dimension: str) -> bool:
    """Whether a spike in this series calls people."""
    return dimension in _ALERTING or dimension.endswith(":complaint")


def severity(row: SpikeRow) -> str:
    """How bad a spike is. High: once in 8 years or rarer (score 2), or 20 more than expected at
    five times the expectation; medium: 5 more than expected; else low.
    """
    excess = row.observed - row.expected
    if row.score >= 2 or (excess >= 20 and row.observed >= 5 * row.expected):
        return "high"
    return "medium" if excess >= 5 else "low"


def watch_coverage(
    session: Session, brand_id: int, start: datetime, now: datetime
) -> list[WatchCoverage]:
    """What the watches of a brand (and those of no brand) are known to have collected.

    A watch that never succeeded is left out: it has nothing to miss. One that was paused, deleted
    or silent for more than a day is waited for up to then only.
    """
    rows = session.scalars(
        select(WatchRow).where(
            (WatchRow.brand_id == brand_id) | WatchRow.brand_id.is_(None),
            WatchRow.covered_to.is_not(None),
        )
    ).all()
    known = coverage.intervals(session, [row.id for row in rows], start, now)
    found = []
    for row in rows:
        covered_to = row.covered_to
        if covered_to is None:
            continue
        every = timedelta(seconds=row.every_s)
        ended = row.deleted_at
        if not row.enabled or now - covered_to > max(DROP_OUT, 3 * every):
            ended = min(ended or covered_to, covered_to)
        found.append(
            WatchCoverage(
                watch_id=row.id,
                active_from=row.created_at,
                active_to=max(ended, row.created_at) if ended else None,
                intervals=known.get(row.id, []),
                late_after=max(2 * every, timedelta(minutes=15)),
            )
        )
    return found


def life_of(row: SpikeRow | None) -> SpikeLife | None:
    """The spike's life as it was stored with its row."""
    if row is None or not row.detail:
        return None
    values = dict(row.detail)
    for name in ("onset_at", "opened_at", "resolved_at", "peak_at", "counted_to"):
        if values.get(name):
            values[name] = datetime.fromisoformat(values[name])
    return SpikeLife(**values)


def _write(
    row: SpikeRow, spike: SpikeLife, explained: tuple[dict[str, Any], list[int]], *, now: datetime
) -> None:
    explanation, mention_ids = explained
    row.state = "open" if spike.is_open else "resolved"
    row.onset_at = spike.onset_at
    row.updated_at = now
    row.resolved_at = spike.resolved_at
    row.expected = spike.total_expected
    row.observed = spike.total_observed
    row.score = spike.peak_score
    row.detail = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(spike).items()
    }
    if explanation:
        row.explanation = explanation
        row.mention_ids = mention_ids


def _fill(frame: Sequence[SeriesBucket], counts: Mapping[datetime, int]) -> list[SeriesBucket]:
    """The brand's frame of coverage with the counts of one series in it."""
    filled = []
    for item in frame:
        bucket = item.bucket
        if bucket.coverage is not Coverage.UNKNOWN and bucket.at in counts:
            item = replace(item, bucket=Bucket(bucket.at, counts[bucket.at], bucket.coverage))
        filled.append(item)
    return filled
