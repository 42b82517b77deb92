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
from sqlalchemy import select
from sqlalchemy.orm import Session

from listener.alert import message as messages
from listener.alert import notice as notice_words
from listener.alert.channels import (
    AppriseChannel,
    Channel,
    Outgoing,
    Sent,
    WebhookChannel,
    check_address,
    next_try,
)
from listener.enrich.rulesfile import category_names, read_rules_text
from listener.errors import InvalidInput, ListenerError, NotFound, StorageError, TargetForbidden
from listener.net.guard import Guard
from listener.pipeline.notices import load_facts as load_notice
from listener.security import Secrets
from listener.settings import Settings
from listener.store import channels, outbox, rule_sets, spikes
from listener.store.killpoints import reach
from listener.store.tables import AlertRow, BrandRow, ChannelRow, MentionRow
from listener.store.work import Database

log = logging.getLogger(__name__)

CLAIM = timedelta(minutes=2)
_EXCERPT = 160
_SAMPLES = 5


@dataclass(frozen=True, slots=True)
class _Telling:
    """What a message says, in a language and as data."""

    text: Callable[[str], messages.Text]
    data: Callable[[], Mapping[str, Any]]


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
        while tried < limit and go_on() and self._deliver_one():
            tried += 1
        return tried

    def _deliver_one(self) -> bool:
        now = self.clock()
        with self.database.write() as work:
            message = outbox.claim(work.session, now=now, length=CLAIM)
            work.commit()
        if message is None:
            return False
        reach("deliver-claimed")
        started = time.monotonic()
        sent = self._send(message, now)
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
        return True

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
            )
        )

    def _telling(
        self, session: Session, message: outbox.Message, now: datetime, tz: ZoneInfo
    ) -> _Telling:
        """What the message says, from what is known now. Raises NotFound."""
        event = message.event
        if message.notice_id is None:
            facts = load_facts(session, message, self.settings)
            named = self._named(session)
            return _Telling(
                lambda lang: messages.compose(facts, event, language=lang, tz=tz, named=named),
                lambda: messages.payload(facts, event, tz=tz, named=named),
            )
        told = load_notice(session, message.notice_id, self.settings, self.title_of)
        return _Telling(
            lambda language: notice_words.compose(told, event, now=now, language=language, tz=tz),
            lambda: notice_words.payload(told, event, now=now, tz=tz),
        )

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
        if row.kind == "webhook":
            secret = self.secrets.decrypt(row.secret) if row.secret else ""
            return WebhookChannel(lambda: self.session(f"channel-{row.id}"), address, secret)
        # Apprise has no guard of its own: judge again what the name resolves to today.
        check_address(row.kind, address, self.guard)
        return AppriseChannel(address)


def load_facts(
    session: Session, message: outbox.Message, settings: Settings
) -> messages.AlertFacts:
    """What the message is about, as it is now: an erased mention is in no message sent later."""
    alert = None
    if message.alert_id is not None:
        alert = session.get(AlertRow, message.alert_id)
    if alert is None:
        return messages.AlertFacts(
            alert_id=0,
            brand="Listener",
            severity="info",
            opened_at=message.created_at,
            resolved_at=None,
            spikes=(),
        )
    return alert_facts(session, alert, settings)


def alert_facts(session: Session, alert: AlertRow, settings: Settings) -> messages.AlertFacts:
    """An alert with its spikes and sample mentions, as messages and screens tell it."""
    brand = session.get_one(BrandRow, alert.brand_id)
    rows = spikes.of_alert(session, alert.id)
    base = (settings.public_url or f"http://{settings.host}:{settings.port}").rstrip("/")
    ids = list(dict.fromkeys(m for row in rows for m in row.mention_ids))[:_SAMPLES]
    return messages.AlertFacts(
        alert_id=alert.id,
        brand=brand.name,
        severity=alert.severity,
        opened_at=alert.opened_at,
        resolved_at=alert.resolved_at,
        spikes=tuple(spike_facts(row) for row in rows),
        samples=_samples(session, ids),
        url=f"{base}/spikes/{rows[0].id}" if rows else base,
    )


def spike_facts(row: Any) -> messages.SpikeFacts:
    """A spike row with the part of its explanation that fits into a message."""
    told = row.explanation or {}
    return messages.SpikeFacts(
        spike_id=row.id,
        dimension=row.dimension,
        state=row.state,
        onset_at=row.onset_at,
        resolved_at=row.resolved_at,
        expected=row.expected,
        observed=row.observed,
        score=row.score,
        topics=tuple((d["name"], d["share"]) for d in told.get("topics", [])),
        sources=tuple((d["name"], d["share"]) for d in told.get("sources", [])),
        phrases=tuple(d["text"] for d in told.get("phrases", [])),
        authors=told.get("authors"),
        stories=told.get("stories"),
    )


def _samples(session: Session, ids: list[int]) -> tuple[messages.Sample, ...]:
    rows = session.execute(
        select(
            MentionRow.id, MentionRow.source, MentionRow.title, MentionRow.text, MentionRow.url
        ).where(MentionRow.id.in_(ids))
    ).all()
    found = {row.id: row for row in rows}
    samples = []
    for mention_id in ids:
        row = found.get(mention_id)
        if row is not None:
            words = " ".join((row.text or row.title or "").split())
            excerpt = words if len(words) <= _EXCERPT else words[: _EXCERPT - 1] + "…"
            samples.append(
                messages.Sample(mention_id=row.id, source=row.source, excerpt=excerpt, url=row.url)
            )
    return tuple(samples)
