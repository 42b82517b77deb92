"""What a spike is about: the mentions in it against those before it, as numbers and examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from listener.analyze.logodds import log_odds
from listener.analyze.words import Stemmer, phrases, split_words
from listener.types import Label

MOST_DRIVERS = 5
MOST_PHRASES = 8
MOST_SAMPLES = 5
MOST_FIRST = 3
MOST_SPREAD = 3
FEWEST_WRITERS = 2  # of a phrase
LEAST_Z = 1.0  # of a phrase, where there is a baseline to compare with
ABSORBED = 0.7  # a pair that makes up this share of a word stands for the word

Key = Callable[["SpikeFact"], Iterable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikeFact:
    """What explaining needs of one mention. ``engagement`` is the sum of likes, replies and shares.

    ``story_key`` is equal for copies of one text (None = its own story); ``author_key`` None =
    unknown.
    """

    mention_id: int
    event_at: datetime
    source: str
    text: str
    topics: tuple[str, ...] = ()
    label: Label | None = None
    complaint: bool | None = None
    author_key: str | None = None
    story_key: str | None = None
    engagement: int = 0


@dataclass(frozen=True, slots=True)
class Driver:
    """A topic, source or sentiment: its shares (0..1), and how many more there are than usual."""

    name: str
    count: int
    share: float
    usual_share: float
    excess: float


@dataclass(frozen=True, slots=True)
class Phrase:
    """A word or pair of words that sets the spike apart; ``z`` is its log-odds over their error.

    ``count`` and ``usual`` are writers in the spike and in the baseline.
    """

    text: str
    count: int
    usual: int
    z: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The drivers of a spike, strongest first, and the mentions to look at."""

    mentions: int
    authors: int  # distinct, as far as known
    stories: int  # distinct
    loudest_author_share: float  # of the mentions: near 1 = one account made the spike
    complaint_share: float | None  # of those that could be judged
    usual_complaint_share: float | None
    topics: tuple[Driver, ...] = ()
    sources: tuple[Driver, ...] = ()
    labels: tuple[Driver, ...] = ()
    phrases: tuple[Phrase, ...] = ()
    first_ids: tuple[int, ...] = ()  # the earliest mentions
    most_spread_ids: tuple[int, ...] = ()  # by engagement
    sample_ids: tuple[int, ...] = ()  # one of each story, most typical first

    def to_json(self) -> dict[str, Any]:
        """Plain dicts and lists of JSON values."""
        plain: dict[str, Any] = asdict(self)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}


def explain(
    facts: Sequence[SpikeFact],
    usual: Sequence[SpikeFact],
    *,
    length: timedelta,
    usual_length: timedelta,
) -> Explanation:
    """Compare the ``facts`` of a spike (``length`` long) with those of the time before it."""
    ratio = length / usual_length if usual_length else 0.0
    found = _Texts(facts, usual).phrases()
    authors = Counter(f.author_key for f in facts if f.author_key is not None)
    return Explanation(
        mentions=len(facts),
        authors=len(authors),
        stories=len({_story(f) for f in facts}),
        loudest_author_share=_round(max(authors.values(), default=0) / max(len(facts), 1)),
        complaint_share=_complaints(facts),
        usual_complaint_share=_complaints(usual),
        topics=_drivers(facts, usual, ratio, lambda f: f.topics),
        sources=_drivers(facts, usual, ratio, lambda f: (f.source,)),
        labels=_drivers(facts, usual, ratio, lambda f: (f.label.value,) if f.label else ()),
        phrases=found.best,
        first_ids=_ids(sorted(facts, key=lambda f: (f.event_at, f.mention_id))[:MOST_FIRST]),
        most_spread_ids=_ids(_most_spread(facts)),
        sample_ids=_ids(_samples(facts, found.weights)),
    )


def _drivers(
    facts: Sequence[SpikeFact], usual: Sequence[SpikeFact], ratio: float, key: Key
) -> tuple[Driver, ...]:
    """What there is more of than the time before would give in ``length``."""
    now = Counter(name for f in facts for name in set(key(f)))
    before = Counter(name for f in usual for name in set(key(f)))
    drivers = [
        Driver(
            name=name,
            count=count,
            share=_round(count / len(facts)),
            usual_share=_round(before[name] / len(usual)) if usual else 0.0,
            excess=_round(count - before[name] * ratio),
        )
        for name, count in now.items()
    ]
    drivers.sort(key=lambda d: (-d.excess, -d.count, d.name))
    return tuple(d for d in drivers if d.excess > 0)[:MOST_DRIVERS]


def _complaints(facts: Iterable[SpikeFact]) -> float | None:
    judged = [f.complaint for f in facts if f.complaint is not None]
    return _round(sum(judged) / len(judged)) if judged else None


def _most_spread(facts: Sequence[SpikeFact]) -> list[SpikeFact]:
    spread = [f for f in facts if f.engagement > 0]
    return sorted(spread, key=lambda f: (-f.engagement, f.event_at, f.mention_id))[:MOST_SPREAD]


def _samples(facts: Sequence[SpikeFact], weights: dict[int, float]) -> list[SpikeFact]:
    """One mention of each story: those that say most of what sets the spike apart."""
    stories = Counter(_story(f) for f in facts)
    best: dict[str, SpikeFact] = {}

    def rank(f: SpikeFact) -> tuple[float, int, bool, int, datetime, int]:
        return (
            -weights.get(f.mention_id, 0.0),
            -stories[_story(f)],
            f.complaint is not True,
            -f.engagement,
            f.event_at,
            f.mention_id,
        )

    for fact in sorted(facts, key=rank):
        best.setdefault(_story(fact), fact)
    return list(best.values())[:MOST_SAMPLES]


def _story(fact: SpikeFact) -> str:
    return f"#{fact.mention_id}" if fact.story_key is None else f"={fact.story_key}"


def _ids(facts: Iterable[SpikeFact]) -> tuple[int, ...]:
    return tuple(f.mention_id for f in facts)


def _round(value: float) -> float:
    return round(value, 4)


@dataclass(frozen=True, slots=True)
class _Found:
    best: tuple[Phrase, ...]
    weights: dict[int, float]  # how typical a mention is: the z of the best phrases it contains


class _Texts:
    """Phrases of the spike and of the time before, counted once per writer."""

    def __init__(self, facts: Sequence[SpikeFact], usual: Sequence[SpikeFact]) -> None:
        self._facts = facts
        words = [split_words(f.text) for f in facts]
        usual_words = [split_words(f.text) for f in usual]
        stemmer = Stemmer([*words, *usual_words])
        self._sets = [phrases(w, stemmer) for w in words]
        usual_sets = [phrases(w, stemmer) for w in usual_words]
        self._now = [_count(facts, [s[n] for s in self._sets]) for n in (0, 1)]
        self._before = [_count(usual, [s[n] for s in usual_sets]) for n in (0, 1)]

    def phrases(self) -> _Found:
        scored = [
            phrase
            for now, before in zip(self._now, self._before, strict=True)
            for phrase in _log_odds(now, before)
        ]
        enough = [p for p in scored if p.count >= FEWEST_WRITERS]
        if any(p.usual for p in scored):
            enough = [p for p in enough if p.z >= LEAST_Z]
        best = _distinct(enough)
        weight = {p.text: max(p.z, 0.0) for p in best}
        weights = {
            fact.mention_id: sum(weight.get(p, 0.0) for p in singles | pairs)
            for fact, (singles, pairs) in zip(self._facts, self._sets, strict=True)
        }
        return _Found(tuple(best), weights)


def _count(facts: Sequence[SpikeFact], sets: Sequence[set[str]]) -> Counter[str]:
    """Writers of each phrase: an account that posts a hundred times counts once."""
    seen: set[tuple[str, str]] = set()
    counts: Counter[str] = Counter()
    for fact, found in zip(facts, sets, strict=True):
        writer = fact.author_key if fact.author_key is not None else f"#{fact.mention_id}"
        for phrase in found:
            if (writer, phrase) not in seen:
                seen.add((writer, phrase))
                counts[phrase] += 1
    return counts


def _log_odds(now: Counter[str], before: Counter[str]) -> list[Phrase]:
    scores = log_odds(now, before)
    return [Phrase(text, now[text], before[text], _round(z)) for text, z in scores.items()]


def _distinct(scored: Sequence[Phrase]) -> list[Phrase]:
    """The strongest phrases, none of which is a part of another.

    A pair of words stands for its words where these hardly occur without it, and then takes the
    place of the stronger one.
    """
    counts = {p.text: p for p in scored}
    absorbed: set[str] = set()
    strength = {p.text: p.z for p in scored}
    for phrase in scored:
        parts = [counts[w] for w in phrase.text.split(" ") if w in counts]
        if " " not in phrase.text:
            continue
        for part in parts:
            if phrase.count >= ABSORBED * part.count:
                absorbed.add(part.text)
                strength[phrase.text] = max(strength[phrase.text], part.z)
    ranked = sorted(
        (p for p in scored if p.text not in absorbed),
        key=lambda p: (-strength[p.text], -p.count, -len(p.text), p.text),
    )
    best: list[Phrase] = []
    used: set[str] = set()
    for phrase in ranked:
        words = set(phrase.text.split(" "))
        if not words & used:
            best.append(phrase)
            used |= words
        if len(best) == MOST_PHRASES:
            break
    return best
