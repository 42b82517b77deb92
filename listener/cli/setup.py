"""``listener brand``, ``watch``, ``channel``, ``sources``: what is watched, and who is told."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated

import typer

from listener.cli.base import app, expected, services
from listener.errors import InvalidInput

brand_app = typer.Typer(no_args_is_help=True, help="Brands, own and competitors.")
watch_app = typer.Typer(no_args_is_help=True, help="What is collected for a brand, and from where.")
channel_app = typer.Typer(no_args_is_help=True, help="Where alerts go.")
app.add_typer(brand_app, name="brand")
app.add_typer(watch_app, name="watch")
app.add_typer(channel_app, name="channel")


@brand_app.command("add")
@expected
def add_brand(
    name: Annotated[str, typer.Argument(help="The brand's name, as people write it.")],
    alias: Annotated[list[str] | None, typer.Option(help="Another name; may be repeated.")] = None,
    hashtag: Annotated[list[str] | None, typer.Option(help="A hashtag, with or without #.")] = None,
    handle: Annotated[list[str] | None, typer.Option(help="An account, with or without @.")] = None,
    any_term: Annotated[
        list[str] | None, typer.Option(help="Names the brand as well, like a product.")
    ] = None,
    all_term: Annotated[list[str] | None, typer.Option(help="Must occur beside the name.")] = None,
    none_term: Annotated[list[str] | None, typer.Option(help="Must not occur.")] = None,
    competitor: Annotated[bool, typer.Option(help="A competitor's brand.")] = False,
) -> None:
    """Add a brand and print its number.

    Example: `listener brand add 누리마켓 --alias Nurimarket --hashtag 누리마켓 --handle nurimarket`
    """
    from listener.match.query import validate_brand
    from listener.runtime.clock import utc_now
    from listener.store import brands

    with services() as built, built.database.write() as work:
        brand = brands.create(
            work.session,
            name=name,
            aliases=alias or (),
            hashtags=hashtag or (),
            handles=handle or (),
            any_terms=any_term or (),
            all_terms=all_term or (),
            none_terms=none_term or (),
            competitor=competitor,
            now=utc_now(),
        )
        for problem in validate_brand(brand):
            raise problem
        work.commit()
    typer.echo(str(brand.id))


@brand_app.command("list")
@expected
def list_brands() -> None:
    """List the brands.

    Example: `listener brand list`
    """
    from listener.store import brands

    with services() as built, built.database.read() as session:
        for brand in brands.listing(session):
            words = [
                *brand.aliases,
                *(f"#{tag}" for tag in brand.hashtags),
                *(f"@{handle}" for handle in brand.handles),
            ]
            kind = "competitor" if brand.competitor else "own"
            typer.echo(f"{brand.id}\t{brand.name}\t{kind}\t{', '.join(words)}")


def _params(pairs: Iterable[str]) -> dict[str, str]:
    params = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign:
            raise InvalidInput(
                f"--param {pair!r} is not key=value.", hint="For example --param url=https://…"
            )
        params[key.strip()] = value
    return params


@watch_app.command("add")
@expected
def add_watch(
    source: Annotated[str, typer.Option(help="A source, see `listener sources`.")],
    brand: Annotated[str | None, typer.Option(help="Name or number of the brand.")] = None,
    match: Annotated[
        str | None, typer.Option(help="terms: only what names a brand; all: everything is its.")
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option(help="key=value, as the source needs; may be repeated.")
    ] = None,
    every: Annotated[float | None, typer.Option(help="Minutes between two runs.")] = None,
    connection: Annotated[
        str | None, typer.Option(help="Number or name of a connection; the settings' by default.")
    ] = None,
    label: Annotated[str, typer.Option(help="A name for the screens.")] = "",
) -> None:
    """Add a watch and print its number.

    Example: `listener watch add --brand 누리마켓 --source feed --param url=https://news.example/rss`
    """
    from listener.runtime.clock import utc_now
    from listener.store import brands, connections, watches

    with services() as built:
        with built.database.read() as session:
            owner = brands.find(session, brand) if brand else None
        checked = built.check_watch(
            source, _params(param or ()), match=match, every=every, brand=owner
        )
        with built.database.write() as work:
            account = (
                connections.find(work.session, connection, source=source) if connection else None
            )
            account_id = account.id if account else None
            connections.check_source(work.session, account_id, source)
            row = watches.create(
                work.session,
                source=source,
                params=checked.params,
                match=checked.match,
                every=checked.every,
                brand_id=owner.id if owner else None,
                connection_id=account_id,
                label=label,
                now=utc_now(),
            )
            work.commit()
        typer.echo(str(row.id))


@watch_app.command("list")
@expected
def list_watches() -> None:
    """List the watches with their health, and what to do about those in trouble.

    Example: `listener watch list`
    """
    from listener.collect.health import facts_of, health
    from listener.runtime.clock import utc_now
    from listener.store import watches

    now = utc_now()
    with services() as built, built.database.read() as session:
        column = 0 if built.settings.language == "ko" else 1
        for row in watches.listing(session):
            params = " ".join(f"{k}={v}" for k, v in row.params.items())
            every = f"{timedelta(seconds=row.every_s)}"
            told = health(facts_of(row), now)
            typer.echo(f"{row.id}\t{row.source}\t{every}\t{told.state}\t{row.label or params}")
            if told.is_trouble:
                words = (told.title[column], told.reason[column], told.advice[column])
                typer.echo(f"\t{words[0]}: {words[1]} {words[2]}".rstrip())


@watch_app.command("remove")
@expected
def remove_watch(watch_id: Annotated[int, typer.Argument(help="The watch's number.")]) -> None:
    """Stop a watch for good; what it collected stays.

    Example: `listener watch remove 4`
    """
    from listener.runtime.clock import utc_now
    from listener.store import watches

    with services() as built, built.database.write() as work:
        watches.delete(work.session, watch_id, now=utc_now())
        work.commit()


@watch_app.command("preview")
@expected
def preview_watch(
    source: Annotated[str, typer.Option(help="A source, see `listener sources`.")],
    brand: Annotated[str | None, typer.Option(help="Name or number of the brand.")] = None,
    match: Annotated[str | None, typer.Option(help="terms or all.")] = None,
    param: Annotated[list[str] | None, typer.Option(help="key=value; may be repeated.")] = None,
    every: Annotated[float | None, typer.Option(help="Minutes between two runs.")] = None,
    connection: Annotated[
        str | None, typer.Option(help="Number or name of a connection; the settings' by default.")
    ] = None,
) -> None:
    """Show what a watch would bring and use up, without saving anything.

    Example: `listener watch preview --brand 누리마켓 --source feed --param url=https://…`
    """
    from listener.store import brands, connections

    with services() as built:
        checked = built.check_watch(source, _params(param or ()), match=match, every=every)
        with built.database.read() as session:
            owner = brands.find(session, brand) if brand else None
            account = connections.find(session, connection, source=source) if connection else None
        found = built.preview(
            source,
            checked.params,
            match=checked.match,
            brand=owner,
            connection_id=account.id if account else None,
            every=checked.every,
        )
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))


@app.command()
@expected
def sources(
    as_json: Annotated[bool, typer.Option("--json", help="Print each spec in full.")] = False,
) -> None:
    """List the sources that can be watched.

    Example: `listener sources --json`
    """
    with services() as built:
        specs = built.source_specs()
        if as_json:
            typer.echo(json.dumps(specs, ensure_ascii=False, indent=2))
            return
        for spec in specs:
            params = ", ".join(
                name + ("*" if name in spec["params"].get("required", []) else "")
                for name in spec["params"]["properties"]
            )
            typer.echo(f"{spec['name']}\t{spec['title_ko']} / {spec['title']}\t{params}")


@channel_app.command("add")
@expected
def add_channel(
    name: Annotated[str, typer.Argument(help="A name for the screens.")],
    address: Annotated[str, typer.Argument(help="A webhook's URL, or an apprise address.")],
    kind: Annotated[str, typer.Option(help="webhook or apprise.")] = "",
    language: Annotated[str, typer.Option(help="ko or en.")] = "",
    secret: Annotated[
        str | None, typer.Option(help="The webhook's secret; made when left out.")
    ] = None,
) -> None:
    """Add a channel for alerts. A webhook's signing secret is printed this one time.

    Example: `listener channel add ops https://ops.example/hook`
    """
    with services() as built:
        made = built.add_channel(
            name=name, address=address, kind=kind, language=language, secret=secret
        )
        if made.secret:
            typer.echo(made.secret)


@channel_app.command("list")
@expected
def list_channels() -> None:
    """List the channels, without their secrets.

    Example: `listener channel list`
    """
    from listener.store import channels

    with services() as built, built.database.read() as session:
        for row in channels.listing(session):
            state = "enabled" if row.enabled else "disabled"
            typer.echo(f"{row.id}\t{row.name}\t{row.kind}\t{row.address_shown}\t{state}")
