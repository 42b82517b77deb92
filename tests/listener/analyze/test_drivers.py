from __future__ import annotations

import random

import pytest

from listener.analyze.drivers import (
    Driver,
    Measure,
    Outcome,
    Standing,
    find_drivers,
    measure_of,
    score_of,
)


def a_world(seed: int, count: int = 1_500) -> list[Outcome]:
    """Stars in which delivery costs one star. Refunds are mostly told with delivery and cost
    nothing; quality is told at will and costs nothing; the shop is stricter than the store.
    """
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        topics = set()
        if chance.random() < 0.3:
            topics.add("delivery")
        if chance.random() < (0.7 if "delivery" in topics else 0.1):
            topics.add("refund")
        if chance.random() < 0.4:
            topics.add("quality")
        group = "shop" if chance.random() < 0.5 else "store"
        score = 4.2 - ("delivery" in topics) - 0.4 * (group == "shop") + chance.gauss(0, 0.8)
        found.append(Outcome(min(5.0, max(1.0, score)), frozenset(topics), group))
    return found


def by_topic(outcomes: list[Outcome]) -> dict[str, Driver]:
    return {driver.topic: driver for driver in find_drivers(outcomes).topics}


def test_a_planted_driver_is_within_its_interval_and_first() -> None:
    drivers = find_drivers(a_world(1))
    first = drivers.topics[0]
    assert first.topic == "delivery"
    assert first.standing is Standing.SURE
    assert first.effect is not None
    assert first.low is not None
    assert first.high is not None
    assert first.low < -0.95 < first.high  # scores are cut at five, which takes a little off
    assert first.low < first.effect < first.high < 0
    assert first.impact == pytest.approx(first.effect * first.count / drivers.count)


def test_a_confounded_topic_is_no_driver() -> None:
    found = by_topic(a_world(2))
    refund = found["refund"]
    assert refund.mean is not None
    assert refund.mean_others is not None
    assert refund.mean < refund.mean_others - 0.3  # it looks like one
    assert refund.standing is Standing.UNSURE
    assert refund.effect is not None
    assert abs(refund.effect) < 0.15


def test_intervals_hold_what_they_promise() -> None:
    inside = 0
    worlds = 100
    for seed in range(worlds):
        quality = by_topic(a_world(1_000 + seed, 250))["quality"]
        assert quality.low is not None
        assert quality.high is not None
        inside += quality.low <= 0 <= quality.high
    assert 0.89 * worlds <= inside <= worlds


def test_false_drivers_are_rare_among_many_topics() -> None:
    chance = random.Random(7)
    false = 0
    for _ in range(40):
        outcomes = [
            Outcome(
                float(chance.randint(1, 5)),
                frozenset(t for t in "abcdefghijklmnop" if chance.random() < 0.2),
            )
            for _ in range(300)
        ]
        false += any(d.standing is Standing.SURE for d in find_drivers(outcomes).topics)
    assert false / 40 <= 0.1


def test_few_mentions_are_said_to_be_too_few() -> None:
    outcomes = [Outcome(5.0, frozenset({"all"})) for _ in range(60)]
    outcomes += [Outcome(1.0, frozenset({"all", "rare"})) for _ in range(5)]
    found = by_topic(outcomes)
    assert found["rare"].standing is Standing.TOO_FEW
    assert (found["rare"].count, found["rare"].mean, found["rare"].effect) == (5, 1.0, None)
    assert found["all"].standing is Standing.TOO_FEW  # nothing is without it
    assert found["all"].mean_others is None


def test_topics_that_always_come_together_cannot_be_told_apart() -> None:
    outcomes = [Outcome(2.0 + n % 2, frozenset({"a", "b"})) for n in range(40)]
    outcomes += [Outcome(4.0 + n % 2, frozenset()) for n in range(40)]
    found = by_topic(outcomes)
    assert found["a"].standing is Standing.SURE
    assert found["b"].standing is Standing.INSEPARABLE


def test_a_difference_of_sources_is_no_driver() -> None:
    outcomes = [Outcome(2.0 + n % 2, frozenset({"app"}), "store") for n in range(60)]
    outcomes += [Outcome(2.0 + n % 2, frozenset(), "store") for n in range(30)]
    outcomes += [Outcome(4.0 + n % 2, frozenset(), "shop") for n in range(60)]
    found = by_topic(outcomes)
    assert found["app"].standing is Standing.UNSURE
    assert found["app"].effect == pytest.approx(0.0, abs=1e-9)


def test_nothing_gives_nothing() -> None:
    assert find_drivers([]).topics == ()
    drivers = find_drivers([Outcome(3.0, frozenset())])
    assert (drivers.count, drivers.mean, drivers.topics) == (1, 3.0, ())


@pytest.mark.parametrize(
    ("kind", "low", "high", "measure"),
    [
        ("review", 1.0, 5.0, Measure.RATING),
        ("review", 0.0, 10.0, Measure.RATING),
        ("survey", 0.0, 10.0, Measure.NPS),
        ("survey", 1.0, 5.0, Measure.CSAT),
        ("survey", 1.0, 7.0, Measure.CES),
        ("survey", None, None, Measure.CSAT),
    ],
)
def test_measures_follow_from_kind_and_scale(
    kind: str, low: float | None, high: float | None, measure: Measure
) -> None:
    assert measure_of(kind, low, high) is measure


def test_means_of_scores_are_the_measures() -> None:
    answers = [10, 9, 8, 7, 6, 0]
    assert sum(score_of(Measure.NPS, a, 0, 10) for a in answers) / 6 == 0.0  # 2 of 6 minus 2 of 6
    assert [score_of(Measure.CSAT, a, 1, 5) for a in (3, 4, 5)] == [0.0, 100.0, 100.0]
    assert score_of(Measure.CES, 4, 1, 7) == 4.0
    assert score_of(Measure.RATING, 5, 0, 10) == 3.0
    assert score_of(Measure.RATING, 4, None, None) == 4.0
