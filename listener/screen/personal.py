"""Finds personal data in texts and masks it, before a text is stored or leaves."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from listener.types import PersonalKind


@dataclass(frozen=True, slots=True)
class Personal:
    """Personal data at [start, end), in characters."""

    kind: PersonalKind
    start: int
    end: int


_NO_DIGIT_AFTER: Final = r"(?![\d_])(?![-.,]\d)"

_RESIDENT: Final = re.compile(
    rf"(?<![\d-])(\d{{6}})[ ]?[-\u2010-\u2015]?[ ]?([1-8]\d{{6}}){_NO_DIGIT_AFTER}"
)
_CARD: Final = re.compile(r"(?<![\d-])(?:\d[ -]?){12,18}\d(?![\d-])")
_IBAN: Final = re.compile(r"\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,3})?\b")
_SSN: Final = re.compile(r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])")
_EMAIL: Final = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,4}[A-Za-z]{2,24}(?![A-Za-z0-9-])"
)
# Mobile, area codes, internet telephony (070) and personal numbers (050x). The nation-wide numbers
# of companies (15xx, 16xx, 18xx) and toll-free 080 are nobody's own.
_PHONE_KO: Final = re.compile(
    r"(?<![\d-])(?:(?:\+|00)82[-. ]?\(?0?\)?|\(?0)"
    r"(?:1[016-9]|2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|70|50\d)\)?[-. ~\u2010-\u2015]?"
    rf"\d{{3,4}}[-. ~\u2010-\u2015]?\d{{4}}{_NO_DIGIT_AFTER}"
)
_PHONE_INTERNATIONAL: Final = re.compile(
    r"(?<![\w+])\+(?!82)[1-9]\d{0,2}(?:[-. ()]{0,2}\d){7,12}(?!\d)"
)
_PHONE_US: Final = re.compile(
    r"(?<![\d-])(?:1[-. ])?(?:\([2-9]\d{2}\)[ ]?|[2-9]\d{2}[-.])[2-9]\d{2}[-.]\d{4}(?![\d-])"
)

_BANKS: Final = (
    "국민|신한|우리|하나|농협|기업|카카오|카뱅|토스|케이|새마을|신협|우체국|수협|씨티|제일|대구|부산|"
    "광주|전북|경남|산업|KB|NH|IBK|SC|MG"
)
_ACCOUNT: Final = re.compile(
    rf"(?:계좌(?:번호)?|입금|송금|이체|예금주|(?:{_BANKS})(?:은행|뱅크|금고)?)[^\d\n]{{0,12}}"
    rf"(?P<number>\d{{2,6}}(?:[- ]\d{{1,7}}){{1,4}}|\d{{10,14}}){_NO_DIGIT_AFTER}"
)
_PASSPORT: Final = re.compile(
    r"(?:여권(?:\s?번호)?|passport(?:\s(?:no|number))?)[^A-Za-z0-9\n]{0,8}(?P<number>[A-Z]\d{3}[A-Z0-9]\d{4}|[A-Z]{1,2}\d{7,8})(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_LICENCE: Final = re.compile(
    r"(?<![\d-])(?:1[1-9]|2[0-8]|서울|부산|경기|강원|충북|충남|전북|전남|경북|경남|제주|대구|인천|광주|"
    r"대전|울산)[- ]?\d{2}-\d{6}-\d{2}(?![\d-])"
)

_REGION: Final = (
    "서울|부산|대구|인천|광주|대전|울산|세종|경기|강원|충북|충남|충청북도|충청남도|전북|전남|전라북도|전라남도|"
    "경북|경남|경상북도|경상남도|제주"
)
# Region, district, then a road with its number or a village with its plot; and the flat behind it.
_ADDRESS_KO: Final = re.compile(
    rf"(?:(?:{_REGION})(?:특별자치시|특별자치도|특별시|광역시|도|시)?\s+)?"
    r"(?:[가-힣]{1,6}(?:시|군|구)\s+){1,2}(?P<number>"
    r"(?:[가-힣]{1,6}(?:읍|면)\s+)?"
    r"(?:[가-힣0-9.·]{1,12}(?:대로|로|길)\s?(?:\d{1,3}번?[가나다라]?길\s?)?(?:지하\s?)?\d{1,5}(?:-\d{1,4})?"
    r"|[가-힣0-9]{1,8}(?:동|리|가)\s+(?:산\s?)?\d{1,4}(?:-\d{1,4})?(?:번지)?)"
    r"(?![\d년월일시분원개%])"
    r"(?:[,\s]*(?:\([^)\n]{1,30}\)|[가-힣A-Za-z0-9]{1,15}(?:아파트|빌라|오피스텔|타워|빌딩)))?"
    r"(?:[,\s]*\d{1,4}\s?동)?(?:[,\s]*\d{1,4}\s?호)?(?:[,\s]*\d{1,3}\s?층)?)"
)
_ADDRESS_EN: Final = re.compile(
    r"(?<![\w$€£])(?P<number>\d{1,5}\s(?:[NSEW]\.?\s)?(?:[A-Z][a-z]+\s){1,3}"
    r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Drive|Dr|Lane|Ln|Court|Ct)\b\.?"
    r"(?:,?\s(?:Apt|Suite|Unit|#)\.?\s?\w{1,5})?)"
)

# What a text must hold so that there is anything to find: most texts are done with here.
_ANYTHING: Final = re.compile(
    r"\d{4}|\d[- .)]\s?\d{2}|@|\d\s?(?:호|번지)|[로길]\s?\d|[동리가] \d|\d [A-Z][a-z]"
)

_CARD_BEGINS: Final = frozenset("345689")  # 9 and 8: cards of Korea only
_LAST_CHECKED: Final = date(2020, 10, 1)  # numbers given since have no check digit


def find_personal(text: str, kinds: Collection[str] | None = None) -> list[Personal]:
    """Personal data in a text, in order and without overlaps; of ``kinds`` only, if given.

    Numbers with check digits count only where these are right: resident numbers given before
    October 2020 (weights 2..9, 2..5, modulo 11), cards (Luhn), IBAN (ISO 7064 modulo 97-10).
    """
    if not _ANYTHING.search(text):
        return []
    found: list[Personal] = []
    taken = bytearray(len(text))
    for kind, look in _LOOKS:
        for start, end in look(text):
            if any(taken[start:end]):
                continue
            taken[start:end] = b"\1" * (end - start)
            # What is not asked for is taken all the same, so that a card is not called a phone.
            if kinds is None or kind in kinds:
                found.append(Personal(kind, start, end))
    return sorted(found, key=lambda one: one.start)


def mask(text: str, kinds: Collection[str] | None = None) -> str:
    """The text with its personal data masked. It keeps its length, so that places stay right.

    What tells nobody apart stays: the birth year of a resident number, the first digits of a phone
    number, the last four of a card, the domain of an address, city and district.
    """
    found = find_personal(text, kinds)
    if not found:
        return text
    parts: list[str] = []
    upto = 0
    for one in found:
        parts += text[upto : one.start], _masked(one.kind, text[one.start : one.end])
        upto = one.end
    return "".join([*parts, text[upto:]])


def mask_all(data: Any, kinds: Collection[str] | None = None) -> Any:
    """A record of a source with every text in it masked; keys stay as they are."""
    if isinstance(data, str):
        return mask(data, kinds)
    if isinstance(data, dict):
        return {key: mask_all(value, kinds) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [mask_all(value, kinds) for value in data]
    return data


# --- what there is ----------------------------------------------------------------------------


def _residents(text: str) -> Iterator[tuple[int, int]]:
    for hit in _RESIDENT.finditer(text):
        if _is_resident(hit[1] + hit[2], dashed=hit.end(1) != hit.start(2)):
            yield hit.span()


def _is_resident(digits: str, *, dashed: bool) -> bool:
    sex = int(digits[6])
    year = (1900 if sex in (1, 2, 5, 6) else 2000) + int(digits[:2])
    try:
        born = date(year, int(digits[2:4]), int(digits[4:6]))
    except ValueError:
        return False
    total = sum(
        int(d) * w for d, w in zip(digits, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5), strict=False)
    )
    foreign = 2 if sex >= 5 else 0
    if (11 - total % 11 + foreign) % 10 == int(digits[12]):
        return True
    return dashed and born >= _LAST_CHECKED


def _cards(text: str) -> Iterator[tuple[int, int]]:
    for hit in _CARD.finditer(text):
        digits = re.sub(r"\D", "", hit[0])
        if digits[0] in _CARD_BEGINS and len(set(digits)) > 1 and _luhn(digits):
            yield hit.span()


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _ibans(text: str) -> Iterator[tuple[int, int]]:
    for hit in _IBAN.finditer(text):
        code = hit[0].replace(" ", "")
        if (
            15 <= len(code) <= 34
            and int("".join(str(int(c, 36)) for c in code[4:] + code[:4])) % 97 == 1
        ):
            yield hit.span()


def _accounts(text: str) -> Iterator[tuple[int, int]]:
    for hit in _ACCOUNT.finditer(text):
        # Ten digits or more, and no phone number; a representative number has eight.
        if 10 <= sum(c.isdigit() for c in hit["number"]) <= 16 and not _PHONE_KO.fullmatch(
            hit["number"]
        ):
            yield hit.span("number")


def _numbers(pattern: re.Pattern[str]) -> Callable[[str], Iterator[tuple[int, int]]]:
    return lambda text: (hit.span("number") for hit in pattern.finditer(text))


def _wholes(pattern: re.Pattern[str]) -> Callable[[str], Iterator[tuple[int, int]]]:
    return lambda text: (hit.span() for hit in pattern.finditer(text))


# The surer ones first: what one has taken is not another's.
_LOOKS: Final[tuple[tuple[PersonalKind, Callable[[str], Iterator[tuple[int, int]]]], ...]] = (
    (PersonalKind.EMAIL, _wholes(_EMAIL)),
    (PersonalKind.RESIDENT, _residents),
    (PersonalKind.CARD, _cards),
    (PersonalKind.ACCOUNT, _ibans),
    (PersonalKind.PASSPORT, _numbers(_PASSPORT)),
    (PersonalKind.LICENCE, _wholes(_LICENCE)),
    (PersonalKind.PHONE, _wholes(_PHONE_KO)),
    (PersonalKind.ACCOUNT, _accounts),
    (PersonalKind.SSN, _wholes(_SSN)),
    (PersonalKind.PHONE, _wholes(_PHONE_INTERNATIONAL)),
    (PersonalKind.PHONE, _wholes(_PHONE_US)),
    (PersonalKind.ADDRESS, _numbers(_ADDRESS_KO)),
    (PersonalKind.ADDRESS, _numbers(_ADDRESS_EN)),
)


def _masked(kind: PersonalKind, found: str) -> str:
    if kind is PersonalKind.EMAIL:
        name, at, domain = found.partition("@")
        return name[0] + "*" * (len(name) - 1) + at + domain
    kept = {PersonalKind.RESIDENT: (2, 0), PersonalKind.CARD: (0, 4), PersonalKind.PHONE: (3, 0)}
    first, last = kept.get(kind, (0, 0))
    if kind is PersonalKind.ADDRESS:
        return re.sub(r"\S", "*", found)
    digits = sum(c.isalnum() for c in found)
    parts: list[str] = []
    seen = 0
    for c in found:
        if c.isalnum():
            seen += 1
            parts.append(c if seen <= first or seen > digits - last else "*")
        else:
            parts.append(c)
    return "".join(parts)
