"""``/api/v1/spikes`` and ``alerts``: what stood out, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.deps import (
    Json,
    Page,
    PageQuery,
    ServicesDep,
    decode_cursor,
    encode_cursor,
    key_of,
    page_of,
)
from api.routes.mentions import brand_id
from api.routes.schemas import BrandName, Id
from listener.errors import InvalidInput
from listener.store import alerts, history, rules, spikes
from listener.store.base import from_us, to_us
from listener.store.tables import AlertRow, BrandRow, SpikeRow

router = APIRouter(prefix="/api/v1", tags=["alerts"])

SpikeState = Literal["open", "resolved"]


# --- spikes --------------------------------------------------------------------------------------


class Driver(BaseModel):
    """What there is more of than usual."""

    name: str = Field(examples=["delivery"])
    count: int = Field(description="Mentions of the spike with it.", examples=[31])
    share: float = Field(description="Of the spike's mentions, 0 to 1.", examples=[0.74])
    usual_share: float = Field(description="Of the mentions before it.", examples=[0.21])
    excess: float = Field(description="How many more than usual.", examples=[28.5])


class Drivers(BaseModel):
    """What drives the spike, strongest first."""

    topics: list[Driver] = []
    sources: list[Driver] = []
    labels: list[Driver] = Field([], description="Sentiment.")
    phrases: list[dict[str, Any]] = Field([], description="Words that set its texts apart.")


class SpikeOut(BaseModel):
    """A series far above what was expected of it."""

    id: int
    brand: BrandName
    series: str = Field(
        description="`all`, `negative`, `complaint`, `low_rating`, or a topic's complaints as "
        "`topic:delivery:complaint`.",
        examples=["complaint"],
    )
    state: SpikeState
    onset: datetime = Field(description="When it began.")
    opened_at: datetime = Field(description="When it was noticed.")
    updated_at: datetime
    resolved_at: datetime | None
    expected: float = Field(description="Mentions expected since its onset.", examples=[6.2])
    observed: float = Field(description="Mentions seen since its onset.", examples=[42])
    score: float = Field(
        description="How surprising at its highest: 0 = such a thing once a month, 2 = once in a "
        "hundred months.",
        examples=[5.3],
    )
    drivers: Drivers
    explanation: dict[str, Any] = Field(description="Authors, stories, complaints: more numbers.")
    mention_ids: list[int] = Field(description="Its mentions, samples first.")
    alert_id: int | None


class SpikeQuery(PageQuery):
    """Which spikes."""

    brand: str | None = Field(None, max_length=200, description="Name or id of a brand.")
    state: SpikeState | None = Field(None, description="open or resolved.")


@router.get("/spikes", response_model=Page[SpikeOut], operation_id="list_spikes")
def list_spikes(services: ServicesDep, query: Annotated[SpikeQuery, Query()]) -> Response:
    """Spikes, the latest onset first."""
    with services.database.read() as session:
        rows = spikes.page(
            session,
            brand_id=None if query.brand is None else brand_id(session, query.brand),
            state=query.state,
            before=_spike_before(query.cursor),
            limit=query.limit + 1,
        )
        told = _spikes(session, rows)
    cursor = None
    if len(told) > query.limit:
        last = rows[query.limit - 1]
        cursor = encode_cursor(f"spike:{to_us(last.onset_at)}:{last.id}")
    return Json({"items": told[: query.limit], "next_cursor": cursor})


@router.get("/spikes/{spike_id}", response_model=SpikeOut, operation_id="get_spike")
def get_spike(services: ServicesDep, spike_id: Id) -> Response:
    """One spike."""
    with services.database.read() as session:
        return Json(_spikes(session, [history.get_spike(session, spike_id)])[0])


def _spike_before(cursor: str | None) -> tuple[datetime, int] | None:
    if cursor is None:
        return None
    kind, *rest = decode_cursor(cursor).split(":")
    if kind != "spike" or len(rest) != 2 or not all(n.isdecimal() and len(n) < 17 for n in rest):
        raise InvalidInput(
            "This cursor is not of this list.", field="cursor", hint="Begin without a cursor."
        )
    return from_us(int(rest[0])), int(rest[1])


def _spikes(session: Session, rows: Sequence[SpikeRow]) -> list[dict[str, Any]]:
    names = _brand_names(session, {row.brand_id for row in rows})
    told = []
    for row in rows:
        rest = dict(row.explanation)
        drivers = {name: rest.pop(name, []) for name in Drivers.model_fields}
        told.append(
            {
                "id": row.id,
                "brand": names[row.brand_id],
                "series": row.dimension,
                "state": row.state,
                "onset": row.onset_at,
                "opened_at": row.opened_at,
                "updated_at": row.updated_at,
                "resolved_at": row.resolved_at,
                "expected": row.expected,
                "observed": row.observed,
                "score": row.score,
                "drivers": drivers,
                "explanation": rest,
                "mention_ids": row.mention_ids,
                "alert_id": row.alert_id,
            }
        )
    return told


def _brand_names(session: Session, ids: set[int]) -> Mapping[int, dict[str, Any]]:
    rows = session.execute(select(BrandRow.id, BrandRow.name).where(BrandRow.id.in_(ids)))
    return {id_: {"id": id_, "name": name} for id_, name in rows}


# --- alerts --------------------------------------------------------------------------------------


class AlertRule(BaseModel):
    """A rule that wanted the alert."""

    id: int
    name: str = Field(examples=["불만 급증"])
    score: float = Field(description="The highest at which it did.", examples=[2.4])


class AlertOut(BaseModel):
    """One event that people were told of; it groups the spikes of that event."""

    id: int
    brand: BrandName
    state: SpikeState
    severity: Literal["low", "medium", "high"]
    opened_at: datetime
    updated_at: datetime
    resolved_at: datetime | None
    acknowledged_at: datetime | None = Field(description="When somebody said they had seen it.")
    acknowledged_by: int | None = Field(
        description="Which user; null for an API key, and for the link of a message."
    )
    assigned_to: int | None = Field(description="Which user takes care of it.")
    snoozed_until: datetime | None = Field(description="Nothing is told of it until then.")
    verdict: Literal["right", "false", "planned"] | None = Field(
        description="What people said it was."
    )
    verdict_at: datetime | None
    told_at: datetime | None = Field(
        description="When people last heard of it; null: not yet, as in quiet hours."
    )
    waiting_since: datetime | None = Field(
        description="Since when those who heard of it are waited for: reminders and the next in "
        "the chain count from it. Null: somebody has seen it."
    )
    reminders: int = Field(description="Sent since then.")
    step: int = Field(description="The last of the chain that was called; 0 = the first.")
    rules: list[AlertRule] = Field(description="Without those that were deleted since.")
    summary: dict[str, Any] | None = Field(
        description="In numbers, once it is over: `from`, `to`, `minutes`, `spikes`, `series`, "
        "`observed`, `expected`, `score`, `stories`, `authors`, `topics`, "
        "`acknowledged_after_min`, `reminders`."
    )
    spike_ids: list[int]


class AlertQuery(SpikeQuery):
    """Which alerts."""


@router.get("/alerts", response_model=Page[AlertOut], operation_id="list_alerts")
def list_alerts(services: ServicesDep, query: Annotated[AlertQuery, Query()]) -> Response:
    """Alerts, the latest first."""
    before = key_of(query.cursor, "alert")
    with services.database.read() as session:
        rows = history.alerts(
            session,
            brand_id=None if query.brand is None else brand_id(session, query.brand),
            state=query.state,
            before_id=before,
            limit=query.limit + 1,
        )
        told = alerts_told(session, rows)
    return page_of(told, limit=query.limit, name="alert", key=lambda one: one["id"])


@router.get("/alerts/{alert_id}", response_model=AlertOut, operation_id="get_alert")
def get_alert(services: ServicesDep, alert_id: Id) -> Response:
    """One alert."""
    with services.database.read() as session:
        return Json(alerts_told(session, [history.get_alert(session, alert_id)])[0])


def alerts_told(session: Session, rows: Sequence[AlertRow]) -> list[dict[str, Any]]:
    """Alerts as ``AlertOut`` tells them."""
    ids = [row.id for row in rows]
    names = _brand_names(session, {row.brand_id for row in rows})
    grouped = history.spikes_of(session, ids)
    scores = alerts.rules_of(session, ids)
    known = rules.by_ids(session, {rule_id for of in scores.values() for rule_id in of})
    given = set(AlertOut.model_fields) - {"brand", "rules", "spike_ids"}
    return [
        {name: getattr(row, name) for name in given}
        | {
            "brand": names[row.brand_id],
            "rules": [
                {"id": rule_id, "name": known[rule_id].name, "score": score}
                for rule_id, score in scores[row.id].items()
                if rule_id in known  # deleted just now
            ],
            "spike_ids": grouped[row.id],
        }
        for row in rows
    ]
