"""YouTube beyond its recorded answers: the two quotas, addresses, stored comments again."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from listener.collect.base import Position
from listener.collect.sources.youtube import YouTube
from listener.errors import AuthRejected, BudgetExhausted, InvalidInput, SourceGone
from listener.net.client import Net
from listener.types import Batch, Brand, Kept, RawItem, State, Watch
from webserver import Play, WebServer

BRAND = Brand(id=1, name="누리마켓", aliases=("Nuri Market",))
KEY = {"api_key": "AIzaSy-s3cret"}
V = "/youtube/v3/"
VIDEO = "vidAAAAAAA1"
QUOTA = {"error": {"code": 403, "errors": [{"reason": "quotaExceeded"}], "message": "quota"}}


def play(answer: Any, status: int = 200) -> Play:
    return Play(json.dumps(answer), status=status, headers={"Content-Type": "application/json"})


def listed(*rows: Any, page: str | None = None) -> Play:
    return play({"items": rows, **({"nextPageToken": page} if page else {})})


def a_video(name: str = VIDEO, comments: int = 1) -> dict[str, Any]:
    told = {"publishedAt": "2024-01-01T00:00:00Z", "title": "하울", "description": "누리마켓"}
    return {"id": name, "snippet": told, "statistics": {"commentCount": str(comments)}}


def a_comment(name: str, at: datetime, **given: Any) -> dict[str, Any]:
    told = {"textDisplay": "글", "textOriginal": "글", "publishedAt": at.isoformat(), **given}
    return {"id": name, "snippet": told}


def a_thread(name: str, at: datetime, **given: Any) -> dict[str, Any]:
    top = a_comment(name, at, **given)
    return {"id": name, "snippet": {"topLevelComment": top, "totalReplyCount": 0}}


def items(batches: list[Batch]) -> list[RawItem]:
    return [item for batch in batches for item in batch.items]


def test_the_key_is_a_header_and_in_no_address(
    server: WebServer, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    server.pages[f"{V}search"] = listed()
    watch = make_watch("youtube", base_url=server.url, brand=BRAND, credentials=KEY)
    list(YouTube(net).collect(watch, State(), now=now))
    assert server.seen[0].headers["x-goog-api-key"] == KEY["api_key"]
    assert KEY["api_key"] not in str(server.seen[0].query)
    assert server.seen[0].query["q"] == '누리마켓|"Nuri Market"'


def test_searches_and_units_are_charged_apart(
    net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    watch = make_watch("youtube", brand=BRAND, credentials=KEY)
    source = YouTube(net)
    search = source.request(watch, Position(now=now))
    assert search.charge == {"calls": 1, "search": 1}
    steps = [
        {"do": "videos", "ids": [VIDEO]},
        {"do": "threads", "video": VIDEO},
        {"do": "replies", "parent": "Ugx", "video": VIDEO},
    ]
    for step in steps:
        asked = source.request(watch, Position(now=now, token=json.dumps([step])))
        assert asked.charge == {"calls": 1, "units": 1}
        assert asked.account != search.account  # what holds one back leaves the other alone


def test_a_hundred_searches_a_day_are_not_exceeded(
    server: WebServer, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    server.pages[f"{V}search"] = listed()
    watch = make_watch("youtube", base_url=server.url, brand=BRAND, credentials=KEY)
    state, batches = State(), []
    for minute in range(0, 180, 5):
        batches = list(YouTube(net).collect(watch, state, now=now + timedelta(minutes=minute)))
        state = batches[-1].state
        assert batches[-1].complete
    assert len(server.seen) == 6  # in three hours, although asked every five minutes
    assert batches[-1].requests == 0


def test_1190_comments_between_two_polls_are_all_kept(
    server: WebServer, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    watch = make_watch(
        "youtube", base_url=server.url, credentials=KEY, mode="video", video=f"youtu.be/{VIDEO}"
    )
    server.play(
        {f"{V}videos": listed(a_video()), f"{V}commentThreads": listed(a_thread("U0", now))}
    )
    first = list(YouTube(net).collect(watch, State(), now=now))
    rows = [a_thread(f"U{n}", now + timedelta(seconds=n)) for n in range(1_190, -1, -1)]
    pages = [rows[at : at + 100] for at in range(0, len(rows), 100)]
    server.play(
        {
            f"{V}videos": listed(a_video(comments=1_191)),
            f"{V}commentThreads": [listed(*page, page=f"p{n}") for n, page in enumerate(pages)],
        }
    )
    asked = len(server.seen)
    later = now + timedelta(hours=1)
    batches = list(YouTube(net).collect(watch, first[-1].state, now=later))
    assert {f"U{n}" for n in range(1_191)} <= {item.external_id for item in items(batches)}
    assert batches[-1].complete
    assert len(server.seen) - asked <= 14  # the video and twelve pages, and one to be sure


def test_a_walk_that_is_too_long_is_handed_over_and_not_begun_again(
    server: WebServer, make_net: Callable[..., Net], make_watch: Callable[..., Watch], now: datetime
) -> None:
    watch = make_watch("youtube", base_url=server.url, credentials=KEY, mode="video", video=VIDEO)
    rows = [a_thread(f"U{n}", now - timedelta(hours=n)) for n in range(3)]
    server.pages |= {
        f"{V}videos": listed(a_video(comments=3)),
        f"{V}commentThreads": [
            listed(rows[0], page="a"), listed(rows[1], page="b"), listed(rows[2]),
        ],
    }  # fmt: skip
    source = YouTube(make_net(max_pages=2))
    batches = list(source.collect(watch, State(), now=now))
    (rest,) = batches[-1].rest
    asked = len(server.seen)
    again = list(source.collect(watch, batches[-1].state, now=now))
    assert len(server.seen) - asked == 1  # the number of comments is as it was
    assert again[-1].complete
    more = list(source.backfill(watch, rest.state, pages=9, now=now))
    assert [item.external_id for item in items(more)] == ["U1", "U2"]


def test_a_page_token_that_ran_out_begins_the_listing_anew(
    server: WebServer, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    watch = make_watch("youtube", base_url=server.url, credentials=KEY, mode="video", video=VIDEO)
    bad = {"error": {"code": 400, "errors": [{"reason": "invalidPageToken"}], "message": "…"}}
    server.pages |= {
        f"{V}videos": listed(a_video(comments=2)),
        f"{V}commentThreads": [
            listed(a_thread("U1", now), page="old"), play(bad, 400), listed(a_thread("U2", now)),
        ],
    }  # fmt: skip
    batches = list(YouTube(net).collect(watch, State(), now=now))
    assert {item.external_id for item in items(batches)} == {VIDEO, "U1", "U2"}
    assert batches[-1].complete


def test_units_that_are_used_up_stop_everything_until_midnight_in_california(
    server: WebServer, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    server.pages[f"{V}videos"] = play(QUOTA, 403)
    watch = make_watch("youtube", base_url=server.url, credentials=KEY, mode="video", video=VIDEO)
    with pytest.raises(BudgetExhausted) as caught:
        list(YouTube(net).collect(watch, State(), now=now))
    assert caught.value.retry_at is not None
    assert caught.value.retry_at > now


def test_only_the_newest_videos_are_followed(
    server: WebServer, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    names = [f"vid{n:08}" for n in range(5)]
    found = [
        {"id": {"videoId": name}, "snippet": {"publishedAt": f"2024-01-0{n + 1}T00:00:00Z"}}
        for n, name in enumerate(names)
    ]
    videos = [a_video(name, comments=0) for name in names]
    for n, video in enumerate(videos):
        video["snippet"] = {**video["snippet"], "publishedAt": f"2024-01-0{n + 1}T00:00:00Z"}
    server.pages |= {f"{V}search": listed(*found), f"{V}videos": listed(*videos)}
    watch = make_watch("youtube", base_url=server.url, brand=BRAND, credentials=KEY, follow="2")
    batches = list(YouTube(net).collect(watch, State(), now=now))
    assert len(items(batches)) == 5
    assert set(batches[-1].state.cursor["memory"]["videos"]) == set(names[3:])


def test_comments_are_asked_for_where_the_video_has_no_statistics(
    server: WebServer, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    found = {"id": {"videoId": VIDEO}, "snippet": {"publishedAt": "2024-01-01T00:00:00Z"}}
    playlist = {"id": {"kind": "youtube#playlist", "playlistId": "PL1"}, "snippet": {}}
    video = a_video()
    del video["statistics"]
    server.pages |= {
        f"{V}search": listed(found, playlist),
        f"{V}videos": listed(video),
        f"{V}commentThreads": listed(a_thread("c1", now)),
    }
    watch = make_watch("youtube", base_url=server.url, brand=BRAND, credentials=KEY)
    batches = list(YouTube(net).collect(watch, State(), now=now))
    assert [item.external_id for item in items(batches)] == [VIDEO, "c1"]


def test_stored_comments_are_asked_about(
    server: WebServer, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    watch = make_watch("youtube", base_url=server.url, credentials=KEY)
    kept = [
        Kept(external_id="Ugx1", thread_id=VIDEO),
        Kept(external_id="Ugx2", thread_id=VIDEO),
        Kept(external_id=VIDEO),
    ]
    server.pages[f"{V}comments"] = listed(a_comment("Ugx1", now, textOriginal="고쳤어요"))
    (batch,) = YouTube(net).refresh(watch, kept, now=now)
    edited, gone = batch.items
    assert (edited.text, edited.thread_id, edited.parent_id) == ("고쳤어요", VIDEO, VIDEO)
    assert (gone.external_id, gone.deleted) == ("Ugx2", True)
    assert server.seen[-1].query["id"] == "Ugx1,Ugx2"

    server.pages[f"{V}comments"] = listed()
    assert next(YouTube(net).refresh(watch, kept, now=now)).items == ()
    server.pages[f"{V}videos"] = listed(a_video())
    (batch,) = YouTube(net).refresh(watch, kept[2:], now=now)
    assert batch.items[0].title == "하울"
    server.pages[f"{V}comments"] = play(QUOTA, 403)
    with pytest.raises(BudgetExhausted):
        list(YouTube(net).refresh(watch, kept, now=now))


def test_old_answers_hold_markup_in_the_text(
    server: WebServer, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    thread = a_thread("U1", now, textOriginal=None, textDisplay="It&#39;s late<br>again")
    server.pages |= {f"{V}videos": listed(a_video()), f"{V}commentThreads": listed(thread)}
    watch = make_watch("youtube", base_url=server.url, credentials=KEY, mode="video", video=VIDEO)
    comment = items(list(YouTube(net).collect(watch, State(), now=now)))[-1]
    assert comment.html
    assert comment.text == "It&#39;s late<br>again"


@pytest.mark.parametrize(
    ("params", "brand", "field"),
    [
        ({}, None, "query"),
        ({}, Brand(id=1, name=" "), "query"),
        ({"mode": "channel"}, None, "channel"),
        ({"mode": "video"}, None, "video"),
        ({"mode": "video", "video": "https://youtube.com/@someone"}, None, "video"),
    ],
)
def test_watches_that_make_no_sense_are_told(
    net: Net, make_watch: Callable[..., Watch], now: datetime, params: Any, brand: Any, field: str
) -> None:
    watch = make_watch("youtube", brand=brand, credentials=KEY, **params)
    with pytest.raises(InvalidInput) as caught:
        list(YouTube(net).collect(watch, State(), now=now))
    assert caught.value.field == field


def test_a_key_is_needed_and_a_video_that_exists(
    server: WebServer, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    with pytest.raises(AuthRejected):
        list(YouTube(net).collect(make_watch("youtube", brand=BRAND), State(), now=now))
    server.pages[f"{V}videos"] = listed()
    watch = make_watch("youtube", base_url=server.url, credentials=KEY, mode="video", video=VIDEO)
    with pytest.raises(SourceGone):
        list(YouTube(net).collect(watch, State(), now=now))


def test_what_a_back_fill_goes_on_with_is_not_walked_again_beside_it(
    server: WebServer, make_net: Callable[..., Net], make_watch: Callable[..., Watch], now: datetime
) -> None:
    names = [f"vid{n:08}" for n in range(3)]
    server.pages |= {
        f"{V}videos": listed(*(a_video(name) for name in names)),
        f"{V}commentThreads": [listed(a_thread(f"U{n}", now)) for n in range(3)],
    }
    watch = make_watch(
        "youtube", base_url=server.url, credentials=KEY, mode="video", video=",".join(names)
    )
    source = YouTube(make_net(max_pages=2))
    first = list(source.collect(watch, State(), now=now))
    (rest,) = first[-1].rest
    asked = len(server.seen)
    again = list(source.collect(watch, first[-1].state, now=now + timedelta(minutes=30)))
    assert len(server.seen) - asked == 1
    assert not again[-1].rest
    more = list(source.backfill(watch, rest.state, pages=9, now=now))
    comments = {item.external_id for item in items(first + more) if item.parent_id}
    assert comments == {"U0", "U1", "U2"}
