"""What is known of a day beforehand: public holidays, and events that the user has planned.

A holiday is expected to be like a Sunday. A planned event multiplies what is expected, or takes its
time out of judgement altogether.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, tzinfo
from typing import NamedTuple

from listener.errors import InvalidInput
from listener.types import PlannedEvent


class Day(NamedTuple):
    """What the calendar says of a moment.

    ``name`` is that of the holiday, empty on other days. ``factor`` is how many times the usual is
    expected; None = whatever comes was planned: neither judged nor learnt.
    """

    holiday: bool
    name: str
    factor: float | None


USUAL = Day(False, "", 1.0)


class Calendar:
    """Holidays by local date, and planned events.

    ``tz`` is where the dates are dates; None takes the wall clock of a moment as it stands. Events
    are those of the brand at hand; where several overlap their factors multiply, and one without a
    factor (or with none above 0) wins.
    """

    __slots__ = ("_events", "_from", "_holidays", "_last", "_to", "tz")

    def __init__(
        self,
        holidays: Mapping[date, str] | None = None,
        events: Sequence[PlannedEvent] = (),
        tz: tzinfo | None = None,
    ) -> None:
        self.tz = tz
        self._holidays: Mapping[date, str] = {} if holidays is None else holidays
        self._events = sorted(events, key=lambda event: event.from_at)
        self._from = min((event.from_at for event in events), default=None)
        self._to = max((event.to_at for event in events), default=None)
        self._last: tuple[date, Day] = (date.min, USUAL)

    def at(self, moment: datetime) -> Day:
        """What is known of an aware ``moment``; of a bucket, its start counts."""
        local = moment if self.tz is None else moment.astimezone(self.tz)
        today = local.date()
        known, day = self._last
        if today != known:
            name = self._holidays.get(today)
            day = USUAL if name is None else Day(True, name, 1.0)
            self._last = today, day
        if self._from is None or self._to is None or not self._from <= moment < self._to:
            return day
        factor = self._factor(moment)
        return day if factor == 1.0 else Day(day.holiday, day.name, factor)

    def _factor(self, moment: datetime) -> float | None:
        factors = [e.factor for e in self._events if e.from_at <= moment < e.to_at]
        known = [factor for factor in factors if factor is not None and factor > 0]
        return math.prod(known) if len(known) == len(factors) else None


def holidays_of(
    country: str, years: Iterable[int] | None = None, *, language: str | None = None
) -> Mapping[date, str]:
    """Public holidays of a country (ISO 3166: "KR"), substitute ones too, by date; named in
    ``language`` ("ko", "en"), or where there are no such names in the language of that country.

    Without ``years`` the mapping finds those of a year when it is first asked for a day of it: use
    its ``get``. Raises InvalidInput for a country that is not known.
    """
    import holidays  # takes a quarter of a second, and most commands need none

    code = country.strip().upper()
    try:
        known = holidays.country_holidays(code)
        # Said outright: by default the names follow the language of the machine.
        names = next(
            (one for one in known.supported_languages or () if one.partition("_")[0] == language),
            known.default_language,
        )
        found = holidays.country_holidays(code, years=years, language=names)
    except NotImplementedError:
        raise InvalidInput(
            f"The holidays of {country[:20]!r} are not known.",
            field="holidays",
            hint="Give a country by its two letters, such as KR.",
        ) from None
    return found
