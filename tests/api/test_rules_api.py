"""Rules and backtests over the API."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.routes import rules as routes
from builders import NOW, stored_brand
from listener.runtime.tasks import BACKTEST, answer_job
from listener.settings import Settings
from listener.store import jobs
from listener.store.work import Database

Problem = Callable[..., dict[str, Any]]
RULES = "/api/v1/rules"


@pytest.fixture
def writer(client_of: Callable[..., TestClient]) -> TestClient:
    return client_of("write")


@pytest.fixture
def brand(database: Database) -> int:
    with database.write() as work:
        brand = stored_brand(work.session, "하늘")
        work.commit()
    return brand.id


def _made(writer: TestClient, **fields: Any) -> dict[str, Any]:
    body = {"brand": "하늘", "name": "배송 불만", "signal": "complaints"} | fields
    answer = writer.post(RULES, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    routes.RuleOut.model_validate(made)
    return made


def test_rules_come_change_and_go(
    client: TestClient, writer: TestClient, brand: int, is_problem: Problem
) -> None:
    before = client.get(RULES, params={"brand": "하늘"}).json()["items"]
    made = _made(
        writer,
        scope={"topic": "delivery"},
        quiet_from="22:00",
        quiet_to="07:30",
        steps=[{"after_s": 0, "channel_ids": None}, {"after_s": 900, "channel_ids": []}],
    )
    assert (made["brand_id"], made["scope"]["topic"]) == (brand, "delivery")
    assert (made["quiet_from"], made["quiet_to"]) == ("22:00", "07:30")
    assert [step["after_s"] for step in made["steps"]] == [0, 900]
    assert (made["by"], made["sensitivity"], made["remind_every_s"]) == ("stories", "normal", 1800)
    assert client.get(f"{RULES}/{made['id']}").json() == made
    listed = client.get(RULES, params={"brand": "하늘"}).json()["items"]
    assert listed == [*before, made]

    changed = writer.patch(
        f"{RULES}/{made['id']}",
        json={"sensitivity": "high", "quiet_from": None, "quiet_to": None, "enabled": False},
    ).json()
    assert changed == made | {
        "sensitivity": "high", "quiet_from": None, "quiet_to": None, "enabled": False,
    }  # fmt: skip
    assert changed not in client.get(RULES, params={"enabled": True}).json()["items"]

    assert writer.delete(f"{RULES}/{made['id']}").status_code == 204
    is_problem(client.get(f"{RULES}/{made['id']}"), 404, "not-found")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"quiet_from": "25:00"}, "quiet_from"),
        ({"quiet_from": "22:00"}, "quiet_to"),
        ({"scope": {"topic": "*", "source": "*"}}, None),
        ({"steps": [{"after_s": 60}]}, "steps"),
        ({"steps": [{"after_s": 0, "channel_ids": [999]}]}, "steps"),
        ({"signal": "viral", "scope": {"topic": "*"}}, "topic"),
    ],
)
def test_rules_that_make_no_sense_are_refused(
    writer: TestClient, brand: int, is_problem: Problem, fields: dict[str, Any], field: str | None
) -> None:
    body = {"brand": "하늘", "name": "x", "signal": "complaints"} | fields
    told = is_problem(writer.post(RULES, json=body), 422, "invalid")
    assert field is None or [one["field"] for one in told["errors"]] == [field]


def test_reading_keys_change_nothing(client: TestClient, brand: int, is_problem: Problem) -> None:
    body = {"brand": "하늘", "name": "x", "signal": "complaints"}
    assert client.post(RULES, json=body).status_code == 403
    assert client.post(f"{RULES}/backtest", json={"rule_id": 1}).status_code == 403


def test_a_backtest_is_a_job(
    client: TestClient,
    writer: TestClient,
    brand: int,
    settings: Settings,
    database: Database,
    is_problem: Problem,
) -> None:
    made = _made(writer)
    services: Any = SimpleNamespace(settings=settings, database=database, clock=lambda: NOW)
    answer = writer.post(
        f"{RULES}/backtest",
        json={
            "rule_id": made["id"],
            "compare": {"sensitivity": "high", "steps": None, "scope": None},
            "days": 30,
        },
    )
    assert answer.status_code == 202
    asked = answer.json()
    assert asked["state"] == "pending"
    assert not answer_job(services, but=(BACKTEST,))  # the quick lane leaves it alone
    assert answer_job(services, only=(BACKTEST,))
    done = client.get(f"{RULES}/backtests/{asked['id']}").json()
    told = routes.BacktestOut.model_validate(done)
    assert told.state == "done"
    assert told.result is not None
    assert told.result.b is not None
    assert (told.result.a.rule.sensitivity, told.result.b.rule.sensitivity) == ("normal", "high")
    assert told.result.b.rule.name == made["name"]  # what is left out is as in the rule
    assert [note.code for note in told.result.a.notes] == ["none"]
    is_problem(writer.delete(f"{RULES}/backtests/{asked['id']}"), 409, "conflict")


def test_rules_need_not_be_saved_to_be_tried(
    writer: TestClient, brand: int, is_problem: Problem
) -> None:
    tried = {"signal": "negative", "scope": {"source": "bluesky"}}
    answer = writer.post(f"{RULES}/backtest", json={"brand": "하늘", "rule": tried})
    assert answer.status_code == 202
    is_problem(writer.post(f"{RULES}/backtest", json={"rule": tried}), 422, "invalid")
    single = {"brand": "하늘", "rule": {"signal": "viral"}}
    told = is_problem(writer.post(f"{RULES}/backtest", json=single), 422, "invalid")
    assert [one["field"] for one in told["errors"]] == ["signal"]


def test_a_backtest_can_be_stopped(
    client: TestClient, writer: TestClient, brand: int, database: Database
) -> None:
    made = _made(writer)
    asked = writer.post(f"{RULES}/backtest", json={"rule_id": made["id"]}).json()
    length = timedelta(minutes=5)
    with database.write() as work:
        job = jobs.claim(work.session, now=NOW, length=length, only=(BACKTEST,))
        assert job is not None
        assert jobs.go_on(work.session, job, progress=0.25, now=NOW, length=length)
        work.commit()
    running = client.get(f"{RULES}/backtests/{asked['id']}").json()
    assert (running["state"], running["progress"]) == ("running", 0.25)
    assert writer.delete(f"{RULES}/backtests/{asked['id']}").status_code == 204
    with database.write() as work:
        assert not jobs.go_on(work.session, job, progress=0.5, now=NOW, length=length)
        assert not jobs.answer(work.session, job, result={}, now=NOW)
        work.commit()
    assert client.get(f"{RULES}/backtests/{asked['id']}").json()["state"] == "cancelled"
