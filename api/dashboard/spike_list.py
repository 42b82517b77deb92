"""The list of spikes: one entry an event, whatever series it raised."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.dashboard import charts, numbers
from api.dashboard.view import View
from listener.alert import sentences
from listener.alert.naming import prominence
from listener.detect.catalogue import parts_of
from listener.detect.series import floor_to_step
from listener.store.tables import AlertRow, RuleRow, SpikeRow, UserRow, WatchRow
from listener.types import Brand, Severity

HOUR = timedelta(hours=1)
_PAGE = 30
_TOGETHER = 2 * HOUR
_MOST_BARS = 96


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for."""

    state: str | None = None
    brand_id: int | None = None
    severity: str | None = None
    mine: bool = False
    before: tuple[datetime, int] | None = None

    @classmethod
    def of(cls, view: View) -> Asked:
        """From the query; what cannot be used is left out."""
        query = view.request.query_params
        state, severity, brand = (query.get(name, "") for name in ("state", "severity", "brand"))
        return cls(
            state if state in ("open", "resolved") else None,
            int(brand) if brand.isdecimal() and len(brand) < 16 else None,
            severity if severity in set(Severity) else None,
            query.get("mine") == "yes" and view.user is not None,
            _before(query.get("before")),
        )

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.state or self.brand_id or self.severity or self.mine or self.before)


@dataclass(frozen=True, slots=True)
class Listed:
    """An event: the spike that says most, and the series that rose with it."""

    row: SpikeRow
    brand: str
    title: str
    rarity: str
    cause: str
    spark: charts.Spark | None
    others: Sequence[SpikeRow]
    alert: AlertRow | None
    assigned: str

    @property
    def is_open(self) -> bool:
        """Whether anything of it goes on."""
        return self.row.state == "open"


@dataclass(frozen=True, slots=True)
class Watched:
    """What is looked after, for a list without a spike."""

    rules: int
    brands: int
    watches: int


def listed(
    session: Session, view: View, asked: Asked, brands: Sequence[Brand]
) -> tuple[list[Listed], str | None]:
    """A page of events, those that go on first, and the address of the next page."""
    rows = _rows(session, view, asked)
    more = None
    if len(rows) > _PAGE:
        rows = rows[:_PAGE]
        last = rows[-1]
        more = view.here(before=f"{last.onset_at.isoformat()}_{last.id}")
    groups = _events(session, rows, asked)
    alert_ids = {row.alert_id for group in groups for row in group if row.alert_id}
    alerts = {
        alert.id: alert
        for alert in session.scalars(select(AlertRow).where(AlertRow.id.in_(alert_ids)))
    }
    users = {
        user.id: user.name or user.email
        for user in session.scalars(select(UserRow))
        if any(alert.assigned_to == user.id for alert in alerts.values())
    }
    by_id = {brand.id: brand for brand in brands}
    found = [_entry(session, view, group, by_id, alerts, users) for group in groups]
    found.sort(key=lambda one: not one.is_open)
    return found, more


def _rows(session: Session, view: View, asked: Asked) -> list[SpikeRow]:
    query = (
        select(SpikeRow)
        .outerjoin(AlertRow, AlertRow.id == SpikeRow.alert_id)
        .order_by(SpikeRow.onset_at.desc(), SpikeRow.id.desc())
        .limit(_PAGE + 1)
    )
    if asked.brand_id is not None:
        query = query.where(SpikeRow.brand_id == asked.brand_id)
    if asked.state is not None:
        query = query.where(func.coalesce(AlertRow.state, SpikeRow.state) == asked.state)
    if asked.severity is not None:
        query = query.where(AlertRow.severity == asked.severity)
    if asked.mine and view.user is not None:
        query = query.where(AlertRow.assigned_to == view.user.id)
    if asked.before is not None:
        at, spike_id = asked.before
        query = query.where(
            (SpikeRow.onset_at < at) | ((SpikeRow.onset_at == at) & (SpikeRow.id < spike_id))
        )
    return list(session.scalars(query))


def _events(session: Session, rows: Sequence[SpikeRow], asked: Asked) -> list[list[SpikeRow]]:
    """Spikes of one alert together, all of them; and others that began within two hours.

    An event stands where its last spike is: pages after that leave it out.
    """
    alert_ids = {row.alert_id for row in rows if row.alert_id is not None}
    whole: dict[int, list[SpikeRow]] = {}
    for row in session.scalars(
        select(SpikeRow)
        .where(SpikeRow.alert_id.in_(alert_ids))
        .order_by(SpikeRow.onset_at.desc(), SpikeRow.id.desc())
    ):
        whole.setdefault(row.alert_id or 0, []).append(row)
    events: list[list[SpikeRow]] = []
    told: set[int] = set()
    for row in rows:
        if row.alert_id is not None:
            if row.alert_id in told:
                continue
            told.add(row.alert_id)
            group = whole[row.alert_id]
            first = group[0]
            if asked.before is None or (first.onset_at, first.id) < asked.before:
                events.append(group)
            continue
        for event in events:
            first = event[0]
            if first.brand_id == row.brand_id and abs(first.onset_at - row.onset_at) < _TOGETHER:
                if row not in event:
                    event.append(row)
                break
        else:
            events.append([row])
    return events


def _entry(
    session: Session,
    view: View,
    group: Sequence[SpikeRow],
    brands: dict[int, Brand],
    alerts: dict[int, AlertRow],
    users: dict[int, str],
) -> Listed:
    lead = max(group, key=rank)
    brand = brands.get(lead.brand_id)
    speech = view.speech
    subject = sentences.Subject.of(lead, brand.name if brand else "?", now=view.now)
    cause = next(iter(sentences.cause(subject, speech)), ())
    alert = next((alerts[row.alert_id] for row in group if row.alert_id in alerts), None)
    return Listed(
        row=lead,
        brand=subject.brand,
        title=sentences.title(subject, speech),
        rarity=sentences.rarity(lead.score, view.language),
        cause=sentences.plain(cause),
        spark=_spark(session, lead, view.now),
        others=[row for row in group if row is not lead],
        alert=alert,
        assigned=users.get(alert.assigned_to or 0, "") if alert else "",
    )


def rank(row: SpikeRow) -> tuple[bool, bool, bool, int, float]:
    """The highest of an event's spikes stands for all of them, as in messages."""
    is_open = row.state == "open"
    return prominence(row.dimension, is_open=is_open, trend=row.trend, score=row.score)


def _before(text: str | None) -> tuple[datetime, int] | None:
    at, _, spike_id = (text or "").partition("_")
    try:
        when = datetime.fromisoformat(at)
    except ValueError:
        return None
    return (when, int(spike_id)) if when.tzinfo and spike_id.isdecimal() else None


def _spark(session: Session, row: SpikeRow, now: datetime) -> charts.Spark | None:
    end = min(now, (row.resolved_at or now) + 3 * HOUR)
    start = floor_to_step(row.onset_at - max(12 * HOUR, end - row.onset_at), HOUR)
    size = max(1, math.ceil((end - start) / HOUR))
    step = HOUR if size <= _MOST_BARS else 6 * HOUR
    edges = [start + place * step for place in range(math.ceil((end - start) / step) + 1)]
    dimension, _ = parts_of(row.dimension)
    return charts.sparkline(numbers.bars(session, row.brand_id, (dimension,), edges)[dimension])


def watched(session: Session) -> Watched:
    """How much is looked after."""
    rules = session.scalar(
        select(func.count()).select_from(RuleRow).where(RuleRow.enabled.is_(True))
    )
    brands = session.scalar(
        select(func.count(func.distinct(RuleRow.brand_id))).where(RuleRow.enabled.is_(True))
    )
    collected = (
        select(func.count())
        .select_from(WatchRow)
        .where(WatchRow.enabled.is_(True), WatchRow.deleted_at.is_(None))
    )
    return Watched(rules or 0, brands or 0, session.scalar(collected) or 0)
