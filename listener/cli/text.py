"""``listener score``, ``eval`` and ``detect``: text and numbers in, lines out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from listener.cli.base import app, expected, services
from listener.errors import InvalidInput

if TYPE_CHECKING:
    from listener.enrich.evaluate import Example
    from listener.enrich.reader import Reader

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
    except BrokenPipeError:  # of what is written: piped into head
        raise
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}.", hint="Check the path.") from error


FormatOption = Annotated[
    str | None,
    typer.Option("--format", help="lines, jsonl, tsv or csv; else by the file's ending."),
]


def _blame(line: int, fault: str) -> None:
    typer.secho(f"line {line}: {fault}", fg="red", err=True)


@app.command()
@expected
def score(
    file: FileArgument = None,
    column: Annotated[
        str | None,
        typer.Option(help="Which field holds the text; else the first with a usual name."),
    ] = None,
    form: FormatOption = None,
) -> None:
    """Score texts: one text a line in, one JSON object a line out, in the same order.

    Keys: language, sentiment (-1..1 or null = not scored), label, confidence, complaint, topics,
    model, version, tags, aspects (what each clause says), rules. JSON lines and tables (with a
    head) are read as well, their other fields passed through; a line that cannot be used is told on
    standard error and left out.

    Example: `echo "배송이 너무 늦어요" | listener score`
    """
    from listener import settings
    from listener.enrich import tables
    from listener.enrich.reader import Reader
    from listener.enrich.score import score_lines, score_rows

    named = None if file is None or str(file) == "-" else file
    form = tables.format_of(named, form) if form or not column or named else "jsonl"
    if form == "lines" and column:
        raise InvalidInput(
            "Plain lines have no columns.", field="column", hint="Say --format jsonl, tsv or csv."
        )
    # Not by the wiring, which would load the database's library for nothing.
    reader = Reader.default(settings.load().rules)
    faults: list[int] = []

    def blame(line: int, fault: str) -> None:
        faults.append(line)
        _blame(line, fault)

    with _lines(file) as lines:
        told = (
            score_lines(lines, reader)
            if form == "lines"
            else score_rows(tables.rows(lines, form), reader, column=column, blame=blame)
        )
        for line in told:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
    if faults:
        raise typer.Exit(1)


@app.command("eval")
@expected
def evaluate(
    file: FileArgument = None,
    corrections: Annotated[
        bool, typer.Option("--corrections", help="Measure on this install's corrections instead.")
    ] = False,
    text: Annotated[str | None, typer.Option(help="The column of the texts.")] = None,
    label: Annotated[
        str | None, typer.Option(help="The column of labels: positive, neutral, negative, mixed.")
    ] = None,
    stars: Annotated[str | None, typer.Option(help="The column of stars or ratings.")] = None,
    scale: Annotated[
        float | None, typer.Option(help="The most stars there can be; else by the numbers found.")
    ] = None,
    form: FormatOption = None,
    worst: Annotated[
        int, typer.Option(help="How many wrong texts to show, the surest first.")
    ] = 10,
    as_json: Annotated[
        bool, typer.Option("--json", help="All figures as one JSON object.")
    ] = False,
) -> None:
    """Measure the reader on texts with labels or stars, in any language.

    Prints accuracy, balanced accuracy, macro-F1 (two and three classes), calibration, confusion and
    the surest of the wrong ones.

    Example: `listener eval reviews.tsv --text review --stars rating`
    """
    from listener.cli.figures import as_dict, lines_of
    from listener.enrich import tables
    from listener.enrich.evaluate import evaluate as measured
    from listener.enrich.evaluate import examples_of

    if corrections:
        examples, reader = _corrected()
    else:
        from listener import settings
        from listener.enrich.reader import Reader

        reader = Reader.default(settings.load().rules)
        found = tables.format_of(None if file is None or str(file) == "-" else file, form)
        with _lines(file) as lines:
            examples = examples_of(
                tables.rows(lines, "tsv" if found == "lines" else found),
                text=text,
                label=label,
                stars=stars,
                scale=scale,
                blame=_blame,
            )
    whole, by_language = measured(examples, reader.read_texts, worst)
    if as_json:
        typer.echo(json.dumps(as_dict(whole, by_language), ensure_ascii=False))
        return
    for line in lines_of(whole, by_language):
        typer.echo(line)


def _corrected() -> tuple[list[Example], Reader]:
    """The corrections of this install, and its present reader."""
    from listener.enrich.evaluate import Example
    from listener.store import corrections

    with services() as built, built.database.read() as session:
        reader, _ = built.readers.current(session)
        examples = [
            Example(one.mention_id, one.text, one.label)
            for one in corrections.examples(session)
            if one.label is not None
        ]
    if not examples:
        raise InvalidInput(
            "Nobody has corrected a label yet.",
            hint="Labels are corrected on the page of a mention, or over the API.",
        )
    return examples, reader


@app.command()
@expected
def detect(
    file: FileArgument = None,
    bucket: Annotated[
        float | None, typer.Option(help="Bucket length in minutes; else from the first two rows.")
    ] = None,
    holidays: Annotated[
        str | None,
        typer.Option(help="Country whose public holidays are like Sundays: KR.", metavar="COUNTRY"),
    ] = None,
) -> None:
    """Find spikes in a CSV of counts: timestamp,count in fixed buckets, empty = not collected.

    Writes timestamp,count,expected,score,is_spike. Streaming: a longer file never changes earlier
    rows.

    Example: `listener detect counts.csv > spikes.csv`
    """
    from listener.detect.csvfile import detect_rows

    length = None
    if bucket is not None:
        if not 1 <= bucket <= 1440:
            raise InvalidInput(
                f"--bucket is {bucket:g}; buckets last from 1 minute to 1,440 (a day).",
                field="bucket",
            )
        length = timedelta(minutes=bucket)
    with _lines(file) as lines:
        for row in detect_rows(lines, length, holidays=holidays):
            sys.stdout.write(row + "\n")
    sys.stdout.flush()
