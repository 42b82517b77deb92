"""Korean particles by the sound that a word ends in: 이/가, 은/는, 을/를. Pure."""

from __future__ import annotations

import re
from typing import Final

# Numbers as they are read: whether the last digit ends in a consonant, and in ㄹ.
_DIGITS: Final = {"0": "ㅇ", "1": "ㄹ", "3": "ㅁ", "6": "ㄱ", "7": "ㄹ", "8": "ㄹ"}
_LETTERS: Final = {"l": "ㄹ", "m": "ㅁ", "n": "ㄴ", "r": "ㄹ"}  # by name: 엘, 엠, 엔, 알
_ENDINGS: Final = dict(zip("lmnbckpt", "ㄹㅁㄴㅂㄱㄱㅂㅅ", strict=True))
_TAIL: Final = re.compile(r"[\s\"'”’)\]}>»」』.,!?…]+$")
_BATCHIM: Final = 28  # finals of a Hangul syllable, the first of which is none
_RIEUL: Final = 8


def final_of(word: str) -> str:
    """The consonant that the word ends in as it is read: "" = a vowel, "ㄹ", or another one."""
    bare = _TAIL.sub("", word)
    bare = re.sub(r"\([^()]*\)$", "", bare) or bare
    if not bare:
        return ""
    last = bare[-1]
    if "가" <= last <= "힣":
        place = (ord(last) - ord("가")) % _BATCHIM
        return "ㄹ" if place == _RIEUL else "ㅇ" if place else ""
    if last == "%":
        return ""  # 퍼센트
    if last.isdecimal():
        return _DIGITS.get(last, "")
    word_part = re.search(r"[A-Za-z]+$", bare)
    if word_part is None:
        return ""
    letters = word_part.group()
    if letters.isupper() or len(letters) == 1:
        return _LETTERS.get(letters[-1].lower(), "")
    if letters.lower().endswith("ng"):
        return "ㅇ"
    return _ENDINGS.get(letters[-1].lower(), "")


def particle(word: str, pair: str) -> str:
    """The particle of a pair that follows the word: 이/가, 은/는, 을/를, 과/와, 으로/로, 이라/라.

    The first is for a consonant, the second for a vowel; 으로/로 takes ㄹ for a vowel.
    """
    first, _, second = pair.partition("/")
    final = final_of(word)
    if pair.startswith("으로") and final == "ㄹ":
        return second
    return first if final else second


def with_particle(word: str, pair: str) -> str:
    """The word with its particle."""
    return word + particle(word, pair)
