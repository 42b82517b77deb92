"""Alembic's entry: runs the migrations on the connection that store/schema.py hands over."""

from __future__ import annotations

from alembic import context

from listener.store.base import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transaction_per_migration=False,  # one transaction for all steps, begun by schema.py
)
context.run_migrations()
