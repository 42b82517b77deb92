"""Figures on cases whose answers are known by hand."""

from __future__ import annotations

import pytest

from listener.enrich import metrics
from listener.enrich.evaluate import Example, evaluate, examples_of, measure
from listener.enrich.reader import Reader
from listener.enrich.tables import format_of, rows
from listener.errors import InvalidInput
from listener.types import Label, Reading, Sentiment


def test_shares() -> None:
    meant, told = list("aaab"), list("aabb")
    assert metrics.accuracy(meant, told) == 0.75
    assert metrics.balanced_accuracy(meant, told) == pytest.approx((2 / 3 + 1) / 2)
    assert metrics.f1(meant, told, "a") == pytest.approx(0.8)
    assert metrics.macro_f1(meant, told) == pytest.approx((0.8 + 2 / 3) / 2)
    assert metrics.macro_f1(meant, told, ["a", "b", "c"]) == pytest.approx((0.8 + 2 / 3) / 3)
    assert metrics.confusion(meant, told) == {("a", "a"): 2, ("a", "b"): 1, ("b", "b"): 1}
    assert metrics.precision_recall([True, True, False], [True, False, True]) == (0.5, 0.5)
    for empty in (metrics.accuracy, metrics.balanced_accuracy, metrics.macro_f1):
        assert empty([], []) == 0.0
    assert metrics.precision_recall([False], [False]) == (0.0, 0.0)


def test_calibration() -> None:
    assert metrics.ece([0.75] * 4, [True, True, True, False]) == 0
    assert metrics.ece([1.0, 0.0], [False, True]) == 1
    assert metrics.ece([0.9, 0.9, 0.2], [True, False, False]) == pytest.approx(
        (2 * 0.4 + 1 * 0.2) / 3
    )
    assert metrics.ece([], []) == 0
    (low, high) = metrics.reliability([0.05, 1.0], [False, True])
    assert (low.low, low.count, low.true) == (0.0, 1, 0.0)
    assert (high.high, high.told, high.true) == (1.0, 1.0, 1.0)


def a_reading(score: float | None, label: Label = Label.NEUTRAL, language: str = "ko") -> Reading:
    sentiment = None
    if score is not None:
        sentiment = Sentiment(score=score, label=label, confidence=0.9, model="m", version="1")
    return Reading(language=language, sentiment=sentiment, complaint=None, topics=())


def test_what_is_measured() -> None:
    examples = [
        Example(2, "a", Label.POSITIVE),
        Example(3, "b", Label.NEGATIVE),
        Example(4, "c", Label.NEGATIVE),
        Example(5, "d", Label.NEUTRAL),
        Example(6, "e", Label.POSITIVE),
        Example(7, "f", Label.MIXED),
    ]
    readings = [
        a_reading(0.8, Label.POSITIVE),
        a_reading(-0.6, Label.NEGATIVE),
        a_reading(0.9, Label.POSITIVE),
        a_reading(-0.1, Label.UNCERTAIN),
        a_reading(None, language="ja"),
        a_reading(0.0, Label.MIXED),
    ]
    found = measure(examples, readings)
    assert (found.n, found.unscored, found.polar) == (6, 1, 3)
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.balanced == pytest.approx(0.75)
    assert found.accuracy_3 == pytest.approx(4 / 5)
    assert found.confusion[("negative", "positive")] == 1
    assert [(w.line, w.score) for w in found.worst] == [(4, 0.9)]
    whole, by_language = evaluate(examples, lambda texts: readings)
    assert whole.n == 6
    assert {language: one.n for language, one in by_language.items()} == {"ko": 5, "ja": 1}
    assert by_language["ja"].accuracy is None
    assert measure([], []).ece is None


@pytest.mark.parametrize(
    ("table", "options", "labels"),
    [
        (
            ["text,label", "a,positive", "b,부정", "c,Neutral"],
            {},
            ["positive", "negative", "neutral"],
        ),
        (["document,label", "a,1", "b,0"], {}, ["positive", "negative"]),
        (["text,label", "a,2", "b,1", "c,0"], {}, ["positive", "neutral", "negative"]),
        (
            ["review,rating", "a,1", "b,2", "c,3", "d,4", "e,5"],
            {},
            ["negative", "negative", "neutral", "positive", "positive"],
        ),
        (["review,rating", "a,8", "b,1"], {}, ["positive", "negative"]),
        (["text,label,n", "x,y,5", "z,w,1"], {"stars": "n"}, ["positive", "negative"]),
        (["text,stars", "a,4"], {"scale": 10.0}, ["negative"]),
    ],
)
def test_columns_and_scales_are_found(
    table: list[str], options: dict[str, object], labels: list[str]
) -> None:
    found = examples_of(rows(table, "csv"), blame=lambda *_: None, **options)  # type: ignore[arg-type]
    assert [str(one.label) for one in found] == labels


def test_a_stray_number_makes_no_other_scale() -> None:
    faults: list[int] = []
    table = ["text,stars", *["a,5", "b,1"] * 60, "c,9"]
    found = examples_of(rows(table, "csv"), blame=lambda line, _: faults.append(line))
    assert [one.label for one in found[:2]] == [Label.POSITIVE, Label.NEGATIVE]
    assert (len(found), faults) == (120, [122])


def test_what_cannot_be_measured_is_told() -> None:
    faults: list[int] = []
    table = ["text,label", "a,positive", "b,hm", ",negative", "c", "d,negative"]
    found = examples_of(rows(table, "csv"), blame=lambda line, _: faults.append(line))
    assert [one.text for one in found] == ["a", "d"]
    assert sorted(faults) == [3, 4, 5]
    for bad, message in (
        (["text,x", "a,1"], "what the texts mean"),
        (["a,b"], "nothing to measure"),
        (["text,stars", "a,many"], "no number"),
    ):
        with pytest.raises(InvalidInput, match=message):
            examples_of(rows(bad, "csv"), blame=lambda *_: None)
    with pytest.raises(InvalidInput, match="no format"):
        format_of(None, "xml")


def test_the_real_reader_is_measured(reader: Reader) -> None:
    table = ["text,stars", "배송이 너무 늦어요,1", "정말 마음에 들어요,5", "I hate it,1", "最高,5"]
    whole, by_language = evaluate(
        examples_of(rows(table, "csv"), blame=lambda *_: None), reader.read_texts
    )
    assert (whole.accuracy, whole.unscored) == (1.0, 1)
    assert by_language["ko"].n == 2
