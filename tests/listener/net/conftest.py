"""Fixtures for what goes out to the network: a server that misbehaves, a client with a short
patience.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from listener.net.client import Net
from listener.net.guard import Guard
from listener.net.limits import Limiter, Rule
from listener.settings import Settings
from webserver import WebServer


class Clock:
    """A clock that only sleeping moves. ``slept`` holds the naps in seconds."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock(now: datetime) -> Clock:
    return Clock(now)


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


@pytest.fixture
def make_net(clock: Clock, tmp_path: Any) -> Callable[..., Net]:
    """Build a Net; settings by name, ``hosts`` = private hosts, ``lookup`` = the name server."""

    def make(
        *,
        hosts: str = "127.0.0.1",
        lookup: Any = None,
        rule: Rule | None = None,
        tls: Any = None,
        **given: Any,
    ) -> Net:
        settings = Settings(home=tmp_path, allow_private_hosts=hosts, **given)
        guard = Guard(settings.private_hosts, lookup=lookup)
        limiter = Limiter(clock, sleep=clock.sleep, rule=rule)
        return Net(settings, guard, limiter, clock, tls=tls)

    return make


@pytest.fixture
def net(make_net: Callable[..., Net]) -> Net:
    return make_net()
