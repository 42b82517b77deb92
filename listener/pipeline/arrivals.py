"""From stored mentions to the arrivals of the series that a rule listens to: which bucket counts
what, and since when that is known.

A mention is counted here as the rollup counts it, by the same function; but for any rule and for
times whose buckets are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from operator import attrgetter

from sqlalchemy import ColumnElement, Text, cast
from sqlalchemy.orm import Session

from listener.detect.catalogue import parts_of, series_of, whole_of
from listener.detect.replay import Arrivals
from listener.detect.shares import badness
from listener.enrich.complaint import rating_share
from listener.pipeline.rollup import dimensions
from listener.rules import AVERAGED, EACH, facets_of
from listener.store import asof
from listener.store.buckets import Counted, start_us
from listener.store.firsts import author_of, story_of
from listener.store.tables import MentionRow, ReadingRow
from listener.types import By, Label, Rule, Scope, Signal

MICROSECOND = timedelta(microseconds=1)
_PULSE = 20_000  # mentions between two signs of life
# What tells in which series a mention is counted.
_ALIKE = attrgetter(
    *("flags", "source", "language", "country", "is_own", "rating", "rating_min", "rating_max"),
    *("label", "complaint", "topics", "tags"),
)


@dataclass(slots=True)
class Series:
    """One series of a rule: what arrived when, and how it is counted."""

    dimension: str
    by: By
    shares: bool
    arrivals: Arrivals = field(default_factory=Arrivals)
    _first: dict[object, int] = field(default_factory=dict)  # of a story or author, microseconds

    def take(self, mention: Counted, known_us: int, worth: float) -> None:
        """Count a mention that became known then; mentions come in the order of knowing."""
        bucket = start_us(mention.event_us)
        key = None
        if self.by is By.STORIES:
            key = story_of(mention)
        elif self.by is By.AUTHORS:
            key = author_of(mention)
        if key is not None:
            first = self._first.get(key)
            if first is not None and first <= mention.event_us:
                return
            self._first[key] = mention.event_us
            if first is not None:
                if start_us(first) == bucket:
                    return
                self.arrivals.add(known_us, start_us(first), -1)
        self.arrivals.add(known_us, bucket, worth)


def gather(
    session: Session,
    rule: Rule,
    since: datetime,
    until: datetime,
    *,
    every: timedelta,
    count_flagged: bool = False,
    on_time: bool = False,
    pulse: Callable[[], None] = lambda: None,
) -> list[Series]:
    """All series of a rule with their mentions of [since, until), in order of their names.

    Each is known at the first look, one ``every``, after it was seen; ``on_time`` = after it was
    said. ``pulse`` is called now and then.
    """
    found: dict[str, Series] = {}
    told: dict[tuple[object, ...], list[str]] = {}
    every_us = every // MICROSECOND
    shares = rule.signal in AVERAGED
    rows = asof.mentions(session, rule.brand_id, since, until, *_conditions(rule), by_event=on_time)
    for number, (mention, seen_us) in enumerate(rows):
        if not number % _PULSE:
            pulse()
        alike = _ALIKE(mention)
        names = told.get(alike)
        if names is None:
            names = told[alike] = list(_names(rule, mention, count_flagged=count_flagged))
        known_us = mention.event_us if on_time else max(seen_us, mention.event_us)
        known_us = -(-known_us // every_us) * every_us
        for name in names:
            series = found.get(name)
            if series is None:
                by = By.POSTS if shares else rule.by
                series = found[name] = Series(name, by, shares)
            worth = _worth(rule.signal, mention) if shares else 1.0
            if worth is not None:
                series.take(mention, known_us, worth)
    return [found[name] for name in sorted(found)]


def _names(rule: Rule, mention: Counted, *, count_flagged: bool) -> Iterator[str]:
    """The series of a rule in which a mention is counted."""
    own = set(dimensions(mention, count_flagged=count_flagged))
    whole = parts_of(whole_of(rule.signal))
    if (whole.of or whole.part) not in own:
        return
    for one in _each(rule, own):
        if {f"{name}:{value}" for name, value in facets_of(one.scope)} <= own:
            yield series_of(one, own)[0].dimension


def _each(rule: Rule, own: Collection[str]) -> Iterator[Rule]:
    """The rule; in place of "*" one for each that the mention has."""
    name = next((name for name, value in facets_of(rule.scope) if value == EACH), None)
    if name is None:
        yield rule
        return
    for facet in own:
        kind, _, value = facet.partition(":")
        if kind == name and ":" not in value:
            yield replace(rule, scope=Scope(**{name: value}))


def _worth(signal: Signal, mention: Counted) -> float | None:
    """How bad a mention is, from 0 to 1, to the signal; None = it does not say."""
    if signal is Signal.NEGATIVE_SHARE:
        return float(mention.label == Label.NEGATIVE) if mention.score is not None else None
    if signal is Signal.RATING:
        share = rating_share(mention.rating, mention.rating_min, mention.rating_max)
        return None if share is None else badness("rating", total=share, count=1)
    if mention.score is None:
        return None
    return badness("sentiment", total=mention.score, count=1)


def _conditions(rule: Rule) -> Iterator[ColumnElement[bool]]:
    """What a mention needs at least: less to read. ``_names`` decides."""
    if rule.signal is Signal.COMPLAINTS:
        yield ReadingRow.complaint.is_(True)
    elif rule.signal is Signal.NEGATIVE:
        yield ReadingRow.label == Label.NEGATIVE
    elif rule.signal in (Signal.LOW_RATINGS, Signal.RATING):
        yield MentionRow.rating.is_not(None)
    scope = rule.scope
    for value, column in (
        (scope.source, MentionRow.source),
        (scope.language, MentionRow.language),
        (scope.country, MentionRow.country),
    ):
        if value is not None and value != EACH:
            yield column == value
    if scope.topic is not None and scope.topic != EACH:
        yield cast(ReadingRow.topics, Text).contains(scope.topic, autoescape=True)
