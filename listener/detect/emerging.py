"""A new topic out of nothing: a phrase that nobody used, used by several people within hours. Pure.

Finer in time than the themes of analyze/themes.py, which need a day, and stricter: a phrase has to
be practically unknown in the weeks before.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from listener.analyze.korean import Lexicon
from listener.analyze.phrases import Borders, Finder, written_words
from listener.analyze.themes import Said
from listener.detect.binomial import binomial_surprise
from listener.detect.lifecycle import SpikeLife
from listener.detect.rarity import MONTH
from listener.detect.single import Sighting

WINDOW: Final = timedelta(hours=6)
USUAL: Final = timedelta(days=30)  # in which the phrase must be practically unused
QUIET: Final = timedelta(hours=6)  # without a new voice: it is over
KNOWN_BY_THEN: Final = timedelta(days=2)  # after so long it is no new topic any more
FEWEST_VOICES: Final = 5  # distinct authors, and distinct stories
FEWEST_USUAL: Final = 100  # mentions before; with fewer nobody knows what is usual
FEWEST_DAYS: Final = 7  # that they are spread over
FEWEST_OF_KIND: Final = 30  # of a source and language, or all its words are new
LEAST_RATIO: Final = 10.0  # times the usual
ALIKE: Final = 0.5  # Jaccard of mentions from which two phrases are one topic
LONGEST_KEY: Final = 50  # characters: it is a part of the name of a series
MOST_PHRASES: Final = 8  # of a topic
MOST_TOPICS: Final = 10
MOST_POINTS: Final = 60  # of the timeline


@dataclass(frozen=True, slots=True)
class Candidate:
    """A phrase of the last hours."""

    key: str
    text: str  # as it is mostly written
    variants: tuple[str, ...]
    mention_ids: frozenset[int]
    voices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """What the last hours say: the phrases that enough people use, and what they are out of."""

    candidates: Sequence[Candidate]
    voices: int  # of all mentions of the window
    mentions: int
    phrases: int  # distinct ones: how many could have risen by chance


@dataclass(frozen=True, slots=True, kw_only=True)
class Emerging:
    """A topic: phrases that came up in the same mentions, the one that names it first."""

    key: str
    name: str
    phrases: tuple[Candidate, ...]
    mention_ids: frozenset[int]
    voices: int
    usual: Mapping[str, int]  # mentions of each phrase in the weeks before, by key
    expected: float  # mentions in the window, by the weeks before
    score: float

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(one.key for one in self.phrases)


def listen(
    recent: Sequence[Said],
    context: Sequence[str] = (),
    *,
    names: Collection[str] = (),
    known_words: Collection[str] = (),
) -> Talk:
    """The phrases of the last hours. ``context`` are other texts, from which forms of words are
    learnt; ``names`` (of the brand) and ``known_words`` (of topics) are nothing new.
    """
    breaks = frozenset(
        word for name in names for word in (*written_words(name), name.casefold().replace(" ", ""))
    )
    stories = {_story(one): one.text for one in recent}
    texts = [*stories.values(), *context]
    finder = Finder(Lexicon(word for text in texts for word in written_words(text)), breaks)
    found = {text: finder.phrases(text) for text in {one.text for one in recent}}
    using: dict[str, list[Said]] = {}
    for one in recent:
        for key in {phrase.key for phrase in found[one.text]}:
            using.setdefault(key, []).append(one)
    skip = {word.casefold().replace(" ", "") for word in known_words} | breaks
    borders = Borders(found[text] for text in stories.values())
    candidates = []
    for key, said in using.items():
        if len(said) < FEWEST_VOICES or not 1 < len(key) <= LONGEST_KEY:
            continue
        heard = voices(said)
        if heard < FEWEST_VOICES or key.replace(" ", "") in skip or not borders.holds(key):
            continue
        first, *others = borders.spellings(key)
        ids = frozenset(one.mention_id for one in said)
        candidates.append(Candidate(key, first, tuple(others), ids, heard))
    return Talk(
        candidates=candidates, voices=voices(recent), mentions=len(recent), phrases=len(using)
    )


def voices(said: Iterable[Said]) -> int:
    """Distinct authors or distinct stories, whichever are fewer; unknown ones are one each."""
    authors, stories = set(), set()
    for one in said:
        authors.add(f"#{one.mention_id}" if one.author_key is None else f"@{one.author_key}")
        stories.add(_story(one))
    return min(len(authors), len(stories))


def unheard(
    candidates: Sequence[Candidate], texts: Iterable[str], talk: Talk, *, usual: int
) -> list[Candidate]:
    """The candidates that a sample of earlier ``texts`` does not show to be usual.

    ``usual`` is how many mentions there were in the weeks before. What is common is told from a
    sample; of what is left the exact number is worth asking for.
    """
    folded = [text.casefold().replace(" ", "") for text in texts]
    if not folded:
        return list(candidates)
    left = []
    for one in candidates:
        key = one.key.replace(" ", "")
        most = one.voices / LEAST_RATIO * usual / max(talk.mentions, 1)  # mentions, of all before
        most *= len(folded) / max(usual, len(folded))
        seen = 0
        for text in folded:
            seen += key in text
            if seen > 3 * most + 2:
                break
        else:
            left.append(one)
    return left


def emerge(
    talk: Talk, candidates: Sequence[Candidate], usage: Mapping[str, int], *, usual: int
) -> list[Emerging]:
    """The topics among ``candidates``, the strongest first.

    ``usage`` tells in how many mentions of the weeks before each phrase was, of ``usual`` in all.
    The chance that so many of all its mentions fall into these hours is binomial; it is multiplied
    by the phrases that could have risen and by the windows of a month (Bonferroni), so that the
    score is what is to be expected in 30 days.
    """
    if usual < FEWEST_USUAL:
        return []
    share = talk.mentions / (talk.mentions + usual)
    tries = math.log10(max(talk.phrases, 1) * (MONTH / WINDOW))
    found: list[Emerging] = []
    for one in candidates:
        used = usage.get(one.key, 0)
        expected = used * talk.mentions / usual
        if one.voices < LEAST_RATIO * expected:
            continue
        surprise = binomial_surprise(one.voices, one.voices + used, share)
        found.append(
            Emerging(
                key=one.key,
                name=one.text,
                phrases=(one,),
                mention_ids=one.mention_ids,
                voices=one.voices,
                usual={one.key: used},
                expected=expected,
                score=surprise - tries,
            )
        )
    return sorted(_joined(found), key=lambda one: (-one.score, one.key))[:MOST_TOPICS]


def _joined(found: Sequence[Emerging]) -> list[Emerging]:
    """Phrases that stand in the same mentions, or of which one is a part of the other."""
    groups: list[list[Emerging]] = []
    for one in sorted(found, key=lambda one: (-one.voices, -one.score, one.key)):
        home = next((group for group in groups if any(_alike(one, other) for other in group)), None)
        if home is None:
            groups.append([one])
        else:
            home.append(one)
    return [_merged(group) for group in groups]


def _alike(one: Emerging, other: Emerging) -> bool:
    both = len(one.mention_ids & other.mention_ids)
    short, long = sorted((one.key.replace(" ", ""), other.key.replace(" ", "")), key=len)
    nested = both and short in long
    return bool(nested) or both >= ALIKE * (len(one.mention_ids) + len(other.mention_ids) - both)


def _merged(group: Sequence[Emerging]) -> Emerging:
    """A longer phrase says more, as long as most of the voices use it; the widest one counts."""
    widest = max(group, key=lambda one: one.voices)
    common = [one for one in group if one.voices >= 0.6 * widest.voices]
    named = max(common, key=lambda one: (" " in one.name, one.score, one.voices, one.key))
    ranked = [named, *(one for one in group if one is not named)][:MOST_PHRASES]
    return Emerging(
        key=named.key,
        name=named.name,
        phrases=tuple(one.phrases[0] for one in ranked),
        mention_ids=frozenset().union(*(one.mention_ids for one in ranked)),
        voices=widest.voices,
        usual={one.key: one.usual[one.key] for one in ranked},
        expected=max(one.expected for one in ranked),
        score=max(one.score for one in group),
    )


def sight(topic: Emerging, said: Sequence[Said]) -> tuple[Sighting, dict[str, Any]]:
    """How a topic stands, and the facts of it. ``said`` are its mentions, in order of time."""
    sighting = Sighting(
        onset_at=said[0].at,
        grown_at=said[-1].at,
        score=topic.score,
        observed=float(voices(said)),
        expected=topic.expected,
    )
    facts = {
        "signal": "new_topic",
        "key": topic.key,
        "phrase": topic.name,
        "phrases": [
            {
                "key": one.key,
                "text": one.text,
                "variants": list(one.variants),
                "voices": one.voices,
                "count": len(one.mention_ids),
                "usual": topic.usual[one.key],
            }
            for one in topic.phrases
        ],
        "usual": topic.usual[topic.key],
        "usual_days": USUAL // timedelta(days=1),
        "expected": round(topic.expected, 3),
    }
    return sighting, facts | numbers_of(said)


def sight_again(
    spike: SpikeLife, facts: Mapping[str, Any], said: Sequence[Said]
) -> tuple[Sighting, dict[str, Any]] | None:
    """How a topic with a spike stands by its mentions alone, where it does not stand out of the
    last hours any more; None without any.
    """
    if not said:
        return None
    sighting = Sighting(
        onset_at=spike.onset_at,
        grown_at=said[-1].at,
        score=spike.peak_score,
        observed=float(voices(said)),
        expected=spike.expected,
    )
    return sighting, {**facts, **numbers_of(said)}


def numbers_of(said: Sequence[Said]) -> dict[str, Any]:
    """How many mentions, authors, stories and voices, and how they came."""
    authors: set[str] = set()
    timeline: list[list[Any]] = []
    for number, one in enumerate(said, 1):
        authors.add(one.author_key or f"#{one.mention_id}")
        timeline.append([one.at.isoformat(), number, len(authors)])
    every = -(-len(timeline) // MOST_POINTS)
    return {
        "mentions": len(said),
        "authors": len(authors),
        "stories": len({_story(one) for one in said}),
        "voices": voices(said),
        "from": said[0].at.isoformat(),
        "grown_at": said[-1].at.isoformat(),
        "first_id": said[0].mention_id,
        "timeline": timeline[(len(timeline) - 1) % every :: every],
    }


def holds(said: Said, key: str) -> bool:
    """Whether a mention has the phrase in it, however it is spelt."""
    return key.replace(" ", "") in said.text.casefold().replace(" ", "")


def of_known_kinds(
    recent: Sequence[Said], kinds: Mapping[int, str], usual_kinds: Counter[str]
) -> list[Said]:
    """Mentions of the sources and languages that the brand is known by: of a source that was just
    added every word is new. ``kinds`` gives that of each mention.
    """
    return [one for one in recent if usual_kinds[kinds.get(one.mention_id, "")] >= FEWEST_OF_KIND]


def _story(said: Said) -> str:
    return f"#{said.mention_id}" if said.story_key is None else f"={said.story_key}"


def baseline_end(now: datetime) -> datetime:
    """Where the weeks before end: at a quarter of the day that lies before the window, so that what
    was asked of them holds for hours.
    """
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (now - WINDOW - midnight) // WINDOW * WINDOW
