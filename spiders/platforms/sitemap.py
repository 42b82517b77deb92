"""Sitemaps as a source: what a site lists as new or changed, opened or by its title alone."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urljoin, urlsplit

from scrapy import Request
from scrapy.http import Response, TextResponse
from twisted.python.failure import Failure

from listener.errors import LayoutChanged
from listener.net.page import redact
from listener.types import Gap, GapReason, Kind, MatchMode, Param, RawAuthor, RawItem, SourceSpec
from listener.wire import CrawlReport
from spiders.base import SourceSpider
from spiders.platforms.article import read_article
from spiders.platforms.sitemap_file import Entry, read_sitemap, sitemaps_of

FIRST = timedelta(days=7)  # how far back the first run opens pages
LOOK_BACK = timedelta(days=2)  # below the newest change: entries that came late
KNOWN = 10_000  # pages that are remembered
FILES = 50  # sitemaps of an index that one run reads, the newest first


class SitemapSpider(SourceSpider):
    """Reads robots.txt, indexes and sitemaps, and opens what changed since the last run."""

    name = "sitemap"
    spec: ClassVar[SourceSpec] = SourceSpec(
        name="sitemap",
        title="Sitemap of a site",
        title_ko="사이트맵 (뉴스·블로그 사이트 전체)",
        every=timedelta(minutes=30),
        kind=Kind.ARTICLE,
        default_match=MatchMode.TERMS,
        params=(
            Param(
                name="url",
                title="Address of the site, or of its sitemap",
                title_ko="사이트 또는 사이트맵 주소",
                required=True,
                kind="url",
                example="https://news.example/news-sitemap.xml",
            ),
            Param(
                name="content",
                title="What is read of a page",
                title_ko="읽을 범위",
                default="article",
                choices=("article", "title"),
                help="title은 뉴스 사이트맵에 적힌 제목만 모으고 페이지를 열지 않습니다."
                " title takes what a news sitemap tells itself and opens no page.",
            ),
            Param(
                name="only",
                title="Only addresses that contain one of these (separated by spaces)",
                title_ko="이 말이 들어간 주소만 (띄어쓰기로 구분)",
                example="/news/ /review/",
            ),
        ),
        limits="한 번에 한 페이지씩 쉬어 가며 읽고 robots.txt와 Crawl-delay를 지킵니다."
        " One page at a time with pauses; robots.txt with its Crawl-delay is obeyed.",
        terms="약관과 robots.txt가 허락하는 사이트만 읽습니다. 차단을 우회하지 않습니다."
        " Only sites whose terms and robots.txt allow reading; no way around blocks.",
        cost="무료. Free.",
    )

    def __init__(self, job: str | None = None, **kwargs: Any) -> None:
        super().__init__(job, **kwargs)
        self.content = self.job.params.get("content", "article")
        self.only = self.job.params.get("only", "").split()
        self.known: dict[str, float] = dict(self.cursor.get("known", {}))
        self.is_first = "mark" not in self.cursor
        mark = self.cursor.get("mark")
        since = self.job.now - FIRST if mark is None else datetime.fromisoformat(mark) - LOOK_BACK
        self.since = since
        self.newest = datetime.fromisoformat(mark) if mark else None
        self.files_seen: set[str] = set()
        self.files_unchanged = 0
        self.entries: dict[str, Entry] = {}
        self.asked: dict[str, Entry] = {}
        self.pending = 0  # sitemap files on the way; pages are chosen when all are in
        self.untitled = 0
        self.left = 0
        self.lost: list[str] = []  # sitemaps of an index that could not be read

    def first_requests(self) -> Iterator[Request]:
        """The sitemap, or where a site says it is."""
        url = self.job.params["url"]
        path = urlsplit(url).path
        if path in ("", "/") or path.endswith("/robots.txt"):
            self.pending += 1
            yield Request(
                urljoin(url, "/robots.txt"),
                self.parse_robots,
                errback=self.failed,
                # robots.txt is there to be read, whatever it says of the rest.
                meta={"dont_obey_robotstxt": True},
                dont_filter=True,
            )
        else:
            yield from self._file(url)

    def parse_robots(self, response: Response) -> Iterator[Request]:
        """The sitemaps that robots.txt names, or the usual place."""
        self.pending -= 1
        text = response.text if isinstance(response, TextResponse) else ""
        found = sitemaps_of(text, response.url) if response.status == 200 else []
        for url in found[:FILES] or [urljoin(response.url, "/sitemap.xml")]:
            yield from self._file(url)

    def _file(self, url: str, *, child: bool = False) -> Iterator[Request]:
        if url in self.files_seen or len(self.files_seen) >= FILES:
            return
        self.files_seen.add(url)
        self.pending += 1
        known = self.validators.get(url, {})
        names = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
        yield Request(
            url,
            self.parse_file,
            errback=self.failed_child if child else self.failed,
            meta={"child": child},
            headers={header: known[name] for name, header in names.items() if known.get(name)},
            dont_filter=True,
            priority=1,
        )

    def parse_file(self, response: Response) -> Iterator[RawItem | Request]:
        """One sitemap or index; when the last one is in, the pages that are new."""
        self.pending -= 1
        if response.status == 304:
            self.files_unchanged += 1
        elif response.meta["child"] and (response.status in (404, 410) or response.status >= 500):
            self.lost.append(response.url)
        elif self.check(response):
            yield from self._read_file(response)
        if self.pending == 0:
            yield from self._open()

    def _read_file(self, response: Response) -> Iterator[Request]:
        try:
            found = read_sitemap(response.body, response.url)
        except ValueError as error:
            if response.meta["child"]:
                self.lost.append(response.url)
            else:
                self.fail(LayoutChanged(f"{redact(response.url)} is no sitemap: {error}."))
            return
        asked = response.request.url if response.request is not None else response.url
        headers = {"etag": response.headers.get("ETag")}
        headers["last-modified"] = response.headers.get("Last-Modified")
        told = {name: value.decode("latin-1") for name, value in headers.items() if value}
        if told:
            self.validators[asked] = told
        for entry in found.pages:
            if not self.only or any(part in entry.url for part in self.only):
                self.entries[entry.url] = entry
        newest_first = sorted(
            found.sitemaps, key=lambda one: _seconds(one.changed_at), reverse=True
        )
        fresh = [e for e in newest_first if e.changed_at is None or e.changed_at >= self.since]
        if len(fresh) > FILES:
            self.notices.append(
                f"{redact(response.url)} lists {len(fresh)} sitemaps; the newest {FILES} are read."
            )
        for entry in fresh:
            yield from self._file(entry.url, child=True)

    def failed_child(self, failure: Failure) -> Iterator[RawItem | Request]:
        """The errback of one sitemap of an index: the others are read all the same."""
        self.pending -= 1
        self.lost.append(str(getattr(getattr(failure, "request", None), "url", "")))
        if self.pending == 0:
            yield from self._open()

    def _open(self) -> Iterator[RawItem | Request]:
        """The pages that are new or changed, the newest first; too many leave a gap."""
        entries = sorted(
            self.entries.values(), key=lambda one: _seconds(one.changed_at), reverse=True
        )
        chosen = [entry for entry in entries if self._is_due(entry)]
        for entry in entries:
            if entry.changed_at is not None and entry.changed_at <= self.job.now:
                self.newest = max(self.newest or entry.changed_at, entry.changed_at)
        limit = self.job.max_pages if self.content == "article" else len(chosen)
        left = chosen[limit:]
        self.left = len(left)
        if left:
            self.gaps.append(
                Gap(
                    from_at=min((e.changed_at for e in left if e.changed_at), default=self.since),
                    to_at=max((e.changed_at for e in left if e.changed_at), default=self.job.now),
                    why=GapReason.PAGE_CAP,
                    detail=f"{len(left)} of {len(chosen)} new pages were not opened",
                )
            )
        for entry in chosen[:limit]:
            self.asked[entry.url] = entry
            if self.content == "title":
                yield from self._by_title(entry)
            else:
                yield Request(
                    entry.url,
                    self.parse_page,
                    errback=self.failed_one,
                    meta={"entry": entry, "asked": entry.url},
                    dont_filter=True,
                )

    def _is_due(self, entry: Entry) -> bool:
        before = self.known.get(_short(entry.url))
        if entry.changed_at is None:
            # Without dates only a page that was not listed before is new.
            return before is None and not self.is_first
        if before is not None:
            return entry.changed_at.timestamp() > before
        return entry.changed_at >= self.since

    def _by_title(self, entry: Entry) -> Iterator[RawItem]:
        if not entry.title:
            self.untitled += 1
            return
        yield self._item(entry, title=entry.title, text="")

    def parse_page(self, response: Response) -> Iterator[RawItem]:
        """The article of a page."""
        entry: Entry = response.meta["entry"]
        if not self.opened(response) or not isinstance(response, TextResponse):
            return
        found = read_article(response.text, response.url, self.job.now)
        if found is None:
            self.untitled += 1
            return
        at, precision = found.published_at, found.precision
        if entry.published_at is not None:
            at, precision = entry.published_at, entry.precision
        yield self._item(
            entry,
            title=entry.title or found.title or "",
            text=found.text,
            at=at,
            precision=precision,
            author=found.author,
            language=entry.language or found.language,
        )

    def _item(self, entry: Entry, *, title: str, text: str, **told: Any) -> RawItem:
        author: RawAuthor | None = told.get("author")
        return RawItem(
            external_id=entry.url,
            namespace=urlsplit(entry.url).netloc.lower(),
            kind=Kind.ARTICLE,
            url=entry.url,
            title=html.escape(title, quote=False) or None,
            text=text,
            html=True,
            author=author,
            published_at=told.get("at", entry.published_at),
            published_precision=told.get("precision", entry.precision),
            language=told.get("language", entry.language),
            raw={"keywords": entry.keywords} if entry.keywords else None,
        )

    def report(self, *, requests: int, items: int, exceptions: int, finished: bool) -> CrawlReport:
        """The report, with the pages that are known from now on."""
        if self.error is None and not self.entries and not self.files_unchanged and self.known:
            self.suspect = (
                f"The sitemap of {self.job.params['url']} listed pages and lists none any more."
            )
        if self.lost:
            self.notices.append(
                f"{len(self.lost)} sitemaps of the index could not be read, such as"
                f" {redact(self.lost[0])}."
            )
        if self.is_first and self.entries and not any(e.changed_at for e in self.entries.values()):
            self.notices.append(
                f"The sitemap tells no dates: its {len(self.entries)} pages are taken as known, and"
                " those are read that are added from now on."
            )
        if self.untitled:
            self.notices.append(
                f"{self.untitled} pages have no title in the sitemap; content=article opens them."
                if self.content == "title"
                else f"On {self.untitled} pages no article was found."
            )
        self.unchanged = bool(self.files_unchanged) and not self.entries
        if self.suspect is None:
            self._settle()
        return super().report(
            requests=requests, items=items, exceptions=exceptions, finished=finished
        )

    def _settle(self) -> None:
        if self.left or self.missed or self.lost:
            self.validators.clear()  # an unchanged sitemap would hide what is still to be read
        for entry in self.entries.values():
            if entry.url in self.missed:
                continue
            is_asked = entry.url in self.asked
            is_old = entry.changed_at is not None and entry.changed_at < self.since
            if is_asked or (self.is_first and entry.changed_at is None):
                self.known[_short(entry.url)] = _seconds(entry.changed_at)
            elif is_old:
                self.known.pop(_short(entry.url), None)  # below the look-back: never due again
        if self.entries or not self.is_first:
            self.cursor = {
                "mark": (self.newest or self.job.now).isoformat(),
                "known": dict(list(self.known.items())[-KNOWN:]),
            }


def _short(url: str) -> str:
    """A page in the cursor: thousands of whole addresses would make it large."""
    return hashlib.blake2b(url.encode(), digest_size=6).hexdigest()


def _seconds(at: datetime | None) -> float:
    return at.timestamp() if at is not None else 0.0
