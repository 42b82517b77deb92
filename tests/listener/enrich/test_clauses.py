from __future__ import annotations

from itertools import pairwise

import pytest

from listener.enrich.clauses import closed, compared, refine, sentences, split, toward


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


def said(text: str, *brands: str) -> dict[str, tuple[str, str]]:
    """For each brand what is said of it, and what is said of another that it is the measure of."""
    positions = {n: at(text, name) if name in text else [] for n, name in enumerate(brands)}
    found = toward(text, split(text), positions)
    return {
        brands[n]: (
            " ".join(text[c.start : c.end].strip() for c in one.own),
            " ".join(text[c.start : c.end].strip() for c in one.against),
        )
        for n, one in found.items()
    }


def test_each_brand_gets_its_clauses_and_what_follows_them() -> None:
    assert said("Acme was great but Bolt lost my parcel. Never again.", "Acme", "Bolt") == {
        "Acme": ("Acme was great", ""),
        "Bolt": ("but Bolt lost my parcel. Never again.", ""),
    }


@pytest.mark.parametrize(
    ("text", "good", "bad"),
    [
        ("Acme is great, Bolt is awful", "Acme is great,", "Bolt is awful"),
        ("Acme is great and Bolt is awful", "Acme is great", "and Bolt is awful"),
        ("Acme는 좋은데 Bolt는 최악", "Acme는 좋은데", "Bolt는 최악"),
        ("Acme는 싸고 Bolt는 비싸요", "Acme는 싸고", "Bolt는 비싸요"),
    ],
)
def test_a_clause_is_cut_between_two_brands(text: str, good: str, bad: str) -> None:
    assert said(text, "Acme", "Bolt") == {"Acme": (good, ""), "Bolt": (bad, "")}


@pytest.mark.parametrize(
    "text", ["Bad day. Acme and Bolt both failed.", "Acme, Bolt 다 별로예요", "Acme랑 Bolt 최고"]
)
def test_a_clause_with_both_is_said_of_both_and_the_lead_of_all(text: str) -> None:
    assert said(text, "Acme", "Bolt") == {"Acme": (text, ""), "Bolt": (text, "")}


@pytest.mark.parametrize(
    "text",
    [
        "Acme보다 Bolt가 낫다",
        "Bolt가 Acme보다 훨씬 좋아요",
        "Acme 말고 Bolt 쓰세요 훨씬 좋아요",
        "Acme 쓰다가 Bolt로 갈아탔는데 훨씬 좋네요",
        "Acme에서 Bolt로 옮겼어요 대만족",
        "Bolt is so much better than Acme",
        "I would choose Bolt over Acme any day",
        "Switched from Acme to Bolt, so much better",
    ],
)
def test_what_another_is_measured_by_is_said_against_it(text: str) -> None:
    found = said(text, "Acme", "Bolt")
    assert found["Bolt"] == (text, "")
    assert found["Acme"] == ("", text)


def test_why_somebody_left_is_said_of_what_was_left() -> None:
    text = "Acme 쓰다가 자꾸 튕겨서 Bolt로 갈아탔는데 훨씬 좋네요"
    found = said(text, "Acme", "Bolt")
    assert found["Acme"][0] == "Acme 쓰다가 자꾸 튕겨서"
    assert found["Bolt"][0] == "Bolt로 갈아탔는데 훨씬 좋네요"


@pytest.mark.parametrize(
    "text",
    [
        "Nothing is better than Acme, not even Bolt",
        "I ordered from Acme and Bolt",
        "Acme보다 좋은 건 없어요",
    ],
)
def test_not_every_than_or_from_measures(text: str) -> None:
    assert said(text, "Acme", "Bolt")["Acme"][1] == ""


def test_one_brand_alone_may_be_the_measure() -> None:
    assert compared("Acme보다 낫네요", [(0, 4)])
    assert compared("better than Acme", [(12, 16)])
    assert not compared("Acme 좋네요", [(0, 4)])
    assert said("Acme보다 훨씬 낫네요", "Acme") == {"Acme": ("", "Acme보다 훨씬 낫네요")}


def test_a_brand_without_spans_gets_what_names_no_other() -> None:
    found = said("배송이 늦어요. 볼트는 빨라요.", "애크미", "볼트")
    assert found["애크미"] == ("배송이 늦어요.", "")
    assert "빨라요" in found["볼트"][0]


def test_a_brand_of_which_nothing_is_left_gets_nothing() -> None:
    assert said("볼트는 빨라요.", "애크미", "볼트")["애크미"] == ("", "")


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("배송 빠르고 품질 좋아요", ("배송", "품질"), ["배송 빠르고", "품질 좋아요"]),
        (
            "fast delivery and great price",
            ("delivery", "price"),
            ["fast delivery", "and great price"],
        ),
        ("delivery and price were bad", ("delivery", "price"), ["delivery and price were bad"]),
        ("배송, 품질, 가격 다 좋아요", ("배송", "품질", "가격"), ["배송, 품질, 가격 다 좋아요"]),
        ("배송하고 품질이 좋아요", ("배송", "품질"), ["배송하고 품질이 좋아요"]),
        ("배송이 빠르고 조용해요", ("배송",), ["배송이 빠르고 조용해요"]),
    ],
)
def test_clauses_are_cut_where_they_speak_of_different_things(
    text: str, words: tuple[str, ...], expected: list[str]
) -> None:
    spots = sorted((*span, word) for word in words for span in at(text, word))
    found = refine(text, split(text), spots)
    assert [text[c.start : c.end].strip() for c in found] == expected
    assert found[0].start == 0
    assert found[-1].end == len(text)


def test_sentences_end_with_stops_lines_and_korean_endings() -> None:
    text = "배송은 빨랐지만 별로예요. It broke, but fine\n잘 쓰고 있습니다 포장도 좋아요 끝"
    found = [text[c.start : c.end].strip() for c in sentences(text, split(text))]
    assert found == [
        "배송은 빨랐지만 별로예요.",
        "It broke, but fine",
        "잘 쓰고 있습니다",
        "포장도 좋아요",
        "끝",
    ]
    assert sentences("", []) == []


@pytest.mark.parametrize(
    ("clause", "statement"),
    [
        ("상품은 좋은데 ", "상품은 좋네요"),
        ("배송은 빠른데, ", "배송은 빠르네요"),
        ("어제 왔는데", "어제 왔네요"),
        ("디자인은 예쁘지만 ", "디자인은 예쁘네요"),
        ("좋다더니 ", "좋다네요"),
        ("품질이 별로", "품질이 별로"),
        ("군데군데 얼룩", "군데군데 얼룩"),
        ("", ""),
    ],
)
def test_a_clause_of_contrast_becomes_a_statement(clause: str, statement: str) -> None:
    assert closed(clause) == statement
