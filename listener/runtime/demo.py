"""The demo: a whole service on the local sample web, in a home of its own that it leaves empty.

Nothing is faked: the demo only sets up brands, watches and a channel as a user would, and starts
the very processes of a real install with the sample web as their world.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import time
import urllib.request
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from listener import settings as settings_module
from listener.errors import ConfigError, Conflict
from listener.runtime.clock import utc_now
from listener.runtime.processes import Supervisor, wait_until_ready
from listener.runtime.wiring import Services, build, new_webhook_secret
from listener.settings import Settings
from listener.store import access, brands, schema, watches
from listener.types import MatchMode

HOST = "127.0.0.1"
_PID = "demo.pid"
_READY = 30.0


def run(
    settings: Settings,
    folder: Path,
    *,
    seed: int,
    say: Callable[[str], object],
    environ: Mapping[str, str],
) -> None:
    """Set the demo up in ``folder``, run it until it is told to stop, and remove the folder."""
    pid = _running(folder)
    if pid:
        raise Conflict(
            f"A demo runs already (process {pid}).", hint="End it with `listener demo --stop`."
        )
    if not _is_free(settings.host, settings.port):
        raise ConfigError(
            f"{settings.host}:{settings.port} is in use by another program.",
            hint="Choose another port: LISTENER_PORT=8010 make demo",
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / _PID).write_text(str(os.getpid()))
    try:
        _run(settings, folder, seed=seed, say=say, environ=environ)
    finally:
        _remove(folder)
        say("The demo is over; nothing of it is left.")


def stop(folder: Path) -> str:
    """End a running demo; says what was done."""
    pid = _running(folder)
    if not pid:
        _remove(folder)
        return "No demo runs; nothing of one is left."
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 30
    while _running(folder) and time.monotonic() < deadline:
        time.sleep(0.2)
    return "The demo is over; nothing of it is left."


def _run(
    settings: Settings,
    folder: Path,
    *,
    seed: int,
    say: Callable[[str], object],
    environ: Mapping[str, str],
) -> None:
    sample = f"{HOST}:{_free_port()}"
    inbox_secret = new_webhook_secret()
    x_token = secrets.token_hex(16)  # never begins like an option
    inside = {
        "LISTENER_HOME": str(folder),
        "LISTENER_DATABASE_URL": "",
        "LISTENER_HOST": settings.host,
        "LISTENER_PORT": str(settings.port),
        "LISTENER_ALLOW_PRIVATE_HOSTS": sample,
        "LISTENER_X__BASE_URL": f"http://{sample}",
        "LISTENER_X__BEARER_TOKEN": x_token,
        "LISTENER_LOG_LEVEL": environ.get("LISTENER_LOG_LEVEL", "WARNING"),
    }
    supervisor = Supervisor()
    supervisor.add(
        "sample-web",
        [
            "listener.sample_web",
            "--port",
            sample.rpartition(":")[2],
            "--seed",
            str(seed),
            # Fixed, so that a sample web that is started again tells the same story.
            "--start",
            utc_now().isoformat(),
            "--x-days",
            "28",
            "--x-token",
            x_token,
            "--x-limit",
            "100000",
            "--inbox-secret",
            inbox_secret,
            "--parent",
            str(os.getpid()),
        ],
    )
    supervisor.add("work", ["listener", "work"], inside)
    supervisor.add("web", ["listener", "serve"], inside)
    say("Starting the sample web: four weeks of invented posts about invented shops …")
    # The sample web is started with the others, but they only find work once it is set up.
    demo_settings = _settings(inside)
    services = build(demo_settings)
    schema.upgrade(services.database)

    def started() -> None:
        if not _answers(f"http://{sample}/_sample/state.json", supervisor.alive):
            say("The sample web does not answer; the log above says why.")
            supervisor.stop()
            return
        link = set_up(services, sample=sample, inbox_secret=inbox_secret)
        base = services.base_url()
        if wait_until_ready(base, process_alive=supervisor.alive):
            say("")
            say(f"Listener answers at {base}")
            say(f"  Log in once with   {link}")
            say(f"  The sample web     http://{sample}/")
            say(f"  Its alert inbox    http://{sample}/inbox")
            say("  Ctrl-C ends the demo and removes all of it (or: listener demo --stop).")
            say("")

    try:
        supervisor.run(started=started)
    finally:
        services.close()


def set_up(services: Services, *, sample: str, inbox_secret: str) -> str:
    """Brands, watches, the inbox as a channel and a user; gives the one-time login link."""
    with urllib.request.urlopen(f"http://{sample}/_sample/state.json", timeout=10) as answer:
        told = json.load(answer)
    now = utc_now()
    services.add_channel(
        name="데모 받은편지함",
        address=f"http://{sample}/inbox",
        kind="webhook",
        secret=inbox_secret,
    )
    with services.database.write() as work:
        for described in told["brands"]:
            _add_brand(work.session, described, sample)
        for name, path in told["feeds"].items():
            watches.create(
                work.session,
                source="feed",
                params={"url": f"http://{sample}{path}"},
                match=MatchMode.TERMS,
                every=timedelta(seconds=15),
                label={"news": "나루뉴스", "forum": "살림나눔터"}.get(name, name),
                now=now,
            )
        user = access.add_user(
            work.session,
            "demo@listener.invalid",
            name="데모",
            language=services.settings.language,
            now=now,
        )
        token = access.add_login_link(work.session, user.id, now=now)
        work.commit()
    return services.login_url(token)


def _add_brand(session: Any, described: Mapping[str, Any], sample: str) -> None:
    now = utc_now()
    brand = brands.create(
        session,
        name=described["name"],
        aliases=described["aliases"],
        hashtags=described["hashtags"],
        handles=[described["handle"]],
        competitor=not described["own"],
        now=now,
    )
    pages = " ".join(f"http://{sample}{path}" for path in described["products"])
    own = described["own"]
    watches.create(
        session,
        source="x",
        params={"mode": "search"},
        match=MatchMode.TERMS,
        every=timedelta(seconds=15 if own else 30),
        brand_id=brand.id,
        label=f"X · {brand.name}",
        now=now,
    )
    watches.create(
        session,
        source="reviews",
        params={"url": pages},
        match=MatchMode.ALL,
        every=timedelta(seconds=60 if own else 120),
        brand_id=brand.id,
        label=f"다담장터 리뷰 · {brand.name}",
        now=now,
    )


def _settings(inside: Mapping[str, str]) -> Settings:
    """The settings that the demo's processes will read, in this process."""
    previous = {name: os.environ.get(name) for name in inside}
    os.environ.update(inside)
    try:
        return settings_module.load()
    finally:
        for name, value in previous.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _answers(url: str, alive: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _READY
    while time.monotonic() < deadline and alive():
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310
                return True
        except OSError:
            time.sleep(0.2)
    return False


def _running(folder: Path) -> int | None:
    """The process of the demo that uses this folder."""
    try:
        pid = int((folder / _PID).read_text())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    told = Path(f"/proc/{pid}/cmdline")
    # The number may have gone to another process since a demo was killed.
    return pid if not told.exists() or b"demo" in told.read_bytes() else None


def _remove(folder: Path) -> None:
    """Leave nothing behind, not even the home if the demo made it."""
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.parent.rmdir()  # only an empty one goes


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
