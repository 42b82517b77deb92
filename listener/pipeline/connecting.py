"""Connections as people handle them: checked, encrypted, tested, and told with what they used up.

Credentials go in and never come out again: only their names are told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypedDict, Unpack, runtime_checkable
from urllib.parse import urlsplit

import orjson

from listener.collect.registry import Registry
from listener.errors import (
    AuthRejected,
    ConfigError,
    InvalidInput,
    ListenerError,
)
from listener.net.budget import MONEY, Usage
from listener.net.guard import MAIL_PORTS, Guard
from listener.pipeline.collect import Runner
from listener.pipeline.purses import Purses
from listener.security import Secrets
from listener.settings import source_setting
from listener.store import connections, spending
from listener.store.tables import ConnectionRow, WatchRow
from listener.store.work import Database
from listener.types import (
    Brand,
    Connection,
    MatchMode,
    Outcome,
    SourceSpec,
    State,
    Watch,
)

_NO_BRAND = Brand(id=0, name="Listener")  # to make a query of, where a test needs one

NEW = "new"
FAILING = "failing"
_WORST = (Outcome.NEEDS_CREDENTIALS, Outcome.BLOCKED, Outcome.OUT_OF_BUDGET)


@runtime_checkable
class Checking(Protocol):
    """A collector that can check an account with one cheap request."""

    def check_account(self, connection: Connection, *, now: datetime) -> str:
        """What the account is, in a word or two. Raises SourceError when it cannot be used."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A connection as it is shown. ``id`` None = the account of the environment's settings.

    ``health`` is ``new`` (never used), ``ok``, ``needs-credentials``, ``blocked``,
    ``out-of-budget`` or ``failing``, and ``reason`` says why in words.
    """

    id: int | None
    source: str
    name: str
    base_url: str | None
    credentials: tuple[str, ...]  # the names of those that are set
    missing: tuple[str, ...]  # those that are required and not set
    budget_calls: int | None
    budget_micro_usd: int | None
    usage: tuple[Usage, ...]
    watches: int
    health: str
    reason: str
    tested_at: datetime | None = None
    test_error: str | None = None
    created_at: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; money in US dollars."""
        return {
            "id": self.id,
            "source": self.source,
            "name": self.name,
            "base_url": self.base_url,
            "credentials": list(self.credentials),
            "missing": list(self.missing),
            "budget_calls": self.budget_calls,
            "budget_usd": None if self.budget_micro_usd is None else self.budget_micro_usd / 1e6,
            "usage": [_usage_json(one) for one in self.usage],
            "watches": self.watches,
            "health": self.health,
            "reason": self.reason,
            "tested_at": self.tested_at,
            "test_error": self.test_error,
            "created_at": self.created_at,
        }


class Fields(TypedDict, total=False):
    """What somebody typed for a connection. In a change, what is left out stays; a credential that
    is empty is removed.
    """

    name: str
    base_url: str | None
    credentials: Mapping[str, str]
    budget_calls: int | None  # a day
    budget_micro_usd: int | None  # a month


class Connecting:
    """Adds, changes, tests and tells connections."""

    def __init__(
        self,
        *,
        database: Database,
        registry: Registry,
        runner: Runner,
        purses: Purses,
        secrets: Secrets,
        guard: Guard,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._registry = registry
        self._runner = runner
        self._purses = purses
        self._secrets = secrets
        self._guard = guard
        self._clock = clock

    def add(self, source: str, **typed: Unpack[Fields]) -> int:
        """Save a new connection. Raises InvalidInput, Conflict, TargetForbidden."""
        spec = self._registry.spec(source)
        fields = self._fields(spec, typed, known={})
        name = fields.pop("name", "")
        with self._database.write() as work:
            row = connections.create(
                work.session, source=source, name=name, now=self._clock(), **fields
            )
            work.commit()
        return row.id

    def change(self, connection_id: int, **typed: Unpack[Fields]) -> None:
        """Change a connection. Raises NotFound, InvalidInput, Conflict, TargetForbidden."""
        with self._database.write() as work:
            row = connections.get(work.session, connection_id)
            some = row.credentials and typed.get("credentials")
            known = self._read(row.credentials) if row.credentials and some else {}
            fields = self._fields(self._registry.spec(row.source), typed, known=known)
            connections.change(work.session, connection_id, now=self._clock(), **fields)
            work.commit()

    def remove(self, connection_id: int) -> None:
        """Remove a connection. Raises NotFound, and Conflict while watches use it."""
        with self._database.write() as work:
            connections.delete(work.session, connection_id)
            work.commit()

    def test(self, source: str, connection_id: int | None) -> dict[str, Any]:
        """Ask the source with this account, as cheaply as it can be asked.

        Gives ``{"ok": bool, "found": str | None, "error": str | None, "hint": str | None}``, and
        notes it on the connection. Raises NotFound, StorageError.
        """
        connection = self.connection(source, connection_id)
        try:
            found = self._ask(connection)
            told: dict[str, Any] = {"ok": True, "found": found, "error": None, "hint": None}
        except ListenerError as error:
            told = {"ok": False, "found": None, "error": error.message, "hint": error.hint}
        if connection_id is not None:
            with self._database.write() as work:
                connections.tested(
                    work.session, connection_id, error=told["error"], now=self._clock()
                )
                work.commit()
        return told

    def connection(self, source: str, connection_id: int | None) -> Connection:
        """A connection with its credentials, or the one of the settings. Raises NotFound,
        InvalidInput, ConfigError.
        """
        if connection_id is None:
            return Connection(source=source)
        with self._database.read() as session:
            connections.check_source(session, connection_id, source)
            return connections.opened(connections.get(session, connection_id), self._read)

    def facts(self, connection_id: int) -> Facts:
        """One connection. Raises NotFound."""
        with self._database.read() as session:
            row = connections.get(session, connection_id)
        return next(one for one in self.listing(source=row.source) if one.id == connection_id)

    def listing(self, *, source: str | None = None) -> list[Facts]:
        """All connections by source and name; before them the settings' account of a source, where
        it is used.
        """
        now = self._clock()
        with self._database.read() as session:
            rows = connections.listing(session, source=source)
            by_connection: dict[tuple[str, int | None], list[WatchRow]] = {}
            for watch in connections.watches_of(session):
                by_connection.setdefault((watch.source, watch.connection_id), []).append(watch)
            used = sorted(
                name
                for name, connection_id in by_connection
                if connection_id is None and source in (None, name)
            )
            found = [
                self._told(None, self._spec(name), by_connection[name, None])
                for name in used
                if self._matters(name)
            ]
            found += [
                self._told(row, self._spec(row.source), by_connection.get((row.source, row.id), []))
                for row in rows
            ]
            return [self._with_usage(session, one, now) for one in found]

    def _matters(self, source: str) -> bool:
        """Whether the settings' account of a source has anything to tell."""
        spec = self._spec(source)
        return bool(spec and (spec.credentials or spec.quotas or spec.prices)) or any(
            source_setting(source, name) for name in ("budget_calls", "budget_usd")
        )

    def _spec(self, source: str) -> SourceSpec | None:
        try:
            return self._registry.spec(source)
        except InvalidInput:
            return None  # of a source that this version no longer has

    def _told(
        self, row: ConnectionRow | None, spec: SourceSpec | None, watches: Sequence[WatchRow]
    ) -> Facts:
        source = row.source if row else (spec.name if spec else "")
        given: Mapping[str, str] = {}
        broken = ""
        if row is not None and row.credentials:
            try:
                given = self._read(row.credentials)
            except ConfigError as error:
                broken = str(error)
        wanted = spec.credentials if spec else ()
        there = {
            one.name for one in wanted if given.get(one.name) or source_setting(source, one.name)
        }
        missing = tuple(one.name for one in wanted if one.required and one.name not in there)
        health, reason = _health(row, watches, missing, broken)
        return Facts(
            id=row.id if row else None,
            source=source,
            name=row.name if row else "",
            base_url=row.base_url if row else source_setting(source, "base_url"),
            credentials=tuple(one.name for one in wanted if one.name in there),
            missing=missing,
            budget_calls=row.budget_calls if row else None,
            budget_micro_usd=row.budget_micro_usd if row else None,
            usage=(),
            watches=len(watches),
            health=health,
            reason=reason,
            tested_at=row.tested_at if row else None,
            test_error=row.test_error if row else None,
            created_at=row.created_at if row else None,
        )

    def _with_usage(self, session: Any, one: Facts, now: datetime) -> Facts:
        purse = f"{one.source}|{one.id or ''}"
        try:
            used = spending.usage(session, purse, self._purses.terms, now=now)
        except ConfigError as error:
            return replace(one, health=FAILING, reason=str(error))
        own = {usage.cap.unit: usage.cap.amount for usage in used if usage.cap.own}
        return replace(
            one,
            usage=tuple(used),
            budget_calls=own.get("calls"),
            budget_micro_usd=own.get(MONEY),
        )

    def _fields(
        self, spec: SourceSpec, typed: Fields, *, known: Mapping[str, str]
    ) -> dict[str, Any]:
        """What was typed as the store takes it, checked."""
        fields: dict[str, Any] = {n: v for n, v in typed.items() if n != "credentials"}
        if "base_url" in fields:
            fields["base_url"] = self._base_url(spec, fields["base_url"])
        if fields.get("budget_micro_usd") is not None and not spec.prices:
            raise InvalidInput(
                f"{spec.title} costs nothing that is counted here.",
                field="budget_usd",
                hint="Give a budget in calls.",
            )
        given = typed.get("credentials")
        if given:
            names = [one.name for one in spec.credentials]
            for name in given:
                if name not in names:
                    raise InvalidInput(
                        f"{spec.title} has no credential {name!r}.",
                        field=f"credentials.{name}",
                        hint=f"It takes: {', '.join(names)}." if names else "It takes none.",
                    )
            kept = {**known, **{n: v.strip() for n, v in given.items()}}
            kept = {name: value for name, value in kept.items() if value}
            data = self._secrets.encrypt(orjson.dumps(kept).decode()) if kept else None
            fields["credentials"] = data
        return fields

    def _base_url(self, spec: SourceSpec, given: str | None) -> str | None:
        text = (given or "").strip().rstrip("/")
        if not text:
            return None
        if spec.base_url is None:
            raise InvalidInput(
                f"{spec.title} has no server of its own to choose.",
                field="base_url",
                hint="The address is a parameter of the watch.",
            )
        try:
            parts = urlsplit(text)
            mail = urlsplit(spec.base_url).scheme in MAIL_PORTS
            schemes = tuple(MAIL_PORTS) if mail else ("http", "https")
            fine = parts.scheme in schemes and bool(parts.hostname) and not parts.query
        except ValueError:
            fine = False
        if not fine or len(text) > 500 or parts.username or parts.password:
            raise InvalidInput(
                "That is no address of a server.",
                field="base_url",
                hint=f"For example: {spec.base_url}. Credentials have fields of their own.",
            )
        if mail:
            self._guard.check_mail_url(text)
        else:
            self._guard.check_url(text)
        return text

    def _read(self, credentials: bytes) -> Mapping[str, str]:
        read: dict[str, str] = orjson.loads(self._secrets.decrypt(credentials))
        return read

    def _ask(self, connection: Connection) -> str | None:
        spec = self._registry.spec(connection.source)
        watch = self._runner.resolve(self._trial(spec, connection))
        missing = [
            one
            for one in spec.credentials
            if one.required and one.name not in watch.connection.credentials
        ]
        if missing:
            raise AuthRejected(
                f"{spec.title} needs {', '.join(one.title for one in missing)}.",
                hint=f"See {spec.signup}" if spec.signup else None,
            )
        collector = self._registry.collector(connection.source)
        if isinstance(collector, Checking):
            return collector.check_account(watch.connection, now=self._clock())
        batches: Iterator[Any] = collector.collect(watch, State(), now=self._clock())
        batch = next(iter(batches), None)
        close = getattr(batches, "close", None)
        if close is not None:
            close()  # a test asks for one page
        return f"{len(batch.items)} items" if batch is not None else None

    def _trial(self, spec: SourceSpec, connection: Connection) -> Watch:
        """A watch to test with: one that uses the connection, else the examples of the source."""
        with self._database.read() as session:
            for row in connections.watches_of(session):
                if row.source == spec.name and row.connection_id == connection.id:
                    params = dict(row.params)
                    break
            else:
                params = {
                    one.name: value
                    for one in spec.params
                    if (value := one.default or (one.example if one.required else None))
                }
        return Watch(
            id=0,
            source=spec.name,
            params=params,
            match=MatchMode.TERMS,
            every=timedelta(minutes=10),
            connection=connection,
            brand=_NO_BRAND,
        )


def _health(
    row: ConnectionRow | None,
    watches: Sequence[WatchRow],
    missing: Sequence[str],
    broken: str,
) -> tuple[str, str]:
    """How a connection is, by its credentials, its last test and the watches that use it."""
    if broken:
        return Outcome.NEEDS_CREDENTIALS.value, broken
    if missing:
        return Outcome.NEEDS_CREDENTIALS.value, f"Not set: {', '.join(missing)}."
    if row is not None and row.test_error:
        return FAILING, row.test_error
    for worst in _WORST:
        for watch in watches:
            if watch.health == worst:
                return worst.value, watch.health_reason
    failing = [watch for watch in watches if watch.failures]
    if failing and len(failing) == len(watches):
        return FAILING, failing[0].health_reason
    if any(watch.last_success_at for watch in watches) or (row is not None and row.tested_at):
        return Outcome.OK.value, ""
    return NEW, ""


def _usage_json(one: Usage) -> dict[str, Any]:
    money = one.cap.unit == MONEY
    return {
        "unit": "usd" if money else one.cap.unit,
        "per": one.cap.per,
        "used": one.used / 1e6 if money else one.used,
        "limit": (one.cap.amount / 1e6 if money else one.cap.amount)
        if one.cap.amount is not None
        else None,
        "own": one.cap.own,
        "starts_at": one.starts_at,
        "ends_at": one.ends_at,
    }
