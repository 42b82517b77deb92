"""The pattern language of the rules file: a pattern becomes an expression and its anchors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from typing import Final

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
# Small words of longer patterns have no endings.
_UNINFLECTED: Final = frozenset(
    (
        "the and for any are was were been has have had not too you your our his her its their they"
    ).split()
    + "this that with from out off over very really does did will would can could may".split()
)

# Ways to write neighbouring words that are looked for at once; more are looked for in parts.
_MOST_WAYS: Final = 200
_GAP_EN: Final = r"\b[^.!?\n]{0,30}?\b"
# Beyond, one pattern could keep the matcher busy with one text for minutes.
_MOST_GAPS: Final = 3
_MOST_GROUPS: Final = 8
_MOST_STARS: Final = 3  # in one word


class BadPattern(ValueError):
    """A pattern cannot be read; the message says why."""


class Kind(Enum):
    """How much of a pattern its anchors are, so that the least is done where one is found."""

    PLAIN = auto()  # finding an anchor is finding the pattern
    WORD = auto()  # ... if no letter or digit stands on either side
    LEADS = auto()  # the pattern can only begin where the anchor does
    WITHIN = auto()  # the pattern is somewhere around it


@dataclass(frozen=True)
class Pattern:
    """A pattern that was read. One of ``anchors`` at least stands in every text that it finds."""

    source: str
    expression: str
    anchors: tuple[str, ...]
    kind: Kind
    bounded: bool  # it does not begin within a word

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """The compiled expression. Compiling all of them takes a second; most texts need a few."""
        return re.compile(self.expression)


@dataclass(slots=True)
class _Run:
    """Neighbouring words of a pattern: all the ways in which they may be written."""

    ways: list[str]
    first: bool  # the pattern begins with them
    exact: bool = True  # what is found is one of them, without endings


def compile_pattern(source: str) -> Pattern:
    """Read one pattern of the rules file. Raises BadPattern."""
    text = source.strip().lower()
    if not text:
        raise BadPattern("an empty pattern would match everything")
    korean = bool(_HANGUL.search(text))
    body, runs = _translate(text, korean=korean, last=True)
    if not korean and text[0] not in "^":
        body = _START_EN + body
    # The words whose shortest writing is longest are the rarest in texts; those that the pattern
    # begins with are cheaper to look into.
    found = [run for run in runs if all(run.ways)]
    if not found:
        raise BadPattern("it needs a word that is not optional")
    run = max(found, key=lambda run: min(map(len, run.ways)) + 1.5 * run.first)
    whole = len(runs) == 1 and run.exact
    if korean:
        kind = Kind.PLAIN if whole and text[0] != "^" and "$" not in text else None
    else:
        kind = Kind.WORD if whole and not text.startswith("^") else None
    return Pattern(
        source=source,
        expression=body,
        anchors=tuple(dict.fromkeys(run.ways)),
        kind=kind or (Kind.LEADS if run.first else Kind.WITHIN),
        bounded=run.first and not korean,
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


def _translate(text: str, *, korean: bool, last: bool) -> tuple[str, list[_Run]]:
    """The regular expression, and the runs of words of which each must occur.

    ``last`` says that the pattern ends where the text ends, so that an English word there gets its
    endings.
    """
    pieces = _TOKEN.findall(text)
    _check_size(pieces)
    out: list[str] = []
    runs: list[_Run] = [_Run([""], first=True)]
    for index, piece in enumerate(pieces):
        after = pieces[index + 1] if index + 1 < len(pieces) else ""
        ends = last if after == "" else after.isspace() or after.strip() == ".."
        if piece.strip() == "..":
            out.append(_GAP_KO if korean else _GAP_EN)
            runs.append(_Run([""], first=False))
        elif piece.isspace():
            out.append(" ?" if korean else r"[ \-]")
            _extend(runs, ["", " "] if korean else [" ", "-"])
        elif piece == "^":
            if index:
                raise BadPattern("'^' stands at the beginning only")
            out.append(_START_KO if korean else _START_EN)
        elif piece == "$":
            out.append(_END_KO if korean else _END_EN)
        elif piece == "*":
            out.append("" if korean else "[a-z]*")
            _close(runs)
        elif piece[0] == "(" and len(piece) > 1:
            body, ways, exact = _group(piece, korean=korean, ends=ends)
            out.append(body)
            _extend(runs, ways)
            if not exact:
                _close(runs)
        elif piece in "()|?":
            raise BadPattern(
                f"'{piece}' has no partner; groups are written (one|two) and not nested"
            )
        elif korean or after in {"*", "$"} or not ends:
            out.append(re.escape(piece))
            _extend(runs, [piece])
        else:
            forms = _inflected(piece)
            out.append(f"(?:{'|'.join(map(re.escape, forms))}){_END_EN}")
            _extend(runs, forms)
    return "".join(out), [run for run in runs if run.ways != [""]]


def _check_size(pieces: Sequence[str]) -> None:
    gaps = groups = stars = 0
    for piece in pieces:
        if piece.isspace() or piece.strip() == "..":
            gaps += not piece.isspace()
            stars = 0
        groups += len(piece) > 1 and piece[0] == "("
        stars += "*" in piece
        if stars > _MOST_STARS:
            raise BadPattern(f"more than {_MOST_STARS} '*' in one word")
    if gaps > _MOST_GAPS:
        raise BadPattern(f"more than {_MOST_GAPS} '..'; make several patterns of it")
    if groups > _MOST_GROUPS:
        raise BadPattern(f"more than {_MOST_GROUPS} groups; make several patterns of it")


def _extend(runs: list[_Run], ways: list[str]) -> None:
    """Put what may follow behind the last run, or open another where that becomes too many."""
    run = runs[-1]
    if len(run.ways) * len(ways) > _MOST_WAYS:
        run.exact = False
        runs.append(_Run(ways, first=False, exact=False))
    else:
        run.ways = [before + way for before in run.ways for way in ways]


def _close(runs: list[_Run]) -> None:
    """Nothing that follows can be told to stand right behind the last run."""
    runs[-1].exact = False
    runs.append(_Run([""], first=False, exact=False))


def _group(piece: str, *, korean: bool, ends: bool) -> tuple[str, list[str], bool]:
    """The expression of a group, the ways to write it, and whether these are all of what it finds.

    A choice of which only a part is sure to be there is told by that part.
    """
    optional = piece.endswith("?")
    bodies: list[str] = []
    ways: list[str] = []
    exact = True
    for choice in piece.rstrip("?")[1:-1].split("|"):
        if not choice.strip():
            raise BadPattern("a group has an empty choice; write (one|two)? for an optional one")
        body, runs = _translate(choice, korean=korean, last=ends)
        bodies.append(body)
        first = runs[0] if runs and runs[0].first else _Run([""], first=True, exact=False)
        ways += first.ways
        exact = exact and first.exact and len(runs) == 1 and "$" not in choice
    if optional:
        ways.append("")
    return f"(?:{'|'.join(bodies)}){'?' if optional else ''}", ways, exact


def _inflected(word: str) -> list[str]:
    """An English word with its regular endings: refunds, refunded, shipping, deliveries, shop's."""
    if len(word) < 3 or not word.isalpha() or word in _UNINFLECTED:
        return [word]
    last, before = word[-1], word[-2] not in "aeiou"
    if last == "e" and len(word) > 3:
        stem, endings = word[:-1], ["es", "ed", "ing", "e's", "e"]
    elif last == "y" and before:
        stem, endings = word[:-1], ["ies", "ied", "ying", "y's", "y"]
    else:
        stem, endings = word, ["'s", "s", "ed", "ing", ""]
        if word.endswith(("s", "x", "z", "h", "o")):
            endings.append("es")
        if not before and last not in "aeiouwxy":
            endings += [f"{last}ed", f"{last}ing"]
    return [stem + ending for ending in endings]
