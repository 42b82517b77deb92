"""Each source can be sent to another server by its settings alone, as the owner of an install does
it: no connection, only ``LISTENER_<SOURCE>__BASE_URL`` and ``LISTENER_<SOURCE>__<CREDENTIAL>``.

The pages are those of ``tests/fixtures``; what comes of them must be what comes of them with a
connection. A request to any host but the server's would be refused and end the run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from listener.collect.registry import Registry, check_params, find_pollers, spec_json
from listener.net.client import Net
from listener.pipeline.collect import Runner
from listener.types import Brand, Connection, MatchMode, SourceSpec, State, Watch
from webserver import Play, WebServer

FIXTURES = Path(__file__).parents[2] / "fixtures"
# Beside ``ok``, other ways into a source: each may have a host and credentials of its own.
MODES = {
    "account",
    "anonymous-first-run",
    "api",
    "api-comments",
    "api-search",
    "channel",
    "comments",
    "connect",
    "countries",
    "mentions",
    "ok",
    "ok-on-the-hub",
    "public",
    "search",
}
CASES = [
    path.parent
    for source in sorted(find_pollers())
    for path in sorted((FIXTURES / source).glob("*/meta.json"))
    if path.parent.name in MODES
]
BY_ADDRESS = {"discourse", "feed"}  # what is watched is an address: the setting takes its place
FAR = "https://far.example"


@pytest.fixture(scope="module")
def one_server() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_settings_alone_lead_to_another_server(
    case: Path,
    one_server: WebServer,
    make_net: Callable[..., Net],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, source = one_server, find_pollers()[case.parent.name]
    known = FAR if source.spec.name in BY_ADDRESS else server.url

    def filled(text: str) -> str:
        return text.replace("{server}", known).replace("{host}", known.partition("://")[2])

    meta = json.loads(filled((case / "meta.json").read_text(encoding="utf-8")))
    given, run = meta["watch"], meta["runs"][0]
    now = datetime.fromisoformat(run["now"])
    for name, value in settings_of(source.spec, given, server).items():
        monkeypatch.setenv(name, value)
    server.play({path: play(case, told, filled) for path, told in run["pages"].items()})
    server.seen.clear()
    collector = source(make_net(clock=lambda: now, **meta.get("settings", {})))
    runner = Runner(
        database=cast("Any", None),  # resolving asks nobody
        ingest=cast("Any", None),
        registry=Registry({source.spec.name: collector}),
        secrets=cast("Any", None),
        clock=lambda: now,
    )

    watch = runner.resolve(a_watch(source.spec, given))
    batches = list(collector.collect(watch, State(), now=now))

    expected = json.loads(filled((case / "expected.json").read_text(encoding="utf-8")))["runs"][0]
    items = [told_of(item) for batch in batches for item in batch.items]
    assert items
    assert items == [item for batch in expected["batches"] for item in batch["items"]]
    assert len(server.seen) == len(expected["asked"])


def settings_of(spec: SourceSpec, given: Mapping[str, Any], server: WebServer) -> dict[str, str]:
    """The environment that does what the case's connection does, as the source names it."""
    told = spec_json(spec)
    credentials = given.get("credentials") or {}
    return {told["base_url_setting"]: server.url} | {
        one["setting"]: credentials[one["name"]]
        for one in told["credentials"]
        if one["name"] in credentials
    }


def a_watch(spec: SourceSpec, given: Mapping[str, Any]) -> Watch:
    """The case's watch, without a connection."""
    brand = given.get("brand")
    parts = {k: tuple(v) if isinstance(v, list) else v for k, v in (brand or {}).items()}
    return Watch(
        id=1,
        source=spec.name,
        params=check_params(spec, given.get("params", {})),
        match=MatchMode.TERMS,
        every=timedelta(minutes=10),
        brand=Brand(**{"id": 1, **parts}) if brand else None,
        connection=Connection(source=spec.name),
    )


def play(case: Path, told: Any, filled: Callable[[str], str]) -> Any:
    if isinstance(told, list):
        return [play(case, one, filled) for one in told]
    body = (case / told["file"]).read_bytes() if "file" in told else b""
    return Play(
        body=body.replace(b"{server}", filled("{server}").encode()),
        status=told.get("status", 200),
        headers=told.get("headers", {}),
    )


def told_of(value: Any) -> Any:
    """An item as fixtures tell it: what differs from its default, without the raw answer."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if is_dataclass(value):
        return {
            field.name: told_of(getattr(value, field.name))
            for field in fields(value)
            if field.name != "raw" and getattr(value, field.name) != field.default
        }
    return list(value) if isinstance(value, tuple) else value
