"""Inbound webhooks and what they received."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

US = sa.BigInteger()  # microseconds since 1970 in UTC
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON_ = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """The endpoints, and the inbox of what was posted to them."""
    op.create_table(
        "inbound",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("brand_id", KEY, nullable=True),
        sa.Column("match", sa.String(length=10), nullable=False),
        sa.Column("scheme", sa.String(length=10), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("preset", sa.String(length=40), nullable=False),
        sa.Column("mapping", JSON_, nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", US, nullable=False),
        sa.ForeignKeyConstraint(
            ["brand_id"], ["brand.id"], name="fk_inbound_brand_id_brand", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_inbound"),
        sa.UniqueConstraint("name", name="uq_inbound_name"),
        sa.UniqueConstraint("public_id", name="uq_inbound_public_id"),
    )
    op.create_index("ix_inbound_brand_id", "inbound", ["brand_id"])
    op.create_table(
        "inbound_item",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("delivery_id", sa.String(length=40), nullable=False),
        sa.Column("inbound_id", KEY, nullable=False),
        sa.Column("dedupe", sa.String(length=64), nullable=False),
        sa.Column("received_at", US, nullable=False),
        sa.Column("content_type", sa.String(length=200), nullable=False),
        sa.Column("headers", JSON_, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("done_at", US, nullable=True),
        sa.ForeignKeyConstraint(
            ["inbound_id"],
            ["inbound.id"],
            name="fk_inbound_item_inbound_id_inbound",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_inbound_item"),
        sa.UniqueConstraint("delivery_id", name="uq_inbound_item_delivery_id"),
        sa.UniqueConstraint("inbound_id", "dedupe", name="uq_inbound_item_inbound_id_dedupe"),
    )
    waiting = sa.text("state = 'waiting'")
    op.create_index(
        "ix_inbound_item_waiting",
        "inbound_item",
        ["id"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    op.create_index("ix_inbound_item_received", "inbound_item", ["received_at"])


def downgrade() -> None:
    """Both tables go."""
    op.drop_table("inbound_item")
    op.drop_table("inbound")
