"""From what happened to spikes to alerts and messages: one alert an event, told once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy.orm import Session

from listener.detect.lifecycle import Event, Ongoing, Opened, Resolved, SpikeLife
from listener.store import outbox, spikes
from listener.store.tables import AlertRow, SpikeRow
from listener.types import Brand

log = logging.getLogger(__name__)

GROUP = timedelta(hours=6)  # a spike this soon after an alert's end belongs to the same event
ESCALATE = timedelta(hours=1)  # people read the first message, not the tenth
FRESH = timedelta(minutes=10)  # a catch-up brings the rest of a wave right after its alert
# These call people; a volume spike alone is shown, but may well be good news.
_ALERTING = ("negative", "complaint", "low_rating")

Explained: TypeAlias = tuple[dict[str, Any], list[int]]  # the explanation, and the mentions


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A series in which something happened; ``row_id`` is the row of its last spike."""

    dimension: str
    by: str
    sensitivity: str
    row_id: int | None = None


class Teller:
    """Writes what happened to spikes, and tells it in one alert an event."""

    def __init__(self, session: Session, brand: Brand, now: datetime) -> None:
        self._session = session
        self._brand = brand
        self._now = now
        self._touched: set[int] = set()  # alerts to settle at the end
        self._escalated: set[int] = set()

    def tell(self, series: Series, events: Sequence[Event], explained: Explained) -> None:
        """Store the spike as it stands after the look, and attach it to its alert.

        ``series`` is the one it is in, with the row that its spike is kept in so far.
        """
        row_id = series.row_id
        for event in events:
            fresh = isinstance(event, Opened)
            row = None if fresh or row_id is None else self._session.get(SpikeRow, row_id)
            if row is None:
                row = SpikeRow(
                    brand_id=self._brand.id,
                    dimension=series.dimension,
                    by=series.by,
                    sensitivity=series.sensitivity,
                    opened_at=self._now,
                )
                self._session.add(row)
            _write(row, event.spike, explained, now=self._now)
            self._session.flush()
            row_id = row.id
            if row.alert_id is None and not isinstance(event, Resolved):
                self._attach(row)
            if row.alert_id is not None:
                self._touched.add(row.alert_id)
                if isinstance(event, Ongoing) and (event.escalated or event.reopened):
                    self._escalated.add(row.alert_id)

    def settle(self) -> None:
        """Queue escalations and ends of alerts, once for all that happened in this look."""
        for alert_id in sorted(self._touched):
            alert = self._session.get_one(AlertRow, alert_id)
            rows = spikes.of_alert(self._session, alert_id)
            open_rows = [row for row in rows if row.state == "open"]
            alert.updated_at = self._now
            if open_rows:
                alert.severity = max(
                    [alert.severity, *map(severity, open_rows)], key=SEVERITIES.index
                )
                alert.state, alert.resolved_at = "open", None
                if alert_id in self._escalated and self._may_escalate(alert_id):
                    self._queue("alert.escalated", alert, rows)
            elif alert.state == "open":
                alert.state, alert.resolved_at = "resolved", self._now
                self._queue("alert.resolved", alert, rows)
        self._session.flush()

    def _may_escalate(self, alert_id: int) -> bool:
        opened = outbox.last_at(self._session, alert_id, "alert.opened")
        last = outbox.last_at(self._session, alert_id, "alert.escalated")
        return (opened is None or self._now - opened >= FRESH) and (
            last is None or self._now - last >= ESCALATE
        )

    def _queue(self, event: str, alert: AlertRow, rows: Sequence[SpikeRow]) -> None:
        sent = outbox.put_for_all(
            self._session,
            alert_id=alert.id,
            event=event,
            # An alert opens once; it may grow and end more than once.
            event_key="" if event == "alert.opened" else f"{self._now:%Y%m%d%H%M%S}",
            refs={"alert_id": alert.id, "spike_ids": [row.id for row in rows]},
            now=self._now,
        )
        log.info(event, extra={"alert": alert.id, "brand": self._brand.id, "channels": sent})

    def _attach(self, row: SpikeRow) -> None:
        """Give a new spike its alert: that of the event going on, or a new one that is sent.

        A spike that calls nobody by itself joins the event going on, but opens none.
        """
        if self._brand.competitor:
            return
        alert = spikes.alert_for(self._session, self._brand.id, onset_at=row.onset_at, within=GROUP)
        if not is_alerting(row.dimension) and (alert is None or alert.state == "resolved"):
            return
        if alert is None:
            alert = AlertRow(
                brand_id=self._brand.id,
                state="open",
                severity=severity(row),
                opened_at=self._now,
                updated_at=self._now,
            )
            self._session.add(alert)
            self._session.flush()
            self._queue("alert.opened", alert, [row])
        elif alert.state == "resolved":
            self._escalated.add(alert.id)  # people were told that it is over
        row.alert_id = alert.id
        self._session.flush()


SEVERITIES = ("low", "medium", "high")


def is_alerting(dimension: str) -> bool:
    """Whether a spike in this series calls people."""
    return dimension in _ALERTING or dimension.endswith(":complaint")


def severity(row: SpikeRow) -> str:
    """How bad a spike is. High: once in 8 years or rarer (score 2), or 20 more than expected at
    five times the expectation; medium: 5 more than expected; else low.
    """
    excess = row.observed - row.expected
    if row.score >= 2 or (excess >= 20 and row.observed >= 5 * row.expected):
        return "high"
    return "medium" if excess >= 5 else "low"


def _write(row: SpikeRow, spike: SpikeLife, explained: Explained, *, now: datetime) -> None:
    explanation, mention_ids = explained
    row.state = "open" if spike.is_open else "resolved"
    row.onset_at = spike.onset_at
    row.updated_at = now
    row.resolved_at = spike.resolved_at
    row.expected = spike.total_expected
    row.observed = spike.total_observed
    row.score = spike.peak_score
    row.detail = spike.dump()
    if explanation:
        row.explanation = explanation
        row.mention_ids = mention_ids
