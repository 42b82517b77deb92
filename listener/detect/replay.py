"""A series lived through again: look by look, by what was known at each, with ``follow`` as live.

Nothing happens in most looks of a year. So a replay first takes some hours at once, as they were
known at their end: what was known earlier was less, and less surprises less. Only where the score
comes near the threshold, or where a spike is open, it walks through these hours look by look.
Detectors are kept from time to time, so that late items replay little.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from listener.detect.asof import AsOf
from listener.detect.asof import Mark as KnownMark
from listener.detect.follow import fill, follow
from listener.detect.lifecycle import Event, SpikeLife
from listener.detect.policy import Policy
from listener.detect.series import STEP, SeriesBucket, build_series, floor_to_step
from listener.detect.spike import UNJUDGED
from listener.types import Coverage, Verdict

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

# A score may come out a little lower once more is known, as other buckets were learnt by then: a
# stretch whose scores stay so far below the threshold is not walked through.
MARGIN = 0.5
MARGIN_OF_SHARES = 1.0  # good ones that come after bad ones lower a share
LONGEST = timedelta(hours=12)  # a stretch taken at once
SHORTEST = timedelta(hours=1)
# Late items of so long ago move the baseline: where there are more of them than FEW and than this
# share of a week's, the stretch is walked through.
DEEP = timedelta(hours=6)
MUCH = 0.05
FEW = 3
KEEP = timedelta(hours=6)  # a detector is kept after so many buckets
FINELY = timedelta(days=3)  # all of so long are kept,
DAILY = timedelta(days=60)  # then one a day, then one a week
HISTORY = timedelta(days=60)  # the watchdog builds detectors anew from so long ago


class Arrivals:
    """The mentions of a series in the order in which they became known.

    ``known`` and ``at`` are microseconds since 1970: when, and the start of the bucket. ``count``
    is 1, or -1 where an earlier copy of a story took its place; of a share it is how bad the
    mention is, from 0 to 1.
    """

    __slots__ = ("at", "count", "known")

    def __init__(self) -> None:
        self.known = array("q")
        self.at = array("q")
        self.count = array("d")

    def add(self, known_us: int, bucket_us: int, count: float = 1.0) -> None:
        """One more; ``known_us`` must not be below the last one."""
        self.known.append(known_us)
        self.at.append(bucket_us)
        self.count.append(count)

    def __len__(self) -> int:
        return len(self.known)


class Look(NamedTuple):
    """A look at which something happened to a spike."""

    now: datetime
    events: Sequence[Event]


class _Kept(NamedTuple):
    """A detector that has passed all buckets before ``upto``."""

    upto: datetime
    detector: Any


class _Mark(NamedTuple):
    """Where a replay stood, to go back to."""

    detector: Any
    upto: datetime
    next: int
    next_start: int
    start: datetime | None
    dirty: datetime | None
    recovered: datetime | None
    kept: list[_Kept]
    asof: KnownMark


class Replay:
    """One series from its first bucket to ``end``, looked at every ``every``.

    ``make`` gives a fresh detector, of shares where ``shares`` is set. ``starts`` are (known, at):
    the earliest bucket of the brand, and the earlier ones that became known later. ``exact`` walks
    through all of it look by look.

    ``expected`` is what was expected in each bucket that was collected, None where nothing was
    judged: for charts.
    """

    def __init__(
        self,
        make: Callable[[], Any],
        policy: Policy,
        arrivals: Arrivals,
        asof: AsOf,
        starts: Sequence[tuple[datetime, datetime]],
        *,
        end: datetime,
        every: timedelta = timedelta(minutes=1),
        shares: bool = False,
        exact: bool = False,
    ) -> None:
        self._make, self._policy, self._asof, self._end = make, policy, asof, end
        self._arrivals, self._starts, self._every = arrivals, sorted(starts), every
        self._shares, self._exact = shares, exact
        self._margin = MARGIN_OF_SHARES if shares else MARGIN
        self.expected: dict[datetime, float | None] = {}
        self._counts: dict[datetime, Any] = {}
        self._next = self._next_start = 0  # of arrivals and starts
        self._start: datetime | None = None
        self._upto = EPOCH
        self._detector: Any = None
        self._life: SpikeLife | None = None
        self._dirty: datetime | None = None  # the first passed bucket whose count changed since
        self._recovered: datetime | None = None  # the first one of which more was collected since
        self._kept: list[_Kept] = []
        self._waits = False  # an ended bucket may still change

    def run(self) -> Iterator[Look | datetime]:
        """Looks at which something happened and, for progress, how far the replay is."""
        if not self._starts or not len(self._arrivals):
            return
        now = self._ceil(self._starts[0][0])
        if now >= self._end:
            return
        yield from self._look(now)
        length = LONGEST
        while now < self._end:
            upto = min(self._ceil(now + length), self._end)
            is_open = self._life is not None and self._life.is_open
            if not is_open and not self._exact:
                if self._pass_calmly(now, upto):
                    now, length = upto, min(2 * length, LONGEST)
                    yield now
                    continue
                if length > SHORTEST:
                    length = max(length / 3, SHORTEST)
                    continue
            upto = self._ceil(min(now + SHORTEST, self._end))
            yield from self._walk(now, upto)
            now = upto
            yield now

    # --- look by look --------------------------------------------------------------------------

    def _walk(self, since: datetime, upto: datetime) -> Iterator[Look]:
        now = since
        while now < upto:
            before = floor_to_step(now)
            now += self._every
            if self._waits or floor_to_step(now) != before or self._is_news(now):
                yield from self._look(now)

    def _is_news(self, now: datetime) -> bool:
        known = self._arrivals.known
        return (self._next < len(known) and known[self._next] <= to_us(now)) or self._asof.is_news(
            now
        )

    def _look(self, now: datetime) -> Iterator[Look]:
        self._learn_of(now)
        series = self._series(now)
        if series is None:
            return
        passed = self._learn(series, now)
        found = follow(
            _Noting(self._detector, self.expected, self._pass),  # type: ignore[arg-type]
            series[passed:],
            self._life,
            self._policy,
            upto=self._upto,
            back_fills=self._asof.back_fills(now),
            now=now,
        )
        self._upto, self._life = found.upto, found.spike
        if found.events:
            yield Look(now, found.events)

    def _learn(self, series: Sequence[SeriesBucket], now: datetime) -> int:
        """Step over what can neither open nor end a spike, as ``follow`` does, keeping detectors on
        the way; how many buckets these are.
        """
        news = now - self._policy.max_lateness - STEP
        if self._life is not None and self._life.is_open:
            news = min(news, self._life.risen_at)
        passed = 0
        for item in series:
            if not item.final or item.bucket.at >= news:
                break
            self._judge(self._detector, item.bucket)
            self._pass(item.bucket.at)
            passed += 1
        return passed

    # --- hours at once -------------------------------------------------------------------------

    def _pass_calmly(self, since: datetime, upto: datetime) -> bool:
        """Take (since, upto] at once, if no look in it can have opened a spike; else stay."""
        mark = self._mark()
        if self._learn_of(upto) and self._is_calm(since, upto):
            return True
        self._return_to(mark)
        return False

    def _is_calm(self, since: datetime, now: datetime) -> bool:
        series = self._series(now) or ()
        news = since - self._policy.max_lateness - STEP
        most = self._policy.threshold - self._margin
        twin = None
        for item in series:
            if item.final and twin is None:
                score = self._judge(self._detector, item.bucket)
                self._pass(item.bucket.at)
            else:
                twin = twin or self._detector.copy()
                bucket = item.bucket
                _, score, _ = twin.judge(bucket.at, bucket.count, bucket.coverage)
            if score >= most and item.bucket.at >= news:
                return False
        return True

    def _mark(self) -> _Mark:
        detector = None if self._detector is None else self._detector.copy()
        return _Mark(
            detector, self._upto, self._next, self._next_start, self._start, self._dirty,
            self._recovered, self._kept.copy(), self._asof.mark(),
        )  # fmt: skip

    def _return_to(self, mark: _Mark) -> None:
        for place in range(self._next - 1, mark.next - 1, -1):
            self._count(place, -1)
        (
            self._detector, self._upto, self._next, self._next_start, self._start, self._dirty,
            self._recovered, self._kept, known,
        ) = mark  # fmt: skip
        self._asof.go_back(known)

    # --- what is known -------------------------------------------------------------------------

    def _learn_of(self, now: datetime) -> bool:
        """Take in what became known up to ``now``; whether looks on the way to it can have seen
        nothing but less.
        """
        late, since = self._asof.advance(now)
        only_more = not late
        if since is not None and since < self._upto:  # told once something is counted anew
            since = floor_to_step(since)
            self._recovered = min(since, self._recovered or since)
        arrivals, until, first = self._arrivals, to_us(now), self._next
        if first == len(arrivals) or arrivals.known[first] > until:
            self._begin(now)
            return only_more
        long_ago = arrivals.known[first] - DEEP // MICROSECOND
        deep = 0
        place = first
        for place in range(first, bisect_right(arrivals.known, until, lo=first)):
            at = self._count(place, 1)
            if at < self._upto and (self._dirty is None or at < self._dirty):
                self._dirty = at
            only_more = only_more and arrivals.count[place] >= 0
            deep += arrivals.at[place] < long_ago
        self._next = place + 1
        if deep > FEW:
            week = bisect_right(arrivals.known, until - timedelta(days=7) // MICROSECOND)
            only_more = only_more and deep <= MUCH * (first - week)
        self._begin(now)
        return only_more

    def _begin(self, now: datetime) -> None:
        """Begin at the brand's first bucket, or anew where an earlier one became known."""
        earliest = floor_to_step(now - HISTORY)
        while self._next_start < len(self._starts) and self._starts[self._next_start][0] <= now:
            start = max(floor_to_step(self._starts[self._next_start][1]), earliest)
            self._next_start += 1
            if self._start is None or start < self._start:
                self._start = self._upto = start
                self._detector, self._dirty, self._recovered = self._make(), None, None
                self._kept = [_Kept(start, self._make())]

    def _count(self, place: int, sign: int) -> datetime:
        """Count one arrival, or take it back; gives its bucket."""
        arrivals = self._arrivals
        at = EPOCH + timedelta(microseconds=arrivals.at[place])
        count = sign * arrivals.count[place]
        if self._shares:
            k, n = self._counts.get(at, (0.0, 0.0))
            self._counts[at] = (min(max(k + count, 0.0), n + sign), n + sign)
        else:
            self._counts[at] = self._counts.get(at, 0) + int(count)
        return at

    def _series(self, now: datetime) -> list[SeriesBucket] | None:
        """The buckets that the detector has not passed; None while nothing is collected."""
        if self._start is None:
            return None
        self._go_back_for_late_items(now)
        watches = self._asof.watches(self._upto, now)
        if not watches:
            return None
        frame = build_series({}, watches, start=self._upto, end=now, now=now)
        self._waits = any(not i.final and i.bucket.at + STEP <= now for i in frame)
        return fill(frame, self._counts, self._upto, shares=self._shares)

    def _go_back_for_late_items(self, now: datetime) -> None:
        """Take the last detector that had not passed the first bucket that changed."""
        if self._dirty is None:
            return
        dirty = max(min(self._dirty, self._recovered or self._dirty), floor_to_step(now - HISTORY))
        while len(self._kept) > 1 and self._kept[-1].upto > dirty:
            self._kept.pop()
        self._upto = self._kept[-1].upto
        self._detector = self._kept[-1].detector.copy()
        self._dirty = self._recovered = None

    # --- stepping ------------------------------------------------------------------------------

    def _judge(self, detector: Any, bucket: Any) -> float:
        expected, score, _ = detector.judge(bucket.at, bucket.count, bucket.coverage)
        if bucket.coverage is not Coverage.UNKNOWN:
            self.expected[bucket.at] = None if score == UNJUDGED else expected
        return float(score)

    def _pass(self, at: datetime) -> None:
        """The detector has passed a bucket. It is kept at fixed places, and few are kept for long:
        all for some days, one a day for some weeks, one a week.
        """
        self._upto = at + STEP
        if (self._upto - EPOCH) % KEEP:
            return
        self._kept.append(_Kept(self._upto, self._detector.copy()))
        if not (self._upto - EPOCH) % timedelta(days=1):
            self._kept = _thinned(self._kept)

    def _ceil(self, at: datetime) -> datetime:
        """The first look at or after a time."""
        return EPOCH - (EPOCH - at) // self._every * self._every


def to_us(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - EPOCH) // MICROSECOND


def _thinned(kept: Sequence[_Kept]) -> list[_Kept]:
    """All of the last days, one of each day of the last weeks, one of each week before."""
    newest = kept[-1].upto
    left: list[_Kept] = []
    seen: set[object] = set()
    for one in kept:
        age = newest - one.upto
        days = (one.upto - EPOCH).days
        place = (
            one.upto if age <= FINELY else ("day", days) if age <= DAILY else ("week", days // 7)
        )
        if not left or place not in seen:
            left.append(one)
            seen.add(place)
    return left


class _Noting:
    """A detector that says which buckets it has passed, and notes what it expected of them. Copies,
    which step over buckets that may still change, do neither.
    """

    def __init__(
        self,
        detector: Any,
        expected: dict[datetime, float | None],
        passed: Callable[[datetime], None],
    ) -> None:
        self._detector, self._expected, self._passed = detector, expected, passed
        self.judge, self.copy = detector.judge, detector.copy

    @property
    def is_spike(self) -> bool:
        """As the detector says."""
        return bool(self._detector.is_spike)

    def step(self, bucket: Any) -> Verdict:
        """As the detector does."""
        verdict: Verdict = self._detector.step(bucket)
        if bucket.coverage is not Coverage.UNKNOWN:
            judged = verdict.score != UNJUDGED
            self._expected[bucket.at] = verdict.expected if judged else None
        self._passed(bucket.at)
        return verdict
