"""Write mentions as the pipeline does, one transaction a call, for tests of what reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from builders import NOW
from listener.store import buckets, changes, generations, mentions
from listener.store.mentions import Context, Incoming, identity_of
from listener.store.work import Database
from listener.types import ReadMention


@dataclass(frozen=True)
class Versions:
    """The models of the builders' readings."""

    key: str = "one"
    rules_version: str = "r1"

    @property
    def models(self) -> dict[str, tuple[str, str]]:
        """Korean and English are scored by the same fake."""
        return {"ko": ("fake", "1"), "en": ("fake", "1")}


def write(
    database: Database,
    *read: ReadMention,
    now: datetime = NOW,
    watch_id: int | None = None,
    versions: Versions | None = None,
) -> None:
    """Store new and edited mentions (``mention.deleted`` deletes), and tell the feed."""
    with database.write() as work:
        session = work.session
        told: Sequence[ReadMention] = [
            replace(one, mention=replace(one.mention, event_at=one.mention.published_at or now))
            for one in read
        ]
        known = mentions.known(session, [identity_of(one.mention) for one in told])
        stored = mentions.upsert(
            session,
            [
                Incoming(id_ := identity_of(one.mention), one.mention, known.get(id_), one, one)
                for one in told
            ],
            Context(
                generation_ids=generations.to_write(session, versions or Versions(), now=now),
                now=now,
                expires_at=now + timedelta(days=14),
                pseudonym=lambda source, namespace, native_id: f"a_{native_id}",
                watch_id=watch_id,
            ),
        )
        buckets.mark_dirty(session, stored.marks)
        changes.record(session, stored.happenings, now=now)
        work.commit()
