"""What the words of alerts are made of: numbers, times, rarity, and the spike to tell of. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final, TypeAlias

from listener.alert.message import series_name
from listener.types import By

Named: TypeAlias = Callable[[str, str], str]  # (code, "ko" or "en") -> what it is called

MOST_YEARS: Final = 10  # nobody has watched a series for longer: beyond, no number is honest
_MONTH_NAMES: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a sentence. ``narrow`` = the mentions that it counts: parameters of the mention
    filter on top of the spike's own (None = it counts none); an empty value takes one away.
    ``spike``, ``mention`` and ``brand`` are ids.
    """

    text: str
    narrow: Mapping[str, str] | None = None
    spike: int | None = None
    brand: int | None = None
    mention: int | None = None


Sentence: TypeAlias = tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A spike as it is told. ``observed`` of [onset_at, until) are counted ``by`` posts, stories or
    authors, with ``expected`` and the band in which nineteen of twenty such counts lie. ``told`` is
    its explanation (``detect.explain.Explanation`` as JSON).
    """

    brand: str
    dimension: str
    by: str
    onset_at: datetime
    until: datetime
    is_open: bool
    observed: float
    expected: float
    low: float | None
    high: float | None
    score: float
    trend: bool = False
    competitor: bool = False
    told: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        row: Any,
        brand: str,
        *,
        now: datetime,
        competitor: bool = False,
        told: Mapping[str, Any] | None = None,
    ) -> Subject:
        """The spike of a ``SpikeRow`` with its stored explanation, or another one ``told``."""
        told = told or row.explanation or {}
        return cls(
            brand=brand,
            dimension=row.dimension,
            by=row.by or By.POSTS,
            onset_at=row.onset_at,
            until=row.resolved_at or now,
            is_open=row.state == "open",
            observed=_first(told.get("observed"), row.observed),
            expected=_first(told.get("expected"), row.expected),
            low=told.get("low"),
            high=told.get("high"),
            score=row.score,
            trend=bool(row.trend),
            competitor=competitor,
            told=told,
        )


def _first(told: float | None, kept: float) -> float:
    return kept if told is None else told


def _as_it_is(code: str, language: str) -> str:
    return code


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """In which language and zone, and what codes are called."""

    language: str
    tz: tzinfo
    topic: Named = _as_it_is
    source: Named = _as_it_is

    @property
    def korean(self) -> bool:
        """Whether it is Korean."""
        return self.language == "ko"

    def series(self, dimension: str) -> str:
        """What a series counts."""
        return series_name(dimension, self.language, self.topic)

    def say(self, ko: str, en: str) -> str:
        """The one of both."""
        return ko if self.korean else en


def plain(sentence: Sentence) -> str:
    """The words alone."""
    return "".join(piece.text for piece in sentence)


# --- numbers, times ------------------------------------------------------------------------------


def number(value: float) -> str:
    """With a digit after the point only where it matters."""
    return f"{value:,.1f}" if abs(value) < 9.95 and round(value, 1) % 1 else f"{value:,.0f}"


def percent(share: float) -> str:
    """A share of 0..1; 100% only where it is all."""
    if 0.995 <= share < 1:
        return ">99%"
    return f"{share:.1%}" if 0 < share < 0.01 else f"{share:.0%}"


def count(value: float, speech: Speech, by: str = By.POSTS) -> str:
    """37건, 12명; 37 mentions, 12 people."""
    people = by == By.AUTHORS
    if speech.korean:
        return f"{number(value)}{'명' if people else '건'}"
    one, many = ("person", "people") if people else ("mention", "mentions")
    return f"{number(value)} {one if number(value) == '1' else many}"


def when(at: datetime, speech: Speech) -> str:
    """11월 21일 14:05, 21 Nov 14:05."""
    local = at.astimezone(speech.tz)
    day = (
        f"{local.month}월 {local.day}일"
        if speech.korean
        else f"{local.day} {_MONTH_NAMES[local.month - 1]}"
    )
    return f"{day} {local:%H:%M}"


_SIZES: Final = (
    (2 * 86400, 86400, "일", "day", "days"),
    (5400, 3600, "시간", "hour", "hours"),
    (90, 60, "분", "minute", "minutes"),
    (0, 1, "초", "second", "seconds"),
)


def length(span: timedelta, speech: Speech) -> str:
    """5시간, 5 hours."""
    seconds = max(span.total_seconds(), 0)
    unit, ko, one, many = next(size[1:] for size in _SIZES if seconds >= size[0])
    n = round(seconds / unit)
    return f"{n}{ko}" if speech.korean else f"{n} {one if n == 1 else many}"


def rarity(score: float, language: str) -> str:
    """How rare a score is: it is -log10 of how many are expected in 30 days by chance.

    Beyond ten years nothing is claimed: the tail is an extrapolation from weeks of counts.
    """
    korean = language == "ko"
    months: float = 10.0 ** min(score, 4.0)
    years = months / (365.25 / 30)
    if years >= MOST_YEARS:
        ko, en = f"{MOST_YEARS}년에 한 번도 드묾", f"rarer than once in {MOST_YEARS} years"
        return ko if korean else en
    return often(months, years, korean)


def often(months: float, years: float, korean: bool) -> str:
    """Once in so many months or years."""
    if months < 0.8:
        times = round(1 / months)
        return f"한 달에 {times}번쯤" if korean else f"about {times} times a month"
    if months < 1.5:
        return "한 달에 한 번쯤" if korean else "about once a month"
    if round(months) < 12 and years < 0.95:
        n = round(months)
        return f"{n}개월에 한 번쯤" if korean else f"about once in {n} months"
    if years < 1.5:
        return "1년에 한 번쯤" if korean else "about once a year"
    return f"{years:.0f}년에 한 번쯤" if korean else f"about once in {years:.0f} years"
