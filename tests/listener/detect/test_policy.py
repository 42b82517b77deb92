"""A policy refuses values that make no sense, and says which."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from listener.detect.policy import Policy, policy_of
from listener.errors import InvalidInput
from listener.types import Sensitivity


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"step": timedelta(seconds=30)}, "step"),
        ({"step": timedelta(days=7)}, "step"),
        ({"windows": ()}, "windows"),
        ({"false_alarms": 0.0}, "false_alarms"),
        ({"min_ratio": 0.5}, "min_ratio"),
    ],
)
def test_nonsense_is_refused(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Policy(**change)
    assert caught.value.field == field


def test_fewer_false_alarms_raise_the_threshold() -> None:
    assert Policy(false_alarms=0.1).threshold == pytest.approx(1.0)
    assert Policy(false_alarms=1.0).threshold == 0


def test_a_sensitivity_is_a_rate_of_false_alarms() -> None:
    rates = [policy_of(sensitivity).false_alarms for sensitivity in Sensitivity]
    assert rates == [0.1, 0.35, 1.0, 4.3]
    assert policy_of(Sensitivity.NORMAL) == Policy()
