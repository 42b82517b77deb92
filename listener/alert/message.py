"""An alert as people and programs read it: title, body and data, in Korean and English.

Pure: facts in, words out. Nothing here knows who reads it or how it travels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

Named: TypeAlias = Callable[[str, str], str]  # (topic, "ko" or "en") -> what it is called
EVENTS = ("alert.opened", "alert.escalated", "alert.resolved", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A mention shown in an alert."""

    mention_id: int
    source: str
    excerpt: str
    url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikeFacts:
    """One spike of an alert. ``share`` of a topic or source is in 0..1."""

    spike_id: int
    dimension: str
    state: str
    onset_at: datetime
    resolved_at: datetime | None
    expected: float
    observed: float
    score: float
    topics: tuple[tuple[str, float], ...] = ()
    sources: tuple[tuple[str, float], ...] = ()
    phrases: tuple[str, ...] = ()
    authors: int | None = None
    stories: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFacts:
    """All that an alert's message is made of, read at the moment of sending."""

    alert_id: int
    brand: str
    severity: str
    opened_at: datetime
    resolved_at: datetime | None
    spikes: tuple[SpikeFacts, ...]
    samples: tuple[Sample, ...] = ()
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A message for people."""

    title: str
    body: str


_SERIES = {
    "all": ("언급", "mentions"),
    "negative": ("부정 언급", "negative mentions"),
    "complaint": ("불만", "complaints"),
    "low_rating": ("낮은 별점", "low ratings"),
}


def topic_name(topic: str, language: str) -> str:
    """What a topic is called where no rules tell: its key."""
    return topic


def series_name(dimension: str, language: str, named: Named = topic_name) -> str:
    """What a series counts, in words: ``topic:delivery:complaint`` = complaints about delivery.

    ``named`` tells what a topic is called in a language (see Rules.names).
    """
    column = 0 if language == "ko" else 1
    kind, _, rest = dimension.partition(":")
    if kind == "topic":
        topic, _, of = rest.partition(":")
        name = named(topic, language)
        what = _SERIES.get(of or "all", (of, of))[column]
        return f"{name} {what}" if language == "ko" else f"{what} about {name}"
    if kind == "source":
        return f"{rest} 언급" if language == "ko" else f"mentions on {rest}"
    return _SERIES.get(dimension, (dimension, dimension))[column]


def ratio(spike: SpikeFacts) -> float | None:
    """Observed over expected; None when next to nothing was expected."""
    return spike.observed / spike.expected if spike.expected >= 0.5 else None


def compose(
    facts: AlertFacts, event: str, *, language: str, tz: ZoneInfo, named: Named = topic_name
) -> Text:
    """Title and body of an alert's message in ``language`` ("ko" or "en"), times in ``tz``.

    ``named`` tells what a topic is called in a language.
    """
    write = _korean if language == "ko" else _english
    return write(facts, event, tz, named)


def _lead(facts: AlertFacts) -> SpikeFacts | None:
    return max(facts.spikes, key=lambda s: s.score, default=None)


def _local(at: datetime, tz: ZoneInfo, form: str) -> str:
    return at.astimezone(tz).strftime(form)


def _korean(facts: AlertFacts, event: str, tz: ZoneInfo, named: Named) -> Text:
    spike = _lead(facts)
    if event == "test" or spike is None:
        return Text(
            title="[Listener] 시험 알림",
            body="이 채널로 알림이 정상적으로 도착합니다. 실제 급증이 아닙니다.",
        )
    series = series_name(spike.dimension, "ko", named)
    times = ratio(spike)
    how = f"평소의 {times:.1f}배" if times else f"평소 {spike.expected:.1f}건"
    if event == "alert.resolved":
        head = f"[해소] {facts.brand} {series} 급증이 끝났습니다"
    elif event == "alert.escalated":
        head = f"[심화] {facts.brand} {series} 급증 — {spike.observed:.0f}건, {how}"
    else:
        head = f"[급증] {facts.brand} {series} {spike.observed:.0f}건, {how}"
    lines = [
        f"{_local(spike.onset_at, tz, '%m월 %d일 %H:%M')}부터 {series} {spike.observed:.0f}건"
        f" (예상 {spike.expected:.1f}건)."
    ]
    if spike.resolved_at:
        ended = _local(spike.resolved_at, tz, "%m월 %d일 %H:%M")
        lines.append(f"{ended}에 평소 수준으로 돌아왔습니다.")
    if spike.topics:
        shares = ", ".join(f"{named(t, 'ko')} {s:.0%}" for t, s in spike.topics[:3])
        lines.append(f"주제: {shares}")
    if spike.sources:
        lines.append("채널: " + ", ".join(f"{s} {share:.0%}" for s, share in spike.sources[:4]))
    if spike.phrases:
        lines.append("두드러진 표현: " + ", ".join(spike.phrases[:5]))
    if spike.authors is not None and spike.stories is not None:
        lines.append(f"작성자 {spike.authors}명, 서로 다른 글 {spike.stories}건")
    lines += _samples(facts, "대표 글")
    if facts.url:
        lines.append(f"자세히 보기: {facts.url}")
    return Text(title=head, body="\n".join(lines))


def _english(facts: AlertFacts, event: str, tz: ZoneInfo, named: Named) -> Text:
    spike = _lead(facts)
    if event == "test" or spike is None:
        return Text(
            title="[Listener] Test alert",
            body="Alerts reach this channel. This is not a real spike.",
        )
    series = series_name(spike.dimension, "en", named)
    times = ratio(spike)
    how = f"{times:.1f} times the usual" if times else f"{spike.expected:.1f} expected"
    if event == "alert.resolved":
        head = f"[Resolved] {facts.brand}: the spike in {series} is over"
    elif event == "alert.escalated":
        head = f"[Worse] {facts.brand}: {spike.observed:.0f} {series}, {how}"
    else:
        head = f"[Spike] {facts.brand}: {spike.observed:.0f} {series}, {how}"
    lines = [
        f"Since {_local(spike.onset_at, tz, '%d %b %H:%M')}: {spike.observed:.0f} {series}"
        f" ({spike.expected:.1f} expected)."
    ]
    if spike.resolved_at:
        lines.append(f"Back to normal at {_local(spike.resolved_at, tz, '%d %b %H:%M')}.")
    if spike.topics:
        shares = ", ".join(f"{named(t, 'en')} {s:.0%}" for t, s in spike.topics[:3])
        lines.append(f"Topics: {shares}")
    if spike.sources:
        lines.append("Sources: " + ", ".join(f"{s} {share:.0%}" for s, share in spike.sources[:4]))
    if spike.phrases:
        lines.append("Standing out: " + ", ".join(spike.phrases[:5]))
    if spike.authors is not None and spike.stories is not None:
        lines.append(f"{spike.authors} authors, {spike.stories} distinct stories")
    lines += _samples(facts, "Examples")
    if facts.url:
        lines.append(f"See why: {facts.url}")
    return Text(title=head, body="\n".join(lines))


def _samples(facts: AlertFacts, title: str) -> list[str]:
    if not facts.samples:
        return []
    return [f"{title}:", *(f"· ({s.source}) {s.excerpt}" for s in facts.samples[:3])]


def payload(
    facts: AlertFacts, event: str, *, tz: ZoneInfo, named: Named = topic_name
) -> dict[str, Any]:
    """The data of a webhook: ``{"alert": …, "spikes": […], "mentions": […], "text": {ko, en}}``.

    The envelope (type, timestamp) and the ids that stay the same over retries are the sender's.
    """
    texts: Mapping[str, Text] = {
        language: compose(facts, event, language=language, tz=tz, named=named)
        for language in ("ko", "en")
    }
    return {
        "alert": {
            "id": facts.alert_id,
            "brand": facts.brand,
            "severity": facts.severity,
            "opened_at": facts.opened_at.isoformat(),
            "resolved_at": facts.resolved_at.isoformat() if facts.resolved_at else None,
            "url": facts.url,
        },
        "spikes": [
            {
                "id": s.spike_id,
                "series": s.dimension,
                "state": s.state,
                "onset": s.onset_at.isoformat(),
                "expected": round(s.expected, 2),
                "observed": s.observed,
                "score": round(s.score, 2),
                "topics": [{"topic": t, "share": round(share, 3)} for t, share in s.topics],
                "sources": [{"source": n, "share": round(share, 3)} for n, share in s.sources],
                "phrases": list(s.phrases),
                "authors": s.authors,
                "stories": s.stories,
            }
            for s in facts.spikes
        ],
        "mentions": [
            {"id": m.mention_id, "source": m.source, "excerpt": m.excerpt, "url": m.url}
            for m in facts.samples
        ],
        "text": {lang: {"title": t.title, "body": t.body} for lang, t in texts.items()},
    }
