"""What all commands share: the app, errors in words instead of tracebacks, and the services."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, ParamSpec, TypeVar

import typer

from listener.errors import ListenerError

if TYPE_CHECKING:
    from listener.runtime.wiring import Services

P = ParamSpec("P")
R = TypeVar("R")

app = typer.Typer(
    name="listener",
    no_args_is_help=True,
    rich_markup_mode=None,  # it loads half a second of libraries for a help page
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Listener: social listening and review monitoring that loses nothing in silence.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from listener import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Settings come from the environment; see docs/configuration.md."""


def expected(command: Callable[P, R]) -> Callable[P, R]:
    """Show a ListenerError as one or two lines on standard error and leave with status 1."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except ListenerError as error:
            typer.secho(f"listener: {error.message}", fg="red", err=True)
            if error.hint:
                typer.secho(f"          {error.hint}", err=True)
            raise typer.Exit(1) from error
        except BrokenPipeError:
            # Somebody piped us into head: not an error.
            sys.stderr.close()
            raise typer.Exit(0) from None

    return wrapped


@contextmanager
def services(**overrides: object) -> Iterator[Services]:
    """The services of this install, with its schema up to date; closed at the end."""
    from listener import settings
    from listener.runtime import logs, wiring
    from listener.store import schema

    loaded = settings.load(**overrides)
    logs.setup(loaded.log_level)
    built = wiring.build(loaded)
    try:
        schema.upgrade(built.database)
        yield built
    finally:
        built.close()
