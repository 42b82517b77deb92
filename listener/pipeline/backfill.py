"""What goes on beside live collection: the rest of long walks, and what became of stored items.

Both come in short turns, so that many watches share one worker and none waits for another's
history.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from listener.collect.base import Backfilling, Poller, Refreshing
from listener.collect.cadence import next_run
from listener.errors import (
    ClaimLost,
    LayoutChanged,
    ListenerError,
    NotFound,
    SourceError,
    StorageError,
)
from listener.pipeline.ingest import Origin
from listener.store import backfills, refreshes, watches
from listener.store.backfills import BackfillClaim
from listener.store.killpoints import reach
from listener.store.work import Database
from listener.types import MatchMode, Outcome

if TYPE_CHECKING:
    from listener.pipeline.collect import Runner

log = logging.getLogger(__name__)

PAGES = 5
"""Pages of one turn: seconds, after which another watch's back-fill is next."""

LEASE = timedelta(minutes=5)
AGES = (
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(days=1),
    timedelta(days=3),
    timedelta(days=7),
    timedelta(days=30),
)
"""How old items are when they are asked about again: deletions and counts move early."""

REFRESH_EVERY = timedelta(minutes=30)
MOST_REFRESHED = 1_000
"""Items of one watch that are asked about in one turn."""

_RETRY = timedelta(minutes=5)
_FOR_GOOD = frozenset({Outcome.GONE})


class Backfiller:
    """Works off back-fills and refreshes, a turn at a time. May be shared by threads."""

    def __init__(
        self,
        *,
        database: Database,
        runner: Runner,
        clock: Callable[[], datetime],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._runner = runner
        self._clock = clock
        self._jitter = jitter

    def turn(self, watch_id: int | None = None) -> dict[str, Any] | None:
        """Do one turn of the back-fill that waited longest; its report, or None if none is due.

        Keys of the report: watch, backfill, outcome, requests, items, new, reached, done, error,
        hint. Raises StorageError.
        """
        claim = self._claim(watch_id, None)
        return self._run(claim) if claim else None

    def turns(self, watch_id: int | None = None) -> Iterator[dict[str, Any]]:
        """One turn of each back-fill that is due now; yields reports."""
        started = self._clock()
        while (claim := self._claim(watch_id, started)) is not None:
            yield self._run(claim)

    def begin_history(self, watch_id: int) -> int:
        """Hand over a walk through all that the source shows; gives how many lanes that has. One
        that is under way goes on at once and is not begun again.

        Raises NotFound, or SourceError where the source cannot be walked back.
        """
        watch = self._runner.load(watch_id)
        collector = self._runner.collector(watch.source)
        if not isinstance(collector, Backfilling):
            raise SourceError(
                f"{collector.spec.title} is always read whole.", hint="Collect it with `collect`."
            )
        now = self._clock()
        with self._database.write() as work:
            state = watches.state_of(watches.get(work.session, watch_id))
            listed = backfills.listing(work.session, watch_ids=[watch_id])
            if under_way := [row for row in listed if row.to_at is None]:
                for row in under_way:
                    row.next_run_at = min(row.next_run_at, now)
                work.commit()
                return len(under_way)
            rests = collector.history(watch, state, now=now)
            made = backfills.hand_over(work.session, watch_id, None, rests, now=now)
            work.commit()
        return len(made)

    def refresh_due(self) -> int | None:
        """Ask about stored items of one watch whose age has come; gives how many changed, None if
        no watch is due.

        What cannot be asked now is asked with the next ages. Raises StorageError.
        """
        now = self._clock()
        with self._database.write() as work:
            due = refreshes.claim(
                work.session, now=now, every=REFRESH_EVERY, sources=self._refreshing()
            )
            work.commit()
        return self._refresh(due, now) if due is not None else None

    def _claim(self, watch_id: int | None, due_at: datetime | None) -> BackfillClaim | None:
        with self._database.write() as work:
            claim = backfills.claim(
                work.session, now=self._clock(), lease=LEASE, watch_id=watch_id, due_at=due_at
            )
            work.commit()
        return claim

    def _run(self, claim: BackfillClaim) -> dict[str, Any]:
        report = {
            "watch": claim.watch_id,
            "backfill": claim.backfill_id,
            "outcome": str(Outcome.OK),
            "requests": 0,
            "items": 0,
            "new": 0,
            "edited": 0,
            "done": False,
            "error": None,
            "hint": None,
        }
        error: Exception | None = None
        try:
            self._walk(claim, report)
        except (ClaimLost, NotFound) as lost:
            log.info("%s", lost)
            return report | {"outcome": str(Outcome.LOST)}
        except Exception as failure:
            error = failure
        try:
            with self._database.write() as work:
                if error is None and report["done"]:
                    backfills.complete(work.session, claim, now=self._clock())
                else:
                    self._pause(work.session, claim, error, report)
                reach("backfill.ended")
                work.commit()
        except ClaimLost as lost:
            log.info("%s", lost)
            report["outcome"] = str(Outcome.LOST)
        return report

    def _walk(self, claim: BackfillClaim, report: dict[str, Any]) -> None:
        watch = self._runner.load(claim.watch_id)
        collector = self._runner.collector(watch.source)
        if not isinstance(collector, Backfilling):
            report["done"] = True
            return
        for batch in collector.backfill(watch, claim.state, pages=PAGES, now=self._clock()):
            if batch.suspect is not None:
                # The walk stays where it is: to end there would call the rest collected.
                raise LayoutChanged(batch.suspect)
            stored = self._runner.ingest.backfill(
                batch, watch, claim, now=self._clock(), lease=LEASE
            )
            reach("backfill.stored")
            report["requests"] += batch.requests
            report["items"] += stored.items
            report["new"] += stored.new
            report["edited"] += stored.edited
            report["done"] = batch.complete

    def _pause(
        self, session: Any, claim: BackfillClaim, error: Exception | None, report: dict[str, Any]
    ) -> None:
        now = self._clock()
        if error is None:
            backfills.pause(session, claim, next_run_at=now, now=now)
            return
        expected = isinstance(error, ListenerError)
        if not expected:
            log.error("a back-fill failed", exc_info=error)
        code = error.code if isinstance(error, ListenerError) else "bug"
        outcome = Outcome(code) if code in set(Outcome) else Outcome.FAILED
        message = error.message if isinstance(error, ListenerError) else "Something unexpected."
        report |= {
            "outcome": str(outcome),
            "error": message,
            "hint": error.hint if isinstance(error, ListenerError) else None,
        }
        retry_at = error.retry_at if isinstance(error, SourceError) else None
        backfills.pause(
            session,
            claim,
            next_run_at=next_run(
                _RETRY,
                outcome,
                failures=claim.failures + 1,
                retry_at=retry_at,
                next_at=None,
                now=now,
                jitter=self._jitter(),
            ),
            now=now,
            requests=error.requests if isinstance(error, SourceError) else 0,
            # Being told to wait is no failure: it may be told as often as history is long.
            error=None if outcome in _WAITING else message,
            code=None if outcome in _WAITING else code,
            for_good=outcome in _FOR_GOOD,
        )

    def _refreshing(self) -> list[str]:
        """The sources that can be asked about stored items."""
        return [
            name
            for name in self._runner.sources()
            if isinstance(self._runner.collector(name), Refreshing)
        ]

    def _refresh(self, due: refreshes.Due, now: datetime) -> int:
        changed = 0
        with self._database.read() as session:
            kept = refreshes.of_age(session, due, AGES, now=now, limit=MOST_REFRESHED)
        try:
            watch = self._runner.load(due.watch_id)
            collector = self._runner.collector(watch.source)
            origin = Origin(
                source=watch.source,
                brand=watch.brand if watch.match is MatchMode.ALL else None,
                watch_id=watch.id,
            )
            if kept and isinstance(collector, Poller):
                for batch in collector.refresh(watch, kept, now=now):
                    told = self._runner.ingest.items(batch.items, origin, now=self._clock())
                    changed += told.edited + told.deleted
        except StorageError:
            raise
        except ListenerError as error:
            log.info("watch %s cannot be asked about its items now: %s", due.watch_id, error)
        return changed


_WAITING = frozenset({Outcome.RATE_LIMITED, Outcome.OUT_OF_BUDGET})
