"""Why scores are low, and what is praised and blamed: a brand's readings put to the statistics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from listener.analyze.drivers import (
    FEWEST,
    Drivers,
    Measure,
    Outcome,
    find_drivers,
    measure_of,
    score_of,
)
from listener.analyze.strengths import Clause, Topic, find_topics
from listener.store import generations
from listener.store.tables import MatchRow, MentionRow, MentionStoryRow, ReadingRow
from listener.store.themes import flagged

MOST: Final = 30_000  # mentions that are looked at; of more, the newest


class Fact(NamedTuple):
    """A mention as read toward one brand."""

    mention_id: int
    source: str
    kind: str
    rating: float | None
    low: float | None
    high: float | None
    score: float | None  # sentiment, -1..1
    topics: Sequence[str]
    aspects: Sequence[Sequence[Any]]  # topic, start, end, score, label
    author_key: str
    story_key: str  # equal for copies of one text


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """The drivers of one measure, and the mentions behind each number, newest first.

    ``asked`` differs from ``measure`` where there are no scores of the measure that was asked for.
    """

    measure: Measure
    asked: Measure | None
    available: Mapping[Measure, int]  # mentions with a score of each measure, copies once
    drivers: Drivers
    with_topic: Mapping[str, Sequence[int]]
    mention_ids: Sequence[int]  # all that have a score


def facts(
    session: Session,
    brand_id: int,
    since: datetime,
    until: datetime,
    *,
    counts_flagged: bool = False,
    most: int = MOST,
) -> list[Fact]:
    """A brand's mentions of [since, until) as read now, newest first; its own voice is left out,
    and what is flagged unless that is counted.
    """
    query = (
        select(
            MentionRow.id,
            MentionRow.source,
            MentionRow.kind,
            MentionRow.rating,
            MentionRow.rating_min,
            MentionRow.rating_max,
            ReadingRow.score,
            ReadingRow.topics,
            ReadingRow.aspects,
            MentionRow.author_id,
            MentionRow.content_hash,
            MentionStoryRow.story_id,
        )
        .select_from(MatchRow)
        .join(MentionRow, MentionRow.id == MatchRow.mention_id)
        .join(
            ReadingRow,
            (ReadingRow.mention_id == MatchRow.mention_id)
            & (ReadingRow.brand_id == MatchRow.brand_id)
            & (ReadingRow.generation_id == (generations.active_id(session) or 0)),
        )
        .outerjoin(MentionStoryRow, MentionStoryRow.mention_id == MatchRow.mention_id)
        .where(
            MatchRow.brand_id == brand_id,
            MatchRow.event_at >= since,
            MatchRow.event_at < until,
            MentionRow.is_own.is_(False),
        )
        .order_by(MatchRow.event_at.desc(), MentionRow.id.desc())
        .limit(most)
    )
    if not counts_flagged:
        query = query.where(~flagged(MentionRow.id))
    found = []
    for *told, topics, aspects, author_id, content_hash, story_id in session.execute(query):
        author = f"#{told[0]}" if author_id is None else str(author_id)
        story = f"={content_hash}" if story_id is None else f"story {story_id}"
        found.append(Fact._make([*told, topics or (), aspects or (), author, story]))
    return found


def explain(found: Sequence[Fact], asked: Measure | None = None) -> Why:
    """What drives a measure; without one, stars or the survey with most answers, else sentiment.

    Copies of one text count once.
    """
    stories: dict[str, Fact] = {}
    for fact in found:
        stories.setdefault(fact.story_key, fact)
    scored = {measure: _scored(stories.values(), measure) for measure in Measure}
    available = {measure: len(some) for measure, some in scored.items()}
    measure = asked if asked and available[asked] else _usual(available)
    chosen = scored[measure]
    with_topic: dict[str, list[int]] = {}
    for fact, outcome in chosen:
        for topic in outcome.topics:
            with_topic.setdefault(topic, []).append(fact.mention_id)
    return Why(
        measure=measure,
        asked=asked,
        available=available,
        drivers=find_drivers([outcome for _, outcome in chosen]),
        with_topic=with_topic,
        mention_ids=[fact.mention_id for fact, _ in chosen],
    )


def judged(found: Sequence[Fact], before: Sequence[Fact] = ()) -> tuple[Topic, ...]:
    """What clauses say of each topic, against the period before."""
    return find_topics(_clauses(found), _clauses(before))


def _usual(available: Mapping[Measure, int]) -> Measure:
    if available[Measure.RATING] >= FEWEST:
        return Measure.RATING
    surveys = (Measure.RATING, Measure.NPS, Measure.CSAT, Measure.CES)
    most = max(surveys, key=lambda measure: available[measure])
    return most if available[most] >= FEWEST else Measure.SENTIMENT


def _scored(found: Iterable[Fact], measure: Measure) -> list[tuple[Fact, Outcome]]:
    scored = []
    for fact in found:
        if measure is Measure.SENTIMENT:
            score = _sentiment(fact)
        elif fact.rating is None or measure_of(fact.kind, fact.low, fact.high) is not measure:
            score = None
        else:
            score = score_of(measure, fact.rating, fact.low, fact.high)
        if score is not None:
            scored.append((fact, Outcome(score, frozenset(fact.topics), fact.source)))
    return scored


def _sentiment(fact: Fact) -> float | None:
    """The mean of what its clauses say of topics; of the whole text where they say nothing."""
    scores = [score for _, _, _, score, _ in fact.aspects if score is not None]
    return sum(scores) / len(scores) if scores else fact.score


def _clauses(found: Sequence[Fact]) -> list[Clause]:
    return [
        Clause(fact.mention_id, topic, start, end, score, label, fact.story_key, fact.author_key)
        for fact in found
        for topic, start, end, score, label in fact.aspects
        if score is not None and label is not None
    ]
