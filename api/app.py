"""The web app: ``create_app()`` reads the settings once and builds all; nothing is global."""

from __future__ import annotations

import importlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from api import auth, errors
from api.deps import Lane, Services, Wiring, known_query
from api.edge import SECURITY_HEADERS, Edge, HideKeys, Metrics
from api.routes import (
    acknowledge,
    alert_actions,
    alerts,
    brands,
    channels,
    connections,
    feeds,
    generations,
    health,
    hooks,
    inbound,
    insights,
    keys,
    mentions,
    notices,
    planned,
    rules,
    session,
    sources,
    spikes,
    stats,
    taxonomies,
    watches,
)
from api.rules import RulesShelf
from listener import __version__
from listener.settings import load
from listener.store.feed import FeedReader

DESCRIPTION = """
What people say about your brands in public: mentions as they are found, edited and deleted, the
spikes seen in them, and what was collected and what was not.

Every call needs an API key: `Authorization: Bearer lsn_…`. Errors are `application/problem+json`
with a `hint`. Lists are paged by `cursor`: send `next_cursor` back unchanged.
""".strip()

STATIC = Path(__file__).parent / "dashboard" / "static"
DASHBOARD = "api.dashboard.pages"
MAX_BODY = 1_000_000  # bytes; the largest thing sent here is a brand with its terms

# Open to everybody: is it alive, logging in, webhooks, which sign what they send, and links that
# acknowledge, which are signed. All else needs at least a key with scope read.
PUBLIC = (health.public, session.router, hooks.router, acknowledge.router)
OPEN = ("/hooks/", "/api/v1/acknowledge/")  # they carry their own proof
GUARDED = (
    health.guarded,
    mentions.router,
    feeds.router,
    brands.router,
    watches.router,
    notices.router,
    alerts.router,
    spikes.router,
    alert_actions.router,
    planned.router,
    rules.router,
    channels.router,
    stats.router,
    insights.router,
    generations.router,
    sources.router,
    connections.router,
    inbound.router,
    taxonomies.router,
    keys.router,
)


def create_app(wiring: Wiring | None = None) -> FastAPI:
    """The app; a web server calls it by name, without arguments, and it reads the settings.

    ``app.state.services`` holds what it is built of, ``app.state.keys`` the API keys in use,
    ``app.state.throttle`` the brake on logins. The database must have its tables. Raises
    ConfigError.
    """
    wired = wiring or _wire()
    services = Services(
        settings=wired.settings,
        database=wired.database,
        secrets=wired.secrets,
        clock=wired.clock,
        wiring=wired,
        lane=Lane(1 if wired.database.is_sqlite else 4),
        reader=FeedReader(wired.database),
    )
    ring = auth.KeyRing(services.database)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        hide = HideKeys()
        access_log = logging.getLogger("uvicorn.access")
        access_log.addFilter(hide)
        yield
        access_log.removeFilter(hide)
        ring.close()
        services.lane.close()
        services.reader.close()
        if wiring is None:
            wired.close()

    app = FastAPI(
        title="Listener",
        version=__version__,
        description=DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_url=None,  # served by routes/health.py, behind a key
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        generate_unique_id_function=_operation_id,
        responses={
            "default": {
                "model": errors.Problem,
                "description": "An error, as a problem (RFC 9457).",
                "content": {errors.MEDIA_TYPE: {}},
            }
        },
    )
    app.state.services = services
    app.state.keys = ring
    app.state.throttle = auth.Throttle()
    app.state.brakes = hooks.Brakes()
    app.state.metrics = Metrics()
    app.state.security_headers = dict(SECURITY_HEADERS)
    app.state.query_names = {}
    app.state.rules = RulesShelf(services.settings.rules)
    app.add_middleware(Edge, metrics=app.state.metrics, max_body=MAX_BODY)
    errors.install(app)
    app.openapi = lambda: _describe(app)  # type: ignore[method-assign]
    for router in PUBLIC:
        app.include_router(router)
    for router in GUARDED:
        app.include_router(router, dependencies=[auth.Reads, Depends(known_query)])
    _add_dashboard(app)
    return app


def _add_dashboard(app: FastAPI) -> None:
    """The pages, where there are any: ``pages.router`` and ``pages.error_page`` for browsers."""
    if STATIC.is_dir():
        app.mount("/static", _Static(directory=STATIC), name="static")
    if find_spec(DASHBOARD) is not None:
        pages = importlib.import_module(DASHBOARD)
        app.include_router(pages.router)
        app.state.error_page = getattr(pages, "error_page", None)


class _Static(StaticFiles):
    """Files whose address names their content (``?v=``), so that browsers may keep them."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """As ever, with a word on keeping it."""
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response


def _wire() -> Wiring:
    """The core's own wiring, by name: the API imports neither the pipeline nor what runs it."""
    wired: Wiring = importlib.import_module("listener.runtime.wiring").build(load())
    return wired


def _describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description, made when first asked for."""
    if app.openapi_schema is None:
        api = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        api["info"]["license"] = app.license_info
        api["components"]["securitySchemes"] = auth.SCHEMES
        for path, operations in api["paths"].items():
            for operation in operations.values():
                is_open = path in ("/healthz", "/readyz") or path.startswith(OPEN)
                operation["security"] = [] if is_open else [{name: []} for name in auth.SCHEMES]
        app.openapi_schema = api
    return app.openapi_schema


def _operation_id(route: APIRoute) -> str:
    # The function's name: it does not change with the path, so that generated clients stay the
    # same.
    return route.name
