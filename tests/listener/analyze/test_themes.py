from __future__ import annotations

import random
import time
from datetime import timedelta

from builders import NOW
from listener.analyze.themes import (
    Known,
    Said,
    Spelt,
    Theme,
    enough,
    find_themes,
    phrase_words,
    same_themes,
    sampling,
)
from quietbrand import a_text, quiet

DAY = timedelta(days=1)


def posts(texts: list[str], *, first: int = 10_000, story: str | None = None) -> list[Said]:
    """Posts of the last hours, each by an author of its own."""
    return [
        Said(first + n, NOW - timedelta(minutes=7 * (n + 1)), text, f"new-{first}-{n}", story)
        for n, text in enumerate(texts)
    ]


PLANTED = [
    *("거품 용기 누수가 있어요", "거품 용기 누수 때문에 다 젖었어요", "또 거품 용기에서 누수"),
    *("거품용기 누수 심해요", "거품 용기 누수로 교환했어요", "이번 제품만 거품 용기 누수가 있나요"),
    *("거품 용기 누수 아쉬워요", "선물인데 거품 용기 누수", "거품 용기 누수가 심각합니다"),
]


def test_a_planted_phrase_comes_first() -> None:
    usual = list(quiet(random.Random(1), NOW, days=35, a_day=20))
    themes = find_themes([*usual, *posts(PLANTED)], now=NOW)
    assert themes[0].name == "거품 용기 누수"
    assert themes[0].count == len(PLANTED)
    assert themes[0].expected == 0
    assert themes[0].window == DAY
    assert set(themes[0].mention_ids) == {10_000 + n for n in range(len(PLANTED))}
    # Its parts, and the spelling without a space, are one theme with it.
    assert len(themes) == 1
    assert "거품용기 누수" in phrase_words(
        [{"text": p.text, "variants": list(p.variants)} for p in themes[0].phrases]
    )


def test_noise_makes_no_themes() -> None:
    weeks = 40
    false = 0
    for week in range(weeks):
        said = list(quiet(random.Random(100 + week), NOW, days=35, a_day=8))
        assert enough(said, NOW)
        false += bool(find_themes(said, now=NOW))
    assert false / weeks <= 0.05, false


def test_copies_of_one_text_are_one_voice() -> None:
    usual = list(quiet(random.Random(2), NOW, days=35, a_day=12))
    copies = posts(["거품 용기 누수 전량 회수 결정"] * 200, story="s1")
    assert not find_themes([*usual, *copies], now=NOW)


def test_one_author_is_one_voice() -> None:
    usual = list(quiet(random.Random(3), NOW, days=35, a_day=12))
    loud = [Said(one.mention_id, one.at, one.text, "loud") for one in posts(PLANTED * 4)]
    assert not find_themes([*usual, *loud], now=NOW)


def test_a_busy_day_with_the_usual_words_is_no_theme() -> None:
    chance = random.Random(4)
    usual = list(quiet(chance, NOW, days=35, a_day=12))
    busy = posts([a_text(chance) for _ in range(200)])
    assert not find_themes([*usual, *busy], now=NOW)


def test_names_and_known_words_are_no_themes() -> None:
    usual = list(quiet(random.Random(5), NOW, days=35, a_day=20))
    new = posts(
        [f"하늘마켓 새벽배송 {end}" for end in "좋아요 싫어요 와요 빨라요 느려요 왔네요".split()]
    )
    found = find_themes([*usual, *new], now=NOW, names=["하늘마켓"])
    assert [theme.name for theme in found] == ["새벽배송"]
    assert not find_themes([*usual, *new], now=NOW, names=["하늘마켓"], known_words=["새벽 배송"])


def test_without_a_baseline_there_is_nothing_to_compare_with() -> None:
    assert not enough(posts(PLANTED), NOW)
    assert not find_themes(posts(PLANTED), now=NOW)
    assert not find_themes([], now=NOW)


def test_a_week_long_rise_is_found_in_the_longer_window() -> None:
    usual = list(quiet(random.Random(6), NOW, days=35, a_day=12))
    spread = [
        Said(20_000 + n, NOW - n * timedelta(hours=17), text, f"w{n}")
        for n, text in enumerate(PLANTED)
    ]
    themes = find_themes([*usual, *spread], now=NOW)
    assert themes[0].name == "거품 용기 누수"
    assert themes[0].window == 7 * DAY


def test_english_phrases_rise_as_well() -> None:
    chance = random.Random(7)
    words = "cream lid parcel shop price store colour smell coupon staff refill bottle".split()
    usual = [
        Said(n, NOW - timedelta(hours=1 + n), f"The {chance.choice(words)} is fine", f"e{n}")
        for n in range(800)
    ]
    ends = ("leak", "broke", "is stuck", "never works", "arrived cracked", "came off")
    new = posts([f"My pump dispenser {end}" for end in ends])
    assert find_themes([*usual, *new], now=NOW)[0].name == "pump dispenser"


# --- the same theme tomorrow ---------------------------------------------------------------------


def a_theme(*texts: str, ids: tuple[int, ...] = ()) -> Theme:
    return Theme(
        name=texts[0],
        phrases=tuple(Spelt(text.replace(" ", ""), text) for text in texts),
        window=DAY,
        count=9,
        expected=0.1,
        z=4.0,
        mention_ids=ids,
    )


def test_a_theme_is_known_again_by_its_phrases_or_its_mentions() -> None:
    before = [
        Known(1, frozenset({"거품용기누수", "누수"}), frozenset({1, 2, 3})),
        Known(2, frozenset({"사은품누락"}), frozenset({7, 8, 9})),
        Known(3, frozenset({"색상변경"}), frozenset()),
    ]
    found = [
        a_theme("누수 교환", "누수", ids=(50,)),
        a_theme("샘플 누락", ids=(7, 8, 9, 10)),
        a_theme("가격 인상", ids=(60,)),
    ]
    assert same_themes(found, before) == {0: 1, 1: 2}


def test_an_id_is_given_once_to_the_likest() -> None:
    before = [Known(1, frozenset({"누수"}), frozenset())]
    found = [a_theme("용기", "누수", "거품"), a_theme("누수")]
    assert same_themes(found, before) == {1: 1}


def test_samples_keep_below_the_most() -> None:
    assert sampling(100, 1_000) == 1
    assert sampling(2_001, 1_000) == 3


def test_reading_a_month_takes_seconds() -> None:
    said = list(quiet(random.Random(8), NOW, days=35, a_day=60))
    began = time.perf_counter()
    find_themes(said, now=NOW)
    assert time.perf_counter() - began < 10
