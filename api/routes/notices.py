"""``/api/v1/notices`` and ``/api/v1/ratings``: what failed and was told, what averages stand at."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field
from starlette.responses import Response

from api.deps import Json, Now, Page, PageQuery, ServicesDep, key_of, page_of
from api.routes.mentions import brand_id
from api.routes.schemas import LARGEST_ID, Id
from listener.errors import InvalidInput
from listener.store import notices, ratings
from listener.store.tables import NoticeRow, RatingRow, WatchRow

router = APIRouter(prefix="/api/v1", tags=["runs"])


class NoticeOut(BaseModel):
    """A trouble of collecting that people were told of: all watches that fail for one cause."""

    id: int
    state: Literal["open", "recovered", "closed"] = Field(
        description="`closed`: over without a recovery, as when the watch was paused."
    )
    cause: str = Field(description="The state of its watches.", examples=["failing"])
    outcome: str = Field(description="How their runs end.", examples=["unavailable"])
    source: str = Field(description='`""`: several.', examples=["reviews"])
    place: str = Field(description="The connection or host they share.", examples=["shop.example"])
    reason: str = Field(description="What the source said.")
    watch_ids: list[int]
    since: datetime = Field(description="When the trouble began.")
    opened_at: datetime = Field(description="When people were first told.")
    told_at: datetime = Field(description="When they were told last.")
    reminders: int
    ended_at: datetime | None


class NoticeQuery(PageQuery):
    """Which notices."""

    state: Literal["open", "recovered", "closed"] | None = Field(None, description="Only these.")


@router.get("/notices", response_model=Page[NoticeOut], operation_id="list_notices")
def list_notices(services: ServicesDep, query: Annotated[NoticeQuery, Query()]) -> Response:
    """Troubles of collecting that people were told of, the latest first."""
    before = key_of(query.cursor, "notice")
    with services.database.read() as session:
        found = notices.page(session, state=query.state, before_id=before, limit=query.limit + 1)
        told = [_notice(row) for row in found]
    return page_of(told, limit=query.limit, name="notice", key=lambda one: one["id"])


@router.get("/notices/{notice_id}", response_model=NoticeOut, operation_id="get_notice")
def get_notice(services: ServicesDep, notice_id: Id) -> Response:
    """One notice."""
    with services.database.read() as session:
        return Json(_notice(notices.get(session, notice_id)))


def _notice(row: NoticeRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in NoticeOut.model_fields}


# --- ratings -------------------------------------------------------------------------------------


class RatingOut(BaseModel):
    """An average over many ratings at one moment, as the source told it. Not a mention."""

    id: int
    watch_id: int
    source: str = Field(examples=["appstore"])
    namespace: str
    subject: str = Field(description="What was rated.", examples=["kr/123456789"])
    title: str | None
    url: str | None
    country: str | None
    at: datetime
    average: float = Field(examples=[4.3])
    count: int | None = Field(description="Ratings in all; null: not told.", examples=[1893])
    rating_min: float
    rating_max: float


class RatingQuery(PageQuery):
    """Which averages."""

    brand: str | None = Field(None, max_length=200, description="Name or id of a brand.")
    watch: int | None = Field(None, ge=1, le=LARGEST_ID, description="Id of a watch.")
    since: AwareDatetime | None = Field(None, alias="from", description="From this time on.")
    until: AwareDatetime | None = Field(None, alias="to", description="Up to this time.")


@router.get("/ratings", response_model=Page[RatingOut], operation_id="list_ratings")
def list_ratings(
    services: ServicesDep, now: Now, query: Annotated[RatingQuery, Query()]
) -> Response:
    """Averages of ratings over time, the latest first: one when it changed, or once a day."""
    if query.since is not None and query.since >= (query.until or now):
        raise InvalidInput("This is not before `to`.", field="from", hint="Swap them.")
    before = key_of(query.cursor, "rating")
    with services.database.read() as session:
        found = ratings.page(
            session,
            brand_id=None if query.brand is None else brand_id(session, query.brand),
            watch_id=query.watch,
            since=query.since,
            until=query.until,
            before_id=before,
            limit=query.limit + 1,
        )
        told = [_rating(row, watch) for row, watch in found]
    return page_of(told, limit=query.limit, name="rating", key=lambda one: one["id"])


def _rating(row: RatingRow, watch: WatchRow) -> dict[str, Any]:
    given = set(RatingOut.model_fields) - {"source"}
    return {name: getattr(row, name) for name in given} | {"source": watch.source}
