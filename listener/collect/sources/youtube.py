"""YouTube through Data API v3: videos that a search finds, comments of videos and of channels."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from listener.collect.base import Mark, Page, Parsed, Poller, Position, Request, is_own, param
from listener.errors import (
    AuthRejected,
    BudgetExhausted,
    InvalidInput,
    RateLimited,
    SourceError,
    SourceGone,
    SourceUnavailable,
)
from listener.net.retry import classify
from listener.settings import PREFIX
from listener.types import (
    Brand,
    Credential,
    Engagement,
    Kept,
    Kind,
    Param,
    Quota,
    RawAuthor,
    RawItem,
    SourceSpec,
    Watch,
)

API = "https://www.googleapis.com"
HOME = "https://www.youtube.com"
IDS = 50  # videos or comments in one request
SEARCH_EVERY = timedelta(minutes=30)  # 48 of the day's 100 searches, whatever the watch's cadence
_LATE = timedelta(hours=6)  # a search looks back so far: videos are found late
_SLACK = timedelta(hours=1)  # comments may show later than they are dated
_MAX_COUNTS = 300  # threads whose number of replies is remembered
_PACIFIC = "America/Los_Angeles"
_READ_HERE = frozenset({400, 403, 404})  # refusals whose reason matters
_VIDEO = re.compile(r"[\w-]{11}\Z", re.ASCII)
_CHANNEL = re.compile(r"UC[\w-]{22}\Z", re.ASCII)
_MARKUP = re.compile(r"<br\s*/?>|<a href=|&(?:#39|quot|amp|lt|gt);")

Params = Mapping[str, str | int | None]
Step = Mapping[str, Any]
"""One request to be made: ``do`` is videos, threads, replies, search or channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotNow(Page):
    """Stands for a search that is not made: the day's searches are used up ``until`` then, or it is
    too early for another one (None).
    """

    until: datetime | None = None


class YouTube(Poller):
    """Videos and comments, as a queue of requests that is the token of the walk.

    Searches are dear (a hundred a day) and comments cheap, so videos that were found are followed:
    one request tells the number of comments of fifty of them, and only those with new ones are
    asked. What is known of them is the memory of the watch.
    """

    refresh_size: ClassVar[int] = IDS
    spec = SourceSpec(
        name="youtube",
        title="YouTube",
        title_ko="유튜브",
        every=timedelta(minutes=30),
        kind=Kind.COMMENT,
        base_url=API,
        needs_brand=True,
        params=(
            Param(
                name="mode",
                title="What to collect",
                title_ko="수집 방식",
                choices=("search", "channel", "video"),
                default="search",
                example="channel",
                help="search: 검색된 영상과 그 댓글, channel: 채널의 모든 댓글, video: 영상의 댓글."
                " Found videos with their comments, all comments of a channel, or of videos.",
            ),
            Param(
                name="query",
                title="Search words",
                title_ko="검색어",
                example="누리마켓|Nuri Market",
                help="비우면 브랜드의 이름과 별칭으로 찾습니다. |는 '또는', -는 제외입니다."
                " Left out: the brand's names. | means or, - means without.",
            ),
            Param(
                name="channel",
                title="Channel",
                title_ko="채널",
                example="@nurimarket",
                help="채널 ID(UC…), @핸들 또는 주소. Its id, @handle or address, for channel.",
            ),
            Param(
                name="video",
                title="Videos",
                title_ko="영상",
                example="https://www.youtube.com/watch?v=abcdefghijk",
                help="영상 ID나 주소를 쉼표로 구분합니다. Ids or addresses by commas, for video.",
            ),
            Param(
                name="follow",
                title="Videos whose comments are followed",
                title_ko="댓글을 지켜볼 영상 수",
                kind="integer",
                default="50",
                example="50",
                help="검색된 영상 가운데 최신 몇 개의 댓글을 볼지 정합니다(최대 200)."
                " The newest so many of the videos found, 200 at most.",
            ),
        ),
        credentials=(
            Credential(
                name="api_key",
                title="API key",
                help="Google Cloud 콘솔의 '사용자 인증 정보'에서 만듭니다."
                " From Google Cloud console, under Credentials.",
            ),
        ),
        quotas=(
            Quota(
                unit="search",
                amount=100,
                zone=_PACIFIC,
                title="Searches a day (Pacific time)",
                title_ko="하루 검색 횟수(태평양 시간)",
            ),
            Quota(
                unit="units",
                amount=10_000,
                zone=_PACIFIC,
                title="Units a day for all other requests",
                title_ko="그 밖의 요청에 쓰는 하루 단위",
            ),
        ),
        cost="무료. 구글 계정과 키가 필요합니다. Free with a key.",
        limits="하루 검색 100회, 그 밖의 요청 10,000단위(태평양 시간 자정에 초기화)."
        " 100 searches and 10,000 units a day, until midnight Pacific time.",
        terms="YouTube API 약관에 따라 삭제된 댓글은 여기서도 지우고, 데이터는 30일 안에 다시"
        " 확인해야 합니다. Deleted comments must be deleted here; data is to be checked again"
        " within 30 days.",
        signup="https://console.cloud.google.com/apis/library/youtube.googleapis.com",
    )

    def request(self, watch: Watch, at: Position) -> Request:
        """Ask for the first step of the queue."""
        step = self._queue(watch, at)[0]
        do = step["do"]
        if do == "search":
            search: Params = {
                "part": "snippet", "type": "video", "order": "date", "maxResults": 50,
                "q": self._words(watch), "publishedAfter": step["after"],
                "pageToken": step.get("page"),
            }  # fmt: skip
            # Its own bucket: what holds searches back must not hold back comments.
            return replace(
                _ask(watch, "search", search),
                account=f"{watch.connection.id or ''} search",
                charge={"calls": 1, "search": 1},
            )
        if do == "videos":
            ids: Params = {
                "part": "snippet,statistics",
                "id": ",".join(step["ids"]),
                "maxResults": IDS,
            }
            return _ask(watch, "videos", ids)
        if do == "channel":
            return _ask(watch, "channels", {"part": "id", "forHandle": step["handle"]})
        listing = {"maxResults": 100, "textFormat": "plainText", "pageToken": step.get("page")}
        if do == "replies":
            replies = {"part": "snippet", "parentId": step["parent"], **listing}
            return _ask(watch, "comments", replies)
        threads = {
            "part": "snippet,replies",
            "videoId": step.get("video"),
            "allThreadsRelatedToChannelId": step.get("channel"),
            "order": "time",
        }
        return _ask(watch, "commentThreads", {**threads, **listing})

    def load(self, watch: Watch, at: Position, validators: Mapping[str, Mapping[str, str]]) -> Page:
        """Get one page. A search that the day no longer allows is left for tomorrow."""
        do = self._queue(watch, at)[0]["do"]
        if do == "wait":  # no video is followed, and it is too early for a search
            return _not_now(at, requests=0)
        try:
            page = super().load(watch, at, validators)
            _judge(page)
        except (BudgetExhausted, RateLimited) as refusal:
            if do != "search":
                raise
            until = refusal.retry_at or at.now + SEARCH_EVERY
            return _not_now(at, requests=refusal.requests, until=until)
        return page

    def parse(self, page: Page, watch: Watch, at: Position) -> Parsed:
        """Read the answer to a step, which may bring more steps."""
        step, *rest = self._queue(watch, at)
        if isinstance(page, NotNow):
            return self._postponed(page, rest, at)
        if page.status != 200:
            return _skipped(page, step, rest, watch, at)
        reader = {
            "search": self._search, "videos": self._videos, "channel": self._channel,
            "replies": self._replies, "threads": self._threads,
        }[step["do"]]  # fmt: skip
        return reader(page.json, step, rest, watch, at)

    def ask_again(self, watch: Watch, items: Sequence[Kept], now: datetime) -> Request:
        """Ask for stored comments by their ids; for videos where there is nothing else."""
        comments = [one.external_id for one in items if not _VIDEO.match(one.external_id)]
        if not comments:
            ids = ",".join(one.external_id for one in items)
            return _ask(watch, "videos", {"part": "snippet,statistics", "id": ids})
        ids = ",".join(comments)
        return _ask(watch, "comments", {"part": "snippet", "id": ids, "textFormat": "plainText"})

    def read_again(self, page: Page, watch: Watch, items: Sequence[Kept]) -> Parsed:
        """Comments or videos as they are now; those that are missing are gone."""
        _judge(page)
        if page.status != 200:
            raise _refusal(page)
        comments = [one for one in items if not _VIDEO.match(one.external_id)]
        asked = {one.external_id: one for one in comments or items}
        found: list[RawItem] = []
        for row in page.json["items"]:
            kept = asked.get(row["id"])
            if kept and comments:
                found.append(_comment(row, kept.thread_id or "", watch))
            elif kept:
                found.append(_video(row, watch.brand))
        there = {item.external_id for item in found}
        if not there and len(asked) > 1:
            return Parsed(items=())  # rather a fault than all of them at once
        gone = (_gone(name) for name in asked if name not in there)
        return Parsed(items=(*found, *gone))

    # --- the queue ----------------------------------------------------------------------------

    def _queue(self, watch: Watch, at: Position) -> list[Step]:
        """What is still to be asked, the next request first."""
        if at.token:
            queue: list[Step] = json.loads(at.token)
            return queue
        mode = param(watch, self.spec, "mode")
        if mode == "channel":
            return [self._first_of_channel(watch, at)]
        if mode == "video":
            return list(_videos_steps(_video_ids(param(watch, self.spec, "video"))))
        followed = list(_followed(at))
        steps = list(_videos_steps(followed))
        if self._search_is_due(at):
            steps.append({"do": "search", "after": _stamp(self._after(at))})
        return steps or [{"do": "wait"}]

    def _first_of_channel(self, watch: Watch, at: Position) -> Step:
        given = param(watch, self.spec, "channel").strip()
        name = urlsplit(given).path.strip("/").split("/")[-1] if "/" in given else given
        known = at.memory.get("channel") or {}
        channel = (
            name if _CHANNEL.match(name) else known.get("id") if known.get("of") == name else ""
        )
        if channel:
            return {"do": "threads", "channel": channel, "above": at.memory.get("newest")}
        if not name:
            raise InvalidInput(
                "Comments of a channel need a channel.",
                field="channel",
                hint="For example: channel=@nurimarket",
            )
        return {"do": "channel", "handle": name if name.startswith("@") else f"@{name}", "of": name}

    def _words(self, watch: Watch) -> str:
        """What to search for: all words of the brand in one search."""
        given = param(watch, self.spec, "query")
        if given:
            return given
        if watch.brand is None:
            raise InvalidInput("YouTube needs search words, or a brand.", field="query")
        brand = watch.brand
        typed: dict[str, str] = {}
        for name in (brand.name, *brand.aliases, *brand.any_terms):
            word = " ".join(name.replace('"', " ").replace("|", " ").split())
            if word:
                typed.setdefault(word.casefold(), f'"{word}"' if " " in word else word)
        if not typed:
            raise InvalidInput("The brand has no name to search for.", field="query")
        return "|".join(typed.values())

    def _search_is_due(self, at: Position) -> bool:
        """Whether to spend a search: not too often, and not after the day's last one."""
        if at.above is None:
            return True
        until = at.memory.get("no_search_until")
        if until and datetime.fromisoformat(until) > at.now:
            return False
        last = at.memory.get("searched_at")
        return not last or datetime.fromisoformat(last) <= at.now - SEARCH_EVERY

    def _after(self, at: Position) -> datetime:
        last = at.memory.get("searched_at")
        if last and at.above is not None:
            return datetime.fromisoformat(last) - _LATE
        return at.now - timedelta(days=self.net.settings.history_days)

    # --- answers ------------------------------------------------------------------------------

    def _search(
        self, answer: Any, step: Step, rest: list[Step], watch: Watch, at: Position
    ) -> Parsed:
        followed = _followed(at)
        # Asked for videos, some answers list channels and playlists as well.
        rows = [row for row in answer["items"] if _is_video(row["id"])]
        found = {row["id"]["videoId"]: _told(row["snippet"]) for row in rows}
        fresh = {name: told for name, told in found.items() if name not in followed}
        steps = [{**one, "found": fresh} for one in _videos_steps(fresh)]  # 50 a page at most
        page = answer.get("nextPageToken")
        oldest = min((row["snippet"]["publishedAt"] for row in rows), default="")
        if page and page != step.get("page") and oldest and _time(oldest) >= _time(step["after"]):
            steps.append({**step, "page": page})
        # The rest of this search is part of the walk, so that the next one may begin here.
        keep = {"searched_at": at.now.isoformat()} if not step.get("page") else {}
        return _parsed((), steps + rest, at, keep=keep)

    def _videos(
        self, answer: Any, step: Step, rest: list[Step], watch: Watch, at: Position
    ) -> Parsed:
        followed = _followed(at)
        items: list[RawItem] = []
        steps: list[Step] = []
        there = {_id(row["id"]): row for row in answer["items"]}
        mode = param(watch, self.spec, "mode")
        if mode == "video" and not there and not followed:
            raise SourceGone("YouTube has no such video.", hint="Check the watch's videos.")
        for name in step["ids"]:
            row = there.get(name)
            if row is None:
                # All of many at once is rather a fault than true.
                if name in followed and (there or len(step["ids"]) == 1):
                    items.append(_gone(name))
                    del followed[name]
                continue
            items.append(_video(row, watch.brand))
            counts = row.get("statistics")  # without any it is not known whether there are comments
            told = (counts or {}).get("commentCount", 0)  # none where they are switched off
            known = followed.get(name) or {}
            followed[name] = {**known, "published": row["snippet"]["publishedAt"]}
            fresh = at.above is None or counts is None or int(told or 0) != known.get("count")
            if (counts is None or int(told or 0)) and fresh:
                above = known.get("newest") if at.above else None
                steps.append({"do": "threads", "video": name, "above": above})
                # Known from here on: the step is made by this walk, or by the back-fill that goes
                # on with it.
                newest = (at.now - _SLACK).isoformat()
                followed[name] |= {"count": int(told or 0), "newest": newest}
        if mode == "search":
            most = min(max(int(param(watch, self.spec, "follow")), 1), 200)
            ranked = sorted(followed, key=lambda name: followed[name]["published"], reverse=True)
            followed = {name: followed[name] for name in ranked[:most]}
            steps = [one for one in steps if one["video"] in followed]
        return _parsed(items, steps + rest, at, keep={"videos": followed})

    def _channel(
        self, answer: Any, step: Step, rest: list[Step], watch: Watch, at: Position
    ) -> Parsed:
        if not answer.get("items"):
            raise SourceGone(
                f"YouTube has no channel {step['handle']}.", hint="Check the watch's channel."
            )
        channel = answer["items"][0]["id"]
        known = (
            at.memory.get("newest")
            if (at.memory.get("channel") or {}).get("id") == channel
            else None
        )
        steps: list[Step] = [{"do": "threads", "channel": channel, "above": known}]
        return _parsed((), steps + rest, at, keep={"channel": {"of": step["of"], "id": channel}})

    def _threads(
        self, answer: Any, step: Step, rest: list[Step], watch: Watch, at: Position
    ) -> Parsed:
        rows = answer["items"]
        items: dict[str, RawItem] = {}
        steps: list[Step] = []
        counts = dict(at.memory.get("replies") or {})
        for row in rows:
            top, total = row["snippet"]["topLevelComment"], row["snippet"].get("totalReplyCount", 0)
            video = row["snippet"].get("videoId") or step.get("video") or ""
            comment = _comment(top, video, watch, channel=step.get("channel"))
            items[comment.external_id] = replace(
                comment, engagement=replace(comment.engagement or Engagement(), replies=total)
            )
            shown = (row.get("replies") or {}).get("comments") or ()
            for reply in shown:
                answered = _comment(
                    reply, video, watch, channel=step.get("channel"), parent=row["id"]
                )
                items[answered.external_id] = answered
            if total > len(shown) and counts.get(row["id"]) != total:
                counts.pop(row["id"], None)  # to the end: what was seen last is kept longest
                counts[row["id"]] = total
                steps.append({"do": "replies", "parent": row["id"], "video": video})
        times = [_time(row["snippet"]["topLevelComment"]["snippet"]["publishedAt"]) for row in rows]
        page = answer.get("nextPageToken")
        if page and page != step.get("page") and times and self._goes_on(times[-1], step, at):
            steps.append({**step, "page": page})
        keep: dict[str, Any] = {"replies": dict(list(counts.items())[-_MAX_COUNTS:])}
        if step.get("channel") and not step.get("page"):
            newest = max(times, default=None)
            keep["newest"] = newest.isoformat() if newest else step.get("above")
        oldest = min(times, default=at.now) if step.get("channel") else at.now
        return _parsed(items.values(), steps + rest, at, keep=keep, oldest=oldest)

    def _goes_on(self, oldest: datetime, step: Step, at: Position) -> bool:
        """Whether older comments are wanted: down to the newest known one, or as far as history
        goes.
        """
        above = step.get("above")
        if above:
            return oldest >= datetime.fromisoformat(above)
        return oldest >= at.now - timedelta(days=self.net.settings.history_days)

    def _replies(
        self, answer: Any, step: Step, rest: list[Step], watch: Watch, at: Position
    ) -> Parsed:
        items = {
            row["id"]: _comment(row, step["video"], watch, parent=step["parent"])
            for row in answer["items"]
        }
        page = answer.get("nextPageToken")
        steps = [{**step, "page": page}] if page and page != step.get("page") and items else []
        return _parsed(items.values(), steps + rest, at)

    def _postponed(self, page: NotNow, rest: list[Step], at: Position) -> Parsed:
        if page.until is None:
            return _parsed((), rest, at)
        return _parsed(
            (),
            [one for one in rest if one["do"] != "search"],
            at,
            keep={"no_search_until": page.until.isoformat()},
            notices=("The day's searches are used up; comments are collected as before.",),
        )


def _parsed(
    items: Iterable[RawItem],
    queue: Sequence[Step],
    at: Position,
    *,
    keep: Mapping[str, Any] | None = None,
    notices: tuple[str, ...] = (),
    oldest: datetime | None = None,
) -> Parsed:
    """A page of the walk, which is closed once the queue is empty. Its mark is the moment at which
    it began, since what it brings is in no order.
    """
    return Parsed(
        items=tuple(items),
        next_page=json.dumps(list(queue), ensure_ascii=False) if queue else None,
        reached=not queue,
        newest=Mark("walk", at.now),
        oldest=Mark("walk", oldest or at.now),
        keep=keep or {},
        notices=notices,
    )


def _not_now(at: Position, *, requests: int, until: datetime | None = None) -> NotNow:
    return NotNow(
        url="", asked="", status=200, headers={}, body=b"{}", now=at.now, requests=requests,
        until=until,
    )  # fmt: skip


def _skipped(page: Page, step: Step, rest: list[Step], watch: Watch, at: Position) -> Parsed:
    """Go on without what cannot be had: comments that are off, a video that is gone, a page that
    ran out. Raises any other refusal.
    """
    reasons, do = _reasons(page), step["do"]
    if step.get("page") and page.status == 400 and not step.get("anew"):
        return _parsed((), [{**step, "page": None, "anew": True}, *rest], at)
    if do == "videos" and page.status == 404 and step.get("found"):
        found = (
            _video({"id": name, "snippet": told}, watch.brand)
            for name, told in step["found"].items()
        )
        why = "What the videos are about could be read in part only."
        return _parsed(found, rest, at, notices=(why,))
    if do not in ("threads", "replies") or step.get("channel"):
        raise _refusal(page)
    video = step["video"]
    if "commentsDisabled" in reasons:
        why = f"Comments of the video {video} are switched off."
    elif page.status == 403:
        why = f"Comments of the video {video} are not for everybody."
    elif page.status == 404:
        why = f"The video {video}, or the comment, is gone."
    else:
        raise _refusal(page)
    return _parsed((), rest, at, notices=(why,))


def _judge(page: Page) -> None:
    """Raise refusals that hold for all requests alike: quota, key, a fault of YouTube's."""
    if page.status == 200:
        return
    reasons = _reasons(page)
    refusal = _refusal(page)
    if page.status == 400 and (
        reasons & {"keyInvalid", "keyExpired", "API_KEY_INVALID"} or "API key" in page.text
    ):
        refusal = AuthRejected(
            "YouTube does not accept the API key.",
            hint="Check the key, and that YouTube Data API v3 is enabled for its project.",
            status=page.status,
        )
    elif page.status == 400 and "processingFailure" in reasons:
        refusal = SourceUnavailable("YouTube could not process the request.", status=page.status)
    elif page.status == 404 or reasons & {"commentsDisabled", "forbidden", "invalidPageToken"}:
        return  # ``parse`` knows whether that can be done without
    refusal.requests = page.requests
    raise refusal


def _refusal(page: Page) -> SourceError:
    error = classify(page.status, page.headers, page.body, page.now)
    return error or SourceUnavailable("YouTube refuses.", status=page.status)


def _reasons(page: Page) -> set[str]:
    told = page.json if page.body[:1] == b"{" else {}
    error = told.get("error") or {}
    rows = [*(error.get("errors") or ()), *(error.get("details") or ())]
    return {str(row.get("reason")) for row in rows}


def _ask(watch: Watch, path: str, params: Params) -> Request:
    key = watch.connection.credentials.get("api_key", "").strip()
    if not key:
        raise AuthRejected(
            "YouTube needs an API key.",
            hint=f"Set {PREFIX}YOUTUBE__API_KEY, or the API key of the connection.",
        )
    base = (watch.connection.base_url or API).rstrip("/")
    return Request(
        url=f"{base}/youtube/v3/{path}",
        params=params,
        headers={"X-Goog-Api-Key": key},  # in the address it would show in logs of proxies
        expect="json",
        accept=_READ_HERE,
        charge={"calls": 1, "units": 1},
    )


def _followed(at: Position) -> dict[str, dict[str, Any]]:
    """What is known of the videos followed: published, count of comments, newest comment."""
    return {name: dict(known) for name, known in (at.memory.get("videos") or {}).items()}


def _is_video(told: Mapping[str, Any]) -> bool:
    """Whether a result of a search is a video. Raises KeyError for a video without its id."""
    if "videoId" not in told and told.get("kind") != "youtube#video":
        return False
    return bool(_id(told["videoId"]))


def _id(value: Any) -> str:
    """An id as it stands. Raises TypeError for anything else."""
    if not isinstance(value, str):
        raise TypeError("an id that is no text")
    return value


def _told(snippet: Mapping[str, Any]) -> dict[str, Any]:
    """What a search says of a video: its title escaped, its description cut short."""
    names = ("publishedAt", "channelId", "title", "description", "channelTitle")
    return {name: html.unescape(snippet.get(name) or "") for name in names}


def _videos_steps(ids: Iterable[str]) -> Iterator[Step]:
    names = list(ids)
    for start in range(0, len(names), IDS):
        yield {"do": "videos", "ids": names[start : start + IDS]}


def _video_ids(given: str) -> list[str]:
    """Ids of videos, given as such or as addresses. Raises InvalidInput."""
    ids: dict[str, None] = {}
    for one in given.replace(",", " ").split():
        parts = urlsplit(one)
        name = parse_qs(parts.query).get("v", [parts.path.rstrip("/").split("/")[-1]])[0]
        if not _VIDEO.match(name):
            raise InvalidInput(f"{one[:80]!r} is no video of YouTube.", field="video")
        ids[name] = None
    if not ids:
        raise InvalidInput("Comments of videos need a video.", field="video")
    return list(ids)


def _video(row: Mapping[str, Any], brand: Brand | None) -> RawItem:
    name, told, counts = row["id"], row["snippet"], row.get("statistics") or {}
    channel = told.get("channelId") or ""
    pictures = told.get("thumbnails") or {}
    picture = next(
        (pictures[size]["url"] for size in ("high", "default") if size in pictures), None
    )
    return RawItem(
        external_id=name,
        kind=Kind.POST,
        url=f"{HOME}/watch?v={name}",
        title=told["title"],
        text=told.get("description") or "",
        author=RawAuthor(
            native_id=channel,
            name=told.get("channelTitle") or "",
            url=f"{HOME}/channel/{channel}" if channel else None,
        ),
        published_at=_time(told["publishedAt"]),
        language=told.get("defaultAudioLanguage") or told.get("defaultLanguage"),
        thread_id=name,
        is_own=is_own(brand, channel),
        media=(picture,) if picture else (),
        engagement=Engagement(
            likes=_count(counts.get("likeCount")),
            replies=_count(counts.get("commentCount")),
            views=_count(counts.get("viewCount")),
        ),
        raw={key: value for key, value in row.items() if key != "etag"},
    )


def _comment(
    row: Mapping[str, Any],
    video: str,
    watch: Watch,
    *,
    channel: str | None = None,
    parent: str | None = None,
) -> RawItem:
    told = row["snippet"]
    video = told.get("videoId") or video
    author = (told.get("authorChannelId") or {}).get("value") or ""
    name = told.get("authorDisplayName") or ""
    parent = told.get("parentId") or parent
    text = told.get("textOriginal")
    place = f"watch?v={video}&" if video else f"channel/{told.get('channelId') or channel}?"
    return RawItem(
        external_id=row["id"],
        kind=Kind.COMMENT,
        url=f"{HOME}/{place}lc={row['id']}",
        text=told["textDisplay"] if text is None else text,
        html=text is None and bool(_MARKUP.search(told["textDisplay"])),
        author=RawAuthor(
            native_id=author,
            handle=name if name.startswith("@") else "",
            name=name,
            url=told.get("authorChannelUrl"),
        )
        if author or name
        else None,
        published_at=_time(told["publishedAt"]),
        parent_id=parent or video or None,
        thread_id=video or told.get("channelId") or channel,
        is_own=(bool(author) and author == channel) or is_own(watch.brand, author, name),
        engagement=Engagement(likes=_count(told.get("likeCount"))),
        raw={key: value for key, value in row.items() if key not in ("etag", "replies")},
    )


def _gone(name: str) -> RawItem:
    return RawItem(external_id=name, text="", deleted=True)


def _count(value: Any) -> int | None:
    return int(value) if value is not None else None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
