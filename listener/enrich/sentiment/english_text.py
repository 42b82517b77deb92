"""Reads one English text for the model: tokens without noise, polar words in their scope, counts.

VADER's own reading of the text as it stands is one part of it; the other reads the cleaned text
with a second lexicon of service words and phrases, with negation up to the end of a clause.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from html import unescape
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

BARE: Final = 2  # tokens of praise that stand alone: "oh great,"
CLEAR: Final = 0.7  # valence from which a clause has a side
_BOTH_SIDES: Final = 3
_DIGITS: Final = frozenset("0123456789")
URL: Final = "^"
HANDLE: Final = "@"
TAG: Final = "#"
NUMBER: Final = "0"
_SIGNS: Final = frozenset({URL, HANDLE, TAG})
_CACHED: Final = 50_000  # words whose bare form is kept

# A negator reaches the polar word within so many tokens of the same clause, "don't think that it
# has ever been any good" within more; VADER stops at 3.
NEGATION_REACH: Final = 7
THOUGHT_REACH: Final = 11

_NOISE: Final = re.compile(r"https?://\S+|www\.\S+|[@#][\w\-]*\w")
_NAMES: Final = re.compile(r"https?://\S+|@\w[\w\-]*")
_HUMP: Final = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+|\d+")
_TOKEN: Final = re.compile(
    r"[a-z]+(?:'[a-z]+)*"
    r"|\d[\d.,:]*"
    r"|[:;=]['^\-]?[)(\]\[dpo/\\|3*@]+(?![a-z])|<3|\^_\^"
    r"|[@#^!?]|[.,;:]+|…|—|\n"
    "|[\u2190-\u2bff\U0001f000-\U0001faff]"
)
_CAPS: Final = re.compile(r"\b[A-Z]{3,}\b")
_MAYBE_CAPS: Final = re.compile("[A-Z][A-Z][A-Z]")  # is found without trying each character
_APOSTROPHES: Final = str.maketrans({"’": "'", "‘": "'", "`": "'", "´": "'"})

_NEGATORS: Final = frozenset(
    "not no never none nothing nobody nowhere neither nor without hardly barely scarcely rarely "
    "seldom cannot cant dont doesnt didnt wont wouldnt couldnt shouldnt isnt arent wasnt werent "
    "hasnt havent hadnt aint lack lacks lacking lacked zero".split()
)
_BOOSTERS: Final[Mapping[str, float]] = {
    **dict.fromkeys(
        "very really so extremely absolutely totally completely super incredibly insanely utterly "
        "truly highly such too most especially particularly fucking freaking damn bloody".split(),
        1.25,
    ),
    **dict.fromkeys(
        "slightly somewhat bit little fairly quite kinda sorta partly almost nearly".split(), 0.75
    ),
}
_STOPS: Final = frozenset(".!?;\n…—")
_CONTRASTS: Final = frozenset("but however although though yet except shame pity".split())
_POLITE: Final = frozenset("please pls plz thanks thank thx ty appreciate kindly cheers".split())
_SECOND: Final = frozenset("you your you're ur u yours y'all you've you'll".split())
_FIRST: Final = frozenset("i my me i'm i've we our us im we're we've i'd i'll mine".split())
_ASKING: Final = frozenset(
    "what when where which who how why is are do does did can could will would has have may "
    "any anyone anybody should was".split()
)
_THINKING: Final = frozenset("think believe feel know expect remember find".split())
_PLAINLY: Final = frozenset("what when where which who how do does can could is are may if".split())
_SIGHS: Final = frozenset("oh ah well wow yeah just how so".split())
_FUTURE: Final = frozenset("will tomorrow tonight monday thursday friday saturday sunday".split())

DENSE: Final = (
    "compound", "vader_pos", "vader_neg", "vader_neu", "vader_zero",
    "sum", "sum_wide", "good", "bad", "denied_good", "denied_bad", "best", "worst",
    "last", "first", "after_but", "service_good", "service_bad", "any_good", "any_bad", "both",
    "asks", "asks_good", "asks_bad", "asks_none", "opens_asking", "question_marks",
    "shouts", "shouts_good", "shouts_bad", "urls", "url_none", "url_good", "url_bad",
    "handles", "tags", "retweet", "numbers", "caps", "begins_small",
    "length", "polar_share", "polite", "polite_bad", "polite_only", "you", "me", "me_bad",
    "negators", "negator_none", "contrast", "contrast_none", "future_none", "none",
    "good_excess", "bad_excess", "ironic", "asks_plainly_bad", "why", "weary",
)  # fmt: skip


class ReadText(NamedTuple):
    """What is made of one text: the dense features in the order of DENSE, and what to hash."""

    dense: tuple[float, ...]
    tokens: str  # cleaned and joined by single blanks
    good: float  # valence of all that is good, denials turned round
    bad: float  # the same of all that is bad, as a positive number
    two_sided: bool  # good and bad things stand in different clauses
    ironic: bool  # a bare word of praise, then no good: "Great, it crashed again"
    polar: int  # how many tokens are in a lexicon


class _Polarity(NamedTuple):
    compound: float
    pos: float
    neg: float
    neu: float


class _Word(NamedTuple):
    """A word as VADER strips it, and what its rules make of it."""

    bare: str
    valence: float | None  # None where it is not in the lexicon, or only turns others
    turns: bool  # may change the valence of a word near it, or needs more than its own


class _Window:
    """What VADER's method for one word looks at, without the rest of the text."""

    __slots__ = ("is_cap_diff", "words_and_emoticons")

    def __init__(self, words: list[str], caps: bool) -> None:
        self.words_and_emoticons = words
        self.is_cap_diff = caps


class VaderReader:
    """VADER's polarity of a text, equal to its own to the last digit, at a third of the cost.

    Its rules for a polar word look at three words before and two behind, so its own method gets
    that window, and words that are not in its lexicon are not taken through the rules at all.
    """

    def __init__(self, analyzer: SentimentIntensityAnalyzer) -> None:
        from vaderSentiment.vaderSentiment import (
            BOOSTER_DICT,
            NEGATE,
            SPECIAL_CASES,
            SentiText,
            allcap_differential,
        )

        self._analyzer = analyzer
        negators = frozenset(NEGATE)
        # The last words of the idioms: without one of them there is none.
        idioms = frozenset(key.split()[-1] for key in (*SPECIAL_CASES, *BOOSTER_DICT) if " " in key)
        idioms |= frozenset(SPECIAL_CASES)
        check_negation, check_idioms = analyzer._negation_check, analyzer._special_idioms_check

        def negation_check(valence: float, words: list[str], before: int, index: int) -> float:
            word = words[index - before - 1].lower()
            if (
                word in negators
                or "n't" in word
                or (before == 2 and words[index - 1].lower() in {"so", "this"})
            ):
                return float(check_negation(valence, words, before, index))
            return valence

        def idioms_check(valence: float, words: list[str], index: int) -> float:
            if idioms.isdisjoint([word.lower() for word in words]):
                return valence
            return float(check_idioms(valence, words, index))

        analyzer._negation_check = negation_check
        analyzer._special_idioms_check = idioms_check
        self._strip_one = SentiText._strip_punc_if_word
        self._differ = allcap_differential
        self._known: dict[str, _Word] = {}
        self._emojis: Mapping[str, str] = analyzer.emojis
        self._emoji_chars = frozenset(key for key in self._emojis if len(key) == 1)
        self._laden: Mapping[str, float] = {
            word: value for word, value in analyzer.lexicon.items() if word not in BOOSTER_DICT
        } | {"but": 0.0}
        # A polar word without any of these near it has the valence of the lexicon.
        self._turning = negators | idioms | frozenset(BOOSTER_DICT)
        self._turning |= {"but", "kind", "no", "or", "nor", "least", "so", "this", "doubt"}

    def read(self, text: str) -> _Polarity:
        """Compound, and the shares of the text that are positive, negative and neutral."""
        if not text.isascii() and not self._emoji_chars.isdisjoint(text):
            text = self._told(text)
        text = text.strip()
        get = self._known.get
        known = [get(word) or self._know(word) for word in text.split()]
        laden = [index for index, word in enumerate(known) if word.valence is not None]
        if not laden:
            return _Polarity(0.0, 0.0, 0.0, 1.0 if known else 0.0)
        words = [word.bare for word in known]
        turns = [word.turns for word in known]
        caps: bool | None = None
        sentiments: list[float] = [0] * len(words)
        contrast = False
        for index in laden:
            start = max(index - 3, 0)
            if True not in turns[start : index + 3]:
                sentiments[index] = known[index].valence or 0.0
                continue
            word = words[index]
            low = word.lower()
            if low == "but":
                contrast = True
            elif low != "kind" or [near.lower() for near in words[index + 1 : index + 2]] != ["of"]:
                caps = bool(self._differ(words)) if caps is None else caps
                window = _Window(words[start : index + 3], caps)
                found: list[float] = []
                self._analyzer.sentiment_valence(0, window, word, index - start, found)
                sentiments[index] = found[0]
        if contrast:
            sentiments = self._analyzer._but_check(words, sentiments)
        return self._summed(sentiments, text)

    def _summed(self, sentiments: Sequence[float], text: str) -> _Polarity:
        """VADER's sums over the words: those that say nothing are counted, not added."""
        said = [value for value in sentiments if value]
        neutral = len(sentiments) - len(said)
        total = float(sum(said))
        good = bad = 0.0
        for value in said:
            if value > 0:
                good += value + 1
            else:
                bad -= value - 1
        if "!" in text or "?" in text:
            emphasis = self._analyzer._punctuation_emphasis(text)
            if total:
                total += emphasis if total > 0 else -emphasis
            if good > bad:
                good += emphasis
            elif good < bad:
                bad += emphasis
        everything = good + bad + neutral
        return _Polarity(
            round(_squash(total), 4),
            round(good / everything, 3),
            round(bad / everything, 3),
            round(neutral / everything, 3),
        )

    def _know(self, word: str) -> _Word:
        bare = str(self._strip_one(word))
        low = bare.lower()
        valence = self._laden.get(low)
        turns = low in self._turning or "n't" in low or (valence is not None and bare.isupper())
        found = _Word(bare, valence, turns)
        if len(self._known) < _CACHED:
            self._known[word] = found
        return found

    def _told(self, text: str) -> str:
        """The text with VADER's description in the place of each emoji."""
        parts: list[str] = []
        after_blank = True
        for char in text:
            description = self._emojis.get(char)
            if description is None:
                parts.append(char)
                after_blank = char == " "
            else:
                parts.append(description if after_blank else f" {description}")
                after_blank = False
        return "".join(parts)


class _Entry(NamedTuple):
    """What the table says of a token."""

    kind: int
    value: float  # valence, or the factor of a booster
    ours: bool
    # the tokens that make it a phrase, by the first of them, and the longest of these first
    phrases: Mapping[str, Sequence[tuple[tuple[str, ...], float]]]


_POLAR, _NEGATOR, _BOOSTER, _STOP, _CONTRAST, _COMMA, _AND, _PLAIN = range(8)


class Lexicon:
    """Valences (-4..4) of words and phrases: VADER's, and over them those of our own table.

    ``phrases`` are ours, ``valences`` theirs.
    """

    def __init__(
        self,
        analyzer: SentimentIntensityAnalyzer,
        phrases: Sequence[str],
        valences: Sequence[float],
    ) -> None:
        self.words: dict[str, float] = dict(analyzer.lexicon)
        ours: dict[str, float] = {}
        longer: dict[str, list[tuple[tuple[str, ...], float]]] = {}
        for phrase, value in zip(phrases, valences, strict=True):
            first, *rest = _TOKEN.findall(phrase)
            if rest:
                longer.setdefault(first, []).append((tuple(rest), value))
            else:
                ours[first] = value
        self.words |= ours
        for emoji, description in analyzer.emojis.items():
            said = [self.words[word] for word in description.split() if word in self.words]
            if len(emoji) == 1 and said:
                self.words.setdefault(emoji, sum(said) / len(said))
        self.entries = {
            token: self._entry(token, ours, longer)
            for token in {*self.words, *longer, *_NEGATORS, *_BOOSTERS, *_STOPS, *_CONTRASTS}
            | {",", "and", "...", "..", "n't"}
        }
        self._segments: dict[str, str] = {}

    def _entry(
        self,
        token: str,
        ours: Mapping[str, float],
        longer: Mapping[str, list[tuple[tuple[str, ...], float]]],
    ) -> _Entry:
        value = self.words.get(token, 0.0)
        if token in _NEGATORS or token.endswith("n't"):
            kind = _NEGATOR
        elif value:
            kind = _POLAR
        elif token in _BOOSTERS:
            kind, value = _BOOSTER, _BOOSTERS[token]
        elif token in _STOPS or token[0] == ".":
            kind = _STOP
        else:
            kind = {",": _COMMA, "and": _AND}.get(token, _PLAIN)
        if token in _CONTRASTS:
            kind = _CONTRAST
        phrases: dict[str, list[tuple[tuple[str, ...], float]]] = {}
        for rest, valence in sorted(longer.get(token, []), key=lambda entry: -len(entry[0])):
            phrases.setdefault(rest[0], []).append((rest, valence))
        return _Entry(kind, value, token in ours, phrases)

    def words_of_tag(self, tag: str) -> str:
        """A hashtag as words: by its humps, or by the longest words of the lexicon that fill it."""
        if tag != tag.lower():
            return " ".join(_HUMP.findall(tag)) or tag
        found = self._segments.get(tag)
        if found is None:
            found = " ".join(self._segmented(tag) or [tag])
            if len(self._segments) < 10_000:
                self._segments[tag] = found
        return found

    def _segmented(self, tag: str) -> list[str] | None:
        """The split into the fewest known words; None where there is none."""
        if len(tag) > 40 or tag in self.words:
            return None
        best: list[list[str] | None] = [[], *[None] * len(tag)]
        for end in range(1, len(tag) + 1):
            for start in range(max(0, end - 16), end):
                before, word = best[start], tag[start:end]
                if before is None or not (
                    (len(word) > 2 and word in self.words) or word in _common_words()
                ):
                    continue
                now = best[end]
                if now is None or len(before) + 1 < len(now):
                    best[end] = [*before, word]
        return best[-1]


@cache
def _common_words() -> frozenset[str]:
    """Words that hashtags are made of beside the polar ones."""
    return frozenset(
        "a the this is it to of in on at for my your you we me i so too not no never again ever "
        "customer service airline airlines flight flights travel traveler day days time life "
        "monday tuesday wednesday thursday friday saturday sunday morning night week weekend "
        "app phone bank train bus food shop store delivery company brand team crew support help "
        "epic first last new old more most very much just get got do does dont cant wont back up "
        "down out off with without from world people things thing problem problems update news "
        "social media marketing small business love hate best worst good bad great big".split()
    )


class TextReader:
    """Reads texts one at a time; keeps nothing of them but how hashtags are split."""

    def __init__(self, vader: VaderReader, lexicon: Lexicon) -> None:
        self._vader = vader
        self._lexicon = lexicon

    def read(self, text: str) -> tuple[ReadText, float]:
        """What is made of a text, and VADER's compound of it as it came.

        VADER takes the words of names and addresses for words ("@united"); the features do not.
        """
        polarity = said = self._vader.read(text)
        if polarity.compound and ("@" in text or "://" in text):
            nameless = _NAMES.sub(" ", text)
            said = self._vader.read(nameless) if nameless != text else polarity
        return self._features(text, said), polarity.compound

    def compound(self, text: str) -> float:
        """VADER's compound alone."""
        return self._vader.read(text).compound

    def clean(self, text: str) -> str:
        """The text in lower case; addresses, names and numbers as signs, hashtags as words."""
        if "&" in text:
            text = unescape(text)
        if "@" in text or "#" in text or "://" in text or "www." in text:
            text = _NOISE.sub(self._sign, text)
        if not text.isascii():
            text = text.translate(_APOSTROPHES)
        return text.lower()

    def _sign(self, match: re.Match[str]) -> str:
        found = match[0]
        if found[0] == "@":
            return f" {HANDLE} "
        if found[0] == "#":
            return f" {TAG} {self._lexicon.words_of_tag(found[1:])} "
        return f" {URL} "

    def _features(self, text: str, polarity: _Polarity) -> ReadText:
        tokens: list[str] = _TOKEN.findall(self.clean(text))
        entries = self._lexicon.entries
        total = len(tokens)
        good = bad = denied_good = denied_bad = best = worst = 0.0
        service_good = service_bad = 0.0
        clause = first = last = after = 0.0
        sides = 0  # bit 0: a clause is good; bit 1: one is bad
        contrast = False
        polar = negators = numbers = 0
        opening = 0  # tokens of the bare praise that opens the text
        signs = 0  # names and addresses before the first word
        reach = -1  # the last token that the negator before it reaches
        boost = 1.0
        skip = 0
        for index, token in enumerate(tokens):
            if index < skip:
                continue
            entry = entries.get(token)
            if entry is None:
                if token.isalpha():
                    continue
                if token[0] in _DIGITS:
                    tokens[index] = NUMBER
                    numbers += 1
                elif signs == index and token in _SIGNS:
                    signs += 1
                elif token.endswith("n't"):
                    negators += 1
                    reach = index + NEGATION_REACH
                continue
            kind, value, ours, phrases = entry
            width = 1
            if phrases and index + 1 < total:
                for rest, phrase_value in phrases.get(tokens[index + 1], ()):
                    width = 1 + len(rest)
                    if width == 2 or tuple(tokens[index + 1 : index + width]) == rest:
                        kind, value, ours, skip = _POLAR, phrase_value, True, index + width
                        break
                else:
                    width = 1
            if kind == _POLAR:
                if not value:
                    continue
                polar += 1
                value *= boost
                boost = 1.0
                if index <= reach and (width == 1 or value > 0):
                    reach = -1
                    if value > 0:
                        denied_good += value
                        value *= -0.8
                    else:
                        denied_bad -= value
                        value *= -0.4
                if value > 0:
                    good += value
                    best = max(best, value)
                    if ours:
                        service_good += value
                else:
                    bad -= value
                    worst = max(worst, -value)
                    if ours:
                        service_bad -= value
                clause += value
                if contrast:
                    after += value
            elif kind == _NEGATOR:
                negators += 1
                reach = index + NEGATION_REACH
                if index + 1 < total and tokens[index + 1] in _THINKING:
                    reach = index + THOUGHT_REACH
            elif kind == _BOOSTER:
                boost = value
            elif kind < _PLAIN:
                if clause:
                    if clause > 0 and not first and index - signs <= BARE:
                        opening = index - signs
                    last = clause
                    first = first or clause
                    if clause > CLEAR:
                        sides |= 1
                    elif clause < -CLEAR:
                        sides |= 2
                if kind != _AND:
                    reach, boost, clause = -1, 1.0, 0.0
                if kind == _CONTRAST:
                    contrast, after = True, 0.0
        if clause:
            last = clause
            first = first or clause
            if clause > CLEAR:
                sides |= 1
            elif clause < -CLEAR:
                sides |= 2
        present = set(tokens)
        asks = "?" in present
        shouts = tokens.count("!") if "!" in present else 0
        lead = next(filter(str.isalpha, tokens), "")
        opens = lead in _ASKING
        lone = opening == 1 or (opening == BARE and tokens[signs] in _SIGHS)
        ironic = lone and bad > 0 and good - bad < first
        # "Lovely, another queue": praised is what comes again, and nothing good is said of it.
        weary = (
            lone
            and good - bad <= first
            and signs + opening + 1 < total
            and _again(tokens, signs + opening + 1)
        )
        urls = URL in present
        none = not polar
        polite = not _POLITE.isdisjoint(present)
        me = not _FIRST.isdisjoint(present)
        caps = len(_CAPS.findall(text)) if _MAYBE_CAPS.search(text) else 0
        amount = good - bad
        compound = polarity.compound
        log = math.log1p
        good_curve, bad_curve = _squash(good), _squash(bad)
        dense = (
            compound, polarity.pos, polarity.neg, polarity.neu, compound == 0,
            _squash(amount), amount / (1 + 0.1 * total), log(good), log(bad),
            log(denied_good), log(denied_bad), best, worst,
            _squash(last), _squash(first), _squash(after),
            log(service_good), log(service_bad), good > 0, bad > 0, log(min(good, bad)),
            asks, asks * good_curve, asks * bad_curve, asks and none, opens,
            log(tokens.count("?")) if asks else 0.0,
            log(shouts), shouts > 0 and amount > 0, shouts > 0 and amount < 0,
            urls, urls and none, urls * good_curve, urls * bad_curve,
            log(tokens.count(HANDLE)) if HANDLE in present else 0.0,
            log(tokens.count(TAG)) if TAG in present else 0.0, "rt" in present,
            log(numbers), caps / (total + 1),
            text[:1].islower(), log(total), polar / (total + 1),
            polite, polite and bad > 0, polite and bad == 0,
            not _SECOND.isdisjoint(present), me, me and bad > 0,
            log(negators), negators > 0 and none, contrast, contrast and none,
            none and not _FUTURE.isdisjoint(present), none,
            max(amount - 3, 0.0), max(-amount - 3, 0.0),
            ironic, asks and bad > 0 and lead in _PLAINLY, "why" in present,
            weary,
        )  # fmt: skip
        return ReadText(
            dense,
            " ".join(tokens),
            good,
            bad,
            sides == _BOTH_SIDES,
            weary or ironic,
            polar,
        )


def _again(tokens: Sequence[str], at: int) -> bool:
    """Whether "another", "yet another" or "more" stands there."""
    if tokens[at] == "yet":
        at += 1
    return at < len(tokens) and tokens[at] in {"another", "more"}


def _squash(value: float) -> float:
    """VADER's own curve to -1..1 (Hutto & Gilbert 2014)."""
    return value / math.sqrt(value * value + 15)
