"""The mentions behind a spike, and what sets them apart from the days before.

The watchdog explains a spike when it opens, grows and ends, and what it finds is stored with it. A
page counts the same mentions anew, by the very filter that its links carry: its numbers are those
of the lists behind them, whatever came late, was edited or read anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from listener.alert.message import is_count
from listener.detect.calendar import Calendar, holidays_of
from listener.detect.catalogue import filter_of, parts_of
from listener.detect.expected import Expectation, frame_of
from listener.detect.explain import (
    Explanation,
    SpikeFact,
    Usual,
    count_usual,
    explain,
    recount,
    usual_of,
)
from listener.detect.lifecycle import SpikeLife
from listener.pipeline.evidence import (
    MOST_TEXTS,
    count_found,
    load_facts,
    selected,
    to_mention_filter,
    with_texts,
)
from listener.pipeline.surroundings import alike, own_words, rivals, tally
from listener.settings import Settings
from listener.store import feed, planned
from listener.store.feed_query import MENTION
from listener.store.tables import (
    DetectorRow,
    FlagRow,
    SpikeRow,
)
from listener.types import By, FlagKind, Sensitivity

USUAL = timedelta(days=7)  # the time before that a spike is compared with
LEAD = timedelta(hours=6)  # before the onset that is left out: a wave may have begun earlier
MOST_COUNTED = 20_000  # of a spike; of more, the newest
_AVERAGES = {"share:negative": "share", "mean:rating": "rating", "mean:sentiment": "sentiment"}
_SAMPLES = 5
# One post is no list: all there is to tell of it are its own counts.
_OF_ONE_POST: Mapping[str, Any] = {
    **{"mentions": 0, "authors": 0, "stories": 0, "copies": 0, "flagged": 0, "observed": None},
    **{"counts_flagged": False, "competitors": [], "similar": [], "writers": [], "phrases": []},
}


def explain_spike(
    session: Session,
    brand_id: int,
    dimension: str,
    spike: SpikeLife,
    *,
    now: datetime,
    by: str = By.POSTS,
    sensitivity: str = Sensitivity.NORMAL,
    scope: Mapping[str, str] | None = None,
    settings: Settings | None = None,
) -> tuple[dict[str, Any], list[int]]:
    """The explanation of a spike as JSON, and the ids of its mentions (first the samples)."""
    row = SpikeRow(
        id=0,
        brand_id=brand_id,
        dimension=dimension,
        by=by,
        sensitivity=sensitivity,
        scope=dict(scope or {}),
        state="open" if spike.is_open else "resolved",
        onset_at=spike.onset_at,
        resolved_at=spike.resolved_at,
        explanation={},
    )
    causes = _Causes(session, row, now, settings)
    facts = causes.facts
    some = with_texts(session, facts)
    usual = causes.usual_facts()
    expected = causes.expected_mentions(count_usual(usual))
    told = explain(
        some,
        usual,
        length=causes.wanted_until - spike.onset_at,
        usual_length=USUAL,
        expected=expected,
        ignored=own_words(session, brand_id),
    )
    if len(some) < len(facts):
        told = recount(facts, told.to_json(), expected=expected)
    ids = [*told.sample_ids, *told.first_ids, *(fact.mention_id for fact in facts[-MOST_TEXTS:])]
    return causes.to_json(told, line=True), list(dict.fromkeys(ids))


def recount_spike(
    session: Session, row: SpikeRow, *, now: datetime, settings: Settings
) -> dict[str, Any]:
    """The stored explanation with the numbers of this moment: those that the filter of the spike
    (``listener.pipeline.causes.filter_of_spike``) gives now. Who wrote most is in ``writers``.
    """
    kept = row.explanation or {}
    if row.dimension.startswith("viral:"):
        shown = list(row.mention_ids or ())[:1]
        return kept | dict(_OF_ONE_POST) | {"sample_ids": shown, "most_spread_ids": shown}
    causes = _Causes(session, row, now, settings)
    if not kept.get("sample_ids"):  # of a single thing nothing but its facts was told
        kept = {**kept, "sample_ids": list(row.mention_ids or ())[:_SAMPLES]}
    usual = usual_of(kept) or count_usual(causes.usual_facts(texts=False))
    told = recount(causes.facts, kept, expected=causes.expected_mentions(usual), usual=usual)
    found = {**kept, **causes.to_json(told, line=row.state == "open" or "line" not in kept)}
    if "expected" not in found or found["expected"] is None:
        found["expected"] = kept.get("expected")
    found["writers"] = [
        {"name": one.name, "count": one.count, "share": one.share} for one in told.writers
    ]
    return found


def filter_of_spike(row: SpikeRow, *, now: datetime, count_flagged: bool) -> dict[str, str]:
    """The filter of a spike's mentions by the parameters of the API; ``brand`` is an id.

    Its count is that of the series where it counts posts; ``once`` gives stories and authors.
    Empty for one post, which no filter selects.
    """
    wanted = _scope_of(row)
    if wanted is None:
        return {}
    if "story" not in wanted:
        wanted["own"] = "false"
        if not count_flagged:
            wanted["flagged"] = "false"
    until = (row.resolved_at or now).replace(microsecond=0)
    return {
        "brand": str(row.brand_id),
        **wanted,
        "since": _iso(row.onset_at),
        "until": _iso(until),
    }


def _scope_of(row: SpikeRow) -> dict[str, str] | None:
    kind, _, rest = row.dimension.partition(":")
    if kind == "viral":
        return None
    if kind == "spread":
        return {"story": rest}
    if kind == "new":
        signal = (row.explanation or {}).get("signal") or {}
        return {"q": str(signal.get("phrase") or rest)}
    return dict(row.scope or filter_of(row.dimension))


class _Causes:
    """One spike, its mentions, and what is known around it."""

    def __init__(
        self, session: Session, row: SpikeRow, now: datetime, settings: Settings | None
    ) -> None:
        self._session = session
        self._row = row
        self._now = now
        self._tz = ZoneInfo(settings.timezone) if settings else ZoneInfo("UTC")
        self._country = settings.holidays if settings else ""
        self._counts_flagged = bool(settings and settings.count_flagged)
        parameters = filter_of_spike(row, now=now, count_flagged=self._counts_flagged)
        self.wanted = to_mention_filter(parameters)
        self.wanted_until = self.wanted.until or now
        self.facts = load_facts(session, self.wanted, most=MOST_COUNTED)
        self._expectation = self._load_expectation()

    def usual_facts(self, *, texts: bool = True) -> list[SpikeFact]:
        """The mentions of the week before; of very many, a sample that is even in time."""
        start = self._row.onset_at - LEAD
        before = replace(self.wanted, since=start - USUAL, until=start)
        size = feed.count(self._session, before, limit=50 * MOST_TEXTS)
        every = max(1, -(-size // MOST_TEXTS))
        return load_facts(self._session, before, most=MOST_TEXTS, every=every, texts=texts)

    def expected_mentions(self, usual: Usual) -> float:
        """Mentions, copies included, that were to be expected since the onset."""
        if self._expectation is not None and self._row.by != By.AUTHORS:
            expected = self._expectation.span(self._row.onset_at, self.wanted_until).expected
            if self._row.by == By.STORIES and usual.stories:
                return expected * usual.mentions / usual.stories
            return expected
        start = self._row.onset_at - LEAD
        before = replace(self.wanted, since=start - USUAL, until=start)
        size = feed.count(self._session, before, limit=1_000_000)
        return size * ((self.wanted_until - self._row.onset_at) / USUAL)

    def to_json(self, told: Explanation, *, line: bool) -> dict[str, Any]:
        """All that is told of the spike; ``line`` also what was to be expected."""
        row, session = self._row, self._session
        found = told.to_json()
        ids = [fact.mention_id for fact in self.facts]
        found["phrases"] = [
            {**one, "mentions": count_found(session, ids, one["text"])} for one in found["phrases"]
        ]
        flagged = self._flagged()
        among = told.mentions if self._counts_flagged else told.mentions + flagged.total()
        found |= {
            "copies": told.mentions - told.stories,
            "flagged": flagged.total(),
            "flagged_share": round(flagged.total() / among, 4) if among else 0.0,
            "bots": flagged[FlagKind.BOT],
            "counts_flagged": self._counts_flagged,
            "since": row.onset_at.isoformat(),
            "until": self.wanted_until.isoformat(),
            "observed": self._observed(told),
            "average": self._average(told),
            "competitors": rivals(session, row, self.wanted),
            "similar": alike(session, row, found),
        }
        if line and self._expectation is not None:
            span = self._expectation.span(row.onset_at, self.wanted_until)
            found |= {
                "expected": round(span.expected, 2),
                "low": round(span.low, 1),
                "high": round(span.high, 1),
                "line": self._expectation.line(
                    frame_of(row.onset_at, row.resolved_at or self._now)
                ).to_json(),
            }
        return found

    def _observed(self, told: Explanation) -> int | None:
        """As the series counts; None for a series that is no count."""
        if not is_count(self._row.dimension):
            return None
        once = {By.STORIES: "story", By.AUTHORS: "author"}.get(By(self._row.by or By.POSTS))
        if once is None:
            return told.mentions
        return feed.count(self._session, replace(self.wanted, once=once), limit=MOST_COUNTED)

    def _average(self, told: Explanation) -> dict[str, Any] | None:
        """Of a share or a mean: what it is, what it was in the week before, and of how many.

        ``narrow`` takes the filter of the page to all of these, ``of``.
        """
        kind = _AVERAGES.get(":".join(self._row.dimension.split(":")[:2]))
        if kind is None:
            return None
        part, whole = parts_of(self._row.dimension)
        start, until = self._row.onset_at, self.wanted_until
        now = tally(self._session, self._row.brand_id, (part, whole or part), start, until)
        before = tally(
            self._session, self._row.brand_id, (part, whole or part), start - USUAL, start
        )
        if kind == "share":
            size = feed.count(self._session, replace(self.wanted, labels=()), limit=MOST_COUNTED)
            of = before[whole or part].count
            return {
                "kind": kind,
                "now": round(told.mentions / size, 4) if size else 0.0,
                "usual": round(before[part].count / of, 4) if of else None,
                "bad": told.mentions,
                "of": size,
                "narrow": {"sentiment": ""},
            }
        low, scale = (1.0, 4.0) if kind == "rating" else (0.0, 1.0)
        if not now[part].scored:
            return None
        return {
            "kind": kind,
            "now": round(low + scale * now[part].mean, 3),
            "usual": round(low + scale * before[part].mean, 3) if before[part].scored else None,
            "of": told.mentions,
            "narrow": {},
        }

    def _flagged(self) -> Counter[str]:
        """How many mentions of the spike's time and kind are flagged, by the first flag of each."""
        wanted = replace(self.wanted, flagged=True)
        kind = FlagRow.__table__.c
        query = selected(self._session, wanted, MENTION.id, func.min(kind.kind))
        query = query.join(FlagRow.__table__, kind.mention_id == MENTION.id)
        rows = self._session.execute(query.group_by(MENTION.id).limit(MOST_COUNTED))
        return Counter(first for _, first in rows)

    def _load_expectation(self) -> Expectation | None:
        row = self._row
        if not is_count(row.dimension):
            return None
        states = self._session.execute(
            select(DetectorRow.by, DetectorRow.sensitivity, DetectorRow.state).where(
                DetectorRow.brand_id == row.brand_id, DetectorRow.dimension == row.dimension
            )
        ).all()
        frame = frame_of(row.onset_at, row.resolved_at or self._now)
        calendar = _calendar(
            self._session, row.brand_id, frame.start, frame.end, self._country, self._tz
        )
        # What is expected is the same at any sensitivity.
        fitting = [one for one in states if one.by == row.by]
        for one in sorted(fitting, key=lambda one: one.sensitivity != row.sensitivity):
            sensitivity = Sensitivity(one.sensitivity)
            found = Expectation.load(one.state, sensitivity, self._tz, calendar)
            if found is not None:
                return found
        return None


# --- the calendar --------------------------------------------------------------------------------


def _calendar(
    session: Session, brand_id: int, since: datetime, until: datetime, country: str, tz: ZoneInfo
) -> Calendar:
    events = planned.of_brand(session, brand_id, since, until)
    return Calendar(_holidays(country) if country else {}, events, tz)


@lru_cache(maxsize=4)
def _holidays(country: str) -> Mapping[Any, str]:
    return holidays_of(country)


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
