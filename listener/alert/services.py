"""The services that carry alerts: what each asks for, and the address that is made of it. Pure.

A channel's address is one line. People paste what a service gave them, or fill in a few fields;
both end here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote, urlencode, urlsplit

from listener.errors import InvalidInput

Pair: TypeAlias = tuple[str, str]  # Korean, English
Typed: TypeAlias = Mapping[str, str]

WEBHOOK, MESSENGER, APPRISE = "webhook", "messenger", "apprise"

# Korean messengers that apprise does not know: the host of their webhooks, by service.
_MESSENGERS = {
    "kakaowork.com": "kakaowork",
    "webhook.worksmobile.com": "naverworks",
    "wh.jandi.com": "jandi",
    "hook.dooray.com": "dooray",
}
# Webhooks that are pasted as https addresses, and that apprise reads as they are.
_PASTED = {
    "slack": re.compile(r"https://hooks\.slack\.com/services/"),
    "discord": re.compile(r"https://(canary\.|ptb\.)?discord(app)?\.com/api/webhooks/"),
    "googlechat": re.compile(r"https://chat\.googleapis\.com/v1/spaces/"),
    "teams": re.compile(r"https://[a-z0-9.-]+\.(logic\.azure\.com|powerplatform\.com)[:/]"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Something that a service asks for."""

    name: str
    title: Pair
    example: str = ""
    help: Pair = ("", "")
    required: bool = True
    secret: bool = False
    default: str = ""
    choices: tuple[tuple[str, Pair], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One way to be told. ``picture`` = the chart comes along; ``form`` is how an address looks."""

    name: str
    title: Pair
    form: str
    fields: tuple[Field, ...]
    build: Callable[[Typed], str]
    picture: bool = False
    how: Pair = ("", "")  # where to get what it asks for


def _pasted(typed: Typed) -> str:
    return typed["url"]


def _url(title: Pair, example: str) -> Field:
    return Field(name="url", title=title, example=example, secret=True)


def _email(typed: Typed) -> str:
    mode = typed.get("security") or "starttls"
    port = typed.get("port") or {"ssl": "465", "starttls": "587"}.get(mode, "25")
    query = {"from": typed["from"], "to": typed["to"].replace(" ", "")}
    if mode != "insecure":
        query["mode"] = mode
    if typed.get("user"):
        query |= {"user": typed["user"], "pass": typed.get("password", "")}
    schema = "mailto" if mode == "insecure" else "mailtos"
    # The server is named outright: apprise has its own idea of the server of a known domain.
    query["smtp"] = typed["server"]
    return f"{schema}://{typed['server']}:{port}/?{urlencode(query, quote_via=quote)}"


def _telegram(typed: Typed) -> str:
    return f"tgram://{typed['token']}/{quote(typed['chat'], safe='-@:')}"


def _kakaotalk(typed: Typed) -> str:
    secret = f"{quote(typed['secret'], safe='')}@" if typed.get("secret") else ""
    to = f"/{quote(typed['to'], safe='/,')}" if typed.get("to") else ""
    return f"kakaotalk://{secret}{typed['client_id']}/{typed['refresh_token']}{to}"


def _slack_bot(typed: Typed) -> str:
    return f"slack://{typed['token']}/{quote(typed['channel'].lstrip('#'), safe='')}"


_HOOK = ("웹훅 주소", "Webhook address")

SERVICES: tuple[Service, ...] = (
    Service(
        name="email",
        title=("이메일", "E-mail"),
        form="mailtos://SERVER:587/?user=NAME&pass=PASSWORD&from=FROM&to=TO1,TO2&mode=starttls",
        picture=True,
        how=(
            "회사 메일이나 Gmail·네이버 메일의 SMTP로 보냅니다. 2단계 인증을 쓰는 계정은 앱 "
            "비밀번호를 넣으세요.",
            "Sent by the SMTP server of your company, Gmail, Naver … Accounts with two-step "
            "verification need an app password.",
        ),
        fields=(
            Field(name="server", title=("메일 서버", "Mail server"), example="smtp.naver.com"),
            Field(
                name="security",
                title=("보안", "Security"),
                default="starttls",
                choices=(
                    ("starttls", ("STARTTLS (587)", "STARTTLS (587)")),
                    ("ssl", ("SSL/TLS (465)", "SSL/TLS (465)")),
                    ("insecure", ("없음 (25, 사내망에서만)", "Unencrypted (25, inside only)")),
                ),
            ),
            Field(
                name="port",
                title=("포트", "Port"),
                example="587",
                required=False,
                help=("비워 두면 보안 방식에 맞춥니다.", "Left empty: the usual one."),
            ),
            Field(
                name="user",
                title=("계정", "User"),
                example="pr@shop.example",
                required=False,
            ),
            Field(name="password", title=("비밀번호", "Password"), required=False, secret=True),
            Field(name="from", title=("보내는 주소", "From"), example="listener@shop.example"),
            Field(
                name="to",
                title=("받는 주소", "To"),
                example="minji@shop.example, pr@shop.example",
                help=("여러 명이면 쉼표로 나눕니다.", "Several: with commas."),
            ),
        ),
        build=_email,
    ),
    Service(
        name="slack",
        title=("Slack (웹훅)", "Slack (webhook)"),
        form="slack://TOKEN_A/TOKEN_B/TOKEN_C",
        how=(
            "Slack 앱 관리 → Incoming Webhooks에서 채널을 골라 만든 주소를 붙여 넣으세요. 그림은 "
            "웹훅으로는 보낼 수 없습니다.",
            "Paste the address from Incoming Webhooks of your Slack app. Webhooks take no picture.",
        ),
        fields=(_url(_HOOK, "https://hooks.slack.com/services/T000/B000/XXXX"),),
        build=_pasted,
    ),
    Service(
        name="slack-bot",
        title=("Slack (봇, 그림 포함)", "Slack (bot, with the picture)"),
        form="slack://xoxb-TOKEN/CHANNEL",
        picture=True,
        how=(
            "Slack 앱에 chat:write, files:write, channels:read 권한을 주고 봇을 채널에 초대하세요.",
            "Give the app chat:write, files:write and channels:read, and invite the bot.",
        ),
        fields=(
            Field(name="token", title=("봇 토큰", "Bot token"), example="xoxb-…", secret=True),
            Field(name="channel", title=("채널", "Channel"), example="pr-alerts"),
        ),
        build=_slack_bot,
    ),
    Service(
        name="teams",
        title=("Microsoft Teams", "Microsoft Teams"),
        form="workflows://HOST:443/WORKFLOW/SIGNATURE",
        how=(
            "Teams 채널 → 워크플로 → ‘웹훅 요청이 수신되면 채널에 게시’로 만든 주소를 붙여 "
            "넣으세요. 예전 커넥터(webhook.office.com) 주소는 Microsoft가 종료했습니다.",
            "Paste the address of the workflow “Post to a channel when a webhook request is "
            "received”. Microsoft has retired the old connectors (webhook.office.com).",
        ),
        fields=(
            _url(
                ("워크플로 주소", "Workflow address"),
                "https://….logic.azure.com/workflows/…/triggers/manual/paths/invoke?…",
            ),
        ),
        build=_pasted,
    ),
    Service(
        name="kakaowork",
        title=("카카오워크", "KakaoWork"),
        form="https://kakaowork.com/bots/hook/KEY",
        how=(
            "카카오워크 채팅방 → Incoming Webhook 봇을 추가하면 나오는 주소를 붙여 넣으세요. "
            "500자까지 보냅니다.",
            "Paste the address of the room's Incoming Webhook bot. Texts of up to 500 characters.",
        ),
        fields=(_url(_HOOK, "https://kakaowork.com/bots/hook/…"),),
        build=_pasted,
    ),
    Service(
        name="kakaotalk",
        title=("카카오톡 (나에게·친구에게)", "KakaoTalk (to oneself or friends)"),
        form="kakaotalk://REST_API_KEY/REFRESH_TOKEN",
        how=(
            "Kakao Developers 앱의 REST API 키와, talk_message 동의로 받은 refresh token이 "
            "필요합니다. 200자까지만 보낼 수 있어 제목과 링크만 갑니다. 단톡방이나 알림톡으로는 "
            "보내지 못합니다.",
            "Needs the REST API key of a Kakao Developers app and a refresh token with consent to "
            "talk_message. It takes 200 characters: title and link. No group rooms, no Alimtalk.",
        ),
        fields=(
            Field(name="client_id", title=("REST API 키", "REST API key"), secret=True),
            Field(name="refresh_token", title=("refresh token", "Refresh token"), secret=True),
            Field(
                name="secret",
                title=("Client secret", "Client secret"),
                required=False,
                secret=True,
                help=("앱에서 켜 두었을 때만", "Only if the app has one"),
            ),
            Field(
                name="to",
                title=("친구 UUID", "UUID of friends"),
                required=False,
                help=("비워 두면 나에게 보냅니다.", "Left empty: to oneself."),
            ),
        ),
        build=_kakaotalk,
    ),
    Service(
        name="naverworks",
        title=("네이버웍스", "NAVER WORKS"),
        form="https://webhook.worksmobile.com/message/KEY",
        how=(
            "관리자가 추가한 Incoming Webhook 앱에서 만든 주소를 붙여 넣으세요.",
            "Paste the address from the Incoming Webhook app that your administrator added.",
        ),
        fields=(_url(_HOOK, "https://webhook.worksmobile.com/message/…"),),
        build=_pasted,
    ),
    Service(
        name="jandi",
        title=("잔디", "JANDI"),
        form="https://wh.jandi.com/connect-api/webhook/TEAM/KEY",
        how=(
            "잔디 커넥트 → Webhook 수신(Incoming Webhook)에서 만든 주소를 붙여 넣으세요.",
            "Paste the address from JANDI Connect, Incoming Webhook.",
        ),
        fields=(_url(_HOOK, "https://wh.jandi.com/connect-api/webhook/…"),),
        build=_pasted,
    ),
    Service(
        name="dooray",
        title=("두레이", "Dooray!"),
        form="https://hook.dooray.com/services/KEYS",
        how=(
            "두레이 메신저 대화방 → 설정 → 서비스 연동 → Incoming에서 만든 주소를 붙여 넣으세요.",
            "Paste the address from the room's settings, service integration, Incoming.",
        ),
        fields=(_url(_HOOK, "https://hook.dooray.com/services/…"),),
        build=_pasted,
    ),
    Service(
        name="discord",
        title=("Discord", "Discord"),
        form="discord://WEBHOOK_ID/WEBHOOK_TOKEN",
        picture=True,
        how=(
            "채널 편집 → 연동 → 웹후크에서 만든 주소를 붙여 넣으세요.",
            "Paste the address from the channel's settings, Integrations, Webhooks.",
        ),
        fields=(_url(_HOOK, "https://discord.com/api/webhooks/…"),),
        build=_pasted,
    ),
    Service(
        name="telegram",
        title=("Telegram", "Telegram"),
        form="tgram://BOT_TOKEN/CHAT_ID",
        picture=True,
        how=(
            "@BotFather에게서 봇 토큰을 받고, 봇을 방에 초대한 뒤 방의 chat ID를 넣으세요.",
            "Get a bot token from @BotFather, invite the bot, and give the chat's id.",
        ),
        fields=(
            Field(name="token", title=("봇 토큰", "Bot token"), example="123:ABC…", secret=True),
            Field(name="chat", title=("chat ID", "Chat id"), example="-1001234567890"),
        ),
        build=_telegram,
    ),
    Service(
        name="googlechat",
        title=("Google Chat", "Google Chat"),
        form="gchat://SPACE/KEY/TOKEN",
        how=(
            "스페이스 → 앱 및 통합 → 웹훅에서 만든 주소를 붙여 넣으세요.",
            "Paste the address from the space, Apps & integrations, Webhooks.",
        ),
        fields=(_url(_HOOK, "https://chat.googleapis.com/v1/spaces/…"),),
        build=_pasted,
    ),
    Service(
        name="webhook",
        title=("서명된 웹훅 (우리 시스템)", "Signed webhook (a system of yours)"),
        form="https://YOUR.SERVER/PATH",
        how=(
            "모든 숫자를 JSON으로 보냅니다. 서명 키는 저장할 때 한 번 보여 줍니다.",
            "All numbers as JSON. The signing secret is shown once, when you save.",
        ),
        fields=(
            Field(name="url", title=("주소", "Address"), example="https://ops.example/listener"),
        ),
        build=_pasted,
    ),
    Service(
        name="other",
        title=("다른 서비스 (Apprise 주소)", "Another service (apprise address)"),
        form="SCHEMA://…",
        how=(
            "Apprise가 아는 170여 서비스의 주소를 그대로 넣습니다.",
            "The address of any of the 170 services that apprise knows.",
        ),
        fields=(
            Field(
                name="url",
                title=("주소", "Address"),
                example="mmosts://host/token",
                secret=True,
            ),
        ),
        build=_pasted,
    ),
)
BY_NAME = {service.name: service for service in SERVICES}


def build_address(name: str, typed: Typed) -> str:
    """The address that a service's fields make. Raises InvalidInput that names the field."""
    service = BY_NAME.get(name)
    if service is None:
        raise InvalidInput(f"There is no service {name[:40]!r}.", field="service")
    given = {field.name: typed.get(field.name, "").strip() for field in service.fields}
    for field in service.fields:
        value = given[field.name] = given[field.name] or field.default
        if field.required and not value:
            raise InvalidInput(f"{field.title[1]} is missing.", field=field.name)
        if field.choices and value not in dict(field.choices):
            raise InvalidInput(f"{field.title[1]} is none of the choices.", field=field.name)
    if given.get("port") and not given["port"].isdecimal():
        raise InvalidInput("The port is a number.", field="port")
    address = service.build(given)
    if service.name not in ("webhook", "other") and not _belongs(service.name, address):
        raise InvalidInput(
            f"That is no address of {service.title[1]}.",
            field="url",
            hint=f"It looks like {service.fields[0].example}",
        )
    return address


def _belongs(name: str, address: str) -> bool:
    """Whether a pasted address is one of that service."""
    if not address.startswith(("http://", "https://")):
        return True
    if name in _MESSENGERS.values():
        return messenger_of(address) == name
    return any(form.match(address) for form in _PASTED.values())


def service_of(address: str) -> Service:
    """Which of the services an address belongs to, as it is shown or stored."""
    kind = kind_of(address)
    if kind == MESSENGER:
        return BY_NAME[messenger_of(address)]
    if kind == WEBHOOK:
        return BY_NAME["webhook"]
    scheme = address.partition("://")[0].lower()
    if scheme in ("http", "https"):
        return BY_NAME[next(name for name, form in _PASTED.items() if form.match(address))]
    if scheme == "mailto":
        return BY_NAME["email"]
    if address.lower().startswith("slack://xoxb"):
        return BY_NAME["slack-bot"]
    found = (one for one in SERVICES if one.form.startswith(f"{scheme}://"))
    return next(found, BY_NAME["other"])


def kind_of(address: str) -> str:
    """Which way an address is spoken to: webhook, messenger or apprise."""
    if not address.startswith(("http://", "https://")):
        return APPRISE
    if messenger_of(address):
        return MESSENGER
    return APPRISE if any(form.match(address) for form in _PASTED.values()) else WEBHOOK


def messenger_of(address: str) -> str:
    """The messenger whose webhook it is; "" = none that is known here."""
    parts = urlsplit(address)
    return _MESSENGERS.get(parts.hostname or "", "") if parts.scheme == "https" else ""
