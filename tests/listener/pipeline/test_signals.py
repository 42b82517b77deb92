from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from builders import NOW, a_mention, a_read_mention, a_reading, stored_brand
from listener.analyze.themes import Said
from listener.detect.lifecycle import Ongoing, Opened, Resolved
from listener.pipeline.signals import Known, Signals, SignalSpike
from listener.settings import Settings
from listener.store import engagement
from listener.store.tables import (
    EngagementRow,
    FlagRow,
    MentionRow,
    MentionStoryRow,
    SpikeRow,
    StoryRow,
)
from listener.store.work import Database
from listener.types import (
    Brand,
    Engagement,
    RawAuthor,
    Rule,
    Scope,
    Sensitivity,
    Severity,
    Signal,
)
from quietbrand import quiet
from writing import write

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
EXPLOSION = (
    "배터리 폭발 났어요",
    "배터리 폭발 무서워요",
    "오늘 배터리 폭발 뉴스",
    "배터리 폭발 때문에 환불했어요",
    "배터리 폭발 진짜인가요",
    "친구네도 배터리 폭발이래요",
    "배터리 폭발!",
)


class Keeper:
    """A brand whose spikes are looked for and kept as the watchdog does."""

    def __init__(self, database: Database, settings: Settings, *rules: Rule) -> None:
        self.database = database
        self.settings = settings
        self.rules: Sequence[Rule] = rules
        self.signals = Signals(settings)
        with database.write() as work:
            self.brand: Brand = stored_brand(work.session, "하늘결")
            work.commit()

    def look(self, now: datetime) -> list[SignalSpike]:
        with self.database.read() as session:
            found = list(self.signals.look(session, self.brand, self.rules, now=now))
        with self.database.write() as work:
            for one in found:
                row = work.session.get(SpikeRow, one.row_id) if one.row_id else None
                row = row or SpikeRow(brand_id=self.brand.id, dimension=one.dimension)
                row.by, row.sensitivity = one.by, one.sensitivity
                row.scope, row.state = dict(one.scope), "open" if one.spike.is_open else "resolved"
                row.onset_at, row.resolved_at = one.spike.onset_at, one.spike.resolved_at
                row.opened_at, row.updated_at = one.spike.opened_at, now
                row.expected, row.observed = one.spike.expected, one.spike.observed
                row.score, row.detail = one.spike.peak_score, one.spike.dump()
                row.explanation = {"signal": one.facts}
                work.session.add(row)
            work.commit()
        return found

    def post(self, name: str, at: datetime, *, seen: datetime | None = None, **fields: Any) -> int:
        author = fields.pop("author", name)
        label = fields.pop("reading", a_reading())
        mention = a_mention(
            name,
            fields.pop("text", f"글 {name}"),
            published_at=at,
            author=RawAuthor(native_id=author, handle=author),
            **fields,
        )
        write(
            self.database,
            a_read_mention(mention, brand_ids=(self.brand.id,), reading=label),
            now=seen or at,
        )
        with self.database.read() as session:
            query = select(MentionRow.id).where(MentionRow.external_id == name)
            return session.scalars(query).one()

    def read(self, mention_id: int, at: datetime, likes: int, **counts: int) -> None:
        with self.database.write() as work:
            told = {mention_id: Engagement(likes=likes, **counts)}
            engagement.note(work.session, told, {}, now=at)
            work.commit()

    def posts(self, *, days: int = 30, a_day: int = 1) -> None:
        """Posts that are liked as usual: 1 to 40 times."""
        chance = random.Random(5)
        times = [
            NOW - (days - day) * DAY + number * HOUR
            for day in range(days)
            for number in range(a_day)
        ]
        self.write([(f"u{n}", f"글 {n}", f"u{n}", at) for n, at in enumerate(times)])
        with self.database.write() as work:
            query = select(MentionRow.id, MentionRow.event_at)
            for id_, at in work.session.execute(query).all():
                likes = min(40, int(chance.paretovariate(1.2)))
                for hours, share in ((1, 0.5), (6, 1.0)):
                    row = EngagementRow(
                        mention_id=id_, at=at + hours * HOUR, likes=int(likes * share)
                    )
                    work.session.add(row)
            work.commit()

    def write(self, posts: Sequence[tuple[str, str, str, datetime]]) -> None:
        """Name, text, author and time of posts, all of them seen long ago."""
        write(
            self.database,
            *(
                a_read_mention(
                    a_mention(
                        name,
                        text,
                        published_at=at,
                        author=RawAuthor(native_id=author, handle=author),
                    ),
                    brand_ids=(self.brand.id,),
                )
                for name, text, author, at in posts
            ),
            now=NOW - 8 * HOUR,
        )

    def copies(self, name: str, places: Sequence[tuple[str, str]], start: datetime) -> int:
        """Copies of one text, ten minutes apart, on (source, site); gives the story's id."""
        ids = [
            self.post(
                f"{name}-{number}",
                start + number * timedelta(minutes=10),
                source=source,
                url=f"https://{site}/{name}",
                author=f"{site} {source}",
                text=f"{name} 보도",
            )
            for number, (source, site) in enumerate(places)
        ]
        with self.database.write() as work:
            end = start + len(ids) * timedelta(minutes=10)
            story = StoryRow(lead_id=ids[0], copies=len(ids), first_at=start, last_at=end)
            work.session.add(story)
            work.session.flush()
            for id_ in ids:
                row = MentionStoryRow(mention_id=id_, story_id=story.id, kind="exact")
                work.session.add(row)
            story_id = story.id
            work.commit()
        return story_id

    def said(self, said: Sequence[Said]) -> None:
        self.write([(str(one.mention_id), one.text, one.author_key or "", one.at) for one in said])


def a_rule(signal: Signal, **fields: Any) -> Rule:
    return Rule(id=1, brand_id=1, name="x", signal=signal, **fields)


def kinds(found: Sequence[SignalSpike]) -> list[tuple[str, list[type]]]:
    return [(one.dimension, [type(event) for event in one.events]) for one in found]


# --- posts ---------------------------------------------------------------------------------------


@pytest.fixture
def viral(sqlite: Database, settings: Settings) -> Keeper:
    keeper = Keeper(sqlite, settings, a_rule(Signal.VIRAL))
    keeper.posts()
    return keeper


def test_a_post_goes_viral_grows_and_is_over(viral: Keeper) -> None:
    id_ = viral.post("big", NOW)
    name = f"viral:{id_}"
    viral.read(id_, NOW + HOUR, 30)
    assert viral.look(NOW + HOUR) == []
    viral.read(id_, NOW + 2 * HOUR, 900, replies=200, shares=400)
    (spike,) = viral.look(NOW + 2 * HOUR)
    assert kinds([spike]) == [(name, [Opened])]
    assert spike.spike.onset_at == NOW + HOUR
    assert (spike.spike.observed, spike.row_id) == (1500.0, None)
    assert spike.severity is Severity.HIGH, "it complains, and comes once in 8 years or more rarely"
    assert spike.mention_ids == [id_]
    facts = spike.facts
    assert (facts["growth"], facts["likes"], facts["shares"]) == (1500.0, 900, 400)
    assert facts["usual"] < 10
    assert facts["posts"] == 30
    assert facts["timeline"][-1] == [(NOW + 2 * HOUR).isoformat(), 1500.0]

    assert viral.look(NOW + 2 * HOUR + timedelta(minutes=1)) == [], "nothing is new"
    assert viral.look(NOW + 2 * HOUR + timedelta(minutes=5)) == []
    viral.read(id_, NOW + 5 * HOUR, 4000, replies=600, shares=900)
    (spike,) = viral.look(NOW + 5 * HOUR)
    assert isinstance(spike.events[0], Ongoing)
    assert spike.events[0].escalated
    assert spike.severity is Severity.HIGH
    assert spike.row_id is not None
    viral.read(id_, NOW + 9 * HOUR, 4010, replies=600, shares=900)
    viral.look(NOW + 9 * HOUR)
    (spike,) = viral.look(NOW + 17 * HOUR)
    assert kinds([spike]) == [(name, [Resolved])]
    assert viral.look(NOW + 18 * HOUR) == []


def test_a_process_that_begins_anew_sees_the_same(viral: Keeper) -> None:
    id_ = viral.post("big", NOW)
    viral.read(id_, NOW + HOUR, 2000)
    with viral.database.read() as session:
        once = Signals(viral.settings).look(session, viral.brand, viral.rules, now=NOW + HOUR)
        again = Signals(viral.settings).look(session, viral.brand, viral.rules, now=NOW + HOUR)
    assert once == again
    assert len(once) == 1


def test_what_was_found_late_is_not_viral(viral: Keeper) -> None:
    """Neither all its likes at once after a month, nor growth that is told when it is over."""
    old = viral.post("old", NOW - 20 * DAY, seen=NOW)
    viral.read(old, NOW + HOUR, 50_000)
    assert viral.look(NOW + HOUR) == []
    late = viral.post("late", NOW - 20 * HOUR)
    viral.read(late, NOW - 10 * HOUR, 50_000)
    assert viral.look(NOW + 2 * HOUR) == []


def test_a_post_shared_again_after_weeks_is_viral(viral: Keeper) -> None:
    old = viral.post("old", NOW - 20 * DAY, seen=NOW - 2 * DAY)
    viral.read(old, NOW - 2 * DAY, 100)
    viral.read(old, NOW + HOUR, 3000)
    (spike,) = viral.look(NOW + HOUR)
    assert spike.facts["growth"] == 2900.0


def test_good_news_is_of_low_severity(viral: Keeper) -> None:
    praise = a_reading(0.9, complaint=False)
    id_ = viral.post("praise", NOW, reading=praise)
    viral.read(id_, NOW + HOUR, 3000)
    (spike,) = viral.look(NOW + HOUR)
    assert spike.severity is Severity.LOW
    assert spike.facts["label"] == "positive"


def test_a_rule_looks_at_its_scope_only(viral: Keeper) -> None:
    scopes = [
        Scope(topic="delivery"),
        Scope(source="plaza", language="ko"),
        Scope(topic="price"),
        Scope(source="plaza", language="en"),
        Scope(country="KR"),
    ]
    viral.rules = [
        replace(a_rule(Signal.VIRAL, scope=scope), id=n) for n, scope in enumerate(scopes)
    ]
    id_ = viral.post("big", NOW)
    viral.read(id_, NOW + HOUR, 3000)
    (spike,) = viral.look(NOW + HOUR)
    assert [rule.id for rule in spike.rules] == [0, 1]
    viral.rules = viral.rules[2:]
    (spike,) = viral.look(NOW + 2 * HOUR)
    assert spike.rules == ()
    assert not spike.spike.is_open, "nobody looks there any more"


def test_the_closest_rule_opens_and_the_others_are_told_of_it(viral: Keeper) -> None:
    calm = a_rule(Signal.VIRAL, sensitivity=Sensitivity.LOW)
    keen = replace(calm, id=2, sensitivity=Sensitivity.HIGHEST)
    off = replace(calm, id=3, enabled=False)
    viral.rules = [calm, keen, off, a_rule(Signal.SPREADING)]
    id_ = viral.post("big", NOW)
    viral.read(id_, NOW + HOUR, 3000)
    (spike,) = viral.look(NOW + HOUR)
    assert spike.sensitivity is Sensitivity.HIGHEST
    assert spike.rules == (calm, keen)


def test_without_its_rule_a_spike_is_over(viral: Keeper) -> None:
    id_ = viral.post("big", NOW)
    viral.read(id_, NOW + HOUR, 3000)
    assert len(viral.look(NOW + HOUR)) == 1
    viral.rules = []
    (spike,) = viral.look(NOW + 2 * HOUR)
    assert kinds([spike]) == [(f"viral:{id_}", [Resolved])]
    assert spike.facts["growth"] == 3000.0, "what was told of it stays"


def test_own_and_flagged_posts_are_left_out(viral: Keeper) -> None:
    own = viral.post("own", NOW, is_own=True)
    paid = viral.post("paid", NOW)
    with viral.database.write() as work:
        work.session.add(FlagRow(mention_id=paid, kind="sponsored", reason="#ad"))
        work.commit()
    for id_ in (own, paid):
        viral.read(id_, NOW + HOUR, 3000)
    assert viral.look(NOW + HOUR) == []


# --- stories -------------------------------------------------------------------------------------


@pytest.fixture
def stories(sqlite: Database, settings: Settings) -> Keeper:
    keeper = Keeper(sqlite, settings, a_rule(Signal.SPREADING))
    for week in range(4):
        start = NOW - (28 - 7 * week) * DAY
        keeper.copies(f"weekly{week}", [("news", "a.example"), ("blog", "b.example")], start)
    return keeper


PLACES = [
    ("news", "a.example"),
    ("news", "c.example"),
    ("blog", "d.example"),
    ("community", "e.example"),
    ("community", "f.example"),
    ("news", "g.example"),
    ("video", "h.example"),
    ("news", "i.example"),
    ("news", "j.example"),
]


def test_a_story_spreads_and_comes_to_rest(stories: Keeper) -> None:
    story_id = stories.copies("leak", PLACES, NOW)
    (spike,) = stories.look(NOW + 2 * HOUR)
    assert kinds([spike]) == [(f"spread:{story_id}", [Opened])]
    assert spike.scope == {"story": str(story_id)}
    assert spike.spike.onset_at == NOW
    assert spike.spike.observed == 9.0
    facts = spike.facts
    assert (facts["places"], facts["authors"], facts["copies"]) == (9, 9, 9)
    assert facts["sources"] == {"news": 5, "community": 2, "blog": 1, "video": 1}
    assert facts["path"][2] == [(NOW + timedelta(minutes=20)).isoformat(), "blog", "d.example"]
    assert facts["timeline"][4][1:] == [5, 5, 3, 5]
    assert len(spike.mention_ids) == 9
    assert stories.look(NOW + 6 * HOUR) == []
    (spike,) = stories.look(NOW + 14 * HOUR)
    assert kinds([spike]) == [(f"spread:{story_id}", [Resolved])]


def test_copies_in_one_place_or_by_one_author_are_no_spreading(stories: Keeper) -> None:
    stories.copies("wall", [("news", "a.example"), ("blog", "a.example")] * 10, NOW)
    stories.copies("feed", [("news", f"n{n}.example") for n in range(9)], NOW)
    assert stories.look(NOW + 4 * HOUR) == [], "one site twice; one source only"


def test_a_story_that_came_with_a_back_fill_is_not_told(stories: Keeper) -> None:
    stories.copies("old", PLACES, NOW - 23 * HOUR)
    assert stories.look(NOW) == []


# --- topics --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def history() -> Sequence[Said]:
    return list(quiet(random.Random(1), NOW, days=32, a_day=6))


@pytest.fixture
def topics(sqlite: Database, settings: Settings, history: Sequence[Said]) -> Keeper:
    keeper = Keeper(sqlite, settings, a_rule(Signal.NEW_TOPIC))
    keeper.said(history)
    return keeper


def explosion(start: datetime, *, author: str = "") -> list[Said]:
    return [
        Said(50_000 + n, start + n * timedelta(minutes=10), text, author or f"e{n}")
        for n, text in enumerate(EXPLOSION)
    ]


def test_a_new_topic_is_found_and_ends(topics: Keeper) -> None:
    assert topics.look(NOW) == [], "a month of talk as usual"
    for one in explosion(NOW):
        topics.post(f"x{one.mention_id}", one.at, text=one.text, author=one.author_key)
    assert topics.look(NOW + timedelta(minutes=30)) == [], "three people"
    (spike,) = topics.look(NOW + 2 * HOUR)
    assert kinds([spike]) == [("new:배터리폭발", [Opened])]
    assert spike.scope == {"q": "배터리 폭발"}
    assert spike.spike.onset_at == NOW
    assert spike.spike.observed == 7.0
    assert spike.severity is Severity.HIGH
    facts = spike.facts
    assert (facts["phrase"], facts["voices"], facts["mentions"]) == ("배터리 폭발", 7, 7)
    assert facts["usual"] == 0
    assert topics.look(NOW + 3 * HOUR) == []
    assert kinds(topics.look(NOW + 7 * HOUR + timedelta(minutes=5))) == [
        ("new:배터리폭발", [Resolved])
    ]


def test_one_loud_author_makes_no_topic(topics: Keeper) -> None:
    for one in explosion(NOW, author="loud"):
        topics.post(f"x{one.mention_id}", one.at, text=one.text, author="loud")
    assert topics.look(NOW + 2 * HOUR) == []


def test_a_source_that_was_just_added_brings_no_topics(topics: Keeper) -> None:
    for one in explosion(NOW):
        topics.post(
            f"x{one.mention_id}", one.at, text=one.text, author=one.author_key, source="square"
        )
    assert topics.look(NOW + 2 * HOUR) == []


def test_what_was_said_before_is_not_new(topics: Keeper) -> None:
    for one in explosion(NOW - 9 * DAY):
        topics.post(f"y{one.mention_id}", one.at, text=one.text, author=one.author_key)
    for one in explosion(NOW):
        topics.post(f"x{one.mention_id}", one.at, text=one.text, author=one.author_key)
    found = topics.look(NOW + 2 * HOUR)
    assert all(one.facts["usual"] == 7 for one in found)
    assert not found or found[0].spike.peak_score < 2


def test_a_replay_of_the_past_gives_what_was_given_live(viral: Keeper) -> None:
    """With all that came later stored already; looks by what was known at each."""
    id_ = viral.post("big", NOW)
    times = [NOW + hours * HOUR for hours in (1, 2, 3, 5, 10, 18)]
    likes = [20, 700, 710, 2900, 2950, 2950]
    live = []
    for at, count in zip(times, likes, strict=True):
        viral.read(id_, at, count)
        live += viral.look(at)
    assert len(live) > 2

    known: dict[str, Known] = {}
    again: list[SignalSpike] = []
    replay = Signals(viral.settings)
    with viral.database.read() as session:
        for at in times:
            found = replay.look(session, viral.brand, viral.rules, now=at, known=known)
            known |= {one.dimension: Known(spike=one.spike, facts=one.facts) for one in found}
            again += found
    assert [replace(one, row_id=None) for one in live] == again
