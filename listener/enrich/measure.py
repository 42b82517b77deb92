"""Measures what the reader finds against labels that people gave: precision, recall, F1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from listener.types import Reading


@dataclass(frozen=True, slots=True)
class Figures:
    """How well one category is found. ``meant`` is how many texts have it."""

    meant: int
    found: int
    right: int

    @property
    def precision(self) -> float:
        """The share of what was found that is right; 0 where nothing was found."""
        return self.right / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """The share of what was meant that was found; 0 where nothing was meant."""
        return self.right / self.meant if self.meant else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.right / (self.found + self.meant) if self.found + self.meant else 0.0


def figures(meant: Iterable[Iterable[str]], found: Iterable[Iterable[str]]) -> dict[str, Figures]:
    """Figures of each category, by name; ``meant`` and ``found`` hold those of each text."""
    wanted, given, right = Counter[str](), Counter[str](), Counter[str]()
    for labels, answers in zip(meant, found, strict=True):
        labels, answers = set(labels), set(answers)
        wanted.update(labels)
        given.update(answers)
        right.update(labels & answers)
    return {
        name: Figures(wanted[name], given[name], right[name]) for name in sorted(wanted | given)
    }


def macro_f1(of: Mapping[str, Figures]) -> float:
    """The mean F1 over the categories that some text has; 0 without any."""
    present = [one.f1 for one in of.values() if one.meant]
    return sum(present) / len(present) if present else 0.0


def measure_rows(
    rows: Sequence[Mapping[str, str]], read: Callable[[Sequence[str]], Sequence[Reading]]
) -> dict[str, dict[str, Figures]]:
    """Figures by kind: "complaint", "intents", "topics", "main topic", "urgency".

    A row holds "text" and any of "complaint" (1 or 0), "intents", "topics" and "urgency" (keys with
    commas between them). A text's main topic is right where it is one of those it is said to have.
    """
    readings = read([row["text"] for row in rows])
    known = set(rows[0]) if rows else set()
    result: dict[str, dict[str, Figures]] = {}
    if "complaint" in known:
        result["complaint"] = figures(
            [["complaint"] * (row["complaint"] == "1") for row in rows],
            [["complaint"] * bool(reading.complaint) for reading in readings],
        )
    for kind, prefix in (("intents", "intent:"), ("urgency", "urgency:")):
        if kind in known:
            found = [
                [tag.removeprefix(prefix) for tag in reading.tags if tag.startswith(prefix)]
                for reading in readings
            ]
            result[kind] = figures([_keys(row[kind]) for row in rows], found)
    if "topics" in known:
        meant = [_keys(row["topics"]) for row in rows]
        result["topics"] = figures(meant, [reading.topics for reading in readings])
        firsts = [reading.topics[:1] for reading in readings]
        result["main topic"] = figures(
            [
                list(first) if set(first) <= set(keys) and first else keys[:1]
                for keys, first in zip(meant, firsts, strict=True)
            ],
            firsts,
        )
    return result


def _keys(cell: str | None) -> list[str]:
    return [key.strip() for key in (cell or "").split(",") if key.strip()]
