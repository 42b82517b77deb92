"""An install with fakes at its edges: a reader that takes no model, collectors that play a
script.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest

from builders import NOW
from fakes import FakeCollector, FakeReader, FakeRegistry
from listener.pipeline.collect import Runner
from listener.pipeline.ingest import Ingest
from listener.runtime.wiring import build
from listener.security import Secrets
from listener.settings import Settings
from listener.store.work import Database
from office import Office
from webserver import WebServer


class Clock:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def tick(self, **length: float) -> datetime:
        """Go on by ``minutes=…`` and so on."""
        self.now += timedelta(**length)
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The time of the install."""
    return Clock()


@pytest.fixture
def secrets() -> Secrets:
    """The install's key."""
    return Secrets(b"k" * 32)


@pytest.fixture
def ingest(database: Database, settings: Settings, secrets: Secrets) -> Ingest:
    """The write path over the database at hand, reading with FakeReader."""
    return Ingest(database, FakeReader(), settings, secrets)


@pytest.fixture
def make_runner(
    database: Database, ingest: Ingest, secrets: Secrets, clock: Clock
) -> Callable[..., Runner]:
    """A runner of collectors given as a list."""

    def make(*collectors: FakeCollector) -> Runner:
        return Runner(
            database=database,
            ingest=ingest,
            registry=FakeRegistry(collectors),
            secrets=secrets,
            clock=clock,
            jitter=lambda: 0.0,
        )

    return make


@pytest.fixture
def server() -> Iterator[WebServer]:
    """A receiver of webhooks."""
    with WebServer() as server:
        yield server


@pytest.fixture
def office(sqlite_url: str, settings: Settings) -> Iterator[Office]:
    """An install with an alert that is about to be told."""
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
