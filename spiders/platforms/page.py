"""Any web page as a source: an article, a thread, a list of either, or what selectors name."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.http import Response, TextResponse

from listener.errors import LayoutChanged
from listener.net.page import redact
from listener.types import Gap, GapReason, Kind, MatchMode, Param, RawItem, SourceSpec
from listener.wire import CrawlReport
from spiders.base import SourceSpider
from spiders.platforms.found import FoundItem, Row
from spiders.platforms.reading import MODES, How, View, emptied, fills, merged, read_view

KNOWN = 3_000  # ids, and pages opened, that are remembered of each start page
FULL_WALK = timedelta(days=1)  # not every list is sorted by date: once a day it is read to its end
REOPENED = 10  # pages opened before whose line in the list has changed: a reply, or a view count
_ZONES = (
    "Asia/Seoul",
    "UTC",
    "Asia/Tokyo",
    "Asia/Shanghai",
    "Asia/Singapore",
    "Europe/London",
    "Europe/Berlin",
    "America/New_York",
    "America/Chicago",
    "America/Los_Angeles",
    "Australia/Sydney",
)
_NAMES = {
    "title": ("Title", "제목", "h2"),
    "text": ("Text", "본문", ".review-body"),
    "author": ("Author", "작성자", ".writer"),
    "date": ("Date", "날짜", "time"),
    "rating": ("Rating", "별점", ".stars"),
    "link": ("Link to the item's own page", "글 주소 링크", "a.subject"),
    "next": ("Link to the next page", "다음 페이지 링크", "a.next"),
}


@dataclass
class _Walk:
    """The way through the pages of one start URL."""

    start: str
    state: dict[str, Any]
    full: bool
    lists: int = 0
    found: int = 0
    reopened: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    ids: list[str] = field(default_factory=list)
    marks: dict[str, str] = field(default_factory=dict)
    ordinals: Counter[str] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=set)
    oldest: datetime | None = None
    arrived: bool = False

    @property
    def known(self) -> set[str]:
        return set(self.state.get("ids", ()))


class PageSpider(SourceSpider):
    """Reads start pages and what they lead to; lists are followed until nothing on them is new."""

    name = "page"
    spec: ClassVar[SourceSpec] = SourceSpec(
        name="page",
        title="Any web page",
        title_ko="웹 페이지 (게시판·기사·리뷰)",
        every=timedelta(minutes=30),
        kind=Kind.POST,
        default_match=MatchMode.TERMS,
        params=(
            Param(
                name="url",
                title="Addresses of the pages (of one site, separated by spaces)",
                title_ko="페이지 주소 (같은 사이트, 띄어쓰기로 구분)",
                required=True,
                example="https://board.example/bbs/board.php?bo_table=free",
            ),
            Param(
                name="mode",
                title="How it is read",
                title_ko="읽는 방법",
                default="auto",
                choices=MODES,
                help="auto는 기사·게시판·목록을 스스로 가리고, selectors는 적은 자리만 읽습니다."
                " auto tells articles, threads and lists apart; selectors reads what you name.",
            ),
            Param(
                name="item",
                title="Selector: one item (CSS or XPath)",
                title_ko="선택자: 글 하나 (CSS 또는 XPath)",
                kind="selector",
                example="li.review",
                help="되풀이되는 칸. 비우면 페이지 전체가 글 하나입니다."
                " The block that repeats. Without it the whole page is one item.",
            ),
            *(
                Param(
                    name=name,
                    title=f"Selector: {title.lower()}",
                    title_ko=f"선택자: {title_ko}",
                    kind="selector",
                    example=example,
                )
                for name, (title, title_ko, example) in _NAMES.items()
            ),
            Param(
                name="kind",
                title="What the items are",
                title_ko="글의 종류",
                choices=("post", "comment", "review", "article", "answer"),
                help="비우면 짐작합니다. Guessed when left empty.",
            ),
            Param(
                name="rating_max",
                title="Highest rating",
                title_ko="별점 만점",
                kind="number",
                example="5",
            ),
            Param(
                name="timezone",
                title="Time zone of the page's times",
                title_ko="페이지에 적힌 시각의 시간대",
                choices=_ZONES,
                help="비우면 한국어 페이지는 서울, 나머지는 UTC로 읽습니다."
                " When left empty: Seoul for pages in Korean, else UTC.",
            ),
        ),
        limits="한 번에 한 페이지씩 쉬어 가며 읽고 robots.txt와 Crawl-delay를 지킵니다."
        " One page at a time with pauses; robots.txt with its Crawl-delay is obeyed.",
        terms="약관과 robots.txt가 허락하는 페이지만 읽습니다. 차단을 우회하지 않습니다."
        " Only pages whose terms and robots.txt allow reading; no way around blocks.",
        cost="무료. Free.",
    )

    def __init__(self, job: str | None = None, **kwargs: Any) -> None:
        super().__init__(job, **kwargs)
        self.how = How.of(self.job.params)
        self.pages = 0
        self.left = 0  # pages that were not opened for the limit
        self.walks: list[_Walk] = []
        self.unchanged = False

    def first_requests(self) -> Iterator[Request]:
        """The start pages, each asked conditionally when it is known."""
        how = repr(sorted((k, v) for k, v in self.job.params.items() if k != "url"))
        for url in self.job.params["url"].split():
            state = dict(self.cursor.get(url, {}))
            if state.get("how", how) != how:
                state = {"ids": state.get("ids", [])}  # read differently: hits are not comparable
            state["how"] = how
            full_at = state.get("full_at")
            age = self.job.now.timestamp() - full_at if full_at is not None else None
            full = age is None or age >= FULL_WALK.total_seconds()
            walk = _Walk(start=url, state=state, full=full)
            self.walks.append(walk)
            yield self._list(url, walk, {} if full else self._validators(url))

    def _validators(self, url: str) -> dict[str, str]:
        known = self.validators.get(url, {})
        names = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
        return {header: known[name] for name, header in names.items() if known.get(name)}

    def _list(self, url: str, walk: _Walk, headers: dict[str, str] | None = None) -> Request:
        return Request(
            url,
            self.parse_list,
            errback=self.failed,
            headers=headers,
            meta={"walk": walk},
            priority=1,
            dont_filter=True,
        )

    def parse_list(self, response: Response) -> Iterator[RawItem | Request]:
        """A start page, or a later page of its list."""
        walk: _Walk = response.meta["walk"]
        walk.lists += 1
        walk.seen.add(response.url)
        if response.status == 304:
            self.unchanged = True
            walk.arrived = True
            walk.hits = Counter()
            return
        view = self._read(response, inner=False)
        if view is None:
            return
        if walk.lists == 1 and not self._is_trusted(walk, view, response):
            return
        walk.found += view.found
        walk.hits.update(view.hits)
        fresh = 0
        for item in view.items:
            made = self._item(item, walk, response.url)
            fresh += made.external_id not in walk.known
            yield made
        for request in self._rows(view.rows, walk):
            fresh += request.url not in walk.state.get("rows", {})
            yield request
        following = view.next_url
        ends = not following or following in walk.seen or not (view.items or view.rows)
        if ends or following is None or not (fresh or walk.full):
            walk.arrived = True
        elif self.pages >= self.job.max_pages:
            walk.arrived = True
            self._gap(walk)
        else:
            yield self._list(following, walk)

    def _rows(self, rows: list[Row], walk: _Walk) -> Iterator[Request]:
        """The pages of a list that are new, or whose line has changed."""
        known: dict[str, str] = walk.state.get("rows", {})
        for row in rows:
            if row.url in walk.marks or row.url == walk.start:
                continue
            if known.get(row.url) == row.mark:
                walk.marks[row.url] = row.mark
                continue
            if row.url in known:
                walk.reopened += 1
                if walk.reopened > REOPENED:
                    walk.marks[row.url] = known[row.url]  # looked at another time
                    continue
            if self.pages + len(walk.marks) > self.job.max_pages:
                self.left += 1
                continue
            walk.marks[row.url] = row.mark
            yield Request(
                row.url,
                self.parse_item,
                errback=self.failed_one,
                meta={"walk": walk, "row": row, "thread": row.url, "asked": row.url},
                dont_filter=True,
            )

    def parse_item(self, response: Response) -> Iterator[RawItem | Request]:
        """A page that a list led to, or a later page of it."""
        walk: _Walk = response.meta["walk"]
        row: Row | None = response.meta.get("row")
        if not self.opened(response):
            self.pages += 1
            return
        view = self._read(response, inner=True)
        if view is None:
            return
        walk.seen.add(response.url)
        thread = response.meta["thread"]
        for number, item in enumerate(view.items):
            told = row.item if row is not None and number == 0 else None
            yield self._item(merged(item, told), walk, thread, parent=response.meta.get("first"))
        if self.how.mode == "selectors":
            walk.hits.update({f"page.{name}": hit for name, hit in view.hits.items()})
            walk.hits["page"] += 1
        first = response.meta.get("first") or (view.items[0].id if view.items else None)
        following = view.next_url
        if following and following not in walk.seen and view.items:
            if self.pages >= self.job.max_pages:
                self._gap(walk)
                return
            yield Request(
                following,
                self.parse_item,
                errback=self.failed_one,
                meta={"walk": walk, "thread": thread, "first": first, "asked": thread},
                dont_filter=True,
            )

    def _read(self, response: Response, *, inner: bool) -> View | None:
        self.pages += 1
        if not self.check(response):
            return None
        if not isinstance(response, TextResponse):
            self.fail(LayoutChanged(f"{redact(response.url)} is not a web page."))
            return None
        return read_view(response.text, response.url, self.how, self.job.now, inner=inner)

    def _is_trusted(self, walk: _Walk, view: View, response: Response) -> bool:
        """Remember the first page's validators, unless it has lost all that it had."""
        selector = self.how.fields.selectors.get("item") or self.how.fields.selectors.get("link")
        name = "item" if "item" in self.how.fields else "link"
        if not view.found and walk.state.get("found"):
            what = (
                f'the selector {name} "{selector}" matches nothing' if selector else "it has none"
            )
            self.suspect = (
                f"{walk.start} had {walk.state['found']} items, and now {what}: its layout has"
                " changed, or it shows another page."
            )
            return False
        if not view.found:
            self.notices.append(
                f'The selector {name} "{selector}" matches nothing on {walk.start}.'
                if selector
                else f"Nothing was found on {walk.start}: try selectors, or a feed of the site."
            )
        elif self.how.mode == "selectors":
            self.notices += [
                f'The selector {one} "{self.how.fields.selectors[one]}" matches nothing in'
                f" {view.found} items of {walk.start}."
                for one, hit in view.hits.items()
                if not hit and not view.rows
            ]
        headers = {"etag": response.headers.get("ETag")}
        headers["last-modified"] = response.headers.get("Last-Modified")
        told = {name: value.decode("latin-1") for name, value in headers.items() if value}
        if told:
            self.validators[walk.start] = told
        return True

    def _gap(self, walk: _Walk) -> None:
        self.gaps.append(
            Gap(
                from_at=self.job.now - timedelta(days=3650),
                to_at=walk.oldest or self.job.now,
                why=GapReason.PAGE_CAP,
                detail=f"{walk.start}: stopped after {self.pages} pages",
            )
        )

    def report(self, *, requests: int, items: int, exceptions: int, finished: bool) -> CrawlReport:
        """The report, with what each walk has come to know."""
        for walk in self.walks:
            if walk.arrived and self.suspect is None:
                self._settle(walk)
        if self.left:
            self.notices.append(
                f"{self.left} pages were left for the next run: no more than {self.job.max_pages}"
                " are opened in one."
            )
        return super().report(
            requests=requests, items=items, exceptions=exceptions, finished=finished
        )

    def _settle(self, walk: _Walk) -> None:
        """Judge the fields against what they were, and remember what is known from now on."""
        before = walk.state.get("fills", {})
        told = {name: hit for name, hit in walk.hits.items() if not name.startswith("page")}
        filled = fills(walk.found, told)
        inner = {n.removeprefix("page."): h for n, h in walk.hits.items() if n.startswith("page.")}
        filled |= {f"page.{n}": rate for n, rate in fills(walk.hits["page"], inner).items()}
        lost = emptied(before, filled)
        if lost:
            names = [name.removeprefix("page.") for name in lost]
            words = ", ".join(
                f'{name} "{self.how.fields.selectors[name]}"'
                if name in self.how.fields.selectors
                else name
                for name in dict.fromkeys(names)
            )
            self.suspect = (
                f"{walk.start}: {words} is empty in all {walk.found or walk.hits['page']} items and"
                " was not before: the layout has changed."
            )
            return
        state = walk.state
        ids = dict.fromkeys([*walk.ids, *state.get("ids", [])])
        marks = {url: mark for url, mark in walk.marks.items() if url not in self.missed}
        rows = marks | {u: m for u, m in state.get("rows", {}).items() if u not in walk.marks}
        self.cursor[walk.start] = {
            "how": state["how"],
            "ids": list(ids)[:KNOWN],
            "rows": dict(list(rows.items())[:KNOWN]),
            "found": walk.found or state.get("found", 0),
            "fills": before | filled,
            "full_at": self.job.now.timestamp() if walk.full else state.get("full_at"),
        }

    def _item(
        self, item: FoundItem, walk: _Walk, page: str, *, parent: str | None = None
    ) -> RawItem:
        identity, derived = item.identity(page.partition("#")[0], walk.ordinals)
        walk.ids.append(identity)
        if item.published_at is not None:
            walk.oldest = min(walk.oldest or item.published_at, item.published_at)
        return RawItem(
            external_id=identity,
            derived=derived,
            namespace=urlsplit(walk.start).netloc.lower(),
            kind=item.kind,
            url=item.url or page,
            title=html.escape(item.title, quote=False) if item.title else None,
            text=item.text,
            html=True,
            author=item.author,
            published_at=item.published_at,
            published_precision=item.precision,
            language=item.language,
            rating=item.rating,
            rating_min=item.rating_min,
            rating_max=item.rating_max,
            thread_id=page,
            parent_id=parent if item.is_reply else None,
        )
