"""The scheduler's fixed tasks: what the service does over and over, and how often."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from listener.errors import ListenerError
from listener.runtime.scheduler import Scheduler, Task
from listener.store import jobs

if TYPE_CHECKING:
    from listener.runtime.wiring import Services

log = logging.getLogger(__name__)

JOB_CLAIM = timedelta(minutes=5)


def make_scheduler(services: Services) -> Scheduler:
    """Collect, roll up, detect, deliver, answer jobs, retain: six tasks and no more."""
    collecting = Collecting(services)

    def detect() -> None:
        services.watchdog.look(now=services.clock())

    def deliver() -> None:
        services.deliverer.deliver_due()

    def answer_jobs() -> None:
        while answer_job(services):
            pass

    def retain() -> None:
        from listener.pipeline.retention import retain

        retain(services.database, services.settings, now=services.clock())

    return Scheduler(
        services.database,
        [
            Task("collect", timedelta(seconds=2), collecting.tick),
            Task("rollup", timedelta(seconds=3), services.roll_up),
            Task("detect", timedelta(seconds=10), detect),
            Task("deliver", timedelta(seconds=2), deliver),
            Task("jobs", timedelta(seconds=1), answer_jobs),
            Task("retain", timedelta(hours=1), retain),
        ],
        clock=services.clock,
    )


class Collecting:
    """Keeps ``collect_workers`` threads busy with due watches; a tick never waits for them."""

    def __init__(self, services: Services) -> None:
        self._services = services
        workers = services.settings.collect_workers
        self._free = threading.Semaphore(workers)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="collect")

    def tick(self) -> None:
        """Claim what is due, as long as a thread is free."""
        while self._free.acquire(blocking=False):
            try:
                claim = self._services.runner.claim_due()
            except BaseException:
                self._free.release()
                raise
            if claim is None:
                self._free.release()
                return
            self._pool.submit(self._run, claim)

    def _run(self, claim: Any) -> None:
        try:
            self._services.runner.run(claim)
        except Exception:
            # A thread of a pool would swallow it; the claim runs out and the watch comes again.
            log.exception("the run of watch %s broke off", claim.watch_id)
        finally:
            self._free.release()


def answer_job(services: Services) -> bool:
    """Do one job that an edge asked for; False when there is none."""
    with services.database.write() as work:
        job = jobs.claim(work.session, now=services.clock(), length=JOB_CLAIM)
        work.commit()
    if job is None:
        return False
    result: dict[str, Any] | None = None
    error = None
    try:
        result = _do(services, job)
    except ListenerError as expected:
        error = str(expected)
    except Exception:
        log.exception("job %s (%s) failed", job.id, job.kind)
        error = "This failed for a reason nobody expected; the log has the details."
    with services.database.write() as work:
        jobs.answer(work.session, job, result=result, error=error, now=services.clock())
        work.commit()
    return True


def _do(services: Services, job: jobs.Job) -> dict[str, Any]:
    payload = job.payload
    if job.kind == "preview":
        return _preview(services, payload)
    if job.kind == "test-channel":
        return _test_channel(services, int(payload["channel_id"]))
    raise ListenerError(f"There is no job {job.kind!r}.")


def _preview(services: Services, payload: Any) -> dict[str, Any]:
    from listener.store import brands

    checked = services.check_watch(
        payload["source"], payload["params"], match=payload.get("match"), every=None
    )
    brand = None
    if payload.get("brand_id") is not None:
        with services.database.read() as session:
            brand = brands.get(session, int(payload["brand_id"]))
    return services.preview(payload["source"], checked.params, match=checked.match, brand=brand)


def _test_channel(services: Services, channel_id: int) -> dict[str, Any]:
    from listener.store import outbox

    with services.database.write() as work:
        outbox.put(
            work.session,
            channel_id=channel_id,
            alert_id=None,
            event="test",
            event_key=f"{services.clock():%Y%m%d%H%M%S}",
            refs={},
            now=services.clock(),
        )
        work.commit()
    return {"queued": True}
