"""Corrections and generations over the API."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.routes.generations import ComparisonOut, GenerationsOut
from api.routes.mentions import MentionDetail
from builders import NOW, a_read_mention, a_reading, stored_brand
from listener.store import buckets, generations, jobs
from listener.store.mentions import write_beside
from listener.store.work import Database
from writing import write

URL = "/api/v1/mentions"
Problem = Callable[..., dict[str, Any]]


@pytest.fixture
def database(sqlite: Database) -> Database:
    """On SQLite only: what differs is tested below the API."""
    return sqlite


@pytest.fixture
def brand(database: Database) -> int:
    """A brand with a mention that is read as a complaint."""
    with database.write() as work:
        brand = stored_brand(work.session, "하늘")
        work.commit()
    write(database, a_read_mention(brand_ids=[brand.id]))
    return brand.id


@pytest.fixture
def writer(client_of: Callable[..., TestClient]) -> TestClient:
    """A client that may write."""
    return client_of("write")


def switched(database: Database) -> None:
    """The same mention read by other models, and these put in force."""
    positive = a_reading(0.7, complaint=False)
    with database.write() as work:
        session = work.session
        session.connection().exec_driver_sql(
            "INSERT INTO generation (id, key, models, rules_version, created_at, active)"
            """ VALUES (2, 'two', '{"ko": ["fake", "2"]}', 'r2', 0, 0)"""
        )
        write_beside(session, 2, [(1, a_read_mention(brand_ids=[1], reading=positive))])
        generations.switch(session, 2, now=NOW, by="kim")
        buckets.mark_every(session)
        work.commit()


def test_a_correction_and_its_end(client: TestClient, writer: TestClient, brand: int) -> None:
    before = client.get(f"{URL}/1").json()
    answer = writer.post(
        f"{URL}/1/corrections", json={"label": "positive", "complaint": False, "topics": []}
    )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    MentionDetail.model_validate(body, strict=False)
    assert body["item"]["sentiment"]["label"] == "positive"
    assert body["item"]["sentiment"]["score"] == before["item"]["sentiment"]["score"]
    assert body["item"]["corrected"] == ["complaint", "label", "topics"]
    (told,) = body["corrections"]
    assert (told["by"], told["at"], told["holds"]) == ("API: test", "2025-03-10T12:00:00Z", True)
    assert body["readings"][0]["corrected"] == {
        "label": "negative",
        "complaint": True,
        "topics": ["delivery"],
    }

    after = writer.delete(f"{URL}/1/corrections").json()
    assert after["item"] | {"seq": 1, "change": "created"} == before["item"]
    assert after["corrections"] == []


def test_refused_corrections(
    client: TestClient, writer: TestClient, brand: int, is_problem: Problem
) -> None:
    path = f"{URL}/1/corrections"
    is_problem(client.post(path, json={"label": "positive"}), 403, "forbidden")
    is_problem(writer.post(path, json={"label": "uncertain"}), 422, "invalid")
    is_problem(writer.post(path, json={"brand_id": 99, "label": "mixed"}), 422, "invalid")
    is_problem(writer.post(path, json={}), 422, "invalid")
    is_problem(writer.delete(path), 404, "not-found")
    is_problem(writer.post(f"{URL}/9/corrections", json={"label": "mixed"}), 404, "not-found")


def test_one_announced_switch(
    client: TestClient, database: Database, brand: int, is_problem: Problem
) -> None:
    every = client.get(URL).json()
    negative = client.get(URL, params={"sentiment": "negative"}).json()
    feed = client.get("/feeds/mentions.rss")
    assert every["generation"] == negative["generation"] == 1

    switched(database)

    after = client.get(URL, params={"cursor": every["next_cursor"]}).json()
    assert (after["items"], after["generation"]) == ([], 2), "told once, and of no mention"
    stale = {"sentiment": "negative", "cursor": negative["next_cursor"]}
    is_problem(client.get(URL, params=stale), 410, "cursor-expired")
    assert client.get(URL, params={"sentiment": "negative"}).json()["items"] == []
    item = client.get(URL).json()["items"][0]
    assert (item["generation"], item["rules_version"]) == (2, "r2")
    assert item["sentiment"]["version"] == "2"
    headers = {"if-none-match": feed.headers["etag"]}
    rss = client.get("/feeds/mentions.rss", headers=headers)
    assert rss.status_code == 200
    assert "urn:listener:switch:1" in rss.text
    assert "ko fake 1, rules r1 → ko fake 2, rules r2" in rss.text.replace("en fake 1, ", "")
    for form in ("atom", "json"):
        assert "urn:listener:switch:1" in client.get(f"/feeds/mentions.{form}").text
    series = client.get(
        "/api/v1/stats/series", params={"brand": brand, "to": "2025-03-11T00:00:00Z"}
    ).json()
    assert [one["generation_id"] for one in series["switches"]] == [2]
    assert client.get("/api/v1/stats/totals").json()["generation"] == 2


def test_generations_and_what_another_would_change(
    client: TestClient, database: Database, brand: int, is_problem: Problem
) -> None:
    switched(database)

    body = client.get("/api/v1/generations").json()
    GenerationsOut.model_validate(body, strict=False)
    assert [(one["id"], one["active"], one["readings"]) for one in body["items"]] == [
        *((1, False, 1), (2, True, 1)),
    ]
    assert body["switches"][0]["changed"]["after"]["rules_version"] == "r2"
    found = client.get("/api/v1/generations/1/comparison").json()
    ComparisonOut.model_validate(found, strict=False)
    assert (found["before"], found["after"]) == (2, 1)
    assert found["items"][0]["flips"] == [{"before": "positive", "after": "negative", "count": 1}]
    assert found["items"][0]["after"]["complaint_rate"] == 1.0
    later = {"since": (NOW + timedelta(days=1)).isoformat()}
    assert client.get("/api/v1/generations/1/comparison", params=later).json()["items"] == []
    is_problem(client.get("/api/v1/generations/2/comparison"), 409, "conflict")
    is_problem(client.get("/api/v1/generations/9/comparison"), 404, "not-found")


def test_rescoring_and_switching_are_handed_to_the_service(
    admin: TestClient, writer: TestClient, database: Database, brand: int, is_problem: Problem
) -> None:
    switched(database)
    path = "/api/v1/generations"
    is_problem(writer.post(f"{path}/rescore", json={}), 403, "forbidden")
    is_problem(admin.post(f"{path}/rescore", json={"generation": 9}), 404, "not-found")
    is_problem(admin.post(f"{path}/2/switch", json={}), 409, "conflict")

    first = admin.post(f"{path}/rescore", json={"switch": True})
    second = admin.post(f"{path}/1/switch", json={"force": True})

    assert (first.status_code, second.status_code) == (202, 202)
    with database.read() as session:
        told = [jobs.get(session, answer.json()["id"]) for answer in (first, second)]
    assert [(job.kind, job.payload) for job in told if job] == [
        ("rescore", {"generation": None, "switch": True}),
        ("switch-generation", {"generation": 1, "force": True, "by": "API: test"}),
    ]
