"""What sources do to us, seen in the reports of ``listener collect --once --json``."""

from __future__ import annotations

import contextlib
import gzip
import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from webserver import Play, WebServer

KEYS = {
    *("watch", "run", "outcome", "requests", "items", "new", "edited", "rejected", "gap"),
    *("error", "hint", "next_run"),
}
SECRET = "AAAAtoken0of0X0that0must0show0nowhere"
XML = {"Content-Type": "application/rss+xml"}
HTML = {"Content-Type": "text/html"}
SEARCH = "/2/tweets/search/recent"


def feed(*numbers: int) -> str:
    items = "".join(
        f"<item><guid isPermaLink='false'>g{n}</guid><title>하늘마트 배송 {n}</title>"
        f"<link>https://n.example/{n}</link><pubDate>Mon, 10 Mar 2025 10:0{n}:00 +0900</pubDate>"
        "</item>"
        for n in numbers
    )
    channel = f"<channel><title>소식</title>{items}</channel>"
    return f"<?xml version='1.0'?><rss version='2.0'>{channel}</rss>"


def shop(*numbers: int) -> str:
    reviews = [
        {
            "@type": "Review",
            "@id": f"https://shop.example/r/{n}",
            "author": {"@type": "Person", "name": f"손님{n}"},
            "datePublished": "2025-03-10",
            "reviewBody": f"배송이 너무 늦어요 {n}",
            "reviewRating": {"@type": "Rating", "ratingValue": 1, "bestRating": 5},
        }
        for n in numbers
    ]
    product = {"@context": "https://schema.org", "@type": "Product", "name": "우산"}
    told = json.dumps(product | ({"review": reviews} if reviews else {}), ensure_ascii=False)
    return f'<html><body><script type="application/ld+json">{told}</script></body></html>'


def posts(*numbers: int) -> Play:
    rows = [
        {
            "id": str(10_000 + n),
            "text": f"하늘마트 배송 {n}",
            "created_at": f"{datetime.now(UTC) - timedelta(hours=1):%FT%TZ}",
            "author_id": "5",
        }
        for n in numbers
    ]
    ids = [row["id"] for row in rows]
    meta = {"newest_id": max(ids), "oldest_id": min(ids), "result_count": len(rows)}
    users = [{"id": "5", "username": "mina", "name": "Mina"}]
    return answer(200, {"data": rows, "includes": {"users": users}, "meta": meta})


def answer(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Play:
    return Play(json.dumps(body), status, {"Content-Type": "application/json", **(headers or {})})


def to(address: str) -> Play:
    return Play("", 302, {"Location": address})


BLOCK = (
    "<html><title>Just a moment...</title><body>Checking your browser cf-challenge</body></html>"
)
PROBLEM = "https://api.twitter.com/2/problems"

# what is answered, the outcome, words of the error
FEEDS: dict[str, tuple[Play, str, str]] = {
    "malformed": (
        Play("<rss><channel><item><title>x</oops>", headers=XML),
        "layout-changed",
        "broken",
    ),
    "no feed": (Play(bytes(range(256)) * 9, headers=XML), "layout-changed", "neither RSS"),
    "block page": (Play(BLOCK, headers=HTML), "blocked", "against robots"),
    "half a body": (Play(feed(1, 2, 3, 4), headers=XML, how="truncated"), "unavailable", "cut off"),
    "empty body": (Play("", headers=XML), "layout-changed", "neither RSS"),
    "lost its entries": (Play(feed(), headers=XML), "suspect", "empty"),
    "100 MB": (Play(how="endless", headers=XML), "unavailable", "larger than 20 MB"),
    "bomb": (
        Play(gzip.compress(bytes(60_000_000)), headers={**XML, "Content-Encoding": "gzip"}),
        "unavailable",
        "once decompressed",
    ),
    "to metadata": (to("http://169.254.169.254/latest/"), "blocked", "inside the network"),
    "to another port": (to("http://127.0.0.1:{inside}/"), "blocked", "inside the network"),
    "to an alias": (to("http://localhost:{inside}/"), "blocked", "this machine"),
    "to odd digits": (to("http://2130706433:{inside}/"), "blocked", "odd spelling"),
    "to mapped": (to("http://[::ffff:127.0.0.1]:{inside}/"), "blocked", "inside the network"),
    "to a file": (to("file:///etc/passwd"), "blocked", "http:// or https://"),
    "drip": (Play(feed(1), headers=XML, how="drip"), "unavailable", "within 1 s"),
    "reset": (Play(feed(1, 2), headers=XML, how="reset"), "unavailable", "broke the connection"),
    "429": (Play("", 429, {"Retry-After": "5400"}), "rate-limited", "429"),
    "410": (Play("", 410), "gone", "gone"),
    "500": (Play("", 500), "unavailable", "500"),
}
SEARCHES: dict[str, tuple[Play, str, str]] = {
    "401": (
        answer(401, {"title": "Unauthorized", "detail": f"no {SECRET}"}),
        "needs-credentials",
        "bearer",
    ),
    "402": (answer(402, {"title": "CreditsDepleted"}), "out-of-budget", "credit"),
    "403": (
        answer(403, {"reason": "client-not-enrolled", "type": f"{PROBLEM}/client-forbidden"}),
        "needs-credentials",
        "tier",
    ),
    "X 429": (answer(429, {"title": "Too Many Requests"}), "rate-limited", "429"),
    "X 500": (answer(500, {"title": "Internal"}), "unavailable", "500"),
    "another shape": (answer(200, {"hello": 1}), "layout-changed", "meta"),
}


@pytest.fixture
def play_each(make_install: Callable[..., Any]) -> Any:
    """One install with a watch on a server of its own for each name: (install, servers, ids)."""
    with contextlib.ExitStack() as stack:

        def make(feeds: Sequence[str], searches: Sequence[str], pages: Sequence[str] = ()) -> Any:
            names = [*feeds, *searches, *pages]
            servers = {name: stack.enter_context(WebServer()) for name in names}
            install = make_install(
                {
                    "LISTENER_ALLOW_PRIVATE_HOSTS": ",".join(
                        f"127.0.0.1:{one.port}" for one in servers.values()
                    ),
                    "LISTENER_REQUEST_TIMEOUT": "1",
                    "LISTENER_X__BEARER_TOKEN": SECRET,
                    "LISTENER_LOG_LEVEL": "DEBUG",
                }
            )
            brand = install.brand("하늘마트")
            ids = {}
            for name, one in servers.items():
                if name in searches:
                    ids[name] = install.watch("x", brand, base_url=one.url, mode="search")
                else:
                    source = "feed" if name in feeds else "reviews"
                    ids[name] = install.watch(source, brand, url=f"{one.url}/page")
            return install, servers, ids

        yield make


def standing(install: Any) -> dict[int, tuple[str, int]]:
    """Where each watch stands: cursor and validators, and up to when it is covered."""
    return {
        row["id"]: (row["state"], row["covered_to"])
        for row in install.rows("SELECT id, state, covered_to FROM watch")
    }


def test_each_is_told_in_words_and_moves_nothing(play_each: Any) -> None:
    install, servers, ids = play_each(["well", *FEEDS], ["X well", *SEARCHES])
    good = Play(feed(1, 2, 3), headers={**XML, "ETag": '"1"'})
    for name, server in servers.items():
        is_search = name in SEARCHES or name == "X well"
        server.play({SEARCH: posts(1)} if is_search else {"/page": good})
    reports, done = install.collected()
    assert done.returncode == 0, done.stdout
    assert len(reports) == len(ids)

    before = standing(install)
    mentions = len(install.rows("SELECT id FROM mention"))
    with WebServer() as inside:
        inside.play({"/": Play(feed(9), headers=XML)})
        for name, server in servers.items():
            bad = ({**FEEDS, **SEARCHES}).get(name, (None, "", ""))[0]
            if bad is None:
                server.play({SEARCH: posts(1, 2), "/page": Play(feed(1, 2, 3, 4), headers=XML)})
                continue
            place = bad.headers.get("Location", "").replace("{inside}", str(inside.port))
            headers = {**bad.headers, "Location": place} if place else bad.headers
            play = Play(bad.body, bad.status, headers, bad.how, bad.size)
            server.play({SEARCH: play, "/page": play})
        install.make_due()
        reports, done = install.collected()
        assert inside.seen == []
    assert done.returncode == 1  # something went wrong, and cron should know
    assert "Traceback" not in done.stderr
    told = {report["watch"]: report for report in reports}
    after = standing(install)
    for name, (_, outcome, words) in {**FEEDS, **SEARCHES}.items():
        report = told[ids[name]]
        assert set(report) == KEYS
        assert (name, report["outcome"]) == (name, outcome)
        assert words in report["error"], (name, report["error"])
        assert report["requests"] >= 1, name
        assert (report["items"], report["new"], report["edited"]) == (0, 0, 0), name
        assert report["gap"]["to"] is None, name
        assert report["next_run"] > "2025", name
        assert after[ids[name]] == before[ids[name]], name
    for name in ("well", "X well"):
        report = told[ids[name]]
        assert (report["outcome"], report["new"], report["gap"]) == ("ok", 1, None), name
        assert after[ids[name]] != before[ids[name]]
    assert len(install.rows("SELECT id FROM mention")) == mentions + 2

    assert SECRET not in done.stdout + done.stderr
    assert SECRET.encode() not in install.everything_written()


def test_retry_after_is_kept_by_the_next_run_and_one_watch_can_be_named(play_each: Any) -> None:
    install, servers, ids = play_each(["slow", "well"], [])
    servers["slow"].play({"/page": Play("", 429, {"Retry-After": "5400"})})
    servers["well"].play({"/page": Play(feed(1), headers=XML)})
    [report], done = install.collected(ids["slow"])
    assert done.returncode == 1
    assert report["watch"] == ids["slow"]
    due = install.rows("SELECT next_run_at FROM watch WHERE id = ?", ids["slow"])[0]["next_run_at"]
    assert due / 1e6 >= time.time() + 5300
    assert servers["well"].seen == []


def test_encodings_are_read_as_they_are_meant(play_each: Any) -> None:
    install, servers, _ = play_each(["euc-kr", "broken bytes", "entities"], [])
    undeclared = feed(1, 2).replace("<?xml version='1.0'?>", "").encode("cp949")
    servers["euc-kr"].play({"/page": Play(undeclared, headers={"Content-Type": "text/xml"})})
    whole = feed(3).encode()
    at = whole.index("배송".encode())
    servers["broken bytes"].play(
        {"/page": Play(whole[:at] + b"\xff\xfe" + whole[at:], headers=XML)}
    )
    dtd = '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd"><!ENTITY y "하하">]>'
    entities = feed(4).replace("<rss", dtd + "<rss").replace("배송", "&x;&y;")
    servers["entities"].play({"/page": Play(entities, headers=XML)})
    reports, done = install.collected()
    assert done.returncode == 0, done.stdout
    assert [report["outcome"] for report in reports] == ["ok"] * 3
    titles = {
        row["external_id"]: row["title"]
        for row in install.rows("SELECT external_id, title FROM mention")
    }
    assert titles["g1"] == "하늘마트 배송 1"
    assert titles["g2"] == "하늘마트 배송 2"
    assert titles["g3"].startswith("하늘마트 ")
    assert titles["g3"].endswith("배송 3")
    assert "root:" not in titles["g4"]


@pytest.mark.torture  # five crawls; tests/spiders has each of them alone
def test_review_pages_that_change_or_lead_astray(play_each: Any) -> None:
    names = ["changed", "blocked", "inside", "half", "well"]
    install, servers, ids = play_each([], [], names)
    quiet = {"/robots.txt": Play("", 404)}
    with WebServer() as inside:
        inside.play({"/": Play(shop(9), headers=HTML)})
        for name, page in {
            "changed": Play(shop(1, 2), headers=HTML),
            "blocked": Play(BLOCK, headers=HTML),
            "inside": to(f"http://127.0.0.1:{inside.port}/"),
            "half": Play(shop(3), headers=HTML, how="truncated"),
            "well": Play(shop(4), headers=HTML),
        }.items():
            servers[name].play({**quiet, "/page": page})
        reports, done = install.collected()
        assert inside.seen == []
    assert done.returncode == 1
    told = {report["watch"]: report for report in reports}
    assert all(set(report) == KEYS for report in reports)
    for name, outcome, words in (
        ("blocked", "blocked", "against robots"),
        ("inside", "blocked", "inside the network"),
        ("half", "unavailable", "could not be read"),
    ):
        report = told[ids[name]]
        assert (name, report["outcome"], report["new"]) == (name, outcome, 0)
        assert words in report["error"], report["error"]
        assert report["requests"] >= 1
    assert (told[ids["changed"]]["new"], told[ids["well"]]["new"]) == (2, 1)

    before = standing(install)
    servers["changed"].play({**quiet, "/page": Play(shop(), headers=HTML)})
    [report], done = install.collected(ids["changed"])
    assert (report["outcome"], report["new"], done.returncode) == ("suspect", 0, 1)
    assert "had 2 reviews and now shows none" in report["error"]
    assert standing(install) == before
