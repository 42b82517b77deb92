"""How sensitive detection is: what the detector and the spike's life are set up with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from listener.errors import InvalidInput
from listener.types import Sensitivity

SHORTEST_STEP = timedelta(minutes=1)
LONGEST_STEP = timedelta(days=1)

# Spikes that mere chance may raise in 30 days: about one a year, a quarter, a month, a week.
FALSE_ALARMS = {
    Sensitivity.LOW: 0.1,
    Sensitivity.NORMAL: 0.35,
    Sensitivity.HIGH: 1.0,
    Sensitivity.HIGHEST: 4.3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Settings of one series. Raises InvalidInput, with ``field``, for values that make no sense.

    ``false_alarms`` is how many spikes a series without incidents may raise in 30 days. A catch-up
    after an outage is not news: ``max_lateness``.
    """

    step: timedelta = timedelta(minutes=5)  # length of a bucket
    windows: tuple[timedelta, ...] = (
        timedelta(minutes=5),
        timedelta(minutes=15),
        timedelta(hours=1),
        timedelta(hours=4),
        timedelta(hours=12),
        timedelta(hours=24),
    )
    false_alarms: float = 0.35
    min_excess: float = 3.0  # mentions above expectation, in the window
    min_ratio: float = 1.25  # observed / expected, in the window
    calm: timedelta = timedelta(hours=2)  # complete and unsurprising for so long ends a spike
    cooldown: timedelta = timedelta(hours=6)  # earlier, only for something clearly larger
    warm_up: timedelta = timedelta(days=2)  # learns only; and at least MIN_WARM_UP buckets
    learn_delay: timedelta = timedelta(hours=6)  # a surge is noticed late
    season_half_life: timedelta = timedelta(days=28)  # of each hour of the day
    max_lateness: timedelta = timedelta(hours=6)  # older buckets open no spike
    escalation: float = 2.0  # growth of the excess since last announced

    def __post_init__(self) -> None:
        if not SHORTEST_STEP <= self.step <= LONGEST_STEP:
            raise InvalidInput("A bucket must last from 1 minute to 1 day.", field="step")
        if not self.windows or min(self.windows) <= timedelta(0):
            raise InvalidInput(
                "At least one window is needed, each longer than zero.", field="windows"
            )
        if not 0 < self.false_alarms <= 30:
            raise InvalidInput(
                "False alarms in 30 days must be above 0, at most 30.", field="false_alarms"
            )
        if self.min_excess < 0 or self.min_ratio < 1 or self.escalation <= 1:
            raise InvalidInput(
                "min_excess must be >= 0, min_ratio >= 1 and escalation > 1.", field="min_ratio"
            )

    @property
    def threshold(self) -> float:
        """The score from which a spike opens."""
        return -math.log10(self.false_alarms)

    def buckets(self, length: timedelta) -> int:
        """How many buckets ``length`` is, at least one."""
        return max(1, round(length / self.step))


def policy_of(sensitivity: Sensitivity) -> Policy:
    """The policy of a series that is watched with this sensitivity."""
    return Policy(false_alarms=FALSE_ALARMS[sensitivity])
