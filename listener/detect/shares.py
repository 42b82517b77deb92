"""The detector of shares and means: is what is said worse than usual, however much is said?

Beside the detector of counts (spike.py), with the same steps, states and verdicts. A share is ``k``
of ``n``: the negative ones of those scored. A mean of scores becomes one by taking from each
mention how bad it is, from 0 (best) to 1 (worst): five stars are 0, one star is 1. Only what gets
worse is a spike. See docs/alert-signals.md.

The test is one for small samples: the tail of a binomial whose size is divided by how much more
such sums scatter than a binomial (quasi-binomial), as this series has shown, and by how little is
known of the usual share.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from listener.detect.baseline import DAY, SUNDAY, moment_of
from listener.detect.binomial import binomial_surprise
from listener.detect.calendar import Calendar
from listener.detect.calibration import HOT, Calibration
from listener.detect.incident import Incident
from listener.detect.packing import pack, unpack
from listener.detect.policy import Policy
from listener.detect.spike import UNJUDGED
from listener.detect.usual import DRIFT, NEW_DRIFT, UsualShare
from listener.types import Coverage, Verdict

VERSION: Final = 1  # of the dumped state; raise it whenever the same buckets give other verdicts

# Hours, not minutes: a share of a few mentions tells nothing.
WINDOWS: Final = (
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=4),
    timedelta(hours=12),
    timedelta(hours=24),
    timedelta(hours=72),
)
FINE: Final = timedelta(hours=24)  # longer windows move on by the hour
FEWEST: Final = 5  # mentions in a window; of fewer nobody can say a share
LEAST_ODDS: Final = 1.5  # times the usual odds: less is no news, however sure
WORTH_A_LOOK: Final = 1.5  # variances: less of an excess cannot matter, and the tail is dear


GRAIN_PRIOR: Final = 60.0  # mentions worth of "each is either bad or not"
LEAST_GRAIN: Final = 0.05
GRAIN_HALF_LIFE: Final = 2000.0  # mentions
LITTLE: Final = 0.3  # buckets in which more goes together do not show what single mentions do
DISPERSIONS: Final = (0.04, 0.03, 0.015, 0.01, 0.008, 0.006)  # of each window, before it has shown
PRIOR_DAYS: Final = (1.0, 1.0, 2.0, 4.0, 6.0, 12.0)  # that these are worth
CLUSTERS: Final = (0.3, 0.3, 0.2, 0.1, 0.07, 0.03)  # hot ones a day, likewise
BLOCK: Final = 2  # the window by which the level is trusted
DISPERSION_HALF_LIFE: Final = timedelta(days=10)
LEAST_DISPERSION: Final = 0.0005
FEWEST_TO_SCATTER: Final = 2.0  # variances of a binomial that a window must hold to show its own
MOST_SQUARE: Final = 4.0  # variances: a deviation counts for the dispersion up to 2 sd
CLIP_LOSS: Final = 0.92

SEVERAL: Final = 0.35  # of the score: windows that overlap are about two tests, not one
ALERT_MEMORY: Final = 0.5 ** (1 / 20)  # a day
ALERT_PRICE: Final = 0.2  # a series that has just raised alerts has to show more for the next one
SUSPECT: Final = 2.5  # surprise from which the usual share hardly believes what it sees
SUSPECT_WEIGHT: Final = 0.1
ACCEPTED: Final = 0.7  # hot for this share of the last days: it is the usual now

NONE, OPEN, DOUBTFUL, SOUND = range(4)  # what a bucket in the past is to the learner


@dataclass(frozen=True, slots=True)
class ShareBucket:
    """One time bucket: ``k`` of ``n`` are bad, neither has to be whole.

    Both are None exactly when coverage is UNKNOWN. 0 <= k <= n.
    """

    at: datetime
    k: float | None
    n: float | None
    coverage: Coverage = Coverage.COMPLETE

    @property
    def count(self) -> tuple[float, float] | None:
        """Both numbers, as ``ShareDetector.judge`` takes them."""
        return None if self.k is None or self.n is None else (self.k, self.n)


def badness(kind: str, *, total: float, count: float) -> float:
    """How bad ``count`` mentions are together, of the ``total`` of their scores: 0..count.

    ``kind`` is "rating" (a score is the place on the scale, 0..1, high is good) or "sentiment" (a
    score is in -1..1).
    """
    bad = count - total if kind == "rating" else (count - total) / 2
    return min(max(bad, 0.0), count)


class _Plan:
    """All that follows from policy alone."""

    __slots__ = ("coarse", "decay", "delay", "fine", "heat_decay", "hour", "lengths", "per_day",
                 "quiet", "warm_up")  # fmt: skip

    def __init__(self, policy: Policy) -> None:
        days = policy.step / timedelta(days=1)
        self.hour = policy.buckets(timedelta(hours=1))
        self.fine = policy.buckets(FINE)
        self.lengths = [policy.buckets(w) for w in WINDOWS]  # buckets
        self.coarse = max(WINDOWS) // timedelta(hours=1)  # hours
        self.quiet = [max(self.hour, n // 2) for n in self.lengths]  # buckets that end a cluster
        self.delay = min(policy.buckets(policy.learn_delay), self.fine - 1)
        self.decay = 0.5 ** (policy.step / DISPERSION_HALF_LIFE)
        self.heat_decay = 0.5**days
        self.per_day = max(1, round(1 / days))
        self.warm_up = policy.warm_up / policy.step


class ShareDetector:
    """The state of one share: ``step`` it through buckets, ``copy`` it for provisional ones.

    ``tz`` and ``calendar`` as for ``Detector``; a planned factor changes how much is said, not how
    good it is, so that only events that are not to be judged count. In the verdicts counts are bad
    mentions: ``observed`` of the window against ``window_expected``, its n times the usual share.
    """

    __slots__ = ("_alerts", "_calibrations", "_coarse", "_fine", "_grain", "_grain_mass", "_heat",
                 "_incident", "_level", "_marks", "_plan", "_seen", "_spread2", "_spread_mass",
                 "_spreads", "_sums", "_tick", "_waiting", "calendar", "last_at", "policy",
                 "tz")  # fmt: skip

    def __init__(
        self, policy: Policy, tz: tzinfo | None = None, calendar: Calendar | None = None
    ) -> None:
        self.policy = policy
        self.tz = tz
        self.calendar = calendar
        self.last_at: datetime | None = None
        plan = self._plan = _Plan(policy)
        size = len(plan.lengths)
        # Of each window the sums of n, k, n * share, n * share * (1 - share).
        self._sums = [[0.0] * 4 for _ in range(size)]
        # (n, k, share) of each bucket, newest last, and sums by the hour for longer windows
        self._fine = deque([(0.0, 0.0, 0.0)] * plan.fine, maxlen=plan.fine)
        self._coarse = deque([[0.0] * 4 for _ in range(plan.coarse)], maxlen=plan.coarse)
        self._tick = 0
        # What waits to be learnt (moment, n, k): that a bucket belongs to a surge is noticed late.
        self._waiting = deque([(0, 0.0, 0.0)] * plan.delay)
        self._marks: deque[int] = deque([NONE] * plan.delay)
        self._level = UsualShare(policy)
        # Var(k) = n p (1 - p) (grain + spread * n): how far single mentions are from either good or
        # bad, and how much they go together.
        self._grain, self._grain_mass = GRAIN_PRIOR, GRAIN_PRIOR
        self._spread2 = [0.0] * size
        self._spread_mass = [0.0] * size
        self._spreads = list(DISPERSIONS)
        self._calibrations = [Calibration(*pair) for pair in zip(CLUSTERS, plan.quiet, strict=True)]
        self._incident = Incident(policy)
        self._seen = 0  # complete buckets
        self._heat = 0.0
        self._alerts = 0.0

    @property
    def is_spike(self) -> bool:
        """Whether a spike is on after the last bucket."""
        return self._incident.onset_at is not None

    def usual(self, at: datetime) -> float:
        """The share to be expected in a bucket."""
        return self._level.at(self._moment(at)[0])

    def step(self, bucket: ShareBucket) -> Verdict:
        """Judge the next bucket and learn from it. ValueError if it is not after the last one."""
        expected, score, best = self.judge(bucket.at, bucket.count, bucket.coverage)
        onset_at = self._incident.onset_at
        _, observed, mass, _ = self._sums[best]
        return Verdict(
            at=bucket.at,
            count=bucket.k,
            expected=expected,
            score=score,
            is_spike=onset_at is not None,
            window=WINDOWS[best],
            observed=max(observed, 0.0),
            window_expected=max(mass, 0.0),
            onset_at=onset_at,
            window_band=self._band(best),
        )

    def judge(
        self, at: datetime, count: tuple[float, float] | None, coverage: Coverage
    ) -> tuple[float, float, int]:
        """The same as ``step``, without the objects: expected bad ones, score, index of the
        window."""
        self._move_to(at)
        moment, planned = self._moment(at)
        share = self._level.at(moment)
        if count is None or coverage is Coverage.UNKNOWN or planned:
            self._pass()
            return 0.0, UNJUDGED, len(self._sums) - 1
        k, n = count
        complete = coverage is Coverage.COMPLETE
        self._push(n, k, share)
        surprises = self._surprises(learn=complete and not self.is_spike)
        warm = self._seen >= self._plan.warm_up
        best, highest = 0, -99.0
        reach = self._incident.reach if self.is_spike else len(surprises)
        for i, calibration in enumerate(self._calibrations[:reach]):
            found = calibration.score(surprises[i]) if surprises[i] else calibration.cold
            if found > highest:
                best, highest = i, found
        score = UNJUDGED
        if warm:
            score = highest - SEVERAL - ALERT_PRICE * math.log10(1.0 + self._alerts)
            if complete:
                for calibration, found in zip(self._calibrations, surprises, strict=True):
                    if found > HOT or calibration.peak:
                        calibration.learn(found)
            self._follow(at, best, surprises, score, complete=complete)
        if complete:
            self._learn(moment, n, k, best, surprises[best])
        else:
            self._queue(0, 0.0, 0.0, NONE)
            self._release()
        return n * share, score, best

    # --- windows -------------------------------------------------------------------------------

    def _moment(self, at: datetime) -> tuple[int, bool]:
        """Where in the week a bucket lies, and whether it is not to be judged."""
        moment = moment_of(at if self.tz is None else at.astimezone(self.tz))
        if self.calendar is None:
            return moment, False
        holiday, _, factor = self.calendar.at(at)
        return (SUNDAY * DAY + moment % DAY if holiday else moment), factor is None

    def _move_to(self, at: datetime) -> None:
        """Step over buckets that were left out, as not collected."""
        last = self.last_at
        step = self.policy.step
        if last is not None and at - last != step:
            if at <= last:
                raise ValueError(f"bucket {at.isoformat()} does not come after {last.isoformat()}")
            most = max(self._plan.lengths) + self._plan.hour
            for _ in range(min(round((at - last) / step) - 1, most)):
                self._pass()
        self.last_at = at

    def _pass(self) -> None:
        """A bucket that was not collected: nothing seen, and nothing expected."""
        self._push(0.0, 0.0, 0.0)
        self._queue(0, 0.0, 0.0, NONE)
        self._release()

    def _push(self, n: float, k: float, share: float) -> None:
        """Move all windows on by a bucket."""
        plan, fine = self._plan, self._fine
        mass = n * share
        variance = mass * (1.0 - share)
        if self._tick % plan.hour == 0:
            self._turn_hour()
        self._tick += 1
        if n:
            hour = self._coarse[-1]
            for place, value in enumerate((n, k, mass, variance)):
                hour[place] += value
        for sums, length in zip(self._sums, plan.lengths, strict=True):
            if n:
                sums[0] += n
                sums[1] += k
                sums[2] += mass
                sums[3] += variance
            if length <= plan.fine:
                gone, bad, was = fine[-length]
                if gone:
                    sums[0] -= gone
                    sums[1] -= bad
                    sums[2] -= gone * was
                    sums[3] -= gone * was * (1.0 - was)
        fine.append((n, k, share if n else 0.0))

    def _turn_hour(self) -> None:
        """The longer windows lose an hour; all sums are made anew, so that errors of rounding stay
        small and an empty window is exactly empty."""
        plan = self._plan
        self._coarse.append([0.0] * 4)
        for i, length in enumerate(plan.lengths):
            if length > plan.fine:
                hours = list(self._coarse)[-(length // plan.hour) :]
                self._sums[i] = [math.fsum(hour[place] for hour in hours) for place in range(4)]
            elif not self._sums[i][0] or self._sums[i][0] < 1e-6:
                self._sums[i] = [0.0] * 4

    def _surprises(self, *, learn: bool) -> list[float]:
        """The surprise of each window."""
        plan = self._plan
        grain = self._grain / self._grain_mass
        variance_of_level = self._level.variance
        found = []
        for i, (n, k, mass, variance) in enumerate(self._sums):
            if n < 1e-6 or variance <= 0.0:
                found.append(0.0)
                continue
            spread = self._spread_of(i, variance * n)
            sampled = grain + spread * n
            scatter = sampled + variance * variance_of_level
            excess = k - mass
            square = excess * excess
            if n < FEWEST or excess <= 0.0 or square <= WORTH_A_LOOK * variance * scatter:
                found.append(0.0)
            else:
                found.append(binomial_surprise(k / scatter, n / scatter, mass / n))
            if learn and variance >= FEWEST_TO_SCATTER and self._seen > plan.per_day:
                most = MOST_SQUARE * variance * scatter
                if square > most:
                    square = most
                keep = plan.decay
                self._spread2[i] = self._spread2[i] * keep + square / CLIP_LOSS - grain * variance
                self._spread_mass[i] = self._spread_mass[i] * keep + variance * n
        return found

    def _spread_of(self, i: int, mass: float) -> float:
        """How much the mentions of a window go together, learnt as far as it was seen."""
        prior = PRIOR_DAYS[i] * self._plan.per_day * mass + 1e-12
        spread = (self._spread2[i] + DISPERSIONS[i] * prior) / (self._spread_mass[i] + prior)
        self._spreads[i] = max(spread, LEAST_DISPERSION)
        return self._spreads[i]

    def _band(self, i: int) -> tuple[float, float]:
        """Where nineteen of twenty such windows have their bad ones."""
        n, _, mass, variance = self._sums[i]
        if n < 1e-6:
            return 0.0, 0.0
        grain = self._grain / self._grain_mass
        scatter = grain + self._spreads[i] * n + variance * self._level.variance
        wide = 1.96 * math.sqrt(max(variance * scatter, 0.0))
        return max(0.0, mass - wide), min(n, mass + wide)

    # --- the incident --------------------------------------------------------------------------

    def _follow(
        self, at: datetime, best: int, surprises: list[float], score: float, *, complete: bool
    ) -> None:
        """Open, keep or end the incident."""
        incident = self._incident
        if self.is_spike:
            incident.go_on(at, max(surprises[: incident.reach]), complete=complete)
            if incident.onset_at is None:
                self._start_afresh()
            return
        if score < self.policy.threshold or not surprises[best]:
            return
        n, k, mass, _ = self._sums[best]
        if k - mass < self.policy.min_excess or _odds(k, n) < LEAST_ODDS * _odds(mass, n):
            return
        if incident.may_open(at, surprises[best]):
            incident.open(self._onset(at, best), surprises[best], max(best, 2) + 1)
            self._alerts += complete

    def _start_afresh(self) -> None:
        """Empty the windows: what happened has been told."""
        plan = self._plan
        self._fine.extend([(0.0, 0.0, 0.0)] * plan.fine)
        self._coarse.extend([[0.0] * 4 for _ in range(plan.coarse)])
        self._sums = [[0.0] * 4 for _ in self._sums]

    def _onset(self, at: datetime, best: int) -> datetime:
        """Where it began: the stretch up to now that most likely had the share of the window
        instead of its usual one (log-likelihood ratio of binomials, summed backwards)."""
        n, k, _, _ = self._sums[best]
        worse = min(max(k / n, 0.001), 0.999)
        if self._plan.lengths[best] <= self._plan.fine:
            past = [(n, k, n * p) for n, k, p in self._fine]
            unit = self.policy.step
        else:
            past = [(n, k, mass) for n, k, mass, _ in self._coarse]
            unit = timedelta(hours=1)
        total = highest = 0.0
        began = 0
        for back, (n, k, mass) in enumerate(reversed(past)):
            if not n:
                continue
            share = min(max(mass / n, 1e-4), 1 - 1e-4)
            total += k * math.log(worse / share) + (n - k) * math.log((1 - worse) / (1 - share))
            if total > highest:
                highest, began = total, back
        return at - began * unit

    # --- learning ------------------------------------------------------------------------------

    def _learn(self, moment: int, n: float, k: float, best: int, surprise: float) -> None:
        """Let a complete bucket wait to be learnt, marked as what it is known to be so far."""
        plan = self._plan
        self._seen += 1
        self._heat = self._heat * plan.heat_decay + (1 - plan.heat_decay) * (surprise >= HOT)
        self._queue(moment, n, k, OPEN if self.is_spike else SOUND)
        if surprise >= SUSPECT:
            marks = self._marks
            for back in range(1, min(plan.lengths[best], len(marks)) + 1):
                if marks[-back] == SOUND:
                    marks[-back] = DOUBTFUL
        self._release()
        if self._seen % plan.per_day == 0:
            self._end_day()

    def _end_day(self) -> None:
        self._alerts *= ALERT_MEMORY
        self._level.end_day()
        if self._seen > self._plan.warm_up:
            for calibration in self._calibrations:
                calibration.end_day()

    def _queue(self, moment: int, n: float, k: float, mark: int) -> None:
        self._waiting.append((moment, n, k))
        self._marks.append(mark)

    def _release(self) -> None:
        """Learn the bucket that has waited long enough."""
        moment, n, k = self._waiting.popleft()
        mark = self._marks.popleft()
        accepted = self._heat >= ACCEPTED
        drift = NEW_DRIFT / DRIFT if accepted else 1.0
        if mark == NONE or not n:
            self._level.wait(drift)
            return
        sound = mark == SOUND or accepted
        grain = self._grain / self._grain_mass
        block = self._spreads[BLOCK] * max(self._sums[BLOCK][0], n)
        if sound and self._spreads[0] * n < LITTLE:
            self._learn_grain(moment, n, k)
        self._level.learn(moment, k, n, 1.0 if sound else SUSPECT_WEIGHT, grain + block, drift)

    def _learn_grain(self, moment: int, n: float, k: float) -> None:
        share = self._level.at(moment)
        keep = 0.5 ** (n / GRAIN_HALF_LIFE)
        variance = share * (1.0 - share)
        miss = k - n * share
        square = (miss * miss - self._spreads[0] * n * n * variance) / variance
        self._grain = max(self._grain * keep + square, LEAST_GRAIN * self._grain_mass)
        self._grain_mass = self._grain_mass * keep + n
        # More than "either good or bad" cannot be.
        self._grain = min(self._grain, self._grain_mass)

    # --- state ---------------------------------------------------------------------------------

    def copy(self) -> ShareDetector:
        """An independent detector in the same state, for buckets that may still change."""
        twin = copy(self)
        for name in ("_fine", "_waiting", "_marks", "_spread2", "_spread_mass", "_spreads"):
            setattr(twin, name, getattr(self, name).copy())
        twin._sums = [sums.copy() for sums in self._sums]
        twin._coarse = deque((hour.copy() for hour in self._coarse), maxlen=self._plan.coarse)
        twin._level = self._level.copy()
        twin._calibrations = [copy(calibration) for calibration in self._calibrations]
        twin._incident = copy(self._incident)
        return twin

    def dump(self) -> dict[str, Any]:
        """The state as JSON-serialisable values; ``load`` gives a detector that goes on exactly as
        this one."""
        return {
            "version": VERSION,
            "setup": self._setup(),
            "last_at": None if self.last_at is None else self.last_at.isoformat(),
            "seen": self._seen,
            "tick": self._tick,
            "heat": self._heat,
            "alerts": self._alerts,
            "grain": [self._grain, self._grain_mass],
            "recent": _pack(self._fine),
            "hours": _pack(self._coarse),
            "waiting": _pack(self._waiting),
            "marks": pack(self._marks),
            "sums": [list(sums) for sums in self._sums],
            "spreads": [list(self._spread2), list(self._spread_mass), list(self._spreads)],
            "level": self._level.dump(),
            "calibrations": [calibration.dump() for calibration in self._calibrations],
            "incident": self._incident.dump(),
        }

    @classmethod
    def load(
        cls,
        dump: Mapping[str, Any],
        policy: Policy,
        tz: tzinfo | None = None,
        calendar: Calendar | None = None,
    ) -> ShareDetector | None:
        """A detector in the dumped state; None if version, policy or zone differ: replay the
        buckets then."""
        detector = cls(policy, tz, calendar)
        if dump.get("version") != VERSION or dump.get("setup") != detector._setup():
            return None
        detector._restore(dump)
        return detector

    def _setup(self) -> str:
        """What the state depends on besides the buckets."""
        return f"share {self.policy!r} {self.tz}"

    def _restore(self, dump: Mapping[str, Any]) -> None:
        last_at = dump["last_at"]
        self.last_at = None if last_at is None else datetime.fromisoformat(last_at)
        self._seen, self._tick = dump["seen"], dump["tick"]
        self._heat, self._alerts = dump["heat"], dump["alerts"]
        self._grain, self._grain_mass = dump["grain"]
        self._fine.extend(
            (n, k, share) for n, k, share in _unpack(dump["recent"], 3, self._plan.fine)
        )
        self._coarse.extend(_unpack(dump["hours"], 4, self._plan.coarse))
        self._waiting = deque(
            (int(at), n, k) for at, n, k in _unpack(dump["waiting"], 3, self._plan.delay)
        )
        self._marks = deque(int(mark) for mark in unpack(dump["marks"]))
        self._sums = [list(sums) for sums in dump["sums"]]
        self._spread2, self._spread_mass, self._spreads = (list(v) for v in dump["spreads"])
        self._level.restore(dump["level"])
        for calibration, values in zip(self._calibrations, dump["calibrations"], strict=True):
            calibration.restore(values)
        self._incident.restore(dump["incident"])


def _odds(part: float, whole: float) -> float:
    return (part + 0.25) / (whole - part + 0.25)


def _pack(rows: Iterable[Sequence[float]]) -> list[Any]:
    """Rows of numbers of which most are empty: the places of the others, and these in one text."""
    told = [(place, row) for place, row in enumerate(rows) if any(row)]
    return [
        pack(place for place, _ in told),
        pack(value for _, row in told for value in row),
    ]


def _unpack(packed: Sequence[Any], width: int, size: int) -> list[list[float]]:
    rows = [[0.0] * width for _ in range(size)]
    values = unpack(packed[1])
    for number, place in enumerate(unpack(packed[0])):
        rows[int(place)] = values[number * width : (number + 1) * width]
    return rows
