"""Sentences of the signals that are no counts: a share, a mean, a post, a story, a phrase. Pure.

What there is to tell of them stands in the explanation under "average" and "signal"; see
docs/alert-signals.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from listener.alert.korean import particle, with_particle
from listener.alert.speech import Piece, Sentence, Speech, Subject, number, percent, when


def headline_of_single(subject: Subject, speech: Speech) -> Sentence | None:
    """A share that rose, a mean that fell, a phrase, a post, a story; None for counts."""
    told = subject.told
    if told.get("average"):
        return _average(subject, speech, told["average"])
    signal = told.get("signal") or {}
    tell = {"viral": _viral, "spreading": _spreading, "new_topic": _new_topic}.get(
        signal.get("signal", "")
    )
    return None if tell is None else tell(subject, speech, signal)


def _average(subject: Subject, speech: Speech, average: Mapping[str, Any]) -> Sentence:
    """44 of 71 are negative (62%), where 18% is usual."""
    since = when(subject.onset_at, speech)
    series = speech.series(subject.dimension)
    kind, now, usual = average["kind"], average["now"], average["usual"]
    whole = Piece(f"{average['of']:,}{'건' if speech.korean else ''}", average["narrow"])
    if kind == "share":
        bad = Piece(f"{average['bad']:,}{'건' if speech.korean else ''}", {})
        was = "" if usual is None else percent(usual)
        if speech.korean:
            end = f"로, 직전 7일({was})보다 높습니다." if was else "입니다."
            return (
                Piece(f"{since}부터 {with_particle(series, '이/가')} {percent(now)}("),
                whole,
                Piece(" 중 "),
                bad,
                Piece(f"){end}"),
            )
        end = f"; {was} in the 7 days before." if was else "."
        return (
            Piece(f"Since {since} the {series} is {percent(now)} ("),
            bad,
            Piece(" of "),
            whole,
            Piece(f"){end}"),
        )
    form = "{:.1f}" if kind == "rating" else "{:+.2f}"
    value, was = form.format(now), "" if usual is None else form.format(usual)
    if speech.korean:
        unit = "점"
        end = f"으로, 직전 7일({was}{unit})보다 낮습니다." if was else "입니다."
        return (
            Piece(f"{since}부터 {with_particle(series, '이/가')} {value}{unit}("),
            whole,
            Piece(f"){end}"),
        )
    end = f"; it was {was} in the 7 days before." if was else "."
    return (Piece(f"Since {since} the {series} is {value} (of "), whole, Piece(f"){end}"))


def _viral(subject: Subject, speech: Speech, signal: Mapping[str, Any]) -> Sentence:
    since = when(subject.onset_at, speech)
    views = signal.get("measure") == "views"
    grown, usual = number(signal["growth"]), number(signal["usual"])
    high, pace = number(signal["usual_high"]), number(signal["per_hour"])
    source = speech.source(signal.get("source") or "", speech.language)
    if speech.korean:
        what, unit = ("조회", "회") if views else ("반응", "개")
        return (
            Piece(f"{source}의 "),
            Piece("글 하나", mention=signal["mention_id"]),
            Piece(
                f"가 {since}부터 {what} {grown}{unit}를 더 얻었습니다(한 시간에 {pace}{unit})."
                f" 이 브랜드의 글은 보통 {usual}{unit}, 많아야 {high}{unit}를 얻습니다."
            ),
        )
    what = "views" if views else "reactions"
    return (
        Piece("A "),
        Piece("post", mention=signal["mention_id"]),
        Piece(
            f" on {source} has gained {grown} {what} since {since} ({pace} an hour)."
            f" Posts of this brand usually gain {usual}, seldom more than {high}."
        ),
    )


def _spreading(subject: Subject, speech: Speech, signal: Mapping[str, Any]) -> Sentence:
    since = when(subject.onset_at, speech)
    n = subject.told.get("mentions") or signal["copies"]
    places, usual = f"{signal['places']:,}", number(signal["usual"])
    high = number(signal["usual_high"])
    if speech.korean:
        return (
            Piece(f"글 하나가 {since}부터 {places}곳으로 번져 "),
            Piece(f"{n:,}건", {}),
            Piece(f"이 되었습니다. 한 글이 옮겨지는 곳은 보통 {usual}곳, 많아야 {high}곳입니다."),
        )
    return (
        Piece(f"One story has spread over {places} places since {since}: "),
        Piece(f"{n:,}", {}),
        Piece(f" copies. Usually a story reaches {usual}, seldom more than {high}."),
    )


def _new_topic(subject: Subject, speech: Speech, signal: Mapping[str, Any]) -> Sentence:
    since = when(subject.onset_at, speech)
    n = subject.told.get("mentions") or signal["mentions"]
    phrase, days = signal["phrase"], signal["usual_days"]
    authors = subject.told.get("authors") or signal["authors"]
    usual = number(signal["usual"])
    if speech.korean:
        like = particle(phrase, "이라는/라는")
        return (
            Piece(f"‘{phrase}’{like} 말이 {since}부터 "),
            Piece(f"{n:,}건", {}),
            Piece(f"({authors:,}명)에 나왔습니다. 직전 {days}일 동안에는 {usual}건이었습니다."),
        )
    return (
        Piece(f"“{phrase}” stands in "),
        Piece(f"{n:,}", {}),
        Piece(
            f" mentions by {authors:,} people since {since}; in {usual} in the {days} days before."
        ),
    )
