"""``/api/v1/keys``: who else may come in. Needs the scope admin."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from api.auth import Admins
from api.deps import Json, Now, Page, Paging, ServicesDep, key_of, page_of
from api.routes.schemas import Body, Id
from listener.store import access
from listener.store.access import Scope

router = APIRouter(prefix="/api/v1/keys", tags=["keys"], dependencies=[Admins])


class KeyOut(BaseModel):
    """An API key, without its secret."""

    id: int
    name: str = Field(examples=["dashboard of the ops team"])
    prefix: str = Field(description="How it begins, to tell keys apart.", examples=["lsn_Ab3xYz"])
    scopes: list[Scope]
    created_at: datetime
    last_used_at: datetime | None = Field(description="To the minute.")
    revoked_at: datetime | None


class KeyMade(KeyOut):
    """A new key."""

    key: str = Field(description="The key itself; it is not shown again.", examples=["lsn_…"])


class KeyIn(Body):
    """A new key."""

    name: str = Field(min_length=1, max_length=100, examples=["ops"])
    scopes: list[Scope] = Field(
        default_factory=lambda: [Scope.READ],
        min_length=1,
        description="`read` sees everything, `write` also changes brands and watches, `admin` also "
        "keys and channels.",
    )


@router.get("", response_model=Page[KeyOut], operation_id="list_keys")
def list_keys(services: ServicesDep, page: Paging) -> Response:
    """All keys by id, revoked ones too."""
    with services.database.read() as session:
        found = access.list_keys(session, after=key_of(page.cursor, "key"), limit=page.limit + 1)
    return page_of(found, limit=page.limit, name="key", key=lambda one: one.id)


@router.post("", response_model=KeyMade, status_code=201, operation_id="create_key")
def create_key(services: ServicesDep, now: Now, body: KeyIn) -> Response:
    """Make a key. It is shown in this answer and never again."""
    with services.database.write() as work:
        key, token = access.add_key(work.session, body.name, scopes=body.scopes, now=now)
        work.commit()
    return Json({name: getattr(key, name) for name in KeyOut.model_fields} | {"key": token}, 201)


@router.delete("/{key_id}", response_model=KeyOut, operation_id="revoke_key")
def revoke_key(request: Request, services: ServicesDep, now: Now, key_id: Id) -> Response:
    """Take a key out of use for good."""
    with services.database.write() as work:
        key = access.revoke_key(work.session, key_id, now=now)
        work.commit()
    request.app.state.keys.forget()
    return Json(key)
