"""What marks teach: fewer false alarms, and hardly an event lost."""

from __future__ import annotations

import math
import random

import pytest

from listener.alert.calibration import STRICTEST, Mark, strictness

BAR = 0.5


def false(*excesses: float) -> list[Mark]:
    return [Mark(BAR + excess, right=False) for excess in excesses]


def right(*excesses: float) -> list[Mark]:
    return [Mark(BAR + excess, right=True) for excess in excesses]


def test_without_false_marks_nothing_changes() -> None:
    assert strictness([], BAR) == 0
    assert strictness(right(0.1, 2.0), BAR) == 0


def test_a_first_false_mark_asks_for_a_little_more() -> None:
    assert 0.2 <= strictness(false(0.3), BAR) <= 0.5


def test_more_of_them_ask_for_more_within_bounds() -> None:
    by_count = [strictness(false(*[0.4] * count), BAR) for count in range(12)]
    assert by_count == sorted(by_count)
    assert by_count[10] > by_count[2]
    assert strictness(false(*[3.0] * 50), BAR) == STRICTEST


def test_right_marks_hold_against_it() -> None:
    some = false(0.3, 0.3, 0.3)
    assert strictness(some + right(2, 3, 2), BAR) < strictness(some, BAR)
    assert strictness(some + right(0.2, 0.3, 0.2, 0.1), BAR) == 0  # they are no larger


def test_order_and_undoing() -> None:
    marks = false(0.2, 0.9) + right(1.5)
    assert strictness(marks, BAR) == strictness(marks[::-1], BAR)
    assert strictness(marks[1:], BAR) == strictness(false(0.9) + right(1.5), BAR)


def test_marks_of_a_keener_rule_say_nothing_now() -> None:
    assert strictness(false(-0.4, -0.1), BAR) == 0


def test_what_a_bar_keeps_back_is_not_forgotten() -> None:
    """A false alarm over a high bar stands for the many that the bar has kept back."""
    low = strictness([Mark(BAR + 1.2, False, 0.0), *right(2, 2)], BAR)
    high = strictness([Mark(BAR + 1.2, False, 1.0), *right(2, 2)], BAR)
    assert high > low


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_precision_rises_and_few_events_are_lost(seed: int) -> None:
    """A rule with two false alarms a week and an event a week, each of which is marked."""
    chance = random.Random(seed)
    marks: list[Mark] = []
    halves: list[dict[str, int]] = [{"right": 0, "false": 0, "lost": 0} for _ in range(2)]
    for week in range(104):
        half = halves[week >= 20]
        bar = strictness(marks, BAR)
        score_of = [(BAR + chance.expovariate(math.log(10)), False) for _ in range(2)]
        score_of.append((BAR + chance.expovariate(math.log(2) / 2), True))
        for score, is_right in score_of:
            if score < BAR + bar:
                half["lost"] += is_right
                continue
            half["right" if is_right else "false"] += 1
            marks.append(Mark(score, is_right, bar))
    taught = halves[1]
    precision = taught["right"] / (taught["right"] + taught["false"])
    recall = taught["right"] / (taught["right"] + taught["lost"])
    assert precision >= 0.55  # a third without marks
    assert recall >= 0.65
