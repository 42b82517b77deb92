"""The ledger: nobody spends more than there is, whoever spends at the same time."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from builders import NOW
from listener.errors import BudgetExhausted
from listener.net.budget import MONEY, Cap, Terms
from listener.store.spending import DatabaseLedger, usage
from listener.store.work import Database
from listener.types import Price

PRICES = (Price(unit="post", micro_usd=5_000),)
CAPS = (
    Cap(unit="post", amount=1_000, per="month", zone="UTC"),
    Cap(unit="calls", amount=50, per="day", zone="UTC", own=True),
    Cap(unit=MONEY, amount=1_000_000, per="month", zone="UTC", own=True),
)


def ledger(database: Database, caps: tuple[Cap, ...] = CAPS) -> DatabaseLedger:
    return DatabaseLedger(database, lambda _: Terms(caps=caps, prices=PRICES, title="Plaza"))


def used(database: Database, purse: str = "plaza|1") -> dict[str, int]:
    with database.read() as session:
        found = usage(session, purse, lambda _: Terms(caps=CAPS, prices=PRICES), now=NOW)
    return {one.cap.unit: one.used for one in found}


def test_spending_is_counted_in_units_and_money(database: Database) -> None:
    receipt = ledger(database).spend("plaza|1", {"calls": 1, "post": 100}, now=NOW, held=True)
    assert used(database) == {"post": 100, "calls": 1, MONEY: 500_000}
    ledger(database).settle(receipt, {"calls": 1, "post": 7})
    assert used(database) == {"post": 7, "calls": 1, MONEY: 35_000}
    assert used(database, "plaza|2") == {"post": 0, "calls": 0, MONEY: 0}


def test_nothing_is_charged_when_one_cap_refuses(database: Database) -> None:
    with pytest.raises(BudgetExhausted, match=r"\$1.00 a month"):
        ledger(database).spend("plaza|1", {"calls": 1, "post": 201}, now=NOW)
    assert used(database) == {"post": 0, "calls": 0, MONEY: 0}


def test_a_new_period_begins_from_nothing(database: Database) -> None:
    book = ledger(database)
    for _ in range(50):
        book.spend("plaza|1", {"calls": 1}, now=NOW)
    with pytest.raises(BudgetExhausted) as error:
        book.spend("plaza|1", {"calls": 1}, now=NOW)
    assert error.value.retry_at is not None
    assert NOW < error.value.retry_at <= NOW + timedelta(days=1)
    book.spend("plaza|1", {"calls": 1}, now=error.value.retry_at)


def test_room_is_told_before_anything_is_spent(database: Database) -> None:
    book = ledger(database)
    assert book.room("plaza|1", {"post": 1}, now=NOW) == 200  # a dollar; the month has 1,000
    book.spend("plaza|1", {"calls": 1, "post": 150}, now=NOW)
    assert book.room("plaza|1", {"post": 1}, now=NOW) == 50
    assert book.room("plaza|1", {"post": 1}, now=NOW, background=True) == 25
    assert book.room("plaza|1", {"like": 1}, now=NOW) is None


def test_backfills_leave_half(database: Database) -> None:
    book = ledger(database)
    for _ in range(25):
        book.spend("plaza|1", {"calls": 1}, now=NOW, background=True)
    with pytest.raises(BudgetExhausted, match="back-fills"):
        book.spend("plaza|1", {"calls": 1}, now=NOW, background=True)
    for _ in range(25):
        book.spend("plaza|1", {"calls": 1}, now=NOW)


def test_the_budget_holds_when_many_spend_at_once(database: Database) -> None:
    """Several threads on two connections to the database, each as fast as it can."""
    other = Database(database.url)
    reads, refused = [], []

    def read_posts(on: Database) -> None:
        book = ledger(on)
        for _ in range(12):
            try:
                receipt = book.spend("plaza|1", {"calls": 1, "post": 20}, now=NOW, held=True)
            except BudgetExhausted:
                refused.append(1)
                continue
            reads.append(10)  # the fake API gives ten posts for the twenty asked for
            book.settle(receipt, {"calls": 1, "post": 10})

    threads = [
        threading.Thread(target=read_posts, args=(on,)) for on in (database, other, database, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert refused
    assert sum(reads) * 5_000 <= 1_000_000
    assert used(database)[MONEY] == sum(reads) * 5_000
    assert sum(reads) >= 180  # all but what could be held at the end was spent
