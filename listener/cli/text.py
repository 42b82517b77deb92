"""``listener score`` and ``listener detect``: text and numbers in, lines out, no database."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, TextIO

import typer

from listener.cli.base import app, expected
from listener.errors import InvalidInput

FileArgument = Annotated[
    Path | None, typer.Argument(help="A file to read; standard input when left out or '-'.")
]


@contextmanager
def _lines(path: Path | None) -> Iterator[TextIO]:
    if path is None or str(path) == "-":
        # Bytes that are no UTF-8 become U+FFFD: one bad line must not end the stream.
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
        yield sys.stdin
        return
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            yield file
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}.", hint="Check the path.") from error


@app.command()
@expected
def score(file: FileArgument = None) -> None:
    """Score texts: one text a line in, one JSON object a line out, in the same order.

    Keys: language, sentiment (-1..1 or null = not scored), label, confidence, complaint, topics,
    model, version.

    Example: `echo "배송이 너무 늦어요" | listener score`
    """
    from listener import settings
    from listener.enrich.reader import Reader
    from listener.enrich.score import score_lines

    # Not by the wiring, which would load the database's library for nothing.
    reader = Reader.default(settings.load().rules)
    with _lines(file) as lines:
        for line in score_lines(lines, reader):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


@app.command()
@expected
def detect(
    file: FileArgument = None,
    bucket: Annotated[
        float | None, typer.Option(help="Bucket length in minutes; else from the first two rows.")
    ] = None,
) -> None:
    """Find spikes in a CSV of counts: timestamp,count in fixed buckets, empty = not collected.

    Writes timestamp,count,expected,score,is_spike. Streaming: a longer file never changes earlier
    rows.

    Example: `listener detect counts.csv > spikes.csv`
    """
    from listener.detect.csvfile import detect_rows

    length = timedelta(minutes=bucket) if bucket is not None else None
    with _lines(file) as lines:
        for row in detect_rows(lines, length):
            sys.stdout.write(row + "\n")
    sys.stdout.flush()
