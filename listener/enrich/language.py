"""Tells the language of a text: by script, then by words, by statistics only where these fail."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

UNKNOWN: Final = "und"

# A text's language shows in its beginning; the rest only costs time.
_READ: Final = 1000
_IDENTIFY: Final = 300
_CHUNK: Final = 1024

_OTHER, _LATIN, _HANGUL, _KANA, _HAN, _CYRILLIC, _ARABIC = range(7)
# (first, last, class). Scripts that one language of note uses name it; see _ONE_LANGUAGE.
_RANGES: Final = (
    (0x41, 0x5A, _LATIN), (0x61, 0x7A, _LATIN), (0xC0, 0x24F, _LATIN), (0x1E00, 0x1EFF, _LATIN),
    (0xFF21, 0xFF3A, _LATIN), (0xFF41, 0xFF5A, _LATIN),
    (0x1100, 0x11FF, _HANGUL), (0x3130, 0x318F, _HANGUL), (0xAC00, 0xD7A3, _HANGUL),
    (0x3041, 0x30FA, _KANA), (0x30FD, 0x30FF, _KANA), (0xFF66, 0xFF9D, _KANA),
    (0x3400, 0x4DBF, _HAN), (0x4E00, 0x9FFF, _HAN), (0xF900, 0xFAFF, _HAN),
    (0x400, 0x52F, _CYRILLIC), (0x600, 0x6FF, _ARABIC), (0x750, 0x77F, _ARABIC),
)  # fmt: skip
_ONE_LANGUAGE: Final = (
    (0x370, 0x3FF, "el"), (0x530, 0x58F, "hy"), (0x590, 0x5FF, "he"), (0x900, 0x97F, "hi"),
    (0x980, 0x9FF, "bn"), (0xA00, 0xA7F, "pa"), (0xA80, 0xAFF, "gu"), (0xB00, 0xB7F, "or"),
    (0xB80, 0xBFF, "ta"), (0xC00, 0xC7F, "te"), (0xC80, 0xCFF, "kn"), (0xD00, 0xD7F, "ml"),
    (0xD80, 0xDFF, "si"), (0xE00, 0xE7F, "th"), (0xE80, 0xEFF, "lo"), (0x1000, 0x109F, "my"),
    (0x10A0, 0x10FF, "ka"), (0x1780, 0x17FF, "km"),
)  # fmt: skip
_CLASSES: Final = 7 + len(_ONE_LANGUAGE)

# Letters that only one of the languages of a script has.
_CYRILLIC_MARKS: Final = (
    ("uk", re.compile("[іїєґІЇЄҐ]")),
    ("be", re.compile("[ўЎ]")),
    ("sr", re.compile("[ђћџЂЋЏјЈ]")),
    ("kk", re.compile("[әғқңұһӘҒҚҢҰҺ]")),
)
_ARABIC_MARKS: Final = (("ur", re.compile("[ٹڈڑںے]")), ("fa", re.compile("[پچژگ]")))

# What identification by statistics may answer: the languages people post in on the sources we read.
# All 140 of the model make nonsense of short texts ("ok" is Breton).
_PLAUSIBLE: Final = (
    "en", "es", "pt", "fr", "de", "it", "nl", "id", "vi", "tr", "pl", "sv", "da", "no", "fi", "cs",
    "ro", "hu", "tl",
)  # fmt: skip
# Below this the model guesses. Up to three words it needs to be surer.
_SURE: Final = 0.4
_SURE_SHORT: Final = 0.6

# Words that, among the plausible languages, are English or at least say nothing against it.
_ENGLISH: Final = frozenset(
    """
    no
    the and this that these those with without from they their there them you your yours we our ours
    it its it's i'm i've i'd i'll he she his her what when where which who why how because would
    could should can't cannot don't doesn't didn't won't wasn't isn't aren't couldn't haven't hasn't
    been being have has had having does did was were are not very too really just only even still
    ever never always again already yet than then into onto about after before over under between
    through during while until since my mine any some every each other another much many more most
    less least all none both few own same such of to for by or if as at be do is good great best
    better bad worse worst nice love loved loves like liked hate hated awful terrible horrible
    excellent amazing awesome perfect poor broken broke slow fast quick late early cheap expensive
    worth waste money price refund refunds order ordered orders delivery delivered deliver shipping
    shipped arrived arrive package parcel courier customer support service quality product products
    item items works work worked working stopped stop keeps keep crash crashes crashed crashing bug
    bugs buggy update updated updates login logged account phone screen battery website site app
    apps download downloaded install installed payment paid pay card charged charge charges cancel
    cancelled canceled subscription return returned returns replace replaced replacement wrong
    missing damaged late waiting wait waited days weeks months hours minutes day week month hour buy
    bought buying purchase purchased use used using useful useless easy easily hard difficult help
    helpful helped thanks thank please sorry happy unhappy disappointed disappointing disappointment
    recommend recommended highly highly everyone everything nothing something anything anyone nobody
    people friendly rude staff store shop again today yesterday tomorrow now soon first last second
    time times year years ago got get gets getting go goes going went gone come came make makes made
    making take took give gave given want wanted need needed needs know knew think thought say said
    says tell told see saw seen look looks looking feel feels felt try tried trying find found seems
    works' still cool fine okay ok wow lol omg yes yeah nope fun funny beautiful cute ugly new old
    big small little high low long short same different problem problems issue issues error errors
    fix fixed complaint complain scam fraud fake ripoff avoid beware stay away response respond
    responded reply replied contact contacted call called email emailed answer answered size fits
    fit colour color material smell taste tastes food clean dirty cold hot noisy quiet
    """.split()
)
# English words that German, French, Spanish or Italian use or spell alike: on their own they prove
# nothing.
_SHARED: Final = frozenset(
    """
    no app apps service support website site screen update login download email online shop store
    price product terrible horrible excellent fun cool problem error bug fan super account team card
    by was do has as me so on in to for all fast first new old big small low long short time made
    come gold stop order help wow lol omg ok okay
    """.split()
)
# Frequent words of its neighbours, none of them English.
_FOREIGN: Final = frozenset(
    """
    der die das und ist nicht ich ein eine einen mit auf sehr von zu den dem sind wir sie aber
    auch wie noch nur bei le la les des est et un une pas je il elle nous vous que qui pour dans
    sur avec de tout bien mais très trop el los las es y muy por para con del lo se como pero está
    más mi su al o os um uma não muito com em na da que é mais meu minha di che non per molto sono
    della questo questa è ho het een niet van ik dat op te zijn voor maar ook naar yang dan ini
    itu tidak saya untuk dengan ada sudah bagus nya bir ve bu çok için ama değil daha nie jest się
    na że jak ale bardzo och är det inte jag att som på en av til og ikke jeg på ei
    """.split()
)
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_NOT_WORDS: Final = re.compile(r"https?://\S+|www\.\S+|[@#][\w.\-]+|\S+@\S+\.\w+")
_MAYBE_NOT_WORDS: Final = re.compile(r"[@#]|://|www\.")


class LanguageDetector:
    """Detects languages. Tables and statistical model are built on first use."""

    def detect(self, text: str) -> str:
        """ISO 639-1 code, or "und" where it cannot be told."""
        return self.detect_batch([text])[0]

    def detect_batch(self, texts: Sequence[str]) -> list[str]:
        """The language of each text, in order."""
        found: list[str] = []
        for start in range(0, len(texts), _CHUNK):
            found += self._chunk([_words_only(t[:_READ]) for t in texts[start : start + _CHUNK]])
        return found

    def _chunk(self, texts: list[str]) -> list[str]:
        counts = self._script_counts(texts).tolist()
        return [self._decide(text, row) for text, row in zip(texts, counts, strict=True)]

    def _script_counts(self, texts: list[str]) -> NDArray[np.int64]:
        """Letters by script class, shape (texts, classes)."""
        codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype="<u4")
        classes = self._table[np.minimum(codes, 0xFFFF)]
        rows = np.repeat(np.arange(len(texts)), [len(t) for t in texts])
        flat = np.bincount(rows * _CLASSES + classes, minlength=len(texts) * _CLASSES)
        return flat.reshape(len(texts), _CLASSES)

    @cached_property
    def _table(self) -> NDArray[np.int64]:
        table = np.zeros(0x10000, dtype=np.int64)
        for first, last, group in _RANGES:
            table[first : last + 1] = group
        table[[0xD7, 0xF7]] = (
            _OTHER  # the signs of multiplication and division lie among the letters
        )
        for index, (first, last, _) in enumerate(_ONE_LANGUAGE, start=7):
            table[first : last + 1] = index
        return table

    def _decide(self, text: str, counts: list[int]) -> str:
        latin, hangul, kana, han = counts[_LATIN], counts[_HANGUL], counts[_KANA], counts[_HAN]
        rest = max(counts[_CYRILLIC:])
        if not (hangul or kana or han or rest):
            return self._latin(text) if latin else UNKNOWN
        # A syllable or an ideograph says about as much as three letters.
        other = max(hangul * 3, (kana + han) * 3, rest)
        # Product names and slang put Latin into any text, so the other script wins unless the Latin
        # part is clearly English and longer ("I love 김치 so much").
        if latin > other and _is_english(text, share=0.3):
            return "en"
        if latin > other and _is_foreign(text):
            return self._latin(text)
        if hangul * 3 >= other:
            return "ko"
        if (kana + han) * 3 >= other:
            return "ja" if kana else "zh"
        group = counts.index(rest, _CYRILLIC)
        if group == _CYRILLIC:
            return next((code for code, mark in _CYRILLIC_MARKS if mark.search(text)), "ru")
        if group == _ARABIC:
            return next((code for code, mark in _ARABIC_MARKS if mark.search(text)), "ar")
        return _ONE_LANGUAGE[group - 7][2]

    def _latin(self, text: str) -> str:
        if _is_english(text, share=0.25):
            return "en"
        language, confidence = self._identifier.classify(text[:_IDENTIFY])
        sure = _SURE if text.count(" ") > 2 else _SURE_SHORT
        return str(language) if confidence >= sure else UNKNOWN

    @cached_property
    def _identifier(self) -> LanguageIdentifier:
        # 0.6 s to import and 1.5 s to load (measured 2026-11): only when a text needs it.
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        identifier.set_languages(list(_PLAUSIBLE))
        return identifier


def _words_only(text: str) -> str:
    """Without addresses, handles and hashtags: they tell nothing about the language of the rest."""
    return _NOT_WORDS.sub(" ", text) if _MAYBE_NOT_WORDS.search(text) else text


def _is_foreign(text: str) -> bool:
    """Whether sentences of another Latin language stand around a name in another script.

    One small word may be part of a product's name ("La Mer"), three different ones are not.
    """
    return len({w for w in _WORD.findall(text[:_IDENTIFY].lower()) if w in _FOREIGN}) >= 3


def _is_english(text: str, *, share: float) -> bool:
    words = _WORD.findall(text[:_IDENTIFY].lower().replace("’", "'"))
    latin = [w for w in words if w < "\u0250"]
    known = [w for w in latin if w in _ENGLISH]
    if not known or (len(known) < len(latin) and all(w in _SHARED for w in known)):
        return False
    foreign = sum(w in _FOREIGN for w in latin)
    return len(known) >= share * len(latin) and len(known) > 2 * foreign
