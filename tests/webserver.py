"""A web server on the loopback that plays what sources do to us, well and badly, and counts it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Play:
    """One answer. ``how`` says what goes wrong:

    drip (a byte of the body at a time), drip-headers, truncated (less than announced), reset (in
    the middle of the body), silent (never answers), endless (``size`` bytes, not announced),
    garbage (no HTTP at all).
    """

    body: bytes | str = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    how: str = ""
    size: int = 100_000_000


@dataclass(frozen=True)
class Seen:
    """A request as it arrived; header names lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class WebServer:
    """Serves ``pages``: a path with or without query -> one Play, or several for one call each (the
    last stays).

    ``seen`` holds the requests in order. Use as a context manager.
    """

    def __init__(self, host: str = "127.0.0.1", tls: Any = None) -> None:
        self.pages: dict[str, Play | Sequence[Play]] = {}
        self.seen: list[Seen] = []
        self.sent = 0
        self._calls: dict[str, int] = {}
        self._lock = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                owner.answer(self)

            do_GET = do_POST = do_HEAD = handle_any

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass  # clients that hang up are part of the play

        self.server = Server((host, 0), Handler)
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port: int = self.server.server_address[1]
        self.scheme = "https" if tls is not None else "http"
        self._done = threading.Event()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        return [seen.path for seen in self.seen]

    def play(self, pages: Mapping[str, Play | Sequence[Play]]) -> None:
        """Serve other pages from now on, each sequence from its start."""
        with self._lock:
            self.pages = dict(pages)
            self._calls.clear()

    def __enter__(self) -> WebServer:
        self._thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        length = int(handler.headers.get("Content-Length") or 0)
        seen = Seen(
            method=handler.command,
            path=parts.path,
            query={name: values[0] for name, values in parse_qs(parts.query).items()},
            headers={name.lower(): value for name, value in handler.headers.items()},
            body=handler.rfile.read(length) if length else b"",
        )
        with self._lock:
            self.seen.append(seen)
            play = self._next(handler.path, parts.path)
        handler.close_connection = True
        with contextlib.suppress(OSError):
            self._send(handler, play, seen)

    def _next(self, full: str, path: str) -> Play:
        key = full if full in self.pages else path
        plays = self.pages.get(key, Play("not here", 404))
        if isinstance(plays, Play):
            return plays
        call = self._calls.get(key, 0)
        self._calls[key] = call + 1
        return plays[min(call, len(plays) - 1)]

    def _send(self, handler: BaseHTTPRequestHandler, play: Play, seen: Seen) -> None:
        out = handler.wfile
        body = play.body.encode() if isinstance(play.body, str) else play.body
        if play.how == "silent":
            self._done.wait(30)
            return
        if play.how == "garbage":
            out.write(b"this is not HTTP\r\n\r\n")
            return
        headers = {"Content-Length": str(len(body)), **play.headers}
        if play.how == "truncated":
            headers["Content-Length"] = str(len(body) + 1_000)
        if play.how == "endless":
            del headers["Content-Length"]
        etag = headers.get("ETag")
        status = play.status
        if etag and seen.headers.get("if-none-match") == etag:
            status, body = 304, b""
            headers["Content-Length"] = "0"
        if play.how == "drip-headers":
            out.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            for _ in self._slowly():
                out.write(b"a")
                out.flush()
            return
        handler.send_response_only(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        if seen.method == "HEAD":
            return
        if play.how == "drip":
            for index in self._slowly():
                out.write(body[index : index + 1] or b" ")
                out.flush()
        elif play.how == "reset":
            out.write(body[: len(body) // 2])
            out.flush()
            # Closing with a linger time of zero sends RST instead of FIN.
            handler.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            handler.connection.close()
        elif play.how == "endless":
            chunk = bytes(65_536)
            while self.sent < play.size:
                out.write(chunk)
                self.sent += len(chunk)
        else:
            out.write(body)

    def _slowly(self) -> Iterator[int]:
        started = time.monotonic()
        index = 0
        while time.monotonic() - started < 30 and not self._done.wait(0.02):
            yield index
            index += 1
