"""``/api/v1/connections``: accounts of sources, what they used up, and a test. Secrets go in only.

Needs the scope admin.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, SecretStr
from starlette.responses import Response

from api.auth import Admins
from api.deps import Json, Now, ServicesDep
from api.routes.schemas import Body, Id
from api.routes.watches import JobOut
from listener.store import connections, jobs
from listener.store.tables import JobRow

router = APIRouter(prefix="/api/v1/connections", tags=["connections"], dependencies=[Admins])


class UsageOut(BaseModel):
    """What is used of a quota or a budget in the period that now runs."""

    unit: str = Field(description="`calls`, `usd`, or a unit of the source.", examples=["calls"])
    per: str = Field(description="`day` or `month`.")
    used: float
    limit: float | None = Field(description="Null: counted only.")
    own: bool = Field(description="A budget that was set here, not a quota of the source.")
    starts_at: datetime
    ends_at: datetime = Field(description="When it begins anew.")


class ConnectionOut(BaseModel):
    """A source on a server with an account. Credentials are never told, only which are set."""

    id: int | None = Field(description="Null: the account of the environment's settings.")
    source: str = Field(examples=["x"])
    name: str
    base_url: str | None = Field(description="Null: the source's own.")
    credentials: list[str] = Field(description="Names of those that are set.")
    missing: list[str] = Field(description="Names of those that are required and not set.")
    budget_calls: int | None = Field(description="Requests a day at most.")
    budget_usd: float | None = Field(description="US dollars a month at most.")
    usage: list[UsageOut]
    watches: int = Field(description="How many watches use it.")
    health: str = Field(
        description="`new`, `ok`, `needs-credentials`, `blocked`, `out-of-budget` or `failing`."
    )
    reason: str = Field(description="Why, in words.")
    tested_at: datetime | None
    test_error: str | None
    created_at: datetime | None


class ConnectionList(BaseModel):
    """All connections."""

    items: list[ConnectionOut]


_SECRETS = "By name, as the source's spec lists them. They are encrypted, and never told again."
_CALLS = Field(None, ge=0, le=1_000_000_000, description="Requests a day at most.")
_USD = Field(None, ge=0, le=1_000_000, description="US dollars a month at most.")


class ConnectionIn(Body):
    """A new connection."""

    source: str = Field(max_length=40, examples=["x"])
    name: str = Field(min_length=1, max_length=100, examples=["PR team"])
    base_url: str | None = Field(None, max_length=500)
    credentials: dict[str, SecretStr] = Field(default_factory=dict, description=_SECRETS)
    budget_calls: int | None = _CALLS
    budget_usd: float | None = _USD


class ConnectionPatch(Body):
    """What to change; fields that are left out stay, null takes a budget or server away."""

    name: str | None = Field(None, min_length=1, max_length=100)
    base_url: str | None = Field(None, max_length=500)
    credentials: dict[str, SecretStr] = Field(
        default_factory=dict, description=f"{_SECRETS} Those left out stay; empty removes."
    )
    budget_calls: int | None = _CALLS
    budget_usd: float | None = _USD


@router.get("", response_model=ConnectionList, operation_id="list_connections")
def list_connections(
    services: ServicesDep,
    source: Annotated[str | None, Query(max_length=40, description="Name of a source.")] = None,
) -> Response:
    """All connections, by source and name; an install has a few, so there is one page of them."""
    found = services.wiring.connections.listing(source=source)
    return Json({"items": [one.as_json() for one in found]})


@router.post("", response_model=ConnectionOut, status_code=201, operation_id="create_connection")
def create_connection(services: ServicesDep, body: ConnectionIn) -> Response:
    """Add a connection."""
    made = services.wiring.connections.add(
        body.source,
        name=body.name,
        base_url=body.base_url,
        credentials=_opened(body.credentials),
        budget_calls=body.budget_calls,
        budget_micro_usd=_micro(body.budget_usd),
    )
    return Json(services.wiring.connections.facts(made).as_json(), 201)


@router.get("/{connection_id}", response_model=ConnectionOut, operation_id="get_connection")
def get_connection(services: ServicesDep, connection_id: Id) -> Response:
    """One connection."""
    return Json(services.wiring.connections.facts(connection_id).as_json())


@router.patch("/{connection_id}", response_model=ConnectionOut, operation_id="update_connection")
def update_connection(services: ServicesDep, connection_id: Id, body: ConnectionPatch) -> Response:
    """Change a connection; watches that waited for credentials or budget are due at once."""
    given: dict[str, Any] = {
        name: getattr(body, name)
        for name in ("name", "base_url", "budget_calls")
        if name in body.model_fields_set
    }
    if given.get("name", "") is None:
        del given["name"]
    if "budget_usd" in body.model_fields_set:
        given["budget_micro_usd"] = _micro(body.budget_usd)
    given["credentials"] = _opened(body.credentials)
    services.wiring.connections.change(connection_id, **given)
    return Json(services.wiring.connections.facts(connection_id).as_json())


@router.delete("/{connection_id}", status_code=204, operation_id="delete_connection")
def delete_connection(services: ServicesDep, connection_id: Id) -> Response:
    """Remove a connection that no watch uses."""
    services.wiring.connections.remove(connection_id)
    return Response(status_code=204)


@router.post(
    "/{connection_id}/test",
    response_model=JobOut,
    status_code=202,
    operation_id="test_connection",
)
def test_connection(services: ServicesDep, now: Now, connection_id: Id) -> Response:
    """Ask the source with this account. Ask `/api/v1/jobs/{id}` for how it went."""
    with services.database.write() as work:
        row = connections.get(work.session, connection_id)
        payload = {"source": row.source, "connection_id": row.id}
        job_id = jobs.ask(work.session, "test-connection", payload, now=now)
        work.commit()
        job = work.session.get_one(JobRow, job_id)
        return Json({name: getattr(job, name) for name in JobOut.model_fields}, 202)


def _opened(given: dict[str, SecretStr]) -> dict[str, str]:
    return {name: value.get_secret_value() for name, value in given.items()}


def _micro(usd: float | None) -> int | None:
    return None if usd is None else round(usd * 1_000_000)
