"""From what there is to see of a brand to what each series makes of it. Writes nothing.

Detectors are kept in the database: the state after the last bucket that nothing but late items can
change, and up to two earlier ones, a day apart, to which what comes late goes back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from listener.detect.calendar import Calendar
from listener.detect.catalogue import SeriesKey, filter_of
from listener.detect.follow import AnyDetector, fill, follow
from listener.detect.lifecycle import Event, SpikeLife
from listener.detect.policy import policy_of
from listener.detect.series import SeriesBucket
from listener.detect.shares import ShareDetector
from listener.detect.spike import Detector
from listener.pipeline.seeing import Start, View
from listener.pipeline.tallies import is_share
from listener.store.spikes import Kept
from listener.types import Interval, Rule

GO_BACK = timedelta(days=1)  # between two states that are kept
SETTLED = timedelta(hours=26)  # a new detector's first state to go back to is that old

States = Sequence[tuple[datetime, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one series gave in one look. ``state`` None = the detector did not move; ``earlier``
    None = those that are kept stay.
    """

    key: SeriesKey
    rules: tuple[Rule, ...]
    scope: Mapping[str, str]  # the filter that selects its mentions
    upto: datetime
    state: Mapping[str, Any] | None
    earlier: States | None
    late_from: datetime | None  # what came late from there on is still to be taken in
    spike: SpikeLife | None
    row_id: int | None  # the spike row that ``spike`` is kept in
    events: Sequence[Event]


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What is known of a series besides its buckets."""

    kept: Kept | None
    life: SpikeLife | None
    row_id: int | None


def judge(
    view: View,
    key: SeriesKey,
    past: Past,
    *,
    calendar: Calendar,
    back_fills: Sequence[Interval],
    now: datetime,
) -> Look:
    """Step one series over what is new."""
    start, rules = view.starts[key], view.watched[key]
    policy = policy_of(key.sensitivity)
    kept = past.kept.state if start.stored and past.kept is not None else start.state
    kind = ShareDetector if is_share(key, rules) else Detector
    detector: AnyDetector | None = None
    if kept is not None:
        detector = kind.load(kept, policy, calendar.tz, calendar)
    upto = start.upto
    if detector is None:
        detector, kept = kind(policy, calendar.tz, calendar), None
    series: Sequence[SeriesBucket] = fill(
        view.frame_of(key), view.tallies.get(key, {}), upto, shares=kind is ShareDetector
    )
    earlier: States = ()
    if kept is None:
        series, upto, earlier = _learn(detector, series, upto, past.life, now)
    found = follow(
        detector,
        series,
        past.life,
        policy,
        upto=upto,
        back_fills=back_fills,
        now=now,
    )
    moved = found.moved or bool(earlier)
    return Look(
        key=key,
        rules=rules,
        scope=filter_of(key.dimension, rules[0]),
        upto=found.upto,
        state=detector.dump() if moved else None,
        earlier=_earlier(start, past.kept, kept, earlier, found.upto) if moved else None,
        late_from=start.late_from if start.stored else None,
        spike=found.spike,
        row_id=past.row_id,
        events=found.events,
    )


def ended(spike: SpikeLife, *, why: str, now: datetime) -> SpikeLife:
    """A spike that is over for another reason than calm."""
    return replace(spike, resolved_at=now, ended=why)


def _learn(
    detector: AnyDetector,
    series: Sequence[SeriesBucket],
    upto: datetime,
    life: SpikeLife | None,
    now: datetime,
) -> tuple[Sequence[SeriesBucket], datetime, States]:
    """Step a new detector over the long past, which can neither open nor end a spike; gives what is
    left, and the state to go back to.
    """
    until = now - SETTLED
    if life is not None and life.is_open:
        until = min(until, life.risen_at - SETTLED)
    passed = 0
    for item in series:
        bucket = item.bucket
        if not item.final or bucket.at >= until:
            break
        learner: Any = detector
        learner.judge(bucket.at, bucket.count, bucket.coverage)
        passed += 1
    if not passed:
        return series, upto, ()
    left = series[passed:]
    upto = left[0].bucket.at if left else until
    return left, upto, ((upto, detector.dump()),)


def _earlier(
    start: Start, kept: Kept | None, state: Mapping[str, Any] | None, learnt: States, upto: datetime
) -> States | None:
    """The states to go back to from now on; None = those that are kept already."""
    if state is None:
        return learnt
    had = list(kept.earlier) if kept is not None else []
    fitting = [one for one in had if one[0] <= start.upto]
    if not fitting or start.upto - fitting[-1][0] >= GO_BACK:
        fitting = [*fitting[-1:], (start.upto, state)]
    return None if fitting == had else fitting
