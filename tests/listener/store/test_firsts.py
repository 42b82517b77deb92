"""Stories and authors are counted at their first mention, whatever comes late or goes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from builders import NOW, a_raw, stored_brand
from fakes import FakeReader
from listener.pipeline.ingest import Ingest, Origin
from listener.pipeline.rematch import rematch
from listener.pipeline.rollup import roll_up
from listener.pipeline.screening import screen
from listener.security import Secrets
from listener.settings import Settings
from listener.store import brands
from listener.store.tables import BucketRow
from listener.store.work import Database
from listener.types import RawAuthor

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
RELEASE = (
    "Haneul 이번 봄 신제품 세 가지를 전국 매장에서 동시에 선보인다고 밝혔다. 회사 관계자는 고객의 "
    "목소리를 담아 만든 제품이라며 많은 관심을 부탁한다고 말했다. 제품은 다음 주부터 판매된다."
)


class Wire:
    """A brand, and a press release that many print."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.ingest = Ingest(database, FakeReader(), settings, Secrets(b"k" * 32))
        with database.write() as work:
            self.brand = stored_brand(work.session, "Haneul")
            work.commit()

    def say(
        self,
        ids: Sequence[str],
        times: Sequence[datetime],
        text: str = RELEASE,
        *,
        source: str = "news",
        author: str = "",
        deleted: bool = False,
    ) -> None:
        """Post these, each by somebody else unless there is an ``author``, and count anew."""
        items = [
            a_raw(
                id_,
                text,
                author=RawAuthor(native_id=author or f"u{id_}"),
                published_at=at,
                deleted=deleted,
            )
            for id_, at in zip(ids, times, strict=True)
        ]
        self.ingest.items(items, Origin(source=source), now=NOW)
        screen(self.database, now=NOW)
        roll_up(self.database)

    def new(self, dimension: str, column: str = "new_stories") -> dict[int, int]:
        """Where a dimension has new ones, in minutes before now."""
        with self.database.read() as session:
            rows = session.scalars(select(BucketRow).where(BucketRow.dimension == dimension))
            return {
                round((NOW - row.at) / MINUTE): getattr(row, column)
                for row in rows
                if getattr(row, column)
            }


@pytest.fixture
def wire(database: Database, settings: Settings) -> Wire:
    return Wire(database, settings)


def test_copies_of_one_release_are_new_once(wire: Wire) -> None:
    wire.say(["1", "2", "3"], [NOW - 3 * HOUR, NOW - 3 * HOUR + MINUTE, NOW - HOUR])
    wire.say(["4"], [NOW - 30 * MINUTE])
    wire.say(["5", "6"], [NOW - 20 * MINUTE, NOW - 10 * MINUTE], source="blog")
    assert wire.new("all") == {180: 1}
    assert wire.new("source:blog") == {20: 1}, "there for the first time"
    assert wire.new("all", "new_authors") == {180: 2, 60: 1, 30: 1, 20: 1, 10: 1}


def test_separate_complaints_are_new_each(wire: Wire) -> None:
    for n in range(5):
        wire.say([f"{n}"], [NOW - n * 10 * MINUTE], f"Haneul {n} 번째 택배가 아직도 안 왔어요 -")
    assert sum(wire.new("complaint").values()) == 5


def test_an_earlier_copy_found_late_takes_the_place(wire: Wire) -> None:
    wire.say(["1", "2"], [NOW - 2 * HOUR, NOW - HOUR])
    wire.say(["0"], [NOW - 5 * HOUR])
    assert wire.new("all") == {300: 1}


def test_the_next_copy_takes_the_place_of_one_that_goes(wire: Wire) -> None:
    wire.say(["1", "2", "3"], [NOW - 3 * HOUR, NOW - 2 * HOUR, NOW - HOUR])
    wire.say(["1"], [NOW - 3 * HOUR], deleted=True)
    assert wire.new("all") == {120: 1}
    wire.say(["2"], [NOW - 2 * HOUR], "Haneul 아주 다른 이야기로 고쳐 썼어요 +")
    assert wire.new("all") == {120: 1, 60: 1}, "the text is another one now"


def test_authors_are_new_once_a_day(wire: Wire) -> None:
    texts = ["배송이 늦어요 -", "포장이 좋아요 +", "전화를 안 받네요 -", "가격이 올랐어요 -"]
    times = [NOW - 30 * HOUR, NOW - 5 * HOUR, NOW - 3 * HOUR, NOW - HOUR]
    for n, (at, text) in enumerate(zip(times, texts, strict=True)):
        wire.say([f"{n}"], [at], f"Haneul {text}", author="mina")
    assert wire.new("all", "new_authors") == {1800: 1, 300: 1}
    assert wire.new("complaint", "new_authors") == {1800: 1, 180: 1}
    wire.say(["9"], [NOW - 6 * HOUR], "Haneul 품절이네요 -", author="mina")
    assert wire.new("all", "new_authors") == {1800: 1, 360: 1}, "found late"
    wire.say(["9"], [NOW - 6 * HOUR], deleted=True, author="mina")
    assert wire.new("all", "new_authors") == {1800: 1, 300: 1}
    assert sum(wire.new("all").values()) == 4, "stories are told apart by what they say"


def test_a_brand_that_loses_a_copy_counts_the_next(wire: Wire) -> None:
    with wire.database.write() as work:
        brands.update(work.session, wire.brand.id, aliases=["하늘사"])
        work.commit()
    wire.say(["1"], [NOW - 2 * HOUR], RELEASE.replace("Haneul", "하늘사"))
    wire.say(["2"], [NOW - HOUR])
    assert wire.new("all") == {120: 1}
    with wire.database.write() as work:
        brands.update(work.session, wire.brand.id, aliases=[])
        work.commit()
    assert rematch(wire.ingest, now=NOW) == 1
    roll_up(wire.database)
    assert wire.new("all") == {60: 1}
