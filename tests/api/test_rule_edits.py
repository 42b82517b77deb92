"""Changes of rules as plain data."""

from __future__ import annotations

from typing import Any

import pytest

from api.rule_edits import (
    Place,
    changes,
    check_limits,
    entry,
    faults,
    head_note,
    new_key,
    put,
    remove,
    same,
    with_note,
)
from listener.enrich.editing import dict_to_rules_text, rules_to_dict
from listener.enrich.rulesfile import read_rules_text
from listener.errors import InvalidInput, NotFound

BUILT_IN = read_rules_text()[1]
PRICE = Place("area", "price")


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    return rules_to_dict(BUILT_IN)


def test_the_built_in_rules_are_within_the_limits(data: dict[str, Any]) -> None:
    check_limits(data)
    words = [w for t in data["taxonomies"] for c in t["categories"] for w in (*c["ko"], *c["en"])]
    assert list(faults(words[:1000])) == []


def test_any_topic_can_be_removed(data: dict[str, Any]) -> None:
    for topic in [c["key"] for c in data["taxonomies"][0]["categories"]][:2]:
        text = dict_to_rules_text(remove(data, Place("area", topic)))
        assert f"[taxonomy.area.{topic}]" not in text
        assert f"[problem.with.{topic}]" not in text
    with pytest.raises(NotFound):
        entry(data, Place("area", "nothing"))


def test_the_last_topic_stays() -> None:
    one = rules_to_dict('[taxonomy.area.a]\nko = ["가"]')
    with pytest.raises(InvalidInput, match="One topic"):
        remove(one, Place("area", "a"))


def test_changes_are_told_in_words(data: dict[str, Any]) -> None:
    assert changes(data, data) == []
    before = entry(data, PRICE)["ko"]
    changed = put(data, PRICE, {"ko": ["새 말", *before[1:]], "name_ko": "값"})
    assert entry(data, PRICE)["ko"] == before
    (found,) = changes(data, changed)
    assert (found.taxonomy, found.key, found.kind) == ("area", "price", "changed")
    assert found.added == {"ko": ["새 말"]}
    assert found.removed == {"ko": [before[0]]}
    assert found.name[0] == "값"
    assert found.before is not None
    added = put(changed, Place("intent", "thanks"), {"ko": ["감사"]})
    assert [(one.key, one.kind) for one in changes(changed, added)] == [("thanks", "added")]
    assert [(one.key, one.kind) for one in changes(added, changed)] == [("thanks", "removed")]
    things = put(data, Place("problem", "things", is_problem=True), {"ko": ["불량"], "en": []})
    (found,) = changes(data, things)
    assert (found.taxonomy, found.key) == ("problem.", "things")


def test_what_is_left_out_is_what_is_empty() -> None:
    assert same({"a": [], "b": {"c": None}, "d": ["x"]}, {"d": ["x"], "e": False})
    assert not same({"a": ["x"]}, {"a": ["y"]})


@pytest.mark.parametrize(
    ("name", "taken", "key"),
    [
        ("Parking lot!", (), "parking_lot"),
        ("Parking", ("parking",), "parking_2"),
        ("주차", (), "own_1"),
        ("", ("own_1",), "own_2"),
        ("1st", (), "own_1"),
        ("single", (), "single_2"),
        ("x" * 40, (), "x" * 24),
    ],
)
def test_keys_come_from_names(name: str, taken: tuple[str, ...], key: str) -> None:
    assert new_key(name, taken) == key


def test_a_note_is_one_line_of_the_text() -> None:
    text = with_note("[taxonomy.area.a]\n", ' 왜\n"냐"\x00\x1b면 ')
    assert text.splitlines()[0] == '# Note: 왜 "냐" 면'
    assert head_note(text) == '왜 "냐" 면'
    assert rules_to_dict(text)["taxonomies"][0]["key"] == "area"
    assert head_note(with_note("x", " ")) == ""
