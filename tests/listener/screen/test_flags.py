"""Paid and mass-made posts are flagged by their words; customers are not."""

from __future__ import annotations

import pytest

from listener.screen.flags import FlagKind, flags_of


@pytest.mark.parametrize(
    "text",
    [
        "하늘전자로부터 제품을 무상으로 제공받아 솔직하게 작성했습니다",
        "업체에서 소정의 원고료를 지급받아 작성한 글입니다",
        "이 포스팅은 쿠팡 파트너스 활동의 일환으로, 이에 따른 일정액의 수수료를 제공받습니다.",
        "체험단에 선정되어 다녀온 후기예요",
        "이 영상은 유료 광고를 포함하고 있습니다",
        "요즘 쓰는 크림 #협찬 #하늘",
        "I received this kettle for free in exchange for an honest review",
        "Loving my new phone! #ad",
        "As an Amazon Associate I earn from purchases",
    ],
)
def test_disclosures(text: str) -> None:
    (flag,) = flags_of(None, text)
    assert flag.kind is FlagKind.SPONSORED
    assert flag.reason in text.lower()


@pytest.mark.parametrize(
    "text",
    [
        "공동구매 진행합니다 선착순 50명 https://shop.example/1",
        "바카라 사이트 추천",
        "리뷰 알바 모집합니다",
        "50% 할인 코드 받으세요! 프로필 링크 클릭 #세일",
        "Use my code SKY10, link in bio! #deal",
        " ".join(f"#tag{n}" for n in range(16)),
    ],
)
def test_promotions(text: str) -> None:
    (flag,) = flags_of(None, text)
    assert flag.kind is FlagKind.PROMOTION
    assert flag.reason


@pytest.mark.parametrize(
    "text",
    [
        "내돈내산 후기입니다. 협찬 아님!",
        "광고 아니고 제품 제공받지 않았어요",
        "무료배송이라더니 배송비를 받네요",
        "할인 코드가 적용이 안 돼요",
        "이벤트 참여했는데 경품을 안 보내 줘요",
        "직원이 사은품을 제공해 준다고 했는데 없었어요",
        "광고랑 실물이 너무 달라요",
        "드라마에 협찬한 가방 예쁘다",
        "Not sponsored, I just love it",
        "The promo code does not work",
        "앱이 자꾸 꺼져요 #하늘 #오류",
    ],
)
def test_customers_are_not_flagged(text: str) -> None:
    assert flags_of(None, text) == []


def test_the_title_counts_and_each_kind_comes_once() -> None:
    flags = flags_of("#협찬 후기", "제품을 무상으로 제공받았습니다. 카지노 사이트 추천")
    assert [flag.kind for flag in flags] == [FlagKind.SPONSORED, FlagKind.PROMOTION]
