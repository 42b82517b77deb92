"""Measures the reader on texts with labels or stars that people gave: ``listener eval``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from listener.enrich import metrics
from listener.enrich.metrics import Bin
from listener.enrich.tables import Row, column_of, text_column
from listener.errors import InvalidInput
from listener.types import Label, Reading

POLAR: Final = (Label.NEGATIVE, Label.POSITIVE)
THREE: Final = (Label.NEGATIVE, Label.NEUTRAL, Label.POSITIVE)
TOLD: Final = (*THREE, Label.MIXED, Label.UNCERTAIN)
_LABELS: Final = ("label", "sentiment", "polarity", "gold", "target", "감성", "라벨", "긍부정")
_STARS: Final = ("stars", "rating", "score", "star", "stars_given", "별점", "평점", "점수")
_WORDS: Final = {
    **dict.fromkeys(("positive", "pos", "+", "긍정", "good", "praise"), Label.POSITIVE),
    **dict.fromkeys(("negative", "neg", "-", "부정", "bad"), Label.NEGATIVE),
    **dict.fromkeys(("neutral", "neu", "중립", "none"), Label.NEUTRAL),
    **dict.fromkeys(("mixed", "복합", "혼합"), Label.MIXED),
}
# Numbers mean what they mean in sets that hold exactly these.
_NUMBERS: Final[Mapping[frozenset[str], Mapping[str, Label]]] = {
    frozenset("01"): {"0": Label.NEGATIVE, "1": Label.POSITIVE},
    frozenset("012"): {"0": Label.NEGATIVE, "1": Label.NEUTRAL, "2": Label.POSITIVE},
    frozenset(("-1", "0", "1")): {"-1": Label.NEGATIVE, "0": Label.NEUTRAL, "1": Label.POSITIVE},
    frozenset(("-1", "1")): {"-1": Label.NEGATIVE, "1": Label.POSITIVE},
}
_SCALES: Final = (5.0, 10.0, 100.0)
Read = Callable[[Sequence[str]], Sequence[Reading]]


@dataclass(frozen=True, slots=True)
class Example:
    """A text and what it means: ``label`` is positive, neutral, negative or mixed."""

    line: int
    text: str
    label: Label


@dataclass(frozen=True, slots=True)
class Wrong:
    """A text that was told wrong, and how surely."""

    line: int
    text: str
    meant: str
    told: str
    score: float
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured. Without texts of a kind its figures are None.

    Two classes: the texts meant as positive or negative, told by the sign of the score. Three:
    mixed and uncertain count as neutral. ``ece``: of the chance (1 + score) / 2 of "positive" over
    the texts of two classes, in 10 bins.
    """

    n: int
    unscored: int  # of n: no model for the language
    polar: int
    accuracy: float | None
    balanced: float | None
    macro_f1: float | None
    accuracy_3: float | None
    balanced_3: float | None
    macro_f1_3: float | None
    ece: float | None
    bins: Sequence[Bin]
    confusion: Mapping[tuple[str, str], int]  # (meant, told)
    worst: Sequence[Wrong]


def measure(examples: Sequence[Example], readings: Sequence[Reading], worst: int = 10) -> Figures:
    """Figures of readings beside what is meant. Both are parallel."""
    scored = [
        (one, reading.sentiment)
        for one, reading in zip(examples, readings, strict=True)
        if reading.sentiment is not None
    ]
    polar = [(one.label, s.score) for one, s in scored if one.label in POLAR]
    meant = [label for label, _ in polar]
    told = [Label.POSITIVE if score > 0 else Label.NEGATIVE for _, score in polar]
    chances = [(1 + score) / 2 for _, score in polar]
    are_positive = [label is Label.POSITIVE for label in meant]
    meant_3 = [_three(one.label) for one, _ in scored]
    told_3 = [_three(s.label) for _, s in scored]
    has_three = Label.NEUTRAL in meant_3
    wrong = [
        Wrong(one.line, one.text, str(one.label), str(s.label), s.score, s.confidence)
        for one, s in scored
        if one.label in POLAR and (s.score > 0) != (one.label is Label.POSITIVE)
    ]
    return Figures(
        n=len(examples),
        unscored=len(examples) - len(scored),
        polar=len(polar),
        accuracy=metrics.accuracy(meant, told) if polar else None,
        balanced=metrics.balanced_accuracy(meant, told) if polar else None,
        macro_f1=metrics.macro_f1(meant, told, POLAR) if polar else None,
        accuracy_3=metrics.accuracy(meant_3, told_3) if has_three else None,
        balanced_3=metrics.balanced_accuracy(meant_3, told_3) if has_three else None,
        macro_f1_3=metrics.macro_f1(meant_3, told_3, THREE) if has_three else None,
        ece=metrics.ece(chances, are_positive) if polar else None,
        bins=metrics.reliability(chances, are_positive),
        confusion=metrics.confusion(
            [str(one.label) for one, _ in scored], [str(s.label) for _, s in scored]
        ),
        worst=sorted(wrong, key=lambda w: (-abs(w.score), w.line))[:worst],
    )


def evaluate(
    examples: Sequence[Example], read: Read, worst: int = 10
) -> tuple[Figures, dict[str, Figures]]:
    """Figures of all texts, and by language, the most texts first."""
    readings = read([one.text for one in examples])
    by_language: dict[str, list[int]] = {}
    for place, reading in enumerate(readings):
        by_language.setdefault(reading.language, []).append(place)
    return measure(examples, readings, worst), {
        language: measure([examples[p] for p in places], [readings[p] for p in places], 0)
        for language, places in sorted(by_language.items(), key=lambda g: (-len(g[1]), g[0]))
    }


def _three(label: Label) -> Label:
    return label if label in POLAR else Label.NEUTRAL


# --- from files ----------------------------------------------------------------------------------


def examples_of(
    rows: Iterable[Row],
    *,
    text: str | None = None,
    label: str | None = None,
    stars: str | None = None,
    scale: float | None = None,
    blame: Callable[[int, str], None],
) -> list[Example]:
    """The examples of a file; columns are guessed by common names where they are not named.

    Stars: the lower two fifths of the scale are negative, the middle one neutral, the upper two
    positive; the scale is the smallest usual one that holds nearly all of them. ``blame`` hears of
    rows that cannot be used. Raises InvalidInput where a column is missing.
    """
    kept: list[Row] = []
    for row in rows:
        if row.fault:
            blame(row.line, row.fault)
        else:
            kept.append(row)
    if not kept:
        raise InvalidInput("There is nothing to measure.", hint="The file has no usable row.")
    names = list(kept[0].fields)
    text_name = text_column(names, text, "text")
    label_name = column_of(names, label, () if stars else _LABELS, "label")
    stars_name = None if label_name else column_of(names, stars, _STARS, "stars")
    value_name = label_name or stars_name
    if value_name is None:
        raise InvalidInput(
            "Which column holds what the texts mean?",
            field="label",
            hint=f"Name it with --label or --stars: {', '.join(names)}.",
        )
    cells = [(row, _cell(row, value_name)) for row in kept]
    means = (
        _by_label({cell.casefold() for _, cell in cells if cell})
        if label_name
        else _by_stars([cell for _, cell in cells], scale)
    )
    return list(_examples(cells, text_name, means, blame))


def _examples(
    cells: Sequence[tuple[Row, str]],
    text_name: str,
    means: Callable[[str], Label | None],
    blame: Callable[[int, str], None],
) -> Iterator[Example]:
    for row, cell in cells:
        content = row.fields.get(text_name)
        meant = means(cell)
        if not isinstance(content, str) or not content.strip():
            blame(row.line, f"no text in {text_name!r}")
        elif meant is None:
            blame(row.line, f"{cell[:40]!r} is no label")
        else:
            yield Example(row.line, content, meant)


def _cell(row: Row, name: str) -> str:
    value: Any = row.fields.get(name)
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value).strip()


def _by_label(used: set[str]) -> Callable[[str], Label | None]:
    numbers = {cell for cell in used if cell.lstrip("-").isdecimal()}
    by_number = _NUMBERS.get(frozenset(numbers), {})
    return lambda cell: _WORDS.get(cell.casefold()) or by_number.get(cell)


def _by_stars(cells: Sequence[str], scale: float | None) -> Callable[[str], Label | None]:
    known = [value for cell in cells if (value := _number(cell)) is not None]
    if not known:
        raise InvalidInput("There is no number among the stars.", field="stars")
    # All but one in a hundred: a stray 9 makes no scale of ten, it is told as no label.
    high = sorted(known)[-1 - len(known) // 100]
    best = scale or next((one for one in _SCALES if high <= one), high)
    least = 0.0 if best > _SCALES[0] and min(known) < 1 else 1.0

    def means(cell: str) -> Label | None:
        value = _number(cell)
        if value is None or not 0 <= value <= best:
            return None
        share = (value - least) / (best - least)
        # Of five stars 1 and 2 are at most 0.25, 3 is 0.5.
        return Label.NEGATIVE if share < 0.4 else Label.POSITIVE if share > 0.6 else Label.NEUTRAL

    return means


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if value == value else None  # not NaN
