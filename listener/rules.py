"""What makes sense as a rule, and the rules that come with every brand. Pure.

``detect/catalogue.py`` turns rules into what is watched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Final

from listener.errors import InvalidInput
from listener.types import Rule, Scope, Sensitivity, Signal, Step

EACH: Final = "*"  # as a scope: each topic (source …) is a series of its own
FACETS: Final = ("topic", "source", "language", "country")
COUNTED: Final = (Signal.MENTIONS, Signal.NEGATIVE, Signal.COMPLAINTS, Signal.LOW_RATINGS)
AVERAGED: Final = (Signal.NEGATIVE_SHARE, Signal.RATING, Signal.NET_SENTIMENT)
HAPPENING: Final = (Signal.NEW_TOPIC, Signal.VIRAL, Signal.SPREADING)

NAME_LENGTH: Final = 200
MOST_STEPS: Final = 5
LEAST_REMINDER: Final = timedelta(minutes=5)
STRICTEST: Final = 3.0  # a thousandth of the spikes


_LENGTHS: Final = {"topic": 40, "source": 40, "language": 8, "country": 8}


def check(rule: Rule) -> None:
    """Raises InvalidInput, with ``field``, for a rule that makes no sense."""
    if not rule.name.strip() or len(rule.name) > NAME_LENGTH:
        raise InvalidInput(f"A name has 1 to {NAME_LENGTH} characters.", field="name")
    if not 1 <= rule.min_count <= 1_000_000:
        raise InvalidInput("At least one mention, at most a million.", field="min_count")
    _check_scope(rule)
    _check_hours(rule)
    _check_steps(rule)
    if rule.remind_every is not None and rule.remind_every < LEAST_REMINDER:
        raise InvalidInput("That is too often.", field="remind_every", hint="At least 5 minutes.")
    if not -STRICTEST <= rule.strictness <= STRICTEST:
        raise InvalidInput(f"From -{STRICTEST} to {STRICTEST}.", field="strictness")


def _check_scope(rule: Rule) -> None:
    given = facets_of(rule.scope)
    for name, value in given:
        if not value or len(value) > _LENGTHS[name] or ":" in value or not value.isprintable():
            raise InvalidInput(f"There is no {name} {value[:60]!r}.", field=name)
        if value == EACH and rule.signal in HAPPENING:
            raise InvalidInput("What happens to single things has no series for each.", field=name)
        if value == EACH and len(given) > 1:
            raise InvalidInput('"*" stands alone: a rule looks at each of one kind.', field=name)


def _check_hours(rule: Rule) -> None:
    for name, minute in (("quiet_from", rule.quiet_from), ("quiet_to", rule.quiet_to)):
        if minute is not None and not 0 <= minute < 24 * 60:
            raise InvalidInput("A time of day, in minutes after midnight.", field=name)
    if (rule.quiet_from is None) != (rule.quiet_to is None):
        missing = "quiet_from" if rule.quiet_from is None else "quiet_to"
        raise InvalidInput("Quiet hours have a beginning and an end.", field=missing)


def _check_steps(rule: Rule) -> None:
    times = [step.after for step in rule.steps]
    if not times or len(times) > MOST_STEPS or times[0] or times != sorted(set(times)):
        raise InvalidInput(
            "The first step is at once, each further one later than the one before.",
            field="steps",
            hint=f"At most {MOST_STEPS} of them.",
        )


def facets_of(scope: Scope) -> list[tuple[str, str]]:
    """What of a scope is given, as (field, value)."""
    told = ((name, getattr(scope, name)) for name in FACETS)
    return [(name, value) for name, value in told if value is not None]


# --- the rules that come with a brand ------------------------------------------------------------

# By origin: in Korean, in English.
TITLES: Final[Mapping[str, tuple[str, str]]] = {
    "complaints": ("불만 급증", "Complaints rise"),
    "topics": ("한 주제의 불만 급증", "Complaints about one topic rise"),
    "negative": ("부정 언급 급증", "Negative mentions rise"),
    "low_ratings": ("낮은 평점 급증", "Low ratings rise"),
    "negative_share": ("부정 비율 상승", "Share of negatives rises"),
    "rating": ("평균 평점 하락", "Mean rating falls"),
    "new_topic": ("처음 보는 주제", "A topic nobody knew"),
    "viral": ("빠르게 퍼지는 글", "A post goes viral"),
    "spreading": ("여러 곳으로 번지는 이야기", "A story spreads"),
    "mentions": ("언급량 급증", "Mentions rise"),
}
NOBODY: Final = (Step(channel_ids=()),)


def default_rules(brand_id: int, competitor: bool) -> list[Rule]:
    """What a new brand is watched for. Their ids are 0: they are not stored yet.

    All at once they raise about one false alarm a month. A mere rise in volume may be good news: it
    is shown and calls nobody, as is all that happens to competitors.
    """
    return [
        rule
        for rule in _defaults(brand_id, NOBODY if competitor else (Step(),))
        if not (competitor and rule.signal in HAPPENING)
    ]


def _defaults(brand_id: int, steps: tuple[Step, ...]) -> Iterator[Rule]:
    def rule(origin: str, signal: Signal, *, min_count: int = 5, **more: object) -> Rule:
        given: dict[str, object] = {"sensitivity": Sensitivity.LOW, "steps": steps} | more
        return Rule(
            id=0,
            brand_id=brand_id,
            name=TITLES[origin][0],
            origin=origin,
            signal=signal,
            min_count=min_count,
            **given,  # type: ignore[arg-type]
        )

    yield rule("complaints", Signal.COMPLAINTS, sensitivity=Sensitivity.NORMAL)
    yield rule("topics", Signal.COMPLAINTS, scope=Scope(topic=EACH), sensitivity=Sensitivity.NORMAL)
    yield rule("negative", Signal.NEGATIVE)
    yield rule("low_ratings", Signal.LOW_RATINGS)
    yield rule("negative_share", Signal.NEGATIVE_SHARE, min_count=10)
    yield rule("rating", Signal.RATING, min_count=10)
    yield rule("new_topic", Signal.NEW_TOPIC)
    yield rule("viral", Signal.VIRAL, min_count=1)
    yield rule("spreading", Signal.SPREADING)
    yield rule("mentions", Signal.MENTIONS, min_count=10, steps=NOBODY)
