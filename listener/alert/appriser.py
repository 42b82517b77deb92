"""Channels that apprise knows: e-mail, Slack, Teams, Discord, Telegram, KakaoTalk and many more."""

from __future__ import annotations

import html
import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import apprise
from apprise.attachment.memory import AttachMemory
from apprise.plugins.email.base import NotifyEmail

from listener.alert.message import Text
from listener.alert.sending import EXCERPT, Outgoing, Sent, secrets_in
from listener.net.retry import scrub

PICTURE = "chart.png"
_MAIL_S = 60.0  # for all readers of a mail: a message is in hand for two minutes at most
_THREAD = "listener.invalid"  # a domain of nobody's: ids of threads are no addresses
# What apprise says why it failed, where it says it at all.
_CAUSE = re.compile(r"(Socket Exception: |Response Details:\s*)(.*)", re.DOTALL)
_STATUS = re.compile(r"error=(\d{3})\b")
# They would get the picture as base64 in the middle of their JSON or XML.
_DATA_SCHEMAS = frozenset({"json", "jsons", "xml", "xmls", "form", "forms"})


class AppriseChannel:
    """One apprise address."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._hidden = secrets_in(address)

    def send(self, message: Outgoing) -> Sent:
        """Notify; apprise answers only yes or no, so that the reason is read from what it logs."""
        service = apprise.Apprise.instantiate(self._address, suppress_exceptions=True)
        if service is None:
            return Sent(ok=False, reason="The address is not one apprise knows.", permanent=True)
        if isinstance(service, NotifyEmail):
            return self._mail(service, message)
        picture = _takes_picture(service)
        ok, said = _notify(
            service,
            body=_fitting(service, message.text),
            title=message.text.title if service.title_maxlen else "",
            body_format=apprise.NotifyFormat.TEXT,
            attach=_attachment(message) if picture else None,
        )
        return self._judged(ok, said)

    def _mail(self, service: Any, message: Outgoing) -> Sent:
        """To each recipient apart: who has got it does not get it again because of another one."""
        service.inline = True
        service.request_rate_per_sec = 0  # else it waits for seconds between two readers
        thread = f"<{message.thread}@{_THREAD}>" if message.thread else ""
        service.headers = {
            **service.headers,
            "X-Listener-Message-Id": message.message_id,
            **({"References": thread, "In-Reply-To": thread} if thread else {}),
        }
        targets = [one for one in service.targets if one[1] not in message.reached]
        attach = _attachment(message)
        reached, failed = set(message.reached), []
        ends = time.monotonic() + _MAIL_S
        for target in targets:
            if time.monotonic() > ends:
                failed.append(Sent(ok=False, reason="The mail server is too slow for all of them."))
                break
            service.targets = [target]
            ok, said = _notify(
                service,
                body=mail_html(message.text, picture=attach is not None),
                title=message.text.title,
                body_format=apprise.NotifyFormat.HTML,
                attach=attach,
            )
            if ok:
                reached.add(target[1])
            else:
                failed.append(self._judged(ok, said))
        if not failed:
            return Sent(ok=True)
        reason = " ".join(dict.fromkeys(one.reason for one in failed))[:EXCERPT]
        if reached:
            missing = sum(one[1] not in reached for one in targets)
            reason = f"{len(reached)} of {len(reached) + missing} have it. {reason}"
        return Sent(ok=False, reason=reason, reached=frozenset(reached))

    def _judged(self, ok: bool, said: list[str]) -> Sent:
        if ok:
            return Sent(ok=True)
        words = scrub(" ".join(" ".join(said).split()), self._hidden)
        status = _STATUS.search(words)
        return Sent(
            ok=False,
            status_code=int(status[1]) if status else None,
            reason=words[:EXCERPT] or "The service refused it.",
            permanent=status is not None and status[1] == "410",
        )


def _notify(service: Any, **message: Any) -> tuple[bool, list[str]]:
    """Send by one service; whether it went, and what apprise said about it."""
    with _listening() as said:
        sender = apprise.Apprise()
        sender.add(service)
        ok = sender.notify(notify_type=apprise.NotifyType.WARNING, **message)
    return bool(ok), said


def _takes_picture(service: Any) -> bool:
    if service.schema in _DATA_SCHEMAS or not service.attachment_support:
        return False
    # Of Slack, only bots can upload.
    return str(getattr(service, "mode", "")) != "hook"


def _attachment(message: Outgoing) -> Any:
    png = message.picture()
    if png is None:
        return None
    attachment = apprise.AppriseAttachment()
    memory = AttachMemory(  # type: ignore[no-untyped-call]
        content=png, name=PICTURE, mimetype="image/png"
    )
    attachment.add(memory)
    return attachment


def _fitting(service: Any, text: Text) -> str:
    """The body in as many characters as the service takes; with the title where it has none."""
    most = int(service.body_maxlen)
    if not service.title_maxlen:
        return text.within(most)
    if len(text.body) <= most:
        return text.body
    return Text(title="", body=text.body, links=text.links).within(most).lstrip("\n")


def mail_html(text: Text, *, picture: bool) -> str:
    """A message as the body of a mail: plain HTML that every mail program shows, links as buttons.

    The picture is the attachment of that name, shown in its place.
    """
    lines = "".join(f"<p style='margin:0 0 8px'>{html.escape(line)}</p>" for line in text.lines)
    image = (
        f"<p><img src='cid:{PICTURE}' width='540' style='max-width:100%;height:auto' alt=''></p>"
        if picture
        else ""
    )
    buttons = "".join(
        f"<p style='margin:12px 0'><a href='{html.escape(address, quote=True)}' "
        "style='display:inline-block;padding:11px 18px;border-radius:6px;background:#1c4f82;"
        f"color:#ffffff;text-decoration:none;font-weight:600'>{html.escape(words)}</a></p>"
        for words, address in text.links
    )
    return (
        "<div style='font-family:sans-serif;font-size:15px;line-height:1.55;color:#1c2430;"
        f"max-width:600px'><p style='font-size:18px;font-weight:700;margin:0 0 12px'>"
        f"{html.escape(text.title)}</p>{image}{lines}{buttons}</div>"
    )


# Where what apprise says goes: its threads inherit the context of the call.
_said: ContextVar[list[str] | None] = ContextVar("apprise_said", default=None)


class _Ear(logging.Handler):
    """Keeps what apprise logs in a call: warnings, and causes that it tells in passing."""

    def emit(self, record: logging.LogRecord) -> None:
        said = _said.get()
        if said is None:
            return
        words = record.getMessage()
        cause = _CAUSE.match(words)
        if cause:
            said.append(cause[2])
        elif record.levelno >= logging.WARNING:
            said.append(words)


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Hear what apprise says inside the block, at all levels.

    None of it goes on into the service's own log: at lower levels it tells whole messages and
    tokens.
    """
    log = logging.getLogger("apprise")
    if not any(isinstance(handler, _Ear) for handler in log.handlers):
        log.setLevel(logging.DEBUG)
        log.propagate = False
        log.addHandler(_Ear(logging.DEBUG))
    said: list[str] = []
    token = _said.set(said)
    try:
        yield said
    finally:
        _said.reset(token)
