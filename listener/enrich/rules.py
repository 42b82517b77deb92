"""Loads and compiles the editable rules of topics and problems, and finds them in texts."""

from __future__ import annotations

import hashlib
import re
import tomllib
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final, NamedTuple

from ahocorasick_rs import AhoCorasick

from listener.enrich.patterns import BadPattern, Pattern, alternation, compile_pattern
from listener.errors import InvalidInput

# Part of the version: a change in how the rules are applied is a change of the rules.
_ENGINE: Final = "1"
_HALF: Final = re.compile("[\ud800-\udfff]")  # lone surrogates, which no UTF-8 can hold
_LONGEST: Final = 100  # characters; no exception is longer
_TOPIC: Final = re.compile(r"[a-z][a-z0-9_]*")
RULE_LANGUAGES: Final = ("ko", "en")
_FILTERS: Final = ("before_ko", "after_ko", "before_en", "after_en")

_ADVERBS_KO: Final = (
    "전혀|하나도|아예|거의|별로|별|딱히|일절|한번도|한 번도|단 한번도|"
    "특별히|특별한|별다른|아무|크게|그다지|바로|금방|싹|즉시|빨리|빠르게|전부|모두|다|이제"
)
_FILLERS_KO: Final = (
    r"(?:(?:난|나는|생긴|된|있는|한)\s*)?(?:일|적|점|것|게|데|곳|부분|현상|증상|느낌|경우|거|상품|제품|사항)"
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
    """A pattern found at [start, end). ``role`` is "topic", "things", "failures" or "with"."""

    role: str
    topic: str
    start: int
    end: int


class _Rule(NamedTuple):
    role: str  # "topic" | "things" | "failures" | "with" | "except"
    topic: str
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Filter:
    """Says whether the words around a hit take it back."""

    before: re.Pattern[str]
    after: re.Pattern[str]

    def applies(self, text: str, hit: Hit, start: int, end: int) -> bool:
        """Look at what stands before and after the hit within the clause [start, end)."""
        return bool(
            self.before.search(text, max(start, hit.start - 60), hit.start)
            or self.after.match(text, hit.end, min(end, hit.end + 40))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Compiled rules. Immutable; safe to share between threads."""

    version: str
    topics: tuple[str, ...]
    strong_negative: float
    negation: Filter
    unreal: Filter
    question: re.Pattern[str]
    reproach: re.Pattern[str]
    _automaton: AhoCorasick
    _by_anchor: tuple[tuple[_Rule, ...], ...]

    def find(self, text: str) -> list[Hit]:
        """All hits in a text, except those that stand within an exception of their section."""
        hits: list[Hit] = []
        exceptions: list[Hit] = []
        tried: set[int] = set()
        for anchor, start, end in self._automaton.find_matches_as_indexes(text, overlapping=True):
            for role, topic, pattern in self._by_anchor[anchor]:
                target = exceptions if role == "except" else hits
                if pattern.plain:
                    target.append(Hit(role, topic, start, end))
                elif pattern.leads:
                    if found := pattern.regex.match(text, start):
                        target.append(Hit(role, topic, start, found.end()))
                elif id(pattern) not in tried:
                    tried.add(id(pattern))
                    for found in pattern.regex.finditer(text):
                        target.append(Hit(role, topic, found.start(), found.end()))
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
    """Read the rules file, or the one that ships with Listener.

    Raises InvalidInput that names file, line and section of what is wrong.
    """
    if path is None:
        name = "rules.toml"
        content = resources.files("listener.enrich").joinpath(name).read_bytes()
    else:
        name = str(path)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InvalidInput(
                f"The rules file {name} cannot be read: {error.strerror}.",
                field="rules",
                hint="LISTENER_RULES names it; unset it to use the built-in rules.",
            ) from error
    return _Loader(name, content).load()


class _Loader:
    """Turns one file into Rules, and knows where in the file it is when something is wrong."""

    def __init__(self, name: str, content: bytes) -> None:
        self._name = name
        self._content = content
        self._text = ""

    def load(self) -> Rules:
        try:
            self._text = self._content.decode("utf-8-sig")
            data = tomllib.loads(self._text)
        except UnicodeDecodeError as error:
            line = self._content[: error.start].count(b"\n") + 1
            raise self._error(f"line {line} is not UTF-8 text") from error
        except tomllib.TOMLDecodeError as error:
            raise self._error(f"it is not valid TOML: {error}") from error

        self._known(data, "", ("topics", "problem", "negation", "unreal", "question", "complaint"))
        topics = self._table(data, "topics")
        if not topics:
            raise self._error("there is no section [topics.NAME]")
        rules: list[_Rule] = []
        for topic in topics:
            if not _TOPIC.fullmatch(topic):
                raise self._error(
                    f"[topics.{topic}]: a topic's name has lower-case letters, digits and _ only"
                )
            rules += self._section(topics, topic, f"topics.{topic}", "topic", topic)
        problem = self._table(data, "problem")
        self._known(problem, "problem", ("things", "failures", "with"))
        rules += self._section(problem, "things", "problem.things", "things", "")
        rules += self._section(problem, "failures", "problem.failures", "failures", "")
        near = self._table(problem, "with", "problem.with")
        for topic in near:
            if topic not in topics:
                raise self._error(
                    f"[problem.with.{topic}]: there is no [topics.{topic}]", f"problem.with.{topic}"
                )
            rules += self._section(near, topic, f"problem.with.{topic}", "with", topic)

        by_anchor: dict[str, list[_Rule]] = {}
        for rule in rules:
            for anchor in rule.pattern.anchors:
                by_anchor.setdefault(anchor, []).append(rule)
        question = self._table(data, "question")
        self._known(question, "question", ("ending_ko", "reproach"))
        endings = self._patterns(question, "ending_ko", "question")
        reproach = self._patterns(question, "reproach", "question")
        return Rules(
            version=hashlib.sha256(_ENGINE.encode() + self._text.encode()).hexdigest()[:12],
            topics=tuple(topics),
            strong_negative=self._strong_negative(data),
            negation=self._filter(data, "negation"),
            unreal=self._filter(data, "unreal"),
            question=re.compile(rf"(?:\?|{alternation(endings)})[\s?!.~ㅠㅜㅋㅎ]*$"),
            reproach=re.compile(_words(reproach)),
            _automaton=AhoCorasick(list(by_anchor)),
            _by_anchor=tuple(tuple(found) for found in by_anchor.values()),
        )

    def _section(
        self, parent: Mapping[str, Any], key: str, section: str, role: str, topic: str
    ) -> Iterator[_Rule]:
        table = self._table(parent, key, section)
        self._known(table, section, (*RULE_LANGUAGES, "except"))
        for language in RULE_LANGUAGES:
            for source in self._patterns(table, language, section):
                yield _Rule(role, topic, compile_pattern(source))
        scope = f"{role}:{topic}"
        for source in self._patterns(table, "except", section):
            yield _Rule("except", scope, compile_pattern(source))

    def _filter(self, data: Mapping[str, Any], section: str) -> Filter:
        table = self._table(data, section)
        self._known(table, section, _FILTERS)
        before_ko, after_ko, before_en, after_en = (
            self._patterns(table, key, section) for key in _FILTERS
        )
        # English words in front may have small words between; "n't" hangs on a word.
        before = (
            rf"(?<![가-힣]){alternation(before_ko)}\s*$"
            rf"|{_words(before_en)}(?:[\s,\-]+(?:{_FILLERS_EN}))*[\s\-]*$"
        )
        # A Korean ending may hang on the bad word, but none that opens a new statement: 고장나서 안
        # 돼요.
        after = (
            rf"[가-힣]{{0,4}}?(?<![서고며니네요라])\s*(?:{_FILLERS_KO}\s*)?(?:(?:{_ADVERBS_KO})\s*)*"
            rf"(?:[가-힣]{{0,3}}지[는도를]?\s*)?{alternation(after_ko)}"
            rf"|[\s\-]*{alternation(after_en)}"
        )
        return Filter(re.compile(before), re.compile(after))

    def _strong_negative(self, data: Mapping[str, Any]) -> float:
        table = self._table(data, "complaint")
        self._known(table, "complaint", ("strong_negative",))
        value = table.get("strong_negative", -0.6)
        if isinstance(value, bool) or not isinstance(value, int | float) or not -1 <= value <= 0:
            raise self._error(
                "[complaint] strong_negative: a number from -1 to 0 is needed",
                "complaint",
                "strong_negative",
            )
        return float(value)

    def _table(
        self, parent: Mapping[str, Any], key: str, section: str | None = None
    ) -> Mapping[str, Any]:
        value = parent.get(key, {})
        if not isinstance(value, dict):
            raise self._error(
                f"[{section or key}]: a section is needed, not a value", section or key
            )
        return value

    def _patterns(self, table: Mapping[str, Any], key: str, section: str) -> tuple[str, ...]:
        """The patterns under a key, each tried so that a bad one is named with its place."""
        value = table.get(key, [])
        if not isinstance(value, list):
            raise self._error(
                f'[{section}] {key}: a list is needed, like ["배송", "택배"]', section, key
            )
        for source in value:
            if not isinstance(source, str):
                raise self._error(
                    f"[{section}] {key}: {source!r} is not a text in quotes", section, str(source)
                )
            try:
                compile_pattern(source)
            except BadPattern as error:
                raise self._error(
                    f"[{section}] {key}: pattern {source!r}: {error}", section, f'"{source}"'
                ) from error
        return tuple(value)

    def _known(self, table: Mapping[str, Any], section: str, keys: Iterable[str]) -> None:
        for key in table:
            if key not in keys:
                place = f"[{section}] {key}" if section else f"[{key}]"
                raise self._error(
                    f"{place} is not known; known are {', '.join(keys)}", section or key, key
                )

    def _error(self, what: str, section: str = "", needle: str = "") -> InvalidInput:
        line = self._line(section, needle) if section else None
        place = f", line {line}" if line else ""
        return InvalidInput(
            f"The rules file {self._name}{place}: {what}.",
            field="rules",
            hint="Its head explains how rules are written.",
        )

    def _line(self, section: str, needle: str) -> int | None:
        """Where the section's header, or the needle below it, stands in the file."""
        lines = self._text.splitlines()
        header = next(
            (i for i, line in enumerate(lines) if line.strip().startswith(f"[{section}")), None
        )
        if header is None:
            return None
        for index in range(header, len(lines)):
            if needle and needle in lines[index]:
                return index + 1
        return header + 1


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
