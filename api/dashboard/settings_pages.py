"""Settings: language and password of one's own, API keys, and who else may come in."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter
from starlette.responses import Response

from api import auth
from api.dashboard.forms import Form, Sent
from api.dashboard.view import LANGUAGE_COOKIE, PageView, View
from api.routes.schemas import Id
from listener.errors import ListenerError, NotFound
from listener.security import hash_password, verify_password
from listener.store import access
from listener.store.access import Scope
from listener.store.tables import UserRow

router = APIRouter()

_SHORTEST = 10  # characters of a password


@router.get("/settings")
def show(view: PageView) -> Response:
    """Everything on one page."""
    return _page(view)


def _page(
    view: View,
    *,
    status: int = 200,
    forms: Mapping[str, Form] | None = None,
    new_key: str | None = None,
    new_link: str | None = None,
) -> Response:
    with view.services.database.read() as session:
        keys = access.list_keys(session, limit=500)
        users = access.list_users(session)
    given = forms or {}
    return view.render(
        "settings.html",
        status,
        keys=keys,
        users=users,
        forms={name: given.get(name, Form()) for name in ("password", "key", "user")},
        new_key=new_key,
        new_link=new_link,
        scopes=list(Scope),
        shortest=_SHORTEST,
    )


@router.post("/settings/language")
def language(view: PageView, form: Sent) -> Response:
    """One's own language, on every machine."""
    chosen = form.get("language")
    assert view.user is not None  # noqa: S101 - page_view lets nobody else in
    if chosen in ("ko", "en"):
        with view.services.database.write() as work:
            row = work.session.get(UserRow, view.user.id)
            if row is None:
                raise NotFound("There is no such user.")
            row.language = chosen
            work.commit()
    response = view.go("/settings", "saved")
    response.delete_cookie(LANGUAGE_COOKIE)
    return response


@router.post("/settings/password")
def password(view: PageView, form: Sent) -> Response:
    """Set or change the password; other sessions of this user end."""
    say = view.say
    user = view.user
    assert user is not None  # noqa: S101 - page_view lets nobody else in
    services = view.services
    new = form.get("new")
    with services.database.read() as session:
        stored = access.password_hash_of(session, user.id)
    if stored and not verify_password(form.get("current")[:1000], stored):
        form.errors["current"] = say("지금 비밀번호가 맞지 않습니다.", "That is not your password.")
    if len(new) < _SHORTEST:
        form.errors["new"] = say(
            "{n}자 이상으로 정해 주세요.", "Use {n} characters or more.", n=_SHORTEST
        )
    elif new != form.get("again"):
        form.errors["again"] = say("두 번 적은 것이 서로 다릅니다.", "The two are not the same.")
    if form.errors:
        return _page(view, status=422, forms={"password": form})
    hashed = hash_password(new[:1000])
    with services.database.write() as work:
        access.set_password(work.session, user.id, hashed)
        token = access.open_session(work.session, user.id, now=view.now)
        work.commit()
    response = view.go("/settings", "saved")
    auth.set_cookie(response, view.request, services.settings, token)
    return response


# --- keys ----------------------------------------------------------------------------------------


@router.post("/settings/keys")
def add_key(view: PageView, form: Sent) -> Response:
    """A new key, shown in the answer and never again."""
    try:
        with view.services.database.write() as work:
            _key, token = access.add_key(
                work.session,
                form.get("name"),
                scopes=(form.get("scope") or "read",),
                now=view.now,
            )
            work.commit()
    except ListenerError as error:
        form.blame(error, view.say, place="name")
        return _page(view, status=422, forms={"key": form})
    return _page(view, new_key=token)


@router.post("/settings/keys/{key_id}/revoke")
def revoke_key(view: PageView, key_id: Id) -> Response:
    """Take a key out of use."""
    with view.services.database.write() as work:
        access.revoke_key(work.session, key_id, now=view.now)
        work.commit()
    view.request.app.state.keys.forget()
    return view.go("/settings", "key-revoked")


# --- users ---------------------------------------------------------------------------------------


@router.post("/settings/users")
def invite(view: PageView, form: Sent) -> Response:
    """Let somebody else in: a one-time link, shown in the answer."""
    try:
        with view.services.database.write() as work:
            user = access.find_user(work.session, form.get("email")) or access.add_user(
                work.session,
                form.get("email"),
                name=form.get("name")[:100],
                language=view.language,
                now=view.now,
            )
            token = access.add_login_link(work.session, user.id, now=view.now)
            work.commit()
    except ListenerError as error:
        form.blame(error, view.say, place="email")
        return _page(view, status=422, forms={"user": form})
    settings = view.services.settings
    base = (settings.public_url or str(view.request.base_url)).rstrip("/")
    return _page(view, new_link=f"{base}/login/link?token={token}")


@router.post("/settings/users/{user_id}/disable")
def disable(view: PageView, user_id: Id) -> Response:
    """Shut somebody out at once; not oneself."""
    if view.user is not None and view.user.id != user_id:
        with view.services.database.write() as work:
            access.disable_user(work.session, user_id, now=view.now)
            work.commit()
    return view.go("/settings", "saved")
