"""Rules as JSON: what the API, the command line and jobs read and write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from listener.errors import InvalidInput
from listener.rules import FACETS
from listener.store import rules
from listener.types import Rule, Scope, Step

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_PLAIN = ("name", "signal", "by", "sensitivity", "min_count", "severity", "working_days",
          "enabled", "strictness")  # fmt: skip
NAMES = frozenset(
    {*_PLAIN, "scope", "quiet_from", "quiet_to", "steps", "remind_every_s", "muted_until"}
)


def to_json(rule: Rule) -> dict[str, Any]:
    """A rule with every field; times of day as "22:00", spans in seconds."""
    return {
        "id": rule.id,
        "brand_id": rule.brand_id,
        **{name: getattr(rule, name) for name in _PLAIN},
        "scope": {name: getattr(rule.scope, name) for name in FACETS},
        "quiet_from": clock(rule.quiet_from),
        "quiet_to": clock(rule.quiet_to),
        "steps": [
            {
                "after_s": int(step.after.total_seconds()),
                "channel_ids": None if step.channel_ids is None else list(step.channel_ids),
            }
            for step in rule.steps
        ],
        "remind_every_s": rule.remind_every and int(rule.remind_every.total_seconds()),
        "muted_until": rule.muted_until and rule.muted_until.isoformat(),
        "origin": rule.origin,
    }


def fields_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of ``Rule`` that a body in that form gives; what it leaves out is left out.

    Raises InvalidInput for what it cannot mean; ``listener.rules.check`` judges the rest.
    """
    unknown = set(body) - NAMES - {"id", "brand_id", "brand", "origin"}
    if unknown:
        name = min(unknown)
        raise InvalidInput(f"A rule has no {name!r}.", field=name)
    found = {name: body[name] for name in _PLAIN if name in body}
    if "scope" in body:
        scope = body["scope"] or {}
        wrong = set(scope) - set(FACETS)
        if wrong:
            raise InvalidInput(f"A scope has no {min(wrong)!r}.", field="scope")
        found["scope"] = Scope(**{name: value or None for name, value in scope.items()})
    for name in ("quiet_from", "quiet_to"):
        if name in body:
            found[name] = _minutes(body[name], name)
    if "steps" in body:
        told = [{}] if body["steps"] is None else body["steps"]
        found["steps"] = tuple(_step(one) for one in told)
    if "remind_every_s" in body:
        seconds = body["remind_every_s"]
        found["remind_every"] = None if seconds is None else timedelta(seconds=seconds)
    if "muted_until" in body:
        found["muted_until"] = _time(body["muted_until"])
    return found


def unsaved(body: Mapping[str, Any], brand_id: int) -> Rule:
    """A rule that is not stored (id 0). Raises InvalidInput."""
    fields = fields_of(body)
    name = fields.pop("name", "") or "-"
    if "signal" not in fields:
        raise InvalidInput("Say what the rule listens to.", field="signal")
    return rules.made(brand_id=brand_id, name=name, **fields)


def from_json(told: Mapping[str, Any]) -> Rule:
    """The rule that ``to_json`` told, stored or not. Raises InvalidInput."""
    rule = unsaved(told, int(told["brand_id"]))
    return replace(rule, id=int(told.get("id") or 0), origin=str(told.get("origin") or ""))


def clock(minutes: int | None) -> str | None:
    """A time of day as people write it."""
    return None if minutes is None else f"{minutes // 60:02}:{minutes % 60:02}"


def _minutes(value: Any, name: str) -> int | None:
    if value is None or value == "":
        return None
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise InvalidInput('A time of day, such as "22:00".', field=name)
    return int(found[1]) * 60 + int(found[2])


def _step(told: Mapping[str, Any]) -> Step:
    ids = told.get("channel_ids")
    return Step(
        after=timedelta(seconds=told.get("after_s", 0)),
        channel_ids=None if ids is None else tuple(ids),
    )


def _time(value: Any) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise InvalidInput(
            "A time with its zone, such as 2026-01-31T09:00:00Z.", field="muted_until"
        )
    return at
