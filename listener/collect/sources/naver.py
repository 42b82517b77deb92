"""Naver search: blogs, news, cafés, Knowledge iN and web pages, on the old host and API HUB."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from listener.collect.base import Page, Parsed, Position, Request, is_own
from listener.collect.dates import read_date
from listener.collect.search import QUERY, SearchPoller, link_id, plain_link, split_lane
from listener.errors import AuthRejected, BudgetExhausted, LayoutChanged, SourceError
from listener.net.page import redact
from listener.net.retry import classify
from listener.types import (
    Brand,
    Credential,
    Kind,
    Param,
    Precision,
    Quota,
    RawAuthor,
    RawItem,
    SourceSpec,
    Watch,
)

HUB = "https://naverapihub.apigw.ntruss.com"
OPEN = "https://openapi.naver.com"  # its keys end on 2027-06-30; new ones are given by the hub only
PAGE = 100
DEEPEST = 1_000  # the last place from which a page can begin: 1,099 results are shown
_ZONE = ZoneInfo("Asia/Seoul")
_READ = frozenset({400, 401, 403, 404, 429})  # refusals that name their reason in the body
_KINDS = {
    "blog": Kind.POST,
    "news": Kind.ARTICLE,
    "cafearticle": Kind.POST,
    "kin": Kind.POST,
    "webkr": Kind.ARTICLE,
}
_NEW_KEYS = (
    "네이버 클라우드 콘솔 > NAVER API HUB > Application에서 키를 확인하세요."
    " Check the keys in the Naver Cloud console, NAVER API HUB, Application."
)
_OLD_KEYS = (
    "네이버 개발자센터 > 내 애플리케이션에서 Client ID와 Client Secret을 확인하세요."
    " Check both at developers.naver.com, My applications."
)


class Naver(SearchPoller):
    """What Naver finds for a term, newest first, each service and term by itself."""

    services = tuple(_KINDS)
    page = PAGE
    spec = SourceSpec(
        name="naver",
        title="Naver search",
        title_ko="네이버 검색(블로그·뉴스·카페·지식iN)",
        every=timedelta(minutes=10),
        kind=Kind.POST,
        base_url=HUB,
        languages=("ko",),
        needs_brand=True,
        params=(
            Param(
                name="services",
                title="Where to search",
                title_ko="검색할 곳",
                default="blog,news,cafearticle,kin",
                example="blog,cafearticle",
                help="blog 블로그, news 뉴스, cafearticle 카페, kin 지식iN, webkr 웹문서."
                " 쉼표로 구분합니다. Separated by commas.",
            ),
            QUERY,
        ),
        credentials=(
            Credential(
                name="hub_client_id",
                title="API HUB Client ID",
                required=False,
                help="네이버 클라우드 콘솔의 NAVER API HUB에서 발급."
                " From the Naver Cloud console, NAVER API HUB.",
            ),
            Credential(name="hub_client_secret", title="API HUB Client Secret", required=False),
            Credential(
                name="client_id",
                title="Client ID (developers.naver.com)",
                required=False,
                help="예전 개발자센터 키, 2027-06-30까지. An old key, valid until 2027-06-30.",
            ),
            Credential(
                name="client_secret",
                title="Client Secret (developers.naver.com)",
                required=False,
            ),
        ),
        cost="무료(한도를 넘으면 과금 없이 거절)."
        " Free; over the limit calls are refused, not billed.",
        limits="하루 25,000회, 한 달 775,000회; 검색어마다 최신 1,099건까지."
        " 25,000 calls a day, 775,000 a month; the newest 1,099 results of a term.",
        terms="검색 결과는 출처와 링크를 함께 표시해야 하며, 본문은 요약(…)만 제공됩니다."
        " Show results with source and link; only a snippet of the text is given.",
        quotas=(
            Quota(
                unit="calls",
                amount=25_000,
                zone="Asia/Seoul",
                title="Calls a day",
                title_ko="하루 호출 수",
            ),
            Quota(
                unit="calls",
                amount=775_000,
                per="month",
                zone="Asia/Seoul",
                title="Calls a month",
                title_ko="한 달 호출 수",
            ),
        ),
        signup="https://guide.ncloud-docs.com/docs/apihub-use",
    )

    def load(self, watch: Watch, at: Position, validators: Mapping[str, Mapping[str, str]]) -> Page:
        """Get one page; where keys for both hosts are given, the old one stands in for a hub that
        does not know the address.
        """
        page = super().load(watch, at, validators)
        forms = _forms(watch)
        if page.status != 404 or len(forms) < 2:
            return page
        given = {name: watch.connection.credentials[name] for name in _names(forms[1])}
        other = replace(watch, connection=replace(watch.connection, credentials=given))
        again = super().load(other, at, validators)
        return replace(again, requests=again.requests + page.requests)

    def request(self, watch: Watch, at: Position) -> Request:
        """Ask for a hundred results. Raises AuthRejected when no complete pair of keys is given."""
        service, term = split_lane(at.lane)
        form = _forms(watch)[0]
        name, secret = (watch.connection.credentials[n].strip() for n in _names(form))
        base = _base(watch, form)
        if form == "hub":
            url = f"{base}/search/v1/{service}"
            headers = {"X-NCP-APIGW-API-KEY-ID": name, "X-NCP-APIGW-API-KEY": secret}
        else:
            url = f"{base}/v1/search/{service}.json"
            headers = {"X-Naver-Client-Id": name, "X-Naver-Client-Secret": secret}
        params: dict[str, str | int | None] = {
            "query": term,
            "display": PAGE,
            "start": _start(at),
            "sort": "date" if service != "webkr" else None,  # web pages are by relevance only
        }
        return Request(url=url, params=params, headers=headers, expect="json", accept=_READ)

    def parse(self, page: Page, watch: Watch, at: Position) -> Parsed:
        """Read the results of one page, or say in words why there are none."""
        if page.status >= 400:
            raise _refusal(page, watch, at)
        answer = page.json
        service, _ = split_lane(at.lane)
        rows, start = answer["items"], _start(at)
        total = int(answer.get("total", start + len(rows)))
        found = (_item(row, service, watch.brand) for row in rows)
        below = start + len(rows)
        following = min(below, DEEPEST) if start < DEEPEST and below <= total else None
        return self.walked(
            (item for item in found if item is not None),
            at,
            rank=start,
            next_page=str(following) if following else None,
            whole=below > total,
            ordered=service != "webkr",
        )


# --- asking ---------------------------------------------------------------------------------------


def _forms(watch: Watch) -> list[str]:
    """The forms of the API whose keys are given, the newer first. Raises AuthRejected for none."""
    given = watch.connection.credentials
    forms = [
        form
        for form in ("hub", "open")
        if all(given.get(name, "").strip() for name in _names(form))
        # An address of Naver's own says itself which of the two it is.
        and not (form == "hub" and _base(watch, form).startswith(OPEN))
    ]
    if not forms:
        raise AuthRejected(
            "Naver needs a client ID and a client secret.",
            hint="LISTENER_NAVER__HUB_CLIENT_ID와 LISTENER_NAVER__HUB_CLIENT_SECRET을 설정하거나"
            " 연결에 입력하세요. Set both, or enter them for the connection.",
        )
    return forms


def _names(form: str) -> tuple[str, str]:
    """The names of a form's two credentials."""
    prefix = "hub_" if form == "hub" else ""
    return f"{prefix}client_id", f"{prefix}client_secret"


def _base(watch: Watch, form: str) -> str:
    base = (watch.connection.base_url or HUB).rstrip("/")
    return OPEN if form == "open" and base == HUB else base


def _start(at: Position) -> int:
    return int(at.token or 1)


# --- reading --------------------------------------------------------------------------------------


def _item(row: Mapping[str, Any], service: str, brand: Brand | None) -> RawItem | None:
    """One result; None for one without any text or address."""
    title, text = row["title"] or "", row.get("description") or ""
    link = plain_link(row["link"] or "")
    origin = plain_link(row.get("originallink") or "")
    # The publisher's address is the same however the article is found; a mere home page is none.
    if origin and len(link_id(origin)) > len(urlsplit(origin).netloc):
        link = origin
    external_id = link_id(link, row.get("cafeurl") or "")
    if not external_id or not (title or text):
        return None
    published_at, precision = _published(row)
    author = _author(row, link, service)
    return RawItem(
        external_id=external_id,
        kind=_KINDS[service],
        url=link,
        title=title or None,
        text=text,
        html=True,
        author=author,
        published_at=published_at,
        published_precision=precision,
        language="ko",
        is_own=author is not None and is_own(brand, author.handle),
        place=row.get("cafename") or None,
        country="KR",
        excerpt=True,
        raw={**row, "service": service},
    )


def _published(row: Mapping[str, Any]) -> tuple[datetime | None, Precision]:
    """News tell the second, blogs the day (in Korea), cafés and Knowledge iN nothing."""
    day = str(row.get("postdate") or "")
    if day:
        try:
            date = datetime(int(day[:4]), int(day[4:6]), int(day[6:]), tzinfo=_ZONE)
            moment = date.astimezone(UTC)
        except ValueError:
            return None, Precision.NONE
        return moment, Precision.DAY
    return read_date(row.get("pubDate"))


def _author(row: Mapping[str, Any], link: str, service: str) -> RawAuthor | None:
    """The blog, or the publisher's site; cafés and Knowledge iN do not tell who wrote."""
    if service == "news":
        host = (urlsplit(link).hostname or "").removeprefix("www.")
        if not row.get("originallink") or host.endswith("naver.com"):
            return None
        return RawAuthor(native_id=host, name=host, url=f"https://{host}/")
    home = plain_link(row.get("bloggerlink") or "")
    name = row.get("bloggername") or ""
    if not home and not name:
        return None
    native_id = link_id(home)
    handle = native_id.removeprefix("blog.naver.com/")
    return RawAuthor(
        native_id=native_id,
        handle=handle if handle != native_id else "",
        name=name,
        url=home or None,
    )


# --- refusals -------------------------------------------------------------------------------------


def _refusal(page: Page, watch: Watch, at: Position) -> SourceError:
    """A refusal in words: the old host's ``errorCode``, or the gateway's inside ``error``."""
    _, term = split_lane(at.lane)
    secrets = frozenset(value for value in watch.connection.credentials.values() if value)
    shown = redact(page.url).partition("?")[0]
    error = classify(
        page.status, page.headers, page.body, page.now, url=shown, secrets=secrets
    ) or LayoutChanged(f"{shown} answers with HTTP {page.status}.", status=page.status)
    code, said = _code(page)
    new = "/search/v1/" in shown
    if isinstance(error, BudgetExhausted):
        error.hint = (
            "오늘의 한도(25,000회)를 다 썼습니다. 자정(한국 시각)부터 이어서 수집합니다."
            " The day's 25,000 calls are used up; it goes on at midnight in Korea."
            " Fewer services or terms, or a longer interval, use less."
        )
    elif code in ("SE01", "SE06"):
        told = f'Naver does not accept the search term "{term}" ({code}).'
        hint = "검색어를 고쳐 주세요. Change the watch's search term."
        return SourceError(told, hint=hint, status=page.status)
    elif page.status in (401, 403) and isinstance(error, AuthRejected):
        if "scope" in said.lower() or page.status == 403:
            error.hint = (
                "내 애플리케이션 > API 설정에서 '검색'을 추가하세요."
                " Add Search to the application's APIs at developers.naver.com."
            )
        elif code in ("210", "401"):
            error.hint = (
                "NAVER API HUB의 Application에서 검색 API를 선택하세요."
                " Select the search API for the application in NAVER API HUB."
            )
        else:
            error.hint = _NEW_KEYS if new else _OLD_KEYS
    return error


def _code(page: Page) -> tuple[str, str]:
    """Code and message of a refusal; empty where it is not written as Naver does."""
    try:
        data = page.json
    except LayoutChanged:
        return "", ""
    data = data if isinstance(data, dict) else {}
    inner = data.get("error")
    data = inner if isinstance(inner, dict) else data
    said = data.get("errorMessage") or data.get("message") or ""
    return str(data.get("errorCode") or ""), str(said)
