"""Finds every brand in a mention in one pass over its text, however many brands there are.

Between cleaning and enriching. An Aho-Corasick automaton over the patterns of all brands proposes
places in the folded text; what stands left and right of a place decides (the rules are in
``query``).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ahocorasick_rs import AhoCorasick, MatchKind

from listener.match.query import (
    Role,
    Script,
    Term,
    compile_context,
    compile_terms,
    endings_after,
    fold,
    same_case,
    script,
)
from listener.types import Brand, Match, MatchOrigin, Mention, Span

MAX_SPANS = 100  # per brand and mention; a text that repeats a name 10,000 times is spam
_MAX_HITS = 1_000  # per brand and field, before overlaps are resolved

_HANGUL_RUN = re.compile("[가-힣]{1,16}")
_SPACES = re.compile(" +")


class _Owner(NamedTuple):
    """Whose term a pattern is; ``order`` is the term's place among the brand's terms."""

    brand: int
    order: int
    shown: str


class _Rule(NamedTuple):
    """A pattern and what may stand beside it; ``context`` numbers an all- or none-term, else -1."""

    role: Role
    first: Script
    last: Script
    endings: frozenset[str]
    cased: str | None
    context: int


class _Hit(NamedTuple):
    """One occurrence, in offsets of the original field."""

    start: int
    end: int
    owner: _Owner


class Matcher:
    """All brands, compiled once; immutable, so it may be shared by threads."""

    def __init__(self, brands: Sequence[Brand]) -> None:
        """Compile. Terms that ``validate_brand`` complains of are left out."""
        self.brands = tuple(brands)
        rules: dict[str, dict[_Rule, list[_Owner]]] = {}
        contexts: dict[tuple[str, str | None], int] = {}
        self._all: list[frozenset[int]] = []
        self._none: list[frozenset[int]] = []

        for index, brand in enumerate(self.brands):
            for order, term in enumerate(compile_terms(brand)):
                for pattern in term.patterns:
                    rule = _rule(term, pattern, -1)
                    owners = rules.setdefault(pattern, {}).setdefault(rule, [])
                    owners.append(_Owner(index, order, term.shown))
            for words, needed in ((brand.all_terms, self._all), (brand.none_terms, self._none)):
                numbers = set()
                for term in compile_context(words):
                    number = contexts.setdefault((term.folded, term.cased), len(contexts))
                    numbers.add(number)
                    for pattern in term.patterns:
                        rules.setdefault(pattern, {}).setdefault(_rule(term, pattern, number), [])
                needed.append(frozenset(numbers))

        self._rules = tuple(
            tuple((rule, tuple(owners)) for rule, owners in by_rule.items())
            for by_rule in rules.values()
        )
        self._index = {brand.id: index for index, brand in enumerate(self.brands)}
        self._automaton = AhoCorasick(list(rules), MatchKind.Standard) if rules else None

    def match(self, mention: Mention) -> tuple[Match, ...]:
        """The brands that the mention names, in the order of ``brands``; () when there is none.

        A brand matches when one of its names, hashtags or handles occurs in title or text, every
        all-term does, and no none-term. Spans are in the order of the fields (title first),
        without overlaps: the longest wins.
        """
        found: dict[int, list[list[_Hit]]] = {}
        context: set[int] = set()
        self._search(mention, found, context)
        if not found:
            return ()
        return tuple(
            [
                Match(
                    brand_id=self.brands[index].id,
                    origin=MatchOrigin.TERM,
                    spans=_spans(found[index]),
                )
                for index in sorted(found)
                if self._all[index] <= context and not self._none[index] & context
            ]
        )

    def match_many(self, mentions: Iterable[Mention]) -> list[tuple[Match, ...]]:
        """``match`` for each mention, in order."""
        return [self.match(mention) for mention in mentions]

    def match_all(self, mention: Mention, brand: Brand) -> Match:
        """The match of a mention that is the brand's because of the watch that brought it.

        The spans are those of the brand's names, if any occur; all- and none-terms do not count. A
        brand that is not among ``brands`` gets no spans.
        """
        found: dict[int, list[list[_Hit]]] = {}
        index = self._index.get(brand.id)
        if index is not None:
            self._search(mention, found, set())
        spans = _spans(found[index]) if index is not None and index in found else ()
        return Match(brand_id=brand.id, origin=MatchOrigin.WATCH, spans=spans)

    def _search(
        self, mention: Mention, found: dict[int, list[list[_Hit]]], context: set[int]
    ) -> None:
        """Add the hits of both fields to ``found`` (brand -> title, text hits) and ``context``."""
        if mention.title:
            self._scan(0, mention.title, found, context)
        if mention.text:
            self._scan(1, mention.text, found, context)

    def _scan(
        self, field: int, text: str, found: dict[int, list[list[_Hit]]], context: set[int]
    ) -> None:
        if self._automaton is None:
            return
        folded = fold(text)
        places: list[int] | None = None
        if "  " in folded:  # does not occur in cleaned text
            folded, places = _collapse(folded)
        for pattern, start, end in self._automaton.find_matches_as_indexes(folded, True):
            for rule, owners in self._rules[pattern]:
                if rule.context in context or not _fits(rule, folded, start, end):
                    continue
                first, last = (
                    (start, end) if places is None else (places[start], places[end - 1] + 1)
                )
                if rule.cased is not None and same_case(text[first:last]) != rule.cased:
                    continue
                if rule.context >= 0:
                    context.add(rule.context)
                for owner in owners:
                    hits = found.get(owner.brand)
                    if hits is None:
                        hits = found[owner.brand] = [[], []]
                    if len(hits[field]) < _MAX_HITS:
                        hits[field].append(_Hit(first, last, owner))


def _rule(term: Term, pattern: str, context: int) -> _Rule:
    return _Rule(
        term.role,
        script(pattern[0]),
        script(pattern[-1]),
        endings_after(pattern[-1]) if term.role is Role.NAME else frozenset(),
        term.cased,
        context,
    )


def _collapse(folded: str) -> tuple[str, list[int]]:
    """The text with runs of spaces made one, and for each character where it came from."""
    places: list[int] = []
    at = 0
    for spaces in _SPACES.finditer(folded):
        places.extend(range(at, spaces.start() + 1))
        at = spaces.end()
    places.extend(range(at, len(folded)))
    return _SPACES.sub(" ", folded), places


def _fits(rule: _Rule, text: str, start: int, end: int) -> bool:
    """Whether what stands beside text[start:end] allows the occurrence."""
    role = rule.role
    before = text[start - 1] if start else " "
    after = text[end] if end < len(text) else " "
    if role is Role.HASHTAG:
        return not _in_tag(after) and (not _in_tag(before) or _closes_tag(text, start))
    if role is Role.HANDLE:
        return _handle_stands(text, before, after, end)

    first = rule.first
    if first is Script.HANGUL:
        if role is Role.NAME and "가" <= before <= "힣":
            return False
    elif first is not Script.SOLID:
        kind = script(before)
        if first is Script.OTHER:
            if kind is Script.WORD or before == text[start]:
                return False
        elif kind is first:
            return False

    last = rule.last
    if last is Script.SOLID:
        return True
    if "가" <= after <= "힣":
        if role is Role.CONTEXT or last is Script.OTHER or last is Script.KATAKANA:
            return True
        run = _HANGUL_RUN.match(text, end)
        return run is not None and run.group() in rule.endings
    if role is Role.CONTEXT and last is Script.HANGUL:
        return True
    kind = script(after)
    if last is Script.OTHER:
        return after != text[end - 1] and not (kind is Script.WORD and after.isalpha())
    if last is Script.KATAKANA:
        return kind is not Script.KATAKANA
    return kind is not Script.WORD


def _in_tag(char: str) -> bool:
    return char.isalnum() or char == "_" or script(char) is Script.WORD


def _closes_tag(text: str, start: int) -> bool:
    """Whether the letters before ``start`` are a hashtag themselves (#a#b), not a URL (page#b)."""
    at = start - 1
    while at >= 0 and _in_tag(text[at]):
        at -= 1
    return at >= 0 and text[at] == "#"


def _handle_stands(text: str, before: str, after: str, end: int) -> bool:
    if script(before) is Script.WORD or before in "@.+-":  # an e-mail address
        return False
    if after in ".-":  # the handle goes on: a domain, or a hyphen
        return not (end + 1 < len(text) and text[end + 1].isascii() and text[end + 1].isalnum())
    return script(after) is not Script.WORD


def _spans(fields: list[list[_Hit]]) -> tuple[Span, ...]:
    spans: list[Span] = []
    for name, hits in zip(("title", "text"), fields, strict=True):
        kept = hits if len(hits) < 2 else _longest(hits)
        spans.extend(Span(name, hit.start, hit.end, hit.owner.shown) for hit in kept)
    return tuple(spans[:MAX_SPANS])


def _longest(hits: list[_Hit]) -> list[_Hit]:
    """Hits without overlaps, by place; the longest wins, then the leftmost, then brand order."""
    starts: list[int] = []
    kept: list[_Hit] = []
    for hit in sorted(hits, key=lambda hit: (hit.start - hit.end, hit.start, hit.owner.order)):
        at = bisect_left(starts, hit.start)
        if (at and kept[at - 1].end > hit.start) or (at < len(kept) and kept[at].start < hit.end):
            continue
        starts.insert(at, hit.start)
        kept.insert(at, hit)
    return kept
