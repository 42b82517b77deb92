"""Migrations of databases that hold something: nothing is lost, and the service goes on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from alembic import command
from sqlalchemy import Connection, MetaData, func, insert, inspect, select, text

from builders import NOW
from listener.pipeline.rollup import roll_up
from listener.pipeline.watchdog import Watchdog
from listener.settings import Settings
from listener.store import rules, schema
from listener.store.base import to_us
from listener.store.tables import (
    AlertRow,
    BucketRow,
    DetectorRow,
    DirtyRow,
    OutboxRow,
    SpikeRow,
)
from listener.store.work import Database

AT = to_us(NOW)
HOUR = to_us(NOW) - to_us(NOW - timedelta(hours=1))
LIFE = {
    "onset_at": (NOW - timedelta(hours=1)).isoformat(),
    "opened_at": (NOW - timedelta(hours=1)).isoformat(),
    "risen_at": (NOW - timedelta(hours=1)).isoformat(),
    "resolved_at": None,
    "peak_at": NOW.isoformat(),
    "peak_score": 2.5,
    "peak_count": 9,
    "observed": 20.0,
    "expected": 3.0,
    "pending_observed": 0.0,
    "pending_expected": 0.0,
    "counted_to": NOW.isoformat(),
    "announced_excess": 17.0,
}


def _fill_0009(connection: Connection) -> None:
    """A database as version 0009 left it: two brands, alerts and messages in all states."""
    meta = MetaData()
    meta.reflect(connection)

    def put(table: str, **values: Any) -> None:
        connection.execute(insert(meta.tables[table]), [values])

    lists = ("aliases", "hashtags", "handles", "any_terms", "all_terms", "none_terms")
    words: Mapping[str, Any] = {name: [] for name in lists}
    for id_, name in ((1, "Haneul"), (2, "Rival")):
        put(
            "brand",
            id=id_,
            name=name,
            competitor=name == "Rival",
            terms_version="1",
            created_at=AT,
            **words,
        )
    put(
        "channel",
        id=1,
        name="ops",
        kind="webhook",
        address=b"-",
        address_shown="-",
        language="ko",
        enabled=True,
        wants="both",
        created_at=AT,
    )
    for id_, state in ((1, "open"), (2, "resolved")):
        is_open = state == "open"
        put(
            "alert",
            id=id_,
            brand_id=1,
            state=state,
            severity="high",
            opened_at=AT - HOUR,
            updated_at=AT,
            resolved_at=None if is_open else AT,
        )
        put(
            "spike",
            id=id_,
            brand_id=1,
            alert_id=id_,
            dimension="topic:delivery" if is_open else "all",
            state=state,
            onset_at=AT - HOUR,
            opened_at=AT - HOUR,
            updated_at=AT,
            resolved_at=None if is_open else AT,
            expected=3.0,
            observed=20.0,
            score=2.5,
            detail=LIFE | {"resolved_at": None if is_open else NOW.isoformat()},
            explanation={"topics": []},
            mention_ids=[],
        )
    for id_, state in enumerate(("pending", "sent", "dead"), 1):
        put(
            "outbox",
            id=id_,
            message_id=f"msg_{id_}",
            channel_id=1,
            alert_id=1,
            event="alert.opened",
            event_key=str(id_),
            refs={"alert_id": 1, "spike_ids": [1]},
            created_at=AT,
            state=state,
            attempts=1,
            next_try_at=AT,
        )
    put(
        "detector",
        brand_id=1,
        dimension="topic:delivery",
        upto=AT,
        version="2-old",
        state={"version": 2},
    )
    for dimension in ("all", "topic:delivery"):
        put(
            "bucket",
            brand_id=1,
            dimension=dimension,
            step_s=300,
            at=AT - HOUR,
            count=20,
            authors=20,
            stories=20,
            score_sum=-9.0,
            scored=20,
        )


def _to(database: Database, revision: str) -> None:
    with database.engine.begin() as connection:
        move = command.downgrade if schema.current(connection) else command.upgrade
        move(schema._config(connection), revision)


def test_rules_come_to_a_database_in_use_and_go_again(empty_url: str, settings: Settings) -> None:
    database = Database(empty_url)
    _to(database, "0009")
    with database.engine.begin() as connection:
        _fill_0009(connection)
    if not database.is_sqlite:  # ids were given by hand
        with database.engine.begin() as connection:
            for table in ("alert", "spike", "outbox"):
                connection.execute(text(f"SELECT setval('{table}_id_seq', 100)"))

    schema.upgrade(database)
    assert schema.check(database) == []
    with database.read() as session:
        assert [row.state for row in session.scalars(select(OutboxRow).order_by(OutboxRow.id))] == [
            *("pending", "sent", "dead")
        ]
        spike = session.get_one(SpikeRow, 1)
        assert (spike.by, spike.sensitivity, spike.scope, spike.wanted) == (
            *("posts", "normal"),
            {},
            True,
        )
        assert session.scalar(select(func.count()).select_from(DirtyRow)) == 1
        assert session.scalar(select(func.count()).select_from(DetectorRow)) == 0

    # The service goes on: what is open is seen to, every brand has rules.
    roll_up(database)
    Watchdog(database, settings).look(now=NOW + timedelta(minutes=1))
    with database.read() as session:
        assert rules.of_brand(session, 1)
        assert rules.of_brand(session, 2)
        assert session.get_one(AlertRow, 1).state == "resolved"
        assert session.scalar(select(func.count()).select_from(BucketRow)) == 0  # no mentions

    # And back: what the older version does not know is put into words that it does.
    with database.write() as work:
        for number, state in enumerate(("held", "digested", "withdrawn"), 1):
            row = OutboxRow(message_id=f"new_{number}", channel_id=1, alert_id=1, state=state)
            row.event, row.event_key = "alert.opened", f"new {number}"
            row.created_at = row.next_try_at = NOW
            work.session.add(row)
        work.session.add(
            OutboxRow(
                message_id="new_4",
                channel_id=1,
                event="alert.digest",
                created_at=NOW,
                next_try_at=NOW,
            )
        )
        work.commit()
    _to(database, "0009")
    with database.engine.connect() as connection:
        states: dict[str, str] = {
            message_id: state
            for message_id, state in connection.execute(
                text("SELECT message_id, state FROM outbox")
            )
        }
        assert states["msg_1"] == "pending"
        assert {key: value for key, value in states.items() if key.startswith("new")} == {
            "new_1": "pending",
            "new_2": "sent",
        }
        assert "rule" not in inspect(connection).get_table_names()
        rows = connection.execute(text("SELECT state, detail FROM spike ORDER BY id")).all()
        assert [(row.state, len(row.detail)) for row in rows] == [
            ("resolved", 2 if database.is_sqlite else 0)
        ] * 2
        assert connection.execute(text("SELECT count(*) FROM alert")).scalar() == 2
        assert connection.execute(text("SELECT count(*) FROM detector")).scalar() == 0

    schema.upgrade(database)
    Watchdog(database, settings).look(now=NOW + timedelta(minutes=2))
    with database.read() as session:
        assert rules.of_brand(session, 1), "given once more: the others went with their table"
    database.close()
