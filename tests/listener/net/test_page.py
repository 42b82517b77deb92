"""Charsets as they are really met, and URLs that may be shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.errors import LayoutChanged
from listener.net.page import Page, Request, clean_url, codec, decode, redact

KOREAN = "배송이 너무 늦어요. 똠방각하 펲시콜라"  # with syllables that EUC-KR lacks and CP949 has


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (KOREAN.encode(), ""),
        (KOREAN.encode(), "text/html; charset=iso-8859-1"),  # a server's default, wrong
        (KOREAN.encode(), "text/html; charset=euc-kr"),  # wrong too
        (KOREAN.encode("cp949"), "text/html; charset=EUC-KR"),
        (KOREAN.encode("cp949"), 'text/html; charset="ks_c_5601-1987"'),
        (KOREAN.encode("cp949"), "text/html; charset=windows-949"),
        (KOREAN.encode("cp949"), "text/html; charset=utf-8"),  # wrong, nothing better told
        (KOREAN.encode("cp949"), ""),
        (b"\xef\xbb\xbf" + KOREAN.encode(), "text/xml; charset=euc-kr"),
        (KOREAN.encode("utf-16"), ""),
        (KOREAN.encode("utf-8"), "text/html; charset=base64"),
        (KOREAN.encode("utf-8"), "text/html; charset=nonsense"),
    ],
)
def test_korean_is_read_whatever_is_declared(body: bytes, content_type: str) -> None:
    assert decode(body, content_type)[0] == KOREAN


@pytest.mark.parametrize(
    "document",
    [
        '<?xml version="1.0" encoding="EUC-KR"?><a>%s</a>',
        "<html><meta charset=euc-kr>%s",
        '<html><meta http-equiv="Content-Type" content="text/html; charset=ks_c_5601-1987">%s',
    ],
)
@pytest.mark.parametrize("content_type", ["", "text/html", "text/html; charset=utf-8"])
def test_the_documents_own_word_counts(document: str, content_type: str) -> None:
    text = document % KOREAN
    assert decode(text.encode("cp949"), content_type) == (text, "cp949")


def test_western_pages_are_read() -> None:
    assert (
        decode("Déjà vu – café".encode("cp1252"), "text/html; charset=iso-8859-1")[0]
        == "Déjà vu – café"
    )
    assert decode("Ça été très déçu, café ".encode("cp1252"))[0] == "Ça été très déçu, café "


def test_a_little_damage_keeps_the_charset() -> None:
    text = KOREAN * 30
    assert decode(text.encode()[:-1], "text/html; charset=utf-8")[0][:-1] == text[:-1]
    assert decode(text.encode()[:-1])[0][:-1] == text[:-1]
    damaged = text.encode("cp949")[:-1]
    assert decode(damaged, "text/html; charset=euc-kr")[0].startswith(text[:-1])


@given(st.binary(max_size=200), st.text(max_size=30))
def test_any_bytes_become_text(body: bytes, charset: str) -> None:
    text, name = decode(body, f"text/html; charset={charset}")
    assert isinstance(text, str)
    assert codec(name)


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"]), max_size=80))
def test_utf8_is_never_misread(text: str) -> None:
    body = text.encode()
    if body.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")) or b"charset" in body:
        return
    assert decode(body)[0] == text


def test_json_that_is_none_is_a_changed_layout(now: object) -> None:
    page = Page(
        url="https://a.example/?token=abcd1234", asked="", status=200, headers={},
        body=b'{"posts": [', now=now,  # type: ignore[arg-type]
    )  # fmt: skip
    with pytest.raises(LayoutChanged, match="not valid JSON") as caught:
        _ = page.json
    assert "abcd1234" not in str(caught.value)
    deep = Page(
        url="https://a.example/", asked="", status=200, headers={}, body=b"[" * 100_000, now=now
    )  # type: ignore[arg-type]
    with pytest.raises(LayoutChanged):
        _ = deep.json


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:pw@a.example/x?page=2#frag", "https://a.example/x?page=2"),
        ("https://a.example/?key=AIzaSyA&q=배송", "https://a.example/?key=…&q=배송"),
        ("http://a.example/?access_token=1&api_key=2", "http://a.example/?access_token=…&api_key=…"),
        ("http://a.example/?clientSecret=3&sid=4", "http://a.example/?clientSecret=…&sid=…"),
        ("https://a.example/?cursor=b26v89c19zqg8o3fpz7l3oq8n2", "https://a.example/?cursor=…"),
        ("http://a.example/?q=hello+world&keyword=a", "http://a.example/?q=hello world&keyword=a"),
        ("http://[::1", "(an address that cannot be read)"),
    ],
)  # fmt: skip
def test_urls_are_shown_without_secrets(url: str, shown: str) -> None:
    assert redact(url) == shown


def test_parameters_join_the_urls_own_query() -> None:
    request = Request(
        url="https://a.example/s?a=1#x", params={"q": "삼성 전자", "n": 5, "none": None}
    )
    assert request.full_url == "https://a.example/s?a=1&q=%EC%82%BC%EC%84%B1+%EC%A0%84%EC%9E%90&n=5"
    assert clean_url("https://a.example/말 x?q=배 y") == (
        "https://a.example/%EB%A7%90%20x?q=%EB%B0%B0%20y"
    )
    assert clean_url("https://a.example/%20a%2Fb?x=%26") == "https://a.example/%20a%2Fb?x=%26"
    assert clean_url("https://a.example") == "https://a.example/"


def test_what_a_request_must_not_show() -> None:
    request = Request(
        url="https://a.example/?api_key=k3yk3y",
        headers={
            "Authorization": "Bearer t0ken",
            "X-Naver-Client-Secret": "nav3r",
            "Accept": "*/*",
        },
        params={"token": "p4ram"},
    )
    assert {"t0ken", "Bearer t0ken", "nav3r", "k3yk3y", "p4ram"} <= request.secrets
    assert "*/*" not in request.secrets
    assert not any(secret in repr(request) for secret in request.secrets)


@pytest.mark.parametrize(
    ("body", "secrets"),
    [
        (b'{"identifier": "mina.example", "password": "abcd-efgh", "n": 1}', {"abcd-efgh"}),
        (b"grant_type=password&client_secret=s3cr3t&scope=read", {"s3cr3t"}),
        (
            b"assertion=eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0.c2ln",
            {"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0.c2ln"},
        ),
        (b'{"password": ', set()),
        (b"\xff\xfe", set()),
        (None, set()),
    ],
)
def test_secrets_are_known_in_bodies_as_well(body: bytes | None, secrets: set[str]) -> None:
    request = Request(url="https://api.example/login", method="POST", body=body)
    assert request.secrets == secrets


@pytest.mark.parametrize("label", ["undefined", "UNDEFINED", "idna", "punycode", "base64", "rot13"])
def test_codecs_that_are_no_charsets_are_not_taken(label: str) -> None:
    assert codec(label) is None
    assert decode(b"\x00\xff", f"text/plain; charset={label}")[0]
