"""Budgets of connections and what was spent; failures of hosts; the last test of a connection."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

US = sa.BigInteger()  # microseconds since 1970 in UTC
_CONNECTION = (
    ("budget_calls", sa.Integer()),
    ("budget_micro_usd", sa.BigInteger()),
    ("tested_at", US),
    ("test_error", sa.Text()),
)


def upgrade() -> None:
    """Make the table, and the columns on connections and hosts."""
    op.create_table(
        "spending",
        sa.Column("purse", sa.String(length=100), nullable=False),
        sa.Column("unit", sa.String(length=40), nullable=False),
        sa.Column("per", sa.String(length=5), nullable=False),
        sa.Column("starts_at", US, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("background", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("purse", "unit", "per", "starts_at", name="pk_spending"),
        sqlite_with_rowid=False,
    )
    for name, kind in _CONNECTION:
        op.add_column("connection", sa.Column(name, kind, nullable=True))
    op.add_column(
        "host_limit", sa.Column("failures", sa.Integer(), server_default="0", nullable=False)
    )
    op.add_column("host_limit", sa.Column("open_until", US, nullable=True))


def downgrade() -> None:
    """Forget all of it."""
    op.drop_column("host_limit", "open_until")
    op.drop_column("host_limit", "failures")
    for name, _ in reversed(_CONNECTION):
        op.drop_column("connection", name)
    op.drop_table("spending")
