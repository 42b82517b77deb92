"""Compares what two generations made of the same mentions, brand by brand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Select, Text, and_, cast, func, select
from sqlalchemy.orm import Session, aliased

from listener.store.tables import BrandRow, MatchRow, MentionRow, ReadingRow

UNSCORED = "unscored"
LABELS = ("negative", "mixed", "neutral", "positive", "uncertain", UNSCORED)


@dataclass(slots=True)
class Side:
    """What one generation says of a brand's mentions."""

    mentions: int = 0
    scored: int = 0
    score_sum: float = 0.0
    complaints: int = 0
    judged: int = 0  # as complaints or not
    labels: Counter[str] = field(default_factory=Counter)
    topics: Counter[str] = field(default_factory=Counter)

    @property
    def score(self) -> float | None:
        """Mean sentiment, -1 to 1."""
        return self.score_sum / self.scored if self.scored else None

    @property
    def complaint_rate(self) -> float | None:
        """Of the mentions that could be judged, 0 to 1."""
        return self.complaints / self.judged if self.judged else None


@dataclass(frozen=True, slots=True)
class Moved:
    """A mention whose score moved far."""

    mention_id: int
    text: str
    old_label: str
    old_score: float | None
    new_label: str
    new_score: float | None


@dataclass(frozen=True, slots=True)
class Compared:
    """A brand's mentions that both generations have read, its own voice left out."""

    brand_id: int
    name: str
    old: Side
    new: Side
    flips: Mapping[tuple[str, str], int]  # (label before, label after), those that stayed too
    moved: Sequence[Moved]

    @property
    def flipped(self) -> int:
        """How many have another label."""
        return sum(count for (old, new), count in self.flips.items() if old != new)


def compare(
    session: Session,
    old_id: int,
    new_id: int,
    *,
    since: datetime | None = None,
    examples: int = 5,
) -> list[Compared]:
    """Every brand in force of which both generations have read something, by name."""
    pair = _Pair(old_id, new_id, since)
    flips: dict[int, Counter[tuple[str, str]]] = {}
    sides = pair.sides(session, flips)
    pair.add_topics(session, sides)
    brands = session.execute(
        select(BrandRow.id, BrandRow.name)
        .where(BrandRow.archived_at.is_(None), BrandRow.id.in_(list(sides)))
        .order_by(BrandRow.name)
    ).all()
    return [
        Compared(
            brand_id=brand_id,
            name=name,
            old=sides[brand_id][0],
            new=sides[brand_id][1],
            flips=flips[brand_id],
            moved=pair.moved(session, brand_id, examples),
        )
        for brand_id, name in brands
    ]


class _Pair:
    """The readings of two generations beside each other, each toward its brand."""

    def __init__(self, old_id: int, new_id: int, since: datetime | None) -> None:
        self._old, self._new = aliased(ReadingRow), aliased(ReadingRow)
        self._ids = old_id, new_id
        self._since = since

    def sides(
        self, session: Session, flips: dict[int, Counter[tuple[str, str]]]
    ) -> dict[int, tuple[Side, Side]]:
        """The numbers by brand, and (into ``flips``) which label became which."""
        old, new = self._old, self._new
        sides: dict[int, tuple[Side, Side]] = {}
        keys = (MatchRow.brand_id, old.label, new.label, old.complaint, new.complaint)
        scores = [call(side.score) for side in (old, new) for call in (func.count, func.sum)]
        for row in session.execute(self._both(*keys, func.count(), *scores).group_by(*keys)):
            brand_id, old_label, new_label, *complaints, count, n_old, sum_old, n_new, sum_new = row
            pair = sides.setdefault(brand_id, (Side(), Side()))
            labels = old_label or UNSCORED, new_label or UNSCORED
            flips.setdefault(brand_id, Counter())[labels] += count
            told = ((n_old, sum_old), (n_new, sum_new))
            for side, label, complaint, (scored, score_sum) in zip(
                pair, labels, complaints, told, strict=True
            ):
                side.mentions += count
                side.labels[label] += count
                side.scored += scored
                side.score_sum += score_sum or 0.0
                side.judged += count if complaint is not None else 0
                side.complaints += count if complaint else 0
        return sides

    def add_topics(self, session: Session, sides: dict[int, tuple[Side, Side]]) -> None:
        """Count topics into the sides."""
        topics = [cast(side.topics, Text) for side in (self._old, self._new)]
        keys = (MatchRow.brand_id, topics[0].label("old_topics"), topics[1].label("new_topics"))
        rows = session.execute(self._both(*keys, func.count()).group_by(*keys))
        for brand_id, old_topics, new_topics, count in rows:
            for side, told in zip(sides[brand_id], (old_topics, new_topics), strict=True):
                for topic in orjson.loads(told or "[]"):
                    side.topics[topic] += count

    def moved(self, session: Session, brand_id: int, limit: int) -> list[Moved]:
        """Those with another label whose score moved farthest."""
        old, new = self._old, self._new
        text = (MentionRow.id, MentionRow.title, MentionRow.text)
        said = (old.label, old.score, new.label, new.score)
        distance = func.abs(func.coalesce(new.score, 0.0) - func.coalesce(old.score, 0.0))
        query = self._both(*text, *said).where(
            MatchRow.brand_id == brand_id,
            func.coalesce(old.label, "") != func.coalesce(new.label, ""),
        )
        rows = session.execute(query.order_by(distance.desc(), MentionRow.id.desc()).limit(limit))
        return [
            Moved(
                mention_id=mention_id,
                text=f"{title}\n{body}" if title else body,
                old_label=old_label or UNSCORED,
                old_score=old_score,
                new_label=new_label or UNSCORED,
                new_score=new_score,
            )
            for mention_id, title, body, old_label, old_score, new_label, new_score in rows
        ]

    def _both(self, *columns: Any) -> Select[*tuple[Any, ...]]:
        query: Select[*tuple[Any, ...]] = select(*columns)
        query = query.select_from(MatchRow).join(
            MentionRow, (MentionRow.id == MatchRow.mention_id) & MentionRow.is_own.is_(False)
        )
        for reading, generation_id in zip((self._old, self._new), self._ids, strict=True):
            query = query.join(
                reading,
                and_(
                    reading.mention_id == MatchRow.mention_id,
                    reading.brand_id == MatchRow.brand_id,
                    reading.generation_id == generation_id,
                ),
            )
        if self._since is not None:
            query = query.where(MatchRow.event_at >= self._since)
        return query
