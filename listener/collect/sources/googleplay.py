"""Google Play reviews: the official API for own apps, or the public pages where asked for."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

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
from listener.errors import AuthRejected, InvalidInput, LayoutChanged, SourceError
from listener.net.client import Meter, Net
from listener.net.retry import scrub
from listener.types import (
    Credential,
    Engagement,
    Gap,
    GapReason,
    Kind,
    MatchMode,
    Param,
    Precision,
    RawAuthor,
    RawItem,
    SourceSpec,
    Watch,
)

OFFICIAL = "https://androidpublisher.googleapis.com"
PUBLIC = "https://play.google.com"
TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
SCOPE = "https://www.googleapis.com/auth/androidpublisher"
PAGE = 100
WINDOW = timedelta(days=7)  # the official API shows what was written or edited within a week
LATE = timedelta(days=1)  # how far below the newest known review late ones are looked for
NEWEST = 2  # the public pages' number for "newest first"
RPC = "oCPfdb"

_PACKAGE = re.compile(r"[A-Za-z]\w*(?:\.\w+)+\Z", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*\Z")
_COUNTRY = re.compile(r"[a-z]{2}\Z")
_TOKEN_LIFE = timedelta(hours=1)
_TOKEN_MARGIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What is needed of a service account's JSON key."""

    email: str
    private_key: str
    key_id: str
    token_uri: str


class GooglePlay(Poller):
    """Reviews of an app, with the developer's answers."""

    spec = SourceSpec(
        name="googleplay",
        title="Google Play reviews",
        title_ko="구글 플레이 리뷰",
        every=timedelta(hours=1),
        kind=Kind.REVIEW,
        base_url=OFFICIAL,
        default_match=MatchMode.ALL,
        params=(
            Param(
                name="app",
                title="App",
                title_ko="앱",
                required=True,
                example="com.nurimarket.android",
                help="패키지 이름, 또는 구글 플레이 주소를 그대로 붙여 넣습니다."
                " The package name, or the app's address in Google Play.",
            ),
            Param(
                name="public",
                title="Read the public pages (against Google's terms)",
                title_ko="공개 페이지 읽기(구글 약관에 어긋남)",
                kind="boolean",
                default="false",
                example="true",
                help="서비스 계정 없이 공개 페이지를 읽습니다. 구글 약관이 금지하며 언제든 막히거나"
                " 바뀔 수 있고, 그때는 실패로 표시됩니다. Reads the public pages without an"
                " account. Google's terms forbid it, it may break at any time, and says so when it"
                " does.",
            ),
            Param(
                name="languages",
                title="Languages",
                title_ko="언어",
                default="ko",
                example="ko,en",
                help="공개 페이지에서만: 리뷰는 언어별로 보입니다. 쉼표로 구분."
                " Of the public pages, which show reviews by language; comma separated.",
            ),
            Param(
                name="country",
                title="Country",
                title_ko="국가",
                default="kr",
                example="kr",
                help="공개 페이지에서만: 두 글자 국가 코드. Of the public pages: two letters.",
            ),
        ),
        credentials=(
            Credential(
                name="service_account",
                title="Service account (JSON key)",
                required=False,
                help="Play Console에서 앱의 리뷰를 볼 수 있는 서비스 계정의 JSON 키 파일 내용."
                " What is in the JSON key of a service account that may see the app's reviews.",
            ),
        ),
        cost="무료. Free.",
        limits="공식 API: 최근 일주일, 글이 있는 리뷰만, 시간당 200회. The official API: the last"
        " week, reviews with text only, 200 requests an hour.",
        terms="공식 API는 자사 앱에만 쓸 수 있습니다. public=true(공개 페이지)는 구글 이용 약관과"
        " robots.txt에 어긋나므로 기본으로 꺼져 있고, 켜는 것은 사용자의 책임입니다. The official"
        " API is for own apps. The public pages are against Google's terms and robots.txt:"
        " off by default, and yours to answer for.",
        signup="https://play.google.com/console/developers/users-and-permissions",
    )

    def __init__(self, net: Net) -> None:
        super().__init__(net)
        # Access tokens by account and token endpoint, for as long as they hold.
        self._tokens: dict[tuple[str, str], tuple[str, datetime]] = {}

    def lanes(self, watch: Watch) -> Sequence[str]:
        """The languages of the public pages; the official API has all in one list.

        Raises InvalidInput.
        """
        return languages(watch, self.spec) if _public(watch, self.spec) else ("",)

    def request(self, watch: Watch, at: Position) -> Request:
        """A page of reviews, newest first; the official one still without its access token."""
        if _public(watch, self.spec):
            return self._public_request(watch, at)
        return Request(
            url=f"{_base(watch, OFFICIAL)}/androidpublisher/v3/applications/{_app(watch)}/reviews",
            params={"maxResults": PAGE, "token": at.token},
            expect="json",
            accept=frozenset({400}) if at.token else frozenset(),
        )

    def load(self, watch: Watch, at: Position, validators: Mapping[str, Mapping[str, str]]) -> Page:
        """Get a page, after an access token where one is needed. Raises SourceError."""
        ask = self._public_page if _public(watch, self.spec) else self._official
        meter = Meter()
        try:
            page = ask(watch, at, meter)
        except SourceError as error:
            error.requests = meter.requests
            raise
        return replace(page, requests=meter.requests)

    def parse(self, page: Page, watch: Watch, at: Position) -> Parsed:
        """Read the reviews and the developer's answers."""
        if _public(watch, self.spec):
            return _read_public(page, _app(watch), at)
        return _read_official(page, _app(watch), at)

    # --- the official API -------------------------------------------------------------------------

    def _official(self, watch: Watch, at: Position, meter: Meter) -> Page:
        request = self.request(watch, at)
        bearer = {"Authorization": f"Bearer {self._access_token(watch, meter)}"}
        try:
            page = self._get(replace(request, headers=bearer), watch, meter)
            if page.status == 400:
                # A page token of an earlier run has run out: the walk begins at the top again.
                top = replace(request, params={"maxResults": PAGE}, accept=frozenset())
                page = self._get(replace(top, headers=bearer), watch, meter)
        except AuthRejected:
            self._tokens.clear()
            raise
        return page

    def _access_token(self, watch: Watch, meter: Meter) -> str:
        """The token for the account, asked for anew when it runs out (RFC 7523). Raises
        AuthRejected.
        """
        account = _account(watch)
        own_server = _base(watch, "")
        endpoint = f"{own_server}/token" if own_server else account.token_uri
        now = self.net.now()
        token, until = self._tokens.get((account.private_key, endpoint), ("", now))
        if token and now < until:
            return token
        request = Request(
            url=endpoint,
            method="POST",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(
                {
                    "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
                    "assertion": (assertion := _jwt(account, now)),
                }
            ).encode(),
            expect="json",
            accept=frozenset({400, 401, 403}),
        )
        page = self._get(request, watch, meter)
        answer = page.json
        if page.status != 200 or not isinstance(answer, dict) or "access_token" not in answer:
            raise AuthRejected(
                f"Google does not accept the service account: {_said(answer, assertion)}",
                hint="Make a new JSON key, and let the account see the app in Play Console.",
                status=page.status,
            )
        token = str(answer["access_token"])
        lasts = timedelta(seconds=_seconds(answer.get("expires_in"))) - _TOKEN_MARGIN
        self._tokens[account.private_key, endpoint] = (token, now + lasts)
        return token

    def _get(self, request: Request, watch: Watch, meter: Meter) -> Page:
        try:
            page = self.net.fetch(on_account(request, watch))
        except SourceError as error:
            meter.requests += error.requests
            raise
        meter.requests += page.requests
        return page

    # --- the public pages -------------------------------------------------------------------------

    def _public_page(self, watch: Watch, at: Position, meter: Meter) -> Page:
        page = self._get(self._public_request(watch, at), watch, meter)
        if at.token and at.resumed:
            try:
                _payload(page)
            except LayoutChanged:
                # A page token of an earlier run has run out: the walk begins at the top again.
                top = self._public_request(watch, replace(at, token=None))
                page = self._get(top, watch, meter)
        return page

    def _public_request(self, watch: Watch, at: Position) -> Request:
        count: list[Any] = [PAGE, None, at.token] if at.token else [PAGE]
        wanted = [2, NEWEST, count, None, [None] * 9]
        asked = json.dumps([None, wanted, [_app(watch), 7]], separators=(",", ":"))
        call = json.dumps([[[RPC, asked, None, "generic"]]], separators=(",", ":"))
        return Request(
            url=f"{_base(watch, PUBLIC)}/_/PlayStoreUi/data/batchexecute",
            params={"hl": at.lane, "gl": _country(watch, self.spec)},
            method="POST",
            headers={"Content-Type": "application/x-www-form-urlencoded;charset=UTF-8"},
            body=f"f.req={quote(call, safe='')}".encode(),
            expect="json",
        )


def languages(watch: Watch, spec: SourceSpec) -> tuple[str, ...]:
    """The languages of the public pages. Raises InvalidInput for what is no language code."""
    given = [code for code in re.split(r"[,;\s]+", param(watch, spec, "languages")) if code]
    codes = [code[:3].lower() + code[3:] if "-" in code else code.lower() for code in given]
    wrong = next((code for code in codes if not _LANGUAGE.match(code)), None)
    if wrong is not None or not codes:
        raise InvalidInput(
            f"{(wrong or '')[:20]!r} is no language code.",
            field="languages",
            hint="For example: languages=ko,en",
        )
    return tuple(dict.fromkeys(codes))


def _app(watch: Watch) -> str:
    """The package name, also out of a pasted address. Raises InvalidInput."""
    text = (watch.params.get("app") or "").strip()
    if "/" in text or "?" in text:
        try:
            query = parse_qs(urlsplit(text).query)
        except ValueError:
            query = {}
        text = query.get("id", [""])[0].strip()
    if not _PACKAGE.match(text):
        raise InvalidInput(
            "The app is named by its package, like com.example.shop.",
            field="app",
            hint="For example: app=https://play.google.com/store/apps/details?id=com.example.shop",
        )
    return text


def _country(watch: Watch, spec: SourceSpec) -> str:
    code = param(watch, spec, "country").strip().lower()
    if not _COUNTRY.match(code):
        raise InvalidInput(
            f"{code[:20]!r} is no country code.", field="country", hint="For example: country=kr"
        )
    return code


def _public(watch: Watch, spec: SourceSpec) -> bool:
    return param(watch, spec, "public").lower() in ("true", "yes", "on", "1")


def _base(watch: Watch, default: str) -> str:
    """The server: the default of the way in use, unless another one is set for the source."""
    given = (watch.connection.base_url or "").rstrip("/")
    return default if given in ("", OFFICIAL) else given


def _address(app: str, review_id: str) -> str:
    return f"{PUBLIC}/store/apps/details?{urlencode({'id': app, 'reviewId': review_id})}"


# --- the official API ----------------------------------------------------------------------------


def _read_official(page: Page, app: str, at: Position) -> Parsed:
    """Reviews of the last week. No ``reviews`` means that there are none."""
    answer = page.json
    rows = answer.get("reviews", [])
    if not rows and not answer.keys() <= {"reviews", "tokenPagination", "pageInfo"}:
        raise KeyError("reviews")
    items: list[RawItem] = []
    marks: list[Mark] = []
    for row in rows:
        review, *replies = _official_items(row, app)
        items += [review, *replies]
        marks.append(Mark(review.external_id, review.published_at))
    following = (answer.get("tokenPagination") or {}).get("nextPageToken")
    shown_from = at.now - WINDOW
    gaps: tuple[Gap, ...] = ()
    reached: bool = _reached(at, marks)
    # Where exactly the week ends is Google's business: a mark as old as that proves nothing.
    recent = bool(at.above and at.above.at and at.above.at > shown_from + LATE)
    if not following and not reached and not recent:
        # The list ends with the week. What was written since the last complete walk is in it,
        # unless that is longer ago than a week.
        reached = True
        if at.closed_at is not None and at.closed_at < shown_from:
            gaps = (
                Gap(
                    from_at=at.closed_at,
                    to_at=shown_from,
                    why=GapReason.WINDOW,
                    detail="Google shows the reviews of the last week only.",
                ),
            )
    doubt = at.first and not rows and recent
    return Parsed(
        items=tuple(items),
        next_page=following or None,
        reached=reached,
        newest=marks[0] if marks else None,
        oldest=marks[-1] if marks else None,
        gaps=gaps,
        suspect="Google shows no reviews, although there was one within the last week: unknown,"
        " not none."
        if doubt
        else None,
    )


def _official_items(row: Mapping[str, Any], app: str) -> Iterator[RawItem]:
    """A review and what the developer answered. Raises KeyError and the like."""
    review_id = row["reviewId"]
    written = [one["userComment"] for one in row["comments"] if "userComment" in one]
    told = written[0]
    published = _moment(told["lastModified"]["seconds"])
    title, tab, body = str(told.get("text") or "").partition("\t")
    name = row.get("authorName") or ""
    version = told.get("appVersionName") or told.get("appVersionCode")
    yield RawItem(
        external_id=review_id,
        kind=Kind.REVIEW,
        title=title.strip() or None if tab else None,
        text=body if tab else title,
        url=_address(app, review_id),
        author=RawAuthor(handle=name, name=name) if name else None,
        published_at=published,
        language=told.get("reviewerLanguage"),
        rating=_stars(told["starRating"]),
        rating_min=1,
        rating_max=5,
        product=app,
        product_version=str(version) if version is not None else None,
        engagement=_likes(told.get("thumbsUpCount")),
        raw=row,
    )
    for one in row["comments"]:
        reply = one.get("developerComment")
        if reply and reply.get("text"):
            told_at = (reply.get("lastModified") or {}).get("seconds")
            at = _moment(told_at) if told_at else None
            yield _reply(app, review_id, str(reply["text"]), at)


def _reply(app: str, review_id: str, text: str, at: datetime | None) -> RawItem:
    """The developer's answer; there is one at most, so the review's id makes its own."""
    return RawItem(
        external_id=f"{review_id}#reply",
        kind=Kind.ANSWER,
        text=text,
        url=_address(app, review_id),
        published_at=at,
        published_precision=Precision.EXACT if at else Precision.NONE,
        parent_id=review_id,
        thread_id=review_id,
        is_own=True,
        product=app,
    )


def _stars(value: Any) -> int:
    stars = int(value)
    if not 1 <= stars <= 5:
        raise ValueError("a rating off its scale")
    return stars


def _moment(seconds: Any) -> datetime:
    """Seconds since 1970, also as text. Raises ValueError."""
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (OverflowError, OSError):
        raise ValueError("a time out of range") from None


def _likes(count: Any) -> Engagement | None:
    return Engagement(likes=count) if isinstance(count, int) else None


def _reached(at: Position, marks: Sequence[Mark]) -> bool:
    """Whether the page comes down below the mark, as far as late reviews appear.

    The mark's id alone is no sign of it: an edited review moves to the top under its old id.
    """
    mark, last = at.above, marks[-1] if marks else None
    if mark is None or last is None or last.at is None or mark.at is None:
        return False
    return last.at < mark.at - LATE


def _account(watch: Watch) -> Account:
    """The service account as pasted. Raises AuthRejected."""
    given = watch.connection.credentials.get("service_account", "").strip()
    if not given:
        raise AuthRejected(
            "Google Play needs a service account that may see the app's reviews.",
            hint="Give its JSON key as service_account, to the connection or the source. Apps that"
            " are not yours can only be read with public=true, which is against Google's terms.",
        )
    try:
        key = json.loads(given, strict=False)
        return Account(
            email=str(key["client_email"]),
            private_key=str(key["private_key"]),
            key_id=str(key.get("private_key_id") or ""),
            token_uri=str(key.get("token_uri") or TOKEN_URI),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise AuthRejected(
            "The service account is not the JSON key that Google gives out.",
            hint="Paste the whole file, from { to }.",
        ) from None


def _jwt(account: Account, now: datetime) -> str:
    """The assertion that is traded for an access token (RS256). Raises AuthRejected."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        pem = account.private_key.replace("\\n", "\n").encode()
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise AuthRejected(
            "The private key of the service account cannot be read.",
            hint="Paste the whole JSON file, from { to }.",
        )
    claims = {
        "iss": account.email,
        "scope": SCOPE,
        "aud": account.token_uri,
        "iat": int(now.timestamp()),
        "exp": int((now + _TOKEN_LIFE).timestamp()),
    }
    header = {"alg": "RS256", "typ": "JWT", "kid": account.key_id}
    signed = f"{_part(header)}.{_part(claims)}"
    return f"{signed}.{_encode(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _part(value: Mapping[str, Any]) -> str:
    return _encode(json.dumps(value, separators=(",", ":")).encode())


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _seconds(told: Any) -> int:
    """How long a token lasts; none where that cannot be read."""
    return int(told) if isinstance(told, int) or str(told).isdecimal() else 0


def _said(answer: Any, assertion: str) -> str:
    """What the token endpoint says, short and without what it was sent."""
    told = answer if isinstance(answer, dict) else {}
    text = str(told.get("error_description") or told.get("error") or "no token in the answer")
    return scrub(text, [assertion])[:200]


# --- the public pages ----------------------------------------------------------------------------


def _read_public(page: Page, app: str, at: Position) -> Parsed:
    """Reviews in the positions where the public pages have them."""
    told = _payload(page)
    rows = (told[0] if told else None) or []
    items: list[RawItem] = []
    marks: list[Mark] = []
    for row in rows:
        review, *replies = _public_items(row, app, at.lane)
        items += [review, *replies]
        marks.append(Mark(review.external_id, review.published_at))
    following = told[1][1] if len(told) > 1 and told[1] and len(told[1]) > 1 else None
    if following is not None and not isinstance(following, str):
        raise TypeError("a page token that is no text")
    empty = at.first and not rows
    return Parsed(
        items=tuple(items),
        next_page=(following or None) if rows else None,
        reached=_reached(at, marks),
        newest=marks[0] if marks else None,
        oldest=marks[-1] if marks else None,
        notices=(f"Google Play shows no reviews in {at.lane}: check the app's package name.",)
        if empty and at.above is None
        else (),
        suspect=f"Google Play shows no reviews in {at.lane}, although there were some: unknown, not"
        " none."
        if empty and at.above is not None
        else None,
    )


def _payload(page: Page) -> Any:
    """The reviews out of their envelope: a prefix, then ``[["wrb.fr", rpc, "<JSON>", …], …]``.

    Raises LayoutChanged; an envelope without a content is a refusal, never "no reviews".
    """
    text = page.text
    start = text.find("[")
    try:
        if not text.lstrip().startswith(")]}'") or start < 0:
            raise ValueError("no envelope")
        envelope, _ = json.JSONDecoder().raw_decode(text, start)
        row = next(one for one in envelope if one and one[0] == "wrb.fr")
        inner = row[2]
        told = json.loads(inner) if isinstance(inner, str) else None
    except (ValueError, TypeError, LookupError, StopIteration, RecursionError):
        told = None
    if not isinstance(told, list):
        raise LayoutChanged(
            "Google Play answers without any content: it refuses us, or its pages have changed.",
            hint="The public pages may break at any time; the official API does not.",
            status=page.status,
        )
    return told


def _public_items(row: Sequence[Any], app: str, language: str) -> Iterator[RawItem]:
    """A review and the developer's answer. Raises IndexError and the like."""
    review_id = row[0]
    if not isinstance(review_id, str) or not review_id:
        raise ValueError("a review without an id")
    user = row[1] or [None]
    name = user[0] or ""
    yield RawItem(
        external_id=review_id,
        kind=Kind.REVIEW,
        text=row[4] or "",
        url=_address(app, review_id),
        author=RawAuthor(handle=name, name=name) if name else None,
        published_at=_moment(row[5][0]),
        language=language,
        rating=_stars(row[2]),
        rating_min=1,
        rating_max=5,
        product=app,
        product_version=_at(row, 10) or None,
        engagement=_likes(_at(row, 6)),
        raw={"review": list(row)},
    )
    reply = _at(row, 7)
    if reply and _at(reply, 1):
        moment = _at(reply, 2)
        at = _moment(moment[0]) if moment else None
        yield _reply(app, review_id, str(reply[1]), at)


def _at(row: Any, index: int) -> Any:
    """A position that may be missing."""
    return row[index] if isinstance(row, list) and len(row) > index else None
