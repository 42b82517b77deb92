"""``/api/v1/mentions``: what other tools follow, and one mention in full."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.auth import Who, Writes, name_of
from api.deps import (
    Json,
    Now,
    Services,
    ServicesDep,
    decode_cursor,
    encode_cursor,
    get_services,
    parameters_of,
    parsed_query,
)
from api.routes import schemas
from api.routes.schemas import LARGEST_ID, Body, Id
from listener.errors import InvalidInput
from listener.store import corrections, feed, flags
from listener.store.feed import UNSCORED, ChangePage, Mark, MentionFilter
from listener.store.tables import BrandRow
from listener.types import FlagKind, Kind, Label

router = APIRouter(prefix="/api/v1/mentions", tags=["mentions"])

LATEST = "latest"
_BAD_CURSOR = "Send `next_cursor` back unchanged, or begin without a cursor."


class FilterQuery(BaseModel):
    """Which mentions. Filters that are left out select everything; all that are given must hold."""

    brand: str | None = Field(
        None, max_length=200, description="Name or id of a brand.", examples=["하늘"]
    )
    source: str | None = Field(
        None, max_length=400, description="Sources, separated by commas.", examples=["x,reviews"]
    )
    kind: str | None = Field(
        None, max_length=100, description=f"Any of {', '.join(Kind)}, separated by commas."
    )
    language: str | None = Field(
        None, max_length=100, description="ISO 639-1 codes or `und`, separated by commas."
    )
    sentiment: str | None = Field(
        None,
        max_length=100,
        description=f"Any of {', '.join(Label)} or {UNSCORED}, separated by commas. With `brand`: "
        "toward that brand, else of the text as a whole; so for `complaint` and `topic`.",
        examples=["negative,mixed"],
    )
    complaint: bool | None = Field(None, description="Whether it complains.")
    tag: str | None = Field(
        None,
        max_length=400,
        description="What further taxonomies say, as taxonomy:category: `nature:technical`, "
        "`intent:question`, `urgency:safety` …; several separated by commas: any of one taxonomy, "
        "and all of different ones.",
    )
    topic: str | None = Field(
        None, max_length=400, description="Topics, separated by commas.", examples=["delivery"]
    )
    rating_gte: float | None = Field(
        None, allow_inf_nan=False, description="Rated at least this, on the source's own scale."
    )
    rating_lte: float | None = Field(
        None, allow_inf_nan=False, description="Rated at most this, on the source's own scale."
    )
    author: str | None = Field(
        None, max_length=300, description="An author as `author` tells it: a pseudonym."
    )
    since: AwareDatetime | None = Field(
        None,
        description="Happened at this time or later (ISO 8601 with time zone; write `+` as `%2B`). "
        "That is when it was published, where the source tells exactly, else when it was found.",
        examples=["2025-03-10T00:00:00Z"],
    )
    until: AwareDatetime | None = Field(None, description="Happened before this time.")
    q: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="Words that title or text hold, all of them; 배송 finds 배송이.",
        examples=["배송"],
    )
    watch: int | None = Field(
        None, ge=1, le=LARGEST_ID, description="Id of a watch that brought it."
    )
    flagged: bool | None = Field(
        None,
        description="`false`: without those that are sponsored, promotional or repeated by one "
        "author; `true`: these only.",
    )
    story: int | None = Field(
        None,
        ge=1,
        le=LARGEST_ID,
        description="Copies of one story, by its id (`story` of a mention in full). That a mention "
        "joins or leaves a story is no change of the mention.",
    )
    product: str | None = Field(
        None, max_length=400, description="A product, exactly as the source names it."
    )
    version: str | None = Field(None, max_length=400, description="A version of a product.")
    country: str | None = Field(
        None, max_length=400, description="Countries as sources tell them, separated by commas."
    )
    place: str | None = Field(None, max_length=400, description="A place, as the source names it.")
    rated: bool | None = Field(None, description="Whether it has a rating.")
    low_rating: bool | None = Field(
        None,
        description="Whether it is rated in the lower two fifths of its scale: 2 of 5 or worse.",
    )
    own: bool | None = Field(None, description="Whether the brand itself wrote it.")
    once: Literal["story", "author"] | None = Field(
        None,
        description="`story`: each story at the first copy in the filter; `author`: each author at "
        "the first mention of the day (UTC). The first of all times: `since` and `until` choose "
        "among these. That an earlier copy is found is no change of a mention.",
    )


class MentionQuery(FilterQuery):
    """The filter, and where to go on."""

    matched: bool = Field(
        True,
        description="`false`: those that belong to no brand, which are kept for a while only. "
        "They are listed by id and tell no changes.",
    )
    limit: int = Field(50, ge=1, le=500, description="Most items to answer.")
    cursor: str | None = Field(
        None,
        max_length=200,
        description="`next_cursor` of the answer before. Leave it out to begin with all that is "
        "there, or send `latest` to hear only of what comes from now on.",
    )


class MentionPage(BaseModel):
    """Changes in their order."""

    items: list[schemas.Mention | schemas.Left | schemas.Deleted] = Field(
        description="Empty = nothing more for now."
    )
    next_cursor: str = Field(
        description="Always there: come back with it. It belongs to the filter it was made with."
    )
    generation: int = Field(
        description="The set of models and rules in force. When it changes, all readings became "
        "others at once, which is told of no single mention: see `/api/v1/generations`."
    )


@router.get(
    "",
    response_model=MentionPage,
    operation_id="list_mentions",
    openapi_extra={"parameters": parameters_of(MentionQuery)},
)
async def list_mentions(request: Request) -> Response:
    """Mentions by `seq`, the number of their last change: every change is told once.

    Keep `next_cursor` and come back with it. `created`, `edited` and `corrected` carry the mention
    as it is now: store it under its `id`, replacing what you had. `left` (it was in your filter and
    is no longer) and `deleted` carry little more than the `id`: remove it. You then always hold
    what your filter selects; no (`id`, `seq`) is told twice. An empty `items` means that there is
    nothing more for now. A cursor that is too old (deletions are remembered for a limited time)
    answers 410: forget what you stored and begin again without a cursor. So does one whose filter
    asks for sentiment, complaint, topics or tags, after a switch to other models and rules.
    """
    query = parsed_query(request, MentionQuery)
    services = get_services(request)
    # Not in the common threads: see Lane. Measured by benchmarks/feed_page.py.
    body = await services.lane.run(_page, services, query)
    return Response(body, media_type="application/json")


def _page(services: Services, query: MentionQuery) -> bytes:
    page, fingerprint = services.reader.run(lambda session: _read(session, services, query))
    items = ",".join([told.json for told in page.told])  # written by the database already
    cursor = _cursor(page.mark, fingerprint)
    told = f'"items":[{items}],"next_cursor":"{cursor}","generation":{page.generation}'
    return f"{{{told}}}".encode()


def _read(session: Session, services: Services, query: MentionQuery) -> tuple[ChangePage, str]:
    names = not services.settings.hash_authors
    wanted = to_filter(session, query, names=names, matched=query.matched)
    fingerprint = wanted.fingerprint()
    mark = None
    if query.cursor == LATEST:
        mark = feed.latest_mark(session)
        if not wanted.matched:
            raise InvalidInput(
                "What belongs to no brand tells no changes.", field="cursor", hint=_BAD_CURSOR
            )
    elif query.cursor is not None:
        mark = _seen(query.cursor, fingerprint)
    if wanted.matched:
        page = feed.changes_after(session, wanted, mark, limit=query.limit, names=names)
    else:
        after = mark.seq if mark else 0
        page = feed.unmatched(session, wanted, after_id=after, limit=query.limit, names=names)
    return page, fingerprint


def _cursor(mark: Mark, fingerprint: str) -> str:
    generation = f":{mark.generation}" if mark.generation else ""
    return encode_cursor(f"m:{mark.seq}:{mark.since}:{fingerprint}{generation}")


def _seen(cursor: str, fingerprint: str) -> Mark:
    kind, *rest = decode_cursor(cursor).split(":")
    numbers = [*rest[:2], *rest[3:]]
    if (
        kind != "m"
        or len(rest) not in (3, 4)
        or not all(n.isdecimal() and len(n) < 18 for n in numbers)
    ):
        raise InvalidInput("This cursor is not of this list.", field="cursor", hint=_BAD_CURSOR)
    made_for = rest[2]
    if made_for != fingerprint:
        raise InvalidInput(
            "This cursor was made with another filter.",
            field="cursor",
            hint="Send the same filter with it, or begin without a cursor.",
        )
    return Mark(*(int(number) for number in numbers))


# --- the filter ----------------------------------------------------------------------------------


def to_filter(
    session: Session, query: FilterQuery, *, names: bool = False, matched: bool = True
) -> MentionFilter:
    """The filter that the parameters stand for. Raises InvalidInput that names the parameter."""
    if not matched and query.brand is not None:
        raise InvalidInput(
            "What belongs to no brand cannot belong to this one.",
            field="brand",
            hint="Leave out `brand`, or `matched=false`.",
        )
    return MentionFilter(
        brand_id=None if query.brand is None else brand_id(session, query.brand),
        sources=_list(query.source, "source"),
        kinds=_list(query.kind, "kind", tuple(Kind)),
        languages=_list(query.language, "language"),
        labels=_list(query.sentiment, "sentiment", (*Label, UNSCORED)),
        complaint=query.complaint,
        topics=_list(query.topic, "topic"),
        tags=_list(query.tag, "tag"),
        rating_gte=query.rating_gte,
        rating_lte=query.rating_lte,
        author=query.author,
        named=names and query.author is not None,
        since=query.since and query.since.astimezone(UTC),
        until=query.until and query.until.astimezone(UTC),
        q=query.q,
        watch_id=query.watch,
        matched=matched,
        flagged=query.flagged,
        story_id=query.story,
        own=query.own,
        product=query.product,
        version=query.version,
        countries=_list(query.country, "country"),
        place=query.place,
        rated=query.rated,
        low_rating=query.low_rating,
        once=query.once,
    )


def brand_id(session: Session, given: str) -> int:
    """The id of the brand of that name (in any case) or id, archived or not.

    Raises InvalidInput, which lists the names there are.
    """
    wanted = given.strip().casefold()
    rows = session.execute(select(BrandRow.id, BrandRow.name).order_by(BrandRow.name)).all()
    for row in rows:
        if row.name.casefold() == wanted:
            return int(row.id)
    for row in rows:
        if str(row.id) == wanted:
            return int(row.id)
    known = ", ".join(row.name for row in rows[:10])
    raise InvalidInput(
        f"There is no brand {given!r}.",
        field="brand",
        hint=f"Brands are: {known}." if known else "There is none yet.",
    )


def _list(given: str | None, field: str, allowed: tuple[str, ...] = ()) -> tuple[str, ...]:
    values = sorted({value.strip() for value in (given or "").split(",") if value.strip()})
    if given is not None and not values:
        raise InvalidInput("There is nothing in it.", field=field, hint=f"Leave out `{field}`.")
    for value in values:
        if allowed and value not in allowed:
            raise InvalidInput(
                f"{value!r} is none of them.",
                field=field,
                hint=f"Choose from {', '.join(allowed)}.",
            )
    return tuple(str(value) for value in values)


# --- one mention ---------------------------------------------------------------------------------


class Revision(BaseModel):
    """An earlier text."""

    title: str | None
    text: str
    rating: float | None
    replaced_at: datetime = Field(description="When we saw that it had been edited.")


class Counts(BaseModel):
    """Engagement at one moment; null = the source does not tell."""

    at: datetime
    likes: int | None
    replies: int | None
    shares: int | None
    views: int | None


class Brought(BaseModel):
    """A watch that brought it."""

    id: int
    source: str
    label: str
    run_id: int | None


class Aspect(BaseModel):
    """What one clause says of a topic. The text is title, line break and body."""

    topic: str = Field(description="Empty for a clause that names none.", examples=["delivery"])
    start: int = Field(description="First character, from 0.", examples=[0])
    end: int = Field(description="One past the last character.", examples=[12])
    score: float | None = Field(description="From -1 (negative) to 1; null = not scored.")
    label: Label | None


class ReadingMade(BaseModel):
    """What one set of models and rules made of it."""

    generation: int = Field(description="Number of the set of models and rules.")
    active: bool = Field(description="Whether this set is in force.")
    brand_id: int | None = Field(description="Toward this brand; null = the text as a whole.")
    language: str
    sentiment: schemas.Sentiment | None
    complaint: bool | None
    topics: list[str]
    tags: list[str]
    aspects: list[Aspect] = Field(description="What each clause says, in order.")
    rules_version: str
    corrected: dict[str, Any] = Field(
        description="What was read, of each of label, complaint and topics that a person corrected."
    )


class Correction(BaseModel):
    """What a person said it means; null = left as it was read."""

    brand_id: int | None = Field(description="Toward this brand; null = the text as a whole.")
    label: Label | None
    complaint: bool | None
    topics: list[str] | None
    by: str = Field(examples=["mina@shop.example"])
    at: datetime
    holds: bool = Field(description="The text is still the one it was said of.")


class Member(BaseModel):
    """One copy of a story."""

    id: int
    source: str
    url: str | None
    event_at: datetime
    kind: str = Field(description="In what way it is a copy: as `kind` of the story.")


class Story(BaseModel):
    """Mentions that are copies of one text."""

    id: int
    kind: str = Field(
        description="`exact`: the same text; `near`: most of it, or a part of it; `syndicated`: "
        "articles under one headline.",
        examples=["exact"],
    )
    copies: int = Field(description="How many there are, this one among them.", examples=[13])
    lead: int = Field(description="Id of the fullest copy.")
    members: list[Member] = Field(description="The first hundred, by time.")


class FlagFound(BaseModel):
    """A flag, and why the mention has it."""

    kind: FlagKind
    reason: str = Field(
        description="The words found, or how often it was posted.", examples=["소정의 원고료"]
    )
    by_person: bool = Field(description="A person set it.")


class MentionDetail(BaseModel):
    """One mention with all that is known of it."""

    item: schemas.Mention
    event_at: datetime = Field(description="The time by which it is counted.")
    event_clamped: bool = Field(description="The source told a date in the future.")
    edited_at: datetime | None
    parent_id: str | None = Field(description="The source's id of what it answers to.")
    parent: int | None = Field(description="Our id of that mention, where we have it.")
    thread_id: str | None
    is_own: bool = Field(description="Written by the brand itself.")
    solicited: bool = Field(description="The author was asked for it.")
    product: str | None
    product_version: str | None
    place: str | None
    touchpoint: str | None
    country: str | None
    media: list[str]
    engagement: list[Counts] = Field(description="In order of time; one for each change.")
    revisions: list[Revision] = Field(description="Earlier texts, the oldest first.")
    watches: list[Brought]
    readings: list[ReadingMade] = Field(description="The newest set of models first.")
    corrections: list[Correction] = Field(description="What people said it means.")
    story: Story | None = Field(description="Null = it is like no other.")
    flags: list[FlagFound]
    flags_decided: bool = Field(description="A person said which flags it has, or that none.")


@router.get("/{mention_id}", response_model=MentionDetail, operation_id="get_mention")
def get_mention(services: ServicesDep, mention_id: Id) -> Response:
    """One mention with its earlier texts, engagement over time, watches and all readings."""
    with services.database.read() as session:
        return Json(feed.get(session, mention_id, names=not services.settings.hash_authors))


# --- flags ---------------------------------------------------------------------------------------


class FlagsIn(Body):
    """Which flags it has."""

    flags: list[FlagKind] = Field(max_length=3, description="All of them; empty = none.")


@router.put(
    "/{mention_id}/flags",
    response_model=MentionDetail,
    operation_id="put_flags",
    dependencies=[Writes],
)
def put_flags(services: ServicesDep, now: Now, mention_id: Id, body: FlagsIn) -> Response:
    """Say whether a mention is sponsored, promotional or machine-made. It holds from now on,
    whatever the text becomes; readers of the feed are told `edited`.
    """
    with services.database.write() as work:
        flags.decide(work.session, mention_id, body.flags, now=now)
        work.commit()
    return get_mention(services, mention_id)


# --- corrections ---------------------------------------------------------------------------------


class CorrectionIn(Body):
    """What it means; what is left out stays as it was said before, or read."""

    brand_id: int | None = Field(
        None, ge=1, le=LARGEST_ID, description="Toward this brand; null = the text as a whole."
    )
    label: Literal["positive", "neutral", "negative", "mixed"] | None = None
    complaint: bool | None = None
    topics: list[str] | None = Field(
        None, max_length=20, description="All its topics.", examples=[["delivery"]]
    )


@router.post(
    "/{mention_id}/corrections",
    response_model=MentionDetail,
    operation_id="correct_mention",
    dependencies=[Writes],
)
def correct_mention(
    services: ServicesDep, now: Now, who: Who, mention_id: Id, body: CorrectionIn
) -> Response:
    """Say what a mention means where it was read wrongly. It holds at once, and as long as the text
    stays the same, whatever reads it later; readers of the feed are told `corrected`.

    Where the mention belongs to one brand, the whole and what it says of the brand are the same.
    """
    with services.database.write() as work:
        corrections.correct(
            work.session,
            mention_id,
            brand_id=body.brand_id,
            label=body.label,
            complaint=body.complaint,
            topics=body.topics,
            by=name_of(who),
            now=now,
        )
        work.commit()
    return get_mention(services, mention_id)


class Which(BaseModel):
    """Which correction."""

    brand_id: int | None = Field(
        None, ge=1, le=LARGEST_ID, description="The one toward this brand; else of the whole."
    )


@router.delete(
    "/{mention_id}/corrections",
    response_model=MentionDetail,
    operation_id="undo_correction",
    dependencies=[Writes],
)
def undo_correction(
    services: ServicesDep, now: Now, mention_id: Id, query: Annotated[Which, Query()]
) -> Response:
    """Take a correction back: the mention means again what was read."""
    with services.database.write() as work:
        corrections.undo(work.session, mention_id, brand_id=query.brand_id, now=now)
        work.commit()
    return get_mention(services, mention_id)
