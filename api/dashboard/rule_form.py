"""The form of a rule: from what was typed to a rule, and from a rule to the fields of the form."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.dashboard import rule_words
from api.dashboard.forms import ANYWHERE, Form
from api.dashboard.names import LANGUAGES, Pair
from api.dashboard.view import View
from listener.errors import InvalidInput
from listener.rules import EACH, FACETS, HAPPENING, MOST_STEPS, check
from listener.store import brands, channels, stats
from listener.store.tables import WatchRow
from listener.types import By, Rule, Scope, Sensitivity, Severity, Signal, Step

MINUTES = (15, 30, 60, 120, 240)  # offered for the next step, and for reminders
LATELY = timedelta(days=28)
_LEAST_STEPS = 3  # places for steps that the form always has
_COUNTRY = re.compile("[A-Za-z]{2}")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::\d{2})?")


@dataclass(frozen=True, slots=True)
class Choices:
    """What the drop-downs of the form offer, each as (value, shown)."""

    brands: Sequence[tuple[str, str]]
    signals: Sequence[tuple[str, str]]
    topics: Sequence[tuple[str, str]]
    sources: Sequence[tuple[str, str]]
    languages: Sequence[tuple[str, str]]
    countries: Sequence[tuple[str, str]]
    channels: Mapping[int, str]  # those that want alerts, and others that the rule names
    steps: Sequence[int]  # numbers of the places for steps, the first is 0


def choices(session: Session, view: View, form: Form) -> Choices:
    """What there is to choose from; what the form holds already is always among it."""
    used = {
        field: {value} if (value := form.get(field)) and value != EACH else set()
        for field in FACETS
    }
    seen = _seen(session, view, form)
    sources = used["source"] | {
        row for row in session.scalars(select(WatchRow.source).distinct()) if row
    }
    topics = [*view.terms.topics, *sorted(used["topic"] - set(view.terms.topics))]
    languages = used["language"] | seen.get("language", set()) | {"ko", "en"}
    countries = used["country"] | seen.get("country", set())
    numbers = [int(name[4:-4]) for name in form.values if re.fullmatch(r"step\d{1,2}_who", name)]
    return Choices(
        brands=[(str(one.id), one.name) for one in brands.listing(session)],
        signals=[(code.value, view.say(*pair)) for code, pair in rule_words.SIGNALS.items()],
        topics=[(EACH, view.say("주제 하나하나의", "each topic by itself"))]
        + [(key, view.say("{x}에 대한", "about {x}", x=view.topic_name(key))) for key in topics],
        sources=sorted(((key, view.source_name(key)) for key in sources), key=lambda one: one[1]),
        languages=[
            (key, view.name(LANGUAGES, key)) for key in sorted(languages, key=_korean_first)
        ],
        countries=[(key, key.upper()) for key in sorted(countries)],
        channels=_channels(session, form),
        steps=range(min(MOST_STEPS, max([_LEAST_STEPS - 1, *numbers]) + 1)),
    )


def _seen(session: Session, view: View, form: Form) -> dict[str, set[str]]:
    """Languages and countries that the brand was spoken of in lately."""
    found: dict[str, set[str]] = {}
    if form.get("brand").isdecimal():
        counted = stats.dimensions(session, int(form.get("brand")), view.now - LATELY, view.now)
        for name in counted:
            kind, _, value = name.partition(":")
            if kind in ("language", "country") and value and ":" not in value:
                found.setdefault(kind, set()).add(value)
    return found


def _korean_first(code: str) -> tuple[bool, str]:
    return (code != "ko", code)


def _channels(session: Session, form: Form) -> dict[int, str]:
    named = {
        int(found[1])
        for name in form.values
        if (found := re.fullmatch(r"step\d+_ch(\d{1,15})", name))
    }
    return {
        row.id: row.name
        for row in channels.listing(session)
        if row.id in named or (row.enabled and row.wants != "notices")
    }


# --- from a rule to fields -----------------------------------------------------------------------


def values_of(view: View, rule: Rule) -> dict[str, str]:
    """The fields of the form that say the same as the rule."""
    values = {
        "brand": str(rule.brand_id or ""),
        "name": rule_words.title(view, rule),
        "signal": rule.signal.value,
        "sensitivity": rule.sensitivity.value,
        "by": rule.by.value,
        "min_count": str(rule.min_count),
        "severity": rule.severity.value if rule.severity else "",
        "remind": "" if rule.remind_every is None else f"{_minutes(rule.remind_every):g}",
        "working_days": "yes" if rule.working_days else "",
        "quiet": "" if rule.quiet_from is None else "yes",
        "quiet_from": rule_words.clock(22 * 60 if rule.quiet_from is None else rule.quiet_from),
        "quiet_to": rule_words.clock(7 * 60 if rule.quiet_to is None else rule.quiet_to),
        "enabled": "yes" if rule.enabled else "",
    }
    values |= {field: getattr(rule.scope, field) or "" for field in FACETS}
    for number, step in enumerate(rule.steps):
        ids = step.channel_ids
        values[f"step{number}_after"] = f"{_minutes(step.after):g}"
        values[f"step{number}_who"] = "all" if ids is None else "some" if ids else "nobody"
        values |= {f"step{number}_ch{one}": "yes" for one in ids or ()}
    return values


def _minutes(span: timedelta) -> float:
    return span.total_seconds() / 60


def lengths(form: Form, name: str) -> list[str]:
    """Minutes offered at a field, with what it holds already."""
    given = form.get(name)
    offered = [str(one) for one in MINUTES]
    if given and given not in offered and re.fullmatch(r"\d{1,6}(\.\d{1,3})?", given):
        offered = sorted([*offered, given], key=float)
    return offered


# --- from fields to a rule -----------------------------------------------------------------------


def rule_of(view: View, form: Form, present: Rule | None = None) -> Rule | None:
    """The rule that was typed (id 0 where it is new), or None with the errors in the form.

    ``present`` is the rule as it is stored: what the form does not ask for stays.
    """
    if not form.get("brand").isdecimal():
        form.errors["brand"] = view.say("어느 브랜드인지 골라 주세요.", "Choose a brand.")
    fields = {
        "signal": _enum(view, form, "signal", Signal),
        "sensitivity": _enum(view, form, "sensitivity", Sensitivity),
        "by": _enum(view, form, "by", By),
        "severity": _enum(view, form, "severity", Severity) if form.get("severity") else None,
        "scope": _scope(view, form),
        "min_count": _count(view, form),
        "steps": _steps(view, form),
        "remind_every": _remind(view, form),
        "working_days": form.get("working_days") == "yes",
        "enabled": form.get("enabled") == "yes",
        **_quiet(view, form),
    }
    if form.errors:
        return None
    brand_id = int(form.get("brand"))
    name = rule_words.stored_name(form.get("name"), present)
    if not name:
        name = rule_words.suggested(view, fields["signal"], fields["scope"])[:200]
    base = present or Rule(id=0, brand_id=brand_id, name=name, signal=fields["signal"])
    rule = replace(base, brand_id=brand_id, name=" ".join(name.split()), **fields)
    try:
        check(rule)
    except InvalidInput as error:
        blame(view, form, error)
        return None
    return rule


def blame(view: View, form: Form, error: InvalidInput) -> None:
    """Put what the rules of rules refuse beside its field, in words."""
    field = error.field or ANYWHERE
    texts: dict[str, Pair] = {
        "min_count": (
            "1에서 1,000,000 사이의 숫자로 적어 주세요.",
            "A number from 1 to 1,000,000.",
        ),
        "name": ("이름은 200자까지입니다.", "200 characters at most."),
        "remind_every": ("5분보다 자주는 알릴 수 없습니다.", "Every 5 minutes at most."),
        "steps": (
            "뒤 단계일수록 더 늦어야 합니다. 시간을 다시 골라 주세요.",
            "Each step has to be later than the one before.",
        ),
    }
    if field in FACETS:
        pair = _scope_fault(error)
    else:
        pair = texts.get(field, ("이 값은 쓸 수 없습니다.", str(error)))
    name = {"remind_every": "remind"}.get(field, field)
    form.errors[name] = view.say(*pair)


def _scope_fault(error: InvalidInput) -> Pair:
    if "stands alone" in error.message:
        return (
            "‘하나하나 따로’는 한 곳에서만 고를 수 있습니다.",
            "“Each by itself” can be chosen once, and nothing beside it.",
        )
    if "single things" in error.message:
        return (
            "이 신호는 하나하나 따로 볼 수 없습니다. ‘전체’를 골라 주세요.",
            "This signal has no series for each. Choose all.",
        )
    return ("고른 것이 없어졌습니다. 다시 골라 주세요.", "It is gone. Choose again.")


def _enum(view: View, form: Form, name: str, enum: Any) -> Any:
    try:
        return enum(form.get(name))
    except ValueError:
        form.errors[name] = view.say("하나를 골라 주세요.", "Choose one.")
        return None


def _scope(view: View, form: Form) -> Scope:
    given = {field: form.get(field) or None for field in FACETS}
    country = given["country"]
    if country and country != EACH and not _COUNTRY.fullmatch(country):
        form.errors["country"] = view.say(
            "두 글자로 적어 주세요. 예: KR", "Two letters, such as KR."
        )
    if form.get("signal") in HAPPENING and EACH in given.values():
        for field in FACETS:
            if given[field] == EACH:
                given[field] = None  # they look at single things anyway
    return Scope(**given)


def _count(view: View, form: Form) -> int:
    typed = form.get("min_count").replace(",", "")
    if typed.isdecimal() and 1 <= int(typed[:9]) <= 1_000_000 and len(typed) <= 9:
        return int(typed)
    form.errors["min_count"] = view.say(
        "1 이상의 숫자로 적어 주세요. 예: 5", "Write a number from 1 on, such as 5."
    )
    return 1


def _steps(view: View, form: Form) -> tuple[Step, ...]:
    found: list[Step] = []
    for number in range(MOST_STEPS):
        who = form.get(f"step{number}_who")
        after = form.get(f"step{number}_after")
        if number and (not who or not after):
            continue
        ids = sorted(
            int(match[1])
            for name, value in form.values.items()
            if (match := re.fullmatch(rf"step{number}_ch(\d{{1,15}})", name)) and value
        )
        if who == "some" and not ids:
            form.errors[f"step{number}_who"] = view.say(
                "알릴 채널을 하나 이상 골라 주세요.", "Choose one channel at least."
            )
        if number and not re.fullmatch(r"\d{1,6}(\.\d{1,3})?", after):
            form.errors[f"step{number}_who"] = view.say("시간을 골라 주세요.", "Choose a time.")
            continue
        span = timedelta(minutes=float(after)) if number else timedelta(0)
        if found and span <= found[-1].after:
            form.errors[f"step{number}_who"] = view.say(
                "앞 단계보다 늦은 시간을 골라 주세요.", "Choose a time later than the step before."
            )
        chosen = None if who in ("all", "") else tuple(ids) if who == "some" else ()
        found.append(Step(after=span, channel_ids=chosen))
    return tuple(found)


def _remind(view: View, form: Form) -> timedelta | None:
    given = form.get("remind")
    if not given:
        return None
    if not re.fullmatch(r"\d{1,6}(\.\d{1,3})?", given):
        form.errors["remind"] = view.say("시간을 골라 주세요.", "Choose a time.")
        return None
    return timedelta(minutes=float(given))


def _quiet(view: View, form: Form) -> dict[str, int | None]:
    if form.get("quiet") != "yes":
        return {"quiet_from": None, "quiet_to": None}
    found: dict[str, int | None] = {}
    for name in ("quiet_from", "quiet_to"):
        match = _CLOCK.fullmatch(form.get(name))
        if match and int(match[1]) < 24 and int(match[2]) < 60:
            found[name] = int(match[1]) * 60 + int(match[2])
        else:
            found[name] = None
            form.errors[name] = view.say(
                "시각은 22:00처럼 적어 주세요.", "Write a time such as 22:00."
            )
    if found["quiet_from"] is not None and found["quiet_from"] == found["quiet_to"]:
        form.errors["quiet_to"] = view.say(
            "시작과 끝이 같습니다. 다른 시각을 적어 주세요.", "It ends when it begins."
        )
    return found
