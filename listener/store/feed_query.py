"""What the feed asks the database: which mentions a filter selects, and how they are read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ScalarSelect,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    exists,
    false,
    func,
    literal_column,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.orm import Session
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.elements import KeyedColumnElement

from listener.store import changes, search
from listener.store.items import Shape, item_sql
from listener.store.screening import CLEARED
from listener.store.tables import (
    AuthorRow,
    ChangeRow,
    CounterRow,
    FlagRow,
    GenerationRow,
    MatchRow,
    MentionRow,
    MentionStoryRow,
    MentionWatchRow,
    ReadingRow,
    StoryRow,
)

UNSCORED = "unscored"  # as a label: there is no sentiment, which is not neutral
ONCE = ("story", "author")  # what may be counted at its first mention only
LOWER = 0.4  # the lower two fifths of a scale: 2 of 5 or worse
DAY_US = 86_400_000_000  # in microseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class MentionFilter:
    """Which mentions. Empty fields select everything; several values of one field mean any of them,
    but tags of different taxonomies must all hold.

    With a brand, ``labels``, ``complaint``, ``topics`` and ``tags`` are those toward the brand,
    else of the mention as a whole. ``matched`` False = those that belong to no brand, which are
    kept for a while only. ``named`` says that ``author`` may also be a handle or name, where these
    may be seen. ``grouped`` shows one copy of each story: its lead, or if that is not in the
    filter the newest copy that is; for lists only, as readers of changes are not told of it.

    ``own`` is the brand's own voice, ``rated`` whether there is a rating, ``low_rating`` whether it
    is in the lower two fifths of its scale. ``once`` = "story" takes each story at its first copy
    in the filter, "author" each author at the first mention of the day (UTC); "first" is of all
    times, whatever ``since`` and ``until`` say, so that the mentions of two days can be summed.
    """

    brand_id: int | None = None
    sources: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()  # of Label, or UNSCORED
    complaint: bool | None = None
    topics: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()  # "taxonomy:category"
    rating_gte: float | None = None
    rating_lte: float | None = None
    author: str | None = None
    named: bool = False
    since: datetime | None = None  # event time, inclusive
    until: datetime | None = None  # event time, exclusive
    q: str | None = None
    watch_id: int | None = None
    matched: bool = True
    flagged: bool | None = None
    story_id: int | None = None
    grouped: bool = False
    own: bool | None = None
    product: str | None = None
    version: str | None = None
    countries: tuple[str, ...] = ()
    place: str | None = None
    rated: bool | None = None
    low_rating: bool | None = None
    once: str | None = None  # of ONCE

    @property
    def asks_readings(self) -> bool:
        """Whether it asks for what a text was taken to mean."""
        return bool(self.labels or self.complaint is not None or self.topics or self.tags)

    def fingerprint(self) -> str:
        """Equal for equal filters: a mark is of use for the filter it was made with only."""
        told = ", ".join(
            f"{one.name}={getattr(self, one.name)!r}"
            for one in fields(self)
            # What filters did not have once is left out where it is not used: marks stay good.
            if one.name not in _LATER or getattr(self, one.name) != one.default
        )
        return hashlib.sha256(f"MentionFilter({told})".encode()).hexdigest()[:16]


_LATER = frozenset(
    ("own", "product", "version", "countries", "place", "rated", "low_rating", "once")
)


# On the tables, not the mapped classes: those cost as much as the database takes for a page.
Query = Select[*tuple[Any, ...]]
Columns = ReadOnlyColumnCollection[str, KeyedColumnElement[Any]]
BETWEEN = "\x1e"  # no JSON holds this character but escaped

MENTION = MentionRow.__table__.c
CHANGE = ChangeRow.__table__.c
_AUTHOR = AuthorRow.__table__.c
MATCH = MatchRow.__table__.c
_READING = ReadingRow.__table__.c


def _counter(name: str) -> ScalarSelect[int]:
    return select(CounterRow.value).where(CounterRow.name == name).scalar_subquery()


_ACTIVE = select(GenerationRow.id, GenerationRow.models, GenerationRow.rules_version).where(
    GenerationRow.active.is_(True)
)
_BOUNDS = select(
    _counter(changes.COUNTER),
    _counter(changes._FLOOR),
    _ACTIVE.with_only_columns(GenerationRow.id).scalar_subquery(),
    _ACTIVE.with_only_columns(GenerationRow.models).scalar_subquery(),
    _ACTIVE.with_only_columns(GenerationRow.rules_version).scalar_subquery(),
)


def bounds(session: Session, names: bool) -> tuple[int, int, Shape]:
    """The last seq given, the one up to which deletions are forgotten, the readings in force."""
    head, floor, *active = session.connection().execute(_BOUNDS).one()
    return head or 0, floor or 0, _shape_of(session, names, *active)


def shape(session: Session, names: bool) -> Shape:
    return _shape_of(
        session, names, *(session.connection().execute(_ACTIVE).first() or (0, {}, ""))
    )


def _shape_of(
    session: Session,
    names: bool,
    generation: int | None,
    models: Mapping[str, Sequence[str]] | None,
    rules_version: str | None,
) -> Shape:
    told = tuple((language, name, version) for language, (name, version) in (models or {}).items())
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    return Shape(is_sqlite, names, generation or 0, told, rules_version or "")


@lru_cache(maxsize=256)
def page(wanted: MentionFilter, shape: Shape) -> Query:
    return build_page(wanted, shape, None)


def build_page(wanted: MentionFilter, shape: Shape, session: Session | None) -> Query:
    query = (
        items_of(wanted, shape, session)
        .where(CHANGE.seq > bindparam("after"), CHANGE.seq <= bindparam("head"))
        .order_by(CHANGE.seq)
        .limit(bindparam("limit"))
    )
    if not shape.is_sqlite:
        return query
    # One row for the page: SQLite's driver gives the interpreter lock back and takes it again for
    # each, and with the event loop beside it every take may wait for milliseconds.
    seq, json = query.subquery().c
    return select(func.group_concat(seq, ","), func.group_concat(json, BETWEEN))


def items_of(
    wanted: MentionFilter, shape: Shape, session: Session | None, *more: ColumnElement[Any]
) -> Query:
    """(seq, JSON, more) of a filter's mentions; ``session`` is needed for a search only."""
    query = select_items(shape, *more, outer=not wanted.matched)
    return query.where(*conditions(wanted, shape, session))


def conditions(
    wanted: MentionFilter, shape: Shape, session: Session | None
) -> Iterator[ColumnElement[bool]]:
    """What holds of a row of MENTION exactly where the filter selects it."""
    yield from _conditions(wanted, shape, session)
    if wanted.once is not None:
        yield from _firsts(wanted, shape, session)
    if wanted.grouped:
        yield from _in_front(wanted, shape, session)


def select_items(shape: Shape, *more: ColumnElement[Any], outer: bool) -> Query:
    """(seq, JSON, more) of mentions; ``outer`` also finds those that the feed never told of."""
    mention, change = MentionRow.__table__, ChangeRow.__table__
    source = (
        mention.join(change, CHANGE.mention_id == MENTION.id, isouter=outer)
        .outerjoin(AuthorRow.__table__, _AUTHOR.id == MENTION.author_id)
        .outerjoin(
            ReadingRow.__table__,
            and_(
                _READING.mention_id == MENTION.id,
                _READING.brand_id == 0,
                _READING.generation_id == shape.generation,
            ),
        )
    )
    json = literal_column(item_sql(shape), Text).label("json")
    return select(CHANGE.seq, json, *more).select_from(source)


def _conditions(
    wanted: MentionFilter,
    shape: Shape,
    session: Session | None,
    mention: Columns = MENTION,
) -> Iterator[ColumnElement[bool]]:
    matches = exists().where(MATCH.mention_id == mention.id)
    if wanted.brand_id is not None:
        matches = matches.where(MATCH.brand_id == wanted.brand_id)
    yield matches if wanted.matched else ~matches
    for column, values in (
        (mention.source, wanted.sources),
        (mention.kind, wanted.kinds),
        (mention.language, wanted.languages),
        (mention.country, wanted.countries),
    ):
        if values:
            yield column.in_(values)
    for column, value in (
        (mention.product, wanted.product),
        (mention.product_version, wanted.version),
        (mention.place, wanted.place),
    ):
        if value is not None:
            yield column == value
    if wanted.own is not None:
        yield mention.is_own.is_(wanted.own)
    if wanted.rated is not None:
        yield _fits(mention) if wanted.rated else ~_fits(mention)
    if wanted.low_rating is not None:
        yield _is_low(mention) if wanted.low_rating else ~_is_low(mention)
    if wanted.asks_readings:
        yield _read_as(wanted, shape, mention)
    if wanted.rating_gte is not None:
        yield mention.rating >= wanted.rating_gte
    if wanted.rating_lte is not None:
        yield mention.rating <= wanted.rating_lte
    if wanted.author is not None:
        yield mention.author_id.in_(_called(wanted.author, wanted.named))
    if wanted.since is not None:
        yield mention.event_at >= wanted.since
    if wanted.until is not None:
        yield mention.event_at < wanted.until
    if wanted.q is not None and session is not None:
        yield search.condition(session, wanted.q, mention.id)
    if wanted.watch_id is not None:
        brought = MentionWatchRow.__table__.c
        yield (
            exists()
            .where(brought.mention_id == mention.id)
            .where(brought.watch_id == wanted.watch_id)
        )
    if wanted.flagged is not None:
        flag = FlagRow.__table__.alias("wanted_flag").c
        flagged = exists().where(flag.mention_id == mention.id, flag.kind != CLEARED)
        yield flagged if wanted.flagged else ~flagged
    if wanted.story_id is not None:
        copy = MentionStoryRow.__table__.alias("wanted_copy").c
        yield mention.id.in_(select(copy.mention_id).where(copy.story_id == wanted.story_id))


def _fits(mention: Columns) -> ColumnElement[bool]:
    """Whether there is a rating, and on its scale: as ``enrich.complaint.rating_share``."""
    low, high = func.coalesce(mention.rating_min, 1.0), func.coalesce(mention.rating_max, 5.0)
    fits = and_(low < high, mention.rating >= low, mention.rating <= high)
    return func.coalesce(fits, false())


def _is_low(mention: Columns) -> ColumnElement[bool]:
    low, high = func.coalesce(mention.rating_min, 1.0), func.coalesce(mention.rating_max, 5.0)
    share = (mention.rating - low) / func.nullif(high - low, 0.0)
    return and_(_fits(mention), func.coalesce(share <= LOWER, false()))


def _firsts(
    wanted: MentionFilter, shape: Shape, session: Session | None
) -> Iterator[ColumnElement[bool]]:
    """That no earlier mention of the same story (or author and day) is in the filter."""
    earlier = MentionRow.__table__.alias("earlier").c
    ever = replace(wanted, since=None, until=None, once=None, grouped=False)
    before = or_(
        earlier.event_at < MENTION.event_at,
        and_(earlier.event_at == MENTION.event_at, earlier.id < MENTION.id),
    )
    if wanted.once == "story":
        own = MentionStoryRow.__table__.alias("own_copy").c
        other = MentionStoryRow.__table__.alias("earlier_copy").c
        same = (own.mention_id == MENTION.id, other.story_id == own.story_id)
        linked = exists().where(*same, earlier.id == other.mention_id)
    else:
        at, own_at = (type_coerce(c.event_at, BigInteger) for c in (earlier, MENTION))
        day = own_at - own_at % DAY_US
        linked = exists().where(
            earlier.author_id == MENTION.author_id, at >= day, at < day + DAY_US
        )
    yield ~linked.where(before, *_conditions(ever, shape, session, earlier))


def _called(author: str, named: bool) -> Select[tuple[int]]:
    them = AuthorRow.__table__.alias("wanted_author").c
    called = them.pseudonym == author
    if named:
        called |= or_(them.handle == author, them.name == author)
    return select(them.id).where(called)


def _in_front(
    wanted: MentionFilter, shape: Shape, session: Session | None
) -> Iterator[ColumnElement[bool]]:
    """That no copy of the same story in the filter comes before: its lead, else the newest one."""
    own = MentionStoryRow.__table__.alias("own").c
    story = StoryRow.__table__.alias("own_story").c
    other = MentionStoryRow.__table__.alias("other").c
    copy = MentionRow.__table__.alias("copy").c
    inside = list(_conditions(wanted, shape, session, copy))
    of_story = (own.mention_id == MENTION.id, own.story_id == story.id)
    led = exists().where(*of_story, copy.id == story.lead_id, copy.id != MENTION.id, *inside)
    newer = exists().where(
        *of_story,
        story.lead_id != MENTION.id,
        other.story_id == own.story_id,
        other.mention_id > MENTION.id,
        copy.id == other.mention_id,
        *inside,
    )
    yield ~led
    yield ~newer


def _read_as(wanted: MentionFilter, shape: Shape, mention: Columns) -> ColumnElement[bool]:
    reading = ReadingRow.__table__.alias("wanted_reading").c
    read = exists().where(
        reading.mention_id == mention.id,
        reading.brand_id == (wanted.brand_id or 0),
        reading.generation_id == shape.generation,
    )
    if wanted.labels:
        labels = [label for label in wanted.labels if label != UNSCORED]
        is_one = reading.label.in_(labels)
        read = read.where(
            or_(is_one, reading.label.is_(None)) if UNSCORED in wanted.labels else is_one
        )
    if wanted.complaint is not None:
        read = read.where(reading.complaint.is_(wanted.complaint))
    for words, told in ((wanted.topics, reading.topics), *_by_taxonomy(wanted.tags, reading.tags)):
        if words:
            # A JSON list of words as text: the word with its quotes is in it or not, on both
            # databases.
            listed = cast(told, Text)
            quoted = (orjson.dumps(word).decode() for word in words)
            read = read.where(or_(*(listed.contains(word, autoescape=True) for word in quoted)))
    return read


def _by_taxonomy(
    tags: Iterable[str], told: ColumnElement[Any]
) -> Iterator[tuple[Sequence[str], ColumnElement[Any]]]:
    """Tags of one taxonomy are alternatives, those of different ones narrow each other."""
    groups: dict[str, list[str]] = {}
    for tag in tags:
        groups.setdefault(tag.partition(":")[0], []).append(tag)
    return ((group, told) for group in groups.values())
