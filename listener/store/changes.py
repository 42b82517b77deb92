"""Changes: the feed's cursor. Every visible change of a mention takes the next number, ``seq``.

Numbers are given by the last statements of a transaction, under a lock that holds to its commit:
what a reader sees up to n is all there will ever be up to n. Only the latest change of a mention is
kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from listener.store.base import to_us
from listener.store.killpoints import reach
from listener.store.tables import ChangeRow, CounterRow
from listener.store.upsert import Bulk, chunks, insert_update
from listener.types import ChangeKind

Facets = dict[str, Any]

COUNTER = "change"
_FLOOR = "change_floor"
_MAX_PAST = 50  # distinct earlier states of one mention; an edit war beyond that is cut
_CHANGES = Bulk(ChangeRow, ("seq", "mention_id", "kind", "at", "past"))


@dataclass(frozen=True, slots=True)
class Happening:
    """What happened to a mention; ``was`` are the facets it had before, if it matched a brand
    then.
    """

    mention_id: int
    kind: ChangeKind
    was: Facets | None = None


def facets(
    *,
    brands: Sequence[int],
    language: str,
    label: str | None,
    complaint: bool | None,
    topics: Sequence[str],
    tags: Sequence[str],
    source: str,
    kind: str,
    rating: float | None,
    flags: Sequence[str] = (),
) -> Facets:
    """All that a feed can be filtered by, of one state of a mention (sentiment and topics: as a
    whole).

    ``change.past`` keeps them, so that a reader with a filter learns that a mention left it: it did
    if an earlier state fits the filter and the present one does not.
    """
    return {
        "brands": sorted(brands),
        "language": language,
        "label": label,
        "complaint": complaint,
        "topics": sorted(topics),
        "tags": sorted(tags),
        "source": source,
        "kind": kind,
        "rating": rating,
        "flags": sorted(flags),
    }


def record(session: Session, happenings: Sequence[Happening], *, now: datetime) -> int | None:
    """Number what happened, in this order; gives the last seq, None if nothing is to be told.

    Call it last: from here to the commit every other writer of changes waits. What readers were
    never told of cannot be edited, leave or be deleted: an edit counts as created then, the rest as
    nothing.
    """
    known = _known(session, [h.mention_id for h in happenings if h.kind is not ChangeKind.CREATED])
    told = [told for h in happenings if (told := _told(h, known)) is not None]
    if not told:
        return None
    last = session.execute(
        update(CounterRow)
        .where(CounterRow.name == COUNTER)
        .values(value=CounterRow.value + len(told))
        .returning(CounterRow.value)
    ).scalar_one()
    reach("changes.numbered")
    for some in chunks([id_ for id_, _, _ in told if id_ in known]):
        session.execute(delete(ChangeRow).where(ChangeRow.mention_id.in_(some)))
    at = to_us(now)
    _CHANGES.run(
        session,
        [
            (seq, mention_id, kind, at, past)
            for seq, (mention_id, kind, past) in enumerate(told, last - len(told) + 1)
        ],
    )
    reach("changes.written")
    return int(last)


def head(session: Session) -> int:
    """The latest seq given; 0 before the first."""
    return session.scalar(select(CounterRow.value).where(CounterRow.name == COUNTER)) or 0


def floor(session: Session) -> int:
    """The highest seq whose tombstone is forgotten: a cursor below it has to resync."""
    value = session.scalar(select(CounterRow.value).where(CounterRow.name == _FLOOR))
    return value or 0


def forget_tombstones(session: Session, *, before: datetime) -> int:
    """Drop deletions told before that time, and raise the floor; gives how many."""
    old = (ChangeRow.kind == ChangeKind.DELETED, ChangeRow.at < before)
    highest = session.scalar(select(func.max(ChangeRow.seq)).where(*old))
    if highest is None:
        return 0
    gone = session.scalars(delete(ChangeRow).where(*old).returning(ChangeRow.seq)).all()
    row = {"name": _FLOOR, "value": max(highest, floor(session))}
    insert_update(session, CounterRow, [row], key=["name"], update=["value"])
    return len(gone)


def _known(session: Session, mention_ids: Sequence[int]) -> dict[int, list[Facets]]:
    known: dict[int, list[Facets]] = {}
    for some in chunks(mention_ids):
        rows = session.execute(
            select(ChangeRow.mention_id, ChangeRow.past).where(ChangeRow.mention_id.in_(some))
        )
        known |= {row.mention_id: row.past or [] for row in rows}
    return known


def _told(
    happening: Happening, known: Mapping[int, list[Facets]]
) -> tuple[int, str, str | None] | None:
    past = known.get(happening.mention_id)
    kind = happening.kind
    if past is None:
        if kind in (ChangeKind.DELETED, ChangeKind.LEFT):
            return None
        return happening.mention_id, ChangeKind.CREATED.value, None
    if happening.was is not None and happening.was not in past:
        past = [*past, happening.was][-_MAX_PAST:]
    return happening.mention_id, kind.value, orjson.dumps(past).decode() if past else None
