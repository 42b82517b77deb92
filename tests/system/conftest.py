"""An install seen from outside: the command, its files, its processes, and a web it reads."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from listener.runtime.wiring import Services, build
from listener.settings import Settings
from listener.store import brands, connections, schema, watches
from listener.types import MatchMode
from webserver import WebServer

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "AAAAtoken0of0X0that0must0show0nowhere"


class Install:
    """A home folder, its environment, and the command that works on it."""

    def __init__(self, home: Path, **environ: str) -> None:
        self.home = home
        self.port = free_port()
        self.processes: list[subprocess.Popen[bytes]] = []
        self.environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith("LISTENER_")},
            "LISTENER_HOME": str(home),
            "LISTENER_PORT": str(self.port),
            "LISTENER_SECRET_KEY": "a secret of the tests",
            "PYTHONPATH": str(ROOT),
            **environ,
        }

    @property
    def url(self) -> str:
        """Where its web answers."""
        return f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def services(self) -> Iterator[Services]:
        """Its services in this process: to set up quickly what the commands would set up too."""
        built = build(Settings(home=self.home, secret_key=self.environ["LISTENER_SECRET_KEY"]))  # type: ignore[arg-type]
        schema.upgrade(built.database)
        yield built
        built.close()

    def brand(self, name: str) -> int:
        """Add a brand."""
        with self.services() as built, built.database.write() as work:
            row = brands.create(work.session, name=name, now=datetime.now(UTC))
            work.commit()
            return row.id

    def watch(
        self, source: str, brand: int, *, base_url: str | None = None, every: int = 900, **p: str
    ) -> int:
        """Add a watch; with ``base_url`` on a connection of its own; ``every`` in seconds."""
        now = datetime.now(UTC)
        mode = MatchMode.ALL if source == "reviews" else MatchMode.TERMS
        with self.services() as built, built.database.write() as work:
            connection_id = None
            if base_url:
                row = connections.create(
                    work.session, source=source, name=base_url, base_url=base_url, now=now
                )
                connection_id = row.id
            watch = watches.create(
                work.session,
                source=source,
                params=p,
                match=mode,
                every=timedelta(seconds=every),
                brand_id=brand,
                connection_id=connection_id,
                now=now,
            )
            work.commit()
            return watch.id

    def run(
        self, *arguments: object, stdin: str | bytes | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The command, to its end; output and errors as text."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [sys.executable, "-m", "listener", *map(str, arguments)],
            env=self.environ,
            input=given,
            capture_output=True,
            timeout=90,
            check=False,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    def ok(self, *arguments: object, stdin: str | bytes | None = None) -> str:
        """The output of a command that has to succeed."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def start(self, *arguments: object) -> subprocess.Popen[bytes]:
        """The command in the background; its errors go to ``home/log``."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "listener", *map(str, arguments)],
                env=self.environ,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def collect(self, watch: int | None = None) -> list[dict[str, Any]]:
        """The reports of ``collect --once --json``, of one watch or of all that are due."""
        return self.collected(watch)[0]

    def collected(
        self, watch: int | None = None
    ) -> tuple[list[dict[str, Any]], subprocess.CompletedProcess[str]]:
        """The reports, and how the command ended."""
        chosen = () if watch is None else ("--watch", watch)
        done = self.run("collect", "--once", *chosen, "--json")
        return [json.loads(line) for line in done.stdout.splitlines()], done

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """What the database holds."""
        with contextlib.closing(sqlite3.connect(self.home / "listener.db", timeout=30)) as opened:
            opened.row_factory = sqlite3.Row
            return opened.execute(query, values).fetchall()

    def change(self, statement: str, *values: object) -> None:
        """Change the database behind the service's back."""
        with contextlib.closing(sqlite3.connect(self.home / "listener.db", timeout=30)) as opened:
            opened.execute(statement, values)
            opened.commit()

    def make_due(self) -> None:
        """All watches are due, whatever they wait for."""
        self.change("UPDATE watch SET next_run_at = 0")

    def get(self, path: str, key: str | None = None) -> tuple[int, str]:
        """Status and body of an address of the web; 0 when nothing answers."""
        request = urllib.request.Request(self.url + path)  # noqa: S310 - our own loopback
        if key:
            request.add_header("Authorization", f"Bearer {key}")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except (OSError, ValueError):
            return 0, ""

    def everything_written(self) -> bytes:
        """All bytes of all files under the home folder."""
        files = (path for path in self.home.rglob("*") if path.is_file())
        return b"".join(path.read_bytes() for path in files)

    def end(self) -> None:
        """Stop whatever was started and still runs, with its children."""
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Wait for something to become true, and give it; fails when it does not in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
    return value


@pytest.fixture
def wait() -> Callable[..., Any]:
    """``until``: tests cannot import from here."""
    return until


@pytest.fixture
def make_install(tmp_path: Path) -> Iterator[Callable[..., Install]]:
    """Make an install in a folder of its own; settings as environment variables."""
    made: list[Install] = []

    def make(environ: Mapping[str, str] | None = None) -> Install:
        made.append(Install(tmp_path / f"home{len(made)}", **(environ or {})))
        return made[-1]

    yield make
    for install in made:
        install.end()


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server
