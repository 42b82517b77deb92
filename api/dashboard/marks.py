"""Texts with their marks: spans of terms, and what an edit changed. Pieces, never markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Protocol

_WORDS = re.compile(r"\s+|[^\s]+")
_MOST_WORDS = 4_000  # beyond, comparing word by word takes too long


class Spanned(Protocol):
    """A span of a field."""

    @property
    def field(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def term(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text; ``mark`` says why it stands out (a term, "added", "removed"), "" = not."""

    text: str
    mark: str = ""


def marked(
    text: str | None, spans: Iterable[Spanned], field: str = "text", *, around: int = 0
) -> list[Piece]:
    """The text in pieces, the spans of ``field`` marked with their terms.

    ``around`` cuts the text to about so many characters around the first span (0 = all of it).
    Spans that overlap or lie outside of the text are clipped.
    """
    text = text or ""
    wanted = sorted((s.start, s.end, s.term) for s in spans if s.field == field)
    start, end = _cut(text, wanted[0][0] if wanted else 0, around)
    pieces: list[Piece] = []
    at = start
    for begin, stop, term in wanted:
        begin, stop = max(begin, at), min(stop, end)
        if begin >= stop:
            continue
        if begin > at:
            pieces.append(Piece(text[at:begin]))
        pieces.append(Piece(text[begin:stop], term or "·"))
        at = stop
    if at < end:
        pieces.append(Piece(text[at:end]))
    if start > 0 and pieces:
        pieces.insert(0, Piece("… "))
    if end < len(text):
        pieces.append(Piece(" …"))
    return pieces


class Said(Protocol):
    """What a clause says of a topic; ``start`` and ``end`` count title and line break in."""

    @property
    def topic(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def label(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a text with its pieces; ``said`` are topics with labels, () = none."""

    pieces: Sequence[Piece]
    said: Sequence[tuple[str, str | None]] = ()


def clauses(
    text: str | None, spans: Iterable[Spanned], aspects: Iterable[Said], *, before: int = 0
) -> list[Clause]:
    """The text cut at its clauses, each with its marked pieces.

    ``before`` is what stands before the text where ``aspects`` count from (a title and a break).
    Aspects of the same place are one clause; those that overlap or lie outside are clipped.
    """
    text = text or ""
    inside = [s for s in spans if s.field == "text"]
    places: dict[tuple[int, int], list[tuple[str, str | None]]] = {}
    for one in aspects:
        place = (max(0, one.start - before), min(len(text), one.end - before))
        if place[0] < place[1]:
            places.setdefault(place, []).append((one.topic, one.label))
    found: list[Clause] = []
    at = 0
    for (start, end), said in sorted(places.items()):
        start = max(start, at)
        if start >= end:
            continue
        found += _clause(text, inside, at, start, ())
        found += _clause(text, inside, start, end, said)
        at = end
    return [*found, *_clause(text, inside, at, len(text), ())]


@dataclass(frozen=True, slots=True)
class _Moved:
    field: str
    start: int
    end: int
    term: str


def _clause(
    text: str,
    spans: Iterable[Spanned],
    start: int,
    end: int,
    said: Sequence[tuple[str, str | None]],
) -> Iterator[Clause]:
    if start < end:
        here = [_Moved("text", s.start - start, s.end - start, s.term) for s in spans]
        yield Clause(marked(text[start:end], here), said)


def _cut(text: str, first: int, around: int) -> tuple[int, int]:
    if not around or len(text) <= around:
        return 0, len(text)
    start = max(0, min(first - around // 3, len(text) - around))
    if start:
        space = text.find(" ", start, start + 20)
        start = start if space < 0 else space + 1
    return start, min(len(text), start + around)


def changed(old: str, new: str) -> list[Piece]:
    """What an edit took out and put in, word by word."""
    return list(_changed(_WORDS.findall(old), _WORDS.findall(new)))


def _changed(old: Sequence[str], new: Sequence[str]) -> Iterator[Piece]:
    if len(old) + len(new) > _MOST_WORDS:
        yield Piece("".join(old), "removed")
        yield Piece("".join(new), "added")
        return
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            yield Piece("".join(old[a:b]))
            continue
        if a < b:
            yield Piece("".join(old[a:b]), "removed")
        if c < d:
            yield Piece("".join(new[c:d]), "added")
