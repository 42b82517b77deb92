"""The mentions behind each number of the insights, for pages and API alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from listener.analyze.drivers import Measure
from listener.analyze.strengths import Topic
from listener.errors import InvalidInput
from listener.store import insights, themes
from listener.store.insights import Why

_HINT = "One of theme:ID, all, with:TOPIC, without:TOPIC, positive:TOPIC, negative:TOPIC."


@dataclass(frozen=True, slots=True)
class Report:
    """What a brand's mentions of a time say, each number with its mentions."""

    why: Why
    topics: tuple[Topic, ...]
    seen: int  # mentions that were looked at
    cut: bool  # there were more


def report(
    session: Session,
    brand_id: int,
    since: datetime,
    until: datetime,
    *,
    before: tuple[datetime, datetime] | None = None,
    measure: Measure | None = None,
    counts_flagged: bool = False,
) -> Report:
    """Drivers, strengths and weaknesses of [since, until), changes against ``before``."""
    found = insights.facts(session, brand_id, since, until, counts_flagged=counts_flagged)
    usual = (
        insights.facts(session, brand_id, *before, counts_flagged=counts_flagged) if before else ()
    )
    return Report(
        why=insights.explain(found, measure),
        topics=insights.judged(found, usual),
        seen=len(found),
        cut=len(found) == insights.MOST,
    )


def mention_ids(
    session: Session,
    brand_id: int,
    since: datetime,
    until: datetime,
    of: str,
    *,
    measure: Measure | None = None,
    counts_flagged: bool = False,
) -> list[int]:
    """The mentions behind a number, newest first. ``of`` says which: ``_HINT``.

    Raises InvalidInput, and NotFound for a theme that is not the brand's.
    """
    kind, _, name = of.partition(":")
    if kind == "theme" and name.isdecimal() and len(name) < 18:
        theme = themes.get(session, int(name))
        if theme.brand_id != brand_id:
            raise InvalidInput("This theme is of another brand.", field="of", hint=_HINT)
        return themes.mention_ids(session, theme.id, since, until)
    if kind not in ("all", "with", "without", "positive", "negative"):
        raise InvalidInput(f"Nothing is known of {of!r}.", field="of", hint=_HINT)
    found = insights.facts(session, brand_id, since, until, counts_flagged=counts_flagged)
    if kind in ("positive", "negative"):
        for topic in insights.judged(found):
            if topic.name == name:
                side = topic.positive if kind == "positive" else topic.negative
                return list(side.mention_ids)
        return []
    why = insights.explain(found, measure)
    if kind == "all":
        return list(why.mention_ids)
    inside = why.with_topic.get(name, ())
    if kind == "with":
        return list(inside)
    left = frozenset(inside)
    return [mention_id for mention_id in why.mention_ids if mention_id not in left]
