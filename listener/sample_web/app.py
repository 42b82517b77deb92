"""Put the parts together into one ASGI application."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from listener.sample_web.catalogue import BRANDS, PRODUCTS
from listener.sample_web.feeds import Feeds
from listener.sample_web.inbox import Inbox
from listener.sample_web.model import CHANNELS, Plan
from listener.sample_web.shop import DISALLOWED, Shop
from listener.sample_web.site import HERE, Clock, Site, utc_now
from listener.sample_web.timeline import Timeline
from listener.sample_web.xapi import XApi, XOptions

EXAMPLE_QUERIES: Final[tuple[str, ...]] = tuple(
    f'({brand.name} OR "{brand.english}" OR #{brand.hashtags[0]} OR @{brand.handle}) -is:retweet'
    for brand in BRANDS
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the sample web serves; what it serves is decided by the plan."""

    plan: Plan
    x: XOptions = field(default_factory=XOptions)
    feed_items: int = 500
    page_size: int = 50
    inbox_secret: str = ""


def create_app(
    options: Options, *, clock: Clock = utc_now, timeline: Timeline | None = None
) -> Starlette:
    """The sample web as an application; `clock` tells what is visible.

    A `timeline` of the same plan may be given, as it takes half a second to make one.
    """
    site = Site(timeline or Timeline(options.plan))
    shop = Shop(site, clock, options.page_size)
    parts = (
        shop,
        Feeds(site, clock, options.feed_items),
        XApi(site, options.x, clock),
        Inbox(site, clock, options.inbox_secret),
    )

    async def index(request: Request) -> Response:
        now = clock()
        counts = {channel: site.timeline.count(channel, now) for channel in CHANNELS}
        return site.page(
            "index.html", counts=counts, brands=BRANDS, queries=EXAMPLE_QUERIES, plan=options.plan
        )

    async def state(request: Request) -> Response:
        return JSONResponse(_state(site, options.plan, shop, clock()))

    async def post(request: Request) -> Response:
        """A single post, where the API's ids lead to."""
        item = site.find("x", request.path_params["id"], clock())
        if item is None or item.author.username != request.path_params["name"]:
            return site.page("missing.html", status=404)
        return site.page("post.html", item=item)

    async def missing(request: Request, _: Exception) -> Response:
        return site.page("missing.html", status=404)

    return Starlette(
        routes=[
            Route("/", index),
            Route("/_sample/state.json", state),
            Mount("/_sample/static", StaticFiles(directory=HERE / "static")),
            *(route for part in parts for route in part.routes()),
            Route("/{name}/status/{id}", post),
        ],
        exception_handlers={404: missing},
    )


def _state(site: Site, plan: Plan, shop: Shop, now: datetime) -> dict[str, Any]:
    """What is true about this web at `now`; for tests and for the curious, not for collectors."""
    channels = {}
    for channel in CHANNELS:
        items = site.timeline.visible(channel, now)
        channels[channel] = {
            "total": len(items),
            "oldest": items[0].appears.isoformat() if items else None,
            "newest": items[-1].appears.isoformat() if items else None,
            "wave": sum(item.wave for item in items),
            "brands": dict(Counter(item.brand or "none" for item in items)),
            "complaints": dict(Counter(item.brand for item in items if item.stance == "complaint")),
        }
    begin = plan.wave_start
    return {
        "now": now.isoformat(),
        "seed": plan.seed,
        "start": plan.start.isoformat(),
        "days": plan.days,
        "wave": None
        if begin is None
        else {
            "start": begin.isoformat(),
            "end": (begin + plan.wave_length).isoformat(),
            "brand": "nurimarket",
            "topic": "delivery",
        },
        "channels": channels,
        "brands": [
            {
                "slug": brand.slug,
                "name": brand.name,
                "english": brand.english,
                "aliases": brand.aliases,
                "hashtags": brand.hashtags,
                "handle": brand.handle,
                "user_id": brand.user_id,
                "own": brand.own,
                "x_query": query,
                "products": [
                    f"/shop/products/{product.slug}"
                    for product in PRODUCTS
                    if product.brand == brand.slug
                ],
            }
            for brand, query in zip(BRANDS, EXAMPLE_QUERIES, strict=True)
        ],
        "feeds": {"news": "/news/rss.xml", "forum": "/forum/atom.xml"},
        "disallowed": {"path": DISALLOWED, "visits": shop.disallowed_visits},
    }
