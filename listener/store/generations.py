"""Generations: the sets of models and rules that readings were made with. Exactly one is in
force.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from listener.errors import NotFound
from listener.store.tables import GenerationRow
from listener.store.upsert import insert_ignore


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


def active_id(session: Session) -> int | None:
    """The generation in force, whose readings everybody shows; None before the first mention."""
    return session.scalar(select(GenerationRow.id).where(GenerationRow.active.is_(True)))


def to_write(session: Session, versions: Versions, *, now: datetime) -> tuple[int, ...]:
    """The generations a new reading is stored under: its own, and the one in force.

    They are the same until models or rules change. From then until history was read anew and
    ``switch`` is called, a new mention shows up under the old generation as well, since a mention
    that shows as "not scored" would help nobody.
    """
    own = _find(session, versions.key)
    if own is None:
        first = active_id(session) is None
        row: dict[str, Any] = {
            "key": versions.key,
            "models": {language: list(model) for language, model in versions.models.items()},
            "rules_version": versions.rules_version,
            "created_at": now,
            "active": first,
            "active_from": now if first else None,
        }
        insert_ignore(session, GenerationRow, [row])
        own = _find(session, versions.key)
    if own is None:
        raise NotFound("The generation vanished while it was being made.")
    active = active_id(session)
    return (own,) if active in (None, own) else (own, active)


def switch(session: Session, generation_id: int, *, now: datetime) -> None:
    """Put a generation in force whose readings are complete. Raises NotFound."""
    session.execute(update(GenerationRow).values(active=False))
    found = session.execute(
        update(GenerationRow)
        .where(GenerationRow.id == generation_id)
        .values(active=True, active_from=now)
        .returning(GenerationRow.id)
    ).first()
    if found is None:
        raise NotFound(f"There is no generation {generation_id}.")


def listing(session: Session) -> list[GenerationRow]:
    """All generations, the oldest first."""
    return list(session.scalars(select(GenerationRow).order_by(GenerationRow.id)))


def _find(session: Session, key: str) -> int | None:
    return session.scalar(select(GenerationRow.id).where(GenerationRow.key == key))
