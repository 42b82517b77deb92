"""The inbox of webhooks becomes mentions: what was posted is mapped and goes the one write path.

Edges only put deliveries into the inbox. A row is marked after its items are stored: a crash
between the two maps it again, which changes nothing. What cannot be mapped stays with its reason.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import Enum
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from listener.errors import ListenerError, StorageError
from listener.pipeline.ingest import Ingest, Origin
from listener.pipeline.mapping import FieldMapping, map_payload, payload_of, read_mapping
from listener.store import brands, inbound
from listener.store.inbound import State
from listener.store.killpoints import reach
from listener.store.tables import InboundItemRow, InboundRow
from listener.text import to_mention
from listener.types import Brand, MatchMode, RawItem

log = logging.getLogger(__name__)

SOURCE = "webhook"
BATCH = 100
_A_BUG = "Something unexpected happened; the log has the details."


@dataclass(slots=True)
class _Read:
    """A delivery on its way: its items, or what is wrong."""

    row: InboundItemRow
    items: Sequence[RawItem] = ()
    state: State = State.DONE
    reason: str = ""


def drain(ingest: Ingest, *, now: datetime, go_on: Callable[[], bool] = lambda: True) -> int:
    """Map what waits in the inbox, in the order in which it came; how many deliveries there were.

    Raises StorageError; what is not marked by then is mapped again.
    """
    total = 0
    while go_on():
        with ingest.database.read() as session:
            rows = inbound.waiting(session, limit=BATCH)
            hooks = {id_: inbound.get(session, id_) for id_ in {row.inbound_id for row in rows}}
            owners = {
                hook.id: brands.get(session, hook.brand_id)
                for hook in hooks.values()
                if hook.match == MatchMode.ALL and hook.brand_id is not None
            }
        for inbound_id, group in groupby(rows, key=lambda row: row.inbound_id):
            _take(ingest, hooks[inbound_id], owners.get(inbound_id), list(group), now)
        total += len(rows)
        if len(rows) < BATCH:
            break
    return total


def _take(
    ingest: Ingest,
    hook: InboundRow,
    owner: Brand | None,
    rows: Sequence[InboundItemRow],
    now: datetime,
) -> None:
    """Store the items of some deliveries to one endpoint, then mark these."""
    read = [_read(hook, row, ingest.zone) for row in rows]
    reach("inbound.mapped")
    try:
        _store(ingest, owner, read, now)
    except StorageError:
        raise
    except Exception:
        # One delivery that nobody expected must not hold up all that come after it.
        if len(read) > 1:
            for row in rows:
                _take(ingest, hook, owner, [row], now)
            return
        log.exception("delivery %s could not be stored", read[0].row.delivery_id)
        read[0].state, read[0].reason, read[0].items = State.FAILED, _A_BUG, ()
    reach("inbound.stored")
    with ingest.database.write() as work:
        for one in read:
            inbound.settle(
                work.session,
                one.row.id,
                one.state,
                items=len(one.items),
                reason=one.reason,
                now=now,
            )
        work.commit()


def _store(ingest: Ingest, owner: Brand | None, read: Sequence[_Read], now: datetime) -> None:
    whose = [one for one in read for _ in one.items]
    items = [item for one in read for item in one.items]
    if not items:
        return
    # Those without a date lie between the moment they were received and now.
    origin = Origin(source=SOURCE, brand=owner, covered_to=min(one.row.received_at for one in read))
    report = ingest.items(items, origin, now=now)
    for rejected in report.rejected:
        one = whose[rejected.at]
        one.state, one.reason = State.FAILED, str(rejected.why)


def _read(hook: InboundRow, row: InboundItemRow, zone: ZoneInfo) -> _Read:
    try:
        mapped = map_payload(
            payload_of(row.body, row.content_type),
            read_mapping(hook.mapping),
            namespace=hook.public_id,
            delivery=row.dedupe,
            zone=zone,
        )
    except ListenerError as error:
        return _Read(row, (), State.FAILED, str(error))
    except Exception:
        log.exception("delivery %s could not be mapped", row.delivery_id)
        return _Read(row, (), State.FAILED, _A_BUG)
    if not mapped.items:
        return _Read(row, (), State.SKIPPED, mapped.skipped)
    return _Read(row, mapped.items)


def preview(
    mapping: FieldMapping, body: bytes, content_type: str, *, zone: ZoneInfo, now: datetime
) -> dict[str, Any]:
    """What a mapping makes of a payload, nothing stored.

    Gives ``{"items": [{field: value}], "skipped": "…", "problems": ["…"]}``, the fields that are
    set only, cleaned as they would be stored. Raises InvalidInput.
    """
    mapped = map_payload(
        payload_of(body, content_type), mapping, namespace="preview", delivery="", zone=zone
    )
    problems: list[str] = []
    told: list[Mapping[str, Any]] = []
    for item in mapped.items:
        try:
            mention = to_mention(item, SOURCE, now)
        except ListenerError as error:
            problems.append(str(error))
            continue
        told.append(
            {
                field.name: _plain(getattr(mention, field.name))
                for field in fields(mention)
                if field.name not in _INSIDE
                and getattr(mention, field.name) not in (None, "", (), False)
            }
        )
    return {"items": told[:20], "skipped": mapped.skipped, "problems": problems}


_INSIDE = {"source", "namespace", "content_hash", "event_at", "event_clamped", "raw", "derived"}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Enum):
        return value.value
    if hasattr(value, "__dataclass_fields__"):
        return {
            field.name: getattr(value, field.name)
            for field in fields(value)
            if getattr(value, field.name) not in (None, "")
        }
    return value
