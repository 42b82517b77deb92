"""Rescoring: how far a generation has read what is stored, what it lacks, and its writing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Select, delete, exists, func, select
from sqlalchemy.orm import Session

from listener.store import amend, mentions
from listener.store.tables import MatchRow, MentionRow, ReadingRow, RescoreRow
from listener.store.upsert import among, chunks
from listener.types import Match, MatchOrigin, Mention, ReadMention, Span


def begin(
    session: Session,
    generation_id: int,
    *,
    since: datetime | None,
    switch: bool,
    now: datetime,
) -> RescoreRow:
    """Write down that all that is stored (from ``since`` on) is to be read by a generation.

    One that is under way goes on from where it stands. What the generation has read already is not
    read again.
    """
    row = session.get(RescoreRow, generation_id)
    if row is not None and row.finished_at is None and row.since == since:
        row.switch, row.error = switch, None
        session.flush()
        return row
    last = session.scalar(select(func.max(MentionRow.id))) or 0
    total = lacking(session, generation_id, since=since)
    if row is None:
        row = RescoreRow(generation_id=generation_id)
    row.since = since
    row.upto = row.done = 0
    row.last, row.total = last, total
    row.switch = switch
    row.started_at = row.updated_at = now
    row.finished_at = row.error = None
    session.add(row)
    session.flush()
    return row


def get(session: Session, generation_id: int) -> RescoreRow | None:
    """How far it is; None where it was never asked for."""
    return session.get(RescoreRow, generation_id)


def unfinished(session: Session) -> Sequence[RescoreRow]:
    """Those under way, the earliest first; without those that cannot go on."""
    return session.scalars(
        select(RescoreRow)
        .where(RescoreRow.finished_at.is_(None), RescoreRow.error.is_(None))
        .order_by(RescoreRow.started_at, RescoreRow.generation_id)
    ).all()


def lacking(session: Session, generation_id: int, *, since: datetime | None = None) -> int:
    """How many mentions (from ``since`` on) the generation has not read."""
    query = select(func.count()).select_from(MentionRow).where(_unread(generation_id))
    if since is not None:
        query = query.where(MentionRow.event_at >= since)
    return session.scalar(query) or 0


def page(
    session: Session, generation_id: int, *, after_id: int, since: datetime | None, limit: int
) -> list[tuple[int, Mention, tuple[Match, ...]]]:
    """The next mentions that the generation has not read, by rising id, with their brands."""
    query: Select[MentionRow] = (
        select(MentionRow)
        .where(MentionRow.id > after_id, _unread(generation_id))
        .order_by(MentionRow.id)
        .limit(limit)
    )
    if since is not None:
        query = query.where(MentionRow.event_at >= since)
    rows = [(row.id, mentions.from_row(row)) for row in session.scalars(query)]
    found = matches_of(session, [id_ for id_, _ in rows])
    return [(id_, mention, found.get(id_, ())) for id_, mention in rows]


def matches_of(session: Session, mention_ids: Sequence[int]) -> Mapping[int, tuple[Match, ...]]:
    """The stored matches of mentions, by rising brand."""
    found: dict[int, list[Match]] = {}
    for some in chunks(mention_ids):
        for row in session.scalars(
            select(MatchRow)
            .where(among(session, MatchRow.mention_id, some))
            .order_by(MatchRow.mention_id, MatchRow.brand_id)
        ):
            found.setdefault(row.mention_id, []).append(
                Match(
                    brand_id=row.brand_id,
                    origin=MatchOrigin(row.origin),
                    spans=tuple(Span(*span) for span in row.spans or ()),
                )
            )
    return {mention_id: tuple(matches) for mention_id, matches in found.items()}


def write(session: Session, generation_id: int, read: Sequence[tuple[int, ReadMention]]) -> int:
    """Store readings beside those that are there, with people's corrections; gives how many
    mentions that were.

    What was edited, removed or matched anew since it was read is left out: it is still lacking.
    """
    ids = [id_ for id_, _ in read]
    now_there: dict[int, str] = {}
    for some in chunks(sorted(ids)):
        now_there |= {
            id_: content_hash
            for id_, content_hash in session.execute(
                select(MentionRow.id, MentionRow.content_hash)
                .where(among(session, MentionRow.id, some))
                .order_by(MentionRow.id)
                .with_for_update()
            )
        }
    matches = matches_of(session, sorted(now_there))
    same = [
        (id_, one)
        for id_, one in read
        if now_there.get(id_) == one.mention.content_hash
        and matches.get(id_, ()) == tuple(matched.match for matched in one.matches)
    ]
    mentions.write_beside(session, generation_id, same)
    amend.apply(session, [id_ for id_, _ in same])
    return len(same)


def forget(session: Session, generation_id: int, *, after_id: int, limit: int) -> int | None:
    """Delete a generation's readings of the next ``limit`` mention ids; gives where to go on, None
    at the end.
    """
    last = session.scalar(
        select(func.max(ReadingRow.mention_id)).where(ReadingRow.mention_id > after_id)
    )
    if last is None:
        return None
    upto = min(after_id + limit, last)
    session.execute(
        delete(ReadingRow).where(
            ReadingRow.mention_id > after_id,
            ReadingRow.mention_id <= upto,
            ReadingRow.generation_id == generation_id,
        )
    )
    return upto


def _unread(generation_id: int) -> ColumnElement[bool]:
    return ~exists().where(
        ReadingRow.mention_id == MentionRow.id,
        ReadingRow.brand_id == 0,
        ReadingRow.generation_id == generation_id,
    )
