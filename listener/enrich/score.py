"""Scores plain lines of text for the command line: one text in, one JSON object out."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from listener.enrich.reader import Reader
from listener.types import Reading

_BATCH: Final = 256


def score_lines(lines: Iterable[str], reader: Reader) -> Iterator[str]:
    """Yield one JSON object (without line end) for each line, in order.

    Keys: language, sentiment (-1..1), label, confidence (0..1), complaint, topics, model, version;
    null where a text was not scored or not judged. Batches grow from 1 to 256 lines, so the first
    answers come at once.
    """
    source = iter(lines)
    size = 1
    while batch := [
        unicodedata.normalize("NFC", line.rstrip("\r\n")) for line in islice(source, size)
    ]:
        for reading in reader.read_texts(batch):
            yield json.dumps(_record(reading), ensure_ascii=False)
        size = min(size * 2, _BATCH)


def _record(reading: Reading) -> dict[str, object]:
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
    }
