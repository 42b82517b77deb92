"""What is asked and what is answered: Request, Page, which charset a page is in, URLs fit for
showing.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import orjson

from listener.errors import LayoutChanged
from listener.net.limits import Rule

Expect = Literal["any", "json", "xml", "html"]

_HARMLESS = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "content-type",
        "if-modified-since",
        "if-none-match",
        "user-agent",
    }
)
_SECRET_NAME = re.compile(
    r"(^|[_.-])(key|sig|pass|pw|pwd|passwd|auth|code|session|sid|jwt|hash)$"
    r"|token|secret|password|api_?key|signature",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[\w.~+/=-]{24,}\Z", re.ASCII)
_UNSAFE = re.compile(r"[^!#$%&'()*+,\-./:;=?@\[\]_~0-9A-Za-z]+")
_DECLARED = re.compile(
    rb"""<\?xml[^>]{0,200}?\bencoding\s*=\s*["']([\w.:-]{2,40})["']"""
    rb"""|<meta[^>]{0,200}?\bcharset\s*=\s*["']?\s*([\w.:-]{2,40})""",
    re.IGNORECASE,
)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, which its mark begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# As browsers read these labels (WHATWG Encoding): the larger set that is really meant.
_MEANT = {
    "euc_kr": "cp949",
    "ks_c_5601_1987": "cp949",
    "johab": "johab",
    "shift_jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "iso8859-9": "cp1254",
    "tis_620": "cp874",
}
_BODY_READ = 65_536  # what is longer is no login
_SHOWN = 200  # characters of a query that say where one was; more only hides the message
_CP949_LABELS = frozenset({"windows-949", "x-windows-949", "ksc_5601", "ks_c_5601"})
_LATIN = "cp1252"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One thing to ask. ``params`` join the URL's own query, None is left out.

    ``expect`` says what shape a success has, ``account`` whose limits are used up (a connection's
    id or name), ``rule`` replaces the limiter's own, ``accept`` names refusals that the caller
    wants to read itself. ``charge`` is what it uses up at most, by unit, of the budget of ``purse``
    (source and connection; a poller's ``load`` fills it in); ``settle`` reads from the answer, of
    whatever status, what was really used up. ``background`` marks a back-fill, which live
    collection goes before. Neither parameters nor headers show in a repr: both may hold
    credentials.
    """

    url: str = field(repr=False)
    params: Mapping[str, str | int | None] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    method: str = "GET"
    body: bytes | None = field(default=None, repr=False)
    expect: Expect = "any"
    account: str = ""
    rule: Rule | None = None
    max_bytes: int | None = None
    accept: frozenset[int] = frozenset()
    purse: str = ""
    charge: Mapping[str, int] = field(default_factory=lambda: {"calls": 1})
    settle: Callable[[Page], Mapping[str, int]] | None = field(default=None, repr=False)
    background: bool = False  # a back-fill's: live collection goes first

    @property
    def full_url(self) -> str:
        """The URL with its parameters, ready to be sent: spaces and Korean percent-encoded."""
        url = clean_url(self.url)
        given = [(name, str(value)) for name, value in self.params.items() if value is not None]
        if not given:
            return url
        parts = urlsplit(url)
        query = "&".join(part for part in (parts.query, urlencode(given)) if part)
        return urlunsplit(parts._replace(query=query))

    @property
    def secrets(self) -> frozenset[str]:
        """Values that must not appear in any message."""
        found: set[str] = set()
        for name, value in self.headers.items():
            if name.lower() not in _HARMLESS:
                found.update((value, value.rpartition(" ")[2]))
        for name, value in (*parse_qsl(urlsplit(self.full_url).query), *_fields(self.body)):
            if _is_secret(name, value):
                found.add(value)
        return frozenset(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer, read whole. Header names are lower case.

    ``unchanged`` = 304, or the same bytes as last time; the body is empty then. ``moved_to`` is
    where permanent redirects lead. ``requests`` and ``received`` (bytes on the wire) count all
    hops. ``validators`` belong to the URL that was asked and go into the next ``fetch``. ``now`` is
    when the answer was complete.
    """

    url: str
    asked: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    now: datetime
    unchanged: bool = False
    moved_to: str | None = None
    requests: int = 1
    received: int = 0
    validators: Mapping[str, str] = field(default_factory=dict)

    @property
    def content_type(self) -> str:
        """The media type alone, lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def text(self) -> str:
        """The body as text, in the charset that it is really in."""
        return decode(self.body, self.headers.get("content-type", ""))[0]

    @property
    def json(self) -> Any:
        """The body as JSON. Raises LayoutChanged when it is none."""
        try:
            return orjson.loads(self.body)
        except ValueError:
            pass  # another charset, or NaN and the like, which the slower reader takes
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError) as error:
            what = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "nesting"
            raise LayoutChanged(
                f"The answer of {redact(self.url)} is not valid JSON ({what}).", status=self.status
            ) from error


def decode(body: bytes, content_type: str = "") -> tuple[str, str]:
    """Turn bytes into text: (text, Python codec name). Never fails; what cannot be read becomes
    U+FFFD.

    In order: byte order mark; the header's charset; what the document declares (XML prolog, meta);
    UTF-8; CP949 where nothing is declared (old Korean pages). A charset that does not fit the bytes
    is passed over. Latin-1, which is often just a server's default, comes after UTF-8.
    """
    for mark, name in _BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace"), name
    found = _DECLARED.search(body[:2_048])
    told = [codec(_charset(content_type))]
    told.append(codec((found.group(1) or found.group(2)).decode("ascii")) if found else None)
    # A document that could be read as ASCII so far is not in UTF-16, whatever it says.
    named = [name for name in told if name and not name.startswith(("utf-16", "utf-32"))]
    likely = [name for name in named if name != _LATIN] + ["utf-8"]
    last = [_LATIN] if _LATIN in named else [] if named else ["cp949"]
    for name in likely + last:
        with contextlib.suppress(UnicodeDecodeError):
            return body.decode(name), name
    # Damaged somewhere, or wrongly declared: the reading with the fewest holes, if they are few.
    guesses = dict.fromkeys([*likely, "cp949"])
    readings = [(body.decode(name, "replace"), name) for name in guesses]
    text, name = min(readings, key=lambda reading: reading[0].count("\ufffd"))
    if not named and text.count("\ufffd") > len(text) // 100:
        return body.decode(_LATIN, "replace"), _LATIN
    return text, name


def codec(label: str | None) -> str | None:
    """Python's name of a charset label, widened as browsers do (EUC-KR means CP949); None if
    unknown.
    """
    if not label:
        return None
    try:
        info = codecs.lookup(label.strip().strip("\"'"))
    except (LookupError, ValueError):
        return (
            "cp949"
            if label.lower().replace("-", "_") in ("x_windows_949", "windows_949", "ks_c_5601")
            else None
        )
    # Some codecs are no charsets: base64, rot13 and zip do not turn bytes into text, and these
    # three refuse whatever they do not like instead of replacing it.
    strict = info.name in ("undefined", "idna", "punycode")
    if strict or not getattr(info, "_is_text_encoding", True):
        return None
    return _MEANT.get(info.name, info.name)


def clean_url(url: str) -> str:
    """A URL as it can be sent: no fragment, spaces and non-ASCII characters of path and query
    percent-encoded.
    """
    parts = urlsplit(url.strip())
    return urlunsplit(
        (parts.scheme, parts.netloc, _encode(parts.path) or "/", _encode(parts.query), "")
        if parts.netloc
        else (parts.scheme, parts.netloc, parts.path, parts.query, "")
    )


def redact(url: str) -> str:
    """A URL that may be shown and logged: no user and password, no fragment, secrets in the query
    as "…".
    """
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        pairs = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return "(an address that cannot be read)"
    query = "&".join(f"{name}={'…' if _is_secret(name, value) else value}" for name, value in pairs)
    query = query if len(query) <= _SHOWN else query[:_SHOWN] + "…"
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def _encode(text: str) -> str:
    # "%" stays as it is: what is encoded already must not be encoded twice.
    return _UNSAFE.sub(lambda found: quote(found.group()), text)


def _charset(content_type: str) -> str | None:
    for part in content_type.split(";")[1:]:
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset":
            return value
    return None


def _fields(body: bytes | None) -> list[tuple[str, str]]:
    """What a form or a flat JSON object sends: logins and token requests do it in the body."""
    text = (body or b"")[:_BODY_READ].decode("utf-8", "replace")
    if not text.startswith("{"):
        return parse_qsl(text)
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return [(name, value) for name, value in told.items() if isinstance(value, str)]


def _is_secret(name: str, value: str) -> bool:
    return bool(_SECRET_NAME.search(name) or _SECRET_VALUE.match(value))


def drop_secrets(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that may go to another host."""
    return {name: value for name, value in headers.items() if name.lower() in _HARMLESS}


def lower(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Header pairs as a mapping with lower-case names; repeated ones joined by commas."""
    joined: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        joined[key] = f"{joined[key]}, {value}" if key in joined else value
    return joined
