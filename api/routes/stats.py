"""``/api/v1/stats``: numbers over time, with what was not collected told apart from zero."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field
from starlette.responses import Response

from api import series
from api.deps import By, Json, Now, ServicesDep
from api.routes.generations import SwitchOut
from api.routes.mentions import brand_id
from api.routes.schemas import BrandName
from listener.errors import InvalidInput
from listener.store import brands, generations, stats
from listener.types import Coverage

router = APIRouter(prefix="/api/v1/stats", tags=["stats"])

_DEFAULT = {"5m": timedelta(days=1), "1h": timedelta(days=7), "1d": timedelta(days=30)}
_MOST_DIMENSIONS = 20


class TimeQuery(BaseModel):
    """Which time."""

    since: AwareDatetime | None = Field(None, alias="from", description="From this time on.")
    until: AwareDatetime | None = Field(
        None, alias="to", description="Up to this time. Default: now."
    )


class CountQuery(TimeQuery):
    """Which time, and what is counted."""

    count: By = Field(
        "posts",
        description="Every mention (`posts`), copies of one text once (`stories`), or everybody "
        "who wrote once (`authors`); told apart over the whole time or point.",
    )


class SeriesQuery(CountQuery):
    """Which series."""

    brand: str = Field(max_length=200, description="Name or id of a brand.", examples=["하늘"])
    dimension: str = Field(
        "all",
        max_length=1000,
        description="What to count, separated by commas: `all`, `negative` (or another sentiment, "
        "or `unscored`), `complaint`, `low_rating`, `own`, `source:NAME`, `topic:NAME`, "
        "`topic:NAME:complaint`.",
        examples=["all,negative"],
    )
    step: Literal["5m", "1h", "1d"] = Field(
        "1h", description="Length of a point. Days are those of the install's time zone."
    )


class SeriesLine(BaseModel):
    """The counts of one dimension."""

    dimension: str = Field(examples=["all"])
    counts: list[int | None] = Field(
        description="One for each point; null = not collected, which is not zero.",
        examples=[[12, 0, None, 7]],
    )


class SeriesOut(BaseModel):
    """Points in time and what was counted at each."""

    brand: BrandName
    step: str
    count: By = Field(description="What was counted.")
    timezone: str = Field(examples=["Asia/Seoul"])
    at: list[datetime] = Field(description="Where each point begins.")
    coverage: list[Coverage] = Field(
        description="How much was collected: `complete`, `partial` (may be more) or `unknown`."
    )
    series: list[SeriesLine]
    switches: list[SwitchOut] = Field(
        description="Switches to other models and rules in this time; all counts are by those in "
        "force now."
    )


@router.get("/series", response_model=SeriesOut, operation_id="get_series")
def get_series(services: ServicesDep, now: Now, query: Annotated[SeriesQuery, Query()]) -> Response:
    """Mentions of a brand over time, the brand's own voice left out (see `own`)."""
    since, until = _time(query, now, _DEFAULT[query.step])
    wanted = list(dict.fromkeys(d.strip() for d in query.dimension.split(",") if d.strip()))
    if not 0 < len(wanted) <= _MOST_DIMENSIONS:
        raise InvalidInput(
            f"Name 1 to {_MOST_DIMENSIONS} dimensions.",
            field="dimension",
            hint="Such as all,negative",
        )
    timezone = services.settings.timezone
    with services.database.read() as session:
        brand = brands.get(session, brand_id(session, query.brand))
        found = series.load(
            session,
            brand.id,
            wanted,
            since,
            until,
            step=query.step,
            tz=ZoneInfo(timezone),
            now=now,
        )
        if query.count != "posts":
            found = series.distinct(session, brand.id, found, until, query.count, services.wiring)
        switches = generations.switches(session, since=since, until=until)
    return Json(
        {
            "brand": {"id": brand.id, "name": brand.name},
            "step": query.step,
            "count": query.count,
            "timezone": timezone,
            "at": found.at,
            "coverage": found.coverage,
            "series": [
                {"dimension": dimension, "counts": found.counts[dimension]} for dimension in wanted
            ],
            "switches": switches,
        }
    )


class TotalOut(BaseModel):
    """What was said of a brand, its own voice left out."""

    brand: BrandName
    competitor: bool
    mentions: int
    share: float | None = Field(
        description="Share of voice: of the mentions of all brands, 0 to 1.", examples=[0.62]
    )
    complaints: int
    labels: dict[str, int] = Field(description="Mentions by sentiment, and `unscored`.")
    score: float | None = Field(description="Mean sentiment, -1 to 1.", examples=[-0.12])


class TotalsOut(BaseModel):
    """All brands. ``score`` is that of all mentions, whatever is counted."""

    since: datetime
    until: datetime
    count: By = Field(description="What was counted.")
    generation: int | None = Field(
        description="The set of models and rules they are counted by: see `/api/v1/generations`."
    )
    items: list[TotalOut]


@router.get("/totals", response_model=TotalsOut, operation_id="get_totals")
def get_totals(services: ServicesDep, now: Now, query: Annotated[CountQuery, Query()]) -> Response:
    """Every brand's mentions, complaints and sentiment in a time (default: 7 days)."""
    since, until = _time(query, now, timedelta(days=7))
    with services.database.read() as session:
        totals = stats.totals(session, since, until)
        if query.count != "posts":
            totals = series.distinct_totals(
                session, totals, since, until, query.count, services.wiring
            )
        generation = generations.active_id(session)
    items = [
        {
            "brand": {"id": total.brand_id, "name": total.name},
            "competitor": total.competitor,
            "mentions": total.mentions,
            "share": total.share,
            "complaints": total.complaints,
            "labels": total.labels,
            "score": total.score,
        }
        for total in totals
    ]
    return Json(
        {
            "since": since,
            "until": until,
            "count": query.count,
            "generation": generation,
            "items": items,
        }
    )


def _time(query: TimeQuery, now: datetime, length: timedelta) -> tuple[datetime, datetime]:
    until = query.until or now
    since = query.since or until - length
    if since >= until:
        raise InvalidInput("This is not before `to`.", field="from", hint="Swap them.")
    return since, until
