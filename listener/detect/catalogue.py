"""From rules to the series that are watched, and from spikes to the rules that want them. Pure.

A rule names a signal and a scope. Most of these are counted in buckets already, as dimensions; the
names of dimensions and what they select are known here and nowhere else. The watchdog, backtests
and the pages ask the same questions here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from listener.detect.policy import policy_of
from listener.rules import COUNTED, EACH, FACETS, HAPPENING, facets_of
from listener.rules import default_rules as default_rules
from listener.types import By, Rule, Sensitivity, Severity, Signal

SHARE: Final = "share:negative"
RATING: Final = "mean:rating"
SENTIMENT: Final = "mean:sentiment"
# The column of a bucket that may be summed over time, by what is counted.
COLUMN: Final[Mapping[By, str]] = {
    By.POSTS: "count",
    By.STORIES: "new_stories",
    By.AUTHORS: "new_authors",
}
RATED: Final = "rated"  # the dimension of mentions with a rating: their places on their scales

TREND: Final = timedelta(hours=12)  # a surge that only shows over so long is a slow burn
# Of each topic by itself there are about ten series: together they may raise as many spikes by
# chance as one, so each has to reach a score that is ten times rarer.
CROWD: Final = 1.0

_LONGEST: Final = 60  # characters of a dimension as it is stored
_WHOLE: Final[Mapping[Signal, str]] = {
    Signal.MENTIONS: "all",
    Signal.NEGATIVE: "negative",
    Signal.COMPLAINTS: "complaint",
    Signal.LOW_RATINGS: "low_rating",
    Signal.NEGATIVE_SHARE: SHARE,
    Signal.RATING: RATING,
    Signal.NET_SENTIMENT: SENTIMENT,
}
_NARROW: Final[Mapping[str, dict[str, str]]] = {
    "all": {},
    "negative": {"sentiment": "negative"},
    "complaint": {"complaint": "true"},
    "low_rating": {"low_rating": "true"},
    RATED: {"rated": "true"},
}


class SeriesKey(NamedTuple):
    """A series of a brand that is watched: what, counted how, how closely."""

    dimension: str
    by: By
    sensitivity: Sensitivity


class Parts(NamedTuple):
    """The bucket dimensions that a series is made of.

    ``of`` is set for a share or a mean: then ``part`` names the part and ``of`` the whole.
    """

    part: str
    of: str | None = None


# --- from rules to series ------------------------------------------------------------------------


def series_of(rule: Rule, dimensions: Collection[str]) -> list[SeriesKey]:
    """The series that a rule listens to, in order of their names.

    ``dimensions`` are those in which the brand has buckets: "*" stands for all that are among them.
    Signals that are no series (a new topic, a viral post, a spreading story) give none.
    """
    if rule.signal in HAPPENING:
        return []
    by = rule.by if rule.signal in COUNTED else By.POSTS
    return [SeriesKey(name, by, rule.sensitivity) for name in _names(rule, dimensions)]


def watched_by(
    rules: Sequence[Rule], dimensions: Collection[str]
) -> dict[SeriesKey, tuple[Rule, ...]]:
    """All series that these rules listen to, each with its rules; rules that are off have none."""
    found: dict[SeriesKey, list[Rule]] = {}
    for rule in rules:
        if rule.enabled:
            for key in series_of(rule, dimensions):
                found.setdefault(key, []).append(rule)
    return {key: tuple(found[key]) for key in sorted(found)}


def parts_of(dimension: str) -> Parts:
    """What the buckets have to hold for a series."""
    for name, (part, of) in {
        SHARE: ("negative", "all"),
        RATING: (RATED, RATED),
        SENTIMENT: ("all", "all"),
    }.items():
        if dimension == name:
            return Parts(part, of)
        if dimension.startswith(f"{name}:"):
            facet = dimension.removeprefix(f"{name}:")
            return Parts(_within(facet, part), _within(facet, of))
    return Parts(dimension)


def whole_of(signal: Signal) -> str:
    """The series of a signal over all of a brand. KeyError for one that is no series."""
    return _WHOLE[signal]


def rule_of(dimension: str) -> int | None:
    """The id of the rule whose mentions are counted one by one, as no bucket holds them."""
    kind, _, rest = dimension.partition(":")
    return int(rest) if kind == "rule" and rest.isdecimal() else None


def _names(rule: Rule, dimensions: Collection[str]) -> list[str]:
    whole, given = _WHOLE[rule.signal], facets_of(rule.scope)
    if not given:
        return [whole]
    field, value = given[0]
    if len(given) > 1:
        return [f"rule:{rule.id}"]
    if value != EACH:
        name = _narrowed(whole, f"{field}:{value}")
        return [name if len(name) <= _LONGEST else f"rule:{rule.id}"]
    facets = sorted(d for d in dimensions if d.startswith(f"{field}:") and d.count(":") == 1)
    names = (_narrowed(whole, facet) for facet in facets)
    return [n for n in names if len(n) <= _LONGEST and parts_of(n).part in dimensions]


def _narrowed(whole: str, facet: str) -> str:
    return f"{whole}:{facet}" if whole in (SHARE, RATING, SENTIMENT) else _within(facet, whole)


def _within(facet: str, whole: str) -> str:
    return facet if whole == "all" else f"{facet}:{whole}"


# --- from series to mentions ---------------------------------------------------------------------


def filter_of(dimension: str, rule: Rule | None = None) -> dict[str, str]:
    """The filter that selects the mentions of a series, as parameters of the API and the pages:
    topic, source, language, country, sentiment, complaint, low_rating, rated.

    ``rule`` is needed for a series that only its rule describes ("rule:7"). Of a share or a mean it
    selects those that pull it: the negative ones, the rated ones, all.
    """
    if rule_of(dimension) is not None:
        if rule is None:
            return {}
        part = parts_of(_WHOLE[rule.signal]).part if rule.signal in _WHOLE else "all"
        return dict(facets_of(rule.scope)) | _NARROW[part]
    dimension = parts_of(dimension).part
    kind, _, rest = dimension.partition(":")
    if kind in FACETS and rest:
        value, _, narrow = rest.partition(":")
        return {kind: value} | _NARROW.get(narrow or "all", {})
    return dict(_NARROW.get(dimension, {}))


def source_of(dimension: str, rule: Rule | None = None) -> str | None:
    """The one source that a series is about; None = any. ``rule`` as ``filter_of`` takes it."""
    return filter_of(dimension, rule).get("source")


# --- from spikes to rules ------------------------------------------------------------------------


def is_trend(window: timedelta) -> bool:
    """Whether a spike that opened in this window is a slow burn."""
    return window >= TREND


def threshold_of(rule: Rule) -> float:
    """The score from which a rule wants a spike."""
    each = any(value == EACH for _, value in facets_of(rule.scope))
    crowd = CROWD if each else 0.0
    return policy_of(rule.sensitivity).threshold + rule.strictness + crowd


def wants(rule: Rule, *, score: float, observed: float, now: datetime) -> bool:
    """Whether a spike of this highest score, with so many mentions in it, is worth an alert."""
    if not rule.enabled or (rule.muted_until is not None and now < rule.muted_until):
        return False
    return score >= threshold_of(rule) and observed >= rule.min_count


def severity_of(
    *, score: float, observed: float, expected: float, trend: bool, rules: Sequence[Rule] = ()
) -> Severity:
    """How bad a spike is. High: once in 8 years or rarer (score 2), or 20 more than expected at
    five times the expectation; medium: 5 more than expected; else, and for a slow burn, low.

    A rule that says how severe its spikes are is believed, of several the one that says most.
    """
    said = [rule.severity for rule in rules if rule.severity is not None]
    if said:
        return max(said, key=SEVERITIES.index)
    if trend:
        return Severity.LOW
    excess = observed - expected
    if score >= 2 or (excess >= 20 and observed >= 5 * expected):
        return Severity.HIGH
    return Severity.MEDIUM if excess >= 5 else Severity.LOW


SEVERITIES: Final = (Severity.LOW, Severity.MEDIUM, Severity.HIGH)
