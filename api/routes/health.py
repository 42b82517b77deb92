"""Is it alive, is it ready, and its numbers: what the machines around the service ask."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from pydantic import BaseModel, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.deps import Json, Now, ServicesDep
from listener.store import schema
from listener.store.tables import (
    CounterRow,
    GapRow,
    MentionRow,
    OutboxRow,
    RunRow,
    SpikeRow,
    WatchRow,
)

public = APIRouter(tags=["health"])
guarded = APIRouter(tags=["health"])


class Health(BaseModel):
    """How it is."""

    status: str = Field(description="`ok`.", examples=["ok"])


@public.get("/healthz", response_model=Health, operation_id="healthz")
async def healthz() -> Response:
    """Whether the process answers. It says nothing of the database; see `/readyz`."""
    return Json({"status": "ok"})


@public.get("/readyz", response_model=Health, operation_id="readyz")
def readyz(services: ServicesDep) -> Response:
    """Whether requests can be answered: the database has the right tables. 503 if not."""
    schema.require(services.database)
    return Json({"status": "ok"})


@guarded.get("/api/v1/openapi.json", include_in_schema=False)
def openapi(request: Request) -> Response:
    """The description of this API."""
    return Json(request.app.openapi())


@guarded.get(
    "/metrics",
    operation_id="metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "Prometheus text format."}},
)
def metrics(request: Request, services: ServicesDep, now: Now) -> Response:
    """Numbers for Prometheus: mentions, changes, watches, runs, outbox, request durations."""
    registry = CollectorRegistry()
    with services.database.read() as session:
        registry.register(_Numbers(list(_read(session, now))))
    text = generate_latest(registry) + generate_latest(request.app.state.metrics.registry)
    return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})


class _Numbers(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def _read(session: Session, now: datetime) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "listener_mentions",
        "Mentions stored.",
        value=session.scalar(select(func.count()).select_from(MentionRow)) or 0,
    )
    seq = session.scalar(select(CounterRow.value).where(CounterRow.name == "change"))
    yield CounterMetricFamily(
        "listener_changes", "Changes told by the feed (its seq).", value=seq or 0
    )

    watches = GaugeMetricFamily("listener_watches", "Watches by health.", labels=["health"])
    lag = GaugeMetricFamily(
        "listener_watch_lag_seconds",
        "Longest time since the last success of a watch, by health.",
        labels=["health"],
    )
    last = func.coalesce(
        WatchRow.last_success_at, WatchRow.created_at, type_=WatchRow.created_at.type
    )
    for health, count, oldest in session.execute(
        select(WatchRow.health, func.count(), func.min(last, type_=WatchRow.created_at.type))
        .where(WatchRow.deleted_at.is_(None), WatchRow.enabled.is_(True))
        .group_by(WatchRow.health)
    ):
        watches.add_metric([health], count)
        lag.add_metric([health], max(0.0, (now - oldest).total_seconds()))
    yield watches
    yield lag

    runs = CounterMetricFamily("listener_runs", "Runs of watches by outcome.", labels=["outcome"])
    for outcome, count in session.execute(
        select(RunRow.outcome, func.count()).group_by(RunRow.outcome)
    ):
        runs.add_metric([outcome or "running"], count)
    yield runs

    outbox = GaugeMetricFamily("listener_outbox", "Messages by state.", labels=["state"])
    by_state = select(OutboxRow.state, func.count()).group_by(OutboxRow.state)
    counts = {state: count for state, count in session.execute(by_state)}
    for state in ("pending", "sent", "dead"):
        outbox.add_metric([state], counts.get(state, 0))
    yield outbox

    for name, text, row, is_open in (
        ("listener_open_gaps", "Gaps not filled yet.", GapRow, GapRow.filled_at.is_(None)),
        ("listener_open_spikes", "Spikes that are open.", SpikeRow, SpikeRow.state == "open"),
    ):
        value = session.scalar(select(func.count()).select_from(row).where(is_open)) or 0
        yield GaugeMetricFamily(name, text, value=value)
