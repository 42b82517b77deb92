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
from listener.detect.packing import pack, unpack
from listener.detect.policy import Policy
from listener.detect.surprise import LN10, nb_band, nb_surprise
from listener.types import Bucket, Coverage, Verdict

VERSION = 2  # of the dumped state; raise it whenever the same buckets would give other verdicts
UNJUDGED = -9.0  # the score of a bucket that is not judged: warm-up, or not collected
MIN_WARM_UP = 14  # buckets; two days are nothing for a daily series

HOT = 2.0  # surprise from which a bucket is part of a surge
SUSPECT = 3.0  # and from which the baseline does not believe it: milder ones are mostly chance

LEAST_DISPERSION = 0.003
DISPERSION_HALF_LIFE = timedelta(days=10)
MOST_SQUARE = 2.0**2  # variances: a deviation counts for the dispersion up to 2 standard deviations
CLIP_LOSS = 0.92  # share of a normal variance that survives clipping there
WORTH_A_LOOK = 1.5  # variances: less of an excess cannot matter, and the tail is dear

MEMORY = 0.5 ** (1 / 14)  # of the calibration, a day
EARLIER_DAYS = 7.0  # worth of prior
EARLIER_PEAKS = 8.0  # clusters worth of prior for how high they go
MOST_PEAK = 4.0  # scales: a peak counts for the scale up to this much
CLIPPED_PEAK = 1 - math.exp(-MOST_PEAK)  # of an exponential clipped there, the mean
HEAVY = 0.15  # shape of the tail of peaks
ALERT_MEMORY = 0.5 ** (1 / 20)  # a day
ALERT_PRICE = 0.2  # a series that has just raised alerts has to show more for the next one

SUSPECT_WEIGHT = 0.15  # how much a bucket of a surge counts for the baseline
NEW_NORMAL = 0.7  # hot for this share of the last days: the surge is the new level, learn it
LEARN_CAP = 2.5  # standard deviations above expectation that the baseline believes
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

    __slots__ = ("block", "calm", "clusters", "cooldown", "decay", "delay", "dispersions",
                 "first_hours", "heat_decay", "hour", "lengths", "min_excess", "min_ratio",
                 "per_day", "priors", "quiet", "silent_limit", "spans", "threshold",
                 "warm_up")  # fmt: skip

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
        self.calm = policy.buckets(policy.calm)
        self.cooldown = policy.cooldown
        self.threshold = policy.threshold
        self.min_excess, self.min_ratio = policy.min_excess, policy.min_ratio


class Calibration:
    """Turns the surprise of one window length into a score by what this series does on its own.

    Hot buckets close together are one cluster. Clusters come at a rate, and their peaks above HOT
    are taken as generalised Pareto: of a shape a little heavier than exponential, and a scale that
    is the mean of peaks, each clipped so that an incident does not hide the next one. The score is
    -log10 of the number of clusters this high to be expected in 30 days.
    """

    __slots__ = ("_clusters", "_days", "_excess", "_peaks", "_prior", "_quiet",
                 "_quiet_needed", "_rarity", "_scale", "cold", "peak")  # fmt: skip

    def __init__(self, clusters: float, quiet: int) -> None:
        self._prior = clusters
        self._quiet_needed = quiet
        self._days = EARLIER_DAYS
        self._clusters = clusters * EARLIER_DAYS
        self._peaks = self._excess = 0.0  # how many, and the sum of their clipped heights above HOT
        self.peak = 0.0
        self._quiet = 0
        self._settle()

    def _settle(self) -> None:
        """What a score needs. Of the prior a single cluster is never forgotten, or a quiet month
        would make the series touchy."""
        rate = (self._clusters + 1.0) / (self._days + 1.0 / self._prior)
        self._rarity = math.log10(30.0 * rate)
        self.cold = -HOT - self._rarity
        scale = (EARLIER_PEAKS / LN10 + self._excess) / (EARLIER_PEAKS + self._peaks * CLIPPED_PEAK)
        self._scale = max(1 / LN10, scale)  # that of chance alone, or larger

    def score(self, surprise: float) -> float:
        """-log10 of how many surprises of this size are expected in 30 days."""
        excess = surprise - HOT
        if excess > 0:
            excess = math.log1p(HEAVY * excess / self._scale) / (HEAVY * LN10)
        return excess - self._rarity

    def learn(self, surprise: float) -> None:
        """Count one complete bucket."""
        if surprise > HOT:
            if surprise > self.peak:
                self.peak = surprise
            self._quiet = 0
        elif self.peak:
            self._quiet += 1
            if self._quiet >= self._quiet_needed:
                self._clusters += 1.0
                self._peaks += 1.0
                self._excess += min(self.peak - HOT, MOST_PEAK * self._scale)
                self.peak = 0.0
                self._settle()

    def end_day(self) -> None:
        """Forget a little."""
        self._days = self._days * MEMORY + 1.0
        self._clusters *= MEMORY
        self._peaks *= MEMORY
        self._excess *= MEMORY
        self._settle()

    def dump(self) -> list[float]:
        return [self._days, self._clusters, self._peaks, self._excess, self.peak, self._quiet]

    def restore(self, dump: list[float]) -> None:
        self._days, self._clusters, self._peaks, self._excess, self.peak = dump[:5]
        self._quiet = int(dump[5])
        self._settle()


class Incident:
    """Whether a spike is on: opens at the threshold, ends after a calm time, rests for a
    cooldown."""

    __slots__ = ("_calm", "_calm_needed", "_closed_at", "_cooldown", "_peak", "onset_at", "reach")

    def __init__(self, policy: Policy) -> None:
        self._calm_needed = policy.buckets(policy.calm)
        self._cooldown = policy.cooldown
        self._calm = 0
        self._peak = 0.0
        self._closed_at: datetime | None = None
        self.reach = 1  # how many windows, from the shortest, have to be calm
        self.onset_at: datetime | None = None  # set exactly while open

    @property
    def is_open(self) -> bool:
        return self.onset_at is not None

    def may_open(self, at: datetime, surprise: float) -> bool:
        """Not in the cooldown, unless this is clearly larger than the last one."""
        rested = self._closed_at is None or at - self._closed_at >= self._cooldown
        return rested or surprise >= 1.5 * self._peak + 1.0

    def open(self, onset_at: datetime, surprise: float, reach: int) -> None:
        self.onset_at = onset_at
        self.reach = reach
        self._peak = surprise
        self._calm = 0

    def go_on(self, at: datetime, surprise: float, *, complete: bool) -> None:
        """One more bucket while open; only complete ones bring the end closer."""
        if surprise >= HOT:
            self._peak = max(self._peak, surprise)
            self._calm = 0
        elif complete:
            self._calm += 1
            if self._calm >= self._calm_needed:
                self.onset_at = None
                self._closed_at = at

    def dump(self) -> list[Any]:
        return [self._calm, self._peak, self.reach, _iso(self._closed_at), _iso(self.onset_at)]

    def restore(self, dump: list[Any]) -> None:
        self._calm, self._peak, self.reach = dump[:3]
        self._closed_at, self.onset_at = (_time(v) for v in dump[3:])


_MUTABLE = (
    "_baseline", "_believed", "_counts", "_excess2", "_expected", "_marks", "_mass", "_mass2",
    "_moments", "_observed", "_spread",
)  # fmt: skip


class Detector:
    """The state of one series: ``step`` it through buckets, ``copy`` it for provisional ones.

    ``tz`` is where people live: hours and weekdays of the season are taken there. None takes the
    wall clock of the buckets as it stands. ``calendar`` tells holidays and planned events; it is no
    part of the state. The state is small (some kB) and can always be rebuilt by replaying buckets.
    """

    __slots__ = ("_alerts", "_baseline", "_believed", "_calibrations", "_counts", "_excess2",
                 "_expected", "_heat", "_hot", "_incident", "_marks", "_mass", "_mass2", "_moments",
                 "_observed", "_plan", "_seen", "_spread", "_zero_mass", "_zeros", "calendar",
                 "last_at", "policy", "tz")  # fmt: skip

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
        self._spread = list(plan.dispersions)  # a, as of the last bucket
        self._calibrations = [
            Calibration(*pair) for pair in zip(plan.clusters, plan.quiet, strict=True)
        ]
        # The longest window, newest last
        self._counts = deque([0.0] * longest, maxlen=longest)
        self._expected = deque([0.0] * longest, maxlen=longest)
        # What waits to be learnt: a surge is noticed some time after it began, and until then its
        # buckets can still be marked.
        self._moments: deque[int] = deque([0] * plan.delay)
        self._believed = deque([0.0] * plan.delay)
        self._marks: deque[int] = deque([NONE] * plan.delay)
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
        surprises = self._push(float(count), expected, learn=complete and self._may_learn_spread())
        warm = self._seen >= self._plan.warm_up
        best, highest = 0, -99.0
        # Longer windows than the one that opened a spike remember it when it is long over.
        reach = self._incident.reach if self.is_spike else len(surprises)
        for i, calibration in enumerate(self._calibrations[:reach]):
            found = calibration.score(surprises[i]) if surprises[i] else calibration.cold
            if found > highest:
                best, highest = i, found
        if not surprises[best]:
            best = 0  # nothing stands out at any length
        surprise = surprises[best]
        score = UNJUDGED
        if warm:
            score = highest - ALERT_PRICE * math.log10(1.0 + self._alerts)
            if complete:
                for calibration, found in zip(self._calibrations, surprises, strict=True):
                    if found > HOT or calibration.peak:
                        calibration.learn(found)
            self._follow(at, best, surprises, score, complete=complete)
        if complete:
            self._seen += 1
            self._learn(count, expected, factor, moment, best, surprise)
        else:
            self._queue(0, 0.0, NONE)
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
        counts, expected = self._counts, self._expected
        for i, length in enumerate(self._plan.lengths):
            self._observed[i] -= counts[-length]
            self._mass[i] -= expected[-length]
        counts.append(0.0)
        expected.append(0.0)
        self._queue(0, 0.0, NONE)
        self._release()

    def _push(self, count: float, expected: float, *, learn: bool) -> list[float]:
        """Move all windows on by a bucket; returns the surprise of each."""
        counts, means, plan = self._counts, self._expected, self._plan
        observed_in, mass_in = self._observed, self._mass
        excess2_in, mass2_in, spread_in = self._excess2, self._mass2, self._spread
        decay = plan.decay
        learn = learn and self._seen > plan.per_day
        surprises = []
        for i, length in enumerate(plan.lengths):
            observed = observed_in[i] = observed_in[i] + count - counts[-length]
            mass = mass_in[i] = mass_in[i] + expected - means[-length]
            if mass < 1e-6:
                mass = 1e-6
            mass2 = mass * mass
            prior = plan.priors[i] * mass2 + 1e-12
            spread = (excess2_in[i] + plan.dispersions[i] * prior) / (mass2_in[i] + prior)
            if spread < LEAST_DISPERSION:
                spread = LEAST_DISPERSION
            spread_in[i] = spread
            variance = mass + spread * mass2
            excess = observed - mass
            square = excess * excess
            if excess > 0 and square > WORTH_A_LOOK * variance:
                surprises.append(nb_surprise(observed, mass, spread))
            else:
                surprises.append(0.0)
            if learn:
                most = MOST_SQUARE * variance
                if square > most:
                    square = most
                excess2_in[i] = excess2_in[i] * decay + square / CLIP_LOSS - mass
                mass2_in[i] = mass2_in[i] * decay + mass2
        counts.append(count)
        means.append(expected)
        return surprises

    def _may_learn_spread(self) -> bool:
        """Not from an open spike; and on thin series not from a surge, or it would hide itself."""
        if self._incident.is_open:
            return False
        return not self._hot or self._heat > NEW_NORMAL or self._mass[self._plan.hour] > 5.0

    def _follow(
        self, at: datetime, best: int, surprises: list[float], score: float, *, complete: bool
    ) -> None:
        """Open, keep or end the incident."""
        incident, plan = self._incident, self._plan
        if incident.is_open:
            incident.go_on(at, max(surprises[: incident.reach]), complete=complete)
            if not self.is_spike:
                self._start_afresh()
            return
        surprise = surprises[best]
        if score < plan.threshold:
            return
        observed, expected = self._observed[best], self._mass[best]
        if observed - expected < plan.min_excess or observed < plan.min_ratio * expected:
            return
        if incident.may_open(at, surprise):
            onset_at = self._onset(at, observed / max(expected, 1e-6))
            incident.open(onset_at, surprise, max(best, plan.hour) + 1)
            self._alerts += complete

    def _start_afresh(self) -> None:
        """Empty the windows: what happened has been told."""
        longest = len(self._counts)
        self._counts.extend([0.0] * longest)
        self._expected.extend([0.0] * longest)
        self._observed = [0.0] * len(self._observed)
        self._mass = [0.0] * len(self._mass)

    def _onset(self, at: datetime, ratio: float) -> datetime:
        """Where the surge began: the stretch up to now that is most likely at ``ratio`` times the
        expectation.

        Maximises the Poisson log-likelihood ratio, count * log(ratio) - expected * (ratio - 1),
        summed backwards.
        """
        gain, loss = math.log(ratio), ratio - 1.0
        total = highest = 0.0
        began = 0
        past = zip(reversed(self._counts), reversed(self._expected), strict=True)
        for back, (count, expected) in enumerate(past):
            total += count * gain - expected * loss
            if total > highest:
                highest, began = total, back
        return at - began * self.policy.step

    def _learn(
        self, count: int, expected: float, factor: float, moment: int, best: int, surprise: float
    ) -> None:
        """Queue a complete bucket for the baseline, marked as what it is known to be so far."""
        plan = self._plan
        hot = self._hot = surprise >= HOT
        self._heat = self._heat * plan.heat_decay + (1.0 - plan.heat_decay) * hot
        believed = float(count)
        if self._seen > plan.first_hours and believed > expected:
            variance = expected + self._spread[0] * expected * expected
            most = expected + LEARN_CAP * math.sqrt(max(variance, 0.25)) + 0.5
            believed = min(believed, most)
        believed /= factor
        mark = OPEN if self._incident.is_open else SOUND
        silent = self._listen(count, expected)
        if self._seen <= self._baseline.grid.first_day:
            self._teach(moment, believed, SOUND)
            mark = NONE
        self._queue(moment, believed, mark)
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

    def _queue(self, moment: int, believed: float, mark: int) -> None:
        self._moments.append(moment)
        self._believed.append(believed)
        self._marks.append(mark)

    def _release(self) -> None:
        """Learn the bucket that has waited long enough."""
        self._teach(self._moments.popleft(), self._believed.popleft(), self._marks.popleft())

    def _teach(self, moment: int, believed: float, mark: int) -> None:
        if mark == NONE:
            return
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
            SUSPECT_WEIGHT if mark == OPEN and not accepted else 1.0,
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
            "last_at": _iso(self.last_at),
            "seen": self._seen,
            "hot": self._hot,
            "heat": self._heat,
            "alerts": self._alerts,
            "zeros": [self._zeros, self._zero_mass],
            "recent": [pack(self._counts), pack(self._expected)],
            "waiting": [pack(self._moments), pack(self._believed), pack(self._marks)],
            "windows": [
                list(values)
                for values in (self._observed, self._mass, self._excess2, self._mass2, self._spread)
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
        self.last_at = _time(dump["last_at"])
        self._seen = dump["seen"]
        self._hot = dump["hot"]
        self._heat = dump["heat"]
        self._alerts = dump["alerts"]
        self._zeros, self._zero_mass = dump["zeros"]
        self._counts.extend(unpack(dump["recent"][0]))
        self._expected.extend(unpack(dump["recent"][1]))
        self._moments = deque(int(v) for v in unpack(dump["waiting"][0]))
        self._believed = deque(unpack(dump["waiting"][1]))
        self._marks = deque(int(v) for v in unpack(dump["waiting"][2]))
        windows = (list(v) for v in dump["windows"])
        self._observed, self._mass, self._excess2, self._mass2, self._spread = windows
        self._baseline.restore(dump["baseline"])
        for calibration, values in zip(self._calibrations, dump["calibrations"], strict=True):
            calibration.restore(values)
        self._incident.restore(dump["incident"])


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
