"""Every source with a recorded good answer, played with faults: nothing is lost, nobody is
hammered, no credential gets out.

The pages are those of ``tests/fixtures/<source>/ok``, and of cases whose ``meta.json`` says
``"faults": true`` (other ways into the same source). A fault stands in for the first answer, for
all of them, or for the last one that a good run needs and what comes after.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from listener.collect.registry import check_params, find_pollers
from listener.errors import RateLimited, SourceError
from listener.net.client import Net
from listener.types import Batch, Brand, State, Watch
from webserver import Play, Seen, WebServer

FIXTURES = Path(__file__).parents[2] / "fixtures"
CASES = [
    path.parent
    for source in sorted(find_pollers())
    for path in sorted((FIXTURES / source).glob("*/meta.json"))
    if path.parent.name == "ok" or json.loads(path.read_text(encoding="utf-8")).get("faults")
]
MORE = 6  # requests beyond those of a good run: other addresses of the same page, never a loop
AFTER_429 = 1  # "slow down" is told once; a second request may be under way to another account
HTML = {"Content-Type": "text/html; charset=utf-8"}
JSON = {"Content-Type": "application/json"}
SOME = b'{"data": [' + b'{"id": 1},' * 200
FAULTS = {
    "slow down": Play('{"error": "too many requests"}', 429, {"Retry-After": "600", **JSON}),
    "server error": Play(status=500, headers=JSON),
    "truncated": Play(SOME, headers=JSON, how="truncated"),
    "reset": Play(SOME, headers=JSON, how="reset"),
    "drip": Play(SOME, headers=JSON, how="drip"),
    "bad gzip": Play(b"\x1f\x8b\x08this is no gzip", headers={"Content-Encoding": "gzip", **JSON}),
    "block page": Play(
        "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>"
        '<div id="cf-wrapper"><script src="/cdn-cgi/challenge-platform/h/g/orchestrate"></script>'
        "</div></body></html>",
        headers=HTML,
    ),
    "redirect": Play(status=302, headers={"Location": "{other}/elsewhere"}),
}
WHO = {"identifier", "username", "client_id", "key_id", "issuer_id"}  # say who, prove nothing
# Signing in anew, as each run here has a client of its own; the app's name, once a day.
SIGNING_IN = {"/token", "/api/v1/access_token", "/xrpc/com.atproto.server.createSession", "/lookup"}
# Asked beside the listing in each run: answers to questions, counts of the videos followed.
BESIDE = {"stackexchange": 1, "youtube": 1}
SECONDS = 0.1  # for a request, where answers drip


class Faulty(WebServer):
    """Plays ``fault`` instead of the answers from number ``start`` to before ``stop``."""

    def __init__(self) -> None:
        super().__init__()
        self.fault = Play()
        self.active = self.echo = False
        self.start = self.stop = self.count = 0

    def _next(self, full: str, path: str) -> Play:
        number, self.count = self.count, self.count + 1
        if self.active and self.start <= number < self.stop:
            return replace(self.fault, body=self._echo()) if self.echo else self.fault
        return super()._next(full, path)

    def _echo(self) -> str:
        """An error that tells what was sent: some servers do."""
        sent = self.seen[-1]
        told = [sent.headers.get("authorization", ""), sent.body.decode(), *sent.query.values()]
        return json.dumps({"error": {"message": f"no luck with {' '.join(filter(None, told))}"}})


@dataclass
class Case:
    """A source with its good pages and a watch on them."""

    source: str
    watch: Watch
    now: datetime
    pages: Mapping[str, Play | Sequence[Play]]
    settings: Mapping[str, Any]


@dataclass
class Result:
    """What a run came to: its batches, the state it left, why it ended, what was asked."""

    batches: list[Batch] = field(default_factory=list)
    state: State = field(default_factory=State)
    error: SourceError | None = None
    seen: list[Seen] = field(default_factory=list)

    @property
    def items(self) -> set[tuple[str, str, str]]:
        return {
            (item.namespace, item.external_id, item.text)
            for batch in self.batches
            for item in batch.items
        }


@pytest.fixture(scope="module")
def faulty() -> Iterator[Faulty]:
    with Faulty() as server:
        yield server


@pytest.fixture(scope="module")
def other() -> Iterator[WebServer]:
    """Where redirects lead: another origin."""
    with WebServer() as server:
        server.play({"/elsewhere": Play(status=503)})
        yield server


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("folder", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_a_fault_costs_nothing_but_time(
    folder: Path,
    fault: str,
    faulty: Faulty,
    other: WebServer,
    make_net: Callable[..., Net],
    make_watch: Callable[..., Watch],
) -> None:
    case = a_case(folder, faulty, make_watch)

    def a_net(**more: Any) -> Net:
        return make_net(clock=lambda: case.now, **{**case.settings, **more})

    good = collect(case, faulty, a_net())
    assert good.error is None
    assert good.items
    needed, began = len(good.seen), case.now
    secrets = secrets_of(case, good)
    faulty.fault = filled(FAULTS[fault], other)
    faulty.echo = fault == "server error"
    spans = sorted({(0, 1), (0, 1_000), (needed - 1, 1_000)})
    for faulty.start, faulty.stop in spans[:1] if fault == "drip" else spans:
        case = replace(case, now=began)
        where = f"{fault} instead of answers {faulty.start} to {faulty.stop}"
        other.seen.clear()
        net = a_net(request_timeout=SECONDS) if fault == "drip" else a_net()
        bad = collect(case, faulty, net, faults=True)

        # Nobody is hammered.
        assert len(bad.seen) <= needed + MORE, where
        if fault == "slow down" and isinstance(bad.error, RateLimited):
            assert len(bad.seen) <= faulty.start + 1 + AFTER_429, where
            again = collect(case, faulty, net)
            assert isinstance(again.error, RateLimited), where
            refused = {seen.path for seen in bad.seen[faulty.start : faulty.stop]}
            asked = {seen.path for seen in again.seen}  # a source may have limits of several kinds
            assert not refused & asked, f"asked before it was time: {where}"

        # Nothing is lost: what this run did not bring, the next one does.
        if bad.error is not None:
            assert not any(batch.complete for batch in bad.batches), where
        elif bad.items != good.items:
            # Put off until the source has had its rest, and said so.
            assert any(batch.notices or batch.suspect for batch in bad.batches), where
            case = replace(case, now=case.now + timedelta(days=1))
        if bad.error is not None or bad.items != good.items:
            later = collect(case, faulty, a_net(), state=bad.state)
            assert later.error is None, f"{later.error!r} after {where}"
            assert bad.items | later.items == good.items, where
            assert any(batch.complete for batch in later.batches), where

        # No secret gets out.
        told = f"{bad.error!r} {bad.error} {[batch.notices for batch in bad.batches]}"
        abroad = repr(other.seen)
        for secret in secrets:
            assert secret not in told, f"told in an error: {where}"
            assert secret not in abroad, f"sent to another host: {where}"


@pytest.mark.parametrize("folder", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_where_nothing_is_new_each_listing_is_asked_for_once(
    folder: Path,
    faulty: Faulty,
    make_net: Callable[..., Net],
    make_watch: Callable[..., Watch],
) -> None:
    case = a_case(folder, faulty, make_watch)
    net = make_net(clock=lambda: case.now, **case.settings)
    first = collect(case, faulty, net)
    for hours in (1, 2):
        case = replace(case, now=case.now + timedelta(hours=hours))
        again = collect(case, faulty, net, state=first.state)
        assert again.error is None
        assert again.items <= first.items
        lanes = len(find_pollers()[case.source](net).lanes(case.watch))
        asked = [seen.path for seen in again.seen if seen.path not in SIGNING_IN]
        assert len(asked) <= lanes + BESIDE.get(case.source, 0), asked
        first = again


def collect(
    case: Case, server: Faulty, net: Net, *, state: State | None = None, faults: bool = False
) -> Result:
    """A run from the state on, to its end or its error; anything but a SourceError is raised."""
    server.play(case.pages)
    server.seen.clear()
    server.count, server.active = 0, faults
    result = Result(state=state or State())
    try:
        for batch in find_pollers()[case.source](net).collect(
            case.watch, result.state, now=case.now
        ):
            result.batches.append(batch)
            result.state = batch.state
    except SourceError as error:
        result.error = error
    result.seen = list(server.seen)
    return result


def a_case(folder: Path, server: WebServer, make_watch: Callable[..., Watch]) -> Case:
    """A good case of a source, as recorded."""
    source = folder.parent.name
    text = (folder / "meta.json").read_text(encoding="utf-8").replace("{server}", server.url)
    meta = json.loads(text)
    given, run = meta.get("watch", {}), meta["runs"][0]
    brand = given.get("brand")
    params = check_params(find_pollers()[source].spec, given.get("params", {}))
    watch = make_watch(
        source,
        base_url=given.get("base_url"),
        credentials=given.get("credentials"),
        brand=Brand(
            **{"id": 1} | {k: tuple(v) if isinstance(v, list) else v for k, v in brand.items()}
        )
        if brand
        else None,
        **params,
    )

    def play(told: Any) -> Any:
        if isinstance(told, list):
            return [play(one) for one in told]
        body = (folder / told["file"]).read_bytes() if "file" in told else b""
        return Play(
            body=body.replace(b"{server}", server.url.encode()),
            status=told.get("status", 200),
            headers=told.get("headers", {}),
            how=told.get("how", ""),
        )

    return Case(
        source=source,
        watch=watch,
        now=datetime.fromisoformat(run["now"]),
        pages={path: play(told) for path, told in run["pages"].items()},
        settings=meta.get("settings", {}),
    )


def secrets_of(case: Case, good: Result) -> frozenset[str]:
    """The credentials, and what a good run made of them and sent."""
    credentials = case.watch.connection.credentials
    found = {value for name, value in credentials.items() if name not in WHO}
    for seen in good.seen:
        sent = seen.headers.get("authorization", "")
        found |= {sent, sent.rpartition(" ")[2]}
    return frozenset(one for one in found if len(one) >= 4)


def filled(play: Play, other: WebServer) -> Play:
    """The fault with the other server's address."""
    headers = {name: value.replace("{other}", other.url) for name, value in play.headers.items()}
    return replace(play, headers=headers)
