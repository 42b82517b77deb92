"""The Bluesky source beyond its recorded answers: tokens, the stream, asking again."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.http11 import Request as Handshake
from websockets.http11 import Response
from websockets.sync.server import ServerConnection, serve

from listener.collect.base import Refreshing
from listener.collect.sources import bluesky
from listener.collect.sources.bluesky import Bluesky
from listener.errors import (
    AuthRejected,
    InvalidInput,
    LayoutChanged,
    RateLimited,
    SourceUnavailable,
    TargetForbidden,
)
from listener.net.client import Net
from listener.net.guard import Guard
from listener.net.limits import Limiter
from listener.settings import Settings
from listener.types import Brand, GapReason, Kept, State, Watch
from webserver import Play, WebServer

JSON = {"Content-Type": "application/json"}
SIGN_IN = "/xrpc/com.atproto.server.createSession"
SEARCH = "/xrpc/app.bsky.feed.searchPosts"
POSTS = "/xrpc/app.bsky.feed.getPosts"
LOGIN = {"identifier": "me.example", "app_password": "abcd-s3cret-pass"}
NURI = Brand(id=1, name="누리마켓", aliases=("Nuri Market",))


def said(data: Any, status: int = 200) -> Play:
    return Play(json.dumps(data), status=status, headers=JSON)


def view(rkey: str, text: str = "누리마켓") -> dict[str, Any]:
    return {
        "uri": f"at://did:plc:a/app.bsky.feed.post/{rkey}",
        "author": {"did": "did:plc:a", "handle": "a.example"},
        "record": {"text": text, "createdAt": "2025-01-01T00:00:00Z"},
        "indexedAt": "2025-01-01T00:00:01Z",
        "likeCount": 5,
    }


# --- signing in ---------------------------------------------------------------------------------


def test_watches_of_an_account_sign_in_once_and_the_secrets_stay_inside(
    net: Net, server: WebServer, make_watch: Callable[..., Watch], now: datetime, caplog: Any
) -> None:
    server.pages[SIGN_IN] = said({"accessJwt": "t0ken-of-access"})
    server.pages[SEARCH] = said({"posts": [view("1")]})
    poller = Bluesky(net)
    with caplog.at_level(logging.DEBUG):
        for query in ("하나", "둘"):
            watch = make_watch("bluesky", base_url=server.url, credentials=LOGIN, query=query)
            *_, last = poller.collect(watch, State(), now=now)
            assert "t0ken" not in str(last)
            assert "s3cret" not in str(last)
            assert "s3cret" not in repr(watch)
    assert server.paths == [SIGN_IN, SEARCH, SEARCH]
    assert json.loads(server.seen[0].body) == {
        "identifier": LOGIN["identifier"],
        "password": LOGIN["app_password"],
    }
    assert "authorization" not in server.seen[0].headers
    assert server.seen[2].headers["authorization"] == "Bearer t0ken-of-access"
    assert "t0ken" not in caplog.text + repr(poller.__dict__["net"])
    assert "s3cret" not in caplog.text


def test_another_password_is_another_session(
    net: Net, server: WebServer, make_watch: Callable[..., Watch], now: datetime
) -> None:
    server.pages[SIGN_IN] = said({"accessJwt": "t"})
    server.pages[SEARCH] = said({"posts": []})
    poller = Bluesky(net)
    for password in ("one", "two"):
        watch = make_watch(
            "bluesky",
            base_url=server.url,
            query="x",
            credentials={**LOGIN, "app_password": password},
        )
        list(poller.collect(watch, State(), now=now))
    assert server.paths == [SIGN_IN, SEARCH, SIGN_IN, SEARCH]


def test_the_requests_of_a_refused_sign_in_are_counted(
    net: Net, server: WebServer, make_watch: Callable[..., Watch], now: datetime
) -> None:
    server.pages[SIGN_IN] = said({"accessJwt": "t"})
    server.pages[SEARCH] = said({"error": "ExpiredToken", "message": "Token has expired"}, 400)
    watch = make_watch("bluesky", base_url=server.url, credentials=LOGIN, query="x")
    with pytest.raises(AuthRejected) as caught:
        list(Bluesky(net).collect(watch, State(), now=now))
    assert caught.value.requests == len(server.seen) == 4


def test_without_an_account_the_open_server_is_asked(make_watch: Callable[..., Watch]) -> None:
    plain = make_watch("bluesky", base_url=bluesky.HOME)
    signed = make_watch("bluesky", base_url=bluesky.HOME, credentials=LOGIN)
    assert bluesky._base(plain) == bluesky.OPEN
    assert bluesky._base(signed) == bluesky.HOME
    assert bluesky._base(make_watch("bluesky", base_url="https://pds.example/")) == (
        "https://pds.example"
    )


# --- asking again -------------------------------------------------------------------------------


def test_stored_posts_are_asked_about_again(
    net: Net, server: WebServer, make_watch: Callable[..., Watch], now: datetime
) -> None:
    server.pages[SIGN_IN] = said({"accessJwt": "t"})
    server.pages[POSTS] = said({"posts": [view("1", "고친 글")]})
    poller = Bluesky(net)
    assert isinstance(poller, Refreshing)
    watch = make_watch("bluesky", base_url=server.url, credentials=LOGIN)
    kept = [Kept(external_id=view(rkey)["uri"]) for rkey in ("1", "2")]
    [batch] = poller.refresh(watch, kept, now=now)
    first, second = batch.items
    assert (first.text, first.deleted, first.engagement and first.engagement.likes) == (
        "고친 글",
        False,
        5,
    )
    assert (second.external_id, second.deleted) == (kept[1].external_id, True)
    [asked] = [seen for seen in server.seen if seen.path == POSTS]
    assert asked.headers["authorization"] == "Bearer t"


def test_posts_that_all_vanish_at_once_are_doubted(
    net: Net, server: WebServer, make_watch: Callable[..., Watch], now: datetime
) -> None:
    server.pages[POSTS] = said({"posts": []})
    watch = make_watch("bluesky", base_url=server.url)
    kept = [Kept(external_id=view(str(n))["uri"]) for n in range(10)]
    [batch] = Bluesky(net).refresh(watch, kept, now=now)
    assert batch.items == ()


def test_a_stale_token_is_renewed_for_the_next_round(
    net: Net, server: WebServer, make_watch: Callable[..., Watch], now: datetime
) -> None:
    server.pages[SIGN_IN] = [said({"accessJwt": "old"}), said({"accessJwt": "new"})]
    server.pages[POSTS] = [said({"error": "ExpiredToken"}, 401), said({"posts": [view("1")]})]
    poller = Bluesky(net)
    watch = make_watch("bluesky", base_url=server.url, credentials=LOGIN)
    kept = [Kept(external_id=view("1")["uri"])]
    with pytest.raises(AuthRejected):
        list(poller.refresh(watch, kept, now=now))
    [batch] = poller.refresh(watch, kept, now=now)
    assert len(batch.items) == 1


# --- the stream ---------------------------------------------------------------------------------


class Stream:
    """A Jetstream that plays events and then does as ``end`` says: hold, close, or refuse."""

    def __init__(self) -> None:
        self.events: Sequence[Any] = ()
        self.end = "hold"
        self.asked: list[dict[str, str]] = []
        self.url = ""
        self.done = threading.Event()

    def handle(self, connection: ServerConnection) -> None:
        with contextlib.suppress(Exception):
            for event in self.events:
                connection.send(event if isinstance(event, str) else json.dumps(event))
            if self.end == "hold":
                self.done.wait(5)

    def judge(self, connection: ServerConnection, request: Handshake) -> Response | None:
        parts = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.asked.append({"path": parts.path, **query})
        if self.end == "refuse":
            answer = connection.respond(HTTPStatus.TOO_MANY_REQUESTS, "slow down\n")
            answer.headers["Retry-After"] = "60"
            return answer
        return None


@pytest.fixture
def stream() -> Iterator[Stream]:
    played = Stream()
    with serve(played.handle, "127.0.0.1", 0, process_request=played.judge) as server:
        played.url = f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield played
        played.done.set()
        server.shutdown()
    thread.join(5)


def micros(moment: datetime) -> int:
    return int(moment.timestamp() * 1e6)


def event(at: datetime, text: str = "", rkey: str = "1", operation: str = "create") -> Any:
    commit: dict[str, Any] = {
        "rev": "3l",
        "operation": operation,
        "collection": "app.bsky.feed.post",
        "rkey": rkey,
    }
    if operation != "delete":
        commit["cid"] = "bafy"
        commit["record"] = {
            "$type": "app.bsky.feed.post",
            "text": text,
            "langs": ["ko"],
            "createdAt": at.astimezone(UTC).isoformat(),
        }
    return {"did": "did:plc:a", "time_us": micros(at), "kind": "commit", "commit": commit}


@pytest.fixture
def streaming(stream: Stream, make_watch: Callable[..., Watch]) -> Watch:
    return make_watch("bluesky", base_url=stream.url, mode="jetstream", brand=NURI)


def test_the_first_run_begins_now_and_brings_nothing_old(
    net: Net, stream: Stream, streaming: Watch, now: datetime
) -> None:
    stream.events = [event(now, "누리마켓")]
    [batch] = Bluesky(net).collect(streaming, State(), now=now)
    assert (batch.items, batch.complete, batch.gaps) == ((), True, ())
    assert batch.state.cursor == {"time_us": micros(now)}
    assert stream.asked == [
        {
            "path": "/subscribe",
            "wantedCollections": "app.bsky.feed.post",
            "cursor": str(micros(now) - 5_000_000),
        }
    ]


def test_a_later_run_reads_up_to_its_own_start(
    net: Net, stream: Stream, streaming: Watch, now: datetime
) -> None:
    before = now - timedelta(minutes=10)
    stream.events = [
        event(before, "오늘 점심", "0"),
        event(before + timedelta(minutes=1), "누리 마켓 배송 늦음", "1"),
        {"did": "did:plc:b", "time_us": micros(before), "kind": "identity", "identity": {}},
        event(before + timedelta(minutes=2), rkey="9", operation="delete"),
        event(before + timedelta(minutes=3), "NURI-MARKET again", "2", "update"),
        event(now + timedelta(seconds=1), "누리마켓 다음 번에", "3"),
    ]
    state = State(cursor={"time_us": micros(before)})
    [batch] = Bluesky(net).collect(streaming, state, now=now)
    assert [(item.external_id[-2:], item.deleted) for item in batch.items] == [
        ("/1", False),
        ("/9", True),
        ("/2", False),
    ]
    first = batch.items[0]
    assert first.external_id == "at://did:plc:a/app.bsky.feed.post/1"
    assert first.url == "https://bsky.app/profile/did:plc:a/post/1"
    assert first.published_at == before + timedelta(minutes=1)
    assert batch.complete
    assert batch.state.cursor == {"time_us": micros(now)}


def test_a_preview_shows_the_last_minutes(
    net: Net, stream: Stream, streaming: Watch, now: datetime
) -> None:
    stream.events = [event(now - timedelta(minutes=1), "누리마켓"), event(now, "x")]
    [batch] = Bluesky(net).peek(streaming, now=now, lanes=4)
    assert len(batch.items) == 1
    assert stream.asked[0]["cursor"] == str(micros(now - timedelta(minutes=3)) - 5_000_000)


def test_what_the_server_has_forgotten_is_a_gap(
    net: Net, stream: Stream, streaming: Watch, now: datetime
) -> None:
    stream.events = [event(now - timedelta(hours=24), "x"), event(now, "x")]
    state = State(cursor={"time_us": micros(now - timedelta(hours=30))})
    [batch] = Bluesky(net).collect(streaming, state, now=now)
    [gap] = batch.gaps
    assert (gap.from_at, gap.to_at, gap.why) == (
        now - timedelta(hours=30),
        now - timedelta(hours=24),
        GapReason.WINDOW,
    )


def test_a_stream_that_breaks_is_gone_on_with(
    net: Net, stream: Stream, streaming: Watch, now: datetime
) -> None:
    before = now - timedelta(minutes=10)
    stream.events = [event(before + timedelta(minutes=1), "누리마켓", "1")]
    stream.end = "close"
    run = Bluesky(net).collect(streaming, State(cursor={"time_us": micros(before)}), now=now)
    first = next(run)
    assert len(first.items) == 1
    assert not first.complete
    with pytest.raises(SourceUnavailable, match="broke off"):
        next(run)
    stream.events = [event(now, "x", "2")]
    stream.end = "hold"
    [second] = Bluesky(net).collect(streaming, first.state, now=now)
    assert stream.asked[-1]["cursor"] == str(micros(before) + 55_000_000)
    assert second.complete


def test_many_posts_are_stored_in_parts(
    net: Net, stream: Stream, streaming: Watch, now: datetime, monkeypatch: Any
) -> None:
    monkeypatch.setattr(bluesky, "BATCH", 3)
    before = now - timedelta(minutes=10)
    moments = [before + timedelta(seconds=n) for n in range(8)]
    stream.events = [event(at, "누리마켓", str(n)) for n, at in enumerate(moments)]
    stream.events = [*stream.events, event(now, "x")]
    batches = list(
        Bluesky(net).collect(streaming, State(cursor={"time_us": micros(before)}), now=now)
    )
    assert [len(batch.items) for batch in batches] == [3, 3, 2]
    assert [batch.complete for batch in batches] == [False, False, True]
    assert batches[0].state.cursor == {"time_us": micros(moments[2])}
    assert sum(batch.requests for batch in batches) == 1


def test_a_run_ends_in_time_and_the_next_one_goes_on(
    net: Net, stream: Stream, streaming: Watch, now: datetime, monkeypatch: Any
) -> None:
    monkeypatch.setattr(bluesky, "STREAM_SECONDS", 0.5)
    before = now - timedelta(minutes=10)
    stream.events = [event(before + timedelta(seconds=1), "누리마켓")]
    [batch] = Bluesky(net).collect(streaming, State(cursor={"time_us": micros(before)}), now=now)
    assert (len(batch.items), batch.complete) == (1, False)
    assert "goes on" in batch.notices[0]


def test_silence_is_not_taken_for_having_caught_up(
    net: Net, stream: Stream, streaming: Watch, now: datetime, monkeypatch: Any
) -> None:
    monkeypatch.setattr(bluesky, "SILENCE", 0.2)
    with pytest.raises(SourceUnavailable, match="fell silent"):
        list(Bluesky(net).collect(streaming, State(), now=now))


@pytest.mark.parametrize(
    "message",
    ["not json", "[]", '{"kind": "commit"}', json.dumps({"time_us": 1, "kind": "commit"})],
)
def test_a_stream_of_another_shape_is_told(
    net: Net, stream: Stream, streaming: Watch, now: datetime, message: str
) -> None:
    stream.events = [message] * bluesky.ODD
    with pytest.raises(LayoutChanged, match="Jetstream"):
        list(Bluesky(net).collect(streaming, State(), now=now))


def test_one_odd_record_does_not_stop_the_stream(
    net: Net, stream: Stream, streaming: Watch, now: datetime
) -> None:
    before = now - timedelta(minutes=10)
    bad = [event(before, "누리마켓", "1") for _ in range(3)]
    del bad[0]["commit"]["record"]["text"]
    bad[1]["commit"]["record"] = None
    bad[2]["commit"]["record"]["reply"] = "x"
    stream.events = [*bad, event(before, "누리마켓", "2"), event(now, "x")]
    [batch] = Bluesky(net).collect(streaming, State(cursor={"time_us": micros(before)}), now=now)
    assert [item.external_id[-2:] for item in batch.items] == ["/2"]
    assert batch.complete


def test_a_message_without_measure_is_refused(
    net: Net, stream: Stream, streaming: Watch, now: datetime
) -> None:
    stream.events = [json.dumps("x" * 1_100_000)]
    with pytest.raises(SourceUnavailable):
        list(Bluesky(net).collect(streaming, State(), now=now))


def test_a_refused_stream_says_when_to_come_back(
    net: Net, stream: Stream, streaming: Watch, now: datetime
) -> None:
    stream.end = "refuse"
    with pytest.raises(RateLimited) as caught:
        list(Bluesky(net).collect(streaming, State(), now=now))
    assert caught.value.retry_at == now + timedelta(seconds=60)
    assert caught.value.requests == 1


def test_nobody_listening_is_unavailable(
    net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    watch = make_watch("bluesky", base_url=f"http://127.0.0.1:{port}", mode="jetstream", brand=NURI)
    with pytest.raises(SourceUnavailable):
        list(Bluesky(net).collect(watch, State(), now=now))


def test_the_stream_goes_nowhere_inside_the_network(
    settings: Settings, stream: Stream, streaming: Watch, now: datetime
) -> None:
    def clock() -> datetime:
        return now

    careful = Net(settings, Guard(), Limiter(clock), clock)
    with pytest.raises(TargetForbidden):
        list(Bluesky(careful).collect(streaming, State(), now=now))
    assert stream.asked == []


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for jet.example, and its key, in one file; it is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jet.example")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("jet.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "jet.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + secret)
    return path


def test_over_tls_the_name_is_verified_and_said(
    settings: Settings, make_watch: Callable[..., Watch], now: datetime, authority: Path
) -> None:
    def clock() -> datetime:
        return now

    def lookup(host: str, port: int) -> Any:
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    hosts: list[str] = []

    def judge(connection: ServerConnection, request: Handshake) -> None:
        hosts.append(request.headers["Host"])

    played = Stream()
    played.events = [event(now, "x")]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    guard = Guard(frozenset({"jet.example", "other.example"}), lookup=lookup)
    trusting = ssl.create_default_context(cafile=str(authority))
    net = Net(settings, guard, Limiter(clock), clock, tls=trusting)
    with serve(played.handle, "127.0.0.1", 0, ssl=context, process_request=judge) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        port = server.socket.getsockname()[1]
        good, bad = (
            make_watch("bluesky", base_url=f"https://{host}:{port}", mode="jetstream", query="x")
            for host in ("jet.example", "other.example")
        )
        [batch] = Bluesky(net).collect(good, State(), now=now)
        with pytest.raises(SourceUnavailable, match=r"certificate of other\.example"):
            list(Bluesky(net).collect(bad, State(), now=now))
        played.done.set()
        server.shutdown()
    thread.join(5)
    assert batch.complete
    assert hosts == [f"jet.example:{port}"]


def test_the_stream_is_no_walk(net: Net, streaming: Watch, now: datetime) -> None:
    assert list(Bluesky(net).lanes(streaming)) == []
    assert Bluesky(net).history(streaming, State(), now=now) == ()


# --- what is asked ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "brand", "lanes"),
    [
        ({}, NURI, ["누리마켓", '"Nuri Market"']),
        (
            {},
            Brand(id=1, name="누리마켓", hashtags=("누리마켓", "누리")),
            ["누리마켓", "#누리"],
        ),
        ({"query": "a lang:ko"}, NURI, ["a lang:ko"]),
        ({"mode": "account", "account": "@a.bsky.social"}, None, ["@a.bsky.social"]),
        ({"mode": "mentions", "account": "did:plc:abc"}, None, ["@did:plc:abc"]),
    ],
)
def test_lanes_are_what_is_searched_for(
    net: Net, make_watch: Callable[..., Watch], params: Any, brand: Any, lanes: list[str]
) -> None:
    assert list(Bluesky(net).lanes(make_watch("bluesky", brand=brand, **params))) == lanes


@pytest.mark.parametrize(
    ("params", "brand", "field"),
    [
        ({}, None, "query"),
        ({"mode": "account"}, Brand(id=1, name="x"), "account"),
        ({"mode": "mentions", "account": "no account"}, None, "account"),
        ({"mode": "jetstream"}, None, "query"),
        ({"mode": "jetstream", "query": " , !"}, NURI, "query"),
    ],
)
def test_watches_that_make_no_sense_are_told(
    net: Net, make_watch: Callable[..., Watch], now: datetime, params: Any, brand: Any, field: str
) -> None:
    watch = make_watch("bluesky", brand=brand, **params)
    with pytest.raises(InvalidInput) as caught:
        list(Bluesky(net).collect(watch, State(), now=now))
    assert caught.value.field == field
