"""What all spiders share: the job they get, the report they leave, words for what went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import scrapy
from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from twisted.python.failure import Failure

from listener.errors import (
    Blocked,
    LayoutChanged,
    SourceError,
    SourceUnavailable,
)
from listener.net.page import redact
from listener.net.retry import challenge, classify
from listener.types import Gap, RatingSnapshot, SourceSpec
from listener.wire import JOB, CrawlJob, CrawlReport
from spiders.guard import RefusedTarget
from spiders.official import official_way
from spiders.robots import TooSlow


class SourceSpider(scrapy.Spider):
    """A spider that is a source: ``scrapy crawl NAME -a job=FOLDER``.

    The folder holds ``job.json`` and takes ``items.jsonl`` and ``report.json``. Without a job the
    spider cannot run, because it would not know where it stands.
    """

    spec: ClassVar[SourceSpec]

    def __init__(self, job: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if job is None:
            raise ValueError(f"usage: scrapy crawl {self.name} -a job=FOLDER (with a job.json)")
        self.folder = Path(job)
        self.job: CrawlJob = JOB.validate_json((self.folder / "job.json").read_bytes())
        self.error: SourceError | None = None
        self.gaps: list[Gap] = []
        self.notices: list[str] = []
        # Pages that a list or a sitemap led to: opened, broken for now, gone, not ours to open.
        self.read = 0
        self.missed: set[str] = set()
        self.gone: set[str] = set()
        self.forbidden = 0
        self.ratings: dict[tuple[str, str], RatingSnapshot] = {}
        self.suspect: str | None = None
        self.unchanged = False
        self.cursor: dict[str, Any] = dict(self.job.cursor)
        self.validators: dict[str, dict[str, str]] = {
            url: dict(values) for url, values in self.job.validators.items()
        }

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> SourceSpider:
        """Set the job's limits before the engine is built."""
        spider: SourceSpider = super().from_crawler(crawler, *args, **kwargs)
        job = spider.job
        settings = crawler.settings
        settings.set("USER_AGENT", job.user_agent, priority="spider")
        settings.set("DOWNLOAD_TIMEOUT", job.timeout_s, priority="spider")
        settings.set("DOWNLOAD_MAXSIZE", job.max_bytes, priority="spider")
        if spider.is_all_inside():
            # The operator's own server, named as such: no need to tread softly.
            settings.set("DOWNLOAD_DELAY", 0, priority="spider")
            settings.set("AUTOTHROTTLE_ENABLED", False, priority="spider")
        return spider

    async def start(self) -> AsyncIterator[Any]:
        """The first requests, from ``first_requests``."""
        for request in self.first_requests():
            yield request
            await asyncio.sleep(0)

    def first_requests(self) -> Iterator[Request]:
        """Where to begin. To be written by each spider."""
        raise NotImplementedError

    def fail(self, error: SourceError) -> None:
        """Keep the first error: it is what the run reports. The cursor stays where it was."""
        if self.error is None:
            self.error = error

    def is_all_inside(self) -> bool:
        """Whether every address among the parameters lies on a host named as inside."""
        words = " ".join(self.job.params.values()).split()
        urls = [word for word in words if "://" in word]
        return bool(urls) and all(map(self.is_inside, urls))

    def is_inside(self, url: str) -> bool:
        """Whether the operator named the host of this URL as one inside the network."""
        parts = urlsplit(url)
        names = {(parts.hostname or "").lower(), parts.netloc.lower()}
        return any(entry.lower() in names for entry in self.job.private_hosts)

    def check(self, response: Response) -> bool:
        """Whether a response is the page asked for; else keeps the error in words."""
        status = response.status
        headers = {
            k.decode("latin-1").lower(): v[-1].decode("latin-1")
            for k, v in response.headers.items()
            if v
        }
        if 200 <= status < 300:
            if not challenge(headers, response.body):
                return True
            self.fail(
                Blocked(
                    f"{redact(response.url)} shows a page against robots instead of its content.",
                    hint=official_way(response.url),
                    status=status,
                )
            )
            return False
        error = classify(status, headers, response.body, self.job.now, url=redact(response.url))
        if isinstance(error, Blocked):
            error.hint = official_way(response.url)
        self.fail(error or SourceUnavailable(f"{redact(response.url)} answers HTTP {status}."))
        return False

    def opened(self, response: Response) -> bool:
        """Whether one page of many could be opened. One that is gone or broken fails no crawl.

        A refusal that means all of them (a block page, "slow down") does.
        """
        if response.status in (404, 410):
            self.gone.add(asked_url(response))
            return False
        if response.status >= 500:
            self.missed.add(asked_url(response))
            return False
        if self.check(response):
            self.read += 1
            return True
        return False

    def failed_one(self, failure: Failure) -> None:
        """The errback of one page of many: it is told, and asked again another time."""
        error = failure.value
        request = getattr(failure, "request", None)
        url = getattr(request, "url", "the page")
        if isinstance(error, TooSlow):
            self.fail(error.error)
        elif isinstance(error, IgnoreRequest | SourceError):
            self.forbidden += 1
        else:
            self.missed.add(request.meta.get("asked", url) if request is not None else url)

    def failed(self, failure: Failure) -> None:
        """The errback of every request."""
        error = failure.value
        asked = getattr(getattr(failure, "request", None), "url", "the page")
        url = redact(asked)
        if isinstance(error, RefusedTarget | TooSlow):
            self.fail(error.error)
        elif isinstance(error, SourceError):  # the resolver's
            self.fail(error)
        elif isinstance(error, IgnoreRequest):
            self.fail(
                Blocked(
                    f"The robots.txt of this site forbids {url}.",
                    hint=official_way(asked),
                )
            )
        else:
            words = failure.getErrorMessage() or type(error).__name__
            self.fail(SourceUnavailable(f"{url} could not be read: {words[:300]}"))

    def report(self, *, requests: int, items: int, exceptions: int, finished: bool) -> CrawlReport:
        """How the crawl went. A callback that raised is an error, whatever Scrapy's exit code."""
        if self.missed and not self.read:
            self.fail(SourceUnavailable(f"None of {len(self.missed)} pages could be opened."))
        elif self.missed:
            self.notices.append(
                f"{len(self.missed)} pages could not be opened; they are asked for again."
            )
        if self.forbidden:
            self.notices.append(
                f"robots.txt or the network's guard forbids {self.forbidden} pages; they are left"
                " out."
            )
        error = self.error
        if error is None and exceptions:
            error = LayoutChanged(f"{exceptions} pages could not be read; the log has the details.")
        if error is None and not finished:
            error = SourceUnavailable("The crawl was stopped before its end.")
        return CrawlReport(
            cursor=self.cursor,
            validators=self.validators,
            complete=error is None and self.suspect is None,
            unchanged=self.unchanged,
            requests=requests,
            items=items,
            gaps=tuple(self.gaps),
            notices=tuple(dict.fromkeys(self.notices)),
            suspect=self.suspect,
            ratings=tuple(self.ratings.values()),
            error=error.code if error else None,
            message=error.message if error else "",
            hint=error.hint if error else None,
            status=error.status if error else None,
            retry_at=error.retry_at if error else None,
        )


def asked_url(response: Response) -> str:
    """The address that was asked for, before any redirect."""
    asked: str = response.meta.get("asked", response.url)
    return asked
