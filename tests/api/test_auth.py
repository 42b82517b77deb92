from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.testclient import TestClient

from api import auth
from api.edge import HideKeys
from listener import security
from listener.store import access
from listener.store.access import User
from listener.store.work import Database

OPEN = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("POST", "/login"),
    ("POST", "/login/link"),
    # Senders sign what they post, or bear a token; who does not is told so or finds nothing.
    ("POST", "/hooks/{public_id}"),
    ("POST", "/hooks/{public_id}/{token}"),
    # The token is signed, and names one alert; looking at the page changes nothing.
    ("GET", "/acknowledge/{token}"),
    ("POST", "/acknowledge/{token}"),
    ("POST", "/api/v1/acknowledge/{token}"),
}
Problem = Callable[..., dict[str, Any]]
PASSWORD = "correct horse battery"


def routes(app: FastAPI) -> list[tuple[str, str]]:
    found = [
        (method, context.path or "")
        for context in iter_route_contexts(app.routes)
        if isinstance(context.route, APIRoute)
        for method in sorted(context.methods or ())
    ]
    assert len(found) > 5
    return found


@pytest.fixture
def user(database: Database, now: datetime) -> User:
    with database.write() as work:
        user = access.add_user(
            work.session,
            "Mina@example.com",
            now=now,
            password_hash=security.hash_password(PASSWORD),
        )
        work.commit()
    return user


@pytest.fixture
def link(database: Database, user: User, now: datetime) -> str:
    with database.write() as work:
        token = access.add_login_link(work.session, user.id, now=now)
        work.commit()
    return token


@pytest.fixture
def browser(anyone: TestClient, link: str) -> TestClient:
    """A client with a session."""
    assert (
        anyone.post("/login/link", data={"token": link}, follow_redirects=False).status_code == 303
    )
    return anyone


def test_every_route_needs_a_key_unless_listed(
    app: FastAPI, anyone: TestClient, is_problem: Problem
) -> None:
    guarded = [route for route in routes(app) if route not in OPEN]
    for method, path in guarded:
        if path.startswith("/login"):  # the page with the form
            continue
        response = anyone.request(method, re.sub(r"\{[^}]+\}", "1", path))
        assert response.status_code == 401, (method, path)
        assert response.headers["www-authenticate"].startswith("Bearer")
        wrong = anyone.request(
            method,
            re.sub(r"\{[^}]+\}", "1", path),
            headers={"X-API-Key": security.new_token("lsn_")},
        )
        if method == "HEAD":
            assert wrong.status_code == 401
        else:
            is_problem(wrong, 401, "unauthorized")


def test_a_key_opens_by_either_header(anyone: TestClient, make_key: Callable[..., str]) -> None:
    token = make_key("read")
    assert token.startswith("lsn_")
    assert len(token) == len("lsn_") + 43
    for headers in ({"Authorization": f"Bearer {token}"}, {"X-API-Key": token}):
        assert anyone.get("/metrics", headers=headers).status_code == 200
    assert anyone.get(f"/metrics?key={token}").status_code == 401  # for feeds only


def test_a_revoked_key_is_refused(
    anyone: TestClient, database: Database, make_key: Callable[..., str], now: datetime
) -> None:
    headers = {"X-API-Key": make_key("read")}
    assert anyone.get("/metrics", headers=headers).status_code == 200
    with database.write() as work:
        access.revoke_key(work.session, 1, now=now)
        work.commit()
    time.sleep(1.1)  # another process revoked it
    assert anyone.get("/metrics", headers=headers).status_code == 401


def test_use_of_a_key_is_noted_once_a_minute(
    app: FastAPI,
    anyone: TestClient,
    database: Database,
    make_key: Callable[..., str],
    clock: Any,
    now: datetime,
) -> None:
    def last_used() -> datetime | None:
        app.state.keys._writer.submit(int).result(10)  # all that was noted is written
        with database.read() as session:
            return access.list_keys(session)[0].last_used_at

    headers = {"X-API-Key": make_key("read")}
    for seconds, expected in ((0, 0), (59, 0), (60, 60), (90, 60)):
        clock.at = now + timedelta(seconds=seconds)
        assert anyone.get("/metrics", headers=headers).status_code == 200
        assert last_used() == now + timedelta(seconds=expected)


def test_a_busy_writer_does_not_hold_up_readers(
    app: FastAPI, client: TestClient, database: Database
) -> None:
    with database.write() as work:
        access.add_key(
            work.session, "other", now=app.state.services.clock()
        )  # holds the write lock
        started = time.monotonic()
        assert client.get("/metrics").status_code == 200
        assert time.monotonic() - started < 5


def test_link_logs_in_once_and_cookie_is_safe(
    anyone: TestClient, link: str, is_problem: Problem
) -> None:
    response = anyone.post("/login/link", data={"token": link}, follow_redirects=False)
    assert response.status_code == 303
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie
    assert anyone.get("/metrics").status_code == 200
    anyone.cookies.clear()
    is_problem(
        anyone.post("/login/link", data={"token": link}, follow_redirects=False),
        401,
        "unauthorized",
    )
    assert anyone.get("/metrics").status_code == 401


def test_link_runs_out(anyone: TestClient, link: str, clock: Any, now: datetime) -> None:
    clock.at = now + timedelta(minutes=15)
    assert (
        anyone.post("/login/link", data={"token": link}, follow_redirects=False).status_code == 401
    )


def test_cookie_is_secure_over_https(app: FastAPI, link: str) -> None:
    with TestClient(app, base_url="https://listener.example") as client:
        cookie = client.post("/login/link", data={"token": link}, follow_redirects=False).headers[
            "set-cookie"
        ]
        assert "Secure" in cookie
        answer = client.get("/healthz")
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_of_many_who_use_a_link_at_once_one_gets_in(app: FastAPI, link: str, now: datetime) -> None:
    services = app.state.services
    results: list[str] = []
    start = threading.Barrier(8)

    def use() -> None:
        start.wait()
        try:
            auth.login_by_link(services, link, now=now)
            results.append("in")
        except auth.Unauthorized:
            results.append("refused")

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["in"] + ["refused"] * 7


def test_password_logs_in_and_goes_where_it_should(anyone: TestClient, user: User) -> None:
    form = {"email": " MINA@example.com", "password": PASSWORD}
    for target, expected in (
        ("/mentions?brand=1", "/mentions?brand=1"),
        ("//evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
    ):
        response = anyone.post("/login", data=form | {"next": target}, follow_redirects=False)
        assert response.status_code == 303
        assert response.headers["location"] == expected
    assert anyone.get("/metrics").status_code == 200


def test_login_from_another_site_is_refused(
    anyone: TestClient, user: User, is_problem: Problem
) -> None:
    form = {"email": "mina@example.com", "password": PASSWORD}
    response = anyone.post("/login", data=form, headers={"origin": "https://evil.example"})
    is_problem(response, 403, "forbidden")
    own = anyone.post(
        "/login", data=form, headers={"origin": "http://testserver"}, follow_redirects=False
    )
    assert own.status_code == 303


def test_wrong_password_and_unknown_account_look_alike(anyone: TestClient, user: User) -> None:
    answers = [
        anyone.post("/login", data={"email": email, "password": "wrong password"}).json()
        for email in ("mina@example.com", "nobody@example.com")
    ]
    assert answers[0] == answers[1]
    assert answers[0]["code"] == "unauthorized"


def test_guessing_is_stopped_and_forgotten_in_time(
    anyone: TestClient, user: User, clock: Any, now: datetime, is_problem: Problem
) -> None:
    right = {"email": "mina@example.com", "password": PASSWORD}
    for _ in range(5):
        assert anyone.post("/login", data=right | {"password": "guess"}).status_code == 401
    blocked = anyone.post("/login", data=right)
    is_problem(blocked, 429, "too-many-attempts")
    assert 0 < int(blocked.headers["retry-after"]) <= 15 * 60 + 1
    clock.at = now + timedelta(minutes=15)
    assert anyone.post("/login", data=right, follow_redirects=False).status_code == 303


def test_throttle_keeps_its_size_and_forgives(now: datetime) -> None:
    throttle = auth.Throttle(names=3)
    for name in "abcd":
        throttle.attempt(name, 1, now=now)
    throttle.attempt("a", 1, now=now)  # made room for d
    with pytest.raises(auth.TooManyAttempts):
        throttle.attempt("d", 1, now=now)
    throttle.forgive("d", now)
    throttle.attempt("d", 1, now=now)


def test_changes_by_a_session_need_its_csrf_token(
    app: FastAPI, browser: TestClient, is_problem: Problem
) -> None:
    cookie = browser.cookies[auth.COOKIE]
    who = auth.Principal(user=None, session=security.hash_token(cookie))
    token = auth.csrf_token(app.state.services, who)
    is_problem(browser.post("/logout"), 403, "forbidden")
    is_problem(browser.post("/logout", headers={auth.CSRF_HEADER: "x" + token}), 403, "forbidden")
    is_problem(browser.post("/logout", data={"csrf": "한글"}), 403, "forbidden")
    response = browser.post("/logout", data={"csrf": token}, follow_redirects=False)
    assert response.status_code == 303
    browser.cookies.set(auth.COOKIE, cookie)  # a stolen copy is of no use any more
    assert browser.get("/metrics").status_code == 401


def test_disabled_user_is_out_at_once(
    browser: TestClient, database: Database, user: User, now: datetime
) -> None:
    assert browser.get("/metrics").status_code == 200
    with database.write() as work:
        access.disable_user(work.session, user.id, now=now)
        work.commit()
    assert browser.get("/metrics").status_code == 401
    form = {"email": "mina@example.com", "password": PASSWORD}
    assert browser.post("/login", data=form).status_code == 401


def test_session_runs_out(browser: TestClient, clock: Any, now: datetime) -> None:
    clock.at = now + access.SESSION_LIFE
    assert browser.get("/metrics").status_code == 401


@pytest.mark.parametrize("token", ["lsn_", "lsn_\x00", "' OR 1=1 --", "a" * 5000, "\udcff"])
def test_odd_keys_are_refused(anyone: TestClient, token: str) -> None:
    header = token.encode("utf-8", "surrogatepass")
    response = anyone.get("/metrics", headers={b"x-api-key": header})
    assert response.status_code == 401


def test_keys_never_reach_the_access_log() -> None:
    record = logging.LogRecord(
        "uvicorn.access",
        logging.INFO,
        "",
        0,
        '%s - "%s %s HTTP/%s" %d',
        ("127.0.0.1:1", "GET", "/feeds/mentions.rss?brand=1&key=lsn_secret&limit=2", "1.1", 200),
        None,
    )
    assert HideKeys().filter(record)
    assert "lsn_secret" not in record.getMessage()
    assert "brand=1&key=***&limit=2" in record.getMessage()


def test_the_access_log_is_filtered_while_the_app_runs(app: FastAPI) -> None:
    log = logging.getLogger("uvicorn.access")
    with TestClient(app):
        assert any(isinstance(one, HideKeys) for one in log.filters)
    assert not any(isinstance(one, HideKeys) for one in log.filters)


def test_headers_protect_browsers(anyone: TestClient) -> None:
    for path in ("/healthz", "/metrics", "/nowhere"):
        headers = anyone.get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"


def test_a_public_https_address_makes_cookies_secure(
    make_app: Callable[..., FastAPI], link: str
) -> None:
    with TestClient(make_app(public_url="https://listener.example")) as client:
        cookie = client.post("/login/link", data={"token": link}, follow_redirects=False).headers[
            "set-cookie"
        ]
    assert "Secure" in cookie
