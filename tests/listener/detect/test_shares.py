from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from listener.detect.calendar import Calendar
from listener.detect.follow import follow
from listener.detect.lifecycle import Ongoing, Opened, Resolved, SpikeLife
from listener.detect.policy import Policy
from listener.detect.series import SeriesBucket
from listener.detect.shares import ShareBucket, ShareDetector, badness
from listener.detect.spike import UNJUDGED
from listener.types import Coverage, PlannedEvent, Verdict

START = datetime(2025, 3, 3, tzinfo=UTC)  # a Monday
STEP = timedelta(minutes=15)
DAY = 96  # buckets
HOUR = 4
POLICY = Policy(step=STEP)
SEOUL = ZoneInfo("Asia/Seoul")


def a_series(
    days: int, a_day: float, share: float, *, seed: int = 1, rhythm: float = 0.0
) -> list[ShareBucket]:
    """Mentions at random, ``share`` of them bad; by night more of them, with ``rhythm``."""
    chance = random.Random(seed)
    rate, found = a_day / DAY, []
    for n in range(days * DAY):
        logit = math.log(share / (1 - share)) + rhythm * math.sin(n / DAY * 2 * math.pi)
        bad = 1 / (1 + math.exp(-logit))
        count = int(rate) + (chance.random() < rate % 1)
        k = sum(chance.random() < bad for _ in range(count))
        found.append(ShareBucket(START + n * STEP, float(k), float(count)))
    return found


def worse(
    series: Sequence[ShareBucket], start: int, length: int, mentions: int, bad: int
) -> list[ShareBucket]:
    """The same with so many mentions, spread over buckets from ``start`` on, so many of them
    bad."""
    found = list(series)
    for n in range(mentions):
        place = start + n * length // mentions
        one = found[place]
        k, total = one.k or 0.0, one.n or 0.0
        found[place] = ShareBucket(one.at, k + (n * bad // mentions != (n + 1) * bad // mentions),
                                   total + 1)  # fmt: skip
    return found


def run(series: Sequence[ShareBucket], policy: Policy = POLICY) -> list[Verdict]:
    detector = ShareDetector(policy)
    return [detector.step(bucket) for bucket in series]


def openings(verdicts: Sequence[Verdict]) -> Iterator[int]:
    was = False
    for place, verdict in enumerate(verdicts):
        if verdict.is_spike and not was:
            yield place
        was = verdict.is_spike


# --- what is a spike -----------------------------------------------------------------------------


def test_ten_bad_ratings_in_an_afternoon_are_noticed_at_five_a_day() -> None:
    quiet = a_series(35, 5, 0.15)
    began = 28 * DAY + 13 * HOUR
    verdicts = run(worse(quiet, began, 4 * HOUR, 10, 10))
    (opened,) = openings(verdicts)
    assert began < opened <= began + 4 * HOUR
    verdict = verdicts[opened]
    assert verdict.onset_at is not None
    assert abs(verdict.onset_at - (START + began * STEP)) <= timedelta(hours=6)
    assert verdict.observed >= 5
    assert verdict.window_expected < 2
    assert verdict.window_band[1] < verdict.observed


def test_three_bad_ratings_are_not() -> None:
    for seed in range(3):
        quiet = a_series(35, 5, 0.15, seed=seed)
        assert not list(openings(run(worse(quiet, 28 * DAY + 40, 12, 3, 3))))


def test_a_better_share_is_no_spike() -> None:
    quiet = a_series(40, 100, 0.4)
    better = worse(quiet, 30 * DAY, DAY, 300, 0)
    assert not list(openings(run(better)))


def test_more_of_the_same_is_no_spike() -> None:
    quiet = a_series(40, 50, 0.2)
    loud = worse(quiet, 30 * DAY, 6 * HOUR, 500, 100)
    assert not list(openings(run(loud)))


def test_a_large_brand_is_told_of_a_lasting_rise_within_hours() -> None:
    quiet = a_series(30, 2000, 0.2)
    began = 25 * DAY + 9 * HOUR
    verdicts = run(worse(quiet, began, 6 * HOUR, 500, 300))
    opened = next(openings(verdicts))
    assert began < opened <= began + 2 * HOUR


def test_what_is_usual_at_night_is_no_spike() -> None:
    rhythm = a_series(40, 200, 0.2, rhythm=0.8)
    assert len(list(openings(run(rhythm)))) <= 1
    detector = ShareDetector(POLICY)
    for bucket in rhythm:
        detector.step(bucket)
    day = START + timedelta(days=40)
    night, noon = (
        detector.usual(day + timedelta(hours=18)),
        detector.usual(day + timedelta(hours=6)),
    )
    assert noon > 0.26 > 0.17 > night


@pytest.mark.parametrize("a_day", [1, 5, 50])
def test_nothing_happens_where_nothing_happens(a_day: float) -> None:
    found = [len(list(openings(run(a_series(45, a_day, 0.2, seed=seed))))) for seed in range(2)]
    assert sum(found) <= 2, "of three months"


# --- buckets -------------------------------------------------------------------------------------


def test_what_was_not_collected_is_not_judged_and_closes_nothing() -> None:
    began = 28 * DAY + 13 * HOUR
    series = worse(a_series(35, 5, 0.15), began, 2 * HOUR, 12, 12)
    opened = next(openings(run(series)))
    for n in range(opened + 1, opened + 12 * HOUR):
        series[n] = ShareBucket(series[n].at, None, None, Coverage.UNKNOWN)
    verdicts = run(series)
    gap = verdicts[opened + 1 : opened + 12 * HOUR]
    assert all(v.score == UNJUDGED and v.is_spike and v.count is None for v in gap)
    assert not verdicts[-1].is_spike


def test_buckets_left_out_are_the_same_as_buckets_that_were_not_collected() -> None:
    series = a_series(20, 40, 0.2)
    gone = range(10 * DAY, 10 * DAY + 20)
    unknown = [
        ShareBucket(b.at, None, None, Coverage.UNKNOWN) if n in gone else b
        for n, b in enumerate(series)
    ]
    left = [b for n, b in enumerate(series) if n not in gone]
    assert run(unknown)[-1] == run(left)[-1]


def test_an_incomplete_bucket_opens_but_closes_and_teaches_nothing() -> None:
    began = 28 * DAY + 13 * HOUR
    series = worse(a_series(35, 5, 0.15), began, HOUR, 12, 12)
    partial = [
        ShareBucket(b.at, b.k, b.n, Coverage.PARTIAL) if n >= began else b
        for n, b in enumerate(series)
    ]
    verdicts = run(partial)
    opened = next(openings(verdicts))
    assert opened < began + HOUR
    assert all(v.is_spike for v in verdicts[opened:])


def test_a_planned_time_is_not_judged() -> None:
    began = 28 * DAY
    series = worse(a_series(35, 5, 0.15), began, 2 * HOUR, 12, 12)
    at = series[began].at
    event = PlannedEvent(id=1, name="x", from_at=at, to_at=at + timedelta(hours=5))
    detector = ShareDetector(POLICY, calendar=Calendar({}, [event]))
    verdicts = [detector.step(bucket) for bucket in series]
    assert not list(openings(verdicts))
    assert verdicts[began].score == UNJUDGED


def test_a_bucket_must_come_after_the_last_one() -> None:
    detector = ShareDetector(POLICY)
    detector.step(ShareBucket(START, 1.0, 2.0))
    with pytest.raises(ValueError, match="does not come after"):
        detector.step(ShareBucket(START, 1.0, 2.0))


# --- state ---------------------------------------------------------------------------------------


def eventful() -> list[ShareBucket]:
    series = worse(a_series(30, 60, 0.2, rhythm=0.3), 15 * DAY, 5 * HOUR, 60, 50)
    for n in range(18 * DAY, 18 * DAY + 10):
        series[n] = ShareBucket(series[n].at, None, None, Coverage.UNKNOWN)
    series[20 * DAY] = ShareBucket(series[20 * DAY].at, 0.0, 0.0, Coverage.PARTIAL)
    return series


def test_a_stored_state_goes_on_exactly_as_the_detector() -> None:
    series = eventful()
    whole = ShareDetector(POLICY, SEOUL)
    parts = ShareDetector(POLICY, SEOUL)
    for n, bucket in enumerate(series):
        if n % 41 == 0:
            loaded = ShareDetector.load(json.loads(json.dumps(parts.dump())), POLICY, SEOUL)
            assert loaded is not None
            parts = loaded
        assert parts.step(bucket) == whole.step(bucket)
    assert parts.dump() == whole.dump()


def test_a_copy_is_independent() -> None:
    series = eventful()
    detector = ShareDetector(POLICY)
    for bucket in series[: 16 * DAY]:
        detector.step(bucket)
    before = json.dumps(detector.dump())
    twin = detector.copy()
    ahead = [twin.step(bucket) for bucket in series[16 * DAY :]]
    assert json.dumps(detector.dump()) == before
    assert [detector.step(bucket) for bucket in series[16 * DAY :]] == ahead


def test_a_longer_series_changes_no_earlier_verdict() -> None:
    series = eventful()
    assert run(series)[: 12 * DAY] == run(series[: 12 * DAY])


def test_a_state_of_another_setup_is_of_no_use() -> None:
    dump = ShareDetector(POLICY, SEOUL).dump()
    assert ShareDetector.load(dump, Policy(step=STEP, false_alarms=1.0), SEOUL) is None
    assert ShareDetector.load(dump, POLICY, UTC) is None
    assert ShareDetector.load({**dump, "version": 0}, POLICY, SEOUL) is None
    assert ShareDetector.load(dump, POLICY, SEOUL) is not None


def test_the_state_is_small() -> None:
    detector = ShareDetector(POLICY)
    for bucket in a_series(20, 5, 0.2):
        detector.step(bucket)
    assert len(json.dumps(detector.dump())) < 5_000


# --- lives ---------------------------------------------------------------------------------------


def test_a_spike_opens_goes_on_and_is_over() -> None:
    """Through ``follow``, look by look, as the watchdog does."""
    began = 28 * DAY + 13 * HOUR
    series = worse(a_series(32, 5, 0.15), began, 4 * HOUR, 12, 12)
    detector, life = ShareDetector(POLICY), None
    for bucket in series[: began - HOUR]:
        detector.step(bucket)
    kinds: list[type] = []
    for n in range(began - HOUR, len(series), 2):
        buckets = [SeriesBucket(b, True) for b in series[n : n + 2]]  # type: ignore[arg-type]
        upto = series[n].at
        now = upto + 2 * STEP
        found = follow(detector, buckets, life, POLICY, upto=upto, now=now)
        life = found.spike
        kinds += [type(event) for event in found.events]
    assert kinds[0] is Opened
    assert kinds[-1] is Resolved
    assert kinds.count(Opened) == kinds.count(Resolved) == 1
    assert set(kinds[1:-1]) <= {Ongoing}
    assert life is not None
    assert 8 <= life.total_observed <= 16
    assert life.total_expected < 4
    assert SpikeLife.load(life.dump()) == life


def test_badness_of_ratings_and_scores() -> None:
    assert badness("rating", total=3.0, count=3) == 0.0, "three times five stars"
    assert badness("rating", total=0.25, count=2) == 1.75, "one star and two stars"
    assert badness("sentiment", total=-2.0, count=2) == 2.0
    assert badness("sentiment", total=0.0, count=2) == 1.0
    assert badness("rating", total=3.0000001, count=3) == 0.0
