"""Words and pairs of words of short Korean and English texts: what a spike is told in, and the
particles and stop-words that every finder of phrases knows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

WORD = re.compile(r"[가-힣]+|[a-z][a-z0-9]*(?:['’-][a-z0-9]+)*")
NOISE = re.compile(r"https?://\S+|www\.\S+|\S+@\S+\.\S+|@[\w.]+|&[a-z]+;")

# Particles that hardly ever end a noun themselves are always taken off, the others only when the
# rest is met in another form too: 배송이 -> 배송 beside 배송을, but 고양이 stays 고양이.
CLEAR_PARTICLES = (
    "이에요",
    "입니다",
    "이네요",
    "에서부터",
    "으로부터",
    "에서는",
    "에서도",
    "으로는",
    "으로도",
    "에게서",
    "이라고",
    "이라도",
    "한테서",
    "까지",
    "부터",
    "에서",
    "에게",
    "한테",
    "으로",
    "이랑",
    "처럼",
    "보다",
    "만큼",
    "마다",
    "조차",
    "밖에",
    "에는",
    "에도",
    "께서",
    "을",
    "를",
    "은",
    "는",
)
UNCLEAR_PARTICLES = ("이", "가", "에", "의", "도", "만", "로", "와", "과", "랑")
SHORTEST_STEM = 2  # syllables

KOREAN_STOP = frozenset(
    """
    그리고 그런데 그래서 하지만 근데 그냥 너무 정말 진짜 아주 매우 조금 많이 계속 다시 지금 오늘
    어제 내일 이거 그거 저거 이것 그것 저것 여기 거기 저기 우리 저희 제가 내가 나는 저는 이런
    그런 저런 어떤 무슨 있는 없는 있다 없다 있어요 없어요 있습니다 없습니다 합니다 했습니다
    했어요 해요 하는 하고 해서 하면 했는데 하네요 되는 되고 됩니다 됐어요 입니다 이에요 예요 인데
    것 거 수 때 등 및 더 또 왜 뭐 안 못 잘 좀 다 제 같아요 같은 같이 때문에 대해 위해 통해 정도
    역시 이제 아직 벌써 모두 모든 누가 어디 언제 얼마나 혹시
    """.split()
)
ENGLISH_STOP = frozenset(
    """
    a about after again all also am an and any are as at be because been before being but by can
    could did do does doing don't down even for from get got had has have having he her here hers
    him his how i i'm i've if in into is isn't it it's its just like me more most my no nor not
    now of off on once one only or other our out over own really same she should so some still
    such than that that's the their them then there these they this those through to too under
    until up us very was we were what when where which while who why will with would you you're
    your
    """.split()
)
STOP = KOREAN_STOP | ENGLISH_STOP


def split_words(text: str) -> list[str]:
    """Words in order: Hangul runs and Latin words, folded; addresses, handles and numbers go."""
    folded = NOISE.sub(" ", unicodedata.normalize("NFC", text).casefold())
    return [word.replace("’", "'") for word in WORD.findall(folded)]


class Stemmer:
    """Takes trailing particles off Korean words, knowing all the words that occur in ``texts``."""

    def __init__(self, texts: Iterable[Sequence[str]]) -> None:
        forms: dict[str, set[str]] = {}
        for words in texts:
            for word in words:
                stem, particle = _split(word, CLEAR_PARTICLES + UNCLEAR_PARTICLES)
                forms.setdefault(stem, set()).add(particle)
                forms.setdefault(word, set()).add("")
        self._forms = forms
        self._known: dict[str, str] = {}

    def stem(self, word: str) -> str:
        """The word without its particle; other words as they are."""
        known = self._known.get(word)
        if known is None:
            known = self._known[word] = self._stem(word)
        return known

    def _stem(self, word: str) -> str:
        stem, particle = _split(word, CLEAR_PARTICLES)
        if particle:
            return stem
        stem, particle = _split(word, UNCLEAR_PARTICLES)
        return stem if particle and len(self._forms.get(stem, ())) > 1 else word


def _split(word: str, particles: Iterable[str]) -> tuple[str, str]:
    if "가" <= word[0] <= "힣":
        for particle in particles:
            if word.endswith(particle) and len(word) - len(particle) >= SHORTEST_STEM:
                return word[: -len(particle)], particle
    return word, ""


def phrases(words: Sequence[str], stemmer: Stemmer) -> tuple[set[str], set[str]]:
    """The single words and the pairs of neighbours of one text, each once, without stop-words.

    A pair does not reach over a stop-word, so that what is shown was written like that.
    """
    singles: set[str] = set()
    pairs: set[str] = set()
    before = ""
    for word in words:
        stem = "" if word in STOP else stemmer.stem(word)
        if len(stem) < 2 or stem in STOP:
            before = ""
            continue
        singles.add(stem)
        if before and before != stem:
            pairs.add(f"{before} {stem}")
        before = stem
    return singles, pairs
