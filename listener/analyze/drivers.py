"""Why a score is low: what mentioning a topic goes along with, all other topics being equal.

The outcome (stars, NPS, CSAT, CES or sentiment) of each mention is explained by which topics it
names, in one linear regression. Association is not cause: a driver says where to look first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from listener.analyze.intervals import benjamini_hochberg, t95, two_sided

FEWEST: Final = 20  # mentions with a topic, and without it
RATE: Final = 0.05  # false discoveries that are put up with
_LEAST_FREEDOM: Final = 10

Matrix = NDArray[np.float64]


class Standing(Enum):
    """What can be said of a topic."""

    SURE = "sure"  # the false discovery rate is below ``RATE``
    UNSURE = "unsure"  # the interval is there, but it may well be luck
    TOO_FEW = "too_few"  # fewer than ``FEWEST`` mentions with it, or without
    INSEPARABLE = "inseparable"  # always named together with another topic, or never


@dataclass(frozen=True, slots=True)
class Outcome:
    """One mention with a score. ``group`` is what is held equal beside topics (the source)."""

    score: float
    topics: frozenset[str]
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """One topic's part in the score. Effects are in points of the score."""

    topic: str
    standing: Standing
    count: int  # mentions with it
    others: int  # mentions without it
    mean: float | None  # of the scores with it
    mean_others: float | None
    effect: float | None = None  # all else equal
    low: float | None = None  # 95 % interval of the effect
    high: float | None = None
    impact: float | None = None  # effect times share: what it adds to the mean of all
    impact_low: float | None = None
    impact_high: float | None = None
    chance: float | None = None  # two-sided p of no effect
    rate: float | None = None  # false discovery rate over all topics


@dataclass(frozen=True, slots=True, kw_only=True)
class Drivers:
    """All topics, those that pull the mean down most first, then those with too little data."""

    count: int
    mean: float | None
    explained: float | None = None  # R squared
    topics: tuple[Driver, ...] = field(default=())


def find_drivers(outcomes: Sequence[Outcome]) -> Drivers:
    """The effect of every topic by ordinary least squares, with intervals.

    Topics and groups enter as 0 or 1. Errors are HC3 (MacKinnon & White 1985): the covariance is
    (X'X)^-1 X' diag(e_i^2 / (1 - h_i)^2) X (X'X)^-1 with residuals e and leverages h, good where
    scores vary unequally and for small samples (Long & Ervin 2000). False discovery rates are those
    of Benjamini & Hochberg (1995) over all topics with an estimate.
    """
    if not outcomes:
        return Drivers(count=0, mean=None)
    scores = np.array([one.score for one in outcomes], dtype=np.float64)
    counts = Counter(topic for one in outcomes for topic in one.topics)
    total = len(outcomes)
    usable = [
        topic
        for topic, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        if count >= FEWEST and total - count >= FEWEST
    ]
    columns = _controls(outcomes)
    kept: list[str] = []
    design = np.column_stack(columns)
    for topic in usable:
        presence = np.array([topic in one.topics for one in outcomes], dtype=np.float64)
        wider = np.column_stack([design, presence])
        if np.linalg.matrix_rank(wider) == wider.shape[1]:
            design = wider
            kept.append(topic)
    first = len(columns)
    freedom = total - design.shape[1]
    found: Mapping[str, tuple[float, float]] = {}
    explained = None
    if kept and freedom >= _LEAST_FREEDOM:
        effects, errors, explained = _least_squares(design, scores)
        found = {
            topic: (float(effects[first + place]), float(errors[first + place]))
            for place, topic in enumerate(kept)
        }
    told = _told(outcomes, counts, found, usable, freedom)
    return Drivers(
        count=total,
        mean=float(scores.mean()),
        explained=explained,
        topics=tuple(sorted(told, key=_by_impact)),
    )


def _controls(outcomes: Sequence[Outcome]) -> list[Matrix]:
    """The constant, and a column for each group but the most frequent."""
    groups = Counter(one.group for one in outcomes)
    columns: list[Matrix] = [np.ones(len(outcomes))]
    for group, count in groups.most_common()[1:]:
        if count >= 2:  # one mention alone would be explained in full
            columns.append(np.array([one.group == group for one in outcomes], dtype=np.float64))
    return columns


def _least_squares(design: Matrix, scores: Matrix) -> tuple[Matrix, Matrix, float]:
    """Effects, their HC3 standard errors, and R squared."""
    effects, *_ = np.linalg.lstsq(design, scores, rcond=None)
    residuals = scores - design @ effects
    bread = np.linalg.pinv(design.T @ design)
    leverage = np.minimum(np.einsum("ij,jk,ik->i", design, bread, design), 1 - 1e-9)
    scaled = design * (residuals / (1 - leverage))[:, None]
    covariance = bread @ (scaled.T @ scaled) @ bread
    spread = float(((scores - scores.mean()) ** 2).sum())
    explained = 1 - float((residuals**2).sum()) / spread if spread > 0 else 0.0
    errors: Matrix = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    return np.asarray(effects, dtype=np.float64), errors, explained


def _told(
    outcomes: Sequence[Outcome],
    counts: Counter[str],
    found: Mapping[str, tuple[float, float]],
    usable: Sequence[str],
    freedom: int,
) -> list[Driver]:
    sums: Counter[str] = Counter()
    for one in outcomes:
        for topic in one.topics:
            sums[topic] += one.score  # type: ignore[assignment]  # a counter of numbers
    whole = sum(one.score for one in outcomes)
    chances = {topic: _chance(*pair, freedom) for topic, pair in found.items()}
    rates = dict(zip(chances, benjamini_hochberg(list(chances.values())), strict=True))
    told = []
    for topic, count in counts.items():
        others = len(outcomes) - count
        mean = sums[topic] / count
        mean_others = (whole - sums[topic]) / others if others else None
        if topic not in found:
            few = topic not in usable or freedom < _LEAST_FREEDOM
            told.append(
                Driver(
                    topic=topic,
                    standing=Standing.TOO_FEW if few else Standing.INSEPARABLE,
                    count=count,
                    others=others,
                    mean=mean,
                    mean_others=mean_others,
                )
            )
            continue
        effect, error = found[topic]
        half = t95(freedom) * error
        share = count / len(outcomes)
        told.append(
            Driver(
                topic=topic,
                standing=Standing.SURE if rates[topic] <= RATE else Standing.UNSURE,
                count=count,
                others=others,
                mean=mean,
                mean_others=mean_others,
                effect=effect,
                low=effect - half,
                high=effect + half,
                impact=effect * share,
                impact_low=(effect - half) * share,
                impact_high=(effect + half) * share,
                chance=chances[topic],
                rate=rates[topic],
            )
        )
    return told


def _chance(effect: float, error: float, freedom: int) -> float:
    if error <= 0:
        return 1.0 if effect == 0 else 0.0
    return two_sided(effect / error, freedom)


def _by_impact(driver: Driver) -> tuple[int, float, int, str]:
    sure = driver.standing is Standing.SURE
    rank = 0 if sure else 1 if driver.standing is Standing.UNSURE else 2
    return rank, driver.impact or 0.0, -driver.count, driver.topic


# --- scores --------------------------------------------------------------------------------------


class Measure(Enum):
    """What is explained."""

    RATING = "rating"  # stars, every scale brought to 1..5
    NPS = "nps"  # promoters minus detractors, -100..100
    CSAT = "csat"  # per cent satisfied, 0..100
    CES = "ces"  # ease, on a scale of 1..7
    SENTIMENT = "sentiment"  # of what is said of the topics, -1..1


PROMOTERS: Final = 9
DETRACTORS: Final = 6
SATISFIED: Final = 0.75  # share of the scale: 4 and 5 of 1..5


def measure_of(kind: str, low: float | None, high: float | None) -> Measure:
    """Which measure a rating belongs to.

    Answers to surveys on 0..10 are NPS (Reichheld 2003), on 1..7 CES (Dixon 2010), on any other
    scale CSAT; all that is no survey are stars.
    """
    if kind != "survey":
        return Measure.RATING
    if low == 0 and high == 10:
        return Measure.NPS
    if low == 1 and high == 7:
        return Measure.CES
    return Measure.CSAT


def score_of(measure: Measure, rating: float, low: float | None, high: float | None) -> float:
    """A rating in points of the measure, so that the mean over mentions is the measure."""
    low = 1.0 if low is None else low
    high = 5.0 if high is None else high
    share = (rating - low) / (high - low) if high > low else 0.0
    if measure is Measure.NPS:
        return 100.0 if rating >= PROMOTERS else -100.0 if rating <= DETRACTORS else 0.0
    if measure is Measure.CSAT:
        return 100.0 if share >= SATISFIED else 0.0
    if measure is Measure.CES:
        return 1 + 6 * share
    return 1 + 4 * share
