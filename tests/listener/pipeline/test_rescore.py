"""History read anew beside the old readings: resumed, compared, switched to, removed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta
from types import MappingProxyType

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from builders import NOW, a_raw, stored_brand
from crashing import die
from fakes import FakeReader, FakeVersions
from listener.errors import Conflict, NotFound
from listener.pipeline import rescore as rescore_module
from listener.pipeline.ingest import Ingest, Origin
from listener.pipeline.readers import Missing, Reading, Shelf
from listener.pipeline.rescore import Progress, Rescorer
from listener.pipeline.rollup import roll_up
from listener.security import Secrets
from listener.settings import Settings
from listener.store import buckets, changes, corrections, generations, rescoring, stats
from listener.store.base import Base
from listener.store.comparison import compare
from listener.store.generations import RuleText
from listener.store.tables import ChangeRow, DirtyRow, MentionRow, ReadingRow, RuleSetRow
from listener.store.work import Database
from listener.types import Label, Match, Mention, ReadMention

DAY = timedelta(days=1)


class Turned(FakeReader):
    """The next version: ``-`` is mixed and no complaint any more."""

    def read(
        self, mentions: Sequence[Mention], matches: Sequence[Sequence[Match]]
    ) -> list[ReadMention]:
        """As the fake reads, and turned."""
        from dataclasses import replace

        done = []
        for one in super().read(mentions, matches):
            reading = one.reading
            if reading.sentiment is not None and reading.sentiment.label is Label.NEGATIVE:
                sentiment = replace(reading.sentiment, label=Label.MIXED, score=0.1)
                reading = replace(reading, sentiment=sentiment, complaint=False)
            toward = tuple(replace(m, reading=reading) for m in one.matches)
            done.append(replace(one, reading=reading, matches=toward))
        return done


OLD = FakeReader(FakeVersions(key="old", rules_version="r-old"))
NEW = Turned(
    FakeVersions(key="new", models=MappingProxyType({"ko": ("fake", "2")}), rules_version="r-new")
)


class Two(Shelf):
    """Both readers; which is the present one is set."""

    def __init__(self) -> None:
        self.present: FakeReader = OLD
        self.gone: set[str] = set()

    def current(self, session: Session) -> tuple[Reading, RuleText | None]:
        """The present one."""
        return self.present, RuleText(f"rules of {self.present.versions.key}", "edited")

    def of(self, session: Session, generation_id: int) -> Reading:
        """By its key."""
        key = generations.get(session, generation_id).key
        if key in self.gone:
            raise Missing(f"{key} is gone.")
        return {"old": OLD, "new": NEW}[key]


class Install:
    """An install whose reader has just become another."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.shelf = Two()
        settings = Settings(home="/nowhere", mask="none")  # type: ignore[arg-type]
        self.ingest = Ingest(database, self.shelf, settings, Secrets(b"k" * 32))
        self.rescorer = Rescorer(database, self.shelf, lambda: NOW + DAY)
        with database.write() as work:
            self.haneul = stored_brand(work.session, "Haneul")
            self.bada = stored_brand(work.session, "Bada")
            work.commit()

    def store(self, *texts: str) -> None:
        """Mentions whose id is their text."""
        items = [a_raw(text.rstrip("-+= "), text) for text in texts]
        self.ingest.items(items, Origin(source="plaza"), now=NOW)

    def readings(self, generation_id: int) -> dict[tuple[str, int], tuple[str | None, bool | None]]:
        """(label, complaint) by (external id, brand)."""
        with self.database.read() as session:
            rows = session.execute(
                select(MentionRow.external_id, ReadingRow).join(
                    ReadingRow, ReadingRow.mention_id == MentionRow.id
                )
            )
            return {
                (external_id, row.brand_id): (row.label, row.complaint)
                for external_id, row in rows
                if row.generation_id == generation_id
            }

    def labels(self) -> dict[str, int]:
        """The counts of Haneul after a rollup."""
        roll_up(self.database)
        with self.database.read() as session:
            totals = stats.totals(session, NOW - DAY, NOW + DAY)
            one = next(total for total in totals if total.name == "Haneul")
        return {label: count for label, count in one.labels.items() if count}

    def count(self, row: type[Base]) -> int:
        """How many rows there are."""
        with self.database.read() as session:
            return session.scalar(select(func.count()).select_from(row)) or 0


@pytest.fixture
def install(database: Database) -> Install:
    made = Install(database)
    made.store("Haneul 1 -", "Haneul 2 +", "Haneul and Bada 3 -", "weather -")
    made.shelf.present = NEW
    return made


@pytest.fixture
def lite(sqlite: Database) -> Install:
    made = Install(sqlite)
    made.store("Haneul 1 -", "Haneul 2 +", "Haneul and Bada 3 -", "weather -")
    made.shelf.present = NEW
    return made


def test_history_is_read_beside_the_old_and_switched_to(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescore_module, "_CHUNK", 2)
    before = install.readings(1)
    assert install.labels() == {"negative": 2, "positive": 1}
    told = install.count(ChangeRow)
    seen: list[Progress] = []

    new = install.rescorer.begin()
    assert install.rescorer.run(new, progress=seen.append)

    assert [(p.done, p.total, p.finished) for p in seen] == [
        *((2, 4, False), (4, 4, False), (4, 4, True)),
    ]
    assert install.readings(1) == before
    after = install.readings(new)
    assert after.keys() == before.keys()
    assert after["Haneul 1", install.haneul.id] == ("mixed", False)
    assert install.labels() == {"negative": 2, "positive": 1}, "nobody sees it before the switch"

    done = install.rescorer.switch(new, by="kim")

    assert (done.generation_id, done.before_id, done.by) == (new, 1, "kim")
    assert done.changed["after"]["models"] == {"ko": ["fake", "2"]}
    assert install.count(DirtyRow) > 0
    assert install.labels() == {"mixed": 2, "positive": 1}
    assert install.count(ChangeRow) == told, "one announced switch, no change for each mention"
    with install.database.read() as session:
        assert generations.active_id(session) == new
        assert [switch.id for switch in generations.switches(session)] == [done.id]
        assert {row.version: row.text for row in session.scalars(select(RuleSetRow))} == {
            "r-old": "rules of old",
            "r-new": "rules of new",
        }


def test_the_old_generation_reads_the_same_again(install: Install) -> None:
    def rows() -> list[tuple[object, ...]]:
        with install.database.read() as session:
            columns = ReadingRow.__table__.c
            query = select(columns).where(columns.generation_id == 1)
            return sorted(tuple(map(repr, row)) for row in session.execute(query))

    first = rows()
    new = install.rescorer.begin()
    install.rescorer.run(new)
    install.rescorer.switch(new)
    with install.database.write() as work:
        rescoring.forget(work.session, 1, after_id=0, limit=1000)
        work.commit()
    assert rows() == []

    install.rescorer.begin(1)
    install.rescorer.run(1)

    assert rows() == first


def test_what_comes_meanwhile_is_read_by_both(install: Install) -> None:
    install.store("Haneul 5 -", "Haneul 1 -")
    new = install.rescorer.begin()
    install.store("Haneul 6 -")

    install.rescorer.run(new)

    assert install.readings(1).keys() == install.readings(new).keys()
    assert install.readings(1)["Haneul 6", 0] == ("negative", True)
    assert install.readings(new)["Haneul 6", 0] == ("mixed", False)


@pytest.mark.parametrize("point", ["rescore.read:2", "rescore.written:2"])
def test_killed_half_way_it_goes_on(
    database: Database, database_url: str, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescore_module, "_CHUNK", 2)
    install = Install(database)
    install.store(*(f"Haneul {n} -" for n in range(9)))
    install.shelf.present = NEW
    new = install.rescorer.begin()
    database.close()

    def work() -> None:
        again = Database(database_url)
        Rescorer(again, install.shelf, lambda: NOW + DAY).run(new)

    assert die(point, work)
    with database.read() as session:
        assert rescoring.lacking(session, new) == 7
    later = Rescorer(database, install.shelf, lambda: NOW + 2 * DAY)
    assert later.run(new)

    assert install.readings(new).keys() == install.readings(1).keys()
    with database.read() as session:
        row = rescoring.get(session, new)
        assert row is not None
        assert (row.done, row.total, row.finished_at) == (9, 9, NOW + 2 * DAY)


def test_an_edit_while_it_is_read_is_read_again(lite: Install) -> None:
    """The page is read, then one of it is edited by a writer who knows only the old reader."""
    new = lite.rescorer.begin()
    once = [True]

    class Slow(Turned):
        def read(
            self, mentions: Sequence[Mention], matches: Sequence[Sequence[Match]]
        ) -> list[ReadMention]:
            if once and once.pop():
                lite.shelf.present = OLD
                item = a_raw("Haneul 1", "Haneul 1 edited +")
                lite.ingest.items([item], Origin(source="plaza"), now=NOW)
            return super().read(mentions, matches)

    slow = Slow(NEW.versions)
    lite.shelf.of = lambda *_: slow  # type: ignore[method-assign]

    assert lite.rescorer.run(new)

    assert lite.readings(new)["Haneul 1", 0] == ("positive", False)
    assert lite.readings(new).keys() == lite.readings(1).keys()


def test_an_incomplete_generation_needs_force(lite: Install) -> None:
    new = lite.rescorer.begin(since=NOW - timedelta(minutes=1))
    assert lite.rescorer.run(new)

    with pytest.raises(Conflict, match="has not read 4 of the stored mentions"):
        lite.rescorer.switch(new)
    lite.rescorer.switch(new, force=True)

    assert lite.labels() == {"unscored": 3}
    with pytest.raises(Conflict, match="in force already"):
        lite.rescorer.switch(new)
    with pytest.raises(NotFound):
        lite.rescorer.switch(99)


def test_what_is_being_stored_while_it_is_switched_is_read_by_it(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Back to the old one, while a writer who reads by the present one alone is half way."""
    install = Install(postgresql)
    install.store("Haneul 1 -")
    install.shelf.present = NEW
    new = install.rescorer.begin()
    install.rescorer.run(new)
    install.rescorer.switch(new)
    install.rescorer.run(install.rescorer.begin(1))
    switching: list[Future[generations.Switch]] = []
    mark_dirty = buckets.mark_dirty

    def mark(session: Session, marks: Collection[buckets.Mark]) -> None:
        if not switching:
            switching.append(pool.submit(install.rescorer.switch, 1))
            wait(switching, timeout=0.3)
        mark_dirty(session, marks)

    monkeypatch.setattr(buckets, "mark_dirty", mark)
    with ThreadPoolExecutor(1) as pool:
        install.store("Haneul 9 -", "weather -")
        switching[0].result()
    assert install.readings(1).keys() == install.readings(new).keys()
    assert install.labels() == {"negative": 2}


def test_one_that_was_asked_to_switch_does(lite: Install) -> None:
    new = lite.rescorer.begin(switch=True)

    lite.rescorer.work()

    assert lite.labels() == {"mixed": 2, "positive": 1}
    with lite.database.read() as session:
        assert generations.active_id(session) == new
        assert rescoring.unfinished(session) == []


def test_one_that_cannot_be_read_says_why(lite: Install) -> None:
    new = lite.rescorer.begin()
    lite.shelf.gone.add("new")

    lite.rescorer.work()

    with lite.database.read() as session:
        row = rescoring.get(session, new)
        assert row is not None
        assert row.error == "new is gone."
    with pytest.raises(Missing):
        lite.rescorer.begin(new)


def test_another_process_only_looks_on(lite: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescore_module, "_WAIT", 0.0)
    new = lite.rescorer.begin()
    other = Rescorer(lite.database, lite.shelf, lambda: NOW + DAY)
    seen: list[Progress] = []

    def look(progress: Progress) -> None:
        if not seen:
            assert not other.run(new, progress=seen.append, go_on=lambda: not seen)

    assert lite.rescorer.run(new, progress=look)
    assert [one.by_another for one in seen] == [True]


def test_readings_of_a_generation_can_be_removed(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescore_module, "_FORGET", 3)
    new = install.rescorer.begin()
    install.rescorer.run(new)
    with pytest.raises(Conflict, match="in force"):
        install.rescorer.remove(1)

    install.rescorer.remove(new)

    assert install.readings(new) == {}
    assert len(install.readings(1)) == 4 + 4
    with install.database.read() as session:
        assert [row.id for row in generations.listing(session)] == [1]


def test_two_generations_compared(install: Install) -> None:
    new = install.rescorer.begin()
    install.rescorer.run(new)

    with install.database.read() as session:
        found = {one.name: one for one in compare(session, 1, new)}
        later = compare(session, 1, new, since=NOW)

    assert later == []
    haneul = found["Haneul"]
    assert haneul.flips == {("negative", "mixed"): 2, ("positive", "positive"): 1}
    assert haneul.flipped == 2
    assert (haneul.old.complaint_rate, haneul.new.complaint_rate) == (2 / 3, 0.0)
    assert haneul.old.score == pytest.approx((-0.8 + 0.8 - 0.8) / 3)
    assert haneul.new.score == pytest.approx((0.1 + 0.8 + 0.1) / 3)
    assert [(m.text, m.old_label, m.new_label) for m in haneul.moved] == [
        ("Haneul and Bada 3 -", "negative", "mixed"),
        ("Haneul 1 -", "negative", "mixed"),
    ]
    assert found["Bada"].flips == {("negative", "mixed"): 1}


def test_a_correction_survives_rescoring(install: Install) -> None:
    with install.database.write() as work:
        corrections.correct(work.session, 1, label="neutral", complaint=False, by="kim", now=NOW)
        work.commit()

    new = install.rescorer.begin()
    install.rescorer.run(new)
    install.rescorer.switch(new)

    for generation_id in (1, new):
        assert install.readings(generation_id)["Haneul 1", 0] == ("neutral", False)
        assert install.readings(generation_id)["Haneul 1", 1] == ("neutral", False)
    assert install.labels() == {"mixed": 1, "neutral": 1, "positive": 1}
    with install.database.read() as session:
        assert changes.head(session) == 4
        row = session.get_one(ReadingRow, (1, 0, new))
        assert row.corrected == {"label": "mixed", "complaint": False}


def test_nothing_stored_the_newest_is_in_force_at_once(sqlite: Database) -> None:
    install = Install(sqlite)
    assert install.rescorer.begin() == 1
    install.shelf.present = NEW
    install.store("Haneul -")

    with sqlite.read() as session:
        assert [(row.key, row.active) for row in generations.listing(session)] == [
            ("old", False),
            ("new", True),
        ]
    assert set(install.readings(2).values()) == {("mixed", False)}


def test_two_that_begin_at_once_put_one_in_force(postgresql: Database) -> None:
    def begin(key: str) -> None:
        with postgresql.write() as work:
            generations.ensure(work.session, FakeVersions(key=key), now=NOW)
            work.commit()

    with postgresql.write() as work, ThreadPoolExecutor(1) as pool:
        generations.ensure(work.session, OLD.versions, now=NOW)
        other = pool.submit(begin, "new")
        wait([other], timeout=0.3)
        work.commit()
        other.result()
    with postgresql.read() as session:
        assert [row.active for row in generations.listing(session)].count(True) == 1
