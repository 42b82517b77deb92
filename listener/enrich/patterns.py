"""The pattern language of the rules file: a pattern becomes an expression and its anchors."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

_HANGUL: Final = re.compile("[ㄱ-ㆎ가-힣]")
_TOKEN: Final = re.compile(r"\s+\.\.\s+|\s+|\([^()]*\)\??|[\^$*]|[^\s()^$*|?]+|.")

# What may follow a Korean word that ends in `$`.
_PARTICLES: Final = (
    "이|가|은|는|을|를|도|만|에|의|로|으로|과|와|랑|이랑|나|이나|까지|부터|에서|에게|보다|처럼|마다|조차|이요|요|"
    "이에요|예요|에요|입니다|이다|임|이네요|네요|이고|이라|라서|이라서|인데|이었는데|였는데|이었어요|였어요"
)
_START_KO: Final = "(?<![ㄱ-ㆎ가-힣a-z0-9])"
_END_KO: Final = f"(?:{_PARTICLES})?(?![가-힣])"
_START_EN: Final = "(?<![a-z0-9])"
_END_EN: Final = "(?![a-z0-9])"
_GAP_KO: Final = r"[^.!?\n]{0,15}?"
_GAP_EN: Final = r"\b[^.!?\n]{0,30}?\b"


class BadPattern(ValueError):
    """A pattern cannot be read; the message says why."""


class _Part(NamedTuple):
    """Words of which one occurs in what a pattern finds; ``leads``: it begins with that word."""

    words: tuple[str, ...]
    leads: bool


@dataclass(frozen=True)
class Pattern:
    """A pattern that was read. One of ``anchors`` at least stands in every text that it finds."""

    source: str
    expression: str
    anchors: tuple[str, ...]
    plain: bool  # the pattern is its only anchor: finding the anchor is finding the pattern
    leads: bool  # the pattern begins with its anchor: it can only be found where the anchor is

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """The compiled expression. Compiling all of them takes a second; most texts need a few."""
        return re.compile(self.expression)


def compile_pattern(source: str) -> Pattern:
    """Read one pattern of the rules file. Raises BadPattern."""
    text = source.strip().lower()
    if not text:
        raise BadPattern("an empty pattern would match everything")
    korean = bool(_HANGUL.search(text))
    body, parts = _translate(text, korean=korean, last=True)
    if not korean and text[0] not in "^":
        body = _START_EN + body
    # The part whose shortest alternative is longest is the rarest in texts.
    part = max(parts, key=lambda part: min(len(w) for w in part.words), default=None)
    if part is None:
        raise BadPattern("it needs a word that is not optional")
    anchors = tuple(dict.fromkeys(part.words))
    return Pattern(
        source=source,
        expression=body,
        anchors=anchors,
        plain=korean and anchors == (text,),
        leads=part.leads,
    )


def alternation(sources: tuple[str, ...]) -> str:
    """The patterns as one group of a larger expression; it matches nothing if there are none."""
    if not sources:
        return "(?!)"
    bodies = []
    for source in sources:
        text = source.strip().lower()
        bodies.append(_translate(text, korean=bool(_HANGUL.search(text)), last=True)[0])
    return f"(?:{'|'.join(bodies)})"


def _translate(text: str, *, korean: bool, last: bool) -> tuple[str, list[_Part]]:
    """The regular expression, and for each part that must occur the words of which one must.

    ``last`` says that the pattern ends where the text ends, so that an English word there gets its
    endings.
    """
    pieces = _TOKEN.findall(text)
    out: list[str] = []
    parts: list[_Part] = []
    first = 1 if pieces[0] == "^" else 0
    for index, piece in enumerate(pieces):
        after = pieces[index + 1] if index + 1 < len(pieces) else ""
        ends = last if after == "" else after.isspace() or after.strip() == ".."
        if piece.strip() == "..":
            out.append(_GAP_KO if korean else _GAP_EN)
        elif piece.isspace():
            out.append(r"\s*" if korean else r"[\s\-]+")
        elif piece == "^":
            if index:
                raise BadPattern("'^' stands at the beginning only")
            out.append(_START_KO if korean else _START_EN)
        elif piece == "$":
            out.append(_END_KO if korean else _END_EN)
        elif piece == "*":
            out.append("" if korean else "[a-z]*")
        elif piece[0] == "(" and len(piece) > 1:
            body, part = _group(piece, korean=korean, ends=ends)
            out.append(body)
            if part is not None:
                parts.append(_Part(part.words, part.leads and index == first))
        elif piece in "()|?":
            raise BadPattern(
                f"'{piece}' has no partner; groups are written (one|two) and not nested"
            )
        elif korean or after in {"*", "$"} or not ends:
            out.append(re.escape(piece))
            parts.append(_Part((piece,), index == first))
        else:
            out.append(_inflected(piece))
            parts.append(_Part((_stem(piece),), index == first))
    return "".join(out), parts


def _group(piece: str, *, korean: bool, ends: bool) -> tuple[str, _Part | None]:
    """The expression of a group, and its words unless it is optional or a choice has none."""
    optional = piece.endswith("?")
    bodies: list[str] = []
    chosen: list[_Part] = []
    for choice in piece.rstrip("?")[1:-1].split("|"):
        if not choice.strip():
            raise BadPattern("a group has an empty choice; write (one|two)? for an optional one")
        body, parts = _translate(choice, korean=korean, last=ends)
        bodies.append(body)
        if parts:
            chosen.append(max(parts, key=lambda part: len(part.words[0])))
    body = f"(?:{'|'.join(bodies)})"
    if optional:
        return f"{body}?", None
    if len(chosen) < len(bodies):
        return body, None
    return body, _Part(tuple(part.words[0] for part in chosen), all(part.leads for part in chosen))


def _stem(word: str) -> str:
    """What all inflections of an English word begin with."""
    if len(word) > 3 and word[-1] == "e":
        return word[:-1]
    if len(word) > 2 and word[-1] == "y" and word[-2] not in "aeiou":
        return word[:-1]
    return word


def _inflected(word: str) -> str:
    """An English word with its regular endings: refunds, refunded, shipping, deliveries, shop's."""
    stem = re.escape(_stem(word))
    last = word[-1]
    if not last.isalpha() or len(word) < 3:
        return re.escape(word) + _END_EN
    if last == "e" and len(word) > 3:
        endings = "(?:e|es|ed|ing|e's)"
    elif stem != re.escape(word):
        endings = "(?:y|ies|ied|ying|y's)"
    else:
        endings = f"(?:'?s|es|ed|ing|{last}ed|{last}ing)?"
    return stem + endings + _END_EN
