from __future__ import annotations

from itertools import pairwise

import pytest

from listener.enrich.clauses import split, toward


def pieces(text: str) -> list[str]:
    return [text[c.start : c.end].strip() for c in split(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "배송은 빨랐지만 품질이 별로예요. 환불해 주세요!",
            ["배송은 빨랐지만", "품질이 별로예요.", "환불해 주세요!"],
        ),
        ("쿠팡은 빠른데 11번가는 느려요", ["쿠팡은 빠른데", "11번가는 느려요"]),
        ("그런데 두 군데 다 좋아요", ["그런데 두 군데 다 좋아요"]),
        ("잘 썼습니다 근데 비싸요", ["잘 썼습니다", "근데 비싸요"]),
        ("값은 3.5만원, shop.com 에서", ["값은 3.5만원, shop.com 에서"]),
        ("It was great, but it broke", ["It was great,", "but it broke"]),
        ("one\n\ntwo", ["one", "two"]),
        ("빨라요!그런데 비싸요", ["빨라요!", "그런데 비싸요"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_splits_into_clauses(text: str, expected: list[str]) -> None:
    assert pieces(text) == expected


def test_clauses_cover_the_text_in_order() -> None:
    text = "배송은 빨랐지만 품질이... 별로예요?! But it broke; sorry.\n끝"
    clauses = split(text)
    assert clauses[0].start == 0
    assert clauses[-1].end == len(text)
    assert all(a.end <= b.start for a, b in pairwise(clauses))


def at(text: str, word: str) -> list[tuple[int, int]]:
    start = text.index(word)
    return [(start, start + len(word))]


def test_each_brand_gets_its_clauses_and_what_follows_them() -> None:
    text = "Acme was great but Bolt lost my parcel. Never again."
    said = toward(text, {1: at(text, "Acme"), 2: at(text, "Bolt")})
    assert said == {1: "Acme was great", 2: "but Bolt lost my parcel. Never again."}


def test_a_clause_with_both_is_said_of_both_and_the_lead_of_all() -> None:
    text = "Bad day. Acme and Bolt both failed."
    said = toward(text, {1: at(text, "Acme"), 2: at(text, "Bolt")})
    assert said[1] == said[2] == text


def test_a_brand_without_spans_gets_what_names_no_other() -> None:
    text = "배송이 늦어요. 볼트는 빨라요."
    said = toward(text, {1: [], 2: at(text, "볼트")})
    assert said[1] == "배송이 늦어요."
    assert "빨라요" in said[2]


def test_a_brand_without_spans_gets_the_whole_text_if_nothing_else_is_left() -> None:
    text = "볼트는 빨라요."
    assert toward(text, {1: [], 2: at(text, "볼트")})[1] == text
