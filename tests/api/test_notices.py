"""Health in words, notices and rating snapshots by the API, and what a channel wants."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from starlette.testclient import TestClient

from builders import NOW, stored_brand, stored_watch
from listener.store import ratings
from listener.store.tables import NoticeRow, WatchRow
from listener.store.work import Database
from listener.types import RatingSnapshot

DAY = timedelta(days=1)


@pytest.fixture
def watch(database: Database) -> int:
    """A watch whose key was refused, its notice, and three averages."""
    with database.write() as work:
        session = work.session
        made = stored_watch(session, brand=stored_brand(session, "하늘"))
        row = session.get_one(WatchRow, made)
        row.health, row.failures, row.profile = "needs-credentials", 1, {"runs": 9}
        for day in range(3):
            app = RatingSnapshot(
                subject="kr/1", average=4.0 + day / 10, count=day, rating_min=1, rating_max=5
            )
            ratings.record(session, made, [app], now=NOW - (3 - day) * DAY)
        for state, ended in (("recovered", NOW), ("open", None)):
            session.add(
                NoticeRow(
                    key="plaza||needs-credentials",
                    source="plaza",
                    cause="needs-credentials",
                    outcome="needs-credentials",
                    watch_ids=[made],
                    state=state,
                    since=NOW,
                    opened_at=NOW,
                    told_at=NOW,
                    ended_at=ended,
                )
            )
            session.flush()
        work.commit()
    return made


def test_a_watch_tells_how_it_does_in_words(client: TestClient, watch: int) -> None:
    told = client.get(f"/api/v1/watches/{watch}").json()
    assert told["state"] == "needs-credentials"
    assert told["words"]["ko"]["title"] == "인증 필요"
    assert "API 키 설정을 요청" in told["words"]["ko"]["advice"]
    assert "administrator" in told["words"]["en"]["advice"]


def test_a_watch_that_nobody_collects_is_late(
    client: TestClient, database: Database, watch: int
) -> None:
    with database.write() as work:
        row = work.session.get_one(WatchRow, watch)
        row.health, row.last_success_at, row.next_run_at = "ok", NOW - DAY, NOW - DAY
        work.commit()
    (told,) = client.get("/api/v1/watches").json()["items"]
    assert (told["health"], told["state"]) == ("ok", "late")


def test_accepting_forgets_what_was_usual(
    admin: TestClient, client: TestClient, database: Database, watch: int
) -> None:
    assert client.post(f"/api/v1/watches/{watch}/accept").status_code == 403
    assert admin.post(f"/api/v1/watches/{watch}/accept").status_code == 200
    assert admin.post("/api/v1/watches/999/accept").status_code == 404
    with database.read() as session:
        assert session.get_one(WatchRow, watch).profile == {}


def test_notices_come_latest_first(client: TestClient, watch: int) -> None:
    both = client.get("/api/v1/notices").json()["items"]
    assert [one["state"] for one in both] == ["open", "recovered"]
    assert both[0]["watch_ids"] == [watch]
    page = client.get("/api/v1/notices?limit=1").json()
    assert len(page["items"]) == 1
    rest = client.get("/api/v1/notices", params={"limit": 1, "cursor": page["next_cursor"]}).json()
    assert rest["items"] == both[1:]
    (only,) = client.get("/api/v1/notices?state=open").json()["items"]
    assert client.get(f"/api/v1/notices/{only['id']}").json() == only
    assert client.get("/api/v1/notices/99").status_code == 404


def test_ratings_of_a_brand_and_a_time(client: TestClient, watch: int) -> None:
    every = client.get("/api/v1/ratings?brand=하늘").json()["items"]
    assert [one["average"] for one in every] == [4.2, 4.1, 4.0]
    assert (every[0]["source"], every[0]["subject"], every[0]["watch_id"]) == (
        "plaza",
        "kr/1",
        watch,
    )

    def asked(start: datetime) -> int:
        told = client.get("/api/v1/ratings", params={"from": start.isoformat()})
        return len(told.json()["items"])

    assert asked(NOW - 2 * DAY) == 2
    assert client.get("/api/v1/ratings?brand=nobody").status_code == 400
    wrong = {"from": NOW.isoformat(), "to": (NOW - DAY).isoformat()}
    assert client.get("/api/v1/ratings", params=wrong).status_code == 400


def test_a_channel_says_what_it_wants(
    admin: TestClient, is_problem: Callable[..., dict[str, object]]
) -> None:
    body = {"name": "ops", "address": "https://hooks.example/x", "wants": "notices"}
    made = admin.post("/api/v1/channels", json=body).json()
    assert made["wants"] == "notices"
    changed = admin.patch(f"/api/v1/channels/{made['id']}", json={"wants": "alerts"}).json()
    assert changed["wants"] == "alerts"
    refused = admin.patch(f"/api/v1/channels/{made['id']}", json={"wants": "nothing"})
    assert refused.status_code == 422
