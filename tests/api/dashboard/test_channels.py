"""Channels on the dashboard: added service by service, tested, replayed; links that acknowledge."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from api.app import create_app
from listener.alert.links import VALID, acknowledge_token
from listener.runtime.tasks import answer_job
from listener.runtime.wiring import Services, build
from listener.store import alerts, outbox, schema
from listener.store.tables import AlertRow, ChannelRow, OutboxRow
from office import Office
from webserver import Play, WebServer

Csrf = Callable[[TestClient], str]


@pytest.fixture
def server() -> Iterator[WebServer]:
    """A receiver of webhooks."""
    with WebServer() as server:
        yield server


@pytest.fixture
def wired(empty: Services) -> Iterator[Services]:
    """The empty install, which may send to the loopback."""
    settings = empty.settings.model_copy(update={"allow_private_hosts": "127.0.0.1"})
    services = build(settings)
    schema.upgrade(services.database)
    yield services
    services.close()


@pytest.fixture
def office(wired: Services) -> Office:
    """An alert that is about to be told."""
    return Office(wired)


def _link(office: Office, *, channel_id: int = 1, alert_id: int | None = None) -> str:
    return "/acknowledge/" + acknowledge_token(
        office.services.secrets,
        alert_id=alert_id or office.alert_id,
        channel_id=channel_id,
        sent_at=office.services.clock(),
    )


def _state(office: Office) -> tuple[bool, str]:
    with office.services.database.read() as session:
        row = session.get_one(AlertRow, office.alert_id)
        return row.acknowledged_at is not None, alerts.acknowledged_by(session, row)


@pytest.fixture
def stranger(office: Office) -> Iterator[TestClient]:
    """Somebody with a browser and no login."""
    headers = {"accept": "text/html"}
    with TestClient(create_app(office.services), headers=headers) as client:
        yield client


def test_looking_at_a_link_changes_nothing_pressing_the_button_does(
    office: Office, stranger: TestClient
) -> None:
    office.channel("https://hooks.example/pr", name="홍보팀")
    link = _link(office)
    for _ in range(3):
        assert stranger.head(link).status_code in (200, 405)
        page = stranger.get(link)
        assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-robots-tag"] == "noindex"
    assert "하늘상회" in page.text
    assert _state(office) == (False, "")
    stranger.post(link, data={})  # a program that posts whatever it finds
    assert _state(office) == (False, "")
    done = stranger.post(link, data={"confirm": "yes", "name": " 민지 "})
    assert "민지 (홍보팀) 확인" in done.text
    assert _state(office) == (True, "민지 (홍보팀)")
    again = stranger.post(link, data={"confirm": "yes", "name": "다른 사람"})
    assert "민지 (홍보팀) 확인" in again.text
    assert "<button" not in again.text


def test_a_link_is_good_for_its_alert_only_and_not_for_ever(
    office: Office, stranger: TestClient
) -> None:
    link = _link(office)
    forged = link.replace(f"/{office.alert_id}-", "/999-", 1)
    for method in (stranger.get, stranger.post):
        assert method(forged).status_code == 404
        assert method(link[:-3]).status_code == 404
    gone = stranger.get(_link(office, alert_id=999))
    assert (gone.status_code, "쓸 수 없는 링크" in gone.text) == (404, True)
    office.ahead = VALID + timedelta(seconds=1)
    late = stranger.post(link, data={"confirm": "yes"})
    assert (late.status_code, "만료" in late.text) == (410, True)
    assert _state(office) == (False, "")


def test_programs_acknowledge_by_the_token(office: Office, stranger: TestClient) -> None:
    token = _link(office).rpartition("/")[2]
    answer = stranger.post(f"/api/v1/acknowledge/{token}", json={"name": "bot"})
    assert answer.status_code == 200
    assert answer.json()["alert_id"] == office.alert_id
    assert answer.json()["acknowledged_by"] == "bot (link)"
    assert stranger.get(f"/api/v1/acknowledge/{token}").status_code == 405
    bad = stranger.post("/api/v1/acknowledge/1-2-3-x")
    assert (bad.status_code, bad.json()["code"]) == (404, "not-found")
    office.ahead = VALID + timedelta(seconds=1)
    late = stranger.post(f"/api/v1/acknowledge/{token}")
    assert (late.status_code, late.json()["code"]) == (410, "link-expired")


def test_a_service_is_chosen_and_its_fields_make_the_address(
    wired: Services, visit: Callable[[Services], TestClient], csrf: Csrf
) -> None:
    client = visit(wired)
    assert 'name="field-server"' in client.get("/channels").text  # mail comes first
    fields = client.get("/channels/fields?service=telegram").text
    assert 'name="field-token"' in fields
    assert "그래프 그림: 함께 갑니다" in fields
    token = csrf(client)
    typed = {"csrf": token, "name": "메일", "service": "email", "field-server": "mail.example"}
    missing = client.post("/channels", data=typed)
    assert missing.status_code == 422
    assert 'id="field-to-error"' in missing.text
    secret = {"field-user": "pr@shop.example", "field-password": "hunter2hunter2"}
    people = {"field-from": "l@shop.example", "field-to": "a@shop.example"}
    made = client.post("/channels", data=typed | secret | people)
    assert made.status_code == 200
    assert "hunter2" not in made.text
    wrong = client.post(
        "/channels",
        data={
            "csrf": token,
            "name": "카카오",
            "service": "kakaowork",
            "field-url": "https://hooks.slack.com/services/T1/B1/x",
        },
    )
    assert wrong.status_code == 422
    assert 'id="field-url-error"' in wrong.text
    client.post(
        "/channels",
        data={
            "csrf": token,
            "name": "카카오",
            "service": "kakaowork",
            "field-url": "https://kakaowork.com/bots/hook/8fadfba4790e40b49281958fd256c431",
        },
    )
    with wired.database.read() as session:
        rows = session.scalars(select(ChannelRow).order_by(ChannelRow.id)).all()
        found = [(row.name, row.kind, row.address_shown) for row in rows]
    assert found[0][:2] == ("메일", "apprise")
    assert "hunter2" not in found[0][2]
    assert found[1][:2] == ("카카오", "messenger")
    assert "8fadfba4790e" not in found[1][2]


def test_the_result_of_a_test_stands_on_the_page(
    wired: Services, visit: Callable[[Services], TestClient], csrf: Csrf, server: WebServer
) -> None:
    client = visit(wired)
    server.pages["/hook"] = [Play("", 204), Play("no such hook", 404)]
    wired.add_channel(name="ops", address=f"{server.url}/hook", secret=None)
    for expected in ("시험 알림이 도착했습니다", "HTTP 404. no such hook"):
        page = client.post("/channels/1/test", data={"csrf": csrf(client)})
        found = re.search(r'hx-get="(/channels/test/\d+)"', page.text)
        assert found is not None
        assert "보내는 중" in client.get(found.group(1)).text
        assert answer_job(wired)
        assert wired.deliverer.deliver_due() == 1
        assert expected in client.get(found.group(1)).text
    assert client.get("/channels/test/999").status_code == 404


def test_messages_that_died_are_warned_of_and_replayed(
    office: Office, visit: Callable[[Services], TestClient], csrf: Csrf, server: WebServer
) -> None:
    client = visit(office.services)
    server.pages["/hook"] = [Play("bye", 410), Play("", 200)]
    channel = office.channel(f"{server.url}/hook", name="홍보팀")
    office.queue(channel, "alert.opened")
    office.deliver()
    page = client.get("/channels").text
    assert "포기한 알림이 1건" in page
    assert "HTTP 410. bye" in page
    client.post(f"/channels/{channel}/retry", data={"csrf": csrf(client)})
    assert office.deliver() == 1
    with office.services.database.read() as session:
        assert session.scalars(select(OutboxRow.state)).all() == ["sent"]
        assert outbox.dead_by_channel(session) == {}
    assert "포기한 알림" not in client.get("/channels").text
