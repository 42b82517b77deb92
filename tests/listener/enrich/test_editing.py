from __future__ import annotations

import json
from typing import Any

import pytest

from listener.enrich.editing import dict_to_rules_text, found_by, rules_to_dict
from listener.enrich.rules import compile_rules, fold
from listener.enrich.rulesfile import read_rules_text
from listener.errors import InvalidInput


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    return rules_to_dict(read_rules_text()[1])


def test_the_built_in_rules_come_back_as_they_were(data: dict[str, Any]) -> None:
    through_json = json.loads(json.dumps(data))
    text = dict_to_rules_text(through_json)
    assert rules_to_dict(text) == data
    assert dict_to_rules_text(rules_to_dict(text)) == text


def test_rules_that_came_back_find_the_same(data: dict[str, Any]) -> None:
    first = compile_rules(read_rules_text()[1])
    second = compile_rules(dict_to_rules_text(data))
    for text in ("배송이 늦어요 환불해 주세요", "the app crashed, charged twice", "문제 없어요"):
        assert sorted(first.find(fold(text))) == sorted(second.find(fold(text)))


@pytest.mark.parametrize(("taxonomy", "category"), [("t" * 16, "summer"), ("season", "c" * 41)])
def test_keys_fit_into_the_names_of_what_is_counted(
    data: dict[str, Any], taxonomy: str, category: str
) -> None:
    changed = json.loads(json.dumps(data))
    changed["taxonomies"].append(
        {"key": taxonomy, "categories": [{"key": category, "name_en": "Hot", "ko": ["여름"]}]}
    )
    with pytest.raises(InvalidInput, match="at most"):
        dict_to_rules_text(changed)


def test_a_taxonomy_and_categories_can_be_added_and_changed(data: dict[str, Any]) -> None:
    changed = json.loads(json.dumps(data))
    delivery = next(c for c in changed["taxonomies"][0]["categories"] if c["key"] == "delivery")
    delivery["ko"].append("새벽이슬")
    delivery["name_ko"] = "배송 문제"
    changed["taxonomies"].append(
        {"key": "season", "categories": [{"key": "summer", "name_en": "Hot", "ko": ["여름"]}]}
    )
    rules = compile_rules(dict_to_rules_text(changed))
    assert rules.names("delivery", "ko") == "배송 문제"
    assert rules.names("season:summer", "en") == "Hot"
    assert rules.names("season:summer", "ko") == "summer"
    assert rules.names("season:winter", "ko") == "season:winter"
    assert {h.topic for h in rules.find("여름 새벽이슬")} == {"season:summer", "delivery"}


@pytest.mark.parametrize(
    ("categories", "words"),
    [
        ([{"key": "a", "ko": ["값(이"]}], "[taxonomy.area.a] ko"),
        ([{"key": "a", "ko": ["x"]}, {"key": "a"}], "two with the key 'a'"),
        ([{"ko": ["x"]}], "category 1 of area has no key"),
        ([{"key": "Ä", "ko": ["x"]}], "lower-case"),
        ([{"key": "single", "ko": ["x"]}], "lower-case"),
        ([{"key": "a", "colour": "x"}], "colour"),
        ([{"key": "a", "ko": ["\ud800"]}], "half a character"),
        ("a", "a list of objects"),
        ([], "there is no section"),
    ],
)
def test_what_is_wrong_is_said(categories: object, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        dict_to_rules_text({"taxonomies": [{"key": "area", "categories": categories}]})
    assert words in caught.value.message


def test_any_text_survives_the_way_out_and_back() -> None:
    odd = '탭\t따옴표" 역\\슬래시 \x7f 줄\n바꿈'
    category = {"key": "a", "name_ko": odd, "ko": ["배송"]}
    text = dict_to_rules_text({"taxonomies": [{"key": "area", "categories": [category]}]})
    assert rules_to_dict(text)["taxonomies"][0]["categories"][0]["name_ko"] == odd


def test_what_words_would_find() -> None:
    texts = ["무료배송이라 배송 좋아요", "Refunded, not refunds", "도착지 도착", ""]
    assert found_by(texts, ko=["배송", "도착"], en=["refund"], excepted=["도착지"]) == [
        [(2, 4), (7, 9)],
        [(0, 8), (14, 21)],
        [(4, 6)],
        [],
    ]
    assert found_by(["무료배송"], ko=["배송", "무료배송"]) == [[(0, 4)]]
    assert found_by(["무료배송"]) == [[]]


def test_words_that_cannot_be_read_are_named() -> None:
    with pytest.raises(InvalidInput, match="empty"):
        found_by(["a"], en=[" "])
