"""What marks of "right" and "false" do to a rule: precision and recall with and without them.

Run it with ``python -m benchmarks.marks``. The past of a rule is made up: false alarms and events
come by chance, each with an excess over what the rule asked for, and half of the alerts are marked.
The rule is taught after each week; the first half year is left out of the figures.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from listener.alert.calibration import CHANCE, REAL, Mark, strictness

WEEKS = 104
LEARNING = 26
SEEDS = 20
MARKED = 0.5  # of the alerts


@dataclass(frozen=True, slots=True)
class World:
    """A kind of rule: how many false alarms and events a week, and the rates of their excesses."""

    name: str
    false: float
    events: float
    false_rate: float = CHANCE
    event_rate: float = REAL


@dataclass(slots=True)
class Figures:
    """What came of it, summed over all years."""

    right: int = 0
    false: int = 0
    lost: int = 0
    kept_back: int = 0
    bar: float = 0.0

    @property
    def precision(self) -> float:
        """Of the alerts, how many were right."""
        return self.right / max(1, self.right + self.false)

    @property
    def recall(self) -> float:
        """Of the events that the sensitivity finds, how many were told."""
        return self.right / max(1, self.right + self.lost)

    @property
    def untaught(self) -> float:
        """The precision that there would have been without marks."""
        everything = self.right + self.false + self.lost + self.kept_back
        return (self.right + self.lost) / max(1, everything)


WORLDS = (
    World("three alerts a week, one of them right", 2, 1),
    World("an alert in two weeks, one in six right", 0.42, 0.083),
    World("as many right as false", 0.5, 0.5),
    World("nine of ten right", 0.1, 0.9),
    World("false alarms as large as events", 1, 1, false_rate=REAL),
)


def run(world: World) -> Figures:
    """All years of a kind of rule."""
    found = Figures()
    for seed in range(SEEDS):
        _live(world, random.Random(seed), found)
    found.bar /= SEEDS * (WEEKS - LEARNING)
    return found


def _live(world: World, chance: random.Random, found: Figures) -> None:
    marks: list[Mark] = []
    for week in range(WEEKS):
        bar = strictness(marks, 0.0)
        counts = week >= LEARNING
        found.bar += bar * counts
        spikes = [
            (chance.expovariate(rate), right)
            for number, rate, right in (
                (world.false, world.false_rate, False),
                (world.events, world.event_rate, True),
            )
            for _ in range(_poisson(chance, number))
        ]
        for excess, right in spikes:
            if excess < bar:
                found.lost += counts and right
                found.kept_back += counts and not right
                continue
            found.right += counts and right
            found.false += counts and not right
            if chance.random() < MARKED:
                marks.append(Mark(excess, right, bar))


def _poisson(chance: random.Random, mean: float) -> int:
    number, time = 0, chance.expovariate(mean)
    while time < 1:
        number += 1
        time += chance.expovariate(mean)
    return number


def main() -> None:
    """Print the table of docs/alerts.md."""
    print(
        "| rule | precision before | after | recall after | false alarms kept back | stricter by |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for world in WORLDS:
        found = run(world)
        kept = found.kept_back / max(1, found.kept_back + found.false)
        print(
            f"| {world.name} | {found.untaught:.0%} | {found.precision:.0%} | {found.recall:.0%}"
            f" | {kept:.0%} | {found.bar:.2f} |"
        )


if __name__ == "__main__":
    main()
