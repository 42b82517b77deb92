"""The client against a server that does what sources do, over real sockets."""

from __future__ import annotations

import gzip
import ipaddress
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from imapserver import ImapServer
from listener.errors import (
    AuthRejected,
    Blocked,
    LayoutChanged,
    RateLimited,
    SourceGone,
    SourceUnavailable,
    TargetForbidden,
)
from listener.net.client import Meter, Net
from listener.net.limits import Rule
from listener.net.page import Request
from webserver import Play, WebServer

MakeNet = Callable[..., Net]


def get(net: Net, server: WebServer, path: str = "/", **given: Any) -> Any:
    validators = given.pop("validators", None)
    return net.fetch(Request(url=server.url + path, **given), validators=validators)


def test_a_page_is_read_and_counted(net: Net, server: WebServer) -> None:
    server.pages["/a"] = Play("안녕", headers={"Content-Type": "text/plain; charset=utf-8"})
    page = get(net, server, "/a", params={"q": "배송"}, headers={"X-Thing": "말"})
    assert page.text == "안녕"
    assert (page.status, page.content_type, page.requests, page.received) == (
        200,
        "text/plain",
        1,
        6,
    )
    assert (net.requests, net.received) == (1, 6)
    seen = server.seen[0]
    assert seen.query == {"q": "배송"}
    assert seen.headers["user-agent"] == net.settings.user_agent
    assert seen.headers["host"] == f"127.0.0.1:{server.port}"
    assert seen.headers["x-thing"].encode("latin-1").decode() == "말"


# --- what was seen before --------------------------------------------------------------------


def test_validators_make_a_page_unchanged(net: Net, server: WebServer) -> None:
    stamp = "Mon, 10 Mar 2025 11:00:00 GMT"
    server.pages["/"] = Play("x" * 1_000, headers={"ETag": '"v1"', "Last-Modified": stamp})
    first = get(net, server)
    assert not first.unchanged
    again = get(net, server, validators=first.validators)
    assert again.unchanged
    assert again.received == 0
    assert again.validators == first.validators
    assert server.seen[1].headers["if-none-match"] == '"v1"'
    assert server.seen[1].headers["if-modified-since"] == stamp


def test_the_same_bytes_are_unchanged_without_an_etag(net: Net, server: WebServer) -> None:
    server.pages["/"] = [Play("one"), Play("one"), Play("two")]
    first = get(net, server)
    second = get(net, server, validators=first.validators)
    third = get(net, server, validators=second.validators)
    assert [first.unchanged, second.unchanged, third.unchanged] == [False, True, False]
    assert third.text == "two"


# --- redirects -------------------------------------------------------------------------------


def test_redirects_are_followed_and_permanent_ones_reported(net: Net, server: WebServer) -> None:
    server.pages |= {
        "/old": Play(status=301, headers={"Location": "/new"}),
        "/new": Play(status=308, headers={"Location": f"{server.url}/newer"}),
        "/newer": Play(status=302, headers={"Location": "today"}),
        "/today": Play("here"),
    }
    page = get(net, server, "/old")
    assert page.text == "here"
    assert page.url == f"{server.url}/today"
    assert page.moved_to == f"{server.url}/newer"  # the temporary step is not remembered
    assert page.requests == 4
    assert get(net, server, "/newer").moved_to is None


def test_korean_in_a_location_is_followed(net: Net, server: WebServer) -> None:
    server.pages["/"] = Play(status=302, headers={"Location": "/새 글".encode().decode("latin-1")})
    server.pages["/%EC%83%88%20%EA%B8%80"] = Play("ok")
    assert get(net, server).text == "ok"


def test_endless_redirects_stop_after_five(net: Net, server: WebServer) -> None:
    server.pages["/"] = Play(status=302, headers={"Location": "/"})
    with pytest.raises(SourceUnavailable, match="redirect"):
        get(net, server)
    assert len(server.seen) == 6


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:{other}/", "http://169.254.169.254/latest/meta-data/", "http://[::1]/",
        "//localhost/", "file:///etc/passwd", "http://2130706433/", "http://[::ffff:10.0.0.1]/",
        "http://user:pw@example.com/",
    ],
)  # fmt: skip
def test_a_redirect_to_the_inside_is_refused(
    make_net: MakeNet, server: WebServer, location: str
) -> None:
    net = make_net(hosts=f"127.0.0.1:{server.port}")
    server.pages["/"] = Play(
        status=302, headers={"Location": location.format(other=server.port + 1)}
    )
    with pytest.raises(TargetForbidden):
        get(net, server)
    assert len(server.seen) == 1


def test_credentials_stay_with_the_host_they_were_meant_for(
    make_net: MakeNet, server: WebServer
) -> None:
    net = make_net(
        hosts="127.0.0.1,other.example", lookup=lambda h, p: [(2, 1, 6, "", ("127.0.0.1", p))]
    )
    secret = {
        "Authorization": "Bearer s3cret",
        "X-Client-Secret": "s3cret",
        "Accept-Language": "ko",
    }
    server.pages |= {
        "/same": Play(status=307, headers={"Location": "/end"}),
        "/away": Play(status=307, headers={"Location": f"http://other.example:{server.port}/end"}),
        "/end": Play("ok"),
    }
    get(net, server, "/same", headers=secret)
    assert server.seen[-1].headers["authorization"] == "Bearer s3cret"
    get(net, server, "/away", headers=secret)
    assert server.seen[-1].headers["host"] == f"other.example:{server.port}"
    assert "s3cret" not in str(server.seen[-1].headers)
    assert server.seen[-1].headers["accept-language"] == "ko"


def test_a_name_that_changes_its_address_is_refused_the_second_time(
    make_net: MakeNet, server: WebServer
) -> None:
    # DNS rebinding: the first answer is allowed by name here, as no public address can be had in a
    # test; what counts is that each connection asks and judges anew.
    answers = iter(["127.0.0.1", "127.0.0.1"])
    asked: list[str] = []

    def lookup(host: str, port: int) -> Any:
        asked.append(host)
        return [(2, 1, 6, "", (next(answers), port))]

    net = make_net(hosts=f"shop.example:{server.port}", lookup=lookup)
    server.pages["/"] = Play(
        status=302, headers={"Location": f"http://shop.example:{server.port}/b"}
    )
    server.pages["/b"] = Play("b")
    assert net.fetch(Request(url=f"http://shop.example:{server.port}/")).text == "b"
    assert asked == ["shop.example", "shop.example"]
    with pytest.raises(TargetForbidden, match="inside the network"):
        make_net(hosts="", lookup=lambda h, p: [(2, 1, 6, "", ("127.0.0.1", p))]).fetch(
            Request(url=f"http://shop.example:{server.port}/")
        )
    assert len(server.seen) == 2


# --- bad luck --------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["drip", "drip-headers", "silent"])
def test_a_slow_server_has_a_deadline_for_all_of_it(
    make_net: MakeNet, server: WebServer, how: str
) -> None:
    server.pages["/"] = Play("x" * 10_000, how=how)
    net = make_net(request_timeout=0.4)
    started = time.monotonic()
    with pytest.raises(SourceUnavailable, match=r"within 0\.4 s"):
        get(net, server)
    assert time.monotonic() - started < 2


def test_the_deadline_holds_over_all_redirects_together(
    make_net: MakeNet, server: WebServer
) -> None:
    server.pages |= {
        "/": Play(status=302, headers={"Location": "/b"}),
        "/b": Play("x" * 10_000, how="drip"),
    }
    started = time.monotonic()
    with pytest.raises(SourceUnavailable):
        get(make_net(request_timeout=0.4), server)
    assert time.monotonic() - started < 2


def test_a_response_of_100_mb_is_stopped_early(make_net: MakeNet, server: WebServer) -> None:
    server.pages |= {
        "/endless": Play(how="endless"),
        "/told": Play("x", headers={"Content-Length": "100000000"}),
    }
    net = make_net(max_response_bytes=1_000_000)
    for path in ("/endless", "/told"):
        with pytest.raises(SourceUnavailable, match="larger than 1 MB"):
            get(net, server, path)
    assert server.sent < 20_000_000


def test_a_gzip_bomb_is_stopped(make_net: MakeNet, server: WebServer) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < 60_000
    server.pages |= {
        "/": Play(bomb, headers={"Content-Encoding": "gzip"}),
        "/twice": Play(gzip.compress(bomb), headers={"Content-Encoding": "gzip, gzip"}),
        "/thrice": Play(bomb, headers={"Content-Encoding": "gzip, gzip, gzip"}),
        "/members": Play(gzip.compress(bytes(600_000)) * 2, headers={"Content-Encoding": "gzip"}),
    }
    net = make_net(max_response_bytes=1_000_000)
    for path, words in {
        "/": "once decompressed", "/twice": "once decompressed", "/thrice": "more than twice",
        "/members": "once decompressed",
    }.items():  # fmt: skip
        with pytest.raises(SourceUnavailable, match=words):
            get(net, server, path)


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", lambda data: gzip.compress(data[:5]) + gzip.compress(data[5:])),
        ("gzip", lambda data: gzip.compress(data) + b"\0\0\0"),
        ("deflate", zlib.compress),
        ("deflate", lambda data: zlib.compress(data)[2:-4]),
        ("gzip, identity", gzip.compress),
    ],
)
def test_compressed_pages_are_read(net: Net, server: WebServer, encoding: str, pack: Any) -> None:
    text = "배송이 늦어요 " * 50
    server.pages["/"] = Play(pack(text.encode()), headers={"Content-Encoding": encoding})
    page = get(net, server)
    assert page.text == text
    assert page.received < len(page.body)


@pytest.mark.parametrize(
    ("play", "words"),
    [
        (Play("half a page", how="truncated"), "cut off"),
        (Play("x" * 50_000, how="reset"), "broke the connection off"),
        (Play(how="garbage"), "does not speak HTTP"),
        (Play(gzip.compress(b"x" * 5_000)[:-12], headers={"Content-Encoding": "gzip"}), "cut off"),
        (Play(b"no gzip", headers={"Content-Encoding": "gzip"}), "damaged"),
        (Play(b"x", headers={"Content-Encoding": "br"}), "did not ask for"),
        (Play("x", status=206), "a part only"),
        (
            Play("4\r\nabcd\r\nzz", headers={"Transfer-Encoding": "chunked"}),
            "cut off|does not speak",
        ),
    ],
)  # fmt: skip
def test_broken_answers_are_unavailable_in_words(
    net: Net, server: WebServer, play: Play, words: str
) -> None:
    server.pages["/"] = play
    with pytest.raises(SourceUnavailable, match=words):
        get(net, server)


def test_hosts_that_are_not_there(make_net: MakeNet, server: WebServer) -> None:
    def nothing(host: str, port: int) -> Any:
        raise OSError(-2, "Name or service not known")

    with pytest.raises(SourceUnavailable, match=r"gone\.example could not be resolved"):
        make_net(lookup=nothing).fetch(Request(url="https://gone.example/"))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, so that nobody else takes it, but not listening
        with pytest.raises(SourceUnavailable, match="refuses the connection"):
            make_net().fetch(Request(url=f"http://127.0.0.1:{unused.getsockname()[1]}/"))


def test_a_dead_address_does_not_hide_the_living_one(make_net: MakeNet, server: WebServer) -> None:
    server.pages["/"] = Play("ok")
    rows = [(10, 1, 6, "", ("::1", 0)), (2, 1, 6, "", ("127.0.0.1", 0))]  # nothing listens on ::1
    net = make_net(hosts="shop.example", lookup=lambda h, p: rows)
    assert net.fetch(Request(url=f"http://shop.example:{server.port}/")).text == "ok"


# --- refusals --------------------------------------------------------------------------------


def test_refusals_are_raised_in_words_without_secrets(net: Net, server: WebServer) -> None:
    server.pages |= {
        "/401": Play(
            '{"error": {"message": "key k3y-in-query and t0ken-in-header are wrong"}}', 401
        ),
        "/410": Play("", 410),
        "/404": Play("", 404),
    }
    with pytest.raises(AuthRejected) as caught:
        get(
            net,
            server,
            "/401?api_key=k3y-in-query",
            headers={"Authorization": "Bearer t0ken-in-header"},
        )
    assert "are wrong" in str(caught.value)
    assert "api_key=…" in str(caught.value)
    assert "k3y-in-query" not in str(caught.value)
    assert "t0ken-in-header" not in str(caught.value)
    with pytest.raises(SourceGone):
        get(net, server, "/410")
    assert get(net, server, "/404", accept=frozenset({404})).status == 404


def test_a_header_with_a_line_break_does_not_show_its_value(net: Net, server: WebServer) -> None:
    with pytest.raises(TargetForbidden) as caught:
        get(net, server, headers={"Authorization": "Bearer s3cret\r\nX: y"})
    assert "s3cret" not in str(caught.value)
    assert not server.seen


def test_a_429_holds_the_host_back_for_all_that_follows(
    net: Net, server: WebServer, clock: Any
) -> None:
    server.pages["/"] = [Play("slow down", 429, {"Retry-After": "600"}), Play("fine")]
    with pytest.raises(RateLimited) as caught:
        get(net, server)
    assert caught.value.retry_at == clock.now + timedelta(seconds=600)
    with pytest.raises(RateLimited, match="held back"):
        get(net, server, "/other")
    assert len(server.seen) == 1  # the second request never went out
    get_other_account = net.fetch(Request(url=server.url, account="7"))
    assert get_other_account.text == "fine"
    clock.now += timedelta(seconds=600)
    assert get(net, server).text == "fine"


def test_hosts_outside_are_asked_once_a_second_and_our_own_at_once(
    make_net: MakeNet, server: WebServer, clock: Any
) -> None:
    server.pages["/"] = Play("ok")
    net = make_net()
    for _ in range(3):
        get(net, server)
    assert clock.slept == []
    for _ in range(3):
        get(net, server, rule=Rule(delay=timedelta(seconds=1)))
    assert clock.slept == [1, 1, 1]


@pytest.mark.parametrize(
    ("play", "expect", "kind"),
    [
        (Play("<!DOCTYPE html><title>Just a moment...</title>"), "json", Blocked),
        (Play("<!DOCTYPE html><title>Just a moment...</title>"), "any", Blocked),
        (Play("<!DOCTYPE html><title>Welcome</title><p>Shop</p>"), "json", LayoutChanged),
        (Play("", 304), "any", LayoutChanged),
        (Play("", 302), "any", LayoutChanged),
    ],
)
def test_a_200_that_is_a_block_page_is_told(
    net: Net, server: WebServer, play: Play, expect: Any, kind: Any
) -> None:
    server.pages["/"] = play
    with pytest.raises(kind):
        get(net, server, expect=expect)


# --- TLS -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for shop.example, and its key, in one file; it is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop.example")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("shop.example"), x509.IPAddress(ipaddress.ip_address("192.0.2.1"))]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "shop.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def test_tls_is_verified_against_the_name_while_the_address_is_pinned(
    make_net: MakeNet, authority: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    names: list[str | None] = []
    context.sni_callback = lambda sock, name, ctx: names.append(name)
    trusting = ssl.create_default_context(cafile=str(authority))

    def lookup(host: str, port: int) -> Any:
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    with WebServer(tls=context) as server:
        server.pages["/"] = Play("secure")
        net = make_net(hosts="shop.example,other.example", lookup=lookup, tls=trusting)
        assert net.fetch(Request(url=f"https://shop.example:{server.port}/")).text == "secure"
        assert names == ["shop.example"]
        with pytest.raises(SourceUnavailable, match=r"certificate of other\.example is not valid"):
            net.fetch(Request(url=f"https://other.example:{server.port}/"))
        distrusting = make_net(hosts="shop.example", lookup=lookup)
        with pytest.raises(SourceUnavailable, match=r"certificate of shop\.example is not valid"):
            distrusting.fetch(Request(url=f"https://shop.example:{server.port}/"))
    assert [seen.headers["host"] for seen in server.seen] == [f"shop.example:{server.port}"]


def test_a_mailbox_is_verified_against_its_name_too(make_net: MakeNet, authority: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    trusting = ssl.create_default_context(cafile=str(authority))

    def lookup(host: str, port: int) -> Any:
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    with ImapServer(tls=context) as imap:
        net = make_net(hosts="shop.example,other.example", lookup=lookup, tls=trusting)
        stream = net.mailbox(f"imaps://shop.example:{imap.port}")
        assert stream.sock.recv(4) == b"* OK"
        stream.close()
        distrusting = make_net(hosts="shop.example", lookup=lookup)
        for host, wired in (("other", net), ("shop", distrusting)):
            with pytest.raises(SourceUnavailable, match=f"certificate of {host}.example is not"):
                wired.mailbox(f"imaps://{host}.example:{imap.port}")


def test_plain_http_on_a_tls_port_is_told(make_net: MakeNet, server: WebServer) -> None:
    with pytest.raises(SourceUnavailable, match="No secure connection"):
        make_net().fetch(Request(url=f"https://127.0.0.1:{server.port}/"))


# --- sessions for libraries ------------------------------------------------------------------


def test_a_session_rewrites_the_built_in_host_and_keeps_the_secret_there(
    make_net: MakeNet, server: WebServer
) -> None:
    net = make_net(
        hosts="127.0.0.1,other.example", lookup=lambda h, p: [(2, 1, 6, "", ("127.0.0.1", p))]
    )
    server.pages |= {
        "/x/2/tweets": Play('{"data": []}', headers={"Content-Type": "application/json"}),
        "/x/2/away": Play(
            status=302, headers={"Location": f"http://other.example:{server.port}/end"}
        ),
        "/x/2/packed": Play(gzip.compress(b'{"a": 1}'), headers={"Content-Encoding": "gzip"}),
        "/end": Play("ok"),
    }
    meter = Meter()
    session = net.session(
        meter=meter,
        rewrite={"https://api.twitter.com": server.url + "/x/"},
        headers={"Authorization": "Bearer s3cret"},
    )
    answer = session.get(
        "https://api.twitter.com/2/tweets",
        params={"query": "배송"},
        headers={"Authorization": "Bearer none"},
    )
    assert answer.json() == {"data": []}
    assert server.seen[0].path == "/x/2/tweets"
    assert server.seen[0].query == {"query": "배송"}
    assert server.seen[0].headers["authorization"] == "Bearer s3cret"
    assert session.get("https://api.twitter.com/2/packed").json() == {"a": 1}
    assert session.get("https://api.twitter.com/2/away").text == "ok"
    assert "authorization" not in server.seen[-1].headers
    assert meter.requests == 4
    assert meter.received == net.received


def test_a_session_is_guarded_and_limited_like_all_else(
    make_net: MakeNet, server: WebServer
) -> None:
    session = make_net(hosts="").session()
    with pytest.raises(TargetForbidden):
        session.get(server.url)
    session = make_net(max_response_bytes=1_000).session()
    server.pages["/"] = Play("x" * 2_000)
    with pytest.raises(SourceUnavailable, match="larger"):
        session.get(server.url)
    server.pages["/in"] = Play(status=302, headers={"Location": "http://169.254.169.254/"})
    with pytest.raises(TargetForbidden):
        session.get(server.url + "/in")


def test_an_exchange_posts_without_following(net: Net, server: WebServer) -> None:
    server.pages["/hook"] = Play(status=302, headers={"Location": "/elsewhere"})
    page = net.exchange(
        Request(
            url=f"{server.url}/hook",
            method="POST",
            body=b'{"a": 1}',
            headers={"Content-Type": "application/json"},
        )
    )
    assert page.status == 302
    assert server.paths == ["/hook"]
    assert server.seen[0].body == b'{"a": 1}'


def test_threads_share_a_client(net: Net, server: WebServer) -> None:
    server.pages["/"] = Play("ok")
    results: list[str] = []
    threads = [
        threading.Thread(target=lambda: results.append(get(net, server).text)) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == ["ok"] * 16
    assert net.requests == 16


# --- a host that fails -------------------------------------------------------------------------


def test_a_host_that_fails_is_left_alone_and_asked_again(
    make_net: MakeNet, server: WebServer, clock: Any
) -> None:
    rule = Rule(delay=timedelta())
    net = make_net(request_timeout=2)
    server.pages["/down"] = Play("no", 503)
    server.pages["/cut"] = Play("short", how="truncated")
    server.pages["/up"] = Play("yes")
    for path in ("/down", "/cut", "/down", "/cut", "/down"):
        with pytest.raises(SourceUnavailable):
            get(net, server, path, rule=rule)
    with pytest.raises(
        SourceUnavailable, match=r"failed 5 times in a row.*asked again at"
    ) as error:
        get(net, server, "/up", rule=rule)
    assert error.value.requests == 0
    assert len(server.seen) == 5
    assert error.value.retry_at is not None
    clock.now = error.value.retry_at
    assert get(net, server, "/up", rule=rule).text == "yes"
    for _ in range(4):
        with pytest.raises(SourceUnavailable, match="503"):
            get(net, server, "/down", rule=rule)
    get(net, server, "/up", rule=rule)  # four are not five


def test_refusals_and_odd_answers_are_no_failures_of_the_host(
    make_net: MakeNet, server: WebServer
) -> None:
    net = make_net(max_response_bytes=100)
    server.pages["/large"] = Play("x" * 1_000)
    server.pages["/no"] = Play("no", 404)
    for path in ["/large", "/no"] * 4:
        with pytest.raises(SourceUnavailable, match=r"larger|404"):
            get(net, server, path, rule=Rule(delay=timedelta()))
    assert len(server.seen) == 8
