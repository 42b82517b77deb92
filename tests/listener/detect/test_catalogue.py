"""From rules to series and back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from listener.detect import catalogue
from listener.detect.catalogue import Parts, SeriesKey, filter_of, parts_of, series_of, wants
from listener.types import By, Rule, Scope, Sensitivity, Severity, Signal

NOW = datetime(2025, 3, 10, 12, 0, tzinfo=UTC)
RULE = Rule(id=7, brand_id=1, name="불만", signal=Signal.COMPLAINTS)
KNOWN = frozenset(
    {
        *("all", "negative", "complaint", "source:x", "source:x:complaint", "tag:nature:technical"),
        *("topic:delivery", "topic:delivery:complaint", "topic:price", "topic:price:negative"),
    }
)


def names(rule: Rule) -> list[str]:
    return [key.dimension for key in series_of(rule, KNOWN)]


@pytest.mark.parametrize(
    ("signal", "scope", "expected"),
    [
        (Signal.MENTIONS, Scope(), ["all"]),
        (Signal.COMPLAINTS, Scope(), ["complaint"]),
        (Signal.LOW_RATINGS, Scope(source="reviews"), ["source:reviews:low_rating"]),
        (Signal.MENTIONS, Scope(language="ja"), ["language:ja"]),
        (Signal.NEGATIVE, Scope(country="KR"), ["country:KR:negative"]),
        (Signal.COMPLAINTS, Scope(topic="*"), ["topic:delivery:complaint"]),
        (Signal.MENTIONS, Scope(topic="*"), ["topic:delivery", "topic:price"]),
        (Signal.NEGATIVE_SHARE, Scope(), ["share:negative"]),
        (Signal.NEGATIVE_SHARE, Scope(topic="*"), ["share:negative:topic:price"]),
        (Signal.RATING, Scope(source="x"), ["mean:rating:source:x"]),
        (Signal.NET_SENTIMENT, Scope(), ["mean:sentiment"]),
        (Signal.COMPLAINTS, Scope(source="x", language="ko"), ["rule:7"]),
        (Signal.NEGATIVE_SHARE, Scope(topic="t" * 40), ["rule:7"]),
        (Signal.VIRAL, Scope(), []),
    ],
)
def test_series_of_a_rule(signal: Signal, scope: Scope, expected: list[str]) -> None:
    found = names(replace(RULE, signal=signal, scope=scope))
    assert found == expected
    assert all(len(name) <= 60 for name in found)


def test_series_are_counted_as_the_rule_says_but_for_shares() -> None:
    authors = replace(RULE, by=By.AUTHORS, sensitivity=Sensitivity.HIGH)
    assert series_of(authors, KNOWN) == [SeriesKey("complaint", By.AUTHORS, Sensitivity.HIGH)]
    share = replace(authors, signal=Signal.NEGATIVE_SHARE)
    assert series_of(share, KNOWN) == [SeriesKey("share:negative", By.POSTS, Sensitivity.HIGH)]


def test_rules_share_series_and_those_that_are_off_have_none() -> None:
    other, off = replace(RULE, id=8), replace(RULE, id=9, signal=Signal.NEGATIVE, enabled=False)
    found = catalogue.watched_by([RULE, other, off], KNOWN)
    key = SeriesKey("complaint", By.STORIES, Sensitivity.NORMAL)
    assert found == {key: (RULE, other)}


@pytest.mark.parametrize(
    ("dimension", "expected"),
    [
        ("complaint", Parts("complaint")),
        ("topic:delivery:complaint", Parts("topic:delivery:complaint")),
        ("share:negative", Parts("negative", "all")),
        ("share:negative:topic:price", Parts("topic:price:negative", "topic:price")),
        ("mean:rating", Parts("rated", "rated")),
        ("mean:rating:source:x", Parts("source:x:rated", "source:x:rated")),
        ("mean:sentiment:language:ko", Parts("language:ko", "language:ko")),
    ],
)
def test_what_buckets_have_to_hold(dimension: str, expected: Parts) -> None:
    assert parts_of(dimension) == expected


@pytest.mark.parametrize(
    ("dimension", "expected"),
    [
        ("all", {}),
        ("complaint", {"complaint": "true"}),
        ("topic:delivery:complaint", {"topic": "delivery", "complaint": "true"}),
        ("country:KR:negative", {"country": "KR", "sentiment": "negative"}),
        ("source:x", {"source": "x"}),
        ("low_rating", {"low_rating": "true"}),
        ("mean:rating:source:x", {"source": "x", "rated": "true"}),
        ("share:negative:topic:price", {"topic": "price", "sentiment": "negative"}),
        ("rule:7", {"source": "x", "language": "ko", "complaint": "true"}),
        ("viral:12", {}),
    ],
)
def test_the_filter_of_a_series(dimension: str, expected: dict[str, str]) -> None:
    rule = replace(RULE, scope=Scope(source="x", language="ko"))
    assert filter_of(dimension, rule) == expected


@pytest.mark.parametrize(
    ("fields", "score", "observed", "wanted"),
    [
        ({}, 0.5, 5, True),
        ({}, 0.4, 50, False),
        ({}, 3.0, 4, False),
        ({"strictness": 0.3}, 0.7, 5, False),
        ({"strictness": 0.3}, 0.8, 5, True),
        ({"sensitivity": Sensitivity.HIGHEST}, -0.5, 5, True),
        ({"scope": Scope(topic="*")}, 1.0, 5, False),
        ({"scope": Scope(topic="*")}, 1.5, 5, True),
        ({"enabled": False}, 3.0, 50, False),
        ({"muted_until": NOW + timedelta(hours=1)}, 3.0, 50, False),
        ({"muted_until": NOW}, 3.0, 50, True),
    ],
)
def test_what_a_rule_wants(
    fields: dict[str, Any], score: float, observed: float, wanted: bool
) -> None:
    assert wants(replace(RULE, **fields), score=score, observed=observed, now=NOW) is wanted


def test_severity_is_by_size_unless_a_rule_says_it() -> None:
    def severity(**given: Any) -> Severity:
        usual: dict[str, Any] = {"score": 1.0, "observed": 8, "expected": 1.0, "trend": False}
        return catalogue.severity_of(**(usual | given))

    assert severity() == Severity.MEDIUM
    assert severity(observed=4) == Severity.LOW
    assert severity(score=2.0) == Severity.HIGH
    assert severity(observed=30, expected=5.0) == Severity.HIGH
    assert severity(observed=30, expected=5.0, trend=True) == Severity.LOW
    low, high = replace(RULE, severity=Severity.LOW), replace(RULE, severity=Severity.HIGH)
    assert severity(score=3.0, rules=[RULE, low]) == Severity.LOW
    assert severity(rules=[low, high, RULE]) == Severity.HIGH
