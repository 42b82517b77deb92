"""Reddit: posts and comments by its Atom feeds, or by its API where there is a key."""

from __future__ import annotations

import base64
import html
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, ClassVar
from urllib.parse import quote, urlencode, urlsplit

from listener import __version__
from listener.collect import cursor as cursors
from listener.collect.base import (
    Mark,
    Page,
    Parsed,
    Poller,
    Position,
    Request,
    is_own,
    on_account,
    param,
)
from listener.collect.dates import read_date
from listener.collect.feeds import Document, Entry, plain, read_feed
from listener.errors import (
    AuthRejected,
    Blocked,
    InvalidInput,
    LayoutChanged,
    SourceError,
    SourceGone,
)
from listener.net.limits import Rule
from listener.net.page import redact
from listener.net.retry import NO_DETOUR, classify, looks_html
from listener.types import (
    Batch,
    Brand,
    Credential,
    Engagement,
    Kept,
    Kind,
    Param,
    Preset,
    RawAuthor,
    RawItem,
    SourceSpec,
    Watch,
)

HOME = "https://www.reddit.com"
OAUTH = "https://oauth.reddit.com"  # where the API answers, once www has given a token
PAGE = 100
MAX_QUERY = 512  # characters of a search
DEEP = {"listing": 900, "search": 200}  # about where Reddit stops listing; 1,000 and 250 at most
SMALL = 25  # a feed with fewer entries shows all there is, whatever it takes for a limit
EVERY = timedelta(seconds=60)  # no feed is asked more often
ANONYMOUS = "anonymous"  # all who ask without a key share the limits of this address
PACE = Rule(delay=timedelta(seconds=6))  # about ten requests a minute without a key
_EARLY = timedelta(minutes=2)  # a token is renewed this long before it runs out

_SUBREDDIT = re.compile(r"(?:https?://[^/]+)?/?(?:r/)?(\w{2,21})/?\Z", re.ASCII)
_ID = re.compile(r"(?:\A|/)(t[13]_[0-9a-z]+)\Z")
_OTHER_ID = re.compile(r"(?:\A|/)t[2456]_[0-9a-z]+\Z")
_LINK = re.compile(r"/r/([^/]+)/comments/([0-9a-z]+)(?:/|\Z)")
_BODY = re.compile(r"<!-- SC_OFF -->(.*?)(?:<!-- SC_ON -->|\Z)", re.DOTALL)
_MARKDOWN = re.compile(r"\A\s*(<div class=\"md\">.*)\Z", re.DOTALL)
_FRAME = re.compile(r">\[(?:link|comments)\]</a>")
_PICTURE = re.compile(r"\.(?:jpe?g|png|gif|webp)\Z", re.IGNORECASE)
_REMOVED = frozenset({"[deleted]", "[removed]", "[ removed by reddit ]"})
_NOBODY = frozenset({"", "[deleted]", "[removed]"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One list of posts or comments: what of a subreddit, or which search (in which subreddits)."""

    subreddits: str = ""  # joined by "+"
    comments: bool = False
    query: str = ""


class Reddit(Poller):
    """Posts and comments of subreddits, and searches; each list is a lane.

    Without a key the feeds are read, each whole: they show the newest hundred and no counts, and if
    the last known entry is not among them, some may have been missed, which is a Gap. With a key
    the API is walked. Both tell the same ids and texts, so that a key can come later.
    """

    conditional = True
    lookback = timedelta(minutes=10)  # of the API; searches learn of posts late
    refresh_size: ClassVar[int] = 100
    spec = SourceSpec(
        name="reddit",
        title="Reddit",
        title_ko="레딧",
        every=timedelta(minutes=15),
        kind=Kind.POST,
        base_url=HOME,
        needs_brand=True,
        params=(
            Param(
                name="subreddits",
                title="Subreddits",
                title_ko="서브레딧",
                example="korea, seoul",
                help="쉼표로 여러 개. 그 안의 새 글을 모두 모아 브랜드로 거릅니다."
                " Separated by commas; all of their new posts are read. Left out: a search of all"
                " of Reddit.",
            ),
            Param(
                name="query",
                title="Search query",
                title_ko="검색식",
                example='"Nuri Market" OR 누리마켓',
                help="서브레딧도 적으면 그 안에서만 찾습니다. 둘 다 비우면 브랜드의 이름과 별칭."
                " With subreddits: within those. Both left out: the brand's names and aliases.",
            ),
            Param(
                name="comments",
                title="Comments too",
                title_ko="댓글도",
                kind="boolean",
                default="false",
                example="true",
                help="서브레딧의 새 댓글도 모읍니다. The new comments of the subreddits as well.",
            ),
        ),
        credentials=(
            Credential(
                name="client_id",
                title="Client ID",
                required=False,
                help="승인받은 앱의 것. 없으면 공개 피드를 읽습니다."
                " Of an app that Reddit has approved; without one the public feeds are read.",
            ),
            Credential(name="client_secret", title="Client secret", required=False),
            Credential(
                name="username",
                title="Reddit account",
                required=False,
                help="User-Agent에 적을 계정(/u/…). Named in the User-Agent, as Reddit asks.",
            ),
        ),
        cost="무료. Free.",
        limits="키 없이는 피드마다 1분에 한 번, 최근 100건. 키가 있으면 1분에 100회, 약 1,000건."
        " Without a key the newest 100 of each list, once a minute at most; with a key 100"
        " requests a minute, about 1,000 items deep.",
        terms="Reddit은 삭제된 글을 여기서도 지우도록 요구하며, 상업적 이용은 승인이 필요합니다."
        " Reddit asks to delete what was deleted there; commercial use needs its approval.",
        signup="https://www.reddit.com/prefs/apps",
        presets=(
            Preset(
                name="search",
                title="Posts that name the brand",
                title_ko="브랜드를 말하는 글",
                params={},
            ),
            Preset(
                name="subreddit",
                title="All of a subreddit",
                title_ko="서브레딧 전체",
                params={"subreddits": "{word}", "comments": "true"},
                word="Subreddit",
                word_ko="서브레딧",
                example="korea",
            ),
        ),
    )

    def __init__(self, net: Any) -> None:
        super().__init__(net)
        self._tokens: dict[tuple[str, ...], tuple[str, datetime]] = {}
        self._lock = threading.Lock()

    def lanes(self, watch: Watch) -> Sequence[str]:
        """The lists that are read: ``r/korea``, ``r/korea comments``, a search."""
        return tuple(self._listings(watch))

    def request(self, watch: Watch, at: Position) -> Request:
        """Ask for a feed whole, or for a page of the API; ``load`` puts the token in."""
        listing = self._listing(watch, at.lane)
        path = f"/r/{quote(listing.subreddits, safe='+')}" if listing.subreddits else ""
        params: dict[str, str | int | None] = {}
        if listing.query:
            path += "/search"
            params = {"q": listing.query, "sort": "new"}
            params["restrict_sr"] = "on" if listing.subreddits else None
        else:
            path += "/comments" if listing.comments else "/new"
        params["limit"] = PAGE
        if not _key(watch):
            # A search is called search.rss, a list ends in /.rss.
            path += ".rss" if listing.query else "/.rss"
            return Request(
                url=_base(watch) + path,
                params=params,
                headers=_agent(watch),
                expect="xml",
                account=ANONYMOUS,
                rule=_pace(watch),
                accept=frozenset({403, 404}),
            )
        after, count = _token(at.token)
        params |= {"raw_json": 1, "after": after, "count": count}
        return Request(
            url=_api(watch) + path,
            params=params,
            headers=_agent(watch),
            expect="json",
            accept=frozenset({401, 403, 404}),
        )

    def load(self, watch: Watch, at: Position, validators: Mapping[str, Mapping[str, str]]) -> Page:
        """Get a feed, or a page of the API with a token. Raises SourceError."""
        if not _key(watch):
            page = super().load(watch, at, validators)
        else:
            page = self._signed(
                watch, on_account(self.request(watch, at), watch, background=at.background)
            )
        if page.status >= 400:
            raise _refusal(page, watch, at.lane)
        if urlsplit(page.url).path.endswith(("/subreddits/search", "/subreddits/search.rss")):
            raise _counted(_no_subreddit(at.lane, page.status), page.requests)
        return page

    def parse(self, page: Page, watch: Watch, at: Position) -> Parsed:
        """Read a feed, or a page of the API."""
        if _key(watch):
            return self._listed(page, watch, at)
        document = read_feed(page.text, page.url)
        if document is None or looks_html(page.headers, page.body):
            raise LayoutChanged(f"{redact(page.url)} is no feed.", status=page.status)
        if document.broken and not document.entries:
            raise LayoutChanged(f"{redact(page.url)} is broken ({document.broken}).")
        return self._fed(document, page, watch, at)

    def _fed(self, document: Document, page: Page, watch: Watch, at: Position) -> Parsed:
        """What a feed shows: the newest hundred, whole each time."""
        items = [_entry(entry, watch.brand) for entry in document.entries if not _is_other(entry)]
        marks = [
            Mark(item.external_id, min(item.published_at, at.now))
            for item in items
            if item.published_at
        ]
        known = at.above is not None
        suspect = None
        if document.cut_off:
            suspect = "The feed ends in the middle; what was there was taken."
        elif known and not document.entries:
            suspect = "The feed is empty, although it had entries before."
        complete = len(document.entries) < SMALL and not document.cut_off
        fresh = [mark for mark in marks if not _older(mark, at.above)]
        return Parsed(
            items=tuple(items),
            reached=complete or cursors.reached(at.above, marks),
            newest=cursors.newest(marks),
            oldest=fresh[-1] if fresh else None,
            suspect=suspect,
            next_at=page.now + EVERY,
        )

    def next_at(self, page: Page, at: Position) -> datetime | None:
        """A feed rests for a minute, whatever else its headers say."""
        return page.now + EVERY

    def _listed(self, page: Page, watch: Watch, at: Position) -> Parsed:
        """A page of the API; the token tells how far down it lies as well."""
        data = page.json["data"]
        if not all(isinstance(row["kind"], str) for row in data["children"]):
            raise TypeError("a kind that is no text")
        rows = [row for row in data["children"] if row["kind"] in ("t1", "t3")]
        items = tuple(_thing(row["data"], watch.brand) for row in rows)
        marks = [Mark(row["data"]["name"], min(_moment(row["data"]), at.now)) for row in rows]
        before, shown = _token(at.token)
        shown = (shown or 0) + len(data["children"])
        after = data["after"] if data["children"] else None
        if not isinstance(after, str | None):
            raise TypeError("a token that is no text")
        if after == before:
            after = None  # a server that answers every page with the same one leads nowhere
        reached = None
        if after is None and at.above is not None:
            deep = DEEP["search" if self._listing(watch, at.lane).query else "listing"]
            reached = shown < deep or cursors.reached(at.above, marks)
        return Parsed(
            items=items,
            next_page=f"{after} {shown}" if after else None,
            reached=reached,
            newest=cursors.newest(marks),
            oldest=marks[-1] if marks else None,
        )

    def refresh(self, watch: Watch, items: Sequence[Kept], *, now: datetime) -> Iterator[Batch]:
        """Ask about stored things again; only the API can be asked that, not the feeds."""
        if _key(watch):
            yield from super().refresh(watch, items, now=now)

    def ask_again(self, watch: Watch, items: Sequence[Kept], now: datetime) -> Request:
        """Ask for things by their ids."""
        query = urlencode({"id": ",".join(item.external_id for item in items), "raw_json": 1})
        request = Request(
            url=f"{_api(watch)}/api/info?{query}",
            headers=_agent(watch),
            expect="json",
            accept=frozenset({401, 403}),
        )
        token, _ = self._access(watch, on_account(request, watch, background=True))
        return replace(request, headers={**request.headers, "Authorization": f"Bearer {token}"})

    def read_again(self, page: Page, watch: Watch, items: Sequence[Kept]) -> Parsed:
        """The things as they are. What is left out is in a community that was closed, which says
        nothing of the thing itself.
        """
        if page.status >= 400:
            self._forget(watch)  # the next round gets a new token
            raise _refusal(page, watch, "")
        rows = [row for row in page.json["data"]["children"] if row["kind"] in ("t1", "t3")]
        return Parsed(items=tuple(_thing(row["data"], watch.brand) for row in rows))

    # --- the key -------------------------------------------------------------------------------

    def _signed(self, watch: Watch, request: Request) -> Page:
        """Fetch with a token; once more with a new one when the API does not take it any more."""
        spent = 0
        for last in (False, True):
            try:
                token, asked = self._access(watch, request)
                spent += asked
                headers = {**request.headers, "Authorization": f"Bearer {token}"}
                page = self.net.fetch(replace(request, headers=headers))
            except SourceError as error:
                error.requests += spent
                raise
            spent += page.requests
            if last or page.status != 401:
                return replace(page, requests=spent)
            self._forget(watch, token)
        raise AssertionError("the second answer is returned")

    def _access(self, watch: Watch, like: Request) -> tuple[str, int]:
        """The access token of the app, and what getting it took in requests."""
        client_id, secret = _key(watch) or ("", "")
        name = _named(watch)
        with self._lock:
            token, until = self._tokens.get(name, ("", self.net.now()))
            if token and until > self.net.now():
                return token, 0
            pair = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
            page = self.net.fetch(
                replace(
                    like,
                    url=f"{_base(watch)}/api/v1/access_token",
                    params={},
                    method="POST",
                    headers={
                        **_agent(watch),
                        "Authorization": f"Basic {pair}",
                        "Content-Type": "application/x-www-form-urlencoded",
                    },
                    body=b"grant_type=client_credentials",
                    expect="json",
                    accept=frozenset({400, 401}),
                )
            )
            told = page.json if isinstance(page.json, dict) else {}
            # A wrong grant is refused inside a success: {"error": "unsupported_grant_type"}.
            if page.status >= 400 or "error" in told:
                raise _counted(_bad_key(page), page.requests)
            if not told.get("access_token"):
                raise _counted(
                    LayoutChanged("Reddit's token has no 'access_token'."), page.requests
                )
            lasts = timedelta(seconds=_seconds(told.get("expires_in")))
            self._tokens[name] = (str(told["access_token"]), self.net.now() + lasts - _EARLY)
            return str(told["access_token"]), page.requests

    def _forget(self, watch: Watch, token: str | None = None) -> None:
        """Drop a token, unless another thread has renewed it already."""
        with self._lock:
            known, _ = self._tokens.get(_named(watch), ("", None))
            if token is None or known == token:
                self._tokens.pop(_named(watch), None)

    # --- what is asked -------------------------------------------------------------------------

    def _listing(self, watch: Watch, lane: str) -> Listing:
        found = self._listings(watch).get(lane)
        if found is None:
            raise SourceGone(f"The watch no longer asks for {lane!r}.")
        return found

    def _listings(self, watch: Watch) -> dict[str, Listing]:
        """What is read, by the lane's name. Raises InvalidInput."""
        names = _subreddits(param(watch, self.spec, "subreddits"))
        query = param(watch, self.spec, "query")
        if not names or query:
            query = query or _brand_query(watch.brand)
            if len(query) > MAX_QUERY:
                raise InvalidInput(
                    f"The query has {len(query)} characters; Reddit takes {MAX_QUERY}.",
                    field="query",
                    hint="Give a query of your own, or split it over several watches.",
                )
            where = "+".join(names)
            lane = f"r/{where}: {query}" if where else query
            return {lane: Listing(subreddits=where, query=query)}
        found = {f"r/{name}": Listing(subreddits=name) for name in names}
        if param(watch, self.spec, "comments") == "true":
            found |= {
                f"r/{name} comments": Listing(subreddits=name, comments=True) for name in names
            }
        return found


def _subreddits(given: str) -> list[str]:
    """Names without ``r/``. Raises InvalidInput."""
    found: dict[str, str] = {}
    for word in re.split(r"[,\s+]+", given.strip()):
        name = _SUBREDDIT.match(word)
        if word and not name:
            raise InvalidInput(
                f"{word[:80]!r} is no subreddit.", field="subreddits", hint="For example: korea"
            )
        if name:
            found.setdefault(name[1].lower(), name[1])
    return list(found.values())


def _brand_query(brand: Brand | None) -> str:
    """Any of a brand's names, in quotes. Raises InvalidInput."""
    words = (brand.name, *brand.aliases, *brand.any_terms) if brand else ()
    names = [" ".join(word.replace('"', " ").split()) for word in words]
    if not any(names):
        raise InvalidInput(
            "Reddit needs subreddits, a query, or a brand to make one of.", field="query"
        )
    return " OR ".join(f'"{name}"' for name in dict.fromkeys(names) if name)


def _key(watch: Watch) -> tuple[str, str] | None:
    """Client id and secret, where both are given."""
    given = watch.connection.credentials
    pair = (given.get("client_id", "").strip(), given.get("client_secret", "").strip())
    return pair if all(pair) else None


def _named(watch: Watch) -> tuple[str, ...]:
    """Under what a token is kept: server and app, and that the secret is still the same."""
    client_id, secret = _key(watch) or ("", "")
    return _base(watch), client_id, blake2b(secret.encode(), digest_size=16).hexdigest()


def _base(watch: Watch) -> str:
    return (watch.connection.base_url or HOME).rstrip("/")


def _api(watch: Watch) -> str:
    """The API's host; a server that was set plays both parts."""
    base = _base(watch)
    return OAUTH if base == HOME else base


def _agent(watch: Watch) -> dict[str, str]:
    """A User-Agent as Reddit asks for it, if an account is given to name in it."""
    name = watch.connection.credentials.get("username", "").strip()
    name = name.removeprefix("/").removeprefix("u/")
    return {"User-Agent": f"server:brand-listener:{__version__} (by /u/{name})"} if name else {}


def _pace(watch: Watch) -> Rule | None:
    """Slow toward Reddit itself; a server of one's own goes by the usual rules."""
    return PACE if _base(watch) == HOME else None


def _seconds(told: Any) -> int:
    """How long a token lasts: an hour where that cannot be read."""
    return int(told) if isinstance(told, int | float) or str(told).isdecimal() else 3_600


def _token(token: str | None) -> tuple[str | None, int | None]:
    """The last thing shown, and how many were."""
    after, _, count = (token or "").partition(" ")
    return after or None, int(count) if count else None


# --- what is answered --------------------------------------------------------------------------


def _is_other(entry: Entry) -> bool:
    """Searches list subreddits (t5) and people (t2) among the posts."""
    return bool(_OTHER_ID.search(entry.id))


def _entry(entry: Entry, brand: Brand | None) -> RawItem:
    """An entry of a feed. The id is a thing's full name, as the API tells it."""
    found, place = _ID.search(entry.id), _LINK.search(urlsplit(entry.link).path)
    if not found:
        raise KeyError("id")
    comment = found[1].startswith("t1_")
    body = _body(entry.text)
    handle = entry.author.removeprefix("/u/")
    published_at, precision = read_date(entry.published)
    thread = f"t3_{place[2]}" if comment and place else None
    if plain(body).lower() in _REMOVED:
        return RawItem(external_id=found[1], text="", deleted=True)
    return RawItem(
        external_id=found[1],
        kind=Kind.COMMENT if comment else Kind.POST,
        url=entry.link or None,
        title=None if comment else entry.title,
        text=body,
        html=True,
        author=_author(handle),
        published_at=published_at,
        published_precision=precision,
        # A feed does not tell which comment is answered: it hangs on the post.
        parent_id=thread,
        thread_id=thread,
        is_own=is_own(brand, handle),
        place=f"r/{place[1]}" if place else None,
        media=entry.media,
        raw={
            name: value
            for name, value in (
                ("id", entry.id),
                ("link", entry.link),
                ("title", entry.title),
                ("published", entry.published),
            )
            if value
        },
    )


def _thing(row: Mapping[str, Any], brand: Brand | None) -> RawItem:
    """A post (t3) or comment (t1) of the API."""
    name = row["name"]
    comment = name.startswith("t1_")
    text = row["body"] if comment else row["selftext"]
    if _is_gone(row, text):
        return RawItem(external_id=name, text="", deleted=True)
    markup = row.get("body_html" if comment else "selftext_html") or ""
    if markup.startswith("&lt;"):  # how it comes without raw_json
        markup = html.unescape(markup)
    author = row.get("author") or ""
    link = row.get("permalink")
    if not link and comment:
        link = f"/r/{row['subreddit']}/comments/{row['link_id'].partition('_')[2]}/_/{row['id']}/"
    return RawItem(
        external_id=name,
        kind=Kind.COMMENT if comment else Kind.POST,
        url=HOME + link if link else None,
        title=None if comment else html.escape(row["title"], quote=False),
        text=_body(markup) if markup else html.escape(text or "", quote=False),
        html=True,
        author=_author(author),
        published_at=_moment(row),
        parent_id=row.get("parent_id") if comment else None,
        thread_id=row.get("link_id") if comment else None,
        is_own=is_own(brand, author),
        place=f"r/{row['subreddit']}",
        media=() if comment else tuple(_media(row)),
        engagement=Engagement(
            likes=max(row["score"], 0) if isinstance(row.get("score"), int) else None,
            replies=row.get("num_comments"),
        ),
        raw=row,
    )


def _is_gone(row: Mapping[str, Any], text: str | None) -> bool:
    """Whether a thing was deleted by its author or taken down. An author who left does not take
    what was said along.
    """
    if (text or "").strip().lower() in _REMOVED:
        return True
    return bool(row.get("removed_by_category"))


def _body(markup: str) -> str:
    """What was written, without what Reddit puts around it in feeds ("submitted by …")."""
    found = _BODY.search(markup) or _MARKDOWN.search(markup)
    if found:
        return found[1]
    return "" if _FRAME.search(markup) else markup


def _author(handle: str) -> RawAuthor | None:
    """Feeds tell no ids of people, so the name stands for them in both modes."""
    if handle.lower() in _NOBODY:
        return None
    return RawAuthor(handle=handle, name=handle, url=f"{HOME}/user/{handle}")


def _media(row: Mapping[str, Any]) -> Iterator[str]:
    """The picture that is posted, else the stills of a preview or gallery."""
    link = row.get("url_overridden_by_dest") or row.get("url") or ""
    if _PICTURE.search(urlsplit(link).path):
        yield link
        return
    for one in (row.get("preview") or {}).get("images") or ():
        source = (one.get("source") or {}).get("url")
        if source:
            yield html.unescape(source)
    for one in (row.get("media_metadata") or {}).values():
        source = ((one or {}).get("s") or {}).get("u")
        if source:
            yield html.unescape(source)


def _moment(row: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(float(row["created_utc"]), UTC)


def _older(mark: Mark, known: Mark | None) -> bool:
    """Whether an entry was there before the last walk: it does not bound what was missed since."""
    return bool(known and known.at and mark.at and mark.at <= known.at)


# --- refusals ----------------------------------------------------------------------------------


def _counted(error: SourceError, requests: int) -> SourceError:
    error.requests = requests
    return error


def _place_of(lane: str) -> str:
    """The subreddits of a lane, empty for a search of all of Reddit."""
    first = lane.partition(" ")[0].removesuffix(":")
    return first if first.startswith("r/") else ""


def _no_subreddit(lane: str, status: int) -> SourceError:
    return SourceGone(
        f"Reddit has no {_place_of(lane) or 'such list'}, or it was banned.",
        hint="Check the spelling.",
        status=status,
    )


def _refusal(page: Page, watch: Watch, lane: str) -> SourceError:
    """403 and 404 in words: a closed community, a page against robots, a key that is not enough."""
    error: SourceError | None
    reason = _reason(page)
    if reason in ("private", "quarantined", "gold_only"):
        error = SourceGone(
            f"{_place_of(lane)} is {reason}: it is not open to visitors.",
            hint="Leave it out of the watch.",
            status=page.status,
        )
    elif reason == "banned" or page.status == 404:
        error = _no_subreddit(lane, page.status)
    elif not _key(watch):
        error = Blocked(
            f"Reddit refuses its feeds to this address (HTTP {page.status}).",
            hint="Many cloud addresses are refused. Ask Reddit for an API key, and set client_id"
            f" and client_secret. {NO_DETOUR}",
            status=page.status,
        )
    else:
        error = classify(
            page.status, page.headers, page.body, page.now, url=redact(page.url)
        ) or LayoutChanged("Reddit answers in an unknown way.", status=page.status)
    return _counted(error, page.requests)


def _reason(page: Page) -> str:
    """Why Reddit refuses, where it says so in JSON."""
    try:
        data = page.json
    except LayoutChanged:
        return ""
    return str(data.get("reason") or "") if isinstance(data, dict) else ""


def _bad_key(page: Page) -> SourceError:
    return AuthRejected(
        f"Reddit does not accept the client id and secret (HTTP {page.status}).",
        hint="Check both in the app's settings; Reddit may have revoked the key, since each needs"
        " its approval. Without them the public feeds are read.",
        status=page.status,
    )
