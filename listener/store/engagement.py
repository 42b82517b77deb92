"""Engagement: counts of a mention over time, a row for each change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from listener.store.base import to_us
from listener.store.tables import EngagementRow
from listener.store.upsert import Bulk, chunks
from listener.types import Engagement

_ENGAGEMENT = Bulk(
    EngagementRow,
    ("mention_id", "at", "likes", "replies", "shares", "views"),
    conflict="(mention_id, at) DO UPDATE SET likes = excluded.likes, replies = excluded.replies,"
    " shares = excluded.shares, views = excluded.views",
)


def last(session: Session, mention_ids: Sequence[int]) -> dict[int, Engagement]:
    """The latest counts of those mentions that have any."""
    found: dict[int, Engagement] = {}
    for some in chunks(mention_ids):
        latest = (
            select(EngagementRow.mention_id, func.max(EngagementRow.at))
            .where(EngagementRow.mention_id.in_(some))
            .group_by(EngagementRow.mention_id)
        )
        for row in session.scalars(
            select(EngagementRow).where(
                tuple_(EngagementRow.mention_id, EngagementRow.at).in_(latest)
            )
        ):
            found[row.mention_id] = Engagement(
                likes=row.likes, replies=row.replies, shares=row.shares, views=row.views
            )
    return found


def note(
    session: Session,
    told: Mapping[int, Engagement],
    before: Mapping[int, Engagement],
    *,
    now: datetime,
) -> None:
    """Write counts down, by mention id, where they differ from those before."""
    at = to_us(now)
    _ENGAGEMENT.run(
        session,
        [
            (id_, at, counts.likes, counts.replies, counts.shares, counts.views)
            for id_, counts in sorted(told.items(), key=lambda pair: pair[0])
            if counts != before.get(id_)
        ],
    )
