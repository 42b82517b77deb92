"""What is found, where, and that finding many brands changes nothing for one."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listener.match.matcher import MAX_SPANS, Matcher
from listener.match.query import Role, Term, compile_context, compile_terms, endings_after
from listener.types import Brand, Kind, Match, MatchOrigin, Mention, Span

APPLE = Brand(id=1, name="애플", aliases=("Apple",), hashtags=("애플",), handles=("apple",))
NURI = Brand(id=2, name="누리마켓", hashtags=("누리마켓", "누마"), handles=("nurimarket",))
SPACED = Brand(id=3, name="무신사 스탠다드")
SIGNS = Brand(id=4, name="C++", aliases=("h&m", "11번가", ".NET", "K9", "AT&T"))
CAPITALS = Brand(id=5, name="GS", aliases=("LG전자", "Kia"))
TURKISH = Brand(id=6, name="İstanbul Kahve", aliases=("Straße", "楽天", "アップル"))


def mention(text: str, title: str | None = None, is_own: bool = False) -> Mention:
    return Mention(
        source="test",
        namespace="",
        external_id="1",
        kind=Kind.POST,
        text=text,
        title=title,
        content_hash="",
        is_own=is_own,
    )


def found(brand: Brand, text: str) -> list[str]:
    """The pieces of text that name the brand."""
    matches = Matcher([brand]).match(mention(text))
    return [text[span.start : span.end] for match in matches for span in match.spans]


@pytest.mark.parametrize(
    ("brand", "text", "pieces"),
    [
        # particles
        (APPLE, "애플", ["애플"]),
        (APPLE, "애플이 신제품을 냈다", ["애플"]),
        (APPLE, "어제 애플에서 샀어요", ["애플"]),
        (APPLE, "애플은요?", ["애플"]),
        (APPLE, "애플만의 방식", ["애플"]),
        (APPLE, "애플를 애플는 애플와", ["애플", "애플", "애플"]),  # mistyped agreement
        (APPLE, "애플이라는 회사, 애플에서도", ["애플", "애플"]),
        (APPLE, "애플측은 부인했다", ["애플"]),
        (APPLE, "애플님들 제발", ["애플"]),
        (APPLE, "애플때문에 망했다", ["애플"]),
        # other words
        (APPLE, "애플리케이션 오류", []),
        (APPLE, "파인애플 주스", []),
        (APPLE, "파인애플이", []),
        (APPLE, "애플워치 애플페이 애플스토어", []),
        (APPLE, "애플TV와 애플2", []),
        (APPLE, "애플도서관", []),
        # borders
        (APPLE, "ㅋㅋ애플ㅠㅠ", ["애플"]),
        (APPLE, "(애플)'애플'“애플”…애플!", ["애플"] * 4),
        (APPLE, "새애플 X애플 3애플", ["애플", "애플"]),
        (APPLE, "애플社 애플·삼성", ["애플", "애플"]),
        (APPLE, "애플\n애플", ["애플", "애플"]),
        (APPLE, "😀애플😀", ["애플"]),
        # Latin
        (APPLE, "Apple's new APPLE, apple.", ["Apple", "APPLE", "apple"]),
        (APPLE, "pineapple apples applesauce apple_pie", []),
        (APPLE, "Apple이 apple에서는", ["Apple", "apple"]),
        (APPLE, "Apple워치", []),
        (APPLE, "신형Apple", ["Apple"]),
        (APPLE, "ＡＰＰＬＥ은 Ａｐｐｌｅ", ["ＡＰＰＬＥ", "Ａｐｐｌｅ"]),
        (APPLE, "😀 İ ß Apple", ["Apple"]),
        # hashtags
        (NURI, "#누리마켓", ["#누리마켓"]),
        (NURI, "＃누리마켓 추천", ["＃누리마켓"]),
        (NURI, "#누리마켓추천 #누마추천 #누마2", []),
        (NURI, "#누리마켓에서 산 것", ["누리마켓"]),  # not the tag, but the name in it
        (NURI, "좋아요#누마", []),
        (NURI, "#추천#누마#일상", ["#누마"]),
        (NURI, "page.html#누마", []),
        (NURI, "누마", []),
        (Brand(id=9, name="누리 마켓"), "#누리마켓", ["누리마켓"]),
        # handles
        (NURI, "@nurimarket 언제 와요", ["@nurimarket"]),
        (NURI, "@NuriMarket은 답하라 (@nurimarket)", ["@NuriMarket", "@nurimarket"]),
        (NURI, "thanks @nurimarket.", ["@nurimarket"]),
        (NURI, "@nurimarket_kr @nurimarket2 @nurimarket.shop", []),
        (NURI, "help@nurimarket.example help@nurimarket", []),
        (NURI, "https://video.example/@nurimarket", ["@nurimarket"]),
        (NURI, "@nurimarket@social.example", ["@nurimarket"]),
        # spaces
        (NURI, "누리 마켓 배송", ["누리 마켓"]),
        (NURI, "누리  마켓에서", ["누리  마켓"]),
        (NURI, "누리\n마켓", ["누리\n마켓"]),
        (NURI, "누리\n\n마켓", []),
        (NURI, "온누리 마켓 누리 마켓컬리", []),
        (NURI, "누 리 마켓", []),
        (SPACED, "무신사 스탠다드는 무신사스탠다드", ["무신사 스탠다드", "무신사스탠다드"]),
        (SPACED, "(무신사   스탠다드)", ["무신사   스탠다드"]),
        (SPACED, "무신사의 스탠다드", []),
        (CAPITALS, "LG 전자가 LG전자", ["LG 전자", "LG전자"]),
        # signs and digits
        (SIGNS, "C++ c++17 C++은 C+++ C++x", ["C++", "c++", "C++"]),
        (SIGNS, "H&M에서 h&m.", ["H&M", "h&m"]),
        (SIGNS, "11번가는 111번가 11번가에서", ["11번가", "11번가"]),
        (SIGNS, "ASP.NET .NET 8 .net", [".NET", ".net"]),
        (SIGNS, "K9은 k9 AK9 K92", ["K9", "k9"]),
        # short capitals
        (CAPITALS, "GS는 ＧＳ gs Gs GS칼텍스 GS25", ["GS", "ＧＳ"]),
        (CAPITALS, "kia KIA", ["kia", "KIA"]),
        # other scripts
        (TURKISH, "i İSTANBUL KAHVE, istanbulkahve", ["İSTANBUL KAHVE", "istanbulkahve"]),
        (TURKISH, "straße STRASSE", ["straße"]),
        (TURKISH, "楽天市場で買った アップルは パイナップル アップルパイ", ["楽天", "アップル"]),
    ],
)  # fmt: skip
def test_found(brand: Brand, text: str, pieces: list[str]) -> None:
    assert found(brand, text) == pieces


@pytest.mark.parametrize(
    ("fields", "text", "matched"),
    [
        ({}, "누리마켓", True),
        ({"any_terms": ("누리페이",)}, "누리페이로 결제", True),
        ({"any_terms": ("누리페이",)}, "누리마켓", True),
        ({"all_terms": ("배송", "환불")}, "누리마켓 배송지연, 환불요청", True),
        ({"all_terms": ("배송", "환불")}, "누리마켓 배송지연", False),
        ({"all_terms": ("배송",)}, "배송", False),
        ({"all_terms": ("late",)}, "누리마켓 LATE!", True),
        ({"all_terms": ("late",)}, "누리마켓 chocolate", False),
        ({"all_terms": ("환불 요청",)}, "누리마켓 환불요청", True),
        ({"none_terms": ("채용",)}, "누리마켓 채용공고", False),
        ({"none_terms": ("채용",)}, "누리마켓 신입채용", False),
        ({"none_terms": ("job",)}, "누리마켓 jobs", True),
        ({"none_terms": ("IT",)}, "누리마켓 it", True),
        ({"none_terms": ("IT",)}, "누리마켓 IT", False),
    ],
)
def test_all_and_none_terms(fields: dict[str, tuple[str, ...]], text: str, matched: bool) -> None:
    brand = Brand(id=1, name="누리마켓", **fields)  # type: ignore[arg-type]
    assert bool(Matcher([brand]).match(mention(text))) is matched


def test_title_and_text_are_one_mention() -> None:
    brand = Brand(id=1, name="누리마켓", all_terms=("환불",))
    (match,) = Matcher([brand]).match(mention("환불 좀. 누리마켓이", title="누리마켓 후기"))
    assert match == Match(
        brand_id=1,
        origin=MatchOrigin.TERM,
        spans=(Span("title", 0, 4, "누리마켓"), Span("text", 6, 10, "누리마켓")),
    )
    assert Matcher([brand]).match(mention("배송", title="누리마켓 후기")) == ()


def test_the_longest_wins_within_a_brand_and_brands_do_not_hide_each_other() -> None:
    one = Brand(id=1, name="애플", aliases=("애플 스토어", "스토어 강남"))
    two = Brand(id=2, name="스토어")
    first, second = Matcher([one, two]).match(mention("애플 스토어 강남, 애플"))
    assert first.spans == (Span("text", 0, 6, "애플 스토어"), Span("text", 11, 13, "애플"))
    assert second.spans == (Span("text", 3, 6, "스토어"),)


def test_offsets_count_characters_of_the_original() -> None:
    text = "👨‍👩‍👧 İİ ﬁ ㈜ ＧＳ는 😀  누리  마켓도"
    brand = Brand(id=1, name="누리마켓", aliases=("GS",))
    (match,) = Matcher([brand]).match(mention(text))
    assert [text[s.start : s.end] for s in match.spans] == ["ＧＳ", "누리  마켓"]
    assert [s.term for s in match.spans] == ["GS", "누리마켓"]


def test_match_all_gives_the_watch_and_the_spans() -> None:
    brand = Brand(id=1, name="누리마켓", all_terms=("환불",), none_terms=("채용",))
    matcher = Matcher([brand])
    nothing = matcher.match_all(mention("배송이 너무 늦어요"), brand)
    assert nothing == Match(brand_id=1, origin=MatchOrigin.WATCH)
    named = matcher.match_all(mention("누리마켓 채용"), brand)
    assert named.origin is MatchOrigin.WATCH
    assert named.spans == (Span("text", 0, 4, "누리마켓"),)
    stranger = Brand(id=7, name="누리마켓")
    assert matcher.match_all(mention("누리마켓"), stranger) == Match(
        brand_id=7, origin=MatchOrigin.WATCH
    )


def test_edges() -> None:
    assert Matcher([]).match(mention("누리마켓")) == ()
    assert Matcher([Brand(id=1, name="가")]).match(mention("가")) == ()  # unusable
    matcher = Matcher([NURI, APPLE])
    assert matcher.match(mention("")) == ()
    assert matcher.match(mention("\ud83d누리마켓\ud83d"))[0].spans[0].start == 1
    assert matcher.match(mention("누리마켓", is_own=True)) != ()
    both = [mention("누리마켓"), mention("x"), mention("애플 누리마켓")]
    assert matcher.match_many(both) == [matcher.match(m) for m in both]
    assert [m.brand_id for m in matcher.match(both[2])] == [2, 1]  # in the order of the brands
    shared = Matcher([NURI, Brand(id=8, name="누리 마켓")]).match(mention("누리마켓"))
    assert [(m.brand_id, m.spans[0].term) for m in shared] == [(2, "누리마켓"), (8, "누리 마켓")]


def test_spam_is_bounded() -> None:
    matcher = Matcher([APPLE])
    start = time.process_time()
    (match,) = matcher.match(mention("애플 " * 33_000))
    (tags,) = matcher.match(mention("#a" * 30_000 + "#애플" * 10_000))
    assert Matcher([NURI]).match(mention("a" * 50_000 + "#누마")) == ()
    assert time.process_time() - start < 3
    assert len(match.spans) == len(tags.spans) == MAX_SPANS


def test_many_brands_cost_little_more_than_one() -> None:
    text = "배송이 너무 늦어요 어제 주문했는데 아직도 누리마켓은 the delivery was late again " * 3
    crowd = [
        Brand(id=n, name=f"상점{n:04}호", aliases=(f"Shop{n:04}",), all_terms=("배송",))
        for n in range(10, 1010)
    ]
    few, many = Matcher([NURI]), Matcher([NURI, *crowd])

    def cost(matcher: Matcher) -> float:
        best = 1.0
        for _ in range(5):
            start = time.process_time()
            for _ in range(300):
                matcher.match(mention(text))
            best = min(best, time.process_time() - start)
        return best

    assert cost(many) < 4 * cost(few)


# --- against a slow reading of the rules ---------------------------------------------------------


def fold_char(char: str) -> str:
    if char in "\n\t":
        return " "
    if char == "İ":
        return "i"
    folded = unicodedata.normalize("NFKC", char).lower()
    return folded if len(folded) == 1 and "\uff01" <= char <= "\uff5e" else char.lower()


def word_like(char: str) -> bool:
    return bool(char) and (char == "_" or (char.isalnum() and not hangul(char) and char != "ㅋ"))


def hangul(char: str) -> bool:
    return bool(char) and "가" <= char <= "힣"


def stands(term: Term, text: str, start: int, end: int) -> bool:
    """The rules for names, tags and handles in Hangul and ASCII, spelled out once more."""
    before, after = text[start - 1 : start], text[end : end + 1]
    if term.role is Role.HASHTAG:
        run = ""
        at = start
        while at and (text[at - 1].isalnum() or text[at - 1] == "_"):
            at -= 1
            run += text[at]
        if run and text[at - 1 : at] != "#":
            return False
        return not (after.isalnum() or after == "_")
    if term.role is Role.HANDLE:
        if word_like(before) or (before and before in "@.+-"):
            return False
        if after and after in ".-":
            return not word_like(text[end + 1 : end + 2]) or text[end + 1] == "_"
        return not word_like(after)
    context = term.role is Role.CONTEXT
    if hangul(text[start]):
        if hangul(before) and not context:
            return False
    elif word_like(before) or (not word_like(text[start]) and before == text[start]):
        return False
    last = text[end - 1]
    if hangul(last) or word_like(last):
        run = ""
        while hangul(text[end + len(run) : end + len(run) + 1]):
            run += text[end + len(run)]
        if run:
            return context or run in endings_after(last)
        return (context and hangul(last)) or not word_like(after)
    return after != last and not (word_like(after) and after.isalpha())


def occurrences(term: Term, text: str) -> list[tuple[int, int]]:
    """Every place where a spelling of the term stands, with any number of spaces for one."""
    folded = "".join(map(fold_char, text))
    places = []
    for pattern in term.patterns:
        for start in range(len(folded)):
            at = start
            for char in pattern:
                if folded[at : at + 1] != char:
                    break
                at += 1
                while char == " " and folded[at : at + 1] == " ":
                    at += 1
            else:
                spelled = unicodedata.normalize("NFKC", text[start:at])
                if term.cased in (None, spelled) and stands(term, folded, start, at):
                    places.append((start, at))
    return places


def reference(brand: Brand, text: str) -> tuple[Match, ...]:
    needed = [bool(occurrences(term, text)) for term in compile_context(brand.all_terms)]
    forbidden = [bool(occurrences(term, text)) for term in compile_context(brand.none_terms)]
    hits = [
        (start - end, start, order, end, term.shown)
        for order, term in enumerate(compile_terms(brand))
        for start, end in occurrences(term, text)
    ]
    kept: list[Span] = []
    for _, start, _, end, shown in sorted(hits):
        if all(end <= span.start or span.end <= start for span in kept):
            kept.append(Span("text", start, end, shown))
    if not kept or not all(needed) or any(forbidden):
        return ()
    spans = tuple(sorted(kept, key=lambda span: span.start))
    return (Match(brand_id=brand.id, origin=MatchOrigin.TERM, spans=spans),)


BRANDS = [
    APPLE,
    NURI,
    SPACED,
    SIGNS,
    CAPITALS,
    Brand(id=11, name="누리", aliases=("마켓", "누리마켓 몰"), none_terms=("이벤트",)),
    Brand(id=12, name="애플", all_terms=("gs", "마켓"), none_terms=("c++",)),
    Brand(id=13, name="번가", aliases=("11", "at", "25시"), all_terms=("스토어",)),
]
PIECES = [
    "애플", "누리", "마켓", "누리마켓", "무신사", "스탠다드", "Apple", "GS", "gs", "Gs", "LG",
    "전자", "C++", "h&m", "11", "번가", "nurimarket", "AT&T", ".NET", "K9", "kia", "누마", "몰",
    "이", "에서", "는요", "도", "은", "라면", "워치", "스토어", "이벤트", "파인", " ", " ", " ",
    "  ", "\n", "#", "@", ".", "-", "_", "+", "&", "ㅋ", "😀", "１１", "ＧＳ", "＃", "İ", "ß",
    "a", "9", "25시",
]  # fmt: skip
TEXTS = (
    st.lists(st.sampled_from(PIECES), max_size=14)
    .map("".join)
    .filter(lambda text: "\n\n" not in text)
)


@given(TEXTS, st.sampled_from(BRANDS))
@settings(max_examples=400, deadline=None)
def test_matcher_equals_the_slow_reading(text: str, brand: Brand) -> None:
    assert Matcher([brand]).match(mention(text)) == reference(brand, text)


ALL = Matcher(BRANDS)


@given(TEXTS)
@settings(max_examples=200, deadline=None)
def test_other_brands_change_nothing_and_spans_say_the_term(text: str) -> None:
    together = {match.brand_id: match for match in ALL.match(mention(text))}
    for brand in BRANDS:
        alone = Matcher([brand]).match(mention(text))
        assert alone == ((together[brand.id],) if brand.id in together else ())
    for match in together.values():
        for span in match.spans:
            piece = "".join(map(fold_char, text[span.start : span.end]))
            assert piece.replace(" ", "") == span.term.lower().replace(" ", "")


@given(TEXTS, TEXTS)
@settings(max_examples=150, deadline=None)
def test_text_of_other_brands_adds_nothing(text: str, other: str) -> None:
    """Words of others after a full stop neither add to a brand's spans nor take from them."""
    brand = Brand(id=99, name="가나다라", aliases=("Zyx",))
    base = "가나다라에서 Zyx "
    alone = Matcher([brand]).match(mention(base))
    more = Matcher([brand, *BRANDS]).match(mention(f"{base}. {text} {other}"))
    assert [match for match in more if match.brand_id == 99] == list(alone)
