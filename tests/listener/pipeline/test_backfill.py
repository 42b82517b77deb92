"""Back-fills and refreshes: what goes on beside live collection loses nothing and hurries
nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from sqlalchemy import func, select

from builders import NOW, a_raw, stored_brand, stored_watch
from crashing import die
from fakes import FakeReader, FakeRegistry
from listener.collect.base import Page, Parsed, Poller, Position, Request
from listener.errors import RateLimited, SourceGone, SourceUnavailable
from listener.pipeline import backfill
from listener.pipeline.backfill import AGES, REFRESH_EVERY, Backfiller
from listener.pipeline.collect import Runner
from listener.pipeline.ingest import Ingest
from listener.security import Secrets
from listener.settings import Settings
from listener.store import backfills, coverage, gaps, watches
from listener.store.backfills import GIVE_UP_AFTER
from listener.store.tables import ChangeRow, GapRow, MentionRow
from listener.store.work import Database
from listener.types import GapReason, Kept, Kind, SourceSpec, Watch

MINUTE = timedelta(minutes=1)


class Board(Poller):
    """A source whose item ``n`` was posted ``n`` minutes after its start, ten to a page, each page
    asked for below an id; it can be asked about items by id.
    """

    spec = SourceSpec(
        name="plaza", title="Plaza", title_ko="플라자", every=10 * MINUTE, kind=Kind.POST
    )
    refresh_size: ClassVar[int] = 4

    def __init__(self, max_pages: int = 3, start: datetime = NOW - timedelta(days=3)) -> None:
        super().__init__(SimpleNamespace(settings=Settings(max_pages=max_pages), fetch=self.fetch))  # type: ignore[arg-type]
        self.items = 0
        self.size = 10
        self.start = start
        self.calls = 0
        self.fail: Exception | None = None
        self.deleted: set[int] = set()
        self.asked: list[list[str]] = []
        self.names: tuple[str, ...] = ("",)
        self.least = 1  # the oldest item that is shown
        self.suspect: str | None = None
        self.background: list[bool] = []

    def lanes(self, watch: Watch) -> Sequence[str]:
        return self.names

    def request(self, watch: Watch, at: Position) -> Request:
        return Request(url="https://plaza.example/")

    def load(self, watch: Watch, at: Position, validators: Mapping[str, Any]) -> Page:
        self.calls += 1
        self.background.append(at.background)
        if self.fail:
            raise self.fail
        top = int(at.below.id) - 1 if at.below else self.items
        ids = [n for n in range(top, self.least - 1, -1) if n not in self.deleted][: self.size]
        return self._page(",".join(map(str, ids)))

    def parse(self, page: Page, watch: Watch, at: Position) -> Parsed:
        ids = [int(n) for n in page.text.split(",") if n]
        more = ids[-1] if len(ids) == self.size else None
        return Parsed(
            items=tuple(self._item(n) for n in ids),
            next_page=str(more) if more else None,
            reached=False if more is None and self.least > 1 else None,
            suspect=self.suspect,
        )

    def ask_again(self, watch: Watch, items: Sequence[Kept], now: datetime) -> Request:
        self.asked.append([item.external_id for item in items])
        return Request(url="https://plaza.example/?ids=" + ",".join(self.asked[-1]))

    def read_again(self, page: Page, watch: Watch, items: Sequence[Kept]) -> Parsed:
        return Parsed(
            items=tuple(
                a_raw(item.external_id, "", deleted=True)
                if int(item.external_id) in self.deleted
                else self._item(int(item.external_id))
                for item in items
            )
        )

    def fetch(self, request: Request, **_: Any) -> Page:
        if self.fail:
            raise self.fail
        return self._page("")

    def _item(self, n: int) -> Any:
        return a_raw(str(n), f"Haneul {n} -", published_at=self.start + n * MINUTE)

    def _page(self, text: str) -> Page:
        url = "https://plaza.example/"
        return Page(url=url, asked=url, status=200, headers={}, body=text.encode(), now=NOW)


class World:
    """A watch on a Board, and what works on it."""

    def __init__(self, database: Database, runner: Runner, board: Board, clock: Any) -> None:
        self.database, self.runner, self.board, self.clock = database, runner, board, clock
        self.backfiller = Backfiller(
            database=database, runner=runner, clock=clock, jitter=lambda: 0.0
        )

    def live(self) -> dict[str, Any]:
        """The next run of the watch."""
        self.clock.tick(minutes=10)
        with self.database.write() as work:
            watches.run_soon(work.session, 1, now=self.clock())
            work.commit()
        (report,) = self.runner.collect_once()
        return report

    def work_off(self) -> int:
        """All turns until nothing is left that is due; gives how many."""
        turns = 0
        while self.backfiller.turn() is not None:
            turns += 1
        return turns

    def ids(self) -> set[int]:
        with self.database.read() as session:
            return {int(one) for one in session.scalars(select(MentionRow.external_id))}

    def gaps(self) -> list[GapRow]:
        with self.database.read() as session:
            return gaps.listing(session)

    def covered(self) -> list[tuple[datetime, datetime]]:
        with self.database.read() as session:
            far = (NOW - timedelta(days=99), NOW + timedelta(days=99))
            return coverage.intervals(session, [1], *far)[1]


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def world(
    database: Database, make_runner: Callable[..., Runner], board: Board, clock: Any
) -> World:
    with database.write() as work:
        stored_watch(work.session, brand=stored_brand(work.session, "Haneul"))
        work.commit()
    return World(database, make_runner(board), board, clock)


def test_a_burst_between_two_polls_is_kept_whole(world: World) -> None:
    world.board.size = 100
    world.board.items = 10
    world.live()
    world.board.items = 1_200  # 1,190 new posts
    report = world.live()

    assert report["outcome"] == "ok"
    assert report["gap"]["why"] == "page-cap"
    [gap] = world.gaps()
    assert (gap.from_at, gap.to_at) == (
        world.board.start + 10 * MINUTE,
        world.board.start + 901 * MINUTE,
    )
    assert len(world.ids()) == 10 + 300

    assert world.work_off() == 2  # nine pages, five a turn
    assert world.ids() == set(range(1, 1_201))
    assert world.gaps() == []
    assert world.board.calls == 1 + 3 + 9


def test_the_filled_gap_counts_as_collected(world: World) -> None:
    world.board.start = NOW
    world.board.items = 10
    world.live()
    before = world.covered()
    world.clock.tick(hours=2)
    world.board.items = 100
    world.live()
    hole = (world.board.start + 10 * MINUTE, world.board.start + 71 * MINUTE)
    assert not any(start <= hole[0] and hole[1] <= end for start, end in world.covered())
    world.work_off()
    assert any(start <= hole[0] and hole[1] <= end for start, end in world.covered())
    assert before[0][0] >= world.covered()[0][0]


def test_a_burst_after_an_outage_is_filled_as_well(world: World) -> None:
    world.board.start = NOW
    world.board.items = 10
    world.live()
    world.board.fail = SourceUnavailable("down")
    world.clock.tick(hours=1)
    assert world.live()["gap"]["why"] == "outage"
    world.board.fail = None
    world.board.items = 100
    world.clock.tick(hours=1)
    world.live()
    [gap] = world.gaps()
    assert gap.why == GapReason.OUTAGE
    assert gap.to_at == NOW + 71 * MINUTE
    world.work_off()
    assert world.gaps() == []
    assert world.ids() == set(range(1, 101))
    assert len(world.covered()) == 1


def test_what_lies_beyond_the_sources_reach_stays_a_gap(world: World) -> None:
    world.board.start = NOW
    world.board.items = 10
    world.live()
    world.clock.tick(hours=2)
    world.board.items, world.board.least = 100, 40
    world.live()
    world.work_off()
    [gap] = world.gaps()
    hole = (NOW + 10 * MINUTE, NOW + 40 * MINUTE)
    assert (gap.why, gap.from_at, gap.to_at) == (GapReason.WINDOW, *hole)
    assert not any(start < hole[1] and hole[0] < end for start, end in world.covered())


def test_a_suspect_page_ends_no_back_fill(world: World) -> None:
    world.board.items = 100
    world.live()
    world.board.suspect = "The page is empty."
    report = world.backfiller.turn()
    assert report is not None
    assert (report["outcome"], report["error"]) == ("layout-changed", "The page is empty.")
    world.board.suspect = None
    world.clock.tick(hours=7)
    world.work_off()
    assert world.ids() == set(range(1, 101))


def test_a_lane_that_the_watch_has_no_more_needs_no_filling(world: World) -> None:
    world.board.items = 10
    world.live()
    world.board.items = 100
    world.live()
    world.board.names = ("other",)
    world.board.calls = 0
    world.work_off()
    assert world.board.calls == 0
    assert world.gaps() == []


def test_history_is_covered_as_far_as_all_lanes_are_walked(world: World) -> None:
    board = world.board
    board.names = ("a", "b")
    board.items = 100
    world.live()
    bottom = board.start + 71 * MINUTE
    assert world.covered()[0][0] == bottom

    def turn() -> datetime:
        world.clock.tick(seconds=1)
        world.backfiller.turn()
        return world.covered()[0][0]

    assert turn() == bottom  # 50 items down lane a
    assert turn() == bottom
    assert turn() == board.start + 21 * MINUTE  # all of lane a, and half of lane b
    assert turn() == board.start + MINUTE


def test_back_fills_are_told_apart_from_live_requests(world: World) -> None:
    world.board.items = 100
    world.live()
    assert world.board.background == [False] * 3
    world.work_off()
    assert set(world.board.background[3:]) == {True}


def test_history_comes_beside_live_collection(world: World) -> None:
    world.board.items = 400
    assert world.live()["gap"] is None
    assert world.board.calls == 3
    with world.database.read() as session:
        [row] = backfills.listing(session)
        assert row.to_at is None
    world.backfiller.turn()
    with world.database.read() as session:
        [row] = backfills.listing(session)
        assert row.reached_at == world.board.start + 321 * MINUTE
        assert 0 < backfills.progress(row, history=timedelta(days=3)) < 1
    world.board.items = 405
    assert world.live()["new"] == 5  # live collection did not wait
    world.work_off()
    assert world.ids() == set(range(1, 406))
    assert world.covered()[0][0] == world.board.start + MINUTE


def test_a_back_fill_waits_where_the_source_says_so_and_goes_on_there(world: World) -> None:
    world.board.items = 200
    world.live()
    world.backfiller.turn()
    retry_at = world.clock() + timedelta(hours=1)
    world.board.fail = RateLimited("slow down", retry_at=retry_at)
    report = world.backfiller.turn()
    assert report is not None
    assert report["outcome"] == "rate-limited"
    assert world.backfiller.turn() is None
    world.board.fail = None
    world.clock.tick(hours=2)
    world.board.calls = 0
    world.work_off()
    assert world.board.calls == 13  # 120 items are left: where it stood, and the empty end
    assert world.ids() == set(range(1, 201))


def test_being_told_to_wait_is_never_given_up(world: World) -> None:
    world.board.items = 100
    world.live()
    for _ in range(GIVE_UP_AFTER + 3):
        world.board.fail = RateLimited("slow down", retry_at=world.clock() + MINUTE)
        assert world.backfiller.turn() is not None
        world.clock.tick(hours=1)
    world.board.fail = None
    world.work_off()
    assert world.ids() == set(range(1, 101))


def test_a_back_fill_that_keeps_failing_is_given_up_and_its_gap_stays(world: World) -> None:
    world.board.items = 10
    world.live()
    world.board.items = 100
    world.live()
    world.board.fail = SourceUnavailable("down")
    for _ in range(GIVE_UP_AFTER):
        assert world.backfiller.turn() is not None
        assert world.backfiller.turn() is None  # not before its time
        world.clock.tick(hours=7)
    assert world.backfiller.turn() is None
    assert [gap.why for gap in world.gaps()] == [GapReason.PAGE_CAP]
    with world.database.read() as session:
        [row] = [r for r in backfills.listing(session, open_only=False) if r.gap_id]
        assert (row.complete, row.error) == (False, "down")


def test_what_is_gone_is_given_up_at_once(world: World) -> None:
    world.board.items = 100
    world.live()
    world.board.fail = SourceGone("gone")
    world.backfiller.turn()
    world.clock.tick(days=9)
    assert world.backfiller.turn() is None


def test_watches_take_turns(world: World) -> None:
    with world.database.write() as work:
        stored_watch(work.session)
        work.commit()
    world.board.items = 300
    world.clock.tick(minutes=10)
    list(world.runner.collect_once())
    reports = []
    for _ in range(4):
        world.clock.tick(seconds=1)
        reports.append(world.backfiller.turn())
    assert [report and report["watch"] for report in reports] == [1, 2, 1, 2]


def test_a_paused_watch_rests_and_new_parameters_end_its_back_fills(world: World) -> None:
    world.board.items = 100
    world.live()
    with world.database.write() as work:
        watches.update_watch(work.session, 1, enabled=False, now=world.clock())
        work.commit()
    assert world.backfiller.turn() is None
    with world.database.write() as work:
        watches.update_watch(work.session, 1, enabled=True, params={"q": "x"}, now=world.clock())
        work.commit()
    assert world.backfiller.turn() is None


def test_a_worker_that_slept_writes_nothing(world: World) -> None:
    world.board.items = 100
    world.live()
    slept = world.backfiller._claim(None, None)
    assert slept is not None
    world.clock.tick(hours=1)
    world.work_off()
    done = len(world.ids())
    assert world.backfiller._run(slept)["outcome"] == "lost"
    assert len(world.ids()) == done


def test_history_can_be_walked_anew(world: World) -> None:
    world.board.items = 40
    world.live()
    world.work_off()
    with world.database.write() as work:
        work.session.execute(MentionRow.__table__.delete())  # type: ignore[attr-defined]
        work.commit()
    assert world.backfiller.begin_history(1) == 1
    assert world.backfiller.begin_history(1) == 1
    with world.database.read() as session:
        assert len(backfills.listing(session)) == 1  # twice asked for, once walked
    world.work_off()
    assert world.ids() == set(range(1, 41))


def _work_off(url: str, board: Board, now: datetime) -> None:
    database = Database(url)
    secrets = Secrets(b"k" * 32)
    ingest = Ingest(database, FakeReader(), Settings(), secrets)
    runner = Runner(
        database=database,
        ingest=ingest,
        registry=FakeRegistry([board]),  # type: ignore[list-item]
        secrets=secrets,
        clock=lambda: now,
    )
    backfiller = Backfiller(database=database, runner=runner, clock=lambda: now)
    while backfiller.turn() is not None:
        pass
    database.close()


@pytest.mark.parametrize(
    ("point", "count"),
    [
        ("ingest.marked", 150),
        ("backfill.stored", 150),
        ("backfill.ended", 150),
        ("backfill.ended", 60),  # between the last batch and its end
    ],
)
def test_killed_in_a_back_fill_and_started_again(
    world: World, database_url: str, point: str, count: int
) -> None:
    world.board.items = count
    world.live()
    work = partial(_work_off, database_url, world.board)
    assert die(point, partial(work, world.clock()))
    work(world.clock() + backfill.LEASE)
    assert world.ids() == set(range(1, count + 1))
    with world.database.read() as session:
        created = select(func.count()).where(ChangeRow.kind == "created")
        assert session.scalar(created) == count
        assert backfills.listing(session) == []
        assert all(row.complete for row in backfills.listing(session, open_only=False))


def test_items_that_come_of_age_are_asked_about_again(world: World) -> None:
    world.board.start = world.clock() - 20 * MINUTE
    world.board.items = 10
    world.live()
    assert world.backfiller.refresh_due() is None  # too soon
    world.clock.tick(minutes=40)
    world.board.deleted = {3}
    assert world.backfiller.refresh_due() == 1
    first_hour = [
        n for n in range(1, 11) if world.board.start + n * MINUTE <= world.clock() - AGES[0]
    ]
    assert sorted(int(n) for some in world.board.asked for n in some) == first_hour
    assert all(len(some) <= 4 for some in world.board.asked)
    assert 3 not in world.ids()
    with world.database.read() as session:
        kinds = list(session.scalars(select(ChangeRow.kind).order_by(ChangeRow.seq)))
    assert kinds == ["created"] * 9 + ["deleted"]

    world.clock.tick(minutes=REFRESH_EVERY.total_seconds() / 60)
    world.board.asked.clear()
    world.backfiller.refresh_due()
    again = [int(n) for some in world.board.asked for n in some]
    assert not set(again) & set(first_hour)


def test_a_source_that_cannot_be_asked_now_costs_nothing(world: World) -> None:
    world.board.start = world.clock() - 65 * MINUTE
    world.board.items = 10
    world.live()
    world.clock.tick(minutes=40)
    world.board.fail = SourceUnavailable("down")
    assert world.backfiller.refresh_due() == 0
    assert world.backfiller.refresh_due() is None
    assert world.ids() == set(range(1, 11))


def test_two_workers_ask_about_different_watches(world: World) -> None:
    world.board.start = world.clock() - 65 * MINUTE
    world.board.items = 10
    world.live()
    world.clock.tick(minutes=40)
    other = Backfiller(database=world.database, runner=world.runner, clock=world.clock)
    asking = world.board.ask_again

    def meanwhile(watch: Watch, items: Sequence[Kept], now: datetime) -> Request:
        assert other.refresh_due() is None
        return asking(watch, items, now)

    world.board.ask_again = meanwhile  # type: ignore[method-assign]
    assert world.backfiller.refresh_due() == 0
    assert world.board.asked


def test_a_watch_that_cannot_be_asked_keeps_no_other_waiting(world: World) -> None:
    world.board.start = world.clock() - 65 * MINUTE
    world.board.items = 10
    world.live()
    world.clock.tick(minutes=40)
    world.board.fail = RuntimeError("a bug")
    with pytest.raises(RuntimeError):
        world.backfiller.refresh_due()
    assert world.backfiller.refresh_due() is None
