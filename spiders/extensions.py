"""What surrounds a crawl: the report that decides how it went (Scrapy's exit code says nothing),
and an end to crawls that nobody waits for any more.
"""

from __future__ import annotations

import os
import shutil
import threading
import time

from scrapy import Spider, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import NotConfigured

from listener.wire import REPORT
from spiders.base import SourceSpider


class RunReport:
    """Writes ``report.json`` into the job's folder when the spider closes."""

    def __init__(self, crawler: Crawler) -> None:
        if crawler.stats is None:
            raise NotConfigured
        self._stats = crawler.stats
        crawler.signals.connect(self._closed, signal=signals.spider_closed)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> RunReport:
        """Made by Scrapy."""
        return cls(crawler)

    def _closed(self, spider: Spider, reason: str) -> None:
        if not isinstance(spider, SourceSpider):
            return
        count = self._stats.get_value
        exceptions = sum(
            value
            for key, value in self._stats.get_stats().items()
            if key.startswith("spider_exceptions/") and key.count("/") == 1
        )
        report = spider.report(
            requests=count("downloader/request_count", 0),
            items=count("item_scraped_count", 0),
            exceptions=exceptions or count("spider_exceptions/count", 0),
            finished=reason == "finished",
        )
        draft = spider.folder / "report.json.part"
        draft.write_bytes(REPORT.dump_json(report))
        draft.rename(spider.folder / "report.json")  # whole or not at all


class EndWithParent:
    """Ends the crawl, and removes the job's folder, when the process that started it is gone.

    That process was killed, else it would have ended the crawl itself. The next one starts a crawl
    of its own, and two at once would ask the site twice as fast as is polite.
    """

    def __init__(self, parent: int, crawler: Crawler) -> None:
        self._parent = parent
        crawler.signals.connect(self._opened, signal=signals.spider_opened)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> EndWithParent:
        """Made by Scrapy; the setting LISTENER_PARENT is the process's number."""
        parent = crawler.settings.getint("LISTENER_PARENT")
        if not parent:
            raise NotConfigured
        return cls(parent, crawler)

    def _opened(self, spider: Spider) -> None:
        threading.Thread(target=self._watch, args=(spider,), daemon=True).start()

    def _watch(self, spider: Spider) -> None:
        while os.getppid() == self._parent:
            time.sleep(1.0)
        if isinstance(spider, SourceSpider):
            shutil.rmtree(spider.folder, ignore_errors=True)
        os._exit(1)  # there is nobody left to whom an orderly end would matter
