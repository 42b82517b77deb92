"""Buckets: counts of a brand over time. Ingest marks them as stale; the rollup counts them anew.

They are never incremented: edits, late items and replays would make such counts drift.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson
from sqlalchemy import (
    CTE,
    BigInteger,
    FromClause,
    ScalarSelect,
    Select,
    SQLColumnExpression,
    Text,
    and_,
    cast,
    column,
    delete,
    func,
    select,
    text,
    tuple_,
    type_coerce,
)
from sqlalchemy.orm import Session

from listener.store import generations
from listener.store.base import from_us, to_us
from listener.store.killpoints import reach
from listener.store.screening import CLEARED
from listener.store.tables import (
    BucketRow,
    CounterRow,
    DirtyRow,
    FlagRow,
    MatchRow,
    MentionRow,
    MentionStoryRow,
    ReadingRow,
)
from listener.store.upsert import Bulk, among, chunks, insert_update, table_of

STEP = timedelta(minutes=5)
STEP_S = int(STEP.total_seconds())
STEP_US = STEP_S * 1_000_000
_COUNTS_FLAGGED = "count_flagged"  # a counter that holds how the buckets are counted

Mark = tuple[int, int]  # brand id, start of the bucket in microseconds

_DIRTY = Bulk(
    DirtyRow,
    ("brand_id", "at", "version"),
    conflict="(brand_id, at) DO UPDATE SET version = dirty.version + 1",
)
_BUCKETS = Bulk(
    BucketRow,
    (
        *("brand_id", "dimension", "step_s", "at"),
        *("count", "authors", "stories", "score_sum", "scored", "new_stories", "new_authors"),
    ),
)


class Counted(NamedTuple):
    """A mention as one brand's bucket counts it; the reading is the one toward that brand."""

    brand_id: int
    event_us: int
    mention_id: int
    author_id: int | None
    story_id: int | None  # None = it is like no other
    flags: str | None  # kinds, joined by commas
    source: str
    language: str
    country: str | None
    is_own: bool
    rating: float | None
    rating_min: float | None
    rating_max: float | None
    label: str | None
    score: float | None
    complaint: bool | None
    topics: Sequence[str]
    tags: Sequence[str]


class Numbers(NamedTuple):
    """What a bucket holds of one dimension.

    ``score_sum`` is over the ``scored`` ones: of sentiment (-1..1), but in the dimension "rated"
    and those that end in it of the place on the scale of ratings (0..1). ``new_stories`` are those
    whose first mention of the dimension is in the bucket, ``new_authors`` those whose first of the
    day (UTC) is: unlike distinct ones these may be summed.
    """

    count: int  # type: ignore[assignment]  # a tuple has a method of this name
    authors: int
    stories: int
    score_sum: float
    scored: int
    new_stories: int
    new_authors: int


def start_of(at: datetime) -> datetime:
    """The start of the bucket that holds the time."""
    return from_us(start_us(to_us(at)))


def start_us(at_us: int) -> int:
    """The same in microseconds."""
    return at_us - at_us % STEP_US


def mark_dirty(session: Session, marks: Collection[Mark]) -> None:
    """Say that buckets are stale. A mark set while the rollup is at work survives it."""
    # In one order everywhere, so that two writers never wait for each other.
    _DIRTY.run(session, [(brand_id, at, 1) for brand_id, at in sorted(marks)])


def mark_all(session: Session, brand_id: int) -> int:
    """Mark every bucket in which the brand has or had mentions; gives how many."""
    times = session.scalars(select(MatchRow.event_at).where(MatchRow.brand_id == brand_id))
    marks = {(brand_id, start_us(to_us(at))) for at in times}
    old = select(BucketRow.at).where(BucketRow.brand_id == brand_id, BucketRow.step_s == STEP_S)
    marks |= {(brand_id, to_us(at)) for at in session.scalars(old.distinct())}
    mark_dirty(session, marks)
    return len(marks)


def mark_every(session: Session) -> int:
    """Mark every bucket of every brand, by the database itself; gives how many.

    For when all readings are others at once.
    """
    step = STEP_US
    # The remainder has the sign of the number: times before 1970 need a second one.
    start = f"event_at - ((event_at % {step} + {step}) % {step})"
    every = (
        f'SELECT brand_id, {start} AS at FROM "match" UNION'  # noqa: S608 - numbers of ours
        f" SELECT brand_id, at FROM bucket WHERE step_s = {STEP_S}"
    )
    mark = text(
        "INSERT INTO dirty (brand_id, at, version)"  # noqa: S608 - as above
        f" SELECT brand_id, at, 1 FROM ({every}) AS every WHERE true ORDER BY brand_id, at"
        " ON CONFLICT (brand_id, at) DO UPDATE SET version = dirty.version + 1"
    )
    return session.connection().execute(mark).rowcount


def take_dirty(session: Session, limit: int) -> list[Mark]:
    """Take marks off; count these buckets in the same transaction.

    A mark that ingest sets meanwhile waits for this transaction and is there again after it.
    """
    chosen = (
        select(DirtyRow.brand_id, DirtyRow.at)
        .order_by(DirtyRow.brand_id, DirtyRow.at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = session.execute(
        delete(DirtyRow)
        .where(tuple_(DirtyRow.brand_id, DirtyRow.at).in_(chosen))
        .returning(DirtyRow.brand_id, DirtyRow.at)
    )
    return sorted((brand_id, to_us(at)) for brand_id, at in taken)


def dirty(session: Session) -> int:
    """How many buckets are stale."""
    return session.scalar(select(func.count()).select_from(DirtyRow)) or 0


def mentions_of(session: Session, marks: Sequence[Mark]) -> list[Counted]:
    """The mentions in these buckets, each with the reading in force toward the brand."""
    mark = these(session, marks)
    event_us = type_coerce(MatchRow.event_at, BigInteger)
    in_bucket = and_(
        MatchRow.brand_id == mark.c.brand_id,
        event_us >= mark.c.at,
        event_us < mark.c.at + STEP_US,
    )
    query = _counted(session, mark.join(table_of(MatchRow), in_bucket))
    rows = session.execute(query.add_columns(ReadingRow.topics, ReadingRow.tags))
    return [Counted._make(row) for row in rows]


def mentions_between(
    session: Session, brand_id: int, since: datetime, until: datetime
) -> Iterator[Counted]:
    """The mentions of a brand in [since, until), each with the reading in force toward it.

    Equal topics and tags are one tuple, so that a walk over many mentions parses each but once.
    They come in parts, so that a year of them does not have to fit into memory.
    """
    lists: dict[str | None, Sequence[str]] = {None: ()}
    query = (
        _counted(session, table_of(MatchRow))
        .add_columns(cast(ReadingRow.topics, Text), cast(ReadingRow.tags, Text))
        .where(MatchRow.brand_id == brand_id, MatchRow.event_at >= since, MatchRow.event_at < until)
        .execution_options(yield_per=5_000)
    )
    for *row, topics, tags in session.connection().execute(query):
        for told in (topics, tags):
            if told not in lists:
                lists[told] = tuple(orjson.loads(told))
        yield Counted._make((*row, lists[topics], lists[tags]))


def _counted(session: Session, source: FromClause) -> Select[*tuple[Any, ...]]:
    """All of Counted but topics and tags, of the matches in ``source``."""
    return (
        select(
            MatchRow.brand_id,
            type_coerce(MatchRow.event_at, BigInteger),
            MatchRow.mention_id,
            MentionRow.author_id,
            MentionStoryRow.story_id,
            flags_of(MatchRow.mention_id),
            MentionRow.source,
            MentionRow.language,
            MentionRow.country,
            MentionRow.is_own,
            MentionRow.rating,
            MentionRow.rating_min,
            MentionRow.rating_max,
            ReadingRow.label,
            ReadingRow.score,
            ReadingRow.complaint,
        )
        .select_from(source)
        .join(MentionRow, MentionRow.id == MatchRow.mention_id)
        .outerjoin(MentionStoryRow, MentionStoryRow.mention_id == MatchRow.mention_id)
        .outerjoin(
            ReadingRow,
            and_(
                ReadingRow.mention_id == MatchRow.mention_id,
                ReadingRow.brand_id == MatchRow.brand_id,
                ReadingRow.generation_id == (generations.active_id(session) or 0),
            ),
        )
    )


def flags_of(mention_id: SQLColumnExpression[int]) -> ScalarSelect[Any]:
    """The kinds of flags of a mention, joined by commas; NULL = none."""
    flag = FlagRow.__table__.alias("flagged").c
    return (
        select(func.aggregate_strings(flag.kind, ","))
        .where(flag.mention_id == mention_id, flag.kind != CLEARED)
        .scalar_subquery()
    )


def marks_of(session: Session, mention_ids: Collection[int]) -> set[Mark]:
    """The buckets in which these mentions are counted."""
    event_us = type_coerce(MatchRow.event_at, BigInteger)
    return {
        (brand_id, start_us(at_us))
        for some in chunks(sorted(mention_ids))
        for brand_id, at_us in session.execute(
            select(MatchRow.brand_id, event_us).where(among(session, MatchRow.mention_id, some))
        )
    }


def counts_flagged(session: Session) -> bool | None:
    """Whether buckets were counted with flagged mentions in them; None = not said yet."""
    value = session.scalar(select(CounterRow.value).where(CounterRow.name == _COUNTS_FLAGGED))
    return None if value is None else bool(value)


def recount(session: Session, *, count_flagged: bool) -> int:
    """Mark every bucket, and remember how they are counted from now on; gives how many."""
    row = {"name": _COUNTS_FLAGGED, "value": int(count_flagged)}
    insert_update(session, CounterRow, [row], key=["name"], update=["value"])
    return mark_every(session)


def replace(
    session: Session, marks: Sequence[Mark], counted: Mapping[tuple[Mark, str], Numbers]
) -> None:
    """Put the new numbers, by (mark, dimension), in place of all that these buckets held."""
    _clear(session, marks)
    reach("rollup.deleted")
    _BUCKETS.run(
        session,
        [
            (brand_id, dimension, STEP_S, at, *n)
            for ((brand_id, at), dimension), n in counted.items()
        ],
    )


def series(
    session: Session,
    brand_id: int,
    dimensions: Sequence[str],
    since: datetime,
    until: datetime,
) -> dict[str, dict[datetime, Numbers]]:
    """The buckets of [since, until) that hold anything, by dimension and start."""
    found: dict[str, dict[datetime, Numbers]] = {dimension: {} for dimension in dimensions}
    rows = session.execute(
        select(
            BucketRow.dimension,
            BucketRow.at,
            BucketRow.count,
            BucketRow.authors,
            BucketRow.stories,
            BucketRow.score_sum,
            BucketRow.scored,
            BucketRow.new_stories,
            BucketRow.new_authors,
        ).where(
            BucketRow.brand_id == brand_id,
            BucketRow.dimension.in_(dimensions),
            BucketRow.step_s == STEP_S,
            BucketRow.at >= since,
            BucketRow.at < until,
        )
    )
    for dimension, at, *numbers in rows:
        found[dimension][at] = Numbers._make(numbers)
    return found


def dimensions(session: Session, brand_id: int) -> list[str]:
    """All dimensions in which the brand has 5-minute buckets, in order.

    Goes from one to the next by the key of the table: a list of all rows would be read whole.
    """
    bucket = BucketRow.__table__.c
    of_brand = (bucket.brand_id == brand_id, bucket.step_s == STEP_S)
    least = select(func.min(bucket.dimension).label("dimension")).where(*of_brand)
    found = least.cte("found", recursive=True)
    after = select(func.min(bucket.dimension)).where(
        *of_brand, bucket.dimension > found.c.dimension
    )
    found = found.union_all(select(after.scalar_subquery()).where(found.c.dimension.is_not(None)))
    listed = select(found.c.dimension).where(found.c.dimension.is_not(None))
    return list(session.scalars(listed))


def first(session: Session, brand_id: int, earliest: datetime) -> datetime | None:
    """The first bucket of a brand from ``earliest`` on."""
    return session.scalar(
        select(BucketRow.at)
        .where(BucketRow.brand_id == brand_id, BucketRow.step_s == STEP_S, BucketRow.at >= earliest)
        .order_by(BucketRow.at)
        .limit(1)
    )


def first_dirty(session: Session, brand_id: int) -> datetime | None:
    """The first stale bucket of a brand."""
    return session.scalar(select(func.min(DirtyRow.at)).where(DirtyRow.brand_id == brand_id))


def these(session: Session, marks: Sequence[Mark]) -> CTE:
    """Marks as a table to join with (brand_id, at), in one parameter instead of thousands."""
    columns = (column("brand_id", BigInteger), column("at", BigInteger))
    if _is_sqlite(session):
        query = text(
            "SELECT json_extract(value, '$[0]') AS brand_id, json_extract(value, '$[1]') AS at"
            " FROM json_each(:marks)"
        ).bindparams(marks=orjson.dumps(marks).decode())
    else:
        brand_ids, times = zip(*marks, strict=True)
        query = text(
            "SELECT brand_id, at FROM unnest(CAST(:brand_ids AS int8[]), CAST(:times AS int8[]))"
            " AS these(brand_id, at)"
        ).bindparams(brand_ids=list(brand_ids), times=list(times))
    return query.columns(*columns).cte("mark")


def _clear(session: Session, marks: Sequence[Mark]) -> None:
    connection = session.connection()
    if _is_sqlite(session):
        connection.exec_driver_sql(
            "DELETE FROM bucket WHERE brand_id = ? AND step_s = ? AND at = ?",
            [(brand_id, STEP_S, at) for brand_id, at in marks],
        )
        return
    brand_ids, times = zip(*marks, strict=True)
    connection.exec_driver_sql(
        "DELETE FROM bucket USING unnest(%s::int8[], %s::int8[]) AS mark(brand_id, at)"
        " WHERE bucket.brand_id = mark.brand_id AND bucket.step_s = %s AND bucket.at = mark.at",
        (list(brand_ids), list(times), STEP_S),
    )


def _is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"
