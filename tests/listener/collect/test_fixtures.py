"""Recorded answers of sources, played over HTTP: what goes in, and what a source makes of it.

A case is a folder ``tests/fixtures/<source>/<case>/``: ``meta.json`` says what the watch asks and
what the server plays, other files are bodies, ``expected.json`` or ``error.json`` is the result.
``{server}`` stands for the server's address everywhere. With ``FIXTURES_UPDATE=1`` the results are
written instead of compared: read the diff.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from listener.collect.registry import check_params, find_pollers
from listener.errors import SourceError
from listener.net.client import Net
from listener.types import Batch, Brand, RawItem, State, Watch
from webserver import Play, WebServer

FIXTURES = Path(__file__).parents[2] / "fixtures"
CASES = [
    path.parent
    for source in sorted(find_pollers())
    for path in sorted((FIXTURES / source).glob("*/meta.json"))
]
NEEDED = {"ok", "empty", "changed-layout"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_case(
    case: Path,
    server: WebServer,
    make_net: Callable[..., Net],
    make_watch: Callable[..., Watch],
) -> None:
    meta = json.loads(_filled(case / "meta.json", server))
    source = case.parent.name
    poller = find_pollers()[source]
    given = meta.get("watch", {})
    watch = make_watch(
        source,
        base_url=given.get("base_url"),
        credentials=given.get("credentials"),
        brand=_brand(given.get("brand")),
        **check_params(poller.spec, given.get("params", {})),
    )
    state, results = State(), []
    derived: dict[str, None] = {}
    for run in meta["runs"]:
        server.play({path: _play(case, play, server) for path, play in run["pages"].items()})
        now = datetime.fromisoformat(run["now"])
        net = make_net(clock=lambda now=now: now, **meta.get("settings", {}))
        asked = len(server.seen)
        result: dict[str, Any] = {"batches": []}
        try:
            for batch in poller(net).collect(watch, state, now=now):
                result["batches"].append(_told(batch))
                derived |= {item.external_id: None for item in batch.items if item.derived}
                state = batch.state
        except SourceError as error:
            result["error"] = _error(error)
        result["asked"] = [_asked(seen) for seen in server.seen[asked:]]
        assert result["batches"] or "error" in result
        assert sum(batch["requests"] for batch in result["batches"]) <= len(result["asked"])
        results.append(result)

    name = "error.json" if "error" in results[-1] else "expected.json"
    text = json.dumps({"runs": results}, ensure_ascii=False, indent=2).replace(
        server.url, "{server}"
    )
    text = text.replace(f"127.0.0.1:{server.port}", "{host}")
    for number, name_made in enumerate(derived):  # made of the server's address among others
        text = text.replace(name_made, f"derived-{number}")
    if os.environ.get("FIXTURES_UPDATE"):
        (case / name).write_text(text + "\n", encoding="utf-8")
    assert json.loads(text) == json.loads((case / name).read_text(encoding="utf-8"))
    other = case / ({"error.json", "expected.json"} - {name}).pop()
    assert not other.exists()


@pytest.mark.parametrize("source", sorted(find_pollers()))
def test_each_source_has_the_cases_that_all_need(source: str) -> None:
    assert {case.name for case in CASES if case.parent.name == source} >= NEEDED


def _filled(path: Path, server: WebServer) -> str:
    return path.read_text(encoding="utf-8").replace("{server}", server.url)


def _play(case: Path, play: Any, server: WebServer) -> Any:
    if isinstance(play, list):
        return [_play(case, one, server) for one in play]
    body: bytes = b""
    if "file" in play:
        body = (case / play["file"]).read_bytes().replace(b"{server}", server.url.encode())
    return Play(
        body=body,
        status=play.get("status", 200),
        headers=play.get("headers", {}),
        how=play.get("how", ""),
    )


def _brand(given: Any) -> Brand | None:
    if not given:
        return None
    parts = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
    return Brand(**{"id": 1, **parts})


def _told(batch: Batch) -> dict[str, Any]:
    """A batch as JSON: only what it says, the state without what only identifies what was seen."""
    told: dict[str, Any] = {
        "items": [_item(item) for item in batch.items],
        "complete": batch.complete,
    }
    for gap in batch.gaps:
        told.setdefault("gaps", []).append(
            {"from": _time(gap.from_at), "to": _time(gap.to_at), "why": gap.why.value}
        )
    for rest in batch.rest:
        told.setdefault("rest", []).append(
            {
                "cursor": _without_seen(rest.state.cursor),
                "gap": rest.gap and {"from": _time(rest.gap.from_at), "to": _time(rest.gap.to_at)},
            }
        )
    for rating in batch.ratings:
        told.setdefault("ratings", []).append(
            {
                field.name: _plain(getattr(rating, field.name))
                for field in fields(rating)
                if getattr(rating, field.name) != field.default
            }
        )
    if batch.notices:
        told["notices"] = list(batch.notices)
    if batch.unchanged:
        told["unchanged"] = True
    if batch.suspect:
        told["suspect"] = batch.suspect
    if batch.next_at:
        told["next_at"] = _time(batch.next_at)
    told["requests"] = batch.requests
    told["cursor"] = _without_seen(batch.state.cursor)
    return told


def _without_seen(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_seen(v) if k != "seen" else len(v) for k, v in value.items()}
    return value


def _item(item: RawItem) -> dict[str, Any]:
    return {
        field.name: _plain(getattr(item, field.name))
        for field in fields(item)
        if field.name != "raw" and getattr(item, field.name) != field.default
    }


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return _time(value)
    if hasattr(value, "__dataclass_fields__"):
        return {
            field.name: _plain(getattr(value, field.name))
            for field in fields(value)
            if getattr(value, field.name) != field.default
        }
    return list(value) if isinstance(value, tuple) else value


def _time(value: datetime | None) -> str | None:
    return value.isoformat().replace("+00:00", "Z") if value else None


def _error(error: SourceError) -> dict[str, Any]:
    told = {"code": error.code, "message": error.message, "hint": error.hint}
    if error.retry_at:
        told["retry_at"] = _time(error.retry_at)
    return {name: value for name, value in told.items() if value}


def _asked(seen: Any) -> str:
    query = "&".join(
        f"{name}={value}" for name, value in sorted(seen.query.items()) if "." not in name
    )
    return f"{seen.path}?{query}" if query else seen.path
