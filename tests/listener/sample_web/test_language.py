"""Korean particles follow the word before them; slips never swallow a brand."""

import random

import pytest

from listener.sample_web.language import particles, say, slip, without_brand


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("딸기{이/가} 왔다", "딸기가 왔다"),
        ("감귤{이/가} 왔다", "감귤이 왔다"),
        ("우유{은/는}", "우유는"),
        ("수원{으로/로} 감", "수원으로 감"),
        ("서울{으로/로} 감", "서울로 감"),
        ("제주{으로/로} 감", "제주로 감"),
        ("Bluebasket{은/는}", "Bluebasket은"),
        ("사과{과/와} 빵{을/를}", "사과와 빵을"),
    ],
)
def test_particles(text: str, expected: str) -> None:
    assert particles(text) == expected


def test_say_fills_choices_and_slots() -> None:
    text = say(random.Random(1), "{b} (빠름|느림) {cry}", {"b": ("누리마켓",), "cry": ("",)})
    assert text in {"누리마켓 빠름", "누리마켓 느림"}


def test_an_unknown_slot_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        say(random.Random(1), "{nothing}", {})


def test_a_second_clause_does_not_repeat_the_brand() -> None:
    assert without_brand("{b}에서 산 두부") == "산 두부"
    assert without_brand("{b}{은/는} 빠르다") == "빠르다"


def test_slips_keep_the_space_after_a_brand() -> None:
    for seed in range(300):
        text = slip(random.Random(seed), "누리마켓 배송 진짜 늦네 ㅠㅠ", keep=("누리마켓",))
        assert text.startswith("누리마켓 ")
