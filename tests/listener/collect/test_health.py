"""How a watch is doing: states, when it is late, and one cause told once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from builders import NOW
from listener.collect.health import (
    STATE_OF,
    TROUBLED,
    WORDS,
    Case,
    Facts,
    State,
    group,
    health,
    place_of,
)
from listener.types import Outcome

MINUTE = timedelta(minutes=1)
FINE = Facts(
    enabled=True,
    every=10 * MINUTE,
    outcome=Outcome.OK,
    created_at=NOW - timedelta(days=9),
    last_success_at=NOW - 9 * MINUTE,
    next_run_at=NOW + MINUTE,
    since=NOW - timedelta(days=9),
)


def failed(outcome: Outcome, failures: int = 1) -> Facts:
    """A watch whose last run ended like that."""
    return replace(FINE, outcome=outcome, failures=failures, reason="The source said no.")


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (FINE, State.OK),
        (replace(FINE, enabled=False, outcome=Outcome.BLOCKED), State.PAUSED),
        (replace(FINE, outcome="new", last_success_at=None, created_at=NOW), State.NEW),
        (failed(Outcome.UNAVAILABLE), State.FAILING),
        (failed(Outcome.RATE_LIMITED), State.FAILING),
        (failed(Outcome.FAILED), State.FAILING),
        (failed(Outcome.SUSPECT), State.SUSPECT),
        (failed(Outcome.LAYOUT_CHANGED), State.SUSPECT),
        (failed(Outcome.BLOCKED), State.BLOCKED),
        (failed(Outcome.NEEDS_CREDENTIALS), State.NEEDS_CREDENTIALS),
        (failed(Outcome.OUT_OF_BUDGET), State.OUT_OF_BUDGET),
        (failed(Outcome.GONE), State.GONE),
    ],
)
def test_the_state_follows_from_the_facts(facts: Facts, state: State) -> None:
    told = health(facts, NOW)
    assert told.state is state
    assert told.is_trouble is (state in TROUBLED)
    assert all(told.title)
    assert all(told.reason)


@pytest.mark.parametrize("outcome", [one for one in Outcome if one is not Outcome.LOST])
def test_every_outcome_has_words_and_a_state(outcome: Outcome) -> None:
    words = WORDS[outcome]
    assert outcome in STATE_OF
    assert words.tone in ("good", "wait", "warn", "bad", "idle")
    if words.tone in ("warn", "bad"):
        assert all(words.advice), "trouble without advice"


def test_a_first_failure_is_no_reason_to_get_up() -> None:
    once, often = (health(failed(Outcome.UNAVAILABLE, n), NOW) for n in (1, 3))
    assert (once.tone, often.tone) == ("warn", "bad")
    assert "아직 할 일은 없습니다" in once.advice[0]
    assert "1 time in a row" in once.reason[1]
    assert "연속 3번째" in often.reason[0]
    assert often.advice == WORDS[Outcome.UNAVAILABLE].advice
    assert often.detail == "The source said no."


# --- late ----------------------------------------------------------------------------------------


def test_late_is_a_watch_that_is_due_and_that_nobody_collects() -> None:
    quiet = replace(FINE, next_run_at=NOW - 25 * MINUTE)
    assert health(replace(quiet, last_success_at=NOW - 30 * MINUTE), NOW).state is State.OK
    late = health(replace(quiet, last_success_at=NOW - 31 * MINUTE), NOW)
    assert late.state is State.LATE
    assert late.since == NOW - 31 * MINUTE


def test_patience_is_a_quarter_of_an_hour_at_least() -> None:
    quick = replace(FINE, every=timedelta(seconds=10), next_run_at=NOW - 14 * MINUTE)
    assert health(replace(quick, last_success_at=NOW - 15 * MINUTE), NOW).state is State.OK
    assert health(replace(quick, last_success_at=NOW - 16 * MINUTE), NOW).state is State.LATE


def test_a_watch_that_the_source_asked_to_wait_is_not_late() -> None:
    asked = replace(FINE, last_success_at=NOW - timedelta(hours=5), next_run_at=NOW + MINUTE)
    assert health(asked, NOW).state is State.OK


def test_a_new_watch_that_nobody_collects_is_late() -> None:
    new = replace(FINE, outcome="new", last_success_at=None)
    facts = replace(new, created_at=NOW - 40 * MINUTE, next_run_at=NOW - 40 * MINUTE)
    assert health(facts, NOW).state is State.LATE


def test_a_run_in_progress_is_not_late_for_two_hours() -> None:
    running = replace(FINE, claim_until=NOW + MINUTE, next_run_at=NOW - timedelta(hours=2))
    assert health(replace(running, last_success_at=NOW - timedelta(hours=2)), NOW).state is State.OK
    hangs = health(replace(running, last_success_at=NOW - timedelta(hours=3)), NOW)
    assert (hangs.state, hangs.code) == (State.LATE, "long-run")


def test_our_own_outage_makes_nobody_late() -> None:
    missed = replace(
        FINE, last_success_at=NOW - timedelta(days=2), next_run_at=NOW - timedelta(days=2)
    )
    assert health(missed, NOW).state is State.LATE
    assert health(missed, NOW, up_since=NOW - 29 * MINUTE).state is State.OK
    assert health(missed, NOW, up_since=NOW - 31 * MINUTE).state is State.LATE


def test_a_failing_watch_is_failing_and_not_late() -> None:
    overdue = replace(failed(Outcome.BLOCKED), next_run_at=NOW - timedelta(days=1))
    assert health(overdue, NOW).state is State.BLOCKED


# --- one cause, told once ------------------------------------------------------------------------


def case(
    watch_id: int, outcome: Outcome, *, place: str = "shop.example", failures: int = 1
) -> Case:
    """A watch of the source reviews in trouble."""
    told = health(failed(outcome, failures), NOW)
    return Case(watch_id=watch_id, source="reviews", place=place, health=told, failures=failures)


def test_eighteen_watches_that_fail_for_one_cause_are_one_trouble() -> None:
    cases = [case(n, Outcome.UNAVAILABLE, failures=n) for n in range(1, 19)]
    cases.append(case(19, Outcome.BLOCKED))
    cases.append(case(20, Outcome.UNAVAILABLE, place="other.example"))
    blocked, many, one = group(cases)
    assert [c.watch_id for c in blocked.cases] == [19]
    assert len(many.cases) == 18
    assert many.lead.watch_id == 18
    assert one.key == "reviews|other.example|failing"


def test_what_is_well_is_no_trouble() -> None:
    assert group([case(1, Outcome.OK)]) == []


def test_late_watches_are_one_trouble_whatever_their_source() -> None:
    late = health(
        replace(FINE, last_success_at=NOW - timedelta(days=1), next_run_at=NOW - timedelta(days=1)),
        NOW,
    )
    (trouble,) = group(
        Case(watch_id=n, source=source, place=source, health=late)
        for n, source in enumerate(("feed", "x", "reviews"))
    )
    assert (trouble.source, trouble.place, len(trouble.cases)) == ("", "", 3)


@pytest.mark.parametrize(
    ("given", "place"),
    [
        (("our app", None, {"url": "https://a.example/x"}), "our app"),
        (("", "https://b.example:8443/api", {"url": "https://a.example/x"}), "b.example"),
        (("", None, {"pages": "3", "url": "https://a.example/x\nhttps://c.example"}), "a.example"),
        (("", None, {"url": "https://[", "query": "하늘"}), ""),
    ],
)
def test_the_place_is_the_account_or_the_host(
    given: tuple[str, str | None, dict[str, str]], place: str
) -> None:
    assert place_of(*given) == place
