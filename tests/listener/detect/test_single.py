from __future__ import annotations

from datetime import timedelta

from builders import NOW
from listener.detect.lifecycle import Event, Ongoing, Opened, Resolved, SpikeLife
from listener.detect.policy import Policy
from listener.detect.single import Sighting, follow_single

HOUR = timedelta(hours=1)
POLICY = Policy()
QUIET = 12 * HOUR


def seen(hours: float, observed: float, score: float = 2.0) -> Sighting:
    return Sighting(
        onset_at=NOW, grown_at=NOW + hours * HOUR, score=score, observed=observed, expected=5.0
    )


def follow(
    life: SpikeLife | None, sighting: Sighting | None, hours: float
) -> tuple[SpikeLife | None, list[Event]]:
    return follow_single(life, sighting, POLICY, quiet=QUIET, now=NOW + hours * HOUR)


def test_it_opens_grows_escalates_and_is_over() -> None:
    life, events = follow(None, seen(0, 100), 1)
    assert life is not None
    assert [type(event) for event in events] == [Opened]
    assert (life.onset_at, life.opened_at, life.observed) == (NOW, NOW + HOUR, 100)
    assert follow(life, seen(0, 100), 2) == (life, []), "nothing is new"
    life, events = follow(life, seen(2, 150, 2.5), 2)
    assert life is not None
    assert events == [Ongoing(life)]
    assert life.peak_score == 2.5
    life, events = follow(life, seen(3, 195), 3)
    assert life is not None
    assert events == [Ongoing(life, escalated=True)]
    assert (life.peak_score, life.announced_excess) == (2.5, 190.0)
    life, events = follow(life, seen(3, 195), 15)
    assert life is not None
    assert events == [Resolved(life)]
    assert life.resolved_at == NOW + 15 * HOUR
    assert follow(life, seen(3, 195), 16) == (life, [])


def test_a_score_below_the_threshold_opens_nothing() -> None:
    assert follow(None, seen(0, 100, POLICY.threshold - 0.01), 0) == (None, [])
    assert follow(None, seen(0, 7, 9.0), 0) == (None, []), "too few, however rare"
    assert follow(None, None, 0) == (None, [])


def test_what_is_found_too_late_is_history() -> None:
    assert follow(None, seen(0, 100), 7) == (None, [])


def test_it_opens_again_when_it_grew_since() -> None:
    life, _ = follow(None, seen(0, 100), 0)
    life, _ = follow(life, seen(0, 100), 13)
    assert life is not None
    assert not life.is_open
    life, events = follow(life, seen(14, 120), 14)
    assert life is not None
    assert events == [Ongoing(life, reopened=True)]
    assert life.onset_at == NOW
    assert life.is_open


def test_what_is_gone_is_over_at_once() -> None:
    life, _ = follow(None, seen(0, 100), 0)
    life, events = follow(life, None, 1)
    assert life is not None
    assert events == [Resolved(life)]
    assert follow(life, None, 2) == (life, [])
