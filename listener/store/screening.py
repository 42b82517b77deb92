"""Stories and flags: which mentions are copies of one text, and which are paid for or mass-made.

Ingest marks what is new or edited as unscreened; ``pipeline/screening.py`` takes the marks off and
writes what it found. Whoever changes stories holds one lock to the end of the transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import orjson
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    column,
    delete,
    exists,
    func,
    select,
    text,
    type_coerce,
    update,
)
from sqlalchemy.orm import Session

from listener.store.base import from_us
from listener.store.tables import (
    FlagRow,
    MatchRow,
    MentionRow,
    MentionStoryRow,
    SketchRow,
    StoryRow,
    UnscreenedRow,
)
from listener.store.upsert import Bulk, allocate, among, chunks

PERSON: Final = "person"  # as a reason: somebody decided it, so machines leave it alone
CLEARED: Final = "cleared"  # as a kind: somebody took all flags off

_LOCK: Final = 0x53746F7279  # any number that nothing else locks
_LONGEST: Final = 8  # copies of a story that may be its fullest
_REASON: Final = 200  # characters

_MARKS = Bulk(UnscreenedRow, ("mention_id",), conflict="DO NOTHING")
_SKETCHES = Bulk(SketchRow, ("band", "mention_id", "at"), conflict="DO NOTHING")
_STORIES = Bulk(StoryRow, ("id", "lead_id", "copies", "first_at", "last_at"))
_MEMBERS = Bulk(MentionStoryRow, ("mention_id", "story_id", "kind"))
_FLAGS = Bulk(FlagRow, ("mention_id", "kind", "reason"), conflict="DO NOTHING")

# Which of these (title, text) says most.
Fullest = Callable[[Sequence[tuple[str | None, str]]], int]


class Written(NamedTuple):
    """A text as screening reads it; times in microseconds."""

    id: int
    content_hash: str
    title: str | None
    text: str
    kind: str
    is_own: bool
    event_us: int


class Held(NamedTuple):
    """A band that a stored text has."""

    band: int
    mention_id: int
    at_us: int


class Candidate(NamedTuple):
    """A text that may be the same as another, and the story it belongs to."""

    id: int
    title: str | None
    text: str
    kind: str
    event_us: int
    story_id: int | None


class Posted(NamedTuple):
    """A copy of a story by somebody."""

    story_id: int
    author_id: int
    mention_id: int
    event_us: int


# --- marks ---------------------------------------------------------------------------------------


def mark(session: Session, mention_ids: Iterable[int]) -> None:
    """Say that the texts of these mentions are new."""
    _MARKS.run(session, [(id_,) for id_ in sorted(mention_ids)])


def waiting(session: Session) -> int:
    """How many mentions are not screened yet."""
    return session.scalar(select(func.count()).select_from(UnscreenedRow)) or 0


def waiting_among(session: Session, mention_ids: Iterable[int]) -> set[int]:
    """Which of these mentions are not screened yet."""
    wanted = sorted(mention_ids)
    if not wanted:
        return set()
    found = select(UnscreenedRow.mention_id).where(among(session, UnscreenedRow.mention_id, wanted))
    return set(session.scalars(found))


def unscreened(
    session: Session, *, before_id: int | None, limit: int, since: datetime | None = None
) -> list[Written]:
    """The marked mentions with the highest ids below ``before_id``, in falling order; only those
    said at ``since`` or later, if given.
    """
    query = (
        select(
            MentionRow.id,
            MentionRow.content_hash,
            MentionRow.title,
            MentionRow.text,
            MentionRow.kind,
            MentionRow.is_own,
            type_coerce(MentionRow.event_at, BigInteger),
        )
        .select_from(UnscreenedRow)
        .join(MentionRow, MentionRow.id == UnscreenedRow.mention_id)
        .order_by(UnscreenedRow.mention_id.desc())
        .limit(limit)
    )
    if before_id is not None:
        query = query.where(UnscreenedRow.mention_id < before_id)
    if since is not None:
        query = query.where(MentionRow.event_at >= since)
    return [Written._make(row) for row in session.execute(query)]


def take(session: Session, hashes: Mapping[int, str]) -> set[int]:
    """Take the marks off those that still have this content hash; gives their ids.

    They cannot be edited until the transaction ends. What somebody else has at hand stays marked.
    """
    wanted = sorted(hashes)
    same = session.execute(
        select(MentionRow.id, MentionRow.content_hash)
        .where(among(session, MentionRow.id, wanted))
        .order_by(MentionRow.id)
        .with_for_update(read=True, skip_locked=True)
    )
    unchanged = [row.id for row in same if row.content_hash == hashes[row.id]]
    lock(session)
    return set(
        session.scalars(
            delete(UnscreenedRow)
            .where(among(session, UnscreenedRow.mention_id, unchanged))
            .returning(UnscreenedRow.mention_id)
        )
    )


def hold(session: Session, mention_ids: Collection[int]) -> None:
    """Let nobody edit, correct, remove or flag these mentions until the transaction ends."""
    for some in chunks(sorted(mention_ids)):
        session.execute(
            select(MentionRow.id)
            .where(among(session, MentionRow.id, some))
            .order_by(MentionRow.id)
            .with_for_update(read=True)
        ).all()


def lock(session: Session) -> None:
    """Be the only one that changes stories, up to the end of the transaction."""
    if session.get_bind().dialect.name != "sqlite":  # SQLite has one writer anyway
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


# --- stories -------------------------------------------------------------------------------------


def leave(session: Session, mention_ids: Sequence[int]) -> dict[int, int]:
    """Take mentions out of their stories; gives the story of each, which ``refresh`` puts right."""
    left: dict[int, int] = {}
    for some in chunks(mention_ids):
        rows = session.execute(
            delete(MentionStoryRow)
            .where(among(session, MentionStoryRow.mention_id, some))
            .returning(MentionStoryRow.mention_id, MentionStoryRow.story_id)
        )
        left |= {mention_id: story_id for mention_id, story_id in rows}
    return left


def in_stories(session: Session, mention_ids: Sequence[int]) -> list[int]:
    """Those of these mentions that belong to a story."""
    return [
        id_
        for some in chunks(mention_ids)
        for id_ in session.scalars(
            select(MentionStoryRow.mention_id).where(
                among(session, MentionStoryRow.mention_id, some)
            )
        )
    ]


def take_out(session: Session, mention_ids: Sequence[int]) -> None:
    """Take mentions that are about to go out of their stories, and put these right."""
    in_one = in_stories(session, mention_ids)
    if in_one:
        lock(session)
        refresh(session, set(leave(session, in_one).values()))


def forget_sketches(session: Session, mention_ids: Sequence[int]) -> None:
    """Remove all bands of these mentions."""
    session.execute(delete(SketchRow).where(among(session, SketchRow.mention_id, mention_ids)))


def holders(session: Session, bands: Collection[int], since_us: int, until_us: int) -> list[Held]:
    """Who has these bands, among what was said from ``since_us`` up to ``until_us``."""
    at_us = type_coerce(SketchRow.at, BigInteger)
    wanted = sorted(bands)
    has_one: ColumnElement[bool]
    if session.get_bind().dialect.name == "sqlite":
        # Thousands of bands as one parameter: to compile as many takes longer than the query.
        listed = text("SELECT value FROM json_each(:bands)").columns(column("value", BigInteger))
        has_one = SketchRow.band.in_(listed.bindparams(bands=orjson.dumps(wanted).decode()))
    else:
        has_one = among(session, SketchRow.band, wanted)
    query = select(SketchRow.band, SketchRow.mention_id, at_us).where(
        has_one, at_us >= since_us, at_us <= until_us
    )
    return [Held._make(row) for row in session.connection().execute(query)]


def candidates(session: Session, mention_ids: Collection[int]) -> dict[int, Candidate]:
    """These mentions by id."""
    found: dict[int, Candidate] = {}
    for some in chunks(sorted(mention_ids)):
        rows = session.execute(
            select(
                MentionRow.id,
                MentionRow.title,
                MentionRow.text,
                MentionRow.kind,
                type_coerce(MentionRow.event_at, BigInteger),
                MentionStoryRow.story_id,
            )
            .outerjoin(MentionStoryRow, MentionStoryRow.mention_id == MentionRow.id)
            .where(among(session, MentionRow.id, some))
        )
        found |= {row.id: Candidate._make(row) for row in rows}
    return found


def sketch(session: Session, held: Sequence[Held]) -> None:
    """Keep bands of texts."""
    _SKETCHES.run(session, sorted(held))


def begin(session: Session, firsts: Sequence[int], *, now_us: int) -> list[int]:
    """New stories, each of one first copy; gives their ids. Add the copies, then ``refresh``."""
    ids = allocate(session, StoryRow, len(firsts))
    rows = zip(ids, firsts, strict=True)
    _STORIES.run(session, [(id_, first, 0, now_us, now_us) for id_, first in rows])
    return ids


def join(session: Session, members: Sequence[tuple[int, int, str]]) -> None:
    """Add copies to stories: mention, story, kind of copy."""
    _MEMBERS.run(session, sorted(members))


def refresh(session: Session, story_ids: Collection[int], fullest: Fullest | None = None) -> None:
    """Count the copies of these stories anew and choose their leads; those of one copy go.

    The lead is the copy that says most, of equals the earliest; without ``fullest`` the longest
    text.
    """
    length = func.length(MentionRow.text) + func.length(func.coalesce(MentionRow.title, ""))
    copies: dict[int, list[tuple[int, int, int]]] = {id_: [] for id_ in story_ids}
    for some in chunks(sorted(story_ids)):
        for story_id, mention_id, event_us, size in session.execute(
            select(
                MentionStoryRow.story_id,
                MentionRow.id,
                type_coerce(MentionRow.event_at, BigInteger),
                length,
            )
            .join(MentionRow, MentionRow.id == MentionStoryRow.mention_id)
            .where(among(session, MentionStoryRow.story_id, some))
        ):
            copies[story_id].append((-size, event_us, mention_id))
    over = sorted(id_ for id_, found in copies.items() if len(found) < 2)
    for some in chunks(over):
        session.execute(
            delete(MentionStoryRow).where(among(session, MentionStoryRow.story_id, some))
        )
        session.execute(delete(StoryRow).where(among(session, StoryRow.id, some)))
    lasting = {id_: found for id_, found in copies.items() if len(found) > 1}
    leads = _leads(session, lasting, fullest)
    for id_, found in sorted(lasting.items()):
        times = [event_us for _, event_us, _ in found]
        session.execute(
            update(StoryRow)
            .where(StoryRow.id == id_)
            .values(
                lead_id=leads[id_],
                copies=len(found),
                first_at=from_us(min(times)),
                last_at=from_us(max(times)),
            )
        )


def _leads(
    session: Session,
    copies: Mapping[int, Sequence[tuple[int, int, int]]],
    fullest: Fullest | None,
) -> dict[int, int]:
    if fullest is None:
        return {id_: min(found)[2] for id_, found in copies.items()}
    longest = {id_: sorted(found)[:_LONGEST] for id_, found in copies.items()}
    texts = candidates(session, {one[2] for found in longest.values() for one in found})
    leads = {}
    for id_, found in longest.items():
        told = sorted((texts[one[2]] for one in found), key=lambda one: (one.event_us, one.id))
        leads[id_] = told[fullest([(one.title, one.text) for one in told])].id
    return leads


def posted(
    session: Session, story_ids: Collection[int], among_ids: Collection[int]
) -> list[Posted]:
    """The copies of these stories by the authors of ``among_ids``; not the brands' own."""
    wrote = (
        select(MentionRow.author_id)
        .where(among(session, MentionRow.id, sorted(among_ids)), MentionRow.author_id.is_not(None))
        .distinct()
    )
    authors = sorted(id_ for id_ in session.scalars(wrote) if id_ is not None)
    rows = session.execute(
        select(
            MentionStoryRow.story_id,
            MentionRow.author_id,
            MentionRow.id,
            type_coerce(MentionRow.event_at, BigInteger),
        )
        .join(MentionRow, MentionRow.id == MentionStoryRow.mention_id)
        .where(
            among(session, MentionStoryRow.story_id, sorted(story_ids)),
            among(session, MentionRow.author_id, authors),
            MentionRow.is_own.is_(False),
        )
    )
    return [Posted._make(row) for row in rows]


# --- flags ---------------------------------------------------------------------------------------


def flags(session: Session, mention_ids: Collection[int]) -> dict[int, dict[str, str]]:
    """The rows of flags, by mention: kind -> reason. ``CLEARED`` is among them."""
    found: dict[int, dict[str, str]] = {}
    for some in chunks(sorted(mention_ids)):
        for mention_id, kind, reason in session.execute(
            select(FlagRow.mention_id, FlagRow.kind, FlagRow.reason).where(
                among(session, FlagRow.mention_id, some)
            )
        ):
            found.setdefault(mention_id, {})[kind] = reason
    return found


def put_flags(session: Session, wanted: Mapping[int, Mapping[str, str]]) -> None:
    """Replace all flags of these mentions: kind -> reason."""
    for some in chunks(sorted(wanted)):
        session.execute(delete(FlagRow).where(among(session, FlagRow.mention_id, some)))
    _FLAGS.run(
        session,
        [
            (id_, kind, reason[:_REASON])
            for id_, by_kind in sorted(wanted.items())
            for kind, reason in sorted(by_kind.items())
        ],
    )


def is_decided(by_kind: Mapping[str, str]) -> bool:
    """Whether a person said which flags the mention has."""
    return PERSON in by_kind.values()


# --- retention -----------------------------------------------------------------------------------


def forget_old_sketches(
    session: Session, *, before: datetime, seen_before: datetime, limit: int
) -> int:
    """Remove the sketches of mentions that were said and found before these times; gives of how
    many mentions.
    """
    ids = session.scalars(
        select(SketchRow.mention_id)
        .join(MentionRow, MentionRow.id == SketchRow.mention_id)
        .where(SketchRow.at < before, MentionRow.seen_at < seen_before)
        .distinct()
        .limit(limit)
    ).all()
    forget_sketches(session, ids)
    return len(ids)


# --- for lists -----------------------------------------------------------------------------------


class Beside(NamedTuple):
    """The story of a mention, and how many other copies belong to any brand."""

    story_id: int
    others: int


def beside(session: Session, mention_ids: Collection[int]) -> dict[int, Beside]:
    """The stories of those mentions that have one, by mention."""
    story_of = {
        mention_id: story_id
        for mention_id, story_id in session.execute(
            select(MentionStoryRow.mention_id, MentionStoryRow.story_id).where(
                among(session, MentionStoryRow.mention_id, sorted(mention_ids))
            )
        )
    }
    counts = dict.fromkeys(story_of.values(), 0)
    matched = exists().where(MatchRow.mention_id == MentionStoryRow.mention_id)
    for story_id, count in session.execute(
        select(MentionStoryRow.story_id, func.count())
        .where(among(session, MentionStoryRow.story_id, sorted(counts)), matched)
        .group_by(MentionStoryRow.story_id)
    ):
        counts[story_id] = count
    return {
        mention_id: Beside(story_id, counts[story_id] - 1)
        for mention_id, story_id in story_of.items()
        if counts[story_id] > 1
    }
