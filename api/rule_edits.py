"""Changes of rules as plain data: categories, taxonomies and words of problems. Pure.

The data is what ``listener.enrich.editing.rules_to_dict`` gives. No function changes what it is
given.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from listener.enrich.patterns import BadPattern, compile_pattern
from listener.enrich.rulesfile import AREA
from listener.errors import InvalidInput, NotFound

Data = Mapping[str, Any]

PROBLEM: Final = "problem"  # where words of problems stand in the data
NEAR: Final = "with."  # ahead of the key of those that count beside a topic only
WORDS: Final = ("ko", "en", "except")
REASONS: Final = ("told", "asked", "positive_from", "areas", "complaint_areas")

_KEY: Final = re.compile(r"[a-z][a-z0-9_]*")
_LONGEST_KEY: Final = 24  # "tag:" and two of them are one dimension of the buckets
_LONGEST_NAME: Final = 60
_LONGEST: Final = 1_000  # characters of a pattern
_MOST: Final = 1_000  # patterns of a list
_GAPS: Final = 3  # each ".." and "*" multiplies the ways in which a pattern can fit
_MOST_TAXONOMIES: Final = 20
_MOST_CATEGORIES: Final = 60
_TAKEN: Final = frozenset({"name_ko", "name_en", "single"})
_NOTE: Final = "# Note: "
_LONGEST_NOTE: Final = 200


@dataclass(frozen=True, slots=True)
class Place:
    """What is edited at once: a category, or (``taxonomy`` "problem") a list of problem words."""

    taxonomy: str
    key: str
    is_problem: bool = False


# --- looking -------------------------------------------------------------------------------------


def taxonomy_of(data: Data, key: str) -> Mapping[str, Any]:
    """One taxonomy. Raises NotFound."""
    for one in data["taxonomies"]:
        if one["key"] == key:
            found: Mapping[str, Any] = one
            return found
    raise NotFound(f"There is no taxonomy {key!r}.")


def entry(data: Data, place: Place) -> Mapping[str, Any]:
    """The category or list of words at a place. Raises NotFound."""
    if place.is_problem:
        return _problem(data, place.key)
    for one in taxonomy_of(data, place.taxonomy)["categories"]:
        if one["key"] == place.key:
            found: Mapping[str, Any] = one
            return found
    raise NotFound(f"There is no category {place.key!r} in {place.taxonomy!r}.")


def _problem(data: Data, key: str) -> Mapping[str, Any]:
    problem = data.get(PROBLEM, {})
    if key in ("things", "failures"):
        found: Mapping[str, Any] = problem.get(key, {})
        return found
    topic = key.removeprefix(NEAR)
    if key.startswith(NEAR) and topic in topics(data):
        found = problem.get("with", {}).get(topic, {})
        return found
    raise NotFound(f"There are no problem words {key!r}.")


def topics(data: Data) -> list[str]:
    """The keys of the areas."""
    return [c["key"] for t in data["taxonomies"] if t["key"] == AREA for c in t["categories"]]


def fingerprint(one: Mapping[str, Any]) -> str:
    """Equal for equal contents: tells whether somebody else changed it meanwhile."""
    content = json.dumps(one, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


# --- changing ------------------------------------------------------------------------------------


def put(data: Data, place: Place, fields: Mapping[str, Any]) -> Data:
    """Change what stands at a place, or add it as the last of its taxonomy. Raises NotFound."""
    changed = _copy(data)
    if place.is_problem:
        _problem(data, place.key)
        problem = changed.setdefault(PROBLEM, {})
        kept = {name: fields[name] for name in WORDS if fields.get(name)}
        if place.key.startswith(NEAR):
            near = problem.setdefault("with", {})
            near.pop(place.key.removeprefix(NEAR), None)
            if kept:
                near[place.key.removeprefix(NEAR)] = kept
        else:
            problem[place.key] = kept
        return changed
    categories: list[dict[str, Any]] = taxonomy_of(changed, place.taxonomy)["categories"]
    for one in categories:
        if one["key"] == place.key:
            one.update(fields)
            return changed
    categories.append({"key": place.key, **fields})
    return changed


def remove(data: Data, place: Place) -> Data:
    """Take a category out, and a topic also wherever others refer to it.

    Raises NotFound, and InvalidInput for the last topic.
    """
    entry(data, place)
    changed = _copy(data)
    taxonomy: dict[str, Any] = taxonomy_of(changed, place.taxonomy)  # type: ignore[assignment]
    taxonomy["categories"] = [c for c in taxonomy["categories"] if c["key"] != place.key]
    if place.taxonomy == AREA:
        if not taxonomy["categories"]:
            raise InvalidInput("One topic at least is needed.", field="key")
        for other in changed["taxonomies"]:
            for one in other["categories"]:
                for name in ("areas", "complaint_areas"):
                    one[name] = [area for area in one.get(name, ()) if area != place.key]
        changed.get(PROBLEM, {}).get("with", {}).pop(place.key, None)
    return changed


def referring(data: Data, topic: str) -> list[tuple[str, str]]:
    """(taxonomy, category) of what counts a topic among its reasons."""
    return [
        (taxonomy["key"], one["key"])
        for taxonomy in data["taxonomies"]
        for one in taxonomy["categories"]
        if topic in (*one.get("areas", ()), *one.get("complaint_areas", ()))
    ]


def put_taxonomy(data: Data, key: str, fields: Mapping[str, Any]) -> Data:
    """Change a taxonomy's names, or add one without categories."""
    changed = _copy(data)
    for one in changed["taxonomies"]:
        if one["key"] == key:
            one.update(fields)
            return changed
    changed["taxonomies"].append({"key": key, "categories": [], **fields})
    return changed


def remove_taxonomy(data: Data, key: str) -> Data:
    """Take a taxonomy out with all its categories. Raises NotFound, InvalidInput for the topics."""
    taxonomy_of(data, key)
    if key == AREA:
        raise InvalidInput("The taxonomy of topics cannot be removed.", field="key")
    changed = _copy(data)
    changed["taxonomies"] = [one for one in changed["taxonomies"] if one["key"] != key]
    return changed


def new_key(name_en: str, taken: Iterable[str]) -> str:
    """A key for a new name: its English letters, or "own_1" where there are none."""
    known = {*taken, *_TAKEN}
    letters = re.sub(r"[^a-z0-9]+", "_", name_en.lower()).strip("_")
    base = letters[:_LONGEST_KEY].strip("_")
    if not _KEY.fullmatch(base):
        base = "own"
    if base != "own" and base not in known:
        return base
    number = 1 if base == "own" else 2
    while f"{base[: _LONGEST_KEY - 4]}_{number}" in known:
        number += 1
    return f"{base[: _LONGEST_KEY - 4]}_{number}"


def _copy(data: Data) -> dict[str, Any]:
    return copy.deepcopy(dict(data))


def same(one: Any, other: Any) -> bool:
    """Whether two rules say the same: what is empty or off may be left out."""
    return bool(_bare(one) == _bare(other))


def _bare(value: Any) -> Any:
    if isinstance(value, Mapping):
        told = {key: _bare(inner) for key, inner in value.items()}
        empty: tuple[Any, ...] = ([], {}, "")
        return {
            k: v for k, v in told.items() if v is not None and v is not False and v not in empty
        }
    return [_bare(one) for one in value] if isinstance(value, list) else value


# --- checking ------------------------------------------------------------------------------------


def faults(words: Sequence[str], *, limits: bool = False) -> Iterator[tuple[str, str]]:
    """(word, why) of the patterns that cannot be used; why is a code or BadPattern's message.

    ``limits``: only of those that are too many, too long or too loose; they are not read.
    """
    if len(words) > _MOST:
        yield words[_MOST], "too-many"
    for word in words[:_MOST]:
        if len(word) > _LONGEST:
            yield word[:40] + "…", "too-long"
        elif _looseness(word) > _GAPS:
            yield word, "too-loose"
        elif not word.isprintable():
            yield "".join(c if c.isprintable() else "�" for c in word), "unprintable"
        elif not limits:
            try:
                compile_pattern(word)
            except BadPattern as error:
                yield word, str(error)


def _looseness(word: str) -> int:
    """How many parts of a pattern may be of any length."""

    def loosest(group: re.Match[str]) -> str:
        return max(group[1].split("|"), key=lambda choice: choice.count("*"))

    one = re.sub(r"\(([^()]*)\)", loosest, word)
    return len(re.findall(r"\s\.\.(?=\s)", one)) + one.count("*")


_FAULTS: Final = {
    "too-many": f"at most {_MOST} patterns fit into a list",
    "too-long": f"a pattern has at most {_LONGEST} characters",
    "too-loose": f"a pattern has at most {_GAPS} of '..' and of '*'",
    "unprintable": "it holds a character that cannot be seen",
}


def in_english(fault: str) -> str:
    """What is wrong with a pattern."""
    return _FAULTS.get(fault, fault)


def check_limits(data: Data) -> None:
    """Raises InvalidInput for what a rules file may hold, but an install should not be given.

    Shapes that are wrong altogether are left to ``dict_to_rules_text``.
    """
    taxonomies = _list_of_rows(data.get("taxonomies"))
    if len(taxonomies) > _MOST_TAXONOMIES:
        raise _limit(f"At most {_MOST_TAXONOMIES} taxonomies.", "taxonomies")
    for taxonomy in taxonomies:
        key = taxonomy.get("key")
        _check_names(taxonomy, f"{key}")
        categories = _list_of_rows(taxonomy.get("categories"))
        if len(categories) > _MOST_CATEGORIES:
            raise _limit(f"At most {_MOST_CATEGORIES} categories ({key}).", "categories")
        for one in categories:
            _check_names(one, f"{key}.{one.get('key')}")
            _check_words(one, f"{key}.{one.get('key')}")
    problem = data.get(PROBLEM)
    if isinstance(problem, Mapping):
        near = problem.get("with")
        lists = dict(near) if isinstance(near, Mapping) else {}
        lists |= {name: problem.get(name) for name in ("things", "failures")}
        for name, words in lists.items():
            if isinstance(words, Mapping):
                _check_words(words, f"{PROBLEM}.{name}")


def _check_names(one: Mapping[str, Any], place: str) -> None:
    if isinstance(one.get("key"), str) and len(one["key"]) > _LONGEST_KEY:
        raise _limit(f"{place}: a key has at most {_LONGEST_KEY} characters.", "key")
    for name in ("name_ko", "name_en"):
        value = one.get(name)
        if isinstance(value, str) and (len(value) > _LONGEST_NAME or not value.isprintable()):
            raise _limit(
                f"{place}: a name has at most {_LONGEST_NAME} characters, on one line.", name
            )


def _check_words(one: Mapping[str, Any], place: str) -> None:
    for name in WORDS:
        words = one.get(name)
        if isinstance(words, Sequence) and not isinstance(words, str):
            told = [word for word in words if isinstance(word, str)]
            for word, fault in faults(told, limits=True):
                raise _limit(f"{place}, {name}: {word!r}: {in_english(fault)}.", name)


def _limit(message: str, where: str) -> InvalidInput:
    return InvalidInput(message, field=where, hint="docs/rules.md explains how rules are written.")


def _list_of_rows(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


# --- the note ------------------------------------------------------------------------------------


def with_note(text: str, note: str) -> str:
    """The text with a note as its first comment, so that it goes wherever the text goes."""
    told = " ".join("".join(c if c.isprintable() else " " for c in note).split())
    return f"{_NOTE}{told[:_LONGEST_NOTE]}\n{text}" if told else text


def head_note(text: str) -> str:
    """The note of a text; empty without one."""
    first = text.partition("\n")[0]
    return first.removeprefix(_NOTE) if first.startswith(_NOTE) else ""


# --- comparing -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one category, taxonomy or list of problem words."""

    taxonomy: str
    key: str  # empty for the taxonomy itself
    kind: str  # added | removed | changed
    name: tuple[str, str]  # Korean, English; after the change where there is one
    before: tuple[str, str] | None = None  # the names it had, where they changed
    added: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by "ko", "en", "except"
    removed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    reasons: bool = False  # whether anything but names and words changed


def changes(old: Data, new: Data) -> list[Change]:
    """What is different in the new rules, category by category."""
    found: list[Change] = []
    before, after = _rows(old), _rows(new)
    for place, one in after.items():
        was = before.get(place)
        if was is None:
            found.append(_change(place, "added", {}, one))
        elif was != one:
            found.append(_change(place, "changed", was, one))
    found += [
        _change(place, "removed", was, {}) for place, was in before.items() if place not in after
    ]
    for name in ("negation", "unreal", "question", "complaint"):
        if old.get(name) != new.get(name):
            found.append(Change("", name, "changed", (name, name), reasons=True))
    return found


def _rows(data: Data) -> dict[tuple[str, str], Mapping[str, Any]]:
    rows: dict[tuple[str, str], Mapping[str, Any]] = {}
    for taxonomy in data["taxonomies"]:
        own = {k: v for k, v in taxonomy.items() if k != "categories"}
        rows[taxonomy["key"], ""] = own
        for one in taxonomy["categories"]:
            rows[taxonomy["key"], one["key"]] = one
    problem = data.get(PROBLEM, {})
    for name in ("things", "failures"):
        rows[PROBLEM + ".", name] = problem.get(name, {})
    for topic, words in problem.get("with", {}).items():
        rows[PROBLEM + ".", NEAR + topic] = words
    return rows


def _change(
    place: tuple[str, str], kind: str, was: Mapping[str, Any], one: Mapping[str, Any]
) -> Change:
    names = _names(one or was, place[1])
    old_names = _names(was, place[1]) if was else names
    words = {
        name: (was.get(name, ()), one.get(name, ()))
        for name in WORDS
        if was.get(name) or one.get(name)
    }
    rest = [k for k in {*was, *one} if k not in (*WORDS, "key", "name_ko", "name_en")]
    return Change(
        place[0],
        place[1],
        kind,
        names,
        old_names if old_names != names else None,
        _left({name: [w for w in new if w not in old] for name, (old, new) in words.items()}),
        _left({name: [w for w in old if w not in new] for name, (old, new) in words.items()}),
        kind == "changed" and any(was.get(k) != one.get(k) for k in rest),
    )


def _left(words: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    return {name: some for name, some in words.items() if some}


def _names(one: Mapping[str, Any], key: str) -> tuple[str, str]:
    return one.get("name_ko") or key, one.get("name_en") or key
