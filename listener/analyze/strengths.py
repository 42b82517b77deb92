"""What a brand is praised and blamed for: topics by what clauses say of them, and their change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from listener.analyze.intervals import Interval, share_change, wilson

FEWEST: Final = 20  # stories that say something good or bad of a topic
MOST_EXAMPLES: Final = 8


@dataclass(frozen=True, slots=True)
class Clause:
    """What one clause says of a topic: [start, end) in characters of title, line break and text.

    ``score`` is in -1..1. Keys are equal for copies of one text and for one author.
    """

    mention_id: int
    topic: str
    start: int
    end: int
    score: float
    label: str
    story_key: str
    author_key: str


@dataclass(frozen=True, slots=True)
class Example:
    """A clause to show."""

    mention_id: int
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The stories that say one thing of a topic."""

    stories: int
    authors: int
    share: float  # of the stories that say something good or bad of it
    interval: Interval  # 95 %
    change: float | None = None  # of the share, against the period before
    change_interval: Interval | None = None
    mention_ids: tuple[int, ...] = ()
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """What is said of one topic. A story that does both counts on both sides."""

    name: str
    stories: int  # that say something good or bad of it
    enough: bool
    positive: Side
    negative: Side


def find_topics(clauses: Sequence[Clause], before: Sequence[Clause] = ()) -> tuple[Topic, ...]:
    """Every topic that clauses judge, those with most stories first.

    Shares are of stories, so that a text that is copied counts once. Changes are told where both
    periods have enough of them.
    """
    usual = {name: _counted(some) for name, some in _by_topic(before).items()}
    topics = []
    for name, some in _by_topic(clauses).items():
        here = _counted(some)
        there = usual.get(name)
        topics.append(
            Topic(
                name=name,
                stories=len(here.stories),
                enough=len(here.stories) >= FEWEST,
                positive=_side(here, there, "positive"),
                negative=_side(here, there, "negative"),
            )
        )
    return tuple(sorted(topics, key=lambda topic: (-topic.stories, topic.name)))


def strengths(topics: Iterable[Topic]) -> list[Topic]:
    """Those of which more good than bad is said for sure, by how sure that is."""
    good = [t for t in topics if t.enough and t.positive.share > t.negative.share]
    return sorted(good, key=lambda topic: (-topic.positive.interval[0], topic.name))


def weaknesses(topics: Iterable[Topic]) -> list[Topic]:
    """Those of which at least as much bad as good is said, by how sure that is."""
    bad = [t for t in topics if t.enough and t.positive.share <= t.negative.share]
    return sorted(bad, key=lambda topic: (-topic.negative.interval[0], topic.name))


@dataclass(frozen=True, slots=True)
class _Counted:
    stories: frozenset[str]
    sides: dict[str, list[Clause]]


def _by_topic(clauses: Iterable[Clause]) -> dict[str, list[Clause]]:
    topics: dict[str, list[Clause]] = {}
    for clause in clauses:
        if clause.topic and clause.label in ("positive", "negative"):
            topics.setdefault(clause.topic, []).append(clause)
    return topics


def _counted(clauses: Sequence[Clause]) -> _Counted:
    sides: dict[str, list[Clause]] = {"positive": [], "negative": []}
    for clause in clauses:
        sides[clause.label].append(clause)
    return _Counted(frozenset(clause.story_key for clause in clauses), sides)


def _side(here: _Counted, there: _Counted | None, label: str) -> Side:
    clauses = here.sides[label]
    stories = {clause.story_key for clause in clauses}
    total = len(here.stories)
    change = interval = None
    if there is not None and len(there.stories) >= FEWEST and total >= FEWEST:
        before = len({clause.story_key for clause in there.sides[label]})
        change = len(stories) / total - before / len(there.stories)
        interval = share_change(len(stories), total, before, len(there.stories))
    return Side(
        stories=len(stories),
        authors=len({clause.author_key for clause in clauses}),
        share=len(stories) / total,
        interval=wilson(len(stories), total),
        change=change,
        change_interval=interval,
        mention_ids=tuple(sorted({clause.mention_id for clause in clauses}, reverse=True)),
        examples=_examples(clauses),
    )


def _examples(clauses: Sequence[Clause]) -> tuple[Example, ...]:
    """The clearest clauses, one of each story and author; short ones before long ones."""
    ranked = sorted(
        clauses, key=lambda c: (-round(abs(c.score), 1), c.end - c.start, -c.mention_id)
    )
    stories: set[str] = set()
    authors: set[str] = set()
    chosen = []
    for clause in ranked:
        if clause.story_key in stories or clause.author_key in authors:
            continue
        stories.add(clause.story_key)
        authors.add(clause.author_key)
        chosen.append(Example(clause.mention_id, clause.start, clause.end, clause.score))
        if len(chosen) == MOST_EXAMPLES:
            break
    return tuple(chosen)
