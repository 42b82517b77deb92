from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator

from listener.enrich.reader import Reader
from listener.enrich.score import score_lines

KEYS = ["language", "sentiment", "label", "confidence", "complaint", "topics", "model", "version"]


def test_one_object_a_line_in_order(reader: Reader) -> None:
    lines = ["배송이 너무 늦어요\n", "I love it!\r\n", "\n", "最高\n", "no newline at the end"]
    found = [json.loads(line) for line in score_lines(lines, reader)]
    assert [list(record) for record in found] == [KEYS] * 5
    assert [record["language"] for record in found] == ["ko", "en", "und", "zh", "en"]
    assert found[0]["complaint"] is True
    assert found[0]["topics"] == ["delivery"]
    assert found[1]["label"] == "positive"
    assert found[1]["model"] == "vader"
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
