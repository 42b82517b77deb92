"""What a spike is, in sentences: numbers in, Korean and English out. Pure.

The page, messages, digests and the API say the same by it. A sentence is made of pieces, so that
each number can lead to the mentions behind it: a piece knows the filter that selects them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final, TypeAlias

from listener.alert.message import series_name
from listener.types import By

Named: TypeAlias = Callable[[str, str], str]  # (code, "ko" or "en") -> what it is called

WORTH_SAYING: Final = 0.25  # share of a driver that is told in words
LOUD: Final = 0.3  # share of one author that is told as a warning
MANY_COPIES: Final = 0.2  # share of copies that is told
HARDLY: Final = 0.5  # expected mentions below which no ratio makes sense
MOST_YEARS: Final = 10  # nobody has watched a series for longer: beyond, no number is honest

_PRODUCT: Final = ("상품", "the product")
_MONTH_NAMES: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a sentence. ``narrow`` = the mentions that it counts: parameters of the mention
    filter on top of the spike's own (None = it counts none). ``spike`` and ``brand`` are ids.
    """

    text: str
    narrow: Mapping[str, str] | None = None
    spike: int | None = None
    brand: int | None = None


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
    def of(cls, row: Any, brand: str, *, now: datetime, competitor: bool = False) -> Subject:
        """The spike of a ``SpikeRow`` with its stored explanation."""
        told = row.explanation or {}
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


# --- Korean particles ----------------------------------------------------------------------------

# Numbers as they are read: whether the last digit ends in a consonant, and in ㄹ.
_DIGITS: Final = {"0": "ㅇ", "1": "ㄹ", "3": "ㅁ", "6": "ㄱ", "7": "ㄹ", "8": "ㄹ"}
_LETTERS: Final = {"l": "ㄹ", "m": "ㅁ", "n": "ㄴ", "r": "ㄹ"}  # by name: 엘, 엠, 엔, 알
_ENDINGS: Final = dict(zip("lmnbckpt", "ㄹㅁㄴㅂㄱㄱㅂㅅ", strict=True))
_TAIL: Final = re.compile(r"[\s\"'”’)\]}>»」』.,!?…]+$")
_BATCHIM: Final = 28  # finals of a Hangul syllable, the first of which is none
_RIEUL: Final = 8


def final_of(word: str) -> str:
    """The consonant that the word ends in as it is read: "" = a vowel, "ㄹ", or another one."""
    bare = _TAIL.sub("", word)
    bare = re.sub(r"\([^()]*\)$", "", bare) or bare
    if not bare:
        return ""
    last = bare[-1]
    if "가" <= last <= "힣":
        place = (ord(last) - ord("가")) % _BATCHIM
        return "ㄹ" if place == _RIEUL else "ㅇ" if place else ""
    if last == "%":
        return ""  # 퍼센트
    if last.isdecimal():
        return _DIGITS.get(last, "")
    word_part = re.search(r"[A-Za-z]+$", bare)
    if word_part is None:
        return ""
    letters = word_part.group()
    if letters.isupper() or len(letters) == 1:
        return _LETTERS.get(letters[-1].lower(), "")
    if letters.lower().endswith("ng"):
        return "ㅇ"
    return _ENDINGS.get(letters[-1].lower(), "")


def particle(word: str, pair: str) -> str:
    """The particle of a pair that follows the word: 이/가, 은/는, 을/를, 과/와, 으로/로, 이라/라.

    The first is for a consonant, the second for a vowel; 으로/로 takes ㄹ for a vowel.
    """
    first, _, second = pair.partition("/")
    final = final_of(word)
    if pair.startswith("으로") and final == "ㄹ":
        return second
    return first if final else second


def with_particle(word: str, pair: str) -> str:
    """The word with its particle."""
    return word + particle(word, pair)


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
    if months < 0.8:
        times = round(1 / months)
        return f"한 달에 {times}번쯤" if korean else f"about {times} times a month"
    if months < 1.5:
        return "한 달에 한 번쯤" if korean else "about once a month"
    years = months / (365.25 / 30)
    if round(months) < 12 and years < 0.95:
        n = round(months)
        return f"{n}개월에 한 번쯤" if korean else f"about once in {n} months"
    if years < 1.5:
        return "1년에 한 번쯤" if korean else "about once a year"
    if years < MOST_YEARS:
        return f"{years:.0f}년에 한 번쯤" if korean else f"about once in {years:.0f} years"
    return f"{MOST_YEARS}년에 한 번도 드문" if korean else f"rarer than once in {MOST_YEARS} years"


# --- the sentences -------------------------------------------------------------------------------


def title(subject: Subject, speech: Speech) -> str:
    """A line for subjects and lists: 배송 불만 37건, 평소의 9.2배."""
    series = speech.series(subject.dimension)
    signal = subject.told.get("signal")
    if signal:
        return plain(_signal_headline(subject, speech, signal, short=True))
    n = count(subject.observed, speech, subject.by)
    if subject.expected < HARDLY:
        return speech.say(
            f"{series} {n}, 평소 거의 없던 일", f"{n}: {series}, hardly any are usual"
        )
    times = number(subject.observed / subject.expected)
    return speech.say(f"{series} {n}, 평소의 {times}배", f"{n}: {series}, {times} times the usual")


def headline(subject: Subject, speech: Speech) -> Sentence:
    """Since when, how much, against what: the one sentence that has to be enough."""
    signal = subject.told.get("signal")
    if signal:
        return _signal_headline(subject, speech, signal)
    series = speech.series(subject.dimension)
    since = when(subject.onset_at, speech)
    seen = Piece(count(subject.observed, speech, subject.by), _unit(subject))
    if speech.korean:
        what = {By.AUTHORS: "쓴 사람이 ", By.STORIES: "서로 다른 글로 "}.get(By(subject.by), "")
        so_far = "지금까지 " if subject.is_open else ""
        return (
            Piece(f"{since}부터 {so_far}{with_particle(series, '이/가')} {what}"),
            seen,
            Piece("입니다. " if what else " 올라왔습니다. "),
            *_usual(subject, speech),
        )
    whose = {By.AUTHORS: " who wrote", By.STORIES: " (distinct stories):"}.get(By(subject.by), ":")
    return (
        Piece(f"Since {since}: "),
        seen,
        Piece(f"{whose} {series}. "),
        *_usual(subject, speech),
    )


def _unit(subject: Subject) -> dict[str, str]:
    """The filter that counts as the series does."""
    once = {By.STORIES: "story", By.AUTHORS: "author"}.get(By(subject.by))
    return {} if once is None else {"once": once}


def _usual(subject: Subject, speech: Speech) -> Iterator[Piece]:
    band = ""
    if subject.low is not None and subject.high is not None and subject.high >= 1:
        band = f"({number(round(subject.low))}–{number(round(subject.high))})"
        band = band.replace("–", "~") if speech.korean else f" {band}"
    if subject.expected < HARDLY:
        yield Piece(
            speech.say("평소 이 시간대에는 거의 없습니다.", "At this time hardly any are usual.")
        )
        return
    times = number(subject.observed / subject.expected)
    n = number(subject.expected)
    if speech.korean:
        unit = "명" if subject.by == By.AUTHORS else "건"
        yield Piece(
            f"평소 이 시간대라면 {n}{unit}{band}으로, {times}배입니다."
            if unit == "명"
            else f"평소 이 시간대라면 {n}건{band}으로, {times}배입니다."
        )
    else:
        yield Piece(f"{n}{band} would be usual at this time: {times} times as many.")


def sentences(subject: Subject, speech: Speech) -> list[Sentence]:
    """Why, in the order of what helps most; each only where its number says something."""
    found = (
        _how_unusual(subject, speech),
        _signal_more(subject, speech),
        _phrase(subject, speech),
        _topic(subject, speech),
        _part(subject, speech, "products", "product", _PRODUCT),
        _part(subject, speech, "versions", "version", ("버전", "version")),
        _part(subject, speech, "sources", "source", ("", "")),
        _part(subject, speech, "places", "place", ("", "")),
        _part(subject, speech, "countries", "country", ("", "")),
        _complaints(subject, speech),
        _voices(subject, speech),
        _copies(subject, speech),
        _flagged(subject, speech),
        _rivals(subject, speech),
        _similar(subject, speech),
    )
    return [sentence for sentence in found if sentence]


def cause(subject: Subject, speech: Speech) -> list[Sentence]:
    """What it is about, the most telling first, for places that have room for a line."""
    found = (
        _signal_more(subject, speech),
        _phrase(subject, speech),
        _topic(subject, speech),
        _part(subject, speech, "products", "product", _PRODUCT),
        _part(subject, speech, "sources", "source", ("", "")),
    )
    return [sentence for sentence in found if sentence]


def _how_unusual(subject: Subject, speech: Speech) -> Sentence:
    if subject.score <= -1:
        return ()
    rare = rarity(subject.score, speech.language)
    slow = subject.trend
    return (
        Piece(
            speech.say(
                f"우연이라면 이 브랜드에서 {rare} 있을 일입니다"
                + (" (반나절 넘게 천천히 늘었습니다)." if slow else "."),
                f"By chance this would happen {rare} for this brand"
                + (" (it grew slowly, over half a day or more)." if slow else "."),
            )
        ),
    )


def _phrase(subject: Subject, speech: Speech) -> Sentence:
    total = subject.told.get("mentions") or 0
    for one in subject.told.get("phrases") or ():
        n = one.get("mentions", one["count"])
        if not total or n < max(2, WORTH_SAYING * total):
            continue
        link = {"q": one["text"]}
        text = one["text"]
        if speech.korean:
            return (
                Piece(f"‘{text}’{particle(text, '이라는/라는')} 말이 {total:,}건 중 "),
                Piece(f"{n:,}건", link),
                Piece("에 나옵니다."),
            )
        return (Piece(f"“{text}” stands in "), Piece(f"{n:,}", link), Piece(f" of the {total:,}."))
    return ()


def _driver(subject: Subject, kind: str, least: float = WORTH_SAYING) -> Mapping[str, Any] | None:
    drivers: Sequence[Mapping[str, Any]] = subject.told.get(kind) or ()
    own = subject.dimension.split(":")[1] if subject.dimension.startswith("topic:") else None
    for one in drivers:
        if one["share"] >= least and not (kind == "topics" and one["name"] == own):
            return one
    return None


def _topic(subject: Subject, speech: Speech) -> Sentence:
    one = _driver(subject, "topics")
    if one is None:
        return ()
    name = speech.topic(one["name"], speech.language)
    n = Piece(f"{one['count']:,}", {"topic": one["name"]})
    usual = percent(one["usual_share"])
    if speech.korean:
        return (
            Piece(f"{percent(one['share'])}("),
            Piece(f"{one['count']:,}건", n.narrow),
            Piece(f")가 {name} 이야기입니다(평소 {usual})."),
        )
    return (
        Piece(f"{percent(one['share'])} ("),
        n,
        Piece(f") speak of {name} (usually {usual})."),
    )


def _part(
    subject: Subject, speech: Speech, kind: str, parameter: str, what: tuple[str, str]
) -> Sentence:
    one = _driver(subject, kind)
    if one is None or (kind == "sources" and subject.dimension.startswith("source:")):
        return ()
    if one["share"] <= one["usual_share"] and one["share"] < 1:
        return ()  # as much as ever
    name = speech.source(one["name"], speech.language) if kind == "sources" else one["name"]
    link = {parameter: one["name"]}
    usual = percent(one["usual_share"])
    share = percent(one["share"])
    if speech.korean:
        where = f"{what[0]} {name}".strip()
        end = f"에서 나왔습니다(평소 {usual})." if not what[0] else f" 이야기입니다(평소 {usual})."
        return (Piece(f"{share}("), Piece(f"{one['count']:,}건", link), Piece(f")가 {where}{end}"))
    where = f"are about {what[1]} {name}" if what[1] else f"come from {name}"
    return (
        Piece(f"{share} ("),
        Piece(f"{one['count']:,}", link),
        Piece(f") {where} (usually {usual})."),
    )


def _complaints(subject: Subject, speech: Speech) -> Sentence:
    share = subject.told.get("complaint_share")
    n = subject.told.get("complaints")
    if share is None or not n or subject.dimension.endswith("complaint"):
        return ()
    usual = subject.told.get("usual_complaint_share")
    was = "" if usual is None else percent(usual)
    ko, en = (f"(평소 {was})", f" (usually {was})") if was else ("", "")
    link = {"complaint": "true"}
    if speech.korean:
        return (Piece(f"{percent(share)}("), Piece(f"{n:,}건", link), Piece(f")가 불만입니다{ko}."))
    return (Piece(f"{percent(share)} ("), Piece(f"{n:,}", link), Piece(f") complain{en}."))


def _voices(subject: Subject, speech: Speech) -> Sentence:
    told = subject.told
    writers: Sequence[Mapping[str, Any]] = told.get("writers") or ()
    if writers and writers[0]["share"] >= LOUD and writers[0]["count"] > 2:
        one = writers[0]
        link = {"author": one["name"]}
        n, share = f"{one['count']:,}", percent(one["share"])
        if speech.korean:
            return (
                Piece("주의: 한 사람이 "),
                Piece(f"{n}건", link),
                Piece(f"({share})을 썼습니다."),
            )
        return (Piece("Note: one account wrote "), Piece(n, link), Piece(f" of them ({share})."))
    authors = told.get("authors") or 0
    if authors < 3:
        return ()
    return (
        Piece(
            speech.say(
                f"{authors:,}명이 따로 쓴 글로, 한두 사람이 만든 급증이 아닙니다.",
                f"{authors:,} people wrote them: it is not the work of one or two accounts.",
            )
        ),
    )


def _copies(subject: Subject, speech: Speech) -> Sentence:
    mentions, stories = subject.told.get("mentions") or 0, subject.told.get("stories") or 0
    copies = mentions - stories
    if not mentions or copies < 2 or copies / mentions < MANY_COPIES:
        return ()
    share = percent(copies / mentions)
    if speech.korean:
        return (
            Piece("모두 "),
            Piece(f"{mentions:,}건", {}),
            Piece(f" 가운데 {copies:,}건({share})은 같은 글을 옮긴 것입니다."),
        )
    return (
        Piece("Of all "),
        Piece(f"{mentions:,}", {}),
        Piece(f" mentions {copies:,} ({share}) are copies of another."),
    )


def _flagged(subject: Subject, speech: Speech) -> Sentence:
    n = subject.told.get("flagged") or 0
    if not n:
        return ()
    counted = subject.told.get("counts_flagged")
    link = {"flagged": "true"}
    share = percent(subject.told.get("flagged_share") or 0.0)
    if speech.korean:
        end = f"({share})은 협찬·홍보·자동 반복으로 보입니다."
        if not counted:
            end = f"({share})은 협찬·홍보·자동 반복으로 보여 세지 않았습니다."
        return (Piece("같은 시간의 " if not counted else ""), Piece(f"{n:,}건", link), Piece(end))
    end = f" ({share}) look sponsored, promotional or automated"
    return (Piece(f"{n:,}", link), Piece(f"{end}." if counted else f"{end} and are not counted."))


def _rivals(subject: Subject, speech: Speech) -> Sentence:
    rivals: Sequence[Mapping[str, Any]] = subject.told.get("competitors") or ()
    if not rivals:
        return ()
    up = [one for one in rivals if one["up"]]
    who = speech.say("다른 브랜드" if subject.competitor else "경쟁사", "")
    if not up:
        names = ", ".join(one["name"] for one in rivals[:3])
        return (
            Piece(
                speech.say(
                    f"같은 시간 {who}({names})에서는 늘지 않았습니다.",
                    f"{names} saw no rise at the same time.",
                )
            ),
        )
    one = up[0]
    n = Piece(
        speech.say(f"{one['observed']:,}건", f"{one['observed']:,}"),
        {},
        spike=one.get("spike_id"),
        brand=one["brand_id"],
    )
    more = len(up) - 1
    usual = number(one["usual"])
    if speech.korean:
        rest = f" 등 {len(up)}곳" if more else ""
        return (
            Piece(f"같은 시간 {who} {one['name']}{rest}도 늘었습니다("),
            n,
            Piece(f", 평소 {usual}건)."),
        )
    rest = f" and {more} more" if more else ""
    return (Piece(f"{one['name']}{rest} rose at the same time ("), n, Piece(f", usually {usual})."))


def _similar(subject: Subject, speech: Speech) -> Sentence:
    past: Sequence[Mapping[str, Any]] = subject.told.get("similar") or ()
    if not past:
        return ()
    one = past[0]
    at = Piece(when(datetime.fromisoformat(one["onset"]), speech), spike=one["spike_id"])
    took = length(timedelta(seconds=one["lasted_s"]), speech)
    verdict = {
        "right": speech.say(" (실제 문제로 표시됨)", " (marked as real)"),
        "false": speech.say(" (오경보로 표시됨)", " (marked as a false alarm)"),
        "planned": speech.say(" (예정된 일로 표시됨)", " (marked as planned)"),
    }.get(one.get("verdict") or "", "")
    if speech.korean:
        return (Piece("비슷한 급증이 "), at, Piece(f"에도 있었고 {took} 만에 끝났습니다{verdict}."))
    return (
        Piece("It is like the spike of "),
        at,
        Piece(f", which was over after {took}{verdict}."),
    )


# --- signals that are no counts ------------------------------------------------------------------


def _signal_headline(
    subject: Subject, speech: Speech, signal: Mapping[str, Any], *, short: bool = False
) -> Sentence:
    """A share that rose, a mean that fell, a phrase, a post, a story; see docs/alert-signals.md."""
    return (Piece(speech.series(subject.dimension)),)


def _signal_more(subject: Subject, speech: Speech) -> Sentence:
    return ()
