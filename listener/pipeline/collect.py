"""The run of one watch: from the claim over the collector's batches to outcome, health and
coverage.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

import orjson

from listener.collect import profile as profiles
from listener.collect.cadence import next_run
from listener.errors import (
    BudgetExhausted,
    ClaimLost,
    ListenerError,
    RateLimited,
    SourceError,
    StorageError,
)
from listener.pipeline.ingest import Ingest
from listener.settings import source_setting
from listener.store import gaps, runs, watches
from listener.store.killpoints import reach
from listener.store.tables import GapRow, RunRow
from listener.store.watches import Ending
from listener.store.work import Database
from listener.types import (
    Claim,
    Collector,
    GapReason,
    Outcome,
    SourceSpec,
    State,
    Watch,
)

log = logging.getLogger(__name__)

# Short, so that a watch whose worker was killed is soon collected again; a run that takes longer
# renews it.
LEASE = timedelta(minutes=2)
_RENEW_AFTER = LEASE / 4
_ASK_AGAIN = 0.5  # seconds, while waiting for somebody else's run
_A_BUG = "Something unexpected happened; the log has the details."


class Registry(Protocol):
    """The sources there are (``collect.registry.Registry``)."""

    def spec(self, source: str, /) -> SourceSpec:
        """What a source is. Raises InvalidInput for an unknown one."""
        ...

    def names(self) -> list[str]:
        """Every source's name."""
        ...

    def collector(self, source: str, /) -> Collector:
        """What reads it. Raises InvalidInput for an unknown one."""
        ...


class Credentials(Protocol):
    """What decrypts credentials (``security.Secrets``)."""

    def decrypt(self, data: bytes, /) -> str:
        """What was encrypted. Raises ConfigError."""
        ...


@dataclass(slots=True)
class _Told:
    """What the batches of a run said."""

    news: int = 0
    complete: bool = False
    suspect: str | None = None
    next_at: datetime | None = None
    tally: profiles.Tally = field(default_factory=lambda: profiles.Tally(profiles.Profile()))
    profile: profiles.Profile | None = None

    def judge(self, *, at: datetime, every: timedelta) -> None:
        """Hold what the run brought against what its watch usually brings."""
        if self.suspect is None:
            self.profile, self.suspect = self.tally.end(at, every)


class Runner:
    """Runs watches. May be shared by threads."""

    def __init__(
        self,
        *,
        database: Database,
        ingest: Ingest,
        registry: Registry,
        secrets: Credentials,
        clock: Callable[[], datetime],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.ingest = ingest
        self._database = database
        self._registry = registry
        self._secrets = secrets
        self._clock = clock
        self._jitter = jitter

    def collector(self, source: str) -> Collector:
        """What reads a source. Raises InvalidInput for an unknown one."""
        return self._registry.collector(source)

    def sources(self) -> list[str]:
        """The names of all sources."""
        return self._registry.names()

    def resolve(self, watch: Watch) -> Watch:
        """The watch with what its connection leaves out: address and credentials of the source."""
        spec, given = self._registry.spec(watch.source), watch.connection
        base_url = given.base_url or source_setting(watch.source, "base_url") or spec.base_url
        credentials = {
            one.name: value
            for one in spec.credentials
            if (value := given.credentials.get(one.name) or source_setting(watch.source, one.name))
        }
        connection = replace(given, base_url=base_url, credentials=credentials)
        return replace(watch, connection=connection)

    def load(self, watch_id: int) -> Watch:
        """A watch as it is to be collected, credentials opened. Raises NotFound."""
        with self._database.read() as session:
            stored = watches.load(session, watch_id, self._open)
        return self.resolve(stored)

    def claim_due(self) -> Claim | None:
        """Take the watch that is longest overdue; None when nothing is due. Raises StorageError."""
        return self._claim(None, self._clock())

    def collect_once(self, watch_id: int | None = None) -> Iterator[dict[str, Any]]:
        """Run what is due now, each watch once, or the watch named, due or not; yields reports.

        While another worker is at the watch named, this waits and gives that run's report. Raises
        NotFound, StorageError.
        """
        started = self._clock()
        if watch_id is not None:
            yield self._collect_now(watch_id)
            return
        while (claim := self._claim(None, started)) is not None:
            yield self.run(claim)

    def run(self, claim: Claim) -> dict[str, Any]:
        """Run a claimed watch to its end, whatever happens on the way; gives the report.

        Keys: watch, run, outcome, requests, items, new, edited, rejected, gap, error, hint,
        next_run. Times are ISO 8601. Raises StorageError when not even the end of the run can be
        written; the claim then runs out by itself.
        """
        reach("collect.claimed")
        with self._database.read() as session:
            row = watches.get(session, claim.watch_id)
            every, covered_to = timedelta(seconds=row.every_s), row.covered_to
            failures, state = row.failures, watches.state_of(row)
        told = _Told(tally=profiles.Tally(profiles.load(row.profile)))
        error: Exception | None = None
        try:
            with self._renewing(claim):
                self._collect(claim, state, covered_to, told)
            told.judge(at=self._clock(), every=every)
        except ClaimLost as lost:
            log.warning("%s", lost)
            return self._report(claim)
        except Exception as failure:
            error = failure
        ending = self._ending(told, error, every=every, failures=failures)
        reach("collect.ended")
        try:
            with self._database.write() as work:
                ended = watches.finish(work.session, claim, ending, now=self._clock())
                if told.profile is not None and ended.profile == row.profile:
                    ended.profile = profiles.dump(told.profile)
                reach("finish.written")
                work.commit()
            reach("finish.committed")
        except ClaimLost as lost:
            log.warning("%s", lost)
        return self._report(claim)

    def _collect(
        self, claim: Claim, state: State, covered_to: datetime | None, told: _Told
    ) -> None:
        watch = self.load(claim.watch_id)
        collector = self._registry.collector(watch.source)
        reach("collect.loaded")
        for batch in collector.collect(watch, state, now=self._clock()):
            reach("collect.yielded")
            report = self.ingest.batch(
                batch, watch, claim, covered_to=covered_to, now=self._clock(), lease=LEASE
            )
            reach("collect.stored")
            told.tally.add(batch.items, new=report.new, unchanged=batch.unchanged)
            told.news += report.new + report.edited + report.deleted
            told.complete = batch.complete or batch.unchanged
            told.suspect = batch.suspect or told.suspect
            told.next_at = batch.next_at or told.next_at

    def _ending(
        self, told: _Told, error: Exception | None, *, every: timedelta, failures: int
    ) -> Ending:
        outcome, message, hint, code = _outcome(told, error)
        if outcome is Outcome.FAILED and not isinstance(error, ListenerError):
            log.error("a run failed", exc_info=error)
        fine = outcome in watches.SUCCESS
        return Ending(
            outcome=outcome,
            complete=fine and told.complete,
            code=code,
            error=message,
            hint=hint,
            gap=None if fine else _gap_reason(error),
            requests=error.requests if isinstance(error, SourceError) else 0,
            next_run_at=next_run(
                every,
                outcome,
                failures=0 if fine else failures + 1,
                retry_at=error.retry_at if isinstance(error, SourceError) else None,
                next_at=told.next_at,
                now=self._clock(),
                jitter=self._jitter(),
            ),
        )

    def _claim(self, watch_id: int | None, now: datetime) -> Claim | None:
        with self._database.write() as work:
            claim = watches.claim(work.session, watch_id, now=now, lease=LEASE)
            work.commit()
        return claim

    def _collect_now(self, watch_id: int) -> dict[str, Any]:
        with self._database.read() as session:
            watches.get(session, watch_id)  # or NotFound
        while (claim := self._claim(watch_id, self._clock())) is None:
            report = self._wait_for_run(watch_id)
            if report is not None:
                return report
        return self.run(claim)

    def _wait_for_run(self, watch_id: int) -> dict[str, Any] | None:
        """The report of the run in progress, once it ends; None if its worker is lost."""
        with self._database.read() as session:
            under_way = runs.listing(session, watch_id=watch_id, limit=1)
        while under_way:
            # Asked before the report, as a run that ends gives its claim back in the same moment.
            with self._database.read() as session:
                until = watches.get(session, watch_id).claim_until
            report = self._finished(under_way[0].id)
            if report is not None:
                return report
            if until is None or until <= self._clock():
                return None
            time.sleep(_ASK_AGAIN)
        return None

    def _finished(self, run_id: int) -> dict[str, Any] | None:
        with self._database.read() as session:
            run = runs.get(session, run_id)
            done = run.finished_at is not None and run.outcome != Outcome.LOST
            return report_of(run, _gap_of(session, run)) if done else None

    def _report(self, claim: Claim) -> dict[str, Any]:
        with self._database.read() as session:
            run = runs.get(session, claim.run_id)
            return report_of(run, _gap_of(session, run))

    def _open(self, credentials: bytes) -> Mapping[str, str]:
        opened: dict[str, str] = orjson.loads(self._secrets.decrypt(credentials))
        return opened

    @contextmanager
    def _renewing(self, claim: Claim) -> Iterator[None]:
        """Keep the claim while a long run is at work: batches renew it, and so does a thread."""
        over = threading.Event()

        def renew() -> None:
            while not over.wait(_RENEW_AFTER.total_seconds()):
                try:
                    with self._database.write() as work:
                        watches.check_claim(work.session, claim, now=self._clock(), lease=LEASE)
                        work.commit()
                except ClaimLost:
                    return  # the next batch will say so
                except StorageError as error:
                    log.warning("a claim could not be renewed: %s", error)

        thread = threading.Thread(target=renew, name=f"claim-{claim.watch_id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def report_of(run: RunRow, gap: GapRow | None) -> dict[str, Any]:
    """The report of a run as JSON takes it."""
    return {
        "watch": run.watch_id,
        "run": run.id,
        "outcome": run.outcome or "running",
        "requests": run.requests,
        "items": run.items,
        "new": run.new,
        "edited": run.edited,
        "rejected": run.rejected,
        "gap": gap
        and {
            "from": gap.from_at.isoformat(),
            "to": gap.to_at.isoformat() if gap.to_at else None,
            "why": gap.why,
        },
        "error": run.error,
        "hint": run.hint,
        "next_run": run.next_run_at.isoformat() if run.next_run_at else None,
    }


def _gap_of(session: Any, run: RunRow) -> GapRow | None:
    """The gap that the run left: one it found, or the one its watch is in."""
    for gap in gaps.listing(session, watch_ids=[run.watch_id]):
        if gap.run_id == run.id or gap.to_at is None:
            return gap
    return None


def _outcome(
    told: _Told, error: Exception | None
) -> tuple[Outcome, str | None, str | None, str | None]:
    """Outcome, error and hint in words, error code."""
    if error is None:
        if told.suspect is not None:
            return Outcome.SUSPECT, told.suspect, None, "suspect"
        return (Outcome.OK if told.news else Outcome.UNCHANGED), None, None, None
    if isinstance(error, SourceError):
        known = error.code in set(Outcome)
        outcome = Outcome(error.code) if known else _UNNAMED.get(error.code, Outcome.UNAVAILABLE)
        return outcome, error.message, error.hint, error.code
    if isinstance(error, ListenerError):
        return Outcome.FAILED, error.message, error.hint, error.code
    return Outcome.FAILED, _A_BUG, None, "bug"


_UNNAMED = {"forbidden-address": Outcome.BLOCKED}


def _gap_reason(error: Exception | None) -> GapReason:
    if isinstance(error, RateLimited):
        return GapReason.RATE_LIMIT
    if isinstance(error, BudgetExhausted):
        return GapReason.BUDGET
    return GapReason.OUTAGE
