"""Budgets: periods by the wall clock, prices, shares of back-fills, refusals in words."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from builders import NOW
from listener.errors import BudgetExhausted, SourceUnavailable
from listener.net.budget import MONEY, Cap, Spent, Terms, allowed, lines, period, priced, refusal
from listener.net.client import Net
from listener.net.guard import Guard
from listener.net.limits import FREE, Limiter
from listener.net.page import Page, Request
from listener.settings import Settings
from listener.store.limits import DatabaseLimits
from listener.store.spending import DatabaseLedger
from listener.store.tables import SpendingRow
from listener.store.work import Database
from listener.types import Price
from webserver import Play, WebServer

POSTS = (Price(unit="post", micro_usd=5_000), Price(unit="user", micro_usd=10_000))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("per", "zone", "now", "start", "end"),
    [
        ("day", "UTC", "2026-11-22T10:00", "2026-11-22T00:00", "2026-11-23T00:00"),
        ("day", "Asia/Seoul", "2026-11-22T14:59", "2026-11-21T15:00", "2026-11-22T15:00"),
        ("day", "Asia/Seoul", "2026-11-22T15:00", "2026-11-22T15:00", "2026-11-23T15:00"),
        # The day on which summer time ends has 25 hours.
        ("day", "America/Los_Angeles", "2026-11-01T12:00", "2026-11-01T07:00", "2026-11-02T08:00"),
        ("month", "UTC", "2026-12-31T23:59", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("month", "Asia/Seoul", "2026-12-31T15:00", "2026-12-31T15:00", "2027-01-31T15:00"),
    ],
)
def test_periods_begin_at_midnight_of_their_zone(
    per: str, zone: str, now: str, start: str, end: str
) -> None:
    assert period(per, zone, at(now)) == (at(start), at(end))


def test_money_is_the_sum_of_what_costs() -> None:
    assert priced({"calls": 1, "post": 100, "user": 40}, POSTS)[MONEY] == 900_000
    assert MONEY not in priced({"calls": 1}, POSTS)


def test_two_caps_on_one_count_share_a_line() -> None:
    quota = Cap(unit="calls", amount=25_000, per="day", zone="Asia/Seoul")
    own = Cap(unit="calls", amount=1_000, per="day", zone="Asia/Seoul", own=True)
    other_day = Cap(unit="calls", amount=1_000, per="day", zone="UTC")
    found = lines(Terms(caps=(quota, own, other_day)), {"calls": 1}, NOW)
    assert sorted(len(line.caps) for line in found) == [1, 2]


def test_backfills_take_half_of_what_live_collection_leaves() -> None:
    cap = Cap(unit="calls", amount=100, per="day", zone="UTC")
    assert allowed(cap, Spent(), background=True) == 50
    assert allowed(cap, Spent(50, 50), background=True) == 0
    assert allowed(cap, Spent(50, 50), background=False) == 50
    assert allowed(cap, Spent(70, 10), background=True) == 10  # live took 60: half of 40, less 10
    assert allowed(cap, Spent(100, 0), background=True) == 0


def test_a_refusal_names_the_budget_and_when_it_begins_anew() -> None:
    cap = Cap(unit=MONEY, amount=20_000_000, per="month", zone="UTC", own=True)
    terms = Terms(caps=(cap,), prices=POSTS, title="X (Twitter)")
    (line,) = lines(terms, {"post": 100, "user": 100}, at("2026-11-22T10:00"))
    error = refusal(terms, line, Spent(19_000_000), background=False, now=at("2026-11-22T10:00"))
    assert isinstance(error, BudgetExhausted)
    assert error.message == (
        "The budget for X (Twitter) of $20.00 a month is used up;"
        " it begins anew at 2026-12-01 00:00 UTC."
    )
    assert error.retry_at == at("2026-12-01T00:00")
    assert "Raise" in (error.hint or "")


def test_what_is_only_held_is_waited_for() -> None:
    cap = Cap(unit="calls", amount=100, per="day", zone="UTC")
    terms = Terms(caps=(cap,), title="Plaza")
    now = at("2026-11-22T10:00")
    (line,) = lines(terms, {"calls": 10}, now)
    error = refusal(terms, line, Spent(100, 0, 50), background=False, now=now)
    assert error is not None
    assert error.retry_at == now + timedelta(minutes=1)


# --- through the client, to a fake API that counts what it was asked for -----------------------

MakeNet = Callable[..., Net]


@pytest.fixture
def paying(tmp_path: Path, database: Database) -> MakeNet:
    """A Net whose purses may spend so many micro dollars a month."""

    def make(micro_usd: int) -> Net:
        cap = Cap(unit=MONEY, amount=micro_usd, per="month", zone="UTC", own=True)
        terms = Terms(caps=(cap,), prices=POSTS, title="Plaza")
        settings = Settings(home=tmp_path, allow_private_hosts="127.0.0.1")
        limiter = Limiter(lambda: NOW, store=DatabaseLimits(database), rule=FREE)
        ledger = DatabaseLedger(database, lambda _: terms)
        return Net(settings, Guard(settings.private_hosts), limiter, lambda: NOW, ledger=ledger)

    return make


def posts_in(page: Page) -> dict[str, int]:
    return {"calls": 1, "post": len(page.json["data"])}


def ask(net: Net, server: WebServer, path: str = "/search", **given: Any) -> Page:
    request = Request(
        url=server.url + path,
        purse="plaza|",
        charge={"calls": 1, "post": 20},
        settle=posts_in,
        **given,
    )
    return net.exchange(request)


def test_an_api_that_counts_reads_never_sees_more_than_the_budget(
    paying: MakeNet, server: WebServer
) -> None:
    body = json.dumps({"data": [{"id": str(n)} for n in range(10)]})
    server.pages["/search"] = Play(body)
    refused = []

    def collect(net: Net) -> None:
        for _ in range(12):
            try:
                ask(net, server)
            except BudgetExhausted:
                refused.append(1)

    threads = [threading.Thread(target=collect, args=(paying(1_000_000),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    read = 10 * len(server.seen)
    assert refused
    assert 0.85 * 1_000_000 <= read * 5_000 <= 1_000_000


def test_what_was_not_read_comes_back(paying: MakeNet, server: WebServer) -> None:
    server.pages["/search"] = Play('{"data": [{"id": "1"}]}')
    server.pages["/odd"] = Play("no json")
    net = paying(100_000)  # twenty posts
    ask(net, server)
    assert net.room("plaza|", {"post": 1}) == 19
    with pytest.raises(BudgetExhausted):
        ask(net, server)
    assert len(server.seen) == 1  # refused before anything was sent


def test_an_answer_that_cannot_be_read_counts_in_full(paying: MakeNet, server: WebServer) -> None:
    server.pages["/odd"] = Play("no json")
    net = paying(100_000)
    ask(net, server, "/odd")
    assert net.room("plaza|", {"post": 1}) == 0


def test_what_never_went_out_costs_nothing(paying: MakeNet, server: WebServer) -> None:
    net = paying(100_000)
    gone = Request(
        url="http://127.0.0.1:9/search", purse="plaza|", charge={"post": 20}, settle=posts_in
    )
    with pytest.raises(SourceUnavailable):
        net.exchange(gone)
    assert net.room("plaza|", {"post": 1}) == 20


def test_an_answer_that_never_came_is_charged_and_not_waited_for(
    paying: MakeNet, server: WebServer, database: Database
) -> None:
    server.pages["/search"] = Play("{", how="reset")
    net = paying(100_000)
    with pytest.raises(SourceUnavailable):
        ask(net, server)
    assert net.room("plaza|", {"post": 1}) == 0
    with database.read() as session:
        assert set(session.scalars(select(SpendingRow.held))) == {0}


def test_a_redirect_is_no_answer_to_settle_by(paying: MakeNet, server: WebServer) -> None:
    server.pages["/old"] = Play('{"data": []}', 302, {"Location": "/search"})
    server.pages["/search"] = Play('{"data": []}')
    net = paying(100_000)
    net.fetch(
        Request(url=server.url + "/old", purse="plaza|", charge={"post": 20}, settle=posts_in)
    )
    assert net.room("plaza|", {"post": 1}) == 0


def test_a_redirect_is_charged_once(paying: MakeNet, server: WebServer) -> None:
    server.pages["/old"] = Play("", 302, {"Location": "/search"})
    server.pages["/search"] = Play('{"data": []}')
    net = paying(100_000)
    charge = {"calls": 1, "post": 20}
    net.fetch(Request(url=server.url + "/old", purse="plaza|", charge=charge))
    assert net.room("plaza|", {"post": 1}) == 0
