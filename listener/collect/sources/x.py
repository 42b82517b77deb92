"""X (Twitter) through API v2 and tweepy: recent search, and mentions of an account."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from listener.collect.base import Mark, Page, Parsed, Poller, Position, Request, param
from listener.errors import (
    AuthRejected,
    Blocked,
    BudgetExhausted,
    InvalidInput,
    LayoutChanged,
    SourceError,
    SourceGone,
)
from listener.net.client import Meter
from listener.net.retry import NO_DETOUR, challenge, classify, retry_at, scrub
from listener.types import (
    Brand,
    Credential,
    Engagement,
    Gap,
    GapReason,
    Kind,
    Param,
    RawAuthor,
    RawItem,
    SourceSpec,
    Watch,
)

if TYPE_CHECKING:
    import requests

API = "https://api.x.com"
BUILT_IN = "https://api.twitter.com"  # tweepy 4.17 knows no other
MAX_QUERY = 512  # characters, for recent search
PAGE = 100
WINDOW = timedelta(days=7)  # how far back recent search goes
_MARGIN = timedelta(minutes=5)  # a start exactly seven days ago is refused when the request is slow

# Whatever is not asked for is not told. Referenced posts are not expanded: each would be billed.
TWEET_FIELDS = [
    "attachments",
    "author_id",
    "conversation_id",
    "created_at",
    "entities",
    "in_reply_to_user_id",
    "lang",
    "note_tweet",
    "public_metrics",
    "referenced_tweets",
]
USER_FIELDS = ["public_metrics", "username", "name", "verified"]
EXPANSIONS = ["author_id", "attachments.media_keys"]
MEDIA_FIELDS = ["url", "preview_image_url", "type"]

_PLACEHOLDER = "kept by Listener"
_WORD = re.compile(r"\w+\Z")
_HANDLE = re.compile(r"@?(\w{1,15})\Z", re.ASCII)
_NO_LANGUAGE = frozenset({"und", "zxx", "qam", "qct", "qht", "qme", "qst", "art"})
_OLD_CODES = {"in": "id", "iw": "he", "ji": "yi"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Page):
    """A page of posts, with what was found out on the way to it."""

    user_id: str = ""
    window_from: datetime | None = None  # the mark was too old to go on from; asked from here


class _MarkTooOld(Exception):
    """X refuses ``since_id``: it lies further back than the search goes."""


class X(Poller):
    """Posts that match a query, or that mention an account, of the last seven days and on."""

    spec = SourceSpec(
        name="x",
        title="X (Twitter)",
        title_ko="X(트위터)",
        every=timedelta(minutes=10),
        kind=Kind.POST,
        base_url=API,
        needs_brand=True,
        params=(
            Param(
                name="mode",
                title="What to collect",
                title_ko="수집 방식",
                choices=("search", "mentions"),
                default="search",
                example="search",
                help="search: posts that match a query. mentions: posts that mention an account.",
            ),
            Param(
                name="query",
                title="Search query",
                title_ko="검색식",
                example='("누리마켓" OR #누리마켓) -is:retweet',
                help="In X's own language, 512 characters at most. Left out: the brand's names,"
                " aliases, hashtags and handles, without retweets.",
            ),
            Param(
                name="user",
                title="Account",
                title_ko="계정",
                example="nurimarket",
                help="For mentions: whose mentions. Left out: the brand's first handle.",
            ),
            Param(
                name="history_days",
                title="Days to look back at first",
                title_ko="처음에 거슬러 갈 일수",
                kind="integer",
                choices=tuple(str(day) for day in range(1, 8)),
                default="7",
                example="1",
                help="For search. Every post read costs; a popular word may bring thousands a day.",
            ),
        ),
        credentials=(
            Credential(
                name="bearer_token",
                title="Bearer token",
                help="Of an app in X's developer console, under Keys and tokens.",
            ),
        ),
        cost="Pay per use: about $0.005 for each post read and $0.010 for each user read (2026).",
        limits="450 requests in 15 minutes, 100 posts each; search goes back 7 days, mentions"
        " 800 posts.",
        terms="X asks to delete what was deleted there, and not to pass posts on in bulk.",
    )

    def request(self, watch: Watch, at: Position) -> Request:
        """What is asked, as tweepy's parameters; ``load`` puts it through tweepy."""
        if param(watch, self.spec, "mode") == "mentions":
            return Request(url=f"{_base(watch)}/2/users/:id/mentions", params=_place(at))
        window_from = _window_from(watch, self.spec, at)
        query = param(watch, self.spec, "query") or brand_query(watch.brand)
        if len(query) > MAX_QUERY:
            raise InvalidInput(
                f"The query has {len(query)} characters; X takes {MAX_QUERY}.", field="query"
            )
        return Request(
            url=f"{_base(watch)}/2/tweets/search/recent",
            params={
                "query": query,
                "start_time": _stamp(window_from) if window_from else None,
                **_place(at, since=window_from is None),
            },
        )

    def load(self, watch: Watch, at: Position, validators: Mapping[str, Mapping[str, str]]) -> Page:
        """Get one page through tweepy. Raises SourceError; InvalidInput for a query X refuses."""
        token = watch.connection.credentials.get("bearer_token", "").strip()
        if not token:
            raise AuthRejected(
                "X needs a bearer token.",
                hint="Set LISTENER_X__BEARER_TOKEN, or the bearer token of the connection.",
            )
        meter = Meter()
        client = self._client(watch, token, meter, at.now)
        try:
            return self._load(client, watch, at, meter)
        except SourceError as error:
            error.requests = meter.requests
            raise

    def _load(self, client: Any, watch: Watch, at: Position, meter: Meter) -> Answer:
        mentions = param(watch, self.spec, "mode") == "mentions"
        user_id = self._user_id(client, watch, at) if mentions else ""
        asked = self.request(watch, at).params
        window_from = _too_old_for(at) if not mentions else None
        try:
            response = self._ask(client, asked, user_id)
        except _MarkTooOld:
            window_from = at.now - WINDOW + _MARGIN
            asked = {**asked, "since_id": None, "start_time": _stamp(window_from)}
            response = self._ask(client, asked, user_id)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(
            url=_shown(response.url),
            asked=response.url,
            status=response.status_code,
            headers=headers,
            body=response.content,
            now=at.now,
            requests=meter.requests,
            received=meter.received,
            user_id=user_id,
            window_from=window_from,
        )

    def parse(self, page: Page, watch: Watch, at: Position) -> Parsed:
        """Read the posts. No ``data`` means that there are none; ``errors`` beside it are
        partial.
        """
        answer = page.json
        window_from = page.window_from if isinstance(page, Answer) else None
        user_id = page.user_id if isinstance(page, Answer) else ""
        notices = [_error_text(error) for error in answer.get("errors", [])[:3]]
        if "meta" not in answer and notices:
            raise SourceGone(
                f"X has no such thing: {notices[0]}", hint="Check the watch's account."
            )
        meta = answer["meta"]
        rows = answer.get("data", [])
        includes = answer.get("includes", {})
        users = {user["id"]: user for user in includes.get("users", [])}
        media = {one["media_key"]: one for one in includes.get("media", [])}
        mentions = param(watch, self.spec, "mode") == "mentions"
        items = tuple(
            _item(row, users, media, watch.brand)
            for row in rows
            # A retweet of a mention says nothing of its own; in a search the query decides.
            if not (mentions and "retweeted" in _references(row))
        )
        times = {row["id"]: _time(row.get("created_at")) for row in rows}
        gaps = []
        if window_from and at.first and at.above and at.above.at and at.above.at < window_from:
            gaps.append(
                Gap(
                    from_at=at.above.at,
                    to_at=window_from,
                    why=GapReason.WINDOW,
                    detail="X searches the last seven days only.",
                )
            )
        keep: dict[str, Any] = {}
        if user_id:
            keep["user"] = {"name": _user(watch, self.spec).lower(), "id": user_id}
        if window_from:
            keep["window_from"] = window_from.isoformat()
        newest, oldest = meta.get("newest_id"), meta.get("oldest_id")
        return Parsed(
            items=items,
            next_page=meta.get("next_token"),
            # ``since_id`` ends the walk by itself; the posts come down to the mark with the last
            # page.
            reached=None,
            newest=Mark(newest, times.get(newest)) if newest else None,
            oldest=Mark(oldest, times.get(oldest)) if oldest else None,
            gaps=tuple(gaps),
            notices=tuple(notices),
            keep=keep,
            keep_when_closed={"window_from": ""},
        )

    def _client(self, watch: Watch, token: str, meter: Meter, now: datetime) -> Any:
        import tweepy  # takes half a second, which only a run should pay

        # The placeholder goes no further: tweepy writes its headers into the debug log, so the real
        # token is put in by our adapter, and only for the base URL.
        client = tweepy.Client(
            bearer_token=_PLACEHOLDER, wait_on_rate_limit=False, return_type=_response_type()
        )
        client.user_agent = self.net.settings.user_agent
        client.session = self.net.session(
            account=str(watch.connection.id or watch.connection.name or ""),
            meter=meter,
            rewrite={BUILT_IN: _base(watch)},
            headers={"Authorization": f"Bearer {token}"},
        )

        def judge(response: requests.Response, **_: Any) -> None:
            _judge(response, now, token)

        client.session.hooks["response"].append(judge)
        return client

    def _ask(self, client: Any, asked: Mapping[str, Any], user_id: str) -> requests.Response:
        fields = {
            "tweet_fields": TWEET_FIELDS,
            "user_fields": USER_FIELDS,
            "expansions": EXPANSIONS,
            "media_fields": MEDIA_FIELDS,
            "max_results": PAGE,
        }
        given = {name: value for name, value in asked.items() if value is not None}
        response: requests.Response
        if user_id:
            if "next_token" in given:
                given["pagination_token"] = given.pop("next_token")
            response = client.get_users_mentions(user_id, **given, **fields)
        else:
            response = client.search_recent_tweets(**given, **fields)
        return response

    def _user_id(self, client: Any, watch: Watch, at: Position) -> str:
        """The account's id, asked for once and kept in the cursor."""
        name = _user(watch, self.spec)
        known = at.memory.get("user") or {}
        if known.get("name") == name.lower():
            return str(known["id"])
        answer = client.get_user(username=name).json()
        found = answer.get("data", {}).get("id")
        if not found:
            raise SourceGone(
                f"X has no account @{name}.", hint="Check the spelling; it may also be suspended."
            )
        return str(found)


def brand_query(brand: Brand | None) -> str:
    """A search for a brand: any of its names, aliases, hashtags and handles, without retweets.

    Words that must or must not occur narrow it as far as there is room; matching checks them again.
    Raises InvalidInput when there is nothing to search for, or more than X takes.
    """
    if brand is None:
        raise InvalidInput("X needs a query, or a brand to make one of.", field="query")
    words = [_quoted(word) for word in (brand.name, *brand.aliases, *brand.any_terms)]
    words += [f"#{tag.lstrip('#')}" for tag in brand.hashtags]
    words += [f"@{handle.lstrip('@')}" for handle in brand.handles]
    any_of = list(_once(word for word in words if word.strip('#@"')))
    if not any_of:
        raise InvalidInput("The brand has no name to search for.", field="query")
    query = " OR ".join(any_of)
    query = f"({query}) -is:retweet" if len(any_of) > 1 else f"{query} -is:retweet"
    if len(query) > MAX_QUERY:
        raise InvalidInput(
            f"The brand's terms make a query of {len(query)} characters; X takes {MAX_QUERY}.",
            field="query",
            hint="Give a query of your own, or split it over several watches.",
        )
    narrowing = [_quoted(term) for term in brand.all_terms]
    narrowing += [f"-{_quoted(term)}" for term in brand.none_terms]
    for term in narrowing:
        if term.strip('-"') and len(query) + 1 + len(term) <= MAX_QUERY:
            query = f"{query} {term}"
    return query


def _quoted(term: str) -> str:
    """A term as X reads it literally: quoted unless it is a plain word."""
    term = " ".join(term.replace('"', " ").split())
    return term if _WORD.match(term) and term.upper() not in ("OR", "AND") else f'"{term}"'


def _once(words: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for word in words:
        if word.casefold() not in seen:
            seen.add(word.casefold())
            yield word


def _base(watch: Watch) -> str:
    return (watch.connection.base_url or API).rstrip("/")


def _user(watch: Watch, spec: SourceSpec) -> str:
    """The account whose mentions are watched. Raises InvalidInput."""
    given = param(watch, spec, "user")
    if not given and watch.brand and watch.brand.handles:
        given = watch.brand.handles[0]
    found = _HANDLE.match(given)
    if not found:
        raise InvalidInput(
            "Mentions need an account." if not given else f"{given!r} is no account of X.",
            field="user",
            hint="For example: user=nurimarket",
        )
    return found[1]


def _place(at: Position, *, since: bool = True) -> dict[str, str | None]:
    """Where the next page lies. A token of an earlier run may have run out, an id never does."""
    return {
        "since_id": at.above.id if at.above and since else None,
        "until_id": at.below.id if at.below and at.resumed else None,
        "next_token": at.token if not at.resumed else None,
    }


def _too_old_for(at: Position) -> datetime | None:
    """From when to search instead, if the mark lies further back than the search goes."""
    earliest = at.now - WINDOW + _MARGIN
    if at.memory.get("window_from"):
        return max(datetime.fromisoformat(at.memory["window_from"]), earliest)
    if at.above and at.above.at and at.above.at < earliest:
        return earliest
    return None


def _window_from(watch: Watch, spec: SourceSpec, at: Position) -> datetime | None:
    """A start time, where one is needed: for a mark that is too old, or a short first look back."""
    if at.above is not None:
        return _too_old_for(at)
    days = int(param(watch, spec, "history_days"))
    return at.now - timedelta(days=days) if timedelta(days=days) < WINDOW else None


def _item(
    row: Mapping[str, Any],
    users: Mapping[str, Mapping[str, Any]],
    media: Mapping[str, Mapping[str, Any]],
    brand: Brand | None,
) -> RawItem:
    user = users.get(row["author_id"], {})
    handle = user.get("username", "")
    parent = _references(row).get("replied_to")
    metrics = row.get("public_metrics", {})
    keys = row.get("attachments", {}).get("media_keys", [])
    links = (media.get(k, {}).get("url") or media.get(k, {}).get("preview_image_url") for k in keys)
    own = {one.lstrip("@").lower() for one in brand.handles} if brand else set()
    lang = row.get("lang", "")
    published_at = _time(row["created_at"])
    shares = [metrics[name] for name in ("retweet_count", "quote_count") if name in metrics]
    return RawItem(
        external_id=row["id"],
        kind=Kind.COMMENT if parent else Kind.POST,
        url=f"https://x.com/{handle or 'i'}/status/{row['id']}",
        text=_unescaped(row.get("note_tweet", {}).get("text") or row["text"]),
        author=RawAuthor(
            native_id=row["author_id"],
            handle=handle,
            name=user.get("name", ""),
            followers=user.get("public_metrics", {}).get("followers_count"),
            url=f"https://x.com/{handle}" if handle else None,
        ),
        published_at=published_at,
        language=None if lang in _NO_LANGUAGE else _OLD_CODES.get(lang, lang) or None,
        parent_id=parent,
        thread_id=row.get("conversation_id"),
        is_own=handle.lower() in own,
        media=tuple(link for link in links if link),
        engagement=Engagement(
            likes=metrics.get("like_count"),
            replies=metrics.get("reply_count"),
            shares=sum(shares) if shares else None,
            views=metrics.get("impression_count"),
        ),
        raw=row,
    )


def _references(row: Mapping[str, Any]) -> dict[str, str]:
    return {one["type"]: one["id"] for one in row.get("referenced_tweets", [])}


def _unescaped(text: str) -> str:
    """X escapes these three characters, and no others, in every text."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _response_type() -> type:
    import requests

    return requests.Response


# --- refusals --------------------------------------------------------------------------------


def _judge(response: requests.Response, now: datetime, token: str) -> None:
    """Raise what a refusal means, in words that say what is missing: token, plan, credit
    or scope.
    """
    status, headers, body = response.status_code, dict(response.headers), response.content
    if status in (301, 302, 303, 307, 308):
        return
    if status < 400:
        if challenge(headers, body):
            raise Blocked("X shows a page against robots instead of data.", hint=NO_DETOUR)
        return
    said = _said(response, token)
    kind = f"{said.get('title', '')} {said.get('type', '')} {said.get('reason', '')}".lower()
    text = said.get("text", "")
    told = f': "{text}"' if text else "."
    at = retry_at(status, headers, body, now)
    if status == 400:
        raise _bad_request(said, text, told)
    if status == 401:
        raise AuthRejected(
            f"X does not accept the bearer token{told}",
            hint="Make a new one in X's developer console (Keys and tokens) and set"
            " LISTENER_X__BEARER_TOKEN, or the bearer token of the connection.",
            status=status,
        )
    if status == 402 or "credits" in kind:
        raise BudgetExhausted(
            f"The X account has no credit left{told}",
            hint="Buy credits in X's developer console, or collect less often.",
            retry_at=at,
            status=status,
        )
    if "usage" in kind and "cap" in kind:
        raise BudgetExhausted(
            f"The posts that the X plan allows for this period are used up{told}",
            hint="Raise the cap in X's developer console, or wait for the next period.",
            retry_at=at,
            status=status,
        )
    if status == 403:
        raise _forbidden(kind, text, told)
    error = classify(status, headers, body, now, url=_shown(response.url), secrets=[token])
    if error is not None:
        raise error


def _bad_request(said: Mapping[str, Any], text: str, told: str) -> Exception:
    names = {name for error in said["errors"] for name in error.get("parameters") or {}}
    if "since_id" in names or "'since_id'" in text:
        return _MarkTooOld()
    if "query" in names:
        return InvalidInput(
            f"X does not accept the query{told}", field="query", hint="Check the watch's query."
        )
    return LayoutChanged(f"X does not accept the request as we make it{told}", status=400)


def _forbidden(kind: str, text: str, told: str) -> SourceError:
    words = f"{kind} {text}".lower()
    if "unsupported-authentication" in kind or "unsupported authentication" in kind:
        what = "X wants another kind of token for this (of a user, not of an app)"
        hint = "Use the bearer token of an app that may read posts."
    elif "scope" in words or "permission" in words:
        what = "The bearer token lacks a scope"
        hint = "It needs tweet.read and users.read."
    elif (
        "enroll" in words
        or "client-forbidden" in words
        or "tier" in words
        or "access level" in words
    ):
        what = "The X app's plan (tier) does not include this"
        hint = "Attach the app to a project with pay-per-use or a higher plan in X's console."
    else:
        what = "X refuses this"
        hint = "The app may lack a plan, credit or scope; look into X's developer console."
    return AuthRejected(f"{what}{told}", hint=hint, status=403)


def _shown(url: str) -> str:
    """An address for messages: the fields that are always asked for would only hide the rest."""
    return url.partition("?")[0]


def _said(response: requests.Response, token: str) -> dict[str, Any]:
    """The problem that X describes: title, type, reason, errors, and all of it as one line
    of text.
    """
    try:
        data = response.json()
    except ValueError:
        data = {}
    data = data if isinstance(data, dict) else {}
    errors = [error for error in data.get("errors") or [] if isinstance(error, dict)]
    texts = [
        *(_error_text(error) for error in errors),
        data.get("detail") or data.get("title") or "",
    ]
    line = " ".join(dict.fromkeys(str(text).strip() for text in texts if text))
    return {
        "title": str(data.get("title", "")),
        "type": str(data.get("type", "")),
        "reason": str(data.get("reason", "")),
        "errors": errors,
        "text": scrub(line, [token])[:300],
    }


def _error_text(error: Mapping[str, Any]) -> str:
    return str(error.get("detail") or error.get("message") or error.get("title") or "")[:300]
