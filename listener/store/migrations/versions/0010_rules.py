"""Rules, the calendar, and the life of an alert; detectors per way of counting and sensitivity."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

JSON_ = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
US = sa.BigInteger()  # microseconds since 1970 in UTC
# SQLite only auto-numbers a column declared INTEGER PRIMARY KEY.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _alert_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("assigned_to", sa.BigInteger(), nullable=True),
        sa.Column("snoozed_until", US, nullable=True),
        sa.Column("verdict", sa.String(10), nullable=True),
        sa.Column("verdict_at", US, nullable=True),
        sa.Column("step", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("reminders", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("told_at", US, nullable=True),
        sa.Column("waiting_since", US, nullable=True),
        sa.Column("escalated_at", US, nullable=True),
        sa.Column("grown_at", US, nullable=True),
        sa.Column("summary", JSON_, nullable=True),
    ]


def _spike_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("by", sa.String(8), nullable=False, server_default="posts"),
        sa.Column("sensitivity", sa.String(8), nullable=False, server_default="normal"),
        sa.Column("trend", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("scope", JSON_, nullable=False, server_default="{}"),
        sa.Column("wanted", sa.Boolean(), nullable=False, server_default=sa.true()),
    ]


_BUCKET = ("new_stories", "new_authors")


def upgrade() -> None:
    """Buckets are counted anew for their new columns, and detectors built from them."""
    op.create_table(
        "rule",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("brand_id", KEY, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("signal", sa.String(20), nullable=False),
        sa.Column("topic", sa.String(60), nullable=True),
        sa.Column("source", sa.String(40), nullable=True),
        sa.Column("language", sa.String(8), nullable=True),
        sa.Column("country", sa.String(8), nullable=True),
        sa.Column("by", sa.String(8), nullable=False),
        sa.Column("sensitivity", sa.String(8), nullable=False),
        sa.Column("min_count", sa.Integer(), nullable=False),
        sa.Column("severity", sa.String(10), nullable=True),
        sa.Column("quiet_from", sa.Integer(), nullable=True),
        sa.Column("quiet_to", sa.Integer(), nullable=True),
        sa.Column("working_days", sa.Boolean(), nullable=False),
        sa.Column("steps", JSON_, nullable=False),
        sa.Column("remind_s", sa.Integer(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("muted_until", US, nullable=True),
        sa.Column("strictness", sa.Float(), nullable=False),
        sa.Column("origin", sa.String(40), nullable=False),
        sa.Column("created_at", US, nullable=False),
        sa.Column("updated_at", US, nullable=False),
        sa.ForeignKeyConstraint(
            ["brand_id"], ["brand.id"], name="fk_rule_brand_id_brand", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_rule"),
    )
    op.create_index("ix_rule_brand", "rule", ["brand_id"])
    op.create_table(
        "planned_event",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("brand_id", KEY, nullable=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("from_at", US, nullable=False),
        sa.Column("to_at", US, nullable=False),
        sa.Column("factor", sa.Float(), nullable=True),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("created_at", US, nullable=False),
        sa.ForeignKeyConstraint(
            ["brand_id"], ["brand.id"], name="fk_planned_event_brand_id_brand", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_planned_event"),
    )
    op.create_index("ix_planned_event_to_at", "planned_event", ["to_at"])
    op.create_table(
        "alert_rule",
        sa.Column("alert_id", KEY, autoincrement=False, nullable=False),
        sa.Column("rule_id", KEY, autoincrement=False, nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("at", US, nullable=False),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alert.id"], name="fk_alert_rule_alert_id_alert", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["rule_id"], ["rule.id"], name="fk_alert_rule_rule_id_rule", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("alert_id", "rule_id", name="pk_alert_rule"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_alert_rule_rule_id", "alert_rule", ["rule_id"])
    op.create_table(
        "alert_event",
        sa.Column("id", KEY, sa.Identity(), nullable=False),
        sa.Column("alert_id", KEY, nullable=False),
        sa.Column("at", US, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("by", sa.String(200), nullable=False),
        sa.Column("detail", JSON_, nullable=False),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alert.id"], name="fk_alert_event_alert_id_alert", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_alert_event"),
    )
    op.create_index("ix_alert_event_alert_id", "alert_event", ["alert_id", "id"])
    op.create_index("ix_engagement_at", "engagement", ["at"])
    op.create_index("ix_spike_resolved", "spike", ["brand_id", "resolved_at"])
    op.create_index("ix_spike_updated", "spike", ["brand_id", "updated_at"])
    for column in _alert_columns():
        op.add_column("alert", column)
    for column in _spike_columns():
        op.add_column("spike", column)
    for name in _BUCKET:
        op.add_column("bucket", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    op.drop_index("ix_mention_author_id", "mention")
    op.create_index("ix_mention_author", "mention", ["author_id", "event_at"])
    op.add_column(
        "brand", sa.Column("counted", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.add_column("job", sa.Column("progress", sa.Float(), nullable=True))
    _recount()
    op.drop_table("detector")
    _detector(
        sa.Column("by", sa.String(8), nullable=False),
        sa.Column("sensitivity", sa.String(8), nullable=False),
        later=(
            sa.Column("earlier_upto", US, nullable=True),
            sa.Column("earlier_state", JSON_, nullable=True),
        ),
    )


def _recount() -> None:
    op.execute(
        "INSERT INTO dirty (brand_id, at, version)"
        " SELECT DISTINCT brand_id, at, 1 FROM bucket WHERE step_s = 300"
        " ON CONFLICT (brand_id, at) DO UPDATE SET version = dirty.version + 1"
    )


def _detector(*of_key: sa.Column[Any], later: tuple[sa.Column[Any], ...] = ()) -> None:
    key = ["brand_id", "dimension", *(column.name for column in of_key)]
    op.create_table(
        "detector",
        sa.Column("brand_id", KEY, autoincrement=False, nullable=False),
        sa.Column("dimension", sa.String(60), nullable=False),
        *of_key,
        sa.Column("upto", US, nullable=False),
        sa.Column("version", sa.String(40), nullable=False),
        sa.Column("state", JSON_, nullable=False),
        *later,
        sa.ForeignKeyConstraint(
            ["brand_id"], ["brand.id"], name="fk_detector_brand_id_brand", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(*key, name="pk_detector"),
    )


# What the version before cannot read. Spikes that go on it finds anew, knowing no life of them.
_BACK = (
    "DELETE FROM outbox WHERE state = 'withdrawn' OR state IN ('held', 'pending', 'dead')"
    " AND event IN ('alert.digest', 'alert.reminder', 'alert.acknowledged')",
    "UPDATE outbox SET state = 'pending' WHERE state = 'held'",
    "UPDATE outbox SET state = 'sent' WHERE state = 'digested'",
    "UPDATE spike SET state = 'resolved', resolved_at = updated_at WHERE state = 'open'",
    "UPDATE spike SET detail = '{}'",
    "UPDATE alert SET state = 'resolved', resolved_at = updated_at WHERE state = 'open'",
    "DELETE FROM counter WHERE name = 'default_rules'",  # they go with their table
)


def downgrade() -> None:
    """Rules and the history of alerts go; detectors are built from the buckets again. What is open
    ends, and messages that were held go out.
    """
    for statement in _BACK:
        op.execute(statement)
    op.drop_index("ix_spike_updated", "spike")
    op.drop_index("ix_spike_resolved", "spike")
    op.drop_index("ix_engagement_at", "engagement")
    op.drop_table("detector")
    _detector()
    op.drop_column("job", "progress")
    op.drop_column("brand", "counted")
    op.drop_index("ix_mention_author", "mention")
    op.create_index("ix_mention_author_id", "mention", ["author_id"])
    for name in _BUCKET:
        op.drop_column("bucket", name)
    for column in reversed(_spike_columns()):
        op.drop_column("spike", column.name)
    for column in reversed(_alert_columns()):
        op.drop_column("alert", column.name)
    for name in ("alert_event", "alert_rule", "planned_event", "rule"):
        op.drop_table(name)
