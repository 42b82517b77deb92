"""The error tree: every failure that Listener expects, in words a user can act on.

``ListenerError`` is what edges (CLI, API, dashboard) show as it is; anything else is a bug and
keeps its traceback. ``SourceError`` and its children are what a collector raises; only
``pipeline/`` catches them.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar


class ListenerError(Exception):
    """An expected failure. ``message`` says what is wrong, ``hint`` what to do about it."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


class ConfigError(ListenerError):
    """A setting is missing or makes no sense."""

    code = "config"


class InvalidInput(ListenerError):
    """What a user or a client sent cannot be used; ``field`` names the part that is wrong."""

    code = "invalid"

    def __init__(self, message: str, *, field: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.field = field


class NotFound(ListenerError):
    """The thing named does not exist."""

    code = "not-found"


class Conflict(ListenerError):
    """The thing exists already, or changed meanwhile."""

    code = "conflict"


class CursorExpired(ListenerError):
    """A feed cursor is older than the tombstones that are kept; the reader has to resync from the
    start.
    """

    code = "cursor-expired"


class StorageError(ListenerError):
    """The database cannot take the write (disk full, read-only, locked for too long)."""

    code = "storage"


class ClaimLost(ListenerError):
    """Another worker holds this watch now; nothing of ours may be written."""

    code = "claim-lost"


class Cancelled(ListenerError):
    """Nobody asks for a long job any more, or the service is stopping."""

    code = "cancelled"


class SourceError(ListenerError):
    """A source could not be read. The cursor does not move.

    ``requests`` is how many were made for what failed; whoever made them writes it.
    """

    code = "source"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        retry_at: datetime | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_at = retry_at
        self.status = status
        self.requests = 0


class SourceUnavailable(SourceError):
    """Network failure, time-out, 5xx, half a body: worth trying again later."""

    code = "unavailable"


class RateLimited(SourceError):
    """The source says "slow down"; ``retry_at`` is when it will listen again, where it says so."""

    code = "rate-limited"


class BudgetExhausted(SourceError):
    """Our own or the source's quota for the period is used up."""

    code = "out-of-budget"


class AuthRejected(SourceError):
    """Credentials are missing, wrong, or lack a tier or scope."""

    code = "needs-credentials"


class Blocked(SourceError):
    """The source refuses us: a block page, robots.txt, or 403. We do not work around it."""

    code = "blocked"


class LayoutChanged(SourceError):
    """The answer does not have the shape that the source is known for."""

    code = "layout-changed"


class SourceGone(SourceError):
    """410, or the watched thing was deleted: asking again is pointless."""

    code = "gone"


class TargetForbidden(SourceError):
    """The address points inside the network (SSRF guard)."""

    code = "forbidden-address"
