"""Reading mentions: pages of changes for pollers, newest-first lists for people, one in full.

``changes_after`` is what other tools follow. A reader starts without a mark, keeps the one it is
given, and folds what it reads: an ``Item`` replaces what it knows of that id, ``Left`` and
``Deleted`` take it away. It then always holds the mentions its filter selects, and sees no (id,
seq) twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import orjson
from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    create_engine,
    exists,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from listener.errors import CursorExpired, NotFound
from listener.store import changes, search
from listener.store.items import BrandName as BrandName
from listener.store.items import BrandReading as BrandReading
from listener.store.items import Change as Change
from listener.store.items import Deleted as Deleted
from listener.store.items import FoundSpan as FoundSpan
from listener.store.items import Item as Item
from listener.store.items import Left as Left
from listener.store.items import Shape, item_sql, parse, parse_item
from listener.store.tables import (
    AuthorRow,
    BrandRow,
    ChangeRow,
    CounterRow,
    EngagementRow,
    GenerationRow,
    MatchRow,
    MentionRow,
    MentionWatchRow,
    ReadingRow,
    RevisionRow,
    WatchRow,
)
from listener.store.work import Database
from listener.types import ChangeKind, Label, Sentiment

T = TypeVar("T")

UNSCORED = "unscored"  # as a label: there is no sentiment, which is not neutral
_RESYNC = "Forget what you stored and begin again without a cursor."
_STEP = 1000  # changes looked at in one go for what left a filter


@dataclass(frozen=True, slots=True, kw_only=True)
class MentionFilter:
    """Which mentions. Empty fields select everything; several values of one field mean any of them.

    With a brand, ``labels``, ``complaint`` and ``topics`` are those toward the brand, else of the
    mention as a whole. ``matched`` False = those that belong to no brand, which are kept for a
    while only. ``named`` says that ``author`` may also be a handle or name, where these may be
    seen.
    """

    brand_id: int | None = None
    sources: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()  # of Label, or UNSCORED
    complaint: bool | None = None
    topics: tuple[str, ...] = ()
    rating_gte: float | None = None
    rating_lte: float | None = None
    author: str | None = None
    named: bool = False
    since: datetime | None = None  # event time, inclusive
    until: datetime | None = None  # event time, exclusive
    q: str | None = None
    watch_id: int | None = None
    matched: bool = True

    def fingerprint(self) -> str:
        """Equal for equal filters: a mark is of use for the filter it was made with only."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a reader stands.

    ``seq`` is the last change it knows of. ``since`` is the head when it started: what was deleted
    or left before that, it never saw, so it need not be told and never expires.
    """

    seq: int = 0
    since: int = 0


class Told(NamedTuple):
    """One change as it goes out: an Item, Left or Deleted in JSON."""

    seq: int
    json: str

    def parsed(self) -> Change:
        """The object."""
        return parse(self.json)


class ChangePage(NamedTuple):
    """Changes by seq, and where to go on. None = nothing more for now."""

    told: Sequence[Told]
    mark: Mark

    @property
    def items(self) -> Sequence[Change]:
        """The changes as objects."""
        return [told.parsed() for told in self.told]


class FeedReader:
    """Connections for pollers, who ask the same all day long.

    SQLite: those of the reading engine. PostgreSQL: a few of their own, where nothing but the
    queries themselves goes over the wire, and where a page is planned once and not for each, which
    took as long as the page itself (2 ms, measured 2025-03). Each query sees its own snapshot;
    ``changes_after`` is written so that this does not matter.
    """

    def __init__(self, database: Database, connections: int = 4) -> None:
        self._engine = database.reader
        self._is_own = not database.is_sqlite
        if self._is_own:
            self._engine = create_engine(
                database.engine.url,
                isolation_level="AUTOCOMMIT",
                pool_size=connections,
                json_deserializer=orjson.loads,
                connect_args={
                    "options": "-c plan_cache_mode=force_generic_plan"
                    " -c default_transaction_read_only=on"
                },
            )

    def run(self, call: Callable[[Session], T]) -> T:
        """Call it with a session for reading. A connection that broke meanwhile is made anew."""
        try:
            return self._run(call)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            return self._run(call)

    def close(self) -> None:
        """Give back its own connections."""
        if self._is_own:
            self._engine.dispose()

    def _run(self, call: Callable[[Session], T]) -> T:
        with Session(self._engine) as session:
            return call(session)


# --- for pollers ---------------------------------------------------------------------------------


def changes_after(
    session: Session, wanted: MentionFilter, mark: Mark | None, *, limit: int, names: bool = False
) -> ChangePage:
    """The next changes after a mark, at most ``limit``; None starts with all that is there.

    ``names`` shows authors by name instead of by pseudonym. Raises CursorExpired when tombstones
    were cleared away that the reader would have had to see.
    """
    head, floor, shape = _bounds(session, names)
    mark = mark or Mark(0, head)
    if max(mark.seq, mark.since) < floor:
        raise CursorExpired(
            "Deletions that you have not seen yet were cleared away meanwhile.", hint=_RESYNC
        )
    if mark.seq > head:
        raise CursorExpired("The database was put back to an earlier state.", hint=_RESYNC)
    while mark.seq < head:
        told, upto = _step(session, wanted, shape, mark, head, limit)
        mark = Mark(upto, mark.since)
        if told:
            return ChangePage(told, mark)
    return ChangePage((), mark)


def latest_mark(session: Session) -> Mark:
    """For a reader who wants to hear of what comes from now on."""
    head = last_seq(session)
    return Mark(head, head)


def last_seq(session: Session) -> int:
    """The last seq given; all up to it are visible. It never falls, whatever is cleared away."""
    query = select(CounterRow.value).where(CounterRow.name == changes.COUNTER)
    return session.scalar(query) or 0


def changed_at(session: Session) -> datetime | None:
    """When anything changed last."""
    return session.scalar(select(ChangeRow.at).order_by(ChangeRow.seq.desc()).limit(1))


def _step(
    session: Session, wanted: MentionFilter, shape: Shape, mark: Mark, head: int, limit: int
) -> tuple[list[Told], int]:
    """Some changes after the mark (none, perhaps), and the seq up to which these are all."""
    # A search is written for the database at hand; all else is built once.
    query = _page(wanted, shape) if wanted.q is None else _build_page(wanted, shape, session)
    values = {"after": mark.seq, "head": head, "limit": limit}
    rows = session.connection().execute(query, values).all()
    inside = _unpacked(*rows[0]) if shape.is_sqlite else [Told(*row) for row in rows]
    upto = inside[-1].seq if len(inside) == limit else head
    if upto <= mark.since:
        return inside, upto
    gone, upto = _gone(session, wanted, max(mark.seq, mark.since), upto, inside)
    found = sorted([*(told for told in inside if told.seq <= upto), *gone])
    if len(found) > limit:
        found = found[:limit]
        upto = found[-1].seq
    return found, upto


def _gone(
    session: Session, wanted: MentionFilter, after: int, upto: int, inside: Sequence[Told]
) -> tuple[list[Told], int]:
    """What is deleted, or was in the filter and is not among ``inside``; and up to which seq."""
    query = (
        select(ChangeRow.seq, ChangeRow.mention_id, ChangeRow.kind, ChangeRow.past)
        .where(
            ChangeRow.seq > after,
            ChangeRow.seq <= upto,
            or_(
                ChangeRow.kind.in_((ChangeKind.DELETED, ChangeKind.LEFT)),
                ChangeRow.past.is_not(None),
            ),
        )
        .order_by(ChangeRow.seq)
        .limit(_STEP)
    )
    rows = session.execute(query).all()
    if len(rows) == _STEP:
        upto = rows[-1].seq
    now_inside = {told.seq for told in inside}
    rows = [row for row in rows if row.seq not in now_inside and _was_in(wanted, row.past)]
    left = [row.mention_id for row in rows if row.kind != ChangeKind.DELETED]
    brands: dict[int, list[BrandName]] = {}
    if left:
        for mention_id, brand_id, name in session.execute(
            select(MatchRow.mention_id, BrandRow.id, BrandRow.name)
            .join(BrandRow, BrandRow.id == MatchRow.brand_id)
            .where(MatchRow.mention_id.in_(left))
            .order_by(BrandRow.id)
        ):
            brands.setdefault(mention_id, []).append(BrandName(brand_id, name))
    told: list[Told] = []
    for row in rows:
        change: Left | Deleted = Deleted(row.mention_id, row.seq, ChangeKind.DELETED)
        if row.kind != ChangeKind.DELETED:
            brands_now = brands.get(row.mention_id, [])
            change = Left(row.mention_id, row.seq, ChangeKind.LEFT, brands_now)
        told.append(Told(row.seq, orjson.dumps(change).decode()))
    return told, upto


def _was_in(wanted: MentionFilter, past: Sequence[Mapping[str, Any]] | None) -> bool:
    """Whether an earlier state may have been in the filter; what is not known counts as yes.

    To be told of something one never had does no harm; not to be told would.
    """
    if not past:
        return True
    return any(_may_select(wanted, facets) for facets in past)


def _may_select(wanted: MentionFilter, facets: Mapping[str, Any]) -> bool:
    """Whether the filter may have selected that state (facets as in ``changes.facets``).

    They tell nothing of texts, authors, times and watches, nor how a brand of its own was spoken
    of.
    """
    if wanted.brand_id is not None and wanted.brand_id not in facets["brands"]:
        return False
    if wanted.sources and facets["source"] not in wanted.sources:
        return False
    if wanted.kinds and facets["kind"] not in wanted.kinds:
        return False
    if wanted.languages and facets["language"] not in wanted.languages:
        return False
    rating = facets["rating"]
    if wanted.rating_gte is not None and (rating is None or rating < wanted.rating_gte):
        return False
    if wanted.rating_lte is not None and (rating is None or rating > wanted.rating_lte):
        return False
    if wanted.brand_id is not None:
        return True
    if wanted.labels and (facets["label"] or UNSCORED) not in wanted.labels:
        return False
    if wanted.complaint is not None and facets["complaint"] is not wanted.complaint:
        return False
    return not wanted.topics or not set(wanted.topics).isdisjoint(facets["topics"])


# --- for people ----------------------------------------------------------------------------------


def latest(
    session: Session,
    wanted: MentionFilter,
    *,
    before_seq: int | None = None,
    limit: int = 50,
    names: bool = False,
) -> Sequence[tuple[datetime, Item]]:
    """Mentions by their last change, newest first, each with its time.

    Go on before the ``seq`` of the last one.
    """
    query = _items(wanted, _shape(session, names), session, _CHANGE.at)
    query = query.order_by(ChangeRow.seq.desc()).limit(limit)
    if before_seq is not None:
        query = query.where(ChangeRow.seq < before_seq)
    return [(at, _item(json)) for _, json, at in session.connection().execute(query)]


def newest(
    session: Session,
    wanted: MentionFilter,
    *,
    before: tuple[datetime, int] | None = None,
    limit: int = 50,
    names: bool = False,
) -> Sequence[tuple[datetime, Item]]:
    """Mentions by event time, newest first, each with that time.

    Go on before (event time, id) of the last one.
    """
    query = _items(wanted, _shape(session, names), session, _MENTION.event_at).limit(limit)
    event_at: ColumnElement[datetime] = _MENTION.event_at
    if wanted.brand_id is not None:
        # Its index (brand, event time) gives them in order.
        match = MatchRow.__table__.alias("in_order").c
        event_at = match.event_at
        query = query.where(match.mention_id == _MENTION.id, match.brand_id == wanted.brand_id)
    query = query.order_by(event_at.desc(), _MENTION.id.desc())
    if before is not None:
        at, mention_id = before
        query = query.where(event_at <= at, or_(event_at < at, _MENTION.id < mention_id))
    return [(at, _item(json)) for _, json, at in session.connection().execute(query)]


def by_ids(
    session: Session, mention_ids: Sequence[int], *, names: bool = False
) -> Sequence[tuple[datetime, Item]]:
    """These mentions (those of them that are still there) by id, each with its event time."""
    query = _select(_shape(session, names), _MENTION.event_at, outer=True)
    query = query.where(_MENTION.id.in_(mention_ids)).order_by(_MENTION.id)
    return [(at, _item(json)) for _, json, at in session.connection().execute(query)]


def count(session: Session, wanted: MentionFilter, *, limit: int) -> int:
    """How many mentions the filter selects, counted up to ``limit``."""
    shape = _shape(session, names=False)
    some = _items(wanted, shape, session).with_only_columns(_MENTION.id).limit(limit)
    query = select(func.count()).select_from(some.subquery())
    return int(session.connection().execute(query).scalar_one())


def unmatched(
    session: Session,
    wanted: MentionFilter,
    *,
    after_id: int = 0,
    limit: int = 50,
    names: bool = False,
) -> ChangePage:
    """Mentions that belong to no brand, by id: where one looks for a term that a brand lacks.

    Their ids stand in for the numbers of changes that they do not have.
    """
    query = _items(wanted, _shape(session, names), session, _MENTION.id)
    query = query.where(_MENTION.id > after_id).order_by(_MENTION.id).limit(limit)
    told = [Told(id_, json) for _, json, id_ in session.connection().execute(query)]
    return ChangePage(told, Mark(told[-1].seq if told else after_id))


# --- one -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Revision:
    """An earlier text of a mention."""

    title: str | None
    text: str
    rating: float | None
    replaced_at: datetime


@dataclass(frozen=True, slots=True)
class Counts:
    """Engagement as read at one moment; None = the source does not tell."""

    at: datetime
    likes: int | None
    replies: int | None
    shares: int | None
    views: int | None


@dataclass(frozen=True, slots=True)
class Brought:
    """A watch that brought the mention."""

    id: int
    source: str
    label: str
    run_id: int | None


@dataclass(frozen=True, slots=True)
class ReadingMade:
    """What one generation of models and rules made of the mention, toward a brand or (None) as a
    whole.
    """

    generation: int
    active: bool
    brand_id: int | None
    language: str
    sentiment: Sentiment | None
    complaint: bool | None
    topics: Sequence[str]
    rules_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One mention with all that is known of it."""

    item: Item
    event_at: datetime
    event_clamped: bool
    edited_at: datetime | None
    parent_id: str | None
    parent: int | None  # our id of the parent, where we have it
    thread_id: str | None
    is_own: bool
    solicited: bool
    product: str | None
    product_version: str | None
    place: str | None
    touchpoint: str | None
    country: str | None
    media: Sequence[str]
    engagement: Sequence[Counts]
    revisions: Sequence[Revision]
    watches: Sequence[Brought]
    readings: Sequence[ReadingMade]


def get(session: Session, mention_id: int, *, names: bool = False) -> Detail:
    """One mention, matched or not. Raises NotFound."""
    query = _select(_shape(session, names), outer=True).where(_MENTION.id == mention_id)
    told = session.connection().execute(query).first()
    row = session.get(MentionRow, mention_id)
    if told is None or row is None:
        raise NotFound(
            f"There is no mention {mention_id}.", hint="It may have been deleted at its source."
        )
    item = _item(told[1])
    parent = None
    if row.parent_id is not None:
        parent = session.scalar(
            select(MentionRow.id).where(
                MentionRow.source == row.source,
                MentionRow.namespace == row.namespace,
                MentionRow.external_id == row.parent_id,
            )
        )
    return Detail(
        item=item,
        event_at=row.event_at,
        event_clamped=row.event_clamped,
        edited_at=row.edited_at,
        parent_id=row.parent_id,
        parent=parent,
        thread_id=row.thread_id,
        is_own=row.is_own,
        solicited=row.solicited,
        product=row.product,
        product_version=row.product_version,
        place=row.place,
        touchpoint=row.touchpoint,
        country=row.country,
        media=row.media or (),
        engagement=[
            Counts(row.at, row.likes, row.replies, row.shares, row.views)
            for row in session.scalars(
                select(EngagementRow)
                .where(EngagementRow.mention_id == mention_id)
                .order_by(EngagementRow.at)
            )
        ],
        revisions=[
            Revision(row.title, row.text, row.rating, row.replaced_at)
            for row in session.scalars(
                select(RevisionRow)
                .where(RevisionRow.mention_id == mention_id)
                .order_by(RevisionRow.id)
            )
        ],
        watches=[
            Brought(*row)
            for row in session.execute(
                select(WatchRow.id, WatchRow.source, WatchRow.label, MentionWatchRow.run_id)
                .join(MentionWatchRow, MentionWatchRow.watch_id == WatchRow.id)
                .where(MentionWatchRow.mention_id == mention_id)
                .order_by(WatchRow.id)
            )
        ],
        readings=list(_readings(session, mention_id)),
    )


def _readings(session: Session, mention_id: int) -> Iterator[ReadingMade]:
    for reading, generation in session.execute(
        select(ReadingRow, GenerationRow)
        .join(GenerationRow, GenerationRow.id == ReadingRow.generation_id)
        .where(ReadingRow.mention_id == mention_id)
        .order_by(GenerationRow.id.desc(), ReadingRow.brand_id)
    ):
        sentiment = None
        if reading.score is not None and reading.label is not None:
            model, version = generation.models.get(reading.language, ("", ""))
            sentiment = Sentiment(
                score=reading.score,
                label=Label(reading.label),
                confidence=reading.confidence or 0.0,
                model=model,
                version=version,
            )
        yield ReadingMade(
            generation=generation.id,
            active=generation.active,
            brand_id=reading.brand_id or None,
            language=reading.language,
            sentiment=sentiment,
            complaint=reading.complaint,
            topics=reading.topics,
            rules_version=generation.rules_version,
        )


# --- the queries ---------------------------------------------------------------------------------

# On the tables, not the mapped classes: those cost as much as the database takes for a page.
_Query = Select[*tuple[Any, ...]]
_BETWEEN = "\x1e"  # no JSON holds this character but escaped

_MENTION = MentionRow.__table__.c
_CHANGE = ChangeRow.__table__.c
_AUTHOR = AuthorRow.__table__.c
_MATCH = MatchRow.__table__.c
_READING = ReadingRow.__table__.c


def _counter(name: str) -> ScalarSelect[int]:
    return select(CounterRow.value).where(CounterRow.name == name).scalar_subquery()


_ACTIVE = select(GenerationRow.id, GenerationRow.models).where(GenerationRow.active.is_(True))
_BOUNDS = select(
    _counter(changes.COUNTER),
    _counter(changes._FLOOR),
    _ACTIVE.with_only_columns(GenerationRow.id).scalar_subquery(),
    _ACTIVE.with_only_columns(GenerationRow.models).scalar_subquery(),
)


def _bounds(session: Session, names: bool) -> tuple[int, int, Shape]:
    """The last seq given, the one up to which deletions are forgotten, the readings in force."""
    head, floor, generation, models = session.connection().execute(_BOUNDS).one()
    return head or 0, floor or 0, _shape_of(session, names, generation, models)


def _shape(session: Session, names: bool) -> Shape:
    generation, models = session.connection().execute(_ACTIVE).first() or (0, {})
    return _shape_of(session, names, generation, models)


def _shape_of(
    session: Session,
    names: bool,
    generation: int | None,
    models: Mapping[str, Sequence[str]] | None,
) -> Shape:
    told = tuple((language, name, version) for language, (name, version) in (models or {}).items())
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    return Shape(is_sqlite, names, generation or 0, told)


@lru_cache(maxsize=256)
def _page(wanted: MentionFilter, shape: Shape) -> _Query:
    return _build_page(wanted, shape, None)


def _build_page(wanted: MentionFilter, shape: Shape, session: Session | None) -> _Query:
    query = (
        _items(wanted, shape, session)
        .where(_CHANGE.seq > bindparam("after"), _CHANGE.seq <= bindparam("head"))
        .order_by(_CHANGE.seq)
        .limit(bindparam("limit"))
    )
    if not shape.is_sqlite:
        return query
    # One row for the page: SQLite's driver gives the interpreter lock back and takes it again for
    # each, and with the event loop beside it every take may wait for milliseconds.
    page = query.subquery()
    seq, json = page.c
    return select(func.group_concat(seq, ","), func.group_concat(json, _BETWEEN))


def _unpacked(seqs: str | None, jsons: str | None) -> list[Told]:
    if seqs is None or jsons is None:
        return []
    pairs = zip(seqs.split(","), jsons.split(_BETWEEN), strict=True)
    return [Told(int(seq), json) for seq, json in pairs]


def _items(
    wanted: MentionFilter, shape: Shape, session: Session | None, *more: ColumnElement[Any]
) -> _Query:
    """(seq, JSON, more) of a filter's mentions; ``session`` is needed for a search only."""
    query = _select(shape, *more, outer=not wanted.matched)
    return query.where(*_conditions(wanted, shape, session))


def _select(shape: Shape, *more: ColumnElement[Any], outer: bool) -> _Query:
    """(seq, JSON, more) of mentions; ``outer`` also finds those that the feed never told of."""
    mention, change = MentionRow.__table__, ChangeRow.__table__
    source = (
        mention.join(change, _CHANGE.mention_id == _MENTION.id, isouter=outer)
        .outerjoin(AuthorRow.__table__, _AUTHOR.id == _MENTION.author_id)
        .outerjoin(
            ReadingRow.__table__,
            and_(
                _READING.mention_id == _MENTION.id,
                _READING.brand_id == 0,
                _READING.generation_id == shape.generation,
            ),
        )
    )
    json = literal_column(item_sql(shape), Text).label("json")
    return select(_CHANGE.seq, json, *more).select_from(source)


def _item(json: str) -> Item:
    return parse_item(orjson.loads(json))


def _conditions(
    wanted: MentionFilter, shape: Shape, session: Session | None
) -> Iterator[ColumnElement[bool]]:
    matches = exists().where(_MATCH.mention_id == _MENTION.id)
    if wanted.brand_id is not None:
        matches = matches.where(_MATCH.brand_id == wanted.brand_id)
    yield matches if wanted.matched else ~matches
    for column, values in (
        (_MENTION.source, wanted.sources),
        (_MENTION.kind, wanted.kinds),
        (_MENTION.language, wanted.languages),
    ):
        if values:
            yield column.in_(values)
    if wanted.labels or wanted.complaint is not None or wanted.topics:
        yield _read_as(wanted, shape)
    if wanted.rating_gte is not None:
        yield _MENTION.rating >= wanted.rating_gte
    if wanted.rating_lte is not None:
        yield _MENTION.rating <= wanted.rating_lte
    if wanted.author is not None:
        called = _AUTHOR.pseudonym == wanted.author
        if wanted.named:
            called |= or_(_AUTHOR.handle == wanted.author, _AUTHOR.name == wanted.author)
        yield called
    if wanted.since is not None:
        yield _MENTION.event_at >= wanted.since
    if wanted.until is not None:
        yield _MENTION.event_at < wanted.until
    if wanted.q is not None and session is not None:
        yield search.condition(session, wanted.q)
    if wanted.watch_id is not None:
        brought = MentionWatchRow.__table__.c
        yield (
            exists()
            .where(brought.mention_id == _MENTION.id)
            .where(brought.watch_id == wanted.watch_id)
        )


def _read_as(wanted: MentionFilter, shape: Shape) -> ColumnElement[bool]:
    reading = ReadingRow.__table__.alias("wanted_reading").c
    read = exists().where(
        reading.mention_id == _MENTION.id,
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
    if wanted.topics:
        # A JSON list of words as text: the word with its quotes is in it or not, on both databases.
        topics = cast(reading.topics, Text)
        quoted = (orjson.dumps(topic).decode() for topic in wanted.topics)
        read = read.where(or_(*(topics.contains(word, autoescape=True) for word in quoted)))
    return read
