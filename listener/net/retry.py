"""What an answer says about coming back: every dialect of "slow down", and refusals put into words.
Pure.

``retry_at`` reads the moment from headers and body, ``classify`` turns a refusal into the
SourceError that the run will show. Both take the answer as plain values, so that the client,
tweepy's adapter and the Scrapy side share them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from zoneinfo import ZoneInfo

from listener.errors import (
    AuthRejected,
    Blocked,
    BudgetExhausted,
    LayoutChanged,
    RateLimited,
    SourceError,
    SourceGone,
    SourceUnavailable,
)

LONGEST = timedelta(hours=24)
"""No wait is longer: a source that says more is asked again after a day."""

_EPOCH = 1_000_000_000  # numbers above are points in time (2001 on), below are seconds to wait
_EPOCH_MS = 100_000_000_000
_BODY_LIMIT = 65_536  # a refusal says what it has to say at the start
_GOOGLE_DAY = ZoneInfo("America/Los_Angeles")  # YouTube's quota starts again at midnight there
_KOREAN_DAY = ZoneInfo("Asia/Seoul")  # and Naver's and Kakao's here
_META_LIMITS = frozenset({4, 17, 32, 613, 80001, 80002})  # the last two: Pages, Instagram
_META_USED = ("call_count", "total_time", "total_cputime")  # per cent of a rolling hour
_META_WAIT = 600  # seconds after which some of that hour has passed
NO_DETOUR = "Listener does not work around it: use the source's API or feed, or import a file."
_RESET_HEADERS = ("x-rate-limit-reset", "x-ratelimit-reset", "ratelimit-reset")
_REMAINING_HEADERS = ("x-rate-limit-remaining", "x-ratelimit-remaining", "ratelimit-remaining")
_MAX_AGE = re.compile(r"(?<![\w-])max-age\s*=\s*\"?(\d{1,10})")
_IN_SECONDS = re.compile(r"\bin (\d{1,6}) seconds?\b")
_RATE_WORDS = re.compile(
    r"rate.?limit|too many (requests|calls)|throttl|quota|slow down"
    r"|호출 ?(한도|횟수)|한도를? ?초과",
    re.IGNORECASE,
)
_TAG = re.compile(r"<(script|style|head)\b.*?(</\1\s*>|\Z)|<[^>]*>", re.DOTALL | re.IGNORECASE)
CHALLENGES = (
    "cf-browser-verification",
    "challenge-platform",
    "/cdn-cgi/challenge",
    "_cf_chl_opt",
    "just a moment...",
    "attention required! | cloudflare",
    "_incapsula_resource",
    "awswafcookiedomainlist",
    "awswafintegration",
    "aws-waf-token",
    "captcha-delivery.com",
    "px-captcha",
    "g-recaptcha",
    "h-captcha",
    "hcaptcha.com",
    "unusual traffic",
    "consent.google.com",
    "access denied",
    "are you a robot",
    "are you human",
    "자동입력 방지",
    "비정상적인 접근",
    "접근이 차단",
    "접속이 차단",
    "로봇이 아닙니다",
)
"""Marks of pages that stand in front of the real one, lower case."""


def retry_at(
    status: int, headers: Mapping[str, str], body: bytes, now: datetime
) -> datetime | None:
    """When the source wants to be asked again, or None where it does not say. Never more than a day
    ahead.

    Understands ``Retry-After`` (seconds or date); ``x-rate-limit-reset`` and its spellings as
    epoch, seconds left or ISO time; the IETF drafts' ``RateLimit: …;t=30``; ``backoff`` (Stack
    Exchange, inside a 200), ``extras.wait_seconds`` (Discourse), ``retry_after`` and
    ``parameters.retry_after`` in JSON; "in N seconds" in an error text; Meta's
    ``estimated_time_to_regain_access`` and usage of 100 per cent; YouTube's quota day. An answer
    that is no refusal only counts when it says that nothing remains, or asks for a backoff. Several
    moments: the latest.
    """
    head = {name.lower(): value for name, value in headers.items()}
    refused = status >= 400
    moments = [*_from_headers(head, now, refused)]
    # A success is read for a "backoff" only, which spares parsing all others twice.
    data = _json(body) if refused or b'"backoff"' in body else None
    if data is not None:
        moments += _from_body(data, now, refused)
    if status == 403 and "quotaExceeded" in _reasons(data):
        moments.append(_next_day(now, _GOOGLE_DAY))
    if _korean_quota(status, data):
        # Kakao does not tell a day's quota from a shorter one, so it is asked again by the hour.
        again = now + timedelta(hours=1) if b'"errorType"' in body else LONGEST + now
        moments.append(min(_next_day(now, _KOREAN_DAY), again))
    future = [min(moment, now + LONGEST) for moment in moments if moment > now]
    return max(future, default=None)


def classify(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
    *,
    url: str = "",
    secrets: Iterable[str] = (),
) -> SourceError | None:
    """The refusal in words, or None when the answer is a success (or 304, or a redirect).

    ``url`` must be fit for showing (see ``redact``), ``secrets`` are taken out of what the source
    says. Body text in the message is short and without markup.
    """
    if status < 400:
        return None
    at = retry_at(status, headers, body, now)
    where = f" at {url}" if url else ""
    said = _said(body, secrets)
    tail = f': "{said}"' if said else "."
    head = {name.lower(): value for name, value in headers.items()}
    data = _json(body)
    reasons = _reasons(data)

    if challenge(headers, body):
        return Blocked(
            f"The source shows a page against robots instead of an answer (HTTP {status}){where}.",
            hint=NO_DETOUR,
            retry_at=at,
            status=status,
        )
    if _is_rate_limit(status, data, reasons, said):
        used_up = "quotaExceeded" in reasons or "dailyLimitExceeded" in reasons
        if used_up or _korean_quota(status, data):
            return BudgetExhausted(
                f"The source's quota for the day is used up (HTTP {status}){tail}",
                retry_at=at,
                status=status,
            )
        return RateLimited(
            f"The source asks to slow down (HTTP {status}){where}{tail}", retry_at=at, status=status
        )
    if status == 401:
        return AuthRejected(
            f"The source did not accept the credentials (HTTP 401){where}{tail}",
            hint="Check the connection's credentials.",
            status=status,
        )
    if status == 402:
        return AuthRejected(
            f"The source wants to be paid first (HTTP 402){where}{tail}",
            hint="Check the credit or the plan of the account.",
            status=status,
        )
    if status == 403 and (data is not None or "www-authenticate" in head):
        return AuthRejected(
            f"The source refuses this account (HTTP 403){where}{tail}",
            hint="A tier, a permission or a scope may be missing.",
            retry_at=at,
            status=status,
        )
    if status in (403, 451, 999):
        return Blocked(
            f"The source refuses us (HTTP {status}){where}{tail}",
            hint=NO_DETOUR,
            retry_at=at,
            status=status,
        )
    if status == 410:
        return SourceGone(f"The source is gone for good (HTTP 410){where}.", status=status)
    if status == 404:
        return SourceUnavailable(
            f"There is nothing{where or ' at this address'} (HTTP 404){tail}",
            hint="Check the address.",
            retry_at=at,
            status=status,
        )
    if status >= 500 or status in (408, 421, 425):
        return SourceUnavailable(
            f"The source has a fault of its own (HTTP {status}){where}{tail}",
            retry_at=at,
            status=status,
        )
    return LayoutChanged(
        f"The source does not accept the request as we make it (HTTP {status}){where}{tail}",
        status=status,
    )


def fresh_until(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """Until when an answer says it stays as it is (Cache-Control max-age less Age, or Expires).

    None when it does not say, or is stale already; a day at most.
    """
    head = {name.lower(): value for name, value in headers.items()}
    control = head.get("cache-control", "").lower()
    if "no-cache" in control or "no-store" in control:
        return None
    found = _MAX_AGE.search(control)
    if found:
        seconds = float(found.group(1)) - (_number(head.get("age")) or 0)
        return _after(now, seconds) if seconds > 0 else None
    moment = (
        _moment(head["expires"], now)
        if _number(head.get("expires")) is None and head.get("expires")
        else None
    )
    return min(moment, now + LONGEST) if moment and moment > now else None


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Take secrets out of a text that may be shown: some servers echo what they were sent."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= 4:
            text = text.replace(secret, "…")
    return text


def challenge(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether this is a page against robots (a challenge, a captcha, a consent wall), whatever its
    status.
    """
    head = {name.lower(): value.lower() for name, value in headers.items()}
    if head.get("cf-mitigated") == "challenge" or head.get("x-amzn-waf-action") in (
        "challenge",
        "captcha",
    ):
        return True
    if not looks_html(headers, body):
        return False
    start = body[:_BODY_LIMIT].decode("utf-8", "replace").lower()
    if not any(mark in start for mark in CHALLENGES):
        return False
    # A long article may well speak of captchas; what stands in the way is short or carries no text
    # of its own.
    return len(_text(start)) < 2_000


def looks_html(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether an answer is an HTML page, by what it is rather than by what it says it is."""
    start = body[:1_024].lstrip(b"\xef\xbb\xbf\r\n\t ").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return True
    kind = next((v for n, v in headers.items() if n.lower() == "content-type"), "")
    return "text/html" in kind.lower() and start.startswith(
        (b"<!--", b"<title", b"<meta", b"<script")
    )


def _from_headers(head: Mapping[str, str], now: datetime, refused: bool) -> Iterator[datetime]:
    if refused and "retry-after" in head:
        moment = _moment(head["retry-after"], now)
        if moment:
            yield moment
    for reset, remaining in zip(_RESET_HEADERS, _REMAINING_HEADERS, strict=True):
        used_up = _number(head.get(remaining)) == 0
        # A refusal for another reason (500, 404) may carry the same headers with much remaining.
        if reset in head and (used_up or (refused and remaining not in head)):
            moment = _moment(head[reset], now)
            if moment:
                yield moment
    fields = dict(
        part.strip().partition("=")[::2]
        for part in head.get("ratelimit", "").split(";")
        if "=" in part
    )
    left, wait = _number(fields.get("r")), _number(fields.get("t"))
    if wait is not None and (left == 0 or (refused and left is None)):
        yield _after(now, wait)
    for name in ("x-business-use-case-usage", "x-app-usage"):
        usage = _parse(head.get(name, ""))
        told = list(_minutes(usage)) if refused else []
        yield from (_after(now, 60 * minutes) for minutes in told)
        if not told and _used_up(usage):
            yield _after(now, _META_WAIT)


def _from_body(data: Any, now: datetime, refused: bool) -> Iterator[datetime]:
    if not isinstance(data, dict):
        return
    waits = [data.get("backoff")]
    if refused:
        extras, parameters = data.get("extras"), data.get("parameters")
        waits.append(data.get("retry_after"))
        waits.append(extras.get("wait_seconds") if isinstance(extras, dict) else None)
        waits.append(parameters.get("retry_after") if isinstance(parameters, dict) else None)
        found = _IN_SECONDS.search(_said_in(data))
        waits.append(found.group(1) if found else None)
    for wait in waits:
        seconds = _number(wait)
        if seconds is not None:
            yield _after(now, seconds)


def _moment(text: str, now: datetime) -> datetime | None:
    """Read seconds to wait, an epoch in seconds or milliseconds, an HTTP date or an ISO time."""
    text = text.strip()
    number = _number(text)
    if number is not None:
        if number < _EPOCH:
            return _after(now, number)
        seconds = number / 1000 if number >= _EPOCH_MS else number
        try:
            return datetime.fromtimestamp(seconds, UTC)
        except (OverflowError, OSError, ValueError):
            return None
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(text)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return None


def _after(now: datetime, seconds: float) -> datetime:
    return now + min(timedelta(seconds=min(max(seconds, 0.0), 1e9)), LONGEST)


def _number(value: object) -> float | None:
    """A finite, non-negative number, given as one or as text; Reddit sends floats."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _minutes(data: Any) -> Iterator[float]:
    """Find Meta's ``estimated_time_to_regain_access`` (minutes) wherever it is nested."""
    if isinstance(data, dict):
        minutes = _number(data.get("estimated_time_to_regain_access"))
        if minutes:
            yield minutes
        data = list(data.values())
    if isinstance(data, list):
        for value in data[:100]:
            if isinstance(value, dict | list):
                yield from _minutes(value)


def _used_up(data: Any) -> bool:
    """Whether one of Meta's usage percentages has reached the whole, wherever it is nested."""
    if isinstance(data, dict):
        if any((_number(data.get(name)) or 0) >= 100 for name in _META_USED):
            return True
        data = list(data.values())
    return isinstance(data, list) and any(
        _used_up(value) for value in data[:100] if isinstance(value, dict | list)
    )


def _next_day(now: datetime, zone: ZoneInfo) -> datetime:
    day = now.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _korean_quota(status: int, data: Any) -> bool:
    """Whether a quota of Naver's or Kakao's is used up, other than their limits on speed.

    Naver 429 with errorCode 010 (012 is speed), API HUB's gateway 429 with error.errorCode 400 (410
    and 420 are speed), Kakao 400 with code -10, or 429 RequestThrottled "API limit has been
    exceeded".
    """
    if not isinstance(data, dict) or status not in (400, 429):
        return False
    error = data.get("error")
    if status == 429 and isinstance(error, dict) and str(error.get("errorCode")) == "400":
        return True
    if data.get("errorType") == "RequestThrottled":
        return "limit has been exceeded" in str(data.get("message")).lower()
    return data.get("errorCode") == "010" or data.get("code") == -10


def _parse(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None


def _json(body: bytes) -> Any:
    """The body as JSON, or None; only objects and lists count."""
    start = body[:64].lstrip(b"\xef\xbb\xbf\r\n\t ")
    if not start.startswith((b"{", b"[")):
        return None
    return _parse(body.decode("utf-8", "replace"))


def _reasons(data: Any) -> frozenset[str]:
    """Google's ``error.errors[].reason`` words."""
    error = data.get("error") if isinstance(data, dict) else None
    rows = error.get("errors") if isinstance(error, dict) else None
    return frozenset(
        str(row.get("reason"))
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict)
    )


def _is_rate_limit(status: int, data: Any, reasons: frozenset[str], said: str) -> bool:
    if status == 429:
        return True
    if reasons & {
        "quotaExceeded",
        "dailyLimitExceeded",
        "rateLimitExceeded",
        "userRateLimitExceeded",
    }:
        return True
    if not isinstance(data, dict) or status not in (400, 403):
        return False
    error = data.get("error")
    if isinstance(error, dict) and error.get("code") in _META_LIMITS:
        return True
    if data.get("error_name") == "throttle_violation" or data.get("errorCode") == "012":
        return True
    if _korean_quota(status, data):
        return True
    return bool(_RATE_WORDS.search(said))


def _said(body: bytes, secrets: Iterable[str]) -> str:
    """What the source says about a refusal: the message of a JSON error, or the text of a page; one
    short line.
    """
    data = _json(body)
    text = (
        _said_in(data) if data is not None else _text(body[:_BODY_LIMIT].decode("utf-8", "replace"))
    )
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    text = scrub(text, secrets)
    return text if len(text) <= 200 else text[:199] + "…"


def _said_in(data: Any) -> str:
    """The messages in the usual places of a JSON error, in their order."""
    found: list[str] = []

    def look(value: Any, depth: int) -> None:
        if depth > 3:
            return
        if isinstance(value, list):
            for row in value[:5]:
                look(row, depth + 1)
        elif isinstance(value, str):
            if value and value not in found:
                found.append(value)
        elif isinstance(value, dict):
            for key in (
                "title", "detail", "message", "msg", "error_message", "errorMessage",
                "error_description", "description", "details", "reason", "error", "errors",
            ):  # fmt: skip
                if key in value:
                    look(value[key], depth + 1)

    look(data, 0)
    return " ".join(found)


def _text(page: str) -> str:
    """A page without its markup, roughly: only for showing and for measuring."""
    return " ".join(_TAG.sub(" ", page).split())
