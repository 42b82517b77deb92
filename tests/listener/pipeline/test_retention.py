"""Retention: only what is over goes, and it goes whole."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, text

from builders import NOW, a_raw, stored_brand, stored_watch
from listener.pipeline.ingest import Ingest, Origin
from listener.pipeline.retention import RUNS, TOMBSTONES, Removed, retain
from listener.settings import Settings
from listener.store import changes, runs
from listener.store.tables import AuthorRow, ChangeRow, MentionRow, ReadingRow, RunRow
from listener.store.work import Database
from listener.types import RawAuthor

DAY = timedelta(days=1)


def test_each_at_its_time(database: Database, ingest: Ingest, settings: Settings) -> None:
    with database.write() as work:
        stored_brand(work.session, "Haneul")
        runs.start(work.session, stored_watch(work.session), "t", now=NOW)
        runs.start(work.session, 1, "u", now=NOW)
        work.commit()
    origin = Origin(source="plaza")
    ingest.items(
        [
            a_raw("1", "Haneul", raw={"a": 1}),
            a_raw("2", "weather", raw={"a": 1}, author=RawAuthor(native_id="passer-by")),
            a_raw("3", "Haneul leaves"),
            a_raw("4", "Haneul is deleted"),
        ],
        origin,
        now=NOW,
    )
    ingest.items([a_raw("3", "left"), a_raw("4", "", deleted=True)], origin, now=NOW)

    nothing = Removed(0, 0, 0, 0, 0)
    assert retain(database, settings, now=NOW + 13 * DAY) == nothing

    assert retain(database, settings, now=NOW + 14 * DAY) == Removed(2, 0, 1, 0, 0)
    with database.read() as session:
        assert session.scalars(select(MentionRow.external_id)).all() == ["1"]
        assert session.scalars(select(AuthorRow.native_id)).all() == ["u1"]
        assert set(session.scalars(select(ReadingRow.mention_id))) == {1}
        assert session.scalar(text("SELECT count(*) FROM mention_search")) == 1
        kinds = session.scalars(select(ChangeRow.kind).order_by(ChangeRow.seq)).all()
        assert kinds == ["created", "left", "deleted"]

    assert retain(database, settings, now=NOW + 31 * DAY) == Removed(0, 1, 0, 0, 0)
    with database.read() as session:
        assert session.scalars(select(MentionRow.raw)).all() == [None]

    last = NOW + max(RUNS, TOMBSTONES) + DAY
    assert retain(database, settings, now=last) == Removed(0, 0, 0, 1, 1)
    with database.read() as session:
        assert len(session.scalars(select(RunRow)).all()) == 1  # the other never ended
        assert changes.floor(session) == 5
        assert changes.head(session) == 5


def test_many_go_in_parts(database: Database, ingest: Ingest, settings: Settings) -> None:
    ingest.items(
        [a_raw(str(n), f"weather {n}") for n in range(2_100)], Origin(source="plaza"), now=NOW
    )
    assert retain(database, settings, now=NOW + 15 * DAY).mentions == 2_100
