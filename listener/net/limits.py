"""How often a host may be asked: least delay, token bucket, and "not before" as told by a 429.

``reserve`` is the pure heart: state and rule in, slot out. ``Limiter`` waits for the slot. The
state lives in a ``LimitStore``, so that processes can share it; the one in memory is for a single
process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from listener.errors import RateLimited

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
    ``Rule(burst=450, refill=2 s)`` at most.
    """

    delay: timedelta = timedelta(seconds=1)
    burst: int = 1
    refill: timedelta = timedelta()


FREE = Rule(delay=timedelta())
"""No waiting of our own, only what the host asks for: hosts inside the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitState:
    """What is remembered of a host: the last slot given, the bucket, and what the host asked for.

    ``full_at`` is when the bucket will be full again (the "theoretical arrival time" of the GCRA,
    ITU-T I.371), so that one moment stands for the whole bucket.
    """

    last_at: datetime | None = None
    full_at: datetime | None = None
    held_until: datetime | None = None


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
    ) -> None:
        self.rule = rule or Rule()
        self._clock = clock
        self._sleep = sleep
        self._store: LimitStore = store or MemoryLimits()
        self._patience = patience

    def wait(self, key: str, rule: Rule | None = None) -> None:
        """Sleep until it is our turn.

        Raises RateLimited when that is further off than the limiter's patience; no slot is taken
        then.
        """
        now = self._clock()
        chosen = rule or self.rule

        def step(state: LimitState) -> tuple[LimitState, datetime]:
            after, at = reserve(state, chosen, now)
            return (state if at - now > self._patience else after), at

        at = self._store.change(key, step)
        if at - now > self._patience:
            host = key.partition("|")[0]
            raise RateLimited(
                f"Requests to {host} are held back until {at:%Y-%m-%d %H:%M:%S} UTC.",
                retry_at=at,
            )
        if at > now:
            self._sleep((at - now).total_seconds())

    def hold(self, key: str, until: datetime) -> None:
        """Let nobody ask this host before ``until`` (what a 429 told). A shorter hold never undoes
        a longer one.
        """

        def step(state: LimitState) -> tuple[LimitState, None]:
            held = max(until, state.held_until) if state.held_until else until
            return replace(state, held_until=held), None

        self._store.change(key, step)
