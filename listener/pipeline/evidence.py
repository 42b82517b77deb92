"""The mentions of a spike as explaining needs them, by the filter that the links to them carry."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session

from listener.detect.explain import SpikeFact
from listener.store import feed_query, search
from listener.store.feed_query import MENTION, MentionFilter
from listener.store.tables import (
    AuthorRow,
    EngagementRow,
    MatchRow,
    MentionStoryRow,
    ReadingRow,
)
from listener.store.upsert import among, chunks
from listener.types import Label

MOST_TEXTS = 2_000  # mentions whose texts are read; of more, a sample
_TEXT = 2_000  # characters of a text that phrases are taken from
_MATCH = MatchRow.__table__.alias("in_order").c
_READING = ReadingRow.__table__.c
_STORY = MentionStoryRow.__table__.c
_AUTHOR = AuthorRow.__table__.c


def to_mention_filter(parameters: Mapping[str, str]) -> MentionFilter:
    """The filter that parameters of the API stand for, as far as spikes use them."""

    def said(name: str) -> bool | None:
        return {"true": True, "false": False}.get(parameters.get(name, ""))

    def many(name: str) -> tuple[str, ...]:
        return tuple(part for part in parameters.get(name, "").split(",") if part)

    def at(name: str) -> datetime | None:
        value = parameters.get(name)
        return None if value is None else datetime.fromisoformat(value)

    brand, story = parameters.get("brand"), parameters.get("story")
    return MentionFilter(
        brand_id=None if brand is None else int(brand),
        sources=many("source"),
        languages=many("language"),
        labels=many("sentiment"),
        complaint=said("complaint"),
        topics=many("topic"),
        tags=many("tag"),
        since=at("since"),
        until=at("until"),
        q=parameters.get("q"),
        flagged=said("flagged"),
        story_id=None if story is None else int(story),
        own=said("own"),
        countries=many("country"),
        rated=said("rated"),
        low_rating=said("low_rating"),
    )


def load_facts(
    session: Session,
    wanted: MentionFilter,
    *,
    most: int,
    every: int = 1,
    texts: bool = False,
) -> list[SpikeFact]:
    """The mentions that a brand's filter selects, oldest first; of more than ``most`` the newest,
    of every so many one.
    """
    shape = feed_query.shape(session, names=False)
    columns = [
        *(MENTION.id, MENTION.event_at, MENTION.source, MENTION.language, MENTION.country),
        *(MENTION.place, MENTION.product, MENTION.product_version, _AUTHOR.pseudonym),
        *(_STORY.story_id, _READING.topics, _READING.label, _READING.complaint),
        *((MENTION.title, MENTION.text) if texts else ()),
    ]
    query = (
        selected(session, wanted, *columns)
        .outerjoin(AuthorRow.__table__, _AUTHOR.id == MENTION.author_id)
        .outerjoin(MentionStoryRow.__table__, _STORY.mention_id == MENTION.id)
        .outerjoin(
            ReadingRow.__table__,
            and_(
                _READING.mention_id == MENTION.id,
                _READING.brand_id == wanted.brand_id,
                _READING.generation_id == shape.generation,
            ),
        )
        .order_by(_MATCH.event_at.desc(), MENTION.id.desc())
        .limit(most)
    )
    if every > 1:
        query = query.where(MENTION.id % every == 0)
    rows = session.connection().execute(query).all()
    engagement = _engagement(session, [row.id for row in rows]) if not texts else {}
    facts = [_fact(row, engagement, texts) for row in rows]
    facts.reverse()
    return facts


def selected(session: Session, wanted: MentionFilter, *columns: Any) -> Select[Any]:
    """Of the mentions that the filter selects, in the order of the brand's index."""
    shape = feed_query.shape(session, names=False)
    ranged = [_MATCH.brand_id == wanted.brand_id]
    if wanted.since is not None:
        ranged.append(_MATCH.event_at >= wanted.since)
    if wanted.until is not None:
        ranged.append(_MATCH.event_at < wanted.until)
    source = _MATCH.mention_id.table.join(MENTION.id.table, MENTION.id == _MATCH.mention_id)
    # The brand and the times are those of the index; the filter need not look for them again.
    rest = replace(wanted, since=None, until=None)
    return (
        select(*columns)
        .select_from(source)
        .where(*ranged, *feed_query.conditions(rest, shape, session))
    )


def _fact(row: Any, engagement: Mapping[int, int], texts: bool) -> SpikeFact:
    text = ""
    if texts:
        text = (f"{row.title}\n{row.text}" if row.title else row.text)[:_TEXT]
    return SpikeFact(
        mention_id=row.id,
        event_at=row.event_at,
        source=row.source,
        text=text,
        topics=tuple(row.topics or ()),
        label=Label(row.label) if row.label else None,
        complaint=row.complaint,
        author_key=row.pseudonym,
        story_key=None if row.story_id is None else str(row.story_id),
        engagement=engagement.get(row.id, 0),
        language=row.language,
        country=row.country,
        place=row.place,
        product=row.product,
        version=row.product_version,
    )


def with_texts(session: Session, facts: Sequence[SpikeFact]) -> list[SpikeFact]:
    """The facts with their texts; of very many, some that are even in time."""
    every = max(1, -(-len(facts) // MOST_TEXTS))
    some = facts[::every]
    rows = session.connection().execute(
        select(MENTION.id, MENTION.title, MENTION.text).where(
            MENTION.id.in_([fact.mention_id for fact in some])
        )
    )
    texts = {row.id: f"{row.title}\n{row.text}" if row.title else row.text for row in rows}
    return [replace(fact, text=texts.get(fact.mention_id, "")[:_TEXT]) for fact in some]


def count_found(session: Session, mention_ids: Sequence[int], words: str) -> int:
    """How many of these mentions a search finds."""
    found = search.condition(session, words, MENTION.id)
    return sum(
        session.scalar(
            select(func.count()).select_from(
                select(MENTION.id).where(among(session, MENTION.id, some), found).subquery()
            )
        )
        or 0
        for some in chunks(mention_ids)
    )


def _engagement(session: Session, mention_ids: Collection[int]) -> dict[int, int]:
    """Likes, replies and shares of each mention, by the highest counts that were told."""
    highest = (
        func.coalesce(func.max(column), 0)
        for column in (EngagementRow.likes, EngagementRow.replies, EngagementRow.shares)
    )
    rows = session.execute(
        select(EngagementRow.mention_id, *highest)
        .where(EngagementRow.mention_id.in_(mention_ids))
        .group_by(EngagementRow.mention_id)
    )
    return {mention_id: sum(counts) for mention_id, *counts in rows}
