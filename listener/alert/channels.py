"""Channels: how an alert leaves the system. Addresses are judged here before they are saved."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl, unquote, urlsplit

import apprise
import requests

from listener.alert import services
from listener.alert.appriser import AppriseChannel
from listener.alert.posting import MessengerChannel, WebhookChannel, check_secret
from listener.alert.sending import Channel, secrets_in
from listener.errors import InvalidInput, ListenerError, TargetForbidden
from listener.net.guard import Guard
from listener.net.retry import scrub

__all__ = ["check_address", "check_secret", "open_channel"]

# Apprise schemas that act on this very machine: a dashboard user must not run them.
_LOCAL_SCHEMAS = frozenset({"dbus", "kde", "gnome", "glib", "qt", "macosx", "windows", "syslog"})
# Parameters that name no server: a password must not be asked of a name server.
_NO_HOSTS = frozenset({"user", "pass", "password", "from", "to", "cc", "bcc", "mode", "verify"})
_SHOWN = 300  # characters


def open_channel(
    kind: str, address: str, secret: str, session: Callable[[], requests.Session]
) -> Channel:
    """The channel behind an address that was judged before. Raises InvalidInput."""
    if kind == services.WEBHOOK:
        return WebhookChannel(session, address, secret)
    if kind == services.MESSENGER:
        return MessengerChannel(session, address, services.messenger_of(address))
    return AppriseChannel(address)


def check_address(kind: str, address: str, guard: Guard) -> str:
    """Judge an address before it is saved, and give it back as it may be shown, without secrets.

    Raises InvalidInput in words for the form, or TargetForbidden for an address inside the network.
    """
    if kind == services.MESSENGER and not services.messenger_of(address):
        raise InvalidInput(
            "That is no messenger's webhook that is known here.",
            field="address",
            hint="KakaoWork, NAVER WORKS, JANDI and Dooray! are.",
        )
    if kind in (services.WEBHOOK, services.MESSENGER):
        return scrub(guard.check_url(address).origin + urlsplit(address).path, secrets_in(address))
    if kind != services.APPRISE:
        raise InvalidInput(
            f"There is no channel kind {kind!r}.",
            field="kind",
            hint="Use webhook, messenger or apprise.",
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
    query = parse_qsl(urlsplit(address).query)
    hosts = [getattr(service, "host", None), *(v for name, v in query if name not in _NO_HOSTS)]
    for host in hosts:
        if isinstance(host, str) and host and "@" not in host:
            _check_host(host, int(getattr(service, "port", None) or 443), guard)
    shown: str = service.url(privacy=True)  # type: ignore[no-untyped-call]
    return unquote(shown.split("?", 1)[0])[:_SHOWN]


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
