"""What marks of "right" and "false" teach a rule: how much stricter it has to be. Pure.

The excess of a spike is its score above what its rule asked for at first; 0.3 more is half as many
to be expected by chance. Chance alone makes excesses that are exponential with rate ln 10. What
people call false is not all chance, so the rate is learnt from the marks, and so is that of the
spikes that they call right, which are mostly large.

What a bar keeps back is never marked. So each mark stands for as many as its kind would have
shown without the bar that was in force: ``exp(rate * bar)``, as an exponential forgets what it has
passed. With k false and r right marks so weighed, a bar s lets through ``k exp(-b s)`` of the false
ones and loses ``(1 + r) (1 - exp(-g s))`` of the right ones: the one more stands for what has not
happened yet. The bar is put where the two, a lost one counted three times, cost least. The rates
are means of gamma posteriors: ``b = (2 + n) / (2 / b0 + sum of what the n false ones had above the
bar)``, and the same for g.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

CHANCE = math.log(10)  # rate of the excess of false alarms that are mere chance
REAL = math.log(2) / 2  # rate of the excess of real events: half of them have 2 or more
PRIOR = 2.0  # marks that the two rates are worth before there are any
LOST = 3.0  # false alarms that one lost event is as bad as
STRICTEST = 2.0  # a hundredth of the spikes
_GRID = 0.05
_HARDLY = 0.1  # a smaller change of the bar is not worth it


@dataclass(frozen=True, slots=True)
class Mark:
    """What people said of an alert, with the score at which the rule wanted it then.

    ``bar`` is the strictness that was in force.
    """

    score: float
    right: bool
    bar: float = 0.0


def strictness(marks: Iterable[Mark], threshold: float) -> float:
    """What to add to the score that a rule asks for, 0 to ``STRICTEST``, from all its marks.

    ``threshold`` is what its sensitivity asks for without that. Marks below it say nothing: the
    sensitivity was lowered since. The order of marks does not matter, so that taking one back
    undoes it.
    """
    above = [mark for mark in marks if mark.score >= threshold]
    false = [mark for mark in above if not mark.right]
    right = [mark for mark in above if mark.right]
    if not false:
        return 0.0
    chance, real = _rate(CHANCE, false, threshold), _rate(REAL, right, threshold)
    noise = sum(math.exp(chance * mark.bar) for mark in false)
    events = 1 + sum(math.exp(real * mark.bar) for mark in right)

    def cost(bar: float) -> float:
        return noise * math.exp(-chance * bar) + LOST * events * (1 - math.exp(-real * bar))

    bars = [n * _GRID for n in range(round(STRICTEST / _GRID) + 1)]
    best = min(bars, key=cost)
    return round(best, 2) if best >= _HARDLY else 0.0


def _rate(prior: float, marks: list[Mark], threshold: float) -> float:
    above = sum(max(0.0, mark.score - threshold - mark.bar) for mark in marks)
    return (PRIOR + len(marks)) / (PRIOR / prior + above)
