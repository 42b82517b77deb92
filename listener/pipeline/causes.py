"""The mentions behind a spike, and what sets them apart from the days before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from listener.detect.explain import SpikeFact, explain
from listener.detect.lifecycle import SpikeLife
from listener.store.tables import (
    EngagementRow,
    GenerationRow,
    MatchRow,
    MentionRow,
    ReadingRow,
)
from listener.types import Label

USUAL = timedelta(days=7)  # the time before that a spike is compared with
MOST = 2_000  # mentions of either side; of more, the newest
_TEXT = 2_000  # characters of a text that phrases are taken from


def explain_spike(
    session: Session, brand_id: int, dimension: str, spike: SpikeLife, *, now: datetime
) -> tuple[dict[str, Any], list[int]]:
    """The explanation of a spike as JSON, and the ids of its mentions (first the samples)."""
    end = spike.resolved_at or now
    facts = load_facts(session, brand_id, dimension, spike.onset_at, end)
    usual = load_facts(session, brand_id, dimension, spike.onset_at - USUAL, spike.onset_at)
    told = explain(facts, usual, length=end - spike.onset_at, usual_length=USUAL)
    ids = list(
        dict.fromkeys([*told.sample_ids, *told.first_ids, *(fact.mention_id for fact in facts)])
    )
    return told.to_json(), ids


def load_facts(
    session: Session, brand_id: int, dimension: str, start: datetime, end: datetime
) -> list[SpikeFact]:
    """The mentions counted in a series in [start, end), oldest first; at most ``MOST``."""
    query = (
        select(
            MentionRow.id,
            MentionRow.event_at,
            MentionRow.source,
            MentionRow.title,
            MentionRow.text,
            MentionRow.author_id,
            MentionRow.content_hash,
            ReadingRow.topics,
            ReadingRow.label,
            ReadingRow.complaint,
        )
        .join(MatchRow, MatchRow.mention_id == MentionRow.id)
        .join(
            ReadingRow,
            (ReadingRow.mention_id == MentionRow.id) & (ReadingRow.brand_id == MatchRow.brand_id),
        )
        .join(GenerationRow, GenerationRow.id == ReadingRow.generation_id)
        .where(
            MatchRow.brand_id == brand_id,
            MatchRow.event_at >= start,
            MatchRow.event_at < end,
            MentionRow.is_own.is_(False),
            GenerationRow.active.is_(True),
        )
        .order_by(MatchRow.event_at.desc(), MentionRow.id.desc())
        .limit(MOST)
    )
    facts = []
    topic = _topic_of(dimension)
    rows = [
        row
        for row in session.execute(_narrow(query, dimension))
        if topic is None or topic in row.topics
    ]
    engagement = _engagement(session, [row.id for row in rows])
    for row in rows:
        text = f"{row.title}\n{row.text}" if row.title else row.text
        facts.append(
            SpikeFact(
                mention_id=row.id,
                event_at=row.event_at,
                source=row.source,
                text=text[:_TEXT],
                topics=tuple(row.topics),
                label=Label(row.label) if row.label else None,
                complaint=row.complaint,
                author_key=None if row.author_id is None else str(row.author_id),
                story_key=row.content_hash,
                engagement=engagement.get(row.id, 0),
            )
        )
    facts.reverse()
    return facts


def _engagement(session: Session, mention_ids: Sequence[int]) -> dict[int, int]:
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


def _narrow(query: Any, dimension: str) -> Any:
    """The condition of a series, as far as SQL can tell it on both databases."""
    kind, _, rest = dimension.partition(":")
    if dimension == "negative":
        return query.where(ReadingRow.label == Label.NEGATIVE)
    if dimension == "complaint" or rest.endswith(":complaint"):
        return query.where(ReadingRow.complaint.is_(True))
    if dimension == "low_rating":
        span = MentionRow.rating_max - MentionRow.rating_min
        return query.where(
            MentionRow.rating.is_not(None),
            MentionRow.rating - MentionRow.rating_min <= 0.4 * span,
        )
    if kind == "source":
        return query.where(MentionRow.source == rest)
    return query


def _topic_of(dimension: str) -> str | None:
    kind, _, rest = dimension.partition(":")
    return rest.partition(":")[0] if kind == "topic" else None
