"""Messages to channels by the API: what was given up is found, and sent again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from api.deps import Page
from api.routes.channels import MessageOut
from builders import NOW
from listener.store import outbox
from listener.store.work import Database

V1 = "/api/v1"


@pytest.fixture
def given_up(admin: TestClient, database: Database) -> None:
    """A channel with two messages that were given up, and one that was sent."""
    admin.post(f"{V1}/channels", json={"name": "ops", "address": "https://hooks.example/"})
    with database.write() as work:
        for number in range(3):
            at = NOW + timedelta(minutes=number)
            outbox.put(
                work.session,
                channel_id=1,
                alert_id=None,
                event="test",
                event_key=str(number),
                refs={},
                now=at,
            )
            message = outbox.claim(work.session, now=at, length=timedelta(seconds=30))
            assert message is not None
            outbox.record(
                work.session,
                message,
                ok=number == 2,
                status_code=200 if number == 2 else 410,
                reason="" if number == 2 else "HTTP 410. gone",
                duration_ms=12,
                retry_at=None,
                now=at,
            )
        work.commit()


def test_messages_that_were_given_up_are_found_and_sent_again(
    client: TestClient,
    admin: TestClient,
    given_up: None,
    is_problem: Callable[..., dict[str, object]],
) -> None:
    listed = client.get(f"{V1}/messages").json()
    Page[MessageOut].model_validate(listed)
    assert [one["state"] for one in listed["items"]] == ["sent", "dead", "dead"]
    first = client.get(f"{V1}/messages", params={"limit": 1}).json()
    rest = client.get(f"{V1}/messages", params={"cursor": first["next_cursor"]}).json()
    assert [one["id"] for one in first["items"] + rest["items"]] == [3, 2, 1]
    dead = client.get(f"{V1}/messages", params={"state": "dead", "channel": 1}).json()["items"]
    assert [(one["id"], one["reason"], one["status_code"]) for one in dead] == [
        (2, "HTTP 410. gone", 410),
        (1, "HTTP 410. gone", 410),
    ]
    is_problem(client.post(f"{V1}/messages/1/retry"), 403, "forbidden")
    assert admin.post(f"{V1}/messages/1/retry").json() == {"messages": 1}
    assert admin.post(f"{V1}/messages/1/retry").json() == {"messages": 0}  # it waits by now
    assert admin.post(f"{V1}/channels/1/retry").json() == {"messages": 1}
    is_problem(admin.post(f"{V1}/messages/9/retry"), 404, "not-found")
    is_problem(admin.post(f"{V1}/channels/9/retry"), 404, "not-found")
    again = client.get(f"{V1}/messages", params={"state": "pending"}).json()["items"]
    assert [one["message_id"] for one in again] == [one["message_id"] for one in dead]
