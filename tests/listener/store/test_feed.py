from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from builders import NOW, a_mention, a_read_mention, a_reading, a_sentiment, stored_brand
from listener.errors import CursorExpired, NotFound
from listener.store import changes, feed, screening
from listener.store.feed import Mark, MentionFilter
from listener.store.items import BrandName, BrandReading, Deleted, FoundSpan, Item, Left
from listener.store.work import Database
from listener.types import (
    Engagement,
    Kind,
    Label,
    Match,
    MatchOrigin,
    MatchReading,
    RawAuthor,
    ReadMention,
    Span,
)
from writing import Versions, write

ALL = MentionFilter()


@pytest.fixture
def brands(database: Database) -> Sequence[int]:
    with database.write() as work:
        ids = [stored_brand(work.session, name).id for name in ("Haneul", "Bada", "San")]
        work.commit()
    return ids


def changes_of(
    database: Database, wanted: MentionFilter = ALL, mark: Mark | None = None, limit: int = 50
) -> feed.ChangePage:
    with database.read() as session:
        return feed.changes_after(session, wanted, mark, limit=limit)


def all_changes(
    database: Database, wanted: MentionFilter = ALL, mark: Mark | None = None, limit: int = 50
) -> feed.ChangePage:
    found: list[feed.Told] = []
    while True:
        page = changes_of(database, wanted, mark, limit)
        assert len(page.told) <= limit
        mark = page.mark
        if not page.told:
            return feed.ChangePage(found, mark)
        found += page.told


def post(number: int, *brand_ids: int, text: str = "", **fields: object) -> ReadMention:
    mention = a_mention(str(number), text or f"글 {number}", **fields)
    return a_read_mention(mention, brand_ids=brand_ids)


def deleted(read: ReadMention) -> ReadMention:
    return replace(read, mention=replace(read.mention, deleted=True))


def test_an_item_says_all_it_should(database: Database, brands: Sequence[int]) -> None:
    whole = a_reading(0.4, complaint=False, topics=(), tags=("intent:question",))
    toward = a_reading(-0.6)
    read = ReadMention(
        mention=a_mention(
            "7", "하늘 배송이 늦어요", title="후기", rating=1.0, rating_min=1.0, rating_max=5.0
        ),
        reading=whole,
        matches=(
            MatchReading(
                match=Match(
                    brand_id=brands[0],
                    origin=MatchOrigin.TERM,
                    spans=(Span("text", 0, 2, "하늘"),),
                ),
                reading=toward,
            ),
        ),
    )
    write(database, read)
    (item,) = changes_of(database).items
    assert item == Item(
        id=1,
        seq=1,
        change="created",
        source="plaza",
        namespace="",
        external_id="7",
        kind="post",
        url="https://plaza.example/posts/7",
        author="a_u1",
        title="후기",
        text="하늘 배송이 늦어요",
        language="ko",
        sentiment=a_sentiment(0.4),
        complaint=False,
        topics=[],
        tags=["intent:question"],
        corrected=[],
        generation=1,
        rules_version="r1",
        flags=[],
        rating=1.0,
        rating_min=1.0,
        rating_max=5.0,
        published_at=NOW - timedelta(hours=1),
        published_precision="exact",
        seen_at=NOW,
        brands=[
            BrandReading(
                brands[0],
                "Haneul",
                a_sentiment(-0.6),
                True,
                ["delivery"],
                [],
                [],
                [FoundSpan("text", 0, 2, "하늘")],
            )
        ],
    )
    with database.read() as session:
        (named,) = feed.changes_after(session, ALL, None, limit=5, names=True).items
    assert isinstance(named, Item)
    assert named.author == "Mina"


def test_not_scored_is_null_and_not_neutral(database: Database, brands: Sequence[int]) -> None:
    write(database, a_read_mention(brand_ids=brands[:1], reading=a_reading(None, complaint=None)))
    (item,) = changes_of(database).items
    assert isinstance(item, Item)
    assert item.sentiment is None
    assert item.complaint is None
    assert item.brands[0].sentiment is None


def test_edits_replace_and_deletions_take_away(database: Database, brands: Sequence[int]) -> None:
    first, second = post(1, *brands[:1]), post(2, *brands[:1])
    write(database, first, second)
    page = all_changes(database)
    assert [(i.id, i.seq, i.change) for i in page.items] == [(1, 1, "created"), (2, 2, "created")]

    write(database, post(1, *brands[:1], text="고친 글"))
    write(database, deleted(second))
    page = all_changes(database, mark=page.mark)
    edited, gone = page.items
    assert isinstance(edited, Item)
    assert (edited.id, edited.seq, edited.change, edited.text) == (1, 3, "edited", "고친 글")
    assert gone == Deleted(2, 4, "deleted")
    assert not changes_of(database, mark=page.mark).items
    # One who starts now never saw the second mention and is not bothered with it.
    assert [item.seq for item in all_changes(database).items] == [3]


def test_what_leaves_a_filter_is_told_once(database: Database, brands: Sequence[int]) -> None:
    one, two, three = brands
    write(database, post(1, one, two), post(2, two), post(3, three))
    marks = {brand: all_changes(database, MentionFilter(brand_id=brand)).mark for brand in brands}
    everything = all_changes(database).mark
    write(database, post(1, two, text="이제 바다만"))
    (left,) = all_changes(database, MentionFilter(brand_id=one), marks[one]).items
    assert left == Left(1, 4, "left", [BrandName(two, "Bada")])
    (stayed,) = all_changes(database, MentionFilter(brand_id=two), marks[two]).items
    assert isinstance(stayed, Item)
    assert stayed.change == "edited"
    assert not all_changes(database, MentionFilter(brand_id=three), marks[three]).items
    (seen,) = all_changes(database, ALL, everything).items
    assert isinstance(seen, Item)

    write(database, post(1, text="아무 브랜드도 아님"))
    for wanted in (ALL, MentionFilter(brand_id=two)):
        left_all = all_changes(database, wanted, everything).items[-1]
        assert left_all == Left(1, 5, "left", [])


def test_what_never_matched_is_no_news(database: Database, brands: Sequence[int]) -> None:
    write(database, post(1), post(2, *brands[:1]))
    assert [item.id for item in all_changes(database).items] == [2]
    with database.read() as session:
        (loose,) = feed.unmatched(session, MentionFilter(matched=False)).items
        assert isinstance(loose, Item)
        assert (loose.id, loose.seq, loose.change, loose.brands) == (1, None, None, [])
        assert not feed.unmatched(session, MentionFilter(matched=False), after_id=1).items


SELECTED: Sequence[tuple[MentionFilter, set[int]]] = [
    (MentionFilter(sources=("plaza",)), {1, 2, 3, 5}),
    (MentionFilter(sources=("plaza", "shop")), {1, 2, 3, 4, 5}),
    (MentionFilter(kinds=("review",)), {4}),
    (MentionFilter(languages=("en",)), {3}),
    (MentionFilter(labels=("negative",)), {1, 4}),
    (MentionFilter(labels=("positive", "unscored")), {2, 3, 5}),
    (MentionFilter(complaint=True), {1, 4}),
    (MentionFilter(complaint=False), {2, 5}),
    (MentionFilter(topics=("price", "refund")), {2, 4}),
    (MentionFilter(topics=("pric",)), set()),
    (MentionFilter(topics=('"', "%", "_")), set()),
    (MentionFilter(rating_lte=2), {4}),
    (MentionFilter(rating_gte=2.5), set()),
    (MentionFilter(author="a_u2"), {2}),
    (MentionFilter(author="jun"), set()),
    (MentionFilter(author="jun", named=True), {2}),
    (MentionFilter(since=NOW - timedelta(hours=2)), {1, 2, 3, 4}),
    (MentionFilter(until=NOW - timedelta(hours=2)), {5}),
    (MentionFilter(since=NOW - timedelta(hours=1), until=NOW), {1, 2, 3, 4}),
    (MentionFilter(q="배송"), {1, 4}),
    (MentionFilter(q="배송 환불"), {4}),
    (MentionFilter(q="'\" OR * -("), set()),
    (MentionFilter(watch_id=1), {4}),
    (MentionFilter(sources=("plaza",), complaint=True, q="배송"), {1}),
]


def test_filters_select(database: Database, brands: Sequence[int]) -> None:
    from builders import stored_watch

    with database.write() as work:
        stored_watch(work.session)
        work.commit()
    brand = brands[:1]
    write(
        database,
        a_read_mention(a_mention("1", "배송이 늦다"), brand_ids=brand),
        a_read_mention(
            a_mention("2", "가격이 좋다", author=RawAuthor(native_id="u2", handle="jun")),
            brand_ids=brand,
            reading=a_reading(0.8, complaint=False, topics=("price",)),
        ),
        a_read_mention(
            a_mention("3", "lovely"),
            brand_ids=brand,
            reading=a_reading(None, language="en", complaint=None, topics=()),
        ),
    )
    write(
        database,
        a_read_mention(
            a_mention("4", "배송도 환불도", source="shop", kind=Kind.REVIEW, rating=1.0),
            brand_ids=brand,
            reading=a_reading(topics=("delivery", "refund")),
        ),
        watch_id=1,
    )
    write(
        database,
        a_read_mention(
            a_mention("5", "오래된 글", published_at=NOW - timedelta(days=3)),
            brand_ids=brand,
            reading=a_reading(0.5, complaint=False, topics=()),
        ),
    )
    for wanted, expected in SELECTED:
        assert {item.id for item in all_changes(database, wanted).items} == expected, wanted
        with database.read() as session:
            assert {i.id for _, i in feed.latest(session, wanted)} == expected, wanted
            assert {i.id for _, i in feed.newest(session, wanted)} == expected, wanted


def test_with_a_brand_the_reading_toward_it_counts(
    database: Database, brands: Sequence[int]
) -> None:
    one, two, _three = brands
    bad, good = a_reading(-0.6), a_reading(0.6, complaint=False, topics=())
    write(
        database,
        ReadMention(
            mention=a_mention(),
            reading=good,
            matches=tuple(
                MatchReading(match=Match(brand_id=id_, origin=MatchOrigin.TERM), reading=reading)
                for id_, reading in ((one, bad), (two, good))
            ),
        ),
    )
    negative = MentionFilter(labels=(Label.NEGATIVE,))
    assert not all_changes(database, negative).items
    assert all_changes(database, replace(negative, brand_id=one)).items
    assert not all_changes(database, replace(negative, brand_id=two)).items


def test_newest_pages_by_event_time(database: Database, brands: Sequence[int]) -> None:
    one = brands[0]
    times = [3, 1, 2, 2, 2, 5, 4]
    write(
        database,
        *(
            post(n, one, published_at=NOW - timedelta(hours=hours))
            for n, hours in enumerate(times, 1)
        ),
    )
    for wanted in (ALL, MentionFilter(brand_id=one)):
        seen: list[int] = []
        before: tuple[datetime, int] | None = None
        while True:
            with database.read() as session:
                page = feed.newest(session, wanted, before=before, limit=2)
            if not page:
                break
            seen += [item.id for _, item in page]
            before = (page[-1][0], page[-1][1].id)
        assert seen == [2, 5, 4, 3, 1, 7, 6]


def test_latest_pages_by_seq(database: Database, brands: Sequence[int]) -> None:
    write(database, *(post(n, brands[0]) for n in range(1, 6)))
    write(database, post(2, brands[0], text="고침"))
    with database.read() as session:
        first = feed.latest(session, ALL, limit=3)
        assert [item.id for _, item in first] == [2, 5, 4]
        rest = feed.latest(session, ALL, limit=3, before_seq=first[-1][1].seq)
        assert [item.id for _, item in rest] == [3, 1]


def test_one_mention_in_full(database: Database, brands: Sequence[int]) -> None:
    from builders import stored_watch

    with database.write() as work:
        stored_watch(work.session, label="광장 검색")
        work.commit()
    parent = post(1, brands[0])
    child = post(
        2, brands[0], parent_id="1", engagement=Engagement(likes=3), media=("https://a/b",)
    )
    write(database, parent, child, watch_id=1)
    write(
        database,
        post(2, brands[0], text="고침", parent_id="1", engagement=Engagement(likes=9)),
        now=NOW + timedelta(hours=1),
        versions=Versions(key="two"),
    )
    with database.read() as session:
        detail = feed.get(session, 2)
        with pytest.raises(NotFound):
            feed.get(session, 3)
    assert detail.item.text == "고침"
    assert detail.parent == 1
    assert [counts.likes for counts in detail.engagement] == [3, 9]
    assert [revision.text for revision in detail.revisions] == ["글 2"]
    assert [watch.label for watch in detail.watches] == ["광장 검색"]
    assert detail.edited_at == NOW + timedelta(hours=1)
    made = [(r.generation, r.active, r.brand_id) for r in detail.readings]
    assert made == [(2, False, None), (2, False, 1), (1, True, None), (1, True, 1)]
    assert detail.readings[0].sentiment == a_sentiment()


def test_forgotten_deletions_expire_old_marks_only(
    database: Database, brands: Sequence[int]
) -> None:
    one = brands[0]
    posts = [post(n, one) for n in range(1, 7)]
    write(database, *posts)
    early = changes_of(database, limit=2).mark
    write(database, deleted(posts[5]), deleted(posts[4]))
    late = all_changes(database).mark
    with database.write() as work:
        changes.forget_tombstones(work.session, before=NOW + timedelta(seconds=1))
        work.commit()
    with pytest.raises(CursorExpired, match="begin again"):
        changes_of(database, mark=early)
    assert not changes_of(database, mark=late).items
    # A reader who begins now pages through old numbers, which is no reason to turn it away.
    page = changes_of(database, limit=1)
    assert page.mark.seq < 8
    assert [i.id for i in all_changes(database, mark=page.mark, limit=1).items] == [2, 3, 4]
    with database.read() as session:
        assert feed.latest_mark(session) == Mark(8, 8)


def test_a_mark_from_the_future_is_refused(database: Database) -> None:
    with pytest.raises(CursorExpired, match="put back"):
        changes_of(database, mark=Mark(1, 0))


@pytest.mark.parametrize("seed", range(2))
def test_a_reader_who_folds_changes_holds_exactly_the_filtered_set(
    database: Database, brands: Sequence[int], seed: int
) -> None:
    """Readers with filters page at random moments while mentions come, change and go."""
    random = Random(seed)
    alive: dict[int, ReadMention] = {}
    filters = [
        ALL,
        MentionFilter(brand_id=brands[0]),
        MentionFilter(brand_id=brands[1], labels=(Label.NEGATIVE,)),
        MentionFilter(labels=("negative", "unscored")),
        MentionFilter(complaint=True, topics=("price",)),
        MentionFilter(rating_lte=2),
        MentionFilter(q="배송"),
        MentionFilter(since=NOW - timedelta(hours=2)),
        MentionFilter(author="a_u2"),
    ]
    readers = [_Folder(wanted, random.choice((1, 2, 5, 50))) for wanted in filters]

    def a_state(number: int) -> ReadMention:
        reading = a_reading(
            random.choice((None, -0.6, 0.6)),
            complaint=random.choice((True, False, None)),
            topics=random.choice(((), ("price",), ("delivery", "price"))),
        )
        author = RawAuthor(native_id=random.choice(("u1", "u2")))
        text = f"{random.choice(('배송', '가격'))} {random.random()}"
        mention = a_mention(
            str(number),
            text,
            rating=random.choice((None, 1.0, 5.0)),
            author=author,
            published_at=NOW - timedelta(hours=random.choice((1, 3))),
        )
        chosen = [b for b in brands if random.random() < 0.4]
        return a_read_mention(mention, brand_ids=chosen, reading=reading)

    for _ in range(25):
        batch: dict[int, ReadMention] = {}
        for _ in range(random.randint(1, 4)):
            number = random.randint(1, 25)
            if number in alive and random.random() < 0.3:
                batch[number] = deleted(alive.pop(number))
            elif number not in batch:
                batch[number] = alive[number] = a_state(number)
        write(database, *batch.values())
        for reader in readers:
            if random.random() < 0.6:
                reader.read(database)

    for reader in readers:
        reader.read(database, to_end=True)
        fresh = _Folder(reader.wanted, 7)
        fresh.read(database, to_end=True)
        assert not fresh.goodbyes  # one who starts now hears of nothing that is gone
        with database.read() as session:
            truth = {item.id: item for _, item in feed.latest(session, reader.wanted, limit=500)}
        assert fresh.held == truth
        assert reader.held == truth


class _Folder:
    """A reader as the docs tell it to be."""

    def __init__(self, wanted: MentionFilter, limit: int) -> None:
        self.wanted = wanted
        self.limit = limit
        self.mark: Mark | None = None
        self.held: dict[int, Item] = {}
        self.seen: set[tuple[int, int]] = set()
        self.goodbyes = 0

    def read(self, database: Database, *, to_end: bool = False) -> None:
        while True:
            page = changes_of(database, self.wanted, self.mark, self.limit)
            seqs = [change.seq or 0 for change in page.items]
            assert seqs == sorted(seqs)
            assert self.mark is None or not seqs or seqs[0] > self.mark.seq
            assert len(page.items) <= self.limit
            for change in page.items:
                key = (change.id, change.seq or 0)
                assert key not in self.seen
                self.seen.add(key)
                if isinstance(change, Item):
                    self.held[change.id] = change
                else:
                    self.goodbyes += 1
                    self.held.pop(change.id, None)
            self.mark = page.mark
            if not page.items or not to_end:
                return


@pytest.mark.parametrize(
    "text", ["", "\x01\x1f\x7f", '"\\/\b\f\n\r\t', "\u2028\ufffe😀\U0010ffff", "</script>", "'; --"]
)
def test_any_text_survives_the_json(database: Database, brands: Sequence[int], text: str) -> None:
    author = RawAuthor(native_id=f"id {text}", name=text, handle=text)
    mention = a_mention("1", text, title=text, url=text, author=author)
    write(database, a_read_mention(mention, brand_ids=brands[:1]))
    with database.read() as session:
        (item,) = feed.changes_after(session, ALL, None, limit=1, names=True).items
    assert isinstance(item, Item)
    assert (item.text, item.title, item.url) == (text, text, text)
    assert item.author == (text or "id ")


@pytest.mark.parametrize(
    "at",
    [
        NOW,
        NOW + timedelta(microseconds=1),
        NOW - timedelta(microseconds=999_999),
        datetime(1969, 7, 20, 20, 17, 40, 5, tzinfo=UTC),
        datetime(2099, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
)
def test_times_are_exact(database: Database, brands: Sequence[int], at: datetime) -> None:
    write(database, post(1, *brands[:1], published_at=at), now=at)
    (item,) = changes_of(database).items
    assert isinstance(item, Item)
    assert (item.published_at, item.seen_at) == (at, at)


def test_brands_stand_in_their_order(database: Database, brands: Sequence[int]) -> None:
    write(database, a_read_mention(brand_ids=brands[::-1]))
    (item,) = changes_of(database).items
    assert isinstance(item, Item)
    assert [brand.id for brand in item.brands] == list(brands)


def test_tags_select_and_what_loses_its_tag_leaves(
    database: Database, brands: Sequence[int]
) -> None:
    asked = a_reading(0.0, tags=("class:support", "intent:question"))
    question = a_mention("1", "하늘 언제 와요?")
    write(database, a_read_mention(question, brand_ids=brands[:1], reading=asked))
    write(database, post(2, brands[0]))
    narrow = MentionFilter(tags=("intent:question", "urgency:safety"))
    assert changes_of(database, narrow).items == []
    both = MentionFilter(tags=("class:support", "intent:question"))
    assert [item.id for item in changes_of(database, both).items] == [1]
    wanted = MentionFilter(tags=("intent:question", "intent:praise"))
    page = changes_of(database, wanted)
    assert [item.id for item in page.items] == [1]

    write(database, post(1, brands[0], text="하늘 이제 왔어요"))
    (left,) = changes_of(database, wanted, page.mark).items
    assert (left.id, left.change) == (1, "left")


def test_filters_of_what_a_spike_is_about(database: Database, brands: Sequence[int]) -> None:
    def told(number: int, hours: float, **fields: object) -> ReadMention:
        at = NOW - timedelta(hours=hours)
        return post(number, brands[0], published_at=at, **fields)

    write(
        database,
        told(1, 1, product="쿠션, 21호", product_version="2.0", country="KR", place="강남"),
        told(2, 2, product="크림", country="US", rating=2.0),
        told(3, 3, rating=4.0, rating_min=0.0, rating_max=10.0),
        told(4, 4, rating=4.0),
        told(5, 5, rating=7.0),  # does not fit the scale of five that nothing says otherwise of
        told(6, 6, is_own=True),
    )
    for wanted, expected in (
        (MentionFilter(product="쿠션, 21호"), {1}),
        (MentionFilter(version="2.0", place="강남"), {1}),
        (MentionFilter(countries=("KR", "US")), {1, 2}),
        (MentionFilter(rated=True), {2, 3, 4}),
        (MentionFilter(rated=False), {1, 5, 6}),
        (MentionFilter(low_rating=True), {2, 3}),
        (MentionFilter(low_rating=False), {1, 4, 5, 6}),
        (MentionFilter(own=True), {6}),
        (MentionFilter(own=False, rated=False), {1, 5}),
    ):
        assert {item.id for item in all_changes(database, wanted).items} == expected, wanted


def test_what_is_counted_once_is_counted_at_its_first(
    database: Database, brands: Sequence[int]
) -> None:
    who = RawAuthor(native_id="u1")
    ages = (30, 20, 10, 2, 1)  # hours; NOW is noon
    write(
        database,
        *(
            post(n, brands[n == 1], author=who, published_at=NOW - timedelta(hours=age))
            for n, age in enumerate(ages, 1)
        ),
        post(6, brands[0], author=None, published_at=NOW),
    )
    with database.write() as work:
        (story,) = screening.begin(work.session, [2], now_us=0)
        screening.join(work.session, [(n, story, "exact") for n in (1, 2, 3, 5)])
        work.commit()
    brand = MentionFilter(brand_id=brands[0])
    with database.read() as session:

        def found(wanted: MentionFilter) -> set[int]:
            return {item.id for _, item in feed.newest(session, wanted)}

        # The copy of the other brand does not count for this one.
        assert found(replace(brand, once="story")) == {2, 4, 6}
        assert found(replace(brand, once="story", since=NOW - timedelta(hours=11))) == {4, 6}
        assert found(replace(MentionFilter(), once="story")) == {1, 4, 6}
        # Nobody knows whether two without a name are one.
        assert found(replace(brand, once="author")) == {2, 3, 6}
        assert feed.count(session, replace(brand, once="author"), limit=9) == 3


def test_marks_from_before_a_filter_learnt_more_stay_good() -> None:
    assert MentionFilter(brand_id=3, labels=("negative",)).fingerprint() == "853b68ae21213792"
    assert MentionFilter(own=False).fingerprint() != MentionFilter().fingerprint()
