"""Addresses of posts on Korean platforms in one spelling: a part of ``text.canonical_url``. Pure.

The same post is reached on a computer and on a phone, by readable and by numbered links, with the
search that led there written into them.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

HOSTS = (
    r"(?:m\.)?(?:blog|cafe|kin)\.naver\.com|(?:[a-z0-9-]+\.)*(?:news|sports|entertain)\.naver\.com"
    r"|(?:m\.)?cafe\.daum\.net|(?:news\.)?v\.daum\.net|(?:media|news)\.daum\.net"
    r"|[a-z0-9-]+\.tistory\.com"
)
"""A pattern of the hosts that are known here, in lower case."""

_NAME = r"[A-Za-z0-9_-]{1,60}"
_NUMBER = r"[0-9]{1,20}"
ONE = re.compile(
    rf"https://(?:blog\.naver\.com/{_NAME}/{_NUMBER}|cafe\.naver\.com/[a-z0-9_-]{{1,60}}/{_NUMBER}"
    rf"|n\.news\.naver\.com/article/[0-9]{{3}}/[0-9]{{8,12}}|v\.daum\.net/v/[A-Za-z0-9]{{1,40}}"
    rf"|(?!m\.)[a-z0-9-]+\.tistory\.com/{_NUMBER})"
)
"""Addresses that are the one already, as most are."""

_BLOG = re.compile(rf"/({_NAME})/({_NUMBER})/?")
_ID = re.compile(_NAME)
_DIGITS = re.compile(_NUMBER)
_CLUB = re.compile(rf"/(?:[a-z-]+/)*cafes/({_NAME})/articles/({_NUMBER})/?")
_ARTICLE = re.compile(r"/(?:[a-z0-9-]+/)*article/([0-9]{3})/([0-9]{8,12})/?")
_DAUM_CAFE = re.compile(rf"/({_NAME})/({_NAME})/({_NUMBER})/?")
_DAUM_NEWS = re.compile(r"/v/([A-Za-z0-9]{1,40})/?")
_TISTORY = re.compile(r"/m(/[0-9]+|/entry/.+)")


def site_url(host: str, path: str, query: str) -> str | None:
    """The one address of a post, or None where it is none that is known. ``path`` is
    percent-encoded.

    Knows Naver's blogs, cafés, Knowledge iN and news, Daum's cafés and news, and Tistory.
    """
    asked = {k.lower(): v for k, v in parse_qsl(query)} if query.count("&") < 50 else {}
    host = host.removeprefix("m.")
    if host == "blog.naver.com":
        return _blog(path, asked)
    if host == "cafe.naver.com":
        return _cafe(path, asked)
    if host == "kin.naver.com":
        return _question(asked)
    if host == "cafe.daum.net":
        return _daum_cafe(path, asked)
    if host.endswith(".naver.com"):
        found = _ARTICLE.fullmatch(path)
        outlet, number = found.groups() if found else (asked.get("oid", ""), asked.get("aid", ""))
        if _DIGITS.fullmatch(outlet) and _DIGITS.fullmatch(number):
            return f"https://n.news.naver.com/article/{outlet}/{number}"
        return None
    if host.endswith("daum.net"):
        found = _DAUM_NEWS.fullmatch(path)
        return f"https://v.daum.net/v/{found[1]}" if found else None
    found = _TISTORY.fullmatch(path)
    return f"https://{host}{found[1]}" if found else None


def _blog(path: str, asked: dict[str, str]) -> str | None:
    found = _BLOG.fullmatch(path)
    blog, number = found.groups() if found else ("", "")
    blog = blog or asked.get("blogid") or path.strip("/")
    number = number or asked.get("logno", "")
    if _ID.fullmatch(blog) and _DIGITS.fullmatch(number):
        return f"https://blog.naver.com/{blog}/{number}"
    return None


def _cafe(path: str, asked: dict[str, str]) -> str | None:
    """By the café's name where the link has it, else by its number."""
    found = _CLUB.fullmatch(path)
    club, number = (
        found.groups() if found else (asked.get("clubid", ""), asked.get("articleid", ""))
    )
    if _ID.fullmatch(club) and _DIGITS.fullmatch(number):
        return f"https://cafe.naver.com/ca-fe/cafes/{club}/articles/{number}"
    named = _BLOG.fullmatch(path)
    return f"https://cafe.naver.com/{named[1].lower()}/{named[2]}" if named else None


def _question(asked: dict[str, str]) -> str | None:
    kept = [(name, asked.get(name.lower(), "")) for name in ("d1id", "dirId", "docId")]
    if not all(_DIGITS.fullmatch(value) for _, value in kept):
        return None
    query = "&".join(f"{name}={value}" for name, value in kept)
    return f"https://kin.naver.com/qna/detail.naver?{query}"


def _daum_cafe(path: str, asked: dict[str, str]) -> str | None:
    found = _DAUM_CAFE.fullmatch(path)
    parts = (
        found.groups() if found else tuple(asked.get(n, "") for n in ("grpid", "fldid", "datanum"))
    )
    if path.startswith("/_c21_/") and not asked.get("grpid"):
        return None
    if _ID.fullmatch(parts[0]) and _ID.fullmatch(parts[1]) and _DIGITS.fullmatch(parts[2]):
        return f"https://cafe.daum.net/{'/'.join(parts)}"
    return None
