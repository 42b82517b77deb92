"""Channels: how an alert leaves the system, and what came of it, in words."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

import apprise
import orjson
import requests
from standardwebhooks.webhooks import Webhook

from listener.alert.message import Text
from listener.errors import InvalidInput, ListenerError, SourceError, TargetForbidden
from listener.net.guard import Guard
from listener.net.retry import retry_at

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
_EXCERPT = 300
_TIMEOUT = 15.0
# Apprise schemas that act on this very machine: a dashboard user must not run them.
_LOCAL_SCHEMAS = frozenset({"dbus", "kde", "gnome", "glib", "qt", "macosx", "windows", "syslog"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message ready to go. ``message_id`` stays the same over retries; ``at`` is now."""

    message_id: str
    event: str
    created_at: datetime
    at: datetime
    text: Text
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What came of one attempt. ``permanent`` = trying again is pointless."""

    ok: bool
    status_code: int | None = None
    reason: str = ""
    permanent: bool = False
    retry_at: datetime | None = None


class Channel(Protocol):
    """Carries messages to one place. Never raises for a failure of the other side."""

    def send(self, message: Outgoing) -> Sent:
        """Try once."""
        ...


class WebhookChannel:
    """A signed POST by the Standard Webhooks specification (webhook-id, -timestamp, -signature)."""

    def __init__(self, session: Callable[[], requests.Session], url: str, secret: str) -> None:
        self._session = session
        self._url = url
        self._webhook = Webhook(secret)

    def send(self, message: Outgoing) -> Sent:
        """POST the message; any 2xx is success, 410 means that nobody listens there any more."""
        body = orjson.dumps(
            {
                "type": message.event,
                "timestamp": message.created_at.isoformat(),
                "data": message.data,
            }
        )
        headers = {
            "content-type": "application/json",
            "webhook-id": message.message_id,
            "webhook-timestamp": str(int(message.at.timestamp())),
            "webhook-signature": self._webhook.sign(message.message_id, message.at, body.decode()),
        }
        try:
            # A redirect is not followed: a signed message belongs to the address that was saved.
            with self._session() as session:
                answer = session.post(
                    self._url,
                    data=body,
                    headers=headers,
                    timeout=_TIMEOUT,
                    allow_redirects=False,
                    stream=True,
                )
                excerpt = _excerpt(answer)
        except (TargetForbidden, SourceError) as error:
            return Sent(ok=False, reason=str(error), permanent=isinstance(error, TargetForbidden))
        except requests.RequestException as error:
            return Sent(ok=False, reason=_words(error))
        code = answer.status_code
        if 200 <= code < 300:
            return Sent(ok=True, status_code=code, reason=excerpt)
        return Sent(
            ok=False,
            status_code=code,
            reason=f"HTTP {code}. {excerpt}".strip(),
            permanent=code == 410,
            retry_at=retry_at(code, answer.headers, b"", message.at),
        )


class AppriseChannel:
    """Slack, Teams, e-mail, KakaoTalk, Telegram … by an apprise address."""

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, message: Outgoing) -> Sent:
        """Notify; apprise answers only yes or no, so the reason is read from what it logs."""
        service = apprise.Apprise()
        if not service.add(self._url):
            return Sent(ok=False, reason="The address is not one apprise knows.", permanent=True)
        with apprise.LogCapture(  # type: ignore[no-untyped-call]
            level=apprise.logging.WARNING, fmt="%(message)s"
        ) as captured:
            ok = service.notify(
                title=message.text.title,
                body=message.text.body,
                notify_type=apprise.NotifyType.WARNING,
            )
            said = captured.getvalue() if captured else ""
        if ok:
            return Sent(ok=True)
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        return Sent(ok=False, reason=" ".join(lines)[:_EXCERPT] or "The service refused it.")


def next_try(attempt: int, sent: Sent, *, now: datetime, jitter: float) -> datetime | None:
    """When to try again after ``attempt`` (1 = first) failed; None = give up.

    ``jitter`` is in 0..1 and spreads retries over a tenth of the pause.
    """
    if sent.permanent or attempt > len(RETRIES):
        return None
    pause = RETRIES[attempt - 1]
    planned = now + pause + pause * 0.1 * jitter
    return max(planned, sent.retry_at) if sent.retry_at else planned


def check_address(kind: str, address: str, guard: Guard) -> str:
    """Judge an address before it is saved, and give it back as it may be shown, without secrets.

    Raises InvalidInput in words for the form, or TargetForbidden for an address inside the network.
    """
    if kind == "webhook":
        target = guard.check_url(address)
        return target.origin + urlsplit(address).path
    if kind != "apprise":
        raise InvalidInput(
            f"There is no channel kind {kind!r}.", field="kind", hint="Use webhook or apprise."
        )
    service = apprise.Apprise.instantiate(address, suppress_exceptions=True)
    if service is None:
        raise InvalidInput(
            "That is not an address apprise knows.",
            field="address",
            hint="For example mailtos://user:password@gmail.com or slack://TokenA/TokenB/TokenC.",
        )
    schema = address.split("://", 1)[0].lower()
    if schema in _LOCAL_SCHEMAS:
        raise InvalidInput(f"{schema}:// would act on this server itself.", field="address")
    hosts = [getattr(service, "host", None), *(v for _, v in parse_qsl(urlsplit(address).query))]
    for host in hosts:
        if isinstance(host, str) and host and "@" not in host:
            _check_host(host, int(getattr(service, "port", None) or 443), guard)
    shown: str = service.url(privacy=True)  # type: ignore[no-untyped-call]
    return shown.split("?", 1)[0]


def _check_host(host: str, port: int, guard: Guard) -> None:
    """Refuse what resolves to the inside; what does not resolve is a token and no host."""
    if guard.allows(host, port):
        return
    try:
        guard.resolve(host, port)
    except TargetForbidden as error:
        if "not a valid" not in error.message:
            raise
    except ListenerError:
        return


def _excerpt(answer: requests.Response) -> str:
    """The first characters of an answer, read without trusting its length."""
    with contextlib.suppress(requests.RequestException):
        chunk = next(answer.iter_content(_EXCERPT), b"")
        return " ".join(chunk.decode("utf-8", "replace").split())
    return ""


def _words(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return f"No answer within {_TIMEOUT:.0f} s."
    if isinstance(error, requests.exceptions.SSLError):
        return "The certificate of the server is not valid."
    if isinstance(error, requests.ConnectionError):
        return "The server cannot be reached."
    return f"The request failed ({type(error).__name__})."
