"""The detector: waves are found, coverage is respected, the state can be kept and copied."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listener.detect.calendar import Calendar
from listener.detect.packing import unpack
from listener.detect.policy import Policy
from listener.detect.spike import NONE, UNJUDGED, Detector
from listener.types import Bucket, Coverage, PlannedEvent, Verdict

DAY = 288
START = datetime(2026, 1, 5, tzinfo=UTC)
Make = Callable[..., list[Bucket]]
Run = Callable[..., list[Verdict]]
Cover = Callable[[Bucket, Coverage], Bucket]


def edges(verdicts: list[Verdict]) -> list[int]:
    """Where a spike opens."""
    return [
        i for i, v in enumerate(verdicts) if v.is_spike and (i == 0 or not verdicts[i - 1].is_spike)
    ]


@pytest.mark.parametrize(("mean", "extra"), [(0.5, 6.0), (2.0, 8.0), (30.0, 120.0)])
def test_a_planted_wave_is_found_with_its_onset(
    series: Make, verdicts: Run, mean: float, extra: float
) -> None:
    first = 10 * DAY + 130
    found = verdicts(series(12, mean, waves=[(first, 36, extra)]))
    (edge,) = edges(found)
    assert first <= edge < first + 24
    onset = found[edge].onset_at
    assert onset is not None
    assert abs((onset - START) / timedelta(minutes=5) - first) <= 2
    assert found[edge].observed > 1.25 * found[edge].window_expected
    assert all(v.onset_at is None for v in found if not v.is_spike)


def test_strays_of_hours_ago_are_not_the_onset(series: Make, verdicts: Run) -> None:
    first = 10 * DAY + 200
    strays = [(first - 80, 3, 0.7), (first - 55, 3, 0.7)]
    found = verdicts(series(12, 0.02, waves=[*strays, (first, 24, 4.0)]))
    onset = found[edges(found)[-1]].onset_at
    assert onset is not None
    assert abs((onset - START) / timedelta(minutes=5) - first) <= 1


def test_onset_stays_where_it_was_while_the_spike_lasts(series: Make, verdicts: Run) -> None:
    found = verdicts(series(11, waves=[(10 * DAY, 60, 10.0)]))
    assert len({v.onset_at for v in found if v.is_spike}) == 1


def test_the_wave_ends_after_calm(series: Make, verdicts: Run) -> None:
    first = 10 * DAY
    found = verdicts(series(12, waves=[(first, 24, 10.0)]))
    last = max(i for i, v in enumerate(found) if v.is_spike)
    # The longest window (4 h) has to forget the wave, then 2 h of calm.
    assert first + 24 + 23 <= last <= first + 24 + 48 + 30


def test_quiet_series_raise_next_to_nothing(series: Make, verdicts: Run) -> None:
    alarms = sum(
        len(edges(verdicts(series(30, mean, seed=seed)))) for mean in (0.1, 3.0) for seed in (1, 2)
    )
    assert alarms <= 3


def test_the_rhythm_of_the_day_is_learnt(series: Make, verdicts: Run) -> None:
    found = verdicts(series(26, 4.0))
    noon, night = found[25 * DAY + 14 * 12], found[25 * DAY + 2 * 12]
    assert noon.expected > 3 * night.expected
    assert noon.expected == pytest.approx(4 * 1.7, rel=0.2)


def test_warm_up_is_not_judged(series: Make, verdicts: Run) -> None:
    found = verdicts(series(3, waves=[(DAY, 36, 50.0)]))
    assert {v.score for v in found[: 2 * DAY]} == {UNJUDGED}
    assert not any(v.is_spike for v in found[: 2 * DAY])
    assert found[2 * DAY].score != UNJUDGED


def test_score_falls_with_what_the_series_does_anyway(series: Make) -> None:
    """The same jump says less in a series that jumps every day."""
    calm, jumpy = (
        series(20, 5.0),
        series(20, 5.0, waves=[(d * DAY + 100, 6, 12.0) for d in range(3, 20)]),
    )
    jump = [Bucket(START + (20 * DAY + i) * timedelta(minutes=5), 22) for i in range(6)]
    scores = []
    for buckets in (calm, jumpy):
        detector = Detector(Policy())
        for bucket in buckets:
            detector.step(bucket)
        scores.append(max(detector.step(bucket).score for bucket in jump))
    assert scores[0] > scores[1] + 0.5


class TestCoverage:
    def test_unknown_is_not_zero(self, series: Make, verdicts: Run, covered: Cover) -> None:
        buckets = series(10, 0.5)
        gap = range(8 * DAY, 8 * DAY + 200)
        unknown = [covered(b, Coverage.UNKNOWN) if i in gap else b for i, b in enumerate(buckets)]
        zero = [Bucket(b.at, 0) if i in gap else b for i, b in enumerate(buckets)]
        after = 8 * DAY + 200
        # A window expects nothing of the gap ...
        detector = Detector(Policy())
        for bucket in unknown[: after + 1]:
            detector.step(bucket)
        observed, expected = (sums[-1] for sums in detector.dump()["windows"][:2])
        seen = [b for i, b in enumerate(buckets) if after - DAY < i <= after and i not in gap]
        assert observed == sum(b.count or 0 for b in seen)
        assert expected == pytest.approx(observed, rel=0.4)
        # ... and nothing was learnt from it.
        told, silent = verdicts(unknown), verdicts(zero)
        assert told[after].expected == pytest.approx(silent[after].expected, rel=0.2)

    def test_unknown_buckets_are_not_judged(
        self, series: Make, verdicts: Run, covered: Cover
    ) -> None:
        buckets = series(9)
        buckets[8 * DAY] = covered(buckets[8 * DAY], Coverage.UNKNOWN)
        verdict = verdicts(buckets)[8 * DAY]
        assert (verdict.count, verdict.score, verdict.is_spike) == (None, UNJUDGED, False)
        assert verdict.expected > 0

    def test_an_outage_neither_closes_a_spike_nor_opens_a_second(
        self, series: Make, verdicts: Run, covered: Cover
    ) -> None:
        first = 10 * DAY
        buckets = series(12, waves=[(first, 200, 10.0)])
        for i in range(first + 30, first + 100):
            buckets[i] = covered(buckets[i], Coverage.UNKNOWN)
        found = verdicts(buckets)
        assert len(edges(found)) == 1
        assert all(v.is_spike for v in found[first + 30 : first + 100])

    def test_rows_left_out_are_unknown(self, series: Make, verdicts: Run, covered: Cover) -> None:
        buckets = series(10)
        gap = range(8 * DAY, 8 * DAY + 20)
        marked = [covered(b, Coverage.UNKNOWN) if i in gap else b for i, b in enumerate(buckets)]
        short = [b for i, b in enumerate(buckets) if i not in gap]
        assert verdicts(short)[-1] == verdicts(marked)[-1]

    def test_a_partial_bucket_may_open(self, series: Make, verdicts: Run, covered: Cover) -> None:
        first = 10 * DAY
        buckets = series(11, waves=[(first, 36, 20.0)])
        for i in range(first, first + 36):
            buckets[i] = covered(buckets[i], Coverage.PARTIAL)
        (edge,) = edges(verdicts(buckets))
        assert edge < first + 4

    def test_partial_buckets_never_close(self, series: Make, verdicts: Run, covered: Cover) -> None:
        first = 10 * DAY
        buckets = series(13, waves=[(first, 24, 10.0)])
        partial = [
            covered(b, Coverage.PARTIAL) if i >= first + 24 else b for i, b in enumerate(buckets)
        ]
        assert not verdicts(buckets)[-1].is_spike
        assert verdicts(partial)[-1].is_spike

    def test_partial_buckets_are_never_learnt(self, series: Make, covered: Cover) -> None:
        detector = Detector(Policy())
        for bucket in series(8, 5.0):
            detector.step(bucket)
        before = detector.dump()
        detector.step(Bucket(START + 8 * DAY * timedelta(minutes=5), 0, Coverage.PARTIAL))
        after = detector.dump()
        for part in ("seen", "hot", "heat", "calibrations"):
            assert after[part] == before[part], part
        # what the dispersion is learnt from
        assert after["windows"][2:4] == before["windows"][2:4]
        assert unpack(after["waiting"][2])[-1] == NONE

    def test_silent_zeros_are_not_learnt_for_long(self, series: Make, verdicts: Run) -> None:
        buckets = series(10, 20.0)
        gap = range(8 * DAY, 8 * DAY + 100)
        silent = [Bucket(b.at, 0) if i in gap else b for i, b in enumerate(buckets)]
        at = 9 * DAY + 144
        assert verdicts(silent)[at].expected > 0.9 * verdicts(buckets)[at].expected


class TestState:
    @settings(max_examples=12, deadline=None)
    @given(data=st.data())
    def test_dumped_and_loaded_goes_on_the_same(self, data: st.DataObject) -> None:
        counts = data.draw(st.lists(st.none() | st.integers(0, 40), min_size=60, max_size=200))
        cut = data.draw(st.integers(0, len(counts)))
        policy = Policy(step=timedelta(hours=1))
        buckets = [
            Bucket(START + i * policy.step, c, Coverage.UNKNOWN if c is None else Coverage.COMPLETE)
            for i, c in enumerate(counts)
        ]
        seoul = ZoneInfo("Asia/Seoul")
        whole = Detector(policy, seoul)
        expected = [whole.step(b) for b in buckets]
        half = Detector(policy, seoul)
        for bucket in buckets[:cut]:
            half.step(bucket)
        loaded = Detector.load(json.loads(json.dumps(half.dump())), policy, seoul)
        assert loaded is not None
        assert [loaded.step(b) for b in buckets[cut:]] == expected[cut:]

    def test_load_inside_a_spike(self, series: Make) -> None:
        buckets = series(11, waves=[(10 * DAY, 30, 10.0)])
        detector = Detector(Policy())
        for bucket in buckets[: 10 * DAY + 20]:
            detector.step(bucket)
        loaded = Detector.load(json.loads(json.dumps(detector.dump())), Policy())
        assert loaded is not None
        rest = buckets[10 * DAY + 20 :]
        there, here = [loaded.step(b) for b in rest], [detector.step(b) for b in rest]
        assert there == here
        assert here[0].is_spike

    def test_copy_leaves_the_original_alone(self, series: Make) -> None:
        buckets = series(5)
        detector = Detector(Policy())
        for bucket in buckets[:-50]:
            detector.step(bucket)
        before = detector.dump()
        twin = detector.copy()
        provisional = [twin.step(b) for b in buckets[-50:]]
        assert detector.dump() == before
        assert [detector.step(b) for b in buckets[-50:]] == provisional

    def test_other_policy_zone_or_version_asks_for_a_replay(self) -> None:
        dump = Detector(Policy()).dump()
        assert Detector.load(dump, Policy()) is not None
        assert Detector.load(dump, Policy(min_ratio=2.0)) is None
        assert Detector.load(dump, Policy(), ZoneInfo("Asia/Seoul")) is None
        assert Detector.load({**dump, "version": 0}, Policy()) is None

    def test_state_is_small(self, series: Make) -> None:
        detector = Detector(Policy())
        for bucket in series(8, 20.0):
            detector.step(bucket)
        assert len(json.dumps(detector.dump())) < 16_000

    def test_buckets_must_ascend(self) -> None:
        detector = Detector(Policy())
        detector.step(Bucket(START, 1))
        with pytest.raises(ValueError, match="does not come after"):
            detector.step(Bucket(START - timedelta(minutes=5), 1))
        assert detector.last_at == START


@settings(max_examples=25, deadline=None)
@given(
    counts=st.lists(st.none() | st.integers(0, 60), min_size=30, max_size=150),
    cut=st.integers(1, 149),
    minutes=st.sampled_from([1, 5, 60, 1440]),
)
def test_verdicts_depend_on_the_past_only(counts: list[int | None], cut: int, minutes: int) -> None:
    policy = Policy(step=timedelta(minutes=minutes))
    buckets = [
        Bucket(START + i * policy.step, c, Coverage.UNKNOWN if c is None else Coverage.COMPLETE)
        for i, c in enumerate(counts)
    ]
    whole, short = Detector(policy), Detector(policy)
    assert [whole.step(b) for b in buckets][:cut] == [short.step(b) for b in buckets[:cut]]


@pytest.mark.parametrize("hours", [1, 6, 24])
def test_long_buckets_work(series: Make, verdicts: Run, hours: int) -> None:
    step = timedelta(hours=hours)
    per_day = 24 // hours
    first = 50 * per_day
    buckets = series(60, 20.0 * hours, step=step, waves=[(first, 2 * per_day, 40.0 * hours)])
    found = verdicts(buckets, Policy(step=step))
    assert edges(found) == [first]
    assert found[first].onset_at == START + first * step


def test_one_minute_buckets_work(series: Make, verdicts: Run) -> None:
    step = timedelta(minutes=1)
    first = 4 * 1440 + 600
    found = verdicts(series(5, 1.0, step=step, waves=[(first, 60, 6.0)]), Policy(step=step))
    (edge,) = edges(found)
    assert first <= edge < first + 10


def test_seasons_are_those_of_the_zone(series: Make) -> None:
    """Midnight in Seoul is 15:00 UTC: a weekend factor must follow Seoul's Saturday."""
    step = timedelta(hours=1)
    policy = Policy(step=step)
    seoul = ZoneInfo("Asia/Seoul")
    there = Detector(policy, seoul)
    at = START
    for _ in range(24 * 70):
        weekend = at.astimezone(seoul).weekday() >= 5
        there.step(Bucket(at, 10 if weekend else 60))
        at += step
    saturday = datetime(2026, 3, 20, 16, tzinfo=UTC)  # Saturday 01:00 in Seoul, Friday in UTC
    assert at < saturday
    friday = there.step(Bucket(saturday - 2 * step, None, Coverage.UNKNOWN))
    assert there.step(Bucket(saturday, None, Coverage.UNKNOWN)).expected < 0.6 * friday.expected


@pytest.mark.parametrize(("per_day", "burst", "buckets"), [(0.6 * 24, 10, 6), (100 / 7, 60, 36)])
def test_a_small_brand_is_heard(
    series: Make, verdicts: Run, per_day: float, burst: int, buckets: int
) -> None:
    """10 within half an hour where 0.6 an hour are usual; 60 in 3 hours where 100 a week are."""
    first = 15 * DAY + 150
    made = series(16, per_day / DAY, seed=4)
    for k in range(burst):
        at = first + k * buckets // burst
        made[at] = Bucket(made[at].at, (made[at].count or 0) + 1)
    found = verdicts(made)
    assert any(v.is_spike for v in found[first : first + buckets])
    assert not any(v.is_spike for v in found[first - DAY : first])


def test_a_new_level_is_one_spike(series: Make, verdicts: Run) -> None:
    """Twice as many from one day on: told once, then taken for the usual."""
    first = 15 * DAY
    found = verdicts(series(26, 4.0)[:first] + series(26, 8.0, seed=2)[first:])
    after = [edge for edge in edges(found) if edge >= first]
    assert after[0] < first + 72  # it is a quiet night
    assert len(after) == 1
    assert not any(v.is_spike for v in found[first + 4 * DAY :])


def test_a_digest_at_the_same_minute_is_learnt(series: Make) -> None:
    detector = Detector(Policy())
    made = series(20, 1.0)
    for day in range(20):
        at = day * DAY + 108
        made[at] = Bucket(made[at].at, 12)
    expected = [detector.step(bucket).expected for bucket in made]
    assert expected[19 * DAY + 108] > 3 * expected[19 * DAY + 107]


def test_a_day_of_23_hours_is_one_daily_bucket(verdicts: Run) -> None:
    policy = Policy(step=timedelta(days=1))
    zone = ZoneInfo("America/New_York")
    detector = Detector(policy, zone)
    for day in range(1, 31):
        detector.step(Bucket(datetime(2026, 3, day, tzinfo=zone).astimezone(UTC), 7))
    assert detector.dump()["seen"] == 30


def test_a_jump_of_years_is_fast(series: Make) -> None:
    detector = Detector(Policy(step=timedelta(minutes=1)))
    for bucket in series(1, step=timedelta(minutes=1)):
        detector.step(bucket)
    verdict = detector.step(Bucket(datetime(2090, 1, 1, tzinfo=UTC), 3))
    assert verdict.observed == 3


class TestCalendar:
    FIRST = 20 * DAY + 120  # a Sunday's fortnight later: Sunday 25 January 2026, 10:00

    def campaign(self, factor: float | None, buckets: int = 96) -> Calendar:
        begin = START + self.FIRST * timedelta(minutes=5)
        end = begin + buckets * timedelta(minutes=5)
        event = PlannedEvent(id=1, name="sale", from_at=begin, to_at=end, factor=factor)
        return Calendar({}, [event])

    def run(self, buckets: list[Bucket], calendar: Calendar | None) -> list[Verdict]:
        detector = Detector(Policy(), None, calendar)
        return [detector.step(bucket) for bucket in buckets]

    def test_a_planned_surge_is_expected(self, series: Make) -> None:
        """Three times the usual for eight hours, as announced."""
        made, tripled = series(22, 4.0), series(22, 12.0, seed=2)
        made[self.FIRST : self.FIRST + 96] = tripled[self.FIRST : self.FIRST + 96]
        told, silent = self.run(made, self.campaign(3.0)), self.run(made, None)
        assert edges(silent[self.FIRST - DAY :]) != []
        assert edges(told[self.FIRST - DAY :]) == []
        assert told[self.FIRST + 5].expected == pytest.approx(3 * silent[self.FIRST].expected, 0.1)
        # and what was learnt from it is what is usual without it
        later = self.FIRST + 200
        assert told[later].expected == pytest.approx(
            self.run(series(22, 4.0), None)[later].expected, 0.1
        )

    def test_more_than_was_planned_is_a_spike(self, series: Make) -> None:
        made, more = series(22, 4.0), series(22, 40.0, seed=2)
        made[self.FIRST + 30 : self.FIRST + 60] = more[self.FIRST + 30 : self.FIRST + 60]
        (edge,) = edges(self.run(made, self.campaign(3.0))[self.FIRST :])
        assert 30 <= edge < 34

    def test_what_is_planned_without_a_factor_is_neither_judged_nor_learnt(
        self, series: Make, covered: Cover
    ) -> None:
        made = series(22, 4.0)
        loud = [
            Bucket(b.at, 90) if self.FIRST <= i < self.FIRST + 96 else b for i, b in enumerate(made)
        ]
        gap = [
            covered(b, Coverage.UNKNOWN) if self.FIRST <= i < self.FIRST + 96 else b
            for i, b in enumerate(made)
        ]
        told, unknown = self.run(loud, self.campaign(None)), self.run(gap, None)
        assert [v.is_spike for v in told] == [v.is_spike for v in unknown]
        assert told[-1] == unknown[-1]
        assert told[self.FIRST].score == UNJUDGED
        assert told[self.FIRST].count == 90  # said as it is

    def test_a_holiday_is_a_sunday(self) -> None:
        """A Monday off, in a series that is quiet on weekends, and a busy one without calendar."""
        step = timedelta(hours=1)
        policy = Policy(step=step)
        monday = START + timedelta(days=42)
        assert monday.weekday() == 0
        aware = Detector(policy, None, Calendar({monday.date(): "holiday"}))
        plain = Detector(policy)
        for i in range(42 * 24):
            at = START + i * step
            bucket = Bucket(at, 10 if at.weekday() >= 5 else 60)
            aware.step(bucket)
            plain.step(bucket)
        noon = Bucket(monday + timedelta(hours=12), None, Coverage.UNKNOWN)
        assert aware.copy().step(noon).expected < 0.4 * plain.copy().step(noon).expected
        assert aware.copy().calendar is aware.calendar
