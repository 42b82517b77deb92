"""What a message of an alert is made of, read at the moment of sending.

An erased mention is in no message that is sent later, and a retry tells the numbers of now.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from listener.alert import sentences
from listener.alert.links import acknowledge_token
from listener.alert.message import ASKING, AlertFacts, Named, Sample, SpikeFacts
from listener.security import Secrets
from listener.settings import Settings
from listener.store import alerts, outbox, spikes
from listener.store.tables import (
    AlertRow,
    AlertRuleRow,
    BrandRow,
    MentionRow,
    RuleRow,
    SpikeRow,
)

log = logging.getLogger(__name__)

_EXCERPT = 160
_SAMPLES = 5
_SAID = 9  # sentences about a spike


@dataclass(frozen=True, slots=True, kw_only=True)
class FactsReader:
    """Reads facts in one session. ``named`` and ``title_of`` tell what topics and sources are
    called.
    """

    session: Session
    settings: Settings
    secrets: Secrets
    named: Named
    title_of: Callable[[str], tuple[str, str]]
    now: datetime

    def of(self, message: outbox.Message) -> AlertFacts:
        """The facts of a message; without spikes where it is about no alert."""
        if message.event == "alert.digest":
            return self._digest(message)
        alert = None
        if message.alert_id is not None:
            alert = self.session.get(AlertRow, message.alert_id)
        return self._nothing(message) if alert is None else self._alert(alert, message)

    @property
    def _base(self) -> str:
        settings = self.settings
        return (settings.public_url or f"http://{settings.host}:{settings.port}").rstrip("/")

    def _nothing(self, message: outbox.Message) -> AlertFacts:
        return AlertFacts(
            alert_id=0,
            brand="Listener",
            severity="info",
            opened_at=message.created_at,
            resolved_at=None,
            spikes=(),
        )

    def _digest(self, message: outbox.Message) -> AlertFacts:
        ids = [int(one) for one in message.refs.get("alert_ids", ())]
        found = {
            row.id: row
            for row in self.session.scalars(select(AlertRow).where(AlertRow.id.in_(ids)))
        }
        return AlertFacts(
            alert_id=0,
            brand="Listener",
            severity="info",
            opened_at=message.created_at,
            resolved_at=None,
            spikes=(),
            url=f"{self._base}/spikes",
            alerts=tuple(self._alert(found[one], message) for one in ids if one in found),
            why=str(message.refs.get("why", "")),
        )

    def _alert(self, alert: AlertRow, message: outbox.Message) -> AlertFacts:
        brand = self.session.get_one(BrandRow, alert.brand_id)
        rows = spikes.of_alert(self.session, alert.id)
        ids = list(dict.fromkeys(m for row in rows for m in row.mention_ids))[:_SAMPLES]
        seen = None
        if message.event in ASKING and alert.state == "open" and alert.acknowledged_at is None:
            token = acknowledge_token(
                self.secrets,
                alert_id=alert.id,
                channel_id=message.channel_id,
                sent_at=message.created_at,
            )
            seen = f"{self._base}/acknowledge/{token}"
        facts = AlertFacts(
            alert_id=alert.id,
            brand=brand.name,
            severity=alert.severity,
            opened_at=alert.opened_at,
            resolved_at=alert.resolved_at,
            spikes=tuple(self._spike(row, brand) for row in rows),
            samples=self._samples(ids),
            rules=self._rules(alert.id),
            acknowledge_url=seen,
            acknowledged_at=alert.acknowledged_at,
            acknowledged_by=alerts.acknowledged_by(self.session, alert),
            verdict=alert.verdict or "",
            reminders=alert.reminders,
            step=int(message.refs.get("step", 0)),
        )
        lead = facts.lead
        url = f"{self._base}/spikes/{lead.spike_id}" if lead else self._base
        return replace(facts, url=url)

    def _rules(self, alert_id: int) -> tuple[str, ...]:
        return tuple(
            self.session.scalars(
                select(RuleRow.name)
                .join(AlertRuleRow, AlertRuleRow.rule_id == RuleRow.id)
                .where(AlertRuleRow.alert_id == alert_id)
                .order_by(AlertRuleRow.score.desc(), RuleRow.id)
            )
        )

    def _spike(self, row: SpikeRow, brand: BrandRow) -> SpikeFacts:
        told = row.explanation or {}
        titles, said = self._told(row, brand)
        return SpikeFacts(
            spike_id=row.id,
            dimension=row.dimension,
            state=row.state,
            onset_at=row.onset_at,
            resolved_at=row.resolved_at,
            expected=row.expected,
            observed=row.observed,
            score=row.score,
            topics=tuple((d["name"], d["share"]) for d in told.get("topics") or ()),
            sources=tuple((d["name"], d["share"]) for d in told.get("sources") or ()),
            phrases=tuple(d["text"] for d in told.get("phrases") or ()),
            authors=told.get("authors"),
            stories=told.get("stories"),
            trend=bool(row.trend),
            titles=titles,
            said=said,
        )

    def _told(
        self, row: SpikeRow, brand: BrandRow
    ) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
        """Title and sentences by language."""
        titles, said = {}, {}
        try:
            subject = sentences.Subject.of(
                row, brand.name, now=self.now, competitor=brand.competitor
            )
            for language in ("ko", "en"):
                speech = self._speech(language)
                titles[language] = sentences.title(subject, speech)
                lines = [sentences.headline(subject, speech), *sentences.sentences(subject, speech)]
                said[language] = tuple(sentences.plain(line) for line in lines[:_SAID])
        except (KeyError, TypeError, ValueError):
            # What explains it was stored by another version. An alert goes out all the same, with
            # its bare numbers.
            log.exception("spike %s could not be told in sentences", row.id)
            return {}, {}
        return titles, said

    def _speech(self, language: str) -> sentences.Speech:
        return sentences.Speech(
            language=language,
            tz=ZoneInfo(self.settings.timezone),
            topic=self.named,
            source=lambda code, spoken: self.title_of(code)[spoken != "ko"],
        )

    def _samples(self, ids: Sequence[int]) -> tuple[Sample, ...]:
        rows = self.session.execute(
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
                    Sample(mention_id=row.id, source=row.source, excerpt=excerpt, url=row.url)
                )
        return tuple(samples)
