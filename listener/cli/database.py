"""``listener db`` and ``listener doctor``: is this install sound, and if not, what mends it."""

from __future__ import annotations

from typing import Annotated

import typer

from listener.cli.base import app, expected

db = typer.Typer(no_args_is_help=True, help="The database's schema.")
app.add_typer(db, name="db")


@db.command("upgrade")
@expected
def upgrade() -> None:
    """Bring the database to the newest schema. Starting the service does the same.

    Example: `listener db upgrade`
    """
    from listener import settings
    from listener.store import schema
    from listener.store.work import Database

    database = Database(settings.load().database)
    schema.upgrade(database)
    database.close()
    typer.echo("The database is up to date.")


@db.command("check")
@expected
def check(
    fresh: Annotated[
        bool, typer.Option(help="Check a new, empty database in memory instead of this install's.")
    ] = False,
) -> None:
    """Compare the database with what this version of Listener expects.

    Example: `listener db check`
    """
    import tempfile
    from pathlib import Path

    from listener import settings
    from listener.store import schema
    from listener.store.work import Database

    with tempfile.TemporaryDirectory() as folder:
        if fresh:
            database = Database(f"sqlite:///{Path(folder) / 'check.db'}")
            schema.upgrade(database)
        else:
            database = Database(settings.load().database)
        problems = schema.check(database)
        database.close()
    for problem in problems:
        typer.secho(problem, fg="red", err=True)
    if problems:
        raise typer.Exit(1)
    typer.echo("The schema is as it should be.")


@app.command()
@expected
def doctor() -> None:
    """Say what is wrong with this install, and how to mend it.

    Example: `listener doctor`
    """
    from listener import settings
    from listener.runtime.doctor import examine

    healthy = True
    for finding in examine(settings.load()):
        healthy = healthy and finding.ok
        mark = typer.style("ok  ", fg="green") if finding.ok else typer.style("BAD ", fg="red")
        typer.echo(f"{mark} {finding.what}: {finding.found}")
        if finding.mend:
            typer.echo(f"      → {finding.mend}")
    if not healthy:
        raise typer.Exit(1)
