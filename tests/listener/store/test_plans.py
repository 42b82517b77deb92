"""What runs in every look reads what is new, however much there was before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from builders import NOW
from listener.store import happenings, spikes
from listener.store.work import Database


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda s: spikes.latest(s, 1, since=NOW), "ix_spike_resolved"),
        (lambda s: happenings.heads(s, 1, since=NOW), "ix_spike_resolved"),
        (lambda s: spikes.marker(s, 1), "COVERING INDEX ix_spike_updated"),
        (
            lambda s: happenings.grown(
                s, 1, NOW - timedelta(minutes=10), NOW, reactions=5, views=5
            ),
            "ix_engagement_at",
        ),
    ],
)
def test_a_look_finds_what_is_new_by_an_index(
    sqlite: Database, ask: Callable[[Session], object], index: str
) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, given: Any, *_: Any) -> None:
        asked.append((statement, given))

    event.listen(sqlite.reader, "before_cursor_execute", note)
    with sqlite.read() as session:
        ask(session)
    event.remove(sqlite.reader, "before_cursor_execute", note)

    statement, given = asked[-1]
    with sqlite.reader.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given).all()
    assert any(index in row[3] for row in plan), plan
