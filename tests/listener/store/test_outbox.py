"""The outbox: one message an event, in order, fenced, given up visibly."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from builders import NOW, stored_brand
from listener.errors import Conflict
from listener.store import channels, outbox
from listener.store.tables import AlertRow, DeliveryRow, OutboxRow
from listener.store.work import Database

MINUTE = timedelta(minutes=1)


def _channel(session: Session, name: str = "ops") -> int:
    return channels.add(
        session,
        name=name,
        kind="webhook",
        address=b"encrypted",
        address_shown="https://ops.example/hook",
        secret=None,
        language="ko",
        now=NOW,
    ).id


def _alert(session: Session) -> int:
    brand = stored_brand(session)
    row = AlertRow(brand_id=brand.id, state="open", severity="high", opened_at=NOW, updated_at=NOW)
    session.add(row)
    session.flush()
    return row.id


@pytest.fixture
def queued(database: Database) -> tuple[Database, int, int]:
    """A database with a channel and an alert: (database, channel_id, alert_id)."""
    with database.write() as work:
        channel_id, alert_id = _channel(work.session), _alert(work.session)
        work.commit()
    return database, channel_id, alert_id


def _claim(database: Database, at: timedelta = timedelta()) -> outbox.Message | None:
    with database.write() as work:
        message = outbox.claim(work.session, now=NOW + at, length=MINUTE)
        work.commit()
    return message


def _put(database: Database, alert_id: int, event: str, key: str = "") -> None:
    with database.write() as work:
        outbox.put_for_all(
            work.session, alert_id=alert_id, event=event, event_key=key, refs={}, now=NOW
        )
        work.commit()


def _settle(database: Database, message: outbox.Message, *, ok: bool, again: bool = True) -> bool:
    with database.write() as work:
        settled = outbox.record(
            work.session,
            message,
            ok=ok,
            status_code=200 if ok else 500,
            reason="",
            duration_ms=5,
            retry_at=NOW + MINUTE if again and not ok else None,
            now=NOW,
        )
        work.commit()
    return settled


def test_the_same_event_is_queued_once(queued: tuple[Database, int, int]) -> None:
    database, _, alert_id = queued
    _put(database, alert_id, "alert.opened")
    _put(database, alert_id, "alert.opened")
    _put(database, alert_id, "alert.escalated", "2")
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(OutboxRow)) == 2


def test_a_claimed_message_is_nobody_elses_until_the_claim_runs_out(
    queued: tuple[Database, int, int],
) -> None:
    database, _, alert_id = queued
    _put(database, alert_id, "alert.opened")
    first = _claim(database)
    assert first is not None
    assert _claim(database) is None
    second = _claim(database, 2 * MINUTE)
    assert second is not None
    assert second.message_id == first.message_id  # stable over retries
    assert (first.attempt, second.attempt) == (1, 2)


def test_senders_at_once_never_claim_the_same_message(postgresql: Database) -> None:
    with postgresql.write() as work:
        alert_id = _alert(work.session)
        for number in range(40):
            _channel(work.session, f"channel {number}")
        outbox.put_for_all(work.session, alert_id=alert_id, event="alert.opened", refs={}, now=NOW)
        work.commit()
    claimed: list[int] = []

    def send() -> None:
        while (message := _claim(postgresql)) is not None:
            claimed.append(message.id)

    senders = [threading.Thread(target=send) for _ in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()

    assert len(claimed) == len(set(claimed)) == 40


def test_who_lost_the_claim_settles_nothing_but_its_attempt_is_kept(
    queued: tuple[Database, int, int],
) -> None:
    database, _, alert_id = queued
    _put(database, alert_id, "alert.opened")
    first = _claim(database)
    second = _claim(database, 2 * MINUTE)
    assert first is not None
    assert second is not None
    assert _settle(database, first, ok=False, again=False) is False
    assert _settle(database, second, ok=True) is True
    with database.read() as session:
        assert session.scalar(select(OutboxRow.state)) == "sent"
        assert session.scalar(select(func.count()).select_from(DeliveryRow)) == 2


def test_later_messages_of_an_alert_wait_for_the_earlier_one(
    queued: tuple[Database, int, int],
) -> None:
    database, _, alert_id = queued
    _put(database, alert_id, "alert.opened")
    _put(database, alert_id, "alert.resolved")
    opened = _claim(database)
    assert opened is not None
    assert opened.event == "alert.opened"
    assert _settle(database, opened, ok=False)
    assert _claim(database) is None  # the resolution must not overtake the alert
    again = _claim(database, MINUTE)
    assert again is not None
    assert again.event == "alert.opened"
    assert _settle(database, again, ok=True)
    resolved = _claim(database)
    assert resolved is not None
    assert resolved.event == "alert.resolved"


def test_a_message_given_up_can_be_revived_under_its_id(queued: tuple[Database, int, int]) -> None:
    database, _, alert_id = queued
    _put(database, alert_id, "alert.opened")
    message = _claim(database)
    assert message is not None
    assert _settle(database, message, ok=False, again=False)
    assert _claim(database, timedelta(days=9)) is None
    with database.write() as work:
        assert outbox.revive(work.session, message.id, now=NOW)
        assert not outbox.revive(work.session, message.id, now=NOW)
        work.commit()
    revived = _claim(database)
    assert revived is not None
    assert revived.message_id == message.message_id


def test_channel_names_are_unique(database: Database) -> None:
    with database.write() as work:
        _channel(work.session)
        with pytest.raises(Conflict, match="ops"):
            _channel(work.session)
