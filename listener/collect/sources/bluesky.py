"""Bluesky: search, mentions of an account, an account in full, or the whole network's stream."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
import unicodedata
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, ClassVar
from urllib.parse import urlencode, urlsplit

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

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
from listener.errors import (
    AuthRejected,
    Blocked,
    InvalidInput,
    LayoutChanged,
    SourceError,
    SourceGone,
    SourceUnavailable,
)
from listener.net.page import redact
from listener.net.retry import classify
from listener.types import (
    Batch,
    Brand,
    Credential,
    Engagement,
    Gap,
    GapReason,
    Kept,
    Kind,
    Param,
    Preset,
    Quota,
    RawAuthor,
    RawItem,
    SourceSpec,
    State,
    Watch,
)

HOME = "https://bsky.social"  # signs accounts in, and passes their questions on
OPEN = "https://api.bsky.app"  # answers without an account, as far as it likes
STREAM = "https://jetstream2.us-east.bsky.network"
SITE = "https://bsky.app"  # where people read
PAGE = 100
POSTS = "app.bsky.feed.post"

STREAM_SECONDS = 60.0  # of reading in one run; the rest is read by the next one
SILENCE = 10.0  # seconds; the whole network is never quiet for that long
REWIND = timedelta(seconds=5)  # a stream is joined a little earlier: events are not quite in order
PEEK = timedelta(minutes=3)  # of the stream, for a preview
KEPT_FOR = timedelta(minutes=1)  # a first event later than that: the server has forgotten some
ODD = 20  # events of a wrong shape, and none of the right one: the stream is not what it was
BATCH = 500  # items of the stream that are stored at once
MAX_MESSAGE = 1_000_000  # bytes; a post with all its parts is a few thousand

_ACTOR = re.compile(r"@?((?:[a-z0-9-]+\.)+[a-z]{2,}|did:[a-z]+:[\w.:%-]+)\Z", re.IGNORECASE)
_WORD = re.compile(r"\w+\Z")
_STALE = frozenset({"ExpiredToken", "InvalidToken", "AuthMissing", "AuthenticationRequired"})
_GONE = frozenset(
    {"AccountTakedown", "AccountDeactivated", "AccountSuspended", "BlockedActor", "BlockedByActor"}
)


class Bluesky(Poller):
    """Public posts of Bluesky.

    With an app password the account's server answers in full; without one the first page of a
    search is all there is. A post's time is what Bluesky itself sorts by: what its author's program
    says, unless that is later than Bluesky first saw it. Access tokens stay in this object's memory
    and are renewed when they run out.
    """

    lookback = timedelta(minutes=10)  # posts are indexed late at times
    refresh_size: ClassVar[int] = 25
    spec = SourceSpec(
        name="bluesky",
        title="Bluesky",
        title_ko="블루스카이",
        every=timedelta(minutes=10),
        kind=Kind.POST,
        base_url=HOME,
        needs_brand=True,
        params=(
            Param(
                name="mode",
                title="What to collect",
                title_ko="수집 방식",
                choices=("search", "mentions", "account", "jetstream"),
                default="search",
                example="search",
                help="search: 검색, mentions: 계정을 언급한 글, account: 한 계정의 글 전부,"
                " jetstream: 네트워크 전체의 새 글을 받아 브랜드 이름으로 거르기(계정 불필요)."
                " Search; posts that mention an account; all posts of an account; the stream of"
                " all new posts, filtered here by the brand's words (no account needed).",
            ),
            Param(
                name="query",
                title="Search words",
                title_ko="검색어",
                example='"Nuri Market"',
                help="비우면 브랜드의 이름·별칭·해시태그를 하나씩 찾습니다. jetstream에서는 쉼표로"
                " 구분한 낱말. Left out: the brand's words, one after another. For jetstream:"
                " words, separated by commas.",
            ),
            Param(
                name="account",
                title="Account",
                title_ko="계정",
                example="nurimarket.bsky.social",
                help="mentions·account 방식에서. 비우면 브랜드의 첫 계정입니다."
                " For mentions and account. Left out: the brand's first handle.",
            ),
        ),
        credentials=(
            Credential(
                name="identifier",
                title="Handle",
                required=False,
                help="예: nurimarket.bsky.social. The handle of any account of yours.",
            ),
            Credential(
                name="app_password",
                title="App password",
                required=False,
                help="설정 → 앱 비밀번호에서 만듭니다. 계정의 비밀번호를 쓰지 마세요."
                " From Settings, App passwords; never the account's own password.",
            ),
        ),
        cost="무료. Free.",
        limits="5분에 3,000회. 앱 비밀번호가 없으면 검색은 최근 100건만 보입니다."
        " 3,000 requests in 5 minutes; without an app password a search shows the newest 100.",
        terms="공개 글입니다. 삭제된 글은 여기서도 지웁니다."
        " Posts are public; what is deleted there is deleted here.",
        signup="https://bsky.app/settings/app-passwords",
        quotas=(
            Quota(
                unit="sessions",
                amount=300,
                title="Sign-ins a day",
                title_ko="하루 로그인 수",
            ),
        ),
        presets=(
            Preset(
                name="search",
                title="Posts that name a word",
                title_ko="낱말이 들어간 글",
                params={"mode": "search", "query": "{word}"},
                word="Word",
                word_ko="낱말",
                example="누리마켓",
            ),
            Preset(
                name="stream",
                title="Every new post that names the brand",
                title_ko="브랜드를 말하는 모든 새 글",
                params={"mode": "jetstream"},
            ),
        ),
    )

    def __init__(self, net: Any) -> None:
        super().__init__(net)
        self._tokens: dict[tuple[str, ...], str] = {}
        self._lock = threading.Lock()

    def lanes(self, watch: Watch) -> Sequence[str]:
        """One for each search; the stream is no walk and has none."""
        mode = param(watch, self.spec, "mode")
        if mode == "jetstream":
            return ()
        if mode == "search":
            return _queries(param(watch, self.spec, "query"), watch.brand)
        return (f"@{self._actor(watch)}",)

    def request(self, watch: Watch, at: Position) -> Request:
        """Ask for a page of posts, newest first; ``load`` puts the access token in."""
        mode = param(watch, self.spec, "mode")
        params: dict[str, str | int | None] = {"limit": PAGE}
        if mode == "account":
            call = "app.bsky.feed.getAuthorFeed"
            params |= {"actor": self._actor(watch), "filter": "posts_with_replies"}
            params["cursor"] = at.token
        else:
            call = "app.bsky.feed.searchPosts"
            if mode == "mentions":
                params |= {"q": "*", "mentions": self._actor(watch)}
            else:
                params["q"] = at.lane
            params |= {"sort": "latest", **_place(at, signed_in=_login(watch) is not None)}
        return Request(
            url=f"{_base(watch)}/xrpc/{call}",
            params=params,
            expect="json",
            accept=frozenset({400, 401, 403}),
        )

    def load(self, watch: Watch, at: Position, validators: Mapping[str, Mapping[str, str]]) -> Page:
        """Get a page, signed in where there is an app password. Raises SourceError."""
        request = on_account(self.request(watch, at), watch, background=at.background)
        page = self._ask(request, watch)
        if page.status == 403 and at.token and _login(watch) is None:
            return page  # what ``parse`` makes a gap of
        if page.status >= 400:
            raise _refusal(page, watch)
        return page

    def parse(self, page: Page, watch: Watch, at: Position) -> Parsed:
        """Read the posts of one page."""
        if page.status == 403:
            return Parsed(
                items=(),
                reached=False,
                notices=(
                    "Without an app password Bluesky shows the newest 100 posts of a search only;"
                    " with one it shows all.",
                ),
            )
        answer = page.json
        account = param(watch, self.spec, "mode") == "account"
        if account:
            views = [row["post"] for row in answer["feed"] if not row.get("reason")]
            rows = answer["feed"]
        else:
            views = rows = answer["posts"]
        items = tuple(_item(view, watch, own=account) for view in views)
        marks = [Mark(item.external_id, min(item.published_at or at.now, at.now)) for item in items]
        return Parsed(
            items=items,
            next_page=answer.get("cursor") if rows else None,
            newest=cursors.newest(marks),
            oldest=marks[-1] if marks else None,
        )

    def collect(self, watch: Watch, state: State, *, now: datetime) -> Iterator[Batch]:
        """Walk the searches down, or read the stream from where it was left."""
        if param(watch, self.spec, "mode") == "jetstream":
            yield from self._stream(watch, state, now)
        else:
            yield from super().collect(watch, state, now=now)

    def peek(self, watch: Watch, *, now: datetime, lanes: int) -> Iterator[Batch]:
        """What a watch would bring; of the stream, what the last minutes had."""
        if param(watch, self.spec, "mode") == "jetstream":
            state = State(cursor={"time_us": _micros(now - PEEK)})
            yield from self._stream(watch, state, now)
        else:
            yield from super().peek(watch, now=now, lanes=lanes)

    def ask_again(self, watch: Watch, items: Sequence[Kept], now: datetime) -> Request:
        """Ask for posts by their addresses."""
        query = urlencode([("uris", item.external_id) for item in items])
        url = f"{_base(watch)}/xrpc/app.bsky.feed.getPosts?{query}"
        request = on_account(Request(url=url), watch, background=True)
        headers = {}
        if _login(watch) is not None:
            headers["Authorization"] = f"Bearer {self._token(watch, request)[0]}"
        return replace(request, headers=headers, expect="json", accept=frozenset({400, 401, 403}))

    def read_again(self, page: Page, watch: Watch, items: Sequence[Kept]) -> Parsed:
        """The posts as they are; one that is not given any more was deleted or taken down."""
        if page.status >= 400:
            self._forget(watch)  # the next round signs in anew
            raise _refusal(page, watch)
        account = param(watch, self.spec, "mode") == "account"
        found = {view["uri"]: _item(view, watch, own=account) for view in page.json["posts"]}
        gone = [item.external_id for item in items if item.external_id not in found]
        if len(gone) == len(items) > 3:
            # So many at once are rather a fault of the server than people's doing.
            return Parsed(items=(), suspect="Bluesky knows none of the posts any more.")
        deleted = [RawItem(external_id=uri, text="", deleted=True) for uri in gone]
        return Parsed(items=(*found.values(), *deleted))

    # --- signing in ----------------------------------------------------------------------------

    def _ask(self, request: Request, watch: Watch) -> Page:
        """Fetch, with a token that is renewed once when the server calls it stale."""
        if _login(watch) is None:
            return self.net.fetch(request)
        spent = 0
        for last in (False, True):
            try:
                token, asked = self._token(watch, request)
                spent += asked
                page = self.net.fetch(
                    replace(request, headers={"Authorization": f"Bearer {token}"})
                )
            except SourceError as error:
                error.requests += spent
                raise
            spent += page.requests
            if last or page.status not in (400, 401) or _said(page)[0] not in _STALE:
                return replace(page, requests=spent)
            self._forget(watch, token)
        raise AssertionError("the second answer is returned")

    def _token(self, watch: Watch, like: Request) -> tuple[str, int]:
        """The access token of the watch's account, and what getting it took in requests."""
        login = _login(watch) or ("", "")
        with self._lock:
            known = self._tokens.get(_key(watch))
            if known is not None:
                return known, 0
            # Under the lock, so that several watches of an account sign in once: there are few
            # sign-ins a day.
            page = self.net.fetch(
                replace(
                    like,
                    url=f"{_base(watch)}/xrpc/com.atproto.server.createSession",
                    params={},
                    method="POST",
                    headers={"Content-Type": "application/json"},
                    body=json.dumps({"identifier": login[0], "password": login[1]}).encode(),
                    expect="json",
                    accept=frozenset({400, 401, 403}),
                    charge={"calls": 1, "sessions": 1},
                )
            )
            told = page.json if page.status < 400 else None
            token = told.get("accessJwt") if isinstance(told, dict) else None
            if page.status < 400 and not token:
                error: SourceError = LayoutChanged(
                    "Bluesky answers a sign-in in an unknown shape: 'accessJwt' is missing."
                )
            elif page.status >= 400:
                error = _not_signed_in(page)
            else:
                self._tokens[_key(watch)] = str(token)
                return str(token), page.requests
            error.requests = page.requests
            raise error

    def _forget(self, watch: Watch, token: str | None = None) -> None:
        """Drop a token, unless another thread has renewed it already."""
        with self._lock:
            if token is None or self._tokens.get(_key(watch)) == token:
                self._tokens.pop(_key(watch), None)

    def _actor(self, watch: Watch) -> str:
        """The account that is watched. Raises InvalidInput."""
        given = param(watch, self.spec, "account")
        if not given and watch.brand and watch.brand.handles:
            given = watch.brand.handles[0]
        found = _ACTOR.match(given.strip())
        if not found:
            raise InvalidInput(
                f"{given[:80]!r} is no account of Bluesky." if given else "No account is given.",
                field="account",
                hint="For example: account=nurimarket.bsky.social",
            )
        return found[1]

    # --- the stream ------------------------------------------------------------------------------

    def _stream(self, watch: Watch, state: State, now: datetime) -> Iterator[Batch]:
        """Read from where the last run stopped up to the start of this one.

        The first run begins now. Deletions of all posts are passed on: the store knows which were
        ours. Raises SourceError after what was read before.
        """
        words = _stream_words(param(watch, self.spec, "query"), watch.brand)
        target = _micros(now)
        known = state.cursor.get("time_us")
        since = int(known) if isinstance(known, int) else target
        items: list[RawItem] = []
        gaps: tuple[Gap, ...] = ()
        reached, requests, first = since, 1, True
        sound = odd = 0

        def batch(*, complete: bool = False, notices: tuple[str, ...] = ()) -> Batch:
            return Batch(
                items=tuple(items),
                state=State(cursor={"time_us": reached}),
                complete=complete,
                gaps=gaps,
                notices=notices,
                requests=requests,
            )

        try:
            with contextlib.closing(self._events(watch, since - _in_micros(REWIND))) as events:
                for event in events:
                    at = int(event["time_us"])
                    if first and known is not None:
                        gaps = _forgotten(since, at)
                    first = False
                    reached = max(reached, min(at, target))
                    if at >= target:
                        yield batch(complete=True)
                        return
                    try:
                        item = _streamed(event, words, watch)
                        sound += 1
                    except (KeyError, TypeError, AttributeError, ValueError):
                        # Anybody's server may send records of any shape; all of them being odd
                        # is another matter.
                        odd += 1
                        if odd >= ODD and not sound:
                            raise
                        continue
                    if item is not None:
                        items.append(item)
                    if len(items) >= BATCH:
                        yield batch()
                        items, gaps, requests = [], (), 0
        except SourceError as error:
            error.requests = requests
            if items or gaps:
                yield batch()
                error.requests = 0
            raise
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise LayoutChanged(
                f"Jetstream answers in an unknown shape ({type(error).__name__}).",
                hint="The source may have changed; a newer version of Listener may know it.",
            ) from error
        note = f"The stream was read for {STREAM_SECONDS:g} s; the next run goes on from there."
        yield batch(notices=(note,))

    def _events(self, watch: Watch, cursor: int) -> Generator[dict[str, Any], None, None]:
        """The events of posts from a moment (µs) on, for a while. Raises SourceError."""
        base = (watch.connection.base_url or HOME).rstrip("/")
        base = STREAM if base == HOME else base
        query = urlencode({"wantedCollections": POSTS, "cursor": cursor})
        host = urlsplit(base).netloc
        ends = float("inf")
        room = self.net.settings.max_response_bytes * self.net.settings.max_pages
        try:
            with self._connection(watch, f"{base}/subscribe?{query}") as stream:
                ends = time.monotonic() + STREAM_SECONDS
                while (left := ends - time.monotonic()) > 0 and room > 0:
                    message = stream.recv(timeout=min(SILENCE, left))
                    room -= len(message)
                    yield json.loads(message)
        except TimeoutError as error:
            if time.monotonic() >= ends:
                return
            raise SourceUnavailable(f"{host} fell silent before it came to the present.") from error
        except InvalidStatus as error:
            raise _not_streamed(error, host, self.net.now()) from error
        except (ConnectionClosed, WebSocketException, OSError) as error:
            raise SourceUnavailable(
                f"The stream of {host} broke off ({type(error).__name__})."
            ) from error

    @contextlib.contextmanager
    def _connection(self, watch: Watch, url: str) -> Iterator[ClientConnection]:
        """A web socket over a connection that the guard let through. Raises SourceError."""
        plain = self.net.stream(url, account=str(watch.connection.id or ""))
        target = self.net.guard.check_url(url)
        path = url.partition("://")[2].partition("/")[2]
        try:
            # "ws" even over TLS, which our own connection has begun already.
            with connect(
                f"ws://{target.netloc}/{path}",
                sock=plain.sock,
                proxy=None,
                user_agent_header=self.net.settings.user_agent,
                open_timeout=self.net.settings.request_timeout,
                close_timeout=1,
                ping_interval=None,  # a pause while a batch is stored is no fault
                max_size=MAX_MESSAGE,
            ) as stream:
                yield stream
        finally:
            plain.close()


# --- what is asked -----------------------------------------------------------------------------


def _login(watch: Watch) -> tuple[str, str] | None:
    """Handle and app password, where both are given."""
    given = watch.connection.credentials
    pair = (given.get("identifier", "").strip().lstrip("@"), given.get("app_password", "").strip())
    return pair if all(pair) else None


def _key(watch: Watch) -> tuple[str, ...]:
    """Under what a token is kept: server and account, and that the password is still the same."""
    identifier, password = _login(watch) or ("", "")
    return _base(watch), identifier, blake2b(password.encode(), digest_size=16).hexdigest()


def _base(watch: Watch) -> str:
    """The server: as set, else the account's, else the one that answers anybody."""
    base = (watch.connection.base_url or HOME).rstrip("/")
    return OPEN if base == HOME and _login(watch) is None else base


def _place(at: Position, *, signed_in: bool) -> dict[str, str | None]:
    """Where the next page lies. A cursor counts from the newest post, so that one of an earlier run
    leads elsewhere by now; a moment does not.
    """
    if at.resumed and signed_in and at.below and at.below.at:
        until = at.below.at + timedelta(milliseconds=1)
        stamp = until.astimezone(UTC).isoformat(timespec="milliseconds")
        return {"until": stamp.replace("+00:00", "Z")}
    return {"cursor": at.token}


def _queries(given: str, brand: Brand | None) -> list[str]:
    """The search that was given, or one for each word of the brand. Raises InvalidInput."""
    if given:
        return [given]
    found: dict[str, str] = {}
    if brand:
        for word in (brand.name, *brand.aliases, *brand.any_terms):
            found.setdefault(_squashed(word), _quoted(word))
        for tag in brand.hashtags:  # a search for a word finds it in hashtags too
            found.setdefault(_squashed(tag), f"#{tag.lstrip('#')}")
    found.pop("", None)
    if not found:
        raise InvalidInput("Bluesky needs a query, or a brand to make one of.", field="query")
    return list(found.values())


def _quoted(word: str) -> str:
    word = " ".join(word.replace('"', " ").split())
    return word if _WORD.match(word) else f'"{word}"'


def _stream_words(given: str, brand: Brand | None) -> list[str]:
    """What a post of the stream must contain, any of it. Raises InvalidInput."""
    words = given.split(",") if given else []
    if not words and brand:
        words = [brand.name, *brand.aliases, *brand.any_terms, *brand.hashtags, *brand.handles]
    found = [word for word in map(_squashed, words) if word]
    if not found:
        raise InvalidInput("The stream needs words to filter by, or a brand.", field="query")
    return found


def _squashed(text: str) -> str:
    """Letters and digits alone, in one case: matching proper comes later, and must find all of its
    own in what is let through here.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(sign for sign in folded if sign.isalnum())


# --- what is answered --------------------------------------------------------------------------


def _item(view: Mapping[str, Any], watch: Watch, *, own: bool = False) -> RawItem:
    """A post as the API shows it."""
    author = view["author"]
    handle = str(author.get("handle") or "")
    known = handle and handle != "handle.invalid"
    shares = [view[name] for name in ("repostCount", "quoteCount") if view.get(name) is not None]
    return _post(
        view["uri"],
        view["record"],
        _time(view.get("indexedAt")),
        RawAuthor(
            native_id=author["did"],
            handle=handle if known else "",
            name=author.get("displayName") or "",
            url=f"{SITE}/profile/{handle if known else author['did']}",
        ),
        is_own=own or is_own(watch.brand, handle),
        media=tuple(_media(view.get("embed") or {})),
        engagement=Engagement(
            likes=view.get("likeCount"),
            replies=view.get("replyCount"),
            shares=sum(shares) if shares else None,
        ),
        raw=view,
    )


def _post(
    uri: str, record: Mapping[str, Any], seen_at: datetime | None, author: RawAuthor, **more: Any
) -> RawItem:
    """A post's own record, what its author's program wrote, and ``more`` of the item's fields."""
    reply = record.get("reply") or {}
    parent = (reply.get("parent") or {}).get("uri")
    languages = record.get("langs") or [None]
    return RawItem(
        external_id=uri,
        kind=Kind.COMMENT if parent else Kind.POST,
        url=f"{author.url}/post/{uri.rpartition('/')[2]}",
        text=record["text"],
        author=author,
        published_at=_published(record.get("createdAt"), seen_at),
        language=languages[0],
        parent_id=parent or _quoted_post(record.get("embed") or {}),
        thread_id=(reply.get("root") or {}).get("uri") or parent,
        **more,
    )


def _published(written: str | None, seen_at: datetime | None) -> datetime | None:
    """The earlier of when a post says it was written and when Bluesky saw it first.

    That is Bluesky's own order (``sortAt``): a date in the future is a lie, one long past may be an
    archive that was brought along, and is no news of today.
    """
    told = _time(written)
    if told is None or seen_at is None:
        return told or seen_at
    return min(told, seen_at)


def _time(text: object) -> datetime | None:
    """A moment as records tell it; None for what is none, or lies before there were computers."""
    try:
        moment = datetime.fromisoformat(str(text))
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year >= 1990 else None


def _quoted_post(embed: Mapping[str, Any]) -> str | None:
    """The post that is quoted, alone or beside pictures."""
    record = embed.get("record") or {}
    record = record.get("record") or record
    uri = str(record.get("uri") or "")
    return uri if f"/{POSTS}/" in uri else None


def _media(embed: Mapping[str, Any]) -> Iterable[str]:
    """Pictures, and the still of a video; those of quoted posts and of links are not its own."""
    embed = embed.get("media") or embed
    for image in embed.get("images") or ():
        link = image.get("fullsize") or image.get("thumb")
        if link:
            yield str(link)
    if embed.get("thumbnail"):
        yield str(embed["thumbnail"])


def _streamed(event: Mapping[str, Any], words: Sequence[str], watch: Watch) -> RawItem | None:
    """What an event of the stream says: a post with one of the words, a deletion, or nothing."""
    commit = event.get("commit") or {}
    if event.get("kind") != "commit" or commit["collection"] != POSTS:
        return None
    did = event["did"]
    uri = f"at://{did}/{POSTS}/{commit['rkey']}"
    if commit["operation"] == "delete":
        return RawItem(external_id=uri, text="", deleted=True)
    record = commit["record"]
    text = _squashed(record["text"])
    if not any(word in text for word in words):
        return None
    author = RawAuthor(native_id=did, url=f"{SITE}/profile/{did}")
    seen_at = datetime.fromtimestamp(int(event["time_us"]) / 1e6, UTC)
    own = is_own(watch.brand, did)
    return _post(uri, record, seen_at, author, is_own=own, raw=event)


def _forgotten(since: int, first: int) -> tuple[Gap, ...]:
    """What the server does not keep any more, when its first event is much later than asked for."""
    if first - since <= _in_micros(KEPT_FOR):
        return ()
    return (
        Gap(
            from_at=datetime.fromtimestamp(since / 1e6, UTC),
            to_at=datetime.fromtimestamp(first / 1e6, UTC),
            why=GapReason.WINDOW,
            detail="Jetstream keeps about a day.",
        ),
    )


def _micros(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)


def _in_micros(length: timedelta) -> int:
    return length // timedelta(microseconds=1)


# --- refusals ----------------------------------------------------------------------------------


def _said(page: Page) -> tuple[str, str]:
    """Name and message of an error, empty where it has none."""
    try:
        data = json.loads(page.text)
    except ValueError:
        return "", ""
    data = data if isinstance(data, dict) else {}
    return str(data.get("error") or ""), str(data.get("message") or "")[:200]


def _refusal(page: Page, watch: Watch) -> SourceError:
    """A refusal of a question, in words."""
    name, message = _said(page)
    error: SourceError | None
    if name in _GONE or "profile not found" in message.lower():
        error = SourceGone(
            f'Bluesky does not show this account: "{message or name}"',
            hint="Check the spelling; it may be suspended or deactivated.",
            status=page.status,
        )
    elif name in _STALE and _login(watch) is not None:
        error = AuthRejected(
            f'Bluesky does not accept the access token it gave us: "{message or name}"',
            hint="Check that the account is active and the app password still exists.",
            status=page.status,
        )
    elif page.status == 403 and _login(watch) is None:
        error = AuthRejected(
            "Bluesky does not let us ask without an account (HTTP 403).",
            hint="Give the connection a handle and an app password (Settings, App passwords), or"
            " use mode=jetstream.",
            status=page.status,
        )
    else:
        error = classify(
            page.status, page.headers, page.body, page.now, url=redact(page.url)
        ) or LayoutChanged("Bluesky answers in an unknown way.", status=page.status)
    error.requests = page.requests
    return error


def _not_signed_in(page: Page) -> SourceError:
    name, message = _said(page)
    told = f': "{message}"' if message else "."
    if page.status == 403 and not name:
        return Blocked(f"Bluesky refuses the sign-in (HTTP 403){told}", status=page.status)
    hint = "Make an app password under Settings, App passwords, and check the handle."
    if name == "AuthFactorTokenRequired":
        hint = "The account asks for a code as well: use an app password instead of its own one."
    return AuthRejected(
        f"Bluesky does not accept the handle and app password{told}", hint=hint, status=page.status
    )


def _not_streamed(error: InvalidStatus, host: str, now: datetime) -> SourceError:
    """A stream that was refused with an HTTP status."""
    response = error.response
    found = classify(
        response.status_code,
        dict(response.headers.raw_items()),
        bytes(response.body or b""),
        now,
        url=host,
    )
    return found or SourceUnavailable(
        f"{host} opens no stream (HTTP {response.status_code}).", status=response.status_code
    )
