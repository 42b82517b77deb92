"""The calendar over the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.routes import planned as routes
from builders import stored_brand
from listener.store.work import Database

Problem = Callable[..., dict[str, Any]]
EVENTS = "/api/v1/planned-events"
SALE = {"name": "봄 세일", "from_at": "2025-03-09T15:00:00Z", "to_at": "2025-03-16T15:00:00Z"}


@pytest.fixture
def writer(client_of: Callable[..., TestClient]) -> TestClient:
    return client_of("write")


@pytest.fixture
def brand(database: Database) -> int:
    with database.write() as work:
        brand = stored_brand(work.session, "하늘")
        stored_brand(work.session, "바다")
        work.commit()
    return brand.id


def test_events_come_change_and_go(
    client: TestClient, writer: TestClient, brand: int, is_problem: Problem
) -> None:
    answer = writer.post(EVENTS, json=SALE | {"brand": "하늘", "factor": 3})
    assert answer.status_code == 201
    made = answer.json()
    routes.PlannedEventOut.model_validate(made)
    assert made["brand_id"] == brand
    assert made["created_by"].startswith("API: ")
    assert client.get(f"{EVENTS}/{made['id']}").json() == made

    changed = writer.patch(f"{EVENTS}/{made['id']}", json={"factor": None, "brand": None}).json()
    assert changed == made | {"factor": None, "brand_id": None}
    is_problem(writer.patch(f"{EVENTS}/{made['id']}", json={"name": None}), 422, "invalid")

    assert writer.delete(f"{EVENTS}/{made['id']}").status_code == 204
    is_problem(client.get(f"{EVENTS}/{made['id']}"), 404, "not-found")


def test_the_list_is_narrowed_by_brand_and_time(
    client: TestClient, writer: TestClient, brand: int
) -> None:
    for name in ("하늘", "바다", None):
        assert writer.post(EVENTS, json=SALE | {"brand": name}).status_code == 201

    def owners(**query: str) -> list[int | None]:
        return [one["brand_id"] for one in client.get(EVENTS, params=query).json()["items"]]

    assert owners() == [brand, brand + 1, None]
    assert owners(brand="하늘") == [brand, None]
    assert owners(to="2025-03-09T15:00:00Z") == []
    assert len(owners(**{"from": "2025-03-16T14:59:59Z"})) == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"to_at": "2025-03-01T00:00:00Z"},
        {"from_at": "2025-03-01T00:00:00"},
        {"factor": 0},
        {"kind": "party"},
        {"brand": "nobody"},
        {"note": "x"},
    ],
)
def test_what_is_refused(
    writer: TestClient, brand: int, is_problem: Problem, wrong: dict[str, Any]
) -> None:
    is_problem(writer.post(EVENTS, json=SALE | wrong), 422, "invalid")
    assert writer.get(EVENTS).json() == {"items": []}


def test_readers_change_nothing(client: TestClient, is_problem: Problem) -> None:
    is_problem(client.post(EVENTS, json=SALE), 403, "forbidden")


def test_holidays_of_a_year(client: TestClient, is_problem: Problem) -> None:
    told = client.get("/api/v1/holidays", params={"year": 2026}).json()
    assert told["country"] == "KR"
    days = {one["day"]: one["name"] for one in told["items"]}
    assert days["2026-02-17"] == "설날"
    assert "2026-03-02" in days  # a substitute
    english = {"year": 2026, "language": "en"}
    named = {
        one["day"]: one["name"]
        for one in client.get("/api/v1/holidays", params=english).json()["items"]
    }
    assert named.keys() == days.keys()
    assert named["2026-02-17"] == "Korean New Year"
    is_problem(client.get("/api/v1/holidays", params=english | {"language": "xx"}), 400, "invalid")
    is_problem(client.get("/api/v1/holidays", params={"year": 1800}), 400, "invalid")
