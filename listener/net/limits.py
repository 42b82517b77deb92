"""How often a host may be asked: least delay, token bucket, "not before" as told by a 429, and a
circuit breaker for hosts that fail.

``reserve`` and the breaker's ``admit``, ``failed`` are the pure heart: state and rule in, slot out.
``Limiter`` waits for the slot. The state lives in a ``LimitStore``, so that processes can share it;
the one in memory is for a single process.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from listener.errors import RateLimited, SourceUnavailable

T = TypeVar("T")

Clock = Callable[[], datetime]
"""Gives the time in UTC."""

Sleep = Callable[[float], None]
"""Waits for so many seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How often one host may be asked on one connection.

    ``delay`` lies between any two requests; on top of it ``burst`` requests may be made at once and
    one more after each ``refill`` (a token bucket; zero = none). 450 per 15 minutes is
    ``Rule(burst=450, refill=2 s)`` at most. ``breaker`` = a host that fails again and again is left
    alone for a while.
    """

    delay: timedelta = timedelta(seconds=1)
    burst: int = 1
    refill: timedelta = timedelta()
    breaker: bool = True


FREE = Rule(delay=timedelta(), breaker=False)
"""No waiting of our own, only what the host asks for: hosts inside the network, alerts."""

TRIP = 5
"""So many failures in a row, of whatever watches, open the breaker of a host."""

FIRST_OPEN = timedelta(minutes=1)
LONGEST_OPEN = timedelta(minutes=30)
_PROBE = timedelta(minutes=1)  # while one request tries the host again, no other does
_SPREAD = 0.1  # of a wait, so that those who were told it do not all come back at once


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitState:
    """What is remembered of a host: the last slot given, the bucket, and what the host asked for.

    ``full_at`` is when the bucket will be full again (the "theoretical arrival time" of the GCRA,
    ITU-T I.371), so that one moment stands for the whole bucket. ``failures`` counts those in a
    row, ``open_until`` is until when the host is left alone for them.
    """

    last_at: datetime | None = None
    full_at: datetime | None = None
    held_until: datetime | None = None
    failures: int = 0
    open_until: datetime | None = None


def reserve(state: LimitState, rule: Rule, now: datetime) -> tuple[LimitState, datetime]:
    """Take the next slot: the state after it, and the moment (``now`` or later) at which to ask."""
    at = now
    if state.held_until is not None:
        at = max(at, state.held_until)
    if state.last_at is not None:
        at = max(at, state.last_at + rule.delay)
    full_at = state.full_at or at
    if rule.refill:
        at = max(at, full_at - (max(rule.burst, 1) - 1) * rule.refill)
    return replace(state, last_at=at, full_at=max(full_at, at) + rule.refill), at


def admit(state: LimitState, now: datetime) -> tuple[LimitState, datetime | None]:
    """Ask the breaker: the state after it, and until when the host is left alone (None = go).

    Once that time is over one request goes out as a probe; the others wait for what it finds.
    """
    if state.failures < TRIP or state.open_until is None:
        return state, None
    if now < state.open_until:
        return state, state.open_until
    return replace(state, open_until=now + _PROBE), None


def failed(state: LimitState, now: datetime) -> LimitState:
    """Count a failure. From the fifth in a row on the host is left alone, each time for twice as
    long.
    """
    failures = min(state.failures + 1, 1_000)
    if failures < TRIP:
        return replace(state, failures=failures)
    length = min(FIRST_OPEN * 2 ** min(failures - TRIP, 10), LONGEST_OPEN)
    return replace(state, failures=failures, open_until=now + length)


def modest(rule: Rule) -> Rule:
    """The rule for a back-fill: half of the burst, so that live requests never find it used up."""
    return replace(rule, burst=max(rule.burst // 2, 1))


class LimitStore(Protocol):
    """Where limit states live. ``change`` must be atomic over all users of the store."""

    def change(self, key: str, step: Callable[[LimitState], tuple[LimitState, T]]) -> T:
        """Replace the state of ``key`` (a new one if unknown) by the first of what ``step`` gives,
        and return the second. ``step`` is pure and may be called again after a conflict."""
        ...


class MemoryLimits:
    """Limit states of this process, safe between threads."""

    def __init__(self) -> None:
        self._states: dict[str, LimitState] = {}
        self._lock = threading.Lock()

    def change(self, key: str, step: Callable[[LimitState], tuple[LimitState, T]]) -> T:
        """Change one state under the lock."""
        with self._lock:
            state, result = step(self._states.get(key, LimitState()))
            self._states[key] = state
            return result


class Limiter:
    """Waits until a host may be asked.

    Keys are ``host:port|account``: the same server may be asked on several accounts, each with
    limits of its own.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        sleep: Sleep = time.sleep,
        store: LimitStore | None = None,
        rule: Rule | None = None,
        patience: timedelta = timedelta(seconds=30),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.rule = rule or Rule()
        self._clock = clock
        self._sleep = sleep
        self._store: LimitStore = store or MemoryLimits()
        self._patience = patience
        self._jitter = jitter

    def wait(self, key: str, rule: Rule | None = None, *, background: bool = False) -> int:
        """Sleep until it is our turn; gives the failures in a row of the host, for ``succeeded``.

        Raises RateLimited when our turn is further off than the limiter's patience, and
        SourceUnavailable when the host failed too often to be asked now; no slot is taken then.
        """
        now = self._clock()
        chosen = rule or self.rule
        if background:
            chosen = modest(chosen)

        def step(state: LimitState) -> tuple[LimitState, tuple[datetime, datetime | None, int]]:
            after, at = reserve(state, chosen, now)
            if at - now > self._patience:
                return state, (at, None, state.failures)
            if chosen.breaker:
                after, closed_until = admit(after, now)
                if closed_until is not None:
                    return state, (now, closed_until, state.failures)
            return after, (at, None, state.failures)

        at, closed_until, failures = self._store.change(key, step)
        host = key.partition("|")[0]
        if closed_until is not None:
            retry_at = closed_until + (closed_until - now) * _SPREAD * self._jitter()
            raise SourceUnavailable(
                f"{host} failed {failures} times in a row;"
                f" it is asked again at {closed_until:%Y-%m-%d %H:%M:%S} UTC.",
                hint="Nothing is to be done: it is tried by itself until it answers.",
                retry_at=retry_at,
            )
        if at - now > self._patience:
            raise RateLimited(
                f"Requests to {host} are held back until {at:%Y-%m-%d %H:%M:%S} UTC.",
                retry_at=at,
            )
        if at > now:
            self._sleep((at - now).total_seconds())
        return failures

    def hold(self, key: str, until: datetime) -> None:
        """Let nobody ask this host before ``until`` (what a 429 told). A shorter hold never undoes
        a longer one.
        """

        def step(state: LimitState) -> tuple[LimitState, None]:
            held = max(until, state.held_until) if state.held_until else until
            return replace(state, held_until=held), None

        self._store.change(key, step)

    def failed(self, key: str) -> None:
        """The host did not answer, or with a fault of its own."""
        now = self._clock()
        self._store.change(key, lambda state: (failed(state, now), None))

    def succeeded(self, key: str) -> None:
        """The host answered: failures are forgotten. Only worth calling when there were some."""
        self._store.change(key, lambda state: (replace(state, failures=0, open_until=None), None))
