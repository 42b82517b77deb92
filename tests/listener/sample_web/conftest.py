"""One sample web for all tests of this folder, with a clock that stands where a test puts it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from starlette.testclient import TestClient

from listener.sample_web.app import Options, create_app
from listener.sample_web.model import Plan
from listener.sample_web.timeline import Timeline
from listener.sample_web.xapi import XOptions

START = datetime(2026, 11, 18, 11, 0, tzinfo=UTC)  # a Wednesday evening in Korea
SECRET = "whsec_bGlzdGVuZXItc2FtcGxlLXNlY3JldC0wMQ=="


class HandClock:
    """Tells the time it was given."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **parts: float) -> None:
        self.now += timedelta(**parts)


@pytest.fixture(scope="session")
def plan() -> Plan:
    return Plan(seed=7, start=START)


@pytest.fixture(scope="session")
def timeline(plan: Plan) -> Timeline:
    return Timeline(plan)


@pytest.fixture
def clock() -> HandClock:
    return HandClock(START)


@pytest.fixture(scope="session")
def short() -> Timeline:
    """Six days are enough for whatever is not about volumes."""
    return Timeline(Plan(seed=7, start=START, days=6))


@pytest.fixture
def make_client(clock: HandClock, short: Timeline) -> Iterator[Callable[..., TestClient]]:
    opened: list[TestClient] = []

    def make(**changes: object) -> TestClient:
        values: dict[str, object] = {
            "plan": short.plan,
            "x": XOptions(limit=10_000),
            "inbox_secret": SECRET,
        }
        made = Options(**(values | changes))  # type: ignore[arg-type]
        app = create_app(made, clock=clock, timeline=short)
        opened.append(TestClient(app))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def client(make_client: Callable[..., TestClient]) -> TestClient:
    return make_client()
