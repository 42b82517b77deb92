"""The scheduler only ticks: a few fixed tasks, run by whichever process holds the lease.

What is due is data (``watch.next_run_at``, the outbox, dirty marks); no job is ever stored in
APScheduler. Every task is safe to run twice, because claims fence what it writes; the lease only
keeps two processes from doing the same work.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler

from listener.errors import StorageError
from listener.store import leases
from listener.store.work import Database

log = logging.getLogger(__name__)

LEASE = "scheduler"
LEASE_LENGTH = timedelta(seconds=20)
HEARTBEAT = timedelta(seconds=5)
GRACE = 5.0  # seconds that running tasks have to end


@dataclass(frozen=True, slots=True)
class Task:
    """Something to do again and again. ``call`` takes no argument and must not block for long."""

    name: str
    every: timedelta
    call: Callable[[], object]


class Scheduler:
    """Runs the tasks while this process holds the lease; stands by while another one does.

    A task that raises is logged with its traceback and called again at its next tick; none runs
    twice at the same time. ``stopping`` is set once it was told to stop: a long task looks at it.
    """

    def __init__(
        self,
        database: Database,
        tasks: Sequence[Task],
        *,
        clock: Callable[[], datetime],
        stopping: threading.Event | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._held_until: datetime | None = None
        self._stopping = stopping or threading.Event()
        self._running: set[str] = set()  # names of tasks
        self._again: set[str] = set()  # nudged while they ran
        self._quiet = threading.Condition()
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(len(tasks) + 1)},
            # A tick that comes late still runs (the default grace of 1 s drops it), and ticks
            # missed meanwhile count as one.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
            timezone="UTC",
        )
        self._scheduler.add_job(
            self._heartbeat, "interval", seconds=HEARTBEAT.total_seconds(), id="heartbeat"
        )
        for task in tasks:
            self._scheduler.add_job(
                self._guarded(task), "interval", seconds=task.every.total_seconds(), id=task.name
            )

    @property
    def leading(self) -> bool:
        """Whether this process may run the tasks right now."""
        return self._held_until is not None and self._clock() < self._held_until

    def start(self) -> None:
        """Take the lease if it is free, and start ticking in the background."""
        self._heartbeat()
        self._scheduler.start()

    def stop(self, seconds: float = GRACE) -> list[str]:
        """Start nothing more, give running tasks ``seconds`` to end, then give the lease back.

        Returns the tasks that did not end. The lease then runs out by itself: nobody else may lead
        while they run.
        """
        self._stopping.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        with self._quiet:
            self._quiet.wait_for(lambda: not self._running, seconds)
            left = sorted(self._running)
        if not left:
            with self._database.write() as work:
                leases.release(work.session, LEASE, self._holder)
                work.commit()
        self._held_until = None
        return left

    def nudge(self, name: str) -> None:
        """There is something to do for that task: it runs at once, or once more if it runs now.

        Ticks find all work by themselves; this only saves the time until the next one.
        """
        with self._quiet:
            if self._stopping.is_set() or not self._scheduler.running:
                return
            if name in self._running:
                self._again.add(name)
                return
        with suppress(JobLookupError):  # told to stop meanwhile
            self._scheduler.modify_job(name, next_run_time=datetime.now(UTC))

    def _heartbeat(self) -> None:
        now = self._clock()
        try:
            with self._database.write() as work:
                held = leases.acquire(
                    work.session, LEASE, self._holder, now=now, length=LEASE_LENGTH
                )
                work.commit()
        except StorageError as error:
            log.warning("the scheduler's lease could not be renewed: %s", error)
            return  # keeps it until it runs out
        if held != self.leading:
            log.info("scheduler %s", "leads" if held else "stands by", extra={"by": self._holder})
        self._held_until = now + LEASE_LENGTH if held else None

    def _guarded(self, task: Task) -> Callable[[], None]:
        def tick() -> None:
            with self._quiet:
                if not self.leading or self._stopping.is_set():
                    return
                self._running.add(task.name)
            try:
                self._call(task)
            except StorageError as error:
                log.error("%s: %s", task.name, error)
            except Exception:
                # The job runner is the one place that may catch everything: one failing tick
                # must not end the service.
                log.exception("task %s failed", task.name)
            finally:
                with self._quiet:
                    self._running.discard(task.name)
                    self._again.discard(task.name)
                    self._quiet.notify_all()

        return tick

    def _call(self, task: Task) -> None:
        """Call a task, and again as long as it is nudged meanwhile."""
        while True:
            task.call()
            with self._quiet:
                if task.name not in self._again or self._stopping.is_set() or not self.leading:
                    return
                self._again.discard(task.name)
