"""JSON as pages really hold it: with comments, CDATA marks, trailing commas, entities, two in one.

Pure: the text of a script element in, the values out. Between a page's markup and whoever reads
schema.org or page data out of it.
"""

from __future__ import annotations

import html
import json
import re
from typing import Any

# A string is taken whole, so that what looks like a comment or a comma inside of it stays.
_STRING = r'"(?:[^"\\]|\\.)*"'
_COMMENT = re.compile(rf"({_STRING})|/\*.*?\*/|(?<![:\w])//[^\n]*", re.DOTALL)
_TRAILING = re.compile(rf"({_STRING})|,(?=\s*[}}\]])", re.DOTALL)
_ESCAPE = re.compile(r'\\(?:(["\\/bfnrt]|u[0-9a-fA-F]{4})|(.)|\Z)', re.DOTALL)
_MARKS = re.compile(r"(?://|/\*)?\s*(?:<!\[CDATA\[|\]\]>)\s*(?:\*/)?|<!--|-->")
_DECODER = json.JSONDecoder(strict=False)  # control characters inside of strings are let pass


def loose_json(text: str) -> list[Any]:
    """The JSON values in a text, one after another. Raises ValueError where none can be read."""
    text = text.strip().lstrip("\ufeff").strip()
    if not text:
        return []
    error: ValueError | None = None
    for mend in (_as_it_is, _without_marks, _without_escapes, _with_entities_read):
        try:
            return _values(mend(text))
        except ValueError as failed:
            error = error or failed
        except RecursionError as failed:
            raise ValueError("nested too deeply") from failed
    raise error or ValueError("no JSON")


def _as_it_is(text: str) -> str:
    return text


def _without_marks(text: str) -> str:
    text = _MARKS.sub(" ", text)
    text = _COMMENT.sub(lambda found: found[1] or " ", text)
    return _TRAILING.sub(lambda found: found[1] or "", text)


def _without_escapes(text: str) -> str:
    r"""``\'`` and the like are no escapes in JSON."""
    return _ESCAPE.sub(
        lambda found: found.group() if found[1] else (found[2] or ""), _without_marks(text)
    )


def _with_entities_read(text: str) -> str:
    """A whole block that went through an HTML escaper."""
    if '"' in text.replace('\\"', ""):
        raise ValueError("no escaped block")
    return _without_escapes(html.unescape(text))


def _values(text: str) -> list[Any]:
    """One value or several, with semicolons, commas or nothing between them."""
    values: list[Any] = []
    at = 0
    while at < len(text):
        if text[at] in " \t\r\n;,\ufeff":
            at += 1
            continue
        value, at = _DECODER.raw_decode(text, at)
        values.append(value)
    if not values:
        raise ValueError("no JSON value")
    return values
