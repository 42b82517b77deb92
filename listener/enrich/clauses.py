"""Splits a text into clauses with their offsets, and tells which of them speak of which brand."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

# Syllables that end in ㄴ: 빠른데, 좋은데, 왔는데, 인데 are contrasts; 그런데 opens a clause and
# 군데, 가운데 are nouns.
_WITH_N: Final = "".join(chr(code) for code in range(0xAC04, 0xD7A4, 28))

# Where a clause ends. Every alternative looks back at the one character that opens the match, so
# that the search can skip to the next space or stop. Korean endings only count before a space or
# comma: "배송되지만" ends a clause, "지만이가" does not; a stop needs a space behind it, unlike the
# dots of 3.5 and shop.com.
_BOUNDARY: Final = re.compile(
    rf"""
    [\s,;.!?。！？…](?:
        (?<=\n)\n*
      | (?<=;)
      | (?<=[.!?。！？…])[.!?。！？…]*(?:(?<=[?!])|(?=[\s"'”’)\]]|$))["'”’)\]]*
      | (?<=(?:지만|데도|으나|더니)[\s,])
      | (?<=면서도[\s,])
      | (?<=[{_WITH_N}]데[\s,])(?<![근군운]데[\s,])(?<![그이저]런데[\s,])(?<!어떤데[\s,])
      | (?<=[가-힣](?:어요|아요|에요|예요|해요|네요|군요|세요|니다|었다|았다|했다|된다|한다)\s)
      | (?<=[가-힣][다요죠음함]\s)\s*(?=근데|그런데|하지만|그러나|그리고|반면|다만|대신)
      | (?<=[\s,])\s*(?=(?:but|however|although|though|whereas|yet|while)\b)
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)


class Clause(NamedTuple):
    """One clause: [start, end) in characters of the text it was split from."""

    start: int
    end: int


def split(text: str) -> list[Clause]:
    """The clauses of a text in order, without those that hold only space."""
    clauses: list[Clause] = []
    start = 0
    for boundary in _BOUNDARY.finditer(text):
        if text[start : boundary.end()].strip():
            clauses.append(Clause(start, boundary.end()))
            start = boundary.end()
    if text[start:].strip():
        clauses.append(Clause(start, len(text)))
    return clauses


def toward(text: str, positions: Mapping[int, Sequence[tuple[int, int]]]) -> dict[int, str]:
    """What a text says of each brand: the clauses that name it and the next until another is named.

    ``positions`` holds the spans of each brand in characters of ``text``. What stands before the
    first name, and a clause that names several, is said of all of them. A brand without spans gets
    the clauses in which no other is named, and those before and after that were not taken; where
    nothing is left, it gets the whole text.
    """
    clauses = split(text)
    starts = [clause.start for clause in clauses]
    named: list[set[int]] = [set() for _ in clauses]
    for brand, spans in positions.items():
        for start, end in spans:
            first = max(bisect_right(starts, start) - 1, 0)
            for index in range(first, bisect_left(starts, end)):
                named[index].add(brand)
    said: dict[int, list[Clause]] = {brand: [] for brand in positions}
    unnamed = [brand for brand, spans in positions.items() if not spans]
    current: set[int] = set()
    lead: list[Clause] = []
    for clause, brands in zip(clauses, named, strict=True):
        if brands:
            current = brands
        elif not current:
            lead.append(clause)
        for brand in current if brands else current.union(unnamed):
            said[brand].append(clause)
    for brand, own in said.items():
        if brand not in unnamed and own:
            own[:0] = lead
    return {
        brand: " ".join(text[c.start : c.end].strip() for c in own) if own else text
        for brand, own in said.items()
    }
