"""The page behind the link in a message: one button that says "I have seen it", without a login.

Looking at it changes nothing, whoever looks and however often: programs open links in mails, to
check them or to show what is behind them. None of them posts a form.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from api.dashboard.forms import Sent
from api.dashboard.view import OpenView, View
from api.routes import acknowledge
from listener.alert.links import LinkExpired
from listener.errors import NotFound

router = APIRouter()

# The link is a secret: nobody keeps it in a cache, an index, or passes it on as a referrer.
_HEADERS = {
    "cache-control": "no-store",
    "x-robots-tag": "noindex",
    "referrer-policy": "no-referrer",
}


@router.get("/acknowledge/{token}")
def page(view: OpenView, token: acknowledge.Token) -> Response:
    """What it is about, and the button."""
    try:
        seen = acknowledge.look(view.services, token, now=view.now)
    except (NotFound, LinkExpired) as error:
        return _refused(view, error)
    return _render(view, token, seen)


@router.post("/acknowledge/{token}")
def press(view: OpenView, token: acknowledge.Token, form: Sent) -> Response:
    """The button was pressed."""
    if form.get("confirm") != "yes":
        return page(view, token)
    try:
        seen = acknowledge.acknowledge(
            view.services, token, name=form.get("name"), user=view.user, now=view.now
        )
    except (NotFound, LinkExpired) as error:
        return _refused(view, error)
    return _render(view, token, seen, done=True)


def _render(view: View, token: str, seen: acknowledge.Seen, *, done: bool = False) -> Response:
    return view.render(
        "acknowledge.html", headers=_HEADERS, token=token, seen=seen, done=done, refused=None
    )


def _refused(view: View, error: NotFound | LinkExpired) -> Response:
    status = 410 if isinstance(error, LinkExpired) else 404
    return view.render(
        "acknowledge.html",
        status,
        headers=_HEADERS,
        token="",
        seen=None,
        done=False,
        refused=status,
    )
