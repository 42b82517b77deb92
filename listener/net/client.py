"""The one HTTP client: what pollers, tweepy (through ``session``) and webhooks (``exchange``) go
out with.

Each exchange asks the guard, waits for the limiter, charges the budget, and passes on to the
limiter what the answer says about coming back and whether the host is well. ``fetch`` adds
redirects, validators and the judgement of the status.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from typing import Any
from urllib.parse import urljoin

from requests import PreparedRequest, Response, Session
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers

from listener.errors import (
    Blocked,
    LayoutChanged,
    SourceError,
    SourceUnavailable,
    TargetForbidden,
)
from listener.net.budget import Ledger, Receipt
from listener.net.guard import Guard, Target
from listener.net.limits import FREE, Clock, Limiter, Rule
from listener.net.page import Page, Request, clean_url, drop_secrets, redact
from listener.net.retry import NO_DETOUR, challenge, classify, looks_html, retry_at
from listener.net.stream import Stream
from listener.net.transport import Answer, BadAnswer, Flow, Transport, Unreached
from listener.settings import Settings

MAX_REDIRECTS = 5
_REFUSAL = 65_536  # bytes in which a refusal has said what it has to say
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PERMANENT = frozenset({301, 308})
_ACCEPT = {
    "any": "*/*",
    "json": "application/json, application/feed+json;q=0.9, */*;q=0.1",
    "xml": "application/atom+xml, application/rss+xml, application/feed+json, */*;q=0.1",
    "html": "text/html, application/xhtml+xml;q=0.9, */*;q=0.1",
}


@dataclass(slots=True)
class Meter:
    """What a piece of work cost: requests made, bytes received on the wire."""

    requests: int = 0
    received: int = 0


class Net:
    """The door to the network. One for the process; safe between threads."""

    def __init__(
        self,
        settings: Settings,
        guard: Guard,
        limiter: Limiter,
        clock: Clock,
        *,
        tls: ssl.SSLContext | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self.settings = settings
        self.guard = guard
        self._ledger = ledger
        self._limiter = limiter
        self._clock = clock
        self._transport = Transport(guard, tls=tls)
        self._meter = Meter()
        self._lock = threading.Lock()

    @property
    def requests(self) -> int:
        """Requests made since the start, all hops counted."""
        return self._meter.requests

    @property
    def received(self) -> int:
        """Bytes received since the start."""
        return self._meter.received

    def now(self) -> datetime:
        """The time of the clock that was given."""
        return self._clock()

    def room(self, purse: str, each: Mapping[str, int], *, background: bool = False) -> int | None:
        """How many times ``each`` fits into what is left of a purse; None = nothing limits it."""
        if self._ledger is None:
            return None
        return self._ledger.room(purse, each, now=self._clock(), background=background)

    def spend(self, purse: str, charge: Mapping[str, int]) -> Receipt | None:
        """Charge what comes without being asked for one by one (streams). Raises
        BudgetExhausted.
        """
        if self._ledger is None:
            return None
        return self._ledger.spend(purse, charge, now=self._clock(), held=True)

    def settle(self, receipt: Receipt | None, used: Mapping[str, int]) -> None:
        """Give back what was not used of a charge."""
        if self._ledger is not None and receipt is not None:
            self._ledger.settle(receipt, used)

    @contextlib.contextmanager
    def follow(self, request: Request, *, seconds: float, idle: float) -> Iterator[Flow]:
        """Open an answer that goes on, for at most ``seconds``; ``idle`` may pass between chunks.

        Raises SourceError of every kind for a refusal, and SourceUnavailable while reading.
        """
        url = request.full_url
        target = self.guard.check_url(url)
        key = f"{target.host}:{target.port}|{request.account}"
        inside = self.guard.allows(target.host, target.port)
        rule = request.rule or (FREE if inside else None) or self._limiter.rule
        failures = self._limiter.wait(key, rule)
        self._charge(request)
        with self._lock:
            self._meter.requests += 1
        headers = {"User-Agent": self.settings.user_agent, **request.headers}
        limit = self.settings.max_response_bytes
        try:
            with self._transport.follow(
                url, headers=headers, seconds=seconds, idle=idle, max_line=limit
            ) as opened:
                if opened.status != 200:
                    raise self._refused(opened, request, key)
                if failures:
                    self._limiter.succeeded(key)
                yield opened
        except SourceUnavailable:
            if rule.breaker:
                self._limiter.failed(key)
            raise

    def _refused(self, opened: Flow, request: Request, key: str) -> SourceError:
        """Why a stream was not opened."""
        body = b""
        for line in opened.lines:
            body += line + b"\n"
            if len(body) > _REFUSAL:
                break
        now = self._clock()
        until = retry_at(opened.status, opened.headers, body, now)
        if until is not None:
            self._limiter.hold(key, until)
        shown = redact(request.full_url)
        secrets = request.secrets
        error = classify(
            opened.status, opened.headers, body, now, url=shown, secrets=secrets
        ) or LayoutChanged(
            f"{shown} answers with an unexpected HTTP {opened.status}.", status=opened.status
        )
        error.requests = 1
        return error

    def exchange(self, request: Request) -> Page:
        """One request, one answer of whatever status; no redirect is followed.

        Raises TargetForbidden, RateLimited (the limiter holds the host back), BudgetExhausted,
        SourceUnavailable.
        """
        url = request.full_url
        meter = Meter()
        with _telling(meter):
            answer, _ = self._exchange(
                request, url, request.headers, self.settings.request_timeout, meter, charged=True
            )
        return Page(
            url=url,
            asked=request.url,
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
            now=self._clock(),
            received=answer.received,
        )

    def fetch(self, request: Request, *, validators: Mapping[str, str] | None = None) -> Page:
        """Get a page, following up to five redirects; a refusal is raised in words.

        ``validators`` are those of the last page of this URL. With them, a 304 or the same bytes as
        last time give a page that is ``unchanged``. All hops together have ``request_timeout``
        seconds, waiting for the limiter not counted. Credentials stay with the origin that they
        were meant for. Raises SourceError of every kind, which tells the requests made.
        """
        meter = Meter()
        with _telling(meter):
            return self._fetch(request, dict(validators or {}), meter)

    def _fetch(self, request: Request, known: dict[str, str], meter: Meter) -> Page:
        secrets = request.secrets
        url = request.full_url
        conditions = {"If-None-Match": "etag", "If-Modified-Since": "last-modified"}
        headers: Mapping[str, str] = {
            "Accept": _ACCEPT[request.expect],
            **{header: known[name] for header, name in conditions.items() if name in known},
            **request.headers,
        }
        moved_to: str | None = None
        permanent = True
        received = 0
        left = self.settings.request_timeout
        hops = 0
        while True:
            answer, took = self._exchange(
                request, url, headers, max(left, 0.001), meter, charged=hops == 0
            )
            left -= took
            hops += 1
            received += answer.received
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or not location or request.method != "GET":
                break
            if hops > MAX_REDIRECTS:
                raise SourceUnavailable(
                    f"{redact(request.full_url)} leads from redirect to redirect, more than"
                    f" {MAX_REDIRECTS} times."
                )
            permanent = permanent and answer.status in _PERMANENT
            url, headers = self._follow(url, location, headers)
            moved_to = url if permanent else moved_to
        page = Page(
            url=url,
            asked=request.url,
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
            now=self._clock(),
            moved_to=moved_to,
            requests=hops,
            received=received,
        )
        if page.status == 304 and known:
            return replace(page, unchanged=True, body=b"", validators=known)
        self._judge(page, request, secrets)
        fresh = _validators(page)
        if known.get("digest") == fresh["digest"]:
            return replace(page, unchanged=True, body=b"", validators=fresh)
        return replace(page, validators=fresh)

    def mailbox(self, url: str, *, account: str = "") -> Stream:
        """A connection to a mail server (``imaps://…``), which goes to the address that was judged.

        Waits for the limiter. Raises TargetForbidden, RateLimited, SourceUnavailable.
        """
        return self._connect(self.guard.check_mail_url(url), account)

    def stream(self, url: str, *, account: str = "") -> Stream:
        """A connection for what begins as HTTP and goes on otherwise (web sockets), likewise."""
        return self._connect(self.guard.check_url(url), account)

    def _connect(self, target: Target, account: str) -> Stream:
        inside = self.guard.allows(target.host, target.port)
        self._limiter.wait(f"{target.host}:{target.port}|{account}", FREE if inside else None)
        with self._lock:
            self._meter.requests += 1
        return Stream(
            target,
            self.guard.resolve(target.host, target.port),
            context=self._transport.context(),
            seconds=self.settings.request_timeout,
        )

    def session(
        self,
        *,
        account: str = "",
        rule: Rule | None = None,
        meter: Meter | None = None,
        rewrite: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        dress: Dress | None = None,
    ) -> Session:
        """A ``requests.Session`` for libraries that bring their own client (tweepy): guarded,
        limited, counted.

        ``rewrite`` maps a prefix that the library has built in to the address really meant;
        ``headers`` (the credentials) go to those addresses only, and never along with a redirect.
        ``dress`` adds to each request what the library does not know of: purse and charge.
        """
        session = Session()
        session.trust_env = (
            False  # no proxy and no .netrc: the guard pins addresses, and secrets come from us
        )
        session.max_redirects = MAX_REDIRECTS
        session.headers["User-Agent"] = self.settings.user_agent
        plain = GuardedAdapter(self, account=account, rule=rule, meter=meter, dress=dress)
        session.mount("https://", plain)
        session.mount("http://", plain)
        for prefix, base in (rewrite or {}).items():
            session.mount(
                prefix,
                RewriteAdapter(
                    self,
                    prefix,
                    base,
                    headers=headers or {},
                    account=account,
                    rule=rule,
                    meter=meter,
                    dress=dress,
                ),
            )
        return session

    def _exchange(
        self,
        request: Request,
        url: str,
        headers: Mapping[str, str],
        seconds: float,
        meter: Meter,
        *,
        charged: bool,
    ) -> tuple[Answer, float]:
        target = self.guard.check_url(url)
        key = f"{target.host}:{target.port}|{request.account}"
        inside = self.guard.allows(target.host, target.port)
        rule = request.rule or (FREE if inside else None) or self._limiter.rule
        failures = self._limiter.wait(key, rule, background=request.background)
        receipt = self._charge(request) if charged else None
        meter.requests += 1
        with self._lock:
            self._meter.requests += 1
        started = time.monotonic()
        try:
            answer = self._transport.exchange(
                request.method,
                url,
                headers={"User-Agent": self.settings.user_agent, **headers},
                body=request.body,
                seconds=seconds,
                max_bytes=min(
                    request.max_bytes or self.settings.max_response_bytes,
                    self.settings.max_response_bytes,
                ),
            )
        except SourceError as error:
            unavailable = isinstance(error, SourceUnavailable)
            if unavailable and rule.breaker and not isinstance(error, BadAnswer):
                self._limiter.failed(key)
            if isinstance(error, Unreached | TargetForbidden):
                self.settle(receipt, {})
            elif request.settle is not None:
                self.settle(receipt, request.charge)  # nobody knows: the most it could
            raise
        took = time.monotonic() - started
        with self._lock:
            self._meter.received += answer.received
        until = retry_at(answer.status, answer.headers, answer.body, self._clock())
        if until is not None:
            self._limiter.hold(key, until)
        if rule.breaker and answer.status >= 500:
            self._limiter.failed(key)
        elif failures:
            self._limiter.succeeded(key)
        self._settle_by(request, receipt, answer, url)
        return answer, took

    def _charge(self, request: Request) -> Receipt | None:
        if self._ledger is None or not request.purse:
            return None
        return self._ledger.spend(
            request.purse,
            request.charge,
            now=self._clock(),
            background=request.background,
            held=request.settle is not None,
        )

    def _settle_by(
        self, request: Request, receipt: Receipt | None, answer: Answer, url: str
    ) -> None:
        """Let the request read from the answer what was used up; unreadable = the most it could."""
        if request.settle is None or receipt is None:
            return
        page = Page(
            url=url,
            asked=request.url,
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
            now=self._clock(),
        )
        try:
            # What a redirect leads to is not charged again: it may be the most it could.
            used = request.charge if answer.status in _REDIRECTS else request.settle(page)
        except (LayoutChanged, KeyError, TypeError, ValueError, AttributeError):
            used = request.charge
        self.settle(receipt, used)

    def _follow(
        self, url: str, location: str, headers: Mapping[str, str]
    ) -> tuple[str, Mapping[str, str]]:
        """Where a redirect leads, and the headers that may go there. Raises TargetForbidden."""
        with contextlib.suppress(UnicodeError):
            # http.client reads headers as Latin-1; servers that do not encode Korean send UTF-8.
            location = location.encode("latin-1").decode()
        try:
            next_url = clean_url(urljoin(url, location))
        except ValueError:
            raise SourceUnavailable(
                f"{redact(url)} redirects to an address that cannot be read."
            ) from None
        here, there = self.guard.check_url(url), self.guard.check_url(next_url)
        return next_url, headers if here.origin == there.origin else drop_secrets(headers)

    def _judge(self, page: Page, request: Request, secrets: frozenset[str]) -> None:
        """Raise what a status, or a page that is not what was asked for, means."""
        shown = redact(page.url)
        if page.status in request.accept:
            return
        error: SourceError | None = classify(
            page.status, page.headers, page.body, page.now, url=shown, secrets=secrets
        )
        if error is None and not 200 <= page.status < 300:
            error = LayoutChanged(
                f"{shown} answers with an unexpected HTTP {page.status}.", status=page.status
            )
        if error is None and page.status == 206:
            error = SourceUnavailable(
                f"{shown} sent a part only, although all was asked for.", status=206
            )
        if error is None and challenge(page.headers, page.body):
            error = Blocked(
                f"{shown} shows a page against robots instead of its content.",
                hint=NO_DETOUR,
                status=page.status,
            )
        if error is None and request.expect == "json" and looks_html(page.headers, page.body):
            error = LayoutChanged(
                f"{shown} answers with a web page instead of JSON.", status=page.status
            )
        if error is not None:
            raise error


@contextlib.contextmanager
def _telling(meter: Meter) -> Iterator[None]:
    """Errors tell how many requests were made up to then."""
    try:
        yield
    except SourceError as error:
        error.requests = meter.requests
        raise


Dress = Callable[[Request], Request]
"""Adds to a request of a library what it uses up."""


class GuardedAdapter(BaseAdapter):
    """Lets ``requests`` go out through ``Net``: guard, limiter, deadline and size limits hold for
    it as well.
    """

    def __init__(
        self,
        net: Net,
        *,
        account: str = "",
        rule: Rule | None = None,
        meter: Meter | None = None,
        dress: Dress | None = None,
    ) -> None:
        super().__init__()
        self._dress = dress
        self._net = net
        self._account = account
        self._rule = rule
        self._meter = meter or Meter()

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> Response:
        """Exchange one request; the answer is always read whole.

        Raises SourceError, never an exception of requests.
        """
        try:
            asked = self._request(request)
            page = self._net.exchange(self._dress(asked) if self._dress else asked)
        except SourceError as error:
            self._meter.requests += error.requests
            raise
        self._meter.requests += page.requests
        self._meter.received += page.received
        response = Response()
        response.status_code = page.status
        response.reason = http.client.responses.get(page.status, "")
        # The body is decompressed already.
        response.headers = CaseInsensitiveDict(
            {name: value for name, value in page.headers.items() if name != "content-encoding"}
        )
        response.encoding = get_encoding_from_headers(response.headers)
        response.raw = io.BytesIO(page.body)
        response.url = page.url
        response.request = request
        return response

    def close(self) -> None:
        """Nothing is kept open."""

    def _request(self, prepared: PreparedRequest) -> Request:
        body = prepared.body
        return Request(
            url=prepared.url or "",
            method=prepared.method or "GET",
            headers=self._headers(prepared),
            body=body.encode() if isinstance(body, str) else body,
            account=self._account,
            rule=self._rule,
        )

    def _headers(self, prepared: PreparedRequest) -> dict[str, str]:
        # The transport speaks for itself about connection and compression.
        own = {"accept-encoding", "connection", "content-length", "host"}
        return {
            name: str(value) for name, value in prepared.headers.items() if name.lower() not in own
        }


class RewriteAdapter(GuardedAdapter):
    """Sends what a library addresses to a built-in host to the configured base URL, with our
    headers.
    """

    def __init__(
        self,
        net: Net,
        prefix: str,
        base: str,
        *,
        headers: Mapping[str, str],
        account: str = "",
        rule: Rule | None = None,
        meter: Meter | None = None,
        dress: Dress | None = None,
    ) -> None:
        super().__init__(net, account=account, rule=rule, meter=meter, dress=dress)
        self._prefix = prefix.rstrip("/")
        self._base = base.rstrip("/")
        self._own = dict(headers)

    def _request(self, prepared: PreparedRequest) -> Request:
        plain = super()._request(prepared)
        rest = plain.url[len(self._prefix) :]
        if not rest.startswith(("/", "?")):
            rest = f"/{rest}"
        replaced = {name.lower() for name in self._own}
        kept = {n: v for n, v in plain.headers.items() if n.lower() not in replaced}
        return Request(
            url=self._base + rest,
            method=plain.method,
            headers={**kept, **self._own},
            body=plain.body,
            account=plain.account,
            rule=plain.rule,
        )


def _validators(page: Page) -> dict[str, str]:
    """What the next request can say about this page: ETag, Last-Modified, and a digest for servers
    without.
    """
    found = {
        name: page.headers[name] for name in ("etag", "last-modified") if page.headers.get(name)
    }
    found["digest"] = blake2b(page.body, digest_size=12).hexdigest()
    return found
