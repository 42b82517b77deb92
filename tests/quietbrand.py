"""A made-up brand for the tests of themes: what people say of it without anything happening."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from listener.analyze.themes import Said

NOUNS = (
    "포장 상태|상품 사진|색상|향|뚜껑|사은품|샘플|쿠폰|적립금|회원 등급|매장|직원|주차장|화면|"
    "버튼|검색 결과|알림 설정|글자 크기|설명서|사용법|재질|크기|무게|소음|배터리|충전기|케이블|"
    "케이스|필터|디자인|마감|냄새|맛|양|용량|성분|유통기한|원산지|택배 기사|배송 조회|교환 절차|"
    "환불 기간|반품 비용|전화 상담|답변|안내 문자|이벤트|할인|가격|결제 수단|영수증|선물 포장|"
    "리필|신제품|재고"
).split("|")
SAYS = (
    "{} 괜찮아요|{} 별로예요|{} 좋습니다|{} 아쉬워요|{} 마음에 들어요|{} 실망이에요|"
    "{} 바뀌었나요?|{} 그저 그래요|{} 궁금해요|다른 곳보다 {} 나아요|{} 때문에 다시 샀어요|"
    "{} 보고 골랐어요"
).split("|")


def _object(noun: str) -> str:
    has_final = (ord(noun[-1]) - 0xAC00) % 28 > 0
    return noun + random.choice(("이", "은", "도") if has_final else ("가", "는", "도"))


def a_text(chance: random.Random) -> str:
    """One to three sentences about anything."""
    random.seed(chance.random())
    return ". ".join(
        chance.choice(SAYS).format(_object(chance.choice(NOUNS)))
        for _ in range(chance.choice((1, 1, 2, 3)))
    )


def quiet(chance: random.Random, until: datetime, *, days: int, a_day: int) -> Iterator[Said]:
    """Mentions of ``days`` before ``until``, busier in the evening and at weekends."""
    number = 0
    for day in range(days):
        busy = a_day * (2 if day % 7 in (5, 6) else 1)
        for _ in range(chance.randint(busy // 2, busy * 3 // 2)):
            number += 1
            at = until - timedelta(days=days - day) + timedelta(hours=24 * chance.random() ** 0.5)
            author = str(chance.randrange(400))
            yield Said(number, min(at, until - timedelta(seconds=1)), a_text(chance), author)
