"""``listener inbound``: webhooks that others post to, their mappings, and what was delivered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from listener.cli.base import app, expected, services
from listener.errors import InvalidInput

inbound_app = typer.Typer(no_args_is_help=True, help="Webhooks that surveys and helpdesks post to.")
app.add_typer(inbound_app, name="inbound")

Number = Annotated[int, typer.Argument(help="The webhook's number, see `listener inbound list`.")]
MappingFile = Annotated[
    Path | None, typer.Option(help="A JSON file with the mapping; else the preset's.")
]


def _mapping(path: Path | None) -> Any:
    if path is None:
        return None
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}.", field="mapping") from error
    except ValueError as error:
        raise InvalidInput(f"{path} is not valid JSON ({error}).", field="mapping") from error


@inbound_app.command("add")
@expected
def add_inbound(
    name: Annotated[str, typer.Argument(help="A name for the screens.")],
    preset: Annotated[
        str,
        typer.Option(
            help="generic, typeform, formbricks, google-forms, zendesk, intercom, freshdesk, text."
        ),
    ] = "generic",
    brand: Annotated[str | None, typer.Option(help="Name or number of the brand.")] = None,
    match: Annotated[
        str | None, typer.Option(help="all: everything is the brand's; terms: what names one.")
    ] = None,
    scheme: Annotated[
        str | None,
        typer.Option(help="How it is signed: standard, typeform, github, zendesk, token."),
    ] = None,
    secret: Annotated[
        str | None, typer.Option(help="The sender's secret; made when left out.")
    ] = None,
    mapping: MappingFile = None,
) -> None:
    """Add a webhook; prints its address and, this one time, its secret.

    Example: `listener inbound add "Typeform NPS" --preset typeform --brand 누리마켓`
    """
    from listener.store import brands

    with services() as built:
        with built.database.read() as session:
            owner = brands.find(session, brand) if brand else None
        made = built.add_inbound(
            name=name,
            preset=preset,
            brand_id=owner.id if owner else None,
            match=match,
            scheme=scheme,
            secret=secret,
            mapping=_mapping(mapping),
        )
    typer.echo(f"{made.id}\t{made.address}\t{made.secret}")


@inbound_app.command("list")
@expected
def list_inbound() -> None:
    """List the webhooks with what they delivered.

    Example: `listener inbound list`
    """
    from listener.store import inbound

    with services() as built, built.database.read() as session:
        counted = inbound.counts(session)
        for row in inbound.listing(session):
            told = " ".join(f"{state}={n}" for state, n in sorted(counted.get(row.id, {}).items()))
            state = "enabled" if row.enabled else "disabled"
            typer.echo(f"{row.id}\t{row.name}\t{row.scheme}\t{state}\t{told or 'nothing yet'}")


@inbound_app.command("show")
@expected
def show_inbound(
    number: Number,
    limit: Annotated[int, typer.Option(help="How many deliveries.", min=1, max=500)] = 20,
) -> None:
    """Show a webhook, its mapping and its latest deliveries, as JSON; never its secret.

    Example: `listener inbound show 1 --limit 5`
    """
    from listener.store import inbound

    with services() as built, built.database.read() as session:
        row = inbound.get(session, number)
        told = {
            "id": row.id,
            "name": row.name,
            "address": built.inbound_address(row.public_id),
            "brand_id": row.brand_id,
            "match": row.match,
            "scheme": row.scheme,
            "enabled": row.enabled,
            "mapping": row.mapping,
            "deliveries": [
                {
                    "id": one.delivery_id,
                    "received_at": one.received_at.isoformat(),
                    "state": one.state,
                    "reason": one.reason,
                    "items": one.items,
                }
                for one in inbound.deliveries(session, number, limit=limit)
            ],
        }
    typer.echo(json.dumps(told, ensure_ascii=False, indent=2))


@inbound_app.command("test")
@expected
def try_inbound(
    number: Number,
    file: Annotated[Path, typer.Argument(help="A payload as the sender posts it.")],
    mapping: MappingFile = None,
    save: Annotated[bool, typer.Option(help="Keep the mapping of --mapping.")] = False,
) -> None:
    """Show what the webhook would make of a payload; nothing is stored but a mapping with --save.

    Example: `listener inbound test 1 payload.json --mapping mapping.json --save`
    """
    from listener.store import inbound

    try:
        body = file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{file}: {error.strerror}.", hint="Check the path.") from error
    with services() as built:
        with built.database.read() as session:
            given = _mapping(mapping) or inbound.get(session, number).mapping
        kind = "text/plain" if file.suffix == ".txt" else "application/json"
        told = built.preview_inbound(given, body, kind)
        if save and mapping is not None:
            with built.database.write() as work:
                inbound.change(work.session, number, mapping=built.check_mapping(given))
                work.commit()
    typer.echo(json.dumps(told, ensure_ascii=False, indent=2))


@inbound_app.command("replay")
@expected
def replay_inbound(
    number: Number,
    delivery: Annotated[
        str | None, typer.Option(help="One delivery (in_…); left out: all that failed.")
    ] = None,
) -> None:
    """Map deliveries again after the mapping was mended; prints how many.

    Example: `listener inbound replay 1`
    """
    from listener.store import inbound

    with services() as built, built.database.write() as work:
        count = inbound.replay(work.session, number, delivery_id=delivery)
        work.commit()
    typer.echo(str(count))


@inbound_app.command("remove")
@expected
def remove_inbound(number: Number) -> None:
    """Remove a webhook with its inbox; the mentions stay.

    Example: `listener inbound remove 1`
    """
    from listener.store import inbound

    with services() as built, built.database.write() as work:
        inbound.remove(work.session, number)
        work.commit()
