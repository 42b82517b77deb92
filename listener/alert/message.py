"""An alert as people and programs read it: title, body and data, in Korean and English.

Pure: facts in, words out. Nothing here knows who reads it or how it travels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from listener.alert.naming import Named as Named
from listener.alert.naming import is_count as is_count
from listener.alert.naming import prominence
from listener.alert.naming import series_name as series_name
from listener.alert.naming import topic_name as topic_name

Pick: TypeAlias = Callable[[str, str], str]  # (Korean, English) -> the one that is wanted
EVENTS = (
    "alert.opened",
    "alert.escalated",
    "alert.reminder",
    "alert.resolved",
    "alert.acknowledged",
    "alert.digest",
    "test",
)
# Events after which somebody should say that they have seen it.
ASKING = frozenset({"alert.opened", "alert.escalated", "alert.reminder"})
_LISTED = 20  # alerts in a digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A mention shown in an alert."""

    mention_id: int
    source: str
    excerpt: str
    url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikeFacts:
    """One spike of an alert. ``share`` of a topic or source is in 0..1.

    ``titles`` and ``said`` are its title and the sentences that tell and explain it, by language;
    they stand in for the bare numbers.
    """

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
    trend: bool = False
    titles: Mapping[str, str] = field(default_factory=dict)
    said: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFacts:
    """All that an alert's message is made of, read at the moment of sending.

    ``acknowledge_url`` is the link of this very channel; ``alerts`` are those of a digest, and
    ``why`` says what held them back: "storm" or "quiet".
    """

    alert_id: int
    brand: str
    severity: str
    opened_at: datetime
    resolved_at: datetime | None
    spikes: tuple[SpikeFacts, ...]
    samples: tuple[Sample, ...] = ()
    url: str | None = None
    rules: tuple[str, ...] = ()
    acknowledge_url: str | None = None
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = None
    verdict: str = ""
    reminders: int = 0
    step: int = 0  # of the chain: 0 for those who are told first
    alerts: tuple[AlertFacts, ...] = ()
    why: str = ""

    @property
    def lead(self) -> SpikeFacts | None:
        """The spike that says most."""
        return max(
            self.spikes,
            key=lambda s: prominence(
                s.dimension, is_open=s.resolved_at is None, trend=s.trend, score=s.score
            ),
            default=None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A message for people. ``links`` are the last lines of the body, each with what it leads to:
    (words, address), the most useful first.
    """

    title: str
    body: str
    links: tuple[tuple[str, str], ...] = ()

    @property
    def lines(self) -> list[str]:
        """The body without its links."""
        lines = self.body.split("\n")
        return lines[: len(lines) - len(self.links)]

    def within(self, limit: int) -> str:
        """Title and body in so many characters: links go before lines, a link is never cut."""
        whole = f"{self.title}\n{self.body}" if self.body else self.title
        if len(whole) <= limit:
            return whole
        kept = self.title if len(self.title) <= limit else self.title[: limit - 1] + "…"
        left = limit - len(kept)
        links: list[str] = []
        for words, address in reversed(self.links):  # the page before the link to acknowledge
            link = f"\n{words}: {address}"
            if len(link) <= left:
                links.insert(0, link)
                left -= len(link)
        for line in self.lines:
            if len(line) + 1 > left:
                break
            kept += f"\n{line}"
            left -= len(line) + 1
        return kept + "".join(links)


def ratio(spike: SpikeFacts) -> float | None:
    """Observed over expected; None when next to nothing was expected."""
    return spike.observed / spike.expected if spike.expected >= 0.5 else None


# --- words ---------------------------------------------------------------------------------------


def compose(
    facts: AlertFacts, event: str, *, language: str, tz: ZoneInfo, named: Named = topic_name
) -> Text:
    """Title and body of an alert's message in ``language`` ("ko" or "en"), times in ``tz``.

    ``named`` tells what a topic is called in a language.
    """
    words = _Words("ko" if language == "ko" else "en", tz, named)
    if event == "alert.digest":
        return words.digest(facts)
    lead = facts.lead
    if event == "test" or lead is None:
        return words.test()
    return words.alert(facts, event, lead)


def lasted(span: timedelta, pick: Pick) -> str:
    """A length of time to the minute, or to the hour beyond a day."""
    minutes = max(1, round(span / timedelta(minutes=1)))
    days, hours = minutes // 1440, minutes % 1440 // 60
    if days:
        more = pick(f" {hours}시간", f" {hours} h") if hours else ""
        return pick(f"{days}일", f"{days} d") + more
    if hours:
        rest = minutes % 60
        more = pick(f" {rest}분", f" {rest} min") if rest else ""
        return pick(f"{hours}시간", f"{hours} h") + more
    return pick(f"{minutes}분", f"{minutes} min")


class _Words:
    """One language's words."""

    def __init__(self, language: str, tz: ZoneInfo, named: Named) -> None:
        self._language = language
        self._tz = tz
        self._named = named

    def _pick(self, ko: str, en: str) -> str:
        return ko if self._language == "ko" else en

    def _at(self, moment: datetime) -> str:
        return moment.astimezone(self._tz).strftime(self._pick("%m월 %d일 %H:%M", "%d %b %H:%M"))

    def _series(self, spike: SpikeFacts) -> str:
        return series_name(spike.dimension, self._language, self._named)

    def test(self) -> Text:
        title = self._pick("[Listener] 시험 알림", "[Listener] Test alert")
        body = self._pick(
            "이 채널로 알림이 정상적으로 도착합니다. 실제 급증이 아닙니다.",
            "Alerts reach this channel. This is not a real spike.",
        )
        return Text(title=title, body=body)

    def alert(self, facts: AlertFacts, event: str, lead: SpikeFacts) -> Text:
        pick = self._pick
        title = self._title(facts, event, lead)
        said = list(lead.said.get(self._language, ()))
        lines = said[:1] or [self._since(lead)]
        if event == "alert.reminder" or _is_next(facts, event):
            lines.insert(0, self._nobody(facts))
        if facts.acknowledged_at is not None and event in ("alert.resolved", "alert.acknowledged"):
            who = facts.acknowledged_by or pick("누군가", "somebody")
            at = self._at(facts.acknowledged_at)
            lines.append(pick(f"{at} {who} 확인", f"Seen by {who}, {at}."))
        if event == "alert.resolved" and facts.verdict in ("false", "planned"):
            lines.append(
                pick("오탐으로 표시해 닫았습니다.", "Closed as a false alarm.")
                if facts.verdict == "false"
                else pick("예정된 일로 표시해 닫았습니다.", "Closed as something planned.")
            )
        if lead.resolved_at:
            at = self._at(lead.resolved_at)
            span = lasted(lead.resolved_at - lead.onset_at, pick)
            lines.append(
                pick(
                    f"{at}에 평소 수준으로 돌아왔습니다 ({span} 동안 이어짐).",
                    f"Back to normal at {at}, after {span}.",
                )
            )
        lines += said[1:] if said else self._why(lead)
        lines += self._besides(facts, lead)
        lines += self._samples(facts)
        if facts.rules:
            lines.append(pick("규칙: ", "Rules: ") + ", ".join(facts.rules[:3]))
        return self._text(title, lines, facts.url, facts.acknowledge_url, event)

    def _text(
        self, title: str, lines: Sequence[str], url: str | None, seen: str | None, event: str
    ) -> Text:
        links = []
        if seen and event in ASKING:
            links.append((self._pick("확인했어요", "I have seen it"), seen))
        if url:
            links.append((self._pick("자세히 보기", "See why"), url))
        body = "\n".join([*lines, *(f"{words}: {address}" for words, address in links)])
        return Text(title=title, body=body, links=tuple(links))

    def _title(self, facts: AlertFacts, event: str, lead: SpikeFacts) -> str:
        pick, brand, series = self._pick, facts.brand, self._series(lead)
        rise = pick("추세", "Trend") if lead.trend else pick("급증", "Spike")
        if event == "alert.resolved":
            if is_count(lead.dimension):
                return pick(
                    f"[해소] {brand} {series} 급증이 끝났습니다",
                    f"[Resolved] {brand}: the spike in {series} is over",
                )
            return pick(f"[해소] {brand} {series} — 끝났습니다", f"[Resolved] {brand}: {series}")
        mark = {
            "alert.escalated": pick("심화", "Worse"),
            "alert.reminder": pick("미확인", "Still unseen"),
            "alert.acknowledged": pick("확인됨", "Seen"),
        }.get(event, rise)
        if _is_next(facts, event):
            mark = pick("미확인", "Still unseen")
        if not is_count(lead.dimension):
            mark = pick("이상", "Unusual") if mark == rise else mark
        head = lead.titles.get(self._language) or (None if is_count(lead.dimension) else series)
        if head:
            return pick(f"[{mark}] {brand} {head}", f"[{mark}] {brand}: {head}")
        usual = self._against(lead)
        if event == "alert.escalated":
            ko = f"[{mark}] {brand} {series} 급증 — {lead.observed:.0f}건, {usual}"
        else:
            ko = f"[{mark}] {brand} {series} {lead.observed:.0f}건, {usual}"
        return pick(ko, f"[{mark}] {brand}: {lead.observed:.0f} {series}, {usual}")

    def _against(self, spike: SpikeFacts) -> str:
        times = ratio(spike)
        if times:
            return self._pick(f"평소의 {times:.1f}배", f"{times:.1f} times the usual")
        return self._pick(f"평소 {spike.expected:.1f}건", f"{spike.expected:.1f} expected")

    def _since(self, spike: SpikeFacts) -> str:
        at, series = self._at(spike.onset_at), self._series(spike)
        if not is_count(spike.dimension):
            return self._pick(f"{at}부터 {series}", f"Since {at}: {series}")
        return self._pick(
            f"{at}부터 {series} {spike.observed:.0f}건 (예상 {spike.expected:.1f}건).",
            f"Since {at}: {spike.observed:.0f} {series} ({spike.expected:.1f} expected).",
        )

    def _nobody(self, facts: AlertFacts) -> str:
        at = self._at(facts.opened_at)
        if facts.step:
            return self._pick(
                f"{at}에 먼저 알린 사람들이 아직 확인하지 않아 다음 차례로 알립니다.",
                f"Those who were told at {at} have not said that they have seen it: you are next.",
            )
        return self._pick(
            f"{at}에 알렸지만 아직 아무도 확인하지 않았습니다.",
            f"Told at {at}; nobody has said yet that they have seen it.",
        )

    def _why(self, spike: SpikeFacts) -> list[str]:
        """Why, in shares."""
        pick = self._pick
        lines = []
        if spike.topics:
            shares = ", ".join(
                f"{self._named(t, self._language)} {share:.0%}" for t, share in spike.topics[:3]
            )
            lines.append(pick("주제: ", "Topics: ") + shares)
        if spike.sources:
            shares = ", ".join(f"{name} {share:.0%}" for name, share in spike.sources[:4])
            lines.append(pick("채널: ", "Sources: ") + shares)
        if spike.phrases:
            lines.append(pick("두드러진 표현: ", "Standing out: ") + ", ".join(spike.phrases[:5]))
        if spike.authors is not None and spike.stories is not None:
            lines.append(
                pick(
                    f"작성자 {spike.authors}명, 서로 다른 글 {spike.stories}건",
                    f"{spike.authors} authors, {spike.stories} distinct stories",
                )
            )
        return lines

    def _besides(self, facts: AlertFacts, lead: SpikeFacts) -> list[str]:
        """The other series of the same event, each in a few words."""
        others = [s for s in facts.spikes if s.spike_id != lead.spike_id]
        if not others:
            return []
        others.sort(key=lambda s: -s.score)
        told = [
            f"{self._series(s)} {s.observed:.0f}{self._pick('건', '')} ({self._against(s)})"
            if is_count(s.dimension)
            else self._series(s)
            for s in others[:4]
        ]
        more = len(others) - len(told)
        rest = self._pick(f" 외 {more}건", f" and {more} more") if more else ""
        return [self._pick("함께 오른 것: ", "Rising with it: ") + ", ".join(told) + rest]

    def _samples(self, facts: AlertFacts) -> list[str]:
        if not facts.samples:
            return []
        title = self._pick("대표 글", "Examples")
        return [f"{title}:", *(f"· ({s.source}) {s.excerpt}" for s in facts.samples[:3])]

    def digest(self, facts: AlertFacts) -> Text:
        """Several alerts in one message."""
        pick, count = self._pick, len(facts.alerts)
        title = pick(f"[모아 알림] 급증 {count}건", f"[Digest] {count} alerts")
        why = {
            "storm": pick(
                "한 시간에 알림이 많아 하나로 묶었습니다.",
                "There were many within an hour; here they are together.",
            ),
            "quiet": pick(
                "방해 금지 시간에 들어온 알림입니다.", "These came in during quiet hours."
            ),
        }.get(facts.why)
        lines = [why] if why else []
        for one in facts.alerts[:_LISTED]:
            lead = one.lead
            if lead is None:
                continue
            ended = pick(" (끝남)", " (over)") if one.resolved_at else ""
            lines.append(f"· {self._title(one, 'alert.opened', lead)}{ended}")
            lines += [f"  {one.url}"] if one.url else []
        if count > _LISTED:
            lines.append(pick(f"외 {count - _LISTED}건", f"and {count - _LISTED} more"))
        return self._text(title, lines, facts.url, None, "alert.digest")


def _is_next(facts: AlertFacts, event: str) -> bool:
    """Whether the chain came to these readers, as nobody before them has acknowledged it."""
    return event == "alert.opened" and facts.step > 0 and facts.acknowledged_at is None


# --- data ----------------------------------------------------------------------------------------


def payload(
    facts: AlertFacts, event: str, *, tz: ZoneInfo, named: Named = topic_name
) -> dict[str, Any]:
    """The data of a webhook: ``{"alert": …, "spikes": […], "mentions": […], "text": {ko, en}}``.

    A digest has ``alerts`` (each with its spikes) instead of one alert. The envelope (type,
    timestamp) and the ids that stay the same over retries are the sender's.
    """
    texts: Mapping[str, Text] = {
        language: compose(facts, event, language=language, tz=tz, named=named)
        for language in ("ko", "en")
    }
    said = {"text": {lang: {"title": t.title, "body": t.body} for lang, t in texts.items()}}
    if event == "alert.digest":
        return {
            "why": facts.why,
            "alerts": [{**_alert(one), "spikes": _spikes(one)} for one in facts.alerts],
        } | said
    return {
        "alert": _alert(facts)
        | {"acknowledge_url": facts.acknowledge_url if event in ASKING else None},
        "spikes": _spikes(facts),
        "mentions": [
            {"id": m.mention_id, "source": m.source, "excerpt": m.excerpt, "url": m.url}
            for m in facts.samples
        ],
    } | said


def _alert(facts: AlertFacts) -> dict[str, Any]:
    at = facts.acknowledged_at
    return {
        "id": facts.alert_id,
        "brand": facts.brand,
        "severity": facts.severity,
        "opened_at": facts.opened_at.isoformat(),
        "resolved_at": facts.resolved_at.isoformat() if facts.resolved_at else None,
        "acknowledged_at": at.isoformat() if at else None,
        "acknowledged_by": facts.acknowledged_by or None,
        "verdict": facts.verdict or None,
        "reminders": facts.reminders,
        "step": facts.step,
        "rules": list(facts.rules),
        "url": facts.url,
    }


def _spikes(facts: AlertFacts) -> list[dict[str, Any]]:
    return [
        {
            "id": s.spike_id,
            "series": s.dimension,
            "state": s.state,
            "onset": s.onset_at.isoformat(),
            "trend": s.trend,
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
    ]
