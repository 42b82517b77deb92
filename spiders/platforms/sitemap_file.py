"""Reads sitemap files: lists of pages, indexes of lists, news sitemaps, gzip, plain text. Pure."""

from __future__ import annotations

import gzip
import io
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import lxml.etree

from listener.collect.dates import read_date
from listener.types import Precision

MAX_BYTES = 60_000_000  # the protocol allows 50 MB unpacked
_SITEMAP_LINE = re.compile(r"^\s*sitemap\s*:\s*(\S+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One page of a sitemap, or one sitemap of an index. Times are UTC; None = not told."""

    url: str
    changed_at: datetime | None = None
    title: str | None = None
    published_at: datetime | None = None
    precision: Precision = Precision.NONE
    keywords: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SitemapFile:
    """What a file holds: ``pages``, or ``sitemaps`` if it is an index."""

    pages: list[Entry] = field(default_factory=list)
    sitemaps: list[Entry] = field(default_factory=list)


def read_sitemap(body: bytes, url: str) -> SitemapFile:
    """A sitemap file as a server sends it. Raises ValueError where it is none."""
    body = _unpacked(body).lstrip(b"\xef\xbb\xbf\r\n\t ")
    if not body.startswith(b"<"):
        return _plain(body, url)
    parser = lxml.etree.XMLParser(recover=True, resolve_entities=False, no_network=True)
    try:
        root = lxml.etree.fromstring(body, parser)
    except lxml.etree.LxmlError as error:
        raise ValueError(f"no XML: {str(error)[:100]}") from error
    name = _name(root) if root is not None else ""
    if name == "sitemapindex":
        return SitemapFile(sitemaps=_entries(root, "sitemap", url))
    if name == "urlset":
        return SitemapFile(pages=_entries(root, "url", url))
    raise ValueError(f"its first element is <{name}> and not <urlset> or <sitemapindex>")


def sitemaps_of(robots: str, url: str) -> list[str]:
    """The sitemaps that a robots.txt names."""
    found = [urljoin(url, line) for line in _SITEMAP_LINE.findall(robots)]
    return list(dict.fromkeys(link for link in found if _is_web(link)))


def _unpacked(body: bytes) -> bytes:
    """The body without gzip; what was cut off on the way is read as far as it came."""
    if not body.startswith(b"\x1f\x8b"):
        return body
    parts: list[bytes] = []
    size = 0
    with gzip.GzipFile(fileobj=io.BytesIO(body)) as packed:
        try:
            while chunk := packed.read(1 << 16):
                parts.append(chunk)
                size += len(chunk)
                if size > MAX_BYTES:
                    raise ValueError(f"more than {MAX_BYTES} bytes unpacked")
        except (EOFError, OSError) as error:
            if not parts:
                raise ValueError("broken gzip") from error
    return b"".join(parts)


def _plain(body: bytes, url: str) -> SitemapFile:
    lines = [line.strip() for line in body.decode("utf-8", "replace").splitlines()]
    pages = [Entry(url=line) for line in lines if _is_web(line)]
    if not pages:
        raise ValueError("neither XML nor a list of addresses")
    return SitemapFile(pages=pages)


def _entries(root: Any, name: str, url: str) -> list[Entry]:
    found: dict[str, Entry] = {}
    for node in root:
        if _name(node) != name:
            continue
        entry = _entry(node, url)
        if entry is not None:
            found[entry.url] = entry
    return list(found.values())


def _entry(node: Any, url: str) -> Entry | None:
    texts: dict[str, str] = {}
    for child in node.iter():
        # <image:loc> and <image:title> are those of a picture.
        if child is not node and not _is_about_media(child):
            texts.setdefault(_name(child), " ".join((child.text or "").split()))
    link = urljoin(url, texts.get("loc", ""))
    if not texts.get("loc") or not _is_web(link):
        return None
    changed_at, _ = read_date(texts.get("lastmod"))
    published_at, precision = read_date(texts.get("publication_date"))
    return Entry(
        url=link.partition("#")[0],
        changed_at=changed_at or published_at,
        title=texts.get("title") or None,
        published_at=published_at,
        precision=precision,
        keywords=texts.get("keywords") or None,
        language=texts.get("language") or None,
    )


def _is_about_media(node: Any) -> bool:
    tag = node.tag if isinstance(node.tag, str) else ""
    return "sitemap-image" in tag or "sitemap-video" in tag or tag.startswith(("image:", "video:"))


def _name(node: Any) -> str:
    tag = node.tag if isinstance(node.tag, str) else ""
    return re.split(r"[}:]", tag)[-1].lower()


def _is_web(link: str) -> bool:
    try:
        parts = urlsplit(link)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
