"""When people write: hours and weekdays in Korea, and arrivals drawn from them."""

import math
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from listener.sample_web.model import KST, Channel

# Items a day at volume 1; about 8,100 in four weeks.
PER_DAY: Final[dict[Channel, float]] = {"x": 193.0, "review": 68.0, "forum": 16.5, "news": 12.0}

HOURS: Final[dict[Channel, tuple[float, ...]]] = {
    "x": (
        *(0.75, 0.45, 0.25, 0.16, 0.14, 0.22, 0.50, 0.95, 1.20, 1.10, 1.05, 1.15),
        *(1.45, 1.20, 1.05, 1.05, 1.10, 1.20, 1.35, 1.45, 1.55, 1.70, 1.75, 1.30),
    ),
    "review": (
        *(0.60, 0.30, 0.15, 0.10, 0.12, 0.25, 0.70, 1.10, 1.20, 1.25, 1.25, 1.15),
        *(1.30, 1.20, 1.10, 1.05, 1.05, 1.05, 1.20, 1.45, 1.70, 1.75, 1.55, 1.05),
    ),
    "forum": (
        *(0.80, 0.40, 0.20, 0.12, 0.10, 0.20, 0.45, 0.80, 1.15, 1.55, 1.65, 1.45),
        *(1.10, 1.25, 1.35, 1.20, 1.05, 0.90, 0.85, 0.95, 1.25, 1.65, 1.75, 1.30),
    ),
    "news": (
        *(0.10, 0.05, 0.05, 0.05, 0.15, 0.50, 1.10, 1.60, 2.00, 2.40, 2.10, 1.70),
        *(1.10, 1.60, 2.00, 1.80, 1.60, 1.30, 0.90, 0.60, 0.50, 0.40, 0.30, 0.20),
    ),
}
# Monday first. News rests at the weekend, reviewers have time then.
WEEKDAYS: Final[dict[Channel, tuple[float, ...]]] = {
    "x": (1.02, 0.98, 1.0, 1.0, 1.04, 1.02, 0.94),
    "review": (1.05, 0.95, 0.93, 0.95, 0.97, 1.08, 1.10),
    "forum": (1.12, 1.05, 1.05, 1.02, 1.0, 0.82, 0.86),
    "news": (1.25, 1.28, 1.26, 1.26, 1.20, 0.35, 0.30),
}


def rate(channel: Channel, at: datetime, volume: float) -> float:
    """Expected items an hour on `channel` at `at`."""
    local = at.astimezone(KST)
    hours = HOURS[channel]
    share = hours[local.hour] / sum(hours)
    return PER_DAY[channel] * volume * share * WEEKDAYS[channel][local.weekday()]


def poisson(rng: random.Random, mean: float) -> int:
    """A Poisson count; means above 30 are split so that the product cannot underflow."""
    count = 0
    while mean > 30:
        count += poisson(rng, 30.0)
        mean -= 30.0
    limit, product = math.exp(-mean), rng.random()
    while product > limit:
        count += 1
        product *= rng.random()
    return count


def arrivals(
    rng: random.Random, channel: Channel, begin: datetime, hours: int, volume: float
) -> Iterator[datetime]:
    """Times at which something appears on `channel`, from `begin` on, in order."""
    for hour in range(hours):
        left = begin + timedelta(hours=hour)
        count = poisson(rng, rate(channel, left + timedelta(minutes=30), volume))
        for offset in sorted(rng.uniform(0, 3600) for _ in range(count)):
            # Whole milliseconds: what an API prints must be the same instant as what is sorted by.
            yield left + timedelta(milliseconds=int(offset * 1000))
