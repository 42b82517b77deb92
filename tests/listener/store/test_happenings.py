from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from builders import NOW, a_mention, a_read_mention, stored_brand
from listener.store import engagement, happenings
from listener.store.tables import FlagRow, MentionRow, MentionStoryRow, SpikeRow, StoryRow
from listener.store.work import Database
from listener.types import Engagement, RawAuthor
from writing import write

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def brand_id(database: Database) -> int:
    """Five posts, an hour apart, by five people: the last one is the brand's own, the one before
    flagged; the first two are copies."""
    with database.write() as work:
        id_ = stored_brand(work.session).id
        work.commit()
    texts = ("배터리 폭발", "배터리 폭발", "배송이 늦어요", "배터리 광고", "공지")
    for n, text in enumerate(texts):
        mention = a_mention(
            str(n),
            text,
            source="plaza" if n % 2 else "square",
            published_at=NOW + n * HOUR,
            author=RawAuthor(native_id=f"u{n}", handle=f"h{n}", name="Mina" if n else ""),
            is_own=n == 4,
        )
        write(database, a_read_mention(mention, brand_ids=(id_,)), now=NOW + n * HOUR)
    ids = ids_of(database)
    with database.write() as work:
        session = work.session
        session.add(FlagRow(mention_id=ids[3], kind="sponsored", reason="#ad"))
        story = StoryRow(lead_id=ids[0], copies=2, first_at=NOW, last_at=NOW + HOUR)
        session.add(story)
        session.flush()
        for id_of in ids[:2]:
            session.add(MentionStoryRow(mention_id=id_of, story_id=story.id, kind="exact"))
        work.commit()
    read(database, ids[0], NOW + HOUR, Engagement(likes=40, replies=None, shares=20))
    read(database, ids[1], NOW + 2 * HOUR, Engagement(likes=5))
    read(database, ids[1], NOW + 3 * HOUR, Engagement(views=9000))
    read(database, ids[3], NOW + 3 * HOUR, Engagement(likes=500))
    return id_


def ids_of(database: Database) -> list[int]:
    with database.read() as session:
        return list(session.scalars(select(MentionRow.id).order_by(MentionRow.event_at)))


def read(database: Database, mention_id: int, at: datetime, counts: Engagement) -> None:
    with database.write() as work:
        engagement.note(work.session, {mention_id: counts}, {}, now=at)
        work.commit()


def test_posts_that_grew_are_those_read_since(database: Database, brand_id: int) -> None:
    ids = ids_of(database)
    with database.read() as session:

        def grown(since: datetime, until: datetime) -> list[int]:
            found = happenings.grown(session, brand_id, since, until, reactions=50.0, views=5000.0)
            return sorted(found)

        assert grown(NOW, NOW + 2 * HOUR) == [ids[0]]
        assert grown(NOW + HOUR, NOW + 3 * HOUR) == [ids[1], ids[3]]
        assert happenings.grown(session, 99, NOW, NOW + DAY, reactions=1.0, views=1.0) == []
        readings = happenings.received(session, ids[:2], NOW + 2 * HOUR)
        assert [(one.mention_id, one.likes, one.views) for one in readings] == [
            (ids[0], 40, None),
            (ids[1], 5, None),
        ]
        usual, every = happenings.usually_received(session, brand_id, NOW, NOW + DAY)
        assert {one.mention_id for one in usual} == set(ids[:2])
        assert every == 1


def test_mentions_are_told_without_own_and_flagged_ones(database: Database, brand_id: int) -> None:
    ids = ids_of(database)
    with database.read() as session:
        told = happenings.told(session, brand_id, ids, NOW + DAY)
        assert sorted(told) == ids[:3]
        assert told[ids[0]].topics == ["delivery"]
        assert told[ids[0]].label == "negative"
        assert sorted(happenings.told(session, brand_id, ids, NOW)) == ids[:1], "as of then"
        with_flagged = happenings.told(session, brand_id, ids, NOW + DAY, counts_flagged=True)
        assert sorted(with_flagged) == ids[:4]
        assert happenings.first_at(session, brand_id, NOW - DAY, NOW + DAY) == NOW


def test_copies_stand_in_places(database: Database, brand_id: int) -> None:
    ids = ids_of(database)
    with database.read() as session:
        (story_id,) = happenings.in_several(session, brand_id, NOW, NOW + DAY, sources=2)
        assert happenings.in_several(session, brand_id, NOW, NOW + DAY, sources=3) == []
        copies, every = happenings.copies(session, brand_id, NOW, NOW + DAY)
        assert [(one.mention_id, one.source, one.author) for one in copies] == [
            (ids[0], "square", "h0"),
            (ids[1], "plaza", "Mina"),
        ]
        assert every == 1
        same, _ = happenings.copies(session, brand_id, NOW, NOW + DAY, story_ids=[story_id])
        assert same == copies


def test_what_was_said_and_how_often(database: Database, brand_id: int) -> None:
    ids = ids_of(database)
    until = NOW + 6 * HOUR
    with database.read() as session:
        said, kinds = happenings.said(session, brand_id, NOW, until)
        assert [one.mention_id for one in said] == ids[:3]
        assert said[0].story_key == said[1].story_key
        assert kinds[ids[0]] == "square ko"
        newest, _ = happenings.said(session, brand_id, NOW, until, most=1)
        assert [one.mention_id for one in newest] == [ids[2]]
        usual = happenings.usual(session, brand_id, NOW, until)
        assert (usual.mentions, usual.first_at) == (4, NOW)
        assert usual.kinds == {"square ko": 2, "plaza ko": 2}
        assert happenings.uses(session, brand_id, "배터리 폭발", NOW, until, most=10) == 2
        assert happenings.uses(session, brand_id, "배터리", NOW, until, most=2) == 2
        assert happenings.uses(session, brand_id, "누수", NOW, until, most=10) == 0
        assert len(happenings.sample(session, brand_id, NOW, until, most=10)) == 4


def test_the_last_spikes_of_single_things(database: Database, brand_id: int) -> None:
    with database.write() as work:
        for dimension, resolved in (("viral:1", None), ("new:x", NOW), ("all", None)):
            work.session.add(
                SpikeRow(
                    brand_id=brand_id,
                    dimension=dimension,
                    state="resolved" if resolved else "open",
                    onset_at=NOW - HOUR,
                    opened_at=NOW - HOUR,
                    updated_at=NOW,
                    resolved_at=resolved,
                    expected=1.0,
                    observed=2.0,
                    score=1.0,
                    detail={"any": 1},
                    explanation={"signal": {"growth": 2}},
                )
            )
        work.commit()
    with database.read() as session:
        heads = happenings.heads(session, brand_id, since=NOW)
        assert [(head.dimension, head.facts) for head in heads] == [
            ("viral:1", {"growth": 2}),
            ("new:x", {"growth": 2}),
        ]
        assert len(happenings.heads(session, brand_id, since=NOW + HOUR)) == 1
        assert happenings.settled_phrases(session, brand_id) == set()
