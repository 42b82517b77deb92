"""Outbox to the world: claim a message, send it, write the attempt down, try again or give up.

A message may arrive twice if we die between the answer and writing it down; it then carries the
same id, so that the receiver can tell.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import requests
from sqlalchemy.orm import Session

from listener.alert import message as messages
from listener.alert import notice as notice_words
from listener.alert.channels import check_address, open_channel
from listener.alert.picture import draw
from listener.alert.sending import Channel, Outgoing, Sent, next_try
from listener.enrich.rulesfile import category_names, read_rules_text
from listener.errors import InvalidInput, ListenerError, NotFound, StorageError, TargetForbidden
from listener.net.guard import Guard
from listener.pipeline.curve import curve_of
from listener.pipeline.facts import FactsReader
from listener.pipeline.notices import load_facts as load_notice
from listener.security import Secrets
from listener.settings import Settings
from listener.store import channels, outbox, rule_sets
from listener.store.killpoints import reach
from listener.store.tables import ChannelRow, SpikeRow
from listener.store.work import Database

log = logging.getLogger(__name__)

CLAIM = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class _Telling:
    """What a message says, in a language, as data and as a picture."""

    text: Callable[[str], messages.Text]
    data: Callable[[], Mapping[str, Any]]
    picture: Callable[[str], bytes | None] = lambda language: None
    thread: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliverer:
    """Sends what is due. ``session`` makes HTTP sessions behind the guard."""

    database: Database
    secrets: Secrets
    settings: Settings
    guard: Guard
    session: Callable[[str], requests.Session]  # of an account: limits are kept by these
    clock: Callable[[], datetime]
    title_of: Callable[[str], tuple[str, str]] = lambda source: (source, source)
    # Names of topics by the version of the rules, kept while that is in use.
    names: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict)

    def deliver_due(self, limit: int = 50, *, go_on: Callable[[], bool] = lambda: True) -> int:
        """Try the messages that are due, one after the other, while ``go_on`` says so; returns how
        many were tried. Raises StorageError.
        """
        tried = 0
        while tried < limit and go_on():
            message = self.claim()
            if message is None:
                break
            self.deliver(message)
            tried += 1
        return tried

    def claim(self) -> outbox.Message | None:
        """Take the next message that is due into these hands, unless its channel is at work on
        another one. Raises StorageError.
        """
        with self.database.read() as session:
            if not outbox.any_due(session, now=self.clock()):
                return None
        with self.database.write() as work:
            message = outbox.claim(work.session, now=self.clock(), length=CLAIM)
            work.commit()
        if message is not None:
            reach("deliver-claimed")
        return message

    def deliver(self, message: outbox.Message) -> None:
        """Try a message that was claimed, and write down what came of it. Raises StorageError."""
        started = time.monotonic()
        sent = self._send(message, self.clock())
        reach("deliver-sent")
        done = self.clock()
        retry_at = None
        if not sent.ok:
            retry_at = next_try(message.attempt, sent, now=done, jitter=random.random())
        with self.database.write() as work:
            outbox.record(
                work.session,
                message,
                ok=sent.ok,
                status_code=sent.status_code,
                reason=sent.reason,
                duration_ms=round((time.monotonic() - started) * 1000),
                retry_at=retry_at,
                reached=sent.reached,
                now=done,
            )
            work.commit()
        reach("deliver-recorded")
        if not sent.ok:
            log.warning(
                "message %s was not delivered: %s",
                message.message_id,
                sent.reason,
                extra={"attempt": message.attempt, "given_up": retry_at is None},
            )

    def _send(self, message: outbox.Message, now: datetime) -> Sent:
        """Try once, whatever happens: an attempt that is not written down would be made for ever.
        Raises StorageError only.
        """
        try:
            return self._try(message, now)
        except StorageError:
            raise
        except ListenerError as error:
            # A key that was put away, a name that does not resolve: that may be mended. An address
            # that is forbidden, or a channel that is gone, will not come back.
            permanent = isinstance(error, TargetForbidden | InvalidInput | NotFound)
            return Sent(ok=False, reason=str(error), permanent=permanent)
        except Exception:
            log.exception("message %s could not be sent", message.message_id)
            return Sent(ok=False, reason="Something unexpected happened; the log has the details.")

    def _try(self, message: outbox.Message, now: datetime) -> Sent:
        tz = ZoneInfo(self.settings.timezone)
        with self.database.read() as session:
            row = channels.get(session, message.channel_id)
            tell = self._telling(session, message, now, tz)
        if not row.enabled:
            return Sent(ok=False, reason="The channel is switched off.", permanent=True)
        return self._open(row).send(
            Outgoing(
                message_id=message.message_id,
                event=message.event,
                created_at=message.created_at,
                at=now,
                text=tell.text(row.language),
                data=tell.data(),
                picture=lambda: tell.picture(row.language),
                thread=tell.thread,
                reached=frozenset(message.refs.get(outbox.REACHED, ())),
            )
        )

    def _telling(
        self, session: Session, message: outbox.Message, now: datetime, tz: ZoneInfo
    ) -> _Telling:
        """What the message says, from what is known now. Raises NotFound."""
        event = message.event
        if message.notice_id is not None:
            told = load_notice(session, message.notice_id, self.settings, self.title_of)
            return _Telling(
                lambda lang: notice_words.compose(told, event, now=now, language=lang, tz=tz),
                lambda: notice_words.payload(told, event, now=now, tz=tz),
                thread=f"notice-{message.notice_id}",
            )
        named = self._named(session)
        reader = FactsReader(
            session=session,
            settings=self.settings,
            secrets=self.secrets,
            named=named,
            title_of=self.title_of,
            now=now,
        )
        facts = reader.of(message)
        return _Telling(
            lambda lang: messages.compose(facts, event, language=lang, tz=tz, named=named),
            lambda: messages.payload(facts, event, tz=tz, named=named),
            lambda lang: self._picture(facts, lang, tz, named, now),
            thread=f"alert-{facts.alert_id}" if facts.alert_id else "",
        )

    def _picture(
        self,
        facts: messages.AlertFacts,
        language: str,
        tz: ZoneInfo,
        named: messages.Named,
        now: datetime,
    ) -> bytes | None:
        """The spike that says most, drawn; None where there is nothing to draw."""
        lead = facts.lead
        if lead is None:
            return None
        with self.database.read() as session:
            row = session.get(SpikeRow, lead.spike_id)
            curve = None if row is None else curve_of(session, row, tz, now=now)
        if curve is None:
            return None

        def titled(spoken: str) -> str:
            return lead.titles.get(spoken) or messages.series_name(lead.dimension, spoken, named)

        title = f"{facts.brand} {titled(language)}"
        return draw(curve, title=title, english=titled("en"), language=language, tz=tz)

    def _named(self, session: Session) -> messages.Named:
        """What topics are called by the rules in use; a topic that these do not know is its key."""
        version = "" if self.settings.rules else rule_sets.current_version(session) or ""
        if version not in self.names:
            edited = rule_sets.current(session) if version else None
            text = edited.text if edited else read_rules_text(self.settings.rules)[1]
            self.names.clear()
            self.names[version] = category_names(text)
        known = self.names[version]
        return lambda topic, language: known.get(topic, (topic, topic))[language != "ko"]

    def _open(self, row: ChannelRow) -> Channel:
        """The channel behind a row. Raises ListenerError when its address may not be used (now)."""
        address = self.secrets.decrypt(row.address)
        secret = self.secrets.decrypt(row.secret) if row.secret else ""
        if row.kind == "apprise":
            # Apprise has no guard of its own: judge again what the name resolves to today.
            check_address(row.kind, address, self.guard)
        return open_channel(row.kind, address, secret, lambda: self.session(f"channel-{row.id}"))
