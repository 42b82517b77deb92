"""The run report: what decides how a crawl went, since Scrapy's exit code says nothing."""

from __future__ import annotations

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
