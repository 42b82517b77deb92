from __future__ import annotations

from listener.enrich.measure import Figures, figures, macro_f1, measure_rows
from listener.types import Reading


def test_figures_of_each_category() -> None:
    found = figures([["a", "b"], ["a"], []], [["a"], ["a", "b"], ["c"]])
    assert found == {"a": Figures(2, 2, 2), "b": Figures(1, 1, 0), "c": Figures(0, 1, 0)}
    assert (found["a"].precision, found["a"].recall, found["a"].f1) == (1.0, 1.0, 1.0)
    assert (found["c"].precision, found["c"].recall, found["c"].f1) == (0.0, 0.0, 0.0)
    assert macro_f1(found) == 0.5
    assert macro_f1({}) == 0.0


def test_rows_are_measured_by_what_they_hold() -> None:
    rows = [
        {"text": "1", "complaint": "1", "intents": "praise, churn", "topics": "b,a", "urgency": ""},
        {"text": "2", "complaint": "0", "intents": "", "topics": "", "urgency": "legal"},
    ]

    def read(texts: object) -> list[Reading]:
        return [
            Reading(
                language="ko",
                sentiment=None,
                complaint=True,
                topics=("a", "c"),
                tags=("intent:churn", "class:support"),
            ),
            Reading(language="ko", sentiment=None, complaint=None, tags=("urgency:legal",)),
        ]

    found = measure_rows(rows, read)
    assert found["complaint"] == {"complaint": Figures(1, 1, 1)}
    assert found["intents"] == {"churn": Figures(1, 1, 1), "praise": Figures(1, 0, 0)}
    assert found["urgency"] == {"legal": Figures(1, 1, 1)}
    assert found["topics"]["c"] == Figures(0, 1, 0)
    assert found["main topic"] == {"a": Figures(1, 1, 1)}
    assert measure_rows([{"text": "1"}], lambda _: [read(rows)[0]]) == {}
    assert measure_rows([], lambda _: []) == {}
