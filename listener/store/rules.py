"""Rules: what is worth an alert and who is told, and those that come with every brand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields as fields_of
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from listener.errors import InvalidInput, NotFound
from listener.rules import FACETS, NOBODY, check, default_rules
from listener.store.tables import BrandRow, ChannelRow, CounterRow, RuleRow
from listener.store.upsert import insert_ignore
from listener.types import By, Rule, Scope, Sensitivity, Severity, Signal, Step

_GIVEN = "default_rules"  # a counter that stands for: every brand was given its rules once
_PLAIN = (
    *("name", "min_count", "quiet_from", "quiet_to", "working_days", "enabled", "muted_until"),
    *("strictness", "origin"),
)
_FIELDS = frozenset(field.name for field in fields_of(Rule)) - {"id", "brand_id"}
_ENUMS = {"signal": Signal, "by": By, "sensitivity": Sensitivity, "severity": Severity}


def create(
    session: Session,
    *,
    brand_id: int,
    name: str,
    signal: Signal | str,
    now: datetime,
    **fields: Any,
) -> Rule:
    """Store a rule; ``fields`` are those of ``Rule``, each with its default.

    Raises InvalidInput that names the field, and NotFound for a brand that is not there.
    """
    if session.get(BrandRow, brand_id) is None:
        raise NotFound(f"There is no brand {brand_id}.")
    rule = made(brand_id=brand_id, name=name, signal=signal, **fields)
    return add(session, rule, now=now)


def add(session: Session, rule: Rule, *, now: datetime) -> Rule:
    """Store a rule as it is; gives it with its id. Raises InvalidInput."""
    check(rule)
    _check_channels(session, rule)
    row = RuleRow(brand_id=rule.brand_id, created_at=now, updated_at=now, **_columns(rule))
    session.add(row)
    session.flush()
    return from_row(row)


def update(session: Session, rule_id: int, *, now: datetime, **fields: Any) -> Rule:
    """Change the fields given, named as those of ``Rule``. Raises NotFound, InvalidInput."""
    row = row_of(session, rule_id)
    rule = replace(from_row(row), **_read(fields))
    check(rule)
    if "steps" in fields:  # others may have lost a channel since they were saved
        _check_channels(session, rule)
    for key, value in _columns(rule).items():
        setattr(row, key, value)
    row.updated_at = now
    session.flush()
    return rule


def delete(session: Session, rule_id: int) -> None:
    """Remove it; the watchdog ends what only this rule watched. Raises NotFound."""
    session.delete(row_of(session, rule_id))
    session.flush()


def get(session: Session, rule_id: int) -> Rule:
    """One rule. Raises NotFound."""
    return from_row(row_of(session, rule_id))


def row_of(session: Session, rule_id: int) -> RuleRow:
    """One rule as it is stored, with when it was made. Raises NotFound."""
    row = session.get(RuleRow, rule_id)
    if row is None:
        raise NotFound(f"There is no rule {rule_id}.")
    return row


def of_brand(session: Session, brand_id: int, *, enabled: bool | None = None) -> list[Rule]:
    """The rules of a brand in the order in which they were made."""
    return listing(session, brand_id=brand_id, enabled=enabled)


def listening(session: Session, brand_id: int) -> list[Rule]:
    """The rules by which a brand is watched: those switched on, none of an archived brand."""
    brand = session.get(BrandRow, brand_id)
    if brand is None or brand.archived_at is not None:
        return []
    return of_brand(session, brand_id, enabled=True)


def listing(
    session: Session, *, brand_id: int | None = None, enabled: bool | None = None
) -> list[Rule]:
    """All rules by brand, in the order in which they were made."""
    query = select(RuleRow).order_by(RuleRow.brand_id, RuleRow.id)
    if brand_id is not None:
        query = query.where(RuleRow.brand_id == brand_id)
    if enabled is not None:
        query = query.where(RuleRow.enabled.is_(enabled))
    return [from_row(row) for row in session.scalars(query)]


def by_ids(session: Session, rule_ids: Iterable[int]) -> dict[int, Rule]:
    """Those of these rules that there are, by id."""
    rows = session.scalars(select(RuleRow).where(RuleRow.id.in_(list(rule_ids))))
    return {row.id: from_row(row) for row in rows}


# --- those that come with a brand ----------------------------------------------------------------


def add_defaults(
    session: Session, brand_id: int, *, competitor: bool, now: datetime
) -> Sequence[Rule]:
    """The rules that come with a new brand."""
    return [add(session, rule, now=now) for rule in default_rules(brand_id, competitor)]


def add_missing_defaults(session: Session, *, now: datetime) -> bool:
    """Give every brand from before there were rules its rules, once in the life of a database;
    whether this was the time.
    """
    if session.scalar(select(CounterRow.value).where(CounterRow.name == _GIVEN)) is not None:
        return False
    insert_ignore(session, CounterRow, [{"name": _GIVEN, "value": 1}])
    have_some = select(RuleRow.brand_id).distinct()
    for brand in session.scalars(select(BrandRow).where(BrandRow.id.not_in(have_some))).all():
        add_defaults(session, brand.id, competitor=brand.competitor, now=now)
    return True


def lacks_defaults(session: Session) -> bool:
    """Whether ``add_missing_defaults`` was not called yet."""
    return session.scalar(select(CounterRow.value).where(CounterRow.name == _GIVEN)) is None


def change_sides(session: Session, brand_id: int, *, competitor: bool) -> None:
    """A brand became a competitor, or is one no more: the rules that came with it and that tell
    whom they told from the start change to tell nobody, or everybody.
    """
    usual, nobody = (Step(),), NOBODY
    before, after = (usual, nobody) if competitor else (nobody, usual)
    loud = {rule.origin for rule in default_rules(brand_id, False) if rule.steps == usual}
    for row in session.scalars(select(RuleRow).where(RuleRow.brand_id == brand_id)):
        rule = from_row(row)
        if rule.origin in loud and rule.steps == before:
            row.steps = _columns(replace(rule, steps=after))["steps"]
    session.flush()


# --- rows ----------------------------------------------------------------------------------------


def from_row(row: RuleRow) -> Rule:
    """The noun of a row."""
    return Rule(
        id=row.id,
        brand_id=row.brand_id,
        signal=Signal(row.signal),
        scope=Scope(**{name: getattr(row, name) for name in FACETS}),
        by=By(row.by),
        sensitivity=Sensitivity(row.sensitivity),
        severity=Severity(row.severity) if row.severity else None,
        steps=tuple(_step(told) for told in row.steps),
        remind_every=None if row.remind_s is None else timedelta(seconds=row.remind_s),
        **{name: getattr(row, name) for name in _PLAIN},
    )


def made(*, brand_id: int, name: str, signal: Signal | str, **fields: Any) -> Rule:
    """A rule that is not stored (id 0), of values as an edge sends them. Raises InvalidInput."""
    given = _read({"name": name, "signal": signal} | fields)
    return Rule(id=0, brand_id=brand_id, **given)


def _columns(rule: Rule) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in (*_PLAIN, *_ENUMS)} | {
        **{name: getattr(rule.scope, name) for name in FACETS},
        "steps": [
            {
                "after_s": int(step.after.total_seconds()),
                "channels": None if step.channel_ids is None else list(step.channel_ids),
            }
            for step in rule.steps
        ],
        "remind_s": None if rule.remind_every is None else int(rule.remind_every.total_seconds()),
    }


def _step(told: Mapping[str, Any]) -> Step:
    ids = told["channels"]
    return Step(
        after=timedelta(seconds=told["after_s"]), channel_ids=None if ids is None else tuple(ids)
    )


def _read(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as ``Rule`` takes them: words for enums, names in one line."""
    unknown = set(fields) - _FIELDS
    if unknown:
        raise TypeError(f"a rule has no {', '.join(sorted(unknown))}")
    given = dict(fields)
    for name, enum in _ENUMS.items():
        value = given.get(name)
        if value is not None:
            try:
                given[name] = enum(value)
            except ValueError:
                words = ", ".join(enum)
                raise InvalidInput(f"{name} is one of {words}.", field=name) from None
    if "name" in given:
        given["name"] = " ".join(given["name"].replace("\0", " ").split())
    if "steps" in given:
        given["steps"] = tuple(given["steps"])
    return given


def _check_channels(session: Session, rule: Rule) -> None:
    wanted = {id_ for step in rule.steps for id_ in step.channel_ids or ()}
    there = session.scalars(select(ChannelRow.id).where(ChannelRow.id.in_(wanted))).all()
    if gone := wanted - set(there):
        raise InvalidInput(f"There is no channel {min(gone)}.", field="steps")
