"""Explaining a spike: the planted cause comes first, copies and loud accounts do not mislead."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from listener.detect.explain import Explanation, SpikeFact, explain
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
