"""Turn a phrase with slots into a sentence: choices, Korean particles, slips of the keyboard."""

import random
import re
from collections.abc import Mapping
from typing import Final

_CHOICE: Final = re.compile(r"\(([^()]*\|[^()]*)\)")
_SLOT: Final = re.compile(r"\{([a-z]\w*)\}")
_PARTICLE: Final = re.compile(r"\{([가-힣]+)/([가-힣]+)\}")
_BRAND: Final = re.compile(r"\{b\}(?:\{[가-힣]+/[가-힣]+\}|[가-힣]+)?[ ,]*")

# How the last letter of a Latin word or a digit ends when a Korean reads it aloud.
_CLOSED: Final = frozenset("bcklmnpt013678")

_SLIPS: Final[tuple[tuple[str, str], ...]] = (
    ("왜 이렇게", "왜케"),
    ("했는데", "햇는데"),
    ("있음", "잇음"),
    ("안 돼", "안되"),
    ("같아요", "같애요"),
    ("정말", "증말"),
    ("어떻게", "어케"),
    ("맛있", "맛잇"),
    ("좋아요", "조아요"),
    ("진짜", "ㄹㅇ"),
    ("너무", "넘"),
)


def ends_closed(text: str) -> bool:
    """Whether the last letter of `text` ends in a consonant, which decides the particle."""
    last = text[-1:].lower()
    if "가" <= last <= "힣":
        return (ord(last) - ord("가")) % 28 != 0
    return last in _CLOSED


def _ends_in_rieul(text: str) -> bool:
    last = text[-1:]
    return "가" <= last <= "힣" and (ord(last) - ord("가")) % 28 == 8


def particles(text: str) -> str:
    """Resolve every `{은/는}` by the word before it."""

    def pick(match: re.Match[str]) -> str:
        before = match.string[: match.start()]
        closed, opened = match.group(1), match.group(2)
        if opened == "로" and _ends_in_rieul(before):
            return opened
        return closed if ends_closed(before) else opened

    while _PARTICLE.search(text):
        text = _PARTICLE.sub(pick, text, count=1)
    return text


def without_brand(line: str) -> str:
    """The phrase with its brand slot cut out, for a second clause about the same brand."""
    return _BRAND.sub("", line)


def say(rng: random.Random, line: str, slots: Mapping[str, tuple[str, ...]]) -> str:
    """One sentence out of `line`. An unknown slot is a mistake and raises KeyError."""
    text = _CHOICE.sub(lambda match: rng.choice(match.group(1).split("|")), line)
    text = _SLOT.sub(lambda match: rng.choice(slots[match.group(1)]), text)
    return re.sub(r" {2,}", " ", particles(text)).strip(" ")


def slip(rng: random.Random, text: str, *, keep: tuple[str, ...]) -> str:
    """Type a little carelessly: a lost space, a phonetic spelling, a doubled ㅠ.

    Never touches the space after one of the words in `keep`, so that a brand stays a word.
    """
    if rng.random() < 0.14:
        spaces = [
            index
            for index, char in enumerate(text)
            if char == " "
            and not text[:index].endswith(keep)
            and not text[index + 1 :].startswith(("#", "@", "http", *keep))
        ]
        if spaces:
            cut = rng.choice(spaces)
            text = text[:cut] + text[cut + 1 :]
    if rng.random() < 0.18:
        wrong = [pair for pair in _SLIPS if pair[0] in text]
        if wrong:
            text = text.replace(*rng.choice(wrong))
    for char in "ㅠㅋ":
        if char in text and rng.random() < 0.35:
            text = text.replace(char, char * rng.randint(2, 4), 1)
    return text
