"""``listener calendar``: campaigns, launches and holidays, which change what is usual."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from listener.cli.base import app, expected, services
from listener.errors import InvalidInput

calendar_app = typer.Typer(no_args_is_help=True, help="Campaigns, launches and holidays.")
app.add_typer(calendar_app, name="calendar")

_PAST = timedelta(days=30)


@calendar_app.command("add")
@expected
def add_event(
    name: Annotated[str, typer.Argument(help="What it is.")],
    begin: Annotated[str, typer.Option("--from", help="Its first day, or the time it begins.")],
    end: Annotated[str, typer.Option("--to", help="Its last day, or the time it ends.")],
    brand: Annotated[str | None, typer.Option(help="Name or number; all when left out.")] = None,
    kind: Annotated[str, typer.Option(help="campaign, launch or other.")] = "campaign",
    factor: Annotated[
        float | None,
        typer.Option(help="Times the usual that is expected; left out: nothing of it is told."),
    ] = None,
) -> None:
    """Put an event into the calendar and print its number.

    Example: `listener calendar add "봄 세일" --from 2026-03-02 --to 2026-03-08 --factor 3`
    """
    from listener.runtime.clock import utc_now
    from listener.store import brands, planned

    with services() as built, built.database.write() as work:
        tz = ZoneInfo(built.settings.timezone)
        made = planned.create(
            work.session,
            name=name,
            from_at=_at(begin, tz, field="from"),
            to_at=_at(end, tz, field="to", is_end=True),
            brand_id=brands.find(work.session, brand).id if brand else None,
            kind=kind,
            factor=factor,
            by="listener calendar add",
            now=utc_now(),
        )
        work.commit()
    typer.echo(str(made.id))


@calendar_app.command("list")
@expected
def list_events(
    brand: Annotated[str | None, typer.Option(help="What holds for this brand.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those long over, too.")] = False,
) -> None:
    """List what is planned, and what is over since 30 days at most.

    Example: `listener calendar list --brand 누리마켓`
    """
    from listener.runtime.clock import utc_now
    from listener.store import brands, planned

    with services() as built, built.database.read() as session:
        tz = ZoneInfo(built.settings.timezone)
        names = {one.id: one.name for one in brands.listing(session, archived=True)}
        for event in planned.listing(
            session,
            brand_id=brands.find(session, brand).id if brand else None,
            since=None if everything else utc_now() - _PAST,
        ):
            told = "-" if event.factor is None else f"x{event.factor:g}"
            owner = "all brands" if event.brand_id is None else names[event.brand_id]
            begin, end = (
                f"{at.astimezone(tz):%Y-%m-%dT%H:%M}" for at in (event.from_at, event.to_at)
            )
            typer.echo(f"{event.id}\t{begin}\t{end}\t{event.kind}\t{told}\t{owner}\t{event.name}")


@calendar_app.command("remove")
@expected
def remove_event(
    number: Annotated[int, typer.Argument(help="Its number, see `listener calendar list`.")],
) -> None:
    """Take an event out of the calendar.

    Example: `listener calendar remove 3`
    """
    from listener.store import planned

    with services() as built, built.database.write() as work:
        planned.remove(work.session, number)
        work.commit()


@calendar_app.command("holidays")
@expected
def list_holidays(
    year: Annotated[int | None, typer.Option(help="Which year.", min=1990, max=2100)] = None,
) -> None:
    """List the public holidays that count as Sundays.

    Example: `listener calendar holidays --year 2026`
    """
    from listener.detect.calendar import holidays_of
    from listener.runtime.clock import utc_now

    with services() as built:
        country = built.settings.holidays
        wanted = year or utc_now().astimezone(ZoneInfo(built.settings.timezone)).year
    for day, name in sorted(holidays_of(country, [wanted]).items()) if country else ():
        typer.echo(f"{day}\t{name}")


def _at(given: str, tz: ZoneInfo, *, field: str, is_end: bool = False) -> datetime:
    """A day or a time of the workspace; a day that is an end is in it."""
    try:
        if len(given) == len("2026-03-08"):
            day = date.fromisoformat(given) + timedelta(days=is_end)
            return datetime.combine(day, time(), tz)
        at = datetime.fromisoformat(given)
    except ValueError as error:
        raise InvalidInput(
            f"--{field} {given!r} is no day and no time.",
            field=field,
            hint="For example 2026-03-08 or 2026-03-08T10:00.",
        ) from error
    return at if at.tzinfo else at.replace(tzinfo=tz)
