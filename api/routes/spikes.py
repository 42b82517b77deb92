"""``/api/v1/spikes``: what stood out, since when and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.deps import (
    Json,
    Now,
    Page,
    PageQuery,
    Services,
    ServicesDep,
    decode_cursor,
    encode_cursor,
)
from api.routes.mentions import brand_id
from api.routes.schemas import BrandName, Id
from api.rules import RulesShelf
from listener.alert import sentences
from listener.errors import InvalidInput
from listener.store import history, spikes
from listener.store.base import from_us, to_us
from listener.store.tables import BrandRow, SpikeRow

router = APIRouter(prefix="/api/v1", tags=["alerts"])

SpikeState = Literal["open", "resolved"]
_HIDDEN = ("usual", "line")  # what explaining keeps for itself, and what is told by itself


class Driver(BaseModel):
    """What there is more of than usual."""

    name: str = Field(examples=["delivery"])
    count: int = Field(description="Mentions of the spike with it.", examples=[31])
    share: float = Field(description="Of the spike's mentions, 0 to 1.", examples=[0.74])
    usual_share: float = Field(description="Of the mentions of 7 days before.", examples=[0.21])
    excess: float = Field(
        description="`count` less its usual share of what was expected.", examples=[28.5]
    )


class Drivers(BaseModel):
    """What drives the spike, strongest first."""

    topics: list[Driver] = []
    sources: list[Driver] = []
    labels: list[Driver] = Field([], description="Sentiment.")
    languages: list[Driver] = []
    countries: list[Driver] = []
    places: list[Driver] = []
    products: list[Driver] = []
    versions: list[Driver] = []
    phrases: list[dict[str, Any]] = Field(
        [],
        description="Words that set its texts apart: `text`, `mentions` that hold it, `count` and "
        "`usual` people who used it now and in 7 days before, `z` its log-odds over their error.",
    )


class Writer(BaseModel):
    """Somebody who wrote more than one of its mentions."""

    author: str = Field(description="A pseudonym.")
    count: int
    share: float


class Told(BaseModel):
    """The spike in words."""

    title: str
    headline: str
    why: list[str] = Field(description="A sentence each, the most telling first.")
    unusual: str = Field(
        description="How often such a thing is to be expected by chance; no more than ten years "
        "are claimed.",
        examples=["about once in 3 years"],
    )


class Texts(BaseModel):
    """In both languages."""

    ko: Told
    en: Told


class Line(BaseModel):
    """What was to be expected around the spike, bar by bar."""

    start: datetime
    step_s: int = Field(description="Length of a bar in seconds.")
    expected: list[float]
    low: list[float] = Field(description="Nineteen of twenty counts lie between this ...")
    high: list[float] = Field(description="... and this.")


class SpikeOut(BaseModel):
    """A series far above what was expected of it."""

    id: int
    brand: BrandName
    series: str = Field(
        description="`all`, `negative`, `complaint`, `low_rating`, or one of these of a topic, "
        "source, language or country as `topic:delivery:complaint`; a share or mean as "
        "`share:negative`; a single thing as `new:…`, `viral:…`, `spread:…`.",
        examples=["complaint"],
    )
    by: Literal["posts", "stories", "authors"] = Field(
        description="What counts as one: each post, each story at its first copy, each author "
        "once a day."
    )
    sensitivity: str
    trend: bool = Field(description="A slow burn: it only shows over half a day or longer.")
    state: SpikeState
    onset: datetime = Field(description="When it began.")
    opened_at: datetime = Field(description="When it was noticed.")
    updated_at: datetime
    resolved_at: datetime | None
    expected: float = Field(description="Expected since its onset.", examples=[6.2])
    observed: float = Field(description="Seen since its onset.", examples=[42])
    low: float | None = Field(description="Nineteen of twenty such counts lie between this ...")
    high: float | None = Field(description="... and this; null where it was not told.")
    score: float = Field(
        description="How surprising at its highest: 0 = such a thing once a month, 2 = once in a "
        "hundred months.",
        examples=[5.3],
    )
    filter: dict[str, str] = Field(
        description="Parameters of `/api/v1/mentions` that give exactly its mentions; with "
        "`once=story` or `once=author` as many as it counts. Empty for a post that goes viral.",
        examples=[{"brand": "1", "complaint": "true", "own": "false", "flagged": "false"}],
    )
    drivers: Drivers
    writers: list[Writer] = Field(description="Of a single spike only; in lists it is empty.")
    explanation: dict[str, Any] = Field(
        description="More numbers: `mentions`, `stories`, `authors`, `copies`, `flagged`, `bots`, "
        "`complaint_share`, `competitors`, `similar`, `average`, `signal` …"
    )
    text: Texts
    line: Line | None = Field(description="Of a single spike only; in lists it is null.")
    mention_ids: list[int] = Field(description="Its mentions, samples first.")
    alert_id: int | None


class SpikeQuery(PageQuery):
    """Which spikes."""

    brand: str | None = Field(None, max_length=200, description="Name or id of a brand.")
    state: SpikeState | None = Field(None, description="open or resolved.")


@router.get("/spikes", response_model=Page[SpikeOut], operation_id="list_spikes")
def list_spikes(
    request: Request, services: ServicesDep, now: Now, query: Annotated[SpikeQuery, Query()]
) -> Response:
    """Spikes, the latest onset first, as they were last explained."""
    with services.database.read() as session:
        rows = spikes.page(
            session,
            brand_id=None if query.brand is None else brand_id(session, query.brand),
            state=query.state,
            before=_spike_before(query.cursor),
            limit=query.limit + 1,
        )
        tell = _Teller(request, session, services, rows, now)
        told = [tell.spike(row, dict(row.explanation or {})) for row in rows]
    cursor = None
    if len(told) > query.limit:
        last = rows[query.limit - 1]
        cursor = encode_cursor(f"spike:{to_us(last.onset_at)}:{last.id}")
    return Json({"items": told[: query.limit], "next_cursor": cursor})


@router.get("/spikes/{spike_id}", response_model=SpikeOut, operation_id="get_spike")
def get_spike(request: Request, services: ServicesDep, now: Now, spike_id: Id) -> Response:
    """One spike with the numbers of this moment: those of the mentions that its `filter` gives."""
    with services.database.read() as session:
        row = history.get_spike(session, spike_id)
        told = services.wiring.recount_spike(session, row, now=now)
        tell = _Teller(request, session, services, [row], now)
        return Json(tell.spike(row, told, whole=True))


def _spike_before(cursor: str | None) -> tuple[datetime, int] | None:
    if cursor is None:
        return None
    kind, *rest = decode_cursor(cursor).split(":")
    if kind != "spike" or len(rest) != 2 or not all(n.isdecimal() and len(n) < 17 for n in rest):
        raise InvalidInput(
            "This cursor is not of this list.", field="cursor", hint="Begin without a cursor."
        )
    return from_us(int(rest[0])), int(rest[1])


class _Teller:
    """What the spikes of one answer share."""

    def __init__(
        self,
        request: Request,
        session: Session,
        services: Services,
        rows: Sequence[SpikeRow],
        now: datetime,
    ) -> None:
        self._services = services
        self._now = now
        self._brands = brand_names(session, {row.brand_id for row in rows})
        shelf: RulesShelf = request.app.state.rules
        korean = sentences.Speech(
            language="ko",
            tz=ZoneInfo(services.settings.timezone),
            topic=shelf.names(session).topic,
        )
        self._speeches = {"ko": korean, "en": replace(korean, language="en")}

    def spike(
        self, row: SpikeRow, told: Mapping[str, Any], *, whole: bool = False
    ) -> dict[str, Any]:
        """A spike with its explanation; ``whole`` with what a list has no room for."""
        rest = {name: value for name, value in told.items() if name not in _HIDDEN}
        drivers = {name: rest.pop(name, []) for name in Drivers.model_fields}
        writers = rest.pop("writers", [])
        name = self._brands[row.brand_id]["name"]
        subject = sentences.Subject.of(row, name, now=self._now, told=told)
        same = {"id", "state", "opened_at", "updated_at", "resolved_at", "score", "mention_ids"}
        same |= {"alert_id", "by", "sensitivity", "trend"}
        return {name: getattr(row, name) for name in same} | {
            "brand": self._brands[row.brand_id],
            "series": row.dimension,
            "onset": row.onset_at,
            "expected": _first(told.get("expected"), row.expected),
            "observed": _first(told.get("observed"), row.observed),
            "low": told.get("low"),
            "high": told.get("high"),
            "filter": self._services.wiring.spike_filter(row, now=self._now),
            "drivers": drivers,
            "writers": [
                {"author": one["name"], "count": one["count"], "share": one["share"]}
                for one in (writers if whole else ())
            ],
            "explanation": rest,
            "text": {code: _text(subject, speech) for code, speech in self._speeches.items()},
            "line": told.get("line") if whole else None,
        }


def _first(told: float | None, kept: float) -> float:
    return kept if told is None else told


def _text(subject: sentences.Subject, speech: sentences.Speech) -> dict[str, Any]:
    return {
        "title": sentences.title(subject, speech),
        "headline": sentences.plain(sentences.headline(subject, speech)),
        "why": [sentences.plain(one) for one in sentences.sentences(subject, speech)],
        "unusual": sentences.rarity(subject.score, speech.language),
    }


def brand_names(session: Session, ids: set[int]) -> Mapping[int, dict[str, Any]]:
    """Brands as answers name them, by id."""
    rows = session.execute(select(BrandRow.id, BrandRow.name).where(BrandRow.id.in_(ids)))
    return {id_: {"id": id_, "name": name} for id_, name in rows}
