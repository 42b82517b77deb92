"""Alerts as mails, over a real SMTP server: subject, picture, buttons, TLS, login, failures."""

from __future__ import annotations

import io
from datetime import timedelta
from email.message import EmailMessage

import pytest
from PIL import Image

from listener.alert.services import build_address
from listener.store import outbox
from office import Office
from smtpserver import PASSWORD, USER, MailServer, free_port

DAY = timedelta(days=1)


def _address(port: int, security: str = "insecure", *, verify: bool = True, **more: str) -> str:
    typed = {
        "server": "127.0.0.1",
        "port": str(port),
        "security": security,
        "from": "listener@shop.example",
        "to": "minji@shop.example",
    }
    return build_address("email", typed | more) + ("" if verify else "&verify=no")


def _html(letter: EmailMessage) -> str:
    part = letter.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def test_a_mail_has_a_korean_subject_a_picture_and_buttons(office: Office) -> None:
    with MailServer() as post:
        office.tell(_address(post.port))
        office.deliver()
    assert office.attempts()[0].reason == ""
    (letter,) = post.letters
    assert letter["subject"] == "[급증] 하늘상회 배송 불만 18건, 평소의 12배"
    assert (letter["from"], letter["to"]) == ("listener@shop.example", "minji@shop.example")
    assert letter["x-listener-message-id"] == office.message().message_id
    assert letter["references"] == f"<alert-{office.alert_id}@listener.invalid>"
    shown = _html(letter)
    assert "택배 파손" in shown
    assert "<img src='cid:chart.png'" in shown
    assert "/acknowledge/" in shown
    assert ">확인했어요</a>" in shown
    plain = letter.get_body(("plain",))
    assert plain is not None
    assert "택배 파손" in plain.get_content()
    (picture,) = [part for part in letter.walk() if part.get_content_type() == "image/png"]
    assert picture["content-id"] == "<chart.png>"
    image = Image.open(io.BytesIO(picture.get_payload(decode=True)))
    assert image.size == (1080, 760)


def test_what_people_wrote_does_nothing_in_a_mail(office: Office) -> None:
    evil = office.alert("<script>alert(1)</script> & 'Co'")
    with MailServer() as post:
        office.alert_id = evil
        office.tell(_address(post.port))
        office.deliver()
    shown = _html(post.letters[0])
    assert "<script>" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &#x27;Co&#x27;" in shown


@pytest.mark.parametrize("security", ["starttls", "ssl"])
def test_over_tls_with_a_login(office: Office, security: str) -> None:
    with MailServer(tls=security, login=True) as post:
        office.tell(_address(post.port, security, verify=False, user=USER, password=PASSWORD))
        office.deliver()
    assert office.message().state == "sent", office.attempts()[0].reason
    assert (post.logins, post.secured, len(post.letters)) == ([True], [True], 1)


def test_a_certificate_that_nobody_signed_is_not_trusted(office: Office) -> None:
    with MailServer(tls="starttls") as post:
        office.tell(_address(post.port, "starttls"))
        office.deliver()
    assert post.letters == []
    assert "CERTIFICATE_VERIFY_FAILED" in office.attempts()[0].reason


def test_a_wrong_password_is_told_and_not_shown(office: Office) -> None:
    with MailServer(login=True) as post:
        office.tell(_address(post.port, user=USER, password="hunter2hunter2"))
        office.deliver()
    (attempt,) = office.attempts()
    assert (office.message().state, post.letters) == ("pending", [])
    assert "535" in attempt.reason
    assert "hunter2" not in attempt.reason


def test_who_has_it_does_not_get_it_again_because_of_somebody_else(office: Office) -> None:
    with MailServer() as post:
        post.refused = {"nobody@shop.example"}
        office.tell(
            _address(post.port, to="minji@shop.example, nobody@shop.example, jun@shop.example")
        )
        office.deliver()
        (attempt,) = office.attempts()
        assert attempt.reason.startswith("2 of 3 have it.")
        assert "550" in attempt.reason
        assert "no such user" in attempt.reason
        assert office.message().state == "pending"
        post.refused = set()
        office.deliver(timedelta(minutes=1))
    assert post.readers == ["minji@shop.example", "jun@shop.example", "nobody@shop.example"]
    assert office.message().state == "sent"


def test_a_server_that_is_down_is_tried_again_given_up_and_replayed(office: Office) -> None:
    port = free_port()
    office.tell(_address(port))
    office.deliver()
    (attempt,) = office.attempts()
    assert office.message().state == "pending"
    assert "refused" in attempt.reason
    for _ in range(8):
        office.deliver(DAY)
    assert office.message().state == "dead"
    assert len(office.attempts()) == 9
    assert office.deliver(DAY) == 0
    with office.services.database.write() as work:
        assert outbox.revive_all(work.session, 1, now=office.services.clock()) == 1
        work.commit()
    with MailServer(port=port) as post:
        office.deliver()
    assert (office.message().state, len(post.letters)) == ("sent", 1)
