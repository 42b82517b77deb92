"""Links in messages that let whoever holds them say "I have seen it", without a login. Pure.

A token names one alert and the channel it was sent to, and holds until a time; it is good for
acknowledging that alert and for nothing else. Nothing is stored for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from listener.errors import ListenerError, NotFound
from listener.security import Secrets, equal

VALID = timedelta(days=7)
_PURPOSE = "acknowledge"
_TOKEN = re.compile(r"([0-9]{1,16})-([0-9]{1,16})-([0-9]{1,12})-([A-Za-z0-9_-]{43})\Z")


class LinkExpired(ListenerError):
    """A link that was good once."""

    code = "link-expired"


@dataclass(frozen=True, slots=True)
class Acknowledging:
    """What a link is good for: acknowledging this alert, in the name of this channel."""

    alert_id: int
    channel_id: int
    until: datetime


def acknowledge_token(
    secrets: Secrets, *, alert_id: int, channel_id: int, sent_at: datetime
) -> str:
    """The token of a message that was made at ``sent_at``: the same over all attempts to send it.

    It holds ``VALID`` from then on; 43 of its characters are an HMAC-SHA256 by the install's key.
    """
    until = int((sent_at + VALID).timestamp())
    claim = f"{alert_id}-{channel_id}-{until}"
    return f"{claim}-{secrets.sign(_PURPOSE, claim)}"


def read_token(secrets: Secrets, token: str, *, now: datetime) -> Acknowledging:
    """What a token is good for. Raises NotFound, LinkExpired."""
    parts = _TOKEN.match(token)
    if parts is None:
        raise NotFound("This link is not complete.", hint="Copy the whole link from the message.")
    alert_id, channel_id, until, signature = parts.groups()
    if not equal(signature, secrets.sign(_PURPOSE, f"{alert_id}-{channel_id}-{until}")):
        raise NotFound("This link was not made here.", hint="Open the link of the latest message.")
    ends = datetime.fromtimestamp(int(until), UTC)
    if now >= ends:
        raise LinkExpired(
            "This link has expired.", hint="Log in to the dashboard to acknowledge the alert."
        )
    return Acknowledging(int(alert_id), int(channel_id), ends)
