"""The life of a spike: from verdicts in order to what happened (opened, goes on, resolved)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from listener.detect.catalogue import is_trend
from listener.detect.policy import Policy
from listener.types import Coverage, Verdict

SILENT = timedelta(days=1)  # nothing collected for so long: nobody can say that it goes on


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict, and how well its bucket is known; ``final`` as in ``SeriesBucket``."""

    verdict: Verdict
    coverage: Coverage = Coverage.COMPLETE
    final: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikeLife:
    """A spike as it stands. Everything here is plain data, to be stored with it.

    ``observed`` and ``expected`` are summed from the window in which it opened up to the last final
    bucket; ``pending_*`` is the part of buckets that may still change, made anew at each call.
    ``trend`` = so far only a window of half a day or longer shows it. ``ended`` says why it is over
    where that is not calm: "silent" (nothing was collected any more) or "unwatched" (no rule
    listens to the series any more).
    """

    onset_at: datetime
    opened_at: datetime  # the bucket that opened it
    risen_at: datetime  # the same, or the bucket that reopened it
    resolved_at: datetime | None = None
    peak_at: datetime
    peak_score: float
    peak_count: float | None
    observed: float = 0.0
    expected: float = 0.0
    pending_observed: float = 0.0
    pending_expected: float = 0.0
    counted_to: datetime | None = None  # the last final bucket in observed and expected
    announced_excess: float  # the excess in the window when it was last announced
    trend: bool = False
    heard_at: datetime | None = None  # the last bucket of which anything is known
    ended: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.resolved_at is None

    @property
    def total_observed(self) -> float:
        """Mentions seen since it began, provisional ones included."""
        return self.observed + self.pending_observed

    @property
    def total_expected(self) -> float:
        """Mentions that were to be expected in that time."""
        return self.expected + self.pending_expected

    def dump(self) -> dict[str, Any]:
        """JSON-serialisable values, for ``load``."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def load(cls, dump: Mapping[str, Any]) -> SpikeLife:
        """The spike that was dumped."""
        values: dict[str, Any] = {
            name: datetime.fromisoformat(value)
            if isinstance(value, str) and _is_time(name)
            else value
            for name, value in dump.items()
        }
        return cls(**values)


def _is_time(name: str) -> bool:
    return name.endswith("_at") or name == "counted_to"


@dataclass(frozen=True, slots=True)
class Opened:
    """A spike began."""

    spike: SpikeLife


@dataclass(frozen=True, slots=True)
class Ongoing:
    """It goes on. ``escalated``: grew by the policy's factor since it was last announced."""

    spike: SpikeLife
    escalated: bool = False
    reopened: bool = False  # it had been resolved, within the cooldown


@dataclass(frozen=True, slots=True)
class Resolved:
    """It is over; ``spike.resolved_at`` is when that was certain."""

    spike: SpikeLife

    @property
    def at(self) -> datetime | None:
        """The end of the bucket that settled it."""
        return self.spike.resolved_at


Event = Opened | Ongoing | Resolved


def advance(
    spike: SpikeLife | None, judged: Iterable[Judged], policy: Policy, *, now: datetime
) -> tuple[SpikeLife | None, list[Event]]:
    """Follow a series from the last known ``spike`` (open, resolved or none) over new verdicts.

    ``judged`` ascends: the final buckets since the last call, then the provisional ones, which come
    again next time. Calling again with the same provisional verdicts gives no new Opened. Rules:

    - a spike opens when the detector says so on a bucket that ended at most ``policy.max_lateness``
      before ``now`` and is above the threshold itself: a catch-up after an outage, or a back-fill,
      opens none, but a surge that still lasts does;
    - within ``policy.cooldown`` after its end the old spike goes on instead of a second one;
    - it is resolved by a final, complete bucket after the one that opened it, once the detector has
      seen the calm that ``policy.calm`` asks for; or once nothing was collected for ``SILENT``.

    Returns the spike and at most one Opened or Ongoing for each spike, as it stands at the end of
    the call, and Resolved after it.
    """
    life = _Life(spike, policy, now)
    for item in judged:
        life.take(item)
    life.close_segment()
    return life.spike, life.events


class _Life:
    """What ``advance`` keeps in mind while it reads verdicts."""

    def __init__(self, spike: SpikeLife | None, policy: Policy, now: datetime) -> None:
        if spike is not None and spike.is_open:
            spike = replace(spike, pending_observed=0.0, pending_expected=0.0)
        self.spike = spike
        self.events: list[Event] = []
        self._policy = policy
        self._oldest = now - policy.max_lateness
        self._opened = self._reopened = self._escalated = self._touched = False

    def take(self, item: Judged) -> None:
        verdict = item.verdict
        spike = self.spike
        if spike is not None and spike.is_open:
            if verdict.at >= spike.risen_at:
                self._go_on(spike, item)
        elif verdict.is_spike and self._is_news(verdict):
            self._open(item)

    def close_segment(self) -> None:
        """Say what happened to the spike since the call began, or since the last one ended."""
        spike = self.spike
        if spike is not None and self._touched:
            if self._opened:
                self.events.append(Opened(spike))
            else:
                self.events.append(Ongoing(spike, self._escalated, self._reopened))
            if not spike.is_open:
                self.events.append(Resolved(spike))
        self._opened = self._reopened = self._escalated = self._touched = False

    def _is_news(self, verdict: Verdict) -> bool:
        fresh = verdict.at + self._policy.step >= self._oldest
        return fresh and self._is_hot(verdict)

    def _is_hot(self, verdict: Verdict) -> bool:
        return verdict.score >= self._policy.threshold

    def _open(self, item: Judged) -> None:
        verdict = item.verdict
        last = self.spike
        if last is not None and last.resolved_at is not None:
            if verdict.at < last.resolved_at:
                return  # seen before it was resolved
            if verdict.at - last.resolved_at < self._policy.cooldown:
                self._reopened = True
                risen = replace(last, resolved_at=None, risen_at=verdict.at, ended="")
                self._go_on(replace(risen, trend=is_trend(verdict.window)), item)
                return
        self._opened = self._touched = True
        self.spike = _count(
            SpikeLife(
                onset_at=verdict.onset_at or verdict.at,
                opened_at=verdict.at,
                risen_at=verdict.at,
                peak_at=verdict.at,
                peak_score=verdict.score,
                peak_count=verdict.count,
                announced_excess=_excess(verdict),
                trend=is_trend(verdict.window),
                heard_at=verdict.at,
            ),
            item,
        )

    def _go_on(self, spike: SpikeLife, item: Judged) -> None:
        verdict = item.verdict
        over_at = verdict.at + self._policy.step
        if item.coverage is Coverage.UNKNOWN:
            heard_at = spike.heard_at or spike.risen_at
            if item.final and verdict.at - heard_at >= SILENT:
                self._end(replace(spike, resolved_at=over_at, ended="silent"))
            return
        self._touched = True
        spike = replace(_count(spike, item), heard_at=verdict.at)
        if verdict.is_spike:
            if spike.trend and self._is_hot(verdict) and not is_trend(verdict.window):
                spike = replace(spike, trend=False)
            if verdict.score > spike.peak_score:
                spike = replace(
                    spike,
                    peak_at=verdict.at,
                    peak_score=verdict.score,
                    peak_count=verdict.count,
                )
            if _excess(verdict) >= self._policy.escalation * spike.announced_excess:
                spike = replace(spike, announced_excess=_excess(verdict))
                self._escalated = True
        elif item.final and item.coverage is Coverage.COMPLETE and verdict.at > spike.risen_at:
            self._end(replace(spike, resolved_at=over_at))
            return
        self.spike = spike

    def _end(self, spike: SpikeLife) -> None:
        self.spike = spike
        self._touched = True
        self.close_segment()


def _excess(verdict: Verdict) -> float:
    return verdict.observed - verdict.window_expected


def _count(spike: SpikeLife, item: Judged) -> SpikeLife:
    """Add a bucket to the totals; the one that opened the spike brings its whole window."""
    verdict = item.verdict
    if spike.counted_to is not None and verdict.at <= spike.counted_to:
        return spike
    if verdict.at == spike.opened_at:
        observed, expected = verdict.observed, verdict.window_expected
    elif verdict.count is not None:
        observed, expected = float(verdict.count), verdict.expected
    else:
        observed = expected = 0.0
    if item.final:
        return replace(
            spike,
            observed=spike.observed + observed,
            expected=spike.expected + expected,
            counted_to=verdict.at,
        )
    return replace(
        spike,
        pending_observed=spike.pending_observed + observed,
        pending_expected=spike.pending_expected + expected,
    )
