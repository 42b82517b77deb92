"""Noun phrases of Korean and English texts, with borders where the writer put them.

A phrase is one to three written words in a row. A Korean word closes it with a particle, the copula
or a verb made of a noun; a word that is no noun, a stop-word, punctuation and a number break it.
Which of the possible phrases are real is decided by all texts together (``Borders``).
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from listener.analyze.korean import End, Lexicon, is_hangul
from listener.analyze.words import ENGLISH_STOP, NOISE

LONGEST: Final = 3  # words
MOST_TEXT: Final = 2_000  # characters of a text that are read

_WORD: Final = re.compile(r"[a-z0-9가-힣]+(?:['’][a-z]+|[-+&][a-z0-9]+)*")
_HASHTAG: Final = re.compile(r"[#＃]")
_GAP: Final = re.compile(r"[ \t\u00a0]{1,3}")

# English words that tell how or that, never what.
ENGLISH_PLAIN: Final = ENGLISH_STOP | frozenset(
    """
    good bad great awful terrible horrible worst best better worse nice love loved loves like liked
    hate hated amazing awesome excellent perfect poor lovely fine okay ok happy sad angry
    disappointed disappointing disappointment annoying annoyed frustrating ridiculous useless
    please thanks thank sorry hello hi hey yes yeah lol omg wow well much many lot lots bit little
    big small old new last next first second another other others every each any anything something
    nothing everything someone anyone everyone nobody people person guy guys thing things stuff way
    ways day days week weeks month months year years hour hours minute minutes today yesterday
    tomorrow tonight now always never ever often sometimes usually already yet soon later ago since
    till far near here said say says saying tell told ask asked asking go goes going gone went come
    comes coming came get gets getting got take takes taking took make makes making made keep keeps
    keeping kept give gives giving gave let lets try tries trying tried want wants wanted need
    needs needed use uses using used work works working worked seem seems seemed look looks looking
    looked feel feels felt think thinks thought know knows knew see sees saw find finds found put
    puts buy buys buying bought order ordered ordering wait waited waiting call called calling stop
    stopped start started end help helped pay paid send sent receive received arrive arrived happen
    happened happens two three four five six seven eight nine ten half twice again also maybe
    perhaps actually literally basically definitely absolutely totally completely extremely highly
    super pretty quite rather fairly almost enough less least more most without within across along
    around behind instead although though however because whether whose i'll you'll he's she's
    we're they're they've we've you've can't couldn't won't wouldn't didn't doesn't hasn't haven't
    wasn't weren't aren't ain't shouldn't there's here's what's let's gonna wanna im dont cant wont
    didnt doesnt rt via amp
    """.split()
)


class Word(NamedTuple):
    """One written word of a phrase: its noun."""

    noun: str
    closes: bool = False  # nothing can follow it in the same phrase
    weak: bool = False  # it does not stand at the end of a phrase


Run = tuple[Word, ...]  # nouns that stand side by side


class Phrase(NamedTuple):
    """One possible phrase in a text; ``key`` is equal for all its spellings."""

    key: str
    text: str  # the words with single spaces
    before: str  # the noun before it in the same run, "" = a border
    after: str


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds possible phrases. ``lexicon`` knows the forms of the texts; ``breaks`` are words that
    no phrase holds, such as the names of the brand, folded.
    """

    lexicon: Lexicon
    breaks: frozenset[str] = field(default=frozenset())

    def runs(self, text: str) -> list[Run]:
        """The nouns of a text that stand side by side, in order."""
        found: list[Run] = []
        for tokens in _stretches(text):
            run: list[Word] = []
            for place, token in enumerate(tokens):
                following = tokens[place + 1] if place + 1 < len(tokens) else ""
                word = self._word(token, following)
                if word is not None:
                    run.append(word)
                if word is None or word.closes:
                    found.append(_ended(run))
                    run = []
            found.append(_ended(run))
        return [run for run in found if run]

    def phrases(self, text: str) -> list[Phrase]:
        """All runs of one to three nouns within the runs of a text."""
        return [phrase for run in self.runs(text) for phrase in _within(run)]

    def _word(self, token: str, following: str) -> Word | None:
        if token in self.breaks or token[0].isdigit():
            return None
        if not is_hangul(token):
            plain = token in ENGLISH_PLAIN or len(token) < 2
            return None if plain else Word(_base(token))
        noun, end = self.lexicon.cut(token, following)
        if end is End.NONE or noun in self.breaks:
            return None
        return Word(noun, end is End.CLOSED, end is End.WEAK)


def written_words(text: str) -> list[str]:
    """All written words of a text, folded: what a ``Lexicon`` is made of."""
    return [token for tokens in _stretches(text) for token in tokens]


def key_of(words: Sequence[str]) -> str:
    """One key for all spellings: "고객 센터" and "고객센터" are the same."""
    key = words[0]
    for word in words[1:]:
        joined = is_hangul(key) and is_hangul(word)
        key += word if joined else f" {word}"
    return key


def _ended(run: list[Word]) -> Run:
    while run and run[-1].weak:
        run.pop()
    return tuple(run)


def _within(run: Run) -> Iterator[Phrase]:
    nouns = [word.noun for word in run]
    for start in range(len(nouns)):
        for end in range(start + 1, min(start + LONGEST, len(nouns)) + 1):
            words = nouns[start:end]
            if run[end - 1].weak:
                continue
            if len(words) > 1 and len(set(words)) < len(words):
                continue
            yield Phrase(
                key_of(words),
                " ".join(words),
                nouns[start - 1] if start else "",
                nouns[end] if end < len(nouns) else "",
            )


def _stretches(text: str) -> Iterator[list[str]]:
    """Written words that have nothing but a space between them."""
    folded = unicodedata.normalize("NFC", text[:MOST_TEXT]).casefold()
    folded = _HASHTAG.sub(" . ", NOISE.sub(" . ", folded))
    tokens: list[str] = []
    end = -1
    for found in _WORD.finditer(folded):
        if tokens and not _GAP.fullmatch(folded, end, found.start()):
            yield tokens
            tokens = []
        tokens.append(found[0])
        end = found.end()
    if tokens:
        yield tokens


def _base(word: str) -> str:
    """An English word without the sign of plural or possession."""
    word = word.replace("’", "'").removesuffix("'s")
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is", "ics")):
        if word.endswith("ies"):
            return word[:-3] + "y"
        return word[:-2] if word.endswith(("xes", "ches", "shes", "sses")) else word[:-1]
    return word


# --- which phrases are real ----------------------------------------------------------------------

LEAST_COHESION: Final = 0.15  # normalised pointwise mutual information of the weakest joint
LEAST_ENTROPY: Final = 0.72  # bits; four of five times the same neighbour is less


class Borders:
    """What all texts say of the borders of phrases, each text counted once a phrase."""

    def __init__(self, texts: Iterable[Sequence[Phrase]]) -> None:
        self._count: Counter[str] = Counter()
        self._words: dict[str, Counter[str]] = {}
        self._before: dict[str, Counter[str]] = {}
        self._after: dict[str, Counter[str]] = {}
        self._texts = 0
        for phrases in texts:
            self._texts += 1
            seen: set[str] = set()
            for phrase in phrases:
                if phrase.key in seen:
                    continue
                seen.add(phrase.key)
                self._count[phrase.key] += 1
                self._words.setdefault(phrase.key, Counter())[phrase.text] += 1
                self._before.setdefault(phrase.key, Counter())[phrase.before] += 1
                self._after.setdefault(phrase.key, Counter())[phrase.after] += 1

    def spellings(self, key: str) -> list[str]:
        """How the phrase is written, the usual one first."""
        return [text for text, _ in self._words[key].most_common()]

    def holds(self, key: str) -> bool:
        """Whether the phrase has its borders where it should.

        Inside, the words must be met together more often than by chance (normalised pointwise
        mutual information, Bouma 2009, at the weakest joint). Outside, what stands before and
        behind must vary (branching entropy, Jin & Tanaka-Ishii 2006); an end of the run counts as
        a neighbour of its own each time.
        """
        if min(_entropy(self._before[key]), _entropy(self._after[key])) < LEAST_ENTROPY:
            return False
        spelt = [text.split(" ") for text in self._words[key]]
        if any(len(words) == 1 for words in spelt):
            return True  # somebody writes it as one word
        return self._cohesion(key, spelt[0]) >= LEAST_COHESION

    def _cohesion(self, key: str, words: Sequence[str]) -> float:
        joint = self._count[key] / self._texts
        weakest = 1.0
        for place in range(1, len(words)):
            left = self._count[key_of(words[:place])] / self._texts
            right = self._count[key_of(words[place:])] / self._texts
            if not left or not right or joint >= 1:
                continue
            weakest = min(weakest, math.log(joint / (left * right)) / -math.log(joint))
        return weakest


def _entropy(neighbours: Counter[str]) -> float:
    """Bits; "" is a border, and each of them differs from all others."""
    total = neighbours.total()
    bits = 0.0
    for neighbour, count in neighbours.items():
        share = count / total
        bits += share * math.log2(total) if neighbour == "" else -share * math.log2(share)
    # One occurrence alone varies by nothing; that is no sign of a wrong border.
    return 1.0 if total == 1 else bits
