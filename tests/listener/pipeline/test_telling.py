"""From spikes to alerts and messages: by rules, once, and to those who may be told now."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from builders import NOW
from desk import Desk, chain
from listener.settings import Settings
from listener.store import rules
from listener.store.tables import AlertRuleRow, ChannelRow, SpikeRow
from listener.store.work import Database
from listener.types import Severity, Signal

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def desk(sqlite: Database, settings: Settings) -> Desk:
    return Desk(sqlite, settings)


def test_a_spike_that_a_rule_wants_is_told_to_everybody_once(desk: Desk) -> None:
    desk.spike()
    desk.spike("negative")
    desk.spike("topic:delivery:complaint")
    assert desk.told(1) == desk.told(2) == ["alert.opened"]
    (alert,) = desk.alerts()
    assert (alert.state, alert.severity) == ("open", "medium")
    assert alert.told_at == alert.waiting_since == NOW
    opened = desk.last("opened")
    assert opened.by == ""
    assert opened.detail["channels"] == [1, 2]
    (row, _) = (*desk.rows(1), *desk.rows(2))
    assert row.refs == {"alert_id": 1, "spike_ids": [1]}


def test_only_what_a_rule_wants_opens_an_alert(desk: Desk) -> None:
    desk.spike("complaint", observed=4)  # fewer than its minimum
    desk.spike("negative", score=0.2)  # less surprising than it asks for
    desk.spike("all", rules=())
    assert desk.alerts() == []
    desk.spike("complaint", observed=9)
    assert desk.told() == ["alert.opened"]
    with desk.database.read() as session:
        wanted = dict(session.execute(select(SpikeRow.dimension, SpikeRow.wanted)).all())
        (score,) = session.scalars(select(AlertRuleRow.score))
    assert wanted == {"complaint": True, "negative": False, "all": False}
    assert score == 1.5


def test_a_muted_rule_and_one_that_is_off_want_nothing(desk: Desk) -> None:
    desk.change_rule(muted_until=NOW + HOUR)
    desk.spike()
    desk.change_rule(muted_until=None, enabled=False)
    desk.spike()
    assert desk.alerts() == []


def test_a_chain_begins_with_its_first_step(sqlite: Database, settings: Settings) -> None:
    desk = Desk(sqlite, settings, steps=chain((0, (2,)), (30, (1,))))
    desk.spike()
    assert (desk.told(1), desk.told(2)) == ([], ["alert.opened"])


def test_a_rule_that_comes_later_tells_its_own(sqlite: Database, settings: Settings) -> None:
    desk = Desk(sqlite, settings, steps=chain((0, (1,))))
    desk.spike()
    desk.add_rule(name="safety", steps=chain((0, (2,))))
    desk.now += 3 * MINUTE
    desk.spike("topic:safety:complaint")
    assert (desk.told(1), desk.told(2)) == (["alert.opened"], ["alert.opened"])
    assert desk.rows(2)[0].refs["spike_ids"] == [1, 2]
    assert desk.last("told").detail == {"channels": [2]}


def test_growth_goes_to_those_who_have_heard(desk: Desk) -> None:
    desk.spike()
    desk.now += 20 * MINUTE
    desk.spike(observed=16, escalated=True)
    assert desk.told(1) == ["alert.opened", "alert.escalated"]
    desk.now += 20 * MINUTE
    desk.spike(observed=19, escalated=True)
    desk.remind()
    assert desk.told(1) == ["alert.opened", "alert.escalated"]
    desk.wait(minutes=40)  # the hour is over: it is not lost
    assert desk.told(1).count("alert.escalated") == 2
    assert desk.history().count("escalated") == 2


def test_the_end_is_told_with_numbers(desk: Desk) -> None:
    desk.spike(observed=42, score=3.0)
    desk.act("acknowledge", user_id=None)
    desk.now += 90 * MINUTE
    desk.calm()
    assert desk.told()[-1] == "alert.resolved"
    summary = desk.alert().summary
    assert summary is not None
    assert (summary["observed"], summary["expected"], summary["minutes"]) == (42, 2.0, 90)
    assert (summary["stories"], summary["authors"], summary["spikes"]) == (9, 8, 1)
    assert (summary["severity"], summary["acknowledged_after_min"]) == ("high", 0)
    assert desk.alert().waiting_since is None


def test_in_quiet_hours_all_but_high_waits(sqlite: Database, settings: Settings) -> None:
    # NOW is 21:00 in Seoul, on a Monday.
    desk = Desk(sqlite, settings, quiet_from=20 * 60, quiet_to=8 * 60)
    morning = datetime.fromisoformat("2025-03-11T08:00+09:00")
    desk.spike()
    assert desk.told() == []
    assert desk.held() == [morning]
    assert desk.alert().told_at is None
    assert desk.last("opened").detail["held"] == {
        "1": morning.astimezone(NOW.tzinfo).isoformat(),
        "2": morning.astimezone(NOW.tzinfo).isoformat(),
    }
    desk.wait(hours=3)
    assert desk.told() == []
    desk.spike(observed=60, score=4.0, escalated=True)
    assert desk.told() == ["alert.opened"]  # it became high: no more waiting, and one message
    assert desk.alert().waiting_since == desk.now


def test_what_is_held_goes_out_when_it_is_due(database: Database, settings: Settings) -> None:
    desk = Desk(database, settings, quiet_from=20 * 60, quiet_to=8 * 60)
    desk.spike()
    desk.wait(hours=10, minutes=59)
    assert desk.told() == []
    desk.wait(minutes=1)  # everything is read from the database: a restart forgets nothing
    assert desk.told() == ["alert.opened"]
    assert desk.remind() == 0
    assert desk.alert().waiting_since == desk.now
    assert desk.last("told").detail == {"channels": [1, 2], "digest": False}


def test_a_night_is_one_digest(database: Database, settings: Settings) -> None:
    desk = Desk(database, settings, quiet_from=20 * 60, quiet_to=8 * 60)
    other = desk.add_brand("Bada")
    desk.add_rule(other, quiet_from=20 * 60, quiet_to=8 * 60)
    desk.spike()
    desk.spike(brand=other)
    desk.now += HOUR
    desk.calm()  # over before anybody heard of it
    desk.wait(hours=10)
    assert desk.told(1) == desk.told(2) == ["alert.digest"]
    (row,) = (row for row in desk.rows(1) if row.event == "alert.digest")
    assert row.refs == {"alert_ids": [1, 2], "why": "quiet"}
    assert row.alert_id is None
    states = {one.state for one in desk.rows(1) if one.event != "alert.digest"}
    assert states == {"digested"}
    assert desk.alert(1).waiting_since is None
    assert desk.alert(2).waiting_since == desk.now
    # What comes next is told to those who heard of it in the digest.
    desk.now += HOUR
    desk.calm(brand=other)
    assert desk.told(1) == ["alert.digest", "alert.resolved"]


def test_a_storm_over_several_brands_is_gathered(database: Database, settings: Settings) -> None:
    desk = Desk(database, settings)
    brands = [desk.brand, *(desk.add_brand(f"B{n}") for n in range(7))]
    for brand in brands[1:]:
        desk.add_rule(brand)
    for brand in brands:
        desk.spike(brand=brand, observed=60, score=5.0)  # high severity is gathered as well
        desk.now += timedelta(seconds=20)
    assert desk.told() == ["alert.opened"] * 5
    assert len(desk.held()) == 3
    desk.wait(minutes=10)
    assert desk.told() == ["alert.opened"] * 5 + ["alert.digest"]
    digest = desk.rows()[-1]
    assert digest.refs == {"alert_ids": [6, 7, 8], "why": "storm"}
    # Those that were told one by one go on one by one, the others in digests.
    desk.now += HOUR / 2
    desk.calm(brand=brands[0])
    desk.calm(brand=brands[7])
    assert desk.told()[-1] == "alert.resolved"
    assert len(desk.held()) == 1
    every = {id_ for row in desk.rows() for id_ in [row.alert_id, *row.refs.get("alert_ids", [])]}
    assert every >= set(range(1, 9))  # nothing is lost


def test_a_rule_deleted_while_its_alert_is_open(desk: Desk) -> None:
    desk.spike()
    with desk.database.write() as work:
        rules.delete(work.session, desk.rule.id)
        work.commit()
    desk.wait(hours=2)
    assert desk.told() == ["alert.opened"]  # nobody is reminded any more
    desk.calm()
    assert desk.told() == ["alert.opened", "alert.resolved"]
    assert desk.alert().state == "resolved"


def test_a_rule_deleted_during_the_look(desk: Desk) -> None:
    gone = desk.rule
    with desk.database.write() as work:
        rules.delete(work.session, gone.id)
        work.commit()
    desk.spike(rules=(gone,))
    assert len(desk.alerts()) == 1  # it was wanted when it was looked at
    with desk.database.read() as session:
        assert session.scalars(select(AlertRuleRow)).all() == []


def test_a_channel_removed_while_an_alert_is_open(sqlite: Database, settings: Settings) -> None:
    desk = Desk(sqlite, settings, steps=chain((0, (1,))))
    desk.spike()
    assert desk.told(2) == []
    desk.remove_channel(1)
    desk.wait(minutes=1)
    assert desk.told(2) == ["alert.opened"]  # an alert that nobody hears helps nobody
    assert desk.remind() == 0


def test_a_channel_switched_off_hears_nothing_more(desk: Desk) -> None:
    desk.spike()
    with desk.database.write() as work:
        work.session.get_one(ChannelRow, 1).enabled = False
        work.commit()
    desk.now += HOUR
    desk.calm()
    assert (desk.told(1), desk.told(2)) == (["alert.opened"], ["alert.opened", "alert.resolved"])


def test_an_alert_that_comes_back_asks_anew(desk: Desk) -> None:
    desk.spike()
    desk.act("acknowledge")
    desk.now += HOUR
    desk.calm()
    desk.now += HOUR
    desk.spike(observed=20)
    alert = desk.alert()
    assert (alert.state, alert.acknowledged_at, alert.summary) == ("open", None, None)
    assert desk.history() == [
        *("opened", "acknowledged", "resolved", "reopened", "escalated"),
    ]


def test_who_has_seen_less_is_asked_again(desk: Desk) -> None:
    desk.spike(observed=12)
    desk.act("acknowledge")
    desk.now += HOUR
    desk.spike(observed=80, score=4.0)
    assert desk.alert().acknowledged_at is None
    assert desk.last("raised").detail == {"was": "medium", "severity": "high"}
    assert desk.told() == ["alert.opened", "alert.acknowledged", "alert.escalated"]


def test_a_severity_that_a_rule_says(sqlite: Database, settings: Settings) -> None:
    desk = Desk(sqlite, settings, severity=Severity.LOW, signal=Signal.COMPLAINTS)
    desk.spike(observed=80, score=4.0)
    assert desk.alert().severity == "low"
