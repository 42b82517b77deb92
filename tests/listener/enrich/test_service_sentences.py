"""The held-out sentences are well-formed, and none of them was trained on."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TRAINED = Path(__file__).parents[3] / "listener/enrich/sentiment"
LABELS = {"positive", "negative", "neutral", "mixed"}
LISTS = {
    "intents": {"praise", "question", "request", "churn"},
    "topics": {
        "site_design",
        "features",
        "availability",
        "payment",
        "delivery",
        "service",
        "quality",
        "refund",
        "hygiene_safety",
        "staff",
        "app_stability",
        "price",
    },
    "urgency": {"safety", "legal", "press", "outage"},
}
DOMAINS = {
    *("app", "shop", "delivery", "food", "bank", "telecom", "travel"),
    *("electronics", "beauty", "fashion", "game", "social", "forum"),
}


def rows_of(language: str) -> list[dict[str, str]]:
    path = HERE / f"service_{language}.tsv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


@pytest.mark.parametrize(("language", "least"), [("ko", 1000), ("en", 400)])
def test_every_row_keeps_to_the_vocabulary(language: str, least: int) -> None:
    rows = rows_of(language)
    assert len(rows) >= least
    assert [t for t, n in Counter(row["text"] for row in rows).items() if n > 1] == []
    for row in rows:
        assert list(row) == ["text", "label", "complaint", *LISTS, "domain"], row
        assert row["label"] in LABELS, row
        assert row["complaint"] in {"0", "1"}, row
        assert row["domain"] in DOMAINS, row
        for column, allowed in LISTS.items():
            assert set(filter(None, row[column].split(","))) <= allowed, row


@pytest.mark.parametrize("language", ["ko", "en"])
def test_no_row_was_trained_on(language: str) -> None:
    files = sorted(TRAINED.glob("*/*.tsv"))
    assert files
    cells = {
        cell
        for file in files
        for line in file.read_text("utf-8").splitlines()
        for cell in line.split("\t")
        if " " in cell  # a single word is a lexicon's entry
    }
    assert sorted(cells & {row["text"] for row in rows_of(language)}) == []
