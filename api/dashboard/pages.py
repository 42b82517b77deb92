"""All pages of the dashboard in one router, and errors as pages: what ``api.app`` mounts."""

from __future__ import annotations

from fastapi import APIRouter

from api.dashboard import login, overview
from api.dashboard.view import error_page

__all__ = ["error_page", "router"]

router = APIRouter(include_in_schema=False)
for _page in (login, overview):
    router.include_router(_page.router)
