"""Stack Exchange: questions that match a word or a tag on any of its sites, and their answers."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from listener.collect.base import Mark, Page, Parsed, Poller, Position, Request, is_own, param
from listener.errors import AuthRejected, InvalidInput, SourceUnavailable
from listener.net.retry import classify
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

API = "https://api.stackexchange.com"
PAGE = 100
_LOW = 0.1  # of the day's requests: time to say so
# Sites with a domain of their own; all others live below stackexchange.com.
_DOMAINS = {
    "stackoverflow": "stackoverflow.com",
    "serverfault": "serverfault.com",
    "superuser": "superuser.com",
    "askubuntu": "askubuntu.com",
    "stackapps": "stackapps.com",
    "mathoverflow": "mathoverflow.net",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in a walk: questions active up to ``until``, or a page of answers to those in
    ``titles`` (by id), after which the questions go on where there are ``more``.
    """

    until: int | None = None
    page: int = 1
    more: bool = False
    titles: Mapping[str, str] = field(default_factory=dict)


class StackExchange(Poller):
    """Questions by their last activity, so that edits and new answers are seen as well."""

    lookback = timedelta(minutes=10)
    refresh_size: ClassVar[int] = 100
    spec = SourceSpec(
        name="stackexchange",
        title="Stack Exchange",
        title_ko="스택 익스체인지(스택 오버플로 등)",
        every=timedelta(minutes=30),
        kind=Kind.POST,
        base_url=API,
        needs_brand=True,
        params=(
            Param(
                name="site",
                title="Sites",
                title_ko="사이트",
                default="stackoverflow",
                example="stackoverflow, serverfault",
                help="API에서 쓰는 사이트 이름이며 쉼표로 여러 개를 적습니다."
                " Names as the API has them, separated by commas.",
            ),
            Param(
                name="query",
                title="Search words",
                title_ko="검색어",
                example="nurimarket",
                help="비우면 브랜드의 이름과 별칭으로 찾습니다. Left out: the brand's names.",
            ),
            Param(
                name="tags",
                title="Tags",
                title_ko="태그",
                example="nurimarket-api",
                help="세미콜론으로 이으면 모두 달린 질문만 찾습니다. 검색어 없이 쓰면 그 태그의"
                " 모든 질문을 모읍니다. Joined by semicolons: all of them. Without words: every"
                " question with the tag.",
            ),
            Param(
                name="answers",
                title="Answers as well",
                title_ko="답변도 수집",
                kind="boolean",
                default="true",
                example="true",
                help="찾은 질문의 답변을 함께 모읍니다. Answers to the questions that were found.",
            ),
        ),
        credentials=(
            Credential(
                name="key",
                title="App key",
                required=False,
                help="없으면 IP당 하루 300회, 있으면 10,000회까지 요청할 수 있습니다."
                " 300 requests a day without, 10,000 with one.",
            ),
        ),
        quotas=(
            Quota(
                unit="keyless",
                amount=300,
                title="Requests a day without a key",
                title_ko="키 없이 보내는 하루 요청 수",
            ),
            Quota(
                unit="keyed",
                amount=10_000,
                title="Requests a day with a key",
                title_ko="키로 보내는 하루 요청 수",
            ),
        ),
        cost="무료. Free.",
        limits="키가 없으면 하루 300회, 있으면 10,000회. 300 requests a day, 10,000 with a key.",
        terms="내용은 CC BY-SA입니다. 옮길 때는 출처와 작성자를 밝혀야 합니다."
        " Content is CC BY-SA: name source and author.",
        signup="https://stackapps.com/apps/oauth/register",
    )

    def lanes(self, watch: Watch) -> Sequence[str]:
        """Each site, with each of the brand's words where there are several."""
        sites = [one.strip() for one in param(watch, self.spec, "site").split(",") if one.strip()]
        words = self._words(watch)
        if len(words) == 1:
            return tuple(dict.fromkeys(sites))
        return tuple(dict.fromkeys(f"{site} {word}" for site in sites for word in words))

    def request(self, watch: Watch, at: Position) -> Request:
        """Ask for questions by activity, or for the answers of those just found."""
        site, _, word = at.lane.partition(" ")
        place = _read_token(at.token)
        since = int((at.above.at - self.lookback).timestamp()) if at.above and at.above.at else None
        params: dict[str, str | int | None] = {
            "site": site,
            "sort": "activity",
            "order": "desc",
            "min": since,
            "page": place.page,
            "pagesize": PAGE,
            "filter": "withbody",
        }
        if place.titles:
            asked = self._request(watch, f"/questions/{';'.join(place.titles)}/answers", params)
            return replace(asked, accept=asked.accept | {404})
        days = self.net.settings.history_days
        params |= {
            "q": word or next(iter(self._words(watch))) or None,
            "tagged": param(watch, self.spec, "tags") or None,
            "max": place.until,
            "fromdate": int((at.now - timedelta(days=days)).timestamp()) if not since else None,
        }
        if not params["q"] and not params["tagged"]:
            raise InvalidInput(
                "Stack Exchange needs search words, a tag, or a brand.", field="query"
            )
        return self._request(watch, "/search/advanced", params)

    def parse(self, page: Page, watch: Watch, at: Position) -> Parsed:
        """Read questions, or answers; ``has_more`` says whether there are others."""
        place = _read_token(at.token)
        if page.status == 404:  # the answers alone cannot be read: the questions go on
            following = _after_answers({"items": ()}, place)
            return Parsed(
                items=(),
                next_page=_token(following) if following else None,
                reached=following is None,
                oldest=at.below,
                notices=("The answers to the questions could not be read.",),
            )
        answer = _answer(page)
        rows = answer["items"]
        site = at.lane.partition(" ")[0]
        if place.titles:
            following = _after_answers(answer, place)
            items = [_answer_item(row, site, place.titles, watch.brand) for row in rows]
            newest, oldest = at.below, at.below
        else:
            if _overlooked(rows, place):
                return Parsed(items=(), reached=False, oldest=at.below)
            wants_answers = param(watch, self.spec, "answers") == "true"
            following = _after_questions(answer, place, wants_answers)
            items = [_question(row, site, watch.brand) for row in rows]
            marks = [
                Mark(str(row["question_id"]), _time(row["last_activity_date"])) for row in rows
            ]
            newest = max(marks, key=_when, default=None)
            oldest = min(marks, key=_when, default=at.below)
        return Parsed(
            items=tuple(item for item in items if item.text or item.title),
            next_page=_token(following) if following else None,
            reached=following is None,  # only what is newer than the mark was asked for
            newest=newest,
            oldest=oldest,
            notices=_quota(answer),
        )

    def ask_again(self, watch: Watch, items: Sequence[Kept], now: datetime) -> Request:
        """Ask about stored posts, questions and answers alike."""
        ids = ";".join(item.external_id for item in items)
        site = items[0].namespace
        return self._request(watch, f"/posts/{ids}", {"site": site, "pagesize": PAGE})

    def read_again(self, page: Page, watch: Watch, items: Sequence[Kept]) -> Parsed:
        """Posts that are no longer told of are deleted; edits come with their activity."""
        found = {str(row["post_id"]) for row in _answer(page)["items"]}
        asked = items[0].namespace  # a request asks one site
        if not found and len(items) > 1:
            return Parsed(items=())  # rather a fault than all of them at once
        gone = [one for one in items if one.namespace == asked and one.external_id not in found]
        return Parsed(
            items=tuple(
                RawItem(external_id=one.external_id, namespace=asked, text="", deleted=True)
                for one in gone
            )
        )

    def _request(self, watch: Watch, path: str, params: Mapping[str, str | int | None]) -> Request:
        base = (watch.connection.base_url or API).rstrip("/")
        key = watch.connection.credentials.get("key", "").strip() or None
        return Request(
            url=f"{base}/2.3{path}",
            params={**params, "key": key},
            expect="json",
            accept=frozenset({400}),  # says what is wrong, and may be the user's to mend
            charge={"calls": 1, "keyed" if key else "keyless": 1},
        )

    def _words(self, watch: Watch) -> tuple[str, ...]:
        """What to search for; an empty word where a tag alone will do."""
        given = param(watch, self.spec, "query")
        if given or param(watch, self.spec, "tags") or watch.brand is None:
            return (given,)
        brand = watch.brand
        typed: dict[str, str] = {}
        for name in (brand.name, *brand.aliases, *brand.any_terms):
            word = " ".join(name.split())
            if word:
                typed.setdefault(word.casefold(), word)
        return tuple(f'"{word}"' if " " in word else word for word in typed.values()) or ("",)


def _answer(page: Page) -> Mapping[str, Any]:
    """The wrapper around all answers. Raises what an error in it means."""
    answer: Mapping[str, Any] = page.json
    if "error_id" not in answer and page.status == 200:
        return answer
    name, said = answer.get("error_name", ""), str(answer.get("error_message", ""))
    if "`key`" in said or name in ("access_denied", "access_token_invalid", "invalid_key"):
        raise AuthRejected(
            f"Stack Exchange does not accept the key: {said}",
            hint="Check the connection's key; it also works without one.",
            status=page.status,
        )
    if name == "bad_parameter":
        field_name = "site" if "site" in said.lower() else "query"
        raise InvalidInput(f"Stack Exchange says: {said}", field=field_name)
    if name in ("internal_error", "temporarily_unavailable"):
        raise SourceUnavailable(f"Stack Exchange is unavailable: {said}", status=page.status)
    # Some proxies pass the error on as a success; its own number says what it was.
    refusal = classify(max(page.status, 400), page.headers, page.body, page.now)
    raise refusal or SourceUnavailable(f"Stack Exchange says: {said}", status=page.status)


def _quota(answer: Mapping[str, Any]) -> tuple[str, ...]:
    most, left = answer.get("quota_max"), answer.get("quota_remaining")
    if not most or left is None or left > most * _LOW:
        return ()
    return (f"{left} of {most} requests are left for today.",)


def _overlooked(rows: Sequence[Mapping[str, Any]], place: Place) -> bool:
    """Whether a server does not know the upper end, and shows the same questions for ever."""
    return place.until is not None and any(
        int(row["last_activity_date"]) > place.until for row in rows
    )


def _after_questions(answer: Mapping[str, Any], place: Place, answers: bool) -> Place | None:
    """Where to go on: the answers of these questions first, then older questions."""
    rows = answer["items"]
    active = [int(row["last_activity_date"]) for row in rows]
    more = bool(answer.get("has_more")) and bool(rows)
    until = place.until
    if more:
        oldest = min(active)  # others of that second may follow
        until = oldest if until is None or oldest < until else until - 1
    titles = {
        # Where the count is not told there may be some.
        str(row["question_id"]): row["title"]
        for row in rows
        if row.get("answer_count", 1) != 0
    }
    if answers and titles:
        return Place(until=until, more=more, titles=titles)
    return Place(until=until) if more else None


def _after_answers(answer: Mapping[str, Any], place: Place) -> Place | None:
    if answer.get("has_more") and answer["items"]:
        return Place(until=place.until, page=place.page + 1, more=place.more, titles=place.titles)
    return Place(until=place.until) if place.more else None


def _token(place: Place) -> str:
    parts = {"until": place.until, "page": place.page, "more": place.more}
    return json.dumps({**parts, "titles": dict(place.titles)}, ensure_ascii=False)


def _read_token(token: str | None) -> Place:
    return Place(**json.loads(token)) if token else Place()


def _question(row: Mapping[str, Any], site: str, brand: Brand | None) -> RawItem:
    name = str(row["question_id"])
    return RawItem(
        external_id=name,
        namespace=site,
        url=row.get("link") or f"https://{_domain(site)}/q/{name}",
        title=row["title"],
        text=row.get("body") or row.get("body_markdown") or "",
        html=True,
        author=_author(row.get("owner") or {}),
        published_at=_time(row["creation_date"]),
        thread_id=name,
        is_own=is_own(brand, html.unescape((row.get("owner") or {}).get("display_name") or "")),
        engagement=Engagement(
            likes=row.get("score"), replies=row.get("answer_count"), views=row.get("view_count")
        ),
        raw={key: value for key, value in row.items() if key != "body"},
    )


def _answer_item(
    row: Mapping[str, Any], site: str, titles: Mapping[str, str], brand: Brand | None
) -> RawItem:
    name, question = str(row["answer_id"]), str(row["question_id"])
    return RawItem(
        external_id=name,
        namespace=site,
        kind=Kind.ANSWER,
        url=row.get("link") or f"https://{_domain(site)}/a/{name}",
        title=titles.get(question),
        text=row.get("body") or row.get("body_markdown") or "",
        html=True,
        author=_author(row.get("owner") or {}),
        published_at=_time(row["creation_date"]),
        parent_id=question,
        thread_id=question,
        is_own=is_own(brand, html.unescape((row.get("owner") or {}).get("display_name") or "")),
        engagement=Engagement(likes=row.get("score")),
        raw={key: value for key, value in row.items() if key != "body"},
    )


def _author(owner: Mapping[str, Any]) -> RawAuthor | None:
    """Users that were deleted have a name only, names are escaped."""
    name = html.unescape(owner.get("display_name") or "")
    user_id = owner.get("user_id")
    if not name and user_id is None:
        return None
    native_id = str(user_id) if user_id is not None else ""
    return RawAuthor(native_id=native_id, handle=name, name=name, url=owner.get("link"))


def _domain(site: str) -> str:
    if "." in site:
        return site if site.endswith((".com", ".net")) else f"{site}.com"
    return _DOMAINS.get(site, f"{site}.stackexchange.com")


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def _when(mark: Mark) -> datetime:
    return mark.at or datetime.min.replace(tzinfo=UTC)
