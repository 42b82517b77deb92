"""Fakes with a tiny vocabulary, for what would need a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from listener.types import Batch, Kind, SourceSpec, State, Watch


class FakeCollector:
    """Plays a script, one entry a run: batches to yield, and an exception to raise among them.

    ``FakeCollector([[batch, batch], [SourceUnavailable("down")], [batch]])``: after the last entry
    runs find nothing. ``calls`` keeps the state each run started from.
    """

    def __init__(
        self, runs: Sequence[Sequence[Batch | Exception]] = (), source: str = "plaza"
    ) -> None:
        self.spec = SourceSpec(
            name=source,
            title="Plaza",
            title_ko="플라자",
            every=timedelta(minutes=10),
            kind=Kind.POST,
        )
        self.runs = list(runs)
        self.calls: list[State] = []

    def collect(self, watch: Watch, state: State, *, now: datetime) -> Iterator[Batch]:
        """Play the next entry."""
        self.calls.append(state)
        script = self.runs.pop(0) if self.runs else [Batch(items=(), state=state, complete=True)]
        for step in script:
            if isinstance(step, Exception):
                raise step
            yield step
