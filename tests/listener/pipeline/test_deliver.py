"""Deliveries over real HTTP and SMTP: signed, retried under one id, given up visibly, discreet."""

from __future__ import annotations

import email
import email.policy
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from builders import stored_brand
from listener.errors import InvalidInput, TargetForbidden
from listener.runtime.clock import utc_now
from listener.runtime.wiring import Services, build
from listener.settings import Settings
from listener.store import outbox
from listener.store.killpoints import VARIABLE
from listener.store.tables import AlertRow, ChannelRow, DeliveryRow, OutboxRow, SpikeRow
from webserver import Play, WebServer

SECRET = "whsec_" + "bGlzdGVuZXIgdGVzdCBzZWNyZXQ="
TOKEN = "T0kenThatNobodyMaySee42"


class Office:
    """An install with an alert that is about to be told, and a clock that can be put forward."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.ahead = timedelta()
        services.clock = lambda: utc_now() + self.ahead
        now = utc_now()
        with services.database.write() as work:
            brand = stored_brand(work.session, "하늘상회")
            alert = AlertRow(
                brand_id=brand.id, state="open", severity="high", opened_at=now, updated_at=now
            )
            work.session.add(alert)
            work.session.flush()
            spike = SpikeRow(
                brand_id=brand.id,
                alert_id=alert.id,
                dimension="topic:delivery:complaint",
                state="open",
                onset_at=now,
                opened_at=now,
                updated_at=now,
                expected=1.5,
                observed=18,
                score=4.0,
                explanation={
                    "mentions": 18,
                    "phrases": [{"text": "택배 파손", "count": 15, "z": 4.0}],
                    "authors": 17,
                    "stories": 18,
                },
            )
            work.session.add(spike)
            work.commit()
            self.alert_id = alert.id

    def tell(self, address: str, event: str = "alert.opened", **fields: Any) -> None:
        """Make a channel and queue a message for it."""
        made = self.services.add_channel(
            name=f"channel {event} {address[:40]}",
            address=address,
            **({"secret": SECRET} | fields),
        )
        with self.services.database.write() as work:
            outbox.put(
                work.session,
                channel_id=made.id,
                alert_id=self.alert_id,
                event=event,
                refs={},
                now=self.services.clock(),
            )
            work.commit()

    def deliver(self, after: timedelta = timedelta()) -> int:
        self.ahead += after
        return self.services.deliverer.deliver_due()

    def message(self) -> OutboxRow:
        with self.services.database.read() as session:
            return session.scalars(select(OutboxRow)).one()

    def attempts(self) -> list[DeliveryRow]:
        with self.services.database.read() as session:
            return list(session.scalars(select(DeliveryRow).order_by(DeliveryRow.id)))


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


@pytest.fixture
def office(sqlite_url: str, settings: Settings) -> Iterator[Office]:
    services = build(
        settings.model_copy(
            update={
                "database_url": sqlite_url,
                "allow_private_hosts": "127.0.0.1",
                "request_timeout": 0.6,
            }
        )
    )
    yield Office(services)
    services.close()


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


class _Post(Message):
    """Keeps what a mail server is handed."""

    def __init__(self) -> None:
        super().__init__(EmailMessage)
        self.letters: list[EmailMessage] = []

    def prepare_message(self, session: Any, envelope: Any) -> Any:
        content = envelope.original_content or envelope.content
        return email.message_from_bytes(content, policy=email.policy.default)

    def handle_message(self, message: Any) -> None:
        self.letters.append(message)


def test_an_email_arrives_with_a_korean_subject(office: Office) -> None:
    post = _Post()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mail = Controller(post, hostname="127.0.0.1", port=port)
    mail.start()
    try:
        office.tell(f"mailto://127.0.0.1:{port}/?from=listener@shop.example&to=ops@shop.example")
        office.deliver()
    finally:
        mail.stop()
    assert office.attempts()[0].reason == ""
    (letter,) = post.letters
    assert letter["subject"] == "[급증] 하늘상회 배송 불만 18건, 평소의 12배"
    text = letter.get_body(("plain", "html"))
    assert text is not None
    assert "택배 파손" in text.get_content()


def test_a_mail_server_that_is_down_is_tried_again(office: Office) -> None:
    office.tell("mailto://minji:hunter2hunter2@127.0.0.1:9/?from=a@shop.example&to=b@shop.example")
    office.deliver()
    (attempt,) = office.attempts()
    assert office.message().state == "pending"
    assert attempt.reason
    assert "hunter2" not in attempt.reason


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
