from __future__ import annotations

import pytest

from listener.enrich.reader import Reader
from listener.enrich.rules import Rules, compile_rules
from listener.enrich.tags import tags_of


def tags(rules: Rules, *found: str, **known: object) -> tuple[str, ...]:
    given: dict[str, object] = {
        "topics": (),
        "complaint": False,
        "good": None,
        "asked": False,
    }
    return tags_of(set(found), rules=rules, **(given | known))  # type: ignore[arg-type]


def test_a_category_takes_each_of_its_reasons() -> None:
    rules = compile_rules(
        """
        [taxonomy.area.taste]
        ko = ["맛"]
        [taxonomy.area.place]
        ko = ["자리"]
        [taxonomy.mood.glad]
        positive_from = 0.5
        [taxonomy.mood.asking]
        asked = true
        [taxonomy.kind.kitchen]
        areas = ["taste"]
        [taxonomy.kind.trouble]
        complaint_areas = ["*"]
        """
    )
    assert tags(rules) == ()
    assert tags(rules, "mood:glad") == ("mood:glad",)
    assert tags(rules, good=0.6) == ("mood:glad",)
    assert tags(rules, good=0.4) == ()
    assert tags(rules, good=0.6, asked=True) == ("mood:asking",)
    assert tags(rules, good=None, complaint=True) == ()
    assert tags(rules, asked=True) == ("mood:asking",)
    assert tags(rules, topics=("taste",)) == ("kind:kitchen",)
    assert tags(rules, topics=("place",)) == ()
    assert tags(rules, topics=("place",), complaint=True) == ("kind:trouble",)
    assert tags(rules, topics=("taste",), complaint=True) == ("kind:kitchen", "kind:trouble")


def test_of_a_single_taxonomy_only_the_first_fits() -> None:
    text = '[taxonomy.area.a]\nko = ["맛"]\n[taxonomy.x]\nsingle = true\n[taxonomy.x.one]\n'
    text += '[taxonomy.x.two]\nareas = ["a"]\n[taxonomy.y.three]\nareas = ["a"]\n'
    rules = compile_rules(text)
    assert tags(rules, topics=("a",)) == ("x:two", "y:three")
    assert tags(rules, "x:one", topics=("a",)) == ("x:one", "y:three")


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("배송이 언제 되나요?", "intent:question"),
        ("다크 모드 추가해 주세요", "intent:request"),
        ("Please add a dark mode", "intent:request"),
        ("정말 최고예요 강추합니다", "intent:praise"),
        ("다음 달에 해지하고 다른 통신사로 옮깁니다", "intent:churn"),
        ("I am switching to another bank", "intent:churn"),
        ("충전기에서 연기가 났어요", "urgency:safety"),
        ("The charger caught fire", "urgency:safety"),
        ("소비자원에 신고하겠습니다", "urgency:legal"),
        ("My lawyer will call you", "urgency:legal"),
        ("방송국에 제보할게요", "urgency:press"),
        ("지금 서버 다운됐나요? 저만 안 되나요", "urgency:outage"),
        ("앱이 계속 튕겨요", "nature:technical"),
        ("고객센터 전화를 안 받아요", "class:support"),
        ("고객센터 전화를 안 받아요", "nature:functional"),
        ("디자인이 예뻐요", "class:product"),
    ],
)
def test_the_built_in_tags(reader: Reader, text: str, tag: str) -> None:
    assert tag in reader.read_texts([text])[0].tags


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("왜 이렇게 늦나요?", "intent:question"),  # a reproach
        ("해지할 생각 없어요", "intent:churn"),
        ("불이 날까 봐 걱정했는데 괜찮아요", "urgency:safety"),
        ("고소한 맛이 좋아요", "urgency:legal"),
        ("not a great product", "intent:praise"),
        ("안 튕겨서 좋아요", "nature:technical"),
        ("the app never crashes", "nature:technical"),
    ],
)
def test_what_is_denied_or_only_looks_like_it_is_no_tag(
    reader: Reader, text: str, tag: str
) -> None:
    assert tag not in reader.read_texts([text])[0].tags
