from __future__ import annotations

from listener.analyze.strengths import Clause, find_topics, strengths, weaknesses


def clauses(topic: str, good: int, bad: int, *, first: int = 0) -> list[Clause]:
    """Clauses of mentions of their own, by authors of their own."""
    return [
        Clause(
            first + n,
            topic,
            0,
            10,
            0.8 if n < good else -0.8,
            "positive" if n < good else "negative",
            f"s{first + n}",
            f"a{first + n}",
        )
        for n in range(good + bad)
    ]


def test_strengths_and_weaknesses_are_ranked_by_how_sure_they_are() -> None:
    topics = find_topics(
        [
            *clauses("staff", 45, 5),
            *clauses("price", 20, 4, first=100),
            *clauses("delivery", 10, 60, first=200),
            *clauses("refund", 1, 20, first=300),
            *clauses("quality", 3, 1, first=400),
        ]
    )
    assert [topic.name for topic in strengths(topics)] == ["staff", "price"]
    assert [topic.name for topic in weaknesses(topics)] == ["refund", "delivery"]
    (few,) = [topic for topic in topics if not topic.enough]
    assert (few.name, few.stories) == ("quality", 4)


def test_copies_count_once_and_both_sides_can_be_told() -> None:
    one = Clause(1, "delivery", 0, 9, -0.9, "negative", "press", "a")
    copies = [Clause(n, "delivery", 0, 9, -0.9, "negative", "press", f"b{n}") for n in range(2, 50)]
    both = [
        Clause(90, "delivery", 0, 9, 0.9, "positive", "own", "c"),
        Clause(90, "delivery", 9, 20, -0.7, "negative", "own", "c"),
    ]
    (topic,) = find_topics([one, *copies, *both])
    assert (topic.stories, topic.negative.stories, topic.positive.stories) == (2, 2, 1)
    assert topic.negative.authors == 50
    assert [e.mention_id for e in topic.negative.examples] == [49, 90]


def test_change_against_the_period_before() -> None:
    (topic,) = find_topics(clauses("delivery", 20, 60), clauses("delivery", 50, 30))
    assert topic.negative.change == 60 / 80 - 30 / 80
    assert topic.negative.change_interval is not None
    assert topic.negative.change_interval[0] > 0.2
    (topic,) = find_topics(clauses("delivery", 20, 60), clauses("delivery", 3, 3))
    assert topic.negative.change is None


def test_clauses_without_topic_or_judgement_say_nothing() -> None:
    neutral = Clause(1, "delivery", 0, 9, 0.0, "neutral", "s", "a")
    nameless = Clause(2, "", 0, 9, 0.9, "positive", "t", "b")
    assert find_topics([neutral, nameless]) == ()
