"""``listener up``, ``work``, ``serve`` and ``demo``: the running service."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from listener.cli.base import app, expected, services


@app.command()
@expected
def up() -> None:
    """Start the service: collecting and the web, each in its own process. Ctrl-C stops both.

    The first start makes an administrator and prints a one-time login link.

    Example: `LISTENER_PORT=8080 listener up`
    """
    from listener import settings
    from listener.runtime.processes import Supervisor, port_to_use, wait_until_ready
    from listener.runtime.welcome import first_login

    given = settings.load()
    port = port_to_use(given.host, given.port)
    with services(port=port) as built:
        login = first_login(built)
        base = built.base_url()
        home = built.settings.home
    supervisor = Supervisor()
    inside = {"LISTENER_PORT": str(port)}
    supervisor.add("work", ["listener", "work"], inside)
    supervisor.add("web", ["listener", "serve"], inside)

    def announce() -> None:
        if wait_until_ready(base, process_alive=supervisor.alive):
            typer.secho(f"\nListener answers at {base}", fg="green", bold=True)
            typer.echo(f"  Log in once with {login}" if login else "  Log in as you are used to.")
            typer.echo(f"  State is kept in {home}. Ctrl-C stops the service.\n")

    supervisor.run(started=announce)


@app.command()
@expected
def work() -> None:
    """Collect, detect and deliver in this process. Only one works at a time; others stand by.

    Example: `listener work`
    """
    from listener.runtime.processes import end_with_parent, until_told_to_stop

    end_with_parent()
    with services() as built:
        running = built.work()
        running.start()
        until_told_to_stop()
        left = running.stop()
    if left:
        typer.echo(f"Stopped while at work: {', '.join(left)}. It is taken up again.", err=True)
        sys.stderr.flush()
        # Python would wait for their threads; what they write is fenced.
        os._exit(0)


@app.command()
@expected
def serve() -> None:
    """Answer the web in this process: API, feeds and dashboard.

    Example: `listener serve`
    """
    from listener import settings
    from listener.runtime import logs
    from listener.runtime.processes import end_with_parent, serve
    from listener.store import schema
    from listener.store.work import Database

    end_with_parent()
    loaded = settings.load()
    logs.setup(loaded.log_level)
    database = Database(loaded.database)
    schema.upgrade(database)
    database.close()
    serve(loaded.host, loaded.port, log_level=loaded.log_level)


@app.command()
@expected
def demo(
    stop: Annotated[
        bool, typer.Option("--stop", help="End a running demo and remove all of it.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Another seed gives other posts.")] = 7,
) -> None:
    """Start the service on a local sample web with invented posts. Ctrl-C ends and removes it.

    The demo has a home of its own (LISTENER_HOME/demo); a real install never sees any of it.

    Example: `listener demo`
    """
    from listener import settings
    from listener.runtime import demo as demos

    loaded = settings.load()
    folder = Path(loaded.home) / "demo"
    if stop:
        typer.echo(demos.stop(folder))
        return
    demos.run(loaded, folder, seed=seed, say=typer.echo, environ=os.environ)
