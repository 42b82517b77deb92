"""Between ingest and rollup: tells copies of one text and flags paid and mass-made posts.

So that a press release that forty papers print, or a post that a machine repeats, is never counted
as forty voices, neither by charts nor by detection.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from listener.errors import StorageError
from listener.pipeline.parts import Parts
from listener.screen.copies import (
    CopyKind,
    Shingled,
    Text,
    bands,
    compare,
    fullest,
    reduce,
    shingled,
)
from listener.screen.flags import FlagKind, flags_of
from listener.store import buckets, changes, firsts, mentions, screening
from listener.store.base import to_us
from listener.store.changes import Happening
from listener.store.killpoints import reach
from listener.store.screening import Candidate, Held, Posted, Written
from listener.store.work import Database, is_deadlock
from listener.types import ChangeKind, Kind

log = logging.getLogger(__name__)

WINDOW: Final = timedelta(days=14)  # press releases and shared posts spread within days
RECENT: Final = timedelta(days=2)  # what may still raise an alert, and more
KEPT: Final = timedelta(days=28)  # sketches: twice that, for what is found late

# People post a thing twice: again after a mistake, or in a second place. Three times within a day
# is what campaigns and machines do.
BOT_COPIES: Final = 3
BOT_WITHIN: Final = timedelta(hours=24)

_FIRST: Final = 50  # mentions a transaction …
_MOST: Final = 200  # … as long as other writers wait a few tenths of a second at most
_COMPARED: Final = 20  # candidates for each text, those with most bands in common
_CROWDED: Final = 32  # texts with one band: more of them tell nothing new, a greeting perhaps
_TRIES: Final = 5
_WINDOW_US: Final = WINDOW // timedelta(microseconds=1)
_BOT_US: Final = BOT_WITHIN // timedelta(microseconds=1)


def screen(database: Database, *, now: datetime, limit: int | None = None) -> int:
    """Screen what is marked as unscreened, the newest first, all of it or about ``limit``; gives
    how many. Raises StorageError.

    Where more than ``limit`` wait, what was said of late comes first: detection waits for it.
    Marks and results go in one transaction: a crash between leaves both as they were.
    """
    done = 0
    if limit is not None:
        with database.read() as session:
            is_flood = screening.waiting(session) > limit
        if is_flood:
            done = _screen_newest(database, now, limit, since=now - RECENT)
    return done + _screen_newest(database, now, None if limit is None else limit - done)


def _screen_newest(
    database: Database, now: datetime, limit: int | None, *, since: datetime | None = None
) -> int:
    done, before = 0, None
    parts = Parts(_FIRST, most=_MOST)
    while limit is None or done < limit:
        with database.read() as session:
            found = screening.unscreened(session, before_id=before, limit=parts.size, since=since)
        if not found:
            break
        before = found[-1].id
        looked = [_look(written) for written in found]
        reach("screen.read")
        done += _store(database, looked, now, parts)
        reach("screen.committed")
    return done


@dataclass(frozen=True, slots=True)
class _Looked:
    """A text with what is seen in it alone."""

    written: Written
    text: Text
    bands: Sequence[int]
    flags: Mapping[str, str]  # kind -> reason

    @property
    def id(self) -> int:
        return self.written.id


def _look(written: Written) -> _Looked:
    text = _reduced(written.title, written.text, written.kind)
    found = () if written.is_own else flags_of(written.title, written.text)
    return _Looked(written, text, bands(text), {flag.kind.value: flag.reason for flag in found})


def _reduced(title: str | None, text: str, kind: str) -> Text:
    return reduce(title, text, is_article=kind == Kind.ARTICLE)


def _store(database: Database, looked: Sequence[_Looked], now: datetime, parts: Parts) -> int:
    for _ in range(_TRIES):
        try:
            with database.write() as work:
                taken = _screen(work.session, looked, now)
                work.commit()
        except IntegrityError:
            log.info("screening is tried again: a copy was removed meanwhile")
        except StorageError as error:
            if not is_deadlock(error):
                raise
            log.info("screening is tried again: deadlock")
        else:
            parts.took(work.held_s)
            return taken
    raise StorageError("Other writers kept changing the same mentions.", hint="Try again.")


def _screen(session: Session, looked: Sequence[_Looked], now: datetime) -> int:
    taken = screening.take(session, {one.id: one.written.content_hash for one in looked})
    reach("screen.taken")
    # In order of time, so that what came first is what later ones are copies of.
    looked = sorted(
        (one for one in looked if one.id in taken), key=lambda one: (one.written.event_us, one.id)
    )
    if not looked:
        return 0
    ids = [one.id for one in looked]
    in_one = screening.in_stories(session, ids)
    around = firsts.marks_around(session, in_one)
    left = screening.leave(session, in_one)
    screening.forget_sketches(session, ids)
    grouped = _group(session, [one for one in looked if one.bands])
    screening.sketch(session, grouped.sketches)
    stories = _write_stories(session, grouped, now)
    reach("screen.stories")
    screening.refresh(session, {*left.values(), *stories.values()}, _fullest)

    flagged = _changed_flags(session, looked, _repeated(session, stories, ids))
    was = mentions.facets_of(session, sorted(flagged))
    screening.put_flags(session, flagged)
    reach("screen.flags")
    # Those that left a story too: they may have been counted as copies since they were edited.
    moved = flagged.keys() | stories.keys() | left.keys()
    buckets.mark_dirty(session, around | buckets.marks_of(session, moved))
    happenings = [Happening(id_, ChangeKind.EDITED, was[id_]) for id_ in sorted(was)]
    changes.record(session, happenings, now=now)
    reach("screen.written")
    return len(taken)


# --- copies --------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Grouped:
    """Which mentions are copies of which; a story that is to be made has a number below zero."""

    members: dict[int, tuple[int, CopyKind]] = field(default_factory=dict)  # new ones, by mention
    firsts: dict[int, int] = field(default_factory=dict)  # story to be made -> its first copy
    sketches: list[Held] = field(default_factory=list)


def _group(session: Session, looked: Sequence[_Looked]) -> _Grouped:
    grouped = _Grouped()
    if not looked:
        return grouped
    holders = _holders(session, looked)
    texts = screening.candidates(session, _most_alike(looked, holders))
    reduced: dict[int, Shingled] = {}
    for one in looked:
        own = shingled(one.text)
        for other_id in _ranked(one, holders):
            other = texts.get(other_id)
            if other is None:
                continue
            if other_id not in reduced:
                reduced[other_id] = shingled(_reduced(other.title, other.text, other.kind))
            kind = compare(own, reduced[other_id])
            if kind is not None:
                _join(grouped, one.id, other, kind)
                if kind is not CopyKind.SYNDICATED:
                    break  # exact ones have most bands in common: none comes after
        w = one.written
        texts[one.id] = Candidate(one.id, w.title, w.text, w.kind, w.event_us, None)
        reduced[one.id] = own
        for band in one.bands:
            near = sum(_is_near(held, w.event_us) for held in holders[band])
            if near < _CROWDED:
                holders[band].append(Held(band, one.id, w.event_us))
                grouped.sketches.append(holders[band][-1])
    return grouped


def _holders(session: Session, looked: Sequence[_Looked]) -> defaultdict[int, list[Held]]:
    times = [one.written.event_us for one in looked]
    wanted = {band for one in looked for band in one.bands}
    found: defaultdict[int, list[Held]] = defaultdict(list)
    for held in screening.holders(
        session, wanted, min(times) - _WINDOW_US, max(times) + _WINDOW_US
    ):
        found[held.band].append(held)
    return found


def _most_alike(looked: Sequence[_Looked], holders: Mapping[int, Sequence[Held]]) -> set[int]:
    return {id_ for one in looked for id_ in _ranked(one, holders)}


def _ranked(one: _Looked, holders: Mapping[int, Sequence[Held]]) -> list[int]:
    """Candidates for a text, those with most bands in common first."""
    common = Counter(
        held.mention_id
        for band in one.bands
        for held in holders.get(band, ())
        if _is_near(held, one.written.event_us)
    )
    return [id_ for id_, _ in sorted(common.items(), key=lambda pair: (-pair[1], pair[0]))][
        :_COMPARED
    ]


def _is_near(held: Held, event_us: int) -> bool:
    return abs(held.at_us - event_us) <= _WINDOW_US


def _join(grouped: _Grouped, mention_id: int, other: Candidate, kind: CopyKind) -> None:
    """A copy joins the other's story, or makes one with it; a better reason takes the place of a
    syndicated one.
    """
    had = grouped.members.get(mention_id)
    if had is not None and kind is CopyKind.SYNDICATED:
        return
    story = other.story_id
    if story is None and other.id in grouped.members:
        story = grouped.members[other.id][0]
    if story is None:
        story = -1 - len(grouped.firsts)
        grouped.firsts[story] = other.id
        grouped.members[other.id] = story, kind
    grouped.members[mention_id] = story, kind


def _write_stories(session: Session, grouped: _Grouped, now: datetime) -> dict[int, int]:
    """Write new stories and members; gives the story of each new member."""
    firsts = list(grouped.firsts.items())
    made = screening.begin(session, [first for _, first in firsts], now_us=to_us(now))
    real = {number: id_ for (number, _), id_ in zip(firsts, made, strict=True)}
    members = {id_: (real.get(s, s), kind) for id_, (s, kind) in grouped.members.items()}
    screening.join(session, [(id_, story, kind.value) for id_, (story, kind) in members.items()])
    return {id_: story for id_, (story, _) in members.items()}


def _fullest(texts: Sequence[tuple[str | None, str]]) -> int:
    return fullest([reduce(title, text) for title, text in texts])


# --- flags ---------------------------------------------------------------------------------------


def _repeated(session: Session, stories: Mapping[int, int], ids: Iterable[int]) -> dict[int, str]:
    """Which copies an author posts again and again, and how often."""
    new = [id_ for id_ in ids if id_ in stories]
    if not new:
        return {}
    by_author: dict[tuple[int, int], list[Posted]] = {}
    for one in screening.posted(session, {stories[id_] for id_ in new}, new):
        by_author.setdefault((one.story_id, one.author_id), []).append(one)
    found: dict[int, str] = {}
    for copies in by_author.values():
        found |= repeats(copies)
    return found


def repeats(copies: Sequence[Posted]) -> dict[int, str]:
    """Of one author's copies of one story those that only repeat: at least ``BOT_COPIES`` within
    ``BOT_WITHIN``, but for the very first, which says something once.
    """
    copies = sorted(copies, key=lambda one: (one.event_us, one.mention_id))
    found: dict[int, str] = {}
    start = 0
    for end, last in enumerate(copies):
        while last.event_us - copies[start].event_us > _BOT_US:
            start += 1
        if end - start + 1 >= BOT_COPIES:
            for one in copies[start : end + 1]:
                found[one.mention_id] = f"×{len(copies)}"
    found.pop(copies[0].mention_id, None)
    return found


def _changed_flags(
    session: Session, looked: Sequence[_Looked], repeated: Mapping[int, str]
) -> dict[int, dict[str, str]]:
    """All flags of those whose kinds are others now. What a person decided stays."""
    words = {one.id: dict(one.flags) for one in looked}
    # Those that are looked at are held already; what a person says of the others meanwhile stays.
    screening.hold(session, repeated.keys() - words.keys())
    had = screening.flags(session, words.keys() | repeated.keys())
    changed: dict[int, dict[str, str]] = {}
    for id_ in words.keys() | repeated.keys():
        before = had.get(id_, {})
        # Of those that are not screened now only a repetition can be new.
        wanted = words[id_] if id_ in words else dict(before)
        if id_ in repeated:
            wanted[FlagKind.BOT.value] = repeated[id_]
        if wanted.keys() != before.keys() and not screening.is_decided(before):
            changed[id_] = wanted
    return changed
