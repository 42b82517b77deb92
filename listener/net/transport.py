"""One HTTP exchange over a guarded connection: pinned address, deadline, size limits, plain words
for failures.

The lowest piece of ``net``: no redirects, no limits, no judgement of the status. A connection
serves one exchange, so each one is resolved and judged anew, and nothing is shared between threads.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import certifi
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from listener.errors import SourceUnavailable, TargetForbidden
from listener.net.guard import Guard, Target
from listener.net.page import lower

_CHUNK = 65_536
_FIRST_TRY = 5.0  # seconds for an address while others are left: IPv6 that leads nowhere is common
_BROKEN = (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError, ValueError)
_BAD_HEADER = re.compile(r"[\r\n\x00]")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, read whole and decompressed. Header names are lower case; ``received`` is bytes
    on the wire.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    received: int


@dataclass(frozen=True, slots=True)
class Flow:
    """An answer that goes on. ``lines`` come without their ends; an empty one is a sign of life."""

    status: int
    headers: Mapping[str, str]
    lines: Iterator[bytes]


class Unreached(SourceUnavailable):
    """Nothing of the request went out: no such name, refused, no secure connection."""


class BadAnswer(SourceUnavailable):
    """The host answered, with something that cannot be used: too large, or damaged."""


class _Pinned(HTTPConnection):
    """A connection that only goes to addresses that were judged. Host header, SNI and certificate
    keep the name.
    """

    addresses: Sequence[str] = ()
    deadline: float = 0.0

    def _new_conn(self) -> socket.socket:
        failure: OSError | None = None
        for index, address in enumerate(self.addresses):
            left = self.deadline - time.monotonic()
            if left <= 0:
                break
            more = index < len(self.addresses) - 1
            try:
                sock = socket.create_connection(
                    (address, self.port), min(left, _FIRST_TRY) if more else left
                )
            except OSError as error:
                failure = error
                continue
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(max(self.deadline - time.monotonic(), 0.001))
            return sock
        raise failure or TimeoutError("timed out")


class _PinnedTLS(_Pinned, HTTPSConnection):
    """The same over TLS; the certificate is verified against the name, not the address."""


class _Watchdog:
    """Breaks a connection at the deadline.

    Socket time-outs bound one read, not all of them: a server that drips a byte every few seconds
    would hold us for hours. Shutting the socket down from outside wakes whatever read is blocked,
    in headers and body alike.
    """

    def __init__(self, connection: HTTPConnection, seconds: float) -> None:
        self.expired = False
        self._connection = connection
        self._timer = threading.Timer(max(seconds, 0.001), self._break)
        self._timer.daemon = True

    def __enter__(self) -> _Watchdog:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _break(self) -> None:
        self.expired = True
        sock = self._connection.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                # The plain method: an SSLSocket's own would drop its TLS state under the reader's
                # feet.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class Transport:
    """Makes exchanges. ``tls`` replaces the context that trusts the system's and certifi's
    authorities.
    """

    def __init__(self, guard: Guard, *, tls: ssl.SSLContext | None = None) -> None:
        self._guard = guard
        self._tls = tls
        self._lock = threading.Lock()

    def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        seconds: float,
        max_bytes: int,
    ) -> Answer:
        """Send one request and read the whole answer within ``seconds``.

        Raises TargetForbidden, or SourceUnavailable: reset, time-out, cut off; Unreached: no such
        name, refused, TLS; BadAnswer: damaged or too large (``max_bytes`` holds on the wire and
        after decompression).
        """
        deadline = time.monotonic() + seconds
        target, addresses = self._reachable(url, headers)
        connection = self._connection(target, addresses, deadline)
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connected = False
        with _Watchdog(connection, deadline - time.monotonic()) as watchdog:
            try:
                connection.connect()
                connected = True
                connection.request(
                    method,
                    path,
                    body=body,
                    headers={
                        "Host": target.netloc,
                        "Accept-Encoding": "gzip, deflate",
                        "Connection": "close",
                        **{name: _wire(value) for name, value in headers.items()},
                    },
                    preload_content=False,
                    decode_content=False,
                )
                response = connection.getresponse()
                names = lower(response.headers.items())
                wire = b"".join(_read(response, names, max_bytes))
            except SourceUnavailable:
                raise
            except _BROKEN as error:
                late = watchdog.expired or time.monotonic() >= deadline
                said = in_words(target.host, error, seconds if late else None)
                raise said if connected else Unreached(said.message, hint=said.hint) from error
            finally:
                connection.close()
        if watchdog.expired:
            raise in_words(target.host, TimeoutError(), seconds)
        return Answer(
            response.status,
            names,
            inflate(wire, names.get("content-encoding", ""), max_bytes),
            len(wire),
        )

    @contextlib.contextmanager
    def follow(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        seconds: float,
        idle: float,
        max_line: int,
    ) -> Iterator[Flow]:
        """Open an answer that goes on, and read it line by line for at most ``seconds``.

        Between two chunks no more than ``idle`` seconds may pass. Raises as ``exchange`` does,
        while opening and while reading; the end of the time is a normal end.
        """
        deadline = time.monotonic() + seconds
        target, addresses = self._reachable(url, headers)
        connection = self._connection(target, addresses, time.monotonic() + min(idle, seconds))
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connected = False
        with _Watchdog(connection, seconds), contextlib.closing(connection):
            try:
                connection.connect()
                connected = True
                connection.request(
                    "GET",
                    path,
                    headers={
                        "Host": target.netloc,
                        "Accept-Encoding": "identity",
                        "Connection": "close",
                        **{name: _wire(value) for name, value in headers.items()},
                    },
                    preload_content=False,
                    decode_content=False,
                )
                if connection.sock is not None:
                    connection.sock.settimeout(idle)
                response = connection.getresponse()
            except _BROKEN as error:
                said = in_words(target.host, error, None)
                raise said if connected else Unreached(said.message, hint=said.hint) from error
            lines = _lines(target.host, response, max_line, deadline)
            yield Flow(response.status, lower(response.headers.items()), lines)

    def _reachable(self, url: str, headers: Mapping[str, str]) -> tuple[Target, Sequence[str]]:
        """Where to go: judged and resolved. Raises TargetForbidden, Unreached."""
        target = self._guard.check_url(url)
        try:
            addresses = self._guard.resolve(target.host, target.port)
        except SourceUnavailable as error:
            raise Unreached(error.message, hint=error.hint) from error
        for name, value in headers.items():
            if _BAD_HEADER.search(value):
                # The standard library's own message would show the value, which may be a
                # credential.
                raise TargetForbidden(f"The header {name} holds a line break.")
        return target, addresses

    def _connection(
        self, target: Target, addresses: Sequence[str], deadline: float
    ) -> HTTPConnection:
        left = max(deadline - time.monotonic(), 0.001)
        connection: _Pinned
        if target.scheme == "https":
            connection = _PinnedTLS(
                target.host, target.port, timeout=left, ssl_context=self.context()
            )
        else:
            connection = _Pinned(target.host, target.port, timeout=left)
        connection.addresses = addresses
        connection.deadline = deadline
        return connection

    def context(self) -> ssl.SSLContext:
        """What certificates are judged by."""
        # Made on first use: reading the authorities takes some 20 ms, and many installs never need
        # it at once.
        with self._lock:
            if self._tls is None:
                self._tls = ssl.create_default_context()
                self._tls.load_verify_locations(certifi.where())
            return self._tls


def inflate(wire: bytes, encoding: str, limit: int) -> bytes:
    """Undo Content-Encoding (gzip, deflate, several in a row) without ever holding more than
    ``limit`` bytes.

    Raises BadAnswer: damaged, cut off, unknown, or larger than ``limit``.
    """
    names = [name.strip().lower() for name in encoding.split(",")]
    names = [name for name in names if name not in ("", "identity")]
    if len(names) > 2:
        raise BadAnswer("The answer is compressed more than twice.")
    for name in reversed(names):
        if not wire:
            break
        if name in ("gzip", "x-gzip"):
            wire = _gunzip(wire, limit)
        elif name == "deflate":
            # Two dialects: with a zlib header as the standard says, and without as some servers
            # send it.
            zlib_header = wire[0] & 0x0F == 8 and int.from_bytes(wire[:2], "big") % 31 == 0
            wire, _ = _member(wire, zlib.MAX_WBITS if zlib_header else -zlib.MAX_WBITS, limit)
        else:
            raise BadAnswer(f"The answer is compressed in a way we did not ask for ({name[:20]}).")
    return wire


def _gunzip(wire: bytes, limit: int) -> bytes:
    done: list[bytes] = []
    size = 0
    while True:
        part, wire = _member(wire, 16 + zlib.MAX_WBITS, limit - size)
        done.append(part)
        size += len(part)
        if not wire.startswith(
            b"\x1f\x8b"
        ):  # another member, or padding that gzip itself ignores too
            return b"".join(done)


def _member(wire: bytes, bits: int, limit: int) -> tuple[bytes, bytes]:
    """Decompress one stream: (its bytes, what follows it)."""
    stream = zlib.decompressobj(bits)
    try:
        data = stream.decompress(wire, limit + 1)
    except zlib.error as error:
        raise BadAnswer("The answer is damaged: it cannot be decompressed.") from error
    if len(data) > limit:
        raise _too_large(limit, "once decompressed")
    if not stream.eof:
        raise BadAnswer("The answer is cut off: its compressed data end too early.")
    return data, stream.unused_data


def _read(
    response: urllib3.HTTPResponse, headers: Mapping[str, str], limit: int
) -> Iterator[bytes]:
    told = headers.get("content-length", "")
    if told.isdecimal() and int(told) > limit:
        raise _too_large(limit)
    size = 0
    for chunk in response.stream(_CHUNK, decode_content=False):
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        yield chunk


def _lines(
    host: str, response: urllib3.HTTPResponse, limit: int, deadline: float
) -> Iterator[bytes]:
    """The lines of a body as they arrive; what is left at the end counts as one."""
    kept = b""
    while time.monotonic() < deadline:
        try:
            chunk = response.read1(_CHUNK)
        except _BROKEN as error:
            if time.monotonic() >= deadline:
                break
            raise in_words(host, error, None) from error
        if not chunk:
            break
        *whole, kept = (kept + chunk).split(b"\n")
        yield from (line.rstrip(b"\r") for line in whole)
        if len(kept) > limit:
            raise _too_large(limit)
    if kept.strip():
        yield kept.strip()


def _wire(value: str) -> str:
    """A header value whose bytes are UTF-8, for a library that sends Latin-1."""
    return value.encode().decode("latin-1")


def _too_large(limit: int, how: str = "") -> BadAnswer:
    size = f"{limit / 1e6:g} MB" if limit >= 1e5 else f"{limit} bytes"
    return BadAnswer(
        f"The answer is larger than {size}{' ' if how else ''}{how}; reading was stopped.",
        hint="LISTENER_MAX_RESPONSE_BYTES sets the limit.",
    )


def in_words(host: str, error: BaseException, seconds: float | None) -> SourceUnavailable:
    """Put a failure of the network into words."""
    chain = list(_chain(error))
    if seconds is not None or any(isinstance(one, TimeoutError) for one in chain):
        limit = f" within {seconds:g} s" if seconds is not None else " in time"
        return SourceUnavailable(
            f"{host} did not answer completely{limit}.",
            hint="LISTENER_REQUEST_TIMEOUT sets the limit.",
        )
    for one in chain:
        if isinstance(one, ssl.SSLCertVerificationError):
            return SourceUnavailable(
                f"The certificate of {host} is not valid ({one.verify_message}).",
                hint="A certificate authority of your own can be named in SSL_CERT_FILE.",
            )
        if isinstance(one, ssl.SSLError):
            return SourceUnavailable(
                f"No secure connection to {host} could be made ({one.reason or 'TLS failed'})."
            )
        if isinstance(one, ConnectionRefusedError):
            return SourceUnavailable(f"{host} refuses the connection.")
        if isinstance(one, http.client.RemoteDisconnected):
            return SourceUnavailable(f"{host} closed the connection without an answer.")
        if isinstance(one, ConnectionError):
            return SourceUnavailable(f"{host} broke the connection off.")
        if isinstance(one, http.client.IncompleteRead | urllib3.exceptions.IncompleteRead):
            return SourceUnavailable(
                f"The answer of {host} is cut off: it ended before it was complete."
            )
    last = chain[-1]
    if isinstance(last, OSError) and last.strerror:
        return SourceUnavailable(f"{host} cannot be reached ({last.strerror}).")
    return SourceUnavailable(f"{host} does not speak HTTP as it should ({type(last).__name__}).")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and what is wrapped in it, by cause or as an argument, outermost first."""
    seen: set[int] = set()
    queue: list[BaseException | None] = [error]
    while queue:
        one = queue.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        queue += [arg for arg in one.args if isinstance(arg, BaseException)]
        queue += [one.__cause__, one.__context__]
