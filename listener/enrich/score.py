"""Scores texts for the command line: a line or row in, one JSON object out."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from listener.enrich.reader import Reader
from listener.enrich.tables import Row, text_column
from listener.types import Aspect, Reading

_BATCH: Final = 256


def score_lines(lines: Iterable[str], reader: Reader) -> Iterator[str]:
    """Yield one JSON object (without line end) for each line, in order.

    Keys: language, sentiment (-1..1), label, confidence (0..1), complaint, topics, model, version;
    null where a text was not scored or not judged; then tags, aspects (what each clause says:
    topic, start, end, text, score, label) and rules (their version). Batches grow from 1 to 256
    lines, so the first answers come at once.
    """
    texts = (line.rstrip("\r\n") for line in lines)
    for _, text, reading in _read(((None, text) for text in texts), reader):
        yield json.dumps(_record(reading, text, reader), ensure_ascii=False)


def score_rows(
    rows: Iterable[Row],
    reader: Reader,
    *,
    column: str | None = None,
    blame: Callable[[int, str], None],
) -> Iterator[str]:
    """The same for rows of a table or JSON lines: their other fields are passed through in front.

    ``blame`` hears the line and the fault of each row that cannot be used; it is left out. Raises
    InvalidInput where no column holds texts.
    """

    def usable() -> Iterator[tuple[Mapping[str, Any], str]]:
        wanted: str | None = None
        for row in rows:
            if row.fault:
                blame(row.line, row.fault)
                continue
            if wanted is None:
                wanted = text_column(list(row.fields), column)
            text = row.fields.get(wanted)
            if isinstance(text, str):
                yield row.fields, text
            else:
                blame(row.line, f"no text in {wanted!r}")

    for fields, text, reading in _read(usable(), reader):
        record = dict(fields) | _record(reading, text, reader)
        yield json.dumps(record, ensure_ascii=False, default=str)


def _read(pairs: Iterable[tuple[Any, str]], reader: Reader) -> Iterator[tuple[Any, str, Reading]]:
    source = iter(pairs)
    size = 1
    while batch := [
        (one, unicodedata.normalize("NFC", text)) for one, text in islice(source, size)
    ]:
        readings = reader.read_texts([text for _, text in batch])
        for (one, text), reading in zip(batch, readings, strict=True):
            yield one, text, reading
        size = min(size * 2, _BATCH)


def _record(reading: Reading, text: str, reader: Reader) -> dict[str, object]:
    sentiment = reading.sentiment
    return {
        "language": reading.language,
        "sentiment": None if sentiment is None else round(sentiment.score, 4),
        "label": None if sentiment is None else str(sentiment.label),
        "confidence": None if sentiment is None else round(sentiment.confidence, 4),
        "complaint": reading.complaint,
        "topics": list(reading.topics),
        "model": None if sentiment is None else sentiment.model,
        "version": None if sentiment is None else sentiment.version,
        "tags": list(reading.tags),
        "aspects": _aspects(reading.aspects, text),
        "rules": reader.versions.rules_version,
    }


def _aspects(aspects: Sequence[Aspect], text: str) -> list[dict[str, object]]:
    return [
        {
            "topic": one.topic,
            "start": one.start,
            "end": one.end,
            "text": text[one.start : one.end],
            "score": None if one.score is None else round(one.score, 4),
            "label": None if one.label is None else str(one.label),
        }
        for one in aspects
    ]
