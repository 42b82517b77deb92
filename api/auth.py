"""Who is asking: API keys, dashboard sessions, CSRF, and the brake on guessing passwords."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.deps import Services, get_services
from api.errors import Forbidden, TooManyAttempts, Unauthorized, no_key
from listener.errors import ListenerError
from listener.security import equal, hash_token, verify_password
from listener.settings import Settings
from listener.store import access
from listener.store.access import ApiKey, Scope, User
from listener.store.work import Database

log = logging.getLogger(__name__)

COOKIE = "listener_session"
CSRF_FIELD = "csrf"
CSRF_HEADER = "X-CSRF-Token"
FEEDS = "/feeds/"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_KEY_CACHE_S = 1.0  # how long a revoked key may still work in another process
_TOUCH_EVERY = timedelta(minutes=1)
_FAILURES = 5  # failed logins of one account from one address …
_FAILURES_ADDRESS = 30  # … and from one address whatever the account
_FAILURES_ACCOUNT = 50  # … and of one account from anywhere
_WINDOW = timedelta(minutes=15)

# For OpenAPI.
SCHEMES: Mapping[str, Mapping[str, str]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key (`lsn_…`)."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is asking: a key, or a user with a session. A user may do everything."""

    key: ApiKey | None = None
    user: User | None = None
    session: str | None = None  # hash of the session's token

    def may(self, scope: Scope) -> bool:
        """Whether this is allowed to whoever asks; a scope includes the ones before it."""
        if self.key is None:
            return self.user is not None
        order = list(Scope)
        return any(order.index(own) >= order.index(scope) for own in self.key.scopes)


def name_of(who: Principal) -> str:
    """Whoever it is, as it stands beside what they did."""
    if who.user is not None:
        return who.user.name or who.user.email
    return f"API: {who.key.name}" if who.key is not None else ""


class KeyRing:
    """Finds API keys fast, and notes their use without making a reader wait for a writer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._found: dict[str, tuple[ApiKey, float]] = {}
        self._touched: dict[int, datetime] = {}
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="key-use")

    async def find(self, token: str, *, now: datetime) -> ApiKey | None:
        """The key of that token, unless unknown or revoked.

        Its use is noted at most once a minute.
        """
        token_hash = hash_token(token)
        found = self._found.get(token_hash)
        if found is None or time.monotonic() - found[1] > _KEY_CACHE_S:
            key = await run_in_threadpool(self._load, token_hash)
            if key is None:
                self._found.pop(token_hash, None)
                return None
            self._found[token_hash] = found = key, time.monotonic()
        key = found[0]
        touched = self._touched.get(key.id)
        if touched is None or now - touched >= _TOUCH_EVERY:
            self._touched[key.id] = now
            self._writer.submit(self._touch, key.id, now)
        return key

    def forget(self) -> None:
        """Look keys up anew: one was revoked."""
        self._found.clear()

    def close(self) -> None:
        """Write what is still to be noted."""
        self._writer.shutdown()

    def _load(self, token_hash: str) -> ApiKey | None:
        with self._database.read() as session:
            return access.find_key(session, token_hash)

    def _touch(self, key_id: int, now: datetime) -> None:
        try:
            with self._database.write() as work:
                access.touch_keys(work.session, [(key_id, now)])
                work.commit()
        except (SQLAlchemyError, ListenerError) as error:
            log.warning("could not note the use of key %s: %s", key_id, error)


class Throttle:
    """Counts attempts by name in a sliding window, in memory; the oldest names make room for new
    ones.
    """

    def __init__(self, window: timedelta = _WINDOW, *, names: int = 10_000) -> None:
        self._window = window
        self._names = names
        self._attempts: OrderedDict[str, list[datetime]] = OrderedDict()
        self._lock = Lock()

    def attempt(self, name: str, limit: int, *, now: datetime) -> None:
        """Count an attempt before it is made, so that many at once do not slip through.

        Raises TooManyAttempts when there were ``limit`` in the window already.
        """
        with self._lock:
            recent = [at for at in self._attempts.get(name, ()) if now - at < self._window]
            if len(recent) >= limit:
                wait = self._window - (now - recent[-limit])
                raise TooManyAttempts(int(wait.total_seconds()) + 1)
            self._attempts[name] = [*recent, now]
            self._attempts.move_to_end(name)
            while len(self._attempts) > self._names:
                self._attempts.popitem(last=False)

    def forgive(self, name: str, at: datetime) -> None:
        """Take back an attempt that turned out to be right."""
        with self._lock:
            if at in self._attempts.get(name, ()):
                self._attempts[name].remove(at)


# --- who is asking -------------------------------------------------------------------------------


async def principal(request: Request) -> Principal | None:
    """Who is asking; None without key and session. Raises Unauthorized for a key that is not valid.

    Feed readers cannot send headers, so that under /feeds/ (only there) the key may stand in the
    address.
    """
    if not hasattr(request.state, "principal"):  # asked for more than once a request
        request.state.principal = await _find(request)
    who: Principal | None = request.state.principal
    return who


async def _find(request: Request) -> Principal | None:
    services = get_services(request)
    now = services.clock()
    token = _token(request)
    if token is not None:
        ring: KeyRing = request.app.state.keys
        key = await ring.find(token, now=now)
        if key is None:
            raise no_key("This API key is not valid.")
        return Principal(key=key)
    cookie = request.cookies.get(COOKIE)
    if not cookie:
        return None
    user = await run_in_threadpool(_session_user, services, cookie, now)
    return None if user is None else Principal(user=user, session=hash_token(cookie))


def _token(request: Request) -> str | None:
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and value.strip():
        return value.strip()
    header = request.headers.get("x-api-key", "").strip()
    if header:
        return header
    if request.scope["path"].startswith(FEEDS):
        return request.query_params.get("key") or None
    return None


def _session_user(services: Services, cookie: str, now: datetime) -> User | None:
    with services.database.read() as session:
        return access.session_user(session, cookie, now=now)


def require(scope: Scope) -> Callable[..., Awaitable[Principal]]:
    """A dependency that lets in whoever may do this, and gives the Principal.

    A session that changes something must show its CSRF token, in the header or in the form.
    Raises Unauthorized, Forbidden.
    """

    async def check(request: Request) -> Principal:
        who = await principal(request)
        if who is None:
            raise no_key()
        if not who.may(scope):
            raise Forbidden(
                f"This key may not do that: it lacks the scope {scope}.",
                hint=f"Make one with `listener keys create NAME --scope {scope}`.",
            )
        if who.session is not None and request.method not in _SAFE:
            await _check_csrf(request, who)
        return who

    return check


Reads = Depends(require(Scope.READ))
Writes = Depends(require(Scope.WRITE))
Admins = Depends(require(Scope.ADMIN))
Who = Annotated[Principal, Reads]


# --- CSRF ----------------------------------------------------------------------------------------


def csrf_token(services: Services, who: Principal) -> str:
    """What the forms of this session carry; empty for a key, which needs none."""
    return services.secrets.sign("csrf", who.session) if who.session else ""


async def _check_csrf(request: Request, who: Principal) -> None:
    given = request.headers.get(CSRF_HEADER)
    if given is None and request.headers.get("content-type", "").startswith(
        ("application/x-www-form-urlencoded", "multipart/form-data")
    ):
        field = (await request.form()).get(CSRF_FIELD)
        given = field if isinstance(field, str) else None
    if not given or not equal(given, csrf_token(get_services(request), who)):
        raise Forbidden(
            "The form is too old, or was not sent from here.", hint="Load the page again."
        )


# --- logging in ----------------------------------------------------------------------------------


def login(
    services: Services,
    throttle: Throttle,
    *,
    email: str,
    password: str,
    address: str,
    now: datetime,
) -> tuple[User, str]:
    """Log in by password: the user and the cookie's value.

    Raises Unauthorized, in the same words and time whether the account exists or not, and
    TooManyAttempts after 5 failures of an account from an address (or 30 of an address, 50 of an
    account) within 15 minutes.
    """
    account = email.strip().lower()[:200]
    names = (
        (f"{account}\0{address}", _FAILURES),
        (f"address\0{address}", _FAILURES_ADDRESS),
        (f"account\0{account}", _FAILURES_ACCOUNT),
    )
    for name, limit in names:
        throttle.attempt(name, limit, now=now)
    with services.database.read() as session:
        user = access.find_user(session, account)
        stored = access.password_hash_of(session, user.id) if user else None
    if not verify_password(password[:1000], stored) or user is None or user.disabled_at:
        raise Unauthorized("The address or the password is wrong.")
    for name, _limit in names:
        throttle.forgive(name, now)
    with services.database.write() as work:
        token = access.open_session(work.session, user.id, now=now)
        work.commit()
    return user, token


def login_by_link(services: Services, link: str, *, now: datetime) -> tuple[User, str]:
    """Log in by a one-time link: the user and the cookie's value. Raises Unauthorized."""
    with services.database.write() as work:
        user = access.use_login_link(work.session, link, now=now)
        if user is None:
            raise Unauthorized("This login link was used already, or is too old.")
        token = access.open_session(work.session, user.id, now=now)
        work.commit()
    return user, token


def set_cookie(response: Response, request: Request, settings: Settings, token: str) -> None:
    """Hand out the session: not readable by scripts, not sent along by other sites' forms."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(access.SESSION_LIFE.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=_is_https(request, settings),
        path="/",
    )


def clear_cookie(response: Response, request: Request, settings: Settings) -> None:
    """Take the session's cookie away."""
    response.delete_cookie(
        COOKIE, httponly=True, samesite="lax", secure=_is_https(request, settings), path="/"
    )


def _is_https(request: Request, settings: Settings) -> bool:
    return request.url.scheme == "https" or (settings.public_url or "").startswith("https:")
