"""Whether a spike is on: the hysteresis between scores and what is told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from listener.detect.calibration import HOT
from listener.detect.policy import Policy


class Incident:
    """Opens at the threshold, ends after a calm time, rests for a cooldown."""

    __slots__ = ("_calm", "_calm_needed", "_closed_at", "_cooldown", "_peak", "onset_at", "reach")

    def __init__(self, policy: Policy) -> None:
        self._calm_needed = policy.buckets(policy.calm)
        self._cooldown = policy.cooldown
        self._calm = 0
        self._peak = 0.0
        self._closed_at: datetime | None = None
        self.reach = 1  # how many windows, from the shortest, have to be calm
        self.onset_at: datetime | None = None  # set exactly while open

    @property
    def is_open(self) -> bool:
        """Whether a spike is on."""
        return self.onset_at is not None

    def may_open(self, at: datetime, surprise: float) -> bool:
        """Not in the cooldown, unless this is clearly larger than the last one."""
        rested = self._closed_at is None or at - self._closed_at >= self._cooldown
        return rested or surprise >= 1.5 * self._peak + 1.0

    def open(self, onset_at: datetime, surprise: float, reach: int) -> None:
        """Begin."""
        self.onset_at = onset_at
        self.reach = reach
        self._peak = surprise
        self._calm = 0

    def go_on(self, at: datetime, surprise: float, *, complete: bool) -> None:
        """One more bucket while open; only complete ones bring the end closer."""
        if surprise >= HOT:
            self._peak = max(self._peak, surprise)
            self._calm = 0
        elif complete:
            self._calm += 1
            if self._calm >= self._calm_needed:
                self.onset_at = None
                self._closed_at = at

    def dump(self) -> list[Any]:
        """The state as plain values."""
        return [self._calm, self._peak, self.reach, iso(self._closed_at), iso(self.onset_at)]

    def restore(self, dump: list[Any]) -> None:
        """Take over what ``dump`` gave."""
        self._calm, self._peak, self.reach = dump[:3]
        self._closed_at, self.onset_at = (time_of(v) for v in dump[3:])


def iso(at: datetime | None) -> str | None:
    """A time as it is dumped."""
    return at.isoformat() if at else None


def time_of(text: str | None) -> datetime | None:
    """A dumped time."""
    return datetime.fromisoformat(text) if text else None
