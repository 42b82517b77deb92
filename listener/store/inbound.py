"""Inbound webhooks and their inbox: what was posted is kept as it came until it was mapped."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from listener.errors import Conflict, InvalidInput, NotFound
from listener.store import brands
from listener.store.tables import InboundItemRow, InboundRow
from listener.store.upsert import insert_into
from listener.types import MatchMode


class State(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    DONE = "done"
    SKIPPED = "skipped"  # the mapping says that it is not meant
    FAILED = "failed"  # kept with its reason, to be replayed


@dataclass(frozen=True, slots=True)
class Received:
    """A delivery that is in the inbox for good. ``repeated``: it was there already."""

    delivery_id: str
    repeated: bool


def add(
    session: Session,
    *,
    name: str,
    brand_id: int | None,
    match: MatchMode,
    scheme: str,
    secret: bytes,
    mapping: Mapping[str, Any],
    preset: str = "",
    now: datetime,
) -> InboundRow:
    """A new endpoint with a public id of its own. Raises Conflict, InvalidInput, NotFound."""
    _check(session, name, brand_id, match)
    row = InboundRow(
        public_id=secrets.token_urlsafe(16),
        name=name.strip(),
        brand_id=brand_id,
        match=match,
        scheme=scheme,
        secret=secret,
        preset=preset,
        mapping=dict(mapping),
        enabled=True,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row


def change(session: Session, inbound_id: int, **fields: Any) -> InboundRow:
    """Change ``name``, ``brand_id``, ``match``, ``mapping``, ``enabled``, ``secret``, ``scheme``.

    Raises Conflict, InvalidInput, NotFound.
    """
    row = get(session, inbound_id)
    for name, value in fields.items():
        setattr(row, name, value)
    _check(session, row.name, row.brand_id, MatchMode(row.match), row.id)
    session.flush()
    return row


def get(session: Session, inbound_id: int) -> InboundRow:
    """One endpoint. Raises NotFound."""
    row = session.get(InboundRow, inbound_id)
    if row is None:
        raise NotFound(
            f"There is no inbound webhook {inbound_id}.", hint="`listener inbound list` shows them."
        )
    return row


def by_public_id(session: Session, public_id: str) -> InboundRow | None:
    """The endpoint of an address."""
    return session.scalar(select(InboundRow).where(InboundRow.public_id == public_id))


def listing(session: Session) -> Sequence[InboundRow]:
    """All endpoints by name."""
    return session.scalars(select(InboundRow).order_by(InboundRow.name)).all()


def remove(session: Session, inbound_id: int) -> None:
    """Take an endpoint away with its inbox; the mentions stay. Raises NotFound."""
    get(session, inbound_id)
    session.execute(delete(InboundRow).where(InboundRow.id == inbound_id))


# --- the inbox -----------------------------------------------------------------------------------


def receive(
    session: Session,
    inbound_id: int,
    *,
    dedupe: str,
    content_type: str,
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
) -> Received:
    """Put a delivery into the inbox; a repeated one (by ``dedupe``) is there once."""
    fresh = f"in_{secrets.token_hex(12)}"
    stored = session.scalar(
        insert_into(session, InboundItemRow)
        .values(
            delivery_id=fresh,
            inbound_id=inbound_id,
            dedupe=dedupe,
            received_at=now,
            content_type=content_type,
            headers=dict(headers),
            body=body,
            state=State.WAITING,
            reason="",
            items=0,
        )
        .on_conflict_do_nothing(index_elements=["inbound_id", "dedupe"])
        .returning(InboundItemRow.delivery_id)
    )
    if stored is not None:
        return Received(fresh, repeated=False)
    known = session.scalars(
        select(InboundItemRow.delivery_id).where(
            InboundItemRow.inbound_id == inbound_id, InboundItemRow.dedupe == dedupe
        )
    ).one()
    return Received(known, repeated=True)


def waiting(session: Session, *, limit: int) -> Sequence[InboundItemRow]:
    """What is to be mapped, in the order in which it came."""
    return session.scalars(
        select(InboundItemRow)
        .where(InboundItemRow.state == State.WAITING)
        .order_by(InboundItemRow.id)
        .limit(limit)
    ).all()


def settle(
    session: Session, item_id: int, state: State, *, items: int, reason: str, now: datetime
) -> None:
    """What became of a delivery."""
    session.execute(
        update(InboundItemRow)
        .where(InboundItemRow.id == item_id)
        .values(state=state, items=items, reason=reason[:2_000], done_at=now)
    )


def replay(session: Session, inbound_id: int, *, delivery_id: str | None = None) -> int:
    """Map again: one delivery whatever became of it, or all that failed; gives how many.

    Raises NotFound.
    """
    get(session, inbound_id)
    query = update(InboundItemRow).where(InboundItemRow.inbound_id == inbound_id)
    if delivery_id is None:
        query = query.where(InboundItemRow.state == State.FAILED)
    else:
        query = query.where(InboundItemRow.delivery_id == delivery_id)
    rows = session.execute(
        query.values(state=State.WAITING, reason="", done_at=None).returning(InboundItemRow.id)
    ).all()
    if delivery_id is not None and not rows:
        raise NotFound(f"There is no delivery {delivery_id[:40]!r} here.")
    return len(rows)


def deliveries(
    session: Session,
    inbound_id: int,
    *,
    state: State | None = None,
    before_id: int | None = None,
    limit: int,
) -> Sequence[InboundItemRow]:
    """The latest deliveries first."""
    query = select(InboundItemRow).where(InboundItemRow.inbound_id == inbound_id)
    if state is not None:
        query = query.where(InboundItemRow.state == state)
    if before_id is not None:
        query = query.where(InboundItemRow.id < before_id)
    return session.scalars(query.order_by(InboundItemRow.id.desc()).limit(limit)).all()


def counts(session: Session) -> dict[int, dict[str, int]]:
    """How many deliveries of each endpoint are in which state."""
    found: dict[int, dict[str, int]] = {}
    for inbound_id, state, count in session.execute(
        select(InboundItemRow.inbound_id, InboundItemRow.state, func.count()).group_by(
            InboundItemRow.inbound_id, InboundItemRow.state
        )
    ):
        found.setdefault(inbound_id, {})[state] = count
    return found


def forget(session: Session, *, before: datetime, failed_before: datetime, limit: int) -> int:
    """Delete old deliveries; those that failed are kept longer. Gives how many went."""
    old = (InboundItemRow.received_at < before) & InboundItemRow.state.in_(
        (State.DONE, State.SKIPPED)
    )
    lost = (InboundItemRow.received_at < failed_before) & (InboundItemRow.state == State.FAILED)
    ids = session.scalars(select(InboundItemRow.id).where(old | lost).limit(limit)).all()
    session.execute(delete(InboundItemRow).where(InboundItemRow.id.in_(ids)))
    return len(ids)


def _check(
    session: Session,
    name: str,
    brand_id: int | None,
    match: MatchMode,
    own_id: int | None = None,
) -> None:
    if not name.strip() or len(name.strip()) > 100:
        raise InvalidInput("A webhook needs a name of at most 100 characters.", field="name")
    query = select(InboundRow.id).where(InboundRow.name == name.strip())
    if own_id is not None:
        query = query.where(InboundRow.id != own_id)
    with session.no_autoflush:
        if session.scalar(query) is not None:
            raise Conflict(
                f"There is an inbound webhook named {name!r} already.", hint="Choose another name."
            )
    if match is MatchMode.ALL and brand_id is None:
        raise InvalidInput(
            "A webhook whose items all belong to a brand needs the brand.", field="brand"
        )
    if brand_id is not None:
        brands.get(session, brand_id)
