from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

from builders import NOW
from listener.analyze.themes import Said
from listener.detect.emerging import (
    baseline_end,
    emerge,
    listen,
    numbers_of,
    of_known_kinds,
    unheard,
    voices,
)
from quietbrand import a_text

MINUTE = timedelta(minutes=1)
TALK = [a_text(random.Random(n)) for n in range(400)]


def said(*texts: str, author: str = "", first: int = 1) -> list[Said]:
    return [
        Said(first + n, NOW + n * MINUTE, text, author or f"a{first + n}", f"t{first + n}")
        for n, text in enumerate(texts)
    ]


EXPLOSIONS = (
    "배터리 폭발 났어요",
    "배터리폭발 무서워요",
    "오늘 배터리 폭발 뉴스",
    "배터리 폭발 때문에 환불",
    "배터리 폭발 진짜인가요",
    "친구네도 배터리 폭발",
)


def test_a_phrase_of_enough_people_is_a_candidate() -> None:
    talk = listen([*said(*TALK[:20]), *said(*EXPLOSIONS, first=100)], TALK)
    by_key = {one.key: one for one in talk.candidates}
    assert by_key["배터리폭발"].voices == 6
    assert by_key["배터리폭발"].text == "배터리 폭발"
    assert by_key["배터리폭발"].variants == ("배터리폭발",)
    assert talk.mentions == 26


def test_names_and_words_that_are_known_are_no_candidates() -> None:
    talk = listen(said(*EXPLOSIONS), TALK, names=["배터리"])
    assert "배터리폭발" not in {one.key for one in talk.candidates}
    talk = listen(said(*EXPLOSIONS), TALK, known_words=["배터리 폭발"])
    assert "배터리폭발" not in {one.key for one in talk.candidates}


def test_voices_are_distinct_authors_and_stories() -> None:
    assert voices(said(*EXPLOSIONS)) == 6
    assert voices(said(*EXPLOSIONS, author="loud")) == 1
    copies = [Said(n, NOW, "같은 글", f"a{n}", "one") for n in range(9)]
    assert voices(copies) == 1
    assert voices([Said(n, NOW, "글") for n in range(3)]) == 3


def test_what_a_sample_shows_to_be_usual_is_left_out() -> None:
    talk = listen([*said(*TALK[:60]), *said(*EXPLOSIONS, first=100)], TALK)
    left = unheard(talk.candidates, TALK, talk, usual=2000)
    keys = {one.key for one in talk.candidates}
    assert "배터리폭발" in {one.key for one in left}
    assert keys - {one.key for one in left} == {"보고", "주차장"}, "said all the time"
    assert unheard(talk.candidates, [], talk, usual=0) == list(talk.candidates)


def test_an_unused_phrase_emerges_and_a_used_one_does_not() -> None:
    talk = listen([*said(*TALK[:20]), *said(*EXPLOSIONS, first=100)], TALK)
    (phrase,) = [one for one in talk.candidates if one.key == "배터리폭발"]
    (topic,) = emerge(talk, [phrase], {}, usual=2000)
    assert topic.key == "배터리폭발"
    assert topic.score > 4
    (again,) = emerge(talk, [phrase], {phrase.key: 5}, usual=2000)
    assert again.score < topic.score - 2
    assert again.expected == 5 * 26 / 2000
    assert emerge(talk, [phrase], {phrase.key: 80}, usual=2000) == [], "not ten times the usual"
    assert emerge(talk, [phrase], {}, usual=99) == [], "too little to compare with"


def test_phrases_of_the_same_mentions_are_one_topic() -> None:
    texts = [f"공장 화재 소식 {n}번째 물류 마비" for n in range(8)]
    talk = listen([*said(*TALK[:20]), *said(*texts, first=100)], TALK)
    topics = emerge(talk, talk.candidates, {}, usual=2000)
    fires = [topic for topic in topics if topic.voices == 8]
    assert len(fires) == 1
    assert len(fires[0].phrases) > 1


def test_mentions_of_a_new_source_are_left_out() -> None:
    some = said(*EXPLOSIONS)
    kinds = {one.mention_id: "plaza ko" if one.mention_id < 4 else "square ko" for one in some}
    usual = Counter({"plaza ko": 200, "square ko": 3})
    assert [one.mention_id for one in of_known_kinds(some, kinds, usual)] == [1, 2, 3]


def test_numbers_tell_how_it_came() -> None:
    numbers = numbers_of(said(*EXPLOSIONS))
    assert (numbers["mentions"], numbers["authors"], numbers["stories"]) == (6, 6, 6)
    assert numbers["timeline"][-1] == [(NOW + 5 * MINUTE).isoformat(), 6, 6]
    assert numbers["first_id"] == 1


def test_the_weeks_before_end_at_a_quarter_of_the_day() -> None:
    at = datetime(2025, 3, 10, 13, 20, tzinfo=UTC)
    assert baseline_end(at) == datetime(2025, 3, 10, 6, tzinfo=UTC)
    assert baseline_end(at.replace(hour=2)) == datetime(2025, 3, 9, 18, tzinfo=UTC)
