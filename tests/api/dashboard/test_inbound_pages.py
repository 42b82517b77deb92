"""Webhooks that others post to, in the browser: made, tried on a sample, mended, replayed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from listener.pipeline.inbound import drain
from listener.runtime.clock import utc_now
from listener.runtime.wiring import Services
from listener.store import inbound

Csrf = Callable[..., str]


@pytest.fixture
def client(empty: Services, visit: Callable[[Services], TestClient]) -> TestClient:
    """Logged in to an install with nothing in it."""
    return visit(empty)


def made(client: TestClient, csrf: Csrf, **given: str) -> tuple[str, str]:
    """A new webhook by its form: the page's text and the path to post to."""
    form = {"preset": "text", "name": "팀 메모", "scheme": "token", "f.text": "text"} | given
    answer = client.post("/inbound/new", data={"csrf": csrf(client), **form})
    assert answer.status_code == 200, answer.text
    path = re.search(r"http://[^/]+(/hooks/[\w-]+/[\w-]+)<", answer.text)
    assert path is not None
    return answer.text, path.group(1)


def test_pages_answer_in_both_languages(client: TestClient, csrf: Csrf) -> None:
    made(client, csrf)
    for path in ("/inbound", "/inbound/new", "/inbound/new?preset=typeform", "/inbound/1"):
        mark = "&" if "?" in path else "?"
        korean = client.get(f"{path}{mark}lang=ko").text
        english = client.get(f"{path}{mark}lang=en").text
        assert "웹훅" in korean
        assert "None" not in re.sub(r"<[^>]+>", " ", korean + english)
        for text in (korean, english):
            ids = re.findall(r'\sid="([^"]+)"', text)
            assert len(ids) == len(set(ids)), path
            fields = set(re.findall(r'<(?:input|select|textarea) id="([^"]+)"', text))
            assert fields <= set(re.findall(r'<label for="([^"]+)"', text)), path
        assert not re.findall(
            "[가-힣]", english.replace("한국어", "").replace("팀 메모", "").replace("김민아", "")
        ), path
    assert "NPS" in client.get("/inbound/new?preset=typeform").text


def test_the_secret_is_shown_once(client: TestClient, csrf: Csrf) -> None:
    text, path = made(client, csrf)
    secret = path.rpartition("/")[2]
    assert secret in text
    assert secret not in client.get("/inbound/1").text
    assert secret not in client.get("/inbound").text


def test_a_sample_is_read_as_it_is_typed(client: TestClient, csrf: Csrf) -> None:
    form = {"csrf": csrf(client), "f.text": "a.b", "f.kind": "=ticket"}
    told = client.post(
        "/inbound/preview", data={**form, "sample": '{"a": {"b": "<b>굿</b>"}}'}
    ).text
    assert "&lt;b&gt;굿&lt;/b&gt;" in told
    assert "문의" in told
    assert "<html" not in told
    for sample, said in (
        ('{"a": 1}', "nothing at text"),
        ("{broken", "not valid JSON"),
        ("", "붙여 넣으면"),
        ("[" * 3_000, "not valid JSON"),
    ):
        assert said in client.post("/inbound/preview", data={**form, "sample": sample}).text
    assert client.post("/inbound/preview", data={"f.text": "a"}).status_code == 403


def test_what_failed_is_mended_and_replayed(
    client: TestClient, csrf: Csrf, empty: Services
) -> None:
    _, path = made(client, csrf)
    hostile = "<script>alert(1)</script>"
    body = json.dumps({"note": f"배송이 늦어요 {hostile}"})
    assert client.post(path, content=body).status_code == 202
    drain(empty.ingest, now=utc_now())
    page = client.get("/inbound/1").text
    assert "읽지 못함" in page
    assert hostile not in page
    assert "note" in page  # the sample is what failed
    token = csrf(client)
    wrong = client.post("/inbound/1", data={"csrf": token, "f.text": "note["})
    assert wrong.status_code == 422
    assert "cannot be read" in wrong.text
    assert client.post("/inbound/1", data={"csrf": token, "f.text": "note"}).status_code == 200
    assert client.post("/inbound/1/replay", data={"csrf": token}).status_code == 200
    drain(empty.ingest, now=utc_now())
    with empty.database.read() as session:
        assert inbound.counts(session) == {1: {"done": 1}}
    delivery = re.search(r'name="delivery" value="(in_\w+)"', client.get("/inbound/1").text)
    assert delivery is not None
    again = {"csrf": token, "delivery": delivery.group(1)}
    assert client.post("/inbound/1/replay", data=again).status_code == 200
    with empty.database.read() as session:
        assert inbound.counts(session) == {1: {"waiting": 1}}


def test_it_is_switched_off_and_removed(client: TestClient, csrf: Csrf) -> None:
    _, path = made(client, csrf)
    token = csrf(client)
    client.post("/inbound/1/switch", data={"csrf": token, "enabled": ""})
    assert client.post(path, content=b"{}").status_code == 404
    client.post("/inbound/1/switch", data={"csrf": token, "enabled": "yes"})
    assert client.post(path, content=b"{}").status_code == 202
    assert "남아 있습니다" in client.post("/inbound/1/remove", data={"csrf": token}).text
    assert client.post(path, content=b"{}").status_code == 404
    assert client.get("/inbound/1").status_code == 404


def test_a_form_that_is_wrong_says_where(client: TestClient, csrf: Csrf) -> None:
    made(client, csrf)
    token = csrf(client)
    base = {"csrf": token, "preset": "text", "name": "팀 메모", "f.text": "text"}
    same = client.post("/inbound/new", data=base)
    assert same.status_code == 422
    assert 'id="name-error"' in same.text
    for given, place in (
        ({"name": ""}, "name-error"),
        ({"name": "b", "secret": "short"}, "secret-error"),
        ({"name": "b", "f.text": "a["}, "f.text-error"),
        ({"name": "b", "f.kind": "=poem"}, "f.kind-error"),
    ):
        answer = client.post("/inbound/new", data=base | given)
        assert answer.status_code == 422, given
        assert f'id="{place}"' in answer.text, given
    assert client.post("/inbound/new", data={"csrf": token, "preset": "nope"}).status_code == 404
