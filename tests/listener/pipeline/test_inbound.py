"""The inbox on both databases: mapped once, in order, nothing lost, failures kept for a replay."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from builders import NOW, stored_brand
from crashing import die, left
from fakes import FakeReader
from listener.pipeline.inbound import drain, preview
from listener.pipeline.ingest import Ingest
from listener.pipeline.mapping import read_mapping
from listener.security import Secrets
from listener.settings import Settings
from listener.store import coverage, inbound
from listener.store.inbound import State
from listener.store.tables import InboundItemRow, MatchRow, MentionRow
from listener.store.work import Database
from listener.types import MatchMode

FIELDS = {"text": "text", "external_id": "id", "published_at": "at", "deleted": "gone"}
Post = Callable[..., str]


@pytest.fixture
def hook(database: Database) -> int:
    """An endpoint all of whose items belong to Haneul."""
    with database.write() as work:
        brand = stored_brand(work.session, "Haneul")
        row = inbound.add(
            work.session,
            name="Survey",
            brand_id=brand.id,
            match=MatchMode.ALL,
            scheme="token",
            secret=b"",
            mapping={"fields": FIELDS, "items": "", "when": "text != 'ping'"},
            now=NOW - timedelta(days=1),
        )
        work.commit()
    return row.id


@pytest.fixture
def post(database: Database, hook: int) -> Post:
    """Put something into the inbox; gives its delivery id."""

    def put(body: Any, key: str = "", minutes: float = 0) -> str:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        with database.write() as work:
            received = inbound.receive(
                work.session,
                hook,
                dedupe=key or raw.decode("utf-8", "replace")[:64],
                content_type="application/json",
                headers={},
                body=raw,
                now=NOW - timedelta(minutes=minutes),
            )
            work.commit()
        return received.delivery_id

    return put


def states(database: Database) -> list[tuple[str, int, str]]:
    with database.read() as session:
        rows = session.scalars(select(InboundItemRow).order_by(InboundItemRow.id)).all()
    return [(row.state, row.items, row.reason) for row in rows]


def texts(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(select(MentionRow.text).order_by(MentionRow.id)))


def test_what_is_posted_becomes_mentions_of_the_brand(
    database: Database, ingest: Ingest, hook: int, post: Post
) -> None:
    first = post({"id": "1", "text": "배송이 늦어요", "at": "2025-03-10T09:00:00Z"})
    assert post({"id": "1", "text": "배송이 늦어요", "at": "2025-03-10T09:00:00Z"}) == first
    post({"id": 2, "text": "ping"})

    assert drain(ingest, now=NOW) == 2
    assert drain(ingest, now=NOW) == 0

    assert [state for state, _, _ in states(database)] == ["done", "skipped"]
    with database.read() as session:
        mention = session.scalars(select(MentionRow)).one()
        match = session.scalars(select(MatchRow)).one()
        public_id = inbound.get(session, hook).public_id
    assert (mention.source, mention.namespace, mention.external_id) == ("webhook", public_id, "1")
    assert match.origin == "watch"


def test_later_deliveries_edit_and_delete(database: Database, ingest: Ingest, post: Post) -> None:
    post({"id": "1", "text": "first"})
    drain(ingest, now=NOW)
    post({"id": "1", "text": "second"})
    post({"id": "2", "text": "other"})
    drain(ingest, now=NOW)
    assert texts(database) == ["second", "other"]
    post({"id": "1", "gone": True})
    drain(ingest, now=NOW)
    assert texts(database) == ["other"]


def test_what_cannot_be_mapped_is_kept_and_can_be_replayed(
    database: Database, ingest: Ingest, hook: int, post: Post
) -> None:
    post({"id": "1", "comment": "fine"})
    post(b"{broken", key="k")
    post({"id": "3", "text": "good"})
    drain(ingest, now=NOW)
    told = states(database)
    assert [state for state, _, _ in told] == ["failed", "failed", "done"]
    assert "nothing at text (text)" in told[0][2]
    assert "not valid JSON" in told[1][2]

    with database.write() as work:
        inbound.change(work.session, hook, mapping={"fields": FIELDS | {"text": "text || comment"}})
        assert inbound.replay(work.session, hook) == 2
        work.commit()
    drain(ingest, now=NOW)
    assert [state for state, _, _ in states(database)] == ["done", "failed", "done"]
    assert sorted(texts(database)) == ["fine", "good"]


def test_an_item_that_is_refused_fails_its_delivery_alone(
    database: Database, ingest: Ingest, post: Post
) -> None:
    post({"id": "x" * 400 + "가" * 600, "text": "a"}, key="1")
    post({"id": "2", "text": "\x00"}, key="2")
    post({"id": "3", "text": "b"}, key="3")
    drain(ingest, now=NOW)
    assert [state for state, _, _ in states(database)][1:] == ["failed", "done"]
    assert "b" in texts(database)


def test_a_bug_fails_one_delivery_and_not_all(
    database: Database, settings: Settings, post: Post
) -> None:
    class Stumbling(FakeReader):
        def read(self, mentions: Any, matches: Any) -> Any:
            if any("stumble" in mention.text for mention in mentions):
                raise RuntimeError("a bug")
            return super().read(mentions, matches)

    post({"id": "1", "text": "one"})
    post({"id": "2", "text": "stumble"})
    post({"id": "3", "text": "three"})
    drain(Ingest(database, Stumbling(), settings, Secrets(b"k" * 32)), now=NOW)
    told = states(database)
    assert [state for state, _, _ in told] == ["done", "failed", "done"]
    assert "log" in told[1][2]
    assert texts(database) == ["one", "three"]


def test_without_a_date_it_counts_from_when_it_was_received(
    database: Database, ingest: Ingest, post: Post
) -> None:
    post({"id": "1", "text": "late"}, minutes=120)
    drain(ingest, now=NOW)
    with database.read() as session:
        event_at = session.scalars(select(MentionRow.event_at)).one()
    assert NOW - timedelta(minutes=120) <= event_at < NOW


def test_an_endpoint_covers_its_brand_up_to_what_still_waits(
    database: Database, ingest: Ingest, post: Post
) -> None:
    with database.read() as session:
        (seen,) = coverage.of_brand(session, 1, NOW - timedelta(days=2), now=NOW)
    assert seen.intervals == [(NOW - timedelta(days=1), NOW)]
    assert seen.active_to == seen.active_from  # never waited for
    post({"id": "1", "text": "a"}, minutes=30)
    with database.read() as session:
        (seen,) = coverage.of_brand(session, 1, NOW - timedelta(days=2), now=NOW)
    assert seen.intervals[0][1] == NOW - timedelta(minutes=30)
    drain(ingest, now=NOW)
    with database.read() as session:
        (seen,) = coverage.of_brand(session, 1, NOW - timedelta(days=2), now=NOW)
    assert seen.intervals[0][1] == NOW


@pytest.mark.parametrize(
    "point", ["inbound.mapped", "ingest.recorded", "ingest.committed", "inbound.stored"]
)
def test_killed_on_the_way_nothing_is_lost_or_doubled(
    database_url: str, database: Database, settings: Settings, post: Post, point: str
) -> None:
    for number in range(7):
        post({"id": number, "text": f"Haneul {number}"})

    def work() -> None:
        opened = Database(database_url)
        drain(Ingest(opened, FakeReader(), settings, Secrets(b"k" * 32)), now=NOW)
        opened.close()

    database.close()
    assert die(point, work)
    assert not die("", partial(work))

    found = left(database_url)
    assert [int(id_) for id_, *_ in found["mentions"]] == list(range(7))
    assert [seq for seq, *_ in found["changes"]] == list(range(1, 8))
    assert {state for state, _, _ in states(database)} == {State.DONE}


def test_old_deliveries_are_forgotten_failed_ones_later(
    database: Database, ingest: Ingest, post: Post
) -> None:
    post({"id": "1", "text": "a"}, minutes=60 * 24 * 40)
    post({"nothing": 1}, minutes=60 * 24 * 40)
    post({"nothing": 2}, minutes=60 * 24 * 100)
    drain(ingest, now=NOW)
    with database.write() as work:
        gone = inbound.forget(
            work.session,
            before=NOW - timedelta(days=30),
            failed_before=NOW - timedelta(days=90),
            limit=10,
        )
        work.commit()
    assert gone == 2
    assert [state for state, _, _ in states(database)] == ["failed"]


def test_preview_tells_what_would_be_stored(ingest: Ingest) -> None:
    mapping = read_mapping({"fields": {"text": "t", "html": "=true", "kind": "=ticket"}})
    told = preview(
        mapping,
        b'{"t": "<p>Hi <script>alert(1)</script></p>"}',
        "application/json",
        zone=ingest.zone,
        now=NOW,
    )
    (item,) = told["items"]
    assert item["text"] == "Hi"
    assert item["kind"] == "ticket"
