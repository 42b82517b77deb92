"""``/api/v1/taxonomies``: the rules of topics, tags and problems as data, versioned, with a try."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from api.auth import Who, Writes
from api.deps import Json, Now, ServicesDep
from api.routes.schemas import Body
from api.rule_edits import Place, entry, head_note, taxonomy_of
from api.rule_preview import EXAMPLES, Finder, newest, preview, words_of
from api.rules import InUse, RulesShelf
from listener.enrich.rulesfile import AREA
from listener.errors import Conflict, InvalidInput
from listener.store import rule_sets

router = APIRouter(prefix="/api/v1/taxonomies", tags=["taxonomies"])

_AGAIN = "Read the taxonomies again, make your change in those, and send them with their version."


class TaxonomiesOut(BaseModel):
    """The rules that new mentions are read by."""

    version: str = Field(
        description="Hash of the rules; also the `ETag`.", examples=["6d021af92b47"]
    )
    origin: str = Field(description="`built-in`, `file` or `edited`.", examples=["edited"])
    editable: bool = Field(description="False where LISTENER_RULES names a file.")
    by: str = Field(description="Who saved them; empty where nobody did.")
    at: datetime | None
    note: str
    counted_by: str | None = Field(
        description="Version of the rules behind what screens and feeds show. It differs until "
        "stored mentions were read anew (`rescore`) and the new readings are switched on."
    )
    rules: dict[str, Any] = Field(
        description="`taxonomies` (each with `key`, `name_ko`, `name_en`, `single` and its "
        "`categories`) and the words of problems. docs/rules.md explains them."
    )


class TaxonomiesIn(Body):
    """All rules, as they are to be from now on."""

    rules: dict[str, Any] = Field(description="What `rules` was, with your changes in it.")
    version: str | None = Field(
        None,
        max_length=40,
        description="The version that you changed. `If-Match` may say it instead.",
    )
    note: str = Field("", max_length=200, description="What was changed and why, for people.")


class VersionOut(BaseModel):
    """A text of rules that was in use."""

    version: str
    origin: str
    active: bool = Field(description="Whether it was edited here and is in use.")
    by: str
    at: datetime
    note: str


class VersionsOut(BaseModel):
    """All of them, the latest first."""

    items: list[VersionOut]


class TryIn(Body):
    """Words to try on stored mentions."""

    taxonomy: str = Field(AREA, max_length=40, description="The taxonomy they are for.")
    key: str | None = Field(
        None, max_length=40, description="The category whose present words to compare with."
    )
    ko: list[str] = Field(default_factory=list, max_length=1_000)
    en: list[str] = Field(default_factory=list, max_length=1_000)
    except_: list[str] = Field(default_factory=list, max_length=1_000, alias="except")
    told: bool | None = Field(
        None,
        description="Whether words count only where they are not denied, asked or supposed. "
        "Left out: as the category has it.",
    )


class FoundOut(BaseModel):
    """Where a word was found."""

    field: str = Field(description="`title` or `text`.")
    start: int
    end: int
    term: str = Field(description="The pattern that found it.")


class ExampleOut(BaseModel):
    """A mention that the words find or no longer find."""

    id: int
    change: str = Field(description="`new`, `gone` or empty: it was and is found.")
    title: str | None
    text: str
    spans: list[FoundOut]


class TryOut(BaseModel):
    """What the words find among the newest mentions."""

    looked_at: int
    found: int
    before: int = Field(description="How many the present words find.")
    gained: int
    lost: int
    words: dict[str, int] = Field(description="Each word, and in how many mentions it stands.")
    examples: list[ExampleOut]


def _shelf(request: Request) -> RulesShelf:
    shelf: RulesShelf = request.app.state.rules
    return shelf


@router.get("", response_model=TaxonomiesOut, operation_id="get_taxonomies")
def get_taxonomies(request: Request, services: ServicesDep) -> Response:
    """All taxonomies, categories and words in use. `ETag` is their version."""
    shelf = _shelf(request)
    with services.database.read() as session:
        found = shelf.current(session)
        counted = shelf.counted_by(session)
    return _told(shelf, found, counted.version if counted else None)


@router.put("", response_model=TaxonomiesOut, operation_id="put_taxonomies", dependencies=[Writes])
def put_taxonomies(
    request: Request,
    services: ServicesDep,
    who: Who,
    now: Now,
    body: TaxonomiesIn,
    if_match: Annotated[
        str | None, Header(description="The version that you changed, as `ETag` told it.")
    ] = None,
) -> Response:
    """Put other rules in use. New mentions are read by them at once; stored ones by `rescore`.

    The version that you changed must be the one in use, so that two who edit do not overwrite each
    other: else the answer is 409 and nothing is changed.
    """
    shelf = _shelf(request)
    shelf.must_be_editable()
    expected = body.version or (if_match or "").removeprefix("W/").strip('" ')
    if not expected:
        raise InvalidInput(
            "Say which version you changed.",
            field="version",
            hint="Send `version`, or `If-Match` with the `ETag` that you were given.",
        )

    def change(present: InUse) -> Mapping[str, Any]:
        if present.version != expected:
            by = f" by {present.by}" if present.by else ""
            raise Conflict(
                f"The rules were changed meanwhile{by}: they are of version {present.version}.",
                hint=_AGAIN,
            )
        return body.rules

    by = who.user.email if who.user else f"API: {who.key.name}" if who.key else ""
    saved = shelf.save(services.database, change, by=by, now=now, note=body.note)
    with services.database.read() as session:
        counted = shelf.counted_by(session)
    return _told(shelf, saved, counted.version if counted else None)


@router.post("/preview", response_model=TryOut, operation_id="preview_taxonomies")
def preview_taxonomies(request: Request, services: ServicesDep, body: TryIn) -> Response:
    """What words would find among the newest 2,000 mentions. Nothing is stored."""
    with services.database.read() as session:
        data = _shelf(request).current(session).data
        taxonomy_of(data, body.taxonomy)
        present: Mapping[str, Any] = {}
        if body.key is not None:
            present = entry(data, Place(body.taxonomy, body.key))
        told = bool(present.get("told")) if body.told is None else body.told
        words = {"ko": body.ko, "en": body.en, "except": body.except_}
        is_area = body.taxonomy == AREA
        new = Finder(words, data, told=told and not is_area)
        old = Finder(words_of(present), data, told=bool(present.get("told"))) if present else None
        texts = newest(session, own=is_area)
    found = preview(texts, new, old, examples=EXAMPLES)
    return Json(
        {
            "looked_at": found.looked_at,
            "found": found.found,
            "before": found.before,
            "gained": found.gained,
            "lost": found.lost,
            "words": found.words,
            "examples": [
                {
                    "id": one.mention.id,
                    "change": one.change,
                    "title": one.mention.title,
                    "text": one.mention.text,
                    "spans": one.spans,
                }
                for one in found.examples
            ],
        }
    )


@router.get("/versions", response_model=VersionsOut, operation_id="list_taxonomy_versions")
def list_taxonomy_versions(services: ServicesDep) -> Response:
    """All rules that were ever in use here: who saved them, when, and the note."""
    with services.database.read() as session:
        rows = rule_sets.listing(session)
    items = [
        {
            "version": row.version,
            "origin": row.origin,
            "active": row.active,
            "by": row.by,
            "at": row.created_at,
            "note": head_note(row.text),
        }
        for row in rows
    ]
    return Json({"items": items})


@router.post(
    "/versions/{version}/use",
    response_model=TaxonomiesOut,
    operation_id="use_taxonomy_version",
    dependencies=[Writes],
)
def use_taxonomy_version(
    request: Request,
    services: ServicesDep,
    version: Annotated[str, Path(max_length=40, description="A version that was in use.")],
) -> Response:
    """Go back to an earlier version."""
    shelf = _shelf(request)
    shelf.go_back(services.database, version)
    return get_taxonomies(request, services)


def _told(shelf: RulesShelf, found: InUse, counted_by: str | None) -> Response:
    body = {
        "version": found.version,
        "origin": found.origin,
        "editable": shelf.file is None,
        "by": found.by,
        "at": found.at,
        "note": found.note,
        "counted_by": counted_by,
        "rules": found.data,
    }
    answer = Json(body)
    answer.headers["ETag"] = f'"{found.version}"'
    return answer
