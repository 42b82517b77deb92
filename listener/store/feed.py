"""Reading mentions: pages of changes for pollers, newest-first lists for people, one in full.

``changes_after`` is what other tools follow. A reader starts without a mark, keeps the one it is
given, and folds what it reads: an ``Item`` replaces what it knows of that id, ``Left`` and
``Deleted`` take it away. It then always holds the mentions its filter selects, and sees no (id,
seq) twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import orjson
from sqlalchemy import ColumnElement, create_engine, func, or_, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from listener.errors import CursorExpired
from listener.store import changes, feed_query
from listener.store.detail import Detail as Detail
from listener.store.detail import StoryOf as StoryOf
from listener.store.detail import get as get
from listener.store.feed_query import BETWEEN, CHANGE, MENTION, Query
from listener.store.feed_query import UNSCORED as UNSCORED
from listener.store.feed_query import MentionFilter as MentionFilter
from listener.store.items import BrandName as BrandName
from listener.store.items import BrandReading as BrandReading
from listener.store.items import Change as Change
from listener.store.items import Deleted as Deleted
from listener.store.items import FoundSpan as FoundSpan
from listener.store.items import Item as Item
from listener.store.items import Left as Left
from listener.store.items import Shape, parse, parse_item
from listener.store.tables import BrandRow, ChangeRow, CounterRow, MatchRow
from listener.store.work import Database
from listener.types import ChangeKind

T = TypeVar("T")

_RESYNC = "Forget what you stored and begin again without a cursor."
_STEP = 1000  # changes looked at in one go for what left a filter


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a reader stands.

    ``seq`` is the last change it knows of. ``since`` is the head when it started: what was deleted
    or left before that, it never saw, so it need not be told and never expires. ``generation`` is
    the one whose readings its filter asks for; 0 = it asks for none.
    """

    seq: int = 0
    since: int = 0
    generation: int = 0


class Told(NamedTuple):
    """One change as it goes out: an Item, Left or Deleted in JSON."""

    seq: int
    json: str

    def parsed(self) -> Change:
        """The object."""
        return parse(self.json)


class ChangePage(NamedTuple):
    """Changes by seq, and where to go on; ``generation`` is the one in force. None = nothing more
    for now.
    """

    told: Sequence[Told]
    mark: Mark
    generation: int = 0

    @property
    def items(self) -> Sequence[Change]:
        """The changes as objects."""
        return [told.parsed() for told in self.told]


class FeedReader:
    """Connections for pollers, who ask the same all day long.

    SQLite: those of the reading engine. PostgreSQL: a few of their own, where nothing but the
    queries themselves goes over the wire, and where a page is planned once and not for each, which
    took as long as the page itself (2 ms, measured 2026-11). Each query sees its own snapshot;
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
    were cleared away that the reader would have had to see, and where the filter asks for what a
    text means after a switch to other models and rules, which is told of no single mention.
    """
    head, floor, shape = feed_query.bounds(session, names)
    generation = shape.generation if wanted.asks_readings else 0
    mark = mark or Mark(0, head)
    if mark.generation and generation and mark.generation != generation:
        raise CursorExpired(
            "Other models and rules were put in force: the filter selects other mentions.",
            hint=_RESYNC,
        )
    mark = replace(mark, generation=generation)
    if max(mark.seq, mark.since) < floor:
        raise CursorExpired(
            "Deletions that you have not seen yet were cleared away meanwhile.", hint=_RESYNC
        )
    if mark.seq > head:
        raise CursorExpired("The database was put back to an earlier state.", hint=_RESYNC)
    while mark.seq < head:
        told, upto = _step(session, wanted, shape, mark, head, limit)
        mark = replace(mark, seq=upto)
        if told:
            return ChangePage(told, mark, shape.generation)
    return ChangePage((), mark, shape.generation)


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
    query = (
        feed_query.page(wanted, shape)
        if wanted.q is None
        else feed_query.build_page(wanted, shape, session)
    )
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


def _unpacked(seqs: str | None, jsons: str | None) -> list[Told]:
    if seqs is None or jsons is None:
        return []
    pairs = zip(seqs.split(","), jsons.split(BETWEEN), strict=True)
    return [Told(int(seq), json) for seq, json in pairs]


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
    # States told of before there were flags had none.
    if wanted.flagged is not None and bool(facets.get("flags")) is not wanted.flagged:
        return False
    if wanted.brand_id is not None:
        return True
    if wanted.labels and (facets["label"] or UNSCORED) not in wanted.labels:
        return False
    if wanted.complaint is not None and facets["complaint"] is not wanted.complaint:
        return False
    if wanted.topics and set(wanted.topics).isdisjoint(facets["topics"]):
        return False
    # States told of before there were tags have none.
    return not wanted.tags or not set(wanted.tags).isdisjoint(facets.get("tags", ()))


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
    query = _items(session, wanted, names, CHANGE.at)
    query = query.order_by(ChangeRow.seq.desc()).limit(limit)
    if before_seq is not None:
        query = query.where(ChangeRow.seq < before_seq)
    return _timed(session, query)


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
    query = _items(session, wanted, names, MENTION.event_at).limit(limit)
    event_at: ColumnElement[datetime] = MENTION.event_at
    if wanted.brand_id is not None:
        # Its index (brand, event time) gives them in order.
        match = MatchRow.__table__.alias("in_order").c
        event_at = match.event_at
        query = query.where(match.mention_id == MENTION.id, match.brand_id == wanted.brand_id)
    query = query.order_by(event_at.desc(), MENTION.id.desc())
    if before is not None:
        at, mention_id = before
        query = query.where(event_at <= at, or_(event_at < at, MENTION.id < mention_id))
    return _timed(session, query)


def by_ids(
    session: Session, mention_ids: Sequence[int], *, names: bool = False
) -> Sequence[tuple[datetime, Item]]:
    """These mentions (those of them that are still there) by id, each with its event time."""
    query = feed_query.select_items(feed_query.shape(session, names), MENTION.event_at, outer=True)
    query = query.where(MENTION.id.in_(mention_ids)).order_by(MENTION.id)
    return _timed(session, query)


def count(session: Session, wanted: MentionFilter, *, limit: int) -> int:
    """How many mentions the filter selects, counted up to ``limit``."""
    some = _items(session, wanted, False).with_only_columns(MENTION.id).limit(limit)
    if wanted.brand_id is not None and wanted.matched:
        # In the order of its index, as ``newest``: the database would look at everybody's mentions.
        match = MatchRow.__table__.alias("in_order").c
        some = some.where(match.mention_id == MENTION.id, match.brand_id == wanted.brand_id)
        some = some.order_by(match.event_at.desc())
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
    shape = feed_query.shape(session, names)
    query = feed_query.items_of(wanted, shape, session, MENTION.id)
    query = query.where(MENTION.id > after_id).order_by(MENTION.id).limit(limit)
    told = [Told(id_, json) for _, json, id_ in session.connection().execute(query)]
    return ChangePage(told, Mark(told[-1].seq if told else after_id), shape.generation)


def _items(
    session: Session, wanted: MentionFilter, names: bool, *more: ColumnElement[Any]
) -> Query:
    return feed_query.items_of(wanted, feed_query.shape(session, names), session, *more)


def _timed(session: Session, query: Query) -> list[tuple[datetime, Item]]:
    rows = session.connection().execute(query)
    return [(at, parse_item(orjson.loads(json))) for _seq, json, at in rows]
