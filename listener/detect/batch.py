"""Thousands of series stepped together: the detector of ``spike.py`` over arrays of state.

Same method, same numbers (up to rounding), one clock for all: for backtests of many rules, and
where very many series are kept. The comments on why are in ``spike.py`` and ``baseline.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

import numpy as np
from numpy.typing import NDArray

from listener.detect import baseline as base
from listener.detect import calibration as cal
from listener.detect import spike
from listener.detect.calendar import Calendar
from listener.detect.policy import Policy
from listener.detect.profile import fit_profile
from listener.detect.surprise import LN10, Floats, nb_surprises

Flags = NDArray[np.bool_]
EVERY = slice(None)
FAR = 10**9  # buckets since something that never was


@dataclass(frozen=True, slots=True)
class BatchVerdict:
    """One bucket of all series; arrays of shape (series,). ``window`` is an index of the policy's
    windows, the shortest first; -1 where nothing was judged."""

    expected: Floats
    score: Floats
    is_spike: Flags
    window: NDArray[np.int64]


class DetectorBatch:
    """The state of ``size`` series that are stepped bucket by bucket, none left out; the calendar
    is that of all."""

    def __init__(
        self,
        policy: Policy,
        size: int,
        tz: tzinfo | None = None,
        calendar: Calendar | None = None,
    ) -> None:
        self.policy, self.tz, self.size = policy, tz, size
        self.calendar = calendar
        plan = self._plan = spike.Plan(policy)
        self._grid = grid = base.grid_of(policy.step)
        self._baseline = _Baselines(policy, grid, size)
        windows, longest = len(plan.lengths), plan.lengths[-1]
        self._rows = max(longest, plan.delay) + 2
        self._at = 0
        self._counts = np.zeros((self._rows, size))
        self._expected = np.zeros((self._rows, size))
        self._believed = np.zeros((self._rows, size))
        self._punctual = np.zeros((self._rows, size))
        self._marks = np.zeros((self._rows, size), np.int8)
        self._moments = [0] * self._rows
        self._lengths = np.array(plan.lengths)
        self._prior_spread = np.array(plan.dispersions)[:, None]
        self._prior = np.array(plan.priors)[:, None]
        self._observed = np.zeros((windows, size))
        self._mass = np.zeros((windows, size))
        self._excess2 = np.zeros((windows, size))
        self._mass2 = np.zeros((windows, size))
        self._samples = np.zeros((windows, size))
        self._spread = np.repeat(self._prior_spread, size, axis=1)
        self._next_spread = self._spread
        self._tick = 0
        # calibration
        self._clusters_prior = np.array(plan.clusters)[:, None]
        self._quiet_needed = np.array(plan.quiet)[:, None]
        self._days = np.full(size, cal.EARLIER_DAYS)
        self._clusters = np.repeat(self._clusters_prior * cal.EARLIER_DAYS, size, axis=1)
        self._peaks = np.zeros((windows, size))
        self._heights = np.zeros((windows, size))
        self._peak = np.zeros((windows, size))
        self._quiet = np.zeros((windows, size))
        self._tail = np.zeros((len(cal.EDGES), windows, size))
        self._anchor = np.full((windows, size), -1)
        self._rarity = np.zeros((windows, size))
        self._scale = np.zeros((windows, size))
        self._settle()
        # incident
        self.is_spike: Flags = np.zeros(size, bool)
        self._calm = np.zeros(size)
        self._top = np.zeros(size)
        self._reach = np.ones(size, np.int64)
        self._rest = np.full(size, FAR)
        self._cooldown = math.ceil(policy.cooldown / policy.step)
        self._seen = np.zeros(size)
        self._hot: Flags = np.zeros(size, bool)
        self._heat = np.zeros(size)
        self._alerts = np.zeros(size)
        self._zeros = np.zeros(size)
        self._zero_mass = np.zeros(size)

    def step(self, at: datetime, counts: Floats, partial: Flags | None = None) -> BatchVerdict:
        """Judge and learn one bucket of each series: nan = not collected; ``partial`` marks those
        that may only undercount. ``at`` has to follow the last one by a step."""
        plan = self._plan
        moment = base.moment_of(at if self.tz is None else at.astimezone(self.tz))
        factor: float | None = 1.0
        if self.calendar is not None:
            holiday, _, factor = self.calendar.at(at)
            if holiday:
                moment = base.SUNDAY * base.DAY + moment % base.DAY
        place = self._grid.place(moment)
        known = counts == counts
        if factor is None:
            known, factor = np.zeros_like(known), 1.0
        complete = known if partial is None else known & ~partial
        expected = self._baseline.at(place, self._spread[0]) * factor
        seen = np.where(known, counts, 0.0)
        surprises = self._push(seen, np.where(known, expected, 0.0), known, complete)
        beyond = np.arange(len(surprises))[:, None] >= self._reach
        told = np.where(self.is_spike & beyond, 0.0, surprises)
        scores = self._score(told)
        best = scores.argmax(axis=0)
        each = np.arange(self.size)
        highest, surprise = scores[best, each], told[best, each]
        best = np.where(surprise > 0, best, 0)
        warm = known & (self._seen >= plan.warm_up)
        price = spike.ALERT_PRICE * np.log10(1.0 + self._alerts)
        score = np.where(warm, highest - price, spike.UNJUDGED)
        self._calibrate(surprises, warm & complete)
        self._follow(best, surprise, told.max(axis=0), score, warm, complete)
        self._seen += complete
        self._learn(seen, expected, factor, moment, best, surprise, complete)
        self._at = (self._at + 1) % self._rows
        return BatchVerdict(expected, score, self.is_spike.copy(), np.where(known, best, -1))

    def _push(self, seen: Floats, expected: Floats, known: Flags, complete: Flags) -> Floats:
        plan = self._plan
        thin = self._hot & (self._heat <= spike.NEW_NORMAL) & (self._mass[plan.hour] <= 5.0)
        out = (self._at - self._lengths) % self._rows
        self._observed += seen - self._counts[out]
        self._mass += expected - self._expected[out]
        self._counts[self._at] = seen
        self._expected[self._at] = expected
        if self._tick % plan.delay == 0:
            self._settle_spread()
        self._tick += 1
        observed, mass = self._observed, np.maximum(self._mass, 1e-6)
        variance = mass + self._spread * (mass * mass)
        excess = observed - mass
        square = excess * excess
        surprises = np.zeros_like(mass)
        worth = (square > spike.WORTH_A_LOOK * variance) & (excess > 0)
        if not known.all():
            worth &= known
        rows = np.nonzero(worth)
        if len(rows[0]):
            surprises[rows] = nb_surprises(observed[rows], mass[rows], self._spread[rows])
        learn = complete & ~self.is_spike & ~thin & (self._seen > plan.per_day)
        for i, every in enumerate(plan.every):
            if self._tick % every == 0:
                self._learn_spread(i, mass[i], square[i], variance[i], learn)
        return surprises

    def _learn_spread(
        self, i: int, mass: Floats, square: Floats, variance: Floats, learn: Flags
    ) -> None:
        decay, every = self._plan.decays[i], self._plan.every[i]
        most = spike.MOST_SQUARE * variance + spike.MOST_MORE
        clipped = np.minimum(square, most) / spike.CLIP_LOSS - mass
        for sums, new in (
            (self._excess2[i], clipped),
            (self._mass2[i], mass * mass),
            (self._samples[i], every),
        ):
            np.copyto(sums, sums * decay + new, where=learn)

    def _settle_spread(self) -> None:
        self._spread = self._next_spread
        own = self._excess2 / np.where(self._mass2 > 0, self._mass2, np.inf)
        n, prior = self._samples, self._prior
        found = (n * own + prior * self._prior_spread) / (n + prior)
        self._next_spread = np.maximum(found, spike.LEAST_DISPERSION)

    def _settle(self, some: slice | NDArray[np.int64] = EVERY) -> None:
        """What scores need, of all series or of ``some``."""
        rate = (self._clusters[:, some] + 1.0) / (self._days[some] + 1.0 / self._clusters_prior)
        self._rarity[:, some] = np.log10(30.0 * rate)
        scale = (cal.EARLIER_PEAKS / LN10 + self._heights[:, some]) / (
            cal.EARLIER_PEAKS + self._peaks[:, some] * cal.CLIPPED_PEAK
        )
        self._scale[:, some] = np.maximum(1 / LN10, scale)
        # The tail falls with the edge.
        self._anchor[:, some] = (self._tail[:, :, some] >= cal.ENOUGH).sum(axis=0) - 1

    def _score(self, surprises: Floats) -> Floats:
        excess = surprises - cal.HOT
        result: Floats = excess - self._rarity
        hot = np.nonzero(excess > 0)
        if len(hot[0]):
            high = excess[hot]
            tail = np.log1p(cal.HEAVY * high / self._scale[hot]) / (cal.HEAVY * LN10)
            result[hot] = tail - self._rarity[hot]
            self._count_higher(result, excess)
        return result

    def _count_higher(self, result: Floats, excess: Floats) -> None:
        """Lower the scores of surprises that were often reached lately."""
        rows = np.nonzero((excess >= cal.EDGES[0]) & (self._anchor >= 0))
        if not len(rows[0]):
            return
        high, anchor = excess[rows], self._anchor[rows]
        above = np.searchsorted(cal.EDGES, high, side="right")
        edge = np.minimum(above - 1, anchor)
        peaks = self._tail[edge, *rows] * (high / np.array(cal.EDGES)[edge]) ** -cal.PARETO
        seen = self._tail[np.minimum(above, len(cal.EDGES) - 1), *rows]
        peaks = np.where(above <= anchor, np.maximum(peaks, seen), peaks)
        days = self._days[rows[1]] + 1.0 / self._clusters_prior[rows[0], 0]
        result[rows] = np.minimum(result[rows], -np.log10(30.0 * peaks / days))

    def _calibrate(self, surprises: Floats, judged: Flags) -> None:
        hot = judged & (surprises > cal.HOT)
        self._peak = np.where(hot, np.maximum(self._peak, surprises), self._peak)
        waits = judged & ~hot & (self._peak > 0)
        self._quiet = np.where(hot, 0.0, self._quiet + waits)
        over = waits & (self._quiet >= self._quiet_needed)
        if over.any():
            self._clusters += over
            which = np.nonzero(over)
            reached = np.searchsorted(cal.EDGES, self._peak[which] - cal.HOT, side="right")
            for edges, window, series in zip(reached, *which, strict=True):
                self._tail[:edges, window, series] += 1.0
            self._peaks += over
            height = np.minimum(self._peak - cal.HOT, cal.MOST_PEAK * self._scale)
            self._heights += np.where(over, height, 0.0)
            self._peak[over] = 0.0
            self._settle(which[1])

    def _follow(
        self,
        best: NDArray[np.int64],
        surprise: Floats,
        held: Floats,
        score: Floats,
        warm: Flags,
        complete: Flags,
    ) -> None:
        plan, policy = self._plan, self.policy
        each = np.arange(self.size)
        self._rest += 1
        was_open = self.is_spike & warm
        hot = was_open & (held >= cal.HOT)
        self._top = np.where(hot, np.maximum(self._top, held), self._top)
        self._calm = np.where(hot, 0.0, self._calm + (was_open & complete))
        ended = was_open & ~hot & complete & (self._calm >= plan.calm)
        observed, mass = self._observed[best, each], self._mass[best, each]
        rested = (self._rest >= self._cooldown) | (surprise >= 1.5 * self._top + 1.0)
        opens = warm & ~self.is_spike & rested & (score >= plan.threshold) & (surprise > 0)
        opens &= (observed - mass >= policy.min_excess) & (observed >= policy.min_ratio * mass)
        self.is_spike = (self.is_spike & ~ended) | opens
        self._top = np.where(opens, surprise, self._top)
        self._calm = np.where(opens, 0.0, self._calm)
        self._reach = np.where(opens, np.maximum(best, plan.hour) + 1, self._reach)
        self._alerts += opens & complete
        self._rest[ended] = 0
        if ended.any():
            self._counts[:, ended] = self._expected[:, ended] = 0.0
            self._observed[:, ended] = self._mass[:, ended] = 0.0

    def _learn(
        self,
        seen: Floats,
        expected: Floats,
        factor: float,
        moment: int,
        best: NDArray[np.int64],
        surprise: Floats,
        complete: Flags,
    ) -> None:
        plan, first_day = self._plan, self._grid.first_day
        hot = surprise >= cal.HOT
        self._hot = np.where(complete, hot, self._hot)
        heat = self._heat * plan.heat_decay + (1.0 - plan.heat_decay) * hot
        self._heat = np.where(complete, heat, self._heat)
        variance = expected + self._spread[0] * expected * expected
        deviation = np.sqrt(np.maximum(variance, 0.25))
        most = expected + spike.LEARN_CAP * deviation + 0.5
        capped = (self._seen > plan.first_hours) & (seen > expected)
        believed = np.where(capped, np.minimum(seen, most), seen) / factor
        most += (spike.PUNCTUAL_CAP - spike.LEARN_CAP) * deviation
        punctual = np.where(capped, np.minimum(seen, most), seen) / factor
        silent = self._listen(seen, expected, complete)
        mark = np.where(self.is_spike, spike.OPEN, spike.SOUND)
        young = complete & (self._seen <= first_day)
        if young.any():
            self._teach(moment, believed, believed, np.where(young, spike.SOUND, spike.NONE))
        at = self._at
        self._marks[at] = np.where(complete & ~young, mark, spike.NONE)
        self._believed[at] = believed
        self._punctual[at] = np.where(complete, punctual, 0.0)
        self._moments[at] = moment
        for row in np.nonzero(complete & (silent | (surprise >= spike.SUSPECT)))[0]:
            reach = int(self._zeros[row]) if silent[row] else plan.lengths[best[row]]
            back = (at - np.arange(min(reach, plan.delay + 1))) % self._rows
            limit = spike.NONE if silent[row] else spike.DOUBTFUL
            self._marks[back, row] = np.minimum(self._marks[back, row], limit)
        due = (at - plan.delay) % self._rows
        before, after = self._punctual[due - 1], self._punctual[(due + 1) % self._rows]
        believed, punctual = self._believed[due], self._punctual[due]
        alone = np.maximum(punctual - np.maximum(before, after), 0.0)
        by_minute = np.maximum(np.minimum(punctual, believed + alone), believed)
        self._teach(self._moments[due], believed, by_minute, self._marks[due])
        self._end_day(complete & (self._seen % plan.per_day == 0))

    def _end_day(self, over: Flags) -> None:
        if not over.any():
            return
        self._alerts = np.where(over, self._alerts * spike.ALERT_MEMORY, self._alerts)
        over = over & (self._seen > self._plan.warm_up)
        decay = np.where(over, cal.MEMORY, 1.0)
        self._days = self._days * decay + over
        self._clusters = self._clusters * decay
        self._peaks = self._peaks * decay
        self._heights = self._heights * decay
        self._tail *= decay
        self._settle()

    def _listen(self, seen: Floats, expected: Floats, complete: Flags) -> Flags:
        zero = complete & (seen == 0)
        heard = complete & ~zero
        self._zeros = np.where(heard, 0.0, self._zeros + zero)
        self._zero_mass = np.where(heard, 0.0, self._zero_mass + np.where(zero, expected, 0.0))
        spread = self._spread[self._plan.hour]
        unlikely = np.log10(1.0 + spread * self._zero_mass) / spread
        silent: Flags = zero & (unlikely > spike.SILENT) & (self._zeros < self._plan.silent_limit)
        return silent

    def _teach(self, moment: int, believed: Floats, by_minute: Floats, marks: NDArray[Any]) -> None:
        plan = self._plan
        taught = marks != spike.NONE
        if not taught.any():
            return
        accepted = self._heat >= spike.NEW_NORMAL
        mass = self._mass[-1]
        below = self._observed[-1] - mass
        deep = below * below > 4.0 * (mass + self._spread[-1] * mass * mass)
        drift = np.where((below < 0) & deep, base.FAST_DRIFT, 1.0)
        self._baseline.learn(
            self._grid.place(moment),
            believed,
            np.where((marks < spike.SOUND) & ~accepted, spike.SUSPECT_WEIGHT, 1.0),
            by_minute,
            np.where(
                (marks == spike.OPEN) & ~accepted & (by_minute <= believed + 1.0),
                spike.SUSPECT_WEIGHT,
                1.0,
            ),
            taught,
            block=self._spread[plan.block] * plan.lengths[plan.block],
            hour_dispersion=self._spread[plan.hour],
            drift=np.where(accepted, base.NEW_DRIFT / base.DRIFT, drift),
        )


class _Baselines:
    """``Baseline`` of many series."""

    def __init__(self, policy: Policy, grid: base.Grid, size: int) -> None:
        one = base.Baseline(policy.step, season_half_life=policy.season_half_life)
        self._slot_decay, self._day_decay, self._minute_decay, self._drift = one.decays
        self._grid = grid
        cells = 2 * grid.slots
        self._learnt = np.zeros(size)
        self.level = np.zeros(size)
        self._variance = np.full(size, 4.0)
        self._counts = np.zeros((cells, size))
        self._expected = np.zeros((cells, size))
        self._days = np.zeros((cells, size))
        self._log_factors = np.zeros((size, cells))
        self._factors = np.ones((cells, size))
        self._day_counts = np.zeros((7, size))
        self._day_expected = np.zeros((7, size))
        self._day_factors = np.ones((7, size))
        self._minute_counts = np.zeros((grid.minutes, size))
        self._minute_expected = np.zeros((grid.minutes, size))

    def _by_slot(self, place: base.Place) -> Floats:
        left, right = self._factors[place.left], self._factors[place.right]
        result: Floats = (1 - place.share) * left + place.share * right
        return result

    def at(self, place: base.Place, dispersion: Floats) -> Floats:
        mean: Floats = self.level * self._by_slot(place) * self._day_factors[place.day]
        if not self._grid.minutes:
            return mean
        usual = self._minute_expected[place.minute]
        more = self._minute_counts[place.minute] - usual
        spread = 1.0 + dispersion * mean
        clear = more * more / ((usual + 0.3) * spread)
        trust = base.MINUTE_TRUST * spread / (1.0 + clear / base.CLEAR)
        ratio = np.maximum(1.0 + more / (usual + trust), 0.1)
        settled: Floats = np.where(self._learnt > self._grid.first_day, mean * ratio, mean)
        return settled

    def learn(
        self,
        place: base.Place,
        count: Floats,
        weight: Floats,
        by_minute: Floats,
        minute_weight: Floats,
        taught: Flags,
        *,
        block: Floats,
        hour_dispersion: Floats,
        drift: Floats,
    ) -> None:
        day, cell, _, _, _, minute = place
        grid = self._grid
        by_slot, by_day = self._by_slot(place), self._day_factors[day].copy()
        self._learnt += taught
        settled = taught & (self._learnt > grid.first_day)
        young = taught & ~settled

        usual = self.level * by_slot * by_day
        spread = 1.0 + block * usual
        variance = 1.0 / (1.0 / (self._variance + self._drift * drift) + weight * usual / spread)
        move = variance * weight * (count - usual) / spread
        level = self.level * np.exp(np.clip(move, -base.MOST_MOVE, base.MOST_MOVE))
        self._variance = np.where(settled, variance, self._variance)
        self.level = np.where(settled, level, self.level)

        def remember(past: Floats, decay: float, new: Floats, who: Flags) -> Floats:
            result: Floats = np.where(who, past * decay + new, past)
            return result

        if grid.minutes:
            counts, expected = self._minute_counts, self._minute_expected
            decay = self._minute_decay
            counts[minute] = remember(counts[minute], decay, minute_weight * by_minute, settled)
            expected[minute] = remember(expected[minute], decay, minute_weight * usual, settled)
        exposure = np.where(settled, self.level, 1.0)
        decay = self._slot_decay
        self._counts[cell] = remember(self._counts[cell], decay, weight * count, taught)
        new = weight * exposure * by_day
        self._expected[cell] = remember(self._expected[cell], decay, new, taught)
        self._days[cell] = remember(self._days[cell], decay, weight, taught)

        decay = self._day_decay
        counts = remember(self._day_counts[day], decay, weight * count, settled)
        expected = remember(self._day_expected[day], decay, weight * self.level * by_slot, settled)
        self._day_counts[day], self._day_expected[day] = counts, expected
        trust = base.DAY_FACTOR_TRUST + base.DAY_FACTOR_NOISE * self.level * grid.per_day
        self._day_factors[day] = np.where(settled, (counts + trust) / (expected + trust), by_day)
        if young.any():
            self._start(young)
        daily = max(1, round(grid.per_day))
        due = taught & (self._learnt >= grid.first_day) & (self._learnt % daily == 0)
        if due.any():
            self._fit(due, hour_dispersion)

    def _start(self, young: Flags) -> None:
        total, exposure = self._counts.sum(axis=0), self._days.sum(axis=0)
        level = (total + 0.25) / (exposure + 0.5 * self._grid.per_slot)
        self.level = np.where(young, level, self.level)
        variance = np.minimum(1.0 / (total + 0.5) + base.FIRST_NOISE, 0.1)
        self._variance = np.where(young, variance, self._variance)
        done = young & (self._learnt == self._grid.first_day)
        self._expected = np.where(done, self._expected * self.level, self._expected)

    def _fit(self, due: Flags, dispersion: Floats) -> None:
        found = fit_profile(
            self._log_factors[due],
            self._counts.T[due],
            self._expected.T[due],
            self._days.T[due] / self._grid.per_slot,
            dispersion[due][:, None],
            self._grid.prior,
        )
        self._log_factors[due] = found
        self._factors[:, due] = np.exp(found).T
