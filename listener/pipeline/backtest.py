"""Backtests: a rule over the stored past, as it was known then, by the very code of the watchdog.

What comes out is plain data, so that the command, the API and the pages show the same. The job
``backtest`` answers with ``Report.to_json()``:

    {"a": {...Result}, "b": {...Result} | null, "compared": {...} | null}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A topic, source or phrase that there is more of than in the week before."""

    name: str
    count: int
    share: float  # of the mentions in the spike, 0 to 1
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
class AlertFire:
    """One event that people would have been told of: it groups fires."""

    number: int
    opened_at: datetime
    resolved_at: datetime | None
    severity: str
    told: Sequence[tuple[datetime, str]]  # when, and which event (alert.opened, …)
    fires: Sequence[int]  # numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What people's marks say of the fires. Shares are None where nothing was marked.

    precision = right / (right + false), recall = right / (right + missed).
    """

    right: int  # fires that fall into an alert marked right
    false: int
    unmarked: int
    missed: Sequence[Mapping[str, Any]]  # alerts marked right that it stays silent at: alert_id, at
    precision: float | None
    recall: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One place of the timeline; the counts of all series of the rule are summed."""

    at: datetime
    count: int
    expected: float | None  # None = nothing was judged there (learning, or not collected)
    fires: int  # that were noticed in it
    collected: float  # share of the time in which collection was complete or partial, 0 to 1


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

    code: str  # late | short | learning | readings | signal | none
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
    compared: Compared | None = field(default=None)

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists and JSON values; times as ISO 8601 in UTC."""
        plain = _plain(asdict(self))
        assert isinstance(plain, dict)
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
