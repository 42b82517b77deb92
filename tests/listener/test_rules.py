"""What makes sense as a rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from listener.errors import InvalidInput
from listener.rules import TITLES, check, default_rules
from listener.types import Rule, Scope, Signal, Step

RULE = Rule(id=1, brand_id=1, name="불만", signal=Signal.COMPLAINTS)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"scope": Scope(topic="*")},
        {"scope": Scope(source="x", language="ko")},
        {"quiet_from": 22 * 60, "quiet_to": 7 * 60},
        {"steps": (Step(channel_ids=(1,)), Step(after=HOUR))},
        {"remind_every": None, "strictness": 0.6},
    ],
)
def test_sensible(fields: dict[str, Any]) -> None:
    check(replace(RULE, **fields))


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("name", {"name": " "}),
        ("name", {"name": "x" * 201}),
        ("min_count", {"min_count": 0}),
        ("topic", {"scope": Scope(topic="a:b")}),
        ("source", {"scope": Scope(source="x" * 41)}),
        ("topic", {"scope": Scope(topic="*", source="x")}),
        ("topic", {"scope": Scope(topic="*"), "signal": Signal.VIRAL}),
        ("quiet_from", {"quiet_from": 24 * 60, "quiet_to": 0}),
        ("quiet_to", {"quiet_from": 60}),
        ("steps", {"steps": ()}),
        ("steps", {"steps": (Step(after=HOUR),)}),
        ("steps", {"steps": (Step(), Step(after=HOUR), Step(after=HOUR))}),
        ("remind_every", {"remind_every": timedelta(minutes=1)}),
        ("strictness", {"strictness": 9.0}),
    ],
)
def test_senseless(field: str, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refused:
        check(replace(RULE, **fields))
    assert refused.value.field == field


def test_a_brand_comes_with_rules_that_call_people() -> None:
    rules = default_rules(7, competitor=False)
    for rule in rules:
        check(rule)
    assert {rule.brand_id for rule in rules} == {7}
    assert {rule.signal for rule in rules} >= {Signal.COMPLAINTS, Signal.NEGATIVE, Signal.VIRAL}
    assert {rule.origin for rule in rules} == set(TITLES)
    quiet = [rule.signal for rule in rules if rule.steps == (Step(channel_ids=()),)]
    assert quiet == [Signal.MENTIONS], "more talk may be good news"


def test_a_competitor_calls_nobody() -> None:
    assert {rule.steps for rule in default_rules(7, competitor=True)} == {(Step(channel_ids=()),)}
