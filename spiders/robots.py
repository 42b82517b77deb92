"""robots.txt beyond allow and deny: how long a site asks crawlers to wait between two requests."""

from __future__ import annotations

import math

from scrapy import Request
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.robotstxt import RobotParser

from listener.errors import Blocked
from spiders.official import official_way

LONGEST_DELAY = 60.0  # seconds; at more than that a crawl would take hours


class TooSlow(IgnoreRequest):
    """A site that wants longer pauses than we wait; the errback makes it the run's error."""

    def __init__(self, error: Blocked) -> None:
        super().__init__(str(error))
        self.error = error


class PoliteRobots(RobotsTxtMiddleware):
    """Obeys ``Crawl-delay`` and ``Request-rate`` for each host, besides what Scrapy does itself."""

    def process_request_2(self, rp: RobotParser | None, request: Request) -> None:
        """Judge a request, and set the pace of its host. Raises IgnoreRequest."""
        super().process_request_2(rp, request)
        agent = request.headers.get("User-Agent") or self._default_useragent
        delay = asked_delay(rp, agent) if rp is not None else None
        if delay is None:
            return
        if delay > LONGEST_DELAY:
            raise TooSlow(_refusal(request.url, delay))
        downloader = getattr(self.crawler.engine, "downloader", None)
        if downloader is None:
            return
        _, slot = downloader._get_slot(request)  # the one that robots.txt came through
        # Exactly as asked: neither shortened by chance nor by how fast the site answers.
        if delay >= slot.delay:
            slot.delay = delay
            slot.jitter = 0.0
            request.meta["autothrottle_dont_adjust_delay"] = True


def asked_delay(rp: RobotParser, agent: str | bytes) -> float | None:
    """Seconds between two requests that a robots.txt asks of an agent; None where it asks nothing.

    ``Request-rate: 1/10`` is one page in ten seconds. Of several wishes the slowest counts.
    """
    name = agent.decode("latin-1") if isinstance(agent, bytes) else agent
    wishes = [rp.crawl_delay(name)]
    rules = getattr(rp, "rp", None)
    rate_of = getattr(rules, "request_rate", None)
    rate = rate_of(name) if rate_of is not None else None
    if rate is not None and rate.requests:
        wishes.append(rate.seconds / rate.requests)
    told = [wish for wish in wishes if wish is not None and math.isfinite(wish) and wish > 0]
    return max(told, default=None)


def _refusal(url: str, delay: float) -> Blocked:
    return Blocked(
        f"The robots.txt of this site asks for {delay:g} seconds between two requests; Listener"
        f" waits {LONGEST_DELAY:g} at most.",
        hint=official_way(url),
    )
