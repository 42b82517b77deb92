"""The SSRF guard for crawls: each URL is judged before it is asked, each name when it resolves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scrapy import Request, Spider
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest
from scrapy.resolver import CachingThreadedResolver
from twisted.internet.defer import Deferred

from listener.errors import TargetForbidden
from listener.net.guard import Guard

PRIVATE_HOSTS = "LISTENER_PRIVATE_HOSTS"  # the setting that names them, given at the start


class RefusedTarget(IgnoreRequest):
    """A request that the guard stopped; the spider's errback turns it into the run's error."""

    def __init__(self, error: TargetForbidden) -> None:
        super().__init__(str(error))
        self.error = error


class GuardMiddleware:
    """Judges every URL, redirects included, since each is a request of its own."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> GuardMiddleware:
        """Made by Scrapy."""
        return cls(Guard(frozenset(crawler.settings.getlist(PRIVATE_HOSTS))))

    def process_request(self, request: Request, spider: Spider | None = None) -> None:
        """Stop what leads inside."""
        try:
            self._guard.check_url(request.url)
        except TargetForbidden as error:
            raise RefusedTarget(error) from error


class GuardedResolver(CachingThreadedResolver):
    """Hands out only addresses that were judged; the connection goes to exactly that address."""

    def __init__(
        self, reactor: Any, cache_size: int, timeout: float, private_hosts: Iterable[str]
    ) -> None:
        super().__init__(reactor, cache_size, timeout)
        self._guard = Guard()
        # A name resolves without its port; the middleware judges host and port together.
        self._private = frozenset(_host(entry) for entry in private_hosts)

    @classmethod
    def from_crawler(cls, crawler: Crawler, reactor: Any) -> GuardedResolver:
        """Made by Scrapy."""
        return cls(
            reactor,
            crawler.settings.getint("DNSCACHE_SIZE"),
            crawler.settings.getfloat("DNS_TIMEOUT"),
            crawler.settings.getlist(PRIVATE_HOSTS),
        )

    def getHostByName(self, name: str, timeout: Any = ()) -> Deferred[str]:
        """The address of a name; fails with TargetForbidden when it lies inside."""
        found: Deferred[str] = super().getHostByName(name, timeout)
        return found.addCallback(self._judge, name)

    def _judge(self, address: str, name: str) -> str:
        if name.lower().rstrip(".") not in self._private:
            self._guard.check_addresses(name, 443, [address])
        return address


def _host(entry: str) -> str:
    """The host of "host", "host:port" or "[::1]:port"."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0].lower()
    return (entry if entry.count(":") > 1 else entry.partition(":")[0]).lower()
