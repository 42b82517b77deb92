"""Spikes: the list, and the one screen that answers what is going on, since when and why."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from fastapi import APIRouter
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.dashboard import charts, names, numbers
from api.dashboard.view import PageView, View, href
from api.routes.schemas import Id
from listener.detect.policy import Policy
from listener.detect.series import STEP, build_series, floor_to_step
from listener.detect.spike import Detector
from listener.store import brands, coverage, feed, history, spikes, stats
from listener.store.items import Item
from listener.store.tables import (
    AlertRow,
    ChannelRow,
    DeliveryRow,
    OutboxRow,
    SpikeRow,
    UserRow,
)
from listener.types import Brand, Coverage

router = APIRouter()

_PAGE = 30
_HISTORY = timedelta(days=42)  # what the detector is replayed over for the expected line
_SCATTER = 0.1  # counts vary more than chance: variance = mean + 0.1 mean²
_SHOWN = 5
# Up to this length of a spike: the bars of its chart, and how much before it is shown.
_SCALES = (
    (timedelta(hours=2), STEP, timedelta(hours=4)),
    (timedelta(hours=10), timedelta(minutes=15), timedelta(hours=12)),
    (timedelta(days=4), timedelta(hours=1), timedelta(days=1)),
    (timedelta.max, timedelta(hours=6), timedelta(days=4)),
)
_WORTH_SAYING = 0.25  # share of a topic that is told in words
HOUR = timedelta(hours=1)
_TOGETHER = 2 * HOUR


# --- the list ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Listed:
    """An event in the list: the spike that says most, and the series that rose with it."""

    row: SpikeRow
    brand: str
    spark: charts.Spark | None
    others: Sequence[SpikeRow]


@router.get("/spikes")
def listing(view: PageView) -> Response:
    """Spikes, open ones first, then the newest."""
    query = view.request.query_params
    state = query.get("state") if query.get("state") in ("open", "resolved") else None
    chosen = query.get("brand", "")
    brand_id = int(chosen) if chosen.isdecimal() and len(chosen) < 16 else None
    before = _before(query.get("before"))
    with view.services.database.read() as session:
        every = brands.listing(session, archived=True)
        rows = spikes.page(session, brand_id=brand_id, state=state, before=before, limit=_PAGE + 1)
        more = None
        if len(rows) > _PAGE:
            rows = rows[:_PAGE]
            last = rows[-1]
            more = view.here(before=f"{last.onset_at.isoformat()}_{last.id}")
        by_id = {brand.id: brand.name for brand in every}
        found = [
            Listed(
                lead,
                by_id.get(lead.brand_id, "?"),
                _spark(session, lead, view.now),
                [row for row in group if row is not lead],
            )
            for group in _events(rows)
            for lead in (min(group, key=_rank),)
        ]
    found.sort(key=lambda one: one.row.state != "open")
    return view.render(
        "spikes.html", found=found, more=more, brands=every, brand_id=brand_id, state=state
    )


def _rank(row: SpikeRow) -> tuple[bool, bool, int, float]:
    """Open before resolved, complaints before mere volume, the wider series before its parts."""
    return (row.state != "open", row.dimension == "all", row.dimension.count(":"), -row.score)


def _events(rows: Sequence[SpikeRow]) -> list[list[SpikeRow]]:
    """Spikes of one event together: those of one alert, and others that began with them."""
    events: list[list[SpikeRow]] = []
    for row in rows:
        for event in events:
            first = event[0]
            if first.brand_id == row.brand_id and (
                (row.alert_id is not None and row.alert_id == first.alert_id)
                or abs(first.onset_at - row.onset_at) < _TOGETHER
            ):
                event.append(row)
                break
        else:
            events.append([row])
    return events


def _before(text: str | None) -> tuple[datetime, int] | None:
    at, _, spike_id = (text or "").partition("_")
    try:
        when = datetime.fromisoformat(at)
    except ValueError:
        return None
    return (when, int(spike_id)) if when.tzinfo and spike_id.isdecimal() else None


def _spark(session: Session, row: SpikeRow, now: datetime) -> charts.Spark | None:
    end = min(now, (row.resolved_at or now) + 3 * HOUR)
    start = floor_to_step(row.onset_at - max(12 * HOUR, end - row.onset_at), HOUR)
    size = max(1, math.ceil((end - start) / HOUR))
    step = HOUR if size <= 96 else 6 * HOUR
    edges = [start + place * step for place in range(math.ceil((end - start) / step) + 1)]
    return charts.sparkline(
        numbers.bars(session, row.brand_id, (row.dimension,), edges)[row.dimension]
    )


# --- one -----------------------------------------------------------------------------------------


@router.get("/spikes/{spike_id}")
def one(view: PageView, spike_id: Id) -> Response:
    """One spike, with its cause, on one screen."""
    with view.services.database.read() as session:
        row = history.get_spike(session, spike_id)
        brand = brands.get(session, row.brand_id)
        alert = session.get(AlertRow, row.alert_id) if row.alert_id else None
        others = [other for other in _others(session, row) if other.id != row.id]
        chart, starts = _chart(session, view, row)
        told = row.explanation or {}
        shown = _shown(session, view, told)
        messages = _deliveries(session, alert.id) if alert else []
        seen_by = _user(session, alert.acknowledged_by) if alert else None
    return view.render(
        "spike.html",
        spike=row,
        brand=brand,
        alert=alert,
        others=others,
        chart=chart,
        starts=starts,
        told=told,
        times=row.observed / row.expected if row.expected >= 0.5 else None,
        drivers=_drivers(view, row, told),
        phrases=[
            {**phrase, "url": _to(view, row, q=phrase["text"])}
            for phrase in told.get("phrases", ())
            if phrase["text"].casefold() not in _own_words(brand)
        ],
        all_url=_to(view, row, **_narrow(row.dimension)),
        shown=shown,
        sentences=list(_sentences(view, row, told)),
        deliveries=messages,
        acknowledged_by=seen_by,
    )


@router.post("/spikes/{spike_id}/acknowledge")
def acknowledge(view: PageView, spike_id: Id) -> Response:
    """Somebody has seen it."""
    with view.services.database.write() as work:
        row = history.get_spike(work.session, spike_id)
        if row.alert_id is not None and view.user is not None:
            history.acknowledge(work.session, row.alert_id, user_id=view.user.id, now=view.now)
        work.commit()
    return view.go(f"/spikes/{spike_id}", "acknowledged")


def _others(session: Session, row: SpikeRow) -> Sequence[SpikeRow]:
    """Series that rose in the same event."""
    if row.alert_id is not None:
        return spikes.of_alert(session, row.alert_id)
    return [
        other
        for other in spikes.page(session, brand_id=row.brand_id, limit=20)
        if abs(other.onset_at - row.onset_at) < 6 * HOUR
    ]


def _own_words(brand: Brand) -> frozenset[str]:
    """The brand's names: that they occur in its mentions is no news."""
    words = (brand.name, *brand.aliases, *brand.hashtags, *brand.handles)
    return frozenset(word.casefold() for word in words)


def _user(session: Session, user_id: int | None) -> str | None:
    user = session.get(UserRow, user_id) if user_id else None
    return (user.name or user.email) if user else None


def _narrow(dimension: str) -> dict[str, str]:
    """The filter that selects the mentions of a series."""
    kind, _, rest = dimension.partition(":")
    if kind == "topic":
        topic, _, of = rest.partition(":")
        return {"topic": topic} | ({"complaint": "true"} if of == "complaint" else {})
    if kind == "source":
        return {"source": rest}
    return {
        "negative": {"sentiment": "negative"},
        "complaint": {"complaint": "true"},
        "low_rating": {"rating_lte": "2"},
    }.get(dimension, {})


def _to(view: View, row: SpikeRow, **more: str) -> str:
    """The mentions of the spike that are also this."""
    end = row.resolved_at or view.now + STEP
    return href(
        "/mentions",
        brand=row.brand_id,
        **(_narrow(row.dimension) | more),
        since=view.say.iso(row.onset_at),
        until=view.say.iso(end),
    )


# --- why -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Driver:
    """A line of "what drives it"."""

    name: str
    count: int
    share: float
    usual: float
    url: str


def _drivers(view: View, row: SpikeRow, told: Mapping[str, Any]) -> list[tuple[str, list[Driver]]]:
    say = view.say
    groups: list[tuple[str, str, str]] = [
        ("topics", say("주제", "Topics"), "topic"),
        ("sources", say("출처", "Sources"), "source"),
        ("labels", say("반응", "Sentiment"), "sentiment"),
    ]
    named: dict[str, Callable[[str], str]] = {
        "topic": view.topic_name,
        "source": view.source_name,
        "sentiment": lambda code: view.name(names.LABELS, code),
    }
    return [
        (
            title,
            [
                Driver(
                    named[parameter](one["name"]),
                    one["count"],
                    one["share"],
                    one["usual_share"],
                    _to(view, row, **{parameter: one["name"]}),
                )
                for one in told.get(key, ())
            ],
        )
        for key, title, parameter in groups
        if told.get(key)
    ]


def _sentences(view: View, row: SpikeRow, told: Mapping[str, Any]) -> list[str]:
    """The cause in words, from the numbers."""
    say = view.say
    found: list[str] = []
    own = row.dimension.split(":")[1] if row.dimension.startswith("topic:") else None
    topics = [one for one in told.get("topics") or () if one["name"] != own]
    if topics and topics[0]["share"] >= _WORTH_SAYING:
        first = topics[0]
        found.append(
            say(
                "{p}가 {topic} 이야기입니다(평소 {u}).",
                "{p} speak of {topic} (usually {u}).",
                p=say.percent(first["share"]),
                topic=view.topic_name(first["name"]),
                u=say.percent(first["usual_share"]),
            )
        )
    sources = told.get("sources") or ()
    if sources:
        first = sources[0]
        found.append(
            say(
                "{p}가 {s}에서 나왔습니다.",
                "{p} come from {s}.",
                p=say.percent(first["share"]),
                s=view.source_name(first["name"]),
            )
        )
    share = told.get("complaint_share")
    if share is not None and not row.dimension.endswith("complaint"):
        usual = told.get("usual_complaint_share")
        found.append(
            say("{p}가 불만입니다", "{p} complain", p=say.percent(share))
            + (
                say("(평소 {u}).", " (usually {u}).", u=say.percent(usual))
                if usual is not None
                else "."
            )
        )
    mentions, stories = told.get("mentions", 0), told.get("stories", 0)
    loudest = told.get("loudest_author_share", 0.0)
    if mentions and loudest >= 0.3:
        found.append(
            say(
                "주의: 한 사람이 전체의 {p}를 썼습니다.",
                "Note: one account wrote {p} of it.",
                p=say.percent(loudest),
            )
        )
    elif mentions and stories and stories <= mentions / 2:
        found.append(
            say(
                "같은 글이 여러 번 퍼졌습니다: 서로 다른 글은 {n}건입니다.",
                "The same text is passed on: there are {n} distinct ones.",
                n=stories,
            )
        )
    elif mentions and told.get("authors"):
        found.append(
            say(
                "{a}명이 따로 쓴 글로, 한두 사람이 만든 급증이 아닙니다.",
                "{a} people wrote it: it is not the work of one or two accounts.",
                a=say.number(told["authors"]),
            )
        )
    return found


def _shown(
    session: Session, view: View, told: Mapping[str, Any]
) -> dict[str, list[tuple[datetime, Item]]]:
    """The mentions that the explanation names: samples, the first, the most spread."""
    groups = {
        key: [int(one) for one in told.get(key, ())][:_SHOWN]
        for key in ("sample_ids", "first_ids", "most_spread_ids")
    }
    found: dict[int, tuple[datetime, Item]] = {}
    shows_names = not view.services.settings.hash_authors
    ids = sorted({one for group in groups.values() for one in group})
    for at, item in feed.by_ids(session, ids, names=shows_names) if ids else ():
        found[item.id] = (at, item)
    return {key: [found[one] for one in group if one in found] for key, group in groups.items()}


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the alert with its attempts."""

    channel: str
    event: str
    state: str
    created_at: datetime
    next_try_at: datetime
    attempts: Sequence[DeliveryRow]
    outbox_id: int


def _deliveries(session: Session, alert_id: int) -> list[Message]:
    rows = session.execute(
        select(OutboxRow, ChannelRow.name)
        .join(ChannelRow, ChannelRow.id == OutboxRow.channel_id)
        .where(OutboxRow.alert_id == alert_id)
        .order_by(OutboxRow.id.desc())
        .limit(20)
    ).all()
    attempts: dict[int, list[DeliveryRow]] = {}
    for attempt in session.scalars(
        select(DeliveryRow)
        .where(DeliveryRow.outbox_id.in_([row.id for row, _ in rows]))
        .order_by(DeliveryRow.id)
    ):
        attempts.setdefault(attempt.outbox_id, []).append(attempt)
    return [
        Message(
            name,
            row.event,
            row.state,
            row.created_at,
            row.next_try_at,
            attempts.get(row.id, []),
            row.id,
        )
        for row, name in rows
    ]


# --- the chart -----------------------------------------------------------------------------------


def _chart(
    session: Session, view: View, row: SpikeRow
) -> tuple[dict[str, Any], Sequence[datetime]]:
    """Observed against expected around the spike, as the detector judges the stored buckets."""
    say = view.say
    end = min(view.now, (row.resolved_at or view.now) + 3 * HOUR)
    length = end - row.onset_at
    step, lead = next((step, lead) for upto, step, lead in _SCALES if length <= upto)
    start = floor_to_step(row.onset_at - max(lead, length), step)
    buckets = _judged(session, view, row, start, end)
    size = max(1, math.ceil((end - start) / step))
    observed: list[int | None] = [None] * size
    expected: list[float] = [0.0] * size
    for at, count, mean in buckets:
        place = min((at - start) // step, size - 1)
        if place < 0:
            continue
        expected[place] += mean
        if count is not None:
            observed[place] = (observed[place] or 0) + count
    while size > 1 and observed[-1] is None and row.resolved_at is None:
        size -= 1  # the latest minutes are still on their way: that is no gap
        observed.pop()
        expected.pop()
    spread = [2 * math.sqrt(mean + _SCATTER * mean * mean) for mean in expected]
    edges = [start + place * step for place in range(size + 1)]

    def place_of(at: datetime) -> int:
        return max(0, min((at - start) // step, size - 1))

    marks = [{"at": place_of(row.onset_at), "name": say("시작", "onset")}]
    if place_of(row.opened_at) > marks[0]["at"] + 1:  # type: ignore[operator]
        marks.append({"at": place_of(row.opened_at), "name": say("알림", "noticed")})
    if row.resolved_at:
        marks.append({"at": place_of(row.resolved_at), "name": say("해소", "resolved")})
    chart = {
        "type": "spike",
        "labels": [
            f"{view.say.local(at).month}/{view.say.local(at).day} {say.clock(at)}"
            for at in edges[:-1]
        ],
        "urls": [
            href(
                "/mentions",
                brand=row.brand_id,
                **_narrow(row.dimension),
                since=say.iso(a),
                until=say.iso(b),
            )
            for a, b in pairwise(edges)
        ],
        "observed": observed,
        "expected": [round(mean, 2) for mean in expected],
        "low": [round(max(0.0, m - s), 2) for m, s in zip(expected, spread, strict=True)],
        "high": [round(m + s, 2) for m, s in zip(expected, spread, strict=True)],
        "from": place_of(row.onset_at),
        "to": place_of(row.resolved_at or end),
        "marks": marks,
        "gaps": [
            {"from": a, "to": b, "name": say("수집 안 됨", "not collected")}
            for a, b in charts.areas([value is None for value in observed])
        ],
        "names": {
            "observed": view.series_name(row.dimension),
            "expected": say("예상", "expected"),
            "band": say("평소 범위", "usual range"),
            "gap": say("수집 안 됨", "not collected"),
        },
        "hint": say("누르면 글을 봅니다", "click to see the mentions"),
    }
    return chart, edges[:-1]


def _judged(
    session: Session, view: View, row: SpikeRow, start: datetime, end: datetime
) -> list[tuple[datetime, int | None, float]]:
    """(start, count or None, expected) of the buckets shown."""
    first = numbers.first_bucket(session, row.brand_id) or start
    since = floor_to_step(max(first, start - _HISTORY))
    counted = stats.counts(session, row.brand_id, (row.dimension,), since, end, step=STEP)
    watches = coverage.of_brand(session, row.brand_id, since, now=view.now)
    series = build_series(counted[row.dimension], watches, start=since, end=end, now=view.now)
    detector = Detector(Policy(), view.say.tz)
    found = []
    for item in series:
        bucket = item.bucket
        # What was seen in a stretch without coverage is shown, though it is not judged.
        count = bucket.count
        if count is None:
            count = counted[row.dimension].get(bucket.at)
        expected, _score, _window = detector.judge(bucket.at, bucket.count, bucket.coverage)
        if bucket.at >= start:
            known = count if bucket.coverage is not Coverage.UNKNOWN or count else None
            found.append((bucket.at, known, expected))
    return found
