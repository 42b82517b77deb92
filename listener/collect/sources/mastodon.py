"""Mastodon and what speaks its API: posts under hashtags, full-text search, accounts in full."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

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
from listener.errors import AuthRejected, InvalidInput, LayoutChanged, SourceError, SourceGone
from listener.types import (
    Brand,
    Credential,
    Engagement,
    Kind,
    Param,
    Preset,
    RawAuthor,
    RawItem,
    SourceSpec,
    Watch,
)

HOME = "https://mastodon.social"
PAGE = 40  # statuses a page, the most that timelines give
TAGS_AT_ONCE = 5  # one in the path and four in any[]; Mastodon passes over what is more
_PUBLIC = frozenset({"public", "unlisted"})
_NEXT = re.compile(r'<([^<>]*)>\s*;[^,<]*\brel="?next"?')
_TAG = re.compile(r"[\w·・]+\Z")
_ACCOUNT = re.compile(r"@?([\w.-]+)(?:@([\w.-]+(?::\d+)?))?\Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One list of statuses on one instance: hashtags, a search, or an account's posts.

    ``home`` = the access token belongs to this server.
    """

    base: str
    tags: tuple[str, ...] = ()
    query: str = ""
    account: str = ""
    home: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Page):
    """A page of an account's statuses, with the account's id on that instance."""

    account_id: str = ""


class Mastodon(Poller):
    """Public statuses of one or more instances; each instance, and each search, is a lane.

    Ids are only valid on one instance, so a status is known by its ``uri``, which is the same
    everywhere. Timelines are in the order of when a status was written, not of when it arrived from
    elsewhere: hence the look-back, and hence no ``min_id``, which would pass over late ones.
    """

    conditional = True
    lookback = timedelta(minutes=30)
    apart = True
    spec = SourceSpec(
        name="mastodon",
        title="Mastodon",
        title_ko="마스토돈",
        every=timedelta(minutes=10),
        kind=Kind.POST,
        base_url=HOME,
        needs_brand=True,
        first=True,
        params=(
            Param(
                name="mode",
                title="What to collect",
                title_ko="수집 방식",
                choices=("tag", "search", "account"),
                default="tag",
                example="tag",
                help="tag: 해시태그가 달린 글, search: 본문 검색(토큰 필요), account: 한 계정의 글"
                " 전부. Posts under hashtags; full-text search (needs a token); all posts of an"
                " account.",
            ),
            Param(
                name="instances",
                title="Instances",
                title_ko="인스턴스",
                default="mastodon.social",
                example="mastodon.social, planet.moe",
                help="쉼표로 여러 개. 같은 글이 여러 곳에 보여도 한 번만 셉니다."
                " Hosts, separated by commas; a post seen on several counts once.",
            ),
            Param(
                name="tags",
                title="Hashtags",
                title_ko="해시태그",
                example="누리마켓, nurimarket",
                help="비우면 브랜드의 해시태그, 없으면 이름과 별칭입니다."
                " Left out: the brand's hashtags, or its names without spaces.",
            ),
            Param(
                name="query",
                title="Search query",
                title_ko="검색어",
                example='"Nuri Market"',
                help="search 방식에서. 비우면 브랜드의 이름과 별칭을 하나씩 찾습니다."
                " For search. Left out: the brand's names and aliases, one after another.",
            ),
            Param(
                name="account",
                title="Account",
                title_ko="계정",
                example="@nurimarket@mastodon.social",
                help="account 방식에서. 비우면 브랜드의 첫 계정입니다."
                " For account. Left out: the brand's first handle.",
            ),
        ),
        credentials=(
            Credential(
                name="access_token",
                title="Access token",
                required=False,
                help="첫 번째 인스턴스의 토큰(read:statuses, read:search)."
                " Of the first instance, and sent to that one only.",
            ),
        ),
        cost="무료. Free.",
        limits="인스턴스마다 5분에 300회, 한 번에 40건."
        " 300 requests in 5 minutes and instance, 40 posts each.",
        terms="공개 글만 저장합니다. 인스턴스의 규칙을 따르세요."
        " Only public posts are stored; mind the rules of the instance.",
        signup="https://mastodon.social/settings/applications",
        presets=(
            Preset(
                name="tag",
                title="Posts under a hashtag",
                title_ko="해시태그가 달린 글",
                params={"mode": "tag", "tags": "{word}"},
                word="Hashtag",
                word_ko="해시태그",
                example="누리마켓",
            ),
            Preset(
                name="account",
                title="An account in full",
                title_ko="한 계정의 글 전부",
                params={"mode": "account", "account": "{word}"},
                word="Account",
                word_ko="계정",
                example="@nurimarket@mastodon.social",
            ),
        ),
    )

    def lanes(self, watch: Watch) -> Sequence[str]:
        """One for each instance and what is asked of it."""
        return tuple(self._listings(watch))

    def request(self, watch: Watch, at: Position) -> Request:
        """Ask for a page of statuses, newest first; ``load`` puts the account's id in."""
        listing = self._listing(watch, at.lane)
        params: dict[str, str | int | None] = {"limit": PAGE}
        if listing.query:
            url = f"{listing.base}/api/v2/search"
            params |= {"q": listing.query, "type": "statuses", "resolve": "false"}
            params["offset"] = at.token
        elif listing.account:
            known = str((at.memory.get("account") or {}).get("id", ":id"))
            url = f"{listing.base}/api/v1/accounts/{quote(known, safe=':')}/statuses"
            params |= {"exclude_reblogs": "true", "max_id": at.token}
        else:
            first, *more = listing.tags
            url = f"{listing.base}/api/v1/timelines/tag/{quote(first, safe='')}"
            url += "".join(
                f"{'&' if index else '?'}any[]={quote(tag, safe='')}"
                for index, tag in enumerate(more)
            )
            params["max_id"] = at.token
        return Request(
            url=url,
            params=params,
            headers=_login(watch, listing),
            expect="json",
            accept=frozenset({401, 422}),
        )

    def load(self, watch: Watch, at: Position, validators: Mapping[str, Mapping[str, str]]) -> Page:
        """Get a page; for an account, find its id first. Raises AuthRejected, SourceGone."""
        listing = self._listing(watch, at.lane)
        if not listing.account:
            return super().load(watch, at, validators)
        known = at.memory.get("account") or {}
        asked = 0
        if known.get("name") != listing.account:
            found = self._lookup(watch, listing, at)
            asked = found.requests
            known = {"name": listing.account, "id": str(found.json["id"])}
        there = replace(at, memory={**at.memory, "account": known})
        try:
            page = super().load(watch, there, validators)
        except SourceError as error:
            error.requests += asked
            if error.status not in (404, 410):
                raise
            raise _no_account(listing, error.requests, error.status) from error
        told = {name: getattr(page, name) for name in Page.__dataclass_fields__}
        return Answer(**{**told, "requests": page.requests + asked, "account_id": known["id"]})

    def parse(self, page: Page, watch: Watch, at: Position) -> Parsed:
        """Read the statuses: a list, or the one within the answer of a search."""
        listing = self._listing(watch, at.lane)
        if page.status in (401, 422):
            raise _closed(listing, watch, page)
        rows = page.json["statuses"] if listing.query else page.json
        if not isinstance(rows, list):
            raise TypeError(type(rows))
        places = _uris(rows)
        items = tuple(
            self._item(row, places, listing, watch) for row in rows if _is_public_and_own(row)
        )
        times = [
            Mark(row["uri"], min(_time(row["created_at"]), at.now)) for row in rows if row["uri"]
        ]
        # A server that answers every offset with the same page leads nowhere.
        repeated = bool(at.below and times and at.below.id == times[-1].id)
        account_id = page.account_id if isinstance(page, Answer) else ""
        return Parsed(
            items=items,
            next_page=None if repeated else _next(page, rows, at, listing),
            newest=max(times, key=lambda mark: mark.at or at.now, default=None),
            oldest=times[-1] if times else None,
            keep={"account": {"name": listing.account, "id": account_id}} if account_id else {},
        )

    def _lookup(self, watch: Watch, listing: Listing, at: Position) -> Page:
        """Ask for an account by its name. Raises SourceGone when there is none."""
        request = Request(
            url=f"{listing.base}/api/v1/accounts/lookup",
            params={"acct": listing.account},
            headers=_login(watch, listing),
            expect="json",
            accept=frozenset({401, 404, 410, 422}),
        )
        page = self.net.fetch(on_account(request, watch, background=at.background))
        if page.status in (401, 422):
            raise _closed(listing, watch, page)
        if page.status in (404, 410):
            raise _no_account(listing, page.requests, page.status)
        if not isinstance(page.json, dict) or not page.json.get("id"):
            raise _unknown_account(page)
        return page

    def _listing(self, watch: Watch, lane: str) -> Listing:
        found = self._listings(watch).get(lane)
        if found is None:
            raise SourceGone(f"The watch no longer asks for {lane!r}.")
        return found

    def _listings(self, watch: Watch) -> dict[str, Listing]:
        """What is asked of which instance, by the lane's name. Raises InvalidInput."""
        mode = param(watch, self.spec, "mode")
        bases = _bases(param(watch, self.spec, "instances"), watch)
        if mode == "account":
            return _account(param(watch, self.spec, "account"), watch, bases)
        found: dict[str, Listing] = {}
        for base in bases:
            home, host = base == bases[0], urlsplit(base).netloc
            if mode == "search":
                for query in _queries(param(watch, self.spec, "query"), watch.brand):
                    found[f"{host} {query}"] = Listing(base=base, query=query, home=home)
                continue
            tags = _tags(param(watch, self.spec, "tags"), watch.brand)
            for start in range(0, len(tags), TAGS_AT_ONCE):
                some = tags[start : start + TAGS_AT_ONCE]
                name = " ".join([host, *(f"#{tag}" for tag in some)])
                found[name] = Listing(base=base, tags=tuple(some), home=home)
        return found

    def _item(
        self, row: Mapping[str, Any], places: Mapping[str, str], listing: Listing, watch: Watch
    ) -> RawItem:
        account = row["account"]
        acct = str(account["acct"])
        local = "@" not in acct
        host = urlsplit(account.get("url") or row["uri"]).netloc
        handle = f"{acct}@{host}" if local else acct
        parent = places.get(str(row.get("in_reply_to_id") or ""))
        warning = row.get("spoiler_text") or ""
        return RawItem(
            external_id=row["uri"],
            kind=Kind.COMMENT if row.get("in_reply_to_id") else Kind.POST,
            url=row.get("url") or row["uri"],
            title=html.escape(warning, quote=False) or None,
            text=row["content"],
            html=True,
            author=RawAuthor(
                native_id=account.get("url") or handle,
                handle=handle,
                name=account.get("display_name") or account.get("username") or "",
                followers=account.get("followers_count"),
                url=account.get("url"),
            ),
            published_at=_time(row["created_at"]),
            language=row.get("language"),
            parent_id=parent,
            thread_id=_root(row, places),
            # A handle without a host means the watched instance: elsewhere it may be anybody's.
            is_own=bool(listing.account) or is_own(watch.brand, acct, handle),
            media=tuple(_media(row.get("media_attachments") or ())),
            engagement=Engagement(
                likes=row.get("favourites_count"),
                replies=row.get("replies_count"),
                shares=row.get("reblogs_count"),
            ),
            raw=row,
        )


# --- what is asked -----------------------------------------------------------------------------


def _bases(instances: str, watch: Watch) -> list[str]:
    """The addresses of the instances; the connection's own address stands for all bare hosts."""
    given = (watch.connection.base_url or HOME).rstrip("/")
    found: list[str] = []
    for name in re.split(r"[,\s]+", instances.strip()):
        if not name:
            continue
        base = name if "://" in name else f"https://{name.lstrip('@')}"
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidInput(
                f"{name[:80]!r} is no instance.",
                field="instances",
                hint="For example: instances=mastodon.social",
            )
        if "://" not in name and given != HOME:
            base = given
        found.append(base.rstrip("/"))
    return list(dict.fromkeys(found)) or [given]


def _tags(given: str, brand: Brand | None) -> list[str]:
    """Hashtags as the API wants them, without '#'. Raises InvalidInput."""
    words = re.split(r"[,\s]+", given.strip()) if given else list(brand.hashtags) if brand else []
    if not words and brand:
        # A hashtag holds no spaces and no signs: "Nuri Market" is #NuriMarket.
        words = [re.sub(r"\W+", "", name) for name in (brand.name, *brand.aliases)]
    tags = list(_once(word.lstrip("#") for word in words))
    wrong = next((tag for tag in tags if not _TAG.match(tag)), None)
    if wrong or not tags:
        raise InvalidInput(
            f"{wrong!r} is no hashtag." if wrong else "Mastodon needs a hashtag to look for.",
            field="tags",
            hint="For example: tags=누리마켓",
        )
    return tags


def _queries(given: str, brand: Brand | None) -> list[str]:
    """The query, or one for each name of the brand. Raises InvalidInput."""
    names = (brand.name, *brand.aliases, *brand.any_terms) if brand else ()
    found = [given] if given else list(_once(_quoted(name) for name in names))
    if not found:
        raise InvalidInput("Mastodon needs a query, or a brand to make one of.", field="query")
    return found


def _quoted(name: str) -> str:
    name = " ".join(name.replace('"', " ").split())
    return f'"{name}"' if " " in name else name


def _once(words: Iterable[str]) -> list[str]:
    """Words without repetitions (case does not tell them apart), the first spelling kept."""
    found: dict[str, str] = {}
    for word in words:
        if word:
            found.setdefault(word.casefold(), word)
    return list(found.values())


def _account(given: str, watch: Watch, bases: Sequence[str]) -> dict[str, Listing]:
    """An account is asked for where it lives: elsewhere some of its posts never arrive."""
    if not given and watch.brand and watch.brand.handles:
        given = watch.brand.handles[0]
    found = _ACCOUNT.match(given.strip())
    if not found:
        raise InvalidInput(
            f"{given!r} is no account." if given else "The watch has no account.",
            field="account",
            hint="For example: account=@nurimarket@mastodon.social",
        )
    name, host = found[1], found[2] or ""
    base = bases[0]
    own_address = (watch.connection.base_url or HOME).rstrip("/") != HOME
    if host and not own_address and urlsplit(base).netloc != host:
        near = next((one for one in bases if urlsplit(one).netloc == host), "")
        # Written with a scheme, the instance is meant as it stands, whatever the account's host.
        base = near or (base if base.startswith("http://") else f"https://{host}")
    at_home = not host or urlsplit(base).netloc == host
    return {
        f"@{name}@{host or urlsplit(base).netloc}": Listing(
            base=base, account=name if at_home else f"{name}@{host}", home=base == bases[0]
        )
    }


def _login(watch: Watch, listing: Listing) -> dict[str, str]:
    """The token, for the instance that gave it and no other."""
    token = watch.connection.credentials.get("access_token", "").strip()
    if listing.home and token:
        return {"Authorization": f"Bearer {token}"}
    if listing.query:
        raise AuthRejected(
            f"{urlsplit(listing.base).netloc} searches posts for its members only.",
            hint="Give the connection the access token of an account there, or collect by hashtag.",
        )
    return {}


# --- what is answered --------------------------------------------------------------------------


def _next(page: Page, rows: Sequence[Any], at: Position, listing: Listing) -> str | None:
    """``max_id`` of the next page, from the Link header; for a search how many were shown."""
    if listing.query:
        return str(int(at.token or 0) + len(rows)) if rows else None
    found = _NEXT.search(page.headers.get("link", ""))
    if found:
        told = parse_qs(urlsplit(found[1]).query).get("max_id")
        return told[0] if told else None
    # Some proxies drop the header; a full page has a next one all the same.
    return str(rows[-1]["id"]) if len(rows) >= PAGE else None


def _is_public_and_own(row: Mapping[str, Any]) -> bool:
    """Whether a status may be stored and says something of its own (a reblog does not)."""
    visibility = row.get("visibility") or "public"
    if not isinstance(visibility, str):
        raise TypeError("a visibility that is no text")
    if not isinstance(row.get("reblog"), Mapping | None):
        raise TypeError("a reblog that is no status")
    return visibility in _PUBLIC and not row.get("reblog")


def _uris(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Local ids -> uris of the statuses on a page, and ``>uri`` -> the local id of its parent."""
    found: dict[str, str] = {}
    for row in rows:
        found[str(row["id"])] = row["uri"]
        if row.get("in_reply_to_id"):
            found[f">{row['uri']}"] = str(row["in_reply_to_id"])
    return found


def _root(row: Mapping[str, Any], places: Mapping[str, str]) -> str | None:
    """The topmost status of the thread that is on the page; None when the parent is not."""
    uri, seen = None, {row["uri"]}
    parent = places.get(str(row.get("in_reply_to_id") or ""))
    while parent is not None and parent not in seen:
        uri = parent
        seen.add(parent)
        parent = places.get(places.get(f">{parent}", ""))
    return uri


def _media(attachments: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for one in attachments:
        link = one.get("url") or one.get("remote_url") or one.get("preview_url")
        if link:
            yield str(link)


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _closed(listing: Listing, watch: Watch, page: Page) -> AuthRejected:
    """A 401 in words. From 4.5 an instance may show timelines to its members only."""
    host = urlsplit(listing.base).netloc
    if listing.home and watch.connection.credentials.get("access_token"):
        error = AuthRejected(
            f"{host} does not accept the access token (HTTP {page.status}).",
            hint="Make a new one there under Preferences, Development, with read:statuses and"
            " read:search.",
            status=page.status,
        )
    else:
        what = "this account's posts" if listing.account else "hashtags"
        error = AuthRejected(
            f"{host} shows {what} to its members only (HTTP {page.status}).",
            hint="Give the connection an access token of that instance, or choose another"
            " instance.",
            status=page.status,
        )
    error.requests = page.requests
    return error


def _no_account(listing: Listing, requests: int, status: int | None) -> SourceGone:
    host = urlsplit(listing.base).netloc
    what = "has no account any more" if status == 410 else "has no account"
    error = SourceGone(
        f"{host} {what} @{listing.account}.",
        hint="Check the spelling; it may have moved or been suspended.",
        status=status,
    )
    error.requests = requests
    return error


def _unknown_account(page: Page) -> SourceError:
    error = LayoutChanged("Mastodon answers in an unknown shape: 'id' is missing.")
    error.requests = page.requests
    return error
