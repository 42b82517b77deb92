"""As time goes by: reminders until somebody comes, the next in the chain, and what marks teach."""

from __future__ import annotations

import multiprocessing
from datetime import datetime, timedelta
from threading import Thread
from typing import Any

import pytest

from builders import NOW
from desk import Desk, chain
from listener.pipeline.reminders import Reminders, marks_of
from listener.settings import Settings
from listener.store import alerts, planned, rules, spikes
from listener.store.tables import AlertRow
from listener.store.work import Database

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def desk(sqlite: Database, settings: Settings) -> Desk:
    return Desk(sqlite, settings)


def test_people_are_reminded_until_somebody_comes(desk: Desk) -> None:
    desk.spike()
    desk.wait(minutes=29)
    assert desk.told() == ["alert.opened"]
    desk.wait(minutes=1)
    assert desk.told(1) == desk.told(2) == ["alert.opened", "alert.reminder"]
    desk.deliver()
    desk.wait(minutes=30)
    desk.act("acknowledge")
    desk.wait(hours=9)
    reminders = [row.state for row in desk.rows(1) if row.event == "alert.reminder"]
    assert reminders == ["sent", "withdrawn"]  # the second was not sent yet: it is taken back


def test_reminders_say_which_they_are_and_become_rarer(desk: Desk) -> None:
    desk.spike()
    at = []
    for _ in range(18):
        desk.now += 30 * MINUTE
        if desk.remind():
            at.append((desk.now - NOW) / MINUTE)
    assert at == [30, 60, 90, 150, 270, 510]
    numbers = [row.refs["reminder"] for row in desk.rows() if row.event == "alert.reminder"]
    assert numbers == [1, 2, 3, 4, 5, 6]
    assert desk.alert().reminders == 6
    assert desk.history().count("reminded") == 6


def test_growth_puts_the_next_reminder_off(desk: Desk) -> None:
    desk.spike()
    desk.now += 20 * MINUTE
    desk.spike(observed=16, escalated=True)
    desk.wait(minutes=20)
    assert desk.told() == ["alert.opened", "alert.escalated"]
    desk.wait(minutes=10)
    assert desk.told()[-1] == "alert.reminder"


def test_a_rule_that_never_reminds(sqlite: Database, settings: Settings) -> None:
    desk = Desk(sqlite, settings, remind_every=None)
    desk.spike()
    desk.wait(hours=9)
    assert desk.told() == ["alert.opened"]


def test_the_next_in_the_chain_is_called(database: Database, settings: Settings) -> None:
    desk = Desk(database, settings, steps=chain((0, (1,)), (45, (2,))))
    desk.spike()
    desk.wait(minutes=44)
    assert desk.told(2) == []
    desk.wait(minutes=1)
    assert desk.told(2) == ["alert.opened"]
    (row,) = desk.rows(2)
    assert row.refs == {"alert_id": 1, "spike_ids": [1], "step": 1}
    assert desk.alert().step == 1
    assert desk.last("step").detail == {"channels": [2], "step": 1}
    desk.wait(minutes=30)
    assert desk.told(2) == ["alert.opened", "alert.reminder"]  # they are waited for as well
    assert desk.told(1).count("alert.opened") == 1


def test_whoever_acknowledges_stops_the_chain(sqlite: Database, settings: Settings) -> None:
    desk = Desk(sqlite, settings, steps=chain((0, (1,)), (45, (2,))))
    desk.spike()
    desk.now += 40 * MINUTE
    desk.act("acknowledge")
    desk.wait(hours=5)
    assert desk.told(2) == []
    desk.act("acknowledge", undo=True)
    desk.wait(minutes=45)
    assert desk.told(2) == ["alert.opened"]


def test_the_chain_counts_from_when_people_heard(sqlite: Database, settings: Settings) -> None:
    desk = Desk(
        sqlite,
        settings,
        quiet_from=20 * 60,
        quiet_to=8 * 60,
        steps=chain((0, (1,)), (45, (2,))),
    )
    desk.spike()
    desk.wait(hours=11)  # 08:00 in Seoul
    assert (desk.told(1), desk.told(2)) == (["alert.opened"], [])
    desk.wait(minutes=44)
    assert desk.told(2) == []
    desk.wait(minutes=1)
    assert desk.told(2) == ["alert.opened"]


def test_nobody_is_reminded_in_quiet_hours(sqlite: Database, settings: Settings) -> None:
    desk = Desk(sqlite, settings, quiet_from=21 * 60 + 15, quiet_to=8 * 60)
    desk.spike()  # at 21:00
    desk.wait(minutes=30)
    desk.wait(hours=9)
    assert desk.told() == ["alert.opened"]
    desk.wait(hours=1, minutes=30)
    assert desk.now.astimezone(datetime.fromisoformat("2025-03-11T08:00+09:00").tzinfo).hour == 8
    assert desk.told() == ["alert.opened", "alert.reminder"]


def test_acknowledged_while_a_reminder_is_being_queued(
    postgresql: Database, settings: Settings
) -> None:
    """Whoever comes second sees what the first did: an unsent reminder is taken back, and no
    further one is queued.
    """
    desk = Desk(postgresql, settings)
    desk.spike()
    desk.now += 31 * MINUTE
    with postgresql.write() as work:
        spikes.lock(work.session, [desk.brand.id])  # the acknowledgement is under way
        reminding = Thread(target=desk.remind)
        reminding.start()
        reminding.join(0.5)
        assert reminding.is_alive()  # it waits
        alerts.act(work.session, 1, "acknowledge", by="Mina", now=desk.now)
        work.commit()
    reminding.join(10)
    assert desk.told().count("alert.reminder") == 0
    assert desk.alert().reminders == 0


def _look(url: str, settings: Settings, now: datetime, ready: Any) -> None:
    reminders = Reminders(Database(url), settings)
    ready.wait(30)
    for _ in range(5):
        reminders.look(now=now)


def test_two_processes_never_remind_twice(database: Database, settings: Settings) -> None:
    desk = Desk(database, settings, steps=chain((0, (1,)), (30, (2,))))
    for n in range(3):
        brand = desk.add_brand(f"B{n}")
        desk.add_rule(brand, steps=chain((0, (1,)), (30, (2,))))
        desk.spike(brand=brand)
    fork = multiprocessing.get_context("fork")
    ready = fork.Barrier(2)
    given = (database.url, settings, desk.now + 31 * MINUTE, ready)
    running = [fork.Process(target=_look, args=given) for _ in range(2)]
    for process in running:
        process.start()
    for process in running:
        process.join(60)
        assert process.exitcode == 0
    assert desk.told(1) == ["alert.opened"] * 3 + ["alert.reminder"] * 3
    assert desk.told(2) == ["alert.opened"] * 3
    for alert_id in (1, 2, 3):
        assert desk.history(alert_id) == ["opened", "reminded", "step"]


# --- snoozing and muting -------------------------------------------------------------------------


def test_a_snooze_ends_with_a_reminder(desk: Desk) -> None:
    desk.spike()
    desk.act("acknowledge")
    desk.act("snooze", until=NOW + 3 * HOUR)
    desk.wait(hours=2, minutes=59)
    assert "alert.reminder" not in desk.told()
    desk.wait(minutes=1)
    assert desk.told()[-1] == "alert.reminder"
    assert desk.alert().snoozed_until is None
    desk.wait(hours=9)
    assert desk.told().count("alert.reminder") == 1  # it had been acknowledged


def test_a_snooze_puts_off_what_is_held(sqlite: Database, settings: Settings) -> None:
    desk = Desk(sqlite, settings, quiet_from=20 * 60, quiet_to=8 * 60)
    desk.spike()
    desk.act("snooze", until=NOW + 14 * HOUR)  # 11:00 in Seoul
    desk.wait(hours=12)
    assert desk.told() == []
    desk.wait(hours=2)
    assert desk.told() == ["alert.opened"]


def test_an_alert_that_ends_while_snoozed_says_so_and_sleeps_on(desk: Desk) -> None:
    desk.spike()
    desk.act("snooze", until=NOW + 3 * HOUR)
    desk.now += HOUR
    desk.calm()
    assert desk.told() == ["alert.opened", "alert.resolved"]
    desk.wait(hours=3)
    assert desk.told() == ["alert.opened", "alert.resolved"]
    assert desk.alert().snoozed_until is None


def test_a_mute_ends_reminders_of_its_rule_only(sqlite: Database, settings: Settings) -> None:
    desk = Desk(sqlite, settings, steps=chain((0, (1,))))
    desk.add_rule(name="safety", steps=chain((0, (2,))))
    desk.spike()
    desk.act("mute", until=NOW + 24 * HOUR, rule_id=desk.rule.id)
    desk.wait(minutes=30)
    assert (desk.told(1), desk.told(2)) == (
        ["alert.opened"],
        ["alert.opened", "alert.reminder"],
    )
    desk.deliver()
    desk.act("mute", until=NOW + 24 * HOUR, what="brand")
    desk.wait(hours=5)
    assert desk.told(2) == ["alert.opened", "alert.reminder"]
    desk.act("mute", until=None, what="brand")
    desk.wait(minutes=1)
    assert desk.told(2)[-1] == "alert.reminder"


# --- marks ---------------------------------------------------------------------------------------


def test_a_false_mark_closes_the_alert_and_teaches_its_rules(desk: Desk) -> None:
    other = desk.add_rule(name="other")
    desk.spike(score=1.0)
    desk.now += 10 * MINUTE
    row = desk.act("mark", verdict="false")
    assert (row.state, row.verdict) == ("resolved", "false")
    assert desk.told() == ["alert.opened", "alert.resolved"]
    assert desk.remind() == 1
    taught = desk.get_rule().strictness
    assert 0.2 <= taught <= 0.5
    assert desk.get_rule(other.id).strictness == taught
    assert desk.last("taught").detail == {
        "rules": {str(desk.rule.id): [0.0, taught], str(other.id): [0.0, taught]}
    }
    assert desk.remind() == 0
    # Taking it back undoes it, and the alert goes on as its spike does.
    row = desk.act("mark", verdict=None)
    assert (row.state, row.verdict, row.resolved_at) == ("open", None, None)
    desk.remind()
    assert desk.get_rule().strictness == 0


def test_what_was_taught_keeps_such_spikes_back(desk: Desk) -> None:
    desk.spike(score=0.6)
    desk.act("mark", verdict="false")
    desk.remind()
    desk.now += 24 * HOUR
    desk.spike("negative", score=0.6)
    assert len(desk.alerts()) == 1
    desk.spike("negative", score=2.5)
    assert len(desk.alerts()) == 2


def test_right_marks_hold_against_false_ones(desk: Desk) -> None:
    for n in range(4):
        desk.spike(f"topic:t{n}:complaint", score=3.0)
        desk.calm(f"topic:t{n}:complaint")
        desk.act("mark", n + 1, verdict="right")
        desk.now += 24 * HOUR
    desk.spike(score=0.6)
    desk.act("mark", 5, verdict="false")
    desk.remind()
    assert desk.get_rule().strictness == 0
    with desk.database.read() as session:
        assert [mark.right for mark in marks_of(session, desk.rule.id)] == [True] * 4 + [False]


def test_a_verdict_on_an_alert_that_comes_back(desk: Desk) -> None:
    desk.spike(observed=12, score=1.0)
    desk.act("mark", verdict="false")
    desk.remind()
    desk.now += HOUR
    desk.spike(observed=14, score=1.2, escalated=True)
    assert desk.alert().state == "resolved"  # no worse: it stays closed
    desk.spike(observed=90, score=4.0, escalated=True)
    alert = desk.alert()
    assert (alert.state, alert.severity, alert.verdict) == ("open", "high", None)
    assert desk.told()[-1] == "alert.escalated"
    # It is judged anew; until then the mark stands for what it was then.
    with desk.database.read() as session:
        (mark,) = marks_of(session, desk.rule.id)
    assert (mark.score, mark.right) == (1.0, False)
    desk.act("mark", verdict="right")
    desk.remind()
    with desk.database.read() as session:
        (mark,) = marks_of(session, desk.rule.id)
    assert (mark.score, mark.right) == (4.0, True)
    assert desk.get_rule().strictness == 0


def test_marks_outlive_a_rule_that_is_gone(desk: Desk) -> None:
    desk.spike()
    desk.act("mark", verdict="false")
    with desk.database.write() as work:
        rules.delete(work.session, desk.rule.id)
        work.commit()
    assert desk.remind() == 1
    assert desk.last("taught").detail == {"rules": {}}


def test_what_was_planned_goes_into_the_calendar(desk: Desk) -> None:
    desk.spike()
    desk.now += HOUR
    row = desk.act("planned", name="봄 세일", until=NOW + 48 * HOUR, factor=3.0)
    assert (row.state, row.verdict) == ("resolved", "planned")
    assert desk.told() == ["alert.opened", "alert.resolved"]
    assert desk.rows()[-1].refs["verdict"] == "planned"
    with desk.database.read() as session:
        (event,) = planned.listing(session)
    assert (event.name, event.from_at, event.to_at) == ("봄 세일", NOW, NOW + 48 * HOUR)
    assert (event.factor, event.brand_id) == (3.0, desk.brand.id)
    desk.act("mark", verdict=None)  # it was a mistake
    with desk.database.read() as session:
        assert planned.listing(session) == []
        assert session.get_one(AlertRow, 1).state == "open"


def test_what_is_held_of_a_false_alarm_is_never_told(sqlite: Database, settings: Settings) -> None:
    desk = Desk(sqlite, settings, quiet_from=20 * 60, quiet_to=8 * 60)
    desk.spike()
    desk.act("mark", verdict="false")
    desk.wait(hours=12)
    assert desk.told() == []
    desk.spike(observed=90, score=4.0, escalated=True)  # but it is more than what was marked
    assert desk.told() == ["alert.opened"]


def test_trouble_with_one_brand_keeps_no_other_waiting(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    other = desk.add_brand("Bada")
    desk.add_rule(other)
    desk.spike()
    desk.spike(brand=other)
    sees_to = Reminders._see_to

    def fails_once(self: Reminders, brand_id: int, now: datetime) -> int:
        if brand_id == desk.brand.id:
            raise ValueError("a bug")
        return sees_to(self, brand_id, now)

    monkeypatch.setattr(Reminders, "_see_to", fails_once)
    desk.wait(minutes=30)
    assert [row.alert_id for row in desk.rows() if row.event == "alert.reminder"] == [2]
    assert f"the alerts of brand {desk.brand.id} could not be seen to" in caplog.text
    monkeypatch.undo()
    desk.remind()
    assert desk.told().count("alert.reminder") == 2
