"""Pure figures of how well labels are told: what ``listener eval``, tests and training scripts use.

All take parallel sequences of what was meant and what was told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

L = TypeVar("L", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Bin:
    """One bin of a reliability diagram: texts told with about the same chance."""

    low: float
    high: float
    count: int
    told: float  # mean chance that was told
    true: float  # share of which it is true


def accuracy(meant: Sequence[L], told: Sequence[L]) -> float:
    """The share told right; 0 without any."""
    right = sum(a == b for a, b in zip(meant, told, strict=True))
    return right / len(meant) if meant else 0.0


def recalls(meant: Sequence[L], told: Sequence[L]) -> dict[L, float]:
    """Of each label that is meant anywhere the share told right."""
    of, right = Counter(meant), Counter(a for a, b in zip(meant, told, strict=True) if a == b)
    return {label: right[label] / count for label, count in of.items()}


def balanced_accuracy(meant: Sequence[L], told: Sequence[L]) -> float:
    """The mean recall of the labels that are meant (Brodersen et al. 2010); 0 without any."""
    found = recalls(meant, told)
    return sum(found.values()) / len(found) if found else 0.0


def f1(meant: Sequence[L], told: Sequence[L], label: L) -> float:
    """2TP / (2TP + FP + FN) of one label (van Rijsbergen 1979); 0 where it is not there at all."""
    right = sum(a == b == label for a, b in zip(meant, told, strict=True))
    there = sum(a == label for a in meant) + sum(b == label for b in told)
    return 2 * right / there if there else 0.0


def macro_f1(meant: Sequence[L], told: Sequence[L], labels: Sequence[L] = ()) -> float:
    """The mean of F1 over ``labels`` (else those that are meant); 0 without any."""
    of = list(labels) or sorted(set(meant), key=str)
    return sum(f1(meant, told, label) for label in of) / len(of) if of else 0.0


def confusion(meant: Sequence[L], told: Sequence[L]) -> Mapping[tuple[L, L], int]:
    """How often (meant, told) came up."""
    return Counter(zip(meant, told, strict=True))


def reliability(chances: Sequence[float], true: Sequence[bool], bins: int = 10) -> list[Bin]:
    """Texts by the chance that was told, in bins of equal width over 0..1; empty ones left out."""
    groups: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for chance, truth in zip(chances, true, strict=True):
        groups[min(int(chance * bins), bins - 1)].append((chance, truth))
    return [
        Bin(
            low=place / bins,
            high=(place + 1) / bins,
            count=len(group),
            told=sum(chance for chance, _ in group) / len(group),
            true=sum(truth for _, truth in group) / len(group),
        )
        for place, group in enumerate(groups)
        if group
    ]


def ece(chances: Sequence[float], true: Sequence[bool], bins: int = 10) -> float:
    """Expected calibration error: the mean distance in a bin between the chance told and the share
    that is true, weighted by its texts (Naeini, Cooper, Hauskrecht 2015).
    """
    found = reliability(chances, true, bins)
    total = sum(one.count for one in found)
    return sum(one.count * abs(one.told - one.true) for one in found) / total if total else 0.0


def precision_recall(meant: Sequence[bool], told: Sequence[bool]) -> tuple[float, float]:
    """Of what was told the share that is meant, and the other way round; 0 of nothing."""
    right = sum(a and b for a, b in zip(meant, told, strict=True))
    precision = right / sum(told) if any(told) else 0.0
    recall = right / sum(meant) if any(meant) else 0.0
    return precision, recall
