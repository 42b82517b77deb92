"""``/api/v1/inbound``: webhooks that others post to, their mappings, and what they delivered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.auth import Admins, Writes
from api.deps import Json, Page, PageQuery, Services, ServicesDep, key_of, page_of
from api.routes.mentions import brand_id
from api.routes.schemas import Body, Id
from listener.store import inbound
from listener.store.inbound import State
from listener.store.tables import InboundItemRow, InboundRow
from listener.types import MatchMode

router = APIRouter(prefix="/api/v1/inbound", tags=["inbound"])

Scheme = Literal["standard", "typeform", "github", "zendesk", "token"]
_SCHEME = (
    "How the sender signs: `standard` (Standard Webhooks), `typeform`, `github` "
    "(X-Hub-Signature-256), `zendesk`, or `token` (bearer token, or the end of the address)."
)


class MappingBody(Body):
    """Which part of a payload is which field of a mention. Paths are JMESPath."""

    fields: dict[str, str] = Field(
        description="Field → path in the item (`$.` = in the whole payload), or a constant after "
        "`=`. Fields are text, title, external_id, url, kind, html, published_at, language, "
        "rating, rating_min, rating_max, author, author_id, author_name, parent_id, thread_id, "
        "product, product_version, place, touchpoint, country, solicited, is_own, deleted.",
        examples=[{"text": "answers.comment", "rating": "answers.nps", "rating_min": "=0"}],
        max_length=40,
    )
    items: str = Field("", max_length=500, description="Path of the list that holds the items.")
    when: str = Field("", max_length=500, description="Only if this path holds for it.")


class InboundOut(BaseModel):
    """A webhook that others post to, without its secret."""

    id: int
    name: str
    address: str = Field(description="Where to post; `token` adds the secret or a header.")
    brand_id: int | None
    match: MatchMode = Field(description="`all`: everything belongs to the brand.")
    scheme: Scheme = Field(description=_SCHEME)
    preset: str
    mapping: dict[str, Any]
    enabled: bool
    created_at: datetime
    deliveries: dict[str, int] = Field(
        description="How many are waiting, done, skipped, failed.", examples=[{"done": 12}]
    )


class InboundMade(InboundOut):
    """A new one, with what is shown this once."""

    secret: str = Field(description="Signs the deliveries; it is not shown again.")


class InboundIn(Body):
    """A new webhook that others post to."""

    name: str = Field(min_length=1, max_length=100, examples=["Typeform NPS"])
    preset: str = Field("generic", max_length=40, examples=["typeform"])
    brand: str | None = Field(None, max_length=200, description="Name or id of a brand.")
    match: MatchMode | None = Field(None, description="Default: `all` where there is a brand.")
    scheme: Scheme | None = Field(None, description=_SCHEME)
    secret: str | None = Field(None, max_length=300, description="Left out: one is made.")
    mapping: MappingBody | None = Field(None, description="Default: the preset's.")


class InboundPatch(Body):
    """What may be changed; what is left out stays."""

    name: str | None = Field(None, min_length=1, max_length=100)
    brand: str | None = Field(None, max_length=200)
    match: MatchMode | None = None
    mapping: MappingBody | None = None
    enabled: bool | None = None


class DeliveryIn(BaseModel):
    """One delivery, without its content."""

    id: str = Field(description="As the sender was told.", examples=["in_5f2c…"])
    received_at: datetime
    state: State = Field(
        description="`waiting`, `done`, `skipped` (not meant) or `failed` (kept to be replayed)."
    )
    reason: str = Field(description="Why it failed or was skipped.")
    items: int = Field(description="How many mentions it holds.")
    bytes: int


class PreviewIn(Body):
    """A mapping and a sample, to see what comes of it."""

    mapping: MappingBody
    sample: str = Field(max_length=500_000, description="The payload as the sender posts it.")
    content_type: str = Field("application/json", max_length=200)


class PreviewOut(BaseModel):
    """What would be stored."""

    items: list[dict[str, Any]]
    skipped: str
    problems: list[str]


class Replayed(BaseModel):
    """How many deliveries are mapped again."""

    replayed: int


class DeliveriesQuery(PageQuery):
    """Which deliveries."""

    state: State | None = Field(None, description="Only those that stand there.")


class ReplayIn(Body):
    """Which deliveries to map again."""

    delivery: str | None = Field(
        None, max_length=40, description="One delivery; left out: all that failed."
    )


class InboundList(BaseModel):
    """All of them; there are few."""

    items: list[InboundOut]


class PresetList(BaseModel):
    """Ready-made mappings."""

    items: list[dict[str, Any]]


@router.get("", response_model=InboundList, operation_id="list_inbound")
def list_inbound(services: ServicesDep) -> Response:
    """All webhooks that others post to, by name."""
    with services.database.read() as session:
        counted = inbound.counts(session)
        rows = inbound.listing(session)
    return Json({"items": [_told(services, row, counted) for row in rows]})


@router.get("/presets", response_model=PresetList, operation_id="list_inbound_presets")
def list_presets(services: ServicesDep) -> Response:
    """Mappings for well-known senders."""
    return Json({"items": list(services.wiring.inbound_presets())})


@router.post(
    "",
    response_model=InboundMade,
    status_code=201,
    operation_id="create_inbound",
    dependencies=[Admins],
)
def create_inbound(services: ServicesDep, body: InboundIn) -> Response:
    """Make one. Its secret is in this answer and never again."""
    with services.database.read() as session:
        owner = brand_id(session, body.brand) if body.brand else None
    made = services.wiring.add_inbound(
        name=body.name,
        preset=body.preset,
        brand_id=owner,
        match=body.match,
        scheme=body.scheme,
        secret=body.secret,
        mapping=body.mapping.model_dump() if body.mapping else None,
    )
    with services.database.read() as session:
        row = inbound.get(session, made.id)
    return Json(
        _told(services, row, {}) | {"secret": made.secret, "address": made.address}, status_code=201
    )


@router.post("/preview", response_model=PreviewOut, operation_id="preview_inbound")
def preview_inbound(services: ServicesDep, body: PreviewIn) -> Response:
    """What a mapping makes of a sample. Nothing is stored."""
    return Json(
        services.wiring.preview_inbound(
            body.mapping.model_dump(), body.sample.encode(), body.content_type
        )
    )


@router.get("/{inbound_id}", response_model=InboundOut, operation_id="get_inbound")
def get_inbound(services: ServicesDep, inbound_id: Id) -> Response:
    """One of them."""
    with services.database.read() as session:
        return Json(_one(services, session, inbound_id))


@router.patch(
    "/{inbound_id}", response_model=InboundOut, operation_id="change_inbound", dependencies=[Admins]
)
def change_inbound(services: ServicesDep, inbound_id: Id, body: InboundPatch) -> Response:
    """Change its name, brand, mapping, or switch it off (it then answers 404)."""
    given = body.model_dump(exclude_unset=True)
    with services.database.write() as work:
        fields = {
            name: given[name]
            for name in ("name", "match", "enabled")
            if given.get(name) is not None
        }
        if "brand" in given:
            fields["brand_id"] = brand_id(work.session, body.brand) if body.brand else None
        if body.mapping is not None:
            fields["mapping"] = services.wiring.check_mapping(body.mapping.model_dump())
        inbound.change(work.session, inbound_id, **fields)
        work.commit()
        return Json(_one(services, work.session, inbound_id))


@router.delete(
    "/{inbound_id}", status_code=204, operation_id="remove_inbound", dependencies=[Admins]
)
def remove_inbound(services: ServicesDep, inbound_id: Id) -> Response:
    """Remove it with its inbox; the mentions stay."""
    with services.database.write() as work:
        inbound.remove(work.session, inbound_id)
        work.commit()
    return Response(status_code=204)


@router.get(
    "/{inbound_id}/deliveries", response_model=Page[DeliveryIn], operation_id="list_inbound_items"
)
def list_deliveries(
    services: ServicesDep, inbound_id: Id, query: Annotated[DeliveriesQuery, Query()]
) -> Response:
    """What was delivered, the latest first."""
    before = key_of(query.cursor, "inbound")
    with services.database.read() as session:
        inbound.get(session, inbound_id)
        rows = inbound.deliveries(
            session, inbound_id, state=query.state, before_id=before, limit=query.limit + 1
        )
        ids = {row.delivery_id: row.id for row in rows}
        told = [_delivery(row) for row in rows]
    return page_of(told, limit=query.limit, name="inbound", key=lambda one: ids[one["id"]])


@router.post(
    "/{inbound_id}/replay",
    response_model=Replayed,
    status_code=202,
    operation_id="replay_inbound",
    dependencies=[Writes],
)
def replay(services: ServicesDep, inbound_id: Id, body: ReplayIn) -> Response:
    """Map deliveries again, after the mapping was mended: one, or all that failed."""
    with services.database.write() as work:
        count = inbound.replay(work.session, inbound_id, delivery_id=body.delivery)
        work.commit()
    return Json({"replayed": count}, status_code=202)


def _one(services: Services, session: Session, inbound_id: int) -> dict[str, Any]:
    return _told(services, inbound.get(session, inbound_id), inbound.counts(session))


def _told(
    services: Services, row: InboundRow, counted: Mapping[int, Mapping[str, int]]
) -> dict[str, Any]:
    given = set(InboundOut.model_fields) - {"address", "deliveries"}
    return {name: getattr(row, name) for name in given} | {
        "address": services.wiring.inbound_address(row.public_id),
        "deliveries": dict(counted.get(row.id, {})),
    }


def _delivery(row: InboundItemRow) -> dict[str, Any]:
    return {
        "id": row.delivery_id,
        "received_at": row.received_at,
        "state": row.state,
        "reason": row.reason,
        "items": row.items,
        "bytes": len(row.body),
    }
