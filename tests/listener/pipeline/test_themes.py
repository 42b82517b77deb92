from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from builders import NOW, a_mention, a_read_mention, stored_brand
from listener.analyze.themes import Said, Theme, find_themes
from listener.enrich.rulesfile import read_rules_text
from listener.errors import NotFound
from listener.pipeline import themes as module
from listener.pipeline.themes import EVERY, ThemeSeeker, topic_words
from listener.store import mentions, themes
from listener.store.tables import FlagRow, MentionRow, MentionStoryRow, StoryRow
from listener.store.work import Database
from listener.types import Brand, RawAuthor
from quietbrand import quiet
from writing import write

DAY = timedelta(days=1)
RULES = read_rules_text()[1]
LEAKS = (
    "거품 용기 누수가 있어요",
    "거품 용기 누수 심해요",
    "또 거품 용기 누수",
    "선물인데 거품 용기 누수가",
    "거품 용기 누수로 젖었어요",
    "거품용기 누수 궁금해요",
    "이번에도 거품 용기 누수",
    "거품 용기 누수!",
)


@pytest.fixture
def seeker(sqlite: Database) -> ThemeSeeker:
    return ThemeSeeker(sqlite, lambda _: RULES)


@pytest.fixture
def brand(sqlite: Database) -> Brand:
    """A brand with five quiet weeks."""
    with sqlite.write() as work:
        made = stored_brand(work.session, "하늘결")
        work.commit()
    put(sqlite, made, list(quiet(random.Random(1), NOW, days=35, a_day=4)))
    return made


def put(database: Database, brand: Brand, said: Sequence[Said]) -> list[int]:
    """Store mentions of the brand; gives their ids."""
    names = [f"{one.mention_id}-{one.at:%d%H%M%S}" for one in said]
    write(
        database,
        *(
            a_read_mention(
                a_mention(
                    name,
                    one.text,
                    published_at=one.at,
                    author=RawAuthor(native_id=one.author_key or "", handle=one.author_key or ""),
                ),
                brand_ids=(brand.id,),
            )
            for name, one in zip(names, said, strict=True)
        ),
    )
    with database.read() as session:
        query = select(MentionRow.id).where(MentionRow.external_id.in_(names))
        return list(session.scalars(query.order_by(MentionRow.id)))


def leaks(day: int, *, author: str = "") -> list[Said]:
    """Eight authors who tell of a leak, on the morning before NOW + ``day`` days."""
    return [
        Said(90_000 + n, NOW + day * DAY - timedelta(minutes=10 + n), text, author or f"l{day}-{n}")
        for n, text in enumerate(LEAKS)
    ]


def test_a_planted_theme_keeps_its_id_over_three_days(
    sqlite: Database, brand: Brand, seeker: ThemeSeeker
) -> None:
    assert seeker.look(NOW) == 1
    found = []
    for day in (1, 2, 3):
        now = NOW + day * DAY
        put(sqlite, brand, leaks(day))
        assert seeker.look(now) == 1
        with sqlite.read() as session:
            found.append(themes.listing(session, brand.id, now - DAY, now + DAY)[0])
    assert [(one.id, one.name, one.state) for one in found] == [(1, "거품 용기 누수", "active")] * 3
    assert found[2].first_at == NOW + DAY
    assert found[2].last_at == NOW + 3 * DAY
    with sqlite.read() as session:
        ids = themes.mention_ids(session, 1)
        days = themes.days(session, [1], NOW, NOW + 3 * DAY, step=DAY)
    assert len(ids) == 3 * len(LEAKS)
    assert list(days[1].values()) == [len(LEAKS)] * 3


def test_each_brand_is_looked_at_once_an_hour(brand: Brand, seeker: ThemeSeeker) -> None:
    assert seeker.look(NOW) == 1
    assert seeker.look(NOW + EVERY / 2) == 0
    assert seeker.look(NOW + EVERY) == 1
    assert ThemeSeeker(seeker._database, lambda _: RULES).look(NOW, lambda: False) == 0


def test_a_theme_fades_and_comes_back(sqlite: Database, brand: Brand, seeker: ThemeSeeker) -> None:
    put(sqlite, brand, leaks(0))
    seeker.look(NOW)
    seeker.look(NOW + 12 * DAY)
    with sqlite.read() as session:
        assert themes.get(session, 1).state == themes.FADED
    put(sqlite, brand, [*quiet(random.Random(9), NOW + 40 * DAY, days=35, a_day=4), *leaks(40)])
    seeker.look(NOW + 40 * DAY)
    with sqlite.read() as session:
        back = themes.get(session, 1)
    assert (back.state, back.first_at) == (themes.ACTIVE, NOW)


def test_what_people_decide_stays(sqlite: Database, brand: Brand, seeker: ThemeSeeker) -> None:
    put(sqlite, brand, leaks(0))
    seeker.look(NOW)
    with sqlite.write() as work:
        themes.decide(work.session, 1, themes.DISMISSED, by="mina", now=NOW)
        work.commit()
    seeker.look(NOW + EVERY)
    with sqlite.read() as session:
        assert themes.get(session, 1).state == themes.DISMISSED
        assert not themes.listing(session, brand.id, NOW - DAY, NOW + DAY)
        dismissed = themes.listing(session, brand.id, NOW - DAY, NOW + DAY, states=["dismissed"])
        assert [one.decided_by for one in dismissed] == ["mina"]
        with pytest.raises(NotFound):
            themes.get(session, 99)


def test_copies_and_flagged_mentions_make_no_theme(
    sqlite: Database, brand: Brand, seeker: ThemeSeeker
) -> None:
    ids = put(sqlite, brand, leaks(0))
    with sqlite.write() as work:
        story = StoryRow(lead_id=ids[0], copies=len(ids), first_at=NOW, last_at=NOW)
        work.session.add(story)
        work.session.flush()
        work.session.add_all(
            MentionStoryRow(mention_id=id_, story_id=story.id, kind="near") for id_ in ids
        )
        work.commit()
    assert seeker.look_at(brand, (), NOW) == []
    with sqlite.write() as work:
        for row in work.session.scalars(select(MentionStoryRow)):
            work.session.delete(row)
        work.session.add_all(FlagRow(mention_id=id_, kind="bot", reason="x") for id_ in ids)
        work.commit()
    assert seeker.look_at(brand, (), NOW) == []
    with sqlite.write() as work:
        for flag in work.session.scalars(select(FlagRow)):
            work.session.delete(flag)
        work.commit()
    assert seeker.look_at(brand, (), NOW) == [1]


def test_of_very_many_mentions_a_sample_is_read(
    sqlite: Database, brand: Brand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(themes, "MOST_USUAL", 50)
    with sqlite.read() as session:
        total = session.query(MentionRow).count()
        said = themes.load_said(session, brand.id, NOW)
    old = [one for one in said if one.at < NOW - 7 * DAY]
    assert 20 < len(old) <= 60 < total
    assert max(one.at for one in old) - min(one.at for one in old) > 20 * DAY


def test_a_deleted_mention_leaves_its_theme(
    sqlite: Database, brand: Brand, seeker: ThemeSeeker
) -> None:
    ids = put(sqlite, brand, leaks(0))
    seeker.look(NOW)
    with sqlite.write() as work:
        row = work.session.get(MentionRow, ids[0])
        assert row is not None
        work.session.delete(row)
        work.commit()
    with sqlite.read() as session:
        assert len(themes.mention_ids(session, 1)) == len(ids) - 1


def test_what_is_removed_while_it_is_read_is_left_out(
    sqlite: Database, brand: Brand, seeker: ThemeSeeker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = put(sqlite, brand, leaks(0))

    def find(*args: Any, **named: Any) -> list[Theme]:
        found = find_themes(*args, **named)
        with sqlite.write() as work:
            mentions.remove(work.session, ids[:1])
            work.commit()
        return found

    monkeypatch.setattr(module, "find_themes", find)
    assert seeker.look(NOW) == 1
    with sqlite.read() as session:
        assert len(themes.mention_ids(session, 1)) == len(ids) - 1


def test_themes_are_forgotten_in_time(sqlite: Database, brand: Brand, seeker: ThemeSeeker) -> None:
    put(sqlite, brand, leaks(0))
    seeker.look(NOW)
    with sqlite.write() as work:
        assert themes.forget(work.session, before=NOW, limit=10) == 0
        assert themes.forget(work.session, before=NOW + DAY, limit=10) == 1
        work.commit()


def test_plain_words_of_the_rules_are_known() -> None:
    words = topic_words(RULES)
    assert {"배송", "고객센터", "refund"} <= words
    assert not any(set(word) & set("^$*.()") for word in words)
