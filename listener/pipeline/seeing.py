"""What there is to see of a brand in one look of the watchdog: rules, series, coverage and counts.

Read only. What is covered is read before the marks of stale buckets, and these before the counts:
what is covered was marked before, and what is not marked any more is in the counts, even where each
statement sees a later state of the database.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from listener.detect.catalogue import SeriesKey, source_of, watched_by
from listener.detect.series import STEP, SeriesBucket, build_series, floor_to_step
from listener.pipeline.tallies import Tally, tallies
from listener.rules import EACH, facets_of
from listener.store import buckets, coverage, generations, planned, pulses, rules, spikes
from listener.store.spikes import Head, SeriesId
from listener.types import Brand, PlannedEvent, Rule, WatchCoverage

HISTORY = timedelta(days=60)  # as long as 5-minute buckets are kept
RECOUNT = timedelta(hours=1)  # after a switch all buckets are counted anew within that time


class Start(NamedTuple):
    """Where a detector goes on from. ``state`` None = anew, or with ``stored`` as it is stored."""

    upto: datetime
    state: Mapping[str, Any] | None = None
    stored: bool = False
    late_from: datetime | None = None  # what came late from there on is left for another look


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What there is to see of a brand.

    ``watched`` are the series that its rules listen to, each with these rules; ``stored`` is where
    all detectors stand, ``starts`` where those that can be judged go on from. ``sources`` tells the
    one source that a series is about, None = any, and ``frames`` what is covered of it; ``tallies``
    are what was counted in each series. Nothing of that begins before ``start``.
    """

    rules: Sequence[Rule]
    watched: Mapping[SeriesKey, tuple[Rule, ...]]
    sources: Mapping[SeriesKey, str | None]
    stored: Mapping[SeriesId, Head]
    starts: Mapping[SeriesKey, Start]
    planned: Sequence[PlannedEvent]
    start: datetime
    frames: Mapping[str | None, Sequence[SeriesBucket]]
    tallies: Mapping[SeriesKey, Tally]
    counted: int  # how often buckets of the brand had been counted anew before these were read

    @property
    def unwatched(self) -> list[SeriesId]:
        """Series that have a detector, and that no rule listens to any more."""
        return sorted(self.stored.keys() - self.watched.keys())

    def frame_of(self, key: SeriesKey) -> Sequence[SeriesBucket]:
        """What is covered of a series that can be judged."""
        return self.frames[self.sources[key]]

    def shows_alike(self, key: SeriesKey, other: View | None) -> bool:
        """Whether a look at the other left nothing to find in this series."""
        return (
            other is not None
            and (self.start, self.planned) == (other.start, other.planned)
            and (self.starts.get(key), self.stored.get(key), self.watched.get(key))
            == (other.starts.get(key), other.stored.get(key), other.watched.get(key))
            and self.tallies.get(key) == other.tallies.get(key)
            and self.frame_of(key) == other.frame_of(key)
        )


def see(
    session: Session,
    brand: Brand,
    *,
    version: str,
    may_go_back: bool,
    count_flagged: bool,
    now: datetime,
) -> View | None:
    """All that the brand's detectors have not passed yet; None while its past is being counted anew
    after a switch to other models: what half of that shows is no spike.

    ``version`` is that of states that are of use. Without ``may_go_back`` those that passed what
    came late go on as they are once more.
    """
    counted = pulses.counted(session, brand.id)
    switched = generations.switches(session, since=now - RECOUNT, limit=1)
    if switched:
        if _is_being_recounted(session, brand.id, switched[0].at):
            return None
        may_go_back = True
    enabled = rules.listening(session, brand.id)
    each = any(value == EACH for rule in enabled for _, value in facets_of(rule.scope))
    known = buckets.dimensions(session, brand.id) if each else ()
    watched = watched_by(enabled, known)
    sources = {key: source_of(key.dimension, of[0]) for key, of in watched.items()}
    stored = spikes.heads(session, brand.id)
    earliest = floor_to_step(now - HISTORY)
    starts = {key: _start(stored.get(key), version) for key in watched}
    back = [key for key, one in starts.items() if one is not None and one.late_from and may_go_back]
    starts |= _earlier(session, brand.id, {key: starts[key] for key in back})
    if any(one is None or one.upto < earliest for one in starts.values()):
        first = buckets.first(session, brand.id, earliest)
        collected = _collected(session, brand.id, set(sources.values()), now)
        starts = {
            key: one
            if one is not None and one.upto >= earliest
            else (Start(first) if first is not None and sources[key] in collected else None)
            for key, one in starts.items()
        }
    going = {key: one for key, one in starts.items() if one is not None}
    start = min((one.upto for one in going.values()), default=floor_to_step(now))
    watches: dict[str | None, list[WatchCoverage]] = {}
    if going:
        of_all = coverage.of_brand(session, brand.id, start, now=now)
        for source in {sources[key] for key in going}:
            watches[source] = coverage.of_source(session, brand.id, of_all, source)
    going = {key: one for key, one in going.items() if watches[sources[key]]}
    view = View(
        rules=enabled,
        watched=watched,
        sources=sources,
        stored=stored,
        starts=going,
        planned=planned.of_brand(session, brand.id, start - HISTORY, now + STEP),
        start=start,
        frames={},
        tallies={},
        counted=counted,
    )
    if not going:
        return view
    dirty = buckets.first_dirty(session, brand.id)
    found = tallies_of(session, brand.id, view, until=now, count_flagged=count_flagged)
    return replace(view, frames=_frames(view, watches, dirty, now), tallies=found)


def tallies_of(
    session: Session, brand_id: int, view: View, *, until: datetime, count_flagged: bool
) -> dict[SeriesKey, Tally]:
    """What is counted of each series from where its detector stands."""
    found: dict[SeriesKey, Tally] = {}
    by_start: dict[datetime, list[SeriesKey]] = {}
    for key, start in view.starts.items():
        by_start.setdefault(start.upto, []).append(key)
    for at, keys in sorted(by_start.items()):
        of_start = {key: view.watched[key] for key in keys}
        found |= tallies(session, brand_id, of_start, at, until, count_flagged=count_flagged)
    return found


def _collected(
    session: Session, brand_id: int, sources: Collection[str | None], now: datetime
) -> set[str | None]:
    """Those of which something is known to have been collected; None = of any."""
    of_all = coverage.of_brand(session, brand_id, now, now=now)
    return {one for one in sources if coverage.of_source(session, brand_id, of_all, one)}


def _frames(
    view: View,
    watches: Mapping[str | None, Sequence[WatchCoverage]],
    dirty: datetime | None,
    now: datetime,
) -> dict[str | None, Sequence[SeriesBucket]]:
    """What is covered, from where the first detector of each source stands; one that is brought by
    the same watches as another is worked out once.
    """
    starts: dict[str | None, datetime] = {}
    for key, one in view.starts.items():
        source = view.sources[key]
        starts[source] = min(one.upto, starts.get(source, one.upto))
    made: list[tuple[Sequence[WatchCoverage], datetime, list[SeriesBucket]]] = []
    frames: dict[str | None, Sequence[SeriesBucket]] = {}
    for source, start in starts.items():
        own = watches[source]
        frame = next((f for like, at, f in made if at == start and like == own), None)
        if frame is None:
            frame = build_series({}, own, start=start, end=now, now=now)
            if dirty is not None:
                frame = [
                    replace(item, final=False) if item.final and item.bucket.at >= dirty else item
                    for item in frame
                ]
            made.append((own, start, frame))
        frames[source] = frame
    return frames


def _start(head: Head | None, version: str) -> Start | None:
    """Where the detector goes on from; None = it has to begin anew."""
    if head is None or head.version != version:
        return None
    return Start(head.upto, stored=True, late_from=head.late_from)


def _earlier(
    session: Session, brand_id: int, late: Mapping[SeriesKey, Start | None]
) -> dict[SeriesKey, Start | None]:
    """Where detectors that passed what came late go back to; None = they have to begin anew."""
    if not late:
        return {}
    kept = spikes.kept(session, brand_id, late.keys())
    found: dict[SeriesKey, Start | None] = {}
    for key, start in late.items():
        late_from = start.late_from if start is not None else None
        states = kept[key].earlier if key in kept else ()
        fitting = [Start(at, state) for at, state in states if late_from and at <= late_from]
        found[key] = fitting[-1] if fitting else None
    return found


def _is_being_recounted(session: Session, brand_id: int, switched_at: datetime) -> bool:
    """Whether buckets from before a switch to other models are still to be counted anew."""
    dirty = buckets.first_dirty(session, brand_id)
    return dirty is not None and dirty < switched_at - STEP
