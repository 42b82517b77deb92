"""Google Play beyond its recorded answers: accounts, tokens, servers, what is sent."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from listener.collect.base import Position
from listener.collect.sources.googleplay import OFFICIAL, PUBLIC, GooglePlay
from listener.errors import AuthRejected, InvalidInput, LayoutChanged, SourceError
from listener.net.client import Net
from listener.types import State, Watch
from webserver import Play, WebServer

JSON = {"Content-Type": "application/json"}
REVIEWS = "/androidpublisher/v3/applications/com.example.shop/reviews"
BATCH = "/_/PlayStoreUi/data/batchexecute"


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def account(key: rsa.RSAPrivateKey) -> dict[str, str]:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    told = {
        "type": "service_account",
        "private_key_id": "k1",
        "private_key": pem,
        "client_email": "reviews@nuri.example",
        "token_uri": "https://oauth2.example/token",
    }
    return {"service_account": json.dumps(told)}


def token(text: str = "ya29.made-up-0123456789", seconds: int = 3599) -> Play:
    return Play(
        json.dumps({"access_token": text, "expires_in": seconds, "token_type": "Bearer"}),
        headers=JSON,
    )


@pytest.mark.parametrize(
    "given",
    [
        "com.example.shop",
        "https://play.google.com/store/apps/details?id=com.example.shop&hl=ko&gl=KR",
        "play.google.com/store/apps/details?hl=ko&id=com.example.shop",
    ],
)
def test_an_app_is_told_by_package_or_address(
    net: Net, make_watch: Callable[..., Watch], now: datetime, given: str
) -> None:
    asked = GooglePlay(net).request(make_watch("googleplay", app=given), Position(now=now))
    assert asked.full_url == f"{OFFICIAL}{REVIEWS}?maxResults=100"


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"app": "누리마켓"}, "app"),
        ({"app": "shop"}, "app"),
        ({"app": "com.example.shop/../other"}, "app"),
        ({"app": "http://[/"}, "app"),
        ({"app": "com.example.shop", "public": "true", "languages": "korean!"}, "languages"),
        ({"app": "com.example.shop", "public": "true", "country": "korea"}, "country"),
    ],
)
def test_watches_that_make_no_sense_are_told(
    net: Net, make_watch: Callable[..., Watch], now: datetime, params: Any, field: str
) -> None:
    watch = make_watch("googleplay", credentials={"service_account": "{}"}, **params)
    with pytest.raises((InvalidInput, AuthRejected)) as caught:
        list(GooglePlay(net).collect(watch, State(), now=now))
    assert getattr(caught.value, "field", None) == field
    assert net.requests == 0


def test_the_public_pages_are_read_only_where_asked_for(
    net: Net, server: WebServer, make_watch: Callable[..., Watch], now: datetime
) -> None:
    assert next(one for one in GooglePlay.spec.params if one.name == "public").default == "false"
    watch = make_watch("googleplay", base_url=server.url, app="com.example.shop")
    with pytest.raises(AuthRejected, match="service account"):
        list(GooglePlay(net).collect(watch, State(), now=now))
    assert not server.seen


def test_the_assertion_is_signed_and_the_token_sent(
    net: Net,
    server: WebServer,
    make_watch: Callable[..., Watch],
    now: datetime,
    account: dict[str, str],
    key: rsa.RSAPrivateKey,
) -> None:
    server.play({"/token": token(), REVIEWS: Play("{}", headers=JSON)})
    watch = make_watch(
        "googleplay", base_url=server.url, credentials=account, app="com.example.shop"
    )
    list(GooglePlay(net).collect(watch, State(), now=now))
    asked, reviews = server.seen
    form = parse_qs(asked.body.decode())
    assert asked.method == "POST"
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    signed, _, signature = form["assertion"][0].rpartition(".")
    head, claims = (json.loads(_decoded(part)) for part in signed.split("."))
    assert head == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    assert claims == {
        "iss": "reviews@nuri.example",
        "scope": "https://www.googleapis.com/auth/androidpublisher",
        "aud": "https://oauth2.example/token",
        "iat": int(now.timestamp()),
        "exp": int(now.timestamp()) + 3600,
    }
    key.public_key().verify(
        _decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256()
    )
    assert reviews.headers["authorization"] == "Bearer ya29.made-up-0123456789"
    assert "authorization" not in asked.headers


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_a_token_serves_until_it_runs_out_or_is_refused(
    make_net: Callable[..., Net],
    server: WebServer,
    make_watch: Callable[..., Watch],
    now: datetime,
    account: dict[str, str],
) -> None:
    clock = [now]
    source = GooglePlay(make_net(clock=lambda: clock[0]))
    watch = make_watch(
        "googleplay", base_url=server.url, credentials=account, app="com.example.shop"
    )
    good, refused = Play("{}", headers=JSON), Play("{}", 401, headers=JSON)
    server.play({"/token": token(), REVIEWS: good})
    for minutes in (0, 20, 50, 60):
        clock[0] = now + timedelta(minutes=minutes)
        list(source.collect(watch, State(), now=clock[0]))
    assert server.paths.count("/token") == 2
    server.play({"/token": token(), REVIEWS: [refused, good]})
    with pytest.raises(AuthRejected):
        list(source.collect(watch, State(), now=clock[0]))
    list(source.collect(watch, State(), now=clock[0]))
    assert server.paths.count("/token") == 3


def test_a_key_goes_to_its_own_token_endpoint_unless_the_server_is_replaced(
    net: Net,
    server: WebServer,
    make_watch: Callable[..., Watch],
    now: datetime,
    account: dict[str, str],
) -> None:
    told = json.loads(account["service_account"]) | {"token_uri": f"{server.url}/of-the-key"}
    server.play({"/of-the-key": Play('{"error": "invalid_client"}', 401, headers=JSON)})
    for base in (None, OFFICIAL):
        watch = make_watch(
            "googleplay",
            base_url=base,
            credentials={"service_account": json.dumps(told)},
            app="com.example.shop",
        )
        with pytest.raises(AuthRejected, match="invalid_client"):
            list(GooglePlay(net).collect(watch, State(), now=now))
    assert server.paths == ["/of-the-key"] * 2


def test_no_secret_is_shown_when_a_server_echoes_it(
    net: Net,
    server: WebServer,
    make_watch: Callable[..., Watch],
    now: datetime,
    account: dict[str, str],
) -> None:
    secret = "ya29.made-up-0123456789"
    echo = json.dumps({"error": {"code": 403, "message": f"no access with {secret}"}})
    server.play({"/token": token(secret), REVIEWS: Play(echo, 403, headers=JSON)})
    watch = make_watch(
        "googleplay", base_url=server.url, credentials=account, app="com.example.shop"
    )
    with pytest.raises(AuthRejected) as caught:
        list(GooglePlay(net).collect(watch, State(), now=now))
    assert secret not in str(caught.value)
    assert "no access" in str(caught.value)


def test_the_public_pages_are_asked_as_they_ask_themselves(
    net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    watch = make_watch("googleplay", app="com.example.shop", public="true", languages="ko,pt-BR")
    source = GooglePlay(net)
    assert list(source.lanes(watch)) == ["ko", "pt-BR"]
    for page_token, count in ((None, [100]), ("Cq+/=", [100, None, "Cq+/="])):
        asked = source.request(watch, Position(now=now, lane="ko", token=page_token))
        assert asked.full_url == f"{PUBLIC}{BATCH}?hl=ko&gl=kr"
        assert asked.method == "POST"
        ((call,),) = json.loads(parse_qs((asked.body or b"").decode())["f.req"][0])
        assert (call[0], call[2], call[3]) == ("oCPfdb", None, "generic")
        assert json.loads(call[1]) == [
            None,
            [2, 2, count, None, [None] * 9],
            ["com.example.shop", 7],
        ]


@pytest.mark.parametrize(
    "body",
    [
        "",
        ")]}'\n\n",
        ")]}'\n\n[]",
        ')]}\'\n\n[["di",58]]',
        ')]}\'\n\n[["wrb.fr","oCPfdb",null]]',
        ')]}\'\n\n[["wrb.fr","oCPfdb","{}"]]',
        ')]}\'\n\n[["wrb.fr","oCPfdb","[[["]]',
        ')]}\'\n\n[["wrb.fr","oCPfdb","[5]"]]',
        ')]}\'\n\n[["wrb.fr","oCPfdb","[[[\\"id\\",[\\"n\\"],9,null,\\"t\\",[1]]]]"]]',
        ')]}\'\n\n[["wrb.fr","oCPfdb","[[[\\"id\\",[\\"n\\"],5,null,\\"t\\",[1e99]]]]"]]',
        '{"reviews": []}',
    ],
)
def test_no_answer_of_the_public_pages_is_taken_for_no_reviews(
    net: Net, server: WebServer, make_watch: Callable[..., Watch], now: datetime, body: str
) -> None:
    server.play({BATCH: Play(body, headers=JSON)})
    watch = make_watch("googleplay", base_url=server.url, app="com.example.shop", public="true")
    with pytest.raises(LayoutChanged):
        list(GooglePlay(net).collect(watch, State(), now=now))


def test_envelopes_in_chunks_are_read(
    net: Net, server: WebServer, make_watch: Callable[..., Watch], now: datetime
) -> None:
    row = json.dumps([[["id-1", ["하린"], 4, None, "좋아요", [1741600000, 0], 0]], None])
    chunk = json.dumps([["wrb.fr", "UsvDTd", row, None, None, None, "generic"]])
    server.play({BATCH: Play(f')]}}\'\n\n{len(chunk)}\n{chunk}\n25\n[["e",4]]\n', headers=JSON)})
    watch = make_watch("googleplay", base_url=server.url, app="com.example.shop", public="true")
    (batch,) = GooglePlay(net).collect(watch, State(), now=now)
    assert [(item.external_id, item.rating) for item in batch.items] == [("id-1", 4)]
    assert batch.complete


@pytest.mark.parametrize("public", ["true", "false"])
def test_posts_follow_no_redirect(
    net: Net,
    server: WebServer,
    make_watch: Callable[..., Watch],
    now: datetime,
    account: dict[str, str],
    public: str,
) -> None:
    with WebServer() as other:
        moved = Play(status=307, headers={"Location": f"{other.url}/token"})
        server.play({"/token": moved, BATCH: moved})
        watch = make_watch(
            "googleplay",
            base_url=server.url,
            credentials=account,
            app="com.example.shop",
            public=public,
        )
        with pytest.raises(SourceError):
            list(GooglePlay(net).collect(watch, State(), now=now))
        assert not other.seen
