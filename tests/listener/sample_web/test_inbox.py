"""The inbox believes a signature, shows what came, and runs none of it."""

import json
from datetime import datetime, timedelta

import pytest
from standardwebhooks import Webhook
from starlette.testclient import TestClient

from listener.sample_web.inbox import KEEP

from .conftest import SECRET, START, HandClock


def send(
    client: TestClient,
    body: str,
    *,
    name: str = "msg_1",
    at: datetime = START,
    secret: str = SECRET,
    **headers: str,
) -> int:
    signed = {
        "webhook-id": name,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(name, at, body),
        "content-type": "application/json",
    }
    wanted = signed | {key.replace("_", "-"): value for key, value in headers.items()}
    return client.post("/inbox", content=body.encode(), headers=wanted).status_code


def test_a_signed_message_is_taken_and_shown(client: TestClient) -> None:
    body = json.dumps({"title": "배송 불만 급증", "count": 42}, ensure_ascii=False)
    assert send(client, body) == 204
    (message,) = client.get("/inbox.json").json()["items"]
    assert message["verified"] is True
    assert message["webhook_id"] == "msg_1"
    assert message["payload"] == {"title": "배송 불만 급증", "count": 42}
    page = client.get("/inbox").text
    assert "배송 불만 급증" in page
    assert "✓" in page
    assert 'http-equiv="refresh"' in page


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"webhook_signature": "v1,AAAA"}, "does not match"),
        ({"webhook_signature": ""}, "missing"),
        ({"webhook_id": "msg_2"}, "does not match"),
        ({"webhook_timestamp": "soon"}, "not a number"),
        ({"secret": "whsec_b3RoZXItc2VjcmV0LW90aGVyLXNlY3JldA=="}, "does not match"),
        ({"at": START - timedelta(minutes=6)}, "too far"),
    ],
)
def test_an_unsound_message_is_refused_and_shown_as_such(
    client: TestClient, change: dict[str, str], reason: str
) -> None:
    assert send(client, "{}", **change) == 401  # type: ignore[arg-type]
    (message,) = client.get("/inbox.json").json()["items"]
    assert message["verified"] is False
    assert reason in message["reason"]
    assert "✗" in client.get("/inbox").text


def test_one_good_signature_among_several_is_enough(client: TestClient) -> None:
    right = Webhook(SECRET).sign("msg_1", START, "{}")
    assert send(client, "{}", webhook_signature=f"v1a,x v1,AAAA {right}") == 204


def test_a_second_attempt_is_counted(client: TestClient) -> None:
    send(client, "{}")
    send(client, "{}")
    assert [item["attempt"] for item in client.get("/inbox.json").json()["items"]] == [2, 1]


def test_what_came_is_escaped(client: TestClient) -> None:
    body = json.dumps({"title": "<script>alert(1)</script>"})
    send(client, body, name="<b>id</b>")
    page = client.get("/inbox").text
    assert "<script>" not in page
    assert "<b>id</b>" not in page
    assert "&lt;script&gt;" in page


def test_no_json_is_shown_as_it_is(client: TestClient) -> None:
    assert send(client, "not json") == 204
    (message,) = client.get("/inbox.json").json()["items"]
    assert message["payload"] is None
    assert message["body"] == "not json"


def test_only_the_last_are_kept(client: TestClient, clock: HandClock) -> None:
    for number in range(KEEP + 5):
        send(client, f'{{"n": {number}}}', name=f"msg_{number}")
    items = client.get("/inbox.json").json()["items"]
    assert len(items) == KEEP
    assert items[0]["payload"] == {"n": KEEP + 4}


def test_a_flood_is_turned_away(client: TestClient) -> None:
    assert send(client, "x" * 1_000_001) == 413
    assert client.get("/inbox.json").json()["items"] == []
