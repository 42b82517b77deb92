"""Themes that nobody listed: what they are found in, and what was found."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, Select, exists, func, or_, select, type_coerce
from sqlalchemy.orm import Session

from listener.analyze.themes import (
    BASELINE,
    WINDOWS,
    Known,
    Said,
    Theme,
    phrase_words,
    sampling,
)
from listener.errors import NotFound
from listener.store.base import from_us
from listener.store.screening import CLEARED
from listener.store.tables import (
    FlagRow,
    MatchRow,
    MentionRow,
    MentionStoryRow,
    ThemeMentionRow,
    ThemeRow,
)
from listener.store.upsert import among, chunks, insert_ignore

ACTIVE, FADED, DISMISSED, ADOPTED = "active", "faded", "dismissed", "adopted"
STATES: Final = (ACTIVE, FADED, DISMISSED, ADOPTED)

MOST_RECENT: Final = 10_000  # mentions of the window that are read; of more, every n-th
MOST_USUAL: Final = 20_000  # mentions of the time before it
FADES_AFTER: Final = timedelta(days=3)  # without being found
REMEMBERED: Final = timedelta(days=60)  # a theme that comes back within this is the same one
_TEXT: Final = 2_000  # characters of a text
_COMPARED: Final = 1_000  # newest mentions of a theme


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A stored theme. ``phrases`` are dicts of key, text and variants, the one that names it first;
    ``count`` and ``expected`` are voices in ``window``, when it was last found.
    """

    id: int
    brand_id: int
    name: str
    phrases: Sequence[Mapping[str, Any]]
    state: str
    first_at: datetime
    last_at: datetime
    window: timedelta
    count: int
    expected: float
    z: float
    decided_by: str


def load_said(
    session: Session, brand_id: int, now: datetime, *, counts_flagged: bool = False
) -> list[Said]:
    """A brand's mentions of the last weeks, its own voice left out, and what is flagged unless that
    is counted.

    Of more than ``MOST_RECENT`` and ``MOST_USUAL`` every n-th is read, spread over the whole time.
    """
    start = now - max(WINDOWS)
    return [
        *_said(session, brand_id, start - BASELINE, start, MOST_USUAL, counts_flagged),
        *_said(session, brand_id, start, now, MOST_RECENT, counts_flagged),
    ]


def _said(
    session: Session,
    brand_id: int,
    since: datetime,
    until: datetime,
    most: int,
    counts_flagged: bool,
) -> list[Said]:
    of_brand = (
        MatchRow.brand_id == brand_id,
        MatchRow.event_at >= since,
        MatchRow.event_at < until,
    )
    total = session.scalar(select(func.count()).select_from(MatchRow).where(*of_brand)) or 0
    every = sampling(total, most)
    query: Select[Any] = (
        select(
            MentionRow.id,
            MatchRow.event_at,
            MentionRow.title,
            func.substr(MentionRow.text, 1, _TEXT),
            MentionRow.author_id,
            MentionRow.content_hash,
            MentionStoryRow.story_id,
        )
        .select_from(MatchRow)
        .join(MentionRow, MentionRow.id == MatchRow.mention_id)
        .outerjoin(MentionStoryRow, MentionStoryRow.mention_id == MatchRow.mention_id)
        .where(*of_brand, MentionRow.is_own.is_(False))
        .order_by(MatchRow.event_at, MentionRow.id)
    )
    if every > 1:
        query = query.where(MatchRow.mention_id % every == 0)
    if not counts_flagged:
        query = query.where(~flagged(MentionRow.id))
    return [
        Said(
            mention_id,
            at,
            f"{title}\n{text}" if title else text,
            None if author_id is None else str(author_id),
            content_hash if story_id is None else f"story {story_id}",
        )
        for mention_id, at, title, text, author_id, content_hash, story_id in session.execute(query)
    ]


def flagged(mention_id: Any) -> Any:
    """The condition that a mention has a flag that nobody took off."""
    return exists().where(FlagRow.mention_id == mention_id, FlagRow.kind != CLEARED)


# --- what was found ------------------------------------------------------------------------------


def known(session: Session, brand_id: int, now: datetime) -> list[Known]:
    """The themes that one found today may be the same as, in any state."""
    rows = session.scalars(
        select(ThemeRow).where(ThemeRow.brand_id == brand_id, ThemeRow.last_at >= now - REMEMBERED)
    ).all()
    return [
        Known(row.id, frozenset(phrase["key"] for phrase in row.phrases), _newest(session, row.id))
        for row in rows
    ]


def _newest(session: Session, theme_id: int) -> frozenset[int]:
    return frozenset(
        session.scalars(
            select(ThemeMentionRow.mention_id)
            .where(ThemeMentionRow.theme_id == theme_id)
            .order_by(ThemeMentionRow.mention_id.desc())
            .limit(_COMPARED)
        )
    )


def save(
    session: Session,
    brand_id: int,
    found: Sequence[Theme],
    same: Mapping[int, int],
    *,
    now: datetime,
) -> list[int]:
    """Store the themes of a brand as found now; gives their ids in the same order.

    ``same`` tells which are old ones (place -> id): these keep id, first time and what people said
    of them. An old one keeps its name as long as that phrase is among those found.
    """
    ids = []
    for place, theme in enumerate(found):
        row = session.get(ThemeRow, same[place]) if place in same else None
        if row is None:
            row = ThemeRow(brand_id=brand_id, name=theme.name[:200], state=ACTIVE, first_at=now)
            session.add(row)
        keys = [phrase.key for phrase in theme.phrases]
        first = row.phrases[0]["key"] if row.phrases else ""
        if first not in keys:
            row.name = theme.name[:200]
        ordered = sorted(theme.phrases, key=lambda phrase: phrase.key != first)
        row.phrases = [
            {"key": one.key, "text": one.text, "variants": list(one.variants)} for one in ordered
        ]
        row.last_at = now
        row.window_s = int(theme.window.total_seconds())
        row.count, row.expected, row.z = theme.count, theme.expected, theme.z
        if row.state == FADED:
            row.state = ACTIVE
        session.flush()
        for some in chunks(sorted(theme.mention_ids)):
            # What was removed since it was read is left out; the rest stays until this is stored.
            there = session.scalars(
                select(MentionRow.id)
                .where(among(session, MentionRow.id, some))
                .order_by(MentionRow.id)
                .with_for_update(read=True, key_share=True)
            ).all()
            insert_ignore(
                session,
                ThemeMentionRow,
                [{"theme_id": row.id, "mention_id": mention_id} for mention_id in there],
            )
        ids.append(row.id)
    _fade(session, brand_id, now)
    return ids


def _fade(session: Session, brand_id: int, now: datetime) -> None:
    for row in session.scalars(
        select(ThemeRow).where(
            ThemeRow.brand_id == brand_id,
            ThemeRow.state == ACTIVE,
            ThemeRow.last_at < now - FADES_AFTER,
        )
    ):
        row.state = FADED


def listing(
    session: Session,
    brand_id: int,
    since: datetime,
    until: datetime,
    *,
    states: Collection[str] = (ACTIVE, FADED, ADOPTED),
) -> list[Found]:
    """The themes that were found in [since, until), the strongest first."""
    rows = session.scalars(
        select(ThemeRow)
        .where(
            ThemeRow.brand_id == brand_id,
            ThemeRow.last_at >= since,
            ThemeRow.first_at < until,
            ThemeRow.state.in_(list(states)),
        )
        .order_by(ThemeRow.z.desc(), ThemeRow.id)
    )
    return [_found(row) for row in rows]


def get(session: Session, theme_id: int) -> Found:
    """One theme. Raises NotFound."""
    return _found(_row(session, theme_id))


def words(found: Found) -> list[str]:
    """All phrases and spellings of a theme, the usual ones first."""
    return phrase_words(found.phrases)


def decide(session: Session, theme_id: int, state: str, *, by: str, now: datetime) -> Found:
    """Dismiss or adopt a theme, or take that back (``active``). Raises NotFound."""
    row = _row(session, theme_id)
    row.state, row.decided_by, row.decided_at = state, by[:200], now
    session.flush()
    return _found(row)


def days(
    session: Session,
    theme_ids: Sequence[int],
    since: datetime,
    until: datetime,
    *,
    step: timedelta,
) -> dict[int, dict[datetime, int]]:
    """Mentions of each theme by start of the step (counted from ``since``)."""
    step_us = int(step.total_seconds()) * 1_000_000
    since_us = int(since.timestamp() * 1_000_000)
    offset = type_coerce(MatchRow.event_at, BigInteger) - since_us
    start = (offset - offset % step_us).label("start")
    rows = session.execute(
        select(ThemeMentionRow.theme_id, start, func.count())
        .join(ThemeRow, ThemeRow.id == ThemeMentionRow.theme_id)
        .join(
            MatchRow,
            (MatchRow.mention_id == ThemeMentionRow.mention_id)
            & (MatchRow.brand_id == ThemeRow.brand_id),
        )
        .where(
            ThemeMentionRow.theme_id.in_(list(theme_ids)),
            MatchRow.event_at >= since,
            MatchRow.event_at < until,
        )
        .group_by(ThemeMentionRow.theme_id, start)
    )
    found: dict[int, dict[datetime, int]] = {theme_id: {} for theme_id in theme_ids}
    for theme_id, begin, count in rows:
        found[theme_id][from_us(since_us + begin)] = count
    return found


def mention_ids(
    session: Session, theme_id: int, since: datetime | None = None, until: datetime | None = None
) -> list[int]:
    """The mentions of a theme, the newest first."""
    query = (
        select(ThemeMentionRow.mention_id)
        .join(MentionRow, MentionRow.id == ThemeMentionRow.mention_id)
        .where(ThemeMentionRow.theme_id == theme_id)
        .order_by(MentionRow.event_at.desc(), MentionRow.id.desc())
    )
    if since is not None:
        query = query.where(MentionRow.event_at >= since)
    if until is not None:
        query = query.where(MentionRow.event_at < until)
    return list(session.scalars(query))


def forget(session: Session, *, before: datetime, limit: int) -> int:
    """Remove themes that faded long ago; those that people judged stay. Gives how many."""
    rows = session.scalars(
        select(ThemeRow)
        .where(or_(ThemeRow.state == FADED, ThemeRow.state == ACTIVE), ThemeRow.last_at < before)
        .limit(limit)
    ).all()
    for row in rows:
        session.delete(row)
    session.flush()
    return len(rows)


def _row(session: Session, theme_id: int) -> ThemeRow:
    row = session.get(ThemeRow, theme_id)
    if row is None:
        raise NotFound(f"There is no theme {theme_id}.", hint="Themes that faded are forgotten.")
    return row


def _found(row: ThemeRow) -> Found:
    return Found(
        id=row.id,
        brand_id=row.brand_id,
        name=row.name,
        phrases=row.phrases,
        state=row.state,
        first_at=row.first_at,
        last_at=row.last_at,
        window=timedelta(seconds=row.window_s),
        count=row.count,
        expected=row.expected,
        z=row.z,
        decided_by=row.decided_by,
    )
