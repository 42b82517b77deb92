"""What a watch will use up, told before it is saved: calls a day beside quotas, dollars a month."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, runtime_checkable

from listener.collect.base import Poller, Position
from listener.errors import SourceError
from listener.net.budget import MONEY, Terms, priced
from listener.types import Collector, RawItem, SourceSpec, Watch

_DAY = timedelta(days=1)
_MONTH = 30.4
_ENOUGH = 5  # items with a time, to tell how many there are a day


@runtime_checkable
class Counting(Protocol):
    """A collector that can ask how much there is without reading it."""

    def volume(self, watch: Watch, *, now: datetime) -> float | None:
        """Items a day; None = it cannot be told. Raises SourceError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What one request of a watch uses up. ``by_item`` are the units of ``charge`` that are counted
    by item and not by request: there the charge is an upper bound.
    """

    charge: Mapping[str, int] = field(default_factory=lambda: {"calls": 1})
    by_item: frozenset[str] = frozenset()
    lanes: int = 1


def forecast(
    spec: SourceSpec,
    every: timedelta,
    asking: Asking,
    *,
    terms: Terms,
    volume: float | None = None,
    pages: float = 1.0,
) -> dict[str, Any]:
    """What a watch uses up a day and a month, beside what may be used.

    ``volume`` is items a day where that is known, ``pages`` requests a lane and run. Gives
    ``{"calls_a_day", "volume_a_day", "usd_a_month", "usd_a_month_at_most", "limits": [{"unit",
    "per", "expected", "limit", "own", "fits"}], "fits", "words": {"ko", "en"}}``; what is not known
    is None. Where money depends on how much is found and that is not known, only the upper bound
    is given.
    """
    runs = _DAY / every
    requests = runs * max(asking.lanes, 1) * pages
    most = {unit: amount * requests for unit, amount in asking.charge.items()}
    if volume is not None:
        # A busy word needs further pages; each item is read once.
        size = max((asking.charge[unit] for unit in asking.by_item), default=0)
        further = max(volume / size - requests, 0) if size else 0
        requests += further
        most = {unit: amount * requests for unit, amount in asking.charge.items()}
    expected: dict[str, float | None] = {
        unit: (None if volume is None else min(volume, amount))
        if unit in asking.by_item
        else amount
        for unit, amount in most.items()
    }
    if spec.prices:
        expected[MONEY] = _cost(spec, expected)
        most[MONEY] = _cost(spec, most) or 0.0
    limits = [
        {
            "unit": "usd" if cap.unit == MONEY else cap.unit,
            "per": cap.per,
            "expected": _rounded(_per(expected[cap.unit], cap.per), cap.unit),
            "limit": cap.amount / 1e6 if cap.unit == MONEY else cap.amount,
            "own": cap.own,
            "fits": _fits(_per(expected[cap.unit], cap.per), cap.amount),
        }
        for cap in terms.caps
        if cap.amount is not None and cap.unit in expected
    ]
    usd = _rounded(_per(expected.get(MONEY), "month"), MONEY)
    usd_most = _rounded(_per(most.get(MONEY), "month"), MONEY)
    told: dict[str, Any] = {
        "calls_a_day": math.ceil(requests),
        "volume_a_day": None if volume is None else round(volume, 1),
        "usd_a_month": usd if spec.prices else 0.0,
        "usd_a_month_at_most": usd_most if spec.prices else 0.0,
        "limits": limits,
        "fits": all(one["fits"] is not False for one in limits),
    }
    return told | {"words": {"ko": _korean(told), "en": _english(told)}}


def asking_of(collector: Collector, watch: Watch, now: datetime) -> Asking:
    """What one request of this watch uses up. Raises InvalidInput for its parameters."""
    if not isinstance(collector, Poller):
        return Asking()
    lanes = collector.lanes(watch)
    at = Position(now=now, lane=lanes[0] if lanes else "")
    request = collector.request(watch, at)
    by_item = frozenset(request.charge) - {"calls"} if request.settle else frozenset()
    return Asking(charge=dict(request.charge), by_item=by_item, lanes=len(lanes) or 1)


def volume_of(
    collector: Collector, watch: Watch, items: Sequence[RawItem], now: datetime
) -> float | None:
    """Items a day: by asking the source where it tells, else by the times on the first page."""
    if isinstance(collector, Counting):
        try:
            return collector.volume(watch, now=now)
        except SourceError:
            pass  # a forecast without it is better than none
    times = sorted(item.published_at for item in items if item.published_at is not None)
    if len(times) < _ENOUGH or now <= times[0]:
        return None
    return len(times) / max((now - times[0]) / _DAY, 1e-3)


def _cost(spec: SourceSpec, units: Mapping[str, float | None]) -> float | None:
    """Micro dollars a day; None when a unit that costs is not known."""
    costs = [one for one in spec.prices if one.unit in units]
    if any(units[one.unit] is None for one in costs):
        return None
    scaled = {one.unit: round((units[one.unit] or 0) * 1_000) for one in costs}
    return priced(scaled, costs).get(MONEY, 0) / 1_000


def _per(amount_a_day: float | None, per: str) -> float | None:
    if amount_a_day is None:
        return None
    return amount_a_day * (_MONTH if per == "month" else 1)


def _fits(expected: float | None, limit: int) -> bool | None:
    return None if expected is None else expected <= limit


def _rounded(amount: float | None, unit: str) -> float | None:
    if amount is None:
        return None
    return round(amount / 1e6, 2) if unit == MONEY else math.ceil(amount)


_UNITS_KO = {"calls": "요청", "post": "게시물", "user": "계정", "search": "검색"}


def _korean(told: Mapping[str, Any]) -> str:
    lines = [f"하루에 약 {told['calls_a_day']:,}번 요청합니다."]
    if told["volume_a_day"] is not None:
        lines.append(f"글은 하루에 약 {told['volume_a_day']:,.0f}건입니다.")
    if told["usd_a_month"]:
        lines.append(f"지금 속도라면 한 달에 약 ${told['usd_a_month']:,.2f}가 듭니다.")
    elif told["usd_a_month"] is None:
        lines.append(
            "비용은 읽는 글의 수에 달려 있습니다."
            f" 많아야 한 달에 ${told['usd_a_month_at_most']:,.2f}입니다."
        )
    for one in told["limits"]:
        whose = "정해 둔 예산" if one["own"] else "원본의 한도"
        span = "한 달" if one["per"] == "month" else "하루"
        amount = _amount(one, _UNITS_KO)
        if one["fits"] is False:
            lines.append(
                f"{span} {whose}({amount})를 넘습니다. 수집 간격을 늘리거나 검색을 좁히세요."
                " 넘으면 멈추고, 빠진 시간으로 표시합니다."
            )
        elif one["fits"] and one["limit"]:
            lines.append(f"{span} {whose}({amount})의 {one['expected'] / one['limit']:.0%}입니다.")
    return " ".join(lines)


def _english(told: Mapping[str, Any]) -> str:
    lines = [f"It makes about {told['calls_a_day']:,} requests a day."]
    if told["volume_a_day"] is not None:
        lines.append(f"There are about {told['volume_a_day']:,.0f} items a day.")
    if told["usd_a_month"]:
        lines.append(f"At this rate it costs about ${told['usd_a_month']:,.2f} a month.")
    elif told["usd_a_month"] is None:
        lines.append(
            "What it costs depends on how much there is to read:"
            f" ${told['usd_a_month_at_most']:,.2f} a month at most."
        )
    for one in told["limits"]:
        whose = "your budget" if one["own"] else "the source's quota"
        amount = _amount(one, {})
        if one["fits"] is False:
            lines.append(
                f"That is more than {whose} ({amount} a {one['per']}): collect less often, or ask"
                " for less. Where it is used up, collecting stops and the time is shown as missing."
            )
        elif one["fits"] and one["limit"]:
            share = one["expected"] / one["limit"]
            lines.append(f"That is {share:.0%} of {whose} ({amount} a {one['per']}).")
    return " ".join(lines)


def _amount(one: Mapping[str, Any], names: Mapping[str, str]) -> str:
    if one["unit"] == "usd":
        return f"${one['limit']:,.2f}"
    if names:
        return f"{names.get(one['unit'], one['unit'])} {one['limit']:,}"
    return f"{one['limit']:,} {one['unit']}"
