"""Answers that lose a field, for every source: each key of a good answer is taken away, emptied,
or given another type, in all rows at once, as it happens when a platform changes its API.

What may come of it: the items without what was lost; or ``LayoutChanged``, which says what is
missing. Never a traceback, and never nothing at all from a run that calls itself fine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from listener.collect.registry import check_params, find_pollers
from listener.errors import InvalidInput, LayoutChanged, SourceError
from listener.net.client import Net
from listener.net.page import Page, Request, lower
from listener.text import to_mention
from listener.types import Brand, RawItem, State, Watch
from webserver import Play, WebServer

FIXTURES = Path(__file__).parents[2] / "fixtures"
CASES = [
    *(FIXTURES / source / "ok" for source in sorted(find_pollers())),
    FIXTURES / "feed" / "json-feed",
    FIXTURES / "reddit" / "api",
]
BODIES = [
    (case, path.name)
    for case in CASES
    for path in sorted(case.glob("*.json"))
    if path.name not in ("expected.json", "meta.json") and len(path.read_bytes()) > 30
]
ROW = "*"  # in a path: every element of a list
WAYS: dict[str, Callable[[Any], Any]] = {
    "missing": lambda value: None,
    "null": lambda value: None,
    "of another type": lambda value: 7 if isinstance(value, str | list | dict) else "oops",
}
ODD = ("", "null", "[]", "{}", '"oops"', "3", '{"error": {"code": 500, "message": "sorry"}}')
NONE_THERE = {("gdelt", "{}"), ("googleplay", "{}"), ("mastodon", "[]")}  # is how they say so
# Where a missing key means by the API's own documentation that there is nothing.
NOTHING = {
    ("gdelt", "articles"),  # nothing found: {}
    ("googleplay", "reviews"),  # no reviews in the last week: {}
    ("x", "data"),
}


class Played(WebServer):
    """A server that answers a request in the test's own process as well: there are thousands."""

    now: datetime

    def fetch(self, request: Request) -> Page:
        parts = urlsplit(request.full_url)
        full = f"{parts.path}?{parts.query}" if parts.query else parts.path
        play = self._next(full, parts.path)
        body = play.body.encode() if isinstance(play.body, str) else play.body
        return Page(
            url=request.full_url,
            asked=request.url,
            status=play.status,
            headers=lower(play.headers.items()),
            body=body,
            now=self.now,
        )


@pytest.fixture(scope="module")
def one_server() -> Iterator[Played]:
    with Played() as server:
        yield server


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("case", "body"), BODIES, ids=lambda one: one if isinstance(one, str) else one.parent.name
)
def test_a_lost_field_is_told_or_does_without(
    case: Path,
    body: str,
    way: str,
    one_server: Played,
    make_net: Callable[..., Net],
    make_watch: Callable[..., Watch],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, source = one_server, case.parent.name
    meta = json.loads((case / "meta.json").read_text("utf-8").replace("{server}", server.url))
    watch, now = a_watch(source, meta["watch"], make_watch), a_time(meta)
    good = json.loads((case / body).read_text("utf-8").replace("{server}", server.url))
    server.now = now
    net = make_net(clock=lambda: now, **meta.get("settings", {}))
    monkeypatch.setattr(net, "fetch", lambda request, **_: server.fetch(request))
    for path in dict.fromkeys(paths(good)):
        told = json.loads(json.dumps(good))
        change(told, path, way)
        server.play(
            {
                address: plays(case, play, server, body, json.dumps(told))
                for address, play in meta["runs"][0]["pages"].items()
            }
        )
        where = f"{'.'.join(path)} {way} in {source}/{case.name}/{body}"
        items: list[RawItem] = []
        words: list[str] = []
        unnamed = False
        try:
            for batch in find_pollers()[source](net).collect(watch, State(), now=now):
                items += batch.items
                words += [*batch.notices, *filter(None, [batch.suspect])]
        except LayoutChanged as error:
            words.append(error.message)
            unnamed = not any(name in error.message for name in (*path, "a list"))
        except SourceError as error:
            words.append(error.message)
        words += refused(items, source, now)
        assert not (unnamed and way == "missing" and "unknown shape" in words[-1]), (
            f"{words[-1]} is said of {where}"
        )
        assert items or words or (source, path[-1]) in NOTHING, f"nothing is said of {where}"


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    ("case", "body"), BODIES, ids=lambda one: one if isinstance(one, str) else one.parent.name
)
def test_an_answer_that_is_something_else_is_told(
    case: Path,
    body: str,
    odd: str,
    one_server: Played,
    make_net: Callable[..., Net],
    make_watch: Callable[..., Watch],
) -> None:
    server, source = one_server, case.parent.name
    meta = json.loads((case / "meta.json").read_text("utf-8").replace("{server}", server.url))
    watch, now = a_watch(source, meta["watch"], make_watch), a_time(meta)
    pages = meta["runs"][0]["pages"]
    server.play({path: plays(case, told, server, body, odd) for path, told in pages.items()})
    net = make_net(clock=lambda: now, **meta.get("settings", {}))
    items: list[RawItem] = []
    words: list[str] = []
    try:
        for batch in find_pollers()[source](net).collect(watch, State(), now=now):
            items += batch.items
            words += [*batch.notices, *filter(None, [batch.suspect])]
    except SourceError as error:
        words.append(error.message)
    assert items or words or (source, odd) in NONE_THERE


@pytest.mark.parametrize("way", ["missing", "null"])
@pytest.mark.parametrize("name", ["feed/ok", "feed/atom", "reddit/ok"])
def test_a_lost_element_of_a_feed_is_told_or_does_without(
    name: str,
    way: str,
    one_server: Played,
    make_net: Callable[..., Net],
    make_watch: Callable[..., Watch],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, case, source = one_server, FIXTURES / name, name.partition("/")[0]
    meta = json.loads((case / "meta.json").read_text("utf-8").replace("{server}", server.url))
    watch, now = a_watch(source, meta["watch"], make_watch), a_time(meta)
    (address, play), *_ = meta["runs"][0]["pages"].items()
    good = (case / play["file"]).read_text("utf-8").replace("{server}", server.url)
    server.now = now
    net = make_net(clock=lambda: now, **meta.get("settings", {}))
    monkeypatch.setattr(net, "fetch", lambda request, **_: server.fetch(request))
    for element in sorted(set(re.findall(r"<([a-zA-Z:]+)", good)) - {"rss", "channel", "feed"}):
        pattern = rf"<{element}\b[^>]*?(/>|>.*?</{element}>)"
        told = re.sub(pattern, "" if way == "missing" else f"<{element}/>", good, flags=re.DOTALL)
        server.play({address: Play(told, headers=play.get("headers", {}))})
        items: list[RawItem] = []
        words: list[str] = []
        try:
            for batch in find_pollers()[source](net).collect(watch, State(), now=now):
                items += batch.items
                words += [*batch.notices, *filter(None, [batch.suspect])]
        except SourceError as error:
            words.append(error.message)
        words += refused(items, source, now)
        where = f"<{element}> {way} in {name}"
        assert items or words or element in ("entry", "item"), f"nothing is said of {where}"


def refused(items: Iterable[RawItem], source: str, now: datetime) -> Iterator[str]:
    """What ingest says of items that it does not take; they are told with the run."""
    for item in items:
        try:
            to_mention(item, source, now)
        except InvalidInput as refusal:
            yield str(refusal)


def paths(value: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The way to every key of an answer, lists taken as one row."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*at, name)
            yield from paths(inner, (*at, name))
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner, (*at, ROW))


def change(value: Any, path: tuple[str, ...], way: str) -> None:
    """Take the key away, or give it another value, wherever the path leads."""
    first, *rest = path
    if first == ROW:
        for inner in value if isinstance(value, list) else ():
            change(inner, tuple(rest), way)
    elif isinstance(value, dict) and first in value:
        if rest:
            change(value[first], tuple(rest), way)
        elif way == "missing":
            del value[first]
        else:
            value[first] = WAYS[way](value[first])


def plays(case: Path, told: Any, server: WebServer, changed: str, text: str) -> Any:
    if isinstance(told, list):
        return [plays(case, one, server, changed, text) for one in told]
    body = text.encode()
    if told.get("file") != changed:
        body = (case / told["file"]).read_bytes() if "file" in told else b""
        body = body.replace(b"{server}", server.url.encode())
    return Play(body, told.get("status", 200), told.get("headers", {}))


def a_watch(source: str, given: dict[str, Any], make_watch: Callable[..., Watch]) -> Watch:
    brand = {k: tuple(v) if isinstance(v, list) else v for k, v in given.get("brand", {}).items()}
    return make_watch(
        source,
        base_url=given.get("base_url"),
        credentials=given.get("credentials"),
        brand=Brand(id=1, **brand) if brand else None,
        **check_params(find_pollers()[source].spec, given.get("params", {})),
    )


def a_time(meta: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(meta["runs"][0]["now"])
