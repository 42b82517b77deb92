"""What a person says of a mention's flags, in place of what screening found."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.orm import Session

from listener.errors import NotFound
from listener.store import buckets, changes, mentions, screening
from listener.store.changes import Happening
from listener.store.screening import CLEARED, PERSON
from listener.store.tables import MentionRow
from listener.types import ChangeKind


def decide(session: Session, mention_id: int, kinds: Collection[str], *, now: datetime) -> None:
    """Give a mention these flags, or none, whatever screening finds from now on.

    Call it last, as ``changes.record``: it tells the feed. Raises NotFound.
    """
    if session.get(MentionRow, mention_id, with_for_update=True) is None:
        raise NotFound(f"There is no mention {mention_id}.")
    was = mentions.facets_of(session, [mention_id])
    wanted = dict.fromkeys(kinds or (CLEARED,), PERSON)
    screening.put_flags(session, {mention_id: wanted})
    before = was.get(mention_id)
    if before is not None and before["flags"] != sorted(kinds):
        buckets.mark_dirty(session, buckets.marks_of(session, [mention_id]))
        changes.record(session, [Happening(mention_id, ChangeKind.EDITED, before)], now=now)
