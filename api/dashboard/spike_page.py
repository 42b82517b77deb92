"""What the page of one spike tells: every number with the list of mentions behind it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.dashboard import names
from api.dashboard.spike_chart import once_of
from api.dashboard.view import View, href
from listener.alert import sentences
from listener.store import alerts, engagement, feed, spikes
from listener.store.items import FoundSpan, Item
from listener.store.tables import (
    AlertRow,
    AuthorRow,
    ChannelRow,
    DeliveryRow,
    OutboxRow,
    SpikeRow,
)
from listener.types import Brand, Engagement

HOUR = timedelta(hours=1)
_SHOWN = 5
_TOP = 6  # drivers in front
_LEAST = 0.05  # share of a driver that is shown
_NEAR = 6 * HOUR


class Links:
    """Addresses of the mentions of a spike, and of those of them that are also something else."""

    def __init__(self, row: SpikeRow, base: Mapping[str, str]) -> None:
        self._base = dict(base)
        self._once = once_of(row)

    def to(self, narrow: Mapping[str, str] | None = None, *, brand: int | None = None) -> str:
        """All copies are listed, so that the list is as long as the number says."""
        query: dict[str, str] = self._base | {"copies": "all"} | dict(narrow or {})
        if brand is not None:
            query["brand"] = str(brand)
        return href("/mentions", **query)

    def counted(self) -> str:
        """Those that the series counts: all, or each story or author once."""
        return self.to({} if self._once is None else {"once": self._once})


# --- sentences -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a sentence with its address; ``n`` is the number of mentions behind it."""

    text: str
    url: str | None
    n: int | None


def parts(sentence: sentences.Sentence, links: Links) -> list[Part]:
    """A sentence for the template."""
    return [_part(piece, links) for piece in sentence]


def _part(piece: sentences.Piece, links: Links) -> Part:
    if piece.narrow is not None:
        number = re.search(r"[\d,]+", piece.text)
        n = int(number.group().replace(",", "")) if number and "." not in piece.text else None
        return Part(piece.text, links.to(piece.narrow, brand=piece.brand), n)
    if piece.mention is not None:
        return Part(piece.text, f"/mentions/{piece.mention}", None)
    if piece.spike is not None:
        return Part(piece.text, f"/spikes/{piece.spike}", None)
    return Part(piece.text, None, None)


# --- drivers -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Driver:
    """A line of "what drives it"."""

    kind: str
    name: str
    count: int
    share: float
    usual: float
    excess: float
    url: str


def drivers(
    view: View, row: SpikeRow, told: Mapping[str, Any], links: Links, written: Mapping[str, str]
) -> tuple[list[Driver], list[tuple[str, list[Driver]]]]:
    """The strongest of all, and all by kind. ``written`` are authors' names by pseudonym."""
    say = view.say
    named: dict[str, Callable[[str], str]] = {
        "topics": view.topic_name,
        "sources": view.source_name,
        "labels": lambda code: view.name(names.LABELS, code),
        "languages": lambda code: view.name(names.LANGUAGES, code),
        "writers": lambda code: written.get(code, say.writer(code)),
    }
    own = row.dimension.split(":")[1] if row.dimension.count(":") else None
    groups: list[tuple[str, list[Driver]]] = []
    for key, parameter, title in (
        ("topics", "topic", say("주제", "Topics")),
        ("products", "product", say("상품", "Products")),
        ("versions", "version", say("버전", "Versions")),
        ("sources", "source", say("출처", "Sources")),
        ("places", "place", say("장소", "Places")),
        ("countries", "country", say("나라", "Countries")),
        ("languages", "language", say("언어", "Languages")),
        ("labels", "sentiment", say("반응", "Sentiment")),
        ("writers", "author", say("많이 쓴 사람", "Who wrote most")),
    ):
        lines = [
            Driver(
                title,
                named.get(key, str)(one["name"]),
                one["count"],
                one["share"],
                one.get("usual_share", 0.0),
                one.get("excess", one["count"]),
                links.to({parameter: one["name"]}),
            )
            for one in told.get(key) or ()
            if one["name"] != own and one["share"] >= (0 if key == "writers" else _LEAST)
        ]
        if lines:
            groups.append((title, lines))
    # What is as frequent as ever explains nothing, however much of it there is.
    telling = [
        one
        for title, lines in groups
        if title != say("많이 쓴 사람", "Who wrote most")
        for one in lines
        if one.share > 1.2 * one.usual
    ]
    telling.sort(key=lambda one: (-one.excess, -one.share + one.usual))
    return telling[:_TOP], groups


def writers(session: Session, view: View, told: Mapping[str, Any]) -> dict[str, str]:
    """What the authors who wrote most are called, where names may be shown."""
    if view.services.settings.hash_authors:
        return {}
    wanted = [one["name"] for one in told.get("writers") or ()]
    rows = session.execute(
        select(AuthorRow.pseudonym, AuthorRow.handle, AuthorRow.name).where(
            AuthorRow.pseudonym.in_(wanted)
        )
    )
    return {pseudonym: handle or name for pseudonym, handle, name in rows if handle or name}


# --- mentions ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shown:
    """A mention on the page, and its counts where its source tells any."""

    at: datetime
    item: Item
    counts: Engagement | None

    @property
    def spread(self) -> int:
        """Likes, replies and shares."""
        c = self.counts
        return 0 if c is None else (c.likes or 0) + (c.replies or 0) + (c.shares or 0)


def shown(
    session: Session, view: View, brand: Brand, told: Mapping[str, Any]
) -> dict[str, list[Shown]]:
    """The mentions that the explanation names: samples, the first, the most spread. Samples have
    the phrases marked that set the spike apart.
    """
    groups = {
        key: [int(one) for one in told.get(key) or ()][:_SHOWN]
        for key in ("sample_ids", "first_ids", "most_spread_ids")
    }
    ids = sorted({one for group in groups.values() for one in group})
    counts = engagement.last(session, ids)
    found: dict[int, Shown] = {}
    shows_names = not view.services.settings.hash_authors
    for at, item in feed.by_ids(session, ids, names=shows_names) if ids else ():
        found[item.id] = Shown(at, item, counts.get(item.id))
    patterns = [(one["text"], _pattern(one["text"])) for one in told.get("phrases") or ()]
    result = {key: [found[one] for one in group if one in found] for key, group in groups.items()}
    result["sample_ids"] = [
        replace(one, item=_marked(one.item, brand.id, patterns)) for one in result["sample_ids"]
    ]
    return result


def _pattern(phrase: str) -> re.Pattern[str]:
    """The words of a phrase as they stand in a text, with their particles."""
    words = [re.escape(word) + "[가-힣]{0,3}?" for word in phrase.split(" ")]
    return re.compile(r"[^\w\n]{1,3}".join(words), re.IGNORECASE)


def _marked(item: Item, brand_id: int, patterns: Sequence[tuple[str, re.Pattern[str]]]) -> Item:
    spans = [
        FoundSpan(name, found.start(), found.end(), phrase)
        for phrase, pattern in patterns
        for name, text in (("title", item.title or ""), ("text", item.text))
        for found in pattern.finditer(text)
    ]
    if not spans:
        return item
    return replace(
        item,
        brands=[replace(one, spans=spans) if one.id == brand_id else one for one in item.brands],
    )


# --- around it -----------------------------------------------------------------------------------


def others(session: Session, row: SpikeRow) -> Sequence[SpikeRow]:
    """Series that rose in the same event."""
    if row.alert_id is not None:
        found = spikes.of_alert(session, row.alert_id)
    else:
        found = [
            other
            for other in spikes.page(session, brand_id=row.brand_id, limit=20)
            if abs(other.onset_at - row.onset_at) < _NEAR
        ]
    return [other for other in found if other.id != row.id]


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier spike like this one, and how it ended."""

    spike_id: int
    series: str
    at: datetime
    lasted: timedelta
    observed: float
    expected: float
    similarity: float
    verdict: str | None


def past(view: View, told: Mapping[str, Any]) -> list[Past]:
    """Earlier spikes like it."""
    return [
        Past(
            one["spike_id"],
            view.series_name(one["dimension"]),
            datetime.fromisoformat(one["onset"]),
            timedelta(seconds=one["lasted_s"]),
            one["observed"],
            one["expected"],
            one["similarity"],
            one["verdict"],
        )
        for one in told.get("similar") or ()
    ]


@dataclass(frozen=True, slots=True)
class Step:
    """A line of an alert's history."""

    at: datetime
    kind: str
    by: str
    note: str


def history(session: Session, view: View, alert: AlertRow | None) -> list[Step]:
    """What happened to the alert, the earliest first."""
    if alert is None:
        return []
    return [
        Step(
            one.at,
            view.name(names.HISTORY, one.kind),
            one.by,
            ", ".join(_details(view, one.kind, one.detail)),
        )
        for one in alerts.events(session, alert.id)
    ]


def _details(view: View, kind: str, detail: Mapping[str, Any]) -> Iterator[str]:
    undone = detail.get("undone") or (kind in ("snoozed", "muted") and not detail.get("until"))
    undone = undone or (kind == "marked" and not detail.get("verdict"))
    if undone:
        yield view.say("취소", "taken back")
    for key in ("text", "name"):
        if detail.get(key):
            yield str(detail[key])
    if detail.get("verdict"):
        yield view.name(names.VERDICTS, str(detail["verdict"]))
    if detail.get("severity") and detail.get("severity") != detail.get("was"):
        yield view.name(names.SEVERITIES, str(detail["severity"]))
    if detail.get("until"):
        until = detail["until"]
        at = datetime.fromisoformat(until) if isinstance(until, str) else until
        yield view.say("{x}까지", "until {x}", x=view.say.when(at))


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


def deliveries(session: Session, alert_id: int) -> list[Message]:
    """What was sent of an alert, the latest first."""
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
