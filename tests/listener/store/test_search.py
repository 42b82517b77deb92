"""Search finds the same on both databases, and no query is an error."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from builders import NOW, a_raw
from listener.store import search
from listener.store.tables import MentionRow
from listener.store.work import Database
from listener.types import RawItem

TEXTS = {
    "delivery": "누리마켓 배송이 너무 늦어요",
    "english": "The delivery of v2.0 was LATE, café naïve 3월",
    "title": "nothing here",
    "mixed": "iPhone15이 도착했다 #누리 @nuri_kr 1e5 0x1f ½",
    "long": "가나다라마바사아자차카타파하" * 3_000,
}


@pytest.fixture
def session(database: Database, ingest_items: object) -> object:
    with database.read() as opened:
        yield opened


@pytest.fixture
def ingest_items(database: Database, settings: object) -> None:
    from fakes import FakeReader
    from listener.pipeline.ingest import Ingest, Origin
    from listener.security import Secrets

    items: list[RawItem] = [
        a_raw(id_, text, title="Überschrift mit Titel" if id_ == "title" else None)
        for id_, text in TEXTS.items()
    ]
    ingest = Ingest(database, FakeReader(), settings, Secrets(b"k" * 32))  # type: ignore[arg-type]
    assert ingest.items(items, Origin(source="plaza"), now=NOW).new == len(TEXTS)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("배송", ["delivery"]),
        ("배송이", ["delivery"]),
        ("송이", ["delivery"]),
        ("배", ["delivery"]),
        ("배송 늦어요", ["delivery"]),
        ("배송 late", []),
        ("누리", ["delivery", "mixed"]),
        ("누리마켓", ["delivery"]),
        ("LATE", ["english"]),
        ("late delivery", ["english"]),
        ("lat", []),
        ("café", ["english"]),
        ("v2.0", ["english"]),
        ("3월", ["english"]),
        ("überschrift", ["title"]),
        ("iphone15", ["mixed"]),
        ("iphone15이", ["mixed"]),
        ("1e5", ["mixed"]),
        ("0x1f", ["mixed"]),
        ("파하가", ["long"]),
        ("nuri", ["mixed"]),
        ("\"' OR 1=1 --", []),
        ("배송 AND NOT (", []),
        ("*", []),
        ("", []),
        (":* & | ! <->", []),
        ("\\", []),
        ("NEAR(배송)", []),
    ],
)
def test_found(session: Session, query: str, expected: list[str]) -> None:
    rows = session.scalars(
        select(MentionRow.external_id)
        .where(search.condition(session, query))
        .order_by(MentionRow.external_id)
    ).all()
    assert rows == expected


def test_a_search_uses_its_index(session: Session) -> None:
    query = select(MentionRow.id).where(search.condition(session, "배송"))
    engine = session.get_bind()
    explain = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
    compiled = query.compile(engine, compile_kwargs={"literal_binds": True})
    if engine.dialect.name == "postgresql":
        for other in ("seqscan", "indexscan", "indexonlyscan"):  # so few rows need no index
            session.connection().exec_driver_sql(f"SET LOCAL enable_{other} = off")
    plan = str(session.connection().exec_driver_sql(explain + str(compiled)).all())
    assert "VIRTUAL TABLE INDEX" in plan or "ix_mention_search_tokens" in plan
