"""Edits rules: their text as plain data for a form and back, and what words would find.

Pure: a screen shows ``rules_to_dict``, puts what a person changed through ``dict_to_rules_text``,
and stores the text.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from listener.enrich.rules import compile_rules, fold
from listener.enrich.rulesfile import (
    BUILT_IN,
    Category,
    Taxonomy,
    Words,
    parse_rules,
    render_rules,
)
from listener.errors import InvalidInput

EDITED: Final = "as edited"
_HEAD: Final = """\
# Rules that tell topics, tags and problems in a text. docs/rules.md explains how they are written.
"""


def rules_to_dict(text: str, name: str = BUILT_IN) -> dict[str, Any]:
    """The rules as lists, texts, flags and numbers only (fit for JSON).

    ``{"taxonomies": [{"key", "name_ko", "name_en", "single", "categories": [{"key", "name_ko",
    "name_en", "ko", "en", "except", "told", "problem", "asked", "positive_from", "areas",
    "complaint_areas"}]}]}`` and, as in the file, "problem", "negation", "unreal", "question" and
    "complaint". Raises InvalidInput as parse_rules does.
    """
    said = parse_rules(text, name)
    rest = {k: v for k, v in tomllib.loads(text).items() if k != "taxonomy"}
    return {"taxonomies": [_taxonomy_out(one) for one in said.taxonomies], **rest}


def dict_to_rules_text(data: Mapping[str, Any]) -> str:
    """The text of a rules file from what ``rules_to_dict`` gives, tried before it is given.

    Fields of a category that are missing or empty are left out. Comments of an earlier text are
    gone. Raises InvalidInput that says what is wrong and where.
    """
    taxonomies: dict[str, Any] = {}
    for place, taxonomy in enumerate(_rows(data, "taxonomies")):
        key = _new_key(taxonomy, taxonomies, f"taxonomy {place + 1}")
        categories: dict[str, Any] = {}
        for number, category in enumerate(_rows(taxonomy, "categories")):
            own = _new_key(category, categories, f"category {number + 1} of {key}")
            categories[own] = _kept(category, ("key",))
        taxonomies[key] = _kept(taxonomy, ("key", "categories")) | categories
    rest = {k: v for k, v in data.items() if k != "taxonomies"}
    text = render_rules({"taxonomy": taxonomies, **rest}, _HEAD)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            "The rules hold half a character (a lone surrogate).", field="rules"
        ) from error
    compile_rules(text, EDITED)
    return text


def found_by(
    texts: Sequence[str],
    *,
    ko: Sequence[str] = (),
    en: Sequence[str] = (),
    excepted: Sequence[str] = (),
) -> list[list[tuple[int, int]]]:
    """What words would find: for each text the [start, end) of every place, sorted, none in
    another. Raises InvalidInput for a pattern that cannot be read.
    """
    category = {"ko": list(ko), "en": list(en), "except": list(excepted)}
    text = render_rules({"taxonomy": {"area": {"words": category}}})
    rules = compile_rules(text, EDITED)
    return [_outermost([(h.start, h.end) for h in rules.find(fold(one))]) for one in texts]


def _taxonomy_out(taxonomy: Taxonomy) -> dict[str, Any]:
    return {
        "key": taxonomy.key,
        "name_ko": taxonomy.name_ko,
        "name_en": taxonomy.name_en,
        "single": taxonomy.single,
        "categories": [_category_out(one) for one in taxonomy.categories],
    }


def _category_out(category: Category) -> dict[str, Any]:
    words: Words = category.words
    return {
        "key": category.key,
        "name_ko": category.name_ko,
        "name_en": category.name_en,
        "ko": list(words.ko),
        "en": list(words.en),
        "except": list(words.excepted),
        "told": category.told,
        "problem": category.problem,
        "asked": category.asked,
        "positive_from": category.positive_from,
        "areas": list(category.areas),
        "complaint_areas": list(category.complaint_areas),
    }


def _rows(data: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    rows = data.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise InvalidInput(f"{key}: a list of objects is needed.", field=key)
    return rows


def _new_key(row: Mapping[str, Any], taken: Mapping[str, Any], place: str) -> str:
    key = row.get("key")
    if not isinstance(key, str) or not key:
        raise InvalidInput(f"The {place} has no key.", field="key")
    if key in taken:
        raise InvalidInput(f"There are two with the key {key!r}.", field="key")
    return key


def _kept(row: Mapping[str, Any], without: tuple[str, ...]) -> dict[str, Any]:
    return {
        k: v
        for k, v in row.items()
        if k not in without and v is not None and v is not False and v not in ([], "")
    }


def _outermost(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if not found or end > found[-1][1]:
            found.append((start, end))
    return found
