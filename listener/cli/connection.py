"""``listener connection``: accounts and servers of sources, their secrets and their budgets."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from listener.cli.base import app, expected, services
from listener.errors import InvalidInput

if TYPE_CHECKING:
    from listener.types import Credential

connection_app = typer.Typer(
    no_args_is_help=True, help="Accounts of sources: credentials, server, budget."
)
app.add_typer(connection_app, name="connection")

_CREDENTIAL = typer.Option(
    "--credential",
    help="name asks for it; name=@file reads a file, name=- standard input, name=env:VARIABLE the"
    " environment. May be repeated.",
)
_CALLS = typer.Option(help="Requests a day at most; 0 takes the budget away.")
_USD = typer.Option(help="US dollars a month at most; 0 takes the budget away.")


@connection_app.command("add")
@expected
def add_connection(
    source: Annotated[str, typer.Argument(help="A source, see `listener sources`.")],
    name: Annotated[str, typer.Argument(help="A name for the screens.")],
    base_url: Annotated[str | None, typer.Option(help="Another server than the usual.")] = None,
    credential: Annotated[list[str] | None, _CREDENTIAL] = None,
    budget_calls: Annotated[str | None, _CALLS] = None,
    budget_usd: Annotated[str | None, _USD] = None,
) -> None:
    """Add a connection and print its number. Secrets are asked for, or read from where you say.

    Example: `listener connection add x main --credential bearer_token=@token.txt --budget-usd 50`
    """
    with services() as built:
        spec = built.registry.spec(source)
        asked: Sequence[str] = credential or ()
        if not asked and sys.stdin.isatty():
            asked = [one.name for one in spec.credentials if one.required]
        made = built.connections.add(
            source,
            name=name,
            base_url=base_url,
            credentials=_secrets(asked, spec.credentials),
            **_budgets(budget_calls, budget_usd),
        )
    typer.echo(str(made))


@connection_app.command("list")
@expected
def list_connections(
    as_json: Annotated[bool, typer.Option("--json", help="All that is known, one JSON.")] = False,
) -> None:
    """List the connections with their health and what they used up; secrets are never shown.

    Example: `listener connection list`
    """
    with services() as built:
        found = [one.as_json() for one in built.connections.listing()]
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2, default=str))
        return
    for one in found:
        used = ", ".join(_used(usage) for usage in one["usage"])
        number = "-" if one["id"] is None else str(one["id"])
        name = one["name"] or "(settings)"
        typer.echo(f"{number}\t{one['source']}\t{name}\t{one['health']}\t{used}")


@connection_app.command("edit")
@expected
def edit_connection(
    connection: Annotated[str, typer.Argument(help="Number or name of the connection.")],
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    base_url: Annotated[
        str | None, typer.Option(help="Another server; empty takes it away.")
    ] = None,
    credential: Annotated[list[str] | None, _CREDENTIAL] = None,
    remove_credential: Annotated[
        list[str] | None, typer.Option(help="Forget this credential; may be repeated.")
    ] = None,
    budget_calls: Annotated[str | None, _CALLS] = None,
    budget_usd: Annotated[str | None, _USD] = None,
) -> None:
    """Change a connection; what is left out stays.

    Example: `listener connection edit main --budget-usd 80`
    """
    from listener.store import connections

    with services() as built:
        with built.database.read() as session:
            row = connections.find(session, connection)
        given = _budgets(budget_calls, budget_usd)
        if name is not None:
            given["name"] = name
        if base_url is not None:
            given["base_url"] = base_url
        secrets = _secrets(credential or (), built.registry.spec(row.source).credentials)
        secrets |= dict.fromkeys(remove_credential or (), "")
        built.connections.change(row.id, credentials=secrets, **given)


@connection_app.command("test")
@expected
def test_connection(
    connection: Annotated[str, typer.Argument(help="Number or name of the connection.")],
) -> None:
    """Ask the source with this account, as cheaply as it can be asked.

    Example: `listener connection test main`
    """
    from listener.store import connections

    with services() as built:
        with built.database.read() as session:
            row = connections.find(session, connection)
        told = built.connections.test(row.source, row.id)
    if not told["ok"]:
        typer.secho(f"listener: {told['error']}", fg="red", err=True)
        if told["hint"]:
            typer.secho(f"          {told['hint']}", err=True)
        raise typer.Exit(1)
    typer.echo(f"ok: {told['found']}" if told["found"] else "ok")


@connection_app.command("remove")
@expected
def remove_connection(
    connection: Annotated[str, typer.Argument(help="Number or name of the connection.")],
) -> None:
    """Remove a connection that no watch uses.

    Example: `listener connection remove main`
    """
    from listener.store import connections

    with services() as built:
        with built.database.read() as session:
            row = connections.find(session, connection)
        built.connections.remove(row.id)


def _secrets(given: Iterable[str], known: Sequence[Credential]) -> dict[str, str]:
    """Credentials by name, from where it was said. Raises InvalidInput."""
    titles = {one.name: one.title for one in known}
    found: dict[str, str] = {}
    for one in given:
        name, sign, where = one.partition("=")
        name = name.strip()
        if not sign:
            found[name] = typer.prompt(titles.get(name, name), hide_input=True, err=True)
        elif where == "-":
            found[name] = sys.stdin.read().strip()
        elif where.startswith("@"):
            found[name] = _file(Path(where[1:]))
        elif where.startswith("env:"):
            found[name] = os.environ.get(where[4:], "")
        else:
            raise InvalidInput(
                f"--credential {name}=… would leave the secret in the shell's history.",
                hint=f"Give --credential {name} and type it, or {name}=@file, {name}=- or"
                f" {name}=env:VARIABLE.",
            )
        if not found[name]:
            raise InvalidInput(f"There is nothing to read for the credential {name}.")
    return found


def _file(path: Path) -> str:
    try:
        return path.expanduser().read_text("utf-8").strip()
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise InvalidInput(f"{path} cannot be read: {reason}.") from error


def _budgets(calls: str | None, usd: str | None) -> dict[str, Any]:
    from listener.pipeline.purses import micro_usd, whole

    found: dict[str, Any] = {}
    for field, given, read in (
        ("budget_calls", calls, whole),
        ("budget_micro_usd", usd, micro_usd),
    ):
        if given is None:
            continue
        try:
            found[field] = read(given) or None
        except ValueError:
            raise InvalidInput(f"{given!r} is no amount.", hint="A number, like 50.") from None
    return found


def _used(usage: dict[str, Any]) -> str:
    money = usage["unit"] == "usd"
    used = f"${usage['used']:,.2f}" if money else f"{usage['used']:,}"
    limit = usage["limit"]
    of = "" if limit is None else (f" of ${limit:,.2f}" if money else f" of {limit:,}")
    return f"{used}{of}{'' if money else ' ' + usage['unit']} a {usage['per']}"
