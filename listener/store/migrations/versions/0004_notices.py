"""Notices of failing watches, what a watch usually brings, rating snapshots."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

JSON_ = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
US = sa.BigInteger()  # microseconds since 1970


def upgrade() -> None:
    """Add ``notice`` and ``rating``, and what their messages and profiles need elsewhere."""
    op.add_column("watch", sa.Column("profile", JSON_, server_default="{}", nullable=False))
    op.add_column(
        "channel", sa.Column("wants", sa.String(length=10), server_default="both", nullable=False)
    )
    op.create_table(
        "notice",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("key", sa.String(length=600), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("place", sa.String(length=500), nullable=False),
        sa.Column("cause", sa.String(length=20), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("watch_ids", JSON_, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("since", US, nullable=False),
        sa.Column("opened_at", US, nullable=False),
        sa.Column("told_at", US, nullable=False),
        sa.Column("reminders", sa.Integer(), nullable=False),
        sa.Column("ended_at", US, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_notice"),
    )
    op.create_index(
        "ix_notice_open",
        "notice",
        ["key"],
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.add_column("outbox", sa.Column("notice_id", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_outbox_notice",
        "outbox",
        ["notice_id", "channel_id", "event", "event_key"],
        unique=True,
    )
    op.create_table(
        "rating",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("watch_id", KEY, nullable=False),
        sa.Column("namespace", sa.String(length=500), nullable=False),
        sa.Column("subject", sa.String(length=500), nullable=False),
        sa.Column("at", US, nullable=False),
        sa.Column("average", sa.Float(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=True),
        sa.Column("rating_min", sa.Float(), nullable=False),
        sa.Column("rating_max", sa.Float(), nullable=False),
        sa.Column("title", sa.String(length=500), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("country", sa.String(length=8), nullable=True),
        sa.ForeignKeyConstraint(
            ["watch_id"], ["watch.id"], name="fk_rating_watch_id_watch", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_rating"),
    )
    op.create_index("ix_rating_watch", "rating", ["watch_id", "namespace", "subject", "at"])


def downgrade() -> None:
    """Take all of it away again."""
    op.drop_table("rating")
    op.drop_index("ix_outbox_notice", "outbox")
    op.drop_column("outbox", "notice_id")
    op.drop_table("notice")
    op.drop_column("channel", "wants")
    op.drop_column("watch", "profile")
