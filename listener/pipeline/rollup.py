"""Counts stale buckets anew, from mentions and readings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Literal

from sqlalchemy.orm import Session

from listener.detect.catalogue import COLUMN, RATED, parts_of, rule_of
from listener.enrich.complaint import LOWER_TWO_FIFTHS, rating_share
from listener.pipeline.parts import Parts
from listener.store import buckets, firsts, pulses, screening, spikes
from listener.store.base import from_us, to_us
from listener.store.buckets import Counted, Mark, Numbers, start_us
from listener.store.firsts import Key, Outside, author_of, story_of
from listener.store.killpoints import reach
from listener.store.work import Database
from listener.types import By as Counting

By = Literal["posts", "stories", "authors"]  # what is counted

_FIRST, _MOST = 100, 500  # buckets a transaction


def roll_up(
    database: Database,
    *,
    count_flagged: bool = False,
    limit: int | None = None,
    screened_since: datetime | None = None,
) -> int:
    """Count stale buckets anew, all of them or about ``limit``; gives how many. Raises
    StorageError.

    Marks go first, then the numbers, in one transaction: a crash between leaves both as they were.
    ``count_flagged``: mentions with a flag are counted as all others, too.
    ``screened_since``: buckets from then on stay stale as long as something in them is not
    screened, or forty copies that came a moment ago would be counted as forty stories.
    """
    done = 0
    parts = Parts(_FIRST, most=_MOST)
    while limit is None or done < limit:
        with database.write() as work:
            marks = buckets.take_dirty(work.session, parts.size)
            if not marks:
                break
            reach("rollup.taken")
            found = buckets.mentions_of(work.session, marks)
            if screened_since is not None and (
                waiting := _unscreened(work.session, found, screened_since)
            ):
                marks = [mark for mark in marks if mark not in waiting]
                found = [one for one in found if _mark_of(one) not in waiting]
                buckets.mark_dirty(work.session, waiting)
                if not marks:  # all that is left waits
                    work.commit()
                    break
            outside = firsts.outside(work.session, found, marks)
            counted = count(found, outside, count_flagged=count_flagged)
            reach("rollup.counted")
            for brand_id, changes in spikes.changes(work.session, marks, counted).items():
                mark_late(work.session, brand_id, changes)
            buckets.replace(work.session, marks, counted)
            pulses.beat(work.session, {brand_id for brand_id, _ in marks})
            buckets.mark_dirty(work.session, overtaken(found, outside))
            reach("rollup.written")
            work.commit()
        reach("rollup.committed")
        done += len(marks)
        parts.took(work.held_s)
    return done


def _unscreened(session: Session, found: Iterable[Counted], since: datetime) -> set[Mark]:
    """The buckets of ``since`` or later in which something is not screened yet."""
    since_us = start_us(to_us(since))
    recent = [one for one in found if one.event_us >= since_us]
    waiting = screening.waiting_among(session, {one.mention_id for one in recent})
    return {_mark_of(one) for one in recent if one.mention_id in waiting}


def _mark_of(mention: Counted) -> Mark:
    return mention.brand_id, start_us(mention.event_us)


def mark_late(session: Session, brand_id: int, changes: spikes.Changes) -> None:
    """Say which detectors of a brand passed numbers that are others now."""
    earliest = min(changes.values())
    for key, head in spikes.heads(session, brand_id).items():
        dimension, by, _ = key
        parts = parts_of(dimension)
        if rule_of(dimension) is not None:
            at: int | None = earliest  # counted from mentions: any of them may be its own
        elif parts.of is None:
            at = changes.get((dimension, COLUMN[Counting(by)]))
        else:
            at = min((us for (name, _), us in changes.items() if name in parts), default=None)
        if at is not None and from_us(at) < head.upto:
            spikes.set_late(session, brand_id, key, head, from_us(at))


def recount_if_switched(database: Database, *, count_flagged: bool) -> int:
    """Mark all buckets as stale if they were counted the other way; gives how many."""
    with database.read() as session:
        if buckets.counts_flagged(session) is count_flagged:
            return 0
    with database.write() as work:
        marked = buckets.recount(work.session, count_flagged=count_flagged)
        work.commit()
    return marked


def count(
    found: Iterable[Counted],
    outside: Outside | None = None,
    *,
    count_flagged: bool = False,
    names_of: Callable[[Counted], Iterable[str]] | None = None,
) -> dict[tuple[Mark, str], Numbers]:
    """The numbers of every bucket and dimension in which there is anything.

    Authors and stories are distinct; mentions without an author count as one author each. Copies of
    one press release are one story; what is like no other is one by itself. ``found`` is all of the
    buckets; ``outside`` says when the same stories and authors were first told of in others.
    ``names_of`` gives other dimensions than those of buckets.
    """
    listed = list(found)
    outside = outside or Outside()
    groups: dict[tuple[Mark, str], list[Counted]] = {}
    names: dict[tuple[object, ...], tuple[str, ...]] = {}
    for mention in (*listed, *outside.stories, *outside.authors):
        alike = _alike(mention)
        if alike not in names:
            told = names_of or partial(dimensions, count_flagged=count_flagged)
            names[alike] = tuple(told(mention))
    for mention in listed:
        mark = (mention.brand_id, start_us(mention.event_us))
        for dimension in names[_alike(mention)]:
            groups.setdefault((mark, dimension), []).append(mention)
    stories = _Firsts(listed, outside.stories, story_of, names)
    authors = _Firsts(listed, outside.authors, author_of, names)
    return {
        (mark, dimension): _numbers(group, dimension, mark[1], stories, authors)
        for (mark, dimension), group in groups.items()
    }


def overtaken(found: Iterable[Counted], outside: Outside) -> set[Mark]:
    """The buckets outside in which something counted as new, and may not any more, or does now:
    what comes after a mention in ``found`` of the same story or author.
    """
    began: dict[Key, int] = {}
    for mention in found:
        for key in (story_of(mention), author_of(mention)):
            if key is not None:
                began[key] = min(mention.event_us, began.get(key, mention.event_us))
    marks = set()
    for firsts_of, key_of in ((outside.stories, story_of), (outside.authors, author_of)):
        for first in firsts_of:
            key = key_of(first)
            if key in began and first.event_us > began[key]:
                marks.add((first.brand_id, start_us(first.event_us)))
    return marks


def distinct(
    found: Iterable[Counted],
    by: By,
    places: Callable[[int], int],
    wanted: Collection[str] | None = None,
    *,
    count_flagged: bool = False,
) -> dict[str, dict[int, int]]:
    """How many posts, stories or authors there are of each dimension at each place, told apart over
    all of that place, as sums of buckets could not.

    ``places`` gives the place of a time in microseconds; ``wanted`` None = all dimensions.
    """
    told: dict[tuple[object, ...], tuple[str, ...]] = {}
    seen: dict[str, dict[int, set[int]]] = {name: {} for name in wanted or ()}
    for mention in found:
        alike = _alike(mention)
        if alike not in told:
            names = dimensions(mention, count_flagged=count_flagged)
            told[alike] = tuple(n for n in names if wanted is None or n in seen)
        place, key = places(mention.event_us), _key(mention, by)
        for name in told[alike]:
            seen.setdefault(name, {}).setdefault(place, set()).add(key)
    return {
        name: {place: len(keys) for place, keys in by_place.items()}
        for name, by_place in seen.items()
    }


def dimensions(mention: Counted, *, count_flagged: bool = False) -> Iterator[str]:
    """In which counts of its brand a mention takes part. The brand's own voice is only ``own``, and
    a flagged mention only ``flagged``, unless these are to be counted as all others.
    """
    if mention.is_own:
        yield "own"
        return
    if mention.flags:
        yield "flagged"
        for kind in mention.flags.split(","):
            yield f"flagged:{kind}"
        if not count_flagged:
            return
    share = rating_share(mention.rating, mention.rating_min, mention.rating_max)
    signals = [mention.label or "unscored"]
    if share is not None:
        signals.append(RATED)
        if share <= LOWER_TWO_FIFTHS:
            signals.append("low_rating")
    if mention.complaint:
        signals.append("complaint")
    yield "all"
    yield from signals
    for facet in _facets(mention):
        yield facet
        for signal in signals:
            if signal in _WITHIN:
                yield f"{facet}:{signal}"
    for tag in mention.tags or ():
        yield f"tag:{tag}"


# What is counted of each topic, source, language and country by itself.
_WITHIN = ("negative", "complaint", "low_rating", RATED)


def _facets(mention: Counted) -> Iterator[str]:
    yield f"source:{mention.source}"
    yield f"language:{mention.language}"
    if mention.country:
        yield f"country:{mention.country}"
    for topic in mention.topics or ():
        yield f"topic:{topic}"


def _alike(mention: Counted) -> tuple[object, ...]:
    """What tells in which dimensions a mention is: all but who, when and how much."""
    topics, tags = tuple(mention.topics or ()), tuple(mention.tags or ())
    return (*mention[5:14], mention.complaint, topics, tags)


class _Firsts:
    """Which mentions are the first of their story, or of their author on a day, in a dimension."""

    def __init__(
        self,
        found: Sequence[Counted],
        outside: Sequence[Counted],
        key_of: Callable[[Counted], Key | None],
        names: Mapping[tuple[object, ...], Sequence[str]],
    ) -> None:
        by_key: dict[Key, list[Counted]] = {}
        for mention in (*outside, *found):
            if (key := key_of(mention)) is not None:
                by_key.setdefault(key, []).append(mention)
        self._keys: dict[tuple[int, int], Key] = {}  # (brand, mention) that is not the only one
        self._starts: dict[tuple[Key, str], int] = {}  # of the bucket of the first
        for key, mentions in by_key.items():
            if len(mentions) == 1:
                continue
            for mention in mentions:
                self._keys[mention.brand_id, mention.mention_id] = key
                start = start_us(mention.event_us)
                for name in names[_alike(mention)]:
                    had = self._starts.get((key, name), start)
                    self._starts[key, name] = min(had, start)

    def count(self, group: Sequence[Counted], dimension: str, at: int) -> int:
        """How many of a bucket's mentions of a dimension are new; several of one key are one."""
        new, keys = 0, set()
        for mention in group:
            key = self._keys.get((mention.brand_id, mention.mention_id))
            if key is None:
                new += 1
            elif key not in keys:
                keys.add(key)
                new += self._starts[key, dimension] == at
        return new


def _numbers(
    group: Sequence[Counted], dimension: str, at: int, stories: _Firsts, authors: _Firsts
) -> Numbers:
    is_rated = dimension == RATED or dimension.endswith(f":{RATED}")
    values = [_place(mention) if is_rated else mention.score for mention in group]
    scores = [value for value in values if value is not None]
    new = stories.count(group, dimension, at), authors.count(group, dimension, at)
    if len(group) == 1:  # as in most buckets of most brands
        return Numbers(1, 1, 1, sum(scores), len(scores), *new)
    return Numbers(
        count=len(group),
        authors=len({_key(mention, "authors") for mention in group}),
        stories=len({_key(mention, "stories") for mention in group}),
        score_sum=sum(scores),
        scored=len(scores),
        new_stories=new[0],
        new_authors=new[1],
    )


def _place(mention: Counted) -> float | None:
    """Where its rating stands on its scale."""
    return rating_share(mention.rating, mention.rating_min, mention.rating_max)


def _key(mention: Counted, by: By) -> int:
    """What tells voices apart; negative: a mention's own id, which no author and story has."""
    key = None
    if by == "stories":
        key = mention.story_id
    elif by == "authors":
        key = mention.author_id
    return -mention.mention_id if key is None else key
