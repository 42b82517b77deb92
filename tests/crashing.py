"""A small world to crash in: a source with a history, a worker that dies where it is told, a
reader.

The worker is forked, so that a start costs nothing. What is left of a database is compared with
what an undisturbed run leaves: nothing may be missing, nothing there twice, no number given twice.
"""

from __future__ import annotations

import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count, groupby
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import select

from builders import NOW, a_raw, stored_brand, stored_watch
from fakes import FakeCollector, FakeReader, FakeRegistry
from listener.pipeline.collect import Runner
from listener.pipeline.file import ingest_file
from listener.pipeline.ingest import Ingest
from listener.pipeline.rollup import roll_up
from listener.pipeline.screening import screen
from listener.security import Secrets
from listener.settings import Settings
from listener.store import killpoints, watches
from listener.store.base import to_us
from listener.store.tables import (
    AuthorRow,
    BrandRow,
    BucketRow,
    ChangeRow,
    CounterRow,
    DirtyRow,
    EngagementRow,
    MatchRow,
    MentionRow,
    MentionStoryRow,
    MentionWatchRow,
    ReadingRow,
    RevisionRow,
    StoryRow,
    UnscreenedRow,
    WatchRow,
)
from listener.store.work import Database
from listener.types import Batch, Engagement, RawAuthor, RawItem, State, Watch

PLACES = ("Busan, the second largest port", "Daejeon near the new station", "Incheon, an hour off")


class Ledger(FakeCollector):
    """A source that tells its history from the cursor on, in pages, a few of them a run.

    Each page begins with the end of the page before, as sources do.
    """

    PAGE, OVERLAP, PAGES = 4, 2, 3

    def __init__(self, history: Sequence[RawItem]) -> None:
        super().__init__()
        self.history = history

    def collect(self, watch: Watch, state: State, *, now: datetime) -> Iterator[Batch]:
        """Go on from the cursor."""
        at = state.cursor.get("at", 0)
        for _ in range(self.PAGES):
            end = min(at + self.PAGE, len(self.history))
            items = self.history[max(0, at - self.OVERLAP) : end]
            yield Batch(
                items=tuple(items),
                state=State(cursor={"at": end}),
                complete=end == len(self.history),
                requests=1,
            )
            at = end


def a_history(length: int, seed: int = 1) -> list[RawItem]:
    """Posts of which some are edited or deleted later on, or match nothing, or match only later."""
    draw = Random(seed)
    history: list[RawItem] = []
    alive: list[str] = []
    for number in range(length):
        what = draw.random()
        if alive and what < 0.15:
            item = a_raw(alive.pop(draw.randrange(len(alive))), "", deleted=True)
        elif alive and what < 0.45:
            item = _post(draw.choice(alive), draw)
        else:
            alive.append(f"p{number}")
            item = _post(alive[-1], draw)
        history.append(item)
    return history


def _post(id_: str, draw: Random) -> RawItem:
    brand = draw.choice(("Haneul", "Bada", "Haneul and Bada", "weather"))
    author = draw.randrange(9)
    words = draw.randrange(1_000_000)
    if words % 7 == 0:
        # Nobody's, so that it depends on no order whether somebody repeats it.
        said = f"{brand} opens a warehouse in {PLACES[words % 3]} and promises faster deliveries"
        at = NOW - timedelta(minutes=words % 60)
        return a_raw(id_, f"{said} to everybody who orders by noon", published_at=at, author=None)
    return a_raw(
        id_,
        f"{brand} {words} topic:{draw.choice('ab')} {draw.choice('+-= ')}",
        published_at=NOW - timedelta(minutes=draw.randrange(60)),
        author=RawAuthor(native_id=f"u{author}", handle=f"user{author}"),
        engagement=Engagement(likes=words % 5),
    )


def prepare(url: str) -> None:
    """Two brands and a watch."""
    database = Database(url)
    with database.write() as work:
        stored_brand(work.session, "Haneul")
        stored_brand(work.session, "Bada")
        stored_watch(work.session)
        work.commit()
    database.close()


def collect_all(url: str, history: Sequence[RawItem], now: datetime) -> None:
    """What the service does until the source has told everything: runs, and rollups between
    them.
    """
    database = Database(url)
    ticks = count()
    runner = Runner(
        database=database,
        ingest=_ingest(database),
        registry=FakeRegistry([Ledger(history)]),
        secrets=Secrets(b"k" * 32),
        clock=lambda: now + timedelta(seconds=next(ticks)),
        jitter=lambda: 0.0,
    )
    done = False
    while not done:
        with database.write() as work:
            watches.run_soon(work.session, 1, now=now)
            work.commit()
        list(runner.collect_once(1))
        screen(database, now=now)
        roll_up(database)
        with database.read() as session:
            watch = watches.get(session, 1)
            done = watch.state["cursor"]["at"] == len(history) and watch.health == "ok"
    database.close()


def ingest_whole(url: str, path: Path, now: datetime) -> None:
    """What ``listener ingest`` does."""
    database = Database(url)
    ingest_file(_ingest(database), path, now=now)
    screen(database, now=now)
    roll_up(database)
    database.close()


def _ingest(database: Database) -> Ingest:
    settings = Settings(home=Path("/nowhere"), unmatched_days=3_000)
    return Ingest(database, FakeReader(), settings, Secrets(b"k" * 32))


def die(kill_at: str, work: Callable[[], None]) -> bool:
    """Do the work in a process that dies at the point; False if it came to its end."""
    process = os.fork()
    if process == 0:
        try:
            killpoints.arm(kill_at)
            work()
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(process, 0)
    assert status in (0, signal.SIGKILL), f"the worker ended with {status}"
    return status == signal.SIGKILL


@contextmanager
def reading(url: str) -> Iterator[list[tuple[int, int]]]:
    """A process that follows the feed by seq meanwhile; after the block the list holds what it saw.

    (seq, mention id) in the order of arrival.
    """
    seen: list[tuple[int, int]] = []
    from_reader, to_parent = os.pipe()
    from_parent, to_reader = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(to_reader)
        os.set_blocking(from_parent, False)
        try:
            with os.fdopen(to_parent, "wb") as out:
                pickle.dump(_follow(url, from_parent), out)
        finally:
            os._exit(0)
    os.close(to_parent)
    os.close(from_parent)
    try:
        yield seen
    finally:
        os.close(to_reader)  # the sign to read what is left and to end
        with os.fdopen(from_reader, "rb") as result:
            seen += pickle.load(result)  # noqa: S301 - our own child
        os.waitpid(process, 0)


def _follow(url: str, until_closed: int) -> list[tuple[int, int]]:
    database = Database(url)
    seen: list[tuple[int, int]] = []
    cursor, last_round = 0, False
    while True:
        with database.read() as session:
            page = session.execute(
                select(ChangeRow.seq, ChangeRow.mention_id)
                .where(ChangeRow.seq > cursor)
                .order_by(ChangeRow.seq)
                .limit(7)
            ).all()
        seen += [(row.seq, row.mention_id) for row in page]
        if page:
            cursor = page[-1].seq
        elif last_round:
            return seen
        else:
            try:
                last_round = os.read(until_closed, 1) == b""
            except BlockingIOError:
                time.sleep(0.002)


def left(url: str) -> dict[str, Any]:
    """All that matters of a database, by what the source calls things, for comparison."""
    database = Database(url)
    with database.read() as session:
        mentions = {m.id: m for m in session.scalars(select(MentionRow))}
        names = {id_: m.external_id for id_, m in mentions.items()}
        brands = {b.id: b.name for b in session.scalars(select(BrandRow))}
        authors = {a.id: a.native_id for a in session.scalars(select(AuthorRow))}
        told = list(session.scalars(select(ChangeRow).order_by(ChangeRow.seq)))
        found = {
            "mentions": sorted(
                (m.external_id, m.text, m.event_at, authors.get(m.author_id or 0), m.language)
                for m in mentions.values()
            ),
            "unmatched": sorted(m.external_id for m in mentions.values() if m.expires_at),
            "matches": sorted(
                (names[m.mention_id], brands[m.brand_id], m.event_at)
                for m in session.scalars(select(MatchRow))
            ),
            "readings": sorted(
                (names[r.mention_id], brands.get(r.brand_id, ""), str(r.label), r.topics)
                for r in session.scalars(select(ReadingRow))
            ),
            "revisions": sorted(
                (names[r.mention_id], r.text) for r in session.scalars(select(RevisionRow))
            ),
            "engagement": sorted(
                (names[e.mention_id], to_us(e.at) > 0, e.likes)
                for e in session.scalars(select(EngagementRow))
            ),
            "brought": sorted(
                names[w.mention_id] for w in session.scalars(select(MentionWatchRow))
            ),
            "changes": [(c.seq, names.get(c.mention_id), c.kind, c.past) for c in told],
            "counter": session.scalar(select(CounterRow.value).where(CounterRow.name == "change")),
            "unscreened": session.scalars(select(UnscreenedRow.mention_id)).all(),
            "stories": sorted(
                sorted(names[m.mention_id] for m in members)
                for _, members in groupby(
                    session.scalars(select(MentionStoryRow).order_by(MentionStoryRow.story_id)),
                    key=lambda m: m.story_id,
                )
            ),
            "copies": sorted(
                (names[s.lead_id], s.copies, s.first_at, s.last_at)
                for s in session.scalars(select(StoryRow))
            ),
            "dirty": session.scalars(select(DirtyRow.at)).all(),
            "buckets": sorted(
                (
                    *(brands[b.brand_id], b.dimension, b.at, b.count, b.authors, b.stories),
                    *(round(b.score_sum, 6), b.scored, b.new_stories, b.new_authors),
                )
                for b in session.scalars(select(BucketRow))
            ),
            "cursor": [w.state for w in session.scalars(select(WatchRow))],
            "authors": sorted(authors.values()),
        }
        raw = session.connection()
        found["search"] = raw.exec_driver_sql("SELECT count(*) FROM mention_search").scalar_one()
        assert found["search"] == len(mentions)
    database.close()
    return found


def check_reader(url: str, seen: Sequence[tuple[int, int]]) -> None:
    """The reader saw every change that is there now, no (id, seq) twice, all in order."""
    seqs = [seq for seq, _ in seen]
    assert seqs == sorted(set(seqs)), "out of order, or twice"
    database = Database(url)
    with database.read() as session:
        rows = {(c.seq, c.mention_id) for c in session.scalars(select(ChangeRow))}
    database.close()
    assert rows <= set(seen), "a change appeared below the reader's cursor"


def later(attempt: int) -> datetime:
    """A time at which the claims of earlier attempts have run out."""
    return NOW + timedelta(hours=attempt)
