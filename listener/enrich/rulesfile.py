"""Reads the text of a rules file into taxonomies and lists of patterns, and writes it again."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from listener.enrich.patterns import BadPattern, Pattern, compile_pattern
from listener.errors import InvalidInput

RULE_LANGUAGES: Final = ("ko", "en")
AREA: Final = "area"  # the taxonomy of topics; the categories of all others are tags
ANY: Final = "*"  # every area
BUILT_IN: Final = "rules.toml"

_KEY: Final = re.compile(r"[a-z][a-z0-9_]*")
# Keys become names of what is counted ("topic:…:low_rating", "tag:…:…"), which have 60 characters.
_LONGEST_TAXONOMY: Final = 15
_LONGEST_CATEGORY: Final = 40
_SECTIONS: Final = ("taxonomy", "problem", "negation", "unreal", "question", "complaint")
_LISTS: Final = (*RULE_LANGUAGES, "except", "areas", "complaint_areas")
_FLAGS: Final = ("told", "problem", "asked")
_CATEGORY: Final = ("name_ko", "name_en", *_LISTS, *_FLAGS, "positive_from")
_TAXONOMY: Final = ("name_ko", "name_en", "single")
_FILTERS: Final = ("before_ko", "after_ko", "before_en", "after_en")
_THRESHOLDS: Final = ("strong_negative", "strong_negative_alone", "overruled_from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Patterns of both languages, and the longer expressions in which they do not count."""

    ko: tuple[str, ...] = ()
    en: tuple[str, ...] = ()
    excepted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """One category of a taxonomy. A text belongs to it for any one of the reasons given here."""

    key: str
    name_ko: str
    name_en: str
    words: Words = Words()
    told: bool = False  # the words count only where they are not denied, asked or supposed
    problem: bool = False  # and then tell a problem: the text is a complaint
    asked: bool = False  # a plain question is a reason
    positive_from: float | None = None  # so is a sentiment of at least this without a complaint
    areas: tuple[str, ...] = ()  # so is one of these topics; "*" = any
    complaint_areas: tuple[str, ...] = ()  # so is one of these topics in a complaint

    def name(self, language: str) -> str:
        """What it is called in "ko" or "en"."""
        return self.name_ko if language == "ko" else self.name_en


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxonomy:
    """Categories of one kind. ``single``: a text gets only the first of them that fits."""

    key: str
    name_ko: str
    name_en: str
    single: bool = False
    categories: tuple[Category, ...] = ()

    def name(self, language: str) -> str:
        """What it is called in "ko" or "en"."""
        return self.name_ko if language == "ko" else self.name_en


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesFile:
    """What a rules file says, each pattern tried."""

    taxonomies: tuple[Taxonomy, ...]
    things: Words
    failures: Words
    near: Mapping[str, Words]  # topic -> words that tell a problem beside it
    negation: Mapping[str, tuple[str, ...]]  # before_ko, after_ko, before_en, after_en
    unreal: Mapping[str, tuple[str, ...]]
    ending_ko: tuple[str, ...]
    reproach: tuple[str, ...]
    strong_negative: float  # from where on a text with a topic is a complaint, -1..0
    strong_negative_alone: float  # and one without any
    overruled_from: float  # from where on a clause tells no problem, 0..1
    patterns: Mapping[str, Pattern]  # every pattern of the lists above, as it was read


def read_rules_text(path: Path | None = None) -> tuple[str, str]:
    """Name and text of a rules file, or of the one that ships with Listener.

    Raises InvalidInput where it cannot be read.
    """
    if path is None:
        name = BUILT_IN
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
    try:
        return name, content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _error(name, f"line {line} is not UTF-8 text") from error


def parse_rules(text: str, name: str = BUILT_IN) -> RulesFile:
    """Read the text of a rules file. Raises InvalidInput that names line and section."""
    return _Parser(name, text).parse()


def category_names(text: str) -> dict[str, tuple[str, str]]:
    """Korean and English name of each topic ("delivery") and tag ("intent:praise") of rules.

    Much cheaper than parse_rules: what cannot be read has no name.
    """
    try:
        taxonomies = tomllib.loads(text).get("taxonomy", {})
    except tomllib.TOMLDecodeError:
        return {}
    found: dict[str, tuple[str, str]] = {}
    for kind, taxonomy in taxonomies.items() if isinstance(taxonomies, dict) else ():
        for key, category in taxonomy.items() if isinstance(taxonomy, dict) else ():
            if isinstance(category, dict):
                named = str(category.get("name_ko", key)), str(category.get("name_en", key))
                found[key if kind == AREA else f"{kind}:{key}"] = named
    return found


class _Parser:
    """Turns a text into a RulesFile, and knows where it is when something is wrong."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._text = text
        self._compiled: dict[str, Pattern] = {}

    def parse(self) -> RulesFile:
        try:
            data = tomllib.loads(self._text)
        except tomllib.TOMLDecodeError as error:
            raise self._error(f"it is not valid TOML: {error}") from error
        if "topics" in data:
            raise self._error("[topics.NAME] is now written [taxonomy.area.NAME]", "topics")
        self._known(data, "", _SECTIONS)
        taxonomies = tuple(self._taxonomies(self._table(data, "taxonomy")))
        topics = {c.key for t in taxonomies if t.key == AREA for c in t.categories}
        if not topics:
            raise self._error("there is no section [taxonomy.area.NAME]")
        self._areas_exist(taxonomies, topics)
        problem = self._table(data, "problem")
        self._known(problem, "problem", ("things", "failures", "with"))
        near = self._table(problem, "with", "problem.with")
        for topic in near:
            if topic not in topics:
                raise self._error(
                    f"[problem.with.{topic}]: there is no [taxonomy.area.{topic}]",
                    f"problem.with.{topic}",
                )
        question = self._table(data, "question")
        self._known(question, "question", ("ending_ko", "reproach"))
        return RulesFile(
            taxonomies=taxonomies,
            things=self._words(problem, "things", "problem.things"),
            failures=self._words(problem, "failures", "problem.failures"),
            near={topic: self._words(near, topic, f"problem.with.{topic}") for topic in near},
            negation=self._filter(data, "negation"),
            unreal=self._filter(data, "unreal"),
            ending_ko=self._patterns(question, "ending_ko", "question"),
            reproach=self._patterns(question, "reproach", "question"),
            strong_negative=self._threshold(data, "strong_negative", -1.0, 0.0, -0.6),
            strong_negative_alone=self._threshold(data, "strong_negative_alone", -1.0, 0.0, -0.9),
            overruled_from=self._threshold(data, "overruled_from", 0.0, 1.0, 1.0),
            patterns=self._compiled,
        )

    def _taxonomies(self, tables: Mapping[str, Any]) -> Iterator[Taxonomy]:
        for key in tables:
            section = f"taxonomy.{key}"
            self._check_key(key, section, _LONGEST_TAXONOMY)
            table = self._table(tables, key, section)
            own = {name: value for name, value in table.items() if not isinstance(value, dict)}
            self._known(own, section, _TAXONOMY)
            yield Taxonomy(
                key=key,
                name_ko=self._name_of(own, "name_ko", section, key),
                name_en=self._name_of(own, "name_en", section, key.replace("_", " ")),
                single=self._flag(own, "single", section),
                categories=tuple(
                    self._category(table, name, f"{section}.{name}")
                    for name in table
                    if name not in own
                ),
            )

    def _category(self, parent: Mapping[str, Any], key: str, section: str) -> Category:
        self._check_key(key, section, _LONGEST_CATEGORY)
        table = self._table(parent, key, section)
        self._known(table, section, _CATEGORY)
        positive: float | None = None
        if "positive_from" in table:
            positive = self._number(table, section, "positive_from", 0.0, 1.0, 0.5)
        return Category(
            key=key,
            name_ko=self._name_of(table, "name_ko", section, key),
            name_en=self._name_of(table, "name_en", section, key.replace("_", " ")),
            words=self._words(parent, key, section, known=_CATEGORY),
            told=self._flag(table, "told", section),
            problem=self._flag(table, "problem", section),
            asked=self._flag(table, "asked", section),
            positive_from=positive,
            areas=self._strings(table, "areas", section),
            complaint_areas=self._strings(table, "complaint_areas", section),
        )

    def _areas_exist(self, taxonomies: Iterable[Taxonomy], topics: set[str]) -> None:
        for taxonomy in taxonomies:
            for category in taxonomy.categories:
                section = f"taxonomy.{taxonomy.key}.{category.key}"
                for area in (*category.areas, *category.complaint_areas):
                    if taxonomy.key == AREA:
                        raise self._error(f"[{section}]: an area has words only", section, "areas")
                    if area != ANY and area not in topics:
                        raise self._error(
                            f"[{section}]: there is no [taxonomy.area.{area}]", section, area
                        )

    def _check_key(self, key: str, section: str, longest: int) -> None:
        if not _KEY.fullmatch(key) or key in _TAXONOMY:
            raise self._error(
                f"[{section}]: a key has lower-case letters, digits and _ only", section
            )
        if len(key) > longest:
            raise self._error(f"[{section}]: a key has at most {longest} characters here", section)

    def _words(
        self,
        parent: Mapping[str, Any],
        key: str,
        section: str,
        known: Iterable[str] = (*RULE_LANGUAGES, "except"),
    ) -> Words:
        table = self._table(parent, key, section)
        self._known(table, section, known)
        return Words(
            ko=self._patterns(table, "ko", section),
            en=self._patterns(table, "en", section),
            excepted=self._patterns(table, "except", section),
        )

    def _filter(self, data: Mapping[str, Any], section: str) -> dict[str, tuple[str, ...]]:
        table = self._table(data, section)
        self._known(table, section, _FILTERS)
        return {key: self._patterns(table, key, section) for key in _FILTERS}

    def _patterns(self, table: Mapping[str, Any], key: str, section: str) -> tuple[str, ...]:
        """The patterns under a key, each tried so that a bad one is named with its place."""
        sources = self._strings(table, key, section)
        for source in sources:
            if source in self._compiled:
                continue
            try:
                self._compiled[source] = compile_pattern(source)
            except BadPattern as error:
                raise self._error(
                    f"[{section}] {key}: pattern {source!r}: {error}", section, f'"{source}"'
                ) from error
        return sources

    def _strings(self, table: Mapping[str, Any], key: str, section: str) -> tuple[str, ...]:
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
        return tuple(value)

    def _name_of(self, table: Mapping[str, Any], key: str, section: str, otherwise: str) -> str:
        value = table.get(key, otherwise)
        if not isinstance(value, str) or not value.strip():
            raise self._error(f"[{section}] {key}: a name in quotes is needed", section, key)
        return value.strip()

    def _flag(self, table: Mapping[str, Any], key: str, section: str) -> bool:
        value = table.get(key, False)
        if not isinstance(value, bool):
            raise self._error(f"[{section}] {key}: true or false is needed", section, key)
        return value

    def _threshold(
        self, data: Mapping[str, Any], name: str, low: float, high: float, default: float
    ) -> float:
        table = self._table(data, "complaint")
        self._known(table, "complaint", _THRESHOLDS)
        return self._number(table, "complaint", name, low, high, default)

    def _number(
        self,
        table: Mapping[str, Any],
        section: str,
        name: str,
        low: float,
        high: float,
        default: float,
    ) -> float:
        value = table.get(name, default)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not low <= value <= high
        ):
            raise self._error(
                f"[{section}] {name}: a number from {low:g} to {high:g} is needed", section, name
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

    def _known(self, table: Mapping[str, Any], section: str, keys: Iterable[str]) -> None:
        for key in table:
            if key not in keys:
                place = f"[{section}] {key}" if section else f"[{key}]"
                raise self._error(
                    f"{place} is not known; known are {', '.join(keys)}", section or key, key
                )

    def _error(self, what: str, section: str = "", needle: str = "") -> InvalidInput:
        return _error(self._name, what, self._line(section, needle) if section else None)

    def _line(self, section: str, needle: str) -> int | None:
        """Where the section's header, or the needle below it, stands in the text."""
        lines = self._text.splitlines()
        header = next(
            (
                i
                for i, line in enumerate(lines)
                if line.strip().startswith((f"[{section}]", f"[{section}."))
            ),
            None,
        )
        if header is None:
            return None
        for index in range(header + 1, len(lines)):
            if needle and needle in lines[index]:
                return index + 1
        return header + 1


def _error(name: str, what: str, line: int | None = None) -> InvalidInput:
    place = f", line {line}" if line else ""
    return InvalidInput(
        f"The rules file {name}{place}: {what}.",
        field="rules",
        hint="docs/rules.md explains how rules are written.",
    )


def render_rules(data: Mapping[str, Any], head: str = "") -> str:
    """Nested tables, lists, texts, flags and numbers as TOML, one section each. ``head`` is put in
    front as it is.
    """
    return "\n".join([*([head.rstrip("\n"), ""] if head else []), *_section("", data)])


def _section(path: str, table: Mapping[str, Any]) -> Iterator[str]:
    values = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    tables = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    if path and (values or not tables):
        yield f"[{path}]"
    for key, value in values.items():
        yield from _value(_quoted(key), value)
    if values:
        yield ""
    for key, value in tables.items():
        yield from _section(f"{path}.{_quoted(key)}" if path else _quoted(key), value)


def _quoted(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _text(key)


def _value(key: str, value: Any) -> Iterator[str]:
    if not isinstance(value, list | tuple):
        yield f"{key} = {_text(value)}"
        return
    line = f"{key} = ["
    for item in value:
        told = _text(item)
        if len(line) + len(told) > 118:
            yield line.rstrip()
            line = "  "
        line += f"{told}, "
    yield line.removesuffix(", ") + "]"


def _text(value: Any) -> str:
    # JSON's texts, numbers and flags are TOML's as well, except for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
