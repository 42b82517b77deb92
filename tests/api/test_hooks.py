"""Webhooks that others post to: who is let in, what is stored once, and how they are managed."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from standardwebhooks.webhooks import Webhook
from starlette.testclient import TestClient

from api.app import create_app
from api.routes.hooks import Brake
from builders import NOW, stored_brand
from listener.pipeline.inbound import drain
from listener.runtime.wiring import MadeInbound, Services, build
from listener.settings import Settings
from listener.store import access, inbound
from listener.store.tables import InboundItemRow, MentionRow

BODY = b'{"id": "1", "text": "<b>late</b>"}'
Problem = Callable[..., dict[str, Any]]


@pytest.fixture
def services(settings: Settings, database_url: str) -> Iterator[Services]:
    """The real wiring on either database, at a fixed time."""
    built = build(settings.model_copy(update={"database_url": database_url}))
    built.clock = lambda: NOW
    yield built
    built.close()


@pytest.fixture
def web(services: Services) -> Iterator[TestClient]:
    with TestClient(create_app(services), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def admin_web(services: Services, web: TestClient) -> TestClient:
    """The same with a key that may do everything."""
    with services.database.write() as work:
        _, token = access.add_key(work.session, "a", scopes=("admin",), now=NOW)
        work.commit()
    headers = {"Authorization": f"Bearer {token}"}
    return TestClient(web.app, headers=headers, raise_server_exceptions=False)


def made(services: Services, scheme: str, **given: Any) -> tuple[str, MadeInbound]:
    """A new endpoint and the path to post to."""
    one = services.add_inbound(name=scheme, scheme=scheme, **given)
    with services.database.read() as session:
        return f"/hooks/{inbound.get(session, one.id).public_id}", one


def standard(
    secret: str, body: bytes = BODY, at: datetime = NOW, id_: str = "m1"
) -> dict[str, str]:
    signature = Webhook(secret).sign(id_, at, body.decode())
    stamp = str(int(at.timestamp()))
    return {"webhook-id": id_, "webhook-timestamp": stamp, "webhook-signature": signature}


def stored(services: Services) -> int:
    with services.database.read() as session:
        return session.scalar(select(func.count()).select_from(InboundItemRow)) or 0


def signed(scheme: str, secret: str, body: bytes) -> dict[str, str]:
    """The headers of a sender that signs right."""
    key = secret.encode()
    if scheme == "standard":
        return standard(secret, body)
    if scheme == "typeform":
        mac = base64.b64encode(hmac.digest(key, body, "sha256")).decode()
        return {"Typeform-Signature": f"sha256={mac}"}
    if scheme == "github":
        return {"X-Hub-Signature-256": f"sha256={hmac.digest(key, body, 'sha256').hex()}"}
    if scheme == "zendesk":
        stamp = NOW.isoformat().replace("+00:00", "Z")
        mac = base64.b64encode(hmac.digest(key, stamp.encode() + body, "sha256")).decode()
        return {
            "X-Zendesk-Webhook-Signature": mac,
            "X-Zendesk-Webhook-Signature-Timestamp": stamp,
        }
    return {"Authorization": f"Bearer {secret}"}


@pytest.mark.parametrize("scheme", ["standard", "typeform", "github", "zendesk", "token"])
def test_a_signed_delivery_is_stored_once(
    services: Services, web: TestClient, scheme: str, is_problem: Problem
) -> None:
    path, one = made(services, scheme)
    headers = signed(scheme, one.secret, BODY)
    first = web.post(path, content=BODY, headers=headers)
    assert first.status_code == 202
    again = web.post(path, content=BODY, headers=headers)
    assert again.json() == {"delivery_id": first.json()["delivery_id"], "repeated": True}
    assert stored(services) == 1

    other = BODY.replace(b"late", b"soon")
    if scheme != "token":
        is_problem(web.post(path, content=other, headers=headers), 401, "unauthorized")
    is_problem(web.post(path, content=other), 401, "unauthorized")
    wrong = signed(scheme, "whsec_" + base64.b64encode(b"x" * 24).decode(), other)
    is_problem(web.post(path, content=other, headers=wrong), 401, "unauthorized")
    assert stored(services) == 1


def test_a_token_may_stand_at_the_end_of_the_address(services: Services, web: TestClient) -> None:
    path, one = made(services, "token")
    assert one.address.endswith(f"{path}/{one.secret}")
    assert web.post(f"{path}/{one.secret}", content=BODY).status_code == 202
    assert web.post(f"{path}/{one.secret[:-1]}", content=BODY).status_code == 401
    told = {"X-Listener-Token": one.secret, "webhook-id": "7"}
    assert web.post(path, content=BODY, headers=told).json()["repeated"] is False


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_replayed_timestamp_is_refused(
    services: Services, web: TestClient, minutes: int, is_problem: Problem
) -> None:
    path, one = made(services, "standard")
    headers = standard(one.secret, at=NOW + timedelta(minutes=minutes))
    told = is_problem(web.post(path, content=BODY, headers=headers), 401, "unauthorized")
    assert "5 minutes" in str(told["detail"])
    headers = standard(one.secret) | {"webhook-timestamp": "soon"}
    assert web.post(path, content=BODY, headers=headers).status_code == 401


def test_an_unknown_or_switched_off_endpoint_is_not_there(
    services: Services, web: TestClient, is_problem: Problem
) -> None:
    path, one = made(services, "standard")
    unknown = is_problem(web.post("/hooks/nobody", content=BODY), 404, "not-found")
    with services.database.write() as work:
        inbound.change(work.session, one.id, enabled=False)
        work.commit()
    headers = standard(one.secret)
    assert is_problem(web.post(path, content=BODY, headers=headers), 404, "not-found") == unknown
    is_problem(web.get(path), 405, "method")


def test_what_is_too_large_is_refused_and_what_is_broken_is_kept(
    services: Services, web: TestClient, is_problem: Problem
) -> None:
    path, one = made(services, "token", preset="generic")
    headers = {"X-Listener-Token": one.secret}
    huge = b'{"text": "' + b"a" * 1_000_001 + b'"}'
    is_problem(web.post(path, content=huge, headers=headers), 413, "too-large")
    assert stored(services) == 0
    for body in (b"{broken", b"[" * 50_000, b"", b"\xff\xfe\x00", BODY):
        assert web.post(path, content=body, headers=headers).status_code == 202
    drain(services.ingest, now=NOW)
    with services.database.read() as session:
        rows = inbound.deliveries(session, one.id, limit=10)
        assert [row.state for row in rows] == ["done", "failed", "failed", "failed", "failed"]
        assert all(row.reason for row in rows[1:])
        assert session.scalars(select(MentionRow.text)).one() == "<b>late</b>"


def test_too_many_are_slowed_down(services: Services, web: TestClient) -> None:
    answers = [web.post("/hooks/nobody", content=b"x") for _ in range(62)]
    assert answers[0].status_code == 404
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    path, one = made(services, "token")  # who is known is not held up by who is not
    assert web.post(path, content=BODY, headers={"X-Listener-Token": one.secret}).status_code == 202


def test_a_brake_lets_in_again_after_a_while() -> None:
    brake = Brake(60, names=2)
    assert [brake.take("a") for _ in range(60)] == [0.0] * 60
    assert 0 < brake.take("a") <= 1
    assert brake.take("b") == 0
    assert brake.take("c") == 0
    assert brake.take("a") == 0  # forgotten: there is room for two names only


# --- management ----------------------------------------------------------------------------------


def test_an_endpoint_over_the_api(
    services: Services, admin_web: TestClient, is_problem: Problem
) -> None:
    with services.database.write() as work:
        stored_brand(work.session, "하늘")
        work.commit()
    path = "/api/v1/inbound"
    answer = admin_web.post(path, json={"name": "NPS", "preset": "typeform", "brand": "하늘"})
    assert answer.status_code == 201
    one = answer.json()
    assert (one["match"], one["scheme"], one["preset"]) == ("all", "typeform", "typeform")
    assert one["secret"]
    assert "secret" not in admin_web.get(f"{path}/{one['id']}").json()
    is_problem(admin_web.post(path, json={"name": "NPS"}), 409, "conflict")
    is_problem(admin_web.post(path, json={"name": "b", "preset": "nope"}), 422, "invalid")
    is_problem(admin_web.post(path, json={"name": "b", "match": "all"}), 422, "invalid")
    short = {"name": "b", "scheme": "token", "secret": "short"}
    is_problem(admin_web.post(path, json=short), 422, "invalid")

    changed = admin_web.patch(
        f"{path}/{one['id']}", json={"mapping": {"fields": {"text": "t"}}, "name": "Survey"}
    ).json()
    assert (changed["name"], changed["mapping"]["fields"]) == ("Survey", {"text": "t"})
    bad = {"mapping": {"fields": {"text": "t["}}}
    is_problem(admin_web.patch(f"{path}/{one['id']}", json=bad), 422, "invalid")
    assert [row["name"] for row in admin_web.get(path).json()["items"]] == ["Survey"]
    assert admin_web.delete(f"{path}/{one['id']}").status_code == 204
    is_problem(admin_web.get(f"{path}/{one['id']}"), 404, "not-found")


def test_deliveries_are_told_and_replayed(
    services: Services, admin_web: TestClient, is_problem: Problem
) -> None:
    path, one = made(services, "token")
    for number in range(3):
        body = json.dumps({"id": number, "note": f"n{number}"}).encode()
        admin_web.post(path, content=body, headers={"X-Listener-Token": one.secret})
    drain(services.ingest, now=NOW)
    base = f"/api/v1/inbound/{one.id}"
    page = admin_web.get(f"{base}/deliveries", params={"limit": 2}).json()
    assert [row["state"] for row in page["items"]] == ["failed", "failed"]
    more = {"limit": 2, "cursor": page["next_cursor"]}
    rest = admin_web.get(f"{base}/deliveries", params=more).json()
    assert (len(rest["items"]), rest["next_cursor"]) == (1, None)

    admin_web.patch(base, json={"mapping": {"fields": {"text": "note", "external_id": "id"}}})
    first = rest["items"][0]["id"]
    assert admin_web.post(f"{base}/replay", json={"delivery": first}).json() == {"replayed": 1}
    assert admin_web.post(f"{base}/replay", json={}).json() == {"replayed": 2}
    is_problem(admin_web.post(f"{base}/replay", json={"delivery": "in_x"}), 404, "not-found")
    drain(services.ingest, now=NOW)
    assert admin_web.get(base).json()["deliveries"] == {"done": 3}


def test_presets_and_a_preview_over_the_api(admin_web: TestClient, is_problem: Problem) -> None:
    presets = admin_web.get("/api/v1/inbound/presets").json()["items"]
    assert {"generic", "typeform", "zendesk"} <= {one["name"] for one in presets}
    sample = {"mapping": {"fields": {"text": "a", "rating": "r"}}, "sample": '{"a": "x", "r": 3}'}
    (item,) = admin_web.post("/api/v1/inbound/preview", json=sample).json()["items"]
    assert (item["text"], item["rating"]) == ("x", 3.0)
    bad = sample | {"sample": "{"}
    is_problem(admin_web.post("/api/v1/inbound/preview", json=bad), 422, "invalid")


def test_management_needs_a_key(web: TestClient) -> None:
    assert web.get("/api/v1/inbound").status_code == 401
