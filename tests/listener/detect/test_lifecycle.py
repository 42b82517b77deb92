"""The life of a spike: opened once, kept through gaps, resolved by calm, silent on old news."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from listener.detect.lifecycle import Judged, Ongoing, Opened, Resolved, SpikeLife, advance
from listener.detect.policy import Policy
from listener.detect.series import build_series, split_final
from listener.detect.spike import Detector
from listener.types import Bucket, Coverage, Verdict, WatchCoverage

T = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
STEP = timedelta(minutes=5)
POLICY = Policy()
Make = Callable[..., list[Bucket]]


def verdict(i: int, *, hot: bool = True, excess: float = 10.0, score: float = 2.0) -> Verdict:
    return Verdict(
        at=T + i * STEP,
        count=12 if hot else 2,
        expected=2.0,
        score=score if hot else -1.0,
        is_spike=hot,
        window=timedelta(hours=1),
        observed=24.0 + excess,
        window_expected=24.0,
        onset_at=T if hot else None,
    )


def final(*verdicts: Verdict) -> list[Judged]:
    return [Judged(v) for v in verdicts]


def now(i: int) -> datetime:
    return T + i * STEP


def opened(i: int = 0) -> SpikeLife:
    spike, events = advance(None, final(verdict(i)), POLICY, now=now(i + 1))
    assert spike is not None
    assert events == [Opened(spike)]
    return spike


def test_opens_once_and_goes_on() -> None:
    spike = opened()
    assert (spike.onset_at, spike.opened_at) == (T, T)
    after, events = advance(spike, final(verdict(1, score=3.0), verdict(2)), POLICY, now=now(3))
    assert events == [Ongoing(after)]  # type: ignore[arg-type]
    assert after is not None
    assert (after.peak_at, after.peak_score) == (T + STEP, 3.0)
    # The window it opened with, then two buckets.
    assert (after.total_observed, after.total_expected) == (34 + 24, 24 + 4)


def test_no_spike_no_event() -> None:
    assert advance(None, final(verdict(0, hot=False)), POLICY, now=now(1)) == (None, [])
    assert advance(None, [], POLICY, now=now(1)) == (None, [])


def test_resolved_on_a_complete_final_bucket_only() -> None:
    spike = opened()
    calm = verdict(1, hot=False)
    for item in (Judged(calm, Coverage.PARTIAL), Judged(calm, Coverage.COMPLETE, final=False)):
        after, events = advance(spike, [item], POLICY, now=now(2))
        assert after is not None
        assert after.is_open
        assert not any(isinstance(e, Resolved) for e in events)
    after, events = advance(spike, [Judged(calm)], POLICY, now=now(2))
    assert after is not None
    assert after.resolved_at == T + 2 * STEP
    assert isinstance(events[-1], Resolved)
    assert events[-1].at == after.resolved_at


def test_growing_twofold_is_an_escalation_told_once() -> None:
    spike = opened()
    after, events = advance(spike, final(verdict(1, excess=19)), POLICY, now=now(2))
    assert [e.escalated for e in events if isinstance(e, Ongoing)] == [False]
    after, events = advance(after, final(verdict(2, excess=20)), POLICY, now=now(3))
    assert [e.escalated for e in events if isinstance(e, Ongoing)] == [True]
    after, events = advance(after, final(verdict(3, excess=39)), POLICY, now=now(4))
    assert [e.escalated for e in events if isinstance(e, Ongoing)] == [False]


def test_old_news_opens_nothing() -> None:
    late = now(1) + timedelta(hours=6)
    assert advance(None, final(verdict(0)), POLICY, now=late)[1] != []
    assert advance(None, final(verdict(0)), POLICY, now=late + STEP) == (None, [])


def test_a_surge_that_still_lasts_after_an_outage_opens() -> None:
    wave = final(*(verdict(i) for i in range(200)))
    spike, events = advance(None, wave, POLICY, now=now(200))
    assert spike is not None
    assert events == [Opened(spike)]
    assert spike.opened_at == T + (200 - 72 - 1) * STEP


def test_the_tail_of_an_old_wave_does_not_open() -> None:
    """The detector still says spike while calm is awaited; below the threshold that is no news."""
    tail = final(*(verdict(i, score=-1.0) for i in range(200)))
    assert advance(None, tail, POLICY, now=now(200)) == (None, [])


def test_within_the_cooldown_the_old_spike_goes_on() -> None:
    spike, _ = advance(opened(), final(verdict(1, hot=False)), POLICY, now=now(2))
    again, events = advance(spike, final(verdict(30)), POLICY, now=now(31))
    assert again is not None
    assert events == [Ongoing(again, reopened=True)]
    assert (again.opened_at, again.resolved_at) == (T, None)
    other, events = advance(spike, final(verdict(2 + 288)), POLICY, now=now(291))
    assert other is not None
    assert events == [Opened(other)]
    assert other.opened_at == T + 290 * STEP


def test_resolved_and_opened_in_one_call() -> None:
    items = final(verdict(0), verdict(1, hot=False), verdict(400))
    spike, events = advance(None, items, Policy(max_lateness=timedelta(days=3)), now=now(401))
    assert [type(e) for e in events] == [Opened, Resolved, Opened]
    assert events[-1] == Opened(spike)  # type: ignore[arg-type]


def test_provisional_verdicts_may_come_again() -> None:
    """Each tick judges the open end anew: one Opened, and totals that do not grow by repetition."""
    provisional = Judged(verdict(5), Coverage.PARTIAL, final=False)
    spike, events = advance(None, [provisional], POLICY, now=now(5))
    assert [type(e) for e in events] == [Opened]
    for _ in range(3):
        calm_before = [Judged(verdict(i, hot=False)) for i in range(5)]
        spike, events = advance(spike, [*calm_before, provisional], POLICY, now=now(6))
        assert [type(e) for e in events] == [Ongoing]
    assert spike is not None
    assert (spike.total_observed, spike.observed) == (34, 0)
    spike, _ = advance(spike, final(verdict(5), verdict(6)), POLICY, now=now(7))
    assert spike is not None
    assert (spike.total_observed, spike.observed) == (46, 46)


def test_a_provisional_reopening_is_not_undone_by_what_came_before() -> None:
    spike, _ = advance(opened(), final(verdict(1, hot=False)), POLICY, now=now(2))
    rise = Judged(verdict(30), Coverage.PARTIAL, final=False)
    spike, _ = advance(spike, [rise], POLICY, now=now(31))
    before = [Judged(verdict(29, hot=False))]
    spike, events = advance(spike, [*before, rise], POLICY, now=now(32))
    assert spike is not None
    assert spike.is_open
    assert [type(e) for e in events] == [Ongoing]


def test_dump_and_load() -> None:
    spike, _ = advance(opened(), final(verdict(1, hot=False)), POLICY, now=now(2))
    assert spike is not None
    assert SpikeLife.load(json.loads(json.dumps(spike.dump()))) == spike


def collect(
    buckets: list[Bucket], covered: list[tuple[datetime, datetime]], *, ticks: list[datetime]
) -> list[object]:
    """Run series, detector and life as the service does, tick by tick; returns all events."""
    counts = {b.at: b.count for b in buckets if b.count}
    start = buckets[0].at
    detector, spike, events = Detector(POLICY), None, []
    for tick in ticks:
        known = [(a, min(b, tick)) for a, b in covered if a < tick]
        watch = WatchCoverage(watch_id=1, active_from=start, intervals=known)
        begin = detector.last_at + STEP if detector.last_at else start
        series = build_series(counts, [watch], start=begin, end=tick, now=tick)
        ready, rest = split_final(series)
        judged = [Judged(detector.step(b), b.coverage) for b in ready]
        twin = detector.copy()
        judged += [Judged(twin.step(b), b.coverage, final=False) for b in rest]
        spike, new = advance(spike, judged, POLICY, now=tick)
        events += new
    return events


def test_a_wave_fires_once_and_resolves(series: Make) -> None:
    buckets = series(8, 3.0, waves=[(5 * 288, 48, 12.0)])
    start, end = buckets[0].at, buckets[-1].at + STEP
    ticks = [start + timedelta(minutes=10 * i) for i in range(1, 8 * 144)]
    events = collect(buckets, [(start, end)], ticks=ticks)
    assert [type(e) for e in events if not isinstance(e, Ongoing)] == [Opened, Resolved]


def test_an_outage_and_its_catch_up_do_not_fire(series: Make) -> None:
    """A wave lies wholly inside a nine-hour outage; afterwards everything is collected at once."""
    wave = 5 * 288
    buckets = series(7, 3.0, waves=[(wave, 12, 15.0)])
    start, end = buckets[0].at, buckets[-1].at + STEP
    down, up = start + (wave - 12) * STEP, start + (wave + 96) * STEP
    ticks = [down, *(up + timedelta(minutes=10 * i) for i in range(200))]
    assert collect(buckets, [(start, end)], ticks=ticks) == []
    # The same without the outage does fire: the silence is due to lateness, not to a weak wave.
    ticks = [start + timedelta(minutes=10 * i) for i in range(1, 7 * 144)]
    assert isinstance(collect(buckets, [(start, end)], ticks=ticks)[0], Opened)


def test_an_outage_never_caught_up_does_not_fire_either(series: Make) -> None:
    buckets = series(7, 3.0)
    start, end = buckets[0].at, buckets[-1].at + STEP
    down, up = start + 5 * 288 * STEP, start + (5 * 288 + 108) * STEP
    ticks = [start + timedelta(minutes=10 * i) for i in range(1, 7 * 144)]
    assert collect(buckets, [(start, down), (up, end)], ticks=ticks) == []


def unheard(i: int) -> Judged:
    return Judged(verdict(i), Coverage.UNKNOWN)


def test_nothing_collected_for_a_day_ends_it() -> None:
    spike = opened()
    day = 288
    after, events = advance(spike, map(unheard, range(1, day)), POLICY, now=now(day))
    assert (after, events) == (spike, []), "not yet"
    after, events = advance(spike, map(unheard, range(1, day + 1)), POLICY, now=now(day + 1))
    assert after is not None
    assert (after.ended, after.resolved_at) == ("silent", T + (day + 1) * STEP)
    assert [type(event) for event in events] == [Ongoing, Resolved]
    again, events = advance(after, final(verdict(day + 2)), POLICY, now=now(day + 3))
    assert again is not None
    assert (again.is_open, again.ended) == (True, ""), "heard of again, it goes on"


def test_a_slow_burn_is_a_trend_until_a_short_window_shows_it() -> None:
    slow = replace(verdict(0), window=timedelta(hours=24))
    spike, _ = advance(None, final(slow), POLICY, now=now(1))
    assert spike is not None
    assert spike.trend
    weak = replace(verdict(1, score=0.1), window=timedelta(hours=1))
    spike, _ = advance(spike, final(weak), POLICY, now=now(2))
    assert spike is not None
    assert spike.trend, "the hour alone is no surprise"
    spike, _ = advance(spike, final(verdict(2)), POLICY, now=now(3))
    assert spike is not None
    assert not spike.trend
    assert SpikeLife.load(json.loads(json.dumps(spike.dump()))) == spike
