"""Counts stale buckets anew, from mentions and readings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Literal

from listener.enrich.complaint import LOWER_TWO_FIFTHS, rating_share
from listener.store import buckets, spikes
from listener.store.buckets import Counted, Mark, Numbers, start_us
from listener.store.killpoints import reach
from listener.store.work import Database

By = Literal["posts", "stories", "authors"]  # what is counted

_CHUNK = 500  # buckets a transaction


def roll_up(database: Database, *, count_flagged: bool = False, limit: int | None = None) -> int:
    """Count stale buckets anew, all of them or about ``limit``; gives how many. Raises
    StorageError.

    Marks go first, then the numbers, in one transaction: a crash between leaves both as they were.
    ``count_flagged``: mentions with a flag are counted as all others, too.
    """
    done = 0
    while limit is None or done < limit:
        with database.write() as work:
            marks = buckets.take_dirty(work.session, _CHUNK)
            if not marks:
                break
            reach("rollup.taken")
            found = buckets.mentions_of(work.session, marks)
            counted = count(found, count_flagged=count_flagged)
            reach("rollup.counted")
            spikes.mark_stale(work.session, marks, {key: n.count for key, n in counted.items()})
            buckets.replace(work.session, marks, counted)
            reach("rollup.written")
            work.commit()
        reach("rollup.committed")
        done += len(marks)
    return done


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
    found: Iterable[Counted], *, count_flagged: bool = False
) -> dict[tuple[Mark, str], Numbers]:
    """The numbers of every bucket and dimension in which there is anything.

    Authors and stories are distinct; mentions without an author count as one author each. Copies of
    one press release are one story; what is like no other is one by itself.
    """
    groups: dict[tuple[Mark, str], list[Counted]] = {}
    for mention in found:
        mark = (mention.brand_id, start_us(mention.event_us))
        for dimension in dimensions(mention, count_flagged=count_flagged):
            groups.setdefault((mark, dimension), []).append(mention)
    return {key: _numbers(group) for key, group in groups.items()}


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
        alike = (*mention[5:12], *mention[13:])  # all but who, when and how much
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
    yield "all"
    yield f"source:{mention.source}"
    yield mention.label or "unscored"
    share = rating_share(mention.rating, mention.rating_min, mention.rating_max)
    if share is not None and share <= LOWER_TWO_FIFTHS:
        yield "low_rating"
    if mention.complaint:
        yield "complaint"
    for topic in mention.topics or ():
        yield f"topic:{topic}"
        if mention.complaint:
            yield f"topic:{topic}:complaint"
    for tag in mention.tags or ():
        yield f"tag:{tag}"


def _numbers(group: Sequence[Counted]) -> Numbers:
    if len(group) == 1:  # as in most buckets of most brands
        score = group[0].score
        return Numbers(1, 1, 1, score or 0.0, 0 if score is None else 1)
    scores = [mention.score for mention in group if mention.score is not None]
    authors = {_key(mention, "authors") for mention in group}
    stories = {_key(mention, "stories") for mention in group}
    return Numbers(len(group), len(authors), len(stories), sum(scores), len(scores))


def _key(mention: Counted, by: By) -> int:
    """What tells voices apart; negative: a mention's own id, which no author and story has."""
    key = {"posts": None, "stories": mention.story_id, "authors": mention.author_id}[by]
    return -mention.mention_id if key is None else key
