"""The command ``listener``: one small module per group of commands.

Heavy imports stay inside the commands, so that ``--help`` and the text commands start quickly.
"""

from __future__ import annotations

from listener.cli import (
    calendar,
    collect,
    connection,
    database,
    generations,
    history,
    inbound,
    newsource,
    people,
    rules,
    service,
    setup,
    text,
)
from listener.cli.base import app

__all__ = [
    "app",
    "calendar",
    "collect",
    "connection",
    "database",
    "generations",
    "history",
    "inbound",
    "newsource",
    "people",
    "rules",
    "service",
    "setup",
    "text",
]
