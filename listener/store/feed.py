"""Reading mentions: pages of changes for pollers, newest-first lists for people, one in full.

``changes_after`` is what other tools follow. A reader starts without a mark, keeps the one it is
given, and folds what it reads: an ``Item`` replaces what it knows of that id, ``Left`` and
``Deleted`` take it away. It then always holds the mentions its filter selects, and sees no (id,
seq) twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Text,
    and_,
    cast,
    exists,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.orm import Session, aliased

from listener.errors import CursorExpired, NotFound
from listener.store import changes, search
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
from listener.types import ChangeKind, Label, Sentiment

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
        told = orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(told).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a reader stands.

    ``seq`` is the last change it knows of. ``since`` is the head when it started: what was deleted
    or left before that, it never saw, so it need not be told and never expires.
    """

    seq: int = 0
    since: int = 0


@dataclass(frozen=True, slots=True)
class FoundSpan:
    """Where a term was found: [start, end) in characters of ``field`` ("title" or "text")."""

    field: str
    start: int
    end: int
    term: str


@dataclass(frozen=True, slots=True)
class BrandName:
    """A brand by id and name."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class BrandReading:
    """A brand that a mention belongs to, and what it says of that brand."""

    id: int
    name: str
    sentiment: Sentiment | None
    complaint: bool | None
    topics: Sequence[str]
    spans: Sequence[FoundSpan]


@dataclass(frozen=True, slots=True)
class Item:
    """A mention as it is now; ``change`` is what happened to it last.

    ``seq`` and ``change`` are None for a mention that never belonged to a brand.
    """

    id: int
    seq: int | None
    change: str | None
    source: str
    namespace: str
    external_id: str
    kind: str
    url: str | None
    author: str | None
    title: str | None
    text: str
    language: str
    sentiment: Sentiment | None
    complaint: bool | None
    topics: Sequence[str]
    rating: float | None
    rating_min: float | None
    rating_max: float | None
    published_at: datetime | None
    published_precision: str
    seen_at: datetime
    brands: Sequence[BrandReading]


@dataclass(frozen=True, slots=True)
class Left:
    """A mention that was in the filter and is no longer; ``brands`` are those it belongs to now."""

    id: int
    seq: int
    change: str
    brands: Sequence[BrandName]


@dataclass(frozen=True, slots=True)
class Deleted:
    """A mention that is gone, at its source or on demand."""

    id: int
    seq: int
    change: str


Change = Item | Left | Deleted


class ChangePage(NamedTuple):
    """Changes by seq, and where to go on. No items = nothing more for now."""

    items: Sequence[Change]
    mark: Mark


# --- for pollers ---------------------------------------------------------------------------------


def changes_after(
    session: Session, wanted: MentionFilter, mark: Mark | None, *, limit: int, names: bool = False
) -> ChangePage:
    """The next changes after a mark, at most ``limit``; None starts with all that is there.

    ``names`` shows authors by name instead of by pseudonym. Raises CursorExpired when tombstones
    were cleared away that the reader would have had to see.
    """
    head = last_seq(session)
    mark = mark or Mark(0, head)
    if max(mark.seq, mark.since) < changes.floor(session):
        raise CursorExpired(
            "Deletions that you have not seen yet were cleared away meanwhile.", hint=_RESYNC
        )
    if mark.seq > head:
        raise CursorExpired("The database was put back to an earlier state.", hint=_RESYNC)
    active = _active(session)
    while mark.seq < head:
        items, upto = _step(session, wanted, active, mark, head, limit, names)
        mark = Mark(upto, mark.since)
        if items:
            return ChangePage(items, mark)
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
    session: Session,
    wanted: MentionFilter,
    active: _Generation,
    mark: Mark,
    head: int,
    limit: int,
    names: bool,
) -> tuple[list[Change], int]:
    """Some changes after the mark (none, perhaps), and the seq up to which these are all."""
    query = (
        _items(session, wanted, active)
        .where(ChangeRow.seq > mark.seq, ChangeRow.seq <= head)
        .order_by(ChangeRow.seq)
        .limit(limit)
    )
    inside = session.execute(query).all()
    upto = inside[-1].seq if len(inside) == limit else head
    gone: list[Change] = []
    if upto > mark.since:
        gone, upto = _gone(session, wanted, max(mark.seq, mark.since), upto, inside)
        inside = [row for row in inside if row.seq <= upto]
    found = [*_told(session, inside, active, names), *gone]
    if len(found) > limit or gone:
        found.sort(key=_seq)
        if len(found) > limit:
            found = found[:limit]
            upto = _seq(found[-1])
    return found, upto


def _seq(change: Change) -> int:
    return change.seq or 0


def _gone(
    session: Session, wanted: MentionFilter, after: int, upto: int, inside: Sequence[_Row]
) -> tuple[list[Change], int]:
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
    now_inside = {row.seq for row in inside}
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
    return [
        Deleted(row.mention_id, row.seq, ChangeKind.DELETED)
        if row.kind == ChangeKind.DELETED
        else Left(row.mention_id, row.seq, ChangeKind.LEFT, brands.get(row.mention_id, []))
        for row in rows
    ], upto


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
    active = _active(session)
    query = _items(session, wanted, active).order_by(ChangeRow.seq.desc()).limit(limit)
    if before_seq is not None:
        query = query.where(ChangeRow.seq < before_seq)
    rows = session.execute(query).all()
    return list(zip((row.at for row in rows), _told(session, rows, active, names), strict=True))


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
    active = _active(session)
    query = _items(session, wanted, active).limit(limit)
    event_at: ColumnElement[datetime] = type_coerce(MentionRow.event_at, MentionRow.event_at.type)
    if wanted.brand_id is not None:
        # Its index (brand, event time) gives them in order.
        match = aliased(MatchRow)
        event_at = type_coerce(match.event_at, MentionRow.event_at.type)
        query = query.join(
            match, and_(match.mention_id == MentionRow.id, match.brand_id == wanted.brand_id)
        )
    query = query.order_by(event_at.desc(), MentionRow.id.desc())
    if before is not None:
        at, mention_id = before
        query = query.where(event_at <= at, or_(event_at < at, MentionRow.id < mention_id))
    rows = session.execute(query).all()
    return list(
        zip((row.event_at for row in rows), _told(session, rows, active, names), strict=True)
    )


def unmatched(
    session: Session,
    wanted: MentionFilter,
    *,
    after_id: int = 0,
    limit: int = 50,
    names: bool = False,
) -> Sequence[Item]:
    """Mentions that belong to no brand, by id: where one looks for a term that a brand lacks."""
    active = _active(session)
    query = (
        _items(session, wanted, active)
        .where(MentionRow.id > after_id)
        .order_by(MentionRow.id)
        .limit(limit)
    )
    return list(_told(session, session.execute(query).all(), active, names))


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
    active = _active(session)
    query = _select(active, outer=True).where(MentionRow.id == mention_id)
    item = next(_told(session, session.execute(query).all(), active, names), None)
    row = session.get(MentionRow, mention_id)
    if item is None or row is None:
        raise NotFound(
            f"There is no mention {mention_id}.", hint="It may have been deleted at its source."
        )
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
        yield ReadingMade(
            generation=generation.id,
            active=generation.active,
            brand_id=reading.brand_id or None,
            language=reading.language,
            sentiment=_sentiment(
                generation.models,
                reading.language,
                reading.score,
                reading.label,
                reading.confidence,
            ),
            complaint=reading.complaint,
            topics=reading.topics,
            rules_version=generation.rules_version,
        )


# --- the queries ---------------------------------------------------------------------------------


_Row = Row[*tuple[Any, ...]]
_Query = Select[*tuple[Any, ...]]


class _Generation(NamedTuple):
    id: int
    models: Mapping[str, Sequence[str]]  # language -> (model, version)


def _active(session: Session) -> _Generation:
    row = session.execute(
        select(GenerationRow.id, GenerationRow.models).where(GenerationRow.active.is_(True))
    ).first()
    return _Generation(0, {}) if row is None else _Generation(row.id, row.models)


def _items(session: Session, wanted: MentionFilter, active: _Generation) -> _Query:
    query = _select(active, outer=not wanted.matched)
    return query.where(*_conditions(session, wanted, active.id))


def _select(active: _Generation, *, outer: bool) -> _Query:
    """All that an Item takes except its brands; ``outer`` also finds what the feed never told."""
    return (
        select(
            MentionRow.id,
            ChangeRow.seq,
            ChangeRow.kind.label("change"),
            ChangeRow.at,
            MentionRow.source,
            MentionRow.namespace,
            MentionRow.external_id,
            MentionRow.kind,
            MentionRow.url,
            AuthorRow.pseudonym,
            AuthorRow.handle,
            AuthorRow.name,
            AuthorRow.native_id,
            MentionRow.title,
            MentionRow.text,
            MentionRow.language,
            ReadingRow.score,
            ReadingRow.label,
            ReadingRow.confidence,
            ReadingRow.complaint,
            ReadingRow.topics,
            MentionRow.rating,
            MentionRow.rating_min,
            MentionRow.rating_max,
            MentionRow.published_at,
            MentionRow.published_precision,
            MentionRow.seen_at,
            MentionRow.event_at,
        )
        .select_from(MentionRow)
        .join(ChangeRow, ChangeRow.mention_id == MentionRow.id, isouter=outer)
        .outerjoin(AuthorRow, AuthorRow.id == MentionRow.author_id)
        .outerjoin(
            ReadingRow,
            and_(
                ReadingRow.mention_id == MentionRow.id,
                ReadingRow.brand_id == 0,
                ReadingRow.generation_id == active.id,
            ),
        )
    )


def _conditions(
    session: Session, wanted: MentionFilter, generation_id: int
) -> Iterator[ColumnElement[bool]]:
    matches = exists().where(MatchRow.mention_id == MentionRow.id)
    if wanted.brand_id is not None:
        matches = matches.where(MatchRow.brand_id == wanted.brand_id)
    yield matches if wanted.matched else ~matches
    for column, values in (
        (MentionRow.source, wanted.sources),
        (MentionRow.kind, wanted.kinds),
        (MentionRow.language, wanted.languages),
    ):
        if values:
            yield column.in_(values)
    if wanted.labels or wanted.complaint is not None or wanted.topics:
        yield _read_as(wanted, generation_id)
    if wanted.rating_gte is not None:
        yield MentionRow.rating >= wanted.rating_gte
    if wanted.rating_lte is not None:
        yield MentionRow.rating <= wanted.rating_lte
    if wanted.author is not None:
        called = AuthorRow.pseudonym == wanted.author
        if wanted.named:
            called |= or_(AuthorRow.handle == wanted.author, AuthorRow.name == wanted.author)
        yield MentionRow.author_id.in_(select(AuthorRow.id).where(called))
    if wanted.since is not None:
        yield MentionRow.event_at >= wanted.since
    if wanted.until is not None:
        yield MentionRow.event_at < wanted.until
    if wanted.q is not None:
        yield search.condition(session, wanted.q)
    if wanted.watch_id is not None:
        yield (
            exists()
            .where(MentionWatchRow.mention_id == MentionRow.id)
            .where(MentionWatchRow.watch_id == wanted.watch_id)
        )


def _read_as(wanted: MentionFilter, generation_id: int) -> ColumnElement[bool]:
    reading = ReadingRow.__table__.alias("wanted_reading").c
    read = exists().where(
        reading.mention_id == MentionRow.id,
        reading.brand_id == (wanted.brand_id or 0),
        reading.generation_id == generation_id,
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


def _told(
    session: Session, rows: Sequence[_Row], active: _Generation, names: bool
) -> Iterator[Item]:
    """The rows as Items, with their brands."""
    if not rows:
        return
    brands = _brands(session, [row.id for row in rows], active)
    models = active.models
    for row in rows:
        language = row.language
        yield Item(
            row.id,
            row.seq,
            # Inside the filter it is an edit, whichever other brand it left.
            ChangeKind.EDITED.value if row.change == ChangeKind.LEFT else row.change,
            row.source,
            row.namespace,
            row.external_id,
            row.kind,
            row.url,
            (row.name or row.handle or row.native_id) if names else row.pseudonym,
            row.title,
            row.text,
            language,
            _sentiment(models, language, row.score, row.label, row.confidence),
            row.complaint,
            row.topics or [],
            row.rating,
            row.rating_min,
            row.rating_max,
            row.published_at,
            row.published_precision,
            row.seen_at,
            brands.get(row.id, []),
        )


def _brands(
    session: Session, mention_ids: Sequence[int], active: _Generation
) -> Mapping[int, Sequence[BrandReading]]:
    found: dict[int, list[BrandReading]] = {}
    for row in session.execute(
        select(
            MatchRow.mention_id,
            BrandRow.id,
            BrandRow.name,
            MatchRow.spans,
            ReadingRow.language,
            ReadingRow.score,
            ReadingRow.label,
            ReadingRow.confidence,
            ReadingRow.complaint,
            ReadingRow.topics,
        )
        .join(BrandRow, BrandRow.id == MatchRow.brand_id)
        .outerjoin(
            ReadingRow,
            and_(
                ReadingRow.mention_id == MatchRow.mention_id,
                ReadingRow.brand_id == MatchRow.brand_id,
                ReadingRow.generation_id == active.id,
            ),
        )
        .where(MatchRow.mention_id.in_(mention_ids))
        .order_by(MatchRow.mention_id, MatchRow.brand_id)
    ):
        reading = BrandReading(
            row.id,
            row.name,
            _sentiment(active.models, row.language, row.score, row.label, row.confidence),
            row.complaint,
            row.topics or [],
            [FoundSpan(*span) for span in row.spans],
        )
        found.setdefault(row.mention_id, []).append(reading)
    return found


def _sentiment(
    models: Mapping[str, Sequence[str]],
    language: str | None,
    score: float | None,
    label: str | None,
    confidence: float | None,
) -> Sentiment | None:
    if score is None or label is None:
        return None
    model, version = models.get(language or "", ("unknown", "0"))
    return Sentiment(
        score=score,
        label=Label(label),
        confidence=confidence or 0.0,
        model=model,
        version=version,
    )
