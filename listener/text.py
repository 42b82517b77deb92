"""Turns what a source yields into what everything after it may trust: plain clean text, one URL,
one hash.

Pure functions without I/O, between collecting and matching: ``to_mention`` makes a ``Mention`` of
a ``RawItem``; ``search_tokens`` and ``search_query`` give the store one tokenisation for both
databases.

Plain text is what leaves here. It may well contain ``<`` and ``&`` (people write them), so edges
escape it like any other text.
"""

from __future__ import annotations

import html as html_entities
import math
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any
from urllib.parse import quote, urlsplit

import orjson

from listener.errors import InvalidInput
from listener.sites import HOSTS, ONE, site_url
from listener.types import Engagement, Mention, Precision, RawAuthor, RawItem

MAX_TEXT = 100_000
MAX_TITLE = 500
MAX_URL = 2_000
MAX_HANDLE = 200
MAX_ID = 500
MAX_MEDIA = 20
MAX_RAW_BYTES = 256_000
MAX_MARKUP = 1_000_000  # characters of HTML that are looked at before the text is cut to MAX_TEXT
MAX_TOKEN = 64
MAX_QUERY = 300  # characters of a search that are looked at
FUTURE_SLACK = timedelta(minutes=5)  # clocks differ; a date further ahead than this is wrong
OLDEST = datetime(1990, 1, 1, tzinfo=UTC)  # earlier is an epoch of 0, or some default

# --- plain text ----------------------------------------------------------------------------------

# Space of any kind, and the odd line ends, as str.splitlines knows them.
_BLANK = "\t \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_BREAK = "\x0b\x0c\r\u0085\u2028\u2029"
# Invisible characters: controls, soft hyphen, zero-width, bidirectional marks, invisible
# operators, Hangul fillers, noncharacters. They split words for the matcher, and hide or reorder
# text for the reader.
_HIDDEN = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e"
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
)
# Joiners have a meaning inside an emoji and in the scripts of Arabic and India; elsewhere they
# only hide.
_EMOJI = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u27bf\u2900-\u297f\u2b00-\u2bff"
    "\ufe0f\U0001f000-\U0001faff\U000e007f"
)
_INDIC = "\u0600-\u0dff"
_JOINER = f"(?<![{_EMOJI}{_INDIC}])[\u200c\u200d]|[\u200c\u200d](?![{_EMOJI}{_INDIC}])"
# Tag characters spell the flags of England, Scotland and Wales after a black flag; elsewhere they
# smuggle text.
_TAGS = "\U000e0000-\U000e007f"

_UNCLEAN = re.compile(
    f"[{_HIDDEN}{_BREAK}{_TAGS}\u200c\u200d\ud800-\udfff\t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]"
    "|  | \n|\n |\n\n\n"
)
_FLAG = re.compile(f"(\U0001f3f4[\U000e0061-\U000e007a]{{2,6}}\U000e007f)|[{_TAGS}]")
_DROP = re.compile(f"[{_HIDDEN}]|{_JOINER}")
_LINE_END = re.compile(f"\r\n|[{_BREAK}]")
_BLANKS = re.compile(f"[{_BLANK}]+")
_AROUND_BREAK = re.compile(" ?\n ?")
_BREAKS = re.compile("\n{3,}")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MARK_RUN = re.compile(r"[^\x00-\x7f\w\s]{31,}")


def clean(text: str, html: bool) -> str:
    """Plain text for people and machines: NFC, no invisible characters, whitespace folded,
    paragraphs kept.

    With ``html`` tags are dropped, block tags and ``<br>`` become line breaks, script and style go
    with what they hold, and entities are decoded once. Without it ``<`` and ``&`` stay as they
    were written. One line break stays one, more become one empty line. The result has no NUL and
    no lone surrogate, so every database and JSON writer takes it, and cleaning it again
    (``html=False``) changes nothing.
    """
    if html and ("<" in text or "&" in text):
        text = _from_html(text)
    if _UNCLEAN.search(text):
        text = _visible(text)
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", _MARK_RUN.sub(_few_marks, text))
        if _UNCLEAN.search(text):  # a composition may bring two characters together that were apart
            text = _visible(text)
    return text.strip()


def _visible(text: str) -> str:
    if _SURROGATE.search(text):
        # Two escaped halves of one emoji come together; a half alone becomes U+FFFD.
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    before = ""
    while before != text:  # dropping one character can leave a joiner without its neighbour
        before = text
        text = _FLAG.sub(r"\1", text)
        text = _DROP.sub("", text)
    text = _LINE_END.sub("\n", text)
    text = _BLANKS.sub(" ", text)
    text = _AROUND_BREAK.sub("\n", text)
    return _BREAKS.sub("\n\n", text)


def _few_marks(run: re.Match[str]) -> str:
    """Keep 30 combining marks in a row, as Unicode's stream-safe format does.

    Normalisation sorts marks by insertion: 100,000 of them took 7 s (measured on Python 3.11).
    """
    kept: list[str] = []
    marks = 0
    for char in run.group():
        marks = marks + 1 if unicodedata.combining(char) else 0
        if marks <= 30:
            kept.append(char)
    return "".join(kept)


def _line(text: str | None, limit: int) -> str:
    """A clean single line of at most ``limit`` characters; empty when there is nothing."""
    if not text:
        return ""
    line = clean(text[: limit * 4], html=False)
    if "\n" in line:
        line = " ".join(line.split())
    return line[:limit].rstrip()


# --- HTML ----------------------------------------------------------------------------------------

# A tokeniser instead of a sanitiser, because the result is text and not HTML: every branch below
# always matches once it has begun (up to the end of the text if need be), so the time is linear in
# the length. A tree-building sanitiser (nh3) took 81 s for 100,000 nested <div>.
_ATTRIBUTES = r"""(?:[^>=]++|=\s*+(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z))?+)*+"""
_MARKUP = re.compile(
    rf"""
      <!\[CDATA\[ | \]\]>
    | <!--(?:-?>|.*?(?:--!?>|\Z))
    | <(?P<skip>script|style|template|noscript|iframe|noembed|noframes|svg|math|title)(?=[\s/>])
      {_ATTRIBUTES}
      (?:\Z|>(?:(?<=/>)|.*?(?:</(?P=skip)(?=[\s/>])[^>]*+(?:>|\Z)|\Z)))
    | </?(?P<tag>[a-z][^\s/>]*+){_ATTRIBUTES}(?:>|\Z)
    | <[!?][^>]*+(?:>|\Z)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_HAS_MARKUP = re.compile(r"</?[a-zA-Z]|<[!?]")
_BREAK_OF = {
    tag: line_break
    for line_break, tags in {
        "\n\n": "p,h1,h2,h3,h4,h5,h6,blockquote,ul,ol,dl,table,hr,article,section,pre,figure,header"
        ",footer,main",
        "\n": "br,div,li,tr,dt,dd,figcaption,caption,address,form,fieldset,aside,nav,option",
        " ": "td,th,img,button,input,select",
    }.items()
    for tag in tags.split(",")
}


def _from_html(text: str) -> str:
    text = text[:MAX_MARKUP]
    if _HAS_MARKUP.search(text):  # without a tag, line breaks in the source are the author's own
        text = " ".join(text.split())
        text = _MARKUP.sub(_break_of, text)
    return html_entities.unescape(text)


def _break_of(markup: re.Match[str]) -> str:
    tag = markup.group("tag")
    return _BREAK_OF.get(tag.lower(), "") if tag else ""


# --- URLs ----------------------------------------------------------------------------------------

_TRACKING = re.compile(
    r"utm_.*|fbclid|gclid|gclsrc|gbraid|wbraid|dclid|msclkid|twclid|ttclid|yclid|ysclid|igshid|"
    r"igsh|mc_cid|mc_eid|_ga|_gl|srsltid|vero_id|mkt_tok|_hsenc|_hsmi|"
    # Naver's search advertising
    r"napm|n_(?:media|query|rank|ad|ad_group|keyword|keyword_id|campaign_type)",
    re.IGNORECASE,
)
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")
# Most addresses are canonical already: nothing to decode or to lower, perhaps something to drop.
_PARAMETER = r"[A-Za-z0-9_.~-]+(?:=[A-Za-z0-9_.~-]*)?"
_CANONICAL = re.compile(
    rf"https?://(?!(?:{HOSTS})/)[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?/[A-Za-z0-9/_.~-]*"
    rf"(?:\?({_PARAMETER}(?:&{_PARAMETER})*))?"
)
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\]")
_KNOWN = re.compile(HOSTS)
_SAFE_PATH = "/%:@!$&'()*+,;=~-._"
_SAFE_QUERY = _SAFE_PATH + "?[]"


def canonical_url(url: str | None) -> str | None:
    """One spelling of an http(s) address, or None if it is not one that may be shown as a link.

    Scheme and host are lower case, default port, fragment and tracking parameters are gone, and
    anything but plain ASCII is percent-encoded, so the result is safe inside an HTML attribute.
    All forms of a Naver blog post become ``https://blog.naver.com/ID/N``, and so with the other
    platforms that ``listener.sites`` knows; mobile hosts of others stay.
    None for other schemes (``javascript:``), addresses with user information, without a host, or
    longer than 2,000 characters.
    """
    if not url or len(url) > MAX_URL * 2:
        return None
    if ONE.fullmatch(url):
        return url
    plain = _CANONICAL.fullmatch(url) if len(url) <= MAX_URL else None
    if plain and not (plain[1] and any(map(_is_tracking, plain[1].split("&")))):
        return url
    try:
        parts = urlsplit(_SURROGATE.sub("\ufffd", url).strip())
        host, port = (parts.hostname or "").rstrip("."), parts.port
        if not host.isascii():
            host = host.encode("idna").decode("ascii").lower()
    except (ValueError, UnicodeError):
        return None
    if parts.scheme not in ("http", "https") or "@" in parts.netloc:
        return None
    if ":" in host:
        host = f"[{host}]"
    if not _HOST.fullmatch(host):
        return None

    path = quote(_ESCAPE.sub(_upper, parts.path), safe=_SAFE_PATH) or "/"
    if _KNOWN.fullmatch(host):
        post = site_url(host, path, parts.query)
        if post:
            return post

    if port is not None and port != {"http": 80, "https": 443}[parts.scheme]:
        host = f"{host}:{port}"
    query = parts.query
    if query:
        kept = [part for part in query.split("&") if part and not _is_tracking(part)]
        query = quote(_ESCAPE.sub(_upper, "&".join(kept)), safe=_SAFE_QUERY)
    result = f"{parts.scheme}://{host}{path}" + (f"?{query}" if query else "")
    return result if len(result) <= MAX_URL else None


def _is_tracking(parameter: str) -> bool:
    return _TRACKING.fullmatch(parameter.partition("=")[0]) is not None


def _upper(escape: re.Match[str]) -> str:
    return escape.group().upper()


# --- identity ------------------------------------------------------------------------------------


def _digest(*parts: str) -> str:
    state = blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        state.update(b"%d:" % len(data))  # lengths keep ("ab", "c") apart from ("a", "bc")
        state.update(data)
    return state.hexdigest()


def content_hash(
    title: str | None,
    text: str,
    rating: float | None,
    rating_min: float | None,
    rating_max: float | None,
) -> str:
    """32 hex digits over what an author can edit: title, text and rating with its scale.

    Left out on purpose: engagement counts (they change all the time and are snapshots), author
    name and follower count, dates, URL, media links (signed addresses change by the hour),
    product, place and the raw record. An empty title and none are the same.
    """
    numbers = ["" if n is None else repr(float(n)) for n in (rating, rating_min, rating_max)]
    return _digest(title or "", text, *numbers)


def derived_id(
    page: str, author: str, published: datetime | date | str | None, ordinal: int
) -> str:
    """An id for an item to which the source gives none: 32 hex digits over page, author, date and
    ordinal.

    Never over the body: an edited review is the same review. ``ordinal`` counts the items of the
    same author and date on the same page, from 0; count from the oldest, so that a newer item does
    not shift it. An aware datetime counts in UTC, a string as it stands.
    """
    if isinstance(published, datetime):
        stamp = _utc(published).isoformat()
    elif isinstance(published, date):
        stamp = published.isoformat()
    else:
        stamp = (published or "").strip()
    return _digest(
        canonical_url(page) or page.strip(), " ".join(author.split()).lower(), stamp, str(ordinal)
    )


def _identifier(value: str | None) -> str:
    """An id as the source gave it, without what a database refuses; if too long, its hash."""
    if not value:
        return ""
    if len(value) <= MAX_ID and value.isascii() and value.isprintable():
        return value.strip()
    value = _DROP.sub("", _SURROGATE.sub("\ufffd", value)).strip()
    return value if len(value) <= MAX_ID else f"hash:{_digest(value)}"


# --- mention -------------------------------------------------------------------------------------

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8}){0,3}")
_MAX_COUNT = 2**62  # fits a 64-bit column


def to_mention(raw: RawItem, source: str, now: datetime) -> Mention:
    """Clean one raw item. Nonsense in a side field is dropped or cut, so that it cannot hurt
    later.

    ``published_at`` stays as the source told it (in UTC); what detection counts is ``event_at``,
    which is set only for an exact date and is ``now`` with ``event_clamped`` where that lies in
    the future. For a day or no date it is left None, and ingest puts the time of first sight
    there. A rating outside its scale, or a scale upside down, is dropped; ``rating_min`` is 1
    where only the maximum is told; a rating without a maximum is kept without scale.

    The hash of an excerpt is that of its title, which is the same whatever was searched for.

    Raises InvalidInput for an item without an external id, or with neither text, title nor rating
    (deletions need none of them).
    """
    external_id = _identifier(raw.external_id)
    if not external_id:
        raise InvalidInput("An item needs an id of its own.", field="external_id")

    text = clean(raw.text or "", raw.html)
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT].rstrip()
    title = _line(clean(raw.title[:MAX_MARKUP], raw.html) if raw.title else None, MAX_TITLE) or None
    rating, rating_min, rating_max = _rating(raw.rating, raw.rating_min, raw.rating_max)
    if not (text or title or rating is not None or raw.deleted):
        raise InvalidInput("An item needs a text, a title or a rating.", field="text")

    published_at, precision = _published(raw.published_at, raw.published_precision)
    event_at = published_at if precision is Precision.EXACT else None
    clamped = published_at is not None and published_at > now + (
        FUTURE_SLACK if precision is Precision.EXACT else timedelta(days=1)
    )
    if clamped and event_at is not None:
        event_at = now

    return Mention(
        source=source,
        namespace=_identifier(raw.namespace),
        external_id=external_id,
        kind=raw.kind,
        text=text,
        content_hash=content_hash(
            title, "" if raw.excerpt and title else text, rating, rating_min, rating_max
        ),
        title=title,
        url=canonical_url(raw.url),
        author=_author(raw.author),
        published_at=published_at,
        published_precision=precision,
        event_at=event_at,
        event_clamped=clamped,
        language_hint=_language(raw.language),
        rating=rating,
        rating_min=rating_min,
        rating_max=rating_max,
        parent_id=_identifier(raw.parent_id) or None,
        thread_id=_identifier(raw.thread_id) or None,
        is_own=raw.is_own,
        solicited=raw.solicited,
        product=_line(raw.product, MAX_HANDLE) or None,
        product_version=_line(raw.product_version, MAX_HANDLE) or None,
        place=_line(raw.place, MAX_HANDLE) or None,
        touchpoint=_line(raw.touchpoint, MAX_HANDLE) or None,
        country=_country(raw.country),
        media=_media(raw.media),
        engagement=_engagement(raw.engagement),
        derived=raw.derived,
        deleted=raw.deleted,
        excerpt=raw.excerpt,
        raw=_record(raw.raw),
    )


def _rating(
    value: float | None, low: float | None, high: float | None
) -> tuple[float | None, float | None, float | None]:
    nothing = (None, None, None)
    if value is None or not _finite(value):
        return nothing
    if high is None:
        return (float(value), None, None) if value >= 0 else nothing
    low = 1.0 if low is None else low
    if not (_finite(low) and _finite(high) and low < high and low <= value <= high):
        return nothing
    return float(value), float(low), float(high)


def _finite(number: float) -> bool:
    return math.isfinite(number) and abs(number) <= 1_000_000


def _published(at: datetime | None, precision: Precision) -> tuple[datetime | None, Precision]:
    if at is None or precision is Precision.NONE:
        return None, Precision.NONE
    try:
        at = _utc(at)
    except OverflowError:
        return None, Precision.NONE
    return (None, Precision.NONE) if at < OLDEST else (at, precision)


def _utc(at: datetime) -> datetime:
    """UTC; a date without a zone is taken for UTC, since a source that knows better says so."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _author(raw: RawAuthor | None) -> RawAuthor | None:
    if raw is None:
        return None
    native_id = _identifier(raw.native_id)
    handle = _line(raw.handle, MAX_HANDLE)
    name = _line(raw.name, MAX_HANDLE)
    url = canonical_url(raw.url)
    if not (native_id or handle or name or url):
        return None
    return RawAuthor(
        native_id=native_id, handle=handle, name=name, followers=_count(raw.followers), url=url
    )


def _engagement(raw: Engagement | None) -> Engagement | None:
    if raw is None:
        return None
    counts = (_count(raw.likes), _count(raw.replies), _count(raw.shares), _count(raw.views))
    if counts == (None, None, None, None):
        return None
    return Engagement(likes=counts[0], replies=counts[1], shares=counts[2], views=counts[3])


def _count(value: int | None) -> int | None:
    return value if value is not None and 0 <= value <= _MAX_COUNT else None


def _country(value: str | None) -> str | None:
    value = (value or "").strip().upper()
    return value if len(value) == 2 and value.isascii() and value.isalpha() else None


def _language(value: str | None) -> str | None:
    value = (value or "").strip()
    return value if _LANGUAGE.fullmatch(value) else None


def _media(urls: tuple[str, ...]) -> tuple[str, ...]:
    if not urls:
        return ()
    return tuple(dict.fromkeys(u for u in map(canonical_url, urls[:MAX_MEDIA]) if u))


def _record(raw: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The original record as plain JSON that every database takes; None if empty or over 256 kB."""
    if not raw:
        return None
    try:
        data = orjson.dumps(raw, default=str, option=orjson.OPT_NON_STR_KEYS)
        if b"\\u0000" in data:
            data = orjson.dumps(_scrubbed(raw), default=str, option=orjson.OPT_NON_STR_KEYS)
    except (TypeError, ValueError, RecursionError):  # lone surrogates, 80-bit integers, a loop
        try:
            data = orjson.dumps(_scrubbed(raw), default=str, option=orjson.OPT_NON_STR_KEYS)
        except (TypeError, ValueError, RecursionError):
            return None
    if len(data) > MAX_RAW_BYTES:
        return None
    plain: Mapping[str, Any] = orjson.loads(data)
    return plain


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value.replace("\x00", ""))
    if isinstance(value, bool) or value is None or isinstance(value, float):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _MAX_COUNT else str(value)
    if isinstance(value, Mapping):
        return {_scrubbed(str(key)): _scrubbed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(item) for item in value]
    return _scrubbed(str(value))


# --- search --------------------------------------------------------------------------------------

# Scripts that are written without spaces, or whose words change by what is glued to them: Hangul
# (with jamo), Kana, Han. All other letters and digits form words.
_CJK = (
    "\u1100-\u11ff\u3005-\u3007\u3040-\u30fa\u30fc-\u318f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUN = re.compile(f"[{_CJK}]+|[^\\W_{_CJK}]+")


@lru_cache(maxsize=8192)
def _run_tokens(run: str) -> tuple[str, ...]:
    if run[0] < "\u1100" or not _IS_CJK.match(run):
        return (run[:MAX_TOKEN],)
    return tuple([run[at : at + 2] for at in range(len(run))])


_IS_CJK = re.compile(f"[{_CJK}]")


def search_tokens(text: str) -> list[str]:
    """The tokens under which a text is indexed, in order; letters and digits only, so that no
    tokenizer splits them.

    NFKC and lower case. A run of Hangul, Kana or Han gives its overlapping pairs and then its last
    character alone: "배송이" -> 배송, 송이, 이. The last one makes every single character the
    beginning of some token, so that a query of one syllable works as a prefix. Other words are one
    token, cut at 64 characters. Join them by a space for SQLite FTS5 (``unicode61``) and
    PostgreSQL (``to_tsvector('simple', …)``).
    """
    tokens: list[str] = []
    for run in _RUN.findall(_folded(text)):
        if run[0] < "\u1100":
            tokens.append(run if len(run) <= MAX_TOKEN else run[:MAX_TOKEN])
        elif len(run) <= 12:
            tokens.extend(_run_tokens(run))  # Korean words recur
        elif _IS_CJK.match(run):
            tokens.extend([run[at : at + 2] for at in range(len(run))])
        else:
            tokens.append(run[:MAX_TOKEN])
    return tokens


def search_query(text: str) -> list[list[str]]:
    """What to look for: one phrase (tokens that follow each other) per word of the query; all must
    be found.

    "누리마켓 late" -> [[누리, 리마, 마켓], [late]]. A phrase that ends in a single syllable
    carries a final ``*`` on its last token, which then is a prefix: "배" -> [[배*]], FTS5 ``"배"
    *``, PostgreSQL ``배:*``. No other token has a ``*``. Empty when there is nothing to look for.
    """
    phrases: list[list[str]] = []
    for word in _folded(text[:MAX_QUERY]).split():
        runs = _RUN.findall(word)
        phrase: list[str] = []
        for place, run in enumerate(runs):
            if not _IS_CJK.match(run):
                phrase.append(run[:MAX_TOKEN])
            elif place + 1 < len(runs):  # it ends here in the text too
                phrase.extend(_run_tokens(run))
            elif len(run) == 1:
                phrase.append(f"{run}*")
            else:  # in the text the run may go on (a particle)
                phrase.extend(_run_tokens(run)[:-1])
        if phrase and phrase not in phrases:
            phrases.append(phrase)
    return phrases


def _folded(text: str) -> str:
    text = text.lower()
    return text if text.isascii() else unicodedata.normalize("NFKC", text)
