"""The calendar that people keep: campaigns, launches and the like, which change what is usual.

A change that reaches into the past is marked for the detectors, which take that time in again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from listener.errors import InvalidInput, NotFound
from listener.store import brands, spikes
from listener.store.tables import PlannedEventRow
from listener.types import PlannedEvent

KINDS = ("campaign", "launch", "other")
NAME_LENGTH = 200
LONGEST = timedelta(days=366)
FACTORS = (0.1, 100.0)  # beyond these somebody mistyped


def create(
    session: Session,
    *,
    name: str,
    from_at: datetime,
    to_at: datetime,
    brand_id: int | None = None,
    kind: str = "campaign",
    factor: float | None = None,
    by: str = "",
    now: datetime,
) -> PlannedEvent:
    """Put an event [from_at, to_at) into the calendar; ``brand_id`` None = of all brands.

    ``factor`` is how many times the usual is expected; None = nothing of it is told, and nothing
    learnt. Raises InvalidInput that names the field, and NotFound for a brand that is not there.
    """
    row = PlannedEventRow(created_by=by, created_at=now)
    given = {"name": name, "brand_id": brand_id, "kind": kind, "factor": factor}
    _fill(session, row, given | {"from_at": from_at, "to_at": to_at})
    session.add(row)
    session.flush()
    spikes.set_all_late(session, row.brand_id, row.from_at)
    return from_row(row)


def update(session: Session, event_id: int, **fields: Any) -> PlannedEvent:
    """Change the fields given, named as those of ``create``. Raises NotFound, InvalidInput."""
    row = _row(session, event_id)
    present = {key: getattr(row, key) for key in _FIELDS}
    unknown = set(fields) - set(_FIELDS)
    if unknown:
        raise TypeError(f"a planned event has no {', '.join(sorted(unknown))}")
    before = from_row(row)
    _fill(session, row, present | fields)
    session.flush()
    for event in (before, from_row(row)):
        spikes.set_all_late(session, event.brand_id, event.from_at)
    return from_row(row)


def remove(session: Session, event_id: int) -> None:
    """Take it out of the calendar. Raises NotFound."""
    row = _row(session, event_id)
    session.delete(row)
    session.flush()
    spikes.set_all_late(session, row.brand_id, row.from_at)


def get(session: Session, event_id: int) -> PlannedEvent:
    """One event. Raises NotFound."""
    return from_row(_row(session, event_id))


def row_of(session: Session, event_id: int) -> PlannedEventRow:
    """One event as it is stored, with who put it in. Raises NotFound."""
    return _row(session, event_id)


def listing(
    session: Session,
    *,
    brand_id: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[PlannedEvent]:
    """All that overlap [since, until), the earliest first; with ``brand_id`` those of the brand
    and those of all brands.
    """
    return [from_row(row) for row in rows(session, brand_id=brand_id, since=since, until=until)]


def of_brand(
    session: Session, brand_id: int, since: datetime, until: datetime
) -> list[PlannedEvent]:
    """What the calendar knows of a brand in [since, until), that of all brands with it."""
    return listing(session, brand_id=brand_id, since=since, until=until)


def rows(
    session: Session,
    *,
    brand_id: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[PlannedEventRow]:
    """As ``listing``, as they are stored."""
    wanted: list[ColumnElement[bool]] = []
    if brand_id is not None:
        wanted.append(or_(PlannedEventRow.brand_id == brand_id, PlannedEventRow.brand_id.is_(None)))
    if since is not None:
        wanted.append(PlannedEventRow.to_at > since)
    if until is not None:
        wanted.append(PlannedEventRow.from_at < until)
    order = (PlannedEventRow.from_at, PlannedEventRow.id)
    return list(session.scalars(select(PlannedEventRow).where(*wanted).order_by(*order)))


def from_row(row: PlannedEventRow) -> PlannedEvent:
    """The noun of a row."""
    return PlannedEvent(id=row.id, **{key: getattr(row, key) for key in _FIELDS})


_FIELDS = ("name", "brand_id", "kind", "from_at", "to_at", "factor")


def _row(session: Session, event_id: int) -> PlannedEventRow:
    row = session.get(PlannedEventRow, event_id)
    if row is None:
        raise NotFound(f"There is no planned event {event_id}.")
    return row


def _fill(session: Session, row: PlannedEventRow, given: dict[str, Any]) -> None:
    given["name"] = _name(given["name"])
    if given["kind"] not in KINDS:
        raise InvalidInput(f"A kind is one of {', '.join(KINDS)}.", field="kind")
    _check_times(given["from_at"], given["to_at"])
    low, high = FACTORS
    factor = given["factor"]
    # "not (a <= b)" rather than "a > b": NaN is refused as well.
    if factor is not None and not low <= factor <= high:
        raise InvalidInput(f"A factor is from {low:g} to {high:g}.", field="factor")
    if given["brand_id"] is not None:
        brands.get(session, given["brand_id"])
    for key in _FIELDS:
        setattr(row, key, given[key])


def _name(given: str) -> str:
    name = " ".join(given.replace("\0", " ").split())
    if not name:
        raise InvalidInput("A planned event needs a name.", field="name")
    if len(name) > NAME_LENGTH:
        raise InvalidInput(f"A name has at most {NAME_LENGTH} characters.", field="name")
    return name


def _check_times(from_at: datetime, to_at: datetime) -> None:
    for field, at in (("from_at", from_at), ("to_at", to_at)):
        if at.tzinfo is None:
            raise InvalidInput("A time needs a time zone.", field=field)
    if to_at <= from_at:
        raise InvalidInput("It ends before it begins.", field="to_at")
    if to_at - from_at > LONGEST:
        raise InvalidInput(
            f"It lasts at most {LONGEST.days} days.",
            field="to_at",
            hint="What lasts longer becomes the usual by itself.",
        )
