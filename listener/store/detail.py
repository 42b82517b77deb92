"""One mention with all that is known of it: earlier texts, engagement, watches, every reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from listener.errors import NotFound
from listener.store import corrections, feed_query, screening
from listener.store.corrections import Correction
from listener.store.items import PERSON, Item, parse_item
from listener.store.tables import (
    EngagementRow,
    GenerationRow,
    MentionRow,
    MentionStoryRow,
    MentionWatchRow,
    ReadingRow,
    RevisionRow,
    StoryRow,
    WatchRow,
)
from listener.types import Aspect, Label, Sentiment

_MEMBERS = 100  # copies told of a story; the rest by the filter ``story``


@dataclass(frozen=True, slots=True)
class Revision:
    """An earlier text of a mention."""

    title: str | None
    text: str
    rating: float | None
    replaced_at: datetime


@dataclass(frozen=True, slots=True)
class Counts:
    """Engagement as read at one moment; None = the source does not tell."""

    at: datetime
    likes: int | None
    replies: int | None
    shares: int | None
    views: int | None


@dataclass(frozen=True, slots=True)
class Brought:
    """A watch that brought the mention."""

    id: int
    source: str
    label: str
    run_id: int | None


@dataclass(frozen=True, slots=True)
class ReadingMade:
    """What one generation of models and rules made of the mention, toward a brand or (None) as a
    whole.
    """

    generation: int
    active: bool
    brand_id: int | None
    language: str
    sentiment: Sentiment | None
    complaint: bool | None
    topics: Sequence[str]
    tags: Sequence[str]
    aspects: Sequence[Aspect]
    rules_version: str
    corrected: Mapping[str, Any]  # what was read, of each field that a person corrected


@dataclass(frozen=True, slots=True)
class Member:
    """One copy of a story."""

    id: int
    source: str
    url: str | None
    event_at: datetime
    kind: str  # of copy


@dataclass(frozen=True, slots=True)
class StoryOf:
    """The story that a mention is a copy of."""

    id: int
    kind: str  # in what way it is one: exact, near or syndicated
    copies: int
    lead: int
    members: Sequence[Member]  # by time, the first of them


@dataclass(frozen=True, slots=True)
class FlagFound:
    """A flag, and why the mention has it."""

    kind: str
    reason: str  # the words found, or how often it was posted
    by_person: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One mention with all that is known of it."""

    item: Item
    event_at: datetime
    event_clamped: bool
    edited_at: datetime | None
    parent_id: str | None
    parent: int | None  # our id of the parent, where we have it
    thread_id: str | None
    is_own: bool
    solicited: bool
    product: str | None
    product_version: str | None
    place: str | None
    touchpoint: str | None
    country: str | None
    media: Sequence[str]
    engagement: Sequence[Counts]
    revisions: Sequence[Revision]
    watches: Sequence[Brought]
    readings: Sequence[ReadingMade]
    corrections: Sequence[Correction]
    story: StoryOf | None
    flags: Sequence[FlagFound]
    flags_decided: bool  # a person said which flags it has, or that it has none


def get(session: Session, mention_id: int, *, names: bool = False) -> Detail:
    """One mention, matched or not. Raises NotFound."""
    query = feed_query.select_items(feed_query.shape(session, names), outer=True)
    query = query.where(feed_query.MENTION.id == mention_id)
    told = session.connection().execute(query).first()
    row = session.get(MentionRow, mention_id)
    if told is None or row is None:
        raise NotFound(
            f"There is no mention {mention_id}.", hint="It may have been deleted at its source."
        )
    item = parse_item(orjson.loads(told[1]))
    parent = None
    if row.parent_id is not None:
        parent = session.scalar(
            select(MentionRow.id).where(
                MentionRow.source == row.source,
                MentionRow.namespace == row.namespace,
                MentionRow.external_id == row.parent_id,
            )
        )
    found = screening.flags(session, [mention_id]).get(mention_id, {})
    return Detail(
        item=item,
        event_at=row.event_at,
        event_clamped=row.event_clamped,
        edited_at=row.edited_at,
        parent_id=row.parent_id,
        parent=parent,
        thread_id=row.thread_id,
        is_own=row.is_own,
        solicited=row.solicited,
        product=row.product,
        product_version=row.product_version,
        place=row.place,
        touchpoint=row.touchpoint,
        country=row.country,
        media=row.media or (),
        engagement=[
            Counts(row.at, row.likes, row.replies, row.shares, row.views)
            for row in session.scalars(
                select(EngagementRow)
                .where(EngagementRow.mention_id == mention_id)
                .order_by(EngagementRow.at)
            )
        ],
        revisions=[
            Revision(row.title, row.text, row.rating, row.replaced_at)
            for row in session.scalars(
                select(RevisionRow)
                .where(RevisionRow.mention_id == mention_id)
                .order_by(RevisionRow.id)
            )
        ],
        watches=[
            Brought(*row)
            for row in session.execute(
                select(WatchRow.id, WatchRow.source, WatchRow.label, MentionWatchRow.run_id)
                .join(MentionWatchRow, MentionWatchRow.watch_id == WatchRow.id)
                .where(MentionWatchRow.mention_id == mention_id)
                .order_by(WatchRow.id)
            )
        ],
        readings=list(_readings(session, mention_id)),
        corrections=corrections.of_mention(session, mention_id),
        story=_story(session, mention_id),
        flags=[
            FlagFound(
                kind, "" if reason == screening.PERSON else reason, reason == screening.PERSON
            )
            for kind, reason in sorted(found.items())
            if kind != screening.CLEARED
        ],
        flags_decided=screening.is_decided(found),
    )


def _story(session: Session, mention_id: int) -> StoryOf | None:
    own = session.get(MentionStoryRow, mention_id)
    story = session.get(StoryRow, own.story_id) if own is not None else None
    if own is None or story is None:
        return None
    members = session.execute(
        select(
            MentionRow.id,
            MentionRow.source,
            MentionRow.url,
            MentionRow.event_at,
            MentionStoryRow.kind,
        )
        .join(MentionStoryRow, MentionStoryRow.mention_id == MentionRow.id)
        .where(MentionStoryRow.story_id == story.id)
        .order_by(MentionRow.event_at, MentionRow.id)
        .limit(_MEMBERS)
    )
    return StoryOf(
        story.id, own.kind, story.copies, story.lead_id, [Member(*row) for row in members]
    )


def _readings(session: Session, mention_id: int) -> Iterator[ReadingMade]:
    for reading, generation in session.execute(
        select(ReadingRow, GenerationRow)
        .join(GenerationRow, GenerationRow.id == ReadingRow.generation_id)
        .where(ReadingRow.mention_id == mention_id)
        .order_by(GenerationRow.id.desc(), ReadingRow.brand_id)
    ):
        sentiment = None
        if reading.label is not None:
            model, version = generation.models.get(reading.language, ("", ""))
            if reading.score is None:
                model, version = PERSON, ""
            sentiment = Sentiment(
                score=reading.score or 0.0,
                label=Label(reading.label),
                confidence=reading.confidence or 0.0,
                model=model,
                version=version,
            )
        yield ReadingMade(
            generation=generation.id,
            active=generation.active,
            brand_id=reading.brand_id or None,
            language=reading.language,
            sentiment=sentiment,
            complaint=reading.complaint,
            topics=reading.topics,
            tags=reading.tags,
            aspects=[
                Aspect(topic, start, end, score, label and Label(label))
                for topic, start, end, score, label in reading.aspects or ()
            ],
            rules_version=generation.rules_version,
            corrected=reading.corrected or {},
        )
