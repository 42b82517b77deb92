"""``/api/v1/planned-events``, ``/api/v1/holidays``: the calendar that changes what is usual."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.auth import Who, Writes, name_of
from api.deps import Json, Now, ServicesDep
from api.routes.mentions import brand_id
from api.routes.schemas import Body, Id
from listener.detect.calendar import holidays_of
from listener.errors import InvalidInput
from listener.store import planned
from listener.store.tables import PlannedEventRow

router = APIRouter(prefix="/api/v1", tags=["rules"])

Kind = Literal["campaign", "launch", "other"]
_FACTOR = (
    "How many times the usual is expected meanwhile; null: nothing is told of it, and nothing "
    "learnt from it."
)


class PlannedEventOut(BaseModel):
    """Something that the calendar knows of: [`from_at`, `to_at`)."""

    id: int
    name: str = Field(examples=["봄 세일"])
    kind: Kind
    brand_id: int | None = Field(description="Null: of all brands.")
    from_at: datetime
    to_at: datetime
    factor: float | None = Field(description=_FACTOR, examples=[3.0])
    created_by: str = Field(description="Whoever put it in.")
    created_at: datetime


class PlannedEvents(BaseModel):
    """The calendar, the earliest first."""

    items: list[PlannedEventOut]


class PlannedEventIn(Body):
    """A new event."""

    name: str = Field(max_length=200, examples=["봄 세일"])
    brand: str | int | None = Field(None, description="Name or id of the brand; null: all.")
    kind: Kind = "campaign"
    from_at: AwareDatetime
    to_at: AwareDatetime = Field(description="Its end, which is no longer in it.")
    factor: float | None = Field(None, ge=0.1, le=100, description=_FACTOR)


class PlannedEventPatch(Body):
    """What to change; fields that are left out stay."""

    name: str | None = Field(None, max_length=200)
    brand: str | int | None = Field(None, description="Null: all brands.")
    kind: Kind | None = None
    from_at: AwareDatetime | None = None
    to_at: AwareDatetime | None = None
    factor: float | None = Field(None, ge=0.1, le=100, description=_FACTOR)


class PlannedEventQuery(BaseModel):
    """Which events."""

    brand: str | None = Field(
        None, max_length=200, description="Of this brand, name or id, and of all brands."
    )
    since: AwareDatetime | None = Field(None, alias="from", description="Not over by then.")
    until: AwareDatetime | None = Field(None, alias="to", description="Begun before that.")


class Holiday(BaseModel):
    """A public holiday."""

    day: date
    name: str = Field(examples=["설날"])


class Holidays(BaseModel):
    """The public holidays of a year, which count as Sundays."""

    country: str = Field(description='As set; `""`: none are known.', examples=["KR"])
    items: list[Holiday]


@router.get("/planned-events", response_model=PlannedEvents, operation_id="list_planned_events")
def list_planned_events(
    services: ServicesDep, query: Annotated[PlannedEventQuery, Query()]
) -> Response:
    """Campaigns and launches in the calendar."""
    with services.database.read() as session:
        brand = None if query.brand is None else brand_id(session, query.brand)
        found = planned.rows(session, brand_id=brand, since=query.since, until=query.until)
        return Json({"items": [_told(row) for row in found]})


@router.get(
    "/planned-events/{event_id}", response_model=PlannedEventOut, operation_id="get_planned_event"
)
def get_planned_event(services: ServicesDep, event_id: Id) -> Response:
    """One event."""
    with services.database.read() as session:
        return Json(_told(planned.row_of(session, event_id)))


@router.post(
    "/planned-events",
    status_code=201,
    response_model=PlannedEventOut,
    operation_id="create_planned_event",
    dependencies=[Writes],
)
def create_planned_event(
    services: ServicesDep, now: Now, who: Who, body: PlannedEventIn
) -> Response:
    """Put a campaign or launch into the calendar. One that reaches into the past changes what is
    taken for usual since.
    """
    with services.database.write() as work:
        made = planned.create(
            work.session,
            name=body.name,
            kind=body.kind,
            brand_id=_brand(work.session, body.brand),
            from_at=body.from_at,
            to_at=body.to_at,
            factor=body.factor,
            by=name_of(who),
            now=now,
        )
        answer = Json(_told(planned.row_of(work.session, made.id)), 201)
        work.commit()
    return answer


@router.patch(
    "/planned-events/{event_id}",
    response_model=PlannedEventOut,
    operation_id="change_planned_event",
    dependencies=[Writes],
)
def change_planned_event(services: ServicesDep, event_id: Id, body: PlannedEventPatch) -> Response:
    """Change an event."""
    given = body.model_dump(exclude_unset=True)
    for name in ("name", "kind", "from_at", "to_at"):
        if name in given and given[name] is None:
            raise InvalidInput("This may not be null.", field=name, hint="Leave it out.")
    with services.database.write() as work:
        if "brand" in given:
            given["brand_id"] = _brand(work.session, given.pop("brand"))
        planned.update(work.session, event_id, **given)
        answer = Json(_told(planned.row_of(work.session, event_id)))
        work.commit()
    return answer


@router.delete(
    "/planned-events/{event_id}",
    status_code=204,
    operation_id="remove_planned_event",
    dependencies=[Writes],
)
def remove_planned_event(services: ServicesDep, event_id: Id) -> Response:
    """Take an event out of the calendar."""
    with services.database.write() as work:
        planned.remove(work.session, event_id)
        work.commit()
    return Response(status_code=204)


@router.get("/holidays", response_model=Holidays, operation_id="list_holidays")
def list_holidays(
    services: ServicesDep,
    year: Annotated[int, Query(ge=1990, le=2100, description="Of which year.")],
    language: Annotated[
        Literal["ko", "en"] | None,
        Query(description="Of the names; default, and where there are none: the country's own."),
    ] = None,
) -> Response:
    """The public holidays that are known."""
    country = services.settings.holidays
    found = holidays_of(country, [year], language=language) if country else {}
    told = [{"day": day, "name": name} for day, name in sorted(found.items())]
    return Json({"country": country, "items": told})


def _brand(session: Session, given: str | int | None) -> int | None:
    return None if given is None else brand_id(session, str(given))


def _told(row: PlannedEventRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in PlannedEventOut.model_fields}
