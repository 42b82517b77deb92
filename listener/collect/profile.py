"""What the runs of a watch usually bring, and when one brings too little to be believed. Pure.

A site that changes its layout often answers with a page on which nothing is found, or nothing but
a rating: no error, and a zero that is none. A watch therefore keeps a small profile of its own
past, and a run is judged by it before it is learnt. Three things are suspect:

* **Empty readings**: so many runs in a row read no item at all as this watch never had. With a
  share ``p`` of empty runs, ``k`` in a row by chance have the probability ``p**k`` (geometric).
* **No news**: no new item for longer than the usual quiet. The longest quiet of each day with news
  (block maxima: nights and weekends are in there) is fitted by a Gumbel distribution, method of
  moments, and the length is judged that a day exceeds with probability ``DAILY``.
* **Empty fields**: a field that a share ``f`` of items used to have (author, date, rating, address,
  a text of some length) is missing in ``FIELD_ITEMS`` different items in a row, by chance
  ``(1 - f)**FIELD_ITEMS``.

Time counts only while the watch is collected: an outage, ours or the source's, is no quiet.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from listener.types import RawItem

DAILY = 1e-5
"""How likely a false alarm for want of news is to be, a watch and day, for a Gumbel tail."""

EMPTY = 1e-4
"""As unlikely a row of empty readings must be."""

MEMORY_DAYS = 42
"""Days whose longest quiet is kept: six weeks hold six weekends and most holidays."""

RARE = 0.01
"""Where more readings than this are empty, as with a search for what is new, that is no news and
judged as such: empty readings come in nights and are not independent.
"""

LEAST_DAYS = 14
"""Days with news before their want is judged: two weekends."""

LEAST_RUNS = 50
"""Readings before an empty one is judged."""

FIELD_ITEMS = 20
"""Different items in a row without a field that makes it suspect; with f = 0.5 by chance 1e-6."""

_USUAL = 0.5  # a field that half of the items have
_RUN_WEIGHT = 1 / 500  # of one run in the averages, once there were that many
_ITEM_WEIGHT = 1 / 500
_FAULT = 2.0  # empty readings that are learnt of a row that was suspect
_SHORT = 10  # a text this many times shorter than usual is none
_BETA = math.sqrt(6) / math.pi  # scale of a Gumbel distribution by its standard deviation
_EULER = 0.5772156649
_BEYOND = 2.5  # times the longest ever: where items come in bursts the tail is heavier
_HOUR = timedelta(hours=1)

FIELDS = ("author", "published_at", "rating", "url", "text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """Lengths of quiet: of the one going on, and the longest of each past day that ended one."""

    length: float = 0.0  # so far
    day: int = 0  # the day of ``top``, counted from year 1
    top: float = 0.0  # the longest that ended on that day
    tops: tuple[float, ...] = ()  # of the days before, oldest first

    def goes_on(self, by: float) -> Quiet:
        """Longer by that much."""
        return replace(self, length=self.length + by)

    def ends(self, day: int, most: float = math.inf) -> Quiet:
        """Something came. No more than ``most`` of the length is learnt."""
        length = min(self.length, most)
        if day == self.day:
            return replace(self, length=0.0, top=max(self.top, length))
        tops = (*self.tops, self.top)[-MEMORY_DAYS:] if self.day else self.tops
        return Quiet(day=day, top=length, tops=tops)

    def limit(self, chance: float) -> float:
        """The length that a day exceeds with that chance, at least 2.5 times the longest known.

        Gumbel with mean and variance of the daily longest (Coles 2001, section 3.1); the standard
        deviation counts as a fifth of the mean at least.
        """
        known = (*self.tops, self.top)
        mean = sum(known) / len(known)
        spread = math.sqrt(sum((one - mean) ** 2 for one in known) / len(known))
        beta = _BETA * max(spread, mean / 5)
        return max(
            mean - _EULER * beta - beta * math.log(-math.log1p(-chance)), _BEYOND * max(known)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What the runs of a watch usually bring; averages weigh the last some hundred most."""

    at: datetime | None = None  # of the last successful run
    runs: int = 0
    items: float = 0.0  # a run
    news: float = 0.0  # new items a day
    empty: float = 0.0  # share of readings without an item
    read: int = 0  # items in all
    length: float = 0.0  # characters a text
    filled: Mapping[str, float] = field(default_factory=dict)  # share of items by field
    blank: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # in a row, as fingerprints
    reading: Quiet = Quiet()  # runs that read nothing
    quiet: Quiet = Quiet()  # hours without a new item


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a successful run brought. ``unchanged``: the source said so, nothing was read."""

    at: datetime
    every: timedelta
    items: int = 0
    new: int = 0
    unchanged: bool = False


class Tally:
    """Counts what a run brings, batch by batch, beside what its watch usually does."""

    def __init__(self, usual: Profile) -> None:
        self.usual = usual
        self._items = 0
        self._new = 0
        self._unchanged = True
        self._length = usual.length
        self._filled = dict(usual.filled)
        self._blank = {name: dict.fromkeys(row) for name, row in usual.blank.items()}

    def add(self, items: Iterable[RawItem], *, new: int, unchanged: bool) -> None:
        """Count a batch, of which so many were new."""
        self._new += new
        self._unchanged = self._unchanged and unchanged
        for item in items:
            if not item.deleted:
                self._add(item)

    def end(self, at: datetime, every: timedelta) -> tuple[Profile, str | None]:
        """The profile with this run, and why the run is suspect if it is.

        What is suspect is not learnt: the usual stays what it was until the trouble is over.
        """
        usual = self.usual
        run = Run(at=at, every=every, items=self._items, new=self._new, unchanged=self._unchanged)
        seen = replace(
            usual,
            at=at,
            blank={name: tuple(row) for name, row in self._blank.items()},
            quiet=_quiet(usual, run),
            reading=_reading(usual, run),
        )
        reason = _suspect(usual, seen)
        if reason is not None or run.unchanged:
            return seen, reason
        return self._learnt(seen, run), None

    def _add(self, item: RawItem) -> None:
        self._items += 1
        weight = max(1 / (self.usual.read + self._items), _ITEM_WEIGHT)
        for name, has in _has(item, self.usual.length).items():
            self._filled[name] = _toward(self._filled.get(name, 0.0), float(has), weight)
            if has:
                self._blank.pop(name, None)
            elif self.usual.filled.get(name, 0.0) >= _USUAL:
                # Told apart, since a page is read again and again: twenty readings of one item
                # are no twenty items.
                row = self._blank.setdefault(name, {})
                if len(row) < FIELD_ITEMS:
                    row[_fingerprint(item)] = None
        self._length = _toward(self._length, len(item.text), weight)

    def _learnt(self, seen: Profile, run: Run) -> Profile:
        usual = self.usual
        weight = max(1 / (usual.runs + 1), _RUN_WEIGHT)
        passed = _active(usual, run)
        return replace(
            seen,
            runs=usual.runs + 1,
            items=_toward(usual.items, run.items, weight),
            empty=_empty(usual, run, weight),
            news=_toward(usual.news, run.new * 24 / passed, weight) if passed else usual.news,
            read=usual.read + run.items,
            length=self._length,
            filled=self._filled,
        )


# --- judging -------------------------------------------------------------------------------------


def _suspect(usual: Profile, seen: Profile) -> str | None:
    if (runs := _too_many_empty(usual, seen)) is not None:
        words = "This run" if runs == 1 else f"The last {runs} runs"
        return (
            f"{words} read nothing, where a run used to read {usual.items:.0f} items:"
            " the page may have changed."
        )
    gone = [name for name in FIELDS if _is_gone(usual, name, seen.blank.get(name, ()))]
    if gone:
        shares = ", ".join(f"{_NAMES[name]} {usual.filled[name]:.0%}" for name in gone)
        return (
            f"The last {FIELD_ITEMS} items lack what items used to have ({shares}):"
            " the page may have changed."
        )
    if (limit := _too_quiet(usual, seen)) is not None:
        longest = max(*usual.quiet.tops, usual.quiet.top)
        return (
            f"Nothing new for {_long(seen.quiet.length)}, where the longest quiet used to be"
            f" {_long(longest)} (suspect from {_long(limit)})."
        )
    return None


def _too_many_empty(usual: Profile, seen: Profile) -> int | None:
    """How many empty readings in a row, where that is too many."""
    row = seen.reading.length
    if not row or usual.runs < LEAST_RUNS:
        return None
    # The rule of succession: one empty run more than was seen, of those that are remembered.
    runs = min(usual.runs, round(1 / _RUN_WEIGHT))
    share = (usual.empty * runs + 1) / (runs + 2)
    if usual.empty > RARE or row * math.log(share) > math.log(EMPTY):
        return None
    return round(row) if row > usual.reading.limit(DAILY) else None


def _too_quiet(usual: Profile, seen: Profile) -> float | None:
    """The limit, where it has been quiet for longer."""
    if len(usual.quiet.tops) < LEAST_DAYS:
        return None
    limit = usual.quiet.limit(DAILY)
    return limit if seen.quiet.length > limit else None


def _is_gone(usual: Profile, name: str, blank: Sequence[str]) -> bool:
    return (
        usual.read >= 2 * FIELD_ITEMS
        and usual.filled.get(name, 0.0) >= _USUAL
        and len(blank) >= FIELD_ITEMS
    )


_NAMES = {
    "author": "an author",
    "published_at": "a date",
    "rating": "a rating",
    "url": "an address",
    "text": "a text of usual length",
}


def _long(hours: float) -> str:
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours"


# --- learning ------------------------------------------------------------------------------------


def _has(item: RawItem, usual_length: float) -> dict[str, bool]:
    author = item.author
    return {
        "author": author is not None and bool(author.native_id or author.handle or author.name),
        "published_at": item.published_at is not None,
        "rating": item.rating is not None,
        "url": bool(item.url),
        "text": len(item.text) >= max(1.0, usual_length / _SHORT),
    }


def _fingerprint(item: RawItem) -> str:
    identity = f"{item.namespace}|{item.external_id}".encode()
    return blake2b(identity, digest_size=4).hexdigest()


def _reading(before: Profile, run: Run) -> Quiet:
    if run.unchanged:
        return before.reading  # the page stands as it stood: that tells nothing of reading it
    if not run.items:
        return before.reading.goes_on(1.0)
    # A row that was suspect was a fault, and little of it is usual.
    most = math.inf if _too_many_empty(before, before) is None else _FAULT
    return before.reading.ends(run.at.toordinal(), most)


def _empty(before: Profile, run: Run, weight: float) -> float:
    """The share of empty readings; those of a row are learnt when it is over."""
    if not run.items:
        return before.empty
    row = before.reading.length
    row = min(row, _FAULT) if _too_many_empty(before, before) else row
    return float((1.0 - (1.0 - before.empty) * (1.0 - weight) ** row) * (1.0 - weight))


def _quiet(before: Profile, run: Run) -> Quiet:
    longer = before.quiet.goes_on(_active(before, run))
    if not run.new:
        return longer
    # Whether a suspect quiet was a fault or a holiday, nobody told: it is learnt up to the limit.
    limit = _too_quiet(before, before)
    return longer.ends(run.at.toordinal(), math.inf if limit is None else limit)


def _active(before: Profile, run: Run) -> float:
    """Hours since the last run in which the watch was collected."""
    if before.at is None:
        return 0.0
    return max(min(run.at - before.at, 2 * run.every) / _HOUR, 0.0)


def _toward(old: float, value: float, weight: float) -> float:
    return old + (value - old) * weight


# --- as JSON -------------------------------------------------------------------------------------


def load(stored: Mapping[str, Any]) -> Profile:
    """Read a stored profile; one that cannot be read begins anew."""
    try:
        return Profile(
            at=datetime.fromisoformat(stored["at"]) if stored.get("at") else None,
            runs=int(stored.get("runs", 0)),
            items=float(stored.get("items", 0.0)),
            news=float(stored.get("news", 0.0)),
            empty=float(stored.get("empty", 0.0)),
            read=int(stored.get("read", 0)),
            length=float(stored.get("length", 0.0)),
            filled={str(name): float(share) for name, share in stored.get("filled", {}).items()},
            blank={str(name): tuple(row) for name, row in stored.get("blank", {}).items()},
            reading=_load_quiet(stored.get("reading", {})),
            quiet=_load_quiet(stored.get("quiet", {})),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return Profile()


def dump(profile: Profile) -> dict[str, Any]:
    """The profile as plain JSON."""
    return {
        "at": profile.at.isoformat() if profile.at else None,
        "runs": profile.runs,
        "items": round(profile.items, 3),
        "news": round(profile.news, 3),
        "empty": round(profile.empty, 6),
        "read": profile.read,
        "length": round(profile.length, 1),
        "filled": {name: round(share, 4) for name, share in profile.filled.items()},
        "blank": {name: list(row) for name, row in profile.blank.items() if row},
        "reading": _dump_quiet(profile.reading),
        "quiet": _dump_quiet(profile.quiet),
    }


def _load_quiet(stored: Mapping[str, Any]) -> Quiet:
    return Quiet(
        length=float(stored.get("length", 0.0)),
        day=int(stored.get("day", 0)),
        top=float(stored.get("top", 0.0)),
        tops=tuple(float(one) for one in stored.get("tops", ())),
    )


def _dump_quiet(quiet: Quiet) -> dict[str, Any]:
    return {
        "length": round(quiet.length, 2),
        "day": quiet.day,
        "top": round(quiet.top, 2),
        "tops": [round(one, 2) for one in quiet.tops],
    }
