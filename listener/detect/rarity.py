"""How rare a size is, of things whose sizes have a heavy tail: how far posts spread. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

MONTH: Final = timedelta(days=30)
TOP: Final = 0.1  # the largest share of sizes that the tail is taken from
FEWEST_TOP: Final = 10  # sizes, where there are as many
SHAPE: Final = 1.0  # of the tail before anything was seen: twice the size is half as frequent
SHAPE_PRIOR: Final = 8.0  # sizes worth
MOST_LOG: Final = 4.0  # one size tells no more of the tail, so that one event hides no other


class Rarity:
    """How many things of at least a size are to be expected in 30 days, by those of the past.

    The tail is taken as Pareto from the largest tenth of ``sizes`` on; its shape is estimated after
    Hill 1975, with a prior. ``length`` is the time in which they happened, ``floor`` the least size
    that is of interest, ``sampled`` how many things each of the sizes stands for.
    """

    __slots__ = ("_from", "_many", "_shape", "_sizes", "count")

    def __init__(
        self, sizes: Iterable[float], *, length: timedelta, floor: float, sampled: float = 1.0
    ) -> None:
        known = sorted(sizes, reverse=True)
        self.count = len(known)
        self._sizes = known
        above = [size for size in known if size > floor]
        top = min(len(above), max(FEWEST_TOP, math.ceil(TOP * len(above))))
        self._from = max(floor, above[top] if top < len(above) else floor)
        logs = math.fsum(min(math.log(size / self._from), MOST_LOG) for size in above[:top])
        self._shape = (top + SHAPE_PRIOR) / (logs + SHAPE_PRIOR / SHAPE)
        # Half a thing more: that none was ever seen does not mean that there is none.
        self._many = (top * sampled + 0.5) * (MONTH / max(length, timedelta(days=1)))

    def expected(self, size: float) -> float:
        """Of at least this size, in 30 days; of small sizes "many" is all that is said."""
        return self._many * math.exp(-self._shape * math.log(max(size / self._from, 1.0)))

    def score(self, size: float) -> float:
        """-log10 of that, as the score of a verdict."""
        return -math.log10(self.expected(size))

    def quantile(self, share: float) -> float:
        """The size that this share of things does not exceed; 0 without any."""
        return quantile(self._sizes[::-1], share)


def quantile(ascending: Sequence[float], share: float) -> float:
    """The value at this share of sorted ones; 0 without any."""
    if not ascending:
        return 0.0
    return ascending[min(int(share * len(ascending)), len(ascending) - 1)]
