"""The detector: buckets in order in, one verdict per bucket out, using nothing but the past.

A bucket is compared with a seasonal baseline over several window lengths. The surprise of the most
surprising window (negative binomial) is calibrated to how often this very series surprises, which
gives the score; an incident with hysteresis and cooldown turns scores into a spike that begins and
ends.

What a bucket may do:

=========  ======  ====  =====  =====  ==================================================
coverage   judged  open  close  learn  in the windows
=========  ======  ====  =====  =====  ==================================================
COMPLETE   yes     yes   yes    yes    counted and expected
PARTIAL    yes     yes   no     no     counted and expected: it can only undercount
UNKNOWN    no      no    no     no     missing on both sides; an open spike stays open
=========  ======  ====  =====  =====  ==================================================

Buckets left out between two steps are UNKNOWN.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Any

from listener.detect.baseline import Baseline, Season
from listener.detect.policy import Policy
from listener.detect.surprise import LN10, nb_surprise
from listener.types import Bucket, Coverage, Verdict

VERSION = 1  # of the dumped state; raise it whenever the same buckets would give other verdicts
UNJUDGED = -9.0  # the score of a bucket that is not judged: warm-up, or not collected
MIN_WARM_UP = 14  # buckets; two days are nothing for a daily series
MIN_START = 7  # buckets that a series learns as they come, however long they are

HOT = 2.0  # surprise from which a bucket is part of a surge
FIRST_CLUSTERS = 1.5  # hot clusters a day to begin with
SEVERAL_WINDOWS = 0.3  # the best of several correlated windows is worth about two trials: log10(2)

PRIOR_DISPERSION = 0.1
LEAST_DISPERSION = 0.003
DISPERSION_HALF_LIFE = timedelta(days=10)
MOST_SQUARE = 2.0**2  # variances: a deviation counts for the dispersion up to 2 standard deviations
CLIP_LOSS = 0.92  # share of a normal variance that survives clipping there

SUSPECT_WEIGHT = 0.15  # how much a bucket of a surge counts for the baseline
NEW_NORMAL = 0.7  # hot for this share of the last days: the surge is the new level, learn it
LEARN_CAP = 2.5  # standard deviations above expectation that the baseline believes
SILENT_OUTAGE = 12.0  # so many expected in the hour and none seen: the source is down, do not learn


class Window:
    """One window length: what was seen and expected in it, and how widely such sums scatter.

    Sums have variance M + a M^2. The dispersion a is moment-based with forgetting, and a prior
    worth a quarter of a day.
    """

    __slots__ = (
        "_decay",
        "_excess2",
        "_mass2",
        "_prior",
        "expected",
        "length",
        "observed",
        "variance",
    )

    def __init__(self, length: int, step: timedelta) -> None:
        self.length = length  # buckets
        self.observed = self.expected = self.variance = 0.0
        self._excess2 = self._mass2 = 0.0
        self._decay = 0.5 ** (step / max(DISPERSION_HALF_LIFE, 30 * step))
        self._prior = max(timedelta(days=0.25) / step, 6.0)

    def push(self, count: float, expected: float, old: tuple[float, float], learn: bool) -> float:
        """Move on by one bucket (``old`` leaves the window); returns the surprise of the sum."""
        self.observed = observed = self.observed + count - old[0]
        self.expected = mass = self.expected + expected - old[1]
        if mass < 1e-6:
            mass = 1e-6
        mass2 = mass * mass
        excess2 = self._excess2
        prior = self._prior * mass2 + 1e-12
        dispersion = (excess2 + PRIOR_DISPERSION * prior) / (self._mass2 + prior)
        if dispersion < LEAST_DISPERSION:
            dispersion = LEAST_DISPERSION
        self.variance = variance = mass + dispersion * mass2
        excess = observed - mass
        square = excess * excess
        if learn:
            most = MOST_SQUARE * variance
            clipped = square if square < most else most
            self._excess2 = excess2 * self._decay + clipped / CLIP_LOSS - mass
            self._mass2 = self._mass2 * self._decay + mass2
        if excess > 0 and square > 1.5 * variance:  # less cannot matter, and the tail is dear
            return nb_surprise(int(observed + 0.5), mass, dispersion)
        return 0.0

    def dump(self) -> list[float]:
        return [self.observed, self.expected, self.variance, self._excess2, self._mass2]

    def restore(self, dump: list[float]) -> None:
        self.observed, self.expected, self.variance, self._excess2, self._mass2 = dump


class Calibration:
    """Turns surprise into a score by what this series does on its own.

    Hot buckets less than an hour apart are one cluster. Clusters come at a rate (per day), and
    their peaks above HOT are taken as exponential with a scale that is tracked by its median. The
    score is -log10 of the number of clusters this high to be expected in 30 days.
    """

    __slots__ = (
        "_clusters",
        "_day_share",
        "_days",
        "_decay",
        "_hour",
        "_peak",
        "_prior_days",
        "_quiet",
        "_scale",
    )

    def __init__(self, step: timedelta) -> None:
        self._day_share = step / timedelta(days=1)
        self._decay = 0.5 ** (step / timedelta(days=14))
        self._hour = max(1, round(timedelta(hours=1) / step))
        # The rate to begin with is that of 5-minute buckets, in proportion less for longer ones. Of
        # that a single cluster is never forgotten, or a quiet month would make the series touchy.
        rate = FIRST_CLUSTERS * min(1.0, timedelta(minutes=5) / step)
        self._days = 7.0
        self._clusters = rate * self._days
        self._prior_days = 1.0 / rate
        self._scale = 1 / LN10  # as in theory; only ever larger
        self._peak = 0.0
        self._quiet = 0

    def score(self, surprise: float) -> float:
        """-log10 of how many surprises of this size are expected in 30 days."""
        rate = (self._clusters + 1.0) / (self._days + self._prior_days)
        excess = surprise - HOT
        if excess > 0:
            excess /= self._scale * LN10
        return excess - math.log10(30.0 * rate)

    def learn(self, surprise: float) -> None:
        """Count one complete bucket."""
        self._days = self._days * self._decay + self._day_share
        self._clusters *= self._decay
        if surprise > HOT:
            self._peak = max(self._peak, surprise)
            self._quiet = 0
        elif self._peak:
            self._quiet += 1
            if self._quiet >= self._hour:
                self._clusters += 1.0
                above_median = self._peak - HOT > self._scale * math.log(2.0)
                self._scale = max(1 / LN10, self._scale * (1.08 if above_median else 1 / 1.08))
                self._peak = 0.0

    def dump(self) -> list[float]:
        return [self._days, self._clusters, self._scale, self._peak, self._quiet]

    def restore(self, dump: list[float]) -> None:
        self._days, self._clusters, self._scale, self._peak = dump[:4]
        self._quiet = int(dump[4])


class Incident:
    """Whether a spike is on: opens at the threshold, ends after a calm time, rests for a
    cooldown."""

    __slots__ = ("_calm", "_calm_needed", "_closed_at", "_cooldown", "_peak", "onset_at")

    def __init__(self, policy: Policy) -> None:
        self._calm_needed = policy.buckets(policy.calm)
        self._cooldown = policy.cooldown
        self._calm = 0
        self._peak = 0.0
        self._closed_at: datetime | None = None
        self.onset_at: datetime | None = None  # set exactly while open

    @property
    def is_open(self) -> bool:
        return self.onset_at is not None

    def may_open(self, at: datetime, surprise: float) -> bool:
        """Not in the cooldown, unless this is clearly larger than the last one."""
        rested = self._closed_at is None or at - self._closed_at >= self._cooldown
        return rested or surprise >= 1.5 * self._peak + 1.0

    def open(self, onset_at: datetime, surprise: float) -> None:
        self.onset_at = onset_at
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
        return [self._calm, self._peak, _iso(self._closed_at), _iso(self.onset_at)]

    def restore(self, dump: list[Any]) -> None:
        self._calm, self._peak = dump[:2]
        self._closed_at, self.onset_at = (_time(v) for v in dump[2:])


class Waiting:
    """Complete buckets between being judged and being learnt.

    A surge is noticed some time after it began; until then its buckets can still be marked as
    suspect. Buckets of a silent outage are never learnt.
    """

    __slots__ = ("_delay", "_first_day", "_hot", "_memory", "_rows")

    def __init__(self, policy: Policy) -> None:
        self._delay = policy.buckets(policy.learn_delay)
        self._first_day = max(timedelta(days=1) / policy.step, MIN_START)
        self._memory = 0.5 ** (policy.step / timedelta(days=1))
        self._hot = 0.0  # share of the last days that was hot
        self._rows: deque[list[Any]] = deque()  # count, season, suspect, silent

    @property
    def is_new_normal(self) -> bool:
        return self._hot > NEW_NORMAL

    def add(self, count: float, season: Season, *, silent: bool, hot: bool, window: int) -> None:
        """Queue one bucket. A ``hot`` one makes the whole ``window`` (in buckets) behind it
        suspect."""
        self._hot = self._hot * self._memory + (1 - self._memory) * hot
        rows = self._rows
        rows.append([count, season, False, silent])
        if hot:
            for k in range(1, min(window, len(rows)) + 1):
                rows[-k][2] = True

    def release(self, baseline: Baseline, seen: int) -> None:
        """Teach the baseline what has waited long enough; in the first day, all at once."""
        settled = seen > self._first_day
        delay = self._delay if settled else 0
        rows = self._rows
        while len(rows) > delay:
            count, season, suspect, silent = rows.popleft()
            if not silent:
                doubtful = suspect and settled and self._hot < NEW_NORMAL
                baseline.learn(count, SUSPECT_WEIGHT if doubtful else 1.0, season)

    def dump(self) -> list[Any]:
        return [self._hot, [[r[0], list(r[1]), int(r[2]), int(r[3])] for r in self._rows]]

    def restore(self, dump: list[Any]) -> None:
        self._hot = dump[0]
        self._rows = deque([r[0], tuple(r[1]), bool(r[2]), bool(r[3])] for r in dump[1])


class Detector:
    """The state of one series: ``step`` it through buckets, ``copy`` it for provisional ones.

    ``tz`` is where people live: hours and weekdays of the season are taken there. None takes the
    wall clock of the buckets as it stands. The state is small (some kB) and can always be rebuilt
    by replaying buckets.
    """

    __slots__ = (
        "_baseline",
        "_calibration",
        "_first_hours",
        "_hot",
        "_hour",
        "_incident",
        "_lengths",
        "_recent",
        "_seen",
        "_threshold",
        "_waiting",
        "_warm_up",
        "_windows",
        "last_at",
        "policy",
        "tz",
    )

    def __init__(self, policy: Policy, tz: tzinfo | None = None) -> None:
        self.policy = policy
        self.tz = tz
        self.last_at: datetime | None = None  # start of the last bucket stepped through
        step = policy.step
        lengths = sorted({policy.buckets(w) for w in policy.windows})
        self._windows = [Window(n, step) for n in lengths]
        self._lengths = [n * step for n in lengths]
        hour = policy.buckets(timedelta(hours=1))
        self._hour = next((w for w in self._windows if w.length >= hour), self._windows[-1])
        # (count, expected) of the longest window, newest last
        self._recent = deque([(0.0, 0.0)] * lengths[-1], maxlen=lengths[-1])
        self._baseline = Baseline(
            step, level_half_life=policy.level_half_life, season_half_life=policy.season_half_life
        )
        self._calibration = Calibration(step)
        self._incident = Incident(policy)
        self._waiting = Waiting(policy)
        self._warm_up = max(policy.warm_up / step, MIN_WARM_UP)
        self._first_hours = max(timedelta(hours=6) / step, MIN_START)
        self._threshold = policy.threshold
        self._seen = 0  # complete buckets
        self._hot = False

    @property
    def is_spike(self) -> bool:
        """Whether a spike is on after the last bucket."""
        return self._incident.onset_at is not None

    def step(self, bucket: Bucket) -> Verdict:
        """Judge the next bucket and learn from it. ValueError if it is not after the last one."""
        expected, score, best = self.judge(bucket.at, bucket.count, bucket.coverage)
        window = self._windows[best]
        onset_at = self._incident.onset_at
        return Verdict(
            at=bucket.at,
            count=bucket.count,
            expected=expected,
            score=score,
            is_spike=onset_at is not None,
            window=self._lengths[best],
            observed=max(window.observed, 0.0),
            window_expected=max(window.expected, 0.0),
            onset_at=onset_at,
        )

    def judge(
        self, at: datetime, count: int | None, coverage: Coverage
    ) -> tuple[float, float, int]:
        """The same as ``step``, without the objects: expected count, score, index of the window."""
        self._move_to(at)
        expected, season = self._baseline.at(at if self.tz is None else at.astimezone(self.tz))
        if count is None or coverage is Coverage.UNKNOWN:
            self._push(0.0, 0.0, learn=False)
            return expected, UNJUDGED, len(self._windows) - 1

        complete = coverage is Coverage.COMPLETE
        learn = complete and self._may_learn_dispersion()
        best, surprise = self._push(float(count), expected, learn=learn)
        warm = self._seen >= self._warm_up
        score = UNJUDGED
        if warm:
            score = self._calibration.score(surprise)
            self._follow(at, best, surprise, score, complete=complete)
        if complete:
            self._seen += 1
            self._learn(count, expected, season, best, surprise, warm=warm)
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
        for _ in range(min(round((at - last) / step) - 1, self._windows[-1].length)):
            self._push(0.0, 0.0, learn=False)

    def _push(self, count: float, expected: float, *, learn: bool) -> tuple[int, float]:
        """Move all windows on; returns the index and the surprise of the most surprising one."""
        recent = self._recent
        best, surprise = 0, 0.0
        for i, window in enumerate(self._windows):
            found = window.push(count, expected, recent[-window.length], learn)
            if found > surprise:
                best, surprise = i, found
        recent.append((count, expected))
        surprise -= SEVERAL_WINDOWS
        return best, surprise if surprise > 0 else 0.0

    def _may_learn_dispersion(self) -> bool:
        """Not from an open spike; and on thin series not from a surge, or it would hide itself."""
        if self._incident.is_open:
            return False
        return not self._hot or self._waiting.is_new_normal or self._hour.expected > 5.0

    def _follow(
        self, at: datetime, best: int, surprise: float, score: float, *, complete: bool
    ) -> None:
        """Open, keep or end the incident."""
        incident = self._incident
        if incident.is_open:
            incident.go_on(at, surprise, complete=complete)
            return
        if score < self._threshold:
            return
        window = self._windows[best]
        observed, expected = window.observed, window.expected
        if observed - expected < self.policy.min_excess:
            return
        if observed >= self.policy.min_ratio * expected and incident.may_open(at, surprise):
            incident.open(self._onset(at, observed / max(expected, 1e-6)), surprise)

    def _onset(self, at: datetime, ratio: float) -> datetime:
        """Where the surge began: the stretch up to now that is most likely at ``ratio`` times the
        expectation.

        Maximises the Poisson log-likelihood ratio, count * log(ratio) - expected * (ratio - 1),
        summed backwards.
        """
        gain, loss = math.log(ratio), ratio - 1.0
        total = highest = 0.0
        began = 0
        for back, (count, expected) in enumerate(reversed(self._recent)):
            total += count * gain - expected * loss
            if total > highest:
                highest, began = total, back
        return at - began * self.policy.step

    def _learn(
        self, count: int, expected: float, season: Season, best: int, surprise: float, *, warm: bool
    ) -> None:
        if warm:
            self._calibration.learn(surprise)
        hot = self._hot = surprise >= HOT
        believed = float(count)
        if self._seen > self._first_hours and believed > expected:
            spread = math.sqrt(max(self._windows[0].variance, 0.25))
            believed = min(believed, expected + LEARN_CAP * spread + 0.5)
        hour = self._hour
        silent = hour.expected > SILENT_OUTAGE and hour.observed < 0.5
        reach = self._windows[best].length
        self._waiting.add(believed, season, silent=silent, hot=hot, window=reach)
        self._waiting.release(self._baseline, self._seen)

    def copy(self) -> Detector:
        """An independent detector in the same state (0.2 ms), for buckets that may still change."""
        twin = Detector(self.policy, self.tz)
        twin._restore(self.dump())
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
            "recent": [list(pair) for pair in self._recent],
            "windows": [w.dump() for w in self._windows],
            "baseline": self._baseline.dump(),
            "calibration": self._calibration.dump(),
            "incident": self._incident.dump(),
            "waiting": self._waiting.dump(),
        }

    @classmethod
    def load(
        cls, dump: Mapping[str, Any], policy: Policy, tz: tzinfo | None = None
    ) -> Detector | None:
        """A detector in the dumped state; None if version, policy or zone differ: replay the
        buckets then."""
        detector = cls(policy, tz)
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
        self._recent.extend((pair[0], pair[1]) for pair in dump["recent"])
        for window, values in zip(self._windows, dump["windows"], strict=True):
            window.restore(values)
        self._baseline.restore(dump["baseline"])
        self._calibration.restore(dump["calibration"])
        self._incident.restore(dump["incident"])
        self._waiting.restore(dump["waiting"])


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
