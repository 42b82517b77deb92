"""Who is told: the channels of the rules, each once, and never nobody by accident."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from builders import NOW
from listener.alert.audience import Channels, audience, senders
from listener.types import Rule, Signal, Step

HOUR = timedelta(hours=1)
AT_ONCE = timedelta(0)
ALL = Channels(enabled=frozenset({1, 2, 3, 4}), wanting=frozenset({1, 2, 3}))


def a_rule(id: int = 1, *steps: Step, **fields: Any) -> Rule:
    given = {"steps": steps or (Step(),)} | fields
    return Rule(id=id, brand_id=1, name=f"rule {id}", signal=Signal.COMPLAINTS, **given)


def chain(id: int = 1) -> Rule:
    """1 at once, 2 after an hour, 4 after two."""
    return a_rule(
        id,
        Step(channel_ids=(1,)),
        Step(after=HOUR, channel_ids=(2,)),
        Step(after=2 * HOUR, channel_ids=(4,)),
    )


def steps(rules: list[Rule], elapsed: timedelta, channels: Channels = ALL) -> dict[int, int]:
    return {id_: call.step for id_, call in audience(rules, channels, elapsed).items()}


def test_each_step_in_its_time() -> None:
    assert steps([chain()], AT_ONCE) == {1: 0}
    assert steps([chain()], HOUR) == {1: 0, 2: 1}
    assert steps([chain()], 3 * HOUR) == {1: 0, 2: 1, 4: 2}


def test_everybody_is_who_wants_alerts() -> None:
    assert steps([a_rule()], AT_ONCE) == {1: 0, 2: 0, 3: 0}
    assert steps([a_rule(1, Step(channel_ids=(4,)))], AT_ONCE) == {4: 0}  # named, so told


def test_several_rules_tell_a_channel_once() -> None:
    found = audience([chain(1), a_rule(2, Step(channel_ids=(2, 1)))], ALL, AT_ONCE)
    assert list(found) == [1, 2]
    assert [rule.id for rule in found[1].rules] == [1, 2]
    assert [rule.id for rule in found[2].rules] == [2]
    both = audience([chain(1), a_rule(2, Step(channel_ids=(2,)))], ALL, HOUR)
    assert (both[2].step, [rule.id for rule in both[2].rules]) == (0, [1, 2])


def test_a_rule_that_tells_nobody_tells_nobody() -> None:
    assert steps([a_rule(1, Step(channel_ids=()))], 9 * HOUR) == {}
    later = a_rule(1, Step(channel_ids=()), Step(after=HOUR, channel_ids=(2,)))
    assert steps([later], HOUR) == {2: 1}


def test_a_step_whose_channels_are_gone_passes_to_the_next() -> None:
    without = Channels(enabled=frozenset({2, 3, 4}), wanting=frozenset({2, 3}))
    assert steps([chain()], AT_ONCE, without) == {2: 1}
    last = Channels(enabled=frozenset({4}), wanting=frozenset())
    assert steps([chain()], AT_ONCE, last) == {4: 2}


def test_a_rule_that_lost_all_channels_tells_everybody() -> None:
    others = Channels(enabled=frozenset({7, 8}), wanting=frozenset({7}))
    assert steps([chain()], AT_ONCE, others) == {7: 0}
    assert steps([chain()], AT_ONCE, Channels()) == {}


def test_who_heard_hears_more_unless_muted() -> None:
    muted = a_rule(1, Step(channel_ids=(1,)), muted_until=NOW + HOUR)
    loud = a_rule(2, Step(channel_ids=(2,)))
    assert dict(senders([muted, loud], ALL, [1, 2], NOW)) == {2: (loud,)}
    assert set(senders([muted, loud], ALL, [1, 2], NOW + HOUR)) == {1, 2}
    # A rule that is gone leaves its channel to hear the end; one that is off hears nothing.
    assert dict(senders([], ALL, [3, 9], NOW)) == {3: ()}
