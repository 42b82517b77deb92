"""Words, particles and pairs of Korean and English texts."""

from __future__ import annotations

import pytest

from listener.analyze.words import Stemmer, phrases, split_words


def stems(*texts: str) -> list[list[str]]:
    words = [split_words(text) for text in texts]
    stemmer = Stemmer(words)
    return [[stemmer.stem(w) for w in ws] for ws in words]


def test_addresses_handles_and_numbers_go() -> None:
    text = "RT @shop.kr 배송 3일째 #택배파손 https://t.co/aB3 me@mail.kr Don’t 2nd iPhone15"
    assert split_words(text) == ["rt", "배송", "일째", "택배파손", "don't", "nd", "iphone15"]


@pytest.mark.parametrize(
    ("word", "stem"),
    [
        ("택배를", "택배"),
        ("사이트에서", "사이트"),
        ("배송까지", "배송"),
        ("길을", "길을"),
        ("delivery", "delivery"),
    ],
)
def test_clear_particles_are_taken_off(word: str, stem: str) -> None:
    assert stems(word) == [[stem]]


def test_unclear_ones_only_where_the_rest_occurs_otherwise() -> None:
    assert stems("배송이 늦어요", "배송 문의")[0][0] == "배송"
    assert stems("배송이 늦어요", "배송을 취소")[0][0] == "배송"
    assert stems("고양이 사료", "고양이 간식")[0][0] == "고양이"
    assert stems("고양이가 왔다", "고양이는 간다") == [["고양이", "왔다"], ["고양이", "간다"]]


def test_decomposed_hangul_is_the_same_word() -> None:
    assert split_words("\u1107\u1162송") == ["배송"]


def test_pairs_do_not_reach_over_stop_words() -> None:
    words = split_words("택배 파손 너무 심해요. the box was broken")
    singles, pairs = phrases(words, Stemmer([words]))
    assert singles == {"택배", "파손", "심해요", "box", "broken"}
    assert pairs == {"택배 파손"}
