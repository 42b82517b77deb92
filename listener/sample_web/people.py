"""The invented people: one pool of accounts, a few of whom write very often."""

import random
from datetime import UTC, datetime, timedelta
from typing import Final

from listener.sample_web.catalogue import BRANDS, Brand
from listener.sample_web.model import Author

_HOW: Final = (
    "졸린 배고픈 느긋한 수다스런 소심한 엉뚱한 부지런한 반짝이는 말랑한 야무진 "
    "새벽 주말 연남동 망원 제주 자취 초보 베테랑 투덜 다정한"
).split()
_WHAT: Final = (
    "수달 고등어 감자 두부 너구리 장바구니 엄마 아빠 직장인 살림꾼 펭귄 "
    "호떡 고양이 집사 요정 곰돌이 참새 옥수수 다람쥐 자취생 만두 토끼"
).split()
_GIVEN: Final = (
    "Jess", "Tom", "Priya", "Luca", "Noor", "Emma", "Diego", "Hana", "Sam", "Olga", "Kenji", "Maya",
    "Ben", "Chloe", "Ravi", "Ines",
)  # fmt: skip
_TAIL: Final = (
    "in Seoul", "eats", "K.", "abroad", "from Mapo", "reads", "M.", "", "", "in Busan", "W.",
    "cooks",
)  # fmt: skip
_ROMAN: Final = (
    "sudal", "gamja", "dubu", "mandu", "bear", "mint", "haru", "nabi", "ttukttak", "bori", "sook",
    "yeon", "mong", "dori", "luna", "byeol", "nuna", "oppang", "tokki", "cham",
)  # fmt: skip
_BIOS: Final = (
    "장보기와 고양이", "먹는 게 남는 것", "일상 계정", "두 아이 키우는 중", "비계 아님",
    "here for the food", "expat, cook, cat person", "주로 투덜거립니다", "", "", "",
)  # fmt: skip


class People:
    """Accounts drawn once per seed; `korean` and `foreign` pick one, busy ones more often."""

    def __init__(self, seed: int, start: datetime) -> None:
        rng = random.Random(f"{seed}:people")
        self._korean = [self._make(rng, start, index, foreign=False) for index in range(1900)]
        self._foreign = [self._make(rng, start, index, foreign=True) for index in range(800)]
        self.brands = {brand.slug: self._brand(brand) for brand in BRANDS}

    def someone(self, rng: random.Random, lang: str) -> Author:
        """An author for a text in `lang`."""
        pool = self._korean if lang == "ko" else self._foreign
        return pool[int(len(pool) * rng.random() ** 1.8)]

    @staticmethod
    def _make(rng: random.Random, start: datetime, index: int, *, foreign: bool) -> Author:
        handle = f"{rng.choice(_ROMAN)}{rng.choice(['_', '', ''])}{rng.choice(_ROMAN)}"
        if foreign:
            name = f"{rng.choice(_GIVEN)} {rng.choice(_TAIL)}".strip()
            if rng.random() < 0.4:
                name += f" {rng.randint(2, 99)}"
        else:
            name = f"{rng.choice(_HOW)}{rng.choice(_WHAT)}"
            if rng.random() < 0.6:
                name += str(rng.randint(1, 999))
        return Author(
            id=str(1_000_000_000 + index * 2_310_007 + rng.randint(0, 2_000_000) + foreign),
            name=name,
            username=f"{handle[:10]}{index if not foreign else 5000 + index}",
            followers=int(rng.lognormvariate(4.6, 1.5)),
            joined=start - timedelta(days=rng.randint(60, 4000)),
            bio=rng.choice(_BIOS),
        )

    @staticmethod
    def _brand(brand: Brand) -> Author:
        return Author(
            id=brand.user_id,
            name=f"{brand.name} {brand.english}",
            username=brand.handle,
            followers=int(48_000 * brand.share),
            joined=datetime(2019, 3, 4, tzinfo=UTC),
            bio=f"{brand.name} 공식 계정입니다. (sample web)",
        )
