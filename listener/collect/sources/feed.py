"""RSS, Atom and JSON Feed: news sites, blogs, forums, Google News and whatever else has a feed."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from math import ceil
from typing import Any
from urllib.parse import urlsplit

from listener.collect.base import (
    Mark,
    Page,
    Parsed,
    Poller,
    Position,
    Request,
    is_own,
    on_server,
    param,
)
from listener.collect.dates import read_date
from listener.collect.feeds import Document, Entry, feed_links, plain, read_feed
from listener.errors import InvalidInput, LayoutChanged
from listener.net.page import redact
from listener.net.retry import LONGEST, fresh_until, looks_html
from listener.text import canonical_url, derived_id
from listener.types import (
    Credential,
    Kind,
    Param,
    Preset,
    RawAuthor,
    RawItem,
    SourceSpec,
    Watch,
)

MAX_SEEN = 500  # ids kept to see whether a feed moved on faster than we asked
_KINDS = (Kind.ARTICLE, Kind.POST, Kind.COMMENT, Kind.REVIEW)
_GLOBAL = re.compile(
    r"https?://|tag:|urn:|at://|yt:|doi:"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z",
    re.IGNORECASE,
)
# Sites whose bare ids are unique over all their feeds.
_SITES = (
    ("reddit.com", re.compile(r"t[1-6]_[0-9a-z]+\Z")),
    ("news.google.com", re.compile(r"[\w-]{20,}\Z")),
)


class Feed(Poller):
    """The entries of one feed.

    A feed shows its newest entries only. Each time all that is shown is handed on (identity tells
    what is new, so late, back-dated and edited entries are picked up), and the ids are kept: if
    none of the newest is shown any more, entries may have come and gone unseen, and the interval
    becomes a Gap, unless the feed leads to an archive (RFC 5005, ``next_url``) that closes it.
    """

    conditional = True
    spec = SourceSpec(
        name="feed",
        title="RSS, Atom and JSON Feed",
        title_ko="RSS·Atom·JSON 피드",
        every=timedelta(minutes=15),
        kind=Kind.ARTICLE,
        params=(
            Param(
                name="url",
                title="Address of the feed",
                title_ko="피드 주소",
                kind="url",
                required=True,
                example="https://news.example.com/rss.xml",
                help="RSS, Atom, JSON Feed의 주소. 웹페이지를 넣으면 그 안의 피드를 알려 드립니다."
                " RSS, Atom or JSON Feed. For a web page, the error names its feed.",
            ),
            Param(
                name="kind",
                title="What its entries are",
                title_ko="글의 종류",
                choices=tuple(kind.value for kind in _KINDS),
                default=Kind.ARTICLE.value,
                example="post",
                help="뉴스는 article, 블로그와 포럼은 post, 고객 리뷰는 review."
                " article for news, post for blogs and forums, review for customer reviews.",
            ),
        ),
        credentials=(
            Credential(
                name="username",
                title="User name",
                required=False,
                help="로그인이 필요한 피드에만. For feeds behind a login.",
            ),
            Credential(name="password", title="Password", required=False),
        ),
        cost="무료. Free.",
        limits="호스트마다 1초에 한 번; Retry-After, Cache-Control, ttl을 따릅니다."
        " One request a second and host; Retry-After, Cache-Control and ttl are obeyed.",
        terms="피드는 프로그램이 읽도록 공개된 것이지만, 사이트의 재사용 조건을 확인하세요."
        " Feeds are published to be read by programs; mind what the site says about reuse.",
        # Where the word may have slashes of its own the address goes without its scheme: then it is
        # not encoded, and https is meant.
        presets=(
            Preset(
                name="google-news-ko",
                title="Google News in Korean",
                title_ko="구글 뉴스(한국어)",
                params={
                    "url": "https://news.google.com/rss/search"
                    "?q=%22{word}%22+when:7d&hl=ko&gl=KR&ceid=KR:ko"
                },
                word="Word",
                word_ko="검색어",
                example="누리마켓",
                brand=True,
            ),
            Preset(
                name="google-news-en",
                title="Google News in English",
                title_ko="구글 뉴스(영어)",
                params={
                    "url": "https://news.google.com/rss/search"
                    "?q=%22{word}%22+when:7d&hl=en-US&gl=US&ceid=US:en"
                },
                word="Word",
                word_ko="검색어",
                example="Nuri Market",
                brand=True,
            ),
            Preset(
                name="google-alerts",
                title="Google Alerts feed",
                title_ko="구글 알리미 피드",
                params={"url": "{word}"},
                word="Address of the alert's feed",
                word_ko="알리미의 RSS 주소",
                example="https://www.google.com/alerts/feeds/1234567890/9876543210",
            ),
            Preset(
                name="youtube-channel",
                title="Videos of a YouTube channel",
                title_ko="유튜브 채널의 새 영상",
                params={
                    "url": "https://www.youtube.com/feeds/videos.xml?channel_id={word}",
                    "kind": "post",
                },
                word="Channel id",
                word_ko="채널 ID",
                example="UCaaaaaaaaaaaaaaaaaaaaaa",
            ),
            Preset(
                name="naver-blog",
                title="A Naver blog",
                title_ko="네이버 블로그",
                params={"url": "https://rss.blog.naver.com/{word}.xml", "kind": "post"},
                word="Blog id",
                word_ko="블로그 아이디",
                example="nurimarket",
            ),
            Preset(
                name="stack-overflow-tag",
                title="Questions with a tag on Stack Overflow",
                title_ko="스택 오버플로 태그의 새 질문",
                params={"url": "https://stackoverflow.com/feeds/tag/{word}", "kind": "post"},
                word="Tag",
                word_ko="태그",
                example="nurimarket-api",
            ),
            Preset(
                name="subreddit",
                title="New posts of a subreddit",
                title_ko="서브레딧의 새 글",
                params={
                    "url": "https://www.reddit.com/r/{word}/new/.rss?limit=100",
                    "kind": "post",
                },
                word="Subreddit",
                word_ko="서브레딧",
                example="korea",
            ),
            Preset(
                name="github-releases",
                title="Releases on GitHub",
                title_ko="깃허브 릴리스",
                params={"url": "github.com/{word}/releases.atom"},
                word="Owner and repository",
                word_ko="소유자/저장소",
                example="nurimarket/app",
            ),
            Preset(
                name="wordpress",
                title="A WordPress site",
                title_ko="워드프레스 사이트",
                params={"url": "{word}/feed/"},
                word="Address of the site; with /search/word only what it finds",
                word_ko="사이트 주소. 뒤에 /search/검색어 를 붙이면 검색된 글만",
                example="blog.example.com/search/누리마켓",
            ),
            Preset(
                name="discourse-latest",
                title="Topics of a Discourse forum",
                title_ko="디스코스 포럼의 새 주제",
                params={"url": "{word}/latest.rss", "kind": "post"},
                word="Address of the forum",
                word_ko="포럼 주소",
                example="forum.example.com",
            ),
        ),
    )

    def request(self, watch: Watch, at: Position) -> Request:
        """Ask for the feed, or for the archive page that the last one named."""
        url = watch.params.get("url", "")
        if not url:
            raise InvalidInput("The watch has no feed address.", field="url")
        moved = at.memory.get("moved") or {}
        home = moved["to"] if moved.get("from") == url else url
        target = at.token or home
        return Request(
            url=on_server(target, watch), expect="xml", headers=_login(watch, target, url)
        )

    def parse(self, page: Page, watch: Watch, at: Position) -> Parsed:
        """Read the entries, tell what is wrong with the feed, and see whether anything was
        missed.
        """
        document = self._document(page, _as_known(page.url, watch))
        items = self._items(document, watch)
        notices = _notices(document)
        keep: dict[str, Any] = {}
        if page.moved_to and at.token is None:
            keep["moved"] = {"from": watch.params["url"], "to": page.moved_to}
            notices.append(f"The feed has moved for good to {redact(page.moved_to)}.")
        if at.token is None:
            keep["every_s"] = int(document.every.total_seconds()) if document.every else 0

        known = [str(one) for one in at.memory.get("seen") or ()]
        ids = {_short(item) for item in items}
        suspect = None
        if document.cut_off:
            suspect = "The feed ends in the middle; what was there was taken."
        elif not items and known and at.token is None:
            suspect = f"The feed is empty, although it had entries before ({len(known)})."
        fresh = [item for item in items if _short(item) not in set(known)]
        return Parsed(
            items=tuple(items),
            next_page=document.older if items else None,
            reached=suspect is not None or _continues(known, ids, at),
            newest=_newest(items, at),
            oldest=_oldest(fresh, at),
            notices=tuple(notices),
            next_at=_next_at(page, document.every, at.now),
            keep=keep,
            keep_when_closed={}
            if suspect
            else {"seen": [_short(i) for i in _in_order(items)][:MAX_SEEN]},
            suspect=suspect,
        )

    def next_at(self, page: Page, at: Position) -> datetime | None:
        """As the headers say, and as the feed said when it was read last."""
        seconds = at.memory.get("every_s") or 0
        return _next_at(page, timedelta(seconds=seconds) if seconds else None, at.now)

    def _document(self, page: Page, url: str) -> Document:
        """The feed in the page at ``url``. Raises LayoutChanged that says what is there instead."""
        shown = redact(url)
        document = read_feed(page.text, url) if _may_be_feed(page) else None
        if document is None:
            links = feed_links(page.text, url)
            if links:
                raise LayoutChanged(
                    f"{shown} is a web page, not a feed.",
                    hint=f"It names this feed: {links[0]}",
                    status=page.status,
                )
            what = "a web page" if looks_html(page.headers, page.body) else "something else"
            raise LayoutChanged(
                f"{shown} is {what}: neither RSS, Atom nor JSON Feed.",
                hint="Check the address of the feed.",
                status=page.status,
            )
        readable = any(entry.title or entry.text for entry in document.entries)
        if document.broken and not readable:
            raise LayoutChanged(
                f"{shown} is broken ({document.broken}), and no entry could be read.",
                hint="The publisher has to mend it; Listener tries again.",
                status=page.status,
            )
        return document

    def _items(self, document: Document, watch: Watch) -> list[RawItem]:
        """The entries as items, in the feed's order, each identity once."""
        home = _home(watch.params["url"])
        shared = _shared(document.entries)
        found: dict[tuple[str, str], RawItem] = {}
        ordinals: Counter[tuple[str, str]] = Counter()
        # From the oldest up, so that a new entry does not shift the ordinals of those below it, and
        # so that the newest of several versions of an entry stays.
        for entry in reversed(document.entries):
            if not (entry.title or entry.text):
                continue
            namespace, external_id = _identity(entry, home)
            derived = not external_id or external_id in shared
            if derived:
                group = (entry.author, entry.published or entry.title)
                external_id = derived_id(home, *group, ordinals[group])
                namespace = home
                ordinals[group] += 1
            found.pop((namespace, external_id), None)
            found[namespace, external_id] = self._item(
                entry, document, watch, namespace, external_id, derived
            )
        return list(reversed(found.values()))

    def _item(
        self,
        entry: Entry,
        document: Document,
        watch: Watch,
        namespace: str,
        external_id: str,
        derived: bool,
    ) -> RawItem:
        kind = Kind(param(watch, self.spec, "kind"))
        published_at, precision = read_date(entry.published)
        title, text = entry.title, entry.text
        author = _author(entry)
        if entry.publisher:
            # News aggregators: "Title - Publisher", and a text that is the title once more.
            suffix = f" - {entry.publisher}"
            if plain(title).endswith(suffix):
                title = title[: title.rindex(" - ")]
            if plain(text).removesuffix(entry.publisher).strip() in (plain(title), ""):
                text = ""
        return RawItem(
            external_id=external_id,
            namespace=namespace,
            kind=Kind.COMMENT if entry.parent_id else kind,
            url=entry.link or None,
            title=title or None,
            text="" if plain(text) == plain(title) else text,
            html=True,
            author=author,
            published_at=published_at,
            published_precision=precision,
            language=entry.language or document.language or None,
            parent_id=entry.parent_id or None,
            thread_id=entry.parent_id or None,
            is_own=author is not None and is_own(watch.brand, author.handle),
            media=entry.media,
            engagement=entry.engagement,
            derived=derived,
            raw={
                name: value
                for name, value in (
                    ("id", entry.id),
                    ("link", entry.link),
                    ("published", entry.published),
                    ("publisher", entry.publisher),
                    ("tags", list(entry.tags)),
                    ("feed", document.title),
                )
                if value
            },
        )


def _as_known(url: str, watch: Watch) -> str:
    """The address as people know it: links of the feed are relative to that, not to a server that
    stands in.
    """
    base = (watch.connection.base_url or "").rstrip("/")
    if not base or not url.startswith(base):
        return url
    known = urlsplit(watch.params["url"])
    return f"{known.scheme}://{known.netloc}{url.removeprefix(base)}"


def _may_be_feed(page: Page) -> bool:
    """Some feeds are sent as text/html; real web pages are not worth an attempt."""
    if not looks_html(page.headers, page.body):
        return True
    return any(tag in page.body[:2_048] for tag in (b"<rss", b"<feed", b"<rdf:RDF"))


def _identity(entry: Entry, home: str) -> tuple[str, str]:
    """(namespace, id) as the feed tells it: its id, else its link; ("", "") when it has neither."""
    if not entry.id:
        return "", entry.link
    if _GLOBAL.match(entry.id):
        return "", entry.id
    host = urlsplit(home).hostname or ""
    for site, pattern in _SITES:
        if (host == site or host.endswith(f".{site}")) and pattern.match(entry.id):
            return site, entry.id
    return home, entry.id


def _shared(entries: Iterable[Entry]) -> set[str]:
    """Ids that entries of different links carry: they identify nothing (a site's own address)."""
    links: dict[str, set[str]] = {}
    for entry in entries:
        told = (entry.link or entry.title) if entry.id else entry.title
        links.setdefault(entry.id or entry.link, set()).add(told)
    return {name for name, several in links.items() if name and len(several) > 1}


def _home(url: str) -> str:
    """The watch's feed address as a namespace: one spelling, no secrets, and still one per feed."""
    plain_url = canonical_url(url) or url
    shown = redact(plain_url)
    if "=…" not in shown:
        return plain_url
    return f"{shown}#{blake2b(plain_url.encode(), digest_size=4).hexdigest()}"


def _author(entry: Entry) -> RawAuthor | None:
    name = entry.author or entry.publisher
    url = entry.author_url or (entry.publisher_url if not entry.author else "")
    if not name and not url:
        return None
    handle = ""
    for mark in ("/u/", "@"):
        if name.startswith(mark):
            handle = name.removeprefix(mark)
    return RawAuthor(native_id=url, handle=handle, name=name.removeprefix("/u/"), url=url or None)


def _continues(known: Sequence[str], ids: set[str], at: Position) -> bool:
    """Whether the feed still shows some of what it showed last time, newest first.

    The newest half counts: entries that are pinned to a feed stay in it for ever.
    """
    if not known:
        return at.closed_at is not None  # it was empty, so nothing can have been pushed out
    return any(one in ids for one in known[: ceil(len(known) / 2)])


def _short(item: RawItem) -> str:
    """A few characters that stand for an item's identity in the cursor."""
    return blake2b(f"{item.namespace}\n{item.external_id}".encode(), digest_size=6).hexdigest()


def _in_order(items: Iterable[RawItem]) -> list[RawItem]:
    """Newest first: by date where every item has one, else as the feed has them."""
    listed = list(items)
    if all(item.published_at for item in listed):
        listed.sort(key=_date, reverse=True)
    return listed


def _date(item: RawItem) -> datetime:
    return item.published_at or datetime.min.replace(tzinfo=UTC)


def _newest(items: Sequence[RawItem], at: Position) -> Mark | None:
    """The newest date known so far; one in the future would hide all gaps until then."""
    dates = [(item.published_at, item.external_id) for item in items if item.published_at]
    past = [(min(date, at.now), name) for date, name in dates]
    if at.above and at.above.at:
        past.append((at.above.at, at.above.id))
    if past:
        date, name = max(past)
        return Mark(name, date)
    return Mark(items[0].external_id) if items else None


def _oldest(fresh: Sequence[RawItem], at: Position) -> Mark | None:
    """The oldest of the entries that are new to us and later than all that we knew: where a gap
    would end.
    """
    known = at.above.at if at.above else None
    dates = [
        (item.published_at, item.external_id)
        for item in fresh
        if item.published_at and (known is None or item.published_at > known)
    ]
    if dates:
        date, name = min(dates)
        return Mark(name, min(date, at.now))
    # Dated entries, none of them later than the mark: the same entries under other ids, no gap.
    return at.above if known and any(item.published_at for item in fresh) else None


def _next_at(page: Page, every: timedelta | None, now: datetime) -> datetime | None:
    """The later of what the headers and the feed itself ask for; a day at most."""
    moments = [fresh_until(page.headers, now), now + min(every, LONGEST) if every else None]
    return max((moment for moment in moments if moment), default=None)


def _notices(document: Document) -> list[str]:
    notices: list[str] = []
    if document.broken:
        notices.append(
            f"The feed is not valid XML ({document.broken}); {len(document.entries)} entries"
            " could be read."
        )
    if document.finished:
        notices.append("The feed says that it has ended.")
    return notices


def _login(watch: Watch, target: str, url: str) -> dict[str, str]:
    """Basic authentication, for the host that the watch names and no other."""
    given = watch.connection.credentials
    if not given.get("username") or urlsplit(target).netloc != urlsplit(url).netloc:
        return {}
    pair = f"{given['username']}:{given.get('password', '')}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
