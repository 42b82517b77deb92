"""``listener collect`` and ``listener ingest``: bring mentions in now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from listener.cli.base import app, expected, services
from listener.errors import InvalidInput


@app.command()
@expected
def collect(
    once: Annotated[
        bool, typer.Option("--once", help="Run what is due (or the watch named) and leave.")
    ] = False,
    watch: Annotated[int | None, typer.Option(help="Only this watch, due or not.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON report a line.")] = False,
) -> None:
    """Collect from the sources now and print one report a watch.

    The running service (`listener up`) does this by itself, on each watch's schedule.

    Example: `listener collect --once --watch 3 --json`
    """
    with services() as built:
        if not once:
            raise InvalidInput(
                "collect runs once.", hint="Add --once, or start the service with `listener up`."
            )
        failed = False
        for report in built.collect_once(watch):
            failed = failed or bool(report["error"])
            if as_json:
                typer.echo(json.dumps(report, ensure_ascii=False))
            else:
                what = "back-fill of watch" if report.get("backfill") else "watch"
                words = f"{what} {report['watch']}: {report['outcome']}, {report['items']} items"
                typer.echo(f"{words}, {report['new']} new, {report['edited']} edited")
                if report["error"]:
                    typer.secho(f"  {report['error']} {report['hint'] or ''}", fg="red", err=True)
        built.roll_up()
    if failed:
        raise typer.Exit(1)


@app.command()
@expected
def ingest(
    file: Annotated[Path, typer.Argument(help="JSONL, CSV or TSV with at least a text column.")],
    brand: Annotated[
        str | None, typer.Option(help="All rows belong to this brand (name or number).")
    ] = None,
    namespace: Annotated[
        str | None, typer.Option(help="Where the rows' ids are unique; the file's name by default.")
    ] = None,
    quiet: Annotated[bool, typer.Option(help="No progress bar.")] = False,
) -> None:
    """Store the mentions of a file. Rows that cannot be used are written beside it with the reason.

    Doing it twice changes nothing.

    Example: `listener ingest reviews.csv --brand 누리마켓`
    """
    import sys

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    with services() as built:
        size = file.stat().st_size if file.is_file() else 0
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rows]} rows"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=quiet or not sys.stderr.isatty(),
        ) as progress:
            task = progress.add_task(file.name, total=size or None, rows=0)

            def show(read: int, rows: int) -> None:
                progress.update(task, completed=read, rows=rows)

            report = built.ingest_file(file, brand=brand, namespace=namespace, progress=show)
        built.roll_up()
    typer.echo(
        f"{report.rows} rows: {report.new} new, {report.edited} edited, "
        f"{report.rejected} rejected, {report.seen} known."
    )
    if report.rejected_file:
        typer.echo(f"Rejected rows: {report.rejected_file}")
