"""Rows of a file become raw items: which column means what, dates and ratings as people write
them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time
from email.utils import parsedate_to_datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

from listener.errors import InvalidInput
from listener.types import Engagement, Kind, Precision, RawAuthor, RawItem

# The first name that a file has is taken. Spaces, case, "-" and "_" in names do not matter.
ALIASES: Mapping[str, tuple[str, ...]] = {
    "text": (
        *("text", "body", "content", "review", "reviewtext", "reviewbody", "comment", "message"),
        *(
            "fulltext",
            "description",
            "내용",
            "본문",
            "리뷰",
            "리뷰내용",
            "후기",
            "댓글",
            "텍스트",
            "의견",
        ),
    ),
    "title": ("title", "subject", "headline", "reviewtitle", "제목"),
    "external_id": (
        *("externalid", "id", "reviewid", "postid", "commentid", "tweetid", "guid", "글번호"),
        *("리뷰번호", "번호"),
    ),
    "source": ("source",),
    "namespace": ("namespace",),
    "kind": ("kind",),
    "url": ("url", "link", "permalink", "링크", "주소"),
    "author": (
        *("author", "username", "user", "nickname", "writer", "reviewer", "screenname", "handle"),
        *("작성자", "닉네임", "글쓴이", "아이디"),
    ),
    "author_id": ("authorid", "userid"),
    "author_name": ("authorname", "displayname"),
    "followers": ("followers", "followercount", "팔로워"),
    "published_at": (
        *("publishedat", "published", "date", "datetime", "createdat", "created", "time"),
        *("timestamp", "reviewdate", "작성일", "작성일시", "등록일", "등록일시", "날짜", "일시"),
    ),
    "published_precision": ("publishedprecision",),
    "language": ("language", "lang", "언어"),
    "rating": (
        *("rating", "stars", "starrating", "별점", "평점", "점수"),
        *("nps", "npsscore", "likelihoodtorecommend", "추천지수", "추천점수", "추천의향"),
        *("csat", "satisfaction", "만족도", "만족도점수", "ces", "customereffort", "고객노력지수"),
    ),
    "rating_min": ("ratingmin", "minrating"),
    "rating_max": ("ratingmax", "maxrating", "scale", "만점"),
    "parent_id": ("parentid", "inreplyto"),
    "thread_id": ("threadid", "conversationid"),
    "is_own": ("isown",),
    "solicited": ("solicited",),
    "product": ("product", "productname", "상품", "상품명", "제품", "제품명"),
    "product_version": ("productversion", "appversion", "version", "버전"),
    "place": ("place", "store", "branch", "매장", "지점", "지점명"),
    "touchpoint": ("touchpoint", "channel", "채널"),
    "country": ("country", "국가"),
    "likes": ("likes", "likecount", "좋아요"),
    "replies": ("replies", "replycount", "comments", "댓글수"),
    "shares": ("shares", "sharecount", "retweets", "공유"),
    "views": ("views", "viewcount", "조회수"),
}
# What our own export says beside the mention itself; it is made anew.
_OURS = {"id", "seq", "change", "sentiment", "complaint", "topics", "seen_at", "brands", "language"}
# Surveys that are known by the name of their column. NPS goes from 0 to 10 by definition; CSAT and
# CES are asked on several scales (1 to 5, 1 to 7, 0 to 10), so that none is assumed for them.
_NPS = {"nps", "npsscore", "likelihoodtorecommend", "추천지수", "추천점수", "추천의향"}
_SURVEYS = _NPS | {
    *("csat", "satisfaction", "만족도", "만족도점수", "ces", "customereffort", "고객노력지수"),
}
_COUNTS = ("likes", "replies", "shares", "views")
_SOURCE = re.compile(r"[a-z][a-z0-9_-]{0,39}")

Row = Mapping[str, Any]


class Columns:
    """Which of a file's columns is which field."""

    def __init__(self, names: Sequence[str]) -> None:
        folded: dict[str, str] = {}
        for name in names:
            folded.setdefault(_folded(name), name)
        self.fields: dict[str, str] = {}
        for field, aliases in ALIASES.items():
            for alias in aliases:
                if alias in folded and folded[alias] not in self.fields.values():
                    self.fields[field] = folded[alias]
                    break
        asked = _folded(self.fields.get("rating", ""))
        self._is_nps, self._is_survey = asked in _NPS, asked in _SURVEYS
        self._rest = [name for name in names if name and name not in self.fields.values()]
        # Only a row that says all three can be put where it came from.
        self._is_export = {"source", "namespace", "external_id"} <= set(self.fields)

    def item(self, row: Row, *, namespace: str, zone: ZoneInfo) -> tuple[str, RawItem]:
        """The source and item of a row; without an id of its own ``external_id`` is empty and
        ``derived`` set.

        Raises InvalidInput that names the column and its value.
        """
        fields = self.fields

        def text(field: str) -> str:
            return _text(row.get(fields.get(field, "")))

        source, rest = "file", {name: row[name] for name in self._rest if _is_given(row.get(name))}
        if self._is_export and _SOURCE.fullmatch(text("source")):
            source, namespace = text("source"), text("namespace")
            rest = {name: value for name, value in rest.items() if name not in _OURS}
        elif "source" in fields and text("source"):
            rest[fields["source"]] = text("source")
        published_at, precision = when(text("published_at"), zone)
        if text("published_precision") in (Precision.DAY, Precision.NONE):
            precision = Precision(text("published_precision"))
        rating, low, high = stars(text("rating"))
        if self._is_nps and rating is not None and high is None:
            low, high = 0.0, 10.0
        low = _number("rating_min", text("rating_min")) if text("rating_min") else low
        high = _number("rating_max", text("rating_max")) if text("rating_max") else high
        fits_scale(rating, low, high)
        counts = [_count(name, text(name)) for name in _COUNTS]
        return source, RawItem(
            external_id=text("external_id"),
            derived=not text("external_id"),
            namespace=namespace,
            text=text("text"),
            title=text("title") or None,
            kind=kind_of(text("kind"), self._kind(rating)),
            url=text("url") or None,
            author=self._author(row),
            published_at=published_at,
            published_precision=precision,
            language=text("language") or None,
            rating=rating,
            rating_min=low,
            rating_max=high,
            parent_id=text("parent_id") or None,
            thread_id=text("thread_id") or None,
            is_own=is_true(text("is_own")),
            solicited=is_true(text("solicited")) if text("solicited") else self._is_survey,
            product=text("product") or None,
            product_version=text("product_version") or None,
            place=text("place") or None,
            touchpoint=text("touchpoint") or None,
            country=text("country") or None,
            engagement=Engagement(**dict(zip(_COUNTS, counts, strict=True))),
            raw=rest or None,
        )

    def _kind(self, rating: float | None) -> Kind:
        if self._is_survey:
            return Kind.SURVEY
        return Kind.POST if rating is None else Kind.REVIEW

    def _author(self, row: Row) -> RawAuthor | None:
        told = row.get(self.fields.get("author", ""))
        if isinstance(told, Mapping):  # our own export, and many APIs
            handle = _text(told.get("handle") or told.get("username"))
            name, native_id = (
                _text(told.get("name")),
                _text(told.get("native_id") or told.get("id")),
            )
        else:
            handle = _text(told)
            name = _text(row.get(self.fields.get("author_name", "")))
            native_id = _text(row.get(self.fields.get("author_id", "")))
        followers = _count("followers", _text(row.get(self.fields.get("followers", ""))))
        if not (handle or name or native_id):
            return None
        return RawAuthor(native_id=native_id, handle=handle, name=name, followers=followers)


def _folded(name: str) -> str:
    return re.sub(r"[\s_\-]+", "", name).lower()


@lru_cache(maxsize=256)
def columns_of(names: tuple[str, ...]) -> Columns:
    """The columns of a file whose first line (or whose object) has these names."""
    return Columns(names)


def fingerprint(item: RawItem) -> str:
    """32 hex digits over author, date, title and text, for rows without an id.

    The place in the file does not count, so that a row keeps its id when others come and go; rows
    that are alike in all of this are told apart by how many came before.
    """
    author = item.author
    parts = (
        (author.native_id or author.handle or author.name) if author else "",
        item.published_at.isoformat() if item.published_at else "",
        item.title or "",
        item.text,
    )
    digest = blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(data) + data)
    return digest.hexdigest()


# --- dates ----------------------------------------------------------------------------------------

_DATE = re.compile(
    r"(?P<y>\d{4})\s*[-./년]\s*(?P<m>\d{1,2})\s*[-./월]\s*(?P<d>\d{1,2})\s*(?:일|[.])?"
    r"(?:[\sT(]*(?:[월화수목금토일](?:요일)?\))?\s*(?P<half>오전|오후|AM|PM)?\s*"
    r"(?P<H>\d{1,2})\s*[:시]\s*(?P<M>\d{2})(?:\s*[:분]\s*(?P<S>\d{2})?)?초?분?\s*"
    r"(?P<half2>AM|PM)?)?\s*",
    re.IGNORECASE,
)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")


def when(value: str, zone: ZoneInfo) -> tuple[datetime | None, Precision]:
    """A date as files write it, and how exactly it tells the time; without a zone it is in
    ``zone``.

    ISO 8601, "2025.3.10", "2025년 3월 10일 오후 3:20", seconds or milliseconds since 1970, and the
    dates of e-mail. Raises InvalidInput; orders that depend on the country (3/10/2025) are not
    guessed.
    """
    value = value.strip()
    if not value:
        return None, Precision.NONE
    try:
        found = _parsed(value, zone)
    except (ValueError, OverflowError, OSError):
        found = None
    if found is None:
        raise InvalidInput(
            f"The date {value[:40]!r} is not understood.",
            field="published_at",
            hint="Write it like 2025-03-10 or 2025-03-10T15:20:00+09:00.",
        )
    return found


def _parsed(value: str, zone: ZoneInfo) -> tuple[datetime, Precision] | None:
    if value.isdecimal() and len(value) in (10, 13):
        return datetime.fromtimestamp(int(value) / 10 ** (len(value) - 10), UTC), Precision.EXACT
    compact = _COMPACT.fullmatch(value)
    if compact:
        value = "-".join(compact.groups())
    if len(value) > 10 and value[4:5] == "-":
        try:
            return _in_zone(datetime.fromisoformat(value), zone), Precision.EXACT
        except ValueError:
            pass
    date = _DATE.fullmatch(value)
    if date is not None:
        day = datetime(int(date["y"]), int(date["m"]), int(date["d"]), tzinfo=zone)
        if date["H"] is None:
            return day.astimezone(UTC), Precision.DAY
        hour, half = int(date["H"]), (date["half"] or date["half2"] or "").upper()
        if half in ("오후", "PM"):
            hour = hour % 12 + 12
        elif half in ("오전", "AM"):
            hour %= 12
        clock = time(hour, int(date["M"]), int(date["S"] or 0))
        return datetime.combine(day.date(), clock, zone).astimezone(UTC), Precision.EXACT
    if value[:1].isalpha() or "," in value:
        return _in_zone(parsedate_to_datetime(value), zone), Precision.EXACT
    return None


def _in_zone(at: datetime, zone: ZoneInfo) -> datetime:
    return (at.replace(tzinfo=zone) if at.tzinfo is None else at).astimezone(UTC)


# --- ratings and the rest -------------------------------------------------------------------------

_FRACTION = re.compile(r"(-?[\d.,]+)\s*(?:/|out of)\s*([\d.,]+)\s*점?", re.IGNORECASE)
_STARS = re.compile(r"([★⭐]+)([☆✩]*)")


def fits_scale(rating: float | None, low: float | None, high: float | None) -> None:
    """Raise InvalidInput for a rating that does not fit the scale the file tells."""
    if rating is None or high is None:
        return
    low = 1.0 if low is None else low
    if not low <= rating <= high:
        raise InvalidInput(
            f"The rating {rating:g} does not fit its scale, {low:g} to {high:g}.", field="rating"
        )


def stars(value: str) -> tuple[float | None, float | None, float | None]:
    """A rating as files write it, with its scale where it tells it: "4", "4.5/5", "8점", "★★★☆☆".

    Raises InvalidInput.
    """
    if not value:
        return None, None, None
    drawn = _STARS.fullmatch(value.replace("\ufe0f", "").replace(" ", ""))
    if drawn:
        return float(len(drawn[1])), 1.0, float(max(len(drawn[1]) + len(drawn[2]), 5))
    fraction = _FRACTION.fullmatch(value)
    if fraction:
        high = _number("rating", fraction[2])
        return _number("rating", fraction[1]), (0.0 if high >= 10 else 1.0), high
    return _number("rating", value.removesuffix("점").removesuffix("stars").strip()), None, None


def _number(column: str, value: str) -> float:
    try:
        number = float(value.replace(",", "."))
    except ValueError:
        number = float("nan")
    if number != number or abs(number) > 1_000_000:
        raise InvalidInput(f"{column} {value[:40]!r} is not a number.", field=column)
    return number


def _count(column: str, value: str) -> int | None:
    if not value:
        return None
    digits = value.replace(",", "").removesuffix(".0")
    if not digits.isdecimal():
        raise InvalidInput(f"{column} {value[:40]!r} is not a whole number.", field=column)
    return int(digits[:18])


def kind_of(value: str, default: Kind) -> Kind:
    """A kind by its name, else the default."""
    try:
        return Kind(value.lower()) if value else default
    except ValueError:
        return default


def is_true(value: str) -> bool:
    """Whether a cell says yes."""
    return value.lower() in ("true", "1", "yes", "y", "예")


def _is_given(value: Any) -> bool:
    return value is not None and value != ""


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    if value is None or isinstance(value, Mapping | list):
        return ""
    return str(value)
