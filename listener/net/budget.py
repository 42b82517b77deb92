"""What a purse may spend in a day or a month, in units and in money: told before the network is
asked.

A purse is one source on one connection. Its caps are the source's quotas and the connection's own
budget; the ``Ledger`` that counts against them lives in the store, so that all processes spend from
the same purse. What is here is pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from listener.errors import BudgetExhausted
from listener.types import Price, SourceSpec

MONEY = "micro_usd"
"""The unit of money: millionths of a US dollar."""

_SOON = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """At most ``amount`` of ``unit`` in each period; None = only counted.

    ``own`` tells a budget that the user set from a quota that the source grants.
    """

    unit: str
    amount: int | None
    per: str  # day | month
    zone: str
    own: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """All that holds for a purse; ``title`` is the source's, for messages."""

    caps: tuple[Cap, ...]
    prices: tuple[Price, ...] = ()
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one request takes from one count of a purse, and the caps on that count."""

    unit: str
    per: str
    starts_at: datetime
    ends_at: datetime
    need: int
    caps: tuple[Cap, ...]


@dataclass(frozen=True, slots=True)
class Spent:
    """What a count stands at. ``background`` is the part that back-fills took; ``held`` is charged
    at its upper bound and may come back.
    """

    amount: int = 0
    background: int = 0
    held: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What was charged, for settling."""

    purse: str
    lines: tuple[Line, ...]
    prices: tuple[Price, ...]
    background: bool
    held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """How much of a cap is used in the period that now runs."""

    cap: Cap
    used: int
    starts_at: datetime
    ends_at: datetime

    @property
    def left(self) -> int | None:
        """What is left; None = no cap."""
        return None if self.cap.amount is None else max(self.cap.amount - self.used, 0)


TermsOf = Callable[[str], Terms]
"""What holds for a purse. Raises ConfigError for a budget that is no number."""


class Ledger(Protocol):
    """Counts what purses spend. Every call is atomic over all users of the ledger."""

    def spend(
        self,
        purse: str,
        charge: Mapping[str, int],
        *,
        now: datetime,
        background: bool = False,
        held: bool = False,
    ) -> Receipt:
        """Charge a request before it is made. Raises BudgetExhausted; nothing is charged then."""
        ...

    def settle(self, receipt: Receipt, used: Mapping[str, int]) -> None:
        """Give back what the request did not use up after all."""
        ...

    def room(
        self, purse: str, each: Mapping[str, int], *, now: datetime, background: bool = False
    ) -> int | None:
        """How many times ``each`` can still be charged; None = no cap says anything."""
        ...


def terms(
    spec: SourceSpec, *, calls: int | None, micro_usd: int | None, zone: str, name: str = ""
) -> Terms:
    """The caps of a connection: the source's quotas, calls a day, and money a month where reading
    costs. Calls and money are counted even where nothing caps them.
    """
    quotas = tuple(
        Cap(unit=one.unit, amount=one.amount, per=one.per, zone=one.zone) for one in spec.quotas
    )
    own = [Cap(unit="calls", amount=calls, per="day", zone=zone, own=True)]
    if spec.prices:
        own.append(Cap(unit=MONEY, amount=micro_usd, per="month", zone=zone, own=True))
    title = f"{spec.title} ({name})" if name else spec.title
    return Terms(caps=(*quotas, *own), prices=spec.prices, title=title)


def period(per: str, zone: str, now: datetime) -> tuple[datetime, datetime]:
    """The day or month that ``now`` lies in, by the wall clock of ``zone``: [from, to) in UTC."""
    tz = ZoneInfo(zone)
    day = now.astimezone(tz).date()
    if per == "month":
        day = day.replace(day=1)
        after = (day + timedelta(days=32)).replace(day=1)
    else:
        after = day + timedelta(days=1)
    start, end = (datetime.combine(one, time(), tz).astimezone(UTC) for one in (day, after))
    return start, end


def priced(charge: Mapping[str, int], prices: Iterable[Price]) -> dict[str, int]:
    """The charge with what it costs in money."""
    cost = sum(one.micro_usd * charge.get(one.unit, 0) for one in prices)
    return {**charge, MONEY: cost} if cost else dict(charge)


def lines(terms: Terms, charge: Mapping[str, int], now: datetime) -> tuple[Line, ...]:
    """What a charge takes from which counts, in a fixed order (so that rows are locked alike)."""
    needs = priced(charge, terms.prices)
    found: dict[tuple[str, str, datetime], list[Cap]] = {}
    ends: dict[tuple[str, str, datetime], datetime] = {}
    for cap in terms.caps:
        start, end = period(cap.per, cap.zone, now)
        key = (cap.unit, cap.per, start)
        found.setdefault(key, []).append(cap)
        ends[key] = end
    return tuple(
        Line(
            unit=unit,
            per=per,
            starts_at=start,
            ends_at=ends[unit, per, start],
            need=needs[unit],
            caps=tuple(caps),
        )
        for (unit, per, start), caps in sorted(found.items())
        if needs.get(unit, 0) > 0
    )


def allowed(cap: Cap, spent: Spent, *, background: bool) -> int | None:
    """How much may still be spent; None = without end.

    Back-fills take in all no more than half of what live collection leaves them.
    """
    if cap.amount is None:
        return None
    left = cap.amount - spent.amount
    if background:
        live = spent.amount - spent.background
        left = min(left, (cap.amount - live) // 2 - spent.background)
    return max(left, 0)


def refusal(
    terms: Terms, line: Line, spent: Spent, *, background: bool, now: datetime
) -> BudgetExhausted | None:
    """Why a line cannot be charged, in words; None when it can."""
    for cap in line.caps:
        may = allowed(cap, spent, background=background)
        if may is None or line.need <= may:
            continue
        settled = Spent(spent.amount - spent.held, spent.background, 0)
        coming_back = allowed(cap, settled, background=background) or 0
        # Requests under way were charged for the most they may bring: what they leave comes back.
        retry_at = min(now + _SOON, line.ends_at) if line.need <= coming_back else line.ends_at
        return BudgetExhausted(
            f"{_whose(terms, cap)} of {shown(cap.unit, cap.amount or 0)} a {cap.per} is used up"
            f"{' as far as back-fills may use it' if background else ''};"
            f" it begins anew at {line.ends_at:%Y-%m-%d %H:%M} UTC.",
            hint="Raise the connection's budget, or collect less often."
            if cap.own
            else "Collect less often, or spread watches over several connections.",
            retry_at=retry_at,
        )
    return None


def shown(unit: str, amount: int) -> str:
    """An amount in words: "$12.50", "25,000 calls"."""
    return f"${amount / 1e6:,.2f}" if unit == MONEY else f"{amount:,} {unit}"


def changes(receipt: Receipt, used: Mapping[str, int]) -> Sequence[tuple[Line, int]]:
    """How far each line of a receipt was off: negative = comes back."""
    real = priced(used, receipt.prices)
    return [(line, real.get(line.unit, 0) - line.need) for line in receipt.lines]


def _whose(terms: Terms, cap: Cap) -> str:
    return f"The budget for {terms.title}" if cap.own else f"The quota of {terms.title}"
