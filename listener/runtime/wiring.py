"""Wiring: the only place that builds things from Settings. Everything else gets what it needs."""

from __future__ import annotations

import base64
import secrets as random_secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from listener.errors import InvalidInput, SourceError
from listener.runtime.clock import utc_now
from listener.security import Secrets
from listener.settings import Settings
from listener.store import channels, watches
from listener.store.work import Database
from listener.types import Brand, Connection, MatchMode, RawItem, Watch

if TYPE_CHECKING:
    import requests
    from sqlalchemy.orm import Session

    from listener.collect.registry import Registry
    from listener.net.client import Net
    from listener.net.guard import Guard
    from listener.pipeline.backfill import Backfiller
    from listener.pipeline.collect import Runner
    from listener.pipeline.connecting import Connecting
    from listener.pipeline.deliver import Deliverer
    from listener.pipeline.file import FileReport
    from listener.pipeline.ingest import Ingest
    from listener.pipeline.notices import Notifier
    from listener.pipeline.purses import Purses
    from listener.pipeline.readers import Readers
    from listener.pipeline.reminders import Reminders
    from listener.pipeline.rescore import Rescorer
    from listener.pipeline.rollup import By
    from listener.pipeline.themes import ThemeSeeker
    from listener.pipeline.watchdog import Watchdog
    from listener.runtime.tasks import Work
    from listener.store.tables import SpikeRow


@dataclass(frozen=True, slots=True)
class CheckedWatch:
    """A watch's parameters after checking, with the source's defaults filled in."""

    params: Mapping[str, str]
    match: MatchMode
    every: timedelta


@dataclass(frozen=True, slots=True)
class MadeChannel:
    """A new channel, and the signing secret that was made for it (shown this once)."""

    id: int
    secret: str | None


@dataclass(frozen=True, slots=True)
class MadeInbound:
    """A new inbound webhook: where to post to, and the secret (shown this once)."""

    id: int
    address: str
    secret: str


# How senders sign what they post (``api.signatures``).
SCHEMES = ("standard", "typeform", "github", "zendesk", "token")


def new_webhook_secret() -> str:
    """A fresh signing secret, in the form of Standard Webhooks."""
    return "whsec_" + base64.b64encode(random_secrets.token_bytes(24)).decode()


def build(settings: Settings) -> Services:
    """The services of an install; each part is made when first used."""
    return Services(settings)


class Services:
    """The parts of a running install, put together."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = utc_now
        self.database = Database(settings.database)

    def close(self) -> None:
        """Give back connections."""
        self.database.close()

    # --- parts ---------------------------------------------------------------------------------

    @cached_property
    def secrets(self) -> Secrets:
        """The install's key and what is made of it."""
        key = self.settings.secret_key
        return Secrets.load(self.settings.home, key.get_secret_value() if key else None)

    @cached_property
    def guard(self) -> Guard:
        """The judge of addresses."""
        from listener.net.guard import Guard

        return Guard(self.settings.private_hosts)

    @cached_property
    def net(self) -> Net:
        """The way out, for everything that speaks HTTP."""
        from listener.net.client import Net
        from listener.net.limits import Limiter
        from listener.store.limits import DatabaseLimits
        from listener.store.spending import DatabaseLedger

        limiter = Limiter(clock=self.clock, sleep=time.sleep, store=DatabaseLimits(self.database))
        # The purses are looked up when first spent from: the registry is built on this net.
        ledger = DatabaseLedger(self.database, lambda purse: self.purses.terms(purse))
        return Net(self.settings, self.guard, limiter, self.clock, ledger=ledger)

    @cached_property
    def purses(self) -> Purses:
        """What may be spent on each source and connection."""
        from listener.pipeline.purses import Purses

        return Purses(self.database, self.registry.spec, zone=self.settings.timezone)

    @cached_property
    def connections(self) -> Connecting:
        """Connections: added, changed, tested, told."""
        from listener.pipeline.connecting import Connecting

        return Connecting(
            database=self.database,
            registry=self.registry,
            runner=self.runner,
            purses=self.purses,
            secrets=self.secrets,
            guard=self.guard,
            clock=self.clock,
        )

    @cached_property
    def registry(self) -> Registry:
        """The sources that can be watched."""
        from listener.collect.registry import build_registry

        return build_registry(self.net, self.settings)

    @cached_property
    def readers(self) -> Readers:
        """Language, sentiment, complaint and topics: by the present models and rules, or those of
        any generation.
        """
        from listener.pipeline.readers import Readers

        return Readers(self.settings.rules)

    @cached_property
    def ingest(self) -> Ingest:
        """The one write path of mentions."""
        from listener.pipeline.ingest import Ingest

        return Ingest(self.database, self.readers, self.settings, self.secrets)

    @cached_property
    def rescorer(self) -> Rescorer:
        """Reads history anew by other models and rules."""
        from listener.pipeline.rescore import Rescorer

        return Rescorer(self.database, self.readers, self.clock)

    @cached_property
    def theme_seeker(self) -> ThemeSeeker:
        """Finds what brands' mentions began to speak of."""
        from listener.pipeline.themes import ThemeSeeker

        return ThemeSeeker(
            self.database,
            lambda session: self.readers.current(session)[1].text,
            counts_flagged=self.settings.count_flagged,
        )

    @cached_property
    def runner(self) -> Runner:
        """Runs of watches."""
        from listener.pipeline.collect import Runner

        return Runner(
            database=self.database,
            ingest=self.ingest,
            registry=self.registry,
            secrets=self.secrets,
            clock=self.clock,
        )

    @cached_property
    def backfiller(self) -> Backfiller:
        """What goes on beside live collection."""
        from listener.pipeline.backfill import Backfiller

        return Backfiller(database=self.database, runner=self.runner, clock=self.clock)

    @cached_property
    def reminders(self) -> Reminders:
        """What happens to alerts as time goes by."""
        from listener.pipeline.reminders import Reminders

        return Reminders(self.database, self.settings)

    @cached_property
    def watchdog(self) -> Watchdog:
        """Detection over all brands."""
        from listener.pipeline.watchdog import Watchdog

        return Watchdog(self.database, self.settings)

    @cached_property
    def deliverer(self) -> Deliverer:
        """Sends what is in the outbox."""
        from listener.pipeline.deliver import Deliverer

        return Deliverer(
            database=self.database,
            secrets=self.secrets,
            settings=self.settings,
            guard=self.guard,
            session=self.webhook_session,
            clock=self.clock,
            title_of=self.source_title,
        )

    @cached_property
    def notifier(self) -> Notifier:
        """Tells people of sources that fail."""
        from listener.pipeline.notices import Notifier

        return Notifier(self.database, self.clock)

    def source_title(self, source: str) -> tuple[str, str]:
        """What a source is called, in Korean and English; its name if it is gone."""
        try:
            spec = self.registry.spec(source)
        except InvalidInput:
            return source, source
        return spec.title_ko or spec.title, spec.title

    def webhook_session(self, account: str) -> requests.Session:
        """A guarded session without waiting of our own: alerts are few and urgent."""
        from listener.net.limits import FREE

        return self.net.session(account=account, rule=FREE)

    def work(self) -> Work:
        """All that the service does by itself, not started yet."""
        from listener.runtime.tasks import Work

        return Work(self)

    # --- what edges ask for --------------------------------------------------------------------

    def base_url(self) -> str:
        """Where people reach the dashboard."""
        settings = self.settings
        return (settings.public_url or f"http://{settings.host}:{settings.port}").rstrip("/")

    def login_url(self, token: str) -> str:
        """The address of a one-time login link."""
        return f"{self.base_url()}/login/link?token={token}"

    def source_specs(self) -> list[dict[str, Any]]:
        """Every source's spec as JSON."""
        from listener.collect.registry import spec_json

        return [spec_json(spec) for spec in self.registry.specs()]

    def check_watch(
        self,
        source: str,
        params: Mapping[str, str],
        *,
        match: str | None,
        every: float | None,
        brand: Brand | None = None,
    ) -> CheckedWatch:
        """Check a watch before it is saved; ``every`` in minutes. Raises InvalidInput.

        With its brand the source judges as well whether it could be asked like that.
        """
        from listener.collect.registry import check_params

        spec = self.registry.spec(source)
        try:
            mode = MatchMode(match) if match else spec.default_match
        except ValueError:
            raise InvalidInput(f"match is terms or all, not {match!r}.", field="match") from None
        length = timedelta(minutes=every) if every else spec.every
        if length < watches.MIN_EVERY:
            raise InvalidInput("That is too often.", field="every", hint="At least 10 seconds.")
        checked = CheckedWatch(params=check_params(spec, params), match=mode, every=length)
        if brand is not None:
            self._check_question(source, checked, brand)
        return checked

    def _check_question(self, source: str, checked: CheckedWatch, brand: Brand) -> None:
        from listener.collect.base import Poller

        collector = self.registry.collector(source)
        if not isinstance(collector, Poller):
            return
        watch = Watch(
            id=0,
            source=source,
            params=checked.params,
            match=checked.match,
            every=checked.every,
            connection=Connection(source=source),
            brand=brand,
        )
        # Missing credentials do not keep a watch from being saved: its health will say so.
        with suppress(SourceError, KeyError):
            collector.check(self.runner.resolve(watch), now=self.clock())

    def preview(
        self,
        source: str,
        params: Mapping[str, str],
        *,
        match: MatchMode,
        brand: Brand | None,
        connection_id: int | None = None,
        every: timedelta | None = None,
    ) -> dict[str, Any]:
        """What a watch would bring and use up, nothing saved. Raises SourceError, InvalidInput."""
        from listener.pipeline.preview import preview

        def ahead(watch: Watch, items: Sequence[RawItem]) -> dict[str, Any]:
            return self.forecast(watch, items, every=every)

        return preview(
            self.runner,
            source,
            params,
            match=match,
            brand=brand,
            connection=self.connections.connection(source, connection_id),
            forecast=ahead,
            now=self.clock(),
        )

    def forecast(
        self, watch: Watch, items: Sequence[RawItem] = (), *, every: timedelta | None = None
    ) -> dict[str, Any]:
        """What a watch will use up of quotas and budget; ``items`` are those of its first page.

        Raises InvalidInput, ConfigError.
        """
        from listener.collect.base import purse
        from listener.pipeline.forecast import asking_of, forecast, volume_of

        spec, now = self.registry.spec(watch.source), self.clock()
        collector = self.registry.collector(watch.source)
        resolved = self.runner.resolve(watch)
        return forecast(
            spec,
            every or spec.every,
            asking_of(collector, resolved, now),
            terms=self.purses.terms(purse(watch)),
            volume=volume_of(collector, resolved, items, now),
        )

    def add_channel(
        self, *, name: str, address: str, kind: str = "", language: str = "", secret: str | None
    ) -> MadeChannel:
        """Save a channel, its secrets encrypted. Raises InvalidInput, TargetForbidden."""
        from listener.alert.channels import check_address, check_secret
        from listener.alert.services import kind_of

        kind = kind or kind_of(address)
        shown = check_address(kind, address, self.guard)
        if kind == "webhook":
            secret = secret or new_webhook_secret()
            check_secret(secret)
        with self.database.write() as work:
            row = channels.add(
                work.session,
                name=name,
                kind=kind,
                address=self.secrets.encrypt(address),
                address_shown=shown,
                secret=self.secrets.encrypt(secret) if secret else None,
                language=language or self.settings.language,
                now=self.clock(),
            )
            work.commit()
        return MadeChannel(id=row.id, secret=secret if kind == "webhook" else None)

    def inbound_presets(self) -> list[dict[str, Any]]:
        """Ready-made mappings of well-known senders, as JSON."""
        from listener.pipeline.mapping import PRESETS

        return [
            {
                "name": one.name,
                "title": one.title,
                "title_ko": one.title_ko,
                "scheme": one.scheme,
                "mapping": one.mapping.as_json(),
                "help": one.help,
                "help_ko": one.help_ko,
            }
            for one in PRESETS
        ]

    def check_mapping(self, mapping: Any) -> dict[str, Any]:
        """A mapping as it is stored. Raises InvalidInput that names the field."""
        from listener.pipeline.mapping import read_mapping

        return read_mapping(mapping).as_json()

    def preview_inbound(self, mapping: Any, body: bytes, content_type: str) -> dict[str, Any]:
        """What a mapping makes of a payload, nothing stored. Raises InvalidInput."""
        from listener.pipeline.inbound import preview
        from listener.pipeline.mapping import read_mapping

        zone = ZoneInfo(self.settings.timezone)
        return preview(read_mapping(mapping), body, content_type, zone=zone, now=self.clock())

    def inbound_address(self, public_id: str, secret: str = "") -> str:
        """Where senders post to; with a secret for those that can send no header."""
        return f"{self.base_url()}/hooks/{public_id}" + (f"/{secret}" if secret else "")

    def add_inbound(
        self,
        *,
        name: str,
        preset: str = "generic",
        brand_id: int | None = None,
        match: str | None = None,
        scheme: str | None = None,
        secret: str | None = None,
        mapping: Any = None,
    ) -> MadeInbound:
        """Save an inbound webhook, its secret encrypted; what is left out is the preset's.

        A secret is made where none is given (some senders bring their own). Raises InvalidInput,
        Conflict, NotFound.
        """
        from listener.alert.channels import check_secret
        from listener.pipeline.mapping import preset as preset_of
        from listener.pipeline.mapping import read_mapping
        from listener.security import new_token
        from listener.store import inbound

        began = preset_of(preset)
        scheme = scheme or began.scheme
        if scheme not in SCHEMES:
            raise InvalidInput(
                f"There is no scheme {scheme[:40]!r}.",
                field="scheme",
                hint=f"There is: {', '.join(SCHEMES)}.",
            )
        try:
            mode = MatchMode(match) if match else MatchMode.ALL if brand_id else MatchMode.TERMS
        except ValueError:
            raise InvalidInput("match is terms or all.", field="match") from None
        secret = secret or (new_webhook_secret() if scheme == "standard" else new_token())
        if scheme == "standard":
            check_secret(secret)
        elif len(secret) < 16 or not secret.isprintable():
            raise InvalidInput(
                "The secret is too short.", field="secret", hint="At least 16 characters."
            )
        with self.database.write() as work:
            row = inbound.add(
                work.session,
                name=name,
                brand_id=brand_id,
                match=mode,
                scheme=scheme,
                secret=self.secrets.encrypt(secret),
                preset=began.name,
                mapping=read_mapping(mapping or began.mapping.as_json()).as_json(),
                now=self.clock(),
            )
            work.commit()
        address = self.inbound_address(row.public_id, secret if scheme == "token" else "")
        return MadeInbound(id=row.id, address=address, secret=secret)

    def collect_once(self, watch_id: int | None = None) -> Iterator[dict[str, Any]]:
        """Run one watch, or all that are due, then a turn of their back-fills; a report of each."""
        yield from self.runner.collect_once(watch_id)
        yield from self.backfiller.turns(watch_id)

    def roll_up(self, *, screened: int | None = None) -> int:
        """Screen new mentions (about ``screened`` at most), then bring all stale buckets up to
        date; how many there were.

        In this order, so that detection never counts copies of one text as stories of their own.
        """
        from listener.pipeline.rollup import recount_if_switched, roll_up
        from listener.pipeline.screening import RECENT, screen

        now, count_flagged = self.clock(), self.settings.count_flagged
        recount_if_switched(self.database, count_flagged=count_flagged)
        screen(self.database, now=now, limit=screened)
        return roll_up(self.database, count_flagged=count_flagged, screened_since=now - RECENT)

    def count_distinct(
        self,
        session: Session,
        brand_id: int,
        since: datetime,
        until: datetime,
        *,
        by: By,
        places: Callable[[int], int],
        wanted: Collection[str] | None = None,
    ) -> dict[str, dict[int, int]]:
        """How many posts, stories or authors of [since, until) there are, by dimension and place;
        ``places`` gives the place of a time in microseconds.
        """
        from listener.pipeline.rollup import distinct
        from listener.store import buckets

        found = buckets.mentions_between(session, brand_id, since, until)
        count_flagged = self.settings.count_flagged
        return distinct(found, by, places, wanted, count_flagged=count_flagged)

    def spike_filter(self, row: SpikeRow, *, now: datetime) -> dict[str, str]:
        """The filter of a spike's mentions, as parameters of ``/api/v1/mentions``."""
        from listener.pipeline.causes import filter_of_spike

        return filter_of_spike(row, now=now, count_flagged=self.settings.count_flagged)

    def recount_spike(self, session: Session, row: SpikeRow, *, now: datetime) -> dict[str, Any]:
        """What drives a spike in numbers of this moment: those of the mentions of its filter."""
        from listener.pipeline.causes import recount_spike

        return recount_spike(session, row, now=now, settings=self.settings)

    def ingest_file(
        self,
        path: Path,
        *,
        brand: str | None,
        namespace: str | None,
        progress: Callable[[int, int], None],
    ) -> FileReport:
        """Store the mentions of a file. Raises InvalidInput, NotFound for the brand."""
        from listener.pipeline.file import ingest_file

        return ingest_file(
            self.ingest,
            path,
            brand=brand,
            namespace=namespace,
            progress=progress,
            now=self.clock(),
        )
