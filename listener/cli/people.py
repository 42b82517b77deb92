"""``listener keys`` and ``listener user``: who and what may come in."""

from __future__ import annotations

from typing import Annotated

import typer

from listener.cli.base import app, expected, services

keys = typer.Typer(no_args_is_help=True, help="API keys for other tools.")
users = typer.Typer(no_args_is_help=True, help="People who may open the dashboard.")
app.add_typer(keys, name="keys")
app.add_typer(users, name="user")


@keys.command("create")
@expected
def create_key(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="read, write or admin; may be repeated.")
    ] = None,
) -> None:
    """Make an API key and print it, alone, this one time.

    Example: `KEY=$(listener keys create slack-bot --scope read)`
    """
    from listener.runtime.clock import utc_now
    from listener.store import access

    with services() as built, built.database.write() as work:
        _, token = access.add_key(
            work.session, name, scopes=scope or [access.Scope.READ], now=utc_now()
        )
        work.commit()
    typer.echo(token)


@keys.command("list")
@expected
def list_keys() -> None:
    """List the keys, without their secrets.

    Example: `listener keys list`
    """
    from listener.store import access

    with services() as built, built.database.read() as session:
        for key in access.list_keys(session):
            used = f"used {key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"
            state = "revoked" if key.revoked_at else used
            typer.echo(f"{key.id}\t{key.prefix}…\t{key.name}\t{','.join(key.scopes)}\t{state}")


@keys.command("revoke")
@expected
def revoke_key(key_id: Annotated[int, typer.Argument(help="The number in `keys list`.")]) -> None:
    """Take a key out of use for good.

    Example: `listener keys revoke 3`
    """
    from listener.runtime.clock import utc_now
    from listener.store import access

    with services() as built, built.database.write() as work:
        key = access.revoke_key(work.session, key_id, now=utc_now())
        work.commit()
    typer.echo(f"Revoked {key.name} ({key.prefix}…).")


@users.command("add")
@expected
def add_user(
    email: Annotated[str, typer.Argument(help="The person's e-mail address.")],
    name: Annotated[str, typer.Option(help="The name shown.")] = "",
    language: Annotated[str, typer.Option(help="ko or en.")] = "",
) -> None:
    """Add a person and print a one-time login link.

    Example: `listener user add minji@example.com --name 김민지`
    """
    from listener.runtime.clock import utc_now
    from listener.store import access

    with services() as built:
        now = utc_now()
        with built.database.write() as work:
            user = access.add_user(
                work.session,
                email,
                name=name,
                language=language or built.settings.language,
                now=now,
            )
            token = access.add_login_link(work.session, user.id, now=now)
            work.commit()
        typer.echo(built.login_url(token))


@users.command("link")
@expected
def login_link(email: Annotated[str, typer.Argument(help="The person's e-mail address.")]) -> None:
    """Print a new one-time login link, good for 15 minutes.

    Example: `listener user link minji@example.com`
    """
    from listener.errors import NotFound
    from listener.runtime.clock import utc_now
    from listener.store import access

    with services() as built:
        with built.database.write() as work:
            user = access.find_user(work.session, email)
            if user is None:
                raise NotFound(
                    f"There is no user {email}.", hint="Add one with `listener user add`."
                )
            token = access.add_login_link(work.session, user.id, now=utc_now())
            work.commit()
        typer.echo(built.login_url(token))


@users.command("list")
@expected
def list_users() -> None:
    """List the people who may open the dashboard.

    Example: `listener user list`
    """
    from listener.store import access

    with services() as built, built.database.read() as session:
        for user in access.list_users(session):
            state = "disabled" if user.disabled_at else "active"
            typer.echo(f"{user.email}\t{user.name}\t{user.language}\t{state}")
