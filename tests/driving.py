"""Drives a spider without a Scrapy process: its requests are answered out of a dict of pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.exceptions import DropItem
from scrapy.http import Headers, Response
from scrapy.responsetypes import responsetypes
from twisted.python.failure import Failure

from builders import NOW
from listener.types import RawItem, State
from listener.wire import JOB, CrawlJob, CrawlReport
from spiders.base import SourceSpider
from spiders.pipelines import Validate

Answer = tuple[int, dict[str, str], bytes]
Page = Answer | Exception | Callable[[Mapping[str, str]], Answer]
HOST = "https://site.example"


@dataclass(frozen=True)
class Driven:
    """What a crawl brought, what it asked for, and how it says that it went."""

    items: list[RawItem]
    asked: list[str]
    report: CrawlReport

    @property
    def state(self) -> State:
        """Where the next crawl begins."""
        return State(cursor=self.report.cursor, validators=self.report.validators)


def drive(
    kind: type[SourceSpider],
    folder: Path,
    pages: Mapping[str, Page],
    *,
    state: State | None = None,
    now: datetime = NOW,
    max_pages: int = 200,
    **params: str,
) -> Driven:
    """Crawl ``pages`` (path -> answer; what is missing is a 404) as a watch with these parameters
    would, one request after another.
    """
    before = state or State()
    job = CrawlJob(
        source=kind.name,
        params=params,
        cursor=before.cursor,
        validators=before.validators,
        now=now,
        user_agent="Listener tests",
        max_pages=max_pages,
        max_bytes=1_000_000,
        timeout_s=5,
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "job.json").write_bytes(JOB.dump_json(job))
    spider = kind(job=str(folder))
    valid = Validate(SimpleNamespace(stats=None))  # type: ignore[arg-type]
    items: list[RawItem] = []
    asked: list[str] = []
    waiting = list(spider.first_requests())
    while waiting:
        waiting.sort(key=lambda request: -request.priority)  # stable: else in order
        request = waiting.pop(0)
        asked.append(request.url.removeprefix(HOST))
        for made in _answered(request, pages):
            if isinstance(made, Request):
                waiting.append(made)
                continue
            try:
                items.append(valid.process_item(made))
            except DropItem:
                continue
    report = spider.report(requests=len(asked), items=len(items), exceptions=0, finished=True)
    return Driven(items, asked, report)


def _answered(request: Request, pages: Mapping[str, Page]) -> Iterable[Any]:
    parts = urlsplit(request.url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    page = pages.get(path, (404, {}, b"nothing here"))
    if isinstance(page, Exception):
        failure = Failure(page)
        failure.request = request  # type: ignore[attr-defined]
        assert request.errback is not None
        return request.errback(failure) or ()
    sent = {name.decode().lower(): values[-1].decode() for name, values in request.headers.items()}
    answer = page(sent) if callable(page) else page
    assert request.callback is not None
    found = request.callback(_response(request, answer))
    return found or ()


def _response(request: Request, answer: Answer) -> Response:
    status, headers, body = answer
    told = Headers(headers)
    kind = responsetypes.from_args(headers=told, url=request.url, body=body)
    made: Response = kind(request.url, status=status, headers=told, body=body, request=request)
    return made
