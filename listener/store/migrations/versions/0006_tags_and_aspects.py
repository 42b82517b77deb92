"""Readings say more: tags of further taxonomies, and what each clause says of which topic."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

JSON_ = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Two columns; readings made before have no tags and no aspects."""
    op.add_column("reading", sa.Column("tags", JSON_, nullable=False, server_default="[]"))
    op.add_column("reading", sa.Column("aspects", JSON_, nullable=True))


def downgrade() -> None:
    """Both columns go."""
    op.drop_column("reading", "aspects")
    op.drop_column("reading", "tags")
