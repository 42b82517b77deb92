"""Texts in files: plain lines, JSON lines, and tables (TSV, CSV), a row at a time with its line."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from listener.errors import InvalidInput

FORMATS: Final = ("lines", "jsonl", "tsv", "csv")
_SUFFIXES: Final = {".jsonl": "jsonl", ".ndjson": "jsonl", ".tsv": "tsv", ".csv": "csv"}
TEXTS: Final = (
    *("text", "review", "content", "body", "comment", "sentence", "document", "tweet", "message"),
    *("본문", "내용", "리뷰", "글", "문장"),
)


class Row(NamedTuple):
    """A row and its line in the file; ``fault`` says why it cannot be used."""

    line: int
    fields: Mapping[str, Any]
    fault: str = ""


def format_of(path: Path | None, given: str | None = None) -> str:
    """The format of a file: the one given, else by its ending. Raises InvalidInput."""
    if given is not None:
        if given not in FORMATS:
            raise InvalidInput(
                f"There is no format {given!r}.", field="format", hint=f"{', '.join(FORMATS)}."
            )
        return given
    return _SUFFIXES.get(path.suffix.lower(), "lines") if path is not None else "lines"


def rows(lines: Iterable[str], form: str) -> Iterator[Row]:
    """The rows of JSON lines or of a table with a head; what cannot be used comes with its fault.

    Raises InvalidInput for a table without a head.
    """
    if form == "jsonl":
        yield from _json_rows(lines)
        return
    # Tabs stand in no cell, so quotes there are quotes.
    reader = csv.reader(lines)
    if form == "tsv":
        reader = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    head = next(reader, None)
    if not head:
        raise InvalidInput("The table has no head.", hint="Its first line names the columns.")
    names = [name.strip().lstrip("\ufeff") for name in head]
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(reader.line_num, {}, f"no row of a table: {error}")
            continue
        if not cells:
            continue
        if len(cells) != len(names):
            yield Row(reader.line_num, {}, f"{len(cells)} cells, but {len(names)} columns")
            continue
        yield Row(reader.line_num, dict(zip(names, cells, strict=True)))


def _json_rows(lines: Iterable[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            yield Row(number, {}, f"no JSON: {error}")
            continue
        if isinstance(found, dict):
            yield Row(number, found)
        else:
            yield Row(number, {}, "no JSON object")


def column_of(
    names: Sequence[str], given: str | None, common: Sequence[str], option: str
) -> str | None:
    """The column asked for, else the first with a common name; None without one.

    Raises InvalidInput, which names the columns, where the one asked for is missing.
    """
    if given is not None:
        if given not in names:
            raise InvalidInput(
                f"There is no column {given!r}.",
                field=option,
                hint=f"There is: {', '.join(names)}.",
            )
        return given
    by_name = {name.casefold(): name for name in names}
    return next((by_name[name] for name in common if name in by_name), None)


def text_column(names: Sequence[str], given: str | None, option: str = "column") -> str:
    """The column that holds the texts. Raises InvalidInput where none can be told."""
    found = column_of(names, given, TEXTS, option)
    if found is None:
        raise InvalidInput(
            "Which column holds the texts?",
            field=option,
            hint=f"Name it with --{option}: {', '.join(names)}.",
        )
    return found
