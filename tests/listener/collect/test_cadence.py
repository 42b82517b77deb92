"""When a watch runs next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.collect.cadence import LONGEST_BACKOFF, next_run
from listener.types import Outcome

NOW = datetime(2025, 3, 10, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def wait(outcome: Outcome = Outcome.OK, **given: Any) -> timedelta:
    args: dict[str, Any] = {
        "interval": 10 * MINUTE, "failures": 0, "retry_at": None, "next_at": None, "jitter": 0.0,
    }  # fmt: skip
    args |= given
    return next_run(args.pop("interval"), outcome, now=NOW, **args) - NOW


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.UNCHANGED, Outcome.SUSPECT, Outcome.LOST])
def test_after_success_one_interval(outcome: Outcome) -> None:
    assert wait(outcome) == 10 * MINUTE


def test_failures_back_off_to_six_hours() -> None:
    waits = [wait(Outcome.UNAVAILABLE, failures=n) / MINUTE for n in (1, 2, 3, 4, 5, 6, 60)]
    assert waits == [20, 40, 80, 160, 320, 360, 360]
    assert wait(Outcome.BLOCKED, failures=9, interval=timedelta(days=1)) == timedelta(days=1)


def test_the_source_decides_how_long_a_rate_limit_lasts() -> None:
    assert wait(Outcome.RATE_LIMITED, failures=3, retry_at=NOW + 4 * MINUTE) == 4 * MINUTE
    assert wait(Outcome.RATE_LIMITED, failures=1, retry_at=NOW + 900 * MINUTE) == 900 * MINUTE
    assert wait(Outcome.RATE_LIMITED, failures=1) == 20 * MINUTE


def test_what_the_source_asks_for_is_never_undercut() -> None:
    assert wait(next_at=NOW + 60 * MINUTE) == 60 * MINUTE
    assert wait(next_at=NOW + 1 * MINUTE) == 10 * MINUTE
    assert wait(Outcome.UNAVAILABLE, failures=1, retry_at=NOW + 90 * MINUTE) == 90 * MINUTE


def test_what_is_gone_is_asked_once_a_day() -> None:
    assert wait(Outcome.GONE, failures=5) == timedelta(days=1)


def test_jitter_spreads_but_never_hurries() -> None:
    assert wait(jitter=1.0) == 11 * MINUTE
    with pytest.raises(ValueError, match="jitter"):
        wait(jitter=1.5)


@given(
    st.timedeltas(timedelta(seconds=10), timedelta(days=7)),
    st.sampled_from(Outcome),
    st.integers(0, 10_000),
    st.none() | st.timedeltas(-timedelta(days=2), timedelta(days=2)),
    st.none() | st.timedeltas(-timedelta(days=2), timedelta(days=2)),
    st.floats(0, 1),
)
def test_always_later_and_never_too_early(
    interval: timedelta,
    outcome: Outcome,
    failures: int,
    retry: timedelta | None,
    after: timedelta | None,
    jitter: float,
) -> None:
    at = next_run(
        interval,
        outcome,
        failures=failures,
        retry_at=None if retry is None else NOW + retry,
        next_at=None if after is None else NOW + after,
        now=NOW,
        jitter=jitter,
    )
    assert at >= NOW + max(retry or timedelta(), after or timedelta())
    longest = max(
        interval, LONGEST_BACKOFF, timedelta(days=1), retry or interval, after or interval
    )
    assert at <= NOW + longest * 1.1 + MINUTE
