"""Mentions: stored once each by identity, edited by content hash, removed whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    delete,
    func,
    literal,
    select,
    type_coerce,
    update,
)
from sqlalchemy.orm import Session

from listener.store import (
    amend,
    authors,
    changes,
    engagement,
    firsts,
    generations,
    screening,
    search,
)
from listener.store.authors import AuthorKey, Pseudonym
from listener.store.base import UtcDateTime, to_us
from listener.store.buckets import Mark, flags_of, start_us
from listener.store.changes import Facets, Happening
from listener.store.killpoints import reach
from listener.store.tables import (
    MatchRow,
    MentionRow,
    MentionWatchRow,
    ReadingRow,
    RevisionRow,
)
from listener.store.upsert import Bulk, allocate, among, chunks, insert_rows, table_of
from listener.types import (
    Aspect,
    ChangeKind,
    Kind,
    Mention,
    Precision,
    RawAuthor,
    Reading,
    ReadMention,
)

Identity = tuple[str, str, str]  # source, namespace, external id

_MENTIONS = Bulk(
    MentionRow,
    (
        *("id", "source", "namespace", "external_id", "kind", "url", "author_id", "title", "text"),
        *("content_hash", "language", "published_at", "published_precision", "event_at"),
        *("event_clamped", "seen_at", "rating", "rating_min", "rating_max", "parent_id"),
        *("thread_id", "is_own", "solicited", "derived", "product", "product_version", "place"),
        *("touchpoint", "country", "media", "raw", "expires_at"),
    ),
    conflict="DO NOTHING",
)
_MENTION_WATCHES = Bulk(
    MentionWatchRow, ("mention_id", "watch_id", "run_id"), conflict="DO NOTHING"
)
_MATCHES = Bulk(MatchRow, ("mention_id", "brand_id", "origin", "spans", "event_at"))
_READING_COLUMNS = (
    *("mention_id", "brand_id", "generation_id", "language"),
    *("score", "label", "confidence", "complaint", "topics", "tags", "aspects"),
)
_READINGS = Bulk(ReadingRow, _READING_COLUMNS)
_READINGS_BESIDE = Bulk(ReadingRow, _READING_COLUMNS, conflict="DO NOTHING")


class Stale(Exception):
    """Another writer changed a mention between reading it and storing it: read again."""


@dataclass(frozen=True, slots=True)
class Known:
    """A mention as the store has it."""

    id: int
    content_hash: str
    event_us: int
    published_us: int | None
    matches: Mapping[int, str]  # brand id -> origin


@dataclass(frozen=True, slots=True)
class Incoming:
    """A mention on its way into the store, and how the store knew it when it was read.

    ``mention.event_at`` is set. ``read`` None says that nothing of it is new. ``beside`` is how the
    generation in force reads it, where that is another than the reader's own.
    """

    identity: Identity
    mention: Mention
    known: Known | None
    read: ReadMention | None
    beside: ReadMention | None = None


@dataclass(slots=True)
class Stored:
    """What an upsert did, and what has to follow in the same transaction."""

    new: int = 0
    edited: int = 0
    seen: int = 0
    deleted: int = 0
    rematched: int = 0  # of the seen: belong to other brands by now
    marks: set[Mark] = field(default_factory=set)
    happenings: list[Happening] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What all mentions of a batch share."""

    generation_ids: Sequence[int]  # the reader's own, and the one in force if that is another
    now: datetime
    expires_at: datetime  # of those that match no brand
    pseudonym: Pseudonym
    watch_id: int | None = None
    run_id: int | None = None


def identity_of(mention: Mention) -> Identity:
    """What makes a mention the same mention."""
    return mention.source, mention.namespace, mention.external_id


def known(session: Session, identities: Iterable[Identity]) -> dict[Identity, Known]:
    """Those that the store has, with the brands they match."""
    ids: dict[Identity, tuple[int, str, int, int | None]] = {}
    for (source, namespace), group in groupby(sorted(identities), key=lambda one: one[:2]):
        for some in chunks([one[2] for one in group]):
            rows = session.execute(
                select(
                    MentionRow.external_id,
                    MentionRow.id,
                    MentionRow.content_hash,
                    type_coerce(MentionRow.event_at, BigInteger),
                    type_coerce(MentionRow.published_at, BigInteger),
                ).where(
                    MentionRow.source == source,
                    MentionRow.namespace == namespace,
                    among(session, MentionRow.external_id, some),
                )
            )
            for external_id, *rest in rows:
                ids[(source, namespace, external_id)] = tuple(rest)  # type: ignore[assignment]
    matches: dict[int, dict[int, str]] = {row[0]: {} for row in ids.values()}
    for some_ids in chunks(list(matches)):
        for mention_id, brand_id, origin in session.execute(
            select(MatchRow.mention_id, MatchRow.brand_id, MatchRow.origin).where(
                among(session, MatchRow.mention_id, some_ids)
            )
        ):
            matches[mention_id][brand_id] = origin
    return {identity: Known(*row, matches[row[0]]) for identity, row in ids.items()}


def page(session: Session, *, after_id: int, limit: int) -> list[tuple[int, Mention]]:
    """Stored mentions by rising id, as they were before matching; without author and raw record."""
    rows = session.scalars(
        select(MentionRow).where(MentionRow.id > after_id).order_by(MentionRow.id).limit(limit)
    )
    return [(row.id, from_row(row)) for row in rows]


def from_row(row: MentionRow) -> Mention:
    """A stored mention as it was before matching; without author and raw record."""
    return Mention(
        source=row.source,
        namespace=row.namespace,
        external_id=row.external_id,
        kind=Kind(row.kind),
        text=row.text,
        content_hash=row.content_hash,
        title=row.title,
        url=row.url,
        published_at=row.published_at,
        published_precision=Precision(row.published_precision),
        event_at=row.event_at,
        event_clamped=row.event_clamped,
        rating=row.rating,
        rating_min=row.rating_min,
        rating_max=row.rating_max,
        parent_id=row.parent_id,
        thread_id=row.thread_id,
        is_own=row.is_own,
        solicited=row.solicited,
        product=row.product,
        product_version=row.product_version,
        place=row.place,
        touchpoint=row.touchpoint,
        country=row.country,
        media=tuple(row.media or ()),
        derived=row.derived,
    )


def upsert(session: Session, incoming: Sequence[Incoming], context: Context) -> Stored:
    """Store mentions, each identity at most once among ``incoming``: new, edited, seen or deleted.

    Follow up with ``buckets.mark_dirty(stored.marks)`` and, last of all,
    ``changes.record(stored.happenings)``. Raises Stale when the store is not as ``incoming`` knew
    it; nothing may be committed then.
    """
    touched = [i for i in incoming if i.known and (i.read or i.mention.deleted)]
    _lock(session, [i.known.id for i in touched if i.known])
    current = known(session, [i.identity for i in incoming])
    if any(current.get(i.identity) != i.known for i in incoming):
        raise Stale

    stored = Stored()
    stored.marks |= firsts.marks_around(session, [i.known.id for i in touched if i.known])
    was = facets_of(session, [i.known.id for i in touched if i.known])
    written_by = authors.note(session, _told_authors(incoming), context.pseudonym)
    reach("ingest.authors")
    new = _insert(session, incoming, written_by, context, stored)
    reach("ingest.inserted")
    _edit(session, touched, written_by, was, context, stored)
    reach("ingest.edited")
    remove(session, [i.known.id for i in touched if i.known and i.mention.deleted])
    _note_deleted(touched, was, stored)
    reach("ingest.deleted")

    seen = [(i, i.known.id) for i in incoming if i.known and not i.mention.deleted]
    stored.seen = len(seen) - stored.edited
    _note_watch(session, [id_ for _, id_ in [*new, *seen]], context)
    counts = {id_: i.mention.engagement for i, id_ in [*new, *seen] if i.mention.engagement}
    before = engagement.last(session, [id_ for _, id_ in seen if id_ in counts])
    engagement.note(session, counts, before, now=context.now)
    reach("ingest.engagement")
    return stored


def remove(session: Session, mention_ids: Sequence[int]) -> None:
    """Take mentions away with every text, reading and count of theirs.

    Tombstones are the caller's.
    """
    if not mention_ids:
        return
    screening.take_out(session, mention_ids)
    search.remove(session, mention_ids)
    for some in chunks(mention_ids):
        session.execute(delete(ReadingRow).where(ReadingRow.mention_id.in_(some)))
        session.execute(delete(MentionRow).where(MentionRow.id.in_(some)))  # the rest follows


def facets_of(session: Session, mention_ids: Sequence[int]) -> dict[int, Facets]:
    """The facets (see changes.facets) of those mentions that match a brand, as they stand now."""
    found: dict[int, Facets] = {}
    if not mention_ids:
        return found
    generation = generations.active_id(session) or 0
    for some in chunks(mention_ids):
        brands: dict[int, list[int]] = {}
        for mention_id, brand_id in session.execute(
            select(MatchRow.mention_id, MatchRow.brand_id).where(MatchRow.mention_id.in_(some))
        ):
            brands.setdefault(mention_id, []).append(brand_id)
        rows = session.execute(
            select(
                MentionRow.id,
                MentionRow.source,
                MentionRow.kind,
                MentionRow.rating,
                MentionRow.language,
                ReadingRow.label,
                ReadingRow.complaint,
                ReadingRow.topics,
                ReadingRow.tags,
                flags_of(MentionRow.id).label("flags"),
            )
            .outerjoin(
                ReadingRow,
                (ReadingRow.mention_id == MentionRow.id)
                & (ReadingRow.brand_id == 0)
                & (ReadingRow.generation_id == generation),
            )
            .where(MentionRow.id.in_(list(brands)))
        )
        for row in rows:
            found[row.id] = changes.facets(
                brands=brands[row.id],
                language=row.language,
                label=row.label,
                complaint=row.complaint,
                topics=row.topics or (),
                tags=row.tags or (),
                source=row.source,
                kind=row.kind,
                rating=row.rating,
                flags=row.flags.split(",") if row.flags else (),
            )
    return found


# --- new ------------------------------------------------------------------------------------------


def _insert(
    session: Session,
    incoming: Sequence[Incoming],
    written_by: Mapping[AuthorKey, int],
    context: Context,
    stored: Stored,
) -> list[tuple[Incoming, int]]:
    fresh = [i for i in incoming if i.known is None and i.read is not None]
    # Ids rise in the order in which the source gave the items, as the feed's numbers do.
    new = list(zip(fresh, allocate(session, MentionRow, len(fresh)), strict=True))
    seen_us, expires_us = to_us(context.now), to_us(context.expires_at)
    # Written in one order everywhere, so that two writers of the same mentions never wait for
    # each other.
    rows = [
        _mention_row(i, id_, written_by, seen_us, expires_us)
        for i, id_ in sorted(new, key=lambda pair: pair[0].identity)
    ]
    if _MENTIONS.run(session, rows) != len(rows):
        raise Stale  # another writer was first with one of them
    reach("ingest.mentions")
    _write_matches(session, new, stored)
    reach("ingest.matches")
    _write_readings(session, new, context)
    reach("ingest.readings")
    search.put(session, [(id_, i.mention.title, i.mention.text) for i, id_ in new])
    reach("ingest.search")
    screening.mark(session, [id_ for _, id_ in new])
    stored.new = len(new)
    stored.happenings += [
        Happening(id_, ChangeKind.CREATED) for i, id_ in new if i.read and i.read.matches
    ]
    return new


def _mention_row(
    incoming: Incoming,
    id_: int,
    written_by: Mapping[AuthorKey, int],
    seen_us: int,
    expires_us: int,
) -> tuple[Any, ...]:
    m, read = incoming.mention, incoming.read
    assert read is not None and m.event_at is not None  # noqa: S101, PT018 - what "new" means
    return (
        id_,
        m.source,
        m.namespace,
        m.external_id,
        m.kind.value,
        m.url,
        written_by.get(_author_key(m, m.author)) if m.author else None,
        m.title,
        m.text,
        m.content_hash,
        read.reading.language,
        None if m.published_at is None else to_us(m.published_at),
        m.published_precision.value,
        to_us(m.event_at),
        m.event_clamped,
        seen_us,
        m.rating,
        m.rating_min,
        m.rating_max,
        m.parent_id,
        m.thread_id,
        m.is_own,
        m.solicited,
        m.derived,
        m.product,
        m.product_version,
        m.place,
        m.touchpoint,
        m.country,
        orjson.dumps(m.media).decode() if m.media else None,
        orjson.dumps(m.raw).decode() if m.raw else None,
        None if read.matches else expires_us,
    )


def _write_matches(
    session: Session, incoming: Sequence[tuple[Incoming, int]], stored: Stored
) -> None:
    rows = []
    for i, id_ in incoming:
        if i.read is None or not i.read.matches or i.mention.event_at is None:
            continue
        event_us = to_us(i.mention.event_at)
        bucket = start_us(event_us)
        for matched in i.read.matches:
            match = matched.match
            spans = [(s.field, s.start, s.end, s.term) for s in match.spans]
            rows.append(
                (
                    id_,
                    match.brand_id,
                    match.origin.value,
                    orjson.dumps(spans).decode() if spans else "[]",
                    event_us,
                )
            )
            stored.marks.add((match.brand_id, bucket))
    _MATCHES.run(session, rows)


def _write_readings(
    session: Session, incoming: Sequence[tuple[Incoming, int]], context: Context
) -> None:
    rows: list[tuple[Any, ...]] = []
    for i, id_ in incoming:
        for generation_id, read in zip(context.generation_ids, (i.read, i.beside), strict=False):
            if read is not None:
                rows += _reading_rows(id_, generation_id, read)
    _READINGS.run(session, rows)


def write_beside(
    session: Session, generation_id: int, read: Sequence[tuple[int, ReadMention]]
) -> None:
    """Store readings of stored mentions by one generation; those that are there stay."""
    rows: list[tuple[Any, ...]] = []
    for id_, one in read:
        rows += _reading_rows(id_, generation_id, one)
    _READINGS_BESIDE.run(session, rows)


def _reading_rows(id_: int, generation_id: int, read: ReadMention) -> Iterator[tuple[Any, ...]]:
    whole = _reading(read.reading)
    yield (id_, 0, generation_id, *whole)
    for matched in read.matches:
        values = whole if matched.reading is read.reading else _reading(matched.reading)
        yield (id_, matched.match.brand_id, generation_id, *values)


def _reading(reading: Reading) -> tuple[Any, ...]:
    sentiment = reading.sentiment
    said = (
        reading.complaint,
        orjson.dumps(reading.topics).decode() if reading.topics else "[]",
        orjson.dumps(reading.tags).decode() if reading.tags else "[]",
        orjson.dumps([_aspect(a) for a in reading.aspects]).decode() if reading.aspects else None,
    )
    if sentiment is None:
        return reading.language, None, None, None, *said
    return (
        reading.language,
        sentiment.score,
        sentiment.label.value,
        sentiment.confidence,
        *said,
    )


def _aspect(aspect: Aspect) -> tuple[Any, ...]:
    # Three digits are more than a clause's score is worth, and half as long.
    score = None if aspect.score is None else round(aspect.score, 3)
    return aspect.topic, aspect.start, aspect.end, score, aspect.label


# --- edited, or matched anew ----------------------------------------------------------------------


def _edit(
    session: Session,
    touched: Sequence[Incoming],
    written_by: Mapping[AuthorKey, int],
    was: Mapping[int, Facets],
    context: Context,
    stored: Stored,
) -> None:
    rewritten = [(i, i.known) for i in touched if i.known and i.read and not i.mention.deleted]
    if not rewritten:
        return
    edited = [(i, k) for i, k in rewritten if i.mention.content_hash != k.content_hash]
    _keep_revisions(session, [k.id for _, k in edited], context.now)
    for i, k in rewritten:
        _update(session, i, k, written_by, context)
        bucket = start_us(k.event_us)
        stored.marks.update((brand_id, bucket) for brand_id in k.matches)
        brands = {matched.match.brand_id for matched in i.read.matches} if i.read else set()
        if i.mention.content_hash == k.content_hash:
            if brands == set(k.matches):
                continue  # only the reason changed why it belongs to a brand
            stored.rematched += 1
            kind = ChangeKind.CORRECTED
        else:
            kind = ChangeKind.EDITED
        stored.happenings.append(
            Happening(k.id, kind if brands else ChangeKind.LEFT, was.get(k.id))
        )
    reach("ingest.updated")
    ids = [k.id for _, k in rewritten]
    for some in chunks(ids):
        session.execute(delete(MatchRow).where(MatchRow.mention_id.in_(some)))
        session.execute(delete(ReadingRow).where(ReadingRow.mention_id.in_(some)))
    pairs = [(i, k.id) for i, k in rewritten]
    _write_matches(session, pairs, stored)
    _write_readings(session, pairs, context)
    amend.apply(session, ids)
    search.remove(session, [k.id for _, k in edited])
    search.put(session, [(k.id, i.mention.title, i.mention.text) for i, k in edited])
    screening.mark(session, [k.id for _, k in edited])
    stored.edited = len(edited)


def _keep_revisions(session: Session, ids: Sequence[int], now: datetime) -> None:
    for some in chunks(ids):
        rows = session.execute(
            select(
                MentionRow.id.label("mention_id"),
                MentionRow.content_hash,
                MentionRow.title,
                MentionRow.text,
                MentionRow.rating,
            ).where(MentionRow.id.in_(some))
        )
        insert_rows(session, RevisionRow, [{**row, "replaced_at": now} for row in rows.mappings()])


def _update(
    session: Session,
    incoming: Incoming,
    known: Known,
    written_by: Mapping[AuthorKey, int],
    context: Context,
) -> None:
    m, read = incoming.mention, incoming.read
    assert read is not None  # noqa: S101 - only such are handed over
    values: dict[str, Any] = {
        "language": read.reading.language,
        "expires_at": None
        if read.matches
        else func.coalesce(MentionRow.expires_at, literal(context.expires_at, UtcDateTime)),
    }
    if m.content_hash != known.content_hash:
        values |= {
            "kind": m.kind.value,
            "url": m.url,
            "title": m.title,
            "text": m.text,
            "content_hash": m.content_hash,
            "published_at": m.published_at,
            "published_precision": m.published_precision.value,
            "event_at": m.event_at,
            "event_clamped": m.event_clamped,
            "edited_at": context.now,
            "rating": m.rating,
            "rating_min": m.rating_min,
            "rating_max": m.rating_max,
            "parent_id": m.parent_id,
            "thread_id": m.thread_id,
            "is_own": m.is_own,
            "solicited": m.solicited,
            "product": m.product,
            "product_version": m.product_version,
            "place": m.place,
            "touchpoint": m.touchpoint,
            "country": m.country,
            "media": list(m.media) or None,
            "raw": dict(m.raw) if m.raw else None,
        }
        if m.author:
            values["author_id"] = written_by.get(_author_key(m, m.author))
    session.execute(update(table_of(MentionRow)).where(MentionRow.id == known.id).values(values))


def _note_deleted(touched: Sequence[Incoming], was: Mapping[int, Facets], stored: Stored) -> None:
    for i in touched:
        if i.known and i.mention.deleted:
            bucket = start_us(i.known.event_us)
            stored.marks.update((brand_id, bucket) for brand_id in i.known.matches)
            stored.happenings.append(Happening(i.known.id, ChangeKind.DELETED, was.get(i.known.id)))
            stored.deleted += 1


# --- around a mention -----------------------------------------------------------------------------


def _lock(session: Session, ids: Sequence[int]) -> None:
    for some in chunks(sorted(ids)):
        session.execute(
            select(MentionRow.id)
            .where(MentionRow.id.in_(some))
            .order_by(MentionRow.id)
            .with_for_update()
        ).all()


def _author_key(mention: Mention, author: RawAuthor) -> AuthorKey:
    return mention.source, mention.namespace, authors.native_id(author)


def _told_authors(incoming: Sequence[Incoming]) -> dict[AuthorKey, RawAuthor]:
    """Who wrote what is new or edited. Somebody without any name is nobody."""
    told = {}
    for i in incoming:
        author = i.mention.author
        if i.read is not None and author is not None:
            key = _author_key(i.mention, author)
            if key[2]:
                told[key] = author
    return told


def _note_watch(session: Session, mention_ids: Sequence[int], context: Context) -> None:
    if context.watch_id is not None:
        _MENTION_WATCHES.run(
            session, [(id_, context.watch_id, context.run_id) for id_ in sorted(mention_ids)]
        )
