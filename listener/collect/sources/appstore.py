"""App Store reviews: Apple's public feed by country, or App Store Connect for own apps."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from listener.collect.base import (
    Mark,
    Page,
    Parsed,
    Poller,
    Position,
    Request,
    on_account,
    param,
)
from listener.collect.dates import read_date
from listener.errors import (
    AuthRejected,
    InvalidInput,
    LayoutChanged,
    SourceError,
    SourceUnavailable,
)
from listener.net.client import Meter
from listener.types import (
    Credential,
    Engagement,
    Kind,
    MatchMode,
    Param,
    Precision,
    RatingSnapshot,
    RawAuthor,
    RawItem,
    SourceSpec,
    Watch,
)

PUBLIC = "https://itunes.apple.com"
CONNECT = "https://api.appstoreconnect.apple.com"
DEFAULT_COUNTRY = "kr"
PAGES = 10  # "CustomerReviews RSS page depth is limited to 10" (HTTP 400)
PAGE = 50
CONNECT_PAGE = 200
LATE = timedelta(days=2)  # reviews appear in the feed after Apple has looked at them
ANSWERED = timedelta(days=7)  # how long answers and edits are looked for in App Store Connect
TOKEN_LIFE = timedelta(minutes=20)  # Apple refuses tokens that live longer

# The same app gave nothing on one form and 50 reviews on another (seen 2026-09), and a page that
# came back empty was full when asked again: all are tried before a page is taken for empty.
FORMS = {
    "page/id/sortby": "page={page}/id={app}/sortby=mostrecent/json",
    "id/page/sortBy": "id={app}/page={page}/sortBy=mostRecent/json",
    "id/sortBy": "id={app}/sortBy=mostRecent/json",
    "page/id/sortBy": "page={page}/id={app}/sortBy=mostRecent/json",
    "id/sortBy/page": "id={app}/sortBy=mostRecent/page={page}/json",
    "xml": "page={page}/id={app}/sortby=mostrecent/xml",
}

_ID = re.compile(r"(?:id)?(\d{3,20})\Z")
_ID_IN_PATH = re.compile(r"/id(\d{3,20})(?:/|\Z)")
_COUNTRY_IN_PATH = re.compile(r"/([A-Za-z]{2})/")
_COUNTRY = re.compile(r"[a-z]{2}\Z")
_USER_IN_URI = re.compile(r"/id(\d+)")
_PAGE_IN_LINK = re.compile(r"/page=(\d+)/")
_CODES = {"uk": "gb"}  # what people write

# ISO 3166: the three letters of App Store Connect with the two that are used everywhere else.
_TERRITORIES = """
AFGAF AGOAO AIAAI ALBAL ANDAD AREAE ARGAR ARMAM ATGAG AUSAU AUTAT AZEAZ BELBE BENBJ BFABF BGRBG
BHRBH BHSBS BIHBA BLRBY BLZBZ BMUBM BOLBO BRABR BRBBB BRNBN BTNBT BWABW CANCA CHECH CHLCL CHNCN
CIVCI CMRCM CODCD COGCG COLCO CPVCV CRICR CYMKY CYPCY CZECZ DEUDE DMADM DNKDK DOMDO DZADZ ECUEC
EGYEG ESPES ESTEE FINFI FJIFJ FRAFR FSMFM GABGA GBRGB GEOGE GHAGH GMBGM GNBGW GRCGR GRDGD GTMGT
GUYGY HKGHK HNDHN HRVHR HUNHU IDNID INDIN IRLIE IRQIQ ISLIS ISRIL ITAIT JAMJM JORJO JPNJP KAZKZ
KENKE KGZKG KHMKH KNAKN KORKR KWTKW LAOLA LBNLB LBRLR LBYLY LCALC LKALK LTULT LUXLU LVALV MACMO
MARMA MDAMD MDGMG MDVMV MEXMX MKDMK MLIML MLTMT MMRMM MNEME MNGMN MOZMZ MRTMR MSRMS MUSMU MWIMW
MYSMY NAMNA NERNE NGANG NICNI NLDNL NORNO NPLNP NRUNR NZLNZ OMNOM PAKPK PANPA PERPE PHLPH PLWPW
PNGPG POLPL PRTPT PRYPY QATQA ROURO RUSRU RWARW SAUSA SENSN SGPSG SLBSB SLESL SLVSV SRBRS STPST
SURSR SVKSK SVNSI SWESE SWZSZ SYCSC TCATC TCDTD THATH TJKTJ TKMTM TONTO TTOTT TUNTN TURTR TWNTW
TZATZ UGAUG UKRUA URYUY USAUS UZBUZ VCTVC VENVE VGBVG VNMVN VUTVU XKSXK YEMYE ZAFZA ZMBZM ZWEZW
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """What Apple tells of an app in a country. ``name`` None = there is no such app there."""

    country: str
    name: str | None
    average: float | None = None
    count: int | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Page):
    """A page of reviews, with what was found out on the way to it.

    ``rows`` are the entries of the feed, however it was written, ``last`` is the last page that the
    feed speaks of, ``form`` the address form that worked.
    """

    rows: tuple[Mapping[str, Any], ...] = ()
    last: int = 0
    form: str = ""
    lookups: tuple[Lookup, ...] = ()
    notices: tuple[str, ...] = ()


class AppStore(Poller):
    """Customer reviews of an app, with developer's answers where App Store Connect tells them."""

    spec = SourceSpec(
        name="appstore",
        title="App Store reviews",
        title_ko="앱스토어 리뷰",
        every=timedelta(hours=1),
        kind=Kind.REVIEW,
        base_url=PUBLIC,
        default_match=MatchMode.ALL,
        first=True,
        params=(
            Param(
                name="app",
                title="App",
                title_ko="앱",
                required=True,
                example="https://apps.apple.com/kr/app/id362057947",
                help="앱스토어 주소를 그대로 붙여 넣거나 앱 번호를 적습니다."
                " The app's address in the App Store, or its number.",
            ),
            Param(
                name="countries",
                title="Countries",
                title_ko="국가",
                example="kr,us,jp",
                help="두 글자 국가 코드를 쉼표로 구분합니다. 비우면 주소의 국가, 없으면 kr."
                " Two-letter codes, comma separated. Left out: the country of the address,"
                " else kr.",
            ),
        ),
        credentials=(
            Credential(
                name="key_id",
                title="App Store Connect key ID",
                required=False,
                help="자사 앱이라면 선택: 모든 국가의 리뷰와 답변을 공식 API로 가져옵니다."
                " Optional, for own apps: all countries and answers by the official API.",
            ),
            Credential(
                name="issuer_id",
                title="App Store Connect issuer ID",
                required=False,
                help="팀 키에만 있습니다. Of team keys; individual keys have none.",
            ),
            Credential(
                name="private_key",
                title="App Store Connect private key (.p8)",
                required=False,
                help="내려받은 .p8 파일의 내용. What is in the .p8 file.",
            ),
        ),
        cost="무료. Free.",
        limits="공개 피드는 국가마다 최신 500건까지 보여 줍니다. App Store Connect는 시간당 약"
        " 3,600회. The public feed shows the newest 500 of each country; App Store Connect takes"
        " about 3,600 requests an hour.",
        terms="공개 피드는 Apple이 제공하지만 보장하지 않습니다. 자사 앱은 App Store Connect를"
        " 권합니다. The public feed comes without a promise; use App Store Connect for own apps.",
        signup="https://appstoreconnect.apple.com/access/integrations/api",
    )

    def lanes(self, watch: Watch) -> Sequence[str]:
        """The countries; App Store Connect tells of all of them at once.

        Raises InvalidInput.
        """
        return ("",) if _official(watch) else countries(watch, self.spec)

    def request(self, watch: Watch, at: Position) -> Request:
        """A page of reviews, on the address form that worked last."""
        if _official(watch):
            return self._connect_request(watch, at)
        return self._feed_request(watch, at, _forms(at)[0])

    def load(self, watch: Watch, at: Position, validators: Mapping[str, Mapping[str, str]]) -> Page:
        """Get a page, on all address forms until one shows reviews; once a day the app's rating."""
        meter = Meter()
        try:
            official = _official(watch)
            found = self._connect(watch, at, meter) if official else self._feed(watch, at, meter)
            lookups, notices = self._lookups(watch, at, meter) if at.first else ((), ())
        except SourceError as error:
            error.requests = meter.requests
            raise
        given = {one.name: getattr(found, one.name) for one in fields(found)}
        return Answer(
            **given | {"requests": meter.requests, "lookups": lookups, "notices": notices}
        )

    def parse(self, page: Page, watch: Watch, at: Position) -> Parsed:
        """Read the reviews, and the ratings if they were asked for."""
        page = page if isinstance(page, Answer) else _read(page, official=_official(watch))
        app = _app(watch)[0]
        names = {one.country: one.name for one in page.lookups if one.name}
        names = {**(at.memory.get("names") or {}), **names}
        today = at.now.date().isoformat()
        keep: dict[str, Any] = {}
        if page.lookups:
            # What is not there is asked for again the next time: the name may be mended meanwhile.
            rated = {one.country: [today, one.count] for one in page.lookups if one.name}
            keep = {"names": names, "rated": {**(at.memory.get("rated") or {}), **rated}}
        product = names.get(at.lane) or next(iter(names.values()), None) or app
        if _official(watch):
            parsed = _read_connect(page, app, product, at)
        else:
            parsed = self._read_feed(page, app, product, at)
        ratings = (_snapshot(one, app) for one in page.lookups)
        return Parsed(
            items=parsed.items,
            next_page=parsed.next_page,
            reached=parsed.reached,
            newest=parsed.newest,
            oldest=parsed.oldest,
            notices=(*page.notices, *parsed.notices),
            keep={**keep, **parsed.keep},
            suspect=parsed.suspect,
            ratings=tuple(one for one in ratings if one is not None),
        )

    # --- the public feed --------------------------------------------------------------------------

    def _feed(self, watch: Watch, at: Position, meter: Meter) -> Answer:
        """The page on the first form that shows reviews, else on one that shows that there are
        none. Raises SourceError.
        """
        empty: Answer | None = None
        failed: SourceError | None = None
        absent: Page | None = None
        for form in _forms(at):
            try:
                page = self._get(self._feed_request(watch, at, form), watch, meter)
                if page.status in (400, 404):
                    absent = absent or page
                    continue
                rows, last = _entries(page)
            except LayoutChanged as error:
                # The last resort says nothing against the others.
                failed = failed or (error if form != "xml" or empty is None else None)
                continue
            answer = _answer(page, rows=rows, last=last, form=form)
            if _without_app(rows)[1]:
                return answer
            empty = empty or answer
        if failed is not None:
            raise failed
        if empty is not None:
            return empty
        if absent is None or at.first:
            raise SourceUnavailable(
                "The App Store has no review feed of this app (HTTP 404).",
                hint="Check the app's number and the country.",
                status=404,
            )
        return _answer(absent)

    def _feed_request(self, watch: Watch, at: Position, form: str) -> Request:
        path = FORMS[form].format(page=_place(at)[0], app=_app(watch)[0])
        return Request(
            url=f"{_base(watch, PUBLIC)}/{at.lane}/rss/customerreviews/{path}",
            expect="xml" if form == "xml" else "json",
            accept=frozenset({400, 404}),
        )

    def _read_feed(self, page: Answer, app: str, product: str, at: Position) -> Parsed:
        app_name, rows = _without_app(page.rows)
        if not rows and at.first:
            return _nothing(page, app, at)
        number, last = _place(at)
        if not rows and number <= max(last, page.last):
            # Taken as suspect, the walk is made anew from the top: other pages are not held up.
            return Parsed(
                items=(),
                suspect=f"Page {number} of {max(last, page.last)} of Apple's feed in"
                f" {at.lane.upper()} came back empty on all of its addresses. It is asked again.",
            )
        if not rows:
            return Parsed(items=(), reached=False)
        items = tuple(_review(row, app, app_name or product, at.lane) for row in rows)
        # Each page names the last one; where none does, a full page may have a next.
        more = page.last > number if page.last else len(page.rows) >= PAGE
        return Parsed(
            items=items,
            next_page=f"{number + 1}/{page.last}" if more and number < PAGES else None,
            reached=_reached(at, [Mark(one.external_id, one.published_at) for one in items], LATE),
            keep={"form": page.form},
        )

    # --- App Store Connect ------------------------------------------------------------------------

    def _connect(self, watch: Watch, at: Position, meter: Meter) -> Answer:
        """A page of the official API; one whose token has run out is asked from the top again."""
        page = self._get(self._connect_request(watch, at), watch, meter)
        if page.status != 400:
            return _answer(page)
        return _answer(self._get(self._connect_request(watch, None), watch, meter))

    def _connect_request(self, watch: Watch, at: Position | None) -> Request:
        # Only the parameters of links.next are followed: the token stays with our host.
        token = at.token if at else None
        params = dict(parse_qsl(token)) if token else {}
        return Request(
            url=f"{_base(watch, CONNECT)}/v1/apps/{_app(watch)[0]}/customerReviews",
            params=params or {"sort": "-createdDate", "limit": CONNECT_PAGE, "include": "response"},
            headers={"Authorization": f"Bearer {_jwt(watch, self.net.now())}"},
            expect="json",
            accept=frozenset({400}) if token else frozenset(),
        )

    # --- ratings ----------------------------------------------------------------------------------

    def _lookups(
        self, watch: Watch, at: Position, meter: Meter
    ) -> tuple[tuple[Lookup, ...], tuple[str, ...]]:
        """The app's ratings in the countries that were not asked today; reviews never fail for
        them.
        """
        today = at.now.date().isoformat()
        rated = at.memory.get("rated") or {}
        found: list[Lookup] = []
        for country in [at.lane] if at.lane else countries(watch, self.spec):
            if (rated.get(country) or [""])[0] == today:
                continue
            request = Request(
                url=f"{_base(watch, PUBLIC)}/lookup",
                params={"id": _app(watch)[0], "country": country},
                expect="json",
            )
            try:
                found.append(_lookup(self._get(request, watch, meter), country))
            except SourceError as error:
                return tuple(found), (f"The app's rating could not be read: {error.message}",)
        return tuple(found), ()

    def _get(self, request: Request, watch: Watch, meter: Meter) -> Page:
        try:
            page = self.net.fetch(on_account(request, watch))
        except SourceError as error:
            meter.requests += error.requests
            raise
        meter.requests += page.requests
        return page


def countries(watch: Watch, spec: SourceSpec) -> tuple[str, ...]:
    """The watch's storefronts, lower case. Raises InvalidInput for what is no country code."""
    given = re.split(r"[,;\s]+", param(watch, spec, "countries").strip().lower())
    codes = [_CODES.get(code, code) for code in given if code]
    if not codes:
        codes = [_app(watch)[1] or DEFAULT_COUNTRY]
    wrong = next((code for code in codes if not _COUNTRY.match(code)), None)
    if wrong is not None:
        raise InvalidInput(
            f"{wrong[:20]!r} is no country code.",
            field="countries",
            hint="Two letters each, for example: countries=kr,us,jp",
        )
    return tuple(dict.fromkeys(codes))


def _app(watch: Watch) -> tuple[str, str | None]:
    """The app's number, and the country that a pasted address names. Raises InvalidInput."""
    text = (watch.params.get("app") or "").strip()
    found = _ID.match(text)
    if found:
        return found[1], None
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
    except ValueError:
        parts = urlsplit("")
    number = _ID_IN_PATH.search(parts.path)
    in_query = dict(parse_qsl(parts.query)).get("id", "")
    if number is None and not in_query.isdigit():
        raise InvalidInput(
            "An App Store address has the app's number in it, like …/app/id362057947.",
            field="app",
            hint="For example: app=https://apps.apple.com/kr/app/id362057947",
        )
    country = _COUNTRY_IN_PATH.match(parts.path)
    return number[1] if number else in_query, country[1].lower() if country else None


def _base(watch: Watch, default: str) -> str:
    """The server: the default of the API in use, unless another one is set for the source."""
    given = (watch.connection.base_url or "").rstrip("/")
    return default if given in ("", PUBLIC) else given


def _official(watch: Watch) -> bool:
    given = watch.connection.credentials
    return bool(given.get("key_id") or given.get("private_key"))


def _place(at: Position) -> tuple[int, int]:
    """The page to ask for, and the last one as the page before named it (0 = it did not)."""
    number, _, last = (at.token or "1").partition("/")
    return int(number), min(int(last or 0), PAGES)


def _forms(at: Position) -> list[str]:
    """The address forms to try, the one that worked last first."""
    known = at.memory.get("form")
    order = sorted(FORMS, key=lambda form: form != known)
    return [form for form in order if at.first or "{page}" in FORMS[form]]


def _answer(page: Page, **told: Any) -> Answer:
    return Answer(**{one.name: getattr(page, one.name) for one in fields(page)}, **told)


def _read(page: Page, *, official: bool) -> Answer:
    """A page that was got by other ways than ``load``. Raises LayoutChanged."""
    rows, last = ((), 0) if official else _entries(page)
    return _answer(page, rows=rows, last=last)


def _entries(page: Page) -> tuple[tuple[Mapping[str, Any], ...], int]:
    """The entries of a feed in the shape of its JSON, and the last page that it speaks of.

    Raises LayoutChanged.
    """
    text = page.text.strip()
    if not text or text == "<!-- Empty -->":
        return (), 0
    if text.startswith("<"):
        return _xml_entries(page.body), 0
    try:
        feed = json.loads(text, strict=False)["feed"]
        # One review is an object instead of a list, none leaves the key out.
        told = feed.get("entry") or []
        rows = [dict(row) for row in (told if isinstance(told, list) else [told])]
        links = feed.get("link", [])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise LayoutChanged(
            "The App Store's review feed has another shape than it is known for.",
            hint="The source may have changed; a newer version of Listener may know it.",
            status=page.status,
        ) from None
    return tuple(rows), _last_page(links)


def _last_page(links: Any) -> int:
    """The page that ``link rel=last`` names. The address itself leads to the XML form."""
    for link in links if isinstance(links, list) else [links]:
        told = link.get("attributes") if isinstance(link, dict) else None
        if isinstance(told, dict) and told.get("rel") == "last":
            found = _PAGE_IN_LINK.search(str(told.get("href")))
            return int(found[1]) if found else 0
    return 0


def _xml_entries(body: bytes) -> tuple[Mapping[str, Any], ...]:
    """The entries of the Atom form. Raises LayoutChanged for what is no feed."""
    import feedparser  # only when Apple's JSON fails

    # Text as it stands: what a review says is no markup.
    feed = feedparser.parse(body, sanitize_html=False, resolve_relative_uris=False)
    if not feed.get("version"):
        raise LayoutChanged("The App Store's review feed is neither JSON nor Atom.")
    return tuple(dict(_xml_entry(entry)) for entry in feed.entries)


def _xml_entry(entry: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in ("id", "title", "updated"):
        if entry.get(name):
            yield name, entry[name]
    for name in ("im:rating", "im:version", "im:voteSum", "im:voteCount"):
        value = entry.get(name.lower().replace(":", "_"))
        if value:
            yield name, value
    contents = entry.get("content") or []
    plain = [one["value"] for one in contents if one.get("type") == "text/plain"]
    if plain or contents:
        yield "content", plain[0] if plain else contents[0]["value"]
    author = entry.get("author_detail") or {}
    yield "author", {"name": author.get("name"), "uri": author.get("href")}


def _without_app(
    rows: Sequence[Mapping[str, Any]],
) -> tuple[str | None, Sequence[Mapping[str, Any]]]:
    """The app's name and the reviews: older feeds show the app itself as their first entry."""
    known = not rows or "im:rating" in rows[0]
    if known or not any(name in rows[0] for name in ("im:name", "im:artist")):
        return None, rows
    return _label(rows[0].get("im:name")) or None, rows[1:]


def _review(row: Mapping[str, Any], app: str, product: str, country: str) -> RawItem:
    """A review of the feed. Raises KeyError and the like for what must be there."""
    published, precision = read_date(_label(row.get("updated")))
    rating = int(_needed(row, "im:rating"))
    if not 1 <= rating <= 5:
        raise ValueError("a rating off its scale")
    return RawItem(
        external_id=_review_id(_needed(row, "id")),
        kind=Kind.REVIEW,
        title=_label(row.get("title")) or None,
        text=_label(row["content"]),
        url=_address(app, country),
        author=_author(row.get("author")),
        published_at=published,
        published_precision=precision,
        rating=rating,
        rating_min=1,
        rating_max=5,
        product=product,
        product_version=_label(row.get("im:version")) or None,
        country=country.upper(),
        engagement=_votes(row),
        raw=row,
    )


def _label(value: Any) -> str:
    """A scalar of the feed: ``{"label": …}``, or plain; of several the first."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        value = value.get("label")
    return value if isinstance(value, str) else "" if value is None else str(value)


def _needed(row: Mapping[str, Any], name: str) -> str:
    """A label that must be there. Raises KeyError."""
    found = _label(row[name])
    if not found:
        raise KeyError(name)
    return found


def _review_id(text: str) -> str:
    """The review's number; some feeds give it as an address."""
    if not text:
        raise ValueError("a review without an id")
    if text.isdigit():
        return text
    return dict(parse_qsl(urlsplit(text).query)).get("id") or text


def _address(app: str, country: str) -> str:
    """Where a person finds the reviews: single ones have no address."""
    return f"https://apps.apple.com/{country.lower()}/app/id{app}?see-all=reviews"


def _author(value: Any) -> RawAuthor | None:
    if not isinstance(value, dict):
        return None
    uri = _label(value.get("uri"))
    found = _USER_IN_URI.search(uri)
    name = _label(value.get("name"))
    if not found and not name:
        return None
    return RawAuthor(native_id=found[1] if found else "", name=name, handle=name, url=uri or None)


def _votes(row: Mapping[str, Any]) -> Engagement | None:
    votes = _label(row.get("im:voteSum"))
    return Engagement(likes=int(votes)) if votes.isdigit() else None


def _reached(at: Position, marks: Sequence[Mark], late: timedelta) -> bool:
    """Whether reviews, newest first, come down to the mark and as far below it as late ones appear.

    The mark's id alone is no sign of it: an edited review moves to the top under its old id.
    """
    mark = at.above
    if mark is None or not marks:
        return False
    last = marks[-1].at
    if last is None or mark.at is None:
        return any(one.id == mark.id for one in marks)
    return last < mark.at - late


def _nothing(page: Answer, app: str, at: Position) -> Parsed:
    """What a newest page without reviews means: none, or unknown."""
    lookup = next(iter(page.lookups), None)
    where = at.lane.upper()
    if lookup is not None and lookup.name is None:
        return Parsed(
            items=(),
            suspect=f"The App Store of {where} knows no app {app}: check the number and country.",
        )
    count = lookup.count if lookup else (at.memory.get("rated") or {}).get(at.lane, ("", None))[1]
    if at.above is not None or count or page.last > 1:
        why = f"{count:,} ratings" if count else "earlier reviews"
        why = f"{page.last} pages" if page.last > 1 else why
        return Parsed(
            items=(),
            suspect=f"Apple's feed shows no reviews in {where} on any of its addresses, although"
            f" there are {why}: unknown, not none. It is asked again.",
        )
    return Parsed(items=(), notices=(f"No reviews in {where} so far.",))


def _lookup(page: Page, country: str) -> Lookup:
    """What ``/lookup`` says. Raises LayoutChanged."""
    try:
        results = page.json["results"]
        if not results:
            return Lookup(country=country, name=None)
        app = results[0]
        average, count = app.get("averageUserRating"), app.get("userRatingCount")
        return Lookup(
            country=country,
            name=str(app["trackName"]),
            average=float(average) if average is not None else None,
            count=int(count) if count is not None else None,
            url=app.get("trackViewUrl"),
        )
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise LayoutChanged(
            "The App Store tells of the app in an unknown shape.", status=page.status
        ) from error


def _snapshot(lookup: Lookup, app: str) -> RatingSnapshot | None:
    """The average as a snapshot; None as long as nobody has rated."""
    if lookup.average is None or not lookup.count or not 1 <= lookup.average <= 5:
        return None
    return RatingSnapshot(
        subject=f"{app}:{lookup.country}",
        average=lookup.average,
        count=lookup.count,
        rating_min=1,
        rating_max=5,
        title=lookup.name,
        url=lookup.url,
        country=lookup.country.upper(),
    )


def _read_connect(page: Answer, app: str, product: str, at: Position) -> Parsed:
    """Reviews and answers of App Store Connect."""
    answer = page.json
    rows = answer["data"]
    told = {
        one["id"]: one
        for one in answer.get("included") or []
        if one.get("type") == "customerReviewResponses"
    }
    items: list[RawItem] = []
    marks: list[Mark] = []
    for row in rows:
        review = _connect_review(row, app, product)
        items.append(review)
        marks.append(Mark(review.external_id, review.published_at))
        response = ((row.get("relationships") or {}).get("response") or {}).get("data") or {}
        reply = told.get(response.get("id"))
        if reply and (reply["attributes"].get("state") or "PUBLISHED") == "PUBLISHED":
            items.append(_connect_reply(reply, review))
    following = (answer.get("links") or {}).get("next")
    return Parsed(
        items=tuple(items),
        next_page=urlsplit(str(following)).query or None if following else None,
        # An account sees all of its reviews, so that the end of the list is the end.
        reached=_reached(at, marks, ANSWERED) or not following,
        newest=marks[0] if marks else None,
        oldest=marks[-1] if marks else None,
    )


def _connect_review(row: Mapping[str, Any], app: str, product: str) -> RawItem:
    told = row["attributes"]
    published, precision = read_date(told["createdDate"])
    territory = str(told.get("territory") or "")
    country = _alpha2(territory)
    name = told.get("reviewerNickname") or ""
    return RawItem(
        external_id=row["id"],
        kind=Kind.REVIEW,
        title=told.get("title") or None,
        text=told.get("body") or "",
        url=_address(app, country or "us"),
        author=RawAuthor(handle=name, name=name) if name else None,
        published_at=published,
        published_precision=precision,
        rating=int(told["rating"]),
        rating_min=1,
        rating_max=5,
        product=product,
        country=country,
        raw=row,
    )


def _connect_reply(reply: Mapping[str, Any], review: RawItem) -> RawItem:
    told = reply["attributes"]
    published, precision = read_date(told.get("lastModifiedDate"))
    return RawItem(
        external_id=reply["id"],
        kind=Kind.ANSWER,
        text=told["responseBody"],
        url=review.url,
        published_at=published,
        published_precision=precision if published else Precision.NONE,
        parent_id=review.external_id,
        thread_id=review.external_id,
        is_own=True,
        product=review.product,
        country=review.country,
        raw=reply,
    )


def _alpha2(territory: str) -> str | None:
    """KOR -> KR; None for a territory that is not known."""
    found = re.search(rf"\b{re.escape(territory.upper())}([A-Z]{{2}})\b", _TERRITORIES)
    return found[1] if found and len(territory) == 3 else None


def _jwt(watch: Watch, now: datetime) -> str:
    """A token for App Store Connect (ES256, RFC 7518 section 3.4). Raises AuthRejected."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    given = watch.connection.credentials
    key_id, pem = given.get("key_id", "").strip(), given.get("private_key", "").strip()
    if not key_id or not pem:
        missing = "private_key" if key_id else "key_id"
        raise AuthRejected(
            f"App Store Connect needs {missing} as well.",
            hint="Give both, or none to read the public feed.",
        )
    pem = pem.replace("\\n", "\n")
    if "-----BEGIN" not in pem:
        pem = f"-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n"
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise AuthRejected(
            "The private key of App Store Connect cannot be read.",
            hint="Paste the whole .p8 file, with its BEGIN and END lines.",
        )
    issuer = given.get("issuer_id", "").strip()
    claims = {
        **({"iss": issuer} if issuer else {"sub": "user"}),
        "iat": int(now.timestamp()),
        "exp": int((now + TOKEN_LIFE).timestamp()),
        "aud": "appstoreconnect-v1",
    }
    signed = f"{_part({'alg': 'ES256', 'kid': key_id, 'typ': 'JWT'})}.{_part(claims)}"
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{_encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _part(value: Mapping[str, Any]) -> str:
    return _encode(json.dumps(value, separators=(",", ":")).encode())


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
