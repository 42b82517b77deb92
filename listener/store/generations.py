"""Generations: the sets of models and rules that readings were made with. Exactly one is in
force.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import delete, exists, func, select, text, update
from sqlalchemy.orm import Session

from listener.errors import Conflict, NotFound
from listener.store import rule_sets
from listener.store.tables import CounterRow, GenerationRow, ReadingRow, RescoreRow, SwitchRow
from listener.store.upsert import insert_ignore, insert_update

_PRESENT = "generation"
_LOCK = 0x47656E  # any number that nothing else locks


class Versions(Protocol):
    """What a reader says of itself."""

    @property
    def key(self) -> str:
        """Equal for equal models and rules."""
        ...

    @property
    def models(self) -> Mapping[str, tuple[str, str]]:
        """Language -> (model, version)."""
        ...

    @property
    def rules_version(self) -> str:
        """The version of the complaint and topic rules."""
        ...


@dataclass(frozen=True, slots=True)
class RuleText:
    """The text of the rules in use, and where it comes from (``rule_sets``)."""

    text: str
    origin: str


@dataclass(frozen=True, slots=True)
class Generation:
    """A set of models and rules, and how much was read with it."""

    id: int
    key: str
    models: Mapping[str, tuple[str, str]]  # language -> (model, version)
    rules_version: str
    created_at: datetime
    active_from: datetime | None
    active: bool
    readings: int  # mentions that have one
    progress: RescoreRow | None


@dataclass(frozen=True, slots=True)
class Switch:
    """One switch: which generation took the place of which. ``changed`` says it in names."""

    id: int
    generation_id: int
    before_id: int | None
    at: datetime
    by: str
    changed: Mapping[str, Any]


def active_id(session: Session) -> int | None:
    """The generation in force, whose readings everybody shows; None before the first mention."""
    return session.scalar(select(GenerationRow.id).where(GenerationRow.active.is_(True)))


def active(session: Session) -> GenerationRow | None:
    """The same with its models and rules."""
    return session.scalar(select(GenerationRow).where(GenerationRow.active.is_(True)))


def ensure(
    session: Session, versions: Versions, *, now: datetime, rules: RuleText | None = None
) -> int:
    """The generation of these models and rules, made if there is none yet.

    It is put in force at once where nothing was read so far. ``rules`` is kept with it, so that it
    can be read by again later.
    """
    own = _find(session, versions.key)
    if own is not None:
        return own
    lock(session)  # of two that begin at once, one is the first
    first = session.scalar(select(~exists().select_from(ReadingRow)))
    if first:
        session.execute(update(GenerationRow).values(active=False))
    row: dict[str, Any] = {
        "key": versions.key,
        "models": {language: list(model) for language, model in versions.models.items()},
        "rules_version": versions.rules_version,
        "created_at": now,
        "active": bool(first),
        "active_from": now if first else None,
    }
    insert_ignore(session, GenerationRow, [row])
    if rules is not None:
        rule_sets.keep(session, rules.text, versions.rules_version, origin=rules.origin, now=now)
    own = _find(session, versions.key)
    if own is None:
        raise NotFound("The generation vanished while it was being made.")
    return own


def to_write(
    session: Session, versions: Versions, *, now: datetime, rules: RuleText | None = None
) -> tuple[int, ...]:
    """The generations a new reading is stored under: the reader's own, and the one in force.

    They are the same until models or rules change. From then until history was read anew and
    ``switch`` is called, a new mention is read by both. No other is put in force until the
    transaction ends.
    """
    own = ensure(session, versions, now=now, rules=rules)
    _lock(session, "pg_advisory_xact_lock_shared")
    in_force = active_id(session)
    return (own,) if in_force in (None, own) else (own, in_force)


def lock(session: Session) -> None:
    """Wait for those that store readings, and let nobody store any or switch until the transaction
    ends: see what a generation lacks, then switch.
    """
    _lock(session, "pg_advisory_xact_lock")


def _lock(session: Session, function: str) -> None:
    if session.get_bind().dialect.name != "sqlite":  # SQLite has one writer anyway
        session.execute(text(f"SELECT {function}(:key)"), {"key": _LOCK})


def switch(session: Session, generation_id: int, *, now: datetime, by: str = "") -> Switch:
    """Put a generation in force whose readings are complete, and write down that it was.

    Mark all buckets as stale in the same transaction. Raises NotFound, and Conflict where it is in
    force already.
    """
    found = get(session, generation_id)
    before = active(session)
    if found.active:
        raise Conflict(f"Generation {generation_id} is in force already.")
    session.execute(update(GenerationRow).values(active=False))
    session.execute(
        update(GenerationRow)
        .where(GenerationRow.id == generation_id)
        .values(active=True, active_from=now)
    )
    row = SwitchRow(
        generation_id=generation_id,
        before_id=before.id if before else None,
        at=now,
        by=by[:200],
        changed={"before": told(before) if before else None, "after": told(found)},
    )
    session.add(row)
    session.flush()
    session.expire_all()
    return _switch(row)


def told(row: GenerationRow) -> dict[str, Any]:
    """A generation in names, as it is kept for those who ask after it is gone."""
    return {
        "generation": row.id,
        "models": {language: list(model) for language, model in sorted(row.models.items())},
        "rules_version": row.rules_version,
    }


def switches(
    session: Session,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 100,
) -> Sequence[Switch]:
    """The switches of [since, until), the latest first."""
    query = select(SwitchRow).order_by(SwitchRow.at.desc(), SwitchRow.id.desc()).limit(limit)
    if since is not None:
        query = query.where(SwitchRow.at >= since)
    if until is not None:
        query = query.where(SwitchRow.at < until)
    return [_switch(row) for row in session.scalars(query)]


def get(session: Session, generation_id: int) -> GenerationRow:
    """One generation. Raises NotFound."""
    row = session.get(GenerationRow, generation_id)
    if row is None:
        raise NotFound(
            f"There is no generation {generation_id}.",
            hint="`listener generations list` names them.",
        )
    return row


def present_id(session: Session) -> int | None:
    """The generation of the models and rules that the service runs with; None before its start."""
    return session.scalar(select(CounterRow.value).where(CounterRow.name == _PRESENT))


def set_present(session: Session, generation_id: int) -> None:
    """Note which generation the service runs with, for those that know no models themselves."""
    row = {"name": _PRESENT, "value": generation_id}
    insert_update(session, CounterRow, [row], key=["name"], update=["value"])


def listing(session: Session) -> list[GenerationRow]:
    """All generations, the oldest first."""
    return list(session.scalars(select(GenerationRow).order_by(GenerationRow.id)))


def counted(session: Session) -> list[Generation]:
    """All generations, the oldest first, with how many mentions each has read."""
    counts = {
        generation_id: count
        for generation_id, count in session.execute(
            select(ReadingRow.generation_id, func.count())
            .where(ReadingRow.brand_id == 0)
            .group_by(ReadingRow.generation_id)
        )
    }
    progress = {row.generation_id: row for row in session.scalars(select(RescoreRow))}
    return [
        Generation(
            id=row.id,
            key=row.key,
            models={language: (model[0], model[1]) for language, model in row.models.items()},
            rules_version=row.rules_version,
            created_at=row.created_at,
            active_from=row.active_from,
            active=row.active,
            readings=counts.get(row.id, 0),
            progress=progress.get(row.id),
        )
        for row in listing(session)
    ]


def remove(session: Session, generation_id: int) -> None:
    """Remove a generation that has no readings any more. Raises Conflict for the one in force."""
    if get(session, generation_id).active:
        raise Conflict(
            f"Generation {generation_id} is in force.", hint="Switch to another one first."
        )
    session.execute(delete(RescoreRow).where(RescoreRow.generation_id == generation_id))
    session.execute(delete(GenerationRow).where(GenerationRow.id == generation_id))


def _find(session: Session, key: str) -> int | None:
    return session.scalar(select(GenerationRow.id).where(GenerationRow.key == key))


def _switch(row: SwitchRow) -> Switch:
    return Switch(row.id, row.generation_id, row.before_id, row.at, row.by, row.changed)
