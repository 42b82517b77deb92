"""Explaining a spike: the planted cause comes first, copies and loud accounts do not mislead."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from listener.detect.explain import (
    Explanation,
    SpikeFact,
    Usual,
    explain,
    recount,
    similarity,
)
from listener.types import Label

T = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TALK = [
    "아카시아 새 가방 색이 예뻐요",
    "아카시아 매장 직원이 친절해요",
    "배송이 하루 만에 왔네요 아카시아 좋아요",
    "아카시아 지갑 가격이 조금 비싸요",
    "Acacia bag arrived today, looks great",
    "the Acacia wallet is nice but expensive",
    "아카시아 배송 문의 드려요",
]
WAVE = [
    "아카시아 택배 파손 심하네요 상자가 찢어졌어요",
    "또 택배 파손이에요 아카시아 환불해 주세요",
    "아카시아 택배 파손 벌써 두 번째",
    "택배 파손 때문에 아카시아 다시는 안 사요",
]


def fact(i: int, text: str, **change: Any) -> SpikeFact:
    values: dict[str, Any] = {
        "mention_id": i,
        "event_at": T + timedelta(minutes=i),
        "source": "x",
        "text": text,
        "author_key": f"a{i}",
    }
    return SpikeFact(**{**values, **change})


def talk(n: int, first: int = 1000, **change: Any) -> list[SpikeFact]:
    rng = random.Random(7)
    return [fact(first + i, rng.choice(TALK), **change) for i in range(n)]


def wave(n: int, **change: Any) -> list[SpikeFact]:
    return [fact(i, WAVE[i % len(WAVE)], **change) for i in range(n)]


def tell(
    facts: Sequence[SpikeFact], usual: Sequence[SpikeFact], **lengths: timedelta
) -> Explanation:
    return explain(
        facts,
        usual,
        length=lengths.get("length", HOUR),
        usual_length=lengths.get("usual_length", 24 * HOUR),
    )


def test_the_planted_phrase_comes_first() -> None:
    told = tell([*wave(20), *talk(10, first=500)], talk(240))
    assert told.phrases[0].text == "택배 파손"
    assert told.phrases[0].count >= 15
    assert told.phrases[0].usual == 0
    assert "아카시아" not in [p.text for p in told.phrases]


def test_an_english_cause_is_found_too() -> None:
    facts = [fact(i, f"Acacia gift card declined again at checkout {i}") for i in range(8)]
    assert tell([*facts, *talk(8, first=500)], talk(200)).phrases[0].text in {
        "gift card",
        "card declined",
    }


def test_without_a_baseline_the_frequent_phrases_are_told() -> None:
    told = tell(wave(12), [], usual_length=timedelta(0))
    assert "택배 파손" in [p.text for p in told.phrases]
    assert told.usual_complaint_share is None


def test_a_loud_account_does_not_make_a_phrase() -> None:
    spam = [fact(i, "쿠폰 무료 증정 이벤트", author_key="loud") for i in range(100, 160)]
    told = tell([*wave(20), *spam], talk(240))
    assert told.phrases[0].text == "택배 파손"
    assert not any("쿠폰" in p.text for p in told.phrases)
    assert told.loudest_author_share == 0.75
    assert told.authors == 21


def test_topics_and_sources_by_excess() -> None:
    facts = [
        *wave(20, topics=("delivery", "quality"), source="x", complaint=True, label=Label.NEGATIVE),
        *talk(10, first=500, topics=("price",), source="shop", complaint=False),
    ]
    usual = [
        *talk(240, topics=("price",), source="shop", complaint=False),
        *talk(24, first=5000, topics=("delivery",), source="x", complaint=None),
    ]
    told = tell(facts, usual)
    assert [(d.name, d.count, d.excess) for d in told.topics] == [
        ("quality", 20, 20.0),
        ("delivery", 20, 19.0),
    ]
    (source,) = told.sources
    assert (source.name, source.share) == ("x", round(20 / 30, 4))
    assert source.usual_share == round(24 / 264, 4)
    assert told.labels[0].name == "negative"
    assert told.complaint_share == round(2 / 3, 4)
    assert told.usual_complaint_share == 0


def test_samples_are_one_per_story_and_typical() -> None:
    copies = [fact(i, WAVE[0], story_key="s") for i in range(30)]
    others = [fact(100 + i, WAVE[1 + i % 3]) for i in range(3)]
    told = tell([*talk(5, first=500), *copies, *others], talk(240))
    assert told.stories == 9
    assert len([i for i in told.sample_ids if i < 30]) == 1
    assert set(told.sample_ids[:4]) == {next(i for i in told.sample_ids if i < 30), 100, 101, 102}


def test_first_and_most_spread() -> None:
    facts = wave(6)
    facts[4] = fact(4, WAVE[0], engagement=900)
    facts[5] = fact(5, WAVE[0], event_at=T - HOUR, engagement=3)
    told = tell(facts, talk(50))
    assert told.first_ids == (5, 0, 1)
    assert told.most_spread_ids == (4, 5)


def test_nothing_to_explain() -> None:
    told = tell([], [])
    assert (told.mentions, told.phrases, told.sample_ids, told.complaint_share) == (0, (), (), None)


def test_order_of_input_does_not_matter() -> None:
    facts, usual = [*wave(20), *talk(10, first=500)], talk(100)
    assert tell(facts[::-1], usual[::-1]) == tell(facts, usual)


def test_it_is_json() -> None:
    told = tell(wave(5, topics=("delivery",)), talk(50)).to_json()
    assert json.loads(json.dumps(told)) == told
    assert told["topics"][0]["name"] == "delivery"


# --- against the expectation, counted anew, compared ----------------------------------------------


def test_the_excess_is_against_what_was_expected_of_these_hours() -> None:
    facts = [*wave(20, source="x"), *talk(10, first=500, source="shop")]
    usual = [*talk(60, source="shop"), *talk(20, first=5000, source="x")]
    told = explain(facts, usual, length=HOUR, usual_length=24 * HOUR, expected=8.0)
    found = {one.name: one.excess for one in told.sources}
    assert found == {"x": 18.0, "shop": 4.0}
    # Of a kind that each mention has one of, the excesses sum to that of the spike.
    assert sum(found.values()) == len(facts) - 8.0


def test_products_versions_and_places_are_drivers() -> None:
    facts = [
        *wave(12, product="쿠션", version="2.1", place="강남", country="KR", language="ko"),
        *talk(6, first=500, product="크림", language="en"),
    ]
    told = tell(facts, talk(100, product="크림", language="ko"))
    assert next((d.name, d.count, d.usual_share) for d in told.products) == ("쿠션", 12, 0.0)
    assert [d.name for d in told.versions] == ["2.1"]
    assert [d.name for d in told.places] == ["강남"]
    assert [d.name for d in told.countries] == ["KR"]
    assert told.languages[0].name == "ko"
    assert told.writers == ()  # everybody wrote once


def test_who_wrote_is_told_but_not_kept() -> None:
    told = tell([fact(i, WAVE[0], author_key="a_few") for i in range(5)], talk(50))
    assert [(one.name, one.count) for one in told.writers] == [("a_few", 5)]
    assert "a_few" not in json.dumps(told.to_json())


def test_the_names_of_the_brand_are_no_phrases() -> None:
    facts = [fact(i, f"달빛초 파손 심해요 {i}") for i in range(9)]
    told = explain(facts, [], length=HOUR, usual_length=HOUR, ignored={"달빛초"})
    assert not [p.text for p in told.phrases if "달빛초" in p.text]
    assert told.phrases


def test_counting_anew_keeps_phrases_and_the_usual() -> None:
    usual = talk(200, topics=("price",), complaint=False)
    first = tell([*wave(20, topics=("delivery",)), *talk(5, first=500)], usual)
    kept = json.loads(json.dumps(first.to_json()))
    fewer = [*wave(12, topics=("delivery",)), *talk(5, first=500)]
    again = recount(fewer, kept, expected=1.0)
    assert again.mentions == 17
    assert again.topics[0].count == 12
    assert [p.text for p in again.phrases] == [p.text for p in first.phrases]
    assert set(again.sample_ids) <= {f.mention_id for f in fewer}
    assert again.usual == first.usual or again.usual.mentions == 200
    assert again.usual_complaint_share == 0
    old = recount(fewer, {}, expected=1.0, usual=Usual(mentions=10, counts={"sources": {"x": 10}}))
    assert old.sources[0].usual_share == 1.0


def test_alike_is_what_has_the_same_drivers() -> None:
    usual = talk(100, source="shop", topics=("price",))
    courier = tell(wave(20, source="x", topics=("delivery",)), usual).to_json()
    again = tell(wave(60, source="x", topics=("delivery",)), usual).to_json()
    other = [fact(i, f"앱이 자꾸 꺼져요 {i}", source="shop", topics=("app",)) for i in range(20)]
    app = tell(other, usual).to_json()
    assert similarity(courier, again) > 0.9
    assert similarity(courier, app) < 0.2
    assert similarity(courier, courier) == pytest.approx(1.0)
    assert similarity({}, {}) == similarity(courier, {}) == 0.0
