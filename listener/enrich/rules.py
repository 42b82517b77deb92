"""Loads and compiles the editable rules of topics and problems, and finds them in texts."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from ahocorasick_rs import AhoCorasick

from listener.enrich.patterns import Kind, Pattern, alternation
from listener.enrich.rulesfile import (
    ANY,
    AREA,
    BUILT_IN,
    RULE_LANGUAGES,
    RulesFile,
    Taxonomy,
    Words,
    parse_rules,
    read_rules_text,
)

__all__ = [
    "RULE_LANGUAGES",
    "Filter",
    "Hit",
    "Rules",
    "compile_rules",
    "fold",
    "load_rules",
    "rules_version",
]

# Part of the version: a change in how the rules are applied is a change of the rules.
_ENGINE: Final = "3"
_HALF: Final = re.compile("[\ud800-\udfff]")  # lone surrogates, which no UTF-8 can hold
_LONGEST: Final = 100  # characters; no exception is longer
_ALNUM: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_PLAIN, _WORD, _LEADS = Kind.PLAIN, Kind.WORD, Kind.LEADS  # looked up for every anchor
_ADVERBS_KO: Final = (
    "전혀|하나도|아예|거의|별로|별|딱히|일절|한번도|한 번도|단 한번도|"
    "특별히|특별한|별다른|아무|크게|그다지|바로|금방|싹|즉시|빨리|빠르게|전부|모두|다|이제"
)
_FILLERS_KO: Final = (
    r"(?:(?:난|나는|생긴|된|있는|한)\s*)?(?:일|적|점|것|게|데|곳|부분|현상|증상|느낌|경우|거|"
    "상품|제품|사항|생각|계획|마음|이유|필요|의향)"
    "(?:이|도|은|는|가|을|를)?"
)
_FILLERS_EN: Final = (
    "a|an|any|the|single|one|of|too|so|that|this|very|really|actually|had|have|has|been|be|"
    "being|is|was|were|are|ever|get|got|see|seen|saw|experienced|experience|encountered|"
    "encounter|find|found|feel|felt|faced|face|major|minor|big|real|serious|technical|as|"
    "more|such|even|at|all|yet|your|my|delivery|shipping|quality|payment|login|app|service|"
    "customer|return|refund|overly|particularly|to|run|into|once|me|us|there|it|with|other|"
    "obvious|visible|sort|kind|arrived|arrive|come|came"
)


class Hit(NamedTuple):
    """A pattern found at [start, end). ``role`` is "topic", "tag", "things", "failures" or "with".

    ``topic`` is the topic's key, or the tag ("urgency:safety"); empty for things and failures.
    """

    role: str
    topic: str
    start: int
    end: int


class _Rule(NamedTuple):
    role: str  # "topic" | "tag" | "things" | "failures" | "with" | "except"
    topic: str
    kind: Kind  # of the pattern; looked at wherever an anchor is found
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Filter:
    """Says whether the words around a hit take it back."""

    before: re.Pattern[str]
    after: re.Pattern[str]
    any: AhoCorasick  # finds something in every text in which one of the others could be

    def may_apply(self, text: str) -> bool:
        """Whether it could apply to any hit of the text: much cheaper than to ask for each."""
        return bool(self.any.find_matches_as_indexes(text))

    def applies(self, text: str, hit: Hit, start: int, end: int) -> bool:
        """Look at what stands before and after the hit within the clause [start, end)."""
        return bool(
            self.before.search(text, max(start, hit.start - 60), hit.start)
            or self.after.match(text, hit.end, min(end, hit.end + 40))
        )


class TagRule(NamedTuple):
    """A category that is no area, as it is asked of every text."""

    tag: str
    single: bool  # of its taxonomy, a text gets the first that fits only
    taxonomy: str
    asked: bool
    positive_from: float | None
    areas: frozenset[str]
    complaint_areas: frozenset[str]  # those that count in a complaint, with the areas


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Compiled rules. Immutable; safe to share between threads."""

    version: str
    taxonomies: tuple[Taxonomy, ...]
    topics: tuple[str, ...]  # the keys of the areas
    tags: tuple[TagRule, ...]
    tags_of_area: Mapping[bool, Mapping[str, frozenset[str]]]  # complaint? -> topic -> tags
    told_tags: frozenset[str]  # those whose words only count where they are told
    problem_tags: frozenset[str]  # those whose words tell a problem
    strong_negative: float
    strong_negative_alone: float
    overruled_from: float
    negation: Filter
    unreal: Filter
    question: re.Pattern[str]
    may_ask: AhoCorasick  # finds something in every text in which ``question`` could be
    reproach: re.Pattern[str]
    _automaton: AhoCorasick
    _by_anchor: tuple[tuple[_Rule, ...], ...]

    def names(self, key: str, language: str) -> str:
        """What a topic ("delivery") or a tag ("intent:praise") is called in "ko" or "en".

        A key that the rules do not know, such as one of earlier rules, is its own name.
        """
        kind, _, category = key.rpartition(":")
        for taxonomy in self.taxonomies:
            if taxonomy.key == (kind or AREA):
                for one in taxonomy.categories:
                    if one.key == category:
                        return one.name(language)
        return key

    def find(self, text: str) -> list[Hit]:
        """All hits in a text, except those that stand within an exception of their section."""
        hits: list[Hit] = []
        exceptions: list[Hit] = []
        tried: set[int] = set()
        length = len(text)
        for anchor, start, end in self._automaton.find_matches_as_indexes(text, overlapping=True):
            inside = start > 0 and text[start - 1] in _ALNUM
            for role, topic, kind, pattern in self._by_anchor[anchor]:
                stop = end
                if kind is _PLAIN:
                    pass
                elif kind is _WORD:
                    if inside or (end < length and text[end] in _ALNUM):
                        continue
                elif kind is _LEADS:
                    if inside and pattern.bounded:
                        continue
                    found = pattern.regex.match(text, start)
                    if found is None:
                        continue
                    stop = found.end()
                else:
                    if id(pattern) not in tried:
                        tried.add(id(pattern))
                        target = exceptions if role == "except" else hits
                        for found in pattern.regex.finditer(text):
                            target.append(Hit(role, topic, found.start(), found.end()))
                    continue
                (exceptions if role == "except" else hits).append(Hit(role, topic, start, stop))
        if not exceptions:
            return hits
        hidden: defaultdict[str, list[Hit]] = defaultdict(list)
        for exception in sorted(exceptions, key=lambda e: e.start):
            hidden[exception.topic].append(exception)
        return [hit for hit in hits if not _hides(hidden.get(f"{hit.role}:{hit.topic}", ()), hit)]


def fold(text: str) -> str:
    """The text as rules see it: lower case, straight apostrophes, every character where it was."""
    lower = text.lower()
    if len(lower) != len(text):
        lower = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    if not lower.isascii():
        lower = _HALF.sub("?", lower).replace("’", "'")
    return lower


def load_rules(path: Path | None = None) -> Rules:
    """Read and compile the rules file, or the one that ships with Listener.

    Raises InvalidInput that names file, line and section of what is wrong.
    """
    name, text = read_rules_text(path)
    return compile_rules(text, name)


def compile_rules(text: str, name: str = BUILT_IN) -> Rules:
    """Compile the text of a rules file; ``name`` is what errors call it. Raises InvalidInput."""
    return _Compiler(parse_rules(text, name)).compile(rules_version(text))


def rules_version(text: str) -> str:
    """The version of a text of rules: a hash of it and of how this release applies rules."""
    return hashlib.sha256(_ENGINE.encode() + text.encode()).hexdigest()[:12]


class _Compiler:
    """Turns what a rules file says into one automaton and the expressions that filter its hits."""

    def __init__(self, said: RulesFile) -> None:
        self._said = said

    def compile(self, version: str) -> Rules:
        said = self._said
        rules = list(self._rules())
        tags = tuple(_tag_rules(said))
        by_anchor: dict[str, list[_Rule]] = {}
        for rule in rules:
            for anchor in rule.pattern.anchors:
                by_anchor.setdefault(anchor, []).append(rule)
        return Rules(
            version=version,
            taxonomies=said.taxonomies,
            topics=tuple(c.key for t in said.taxonomies if t.key == AREA for c in t.categories),
            tags=tags,
            tags_of_area={False: _by_area(tags, False), True: _by_area(tags, True)},
            told_tags=frozenset(
                f"{t.key}:{c.key}" for t in said.taxonomies for c in t.categories if c.told
            ),
            problem_tags=frozenset(
                f"{t.key}:{c.key}" for t in said.taxonomies for c in t.categories if c.problem
            ),
            strong_negative=said.strong_negative,
            strong_negative_alone=said.strong_negative_alone,
            overruled_from=said.overruled_from,
            negation=_filter(said.negation, said.patterns),
            unreal=_filter(said.unreal, said.patterns),
            question=re.compile(rf"(?:\?|{alternation(said.ending_ko)})[\s?!.~ㅠㅜㅋㅎ]*$"),
            may_ask=AhoCorasick(["?", *_anchors(said.ending_ko, said.patterns)]),
            reproach=re.compile(_words(said.reproach)),
            _automaton=AhoCorasick(list(by_anchor)),
            _by_anchor=_shared(by_anchor.values()),
        )

    def _rules(self) -> Iterator[_Rule]:
        said = self._said
        for taxonomy in said.taxonomies:
            for category in taxonomy.categories:
                if taxonomy.key == AREA:
                    yield from self._section("topic", category.key, category.words)
                else:
                    tag = f"{taxonomy.key}:{category.key}"
                    yield from self._section("tag", tag, category.words)
        yield from self._section("things", "", said.things)
        yield from self._section("failures", "", said.failures)
        for topic, words in said.near.items():
            yield from self._section("with", topic, words)

    def _section(self, role: str, name: str, words: Words) -> Iterator[_Rule]:
        for source in (*words.ko, *words.en):
            pattern = self._said.patterns[source]
            yield _Rule(role, name, pattern.kind, pattern)
        for source in words.excepted:
            pattern = self._said.patterns[source]
            yield _Rule("except", f"{role}:{name}", pattern.kind, pattern)


def _shared(lists: Iterable[list[_Rule]]) -> tuple[tuple[_Rule, ...], ...]:
    """Each list as a tuple, equal ones as the same: most anchors are forms of one word."""
    seen: dict[tuple[int, ...], tuple[_Rule, ...]] = {}
    return tuple(seen.setdefault(tuple(map(id, found)), tuple(found)) for found in lists)


def _tag_rules(said: RulesFile) -> Iterator[TagRule]:
    every = frozenset(c.key for t in said.taxonomies if t.key == AREA for c in t.categories)
    for taxonomy in said.taxonomies:
        for category in taxonomy.categories if taxonomy.key != AREA else ():
            areas = every if ANY in category.areas else frozenset(category.areas)
            hurt = every if ANY in category.complaint_areas else category.complaint_areas
            yield TagRule(
                tag=f"{taxonomy.key}:{category.key}",
                single=taxonomy.single,
                taxonomy=taxonomy.key,
                asked=category.asked,
                positive_from=category.positive_from,
                areas=areas,
                complaint_areas=areas.union(hurt),
            )


def _by_area(tags: Iterable[TagRule], complaint: bool) -> dict[str, frozenset[str]]:
    """The tags that each topic gives a text that is a complaint, or is none."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for rule in tags:
        for area in rule.complaint_areas if complaint else rule.areas:
            found[area].add(rule.tag)
    return {area: frozenset(given) for area, given in found.items()}


def _filter(said: Mapping[str, tuple[str, ...]], patterns: Mapping[str, Pattern]) -> Filter:
    # English words in front may have small words between; "n't" hangs on a word.
    before = (
        rf"(?<![가-힣]){alternation(said['before_ko'])}\s*$"
        rf"|{_words(said['before_en'])}(?:[\s,\-]+(?:{_FILLERS_EN}))*[\s\-]*$"
    )
    # A Korean ending may hang on the bad word, but none that opens a new statement: 고장나서 안
    # 돼요.
    after = (
        rf"[가-힣]{{0,4}}?(?<![서고며니네요라])\s*(?:{_FILLERS_KO}\s*)?(?:(?:{_ADVERBS_KO})\s*)*"
        rf"(?:[가-힣]{{0,3}}지[는도를]?\s*)?{alternation(said['after_ko'])}"
        rf"|[\s\-]*{alternation(said['after_en'])}"
    )
    words = _anchors((source for sources in said.values() for source in sources), patterns)
    return Filter(re.compile(before), re.compile(after), AhoCorasick(words))


def _anchors(sources: Iterable[str], patterns: Mapping[str, Pattern]) -> list[str]:
    """Words of which one stands in every text that one of the patterns finds."""
    return list(dict.fromkeys(word for one in sources for word in patterns[one].anchors))


def _words(sources: tuple[str, ...]) -> str:
    """Alternation of whole words; what begins with "n't" or an apostrophe hangs on a word."""
    hanging = tuple(s for s in sources if s.startswith(("n't", "n’t", "'")))
    free = tuple(s for s in sources if s not in hanging)
    return rf"(?:(?<![a-z0-9]){alternation(free)}|[a-z]+{alternation(hanging)})"


def _hides(exceptions: Sequence[Hit], hit: Hit) -> bool:
    """Whether one of the exceptions, sorted by start, overlaps the hit."""
    for index in range(bisect_left(exceptions, hit.end, key=lambda e: e.start) - 1, -1, -1):
        if exceptions[index].end > hit.start:
            return True
        if exceptions[index].start < hit.start - _LONGEST:
            return False
    return False
