"""Coming in and going out: password, one-time link, logout. The page with the form is the
dashboard's.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse

from api import auth
from api.deps import Now, ServicesDep
from api.errors import Forbidden
from listener.store import access

router = APIRouter(tags=["login"], include_in_schema=False)


@router.post("/login")
def log_in(
    request: Request,
    services: ServicesDep,
    now: Now,
    email: Annotated[str, Form(max_length=200)],
    password: Annotated[str, Form(max_length=1000)],
    go_to: Annotated[str, Form(alias="next", max_length=2000)] = "/",
) -> RedirectResponse:
    """Log in by password."""
    _check_origin(request)
    address = request.client.host if request.client else ""
    _user, token = auth.login(
        services,
        request.app.state.throttle,
        email=email,
        password=password,
        address=address,
        now=now,
    )
    response = RedirectResponse(_local(go_to), 303)
    auth.set_cookie(response, request, services.settings, token)
    return response


@router.post("/login/link")
def log_in_by_link(
    request: Request,
    services: ServicesDep,
    now: Now,
    link: Annotated[str, Form(alias="token", max_length=200)],
) -> RedirectResponse:
    """Log in by a one-time link.

    The link itself opens a page of the dashboard that sends this, so that programs which follow
    links in mails and chats do not use it up.
    """
    _check_origin(request)
    _user, token = auth.login_by_link(services, link, now=now)
    response = RedirectResponse("/", 303)
    auth.set_cookie(response, request, services.settings, token)
    return response


@router.post("/logout", dependencies=[auth.Reads])
def log_out(request: Request, services: ServicesDep) -> RedirectResponse:
    """End this session."""
    with services.database.write() as work:
        access.close_session(work.session, request.cookies.get(auth.COOKIE, ""))
        work.commit()
    response = RedirectResponse("/login", 303)
    auth.clear_cookie(response, request, services.settings)
    return response


def _check_origin(request: Request) -> None:
    """Another site must not log people in: they would work in an account that is not theirs."""
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise Forbidden("This form was sent from another site.")


def _local(path: str) -> str:
    """A path of this site; anything else (``//evil.example``, ``https:…``) is the front page."""
    printable = path.isprintable() and "\\" not in path
    return path if path.startswith("/") and not path.startswith("//") and printable else "/"
