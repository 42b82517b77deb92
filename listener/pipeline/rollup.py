"""Counts stale buckets anew, from mentions and readings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from listener.enrich.complaint import LOWER_TWO_FIFTHS, rating_share
from listener.store import buckets, spikes
from listener.store.buckets import Counted, Mark, Numbers, start_us
from listener.store.killpoints import reach
from listener.store.work import Database

_CHUNK = 500  # buckets a transaction


def roll_up(database: Database, *, limit: int | None = None) -> int:
    """Count stale buckets anew, all of them or about ``limit``; gives how many. Raises
    StorageError.

    Marks go first, then the numbers, in one transaction: a crash between leaves both as they were.
    """
    done = 0
    while limit is None or done < limit:
        with database.write() as work:
            marks = buckets.take_dirty(work.session, _CHUNK)
            if not marks:
                break
            reach("rollup.taken")
            counted = count(buckets.mentions_of(work.session, marks))
            reach("rollup.counted")
            spikes.mark_stale(work.session, marks, {key: n.count for key, n in counted.items()})
            buckets.replace(work.session, marks, counted)
            reach("rollup.written")
            work.commit()
        reach("rollup.committed")
        done += len(marks)
    return done


def count(found: Iterable[Counted]) -> dict[tuple[Mark, str], Numbers]:
    """The numbers of every bucket and dimension in which there is anything.

    Authors and stories are distinct; mentions without an author count as one author each. A story
    is a text: copies of one press release are one story.
    """
    groups: dict[tuple[Mark, str], list[Counted]] = {}
    for mention in found:
        mark = (mention.brand_id, start_us(mention.event_us))
        for dimension in dimensions(mention):
            groups.setdefault((mark, dimension), []).append(mention)
    return {key: _numbers(group) for key, group in groups.items()}


def dimensions(mention: Counted) -> Iterator[str]:
    """In which counts of its brand a mention takes part. The brand's own voice is only ``own``."""
    if mention.is_own:
        yield "own"
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
    # Negative: a mention's own id, which no author has.
    authors = {-m.mention_id if m.author_id is None else m.author_id for m in group}
    stories = {mention.content_hash for mention in group}
    return Numbers(len(group), len(authors), len(stories), sum(scores), len(scores))
