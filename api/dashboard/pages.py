"""All pages of the dashboard in one router, and errors as pages: what ``api.app`` mounts."""

from __future__ import annotations

from fastapi import APIRouter

from api.dashboard import (
    acknowledge_pages,
    alert_actions,
    backtest_pages,
    brand_pages,
    calendar_pages,
    channel_pages,
    connection_pages,
    inbound_pages,
    insight_pages,
    login,
    mentions,
    model_pages,
    overview,
    rule_pages,
    settings_pages,
    sources,
    spikes,
    start_pages,
    taxonomy_pages,
    watch_pages,
)
from api.dashboard.view import error_page

__all__ = ["error_page", "router"]

router = APIRouter(include_in_schema=False)
for _page in (
    login,
    acknowledge_pages,
    overview,
    start_pages,
    mentions,
    spikes,
    alert_actions,
    insight_pages,
    sources,
    brand_pages,
    watch_pages,
    channel_pages,
    rule_pages,
    backtest_pages,
    calendar_pages,
    connection_pages,
    inbound_pages,
    taxonomy_pages,
    model_pages,
    settings_pages,
):
    router.include_router(_page.router)
