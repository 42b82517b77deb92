"""Korean and English: texts stand in pairs where they are used, numbers and times are told here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from listener.alert.sentences import rarity

LANGUAGES = {"ko": "한국어", "en": "English"}
MONTH = timedelta(days=30)
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_WEEKDAYS = {"ko": "월화수목금토일", "en": "Mon Tue Wed Thu Fri Sat Sun".split()}


@dataclass(frozen=True, slots=True)
class Speaker:
    """Says things in one language and one time zone."""

    language: str
    tz: ZoneInfo
    now: datetime

    def __call__(self, ko: str, en: str, **values: object) -> str:
        """The text of this language, its ``{names}`` filled in. Plain text, never markup."""
        text = ko if self.language == "ko" else en
        return text.format(**values) if values else text

    # --- numbers ---------------------------------------------------------------------------------

    def number(self, value: float | None, digits: int = 0) -> str:
        """12,345 or 12.3; a dash for what is not known."""
        return "–" if value is None else f"{value:z,.{digits}f}"  # z: never -0.00

    def about(self, value: float) -> str:
        """With a digit after the point only where it matters."""
        return f"{value:,.1f}" if abs(value) < 9.95 and value % 1 else f"{value:,.0f}"

    def percent(self, share: float | None) -> str:
        """A share of 0..1 as 12%; one digit more below 1%, and 100% only where it is all."""
        if share is None:
            return "–"
        if 0.995 <= share < 1:
            return ">99%"
        return f"{share:.1%}" if 0 < abs(share) < 0.01 else f"{share:.0%}"

    def count(self, value: float, ko: str = "건", one: str = "mention", many: str = "") -> str:
        """12건, 12 mentions."""
        if self.language == "ko":
            return f"{self.about(value)}{ko}"
        return f"{self.about(value)} {one if value == 1 else many or one + 's'}"

    def usual(self, expected: float) -> str:
        """What was to be expected, in mentions."""
        if expected < 0.5:
            return self("거의 없음", "hardly any")
        return self.count(expected)

    def writer(self, author: str) -> str:
        """A pseudonym, short enough to tell two apart; a name as it is."""
        if author.startswith("a_") and len(author) > 14:
            return self("익명 {x}", "anonymous {x}", x=author[2:8])
        return author

    # --- times -----------------------------------------------------------------------------------

    def local(self, at: datetime) -> datetime:
        """The wall clock of the workspace."""
        return at.astimezone(self.tz)

    def day(self, at: datetime | date, *, weekday: bool = False) -> str:
        """11월 21일 or 21 Nov; with the year where it is not this one."""
        when = self.local(at).date() if isinstance(at, datetime) else at
        name = _WEEKDAYS[self.language][when.weekday()]
        this_year = when.year == self.local(self.now).year
        if self.language == "ko":
            year = "" if this_year else f"{when.year}년 "
            return f"{year}{when.month}월 {when.day}일" + (f"({name})" if weekday else "")
        year = "" if this_year else f" {when.year}"
        return (f"{name} " if weekday else "") + f"{when.day} {_MONTHS[when.month - 1]}{year}"

    def clock(self, at: datetime) -> str:
        """21:55."""
        return f"{self.local(at):%H:%M}"

    def when(self, at: datetime | None) -> str:
        """Day and time."""
        return "–" if at is None else f"{self.day(at)} {self.clock(at)}"

    def until(self, start: datetime, end: datetime) -> str:
        """An interval, the day said once where it is the same."""
        if self.local(start).date() == self.local(end).date():
            return f"{self.when(start)}–{self.clock(end)}"
        return f"{self.when(start)} – {self.when(end)}"

    def iso(self, at: datetime) -> str:
        """For ``<time datetime>`` and for addresses."""
        return at.isoformat(timespec="seconds").replace("+00:00", "Z")

    def ago(self, at: datetime | None) -> str:
        """3분 전, 3 min ago; or how far ahead it lies."""
        if at is None:
            return "–"
        passed = self.now - at
        if passed < timedelta(0):
            ahead = self.length(-passed)
            return self("{x} 후", "in {x}", x=ahead)
        if passed < timedelta(seconds=45):
            return self("방금", "just now")
        return self("{x} 전", "{x} ago", x=self.length(passed))

    def length(self, span: timedelta) -> str:
        """The largest unit that fits: 45초, 3분, 5시간, 2일 …"""
        seconds = span.total_seconds()
        for size, ko, one, many in (
            (365 * 86400, "년", "year", "years"),
            (60 * 86400, "개월", "month", "months"),
            (2 * 86400, "일", "day", "days"),
            (5400, "시간", "hour", "hours"),
            (90, "분", "min", "min"),
            (0, "초", "s", "s"),
        ):
            if seconds >= size:
                unit = {"개월": 30 * 86400, "일": 86400, "시간": 3600, "분": 60, "초": 1}.get(
                    ko, 365 * 86400
                )
                n = round(seconds / unit)
                return f"{n}{ko}" if self.language == "ko" else f"{n} {one if n == 1 else many}"
        return ""

    def rarity(self, score: float) -> str:
        """How rare a score is, in words: it is -log10 of how many are expected in 30 days."""
        return rarity(score, self.language)
