"""Counts stale buckets anew, from mentions and readings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from listener.enrich.complaint import rating_share
from listener.store import buckets, spikes
from listener.store.buckets import Counted, Mark, Numbers, start_us
from listener.store.killpoints import reach
from listener.store.work import Database

_CHUNK = 500  # buckets a transaction
_LOWER_TWO_FIFTHS = 0.4


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
    tallies: dict[tuple[Mark, str], _Tally] = {}
    for mention in found:
        mark = (mention.brand_id, start_us(mention.event_us))
        for dimension in dimensions(mention):
            tally = tallies.get((mark, dimension))
            if tally is None:
                tally = tallies[(mark, dimension)] = _Tally()
            tally.add(mention)
    return {key: tally.numbers() for key, tally in tallies.items()}


def dimensions(mention: Counted) -> Iterator[str]:
    """In which counts of its brand a mention takes part. The brand's own voice is only ``own``."""
    if mention.is_own:
        yield "own"
        return
    yield "all"
    yield f"source:{mention.source}"
    yield mention.label or "unscored"
    share = rating_share(mention.rating, mention.rating_min, mention.rating_max)
    if share is not None and share <= _LOWER_TWO_FIFTHS:
        yield "low_rating"
    if mention.complaint:
        yield "complaint"
    for topic in mention.topics or ():
        yield f"topic:{topic}"
        if mention.complaint:
            yield f"topic:{topic}:complaint"


@dataclass(slots=True)
class _Tally:
    count: int = 0
    score_sum: float = 0.0
    scored: int = 0
    authors: set[int] = field(default_factory=set)
    stories: set[str] = field(default_factory=set)

    def add(self, mention: Counted) -> None:
        self.count += 1
        # Negative: a mention's own id, which no author has.
        self.authors.add(-mention.mention_id if mention.author_id is None else mention.author_id)
        self.stories.add(mention.content_hash)
        if mention.score is not None:
            self.score_sum += mention.score
            self.scored += 1

    def numbers(self) -> Numbers:
        return Numbers(
            self.count, len(self.authors), len(self.stories), self.score_sum, self.scored
        )
