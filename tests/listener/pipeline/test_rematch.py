"""A brand made, changed or archived later on: what is stored follows."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from builders import NOW, a_raw, stored_brand
from listener.pipeline.ingest import Ingest, Origin
from listener.pipeline.rematch import rematch, rematch_if_needed
from listener.pipeline.rollup import roll_up
from listener.store import brands
from listener.store.tables import BucketRow, ChangeRow, MatchRow, MentionRow, ReadingRow
from listener.store.work import Database

LATER = NOW + timedelta(days=1)


def matches(database: Database) -> set[tuple[str, int, str]]:
    with database.read() as session:
        rows = session.execute(
            select(MentionRow.external_id, MatchRow.brand_id, MatchRow.origin).join(
                MatchRow, MatchRow.mention_id == MentionRow.id
            )
        )
        return {tuple(row) for row in rows}


def kinds(database: Database) -> list[tuple[int, str]]:
    with database.read() as session:
        return [(c.seq, c.kind) for c in session.scalars(select(ChangeRow).order_by(ChangeRow.seq))]


def test_a_brand_made_later_finds_what_is_kept(database: Database, ingest: Ingest) -> None:
    items = [a_raw("1", "Haneul -"), a_raw("2", "Bada -"), a_raw("3", "Haneul and Bada -")]
    with database.write() as work:
        haneul = stored_brand(work.session, "Haneul")
        work.commit()
    ingest.items([*items, a_raw("4", "weather")], Origin(source="plaza"), now=NOW)
    with database.write() as work:
        bada = stored_brand(work.session, "Bada")
        work.commit()

    assert rematch(ingest, now=LATER) == 2
    assert rematch(ingest, now=LATER) == 0

    assert matches(database) == {
        *(("1", haneul.id, "term"), ("2", bada.id, "term")),
        *(("3", haneul.id, "term"), ("3", bada.id, "term")),
    }
    assert kinds(database) == [(1, "created"), (3, "created"), (4, "corrected")]
    roll_up(database)
    with database.read() as session:
        expires = session.scalars(select(MentionRow.expires_at).order_by(MentionRow.id)).all()
        assert expires == [None, None, None, NOW + timedelta(days=14)]
        rows = session.scalars(select(BucketRow).where(BucketRow.dimension == "negative"))
        assert {b.brand_id: b.count for b in rows} == {haneul.id: 2, bada.id: 2}
        assert len(session.scalars(select(ReadingRow)).all()) == 4 + 4


def test_what_was_found_for_an_archived_brand_stays(database: Database, ingest: Ingest) -> None:
    with database.write() as work:
        haneul = stored_brand(work.session, "Haneul")
        work.commit()
    ingest.items([a_raw("1", "Haneul -")], Origin(source="plaza"), now=NOW)
    with database.write() as work:
        brands.archive(work.session, haneul.id, now=NOW)
        work.commit()
    ingest.items([a_raw("2", "Haneul again")], Origin(source="plaza"), now=NOW)

    assert rematch(ingest, now=LATER) == 0

    assert matches(database) == {("1", haneul.id, "term")}
    assert kinds(database) == [(1, "created")]


def test_a_brand_that_takes_another_name_loses_mentions(database: Database, ingest: Ingest) -> None:
    with database.write() as work:
        haneul = stored_brand(work.session, "Haneul")
        shop = stored_brand(work.session, "Shop")
        work.commit()
    ingest.items([a_raw("1", "Haneul -")], Origin(source="plaza"), now=NOW)
    ingest.items([a_raw("2", "about Haneul")], Origin(source="file", brand=shop), now=NOW)
    with database.write() as work:
        brands.update(work.session, haneul.id, name="Norang")
        work.commit()

    assert rematch(ingest, now=LATER) == 2

    assert matches(database) == {("2", shop.id, "watch")}
    assert kinds(database) == [(3, "left"), (4, "corrected")]
    with database.read() as session:
        (left, _) = session.scalars(select(MentionRow).order_by(MentionRow.id))
        assert left.expires_at == LATER + timedelta(days=14)


def test_found_on_its_own_page_after_all(database: Database, ingest: Ingest) -> None:
    """The better reason is kept, and it is nothing to tell."""
    with database.write() as work:
        haneul = stored_brand(work.session, "Haneul")
        work.commit()
    ingest.items([a_raw("1", "Haneul")], Origin(source="plaza"), now=NOW)

    ingest.items([a_raw("1", "Haneul")], Origin(source="plaza", brand=haneul), now=NOW)

    assert matches(database) == {("1", haneul.id, "watch")}
    assert kinds(database) == [(1, "created")]
    ingest.items([a_raw("1", "names nobody")], Origin(source="plaza"), now=NOW)
    assert matches(database) == {("1", haneul.id, "watch")}


def test_it_is_done_once_for_each_change_of_words(ingest: Ingest) -> None:
    ingest.items([a_raw("1", "하늘약국 문 닫았나요")], Origin(source="plaza"), now=NOW)
    assert rematch_if_needed(ingest, now=LATER) == 0
    with ingest.database.write() as work:
        brand = stored_brand(work.session, "하늘약국")
        work.commit()
    assert rematch_if_needed(ingest, now=LATER) == 1
    assert rematch_if_needed(ingest, now=LATER) == 0
    with ingest.database.write() as work:
        brands.update(work.session, brand.id, name="바다약국")
        work.commit()
    assert rematch_if_needed(ingest, now=LATER) == 1
