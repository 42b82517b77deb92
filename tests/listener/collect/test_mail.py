"""Mails as people and programs write them: headers, charsets, history."""

from __future__ import annotations

import base64
import quopri
from datetime import UTC, datetime, timedelta

import pytest

from listener.collect.mail import (
    decoded,
    folder_name,
    own_markup,
    own_words,
    read_mail,
    sent_at,
)

NOW = datetime(2025, 3, 10, 12, tzinfo=UTC)


def mail(*headers: str, body: bytes = b"hello", kind: str = "text/plain; charset=utf-8") -> bytes:
    """A mail with these headers."""
    lines = ["Message-ID: <m1@mail.example>", f"Content-Type: {kind}", *headers]
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + body


# --- charsets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("euc-kr", "euc-kr"),
        ("ks_c_5601-1987", "cp949"),
        ("EUC-KR", "cp949"),
        ("iso-2022-kr", "iso-2022-kr"),
        ("utf-8", "utf-8"),
        ("us-ascii", "cp949"),
        ("x-unknown", "utf-8"),
    ],
)
def test_korean_bodies_in_their_charsets(charset: str, codec: str) -> None:
    text = "배송이 늦어요" if codec != "cp949" else "똠방각하 배송"
    found = read_mail(mail(body=text.encode(codec), kind=f"text/plain; charset={charset}"))
    assert found.text == text


def test_transfer_encodings_are_undone() -> None:
    for name, data in (
        ("base64", base64.encodebytes("환불해 주세요".encode())),
        ("quoted-printable", quopri.encodestring("환불해 주세요".encode())),
    ):
        found = read_mail(mail(f"Content-Transfer-Encoding: {name}", body=data))
        assert found.text.strip() == "환불해 주세요"
    broken = read_mail(mail("Content-Transfer-Encoding: base64", body=b"%%%"))
    assert broken.id == "m1@mail.example"


def test_encoded_words_in_headers() -> None:
    def word(text: str, charset: str) -> str:
        return f"=?{charset}?B?{base64.b64encode(text.encode('cp949')).decode()}?="

    assert decoded(word("배송 문의", "ks_c_5601-1987")) == "배송 문의"
    assert decoded(f"{word('배송 ', 'euc-kr')} {word('문의', 'euc-kr')}") == "배송 문의"
    assert decoded("=?utf-8?Q?=EB=B0=B0=EC=86?= =?utf-8?Q?=A1?=") == "배송"
    assert decoded("=?nonsense?X?abc?=") == "=?nonsense?X?abc?="
    raw = b"Subject: " + "환불".encode("cp949") + b"\r\nFrom: a@b.example\r\n\r\nx"
    assert read_mail(raw).subject == "환불"


def test_people_and_threads() -> None:
    found = read_mail(
        mail(
            "From: =?utf-8?B?6rmA66+87JWE?= <Mina@Mail.example>",
            "In-Reply-To: <b@x>",
            "References: <a@x>\r\n <b@x>",
        )
    )
    assert (found.name, found.address) == ("김민아", "mina@mail.example")
    assert (found.parent, found.thread) == ("b@x", "a@x")
    assert read_mail(b"").address == ""
    assert read_mail(mail("From: nobody")).address == ""


# --- dates ---------------------------------------------------------------------------------------


def test_a_date_that_lies_gives_way_to_the_server() -> None:
    received = NOW - timedelta(hours=1)
    honest = received - timedelta(minutes=5)
    assert sent_at(honest, received, NOW) == honest
    assert sent_at(NOW + timedelta(days=1), received, NOW) == received
    assert sent_at(received - timedelta(days=2), received, NOW) == received
    assert sent_at(None, received, NOW) == received
    assert sent_at(honest, None, NOW) == honest
    told = read_mail(mail("Date: Mon, 10 Mar 2025 20:00:00 +0900")).date
    assert told == datetime(2025, 3, 10, 11, tzinfo=UTC)
    for wrong in ("gestern", "Mon, 99 Mar 2025 99:00:00 +0900", ""):
        assert read_mail(mail(f"Date: {wrong}")).date is None


# --- parts ---------------------------------------------------------------------------------------


def parts(*inner: bytes, kind: str = "multipart/mixed") -> bytes:
    body = b"".join(b"--b\r\n" + one + b"\r\n" for one in inner) + b"--b--\r\n"
    return mail(body=body, kind=f"{kind}; boundary=b")


PLAIN = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + "글".encode()
HTML = b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>web</p>"
FILE = (
    b"Content-Type: text/plain; name=a.txt\r\nContent-Disposition: attachment; "
    b'filename="=?utf-8?B?7JiB7IiY7KadLnR4dA==?="\r\n\r\nsecret'
)


def test_plain_text_comes_before_html_and_attachments_are_names_only() -> None:
    found = read_mail(parts(HTML, PLAIN, FILE))
    assert (found.text, found.html, found.attachments) == ("글", False, ("영수증.txt",))
    web = read_mail(parts(HTML, b"Content-Type: text/plain\r\n\r\n  ", FILE))
    assert (web.text, web.html) == ("<p>web</p>", True)
    cut = read_mail(parts(PLAIN, FILE)[:-30])
    assert cut.text == "글"
    forwarded = b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ninner"
    assert read_mail(parts(PLAIN, forwarded)).attachments == ("message/rfc822",)
    nested = mail(body=b"--b\r\n" * 5_000, kind="multipart/mixed; boundary=b")
    assert read_mail(nested).text == ""


@pytest.mark.parametrize(
    ("headers", "what"),
    [
        (["From: a@b.example"], ""),
        (["Auto-Submitted: no"], ""),
        (["Auto-Submitted: auto-replied"], "auto-reply"),
        (["X-Autoreply: yes"], "auto-reply"),
        (["From: MAILER-DAEMON@b.example"], "bounce"),
        (["Precedence: bulk"], "newsletter"),
        (["List-Unsubscribe: <mailto:x@y>"], "newsletter"),
        (["List-Unsubscribe: <mailto:x@y>", "List-Post: <mailto:help@shop.example>"], ""),
    ],
)
def test_what_no_person_wrote(headers: list[str], what: str) -> None:
    assert read_mail(mail(*headers)).automatic == what


# --- history -------------------------------------------------------------------------------------

OWN = "아직도 안 왔어요."


@pytest.mark.parametrize(
    "history",
    [
        "-----Original Message-----\nFrom: a\nSent: b\n옛날 글",
        "----- 원본 메일 -----\n보낸사람: a\n옛날 글",
        "보낸 사람: 고객센터 <help@shop.example>\n보낸 날짜: 3월 9일\n받는 사람: 민아\n\n옛날",
        "From: Help\nSent: Monday\nTo: Mina\nSubject: Re\n\n옛날 글",
        "On Mon, 10 Mar 2025 at 09:00, Help <help@shop.example> wrote:\n> 옛날 글\n> 둘",
        "On Mon, 10 Mar 2025 at 09:00, Help\n<help@shop.example> wrote:\n\n> 옛날 글",
        "2025년 3월 10일 (월) 오전 9:00, 고객센터 <help@shop.example>님이 작성:\n\n> 옛날 글",
        "> 옛날 글\n>> 더 옛날 글",
        "-- \n김민아\n010-0000-0000",
        "-- \n김민아\n\nOn Mon, Help wrote:\n> 옛날 글",
        "나의 iPhone에서 보냄",
        "Sent from my Galaxy",
        "________________________________\nFrom: Help",
    ],
)
def test_history_and_signatures_are_cut(history: str) -> None:
    assert own_words(f"{OWN}\n\n{history}\n") == OWN


def test_answers_below_and_between_quotes_stay() -> None:
    below = (
        "On Mon, 10 Mar 2025, Help wrote:\n> 받으셨나요?\n\n아니요.\n> 언제 주문하셨나요?\n어제요."
    )
    assert own_words(below) == "아니요.\n어제요."


def test_what_would_leave_nothing_stays_whole() -> None:
    forwarded = "-----Original Message-----\nFrom: a\n글"
    assert own_words(forwarded) == forwarded
    assert own_words("> nur Zitat") == "> nur Zitat"


@pytest.mark.parametrize(
    "text",
    [
        "From: 서울에서 왔어요",
        "On time delivery would be nice, she wrote: please",
        "가격은 3 > 2 입니다",
        "제목: 문의\n본문입니다",
        "--\n표 아래\n--",
    ],
)
def test_ordinary_text_is_not_taken_for_history(text: str) -> None:
    assert text.partition("\n")[0] in own_words(text)


def test_history_in_markup_is_cut() -> None:
    own = "<div>아직도 안 왔어요</div>"
    for history in (
        '<div class="gmail_quote">옛날</div>',
        '<blockquote type="cite">옛날</blockquote>',
        '<div id="divRplyFwdMsg">옛날</div>',
        "<p>-----Original Message-----</p>",
        "<p><b>보낸 사람:</b> 고객센터</p>",
    ):
        kept = own_markup(own + history + "<p>end</p>")
        assert "옛날" not in kept
        assert "안 왔어요" in kept
    whole = '<style>p{}</style><div class="gmail_quote">전달</div>'
    assert own_markup(whole) == whole


def test_patterns_stay_quick_on_hostile_text() -> None:
    for text in (
        "On " + "a " * 50_000,
        "> " * 50_000,
        "<div " * 50_000,
        "-" * 200_000,
        "-" * 19 + " " * 50_000,
        "2025 " * 9_000,
    ):
        own_words(text)
        assert own_markup(text)


def test_folders_in_korean() -> None:
    assert folder_name("INBOX") == '"INBOX"'
    assert folder_name("A&B") == '"A&-B"'
    assert folder_name("받은메일함") == '"&vBvHQLpUx3zVaA-"'
    assert folder_name('a"b\\') == '"a\\"b\\\\"'
