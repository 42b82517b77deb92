"""Channels: where alerts go. Addresses and secrets come and go encrypted; the caller has the
key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from listener.errors import Conflict, NotFound
from listener.store.tables import ChannelRow


def add(
    session: Session,
    *,
    name: str,
    kind: str,
    address: bytes,
    address_shown: str,
    secret: bytes | None,
    language: str,
    now: datetime,
) -> ChannelRow:
    """A new channel. Raises Conflict when the name is taken."""
    if session.scalar(select(ChannelRow.id).where(ChannelRow.name == name)) is not None:
        raise Conflict(f"There is a channel named {name!r} already.", hint="Choose another name.")
    row = ChannelRow(
        name=name,
        kind=kind,
        address=address,
        address_shown=address_shown,
        secret=secret,
        language=language,
        enabled=True,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row


def get(session: Session, channel_id: int) -> ChannelRow:
    """One channel. Raises NotFound."""
    row = session.get(ChannelRow, channel_id)
    if row is None:
        raise NotFound(f"There is no channel {channel_id}.")
    return row


def listing(session: Session) -> Sequence[ChannelRow]:
    """All channels by name."""
    return session.scalars(select(ChannelRow).order_by(ChannelRow.name)).all()
