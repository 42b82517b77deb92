"""The real app over the month that ``story`` tells, for clients and for a browser."""

from __future__ import annotations

import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.testclient import TestClient

import story
from api.app import create_app
from listener.runtime.clock import utc_now
from listener.runtime.wiring import Services, build
from listener.settings import Settings
from listener.store import access, schema
from listener.store.work import Database

BROWSER = {"accept": "text/html,application/xhtml+xml"}


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, story.Story]:
    """A home with the month in it, told once."""
    home = tmp_path_factory.mktemp("told")
    services = build(_settings(home))
    schema.upgrade(services.database)
    written = story.tell(services, now=utc_now())
    services.close()
    return home, written


def _settings(home: Path) -> Settings:
    return Settings(home=home, secret_key="a secret of the tests")  # type: ignore[arg-type]


@pytest.fixture
def services(told: tuple[Path, story.Story], tmp_path: Path) -> Iterator[Services]:
    """An install of its own with the month in it."""
    home = tmp_path / "home"
    shutil.copytree(told[0], home)
    built = build(_settings(home))
    yield built
    built.close()


@pytest.fixture
def empty(tmp_path: Path, sqlite_template: Path) -> Iterator[Services]:
    """An install with a user and nothing else."""
    (tmp_path / "empty").mkdir()
    shutil.copyfile(sqlite_template, tmp_path / "empty" / "listener.db")
    built = build(_settings(tmp_path / "empty"))
    with built.database.write() as work:
        access.add_user(work.session, story.EMAIL, name="김민아", now=utc_now())
        work.commit()
    yield built
    built.close()


def link_for(database: Database) -> str:
    """A fresh one-time link's token."""
    with database.write() as work:
        user = access.find_user(work.session, story.EMAIL)
        assert user is not None
        token = access.add_login_link(work.session, user.id, now=utc_now())
        work.commit()
    return token


@pytest.fixture
def visit() -> Iterator[Callable[[Services], TestClient]]:
    """A browser-like client that is logged in to an install."""
    opened: list[TestClient] = []

    def make(built: Services) -> TestClient:
        client = TestClient(create_app(built), headers=BROWSER, raise_server_exceptions=False)
        client.__enter__()
        opened.append(client)
        answer = client.post(
            "/login/link", data={"token": link_for(built.database)}, follow_redirects=False
        )
        assert answer.status_code == 303
        return client

    yield make
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def client(services: Services, visit: Callable[[Services], TestClient]) -> TestClient:
    """Logged in to the month."""
    return visit(services)


@pytest.fixture
def csrf() -> Callable[[TestClient, str], str]:
    """The token of the forms on a page."""

    def read(client: TestClient, path: str = "/settings") -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', client.get(path).text)
        assert found is not None
        return found.group(1)

    return read


# --- a real server and a real browser ------------------------------------------------------------


class Served:
    """An install answering on a port of its own."""

    def __init__(self, built: Services) -> None:
        self.services = built
        self.app: FastAPI = create_app(built)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.base = f"http://127.0.0.1:{port}"
        config = uvicorn.Config(self.app, port=port, log_level="error", lifespan="on")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Served:
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started and time.monotonic() < deadline:
            time.sleep(0.05)
        assert self._server.started
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(15)

    @property
    def link(self) -> str:
        """A fresh login link."""
        return f"{self.base}/login/link?token={link_for(self.services.database)}"


@pytest.fixture
def serve() -> Iterator[Callable[[Services], Served]]:
    """Start a server for an install."""
    running: list[Served] = []

    def start(built: Services) -> Served:
        served = Served(built)
        served.__enter__()
        running.append(served)
        return served

    yield start
    for served in running:
        served.__exit__()


def chromium() -> str | None:
    """The browser for the tests; LISTENER_CHROMIUM names another."""
    named = os.environ.get("LISTENER_CHROMIUM")
    for path in (named, shutil.which("chromium"), shutil.which("chromium-browser")):
        if path and Path(path).exists():
            return path
    return None


FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
