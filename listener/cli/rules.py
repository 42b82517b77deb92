"""``listener rules``: what is worth an alert, and trying that on the past."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from listener.cli.base import app, expected, services
from listener.errors import InvalidInput

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from listener.pipeline.backtest_report import Fire, Report, Result
    from listener.types import Rule

rules_app = typer.Typer(no_args_is_help=True, help="Rules of alerts, and trying them on the past.")
app.add_typer(rules_app, name="rules")

_SCOPE = ("topic", "source", "language", "country")
_NUMBERS = ("min_count", "remind_every_s")
_SWITCHES = ("enabled", "working_days")
_BLOCKS = "▁▂▃▄▅▆▇█"
_WIDTH = 72

Number = Annotated[int, typer.Argument(metavar="RULE", help="The number in `rules list`.")]
Settings = Annotated[
    list[str] | None, typer.Argument(metavar="SETTING=VALUE", help="As `rules show` names them.")
]


@rules_app.command("list")
@expected
def list_rules(
    brand: Annotated[str | None, typer.Option(help="Of this brand, name or number.")] = None,
) -> None:
    """List the rules by brand.

    Example: `listener rules list --brand 누리마켓`
    """
    from listener.store import brands, rules

    with services() as built, built.database.read() as session:
        names = {one.id: one.name for one in brands.listing(session, archived=True)}
        brand_id = brands.find(session, brand).id if brand else None
        for rule in rules.listing(session, brand_id=brand_id):
            cells = [str(rule.id), names.get(rule.brand_id, ""), rule.name, *_words(rule)]
            typer.echo("\t".join(cells))


@rules_app.command("show")
@expected
def show_rule(number: Number) -> None:
    """Print every setting of a rule as JSON.

    Example: `listener rules show 1`
    """
    from listener.store import rule_json, rules

    with services() as built, built.database.read() as session:
        told = rule_json.to_json(rules.get(session, number))
    typer.echo(json.dumps(told, ensure_ascii=False, indent=2))


@rules_app.command("add")
@expected
def add_rule(
    brand: Annotated[str, typer.Argument(help="Name or number.")],
    name: Annotated[str, typer.Argument(help="What it is called.")],
    signal: Annotated[str, typer.Argument(help="complaints, negative, low_ratings, …")],
    settings: Settings = None,
) -> None:
    """Make a rule and print its number.

    Example: `listener rules add 누리마켓 "배송 불만" complaints topic=delivery sensitivity=high`
    """
    from listener.store import brands, rule_json, rules

    with services() as built, built.database.write() as work:
        brand_id = brands.find(work.session, brand).id
        body = {"name": name, "signal": signal} | _given(settings)
        made = rules.add(work.session, rule_json.unsaved(body, brand_id), now=built.clock())
        work.commit()
    typer.echo(str(made.id))


@rules_app.command("set")
@expected
def set_rule(number: Number, settings: Settings = None) -> None:
    """Change settings of a rule; `none` empties one.

    Example: `listener rules set 1 sensitivity=high min_count=10 enabled=false`
    """
    from listener.store import rule_json, rules

    with services() as built, built.database.write() as work:
        rule = _changed(rules.get(work.session, number), settings)
        fields = rule_json.fields_of(rule_json.to_json(rule))
        rules.update(work.session, number, now=built.clock(), **fields)
        work.commit()
    typer.echo(" ".join(_words(rule)))


@rules_app.command("remove")
@expected
def remove_rule(number: Number) -> None:
    """Remove a rule; what only it watched is watched no more.

    Example: `listener rules remove 1`
    """
    from listener.store import rules

    with services() as built, built.database.write() as work:
        rules.delete(work.session, number)
        work.commit()
    typer.echo(f"Rule {number} is removed.")


@rules_app.command("backtest")
@expected
def backtest(
    number: Number,
    days: Annotated[int, typer.Option(help="How far back.")] = 365,
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Up to this day instead of now."),
    ] = None,
    sensitivity: Annotated[
        str | None, typer.Option(help="low, normal, high or highest instead of the rule's.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="posts, stories or authors.")] = None,
    min_count: Annotated[int | None, typer.Option(help="Mentions before it tells.")] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(metavar="SETTING=VALUE", help="Try this beside it; may be given repeatedly."),
    ] = None,
    judge_as: Annotated[
        str,
        typer.Option(
            help="known: by what was known at each moment. on_time: as if all had come at once"
            " (imports, back-fills). auto: as fits."
        ),
    ] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Try a rule on the stored past: when it would have told, how often, and how right.

    Example: `listener rules backtest 1 --days 90 --compare sensitivity=high`
    """
    from zoneinfo import ZoneInfo

    from listener.pipeline.backtest import Backtester, Wanted
    from listener.store import rules

    with services() as built:
        tz = ZoneInfo(built.settings.timezone)
        with built.database.read() as session:
            rule = rules.get(session, number)
        given = {"sensitivity": sensitivity, "by": by, "min_count": min_count}
        told = [f"{name}={value}" for name, value in given.items() if value is not None]
        rule = _changed(rule, told)
        wanted = Wanted(
            rule=rule,
            other=_changed(rule, compare) if compare else None,
            days=days,
            until=until.replace(tzinfo=tz) if until else built.clock(),
            judge_as=judge_as,
        )
        with _Bar() as show:
            report = Backtester(built.database, built.settings).run(wanted, show)
    if as_json:
        typer.echo(json.dumps(report.to_json(), ensure_ascii=False))
        return
    for line in _report(report, tz):
        typer.echo(line)


# --- settings ------------------------------------------------------------------------------------


def _changed(rule: Rule, settings: Sequence[str] | None) -> Rule:
    """The rule with these settings in place of its own. Raises InvalidInput."""
    from listener.rules import check
    from listener.store import rule_json

    told = rule_json.to_json(rule)
    given = _given(settings)
    given["scope"] = told["scope"] | given.get("scope", {})
    changed = replace(rule_json.from_json(told | given), origin=rule.origin)
    check(changed)
    return changed


def _given(settings: Sequence[str] | None) -> dict[str, Any]:
    """Settings as JSON, from ``name=value``."""
    found: dict[str, Any] = {}
    for one in settings or ():
        name, equals, text = one.partition("=")
        if not equals:
            raise InvalidInput(f"{one!r} is no setting.", hint="Write name=value.")
        value = None if text.lower() in ("none", "") else text
        if name in _SCOPE:
            found.setdefault("scope", {})[name] = value
        else:
            found[name] = _typed(name, value)
    return found


def _typed(name: str, text: str | None) -> Any:
    if text is None:
        return None
    if name in _SWITCHES:
        if text.lower() not in ("true", "false", "on", "off", "yes", "no"):
            raise InvalidInput(f"{name} is true or false.", field=name)
        return text.lower() in ("true", "on", "yes")
    if name == "steps":
        raise InvalidInput("Who is told is set on the page of the rule, or by the API.", field=name)
    if name not in (*_NUMBERS, "strictness"):
        return text
    try:
        return float(text) if name == "strictness" else int(text)
    except ValueError:
        raise InvalidInput(f"{name} is a number.", field=name) from None


def _words(rule: Rule) -> Iterator[str]:
    scope = [f"{name}={value}" for name in _SCOPE if (value := getattr(rule.scope, name))]
    yield " ".join([rule.signal, *scope])
    yield f"by {rule.by}"
    yield f"sensitivity {rule.sensitivity}"
    yield f"at least {rule.min_count}"
    yield "on" if rule.enabled else "off"


# --- what is printed -----------------------------------------------------------------------------


class _Bar:
    """A progress bar on a terminal, and nothing elsewhere."""

    def __enter__(self) -> Callable[[float], None]:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._shown = Progress(
            TextColumn("replaying"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
            transient=True,
        )
        self._shown.start()
        self._task = self._shown.add_task("", total=1.0)
        return self._show

    def _show(self, share: float) -> None:
        self._shown.update(self._task, completed=share)

    def __exit__(self, *_: object) -> None:
        self._shown.stop()


def _report(report: Report, tz: ZoneInfo) -> Iterator[str]:
    if report.b is None or report.compared is None:
        yield from _result(report.a, tz)
        return
    for name, result in (("A", report.a), ("B", report.b)):
        yield f"{name}: {_setting(result.rule)}"
        yield from _result(result, tz)
        yield ""
    compared = report.compared
    yield (
        f"both {len(compared.both)}, only A {_numbers(compared.only_a)},"
        f" only B {_numbers(compared.only_b)}"
    )
    if compared.earlier_s:
        word = "earlier" if compared.earlier_s > 0 else "later"
        yield f"of those that both tell, B is {abs(compared.earlier_s) / 60:.0f} minutes {word}"


def _setting(rule: Mapping[str, Any]) -> str:
    scope = [f"{name}={value}" for name, value in rule["scope"].items() if value]
    told = [rule["signal"], *scope, f"by {rule['by']}", f"sensitivity {rule['sensitivity']}"]
    return " ".join([*told, f"at least {rule['min_count']}"])


def _numbers(of: Sequence[int]) -> str:
    return f"{len(of)} ({', '.join(f'#{number + 1}' for number in of)})" if of else "0"


def _result(result: Result, tz: ZoneInfo) -> Iterator[str]:
    week = result.alerts_a_week
    yield (
        f"{len(result.alerts)} alerts in {result.days:.0f} days"
        + (f", {week:.2f} a week" if week is not None else "")
        + f" ({result.took_s:.1f} s)"
    )
    if result.timeline:
        counts, fires = _lines(result)
        yield counts
        yield fires
        first, last = (_day(result.timeline[place].at, tz) for place in (0, -1))
        yield first + last.rjust(max(len(counts) - len(first), 1))
    for alert in result.alerts:
        yield f"#{alert.number + 1} {_time(alert.opened_at, tz)}  {alert.severity}"
        for number in alert.fires:
            yield f"   {_fire(result.fires[number], tz)}"
    marks = result.marks
    if marks.precision is not None:
        yield f"marked: {marks.right} right, {marks.false} false: precision {marks.precision:.0%}"
    if marks.recall is not None:
        yield f"recall of alerts marked right: {marks.recall:.0%} ({len(marks.missed)} missed)"
    for note in result.notes:
        yield f"note: {note.en}"


def _fire(fire: Fire, tz: ZoneInfo) -> str:
    causes = [cause.name for cause in (*fire.topics[:1], *fire.phrases[:2])]
    trend = " slowly" if fire.trend else ""
    told = f" {', '.join(causes)}" if causes else ""
    return (
        f"{fire.dimension}{trend}: {fire.observed:.0f} instead of {fire.expected:.1f}"
        f" since {_time(fire.onset_at, tz)}, once in {_rare(fire.once_in_days)}{told}"
    )


def _rare(days: float) -> str:
    years = days / 365.25
    if years >= 10:
        return "more than 10 years"
    return f"{years:.1f} years" if years >= 1 else f"{days:.0f} days"


def _lines(result: Result) -> tuple[str, str]:
    """The counts as blocks, and below where alerts open."""
    points = result.timeline
    per = max(1, -(-len(points) // _WIDTH))
    groups = [points[at : at + per] for at in range(0, len(points), per)]
    sums = [sum(point.count for point in group) for group in groups]
    most = max(sums, default=0.0) or 1.0
    last = len(_BLOCKS) - 1
    counts = [
        " " if not any(point.collected for point in group)
        else _BLOCKS[round(max(total, 0.0) / most * last)]
        for group, total in zip(groups, sums, strict=True)
    ]  # fmt: skip
    marks = [" "] * len(groups)
    for alert in result.alerts:
        before = sum(group[0].at <= alert.opened_at for group in groups)
        marks[max(before - 1, 0)] = "^"
    return "".join(counts), "".join(marks)


def _time(at: datetime, tz: ZoneInfo) -> str:
    return f"{at.astimezone(tz):%Y-%m-%d %H:%M}"


def _day(at: datetime, tz: ZoneInfo) -> str:
    return f"{at.astimezone(tz):%Y-%m-%d}"
