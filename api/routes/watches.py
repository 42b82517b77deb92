"""``/api/v1/watches``, ``runs``, ``gaps``: what is collected, how it goes, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.auth import Writes
from api.deps import Json, Now, Page, PageQuery, ServicesDep, key_of, page_of
from api.routes.mentions import brand_id
from api.routes.schemas import LARGEST_ID, Body, BrandName, Id
from listener.collect.health import State, facts_of, health
from listener.errors import NotFound
from listener.store import brands, connections, history, jobs, runs, watches
from listener.store.tables import BrandRow, GapRow, JobRow, RunRow, WatchRow
from listener.types import GapReason, MatchMode, Outcome

router = APIRouter(prefix="/api/v1")
_HEALTH = f"`new`, or how its last run ended: {', '.join(Outcome)}."


class HealthWords(BaseModel):
    """How a watch is doing, in words."""

    title: str = Field(examples=["Needs credentials"])
    reason: str = Field(examples=["The API key is missing, wrong or too weak."])
    advice: str = Field(description="What to do; empty if nothing.")


class WatchOut(BaseModel):
    """What is collected, and where it stands."""

    id: int
    source: str = Field(examples=["feed"])
    brand: BrandName | None = Field(description="Null: for all brands.")
    connection_id: int | None
    label: str
    params: dict[str, str] = Field(examples=[{"url": "https://news.example/rss"}])
    match: MatchMode = Field(
        description="`terms`: items must name the brand. `all`: they are about it anyway."
    )
    every_s: int = Field(description="Seconds between runs.", examples=[600])
    enabled: bool = Field(description="`false` = paused.")
    health: str = Field(description=_HEALTH, examples=["ok"])
    state: State = Field(description="How it is doing, late ones included.", examples=["ok"])
    words: dict[str, HealthWords] = Field(description="The state for people, by `ko` and `en`.")
    health_reason: str = Field(description="What the source said.")
    health_since: datetime | None
    failures: int = Field(description="Failed runs in a row.")
    running: bool = Field(description="Somebody is collecting it right now.")
    covered_to: datetime | None = Field(description="Everything up to then was collected.")
    last_item_at: datetime | None
    last_success_at: datetime | None
    next_run_at: datetime
    created_at: datetime


class WatchIn(Body):
    """A new watch."""

    source: str = Field(max_length=40, description="See `/api/v1/sources`.", examples=["feed"])
    brand: str | int | None = Field(None, description="Name or id of the brand.", examples=["하늘"])
    params: dict[str, str] = Field(default_factory=dict, description="As the source asks for.")
    match: MatchMode | None = Field(None, description="Default: the source's.")
    every_s: int | None = Field(None, ge=10, le=31_536_000, description="Default: the source's.")
    label: str = Field("", max_length=200)
    connection_id: int | None = Field(None, ge=1, le=LARGEST_ID)


class WatchPatch(Body):
    """What to change; fields that are left out stay."""

    enabled: bool | None = Field(None, description="`false` pauses, `true` goes on.")
    label: str | None = Field(None, max_length=200)
    every_s: int | None = Field(None, ge=10, le=31_536_000)
    match: MatchMode | None = None
    params: dict[str, str] | None = Field(
        None, description="All of them. New parameters are a new question: it begins anew."
    )


class PreviewIn(Body):
    """A watch to try out."""

    source: str = Field(max_length=40)
    brand: str | int | None = None
    params: dict[str, str] = Field(default_factory=dict)
    match: MatchMode | None = None
    every_s: int | None = Field(
        None, ge=10, le=31_536_000, description="For the forecast; default: the source's."
    )
    connection_id: int | None = Field(None, ge=1, le=LARGEST_ID)


class JobOut(BaseModel):
    """Something that the service was asked to do."""

    id: int
    kind: str = Field(examples=["preview"])
    state: str = Field(description="pending, running, done or failed.", examples=["done"])
    result: dict[str, Any] | None
    error: str | None
    created_at: datetime
    finished_at: datetime | None


class WatchQuery(PageQuery):
    """Which watches."""

    brand: str | None = Field(None, max_length=200, description="Name or id of a brand.")
    source: str | None = Field(None, max_length=40, description="Name of a source.")
    health: str | None = Field(None, max_length=20, description=_HEALTH)


@router.get(
    "/watches", response_model=Page[WatchOut], operation_id="list_watches", tags=["watches"]
)
def list_watches(
    services: ServicesDep, now: Now, query: Annotated[WatchQuery, Query()]
) -> Response:
    """What is collected, by id, with its health."""
    rows = select(WatchRow).where(WatchRow.deleted_at.is_(None)).order_by(WatchRow.id)
    after = key_of(query.cursor, "watch")
    with services.database.read() as session:
        if query.brand is not None:
            rows = rows.where(WatchRow.brand_id == brand_id(session, query.brand))
        if query.source is not None:
            rows = rows.where(WatchRow.source == query.source)
        if query.health is not None:
            rows = rows.where(WatchRow.health == query.health)
        if after is not None:
            rows = rows.where(WatchRow.id > after)
        found = _told(session, session.scalars(rows.limit(query.limit + 1)).all(), now)
    return page_of(found, limit=query.limit, name="watch", key=lambda one: one["id"])


@router.post(
    "/watches",
    response_model=WatchOut,
    status_code=201,
    operation_id="create_watch",
    dependencies=[Writes],
    tags=["watches"],
)
def create_watch(services: ServicesDep, now: Now, body: WatchIn) -> Response:
    """Add a watch; it is collected at once. Its parameters are checked against the source."""
    with services.database.read() as session:
        owner_id = _brand(session, body.brand)
        owner = None if owner_id is None else brands.get(session, owner_id)
    checked = services.wiring.check_watch(
        body.source,
        body.params,
        match=body.match,
        every=body.every_s / 60 if body.every_s else None,
        brand=owner,
    )
    with services.database.write() as work:
        connections.check_source(work.session, body.connection_id, body.source)
        row = watches.create(
            work.session,
            source=body.source,
            params=checked.params,
            match=checked.match,
            every=checked.every,
            brand_id=owner_id,
            connection_id=body.connection_id,
            label=body.label,
            now=now,
        )
        work.commit()
        return Json(_told(work.session, [row], now)[0], 201)


@router.post(
    "/watches/preview",
    response_model=JobOut,
    status_code=202,
    operation_id="preview_watch",
    dependencies=[Writes],
    tags=["watches"],
)
def preview_watch(services: ServicesDep, now: Now, body: PreviewIn) -> Response:
    """Try a watch out before saving it. Ask `/api/v1/jobs/{id}` for what it would bring, and for
    the forecast of what it uses up.
    """
    checked = services.wiring.check_watch(body.source, body.params, match=body.match, every=None)
    with services.database.write() as work:
        payload: dict[str, Any] = {
            "source": body.source,
            "params": dict(checked.params),
            "match": checked.match.value,
            "brand_id": _brand(work.session, body.brand),
        }
        if body.every_s is not None:
            payload["every_s"] = body.every_s
        if body.connection_id is not None:
            payload["connection_id"] = body.connection_id
        connections.check_source(work.session, body.connection_id, body.source)
        job_id = jobs.ask(work.session, "preview", payload, now=now)
        work.commit()
        return Json(_job(work.session.get_one(JobRow, job_id)), 202)


@router.get(
    "/watches/{watch_id}", response_model=WatchOut, operation_id="get_watch", tags=["watches"]
)
def get_watch(services: ServicesDep, now: Now, watch_id: Id) -> Response:
    """One watch."""
    with services.database.read() as session:
        return Json(_told(session, [watches.get(session, watch_id)], now)[0])


@router.patch(
    "/watches/{watch_id}",
    response_model=WatchOut,
    operation_id="update_watch",
    dependencies=[Writes],
    tags=["watches"],
)
def update_watch(services: ServicesDep, now: Now, watch_id: Id, body: WatchPatch) -> Response:
    """Pause a watch, let it go on, or change what it asks for."""
    fields: dict[str, Any] = body.model_dump(exclude_unset=True)
    fields = {name: value for name, value in fields.items() if value is not None}
    with services.database.write() as work:
        row = watches.get(work.session, watch_id)
        if "params" in fields or "every_s" in fields:
            every_s = fields.pop("every_s", None)
            checked = services.wiring.check_watch(
                row.source,
                fields.get("params", row.params),
                match=None,
                every=every_s / 60 if every_s else None,
            )
            if "params" in fields:
                fields["params"] = checked.params
            if every_s:
                fields["every"] = checked.every
        row = watches.update_watch(work.session, watch_id, now=now, **fields)
        work.commit()
        return Json(_told(work.session, [row], now)[0])


@router.delete(
    "/watches/{watch_id}",
    status_code=204,
    operation_id="delete_watch",
    dependencies=[Writes],
    tags=["watches"],
)
def delete_watch(services: ServicesDep, now: Now, watch_id: Id) -> Response:
    """Stop collecting for good; what was collected stays."""
    with services.database.write() as work:
        watches.delete(work.session, watch_id, now=now)
        work.commit()
    return Response(status_code=204)


@router.post(
    "/watches/{watch_id}/collect",
    response_model=WatchOut,
    status_code=202,
    operation_id="collect_now",
    dependencies=[Writes],
    tags=["watches"],
)
def collect_now(services: ServicesDep, now: Now, watch_id: Id) -> Response:
    """Make a watch due now. The run shows up under `/api/v1/runs`."""
    with services.database.write() as work:
        watches.run_soon(work.session, watch_id, now=now)
        work.commit()
        return Json(_told(work.session, [watches.get(work.session, watch_id)], now)[0], 202)


@router.post(
    "/watches/{watch_id}/accept",
    response_model=WatchOut,
    operation_id="accept_watch",
    dependencies=[Writes],
    tags=["watches"],
)
def accept_watch(services: ServicesDep, now: Now, watch_id: Id) -> Response:
    """Say that what a suspect watch brings is normal: it learns anew and is collected again."""
    with services.database.write() as work:
        watches.accept(work.session, watch_id, now=now)
        work.commit()
        return Json(_told(work.session, [watches.get(work.session, watch_id)], now)[0])


@router.get("/jobs/{job_id}", response_model=JobOut, operation_id="get_job", tags=["watches"])
def get_job(services: ServicesDep, job_id: Id) -> Response:
    """What became of something that the service was asked to do."""
    with services.database.read() as session:
        row = jobs.get(session, job_id)
        if row is None:
            raise NotFound(f"There is no job {job_id}.", hint="Finished jobs are kept for a while.")
        return Json(_job(row))


def _brand(session: Session, given: str | int | None) -> int | None:
    return None if given is None else brand_id(session, str(given))


def _told(session: Session, rows: Sequence[WatchRow], now: datetime) -> list[dict[str, Any]]:
    ids = {row.brand_id for row in rows if row.brand_id is not None}
    names: Mapping[int, str] = {
        id_: name
        for id_, name in session.execute(
            select(BrandRow.id, BrandRow.name).where(BrandRow.id.in_(ids))
        )
    }
    given = set(WatchOut.model_fields) - {"brand", "running", "state", "words"}
    return [
        {name: getattr(row, name) for name in given}
        | {
            "brand": {"id": row.brand_id, "name": names[row.brand_id]} if row.brand_id else None,
            "running": row.claim_until is not None and row.claim_until > now,
        }
        | _health(row, now)
        for row in rows
    ]


def _health(row: WatchRow, now: datetime) -> dict[str, Any]:
    told = health(facts_of(row), now)
    return {
        "state": told.state,
        "words": {
            language: {
                "title": told.title[column],
                "reason": told.reason[column],
                "advice": told.advice[column],
            }
            for column, language in enumerate(("ko", "en"))
        },
    }


def _job(row: JobRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in JobOut.model_fields}


# --- runs ----------------------------------------------------------------------------------------


class RunOut(BaseModel):
    """One attempt of a watch."""

    id: int
    watch_id: int
    started_at: datetime
    finished_at: datetime | None = Field(description="Null while it goes on.")
    outcome: Outcome | None = Field(description="How it ended.", examples=["ok"])
    requests: int = Field(description="Requests to the source.")
    items: int = Field(description="Items found.")
    new: int = Field(description="Of these not known before.")
    edited: int = Field(description="Of these changed since.")
    rejected: int = Field(description="Of these that could not be used.")
    error_code: str | None
    error: str | None = Field(description="What went wrong.")
    hint: str | None = Field(description="What to do about it.")
    notices: list[str]
    next_run_at: datetime | None


class RunQuery(PageQuery):
    """Which runs."""

    watch: int | None = Field(None, ge=1, le=LARGEST_ID, description="Id of a watch.")


@router.get("/runs", response_model=Page[RunOut], operation_id="list_runs", tags=["runs"])
def list_runs(services: ServicesDep, query: Annotated[RunQuery, Query()]) -> Response:
    """Runs, the latest first."""
    before = key_of(query.cursor, "run")
    with services.database.read() as session:
        found = runs.listing(session, watch_id=query.watch, before_id=before, limit=query.limit + 1)
        told = [_run(row) for row in found]
    return page_of(told, limit=query.limit, name="run", key=lambda one: one["id"])


@router.get("/runs/{run_id}", response_model=RunOut, operation_id="get_run", tags=["runs"])
def get_run(services: ServicesDep, run_id: Id) -> Response:
    """One run."""
    with services.database.read() as session:
        return Json(_run(runs.get(session, run_id)))


def _run(row: RunRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in RunOut.model_fields}


# --- gaps ----------------------------------------------------------------------------------------


class GapOut(BaseModel):
    """A time that a watch could not collect. A gap is not a zero."""

    id: int
    watch_id: int
    run_id: int | None
    from_at: datetime
    to_at: datetime | None = Field(description="Null: it goes on.")
    why: GapReason
    detail: str
    known_at: datetime
    filled_at: datetime | None = Field(description="It was collected after all.")


class GapQuery(PageQuery):
    """Which gaps."""

    watch: int | None = Field(None, ge=1, le=LARGEST_ID, description="Id of a watch.")
    brand: str | None = Field(None, max_length=200, description="Name or id of a brand.")
    open: bool | None = Field(None, description="Whether it is still missing.")


@router.get("/gaps", response_model=Page[GapOut], operation_id="list_gaps", tags=["runs"])
def list_gaps(services: ServicesDep, query: Annotated[GapQuery, Query()]) -> Response:
    """Times that could not be collected, those known last first."""
    before = key_of(query.cursor, "gap")
    with services.database.read() as session:
        found = history.gaps(
            session,
            watch_id=query.watch,
            brand_id=_brand(session, query.brand),
            is_open=query.open,
            before_id=before,
            limit=query.limit + 1,
        )
        told = [_gap(row) for row in found]
    return page_of(told, limit=query.limit, name="gap", key=lambda one: one["id"])


def _gap(row: GapRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in GapOut.model_fields}
