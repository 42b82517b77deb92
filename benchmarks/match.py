"""How many texts a second are matched to 100 brands, beside a plain regular expression.

Run ``python benchmarks/match.py``. The floor is one compiled ``re`` alternation of the same words
(longest first, no borders, no particles), so it finds more and decides less. Texts are mixed
Korean and English in the lengths that the ingest benchmark uses (90, 250 and 1,500 characters);
CPU seconds, best of three rounds.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from functools import partial

from listener.match.matcher import Matcher
from listener.match.query import compile_terms
from listener.types import Brand, Kind, Mention

SHORT, MIDDLE, LONG = 90, 250, 1500

KOREAN = (
    "배송이 너무 늦어요|어제 주문했는데 아직도 출발을 안 했네요|고객센터는 전화도 안 받고|"
    "포장은 꼼꼼해서 좋았습니다|가격 대비 품질이 괜찮은 편|"
    "앱이 자꾸 꺼져서 결제를 못 했어요|환불 신청한 지 일주일째 답이 없다|색상이 화면이랑 "
    "달라요|재구매 의사 있습니다|이벤트 쿠폰이 적용되지 않아요|"
    "친구가 추천해서 처음 써 봤는데 만족합니다|오늘 새벽에 도착했어요 ㅋㅋㅋ|상담원이 친절하게 "
    "설명해 줬다|품절이라 한참 기다렸음 ㅠㅠ"
).split("|")
ENGLISH = (
    "the delivery was late again|customer service never picked up the phone|great value for "
    "the price|"
    "the app keeps crashing at checkout|still waiting for my refund|works as advertised, would "
    "buy again|"
    "arrived broken and nobody answers|pretty happy with the quality so far"
).split("|")
PARTICLES = ["", "이", "은", "에서", "는요", "에서는", "도", "을", "만의", "이라고"]


def brands(count: int, rng: random.Random) -> list[Brand]:
    """``count`` brands with about eight terms each."""
    syllables = [chr(rng.randrange(0xAC00, 0xD7A4)) for _ in range(200)]
    letters = "abcdefghijklmnopqrstuvwxyz"
    made = []
    for number in range(count):
        korean = "".join(rng.choices(syllables, k=rng.randint(2, 5)))
        latin = "".join(rng.choices(letters, k=rng.randint(4, 9))).title()
        made.append(
            Brand(
                id=number + 1,
                name=korean,
                aliases=(latin, f"{korean} 마켓", f"{latin} Store"),
                hashtags=(korean, latin.lower()),
                handles=(latin.lower(),),
                any_terms=(f"{korean}페이",),
            )
        )
    return made


def texts(
    count: int, length: int, known: list[Brand], share: float, rng: random.Random
) -> list[str]:
    """``count`` texts of about ``length`` characters; ``share`` of them name a brand."""
    made = []
    for _ in range(count):
        parts: list[str] = []
        size = 0
        pool = KOREAN if rng.random() < 0.7 else ENGLISH
        while size < length:
            parts.append(rng.choice(pool))
            size += len(parts[-1]) + 2
        if rng.random() < share:
            brand = rng.choice(known)
            name = rng.choice(
                (brand.name, *brand.aliases, f"#{brand.name}", f"@{brand.handles[0]}")
            )
            parts.insert(rng.randrange(len(parts)), name + rng.choice(PARTICLES))
        made.append(". ".join(parts)[:length])
    return made


def rate(work: Callable[[], object], count: int) -> float:
    """Texts per CPU second, best of three."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return count / best


def find_all(pattern: re.Pattern[str], texts: list[str]) -> list[list[str]]:
    """The floor: every word of every text."""
    return [pattern.findall(text) for text in texts]


def main() -> None:
    """Print a line for each length."""
    rng = random.Random(20260105)
    for count in (100, 1000):
        known = brands(count, rng)
        start = time.process_time()
        matcher = Matcher(known)
        compiled = time.process_time() - start
        words = {term.shown for brand in known for term in compile_terms(brand)}
        floor = re.compile(
            "|".join(map(re.escape, sorted(words, key=len, reverse=True))), re.IGNORECASE
        )
        print(f"{count} brands, {len(words)} terms, compiled in {compiled:.2f} CPU s")
        for length, amount in ((SHORT, 20_000), (MIDDLE, 8_000), (LONG, 1_500)):
            for share in (0.0, 0.3, 1.0):
                sample = texts(amount, length, known, share, rng)
                mentions = [
                    Mention(
                        source="bench",
                        namespace="",
                        external_id=str(number),
                        kind=Kind.POST,
                        text=text,
                        content_hash="",
                    )
                    for number, text in enumerate(sample)
                ]
                ours = rate(partial(matcher.match_many, mentions), amount)
                few = sample[: max(100, amount // 40)]
                plain = rate(partial(find_all, floor, few), len(few))
                hit = sum(bool(m) for m in matcher.match_many(mentions)) / amount
                print(
                    f"  {length:>5} characters, {hit:4.0%} matched: {ours:>9,.0f} texts/CPU s"
                    f"   re alternation {plain:>8,.0f}   x{ours / plain:.1f}"
                )


if __name__ == "__main__":
    main()
