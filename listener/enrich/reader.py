"""Reads mentions in batches: language, sentiment, complaint, topics, also toward each brand."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from listener.enrich.clauses import Clause, closed, compared, refine, split, toward
from listener.enrich.combine import combine, inverted, parts_of
from listener.enrich.complaint import is_complaint, rating_share
from listener.enrich.language import LanguageDetector
from listener.enrich.meant import Meant
from listener.enrich.rules import RULE_LANGUAGES, Hit, Rules, fold, load_rules
from listener.enrich.sentiment.base import SentimentModel
from listener.enrich.sentiment.english import English
from listener.enrich.sentiment.korean import Korean
from listener.enrich.sentiment.router import Router
from listener.enrich.tags import tags_of
from listener.enrich.topics import topics_of
from listener.types import (
    Aspect,
    Label,
    Match,
    MatchOrigin,
    MatchReading,
    Mention,
    Reading,
    ReadMention,
    Sentiment,
)

_CHUNK: Final = 256  # mentions; larger ones cost the garbage collector more than the models gain
_FACETS: Final = 24  # clauses of one text that get an aspect
_BAD_CLAUSE: Final = 0.6  # from where on a bad clause makes a complaint of a text
_GOOD_CLAUSE: Final = 0.6  # and a good one is praise in a complaint
_CLEAR: Final = 0.4  # a score that is clearly good, or clearly bad below 0


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
class _Studied:
    """A text with its clauses, and what the rules found in it."""

    text: str
    language: str
    clauses: Sequence[Clause]
    hits: Sequence[Hit] = ()  # topics, and tags that are meant
    problems: Sequence[Hit] = ()  # that are told
    meant: Meant | None = None  # None where the rules do not speak its language

    @property
    def length(self) -> int:
        """Characters in clauses."""
        return sum(clause.end - clause.start for clause in self.clauses)


@dataclass(frozen=True, slots=True)
class _View:
    """A text as one reading takes it: whole, or only what it says of one brand."""

    of: _Studied
    own: bool
    share: float | None  # the rating's place on its scale
    ranges: Sequence[Clause] | None = None  # None = the whole text
    against: bool = False  # what is said is said of another that is measured by this one

    def hits(self) -> Sequence[Hit]:
        """Topics and tags within the ranges."""
        return self.of.hits if self.ranges is None else _within(self.of.hits, self.ranges)

    def problems(self) -> Sequence[Hit]:
        """Problems within the ranges."""
        return self.of.problems if self.ranges is None else _within(self.of.problems, self.ranges)


@dataclass(slots=True)
class _Facet:
    """A clause that names topics. ``slot`` None = it is all that is scored: see the whole."""

    start: int
    end: int
    topics: list[str]
    slot: int | None = None


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is scored for one reading: sentences (``parts``) or one text, and facets."""

    parts: Sequence[Clause] = ()
    whole: Sequence[int] = ()
    facets: Sequence[_Facet] = ()
    troubled: Sequence[tuple[Clause, int | None]] = ()  # clauses that tell a problem


def default_models() -> tuple[SentimentModel, ...]:
    """A new object of every model in use, one for each language that is scored."""
    return Korean(), English()


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
        self._scored = frozenset(self._router.models)
        self._versions = GenerationInfo(models=self._router.models, rules_version=rules.version)

    @classmethod
    def default(cls, rules: Path | None = None) -> Reader:
        """The reader of an install: our own models, the rules at a path or the built-in ones.

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

        Title and text are read as one, and a long text by its sentences. Where only one brand
        matches, the reading toward it is the whole one. Where several do, or where another is
        measured by it ("better than A"), each is read from the clauses that speak of it. The rating
        then counts for the brands on whose watch the mention was found, and for all of them if
        there is no such brand.
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
                    _View(self._study(text, code), False, None)
                    for text, code in zip(chunk, languages, strict=True)
                ]
            )
        return readings

    def _chunk(
        self, mentions: Sequence[Mention], matches: Sequence[Sequence[Match]]
    ) -> list[ReadMention]:
        texts = [_whole(mention) for mention in mentions]
        languages = self._detector.detect_batch(texts)
        studied = [self._study(text, code) for text, code in zip(texts, languages, strict=True)]
        views: list[_View] = []
        slots: list[list[int]] = []
        for text, mention in zip(studied, mentions, strict=True):
            share = rating_share(mention.rating, mention.rating_min, mention.rating_max)
            views.append(_View(text, mention.is_own, share))
        # Readings toward one of several brands go into the same batch, behind the whole ones.
        for index, (mention, found) in enumerate(zip(mentions, matches, strict=True)):
            slots.append(self._slots(index, mention, found, views))
        readings = self._read(views)
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

    def _study(self, text: str, language: str) -> _Studied:
        """Split a text, and find in it what the rules know."""
        if language not in RULE_LANGUAGES:
            return _Studied(text, language, split(text))
        folded = fold(text)
        clauses = split(text)
        hits = self._rules.find(folded)
        meant = Meant(folded, clauses, self._rules)
        kept = self._kept(hits, meant)
        problems = meant.problems(hits)
        if self._rules.problem_tags:
            problems += [hit for hit in kept if hit.topic in self._rules.problem_tags]
        return _Studied(text, language, clauses, kept, problems, meant)

    def _kept(self, hits: Iterable[Hit], meant: Meant) -> list[Hit]:
        """Topics, and one hit of each tag in each clause that is meant there."""
        kept: list[Hit] = []
        seen: set[tuple[str, int]] = set()
        told_tags = self._rules.told_tags
        for hit in hits:
            role, topic, _, _ = hit
            if role == "topic":
                kept.append(hit)
            elif role == "tag":
                key = topic, meant.clause_of(hit)
                if key not in seen and (topic not in told_tags or meant.told(hit)):
                    seen.add(key)
                    kept.append(hit)
        return kept

    def _slots(
        self, index: int, mention: Mention, found: Sequence[Match], views: list[_View]
    ) -> list[int]:
        """For each match the place of its reading in ``views``; adds the views that this needs."""
        if not found:
            return []
        whole = views[index]
        positions: dict[int, list[tuple[int, int]]] = {}
        for match in found:
            positions.setdefault(match.brand_id, []).extend(_positions(mention, match))
        text = whole.of
        if len(positions) < 2 and not compared(text.text, positions[found[0].brand_id]):
            return [index] * len(found)
        watched = {match.brand_id for match in found if match.origin is MatchOrigin.WATCH}
        place: dict[int, int] = {}
        for brand, said in toward(text.text, text.clauses, positions).items():
            rated = not watched or brand in watched
            ranges = said.own or said.against
            entire = not ranges or sum(r.end - r.start for r in ranges) >= text.length
            against = bool(said.against) and not said.own
            if entire and not against and (rated or whole.share is None):
                place[brand] = index
                continue
            place[brand] = len(views)
            share = whole.share if rated else None
            views.append(_View(text, whole.own, share, None if entire else ranges, against))
        return [place[match.brand_id] for match in found]

    def _read(self, views: Sequence[_View]) -> list[Reading]:
        desk = _Desk()
        plans = [self._plan(view, desk) for view in views]
        scores = self._router.score(desk.texts, desk.languages)
        return [self._judge(view, plan, scores) for view, plan in zip(views, plans, strict=True)]

    def _plan(self, view: _View, desk: _Desk) -> _Plan:
        """Say which parts of the text are to be scored for this reading."""
        text, language = view.of.text, view.of.language
        if language not in self._scored:
            return _Plan(troubled=[])
        clauses = view.of.clauses if view.ranges is None else list(view.ranges)
        parts = parts_of(text, clauses)
        if parts:
            whole = [desk.add(text[p.start : p.end], language) for p in parts]
        elif view.ranges is None:
            whole = [desk.add(text, language)]
        else:
            said = " ".join(text[c.start : c.end].strip() for c in clauses)
            whole = [desk.add(said, language)]
        spots = [(h.start, h.end, h.topic) for h in view.hits() if h.role == "topic"]
        facets: list[_Facet] = []
        if spots:
            spots.sort()
            facets = list(_facets(refine(text, clauses, spots), spots))
            if len(clauses) > 1 or len(facets) > 1:
                for facet in facets:
                    facet.slot = desk.add(_said(text, facet.start, facet.end, language), language)
        problems = view.problems()
        if not problems:
            return _Plan(parts, whole, facets)
        troubled = _around(clauses, problems)
        if len(clauses) == 1:
            return _Plan(parts, whole, facets, [(troubled[0], whole[0])])
        # A clause is not scored for the sake of its problem alone: that costs more than it tells.
        slots = [desk.find(_said(text, *c, language), language) for c in troubled]
        return _Plan(parts, whole, facets, list(zip(troubled, slots, strict=True)))

    def _judge(self, view: _View, plan: _Plan, scores: Sequence[Sentiment | None]) -> Reading:
        whole = [scores[slot] for slot in plan.whole]
        sentiment = combine(plan.parts, whole) if plan.parts else (whole[0] if whole else None)
        aspects = tuple(_aspects(plan.facets, sentiment, scores))
        if sentiment is not None and not plan.parts:
            sentiment = _mixed(sentiment, aspects)
        if view.against:
            return self._reading(view, inverted(sentiment), (), (), ())
        fine = [
            clause
            for clause, slot in plan.troubled
            if slot is not None
            and (score := scores[slot]) is not None
            and score.score >= self._rules.overruled_from
        ]
        problems = view.problems()
        if fine:
            problems = [p for p in problems if not any(c.start <= p.start < c.end for c in fine)]
        troubled = [clause for clause, _ in plan.troubled if clause not in fine]
        return self._reading(view, sentiment, aspects, problems, troubled)

    def _reading(
        self,
        view: _View,
        sentiment: Sentiment | None,
        aspects: tuple[Aspect, ...],
        problems: Sequence[Hit],
        troubled: Sequence[Clause],
    ) -> Reading:
        rules, text = self._rules, view.of
        read = text.language in RULE_LANGUAGES
        hits = view.hits()
        clauses = text.clauses if view.ranges is None else view.ranges
        topics = topics_of(hits, problems, troubled)

        asked = text.meant is not None and text.meant.asks(clauses)

        complaint = is_complaint(
            own=view.own,
            share=view.share,
            read=read,
            problem=bool(problems),
            about=bool(topics),
            asked=asked,
            sentiment=_worst(sentiment, aspects),
            rules=rules,
        )
        return Reading(
            language=text.language,
            sentiment=sentiment,
            complaint=complaint,
            topics=topics,
            tags=()
            if view.own or not read
            else tags_of(
                {hit.topic for hit in hits if hit.role == "tag"},
                topics=topics,
                complaint=complaint,
                good=_best(sentiment, aspects, complaint),
                asked=asked,
                rules=rules,
            ),
            aspects=aspects,
        )


class _Desk:
    """The distinct texts of a chunk that are to be scored, each once."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.languages: list[str] = []
        self._places: dict[tuple[str, str], int] = {}

    def add(self, text: str, language: str) -> int:
        """The text's place among them."""
        place = self._places.setdefault((text, language), len(self.texts))
        if place == len(self.texts):
            self.texts.append(text)
            self.languages.append(language)
        return place

    def find(self, text: str, language: str) -> int | None:
        """The text's place; None where it is not among them."""
        return self._places.get((text, language))


def _said(text: str, start: int, end: int, language: str) -> str:
    """A clause as it is scored by itself."""
    clause = text[start:end]
    return closed(clause) if language == "ko" else clause


def _facets(clauses: Iterable[Clause], spots: Sequence[tuple[int, int, str]]) -> Iterator[_Facet]:
    """The first clauses that name topics. ``clauses`` and ``spots`` are in order."""
    count = index = 0
    for start, end in clauses:
        topics: list[str] = []
        while index < len(spots) and spots[index][0] < end:
            if spots[index][0] >= start and spots[index][2] not in topics:
                topics.append(spots[index][2])
            index += 1
        if topics:
            yield _Facet(start, end, topics)
            count += 1
        if count == _FACETS or index == len(spots):
            return


def _aspects(
    facets: Sequence[_Facet], whole: Sentiment | None, scores: Sequence[Sentiment | None]
) -> Iterator[Aspect]:
    for facet in facets:
        score = whole if facet.slot is None else scores[facet.slot]
        for topic in facet.topics:
            yield Aspect(
                topic,
                facet.start,
                facet.end,
                None if score is None else score.score,
                None if score is None else score.label,
            )


def _worst(sentiment: Sentiment | None, aspects: Sequence[Aspect]) -> Sentiment | None:
    """The sentiment of a text, or of its worst clause where that is clearly bad."""
    if sentiment is None or not aspects:
        return sentiment
    bad = [a.score for a in aspects if a.score is not None and a.label is Label.NEGATIVE]
    if not bad or min(bad) > min(-_BAD_CLAUSE, sentiment.score):
        return sentiment
    return replace(sentiment, score=min(bad), label=Label.NEGATIVE)


def _best(
    sentiment: Sentiment | None, aspects: Sequence[Aspect], complaint: bool | None
) -> float | None:
    """How good a text is; of a complaint, how good its best clause is where that is clearly good.

    None where it tells nothing good.
    """
    if sentiment is None:
        return None
    if not complaint:
        return sentiment.score
    good = [a.score for a in aspects if a.score is not None and a.label is Label.POSITIVE]
    return max(good) if good and max(good) >= _GOOD_CLAUSE else None


def _mixed(sentiment: Sentiment, aspects: Sequence[Aspect]) -> Sentiment:
    """A text that is neither good nor bad as a whole, but clearly both in its parts, is mixed."""
    if sentiment.label not in (Label.NEUTRAL, Label.UNCERTAIN):
        return sentiment
    scores = [aspect.score for aspect in aspects if aspect.score is not None]
    if scores and max(scores) >= _CLEAR and min(scores) <= -_CLEAR:
        return replace(sentiment, label=Label.MIXED)
    return sentiment


def _around(clauses: Sequence[Clause], problems: Sequence[Hit]) -> list[Clause]:
    """The clauses in which problems are told."""
    found: list[Clause] = []
    if problems and len(clauses) == 1:
        return list(clauses)
    for hit in problems:
        index = max(bisect_right(clauses, (hit.start, hit.start)) - 1, 0)
        while index < len(clauses) and clauses[index].start < hit.end:
            if clauses[index] not in found[-4:]:
                found.append(clauses[index])
            index += 1
    return found[:_FACETS]


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


def _within(hits: Sequence[Hit], ranges: Sequence[Clause]) -> list[Hit]:
    return [hit for hit in hits if any(r.start <= hit.start < r.end for r in ranges)]
