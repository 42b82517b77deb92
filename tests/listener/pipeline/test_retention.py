"""Retention: only what is over goes, and it goes whole."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select, text

from builders import NOW, a_raw, stored_brand, stored_watch
from listener.pipeline.ingest import Ingest, Origin
from listener.pipeline.retention import RUNS, TOMBSTONES, Removed, retain
from listener.settings import Settings
from listener.store import changes, channels, coverage, outbox, runs
from listener.store.tables import (
    AuthorRow,
    BackfillRow,
    ChangeRow,
    CoverageRow,
    HostLimitRow,
    MentionRow,
    NoticeRow,
    OutboxRow,
    ReadingRow,
    RunRow,
    SpendingRow,
)
from listener.store.work import Database
from listener.types import RawAuthor

HOUR = timedelta(hours=1)
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


def test_records_of_collecting_go_as_well(database: Database, settings: Settings) -> None:
    old, young = NOW - 401 * DAY, NOW - DAY
    with database.write() as work:
        session = work.session
        watch = stored_watch(session, brand=stored_brand(session, "Haneul"))
        channels.add(
            session,
            name="ops",
            kind="webhook",
            address=b"encrypted",
            address_shown="https://ops.example",
            secret=None,
            language="ko",
            now=old,
        )
        for at in (old, young):
            session.add(_back_fill(watch, at, ended=True))
            session.add(_back_fill(watch, at, ended=False))
            coverage.add(session, watch, at, at + HOUR, now=at)
            ended = _notice("a", at, ended=True)
            lasting = _notice(f"b{at}", at, ended=False)
            session.add_all([ended, lasting])
            session.flush()
            for notice in (ended, lasting):
                key = f"{at:%Y}"
                outbox.put_notice(
                    session, notice_id=notice.id, event="source.failing", event_key=key, now=at
                )
            session.add(SpendingRow(purse="x|1", unit="calls", per="day", starts_at=at, amount=3))
            session.add(HostLimitRow(key=f"{at:%Y}.example:443|", last_at=at))
        held = NOW + DAY
        session.add(HostLimitRow(key="held.example:443|", last_at=old, held_until=held))
        work.commit()
    retain(database, settings, now=NOW)
    with database.read() as session:
        back_fills = session.execute(
            select(BackfillRow.created_at, BackfillRow.finished_at).order_by(BackfillRow.id)
        ).all()
        assert back_fills == [(old, None), (young, young), (young, None)]
        assert session.scalars(select(CoverageRow.from_at)).all() == [young]
        states = session.scalars(select(NoticeRow.state).order_by(NoticeRow.id)).all()
        assert states == ["open", "closed", "open"]
        assert len(session.scalars(select(OutboxRow)).all()) == 3
        assert session.scalars(select(SpendingRow.starts_at)).all() == [young]
        hosts = session.scalars(select(HostLimitRow.key).order_by(HostLimitRow.key)).all()
        assert hosts == [f"{young:%Y}.example:443|", "held.example:443|"]


def _back_fill(watch: int, at: datetime, *, ended: bool) -> BackfillRow:
    return BackfillRow(
        watch_id=watch,
        state={},
        from_at=at,
        next_run_at=at,
        created_at=at,
        finished_at=at if ended else None,
    )


def _notice(key: str, at: datetime, *, ended: bool) -> NoticeRow:
    return NoticeRow(
        key=key,
        source="plaza",
        cause="failing",
        outcome="unavailable",
        watch_ids=[1],
        state="closed" if ended else "open",
        since=at,
        opened_at=at,
        told_at=at,
        ended_at=at if ended else None,
    )
