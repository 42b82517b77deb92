"""What a spike is about: the mentions in it against those before it, as numbers and examples. Pure.

``explain`` reads texts and is run by the watchdog; ``recount`` takes the mentions as they are now,
which costs next to nothing, so that each number on a page is that of the list behind it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from listener.analyze.logodds import log_odds
from listener.analyze.words import Stemmer, phrases, split_words
from listener.types import Label

MOST_DRIVERS = 5
MOST_USUAL = 60  # names of each kind whose usual number is kept
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
    language: str | None = None
    country: str | None = None
    place: str | None = None
    product: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Driver:
    """A topic, source, product …: its shares (0..1), and how many more there are than usual.

    ``excess`` is ``count`` less what its usual share of the expected mentions would be.
    """

    name: str
    count: int
    share: float
    usual_share: float
    excess: float


@dataclass(frozen=True, slots=True)
class Phrase:
    """A word or pair of words that sets the spike apart; ``z`` is its log-odds over their error.

    ``count`` and ``usual`` are writers in the spike and in the baseline, ``mentions`` those that a
    search for it finds in the spike (None = nobody has searched).
    """

    text: str
    count: int
    usual: int
    z: float
    mentions: int | None = None


@dataclass(frozen=True, slots=True)
class Usual:
    """The time before a spike in numbers: ``counts`` by kind of driver and name."""

    mentions: int = 0
    stories: int = 0
    complaints: int = 0
    judged: int = 0  # whether they complain
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def share(self, kind: str, name: str) -> float:
        """Of the mentions before, how many have it."""
        return self.counts.get(kind, {}).get(name, 0) / self.mentions if self.mentions else 0.0

    @property
    def complaint_share(self) -> float | None:
        """Of those that could be judged."""
        return _round(self.complaints / self.judged) if self.judged else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The drivers of a spike, strongest first, and the mentions to look at."""

    mentions: int
    authors: int  # distinct, as far as known
    stories: int  # distinct
    loudest_author_share: float  # of the mentions: near 1 = one account made the spike
    complaints: int
    complaint_share: float | None  # of those that could be judged
    usual_complaint_share: float | None
    topics: tuple[Driver, ...] = ()
    sources: tuple[Driver, ...] = ()
    labels: tuple[Driver, ...] = ()
    languages: tuple[Driver, ...] = ()
    countries: tuple[Driver, ...] = ()
    places: tuple[Driver, ...] = ()
    products: tuple[Driver, ...] = ()
    versions: tuple[Driver, ...] = ()
    writers: tuple[Driver, ...] = ()  # by ``author_key``, those who wrote more than one
    phrases: tuple[Phrase, ...] = ()
    first_ids: tuple[int, ...] = ()  # the earliest mentions
    most_spread_ids: tuple[int, ...] = ()  # by engagement
    sample_ids: tuple[int, ...] = ()  # one of each story, most typical first
    usual: Usual = field(default_factory=Usual)

    def to_json(self) -> dict[str, Any]:
        """Plain dicts and lists of JSON values. Who wrote is left out of what is kept: an author
        who is erased shall leave no trace here.
        """
        plain: dict[str, Any] = asdict(self)
        del plain["writers"]
        plain["usual"]["counts"].pop("writers", None)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}


# What a mention can have of each kind of driver.
KINDS: Mapping[str, Key] = {
    "topics": lambda f: f.topics,
    "sources": lambda f: (f.source,),
    "labels": lambda f: (f.label.value,) if f.label else (),
    "languages": lambda f: _one(f.language),
    "countries": lambda f: _one(f.country),
    "places": lambda f: _one(f.place),
    "products": lambda f: _one(f.product),
    "versions": lambda f: _one(f.version),
    "writers": lambda f: _one(f.author_key),
}
_DRIVEN = ("countries", "places", "products", "versions")  # a source that tells none drives none


def explain(
    facts: Sequence[SpikeFact],
    usual: Sequence[SpikeFact],
    *,
    length: timedelta,
    usual_length: timedelta,
    expected: float | None = None,
    ignored: Collection[str] = (),
) -> Explanation:
    """Compare the ``facts`` of a spike (``length`` long) with those of the time before it.

    ``expected`` is how many mentions the detector expected in that time; without it the time before
    tells. ``ignored`` are phrases that say nothing: the brand's names.
    """
    before = count_usual(usual)
    if expected is None:
        expected = before.mentions * (length / usual_length) if usual_length else 0.0
    found = _Texts(facts, usual).phrases({phrase.casefold() for phrase in ignored})
    return _explained(
        facts,
        before,
        expected,
        phrases=found.best,
        sample_ids=_ids(_samples(facts, found.weights)),
    )


def recount(
    facts: Sequence[SpikeFact],
    told: Mapping[str, Any],
    *,
    expected: float,
    usual: Usual | None = None,
) -> Explanation:
    """An explanation with the numbers of ``facts``, and phrases and samples as they were ``told``.

    ``usual`` stands in where the explanation is from before it kept the usual.
    """
    here = {fact.mention_id for fact in facts}
    return _explained(
        facts,
        usual_of(told) or usual or Usual(),
        expected,
        phrases=tuple(
            Phrase(one["text"], one["count"], one["usual"], one["z"])
            for one in told.get("phrases") or ()
        ),
        sample_ids=tuple(one for one in told.get("sample_ids") or () if one in here),
    )


def usual_of(told: Mapping[str, Any]) -> Usual | None:
    """The usual that an explanation kept."""
    kept = told.get("usual")
    return Usual(**kept) if kept and kept.get("mentions") else None


def count_usual(facts: Sequence[SpikeFact]) -> Usual:
    """The numbers of the time before; of each kind the most frequent names."""
    judged = [f.complaint for f in facts if f.complaint is not None]
    counts = {kind: _most(n for f in facts for n in set(key(f))) for kind, key in KINDS.items()}
    return Usual(
        mentions=len(facts),
        stories=len({_story(f) for f in facts}),
        complaints=sum(judged),
        judged=len(judged),
        counts={kind: of for kind, of in counts.items() if of},
    )


def _most(names: Iterable[str]) -> dict[str, int]:
    ranked = sorted(Counter(names).items(), key=lambda pair: (-pair[1], pair[0]))
    return dict(ranked[:MOST_USUAL])


def _explained(
    facts: Sequence[SpikeFact],
    usual: Usual,
    expected: float,
    *,
    phrases: tuple[Phrase, ...],
    sample_ids: tuple[int, ...],
) -> Explanation:
    drivers = {kind: _drivers(facts, usual, expected, kind) for kind in KINDS}
    authors = Counter(f.author_key for f in facts if f.author_key is not None)
    judged = [f.complaint for f in facts if f.complaint is not None]
    return Explanation(
        mentions=len(facts),
        authors=len(authors),
        stories=len({_story(f) for f in facts}),
        loudest_author_share=_round(max(authors.values(), default=0) / max(len(facts), 1)),
        complaints=sum(judged),
        complaint_share=_round(sum(judged) / len(judged)) if judged else None,
        usual_complaint_share=usual.complaint_share,
        phrases=phrases,
        first_ids=_ids(sorted(facts, key=lambda f: (f.event_at, f.mention_id))[:MOST_FIRST]),
        most_spread_ids=_ids(_most_spread(facts)),
        sample_ids=sample_ids,
        usual=usual,
        **drivers,
    )


def _one(value: str | None) -> tuple[str, ...]:
    return (value,) if value else ()


def _drivers(
    facts: Sequence[SpikeFact], usual: Usual, expected: float, kind: str
) -> tuple[Driver, ...]:
    """What there is more of than its usual share of the expected mentions."""
    key = KINDS[kind]
    now = Counter(name for f in facts for name in set(key(f)))
    drivers = [
        Driver(
            name=name,
            count=count,
            share=_round(count / len(facts)),
            usual_share=_round(usual.share(kind, name)),
            excess=_round(count - usual.share(kind, name) * expected),
        )
        for name, count in now.items()
        if kind != "writers" or count > 1
    ]
    drivers.sort(key=lambda d: (-d.excess, -d.count, d.name))
    return tuple(d for d in drivers if d.excess > 0)[:MOST_DRIVERS]


def similarity(told: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """How alike two explanations are, 0..1: the cosine of what drives them.

    Each kind of driver is a vector of excess scaled to length 1, so that none drowns the others.
    """
    one, two = _direction(told), _direction(other)
    kinds = one.keys() | two.keys()
    if not kinds:
        return 0.0
    total = sum(
        weight * two.get(kind, {}).get(name, 0.0)
        for kind, of in one.items()
        for name, weight in of.items()
    )
    return total / max(len(one), len(two), 1)


def _direction(told: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for kind in ("topics", "sources", *_DRIVEN):
        of = {one["name"]: float(one["excess"]) for one in told.get(kind) or ()}
        found[kind] = of
    found["phrases"] = {one["text"]: float(one["count"]) for one in told.get("phrases") or ()}
    return {
        kind: {name: value / size for name, value in of.items()}
        for kind, of in found.items()
        if (size := math.hypot(*of.values())) > 0
    }


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

    def phrases(self, ignored: Set[str]) -> _Found:
        scored = [
            phrase
            for now, before in zip(self._now, self._before, strict=True)
            for phrase in _log_odds(now, before)
            # Nearly every mention names the brand: beside a word its name says nothing either.
            if phrase.text not in ignored and not ignored & set(phrase.text.split(" "))
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
