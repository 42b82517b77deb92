"""The detector: buckets in order in, one verdict per bucket out, using nothing but the past.

A bucket is compared with a seasonal baseline over several window lengths. The surprise of each
window (negative binomial) is calibrated to how often this very series surprises at that length; the
best gives the score. An incident with hysteresis and cooldown turns scores into a spike that begins
and ends; the windows then start afresh, so that it is not told twice. See docs/spikes.md.

What a bucket may do:

=========  ======  ====  =====  =====  ==================================================
coverage   judged  open  close  learn  in the windows
=========  ======  ====  =====  =====  ==================================================
COMPLETE   yes     yes   yes    yes    counted and expected
PARTIAL    yes     yes   no     no     counted and expected: it can only undercount
UNKNOWN    no      no    no     no     missing on both sides; an open spike stays open
=========  ======  ====  =====  =====  ==================================================

Buckets left out between two steps are UNKNOWN, and so is what the calendar has planned. A holiday
is taken as a Sunday; a planned factor multiplies the expectation, and divides what is learnt.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from copy import copy
from datetime import datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from listener.detect.baseline import (
    DAY,
    DRIFT,
    FAST_DRIFT,
    MIN_START,
    NEW_DRIFT,
    SUNDAY,
    Baseline,
    moment_of,
)
from listener.detect.calendar import Calendar
from listener.detect.calibration import HOT, Calibration
from listener.detect.incident import Incident, iso, time_of
from listener.detect.packing import pack, unpack
from listener.detect.policy import Policy
from listener.detect.surprise import nb_band, nb_surprise
from listener.types import Bucket, Coverage, Verdict

VERSION = 3  # of the dumped state; raise it whenever the same buckets would give other verdicts
UNJUDGED = -9.0  # the score of a bucket that is not judged: warm-up, or not collected
MIN_WARM_UP = 14  # buckets; two days are nothing for a daily series

SUSPECT = 3.0  # surprise from which the baseline does not believe it: milder ones are mostly chance

LEAST_DISPERSION = 0.003
DISPERSION_HALF_LIFE = timedelta(days=10)
MOST_SQUARE = 2.0**2  # variances: a deviation counts for the dispersion up to 2 standard deviations
MOST_MORE = 2.0  # and a little more, or a post and its copies on a quiet day would be cut away
CLIP_LOSS = 0.93  # share of the variance that survives clipping there
WORTH_A_LOOK = 4.0  # variances: less of an excess is never HOT, and the tail is dear

ALERT_MEMORY = 0.5 ** (1 / 20)  # a day
ALERT_PRICE = 0.2  # a series that has just raised alerts has to show more for the next one

SUSPECT_WEIGHT = 0.15  # how much a bucket of a surge counts for the baseline
NEW_NORMAL = 0.7  # hot for this share of the last days: the surge is the new level, learn it
LEARN_CAP = 2.5  # standard deviations above expectation that the baseline believes
PUNCTUAL_CAP = 10.0  # and a minute of the day, where a bucket stands out of both its neighbours
SILENT = 4.0  # zeros as unlikely as 10^-4 are the source being down: not learnt
SILENT_LIMIT = timedelta(days=2)  # after that, there is nothing to hear any more

# What a bucket in the past is to the learner.
NONE, OPEN, DOUBTFUL, SOUND = range(4)


class WindowPrior(NamedTuple):
    """What is assumed of a window length before the series has shown it."""

    dispersion: float
    days: float  # that the assumption is worth
    clusters: float  # hot ones a day


_PRIORS = (
    (timedelta(minutes=15), WindowPrior(0.10, 0.25, 0.50)),
    (timedelta(hours=1), WindowPrior(0.08, 0.25, 0.40)),
    (timedelta(hours=4), WindowPrior(0.05, 0.5, 0.30)),
    (timedelta(hours=12), WindowPrior(0.03, 2.0, 0.20)),
)
_LONGEST_PRIOR = WindowPrior(0.02, 4.0, 0.15)
_LONG_BUCKETS = 0.10  # dispersion assumed where a bucket is longer than an hour


def window_prior(length: timedelta, step: timedelta) -> WindowPrior:
    """The prior of a window length: longer ones scatter less and surprise less often."""
    prior = next((prior for most, prior in _PRIORS if length <= most), _LONGEST_PRIOR)
    if step > timedelta(hours=1):
        return prior._replace(dispersion=_LONG_BUCKETS, days=6 * (step / timedelta(days=1)))
    return prior._replace(days=max(prior.days, 6 * (step / timedelta(days=1))))


class Plan:
    """All that follows from policy alone: shared by the detector of one series and that of many."""

    __slots__ = ("block", "calm", "clusters", "cooldown", "decay", "decays", "delay",
                 "dispersions", "every", "first_hours", "heat_decay", "hour", "lengths",
                 "min_excess", "min_ratio", "per_day", "priors", "quiet", "silent_limit", "spans",
                 "threshold", "warm_up", "windows")  # fmt: skip

    def __init__(self, policy: Policy) -> None:
        step = policy.step
        days = step / timedelta(days=1)
        self.lengths = sorted({policy.buckets(w) for w in policy.windows})  # buckets
        self.spans = [n * step for n in self.lengths]
        priors = [window_prior(span, step) for span in self.spans]
        self.dispersions = [p.dispersion for p in priors]
        self.priors = [p.days / days for p in priors]  # buckets
        self.clusters = [p.clusters for p in priors]
        hour, block = policy.buckets(timedelta(hours=1)), policy.buckets(timedelta(hours=4))
        longest = len(self.lengths) - 1
        self.hour = next((i for i, n in enumerate(self.lengths) if n >= hour), longest)
        self.block = next((i for i, n in enumerate(self.lengths) if n >= block), longest)
        self.quiet = [max(hour, n // 2) for n in self.lengths]  # buckets that end a cluster
        self.delay = policy.buckets(policy.learn_delay)
        self.decay = 0.5 ** (step / max(DISPERSION_HALF_LIFE, 30 * step))
        self.heat_decay = 0.5**days
        self.per_day = max(1, round(1 / days))
        self.first_hours = max(0.25 / days, MIN_START)
        self.warm_up = max(policy.warm_up / step, MIN_WARM_UP)
        self.silent_limit = max(policy.buckets(SILENT_LIMIT), 14)
        self.every = [max(1, n // 2) for n in self.lengths]  # neighbouring sums tell the same
        self.decays = [self.decay**n for n in self.every]
        self.windows = list(zip(self.lengths, self.every, strict=True))
        self.calm = policy.buckets(policy.calm)
        self.cooldown = policy.cooldown
        self.threshold = policy.threshold
        self.min_excess, self.min_ratio = policy.min_excess, policy.min_ratio


_MUTABLE = (
    "_baseline", "_believed", "_counts", "_excess2", "_expected", "_mass", "_mass2", "_marks",
    "_moments", "_next_spread", "_observed", "_punctual", "_samples", "_spread",
)  # fmt: skip


class Detector:
    """The state of one series: ``step`` it through buckets, ``copy`` it for provisional ones.

    ``tz`` is where people live: hours and weekdays of the season are taken there. None takes the
    wall clock of the buckets as it stands. ``calendar`` tells holidays and planned events; it is no
    part of the state. The state is small (some kB) and can always be rebuilt by replaying buckets.
    """

    __slots__ = ("_alerts", "_baseline", "_before", "_believed", "_calibrations", "_coldest",
                 "_counts", "_excess2", "_expected", "_heat", "_hot", "_in_cluster", "_incident",
                 "_marks", "_mass", "_mass2", "_moments", "_next_spread", "_observed", "_plan",
                 "_punctual", "_samples", "_seen", "_spread", "_tick", "_zero_mass", "_zeros",
                 "calendar", "last_at", "policy", "tz")  # fmt: skip

    def __init__(
        self, policy: Policy, tz: tzinfo | None = None, calendar: Calendar | None = None
    ) -> None:
        self.policy = policy
        self.tz = tz
        self.calendar = calendar
        self.last_at: datetime | None = None  # start of the last bucket stepped through
        plan = self._plan = Plan(policy)
        size, longest = len(plan.lengths), plan.lengths[-1]
        # Of each window: what was seen and expected in it, and what its dispersion is learnt from.
        # Sums have variance M + a M^2; a is moment-based with forgetting and a prior.
        self._observed = [0.0] * size
        self._mass = [0.0] * size
        self._excess2 = [0.0] * size
        self._mass2 = [0.0] * size
        self._samples = [0.0] * size  # buckets' worth
        # a, as it was some hours ago: a surge must not widen what it is compared with
        self._spread = list(plan.dispersions)
        self._next_spread = list(plan.dispersions)
        self._calibrations = [
            Calibration(*pair) for pair in zip(plan.clusters, plan.quiet, strict=True)
        ]
        self._coldest = max(calibration.cold for calibration in self._calibrations)
        self._in_cluster = False  # in some window
        # The longest window as a ring; bucket n is at n modulo its length
        self._tick = 0
        self._counts = [0.0] * longest
        self._expected = [0.0] * longest
        # What waits to be learnt: a surge is noticed some time after it began, and until then its
        # buckets can still be marked.
        self._moments: deque[int] = deque([0] * plan.delay)
        self._believed = deque([0.0] * plan.delay)
        self._punctual = deque([0.0] * plan.delay)
        self._marks: deque[int] = deque([NONE] * plan.delay)
        self._before = 0.0  # of _punctual, the one that was learnt last
        self._baseline = Baseline(policy.step, season_half_life=policy.season_half_life)
        self._incident = Incident(policy)
        self._seen = 0  # complete buckets
        self._hot = False
        self._heat = 0.0  # share of the last days that was hot
        self._alerts = 0.0  # raised lately
        self._zeros = 0  # how many in a row
        self._zero_mass = 0.0  # and what was expected in them

    @property
    def is_spike(self) -> bool:
        """Whether a spike is on after the last bucket."""
        return self._incident.onset_at is not None

    @property
    def dispersions(self) -> list[float]:
        """By window, the shortest first: counts have variance ``mean + dispersion * mean**2``."""
        return list(self._spread)

    def step(self, bucket: Bucket) -> Verdict:
        """Judge the next bucket and learn from it. ValueError if it is not after the last one."""
        expected, score, best = self.judge(bucket.at, bucket.count, bucket.coverage)
        onset_at = self._incident.onset_at
        mass, dispersion = max(self._mass[best], 0.0), self._spread[best]
        return Verdict(
            at=bucket.at,
            count=bucket.count,
            expected=expected,
            score=score,
            is_spike=onset_at is not None,
            window=self._plan.spans[best],
            observed=max(self._observed[best], 0.0),
            window_expected=mass,
            onset_at=onset_at,
            band=nb_band(expected, self._spread[0]),
            window_band=nb_band(mass, dispersion),
        )

    def judge(
        self, at: datetime, count: int | None, coverage: Coverage
    ) -> tuple[float, float, int]:
        """The same as ``step``, without the objects: expected count, score, index of the window."""
        self._move_to(at)
        moment = moment_of(at if self.tz is None else at.astimezone(self.tz))
        baseline = self._baseline
        factor: float | None = 1.0
        if self.calendar is not None:
            holiday, _, factor = self.calendar.at(at)
            if holiday:
                moment = SUNDAY * DAY + moment % DAY
        expected = baseline.at(baseline.grid.place(moment), self._spread[0]) * (factor or 1.0)
        if count is None or coverage is Coverage.UNKNOWN or factor is None:
            self._pass()
            return expected, UNJUDGED, len(self._mass) - 1

        complete = coverage is Coverage.COMPLETE
        hot = self._push(float(count), expected, learn=complete and self._may_learn_spread())
        incident = self._incident
        was_open = incident.onset_at is not None
        # Longer windows than the one that opened a spike remember it when it is long over.
        reach = incident.reach if was_open else len(self._mass)
        best, surprise, highest, held = 0, 0.0, self._coldest, 0.0
        calibrations = self._calibrations
        for i, found in hot:
            if i < reach:
                unusual = calibrations[i].score(found)
                if unusual > highest:
                    best, surprise, highest = i, found, unusual
                if found > held:
                    held = found
        score = UNJUDGED
        if self._seen >= self._plan.warm_up:
            score = highest - ALERT_PRICE * math.log10(1.0 + self._alerts)
            if complete and (hot or self._in_cluster):
                self._calibrate(hot)
            if was_open:
                incident.go_on(at, held, complete=complete)
                if incident.onset_at is None:
                    self._start_afresh()
            elif surprise and score >= self._plan.threshold:
                self._open(at, best, surprise, complete=complete)
        if complete:
            self._seen += 1
            self._learn(count, expected, factor, moment, best, surprise)
        else:
            self._queue(0, 0.0, 0.0, NONE)
            self._release()
        return expected, score, best

    def _move_to(self, at: datetime) -> None:
        """Step over buckets that were left out, as not collected."""
        last = self.last_at
        step = self.policy.step
        if last is None or at - last == step:
            self.last_at = at
            return
        if at <= last:
            raise ValueError(f"bucket {at.isoformat()} does not come after {last.isoformat()}")
        self.last_at = at
        # Days of 23 and 25 hours are one bucket of a daily series.
        longest = max(self._plan.lengths[-1], self._plan.delay)
        for _ in range(min(round((at - last) / step) - 1, longest)):
            self._pass()

    def _pass(self) -> None:
        """A bucket that was not collected: nothing seen, and nothing expected."""
        counts, expected, tick = self._counts, self._expected, self._tick
        at = tick % len(counts)
        if tick % self._plan.delay == 0:
            self._settle_spread()
        self._tick = tick + 1
        for i, length in enumerate(self._plan.lengths):
            self._observed[i] -= counts[at - length]
            self._mass[i] -= expected[at - length]
        counts[at] = expected[at] = 0.0
        self._queue(0, 0.0, 0.0, NONE)
        self._release()

    def _push(self, count: float, expected: float, *, learn: bool) -> list[tuple[int, float]]:
        """Move all windows on by a bucket; returns the surprise of those that stand out."""
        counts, means, plan, tick = self._counts, self._expected, self._plan, self._tick
        at = tick % len(counts)
        if tick % plan.delay == 0:
            self._settle_spread()
        self._tick = tick = tick + 1
        observed_in, mass_in, spread_in = self._observed, self._mass, self._spread
        learn = learn and self._seen > plan.per_day
        surprises = []
        for i, (length, every) in enumerate(plan.windows):
            observed = observed_in[i] = observed_in[i] + count - counts[at - length]
            mass = mass_in[i] = mass_in[i] + expected - means[at - length]
            if mass < 1e-6:
                mass = 1e-6
            excess = observed - mass
            if excess > 0:
                variance = mass + spread_in[i] * mass * mass
                if excess * excess > WORTH_A_LOOK * variance:
                    surprise = nb_surprise(observed, mass, spread_in[i])
                    if surprise:
                        surprises.append((i, surprise))
            if learn and tick % every == 0:
                self._learn_spread(i, mass, excess * excess)
        counts[at] = count
        means[at] = expected
        return surprises

    def _learn_spread(self, i: int, mass: float, square: float) -> None:
        """Count the squared deviation of a window for its dispersion."""
        plan, mass2 = self._plan, mass * mass
        most = MOST_SQUARE * (mass + self._spread[i] * mass2) + MOST_MORE
        clipped = (square if square < most else most) / CLIP_LOSS - mass
        decay = plan.decays[i]
        self._excess2[i] = self._excess2[i] * decay + clipped
        self._mass2[i] = self._mass2[i] * decay + mass2
        self._samples[i] = self._samples[i] * decay + plan.every[i]

    def _settle_spread(self) -> None:
        """Use the dispersions found last time, and keep those of now for the next."""
        plan = self._plan
        self._spread = self._next_spread
        self._next_spread = [
            max((n * (e / m if m else 0.0) + prior * first) / (n + prior), LEAST_DISPERSION)
            for e, m, n, prior, first in zip(
                self._excess2,
                self._mass2,
                self._samples,
                plan.priors,
                plan.dispersions,
                strict=True,
            )
        ]

    def _calibrate(self, hot: list[tuple[int, float]]) -> None:
        """Let each window learn how high it goes."""
        found = dict(hot)
        clusters, in_cluster = False, False
        for i, calibration in enumerate(self._calibrations):
            surprise = found.get(i, 0.0)
            if surprise > HOT or calibration.peak:
                calibration.learn(surprise)
                if calibration.peak:
                    in_cluster = True
                else:
                    clusters = True
        self._in_cluster = in_cluster
        if clusters:
            self._coldest = max(calibration.cold for calibration in self._calibrations)

    def _may_learn_spread(self) -> bool:
        """Not from an open spike; and on thin series not from a surge, or it would hide itself."""
        if self._incident.is_open:
            return False
        return not self._hot or self._heat > NEW_NORMAL or self._mass[self._plan.hour] > 5.0

    def _open(self, at: datetime, best: int, surprise: float, *, complete: bool) -> None:
        """Open an incident, unless there is too little of it or it is that of just now."""
        incident, plan = self._incident, self._plan
        observed, expected = self._observed[best], self._mass[best]
        if observed - expected < plan.min_excess or observed < plan.min_ratio * expected:
            return
        if incident.may_open(at, surprise):
            onset_at = self._onset(at)
            incident.open(onset_at, surprise, max(best, plan.hour) + 1)
            self._alerts += complete

    def _start_afresh(self) -> None:
        """Empty the windows: what happened has been told."""
        longest = len(self._counts)
        self._counts = [0.0] * longest
        self._expected = [0.0] * longest
        self._observed = [0.0] * len(self._observed)
        self._mass = [0.0] * len(self._mass)

    def _onset(self, at: datetime) -> datetime:
        """Where the surge began: the stretch up to now that is least like what was expected in it.

        Maximises the Poisson log-likelihood ratio of the stretch's own rate, n log(n / m) - (n - m)
        for n seen and m expected (Kulldorff's scan statistic, 1997). One rate for all stretches
        would reach back to strays of hours ago once the surge itself is far above it.
        """
        observed = expected = highest = 0.0
        began = 0
        counts, means = self._counts, self._expected
        newest = (self._tick - 1) % len(counts)
        for back in range(len(counts)):
            observed += counts[newest - back]
            expected += means[newest - back]
            if not counts[newest - back] or observed <= expected:
                continue  # a stretch begins with something that was seen
            m = max(expected, 1e-6)
            likelihood = observed * math.log(observed / m) - (observed - m)
            if likelihood > highest:
                highest, began = likelihood, back
        return at - began * self.policy.step

    def _learn(
        self, count: int, expected: float, factor: float, moment: int, best: int, surprise: float
    ) -> None:
        """Queue a complete bucket for the baseline, marked as what it is known to be so far."""
        plan = self._plan
        hot = self._hot = surprise >= HOT
        self._heat = self._heat * plan.heat_decay + (1.0 - plan.heat_decay) * hot
        believed = punctual = float(count)
        if believed > expected and self._seen > plan.first_hours:
            variance = expected + self._spread[0] * expected * expected
            deviation = math.sqrt(variance if variance > 0.25 else 0.25)
            believed = min(believed, expected + LEARN_CAP * deviation + 0.5)
            punctual = min(punctual, expected + PUNCTUAL_CAP * deviation + 0.5)
        if factor != 1.0:
            believed /= factor
            punctual /= factor
        mark = OPEN if self._incident.onset_at is not None else SOUND
        silent = self._listen(count, expected)
        if self._seen <= self._baseline.grid.first_day:
            self._teach(moment, believed, believed, SOUND)
            mark = NONE
        self._queue(moment, believed, punctual, mark)
        if silent:
            self._mark_back(self._zeros, NONE)
        elif surprise >= SUSPECT:
            self._mark_back(plan.lengths[best], DOUBTFUL)
        self._release()
        if self._seen % plan.per_day == 0:
            self._alerts *= ALERT_MEMORY
            if self._seen > plan.warm_up:
                for calibration in self._calibrations:
                    calibration.end_day()
                self._coldest = max(calibration.cold for calibration in self._calibrations)

    def _listen(self, count: int, expected: float) -> bool:
        """Whether so many zeros in a row mean that the source is down."""
        if count:
            self._zeros, self._zero_mass = 0, 0.0
            return False
        self._zeros += 1
        self._zero_mass += expected
        spread = self._spread[self._plan.hour]
        unlikely = math.log10(1.0 + spread * self._zero_mass) / spread
        return unlikely > SILENT and self._zeros < self._plan.silent_limit

    def _mark_back(self, buckets: int, mark: int) -> None:
        marks = self._marks
        for k in range(1, min(buckets, len(marks)) + 1):
            if marks[-k] > mark:
                marks[-k] = mark

    def _queue(self, moment: int, believed: float, punctual: float, mark: int) -> None:
        self._moments.append(moment)
        self._believed.append(believed)
        self._punctual.append(punctual)
        self._marks.append(mark)

    def _release(self) -> None:
        """Learn the bucket that has waited long enough."""
        moment, mark = self._moments.popleft(), self._marks.popleft()
        believed, punctual = self._believed.popleft(), self._punctual.popleft()
        before, self._before = self._before, punctual
        if mark == NONE:
            return
        by_minute = believed
        if punctual > believed:
            # Part of a surge has neighbours like it; what stands out of both is on a schedule.
            after = self._punctual[0]
            alone = punctual - (before if before > after else after)
            if alone > 0.0:
                by_minute = min(punctual, believed + alone)
        self._teach(moment, believed, by_minute, mark)

    def _teach(self, moment: int, believed: float, by_minute: float, mark: int) -> None:
        accepted = self._heat >= NEW_NORMAL
        weight = SUSPECT_WEIGHT if mark < SOUND and not accepted else 1.0
        below = self._observed[-1] - self._mass[-1]
        mass = self._mass[-1]
        drift = 1.0
        if accepted:
            drift = NEW_DRIFT / DRIFT
        elif below < 0 and below * below > 4.0 * (mass + self._spread[-1] * mass * mass):
            drift = FAST_DRIFT
        plan = self._plan
        baseline = self._baseline
        baseline.learn(
            baseline.grid.place(moment),
            believed,
            weight,
            by_minute,
            SUSPECT_WEIGHT
            if mark == OPEN and not accepted and by_minute <= believed + 1.0
            else 1.0,
            block=self._spread[plan.block] * plan.lengths[plan.block],
            hour_dispersion=self._spread[plan.hour],
            drift=drift,
        )

    def copy(self) -> Detector:
        """An independent detector in the same state, for buckets that may still change."""
        twin = copy(self)
        for name in _MUTABLE:
            setattr(twin, name, getattr(self, name).copy())
        twin._calibrations = [copy(calibration) for calibration in self._calibrations]
        twin._incident = copy(self._incident)
        return twin

    def dump(self) -> dict[str, Any]:
        """The state as JSON-serialisable values; ``load`` gives a detector that goes on exactly as
        this one."""
        return {
            "version": VERSION,
            "setup": self._setup(),
            "last_at": iso(self.last_at),
            "seen": self._seen,
            "hot": self._hot,
            "heat": self._heat,
            "alerts": self._alerts,
            "zeros": [self._zeros, self._zero_mass],
            "tick": self._tick,
            "recent": [pack(self._counts), pack(self._expected)],
            "waiting": [
                pack(values)
                for values in (self._moments, self._believed, self._punctual, self._marks)
            ],
            "before": self._before,
            "windows": [
                list(values)
                for values in (
                    self._observed,
                    self._mass,
                    self._excess2,
                    self._mass2,
                    self._samples,
                    self._next_spread,
                    self._spread,
                )
            ],
            "baseline": self._baseline.dump(),
            "calibrations": [c.dump() for c in self._calibrations],
            "incident": self._incident.dump(),
        }

    @classmethod
    def load(
        cls,
        dump: Mapping[str, Any],
        policy: Policy,
        tz: tzinfo | None = None,
        calendar: Calendar | None = None,
    ) -> Detector | None:
        """A detector in the dumped state; None if version, policy or zone differ: replay the
        buckets then."""
        detector = cls(policy, tz, calendar)
        if dump.get("version") != VERSION or dump.get("setup") != detector._setup():
            return None
        detector._restore(dump)
        return detector

    def _setup(self) -> str:
        """What the state depends on besides the buckets."""
        return f"{self.policy!r} {self.tz}"

    def _restore(self, dump: Mapping[str, Any]) -> None:
        self.last_at = time_of(dump["last_at"])
        self._seen = dump["seen"]
        self._hot = dump["hot"]
        self._heat = dump["heat"]
        self._alerts = dump["alerts"]
        self._zeros, self._zero_mass = dump["zeros"]
        self._tick, self._before = dump["tick"], dump["before"]
        self._counts, self._expected = (unpack(values) for values in dump["recent"])
        moments, believed, punctual, marks = (unpack(values) for values in dump["waiting"])
        self._moments = deque(int(moment) for moment in moments)
        self._believed, self._punctual = deque(believed), deque(punctual)
        self._marks = deque(int(mark) for mark in marks)
        windows = (list(v) for v in dump["windows"])
        self._observed, self._mass, self._excess2, self._mass2 = (next(windows) for _ in range(4))
        self._samples, self._next_spread, self._spread = windows
        self._baseline.restore(dump["baseline"])
        for calibration, values in zip(self._calibrations, dump["calibrations"], strict=True):
            calibration.restore(values)
        self._coldest = max(calibration.cold for calibration in self._calibrations)
        self._in_cluster = any(calibration.peak for calibration in self._calibrations)
        self._incident.restore(dump["incident"])
