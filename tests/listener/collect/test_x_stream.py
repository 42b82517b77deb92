"""X's filtered stream: search closes the way, rules come and go, posts are taken as they come."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from builders import NOW
from fakex import FIRST, FakeX
from listener.collect.sources.x import X
from listener.errors import BudgetExhausted, LayoutChanged
from listener.net.budget import Receipt
from listener.net.client import Net
from listener.types import Batch, State, Watch
from webserver import Play, Seen

TAG = "listener-1"
GOODBYE = {
    "errors": [
        {
            "title": "operational-disconnect",
            "disconnect_type": "OperationalDisconnect",
            "detail": "This stream has been disconnected for operational reasons.",
            "type": "https://api.twitter.com/2/problems/operational-disconnect",
        }
    ]
}


class Streaming(FakeX):
    """FakeX with rules and a stream of these lines."""

    def __init__(self) -> None:
        super().__init__(NOW, 3)
        self.rules: dict[str, dict[str, str]] = {
            "7": {"id": "7", "value": "old", "tag": TAG},
            "8": {"id": "8", "value": "other", "tag": "of somebody else"},
        }
        self.lines: list[bytes] = []
        self.refusal: Play | None = None
        self.rules_while_open: list[str] = []

    def line(self, number: int, tag: str = TAG) -> bytes:
        told = {
            "data": self._post(number),
            "includes": {"users": [{"id": str(number), "username": f"user{number}"}]},
            "matching_rules": [{"id": "9", "tag": tag}],
        }
        return json.dumps(told).encode()

    def _next(self, full: str, path: str) -> Play:
        return Play() if "/stream" in path else super()._next(full, path)

    def _send(self, handler: BaseHTTPRequestHandler, play: Play, seen: Seen) -> None:
        kind = {"Content-Type": "application/json"}
        if seen.path.endswith("/stream/rules"):
            super()._send(handler, Play(json.dumps(self._ruled(seen)), 200, kind), seen)
        elif seen.path.endswith("/search/stream") and self.refusal is None:
            self.rules_while_open = [one["tag"] for one in self.rules.values()]
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
            for line in self.lines:
                handler.wfile.write(line + b"\r\n")
                handler.wfile.flush()
        elif seen.path.endswith("/search/stream") and self.refusal is not None:
            super()._send(handler, self.refusal, seen)
        else:
            super()._send(handler, play, seen)

    def _ruled(self, seen: Seen) -> dict[str, Any]:
        if seen.method == "GET":
            return {"data": list(self.rules.values()), "meta": {}}
        asked = json.loads(seen.body)
        for one in asked.get("add", []):
            self.rules["9"] = {"id": "9", **one}
        for one in asked.get("delete", {}).get("ids", []):
            del self.rules[one]
        return {"meta": {"summary": {}}}


@pytest.fixture
def streaming() -> Iterator[Streaming]:
    with Streaming() as server:
        yield server


@pytest.fixture
def run(
    net: Net, streaming: Streaming, make_watch: Callable[..., Watch]
) -> Callable[..., list[Batch]]:
    """One run of a watch in stream mode."""

    def collect(state: State = State(), on: Net = net) -> list[Batch]:  # noqa: B008 - frozen
        watch = make_watch(
            "x",
            base_url=streaming.url,
            credentials={"bearer_token": "t"},
            mode="stream",
            query="하늘",
            minutes="1",
        )
        return list(X(on).collect(watch, state, now=NOW))

    return collect


def ids(batches: list[Batch]) -> list[int]:
    return [int(item.external_id) - FIRST for batch in batches for item in batch.items]


def test_search_closes_the_way_and_the_stream_goes_on(
    streaming: Streaming, run: Callable[..., list[Batch]]
) -> None:
    streaming.lines = [
        streaming.line(4),
        b"",
        streaming.line(5, "of somebody else"),
        b"",
        streaming.line(6),
        json.dumps(GOODBYE).encode(),
    ]
    batches = run()
    assert ids(batches) == [3, 2, 1, 4, 6]
    assert batches[-1].complete
    assert batches[-1].notices == ("This stream has been disconnected for operational reasons.",)
    # The rule stood while the stream was open, an old one was replaced, a stranger's was let be.
    assert sorted(streaming.rules_while_open) == [TAG, "of somebody else"]
    assert [one["tag"] for one in streaming.rules.values()] == ["of somebody else"]
    stream = next(one for one in streaming.seen if one.path.endswith("/search/stream"))
    assert stream.headers["authorization"] == "Bearer t"
    assert "author_id" in stream.query["expansions"]


def test_the_mark_follows_the_stream_at_a_distance(
    streaming: Streaming, run: Callable[..., list[Batch]]
) -> None:
    streaming.count = 3
    streaming.lines = [streaming.line(4), streaming.line(5), json.dumps(GOODBYE).encode()]
    batches = run()
    streaming.lines, streaming.count = [], 6
    streaming.now = NOW + timedelta(minutes=3)
    before = len(streaming.seen)
    again = run(batches[-1].state)
    # They are a minute apart: the last one is too fresh to be sure of what came before it.
    assert streaming.seen[before].query["since_id"] == str(FIRST + 4)
    assert ids(again) == [6, 5]


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (
            Play(
                '{"title":"ConnectionException","connection_issue":"TooManyConnections",'
                '"detail":"This stream is currently at the maximum allowed connection limit."}',
                429,
            ),
            "maximum allowed connection limit",
        ),
        (Play("", 503), "broke off"),
    ],
)
def test_a_stream_that_is_not_to_be_had_is_a_notice(
    streaming: Streaming, run: Callable[..., list[Batch]], refusal: Play, said: str
) -> None:
    streaming.refusal = refusal
    batches = run()
    assert ids(batches) == [3, 2, 1]
    assert said in batches[-1].notices[0]
    assert batches[-1].complete


def test_lines_of_an_unknown_shape_are_told(
    streaming: Streaming, run: Callable[..., list[Batch]]
) -> None:
    streaming.lines = [b'{"post": 1}']
    with pytest.raises(LayoutChanged, match="stream"):
        run()
    assert [one["tag"] for one in streaming.rules.values()] == ["of somebody else"]


class Purse:
    """A ledger with so many slices."""

    def __init__(self, slices: int) -> None:
        self.slices, self.back = slices, 0

    def spend(self, purse: str, charge: dict[str, int], **_: Any) -> Receipt:
        if charge.get("post") == 20 and "calls" not in charge:
            self.slices -= 1
            if self.slices < 0:
                raise BudgetExhausted("Used up.")
        return Receipt(purse=purse, lines=(), prices=(), background=False, held=True)

    def settle(self, receipt: Receipt, used: dict[str, int]) -> None:
        self.back += 1

    def room(self, purse: str, each: dict[str, int], **_: Any) -> int | None:
        return None


def test_the_stream_ends_when_the_budget_does(
    streaming: Streaming,
    run: Callable[..., list[Batch]],
    net: Net,
    make_watch: Callable[..., Watch],
) -> None:
    streaming.lines = [streaming.line(n) for n in range(4, 60)]
    net._ledger = Purse(2)  # type: ignore[assignment]
    watch = make_watch(
        "x",
        base_url=streaming.url,
        credentials={"bearer_token": "t"},
        mode="stream",
        query="하늘",
        minutes="1",
    )
    seen: list[int] = []
    batches = X(net).collect(watch, State(), now=NOW)
    with pytest.raises(BudgetExhausted):
        seen.extend(n for batch in batches for n in ids([batch]))
    assert len(seen) == 3 + 40  # two slices of twenty, all of them kept
    assert [one["tag"] for one in streaming.rules.values()] == ["of somebody else"]
