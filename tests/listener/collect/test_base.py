"""The runner: whatever happens on the way down, nothing is lost and what is lost is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import NOW
from listener.collect import cursor
from listener.collect.base import Page, Parsed, Poller, Position, Request, param
from listener.collect.cursor import Mark, Track, Walk
from listener.errors import AuthRejected, LayoutChanged, RateLimited, SourceUnavailable
from listener.net.client import Net
from listener.settings import Settings
from listener.types import (
    Batch,
    Connection,
    Gap,
    GapReason,
    Kind,
    MatchMode,
    Param,
    Precision,
    RawItem,
    Rest,
    SourceSpec,
    State,
    Watch,
)

MINUTE = timedelta(minutes=1)
WATCH = Watch(
    id=1,
    source="plaza",
    params={},
    match=MatchMode.ALL,
    every=10 * MINUTE,
    connection=Connection(source="plaza"),
)


class Plaza(Poller):
    """A source in memory: item ``n`` was posted at minute ``n``; pages of ``size``, by offset or
    below an id.
    """

    spec = SourceSpec(
        name="plaza", title="Plaza", title_ko="플라자", every=10 * MINUTE, kind=Kind.POST
    )

    def __init__(
        self, net: Any, *, size: int = 3, by_offset: bool = False, since: bool = False
    ) -> None:
        super().__init__(net)
        self.items = 0
        self.size = size
        self.by_offset = by_offset
        self.since = since
        self.dated = True
        self.arrivals: list[int] = []  # that many new items after each page
        self.window: int | None = None  # only so many of the newest are shown
        self.fail_on: set[int] = set()
        self.calls = 0

    def request(self, watch: Watch, at: Position) -> Request:
        return Request(url=f"https://plaza.example/?page={at.token}")

    def load(self, watch: Watch, at: Position, validators: Mapping[str, Mapping[str, str]]) -> Page:
        self.calls += 1
        if self.calls in self.fail_on:
            raise SourceUnavailable("down")
        shown = range(self.items, 0, -1)[: self.window]
        start = 0
        if self.by_offset:
            start = int(at.token or 0)
        elif at.below is not None:
            start = next((i for i, n in enumerate(shown) if n < int(at.below.id)), len(shown))
        page = list(shown[start : start + self.size])
        rest = shown[start + self.size :]
        if self.since and at.above is not None:
            rest = range(0) if page and page[-1] <= int(at.above.id) else rest
            page = [n for n in page if n > int(at.above.id)]
        more = str(start + self.size) if rest else ""
        body = f"{','.join(map(str, page))}|{more}"
        if self.arrivals:
            self.items += self.arrivals.pop(0)
        return Page(
            url="https://plaza.example/", asked="https://plaza.example/", status=200, headers={},
            body=body.encode(), now=NOW,
        )  # fmt: skip

    def parse(self, page: Page, watch: Watch, at: Position) -> Parsed:
        ids, _, more = page.text.partition("|")
        items = tuple(self._item(int(n)) for n in ids.split(",") if n)
        # A token that differs on each page, as real ones do.
        return Parsed(items=items, next_page=more or None)

    def _item(self, n: int) -> RawItem:
        return RawItem(
            external_id=str(n),
            text="x",
            published_at=NOW + n * MINUTE if self.dated else None,
            published_precision=Precision.EXACT if self.dated else Precision.NONE,
        )


class Store:
    """What ingest does with batches: items and state in one step."""

    def __init__(self) -> None:
        self.ids: set[int] = set()
        self.gaps: list[Gap] = []
        self.state = State()
        self.complete = 0
        self.rests: list[Rest] = []

    def backfill(self, plaza: Plaza, pages: int = 3, crash: bool = False) -> int:
        """Work off what was handed over, a few pages at a time; gives the number of turns."""
        turns = 0
        while self.rests:
            rest = self.rests[0]
            turns += 1
            for batch in plaza.backfill(WATCH, rest.state, pages=pages, now=NOW):
                self.ids |= {int(item.external_id) for item in batch.items}
                self.gaps += batch.gaps
                self.rests[0] = replace(rest, state=batch.state)
                if batch.complete:
                    self.gaps = [gap for gap in self.gaps if gap != rest.gap]
                    self.rests.pop(0)
                if crash and turns == 1:
                    break
        return turns

    def run(
        self, plaza: Plaza, *, now: datetime = NOW, crash_after: int | None = None
    ) -> list[Batch]:
        batches: list[Batch] = []
        if crash_after == 0:
            return batches
        for batch in plaza.collect(WATCH, self.state, now=now):
            batches.append(batch)
            self.ids |= {int(item.external_id) for item in batch.items}
            self.gaps += batch.gaps
            for rest in batch.rest:
                self.rests.append(rest)
                self.gaps += [rest.gap] if rest.gap else []
            self.state = batch.state
            self.complete += batch.complete
            if crash_after is not None and len(batches) >= crash_after:
                break
        return batches

    def missing(self, upto: int) -> set[int]:
        """Items that are neither stored nor inside a gap."""
        return {
            n
            for n in range(1, upto + 1)
            if n not in self.ids
            and not any(g.from_at <= NOW + n * MINUTE <= (g.to_at or NOW) for g in self.gaps)
        }


def a_net(max_pages: int) -> Any:
    """Stands in for Net where nothing goes out: only the page limit is read."""
    return SimpleNamespace(settings=Settings(max_pages=max_pages))


MakeNet = Callable[..., Net]


def test_the_mark_moves_only_when_the_way_down_is_closed(make_net: MakeNet) -> None:
    plaza, store = Plaza(make_net()), Store()
    plaza.items = 4
    first = store.run(plaza)
    assert [batch.complete for batch in first] == [False, True]
    plaza.items = 12
    marks = [cursor.load(batch.state.cursor).mark for batch in store.run(plaza)]
    assert [mark.id for mark in marks if mark] == ["4", "4", "12"]
    assert store.ids == set(range(1, 13))
    assert store.complete == 2


def test_a_crash_on_page_3_is_resumed_there(make_net: MakeNet) -> None:
    plaza, store = Plaza(make_net()), Store()
    plaza.items = 2
    store.run(plaza)
    plaza.items = 20
    store.run(plaza, crash_after=3)
    assert store.missing(20)
    plaza.items = 23  # and others came meanwhile
    batches = store.run(plaza)
    assert store.missing(23) == set()
    assert not store.gaps
    # The old walk is closed first, which does not complete the run; then the new items.
    assert [batch.complete for batch in batches][-1]
    assert sum(batch.complete for batch in batches) == 1
    assert {item.external_id for item in batches[0].items} == {"11", "10", "9"}


def test_an_error_on_the_way_keeps_what_came_before(make_net: MakeNet) -> None:
    plaza, store = Plaza(make_net()), Store()
    plaza.items = 10
    plaza.fail_on = {3}
    with pytest.raises(SourceUnavailable):
        store.run(plaza)
    assert store.ids == {10, 9, 8, 7, 6, 5}
    store.run(plaza)
    assert store.missing(10) == set()


def test_what_is_too_long_for_a_run_is_handed_over_and_the_mark_moves(make_net: MakeNet) -> None:
    plaza, store = Plaza(make_net(max_pages=2)), Store()
    plaza.items = 3
    store.run(plaza)
    plaza.items = 20
    batches = store.run(plaza)
    [gap] = store.gaps
    assert gap.why is GapReason.PAGE_CAP
    assert (gap.from_at, gap.to_at) == (NOW + 3 * MINUTE, NOW + 15 * MINUTE)
    assert batches[-1].complete
    assert cursor.load(store.state.cursor).mark == Mark("20", NOW + 20 * MINUTE)
    assert store.missing(20) == set()
    assert not store.run(plaza)[-1].gaps


@pytest.mark.parametrize("crash", [False, True])
@pytest.mark.parametrize("by_offset", [False, True])
def test_a_burst_is_kept_whole_by_a_backfill_beside_live_runs(
    make_net: MakeNet, by_offset: bool, crash: bool
) -> None:
    plaza, store = Plaza(make_net(max_pages=2), by_offset=by_offset), Store()
    plaza.items = 3
    store.run(plaza)
    plaza.items = 1193
    store.run(plaza)
    plaza.items = 1200  # live goes on meanwhile; offsets move under the back-fill
    store.run(plaza)
    assert store.backfill(plaza, pages=50, crash=crash) >= 8
    assert store.ids == set(range(1, 1201))
    assert not store.gaps


def test_a_backfill_stops_at_the_old_mark(make_net: MakeNet) -> None:
    plaza, store = Plaza(make_net(max_pages=1)), Store()
    plaza.items = 30
    plaza.net.settings = Settings(max_pages=20)
    store.run(plaza)
    plaza.net.settings = Settings(max_pages=1)
    plaza.items = 42
    store.run(plaza)
    plaza.calls = 0
    store.backfill(plaza, pages=100)
    assert plaza.calls == 4  # 12 new items in pages of three, the first of them live; then the mark
    assert not store.gaps


def test_the_history_of_a_first_run_is_handed_over_without_a_gap(make_net: MakeNet) -> None:
    plaza, store = Plaza(make_net(max_pages=2)), Store()
    plaza.items = 20
    batches = store.run(plaza)
    assert not store.gaps
    assert batches[-1].complete
    store.backfill(plaza)
    assert store.ids == set(range(1, 21))


def test_history_ends_where_it_is_not_wanted(make_net: MakeNet) -> None:
    net = make_net(max_pages=500)
    net.settings = Settings(max_pages=500, history_days=1)
    plaza, store = Plaza(net), Store()
    plaza.items = 3_000
    store.run(plaza, now=NOW + 3_000 * MINUTE)
    assert min(store.ids) in range(3_000 - 1_440 - 3, 3_000 - 1_440 + 1)


def test_late_items_below_the_mark_are_taken_within_the_lookback(make_net: MakeNet) -> None:
    class Late(Plaza):
        lookback = timedelta(minutes=10)

    plaza, store = Late(make_net()), Store()
    plaza.items = 40
    store.run(plaza)
    store.ids -= {33, 22}  # as if they had been indexed later
    plaza.items = 41
    store.run(plaza)
    assert 33 in store.ids
    assert 22 not in store.ids
    assert plaza.calls == 14 + 5  # down to 30, not further


class Lanes(Plaza):
    """Two listings; the one named ``down`` cannot be asked."""

    down = ""

    def lanes(self, watch: Watch) -> list[str]:
        return ["kr", "us"]

    def load(self, watch: Watch, at: Position, validators: Mapping[str, Mapping[str, str]]) -> Page:
        if at.lane == self.down:
            raise SourceUnavailable("down")
        return super().load(watch, at, validators)

    def parse(self, page: Page, watch: Watch, at: Position) -> Parsed:
        parsed = super().parse(page, watch, at)
        step = 1 if at.lane == "kr" else 1000
        items = tuple(
            replace(item, external_id=str(int(item.external_id) * step)) for item in parsed.items
        )
        return replace(parsed, items=items)


def test_lanes_are_walked_each_from_its_own_mark(make_net: MakeNet) -> None:
    plaza, store = Lanes(make_net(), by_offset=True), Store()
    plaza.items = 4
    assert [batch.complete for batch in store.run(plaza)] == [False, False, False, True]
    tracks = cursor.load_lanes(store.state.cursor)
    assert {lane: track.mark and track.mark.id for lane, track in tracks.items()} == {
        "kr": "4",
        "us": "4000",
    }


def test_a_lane_that_fails_does_not_keep_the_others_back(make_net: MakeNet) -> None:
    plaza, store = Lanes(make_net(), by_offset=True), Store()
    plaza.items, plaza.down = 2, "kr"
    with pytest.raises(SourceUnavailable, match="kr: down"):
        store.run(plaza)
    assert store.ids == {1000, 2000}
    assert not store.complete
    plaza.down = ""
    assert store.run(plaza)[-1].complete
    assert store.ids == {1, 2, 1000, 2000}


class Refusing(Lanes):
    """Four listings, some of which are refused."""

    refused: Mapping[str, Exception] = {}

    def lanes(self, watch: Watch) -> list[str]:
        return ["a", "b", "c", "d"]

    def load(self, watch: Watch, at: Position, validators: Mapping[str, Mapping[str, str]]) -> Page:
        self.asked = [*getattr(self, "asked", []), at.lane]
        if at.lane in self.refused:
            raise self.refused[at.lane]
        return super().load(watch, at, validators)


def test_one_lane_without_permission_leaves_the_others_alone(make_net: MakeNet) -> None:
    plaza, store = Refusing(make_net(), by_offset=True), Store()
    plaza.refused = {"b": AuthRejected("no permission")}
    with pytest.raises(AuthRejected, match="b: no permission"):
        store.run(plaza)
    assert plaza.asked == ["a", "b", "c", "d"]
    plaza.refused = {lane: AuthRejected("a wrong key") for lane in "abcd"}
    plaza.asked = []
    with pytest.raises(AuthRejected):
        store.run(plaza)
    assert len(plaza.asked) == 2  # the second one settles it


def test_a_lane_that_always_ends_the_run_does_not_starve_those_after_it(make_net: MakeNet) -> None:
    plaza, store = Refusing(make_net(), by_offset=True), Store()
    plaza.refused = {"b": RateLimited("slow down")}
    with pytest.raises(RateLimited):
        store.run(plaza)
    assert plaza.asked == ["a", "b"]
    for minutes in range(10):
        with pytest.raises(RateLimited):
            store.run(plaza, now=NOW + minutes * MINUTE)
    assert set(plaza.asked) == {"a", "b", "c", "d"}


def test_lanes_that_all_have_nothing_new_are_unchanged(make_net: MakeNet) -> None:
    class Still(Lanes):
        def load(
            self, watch: Watch, at: Position, validators: Mapping[str, Mapping[str, str]]
        ) -> Page:
            return replace(super().load(watch, at, validators), unchanged=True)

    batches = Store().run(Still(make_net(), by_offset=True))
    assert [(batch.complete, batch.unchanged) for batch in batches] == [(False, True), (True, True)]


def test_a_peek_shows_the_newest_page_of_each_lane(make_net: MakeNet) -> None:
    plaza = Lanes(make_net(), by_offset=True)
    plaza.items = 9
    batches = list(plaza.peek(WATCH, now=NOW, lanes=2))
    assert [[item.external_id for item in batch.items] for batch in batches] == [
        ["9", "8", "7"],
        ["9000", "8000", "7000"],
    ]
    plaza.down = "kr"
    [told, _] = plaza.peek(WATCH, now=NOW, lanes=2)
    assert told.notices == ("kr: down",)
    with pytest.raises(SourceUnavailable):
        list(plaza.peek(WATCH, now=NOW, lanes=1))


def test_a_run_that_ends_an_old_walk_and_is_too_long_loses_nothing(make_net: MakeNet) -> None:
    plaza, store = Plaza(make_net(max_pages=4)), Store()
    plaza.items = 3
    store.run(plaza)
    plaza.items = 12
    store.run(plaza, crash_after=1)
    plaza.items = 30
    store.run(plaza)
    plaza.items = 31
    store.run(plaza)
    store.backfill(plaza)
    assert store.ids == set(range(1, 32))
    assert not store.gaps


def test_nothing_new_is_complete(make_net: MakeNet) -> None:
    plaza, store = Plaza(make_net(), since=True), Store()
    plaza.items = 4
    store.run(plaza)
    later = NOW + timedelta(hours=1)
    [batch] = store.run(plaza, now=later)
    assert batch.complete
    assert batch.items == ()
    track = cursor.load(store.state.cursor)
    assert track.mark == Mark("4", NOW + 4 * MINUTE)
    assert track.closed_at == later


def test_a_mark_deleted_at_the_source_does_not_send_us_to_the_bottom(make_net: MakeNet) -> None:
    plaza = Plaza(make_net())
    state = State(cursor=cursor.dump(Track(mark=Mark("8.5", NOW + 8 * MINUTE + MINUTE / 2))))
    plaza.items = 40
    store = Store()
    store.state = state
    assert store.run(plaza)[-1].complete
    assert min(store.ids) == 8


def test_pages_that_lead_in_circles_end(make_net: MakeNet) -> None:
    class Circle(Plaza):
        def parse(self, page: Page, watch: Watch, at: Position) -> Parsed:
            return Parsed(items=(self._item(5),), next_page="again")

    assert len(Store().run(Circle(make_net()))) == 2


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (lambda page: page["posts"], "'posts' is missing"),
        (lambda page: page["nothing"]["x"], "another type"),
        (lambda page: page["list"][3], "shorter"),
        (lambda page: int(page["text"]), "another type"),
        (lambda page: page["text"].nothing, "another type"),
    ],
)
def test_what_a_parser_misses_is_a_changed_layout_in_words(
    make_net: MakeNet, read: Any, words: str
) -> None:
    class Changed(Plaza):
        def parse(self, page: Page, watch: Watch, at: Position) -> Parsed:
            read({"nothing": None, "list": [], "text": "s3cret"})
            raise AssertionError

    with pytest.raises(LayoutChanged, match=words) as caught:
        Store().run(Changed(make_net()))
    assert "Plaza" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_suspect_page_is_not_complete(make_net: MakeNet) -> None:
    class Empty(Plaza):
        def parse(self, page: Page, watch: Watch, at: Position) -> Parsed:
            return Parsed(items=(), suspect="It had items.")

    [batch] = Store().run(Empty(make_net()))
    assert batch.suspect
    assert not batch.complete


def test_memory_now_and_memory_once_closed(make_net: MakeNet) -> None:
    class Remembering(Plaza):
        def parse(self, page: Page, watch: Watch, at: Position) -> Parsed:
            parsed = super().parse(page, watch, at)
            return Parsed(
                items=parsed.items,
                next_page=parsed.next_page,
                keep={"user": "7"},
                keep_when_closed={"top": parsed.items[0].external_id},
            )

    plaza, store = Remembering(make_net()), Store()
    plaza.items = 9
    store.run(plaza, crash_after=1)
    assert cursor.load(store.state.cursor).memory == {"user": "7"}
    store.run(plaza)
    assert cursor.load(store.state.cursor).memory == {"user": "7", "top": "9"}


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_nothing_is_lost_whatever_happens(data: st.DataObject) -> None:
    by_offset = data.draw(st.booleans(), "by offset")
    plaza = Plaza(
        a_net(data.draw(st.integers(1, 5), "max pages")),
        size=data.draw(st.integers(1, 4), "size"),
        by_offset=by_offset,
        since=data.draw(st.booleans(), "since"),
    )
    store = Store()
    plaza.items = data.draw(st.integers(0, 6), "history")
    store.run(plaza)
    history = plaza.items
    store.ids |= set(range(1, history + 1))  # a first run may be cut short
    while cursor.load(store.state.cursor).walk:  # pragma: no cover
        store.run(plaza)
    for _ in range(data.draw(st.integers(1, 6), "runs")):
        plaza.items += data.draw(st.integers(0, 12), "new")
        plaza.arrivals = data.draw(st.lists(st.integers(0, 2), max_size=4), "meanwhile")
        plaza.fail_on = {plaza.calls + n for n in data.draw(st.sets(st.integers(1, 6), max_size=2))}
        shown = plaza.items
        crash = data.draw(st.none() | st.integers(0, 4), "crash")
        try:
            batches = store.run(plaza, crash_after=crash)
        except SourceUnavailable:
            continue
        if crash is None and batches and batches[-1].complete:
            assert store.missing(shown) == set()
    plaza.fail_on, plaza.arrivals = set(), []
    for _ in range(30):
        batches = store.run(plaza)
        if batches and batches[-1].complete:
            break
    assert batches[-1].complete
    assert store.missing(plaza.items) == set()
    assert cursor.load(store.state.cursor).walk is None


TIMES = st.datetimes(timezones=st.just(UTC))
MARKS = st.builds(Mark, st.text(min_size=1), st.none() | TIMES)
WALKS = st.builds(
    Walk,
    started_at=TIMES,
    top=st.none() | MARKS,
    bottom=st.none() | MARKS,
    token=st.none() | st.text(min_size=1),
    pending=st.dictionaries(st.text(), st.integers()),
)


@given(
    st.builds(
        Track,
        mark=st.none() | MARKS,
        closed_at=st.none() | TIMES,
        walk=st.none() | WALKS,
        memory=st.dictionaries(st.text(), st.text()),
    )
)
def test_a_cursor_comes_back_from_the_store_as_it_was(track: Track) -> None:
    assert cursor.load(json.loads(json.dumps(cursor.dump(track)))) == track


@pytest.mark.parametrize(
    "stored", [{"mark": {}}, {"walk": {"token": "x"}}, {"closed_at": "?"}, {"mark": 5}]
)
def test_a_cursor_that_cannot_be_read_starts_anew(stored: dict[str, Any]) -> None:
    assert cursor.load(stored) == Track()


def test_gaps_have_bounds_even_without_times() -> None:
    track = Track(mark=Mark("1"), closed_at=NOW, walk=Walk(started_at=NOW + 60 * MINUTE))
    assert cursor.gap(track, GapReason.WINDOW) == Gap(
        from_at=NOW, to_at=NOW + 60 * MINUTE, why=GapReason.WINDOW
    )
    assert cursor.gap(Track(walk=Walk(started_at=NOW)), GapReason.WINDOW) is None


def test_a_parameter_falls_back_to_the_sources_default() -> None:
    spec = SourceSpec(
        name="p", title="P", title_ko="P", every=MINUTE, kind=Kind.POST,
        params=(Param(name="mode", title="Mode", title_ko="방식", default="search"),),
    )  # fmt: skip
    assert param(WATCH, spec, "mode") == "search"
    assert param(WATCH, spec, "other") == ""
    assert (
        param(Watch(**{**_fields(WATCH), "params": {"mode": "mentions"}}), spec, "mode")
        == "mentions"
    )


def _fields(watch: Watch) -> dict[str, Any]:
    return {name: getattr(watch, name) for name in Watch.__dataclass_fields__}
