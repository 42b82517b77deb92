"""Deliveries over real HTTP: signed, retried under one id, given up visibly, discreet."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from listener.alert import services
from listener.alert.links import read_token
from listener.errors import InvalidInput, TargetForbidden
from listener.runtime.clock import utc_now
from listener.runtime.wiring import build
from listener.store import alerts, outbox
from listener.store.killpoints import VARIABLE
from listener.store.tables import ChannelRow, SpikeRow
from office import SECRET, Office
from webserver import Play, WebServer

TOKEN = "T0kenThatNobodyMaySee42"


def test_a_webhook_is_signed_and_says_it_all(office: Office, server: WebServer) -> None:
    server.pages["/hook"] = Play("thanks", 204)
    office.tell(f"{server.url}/hook")
    assert office.deliver() == 1
    (seen,) = server.seen
    headers = dict(seen.headers)
    body = Webhook(SECRET).verify(seen.body.decode(), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(seen.body.decode() + " ", headers)
    assert headers["webhook-id"] == office.message().message_id
    assert body["type"] == "alert.opened"
    assert body["data"]["alert"]["brand"] == "하늘상회"
    assert body["data"]["spikes"][0]["phrases"] == ["택배 파손"]
    assert "하늘상회 배송 불만" in body["data"]["text"]["ko"]["title"]
    assert office.message().state == "sent"
    assert office.deliver(timedelta(days=1)) == 0


def test_a_failing_receiver_is_tried_again_under_the_same_id(
    office: Office, server: WebServer
) -> None:
    server.pages["/hook"] = [Play("down", 500), Play("", 200)]
    office.tell(f"{server.url}/hook")
    assert office.deliver() == 1
    assert office.deliver(timedelta(seconds=4)) == 0  # not yet
    assert office.deliver(timedelta(seconds=3)) == 1
    assert len({seen.headers["webhook-id"] for seen in server.seen}) == 1
    first, second = server.seen
    assert first.headers["webhook-timestamp"] < second.headers["webhook-timestamp"]
    assert first.body == second.body
    for seen in server.seen:
        Webhook(SECRET).verify(seen.body.decode(), dict(seen.headers))
    told = [(a.attempt, a.ok, a.status_code, a.reason) for a in office.attempts()]
    assert told == [(1, False, 500, "HTTP 500. down"), (2, True, 200, "")]


def test_what_never_works_is_given_up_visibly(office: Office, server: WebServer) -> None:
    server.pages["/hook"] = Play("", 503)
    office.tell(f"{server.url}/hook")
    for _ in range(12):
        office.deliver(timedelta(hours=12))
    assert office.message().state == "dead"
    assert len(office.attempts()) == 9
    assert len(server.seen) == 9


def test_a_receiver_that_is_gone_is_not_asked_again(office: Office, server: WebServer) -> None:
    server.pages["/hook"] = Play("", 410)
    office.tell(f"{server.url}/hook")
    office.deliver()
    assert office.message().state == "dead"


def test_a_receiver_says_when_to_come_back(office: Office, server: WebServer) -> None:
    server.pages["/hook"] = [Play("", 429, {"Retry-After": "600"}), Play()]
    office.tell(f"{server.url}/hook")
    office.deliver()
    assert office.deliver(timedelta(minutes=9)) == 0
    assert office.deliver(timedelta(minutes=2)) == 1
    assert office.message().state == "sent"


@pytest.mark.parametrize("how", ["drip", "silent", "garbage", "reset", "drip-headers"])
def test_a_bad_receiver_costs_one_attempt(office: Office, server: WebServer, how: str) -> None:
    server.pages["/hook"] = Play("x" * 1_000, how=how)
    office.tell(f"{server.url}/hook")
    began = time.monotonic()
    office.deliver()
    assert time.monotonic() - began < 10
    (attempt,) = office.attempts()
    assert not attempt.ok
    assert attempt.reason.startswith("127.0.0.1 ")
    assert office.message().state == "pending"


def test_a_redirect_is_not_followed(office: Office, server: WebServer) -> None:
    server.pages["/hook"] = Play("", 307, {"Location": "/elsewhere"})
    server.pages["/elsewhere"] = Play()
    office.tell(f"{server.url}/hook")
    office.deliver()
    assert server.paths == ["/hook"]
    assert office.attempts()[0].status_code == 307


def test_addresses_inside_the_network_are_refused(office: Office) -> None:
    for address in (
        "http://10.0.0.7/hook",
        "http://169.254.169.254/",
        "mailto://10.0.0.7/?from=a@b.example",
    ):
        with pytest.raises(TargetForbidden):
            office.tell(address, secret=None)
    with pytest.raises(InvalidInput):
        office.tell("syslog://", kind="apprise")
    with pytest.raises(InvalidInput):
        office.tell("https://ops.example/hook", secret="whsec_")
    with office.services.database.read() as session:
        assert session.scalars(select(ChannelRow)).all() == []


def test_an_address_that_moved_inside_is_refused_at_sending(office: Office) -> None:
    office.tell("http://127.0.0.1:8009/hook")
    strict = build(office.services.settings.model_copy(update={"allow_private_hosts": ""}))
    strict.deliverer.deliver_due()
    strict.close()
    assert office.message().state == "dead"
    assert "inside the network" in office.attempts()[0].reason


def test_secrets_are_in_no_log_and_no_reason(
    office: Office, server: WebServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    path = f"/services/{TOKEN}?key=query-secret"
    server.pages[f"/services/{TOKEN}"] = Play(f"no such hook: {path}", 404)
    office.tell(f"{server.url}{path}")
    office.deliver()
    (attempt,) = office.attempts()
    assert "no such hook: /services/…" in attempt.reason
    with office.services.database.read() as session:
        (channel,) = session.scalars(select(ChannelRow)).all()
    shown = caplog.text + attempt.reason + channel.address_shown + repr(office.message().refs)
    for secret in (TOKEN, "query-secret", SECRET.removeprefix("whsec_")):
        assert secret not in shown
        assert secret.encode() not in channel.address + (channel.secret or b"")


def test_a_message_to_a_channel_switched_off_is_given_up(office: Office, server: WebServer) -> None:
    office.tell(f"{server.url}/hook")
    with office.services.database.write() as work:
        work.session.query(ChannelRow).update({"enabled": False})
        work.commit()
    office.deliver()
    assert (office.message().state, server.seen) == ("dead", [])


SEND = """
import sys
from pathlib import Path
from listener.runtime.wiring import build
from listener.settings import Settings
build(Settings.model_validate_json(sys.argv[1])).deliverer.deliver_due()
"""


def test_killed_before_writing_it_down_it_is_sent_again_under_the_same_id(
    office: Office, server: WebServer
) -> None:
    server.pages["/hook"] = Play()
    office.tell(f"{server.url}/hook")
    settings = office.services.settings
    told = settings.model_dump(mode="json") | {"secret_key": "a secret of the tests"}
    killed = subprocess.run(
        [sys.executable, "-c", SEND, json.dumps(told)],
        env={**os.environ, VARIABLE: "deliver-sent"},
        check=False,
        timeout=60,
    )
    assert killed.returncode == -signal.SIGKILL
    assert office.attempts() == []
    assert office.deliver() == 0  # still in the hands of the dead
    assert office.deliver(timedelta(minutes=3)) == 1
    assert office.message().state == "sent"
    first, second = server.seen
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


def test_a_hanging_receiver_keeps_no_other_channel_waiting(
    office: Office, server: WebServer
) -> None:
    server.pages["/slow"] = Play(how="silent")
    server.pages["/quick"] = Play()
    office.tell(f"{server.url}/slow")
    office.tell(f"{server.url}/slow", "alert.escalated", name="the same")
    office.tell(f"{server.url}/quick")
    deliverer = office.services.deliverer
    slow = deliverer.claim()
    assert slow is not None
    others = [deliverer.claim(), deliverer.claim(), deliverer.claim()]
    told = [one.channel_id for one in others if one is not None]
    assert slow.channel_id not in told
    assert len(told) == len(set(told)) == 2


def test_a_redirect_home_a_gone_one_and_a_busy_one_are_told_apart(
    office: Office, server: WebServer
) -> None:
    server.pages["/moved"] = Play("", 301, {"Location": "http://127.0.0.1/inside"})
    server.pages["/gone"] = Play("no such hook", 410)
    server.pages["/busy"] = Play("", 429, {"Retry-After": "3600"})
    for path in ("/moved", "/gone", "/busy"):
        office.tell(f"{server.url}{path}")
    assert office.deliver() == 3
    with office.services.database.read() as session:
        found = {m.channel: m for m in outbox.listing(session)}
    moved, gone, busy = (
        next(m for name, m in found.items() if name.endswith(path[:40]))
        for path in ("/moved", "/gone", "/busy")
    )
    assert (moved.state, moved.status_code) == ("pending", 301)
    assert (gone.state, gone.status_code, gone.reason) == ("dead", 410, "HTTP 410. no such hook")
    assert (busy.state, busy.status_code) == ("pending", 429)
    assert busy.next_try_at - office.services.clock() > timedelta(minutes=59)
    assert server.paths == ["/moved", "/gone", "/busy"]


def test_what_was_given_up_is_sent_again_under_its_id_one_or_all(
    office: Office, server: WebServer
) -> None:
    server.pages["/hook"] = [Play("", 410), Play("", 410), Play()]
    office.tell(f"{server.url}/hook")
    with office.services.database.write() as work:
        for number in range(2):
            outbox.put(
                work.session,
                channel_id=1,
                alert_id=None,
                event="test",
                event_key=str(number),
                refs={},
                now=office.services.clock(),
            )
        work.commit()
    assert office.deliver() == 3
    with office.services.database.read() as session:
        dead = outbox.listing(session, state="dead")
        assert outbox.dead_by_channel(session) == {1: 2}
        week = timedelta(days=7)
        assert outbox.dead_by_channel(session, since=office.services.clock() + week) == {}
    assert len(dead) == 2
    with office.services.database.write() as work:
        assert outbox.revive(work.session, dead[0].id, now=office.services.clock())
        assert outbox.revive_all(work.session, 1, now=office.services.clock()) == 1
        assert outbox.revive_all(work.session, 1, now=office.services.clock()) == 0
        work.commit()
    assert office.deliver() == 2
    ids = [seen.headers["webhook-id"] for seen in server.seen]
    assert set(ids[3:]) == {one.message_id for one in dead}
    with office.services.database.read() as session:
        assert not outbox.dead_by_channel(session)


def test_the_link_to_acknowledge_is_the_channels_own_and_ends_with_the_question(
    office: Office, server: WebServer
) -> None:
    server.pages["/hook"] = [Play("", 500), Play()]
    office.tell(f"{server.url}/hook")
    office.deliver()
    office.deliver(timedelta(seconds=10))
    first, second = (json.loads(seen.body)["data"] for seen in server.seen)
    url = first["alert"]["acknowledge_url"]
    assert second["alert"]["acknowledge_url"] == url  # the same over all attempts
    assert f"확인했어요: {url}" in first["text"]["ko"]["body"]
    told = read_token(office.services.secrets, url.rpartition("/")[2], now=utc_now())
    assert (told.alert_id, told.channel_id) == (office.alert_id, 1)
    with office.services.database.write() as work:
        alerts.act(work.session, office.alert_id, "acknowledge", by="민지", now=utc_now())
        work.commit()
    office.queue(1, "alert.reminder")
    office.queue(1, "alert.resolved")
    office.deliver(timedelta(seconds=1))
    for seen in server.seen[2:]:
        data = json.loads(seen.body)["data"]
        assert data["alert"].get("acknowledge_url") is None
        assert data["alert"]["acknowledged_by"] == "민지"
    assert any("민지 확인" in seen.body.decode() for seen in server.seen[2:])


def test_a_digest_tells_each_of_its_alerts(office: Office, server: WebServer) -> None:
    server.pages["/hook"] = Play()
    made = office.channel(f"{server.url}/hook")
    other = office.alert("바다상회", observed=31)
    with office.services.database.write() as work:
        outbox.put(
            work.session,
            channel_id=made,
            alert_id=None,
            event="alert.digest",
            refs={"alert_ids": [office.alert_id, other, 999]},
            now=office.services.clock(),
        )
        work.commit()
    office.deliver()
    body = json.loads(server.seen[0].body)
    assert body["type"] == "alert.digest"
    assert [one["id"] for one in body["data"]["alerts"]] == [office.alert_id, other]
    text = body["data"]["text"]["ko"]
    assert text["title"] == "[모아 알림] 급증 2건"
    assert "하늘상회 배송 불만 18건" in text["body"]
    assert "바다상회 배송 불만 31건" in text["body"]


def test_an_explanation_of_another_version_keeps_no_alert_back(
    office: Office, server: WebServer
) -> None:
    server.pages["/hook"] = Play()
    with office.services.database.write() as work:
        told = {"mentions": 18, "phrases": [{"text": "택배 파손"}], "topics": []}
        work.session.query(SpikeRow).update({"explanation": told})
        work.commit()
    office.tell(f"{server.url}/hook")
    office.deliver()
    assert office.message().state == "sent"
    title = json.loads(server.seen[0].body)["data"]["text"]["ko"]["title"]
    assert title == "[급증] 하늘상회 배송 불만 18건, 평소의 12.0배"


def test_a_messenger_gets_its_own_form(
    office: Office, server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.pages["/connect-api/webhook/1/x"] = Play()
    monkeypatch.setattr(services, "messenger_of", lambda address: "jandi")
    office.tell(f"{server.url}/connect-api/webhook/1/x", kind="messenger", secret=None)
    office.deliver()
    (seen,) = server.seen
    assert seen.headers["accept"] == "application/vnd.tosslab.jandi-v2+json"
    body = json.loads(seen.body)
    assert body["body"].startswith("[급증] 하늘상회")
    assert "/acknowledge/" in body["connectInfo"][0]["description"]
    assert "webhook-signature" not in seen.headers
