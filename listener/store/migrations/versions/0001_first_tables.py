"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

# Spelled out here and not imported: a migration stays what it was when the models move on.
US = sa.BigInteger()  # microseconds since 1970 in UTC
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON_ = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Make all tables, the search index and the counter that numbers changes."""
    _tables()
    _search()
    counter = sa.table("counter", sa.column("name", sa.String), sa.column("value", sa.BigInteger))
    op.bulk_insert(counter, [{"name": "change", "value": 0}])


def _search() -> None:
    """Tokens come prepared by store/search.py; the index takes them as they are."""
    if op.get_context().dialect.name == "sqlite":
        # The row id is the mention's. Not contentless: SQLite < 3.43 cannot delete from such a
        # table.
        op.execute(
            "CREATE VIRTUAL TABLE mention_search USING fts5"
            "(tokens, columnsize = 0,"
            " tokenize = \"unicode61 remove_diacritics 0 tokenchars '#@_'\")"
        )
        return
    op.create_table(
        "mention_search",
        sa.Column("mention_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tokens", postgresql.TSVECTOR(), nullable=False),
        sa.ForeignKeyConstraint(
            ["mention_id"],
            ["mention.id"],
            name="fk_mention_search_mention_id_mention",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("mention_id", name="pk_mention_search"),
    )
    op.create_index(
        "ix_mention_search_tokens", "mention_search", ["tokens"], postgresql_using="gin"
    )


def _tables() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", JSON_, nullable=False),
        sa.Column("created_at", US, nullable=False),
        sa.Column("last_used_at", US, nullable=True),
        sa.Column("revoked_at", US, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_key"),
        sa.UniqueConstraint("key_hash", name="uq_api_key_key_hash"),
    )
    op.create_table(
        "author",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("namespace", sa.String(length=500), nullable=False),
        sa.Column("native_id", sa.String(length=520), nullable=False),
        sa.Column("handle", sa.String(length=300), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("followers", sa.BigInteger(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("pseudonym", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_author"),
        sa.UniqueConstraint(
            "source", "namespace", "native_id", name="uq_author_source_namespace_native_id"
        ),
    )
    op.create_table(
        "brand",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("aliases", JSON_, nullable=False),
        sa.Column("hashtags", JSON_, nullable=False),
        sa.Column("handles", JSON_, nullable=False),
        sa.Column("any_terms", JSON_, nullable=False),
        sa.Column("all_terms", JSON_, nullable=False),
        sa.Column("none_terms", JSON_, nullable=False),
        sa.Column("competitor", sa.Boolean(), nullable=False),
        sa.Column("terms_version", sa.String(length=32), nullable=False),
        sa.Column("created_at", US, nullable=False),
        sa.Column("archived_at", US, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_brand"),
        sa.UniqueConstraint("name", name="uq_brand_name"),
    )
    op.create_table(
        "change",
        sa.Column("seq", KEY, autoincrement=False, nullable=False),
        sa.Column("mention_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("at", US, nullable=False),
        sa.Column("past", JSON_, nullable=True),
        sa.PrimaryKeyConstraint("seq", name="pk_change"),
        sa.UniqueConstraint("mention_id", name="uq_change_mention_id"),
    )
    op.create_table(
        "channel",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("address_shown", sa.String(length=300), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", US, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_channel"),
        sa.UniqueConstraint("name", name="uq_channel_name"),
    )
    op.create_table(
        "connection",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("base_url", sa.String(length=500), nullable=True),
        sa.Column("credentials", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", US, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_connection"),
        sa.UniqueConstraint("source", "name", name="uq_connection_source_name"),
    )
    op.create_table(
        "counter",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counter"),
    )
    op.create_table(
        "generation",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("models", JSON_, nullable=False),
        sa.Column("rules_version", sa.String(length=32), nullable=False),
        sa.Column("created_at", US, nullable=False),
        sa.Column("active_from", US, nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_generation"),
        sa.UniqueConstraint("key", name="uq_generation_key"),
    )
    op.create_table(
        "host_limit",
        sa.Column("key", sa.String(length=300), nullable=False),
        sa.Column("last_at", US, nullable=True),
        sa.Column("full_at", US, nullable=True),
        sa.Column("held_until", US, nullable=True),
        sa.PrimaryKeyConstraint("key", name="pk_host_limit"),
    )
    op.create_table(
        "job",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("payload", JSON_, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("result", JSON_, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", US, nullable=False),
        sa.Column("claim_token", sa.String(length=40), nullable=True),
        sa.Column("claim_until", US, nullable=True),
        sa.Column("finished_at", US, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
    )
    op.create_index("ix_job_due", "job", ["state", "created_at"])
    op.create_table(
        "lease",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("holder", sa.String(length=100), nullable=False),
        sa.Column("until", US, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_lease"),
    )
    op.create_table(
        "user",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("email", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=True),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("created_at", US, nullable=False),
        sa.Column("disabled_at", US, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_user"),
        sa.UniqueConstraint("email", name="uq_user_email"),
    )
    op.create_table(
        "alert",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("brand_id", KEY, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("severity", sa.String(length=10), nullable=False),
        sa.Column("opened_at", US, nullable=False),
        sa.Column("updated_at", US, nullable=False),
        sa.Column("resolved_at", US, nullable=True),
        sa.Column("acknowledged_at", US, nullable=True),
        sa.Column("acknowledged_by", KEY, nullable=True),
        sa.ForeignKeyConstraint(
            ["acknowledged_by"],
            ["user.id"],
            name="fk_alert_acknowledged_by_user",
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["brand_id"], ["brand.id"], name="fk_alert_brand_id_brand", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_alert"),
    )
    op.create_index("ix_alert_brand", "alert", ["brand_id", "opened_at"])
    op.create_table(
        "bucket",
        sa.Column("brand_id", KEY, autoincrement=False, nullable=False),
        sa.Column("dimension", sa.String(length=60), nullable=False),
        sa.Column("step_s", sa.Integer(), nullable=False),
        sa.Column("at", US, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("authors", sa.Integer(), nullable=False),
        sa.Column("stories", sa.Integer(), nullable=False),
        sa.Column("score_sum", sa.Float(), nullable=False),
        sa.Column("scored", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["brand_id"], ["brand.id"], name="fk_bucket_brand_id_brand", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("brand_id", "dimension", "step_s", "at", name="pk_bucket"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_bucket_time", "bucket", ["brand_id", "step_s", "at"])
    op.create_table(
        "detector",
        sa.Column("brand_id", KEY, autoincrement=False, nullable=False),
        sa.Column("dimension", sa.String(length=60), nullable=False),
        sa.Column("upto", US, nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("state", JSON_, nullable=False),
        sa.ForeignKeyConstraint(
            ["brand_id"], ["brand.id"], name="fk_detector_brand_id_brand", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("brand_id", "dimension", name="pk_detector"),
    )
    op.create_table(
        "dirty",
        sa.Column("brand_id", KEY, autoincrement=False, nullable=False),
        sa.Column("at", US, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["brand_id"], ["brand.id"], name="fk_dirty_brand_id_brand", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("brand_id", "at", name="pk_dirty"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "login_link",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("expires_at", US, nullable=False),
        sa.Column("used_at", US, nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name="fk_login_link_user_id_user", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name="pk_login_link"),
    )
    op.create_table(
        "mention",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("namespace", sa.String(length=500), nullable=False),
        sa.Column("external_id", sa.String(length=500), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("author_id", KEY, nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.String(length=32), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("published_at", US, nullable=True),
        sa.Column("published_precision", sa.String(length=5), nullable=False),
        sa.Column("event_at", US, nullable=False),
        sa.Column("event_clamped", sa.Boolean(), nullable=False),
        sa.Column("seen_at", US, nullable=False),
        sa.Column("edited_at", US, nullable=True),
        sa.Column("rating", sa.Float(), nullable=True),
        sa.Column("rating_min", sa.Float(), nullable=True),
        sa.Column("rating_max", sa.Float(), nullable=True),
        sa.Column("parent_id", sa.String(length=500), nullable=True),
        sa.Column("thread_id", sa.String(length=500), nullable=True),
        sa.Column("is_own", sa.Boolean(), nullable=False),
        sa.Column("solicited", sa.Boolean(), nullable=False),
        sa.Column("derived", sa.Boolean(), nullable=False),
        sa.Column("product", sa.String(length=300), nullable=True),
        sa.Column("product_version", sa.String(length=300), nullable=True),
        sa.Column("place", sa.String(length=300), nullable=True),
        sa.Column("touchpoint", sa.String(length=300), nullable=True),
        sa.Column("country", sa.String(length=8), nullable=True),
        sa.Column("media", JSON_, nullable=True),
        sa.Column("raw", JSON_, nullable=True),
        sa.Column("expires_at", US, nullable=True),
        sa.ForeignKeyConstraint(["author_id"], ["author.id"], name="fk_mention_author_id_author"),
        sa.PrimaryKeyConstraint("id", name="pk_mention"),
        sa.UniqueConstraint(
            "source", "namespace", "external_id", name="uq_mention_source_namespace_external_id"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_mention_author_id", "mention", ["author_id"])
    op.create_index("ix_mention_event", "mention", ["event_at"])
    op.create_index(
        "ix_mention_expires",
        "mention",
        ["expires_at"],
        sqlite_where=sa.text("expires_at IS NOT NULL"),
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.create_table(
        "session",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("created_at", US, nullable=False),
        sa.Column("expires_at", US, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name="fk_session_user_id_user", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name="pk_session"),
    )
    op.create_table(
        "watch",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("brand_id", KEY, nullable=True),
        sa.Column("connection_id", KEY, nullable=True),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("label", sa.String(length=200), nullable=False),
        sa.Column("params", JSON_, nullable=False),
        sa.Column("match", sa.String(length=10), nullable=False),
        sa.Column("every_s", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("state", JSON_, nullable=False),
        sa.Column("next_run_at", US, nullable=False),
        sa.Column("claim_token", sa.String(length=40), nullable=True),
        sa.Column("claim_until", US, nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("health", sa.String(length=20), nullable=False),
        sa.Column("health_reason", sa.Text(), nullable=False),
        sa.Column("health_since", US, nullable=True),
        sa.Column("covered_to", US, nullable=True),
        sa.Column("last_item_at", US, nullable=True),
        sa.Column("last_success_at", US, nullable=True),
        sa.Column("created_at", US, nullable=False),
        sa.Column("deleted_at", US, nullable=True),
        sa.ForeignKeyConstraint(
            ["brand_id"], ["brand.id"], name="fk_watch_brand_id_brand", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connection.id"], name="fk_watch_connection_id_connection"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_watch"),
    )
    op.create_index("ix_watch_brand_id", "watch", ["brand_id"])
    op.create_index("ix_watch_due", "watch", ["enabled", "next_run_at"])
    op.create_table(
        "coverage",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("watch_id", KEY, nullable=False),
        sa.Column("from_at", US, nullable=False),
        sa.Column("to_at", US, nullable=False),
        sa.Column("known_at", US, nullable=False),
        sa.ForeignKeyConstraint(
            ["watch_id"], ["watch.id"], name="fk_coverage_watch_id_watch", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_coverage"),
    )
    op.create_index("ix_coverage_watch", "coverage", ["watch_id", "to_at"])
    op.create_table(
        "engagement",
        sa.Column("mention_id", KEY, autoincrement=False, nullable=False),
        sa.Column("at", US, nullable=False),
        sa.Column("likes", sa.BigInteger(), nullable=True),
        sa.Column("replies", sa.BigInteger(), nullable=True),
        sa.Column("shares", sa.BigInteger(), nullable=True),
        sa.Column("views", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["mention_id"],
            ["mention.id"],
            name="fk_engagement_mention_id_mention",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("mention_id", "at", name="pk_engagement"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "match",
        sa.Column("mention_id", KEY, autoincrement=False, nullable=False),
        sa.Column("brand_id", KEY, autoincrement=False, nullable=False),
        sa.Column("origin", sa.String(length=10), nullable=False),
        sa.Column("spans", JSON_, nullable=False),
        sa.Column("event_at", US, nullable=False),
        sa.ForeignKeyConstraint(
            ["brand_id"], ["brand.id"], name="fk_match_brand_id_brand", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["mention_id"], ["mention.id"], name="fk_match_mention_id_mention", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("mention_id", "brand_id", name="pk_match"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_match_brand_event", "match", ["brand_id", "event_at"])
    op.create_table(
        "mention_watch",
        sa.Column("mention_id", KEY, autoincrement=False, nullable=False),
        sa.Column("watch_id", KEY, autoincrement=False, nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["mention_id"],
            ["mention.id"],
            name="fk_mention_watch_mention_id_mention",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["watch_id"], ["watch.id"], name="fk_mention_watch_watch_id_watch", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("mention_id", "watch_id", name="pk_mention_watch"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_mention_watch_watch_id", "mention_watch", ["watch_id"])
    op.create_table(
        "outbox",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("message_id", sa.String(length=40), nullable=False),
        sa.Column("channel_id", KEY, nullable=False),
        sa.Column("alert_id", KEY, nullable=True),
        sa.Column("event", sa.String(length=30), nullable=False),
        sa.Column("event_key", sa.String(length=40), nullable=False),
        sa.Column("refs", JSON_, nullable=False),
        sa.Column("created_at", US, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", US, nullable=False),
        sa.Column("claim_token", sa.String(length=40), nullable=True),
        sa.Column("claim_until", US, nullable=True),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alert.id"], name="fk_outbox_alert_id_alert", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channel.id"], name="fk_outbox_channel_id_channel", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint(
            "alert_id",
            "channel_id",
            "event",
            "event_key",
            name="uq_outbox_alert_id_channel_id_event_event_key",
        ),
        sa.UniqueConstraint("message_id", name="uq_outbox_message_id"),
    )
    op.create_index("ix_outbox_due", "outbox", ["state", "next_try_at"])
    op.create_table(
        "reading",
        sa.Column("mention_id", KEY, autoincrement=False, nullable=False),
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("generation_id", KEY, autoincrement=False, nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("label", sa.String(length=10), nullable=True),
        sa.Column("confidence", sa.Float(), nullable=True),
        sa.Column("complaint", sa.Boolean(), nullable=True),
        sa.Column("topics", JSON_, nullable=False),
        sa.ForeignKeyConstraint(
            ["generation_id"], ["generation.id"], name="fk_reading_generation_id_generation"
        ),
        sa.ForeignKeyConstraint(
            ["mention_id"], ["mention.id"], name="fk_reading_mention_id_mention", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("mention_id", "brand_id", "generation_id", name="pk_reading"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "revision",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("mention_id", KEY, nullable=False),
        sa.Column("content_hash", sa.String(length=32), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("rating", sa.Float(), nullable=True),
        sa.Column("replaced_at", US, nullable=False),
        sa.ForeignKeyConstraint(
            ["mention_id"],
            ["mention.id"],
            name="fk_revision_mention_id_mention",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_revision"),
    )
    op.create_index("ix_revision_mention", "revision", ["mention_id"])
    op.create_table(
        "run",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("watch_id", KEY, nullable=False),
        sa.Column("token", sa.String(length=40), nullable=False),
        sa.Column("started_at", US, nullable=False),
        sa.Column("finished_at", US, nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("new", sa.Integer(), nullable=False),
        sa.Column("edited", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("error_code", sa.String(length=40), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("hint", sa.Text(), nullable=True),
        sa.Column("notices", JSON_, nullable=False),
        sa.Column("next_run_at", US, nullable=True),
        sa.ForeignKeyConstraint(
            ["watch_id"], ["watch.id"], name="fk_run_watch_id_watch", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
    )
    op.create_index("ix_run_watch", "run", ["watch_id", "started_at"])
    op.create_table(
        "spike",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("brand_id", KEY, nullable=False),
        sa.Column("alert_id", KEY, nullable=True),
        sa.Column("dimension", sa.String(length=60), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("onset_at", US, nullable=False),
        sa.Column("opened_at", US, nullable=False),
        sa.Column("updated_at", US, nullable=False),
        sa.Column("resolved_at", US, nullable=True),
        sa.Column("expected", sa.Float(), nullable=False),
        sa.Column("observed", sa.Float(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("detail", JSON_, nullable=False),
        sa.Column("explanation", JSON_, nullable=False),
        sa.Column("mention_ids", JSON_, nullable=False),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alert.id"], name="fk_spike_alert_id_alert", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["brand_id"], ["brand.id"], name="fk_spike_brand_id_brand", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_spike"),
    )
    op.create_index("ix_spike_brand", "spike", ["brand_id", "onset_at"])
    op.create_table(
        "delivery",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("outbox_id", KEY, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("at", US, nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["outbox_id"], ["outbox.id"], name="fk_delivery_outbox_id_outbox", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_delivery"),
    )
    op.create_index("ix_delivery_outbox", "delivery", ["outbox_id"])
    op.create_table(
        "gap",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("watch_id", KEY, nullable=False),
        sa.Column("run_id", KEY, nullable=True),
        sa.Column("from_at", US, nullable=False),
        sa.Column("to_at", US, nullable=True),
        sa.Column("why", sa.String(length=20), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("known_at", US, nullable=False),
        sa.Column("filled_at", US, nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name="fk_gap_run_id_run", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["watch_id"], ["watch.id"], name="fk_gap_watch_id_watch", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_gap"),
    )
    op.create_index("ix_gap_watch", "gap", ["watch_id", "from_at"])
