"""``listener watch backfill``: walk a watch's source back as far as it goes."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from listener.cli.base import expected, services
from listener.cli.setup import watch_app


@watch_app.command("backfill")
@expected
def backfill_watch(
    watch_id: Annotated[int, typer.Argument(help="The watch's number.")],
    wait: Annotated[
        bool, typer.Option(help="Do it here and now; else the service does it beside its work.")
    ] = True,
) -> None:
    """Read again all that the source still shows, from the newest down; nothing is stored twice.

    For history that a longer LISTENER_HISTORY_DAYS would now bring, or after doubts about what
    was collected.

    Example: `listener watch backfill 3 --no-wait`
    """
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    with services() as built:
        lanes = built.backfiller.begin_history(watch_id)
        if not wait:
            typer.echo(f"{lanes} back-fills handed over.")
            return
        items = new = requests = 0
        with Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        ) as shown:
            task = shown.add_task("…")
            while (report := built.backfiller.turn(watch_id)) is not None:
                items, new = items + report["items"], new + report["new"]
                requests += report["requests"]
                shown.update(task, description=f"{requests} requests, {items} items, {new} new")
                if report["error"]:
                    typer.secho(f"{report['error']} {report['hint'] or ''}", fg="red", err=True)
        built.roll_up()
    typer.echo(f"{items} items, {new} new, with {requests} requests.")
