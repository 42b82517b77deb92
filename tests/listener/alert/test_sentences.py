"""A spike in words: both languages, each number with the mentions that it counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from listener.alert.sentences import (
    Speech,
    Subject,
    cause,
    headline,
    plain,
    rarity,
    sentences,
    title,
)

ONSET = datetime(2026, 11, 22, 5, 5, tzinfo=UTC)
NAMES = {"delivery": ("배송", "delivery"), "refund": ("환불", "refunds"), "x": ("X", "X")}


def named(code: str, language: str) -> str:
    return NAMES.get(code, (code, code))[language != "ko"]


KO = Speech(language="ko", tz=ZoneInfo("Asia/Seoul"), topic=named, source=named)
EN = replace(KO, language="en")


def driver(name: str, count: int, of: int, usual: float = 0.1) -> dict[str, Any]:
    share = count / of
    return {
        "name": name,
        "count": count,
        "share": share,
        "usual_share": usual,
        "excess": count - usual * 4,
    }


TOLD: dict[str, Any] = {
    "mentions": 37,
    "stories": 25,
    "authors": 31,
    "complaints": 37,
    "complaint_share": 1.0,
    "usual_complaint_share": 0.4,
    "topics": [driver("delivery", 37, 37), driver("refund", 15, 37)],
    "sources": [driver("x", 28, 37, 0.4)],
    "products": [driver("쿠션", 12, 37, 0.0)],
    "phrases": [{"text": "택배 파손", "count": 20, "usual": 0, "z": 4.0, "mentions": 23}],
    "flagged": 9,
    "flagged_share": 9 / 46,
    "counts_flagged": False,
    "competitors": [
        {
            "brand_id": 2,
            "name": "달빛초",
            "observed": 3,
            "usual": 2.5,
            "up": False,
            "spike_id": None,
        }
    ],
    "similar": [
        {
            "spike_id": 7,
            "onset": "2026-10-03T00:00:00+00:00",
            "lasted_s": 5 * 3600,
            "verdict": "right",
        }
    ],
}


def subject(**change: Any) -> Subject:
    values: dict[str, Any] = {
        "brand": "하늘마켓",
        "dimension": "topic:delivery:complaint",
        "by": "posts",
        "onset_at": ONSET,
        "until": ONSET + timedelta(hours=2),
        "is_open": True,
        "observed": 37.0,
        "expected": 4.0,
        "low": 0.6,
        "high": 8.9,
        "score": 1.55,
        "told": TOLD,
    }
    return Subject(**{**values, **change})


def words(one: Subject, speech: Speech) -> str:
    return " ".join(plain(s) for s in sentences(one, speech))


def test_the_headline_says_since_when_how_much_and_what_is_usual() -> None:
    assert plain(headline(subject(), KO)) == (
        "11월 22일 14:05부터 지금까지 배송 불만이 37건 올라왔습니다. "
        "평소 이 시간대라면 4건쯤(대개 1~9건)이니 9.2배입니다."
    )
    assert plain(headline(subject(), EN)) == (
        "Since 22 Nov 14:05 there have been 37 complaints about delivery. "
        "About 4 (mostly 1 to 9) would be usual at this time: 9.2 times as many."
    )
    assert title(subject(), KO) == "배송 불만 37건, 평소의 9.2배"


def test_each_way_of_counting_has_its_words_and_its_link() -> None:
    by_story = headline(subject(by="stories"), KO)
    assert plain(by_story).startswith(
        "11월 22일 14:05부터 지금까지 배송 불만이 37건(같은 글은 한 번만) 올라왔습니다."
    )
    assert by_story[1].narrow == {"once": "story"}
    by_author = headline(subject(by="authors", is_open=False), KO)
    assert plain(by_author).startswith("11월 22일 14:05부터 배송 불만을 쓴 사람이 37명입니다.")
    assert by_author[1].narrow == {"once": "author"}
    assert "37 complaints about delivery (each story counted once)" in plain(
        headline(subject(by="stories"), EN)
    )
    assert "37 people with complaints" in plain(headline(subject(by="authors"), EN))
    assert title(subject(by="authors"), KO) == "배송 불만 37명, 평소의 9.2배"
    assert headline(subject(), KO)[1].narrow == {}


def test_where_hardly_any_are_usual_no_ratio_is_told() -> None:
    few = subject(expected=0.04, low=0.0, high=0.3)
    assert plain(headline(few, KO)).endswith("평소 이 시간대에는 거의 없습니다.")
    assert "times" not in plain(headline(few, EN))
    assert title(few, EN) == "37 complaints about delivery, hardly any are usual"


def test_why_in_korean() -> None:
    assert [plain(s) for s in sentences(subject(), KO)] == [
        "우연이라면 이 브랜드에서 3년에 한 번쯤 있을 일입니다.",
        "‘택배 파손’이라는 말이 37건 중 23건에 나옵니다.",
        "41%(15건)가 환불 이야기입니다(평소 10%).",
        "32%(12건)가 상품 쿠션 이야기입니다(평소 0%).",
        "76%(28건)가 X에서 나왔습니다(평소 40%).",
        "31명이 따로 쓴 글로, 한두 사람이 만든 급증이 아닙니다.",
        "모두 37건 가운데 12건(32%)은 같은 글을 옮긴 것입니다.",
        "같은 시간의 9건(20%)은 협찬·홍보·자동 반복으로 보여 세지 않았습니다.",
        "같은 시간 경쟁사(달빛초)에서는 늘지 않았습니다.",
        "비슷한 급증이 10월 3일 09:00에도 있었고 5시간 만에 끝났습니다 (실제 문제로 표시됨).",
    ]


def test_why_in_english() -> None:
    assert [plain(s) for s in sentences(subject(), EN)] == [
        "By chance this brand would see it about once in 3 years.",
        "“택배 파손” stands in 23 of the 37.",
        "41% (15) speak of refunds (usually 10%).",
        "32% (12) are about the product 쿠션 (usually 0%).",
        "76% (28) come from X (usually 40%).",
        "31 people wrote them: it is not the work of one or two accounts.",
        "Of all 37 mentions 12 (32%) are copies of another.",
        "9 (20%) look sponsored, promotional or automated and are not counted.",
        "달빛초 saw no rise at the same time.",
        "It is like the spike of 3 Oct 09:00, which was over after 5 hours (marked as real).",
    ]


@pytest.mark.parametrize("speech", [KO, EN])
def test_every_number_of_mentions_knows_its_filter(speech: Speech) -> None:
    links = [p.narrow for s in sentences(subject(), speech) for p in s if p.narrow is not None]
    assert links == [
        {"q": "택배 파손"},
        {"topic": "refund"},
        {"product": "쿠션"},
        {"source": "x"},
        {},
        {"flagged": "true"},
    ]
    (at,) = [p for s in sentences(subject(), speech) for p in s if p.spike is not None]
    assert at.spike == 7


def test_one_loud_account_is_a_warning() -> None:
    loud = TOLD | {"writers": [driver("a_loud", 20, 37, 0.0)]}
    assert "주의: 한 사람이 20건(54%)을 썼습니다." in words(subject(told=loud), KO)
    assert "one account wrote 20 of them (54%)" in words(subject(told=loud), EN)
    assert "따로 쓴" not in words(subject(told=loud), KO)


def test_competitors_that_rise_too_are_told_with_their_spike() -> None:
    rivals = [
        {"brand_id": 2, "name": "달빛초", "observed": 12, "usual": 2.5, "up": True, "spike_id": 9},
        {"brand_id": 3, "name": "바다결", "observed": 8, "usual": 1, "up": True, "spike_id": None},
    ]
    found = sentences(subject(told=TOLD | {"competitors": rivals}), KO)
    (sentence,) = [s for s in found if "경쟁사" in plain(s)]
    assert plain(sentence) == "같은 시간 경쟁사 달빛초 등 2곳도 늘었습니다(12건, 평소 2.5건)."
    (piece,) = [p for p in sentence if p.brand]
    assert (piece.brand, piece.narrow) == (2, {})
    theirs = subject(competitor=True)
    assert "다른 브랜드(달빛초)" in words(theirs, KO)


def test_what_says_nothing_is_left_out() -> None:
    bare = {"mentions": 4, "stories": 4, "authors": 2, "topics": [driver("refund", 1, 9)]}
    assert [plain(s) for s in sentences(subject(told=bare), KO)] == [
        "우연이라면 이 브랜드에서 3년에 한 번쯤 있을 일입니다."
    ]
    assert cause(subject(told={}), KO) == []
    assert plain(cause(subject(), KO)[0]) == "‘택배 파손’이라는 말이 37건 중 23건에 나옵니다."


@pytest.mark.parametrize(
    ("score", "ko", "en"),
    [
        (-0.7, "한 달에 5번쯤", "about 5 times a month"),
        (0.0, "한 달에 한 번쯤", "about once a month"),
        (0.5, "3개월에 한 번쯤", "about once in 3 months"),
        (1.09, "1년에 한 번쯤", "about once a year"),
        (1.56, "3년에 한 번쯤", "about once in 3 years"),
        (2.3, "10년에 한 번도 드묾", "rarer than once in 10 years"),
        (30.0, "10년에 한 번도 드묾", "rarer than once in 10 years"),
    ],
)
def test_rarity_is_capped_where_nobody_could_know(score: float, ko: str, en: str) -> None:
    assert (rarity(score, "ko"), rarity(score, "en")) == (ko, en)


def test_a_slow_burn_is_said_to_be_one() -> None:
    assert "반나절 넘게 천천히" in words(subject(trend=True), KO)
    assert "slowly" in words(subject(trend=True), EN)


# --- what is no count ----------------------------------------------------------------------------

AVERAGE = {"kind": "share", "now": 0.62, "usual": 0.18, "bad": 44, "of": 71}


def test_a_share_tells_both_numbers_and_the_usual_one() -> None:
    told = {"average": AVERAGE | {"narrow": {"sentiment": ""}}}
    one = subject(dimension="share:negative", told=told)
    assert plain(headline(one, KO)) == (
        "11월 22일 14:05부터 부정 비율이 62%(71건 중 44건)로, 직전 7일(18%)보다 높습니다."
    )
    assert plain(headline(one, EN)) == (
        "Since 22 Nov 14:05 the share of negatives is 62% (44 of 71); 18% in the 7 days before."
    )
    assert [p.narrow for p in headline(one, KO) if p.narrow is not None] == [{"sentiment": ""}, {}]
    assert title(one, KO) == "부정 비율 62%, 평소 18%"


def test_a_mean_tells_of_how_many_it_is() -> None:
    told = {"average": {"kind": "rating", "now": 2.13, "usual": 4.3, "of": 24, "narrow": {}}}
    one = subject(dimension="mean:rating", told=told)
    assert plain(headline(one, KO)) == (
        "11월 22일 14:05부터 평균 별점이 2.1점(24건)으로, 직전 7일(4.3점)보다 낮습니다."
    )
    assert title(one, EN) == "mean rating 2.1, usually 4.3"


def test_single_things_tell_their_own_numbers() -> None:
    viral = {"signal": "viral", "mention_id": 5, "source": "x", "measure": "reactions"}
    viral |= {"growth": 1240, "per_hour": 310.0, "usual": 12, "usual_high": 90}
    found = headline(subject(dimension="viral:5", told={"signal": viral}), KO)
    assert plain(found) == (
        "X의 글 하나가 11월 22일 14:05부터 반응 1,240개를 더 얻었습니다(한 시간에 310개)."
        " 이 브랜드의 글은 보통 12개, 많아야 90개를 얻습니다."
    )
    assert found[1].mention == 5
    spread = {"signal": "spreading", "copies": 23, "places": 7, "usual": 2, "usual_high": 4}
    told = {"signal": spread, "mentions": 24}
    assert plain(headline(subject(dimension="spread:3", told=told), EN)) == (
        "One story has spread over 7 places since 22 Nov 14:05: 24 copies."
        " Usually a story reaches 2, seldom more than 4."
    )
    new = {"signal": "new_topic", "phrase": "이물질", "mentions": 23, "authors": 18}
    new |= {"usual": 0, "usual_days": 30}
    assert plain(headline(subject(dimension="new:이물질", told={"signal": new}), KO)) == (
        "‘이물질’이라는 말이 11월 22일 14:05부터 23건(18명)에 나왔습니다."
        " 직전 30일 동안에는 0건이었습니다."
    )


def test_a_series_without_its_numbers_is_still_named() -> None:
    assert plain(headline(subject(dimension="mean:rating", told={}), KO)) == (
        "11월 22일 14:05부터 평균 별점"
    )
