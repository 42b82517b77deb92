"""Corrections: what a person says a mention means, where a model was wrong.

A correction is bound to the text it was made on. It is written with the readings it changes, the
marks of stale buckets and the change that readers of the feed are told, in one transaction.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session

from listener.errors import InvalidInput, NotFound
from listener.store import amend, buckets, changes, mentions
from listener.store.base import to_us
from listener.store.changes import Happening
from listener.store.tables import CorrectionRow, MatchRow, MentionRow, RevisionRow
from listener.store.upsert import insert_update
from listener.types import ChangeKind, Label

LABELS = (Label.POSITIVE, Label.NEUTRAL, Label.NEGATIVE, Label.MIXED)
_TOPIC = re.compile(r"[a-z][a-z0-9_]{0,39}")
_MOST_TOPICS = 20


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person said of a mention, as a whole (``brand_id`` None) or toward a brand.

    None = left as it was read. ``holds``: the text is still the one it was made on.
    """

    mention_id: int
    brand_id: int | None
    label: Label | None
    complaint: bool | None
    topics: Sequence[str] | None
    by: str
    at: datetime
    holds: bool


@dataclass(frozen=True, slots=True)
class Example:
    """A text with what a person said it means: to measure and to train by."""

    mention_id: int
    brand_id: int | None
    language: str
    text: str  # title, line break and body where there is a title
    label: Label | None
    complaint: bool | None
    topics: Sequence[str] | None
    at: datetime


def correct(
    session: Session,
    mention_id: int,
    *,
    brand_id: int | None = None,
    label: str | None = None,
    complaint: bool | None = None,
    topics: Sequence[str] | None = None,
    by: str,
    now: datetime,
) -> bool:
    """Say what a mention means; what is None stays as it was said before, or read.

    Gives whether anything is another now. Commit afterwards, as changes are numbered. Raises
    NotFound, InvalidInput that names the field.
    """
    mention = _locked(session, mention_id)
    _check_brand(session, mention_id, brand_id)
    if label is not None and label not in LABELS:
        raise InvalidInput(
            f"{label!r} is none of them.", field="label", hint=f"One of {', '.join(LABELS)}."
        )
    if topics is not None:
        topics = _checked(topics)
    if label is None and complaint is None and topics is None:
        raise InvalidInput("There is nothing to correct.", field="label")
    had = session.scalar(_of(mention_id, brand_id))
    if had is not None and had.content_hash == mention.content_hash:
        label = had.label if label is None else label
        complaint = had.complaint if complaint is None else complaint
        topics = had.topics if topics is None else topics
    row = {
        "mention_id": mention_id,
        "brand_id": brand_id or 0,
        "content_hash": mention.content_hash,
        "label": label,
        "complaint": complaint,
        "topics": None if topics is None else list(topics),
        "by": by[:200],
        "at": now,
    }
    was = mentions.facets_of(session, [mention_id]).get(mention_id)
    insert_update(
        session,
        CorrectionRow,
        [row],
        key=["mention_id", "brand_id"],
        update=["content_hash", "label", "complaint", "topics", "by", "at"],
    )
    return _tell(session, mention, was, now=now)


def undo(session: Session, mention_id: int, *, brand_id: int | None, now: datetime) -> bool:
    """Take a correction back: the readings are the models' again. Gives whether anything is
    another now. Raises NotFound where there is none.
    """
    mention = _locked(session, mention_id)
    was = mentions.facets_of(session, [mention_id]).get(mention_id)
    gone = session.scalars(
        delete(CorrectionRow)
        .where(CorrectionRow.mention_id == mention_id, CorrectionRow.brand_id == (brand_id or 0))
        .returning(CorrectionRow.id)
    ).all()
    if not gone:
        raise NotFound(f"Nothing of mention {mention_id} was corrected.")
    return _tell(session, mention, was, now=now)


def of_mention(session: Session, mention_id: int) -> Sequence[Correction]:
    """The corrections of a mention, the one of the whole first."""
    rows = session.execute(
        select(CorrectionRow, MentionRow.content_hash)
        .join(MentionRow, MentionRow.id == CorrectionRow.mention_id)
        .where(CorrectionRow.mention_id == mention_id)
        .order_by(CorrectionRow.brand_id)
    )
    return [
        Correction(
            mention_id=row.mention_id,
            brand_id=row.brand_id or None,
            label=None if row.label is None else Label(row.label),
            complaint=row.complaint,
            topics=row.topics,
            by=row.by,
            at=row.at,
            holds=row.content_hash == content_hash,
        )
        for row, content_hash in rows
    ]


def count(session: Session) -> int:
    """How many corrections there are."""
    return session.scalar(select(func.count()).select_from(CorrectionRow)) or 0


def examples(session: Session) -> Sequence[Example]:
    """The corrected texts by the time of correction, each as it was when it was corrected.

    Those toward one of several brands are left out: they say nothing of the text as a whole.
    """
    several = (
        select(func.count())
        .select_from(MatchRow)
        .where(MatchRow.mention_id == CorrectionRow.mention_id)
        .scalar_subquery()
    )
    rows = session.execute(
        select(CorrectionRow, MentionRow)
        .join(MentionRow, MentionRow.id == CorrectionRow.mention_id)
        .where((CorrectionRow.brand_id == 0) | (several <= 1))
        .order_by(CorrectionRow.at, CorrectionRow.id)
    ).all()
    found = []
    for row, mention in rows:
        title, text = mention.title, mention.text
        if row.content_hash != mention.content_hash:
            old = session.scalar(
                select(RevisionRow)
                .where(
                    RevisionRow.mention_id == mention.id,
                    RevisionRow.content_hash == row.content_hash,
                )
                .limit(1)
            )
            if old is None:
                continue
            title, text = old.title, old.text
        found.append(
            Example(
                mention_id=mention.id,
                brand_id=row.brand_id or None,
                language=mention.language,
                text=f"{title}\n{text}" if title else text,
                label=None if row.label is None else Label(row.label),
                complaint=row.complaint,
                topics=row.topics,
                at=row.at,
            )
        )
    return found


def _locked(session: Session, mention_id: int) -> MentionRow:
    row = session.scalar(select(MentionRow).where(MentionRow.id == mention_id).with_for_update())
    if row is None:
        raise NotFound(
            f"There is no mention {mention_id}.", hint="It may have been deleted at its source."
        )
    return row


def _check_brand(session: Session, mention_id: int, brand_id: int | None) -> None:
    if brand_id is None:
        return
    matches = select(MatchRow.brand_id).where(
        MatchRow.mention_id == mention_id, MatchRow.brand_id == brand_id
    )
    if session.scalar(matches) is None:
        raise InvalidInput(
            f"Mention {mention_id} does not belong to brand {brand_id}.",
            field="brand_id",
            hint="Leave it out to correct the text as a whole.",
        )


def _checked(topics: Sequence[str]) -> list[str]:
    found = list(dict.fromkeys(topic.strip() for topic in topics if topic.strip()))
    for topic in found:
        if not _TOPIC.fullmatch(topic):
            raise InvalidInput(
                f"{topic[:60]!r} is no topic.",
                field="topics",
                hint="Topics have lower-case letters, digits and _ only, such as delivery.",
            )
    if len(found) > _MOST_TOPICS:
        raise InvalidInput(f"At most {_MOST_TOPICS} topics.", field="topics")
    return found


def _of(mention_id: int, brand_id: int | None) -> Select[CorrectionRow]:
    return select(CorrectionRow).where(
        CorrectionRow.mention_id == mention_id, CorrectionRow.brand_id == (brand_id or 0)
    )


def _tell(
    session: Session, mention: MentionRow, was: changes.Facets | None, *, now: datetime
) -> bool:
    if not amend.apply(session, [mention.id]):
        return False
    bucket = buckets.start_us(to_us(mention.event_at))
    brand_ids = session.scalars(
        select(MatchRow.brand_id).where(MatchRow.mention_id == mention.id)
    ).all()
    if brand_ids:
        buckets.mark_dirty(session, {(brand_id, bucket) for brand_id in brand_ids})
        happening = Happening(mention.id, ChangeKind.CORRECTED, was)
        changes.record(session, [happening], now=now)
    return True
