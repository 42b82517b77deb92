"""Single things that happen to a brand: a post goes viral, a story spreads, a topic is new.

Reads what was known at a time, decides with the pure parts of ``detect/`` (viral, spreading,
emerging, single), and hands spikes with their lives to the watchdog, which stores and tells them.
Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from listener.detect.lifecycle import Event, SpikeLife
from listener.settings import Settings
from listener.types import Brand, By, Rule, Sensitivity, Severity, Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSpike:
    """What happened to a spike of a single thing since the last look; ``events`` has at least one.

    ``dimension`` is "viral:<mention id>", "spread:<story id>" or "new:<phrase>". ``scope`` is the
    filter that selects its mentions, as far as one does. ``rules`` are those that look there; each
    decides by ``spike.peak_score`` whether it wants it. ``severity`` is what the thing itself says.
    ``facts`` are plain JSON values for the explanation (key "signal"; docs/alert-signals.md).
    ``row_id`` is the row of the spike so far; None = it is new.
    """

    signal: Signal
    dimension: str
    by: By
    sensitivity: Sensitivity
    scope: Mapping[str, str]
    spike: SpikeLife
    events: Sequence[Event]
    severity: Severity
    rules: tuple[Rule, ...]
    facts: Mapping[str, Any]
    mention_ids: Sequence[int]
    row_id: int | None = None


class Signals:
    """Looks for single things. Keeps in memory only what can be read again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def look(
        self, session: Session, brand: Brand, rules: Sequence[Rule], *, now: datetime
    ) -> Sequence[SignalSpike]:
        """The spikes of one brand that opened, went on or ended since the last look.

        ``rules`` are all enabled ones of the brand. An open spike that no rule looks for any more
        is resolved. Looking again with nothing new gives nothing.
        """
        return ()
