"""What searches share that show their newest results first, by pages, without ids: Naver, Kakao.

Their listings are walked per service and search term, results are known again by their address, and
since some tell no dates, a walk knows by what it saw last that it has come down far enough.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from listener.collect.base import Mark, Parsed, Poller, Position, param
from listener.errors import InvalidInput
from listener.sites import ONE
from listener.text import canonical_url
from listener.types import Brand, Param, Precision, RawItem, Watch

REMEMBERED = 40  # of the newest results, by which the next walk knows where it stands
MET = 3  # known results make sure; one alone may have been dated anew and moved to the top
LOOK_BACK = timedelta(days=1)
DOUBTFUL = 10  # results that do not vanish all at once

QUERY = Param(
    name="query",
    title="Search terms",
    title_ko="검색어",
    example="누리마켓, 누리 앱",
    help="쉼표로 구분하며 각각 따로 검색합니다. 비우면 브랜드의 이름과 별칭으로 검색합니다."
    " Separated by commas, each searched by itself. Left out: the brand's name and aliases.",
)


class SearchPoller(Poller):
    """A search by service and term. Subclasses ask for a page, read its rows and call ``walked``.

    A page is handed on whole, so what was indexed late is taken as long as it is on it. Once a day
    the walk goes down to where it began a day ago, for what was indexed later still.
    """

    services: ClassVar[tuple[str, ...]]
    page: ClassVar[int]  # results a page

    def lanes(self, watch: Watch) -> Sequence[str]:
        """``service:term``, each service with each term. Raises InvalidInput."""
        given = param(watch, self.spec, "services")
        chosen = _once(name.strip().lower() for name in given.split(","))
        unknown = [name for name in chosen if name not in self.services]
        if unknown or not chosen:
            raise InvalidInput(
                f"{self.spec.title} has no service {', '.join(unknown) or given!r}.",
                field="services",
                hint=f"There is: {', '.join(self.services)}.",
            )
        found = terms(param(watch, self.spec, "query"), watch.brand)
        if not found:
            raise InvalidInput(
                f"{self.spec.title} needs a search term, or a brand to take it from.",
                field="query",
                hint=f"For example: query={QUERY.example}",
            )
        return [f"{service}:{term}" for service in chosen for term in found]

    def walked(
        self,
        items: Iterable[RawItem],
        at: Position,
        *,
        rank: int,
        next_page: str | None,
        whole: bool,
        ordered: bool = True,
    ) -> Parsed:
        """The page as the runner takes it.

        ``rank`` is the place of its first result (1 = newest), ``whole`` says that nothing exists
        below it, ``ordered`` that results are newest first.
        """
        found = list({item.external_id: item for item in items}.values())
        ids = [_short(item.external_id) for item in found]
        if not found and at.first and len(at.memory.get("seen") or ()) >= DOUBTFUL:
            why = "The search shows nothing, although it had results before."
            return Parsed(items=(), reached=True, suspect=why)
        if not found or _repeats(ids, at):
            next_page = None  # servers show the last page again when asked for more
        down, met = self._down(found, ids, at, rank)
        if not ordered and at.closed_at is not None:
            down = True  # by relevance: there is no way down, what is on top is read each time
        if next_page is None and (met or whole or not ordered):
            down = True
        return Parsed(
            items=tuple(found),
            next_page=next_page,
            reached=down,
            newest=_newest(found, at.now),
            oldest=_oldest(found, at.now),
            keep={"met": met, "page": [*ids[:1], *ids[-1:]]},
            keep_when_closed=_closing(ids, at) if at.first and ids else {},
        )

    def _down(
        self, items: Sequence[RawItem], ids: Sequence[str], at: Position, rank: int
    ) -> tuple[bool, bool]:
        """Whether the walk may end with this page, and whether it has met what is known."""
        recent = at.memory.get("seen") or ()
        met = _overlaps(ids, recent) or (not at.first and bool(at.memory.get("met")))
        bottom = _date(items)
        if bottom is not None:
            if at.above is None:
                days = timedelta(days=self.net.settings.history_days)
                return bottom < at.now - days, met
            if at.above.at is not None and bottom < at.above.at - LOOK_BACK:
                return True, True
        if not met or not _sweeps(at):
            return met, met
        last_page = rank > self.page * (self.net.settings.max_pages - 1)
        return last_page or _overlaps(ids, at.memory["day"]["seen"]), True


def terms(query: str, brand: Brand | None) -> list[str]:
    """What to search for: what stands between commas or line ends, or each name of the brand with
    the words that must go with it.
    """
    if query.strip():
        return _once(" ".join(term.split()) for term in re.split(r"[,\n]", query))
    if brand is None:
        return []
    names = _once(" ".join(n.split()) for n in (brand.name, *brand.aliases, *brand.any_terms))
    return [" ".join([name, *brand.all_terms]) for name in names]


def split_lane(lane: str) -> tuple[str, str]:
    """Service and term of a lane."""
    service, _, term = lane.partition(":")
    return service, term


# --- what identifies a page ---------------------------------------------------------------------

_CAFES = "https://cafe.naver.com/"
_CAFE = re.compile(r"cafe\.naver\.com/ca-fe/cafes/\d+/articles/(\d+)")
_TISTORY = re.compile(r"/m(/\d+|/entry/.+)")  # on addresses of their own


def plain_link(link: str) -> str:
    """A link as it is meant: some APIs write ``&`` as ``&amp;``, also twice."""
    for _ in range(3):
        if "&" not in link:
            break
        link = html.unescape(link)
    link = link.strip()
    return f"https://{link}" if link and "://" not in link else link


def link_id(link: str, home: str = "") -> str:
    """What all spellings of a page's address share: no scheme, no ``www.`` or ``m.``, no tracking,
    and of a post on a platform that is known only what names it. ``home`` is the café's address,
    whose name replaces its number. Empty for what is no web address.
    """
    url = canonical_url(plain_link(link))
    if url is None:
        return ""
    if ONE.fullmatch(url) and not url.startswith(_CAFES):
        return url.removeprefix("https://")  # as nearly always
    parts = urlsplit(url)
    host, path = _bare(parts.netloc), parts.path.rstrip("/")
    if host == "kin.naver.com" and "docId=" in parts.query:
        asked = dict(parse_qsl(parts.query))
        return f"{host}/{asked.get('dirId', '')}/{asked.get('docId', '')}"
    numbered = _CAFE.fullmatch(f"{host}{path}")
    name = urlsplit(plain_link(home)).path.strip("/").lower()
    if numbered and re.fullmatch(r"[\w-]+", name):
        return f"{host}/{name}/{numbered[1]}"
    mobile = _TISTORY.fullmatch(path)
    path = mobile[1] if mobile else path
    return f"{host}{path}" + (f"?{parts.query}" if parts.query else "")


def _bare(host: str) -> str:
    """A host without the parts that only say on which device it is read."""
    for prefix in ("www.", "m."):
        if host.startswith(prefix) and host.count(".") > 1:
            host = host.removeprefix(prefix)
    return host


# --- where a walk stands --------------------------------------------------------------------------


def _overlaps(ids: Sequence[str], known: Sequence[str]) -> bool:
    return bool(known) and len(set(ids) & set(known)) >= min(MET, len(known))


def _repeats(ids: Sequence[str], at: Position) -> bool:
    return not at.first and [*ids[:1], *ids[-1:]] == at.memory.get("page")


def _sweeps(at: Position) -> bool:
    """Whether this walk looks back further: a day after the last that did."""
    day = at.memory.get("day") or {}
    return "at" in day and at.now - datetime.fromisoformat(day["at"]) >= LOOK_BACK


def _closing(ids: Sequence[str], at: Position) -> dict[str, Any]:
    """What the next walk is to know, of the newest page."""
    seen = list(ids[:REMEMBERED])
    if at.memory.get("day") and not _sweeps(at):
        return {"seen": seen}
    return {"seen": seen, "day": {"at": at.now.isoformat(), "seen": seen}}


def _newest(items: Sequence[RawItem], now: datetime) -> Mark | None:
    """The mark. A day alone is no place in time: a thousand posts share it."""
    if not items:
        return None
    dates = [min(at, now) for item in items if (at := _exact(item)) is not None]
    return Mark(items[0].external_id, max(dates, default=None))


def _oldest(items: Sequence[RawItem], now: datetime) -> Mark | None:
    if not items:
        return None
    date = _date(items) if _exact(items[-1]) is not None else None
    return Mark(items[-1].external_id, min(date, now) if date else None)


def _date(items: Sequence[RawItem]) -> datetime | None:
    """How far down a page comes: the latest of its last dates, since one alone may be wrong."""
    dates = [item.published_at for item in items[-MET:] if item.published_at is not None]
    return max(dates, default=None)


def _exact(item: RawItem) -> datetime | None:
    return item.published_at if item.published_precision is Precision.EXACT else None


def _short(external_id: str) -> str:
    """A few characters that stand for a result in the cursor."""
    return blake2b(external_id.encode("utf-8", "replace"), digest_size=5).hexdigest()


def _once(words: Iterable[str]) -> list[str]:
    """Each word once, whatever its case, in order; empty ones left out."""
    found: dict[str, str] = {}
    for word in words:
        if word:
            found.setdefault(word.casefold(), word)
    return list(found.values())
