"""Corrections of people: applied at once, told, counted, undone, and bound to their text."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from builders import NOW, a_mention, a_read_mention, a_reading, stored_brand
from listener.errors import InvalidInput, NotFound
from listener.pipeline.rollup import roll_up
from listener.store import corrections, feed, stats
from listener.store.feed import Item, MentionFilter
from listener.store.tables import ReadingRow
from listener.store.work import Database
from writing import write

LATER = NOW + timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def brands(database: Database) -> tuple[int, int]:
    """Two brands; a mention of the first (1), of both (2), of none (3)."""
    with database.write() as work:
        ids = tuple(stored_brand(work.session, name).id for name in ("Haneul", "Bada"))
        work.commit()
    one, two = ids
    write(
        database,
        a_read_mention(a_mention("1"), brand_ids=(one,)),
        a_read_mention(a_mention("2"), brand_ids=(one, two)),
        a_read_mention(a_mention("3"), brand_ids=()),
    )
    roll_up(database)
    return one, two


def correct(database: Database, mention_id: int, **fields: object) -> bool:
    with database.write() as work:
        done = corrections.correct(
            work.session,
            mention_id,
            **({"by": "kim", "now": LATER} | fields),  # type: ignore[arg-type]
        )
        work.commit()
    return done


def undo(database: Database, mention_id: int, brand_id: int | None = None) -> bool:
    with database.write() as work:
        done = corrections.undo(work.session, mention_id, brand_id=brand_id, now=LATER)
        work.commit()
    return done


def told(database: Database, **wanted: object) -> dict[int, Item]:
    """What a reader that begins now holds."""
    with database.read() as session:
        page = feed.changes_after(session, MentionFilter(**wanted), None, limit=50)  # type: ignore[arg-type]
        return {item.id: item for item in page.items if isinstance(item, Item)}


def labels(database: Database, name: str) -> dict[str, int]:
    roll_up(database)
    with database.read() as session:
        found = stats.totals(session, NOW - DAY, NOW + DAY)
    return {
        label: count
        for total in found
        if total.name == name
        for label, count in total.labels.items()
        if count
    }


def test_it_is_in_force_at_once(database: Database, brands: tuple[int, int]) -> None:
    with database.read() as session:
        before = feed.latest_mark(session)

    assert correct(database, 1, label="positive", complaint=False, topics=["price"])

    item = told(database)[1]
    assert item.sentiment is not None
    assert (item.sentiment.label, item.sentiment.score) == ("positive", -0.6)
    assert (item.complaint, item.topics) == (False, ["price"])
    assert item.corrected == ["complaint", "label", "topics"]
    assert item.brands[0].corrected == item.corrected, "of one brand: the same thing"
    assert item.brands[0].sentiment == item.sentiment
    assert labels(database, "Haneul") == {"negative": 1, "positive": 1}
    assert told(database, labels=("positive",)).keys() == {1}
    with database.read() as session:
        page = feed.changes_after(session, MentionFilter(labels=("negative",)), before, limit=9)
        assert [(one.id, one.change) for one in page.items] == [(1, "left")]
        page = feed.changes_after(session, MentionFilter(), before, limit=9)
        assert [(one.id, one.change) for one in page.items] == [(1, "corrected")]


def test_said_again_nothing_is_told(database: Database, brands: tuple[int, int]) -> None:
    assert correct(database, 1, label="neutral")
    assert not correct(database, 1, label="neutral", by="lee")
    assert correct(database, 1, complaint=False)

    with database.read() as session:
        (found,) = corrections.of_mention(session, 1)
        assert feed.last_seq(session) == 2 + 2
    assert (found.label, found.complaint, found.topics) == ("neutral", False, None)
    assert (found.by, found.at, found.holds) == ("kim", LATER, True)


def test_of_several_brands_each_by_itself(database: Database, brands: tuple[int, int]) -> None:
    _one, two = brands
    assert correct(database, 2, brand_id=two, label="positive")

    item = told(database)[2]
    assert [b.sentiment and b.sentiment.label for b in item.brands] == ["negative", "positive"]
    assert item.corrected == []
    assert [b.corrected for b in item.brands] == [[], ["label"]]
    assert labels(database, "Bada") == {"positive": 1}
    assert labels(database, "Haneul") == {"negative": 2}


def test_undone_it_is_the_models_again(database: Database, brands: tuple[int, int]) -> None:
    before = told(database)[1]
    correct(database, 1, label="mixed", topics=[])
    correct(database, 1, brand_id=brands[0], label="neutral")

    assert undo(database, 1)
    after = told(database)[1]
    assert after.brands[0].sentiment is not None
    assert after.brands[0].sentiment.label == "neutral", "the other one stays"
    assert undo(database, 1, brands[0])

    after = told(database)[1]
    assert after == replace(before, seq=after.seq, change="corrected")
    with database.read() as session:
        assert session.get_one(ReadingRow, (1, 0, 1)).corrected is None
    with pytest.raises(NotFound):
        undo(database, 1)


def test_an_edit_ends_it_until_the_text_is_back(
    database: Database, brands: tuple[int, int]
) -> None:
    correct(database, 1, label="positive")
    write(database, a_read_mention(a_mention("1", "고장났어요"), brand_ids=brands[:1]), now=LATER)
    item = told(database)[1]
    assert item.sentiment is not None
    assert (item.sentiment.label, item.corrected) == ("negative", [])
    with database.read() as session:
        (kept,) = corrections.of_mention(session, 1)
        assert not kept.holds
        (example,) = corrections.examples(session)
        assert (example.text, example.label) == ("배송이 너무 늦어요", "positive")

    write(database, a_read_mention(a_mention("1"), brand_ids=brands[:1]), now=LATER)

    assert told(database)[1].corrected == ["label"]


def test_matched_anew_it_stays(database: Database, brands: tuple[int, int]) -> None:
    correct(database, 1, label="positive")

    write(database, a_read_mention(a_mention("1"), brand_ids=brands), now=LATER)

    item = told(database)[1]
    assert item.corrected == ["label"]
    assert [b.corrected for b in item.brands] == [[], []], "it was said of the whole"


def test_what_no_model_scores_can_be_labelled(database: Database, brands: tuple[int, int]) -> None:
    read = a_read_mention(
        a_mention("4", "最悪です"), brand_ids=brands[:1], reading=a_reading(None, language="ja")
    )
    write(database, read)
    assert told(database)[4].sentiment is None

    correct(database, 4, label="negative")

    sentiment = told(database)[4].sentiment
    assert sentiment is not None
    assert (sentiment.label, sentiment.model, sentiment.score) == ("negative", "person", 0)
    with database.read() as session:
        found = next(t for t in stats.totals(session, NOW - DAY, NOW + DAY) if t.name == "Haneul")
    assert found.score == pytest.approx(-0.6), "no score of it is counted"


def test_without_a_brand_nothing_is_told(database: Database, brands: tuple[int, int]) -> None:
    assert correct(database, 3, label="positive")

    with database.read() as session:
        assert feed.last_seq(session) == 2
        assert feed.get(session, 3).item.corrected == ["label"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"label": "uncertain"}, "label"),
        ({"label": "great"}, "label"),
        ({}, "label"),
        ({"topics": ["Delivery!"]}, "topics"),
        ({"topics": [f"t{n}" for n in range(21)]}, "topics"),
        ({"label": "positive", "brand_id": 77}, "brand_id"),
    ],
)
def test_nonsense_is_refused(sqlite: Database, fields: dict[str, object], field: str) -> None:
    with sqlite.write() as work:
        stored_brand(work.session)
        work.commit()
    write(sqlite, a_read_mention())

    with pytest.raises(InvalidInput) as refused:
        correct(sqlite, 1, **fields)
    assert refused.value.field == field
    with pytest.raises(NotFound):
        correct(sqlite, 9, label="positive")
