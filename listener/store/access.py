"""Who may come in: users, their sessions and login links, and API keys. Only hashes are stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from listener.errors import Conflict, InvalidInput, NotFound
from listener.security import API_KEY_PREFIX, hash_token, new_token
from listener.store.tables import ApiKeyRow, LoginLinkRow, SessionRow, UserRow

LINK_LIFE = timedelta(minutes=15)
SESSION_LIFE = timedelta(days=30)
_PREFIX_SHOWN = len(API_KEY_PREFIX) + 6


class Scope(StrEnum):
    """What an API key may do; each includes the ones before it."""

    READ = "read"  # see everything
    WRITE = "write"  # brands, watches, acknowledging
    ADMIN = "admin"  # keys, channels


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who may open the dashboard."""

    id: int
    email: str
    name: str
    language: str
    has_password: bool
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key for other tools, without its secret."""

    id: int
    name: str
    prefix: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


# --- users ---------------------------------------------------------------------------------------


def add_user(
    session: Session,
    email: str,
    *,
    now: datetime,
    name: str = "",
    password_hash: str | None = None,
    language: str = "ko",
) -> User:
    """A new user. Raises InvalidInput for an address without "@", Conflict when it is taken."""
    email = _email(email)
    if find_user(session, email) is not None:
        raise Conflict(f"There is a user with the address {email} already.")
    row = UserRow(
        email=email, name=name, password_hash=password_hash, language=language, created_at=now
    )
    session.add(row)
    session.flush()
    return _user(row)


def find_user(session: Session, email: str) -> User | None:
    """The user with that address, whatever its case."""
    row = session.scalar(select(UserRow).where(UserRow.email == email.strip().lower()))
    return None if row is None else _user(row)


def get_user(session: Session, user_id: int) -> User:
    """One user. Raises NotFound."""
    return _user(_user_row(session, user_id))


def list_users(session: Session) -> Sequence[User]:
    """All users by address."""
    return [_user(row) for row in session.scalars(select(UserRow).order_by(UserRow.email))]


def password_hash_of(session: Session, user_id: int) -> str | None:
    """A password's argon2 hash; None for who only comes in by link. Raises NotFound."""
    return _user_row(session, user_id).password_hash


def set_password(session: Session, user_id: int, password_hash: str | None) -> None:
    """Change (or take away) a password; all of the user's sessions end. Raises NotFound."""
    _user_row(session, user_id).password_hash = password_hash
    session.flush()
    close_sessions(session, user_id)


def disable_user(session: Session, user_id: int, *, now: datetime) -> None:
    """Shut a user out at once: no login, no session, no link. Raises NotFound."""
    row = _user_row(session, user_id)
    row.disabled_at = row.disabled_at or now
    session.flush()
    close_sessions(session, user_id)
    session.execute(delete(LoginLinkRow).where(LoginLinkRow.user_id == user_id))


def _user_row(session: Session, user_id: int) -> UserRow:
    row = session.get(UserRow, user_id)
    if row is None:
        raise NotFound(f"There is no user {user_id}.")
    return row


def _user(row: UserRow) -> User:
    return User(
        id=row.id,
        email=row.email,
        name=row.name,
        language=row.language,
        has_password=row.password_hash is not None,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
    )


def _email(text: str) -> str:
    email = text.strip().lower()
    name, at, host = email.partition("@")
    if not (name and at and host) or any(c.isspace() for c in email) or len(email) > 200:
        raise InvalidInput(f"{text!r} is no e-mail address.", field="email")
    return email


# --- login links and sessions --------------------------------------------------------------------


def add_login_link(
    session: Session, user_id: int, *, now: datetime, life: timedelta = LINK_LIFE
) -> str:
    """A token that logs this user in once within ``life``; its hash is kept. Raises NotFound."""
    _user_row(session, user_id)
    token = new_token()
    session.add(LoginLinkRow(token_hash=hash_token(token), user_id=user_id, expires_at=now + life))
    session.flush()
    return token


def use_login_link(session: Session, token: str, *, now: datetime) -> User | None:
    """Use a link up: its user, or None when it is unknown, old, used, or its user is shut out.

    One statement decides, so that of two who use it at once only one gets in.
    """
    user_id = session.execute(
        update(LoginLinkRow)
        .where(
            LoginLinkRow.token_hash == hash_token(token),
            LoginLinkRow.used_at.is_(None),
            LoginLinkRow.expires_at > now,
        )
        .values(used_at=now)
        .returning(LoginLinkRow.user_id)
    ).scalar_one_or_none()
    if user_id is None:
        return None
    user = get_user(session, user_id)
    return None if user.disabled_at else user


def open_session(
    session: Session, user_id: int, *, now: datetime, life: timedelta = SESSION_LIFE
) -> str:
    """A dashboard session; returns its cookie's value. Sessions that ran out are cleared away."""
    purge(session, now=now)
    token = new_token()
    session.add(
        SessionRow(
            token_hash=hash_token(token), user_id=user_id, created_at=now, expires_at=now + life
        )
    )
    session.flush()
    return token


def session_user(session: Session, token: str, *, now: datetime) -> User | None:
    """Whose session the cookie is; None when it ended or the user is shut out."""
    row = session.scalar(
        select(UserRow)
        .join(SessionRow, SessionRow.user_id == UserRow.id)
        .where(
            SessionRow.token_hash == hash_token(token),
            SessionRow.expires_at > now,
            UserRow.disabled_at.is_(None),
        )
    )
    return None if row is None else _user(row)


def close_session(session: Session, token: str) -> None:
    """End one session."""
    session.execute(delete(SessionRow).where(SessionRow.token_hash == hash_token(token)))


def close_sessions(session: Session, user_id: int) -> None:
    """End all sessions of a user."""
    session.execute(delete(SessionRow).where(SessionRow.user_id == user_id))


def purge(session: Session, *, now: datetime) -> None:
    """Forget sessions and links that ran out."""
    session.execute(delete(SessionRow).where(SessionRow.expires_at <= now))
    session.execute(delete(LoginLinkRow).where(LoginLinkRow.expires_at <= now))


# --- API keys ------------------------------------------------------------------------------------


def add_key(
    session: Session, name: str, *, scopes: Iterable[str] = (Scope.READ,), now: datetime
) -> tuple[ApiKey, str]:
    """A new key and its secret, which is shown this once and never again.

    Raises InvalidInput for an empty name or a scope that does not exist.
    """
    name = name.strip()
    if not name or len(name) > 100:
        raise InvalidInput("A key needs a name of at most 100 characters.", field="name")
    token = new_token(API_KEY_PREFIX)
    row = ApiKeyRow(
        name=name,
        prefix=token[:_PREFIX_SHOWN],
        key_hash=hash_token(token),
        scopes=[str(scope) for scope in _scopes(scopes)],
        created_at=now,
    )
    session.add(row)
    session.flush()
    return _key(row), token


def find_key(session: Session, token_hash: str) -> ApiKey | None:
    """The key with that hash (``security.hash_token``), unless it was revoked."""
    row = session.scalar(
        select(ApiKeyRow).where(ApiKeyRow.key_hash == token_hash, ApiKeyRow.revoked_at.is_(None))
    )
    return None if row is None else _key(row)


def list_keys(session: Session, *, after: int | None = None, limit: int = 100) -> Sequence[ApiKey]:
    """Keys by id, revoked ones too."""
    query = select(ApiKeyRow).order_by(ApiKeyRow.id).limit(limit)
    if after is not None:
        query = query.where(ApiKeyRow.id > after)
    return [_key(row) for row in session.scalars(query)]


def revoke_key(session: Session, key_id: int, *, now: datetime) -> ApiKey:
    """Take a key out of use for good; doing so twice changes nothing. Raises NotFound."""
    row = session.get(ApiKeyRow, key_id)
    if row is None:
        raise NotFound(f"There is no key {key_id}.")
    row.revoked_at = row.revoked_at or now
    session.flush()
    return _key(row)


def touch_keys(session: Session, used: Iterable[tuple[int, datetime]]) -> None:
    """Note when keys were last used; an earlier time never replaces a later one."""
    for key_id, at in used:
        session.execute(
            update(ApiKeyRow)
            .where(
                ApiKeyRow.id == key_id,
                or_(ApiKeyRow.last_used_at.is_(None), ApiKeyRow.last_used_at < at),
            )
            .values(last_used_at=at)
        )


def _key(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        scopes=tuple(Scope(scope) for scope in row.scopes),
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )


def _scopes(given: Iterable[str]) -> Sequence[Scope]:
    chosen = set(given)
    unknown = sorted(chosen - set(Scope))
    if unknown or not chosen:
        raise InvalidInput(
            f"There is no scope {unknown[0]!r}." if unknown else "A key needs a scope.",
            field="scopes",
            hint=f"Scopes are {', '.join(Scope)}.",
        )
    return [scope for scope in Scope if scope in chosen]
