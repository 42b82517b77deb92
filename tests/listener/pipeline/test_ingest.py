"""The write path: each mention once, edits with their past, deletions without a trace."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from builders import NOW, a_raw, stored_brand, stored_watch
from fakes import FakeReader, FakeVersions
from listener.errors import ClaimLost
from listener.pipeline.ingest import Ingest, Origin, Report
from listener.security import Secrets
from listener.settings import Settings
from listener.store import brands, changes, generations, runs, search, watches
from listener.store.tables import (
    AuthorRow,
    ChangeRow,
    DirtyRow,
    EngagementRow,
    GapRow,
    MatchRow,
    MentionRow,
    MentionWatchRow,
    ReadingRow,
    RevisionRow,
)
from listener.store.work import Database
from listener.types import (
    Batch,
    Claim,
    Engagement,
    Gap,
    GapReason,
    MatchMode,
    Precision,
    RawAuthor,
    RawItem,
    State,
)


class Install:
    """One brand, one watch, and a claim on it."""

    def __init__(self, database: Database, ingest: Ingest, match: MatchMode = MatchMode.TERMS):
        self.database = database
        self.ingest = ingest
        with database.write() as work:
            self.brand = stored_brand(work.session, "Haneul", aliases=["하늘"])
            self.watch_id = stored_watch(work.session, brand=self.brand, match=match)
            work.commit()
        self.claim = self.take()

    def take(self, now: datetime = NOW) -> Claim:
        with self.database.write() as work:
            claim = watches.claim(work.session, self.watch_id, now=now, lease=timedelta(minutes=2))
            work.commit()
        assert claim is not None
        return claim

    def store(
        self,
        *items: RawItem,
        now: datetime = NOW,
        covered_to: datetime | None = None,
        claim: Claim | None = None,
        **batch: Any,
    ) -> Report:
        with self.database.read() as session:
            watch = watches.load(session, self.watch_id, lambda _: {})
        return self.ingest.batch(
            Batch(items=items, **({"state": State(cursor={"at": "1"})} | batch)),
            watch,
            claim or self.claim,
            covered_to=covered_to,
            now=now,
        )

    def all(self, row: type[Any], *order: Any) -> list[Any]:
        with self.database.read() as session:
            return list(session.scalars(select(row).order_by(*order)))

    def changes(self) -> list[tuple[int, int, str]]:
        return [(c.seq, c.mention_id, c.kind) for c in self.all(ChangeRow, ChangeRow.seq)]


@pytest.fixture
def install(database: Database, ingest: Ingest) -> Install:
    return Install(database, ingest)


def snapshot(database: Database) -> dict[str, list[Any]]:
    """All rows of all tables, but for the leases that a batch renews and the counts of its run."""
    from listener.store.base import Base

    with database.read() as session:
        return {
            table.name: sorted((tuple(row) for row in session.execute(select(table))), key=repr)
            for table in Base.metadata.sorted_tables
            if table.name not in ("run", "watch", "mention_search", "dirty")
        }


def test_a_mention_is_stored_with_all_that_was_told(install: Install) -> None:
    report = install.store(
        a_raw(
            "7",
            "하늘 배송이 늦어요 topic:delivery -",
            namespace="plaza.kr",
            title="후기",
            rating=2,
            rating_min=1,
            rating_max=5,
            media=("https://plaza.example/a.jpg",),
            raw={"id": 7, "deep": {"a": [1, None]}},
            product="상자",
            is_own=False,
            parent_id="3",
            engagement=Engagement(likes=4),
        )
    )

    assert (report.items, report.new, report.edited, report.seen) == (1, 1, 0, 0)
    (m,) = install.all(MentionRow)
    assert (m.source, m.namespace, m.external_id) == ("plaza", "plaza.kr", "7")
    assert (m.title, m.text, m.rating, m.rating_max) == (
        *("후기", "하늘 배송이 늦어요 topic:delivery -"),
        *(2.0, 5.0),
    )
    assert m.media == ["https://plaza.example/a.jpg"]
    assert m.raw == {"id": 7, "deep": {"a": [1, None]}}
    assert m.event_at == m.published_at == NOW - timedelta(hours=1)
    assert (m.seen_at, m.edited_at, m.expires_at, m.product) == (NOW, None, None, "상자")
    (match,) = install.all(MatchRow)
    assert (match.brand_id, match.origin, match.spans) == (
        *(install.brand.id, "term"),
        [["text", 0, 2, "하늘"]],
    )
    readings = install.all(ReadingRow, ReadingRow.brand_id)
    assert [(r.brand_id, r.score, r.label, r.complaint, r.topics) for r in readings] == [
        (0, -0.8, "negative", True, ["delivery"]),
        (install.brand.id, -0.8, "negative", True, ["delivery"]),
    ]
    (author,) = install.all(AuthorRow)
    assert (author.native_id, author.handle, author.name) == ("u1", "mina", "Mina")
    assert author.pseudonym.startswith("a_")
    assert m.author_id == author.id
    (engagement,) = install.all(EngagementRow)
    assert (engagement.likes, engagement.views, engagement.at) == (4, None, NOW)
    (brought,) = install.all(MentionWatchRow)
    assert (brought.watch_id, brought.run_id) == (install.watch_id, install.claim.run_id)
    (mark,) = install.all(DirtyRow)
    assert (mark.brand_id, mark.at) == (install.brand.id, NOW - timedelta(hours=1))
    assert install.changes() == [(1, m.id, "created")]


def test_the_same_batch_again_changes_nothing(install: Install, database: Database) -> None:
    items = [
        a_raw("1", "하늘 -", engagement=Engagement(likes=1)),
        a_raw("2", "nothing to do with it"),
        a_raw("3", "하늘 +", published_at=None, published_precision=Precision.NONE),
    ]
    install.store(*items)
    before = snapshot(database)

    report = install.store(*items, now=NOW + timedelta(minutes=5))

    assert (report.new, report.edited, report.seen) == (0, 0, 3)
    assert snapshot(database) == before


def test_an_item_twice_in_a_batch_counts_as_last_told(install: Install) -> None:
    report = install.store(a_raw("1", "하늘 first"), a_raw("1", "하늘 second"))

    assert report.new == 1
    assert [m.text for m in install.all(MentionRow)] == ["하늘 second"]
    assert install.all(RevisionRow) == []


def test_the_same_id_elsewhere_is_another_mention(install: Install) -> None:
    install.store(a_raw("1", "하늘", namespace="a"), a_raw("1", "하늘", namespace="b"))

    assert len(install.all(MentionRow)) == 2
    assert len(install.all(AuthorRow)) == 2


def test_personal_data_is_never_stored(install: Install) -> None:
    install.store(
        a_raw(
            "1",
            "하늘 010-1234-5678로 연락 주세요",
            title="hong@example.com",
            raw={"t": "010-1234-5678"},
        )
    )
    (stored,) = install.all(MentionRow)
    assert (stored.text, stored.title) == ("하늘 010-****-****로 연락 주세요", "h***@example.com")
    assert stored.raw == {"t": "010-****-****"}
    # The same text again is no edit.
    assert install.store(
        a_raw("1", "하늘 010-1234-5678로 연락 주세요", title="hong@example.com")
    ).seen


def test_an_edit_keeps_the_earlier_text(install: Install, database: Database) -> None:
    install.store(a_raw("1", "하늘 좋아요 +"))
    later = NOW + timedelta(days=1)

    report = install.store(a_raw("1", "하늘 배송이 늦어요 -"), now=later)

    assert (report.new, report.edited) == (0, 1)
    (m,) = install.all(MentionRow)
    assert (m.text, m.edited_at, m.seen_at) == ("하늘 배송이 늦어요 -", later, NOW)
    assert m.event_at == NOW - timedelta(hours=1)
    (revision,) = install.all(RevisionRow)
    assert (revision.text, revision.replaced_at) == ("하늘 좋아요 +", later)
    assert [r.score for r in install.all(ReadingRow)] == [-0.8, -0.8]
    assert install.changes() == [(2, m.id, "edited")]
    (change,) = install.all(ChangeRow)
    assert change.past == [
        {
            "brands": [install.brand.id],
            "language": "ko",
            "label": "positive",
            "complaint": False,
            "topics": [],
            "tags": [],
            "source": "plaza",
            "kind": "post",
            "rating": None,
            "flags": [],
        }
    ]
    with database.read() as session:
        assert found(session, "늦어요") == [m.id]
        assert found(session, "좋아요") == []


def test_past_states_accumulate_once_each(install: Install) -> None:
    for words in ("하늘 a +", "하늘 b -", "하늘 c +", "하늘 d -", "하늘 e +"):
        install.store(a_raw("1", words))

    (change,) = install.all(ChangeRow)
    assert [p["label"] for p in change.past] == ["positive", "negative"]
    assert change.seq == 5


def test_an_edit_that_moves_the_date_marks_both_buckets(install: Install) -> None:
    install.store(a_raw("1", "하늘 a", published_at=NOW - timedelta(hours=2)))
    install.store(a_raw("1", "하늘 b", published_at=NOW - timedelta(hours=1)))

    marks = install.all(DirtyRow, DirtyRow.at)
    assert [(mark.at, mark.version) for mark in marks] == [
        (NOW - timedelta(hours=2), 2),
        (NOW - timedelta(hours=1), 1),
    ]
    assert [m.event_at for m in install.all(MatchRow)] == [NOW - timedelta(hours=1)]


def test_a_mention_that_no_longer_matches_leaves(install: Install) -> None:
    install.store(a_raw("1", "하늘 +"))
    install.store(a_raw("1", "nothing here"))

    (change,) = install.all(ChangeRow)
    assert (change.seq, change.kind) == (2, "left")
    assert change.past[0]["brands"] == [install.brand.id]
    assert install.all(MatchRow) == []
    (m,) = install.all(MentionRow)
    assert m.expires_at == NOW + timedelta(days=14)

    install.store(a_raw("1", "하늘 again"))
    (change,) = install.all(ChangeRow)
    assert (change.seq, change.kind) == (3, "edited")
    (m,) = install.all(MentionRow)
    assert m.expires_at is None


def test_what_matches_nothing_is_kept_a_while_and_not_told(install: Install) -> None:
    install.store(a_raw("1", "weather"))

    (m,) = install.all(MentionRow)
    assert m.expires_at == NOW + timedelta(days=14)
    assert install.changes() == []
    assert install.all(DirtyRow) == []
    assert [r.brand_id for r in install.all(ReadingRow)] == [0]

    install.store(a_raw("1", "no longer weather"))
    assert install.changes() == []

    install.store(a_raw("1", "하늘 weather"))
    assert install.changes() == [(1, m.id, "created")]


def test_a_new_brand_finds_what_is_seen_again(install: Install, database: Database) -> None:
    install.store(a_raw("1", "하늘 and Bada"), a_raw("2", "only Bada"))
    with database.write() as work:
        bada = stored_brand(work.session, "Bada")
        work.commit()

    report = install.store(a_raw("1", "하늘 and Bada"), a_raw("2", "only Bada"))

    assert (report.new, report.edited, report.seen) == (0, 0, 2)
    assert install.all(RevisionRow) == []
    matches = {(m.mention_id, m.brand_id) for m in install.all(MatchRow)}
    first, second = install.all(MentionRow, MentionRow.id)
    assert matches == {(first.id, install.brand.id), (first.id, bada.id), (second.id, bada.id)}
    assert second.expires_at is None
    assert install.changes() == [(2, first.id, "corrected"), (3, second.id, "created")]


def test_a_deletion_at_the_source_leaves_a_tombstone(install: Install, database: Database) -> None:
    install.store(a_raw("1", "하늘 secret"), a_raw("2", "weather"), a_raw("3", "하늘 stays"))
    install.store(a_raw("1", "하늘 more secret"))
    gone, weather, stays = install.all(MentionRow, MentionRow.id)

    report = install.store(
        a_raw("1", "", deleted=True), a_raw("2", "", deleted=True), a_raw("99", "", deleted=True)
    )

    assert report.deleted == 2
    assert [m.id for m in install.all(MentionRow)] == [stays.id]
    assert {row.mention_id for row in install.all(ReadingRow)} == {stays.id}
    for row in (RevisionRow, EngagementRow):
        assert install.all(row) == []
    assert install.changes() == [(2, stays.id, "created"), (4, gone.id, "deleted")]
    with database.read() as session:
        assert found(session, "secret") == []
        assert session.scalar(text("SELECT count(*) FROM mention_search")) == 1

    install.store(a_raw("1", "하늘 back again"))
    back = install.all(MentionRow, MentionRow.id)[-1]
    assert back.id not in (gone.id, weather.id)
    assert install.changes()[-1] == (5, back.id, "created")


def test_counts_are_snapshots_and_no_edit(install: Install) -> None:
    for minutes, likes in ((0, 1), (5, 1), (10, 3)):
        install.store(
            a_raw("1", "하늘", engagement=Engagement(likes=likes)),
            now=NOW + timedelta(minutes=minutes),
        )

    rows = install.all(EngagementRow, EngagementRow.at)
    assert [(r.likes, r.at) for r in rows] == [(1, NOW), (3, NOW + timedelta(minutes=10))]
    assert len(install.changes()) == 1


def test_an_author_is_as_last_told(install: Install) -> None:
    install.store(a_raw("1", "하늘", author=RawAuthor(native_id="u", handle="old", followers=1)))
    install.store(a_raw("2", "하늘", author=RawAuthor(native_id="u", handle="new")))
    install.store(a_raw("3", "하늘", author=RawAuthor(handle="u")))
    install.store(a_raw("4", "하늘", author=None))

    (author,) = install.all(AuthorRow)
    assert (author.handle, author.followers) == ("u", 1)
    assert [m.author_id for m in install.all(MentionRow, MentionRow.id)] == [
        *([author.id] * 3),
        None,
    ]


def test_all_of_a_shop_page_is_the_brands(database: Database, ingest: Ingest) -> None:
    install = Install(database, ingest, MatchMode.ALL)
    with database.write() as work:
        bada = stored_brand(work.session, "Bada")
        work.commit()

    install.store(a_raw("1", "배송이 늦어요 -"), a_raw("2", "better than Bada, 하늘이 +"))

    matches = install.all(MatchRow, MatchRow.mention_id, MatchRow.brand_id)
    assert [(m.brand_id, m.origin, len(m.spans)) for m in matches] == [
        (install.brand.id, "watch", 0),
        (install.brand.id, "watch", 1),
        (bada.id, "term", 1),
    ]
    # An edit does not make it anybody else's.
    install.store(a_raw("1", "이제 괜찮아요 +"))
    assert install.all(MatchRow, MatchRow.mention_id)[0].origin == "watch"


def test_another_watch_may_claim_a_known_mention_for_its_brand(
    install: Install, database: Database, ingest: Ingest
) -> None:
    install.store(a_raw("1", "배송이 늦어요 -"))
    with database.write() as work:
        bada = stored_brand(work.session, "Bada")
        other = stored_watch(work.session, brand=bada, match=MatchMode.ALL)
        claim = watches.claim(work.session, other, now=NOW, lease=timedelta(minutes=2))
        work.commit()
    assert claim is not None
    install.watch_id = other

    install.store(a_raw("1", "배송이 늦어요 -"), claim=claim)

    (match,) = install.all(MatchRow)
    assert (match.brand_id, match.origin) == (bada.id, "watch")
    assert {row.watch_id for row in install.all(MentionWatchRow)} == {1, other}
    assert [kind for _, _, kind in install.changes()] == ["created"]


def test_a_bad_item_does_not_hurt_the_others(install: Install, database: Database) -> None:
    report = install.store(
        a_raw("1", "하늘"), a_raw("", "no id"), a_raw("3", ""), a_raw("4" * 400 + "하" * 700, "x")
    )

    assert (report.items, report.new) == (4, 2)  # a long id is stored by its hash
    assert [(r.at, r.why.field) for r in report.rejected] == [(1, "external_id"), (2, "text")]
    with database.read() as session:
        run = runs.get(session, install.claim.run_id)
    assert (run.items, run.new, run.rejected) == (4, 2, 2)
    assert len(run.notices) == 2


def test_hostile_items_are_stored_or_refused_but_break_nothing(install: Install) -> None:
    nasty = "\x00\ud800하늘\u202e<script>alert(1)</script> '; DROP TABLE mention; -- %s :x ?" * 50
    report = install.store(
        a_raw(
            nasty,
            nasty,
            namespace=nasty * 3,
            title=nasty * 20,
            author=RawAuthor(native_id=nasty * 3, handle=nasty, name=nasty, followers=2**70),
            raw={"\x00": nasty, "n": 2**80, "f": float("inf")},
            product=nasty,
            product_version=nasty,
            place=nasty,
            touchpoint=nasty,
            parent_id=nasty,
            country="하늘",
            rating=float("nan"),
            engagement=Engagement(likes=2**70),
            published_at=datetime(9999, 12, 31, tzinfo=UTC),
        ),
        a_raw("2", "하늘", published_at=datetime(1, 1, 1, tzinfo=UTC)),
    )

    assert report.new == 2
    assert report.rejected == ()
    future, past = install.all(MentionRow, MentionRow.id)
    assert (future.event_at, future.event_clamped) == (NOW, True)
    assert past.event_at == NOW


def test_cursor_gaps_and_numbers_go_with_the_items(install: Install, database: Database) -> None:
    gap = Gap(from_at=NOW - timedelta(days=1), to_at=NOW, why=GapReason.PAGE_CAP)
    for _ in range(2):
        install.store(
            a_raw("1", "하늘"),
            state=State(cursor={"since": "9"}, validators={"u": {"etag": "x"}}),
            gaps=(gap,),
            notices=("slow",),
            requests=3,
        )

    with database.read() as session:
        watch = watches.get(session, install.watch_id)
        run = runs.get(session, install.claim.run_id)
    assert watch.state == {"cursor": {"since": "9"}, "validators": {"u": {"etag": "x"}}}
    assert watch.last_item_at == NOW - timedelta(hours=1)
    assert [(g.from_at, g.to_at, g.why) for g in install.all(GapRow)] == [
        (gap.from_at, gap.to_at, "page-cap")
    ]
    assert (run.requests, run.items, run.new, run.notices) == (6, 2, 1, ["slow"])


def test_a_lost_claim_writes_nothing(install: Install, database: Database) -> None:
    before = snapshot(database)
    other = install.take(NOW + timedelta(hours=1))

    with pytest.raises(ClaimLost):
        install.store(a_raw("1", "하늘"), now=NOW + timedelta(hours=1))

    assert snapshot(database) == before
    with database.read() as session:
        assert watches.get(session, install.watch_id).state == {}
        assert runs.get(session, install.claim.run_id).outcome == "lost"
    install.store(a_raw("1", "하늘"), claim=other)


def test_dates_by_day_and_without_date_are_spread(install: Install) -> None:
    covered_to = NOW - timedelta(hours=4)
    install.store(
        *(a_raw(f"n{i}", "하늘", published_at=None) for i in range(4)), covered_to=covered_to
    )

    times = [m.event_at for m in install.all(MentionRow, MentionRow.event_at)]
    assert times == [covered_to + timedelta(minutes=m) for m in (30, 90, 150, 210)]
    assert times == [m.event_at for m in install.all(MatchRow, MatchRow.event_at)]


def test_new_models_write_under_the_old_generation_too(
    install: Install, database: Database, settings: Settings, secrets: Secrets
) -> None:
    install.store(a_raw("1", "하늘 -"))
    install.ingest = Ingest(database, FakeReader(FakeVersions(key="fake-2")), settings, secrets)

    install.store(a_raw("2", "하늘 -"))

    with database.read() as session:
        old, new = [row.id for row in generations.listing(session)]
        assert generations.active_id(session) == old
    rows = {(r.mention_id, r.generation_id) for r in install.all(ReadingRow)}
    first, second = [m.id for m in install.all(MentionRow, MentionRow.id)]
    assert rows == {(first, old), (second, old), (second, new)}


def test_what_is_known_is_not_read_again(
    database: Database, settings: Settings, secrets: Secrets
) -> None:
    reader = FakeReader()
    install = Install(database, Ingest(database, reader, settings, secrets))
    items = [a_raw(str(n), f"하늘 {n}") for n in range(3)]
    install.store(*items)
    install.store(*items, a_raw("new", "하늘 new"))

    assert reader.read_texts == ["하늘 0", "하늘 1", "하늘 2", "하늘 new"]


def test_items_without_a_watch(install: Install) -> None:
    report = install.ingest.items(
        [a_raw("1", "배송이 늦어요")], Origin(source="file", brand=install.brand), now=NOW
    )

    assert report.new == 1
    assert install.all(MentionWatchRow) == []
    assert [m.origin for m in install.all(MatchRow)] == ["watch"]


def test_an_archived_brand_is_not_matched(install: Install, database: Database) -> None:
    with database.write() as work:
        brands.archive(work.session, install.brand.id, now=NOW)
        work.commit()

    install.store(a_raw("1", "하늘"))

    assert install.all(MatchRow) == []


def test_many_at_once(install: Install, database: Database) -> None:
    report = install.store(*(a_raw(str(n), f"하늘 {n}") for n in range(2_500)))

    assert report.new == 2_500
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(MentionRow)) == 2_500
        assert changes.head(session) == 2_500
        # As given: the first item has the lowest number.
        first = session.scalar(select(MentionRow).where(MentionRow.external_id == "0"))
        assert first is not None
        assert session.scalar(select(ChangeRow.mention_id).where(ChangeRow.seq == 1)) == first.id


def found(session: Session, query: str) -> list[int]:
    """Ids of the mentions that a search finds."""
    return list(session.scalars(select(MentionRow.id).where(search.condition(session, query))))


def test_a_record_is_masked_whatever_the_text_holds(sqlite: Database, settings: Settings) -> None:
    ingest = Ingest(sqlite, FakeReader(), settings, Secrets(b"k" * 32))
    items = [a_raw("1", "Haneul is late", raw={"customer": {"phone": "010-1234-5678", "id": 7}})]
    ingest.items(items, Origin(source="plaza"), now=NOW)
    with sqlite.read() as session:
        raw = session.scalars(select(MentionRow.raw)).one()
    assert raw == {"customer": {"phone": "010-****-****", "id": 7}}
