"""What goes out and what came of it: the words that all kinds of channels share, and retries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from listener.alert.message import Text

# Attempts come after these pauses (Standard Webhooks' suggested schedule): about 27 hours in all.
RETRIES = (
    timedelta(seconds=5),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=10),
)
EXCERPT = 300  # characters of what the other side said
_LONGEST_PAUSE = timedelta(days=1)  # whatever a Retry-After says
_LONG = 16  # characters from which a part of a path may well be a secret
# Parameters of an apprise address that name nothing secret.
_PLAIN = frozenset(
    {"from", "to", "cc", "bcc", "reply", "name", "smtp", "mode", "verify", "format", "inline"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message ready to go. ``message_id`` stays the same over retries; ``at`` is now.

    ``picture`` is a PNG; ``thread`` tells which messages belong together; ``reached`` are the
    people who got it in an earlier attempt.
    """

    message_id: str
    event: str
    created_at: datetime
    at: datetime
    text: Text
    data: Mapping[str, Any]
    picture: Callable[[], bytes | None] = lambda: None
    thread: str = ""
    reached: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What came of one attempt. ``permanent`` = trying again is pointless; ``reached`` are those
    who have it now, where only some do.
    """

    ok: bool
    status_code: int | None = None
    reason: str = ""
    permanent: bool = False
    retry_at: datetime | None = None
    reached: frozenset[str] = frozenset()


class Channel(Protocol):
    """Carries messages to one place. Never raises for a failure of the other side."""

    def send(self, message: Outgoing) -> Sent:
        """Try once."""
        ...


def next_try(attempt: int, sent: Sent, *, now: datetime, jitter: float) -> datetime | None:
    """When to try again after ``attempt`` (1 = first) failed; None = give up.

    ``jitter`` is in 0..1 and spreads retries over a tenth of the pause.
    """
    if sent.permanent or attempt > len(RETRIES):
        return None
    pause = RETRIES[attempt - 1]
    planned = now + pause + pause * 0.1 * jitter
    asked = min(sent.retry_at, now + _LONGEST_PAUSE) if sent.retry_at else planned
    return max(planned, asked)


def secrets_in(address: str) -> frozenset[str]:
    """The parts of an address that must not be shown: name and password, what the query says, and
    long parts of the path, where many services keep their token.
    """
    parts = urlsplit(address)
    login, _, host = parts.netloc.rpartition("@")
    found = set(login.split(":"))
    found |= {value for name, value in parse_qsl(parts.query) if name not in _PLAIN}
    pieces = parts.path.split("/")
    if parts.scheme not in ("http", "https"):
        # In an apprise address anything may be a token, the place of the host included.
        pieces += [host] if "." not in host and len(host) >= _LONG else []
        found |= {piece for piece in pieces if piece and "@" not in piece}
    found |= {piece for piece in pieces if len(piece) >= _LONG}
    return frozenset(found | {unquote(value) for value in found})
