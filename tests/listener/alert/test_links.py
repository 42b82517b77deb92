"""Tokens of links that acknowledge: one alert, one purpose, for a while."""

from __future__ import annotations

from datetime import timedelta

import pytest

from builders import NOW
from listener.alert.links import VALID, LinkExpired, acknowledge_token, read_token
from listener.errors import NotFound
from listener.security import Secrets

SECRETS = Secrets(b"k" * 32)


def _token(alert_id: int = 7, channel_id: int = 3) -> str:
    return acknowledge_token(SECRETS, alert_id=alert_id, channel_id=channel_id, sent_at=NOW)


def test_a_token_names_its_alert_and_channel_until_it_expires() -> None:
    told = read_token(SECRETS, _token(), now=NOW + VALID - timedelta(seconds=1))
    assert (told.alert_id, told.channel_id, told.until) == (7, 3, NOW + VALID)
    with pytest.raises(LinkExpired):
        read_token(SECRETS, _token(), now=NOW + VALID)
    assert _token() == _token()  # the same over all attempts


def test_nobody_can_make_or_change_one() -> None:
    alert, channel, until, signature = _token().split("-", 3)
    forged = (
        f"8-{channel}-{until}-{signature}",
        f"{alert}-4-{until}-{signature}",
        f"{alert}-{channel}-{int(until) + 1}-{signature}",
        f"{alert}-{channel}-{until}-{'A' * 43}",
        _token()[:-1],
        "",
        "7",
        "7-3-9999999999-",
    )
    for token in forged:
        with pytest.raises(NotFound):
            read_token(SECRETS, token, now=NOW)
    with pytest.raises(NotFound):
        read_token(Secrets(b"x" * 32), _token(), now=NOW)


def test_a_signature_for_another_purpose_is_no_token() -> None:
    claim = f"7-3-{int((NOW + VALID).timestamp())}"
    with pytest.raises(NotFound):
        read_token(SECRETS, f"{claim}-{SECRETS.sign('csrf', claim)}", now=NOW)
