"""Finds the signs of paid and mass-made posts in a text. What is flagged stays stored."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from ahocorasick_rs import AhoCorasick

from listener.types import FlagKind as FlagKind


class Flag(NamedTuple):
    """A flag and the words that led to it."""

    kind: FlagKind
    reason: str


# The disclosures that Korea's Fair Trade Commission and the FTC ask for, as people write them.
_SPONSORED: Final = re.compile(
    r"소정의\s?(?:원고료|수수료|제작비|활동비|고료|비용|대가)"
    r"|(?:원고료|고료|제작비|광고비|활동비)[를을]?\s?(?:지급|제공|지원)?\s?받(?:아|고|은|았|습)"
    r"|(?:제품|상품|서비스|식사|식사권|숙박|숙박권|시술|이용권|물품|메뉴|샘플|음식|체험|도서|책|의류|화장품)"
    r"(?:만)?[을를]?\s?(?:무상|무료)?(?:으로)?\s?(?:제공|지원|협찬)\s?(?:받|해\s?주)"
    r"|(?:무상|무료)(?:으로)?\s?(?:제공|지원|협찬)\s?받"
    r"|업체(?:로부터|에서)\s?.{0,12}(?:제공|지원|협찬)"
    r"|협찬\s?(?:받|으로|을\s?받|제품|리뷰|포스팅|글)"
    r"|#\s?(?:협찬|제품제공|제품협찬|유료광고|광고|체험단)(?![가-힣])"
    r"|체험단(?:으로|에|을\s?통해)?\s?(?:선정|당첨|참여|진행|활동|리뷰|후기)"
    r"|서포터즈\s?활동(?:으로|의)"
    r"|유료\s?광고(?:를|가)?\s?포함|광고를?\s?포함하고|파트너스\s?활동의?\s?(?:일환|통해)"
    r"|(?:수수료|커미션)[를을]?\s?(?:제공|지급)\s?받(?:을|습|고)"
    r"|#(?:ad|sponsored|gifted|paidpartnership)\b|\bpaid partnership\b"
    r"|\bsponsored (?:post|by|content)\b"
    r"|\b(?:received|got|was (?:sent|given)) .{0,40}\b(?:for free|free of charge|in exchange for)\b"
    r"|\bin exchange for (?:an |my )?honest\b|\bas an? \w+ (?:associate|affiliate)\b"
    r"|\baffiliate links?\b"
)
_NOT_SPONSORED: Final = re.compile(
    r"내돈\s?내산|내\s?돈\s?주고\s?내가|(?:협찬|광고|제공|원고료|체험단)[은는이가을를도]?\s?"
    r"(?:아님|아닙|아니|없이|없는|없음|x\b|받지\s?않|안\s?받|노노)|\bnot (?:sponsored|an ad)\b"
    r"|\bno (?:affiliate|sponsorship)\b"
)

# One of these is enough.
_LURE: Final = re.compile(
    r"바카라|토토\s?사이트|먹튀\s?검증|카지노\s?(?:사이트|추천|쿠폰)|리딩방|급전|당일\s?대출"
    r"|작업\s?대출|대출\s?문의"
    r"|상위\s?노출\s?(?:문의|작업)|리뷰\s?(?:작업|알바)|(?:재택|고수익)\s?(?:부업|알바)"
    r"|좋아요\s?(?:늘리기|판매)|팔로워\s?(?:늘리기|판매)"
    r"|출장\s?(?:안마|마사지)|\b(?:crypto|btc|eth) (?:giveaway|airdrop)\b|\bcasino bonus\b"
    r"|\bonlyfans\b|\bdouble your (?:money|bitcoin)\b|\bget followers\b|\bloan offer\b"
)
# Of these it takes two different ones.
_SELLS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"최저가|특가|파격\s?할인|역대급\s?할인|\d{2}%\s?(?:할인|세일|off\b)",
        r"공동\s?구매|공구\s?(?:진행|오픈|마감)",
        r"선착순|마감\s?임박|한정\s?수량|품절\s?임박",
        r"카톡\s?(?:문의|상담|아이디)|오픈\s?채팅|텔레그램|디엠\s?(?:주세요|문의)"
        r"|dm\s?(?:주세요|문의)|\bdm (?:me|us|for)\b",
        r"할인\s?코드|프로모션\s?코드|추천인\s?코드|쿠폰\s?코드"
        r"|\b(?:promo|discount|referral) code\b|\buse my code\b|\buse code\b",
        r"프로필\s?링크|링크\s?클릭|구매\s?링크|아래\s?링크|\blink in (?:my )?bio\b"
        r"|\bclick (?:the|this) link\b|\bshop now\b|\border now\b",
        r"팔로우\s?(?:하고|\+|&)|리트윗\s?이벤트|댓글\s?이벤트|이벤트\s?참여|경품|\bgiveaway\b"
        r"|\bretweet to win\b|\bfollow (?:us )?(?:and|&|\+)\b",
        r"무료\s?(?:배송|증정|상담|체험)|사은품\s?증정|\bfree shipping\b"
        r"|\blimited (?:time|offer)\b",
        r"(?:구매|주문|예약|상담)\s?문의|체험단\s?모집|서포터즈\s?모집|인플루언서\s?모집",
    )
)
# One of these words stands in all that the patterns find, and patterns are tried around them only:
# most texts have none, and in a long one that is ten times cheaper.
_SPONSORED_WORDS: Final = AhoCorasick(
    """
    소정의 고료 제작비 광고비 활동비 제공 지원 협찬 체험단 서포터즈 유료 광고 파트너스 수수료 커미션
    #ad sponsor gifted partnership free exchange associate affiliate
    """.split()
)
_LURE_WORDS: Final = AhoCorasick(
    """
    바카라 토토 먹튀 카지노 리딩방 급전 대출 노출 작업 알바 부업 늘리기 판매 출장 giveaway airdrop
    casino onlyfans double followers loan
    """.split()
)
_SELLS_WORDS: Final = AhoCorasick(
    """
    최저가 특가 할인 세일 off 공동 공구 선착순 마감 한정 품절 카톡 오픈 텔레그램 디엠 dm 코드 code
    링크 link shop order 팔로우 리트윗 이벤트 경품 giveaway retweet follow 무료 사은품 free limited
    문의 모집
    """.split()
)
_AROUND: Final = 60  # characters before and after a word; what a pattern finds is shorter
_HASHTAG: Final = re.compile(r"#\w+")
_MANY_HASHTAGS: Final = 15


def flags_of(title: str | None, text: str) -> list[Flag]:
    """The flags that a text earns by its words, each once."""
    whole = f"{title}\n{text}".lower() if title else text.lower()
    found: list[Flag] = []
    sponsored = _first(_SPONSORED, whole, _around(_SPONSORED_WORDS, whole))
    if sponsored and not _NOT_SPONSORED.search(whole):
        found.append(Flag(FlagKind.SPONSORED, sponsored.strip()))
    if reason := _promotes(whole):
        found.append(Flag(FlagKind.PROMOTION, reason))
    return found


def _promotes(text: str) -> str | None:
    if lure := _first(_LURE, text, _around(_LURE_WORDS, text)):
        return lure
    windows = _around(_SELLS_WORDS, text)
    signs = [sign for pattern in _SELLS if (sign := _first(pattern, text, windows))]
    if len(signs) > 1 and ("http" in text or "#" in text or len(signs) > 2):
        return ", ".join(signs)
    if text.count("#") < _MANY_HASHTAGS:
        return None
    hashtags = len(_HASHTAG.findall(text))
    return f"#×{hashtags}" if hashtags >= _MANY_HASHTAGS else None


def _around(words: AhoCorasick, text: str) -> list[tuple[int, int]]:
    """The stretches of a text in which one of the words stands, without overlaps."""
    found: list[tuple[int, int]] = []
    for _, start, end in words.find_matches_as_indexes(text):
        start, end = max(start - _AROUND, 0), min(end + _AROUND, len(text))
        if found and start <= found[-1][1]:
            start = found.pop()[0]
        found.append((start, end))
    return found


def _first(pattern: re.Pattern[str], text: str, windows: Sequence[tuple[int, int]]) -> str | None:
    for start, end in windows:
        if hit := pattern.search(text, start, end):
            return hit[0]
    return None
