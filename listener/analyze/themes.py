"""Themes that nobody listed: phrases that many more people use than in the weeks before.

Voices are counted, not mentions: within one slice of time (as long as the window that is looked at)
an author counts once and so does a story, however often it is copied. Shares of the voices are
compared, so that a busy day or a quiet night makes no theme.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from listener.analyze.intervals import binomial_tail
from listener.analyze.korean import Lexicon
from listener.analyze.logodds import log_odds
from listener.analyze.phrases import Borders, Finder, Phrase, written_words

WINDOWS: Final = (timedelta(days=1), timedelta(days=7))
BASELINE: Final = timedelta(days=28)  # before the window
FEWEST_VOICES: Final = 4  # that use a phrase
FEWEST_USUAL: Final = 50  # voices in the baseline: with fewer nobody knows what is usual
FEWEST_SLICES: Final = 3  # of the baseline that hold any
LEAST_RATIO: Final = 2.0  # times the usual share
CHANCE: Final = 0.01  # of a theme, in all that is looked at of one brand at one time, by luck
MOST: Final = 20
ALIKE: Final = 0.5  # Jaccard of mentions from which two phrases are one theme
SAME: Final = 0.3  # Jaccard of mentions or phrases from which a theme is the one of yesterday


@dataclass(frozen=True, slots=True)
class Said:
    """A mention as themes see it. Keys are None where they are not known."""

    mention_id: int
    at: datetime
    text: str
    author_key: str | None = None
    story_key: str | None = None  # equal for copies of one text


@dataclass(frozen=True, slots=True)
class Spelt:
    """A phrase of a theme: its key, how it is mostly written, and how else."""

    key: str
    text: str
    variants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """A group of phrases that rose together, told by the best of them."""

    name: str
    phrases: tuple[Spelt, ...]  # the one that names it first
    window: timedelta  # in which it stands out most
    count: int  # voices in the window
    expected: float  # voices, by the share in the baseline
    z: float  # log-odds over their error
    mention_ids: tuple[int, ...]  # in the window, newest first


@dataclass(frozen=True, slots=True)
class Known:
    """A theme that was found before."""

    id: int
    keys: frozenset[str]
    mention_ids: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Rising:
    key: str
    window: timedelta
    count: int
    expected: float
    z: float
    mention_ids: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Read:
    """A mention with the phrases found in it."""

    said: Said
    keys: frozenset[str]


@dataclass(slots=True)
class _Voices:
    """Voices of each phrase and of all, added up slice by slice."""

    phrases: Counter[str] = field(default_factory=Counter)
    total: int = 0

    def add(self, slice_: Iterable[_Read]) -> None:
        """Count one slice of time: each author and each story once."""
        told: set[tuple[str, str]] = set()
        authors: set[str] = set()
        stories: set[str] = set()
        for one in slice_:
            author, story = _author(one.said), _story(one.said)
            if author not in authors and story not in stories:
                self.total += 1
            authors.add(author)
            stories.add(story)
            for key in one.keys:
                if (key, author) not in told and (key, story) not in told:
                    self.phrases[key] += 1
                told.add((key, author))
                told.add((key, story))


def find_themes(
    said: Sequence[Said],
    *,
    now: datetime,
    names: Collection[str] = (),
    known_words: Collection[str] = (),
) -> list[Theme]:
    """The themes that are rising at ``now``, the strongest first.

    ``said`` are a brand's mentions of the last five weeks (of more, a sample over time), ``names``
    the words that the brand is known by, ``known_words`` those that topics are found by: neither
    is a theme. Raises nothing; too few mentions give none.
    """
    recent = [one for one in said if now - max(WINDOWS) - BASELINE <= one.at < now]
    finder, read, borders = _read(recent, names)
    skip = {word.casefold().replace(" ", "") for word in known_words} | finder.breaks
    found: dict[str, _Rising] = {}
    for window in WINDOWS:
        for one in _rising(read, now, window, skip):
            if borders.holds(one.key) and one.z > (found[one.key].z if one.key in found else 0.0):
                found[one.key] = one
    groups = _joined(list(found.values()), borders)
    themes = [_theme(group, borders) for group in groups]
    return sorted(themes, key=lambda theme: (-theme.z, -theme.count, theme.name))[:MOST]


def enough(said: Sequence[Said], now: datetime) -> bool:
    """Whether there is a baseline to compare with."""
    window = min(WINDOWS)
    before = [one for one in said if one.at < now - window]
    days = {(now - one.at) // window for one in before}
    return len(before) >= FEWEST_USUAL and len(days) >= FEWEST_SLICES


def same_themes(found: Sequence[Theme], before: Sequence[Known]) -> dict[int, int]:
    """Which themes are old ones: place in ``found`` -> id. Each id is given once, to the likest."""
    pairs = []
    for place, theme in enumerate(found):
        keys = frozenset(phrase.key for phrase in theme.phrases)
        ids = frozenset(theme.mention_ids)
        for known in before:
            alike = max(_jaccard(keys, known.keys), _jaccard(ids, known.mention_ids))
            if theme.phrases[0].key in known.keys:
                alike = max(alike, 0.5) + 0.5
            if alike >= SAME:
                pairs.append((alike, -known.id, place))
    given: dict[int, int] = {}
    for _, minus_id, place in sorted(pairs, reverse=True):
        if place not in given and -minus_id not in given.values():
            given[place] = -minus_id
    return given


def _read(said: Sequence[Said], names: Collection[str]) -> tuple[Finder, list[_Read], Borders]:
    breaks = frozenset(
        word for name in names for word in (*written_words(name), name.casefold().replace(" ", ""))
    )
    # Copies must not decide what is written how: each story once.
    stories = {_story(one): one.text for one in said}
    lexicon = Lexicon(word for text in stories.values() for word in written_words(text))
    finder = Finder(lexicon, breaks)
    phrases: dict[str, list[Phrase]] = {}
    read = []
    for one in said:
        if one.text not in phrases:
            phrases[one.text] = finder.phrases(one.text)
        read.append(_Read(one, frozenset(phrase.key for phrase in phrases[one.text])))
    return finder, read, Borders(phrases[text] for text in stories.values())


def _rising(
    read: Sequence[_Read], now: datetime, window: timedelta, skip: Collection[str]
) -> list[_Rising]:
    slices: dict[int, list[_Read]] = {}
    for one in read:
        number = (now - one.said.at) // window
        if now - one.said.at <= window + BASELINE:
            slices.setdefault(number, []).append(one)
    here, usual = _Voices(), _Voices()
    recent = slices.pop(0, [])
    here.add(recent)
    for slice_ in slices.values():
        usual.add(slice_)
    if usual.total < FEWEST_USUAL or len(slices) < FEWEST_SLICES or here.total < FEWEST_VOICES:
        return []
    candidates = [
        key
        for key, count in here.phrases.items()
        if count >= FEWEST_VOICES and len(key) > 1 and key.replace(" ", "") not in skip
    ]
    share = here.total / (here.total + usual.total)
    # Each phrase that could have risen is a chance to be fooled, not only those that did, and so is
    # each window (Bonferroni, with the family of Tarone 1990).
    both = here.phrases + usual.phrases
    family = sum(count >= FEWEST_VOICES for count in both.values())
    limit = CHANCE / (max(family, 1) * len(WINDOWS))
    scores = log_odds(here.phrases, usual.phrases)
    found = {}
    for key in candidates:
        count, before = here.phrases[key], usual.phrases[key]
        expected = before * here.total / usual.total
        if count < LEAST_RATIO * expected or binomial_tail(count, count + before, share) > limit:
            continue
        found[key] = _Rising(key, window, count, expected, scores[key], frozenset())
    holding = {key: set[int]() for key in found}
    for one in recent:
        for key in one.keys & found.keys():
            holding[key].add(one.said.mention_id)
    return [
        _Rising(one.key, window, one.count, one.expected, one.z, frozenset(holding[one.key]))
        for one in found.values()
    ]


def _joined(found: Sequence[_Rising], borders: Borders) -> list[list[_Rising]]:
    """Phrases that stand in the same mentions, or of which one is a part of the other."""
    lead = list(range(len(found)))

    def head(place: int) -> int:
        while lead[place] != place:
            place = lead[place]
        return place

    for place, one in enumerate(found):
        for other in range(place):
            two = found[other]
            shared = len(one.mention_ids & two.mention_ids)
            nested = shared and _nested(one.key, two.key, borders)
            if nested or _jaccard(one.mention_ids, two.mention_ids) >= ALIKE:
                lead[head(place)] = head(other)
    groups: dict[int, list[_Rising]] = {}
    for place, one in enumerate(found):
        groups.setdefault(head(place), []).append(one)
    return list(groups.values())


def _nested(one: str, two: str, borders: Borders) -> bool:
    short, long = sorted((one, two), key=len)
    words = [text.split(" ") for text in borders.spellings(long)]
    return any(
        short.replace(" ", "") == "".join(spelt[start:end])
        for spelt in words
        for start in range(len(spelt))
        for end in range(start + 1, len(spelt) + 1)
    )


def _theme(group: Sequence[_Rising], borders: Borders) -> Theme:
    widest = max(group, key=lambda one: (one.count, one.z))

    def rank(one: _Rising) -> tuple[bool, int, float, str]:
        # A longer phrase says more, as long as most of the voices use it.
        common = one.count >= 0.6 * widest.count
        words = max(len(text.split(" ")) for text in borders.spellings(one.key)[:1])
        return (not common, not words > 1, -one.z, one.key)

    ranked = sorted(group, key=rank)
    best = max(group, key=lambda one: one.z)
    ids = sorted({id_ for one in group for id_ in one.mention_ids}, reverse=True)
    spelt = []
    for one in ranked:
        first, *others = borders.spellings(one.key)
        spelt.append(Spelt(one.key, first, tuple(others)))
    return Theme(
        name=spelt[0].text,
        phrases=tuple(spelt),
        window=best.window,
        count=widest.count,
        expected=round(widest.expected, 2),
        z=round(best.z, 3),
        mention_ids=tuple(ids),
    )


def _author(said: Said) -> str:
    return f"#{said.mention_id}" if said.author_key is None else f"@{said.author_key}"


def _story(said: Said) -> str:
    return f"#{said.mention_id}" if said.story_key is None else f"={said.story_key}"


def _jaccard(one: frozenset[str] | frozenset[int], two: frozenset[str] | frozenset[int]) -> float:
    both = len(one & two)
    return both / (len(one) + len(two) - both) if both else 0.0


def sampling(total: int, most: int) -> int:
    """Every how many-th mention to read, so that at most about ``most`` of ``total`` are."""
    return max(1, math.ceil(total / most))


def phrase_words(phrases: Sequence[Mapping[str, object]]) -> list[str]:
    """All spellings of stored phrases, the usual ones first, each once."""
    words = [str(phrase["text"]) for phrase in phrases]
    for phrase in phrases:
        variants = phrase.get("variants")
        words += [str(one) for one in variants] if isinstance(variants, list) else []
    return list(dict.fromkeys(words))
