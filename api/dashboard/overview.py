"""The front page: how a brand is doing, what is new, and whether something is going on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import Response

from api import series
from api.dashboard import channel_pages, charts, names, numbers, rule_words, start_pages, watched
from api.dashboard.periods import RANGES, Period, period_of
from api.dashboard.spike_list import rank
from api.dashboard.view import PageView, View, href
from api.deps import By
from listener.alert.naming import is_count
from listener.collect.health import facts_of, health
from listener.store import (
    access,
    brands,
    coverage,
    feed,
    generations,
    rules,
    spikes,
    stats,
    watches,
)
from listener.store.feed import MentionFilter
from listener.store.tables import AlertRow, MentionRow, SpikeRow, WatchRow
from listener.types import Brand, Coverage

router = APIRouter()

LABELS = ("negative", "mixed", "neutral", "positive", "uncertain", names.UNSCORED)
_SCORED = ("negative", "mixed", "neutral", "positive", "uncertain")
_LATEST = 12
_MOST = 8  # rows of the tables beside the chart


@router.get("/")
def overview(view: PageView) -> Response:
    """The overview of one brand and range, or the first steps of an empty install."""
    query = view.request.query_params
    with view.services.database.read() as session:
        every = brands.listing(session)
        has_watch = session.scalar(
            select(WatchRow.id).where(WatchRow.deleted_at.is_(None)).limit(1)
        )
        has_mention = session.scalar(select(MentionRow.id).limit(1))
        if not every or (not has_watch and not has_mention):
            return start_pages.start(view)
        brand = chosen(every, query.get("brand"))
        period = period_of(query, now=view.now, tz=view.say.tz)
        by = _counted_by(query.get("count"))
        context = _numbers(session, view, brand, period, every, by)
        context["latest"] = _latest(session, view, brand)
        context["undelivered"] = channel_pages.undelivered(session, view)
    return view.render(
        "overview.html",
        brands=every,
        brand=brand,
        period=period,
        ranges=RANGES,
        count=by,
        counted=by if by != "posts" else None,
        counts_flagged=view.services.settings.count_flagged,
        **context,
    )


@router.get("/latest")
def latest(view: PageView) -> Response:
    """The newest mentions of a brand: the overview asks for them again and again."""
    query = view.request.query_params
    with view.services.database.read() as session:
        every = brands.listing(session)
        if not every:
            return Response(status_code=204)
        brand = chosen(every, query.get("brand"))
        rows = _latest(session, view, brand)
    since = query.get("after", "")
    return view.render(
        "_latest.html", brand=brand, latest=rows, after=int(since) if since.isdecimal() else None
    )


def _counted_by(given: str | None) -> By:
    """What to count: stories or authors where that is asked for, else every post."""
    return "stories" if given == "stories" else "authors" if given == "authors" else "posts"


def chosen(every: Sequence[Brand], given: str | None) -> Brand:
    """The brand asked for, else the first own one."""
    for brand in every:
        if given is not None and given == str(brand.id):
            return brand
    return next((brand for brand in every if not brand.competitor), every[0])


def _latest(session: Session, view: View, brand: Brand) -> Sequence[Any]:
    names_shown = not view.services.settings.hash_authors
    return feed.newest(session, MentionFilter(brand_id=brand.id), limit=_LATEST, names=names_shown)


@dataclass(frozen=True, slots=True)
class Tile:
    """A number with its way to here."""

    name: str
    value: str
    note: str
    change: charts.Change
    spark: charts.Spark | None
    url: str


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table of shares."""

    name: str
    count: int
    share: float
    part: float | None  # of it, what complains
    url: str


def _numbers(
    session: Session, view: View, brand: Brand, period: Period, every: Sequence[Brand], by: By
) -> dict[str, Any]:
    charted = ("all", "complaint", *LABELS)
    wiring = view.services.wiring
    totals: Sequence[stats.Total] = stats.totals(session, period.since, period.until)
    if by == "posts":
        now = stats.dimensions(session, brand.id, period.since, period.until)
        before = stats.dimensions(session, brand.id, *period.before)
        bars = numbers.bars(session, brand.id, charted, period.edges)
    else:
        now = numbers.distinct(session, brand.id, period.since, period.until, by, wiring)
        before = numbers.distinct(session, brand.id, *period.before, by, wiring)
        bars = numbers.distinct_bars(session, brand.id, charted, period.edges, by, wiring)
        totals = series.distinct_totals(session, totals, period.since, period.until, by, wiring)
    average, rating_bars = numbers.ratings(
        session, brand.id, period.since, period.until, period.edges
    )
    average_before, _ = numbers.ratings(session, brand.id, *period.before, period.edges)
    first = numbers.first_bucket(session, brand.id)
    comparable = first is not None and first <= period.before[0] + period.step
    known = coverage.of_brand(session, brand.id, period.since, now=view.now)
    covered = numbers.bar_coverage(known, period.edges, view.now)
    found = spikes.page(session, brand_id=brand.id, limit=100)
    seen = [
        row
        for row in found
        if row.onset_at < period.until
        and (row.resolved_at is None or row.resolved_at >= period.since)
    ]
    switches = generations.switches(session, since=period.since, until=period.until)
    marks = [
        {"at": period.index(one.at), "name": view.say("모델 바꿈", "New models")}
        for one in switches
    ]
    volumes = {total.brand_id: total.mentions for total in totals}
    return {
        "tiles": _tiles(
            view,
            brand,
            period,
            now,
            before if comparable else {},
            bars,
            (average, average_before if comparable else None, rating_bars),
            by,
        ),
        "chart": _chart(view, brand, period, bars, covered, seen) | {"marks": marks},
        "switches": switches,
        "table": _table(period, bars, covered),
        "open_spikes": [
            (row, _alarm(view, row)) for row in _lead([row for row in found if row.state == "open"])
        ],
        "seen_to": _seen_to(session, view, found),
        "spikes": seen,
        "gaps": numbers.gaps_of(session, brand.id, period.since, period.until)[:_MOST],
        **_collecting(session, view, brand, period, is_new=not known and not now.get("all")),
        "total": now.get("all", 0),
        "flagged": now.get("flagged", 0),
        "flagged_url": _mentions(brand, period, view, flagged="true", copies="all"),
        "topics": _topics(view, brand, period, now),
        "sources": _sources(view, brand, period, now),
        "voice": _voice(view, period, every, volumes),
        "comparable": comparable,
    }


def _collecting(
    session: Session, view: View, brand: Brand, period: Period, *, is_new: bool
) -> dict[str, Any]:
    """What is wrong with the brand's watches, and the averages that they told; while nothing was
    collected yet, how each of them stands.
    """
    rows = [row for row in watches.listing(session) if row.brand_id in (brand.id, None)]
    return {
        "waiting": [(row, health(facts_of(row), view.now)) for row in rows] if is_new else [],
        "rules": [
            rule_words.title(view, rule)
            for rule in (rules.of_brand(session, brand.id, enabled=True) if is_new else ())
        ],
        "troubles": watched.troubles(session, rows, view.now),
        "labels": {row.id: row.label or view.source_name(row.source) for row in rows},
        "rated": watched.rated_lines(
            session, brand_id=brand.id, since=period.since, until=period.until
        ),
    }


def _lead(rows: Sequence[SpikeRow]) -> Sequence[SpikeRow]:
    """One spike an alert: the series that says most."""
    ranked = sorted(rows, key=rank, reverse=True)
    lead: dict[object, SpikeRow] = {}
    for row in ranked:
        if row.dimension != "all" or not lead:
            lead.setdefault(row.alert_id, row)
    return list(lead.values())[:2]


def _alarm(view: View, row: SpikeRow) -> dict[str, str]:
    """What the line about an open spike says: its head, and what it is mostly about."""
    name = view.series_name(row.dimension)
    head = view.say("{s} 급증 진행 중", "Spike in {s}", s=name)
    if not is_count(row.dimension):
        head = view.say("{s} · 진행 중", "Going on: {s}", s=name)
    topics = (row.explanation or {}).get("topics") or ()
    others = [one for one in topics if f"topic:{one['name']}" not in row.dimension]
    if not others:
        return {"head": head, "mostly": ""}
    share = view.say.percent(others[0]["share"])
    topic = view.topic_name(others[0]["name"])
    return {"head": head, "mostly": view.say("주로 {x}", "mostly {x}", x=f"{topic} {share}")}


def _seen_to(session: Session, view: View, rows: Sequence[SpikeRow]) -> dict[int, str]:
    """Of the alerts of open spikes, by id: who sees to each, in words."""
    ids = {row.alert_id for row in rows if row.state == "open" and row.alert_id is not None}
    users = {user.id: user.name or user.email for user in access.list_users(session)} if ids else {}
    told = {}
    for alert in session.scalars(select(AlertRow).where(AlertRow.id.in_(ids))):
        who = users.get(alert.assigned_to or alert.acknowledged_by or 0, "")
        if alert.acknowledged_at is None and not who:
            told[alert.id] = view.say("아직 아무도 확인하지 않음", "nobody has seen it yet")
        elif who:
            told[alert.id] = view.say("{x}님이 보는 중", "{x} sees to it", x=who)
        else:
            told[alert.id] = view.say("확인함", "seen")
    return told


def _mentions(brand: Brand, period: Period, view: View, **more: object) -> str:
    """The mentions that were counted."""
    query: dict[str, object] = {
        "flagged": None if view.services.settings.count_flagged else "false",
        "since": view.say.iso(period.since),
        "until": view.say.iso(period.until),
    }
    return href("/mentions", brand=brand.id, **(query | more))


def negative_share(counts: Mapping[str, int]) -> float | None:
    """Negative ones among those that could be judged."""
    scored = sum(counts.get(label, 0) for label in _SCORED)
    return counts.get("negative", 0) / scored if scored else None


def _tiles(
    view: View,
    brand: Brand,
    period: Period,
    now: Mapping[str, int],
    before: Mapping[str, int],
    bars: Mapping[str, Sequence[int]],
    rated: tuple[numbers.Ratings, numbers.Ratings | None, Sequence[float | None]],
    by: By,
) -> list[Tile]:
    say = view.say
    counted = {
        "posts": say("언급", "Mentions"),
        "stories": say("이야기", "Stories"),
        "authors": say("작성자", "Authors"),
    }[by]
    passed = sum(1 for edge in period.edges[:-1] if edge < view.now)
    shares = [
        negative_share({label: bars[label][place] for label in _SCORED}) for place in range(passed)
    ]
    average, average_before, rating_bars = rated
    total = now.get("all", 0)
    complaints = now.get("complaint", 0)
    share, was = negative_share(now), negative_share(before) if before else None
    moved = charts.change(
        average.average, average_before.average if average_before else None, better=1
    )
    if average.average is not None and average_before and average_before.average is not None:
        difference = average.average - average_before.average
        sign = "▲" if difference > 0 else "▼"
        moved = charts.Change(
            f"{sign} {abs(difference):.1f}" if abs(difference) >= 0.05 else "±0",
            "flat" if abs(difference) < 0.05 else "good" if difference > 0 else "bad",
        )
    return [
        Tile(
            counted,
            say.number(total),
            say("이 기간 전체", "in this period"),
            charts.change(total, before.get("all"), better=0),
            charts.sparkline(bars["all"][:passed]),
            _mentions(brand, period, view),
        ),
        Tile(
            say("부정 비율", "Negative share"),
            say.percent(share),
            say("판정된 글 중 {n}건", "{n} of those scored", n=say.number(now.get("negative", 0))),
            charts.change(share, was, better=-1, points=True),
            charts.sparkline(shares),
            _mentions(brand, period, view, sentiment="negative"),
        ),
        Tile(
            say("불만", "Complaints"),
            say.number(complaints),
            say("언급의 {p}", "{p} of mentions", p=say.percent(complaints / total if total else 0)),
            charts.change(complaints, before.get("complaint"), better=-1),
            charts.sparkline(bars["complaint"][:passed]),
            _mentions(brand, period, view, complaint="true"),
        ),
        Tile(
            say("평균 별점", "Average rating"),
            say.number(average.average, 1),
            say("리뷰 {n}건, 5점 만점", "{n} ratings, out of 5", n=say.number(average.count)),
            moved,
            charts.sparkline([value for value in rating_bars if value is not None], floor=1.0),
            _mentions(brand, period, view, kind="review"),
        ),
    ]


def bar_label(view: View, period: Period, place: int) -> str:
    """What stands below a bar."""
    at = view.say.local(period.edges[place])
    if period.step.days >= 1:
        return f"{at.month}/{at.day}"
    return f"{at.month}/{at.day} {at:%H:%M}"


def _chart(
    view: View,
    brand: Brand,
    period: Period,
    bars: Mapping[str, Sequence[int]],
    covered: Sequence[Coverage | None],
    seen: Sequence[SpikeRow],
) -> dict[str, Any]:
    say = view.say
    size = len(period.edges) - 1
    total = bars["all"]
    return {
        "type": "volume",
        "labels": [bar_label(view, period, place) for place in range(size)],
        "urls": [
            _mentions(
                brand,
                period,
                view,
                since=say.iso(period.edges[place]),
                until=say.iso(period.edges[place + 1]),
            )
            for place in range(size)
        ],
        "series": [
            {
                "code": label,
                "name": say(*names.LABELS[label]),
                "values": [
                    None if _unknown(covered[place], total[place]) else bars[label][place]
                    for place in range(size)
                ],
            }
            for label in LABELS
            if label != "uncertain" or any(bars[label])
        ],
        "gaps": [
            {"from": a, "to": b, "name": say("수집 안 됨", "not collected")}
            for a, b in charts.areas([_unknown(c, n) for c, n in zip(covered, total, strict=True)])
        ],
        "spikes": [
            {
                "from": period.index(row.onset_at),
                "to": period.index(row.resolved_at or view.now),
                "name": say("급증", "Spike"),
                "url": f"/spikes/{row.id}",
            }
            for row in _lead_by_time(seen)
        ],
        "total": say("합계", "Total"),
        "hint": say("누르면 글을 봅니다", "click to see the mentions"),
        "label": say("시간에 따른 언급량", "Mentions over time"),
    }


def _lead_by_time(rows: Sequence[SpikeRow]) -> list[SpikeRow]:
    """One spike of each event: series of one event overlap, and one mark is enough."""
    kept: dict[object, SpikeRow] = {}
    for row in sorted(rows, key=lambda row: (row.dimension == "all", -row.score)):
        kept.setdefault(row.alert_id or ("spike", row.onset_at.date()), row)
    return list(kept.values())


def _unknown(known: Coverage | None, count: int) -> bool:
    return known is Coverage.UNKNOWN and not count


@dataclass(frozen=True, slots=True)
class Line:
    """A bar of the chart as a line of its table."""

    start: Any
    end: Any
    total: int
    counts: Sequence[int]
    unknown: bool
    partial: bool


def _table(
    period: Period, bars: Mapping[str, Sequence[int]], covered: Sequence[Coverage | None]
) -> list[Line]:
    lines = [
        Line(
            period.edges[place],
            period.edges[place + 1],
            bars["all"][place],
            [bars[label][place] for label in LABELS],
            _unknown(covered[place], bars["all"][place]),
            covered[place] is Coverage.PARTIAL,
        )
        for place in range(len(period.edges) - 1)
        if covered[place] is not None
    ]
    return lines[::-1]


def _topics(view: View, brand: Brand, period: Period, now: Mapping[str, int]) -> list[Row]:
    rows = []
    for dimension, count in now.items():
        kind, _, topic = dimension.partition(":")
        if kind != "topic" or ":" in topic:
            continue
        complaints = now.get(f"{dimension}:complaint", 0)
        rows.append(
            Row(
                view.topic_name(topic),
                count,
                count / max(now.get("all", 0), 1),
                complaints / count if count else None,
                _mentions(brand, period, view, topic=topic),
            )
        )
    return sorted(rows, key=lambda row: (-row.count, row.name))[:_MOST]


def _sources(view: View, brand: Brand, period: Period, now: Mapping[str, int]) -> list[Row]:
    rows = [
        Row(
            dimension.partition(":")[2],
            count,
            count / max(now.get("all", 0), 1),
            None,
            _mentions(brand, period, view, source=dimension.partition(":")[2]),
        )
        for dimension, count in now.items()
        if dimension.startswith("source:") and dimension.count(":") == 1
    ]
    return sorted(rows, key=lambda row: (-row.count, row.name))[:_MOST]


def _voice(
    view: View, period: Period, every: Sequence[Brand], volumes: Mapping[int, int]
) -> list[Row]:
    total = sum(volumes.get(brand.id, 0) for brand in every)
    rows = [
        Row(
            brand.name,
            volumes.get(brand.id, 0),
            volumes.get(brand.id, 0) / total if total else 0.0,
            None,
            href("/", brand=brand.id, **period.query),
        )
        for brand in every
    ]
    return sorted(rows, key=lambda row: (-row.count, row.name))
