"""Limits shared over processes: two users of one database take turns."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest

from builders import NOW
from listener.errors import RateLimited, SourceUnavailable
from listener.net.limits import Limiter, Rule
from listener.store.limits import DatabaseLimits
from listener.store.work import Database

SECOND = timedelta(seconds=1)


def _limiter(database: Database, slept: list[float]) -> Limiter:
    return Limiter(
        clock=lambda: NOW,
        sleep=slept.append,
        store=DatabaseLimits(database),
        rule=Rule(delay=SECOND),
    )


def test_two_processes_take_turns(database: Database) -> None:
    slept: list[float] = []
    one = _limiter(database, slept)
    other = _limiter(Database(database.url), slept)
    one.wait("news.example:443|")
    other.wait("news.example:443|")
    one.wait("news.example:443|")
    one.wait("blog.example:443|")
    assert slept == [1.0, 2.0]


def test_a_hold_reaches_the_other_process(database: Database) -> None:
    one, other = _limiter(database, []), _limiter(Database(database.url), [])
    one.hold("api.example:443|a", NOW + timedelta(minutes=15))
    with pytest.raises(RateLimited) as error:
        other.wait("api.example:443|a")
    assert error.value.retry_at == NOW + timedelta(minutes=15)
    other.wait("api.example:443|b")  # another account has limits of its own


def test_failures_of_all_processes_open_the_breaker(database: Database) -> None:
    limiters = [_limiter(database, []), _limiter(Database(database.url), [])]
    for turn in range(5):
        limiters[turn % 2].wait(f"down.example:443|{turn // 9}")
        limiters[turn % 2].failed("down.example:443|0")
    for limiter in limiters:
        with pytest.raises(SourceUnavailable, match="5 times in a row"):
            limiter.wait("down.example:443|0")
    limiters[0].succeeded("down.example:443|0")
    limiters[1].wait("down.example:443|0")


def test_no_slot_is_given_twice(database: Database) -> None:
    slots: list[datetime] = []
    lock = threading.Lock()

    def take() -> None:
        slept: list[float] = []
        _limiter(database, slept).wait("news.example:443|")
        with lock:
            slots.append(NOW + timedelta(seconds=sum(slept)))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(slots) == [NOW + n * SECOND for n in range(8)]
