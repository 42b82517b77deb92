"""When a watch runs next. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from listener.types import Outcome

LONGEST_BACKOFF = timedelta(hours=6)
"""A source that keeps failing is still tried this often."""

GONE_AGAIN = timedelta(days=1)
"""A source that is gone is asked once a day, in case it comes back, until the watch is stopped."""

_FINE = frozenset({Outcome.OK, Outcome.UNCHANGED, Outcome.SUSPECT, Outcome.LOST})
_SPREAD = 0.1  # of the wait, so that watches made together drift apart


def next_run(
    interval: timedelta,
    outcome: Outcome,
    *,
    failures: int,
    retry_at: datetime | None,
    next_at: datetime | None,
    now: datetime,
    jitter: float,
) -> datetime:
    """The time of the next run.

    After success it is one interval away. After the n-th failure in a row (``failures`` counts this
    one) it is interval · 2^n, six hours at most, or the interval if that is longer. A told
    ``retry_at`` replaces the backoff of a rate limit, so that a walk goes on as soon as it may.
    Never earlier than the source asks (``retry_at``, ``next_at``). ``jitter`` in 0..1 adds up to a
    tenth of the wait and never takes away.
    """
    if not 0 <= jitter <= 1:
        raise ValueError("jitter is in 0..1")
    if outcome in _FINE:
        wait = interval
    elif outcome is Outcome.GONE:
        wait = max(GONE_AGAIN, interval)
    elif outcome is Outcome.RATE_LIMITED and retry_at is not None:
        wait = max(retry_at - now, timedelta())
    else:
        # 2^20 intervals are past the cap for any interval; more would overflow.
        doubled = interval * 2 ** min(max(failures, 1), 20)
        wait = max(min(doubled, LONGEST_BACKOFF), interval)
    at = now + wait * (1 + _SPREAD * jitter)
    return max(moment for moment in (at, retry_at, next_at) if moment is not None)
