"""Reads mentions in batches: language, sentiment, complaint, topics, also toward each brand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from listener.enrich.clauses import toward
from listener.enrich.complaint import is_complaint, rating_share
from listener.enrich.language import LanguageDetector
from listener.enrich.rules import RULE_LANGUAGES, Rules, fold, load_rules
from listener.enrich.sentiment.base import SentimentModel
from listener.enrich.sentiment.korean import Korean
from listener.enrich.sentiment.router import Router
from listener.enrich.sentiment.vader import Vader
from listener.enrich.topics import topics_of
from listener.types import Match, MatchOrigin, MatchReading, Mention, Reading, ReadMention

_CHUNK: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationInfo:
    """With what readings were made. Readings of one text only differ where the key differs."""

    models: Mapping[str, tuple[str, str]]  # language -> (name, version)
    rules_version: str

    @property
    def key(self) -> str:
        """16 hexadecimal digits, equal for equal models and rules."""
        content = json.dumps([sorted(self.models.items()), self.rules_version])
        return hashlib.sha256(content.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class _Task:
    """A text to read, and what is known of it beside its words."""

    text: str
    language: str
    own: bool
    share: float | None  # the rating's place on its scale


def default_models() -> tuple[SentimentModel, ...]:
    """A new object of every model in use, one for each language that is scored."""
    return Korean(), Vader()


class Reader:
    """Rules and models behind one call. Keeps no state between calls; models load on first use."""

    def __init__(
        self,
        rules: Rules,
        models: Iterable[SentimentModel],
        detector: LanguageDetector | None = None,
    ) -> None:
        self._rules = rules
        self._router = Router(models)
        self._detector = detector or LanguageDetector()
        self._versions = GenerationInfo(models=self._router.models, rules_version=rules.version)

    @classmethod
    def default(cls, rules: Path | None = None) -> Reader:
        """The reader of an install: our Korean model, VADER, the rules at a path or the built-in.

        Raises InvalidInput for a broken rules file.
        """
        return cls(load_rules(rules), default_models())

    @property
    def versions(self) -> GenerationInfo:
        """Models and rules in use."""
        return self._versions

    def read(
        self, mentions: Sequence[Mention], matches: Sequence[Sequence[Match]]
    ) -> list[ReadMention]:
        """Read each mention whole and toward each of its brands; ``matches`` is parallel to it.

        Title and text are read as one. Where only one brand matches, the reading toward it is the
        whole one. Where several do, each is read from the clauses that speak of it; the rating then
        counts for the brands on whose watch the mention was found, and for all of them if there is
        no such brand.
        """
        if len(mentions) != len(matches):
            raise ValueError(f"{len(mentions)} mentions but matches for {len(matches)}")
        done: list[ReadMention] = []
        for start in range(0, len(mentions), _CHUNK):
            done += self._chunk(mentions[start : start + _CHUNK], matches[start : start + _CHUNK])
        return done

    def read_texts(self, texts: Sequence[str]) -> list[Reading]:
        """Read bare texts, without rating or brand."""
        readings: list[Reading] = []
        for start in range(0, len(texts), _CHUNK):
            chunk = texts[start : start + _CHUNK]
            languages = self._detector.detect_batch(chunk)
            readings += self._read(
                [
                    _Task(text, code, False, None)
                    for text, code in zip(chunk, languages, strict=True)
                ]
            )
        return readings

    def _chunk(
        self, mentions: Sequence[Mention], matches: Sequence[Sequence[Match]]
    ) -> list[ReadMention]:
        texts = [_whole(mention) for mention in mentions]
        languages = self._detector.detect_batch(texts)
        tasks = [
            _Task(text, code, m.is_own, rating_share(m.rating, m.rating_min, m.rating_max))
            for text, code, m in zip(texts, languages, mentions, strict=True)
        ]
        # Readings toward one of several brands go into the same batch, behind the whole ones.
        slots: list[list[int]] = []
        for index, (mention, found) in enumerate(zip(mentions, matches, strict=True)):
            slots.append(self._slots(index, mention, found, tasks))
        readings = self._read(tasks)
        return [
            ReadMention(
                mention=mention,
                reading=readings[index],
                matches=tuple(
                    MatchReading(match=match, reading=readings[slot])
                    for match, slot in zip(found, slots[index], strict=True)
                ),
            )
            for index, (mention, found) in enumerate(zip(mentions, matches, strict=True))
        ]

    def _slots(
        self, index: int, mention: Mention, found: Sequence[Match], tasks: list[_Task]
    ) -> list[int]:
        """For each match the place of its reading in ``tasks``; adds the tasks that this needs."""
        whole = tasks[index]
        if len({match.brand_id for match in found}) < 2:
            return [index] * len(found)
        positions: dict[int, list[tuple[int, int]]] = {}
        for match in found:
            positions.setdefault(match.brand_id, []).extend(_positions(mention, match))
        watched = {match.brand_id for match in found if match.origin is MatchOrigin.WATCH}
        place: dict[int, int] = {}
        for brand, text in toward(whole.text, positions).items():
            rated = not watched or brand in watched
            if text == whole.text and (rated or whole.share is None):
                place[brand] = index
                continue
            place[brand] = len(tasks)
            tasks.append(_Task(text, whole.language, whole.own, whole.share if rated else None))
        return [place[match.brand_id] for match in found]

    def _read(self, tasks: Sequence[_Task]) -> list[Reading]:
        sentiments = self._router.score([t.text for t in tasks], [t.language for t in tasks])
        readings: list[Reading] = []
        for task, sentiment in zip(tasks, sentiments, strict=True):
            folded = fold(task.text) if task.language in RULE_LANGUAGES else None
            hits = self._rules.find(folded) if folded is not None else []
            complaint = is_complaint(
                own=task.own,
                share=task.share,
                text=folded,
                hits=hits,
                sentiment=sentiment,
                rules=self._rules,
            )
            readings.append(
                Reading(
                    language=task.language,
                    sentiment=sentiment,
                    complaint=complaint,
                    topics=topics_of(hits, self._rules),
                )
            )
        return readings


def _whole(mention: Mention) -> str:
    return f"{mention.title}\n{mention.text}" if mention.title else mention.text


def _positions(mention: Mention, match: Match) -> list[tuple[int, int]]:
    """The spans of a match in characters of the whole text."""
    shift = len(mention.title) + 1 if mention.title else 0
    return [
        (
            span.start + (0 if span.field == "title" else shift),
            span.end + (0 if span.field == "title" else shift),
        )
        for span in match.spans
    ]
