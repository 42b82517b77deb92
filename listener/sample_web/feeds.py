"""The news site (RSS 2.0) and the forum (Atom), with the pages their entries lead to."""

import html
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from xml.sax.saxutils import escape, quoteattr

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from listener.sample_web.catalogue import FORUM_NAME, NEWS_NAME
from listener.sample_web.conditional import conditional
from listener.sample_web.model import Channel, Item
from listener.sample_web.site import Clock, Site

_PAGE_SIZE = 40


@dataclass(slots=True)
class _Cached:
    """A rendered feed and the state it was rendered from."""

    version: tuple[object, ...]
    body: bytes
    changed: datetime


@dataclass(slots=True)
class Feeds:
    """Feeds show the newest `window` entries, like feeds do; pages show everything."""

    site: Site
    clock: Clock
    window: int = 500
    _cache: dict[str, _Cached] = field(default_factory=dict)

    def routes(self) -> list[Route]:
        """The routes of news site and forum."""
        return [
            Route("/news/", self.news_index),
            Route("/news/rss.xml", self.rss),
            Route("/news/articles/{id}", self.article),
            Route("/forum/", self.forum_index),
            Route("/forum/atom.xml", self.atom),
            Route("/forum/t/{id}", self.thread),
        ]

    # --- feeds --------------------------------------------------------------------------------

    async def rss(self, request: Request) -> Response:
        """The news feed."""
        return self._feed(request, "news", _rss, "application/rss+xml; charset=utf-8")

    async def atom(self, request: Request) -> Response:
        """The forum feed: threads and replies."""
        return self._feed(request, "forum", _atom, "application/atom+xml; charset=utf-8")

    def _feed(
        self,
        request: Request,
        channel: Channel,
        render: Callable[[list[Item], str, datetime, datetime], str],
        media_type: str,
    ) -> Response:
        now = self.clock()
        items = self.site.timeline.visible(channel, now)[-self.window :][::-1]
        changes = [item.appears for item in items]
        changes += [item.edit.at for item in items if item.edit is not None and item.edit.at <= now]
        changed = max(changes, default=now)
        base = str(request.base_url).rstrip("/")
        version = (base, len(items), items[0].id if items else "", changed)
        cached = self._cache.get(channel)
        if cached is None or cached.version != version:
            body = render(items, base, now, changed).encode()
            cached = self._cache[channel] = _Cached(version, body, changed)
        return conditional(request, cached.body, changed=cached.changed, media_type=media_type)

    # --- pages --------------------------------------------------------------------------------

    async def news_index(self, request: Request) -> Response:
        """The front page of the news site."""
        items = self.site.timeline.visible("news", self.clock())[-_PAGE_SIZE:][::-1]
        return self.site.page("news.html", name=NEWS_NAME, items=items)

    async def article(self, request: Request) -> Response:
        """One article."""
        item = self.site.find("news", request.path_params["id"], self.clock())
        if item is None:
            return self.site.page("missing.html", status=404)
        return self.site.page("article.html", name=NEWS_NAME, item=item)

    async def forum_index(self, request: Request) -> Response:
        """The newest threads."""
        items = self.site.timeline.visible("forum", self.clock())
        threads = [item for item in items[::-1] if not item.parent][:_PAGE_SIZE]
        return self.site.page("forum.html", name=FORUM_NAME, items=threads)

    async def thread(self, request: Request) -> Response:
        """One thread with its replies."""
        now = self.clock()
        item = self.site.find("forum", request.path_params["id"], now)
        if item is None or item.parent:
            return self.site.page("missing.html", status=404)
        replies = [
            other for other in self.site.timeline.visible("forum", now) if other.parent == item.id
        ]
        return self.site.page(
            "thread.html", name=FORUM_NAME, posts=[item, *replies], item=item, now=now
        )


def post_html(item: Item, now: datetime) -> str:
    """A forum post as HTML. `raw_html` posts carry their markup through, as careless forums do."""
    text = item.text_at(now)
    if item.raw_html:
        return text
    paragraphs = (html.escape(part).replace("\n", "<br>") for part in text.split("\n\n"))
    return "".join(f"<p>{part}</p>" for part in paragraphs)


def _rss(items: list[Item], base: str, now: datetime, changed: datetime) -> str:
    entries = []
    for item in items:
        link = f"{base}/news/articles/{item.id}"
        entries.append(
            "<item>"
            f"<title>{escape(item.title)}</title>"
            f"<link>{link}</link>"
            f'<guid isPermaLink="false">naru-{item.id}</guid>'
            f"<pubDate>{format_datetime(item.published.astimezone(UTC), usegmt=True)}</pubDate>"
            f"<dc:creator>{escape(f'{item.author.username} {item.author.name}')}</dc:creator>"
            f"<category>{'business' if item.lang == 'en' else '유통'}</category>"
            f"<description>{escape(f'<p>{html.escape(item.text_at(now))}</p>')}</description>"
            "</item>"
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"'
        ' xmlns:atom="http://www.w3.org/2005/Atom"><channel>'
        f"<title>{NEWS_NAME}</title><link>{base}/news/</link>"
        "<description>유통과 생활 소식 (invented news of the sample web)</description>"
        "<language>ko</language>"
        f"<lastBuildDate>{format_datetime(changed.astimezone(UTC), usegmt=True)}</lastBuildDate>"
        f'<atom:link rel="self" type="application/rss+xml" href="{base}/news/rss.xml"/>'
        + "\n".join(entries)
        + "</channel></rss>\n"
    )


def _atom(items: list[Item], base: str, now: datetime, changed: datetime) -> str:
    entries = []
    for item in items:
        thread = item.parent or item.id
        link = f"{base}/forum/t/{thread}" + (f"#p{item.id}" if item.parent else "")
        reply = (
            f'<thr:in-reply-to ref="tag:salim.example,2024:{item.parent}"/>' if item.parent else ""
        )
        entries.append(
            "<entry>"
            f"<id>tag:salim.example,2024:{item.id}</id>"
            f"<title>{escape(item.title)}</title>"
            f'<link rel="alternate" type="text/html" href={quoteattr(link)}/>'
            f"<published>{_rfc3339(item.published)}</published>"
            f"<updated>{_rfc3339(item.updated_at(now))}</updated>"
            f"<author><name>{escape(item.author.name)}</name></author>{reply}"
            f'<content type="html">{escape(post_html(item, now))}</content>'
            "</entry>"
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<feed xmlns="http://www.w3.org/2005/Atom" '
        'xmlns:thr="http://purl.org/syndication/thread/1.0" xml:lang="ko">'
        f"<id>tag:salim.example,2024:feed</id><title>{FORUM_NAME}</title>"
        f"<updated>{_rfc3339(changed)}</updated>"
        f'<link rel="self" type="application/atom+xml" href={quoteattr(base + "/forum/atom.xml")}/>'
        f'<link rel="alternate" type="text/html" href={quoteattr(base + "/forum/")}/>'
        + "\n".join(entries)
        + "</feed>\n"
    )


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
