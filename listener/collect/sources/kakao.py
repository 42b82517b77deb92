"""Kakao's Daum search: web pages, blogs and cafés."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

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
    Quota,
    RawAuthor,
    RawItem,
    SourceSpec,
    Watch,
)

API = "https://dapi.kakao.com"
PAGE = 50
DEEPEST = 50  # the last page that may be asked for; most services stop at 800 results before
_READ = frozenset({400, 401, 403, 429})  # refusals that name their reason in the body
_KINDS = {"web": Kind.ARTICLE, "blog": Kind.POST, "cafe": Kind.POST}
_KEY = (
    "Kakao Developers > 앱 > 플랫폼 키에서 REST API 키를 확인하세요."
    " Check the app's REST API key at developers.kakao.com."
)
_OFF = (
    "Kakao Developers의 앱 설정에서 이 앱의 상태와 사용 설정을 확인하세요."
    " Check at developers.kakao.com that the app is active and may use the search."
)


def _a_day(unit: str, amount: int, title: str, title_ko: str) -> Quota:
    return Quota(unit=unit, amount=amount, zone="Asia/Seoul", title=title, title_ko=title_ko)


class Kakao(SearchPoller):
    """What Daum finds for a term, newest first, each service and term by itself."""

    services = tuple(_KINDS)
    page = PAGE
    spec = SourceSpec(
        name="kakao",
        title="Kakao (Daum) search",
        title_ko="카카오(다음) 검색(웹·블로그·카페)",
        every=timedelta(minutes=15),
        kind=Kind.POST,
        base_url=API,
        languages=("ko",),
        needs_brand=True,
        params=(
            Param(
                name="services",
                title="Where to search",
                title_ko="검색할 곳",
                default="web,blog,cafe",
                example="blog,cafe",
                help="web 웹문서, blog 블로그(티스토리 등), cafe 다음 카페. 쉼표로 구분합니다."
                " Separated by commas.",
            ),
            QUERY,
        ),
        credentials=(
            Credential(
                name="rest_api_key",
                title="REST API key",
                help="Kakao Developers의 앱 > 플랫폼 키. Of an app at developers.kakao.com.",
            ),
        ),
        cost="무료. Free.",
        limits="하루 50,000회, 그중 웹·블로그·카페 각각 30,000회; 검색어마다 최신 800건 안팎."
        " 50,000 calls a day, 30,000 of each service; about the newest 800 results of a term.",
        terms="검색 결과는 출처와 함께 보여야 하며, 본문은 일부만 제공됩니다."
        " Show results with their source; only a part of the text is given.",
        quotas=(
            _a_day("calls", 50_000, "Calls a day", "하루 호출 수"),
            _a_day("web", 30_000, "Web searches a day", "하루 웹문서 검색 수"),
            _a_day("blog", 30_000, "Blog searches a day", "하루 블로그 검색 수"),
            _a_day("cafe", 30_000, "Café searches a day", "하루 카페 검색 수"),
        ),
        signup="https://developers.kakao.com/console/app",
    )

    def request(self, watch: Watch, at: Position) -> Request:
        """Ask for fifty results. Raises AuthRejected when there is no key."""
        service, term = split_lane(at.lane)
        key = watch.connection.credentials.get("rest_api_key", "").strip()
        if not key:
            raise AuthRejected(
                "Kakao needs a REST API key.",
                hint="LISTENER_KAKAO__REST_API_KEY를 설정하거나 연결에 입력하세요."
                " Set it, or enter the key for the connection.",
            )
        base = (watch.connection.base_url or API).rstrip("/")
        return Request(
            url=f"{base}/v2/search/{service}",
            params={"query": term, "sort": "recency", "page": _number(at), "size": PAGE},
            headers={"Authorization": f"KakaoAK {key}"},
            expect="json",
            accept=_READ,
            charge={"calls": 1, service: 1},
        )

    def parse(self, page: Page, watch: Watch, at: Position) -> Parsed:
        """Read the results of one page, or say in words why there are none."""
        rank = (_number(at) - 1) * PAGE + 1
        if page.status >= 400:
            if not at.first and "more than max" in _said(page):
                return self.walked((), at, rank=rank, next_page=None, whole=False)
            raise _refusal(page, watch, at)
        answer = page.json
        meta, rows = answer["meta"], answer["documents"]
        service, _ = split_lane(at.lane)
        found = (_item(row, service, watch.brand) for row in rows)
        end = bool(meta["is_end"])
        more = not end and _number(at) < DEEPEST
        return self.walked(
            (item for item in found if item is not None),
            at,
            rank=rank,
            next_page=str(_number(at) + 1) if more else None,
            whole=end and int(meta.get("total_count", 0)) <= int(meta.get("pageable_count", 0)),
        )


def _number(at: Position) -> int:
    return int(at.token or 1)


def _item(row: Mapping[str, Any], service: str, brand: Brand | None) -> RawItem | None:
    """One result; None for one without any text or address."""
    title, text = row["title"] or "", row.get("contents") or ""
    link = plain_link(row["url"] or "")
    external_id = link_id(link)
    if not external_id or not (title or text):
        return None
    published_at, precision = read_date(row.get("datetime"))
    author = _author(row, link) if service == "blog" else None
    thumbnail = plain_link(row.get("thumbnail") or "")
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
        media=(thumbnail,) if thumbnail else (),
        raw={**row, "service": service},
    )


def _author(row: Mapping[str, Any], link: str) -> RawAuthor | None:
    """The blog: its address stands for whoever writes it."""
    parts = urlsplit(link)
    host = (parts.hostname or "").removeprefix("www.").removeprefix("m.")
    first = parts.path.strip("/").partition("/")[0]
    handle = ""
    if host.endswith(".tistory.com"):
        handle = host.removesuffix(".tistory.com")
    elif host in ("brunch.co.kr", "blog.naver.com", "velog.io", "medium.com"):
        handle = first.lstrip("@")
        host = f"{host}/{first}"
    name = row.get("blogname") or ""
    if not name and not host:
        return None
    return RawAuthor(native_id=host, handle=handle, name=name, url=f"https://{host}")


def _refusal(page: Page, watch: Watch, at: Position) -> SourceError:
    """A refusal in words: Kakao's ``errorType`` with ``message``, or ``code`` with ``msg``."""
    _, term = split_lane(at.lane)
    secrets = frozenset(value for value in watch.connection.credentials.values() if value)
    shown = redact(page.url).partition("?")[0]
    error = classify(
        page.status, page.headers, page.body, page.now, url=shown, secrets=secrets
    ) or LayoutChanged(f"{shown} answers with HTTP {page.status}.", status=page.status)
    said = _said(page)
    if isinstance(error, BudgetExhausted):
        error.hint = (
            "앱의 쿼터를 다 썼습니다. 한도는 Kakao Developers의 쿼터 화면에 있습니다."
            " The app's quota is used up; its page at developers.kakao.com tells the limit."
        )
    elif isinstance(error, AuthRejected) and "ip mismatched" in said:
        error.hint = (
            "앱의 허용 IP 주소에 이 서버를 추가하세요."
            " Add this server to the app's allowed IP addresses."
        )
    elif isinstance(error, AuthRejected):
        error.hint = _OFF if page.status == 403 else _KEY
    elif page.status == 400 and "query" in said:
        told = f'Kakao does not accept the search term "{term}".'
        hint = "검색어를 고쳐 주세요. Change the watch's search term."
        return SourceError(told, hint=hint, status=page.status)
    return error


def _said(page: Page) -> str:
    """What a refusal says, lower case; empty where it is not written as Kakao does."""
    try:
        data = page.json
    except LayoutChanged:
        return ""
    data = data if isinstance(data, dict) else {}
    return str(data.get("message") or data.get("msg") or "").lower()
