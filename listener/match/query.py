"""Turns a brand's words into patterns: what is looked for in folded text, and what may stand
beside it.

Before matching: ``compile_terms`` gives the ``matcher`` its patterns, ``validate_brand`` tells a
person what is wrong with the words they typed, ``terms_version`` says when mentions have to be
matched again.

What counts as an occurrence:

- A **name** (name, alias, any-term) stands between borders. Hangul may not touch a Hangul syllable
on the left. On the right stands nothing, punctuation, space, or a chain of Korean particles and a
border after it: 애플이, 애플에서만, 애플은요 are 애플; 애플워치, 애플페이, 애플스토어, 애플TV,
이마트24 are other words unless listed as an alias. Latin letters and digits stand as whole words,
which Korean particles may follow (Apple이, K9은). - A **hashtag** is the whole tag;
``#누리마켓추천`` is not ``#누리마켓``. A **handle** is the whole handle after ``@``. - **all-**
and **none-terms** give the context, so Hangul may be part of a longer word (배송 in 배송지연);
Latin words are whole words here too. - Case does not count, except for names of two or three
capitals alone (GS, LG, KT), which as small letters are something else. Full-width forms are the
same letters. - One space inside a name does not count: "누리 마켓" finds 누리마켓, and a name of
at least four syllables without a space, or with a change of script (LG전자), is found with one.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from hashlib import blake2b

from listener.errors import InvalidInput
from listener.text import clean
from listener.types import Brand

RULES = "1"  # part of every terms_version: raise it when the meaning of a term changes
MAX_TERM = 100
MAX_TERMS = 500

# --- folding -------------------------------------------------------------------------------------

# str.lower() keeps the length for every character but İ; the rest is width, sigma, quotes.
_WIDE = {
    **{code: unicodedata.normalize("NFKC", chr(code)).lower() for code in range(0xFF01, 0xFF5F)},
    0x03C2: "σ",
    0x2018: "'",
    0x2019: "'",
    0x00A0: " ",
    0x3000: " ",
    0x09: " ",
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),
}
_HAS_WIDE = re.compile("[\uff01-\uff5e\u03c2\u2018\u2019\u00a0\u3000\t\ud800-\udfff]")


def fold(text: str) -> str:
    """The text for comparison, of the same length: lower case, half-width, one kind of space.

    Offsets in the result are offsets in ``text``. Only what maps one character to one is folded: ß
    stays ß. A line break is a space, the empty line between two paragraphs is not.
    """
    if "\n" in text:
        text = text.replace("\n\n", "\r\r").replace("\n", " ")
    if text.isascii():
        return text.lower()
    text = text.replace("\u0130", "i").lower()
    return text.translate(_WIDE) if _HAS_WIDE.search(text) else text


def same_case(text: str) -> str:
    """The text with full-width letters made half-width and their case kept, of the same length."""
    return unicodedata.normalize("NFKC", text) if not text.isascii() else text


# --- characters and borders ----------------------------------------------------------------------


class Script(IntEnum):
    """What a character is to its neighbours."""

    OTHER = 0  # punctuation, space, emoji, ㅋㅋ: a border
    WORD = 1  # letters of scripts with spaces, digits, underscore
    HANGUL = 2  # syllables
    KATAKANA = 3
    SOLID = 4  # Han, Hiragana, Thai …: written without spaces, so any neighbour will do


_SOLID = (
    "\u3005-\u3007\u3041-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
    "\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff"
)
_JAMO = "\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\ud7b0-\ud7ff"
_SCRIPTS = (
    (Script.KATAKANA, re.compile("[\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9d]")),
    (Script.SOLID, re.compile(f"[{_SOLID}]")),
    (Script.OTHER, re.compile(f"[{_JAMO}]")),
)


def script(char: str) -> Script:
    """The script class of one character."""
    if "가" <= char <= "힣":
        return Script.HANGUL
    if char < "\x80":
        return Script.WORD if char.isalnum() or char == "_" else Script.OTHER
    for kind, pattern in _SCRIPTS:
        if pattern.match(char):
            return kind
    if char.isalpha() or char.isdecimal() or unicodedata.category(char) in ("Mn", "Mc"):
        return Script.WORD if char != "\ufe0f" else Script.OTHER
    return Script.OTHER


# --- Korean particles ----------------------------------------------------------------------------

# What may follow a name, glued to it. Agreement with the last sound (이/가, 은/는, 을/를, 와/과)
# is not asked for, since people mistype it; only where the wrong form spells another word
# (농심라면 is noodles) the right one is. Left out on purpose: 고, 면, 지 for "is" (신라면, 하나고
# are other names).
_PERSON = "님 들 님들 측 쪽"
_SIMPLE = (
    "이 가 은 는 을 를 의 야말로 이야말로 여 이여 커녕 은커녕 는커녕 하고 하고는 하고도 이나 "
    "이나마 "
    "이든 이든지 이라든지 이라든가 이라던가 라든지 라든가 라던가 거 꺼"
)
_PLACE = (
    "에 에서 에게 에게서 한테 한테서 께 께서 로 으로 로서 으로서 로써 으로써 와 과 랑 이랑 "
    "부터 까지 보다 처럼 만큼 대로 같이 마다 에서부터 에까지 로부터 으로부터 에게로 더러 보고 "
    "에다 에다가"
)
_AFTER_PLACE = (
    "는 은 도 만 의 나 이나 라도 이라도 조차 마저 밖에 뿐 까지 부터 보다 처럼 "
    "만의 만은 만이 만을 만도 까지도 까지는"
)
_SHORT = "에선 에겐 한텐 께선 까진 보단 부턴 으론 에서부턴 에선요"  # for 에서는, 에게는 …
_FOCUS = "도 만 마저 조차 밖에 뿐 라도 이라도 만이라도 까지라도 치고 말고"
_AFTER_FOCUS = {
    "만": "이 은 을 의 으로 으로는 으로도 도 이라도 큼은",
    "뿐": "만 만아니라 아니라 이 이다 입니다 이에요 이고",
    "밖에": "는 도",
    "마저": "도",
    "조차": "도",
    "말고": "도 는",
}
_AFTER_LIMIT = "이 가 을 를 이라도 라도"  # after 까지, 부터, 에서, 만큼, 보다
_DEPENDENT = (
    "때문 때문에 때문에도 때문인지 때문이다 때문이에요 때문입니다 덕분 덕분에 덕에 "
    "같은 같은데 같아요"
)
_COPULA = (
    "이다 이고 이고요 이며 이면 이면서 이라 이라고 이라고는 이라고도 이라고요 이라는 이라서 이라면 "
    "이라니 이란 이라며 이라던데 이냐 이냐고 이니 이니까 이니까요 이네 이네요 이에요 이예요 "
    "예요 에요 "
    "이요 요 이죠 이지 이지만 이지요 이던 이던데 이든가 이어서 이었다 이었고 이었는데 이었던 "
    "이었음 "
    "이었어요 이었습니다 이였다 이야 이거든요 여서 였다 였고 였는데 였던 였음 였어요 였습니다 "
    "인 인데 인데요 인데도 인지 인지라 인가 인가요 인걸 인듯 인줄 일 일까 일까요 일지 일지도 "
    "입니다 입니다만 입니까 임 임에도 라고 라고는 라고도 라고요 라는 라서 라니"
)
_VOWEL_ONLY = "나 다 라 라면 네 네요 죠 지만 지요 란 라며 며 니까 던데 든지 야 거든요"
_CLOSED_ONLY = "아"


def _endings() -> Iterator[tuple[str, str]]:
    """Every chain of particles, and the names it may follow: "" any, "v" in a vowel, "c" not."""
    copula = _COPULA.split()
    chains = {*_SIMPLE.split(), *_SHORT.split(), *_DEPENDENT.split(), *copula}
    chains |= {*_PLACE.split(), *_FOCUS.split()}
    chains |= {place + after for place in _PLACE.split() for after in _AFTER_PLACE.split()}
    chains |= {head + after for head, tails in _AFTER_FOCUS.items() for after in tails.split()}
    for limit in ("까지", "부터", "에서", "만큼", "보다"):
        chains |= {limit + after for after in _AFTER_LIMIT.split()}
    for head in ("까지", "부터", "만", "뿐", "에서", "한테", "처럼", "에게"):
        chains |= {head + verb for verb in copula if verb[0] in "이인일입임"}
    # Politeness after any of them (애플은요, 애플에서만요), where it does not spell a word (가요:
    # pop song).
    chains |= {
        chain + "요" for chain in chains - {"가"} if chain[-1] in "은는이가도만서게테로지터다를을의"
    }
    for chain in chains:
        yield chain, ""
    for chain in _VOWEL_ONLY.split():
        yield chain, "v"
    for chain in _CLOSED_ONLY.split():
        yield chain, "c"
    persons = _PERSON.split()
    for person in persons:
        yield person, ""
        for chain in chains:
            yield person + chain, ""


@lru_cache(maxsize=1)
def particles() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Chains of particles that may follow any name, a name ending in a vowel, one ending in a
    consonant.

    A name that does not end in Hangul (GS, 11) takes all three.
    """
    groups: dict[str, set[str]] = {"": set(), "v": set(), "c": set()}
    for chain, kind in _endings():
        groups[kind].add(chain)
    anything = groups[""]
    return (
        frozenset(anything | groups["v"] | groups["c"]),
        frozenset(anything | groups["v"]),
        frozenset(anything | groups["c"]),
    )


def endings_after(last: str) -> frozenset[str]:
    """The chains of particles that may follow a name whose last character is ``last``."""
    everything, vowel, closed = particles()
    if script(last) is not Script.HANGUL:
        return everything
    return closed if (ord(last) - 0xAC00) % 28 else vowel


# --- terms ---------------------------------------------------------------------------------------


class Role(IntEnum):
    """What a term does for a brand."""

    NAME = 0
    HASHTAG = 1
    HANDLE = 2
    CONTEXT = 3  # all- and none-terms


@dataclass(frozen=True, slots=True)
class Term:
    """One usable term: what is looked for (folded, one space for a gap), and what is shown."""

    role: Role
    folded: str
    shown: str
    cased: str | None = None  # set when case counts: the only spelling that will do

    @property
    def patterns(self) -> tuple[str, ...]:
        """The folded spellings of the term: with and without spaces inside."""
        if self.role in (Role.HASHTAG, Role.HANDLE):
            return (self.folded,)
        return tuple(dict.fromkeys(_spellings(self.folded)))


def compile_terms(brand: Brand) -> tuple[Term, ...]:
    """The usable names, hashtags and handles of a brand, without those ``validate_brand`` "
    "finds wrong."""
    return _distinct(
        _term(role, typed)
        for _, role, typed in _typed(brand)
        if role is not Role.CONTEXT and _fault(role, typed) is None
    )


def compile_context(typed: tuple[str, ...]) -> tuple[Term, ...]:
    """The usable terms among all-terms or none-terms."""
    return _distinct(
        _term(Role.CONTEXT, word) for word in typed if _fault(Role.CONTEXT, word) is None
    )


def _distinct(terms: Iterable[Term]) -> tuple[Term, ...]:
    first: dict[tuple[Role, str, str | None], Term] = {}
    for term in terms:
        first.setdefault((term.role, term.folded, term.cased), term)
    return tuple(first.values())


def _typed(brand: Brand) -> Iterator[tuple[str, Role, str]]:
    """(field, role, word) for each word of a brand; a name typed with # or @ is a hashtag or "
    "handle."""
    names = [("name", brand.name)]
    names += [("aliases", word) for word in brand.aliases]
    names += [("any_terms", word) for word in brand.any_terms]
    marks = {"#": Role.HASHTAG, "＃": Role.HASHTAG, "@": Role.HANDLE}
    for place, word in names:
        yield place, marks.get(word.strip()[:1], Role.NAME), word
    for word in brand.hashtags:
        yield "hashtags", Role.HASHTAG, word
    for word in brand.handles:
        yield "handles", Role.HANDLE, word
    for place, words in (("all_terms", brand.all_terms), ("none_terms", brand.none_terms)):
        for word in words:
            yield place, Role.CONTEXT, word


def _plain(role: Role, typed: str) -> str:
    word = " ".join(clean(typed, html=False).split())
    if role is Role.HASHTAG:
        return word.lstrip("#＃")
    if role is Role.HANDLE:
        return word.lstrip("@")
    return word


def _term(role: Role, typed: str) -> Term:
    word = _plain(role, typed)
    folded = fold(word)
    if role is Role.HASHTAG:
        return Term(role, "#" + folded, "#" + word)
    if role is Role.HANDLE:
        return Term(role, "@" + folded, "@" + word)
    cased = same_case(word)
    initials = cased.isascii() and cased.isalpha() and cased.isupper() and len(cased) <= 3
    return Term(role, folded, word, cased if initials else None)


def _spellings(folded: str) -> Iterator[str]:
    yield folded
    gaps = [at for at, char in enumerate(folded) if char == " "]
    if gaps:
        yield folded.replace(" ", "")
        if len(gaps) <= 4:  # each gap may be closed on its own
            for choice in range(1, 2 ** len(gaps) - 1):
                closed = {at for bit, at in enumerate(gaps) if choice >> bit & 1}
                yield "".join(char for at, char in enumerate(folded) if at not in closed)
        return
    scripts = [script(char) for char in folded]
    hangul = all(kind is Script.HANGUL for kind in scripts)
    if len(folded) < 4:
        return
    for at in range(1, len(folded)):
        change = {scripts[at - 1], scripts[at]} == {Script.HANGUL, Script.WORD}
        if hangul or change:
            yield f"{folded[:at]} {folded[at:]}"


# --- validation ----------------------------------------------------------------------------------


class InvalidTerm(InvalidInput):
    """One word of a brand cannot be used. ``reason`` is what a screen translates by.

    Reasons: empty, too-short, too-long, no-letters, has-space, excludes-itself, too-many.
    """

    def __init__(self, message: str, *, field: str, term: str, reason: str, hint: str) -> None:
        super().__init__(message, field=field, hint=hint)
        self.term = term
        self.reason = reason


_FAULTS = {
    "empty": ("An empty term finds nothing.", "Type a word, or remove the line."),
    "too-short": (
        "“{term}” is too short: one character is found everywhere.",
        "Use at least two characters, or add it as a hashtag.",
    ),
    "too-long": (
        f"This term is longer than {MAX_TERM} characters.",
        "Use the name itself rather than a sentence.",
    ),
    "no-letters": ("“{term}” has no letter or digit.", "Use a word."),
    "has-space": (
        "“{term}” has a space or a sign that a hashtag or handle cannot have.",
        "Write it as one word, or add it as an alias.",
    ),
    "excludes-itself": (
        "“{term}” is part of the brand's own words and would exclude what names it.",
        "Remove it from the words to exclude.",
    ),
    "too-many": (
        f"A brand can have at most {MAX_TERMS} terms.",
        "Remove some, or make a second brand.",
    ),
}
_TAG = re.compile(r"[\w·]+")
_HANDLE = re.compile(r"\w[\w.-]*(?:@[\w.-]+)?")


def _fault(role: Role, typed: str) -> str | None:
    word = _plain(role, typed)
    if not word:
        return "empty"
    if len(word) > MAX_TERM:
        return "too-long"
    if not any(char.isalnum() for char in word):
        return "no-letters"
    if role is Role.HASHTAG:
        return None if _TAG.fullmatch(word) else "has-space"
    if role is Role.HANDLE:
        return None if _HANDLE.fullmatch(word) else "has-space"
    return "too-short" if len(word) < 2 else None


def validate_brand(brand: Brand) -> list[InvalidInput]:
    """What is wrong with a brand's words: one InvalidTerm each, in the order of the form.

    Empty when all is well.
    """
    found: list[InvalidInput] = []
    terms = compile_terms(brand)
    for count, (place, role, typed) in enumerate(_typed(brand), start=1):
        reason = _fault(role, typed)
        if reason is None and place == "none_terms":
            word = _term(role, typed).folded
            wanted = [term.folded for term in terms if term.role is Role.NAME]
            wanted += [term.folded for term in compile_context(brand.all_terms)]
            reason = "excludes-itself" if any(_within(word, name) for name in wanted) else None
        if reason is None and count == MAX_TERMS + 1:
            reason = "too-many"
        if reason:
            message, hint = _FAULTS[reason]
            term = _plain(role, typed)[:MAX_TERM]
            message = message.format(term=term)
            found.append(InvalidTerm(message, field=place, term=term, reason=reason, hint=hint))
    return found


def _within(word: str, name: str) -> bool:
    """Whether a text with ``name`` has the none-term ``word`` too."""
    if script(word[0]) is Script.HANGUL:
        return word in name or word.replace(" ", "") in name.replace(" ", "")
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", name) is not None


def terms_version(brand: Brand) -> str:
    """16 hex digits that change when, and only when, the brand may match other texts than before.

    Order, doubles, the brand's id and ``competitor`` do not count; the version of the rules does.
    """
    words = {
        "names": sorted({(t.role, t.folded, t.cased or "") for t in compile_terms(brand)}),
        "all": sorted({(t.folded, t.cased or "") for t in compile_context(brand.all_terms)}),
        "none": sorted({(t.folded, t.cased or "") for t in compile_context(brand.none_terms)}),
    }
    data = json.dumps([RULES, words], ensure_ascii=True, sort_keys=True).encode()
    return blake2b(data, digest_size=8).hexdigest()
