"""Overlays: what this install's corrections add to a shipped model, at most one of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from listener.store.tables import OverlayRow
from listener.store.upsert import insert_update


def versions(session: Session) -> tuple[tuple[str, str], ...]:
    """(model, version) of those in use: equal as long as no model has to be made anew."""
    rows = session.execute(
        select(OverlayRow.model, OverlayRow.version)
        .where(OverlayRow.active.is_(True))
        .order_by(OverlayRow.model)
    )
    return tuple((model, version) for model, version in rows)


def active(session: Session, model: str, base: str) -> OverlayRow | None:
    """The overlay in use for this version of a model; one of an earlier version does not fit."""
    return session.scalar(
        select(OverlayRow).where(
            OverlayRow.active.is_(True), OverlayRow.model == model, OverlayRow.base == base
        )
    )


def get(session: Session, model: str, version: str) -> OverlayRow | None:
    """The overlay by the version of model and overlay together."""
    return session.scalar(
        select(OverlayRow).where(OverlayRow.model == model, OverlayRow.version == version)
    )


def listing(session: Session) -> Sequence[OverlayRow]:
    """All that were trained, the latest first."""
    return session.scalars(select(OverlayRow).order_by(OverlayRow.id.desc())).all()


def save(
    session: Session,
    *,
    language: str,
    model: str,
    version: str,
    base: str,
    data: bytes,
    examples: int,
    measured: Mapping[str, Any],
    now: datetime,
) -> None:
    """Keep an overlay and put it in use instead of the one of that model before."""
    reset(session, model)
    row = {
        "language": language,
        "model": model,
        "version": version,
        "base": base,
        "data": data,
        "examples": examples,
        "measured": dict(measured),
        "active": True,
        "created_at": now,
    }
    insert_update(
        session, OverlayRow, [row], key=["model", "version"], update=["active", "measured"]
    )


def reset(session: Session, model: str) -> None:
    """Use the shipped model alone again."""
    session.execute(
        update(OverlayRow)
        .where(OverlayRow.model == model, OverlayRow.active.is_(True))
        .values(active=False)
    )
