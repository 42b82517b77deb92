"""Builders: a noun with sane values, of which a test names only what it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

from sqlalchemy.orm import Session

from listener.store import brands, watches
from listener.types import (
    Brand,
    Connection,
    Kind,
    Label,
    Match,
    MatchMode,
    MatchOrigin,
    MatchReading,
    Mention,
    RawAuthor,
    RawItem,
    Reading,
    ReadMention,
    Sentiment,
    Watch,
)

NOW = datetime(2025, 3, 10, 12, 0, tzinfo=UTC)  # a Monday, 21:00 in Seoul


def a_raw(external_id: str = "1", text: str = "배송이 너무 늦어요", **fields: Any) -> RawItem:
    """A post, an hour old, by @mina."""
    given: dict[str, Any] = {
        "url": f"https://plaza.example/posts/{external_id}",
        "author": RawAuthor(native_id="u1", handle="mina", name="Mina"),
        "published_at": NOW - timedelta(hours=1),
    }
    return RawItem(external_id=external_id, text=text, **(given | fields))


def a_mention(external_id: str = "1", text: str = "배송이 너무 늦어요", **fields: Any) -> Mention:
    """The same post after cleaning; its hash follows from text, title and rating."""
    given: dict[str, Any] = {
        "source": "plaza",
        "namespace": "",
        "kind": Kind.POST,
        "url": f"https://plaza.example/posts/{external_id}",
        "author": RawAuthor(native_id="u1", handle="mina", name="Mina"),
        "published_at": NOW - timedelta(hours=1),
    }
    given |= fields
    content = f"{given.get('title')}|{text}|{given.get('rating')}"
    given.setdefault("content_hash", blake2b(content.encode(), digest_size=16).hexdigest())
    return Mention(external_id=external_id, text=text, **given)


def a_sentiment(score: float = -0.6, **fields: Any) -> Sentiment:
    """A sentiment whose label follows from the score."""
    label = Label.NEGATIVE if score < -0.05 else Label.POSITIVE if score > 0.05 else Label.NEUTRAL
    given: dict[str, Any] = {"label": label, "confidence": 0.9, "model": "fake", "version": "1"}
    return Sentiment(score=score, **(given | fields))


def a_reading(score: float | None = -0.6, **fields: Any) -> Reading:
    """A complaint about delivery in Korean; ``score=None`` is "not scored"."""
    given: dict[str, Any] = {"language": "ko", "complaint": True, "topics": ("delivery",)}
    sentiment = None if score is None else a_sentiment(score)
    return Reading(sentiment=sentiment, **(given | fields))


def a_read_mention(
    mention: Mention | None = None,
    *,
    brand_ids: Sequence[int] = (1,),
    reading: Reading | None = None,
) -> ReadMention:
    """A mention matched by terms to the brands, read the same way toward each."""
    reading = reading or a_reading()
    return ReadMention(
        mention=mention or a_mention(),
        reading=reading,
        matches=tuple(
            MatchReading(match=Match(brand_id=id_, origin=MatchOrigin.TERM), reading=reading)
            for id_ in brand_ids
        ),
    )


def a_brand(id: int = 1, name: str = "Haneul", **fields: Any) -> Brand:
    """A brand that is not in any database."""
    return Brand(id=id, name=name, **fields)


def a_watch(id: int = 1, **fields: Any) -> Watch:
    """A watch that is not in any database."""
    source = fields.get("source", "plaza")
    given: dict[str, Any] = {
        "source": source,
        "params": {},
        "match": MatchMode.TERMS,
        "every": timedelta(minutes=10),
        "connection": Connection(source=source),
    }
    return Watch(id=id, **(given | fields))


def stored_brand(session: Session, name: str = "Haneul", **fields: Any) -> Brand:
    """A brand in the database."""
    return brands.create(session, name=name, **({"now": NOW} | fields))


def stored_watch(
    session: Session,
    *,
    source: str = "plaza",
    brand: Brand | None = None,
    params: Mapping[str, str] | None = None,
    **fields: Any,
) -> int:
    """A watch in the database, due now; gives its id."""
    given: dict[str, Any] = {
        "match": MatchMode.TERMS,
        "every": timedelta(minutes=10),
        "now": NOW,
    }
    row = watches.create(
        session,
        source=source,
        brand_id=brand.id if brand else None,
        params=params or {},
        **(given | fields),
    )
    return row.id
