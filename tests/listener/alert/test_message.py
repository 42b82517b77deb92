"""What an alert says, in both languages."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from builders import NOW
from listener.alert.message import (
    AlertFacts,
    Sample,
    SpikeFacts,
    compose,
    payload,
    series_name,
)

SEOUL = ZoneInfo("Asia/Seoul")

SPIKE = SpikeFacts(
    spike_id=7,
    dimension="complaint",
    state="open",
    onset_at=NOW,
    resolved_at=None,
    expected=4.0,
    observed=32.0,
    score=3.5,
    topics=(("delivery", 0.8), ("service", 0.1)),
    sources=(("x", 0.6), ("reviews", 0.4)),
    phrases=("택배사 변경",),
    authors=30,
    stories=28,
)
FACTS = AlertFacts(
    alert_id=3,
    brand="누리마켓",
    severity="high",
    opened_at=NOW,
    resolved_at=None,
    spikes=(SPIKE,),
    samples=(Sample(mention_id=11, source="x", excerpt="택배가 사흘째 안 와요", url=None),),
    url="https://listener.example/spikes/7",
)


def named(topic: str, language: str) -> str:
    names = {"delivery": ("배송", "delivery"), "service": ("고객 응대", "service")}
    return names[topic][language != "ko"]


def test_korean_tells_since_when_how_much_and_why() -> None:
    text = compose(FACTS, "alert.opened", language="ko", tz=SEOUL, named=named)
    assert text.title == "[급증] 누리마켓 불만 32건, 평소의 8.0배"
    assert "03월 10일 21:00부터 불만 32건 (예상 4.0건)" in text.body
    assert "주제: 배송 80%, 고객 응대 10%" in text.body
    assert "두드러진 표현: 택배사 변경" in text.body
    assert "작성자 30명, 서로 다른 글 28건" in text.body
    assert "택배가 사흘째 안 와요" in text.body
    assert text.body.endswith("https://listener.example/spikes/7")


def test_english_says_the_same() -> None:
    text = compose(FACTS, "alert.opened", language="en", tz=SEOUL, named=named)
    assert text.title == "[Spike] 누리마켓: 32 complaints, 8.0 times the usual"
    assert "Since 10 Mar 21:00: 32 complaints (4.0 expected)." in text.body
    assert "Topics: delivery 80%, service 10%" in text.body


def test_no_ratio_where_next_to_nothing_was_expected() -> None:
    facts = replace(FACTS, spikes=(replace(SPIKE, expected=0.2),))
    assert compose(facts, "alert.opened", language="ko", tz=SEOUL).title.endswith("평소 0.2건")


@pytest.mark.parametrize(
    ("event", "ko", "en"),
    [("alert.resolved", "[해소]", "[Resolved]"), ("alert.escalated", "[심화]", "[Worse]")],
)
def test_each_event_has_its_own_words(event: str, ko: str, en: str) -> None:
    ended = NOW + timedelta(hours=3)
    facts = replace(FACTS, spikes=(replace(SPIKE, resolved_at=ended),))
    korean = compose(facts, event, language="ko", tz=SEOUL)
    assert korean.title.startswith(ko)
    assert "03월 11일 00:00에 평소 수준으로" in korean.body
    assert compose(facts, event, language="en", tz=SEOUL).title.startswith(en)


def test_a_test_message_says_that_it_is_one() -> None:
    assert "시험" in compose(FACTS, "test", language="ko", tz=SEOUL).title
    assert "not a real spike" in compose(FACTS, "test", language="en", tz=SEOUL).body


@pytest.mark.parametrize(
    ("dimension", "ko", "en"),
    [
        ("complaint", "불만", "complaints"),
        ("topic:delivery", "배송 언급", "mentions about delivery"),
        ("topic:delivery:complaint", "배송 불만", "complaints about delivery"),
        ("source:x", "x 언급", "mentions on x"),
    ],
)
def test_series_have_names(dimension: str, ko: str, en: str) -> None:
    assert series_name(dimension, "ko", named) == ko
    assert series_name(dimension, "en", named) == en


def test_a_topic_that_no_rules_know_is_called_by_its_key() -> None:
    assert series_name("topic:site_app:complaint", "ko") == "site_app 불만"
    assert "delivery 80%" in compose(FACTS, "alert.opened", language="ko", tz=SEOUL).body


def test_the_payload_holds_ids_numbers_and_both_texts() -> None:
    data = payload(FACTS, "alert.opened", tz=SEOUL, named=named)
    assert "배송 80%" in data["text"]["ko"]["body"]
    assert data["alert"]["id"] == 3
    assert data["spikes"][0]["onset"] == NOW.isoformat()
    assert data["spikes"][0]["topics"][0] == {"topic": "delivery", "share": 0.8}
    assert data["mentions"] == [
        {"id": 11, "source": "x", "excerpt": "택배가 사흘째 안 와요", "url": None}
    ]
    assert set(data["text"]) == {"ko", "en"}


@pytest.mark.parametrize(
    ("dimension", "ko", "en"),
    [
        ("source:x:complaint", "x 불만", "complaints on x"),
        ("language:ko:negative", "한국어 부정 언급", "negative mentions in Korean"),
        ("country:KR", "한국 언급", "mentions from South Korea"),
        ("share:negative", "부정 비율", "share of negatives"),
        ("share:negative:topic:delivery", "배송 부정 비율", "share of negatives about delivery"),
        ("mean:rating", "평균 별점", "mean rating"),
        ("new:환불 거부", "새 화제 ‘환불 거부’", "the new topic “환불 거부”"),
        ("viral:12", "빠르게 퍼지는 글", "a post that goes viral"),
        ("tag:intent:churn", "tag:intent:churn", "tag:intent:churn"),
    ],
)
def test_every_kind_of_series_has_a_name(dimension: str, ko: str, en: str) -> None:
    assert series_name(dimension, "ko", named) == ko
    assert series_name(dimension, "en", named) == en


def test_a_reminder_says_that_nobody_has_come_and_asks() -> None:
    facts = replace(FACTS, acknowledge_url="https://listener.example/acknowledge/t")
    text = compose(facts, "alert.reminder", language="ko", tz=SEOUL)
    assert text.title.startswith("[미확인] 누리마켓")
    assert "아직 아무도 확인하지 않았습니다" in text.body
    assert [address for _, address in text.links] == [facts.acknowledge_url, facts.url]
    over = compose(facts, "alert.resolved", language="ko", tz=SEOUL)
    assert [address for _, address in over.links] == [facts.url]


def test_the_end_says_who_had_seen_it_and_why_it_was_closed() -> None:
    facts = replace(
        FACTS, acknowledged_by="민지", acknowledged_at=NOW, verdict="false", resolved_at=NOW
    )
    korean = compose(facts, "alert.resolved", language="ko", tz=SEOUL).body
    assert "민지 확인" in korean
    assert "오탐" in korean
    assert "false alarm" in compose(facts, "alert.resolved", language="en", tz=SEOUL).body


def test_a_digest_says_why_it_came_together() -> None:
    digest = replace(FACTS, spikes=(), alerts=(FACTS, replace(FACTS, resolved_at=NOW)), why="quiet")
    text = compose(digest, "alert.digest", language="ko", tz=SEOUL)
    assert text.title == "[모아 알림] 급증 2건"
    assert "방해 금지" in text.body
    assert text.body.count("누리마켓 불만 32건") == 2
    assert text.body.count("(끝남)") == 1
    assert len(payload(digest, "alert.digest", tz=SEOUL)["alerts"]) == 2


def test_a_short_form_keeps_title_and_links() -> None:
    facts = replace(FACTS, acknowledge_url="https://listener.example/acknowledge/" + "t" * 80)
    text = compose(facts, "alert.opened", language="ko", tz=SEOUL, named=named)
    whole = text.within(10_000)
    assert whole == f"{text.title}\n{text.body}"
    for limit in (400, 200, 90, 30, 10):
        short = text.within(limit)
        assert len(short) <= limit
        shown = [line.rpartition(": ")[2] for line in short.split("\n") if "https://" in line]
        assert set(shown) <= {address for _, address in text.links}  # never half a link
    assert text.within(200).startswith(text.title)
    assert text.within(200).endswith(facts.url or "")
    assert "acknowledge" not in text.within(90)


def test_the_next_in_the_chain_learns_that_nobody_has_seen_it() -> None:
    facts = replace(FACTS, step=1)
    korean = compose(facts, "alert.opened", language="ko", tz=SEOUL)
    assert korean.title.startswith("[미확인] 누리마켓 불만")
    assert korean.body.startswith(
        "03월 10일 21:00에 먼저 알린 사람들이 아직 확인하지 않아 다음 차례로 알립니다.\n"
    )
    english = compose(facts, "alert.opened", language="en", tz=SEOUL)
    assert english.title.startswith("[Still unseen] ")
    assert "you are next" in english.body
    assert payload(facts, "alert.opened", tz=SEOUL)["alert"]["step"] == 1

    seen = replace(facts, acknowledged_at=NOW, acknowledged_by="Mina")
    assert compose(seen, "alert.opened", language="en", tz=SEOUL).title.startswith("[Spike] ")
    assert payload(FACTS, "alert.opened", tz=SEOUL)["alert"]["step"] == 0


def test_the_wider_series_stands_for_its_parts() -> None:
    part = replace(SPIKE, spike_id=8, dimension="topic:service:complaint", score=8.0)
    volume = replace(SPIKE, spike_id=9, dimension="all", score=9.0)
    over = replace(SPIKE, spike_id=10, dimension="negative", score=9.0, resolved_at=NOW)
    for spikes in ((part, SPIKE, volume, over), (over, volume, part, SPIKE)):
        assert replace(FACTS, spikes=spikes).lead == SPIKE
