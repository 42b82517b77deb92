"""The shop: product pages whose reviews are told to machines as schema.org, in two dialects."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from listener.sample_web.catalogue import BRAND, BRANDS, PRODUCT, PRODUCTS, SHOP_NAME, Product
from listener.sample_web.model import KST, Item
from listener.sample_web.site import Clock, Site

# Reviewer profiles are nobody's business; robots.txt says so and the shop counts who came anyway.
DISALLOWED: Final = "/shop/members/"


@dataclass(slots=True)
class Shop:
    """Product pages with reviews, newest first, `page_size` to a page."""

    site: Site
    clock: Clock
    page_size: int = 50
    disallowed_visits: int = 0
    _by_product: dict[str, list[Item]] = field(default_factory=dict)
    _sorted: int = 0

    def routes(self) -> list[Route]:
        """The routes of the shop."""
        return [
            Route("/shop/", self.index),
            Route("/shop/brands/{slug}", self.brand),
            Route("/shop/products/{slug}", self.product),
            Route(DISALLOWED + "{name}", self.member),
            Route("/robots.txt", self.robots),
            Route("/sitemap.xml", self.sitemap),
        ]

    async def index(self, request: Request) -> Response:
        """All products."""
        return self.site.page(
            "shop.html", name=SHOP_NAME, title=SHOP_NAME, rows=self._rows(PRODUCTS)
        )

    async def brand(self, request: Request) -> Response:
        """The products of one seller."""
        brand = BRAND.get(request.path_params["slug"])
        if brand is None:
            return self.site.page("missing.html", status=404)
        rows = self._rows([product for product in PRODUCTS if product.brand == brand.slug])
        return self.site.page("shop.html", name=SHOP_NAME, title=brand.name, rows=rows)

    async def member(self, request: Request) -> Response:
        """A page robots.txt asks robots to leave alone."""
        self.disallowed_visits += 1
        return self.site.page("member.html", name=SHOP_NAME, member=request.path_params["name"])

    async def product(self, request: Request) -> Response:
        """A product and one page of its reviews."""
        product = PRODUCT.get(request.path_params["slug"])
        raw = request.query_params.get("page", "1")
        if product is None or not raw.isascii() or not raw.isdigit() or len(raw) > 6:
            return self.site.page("missing.html", status=404)
        now, number = self.clock(), int(raw)
        reviews = self._reviews(product.slug, now)
        pages = max(1, -(-len(reviews) // self.page_size))
        if not 1 <= number <= pages:
            return self.site.page("missing.html", status=404)
        shown = reviews[(number - 1) * self.page_size : number * self.page_size]
        path = f"/shop/products/{product.slug}"
        total = [review.rating_at(now) or 0 for review in reviews]
        average = round(sum(total) / len(total), 2) if total else None
        url = str(request.base_url).rstrip("/") + path
        return self.site.page(
            "product.html",
            name=SHOP_NAME,
            product=product,
            brand=BRAND[product.brand],
            reviews=[(review, review.text_at(now), review.rating_at(now)) for review in shown],
            average=average,
            total=len(reviews),
            page=number,
            pages=pages,
            next_url=f"{path}?page={number + 1}" if number < pages else None,
            prev_url=f"{path}?page={number - 1}" if number > 1 else None,
            json_ld=_json_ld(product, shown, average, len(reviews), url, now),
            microdata=product.markup == "microdata",
        )

    async def robots(self, request: Request) -> Response:
        """Everything is open but the members' pages; no crawl delay is asked for."""
        base = str(request.base_url).rstrip("/")
        text = f"User-agent: *\nDisallow: {DISALLOWED}\n\nSitemap: {base}/sitemap.xml\n"
        return Response(text, media_type="text/plain; charset=utf-8")

    async def sitemap(self, request: Request) -> Response:
        """The pages of the shop and when their newest review came."""
        base, now = str(request.base_url).rstrip("/"), self.clock()
        rows = [f"<url><loc>{base}/shop/</loc></url>"]
        rows += [f"<url><loc>{base}/shop/brands/{brand.slug}</loc></url>" for brand in BRANDS]
        for product in PRODUCTS:
            reviews = self._reviews(product.slug, now)
            stamp = reviews[0].appears.isoformat(timespec="seconds") if reviews else None
            last = f"<lastmod>{stamp}</lastmod>" if stamp else ""
            rows.append(f"<url><loc>{base}/shop/products/{product.slug}</loc>{last}</url>")
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
            + "".join(rows)
            + "</urlset>\n"
        )
        return Response(body, media_type="application/xml; charset=utf-8")

    def _reviews(self, slug: str, now: datetime) -> list[Item]:
        """The reviews of one product at `now`, newest first."""
        count = self.site.timeline.count("review", now)
        if count > self._sorted:
            for item in self.site.timeline.visible("review", now)[self._sorted :]:
                self._by_product.setdefault(item.product, []).append(item)
            self._sorted = count
        found = self._by_product.get(slug, [])
        return [item for item in reversed(found) if item.appears <= now]

    def _rows(self, products: Sequence[Product]) -> list[tuple[Product, str, int]]:
        now = self.clock()
        return [
            (product, BRAND[product.brand].name, len(self._reviews(product.slug, now)))
            for product in products
        ]


def _json_ld(
    product: Product,
    reviews: list[Item],
    average: float | None,
    total: int,
    url: str,
    now: datetime,
) -> Markup | None:
    """The page for machines, in the dialect of the product: with ids, in a graph, or plain."""
    if product.markup == "microdata":
        return None
    data: dict[str, Any] = {
        "@type": "Product",
        "name": product.name,
        "alternateName": product.english,
        "sku": product.slug,
        "url": url,
        "brand": {"@type": "Brand", "name": BRAND[product.brand].name},
        "offers": {
            "@type": "Offer",
            "price": product.price,
            "priceCurrency": "KRW",
            "seller": {"@type": "Organization", "name": BRAND[product.brand].name},
        },
        "review": [_review(product, review, url, now) for review in reviews],
    }
    if average is not None:
        data["aggregateRating"] = {
            "@type": "AggregateRating",
            "ratingValue": average,
            "reviewCount": total,
            "bestRating": product.best,
            "worstRating": 1,
        }
    whole: dict[str, Any] = {"@context": "https://schema.org"}
    if product.markup == "json-ld-graph":
        shop = {"@type": "WebSite", "name": SHOP_NAME, "url": url.split("/products/")[0]}
        whole["@graph"] = [shop, data]
    else:
        whole |= data
    return script_json(whole)


def script_json(value: object) -> Markup:
    """JSON that cannot leave the script element it stands in."""
    text = json.dumps(value, ensure_ascii=False, indent=1)
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)  # noqa: S704 - the three characters that could end the element are gone


def _review(product: Product, review: Item, url: str, now: datetime) -> dict[str, Any]:
    rating = review.rating_at(now)
    graph = product.markup == "json-ld-graph"
    data: dict[str, Any] = {
        "@type": "Review",
        "author": (
            review.author.name if graph else {"@type": "Person", "name": review.author.name}
        ),
        "datePublished": review.published.astimezone(KST).isoformat(timespec="seconds"),
        "reviewBody": review.text_at(now),
        "reviewRating": {
            "@type": "Rating",
            "ratingValue": str(rating) if graph else rating,
            "bestRating": product.best,
            "worstRating": 1,
        },
    }
    if product.markup != "json-ld-plain":
        data = {"@id": f"{url}#{review.id}"} | data
    if review.updated_at(now) != review.published:
        data["dateModified"] = review.updated_at(now).astimezone(KST).isoformat(timespec="seconds")
    return data
