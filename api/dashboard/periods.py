"""The time range of a page: from the address to the edges of its bars, in the workspace's zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
RANGES: Mapping[str, timedelta] = {"24h": DAY, "7d": 7 * DAY, "28d": 28 * DAY}
DEFAULT = "7d"
LONGEST = timedelta(days=366)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A range in bars: ``edges`` has one time more than there are bars."""

    name: str  # one of RANGES, or "custom"
    edges: Sequence[datetime]
    step: timedelta
    from_day: date
    to_day: date  # inclusive
    now: datetime

    @property
    def since(self) -> datetime:
        """Inclusive."""
        return self.edges[0]

    @property
    def until(self) -> datetime:
        """Exclusive; it may lie ahead, by less than one bar."""
        return self.edges[-1]

    @property
    def before(self) -> tuple[datetime, datetime]:
        """The stretch before, as long as what has passed of this one."""
        passed = min(self.until, max(self.now, self.since)) - self.since
        return self.since - (self.until - self.since), self.since - (
            self.until - self.since
        ) + passed

    @property
    def query(self) -> dict[str, str | None]:
        """The parameters that lead back to it."""
        if self.name == "custom":
            return {"range": "custom", "from": str(self.from_day), "to": str(self.to_day)}
        return {"range": None if self.name == DEFAULT else self.name, "from": None, "to": None}

    def index(self, at: datetime) -> int:
        """The bar that holds the time, clipped to the ends."""
        place = 0
        for place in range(len(self.edges) - 1):
            if at < self.edges[place + 1]:
                return place
        return place


def period_of(query: Mapping[str, str], *, now: datetime, tz: tzinfo) -> Period:
    """What ``range``, ``from`` and ``to`` ask for; the last seven days where they make no sense."""
    name = query.get("range", "")
    first, last = _date(query.get("from")), _date(query.get("to"))
    if (name == "custom" or (name not in RANGES and first)) and first:
        last = max(first, last or now.astimezone(tz).date())
        first = max(first, last - LONGEST)
        since = datetime.combine(first, time(), tz)
        until = datetime.combine(last + DAY, time(), tz)
        step = HOUR if until - since <= 2 * DAY else 6 * HOUR if until - since <= 8 * DAY else DAY
        return _made("custom", since, until, step, now, tz)
    if name not in RANGES:
        name = DEFAULT
    local = now.astimezone(tz)
    midnight = datetime.combine(local.date(), time(), tz)
    step = {"24h": HOUR, "7d": 3 * HOUR, "28d": DAY}[name]
    until = midnight + DAY
    while until - step > local:
        until -= step
    return _made(name, until - RANGES[name], until, step, now, tz)


def _made(
    name: str, since: datetime, until: datetime, step: timedelta, now: datetime, tz: tzinfo
) -> Period:
    edges = [since]
    while edges[-1] < until:  # wall clock: a day of 23 or 25 hours is one bar
        edges.append(edges[-1] + step)
    return Period(
        name=name,
        edges=[edge.astimezone(UTC) for edge in edges],
        step=step,
        from_day=since.date(),
        to_day=(until - timedelta(seconds=1)).date(),
        now=now,
    )


def _date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None
