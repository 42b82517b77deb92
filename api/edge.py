"""Around every request: how long it took, headers that protect browsers, no keys in logs."""

from __future__ import annotations

import logging
import re
from time import perf_counter
from typing import Any

from prometheus_client import CollectorRegistry, Histogram
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Scripts, styles and connections come from here only, and nothing runs that stands inside a page:
# the HTML of a post has no way to act even if it got into one.
CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)

SECURITY_HEADERS = (
    ("content-security-policy", CSP),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
)
_RAW_HEADERS = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS]
_NO_STORE = (b"cache-control", b"no-store")
_HSTS = (b"strict-transport-security", b"max-age=31536000")


class Metrics:
    """Durations of requests by route, for Prometheus; one registry an app."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.durations = Histogram(
            "listener_http_request_duration_seconds",
            "Time to answer a request.",
            ("method", "route", "status"),
            registry=self.registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
        )


class Edge:
    """Middleware, in plain ASGI because it lies in every request's way."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, max_body: int) -> None:
        self._app = app
        self._metrics = metrics
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and watch the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        status = 500
        room = self._max_body

        async def limited() -> Message:
            nonlocal room
            message = await receive()
            room -= len(message.get("body", b""))
            if room < 0:
                raise HTTPException(413, f"A body may have {self._max_body:,} bytes at most.")
            return message

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message.setdefault("headers", [])
                headers.extend(_RAW_HEADERS)
                if scope["scheme"] == "https":
                    headers.append(_HSTS)
                if "cache-control" not in MutableHeaders(raw=headers):
                    headers.append(_NO_STORE)
            await send(message)

        try:
            await self._app(scope, limited, watched)
        finally:
            self._metrics.durations.labels(scope["method"], _route(scope), status).observe(
                perf_counter() - started
            )


def _route(scope: Scope) -> str:
    # Its template, never the path itself: a path may carry a token, and there are too many of them.
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else "other"


class HideKeys(logging.Filter):
    """Takes keys and login tokens out of uvicorn's access log, should somebody switch it on."""

    _SECRET = re.compile(r"(?i)([?&](?:key|token)=|/hooks/[^/\s?]+/|/acknowledge/)[^&\s?]+")

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record in place; it is always logged."""
        if isinstance(record.args, tuple):
            record.args = tuple(self._hide(value) for value in record.args)
        return True

    def _hide(self, value: Any) -> Any:
        return self._SECRET.sub(r"\1***", value) if isinstance(value, str) else value
