"""The scheduler's fixed tasks: what the service does over and over, and how often."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from listener.errors import Cancelled, ListenerError
from listener.runtime.scheduler import GRACE, Scheduler, Task
from listener.store import channels, jobs
from listener.store.outbox import Message
from listener.types import Claim

if TYPE_CHECKING:
    from listener.runtime.wiring import Services

log = logging.getLogger(__name__)

JOB_CLAIM = timedelta(minutes=5)
BACKTEST = "backtest"
SAY_EVERY = 0.5  # seconds between two words on how far a long job is
LOOK = timedelta(
    seconds=10
)  # time goes by though nothing comes in: spikes end, watches fall silent
DELIVERERS = 4  # channels that are sent to at once
SCREENED = 5_000  # mentions a turn, the newest first, so that counting never waits for a flood


class Work:
    """All that the service does by itself: the scheduler, its tasks, and the threads of runs."""

    def __init__(self, services: Services) -> None:
        self._stopping = threading.Event()
        self._collecting = Collecting(services, collected=lambda: self.scheduler.nudge("rollup"))
        self._beside = Beside(services)
        self._delivering = Delivering(services)
        self.scheduler = Scheduler(
            services.database,
            _tasks(services, self),
            clock=services.clock,
            stopping=self._stopping,
        )

    def start(self) -> None:
        """Begin, in the background."""
        self.scheduler.start()

    def stop(self, seconds: float = GRACE) -> list[str]:
        """Begin nothing new and give what runs that long to end, each of tasks and runs; returns
        what did not. That is safe to kill: claims fence what it writes.
        """
        threads = (self._collecting, self._beside, self._delivering)
        for one in threads:
            one.close()
        left = self.scheduler.stop(seconds)
        return [*left, *(name for one in threads for name in one.wait(seconds))]

    def tick(self, name: str) -> Callable[[], object]:
        """The tick of the threads that collect, back-fill or deliver."""
        ticks: dict[str, Callable[[], object]] = {
            "collect": self._collecting.tick,
            "backfill": self._beside.tick,
            "deliver": self._delivering.tick,
        }
        return ticks[name]

    def go_on(self) -> bool:
        """Whether it was not told to stop yet."""
        return not self._stopping.is_set()


def _tasks(services: Services, work: Work) -> list[Task]:
    """All that is done over and over; no more than this.

    A post goes through four of them until somebody hears of it, so that each nudges the next as
    soon as it has something for it. Nothing depends on that: every tick finds all work by itself.
    """
    go_on = work.go_on

    def nudge(name: str) -> None:
        work.scheduler.nudge(name)

    def look() -> None:
        if services.watchdog.look(now=services.clock()):
            nudge("deliver")

    detecting = Paced(look, at_least=LOOK)

    def roll_up() -> None:
        if services.roll_up(screened=SCREENED):
            detecting.want()
            nudge("detect")

    def remind() -> None:
        services.reminders.look(now=services.clock())

    def answer_jobs() -> None:
        while go_on() and answer_job(services, but=(BACKTEST,)):
            nudge("deliver")  # it may have been the test of a channel

    def answer_backtests() -> None:
        while go_on() and answer_job(services, only=(BACKTEST,), go_on=go_on):
            pass

    def take_inbound() -> None:
        from listener.pipeline.inbound import drain

        if drain(services.ingest, now=services.clock(), go_on=go_on):
            nudge("rollup")

    def rescore() -> None:
        services.rescorer.work(go_on)

    def seek_themes() -> None:
        services.theme_seeker.look(services.clock(), go_on)

    def retain() -> None:
        from listener.pipeline.retention import retain

        retain(services.database, services.settings, now=services.clock())

    def rematch() -> None:
        from listener.pipeline.rematch import rematch_if_needed

        rematch_if_needed(services.ingest, now=services.clock())

    return [
        Task("collect", timedelta(seconds=1), work.tick("collect")),
        Task("backfill", timedelta(seconds=2), work.tick("backfill")),
        Task("rollup", timedelta(seconds=2), roll_up),
        Task("detect", timedelta(seconds=1), detecting.tick),  # looks when there is a reason to
        Task("remind", timedelta(seconds=5), remind),
        Task("deliver", timedelta(seconds=1), work.tick("deliver")),
        Task("notices", timedelta(seconds=30), services.notifier.look),
        Task("jobs", timedelta(seconds=1), answer_jobs),
        Task("backtest", timedelta(seconds=1), answer_backtests),  # minutes, so beside the others
        Task("inbound", timedelta(seconds=1), take_inbound),
        Task("rematch", timedelta(seconds=15), rematch),
        Task("rescore", timedelta(seconds=5), rescore),
        Task("themes", timedelta(minutes=2), seek_themes),  # each brand once an hour
        Task("retain", timedelta(hours=1), retain),
    ]


class Paced:
    """Calls something soon after it was wanted, and every ``at_least`` anyway, but rests in between
    for as long as it took.
    """

    def __init__(
        self,
        call: Callable[[], object],
        *,
        at_least: timedelta,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._call = call
        self._clock = clock
        self._at_least = at_least.total_seconds()
        self._wanted = threading.Event()
        self._ended = clock() - self._at_least
        self._took = 0.0

    def want(self) -> None:
        """There is something new to look at."""
        self._wanted.set()

    def tick(self) -> None:
        """Call it if it is time."""
        began = self._clock()
        rested = began - self._ended
        if rested < self._at_least and not (self._wanted.is_set() and rested >= self._took):
            return
        self._wanted.clear()
        try:
            self._call()
        finally:
            self._ended = self._clock()
            self._took = self._ended - began


class Collecting:
    """Keeps ``collect_workers`` threads busy with due watches; a tick never waits for them.

    ``collected`` is called after each run.
    """

    def __init__(
        self, services: Services, *, collected: Callable[[], object] = lambda: None
    ) -> None:
        self._services = services
        self._collected = collected
        self._most = services.settings.collect_workers
        self._running: dict[int, threading.Thread] = {}  # by run
        self._changed = threading.Condition()
        self._closed = False

    def tick(self) -> None:
        """Claim what is due, as long as a thread is free."""
        while not self._closed and len(self._running) < self._most:
            claim = self._services.runner.claim_due()
            if claim is None:
                return
            # A daemon: a run that hangs must not keep the process from ending.
            thread = threading.Thread(
                target=self._run, args=(claim,), name=f"collect-{claim.watch_id}", daemon=True
            )
            with self._changed:
                self._running[claim.run_id] = thread
            thread.start()

    def close(self) -> None:
        """Claim nothing more."""
        self._closed = True

    def wait(self, seconds: float) -> list[str]:
        """Give the runs that long to end; returns those that did not."""
        with self._changed:
            self._changed.wait_for(lambda: not self._running, seconds)
            return sorted(thread.name for thread in self._running.values())

    def _run(self, claim: Claim) -> None:
        try:
            self._services.runner.run(claim)
            self._collected()
        except Exception:
            # A thread would swallow it; the claim runs out and the watch comes again.
            log.exception("the run of watch %s broke off", claim.watch_id)
        finally:
            with self._changed:
                del self._running[claim.run_id]
                self._changed.notify_all()


class Beside:
    """``backfill_workers`` threads for what is not urgent: live collection has threads of its
    own.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._most = services.settings.backfill_workers
        self._threads: list[threading.Thread] = []
        self._closed = threading.Event()

    def tick(self) -> None:
        """See that the threads are at work as long as there is some; never waits."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        while not self._closed.is_set() and len(self._threads) < self._most:
            # A daemon: a turn that hangs must not keep the process from ending.
            name = f"backfill-{len(self._threads) + 1}"
            thread = threading.Thread(target=self._work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """Begin no further turn."""
        self._closed.set()

    def wait(self, seconds: float) -> list[str]:
        """Give the turns in progress that long to end; returns those that did not."""
        for thread in self._threads:
            thread.join(seconds)
        return sorted(thread.name for thread in self._threads if thread.is_alive())

    def _work(self) -> None:
        backfiller = self._services.backfiller
        try:
            while not self._closed.is_set():
                busy = backfiller.turn() is not None
                if not self._closed.is_set():
                    busy = backfiller.refresh_due() is not None or busy
                if not busy:
                    return
        except Exception:
            # A thread would swallow it; the claim runs out, and the next tick begins anew.
            log.exception("a back-fill broke off")


class Delivering:
    """Threads that send what is due, each a channel's messages at a time; a tick never waits, so
    that a receiver that hangs holds up nobody else.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._threads: list[threading.Thread] = []
        self._closed = threading.Event()

    def tick(self) -> None:
        """Claim what is due, as long as a thread is free."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        while not self._closed.is_set() and len(self._threads) < DELIVERERS:
            message = self._services.deliverer.claim()
            if message is None:
                return
            # A daemon: a receiver that hangs must not keep the process from ending.
            thread = threading.Thread(
                target=self._work, args=(message,), name=f"deliver-{message.id}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """Claim nothing more."""
        self._closed.set()

    def wait(self, seconds: float) -> list[str]:
        """Give the messages in hand that long; returns the threads that did not end."""
        for thread in self._threads:
            thread.join(seconds)
        return sorted(thread.name for thread in self._threads if thread.is_alive())

    def _work(self, first: Message) -> None:
        message: Message | None = first
        try:
            while message is not None:
                self._services.deliverer.deliver(message)
                message = None if self._closed.is_set() else self._services.deliverer.claim()
        except Exception:
            # A thread would swallow it; the claim runs out, and the message is sent again.
            log.exception("sending a message broke off")


def answer_job(
    services: Services,
    *,
    only: Collection[str] | None = None,
    but: Collection[str] = (),
    go_on: Callable[[], bool] = lambda: True,
) -> bool:
    """Do one job that an edge asked for, of some kinds or of all; False when there is none.

    A long one that ``go_on`` ends is left as it is: it begins anew once its claim ran out.
    """
    with services.database.read() as session:
        if not jobs.any_free(session, now=services.clock(), only=only, but=but):
            return False
    with services.database.write() as work:
        job = jobs.claim(work.session, now=services.clock(), length=JOB_CLAIM, only=only, but=but)
        work.commit()
    if job is None:
        return False
    result: dict[str, Any] | None = None
    error = None
    try:
        result = _do(services, job, go_on)
    except Cancelled:
        return True
    except ListenerError as expected:
        error = str(expected)
    except Exception:
        log.exception("job %s (%s) failed", job.id, job.kind)
        error = "This failed for a reason nobody expected; the log has the details."
    with services.database.write() as work:
        jobs.answer(work.session, job, result=result, error=error, now=services.clock())
        work.commit()
    return True


def _do(services: Services, job: jobs.Job, go_on: Callable[[], bool]) -> dict[str, Any]:
    payload = job.payload
    if job.kind == BACKTEST:
        return _backtest(services, job, go_on)
    if job.kind == "preview":
        return _preview(services, payload)
    if job.kind == "test-channel":
        return _test_channel(services, int(payload["channel_id"]))
    if job.kind == "rescore":
        return _rescore(services, payload)
    if job.kind == "switch-generation":
        done = services.rescorer.switch(
            int(payload["generation"]),
            force=bool(payload.get("force")),
            by=str(payload.get("by", "")),
        )
        return {"generation": done.generation_id, "before": done.before_id}
    if job.kind == "test-connection":
        return services.connections.test(str(payload["source"]), payload.get("connection_id"))
    raise ListenerError(f"There is no job {job.kind!r}.")


def _rescore(services: Services, payload: Any) -> dict[str, Any]:
    """Only begins it: the task of that name does it, beside other jobs."""
    wanted = payload.get("generation")
    generation_id = services.rescorer.begin(
        None if wanted is None else int(wanted), switch=bool(payload.get("switch"))
    )
    return {"generation": generation_id}


def _backtest(services: Services, job: jobs.Job, go_on: Callable[[], bool]) -> dict[str, Any]:
    """Try a rule on the past; says how far it is, and stops where nobody asks for it any more."""
    from listener.pipeline.backtest import Backtester, Wanted
    from listener.store import rule_json

    said_at = time.monotonic()

    def progress(share: float) -> None:
        nonlocal said_at
        if not go_on():
            raise Cancelled("The service is stopping.")
        if time.monotonic() - said_at < SAY_EVERY:
            return
        said_at = time.monotonic()
        with services.database.write() as work:
            held = jobs.go_on(
                work.session, job, progress=share, now=services.clock(), length=JOB_CLAIM
            )
            work.commit()
        if not held:
            raise Cancelled("Nobody asks for it any more.")

    payload = job.payload
    compare = payload.get("compare")
    until = payload.get("until")
    wanted = Wanted(
        rule=rule_json.from_json(payload["rule"]),
        other=None if compare is None else rule_json.from_json(compare),
        days=int(payload.get("days", 365)),
        until=services.clock() if until is None else datetime.fromisoformat(until),
        judge_as=str(payload.get("judge_as", "auto")),
    )
    return Backtester(services.database, services.settings).run(wanted, progress).to_json()


def _preview(services: Services, payload: Any) -> dict[str, Any]:
    from listener.store import brands

    every_s = payload.get("every_s")
    checked = services.check_watch(
        payload["source"],
        payload["params"],
        match=payload.get("match"),
        every=every_s / 60 if every_s else None,
    )
    brand = None
    if payload.get("brand_id") is not None:
        with services.database.read() as session:
            brand = brands.get(session, int(payload["brand_id"]))
    return services.preview(
        payload["source"],
        checked.params,
        match=checked.match,
        brand=brand,
        connection_id=payload.get("connection_id"),
        every=checked.every,
    )


def _test_channel(services: Services, channel_id: int) -> dict[str, Any]:
    from listener.store import outbox

    with services.database.write() as work:
        channels.get(work.session, channel_id)  # or NotFound
        message_id = outbox.put(
            work.session,
            channel_id=channel_id,
            alert_id=None,
            event="test",
            event_key=f"{services.clock():%Y%m%d%H%M%S}",
            refs={},
            now=services.clock(),
        )
        work.commit()
    return {"message_id": message_id}
