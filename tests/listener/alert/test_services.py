"""Addresses: what services give people, and what is made of it."""

from __future__ import annotations

import apprise
import pytest

from listener.alert.message import Text
from listener.alert.posting import messenger_body
from listener.alert.sending import secrets_in
from listener.alert.services import (
    BY_NAME,
    SERVICES,
    build_address,
    kind_of,
    messenger_of,
    service_of,
)
from listener.errors import InvalidInput

SLACK = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
DISCORD = "https://discord.com/api/webhooks/4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js"
TEAMS = (
    "https://prod-03.westeurope.logic.azure.com:443/workflows/643e69f83c8944/triggers/manual/"
    "paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=KODuebWbDGYFr0z0"
)
TYPED = {
    "email": {
        "server": "smtp.naver.com",
        "user": "pr@naver.com",
        "password": "p@ss w/rd?&+%",
        "from": "pr@naver.com",
        "to": "minji@shop.example, pr@shop.example",
    },
    "slack": {"url": SLACK},
    "slack-bot": {"token": "xoxb-1234-1234-4ddbc191d40ee098cbaae6f3523ada2d", "channel": "#pr"},
    "teams": {"url": TEAMS},
    "kakaotalk": {"client_id": "abc123", "refresh_token": "r-e_f", "secret": "sec"},
    "discord": {"url": DISCORD},
    "telegram": {"token": "123456789:ABCdefGHIjklMNOpqrSTUvwxYZabcdefghi", "chat": "-1001234"},
    "googlechat": {"url": "https://chat.googleapis.com/v1/spaces/AAAA/messages?key=K&token=T"},
    "kakaowork": {"url": "https://kakaowork.com/bots/hook/8fadfba4790e40b4"},
    "naverworks": {"url": "https://webhook.worksmobile.com/message/98a5731f-7764"},
    "jandi": {"url": "https://wh.jandi.com/connect-api/webhook/11671944/9cb2"},
    "dooray": {"url": "https://hook.dooray.com/services/30363495/36711219/jjLrDwA7"},
    "webhook": {"url": "https://ops.example/hook"},
    "other": {"url": "mmosts://chat.example/3ccdd113474722377935511fc85d3dd4"},
}


@pytest.mark.parametrize("name", [service.name for service in SERVICES])
def test_every_service_makes_an_address_that_works(name: str) -> None:
    address = build_address(name, TYPED[name])
    kind = kind_of(address)
    if kind == "apprise":
        made = apprise.Apprise.instantiate(address)
        assert made is not None
        assert BY_NAME[name].picture <= bool(made.attachment_support)
    else:
        assert kind == ("webhook" if name == "webhook" else "messenger")
        assert messenger_of(address) == ("" if name == "webhook" else name)


def test_mail_keeps_every_sign_of_the_password() -> None:
    made = apprise.Apprise.instantiate(build_address("email", TYPED["email"]))
    assert (made.smtp_host, made.port, made.secure_mode) == ("smtp.naver.com", 587, "starttls")
    assert (made.user, made.password) == ("pr@naver.com", "p@ss w/rd?&+%")
    assert [to for _, to in made.targets] == ["minji@shop.example", "pr@shop.example"]


def test_mail_without_security_goes_to_port_25() -> None:
    typed = {**TYPED["email"], "security": "insecure", "user": "", "server": "mail.shop.example"}
    made = apprise.Apprise.instantiate(build_address("email", typed))
    assert (made.smtp_host, made.port, made.user) == ("mail.shop.example", 25, None)


@pytest.mark.parametrize(
    ("name", "typed", "field"),
    [
        ("slack", {"url": "https://ops.example/hook"}, "url"),
        ("kakaowork", {"url": "https://hook.dooray.com/services/1/2/3"}, "url"),
        ("kakaowork", {"url": "http://kakaowork.com/bots/hook/1"}, "url"),
        ("email", {**TYPED["email"], "to": ""}, "to"),
        ("email", {**TYPED["email"], "port": "smtp"}, "port"),
        ("email", {**TYPED["email"], "security": "none"}, "security"),
        ("fax", {}, "service"),
    ],
)
def test_what_cannot_be_an_address_names_the_field(
    name: str, typed: dict[str, str], field: str
) -> None:
    with pytest.raises(InvalidInput) as error:
        build_address(name, typed)
    assert error.value.field == field


def test_each_messenger_gets_its_own_json() -> None:
    text = Text(
        title="[급증] 하늘상회",
        body="\n".join(["줄 " * 40] * 12 + ["자세히 보기: https://l.example/spikes/1"]),
        links=(("자세히 보기", "https://l.example/spikes/1"),),
    )
    work, _ = messenger_body("kakaowork", text)
    assert set(work) == {"text"}
    assert len(work["text"]) <= 500
    assert work["text"].startswith("[급증] 하늘상회\n줄")
    assert work["text"].endswith("자세히 보기: https://l.example/spikes/1")
    jandi, headers = messenger_body("jandi", text)
    assert headers == {"accept": "application/vnd.tosslab.jandi-v2+json"}
    assert jandi["connectInfo"][0]["description"] == text.body
    assert messenger_body("dooray", text)[0]["text"].startswith("[급증] 하늘상회\n")
    assert messenger_body("naverworks", text)[0]["body"]["text"] == text.body


def test_secrets_are_the_tokens_and_not_the_names() -> None:
    hidden = secrets_in(build_address("email", TYPED["email"]))
    assert {"p@ss w/rd?&+%", "pr@naver.com"} & hidden == {"p@ss w/rd?&+%", "pr@naver.com"}
    assert not {"starttls", "minji@shop.example", "smtp.naver.com"} & hidden
    assert "TIiajkdnlazkcOXrIdevi7FQ" in secrets_in(SLACK)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("mailto://127.0.0.1:2525/a@shop.example", "email"),
        ("mailtos://pr@smtp.naver.com:587", "email"),
        ("slack://xoxb-1...d/pr", "slack-bot"),
        ("slack://T...2/A...D/T...Q", "slack"),
        (SLACK, "slack"),
        (DISCORD, "discord"),
        ("tgram://1...c/-100", "telegram"),
        ("https://hook.dooray.com/services/***", "dooray"),
        ("https://ops.example/hook", "webhook"),
        ("ntfy://topic", "other"),
    ],
)
def test_a_channel_is_called_what_people_call_it(address: str, name: str) -> None:
    assert service_of(address).name == name
