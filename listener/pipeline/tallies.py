"""From buckets, or where none hold it from mentions, to the numbers of the series that are watched.

A series is counted by posts, stories or authors; a share or mean is two numbers, as
``detect/shares.py`` takes them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import TypeAlias

from sqlalchemy.orm import Session

from listener.detect.catalogue import (
    COLUMN,
    RATING,
    SHARE,
    Parts,
    SeriesKey,
    parts_of,
    rule_of,
    whole_of,
)
from listener.detect.shares import badness
from listener.pipeline.rollup import count, dimensions
from listener.rules import facets_of
from listener.store import buckets, firsts
from listener.store.base import from_us
from listener.store.buckets import Counted, Numbers, start_us
from listener.types import By, Rule

# By start of the bucket: how many, or of a share (bad ones, all); what is left out is 0.
Tally: TypeAlias = Mapping[datetime, int | tuple[float, float]]


def tallies(
    session: Session,
    brand_id: int,
    watched: Mapping[SeriesKey, tuple[Rule, ...]],
    start: datetime,
    end: datetime,
    *,
    count_flagged: bool = False,
) -> dict[SeriesKey, Tally]:
    """The numbers of these series in [start, end); series without any are left out."""
    names = {part for key in watched for part in parts_of(key.dimension) if part is not None}
    held = buckets.series(session, brand_id, sorted(names), start, end)
    found = {}
    for key in watched:
        if rule_of(key.dimension) is None:
            numbers = _numbers(key, parts_of(key.dimension), held)
        else:
            rule = watched[key][0]
            counted = _of_mentions(session, rule, start, end, count_flagged=count_flagged)
            numbers = _numbers(key, _parts(rule), counted, signal_of=whole_of(rule.signal))
        if numbers:
            found[key] = numbers
    return found


def is_share(key: SeriesKey, rules: Collection[Rule]) -> bool:
    """Whether a series is a share or a mean, not a count."""
    if rule_of(key.dimension) is None:
        return parts_of(key.dimension).of is not None
    return any(parts_of(whole_of(rule.signal)).of is not None for rule in rules)


def _numbers(
    key: SeriesKey,
    parts: Parts,
    held: Mapping[str, Mapping[datetime, Numbers]],
    signal_of: str | None = None,
) -> Tally:
    if parts.of is None:
        column = COLUMN[key.by]
        return {
            at: value
            for at, numbers in held.get(parts.part, {}).items()
            if (value := getattr(numbers, column))
        }
    kind = signal_of or key.dimension
    bad, found = held.get(parts.part, {}), {}
    for at, numbers in held.get(parts.of, {}).items():
        n = float(numbers.scored)
        if not n:
            continue
        if kind.startswith(SHARE):
            k = float(bad[at].count) if at in bad else 0.0
        else:
            scale = "rating" if kind.startswith(RATING) else "sentiment"
            k = badness(scale, total=numbers.score_sum, count=n)
        found[at] = (min(k, n), n)
    return found


# --- what no bucket holds ------------------------------------------------------------------------


def _parts(rule: Rule) -> Parts:
    """The names under which mentions of a rule are counted."""
    part, of = parts_of(whole_of(rule.signal))
    return Parts(f"rule:{part}", None if of is None else f"rule:{of}")


def _of_mentions(
    session: Session, rule: Rule, start: datetime, end: datetime, *, count_flagged: bool
) -> dict[str, dict[datetime, Numbers]]:
    wanted = parts_of(whole_of(rule.signal))
    facets = {f"{name}:{value}" for name, value in facets_of(rule.scope)}

    def names_of(mention: Counted) -> Iterator[str]:
        own = set(dimensions(mention, count_flagged=count_flagged))
        if facets <= own:
            yield from (f"rule:{part}" for part in set(wanted) if part in own)

    found = [
        mention
        for mention in buckets.mentions_between(session, rule.brand_id, start, end)
        if any(names_of(mention))
    ]
    marks = sorted({(one.brand_id, start_us(one.event_us)) for one in found})
    outside = firsts.outside(session, found, marks) if rule.by != By.POSTS and found else None
    counted: dict[str, dict[datetime, Numbers]] = {}
    for ((_, at), name), numbers in count(found, outside, names_of=names_of).items():
        counted.setdefault(name, {})[from_us(at)] = numbers
    return counted
