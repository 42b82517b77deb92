"""Collecting: items a second per source from the loopback, beside a plain reader of the same pages.

Run: ``.venv/bin/python -m benchmarks.collect [--items N] [--walk N] [--quick] [--only NAME …]``.
A server in a process of its own plays pages in each source's shape, grown from the recorded ones
in ``tests/fixtures``. "ours" is the whole way from request to ``RawItem`` through the guard, the
limiter, the ledger's place and the cursor; the baseline asks the same addresses with ``requests``
and reads them with the plain library (tweepy, feedparser, extruct) or ``json``, taking the same
fields. CPU is this process's. Then one walk over 100,000 items, with the memory along the way.
"""

from __future__ import annotations

import argparse
import copy
import gc
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import feedparser
import psutil
import requests
import tweepy

from listener.collect.base import Poller
from listener.collect.registry import check_params, find_pollers
from listener.net.client import Net
from listener.net.guard import Guard
from listener.net.limits import Limiter
from listener.settings import Settings
from listener.types import Brand, Connection, MatchMode, State, Watch

FIXTURES = Path(__file__).parents[1] / "tests" / "fixtures"
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
BRAND = Brand(id=1, name="누리마켓", hashtags=("누리마켓",), handles=("nurimarket",))
TEXT = "누리마켓 배송이 너무 늦어요. 어제 주문했는데 아직도 준비 중이라고 합니다"
AIM = 0.5

Plain = Callable[[str, "Shape", int], int]
"""A baseline: server, shape and number of pages in, number of items read out."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A source's pages: ``page(k, n)`` is the k-th of n, newest first, ``at`` below which path."""

    source: str
    at: str
    page: Callable[[int, int], bytes]
    size: int
    plain: Plain
    params: Mapping[str, str] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict)
    besides: Mapping[str, bytes] = field(default_factory=dict)  # what else is asked
    most: int = 1_000_000  # pages that the source shows
    content_type: str = "application/json; charset=utf-8"


# --- pages ---------------------------------------------------------------------------------------


def _recorded(path: str) -> Any:
    return json.loads((FIXTURES / path).read_text("utf-8"))


def _at(number: int) -> datetime:
    """When the number-th newest item was published: one every twenty seconds."""
    return NOW - timedelta(seconds=20 * number)


def _z(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _many(template: Any, first: int, count: int, change: Callable[[Any, int], None]) -> list[Any]:
    rows = []
    for number in range(first, first + count):
        row = copy.deepcopy(template)
        change(row, number)
        rows.append(row)
    return rows


def _x(k: int, n: int) -> bytes:
    answer = _recorded("x/ok/input.json")
    template, user = answer["data"][0], answer["includes"]["users"][0]

    def change(row: Any, number: int) -> None:
        # X's ids hold the time: milliseconds since 2010-11-04, 22 bits further up.
        stamp = int(_at(number).timestamp() * 1000) - 1_288_834_974_657
        row.update(id=str(stamp << 22), text=f"{TEXT} {number}", created_at=_z(_at(number)))
        row["author_id"] = user["id"]

    rows = _many(template, k * 100, 100, change)
    meta = {"newest_id": rows[0]["id"], "oldest_id": rows[-1]["id"], "result_count": 100}
    if k + 1 < n:
        meta["next_token"] = f"tok{k + 1}"
    return _dump({"data": rows, "includes": {"users": [user]}, "meta": meta})


def _hackernews(k: int, n: int) -> bytes:
    template = _recorded("hackernews/several-pages/p1.json")["hits"][0]

    def change(row: Any, number: int) -> None:
        row.update(
            objectID=str(50_000_000 - number),
            created_at_i=int(_at(number).timestamp()),
            created_at=_z(_at(number)),
            comment_text=f"{TEXT} {number}",
        )

    rows = _many(template, k * 1_000, 1_000, change)
    left = (n - k) * 1_000
    return _dump({"hits": rows, "nbHits": left, "page": 0, "nbPages": 1, "hitsPerPage": 1_000})


def _naver(k: int, n: int) -> bytes:
    template = _recorded("naver/several-pages/page1.json")["items"][0]

    def change(row: Any, number: int) -> None:
        row.update(
            title=f"<b>누리마켓</b> 후기 {number}",
            link=f"https://blog.naver.com/mina_kim/{223_000_000_000 - number}",
            description=f"<b>누리마켓</b> {TEXT} {number}...",
            postdate=f"{_at(number):%Y%m%d}",
        )

    rows = _many(template, k * 100, 100, change)
    return _dump({"total": n * 100, "start": k * 100 + 1, "display": 100, "items": rows})


def _kakao(k: int, n: int) -> bytes:
    template = _recorded("kakao/several-pages/page1.json")["documents"][0]

    def change(row: Any, number: int) -> None:
        row.update(
            url=f"http://sallim.tistory.com/{900_000 - number}",
            datetime=_at(number).isoformat(timespec="milliseconds"),
            contents=f"<b>누리마켓</b> {TEXT} {number}...",
        )

    rows = _many(template, k * 50, 50, change)
    shown = min(n * 50, 800)
    meta = {"total_count": n * 50, "pageable_count": shown, "is_end": k + 1 >= n}
    return _dump({"meta": meta, "documents": rows})


def _appstore(k: int, n: int) -> bytes:
    feed = _recorded("appstore/several-pages/page1.json")
    template = feed["feed"]["entry"][0]

    def change(row: Any, number: int) -> None:
        row["id"] = {"label": str(15_000_000_000 - number)}
        row["updated"] = {"label": _at(number).isoformat()}
        row["content"]["label"] = f"{TEXT} {number}"

    feed["feed"]["entry"] = _many(template, k * 50, 50, change)
    return _dump(feed)


def _mastodon(k: int, n: int) -> bytes:
    template = _recorded("mastodon/several-pages/input-2.json")[0]

    def change(row: Any, number: int) -> None:
        id_ = str(114_868_000_000_900_000 - number)
        row.update(id=id_, created_at=_z(_at(number)), content=f"<p>{TEXT} {number}</p>")
        row["uri"] = f"https://mastodon.social/users/minsu/statuses/{id_}"
        row["url"] = f"https://mastodon.social/@minsu/{id_}"

    return _dump(_many(template, k * 40, 40, change) if k < n else [])


def _bluesky(k: int, n: int) -> bytes:
    template = _recorded("bluesky/anonymous-first-run/input.json")["posts"][0]

    def change(row: Any, number: int) -> None:
        row["uri"] = f"at://did:plc:minji/app.bsky.feed.post/{9_000_000 - number}"
        row["indexedAt"] = row["record"]["createdAt"] = _z(_at(number))
        row["record"]["text"] = f"{TEXT} {number}"

    answer = {"posts": _many(template, k * 100, 100, change)}
    return _dump(answer | ({"cursor": str((k + 1) * 100)} if k + 1 < n else {}))


def _discourse(k: int, n: int) -> bytes:
    template = _recorded("discourse/several-pages/p1.json")["latest_posts"][0]

    def change(row: Any, number: int) -> None:
        row.update(id=900_000 - number, created_at=_z(_at(number)), cooked=f"<p>{TEXT}</p>")
        row.update(updated_at=_z(_at(number)), raw=TEXT)

    return _dump({"latest_posts": _many(template, k * 50, 50, change) if k < n else []})


def _reddit(k: int, n: int) -> bytes:
    listing = _recorded("reddit/api-several-pages/input-2.json")
    template = listing["data"]["children"][0]

    def change(row: Any, number: int) -> None:
        id_ = f"z{900_000 - number}"
        row["data"].update(id=id_, name=f"t3_{id_}", selftext=f"{TEXT} {number}")
        row["data"].update(created_utc=_at(number).timestamp())
        row["data"]["permalink"] = f"/r/korea/comments/{id_}/slug/"

    rows = _many(template, k * 100, 100, change)
    listing["data"].update(
        children=rows, dist=100, after=rows[-1]["data"]["name"] if k + 1 < n else None
    )
    return _dump(listing)


def _feed(k: int, n: int) -> bytes:
    older = f'<link rel="prev-archive" href="{{server}}/feed/{k + 1}"/>' if k + 1 < n else ""
    entries = "".join(
        f"<entry><id>urn:e:{9_000_000 - number}</id><title>누리마켓 {number}</title>"
        f'<link href="https://news.example/{number}"/><updated>{_z(_at(number))}</updated>'
        f"<author><name>미나</name></author><summary type='html'>&lt;p&gt;{TEXT} {number}"
        "&lt;/p&gt;</summary></entry>"
        for number in range(k * 100, k * 100 + 100)
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom">'
        f"<id>urn:f</id><title>F</title><updated>{_z(NOW)}</updated>{older}{entries}</feed>"
    ).encode()


# --- plain readers -------------------------------------------------------------------------------


def _json_reader(rows: str, fields: Sequence[str], server: str, shape: Shape, pages: int) -> int:
    """``requests`` and ``json``: the rows at a dotted path, of each the fields named."""
    found = 0
    with requests.Session() as session:
        for k in range(pages):
            answer = session.get(f"{server}{shape.at}", params={"page": str(k)}, timeout=30).json()
            for step in filter(None, rows.split(".")):
                answer = answer[step]
            items = []
            for row in answer:
                row = row.get("data", row)
                items.append({name: row.get(name) for name in fields})
            found += len(items)
    return found


def _tweepy(server: str, shape: Shape, pages: int) -> int:
    """tweepy's own paginator, sent to the server."""

    class Here(requests.adapters.HTTPAdapter):
        def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            request.url = request.url.replace("https://api.twitter.com", server)
            return super().send(request, *args, **kwargs)

    client = tweepy.Client(bearer_token="t", wait_on_rate_limit=False)  # noqa: S106
    client.session.mount("https://api.twitter.com", Here())
    client.session.mount("http://", Here())
    found = 0
    for answer in tweepy.Paginator(
        client.search_recent_tweets,
        "누리마켓",
        max_results=100,
        tweet_fields=["created_at", "author_id", "lang", "public_metrics", "conversation_id"],
        user_fields=["public_metrics"],
        expansions=["author_id"],
        limit=pages,
    ):
        users = {user.id: user for user in answer.includes["users"]}
        for tweet in answer.data:
            found += bool(tweet.text and tweet.created_at and users[tweet.author_id].username)
    return found


def _feedparser(server: str, shape: Shape, pages: int) -> int:
    """``requests`` and feedparser, following the archive links."""
    found = 0
    url: str | None = f"{server}{shape.at}/0"
    with requests.Session() as session:
        while url is not None:
            parsed = feedparser.parse(session.get(url, timeout=30).content)
            for entry in parsed.entries:
                found += bool(entry.id and entry.title and entry.link and entry.updated_parsed)
            links = parsed.feed.get("links", ())
            url = next((one.href for one in links if one.rel == "prev-archive"), None)
    return found


def _shapes() -> dict[str, Shape]:
    social = ("id", "uri", "url", "created_at", "content", "language", "replies_count")
    shapes = (
        Shape("x", "/2/tweets/search/recent", _x, 100, _tweepy, credentials={"bearer_token": "t"}),
        Shape(
            "feed", "/feed", _feed, 100, _feedparser, {"url": "{server}/feed/0"},
            content_type="application/atom+xml",
        ),
        Shape(
            "hackernews", "/api/v1/search_by_date", _hackernews, 1_000,
            partial(_json_reader, "hits", (
                "objectID", "created_at", "author", "comment_text", "story_title", "points",
                "num_comments", "parent_id", "story_id",
            )),
            {"query": "누리마켓"},
        ),
        Shape(
            "naver", "/v1/search/blog.json", _naver, 100,
            partial(_json_reader, "items", (
                "title", "link", "description", "bloggername", "bloggerlink", "postdate",
            )),
            {"services": "blog"}, {"client_id": "a", "client_secret": "b"}, most=10,
        ),
        Shape(
            "kakao", "/v2/search/blog", _kakao, 50,
            partial(_json_reader, "documents", (
                "title", "contents", "url", "datetime", "blogname", "thumbnail",
            )),
            {"services": "blog"}, {"rest_api_key": "k"}, most=16,
        ),
        Shape(
            "appstore", "/kr/rss/customerreviews", _appstore, 50,
            partial(_json_reader, "feed.entry", (
                "id", "author", "updated", "im:rating", "im:version", "title", "content",
            )),
            {"app": "1234567890", "countries": "kr"},
            besides={"/lookup": (FIXTURES / "appstore/several-pages/lookup.json").read_bytes()},
            most=10,
        ),
        Shape(
            "mastodon", "/api/v1/timelines/tag", _mastodon, 40,
            partial(_json_reader, "", (*social, "account", "favourites_count", "in_reply_to_id")),
        ),
        Shape(
            "bluesky", "/xrpc/app.bsky.feed.searchPosts", _bluesky, 100,
            partial(_json_reader, "posts", (
                "uri", "author", "record", "likeCount", "replyCount", "repostCount", "indexedAt",
            )),
            {"query": "누리마켓"}, {"identifier": "a.bsky.social", "app_password": "p"},
            besides={
                "/xrpc/com.atproto.server.createSession": _dump(
                    {"accessJwt": "a", "refreshJwt": "r", "handle": "a.bsky.social", "did": "d"}
                )
            },
        ),
        Shape(
            "discourse", "/posts.json", _discourse, 50,
            partial(_json_reader, "latest_posts", (
                "id", "username", "created_at", "cooked", "topic_title", "topic_slug",
                "topic_id", "post_number", "reply_to_post_number", "actions_summary",
            )),
            {"url": "{server}"},
        ),
        Shape(
            "reddit", "/r/korea/new", _reddit, 100,
            partial(_json_reader, "data.children", (
                "name", "title", "selftext", "author", "created_utc", "score", "num_comments",
                "permalink", "subreddit",
            )),
            {"subreddits": "korea"}, {"client_id": "a", "client_secret": "b", "username": "u"},
            besides={
                "/api/v1/access_token": _dump({"access_token": "t", "expires_in": 86_400})
            },
        ),
    )  # fmt: skip
    return {shape.source: shape for shape in shapes}


# --- the server ----------------------------------------------------------------------------------


def _serve(source: str, pages: int, ready: Any) -> None:
    """Play the pages of a source in the order in which they are asked for, over and over."""
    shape = _shapes()[source]
    kept: dict[int, bytes] = {}
    turn = {"next": 0}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            length = int(self.headers.get("content-length") or 0)
            self.rfile.read(length)
            if path == "/restart":
                turn["next"] = 0
                body, kind = b"", "text/plain"
            elif path in shape.besides:
                body, kind = shape.besides[path], "application/json"
            else:
                k = turn["next"]
                turn["next"] += 1
                if k not in kept:
                    if len(kept) > 300:
                        kept.clear()  # long walks: pages are made as they are asked for
                    kept[k] = shape.page(k, pages).replace(b"{server}", self._server())
                body, kind = kept[k], shape.content_type
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if shape.source == "mastodon" and turn["next"] < pages and path.startswith(shape.at):
                server = self._server().decode()
                link = f'<{server}{path}?limit=40&max_id={turn["next"]}>; rel="next"'
                self.send_header("Link", link)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def _server(self) -> bytes:
            return f"http://{self.headers['host']}".encode()

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

    server = Server(("127.0.0.1", 0), Handler)
    for k in range(min(pages, 300)):  # made beforehand, so that they cost nothing while measured
        kept[k] = shape.page(k, pages).replace(
            b"{server}", f"http://127.0.0.1:{server.server_port}".encode()
        )
    ready.put(server.server_port)
    server.serve_forever()


@contextmanager
def served(source: str, pages: int) -> Iterator[str]:
    """The address of a server that plays so many pages of a source."""
    context = multiprocessing.get_context("spawn")
    ready = context.Queue()
    process = context.Process(target=_serve, args=(source, pages, ready), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ready.get(timeout=120)}"
    finally:
        process.terminate()
        process.join()


# --- measuring -----------------------------------------------------------------------------------


def _net(home: str) -> Net:
    settings = Settings(
        home=Path(home), allow_private_hosts="127.0.0.1", max_pages=1_000_000, history_days=3_650
    )
    limiter = Limiter(lambda: NOW)
    return Net(settings, Guard(settings.private_hosts), limiter, lambda: NOW)


def _watch(shape: Shape, server: str) -> Watch:
    spec = find_pollers()[shape.source].spec
    params = {name: value.replace("{server}", server) for name, value in shape.params.items()}
    if shape.source == "mastodon":
        params["instances"] = server
    return Watch(
        id=1,
        source=shape.source,
        params=check_params(spec, params),
        match=MatchMode.ALL,
        every=timedelta(minutes=10),
        connection=Connection(
            source=shape.source, base_url=server, credentials=dict(shape.credentials)
        ),
        brand=BRAND,
    )


def ours(poller: Poller, watch: Watch) -> Iterator[int]:
    """Items of each batch of one walk."""
    for batch in poller.collect(watch, State(), now=NOW):
        yield len(batch.items)


@dataclass(frozen=True, slots=True)
class Figure:
    """Items, and the seconds that they took."""

    items: int
    wall: float
    cpu: float


def timed(step: Callable[[], int], least: int) -> Figure:
    """Repeat a step until that many items were read."""
    gc.collect()
    items = 0
    wall, cpu = time.perf_counter(), time.process_time()
    while items < least:
        found = step()
        if not found:
            raise SystemExit("nothing was read: the pages do not fit the source")
        items += found
    return Figure(items, time.perf_counter() - wall, time.process_time() - cpu)


def compare(shape: Shape, items: int) -> bool:
    """Measure one source and print its line; whether it reached the aim."""
    pages = min(max(items // shape.size, 1), shape.most)
    with served(shape.source, pages) as server, tempfile.TemporaryDirectory() as home:
        poller = find_pollers()[shape.source](_net(home))
        watch = _watch(shape, server)

        def restart() -> None:
            requests.get(f"{server}/restart", timeout=30)

        def walk() -> int:
            restart()
            return sum(ours(poller, watch))

        def plain() -> int:
            restart()
            return shape.plain(server, shape, pages)

        walk(), plain()  # imports and caches, not counted
        own, other = timed(walk, items), timed(plain, items)
    ratio = (own.items / own.cpu) / (other.items / other.cpu)
    print(
        f"{shape.source:12}{own.items / own.cpu:10,.0f}{own.items / own.wall:10,.0f}"
        f"{other.items / other.cpu:12,.0f}{other.items / other.wall:10,.0f}"
        f"{ratio:8.2f}  {'' if ratio >= AIM else f'below the aim of {AIM}'}",
        flush=True,
    )
    return ratio >= AIM


def review_pages(items: int) -> None:
    """Review pages (schema.org): our reader beside extruct, both on pages in memory."""
    import extruct

    from spiders.platforms.review_markup import read_page

    rows = [
        {
            "@type": "Review",
            "@id": f"#r{number}",
            "author": {"@type": "Person", "name": "미나"},
            "datePublished": f"{_at(number):%Y-%m-%d}",
            "reviewBody": f"{TEXT} {number}",
            "reviewRating": {"@type": "Rating", "ratingValue": "4", "bestRating": "5"},
        }
        for number in range(50)
    ]
    product = {"@context": "https://schema.org", "@type": "Product", "name": "상자", "review": rows}
    listed = "".join(
        '<div itemprop="review" itemscope itemtype="https://schema.org/Review">'
        f'<span itemprop="author">미나</span><p itemprop="reviewBody">{TEXT} {number}</p>'
        '<div itemprop="reviewRating" itemscope itemtype="https://schema.org/Rating">'
        '<meta itemprop="ratingValue" content="4"></div></div>'
        for number in range(50)
    )
    filler = "".join(f"<div class='c{n}'><a href='/p/{n}'>상품 {n}</a></div>" for n in range(500))
    data = json.dumps(product, ensure_ascii=False)
    pages = {
        "JSON-LD": f'<html><head><script type="application/ld+json">{data}</script></head>'
        f"<body>{filler}</body></html>",
        "microdata": '<html><body><div itemscope itemtype="https://schema.org/Product">'
        f"{listed}</div>{filler}</body></html>",
    }
    for name, html in pages.items():
        syntax = "json-ld" if name == "JSON-LD" else "microdata"
        own = timed(lambda html=html: len(read_page(html, "https://s.example/p").reviews), items)

        def plain(html: str = html, syntax: str = syntax) -> int:
            found = extruct.extract(html, syntaxes=[syntax])[syntax]
            return 50 if found else 0

        other = timed(plain, items)
        ratio = (own.items / own.cpu) / (other.items / other.cpu)
        print(
            f"{name:12}{own.items / own.cpu:10,.0f}{own.items / own.wall:10,.0f}"
            f"{other.items / other.cpu:12,.0f}{other.items / other.wall:10,.0f}{ratio:8.2f}"
            "  (reading only)",
            flush=True,
        )


def long_walk(items: int) -> None:
    """One walk over very many items: the memory must not grow with them."""
    shape = _shapes()["bluesky"]
    process = psutil.Process()
    print(f"\none walk over {items:,} items ({shape.source}, {shape.size} a page)")
    pages = items // shape.size
    with served(shape.source, pages) as server, tempfile.TemporaryDirectory() as home:
        poller = find_pollers()[shape.source](_net(home))
        requests.get(f"{server}/restart", timeout=30)
        found, told = 0, 0
        for count in ours(poller, _watch(shape, server)):
            found += count
            if found >= told:
                print(f"  {found:9,} items {process.memory_info().rss / 1e6:8.1f} MB", flush=True)
                told += items // 5
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"  {found:9,} items {process.memory_info().rss / 1e6:8.1f} MB, peak {peak:.1f} MB")


def main() -> None:
    """Measure all sources, or those named."""
    shapes = _shapes()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.collect", description=__doc__)
    parser.add_argument("--items", type=int, default=10_000, help="items a source")
    parser.add_argument("--walk", type=int, default=100_000, help="items of the long walk")
    parser.add_argument("--quick", action="store_true", help="a tenth of both")
    parser.add_argument("--only", nargs="*", choices=sorted(shapes), help="these sources")
    options = parser.parse_args()
    scale = 10 if options.quick else 1
    print(f"{'':12}{'ours, items/s':>20}{'baseline, items/s':>22}")
    print(f"{'source':12}{'CPU':>10}{'wall':>10}{'CPU':>12}{'wall':>10}{'ratio':>8}")
    for name in options.only or shapes:
        compare(shapes[name], options.items // scale)
    if not options.only:
        review_pages(options.items // scale)
        long_walk(options.walk // scale)


if __name__ == "__main__":
    main()
