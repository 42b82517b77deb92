"""``/api/v1/brands``: the brands and the words they are known by."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import select
from starlette.responses import Response

from api.auth import Writes
from api.deps import Json, Now, Page, Paging, ServicesDep, key_of, page_of
from api.errors import InvalidFields
from api.routes.schemas import Body, Id
from listener.match.query import validate_brand
from listener.store import brands
from listener.store.tables import BrandRow
from listener.types import Brand

router = APIRouter(prefix="/api/v1/brands", tags=["brands"])
_NAME = "brand"


class BrandOut(BaseModel):
    """A brand, own or competitor."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["하늘"])
    aliases: list[str] = Field(description="Other names.", examples=[["Haneul"]])
    hashtags: list[str] = Field(description="Without `#`.", examples=[["하늘마켓"]])
    handles: list[str] = Field(description="Accounts, without `@`.", examples=[["haneul"]])
    any_terms: list[str] = Field(description="If given, at least one of them must occur.")
    all_terms: list[str] = Field(description="All of them must occur besides a name.")
    none_terms: list[str] = Field(description="None of them may occur.")
    competitor: bool
    archived_at: datetime | None = Field(description="Since then it is not matched any more.")


class BrandIn(Body):
    """A new brand."""

    name: str = Field(max_length=200, examples=["하늘"])
    aliases: list[str] = Field(default_factory=list)
    hashtags: list[str] = Field(default_factory=list)
    handles: list[str] = Field(default_factory=list)
    any_terms: list[str] = Field(default_factory=list)
    all_terms: list[str] = Field(default_factory=list)
    none_terms: list[str] = Field(default_factory=list)
    competitor: bool = False


class BrandPatch(Body):
    """What to change; fields that are left out stay."""

    name: str | None = Field(None, max_length=200)
    aliases: list[str] | None = None
    hashtags: list[str] | None = None
    handles: list[str] | None = None
    any_terms: list[str] | None = None
    all_terms: list[str] | None = None
    none_terms: list[str] | None = None
    competitor: bool | None = None
    archived: bool | None = Field(
        None, description="`false` puts an archived brand in force again."
    )


@router.get("", response_model=Page[BrandOut], operation_id="list_brands")
def list_brands(services: ServicesDep, page: Paging) -> Response:
    """All brands by id, archived ones too."""
    query = select(BrandRow).order_by(BrandRow.id).limit(page.limit + 1)
    after = key_of(page.cursor, _NAME)
    if after is not None:
        query = query.where(BrandRow.id > after)
    with services.database.read() as session:
        found = [_told(row) for row in session.scalars(query)]
    return page_of(found, limit=page.limit, name=_NAME, key=lambda one: one["id"])


@router.post(
    "", response_model=BrandOut, status_code=201, operation_id="create_brand", dependencies=[Writes]
)
def create_brand(services: ServicesDep, now: Now, body: BrandIn) -> Response:
    """Add a brand. Words that cannot work are refused one by one, each with the reason."""
    with services.database.write() as work:
        brand = brands.create(work.session, **body.model_dump(), now=now)
        _check(brand)
        work.commit()
        return Json(_told(work.session.get_one(BrandRow, brand.id)), 201)


@router.get("/{brand_id}", response_model=BrandOut, operation_id="get_brand")
def get_brand(services: ServicesDep, brand_id: Id) -> Response:
    """One brand."""
    with services.database.read() as session:
        brands.get(session, brand_id)
        return Json(_told(session.get_one(BrandRow, brand_id)))


@router.patch(
    "/{brand_id}", response_model=BrandOut, operation_id="update_brand", dependencies=[Writes]
)
def update_brand(services: ServicesDep, now: Now, brand_id: Id, body: BrandPatch) -> Response:
    """Change a brand. What is stored already is matched anew soon after."""
    fields = {k: v for k, v in body.model_dump(exclude_unset=True).items() if v is not None}
    archived = fields.pop("archived", None)
    with services.database.write() as work:
        brand = brands.update(work.session, brand_id, **fields)
        if fields:
            _check(brand)
        if archived is True:
            brands.archive(work.session, brand_id, now=now)
        elif archived is False:
            brands.restore(work.session, brand_id)
        work.commit()
        return Json(_told(work.session.get_one(BrandRow, brand_id)))


@router.delete("/{brand_id}", status_code=204, operation_id="archive_brand", dependencies=[Writes])
def archive_brand(services: ServicesDep, now: Now, brand_id: Id) -> Response:
    """Archive a brand: it is not matched any more; what was found stays."""
    with services.database.write() as work:
        brands.archive(work.session, brand_id, now=now)
        work.commit()
    return Response(status_code=204)


def _check(brand: Brand) -> None:
    problems = validate_brand(brand)
    if problems:
        raise InvalidFields(problems)


def _told(row: BrandRow) -> dict[str, object]:
    return {name: getattr(row, name) for name in BrandOut.model_fields}
