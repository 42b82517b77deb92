"""The real app on either database, and clients with and without a key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from api.app import create_app
from listener.errors import InvalidInput, TargetForbidden
from listener.pipeline.causes import filter_of_spike, recount_spike
from listener.pipeline.rollup import distinct
from listener.security import Secrets
from listener.settings import Settings
from listener.store import access, buckets, channels
from listener.store.tables import SpikeRow
from listener.store.work import Database
from listener.types import Brand, Credential, Kind, MatchMode, Param, SourceSpec

SPECS = (
    SourceSpec(
        name="plaza",
        title="Plaza",
        title_ko="광장",
        every=timedelta(minutes=10),
        kind=Kind.POST,
        params=(
            Param(name="query", title="Query", title_ko="검색어", required=True, example="하늘"),
            Param(name="pages", title="Pages", title_ko="쪽", kind="integer", default="1"),
        ),
        credentials=(Credential(name="token", title="Token"),),
        languages=("ko", "en"),
    ),
)


class Clock:
    """A clock that a test sets."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock(now: datetime) -> Clock:
    """The app's time; set ``clock.at`` to move it."""
    return Clock(now)


class Wired:
    """The wiring of an install with one source, without a network."""

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        self.settings = settings
        self.database = database
        self.clock = clock
        self.secrets = Secrets.load(settings.home, "a secret of the tests")

    def count_distinct(
        self, session: Session, brand_id: int, since: datetime, until: datetime, **more: Any
    ) -> Mapping[str, Mapping[int, int]]:
        """As the real one does."""
        found = buckets.mentions_between(session, brand_id, since, until)
        return distinct(found, more["by"], more["places"], more["wanted"])

    def spike_filter(self, row: SpikeRow, *, now: datetime) -> dict[str, str]:
        """As the real one does."""
        return filter_of_spike(row, now=now, count_flagged=self.settings.count_flagged)

    def recount_spike(self, session: Session, row: SpikeRow, *, now: datetime) -> dict[str, Any]:
        """As the real one does."""
        return recount_spike(session, row, now=now, settings=self.settings)

    def source_specs(self) -> Sequence[Mapping[str, Any]]:
        """The source, as JSON."""
        return [asdict(spec) | {"every": spec.every.total_seconds()} for spec in SPECS]

    def check_watch(
        self,
        source: str,
        params: Mapping[str, str],
        *,
        match: str | None,
        every: float | None,
        brand: Brand | None = None,
    ) -> Checked:
        """Knows plaza only, which needs a query."""
        if source != "plaza":
            raise InvalidInput(f"There is no source {source!r}.", field="source", hint="plaza")
        if "query" not in params:
            raise InvalidInput("Say what to look for.", field="query")
        length = timedelta(minutes=every) if every else SPECS[0].every
        return Checked({"pages": "1", **params}, MatchMode(match or "terms"), length)

    def add_channel(
        self, *, name: str, address: str, kind: str = "", language: str = "", secret: str | None
    ) -> Made:
        """Stores it as the real one does; refuses loopback."""
        if "127.0.0.1" in address:
            raise TargetForbidden("The address points inside the network.")
        with self.database.write() as work:
            row = channels.add(
                work.session,
                name=name,
                kind=kind or "webhook",
                address=self.secrets.encrypt(address),
                address_shown="https://hooks.example/***",
                secret=self.secrets.encrypt(secret or "whsec_made"),
                language=language or "ko",
                now=self.clock(),
            )
            work.commit()
        return Made(row.id, secret or "whsec_made")

    def close(self) -> None:
        """The database is the tests'."""


@dataclass(frozen=True)
class Checked:
    """A checked watch."""

    params: Mapping[str, str]
    match: MatchMode
    every: timedelta


@dataclass(frozen=True)
class Made:
    """A channel that was made."""

    id: int
    secret: str | None


@pytest.fixture
def make_app(settings: Settings, database: Database, clock: Clock) -> Callable[..., FastAPI]:
    """The app with some settings changed."""

    def make(**changed: object) -> FastAPI:
        return create_app(Wired(settings.model_copy(update=changed), database, clock))

    return make


@pytest.fixture
def app(make_app: Callable[..., FastAPI]) -> FastAPI:
    """The app, on SQLite and on PostgreSQL."""
    return make_app()


@pytest.fixture
def anyone(app: FastAPI) -> Iterator[TestClient]:
    """A client without a key."""
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def make_key(database: Database, now: datetime) -> Callable[..., str]:
    """Make a key with these scopes; gives its secret."""

    def make(*scopes: str) -> str:
        with database.write() as work:
            _key, token = access.add_key(work.session, "test", scopes=scopes, now=now)
            work.commit()
        return token

    return make


@pytest.fixture
def client_of(
    app: FastAPI, anyone: TestClient, make_key: Callable[..., str]
) -> Callable[..., TestClient]:
    """A client with a key of these scopes."""

    def client(*scopes: str) -> TestClient:
        headers = {"Authorization": f"Bearer {make_key(*scopes)}"}
        return TestClient(app, headers=headers, raise_server_exceptions=False)

    return client


@pytest.fixture
def client(client_of: Callable[..., TestClient]) -> TestClient:
    """A client that may read."""
    return client_of("read")


@pytest.fixture
def admin(client_of: Callable[..., TestClient]) -> TestClient:
    """A client that may do everything."""
    return client_of("admin")


@pytest.fixture
def is_problem() -> Callable[..., dict[str, object]]:
    """Check that an answer is a problem with this status and code; gives its body."""

    def check(response: httpx.Response, status: int, code: str) -> dict[str, object]:
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/problem+json"
        body: dict[str, object] = response.json()
        assert body["status"] == status
        assert body["code"] == code
        assert body["type"] == f"urn:listener:problem:{code}"
        assert body["title"]
        assert body["detail"]
        assert set(body) == {"type", "title", "status", "detail", "code", "hint", "errors"}
        return body

    return check


# What these routes ask of the store is tested there on both databases; the app is the same.
ON_SQLITE = frozenset(
    {"test_auth", "test_connections", "test_corrections", "test_hooks", "test_notices"}
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out the second database where it would test nothing new."""
    items[:] = [
        item
        for item in items
        if item.path.parent != Path(__file__).parent
        or item.path.stem not in ON_SQLITE
        or "[postgresql" not in item.name
    ]
