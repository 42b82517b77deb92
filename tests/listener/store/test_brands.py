"""Brands and connections."""

from __future__ import annotations

from typing import Any

import pytest

from builders import NOW, stored_brand, stored_watch
from listener.errors import Conflict, InvalidInput, NotFound
from listener.store import brands, connections
from listener.store.work import Database


def test_words_are_tidied(database: Database) -> None:
    with database.write() as work:
        brand = stored_brand(
            work.session,
            "  누리 마켓 ",
            aliases=["Nuri", "nuri", " ", "Nuri  Market"],
            hashtags=["#누리", "＃누리마켓"],
            handles=["@nuri", "nuri"],
        )
        work.commit()
    assert brand.name == "누리 마켓"
    assert brand.aliases == ("Nuri", "Nuri Market")
    assert brand.hashtags == ("누리", "누리마켓")
    assert brand.handles == ("nuri",)
    with database.read() as session:
        assert brands.get(session, brand.id) == brand
        assert brands.listing(session) == [brand]


@pytest.mark.parametrize(
    "fields",
    [
        {"name": " "},
        {"name": "x" * 201},
        {"name": "Bada", "aliases": ["x" * 201]},
        {"name": "Bada", "aliases": [f"a{n}" for n in range(501)]},
        {"name": "Bada", "aliases": ["a\0b"]},
    ],
)
def test_words_that_are_refused(sqlite: Database, fields: dict[str, Any]) -> None:
    with sqlite.write() as work, pytest.raises(InvalidInput):
        brands.create(work.session, now=NOW, **fields)


def test_a_name_is_taken_in_any_case_and_even_archived(database: Database) -> None:
    with database.write() as work:
        session = work.session
        haneul = stored_brand(session, "Haneul")
        bada = stored_brand(session, "Bada")
        with pytest.raises(Conflict):
            stored_brand(session, "HANEUL")
        with pytest.raises(Conflict):
            brands.update(session, bada.id, name="haneul")
        brands.archive(session, haneul.id, now=NOW)
        with pytest.raises(Conflict, match="restore"):
            stored_brand(session, "Haneul")
        assert [b.name for b in brands.listing(session)] == ["Bada"]
        assert [b.name for b in brands.listing(session, archived=True)] == ["Bada", "Haneul"]
        assert brands.restore(session, haneul.id).name == "Haneul"


def test_find_by_name_or_number(database: Database) -> None:
    with database.write() as work:
        session = work.session
        haneul = stored_brand(session, "Haneul")
        numbered = stored_brand(session, "24")
        assert brands.find(session, "haneul") == haneul
        assert brands.find(session, str(haneul.id)) == haneul
        assert brands.find(session, "24") == numbered
        with pytest.raises(NotFound, match="There are: 24, Haneul"):
            brands.find(session, "nobody")
        with pytest.raises(NotFound):
            brands.get(session, 99)


def test_the_version_changes_with_the_words_only(database: Database) -> None:
    with database.write() as work:
        session = work.session
        brand = stored_brand(session)
        before = brands.versions(session)
        brands.update(session, brand.id, competitor=True)
        assert brands.versions(session) == before
        assert brands.update(session, brand.id, aliases=["하늘"]).aliases == ("하늘",)
        assert brands.versions(session) != before
        with pytest.raises(TypeError):
            brands.update(session, brand.id, colour="blue")


def test_connections(database: Database) -> None:
    with database.write() as work:
        session = work.session
        one = connections.create(session, source="x", name="main", credentials=b"s", now=NOW)
        two = connections.create(session, source="feed", name="main", now=NOW)
        with pytest.raises(Conflict):
            connections.create(session, source="x", name=" main ", now=NOW)
        with pytest.raises(InvalidInput):
            connections.create(session, source="x", name=" ", now=NOW)
        assert [c.id for c in connections.listing(session)] == [two.id, one.id]
        assert [c.id for c in connections.listing(session, source="x")] == [one.id]
        watch_id = stored_watch(session, source="x", connection_id=one.id)
        with pytest.raises(Conflict, match="1 watches"):
            connections.delete(session, one.id)
        from listener.store import watches

        watches.delete(session, watch_id, now=NOW)
        connections.delete(session, one.id)
        with pytest.raises(NotFound):
            connections.get(session, one.id)
        work.commit()
