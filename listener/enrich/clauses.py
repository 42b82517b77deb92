"""Splits a text into clauses with their offsets, and tells which of them speak of which brand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

T = TypeVar("T")

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


# The endings of contrast again, at the end of a clause taken by itself.
_TURNING: Final = re.compile(rf"(?:(?P<stem>[{_WITH_N}])데|지만|으나|더니|면서도|데도)[\s,…~.]*$")

# Where a sentence ends that clauses end with, and where one does that was written without a stop.
_STOPPED: Final = re.compile(r"(?:[.!?。！？…\n]|[.!?][\"'”’)\]]+)\s*$")
_ENDING_KO: Final = re.compile(r"(?<=[가-힣])(?:니다|[어아에예해네군세]요|습니까)[ㅠㅜㅋㅎ~^]*\s+")

# Where a clause may be cut if both sides speak of different things.
_SOFT: Final = re.compile(
    r",\s*|(?<=[가-힣])(?:(?<!말)고|며|면서|구)\s+|\s+(?=and\s)|\s+/\s+", re.IGNORECASE
)
_SMALL: Final = re.compile(
    r"\b(?:the|a|an|my|your|their|its|and|or|of|for|with|both|also)\b|(?<![가-힣])(?:이|가|은|는|을|를|도|만|의|랑|"
    r"이랑|하고|과|와|및|그리고)(?![가-힣])|[\W_]+",
    re.IGNORECASE,
)

# What stands behind, or ahead of, that by which another is measured or which somebody left.
_BEHIND_STANDARD: Final = re.compile(
    r"\s*(보다|에 ?비하면|에 ?비해|말고|대신|에서|"
    r"(?:을|를|만)?\s*(?:쓰다|사용하다|이용하다|타다|다니다|시키다|먹다|사다))"
)
_AHEAD_OF_STANDARD: Final = re.compile(
    r"\b(than|over|instead of|rather than|from|left|compared (?:to|with))\s+"
    r"(?:(?:the|my|any)\s+)?$",
    re.IGNORECASE,
)
_NEED_CHOICE: Final = frozenset({"over", "from", "left"})
_MEASURES: Final = frozenset({"보다", "에 비하면", "에비하면", "에 비해", "에비해", "말고", "대신"})
_CHOSEN: Final = re.compile(
    r"\b(?:prefer\w*|choos\w*|chose\w*|pick\w*|any ?day|every time|switch\w*|mov(?:e|ed|ing)|"
    r"chang\w+|for)\b",
    re.IGNORECASE,
)
_MOVED: Final = re.compile("갈아|옮[기겼긴겨]|넘어[왔오가갔]|바[꾸꿨꿔]|환승|이동|정착|왔")
_NO_BETTER: Final = re.compile(
    r"\b(?:nothing|no ?one|nobody|none|never|no \w+)\b.*\bthan\b|보다\s.{0,12}없", re.IGNORECASE
)
_PLAIN_MOVE: Final = 6  # characters between two brands in "A 쓰다가 B로", which tell nothing of A


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


def closed(clause: str) -> str:
    """A Korean clause as a statement of its own: 상품은 좋은데 -> 상품은 좋네요.

    The ending of a contrast announces the other side. Scored with it, praise that is taken back
    later reads as blame itself.
    """
    turning = _TURNING.search(clause)
    if turning is None:
        return clause
    before, stem = clause[: turning.start()], turning["stem"]
    if stem is None or stem in "은는":  # 좋지만, 좋은데, 왔는데
        return f"{before}네요"
    # 빠른데: the stem's last syllable without its ㄴ.
    return f"{before}{chr(ord(stem) - 4)}네요"


def sentences(text: str, clauses: Sequence[Clause]) -> list[Clause]:
    """The sentences that the clauses make: each ends with a stop, a line or a Korean ending."""
    found: list[Clause] = []
    start = -1
    for clause in clauses:
        if start < 0:
            start = clause.start
        if _STOPPED.search(text, max(clause.start, clause.end - 20), clause.end):
            found += _sentences_ko(text, Clause(start, clause.end))
            start = -1
    if start >= 0:
        found += _sentences_ko(text, Clause(start, clauses[-1].end))
    return found


def _sentences_ko(text: str, clause: Clause) -> Iterator[Clause]:
    """What people write without stops: 배송 빨라요 포장도 좋아요."""
    start = clause.start
    for ending in _ENDING_KO.finditer(text, clause.start, clause.end):
        yield Clause(start, ending.end())
        start = ending.end()
    if start < clause.end:
        yield Clause(start, clause.end)


def refine(
    text: str, clauses: Iterable[Clause], spots: Sequence[tuple[int, int, T]]
) -> list[Clause]:
    """Cut clauses further where different labels stand on either side of a comma, and or -고.

    ``spots`` are (start, end, label), sorted. A list is not cut: both sides must say something of
    what they name, as in "fast delivery and great quality", "배송 빠르고 품질 좋아요".
    """
    if len({label for _, _, label in spots}) < 2:
        return list(clauses)
    found: list[Clause] = []
    index = 0
    for clause in clauses:
        own: list[tuple[int, int, T]] = []
        while index < len(spots) and spots[index][0] < clause.end:
            own.append(spots[index])
            index += 1
        if len({label for _, _, label in own}) > 1:
            found += _cut(text, clause, own)
        else:
            found.append(clause)
    return found


def _cut(text: str, clause: Clause, spots: Sequence[tuple[int, int, T]]) -> Iterator[Clause]:
    start = clause.start
    for border in _SOFT.finditer(text, clause.start, clause.end):
        cut = border.end()
        left = [spot for spot in spots if start <= spot[0] and spot[1] <= cut]
        right = [spot for spot in spots if spot[0] >= cut]
        if not left or not right:
            continue
        if {label for _, _, label in left} & {right[0][2]}:
            continue
        if _says(text, start, cut, left) and _says(text, cut, clause.end, right):
            yield Clause(start, cut)
            start = cut
    yield Clause(start, clause.end)


def _says(text: str, start: int, end: int, spots: Sequence[tuple[int, int, T]]) -> bool:
    """Whether more stands between start and end than the words of the spots and small words."""
    rest: list[str] = []
    for first, last, _ in spots:
        rest.append(text[start : max(first, start)])
        start = max(last, start)
    rest.append(text[start:end])
    return len(_SMALL.sub("", " ".join(rest))) >= 2


class Said(NamedTuple):
    """The clauses in which a text speaks of a brand.

    ``against`` are those in which another is measured by it: "B is better than A", "A보다 B가 낫다"
    is good for B and bad for A.
    """

    own: tuple[Clause, ...] = ()
    against: tuple[Clause, ...] = ()


def compared(text: str, spans: Iterable[tuple[int, int]]) -> bool:
    """Whether a text may measure another by what stands in one of the spans."""
    return any(
        _BEHIND_STANDARD.match(text, end)
        or _AHEAD_OF_STANDARD.search(text, max(start - 30, 0), start)
        for start, end in spans
    )


def toward(
    text: str, clauses: Sequence[Clause], positions: Mapping[int, Sequence[tuple[int, int]]]
) -> dict[int, Said]:
    """What a text says of each brand: the clauses that name it and the next until another is named.

    ``positions`` holds the spans of each brand in characters of ``text``. What stands before the
    first name, and a clause that names several, is said of all of them, unless it compares them. A
    brand without spans gets the clauses in which no other is named, and those before and after
    that were not taken. A brand of which nothing is left gets neither.
    """
    spots = sorted((start, end, b) for b, spans in positions.items() for start, end in spans)
    pieces = _moved(text, refine(text, clauses, spots), spots)
    unnamed = [brand for brand, spans in positions.items() if not spans]
    said: dict[int, tuple[list[Clause], list[Clause]]] = {b: ([], []) for b in positions}
    subjects: set[int] = set()
    standards: set[int] = set()
    lead: list[Clause] = []
    for piece, own in _named(pieces, spots):
        if own:
            names = {brand for _, _, brand in own}
            standards = _standards(text, piece, own)
            subjects = names - standards
        elif not subjects and not standards:
            lead.append(piece)
        for brand in subjects if own else subjects.union(unnamed):
            said[brand][0].append(piece)
        for brand in standards:
            said[brand][1].append(piece)
    for brand, (mine, _) in said.items():
        if brand not in unnamed and mine:
            mine[:0] = lead
    return {brand: Said(tuple(mine), tuple(against)) for brand, (mine, against) in said.items()}


def _named(
    pieces: Iterable[Clause], spots: Sequence[tuple[int, int, int]]
) -> Iterator[tuple[Clause, list[tuple[int, int, int]]]]:
    """Each piece with the spots that touch it."""
    for piece in pieces:
        yield piece, [spot for spot in spots if spot[0] < piece.end and spot[1] > piece.start]


def _standards(text: str, piece: Clause, spots: Sequence[tuple[int, int, int]]) -> set[int]:
    """The brands by which a piece measures others."""
    if _NO_BETTER.search(text, piece.start, piece.end):
        return set()
    found: set[int] = set()
    for start, end, brand in spots:
        behind = _BEHIND_STANDARD.match(text, end, piece.end)
        ahead = _AHEAD_OF_STANDARD.search(text, max(start - 30, piece.start), start)
        if ahead and ahead[1].lower() in _NEED_CHOICE:
            ahead = ahead if _CHOSEN.search(text, piece.start, piece.end) else None
        if behind and behind[1] not in _MEASURES:
            # Somebody used it: that is said against it only where another is moved to.
            moved = len(spots) > 1 and _MOVED.search(text, end, piece.end)
            behind = behind if moved else None
        if ahead or behind:
            found.add(brand)
    return found


def _moved(
    text: str, pieces: Iterable[Clause], spots: Sequence[tuple[int, int, int]]
) -> Iterator[Clause]:
    """Cut "A 쓰다가 느려서 B로 갈아탔는데" before B: what stands ahead of it is said of A."""
    for piece in pieces:
        own = [spot for spot in spots if piece.start <= spot[0] < piece.end]
        if len(own) == 2 and own[0][2] != own[1][2] and own[1][0] - own[0][1] > _PLAIN_MOVE:
            behind = _BEHIND_STANDARD.match(text, own[0][1], piece.end)
            if behind and _MOVED.search(text, own[1][1], piece.end):
                yield Clause(piece.start, own[1][0])
                yield Clause(own[1][0], piece.end)
                continue
        yield piece
