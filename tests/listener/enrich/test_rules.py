from __future__ import annotations

import csv
from pathlib import Path

import pytest

from listener.enrich.rules import Rules, fold, load_rules
from listener.enrich.topics import topics_of
from listener.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("무료배송이라 좋아요", ("delivery",)),
        ("택배가 늦어요", ("delivery",)),
        ("값이 비싸요", ("price",)),
        ("값진 경험이었어요", ()),
        ("첫인상이 좋아요", ()),
        ("가격 인상이라니", ("price",)),
        ("품질 좋고 직원이 친절해요", ("quality", "staff")),
        ("앱에서 결제 오류", ("payment", "app_stability")),
        ("랩앱", ()),
        ("품절이라 환불받음", ("availability", "refund")),
        ("The parcels were delivered", ("delivery",)),
        ("refunded my card payment", ("payment", "refund")),
        ("the application crashed", ("app_stability",)),
        ("happy with it", ()),
        ("stock market news", ()),
        ("SOLD OUT again", ("availability",)),
        ("my iPad charger", ()),
        ("The customer’s support team", ("service",)),
        ("맛있어요", ("quality",)),
        ("두 시간이나 서 있었다", ()),
        ("좋지도 나쁘지도 않아요", ()),
        ("휴대폰으로 봤어요", ()),
        ("휴대하기 좋아요", ("features",)),
        ("주문했는데 안 왔어요", ("delivery",)),
        ("주문이 안 돼요", ("payment",)),
        ("I paid with my own money", ()),
        ("I paid with my card", ("payment",)),
        ("you get what you pay for", ()),
        ("they charged me again", ("payment",)),
        ("the bill came", ()),
    ],
)
def test_names_the_topics(rules: Rules, text: str, topics: tuple[str, ...]) -> None:
    assert set(topics_of(rules.find(fold(text)))) == set(topics)


def test_folding_keeps_every_character_in_its_place() -> None:
    text = "İstanbul’a KARGO 배송"
    assert len(fold(text)) == len(text)
    assert fold(text).index("배송") == text.index("배송")


def test_the_version_changes_with_the_rules(tmp_path: Path, rules: Rules) -> None:
    file = tmp_path / "rules.toml"
    file.write_text('[taxonomy.area.delivery]\nko = ["배송"]\n', "utf-8")
    first = load_rules(file)
    file.write_text('[taxonomy.area.delivery]\nko = ["배송", "택배"]\n', "utf-8")
    second = load_rules(file)
    assert len({rules.version, first.version, second.version}) == 3
    assert load_rules(file).version == second.version


def test_a_file_of_ones_own_replaces_the_rules(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(
        '[taxonomy.area.taste]\nko = ["맛"]\nexcept = ["맛집"]\n'
        '[problem.with.taste]\nko = ["없"]\n',
        "utf-8",
    )
    rules = load_rules(file)
    assert rules.topics == ("taste",)
    assert topics_of(rules.find("맛이 없어요")) == ("taste",)
    assert topics_of(rules.find("맛집이에요")) == ()
    assert topics_of(rules.find("배송")) == ()


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ('[taxonomy.area.delivery]\nko = ["배송"\n\n[taxonomy.area.price]\n', None, "TOML"),
        ('[taxonomy.area.delivery]\nko = "배송"\n', 2, "[taxonomy.area.delivery] ko"),
        (
            '[taxonomy.area.delivery]\nko = ["배송"]\n\n[taxonomy.area.price]\nko = ["값(이"]\n',
            5,
            "[taxonomy.area.price] ko",
        ),
        ('[taxonomy.area.delivery]\nko = ["배송", 3]\n', 2, "3 is not a text"),
        ('[taxonomy.area.delivery]\nko = ["", "배송"]\n', 2, "empty"),
        ('[taxonomy.area.delivery]\nko = ["(안|못)?"]\n', 2, "not optional"),
        ('[taxonomy.area.delivery]\nko = ["가 .. 가 .. 가 .. 가 .. 나"]\n', 2, "more than 3 '..'"),
        ('[taxonomy.area.delivery]\nen = ["a****b"]\n', 2, "more than 3 '*' in one word"),
        (f'[taxonomy.area.delivery]\nko = ["{"(가)?" * 9}나"]\n', 2, "more than 8 groups"),
        ('[taxonomy.area.delivery]\njp = ["配送"]\n', 2, "jp"),
        ('[taxonomy.area.delivery]\nko = ["배송"]\n[topic.price]\nko = ["값"]\n', None, "[topic]"),
        ('[taxonomy.area.Delivery]\nko = ["배송"]\n', None, "Delivery"),
        (
            '[taxonomy.area.delivery]\nko = ["배송"]\n[problem.with.price]\nko = ["비싸"]\n',
            3,
            "[problem.with.price]",
        ),
        (
            '[taxonomy.area.delivery]\nko = ["배송"]\n[complaint]\nstrong_negative = 3\n',
            4,
            "-1 to 0",
        ),
        ("", None, "[taxonomy.area.NAME]"),
        ("topics = 3\n", None, "[topics.NAME] is now written [taxonomy.area.NAME]"),
        ("taxonomy = 3\n", None, "[taxonomy]"),
        (
            '[taxonomy.area.a]\nko = ["배송"]\n[taxonomy.b.c]\ntold = "yes"\n',
            4,
            "told: true or false",
        ),
        ('[taxonomy.area.a]\nko = ["배송"]\n[taxonomy.b.c]\nareas = ["x"]\n', 4, "area.x]"),
        ('[taxonomy.area.a]\nko = ["배송"]\n[taxonomy.b]\nko = ["x"]\n', 4, "[taxonomy.b] ko"),
        ("[taxonomy.area.a]\nname_ko = 3\n", 2, "name_ko: a name in quotes"),
        ('[taxonomy.area.a]\nareas = ["a"]\n', 2, "an area has words only"),
    ],
)
def test_a_broken_file_is_named_with_its_place(
    tmp_path: Path, content: str, line: int | None, words: str
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(content, "utf-8")
    with pytest.raises(InvalidInput) as caught:
        load_rules(file)
    assert "mine.toml" in caught.value.message
    assert words in caught.value.message
    assert caught.value.field == "rules"
    if line is not None:
        assert f"line {line}:" in caught.value.message


def test_a_missing_or_unreadable_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        load_rules(tmp_path / "none.toml")
    file = tmp_path / "latin.toml"
    file.write_bytes("[taxonomy.area.a]\nko = ['배송']\n".encode("cp949"))
    with pytest.raises(InvalidInput, match="line 2 is not UTF-8"):
        load_rules(file)


@pytest.mark.parametrize(
    "text", ["", "\n", "🙂" * 500, "배송" * 3000, "\ud800", "(((((", "a" * 20000]
)
def test_any_text_can_be_searched(rules: Rules, text: str) -> None:
    assert isinstance(rules.find(fold(text)), list)


def test_texts_in_which_no_filter_is_looked_for_hold_none(rules: Rules) -> None:
    lines = (Path(__file__).parent / "dev_rules.tsv").read_text("utf-8").splitlines()
    denied = supposed = asked = 0
    for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
        text = fold(row["text"])
        for hit in rules.find(text):
            if rules.negation.applies(text, hit, 0, len(text)):
                denied += 1
                assert rules.negation.may_apply(text), text
            if rules.unreal.applies(text, hit, 0, len(text)):
                supposed += 1
                assert rules.unreal.may_apply(text), text
        if rules.question.search(text):
            asked += 1
            assert rules.may_ask.find_matches_as_indexes(text), text
    assert min(denied, supposed, asked) > 0
