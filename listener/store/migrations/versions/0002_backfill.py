"""Back-fills beside live collection, and when a watch last asked about its stored items."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

US = sa.BigInteger()
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON_ = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Make the table of back-fills; add ``watch.refreshed_at``."""
    op.add_column("watch", sa.Column("refreshed_at", US, nullable=True))
    op.create_table(
        "backfill",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("watch_id", KEY, nullable=False),
        sa.Column("gap_id", KEY, nullable=True),
        sa.Column("state", JSON_, nullable=False),
        sa.Column("from_at", US, nullable=False),
        sa.Column("to_at", US, nullable=True),
        sa.Column("reached_at", US, nullable=True),
        sa.Column("next_run_at", US, nullable=False),
        sa.Column("claim_token", sa.String(length=40), nullable=True),
        sa.Column("claim_until", US, nullable=True),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("new", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error_code", sa.String(length=40), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("created_at", US, nullable=False),
        sa.Column("finished_at", US, nullable=True),
        sa.ForeignKeyConstraint(
            ["gap_id"], ["gap.id"], name="fk_backfill_gap_id_gap", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["watch_id"], ["watch.id"], name="fk_backfill_watch_id_watch", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_backfill"),
    )
    op.create_index("ix_backfill_watch", "backfill", ["watch_id"])
    unfinished = sa.text("finished_at IS NULL")
    op.create_index(
        "ix_backfill_due",
        "backfill",
        ["next_run_at"],
        sqlite_where=unfinished,
        postgresql_where=unfinished,
    )
