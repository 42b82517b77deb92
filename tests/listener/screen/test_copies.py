"""Copies of one text share a band and compare as copies; complaints that are alike do not."""

from __future__ import annotations

import random

import pytest

from listener.screen.copies import CopyKind, bands, compare, fullest, reduce, shingled

WIRE = (
    "하늘전자가 22일 신형 세탁기의 누수 문제에 대해 공식 사과하고 전량 무상 수리를 약속했다. "
    "회사 측은 고객 여러분께 불편을 드려 죄송하다며 다음 달까지 모든 제품을 점검하겠다고 밝혔다."
)


@pytest.mark.parametrize(
    ("other", "kind"),
    [
        (f"RT @news: {WIRE} https://t.example/x", CopyKind.EXACT),
        (WIRE.replace(". ", ".\n\n").replace(",", ""), CopyKind.EXACT),
        (f"[속보] {WIRE} (서울=하늘통신) 김하늘 기자", CopyKind.NEAR),
        (WIRE.split(". ")[0] + "…", CopyKind.NEAR),
        (WIRE.replace("22일", "지난 22일").replace("밝혔다", "전했다"), CopyKind.NEAR),
    ],
)
def test_copies(other: str, kind: CopyKind) -> None:
    one, two = reduce(None, WIRE), reduce(None, other)
    assert compare(shingled(one), shingled(two)) is kind
    assert set(bands(one)) & set(bands(two))


def test_one_headline_over_two_texts_is_syndication_of_articles_only() -> None:
    title = "하늘전자, 신형 세탁기 누수에 공식 사과… 전량 무상 수리"
    one = reduce(title, WIRE, is_article=True)
    other_body = (
        "소비자 단체는 이번 조치가 늦었다고 비판했다. 피해를 본 가구는 천 곳이 넘는다고 한다."
    )
    two = reduce(title, other_body, is_article=True)
    assert compare(shingled(one), shingled(two)) is CopyKind.SYNDICATED
    assert set(bands(one)) & set(bands(two))
    assert compare(shingled(reduce(title, WIRE)), shingled(reduce(title, other_body))) is None


def test_forty_complaints_about_one_thing_are_forty() -> None:
    said = [
        "어제 산 하늘전자 세탁기에서 물이 새서 거실이 물바다예요. 고객센터는 전화를 안 받네요.",
        "하늘전자 세탁기 물 새는 거 저만 그런가요? 산 지 이틀 됐는데 바닥이 다 젖었습니다.",
        "세탁기 누수 때문에 아랫집까지 물이 샜습니다. 하늘전자는 책임지고 보상하세요.",
    ]
    texts = [reduce(None, text) for text in said]
    assert [compare(shingled(a), shingled(b)) for a in texts for b in texts if a is not b] == [
        None
    ] * 6


def test_short_texts_are_no_copies_of_each_other() -> None:
    assert bands(reduce(None, "배송이 너무 늦어요 ㅠㅠ")) == []
    assert bands(reduce(None, "Great app, love it!!")) == []
    assert bands(reduce(None, "😀 https://example.com/a/very/long/address @someone")) == []


def test_copies_are_found_and_strangers_are_not() -> None:
    """Of texts alike to 80 % nearly all share a band; of random ones nearly none do."""
    rng = random.Random(4)
    syllables = [chr(code) for code in range(0xAC00, 0xAC00 + 1200)]
    found = strangers = 0
    for _ in range(100):
        letters = rng.choices(syllables, k=120)
        changed = letters.copy()
        for place in rng.sample(range(120), 2):
            changed[place] = rng.choice(syllables)
        other = rng.choices(syllables, k=120)
        own = set(bands(reduce(None, "".join(letters))))
        found += bool(own & set(bands(reduce(None, "".join(changed)))))
        strangers += bool(own & set(bands(reduce(None, "".join(other)))))
    assert found >= 97
    assert strangers == 0


def test_the_fullest_copy_and_keys_that_a_database_takes() -> None:
    texts = [reduce(None, WIRE[:60]), reduce(None, WIRE), reduce("제목", WIRE[:90])]
    assert fullest(texts) == 1
    keys = bands(texts[1])
    assert keys == bands(reduce(None, WIRE))
    assert all(-(2**63) <= key < 2**63 for key in keys)
