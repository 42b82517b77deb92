"""An X-shaped server with posts made on demand: pages as X does, and counts what it would bill."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from webserver import Play, WebServer

FIRST = 1_900_000_000_000_000_000
_JSON = {"Content-Type": "application/json; charset=utf-8"}


class FakeX(WebServer):
    """``count`` posts, one a minute up to ``now``, each by an account of its own.

    ``posts`` and ``users`` count what was read. Listings of an account show the newest ``shown``.
    """

    def __init__(self, now: datetime, count: int, shown: int = 800) -> None:
        super().__init__()
        self.now, self.count, self.shown = now, count, shown
        self.gone: set[int] = set()
        self.posts = self.users = self.counts = 0

    @property
    def micro_usd(self) -> int:
        """What all of it costs."""
        return self.posts * 5_000 + self.users * 10_000 + self.counts * 5_000

    def _next(self, full: str, path: str) -> Play:
        query = {name: values[0] for name, values in parse_qs(urlsplit(full).query).items()}
        if path in self.pages:
            return super()._next(full, path)
        if path.startswith("/2/users/by/username/"):
            self.users += 1
            return _play({"data": {"id": "77", "name": "누리마켓", "username": "nurimarket"}})
        if path == "/2/tweets/counts/recent":
            self.counts += 1
            return _play({"data": [], "meta": {"total_tweet_count": self.count}})
        if path == "/2/tweets":
            return self._lookup(query["ids"].split(","))
        return self._page(query, self.shown if path.startswith("/2/users/") else self.count)

    def _page(self, query: dict[str, str], shown: int) -> Play:
        numbers = range(self.count, max(self.count - shown, 0), -1)
        since = int(query.get("since_id", 0)) - FIRST
        below = int(query.get("until_id", FIRST * 2)) - FIRST
        token = query.get("next_token") or query.get("pagination_token")
        below = int(token) if token else below
        start = query.get("start_time", "")
        left = [n for n in numbers if since < n < below and self._time(n) >= start]
        page = left[: int(query["max_results"])]
        answer: dict[str, Any] = {"meta": {"result_count": len(page)}}
        if page:
            answer |= self._bodies(page)
            answer["meta"] |= {
                "newest_id": str(FIRST + page[0]),
                "oldest_id": str(FIRST + page[-1]),
            }
        if len(left) > len(page):
            answer["meta"]["next_token"] = str(page[-1])
        return _play(answer)

    def _lookup(self, ids: list[str]) -> Play:
        numbers = [int(one) - FIRST for one in ids]
        answer = self._bodies([n for n in numbers if n not in self.gone])
        answer["errors"] = [
            {
                "value": str(FIRST + n),
                "resource_id": str(FIRST + n),
                "resource_type": "tweet",
                "parameter": "ids",
                "title": "Not Found Error",
                "detail": f"Could not find tweet with ids: [{FIRST + n}].",
                "type": "https://api.twitter.com/2/problems/resource-not-found",
            }
            for n in numbers
            if n in self.gone
        ]
        return _play(answer)

    def _bodies(self, numbers: list[int]) -> dict[str, Any]:
        self.posts += len(numbers)
        self.users += len(numbers)
        return {
            "data": [self._post(n) for n in numbers],
            "includes": {"users": [{"id": str(n), "username": f"user{n}"} for n in numbers]},
        }

    def _time(self, number: int) -> str:
        at = (self.now - timedelta(minutes=self.count - number)).astimezone(UTC)
        return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")

    def _post(self, number: int) -> dict[str, Any]:
        return {
            "id": str(FIRST + number),
            "text": f"하늘 배송이 늦어요 {number}",
            "author_id": str(number),
            "created_at": self._time(number),
            "public_metrics": {"like_count": number},
        }


def _play(answer: dict[str, Any]) -> Play:
    return Play(json.dumps(answer), headers=_JSON)
