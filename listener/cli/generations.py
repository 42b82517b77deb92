"""``listener rescore`` and ``listener generations``: history by new models and rules, and the
switch to them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from listener.cli.base import app, expected, services
from listener.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from listener.pipeline.rescore import Progress
    from listener.runtime.wiring import Services
    from listener.store.comparison import Compared
    from listener.store.generations import Generation

generations_app = typer.Typer(
    invoke_without_command=True, help="Sets of models and rules that texts were read with."
)
app.add_typer(generations_app, name="generations")

Number = Annotated[int, typer.Argument(metavar="N", help="The number in `generations list`.")]


@app.command()
@expected
def rescore(
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Only what is from this day on, or later."),
    ] = None,
    switch: Annotated[
        bool, typer.Option(help="Put the new readings in force once they are complete.")
    ] = False,
    generation: Annotated[
        int | None, typer.Option(help="Read by this one instead of the present models and rules.")
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Read nothing; say what would change, by brand.")
    ] = False,
) -> None:
    """Read all that is stored by the present models and rules, beside the readings in force.

    Nobody sees the new readings before `listener generations switch`. Broken off, it goes on from
    where it stood, here or in the running service.

    Example: `listener rescore --since 2026-01-31`
    """
    with services() as built:
        day = _day(built, since)
        if compare:
            _print_comparison(built, generation, day)
            return
        number = built.rescorer.begin(generation, since=day, switch=switch)
        with _Bar() as show:
            built.rescorer.run(number, progress=show)
        if switch:
            built.roll_up()
        typer.echo(f"Generation {number} is complete{' and in force' if switch else ''}.")


@app.command("train-overlay")
@expected
def train_overlay(
    force: Annotated[
        bool, typer.Option("--force", help="Use it even if it tells held-out texts worse.")
    ] = False,
    off: Annotated[
        bool, typer.Option("--off", help="Use the shipped model alone again; train nothing.")
    ] = False,
) -> None:
    """Train what this install's corrections of Korean texts add to the shipped model.

    Prints how well corrected texts are told before and after, each by an overlay that was made
    without it. It makes a new set of models, which `listener rescore` reads history by.

    Example: `listener train-overlay`
    """
    from listener.pipeline import overlay
    from listener.store import overlays

    with services() as built:
        if off:
            with built.database.write() as work:
                for model, _ in overlays.versions(work.session):
                    overlays.reset(work.session, model)
                work.commit()
            typer.echo("The shipped models are used alone.")
            return
        made = overlay.train(built.database, force=force, now=built.clock())
    typer.echo(
        f"{made.examples} corrections, {made.polar} of them positive or negative."
        f" Told right, each held out: {_percent(made.before)} before, {_percent(made.after)} after."
    )
    if not made.kept:
        typer.echo("It is no better, so it is not used; --force uses it all the same.")
        raise typer.Exit(1)
    typer.echo(f"In use as {made.version}. Next: listener rescore")


@generations_app.callback()
def _without_command(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_generations()


@generations_app.command("list")
@expected
def list_generations() -> None:
    """List the sets of models and rules, and how much was read with each.

    Example: `listener generations list`
    """
    from listener.store import generations

    with services() as built, built.database.read() as session:
        found = generations.counted(session)
    for one in found:
        typer.echo("\t".join(_line(one)))


@generations_app.command("switch")
@expected
def switch_generation(
    number: Number,
    force: Annotated[
        bool, typer.Option("--force", help="Even if it has not read all that is stored.")
    ] = False,
) -> None:
    """Put a set of models and rules in force: one announced change, and all counts anew.

    Example: `listener generations switch 2`
    """
    with services() as built:
        done = built.rescorer.switch(number, force=force, by="command line")
        counted = built.roll_up()
    typer.echo(
        f"Generation {done.generation_id} is in force"
        f"{f', {done.before_id} no more' if done.before_id else ''};"
        f" {counted} buckets were counted anew."
    )


@generations_app.command("remove")
@expected
def remove_generation(number: Number) -> None:
    """Delete the readings of a set that is not in force.

    Example: `listener generations remove 1`
    """
    with services() as built:
        built.rescorer.remove(number)
    typer.echo(f"Generation {number} and its readings are removed.")


# --- what is printed -----------------------------------------------------------------------------


def _line(one: Generation) -> Iterator[str]:
    yield str(one.id)
    yield "in force" if one.active else _state(one)
    yield f"{one.readings} read"
    yield "; ".join(f"{lang} {name} {version}" for lang, (name, version) in one.models.items())
    yield f"rules {one.rules_version}"
    yield f"since {one.created_at:%Y-%m-%d %H:%M}"


def _state(one: Generation) -> str:
    row = one.progress
    if row is None:
        return "beside"
    if row.error:
        return f"stopped: {row.error}"
    if row.finished_at is None:
        return f"{row.done}/{row.total}"
    return "complete" if row.since is None else f"complete from {row.since:%Y-%m-%d}"


class _Bar:
    """A progress bar with rate and time left on a terminal, and nothing elsewhere."""

    def __enter__(self) -> _Bar:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._shown = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._shown.start()
        self._task = self._shown.add_task("reading", total=None, rate="")
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.stop()

    def __call__(self, now: Progress) -> None:
        speed = self._shown.tasks[0].speed
        self._shown.update(
            self._task,
            completed=now.done,
            total=now.total,
            rate=f"{speed:,.0f}/s" if speed else "",
            description="another process reads" if now.by_another else "reading",
        )


def _day(built: Services, since: datetime | None) -> datetime | None:
    from zoneinfo import ZoneInfo

    return since and since.replace(tzinfo=ZoneInfo(built.settings.timezone))


def _print_comparison(built: Services, generation: int | None, since: datetime | None) -> None:
    from listener.store import comparison, generations

    with built.database.read() as session:
        old = generations.active_id(session)
        if old is None:
            raise NotFound("Nothing was read yet.")
        others = [row.id for row in generations.listing(session) if row.id != old]
        new = generation or (others[-1] if others else None)
        if new is None or new == old:
            raise InvalidInput(
                "There is nothing to compare with.",
                hint="`listener rescore` reads by the present models and rules first.",
            )
        generations.get(session, new)
        found = comparison.compare(session, old, new, since=since)
    typer.echo(f"Generation {old} (in force) and {new}, mentions that both have read")
    for one in found:
        for line in _comparison(one):
            typer.echo(line)
    if not found:
        typer.echo("There is none.")


def _comparison(one: Compared) -> Iterator[str]:
    from listener.store.comparison import LABELS

    share = one.flipped / one.old.mentions if one.old.mentions else 0.0
    yield ""
    yield f"{one.name}: {one.old.mentions} mentions, {one.flipped} with another label ({share:.1%})"
    yield f"  mean score      {_number(one.old.score)} -> {_number(one.new.score)}"
    yield (
        f"  complaint rate  {_percent(one.old.complaint_rate)}"
        f" -> {_percent(one.new.complaint_rate)}"
    )
    used = [label for label in LABELS if one.old.labels[label] or one.new.labels[label]]
    yield "  " + "".join(f"{cell:>11}" for cell in ("from \\ to", *used))
    for old in used:
        counts = (str(one.flips.get((old, new), 0)) for new in used)
        yield "  " + "".join(f"{cell:>11}" for cell in (old, *counts))
    changed = _changed_topics(one)
    if changed:
        yield "  topics          " + ", ".join(
            f"{topic} {one.old.topics[topic]} -> {one.new.topics[topic]}" for topic in changed
        )
    for moved in one.moved:
        text = " ".join(moved.text.split())
        yield (
            f"  #{moved.mention_id}  {moved.old_label} {_number(moved.old_score)}"
            f" -> {moved.new_label} {_number(moved.new_score)}  {text[:80]}"
        )


def _changed_topics(one: Compared) -> Sequence[str]:
    topics = one.old.topics.keys() | one.new.topics.keys()
    moved = {topic: abs(one.new.topics[topic] - one.old.topics[topic]) for topic in topics}
    return sorted((t for t in topics if moved[t]), key=lambda t: (-moved[t], t))[:10]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
