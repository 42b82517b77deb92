"""The App Store beyond its recorded answers: addresses, tokens, servers, once a day."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from listener.collect.base import Position
from listener.collect.sources.appstore import CONNECT, PUBLIC, AppStore, countries
from listener.errors import AuthRejected, InvalidInput
from listener.net.client import Net
from listener.types import Batch, State, Watch
from webserver import Play, WebServer

JSON = {"Content-Type": "application/json"}
REVIEWS = "/v1/apps/1234567890/customerReviews"


def entry(number: int, at: datetime, **more: Any) -> dict[str, Any]:
    told = {
        "id": str(number),
        "title": "좋아요",
        "content": "잘 써요",
        "im:rating": "5",
        "updated": at.isoformat(),
    } | more
    return {name: {"label": value} for name, value in told.items()}


def feed(*entries: Any) -> Play:
    return Play(json.dumps({"feed": {"entry": list(entries)}}), headers=JSON)


def pem(key: Any) -> str:
    told: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return told.decode()


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def credentials(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    return {"key_id": "K1", "issuer_id": "I1", "private_key": pem(key)}


@pytest.mark.parametrize(
    ("given", "number", "country"),
    [
        ("362057947", "362057947", "kr"),
        ("id362057947", "362057947", "kr"),
        (
            "https://apps.apple.com/kr/app/%EC%B9%B4%EC%B9%B4%EC%98%A4/id362057947",
            "362057947",
            "kr",
        ),
        ("https://apps.apple.com/jp/app/id362057947?l=en&see-all=reviews", "362057947", "jp"),
        ("apps.apple.com/us/app/shop/id362057947#top", "362057947", "us"),
        ("https://apps.apple.com/app/id362057947", "362057947", "kr"),
        ("https://itunes.apple.com/us/review?id=362057947&type=Purple", "362057947", "us"),
    ],
)
def test_an_app_is_told_by_number_or_address(
    net: Net,
    make_watch: Callable[..., Watch],
    now: datetime,
    given: str,
    number: str,
    country: str,
) -> None:
    watch = make_watch("appstore", app=given)
    source = AppStore(net)
    assert list(source.lanes(watch)) == [country]
    asked = source.request(watch, Position(now=now, lane=country)).full_url
    assert asked == (
        f"{PUBLIC}/{country}/rss/customerreviews/page=1/id={number}/sortby=mostrecent/json"
    )


@pytest.mark.parametrize(
    "given", ["누리마켓", "https://apps.apple.com/kr/developer/x", "", "12", "http://["]
)
def test_what_names_no_app_is_told(
    net: Net, make_watch: Callable[..., Watch], now: datetime, given: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        list(AppStore(net).collect(make_watch("appstore", app=given), State(), now=now))
    assert caught.value.field == "app"


def test_countries_are_read_as_people_write_them(make_watch: Callable[..., Watch]) -> None:
    watch = make_watch("appstore", app="362057947", countries=" KR, uk;us kr,")
    assert countries(watch, AppStore.spec) == ("kr", "gb", "us")
    with pytest.raises(InvalidInput) as caught:
        countries(make_watch("appstore", app="362057947", countries="korea"), AppStore.spec)
    assert caught.value.field == "countries"


def test_each_way_has_its_own_server_and_one_setting_replaces_it(
    net: Net, make_watch: Callable[..., Watch], now: datetime, credentials: dict[str, str]
) -> None:
    source, at = AppStore(net), Position(now=now, lane="kr")
    for base in (PUBLIC, f"{PUBLIC}/", None):
        watch = make_watch("appstore", base_url=base, credentials=credentials, app="1234567890")
        assert source.request(watch, at).url == CONNECT + REVIEWS
    watch = make_watch("appstore", base_url="http://x/", credentials=credentials, app="1234567890")
    assert source.request(watch, at).url == f"http://x{REVIEWS}"
    watch = make_watch("appstore", base_url="http://x/", app="1234567890")
    assert source.request(watch, at).url.startswith("http://x/kr/rss/")


@pytest.mark.parametrize("issuer", ["I1", ""])
def test_the_token_is_signed_as_apple_asks(
    net: Net,
    make_watch: Callable[..., Watch],
    now: datetime,
    credentials: dict[str, str],
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
) -> None:
    watch = make_watch("appstore", credentials={**credentials, "issuer_id": issuer}, app="123456")
    token = AppStore(net).request(watch, Position(now=now)).headers["Authorization"][7:]
    head, claims, signature = (
        base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")
    )
    assert json.loads(head) == {"alg": "ES256", "kid": "K1", "typ": "JWT"}
    told = json.loads(claims)
    assert told.pop("iat") == int(now.timestamp())
    assert told.pop("exp") == int((now + timedelta(minutes=20)).timestamp())
    who = {"iss": issuer} if issuer else {"sub": "user"}
    assert told == {"aud": "appstoreconnect-v1", **who}
    # The signature is r and s side by side, not the DER form; verify raises where it is wrong.
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    signed = token.rpartition(".")[0].encode()
    key.public_key().verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize("shape", ["escaped", "without lines", "wrong kind", "wrong curve"])
def test_keys_are_taken_as_people_paste_them(
    net: Net,
    make_watch: Callable[..., Watch],
    now: datetime,
    credentials: dict[str, str],
    shape: str,
) -> None:
    text = credentials["private_key"]
    if shape == "escaped":
        text = text.replace("\n", "\\n")
    elif shape == "without lines":
        text = "".join(text.splitlines()[1:-1])
    elif shape == "wrong kind":
        text = pem(rsa.generate_private_key(65537, 2048))
    else:
        text = pem(ec.generate_private_key(ec.SECP384R1()))
    watch = make_watch("appstore", credentials={**credentials, "private_key": text}, app="123456")
    if shape.startswith("wrong"):
        with pytest.raises(AuthRejected, match="cannot be read"):
            AppStore(net).request(watch, Position(now=now))
    else:
        assert AppStore(net).request(watch, Position(now=now)).headers["Authorization"]


def test_half_a_key_is_told_and_nothing_is_asked(
    net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    watch = make_watch("appstore", credentials={"key_id": "K1"}, app="1234567890")
    with pytest.raises(AuthRejected, match="needs private_key"):
        list(AppStore(net).collect(watch, State(), now=now))
    assert net.requests == 0


def test_the_token_stays_with_its_server_whatever_the_answer_names(
    net: Net,
    server: WebServer,
    make_watch: Callable[..., Watch],
    now: datetime,
    credentials: dict[str, str],
) -> None:
    with WebServer() as other:
        following = f"{other.url}{REVIEWS}?cursor=abc&limit=200"
        page = {"data": [], "links": {"self": "x", "next": following}}
        server.play(
            {
                REVIEWS: [
                    Play(json.dumps(page), headers=JSON),
                    Play(status=302, headers={"Location": f"{other.url}/moved"}),
                ]
            }
        )
        other.play({"/moved": Play('{"data": []}', headers=JSON)})
        watch = make_watch(
            "appstore", base_url=server.url, credentials=credentials, app="1234567890"
        )
        list(AppStore(net).collect(watch, State(), now=now))
        asked = [seen for seen in server.seen if seen.path == REVIEWS]
        assert [seen.query.get("cursor") for seen in asked] == [None, "abc"]
        assert [seen.path for seen in other.seen] == ["/moved"]
        assert all("authorization" not in seen.headers for seen in other.seen)
        lookup = next(seen for seen in server.seen if seen.path == "/lookup")
        assert "authorization" not in lookup.headers


def run(net: Net, watch: Watch, state: State, now: datetime) -> list[Batch]:
    return list(AppStore(net).collect(watch, state, now=now))


def test_ratings_are_read_once_a_day(
    net: Net, server: WebServer, make_watch: Callable[..., Watch], now: datetime
) -> None:
    app = {"trackName": "누리마켓", "averageUserRating": 4.5, "userRatingCount": 12}
    server.play(
        {
            "/kr/rss/customerreviews/page=1/id=123456/sortby=mostrecent/json": feed(entry(7, now)),
            "/lookup": Play(json.dumps({"resultCount": 1, "results": [app]}), headers=JSON),
        }
    )
    watch = make_watch("appstore", base_url=server.url, app="123456")
    state, told = State(), []
    for hours in (0, 1, 11, 12):
        (batch,) = run(net, watch, state, now + timedelta(hours=hours))
        state = batch.state
        told.append([(one.subject, one.average, one.count) for one in batch.ratings])
        assert batch.items[0].product == "누리마켓"
    once = [("123456:kr", 4.5, 12)]
    assert told == [once, [], [], once]  # the day changes at midnight UTC
    assert server.paths.count("/lookup") == 2


def test_five_hundred_reviews_are_all_there_is(
    net: Net, server: WebServer, make_watch: Callable[..., Watch], now: datetime
) -> None:
    path = "/kr/rss/customerreviews/page={}/id=123456/sortby=mostrecent/json"

    def pages(newest: int) -> dict[str, Play]:
        rows = [
            entry(10_000 + n, now + timedelta(minutes=n)) for n in range(newest, newest - 600, -1)
        ]
        return {path.format(n + 1): feed(*rows[n * 50 : n * 50 + 50]) for n in range(10)} | {
            path.format(11): Play("CustomerReviews RSS page depth is limited to 10", 400)
        }

    watch = make_watch("appstore", base_url=server.url, app="123456")
    server.play(pages(0))
    first = run(net, watch, State(), now)
    assert sum(len(batch.items) for batch in first) == 500
    assert first[-1].complete
    assert not first[-1].gaps  # what came before the watch is no gap
    server.play(pages(700))
    second = run(net, watch, first[-1].state, now + timedelta(minutes=701))
    assert sum(len(batch.items) for batch in second) == 500
    (gap,) = second[-1].gaps
    assert (gap.from_at, gap.to_at) == (now, now + timedelta(minutes=201))
    assert path.format(11) not in server.paths


def test_an_edited_review_that_was_the_newest_ends_no_walk(
    net: Net, server: WebServer, make_watch: Callable[..., Watch], now: datetime
) -> None:
    path = "/kr/rss/customerreviews/page={}/id=123456/sortby=mostrecent/json"
    watch = make_watch("appstore", base_url=server.url, app="123456")
    server.play({path.format(1): feed(entry(500, now), entry(400, now - timedelta(days=9)))})
    state = run(net, watch, State(), now)[-1].state
    later = [entry(600 + n, now + timedelta(hours=9, minutes=n)) for n in range(60, 0, -1)]
    rows = [entry(500, now + timedelta(hours=20)), *later, entry(400, now - timedelta(days=9))]
    server.play({path.format(1): feed(*rows[:50]), path.format(2): feed(*rows[50:])})
    batches = run(net, watch, state, now + timedelta(days=1))
    assert {item.external_id for batch in batches for item in batch.items} == {
        row["id"]["label"] for row in rows
    }
    assert batches[-1].complete
    assert not any(batch.gaps for batch in batches)
