"""All that is no mention: brands, watches, runs, gaps, spikes, alerts, channels, stats, keys."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from api.deps import Page
from api.routes import alerts, brands, channels, keys, stats, watches
from api.routes import spikes as spike_routes
from builders import NOW, a_mention, a_read_mention, stored_brand, stored_watch
from listener.pipeline.rollup import roll_up
from listener.pipeline.screening import screen
from listener.store import coverage, gaps, jobs, outbox, runs
from listener.store.tables import AlertRow, ChannelRow, SpikeRow, WatchRow
from listener.store.work import Database
from listener.types import Gap, GapReason
from writing import write

Problem = Callable[..., dict[str, Any]]
V1 = "/api/v1"


@pytest.fixture
def brand(database: Database) -> int:
    with database.write() as work:
        brand = stored_brand(work.session, "하늘")
        work.commit()
    return brand.id


@pytest.fixture
def writer(client_of: Callable[..., TestClient]) -> TestClient:
    return client_of("write")


def pages(client: TestClient, path: str, **params: object) -> list[dict[str, Any]]:
    """All items of a list, two at a time."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        query = {"limit": 2} | params | ({"cursor": cursor} if cursor else {})
        body = client.get(f"{V1}{path}", params=query).json()
        found += body["items"]
        cursor = body["next_cursor"]
        if cursor is None:
            return found
        assert len(body["items"]) == 2


# --- brands --------------------------------------------------------------------------------------


def test_brands_come_and_go(client: TestClient, writer: TestClient, is_problem: Problem) -> None:
    made = writer.post(
        f"{V1}/brands",
        json={"name": " 하늘 ", "aliases": ["Haneul"], "hashtags": ["#하늘"], "competitor": True},
    )
    assert made.status_code == 201
    brand = made.json()
    brands.BrandOut.model_validate(brand)
    assert brand["name"] == "하늘"
    assert brand["hashtags"] == ["하늘"]
    is_problem(writer.post(f"{V1}/brands", json={"name": "하늘"}), 409, "conflict")

    changed = writer.patch(f"{V1}/brands/{brand['id']}", json={"aliases": ["Sky"]}).json()
    assert changed == brand | {"aliases": ["Sky"]}
    assert client.get(f"{V1}/brands/{brand['id']}").json() == changed

    assert writer.delete(f"{V1}/brands/{brand['id']}").status_code == 204
    archived = client.get(f"{V1}/brands/{brand['id']}").json()
    assert archived["archived_at"] == "2025-03-10T12:00:00Z"
    restored = writer.patch(f"{V1}/brands/{brand['id']}", json={"archived": False}).json()
    assert restored["archived_at"] is None
    is_problem(client.get(f"{V1}/brands/99"), 404, "not-found")


def test_bad_words_are_refused_one_by_one(
    client: TestClient, writer: TestClient, is_problem: Problem
) -> None:
    body = is_problem(
        writer.post(
            f"{V1}/brands", json={"name": "하늘", "aliases": ["!"], "none_terms": ["하늘"]}
        ),
        422,
        "invalid",
    )
    assert {error["field"] for error in body["errors"]} == {"aliases", "none_terms"}
    assert client.get(f"{V1}/brands").json()["items"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a", "alias": ["b"]}, "alias"),
        ({"name": "a", "aliases": "b"}, "aliases"),
        ({"name": "a\0b"}, "body"),
        ({"name": "\ud800"}, "name"),
        ({"name": "a", "aliases": [1]}, "aliases.0"),
    ],
)
def test_bad_bodies_name_the_field(
    writer: TestClient, is_problem: Problem, body: dict[str, Any], field: str
) -> None:
    import json

    response = writer.post(
        f"{V1}/brands", content=json.dumps(body), headers={"content-type": "application/json"}
    )
    assert [e["field"] for e in is_problem(response, 422, "invalid")["errors"]] == [field]


def test_broken_json_is_told(writer: TestClient, is_problem: Problem) -> None:
    for content in (b"{", b"\xff", b"[]", b""):
        response = writer.post(
            f"{V1}/brands", content=content, headers={"content-type": "application/json"}
        )
        is_problem(response, 400 if content == b"\xff" else 422, "invalid")


def test_lists_page_by_key(client: TestClient, database: Database, is_problem: Problem) -> None:
    with database.write() as work:
        for number in range(5):
            stored_brand(work.session, f"B{number}")
        work.commit()
    assert [item["name"] for item in pages(client, "/brands")] == ["B0", "B1", "B2", "B3", "B4"]
    cursor = client.get(f"{V1}/brands?limit=1").json()["next_cursor"]
    is_problem(client.get(f"{V1}/runs?cursor={cursor}"), 400, "invalid")


def test_scopes_are_held(
    client: TestClient, writer: TestClient, brand: int, is_problem: Problem
) -> None:
    for method, path in (
        ("POST", "/brands"),
        ("PATCH", f"/brands/{brand}"),
        ("DELETE", f"/brands/{brand}"),
        ("POST", "/watches"),
        ("POST", "/watches/1/collect"),
        ("POST", "/alerts/1/acknowledge"),
    ):
        body = is_problem(client.request(method, V1 + path, json={}), 403, "forbidden")
        assert "write" in body["detail"]
    for method, path in (
        ("POST", "/channels"),
        ("DELETE", "/channels/1"),
        ("POST", "/channels/1/test"),
        ("GET", "/keys"),
        ("POST", "/keys"),
    ):
        is_problem(writer.request(method, V1 + path, json={}), 403, "forbidden")


# --- watches, runs, gaps -------------------------------------------------------------------------


def test_watches_come_pause_and_go(
    client: TestClient, writer: TestClient, brand: int, clock: Any, is_problem: Problem
) -> None:
    body = {"source": "plaza", "brand": "하늘", "params": {"query": "하늘"}, "every_s": 900}
    made = writer.post(f"{V1}/watches", json=body)
    assert made.status_code == 201, made.text
    watch = made.json()
    watches.WatchOut.model_validate(watch)
    assert watch["brand"] == {"id": brand, "name": "하늘"}
    assert watch["params"] == {"query": "하늘", "pages": "1"}
    assert (watch["every_s"], watch["match"], watch["health"]) == (900, "terms", "new")
    path = f"{V1}/watches/{watch['id']}"

    paused = writer.patch(path, json={"enabled": False, "label": "광장"}).json()
    assert (paused["enabled"], paused["label"]) == (False, "광장")
    assert writer.patch(path, json={"enabled": True}).json()["enabled"] is True
    assert writer.patch(path, json={"every_s": 60}).json()["every_s"] == 60
    again = writer.patch(path, json={"params": {"query": "하늘마켓"}}).json()
    assert again["params"]["query"] == "하늘마켓"

    clock.at = NOW + timedelta(hours=1)
    soon = writer.post(f"{path}/collect")
    assert soon.status_code == 202
    assert soon.json()["next_run_at"] <= "2025-03-10T13:00:00Z"

    assert [item["id"] for item in client.get(f"{V1}/watches?brand=하늘").json()["items"]] == [1]
    assert client.get(f"{V1}/watches?source=x").json()["items"] == []
    assert writer.delete(path).status_code == 204
    is_problem(client.get(path), 404, "not-found")
    is_problem(writer.post(f"{path}/collect"), 404, "not-found")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"source": "nope"}, "source"),
        ({"source": "plaza"}, "query"),
        ({"source": "plaza", "params": {"query": "a"}, "brand": "없음"}, "brand"),
        ({"source": "plaza", "params": {"query": "a"}, "match": "all"}, "brand"),
        ({"source": "plaza", "params": {"query": "a"}, "match": "some"}, "match"),
        ({"source": "plaza", "params": {"query": "a"}, "every_s": 5}, "every_s"),
    ],
)
def test_watches_that_make_no_sense_are_refused(
    writer: TestClient, is_problem: Problem, body: dict[str, Any], field: str
) -> None:
    errors = is_problem(writer.post(f"{V1}/watches", json=body), 422, "invalid")["errors"]
    assert [error["field"] for error in errors] == [field]


def test_a_preview_is_a_job(
    client: TestClient, writer: TestClient, database: Database, brand: int, is_problem: Problem
) -> None:
    body = {"source": "plaza", "params": {"query": "하늘"}, "brand": brand}
    asked = writer.post(f"{V1}/watches/preview", json=body)
    assert asked.status_code == 202
    with database.write() as work:
        job = jobs.claim(work.session, now=NOW, length=timedelta(minutes=1))
        assert job is not None
        assert job.payload == {
            "source": "plaza",
            "params": {"query": "하늘", "pages": "1"},
            "match": "terms",
            "brand_id": brand,
        }
        jobs.answer(work.session, job, result={"items": []}, now=NOW)
        work.commit()
    done = client.get(f"{V1}/jobs/{asked.json()['id']}").json()
    watches.JobOut.model_validate(done)
    assert (done["state"], done["result"]) == ("done", {"items": []})
    is_problem(client.get(f"{V1}/jobs/99"), 404, "not-found")


def test_runs_and_gaps_are_listed_newest_first(client: TestClient, database: Database) -> None:
    with database.write() as work:
        session = work.session
        stored_watch(session)
        stored_watch(session, params={"query": "b"})
        for watch_id, minute in ((1, 0), (2, 1), (1, 2)):
            run = runs.start(session, watch_id, "t", now=NOW + timedelta(minutes=minute))
        runs.count(session, run, items=3, new=2)
        for hour in (1, 2, 3):
            gap = Gap(from_at=NOW, to_at=NOW + timedelta(hours=hour), why=GapReason.OUTAGE)
            gaps.record(session, 1, run, [gap], now=NOW)
        gaps.fill(session, 1, now=NOW)
        work.commit()
    found = pages(client, "/runs")
    assert [run["id"] for run in found] == [3, 2, 1]
    assert (found[0]["items"], found[0]["outcome"], found[2]["outcome"]) == (3, None, "lost")
    assert [run["id"] for run in pages(client, "/runs", watch=2)] == [2]
    watches.RunOut.model_validate(client.get(f"{V1}/runs/1").json())
    Page[watches.GapOut].model_validate(client.get(f"{V1}/gaps").json())
    assert [gap["id"] for gap in pages(client, "/gaps")] == [3, 2, 1]
    assert [gap["id"] for gap in pages(client, "/gaps", open="true")] == [3, 2]
    assert [gap["id"] for gap in pages(client, "/gaps", open="false", watch=1)] == [1]


# --- spikes, alerts, channels, deliveries --------------------------------------------------------


@pytest.fixture
def spikes(database: Database, brand: int) -> None:
    driver = {"name": "delivery", "count": 9, "share": 0.9, "usual_share": 0.1, "excess": 8.0}
    with database.write() as work:
        alert = AlertRow(
            brand_id=brand, state="open", severity="high", opened_at=NOW, updated_at=NOW
        )
        work.session.add(alert)
        work.session.flush()
        for hours, state in ((1, "open"), (5, "resolved"), (3, "resolved")):
            at = NOW - timedelta(hours=hours)
            work.session.add(
                SpikeRow(
                    brand_id=brand,
                    alert_id=alert.id,
                    dimension="complaint",
                    state=state,
                    onset_at=at,
                    opened_at=at,
                    updated_at=NOW,
                    resolved_at=None if state == "open" else NOW,
                    expected=1.5,
                    observed=10.0,
                    score=4.2,
                    explanation={"topics": [driver], "authors": 9, "phrases": []},
                    mention_ids=[3, 1],
                )
            )
        work.commit()


def test_spikes_say_what_was_expected_and_seen(
    client: TestClient, spikes: None, is_problem: Problem
) -> None:
    found = pages(client, "/spikes")
    assert [spike["id"] for spike in found] == [1, 3, 2]  # by onset
    first = found[0]
    spike_routes.SpikeOut.model_validate(first)
    assert first["onset"] == "2025-03-10T11:00:00Z"
    assert (first["state"], first["series"], first["score"]) == ("open", "complaint", 4.2)
    assert (first["expected"], first["observed"]) == (1.5, 10.0)
    assert first["drivers"]["topics"][0]["name"] == "delivery"
    assert first["mention_ids"] == [3, 1]
    assert first["explanation"] == {"authors": 9}
    assert [spike["id"] for spike in pages(client, "/spikes", state="resolved")] == [3, 2]
    assert first["text"]["ko"]["title"] == "불만 10건, 평소의 6.7배"
    assert (first["line"], first["writers"]) == (None, [])
    # One by itself is counted anew: by the filter that it names.
    one = client.get(f"{V1}/spikes/1").json()
    spike_routes.SpikeOut.model_validate(one)
    assert one["filter"]["complaint"] == "true"
    listed = client.get(f"{V1}/mentions", params={**one["filter"], "limit": 500}).json()["items"]
    assert one["explanation"]["mentions"] == one["observed"] == len(listed)
    is_problem(client.get(f"{V1}/spikes/9"), 404, "not-found")
    is_problem(client.get(f"{V1}/spikes?state=closed"), 400, "invalid")
    is_problem(client.get(f"{V1}/spikes?cursor=c3Bpa2U6eA"), 400, "invalid")


def test_alerts_are_acknowledged_once(
    client: TestClient, writer: TestClient, spikes: None, clock: Any
) -> None:
    (alert,) = pages(client, "/alerts")
    alerts.AlertOut.model_validate(alert)
    assert alert["spike_ids"] == [1, 2, 3]
    assert alert["acknowledged_at"] is None
    seen = writer.post(f"{V1}/alerts/1/acknowledge").json()
    clock.at = NOW + timedelta(hours=1)
    assert writer.post(f"{V1}/alerts/1/acknowledge").json() == seen
    assert seen["acknowledged_at"] == "2025-03-10T12:00:00Z"
    assert client.get(f"{V1}/alerts/1").json() == seen


def test_a_channel_shows_its_secrets_once(
    client: TestClient, admin: TestClient, app: FastAPI, database: Database, is_problem: Problem
) -> None:
    address = "https://hooks.example/a-secret-path"
    made = admin.post(f"{V1}/channels", json={"name": "ops", "address": address})
    assert made.status_code == 201, made.text
    channels.ChannelMade.model_validate(made.json())
    assert made.json()["address"] == address
    assert made.json()["secret"] == "whsec_made"

    text = client.get(f"{V1}/channels").text
    assert "a-secret-path" not in text
    assert "whsec" not in text
    with database.read() as session:
        row = session.get_one(ChannelRow, 1)
        assert b"a-secret-path" not in row.address
        assert app.state.services.secrets.decrypt(row.address) == address

    is_problem(
        admin.post(f"{V1}/channels", json={"name": "ops", "address": address}), 409, "conflict"
    )
    inside = {"name": "in", "address": "http://127.0.0.1/"}
    is_problem(admin.post(f"{V1}/channels", json=inside), 422, "forbidden-address")

    assert admin.patch(f"{V1}/channels/1", json={"enabled": False}).json()["enabled"] is False
    test = admin.post(f"{V1}/channels/1/test")
    assert test.status_code == 202
    assert test.json()["kind"] == "test-channel"
    assert admin.delete(f"{V1}/channels/1").status_code == 204
    is_problem(admin.post(f"{V1}/channels/1/test"), 404, "not-found")


def test_deliveries_show_every_attempt(
    client: TestClient, admin: TestClient, database: Database
) -> None:
    admin.post(f"{V1}/channels", json={"name": "ops", "address": "https://hooks.example/"})
    with database.write() as work:
        outbox.put(work.session, channel_id=1, alert_id=None, event="test", refs={}, now=NOW)
        for number, ok in enumerate((False, False, True)):
            at = NOW + timedelta(minutes=number)
            message = outbox.claim(work.session, now=at, length=timedelta(seconds=30))
            assert message is not None
            outbox.record(
                work.session,
                message,
                ok=ok,
                status_code=200 if ok else 500,
                reason="" if ok else "server error",
                duration_ms=12,
                retry_at=None if ok else at,
                now=at,
            )
        work.commit()
    found = pages(client, "/deliveries")
    Page[channels.DeliveryOut].model_validate(client.get(f"{V1}/deliveries").json())
    assert [(d["attempt"], d["ok"], d["state"]) for d in found] == [
        *((3, True, "sent"), (2, False, "sent"), (1, False, "sent"))
    ]
    assert len({d["message_id"] for d in found}) == 1
    assert pages(client, "/deliveries", channel=2) == []


# --- sources, stats ------------------------------------------------------------------------------


def test_sources_say_what_they_want(client: TestClient, is_problem: Problem) -> None:
    (source,) = client.get(f"{V1}/sources").json()["items"]
    assert source["name"] == "plaza"
    assert client.get(f"{V1}/sources/plaza").json() == source
    assert "plaza" in str(is_problem(client.get(f"{V1}/sources/x"), 404, "not-found")["hint"])


def counted(database: Database, brand: int, *minutes_ago: int, **fields: Any) -> None:
    write(
        database,
        *(
            a_read_mention(
                a_mention(f"{m}-{n}", f"글 {n}", published_at=NOW - timedelta(minutes=m), **fields),
                brand_ids=[brand],
            )
            for n, m in enumerate(minutes_ago)
        ),
    )
    roll_up(database)


def test_a_series_tells_gaps_from_zeros(client: TestClient, database: Database, brand: int) -> None:
    counted(database, brand, 30, 31, 95)
    with database.write() as work:
        row = work.session.get_one(WatchRow, stored_watch(work.session))
        row.created_at = NOW - timedelta(hours=6)
        row.covered_to = NOW
        for start, end in ((6, 4), (2, 0)):
            coverage.add(
                work.session,
                row.id,
                NOW - timedelta(hours=start),
                NOW - timedelta(hours=end),
                now=NOW,
            )
        work.commit()
    body = client.get(
        f"{V1}/stats/series",
        params={
            "brand": "하늘",
            "dimension": "all,negative,own",
            "step": "1h",
            "from": "2025-03-10T06:00:00Z",
        },
    ).json()
    stats.SeriesOut.model_validate(body)
    assert body["brand"] == {"id": brand, "name": "하늘"}
    assert body["at"][0] == "2025-03-10T06:00:00Z"
    assert body["coverage"] == ["complete"] * 2 + ["unknown"] * 2 + ["complete"] * 2
    lines = {line["dimension"]: line["counts"] for line in body["series"]}
    assert lines["all"] == lines["negative"] == [0, 0, None, None, 1, 2]
    assert lines["own"] == [0, 0, None, None, 0, 0]


def test_days_are_those_of_the_time_zone(
    client: TestClient, database: Database, brand: int
) -> None:
    # 12:00 UTC is 21:00 in Seoul; 22 hours earlier is 23:00 of the day before.
    counted(database, brand, 60, 22 * 60, 21 * 60 + 5)
    body = client.get(
        f"{V1}/stats/series",
        params={"brand": brand, "step": "1d", "from": "2025-03-09T00:00:00+09:00"},
    ).json()
    assert body["timezone"] == "Asia/Seoul"
    assert body["at"] == ["2025-03-08T15:00:00Z", "2025-03-09T15:00:00Z"]
    assert body["series"][0]["counts"] == [2, 1]


def test_what_was_imported_is_shown_though_no_watch_saw_it(
    client: TestClient, database: Database, brand: int
) -> None:
    counted(database, brand, 50)
    with database.write() as work:
        row = work.session.get_one(WatchRow, stored_watch(work.session))
        row.covered_to = NOW  # it succeeded once, just now, and covers nothing before
        work.commit()
    body = client.get(
        f"{V1}/stats/series", params={"brand": brand, "from": "2025-03-10T10:00:00Z"}
    ).json()
    assert body["coverage"] == ["unknown", "partial"]
    assert body["series"][0]["counts"] == [None, 1]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"brand": "1", "step": "5m", "from": "2024-01-01T00:00:00Z"}, "step"),
        ({"brand": "1", "step": "2h"}, "step"),
        ({"brand": "1", "dimension": ","}, "dimension"),
        ({"brand": "1", "from": "2025-03-11T00:00:00Z"}, "from"),
        ({}, "brand"),
        ({"brand": "x"}, "brand"),
        ({"brand": "1", "since": "2025-03-11T00:00:00Z"}, "since"),
    ],
)
def test_series_that_make_no_sense_are_refused(
    client: TestClient, brand: int, is_problem: Problem, params: dict[str, str], field: str
) -> None:
    body = is_problem(client.get(f"{V1}/stats/series", params=params), 400, "invalid")
    assert [error["field"] for error in body["errors"]] == [field]


def test_totals_give_the_share_of_voice(client: TestClient, database: Database, brand: int) -> None:
    with database.write() as work:
        other = stored_brand(work.session, "Bada", competitor=True).id
        stored_brand(work.session, "Quiet")
        work.commit()
    counted(database, brand, 10, 20, 30)
    counted(database, other, 15)
    counted(database, other, 17, is_own=True)
    body = client.get(f"{V1}/stats/totals").json()
    stats.TotalsOut.model_validate(body)
    told = [(t["brand"]["name"], t["mentions"], t["share"], t["complaints"]) for t in body["items"]]
    assert told == [("하늘", 3, 0.75, 3), ("Bada", 1, 0.25, 1), ("Quiet", 0, 0.0, 0)]
    assert body["items"][0]["labels"]["negative"] == 3
    assert body["items"][0]["score"] == pytest.approx(-0.6)
    assert body["items"][2]["score"] is None


def test_stories_and_authors_are_counted_over_the_whole_time(
    client: TestClient, database: Database, brand: int, is_problem: Problem
) -> None:
    press = "하늘이 부산에 세 번째 물류센터를 열고 다음 날 아침까지 배송하겠다고 밝혔습니다"
    for minutes in (10, 70, 130):
        mention = a_mention(
            f"p{minutes}", press, published_at=NOW - timedelta(minutes=minutes), author=None
        )
        write(database, a_read_mention(mention, brand_ids=[brand]))
    counted(database, brand, 20, 80)
    screen(database, now=NOW)
    roll_up(database)

    def total(**query: str) -> tuple[int, int]:
        (told,) = client.get(f"{V1}/stats/totals", params=query).json()["items"]
        return told["mentions"], told["labels"]["negative"]

    assert (total(), total(count="stories"), total(count="authors")) == ((5, 5), (3, 3), (4, 4))

    def line(**query: str) -> list[int | None]:
        given = {"brand": str(brand), "from": "2025-03-10T09:00:00Z"} | query
        body = client.get(f"{V1}/stats/series", params=given).json()
        stats.SeriesOut.model_validate(body)
        counts: list[int | None] = body["series"][0]["counts"]
        return counts

    assert line(step="1d")[-1:] == [5]
    assert line(step="1d", count="stories")[-1:] == [3]
    assert line(count="stories") == line(count="posts")
    is_problem(client.get(f"{V1}/stats/totals?count=likes"), 400, "invalid")


def test_flags_are_shown_filtered_and_set_by_people(
    client: TestClient, writer: TestClient, database: Database, brand: int, is_problem: Problem
) -> None:
    said = "하늘 신발 후기예요. 업체로부터 제품을 무상으로 제공받아 썼어요."
    write(
        database,
        a_read_mention(a_mention("1", said), brand_ids=[brand]),
        a_read_mention(a_mention("2", "하늘 배송이 늦어요"), brand_ids=[brand]),
    )
    screen(database, now=NOW)

    def ids(flagged: str) -> list[int]:
        page = client.get(f"{V1}/mentions", params={"flagged": flagged}).json()
        return [item["id"] for item in page["items"]]

    assert (ids("true"), ids("false")) == ([1], [2])
    detail = client.get(f"{V1}/mentions/1").json()
    assert detail["item"]["flags"] == ["sponsored"]
    assert (detail["flags"][0]["kind"], detail["flags"][0]["by_person"]) == ("sponsored", False)
    assert detail["story"] is None

    is_problem(client.put(f"{V1}/mentions/1/flags", json={"flags": []}), 403, "forbidden")
    body = writer.put(f"{V1}/mentions/1/flags", json={"flags": []}).json()
    assert (body["flags"], body["flags_decided"]) == ([], True)
    writer.put(f"{V1}/mentions/2/flags", json={"flags": ["bot"]})
    assert (ids("true"), ids("false")) == ([2], [1])
    is_problem(writer.put(f"{V1}/mentions/9/flags", json={"flags": []}), 404, "not-found")


# --- keys, health --------------------------------------------------------------------------------


def test_keys_are_shown_once_and_revoked_at_once(
    admin: TestClient, anyone: TestClient, is_problem: Problem
) -> None:
    made = admin.post(f"{V1}/keys", json={"name": "ci", "scopes": ["read"]})
    assert made.status_code == 201
    keys.KeyMade.model_validate(made.json())
    key, key_id = made.json()["key"], made.json()["id"]
    assert anyone.get(f"{V1}/brands", headers={"X-API-Key": key}).status_code == 200
    listed = admin.get(f"{V1}/keys")
    assert key not in listed.text
    assert {item["name"] for item in listed.json()["items"]} == {"test", "ci"}
    assert admin.delete(f"{V1}/keys/{key_id}").json()["revoked_at"] == "2025-03-10T12:00:00Z"
    assert anyone.get(f"{V1}/brands", headers={"X-API-Key": key}).status_code == 401
    is_problem(admin.post(f"{V1}/keys", json={"name": "x", "scopes": ["all"]}), 422, "invalid")
    is_problem(admin.delete(f"{V1}/keys/99"), 404, "not-found")


def test_metrics_count(client: TestClient, database: Database, brand: int) -> None:
    counted(database, brand, 10, 20)
    with database.write() as work:
        stored_watch(work.session)
        runs.start(work.session, 1, "t", now=NOW)
        work.commit()
    client.get(f"{V1}/mentions")
    client.get("/login/link?token=secret-token")
    text = client.get("/metrics").text
    for line in (
        "listener_mentions 2.0",
        "listener_changes_total 2.0",
        'listener_watches{health="new"} 1.0',
        'listener_watch_lag_seconds{health="new"} 0.0',
        'listener_runs_total{outcome="running"} 1.0',
        'listener_outbox{state="pending"} 0.0',
        'listener_http_request_duration_seconds_count{method="GET",route="/api/v1/mentions",'
        'status="200"} 1.0',
    ):
        assert line in text
    assert "secret-token" not in text


def test_ready_says_what_is_missing(
    anyone: TestClient, database: Database, is_problem: Problem
) -> None:
    assert anyone.get("/healthz").json() == {"status": "ok"}
    assert anyone.get("/readyz").json() == {"status": "ok"}
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    assert anyone.get("/readyz").status_code in (500, 503)
    assert anyone.get("/healthz").status_code == 200


def test_errors_of_ours_tell_nothing_of_our_insides(
    app: FastAPI, client: TestClient, is_problem: Problem
) -> None:
    async def broken() -> None:
        raise RuntimeError("a secret of ours")

    app.add_api_route("/broken", broken)
    response = client.get("/broken")
    is_problem(response, 500, "bug")
    assert "secret" not in response.text
    assert "script-src 'self'" in response.headers["content-security-policy"]


def test_other_methods_and_long_bodies(client: TestClient, is_problem: Problem) -> None:
    is_problem(client.put(f"{V1}/mentions"), 405, "method")
    is_problem(client.get(f"{V1}/nowhere"), 404, "not-found")

    def long() -> Any:
        yield from (b"x" * 100_000 for _ in range(20))

    is_problem(client.post(f"{V1}/brands", content=long()), 413, "too-large")


def test_every_route_is_described(app: FastAPI) -> None:
    api = app.openapi()
    ids = []
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            ids.append(operation["operationId"])
            assert operation["description"], (method, path)
            assert operation["responses"], (method, path)
            assert "default" in operation["responses"]
            for parameter in operation.get("parameters", ()):
                assert parameter.get("description"), (path, parameter["name"])
    assert len(ids) == len(set(ids)) > 30
    assert {"list_mentions", "get_mention", "list_spikes", "feed_rss", "healthz"} <= set(ids)
    assert api["paths"]["/api/v1/mentions"]["get"]["security"]
    assert not api["paths"]["/healthz"]["get"]["security"]
