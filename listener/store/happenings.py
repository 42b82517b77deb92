"""What single things are judged by: how posts were received, where copies of a story stand, what
was said in the last hours. All as it was known at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, distinct, func, or_, select
from sqlalchemy.orm import Session

from listener.analyze.themes import Said, sampling
from listener.store import generations, search, spikes
from listener.store.tables import (
    AuthorRow,
    EngagementRow,
    MatchRow,
    MentionRow,
    MentionStoryRow,
    ReadingRow,
    SpikeRow,
    ThemeRow,
)
from listener.store.themes import ADOPTED, DISMISSED, flagged
from listener.store.upsert import among, chunks

KINDS: Final = ("viral", "spread", "new")  # what the dimensions of single things begin with
MOST_POSTS: Final = 500  # that grew since the last look
MOST_USUAL: Final = 5_000  # mentions of the weeks before; of more, every n-th
MOST_COPIES: Final = 5_000
MOST_TEXTS: Final = 4_000
_TEXT: Final = 2_000  # characters of a text


class Received(NamedTuple):
    """Counts of a post as read at one moment."""

    mention_id: int
    source: str
    published_at: datetime
    at: datetime
    likes: int | None
    replies: int | None
    shares: int | None
    views: int | None


class Told(NamedTuple):
    """What rules and explanations ask of a mention."""

    mention_id: int
    source: str
    language: str
    country: str | None
    topics: Sequence[str]
    label: str | None
    complaint: bool | None


class Stands(NamedTuple):
    """Where a copy of a story stands."""

    story_id: int
    mention_id: int
    at: datetime
    source: str
    namespace: str
    url: str | None
    author_id: int | None
    author: str | None


class Usual(NamedTuple):
    """What there was in the weeks before."""

    mentions: int
    first_at: datetime | None
    kinds: dict[str, int]  # mentions of each "source language"


class Head(NamedTuple):
    """The last spike of a single thing, as it is stored."""

    row_id: int
    dimension: str
    detail: dict[str, Any]
    facts: dict[str, Any]


def heads(session: Session, brand_id: int, *, since: datetime) -> list[Head]:
    """The spikes of single things that are open, or were resolved since then, in order of time."""
    rows = session.scalars(
        select(SpikeRow)
        .where(
            spikes.open_or_since(brand_id, since),
            or_(*(SpikeRow.dimension.startswith(f"{kind}:") for kind in KINDS)),
        )
        .order_by(SpikeRow.onset_at, SpikeRow.id)
    )
    return [
        Head(row.id, row.dimension, row.detail, row.explanation.get("signal") or {})
        for row in rows
        if row.detail
    ]


# --- posts ---------------------------------------------------------------------------------------


def grown(
    session: Session,
    brand_id: int,
    since: datetime,
    until: datetime,
    *,
    reactions: float,
    views: float,
) -> list[int]:
    """The mentions of a brand whose counts were read in (since, until] and are at least so high;
    of very many the newest.
    """
    told = (EngagementRow.likes, EngagementRow.replies, EngagementRow.shares)
    likes, replies, shares = (func.coalesce(column, 0) for column in told)
    rows = session.scalars(
        select(EngagementRow.mention_id)
        .join(MatchRow, MatchRow.mention_id == EngagementRow.mention_id)
        .where(
            EngagementRow.at > since,
            EngagementRow.at <= until,
            # Without the addition SQLite would walk through all matches of the brand.
            MatchRow.brand_id + 0 == brand_id,
            (likes + replies + shares >= reactions) | (EngagementRow.views >= views),
        )
    )
    # Sorted here: for the order SQLite would walk through all that was ever read.
    return sorted(set(rows), reverse=True)[:MOST_POSTS]


def received(session: Session, mention_ids: Collection[int], until: datetime) -> list[Received]:
    """All that was read of these posts up to a time, by post and time."""
    found: list[Received] = []
    for some in chunks(sorted(mention_ids)):
        query = _received().where(
            among(session, EngagementRow.mention_id, some), EngagementRow.at <= until
        )
        found += [Received._make(row) for row in session.execute(query)]
    return found


def usually_received(
    session: Session, brand_id: int, since: datetime, until: datetime
) -> tuple[list[Received], int]:
    """What was read of a brand's posts of [since, until) by then, and how many posts each stands
    for; its own voice and what is flagged are left out.
    """
    of_brand = _of_brand(brand_id, since, until)
    total = session.scalar(select(func.count()).select_from(MatchRow).where(*of_brand)) or 0
    every = sampling(total, MOST_USUAL)
    query = (
        _received()
        .join(MatchRow, MatchRow.mention_id == EngagementRow.mention_id)
        .where(
            *of_brand,
            EngagementRow.at <= until,
            MentionRow.is_own.is_(False),
            ~flagged(MentionRow.id),
        )
    )
    if every > 1:
        query = query.where(MatchRow.mention_id % every == 0)
    return [Received._make(row) for row in session.execute(query)], every


def _received() -> Select[*tuple[Any, ...]]:
    return (
        select(
            EngagementRow.mention_id,
            MentionRow.source,
            MentionRow.event_at,
            EngagementRow.at,
            EngagementRow.likes,
            EngagementRow.replies,
            EngagementRow.shares,
            EngagementRow.views,
        )
        .join(MentionRow, MentionRow.id == EngagementRow.mention_id)
        .order_by(EngagementRow.mention_id, EngagementRow.at)
    )


def told(
    session: Session,
    brand_id: int,
    mention_ids: Collection[int],
    until: datetime,
    *,
    counts_flagged: bool = False,
) -> dict[int, Told]:
    """These mentions as they are read toward the brand, by id; its own voice is left out, what was
    not known by then, and what is flagged unless that is counted.
    """
    found: dict[int, Told] = {}
    for some in chunks(sorted(mention_ids)):
        query = _read_toward(
            session,
            select(
                MentionRow.id,
                MentionRow.source,
                MentionRow.language,
                MentionRow.country,
                ReadingRow.topics,
                ReadingRow.label,
                ReadingRow.complaint,
            ),
        ).where(
            MatchRow.brand_id == brand_id,
            among(session, MatchRow.mention_id, some),
            MentionRow.seen_at <= until,
            MentionRow.is_own.is_(False),
        )
        if not counts_flagged:
            query = query.where(~flagged(MentionRow.id))
        for mention_id, source, language, country, topics, label, complaint in session.execute(
            query
        ):
            found[mention_id] = Told(
                mention_id, source, language, country, topics or (), label, complaint
            )
    return found


def _read_toward(session: Session, query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    return (
        query.select_from(MatchRow)
        .join(MentionRow, MentionRow.id == MatchRow.mention_id)
        .outerjoin(
            ReadingRow,
            (ReadingRow.mention_id == MatchRow.mention_id)
            & (ReadingRow.brand_id == MatchRow.brand_id)
            & (ReadingRow.generation_id == (generations.active_id(session) or 0)),
        )
    )


def first_at(session: Session, brand_id: int, since: datetime, until: datetime) -> datetime | None:
    """The earliest mention of a brand in [since, until)."""
    query = select(MatchRow.event_at).where(*_of_brand(brand_id, since, until))
    return session.scalar(query.order_by(MatchRow.event_at).limit(1))


# --- stories -------------------------------------------------------------------------------------


def in_several(
    session: Session, brand_id: int, since: datetime, until: datetime, *, sources: int
) -> list[int]:
    """The stories of which copies on so many sources were said in [since, until)."""
    rows = session.scalars(
        select(MentionStoryRow.story_id)
        .join(MatchRow, MatchRow.mention_id == MentionStoryRow.mention_id)
        .join(MentionRow, MentionRow.id == MatchRow.mention_id)
        .where(*_of_brand(brand_id, since, until), MentionRow.seen_at <= until)
        .group_by(MentionStoryRow.story_id)
        .having(func.count(distinct(MentionRow.source)) >= sources)
        .order_by(MentionStoryRow.story_id.desc())
        .limit(MOST_POSTS)
    )
    return list(rows)


def copies(
    session: Session,
    brand_id: int,
    since: datetime,
    until: datetime,
    *,
    story_ids: Collection[int] | None = None,
) -> tuple[list[Stands], int]:
    """The copies of these (None = all) stories of a brand in [since, until), by story and time, and
    how many stories each stands for.
    """
    conditions = (
        *_of_brand(brand_id, since, until),
        MentionRow.seen_at <= until,
        MentionRow.is_own.is_(False),
        ~flagged(MentionRow.id),
    )
    joined = (
        select(func.count())
        .select_from(MatchRow)
        .join(MentionStoryRow, MentionStoryRow.mention_id == MatchRow.mention_id)
        .join(MentionRow, MentionRow.id == MatchRow.mention_id)
        .where(*conditions)
    )
    every = 1
    if story_ids is None:
        every = sampling(session.scalar(joined) or 0, MOST_COPIES)
    query = joined.with_only_columns(
        MentionStoryRow.story_id,
        MatchRow.mention_id,
        MatchRow.event_at,
        MentionRow.source,
        MentionRow.namespace,
        MentionRow.url,
        MentionRow.author_id,
        func.coalesce(func.nullif(AuthorRow.name, ""), AuthorRow.handle),
    ).outerjoin(AuthorRow, AuthorRow.id == MentionRow.author_id)
    query = query.order_by(MentionStoryRow.story_id, MatchRow.event_at, MatchRow.mention_id)
    if every > 1:
        query = query.where(MentionStoryRow.story_id % every == 0)
    if story_ids is None:
        return [Stands._make(row) for row in session.execute(query)], every
    found: list[Stands] = []
    for some in chunks(sorted(story_ids)):
        of_some = query.where(among(session, MentionStoryRow.story_id, some))
        found += [Stands._make(row) for row in session.execute(of_some)]
    return found, every


# --- texts ---------------------------------------------------------------------------------------


def said(
    session: Session,
    brand_id: int,
    since: datetime,
    until: datetime,
    *,
    counts_flagged: bool = False,
    most: int = MOST_TEXTS,
) -> tuple[list[Said], dict[int, str]]:
    """What was said of a brand in [since, until) and known by then, in order of time (of more than
    ``most`` the newest), and of each the source with its language.
    """
    query: Select[*tuple[Any, ...]] = (
        select(
            MentionRow.id,
            MatchRow.event_at,
            MentionRow.title,
            func.substr(MentionRow.text, 1, _TEXT),
            MentionRow.author_id,
            MentionRow.content_hash,
            MentionStoryRow.story_id,
            MentionRow.source,
            MentionRow.language,
        )
        .select_from(MatchRow)
        .join(MentionRow, MentionRow.id == MatchRow.mention_id)
        .outerjoin(MentionStoryRow, MentionStoryRow.mention_id == MatchRow.mention_id)
        .where(
            *_of_brand(brand_id, since, until),
            MentionRow.seen_at <= until,
            MentionRow.is_own.is_(False),
        )
        .order_by(MatchRow.event_at.desc(), MentionRow.id.desc())
        .limit(most)
    )
    if not counts_flagged:
        query = query.where(~flagged(MentionRow.id))
    found, kinds = [], {}
    for id_, at, title, text, author_id, content, story_id, *kind in session.execute(query):
        body = f"{title}\n{text}" if title else text
        author = None if author_id is None else str(author_id)
        story = content if story_id is None else f"story {story_id}"
        found.append(Said(id_, at, body, author, story))
        kinds[id_] = " ".join(kind)
    return found[::-1], kinds


def usual(session: Session, brand_id: int, since: datetime, until: datetime) -> Usual:
    """How many mentions there were in [since, until), since when, and of which sources."""
    rows = session.execute(
        select(
            MentionRow.source,
            MentionRow.language,
            func.count(),
            func.min(MatchRow.event_at),
        )
        .select_from(MatchRow)
        .join(MentionRow, MentionRow.id == MatchRow.mention_id)
        .where(
            *_of_brand(brand_id, since, until),
            MentionRow.seen_at <= until + _CATCH_UP,
            MentionRow.is_own.is_(False),
        )
        .group_by(MentionRow.source, MentionRow.language)
    ).all()
    kinds = {f"{source} {language}": count for source, language, count, _ in rows}
    first = min((at for *_, at in rows), default=None)
    return Usual(sum(kinds.values()), first, kinds)


_CATCH_UP: Final = timedelta(hours=12)  # the weeks before are asked for so long after their end


def sample(
    session: Session, brand_id: int, since: datetime, until: datetime, *, most: int
) -> list[str]:
    """Texts of a brand spread over [since, until)."""
    of_brand = _of_brand(brand_id, since, until)
    total = session.scalar(select(func.count()).select_from(MatchRow).where(*of_brand)) or 0
    query = (
        select(MentionRow.title, func.substr(MentionRow.text, 1, _TEXT))
        .select_from(MatchRow)
        .join(MentionRow, MentionRow.id == MatchRow.mention_id)
        .where(
            *of_brand,
            MatchRow.mention_id % sampling(total, most) == 0,
            MentionRow.seen_at <= until + _CATCH_UP,
            MentionRow.is_own.is_(False),
        )
        .order_by(MatchRow.event_at)
    )
    return [f"{title}\n{text}" if title else text for title, text in session.execute(query)]


def uses(
    session: Session,
    brand_id: int,
    phrase: str,
    since: datetime,
    until: datetime,
    *,
    most: int,
) -> int:
    """How many mentions of [since, until) hold all words of the phrase; counted up to ``most``."""
    found = (
        select(MatchRow.mention_id)
        .join(MentionRow, MentionRow.id == MatchRow.mention_id)
        .where(
            *_of_brand(brand_id, since, until),
            search.condition(session, phrase, MatchRow.mention_id),
            MentionRow.seen_at <= until + _CATCH_UP,
            MentionRow.is_own.is_(False),
        )
        .limit(most)
        .subquery()
    )
    return session.scalar(select(func.count()).select_from(found)) or 0


def settled_phrases(session: Session, brand_id: int) -> set[str]:
    """Phrases of themes that people dismissed or took up as topics: they are no news."""
    rows = session.scalars(
        select(ThemeRow.phrases).where(
            ThemeRow.brand_id == brand_id, ThemeRow.state.in_((DISMISSED, ADOPTED))
        )
    )
    return {str(phrase["text"]) for phrases in rows for phrase in phrases}


def _of_brand(
    brand_id: int, since: datetime, until: datetime
) -> tuple[ColumnElement[bool], ColumnElement[bool], ColumnElement[bool]]:
    return MatchRow.brand_id == brand_id, MatchRow.event_at >= since, MatchRow.event_at < until
