from __future__ import annotations

from pathlib import Path

import pytest

from listener.analyze.korean import End, Lexicon
from listener.analyze.phrases import Borders, Finder, key_of, written_words

SENTENCES = Path(__file__).with_name("noun_phrases.tsv")


def finder(texts: list[str], *breaks: str) -> Finder:
    return Finder(
        Lexicon(word for text in texts for word in written_words(text)), frozenset(breaks)
    )


def found(text: str, *others: str) -> list[str]:
    """The longest phrases of a text, others being the rest of the brand's texts."""
    runs = finder([text, *others]).runs(text)
    return [" ".join(word.noun for word in run) for run in runs]


def halves() -> dict[str, list[tuple[str, set[str]]]]:
    """The sentences that were looked at while the finder was written, and those that were not."""
    lines = [line for line in SENTENCES.read_text("utf-8").splitlines() if line[:1] != "#"]
    cut = lines.index("held")
    pairs = {"seen": lines[:cut], "held": lines[cut + 1 :]}
    return {
        name: [(line.split("\t")[0], set(line.split("\t")[1].split("|"))) for line in half]
        for name, half in pairs.items()
    }


@pytest.mark.parametrize(
    ("half", "precise", "complete"), [("seen", 0.95, 0.95), ("held", 0.9, 0.9)]
)
def test_noun_phrases_of_sentences(half: str, precise: float, complete: float) -> None:
    every = halves()
    assert sum(map(len, every.values())) >= 100
    finds = finder([text for pairs in every.values() for text, _ in pairs])
    right = told = wanted = 0
    for text, expected in every[half]:
        got = {" ".join(word.noun for word in run) for run in finds.runs(text)}
        right += len(got & expected)
        told += len(got)
        wanted += len(expected)
    assert right / told >= precise, right / told
    assert right / wanted >= complete, right / wanted


@pytest.mark.parametrize(
    ("form", "noun", "end"),
    [
        ("배송이", "배송", End.CLOSED),
        ("고객센터에서는", "고객센터", End.CLOSED),
        ("만족도", "만족도", End.OPEN),
        ("속도가", "속도", End.CLOSED),
        ("광고를", "광고", End.CLOSED),
        ("설명서", "설명서", End.OPEN),
        ("반품했습니다", "반품", End.CLOSED),
        ("앱에서", "앱", End.CLOSED),
        ("직원들이", "직원", End.CLOSED),
        ("예뻐서", "", End.NONE),
        ("불편합니다", "", End.NONE),
        ("없는데", "", End.NONE),
        ("갑자기", "", End.NONE),
    ],
)
def test_noun_of_a_written_word(form: str, noun: str, end: End) -> None:
    assert Lexicon([form]).cut(form) == (noun, end)


def test_other_forms_tell_a_noun_from_a_noun_with_its_particle() -> None:
    known = Lexicon(["파인애플망고", "파인애플망고를", "파인애플망고가"])
    assert known.cut("파인애플망고").noun == "파인애플망고"


def test_what_follows_tells_a_verb() -> None:
    assert found("색상을 바꿀 수 없어요") == ["색상"]
    assert found("나사가 맞지 않아요") == ["나사"]


def test_phrases_end_at_particles_punctuation_numbers_and_stop_words() -> None:
    assert found("포장 상태, 배송 속도 2일 정말 환불 규정") == [
        "포장 상태",
        "배송 속도",
        "환불 규정",
    ]


def test_english_phrases_hold_no_stop_words_and_no_plurals() -> None:
    assert found("The delivery drivers are always late with my gift boxes") == [
        "delivery driver",
        "late",
        "gift box",
    ]


def test_names_of_the_brand_break_a_phrase() -> None:
    finds = finder(["하늘마켓 새벽배송 지연"], "하늘마켓")
    assert [phrase.text for phrase in finds.phrases("하늘마켓 새벽배송 지연")] == [
        "새벽배송",
        "새벽배송 지연",
        "지연",
    ]


def test_spellings_with_and_without_a_space_are_one() -> None:
    texts = ["고객 센터가 안 받아요", "고객센터는 불친절해요", "고객센터를 찾아요"]
    finds = finder(texts)
    borders = Borders([finds.phrases(text) for text in texts])
    assert key_of(["고객", "센터"]) == "고객센터"
    assert borders.spellings("고객센터") == ["고객센터", "고객 센터"]
    assert borders.holds("고객센터")


def test_a_part_that_always_has_the_same_neighbour_is_no_phrase() -> None:
    texts = [f"{front} 새벽 배송 지연이 심해요" for front in ("역시나", "또", "오늘", "계속", "왜")]
    finds = finder(texts)
    borders = Borders([finds.phrases(text) for text in texts])
    assert not borders.holds("새벽배송")
    assert borders.holds("새벽배송지연")


def test_words_that_only_happen_to_be_neighbours_are_no_phrase() -> None:
    fronts = ("포장", "가격", "색상", "크기", "재질")
    backs = ("배송", "직원", "매장", "쿠폰", "앱")
    texts = [f"{front} {back} 좋아요" for front in fronts for back in backs]
    finds = finder(texts)
    borders = Borders([finds.phrases(text) for text in texts])
    assert not borders.holds("포장배송")
