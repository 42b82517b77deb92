"""The X-shaped API v2: recent search, a user by name, a user's mentions.

Shapes, headers and refusals follow the public reference, so that an ordinary client library
works against it unchanged.
"""

import html
import math
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zlib import crc32

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from listener.sample_web.channels import X_EPOCH_MS
from listener.sample_web.model import Author, Item
from listener.sample_web.site import Clock, Site
from listener.sample_web.xquery import (
    Doc,
    Predicate,
    QueryError,
    compile_query,
    handles,
    hashtags,
    prepare,
)

TWEET_FIELDS: Final = frozenset(
    "article attachments author_id card_uri community_id context_annotations conversation_id "
    "created_at display_text_range edit_controls edit_history_tweet_ids entities geo id "
    "in_reply_to_user_id lang matched_media_notes media_metadata note_tweet possibly_sensitive "
    "public_metrics referenced_tweets reply_settings scopes source suggested_source_links text "
    "withheld".split()
)
USER_FIELDS: Final = frozenset(
    "affiliation confirmed_email connection_status created_at description entities id "
    "is_identity_verified location most_recent_tweet_id name parody pinned_tweet_id "
    "profile_banner_url profile_image_url protected public_metrics receives_your_dm subscription "
    "subscription_type url username verified verified_followers_count verified_type "
    "withheld".split()
)
EXPANSIONS: Final = frozenset(
    "article.cover_media article.media_entities attachments.media_keys "
    "attachments.media_source_tweet attachments.poll_ids author_id edit_history_tweet_ids "
    "entities.mentions.username geo.place_id in_reply_to_user_id entities.note.mentions.username "
    "referenced_tweets.id referenced_tweets.id.author_id".split()
)
_USERNAME: Final = re.compile(r"^[A-Za-z0-9_]{1,15}$")
_RFC3339: Final = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
_INVALID: Final = "https://api.twitter.com/2/problems/invalid-request"
_NOT_FOUND: Final = "https://api.twitter.com/2/problems/resource-not-found"


@dataclass(frozen=True, slots=True, kw_only=True)
class XOptions:
    """Who may ask, how often, and how far back."""

    token: str = ""
    days: int = 7
    limit: int = 450
    window: timedelta = timedelta(minutes=15)


class Refused(Exception):
    """One parameter is not acceptable; becomes a 400 in X's shape."""

    def __init__(self, name: str, value: str, message: str) -> None:
        super().__init__(message)
        self.body = {
            "errors": [{"parameters": {name: [value]}, "message": message}],
            "title": "Invalid Request",
            "detail": "One or more parameters to your request was invalid.",
            "type": _INVALID,
            "status": 400,
        }


@dataclass(slots=True)
class _Window:
    """The calls one token made to one endpoint since the window began."""

    ends: float
    used: int = 0


@dataclass(slots=True)
class _Ask:
    """A checked request for a page of posts."""

    since: int = 0
    until: int | None = None
    begin: datetime | None = None
    end: datetime | None = None
    size: int = 10
    oldest_first: bool = False
    after: int | None = None
    digest: str = ""


@dataclass(slots=True)
class XApi:
    """The endpoints over the timeline. Holds the rate windows and the prepared posts."""

    site: Site
    options: XOptions
    clock: Clock
    _windows: dict[tuple[str, str], _Window] = field(default_factory=dict)
    _docs: dict[str, Doc] = field(default_factory=dict)

    def routes(self) -> list[Route]:
        """The routes of the API."""
        return [
            Route("/2/tweets/search/recent", self.search),
            Route("/2/users/by/username/{name}", self.user),
            Route("/2/users/{id}/mentions", self.mentions),
        ]

    # --- endpoints ----------------------------------------------------------------------------

    async def search(self, request: Request) -> Response:
        """`GET /2/tweets/search/recent`."""
        now = self.clock()
        headers, refusal = self._admit(request, "search", now)
        if refusal is not None:
            return refusal
        try:
            params = _params(request)
            query = params.get("query", "")
            try:
                wanted = compile_query(query)
            except QueryError as error:
                raise Refused("query", query, str(error)) from None
            ask = self._ask(params, now, smallest=10, default=10)
            body = self._page(wanted, ask, params, now)
        except Refused as refused:
            return JSONResponse(refused.body, 400, headers)
        return JSONResponse(body, headers=headers)

    async def mentions(self, request: Request) -> Response:
        """`GET /2/users/:id/mentions`."""
        now = self.clock()
        headers, refusal = self._admit(request, "mentions", now)
        if refusal is not None:
            return refusal
        user = next(
            (a for a in self.site.timeline.brands.values() if a.id == request.path_params["id"]),
            None,
        )
        if user is None:
            return JSONResponse(_missing("id", request.path_params["id"]), headers=headers)
        name = user.username.lower()
        try:
            params = _params(request)
            ask = self._ask(params, now, smallest=5, default=10)
            body = self._page(lambda doc: name in doc.handles, ask, params, now)
        except Refused as refused:
            return JSONResponse(refused.body, 400, headers)
        return JSONResponse(body, headers=headers)

    async def user(self, request: Request) -> Response:
        """`GET /2/users/by/username/:username`."""
        now = self.clock()
        headers, refusal = self._admit(request, "user", now)
        if refusal is not None:
            return refusal
        name = request.path_params["name"]
        if not _USERNAME.match(name):
            message = (
                f"The `username` query parameter value [{name}] does not match "
                "^[A-Za-z0-9_]{1,15}$"
            )
            return JSONResponse(Refused("username", name, message).body, 400, headers)
        author = self._find_user(name.lower(), now)
        if author is None:
            return JSONResponse(_missing("username", name), headers=headers)
        try:
            fields = _names(_params(request), "user.fields", USER_FIELDS)
        except Refused as refused:
            return JSONResponse(refused.body, 400, headers)
        return JSONResponse({"data": _user(author, fields)}, headers=headers)

    # --- admission ----------------------------------------------------------------------------

    def _admit(
        self, request: Request, endpoint: str, now: datetime
    ) -> tuple[dict[str, str], Response | None]:
        """The rate headers of this call, and a 401 or 429 if it may not pass."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token.strip()
        known = token == self.options.token if self.options.token else bool(token)
        if scheme.lower() != "bearer" or not known:
            return {}, JSONResponse(_problem(401, "Unauthorized"), 401)
        key, stamp = (token, endpoint), now.timestamp()
        window = self._windows.get(key)
        if window is None or window.ends <= stamp:
            window = _Window(ends=stamp + self.options.window.total_seconds())
            self._windows[key] = window
        over = window.used >= self.options.limit
        window.used += not over
        headers = {
            "x-rate-limit-limit": str(self.options.limit),
            "x-rate-limit-remaining": str(self.options.limit - window.used),
            "x-rate-limit-reset": str(math.ceil(window.ends)),
        }
        if over:
            return headers, JSONResponse(_problem(429, "Too Many Requests"), 429, headers)
        return headers, None

    # --- reading ------------------------------------------------------------------------------

    def _ask(
        self, params: Mapping[str, str], now: datetime, *, smallest: int, default: int
    ) -> _Ask:
        """Check the window parameters as X does, with its words."""
        ask = _Ask(size=default)
        oldest = now - timedelta(days=self.options.days)
        raw = params.get("max_results", str(default))
        if not raw.isdigit() or not smallest <= int(raw) <= 100:
            raise Refused(
                "max_results",
                raw,
                f"The `max_results` query parameter value [{raw}] is not between "
                f"{smallest} and 100",
            )
        ask.size = int(raw)
        for name in ("since_id", "until_id"):
            raw = params.get(name, "")
            if raw and (not raw.isdigit() or len(raw) > 19):
                message = (
                    f"The `{name}` query parameter value [{raw}] does not match ^[0-9]{{1,19}}$"
                )
                raise Refused(name, raw, message)
        if since := params.get("since_id"):
            floor = int((oldest - timedelta(minutes=1)).timestamp() * 1000 - X_EPOCH_MS) << 22
            if int(since) < floor:
                raise Refused(
                    "since_id",
                    since,
                    f"Invalid 'since_id':'{since}'. 'since_id' must be a tweet id created after "
                    f"{_stamp(oldest)}. Please use a 'since_id' that is larger than {floor}",
                )
            ask.since = int(since)
        if until := params.get("until_id"):
            ask.until = int(until)
        ask.begin, ask.end = _instant(params, "start_time"), _instant(params, "end_time")
        if ask.begin is not None and ask.begin < oldest - timedelta(minutes=1):
            raise Refused(
                "start_time",
                params["start_time"],
                f"Invalid 'start_time':'{params['start_time']}'. 'start_time' must be on or after "
                f"{_stamp(oldest)}.",
            )
        if ask.end is not None and ask.end > now - timedelta(seconds=10):
            raise Refused(
                "end_time",
                params["end_time"],
                f"Invalid 'end_time':'{params['end_time']}'. 'end_time' must be a minimum of 10 "
                "seconds prior to the request time.",
            )
        order = params.get("sort_order", "recency")
        if order not in ("recency", "relevancy"):
            raise Refused("sort_order", order, "'sort_order' must be recency or relevancy")
        ask.digest = f"{crc32(params.get('query', '').encode()):08x}"
        token = params.get("next_token") or params.get("pagination_token")
        if token:
            ask.after = _from_token(token, ask.digest)
        return ask

    def _page(
        self, wanted: Predicate, ask: _Ask, params: Mapping[str, str], now: datetime
    ) -> dict[str, Any]:
        """One page, newest first. A token holds the last id told, so new posts move nothing."""
        fields = _names(params, "tweet.fields", TWEET_FIELDS)
        user_fields = _names(params, "user.fields", USER_FIELDS)
        expansions = _names(params, "expansions", EXPANSIONS)
        begin = max(ask.begin or now - timedelta(days=self.options.days), _EARLIEST)
        end = min(ask.end or now, now)
        items = self.site.timeline.visible("x", now)
        low = bisect_left(items, begin.timestamp(), key=lambda item: item.appears_ts)
        high = bisect_right(items, end.timestamp(), key=lambda item: item.appears_ts)
        ceiling = min(bound for bound in (ask.until, ask.after, 1 << 63) if bound is not None)
        found: list[Item] = []
        for index in range(high - 1, low - 1, -1):
            item = items[index]
            number = int(item.id)
            if number <= ask.since:
                break
            if number >= ceiling or not wanted(self._doc(item)):
                continue
            found.append(item)
            if len(found) > ask.size:
                break
        page = found[: ask.size]
        meta: dict[str, Any] = {"result_count": len(page)}
        if not page:
            return {"meta": meta}
        meta = {"newest_id": page[0].id, "oldest_id": page[-1].id, **meta}
        if len(found) > ask.size:
            meta["next_token"] = _to_token(page[-1].id, ask.digest)
        body: dict[str, Any] = {"data": [self._tweet(i, fields, expansions, now) for i in page]}
        if includes := self._includes(page, fields, user_fields, expansions, now):
            body["includes"] = includes
        return body | {"meta": meta}

    def _doc(self, item: Item) -> Doc:
        doc = self._docs.get(item.id)
        if doc is None:
            doc = self._docs[item.id] = prepare(item)
        return doc

    def _find_user(self, name: str, now: datetime) -> Author | None:
        for brand in self.site.timeline.brands.values():
            if brand.username.lower() == name:
                return brand
        posts = self.site.timeline.visible("x", now)
        return next((i.author for i in posts if i.author.username.lower() == name), None)

    # --- shapes -------------------------------------------------------------------------------

    def _tweet(
        self, item: Item, fields: frozenset[str], expansions: frozenset[str], now: datetime
    ) -> dict[str, Any]:
        # The real API escapes these three, and only these, in every text.
        data: dict[str, Any] = {
            "id": item.id,
            "text": html.escape(item.text, quote=False),
            "edit_history_tweet_ids": [item.id],
        }
        parent = self.site.find("x", item.parent, now) if item.parent else None
        if "author_id" in fields or "author_id" in expansions:
            data["author_id"] = item.author.id
        if "created_at" in fields:
            data["created_at"] = _stamp(item.published)
        if "lang" in fields:
            data["lang"] = item.lang
        if "conversation_id" in fields:
            data["conversation_id"] = item.parent if item.relation == "reply" else item.id
        if "public_metrics" in fields:
            data["public_metrics"] = _metrics(item, now)
        if parent is not None and (
            "referenced_tweets" in fields or "referenced_tweets.id" in expansions
        ):
            kind = "retweeted" if item.relation == "retweet" else "replied_to"
            data["referenced_tweets"] = [{"type": kind, "id": parent.id}]
        if "in_reply_to_user_id" in fields and parent is not None and item.relation == "reply":
            data["in_reply_to_user_id"] = parent.author.id
        if "entities" in fields and (entities := _entities(data["text"])):
            data["entities"] = entities
        if "possibly_sensitive" in fields:
            data["possibly_sensitive"] = False
        if "reply_settings" in fields:
            data["reply_settings"] = "everyone"
        return data

    def _includes(
        self,
        page: Sequence[Item],
        fields: frozenset[str],
        user_fields: frozenset[str],
        expansions: frozenset[str],
        now: datetime,
    ) -> dict[str, Any]:
        includes: dict[str, Any] = {}
        users: dict[str, Author] = {}
        parents = {}
        for item in page:
            if "author_id" in expansions:
                users[item.author.id] = item.author
            parent = self.site.find("x", item.parent, now) if item.parent else None
            if parent is None:
                continue
            if "referenced_tweets.id" in expansions:
                parents[parent.id] = parent
            if "referenced_tweets.id.author_id" in expansions or (
                "in_reply_to_user_id" in expansions and item.relation == "reply"
            ):
                users[parent.author.id] = parent.author
        if users:
            includes["users"] = [_user(author, user_fields) for author in users.values()]
        if parents:
            includes["tweets"] = [
                self._tweet(parent, fields, expansions, now) for parent in parents.values()
            ]
        return includes


_EARLIEST: Final = datetime(2010, 11, 6, tzinfo=UTC)


def _params(request: Request) -> dict[str, str]:
    return dict(request.query_params)


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def _instant(params: Mapping[str, str], name: str) -> datetime | None:
    raw = params.get(name, "")
    if not raw:
        return None
    if not _RFC3339.match(raw):
        message = f"The `{name}` query parameter value [{raw}] is not a valid RFC3339 date time"
        raise Refused(name, raw, message)
    try:
        return datetime.fromisoformat(raw)
    except ValueError:
        raise Refused(name, raw, f"The `{name}` query parameter value [{raw}] is invalid") from None


def _names(params: Mapping[str, str], name: str, allowed: frozenset[str]) -> frozenset[str]:
    asked = frozenset(part for part in params.get(name, "").split(",") if part)
    if wrong := sorted(asked - allowed):
        raise Refused(
            name,
            wrong[0],
            f"The `{name}` query parameter value [{wrong[0]}] is not one of "
            f"[{','.join(sorted(allowed))}]",
        )
    return asked


def _to_token(last: str, digest: str) -> str:
    return urlsafe_b64encode(f"{digest}:{last}".encode()).decode().rstrip("=")


def _from_token(token: str, digest: str) -> int:
    try:
        text = urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii")
        said, _, last = text.partition(":")
        if said != digest:
            raise ValueError(said)
        return int(last)
    except (ValueError, Base64Error):
        raise Refused(
            "next_token", token, "'next_token' is not valid. It must be the one of this query."
        ) from None


def _problem(status: int, title: str) -> dict[str, Any]:
    return {"title": title, "detail": title, "type": "about:blank", "status": status}


def _missing(name: str, value: str) -> dict[str, Any]:
    return {
        "errors": [
            {
                "value": value,
                "detail": f"Could not find user with {name}: [{value}].",
                "title": "Not Found Error",
                "resource_type": "user",
                "parameter": name,
                "resource_id": value,
                "type": _NOT_FOUND,
            }
        ]
    }


def _metrics(item: Item, now: datetime) -> dict[str, int]:
    likes = item.likes_at(now)
    return {
        "retweet_count": likes // 4,
        "reply_count": likes // 6,
        "like_count": likes,
        "quote_count": likes // 20,
        "bookmark_count": likes // 15,
        "impression_count": likes * 37 + item.author.followers // 9,
    }


def _entities(text: str) -> dict[str, Any]:
    entities: dict[str, Any] = {}
    if tags := hashtags(text):
        entities["hashtags"] = [{"start": a, "end": b, "tag": tag} for a, b, tag in tags]
    if named := handles(text):
        entities["mentions"] = [{"start": a, "end": b, "username": name} for a, b, name in named]
    return entities


def _user(author: Author, fields: frozenset[str]) -> dict[str, Any]:
    data: dict[str, Any] = {"id": author.id, "name": author.name, "username": author.username}
    if "created_at" in fields:
        data["created_at"] = _stamp(author.joined)
    if "description" in fields:
        data["description"] = author.bio
    if "public_metrics" in fields:
        data["public_metrics"] = {
            "followers_count": author.followers,
            "following_count": author.followers // 3 + 20,
            "tweet_count": author.followers * 2 + 15,
            "listed_count": author.followers // 400,
            "like_count": author.followers * 5,
        }
    if "protected" in fields:
        data["protected"] = False
    if "verified" in fields:
        data["verified"] = False
    return data
