"""The watchdog: buckets with their coverage to verdicts, verdicts to spikes, spikes to alerts.

It sees (``seeing.py``), judges with the pure parts of ``detect/`` (``judging.py``), and writes
detectors, spikes, alerts and outbox of a brand in one transaction. Looking again with nothing new
changes nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from listener.detect import shares
from listener.detect.calendar import Calendar, holidays_of
from listener.detect.catalogue import SeriesKey
from listener.detect.lifecycle import Event, Ongoing, Resolved, SpikeLife
from listener.detect.policy import policy_of
from listener.detect.series import floor_to_step
from listener.detect.spike import VERSION
from listener.errors import StorageError
from listener.pipeline.beginnings import back_fills_of, of_source
from listener.pipeline.calling import hours_of
from listener.pipeline.causes import explain_spike
from listener.pipeline.judging import Look, Past, ended, judge
from listener.pipeline.seeing import View, see, tallies_of
from listener.pipeline.signals import Signals, SignalSpike
from listener.pipeline.telling import Explained, Series, Teller
from listener.settings import Settings
from listener.store import brands, pulses, rules, spikes
from listener.store.killpoints import reach
from listener.store.pulses import Pulse
from listener.store.spikes import SeriesId
from listener.store.tables import SpikeRow
from listener.store.work import Database
from listener.types import Brand, By, Sensitivity

log = logging.getLogger(__name__)

REBUILD_SHARE = 0.1  # of the time may go into taking in what came late to one brand
TOLD_GROWTH = 1.1  # a spike that goes on is explained anew when it has grown by this factor
CALM = max(
    policy_of(one).cooldown + policy_of(one).max_lateness for one in Sensitivity
)  # a spike that ended longer ago begins no more


@dataclass(frozen=True, slots=True)
class _Found:
    """How many spikes opened, changed or ended in a look; ``is_all`` False = look again, whatever
    happens.
    """

    changed: int = 0
    is_all: bool = False


class Watchdog:
    """Looks after all brands. Keeps nothing that matters in memory."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._tz = ZoneInfo(settings.timezone)
        self._holidays: Mapping[date, str] = (
            holidays_of(settings.holidays) if settings.holidays else {}
        )
        self._hours = hours_of(settings)
        self._signals = Signals(settings)
        policies = [policy_of(one) for one in Sensitivity]
        setup = f"{policies!r} {self._tz} {settings.holidays} {settings.count_flagged}"
        setup = blake2b(setup.encode(), digest_size=5).hexdigest()
        self._version = f"d{VERSION}.{shares.VERSION}-{setup}"
        self._has_rules = False
        self._beat: dict[int, Pulse] = {}  # brand -> as it was when it was looked at
        self._covered_upto = 0
        self._seen: dict[int, View] = {}  # brand -> its last look: what looks the same is skipped
        self._went_back: dict[int, tuple[datetime, float]] = {}  # when, and the seconds it took
        self._told: dict[tuple[int, SeriesId], tuple[datetime, float]] = {}  # onset, observed

    def look(self, *, now: datetime) -> int:
        """Look at every brand; returns how many spikes opened, changed or ended.

        A brand that cannot be looked at is logged and does not keep the others waiting. Raises
        StorageError.
        """
        self._give_rules(now)
        with self._database.read() as session:
            beats = self._beats(session, now)
            concerned = any(beat != self._beat.get(id_) for id_, beat in beats.items())
            all_brands: list[Brand] = []
            if concerned:  # archived brands are looked at until nothing of them is open any more
                all_brands = [*brands.listing(session), *brands.left_open(session)]
        changed = 0
        for brand in all_brands:
            beat = beats.get(brand.id)
            if beat is None or beat != self._beat.get(brand.id):
                changed += self._look_safely(brand, now, beat)
        return changed

    def _beats(self, session: Session, now: datetime) -> dict[int, Pulse]:
        """What tells that a look at a brand can show nothing new: all that it reads is as it was,
        and no bucket ended. At the end of each bucket everything is looked at.
        """
        upto = pulses.last_coverage(session)
        covered = pulses.covered_since(session, self._covered_upto) if self._beat else set()
        beats: dict[int, Pulse] = {}
        for brand_id, pulse in pulses.pulses(session).items():
            if brand_id in covered or None in covered:
                self._beat.pop(brand_id, None)
            beats[brand_id] = (floor_to_step(now), *pulse)
        self._covered_upto = upto
        return beats

    def _give_rules(self, now: datetime) -> None:
        """Brands from before there were rules get theirs, once."""
        if self._has_rules:
            return
        with self._database.read() as session:
            lacking = rules.lacks_defaults(session)
        if lacking:
            with self._database.write() as work:
                rules.add_missing_defaults(work.session, now=now)
                work.commit()
        self._has_rules = True

    def _look_safely(self, brand: Brand, now: datetime, beat: Pulse | None) -> int:
        try:
            found = self._look_at(brand, now)
        except StorageError:
            raise
        except Exception:
            # Each look is a job of its own: a bug that one brand's data bring out must not make
            # the others deaf.
            log.exception("brand %s could not be looked at", brand.id)
            return 0
        if found.is_all and beat is not None:
            self._beat[brand.id] = beat
        else:
            self._beat.pop(brand.id, None)
        return found.changed

    def _look_at(self, brand: Brand, now: datetime) -> _Found:
        with self._database.read() as session:
            view = see(
                session,
                brand,
                version=self._version,
                may_go_back=self._may_go_back(brand.id, now),
                count_flagged=self._settings.count_flagged,
                now=now,
            )
            if view is None:
                return _Found()
            marker = spikes.marker(session, brand.id)
            looks = self._judge(session, brand, view, now)
            looks += self._unwatched(session, brand, view, now)
            single = self._signals.look(session, brand, view.rules, now=now)
        reach("watchdog-judged")
        if view.unwatched or single or any(one.events or one.state is not None for one in looks):
            explained = self._explain(brand, looks, now)
            if not self._write(brand, view, marker, looks, single, explained, now):
                return _Found()
        self._seen[brand.id] = view
        changed = sum(len(one.events) for one in looks) + sum(len(one.events) for one in single)
        waits = any(one.stored and one.late_from for one in view.starts.values())
        return _Found(changed, is_all=not waits)

    def _may_go_back(self, brand_id: int, now: datetime) -> bool:
        """Whether what came late is taken in by this look, or waits for another."""
        at, took = self._went_back.get(brand_id, (None, 0.0))
        return at is None or (now - at).total_seconds() >= took / REBUILD_SHARE

    # --- judging -------------------------------------------------------------------------------

    def _judge(self, session: Session, brand: Brand, view: View, now: datetime) -> list[Look]:
        """Step every series of a brand in which something is new. Nothing is written."""
        seen = self._seen.get(brand.id)
        keys = [key for key in view.starts if not view.shows_alike(key, seen)]
        if not keys:
            return []
        began = time.perf_counter()
        rows = spikes.latest(session, brand.id, since=now - CALM)
        stored = [key for key in keys if view.starts[key].stored or view.starts[key].state]
        kept = spikes.kept(session, brand.id, stored)
        back_fills = back_fills_of(session, brand.id, now)
        calendar = Calendar(self._holidays, view.planned, self._tz)
        looks = []
        for key in keys:
            row = rows.get(key)
            past = Past(
                kept=kept.get(key),
                life=life_of(row),
                row_id=row.id if row is not None else None,
            )
            begun = of_source(back_fills, view.sources[key])
            looks.append(judge(view, key, past, calendar=calendar, back_fills=begun, now=now))
        if any((head := view.stored.get(key)) and head.late_from for key in keys):
            self._went_back[brand.id] = now, time.perf_counter() - began
        return looks

    def _unwatched(self, session: Session, brand: Brand, view: View, now: datetime) -> list[Look]:
        """The ends of spikes that no rule listens to any more."""
        looks = []
        for (dimension, by, how), row in spikes.latest(session, brand.id, since=now).items():
            key = SeriesKey(dimension, By(by), Sensitivity(how))
            life = life_of(row)
            single = dimension.partition(":")[0] in _SINGLE
            if single or key in view.watched or life is None or not life.is_open:
                continue
            over = ended(life, why="unwatched", now=now)
            looks.append(
                Look(
                    key=key,
                    rules=(),
                    scope=row.scope,
                    upto=now,
                    state=None,
                    earlier=None,
                    late_from=None,
                    spike=over,
                    row_id=row.id,
                    events=[Resolved(over)],
                )
            )
        return looks

    # --- telling -------------------------------------------------------------------------------

    def _explain(
        self, brand: Brand, looks: Sequence[Look], now: datetime
    ) -> dict[SeriesId, Explained]:
        """Causes of the spikes that have news, by series."""
        explained: dict[SeriesId, Explained] = {}
        for look in looks:
            if look.spike is None or not self._needs_words(brand, look.key, look.events):
                continue
            with self._database.read() as session:
                causes, mention_ids = explain_spike(
                    session,
                    brand.id,
                    look.key.dimension,
                    look.spike,
                    now=now,
                    by=look.key.by,
                    sensitivity=look.key.sensitivity,
                    scope=look.scope,
                    settings=self._settings,
                )
            if look.spike.ended:
                causes = {**causes, "ended": look.spike.ended}
            explained[look.key] = causes, mention_ids
            told = look.spike.onset_at, look.spike.total_observed
            self._told[brand.id, look.key] = told
        return explained

    def _needs_words(self, brand: Brand, key: SeriesId, events: Sequence[Event]) -> bool:
        if not events:
            return False
        for event in events:
            if not isinstance(event, Ongoing) or event.escalated or event.reopened:
                return True
        spike = events[-1].spike
        onset_at, observed = self._told.get((brand.id, key), (None, 0.0))
        return onset_at != spike.onset_at or spike.total_observed >= observed * TOLD_GROWTH

    # --- writing -------------------------------------------------------------------------------

    def _write(
        self,
        brand: Brand,
        view: View,
        marker: object,
        looks: Sequence[Look],
        single: Sequence[SignalSpike],
        explained: Mapping[SeriesId, Explained],
        now: datetime,
    ) -> bool:
        """Keep what the look gave; False if another watchdog was here meanwhile."""
        with self._database.write() as work:
            session = work.session
            spikes.lock(session, [brand.id])
            heads = spikes.heads(session, brand.id)
            if (
                {key: head.upto for key, head in heads.items()}
                != {key: head.upto for key, head in view.stored.items()}
            ) or spikes.marker(session, brand.id) != marker:
                log.info("brand %s was looked at by another watchdog", brand.id)
                return False
            self._save(session, brand, view, looks, heads, now)
            spikes.forget_detectors(session, brand.id, view.unwatched)
            teller = Teller(session, brand, now, self._hours)
            for look in looks:
                if look.events:
                    causes = explained.get(look.key, ({}, []))
                    teller.tell(_series_of(look), look.events, causes)
            for one in single:
                teller.tell(_single_series(one), one.events, _facts_of(one))
            teller.settle()
            reach("watchdog-before-commit")
            work.commit()
        reach("watchdog-committed")
        return True

    def _save(
        self,
        session: Session,
        brand: Brand,
        view: View,
        looks: Sequence[Look],
        heads: Mapping[SeriesId, spikes.Head],
        now: datetime,
    ) -> None:
        """Keep where the detectors stand; with a note, where buckets changed that they passed."""
        moved = [look for look in looks if look.state is not None]
        if not moved:
            return
        counted = view.tallies
        if pulses.counted(session, brand.id) != view.counted:  # the rollup was here meanwhile
            counted = tallies_of(
                session,
                brand.id,
                _only(view, {look.key for look in moved}),
                until=max(look.upto for look in moved),
                count_flagged=self._settings.count_flagged,
            )
        saved = []
        for look in moved:
            assert look.state is not None  # noqa: S101 - tells mypy what ``moved`` guarantees
            was, head = view.stored.get(look.key), heads.get(look.key)
            marks = [
                look.late_from,
                _differs(view.tallies.get(look.key), counted.get(look.key), look.upto),
            ]
            if head is not None and (was is None or head.late_from != was.late_from):
                marks.append(head.late_from)  # the rollup was here since
            late_from = min((at for at in marks if at is not None), default=None)
            saved.append(
                spikes.Moved(
                    key=look.key,
                    upto=look.upto,
                    version=self._version,
                    state=look.state,
                    earlier=look.earlier,
                    late_from=late_from if late_from and late_from < look.upto else None,
                )
            )
        spikes.save_detectors(session, brand.id, saved)


_SINGLE = ("new", "viral", "spread")  # dimensions of single things, which signals.py looks after


def life_of(row: SpikeRow | None) -> SpikeLife | None:
    """The spike's life as it was stored with its row."""
    return None if row is None or not row.detail else SpikeLife.load(row.detail)


def _only(view: View, keys: Collection[SeriesKey]) -> View:
    return replace(view, starts={key: one for key, one in view.starts.items() if key in keys})


def _differs(
    before: Mapping[datetime, Any] | None, after: Mapping[datetime, Any] | None, until: datetime
) -> datetime | None:
    """The first bucket that begins before ``until`` and holds another number now."""
    was, now = before or {}, after or {}
    return min(
        (at for at in was.keys() | now.keys() if at < until and was.get(at) != now.get(at)),
        default=None,
    )


def _series_of(look: Look) -> Series:
    key = look.key
    return Series(
        dimension=key.dimension,
        by=key.by,
        sensitivity=key.sensitivity,
        row_id=look.row_id,
        rules=look.rules,
        scope=look.scope,
    )


def _single_series(one: SignalSpike) -> Series:
    return Series(
        dimension=one.dimension,
        by=one.by,
        sensitivity=one.sensitivity,
        row_id=one.row_id,
        rules=one.rules,
        scope=one.scope,
        severity=one.severity,
    )


def _facts_of(one: SignalSpike) -> Explained:
    return {"signal": dict(one.facts)}, list(one.mention_ids)
