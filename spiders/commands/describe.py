"""``scrapy describe``: the spec of every spider that is a source, as JSON on standard output."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Any, ClassVar

from scrapy.commands import ScrapyCommand
from scrapy.spiderloader import SpiderLoader

from listener.wire import SPECS
from spiders.base import SourceSpider


class Command(ScrapyCommand):
    """How the core learns of spiders without importing them."""

    requires_crawler_process = False
    default_settings: ClassVar[dict[str, Any]] = {"LOG_ENABLED": False}

    def short_desc(self) -> str:
        """One line for ``scrapy --help``."""
        return "Print the sources among the spiders as JSON"

    def run(self, args: list[str], opts: Namespace) -> None:
        """Print a list of specs."""
        if self.settings is None:
            return
        loader = SpiderLoader.from_settings(self.settings)
        spiders = [loader.load(name) for name in sorted(loader.list())]
        specs = [s.spec for s in spiders if issubclass(s, SourceSpider) and hasattr(s, "spec")]
        sys.stdout.write(SPECS.dump_json(specs).decode() + "\n")
