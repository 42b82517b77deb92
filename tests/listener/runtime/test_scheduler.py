"""The scheduler: one leader, another when it dies; tasks apart from each other; an end in time."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from listener.runtime.clock import utc_now
from listener.runtime.scheduler import LEASE, Scheduler, Task
from listener.store import leases
from listener.store.work import Database

TICK = timedelta(seconds=0.05)

LEADER = """
import sys, time
from datetime import timedelta
from listener.runtime import scheduler
from listener.runtime.clock import utc_now
from listener.store.work import Database

scheduler.LEASE_LENGTH, scheduler.HEARTBEAT = timedelta(seconds=2), timedelta(seconds=0.3)
out = open(sys.argv[2], "a", buffering=1)
task = scheduler.Task("write", timedelta(seconds=0.1), lambda: out.write(sys.argv[3] + "\\n"))
scheduler.Scheduler(Database(sys.argv[1]), [task], clock=utc_now).start()
out.write("ready " + sys.argv[3] + "\\n")
time.sleep(60)
"""


def wait_for(what: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def made(sqlite: Database) -> Iterator[Callable[..., Scheduler]]:
    """Makes schedulers of tasks, and stops them in the end."""
    all_made: list[Scheduler] = []

    def make(*tasks: Task) -> Scheduler:
        all_made.append(Scheduler(sqlite, tasks, clock=utc_now))
        return all_made[-1]

    yield make
    for one in all_made:
        one.stop(1)


def test_of_two_processes_one_leads_and_the_other_takes_over(
    database: Database, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.touch()
    processes = [
        subprocess.Popen([sys.executable, "-c", LEADER, database.url, str(log), name])
        for name in ("a", "b")
    ]
    try:
        wait_for(lambda: log.read_text().count("ready") == 2 and len(_ticks(log)) > 5)
        ticks = _ticks(log)
        (leader,) = set(ticks)
        processes["ab".index(leader)].kill()
        killed = time.monotonic()
        wait_for(lambda: set(_ticks(log)) == {"a", "b"})
        assert time.monotonic() - killed < 5  # a lease of 2 s, a heartbeat of 0.3 s, a busy machine
        after = "".join(_ticks(log))
        assert after.lstrip(leader).strip("ab".replace(leader, "")) == ""  # never both
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _ticks(log: Path) -> list[str]:
    return [line for line in log.read_text().split("\n") if line in ("a", "b")]


def test_a_task_that_raises_stops_neither_itself_nor_others(
    made: Callable[..., Scheduler], caplog: pytest.LogCaptureFixture
) -> None:
    calls = {"bad": 0, "good": 0}

    def bad() -> None:
        calls["bad"] += 1
        raise ValueError("broken")

    def good() -> None:
        calls["good"] += 1

    made(Task("bad", TICK, bad), Task("good", TICK, good)).start()
    wait_for(lambda: calls["bad"] >= 3 and calls["good"] >= 3)
    assert "task bad failed" in caplog.text
    assert "ValueError: broken" in caplog.text


def test_a_task_never_overlaps_itself_and_a_long_one_holds_up_no_other(
    made: Callable[..., Scheduler],
) -> None:
    inside, most, others = [0], [0], [0]

    def long() -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.4)
        inside[0] -= 1

    def other() -> None:
        others[0] += 1

    made(Task("long", TICK, long), Task("other", TICK, other)).start()
    time.sleep(1.2)
    assert most[0] == 1
    assert others[0] >= 5


def test_a_tick_that_comes_late_is_run(made: Callable[..., Scheduler]) -> None:
    """Ticks missed while a task was long count as one, and that one runs."""
    calls: list[float] = []

    def slow() -> None:
        calls.append(time.monotonic())
        if len(calls) == 1:
            time.sleep(1.5)  # longer than APScheduler's own grace

    made(Task("slow", TICK, slow)).start()
    wait_for(lambda: len(calls) >= 2)
    assert 1.4 < calls[1] - calls[0] < 3


def test_stopping_waits_for_a_task_and_gives_the_lease_back(
    sqlite: Database, made: Callable[..., Scheduler]
) -> None:
    began, ended = threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        time.sleep(0.3)
        ended.set()

    scheduler = made(Task("work", TICK, work))
    scheduler.start()
    assert scheduler.leading
    assert began.wait(10)
    assert scheduler.stop(10) == []
    assert ended.is_set()
    assert _holder(sqlite) is None


def test_stopping_does_not_wait_for_ever_and_then_keeps_the_lease(
    sqlite: Database, made: Callable[..., Scheduler]
) -> None:
    began, go = threading.Event(), threading.Event()

    def hang() -> None:
        began.set()
        go.wait(20)

    scheduler = made(Task("hang", TICK, hang))
    scheduler.start()
    assert began.wait(10)
    assert scheduler.stop(0.2) == ["hang"]
    assert _holder(sqlite) is not None
    go.set()


def _holder(database: Database) -> str | None:
    with database.read() as session:
        return leases.holder_of(session, LEASE, now=utc_now())


def test_a_nudge_brings_a_task_forward_or_has_it_run_once_more(
    made: Callable[..., Scheduler],
) -> None:
    calls: list[float] = []
    go = threading.Event()

    def slow() -> None:
        calls.append(time.monotonic())
        go.wait(10)

    scheduler = made(Task("slow", timedelta(hours=1), slow))
    scheduler.nudge("slow")  # not started yet: nothing happens
    scheduler.start()
    scheduler.nudge("slow")
    wait_for(lambda: len(calls) == 1)
    for _ in range(3):
        scheduler.nudge("slow")  # it runs: once more is enough
    go.set()
    wait_for(lambda: len(calls) == 2)
    time.sleep(0.2)
    assert len(calls) == 2
    scheduler.stop(5)
    scheduler.nudge("slow")
    assert len(calls) == 2
