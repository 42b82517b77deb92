from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from listener import security
from listener.errors import Conflict, InvalidInput, NotFound
from listener.store import access
from listener.store.access import Scope
from listener.store.tables import ApiKeyRow, LoginLinkRow, SessionRow
from listener.store.work import Database


def test_keys_are_stored_as_hashes_only(database: Database, now: datetime) -> None:
    with database.write() as work:
        key, token = access.add_key(work.session, " CI ", scopes=["write", "read"], now=now)
        row = work.session.get_one(ApiKeyRow, key.id)
        assert token.startswith("lsn_")
        assert row.key_hash == security.hash_token(token)
        assert token not in str({c.name: getattr(row, c.name) for c in ApiKeyRow.__table__.c})
        assert key.prefix == token[:10]
        assert key.name == "CI"
        assert key.scopes == (Scope.READ, Scope.WRITE)
        assert access.find_key(work.session, security.hash_token(token)) == key
        assert access.find_key(work.session, security.hash_token(token + "x")) is None


def test_key_input_is_checked(database: Database, now: datetime) -> None:
    with database.write() as work:
        for name, scopes, field in (
            ("", ["read"], "name"),
            ("a", ["all"], "scopes"),
            ("a", [], "scopes"),
        ):
            with pytest.raises(InvalidInput) as error:
                access.add_key(work.session, name, scopes=scopes, now=now)
            assert error.value.field == field


def test_a_revoked_key_is_not_found_but_listed(database: Database, now: datetime) -> None:
    with database.write() as work:
        key, token = access.add_key(work.session, "CI", now=now)
        first = access.revoke_key(work.session, key.id, now=now)
        again = access.revoke_key(work.session, key.id, now=now + timedelta(days=1))
        assert first.revoked_at == again.revoked_at == now
        assert access.find_key(work.session, security.hash_token(token)) is None
        assert [k.id for k in access.list_keys(work.session)] == [key.id]
        assert not access.list_keys(work.session, after=key.id)
        with pytest.raises(NotFound):
            access.revoke_key(work.session, 99, now=now)


def test_last_use_never_goes_back(database: Database, now: datetime) -> None:
    with database.write() as work:
        key, _token = access.add_key(work.session, "CI", now=now)
        for at in (now, now - timedelta(hours=1)):
            access.touch_keys(work.session, [(key.id, at)])
        work.session.expire_all()
        assert access.list_keys(work.session)[0].last_used_at == now


def test_users_have_one_address_each(database: Database, now: datetime) -> None:
    with database.write() as work:
        user = access.add_user(work.session, " Mina@Example.com", now=now, name="Mina")
        assert user.email == "mina@example.com"
        assert access.find_user(work.session, "MINA@example.com ") == user
        with pytest.raises(Conflict):
            access.add_user(work.session, "mina@EXAMPLE.com", now=now)
        for address in ("", "mina", "@x", "x@", "a b@c", "x" * 200 + "@c"):
            with pytest.raises(InvalidInput):
                access.add_user(work.session, address, now=now)


def test_a_link_works_once_and_in_time(database: Database, now: datetime) -> None:
    with database.write() as work:
        user = access.add_user(work.session, "a@b.c", now=now)
        link = access.add_login_link(work.session, user.id, now=now)
        late = access.add_login_link(work.session, user.id, now=now)
        assert access.use_login_link(work.session, "wrong", now=now) is None
        assert access.use_login_link(work.session, link, now=now) == user
        assert access.use_login_link(work.session, link, now=now) is None
        assert access.use_login_link(work.session, late, now=now + access.LINK_LIFE) is None
        stored = {row.token_hash for row in work.session.query(LoginLinkRow)}
        assert stored == {security.hash_token(link), security.hash_token(late)}
        with pytest.raises(NotFound):
            access.add_login_link(work.session, 99, now=now)


def test_sessions_end(database: Database, now: datetime) -> None:
    with database.write() as work:
        session = work.session
        user = access.add_user(session, "a@b.c", now=now)
        one, two, three = (access.open_session(session, user.id, now=now) for _ in range(3))
        assert access.session_user(session, one, now=now) == user
        assert access.session_user(session, one, now=now + access.SESSION_LIFE) is None
        access.close_session(session, one)
        assert access.session_user(session, one, now=now) is None
        assert access.session_user(session, two, now=now) == user
        access.set_password(session, user.id, security.hash_password("a new password"))
        assert access.session_user(session, three, now=now) is None


def test_a_disabled_user_is_out(database: Database, now: datetime) -> None:
    with database.write() as work:
        session = work.session
        user = access.add_user(session, "a@b.c", now=now)
        link = access.add_login_link(session, user.id, now=now)
        token = access.open_session(session, user.id, now=now)
        access.disable_user(session, user.id, now=now)
        assert access.session_user(session, token, now=now) is None
        assert access.use_login_link(session, link, now=now) is None
        assert access.get_user(session, user.id).disabled_at == now


def test_what_ran_out_is_forgotten(database: Database, now: datetime) -> None:
    with database.write() as work:
        session = work.session
        user = access.add_user(session, "a@b.c", now=now)
        access.add_login_link(session, user.id, now=now)
        access.open_session(session, user.id, now=now)
        access.purge(session, now=now + access.LINK_LIFE)
        assert session.query(LoginLinkRow).count() == 0
        assert session.query(SessionRow).count() == 1
        access.open_session(session, user.id, now=now + access.SESSION_LIFE)
        assert session.query(SessionRow).count() == 1
