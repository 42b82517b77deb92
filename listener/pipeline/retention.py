"""Deletes what is kept no longer, in small transactions between which others get their turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from listener.pipeline.screening import KEPT
from listener.settings import Settings
from listener.store import changes, inbound, jobs, retention, screening, themes
from listener.store.work import Database

RUNS = timedelta(days=90)
TOMBSTONES = timedelta(days=90)  # a reader of the feed that was away longer has to resync
JOBS = timedelta(days=1)
BACKFILLS = timedelta(days=90)
COVERAGE = timedelta(days=400)  # a backtest asks how a year was collected
NOTICES = timedelta(days=365)
THEMES = timedelta(days=180)  # that nobody judged, after they faded
TESTS = timedelta(days=90)
SPENDING = timedelta(days=400)  # this month, and the same one last year
HOSTS = timedelta(days=30)
# An import of old texts is found whole before the sketches of its first ones go.
SKETCHES_SEEN = timedelta(days=1)
FAILED_DELIVERIES = timedelta(days=90)  # time enough to mend a mapping and replay them
_CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Removed:
    """How much was deleted. ``raw`` = original records emptied."""

    mentions: int
    raw: int
    authors: int
    runs: int
    tombstones: int


def retain(database: Database, settings: Settings, *, now: datetime) -> Removed:
    """Apply the rules of retention. Raises StorageError; going on later is harmless."""
    raw_before = now - timedelta(days=settings.raw_days)

    def in_parts(part: Callable[[Session], int]) -> int:
        total = 0
        while True:
            with database.write() as work:
                done = part(work.session)
                work.commit()
            total += done
            if done < _CHUNK:
                return total

    expired = in_parts(lambda s: retention.expire_mentions(s, now=now, limit=_CHUNK))
    raw = in_parts(lambda s: retention.forget_raw(s, before=raw_before, limit=_CHUNK))
    authors = in_parts(lambda s: retention.forget_authors(s, limit=_CHUNK))
    in_parts(
        lambda s: inbound.forget(
            s, before=raw_before, failed_before=now - FAILED_DELIVERIES, limit=_CHUNK
        )
    )
    old_runs = in_parts(lambda s: retention.forget_runs(s, before=now - RUNS, limit=_CHUNK))
    in_parts(lambda s: retention.forget_backfills(s, before=now - BACKFILLS, limit=_CHUNK))
    in_parts(lambda s: retention.forget_coverage(s, before=now - COVERAGE, limit=_CHUNK))
    in_parts(lambda s: retention.forget_notices(s, before=now - NOTICES, limit=_CHUNK))
    in_parts(lambda s: themes.forget(s, before=now - THEMES, limit=_CHUNK))
    in_parts(lambda s: retention.forget_tests(s, before=now - TESTS, limit=_CHUNK))
    in_parts(
        lambda s: screening.forget_old_sketches(
            s, before=now - KEPT, seen_before=now - SKETCHES_SEEN, limit=_CHUNK
        )
    )
    with database.write() as work:
        retention.forget_spending(work.session, before=now - SPENDING)
        retention.forget_hosts(work.session, before=now - HOSTS)
        tombstones = changes.forget_tombstones(work.session, before=now - TOMBSTONES)
        jobs.purge(work.session, before=now - JOBS)
        work.commit()
    return Removed(expired, raw, authors, old_runs, tombstones)
