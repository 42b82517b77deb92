from __future__ import annotations

import pytest

from listener.enrich.clauses import Clause, split
from listener.enrich.combine import combine, inverted, parts_of
from listener.types import Label, Sentiment


def scored(score: float, raw: float | None = None) -> Sentiment:
    label = Label.POSITIVE if score > 0.2 else Label.NEGATIVE if score < -0.2 else Label.NEUTRAL
    return Sentiment(score=score, label=label, confidence=0.9, model="m", version="1", raw=raw)


def together(*scores: float) -> Sentiment:
    parts = [Clause(n * 50, n * 50 + 50) for n in range(len(scores))]
    found = combine(parts, [scored(score) for score in scores])
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("배송 빨라요. 품질은 별로. 그래도 싸요.", 0),
        ("하나. 둘. 셋. 넷.", 4),
        ("a " * 200, 0),  # one sentence cannot be read by sentence
        ("아주 긴 문장입니다. " * 30, 30),
        ("문장입니다. " * 500, 36),
    ],
)
def test_long_texts_are_read_by_sentence(text: str, count: int) -> None:
    assert len(parts_of(text, split(text))) == count


def test_the_beginning_and_the_end_of_a_very_long_text_are_read() -> None:
    text = ("문장입니다. " * 500).strip()
    parts = parts_of(text, split(text))
    assert parts[0].start == 0
    assert parts[-1].end == len(text)


def test_many_mild_sentences_do_not_add_up_to_a_certain_verdict() -> None:
    assert together(*[0.3] * 30).score == pytest.approx(0.3)
    assert together(0.9, *[0.0] * 5).score < 0.9


def test_the_end_and_strong_words_count_more() -> None:
    assert together(0.6, 0.0, 0.0, -0.6).score < 0 < together(-0.6, 0.0, 0.0, 0.6).score
    assert together(0.9, -0.3, -0.3).score > 0


def test_a_long_text_has_a_label_of_its_own() -> None:
    assert together(0.9, 0.8, 0.7, -0.3).label is Label.POSITIVE
    assert together(-0.9, 0.0, -0.7, 0.3).label is Label.NEGATIVE
    assert together(0.9, 0.8, -0.8, -0.9).label is Label.MIXED
    assert together(0.05, 0.0, -0.1, 0.0).label is Label.NEUTRAL


def test_what_was_not_scored_is_left_out() -> None:
    parts = [Clause(0, 50), Clause(50, 100)]
    found = combine(parts, [None, scored(0.8, raw=0.5)])
    assert found is not None
    assert (found.score, found.raw) == (pytest.approx(0.8), 0.5)
    assert combine(parts, [None, None]) is None


def test_praise_of_another_is_blame_but_weaker() -> None:
    found = inverted(scored(0.8, raw=0.7))
    assert found is not None
    assert found.label is Label.NEGATIVE
    assert -0.8 < found.score < 0
    assert found.raw is None
    assert inverted(None) is None
