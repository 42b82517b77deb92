"""Search results: each query shows another part of a text, which must not look like edits."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import select

from builders import NOW, a_raw, stored_brand
from listener.pipeline.ingest import Ingest, Origin
from listener.store.tables import ChangeRow, MatchRow, MentionRow, RevisionRow
from listener.store.work import Database

ONE = a_raw("p1", "하늘 배송이 늦다는 글이...", title="쇼핑몰 두 곳 비교", excerpt=True)
OTHER = replace(ONE, text="바다 쪽은 포장이 좋았어요...")
ORIGIN = Origin(source="plaza")


def test_excerpts_of_two_queries_are_no_edits_and_keep_each_others_brands(
    database: Database, ingest: Ingest
) -> None:
    with database.write() as work:
        for name in ("하늘", "바다"):
            stored_brand(work.session, name)
        work.commit()
    reports = [ingest.items([one], ORIGIN, now=NOW) for one in (ONE, OTHER, ONE, OTHER)]
    assert [report.new for report in reports] == [1, 0, 0, 0]
    assert [report.edited for report in reports] == [0, 0, 0, 0]
    assert [report.rematched for report in reports] == [0, 1, 0, 0]
    with database.read() as session:
        assert session.scalars(select(MentionRow)).one().text == "하늘 배송이 늦다는 글이..."
        assert len(list(session.scalars(select(MatchRow)))) == 2
        assert not list(session.scalars(select(RevisionRow)))
        assert "left" not in {one.kind for one in session.scalars(select(ChangeRow))}


def test_another_title_is_an_edit(database: Database, ingest: Ingest) -> None:
    ingest.items([ONE], ORIGIN, now=NOW)
    report = ingest.items([replace(OTHER, title="쇼핑몰 세 곳 비교")], ORIGIN, now=NOW)
    assert report.edited == 1
    with database.read() as session:
        assert session.scalars(select(MentionRow)).one().text == "바다 쪽은 포장이 좋았어요..."
