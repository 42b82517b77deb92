"""Fakes with a tiny vocabulary, for what would need a network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from listener.errors import InvalidInput
from listener.types import (
    Batch,
    Kind,
    Label,
    Match,
    MatchReading,
    Mention,
    Reading,
    ReadMention,
    Sentiment,
    SourceSpec,
    State,
    Watch,
)


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


class FakeRegistry:
    """The sources of the collectors given."""

    def __init__(self, collectors: Iterable[FakeCollector]) -> None:
        self._collectors = {one.spec.name: one for one in collectors}

    def names(self) -> list[str]:
        """Every source's name."""
        return sorted(self._collectors)

    def spec(self, source: str) -> SourceSpec:
        """What a source is."""
        return self.collector(source).spec

    def collector(self, source: str) -> FakeCollector:
        """What reads it."""
        if source not in self._collectors:
            raise InvalidInput(f"There is no source named {source!r}.")
        return self._collectors[source]


class FakeVersions(NamedTuple):
    """What FakeReader says of itself."""

    key: str = "fake-1"
    models: Mapping[str, tuple[str, str]] = MappingProxyType({"ko": ("fake", "1")})
    rules_version: str = "1"


class FakeReader:
    """Reads by signs: ``-`` at the end is negative and a complaint, ``+`` positive, ``=`` neutral.

    Without a sign there is no sentiment; words that begin with ``topic:`` are topics.
    """

    def __init__(self, versions: FakeVersions = FakeVersions()) -> None:  # noqa: B008 - immutable
        self.versions = versions
        self.read_texts: list[str] = []

    def read(
        self, mentions: Sequence[Mention], matches: Sequence[Sequence[Match]]
    ) -> list[ReadMention]:
        """One reading for the whole and each brand."""
        done = []
        for mention, found in zip(mentions, matches, strict=True):
            self.read_texts.append(mention.text)
            reading = self._reading(mention.text)
            toward = tuple(MatchReading(match=match, reading=reading) for match in found)
            done.append(ReadMention(mention=mention, reading=reading, matches=toward))
        return done

    def _reading(self, text: str) -> Reading:
        score = {"-": -0.8, "+": 0.8, "=": 0.0}.get(text[-1:])
        label = {"-": Label.NEGATIVE, "+": Label.POSITIVE, "=": Label.NEUTRAL}.get(text[-1:])
        sentiment = None
        if score is not None and label is not None:
            sentiment = Sentiment(
                score=score, label=label, confidence=0.9, model="fake", version="1"
            )
        topics = tuple(word[6:] for word in text.split() if word.startswith("topic:"))
        return Reading(
            language="ko", sentiment=sentiment, complaint=text.endswith("-"), topics=topics
        )
