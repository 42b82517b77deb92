"""How often a host may be asked."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.errors import RateLimited, SourceUnavailable
from listener.net.limits import (
    FREE,
    LONGEST_OPEN,
    Limiter,
    LimitState,
    MemoryLimits,
    Rule,
    admit,
    failed,
    modest,
    reserve,
)

NOW = datetime(2025, 3, 10, 12, 0, tzinfo=UTC)


def s(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def test_a_delay_lies_between_any_two_requests(clock: Any) -> None:
    limiter = Limiter(clock, sleep=clock.sleep, rule=Rule(delay=s(2)))
    for _ in range(3):
        limiter.wait("a:443|")
    limiter.wait("b:443|")  # another host does not wait
    limiter.wait("a:443|7")  # nor does another account
    assert clock.slept == [2, 2]


def test_a_bucket_lets_a_burst_through_and_then_the_rate() -> None:
    rule = Rule(delay=s(0), burst=3, refill=s(10))
    state = LimitState()
    slots = []
    for _ in range(5):
        state, at = reserve(state, rule, NOW)
        slots.append((at - NOW).total_seconds())
    assert slots == [0, 0, 0, 10, 20]
    _, at = reserve(state, rule, NOW + s(1_000))
    assert at == NOW + s(1_000)


@given(
    st.integers(1, 5),
    st.integers(1, 20),
    st.integers(0, 5),
    st.lists(st.integers(0, 30), min_size=1, max_size=40),
)
def test_no_window_ever_holds_more_than_burst_and_rate(
    burst: int, refill: int, delay: int, pauses: list[int]
) -> None:
    rule = Rule(delay=s(delay), burst=burst, refill=s(refill))
    state, now, slots = LimitState(), NOW, []
    for pause in pauses:
        now += s(pause)
        state, at = reserve(state, rule, now)
        assert at >= now
        slots.append(at)
    for i, first in enumerate(slots):
        for j in range(i + 1, len(slots)):
            assert (slots[j] - first) >= (j - i) * s(delay)
            assert (j - i + 1) <= burst + (slots[j] - first) / s(refill)


def test_a_hold_is_obeyed_and_never_shortened(clock: Any) -> None:
    limiter = Limiter(clock, sleep=clock.sleep, rule=FREE)
    limiter.hold("a:443|", clock.now + s(20))
    limiter.hold("a:443|", clock.now + s(5))
    limiter.wait("a:443|")
    assert clock.slept == [20]
    limiter.wait("a:443|")
    assert clock.slept == [20]


def test_a_long_hold_is_told_instead_of_slept(clock: Any) -> None:
    limiter = Limiter(clock, sleep=clock.sleep, rule=FREE)
    until = clock.now + s(900)
    limiter.hold("api.example:443|7", until)
    for _ in range(3):
        with pytest.raises(RateLimited, match=r"api\.example:443 are held back until") as caught:
            limiter.wait("api.example:443|7")
        assert caught.value.retry_at == until
    clock.now = until
    limiter.wait("api.example:443|7")
    assert clock.slept == []


def test_threads_share_one_queue(clock: Any) -> None:
    store = MemoryLimits()
    slots: list[datetime] = []

    def work() -> None:
        rule = Rule(delay=s(1))
        slots.extend(store.change("a", lambda st: reserve(st, rule, NOW)) for _ in range(50))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(slots) == [NOW + s(i) for i in range(200)]


# --- the circuit breaker -----------------------------------------------------------------------


def test_the_breaker_opens_after_five_failures_and_doubles() -> None:
    state, lengths = LimitState(), []
    for _ in range(12):
        state = failed(state, NOW)
        lengths.append((state.open_until - NOW) / s(60) if state.open_until else 0)
    assert lengths == [0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30]
    for _ in range(2_000):
        state = failed(state, NOW)
    assert state.open_until == NOW + LONGEST_OPEN


def test_one_probe_goes_out_when_the_time_is_over() -> None:
    state = LimitState()
    for _ in range(5):
        state = failed(state, NOW)
    assert admit(state, NOW + s(59))[1] == NOW + s(60)
    probing, until = admit(state, NOW + s(60))
    assert until is None
    assert admit(probing, NOW + s(61))[1] == NOW + s(120)  # the others wait for the probe
    assert admit(failed(probing, NOW + s(61)), NOW + s(150))[1] == NOW + s(181)


def test_an_open_breaker_says_so_and_when(clock: Any) -> None:
    limiter = Limiter(clock, sleep=clock.sleep, rule=Rule(delay=s(0)), jitter=lambda: 0.5)
    for _ in range(5):
        limiter.wait("a.example:443|")
        limiter.failed("a.example:443|")
    with pytest.raises(SourceUnavailable, match="failed 5 times in a row; it is asked") as caught:
        limiter.wait("a.example:443|")
    assert caught.value.retry_at == clock.now + s(63)  # with a little jitter
    limiter.wait("a.example:443|7")  # another account is another matter
    limiter.wait("a.example:443|", FREE)  # so is what must not wait
    clock.now += s(63)
    assert limiter.wait("a.example:443|") == 5
    limiter.succeeded("a.example:443|")
    assert limiter.wait("a.example:443|") == 0


def test_a_backfill_sees_half_of_the_burst(clock: Any) -> None:
    rule = Rule(delay=s(0), burst=10, refill=s(60))
    limiter = Limiter(clock, sleep=clock.sleep, rule=rule)
    for _ in range(5):
        limiter.wait("a:443|", background=True)
    with pytest.raises(RateLimited):
        limiter.wait("a:443|", background=True)
    for _ in range(5):
        limiter.wait("a:443|")
    assert clock.slept == []
    assert modest(FREE) == FREE
