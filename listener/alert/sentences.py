"""What a spike is, in sentences: numbers in, Korean and English out. Pure.

The page, messages, digests and the API say the same by it. A sentence is made of pieces, so that
each number can lead to the mentions behind it: a piece knows the filter that selects them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from listener.alert.korean import particle, with_particle
from listener.alert.message import is_count
from listener.alert.singles import headline_of_single
from listener.alert.speech import MOST_YEARS, count, length, number, often, percent, when
from listener.alert.speech import Piece as Piece
from listener.alert.speech import Sentence as Sentence
from listener.alert.speech import Speech as Speech
from listener.alert.speech import Subject as Subject
from listener.alert.speech import plain as plain
from listener.alert.speech import rarity as rarity
from listener.types import By

WORTH_SAYING: Final = 0.25  # share of a driver that is told in words
LOUD: Final = 0.3  # share of one author that is told as a warning
MANY_COPIES: Final = 0.2  # share of copies that is told
HARDLY: Final = 0.5  # expected mentions below which no ratio makes sense
_PRODUCT: Final = ("상품", "the product")


def title(subject: Subject, speech: Speech) -> str:
    """A line for subjects and lists: 배송 불만 37건, 평소의 9.2배."""
    series = speech.series(subject.dimension)
    if not is_count(subject.dimension):
        return _short(subject, speech)
    n = count(subject.observed, speech, subject.by)
    what = f"{series} {n}" if speech.korean else _english_count(subject, series)
    if subject.expected < HARDLY:
        return what + speech.say(", 평소 거의 없던 일", ", hardly any are usual")
    times = number(subject.observed / subject.expected)
    return what + speech.say(f", 평소의 {times}배", f", {times} times the usual")


def _english_count(subject: Subject, series: str) -> str:
    people = "people with " if subject.by == By.AUTHORS else ""
    return f"{number(subject.observed)} {people}{series}"


def _short(subject: Subject, speech: Speech) -> str:
    """A title for what is no count."""
    series = speech.series(subject.dimension)
    average = subject.told.get("average")
    if not average:
        return series
    form = {"share": percent, "rating": "{:.1f}".format}.get(average["kind"], "{:+.2f}".format)
    value, usual = form(average["now"]), average["usual"]
    if usual is None:
        return speech.say(f"{series} {value}", f"{series} {value}")
    return speech.say(
        f"{series} {value}, 평소 {form(usual)}", f"{series} {value}, usually {form(usual)}"
    )


def headline(subject: Subject, speech: Speech) -> Sentence:
    """Since when, how much, against what: the one sentence that has to be enough."""
    other = headline_of_single(subject, speech)
    if other is not None:
        return other
    if not is_count(subject.dimension):
        told = f"{when(subject.onset_at, speech)}{speech.say('부터', ':')} "
        return (Piece(told + speech.series(subject.dimension)),)
    series = speech.series(subject.dimension)
    since = when(subject.onset_at, speech)
    unit = _unit(subject)
    n = number(subject.observed)
    once = ""
    if subject.by == By.STORIES:
        once = speech.say("(같은 글은 한 번만)", " (each story counted once)")
    if not speech.korean:
        there = "there have been " if subject.is_open else "there were "
        noun = _english_count(subject, series).partition(" ")[2]
        return (
            Piece(f"Since {since} {there}"),
            Piece(n, unit),
            Piece(f" {noun}{once}. "),
            *_usual(subject, speech),
        )
    so_far = "지금까지 " if subject.is_open else ""
    before, seen, after = f"{with_particle(series, '이/가')} ", f"{n}건", f"{once} 올라왔습니다. "
    if subject.by == By.AUTHORS:
        before, seen = f"{with_particle(series, '을/를')} 쓴 사람이 ", f"{n}명"
        after = "입니다. "
    return (
        Piece(f"{since}부터 {so_far}{before}"),
        Piece(seen, unit),
        Piece(after),
        *_usual(subject, speech),
    )


def _unit(subject: Subject) -> dict[str, str]:
    """The filter that counts as the series does."""
    once = {By.STORIES: "story", By.AUTHORS: "author"}.get(By(subject.by))
    return {} if once is None else {"once": once}


def _usual(subject: Subject, speech: Speech) -> Iterator[Piece]:
    """What was to be expected, and its band."""
    if subject.expected < HARDLY:
        yield Piece(
            speech.say("평소 이 시간대에는 거의 없습니다.", "Hardly any are usual at this time.")
        )
        return
    low, high = subject.low, subject.high
    has_band = low is not None and high is not None and high >= 1
    low_text, high_text = number(round(low or 0)), number(round(high or 0))
    times, n = number(subject.observed / subject.expected), number(subject.expected)
    if speech.korean:
        unit = "명" if subject.by == By.AUTHORS else "건"
        band = f"(대개 {low_text}~{high_text}{unit})" if has_band else ""
        yield Piece(f"평소 이 시간대라면 {n}{unit}쯤{band}이니 {times}배입니다.")
        return
    band = f" (mostly {low_text} to {high_text})" if has_band else ""
    yield Piece(f"About {n}{band} would be usual at this time: {times} times as many.")


def sentences(subject: Subject, speech: Speech) -> list[Sentence]:
    """Why, in the order of what helps most; each only where its number says something."""
    found = (
        _how_unusual(subject, speech),
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
        _phrase(subject, speech),
        _topic(subject, speech),
        _part(subject, speech, "products", "product", _PRODUCT),
        _part(subject, speech, "sources", "source", ("", "")),
    )
    return [sentence for sentence in found if sentence]


def _how_unusual(subject: Subject, speech: Speech) -> Sentence:
    months: float = 10.0 ** min(subject.score, 4.0)
    years = months / (365.25 / 30)
    ko, en = "", ""
    if subject.trend:
        ko, en = " 반나절 넘게 천천히 늘었습니다.", " It grew slowly, over half a day or more."
    if years >= MOST_YEARS:
        return (
            Piece(
                speech.say(
                    f"우연이라면 이 브랜드에서 {MOST_YEARS}년에 한 번도 보기 어려운 일입니다.{ko}",
                    f"By chance this brand would not see it once in {MOST_YEARS} years.{en}",
                )
            ),
        )
    times = often(months, years, speech.korean)
    return (
        Piece(
            speech.say(
                f"우연이라면 이 브랜드에서 {times} 있을 일입니다.{ko}",
                f"By chance this brand would see it {times}.{en}",
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
