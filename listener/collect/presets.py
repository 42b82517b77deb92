"""Presets: ready-made ways to use a source, filled in with one word. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from listener.errors import InvalidInput

WORD = "{word}"


def filled(params: Mapping[str, str], word: str) -> dict[str, str]:
    """A preset's parameters with the word in its place, encoded where that is an address.

    Raises InvalidInput if a word is needed and empty.
    """
    word = word.strip()
    if not word and any(WORD in value for value in params.values()):
        raise InvalidInput("This needs a word.", field="word")
    return {
        name: value.replace(WORD, quote(word, safe="") if "://" in value else word)
        for name, value in params.items()
    }
