"""What a backtest tells: alerts with the spikes in them, marks, a timeline, and how two differ.

Plain data, so that the command, the API and the pages show the same. The job ``backtest`` answers
with ``Report.to_json()``:

    {"a": {...Result}, "b": {...Result} | null, "compared": {...} | null}
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from listener.pipeline.timeline import Point
from listener.store.asof import Judged
from listener.types import Interval

NEAR = timedelta(hours=1)  # two alerts so near to each other are one event
SOME = 0.05  # of the mentions came late: worth a note
SHORT = 0.9  # of the days were judged: less is worth a note
MOST_CAUSES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A topic, source or phrase that there is more of than in the week before."""

    name: str
    count: int
    share: float | None  # of the mentions in the spike, 0 to 1; None for phrases
    excess: float | None  # above what the week before would give; None for phrases


@dataclass(frozen=True, slots=True, kw_only=True)
class Fire:
    """A spike that the rule would have wanted, as it stood at its end.

    ``noticed_*`` are the numbers of the moment at which people would have been told.
    """

    number: int  # its place in the list, from 0
    dimension: str
    by: str  # posts | stories | authors
    sensitivity: str
    onset_at: datetime
    noticed_at: datetime  # the look at which the rule wanted it
    resolved_at: datetime | None  # None = it still went on at the end of the time
    observed: float
    expected: float
    score: float
    once_in_days: float  # how rare: 10 ** score * 30
    severity: str  # low | medium | high
    trend: bool
    noticed_observed: float
    noticed_expected: float
    noticed_score: float
    alert: int  # place in ``alerts``
    topics: Sequence[Cause]
    phrases: Sequence[Cause]
    sources: Sequence[Cause]
    filter: Mapping[str, str]  # of /api/v1/mentions and of the mentions page, with since and until
    link: str  # the mentions behind it, as a path of the dashboard
    mark: str | None  # right | false | planned: what people said of the alert of that time
    spike_id: int | None  # the stored spike that is the same, if there was one


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Something that people would have been told of an alert."""

    at: datetime
    event: str  # alert.opened | alert.escalated | alert.resolved
    heard_at: datetime  # later than ``at`` where quiet hours or days off hold it


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFire:
    """One event that people would have been told of: it groups fires."""

    number: int
    opened_at: datetime
    resolved_at: datetime | None
    severity: str
    told: Sequence[Telling]
    fires: Sequence[int]  # numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What people's marks say of the alerts. Shares are None where nothing was marked.

    precision = right / (right + false), recall = right / (right + missed).
    """

    right: int  # alerts that fall into one marked right
    false: int
    unmarked: int
    missed: Sequence[Mapping[str, Any]]  # alerts marked right that it stays silent at: alert_id, at
    precision: float | None
    recall: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesTold:
    """One series of the rule."""

    dimension: str
    by: str
    sensitivity: str
    mentions: int  # counted in the time
    fires: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that has to be known to read the result right."""

    code: str  # none | on_time | late | short | readings | nobody
    ko: str
    en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one rule would have done in [since, until)."""

    rule: Mapping[str, Any]  # as the API tells rules; id 0 = not saved
    since: datetime
    until: datetime
    days: float  # of it, those in which the series was judged
    judged_as: str  # known = by what was known at each moment | on_time = as if all came at once
    fires: Sequence[Fire]
    alerts: Sequence[AlertFire]
    alerts_a_week: float | None
    marks: Marks
    series: Sequence[SeriesTold]
    timeline: Sequence[Point]
    timeline_step_s: int
    notes: Sequence[Note]
    took_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Two results beside each other, alert by alert: numbers of alerts."""

    only_a: Sequence[int]
    only_b: Sequence[int]
    both: Sequence[tuple[int, int]]
    earlier_s: float | None  # by how much B tells the common ones earlier, median; negative = later


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The answer of the job: one result, or two and how they differ."""

    a: Result
    b: Result | None = None
    compared: Compared | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists and JSON values; times as ISO 8601 in UTC."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


# --- what people said ----------------------------------------------------------------------------


def marks_of(
    fires: Sequence[Fire],
    alerts: Sequence[AlertFire],
    judged: Sequence[Judged],
    *,
    rule_id: int,
    dimensions: Collection[str],
    until: datetime,
) -> Marks:
    """How the alerts of a rule (of these series) agree with what people said. Alerts are judged,
    not fires: people judge what they are told.
    """
    marks = [{fires[number].mark for number in alert.fires} for alert in alerts]
    right = sum("right" in said for said in marks)
    false = sum("false" in said and "right" not in said for said in marks)
    spans = [(fire.onset_at, fire.resolved_at or until) for fire in fires]
    missed = [
        {"alert_id": one.alert_id, "at": one.from_at}
        for one in judged
        if one.verdict == "right"
        and (rule_id in one.rule_ids or one.dimensions & set(dimensions))
        and not any(is_same(span, (one.from_at, one.to_at or until)) for span in spans)
    ]
    return Marks(
        right=right,
        false=false,
        unmarked=len(alerts) - right - false,
        missed=missed,
        precision=round(right / (right + false), 3) if right + false else None,
        recall=round(right / (right + len(missed)), 3) if right + len(missed) else None,
    )


def mark_of(since: datetime, until: datetime, judged: Sequence[Judged]) -> str | None:
    """What people said of the alert of that time: of several, of the nearest."""
    same = [one for one in judged if is_same((since, until), (one.from_at, one.to_at or until))]
    nearest = min(same, key=lambda one: abs(one.from_at - since), default=None)
    return None if nearest is None else nearest.verdict


# --- two beside each other -----------------------------------------------------------------------


def compare(a: Result, b: Result) -> Compared:
    """Which alerts only one of two results has. Two are one event where they overlap."""
    both: list[tuple[int, int]] = []
    free = {alert.number: alert for alert in b.alerts}
    for alert in a.alerts:
        same = [other for other in free.values() if is_same(span_of(a, alert), span_of(b, other))]
        if same:
            other = min(same, key=lambda other: abs(other.opened_at - alert.opened_at))
            both.append((alert.number, other.number))
            del free[other.number]
    in_both = {number for number, _ in both}
    earlier = [
        (a.alerts[one].opened_at - b.alerts[two].opened_at).total_seconds() for one, two in both
    ]
    return Compared(
        only_a=[alert.number for alert in a.alerts if alert.number not in in_both],
        only_b=sorted(free),
        both=both,
        earlier_s=median(earlier) if earlier else None,
    )


def span_of(result: Result, alert: AlertFire) -> Interval:
    """From the onset of the first spike of an alert to its end."""
    onset_at = min(result.fires[number].onset_at for number in alert.fires)
    return onset_at, alert.resolved_at or result.until


def is_same(one: Interval, other: Interval) -> bool:
    """Whether two times overlap, or nearly."""
    return one[0] < other[1] + NEAR and other[0] < one[1] + NEAR


# --- what has to be known ------------------------------------------------------------------------


def notes_of(
    *,
    total: int,
    late: int,
    on_time: bool,
    found: bool,
    days: int,
    judged: float,
    switched: bool,
    silent: bool,
) -> Iterator[Note]:
    """What the reader of a result has to know: of ``total`` mentions ``late`` came late, ``judged``
    of ``days`` could be judged, readings ``switched`` since, the rule is ``silent``.
    """
    share = f"{late / total:.0%}" if total else "0%"
    if not found:
        yield Note(
            code="none",
            ko="이 규칙이 살펴볼 글이 이 기간에 없습니다.",
            en="There is nothing in this time that the rule would look at.",
        )
    if on_time:
        yield Note(
            code="on_time",
            ko=f"글의 {share}가 한참 뒤에 들어왔습니다(파일, 지난 글 모으기)."
            " 그래서 모든 글이 제때 들어온 것으로 보고 시험했습니다.",
            en=f"{share} of the mentions came long after they were said (files, back-fills). It"
            " was tried as if all had come in time.",
        )
    elif total and late > SOME * total:
        yield Note(
            code="late",
            ko=f"글의 {share}가 한참 뒤에 들어왔습니다. 그때 몰랐던 글로는 알림이 울리지 않습니다.",
            en=f"{share} of the mentions came long after they were said: what was not known then"
            " raises no alert.",
        )
    if found and judged < SHORT * days:
        yield Note(
            code="short",
            ko=f"{days}일 가운데 {judged:.0f}일만 판단할 수 있었습니다."
            " 나머지는 모은 기록이 없거나, 평소가 어떤지 배우던 때입니다.",
            en=f"Of {days} days {judged:.0f} could be judged: the others were not collected, or the"
            " usual was still being learnt.",
        )
    if switched:
        yield Note(
            code="readings",
            ko="감성·불만·주제는 지금 쓰는 분석의 결과입니다. 그때와 다를 수 있습니다.",
            en="Sentiment, complaints and topics are as they are read today, not as they were"
            " read then.",
        )
    if silent:
        yield Note(
            code="nobody",
            ko="이 규칙은 아무에게도 알리지 않습니다. 알렸다면 언제였을지를 보여 줍니다.",
            en="This rule tells nobody; this is when it would have.",
        )


def causes_of(told: Any) -> list[Cause]:
    """The first of a list of an explanation."""
    return [
        Cause(
            name=str(one.get("name", one.get("text", ""))),
            count=int(one["count"]),
            share=float(one["share"]) if "share" in one else None,
            excess=float(one["excess"]) if "excess" in one else None,
        )
        for one in (told or [])[:MOST_CAUSES]
    ]
