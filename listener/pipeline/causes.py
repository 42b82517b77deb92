"""The mentions behind a spike, and what sets them apart from the days before.

The watchdog explains a spike when it opens, grows and ends, and what it finds is stored with it. A
page counts the same mentions anew, by the very filter that its links carry: its numbers are those
of the lists behind them, whatever came late, was edited or read anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, and_, case, func, or_, select
from sqlalchemy.orm import Session

from listener.alert.message import is_count
from listener.detect.calendar import Calendar, holidays_of
from listener.detect.catalogue import filter_of, parts_of, rule_of
from listener.detect.expected import Expectation, frame_of
from listener.detect.explain import (
    Explanation,
    SpikeFact,
    Usual,
    count_usual,
    explain,
    recount,
    similarity,
    usual_of,
)
from listener.detect.lifecycle import SpikeLife
from listener.detect.surprise import nb_surprise
from listener.settings import Settings
from listener.store import feed, feed_query, planned, search
from listener.store.feed_query import MENTION, MentionFilter
from listener.store.tables import (
    AlertRow,
    AuthorRow,
    BrandRow,
    BucketRow,
    DetectorRow,
    EngagementRow,
    FlagRow,
    MatchRow,
    MentionStoryRow,
    ReadingRow,
    SpikeRow,
)
from listener.store.upsert import among, chunks
from listener.types import By, FlagKind, Label, Sensitivity

USUAL = timedelta(days=7)  # the time before that a spike is compared with
MOST = 2_000  # mentions whose texts are read, of either side; of more, a sample
MOST_COUNTED = 20_000  # of a spike; of more, the newest
WEEK = timedelta(days=7)
WEEKS = 4  # before, that a competitor is compared with
ALIKE = 0.5  # similarity from which a past spike is shown
MOST_ALIKE = 3
_PAST = 100  # spikes looked through for similar ones
_TEXT = 2_000  # characters of a text that phrases are taken from
_SHARED = 3.0  # surprise at which a competitor's count has risen, too
_SCATTER = 0.1  # dispersion of a competitor's counts
_STEP_S = 300
_MATCH = MatchRow.__table__.alias("in_order").c
_READING = ReadingRow.__table__.c
_STORY = MentionStoryRow.__table__.c
_AUTHOR = AuthorRow.__table__.c


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
    some = _with_texts(session, facts)
    usual = causes.usual_facts()
    expected = causes.expected_mentions(count_usual(usual))
    told = explain(
        some,
        usual,
        length=causes.wanted_until - spike.onset_at,
        usual_length=USUAL,
        expected=expected,
        ignored=_own_words(session, brand_id),
    )
    if len(some) < len(facts):
        told = recount(facts, told.to_json(), expected=expected)
    ids = [*told.sample_ids, *told.first_ids, *(fact.mention_id for fact in facts[-MOST:])]
    return causes.to_json(told, line=True), list(dict.fromkeys(ids))


def recount_spike(
    session: Session, row: SpikeRow, *, now: datetime, settings: Settings
) -> dict[str, Any]:
    """The stored explanation with the numbers of this moment: those that the filter of the spike
    (``listener.pipeline.causes.filter_of_spike``) gives now. Who wrote most is in ``writers``.
    """
    causes = _Causes(session, row, now, settings)
    kept = row.explanation or {}
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
    """
    wanted = dict(row.scope or filter_of(row.dimension))
    if "id" not in wanted and "story" not in wanted:
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
        start = self._row.onset_at
        before = replace(self.wanted, since=start - USUAL, until=start)
        size = feed.count(self._session, before, limit=50 * MOST)
        every = max(1, -(-size // MOST))
        return load_facts(self._session, before, most=MOST, every=every, texts=texts)

    def expected_mentions(self, usual: Usual) -> float:
        """Mentions, copies included, that were to be expected since the onset."""
        if self._expectation is not None and self._row.by != By.AUTHORS:
            expected = self._expectation.span(self._row.onset_at, self.wanted_until).expected
            if self._row.by == By.STORIES and usual.stories:
                return expected * usual.mentions / usual.stories
            return expected
        start = self._row.onset_at
        before = replace(self.wanted, since=start - USUAL, until=start)
        size = feed.count(self._session, before, limit=1_000_000)
        return size * ((self.wanted_until - start) / USUAL)

    def to_json(self, told: Explanation, *, line: bool) -> dict[str, Any]:
        """All that is told of the spike; ``line`` also what was to be expected."""
        row, session = self._row, self._session
        found = told.to_json()
        ids = [fact.mention_id for fact in self.facts]
        found["phrases"] = [
            {**one, "mentions": _search(session, ids, one["text"])} for one in found["phrases"]
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

    def _flagged(self) -> Counter[str]:
        """How many mentions of the spike's time and kind are flagged, by the first flag of each."""
        wanted = replace(self.wanted, flagged=True)
        kind = FlagRow.__table__.c
        query = _selected(self._session, wanted, MENTION.id, func.min(kind.kind))
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


# --- mentions ------------------------------------------------------------------------------------


def to_mention_filter(parameters: Mapping[str, str]) -> MentionFilter:
    """The filter that parameters of the API stand for, as far as spikes use them."""

    def said(name: str) -> bool | None:
        return {"true": True, "false": False}.get(parameters.get(name, ""))

    def many(name: str) -> tuple[str, ...]:
        return tuple(part for part in parameters.get(name, "").split(",") if part)

    def at(name: str) -> datetime | None:
        value = parameters.get(name)
        return None if value is None else datetime.fromisoformat(value)

    brand, story = parameters.get("brand"), parameters.get("story")
    return MentionFilter(
        brand_id=None if brand is None else int(brand),
        sources=many("source"),
        languages=many("language"),
        labels=many("sentiment"),
        complaint=said("complaint"),
        topics=many("topic"),
        tags=many("tag"),
        since=at("since"),
        until=at("until"),
        q=parameters.get("q"),
        flagged=said("flagged"),
        story_id=None if story is None else int(story),
        own=said("own"),
        countries=many("country"),
        rated=said("rated"),
        low_rating=said("low_rating"),
    )


def load_facts(
    session: Session,
    wanted: MentionFilter,
    *,
    most: int,
    every: int = 1,
    texts: bool = False,
) -> list[SpikeFact]:
    """The mentions that a brand's filter selects, oldest first; of more than ``most`` the newest,
    of every so many one.
    """
    shape = feed_query.shape(session, names=False)
    columns = [
        *(MENTION.id, MENTION.event_at, MENTION.source, MENTION.language, MENTION.country),
        *(MENTION.place, MENTION.product, MENTION.product_version, _AUTHOR.pseudonym),
        *(_STORY.story_id, _READING.topics, _READING.label, _READING.complaint),
        *((MENTION.title, MENTION.text) if texts else ()),
    ]
    query = (
        _selected(session, wanted, *columns)
        .outerjoin(AuthorRow.__table__, _AUTHOR.id == MENTION.author_id)
        .outerjoin(MentionStoryRow.__table__, _STORY.mention_id == MENTION.id)
        .outerjoin(
            ReadingRow.__table__,
            and_(
                _READING.mention_id == MENTION.id,
                _READING.brand_id == wanted.brand_id,
                _READING.generation_id == shape.generation,
            ),
        )
        .order_by(_MATCH.event_at.desc(), MENTION.id.desc())
        .limit(most)
    )
    if every > 1:
        query = query.where(MENTION.id % every == 0)
    rows = session.connection().execute(query).all()
    engagement = _engagement(session, [row.id for row in rows]) if not texts else {}
    facts = [_fact(row, engagement, texts) for row in rows]
    facts.reverse()
    return facts


def _selected(session: Session, wanted: MentionFilter, *columns: Any) -> Select[Any]:
    """Of the mentions that the filter selects, in the order of the brand's index."""
    shape = feed_query.shape(session, names=False)
    ranged = [_MATCH.brand_id == wanted.brand_id]
    if wanted.since is not None:
        ranged.append(_MATCH.event_at >= wanted.since)
    if wanted.until is not None:
        ranged.append(_MATCH.event_at < wanted.until)
    source = _MATCH.mention_id.table.join(MENTION.id.table, MENTION.id == _MATCH.mention_id)
    # The brand and the times are those of the index; the filter need not look for them again.
    rest = replace(wanted, since=None, until=None)
    return (
        select(*columns)
        .select_from(source)
        .where(*ranged, *feed_query.conditions(rest, shape, session))
    )


def _fact(row: Any, engagement: Mapping[int, int], texts: bool) -> SpikeFact:
    text = ""
    if texts:
        text = (f"{row.title}\n{row.text}" if row.title else row.text)[:_TEXT]
    return SpikeFact(
        mention_id=row.id,
        event_at=row.event_at,
        source=row.source,
        text=text,
        topics=tuple(row.topics or ()),
        label=Label(row.label) if row.label else None,
        complaint=row.complaint,
        author_key=row.pseudonym,
        story_key=None if row.story_id is None else str(row.story_id),
        engagement=engagement.get(row.id, 0),
        language=row.language,
        country=row.country,
        place=row.place,
        product=row.product,
        version=row.product_version,
    )


def _with_texts(session: Session, facts: Sequence[SpikeFact]) -> list[SpikeFact]:
    """The facts with their texts; of very many, some that are even in time."""
    every = max(1, -(-len(facts) // MOST))
    some = facts[::every]
    rows = session.connection().execute(
        select(MENTION.id, MENTION.title, MENTION.text).where(
            MENTION.id.in_([fact.mention_id for fact in some])
        )
    )
    texts = {row.id: f"{row.title}\n{row.text}" if row.title else row.text for row in rows}
    return [replace(fact, text=texts.get(fact.mention_id, "")[:_TEXT]) for fact in some]


def _search(session: Session, mention_ids: Sequence[int], words: str) -> int:
    """How many of these mentions a search finds."""
    found = search.condition(session, words, MENTION.id)
    return sum(
        session.scalar(
            select(func.count()).select_from(
                select(MENTION.id).where(among(session, MENTION.id, some), found).subquery()
            )
        )
        or 0
        for some in chunks(mention_ids)
    )


def _engagement(session: Session, mention_ids: Collection[int]) -> dict[int, int]:
    """Likes, replies and shares of each mention, by the highest counts that were told."""
    highest = (
        func.coalesce(func.max(column), 0)
        for column in (EngagementRow.likes, EngagementRow.replies, EngagementRow.shares)
    )
    rows = session.execute(
        select(EngagementRow.mention_id, *highest)
        .where(EngagementRow.mention_id.in_(mention_ids))
        .group_by(EngagementRow.mention_id)
    )
    return {mention_id: sum(counts) for mention_id, *counts in rows}


def _own_words(session: Session, brand_id: int) -> set[str]:
    """The brand's names: that they occur in its mentions is no news."""
    row = session.get_one(BrandRow, brand_id)
    return {row.name, *row.aliases, *row.hashtags, *row.handles}


# --- around it -----------------------------------------------------------------------------------


def rivals(session: Session, row: SpikeRow, wanted: MentionFilter) -> list[dict[str, Any]]:
    """What the same series of other brands did meanwhile: of competitors for an own brand, of all
    others for a competitor. The most raised first.

    ``usual`` is the mean of the same hours of the last four weeks.
    """
    dimension, _ = parts_of(row.dimension)
    if rule_of(row.dimension) is not None or not is_count(dimension):
        return []
    own = session.get_one(BrandRow, row.brand_id)
    query = select(BrandRow.id, BrandRow.name).where(
        BrandRow.archived_at.is_(None), BrandRow.id != row.brand_id
    )
    if not own.competitor:
        query = query.where(BrandRow.competitor.is_(True))
    others = {brand_id: name for brand_id, name in session.execute(query.limit(50))}
    if not others:
        return []
    start, until = row.onset_at, wanted.until or row.onset_at
    weeks = _weeks(session, others, dimension, start, until)
    first = _first_buckets(session, others)
    spiked = _spikes_meanwhile(session, others, row.dimension, start, until)
    found: list[dict[str, Any]] = []
    for brand_id, name in others.items():
        known = [
            weeks.get((brand_id, n), 0)
            for n in range(1, WEEKS + 1)
            if brand_id in first and first[brand_id] <= start - n * WEEK
        ]
        if not known:
            continue
        usual, seen = sum(known) / len(known), weeks.get((brand_id, 0), 0)
        if seen:  # by the filter of its link; an empty bucket says enough
            seen = feed.count(session, replace(wanted, brand_id=brand_id), limit=MOST_COUNTED)
        up = brand_id in spiked or (
            seen >= 3 and nb_surprise(seen, max(usual, 0.3), _SCATTER) >= _SHARED
        )
        found.append(
            {
                "brand_id": brand_id,
                "name": name,
                "observed": seen,
                "usual": round(usual, 2),
                "up": up,
                "spike_id": spiked.get(brand_id),
            }
        )
    found.sort(key=lambda one: (not one["up"], one["usual"] - one["observed"], str(one["name"])))
    return found[:10]


def _weeks(
    session: Session, brands: Collection[int], dimension: str, start: datetime, end: datetime
) -> dict[tuple[int, int], int]:
    """Mentions of these hours, by brand and by how many weeks ago."""
    at = BucketRow.at
    spans = [
        and_(at >= start - n * WEEK, at < end - n * WEEK)
        for n in range(WEEKS + 1)
        if n == 0 or end - start <= WEEK
    ]
    week = case(*((span, n) for n, span in enumerate(spans)))
    rows = session.execute(
        select(BucketRow.brand_id, week, func.sum(BucketRow.count))
        .where(
            BucketRow.brand_id.in_(brands),
            BucketRow.dimension == dimension,
            BucketRow.step_s == _STEP_S,
            at >= start - WEEKS * WEEK,
            at < end,
            or_(*spans),
        )
        .group_by(BucketRow.brand_id, week)
    )
    return {(brand_id, int(n)): int(total) for brand_id, n, total in rows}


def _first_buckets(session: Session, brands: Collection[int]) -> dict[int, datetime]:
    found = {}
    for brand_id in brands:
        first = session.scalar(
            select(func.min(BucketRow.at)).where(
                BucketRow.brand_id == brand_id, BucketRow.step_s == _STEP_S
            )
        )
        if first is not None:
            found[brand_id] = first
    return found


def _spikes_meanwhile(
    session: Session, brands: Collection[int], dimension: str, start: datetime, end: datetime
) -> dict[int, int]:
    rows = session.execute(
        select(SpikeRow.brand_id, SpikeRow.id)
        .where(
            SpikeRow.brand_id.in_(brands),
            SpikeRow.dimension == dimension,
            SpikeRow.onset_at < end,
            (SpikeRow.resolved_at > start) | SpikeRow.resolved_at.is_(None),
        )
        .order_by(SpikeRow.id)
    )
    return {brand_id: spike_id for brand_id, spike_id in rows}


def alike(session: Session, row: SpikeRow, told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Earlier spikes of the brand with the same drivers, and how they ended; the most alike first.

    Of an event with several spikes the most alike one stands for all.
    """
    query = (
        select(SpikeRow, AlertRow.verdict)
        .outerjoin(AlertRow, AlertRow.id == SpikeRow.alert_id)
        .where(
            SpikeRow.brand_id == row.brand_id,
            SpikeRow.onset_at < row.onset_at,
            SpikeRow.state == "resolved",
        )
        .order_by(SpikeRow.onset_at.desc(), SpikeRow.id.desc())
        .limit(_PAST)
    )
    if row.alert_id is not None:
        query = query.where((SpikeRow.alert_id != row.alert_id) | SpikeRow.alert_id.is_(None))
    best: dict[object, tuple[float, SpikeRow, str | None]] = {}
    for other, verdict in session.execute(query):
        near = similarity(told, other.explanation or {})
        if other.dimension == row.dimension:
            near = (1.0 + near) / 2.0  # the same series is half of being alike
        key = ("alert", other.alert_id) if other.alert_id is not None else ("spike", other.id)
        if near >= ALIKE and (key not in best or near > best[key][0]):
            best[key] = near, other, verdict
    ranked = sorted(best.values(), key=lambda one: (-one[0], -one[1].id))[:MOST_ALIKE]
    return [
        {
            "spike_id": other.id,
            "dimension": other.dimension,
            "onset": other.onset_at.isoformat(),
            "lasted_s": int(((other.resolved_at or row.onset_at) - other.onset_at).total_seconds()),
            "observed": (other.explanation or {}).get("observed") or other.observed,
            "expected": round((other.explanation or {}).get("expected") or other.expected, 2),
            "similarity": round(near, 3),
            "verdict": verdict,
        }
        for near, other, verdict in ranked
    ]


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
