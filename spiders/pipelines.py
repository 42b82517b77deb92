"""Item pipelines: what every item passes on its way out of a crawl."""

from __future__ import annotations

from typing import Any, BinaryIO

from scrapy.crawler import Crawler
from scrapy.exceptions import DropItem

from listener.types import RawItem
from listener.wire import dump_item
from spiders.base import SourceSpider


class Validate:
    """Drops what is no item, and repeats within the crawl; both are counted."""

    def __init__(self, crawler: Crawler) -> None:
        self._stats = crawler.stats
        self._seen: set[tuple[str, str]] = set()

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Validate:
        """Made by Scrapy."""
        return cls(crawler)

    def process_item(self, item: Any) -> RawItem:
        """The item itself. Raises DropItem."""
        if not isinstance(item, RawItem):
            self._count("listener/not_an_item")
            raise DropItem(f"a spider gave a {type(item).__name__}")
        if not item.external_id or not (item.text or item.title or item.rating is not None):
            self._count("listener/empty")
            raise DropItem("an item without id, or with nothing in it")
        key = (item.namespace, item.external_id)
        if key in self._seen:
            self._count("listener/repeated")
            raise DropItem("seen in this crawl")
        self._seen.add(key)
        return item

    def _count(self, name: str) -> None:
        if self._stats is not None:
            self._stats.inc_value(name)


class WriteItems:
    """Appends each item to the job's ``items.jsonl`` at once: a crawl that dies keeps its finds."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._file: BinaryIO | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> WriteItems:
        """Made by Scrapy."""
        return cls(crawler)

    def open_spider(self) -> None:
        """Open the file of the spider's job."""
        spider = self._crawler.spider
        if isinstance(spider, SourceSpider):
            self._file = (spider.folder / "items.jsonl").open("ab", buffering=0)

    def process_item(self, item: RawItem) -> RawItem:
        """Write one line."""
        if self._file is not None:
            self._file.write(dump_item(item) + b"\n")
        return item

    def close_spider(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
