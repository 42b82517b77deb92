"""The guard: no spelling, redirect or name server gets us inside the network."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.errors import ConfigError, SourceUnavailable, TargetForbidden
from listener.net.guard import Guard, forbidden, normal_host

PUBLIC = "93.184.215.14"


def answering(*addresses: str) -> Any:
    return lambda host, port: [(2, 1, 6, "", (address, port)) for address in addresses]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.1", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255",
        "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.127.255.255", "192.0.0.192",
        "198.18.0.1", "203.0.113.7", "224.0.0.1", "239.255.255.255", "224.0.1.1", "240.0.0.1",
        "255.255.255.255", "168.63.129.16",
        "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:a00:1", "::127.0.0.1", "::7f00:1",
        "2002:7f00:1::", "2002:c0a8:101::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2001:db8::1", "100::1",
        "nonsense", "",
    ],
)  # fmt: skip
def test_addresses_inside_are_refused(address: str) -> None:
    assert forbidden(address)


@pytest.mark.parametrize(
    "address",
    [
        PUBLIC,
        "8.8.8.8",
        "172.32.0.1",
        "100.128.0.1",
        "2606:4700::1111",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
    ],
)
def test_addresses_outside_are_let_through(address: str) -> None:
    assert forbidden(address) is None


@given(st.ip_addresses(v=4))
def test_mapped_addresses_are_judged_as_what_they_are(address: Any) -> None:
    plain = forbidden(str(address))
    assert forbidden(f"::ffff:{address}") == plain
    assert forbidden(str(address)) == plain


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://127.1/", "http://127.0.1/", "http://0x7f.1/", "http://0x7f000001/",
        "http://2130706433/", "http://017700000001/", "http://0177.0.0.1/", "http://0/", "http://0.0.0.0:80/",
        "http://127.0.0.1./", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/",
        "http://[0:0:0:0:0:ffff:127.0.0.1]/", "http://[fe80::1%25eth0]/", "http://１２７.０.０.１/",
        "http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/", "http://localhost/", "http://LOCALHOST./",
        "http://a.localhost/", "http://169.254.169.254/latest/meta-data/", "http://10.0.0.1:8080/",
        "http://256.1.1.1/", "http://1.2.3.4.5/", "http://0x/",
    ],
)  # fmt: skip
def test_disguises_of_inner_addresses_are_refused(url: str) -> None:
    with pytest.raises(TargetForbidden) as caught:
        Guard().check_url(url)
    assert caught.value.code == "forbidden-address"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("file:///etc/passwd", "http"),
        ("ftp://example.com/", "http"),
        ("gopher://example.com/", "http"),
        ("example.com/feed", "http"),
        ("http://user:pw@example.com/", "user name"),
        ("http://example.com@127.0.0.1/", "user name"),
        ("http:///path", "no host"),
        ("http://exa mple.com/", "spaces"),
        ("http://example.com\\@127.0.0.1/", "backslashes"),
        ("http://example.com/a\r\nHost: x", "control"),
        ("http://example.com:22/", "Port 22"),
        ("http://example.com:6379/", "Port 6379"),
        ("http://example.com:0/", "Port 0"),
        ("http://example.com:99999/", "not a valid URL"),
        ("http://[::1/", "not a valid URL"),
        ("http://exa_mple..com/", "not a valid host"),
        ("http://-/", "not a valid host"),
    ],
)
def test_urls_that_lead_elsewhere_are_refused_in_words(url: str, words: str) -> None:
    with pytest.raises(TargetForbidden, match=words) as caught:
        Guard().check_url(url)
    assert "pw" not in str(caught.value)
    assert "passwd" not in str(caught.value)


def test_a_good_url_is_taken_apart() -> None:
    target = Guard().check_url("HTTPS://Shop.Example.COM.:8443/reviews?page=2")
    assert (target.scheme, target.host, target.port) == ("https", "shop.example.com", 8443)
    assert target.netloc == "shop.example.com:8443"
    assert Guard().check_url("http://한국.kr/").host == "xn--3e0b707e.kr"
    assert Guard().check_url("http://[2606:4700::1111]/").netloc == "[2606:4700::1111]"


def test_names_are_judged_by_what_they_resolve_to() -> None:
    assert Guard(lookup=answering(PUBLIC)).resolve("shop.example", 443) == [PUBLIC]
    for inner in ("127.0.0.1", "169.254.169.254", "::1", "fd00::1"):
        with pytest.raises(TargetForbidden, match="inside the network"):
            Guard(lookup=answering(inner)).resolve("shop.example", 443)


def test_one_inner_address_among_public_ones_refuses_all() -> None:
    with pytest.raises(TargetForbidden):
        Guard(lookup=answering(PUBLIC, "10.0.0.1")).resolve("shop.example", 443)
    with pytest.raises(TargetForbidden):
        Guard().check_addresses("shop.example", 443, [PUBLIC, "10.0.0.1"])


def test_names_without_address_are_unavailable_not_forbidden() -> None:
    def nothing(host: str, port: int) -> Any:
        raise OSError(-2, "Name or service not known")

    with pytest.raises(SourceUnavailable, match=r"nowhere\.example could not be resolved"):
        Guard(lookup=nothing).resolve("nowhere.example", 80)
    with pytest.raises(SourceUnavailable, match="no address"):
        Guard(lookup=answering()).resolve("nowhere.example", 80)


def test_named_hosts_are_let_through_and_only_they() -> None:
    guard = Guard(
        frozenset({"intranet", "127.0.0.1:8080", "[::1]:9000"}), lookup=answering("10.0.0.7")
    )
    assert guard.check_url("http://intranet:22/").port == 22
    assert guard.resolve("Intranet.", 80) == ["10.0.0.7"]
    assert guard.check_url("http://127.0.0.1:8080/").host == "127.0.0.1"
    assert guard.check_url("http://[::1]:9000/").host == "::1"
    for url in (
        "http://127.0.0.1:8081/",
        "http://[::1]/",
        "http://localhost:8080/",
        "http://127.1:8080/",
    ):
        with pytest.raises(TargetForbidden):
            guard.check_url(url)
    with pytest.raises(TargetForbidden):
        guard.resolve("other", 80)


@pytest.mark.parametrize("entry", ["a b", "host:port", "http://host", "0x7f.1"])
def test_a_senseless_entry_is_a_setting_error(entry: str) -> None:
    with pytest.raises(ConfigError, match="LISTENER_ALLOW_PRIVATE_HOSTS"):
        Guard(frozenset({entry}))


@given(st.text(max_size=40))
def test_any_text_is_either_refused_or_a_plain_ascii_host(text: str) -> None:
    try:
        host = normal_host(text)
    except TargetForbidden:
        return
    assert host.isascii()
    assert host == host.lower()
    assert normal_host(host) == host
    assert not set(host) & set("/?#@\\ []%")


@given(st.text(max_size=60))
def test_any_url_is_either_refused_or_leads_to_a_checked_host(text: str) -> None:
    for url in (text, f"http://{text}", f"http://{text}/a"):
        try:
            target = Guard().check_url(url)
        except TargetForbidden:
            continue
        assert target.host
        assert target.scheme in ("http", "https")
