"""Screening: copies become stories, paid and repeated posts are flagged, and all of it stays right
when texts are edited and deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from builders import NOW, a_raw, stored_brand
from listener.pipeline import screening as screening_module
from listener.pipeline.ingest import Ingest, Origin
from listener.pipeline.retention import retain
from listener.pipeline.rollup import distinct, recount_if_switched, roll_up
from listener.pipeline.screening import repeats, screen
from listener.settings import Settings
from listener.store import buckets, feed, flags, screening
from listener.store.feed import MentionFilter
from listener.store.screening import Posted
from listener.store.tables import (
    BucketRow,
    FlagRow,
    MentionRow,
    MentionStoryRow,
    SketchRow,
    StoryRow,
)
from listener.store.work import Database
from listener.types import Brand, Kind, RawAuthor, RawItem

PRESS = (
    "Haneul opens its third warehouse near Busan this spring and promises that whoever orders"
    " before noon has the parcel in hand on the next morning, on islands as well."
)
SHORTER = PRESS[: PRESS.index(", on islands")]
SPONSORED = "Haneul 신제품을 써 봤어요. 업체로부터 제품을 무상으로 제공받아 작성한 후기입니다."
DAY = timedelta(days=1)


@pytest.fixture
def brand(database: Database) -> Brand:
    with database.write() as work:
        brand = stored_brand(work.session, "Haneul")
        work.commit()
    return brand


def store(ingest: Ingest, *items: RawItem, source: str = "plaza") -> None:
    ingest.items(items, Origin(source=source), now=NOW)


def by(number: int) -> RawAuthor:
    return RawAuthor(native_id=f"u{number}")


def stories(database: Database) -> dict[str, tuple[set[str], int]]:
    """By the lead's external id: the copies, and how many there are said to be."""
    with database.read() as session:
        names = {m.id: m.external_id for m in session.scalars(select(MentionRow))}
        found: dict[str, tuple[set[str], int]] = {}
        for story in session.scalars(select(StoryRow)):
            members = session.scalars(
                select(MentionStoryRow.mention_id).where(MentionStoryRow.story_id == story.id)
            )
            found[names[story.lead_id]] = ({names[id_] for id_ in members}, story.copies)
    return found


def flagged(database: Database) -> dict[str, set[str]]:
    with database.read() as session:
        rows = session.execute(
            select(MentionRow.external_id, FlagRow.kind).join(
                FlagRow, FlagRow.mention_id == MentionRow.id
            )
        )
        found: dict[str, set[str]] = {}
        for name, kind in rows:
            found.setdefault(name, set()).add(kind)
    return found


def counted(database: Database, **settings: Any) -> dict[str, tuple[int, int, int]]:
    """Posts, authors and stories of each dimension, summed over buckets."""
    roll_up(database, **settings)
    found: dict[str, tuple[int, int, int]] = {}
    with database.read() as session:
        for b in session.scalars(select(BucketRow)):
            had = found.get(b.dimension, (0, 0, 0))
            found[b.dimension] = (had[0] + b.count, had[1] + b.authors, had[2] + b.stories)
    return found


def id_of(database: Database, name: str) -> int:
    with database.read() as session:
        return session.scalars(select(MentionRow.id).where(MentionRow.external_id == name)).one()


def test_copies_become_one_story_with_the_fullest_in_front(
    database: Database, ingest: Ingest, brand: Brand
) -> None:
    store(ingest, a_raw("1", SHORTER, author=by(1)), a_raw("x", "Haneul 배송 늦어요", author=by(5)))
    assert screen(database, now=NOW) == 2
    assert stories(database) == {}

    store(ingest, a_raw("2", PRESS, author=by(2)), a_raw("3", f"{PRESS} ", author=by(3)))
    store(ingest, a_raw("4", f">> {PRESS.upper()} https://haneul.example", author=by(4)))
    assert screen(database, now=NOW) == 3
    assert stories(database) == {"2": ({"1", "2", "3", "4"}, 4)}
    assert screen(database, now=NOW) == 0
    assert counted(database)["all"] == (5, 5, 2)


def test_short_texts_of_several_people_are_several_voices(
    database: Database, ingest: Ingest, brand: Brand
) -> None:
    store(ingest, *(a_raw(str(n), "Haneul 배송 늦어요", author=by(n)) for n in range(3)))
    screen(database, now=NOW)
    assert stories(database) == {}
    assert counted(database)["all"] == (3, 3, 3)


def test_copies_weeks_apart_are_not_one_story(
    database: Database, ingest: Ingest, brand: Brand
) -> None:
    store(ingest, a_raw("1", PRESS, published_at=NOW - 15 * DAY), a_raw("2", PRESS))
    screen(database, now=NOW)
    assert stories(database) == {}


def test_articles_under_one_headline_are_syndicated(
    database: Database, ingest: Ingest, brand: Brand
) -> None:
    title = "Haneul ships parcels overnight from its third warehouse near Busan"
    store(
        ingest,
        a_raw("1", "A summary that one paper wrote.", title=title, kind=Kind.ARTICLE),
        a_raw("2", "Other words, and many more of them.", title=title, kind=Kind.ARTICLE),
    )
    screen(database, now=NOW)
    assert stories(database) == {"2": ({"1", "2"}, 2)}
    with database.read() as session:
        told = feed.get(session, id_of(database, "1")).story
    assert told is not None
    assert (told.kind, told.copies, told.lead) == ("syndicated", 2, id_of(database, "2"))
    assert [member.id for member in told.members] == [1, 2]


def test_an_edit_is_screened_anew(database: Database, ingest: Ingest, brand: Brand) -> None:
    store(ingest, *(a_raw(n, PRESS) for n in "12"), a_raw("3", SPONSORED))
    screen(database, now=NOW)
    assert stories(database) == {"1": ({"1", "2"}, 2)}
    assert flagged(database) == {"3": {"sponsored"}}

    store(ingest, a_raw("2", "Haneul was late again"), a_raw("3", PRESS, author=by(3)))
    assert screen(database, now=NOW) == 2
    assert stories(database) == {"1": ({"1", "3"}, 2)}
    assert flagged(database) == {}


def test_a_copy_that_is_one_no_more_is_counted_by_itself(
    database: Database, ingest: Ingest, brand: Brand
) -> None:
    store(ingest, *(a_raw(n, PRESS, author=by(int(n))) for n in "12"))
    screen(database, now=NOW)
    assert counted(database)["all"] == (2, 2, 1)

    store(ingest, a_raw("2", "Haneul was late again", author=by(2)))
    assert counted(database)["all"] == (2, 2, 1)  # before it is screened
    screen(database, now=NOW)
    assert counted(database)["all"] == (2, 2, 2)


def test_what_is_deleted_leaves_its_story(database: Database, ingest: Ingest, brand: Brand) -> None:
    texts = {"1": SHORTER, "2": PRESS, "3": SHORTER}
    store(ingest, *(a_raw(n, text, author=by(int(n))) for n, text in texts.items()))
    screen(database, now=NOW)
    assert stories(database) == {"2": ({"1", "2", "3"}, 3)}
    store(ingest, a_raw("2", "", deleted=True))
    assert stories(database) == {"1": ({"1", "3"}, 2)}
    store(ingest, a_raw("1", "", deleted=True))
    assert stories(database) == {}
    # What is left is still there to be copied.
    store(ingest, a_raw("4", SHORTER, author=by(4)))
    screen(database, now=NOW)
    assert stories(database) == {"3": ({"3", "4"}, 2)}


def test_who_repeats_is_flagged_but_for_the_first_time(
    database: Database, ingest: Ingest, brand: Brand
) -> None:
    def posts(first: int, count: int, author: int, **more: Any) -> list[RawItem]:
        return [
            a_raw(
                str(first + n),
                PRESS,
                author=by(author),
                published_at=NOW - timedelta(hours=9 - n),
                **more,
            )
            for n in range(count)
        ]

    store(ingest, *posts(10, 2, 1), *posts(20, 3, 2), *posts(30, 3, 3, is_own=True))
    screen(database, now=NOW)
    assert flagged(database) == {"21": {"bot"}, "22": {"bot"}}
    store(ingest, a_raw("12", PRESS, author=by(1)))
    screen(database, now=NOW)
    assert flagged(database) == {n: {"bot"} for n in ("21", "22", "11", "12")}
    now = counted(database)
    assert now["flagged"][0] == now["flagged:bot"][0] == 4
    assert (now["all"][0], now["own"][0]) == (2, 3)


def test_repeats_count_within_a_day() -> None:
    def at(*hours: float) -> set[int]:
        return set(
            repeats([Posted(1, 1, n, int(hour * 3_600_000_000)) for n, hour in enumerate(hours)])
        )

    assert at(0, 1) == set()
    assert at(0, 1, 2) == {1, 2}
    assert at(0, 13, 26) == set()
    assert at(0, 30, 31, 32) == {1, 2, 3}


def test_flagged_mentions_are_counted_apart_or_with_the_others(
    database: Database, ingest: Ingest, brand: Brand
) -> None:
    assert recount_if_switched(database, count_flagged=False) == 0
    store(ingest, a_raw("1", SPONSORED), a_raw("2", "Haneul -"))
    screen(database, now=NOW)
    apart = counted(database)
    assert apart["all"] == apart["negative"] == (1, 1, 1)
    assert apart["flagged"] == apart["flagged:sponsored"] == (1, 1, 1)

    assert recount_if_switched(database, count_flagged=False) == 0
    assert recount_if_switched(database, count_flagged=True) == 1
    assert recount_if_switched(database, count_flagged=True) == 0
    together = counted(database, count_flagged=True)
    assert together["all"] == (2, 1, 2)
    assert together["flagged"] == (1, 1, 1)


def test_a_flag_is_told_and_filtered(database: Database, ingest: Ingest, brand: Brand) -> None:
    clean, flag = MentionFilter(flagged=False), MentionFilter(flagged=True)
    store(ingest, a_raw("1", SPONSORED), a_raw("2", "Haneul"))
    with database.read() as session:
        page = feed.changes_after(session, clean, None, limit=10)
        assert [item.id for item in page.items] == [1, 2]
    screen(database, now=NOW)
    with database.read() as session:
        assert [
            (i.id, i.change) for i in feed.changes_after(session, clean, page.mark, limit=10).items
        ] == [(1, "left")]
        (told,) = feed.changes_after(session, flag, None, limit=10).items
        assert (told.id, told.change, list(told.flags)) == (1, "edited", ["sponsored"])


def test_what_a_person_says_of_flags_stays(
    database: Database, ingest: Ingest, brand: Brand
) -> None:
    store(ingest, a_raw("1", SPONSORED), a_raw("2", "Haneul"))
    screen(database, now=NOW)
    with database.write() as work:
        flags.decide(work.session, 1, [], now=NOW)
        flags.decide(work.session, 2, ["promotion"], now=NOW)
        work.commit()
    assert counted(database)["all"][0] == 1
    store(ingest, a_raw("1", f"{SPONSORED} !!"), a_raw("2", "Haneul again"))
    assert screen(database, now=NOW) == 2
    assert flagged(database) == {"1": {"cleared"}, "2": {"promotion"}}
    now = counted(database)
    assert (now["all"][0], now["flagged:promotion"][0]) == (1, 1)
    with database.read() as session:
        (told,) = feed.changes_after(session, MentionFilter(flagged=True), None, limit=9).items
    assert told.id == 2


def test_lists_show_one_copy_of_a_story(database: Database, ingest: Ingest, brand: Brand) -> None:
    store(ingest, *(a_raw(n, PRESS, author=by(int(n))) for n in "123"), a_raw("4", "Haneul"))
    store(ingest, a_raw("5", PRESS, author=by(5)), source="paper")
    screen(database, now=NOW)

    def shown(**wanted: Any) -> list[int]:
        with database.read() as session:
            return sorted(i.id for _, i in feed.newest(session, MentionFilter(**wanted)))

    assert shown() == [1, 2, 3, 4, 5]
    assert shown(grouped=True) == [1, 4]
    # The lead is not in this filter: the newest copy that is stands for the story.
    assert shown(grouped=True, sources=("paper",)) == [5]
    assert shown(grouped=True, q="warehouse", author="a_none") == []
    with database.read() as session:
        story = session.scalars(select(StoryRow.id)).one()
        assert feed.count(session, MentionFilter(grouped=True), limit=9) == 2
        assert feed.count(session, MentionFilter(brand_id=brand.id, grouped=True), limit=9) == 2
        assert feed.count(session, MentionFilter(brand_id=brand.id), limit=9) == 5
        assert feed.count(session, MentionFilter(brand_id=brand.id), limit=3) == 3
    assert shown(story_id=story) == [1, 2, 3, 5]


def test_stories_and_authors_are_distinct_over_the_whole_time(
    database: Database, ingest: Ingest, brand: Brand
) -> None:
    for hours in (1, 2, 3):
        at = NOW - timedelta(hours=hours)
        store(ingest, a_raw(f"{hours}", PRESS, published_at=at, author=by(hours % 2)))
    store(ingest, a_raw("4", "Haneul -", author=by(1)), a_raw("5", SPONSORED, author=by(9)))
    screen(database, now=NOW)
    hour = 3_600_000_000

    def over(unit: Any, places: Any = lambda _: 0) -> dict[str, dict[int, int]]:
        with database.read() as session:
            found = buckets.mentions_between(session, brand.id, NOW - DAY, NOW)
            return distinct(found, unit, places, ("all", "negative", "flagged"))

    assert over("posts") == {"all": {0: 4}, "negative": {0: 1}, "flagged": {0: 1}}
    assert over("stories")["all"] == {0: 2}
    assert over("authors")["all"] == {0: 2}
    start = int((NOW - DAY).timestamp()) * 1_000_000
    assert over("stories", lambda us: (us - start) // hour)["all"] == {21: 1, 22: 1, 23: 2}


def test_what_is_edited_meanwhile_waits_for_the_next_turn(
    database: Database, ingest: Ingest, brand: Brand, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(ingest, a_raw("1", SPONSORED), a_raw("2", "Haneul"))
    take = screening.take

    def edited_before(session: Any, hashes: Any) -> set[int]:
        return take(session, hashes | {1: "another"})

    monkeypatch.setattr(screening, "take", edited_before)
    assert screen(database, now=NOW) == 1
    assert flagged(database) == {}
    monkeypatch.setattr(screening, "take", take)
    assert screen(database, now=NOW) == 1
    assert flagged(database) == {"1": {"sponsored"}}


def test_a_limit_takes_the_newest_first(
    sqlite: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fakes import FakeReader
    from listener.pipeline import screening as module
    from listener.security import Secrets

    ingest = Ingest(sqlite, FakeReader(), settings, Secrets(b"k" * 32))
    monkeypatch.setattr(module, "_FIRST", 2)
    monkeypatch.setattr(module, "_MOST", 2)
    store(ingest, *(a_raw(str(n), SPONSORED.replace("Haneul", f"{n}")) for n in range(5)))
    assert screen(sqlite, now=NOW, limit=2) == 2
    assert set(flagged(sqlite)) == {"3", "4"}
    with sqlite.read() as session:
        assert screening.waiting(session) == 3
    assert screen(sqlite, now=NOW) == 3


def test_old_sketches_go(
    database: Database, ingest: Ingest, brand: Brand, settings: Settings
) -> None:
    store(ingest, a_raw("1", PRESS, published_at=NOW - 40 * DAY), a_raw("2", PRESS))
    screen(database, now=NOW)

    def sketched() -> set[int]:
        with database.read() as session:
            return set(session.scalars(select(SketchRow.mention_id)))

    assert sketched() == {1, 2}
    retain(database, settings, now=NOW)
    assert sketched() == {1, 2}  # found just now: more of that time may be on its way
    retain(database, settings, now=NOW + 2 * DAY)
    assert sketched() == {2}


def test_two_that_screen_at_once_make_each_story_once(
    postgresql: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fakes import FakeReader
    from listener.pipeline import screening as module
    from listener.security import Secrets

    monkeypatch.setattr(module, "_FIRST", 7)
    monkeypatch.setattr(module, "_MOST", 7)
    ingest = Ingest(postgresql, FakeReader(), settings, Secrets(b"k" * 32))
    texts = (
        PRESS,
        "The Haneul app forgets my basket whenever I turn the phone, and support says wait.",
        "Whoever answers the phone at Haneul has been friendly and quick for years now, thanks!",
    )
    store(ingest, *(a_raw(str(n), texts[n % 3], author=by(n)) for n in range(30)))
    gone = [a_raw(str(n), "", deleted=True) for n in range(0, 30, 10)]
    others: list[Database] = [postgresql, Database(postgresql.url)]
    with ThreadPoolExecutor(3) as pool:
        done = [pool.submit(screen, one, now=NOW) for one in others]
        removed = pool.submit(store, ingest, *gone)
        counts = [one.result() for one in done]
        removed.result()
    others[1].close()
    screen(postgresql, now=NOW)
    assert sum(counts) <= 30
    found = sorted(stories(postgresql).values(), key=lambda one: sorted(one[0]))
    assert sum(copies for _, copies in found) == 27
    assert all(len(members) == copies for members, copies in found)
    assert [len({int(name) % 3 for name in members}) for members, _ in found] == [1, 1, 1]


def test_what_a_person_says_while_repeats_are_flagged_stays(
    postgresql: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fakes import FakeReader
    from listener.security import Secrets

    ingest = Ingest(postgresql, FakeReader(), settings, Secrets(b"k" * 32))
    with postgresql.write() as work:
        stored_brand(work.session, "Haneul")
        work.commit()
    store(ingest, *(a_raw(n, PRESS, author=by(1)) for n in "12"))
    screen(postgresql, now=NOW)
    store(ingest, a_raw("3", PRESS, author=by(1)))  # now the second one repeats, too

    def decide() -> None:
        with postgresql.write() as work:
            flags.decide(work.session, 2, [], now=NOW)
            work.commit()

    deciding: list[Future[None]] = []
    put_flags = screening.put_flags

    def put(session: Session, wanted: Mapping[int, Mapping[str, str]]) -> None:
        if not deciding:
            deciding.append(pool.submit(decide))
            wait(deciding, timeout=0.3)
        put_flags(session, wanted)

    monkeypatch.setattr(screening, "put_flags", put)
    with ThreadPoolExecutor(1) as pool:
        screen(postgresql, now=NOW)
        deciding[0].result()
    assert flagged(postgresql) == {"2": {"cleared"}, "3": {"bot"}}


def test_a_bucket_of_late_waits_until_its_copies_are_known(
    database: Database, ingest: Ingest, brand: Brand
) -> None:
    """Copies that come between screening and counting never count as stories of their own."""
    store(ingest, *(a_raw(str(n), PRESS, author=by(n)) for n in range(6)))
    old = a_raw("old", "Haneul was fine =", published_at=NOW - 9 * DAY)
    store(ingest, old)

    assert roll_up(database, screened_since=NOW - 2 * DAY) == 1  # of long ago: counted at once
    assert _stories(database) == [(1, 1)]

    screen(database, now=NOW)
    assert roll_up(database, screened_since=NOW - 2 * DAY) == 1
    assert _stories(database) == [(1, 1), (6, 1)]


def test_in_a_flood_what_was_said_of_late_is_screened_first(
    database: Database, ingest: Ingest, brand: Brand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screening_module, "_FIRST", 1)
    monkeypatch.setattr(screening_module, "_MOST", 1)
    store(ingest, a_raw("new", "Haneul is late again -"))
    past = {"published_at": NOW - 9 * DAY}
    store(ingest, *(a_raw(f"o{n}", f"Haneul no {n} =", **past) for n in range(3)))

    assert screen(database, now=NOW, limit=2) == 2

    with database.read() as session:
        left = screening.unscreened(session, before_id=None, limit=9)
    assert [written.text for written in left] == ["Haneul no 1 =", "Haneul no 0 ="]


def _stories(database: Database) -> list[tuple[int, int]]:
    with database.read() as session:
        rows = session.query(BucketRow).filter_by(dimension="all").order_by(BucketRow.at)
        return [(row.count, row.new_stories) for row in rows]
