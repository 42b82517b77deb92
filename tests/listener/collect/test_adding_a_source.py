"""The made-up source of docs/adding-a-source.md does what that page promises."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from listener.collect.base import Poller
from listener.collect.registry import check_params, spec_json
from listener.errors import LayoutChanged
from listener.net.client import Net
from listener.types import State, Watch
from webserver import Play, WebServer

PAGE = (Path(__file__).parents[3] / "docs" / "adding-a-source.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def plaza() -> type[Poller]:
    [source] = blocks("python")
    module = types.ModuleType("plaza")
    exec(compile(source, "plaza.py", "exec"), module.__dict__)  # noqa: S102
    found: type[Poller] = module.Plaza
    return found


def test_the_example_collects_its_own_fixture(
    plaza: type[Poller],
    server: WebServer,
    make_net: Callable[..., Net],
    make_watch: Callable[..., Watch],
) -> None:
    meta, body = (json.loads(block) for block in blocks("json"))
    [run] = meta["runs"]
    given = meta["watch"]
    watch = make_watch(
        "plaza",
        base_url=server.url,
        credentials=given["credentials"],
        **check_params(plaza.spec, given["params"]),
    )
    server.play({path: Play(json.dumps(body)) for path in run["pages"]})
    now = datetime.fromisoformat(run["now"])
    [batch] = plaza(make_net()).collect(watch, State(), now=now)
    assert batch.complete
    [item] = batch.items
    assert item.external_id == "p7"
    assert item.published_at == datetime(2025, 3, 10, 11, 30, tzinfo=UTC)
    list(plaza(make_net()).collect(watch, batch.state, now=now))
    assert server.seen[1].query == {"q": "누리마켓", "after": "p7"}
    assert spec_json(plaza.spec)["params"]["required"] == ["term"]

    server.play({"/posts": Play('{"posts": []}')})
    with pytest.raises(LayoutChanged, match="'next' is missing"):
        list(plaza(make_net()).collect(watch, State(), now=now))
