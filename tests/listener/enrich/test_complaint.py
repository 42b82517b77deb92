from __future__ import annotations

import pytest

from listener.enrich.clauses import split
from listener.enrich.complaint import is_complaint, rating_share
from listener.enrich.meant import Meant
from listener.enrich.rules import Rules, fold
from listener.types import Label, Sentiment


def told(text: str, rules: Rules) -> bool:
    folded = fold(text)
    return bool(Meant(folded, split(folded), rules).problems(rules.find(folded)))


@pytest.mark.parametrize(
    "text",
    [
        "배송이 너무 늦어요",
        "아직도 안 왔어요",
        "결제가 안 돼요",
        "앱이 계속 튕겨요",
        "로그인 안됨",
        "환불 안 해줘요",
        "고객센터 전화 안 받음",
        "품질이 별로예요",
        "왜 이렇게 배송이 늦어요?",
        "문제가 많아요",
        "고장나서 안 돼요",
        "상담원이 불친절해요",
        "배송은 빠른데 불량이 왔어요",
        "튕겨서 쓸 수가 없어요",
        "두 번 결제됐는데 취소도 안 돼요",
        "가격이 너무 비싸요",
        "My order never arrived",
        "The app keeps crashing",
        "It doesn’t work",
        "customer service was rude",
        "I was charged twice",
        "still waiting for my refund",
        "Why is delivery so slow?",
        "not only late but broken",
        "No response from support",
        "won't load",
        "they refuse to refund",
        "terrible quality, broke after a week",
        "can't log in since the update",
        "delivery was late",
    ],
)
def test_a_problem_is_told(rules: Rules, text: str) -> None:
    assert told(text, rules)


@pytest.mark.parametrize(
    "text",
    [
        "배송 빨라요",
        "문제 없어요",
        "문제 없이 잘 써요",
        "배송 지연되나요?",
        "환불 어떻게 해요?",
        "불편한 점이 하나도 없어요",
        "고장 없이 잘 쓰고 있어요",
        "안 튕기고 좋아요",
        "튕기는 현상이 없어요",
        "늦을까 봐 걱정했는데 빨리 왔어요",
        "비싸지 않아요",
        "배송이 늦지 않고 좋아요",
        "고장나면 무상 교환되나요",
        "파손 걱정했는데 꼼꼼히 포장되어 왔어요",
        "버그 수정돼서 좋아요",
        "장애인 할인 되나요",
        "늦은 시간에도 배송해 주네요",
        "no problem",
        "No issues at all",
        "without any problems",
        "never crashed",
        "Does it crash often?",
        "the delivery was not late",
        "the delivery was never late",
        "if it breaks, can I return it?",
        "Great quality and cheap price",
        "problem solved quickly",
        "I can't complain",
        "Nothing missing, well packed",
    ],
)
def test_no_problem_is_told(rules: Rules, text: str) -> None:
    assert not told(text, rules)


@pytest.mark.parametrize(
    ("rating", "low", "high", "share"),
    [
        (1, 1, 5, 0.0),
        (2, 1, 5, 0.25),
        (3, 1, 5, 0.5),
        (4, 0, 10, 0.4),
        (5, 0, 10, 0.5),
        (4, None, None, 0.75),
        (8, None, 10, 7 / 9),
        (8, None, None, None),  # no scale of 1..5 has an 8
        (6, 1, 5, None),
        (3, 5, 5, None),
        (None, 1, 5, None),
    ],
)
def test_where_a_rating_stands_on_its_scale(
    rating: float | None, low: float | None, high: float | None, share: float | None
) -> None:
    assert rating_share(rating, low, high) == share


def negative(score: float) -> Sentiment:
    return Sentiment(score=score, label=Label.NEGATIVE, confidence=0.9, model="m", version="1")


def judge(rules: Rules, text: str | None, **known: object) -> bool | None:
    folded = fold(text or "")
    hits = rules.find(folded)
    given: dict[str, object] = {
        "own": False,
        "share": None,
        "sentiment": None,
        "asked": False,
        "read": text is not None,
        "problem": text is not None and told(text, rules),
        "about": any(hit.role == "topic" for hit in hits),
    }
    return is_complaint(rules=rules, **(given | known))  # type: ignore[arg-type]


def test_the_lower_two_fifths_are_a_complaint_whatever_is_said(rules: Rules) -> None:
    assert judge(rules, "배송 빨라요", share=0.25) is True
    assert judge(rules, None, share=0.4) is True
    assert judge(rules, "", share=0.0) is True


def test_a_problem_told_is_a_complaint_under_any_rating(rules: Rules) -> None:
    assert judge(rules, "좋은데 배송이 늦어요", share=1.0) is True


def test_strong_negative_is_a_complaint_unless_rated_well_or_asked(rules: Rules) -> None:
    between = (rules.strong_negative + rules.strong_negative_alone) / 2
    assert judge(rules, "배송 진짜 하", sentiment=negative(between)) is True
    assert judge(rules, "오늘 진짜 하", sentiment=negative(between)) is False
    assert judge(rules, "오늘 진짜 하", sentiment=negative(-0.95)) is True
    assert judge(rules, "배송 진짜 하", sentiment=negative(rules.strong_negative + 0.1)) is False
    assert judge(rules, "배송 진짜 하", sentiment=negative(-0.9), share=1.0) is False
    assert judge(rules, "배송 되나요", sentiment=negative(-0.9), asked=True) is False


def test_the_brands_own_voice_never_complains(rules: Rules) -> None:
    assert (
        judge(rules, "배송이 늦어져 죄송합니다. 결제 오류를 고쳤습니다", own=True, share=0.0)
        is False
    )


def test_what_cannot_be_judged_is_none(rules: Rules) -> None:
    assert judge(rules, None) is None
    assert judge(rules, None, share=0.9) is False
