"""Copies of one text as stories, and flags on what is paid for or posted by machines."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

US = sa.BigInteger()  # microseconds since 1970 in UTC
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """The tables; what is stored already is to be screened as well."""
    op.create_table(
        "unscreened",
        _mention(),
        _of_mention("unscreened"),
        sa.PrimaryKeyConstraint("mention_id", name="pk_unscreened"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "story",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("lead_id", sa.BigInteger(), nullable=False),
        sa.Column("copies", sa.Integer(), nullable=False),
        sa.Column("first_at", US, nullable=False),
        sa.Column("last_at", US, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_story"),
    )
    op.create_table(
        "mention_story",
        _mention(),
        sa.Column("story_id", KEY, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        _of_mention("mention_story"),
        sa.ForeignKeyConstraint(
            ["story_id"], ["story.id"], name="fk_mention_story_story_id_story", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("mention_id", name="pk_mention_story"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_mention_story_story_id", "mention_story", ["story_id"])
    op.create_table(
        "sketch",
        sa.Column("band", sa.BigInteger(), autoincrement=False, nullable=False),
        _mention(),
        sa.Column("at", US, nullable=False),
        _of_mention("sketch"),
        sa.PrimaryKeyConstraint("band", "mention_id", name="pk_sketch"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_sketch_mention_id", "sketch", ["mention_id"])
    op.create_index("ix_sketch_at", "sketch", ["at"])
    op.create_table(
        "flag",
        _mention(),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        _of_mention("flag"),
        sa.PrimaryKeyConstraint("mention_id", "kind", name="pk_flag"),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO unscreened (mention_id) SELECT id FROM mention")


def downgrade() -> None:
    """All of them go."""
    for table in ("flag", "sketch", "mention_story", "story", "unscreened"):
        op.drop_table(table)


def _mention() -> sa.Column[int]:
    return sa.Column("mention_id", KEY, autoincrement=False, nullable=False)


def _of_mention(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["mention_id"],
        ["mention.id"],
        name=f"fk_{table}_mention_id_mention",
        ondelete="CASCADE",
    )
