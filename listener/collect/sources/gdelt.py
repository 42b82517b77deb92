"""GDELT: news articles of the whole world by the DOC 2.0 API, best effort and without a key."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from listener.collect.base import Mark, Page, Parsed, Poller, Position, Request, param
from listener.errors import InvalidInput, LayoutChanged, RateLimited, SourceUnavailable
from listener.net.limits import Rule
from listener.net.page import redact
from listener.net.retry import retry_at
from listener.types import (
    Brand,
    Gap,
    GapReason,
    Kind,
    Param,
    RawAuthor,
    RawItem,
    SourceSpec,
    Watch,
)

API = "https://api.gdeltproject.org"
MOST = 250  # articles in one answer
WINDOW = timedelta(days=90)  # how far back GDELT searches: three months
_MARGIN = timedelta(hours=12)  # its three months are reckoned a little differently each day
_SLOT = timedelta(minutes=15)  # articles are dated by the quarter of an hour in which they came
_PACE = Rule(delay=timedelta(seconds=6))  # it asks for one request in five seconds
_PAUSE = timedelta(minutes=15)  # after a refusal; asking sooner prolongs it
_SLOW_DOWN = re.compile(r"limit requests|too many requests", re.IGNORECASE)
_USERS_FAULT = re.compile(
    r"too (short|long|common)|surrounded by \(\)|parenthes|phrase|keyword|query|timespan"
    r"|sourcelang|invalid|within the last",
    re.IGNORECASE,
)
_BAD_ESCAPE = re.compile(r'\\(?!["\\/bfnrt]|u[0-9a-fA-F]{4})')
_LANGUAGES = {
    "Korean": "ko", "English": "en", "Japanese": "ja", "Chinese": "zh", "Spanish": "es",
    "French": "fr", "German": "de", "Italian": "it", "Portuguese": "pt", "Russian": "ru",
    "Vietnamese": "vi", "Indonesian": "id", "Thai": "th", "Arabic": "ar", "Turkish": "tr",
    "Dutch": "nl", "Polish": "pl", "Swedish": "sv", "Ukrainian": "uk", "Hindi": "hi",
}  # fmt: skip
_COUNTRIES = {
    "South Korea": "KR", "United States": "US", "United Kingdom": "GB", "Japan": "JP",
    "China": "CN", "Taiwan": "TW", "Hong Kong": "HK", "Canada": "CA", "Australia": "AU",
    "Germany": "DE", "France": "FR", "Spain": "ES", "Italy": "IT", "India": "IN",
    "Singapore": "SG", "Vietnam": "VN", "Indonesia": "ID", "Thailand": "TH", "Brazil": "BR",
    "Mexico": "MX", "Russia": "RU",
}  # fmt: skip


class Gdelt(Poller):
    """Articles that mention a word, newest first, by windows of time that go down.

    What GDELT tells of an article is its title, address, site, language and when it was seen. It
    refuses at busy times whoever asks, and says many things in plain text with status 200.
    """

    lookback = timedelta(hours=1)  # articles join older quarters of an hour for a while
    spec = SourceSpec(
        name="gdelt",
        title="GDELT news search",
        title_ko="GDELT 세계 뉴스 검색",
        every=timedelta(hours=1),
        kind=Kind.ARTICLE,
        base_url=API,
        needs_brand=True,
        params=(
            Param(
                name="query",
                title="Search words",
                title_ko="검색어",
                example="nurimarket",
                help="비우면 브랜드의 이름과 별칭으로 찾습니다. GDELT는 기사를 영어로 옮겨 찾으므로"
                " 영문 이름이 잘 맞습니다. Left out: the brand's names. GDELT searches English"
                " translations, so an English name works best.",
            ),
            Param(
                name="language",
                title="Language of the articles",
                title_ko="기사의 언어",
                example="korean",
                help="영어로 된 언어 이름(korean, english …). 비우면 모든 언어."
                " The language's English name; left out: all.",
            ),
            Param(
                name="country",
                title="Country of the publisher",
                title_ko="언론사의 나라",
                example="southkorea",
                help="영어로 된 나라 이름을 붙여 쓰거나(southkorea) 두 글자 코드를 적습니다."
                " The country's English name without spaces, or its FIPS code.",
            ),
        ),
        cost="무료, 키가 필요 없습니다. Free, without a key.",
        limits="5초에 한 번, 최근 3개월. 바쁠 때는 첫 요청도 거절하므로 보조 수단으로 쓰십시오."
        " One request in five seconds, three months back; refuses even first requests at times.",
        terms="출처로 GDELT를 밝히면 자유롭게 쓸 수 있습니다. Free to use if GDELT is cited.",
    )

    def request(self, watch: Watch, at: Position) -> Request:
        """Ask for the newest articles between the mark and the oldest one so far."""
        base = (watch.connection.base_url or API).rstrip("/")
        until = datetime.fromisoformat(at.token) if at.token else at.now
        return Request(
            url=f"{base}/api/v2/doc/doc",
            params={
                "query": self._query(watch),
                "mode": "ArtList",
                "format": "json",
                "maxrecords": MOST,
                "sort": "DateDesc",
                "startdatetime": _stamp(self._since(at)),
                "enddatetime": _stamp(until),
            },
            expect="json",
            rule=_PACE if base == API else None,
            accept=frozenset({429}),
        )

    def parse(self, page: Page, watch: Watch, at: Position) -> Parsed:
        """Read the articles; what is said in plain text instead becomes an error in words."""
        rows = _articles(page)
        times = [_time(row["seendate"]) for row in rows]
        if at.token and times and max(times) > datetime.fromisoformat(at.token):
            return Parsed(items=(), reached=False)  # a server that does not know the window
        items = {row["url"]: _item(row, watch.brand) for row in rows if row["title"]}
        if rows and not items:
            raise KeyError("title")
        next_page, gaps = _below(times, at)
        end = at.now - WINDOW + _MARGIN
        if at.first and at.closed_at and at.closed_at < end:
            why = "GDELT searches the last three months only."
            gaps.append(Gap(from_at=at.closed_at, to_at=end, why=GapReason.WINDOW, detail=why))
        marks = [Mark(row["url"], time) for row, time in zip(rows, times, strict=True)]
        return Parsed(
            items=tuple(items.values()),
            next_page=next_page,
            reached=next_page is None,  # only what is newer than the mark was asked for
            newest=max(marks, key=_when, default=None),
            oldest=min(marks, key=_when, default=None),
            gaps=tuple(gaps),
        )

    def _since(self, at: Position) -> datetime:
        days = timedelta(days=self.net.settings.history_days)
        earliest = at.now - min(days, WINDOW - _MARGIN)
        if at.above and at.above.at:
            return max(at.above.at - self.lookback, at.now - WINDOW + _MARGIN)
        return earliest

    def _query(self, watch: Watch) -> str:
        """The words in GDELT's grammar: several in parentheses, only phrases in quotes."""
        query = param(watch, self.spec, "query") or _words(watch.brand)
        if not query:
            raise InvalidInput("GDELT needs search words, or a brand.", field="query")
        for operator, name in (("sourcelang", "language"), ("sourcecountry", "country")):
            value = param(watch, self.spec, name).replace(" ", "").lower()
            query += f" {operator}:{value}" if value else ""
        return query


def _words(brand: Brand | None) -> str:
    if brand is None:
        return ""
    typed: dict[str, str] = {}
    for name in (brand.name, *brand.aliases, *brand.any_terms):
        word = " ".join(re.sub(r'["()]', " ", name).split())
        if word:
            typed.setdefault(word.casefold(), f'"{word}"' if re.search(r"\W", word) else word)
    return f"({' OR '.join(typed.values())})" if len(typed) > 1 else "".join(typed.values())


def _articles(page: Page) -> Sequence[Mapping[str, Any]]:
    """The rows of an answer. Raises RateLimited, InvalidInput or LayoutChanged."""
    text = page.text.strip()
    if page.status == 429 or (not text.startswith("{") and _SLOW_DOWN.search(text)):
        told = retry_at(page.status, page.headers, page.body, page.now)
        raise RateLimited(
            "GDELT is busy, or was asked too often.",
            hint="Nothing is wrong with the watch; it is tried again later.",
            retry_at=told or page.now + _PAUSE,
            status=page.status,
        )
    if not text:
        raise SourceUnavailable("GDELT answers with nothing at all.", status=page.status)
    if not text.startswith("{"):
        said = " ".join(text.split())[:200]
        if _USERS_FAULT.search(said):
            raise InvalidInput(f"GDELT says: {said}", field="query")
        raise LayoutChanged(f'GDELT answers in plain text: "{said}"', status=page.status)
    try:
        # Titles come with line breaks and with escapes that JSON does not know.
        answer = json.loads(_BAD_ESCAPE.sub(r"\\\\", text), strict=False)
    except ValueError as error:
        raise LayoutChanged(
            f"The answer of {redact(page.url)} is not valid JSON.", status=page.status
        ) from error
    rows: Sequence[Mapping[str, Any]] = answer["articles"] if answer else ()  # {} = none
    return rows


def _below(times: Sequence[datetime], at: Position) -> tuple[str | None, list[Gap]]:
    """Where to go on below a page, and what is missing where a slot has more than a page shows."""
    if len(times) < MOST:
        return None, []
    until = datetime.fromisoformat(at.token) if at.token else None
    oldest = min(times)
    if until is None or oldest < until:
        return oldest.isoformat(), []  # others of that slot may have been cut off
    why = f"GDELT shows at most {MOST} articles of a quarter of an hour."
    gap = Gap(from_at=oldest, to_at=oldest + _SLOT, why=GapReason.PAGE_CAP, detail=why)
    return (oldest - timedelta(seconds=1)).isoformat(), [gap]


def _item(row: Mapping[str, Any], brand: Brand | None) -> RawItem:
    domain, image = row.get("domain") or "", row.get("socialimage")
    own = {handle.lstrip("@").lower() for handle in brand.handles} if brand else set()
    return RawItem(
        external_id=row["url"],
        kind=Kind.ARTICLE,
        url=row["url"],
        title=row["title"],
        text="",
        author=RawAuthor(native_id=domain, name=domain, url=f"https://{domain}/")
        if domain
        else None,
        published_at=_time(row["seendate"]),
        language=_LANGUAGES.get(row.get("language") or ""),
        is_own=bool(domain) and domain.lower() in own,
        country=_COUNTRIES.get(row.get("sourcecountry") or ""),
        media=(image,) if image else (),
        raw=dict(row),
    )


def _time(text: str) -> datetime:
    """``20260220T063400Z``, now and then without its letters."""
    digits = "".join(char for char in text if char.isdigit())
    return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%d%H%M%S")


def _when(mark: Mark) -> datetime:
    return mark.at or datetime.min.replace(tzinfo=UTC)
