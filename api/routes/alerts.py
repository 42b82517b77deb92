"""``/api/v1/alerts``: what people were told of, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.deps import (
    Json,
    Page,
    ServicesDep,
    key_of,
    page_of,
)
from api.routes.mentions import brand_id
from api.routes.schemas import BrandName, Id
from api.routes.spikes import SpikeQuery, SpikeState, brand_names
from listener.store import alerts, history, rules
from listener.store.tables import AlertRow

router = APIRouter(prefix="/api/v1", tags=["alerts"])

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
    names = brand_names(session, {row.brand_id for row in rows})
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
