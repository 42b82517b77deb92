"""What people do with alerts: checked, written down with who, and taken back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from builders import NOW
from desk import Desk
from listener.errors import InvalidInput, NotFound
from listener.settings import Settings
from listener.store import access, alerts, channels, held
from listener.store.tables import AlertRow, ChannelRow, OutboxRow
from listener.store.work import Database

HOUR = timedelta(hours=1)


@pytest.fixture
def desk(sqlite: Database, settings: Settings) -> Desk:
    desk = Desk(sqlite, settings)
    desk.spike()
    return desk


def test_the_first_to_acknowledge_stays(database: Database, settings: Settings) -> None:
    desk = Desk(database, settings)
    desk.spike()
    with database.write() as work:
        first = access.add_user(work.session, "mina@example.org", now=NOW)
        second = access.add_user(work.session, "jun@example.org", now=NOW)
        work.commit()
    desk.now += HOUR
    row = desk.act("acknowledge", user_id=first.id)
    assert (row.acknowledged_by, row.acknowledged_at) == (first.id, NOW + HOUR)
    assert row.waiting_since is None
    desk.now += HOUR
    row = desk.act("acknowledge", user_id=second.id)
    assert (row.acknowledged_by, row.acknowledged_at) == (first.id, NOW + HOUR)
    assert desk.history() == ["opened", "acknowledged"]
    assert desk.last("acknowledged").by == "Mina"
    row = desk.act("acknowledge", undo=True)
    assert (row.acknowledged_by, row.acknowledged_at) == (None, None)
    assert row.waiting_since == desk.now
    assert desk.last("acknowledged").detail == {"undone": True}


def test_webhooks_are_told_who_acknowledged(desk: Desk) -> None:
    with desk.database.write() as work:
        channels.add(
            work.session,
            name="team",
            kind="apprise",
            address=b"encrypted",
            address_shown="slack://…",
            secret=None,
            language="ko",
            now=NOW,
        )
        work.commit()
    desk.now += 24 * HOUR
    desk.calm()
    desk.now += 24 * HOUR
    desk.spike("negative")
    desk.act("acknowledge", 2)
    told = [row.event for row in desk.rows(1) if row.alert_id == 2]
    assert told == ["alert.opened", "alert.acknowledged"]
    assert [row.event for row in desk.rows(3)] == ["alert.opened"]
    (row,) = (row for row in desk.rows(1) if row.event == "alert.acknowledged")
    assert row.refs == {"alert_id": 2, "spike_ids": [2], "by": "Mina"}


def test_somebody_takes_care_of_it(desk: Desk) -> None:
    with desk.database.write() as work:
        user = access.add_user(work.session, "mina@example.org", name="Mina", now=NOW)
        work.commit()
    assert desk.act("assign", to=user.id).assigned_to == user.id
    assert desk.last("assigned").detail == {"to": user.id, "name": "Mina"}
    desk.act("assign", to=user.id)
    assert desk.act("assign", to=None).assigned_to is None
    assert desk.history().count("assigned") == 2


def test_a_snooze_is_ended_early(desk: Desk) -> None:
    until = NOW + 2 * HOUR
    assert desk.act("snooze", until=until).snoozed_until == until
    assert desk.last("snoozed").detail == {"until": until.isoformat()}
    assert desk.act("snooze", until=None).snoozed_until is None
    desk.act("snooze", until=None)
    assert desk.history() == ["opened", "snoozed", "snoozed"]


def test_mutes_reach_as_far_as_they_say(desk: Desk) -> None:
    apart = desk.add_rule(name="apart", signal="negative")
    until = NOW + 24 * HOUR
    desk.act("mute", until=until)
    assert desk.get_rule().muted_until == until
    desk.act("mute", until=until, what="brand")
    assert desk.get_rule(apart.id).muted_until == until
    desk.act("mute", until=None, what="brand")
    assert desk.get_rule().muted_until is None
    assert desk.get_rule(apart.id).muted_until is None
    assert desk.last("muted").detail == {
        "what": "brand",
        "rules": [desk.rule.id, apart.id],
        "until": None,
    }


def test_notes_stay_in_the_history(desk: Desk) -> None:
    desk.act("note", text="  물류센터 화재\n확인 중 ")
    row = desk.last("note")
    assert (row.by, row.at, row.detail) == ("Mina", NOW, {"text": "물류센터 화재\n확인 중"})
    with desk.database.read() as session:
        assert [one.kind for one in alerts.events(session, 1, limit=1)] == ["opened"]
        assert [one.kind for one in alerts.events(session, 1, after_id=1)] == ["note"]


@pytest.mark.parametrize(
    ("action", "detail", "field"),
    [
        ("shout", {}, "action"),
        ("assign", {"to": 99}, "to"),
        ("snooze", {"until": NOW}, "until"),
        ("snooze", {"until": NOW + timedelta(days=31)}, "until"),
        ("snooze", {"until": datetime(2025, 3, 11)}, "until"),  # noqa: DTZ001 - that is the point
        ("mute", {"until": NOW + HOUR, "what": "world"}, "what"),
        ("mute", {"until": NOW + timedelta(days=400)}, "until"),
        ("mute", {"until": NOW + HOUR, "rule_id": 99}, "rule_id"),
        ("planned", {"name": " ", "until": NOW + HOUR}, "name"),
        ("planned", {"name": "sale", "until": NOW - HOUR}, "to_at"),
        ("planned", {"name": "sale", "until": NOW + HOUR, "factor": 0.0}, "factor"),
        ("mark", {"verdict": "planned"}, "verdict"),
        ("note", {"text": " \n "}, "text"),
        ("note", {"text": "x" * 2001}, "text"),
    ],
)
def test_what_makes_no_sense_is_refused(
    desk: Desk, action: str, detail: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        desk.act(action, **detail)
    assert refused.value.field == field
    assert desk.history() == ["opened"]
    alert = desk.alert()
    assert (alert.state, alert.verdict, alert.acknowledged_at) == ("open", None, None)


def test_nothing_is_done_to_what_is_not_there_or_over(desk: Desk) -> None:
    with pytest.raises(NotFound):
        desk.act("acknowledge", 9)
    desk.now += HOUR
    desk.calm()
    with pytest.raises(InvalidInput, match="over"):
        desk.act("snooze", until=desk.now + HOUR)
    row = desk.act("mark", verdict="right")  # but it can be judged
    assert (row.state, row.verdict) == ("resolved", "right")
    desk.act("planned", name="sale", until=desk.now + HOUR)
    with pytest.raises(InvalidInput, match="calendar already"):
        desk.act("planned", name="sale", until=desk.now + HOUR)


def test_what_people_close_is_summed_up(desk: Desk) -> None:
    desk.now += HOUR
    summary = desk.act("mark", verdict="false").summary
    assert summary is not None
    assert (summary["minutes"], summary["observed"], summary["spikes"]) == (60, 12.0, 1)
    assert desk.act("mark", verdict=None).summary is None  # it goes on


def test_a_mark_keeps_what_was_judged(desk: Desk) -> None:
    desk.act("mark", verdict="false")
    rule = str(desk.rule.id)
    assert desk.last("marked").detail == {
        "verdict": "false",
        "was": None,
        "scores": {rule: 1.5},
        "bars": {rule: 0.0},
    }
    desk.act("mark", verdict="false")
    assert desk.history().count("marked") == 1
    desk.act("mark", verdict="right")
    assert desk.last("marked").detail["was"] == "false"
    assert desk.alert().state == "open"  # its spike goes on


# --- held messages -------------------------------------------------------------------------------


def test_a_message_is_queued_once_and_again_when_it_was_withdrawn(
    database: Database, settings: Settings
) -> None:
    desk = Desk(database, settings)
    desk.spike()

    def queue(key: str = "1", **fields: Any) -> bool:
        with database.write() as work:
            done = held.queue(
                work.session,
                channel_id=1,
                alert_id=1,
                event="alert.reminder",
                event_key=key,
                refs={"reminder": int(key)},
                now=NOW,
                **fields,
            )
            work.commit()
        return done

    assert queue()
    assert not queue()
    with database.write() as work:
        held.withdraw(work.session, 1)
        work.commit()
    assert queue(hold_until=NOW + HOUR)
    with database.write() as work:
        assert held.next_due(work.session, 1) == NOW + HOUR
        assert not held.any_due(work.session, now=NOW + timedelta(minutes=59))
        assert held.release(work.session, now=NOW + timedelta(minutes=59)) == []
        (released,) = held.release(work.session, now=NOW + HOUR)
        work.commit()
    assert (released.channel_id, released.alert_ids, released.digest) == (1, (1,), False)
    with database.read() as session:
        row = session.scalars(select(OutboxRow).where(OutboxRow.event == "alert.reminder")).one()
    assert (row.state, row.next_try_at, row.created_at) == ("pending", NOW + HOUR, NOW + HOUR)


def test_who_was_told_goes_with_channel_and_alert(desk: Desk) -> None:
    with desk.database.write() as work:
        assert held.told(work.session, 1) == {1: True, 2: True}
        work.session.delete(work.session.get_one(ChannelRow, 2))
        work.session.flush()
        assert held.told(work.session, 1) == {1: True}
        work.session.delete(work.session.get_one(AlertRow, 1))
        work.session.flush()
        assert held.told(work.session, 1) == {}
