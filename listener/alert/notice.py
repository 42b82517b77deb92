"""A notice that collecting fails, lasts or goes on, as people and programs read it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from listener.alert.message import Text

EVENTS = ("source.failing", "source.reminder", "source.recovered")
_SHOWN = 8  # watches named in a message
_UNITS = (
    (timedelta(days=2), timedelta(days=1), "일", "days"),
    (timedelta(minutes=90), timedelta(hours=1), "시간", "hours"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """A stretch that was not collected meanwhile. ``to_at`` None = it goes on."""

    watch_id: int
    from_at: datetime
    to_at: datetime | None
    why: str
    filled: bool = False
    backfilling: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeFacts:
    """All that a notice's message is made of. Pairs are Korean and English."""

    notice_id: int
    source: str  # "" = several
    source_title: tuple[str, str]
    place: str  # host or connection, "" = none
    state: str
    outcome: str
    title: tuple[str, str]
    reason: tuple[str, str]
    advice: tuple[str, str]
    detail: str  # what the source said
    watches: tuple[tuple[int, str], ...]  # id and label
    since: datetime
    opened_at: datetime
    reminders: int = 0
    ended_at: datetime | None = None
    missed: tuple[Missed, ...] = ()
    url: str | None = None


def compose(facts: NoticeFacts, event: str, *, now: datetime, language: str, tz: ZoneInfo) -> Text:
    """Title and body of a notice's message in ``language`` ("ko" or "en"), times in ``tz``."""
    return (_korean if language == "ko" else _english)(facts, event, now, tz)


def payload(facts: NoticeFacts, event: str, *, now: datetime, tz: ZoneInfo) -> dict[str, Any]:
    """The data of a webhook: ``{"notice": …, "watches": […], "missed": […], "text": {ko, en}}``."""
    texts = {
        language: compose(facts, event, now=now, language=language, tz=tz)
        for language in ("ko", "en")
    }
    return {
        "notice": {
            "id": facts.notice_id,
            "source": facts.source,
            "place": facts.place,
            "state": facts.state,
            "outcome": facts.outcome,
            "reason": facts.detail,
            "since": facts.since.isoformat(),
            "opened_at": facts.opened_at.isoformat(),
            "ended_at": facts.ended_at.isoformat() if facts.ended_at else None,
            "reminders": facts.reminders,
            "url": facts.url,
        },
        "watches": [{"id": id_, "label": label} for id_, label in facts.watches],
        "missed": [
            {
                "watch": gap.watch_id,
                "from": gap.from_at.isoformat(),
                "to": gap.to_at.isoformat() if gap.to_at else None,
                "why": gap.why,
                "state": _state(gap),
            }
            for gap in facts.missed
        ],
        "text": {lang: {"title": t.title, "body": t.body} for lang, t in texts.items()},
    }


def _state(gap: Missed) -> str:
    return "filled" if gap.filled else "backfilling" if gap.backfilling else "missing"


def length(span: timedelta, language: str) -> str:
    """A length of time in its largest fitting unit."""
    for least, unit, ko, en in _UNITS:
        if span >= least:
            n = round(span / unit)
            return f"{n}{ko}" if language == "ko" else f"{n} {en}"
    n = max(round(span / timedelta(minutes=1)), 1)
    return f"{n}분" if language == "ko" else f"{n} min"


def _korean(facts: NoticeFacts, event: str, now: datetime, tz: ZoneInfo) -> Text:
    where = _where(facts, 0)
    since = facts.since.astimezone(tz).strftime("%m월 %d일 %H:%M")
    lasted = length((facts.ended_at or now) - facts.since, "ko")
    names = _names(facts.watches, "외 {n}곳")
    if event == "source.recovered":
        lines = [
            f"{since}부터 {lasted} 동안 수집하지 못했고, 이제 다시 수집합니다.",
            f"대상: {names}",
            *_missed_korean(facts, tz),
        ]
        title = f"[수집 복구] {where} — 다시 정상입니다"
    else:
        again = "아직 " if event == "source.reminder" else ""
        title = f"[수집 이상] {where} — {again}{facts.title[0]}"
        if event == "source.reminder":
            title += f" ({lasted}째)"
        lines = [
            facts.reason[0],
            f"{since}부터, 대상 {len(facts.watches)}곳: {names}",
            f"할 일: {facts.advice[0]}",
            "이 시간의 글은 ‘0건’이 아니라 ‘수집 안 됨’으로 표시됩니다.",
        ]
        lines += [f"자세한 내용: {facts.detail}"] if facts.detail else []
    lines += [f"수집 현황 보기: {facts.url}"] if facts.url else []
    return Text(title=title, body="\n".join(line for line in lines if line))


def _missed_korean(facts: NoticeFacts, tz: ZoneInfo) -> list[str]:
    if not facts.missed:
        return ["그동안의 글은 빠짐없이 모았습니다."]
    left = [gap for gap in facts.missed if not gap.filled]
    if not left:
        return ["그동안의 글은 나중에 모두 채웠습니다."]
    filling = sum(gap.backfilling for gap in left)
    lines = [f"빠진 시간: {_span(left, tz, '%m월 %d일 %H:%M', '지금')} ({len(left)}건)"]
    if filling:
        lines.append(f"이 가운데 {filling}건은 지금 채우는 중입니다.")
    if filling < len(left):
        lines.append(f"{len(left) - filling}건은 채우지 못합니다.")
    return lines


def _english(facts: NoticeFacts, event: str, now: datetime, tz: ZoneInfo) -> Text:
    where = _where(facts, 1)
    since = facts.since.astimezone(tz).strftime("%d %b %H:%M")
    lasted = length((facts.ended_at or now) - facts.since, "en")
    names = _names(facts.watches, "and {n} more")
    if event == "source.recovered":
        lines = [
            f"Nothing could be collected for {lasted} from {since}; it is being collected again.",
            f"Watches: {names}",
            *_missed_english(facts, tz),
        ]
        title = f"[Collecting again] {where}: all is well"
    else:
        still = "still " if event == "source.reminder" else ""
        title = f"[Collecting fails] {where}: {still}{facts.title[1].lower()}"
        if event == "source.reminder":
            title += f" (for {lasted})"
        count = len(facts.watches)
        lines = [
            facts.reason[1],
            f"Since {since}, {count} {'watch' if count == 1 else 'watches'}: {names}",
            f"What to do: {facts.advice[1]}",
            "This time is shown as not collected, which is not zero.",
        ]
        lines += [f"Details: {facts.detail}"] if facts.detail else []
    lines += [f"Look at the sources: {facts.url}"] if facts.url else []
    return Text(title=title, body="\n".join(line for line in lines if line))


def _missed_english(facts: NoticeFacts, tz: ZoneInfo) -> list[str]:
    if not facts.missed:
        return ["Nothing of that time is missing."]
    left = [gap for gap in facts.missed if not gap.filled]
    if not left:
        return ["What was missed is filled in by now."]
    filling = sum(gap.backfilling for gap in left)
    lines = [f"Missing: {_span(left, tz, '%d %b %H:%M', 'now')} ({len(left)} gaps)"]
    if filling:
        lines.append(f"{filling} of them are being filled in.")
    if filling < len(left):
        lines.append(f"{len(left) - filling} cannot be filled in.")
    return lines


def _where(facts: NoticeFacts, column: int) -> str:
    name = facts.source_title[column]
    return f"{name} ({facts.place})" if facts.place else name


def _names(watches: Sequence[tuple[int, str]], more: str) -> str:
    shown = ", ".join(label for _, label in watches[:_SHOWN])
    left = len(watches) - _SHOWN
    return f"{shown} {more.format(n=left)}" if left > 0 else shown


def _span(gaps: Sequence[Missed], tz: ZoneInfo, form: str, now: str) -> str:
    start = min(gap.from_at for gap in gaps).astimezone(tz).strftime(form)
    ends = [gap.to_at for gap in gaps]
    latest = max((end for end in ends if end), default=None)
    end = now if None in ends or latest is None else latest.astimezone(tz).strftime(form)
    return f"{start} – {end}"
