"""Four writers, a rollup and a reader at once on PostgreSQL: no change is lost, none comes late."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from sqlalchemy import select

from builders import NOW, a_raw, stored_brand, stored_watch
from crashing import check_reader, reading
from fakes import FakeReader
from listener.pipeline.ingest import Ingest
from listener.pipeline.rollup import roll_up
from listener.security import Secrets
from listener.settings import Settings
from listener.store import watches
from listener.store.tables import (
    AuthorRow,
    BucketRow,
    ChangeRow,
    DirtyRow,
    MatchRow,
    MentionRow,
    MentionWatchRow,
    RevisionRow,
)
from listener.store.work import Database
from listener.types import Batch, RawAuthor, State

WRITERS, ROUNDS, ITEMS = 4, 12, 15


def at_once(calls: list[Callable[[], None]]) -> None:
    """Run all in threads of their own; the first error is raised."""
    errors: list[BaseException] = []

    def guarded(call: Callable[[], None]) -> None:
        try:
            call()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_writers_of_the_same_mentions(
    postgresql: Database, postgresql_url: str, settings: Settings, secrets: Secrets
) -> None:
    ingest = Ingest(postgresql, FakeReader(), settings, secrets)
    claims, loaded = [], []
    with postgresql.write() as work:
        brand = stored_brand(work.session, "Haneul")
        for _ in range(WRITERS):
            watch_id = stored_watch(work.session)
            claim = watches.claim(work.session, watch_id, now=NOW, lease=timedelta(hours=1))
            assert claim is not None
            claims.append(claim)
            loaded.append(watches.load(work.session, watch_id, lambda _: {}))
        work.commit()

    def write(writer: int) -> None:
        # Each in an order of its own; what they have in common differs in its text, so that they
        # edit each other's mentions.
        for round_ in range(ROUNDS):
            numbers = list(range(round_ * ITEMS, (round_ + 1) * ITEMS))
            numbers = numbers[writer:] + numbers[:writer]
            items = tuple(
                a_raw(
                    str(number) if number % 3 else f"{writer}-{number}",
                    f"Haneul {number} {writer if number % 5 == 1 else ''} -",
                    author=RawAuthor(native_id=f"u{number % 7}", followers=writer),
                    published_at=NOW - timedelta(minutes=number),
                )
                for number in numbers
            )
            batch = Batch(items=items, state=State(cursor={"round": round_}))
            ingest.batch(batch, loaded[writer], claims[writer], covered_to=None, now=NOW)

    stop = threading.Event()

    def count() -> None:
        while not stop.wait(0.005):
            roll_up(postgresql)

    counting = threading.Thread(target=count)
    postgresql.close()  # no connection is shared with the process that reads
    with reading(postgresql_url) as seen:
        counting.start()
        try:
            at_once([partial(write, writer) for writer in range(WRITERS)])
        finally:
            stop.set()
            counting.join()
    roll_up(postgresql)

    shared = sum(1 for n in range(ROUNDS * ITEMS) if n % 3)
    own = (ROUNDS * ITEMS - shared) * WRITERS
    with postgresql.read() as session:
        mentions = {m.external_id: m for m in session.scalars(select(MentionRow))}
        assert len(mentions) == shared + own
        told = list(session.scalars(select(ChangeRow).order_by(ChangeRow.seq)))
        assert sorted(c.mention_id for c in told) == sorted(m.id for m in mentions.values())
        assert len(session.scalars(select(AuthorRow)).all()) == 7
        brought = list(session.scalars(select(MentionWatchRow)))
        assert len(brought) == shared * WRITERS + own
        # Every edit keeps what it replaced: as many texts as were told, less the one in force.
        kept = {(r.mention_id, r.text) for r in session.scalars(select(RevisionRow))}
        for number in range(ROUNDS * ITEMS):
            if number % 3 and number % 5 == 1:
                m = mentions[str(number)]
                texts = {text for id_, text in kept if id_ == m.id} | {m.text}
                assert texts == {f"Haneul {number} {writer} -" for writer in range(WRITERS)}
        counts: dict[object, int] = {}
        for match in session.scalars(select(MatchRow)):
            at = match.event_at.replace(minute=match.event_at.minute // 5 * 5)
            counts[at] = counts.get(at, 0) + 1
        buckets = session.scalars(select(BucketRow).where(BucketRow.dimension == "all"))
        assert {b.at: b.count for b in buckets} == counts
        assert session.scalars(select(DirtyRow)).all() == []
    check_reader(postgresql_url, seen)
    assert brand.id == 1
