"""The calendar that people keep."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from builders import NOW, stored_brand
from listener.errors import InvalidInput, NotFound
from listener.store import planned
from listener.store.work import Database
from listener.types import PlannedEvent

DAY = timedelta(days=1)


def _sale(session: Session, **fields: Any) -> PlannedEvent:
    given: dict[str, Any] = {"name": "봄 세일", "from_at": NOW, "to_at": NOW + 2 * DAY, "now": NOW}
    return planned.create(session, **(given | fields))


def test_an_event_is_kept_changed_and_removed(database: Database) -> None:
    with database.write() as work:
        session = work.session
        brand = stored_brand(session, "누리마켓")
        made = _sale(session, name=" 봄  세일 ", brand_id=brand.id, factor=3.0, by="a@b.example")
        work.commit()
    with database.read() as session:
        assert planned.get(session, made.id) == made
        assert (made.name, made.kind, made.factor) == ("봄 세일", "campaign", 3.0)
        assert planned.row_of(session, made.id).created_by == "a@b.example"
    with database.write() as work:
        changed = planned.update(work.session, made.id, factor=None, kind="launch", brand_id=None)
        work.commit()
    assert (changed.factor, changed.kind, changed.brand_id) == (None, "launch", None)
    assert changed.from_at == made.from_at
    with database.write() as work:
        planned.remove(work.session, made.id)
        work.commit()
    with database.read() as session:
        assert planned.listing(session) == []
        with pytest.raises(NotFound):
            planned.get(session, made.id)


def test_a_brand_sees_its_own_and_those_of_all(database: Database) -> None:
    with database.write() as work:
        session = work.session
        nuri, haneul = stored_brand(session, "Nuri"), stored_brand(session, "Haneul")
        own = _sale(session, name="own", brand_id=nuri.id)
        _sale(session, name="another's", brand_id=haneul.id)
        all_brands = _sale(session, name="everybody's", from_at=NOW - DAY)
        work.commit()
    with database.read() as session:
        assert planned.of_brand(session, nuri.id, NOW, NOW + DAY) == [all_brands, own]
        assert len(planned.listing(session)) == 3


@pytest.mark.parametrize(
    ("since", "until", "is_in"),
    [
        (NOW - DAY, NOW, False),  # an end is not in it
        (NOW - DAY, NOW + timedelta(seconds=1), True),
        (NOW + DAY, NOW + timedelta(days=1, hours=1), True),
        (NOW + 2 * DAY, NOW + 3 * DAY, False),
    ],
)
def test_only_what_overlaps(
    sqlite: Database, since: datetime, until: datetime, *, is_in: bool
) -> None:
    with sqlite.write() as work:
        _sale(work.session)
        assert bool(planned.listing(work.session, since=since, until=until)) is is_in


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": " \0"}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"to_at": NOW}, "to_at"),
        ({"to_at": NOW + 367 * DAY}, "to_at"),
        ({"from_at": NOW.replace(tzinfo=None)}, "from_at"),
        ({"factor": 0.0}, "factor"),
        ({"factor": 101.0}, "factor"),
        ({"factor": float("nan")}, "factor"),
        ({"kind": "party"}, "kind"),
    ],
)
def test_what_is_refused(sqlite: Database, fields: dict[str, Any], field: str) -> None:
    with sqlite.write() as work:
        with pytest.raises(InvalidInput) as refused:
            _sale(work.session, **fields)
        assert refused.value.field == field
        assert planned.listing(work.session) == []


def test_an_unknown_brand_and_a_change_that_makes_no_sense(sqlite: Database) -> None:
    with sqlite.write() as work:
        with pytest.raises(NotFound):
            _sale(work.session, brand_id=9)
        made = _sale(work.session)
        with pytest.raises(InvalidInput):
            planned.update(work.session, made.id, to_at=NOW - DAY)
        with pytest.raises(NotFound):
            planned.update(work.session, 99, name="x")
        assert planned.get(work.session, made.id) == made
