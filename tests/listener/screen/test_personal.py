"""Personal data is found with its right kind, masked in place, and nothing else is."""

from __future__ import annotations

import pytest

from listener.screen.personal import find_personal, mask, mask_all
from listener.types import PersonalKind

K = PersonalKind


@pytest.mark.parametrize(
    ("text", "kind", "found", "masked"),
    [
        ("900101-1234568이에요", K.RESIDENT, "900101-1234568", "90****-*******이에요"),
        ("외국인 900101-5234561", K.RESIDENT, "900101-5234561", "외국인 90****-*******"),
        ("9001011234568", K.RESIDENT, "9001011234568", "90***********"),
        ("아기 221122-3123456", K.RESIDENT, "221122-3123456", "아기 22****-*******"),
        (
            "카드 4111-1111-1111-1111로",
            K.CARD,
            "4111-1111-1111-1111",
            "카드 ****-****-****-1111로",
        ),
        ("제 번호는 010-1234-5678요", K.PHONE, "010-1234-5678", "제 번호는 010-****-****요"),
        ("01012345678로 연락", K.PHONE, "01012345678", "010********로 연락"),
        ("02)123-4567", K.PHONE, "02)123-4567", "02)1**-****"),
        ("+82 10-1234-5678", K.PHONE, "+82 10-1234-5678", "+82 1*-****-****"),
        ("call (415) 555-0132", K.PHONE, "(415) 555-0132", "call (415) ***-****"),
        ("국민은행 123456-01-234567", K.ACCOUNT, "123456-01-234567", "국민은행 ******-**-******"),
        ("계좌번호 110-123-456789로", K.ACCOUNT, "110-123-456789", "계좌번호 ***-***-******로"),
        (
            "GB82 WEST 1234 5698 7654 32",
            K.ACCOUNT,
            "GB82 WEST 1234 5698 7654 32",
            "**** **** **** **** **** **",
        ),
        ("hong.gd@example.com로", K.EMAIL, "hong.gd@example.com", "h******@example.com로"),
        ("여권번호 M12345678", K.PASSPORT, "M12345678", "여권번호 *********"),
        ("면허 11-12-345678-90", K.LICENCE, "11-12-345678-90", "면허 **-**-******-**"),
        ("SSN 078-05-1120", K.SSN, "078-05-1120", "SSN ***-**-****"),
        (
            "서울특별시 강남구 테헤란로 123, 4동 501호로",
            K.ADDRESS,
            "테헤란로 123, 4동 501호",
            "서울특별시 강남구 **** **** ** ****로",
        ),
        ("서울 강남구 역삼동 123-45", K.ADDRESS, "역삼동 123-45", "서울 강남구 *** ******"),
        ("at 12 Elm Street, Apt 4", K.ADDRESS, "12 Elm Street, Apt 4", "at ** *** ******* *** *"),
    ],
)
def test_each_kind(text: str, kind: PersonalKind, found: str, masked: str) -> None:
    (one,) = find_personal(text)
    assert (one.kind, text[one.start : one.end]) == (kind, found)
    assert mask(text) == masked
    assert len(masked) == len(text)


@pytest.mark.parametrize(
    "text",
    [
        "카드 4111 1111 1111 1112",  # wrong check digit
        "900101-1234560",  # wrong check digit
        "991332-1234567",  # no such day
        "1588-1234 고객센터",  # a company's
        "주문번호 20261122-1234567",
        "주문번호 2026112212345678",
        "운송장 123456789012",
        "가격 1,234,567원",
        "2026-11-22 12:30:44",
        "IP 192.168.100.101",
        "사업자 123-45-67890",
        "내일 서울시 강남구 가로수길 3개 매장",
        "3시 30분 부산 해운대로 갔다",
        "@brand 배송 언제 와요",
        "배송이 늦어요",
    ],
)
def test_what_is_nobodys_own_stays(text: str) -> None:
    assert find_personal(text) == []
    assert mask(text) == text


def test_several_in_one_text_keep_their_kinds_and_places() -> None:
    text = "홍길동 010-1234-5678, hong@example.com, 카드 4111111111111111"
    kinds = [one.kind for one in find_personal(text)]
    assert kinds == [K.PHONE, K.EMAIL, K.CARD]
    assert mask(text) == "홍길동 010-****-****, h***@example.com, 카드 ************1111"


def test_only_the_kinds_asked_for() -> None:
    text = "010-1234-5678 hong@example.com 4111111111111111"
    assert mask(text, {K.EMAIL}) == "010-1234-5678 h***@example.com 4111111111111111"
    # The card is a card even where cards may stay: it does not turn into a phone number.
    assert mask(text, {K.PHONE}) == "010-****-**** hong@example.com 4111111111111111"


def test_a_record_is_masked_to_its_depth() -> None:
    record = {"text": "010-1234-5678", "n": 3, "user": {"mails": ["a@example.com", None]}}
    assert mask_all(record) == {
        "text": "010-****-****",
        "n": 3,
        "user": {"mails": ["a@example.com", None]},
    }


def test_a_hostile_text_costs_no_time() -> None:
    for unit in ("1", "1-", "a@", "서울 ", "강남구 ", "0 ", "로 1 "):
        assert find_personal(unit * 20_000) == []
