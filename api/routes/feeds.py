"""``/feeds/mentions.*``: the mentions for feed readers, as RSS 2.0, Atom 1.0 and JSON Feed 1.1.

A post is somebody else's text: it goes out as text, never as markup, whatever it holds.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from html import escape
from typing import Annotated, Any
from urllib.parse import urlencode
from xml.etree.ElementTree import Element, SubElement, tostring

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from api.deps import Now, Services, ServicesDep, dumps, encode_cursor, key_of
from api.routes.mentions import FilterQuery, to_filter
from listener.store import brands, feed, generations
from listener.store.generations import Switch
from listener.store.items import Item
from listener.store.tables import BrandRow

router = APIRouter(prefix="/feeds", tags=["feeds"])

_NAME = "feed"
_TITLE_LENGTH = 80
# What XML 1.0 cannot hold at all, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NEWS = timedelta(days=30)  # that long a switch to other models and rules is told
_SWITCHED = {
    "ko": (
        "모델과 규칙이 바뀌었습니다",
        "이전에 모은 글도 모두 새 모델과 규칙으로 다시 판정했습니다. 감성·불만·주제가 달라졌을 수"
        " 있으며, 글마다 따로 알리지 않습니다.",
    ),
    "en": (
        "Other models and rules are in force",
        "All mentions were read anew by them, earlier ones too. Sentiment, complaint and topics may"
        " be others now; that is told of no single mention.",
    ),
}
_TITLES = {"ko": "멘션", "en": "Mentions"}
_ABOUT = {
    "ko": "브랜드를 언급한 글, 최근에 바뀐 것부터.",
    "en": "What people say about your brands, the latest changes first.",
}


class FeedQuery(FilterQuery):
    """The filter of a feed."""

    limit: int = Field(50, ge=1, le=500, description="Most entries to answer.")
    cursor: str | None = Field(
        None, max_length=200, description="From the address of the next page."
    )
    key: str | None = Field(
        None,
        max_length=200,
        description="An API key, for readers that cannot send headers. Use one with scope `read` "
        "that is for this alone: addresses end up in many places.",
    )


Filter = Annotated[FeedQuery, Query()]
_XML: dict[int | str, dict[str, Any]] = {
    200: {"description": "The feed."},
    304: {"description": "Nothing has changed."},
}


@router.get("/mentions.rss", operation_id="feed_rss", responses=_XML, response_class=Response)
def rss(request: Request, services: ServicesDep, now: Now, query: Filter) -> Response:
    """Mentions as RSS 2.0, the latest changes first. Takes the filters of `/api/v1/mentions`."""
    return _answer(request, services, now, query, "rss")


@router.get("/mentions.atom", operation_id="feed_atom", responses=_XML, response_class=Response)
def atom(request: Request, services: ServicesDep, now: Now, query: Filter) -> Response:
    """Mentions as Atom 1.0, the latest changes first; `rel="next"` leads to older ones."""
    return _answer(request, services, now, query, "atom")


@router.get("/mentions.json", operation_id="feed_json", responses=_XML, response_class=Response)
def json(request: Request, services: ServicesDep, now: Now, query: Filter) -> Response:
    """Mentions as JSON Feed 1.1, the latest changes first; `next_url` leads to older ones."""
    return _answer(request, services, now, query, "json")


for _path, _call in (("rss", rss), ("atom", atom), ("json", json)):
    router.add_api_route(f"/mentions.{_path}", _call, methods=["HEAD"], include_in_schema=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """What all three formats are made of."""

    title: str
    about: str
    language: str
    home: str  # address of the dashboard
    self_url: str
    next_url: str | None
    changed_at: datetime | None
    entries: Sequence[tuple[datetime, Item]]
    switches: Sequence[Switch]


def _answer(
    request: Request, services: Services, now: datetime, query: FeedQuery, form: str
) -> Response:
    names = not services.settings.hash_authors
    before = key_of(query.cursor, _NAME)
    with services.database.read() as session:
        wanted = to_filter(session, query, names=names)
        switches = generations.switches(session, since=now - _NEWS, limit=3)
        changed_at = feed.changed_at(session)
        if switches and (changed_at is None or changed_at < switches[0].at):
            changed_at = switches[0].at
        etag = _etag(
            *(form, wanted.fingerprint(), query.limit, before, names, _base(request, services)),
            *(feed.last_seq(session), generations.active_id(session), brands.versions(session)),
            *(query.key is not None, services.settings.language),
        )
        headers = {"etag": etag, "cache-control": "private, no-cache", "vary": "authorization"}
        # Times in HTTP have seconds only: what changed in this one may change again within it.
        if changed_at is not None and now - changed_at > timedelta(seconds=2):
            headers["last-modified"] = format_datetime(changed_at.astimezone(UTC), usegmt=True)
        if _is_known(request, etag, changed_at):
            return Response(status_code=304, headers=headers)
        entries = feed.latest(
            session, wanted, before_seq=before, limit=query.limit + 1, names=names
        )
        brand = session.get(BrandRow, wanted.brand_id) if wanted.brand_id else None
        brand_name = brand.name if brand else None
    told = () if before is not None else switches
    page = _page(request, services, query, entries, brand_name, changed_at, told)
    media_type, body = _FORMS[form](page)
    return Response(body, media_type=media_type, headers=headers)


def _page(
    request: Request,
    services: Services,
    query: FeedQuery,
    entries: Sequence[tuple[datetime, Item]],
    brand: str | None,
    changed_at: datetime | None,
    switches: Sequence[Switch],
) -> _Page:
    language = services.settings.language
    base = _base(request, services)
    shown = entries[: query.limit]
    params = [(k, v) for k, v in request.query_params.multi_items() if k != "cursor"]
    path = base + request.url.path
    next_url = None
    if len(entries) > query.limit:
        # It must work by itself, so it carries the key if this address did.
        cursor = encode_cursor(f"{_NAME}:{shown[-1][1].seq}")
        next_url = f"{path}?{urlencode([*params, ('cursor', cursor)])}"
    public = [(k, v) for k, v in params if k != "key"]
    return _Page(
        title=f"{_TITLES[language]}: {brand}" if brand else _TITLES[language],
        about=_ABOUT[language],
        language=language,
        home=base + "/",
        self_url=f"{path}?{urlencode(public)}" if public else path,
        next_url=next_url,
        changed_at=changed_at,
        entries=shown,
        switches=switches,
    )


def _base(request: Request, services: Services) -> str:
    return (services.settings.public_url or str(request.base_url)).rstrip("/")


def _etag(*parts: object) -> str:
    return f'W/"{hashlib.sha256(repr(parts).encode()).hexdigest()[:24]}"'


def _is_known(request: Request, etag: str, changed_at: datetime | None) -> bool:
    """Whether the client has it already; If-None-Match decides where both are sent (RFC 9110)."""
    known = request.headers.get("if-none-match")
    if known is not None:
        return known.strip() == "*" or etag in (tag.strip() for tag in known.split(","))
    since = request.headers.get("if-modified-since")
    if since is None or changed_at is None:
        return False
    try:
        at = parsedate_to_datetime(since)
    except ValueError:
        return False
    return at.tzinfo is not None and changed_at.replace(microsecond=0) <= at


# --- what an entry says --------------------------------------------------------------------------


def _guid(item: Item) -> str:
    return f"urn:listener:mention:{item.id}"


def _title(item: Item) -> str:
    text = " ".join((item.title or item.text).split())
    return text if len(text) <= _TITLE_LENGTH else text[: _TITLE_LENGTH - 1].rstrip() + "…"


def _link(item: Item, home: str) -> str:
    """The mention at its source; never an address that a browser would run."""
    url = item.url or ""
    return url if url.startswith(("https://", "http://")) else f"{home}mentions/{item.id}"


def _html(text: str) -> str:
    """The text as HTML that shows exactly these characters."""
    return escape(text).replace("\n", "<br>")


def _news(switch: Switch, page: _Page) -> tuple[str, str, str, str]:
    """Id, title, text and address of the entry that tells of a switch."""
    title, text = _SWITCHED[page.language]
    before, after = (switch.changed.get(key) or {} for key in ("before", "after"))
    told = f"{_versions(before)} → {_versions(after)}"
    return f"urn:listener:switch:{switch.id}", title, f"{text}\n{told}", f"{page.home}models"


def _versions(told: Mapping[str, Any]) -> str:
    models = (f"{language} {' '.join(model)}" for language, model in told.get("models", {}).items())
    return ", ".join([*models, f"rules {told.get('rules_version', '–')}"])


def _categories(item: Item) -> list[tuple[str, str]]:
    """(scheme, term): brands, sentiment, complaint, topics."""
    found = [("brand", brand.name) for brand in item.brands]
    if item.sentiment is not None:
        found.append(("sentiment", item.sentiment.label.value))
    if item.complaint:
        found.append(("complaint", "complaint"))
    found += [("topic", topic) for topic in item.topics]
    return found + [("tag", tag) for tag in item.tags]


# --- RSS, Atom, JSON -----------------------------------------------------------------------------


def _rss(page: _Page) -> tuple[str, bytes]:
    root = Element(
        "rss",
        {
            "version": "2.0",
            "xmlns:atom": "http://www.w3.org/2005/Atom",
            "xmlns:dc": "http://purl.org/dc/elements/1.1/",
        },
    )
    channel = SubElement(root, "channel")
    _add(channel, "title", page.title)
    _add(channel, "link", page.home)
    _add(channel, "description", page.about)
    _add(channel, "language", page.language)
    if page.changed_at is not None:
        _add(channel, "lastBuildDate", format_datetime(page.changed_at))
    for rel, url in (("self", page.self_url), ("next", page.next_url)):
        if url is not None:
            _add(channel, "atom:link", None, rel=rel, href=url, type="application/rss+xml")
    for switch in page.switches:
        guid, title, text, link = _news(switch, page)
        entry = SubElement(channel, "item")
        _add(entry, "title", title)
        _add(entry, "link", link)
        _add(entry, "guid", guid, isPermaLink="false")
        _add(entry, "pubDate", format_datetime(switch.at))
        _add(entry, "description", _html(text))
    for _changed_at, item in page.entries:
        entry = SubElement(channel, "item")
        # Readers take titles for HTML or for text; escaped twice is ugly in some, harmless in all.
        _add(entry, "title", escape(_title(item), quote=False))
        _add(entry, "link", _link(item, page.home))
        _add(entry, "guid", _guid(item), isPermaLink="false")
        _add(entry, "pubDate", format_datetime(item.published_at or item.seen_at))
        if item.author is not None:
            _add(entry, "dc:creator", item.author)
        for scheme, term in _categories(item):
            _add(entry, "category", term, domain=scheme)
        _add(entry, "description", _html(item.text))
    return "application/rss+xml", _xml(root)


def _atom(page: _Page) -> tuple[str, bytes]:
    root = Element("feed", {"xmlns": "http://www.w3.org/2005/Atom", "xml:lang": page.language})
    _add(root, "id", page.self_url)
    _add(root, "title", page.title)
    _add(root, "subtitle", page.about)
    _add(root, "updated", _iso(page.changed_at or datetime.fromtimestamp(0, UTC)))
    _add(root, "link", None, rel="self", href=page.self_url, type="application/atom+xml")
    _add(root, "link", None, rel="alternate", href=page.home, type="text/html")
    if page.next_url is not None:
        _add(root, "link", None, rel="next", href=page.next_url, type="application/atom+xml")
    _add(_add(root, "author"), "name", "Listener")
    for switch in page.switches:
        guid, title, text, link = _news(switch, page)
        entry = _add(root, "entry")
        _add(entry, "id", guid)
        _add(entry, "title", title, type="text")
        _add(entry, "updated", _iso(switch.at))
        _add(entry, "link", None, rel="alternate", href=link)
        _add(entry, "content", text, type="text")
    for changed_at, item in page.entries:
        entry = _add(root, "entry")
        _add(entry, "id", _guid(item))
        _add(entry, "title", _title(item), type="text")
        _add(entry, "updated", _iso(changed_at))
        _add(entry, "published", _iso(item.published_at or item.seen_at))
        _add(entry, "link", None, rel="alternate", href=_link(item, page.home))
        if item.author is not None:
            _add(_add(entry, "author"), "name", item.author)
        for scheme, term in _categories(item):
            _add(entry, "category", None, term=term, scheme=f"urn:listener:{scheme}")
        _add(entry, "content", _html(item.text), type="html")
    return "application/atom+xml", _xml(root)


def _json(page: _Page) -> tuple[str, bytes]:
    body: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": page.title,
        "description": page.about,
        "language": page.language,
        "home_page_url": page.home,
        "feed_url": page.self_url,
        "items": [
            *(_json_news(switch, page) for switch in page.switches),
            *(_json_item(changed_at, item, page.home) for changed_at, item in page.entries),
        ],
    }
    if page.next_url is not None:
        body["next_url"] = page.next_url
    return "application/feed+json", dumps(body)


def _json_news(switch: Switch, page: _Page) -> dict[str, Any]:
    guid, title, text, link = _news(switch, page)
    return {
        "id": guid,
        "url": link,
        "title": title,
        "content_text": text,
        "date_published": switch.at,
        "_listener": {"generation": switch.generation_id},
    }


def _json_item(changed_at: datetime, item: Item, home: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": _guid(item),
        "url": _link(item, home),
        "title": _title(item),
        "content_text": item.text,
        "date_published": item.published_at or item.seen_at,
        "date_modified": changed_at,
        "tags": [term for _scheme, term in _categories(item)],
        "language": item.language,
        "_listener": {"seq": item.seq, "source": item.source, "sentiment": item.sentiment},
    }
    if item.author is not None:
        told["authors"] = [{"name": item.author}]
    return told


_FORMS = {"rss": _rss, "atom": _atom, "json": _json}


def _add(parent: Element, tag: str, text: str | None = None, **attributes: str) -> Element:
    element = SubElement(parent, tag, {k: _NOT_XML.sub("", v) for k, v in attributes.items()})
    if text is not None:
        element.text = _NOT_XML.sub("", text)
    return element


def _xml(root: Element) -> bytes:
    written: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
