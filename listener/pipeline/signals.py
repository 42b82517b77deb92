"""Single things that happen to a brand: a post goes viral, a story spreads, a topic is new.

Reads what was known at a time, decides with the pure parts of ``detect/`` (viral, spreading,
emerging, single), and hands spikes with their lives to the watchdog, which stores and tells them.
Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from listener.analyze.themes import Said
from listener.detect import emerging, spreading, viral
from listener.detect.emerging import Emerging
from listener.detect.lifecycle import Event, SpikeLife
from listener.detect.policy import policy_of
from listener.detect.rarity import Rarity
from listener.detect.series import floor_to_step
from listener.detect.single import Sighting, follow_single
from listener.detect.spreading import Story
from listener.detect.viral import Post
from listener.pipeline.themes import names_of
from listener.pipeline.weeks import Weeks, posts_of, stories_of
from listener.rules import facets_of
from listener.settings import Settings
from listener.store import happenings
from listener.store.happenings import Told
from listener.types import Brand, By, Label, Rule, Sensitivity, Severity, Signal

REMEMBERED: Final = timedelta(days=14)  # what comes back within this is the same spike
FIRST_LOOK: Final = timedelta(hours=6)  # what a process that just started looks back at
OVERLAP: Final = timedelta(minutes=10)  # readings may be stored some time after they were made
MOST_ASKED: Final = 40  # phrases of which the exact use is asked for in one look
MUCH: Final = 0.5  # share of complaints and negatives from which a thing is bad
SURE: Final = 2.0  # score of what comes once in 8 years

_STRICT: Final = tuple(Sensitivity)  # from low to highest
_BAD: Final = Label.NEGATIVE.value


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The last spike of a single thing; ``facts`` as they were told."""

    spike: SpikeLife
    facts: Mapping[str, Any] = field(default_factory=dict)
    row_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """A thing as one look sees it."""

    sighting: Sighting
    facts: dict[str, Any]
    scope: Mapping[str, str]
    told: Sequence[Told]  # its mentions as they are read
    mention_ids: Sequence[int]


@dataclass(slots=True)
class _Kind:
    """One kind of single thing: how it is named, and how long it lasts without growing."""

    signal: Signal
    prefix: str
    by: By
    quiet: timedelta


_VIRAL: Final = _Kind(Signal.VIRAL, "viral", By.POSTS, viral.QUIET)
_SPREAD: Final = _Kind(Signal.SPREADING, "spread", By.STORIES, spreading.QUIET)
_NEW: Final = _Kind(Signal.NEW_TOPIC, "new", By.AUTHORS, emerging.QUIET)


class Signals:
    """Looks for single things. Keeps in memory only what can be read again."""

    def __init__(self, settings: Settings) -> None:
        self._counts_flagged = settings.count_flagged
        self._looked: dict[int, datetime] = {}
        self._weeks = Weeks()

    def look(
        self,
        session: Session,
        brand: Brand,
        rules: Sequence[Rule],
        *,
        now: datetime,
        known: Mapping[str, Known] | None = None,
    ) -> Sequence[SignalSpike]:
        """The spikes of one brand that opened, went on or ended since the last look.

        ``rules`` are all enabled ones of the brand. An open spike that no rule looks for any more
        is resolved. Looking again with nothing new gives nothing. A look sees what was known at the
        last full five minutes, and there is one of each of these: more give nothing.

        ``known`` are the last spikes by dimension; None = those that are stored. Whoever replays
        the past gives what the looks before gave.
        """
        tick = floor_to_step(now)
        last = self._looked.get(brand.id)
        if last == tick:
            return ()
        if known is None:
            known = _known(session, brand.id, tick)
        look = _Look(session, brand, rules, tick, known, self._weeks, self._counts_flagged)
        since = tick - FIRST_LOOK if last is None else max(last - OVERLAP, tick - FIRST_LOOK)
        found = [*look.posts(since), *look.stories(), *look.topics()]
        self._looked[brand.id] = tick
        return found


class _Look:
    """One look at one brand."""

    def __init__(
        self,
        session: Session,
        brand: Brand,
        rules: Sequence[Rule],
        now: datetime,
        known: Mapping[str, Known],
        weeks: Weeks,
        counts_flagged: bool,
    ) -> None:
        self._session, self._brand, self._now = session, brand, now
        self._rules, self._known, self._weeks = rules, known, weeks
        self._counts_flagged = counts_flagged

    # --- posts ---------------------------------------------------------------------------------

    def posts(self, since: datetime) -> Iterator[SignalSpike]:
        """Posts that go viral."""
        known = self._of(_VIRAL)
        ids = {int(name) for name in known}
        rules = self._for(_VIRAL)
        if rules:
            ids.update(
                happenings.grown(
                    self._session,
                    self._brand.id,
                    since,
                    self._now,
                    reactions=viral.LEAST["reactions"],
                    views=viral.LEAST["views"],
                )
            )
        if not ids:
            return
        told = self._told(ids)
        usual = self._weeks.posts(self._session, self._brand.id, self._now)
        found = happenings.received(self._session, told.keys(), self._now)
        posts = {str(post.mention_id): post for post in posts_of(found)}
        for name in sorted(ids):
            key = str(name)
            seen = None
            if key in posts:
                seen = self._see_post(posts[key], told[name], usual, known.get(key))
            yield from self._follow(_VIRAL, key, seen, rules)

    def _see_post(
        self, post: Post, told: Told, usual: viral.Usual, known: Known | None
    ) -> _Seen | None:
        found = viral.sight(post, usual, now=self._now, since=_since(known))
        if found is None:
            return None
        sighting, facts = found
        return _Seen(
            sighting=sighting,
            facts=facts | {"label": told.label, "complaint": told.complaint},
            scope={},
            told=[told],
            mention_ids=[post.mention_id],
        )

    # --- stories -------------------------------------------------------------------------------

    def stories(self) -> Iterator[SignalSpike]:
        """Stories that spread."""
        known = self._of(_SPREAD)
        ids = {int(name) for name in known}
        rules = self._for(_SPREAD)
        if rules:
            ids.update(
                happenings.in_several(
                    self._session,
                    self._brand.id,
                    self._now - spreading.WINDOW,
                    self._now,
                    sources=spreading.LEAST_SOURCES,
                )
            )
        if not ids:
            return
        rows, _ = happenings.copies(
            self._session,
            self._brand.id,
            self._now - REMEMBERED - spreading.WINDOW,
            self._now,
            story_ids=ids,
        )
        stories = {str(story.story_id): story for story in stories_of(rows)}
        usual = self._weeks.stories(self._session, self._brand.id, self._now) if stories else None
        for name in sorted(ids):
            key, seen = str(name), None
            if key in stories and usual is not None:
                seen = self._see_story(stories[key], usual, known.get(key))
            yield from self._follow(_SPREAD, key, seen, rules)

    def _see_story(self, story: Story, usual: Rarity, known: Known | None) -> _Seen | None:
        found = spreading.sight(story, usual, now=self._now, since=_since(known))
        if found is None:
            return None
        sighting, facts = found
        if sighting.score <= 0 and known is None:
            return None  # of most stories nothing more needs to be known
        ids = [one.mention_id for one in story.copies]
        told = list(self._told(ids).values())
        return _Seen(
            sighting=sighting,
            facts=facts | _mood(told),
            scope={"story": str(story.story_id)},
            told=told,
            mention_ids=ids[::-1],
        )

    # --- topics --------------------------------------------------------------------------------

    def topics(self) -> Iterator[SignalSpike]:
        """Topics that nobody knew."""
        known = self._of(_NEW)
        rules = self._for(_NEW)
        is_open = {name: one for name, one in known.items() if one.spike.is_open}
        found = self._topics(known) if rules else {}
        for name in sorted(found.keys() | is_open.keys()):
            one = is_open.get(name)
            seen = found.get(name)
            if one is not None and self._now - one.spike.risen_at >= emerging.KNOWN_BY_THEN:
                seen = None
            yield from self._follow(_NEW, name, seen, rules)

    def _topics(self, known: Mapping[str, Known]) -> dict[str, _Seen]:
        """The topics of the last hours by the phrase that names their spike."""
        before = self._weeks.talk(self._session, self._brand.id, self._now)
        if not before.is_enough:
            return {}
        lasting = [one.spike.onset_at for one in known.values() if one.spike.is_open]
        since = min([self._now - emerging.WINDOW, *lasting])
        said, kinds = happenings.said(
            self._session,
            self._brand.id,
            max(since, self._now - emerging.KNOWN_BY_THEN - emerging.WINDOW),
            self._now,
            counts_flagged=self._counts_flagged,
        )
        said = emerging.of_known_kinds(said, kinds, before.kinds)
        recent = [one for one in said if one.at >= self._now - emerging.WINDOW]
        if emerging.voices(recent) < emerging.FEWEST_VOICES and not lasting:
            return {}
        texts = before.texts(self._session)
        talk = emerging.listen(
            recent,
            texts,
            names=names_of(self._brand),
            known_words=happenings.settled_phrases(self._session, self._brand.id),
        )
        left = emerging.unheard(talk.candidates, texts, talk, usual=before.mentions)
        left.sort(key=lambda one: (-one.voices, -len(one.key), one.key))
        asked = left[:MOST_ASKED]
        usage = {one.key: before.uses(self._session, one) for one in asked}
        topics = emerging.emerge(talk, asked, usage, usual=before.mentions)
        return self._seen_topics(topics, said, known)

    def _seen_topics(
        self,
        topics: Sequence[Emerging],
        said: Sequence[Said],
        known: Mapping[str, Known],
    ) -> dict[str, _Seen]:
        """Topics with the mentions they are in; one that has a spike already keeps its name."""
        phrases = {
            name: {str(one["key"]) for one in held.facts.get("phrases", ())} | {name}
            for name, held in known.items()
        }
        found: dict[str, _Seen] = {}
        for topic in topics:
            same = (n for n, keys in phrases.items() if keys & topic.keys)
            name = next((n for n in same if n not in found), topic.key)
            since = _since(known.get(name))
            ids = topic.mention_ids
            using = [
                one
                for one in said
                if (one.mention_id in ids or emerging.holds(one, topic.key))
                and (since is None or one.at > since)
            ]
            if name in found or not using:
                continue
            sighting, facts = emerging.sight(topic, using)
            found[name] = self._seen_topic(sighting, facts, using)
        for name, one in known.items():
            if one.spike.is_open and name not in found:
                using = [other for other in said if emerging.holds(other, name)]
                again = emerging.sight_again(one.spike, one.facts, using)
                if again is not None:
                    found[name] = self._seen_topic(*again, using)
        return found

    def _seen_topic(
        self, sighting: Sighting, facts: dict[str, Any], using: Sequence[Said]
    ) -> _Seen:
        told = list(self._told([one.mention_id for one in using]).values())
        return _Seen(
            sighting=sighting,
            facts=facts | _mood(told),
            scope={"q": str(facts.get("phrase", ""))},
            told=told,
            mention_ids=[one.mention_id for one in reversed(using)],
        )

    # --- lives ---------------------------------------------------------------------------------

    def _of(self, kind: _Kind) -> dict[str, Known]:
        """The last spikes of a kind, by what follows the kind in their dimension."""
        start = f"{kind.prefix}:"
        return {
            name.removeprefix(start): one
            for name, one in self._known.items()
            if name.startswith(start)
        }

    def _for(self, kind: _Kind) -> list[Rule]:
        return [rule for rule in self._rules if rule.enabled and rule.signal is kind.signal]

    def _follow(
        self, kind: _Kind, name: str, seen: _Seen | None, rules: Sequence[Rule]
    ) -> Iterator[SignalSpike]:
        dimension = f"{kind.prefix}:{name}"
        known = self._known.get(dimension)
        looking = tuple(rule for rule in rules if seen is not None and _looks_at(rule, seen.told))
        if known is None and not looking:
            return
        closest = max((rule.sensitivity for rule in looking), key=_STRICT.index, default=None)
        spike, events = follow_single(
            None if known is None else known.spike,
            None if seen is None or not looking else seen.sighting,
            policy_of(closest or Sensitivity.NORMAL),
            quiet=kind.quiet,
            now=self._now,
        )
        if spike is None or not events:
            return
        yield SignalSpike(
            signal=kind.signal,
            dimension=dimension,
            by=kind.by,
            sensitivity=closest or Sensitivity.NORMAL,
            scope={} if seen is None else seen.scope,
            spike=spike,
            events=events,
            severity=_severity(spike, [] if seen is None else seen.told),
            rules=looking,
            facts=seen.facts if seen is not None else dict(known.facts) if known else {},
            mention_ids=[] if seen is None else seen.mention_ids,
            row_id=None if known is None else known.row_id,
        )

    def _told(self, mention_ids: Collection[int]) -> dict[int, Told]:
        return happenings.told(
            self._session,
            self._brand.id,
            mention_ids,
            self._now,
            counts_flagged=self._counts_flagged,
        )


def _known(session: Session, brand_id: int, now: datetime) -> dict[str, Known]:
    """The last spike of each single thing."""
    found: dict[str, Known] = {}
    for head in happenings.heads(session, brand_id, since=now - REMEMBERED):
        spike = SpikeLife.load(head.detail)
        had = found.get(head.dimension)
        if had is None or not had.spike.is_open:
            found[head.dimension] = Known(spike=spike, facts=head.facts, row_id=head.row_id)
    return found


def _since(known: Known | None) -> datetime | None:
    """What was before that has been told."""
    return None if known is None else known.spike.resolved_at


def _looks_at(rule: Rule, told: Sequence[Told]) -> bool:
    """Whether a thing is in the scope of a rule: any of its mentions is."""
    asked: dict[str, Callable[[Told], Collection[str | None]]] = {
        "topic": lambda one: one.topics,
        "source": lambda one: (one.source,),
        "language": lambda one: (one.language,),
        "country": lambda one: (one.country,),
    }
    given = facets_of(rule.scope)
    return any(all(value in asked[name](one) for name, value in given) for one in told)


def _mood(told: Sequence[Told]) -> dict[str, Any]:
    """How many complain, and how many are negative."""
    return {
        "negative": sum(one.label == _BAD for one in told),
        "complaints": sum(one.complaint is True for one in told),
        "read": sum(one.label is not None for one in told),
    }


def _severity(spike: SpikeLife, told: Sequence[Told]) -> Severity:
    """Low where most do not complain: it may be good news. Else by how rare it is."""
    bad = sum(one.label == _BAD or one.complaint is True for one in told)
    if not told or bad < MUCH * len(told):
        return Severity.LOW
    return Severity.HIGH if spike.peak_score >= SURE else Severity.MEDIUM
