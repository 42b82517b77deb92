"""Channels: how an alert leaves the system, and what came of it, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

import apprise
import orjson
import requests
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from listener.alert.message import Text
from listener.errors import InvalidInput, ListenerError, SourceError, TargetForbidden
from listener.net.guard import Guard
from listener.net.retry import retry_at, scrub

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
_LONGEST_PAUSE = timedelta(days=1)  # whatever a Retry-After says
_LONG = 16  # characters from which a part of a path may well be a secret
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
        self._webhook = _signer(secret)
        self._hidden = secrets_in(url)

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
                    allow_redirects=False,
                )
                # Some servers echo what they were sent, the address included.
                excerpt = scrub(_excerpt(answer), self._hidden)
        except SourceError as error:
            return Sent(
                ok=False,
                reason=scrub(str(error), self._hidden),
                permanent=isinstance(error, TargetForbidden),
                retry_at=error.retry_at,
            )
        except requests.RequestException as error:
            return Sent(ok=False, reason=f"The request failed ({type(error).__name__}).")
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
        words = scrub(" ".join(said.split()), secrets_in(self._url))
        return Sent(ok=False, reason=words[:_EXCERPT] or "The service refused it.")


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


def check_address(kind: str, address: str, guard: Guard) -> str:
    """Judge an address before it is saved, and give it back as it may be shown, without secrets.

    Raises InvalidInput in words for the form, or TargetForbidden for an address inside the network.
    """
    if kind == "webhook":
        return scrub(guard.check_url(address).origin + urlsplit(address).path, secrets_in(address))
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


def check_secret(secret: str) -> None:
    """Judge a webhook's signing secret before it is saved. Raises InvalidInput."""
    _signer(secret)


def _signer(secret: str) -> Webhook:
    try:
        return Webhook(secret)
    except (EmptyWebhookSecretError, ValueError):  # nothing in it, or no base64
        raise InvalidInput(
            "The signing secret is not base64.",
            field="secret",
            hint="It looks like whsec_…; leave it out to have one made.",
        ) from None


def secrets_in(address: str) -> frozenset[str]:
    """The parts of an address that must not be shown: name and password, what the query says, and
    long parts of the path, where many services keep their token.
    """
    parts = urlsplit(address)
    login, _, host = parts.netloc.rpartition("@")
    found = {*login.split(":"), *(value for _, value in parse_qsl(parts.query))}
    pieces = parts.path.split("/")
    if parts.scheme not in ("http", "https"):
        # In an apprise address anything may be a token, the place of the host included.
        pieces += [host] if "." not in host and len(host) >= _LONG else []
        found |= {piece for piece in pieces if piece and "@" not in piece}
    found |= {piece for piece in pieces if len(piece) >= _LONG}
    return frozenset(found | {unquote(value) for value in found})


def _excerpt(answer: requests.Response) -> str:
    """The first characters of an answer."""
    return " ".join(answer.content[: 4 * _EXCERPT].decode("utf-8", "replace").split())[:_EXCERPT]
