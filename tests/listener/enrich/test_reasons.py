"""The main topic of complaint tweets is the one of the reason they were written for."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

from listener.enrich.measure import macro_f1, measure_rows
from listener.enrich.reader import Reader

ROWS = list(
    csv.DictReader(
        (Path(__file__).parent / "dev_reasons_en.tsv").read_text("utf-8").splitlines(),
        delimiter="\t",
        quoting=csv.QUOTE_NONE,
    )
)


def test_the_rows_are_well_formed() -> None:
    assert [list(row) for row in ROWS] == [["text", "reason", "topics"]] * len(ROWS)
    assert [text for text, n in Counter(row["text"] for row in ROWS).items() if n > 1] == []


def test_the_main_topic_is_that_of_the_reason(reader: Reader) -> None:
    assert macro_f1(measure_rows(ROWS, reader.read_texts)["main topic"]) >= 0.88


def test_what_names_no_reason_has_no_topic(reader: Reader) -> None:
    texts = [row["text"] for row in ROWS if row["reason"] == "can't tell"]
    assert [r.topics for r in reader.read_texts(texts)] == [()] * len(texts)
