"""The life of a single thing that happens: a post, a story, a phrase. Pure.

Beside lifecycle.py, which follows a series bucket by bucket: here each look sees all that is known
of the thing, and its spike opens, goes on and ends by that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from listener.detect.lifecycle import Event, Ongoing, Opened, Resolved, SpikeLife
from listener.detect.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """How a thing stands. ``score`` as in a verdict; ``observed`` and ``expected`` are of what is
    counted in it: reactions, places, voices. ``grown_at`` is when it last grew.
    """

    onset_at: datetime
    grown_at: datetime
    score: float
    observed: float
    expected: float


def follow_single(
    life: SpikeLife | None,
    seen: Sighting | None,
    policy: Policy,
    *,
    quiet: timedelta,
    now: datetime,
) -> tuple[SpikeLife | None, list[Event]]:
    """The spike of a thing after a look, and what happened to it.

    - It opens when the score reaches the policy's threshold and the thing grew within
      ``policy.max_lateness``: what is found later, by a catch-up or a back-fill, is history.
    - It goes on as long as it grows, and is over ``quiet`` after it last did; without a sighting
      (it was removed, or nobody looks for it any more) at once.
    - What is over opens again as the same spike when it grew since, and still reaches the
      threshold.

    A look at the same state gives no events.
    """
    if life is None:
        if seen is None or not _is_news(seen, policy, quiet, now):
            return None, []
        life = _opened(seen, now)
        return life, [Opened(life)]
    if not life.is_open:
        over = life.resolved_at
        if seen is None or over is None or seen.grown_at <= over:
            return life, []
        if not _is_news(seen, policy, quiet, now):
            return life, []
        life = _grown(replace(life, resolved_at=None, risen_at=now), seen, now)
        return life, [Ongoing(life, reopened=True)]
    if seen is None:
        life = replace(life, resolved_at=now)
        return life, [Resolved(life)]
    return _go_on(life, seen, policy, quiet=quiet, now=now)


def _go_on(
    life: SpikeLife, seen: Sighting, policy: Policy, *, quiet: timedelta, now: datetime
) -> tuple[SpikeLife, list[Event]]:
    events: list[Event] = []
    if seen.observed > life.observed:
        life = _grown(life, seen, now)
        excess = seen.observed - seen.expected
        escalated = excess >= policy.escalation * life.announced_excess
        if escalated:
            life = replace(life, announced_excess=excess)
        events.append(Ongoing(life, escalated))
    if seen.grown_at + quiet <= now:
        life = replace(life, resolved_at=now)
        events.append(Resolved(life))
    return life, events


def _is_news(seen: Sighting, policy: Policy, quiet: timedelta, now: datetime) -> bool:
    if seen.score < policy.threshold or seen.observed - seen.expected < policy.min_excess:
        return False
    return seen.grown_at + min(quiet, policy.max_lateness) > now


def _opened(seen: Sighting, now: datetime) -> SpikeLife:
    return SpikeLife(
        onset_at=seen.onset_at,
        opened_at=now,
        risen_at=now,
        peak_at=seen.grown_at,
        peak_score=seen.score,
        peak_count=seen.observed,
        observed=seen.observed,
        expected=seen.expected,
        counted_to=now,
        announced_excess=seen.observed - seen.expected,
    )


def _grown(life: SpikeLife, seen: Sighting, now: datetime) -> SpikeLife:
    higher = seen.score > life.peak_score
    return replace(
        life,
        peak_at=seen.grown_at if higher else life.peak_at,
        peak_score=max(seen.score, life.peak_score),
        peak_count=max(seen.observed, life.peak_count or 0.0),
        observed=max(seen.observed, life.observed),
        expected=seen.expected,
        counted_to=now,
    )
