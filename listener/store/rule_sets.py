"""Texts of rules: those that generations were made with, and the one that was edited here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from listener.errors import NotFound
from listener.store.tables import RuleSetRow
from listener.store.upsert import insert_ignore, insert_update

BUILT_IN, FILE, EDITED = "built-in", "file", "edited"


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A text of rules by its version, which is a hash of it. ``active``: edited and in use."""

    version: str
    text: str
    origin: str  # built-in | file | edited
    active: bool
    by: str
    created_at: datetime


def current(session: Session) -> RuleSet | None:
    """The edited rules in use; None = those that ship, or the file that the setting names."""
    return _one(session.scalar(select(RuleSetRow).where(RuleSetRow.active.is_(True))))


def current_version(session: Session) -> str | None:
    """The version of ``current``: equal as long as nothing has to be compiled anew."""
    return session.scalar(select(RuleSetRow.version).where(RuleSetRow.active.is_(True)))


def get(session: Session, version: str) -> RuleSet | None:
    """The text of a version; None where it was never kept."""
    return _one(session.scalar(select(RuleSetRow).where(RuleSetRow.version == version)))


def listing(session: Session) -> Sequence[RuleSet]:
    """All that were ever kept, the latest first."""
    rows = session.scalars(select(RuleSetRow).order_by(RuleSetRow.id.desc()))
    return [found for row in rows if (found := _one(row)) is not None]


def save(session: Session, text: str, version: str, *, by: str, now: datetime) -> None:
    """Put an edited text in use. The caller has compiled it, which gave the version.

    All processes read by it from their next batch on, under a generation of its own.
    """
    reset(session)
    row = {
        "version": version,
        "text": text,
        "origin": EDITED,
        "active": True,
        "by": by[:200],
        "created_at": now,
    }
    insert_update(session, RuleSetRow, [row], key=["version"], update=["active"])


def restore(session: Session, version: str) -> None:
    """Put a text that was kept in use again. Raises NotFound."""
    reset(session)
    found = session.execute(
        update(RuleSetRow)
        .where(RuleSetRow.version == version)
        .values(active=True)
        .returning(RuleSetRow.id)
    ).first()
    if found is None:
        raise NotFound(f"There are no rules of version {version}.")


def lock(session: Session) -> None:
    """Let nobody else put rules in use until this transaction ends: look, then save."""
    if session.get_bind().dialect.name != "sqlite":  # there a write transaction is alone anyway
        session.execute(text("LOCK TABLE rule_set IN SHARE ROW EXCLUSIVE MODE"))


def reset(session: Session) -> None:
    """Go back to the rules that ship, or to the file that the setting names."""
    session.execute(update(RuleSetRow).where(RuleSetRow.active.is_(True)).values(active=False))


def keep(session: Session, text: str, version: str, *, origin: str, now: datetime) -> None:
    """Remember the text that a generation is made with."""
    row = {
        "version": version,
        "text": text,
        "origin": origin,
        "active": False,
        "by": "",
        "created_at": now,
    }
    insert_ignore(session, RuleSetRow, [row])


def _one(row: RuleSetRow | None) -> RuleSet | None:
    if row is None:
        return None
    return RuleSet(row.version, row.text, row.origin, row.active, row.by, row.created_at)
