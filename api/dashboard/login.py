"""Coming in: the form, and the page behind a one-time link."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import RedirectResponse, Response

from api.dashboard.view import OpenView

router = APIRouter()


@router.get("/login")
def form(
    view: OpenView, go_to: Annotated[str, Query(alias="next", max_length=2000)] = "/"
) -> Response:
    """The form; whoever is in already goes on."""
    if view.user is not None:
        return RedirectResponse("/", 303)
    return view.render("login.html", email="", go_to=go_to, problem=None)


@router.get("/login/link")
def link(view: OpenView, token: Annotated[str, Query(max_length=200)] = "") -> Response:
    """What a one-time link opens: a page with a button.

    Looking at it changes nothing, so that programs which open links in mails do not use it up.
    """
    if view.user is not None:
        return RedirectResponse("/", 303)
    return view.render("link.html", token=token)
