"""Puts what people said in place of what a model said, in the readings of the texts they saw."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from listener.store.tables import CorrectionRow, MatchRow, MentionRow, ReadingRow
from listener.store.upsert import among, chunks

FIELDS = ("label", "complaint", "topics")


def apply(session: Session, mention_ids: Collection[int]) -> set[int]:
    """Bring the readings of these mentions, of all generations, in line with their corrections;
    gives the mentions of which a reading is another now.

    A correction counts as long as the text is the one it was made on. Where the mention belongs to
    one brand at most, the text as a whole and what it says of the brand are the same thing; where
    it belongs to several, each is corrected by itself. Call it after readings were written, and
    after a correction came or went.
    """
    changed: set[int] = set()
    for some in chunks(sorted(mention_ids)):
        said = _corrections(session, some)
        stale = session.scalars(
            select(ReadingRow.mention_id).where(
                among(session, ReadingRow.mention_id, some), ReadingRow.corrected.is_not(None)
            )
        )
        touched = sorted(said.keys() | set(stale))
        if not touched:
            continue
        brands: dict[int, set[int]] = {mention_id: set() for mention_id in touched}
        for mention_id, brand_id in session.execute(
            select(MatchRow.mention_id, MatchRow.brand_id).where(
                among(session, MatchRow.mention_id, touched)
            )
        ):
            brands[mention_id].add(brand_id)
        for row in session.scalars(
            select(ReadingRow)
            .where(among(session, ReadingRow.mention_id, touched))
            .execution_options(populate_existing=True)
        ):
            wanted = _wanted(said.get(row.mention_id, {}), row.brand_id, brands[row.mention_id])
            if _amend(row, wanted):
                changed.add(row.mention_id)
    session.flush()
    return changed


def _corrections(
    session: Session, mention_ids: Sequence[int]
) -> dict[int, dict[int, CorrectionRow]]:
    """By mention and brand (0 = as a whole), those made on the present text."""
    found: dict[int, dict[int, CorrectionRow]] = {}
    for row in session.scalars(
        select(CorrectionRow)
        .join(MentionRow, MentionRow.id == CorrectionRow.mention_id)
        .where(
            among(session, CorrectionRow.mention_id, mention_ids),
            CorrectionRow.content_hash == MentionRow.content_hash,
        )
        .execution_options(populate_existing=True)  # they are written past the session's objects
    ):
        found.setdefault(row.mention_id, {})[row.brand_id] = row
    return found


def _wanted(
    said: Mapping[int, CorrectionRow], brand_id: int, brands: Collection[int]
) -> dict[str, Any]:
    """The corrected fields of one reading: what was said of exactly this comes first."""
    wanted: dict[str, Any] = {}
    same = (0, *brands) if len(brands) <= 1 else ()
    for target in (*(other for other in same if other != brand_id), brand_id):
        row = said.get(target)
        if row is not None:
            wanted |= {name: value for name in FIELDS if (value := getattr(row, name)) is not None}
    return wanted


def _amend(row: ReadingRow, wanted: Mapping[str, Any]) -> bool:
    kept = dict(row.corrected or {})
    before = {name: getattr(row, name) for name in FIELDS}, dict(kept)
    for name in FIELDS:
        if name in wanted:
            kept.setdefault(name, getattr(row, name))
            setattr(row, name, wanted[name])
        elif name in kept:
            setattr(row, name, kept.pop(name))
    if before == ({name: getattr(row, name) for name in FIELDS}, kept):
        return False
    row.corrected = dict(sorted(kept.items())) or None
    return True
