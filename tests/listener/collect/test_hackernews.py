"""Hacker News beyond its recorded answers: bursts, what is asked for, stored items again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from listener.collect.sources.hackernews import HackerNews
from listener.errors import InvalidInput
from listener.net.client import Net
from listener.types import Batch, Brand, Kept, RawItem, State, Watch
from webserver import Play, WebServer

BRAND = Brand(id=1, name="Nurimarket")
HEADERS = {"Content-Type": "application/json"}


class Algolia(WebServer):
    """The index in memory: ``times`` of comments in epoch seconds by id; at most 1,000 hits."""

    def __init__(self) -> None:
        super().__init__()
        self.times: dict[int, int] = {}

    def _next(self, full: str, path: str) -> Play:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(full).query).items()}
        bounds = {
            sign: int(number)
            for sign, number in re.findall(r"created_at_i(>=|<)(\d+)", asked["numericFilters"])
        }
        shown = [
            (at, number)
            for number, at in self.times.items()
            if bounds[">="] <= at < bounds.get("<", 1 << 40)
        ]
        hits = [
            {
                "objectID": str(number),
                "created_at_i": at,
                "comment_text": f"Nurimarket {number}",
                "author": "ann",
                "_tags": ["comment"],
            }
            for at, number in sorted(shown, reverse=True)[: int(asked["hitsPerPage"])]
        ]
        return Play(json.dumps({"hits": hits, "nbHits": len(shown)}), headers=HEADERS)


@pytest.fixture
def algolia() -> Iterator[Algolia]:
    with Algolia() as server:
        yield server


def items(batches: list[Batch]) -> list[RawItem]:
    return [item for batch in batches for item in batch.items]


def test_1190_comments_between_two_polls_are_all_kept_in_three_requests(
    algolia: Algolia, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    watch = make_watch("hackernews", base_url=algolia.url, brand=BRAND)
    started = int(now.timestamp())
    algolia.times = {n: started - 3_600 - n for n in range(5)}
    first = list(HackerNews(net).collect(watch, State(), now=now))
    assert len(items(first)) == 5
    asked = len(algolia.seen)

    # Two a second: each page ends within a second that has another comment.
    algolia.times |= {1_000 + n: started + n // 2 for n in range(1_190)}
    later = now + timedelta(minutes=10)
    batches = list(HackerNews(net).collect(watch, first[-1].state, now=later))
    got = {int(item.external_id) for item in items(batches)}
    assert got >= set(range(1_000, 2_190))
    assert batches[-1].complete
    assert not [gap for batch in batches for gap in batch.gaps]
    assert len(algolia.seen) - asked == 3

    # Half an hour on there is one more: a single request, which does not bring the burst again.
    algolia.times[9_000] = int((now + timedelta(minutes=40)).timestamp())
    quiet = list(HackerNews(net).collect(watch, batches[-1].state, now=now + timedelta(hours=1)))
    once = list(HackerNews(net).collect(watch, quiet[-1].state, now=now + timedelta(hours=1)))
    assert [item.external_id for item in items(once)] == ["9000"]
    assert algolia.seen[-1].query["hitsPerPage"] == "100"


def test_what_is_too_long_for_a_run_is_handed_over_and_loses_nothing(
    algolia: Algolia, make_net: Callable[..., Net], make_watch: Callable[..., Watch], now: datetime
) -> None:
    net = make_net(max_pages=2)
    watch = make_watch("hackernews", base_url=algolia.url, brand=BRAND)
    started = int(now.timestamp())
    algolia.times = {n: started - n for n in range(2_500)}
    batches = list(HackerNews(net).collect(watch, State(), now=now))
    (rest,) = batches[-1].rest
    more = list(HackerNews(net).backfill(watch, rest.state, pages=5, now=now))
    assert {int(item.external_id) for item in items(batches + more)} == set(range(2_500))
    assert more[-1].complete


def test_more_of_one_second_than_a_page_shows_ends_all_the_same(
    algolia: Algolia, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    watch = make_watch("hackernews", base_url=algolia.url, brand=BRAND)
    second = int(now.timestamp()) - 60
    algolia.times = dict.fromkeys(range(1_200), second) | {5_000: second - 1}
    batches = list(HackerNews(net).collect(watch, State(), now=now))
    assert "5000" in {item.external_id for item in items(batches)}
    assert len(algolia.seen) == 3


def test_each_word_is_a_lane_unless_another_word_covers_it(
    net: Net, make_watch: Callable[..., Watch]
) -> None:
    brand = Brand(
        id=1, name="Nuri", aliases=("누리마켓", "Nuri  Market", "nuri"), hashtags=("#NuriDeal",)
    )
    assert HackerNews(net).lanes(make_watch("hackernews", brand=brand)) == (
        "Nuri", "누리마켓", "NuriDeal",
    )  # fmt: skip
    given = make_watch("hackernews", brand=brand, query='"nuri market", nuri -song')
    assert HackerNews(net).lanes(given) == ('"nuri market"', "nuri -song")


def test_a_watch_without_words_is_told(
    net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    with pytest.raises(InvalidInput) as caught:
        list(HackerNews(net).collect(make_watch("hackernews"), State(), now=now))
    assert caught.value.field == "query"


def test_stored_items_are_asked_about_and_missing_ones_are_gone(
    server: WebServer, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    watch = make_watch("hackernews", base_url=server.url, brand=BRAND)
    story: dict[str, Any] = {
        "objectID": "7", "created_at_i": 1_770_000_000, "title": "Nurimarket", "points": 90,
        "num_comments": 31, "author": "ann", "_tags": ["story"],
    }  # fmt: skip
    kept = [Kept(external_id="7"), Kept(external_id="8")]
    path = "/api/v1/search_by_date"

    server.play({path: Play(json.dumps({"hits": [story], "nbHits": 1}), headers=HEADERS)})
    (batch,) = HackerNews(net).refresh(watch, kept, now=now)
    assert server.seen[-1].query["filters"] == "objectID:7 OR objectID:8"
    seen, gone = batch.items
    assert (seen.external_id, seen.engagement and seen.engagement.likes) == ("7", 90)
    assert (gone.external_id, gone.deleted) == ("8", True)

    # An empty index, or a server that overlooks the filter, says nothing of what is gone.
    for hits in ([], [story, {**story, "objectID": "99"}]):
        server.play({path: Play(json.dumps({"hits": hits}), headers=HEADERS)})
        (batch,) = HackerNews(net).refresh(watch, kept, now=now)
        assert batch.items == ()


def test_times_are_read_from_either_field(
    server: WebServer, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    hit = {"objectID": "7", "created_at": "2026-01-02T03:04:05.000Z", "title": "Nurimarket"}
    server.pages["/api/v1/search_by_date"] = Play(json.dumps({"hits": [hit]}), headers=HEADERS)
    watch = make_watch("hackernews", base_url=server.url, brand=BRAND)
    (batch,) = HackerNews(net).collect(watch, State(), now=now)
    assert batch.items[0].published_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_server_that_overlooks_where_to_go_on_leaves_a_gap_and_is_left_alone(
    server: WebServer, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    def page(*ages: int) -> Play:
        hits = [
            {
                "objectID": str(age),
                "created_at_i": int(now.timestamp()) - age,
                "title": "Nurimarket",
            }
            for age in ages
        ]
        return Play(json.dumps({"hits": hits, "nbHits": 500 * len(ages) - 499}), headers=HEADERS)

    path = "/api/v1/search_by_date"
    watch = make_watch("hackernews", base_url=server.url, brand=BRAND)
    server.play({path: page(7_200)})
    first = list(HackerNews(net).collect(watch, State(), now=now))
    server.play({path: page(60, 120)})
    asked = len(server.seen)
    batches = list(HackerNews(net).collect(watch, first[-1].state, now=now))
    (gap,) = [gap for batch in batches for gap in batch.gaps]
    assert (now - gap.from_at, now - (gap.to_at or now)) == (
        timedelta(seconds=7_200), timedelta(seconds=120),
    )  # fmt: skip
    assert len(server.seen) - asked == 2


def test_hits_without_the_words_are_left_out_and_told(
    server: WebServer, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    hit = {"objectID": "1", "created_at_i": 1_700_000_000, "title": "Nuremberg", "_tags": ["story"]}
    server.play({"/api/v1/search_by_date": Play(json.dumps({"hits": [hit]}), headers=HEADERS)})
    watch = make_watch("hackernews", brand=BRAND, base_url=server.url)

    (batch,) = HackerNews(net).collect(watch, State(), now=now)

    assert batch.items == ()
    assert batch.notices == ("None of 1 hits has the words of Nurimarket: left out.",)
