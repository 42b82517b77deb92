"""Whether anything happened to a brand that detection could see: a few small reads for all brands,
so that looks at which nothing happened cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

from sqlalchemy import Integer, SQLColumnExpression, case, cast, func, select, update
from sqlalchemy.orm import Session

from listener.store.tables import BrandRow, CoverageRow, RuleRow, WatchRow

Pulse: TypeAlias = tuple[object, ...]  # differs from an earlier one where something happened


def beat(session: Session, brand_ids: Collection[int]) -> None:
    """Say that buckets of these brands were counted anew."""
    session.execute(
        update(BrandRow)
        .where(BrandRow.id.in_(brand_ids))
        .values(counted=BrandRow.counted + 1)
        .execution_options(synchronize_session=False)
    )


def counted(session: Session, brand_id: int) -> int:
    """How often buckets of a brand were counted anew: as long as it stays, so do they."""
    return session.scalar(select(BrandRow.counted).where(BrandRow.id == brand_id)) or 0


def pulses(session: Session) -> Mapping[int, Pulse]:
    """Of every brand something that differs once its buckets, watches or rules are others."""
    watches = _by_brand(
        session,
        WatchRow.brand_id,
        func.max(WatchRow.covered_to),
        func.max(WatchRow.deleted_at),
        _sum(WatchRow.enabled),
    )
    rules = _by_brand(
        session,
        RuleRow.brand_id,
        func.max(RuleRow.updated_at),
        func.max(RuleRow.muted_until),
        func.sum(RuleRow.strictness),
        _sum(RuleRow.enabled),
    )
    rows = session.execute(select(BrandRow.id, BrandRow.counted, BrandRow.archived_at))
    return {
        brand_id: (*own, watches.get(brand_id), watches.get(None), rules.get(brand_id))
        for brand_id, *own in rows
    }


def last_coverage(session: Session) -> int:
    """A number that rises with everything that becomes known as collected."""
    return session.scalar(select(func.max(CoverageRow.id))) or 0


def covered_since(session: Session, coverage_id: int) -> set[int | None]:
    """The brands of which more became known as collected since ``last_coverage`` gave that; None =
    of all.
    """
    return set(
        session.scalars(
            select(WatchRow.brand_id)
            .join(CoverageRow, CoverageRow.watch_id == WatchRow.id)
            .where(CoverageRow.id > coverage_id)
            .distinct()
        )
    )


def _by_brand(
    session: Session, brand_id: SQLColumnExpression[Any], *columns: SQLColumnExpression[Any]
) -> dict[int | None, Pulse]:
    query = select(brand_id, func.count(), *columns).group_by(brand_id)
    return {key: tuple(values) for key, *values in session.execute(query)}


def _sum(flag: SQLColumnExpression[bool]) -> SQLColumnExpression[int]:
    return func.sum(cast(case((flag, 1), else_=0), Integer))
