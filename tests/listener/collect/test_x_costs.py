"""X and money: pages shrink to what the budget has left, walks go on when it begins anew."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from builders import NOW
from fakex import FIRST, FakeX
from listener.collect.sources.x import X
from listener.errors import AuthRejected, BudgetExhausted
from listener.net.budget import terms
from listener.net.client import Net
from listener.net.guard import Guard
from listener.net.limits import Limiter
from listener.settings import Settings
from listener.store.limits import DatabaseLimits
from listener.store.spending import DatabaseLedger
from listener.store.work import Database
from listener.types import Connection, GapReason, Kept, State, Watch
from webserver import Play

LAST_DAY = datetime(2025, 3, 31, 12, tzinfo=UTC)
NEXT_MONTH = datetime(2025, 4, 1, tzinfo=UTC)
MakeWatch = Callable[..., Watch]
Pay = Callable[..., Net]


@pytest.fixture
def pay(tmp_path: Path) -> Pay:
    """A Net that may spend so many dollars a month on X, on this database."""

    def make(database: Database, usd: float, now: datetime = NOW) -> Net:
        told = terms(X.spec, calls=None, micro_usd=round(usd * 1e6), zone="UTC")
        settings = Settings(home=tmp_path, allow_private_hosts="127.0.0.1")
        limiter = Limiter(lambda: now, sleep=lambda seconds: None, store=DatabaseLimits(database))
        ledger = DatabaseLedger(database, lambda _: told)
        return Net(settings, Guard(settings.private_hosts), limiter, lambda: now, ledger=ledger)

    return make


def on(make_watch: MakeWatch, server: FakeX, **params: str) -> Watch:
    given = {"query": "하늘", **params}
    return make_watch("x", base_url=server.url, credentials={"bearer_token": "t"}, **given)


def collected(net: Net, watch: Watch, state: State, now: datetime) -> tuple[list[str], State, str]:
    """The ids of one run, where it got to, and how it ended."""
    seen: list[str] = []
    ended = "open"
    try:
        for batch in X(net).collect(watch, state, now=now):
            seen += [item.external_id for item in batch.items]
            state = batch.state
            ended = "complete" if batch.complete else "open"
    except BudgetExhausted as error:
        ended = f"{error.retry_at} {error.message}"
    return seen, state, ended


def test_pages_shrink_to_the_budget_and_the_walk_goes_on_next_month(
    sqlite: Database, pay: Pay, make_watch: MakeWatch
) -> None:
    with FakeX(LAST_DAY, 250) as server:
        watch = on(make_watch, server)
        before, state, ended = collected(pay(sqlite, 2.0, LAST_DAY), watch, State(), LAST_DAY)
        assert ended.startswith(str(NEXT_MONTH))
        assert "of $2.00 a month" in ended
        assert server.micro_usd <= 2_000_000
        assert [one.query["max_results"] for one in server.seen] == ["100", "33"]
        after, _, ended = collected(pay(sqlite, 20.0, NEXT_MONTH), watch, state, NEXT_MONTH)
        assert ended == "complete"
        assert len(before + after) == len({*before, *after}) == 250
        assert server.posts == 250  # nothing was read, and paid, twice


def test_the_rest_of_a_walk_that_x_no_longer_searches_is_given_up(
    net: Net, pay: Pay, sqlite: Database, make_watch: MakeWatch
) -> None:
    later = LAST_DAY + timedelta(days=9)
    with FakeX(LAST_DAY, 250) as server:
        watch = on(make_watch, server)
        _, state, _ = collected(pay(sqlite, 2.0, LAST_DAY), watch, State(), LAST_DAY)
        asked = len(server.seen)
        batches = list(X(net).collect(watch, state, now=later))
        assert batches[-1].complete
        assert [one.query.get("until_id") for one in server.seen[asked:]] == [None]


def test_watches_side_by_side_never_spend_more_than_there_is(
    database: Database, pay: Pay, make_watch: MakeWatch
) -> None:
    with FakeX(NOW, 400) as server:
        ended: list[str] = []

        def collect() -> None:
            try:
                for _ in X(pay(database, 4.5)).collect(on(make_watch, server), State(), now=NOW):
                    pass
                ended.append("all")
            except BudgetExhausted:
                ended.append("budget")

        threads = [threading.Thread(target=collect) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ended) == 4
        assert "budget" in ended
        assert 3_000_000 <= server.micro_usd <= 4_500_000


def test_a_refusal_gives_the_money_back(sqlite: Database, pay: Pay, make_watch: MakeWatch) -> None:
    with FakeX(NOW, 5) as server:
        server.pages["/2/tweets/search/recent"] = Play('{"title":"Unauthorized"}', 401)
        net = pay(sqlite, 2.0)
        with pytest.raises(AuthRejected):
            list(X(net).collect(on(make_watch, server), State(), now=NOW))
        assert net.room("x|1", {"post": 1, "user": 1}) == 133


def test_the_account_is_looked_up_once_and_paid(
    sqlite: Database, pay: Pay, make_watch: MakeWatch
) -> None:
    with FakeX(NOW, 3) as server:
        watch = on(make_watch, server, mode="mentions", user="nurimarket")
        net = pay(sqlite, 2.0)
        (batch,) = X(net).collect(watch, State(), now=NOW)
        list(X(net).collect(watch, batch.state, now=NOW))
        assert server.users == 4
        room = net.room("x|1", {"post": 1})
        assert room == (2_000_000 - server.micro_usd) // 5_000


@pytest.mark.parametrize(
    ("mode", "path", "asked"),
    [
        ("replies", "/2/tweets/search/recent", "to:nurimarket -from:nurimarket -is:retweet"),
        ("posts", "/2/users/77/tweets", None),
        ("mentions", "/2/users/77/mentions", None),
    ],
)
def test_modes_ask_what_they_are_for(
    net: Net, make_watch: MakeWatch, mode: str, path: str, asked: str | None
) -> None:
    with FakeX(NOW, 3) as server:
        watch = on(make_watch, server, mode=mode, user="@nurimarket")
        (batch,) = X(net).collect(watch, State(), now=NOW)
        last = server.seen[-1]
    assert last.path == path
    assert last.query.get("query") == asked
    assert (last.query.get("exclude") == "retweets") == (mode == "posts")
    assert len(batch.items) == 3
    assert all(item.is_own for item in batch.items) == (mode == "posts")


def test_more_mentions_than_x_shows_leave_a_gap(net: Net, make_watch: MakeWatch) -> None:
    with FakeX(NOW, 10) as server:
        watch = on(make_watch, server, mode="mentions", user="nurimarket")
        (batch,) = X(net).collect(watch, State(), now=NOW)
        later = NOW + timedelta(days=1)
        server.now, server.count = later, 1_200
        batches = list(X(net).collect(watch, batch.state, now=later))
        gaps = [gap for one in batches for gap in one.gaps]
        assert sum(len(one.items) for one in batches) == 800
        (gap,) = gaps
        assert gap.why is GapReason.WINDOW
        assert gap.from_at == NOW
        assert gap.to_at == later - timedelta(minutes=799)
        again = list(X(net).collect(watch, batches[-1].state, now=later))
        assert not [gap for one in again for gap in one.gaps]


def test_stored_posts_are_asked_about_where_the_watch_pays_for_it(
    net: Net, make_watch: MakeWatch
) -> None:
    with FakeX(NOW, 5) as server:
        server.gone = {2}
        kept = [Kept(external_id=str(FIRST + n)) for n in (1, 2, 3)]
        assert list(X(net).refresh(on(make_watch, server), kept, now=NOW)) == []
        assert server.seen == []
        watch = on(make_watch, server, refresh="true")
        items = [i for b in X(net).refresh(watch, kept, now=NOW) for i in b.items]
        assert server.seen[0].path == "/2/tweets"
        assert server.seen[0].headers["authorization"] == "Bearer t"
    told = {int(item.external_id) - FIRST: item.deleted for item in items}
    assert told == {1: False, 2: True, 3: False}
    assert items[0].engagement is not None
    assert items[0].engagement.likes == 1


def test_the_volume_is_counted_without_reading(net: Net, make_watch: MakeWatch) -> None:
    with FakeX(NOW, 700) as server:
        assert X(net).volume(on(make_watch, server), now=NOW) == 100
        assert (server.posts, server.counts) == (0, 1)
        assert server.seen[0].query["query"] == "하늘"


def test_an_account_is_checked_for_nothing(net: Net) -> None:
    with FakeX(NOW, 5) as server:
        connection = Connection(
            source="x", base_url=server.url, credentials={"bearer_token": "t"}, id=1
        )
        server.pages["/2/usage/tweets"] = [
            Play('{"data":{"project_cap":"3000000","project_usage":"1250"}}'),
            Play('{"title":"Unauthorized","status":401}', 401),
        ]
        assert X(net).check_account(connection, now=NOW) == "1,250 of 3,000,000 posts read"
        with pytest.raises(AuthRejected, match="bearer token"):
            X(net).check_account(connection, now=NOW)
        assert server.micro_usd == 0
