"""Acting on alerts by API: everything that the dashboard can do, by those who may."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import Response
from starlette.testclient import TestClient

from api.routes.alert_actions import AlertEventOut
from api.routes.alerts import AlertOut
from builders import NOW
from desk import Desk
from listener.settings import Settings
from listener.store import rules
from listener.store.work import Database

PATH = "/api/v1/alerts/1"
UNTIL = (NOW + timedelta(hours=3)).isoformat()
Problem = Callable[[Response, int, str], Mapping[str, Any]]

ACTIONS: Mapping[str, Mapping[str, Any]] = {
    "acknowledge": {},
    "assign": {"to": None},
    "snooze": {"until": UNTIL},
    "mute": {"until": UNTIL},
    "planned": {"name": "봄 세일", "until": UNTIL},
    "mark": {"verdict": "right"},
    "notes": {"text": "확인 중"},
}


@pytest.fixture
def database(sqlite: Database) -> Database:
    """SQLite only: what is done is tested on both databases in the store's tests."""
    return sqlite


@pytest.fixture
def writer(client_of: Callable[..., TestClient]) -> TestClient:
    return client_of("write")


@pytest.fixture
def desk(database: Database, settings: Settings) -> Desk:
    desk = Desk(database, settings)
    desk.spike()
    return desk


def kinds(client: TestClient) -> list[str]:
    items = client.get(f"{PATH}/history").json()["items"]
    for item in items:
        AlertEventOut.model_validate(item)
    return [item["kind"] for item in items]


def test_an_alert_from_opening_to_verdict(
    desk: Desk, client: TestClient, writer: TestClient
) -> None:
    seen = client.get(PATH).json()
    AlertOut.model_validate(seen)
    assert seen["rules"] == [{"id": desk.rule.id, "name": "complaints", "score": 1.5}]
    assert (seen["told_at"], seen["waiting_since"]) == ("2025-03-10T12:00:00Z",) * 2
    assert (seen["verdict"], seen["summary"], seen["assigned_to"]) == (None, None, None)

    seen = writer.post(f"{PATH}/acknowledge").json()
    assert (seen["acknowledged_at"], seen["waiting_since"]) == ("2025-03-10T12:00:00Z", None)
    assert writer.post(f"{PATH}/acknowledge", json={"undo": True}).json()["acknowledged_at"] is None
    assert writer.post(f"{PATH}/snooze", json={"until": UNTIL}).json()["snoozed_until"] is not None
    assert writer.post(f"{PATH}/mute", json={"until": UNTIL}).status_code == 200
    assert desk.get_rule().muted_until == NOW + timedelta(hours=3)
    writer.post(f"{PATH}/notes", json={"text": "물류센터 화재"})
    seen = writer.post(f"{PATH}/mark", json={"verdict": "false"}).json()
    assert (seen["state"], seen["verdict"]) == ("resolved", "false")
    assert client.get(PATH).json() == seen
    assert kinds(client) == [
        *("opened", "acknowledged", "acknowledged", "snoozed", "muted", "note", "marked"),
    ]
    last = client.get(f"{PATH}/history").json()["items"][-1]
    assert last["by"].startswith("API: ")


def test_what_was_planned_is_in_the_calendar(
    desk: Desk, client: TestClient, writer: TestClient
) -> None:
    body = {"name": "봄 세일", "until": UNTIL, "kind": "launch", "factor": 2.5}
    assert writer.post(f"{PATH}/planned", json=body).json()["verdict"] == "planned"
    (event,) = client.get("/api/v1/planned-events").json()["items"]
    assert (event["name"], event["kind"], event["factor"]) == ("봄 세일", "launch", 2.5)
    assert (event["from_at"], event["brand_id"]) == ("2025-03-10T12:00:00Z", desk.brand.id)


def test_only_those_who_may_write_act(
    desk: Desk, app: FastAPI, client: TestClient, is_problem: Problem
) -> None:
    stranger = TestClient(app)
    for action, body in ACTIONS.items():
        refused = is_problem(client.post(f"{PATH}/{action}", json=body), 403, "forbidden")
        assert "write" in refused["detail"]
        is_problem(stranger.post(f"{PATH}/{action}", json=body), 401, "unauthorized")
    is_problem(stranger.get(f"{PATH}/history"), 401, "unauthorized")
    assert kinds(client) == ["opened"]


@pytest.mark.parametrize(
    ("action", "body", "field"),
    [
        ("assign", {}, "to"),
        ("assign", {"to": 77}, "to"),
        ("snooze", {"until": "2025-03-10T12:00:00"}, "until"),
        ("snooze", {"until": "2025-03-10T12:00:00Z"}, "until"),
        ("mute", {"until": UNTIL, "what": "world"}, "what"),
        ("planned", {"name": "x", "until": UNTIL, "factor": 1000}, "factor"),
        ("mark", {"verdict": "maybe"}, "verdict"),
        ("mark", {"verdict": "right", "why": "x"}, "why"),
        ("notes", {"text": ""}, "text"),
        ("notes", {"text": "a\0b"}, "body"),
        ("acknowledge", {"undo": "perhaps"}, "undo"),
    ],
)
def test_bad_bodies_name_the_field(
    desk: Desk,
    writer: TestClient,
    is_problem: Problem,
    action: str,
    body: Mapping[str, Any],
    field: str,
) -> None:
    told = is_problem(writer.post(f"{PATH}/{action}", json=body), 422, "invalid")
    assert [error["field"] for error in told["errors"]] == [field]


def test_alerts_that_are_not_there(
    desk: Desk, client: TestClient, writer: TestClient, is_problem: Problem
) -> None:
    for action, body in ACTIONS.items():
        response = writer.post(f"/api/v1/alerts/9/{action}", json=body)
        is_problem(response, 404, "not-found")
    is_problem(client.get("/api/v1/alerts/9/history"), 404, "not-found")


def test_history_pages_by_key(desk: Desk, client: TestClient, writer: TestClient) -> None:
    for number in range(4):
        writer.post(f"{PATH}/notes", json={"text": f"note {number}"})
    first = client.get(f"{PATH}/history?limit=2").json()
    rest = client.get(f"{PATH}/history?limit=5&cursor={first['next_cursor']}").json()
    told = [item["detail"].get("text") for item in first["items"] + rest["items"]]
    assert told == [None, "note 0", "note 1", "note 2", "note 3"]
    assert rest["next_cursor"] is None


def test_a_rule_that_is_gone_is_left_out(desk: Desk, client: TestClient) -> None:

    with desk.database.write() as work:
        rules.delete(work.session, desk.rule.id)
        work.commit()
    assert client.get(PATH).json()["rules"] == []
