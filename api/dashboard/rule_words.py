"""Rules of alerts in words: the sentence that a rule is, and what stands behind each choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from api.dashboard.names import LANGUAGES, Pair
from api.dashboard.view import View
from listener.rules import EACH, TITLES
from listener.types import By, Rule, Scope, Sensitivity, Severity, Signal, Step

# What happens, as it stands in the middle of the sentence: after a scope in Korean.
SIGNALS: Mapping[Signal, Pair] = {
    Signal.COMPLAINTS: ("불만이 평소보다 크게 늘면", "complaints rise far above the usual"),
    Signal.NEGATIVE: (
        "부정적인 글이 평소보다 크게 늘면",
        "negative mentions rise far above the usual",
    ),
    Signal.LOW_RATINGS: (
        "낮은 별점(2점 이하)이 평소보다 크게 늘면",
        "low ratings (2 or worse) rise far above the usual",
    ),
    Signal.MENTIONS: ("언급이 평소보다 크게 늘면", "mentions rise far above the usual"),
    Signal.NEGATIVE_SHARE: (
        "부정적인 글의 비율이 평소보다 높아지면",
        "the share of negative mentions rises above the usual",
    ),
    Signal.RATING: ("평균 별점이 평소보다 떨어지면", "the average rating falls below the usual"),
    Signal.NET_SENTIMENT: (
        "전체 반응이 평소보다 나빠지면",
        "the mood as a whole gets worse than usual",
    ),
    Signal.NEW_TOPIC: (
        "없던 이야기가 여러 사람에게서 나오면",
        "several people bring up what nobody spoke of before",
    ),
    Signal.VIRAL: ("글 하나가 빠르게 퍼지면", "one post spreads fast"),
    Signal.SPREADING: ("한 이야기가 여러 곳으로 번지면", "one story goes from place to place"),
}
# What each means: how often it is wrong by mere chance, and what for.
SENSITIVITIES: Mapping[Sensitivity, tuple[Pair, Pair, Pair]] = {
    Sensitivity.LOW: (
        ("낮음", "Low"),
        ("헛알림이 1년에 한 번쯤", "about one false alarm a year"),
        ("큰일만 알고 싶을 때", "for those who want the big things only"),
    ),
    Sensitivity.NORMAL: (
        ("보통", "Normal"),
        ("헛알림이 석 달에 한 번쯤", "about one false alarm in three months"),
        ("대부분 이것이 알맞습니다", "right for most"),
    ),
    Sensitivity.HIGH: (
        ("높음", "High"),
        ("헛알림이 한 달에 한 번쯤", "about one false alarm a month"),
        ("작은 움직임도 일찍 알고 싶을 때", "to know of small things early"),
    ),
    Sensitivity.HIGHEST: (
        ("아주 높음", "Highest"),
        ("헛알림이 일주일에 한 번쯤", "about one false alarm a week"),
        ("늘 지켜보는 사람이 있을 때", "where somebody is always watching"),
    ),
}
COUNTING: Mapping[By, Pair] = {
    By.STORIES: ("같은 글은 한 번만 세기", "Copies of one text count once"),
    By.POSTS: ("모든 글을 세기", "Every mention counts"),
    By.AUTHORS: ("같은 사람은 하루 한 번만 세기", "Everybody counts once a day"),
}
SEVERITY: Mapping[str, Pair] = {
    "": ("크기에 따라", "by its size"),
    Severity.HIGH: ("언제나 심각", "always severe"),
    Severity.MEDIUM: ("언제나 주의", "always notable"),
    Severity.LOW: ("언제나 낮음", "always minor"),
}


def title(view: View, rule: Rule) -> str:
    """What a rule is called: one that came with the brand in the reader's language."""
    known = TITLES.get(rule.origin)
    if known is not None and rule.name == known[0]:
        return view.say(*known)
    return rule.name


def stored_name(typed: str, rule: Rule | None) -> str:
    """What is stored for a name that was typed: that of a rule that came with the brand is kept in
    Korean, as ``title`` tells it in the reader's language.
    """
    known = TITLES.get(rule.origin) if rule else None
    return known[0] if known and typed in known else typed


def suggested(view: View, signal: Signal, scope: Scope) -> str:
    """A name for a rule that was given none."""
    what = view.say(*_SHORT[signal])
    where = [word for _, word in _facets(view, scope)]
    return " · ".join([*where, what])


def sentence(view: View, rule: Rule, brand: str, channels: Mapping[int, str]) -> str:
    """The rule as one sentence: whose what, and who is told."""
    scope = "".join(f"{word} " for word, _ in _facets(view, rule.scope))
    what = view.say(*SIGNALS[rule.signal])
    first, *later = rule.steps
    if view.language == "ko":
        begin = f"{brand}의 {scope}{what} {_told_ko(view, first, channels)}."
        more = [
            f"{view.say.length(step.after)} 안에 아무도 확인하지 않으면 "
            f"{whom(view, step, channels)}에게도 알립니다."
            for step in later
        ]
        return " ".join([begin, *more])
    within = "".join(f", {word}" for word, _ in _facets(view, rule.scope))
    begin = f"When {what} for {brand}{within}, {_told_en(view, first, channels)}."
    more = [
        f"If nobody has seen it after {view.say.length(step.after)}, "
        f"tell {whom(view, step, channels)} as well."
        for step in later
    ]
    return " ".join([begin, *more])


def conditions(view: View, rule: Rule) -> list[str]:
    """What else holds, each in a few words."""
    say = view.say
    name, meaning, _ = SENSITIVITIES[rule.sensitivity]
    told = [
        say("민감도 {x}({y})", "sensitivity {x} ({y})", x=say(*name).lower(), y=say(*meaning)),
        say("{n}건 이상일 때", "{n} mentions at least", n=say.number(rule.min_count)),
        say(*COUNTING[rule.by]) if rule.by is not By.STORIES else "",
        say("심각도 {x}", "{x}", x=say(*SEVERITY[rule.severity])) if rule.severity else "",
    ]
    if rule.quiet_from is not None and rule.quiet_to is not None:
        told.append(
            say(
                "{a}–{b}에는 심각한 것만",
                "{a}–{b}: severe ones only",
                a=clock(rule.quiet_from),
                b=clock(rule.quiet_to),
            )
        )
    if rule.working_days:
        told.append(say("쉬는 날에는 심각한 것만", "days off: severe ones only"))
    if rule.remind_every is not None and calls(rule.steps):
        every = say.length(rule.remind_every)
        told.append(say("확인할 때까지 {x}마다 다시", "again every {x} until seen", x=every))
    return [one for one in told if one]


def whom(view: View, step: Step, channels: Mapping[int, str]) -> str:
    """Who is told by a step; channels that are gone are left out."""
    if step.channel_ids is None:
        return view.say("모두", "everybody")
    names = [channels[one] for one in step.channel_ids if one in channels]
    return ", ".join(names) or view.say("아무", "nobody")


def calls(steps: Sequence[Step]) -> bool:
    """Whether any step tells anybody."""
    return any(step.channel_ids is None or step.channel_ids for step in steps)


def clock(minute: int) -> str:
    """A time of day from minutes after midnight: 22:30."""
    return f"{minute // 60:02}:{minute % 60:02}"


def facet(view: View, field: str, value: str) -> str:
    """What a value of a scope's field is called."""
    if field == "topic":
        return view.topic_name(value)
    if field == "source":
        return view.source_name(value)
    return view.name(LANGUAGES, value) if field == "language" else value.upper()


_SHORT: Mapping[Signal, Pair] = {
    Signal.COMPLAINTS: TITLES["complaints"],
    Signal.NEGATIVE: TITLES["negative"],
    Signal.LOW_RATINGS: TITLES["low_ratings"],
    Signal.MENTIONS: TITLES["mentions"],
    Signal.NEGATIVE_SHARE: TITLES["negative_share"],
    Signal.RATING: TITLES["rating"],
    Signal.NET_SENTIMENT: ("전체 반응 악화", "Mood gets worse"),
    Signal.NEW_TOPIC: TITLES["new_topic"],
    Signal.VIRAL: TITLES["viral"],
    Signal.SPREADING: TITLES["spreading"],
}
_EACH: Mapping[str, Pair] = {
    "topic": ("주제별", "topic by topic"),
    "source": ("출처별", "source by source"),
    "language": ("언어별", "language by language"),
    "country": ("나라별", "country by country"),
}
_ONE: Mapping[str, Pair] = {
    "source": ("{x}에서 나온", "on {x}"),
    "language": ("{x} 글의", "in {x}"),
    "country": ("{x}에서 나온", "in {x}"),
    "topic": ("{x}에 대한", "about {x}"),
}


def _facets(view: View, scope: Scope) -> list[tuple[str, str]]:
    """What is looked at, as it stands in a sentence, and as it stands in a name."""
    found = []
    for field, pair in _ONE.items():
        value = getattr(scope, field)
        if value == EACH:
            found.append((view.say(*_EACH[field]),) * 2)
        elif value is not None:
            name = facet(view, field, value)
            found.append((view.say(*pair, x=name), name))
    return found


def _told_ko(view: View, step: Step, channels: Mapping[int, str]) -> str:
    if not calls((step,)):
        return "화면에 보이고, 알리지는 않습니다"
    when = "바로" if step.after == timedelta(0) else f"{view.say.length(step.after)} 뒤"
    return f"{when} {whom(view, step, channels)}에게 알립니다"


def _told_en(view: View, step: Step, channels: Mapping[int, str]) -> str:
    if not calls((step,)):
        return "it is shown, and nobody is told"
    return f"tell {whom(view, step, channels)} at once"
