"""Themes that nobody listed, and the mentions that each was found in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

JSON_ = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
US = sa.BigInteger()  # microseconds since 1970 in UTC
# SQLite only auto-numbers a column declared INTEGER PRIMARY KEY.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Two tables; the next look at each brand fills them."""
    op.create_table(
        "theme",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("brand_id", KEY, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("phrases", JSON_, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("first_at", US, nullable=False),
        sa.Column("last_at", US, nullable=False),
        sa.Column("window_s", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("expected", sa.Float(), nullable=False),
        sa.Column("z", sa.Float(), nullable=False),
        sa.Column("decided_by", sa.String(length=200), nullable=False),
        sa.Column("decided_at", US, nullable=True),
        sa.ForeignKeyConstraint(
            ["brand_id"], ["brand.id"], name="fk_theme_brand_id_brand", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_theme"),
    )
    op.create_index("ix_theme_brand", "theme", ["brand_id", "last_at"])
    op.create_table(
        "theme_mention",
        sa.Column("theme_id", KEY, autoincrement=False, nullable=False),
        sa.Column("mention_id", KEY, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["theme_id"], ["theme.id"], name="fk_theme_mention_theme_id_theme", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["mention_id"],
            ["mention.id"],
            name="fk_theme_mention_mention_id_mention",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("theme_id", "mention_id", name="pk_theme_mention"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_theme_mention_mention_id", "theme_mention", ["mention_id"])


def downgrade() -> None:
    """Both go, and with them what people dismissed."""
    op.drop_table("theme_mention")
    op.drop_table("theme")
