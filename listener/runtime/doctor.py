"""The doctor: looks an install over from the outside in, and says in words how to mend it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from listener.errors import ListenerError
from listener.runtime.clock import utc_now
from listener.runtime.scheduler import LEASE
from listener.security import Secrets
from listener.settings import Settings
from listener.store import leases, schema
from listener.store.tables import ChannelRow, OutboxRow, UserRow, WatchRow
from listener.store.work import Database

_ROOM = 500_000_000
_HEALTHY = ("ok", "unchanged", "new")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. ``mend`` says what to do; it may also advise where all is well."""

    what: str
    ok: bool
    found: str
    mend: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at Python, disk, key, time zone, assets, port, database, watches and outbox in turn."""
    yield _python()
    yield _home(settings.home)
    yield _secret(settings)
    yield _zone(settings.timezone)
    yield _assets()
    yield _port(settings)
    database = Database(settings.database)
    try:
        problems = schema.check(database)
        if problems:
            yield Finding("database", False, " ".join(problems), "Run `listener db upgrade`.")
            return
        yield Finding("database", True, f"{database.engine.dialect.name}, schema up to date")
        yield from _service(database, utc_now())
    except (ListenerError, SQLAlchemyError) as error:
        yield Finding(
            "database",
            False,
            str(error).split("\n")[0],
            "Check LISTENER_DATABASE_URL, and that the server runs.",
        )
    finally:
        database.close()


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", sys.version_info >= (3, 11), version, "")


def _home(home: Path) -> Finding:
    place = home
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK):
        return Finding(
            "home", False, f"{place} cannot be written", "Change its rights or set LISTENER_HOME."
        )
    free = shutil.disk_usage(place).free
    found = f"{home}, {free / 1e9:.1f} GB free"
    if free < _ROOM:
        return Finding("home", False, found, "Free some room: collection stops on a full disk.")
    return Finding("home", True, found)


def _secret(settings: Settings) -> Finding:
    given = settings.secret_key.get_secret_value() if settings.secret_key else None
    if given is None and not (settings.home / "secret.key").exists():
        return Finding("secret key", True, "none yet; it is made at the first start")
    try:
        Secrets.load(settings.home, given)
    except ListenerError as error:
        return Finding("secret key", False, error.message, error.hint or "")
    return Finding("secret key", True, "from the environment" if given else "in the home folder")


def _zone(name: str) -> Finding:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return Finding(
            "time zone", False, f"{name!r} is unknown", "Set LISTENER_TIMEZONE, e.g. Asia/Seoul."
        )
    return Finding("time zone", True, name)


def _assets() -> Finding:
    dashboard = importlib.util.find_spec("api")
    folder = Path(dashboard.origin).parent if dashboard and dashboard.origin else Path()
    vendor = folder / "dashboard" / "static" / "vendor"
    if any(vendor.glob("*.js")):
        return Finding("dashboard assets", True, "built")
    return Finding("dashboard assets", False, "missing", "Run `make setup` again.")


def _port(settings: Settings) -> Finding:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            return Finding(
                "address",
                True,
                f"{settings.host}:{settings.port} is in use ({error.strerror})",
                "Fine if that is Listener; else set LISTENER_PORT.",
            )
    return Finding("address", True, f"{settings.host}:{settings.port} is free")


def _service(database: Database, now: datetime) -> Iterator[Finding]:
    with database.read() as session:
        holder = leases.holder_of(session, LEASE, now=now)
        watches = session.scalars(select(WatchRow).where(WatchRow.deleted_at.is_(None))).all()
        users = session.scalar(select(func.count()).select_from(UserRow)) or 0
        channels = session.scalar(select(func.count()).select_from(ChannelRow)) or 0
        dead = session.scalar(
            select(func.count()).select_from(OutboxRow).where(OutboxRow.state == "dead")
        )
    running = f"runs ({holder})" if holder else "does not run"
    yield Finding("scheduler", True, running, "" if holder else "Start it with `listener up`.")
    yield Finding(
        "people",
        True,
        f"{users} can log in",
        "" if users else "Add one with `listener user add EMAIL`.",
    )
    yield Finding(
        "channels",
        True,
        f"{channels} for alerts",
        "" if channels else "Without a channel alerts only show on the dashboard.",
    )
    if dead:
        yield Finding(
            "deliveries", False, f"{dead} given up", "See GET /api/v1/deliveries for the reasons."
        )
    enabled = [w for w in watches if w.enabled]
    yield Finding(
        "watches",
        True,
        f"{len(enabled)} of {len(watches)} enabled",
        "" if watches else "Add one with `listener watch add`.",
    )
    for watch in enabled:
        late = holder and watch.next_run_at < now - max(
            timedelta(minutes=10), 2 * timedelta(seconds=watch.every_s)
        )
        name = f"watch {watch.id} ({watch.source})"
        if watch.health not in _HEALTHY:
            yield Finding(name, False, f"{watch.health}: {watch.health_reason}")
        elif late:
            yield Finding(name, False, f"late, was due {watch.next_run_at:%Y-%m-%d %H:%M} UTC")
