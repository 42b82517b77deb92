"""The life of alerts: one an event, growth in the same alert, nothing told twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from builders import NOW
from listener.alert.life import AlertState, SpikeNews, Told, What, advance_alerts
from listener.types import Rule, Severity, Signal, Step

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def a_rule(id: int = 1, **fields: Any) -> Rule:
    return Rule(id=id, brand_id=1, name=f"rule {id}", signal=Signal.COMPLAINTS, **fields)


LOUD = a_rule()
SILENT = a_rule(9, steps=(Step(channel_ids=()),))


def news(key: int = 1, what: What = What.OPENED, **fields: Any) -> SpikeNews:
    given: dict[str, Any] = {
        "dimension": "complaint",
        "onset_at": NOW,
        "score": 1.0,
        "observed": 20.0,
        "expected": 2.0,
        "severity": Severity.MEDIUM,
        "rules": (LOUD,),
    }
    return SpikeNews(key=key, what=what, **(given | fields))


def over(key: int = 1, at: timedelta = HOUR, **fields: Any) -> SpikeNews:
    return news(key, What.RESOLVED, is_open=False, resolved_at=NOW + at, **fields)


class Desk:
    """The alerts of a brand from look to look, with all that was told."""

    def __init__(self) -> None:
        self.alerts: list[AlertState] = []
        self.told: list[Told] = []

    def look(self, after: timedelta, *taken: SpikeNews) -> list[str]:
        self.alerts, told = advance_alerts(self.alerts, taken, now=NOW + after)
        self.told += told
        return [one.event for one in told]

    @property
    def alert(self) -> AlertState:
        (alert,) = self.alerts
        return alert


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_one_event_over_five_topics_and_three_rules_is_one_alert(desk: Desk) -> None:
    rules = [a_rule(n) for n in (1, 2, 3)]
    topics = [
        news(n, dimension=f"topic:t{n}:complaint", rules=tuple(rules[: 1 + n % 3]), score=n)
        for n in range(1, 6)
    ]
    assert desk.look(0 * MINUTE, *topics[:3]) == ["alert.opened"]
    assert desk.look(5 * MINUTE, *topics[3:]) == []  # the rest of the same wave
    assert {member.key for member in desk.alert.members} == {1, 2, 3, 4, 5}
    assert desk.alert.scores == {1: 5, 2: 5, 3: 5}


def test_a_spike_that_calls_nobody_joins_but_opens_none(desk: Desk) -> None:
    assert desk.look(0 * MINUTE, news(1, rules=())) == []
    assert desk.look(MINUTE, news(1, What.ONGOING, rules=(SILENT,))) == []
    assert desk.alerts == []
    # In whatever order they come, it joins the event.
    assert desk.look(2 * MINUTE, news(1, What.ONGOING, rules=()), news(2)) == ["alert.opened"]
    assert [(m.key, m.wanted) for m in desk.alert.members] == [(2, True), (1, False)]


def test_an_alert_lasts_as_long_as_a_spike_that_somebody_wanted(desk: Desk) -> None:
    desk.look(0 * MINUTE, news(1), news(2, dimension="all", rules=()))
    assert desk.look(HOUR, over(1)) == ["alert.resolved"]
    assert desk.look(2 * HOUR, news(2, What.ESCALATED, dimension="all", rules=())) == []
    assert not desk.alert.is_open


def test_a_spike_that_becomes_large_enough_later_opens_an_alert(desk: Desk) -> None:
    assert desk.look(0 * MINUTE, news(1, observed=3, rules=())) == []
    assert desk.look(20 * MINUTE, news(1, What.ONGOING)) == ["alert.opened"]
    assert desk.alert.opened_at == NOW + 20 * MINUTE


def test_growth_is_told_at_most_once_an_hour_and_never_lost(desk: Desk) -> None:
    desk.look(0 * MINUTE, news(1))
    assert desk.look(5 * MINUTE, news(1, What.ESCALATED)) == []  # they read the first message
    assert desk.look(9 * MINUTE) == []
    assert desk.look(10 * MINUTE) == ["alert.escalated"]
    assert desk.look(30 * MINUTE, news(1, What.ESCALATED)) == []
    assert desk.look(69 * MINUTE, news(1, What.ONGOING)) == []
    assert desk.look(70 * MINUTE) == ["alert.escalated"]
    assert desk.look(200 * MINUTE) == []  # nothing grew since


def test_growth_that_is_over_is_not_told(desk: Desk) -> None:
    desk.look(0 * MINUTE, news(1))
    desk.look(15 * MINUTE, news(1, What.ESCALATED))
    desk.look(30 * MINUTE, news(1, What.ESCALATED))
    assert desk.look(40 * MINUTE, over(1)) == ["alert.resolved"]
    assert desk.look(3 * HOUR) == []


def test_a_rise_to_high_severity_waits_for_no_hour(desk: Desk) -> None:
    desk.look(0 * MINUTE, news(1, severity=Severity.LOW))
    assert desk.look(15 * MINUTE, news(1, What.ONGOING)) == ["alert.escalated"]
    assert desk.look(20 * MINUTE, news(1, What.ONGOING, severity=Severity.HIGH)) == [
        "alert.escalated"
    ]
    assert desk.alert.severity is Severity.HIGH
    desk.look(30 * MINUTE, news(1, What.ONGOING, severity=Severity.LOW))
    assert desk.alert.severity is Severity.HIGH  # it never falls


def test_what_joins_later_is_growth(desk: Desk) -> None:
    desk.look(0 * MINUTE, news(1, dimension="topic:delivery:complaint"))
    late = news(2, dimension="topic:safety:complaint", onset_at=NOW + 3 * HOUR)
    assert desk.look(3 * HOUR, late) == ["alert.escalated"]
    assert len(desk.alert.members) == 2


def test_it_ends_once_and_reopens_in_the_same_alert(desk: Desk) -> None:
    desk.look(0 * MINUTE, news(1), news(2))
    assert desk.look(HOUR, over(1)) == []
    assert desk.look(2 * HOUR, over(2, 2 * HOUR)) == ["alert.resolved"]
    again = news(2, What.REOPENED, onset_at=NOW)
    assert desk.look(5 * HOUR, again) == ["alert.escalated"]
    assert desk.alert.is_open
    assert desk.look(6 * HOUR, over(2, 6 * HOUR)) == ["alert.resolved"]


def test_a_new_spike_soon_after_the_end_is_the_same_event(desk: Desk) -> None:
    desk.look(0 * MINUTE, news(1))
    desk.look(HOUR, over(1))
    assert desk.look(6 * HOUR, news(2, onset_at=NOW + 6 * HOUR)) == ["alert.escalated"]
    desk.look(8 * HOUR, over(2, 8 * HOUR))
    far = NOW + 14 * HOUR + MINUTE
    assert desk.look(15 * HOUR, news(3, onset_at=far)) == ["alert.opened"]
    assert len(desk.alerts) == 2


def test_a_slow_burn_is_no_roof_for_other_things(desk: Desk) -> None:
    burn = news(1, dimension="all", trend=True, severity=Severity.LOW)
    desk.look(0 * MINUTE, burn)
    later = news(2, dimension="topic:safety:complaint", onset_at=NOW + 2 * DAY)
    assert desk.look(2 * DAY, later) == ["alert.opened"]
    same = news(3, dimension="all", onset_at=NOW + 2 * DAY)
    desk.look(2 * DAY + MINUTE, same)
    assert desk.alerts[0].holds(3)  # its own series is the same event


def test_one_that_opened_and_ended_unseen_is_told_as_both(desk: Desk) -> None:
    assert desk.look(3 * HOUR, news(1), over(1)) == ["alert.opened", "alert.resolved"]


def test_an_end_without_an_alert_is_nothing(desk: Desk) -> None:
    assert desk.look(0 * MINUTE, over(1)) == []
    assert desk.alerts == []


def test_growth_waits_for_the_end_of_a_snooze_unless_it_is_high(desk: Desk) -> None:
    desk.look(0 * MINUTE, news(1))
    desk.alerts = [replace(desk.alert, snoozed_until=NOW + 5 * HOUR)]
    assert desk.look(2 * HOUR, news(1, What.ESCALATED)) == []
    assert desk.look(5 * HOUR) == ["alert.escalated"]
    desk.alerts = [replace(desk.alert, snoozed_until=NOW + 9 * HOUR)]
    worse = news(1, What.ESCALATED, severity=Severity.HIGH)
    assert desk.look(5 * HOUR + 5 * MINUTE, worse) == ["alert.escalated"]
    assert desk.alert.snoozed_until is None


def test_it_ends_while_snoozed_and_says_so(desk: Desk) -> None:
    desk.look(0 * MINUTE, news(1))
    desk.alerts = [replace(desk.alert, snoozed_until=NOW + 5 * HOUR)]
    assert desk.look(HOUR, over(1)) == ["alert.resolved"]
    assert desk.alert.snoozed_until is None
    assert desk.look(5 * HOUR) == []


def test_what_people_closed_stays_closed_until_it_is_worse(desk: Desk) -> None:
    desk.look(0 * MINUTE, news(1))
    desk.alerts = [replace(desk.alert, closed=True, resolved_at=NOW + 10 * MINUTE)]
    assert desk.look(HOUR, news(1, What.ESCALATED)) == []
    assert desk.look(2 * HOUR, news(2, onset_at=NOW + HOUR)) == []  # of the same event
    assert desk.look(3 * HOUR, over(1, 3 * HOUR)) == []
    assert len(desk.alerts) == 1
    worse = news(2, What.ONGOING, severity=Severity.HIGH)
    assert desk.look(4 * HOUR, worse) == ["alert.escalated"]
    assert desk.alert.is_open
    assert not desk.alert.closed


def test_order_and_repetition_change_nothing(desk: Desk) -> None:
    taken: Sequence[SpikeNews] = [news(2, rules=()), news(1), news(3, score=4.0)]
    first, told = advance_alerts([], taken, now=NOW)
    second, told_again = advance_alerts([], [taken[2], taken[0], taken[1]], now=NOW)
    assert told == told_again
    assert {m.key for m in first[0].members} == {m.key for m in second[0].members}
    assert first[0].scores == second[0].scores == {1: 4.0}
    again, nothing = advance_alerts(first, [], now=NOW + MINUTE)
    assert (again, nothing) == (first, [])
