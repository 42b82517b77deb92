"""Connections over the API: secrets go in and never come out, budgets and health are told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from listener.runtime.tasks import answer_job
from listener.runtime.wiring import Services, build
from listener.settings import Settings
from listener.store import access, schema
from webserver import Play, WebServer

V1 = "/api/v1/connections"
SECRET = "AAAAAAAAAAAAAAAAAAAAAsecretofthetests1"


@pytest.fixture
def services(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """The real wiring of an empty install."""
    monkeypatch.delenv("LISTENER_X__BEARER_TOKEN", raising=False)
    built = build(settings.model_copy(update={"allow_private_hosts": "127.0.0.1"}))
    schema.upgrade(built.database)
    yield built
    built.close()


@pytest.fixture
def admin(services: Services) -> Iterator[TestClient]:
    """A client with a key of scope admin."""
    with services.database.write() as work:
        _, key = access.add_key(work.session, "tests", scopes=("admin",), now=services.clock())
        work.commit()
    with TestClient(create_app(services), headers={"authorization": f"Bearer {key}"}) as client:
        yield client


def make(client: TestClient, **fields: object) -> dict[str, object]:
    given = {"source": "x", "name": "main", "credentials": {"bearer_token": SECRET}, **fields}
    answer = client.post(V1, json=given)
    assert answer.status_code == 201, answer.text
    made: dict[str, object] = answer.json()
    return made


def test_secrets_are_write_only(admin: TestClient, services: Services) -> None:
    made = make(admin, budget_usd=50)
    assert made["credentials"] == ["bearer_token"]
    assert made["missing"] == []
    for path in (V1, f"{V1}/1"):
        assert SECRET not in admin.get(path).text
    with services.database.read() as session:
        assert services.connections.connection("x", 1).credentials == {"bearer_token": SECRET}
        assert session is not None


def test_budgets_and_use_are_told(admin: TestClient, services: Services) -> None:
    make(admin, budget_usd=50, budget_calls=1000)
    services.net._ledger.spend(  # type: ignore[union-attr]
        "x|1", {"calls": 1, "post": 100, "user": 80}, now=services.clock()
    )
    usage = {one["unit"]: one for one in admin.get(f"{V1}/1").json()["usage"]}
    assert (usage["calls"]["used"], usage["calls"]["limit"]) == (1, 1000)
    assert (usage["usd"]["used"], usage["usd"]["limit"]) == (1.3, 50)
    assert usage["usd"]["per"] == "month"


def test_a_change_keeps_what_is_left_out(admin: TestClient, services: Services) -> None:
    make(admin, budget_usd=50, budget_calls=1000)
    changed = admin.patch(f"{V1}/1", json={"budget_usd": None, "name": "other"}).json()
    assert changed["name"] == "other"
    assert changed["budget_usd"] is None
    assert changed["budget_calls"] == 1000
    assert changed["credentials"] == ["bearer_token"]
    changed = admin.patch(f"{V1}/1", json={"credentials": {"bearer_token": ""}}).json()
    assert changed["missing"] == ["bearer_token"]
    assert changed["health"] == "needs-credentials"


@pytest.mark.parametrize(
    ("fields", "status", "where"),
    [
        ({"source": "nowhere"}, 422, "source"),
        ({"credentials": {"password": "p"}}, 422, "credentials.password"),
        ({"base_url": "ftp://x.example"}, 422, "base_url"),
        ({"base_url": "https://user:pw@x.example"}, 422, "base_url"),
        ({"base_url": "http://10.0.0.7/"}, 422, None),
        ({"source": "feed", "credentials": {}, "budget_usd": 5}, 422, "budget_usd"),
        ({"budget_calls": -1}, 422, "budget_calls"),
        ({"colour": "red"}, 422, "colour"),
    ],
)
def test_what_makes_no_sense_is_refused_by_field(
    admin: TestClient, fields: dict[str, object], status: int, where: str | None
) -> None:
    given = {"source": "x", "name": "main", "credentials": {"bearer_token": SECRET}, **fields}
    answer = admin.post(V1, json=given)
    assert answer.status_code == status
    assert where is None or where in answer.text
    assert SECRET not in answer.text


def test_a_name_is_taken_once(admin: TestClient) -> None:
    make(admin)
    again = admin.post(V1, json={"source": "x", "name": "main"})
    assert again.status_code == 409


def test_a_watch_takes_a_connection_of_its_source_only(admin: TestClient) -> None:
    make(admin)
    wrong = {"source": "feed", "params": {"url": "https://a.example/"}, "connection_id": 1}
    assert admin.post("/api/v1/watches", json=wrong).status_code == 422
    right = {"source": "x", "params": {"query": "하늘"}, "connection_id": 1}
    assert admin.post("/api/v1/watches", json=right).status_code == 201
    assert admin.delete(f"{V1}/1").status_code == 409  # it is in use
    assert admin.get(f"{V1}/1").json()["watches"] == 1
    assert admin.delete("/api/v1/watches/1").status_code == 204
    assert admin.delete(f"{V1}/1").status_code == 204
    assert admin.get(f"{V1}/1").status_code == 404


def test_a_test_is_a_job_whose_end_is_kept(admin: TestClient, services: Services) -> None:
    with WebServer() as server:
        make(admin, base_url=server.url)
        server.pages["/2/usage/tweets"] = [
            Play('{"title":"Unauthorized","status":401}', 401),
            Play('{"data":{"project_cap":"3000000","project_usage":"1250"}}'),
        ]
        results = []
        for _ in range(2):
            job = admin.post(f"{V1}/1/test")
            assert job.status_code == 202
            assert answer_job(services)
            results.append(admin.get(f"/api/v1/jobs/{job.json()['id']}").json()["result"])
            results.append(admin.get(f"{V1}/1").json())
    assert results[0]["ok"] is False
    assert "bearer token" in results[0]["error"]
    assert results[1]["health"] == "failing"
    assert results[2]["ok"] is True
    assert results[3]["health"] == "ok"
    assert results[3]["test_error"] is None


def test_readers_see_no_connections(services: Services) -> None:
    with services.database.write() as work:
        _, key = access.add_key(work.session, "r", scopes=("write",), now=services.clock())
        work.commit()
    with TestClient(create_app(services), headers={"authorization": f"Bearer {key}"}) as client:
        assert client.get(V1).status_code == 403
