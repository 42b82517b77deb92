"""``/api/v1/generations``: the sets of models and rules, what another would change, the switch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.auth import Admins, Who, name_of
from api.deps import Json, Now, ServicesDep
from api.routes.schemas import LARGEST_ID, Body, BrandName, Id
from api.routes.watches import JobOut
from listener.errors import Conflict, NotFound
from listener.store import comparison, generations, jobs
from listener.store.comparison import Compared, Side
from listener.store.tables import JobRow

router = APIRouter(prefix="/api/v1/generations", tags=["generations"])


class Model(BaseModel):
    """What scores a language."""

    name: str = Field(examples=["ko-ngram"])
    version: str = Field(examples=["1-d434f5955e"])


class ProgressOut(BaseModel):
    """How far it has read what is stored."""

    since: datetime | None = Field(description="Only what is from then on; null = all.")
    done: int
    total: int
    started_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    switch: bool = Field(description="It is put in force once it is complete.")
    error: str | None = Field(description="Why it cannot go on.")


class GenerationOut(BaseModel):
    """A set of models and rules."""

    id: int
    active: bool = Field(description="In force: its readings are what everybody sees.")
    active_from: datetime | None
    created_at: datetime
    models: dict[str, Model] = Field(description="By language.")
    rules_version: str
    readings: int = Field(description="Mentions that it has read.")
    progress: ProgressOut | None = Field(description="Null where history was not read anew by it.")


class SwitchOut(BaseModel):
    """One switch to another set."""

    id: int
    at: datetime
    generation_id: int
    before_id: int | None
    by: str
    changed: dict[str, Any] = Field(description="Models and rules `before` and `after`.")


class GenerationsOut(BaseModel):
    """All sets, and the switches between them."""

    items: list[GenerationOut] = Field(description="The oldest first.")
    switches: list[SwitchOut] = Field(description="The latest first, at most 100.")


@router.get("", response_model=GenerationsOut, operation_id="list_generations")
def list_generations(services: ServicesDep) -> Response:
    """The sets of models and rules that mentions were read with, and the switches between them."""
    with services.database.read() as session:
        found = generations.counted(session)
        switches = generations.switches(session)
    return Json({"items": [_told(one) for one in found], "switches": switches})


def _told(one: generations.Generation) -> dict[str, Any]:
    given = {name: getattr(one, name) for name in GenerationOut.model_fields}
    row = one.progress
    return given | {
        "models": {
            language: {"name": name, "version": version}
            for language, (name, version) in one.models.items()
        },
        "progress": row and {name: getattr(row, name) for name in ProgressOut.model_fields},
    }


# --- comparison ----------------------------------------------------------------------------------


class SideOut(BaseModel):
    """What one set says of a brand's mentions."""

    mentions: int
    score: float | None = Field(description="Mean sentiment, -1 to 1.")
    complaint_rate: float | None = Field(description="Of those that could be judged, 0 to 1.")
    labels: dict[str, int]
    topics: dict[str, int]


class FlipOut(BaseModel):
    """How many mentions had one label and have another."""

    before: str = Field(examples=["negative"])
    after: str = Field(examples=["mixed"])
    count: int


class MovedOut(BaseModel):
    """A mention whose score moved far."""

    mention_id: int
    text: str
    old_label: str
    old_score: float | None
    new_label: str
    new_score: float | None


class ComparedOut(BaseModel):
    """A brand's mentions that both sets have read, its own voice left out."""

    brand: BrandName
    before: SideOut
    after: SideOut
    flips: list[FlipOut] = Field(description="Those that stayed too; the most first.")
    moved: list[MovedOut]


class ComparisonOut(BaseModel):
    """What would change, by brand."""

    before: int = Field(description="The set in force.")
    after: int
    items: list[ComparedOut]


class ComparisonQuery(BaseModel):
    """Which mentions."""

    since: AwareDatetime | None = Field(None, description="Only those from this time on.")


@router.get(
    "/{generation_id}/comparison", response_model=ComparisonOut, operation_id="compare_generation"
)
def compare_generation(
    services: ServicesDep, generation_id: Id, query: Annotated[ComparisonQuery, Query()]
) -> Response:
    """What would change if this set were in force instead of the present one."""
    with services.database.read() as session:
        generations.get(session, generation_id)
        active = generations.active_id(session)
        if active is None or active == generation_id:
            raise Conflict("It is the one in force.", hint="Name another one.")
        since = query.since and query.since.astimezone(UTC)
        found = comparison.compare(session, active, generation_id, since=since)
    items = [_compared(one) for one in found]
    return Json({"before": active, "after": generation_id, "items": items})


def _compared(one: Compared) -> dict[str, Any]:
    return {
        "brand": {"id": one.brand_id, "name": one.name},
        "before": _side(one.old),
        "after": _side(one.new),
        "flips": [
            {"before": before, "after": after, "count": count}
            for (before, after), count in sorted(one.flips.items(), key=lambda f: (-f[1], f[0]))
        ],
        "moved": [asdict(moved) for moved in one.moved],
    }


def _side(side: Side) -> dict[str, Any]:
    return {name: getattr(side, name) for name in SideOut.model_fields}


# --- asking for it -------------------------------------------------------------------------------


class RescoreIn(Body):
    """By which set to read."""

    generation: int | None = Field(
        None, ge=1, le=LARGEST_ID, description="Null = the present models and rules."
    )
    switch: bool = Field(False, description="Put it in force once it is complete.")


@router.post(
    "/rescore",
    response_model=JobOut,
    status_code=202,
    operation_id="rescore",
    dependencies=[Admins],
)
def rescore(services: ServicesDep, now: Now, body: RescoreIn) -> Response:
    """Read all that is stored by the present models and rules, beside the readings in force. The
    list of generations tells how far it is.
    """
    with services.database.write() as work:
        if body.generation is not None:
            generations.get(work.session, body.generation)
        payload = {"generation": body.generation, "switch": body.switch}
        told = ask(work.session, "rescore", payload, now)
        work.commit()
    return Json(told, 202)


class SwitchIn(Body):
    """How to switch."""

    force: bool = Field(False, description="Even if it has not read all that is stored.")


@router.post(
    "/{generation_id}/switch",
    response_model=JobOut,
    status_code=202,
    operation_id="switch_generation",
    dependencies=[Admins],
)
def switch_generation(
    services: ServicesDep, now: Now, who: Who, generation_id: Id, body: SwitchIn
) -> Response:
    """Put a set in force: one announced change, and all counts anew. Ask `/api/v1/jobs/{id}` what
    became of it; a set that lacks readings is refused, with how many.
    """
    with services.database.write() as work:
        if generations.get(work.session, generation_id).active:
            raise Conflict(f"Generation {generation_id} is in force already.")
        payload = {"generation": generation_id, "force": body.force, "by": name_of(who)}
        told = ask(work.session, "switch-generation", payload, now)
        work.commit()
    return Json(told, 202)


def ask(session: Session, kind: str, payload: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Hand a job to the service; gives it as it stands."""
    row = session.get(JobRow, jobs.ask(session, kind, payload, now=now))
    if row is None:
        raise NotFound("The job vanished.")
    return {name: getattr(row, name) for name in JobOut.model_fields}
