"""Mentions: the list with its filter, and one mention with all that is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.auth import Principal, name_of
from api.dashboard import marks
from api.dashboard.filters import PARAMETERS, Chosen, day_of, read_filter, tag_choices, tokens
from api.dashboard.forms import Form, Sent
from api.dashboard.view import PageView, View, href
from api.routes.schemas import Id
from listener.errors import InvalidInput, NotFound
from listener.store import brands, corrections, feed, flags, screening
from listener.store.base import from_us, to_us
from listener.store.feed import Detail
from listener.store.items import BrandReading, Item
from listener.store.tables import MatchRow, MentionRow, WatchRow
from listener.types import FlagKind

router = APIRouter()

_PAGE = 30
_MOST = 10_000  # counted; beyond, nobody wants the exact number
_LIKE = 8  # copies and replies shown
_NEAR = timedelta(days=30)


@router.get("/mentions")
def listing(view: PageView) -> Response:
    """Mentions, newest first; htmx asks for the next ones only."""
    settings = view.services.settings
    with view.services.database.read() as session:
        every = brands.listing(session, archived=True)
        chosen = read_filter(session, view)
        is_grouped = view.request.query_params.get("copies") != "all" and (
            "story" not in chosen.given
        )
        before = _before(view.request.query_params.get("before"))
        rows: Sequence[tuple[datetime, Item]] = ()
        total = shown = None
        if chosen.wanted is not None:
            wanted = replace(chosen.wanted, grouped=is_grouped)
            rows = feed.newest(
                session,
                wanted,
                before=before,
                limit=_PAGE + 1,
                names=not settings.hash_authors,
            )
            if not view.is_fragment:
                total = feed.count(session, chosen.wanted, limit=_MOST)
                shown = feed.count(session, wanted, limit=_MOST) if is_grouped else total
        copies = screening.beside(session, [item.id for _, item in rows]) if is_grouped else {}
        context: dict[str, Any] = {} if rows or view.is_fragment else _why_empty(session)
        used = {} if view.is_fragment else _used(session)
    kept = dict(chosen.given) | ({} if is_grouped or "story" in chosen.given else {"copies": "all"})
    more = None
    if len(rows) > _PAGE:
        rows = rows[:_PAGE]
        at, item = rows[-1]
        more = href("/mentions", **kept, before=f"{to_us(at)}.{item.id}")
    if view.is_fragment:
        return view.render(
            "_mentions.html", rows=rows, more=more, brand_id=chosen.brand_id, copies=copies
        )
    by_id = {str(brand.id): brand for brand in every} | {brand.name: brand for brand in every}
    return view.render(
        "mentions.html",
        rows=rows,
        more=more,
        total=total,
        shown=shown,
        most=_MOST,
        chosen=chosen,
        given={name: chosen.given.get(name, "") for name in PARAMETERS},
        brand_id=chosen.brand_id,
        brands=every,
        tokens=list(tokens(view, chosen, by_id)),
        topics=view.terms.topics,
        tag_choices=tag_choices(view, chosen),
        since=day_of(view, chosen.given.get("since")),
        until=day_of(view, chosen.given.get("until"), ends=len(chosen.given.get("until", "")) > 10),
        links=_links(chosen),
        went_on=before is not None,
        copies=copies,
        switches=_switches(view, chosen, is_grouped=is_grouped),
        kept=kept,
        **used,
        **context,
    )


def _switches(view: View, chosen: Chosen, *, is_grouped: bool) -> list[tuple[str, bool, str]]:
    """What can be turned on and off: name, whether it is on, and the address that turns it."""
    say, given = view.say, chosen.given
    if "story" in given:
        return []
    copies = None if is_grouped else "all"
    hidden = given.get("flagged") == "false"
    return [
        (
            say("같은 글 묶기", "Group copies"),
            is_grouped,
            href("/mentions", **(dict(given) | {"copies": "all" if is_grouped else None})),
        ),
        (
            say("협찬·홍보·반복 글 숨기기", "Hide sponsored, promotional, repeated"),
            hidden,
            href(
                "/mentions",
                **(dict(given) | {"flagged": None if hidden else "false", "copies": copies}),
            ),
        ),
    ]


def _before(text: str | None) -> tuple[datetime, int] | None:
    at, _, mention_id = (text or "").partition(".")
    if not (at.isdecimal() and mention_id.isdecimal() and len(at) < 18 and len(mention_id) < 18):
        return None
    return from_us(int(at)), int(mention_id)


def _links(chosen: Chosen) -> dict[str, str]:
    """The same question to the feeds and to the API."""
    return {
        "RSS": href("/feeds/mentions.rss", **chosen.told),
        "Atom": href("/feeds/mentions.atom", **chosen.told),
        "JSON Feed": href("/feeds/mentions.json", **chosen.told),
        "API": href("/api/v1/mentions", **chosen.told),
    }


def _used(session: Session) -> dict[str, Any]:
    """Sources and languages that there are, for the form."""
    sources = session.scalars(select(MentionRow.source).distinct().order_by(MentionRow.source))
    languages = session.scalars(
        select(MentionRow.language).distinct().order_by(MentionRow.language)
    )
    return {"sources": list(sources), "languages_used": list(languages)}


def _why_empty(session: Session) -> dict[str, Any]:
    """What an empty list may come from."""
    return {
        "has_brand": session.scalar(select(func.count()).select_from(MatchRow).limit(1)),
        "has_watch": session.scalar(
            select(WatchRow.id).where(WatchRow.deleted_at.is_(None)).limit(1)
        ),
        "has_any": session.scalar(select(MentionRow.id).limit(1)),
    }


# --- flags ---------------------------------------------------------------------------------------


@router.post("/mentions/{mention_id}/flags")
def flag(view: PageView, mention_id: Id, form: Sent) -> Response:
    """Set or take off flags by hand."""
    wanted = [kind for kind in FlagKind if form.get(f"flag_{kind}")]
    with view.services.database.write() as work:
        flags.decide(work.session, mention_id, wanted, now=view.now)
        work.commit()
    return view.go(f"/mentions/{mention_id}", "saved")


# --- one -----------------------------------------------------------------------------------------


@router.get("/mentions/{mention_id}")
def one(view: PageView, mention_id: Id) -> Response:
    """One mention."""
    settings = view.services.settings
    with view.services.database.read() as session:
        detail = feed.get(session, mention_id, names=not settings.hash_authors)
        copies, replies, matches = _around(session, detail)
    return view.render(
        "mention.html",
        detail=detail,
        item=detail.item,
        clauses=_clauses(detail),
        edits=_edits(detail),
        copies=copies,
        replies=replies,
        origins=matches,
        counts=_counts(view, detail),
        counts_flagged=settings.count_flagged,
        topics=view.terms.topics,
        label_choices=corrections.LABELS,
    )


@router.post("/mentions/{mention_id}/correct")
def correct(view: PageView, mention_id: Id, form: Sent) -> Response:
    """What a person says it means: the fields that differ from what is shown."""
    brand_id = _number(form.get("brand"))
    try:
        with view.services.database.write() as work:
            shown = _shown(feed.get(work.session, mention_id), brand_id)
            wanted = _differing(form, shown)
            if wanted:
                by = name_of(Principal(user=view.user))
                corrections.correct(
                    work.session, mention_id, brand_id=brand_id, by=by, now=view.now, **wanted
                )
                work.commit()
    except InvalidInput as error:
        raise NotFound(error.message, hint=error.hint) from error
    return view.go(f"/mentions/{mention_id}", "corrected" if wanted else "unchanged")


@router.post("/mentions/{mention_id}/correct/undo")
def undo_correction(view: PageView, mention_id: Id, form: Sent) -> Response:
    """Take a correction back."""
    with view.services.database.write() as work:
        corrections.undo(
            work.session, mention_id, brand_id=_number(form.get("brand")), now=view.now
        )
        work.commit()
    return view.go(f"/mentions/{mention_id}", "correction-undone")


def _clauses(detail: Detail) -> list[marks.Clause]:
    """The text with what its clauses say, by the reading of the whole that is in force."""
    item = detail.item
    whole = [r for r in detail.readings if r.active and r.brand_id is None]
    spans = [span for brand in item.brands for span in brand.spans]
    before = len(item.title) + 1 if item.title else 0
    return marks.clauses(item.text, spans, whole[0].aspects if whole else (), before=before)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 16 else None


def _shown(detail: Detail, brand_id: int | None) -> Item | BrandReading:
    for brand in detail.item.brands:
        if brand.id == brand_id:
            return brand
    return detail.item


def _differing(form: Form, shown: Item | BrandReading) -> dict[str, Any]:
    """The fields of the form that say something else than what is shown."""
    wanted: dict[str, Any] = {}
    label = form.get("label")
    if label and label != (shown.sentiment.label if shown.sentiment else ""):
        wanted["label"] = label
    complaint = {"yes": True, "no": False}.get(form.get("complaint"))
    if complaint is not None and complaint is not shown.complaint:
        wanted["complaint"] = complaint
    if form.get("topics") == "sent":  # boxes that are not ticked send nothing
        topics = [name[6:] for name in form.values if name.startswith("topic_")]
        if set(topics) != set(shown.topics):
            wanted["topics"] = topics
    return wanted


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A mention beside this one."""

    id: int
    source: str
    event_at: datetime
    text: str


def _around(
    session: Session, detail: Detail
) -> tuple[list[Neighbour], list[Neighbour], dict[int, str]]:
    """Copies of the same text, what answers to it, and why it belongs to each brand."""
    item = detail.item
    columns = (MentionRow.id, MentionRow.source, MentionRow.event_at, MentionRow.text)
    own_hash = select(MentionRow.content_hash).where(MentionRow.id == item.id).scalar_subquery()
    # There is no index on the hash: the days around hold nearly all copies.
    copies = session.execute(
        select(*columns)
        .where(
            MentionRow.content_hash == own_hash,
            MentionRow.id != item.id,
            MentionRow.event_at >= detail.event_at - _NEAR,
            MentionRow.event_at <= detail.event_at + _NEAR,
        )
        .order_by(MentionRow.event_at)
        .limit(_LIKE)
    )
    found = [Neighbour(*row) for row in copies]
    replies = session.execute(
        select(*columns)
        .where(
            MentionRow.source == item.source,
            MentionRow.namespace == item.namespace,
            MentionRow.id != item.id,
            (MentionRow.parent_id == item.external_id)
            | (
                MentionRow.thread_id == detail.thread_id
                if detail.thread_id
                else MentionRow.parent_id == item.external_id
            ),
        )
        .order_by(MentionRow.event_at)
        .limit(_LIKE)
    )
    answers = [Neighbour(*row) for row in replies]
    origins = session.execute(
        select(MatchRow.brand_id, MatchRow.origin).where(MatchRow.mention_id == item.id)
    )
    return found, answers, {brand_id: origin for brand_id, origin in origins}


@dataclass(frozen=True, slots=True)
class Edit:
    """What one edit changed."""

    at: datetime
    title: Sequence[marks.Piece]
    text: Sequence[marks.Piece]
    rating: tuple[float | None, float | None]


def _edits(detail: Detail) -> list[Edit]:
    """The edits, the latest first."""
    states = [(r.title, r.text, r.rating) for r in detail.revisions]
    states.append((detail.item.title, detail.item.text, detail.item.rating))
    return [
        Edit(
            revision.replaced_at,
            marks.changed(old[0] or "", new[0] or "") if old[0] != new[0] else (),
            marks.changed(old[1], new[1]),
            (old[2], new[2]),
        )
        for revision, old, new in zip(detail.revisions, states, states[1:], strict=False)
    ][::-1]


def _counts(view: View, detail: Detail) -> dict[str, Any] | None:
    """Engagement over time as a chart; None where there is one reading only."""
    if len(detail.engagement) < 2:
        return None
    columns = (
        ("likes", ("좋아요", "Likes")),
        ("replies", ("답글", "Replies")),
        ("shares", ("공유", "Shares")),
    )
    return {
        "type": "lines",
        "labels": [view.say.when(one.at) for one in detail.engagement],
        "series": [
            {
                "name": view.say(*pair),
                "values": [getattr(one, column) for one in detail.engagement],
            }
            for column, pair in columns
            if any(getattr(one, column) is not None for one in detail.engagement)
        ],
    }
