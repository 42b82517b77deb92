from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator

import pytest

from listener.enrich.reader import Reader
from listener.enrich.score import score_lines, score_rows
from listener.enrich.tables import rows
from listener.errors import InvalidInput

KEYS = [
    *("language", "sentiment", "label", "confidence", "complaint", "topics", "model", "version"),
    *("tags", "aspects", "rules"),
]


def test_one_object_a_line_in_order(reader: Reader) -> None:
    lines = ["배송이 너무 늦어요\n", "I love it!\r\n", "\n", "最高\n", "no newline at the end"]
    found = [json.loads(line) for line in score_lines(lines, reader)]
    assert [list(record) for record in found] == [KEYS] * 5
    assert [record["language"] for record in found] == ["ko", "en", "und", "zh", "en"]
    assert found[0]["complaint"] is True
    assert found[0]["topics"] == ["delivery"]
    assert found[1]["label"] == "positive"
    assert found[1]["model"] == "en-stacked"
    for record in (found[2], found[3]):
        assert {record[k] for k in ("sentiment", "label", "confidence", "model", "version")} == {
            None
        }
    assert all("\n" not in line for line in score_lines(lines, reader))


def test_thousands_of_lines_keep_their_order(reader: Reader) -> None:
    lines = ["배송" if n % 3 else "refund please" for n in range(2000)]
    found = [json.loads(line)["language"] for line in score_lines(lines, reader)]
    assert found == ["ko" if n % 3 else "en" for n in range(2000)]


def test_streams(reader: Reader) -> None:
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield "배송이 늦어요"

    answers = score_lines(endless(), reader)
    next(answers)
    assert read == 1


def test_decomposed_korean_is_read_as_korean(reader: Reader) -> None:
    text = "배송이 너무 늦어요"
    composed, decomposed = score_lines([text, unicodedata.normalize("NFD", text)], reader)
    assert composed == decomposed


def test_nothing_in_nothing_out(reader: Reader) -> None:
    assert list(score_lines([], reader)) == []


def test_clauses_say_which_text_they_are_of(reader: Reader) -> None:
    text = "배송은 빠른데 품질이 별로예요"
    (line,) = score_lines([text], reader)
    aspects = {one["topic"]: one for one in json.loads(line)["aspects"]}
    assert aspects["delivery"]["label"] == "positive"
    assert aspects["quality"]["label"] == "negative"
    for one in aspects.values():
        assert one["text"] == text[one["start"] : one["end"]]


def test_tables_and_json_lines_keep_their_other_fields(reader: Reader) -> None:
    faults: list[tuple[int, str]] = []

    def blame(line: int, fault: str) -> None:
        faults.append((line, fault))

    table = ["id\ttext\n", "7\t배송이 늦어요\n", "8\n", "9\tI love it\n"]
    found = [json.loads(x) for x in score_rows(rows(table, "tsv"), reader, blame=blame)]
    assert [(one["id"], one["language"]) for one in found] == [("7", "ko"), ("9", "en")]
    lines = ['{"n": 1, "said": "좋아요"}\n', "nope\n", "\n", '{"n": 2}\n', "[1]\n"]
    wanted = score_rows(rows(lines, "jsonl"), reader, column="said", blame=blame)
    assert [json.loads(x)["n"] for x in wanted] == [1]
    assert [line for line, _ in faults] == [3, 2, 4, 5]
    assert faults[2][1] == "no text in 'said'"
    csv = ["a,text\n", '"x, y","quoted ""text"""\n']
    assert json.loads(next(score_rows(rows(csv, "csv"), reader, blame=blame)))["a"] == "x, y"


def test_a_table_without_texts_is_refused(reader: Reader) -> None:
    with pytest.raises(InvalidInput, match="Which column holds the texts"):
        list(score_rows(rows(["a,b\n", "1,2\n"], "csv"), reader, blame=lambda *_: None))
    with pytest.raises(InvalidInput, match="no column 'c'"):
        list(score_rows(rows(["a,b\n", "1,2\n"], "csv"), reader, column="c", blame=print))
    with pytest.raises(InvalidInput, match="no head"):
        list(rows([], "csv"))
