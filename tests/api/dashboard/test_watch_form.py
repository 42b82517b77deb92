"""The form of a watch: presets, accounts, the source's own judgement; changing what is there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from listener.runtime.wiring import Services
from listener.store import brands, jobs, watches
from listener.store.tables import JobRow

Csrf = Callable[..., str]
Visit = Callable[[Services], TestClient]


@pytest.fixture
def client(empty: Services, visit: Visit) -> TestClient:
    with empty.database.write() as work:
        brands.create(work.session, name="새벽결", now=empty.clock())
        work.commit()
    return visit(empty)


def send(client: TestClient, csrf: Csrf, path: str = "/watches/new", **fields: str) -> object:
    given = {"csrf": csrf(client), "brand": "1", "match": "terms", "action": "save"} | fields
    return client.post(path, data={name.replace("__", "."): v for name, v in given.items()})


def test_a_preset_asks_for_its_word_only(empty: Services, client: TestClient, csrf: Csrf) -> None:
    assert "preset=youtube-channel" in client.get("/watches/new?brand=1").text
    page = client.get("/watches/new?source=feed&preset=youtube-channel&brand=1").text
    assert "채널 ID" in page
    assert 'name="p.url"' not in page
    empty_word = send(client, csrf, source="feed", preset="youtube-channel")
    assert 'id="word-error"' in empty_word.text  # type: ignore[attr-defined]
    send(client, csrf, source="feed", preset="youtube-channel", word="UCx")
    with empty.database.read() as session:
        [row] = watches.listing(session)
    assert row.params["url"].endswith("channel_id=UCx")
    assert row.params["kind"] == "post"


def test_the_source_judges_what_is_asked(client: TestClient, csrf: Csrf) -> None:
    page = send(client, csrf, source="appstore", p__app="뭐지")
    assert page.status_code == 422  # type: ignore[attr-defined]
    assert 'id="p.app-error"' in page.text  # type: ignore[attr-defined]


def test_help_is_in_the_readers_language(client: TestClient) -> None:
    korean = client.get("/watches/new?source=naver").text
    assert "쉼표로 구분하며 각각 따로 검색합니다" in korean
    assert "Separated by commas" not in korean
    english = client.get("/watches/new?source=naver&lang=en").text
    assert "Separated by commas" in english
    assert "쉼표로" not in english


def test_an_account_is_chosen_and_tested_with(
    empty: Services, client: TestClient, csrf: Csrf
) -> None:
    page = client.get("/watches/new?source=x").text
    assert "/connections/new?source=x" in page
    secret = "AAAAAAAAAAAAAAAAAAAAAsecretofthetests1"
    client.post(
        "/connections",
        data={"csrf": csrf(client), "source": "x", "name": "홍보팀", "c.bearer_token": secret},
    )
    page = client.get("/watches/new?source=x").text
    assert "홍보팀" in page
    assert "/connections/new?source=x" not in page
    send(client, csrf, source="x", connection="1", action="preview", every="30")
    with empty.database.read() as session:
        payload = session.get_one(JobRow, 1).payload
        assert payload["connection_id"] == 1
        assert payload["every_s"] == 1800
        assert jobs.get(session, 1) is not None
    send(client, csrf, source="x", connection="1")
    with empty.database.read() as session:
        [row] = watches.listing(session)
    assert row.connection_id == 1
    other = send(client, csrf, source="hackernews", connection="1")
    assert other.status_code == 422  # type: ignore[attr-defined]


def test_a_watch_is_changed(empty: Services, client: TestClient, csrf: Csrf) -> None:
    send(client, csrf, source="hackernews", p__query="새벽", label="개발자")
    with empty.database.write() as work:
        row = watches.get(work.session, 1)
        row.state = {"cursor": {"memory": {"x": 1}}}
        work.commit()
    assert 'href="/watches/1/edit"' in client.get("/sources/1").text
    page = client.get("/watches/1/edit").text
    assert 'value="새벽"' in page
    assert 'value="개발자"' in page
    # The name and the interval alone are no new question.
    same = {"p__query": "새벽", "p__kinds": "both"}
    send(client, csrf, "/watches/1/edit", label="HN", every="60", **same)
    with empty.database.read() as session:
        row = watches.get(session, 1)
    assert (row.label, row.every_s, row.state) == ("HN", 3600, {"cursor": {"memory": {"x": 1}}})
    send(client, csrf, "/watches/1/edit", label="HN", every="60", p__query="저녁")
    with empty.database.read() as session:
        row = watches.get(session, 1)
    assert row.params["query"] == "저녁"
    assert row.state == {}
    bad = send(client, csrf, "/watches/1/edit", every="자주")
    assert bad.status_code == 422  # type: ignore[attr-defined]
    assert client.get("/watches/99/edit").status_code == 404
