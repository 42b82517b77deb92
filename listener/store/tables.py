"""All tables, typed, without behaviour. What each noun means stands in docs/concepts.md."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from listener.store.base import Base, UtcDateTime

Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
# SQLite only auto-numbers a column declared INTEGER PRIMARY KEY.
BigKey = BigInteger().with_variant(Integer(), "sqlite")


# SQLite keeps such a table in one tree, ordered by its key, instead of two.
WITHOUT_ROWID = {"sqlite_with_rowid": False}


def _key() -> Mapped[int]:
    return mapped_column(BigKey, Identity(), primary_key=True)


class BrandRow(Base):
    """A brand and the words it is known by. ``terms_version`` changes with any of the words."""

    __tablename__ = "brand"

    id: Mapped[int] = _key()
    name: Mapped[str] = mapped_column(String(200), unique=True)
    aliases: Mapped[list[str]] = mapped_column(Json, default=list)
    hashtags: Mapped[list[str]] = mapped_column(Json, default=list)
    handles: Mapped[list[str]] = mapped_column(Json, default=list)
    any_terms: Mapped[list[str]] = mapped_column(Json, default=list)
    all_terms: Mapped[list[str]] = mapped_column(Json, default=list)
    none_terms: Mapped[list[str]] = mapped_column(Json, default=list)
    competitor: Mapped[bool] = mapped_column(Boolean, default=False)
    terms_version: Mapped[str] = mapped_column(String(32), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    archived_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    counted: Mapped[int] = mapped_column(
        BigInteger, default=0, server_default="0"
    )  # how often buckets of it were counted anew


class ConnectionRow(Base):
    """A source on a server with an account. Credentials are stored encrypted only."""

    __tablename__ = "connection"
    __table_args__ = (UniqueConstraint("source", "name"),)

    id: Mapped[int] = _key()
    source: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(100), default="")
    base_url: Mapped[str | None] = mapped_column(String(500))
    credentials: Mapped[bytes | None] = mapped_column(LargeBinary)
    budget_calls: Mapped[int | None] = mapped_column(Integer)  # a day
    budget_micro_usd: Mapped[int | None] = mapped_column(BigInteger)  # a month
    tested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    test_error: Mapped[str | None] = mapped_column(Text)  # of the last test; None = it went well
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class WatchRow(Base):
    """What to collect, where it stands, and who is at it right now."""

    __tablename__ = "watch"
    __table_args__ = (Index("ix_watch_due", "enabled", "next_run_at"),)

    id: Mapped[int] = _key()
    brand_id: Mapped[int | None] = mapped_column(
        ForeignKey("brand.id", ondelete="CASCADE"), index=True
    )
    connection_id: Mapped[int | None] = mapped_column(ForeignKey("connection.id"))
    source: Mapped[str] = mapped_column(String(40))
    label: Mapped[str] = mapped_column(String(200), default="")
    params: Mapped[dict[str, str]] = mapped_column(Json, default=dict)
    match: Mapped[str] = mapped_column(String(10))
    every_s: Mapped[int] = mapped_column(Integer)
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    state: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    next_run_at: Mapped[datetime] = mapped_column(UtcDateTime)
    claim_token: Mapped[str | None] = mapped_column(String(40))
    claim_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failures: Mapped[int] = mapped_column(Integer, default=0)  # in a row
    health: Mapped[str] = mapped_column(String(20), default="new")  # an Outcome, or "new"
    health_reason: Mapped[str] = mapped_column(Text, default="")
    health_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    covered_to: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_item_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_success_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    refreshed_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime
    )  # stored items were asked about again, those of the ages that had come until then
    profile: Mapped[dict[str, Any]] = mapped_column(
        Json, default=dict, server_default="{}"
    )  # what its runs usually bring (collect/profile.py)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RunRow(Base):
    """One attempt of a watch."""

    __tablename__ = "run"
    __table_args__ = (Index("ix_run_watch", "watch_id", "started_at"),)

    id: Mapped[int] = _key()
    watch_id: Mapped[int] = mapped_column(ForeignKey("watch.id", ondelete="CASCADE"))
    token: Mapped[str] = mapped_column(String(40))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    outcome: Mapped[str | None] = mapped_column(String(20))
    requests: Mapped[int] = mapped_column(Integer, default=0)
    items: Mapped[int] = mapped_column(Integer, default=0)
    new: Mapped[int] = mapped_column(Integer, default=0)
    edited: Mapped[int] = mapped_column(Integer, default=0)
    rejected: Mapped[int] = mapped_column(Integer, default=0)
    error_code: Mapped[str | None] = mapped_column(String(40))
    error: Mapped[str | None] = mapped_column(Text)
    hint: Mapped[str | None] = mapped_column(Text)
    notices: Mapped[list[str]] = mapped_column(Json, default=list)
    next_run_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class GapRow(Base):
    """An interval of a watch that was not collected; closed when it was back-filled."""

    __tablename__ = "gap"
    __table_args__ = (Index("ix_gap_watch", "watch_id", "from_at"),)

    id: Mapped[int] = _key()
    watch_id: Mapped[int] = mapped_column(ForeignKey("watch.id", ondelete="CASCADE"))
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id", ondelete="SET NULL"))
    from_at: Mapped[datetime] = mapped_column(UtcDateTime)
    to_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    why: Mapped[str] = mapped_column(String(20))
    detail: Mapped[str] = mapped_column(Text, default="")
    known_at: Mapped[datetime] = mapped_column(UtcDateTime)
    filled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class BackfillRow(Base):
    """The rest of a walk that was too long for a run, and how far it is: from ``from_at`` back to
    ``to_at`` (None = as far as the source goes).
    """

    __tablename__ = "backfill"
    __table_args__ = (
        Index("ix_backfill_watch", "watch_id"),
        Index(
            "ix_backfill_due",
            "next_run_at",
            sqlite_where=text("finished_at IS NULL"),
            postgresql_where=text("finished_at IS NULL"),
        ),
    )

    id: Mapped[int] = _key()
    watch_id: Mapped[int] = mapped_column(ForeignKey("watch.id", ondelete="CASCADE"))
    gap_id: Mapped[int | None] = mapped_column(ForeignKey("gap.id", ondelete="SET NULL"))
    state: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    from_at: Mapped[datetime] = mapped_column(UtcDateTime)
    to_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reached_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    next_run_at: Mapped[datetime] = mapped_column(UtcDateTime)
    claim_token: Mapped[str | None] = mapped_column(String(40))
    claim_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    requests: Mapped[int] = mapped_column(Integer, default=0)
    items: Mapped[int] = mapped_column(Integer, default=0)
    new: Mapped[int] = mapped_column(Integer, default=0)
    failures: Mapped[int] = mapped_column(Integer, default=0)  # in a row
    error_code: Mapped[str | None] = mapped_column(String(40))
    error: Mapped[str | None] = mapped_column(Text)
    complete: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # complete, or given up


class CoverageRow(Base):
    """An interval of a watch collected in full, and when that became known (for replays)."""

    __tablename__ = "coverage"
    __table_args__ = (Index("ix_coverage_watch", "watch_id", "to_at"),)

    id: Mapped[int] = _key()
    watch_id: Mapped[int] = mapped_column(ForeignKey("watch.id", ondelete="CASCADE"))
    from_at: Mapped[datetime] = mapped_column(UtcDateTime)
    to_at: Mapped[datetime] = mapped_column(UtcDateTime)
    known_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AuthorRow(Base):
    """Who wrote mentions. ``pseudonym`` is what leaves the system unless settings allow names."""

    __tablename__ = "author"
    __table_args__ = (UniqueConstraint("source", "namespace", "native_id"),)

    id: Mapped[int] = _key()
    source: Mapped[str] = mapped_column(String(40))
    namespace: Mapped[str] = mapped_column(String(500), default="")
    native_id: Mapped[str] = mapped_column(String(520))  # the handle, where the source has no id
    handle: Mapped[str] = mapped_column(String(300), default="")
    name: Mapped[str] = mapped_column(String(300), default="")
    followers: Mapped[int | None] = mapped_column(BigInteger)
    url: Mapped[str | None] = mapped_column(Text)
    pseudonym: Mapped[str] = mapped_column(String(40))


class MentionRow(Base):
    """One thing said in public, stored once. Identity is (source, namespace, external_id)."""

    __tablename__ = "mention"
    __table_args__ = (
        UniqueConstraint("source", "namespace", "external_id"),
        Index("ix_mention_event", "event_at"),
        Index("ix_mention_author", "author_id", "event_at"),  # who said what on a day
        Index(
            "ix_mention_expires",
            "expires_at",
            sqlite_where=text("expires_at IS NOT NULL"),
            postgresql_where=text("expires_at IS NOT NULL"),
        ),
        {"sqlite_autoincrement": True},  # an id is never used twice, not even after an erasure
    )

    id: Mapped[int] = _key()
    source: Mapped[str] = mapped_column(String(40))
    namespace: Mapped[str] = mapped_column(String(500))
    external_id: Mapped[str] = mapped_column(String(500))
    kind: Mapped[str] = mapped_column(String(10))
    url: Mapped[str | None] = mapped_column(Text)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("author.id"))
    title: Mapped[str | None] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    content_hash: Mapped[str] = mapped_column(String(32))
    language: Mapped[str] = mapped_column(String(8))
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    published_precision: Mapped[str] = mapped_column(String(5))
    event_at: Mapped[datetime] = mapped_column(UtcDateTime)
    event_clamped: Mapped[bool] = mapped_column(Boolean, default=False)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    edited_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    rating: Mapped[float | None] = mapped_column(Float)
    rating_min: Mapped[float | None] = mapped_column(Float)
    rating_max: Mapped[float | None] = mapped_column(Float)
    parent_id: Mapped[str | None] = mapped_column(
        String(500)
    )  # external id, same source and namespace
    thread_id: Mapped[str | None] = mapped_column(String(500))
    is_own: Mapped[bool] = mapped_column(Boolean, default=False)
    solicited: Mapped[bool] = mapped_column(Boolean, default=False)
    derived: Mapped[bool] = mapped_column(Boolean, default=False)
    product: Mapped[str | None] = mapped_column(String(300))
    product_version: Mapped[str | None] = mapped_column(String(300))
    place: Mapped[str | None] = mapped_column(String(300))
    touchpoint: Mapped[str | None] = mapped_column(String(300))
    country: Mapped[str | None] = mapped_column(String(8))
    media: Mapped[list[str] | None] = mapped_column(Json)
    raw: Mapped[dict[str, Any] | None] = mapped_column(Json)  # emptied after Settings.raw_days
    expires_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime
    )  # set while it matches no brand


class MentionSearchRow(Base):
    """Search tokens on PostgreSQL. On SQLite an FTS5 table of the same name takes their place
    (migration 0001).
    """

    __tablename__ = "mention_search"
    __table_args__ = (Index("ix_mention_search_tokens", "tokens", postgresql_using="gin"),)

    mention_id: Mapped[int] = mapped_column(
        ForeignKey("mention.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    tokens: Mapped[Any] = mapped_column(TSVECTOR().with_variant(Text(), "sqlite"))


class RevisionRow(Base):
    """An earlier text of an edited mention."""

    __tablename__ = "revision"
    __table_args__ = (Index("ix_revision_mention", "mention_id"),)

    id: Mapped[int] = _key()
    mention_id: Mapped[int] = mapped_column(ForeignKey("mention.id", ondelete="CASCADE"))
    content_hash: Mapped[str] = mapped_column(String(32))
    title: Mapped[str | None] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    rating: Mapped[float | None] = mapped_column(Float)
    replaced_at: Mapped[datetime] = mapped_column(UtcDateTime)


class EngagementRow(Base):
    """Counts of a mention as read at one moment; a row is written when a count changed."""

    __tablename__ = "engagement"
    __table_args__ = (Index("ix_engagement_at", "at"), WITHOUT_ROWID)

    mention_id: Mapped[int] = mapped_column(
        ForeignKey("mention.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    likes: Mapped[int | None] = mapped_column(BigInteger)
    replies: Mapped[int | None] = mapped_column(BigInteger)
    shares: Mapped[int | None] = mapped_column(BigInteger)
    views: Mapped[int | None] = mapped_column(BigInteger)


class MentionWatchRow(Base):
    """Which watch (and run) brought a mention first."""

    __tablename__ = "mention_watch"
    __table_args__ = (WITHOUT_ROWID,)

    mention_id: Mapped[int] = mapped_column(
        ForeignKey("mention.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    watch_id: Mapped[int] = mapped_column(
        ForeignKey("watch.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
        index=True,
    )
    run_id: Mapped[int | None] = mapped_column(BigInteger)


class MatchRow(Base):
    """A mention belongs to a brand. ``event_at`` repeats the mention's, so that a brand's time
    range is one index.
    """

    __tablename__ = "match"
    __table_args__ = (Index("ix_match_brand_event", "brand_id", "event_at"), WITHOUT_ROWID)

    mention_id: Mapped[int] = mapped_column(
        ForeignKey("mention.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    brand_id: Mapped[int] = mapped_column(
        ForeignKey("brand.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    origin: Mapped[str] = mapped_column(String(10))
    spans: Mapped[list[list[Any]]] = mapped_column(Json)  # [field, start, end, term]
    event_at: Mapped[datetime] = mapped_column(UtcDateTime)


class GenerationRow(Base):
    """One set of models and rules that readings were made with. Exactly one is active."""

    __tablename__ = "generation"

    id: Mapped[int] = _key()
    key: Mapped[str] = mapped_column(String(64), unique=True)  # hash over all below
    models: Mapped[dict[str, list[str]]] = mapped_column(Json)  # language -> [model, version]
    rules_version: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    active_from: Mapped[datetime | None] = mapped_column(UtcDateTime)
    active: Mapped[bool] = mapped_column(Boolean, default=False)


class RuleSetRow(Base):
    """A text of rules: one that a generation was made with, or one that was edited here. At most
    one is active: it takes the place of the built-in rules.
    """

    __tablename__ = "rule_set"

    id: Mapped[int] = _key()
    version: Mapped[str] = mapped_column(String(32), unique=True)  # hash of the text
    text: Mapped[str] = mapped_column(Text)
    origin: Mapped[str] = mapped_column(String(10))  # built-in | file | edited
    active: Mapped[bool] = mapped_column(Boolean, default=False)
    by: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class OverlayRow(Base):
    """What this install's corrections add to a shipped model; at most one of a language is
    active.
    """

    __tablename__ = "overlay"
    __table_args__ = (UniqueConstraint("model", "version"),)

    id: Mapped[int] = _key()
    language: Mapped[str] = mapped_column(String(8))
    model: Mapped[str] = mapped_column(String(40))
    version: Mapped[str] = mapped_column(String(60))  # of model and overlay together
    base: Mapped[str] = mapped_column(String(40))  # the shipped model's version
    data: Mapped[bytes] = mapped_column(LargeBinary)
    examples: Mapped[int] = mapped_column(Integer)
    measured: Mapped[dict[str, Any]] = mapped_column(Json)
    active: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RescoreRow(Base):
    """How far all that is stored was read by a generation, by rising ids of mentions."""

    __tablename__ = "rescore"

    generation_id: Mapped[int] = mapped_column(
        ForeignKey("generation.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    since: Mapped[datetime | None] = mapped_column(UtcDateTime)  # nothing earlier is read
    upto: Mapped[int] = mapped_column(BigInteger, default=0)  # mention id
    last: Mapped[int] = mapped_column(BigInteger)  # mention id; later ones are read as they come
    total: Mapped[int] = mapped_column(BigInteger)  # mentions to look at
    done: Mapped[int] = mapped_column(BigInteger, default=0)
    switch: Mapped[bool] = mapped_column(Boolean, default=False)  # put in force once it is complete
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error: Mapped[str | None] = mapped_column(Text)


class SwitchRow(Base):
    """One switch to another generation. Without foreign keys: it outlives removed generations."""

    __tablename__ = "switch"

    id: Mapped[int] = _key()
    generation_id: Mapped[int] = mapped_column(BigInteger)
    before_id: Mapped[int | None] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    by: Mapped[str] = mapped_column(String(200), default="")
    changed: Mapped[dict[str, Any]] = mapped_column(Json)  # models and rules, before and after


class CorrectionRow(Base):
    """What a person says a mention means, as a whole (``brand_id`` 0) or toward one brand; None =
    leave it as it was read. It holds for the text it was made on.
    """

    __tablename__ = "correction"
    __table_args__ = (UniqueConstraint("mention_id", "brand_id"),)

    id: Mapped[int] = _key()
    mention_id: Mapped[int] = mapped_column(ForeignKey("mention.id", ondelete="CASCADE"))
    brand_id: Mapped[int] = mapped_column(BigInteger, default=0)
    content_hash: Mapped[str] = mapped_column(String(32))
    label: Mapped[str | None] = mapped_column(String(10))
    complaint: Mapped[bool | None] = mapped_column(Boolean)
    topics: Mapped[list[str] | None] = mapped_column(Json)
    by: Mapped[str] = mapped_column(String(200), default="")
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class ReadingRow(Base):
    """What a generation made of a mention as a whole (``brand_id`` 0) or toward one brand.

    Model and version follow from (generation, language). ``score`` NULL = not scored.
    """

    __tablename__ = "reading"
    __table_args__ = (WITHOUT_ROWID,)

    mention_id: Mapped[int] = mapped_column(
        ForeignKey("mention.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    brand_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    generation_id: Mapped[int] = mapped_column(
        ForeignKey("generation.id"), primary_key=True, autoincrement=False
    )
    language: Mapped[str] = mapped_column(String(8))
    score: Mapped[float | None] = mapped_column(Float)
    label: Mapped[str | None] = mapped_column(String(10))
    confidence: Mapped[float | None] = mapped_column(Float)
    complaint: Mapped[bool | None] = mapped_column(Boolean)
    topics: Mapped[list[str]] = mapped_column(Json)
    tags: Mapped[list[str]] = mapped_column(Json, default=list, server_default="[]")
    aspects: Mapped[list[list[Any]] | None] = mapped_column(
        Json
    )  # [topic, start, end, score, label], of the mention as a whole or of one toward a brand
    corrected: Mapped[dict[str, Any] | None] = mapped_column(
        Json
    )  # what the model said of each field (label, complaint, topics) that a person corrected


class UnscreenedRow(Base):
    """A mention whose text is new: it is still to be compared with others and searched for signs of
    spam. Written with the mention, removed with the result.
    """

    __tablename__ = "unscreened"
    __table_args__ = (WITHOUT_ROWID,)

    mention_id: Mapped[int] = mapped_column(
        ForeignKey("mention.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )


class StoryRow(Base):
    """Mentions that are copies of one text. ``lead_id`` is the fullest copy, shown in front."""

    __tablename__ = "story"

    id: Mapped[int] = _key()
    lead_id: Mapped[int] = mapped_column(BigInteger)  # no foreign key: the lead may be erased first
    copies: Mapped[int] = mapped_column(Integer)
    first_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)


class MentionStoryRow(Base):
    """A mention is a copy of a story. A mention that is like no other has no row."""

    __tablename__ = "mention_story"
    __table_args__ = (WITHOUT_ROWID,)

    mention_id: Mapped[int] = mapped_column(
        ForeignKey("mention.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    story_id: Mapped[int] = mapped_column(ForeignKey("story.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(10))  # exact | near | syndicated


class SketchRow(Base):
    """One band of a text's MinHash: texts that share a band may be copies. Kept for some weeks."""

    __tablename__ = "sketch"
    __table_args__ = (Index("ix_sketch_at", "at"), WITHOUT_ROWID)

    band: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    mention_id: Mapped[int] = mapped_column(
        ForeignKey("mention.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
        index=True,
    )
    at: Mapped[datetime] = mapped_column(UtcDateTime)  # the mention's event_at


class FlagRow(Base):
    """A sign that a mention is paid for or not from a person. It is left out by a switch only."""

    __tablename__ = "flag"
    __table_args__ = (WITHOUT_ROWID,)

    mention_id: Mapped[int] = mapped_column(
        ForeignKey("mention.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    kind: Mapped[str] = mapped_column(String(20), primary_key=True)  # sponsored | promotion | bot
    reason: Mapped[str] = mapped_column(String(200), default="")  # the words found, or the pattern


class ThemeRow(Base):
    """What a brand's mentions began to speak of, without a rule that names it. Its id stays as long
    as it is found again. The numbers are those of the last time it was found.
    """

    __tablename__ = "theme"
    __table_args__ = (Index("ix_theme_brand", "brand_id", "last_at"),)

    id: Mapped[int] = _key()
    brand_id: Mapped[int] = mapped_column(ForeignKey("brand.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(200))
    phrases: Mapped[list[dict[str, Any]]] = mapped_column(Json)  # key, text, variants; best first
    state: Mapped[str] = mapped_column(String(10))  # active | faded | dismissed | adopted
    first_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)
    window_s: Mapped[int] = mapped_column(Integer)  # length of the time in which it stood out
    count: Mapped[int] = mapped_column(Integer)  # distinct voices in it
    expected: Mapped[float] = mapped_column(Float)  # voices, by the weeks before
    z: Mapped[float] = mapped_column(Float)  # log-odds over their error
    decided_by: Mapped[str] = mapped_column(String(200), default="")
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # dismissed or adopted


class ThemeMentionRow(Base):
    """A mention that a theme was found in."""

    __tablename__ = "theme_mention"
    __table_args__ = (WITHOUT_ROWID,)

    theme_id: Mapped[int] = mapped_column(
        ForeignKey("theme.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    mention_id: Mapped[int] = mapped_column(
        ForeignKey("mention.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
        index=True,
    )


class ChangeRow(Base):
    """The latest change of each mention, the feed's cursor: an edit removes the older row and takes
    a new seq.

    ``past`` holds the facets (brands, language, label …) of earlier states, so that a reader with a
    filter can be told that a mention left it. After a deletion this row is the tombstone: it
    outlives the mention.
    """

    __tablename__ = "change"

    seq: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    mention_id: Mapped[int] = mapped_column(
        BigInteger, unique=True
    )  # no foreign key: tombstones outlive it
    kind: Mapped[str] = mapped_column(String(10))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    past: Mapped[list[dict[str, Any]] | None] = mapped_column(Json)


class CounterRow(Base):
    """Named counters. Raising ``change`` locks its row to the commit: seqs become visible in their
    order.
    """

    __tablename__ = "counter"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


class DirtyRow(Base):
    """A bucket of a brand whose numbers are stale. ``version`` rises with each mark."""

    __tablename__ = "dirty"
    __table_args__ = (WITHOUT_ROWID,)

    brand_id: Mapped[int] = mapped_column(
        ForeignKey("brand.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    version: Mapped[int] = mapped_column(Integer, default=1)


class BucketRow(Base):
    """Counts of one brand in one dimension and time bucket; no row = zero. Recomputed, never
    incremented.

    ``dimension`` is "all", "negative", "complaint", "topic:delivery", "source:x" and so on.
    """

    __tablename__ = "bucket"
    __table_args__ = (Index("ix_bucket_time", "brand_id", "step_s", "at"), WITHOUT_ROWID)

    brand_id: Mapped[int] = mapped_column(
        ForeignKey("brand.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    dimension: Mapped[str] = mapped_column(String(60), primary_key=True)
    step_s: Mapped[int] = mapped_column(Integer, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    count: Mapped[int] = mapped_column(Integer)
    authors: Mapped[int] = mapped_column(Integer)
    stories: Mapped[int] = mapped_column(Integer)
    score_sum: Mapped[float] = mapped_column(Float, default=0.0)
    scored: Mapped[int] = mapped_column(Integer, default=0)
    # Those that this dimension sees for the first time: unlike distinct ones, they may be summed.
    new_stories: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    new_authors: Mapped[int] = mapped_column(Integer, default=0, server_default="0")


class DetectorRow(Base):
    """Where the detector of a series stands: its state after all buckets before ``upto``, and an
    earlier one from which late items are taken in.
    """

    __tablename__ = "detector"

    brand_id: Mapped[int] = mapped_column(
        ForeignKey("brand.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    dimension: Mapped[str] = mapped_column(String(60), primary_key=True)
    by: Mapped[str] = mapped_column(String(8), primary_key=True)  # posts | stories | authors
    sensitivity: Mapped[str] = mapped_column(String(8), primary_key=True)
    upto: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[str] = mapped_column(String(40))
    state: Mapped[dict[str, Any]] = mapped_column(Json)
    earlier_upto: Mapped[datetime | None] = mapped_column(UtcDateTime)
    earlier_state: Mapped[dict[str, Any] | None] = mapped_column(Json)


class RuleRow(Base):
    """What is worth an alert, and who is told (``listener.types.Rule``)."""

    __tablename__ = "rule"
    __table_args__ = (Index("ix_rule_brand", "brand_id"),)

    id: Mapped[int] = _key()
    brand_id: Mapped[int] = mapped_column(ForeignKey("brand.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(200))
    signal: Mapped[str] = mapped_column(String(20))
    topic: Mapped[str | None] = mapped_column(String(60))  # "*" = each one by itself
    source: Mapped[str | None] = mapped_column(String(40))
    language: Mapped[str | None] = mapped_column(String(8))
    country: Mapped[str | None] = mapped_column(String(8))
    by: Mapped[str] = mapped_column(String(8))
    sensitivity: Mapped[str] = mapped_column(String(8))
    min_count: Mapped[int] = mapped_column(Integer)
    severity: Mapped[str | None] = mapped_column(String(10))
    quiet_from: Mapped[int | None] = mapped_column(Integer)  # minutes after midnight, local
    quiet_to: Mapped[int | None] = mapped_column(Integer)
    working_days: Mapped[bool] = mapped_column(Boolean, default=False)
    steps: Mapped[list[dict[str, Any]]] = mapped_column(Json)  # {"after_s", "channels"}
    remind_s: Mapped[int | None] = mapped_column(Integer)
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    muted_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    strictness: Mapped[float] = mapped_column(Float, default=0.0)
    origin: Mapped[str] = mapped_column(String(40), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class PlannedEventRow(Base):
    """A campaign or launch in the calendar (``listener.types.PlannedEvent``)."""

    __tablename__ = "planned_event"
    __table_args__ = (Index("ix_planned_event_to_at", "to_at"),)

    id: Mapped[int] = _key()
    brand_id: Mapped[int | None] = mapped_column(ForeignKey("brand.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(10))  # campaign | launch | other
    from_at: Mapped[datetime] = mapped_column(UtcDateTime)
    to_at: Mapped[datetime] = mapped_column(UtcDateTime)
    factor: Mapped[float | None] = mapped_column(Float)
    created_by: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SpikeRow(Base):
    """A series far above its expectation, from onset to resolution."""

    __tablename__ = "spike"
    __table_args__ = (
        Index("ix_spike_brand", "brand_id", "onset_at"),
        # For looks: rows are large, and of all there were only the latest matter.
        Index("ix_spike_resolved", "brand_id", "resolved_at"),
        Index("ix_spike_updated", "brand_id", "updated_at"),
    )

    id: Mapped[int] = _key()
    brand_id: Mapped[int] = mapped_column(ForeignKey("brand.id", ondelete="CASCADE"))
    alert_id: Mapped[int | None] = mapped_column(ForeignKey("alert.id", ondelete="SET NULL"))
    dimension: Mapped[str] = mapped_column(String(60))
    by: Mapped[str] = mapped_column(String(8), default="posts", server_default="posts")
    sensitivity: Mapped[str] = mapped_column(String(8), default="normal", server_default="normal")
    trend: Mapped[bool] = mapped_column(
        Boolean, default=False, server_default=false()
    )  # a slow burn: only a window of half a day or longer shows it
    scope: Mapped[dict[str, Any]] = mapped_column(
        Json, default=dict, server_default="{}"
    )  # the filter that selects its mentions
    wanted: Mapped[bool] = mapped_column(
        Boolean, default=True, server_default=true()
    )  # a rule that tells somebody wanted it once: its alert lasts as long as it does
    state: Mapped[str] = mapped_column(String(10))  # open | resolved
    onset_at: Mapped[datetime] = mapped_column(UtcDateTime)
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    resolved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expected: Mapped[float] = mapped_column(Float)  # sum since onset
    observed: Mapped[float] = mapped_column(Float)
    score: Mapped[float] = mapped_column(Float)  # highest so far
    detail: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)  # lifecycle state
    explanation: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    mention_ids: Mapped[list[int]] = mapped_column(Json, default=list)


class AlertRow(Base):
    """One event told to people: it groups the spikes of that event."""

    __tablename__ = "alert"
    __table_args__ = (Index("ix_alert_brand", "brand_id", "opened_at"),)

    id: Mapped[int] = _key()
    brand_id: Mapped[int] = mapped_column(ForeignKey("brand.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(String(10))  # open | resolved
    severity: Mapped[str] = mapped_column(String(10))
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    resolved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    acknowledged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    acknowledged_by: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    # No foreign keys in what follows: SQLite takes none with a later column.
    assigned_to: Mapped[int | None] = mapped_column(BigInteger)  # a user
    snoozed_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    verdict: Mapped[str | None] = mapped_column(String(10))  # right | false | planned
    verdict_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    step: Mapped[int] = mapped_column(
        Integer, default=0, server_default="0"
    )  # of the escalation chain, the last one told
    reminders: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    told_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # last told to people
    waiting_since: Mapped[datetime | None] = mapped_column(
        UtcDateTime
    )  # told, and nobody has acknowledged it; the chain and reminders count from it
    escalated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # growth was last told
    grown_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # … and has not been told yet
    summary: Mapped[dict[str, Any] | None] = mapped_column(Json)  # in numbers, once resolved


class AlertRuleRow(Base):
    """A rule that wanted the alert, and the score at which it did."""

    __tablename__ = "alert_rule"
    __table_args__ = (Index("ix_alert_rule_rule_id", "rule_id"), WITHOUT_ROWID)

    alert_id: Mapped[int] = mapped_column(
        ForeignKey("alert.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    rule_id: Mapped[int] = mapped_column(
        ForeignKey("rule.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    score: Mapped[float] = mapped_column(Float)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class AlertEventRow(Base):
    """One thing that happened to an alert, or that somebody did with it: its history."""

    __tablename__ = "alert_event"
    __table_args__ = (Index("ix_alert_event_alert_id", "alert_id", "id"),)

    id: Mapped[int] = _key()
    alert_id: Mapped[int] = mapped_column(ForeignKey("alert.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    # opened | escalated | reminded | step | resolved | reopened
    # acknowledged | assigned | snoozed | muted | planned | marked | taught | note
    kind: Mapped[str] = mapped_column(String(20))
    by: Mapped[str] = mapped_column(String(200), default="")  # "" = the service itself
    detail: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)


class ChannelRow(Base):
    """Where alerts go: a signed webhook, or an apprise address. Address and secret are stored
    encrypted.
    """

    __tablename__ = "channel"

    id: Mapped[int] = _key()
    name: Mapped[str] = mapped_column(String(100), unique=True)
    kind: Mapped[str] = mapped_column(String(10))  # webhook | apprise
    address: Mapped[bytes] = mapped_column(LargeBinary)
    address_shown: Mapped[str] = mapped_column(String(300))  # with secrets left out
    secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    language: Mapped[str] = mapped_column(String(2), default="ko")
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    wants: Mapped[str] = mapped_column(
        String(10), default="both", server_default="both"
    )  # alerts | notices | both
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class OutboxRow(Base):
    """A message to be sent, written in the transaction of its cause. ``message_id`` is stable over
    retries.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("alert_id", "channel_id", "event", "event_key"),
        Index("ix_outbox_due", "state", "next_try_at"),
        Index("ix_outbox_notice", "notice_id", "channel_id", "event", "event_key", unique=True),
    )

    id: Mapped[int] = _key()
    message_id: Mapped[str] = mapped_column(String(40), unique=True)
    channel_id: Mapped[int] = mapped_column(ForeignKey("channel.id", ondelete="CASCADE"))
    alert_id: Mapped[int | None] = mapped_column(ForeignKey("alert.id", ondelete="CASCADE"))
    notice_id: Mapped[int | None] = mapped_column(
        BigInteger
    )  # no foreign key: SQLite takes none with a later column
    event: Mapped[str] = mapped_column(
        String(30)
    )  # alert.opened | alert.escalated | alert.resolved | source.failing | … | test
    event_key: Mapped[str] = mapped_column(
        String(40), default=""
    )  # tells repeats of one event apart
    refs: Mapped[dict[str, Any]] = mapped_column(
        Json, default=dict
    )  # ids only: the body is made at sending
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # pending | sent | dead; held (until next_try_at, then sent by itself or in a digest),
    # digested (a digest told it), withdrawn (overtaken by what people did)
    state: Mapped[str] = mapped_column(String(10), default="pending")
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_try_at: Mapped[datetime] = mapped_column(UtcDateTime)
    claim_token: Mapped[str | None] = mapped_column(String(40))
    claim_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


class NoticeRow(Base):
    """One trouble of collecting told to people: all watches that fail for one cause.

    ``place`` is the host or connection that they have in common. Of one key at most one is open.
    """

    __tablename__ = "notice"
    __table_args__ = (
        Index(
            "ix_notice_open",
            "key",
            unique=True,
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
    )

    id: Mapped[int] = _key()
    key: Mapped[str] = mapped_column(String(600))  # source|place|cause
    source: Mapped[str] = mapped_column(String(40))  # "" = several
    place: Mapped[str] = mapped_column(String(500), default="")
    cause: Mapped[str] = mapped_column(String(20))  # a state of collect/health.py
    outcome: Mapped[str] = mapped_column(String(20))  # what runs say, the last told
    reason: Mapped[str] = mapped_column(Text, default="")
    watch_ids: Mapped[list[int]] = mapped_column(Json)
    state: Mapped[str] = mapped_column(String(10))  # open | recovered | closed
    since: Mapped[datetime] = mapped_column(UtcDateTime)  # when the trouble began
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    told_at: Mapped[datetime] = mapped_column(UtcDateTime)
    reminders: Mapped[int] = mapped_column(Integer, default=0)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RatingRow(Base):
    """An average over many ratings as a source told it; a row is written when it changed, or once a
    day.
    """

    __tablename__ = "rating"
    __table_args__ = (Index("ix_rating_watch", "watch_id", "namespace", "subject", "at"),)

    id: Mapped[int] = _key()
    watch_id: Mapped[int] = mapped_column(ForeignKey("watch.id", ondelete="CASCADE"))
    namespace: Mapped[str] = mapped_column(String(500), default="")
    subject: Mapped[str] = mapped_column(String(500))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    average: Mapped[float] = mapped_column(Float)
    count: Mapped[int | None] = mapped_column(BigInteger)
    rating_min: Mapped[float] = mapped_column(Float)
    rating_max: Mapped[float] = mapped_column(Float)
    title: Mapped[str | None] = mapped_column(String(500))
    url: Mapped[str | None] = mapped_column(Text)
    country: Mapped[str | None] = mapped_column(String(8))


class DeliveryRow(Base):
    """One attempt to send an outbox message."""

    __tablename__ = "delivery"
    __table_args__ = (Index("ix_delivery_outbox", "outbox_id"),)

    id: Mapped[int] = _key()
    outbox_id: Mapped[int] = mapped_column(ForeignKey("outbox.id", ondelete="CASCADE"))
    attempt: Mapped[int] = mapped_column(Integer)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    ok: Mapped[bool] = mapped_column(Boolean)
    status_code: Mapped[int | None] = mapped_column(Integer)
    reason: Mapped[str] = mapped_column(Text, default="")
    duration_ms: Mapped[int] = mapped_column(Integer, default=0)


class JobRow(Base):
    """Something an edge asks the runtime to do (preview a watch, send a test). The edge waits for
    ``result``.
    """

    __tablename__ = "job"
    __table_args__ = (Index("ix_job_due", "state", "created_at"),)

    id: Mapped[int] = _key()
    kind: Mapped[str] = mapped_column(String(30))
    payload: Mapped[dict[str, Any]] = mapped_column(Json)
    state: Mapped[str] = mapped_column(
        String(10), default="pending"
    )  # pending | running | done | failed
    progress: Mapped[float | None] = mapped_column(Float)  # 0 to 1, of long ones
    result: Mapped[dict[str, Any] | None] = mapped_column(Json)
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    claim_token: Mapped[str | None] = mapped_column(String(40))
    claim_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LeaseRow(Base):
    """Who may do what only one process may do (the scheduler)."""

    __tablename__ = "lease"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[str] = mapped_column(String(100))
    until: Mapped[datetime] = mapped_column(UtcDateTime)


class HostLimitRow(Base):
    """How often a host (on an account) may be asked; shared by all processes."""

    __tablename__ = "host_limit"

    key: Mapped[str] = mapped_column(String(300), primary_key=True)
    last_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # the last slot given
    full_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # the token bucket is full again
    held_until: Mapped[datetime | None] = mapped_column(UtcDateTime)  # what a 429 asked for
    failures: Mapped[int] = mapped_column(Integer, default=0, server_default="0")  # in a row
    open_until: Mapped[datetime | None] = mapped_column(UtcDateTime)  # left alone after failures


class SpendingRow(Base):
    """What a purse (source and connection) used up of a unit in the day or month that began
    then.
    """

    __tablename__ = "spending"
    __table_args__ = (WITHOUT_ROWID,)

    purse: Mapped[str] = mapped_column(String(100), primary_key=True)
    unit: Mapped[str] = mapped_column(String(40), primary_key=True)
    per: Mapped[str] = mapped_column(String(5), primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    amount: Mapped[int] = mapped_column(BigInteger, default=0)
    background: Mapped[int] = mapped_column(BigInteger, default=0)  # of it by back-fills
    held: Mapped[int] = mapped_column(BigInteger, default=0)  # of it may come back


class UserRow(Base):
    """Somebody who may open the dashboard."""

    __tablename__ = "user"

    id: Mapped[int] = _key()
    email: Mapped[str] = mapped_column(String(200), unique=True)
    name: Mapped[str] = mapped_column(String(100), default="")
    password_hash: Mapped[str | None] = mapped_column(String(200))
    language: Mapped[str] = mapped_column(String(2), default="ko")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LoginLinkRow(Base):
    """A one-time login link; only its hash is kept."""

    __tablename__ = "login_link"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SessionRow(Base):
    """A dashboard session; only the hash of its cookie is kept."""

    __tablename__ = "session"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ApiKeyRow(Base):
    """A key for other tools; shown once, only its hash is kept."""

    __tablename__ = "api_key"

    id: Mapped[int] = _key()
    name: Mapped[str] = mapped_column(String(100))
    prefix: Mapped[str] = mapped_column(String(16))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class InboundRow(Base):
    """A webhook that others post to. ``public_id`` stands in its address and is the namespace of
    what it brings; the secret is stored encrypted.
    """

    __tablename__ = "inbound"

    id: Mapped[int] = _key()
    public_id: Mapped[str] = mapped_column(String(40), unique=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    brand_id: Mapped[int | None] = mapped_column(
        ForeignKey("brand.id", ondelete="SET NULL"), index=True
    )
    match: Mapped[str] = mapped_column(String(10))
    scheme: Mapped[str] = mapped_column(String(10))  # standard, typeform, github, zendesk, token
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    preset: Mapped[str] = mapped_column(String(40), default="")  # what the mapping began as
    mapping: Mapped[dict[str, Any]] = mapped_column(Json)
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class InboundItemRow(Base):
    """One delivery to a webhook as it came, until it was mapped; ``dedupe`` tells repeats."""

    __tablename__ = "inbound_item"
    __table_args__ = (
        UniqueConstraint("inbound_id", "dedupe"),
        Index(
            "ix_inbound_item_waiting",
            "id",
            sqlite_where=text("state = 'waiting'"),
            postgresql_where=text("state = 'waiting'"),
        ),
        Index("ix_inbound_item_received", "received_at"),
    )

    id: Mapped[int] = _key()
    delivery_id: Mapped[str] = mapped_column(String(40), unique=True)
    inbound_id: Mapped[int] = mapped_column(ForeignKey("inbound.id", ondelete="CASCADE"))
    dedupe: Mapped[str] = mapped_column(String(64))
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    content_type: Mapped[str] = mapped_column(String(200), default="")
    headers: Mapped[dict[str, str]] = mapped_column(Json, default=dict)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(10))  # waiting | done | skipped | failed
    reason: Mapped[str] = mapped_column(Text, default="")
    items: Mapped[int] = mapped_column(Integer, default=0)
    done_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
