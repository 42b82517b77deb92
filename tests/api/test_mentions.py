from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from api.deps import encode_cursor
from api.routes.mentions import MentionDetail, MentionPage
from builders import NOW, a_mention, a_read_mention, a_reading, stored_brand
from listener.store import changes, watches
from listener.store.work import Database
from listener.types import MatchMode
from writing import write

URL = "/api/v1/mentions"
Problem = Callable[..., dict[str, Any]]


@pytest.fixture
def brand(database: Database) -> int:
    with database.write() as work:
        brand = stored_brand(work.session, "하늘")
        stored_brand(work.session, "Bada")
        work.commit()
    return brand.id


def some(database: Database, brand: int, count: int = 5) -> None:
    write(
        database,
        *(
            a_read_mention(a_mention(str(n), f"글 {n}"), brand_ids=[brand])
            for n in range(1, count + 1)
        ),
    )


def test_a_page_has_exactly_the_shape_promised(
    client: TestClient, database: Database, brand: int
) -> None:
    some(database, brand, 1)
    body = client.get(URL).json()
    assert set(body) == {"items", "next_cursor", "generation"}
    (item,) = body["items"]
    assert set(item) == {
        *("id", "seq", "change", "source", "namespace", "external_id", "kind", "url", "author"),
        *(
            "title",
            "text",
            "language",
            "sentiment",
            "complaint",
            "flags",
            "topics",
            "tags",
            "corrected",
            "generation",
            "rules_version",
            "rating",
            "rating_min",
        ),
        *("rating_max", "published_at", "published_precision", "seen_at", "brands"),
    }
    assert set(item["sentiment"]) == {"score", "label", "confidence", "model", "version"}
    assert set(item["brands"][0]) == {
        "id",
        "name",
        "sentiment",
        "complaint",
        "topics",
        "tags",
        "corrected",
        "spans",
    }
    assert item["author"] == "a_u1"
    assert item["published_at"] == "2025-03-10T11:00:00Z"
    MentionPage.model_validate(body, strict=False)


def test_a_poller_reads_all_and_then_what_changes(
    client: TestClient, database: Database, brand: int
) -> None:
    some(database, brand)
    seen, cursor = [], None
    while True:
        page = client.get(URL, params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        cursor = page["next_cursor"]
        if not page["items"]:
            break
        seen += [item["id"] for item in page["items"]]
    assert seen == [1, 2, 3, 4, 5]
    assert client.get(URL, params={"cursor": cursor}).json() == {
        "items": [],
        "next_cursor": cursor,
        "generation": 1,
    }

    gone = a_read_mention(a_mention("2", "글 2", deleted=True), brand_ids=[brand])
    write(database, gone, a_read_mention(a_mention("3", "글 3 고침"), brand_ids=[brand]))
    write(database, a_read_mention(a_mention("4", "글 4 고침"), brand_ids=[]))
    body = client.get(URL, params={"cursor": cursor}).json()
    MentionPage.model_validate(body)
    told = {item["id"]: item for item in body["items"]}
    assert told[3]["change"] == "edited"
    assert told[3]["text"] == "글 3 고침"
    assert told[2] == {"id": 2, "seq": told[2]["seq"], "change": "deleted"}
    assert told[4] == {"id": 4, "seq": 8, "change": "left", "brands": []}


def test_latest_begins_with_what_comes(client: TestClient, database: Database, brand: int) -> None:
    some(database, brand)
    start = client.get(URL, params={"cursor": "latest"}).json()
    assert start["items"] == []
    write(database, a_read_mention(a_mention("9"), brand_ids=[brand]))
    page = client.get(URL, params={"cursor": start["next_cursor"]}).json()
    assert [item["external_id"] for item in page["items"]] == ["9"]


def test_brand_by_name_or_id(
    client: TestClient, database: Database, brand: int, is_problem: Problem
) -> None:
    some(database, brand, 2)
    for given, count in ((str(brand), 2), ("하늘", 2), ("bada", 0), ("BADA", 0)):
        assert len(client.get(URL, params={"brand": given}).json()["items"]) == count
    body = is_problem(client.get(URL, params={"brand": "Nope"}), 400, "invalid")
    assert body["errors"][0]["field"] == "brand"
    assert "하늘" in str(body["hint"])


def test_filters_reach_the_query(client: TestClient, database: Database, brand: int) -> None:
    good = a_reading(0.7, complaint=False, topics=("price",))
    write(
        database,
        a_read_mention(a_mention("1", "배송 늦음", rating=1.0), brand_ids=[brand]),
        a_read_mention(a_mention("2", "값이 좋다", rating=5.0), brand_ids=[brand], reading=good),
    )
    for params, expected in (
        ({"source": "plaza"}, [1, 2]),
        ({"source": "x, plaza"}, [1, 2]),
        ({"source": "x"}, []),
        ({"kind": "post"}, [1, 2]),
        ({"language": "ko,en"}, [1, 2]),
        ({"sentiment": "negative,mixed"}, [1]),
        ({"sentiment": "unscored"}, []),
        ({"complaint": "false"}, [2]),
        ({"topic": "price"}, [2]),
        ({"rating_lte": "2"}, [1]),
        ({"rating_gte": "2"}, [2]),
        ({"author": "a_u1"}, [1, 2]),
        ({"since": "2025-03-10T20:00:00+09:00"}, [1, 2]),
        ({"until": "2025-03-10T11:00:00Z"}, []),
        ({"q": "배송"}, [1]),
        ({"watch": "1"}, []),
        ({"brand": "하늘", "complaint": "true", "q": "늦음"}, [1]),
    ):
        body = client.get(URL, params=params).json()
        assert [item["id"] for item in body["items"]] == expected, params


SENSELESS = [
    ({"brnad": "1"}, "brnad"),
    ({"limit": "0"}, "limit"),
    ({"limit": "501"}, "limit"),
    ({"limit": "ten"}, "limit"),
    ({"sentiment": "angry"}, "sentiment"),
    ({"sentiment": ","}, "sentiment"),
    ({"kind": "tweet"}, "kind"),
    ({"complaint": "maybe"}, "complaint"),
    ({"rating_lte": "nan"}, "rating_lte"),
    ({"since": "2025-03-10T00:00:00"}, "since"),  # no time zone
    ({"until": "yesterday"}, "until"),
    ({"watch": "99999999999999999999"}, "watch"),
    ({"q": ""}, "q"),
    ({"q": "a\0b"}, "q"),
    ({"author": "\0"}, "author"),
    ({"cursor": "?"}, "cursor"),
    ({"cursor": "bm90IG91cnM"}, "cursor"),
    ({"cursor": encode_cursor("m:1:1")}, "cursor"),
    ({"cursor": encode_cursor("m:-1:x:y")}, "cursor"),
    ({"cursor": encode_cursor("run:7")}, "cursor"),
    ({"matched": "false", "brand": "하늘"}, "brand"),
]


def test_what_makes_no_sense_is_refused_by_name(
    client: TestClient, brand: int, is_problem: Problem
) -> None:
    for params, field in SENSELESS:
        body = is_problem(client.get(URL, params=params), 400, "invalid")
        assert [error["field"] for error in body["errors"]] == [field]
        assert body["errors"][0]["in"] == "query"
        assert body["errors"][0]["message"]
        assert body["hint"]


def test_unknown_parameters_are_told_the_known_ones(
    client: TestClient, is_problem: Problem
) -> None:
    body = is_problem(client.get(URL, params={"sentimnet": "negative"}), 400, "invalid")
    for name in ("brand", "sentiment", "rating_lte", "cursor", "matched"):
        assert name in str(body["hint"])


def test_a_cursor_belongs_to_its_filter(
    client: TestClient, database: Database, brand: int, is_problem: Problem
) -> None:
    some(database, brand)
    cursor = client.get(URL, params={"brand": "하늘", "limit": 2}).json()["next_cursor"]
    # The same filter in other words, and another page size, are fine.
    again = client.get(URL, params={"brand": str(brand), "limit": 3, "cursor": cursor})
    assert [item["id"] for item in again.json()["items"]] == [3, 4, 5]
    for other in ({}, {"brand": "Bada"}, {"brand": "하늘", "q": "글"}):
        body = is_problem(client.get(URL, params={"cursor": cursor} | other), 400, "invalid")
        assert "another filter" in body["detail"]


def test_an_old_cursor_says_how_to_begin_again(
    client: TestClient, database: Database, brand: int, is_problem: Problem, clock: Any
) -> None:
    some(database, brand)
    cursor = client.get(URL, params={"limit": 2}).json()["next_cursor"]
    write(database, a_read_mention(a_mention("5", "글 5", deleted=True), brand_ids=[brand]))
    with database.write() as work:
        changes.forget_tombstones(work.session, before=clock.at.replace(year=2026))
        work.commit()
    body = is_problem(client.get(URL, params={"cursor": cursor}), 410, "cursor-expired")
    assert "without a cursor" in str(body["hint"])
    assert len(client.get(URL).json()["items"]) == 4


def test_what_matches_no_brand_is_listed_apart(
    client: TestClient, database: Database, brand: int
) -> None:
    some(database, brand, 1)
    write(database, *(a_read_mention(a_mention(f"u{n}"), brand_ids=[]) for n in range(3)))
    assert len(client.get(URL).json()["items"]) == 1
    first = client.get(URL, params={"matched": "false", "limit": 2}).json()
    rest = client.get(
        URL, params={"matched": "false", "limit": 2, "cursor": first["next_cursor"]}
    ).json()
    MentionPage.model_validate(first)
    assert [i["external_id"] for i in first["items"] + rest["items"]] == ["u0", "u1", "u2"]
    assert first["items"][0]["seq"] is None


def test_names_are_shown_only_where_the_setting_allows(
    make_app: Callable[..., FastAPI],
    make_key: Callable[..., str],
    database: Database,
    brand: int,
    client: TestClient,
) -> None:
    some(database, brand, 1)
    assert "Mina" not in client.get(URL).text
    assert "mina" not in client.get(f"{URL}/1").text
    assert client.get(URL, params={"author": "Mina"}).json()["items"] == []
    with TestClient(make_app(hash_authors=False), headers={"X-API-Key": make_key("read")}) as open_:
        assert open_.get(URL).json()["items"][0]["author"] == "Mina"
        assert len(open_.get(URL, params={"author": "Mina"}).json()["items"]) == 1
        assert open_.get(f"{URL}/1").json()["item"]["author"] == "Mina"


def test_one_mention_in_full(
    client: TestClient, database: Database, brand: int, is_problem: Problem
) -> None:
    some(database, brand, 1)
    with database.write() as work:
        watches.create(
            work.session,
            source="plaza",
            params={"query": "하늘"},
            match=MatchMode.TERMS,
            every=watches.MIN_EVERY,
            now=NOW,
        )
        work.commit()
    write(database, a_read_mention(a_mention("1", "고침"), brand_ids=[brand]), watch_id=1)
    body = client.get(f"{URL}/1").json()
    MentionDetail.model_validate(body)
    assert body["item"]["text"] == "고침"
    assert [revision["text"] for revision in body["revisions"]] == ["글 1"]
    assert body["watches"] == [{"id": 1, "source": "plaza", "label": "", "run_id": None}]
    assert body["readings"][0]["sentiment"]["model"] == "fake"
    is_problem(client.get(f"{URL}/2"), 404, "not-found")
    is_problem(client.get(f"{URL}/{2**70}"), 400, "invalid")
    is_problem(client.get(f"{URL}/x"), 400, "invalid")


def test_texts_come_out_as_they_went_in(client: TestClient, database: Database, brand: int) -> None:
    texts = (
        "<script>alert(1)</script>",
        "'; DROP TABLE mention; --",
        "\u202e\ud7ff😀\x07",
        '"]}\\',
    )
    for number, text in enumerate(texts, 1):
        mention = a_mention(str(number), text, title=text)
        write(database, a_read_mention(mention, brand_ids=[brand]))
        for field in ("q", "brand", "author", "source", "topic", "language"):
            found = client.get(URL, params={field: text})
            assert found.status_code in (200, 400), field
    response = client.get(URL)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-content-type-options"] == "nosniff"
    items = response.json()["items"]
    assert tuple(item["text"] for item in items) == texts
    assert tuple(item["title"] for item in items) == texts


def test_a_restart_of_postgresql_is_not_noticed(
    client: TestClient, database: Database, brand: int
) -> None:
    some(database, brand, 1)
    for _ in range(7):  # by then the statement is prepared
        assert client.get(URL).status_code == 200
    if not database.is_sqlite:
        with database.engine.begin() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
    assert len(client.get(URL).json()["items"]) == 1
