"""Channels that are an https address: signed webhooks, and the webhooks of messengers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import orjson
import requests
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from listener.alert.message import Text
from listener.alert.sending import EXCERPT, Outgoing, Sent, secrets_in
from listener.errors import InvalidInput, SourceError, TargetForbidden
from listener.net.retry import retry_at, scrub


class _Poster:
    """POSTs JSON behind the guard and reads what came of it."""

    def __init__(self, session: Callable[[], requests.Session], url: str) -> None:
        self._session = session
        self._url = url
        self._hidden = secrets_in(url)

    def post(self, body: bytes, headers: Mapping[str, str], now: datetime) -> Sent:
        """Any 2xx is success, 410 means that nobody listens there any more."""
        try:
            # A redirect is not followed: a message belongs to the address that was saved.
            with self._session() as session:
                answer = session.post(
                    self._url,
                    data=body,
                    headers={"content-type": "application/json", **headers},
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
            retry_at=retry_at(code, answer.headers, b"", now),
        )


class WebhookChannel:
    """A signed POST by the Standard Webhooks specification (webhook-id, -timestamp, -signature)."""

    def __init__(self, session: Callable[[], requests.Session], url: str, secret: str) -> None:
        self._poster = _Poster(session, url)
        self._webhook = _signer(secret)

    def send(self, message: Outgoing) -> Sent:
        """POST all that is known of it."""
        body = orjson.dumps(
            {
                "type": message.event,
                "timestamp": message.created_at.isoformat(),
                "data": message.data,
            }
        )
        headers = {
            "webhook-id": message.message_id,
            "webhook-timestamp": str(int(message.at.timestamp())),
            "webhook-signature": self._webhook.sign(message.message_id, message.at, body.decode()),
        }
        return self._poster.post(body, headers, message.at)


class MessengerChannel:
    """The incoming webhook of a messenger: KakaoWork, NAVER WORKS, JANDI, Dooray!."""

    def __init__(self, session: Callable[[], requests.Session], url: str, service: str) -> None:
        self._poster = _Poster(session, url)
        self._service = service

    def send(self, message: Outgoing) -> Sent:
        """POST the text in the form that the messenger wants."""
        body, headers = messenger_body(self._service, message.text)
        return self._poster.post(orjson.dumps(body), headers, message.at)


def messenger_body(service: str, text: Text) -> tuple[dict[str, Any], dict[str, str]]:
    """What a messenger's webhook is sent: JSON, and headers on top of the usual ones.

    By the public descriptions of each, as of 2026-11.
    """
    if service == "kakaowork":
        return {"text": text.within(500)}, {}
    if service == "naverworks":
        return {"title": text.title, "body": {"text": text.body}}, {}
    if service == "jandi":
        card = {"title": "Listener", "description": text.body}
        accept = {"accept": "application/vnd.tosslab.jandi-v2+json"}
        return {"body": text.title, "connectColor": "#C2271D", "connectInfo": [card]}, accept
    return {"botName": "Listener", "text": f"{text.title}\n{text.body}"}, {}


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


def _excerpt(answer: requests.Response) -> str:
    """The first characters of an answer."""
    return " ".join(answer.content[: 4 * EXCERPT].decode("utf-8", "replace").split())[:EXCERPT]
