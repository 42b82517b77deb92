"""X (Twitter) through API v2 and tweepy: recent search, mentions of an account, replies to it, and
its own posts.

Every post and account read costs, so each page is charged to the connection's budget before it is
asked for, at the most that it can bring, and settled to what came.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs, urlsplit

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
    purse,
)
from listener.errors import (
    AuthRejected,
    Blocked,
    BudgetExhausted,
    InvalidInput,
    LayoutChanged,
    RateLimited,
    SourceError,
    SourceGone,
    SourceUnavailable,
)
from listener.net.client import Meter, Net
from listener.net.retry import NO_DETOUR, challenge, classify, retry_at, scrub
from listener.types import (
    Batch,
    Brand,
    Connection,
    Credential,
    Engagement,
    Gap,
    GapReason,
    Kept,
    Kind,
    MatchMode,
    Param,
    Precision,
    Price,
    Quota,
    RawAuthor,
    RawItem,
    SourceSpec,
    State,
    Watch,
)

if TYPE_CHECKING:
    import requests

API = "https://api.x.com"
BUILT_IN = "https://api.twitter.com"  # tweepy 4.17 knows no other
MAX_QUERY = 512  # characters, for recent search
PAGE = 100
TRIAL = 20  # posts of a preview or test: each one read costs
SHOWN = {"mentions": 800, "posts": 3_200}  # the newest posts that these listings go back to
WINDOW = timedelta(days=7)  # how far back recent search goes
_ALMOST = 0.97  # of them: posts that were deleted meanwhile count, but are not shown
_LEAST = {"search": 10, "replies": 10}  # posts of a page at least, 5 for the listings of an account
_EACH = {"post": 1, "user": 1}  # what one post found uses up at most
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

_IDLE = 45.0  # seconds without a sign of life: X sends one every twenty
_FLUSH = 5.0  # seconds after which what came is stored
_SLICE = 20  # posts that are paid ahead
_DISORDER = timedelta(seconds=30)
_PLACEHOLDER = "kept by Listener"
# Deleted; or of an account that is suspended or protected now, which X wants treated alike.
_GONE = frozenset({"resource-not-found", "not-authorized-for-resource"})
_WORD = re.compile(r"\w+\Z")
_HANDLE = re.compile(r"@?(\w{1,15})\Z", re.ASCII)
_EPOCH_MS = 1_288_834_974_657
_FIRST_SNOWFLAKE = 29_700_859_247  # ids before were counted up
_NO_LANGUAGE = frozenset({"und", "zxx", "qam", "qct", "qht", "qme", "qst", "art"})
_OLD_CODES = {"in": "id", "iw": "he", "ji": "yi"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Page):
    """A page of posts, with what was found out on the way to it."""

    user_id: str = ""
    window_from: datetime | None = None  # the mark was too old to go on from; asked from here
    passed: bool = False  # the rest of a walk is older than the search goes: nothing was asked


class _MarkTooOld(Exception):
    """X refuses ``since_id``: it lies further back than the search goes."""


class X(Poller):
    """Posts that match a query, mention an account, answer it or are its own, from seven days ago
    on.
    """

    refresh_size: ClassVar[int] = 100

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
                choices=("search", "mentions", "replies", "posts", "stream"),
                default="search",
                example="search",
                help="search: 검색식에 맞는 글, mentions: 계정을 언급한 글,"
                " replies: 그 계정의 글에 달린 답글,"
                " posts: 그 계정이 쓴 글 전부,"
                " stream: 검색한 뒤 매번 몇 분씩 실시간 스트림을 받습니다."
                " search: posts that match a query. mentions: posts that mention an account."
                " replies: answers to its posts. posts: all that it says itself. stream: as search,"
                " and then X's filtered stream for a few minutes of each run.",
            ),
            Param(
                name="query",
                title="Search query",
                title_ko="검색식",
                example='("누리마켓" OR #누리마켓) -is:retweet',
                help="X의 검색 문법으로 512자까지. 비우면 브랜드의 이름·별칭·해시태그·계정으로 찾고"
                " 리트윗은 뺍니다. In X's own language, 512 characters at most. Left out:"
                " the brand's names, aliases, hashtags and handles, without retweets.",
            ),
            Param(
                name="user",
                title="Account",
                title_ko="계정",
                example="nurimarket",
                help="mentions·replies·posts 방식에서 누구의 것인지. 비우면 브랜드의 첫 계정입니다."
                " For mentions, replies and posts: whose. Left out: the brand's first handle.",
            ),
            Param(
                name="history_days",
                title="Days to look back at first",
                title_ko="처음에 거슬러 갈 일수",
                kind="integer",
                choices=tuple(str(day) for day in range(1, 8)),
                default="7",
                example="1",
                help="search·replies 방식에서. 읽는 글마다 돈이 들고, 흔한 말은 하루에 수천 건일 수"
                " 있습니다. For search and replies. Every post read costs; a popular word may bring"
                " thousands a day.",
            ),
            Param(
                name="minutes",
                title="Minutes on the stream",
                title_ko="스트림에 머무는 시간(분)",
                kind="integer",
                choices=tuple(str(n) for n in range(1, 16)),
                default="5",
                example="10",
                help="stream 방식에서 한 번에 연결해 두는 시간. 그동안 작업자 하나를 차지합니다."
                " For stream: how long each run stays connected. It keeps a worker busy.",
            ),
            Param(
                name="refresh",
                title="Ask about stored posts again",
                title_ko="모은 글 다시 확인",
                kind="boolean",
                default="false",
                example="true",
                help="삭제와 새 반응 수를 반영합니다. 다시 확인하는 글도 읽은 만큼 요금이 나갑니다."
                " Takes over deletions, and new counts. Each post asked about is read, and"
                " billed, again.",
            ),
        ),
        credentials=(
            Credential(
                name="bearer_token",
                title="Bearer token",
                help="X 개발자 콘솔의 앱 > Keys and tokens에 있습니다."
                " Of an app in X's developer console, under Keys and tokens.",
            ),
        ),
        cost="쓴 만큼 냅니다: 글 하나에 0.005달러, 계정 하나에 0.010달러, 건수 조회 한 번에"
        " 0.005달러(2026년). Pay per use: $0.005 for each post read, $0.010 for each account read"
        " and $0.005 for each count of a query (2026).",
        limits="15분에 450회, 한 번에 100건; 검색은 7일 전까지, 언급은 800건까지 보입니다."
        " 450 requests in 15 minutes, 100 posts each; search goes back 7 days, mentions"
        " 800 posts.",
        terms="X에서 지워진 글은 여기서도 지워야 하고, 글을 대량으로 넘겨서는 안 됩니다."
        " X demands that what was deleted there is deleted here, and that posts are not passed"
        " on in bulk.",
        quotas=(
            Quota(
                unit="post",
                amount=3_000_000,
                per="month",
                title="Posts read a month",
                title_ko="한 달에 읽는 게시물",
            ),
        ),
        prices=(
            Price(unit="post", micro_usd=5_000),
            Price(unit="user", micro_usd=10_000),
            Price(unit="count", micro_usd=5_000),
        ),
        signup="https://console.x.com",
    )

    def request(self, watch: Watch, at: Position) -> Request:
        """What is asked, as tweepy's parameters; ``load`` puts it through tweepy."""
        size = TRIAL if watch.id == 0 else PAGE
        cost: dict[str, Any] = {"charge": _charge(size), "settle": _used}
        mode = param(watch, self.spec, "mode")
        if mode == "mentions":
            return Request(url=f"{_base(watch)}/2/users/:id/mentions", params=_place(at), **cost)
        if mode == "posts":
            params = {**_place(at), "exclude": "retweets"}
            return Request(url=f"{_base(watch)}/2/users/:id/tweets", params=params, **cost)
        window_from = _window_from(watch, self.spec, at)
        return Request(
            url=f"{_base(watch)}/2/tweets/search/recent",
            params={
                "query": self._query(watch),
                "start_time": _stamp(window_from) if window_from else None,
                **_place(at, since=window_from is None),
            },
            **cost,
        )

    def _query(self, watch: Watch) -> str:
        """What is searched for. Raises InvalidInput."""
        mode = param(watch, self.spec, "mode")
        if mode in ("replies", "mentions", "posts"):
            user = _user(watch, self.spec)
            return {
                "replies": f"to:{user} -from:{user} -is:retweet",
                "mentions": f"@{user} -is:retweet",
                "posts": f"from:{user} -is:retweet",
            }[mode]
        query = param(watch, self.spec, "query") or brand_query(watch.brand)
        if len(query) > MAX_QUERY:
            raise InvalidInput(
                f"The query has {len(query)} characters; X takes {MAX_QUERY}.", field="query"
            )
        return query

    def load(self, watch: Watch, at: Position, validators: Mapping[str, Mapping[str, str]]) -> Page:
        """Get one page through tweepy. Raises SourceError; InvalidInput for a query X refuses."""
        meter = Meter()
        client = self._client(watch, meter, at.now, background=at.background)
        below = at.below.at if at.below and at.resumed else None
        searched = param(watch, self.spec, "mode") not in SHOWN
        if searched and below is not None and below < at.now - WINDOW + _MARGIN:
            return _nothing(f"{_base(watch)}/2/tweets/search/recent", at.now)
        try:
            return self._load(client, watch, at, meter)
        except SourceError as error:
            error.requests = meter.requests
            raise

    def _load(self, client: Any, watch: Watch, at: Position, meter: Meter) -> Answer:
        mode = param(watch, self.spec, "mode")
        listed = mode in SHOWN
        user_id = self._user_id(client, watch, at) if listed else ""
        request = self.request(watch, at)
        asked = dict(request.params)
        window_from = _too_old_for(at) if not listed else None

        def ask() -> requests.Response:
            size = self._size(watch, request, mode, at)
            try:
                return self._ask(client, asked | {"max_results": size}, user_id, mode)
            except BudgetExhausted as error:
                # Another watch may have spent meanwhile, and still left something.
                less = self._size(watch, request, mode, at)
                if error.status is not None or less >= size:
                    raise
                return self._ask(client, asked | {"max_results": less}, user_id, mode)

        try:
            response = ask()
        except _MarkTooOld:
            window_from = at.now - WINDOW + _MARGIN
            asked |= {"since_id": None, "start_time": _stamp(window_from)}
            response = ask()
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
        passed = isinstance(page, Answer) and page.passed
        notices = [_error_text(error) for error in answer.get("errors", [])[:3]]
        if "meta" not in answer and notices:
            raise SourceGone(
                f"X has no such thing: {notices[0]}", hint="Check the watch's account."
            )
        meta = answer["meta"]
        rows = answer.get("data", [])
        if not rows and int(meta.get("result_count") or 0):
            raise KeyError("data")
        includes = answer.get("includes", {})
        users = {user["id"]: user for user in includes.get("users", [])}
        media = {one["media_key"]: one for one in includes.get("media", [])}
        mode = param(watch, self.spec, "mode")
        items = tuple(
            _item(row, users, media, watch.brand, own=mode == "posts")
            for row in rows
            # A retweet of a mention says nothing of its own; in a search the query decides.
            if not (mode in SHOWN and "retweeted" in _references(row))
        )
        times = {row["id"]: _written(row) for row in rows}
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
        cut_off = False
        if mode in SHOWN:
            walked = len(rows) + (0 if at.first else int(at.memory.get("walked") or 0))
            keep["walked"] = walked
            cut_off = not meta.get("next_token") and walked >= SHOWN[mode] * _ALMOST
        return Parsed(
            items=items,
            next_page=meta.get("next_token"),
            # ``since_id`` ends the walk by itself; the posts come down to the mark with the last
            # page, unless the listing ended because it shows no more than the newest.
            reached=False if passed or (cut_off and at.above) else None,
            newest=Mark(newest, times.get(newest)) if newest else None,
            oldest=Mark(oldest, times.get(oldest)) if oldest else None,
            gaps=tuple(gaps),
            notices=tuple(notices),
            keep=keep,
            keep_when_closed={"window_from": ""} | ({"walked": ""} if mode in SHOWN else {}),
        )

    # --- the filtered stream -----------------------------------------------------------------

    def collect(self, watch: Watch, state: State, *, now: datetime) -> Iterator[Batch]:
        """As every poller; in stream mode search closes the way from the last run, and then posts
        are taken as they are written.
        """
        yield from (
            super().collect(watch, state, now=now)
            if not self._streams(watch)
            else (self._search_and_stream(watch, state, now))
        )

    def _streams(self, watch: Watch) -> bool:
        return param(watch, self.spec, "mode") == "stream"

    def _search_and_stream(self, watch: Watch, state: State, now: datetime) -> Iterator[Batch]:
        complete = False
        for batch in super().collect(watch, state, now=now):
            state, complete = batch.state, batch.complete or batch.unchanged
            yield batch
        if not complete:
            return
        client = self._client(watch, Meter(), now)
        rules = f"{BUILT_IN}/2/tweets/search/stream/rules"
        tag = f"listener-{watch.id}"
        self._remove_rules(client, rules, tag)
        added = client.session.post(
            rules, json={"add": [{"value": self._query(watch), "tag": tag}]}
        )
        problems = [_error_text(error) for error in added.json().get("errors", [])]
        if problems:
            yield self._streamed((), state, now, notices=problems[:3])
            return
        try:
            yield from self._stream(watch, state, tag, now)
        finally:
            # A rule that stays would go on to be matched, and billed, for whoever connects next.
            self._remove_rules(client, rules, tag)

    def _stream(self, watch: Watch, state: State, tag: str, now: datetime) -> Iterator[Batch]:
        request = Request(
            url=f"{_base(watch)}/2/tweets/search/stream",
            params={
                "tweet.fields": ",".join(TWEET_FIELDS),
                "user.fields": ",".join(USER_FIELDS),
                "expansions": ",".join(EXPANSIONS),
                "media.fields": ",".join(MEDIA_FIELDS),
            },
            headers={"Authorization": f"Bearer {_token(watch)}"},
        )
        seconds = 60.0 * int(param(watch, self.spec, "minutes"))
        notices: list[str] = []
        items: list[RawItem] = []
        spent: BudgetExhausted | None = None
        tab = _Tab(self.net, purse(watch))
        try:
            with self.net.follow(on_account(request, watch), seconds=seconds, idle=_IDLE) as flow:
                flushed = time.monotonic()
                for line in flow.lines:
                    if line.strip():
                        items += self._read_line(line, watch, tag, tab, notices)
                    if items and time.monotonic() - flushed >= _FLUSH:
                        state = _moved(state, items)
                        yield self._streamed(items, state, now)
                        items, flushed = [], time.monotonic()
                    if notices:
                        break  # X has ended it: the next run closes the gap by search
        except RateLimited as error:
            notices.append(f"The stream is taken: {error.message}")
        except BudgetExhausted as error:
            spent = error  # what came before is paid for, and is kept
        except SourceUnavailable as error:
            notices.append(f"The stream broke off: {error.message}")
        finally:
            tab.close()
        yield self._streamed(items, _moved(state, items), now, notices=notices)
        if spent is not None:
            raise spent

    def _read_line(
        self, line: bytes, watch: Watch, tag: str, tab: _Tab, notices: list[str]
    ) -> list[RawItem]:
        """The post of a line, if it is one of this watch. Raises LayoutChanged, BudgetExhausted."""
        try:
            told = json.loads(line)
            if "data" not in told:
                notices.extend(_error_text(error) for error in told["errors"])
                return []
            includes = told.get("includes", {})
            tab.take(posts=1, users=len(includes.get("users", [])))
            if all(rule.get("tag") != tag for rule in told.get("matching_rules", [])):
                return []
            users = {user["id"]: user for user in includes.get("users", [])}
            media = {one["media_key"]: one for one in includes.get("media", [])}
            return [_item(told["data"], users, media, watch.brand)]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise LayoutChanged("X's stream answers in an unknown shape.") from error

    def _streamed(
        self,
        items: Sequence[RawItem],
        state: State,
        now: datetime,
        notices: Sequence[str] = (),
    ) -> Batch:
        # All up to the start of the run was searched before: each batch keeps that complete.
        return Batch(items=tuple(items), state=state, complete=True, notices=tuple(notices))

    def _remove_rules(self, client: Any, rules: str, tag: str) -> None:
        """Take the rules of this watch out of the stream, also what a killed run left."""
        told = client.session.get(rules).json()
        ids = [one["id"] for one in told.get("data") or [] if one.get("tag") == tag]
        if ids:
            client.session.post(rules, json={"delete": {"ids": ids}})

    # --- what it would cost, whether the account works, what became of posts -----------------

    def volume(self, watch: Watch, *, now: datetime) -> float | None:
        """Posts a day of the last week, by X's own count, which reads none. Raises SourceError."""
        client = self._client(watch, Meter(), now)
        try:
            answer = client.get_recent_tweets_count(self._query(watch), granularity="day").json()
            total = answer["meta"]["total_tweet_count"]
            return float(total) / (WINDOW / timedelta(days=1))
        except (KeyError, TypeError, ValueError) as error:
            raise LayoutChanged("X answers a count in an unknown shape.") from error

    def check_account(self, connection: Connection, *, now: datetime) -> str:
        """Ask what the account has used up, which costs nothing. Raises SourceError."""
        watch = Watch(
            id=0,
            source=self.spec.name,
            params={},
            match=MatchMode.TERMS,
            every=self.spec.every,
            connection=connection,
        )
        client = self._client(watch, Meter(), now)
        response = client.session.get(
            f"{BUILT_IN}/2/usage/tweets",
            headers={"User-Agent": self.net.settings.user_agent},
        )
        try:
            data = response.json()["data"]
            return f"{int(data['project_usage']):,} of {int(data['project_cap']):,} posts read"
        except (KeyError, TypeError, ValueError):
            return ""  # the token was accepted: that is what was asked

    def refresh(self, watch: Watch, items: Sequence[Kept], *, now: datetime) -> Iterator[Batch]:
        """Ask about stored posts again, where the watch wants to pay for it."""
        if param(watch, self.spec, "refresh") == "true":
            yield from super().refresh(watch, items, now=now)

    def ask_again(self, watch: Watch, items: Sequence[Kept], now: datetime) -> Request:
        """Look posts up by their ids."""
        return Request(
            url=f"{_base(watch)}/2/tweets",
            params={
                "ids": ",".join(item.external_id for item in items),
                "tweet.fields": ",".join(TWEET_FIELDS),
                "user.fields": ",".join(USER_FIELDS),
                "expansions": ",".join(EXPANSIONS),
                "media.fields": ",".join(MEDIA_FIELDS),
            },
            headers={"Authorization": f"Bearer {_token(watch)}"},
            expect="json",
            charge=_charge(len(items)),
            settle=_used,
        )

    def read_again(self, page: Page, watch: Watch, items: Sequence[Kept]) -> Parsed:
        """Posts as they are now. Those that are deleted, or no longer public, are gone."""
        answer = page.json
        if not isinstance(answer, dict) or not ("data" in answer or "errors" in answer):
            raise LayoutChanged("X answers a lookup in an unknown shape.", status=page.status)
        includes = answer.get("includes", {})
        users = {user["id"]: user for user in includes.get("users", [])}
        media = {one["media_key"]: one for one in includes.get("media", [])}
        own = param(watch, self.spec, "mode") == "posts"
        there = [_item(row, users, media, watch.brand, own=own) for row in answer.get("data", [])]
        asked = {item.external_id for item in items}
        gone = {
            str(error.get("resource_id") or error.get("value") or "")
            for error in answer.get("errors", [])
            if str(error.get("type", "")).rpartition("/")[2] in _GONE
        }
        lost = [RawItem(external_id=one, text="", deleted=True) for one in sorted(gone & asked)]
        return Parsed(items=(*there, *lost))

    # --- tweepy ------------------------------------------------------------------------------

    def _client(
        self, watch: Watch, meter: Meter, now: datetime, *, background: bool = False
    ) -> Any:
        token = _token(watch)
        import tweepy  # takes half a second, which only a run should pay

        # The placeholder goes no further: tweepy writes its headers into the debug log, so the real
        # token is put in by our adapter, and only for the base URL. It writes whole answers too,
        # and those may echo what they were sent.
        logging.getLogger("tweepy.client").setLevel(logging.INFO)
        client = tweepy.Client(
            bearer_token=_PLACEHOLDER, wait_on_rate_limit=False, return_type=_response_type()
        )
        client.user_agent = self.net.settings.user_agent
        client.session = self.net.session(
            account=str(watch.connection.id or watch.connection.name or ""),
            meter=meter,
            rewrite={BUILT_IN: _base(watch)},
            headers={"Authorization": f"Bearer {token}"},
            dress=_dress(watch, background=background),
        )

        def judge(response: requests.Response, **_: Any) -> None:
            _judge(response, now, token)

        client.session.hooks["response"].append(judge)
        return client

    def _size(self, watch: Watch, request: Request, mode: str, at: Position) -> int:
        """Posts to ask for: a whole page, or what the budget still has room for."""
        most = request.charge["post"]
        room = self.net.room(purse(watch), _EACH, background=at.background)
        return most if room is None else min(max(room, _LEAST.get(mode, 5)), most)

    def _ask(
        self, client: Any, asked: Mapping[str, Any], user_id: str, mode: str
    ) -> requests.Response:
        fields = {
            "tweet_fields": TWEET_FIELDS,
            "user_fields": USER_FIELDS,
            "expansions": EXPANSIONS,
            "media_fields": MEDIA_FIELDS,
        }
        given = {name: value for name, value in asked.items() if value is not None}
        response: requests.Response
        if user_id:
            if "next_token" in given:
                given["pagination_token"] = given.pop("next_token")
            listing = client.get_users_tweets if mode == "posts" else client.get_users_mentions
            response = listing(user_id, **given, **fields)
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


class _Tab:
    """Pays for what a stream brings unasked, a slice ahead."""

    def __init__(self, net: Net, purse: str) -> None:
        self._net, self._purse = net, purse
        self._receipt = net.spend(purse, _slice())
        self._used = {"post": 0, "user": 0}

    def take(self, *, posts: int, users: int) -> None:
        """Count what came. Raises BudgetExhausted when no further slice can be paid."""
        if self._used["post"] + posts > _SLICE or self._used["user"] + users > _SLICE:
            self.close()
            self._receipt = self._net.spend(self._purse, _slice())
        self._used["post"] += posts
        self._used["user"] += users

    def close(self) -> None:
        """Give back the rest of the slice."""
        self._net.settle(self._receipt, self._used)
        self._receipt = None
        self._used = {"post": 0, "user": 0}


def _slice() -> dict[str, int]:
    return {"post": _SLICE, "user": _SLICE}


def _moved(state: State, items: Sequence[RawItem]) -> State:
    """The state with the mark at the newest of these posts but for those of the last moments, as a
    stream does not keep their order.
    """
    tracks = cursors.load_lanes(state.cursor)
    track = tracks.get("")
    times = [item.published_at for item in items if item.published_at is not None]
    if track is None or not times:
        return state
    sure = [
        Mark(item.external_id, item.published_at)
        for item in items
        if item.published_at is not None and item.published_at <= max(times) - _DISORDER
    ]
    marks = [*sure, *([track.mark] if track.mark else [])]
    newest = max(marks, key=lambda mark: int(mark.id), default=None)
    if newest is None:
        return state
    return replace(state, cursor=cursors.dump_lanes({"": replace(track, mark=newest)}))


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


def _token(watch: Watch) -> str:
    """The bearer token of the connection. Raises AuthRejected."""
    token = watch.connection.credentials.get("bearer_token", "").strip()
    if not token:
        raise AuthRejected(
            "X needs a bearer token.",
            hint="Set LISTENER_X__BEARER_TOKEN, or the bearer token of the connection.",
        )
    return token


def _charge(posts: int) -> dict[str, int]:
    """What a page of posts uses up at most: each may bring an account of its own."""
    return {"calls": 1, "post": posts, "user": posts}


def _dress(watch: Watch, *, background: bool) -> Callable[[Request], Request]:
    """Give tweepy's requests their purse and charge."""

    def dress(request: Request) -> Request:
        parts = urlsplit(request.url)
        size = parse_qs(parts.query).get("max_results")
        charge = {"calls": 1}
        if size:
            charge = _charge(int(size[0]))
        elif "/users/by/" in parts.path:
            charge = {"calls": 1, "user": 1}
        elif parts.path.endswith("/counts/recent"):
            charge = {"calls": 1, "count": 1}
        asked = replace(request, charge=charge, settle=_used)
        return on_account(asked, watch, background=background)

    return dress


def _used(page: Page) -> dict[str, int]:
    """What an answer really used up: posts and accounts that came; a refusal costs nothing."""
    if page.status != 200:
        return {"calls": 1}
    if urlsplit(page.url).path.endswith("/counts/recent"):
        return {"calls": 1, "count": 1}
    answer = page.json
    rows, users = answer.get("data") or [], answer.get("includes", {}).get("users", [])
    if isinstance(rows, dict):
        return {"calls": 1, "user": 1 if "username" in rows else 0}
    return {"calls": 1, "post": len(rows), "user": len(users)}


def _user(watch: Watch, spec: SourceSpec) -> str:
    """The account that is watched. Raises InvalidInput."""
    given = param(watch, spec, "user")
    if not given and watch.brand and watch.brand.handles:
        given = watch.brand.handles[0]
    found = _HANDLE.match(given)
    if not found:
        raise InvalidInput(
            "This needs an account." if not given else f"{given!r} is no account of X.",
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


def _nothing(url: str, now: datetime) -> Answer:
    """The page for a place that X no longer searches: asking would only be refused."""
    return Answer(
        url=url,
        asked=url,
        status=200,
        headers={},
        body=b'{"meta": {"result_count": 0}}',
        now=now,
        requests=0,
        passed=True,
    )


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
    *,
    own: bool = False,
) -> RawItem:
    author_id = row.get("author_id", "")
    user = users.get(author_id, {})
    handle = user.get("username", "")
    parent = _references(row).get("replied_to")
    metrics = row.get("public_metrics", {})
    keys = row.get("attachments", {}).get("media_keys", [])
    links = (media.get(k, {}).get("url") or media.get(k, {}).get("preview_image_url") for k in keys)
    lang = row.get("lang", "")
    published_at = _written(row)
    shares = [metrics[name] for name in ("retweet_count", "quote_count") if name in metrics]
    return RawItem(
        external_id=row["id"],
        kind=Kind.COMMENT if parent else Kind.POST,
        url=f"https://x.com/{handle or 'i'}/status/{row['id']}",
        text=_unescaped(row.get("note_tweet", {}).get("text") or row["text"]),
        author=RawAuthor(
            native_id=author_id,
            handle=handle,
            name=user.get("name", ""),
            followers=user.get("public_metrics", {}).get("followers_count"),
            url=f"https://x.com/{handle}" if handle else None,
        )
        if author_id
        else None,
        published_at=published_at,
        published_precision=Precision.EXACT if published_at else Precision.NONE,
        language=None if lang in _NO_LANGUAGE else _OLD_CODES.get(lang, lang) or None,
        parent_id=parent,
        thread_id=row.get("conversation_id"),
        is_own=own or is_own(brand, handle),
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


def _written(row: Mapping[str, Any]) -> datetime | None:
    """When a post was written: as it says, else as its id does. Ids since November 2010 hold the
    milliseconds since 2010-11-04 in the bits above the 22nd.
    """
    if row.get("created_at"):
        return _time(row["created_at"])
    number = int(row["id"])
    if number < _FIRST_SNOWFLAKE:
        return None
    return datetime.fromtimestamp(((number >> 22) + _EPOCH_MS) / 1000, UTC)


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
