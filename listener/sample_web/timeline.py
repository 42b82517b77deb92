"""All items in order of appearance, made a day at a time; serving only asks what is visible."""

import random
from bisect import bisect_right
from datetime import datetime, timedelta
from typing import Final

from listener.sample_web.channels import Writer
from listener.sample_web.model import CHANNELS, Channel, Item, Plan
from listener.sample_web.people import People
from listener.sample_web.season import arrivals
from listener.sample_web.staged import staged
from listener.sample_web.wave import wave

# The future is made this far ahead, so that a request seldom has to wait for a new day.
_AHEAD: Final = timedelta(hours=36)


def day(plan: Plan, people: People, number: int) -> list[Item]:
    """The ordinary items of one day, counted from the start; a function of its arguments alone."""
    begin = plan.start + timedelta(days=number)
    items: list[Item] = []
    for channel in CHANNELS:
        seed = f"{plan.seed}:{plan.start.isoformat()}:{number}:{channel}"
        rng = random.Random(seed)
        write = Writer(rng, people).writer_for(channel)
        made: list[Item] = []
        # One good or bad day differs from the next by a little more than chance.
        volume = plan.volume * rng.gauss(1.0, 0.06)
        for at in arrivals(rng, channel, begin, 24, volume):
            # One by one: each item may answer an earlier one.
            made.append(write(at, made))
        items.extend(made)
    return items


class Timeline:
    """The whole web over time. It grows by days and never changes what it has told."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._people = People(plan.seed, plan.start)
        self.brands = self._people.brands
        self._next_day = -plan.days
        self._items: dict[Channel, list[Item]] = {channel: [] for channel in CHANNELS}
        self._keys: dict[Channel, list[float]] = {channel: [] for channel in CHANNELS}
        oldest = plan.start - timedelta(days=plan.days)
        self._extra = [
            item
            for item in (*wave(plan, self._people), *staged(plan, self._people))
            if item.appears >= oldest
        ]
        self._grow(plan.start)

    def visible(self, channel: Channel, now: datetime) -> list[Item]:
        """What `channel` shows at `now`, oldest first."""
        self._grow(now)
        return self._items[channel][: bisect_right(self._keys[channel], now.timestamp())]

    def count(self, channel: Channel, now: datetime) -> int:
        """How many items `channel` shows at `now`."""
        self._grow(now)
        return bisect_right(self._keys[channel], now.timestamp())

    def _grow(self, now: datetime) -> None:
        """Make whole days until `now` is safely inside; a day only ever adds at the end."""
        while self.plan.start + timedelta(days=self._next_day) < now + _AHEAD:
            begin = self.plan.start + timedelta(days=self._next_day)
            end = begin + timedelta(days=1)
            items = day(self.plan, self._people, self._next_day)
            items.extend(item for item in self._extra if begin <= item.appears < end)
            items.sort(key=lambda item: (item.appears, item.id))
            for item in items:
                self._items[item.channel].append(item)
                self._keys[item.channel].append(item.appears_ts)
            self._next_day += 1
