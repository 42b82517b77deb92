"""What ``listener eval`` prints: figures, a reliability chart, confusion, wrong texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from listener.enrich.evaluate import TOLD, Figures
from listener.enrich.metrics import Bin

_WIDTH = 40


def as_dict(whole: Figures, by_language: Mapping[str, Figures]) -> dict[str, Any]:
    """All figures as JSON."""
    return {
        "all": _plain(whole),
        "languages": {language: _plain(one) for language, one in by_language.items()},
    }


def _plain(one: Figures) -> dict[str, Any]:
    return asdict(one) | {
        "confusion": [
            {"meant": meant, "told": told, "count": count}
            for (meant, told), count in sorted(one.confusion.items())
        ]
    }


def lines_of(whole: Figures, by_language: Mapping[str, Figures]) -> Iterator[str]:
    """The figures in lines of text."""
    yield f"{'':10}{'n':>7}{'unscored':>10}{'accuracy':>10}{'balanced':>10}{'macro-F1':>10}" + (
        f"{'3: acc.':>10}{'bal.':>8}{'F1':>8}{'ECE':>8}"
    )
    for name, one in (("all", whole), *by_language.items()):
        yield _line(name, one)
    yield "two classes: positive and negative by the sign of the score; three: with neutral"
    if whole.bins:
        yield ""
        yield 'calibration: told chance of "positive" (o) and share that is (#)'
        yield from map(_reliability, whole.bins)
    if whole.confusion:
        yield ""
        yield from _confusion(whole)
    if whole.worst:
        yield ""
        yield "wrong, the surest first:"
        for wrong in whole.worst:
            text = " ".join(wrong.text.split())
            told = f"{wrong.meant}, told {wrong.told} {wrong.score:+.2f}"
            yield f"  {wrong.line}: {told}  {text[:100]}"


def _line(name: str, one: Figures) -> str:
    two = (one.accuracy, one.balanced, one.macro_f1)
    three = (one.accuracy_3, one.balanced_3, one.macro_f1_3)
    cells = [f"{name:10}{one.n:>7}{one.unscored:>10}"]
    cells += [f"{_share(value):>10}" for value in two]
    cells += [f"{_share(value):>{width}}" for value, width in zip(three, (10, 8, 8), strict=True)]
    return "".join(cells) + f"{'–' if one.ece is None else f'{one.ece:.3f}':>8}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _reliability(one: Bin) -> str:
    bar = list("#" * round(one.true * _WIDTH) + " " * _WIDTH)[: _WIDTH + 1]
    bar[round(one.told * _WIDTH)] = "o"
    return f"  {one.low:.1f}-{one.high:.1f}  |{''.join(bar)}| {one.true:.2f}  n={one.count}"


def _confusion(whole: Figures) -> Iterator[str]:
    told = [str(label) for label in TOLD]
    yield "".join(f"{cell:>14}" for cell in ("meant \\ told", *told))
    for meant in dict.fromkeys(meant for meant, _ in whole.confusion):
        counts = [str(whole.confusion.get((meant, label), 0)) for label in told]
        yield "".join(f"{cell:>14}" for cell in (meant, *counts))
