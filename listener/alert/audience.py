"""Who is told of an alert: the channels of the rules that want it, step by step. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from listener.alert.life import calls_somebody
from listener.types import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """The channels that can be told: all that are switched on, and those of them that want alerts
    without being named.
    """

    enabled: frozenset[int] = frozenset()
    wanting: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A channel to tell: from which step of a chain on (0 = at once), and by which rules."""

    channel_id: int
    step: int
    rules: tuple[Rule, ...]


def is_muted(rule: Rule, now: datetime) -> bool:
    """Whether a rule tells nothing for now."""
    return rule.muted_until is not None and now < rule.muted_until


def audience(rules: Sequence[Rule], channels: Channels, elapsed: timedelta) -> dict[int, Call]:
    """Each channel that is told by now, once: ``elapsed`` is how long nobody has acknowledged it.

    A step all of whose channels are gone or switched off passes at once to the next. When that
    leaves a rule without any, all channels that want alerts are told: an alert that nobody hears
    helps nobody.
    """
    found: dict[int, Call] = {}
    for rule in rules:
        for channel_id, step in _of_rule(rule, channels, elapsed).items():
            had = found.get(channel_id)
            found[channel_id] = Call(
                channel_id=channel_id,
                step=step if had is None else min(step, had.step),
                rules=(rule,) if had is None else (*had.rules, rule),
            )
    return dict(sorted(found.items()))


def senders(
    rules: Sequence[Rule], channels: Channels, heard: Sequence[int], now: datetime
) -> Mapping[int, tuple[Rule, ...]]:
    """Of those that have heard of an alert, who hears more of it, and by which rules.

    A channel is left out while all the rules that tell it are muted, and when it is switched off;
    one whose rules are gone hears how it ends.
    """
    told: dict[int, tuple[Rule, ...]] = {}
    calls = audience(rules, channels, timedelta.max)
    for channel_id in heard:
        if channel_id not in channels.enabled:
            continue
        of = calls[channel_id].rules if channel_id in calls else ()
        awake = tuple(rule for rule in of if not is_muted(rule, now))
        if awake or not of:
            told[channel_id] = awake
    return told


def _of_rule(rule: Rule, channels: Channels, elapsed: timedelta) -> dict[int, int]:
    if not calls_somebody(rule):
        return {}
    told: dict[int, int] = {}
    for number, step in enumerate(rule.steps):
        if step.after > elapsed and told:
            break
        ids = channels.wanting
        if step.channel_ids is not None:
            ids = channels.enabled.intersection(step.channel_ids)
        for channel_id in ids:
            told.setdefault(channel_id, number)
    return told or dict.fromkeys(channels.wanting, 0)
