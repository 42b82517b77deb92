"""Reviews on any page that marks them up with schema.org, as JSON-LD, microdata or RDFa."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.http import Response, TextResponse

from listener.errors import LayoutChanged
from listener.net.page import redact
from listener.types import (
    Gap,
    GapReason,
    Kind,
    MatchMode,
    Param,
    RawItem,
    SourceSpec,
)
from spiders.base import SourceSpider
from spiders.platforms.review_markup import FoundReview, read_page

KNOWN = 3_000  # ids remembered of each start page
FULL_WALK = timedelta(days=1)  # sites do not all sort by date: once a day every page is read


@dataclass
class _Walk:
    """The way through the pages of one start URL."""

    start: str
    known: set[str]
    full: bool  # read on even where everything is known
    pages: int = 0
    ids: list[str] = field(default_factory=list)
    ordinals: Counter[str] = field(default_factory=Counter)
    seen_pages: set[str] = field(default_factory=set)
    oldest: Any = None


class ReviewsSpider(SourceSpider):
    """Follows ``rel=next`` (or a page parameter) until everything on a page is known already."""

    name = "reviews"
    spec: ClassVar[SourceSpec] = SourceSpec(
        name="reviews",
        title="Reviews on web pages",
        title_ko="웹 페이지 리뷰",
        every=timedelta(hours=1),
        kind=Kind.REVIEW,
        default_match=MatchMode.ALL,
        params=(
            Param(
                name="url",
                title="Addresses of the pages with reviews (of one site, separated by spaces)",
                title_ko="리뷰가 있는 페이지 주소 (같은 사이트, 띄어쓰기로 구분)",
                required=True,
                kind="string",
                example="https://shop.example/products/17",
            ),
        ),
        limits="한 번에 한 페이지씩 쉬어 가며 읽고 robots.txt와 Crawl-delay를 지킵니다."
        " One page at a time with pauses; robots.txt with its Crawl-delay is obeyed.",
        terms="약관과 robots.txt가 허락하는 페이지만 읽습니다. 차단을 우회하지 않습니다."
        " Only pages whose terms and robots.txt allow reading; no way around blocks.",
        cost="무료. Free.",
    )

    def first_requests(self) -> Iterator[Request]:
        """The start pages, each asked conditionally when it is known."""
        for url in self.job.params["url"].split():
            state = self.cursor.get(url, {})
            full_at = state.get("full_at")
            full = (
                full_at is None or self.job.now.timestamp() - full_at >= FULL_WALK.total_seconds()
            )
            walk = _Walk(start=url, known=set(state.get("ids", ())), full=full)
            headers = {}
            known = self.validators.get(url, {})
            if walk.known and not full:
                if known.get("etag"):
                    headers["If-None-Match"] = known["etag"]
                if known.get("last-modified"):
                    headers["If-Modified-Since"] = known["last-modified"]
            yield self._request(url, walk, headers)

    def _request(self, url: str, walk: _Walk, headers: dict[str, str] | None = None) -> Request:
        return Request(
            url,
            self.parse_page,
            errback=self.failed,
            headers=headers,
            meta={"walk": walk},
            dont_filter=True,
        )

    def parse_page(self, response: Response) -> Iterator[RawItem | Request]:
        """The reviews of one page, then the next page."""
        walk: _Walk = response.meta["walk"]
        walk.pages += 1
        walk.seen_pages.add(response.url)
        if response.status == 304:
            self.unchanged = True
            return
        if not self.check(response):
            return
        if not isinstance(response, TextResponse):
            self.fail(LayoutChanged(f"{redact(response.url)} is not a web page."))
            return
        page = read_page(response.text, response.url)
        self.notices += page.notices
        for rating in page.ratings:
            self.ratings.setdefault((rating.namespace, rating.subject), rating)
        if walk.pages == 1 and not self._is_trusted(walk, page.reviews, response):
            return
        fresh = 0
        for review in page.reviews:
            item = self._item(review, walk)
            fresh += item.external_id not in walk.known
            walk.ids.append(item.external_id)
            if item.published_at is not None:
                walk.oldest = min(walk.oldest or item.published_at, item.published_at)
            yield item
        following = page.next_url
        if not following or following in walk.seen_pages or not page.reviews:
            self._arrived(walk, full=True)
        elif fresh == 0 and not walk.full:
            self._arrived(walk, full=False)
        elif walk.pages >= self.job.max_pages:
            self.gaps.append(
                Gap(
                    from_at=self.job.now - timedelta(days=3650),
                    to_at=walk.oldest or self.job.now,
                    why=GapReason.PAGE_CAP,
                    detail=f"{walk.start}: stopped after {walk.pages} pages",
                )
            )
            self._arrived(walk, full=True)
        else:
            yield self._request(following, walk)

    def _is_trusted(self, walk: _Walk, reviews: list[FoundReview], response: Response) -> bool:
        """Remember the first page's validators, unless it has lost all its reviews."""
        if not reviews and walk.known:
            self.suspect = (
                f"{walk.start} had {len(walk.known)} reviews and now shows none: its layout has"
                " changed, or it shows another page."
            )
            return False
        if not reviews:
            self.notices.append(
                f"{walk.start} tells an average rating only, without single reviews."
                if self.ratings
                else f"{walk.start} has no reviews marked up with schema.org: the source page reads"
                " it by selectors."
            )
        found = {}
        for header, name in ((b"ETag", "etag"), (b"Last-Modified", "last-modified")):
            value = response.headers.get(header)
            if value:
                found[name] = value.decode("latin-1")
        if found:
            self.validators[walk.start] = found
        return True

    def _arrived(self, walk: _Walk, *, full: bool) -> None:
        """The end of a walk: what is known from now on."""
        ids = list(dict.fromkeys([*walk.ids, *self.cursor.get(walk.start, {}).get("ids", [])]))
        state: dict[str, Any] = {"ids": ids[:KNOWN]}
        before = self.cursor.get(walk.start, {}).get("full_at")
        state["full_at"] = self.job.now.timestamp() if full else before
        self.cursor[walk.start] = state

    def _item(self, review: FoundReview, walk: _Walk) -> RawItem:
        identity, derived = review.identity(walk.start, walk.ordinals)
        return RawItem(
            external_id=identity,
            derived=derived,
            namespace=urlsplit(walk.start).netloc.lower(),
            kind=Kind.REVIEW,
            url=review.url or walk.start,
            title=review.title,
            text=review.text,
            html=True,
            author=review.author,
            published_at=review.published_at,
            published_precision=review.precision,
            language=review.language,
            rating=review.rating,
            rating_min=review.rating_min,
            rating_max=review.rating_max,
            thread_id=walk.start,
            product=review.product,
        )
