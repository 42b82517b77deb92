"""Every dialect of "slow down", and refusals in words."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from listener.net.retry import LONGEST, challenge, classify, fresh_until, retry_at, scrub

NOW = datetime(2025, 3, 10, 12, 0, tzinfo=UTC)
EPOCH = int(NOW.timestamp())


def seconds(status: int, headers: dict[str, str], body: Any = b"") -> float | None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    at = retry_at(status, headers, raw, NOW)
    return None if at is None else (at - NOW).total_seconds()


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "120"}, 120),
        ({"retry-after": "1.5"}, 1.5),
        ({"Retry-After": "Mon, 10 Mar 2025 12:05:00 GMT"}, 300),
        ({"x-rate-limit-reset": str(EPOCH + 900), "x-rate-limit-remaining": "0"}, 900),  # X
        ({"x-ratelimit-reset": "287", "x-ratelimit-remaining": "0.0"}, 287),  # Reddit
        (
            {"X-RateLimit-Reset": "2025-03-10T12:05:00.000Z", "X-RateLimit-Remaining": "0"},
            300,
        ),  # Mastodon
        ({"RateLimit-Reset": str(EPOCH + 60), "RateLimit-Remaining": "0"}, 60),  # Bluesky
        ({"X-RateLimit-Reset": str((EPOCH + 30) * 1000)}, 30),  # milliseconds
        ({"RateLimit": '"default";r=0;t=42'}, 42),  # IETF draft
        ({"Retry-After": "10", "x-rate-limit-reset": str(EPOCH + 100)}, 100),  # the later one
        ({"Retry-After": "999999999"}, LONGEST.total_seconds()),
    ],
)
def test_a_429_says_when_in_headers(headers: dict[str, str], wait: float) -> None:
    assert seconds(429, headers) == pytest.approx(wait)


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"Retry-After": "soon"}, {"Retry-After": "-5"}, {"Retry-After": "nan"},
        {"Retry-After": "inf"},
        {"Retry-After": "Mon, 10 Mar 2025 11:00:00 GMT"},
        {"x-rate-limit-reset": str(EPOCH - 5)},
        {"x-rate-limit-reset": "9" * 400}, {"Retry-After": ""}, {"RateLimit": "nonsense"},
    ],
)  # fmt: skip
def test_nonsense_and_the_past_say_nothing(headers: dict[str, str]) -> None:
    assert seconds(429, headers) is None


@pytest.mark.parametrize(
    ("status", "body", "wait"),
    [
        (200, {"items": [], "backoff": 10}, 10),  # Stack Exchange, in a success
        (400, {"error_id": 502, "error_name": "throttle_violation",
               "error_message": "more requests available in 81 seconds"}, 81),
        (429, {"errors": ["…"], "extras": {"wait_seconds": 12}}, 12),  # Discourse
        (429, {"ok": False, "parameters": {"retry_after": 7}}, 7),  # Telegram
        (429, {"retry_after": 0.65}, 0.65),  # Discord
    ],
)  # fmt: skip
def test_bodies_say_when(status: int, body: Any, wait: float) -> None:
    assert seconds(status, {}, body) == pytest.approx(wait)


def test_a_success_holds_us_back_only_when_nothing_remains() -> None:
    reset = {"x-rate-limit-reset": str(EPOCH + 900)}
    assert seconds(200, {**reset, "x-rate-limit-remaining": "0"}) == 900
    assert seconds(200, {**reset, "x-rate-limit-remaining": "12"}) is None
    assert seconds(200, reset) is None
    assert seconds(500, {**reset, "x-rate-limit-remaining": "12"}) is None


@pytest.mark.parametrize(
    ("status", "body", "wait"),
    [
        (429, {"errorMessage": "Query limit exceeded", "errorCode": "010"}, 3 * 3600),  # Naver
        (429, {"errorMessage": "Rate limit exceeded.", "errorCode": "012"}, None),
        (429, {"error": {"errorCode": "400", "message": "Quota Exceeded"}}, 3 * 3600),  # its hub
        (429, {"error": {"errorCode": 400, "message": "Quota Exceeded"}}, 3 * 3600),
        (429, {"error": {"errorCode": "410", "message": "Throttle Limited"}}, None),
        (400, {"code": -10, "msg": "API limit has been exceeded."}, 3 * 3600),  # Kakao
        (429, {"errorType": "RequestThrottled", "message": "API limit has been exceeded."}, 3600),
        (429, {"errorType": "RequestThrottled", "message": "Too many requests."}, None),
    ],
)
def test_quotas_of_naver_and_kakao_come_back_at_midnight_in_seoul(
    status: int, body: dict[str, Any], wait: float | None
) -> None:
    assert seconds(status, {}, body) == wait  # NOW is 21:00 in Seoul
    error = classify(status, {}, json.dumps(body).encode(), NOW)
    assert type(error) is (RateLimited if wait is None else BudgetExhausted)


def test_youtubes_quota_comes_back_at_midnight_in_california() -> None:
    body = json.dumps(
        {"error": {"code": 403, "errors": [{"reason": "quotaExceeded"}], "message": "quota"}}
    )
    at = retry_at(403, {}, body.encode(), NOW)
    assert at == datetime(2025, 3, 11, 7, 0, tzinfo=UTC)  # daylight saving time has begun
    error = classify(403, {}, body.encode(), NOW)
    assert isinstance(error, BudgetExhausted)
    assert error.retry_at == at


def test_metas_usage_header_tells_minutes() -> None:
    headers = {
        "x-business-use-case-usage": json.dumps({"1": [{"estimated_time_to_regain_access": 5}]})
    }
    body = {"error": {"code": 4, "message": "Application request limit reached"}}
    assert seconds(400, headers, body) == 300
    assert isinstance(classify(400, headers, json.dumps(body).encode(), NOW), RateLimited)


@pytest.mark.parametrize("code", [4, 17, 32, 613, 80001, 80002])
@pytest.mark.parametrize("status", [400, 403])
def test_metas_codes_are_rate_limits(code: int, status: int) -> None:
    body = json.dumps({"error": {"message": "(#4) limit reached", "code": code}}).encode()
    assert isinstance(classify(status, {}, body, NOW), RateLimited)


@pytest.mark.parametrize(
    ("status", "usage", "wait"),
    [
        (200, {"call_count": 100, "total_time": 25, "total_cputime": 25}, 600),
        (200, {"call_count": 28, "total_time": 104, "total_cputime": 25}, 600),
        (200, {"call_count": 99, "total_time": 25, "total_cputime": 25}, None),
        (400, {"call_count": 120, "total_time": 25, "total_cputime": 25}, 600),
        (400, {"17": [{"call_count": 120, "estimated_time_to_regain_access": 3}]}, 180),
        (200, {"17": [{"call_count": 20, "estimated_time_to_regain_access": 0}]}, None),
    ],
)
def test_metas_usage_headers_hold_us_back_before_the_refusal(
    status: int, usage: dict[str, Any], wait: float | None
) -> None:
    for name in ("X-App-Usage", "X-Business-Use-Case-Usage"):
        assert seconds(status, {name: json.dumps(usage)}, {"error": {"code": 4}}) == wait


@pytest.mark.parametrize("reason", ["rateLimitExceeded", "userRateLimitExceeded"])
def test_googles_short_limits_are_no_used_up_day(reason: str) -> None:
    body = json.dumps({"error": {"code": 403, "errors": [{"reason": reason}]}}).encode()
    assert retry_at(403, {}, body, NOW) is None
    assert type(classify(403, {}, body, NOW)) is RateLimited


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "words"),
    [
        (401, {}, b'{"title":"Unauthorized","detail":"Unauthorized"}', AuthRejected, "credentials"),
        (402, {}, b'{"title":"CreditsDepleted"}', AuthRejected, "paid"),
        (403, {}, b'{"detail":"You need a higher tier"}', AuthRejected, "higher tier"),
        (403, {}, b"Forbidden", Blocked, "refuses us"),
        (451, {}, b"", Blocked, "451"),
        (404, {}, b"<html><title>x</title><p>Nothing</p></html>", SourceUnavailable, "404"),
        (410, {}, b"", SourceGone, "gone"),
        (429, {}, b"", RateLimited, "slow down"),
        (429, {}, b'{"errorMessage":"limit","errorCode":"012"}', RateLimited, "limit"),  # Naver
        (403, {}, b'{"error":"quota exceeded for today"}', RateLimited, "quota"),
        (500, {}, b"", SourceUnavailable, "fault"),
        (503, {"Retry-After": "60"}, b"", SourceUnavailable, "503"),
        (408, {}, b"", SourceUnavailable, "408"),
        (400, {}, b'{"errors":[{"message":"query too long"}]}', LayoutChanged, "query too long"),
        (418, {}, b"", LayoutChanged, "418"),
        (403, {"cf-mitigated": "challenge"}, b"", Blocked, "robots"),
        (503, {}, b"<!DOCTYPE html><title>Just a moment...</title>", Blocked, "robots"),
        (999, {}, b"", Blocked, "999"),
    ],
)  # fmt: skip
def test_refusals_are_put_into_words(
    status: int, headers: dict[str, str], body: bytes, kind: type[SourceError], words: str
) -> None:
    error = classify(status, headers, body, NOW)
    assert type(error) is kind
    assert words in str(error)
    assert error.status == status


def test_a_503_keeps_when_to_come_back() -> None:
    error = classify(503, {"Retry-After": "60"}, b"", NOW)
    assert error is not None
    assert error.retry_at == NOW + timedelta(seconds=60)


@pytest.mark.parametrize("status", [200, 204, 301, 304])
def test_successes_are_no_errors(status: int) -> None:
    assert classify(status, {}, b"", NOW) is None


def test_secrets_that_a_server_echoes_do_not_get_into_the_message() -> None:
    body = json.dumps({"error": {"message": "API key s3cr3t-value is not valid"}}).encode()
    error = classify(400, {}, body, NOW, secrets=["s3cr3t-value"])
    assert "s3cr3t" not in str(error)
    assert "not valid" in str(error)
    assert scrub("abc", ["abc"]) == "abc"  # too short to be one


def test_messages_are_short_and_plain() -> None:
    page = (
        b"<html><style>p{}</style><script>x()</script><p>\x1b[31m" + b"no " * 500 + b"</p></html>"
    )
    text = str(classify(500, {}, page, NOW))
    assert len(text) < 320
    assert "\x1b" not in text
    assert "x()" not in text


@pytest.mark.parametrize(
    "page",
    [
        "<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>",
        "<html><body><script src='/_Incapsula_Resource?x'></script></body></html>",
        "<html><body>자동입력 방지 문자를 입력해 주세요</body></html>",
        "<html><form action='https://consent.google.com/save'></form></html>",
    ],
)
def test_pages_against_robots_are_seen(page: str) -> None:
    assert challenge({"Content-Type": "text/html"}, page.encode())


def test_an_article_about_captchas_is_no_challenge() -> None:
    page = (
        "<html><body>"
        + "<p>Why hcaptcha.com and access denied pages annoy people.</p>" * 60
        + "</body></html>"
    )
    assert not challenge({"Content-Type": "text/html"}, page.encode())
    assert not challenge({"Content-Type": "application/json"}, b'{"text": "just a moment..."}')


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Cache-Control": "public, max-age=600"}, 600),
        ({"cache-control": "max-age=600", "age": "200"}, 400),
        ({"cache-control": "s-maxage=600"}, None),
        ({"cache-control": "no-cache, max-age=600"}, None),
        ({"cache-control": "max-age=0"}, None),
        ({"cache-control": "max-age=31536000"}, LONGEST.total_seconds()),
        ({"expires": "Mon, 10 Mar 2025 12:10:00 GMT"}, 600),
        ({"expires": "0"}, None),
        ({"expires": "-1"}, None),
        ({}, None),
    ],
)
def test_how_long_an_answer_stays_fresh(headers: dict[str, str], wait: float | None) -> None:
    until = fresh_until(headers, NOW)
    assert (None if until is None else (until - NOW).total_seconds()) == wait


BODY_KEYS = st.sampled_from(["error", "errors", "message", "backoff", "extras", "parameters"])
HEADER_NAMES = st.sampled_from(
    [
        "retry-after",
        "x-rate-limit-reset",
        "x-ratelimit-remaining",
        "ratelimit",
        "cache-control",
        "expires",
        "x-app-usage",
    ]
)


@given(
    st.integers(100, 999),
    st.dictionaries(HEADER_NAMES, st.text(max_size=30) | st.integers().map(str), max_size=4),
    st.binary(max_size=80) | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=2)
        | st.dictionaries(BODY_KEYS, inner),
        max_leaves=6,
    ).map(lambda data: json.dumps(data).encode()),
)  # fmt: skip
def test_no_answer_makes_them_fail(status: int, headers: dict[str, str], body: bytes) -> None:
    at = retry_at(status, headers, body, NOW)
    assert at is None or NOW < at <= NOW + LONGEST
    error = classify(status, headers, body, NOW)
    assert (error is None) == (status < 400)
    until = fresh_until(headers, NOW)
    assert until is None or NOW < until <= NOW + LONGEST
