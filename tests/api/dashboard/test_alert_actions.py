"""What people do with an alert on its page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from listener.runtime.clock import utc_now
from listener.runtime.wiring import Services
from listener.store import alerts, planned, rules
from listener.store.tables import AlertEventRow, AlertRow, AlertRuleRow, SpikeRow

Csrf = Callable[..., str]
SEOUL = ZoneInfo("Asia/Seoul")


@pytest.fixture
def alert_id(services: Services) -> int:
    """The alert that is open in the story, wanted by one rule."""
    now = utc_now()
    with services.database.write() as work:
        session = work.session
        row = session.scalars(select(AlertRow).where(AlertRow.state == "open")).first()
        if row is None:
            row = session.scalars(select(AlertRow)).one()
        row.state, row.resolved_at, row.acknowledged_at, row.acknowledged_by = (
            "open", None, None, None,
        )  # fmt: skip
        session.query(AlertRuleRow).delete()
        rule = rules.create(
            session, brand_id=row.brand_id, name="우리 규칙", signal="complaints", now=now
        )
        session.add(AlertRuleRow(alert_id=row.id, rule_id=rule.id, score=2.0, at=now))
        work.commit()
        return row.id


@pytest.fixture
def act(client: TestClient, alert_id: int, csrf: Csrf) -> Callable[..., Any]:
    """Send one of the forms of the alert."""
    token = csrf(client)

    def send(action: str, **fields: str) -> Any:
        data = {"csrf": token, "spike": "1"} | fields
        return client.post(f"/alerts/{alert_id}/{action}", data=data, follow_redirects=False)

    return send


@pytest.fixture
def alert(services: Services, alert_id: int) -> Callable[[], AlertRow]:
    """The alert as it is stored now."""

    def read() -> AlertRow:
        with services.database.read() as session:
            return session.get_one(AlertRow, alert_id)

    return read


def kinds(services: Services, alert_id: int) -> list[str]:
    with services.database.read() as session:
        rows = session.scalars(
            select(AlertEventRow).where(AlertEventRow.alert_id == alert_id, AlertEventRow.by != "")
        )
        return [row.kind for row in rows]


def test_every_action_is_kept_with_who(
    act: Callable[..., Any],
    alert: Callable[[], AlertRow],
    services: Services,
    alert_id: int,
) -> None:
    assert act("acknowledge").headers["location"] == "/spikes/1#alert"
    assert alert().acknowledged_by == 1
    act("acknowledge", undo="yes")
    assert alert().acknowledged_at is None

    act("assign", to="me")
    assert alert().assigned_to == 1
    act("assign", to="")
    assert alert().assigned_to is None

    act("snooze", until="3h")
    until = alert().snoozed_until
    assert until is not None
    assert abs(until - utc_now() - timedelta(hours=3)) < timedelta(minutes=1)
    act("snooze", until="morning")
    until = alert().snoozed_until
    assert until is not None
    morning = until.astimezone(SEOUL)
    assert (morning.hour, morning.date()) == (9, datetime.now(SEOUL).date() + timedelta(days=1))
    act("snooze", undo="yes")
    assert alert().snoozed_until is None

    act("note", text="쿠팡 쪽 확인 중")
    with services.database.read() as session:
        last = alerts.events(session, alert_id)[-1]
    assert (last.kind, last.by, last.detail["text"]) == ("note", "김민아", "쿠팡 쪽 확인 중")
    assert kinds(services, alert_id) == [
        *("acknowledged", "acknowledged", "assigned", "assigned"),
        *("snoozed", "snoozed", "snoozed", "note"),
    ]


def test_its_rules_or_the_whole_brand_are_muted(
    act: Callable[..., Any], services: Services, alert_id: int, client: TestClient
) -> None:
    def muted() -> list[str]:
        with services.database.read() as session:
            return [rule.name for rule in rules.listing(session) if rule.muted_until]

    act("mute", what="rules", until="1d")
    assert muted() == ["우리 규칙"]
    act("mute", what="brand", until="7d")
    assert "우리 규칙" in muted()
    act("mute", what="brand", undo="yes")
    assert muted() == []


def test_what_was_planned_goes_into_the_calendar(
    act: Callable[..., Any], alert: Callable[[], AlertRow], services: Services, alert_id: int
) -> None:
    last = datetime.now(SEOUL).date() + timedelta(days=2)
    act("planned", name="봄 세일", until=str(last), expect="more", factor="4")
    assert (alert().verdict, alert().state) == ("planned", "resolved")
    with services.database.read() as session:
        (event,) = planned.listing(session)
        onset = min(
            row.onset_at
            for row in session.scalars(select(SpikeRow).where(SpikeRow.alert_id == alert_id))
        )
    assert (event.name, event.factor, event.from_at) == ("봄 세일", 4.0, onset)
    # The day named is in it.
    assert event.to_at.astimezone(SEOUL).date() == last + timedelta(days=1)
    act("mark", verdict="")
    assert alert().verdict is None
    with services.database.read() as session:
        assert planned.listing(session) == []


def test_an_answer_is_kept_and_can_be_taken_back(
    act: Callable[..., Any], alert: Callable[[], AlertRow]
) -> None:
    act("mark", verdict="false")
    assert (alert().verdict, alert().state) == ("false", "resolved")
    act("mark", verdict="right")
    assert alert().verdict == "right"
    act("mark", verdict="")
    assert alert().verdict is None


@pytest.mark.parametrize(
    ("action", "fields", "field", "said"),
    [
        ("planned", {"until": "2099-01-01", "name": "x"}, "until", "1년 안의 날짜"),
        ("planned", {"until": "soon", "name": "x"}, "until", "1년 안의 날짜"),
        ("planned", {"until": "2020-01-01"}, "name", "적어 주세요"),
        ("planned", {"name": "x", "expect": "more", "factor": "no"}, "factor", "숫자로"),
        ("snooze", {"until": "forever"}, "until", "언제까지인지"),
        ("note", {"text": " "}, "text", "메모를 적어 주세요"),
        ("assign", {"to": "99"}, "to", "그 사람은 이제 없습니다"),
    ],
)
def test_what_is_wrong_is_told_at_its_field(
    act: Callable[..., Any],
    services: Services,
    alert_id: int,
    action: str,
    fields: dict[str, str],
    field: str,
    said: str,
) -> None:
    answer = act(action, **fields)
    assert answer.status_code == 422
    error = answer.text.partition(f'id="{field}-error"')[2].partition("</small>")[0]
    assert said in error
    assert 'href="/spikes/1"' in answer.text
    assert kinds(services, alert_id) == []


def test_what_there_is_not(client: TestClient, act: Callable[..., Any], csrf: Csrf) -> None:
    assert act("explode").status_code == 404
    answer = client.post("/alerts/99/acknowledge", data={"csrf": csrf(client)})
    assert answer.status_code == 404
    assert client.get("/alerts/99").status_code == 404


def test_the_address_of_an_alert_leads_to_its_spike(client: TestClient, alert_id: int) -> None:
    answer = client.get(f"/alerts/{alert_id}", follow_redirects=False)
    assert answer.headers["location"].startswith("/spikes/")
