"""Folding, particles, spellings, validation and versions of a brand's terms."""

from __future__ import annotations

import dataclasses
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.match.query import (
    InvalidTerm,
    Role,
    Script,
    compile_terms,
    endings_after,
    fold,
    script,
    terms_version,
    validate_brand,
)
from listener.types import Brand


def test_fold_keeps_the_length_of_every_character() -> None:
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        assert len(fold(char + "a")) == 2, hex(code)


@given(st.text(st.characters()))
def test_fold_keeps_offsets(text: str) -> None:
    folded = fold(text)
    assert len(folded) == len(text)
    folded.encode()


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Apple", "apple"),
        ("ＡＰＰＬＥ　＃１", "apple #1"),
        ("İstanbul", "istanbul"),
        ("Straße", "straße"),
        ("ΟΔΟΣ", "οδοσ"),
        ("a\nb\n\nc", "a b\r\rc"),
        ("it’s", "it's"),
        ("😀A", "😀a"),
    ],
)
def test_fold(text: str, folded: str) -> None:
    assert fold(text) == folded


@pytest.mark.parametrize(
    ("char", "kind"),
    [
        ("가", Script.HANGUL),
        ("ㅋ", Script.OTHER),
        ("a", Script.WORD),
        ("7", Script.WORD),
        ("_", Script.WORD),
        ("é", Script.WORD),
        ("я", Script.WORD),
        ("ー", Script.KATAKANA),
        ("漢", Script.SOLID),
        ("の", Script.SOLID),
        ("①", Script.OTHER),
        ("😀", Script.OTHER),
        ("\ufe0f", Script.OTHER),
        (".", Script.OTHER),
    ],
)
def test_script(char: str, kind: Script) -> None:
    assert script(char) is kind


PARTICLES = (
    "이 가 은 는 을 를 에 에서 에게 의 와 과 랑 이랑 도 만 로 으로 부터 까지 께서 한테 보다 "
    "처럼 마저 조차 밖에 이나 "
    "라도 이라도 이라 라고 이라고 요 이요 이고 인데 입니다 이에요 예요 이다 였다 이랑은 에서는 "
    "에서도 에는 에도 으로는 "
    "까지도 님 측 들 은요 에서만요 만의 만이 만은 들이 들은 님이 측에서는 님들께서 이라는 뿐만 "
    "뿐이다 밖에는 로부터 "
    "으로부터도 에서부터 까지만 만큼은 보다는 처럼만 하고 같은 때문에 말고 이라도요 이니까 "
    "이었는데 였는데 이지만 에선 "
    "에겐 한텐 에게서도 에서까지"
)


@pytest.mark.parametrize("chain", PARTICLES.split())
def test_particles_after_any_name(chain: str) -> None:
    for last in "플지K9":
        assert chain in endings_after(last), chain


# What begins like a particle, or is spelled of particles, and is another word.
NOT_PARTICLES = (
    "리케이션 워치 페이 스토어 도서관 은행 이벤트 로그인 의원 가구 가을 만두 도로 도요타 이츠 "
    "보고서 나이 이의 의도 "
    "고 면 지 측면 쪽지 들깨 가요 이자 론 톡 만화 과학 와인 에어 이벤트도 를이"
)


@pytest.mark.parametrize("word", NOT_PARTICLES.split())
def test_other_words_are_not_particles(word: str) -> None:
    for last in "플지K9":
        assert word not in endings_after(last), word


def test_agreement_counts_only_where_the_wrong_form_is_another_word() -> None:
    assert {"는", "은", "가", "이", "를", "을", "와", "과", "로", "으로"} <= endings_after("플")
    assert {"라면", "네", "다", "나"} <= endings_after("키")  # 나이키라면: if it is Nike
    assert not {"라면", "네", "다", "나"} & endings_after("심")  # 농심라면: noodles
    assert "아" in endings_after("팡")
    assert "아" not in endings_after("키")


def test_a_name_with_a_mark_is_a_hashtag_or_handle() -> None:
    brand = Brand(
        id=1,
        name="#누리",
        aliases=("@nuri", " 누리  마켓 ", "누리"),
        hashtags=("#누리",),
        handles=("@nuri",),
    )
    terms = [(term.role, term.folded, term.shown) for term in compile_terms(brand)]
    assert terms == [
        (Role.HASHTAG, "#누리", "#누리"),
        (Role.HANDLE, "@nuri", "@nuri"),
        (Role.NAME, "누리 마켓", "누리 마켓"),
        (Role.NAME, "누리", "누리"),
    ]


@pytest.mark.parametrize(
    ("name", "patterns"),
    [
        ("누리 마켓", {"누리 마켓", "누리마켓"}),
        ("누리마켓", {"누리마켓", "누 리마켓", "누리 마켓", "누리마 켓"}),
        ("마켓컬", {"마켓컬"}),
        ("LG전자", {"lg전자", "lg 전자"}),
        ("11번가", {"11번가", "11 번가"}),
        ("Samsung", {"samsung"}),
        ("The Big Shop", {"the big shop", "thebigshop", "thebig shop", "the bigshop"}),
    ],
)
def test_spellings(name: str, patterns: set[str]) -> None:
    (term,) = compile_terms(Brand(id=1, name=name))
    assert set(term.patterns) == patterns


def test_only_short_capitals_keep_their_case() -> None:
    brand = Brand(id=1, name="GS", aliases=("K9", "H&M", "Kia", "GS25", "ＬＧ", "NAVER"))
    assert [term.cased for term in compile_terms(brand)] == [
        "GS",
        None,
        None,
        None,
        None,
        "LG",
        None,
    ]


def test_a_good_brand_has_no_faults() -> None:
    brand = Brand(
        id=1,
        name="누리마켓",
        aliases=("NuriMarket", "누리 마켓", "C++", "h&m", "11번가", "K9"),
        hashtags=("누리마켓", "가", "#nuri_market"),
        handles=("nurimarket", "@nuri.market", "nuri@social.example", "nuri.bsky.social"),
        any_terms=("누리페이",),
        all_terms=("배송",),
        none_terms=("채용", "market"),
    )
    assert validate_brand(brand) == []


@pytest.mark.parametrize(
    ("fields", "place", "reason"),
    [
        ({"name": ""}, "name", "empty"),
        ({"name": " \u200b "}, "name", "empty"),
        ({"name": "가"}, "name", "too-short"),
        ({"aliases": ("x",)}, "aliases", "too-short"),
        ({"aliases": ("가" * 101,)}, "aliases", "too-long"),
        ({"any_terms": ("!!",)}, "any_terms", "no-letters"),
        ({"hashtags": ("누리 마켓",)}, "hashtags", "has-space"),
        ({"hashtags": ("#",)}, "hashtags", "empty"),
        ({"handles": ("nuri market",)}, "handles", "has-space"),
        ({"all_terms": ("배",)}, "all_terms", "too-short"),
        ({"none_terms": ("누리마켓",)}, "none_terms", "excludes-itself"),
        ({"none_terms": ("마켓",)}, "none_terms", "excludes-itself"),
        ({"aliases": ("Nuri Pay",), "none_terms": ("pay",)}, "none_terms", "excludes-itself"),
        ({"all_terms": ("배송",), "none_terms": ("배송",)}, "none_terms", "excludes-itself"),
        ({"aliases": tuple(f"누리{n}" for n in range(500))}, "aliases", "too-many"),
    ],
)
def test_faults(fields: dict[str, object], place: str, reason: str) -> None:
    brand = dataclasses.replace(Brand(id=1, name="누리마켓"), **fields)  # type: ignore[arg-type]
    (fault,) = validate_brand(brand)
    assert isinstance(fault, InvalidTerm)
    assert (fault.field, fault.reason) == (place, reason)
    assert fault.message.endswith(".")
    assert fault.hint


def test_terms_version_follows_the_meaning() -> None:
    brand = Brand(
        id=1, name="누리마켓", aliases=("Nuri", "GS"), hashtags=("누리",), none_terms=("채용",)
    )
    same = [
        dataclasses.replace(brand, id=2, competitor=True),
        dataclasses.replace(brand, aliases=("GS", "NURI", "nuri")),
        dataclasses.replace(brand, hashtags=("#누리",)),
        dataclasses.replace(brand, aliases=("Nuri", "GS", "가")),  # an unusable term finds nothing
    ]
    assert {terms_version(other) for other in same} == {terms_version(brand)}
    changed = [
        dataclasses.replace(brand, name="누리마트"),
        dataclasses.replace(brand, aliases=("Nuri", "gs")),
        dataclasses.replace(brand, handles=("누리",)),
        dataclasses.replace(brand, none_terms=()),
        dataclasses.replace(brand, none_terms=(), all_terms=("채용",)),
    ]
    versions = {terms_version(brand), *map(terms_version, changed)}
    assert len(versions) == 6
    assert all(len(version) == 16 for version in versions)
