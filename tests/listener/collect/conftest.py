"""Fixtures for sources: a server that plays them, a client that goes there, watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from listener.net.client import Net
from listener.net.guard import Guard
from listener.net.limits import Limiter
from listener.settings import Settings
from listener.types import Brand, Connection, MatchMode, Watch
from webserver import WebServer


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


@pytest.fixture
def make_net(now: datetime, tmp_path: Path) -> Callable[..., Net]:
    """A client that may only go to the loopback, at a fixed time that ``clock`` replaces."""

    def make(clock: Callable[[], datetime] | None = None, **given: Any) -> Net:
        settings = Settings(home=tmp_path, allow_private_hosts="127.0.0.1", **given)
        clock = clock or (lambda: now)
        limiter = Limiter(clock, sleep=lambda seconds: None)
        return Net(settings, Guard(settings.private_hosts), limiter, clock)

    return make


@pytest.fixture
def net(make_net: Callable[..., Net]) -> Net:
    return make_net()


@pytest.fixture
def make_watch() -> Callable[..., Watch]:
    """A watch on a source; parameters by name, ``brand``, ``base_url`` and ``credentials``
    apart.
    """

    def make(
        source: str,
        *,
        brand: Brand | None = None,
        base_url: str | None = None,
        credentials: dict[str, str] | None = None,
        **params: str,
    ) -> Watch:
        return Watch(
            id=1,
            source=source,
            params=params,
            match=MatchMode.TERMS,
            every=timedelta(minutes=10),
            brand=brand,
            connection=Connection(
                source=source, base_url=base_url, credentials=credentials or {}, id=1
            ),
        )

    return make
