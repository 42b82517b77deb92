"""What was usual of single things in the weeks before: found out anew every six hours of the clock.

So two processes, a process that begins anew and a replay compare with the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from sqlalchemy.orm import Session

from listener.detect import emerging, spreading, viral
from listener.detect.emerging import Candidate
from listener.detect.rarity import Rarity
from listener.detect.series import floor_to_step
from listener.detect.spreading import CopyFact, Story
from listener.detect.viral import Post, Snapshot
from listener.store import happenings
from listener.store.happenings import Received, Stands
from listener.types import Engagement

EVERY: Final = timedelta(hours=6)
SAMPLE: Final = 1_500  # texts
MOST_USES: Final = 500


class Before:
    """What was said of a brand in the weeks up to ``end``, as far as it was asked for."""

    def __init__(self, session: Session, brand_id: int, end: datetime) -> None:
        self._brand_id, self._end, self._start = brand_id, end, end - emerging.USUAL
        found = happenings.usual(session, brand_id, self._start, end)
        self.mentions = found.mentions
        self.kinds: Counter[str] = Counter(found.kinds)
        lasting = timedelta(days=emerging.FEWEST_DAYS)
        self.is_enough = found.first_at is not None and end - found.first_at >= lasting
        self._texts: list[str] | None = None
        self._uses: dict[str, int] = {}

    @property
    def end(self) -> datetime:
        """Up to when."""
        return self._end

    def texts(self, session: Session) -> Sequence[str]:
        """A sample over the whole time."""
        if self._texts is None:
            self._texts = happenings.sample(
                session, self._brand_id, self._start, self._end, most=SAMPLE
            )
        return self._texts

    def uses(self, session: Session, one: Candidate) -> int:
        """In how many mentions a phrase was; of very many at least ``MOST_USES``."""
        if one.key not in self._uses:
            self._uses[one.key] = happenings.uses(
                session, self._brand_id, one.text, self._start, self._end, most=MOST_USES
            )
        return self._uses[one.key]


class Weeks:
    """What was usual of all brands; older knowledge is dropped."""

    def __init__(self) -> None:
        self._posts: dict[int, tuple[datetime, viral.Usual]] = {}
        self._stories: dict[int, tuple[datetime, Rarity]] = {}
        self._talk: dict[int, Before] = {}

    def posts(self, session: Session, brand_id: int, now: datetime) -> viral.Usual:
        """How posts were received."""
        at = floor_to_step(now, EVERY)
        held = self._posts.get(brand_id)
        if held is None or held[0] != at:
            since = at - viral.USUAL
            found, every = happenings.usually_received(session, brand_id, since, at)
            length = _length(session, brand_id, since, at)
            held = at, viral.Usual(posts_of(found), length=length, sampled=every)
            self._posts[brand_id] = held
        return held[1]

    def stories(self, session: Session, brand_id: int, now: datetime) -> Rarity:
        """How far stories spread."""
        at = floor_to_step(now, EVERY)
        held = self._stories.get(brand_id)
        if held is None or held[0] != at:
            since = at - spreading.USUAL
            rows, every = happenings.copies(session, brand_id, since, at)
            length = _length(session, brand_id, since, at)
            held = at, spreading.usual_reach(stories_of(rows), length=length, sampled=every)
            self._stories[brand_id] = held
        return held[1]

    def talk(self, session: Session, brand_id: int, now: datetime) -> Before:
        """What was said."""
        end = emerging.baseline_end(now)
        held = self._talk.get(brand_id)
        if held is None or held.end != end:
            held = self._talk[brand_id] = Before(session, brand_id, end)
        return held


def posts_of(rows: Iterable[Received]) -> Iterator[Post]:
    """Posts of rows that are in order of post and time."""
    for mention_id, of_post in groupby(rows, key=lambda row: row.mention_id):
        readings = list(of_post)
        yield Post(
            mention_id=mention_id,
            source=readings[0].source,
            published_at=readings[0].published_at,
            snapshots=[
                Snapshot(
                    row.at,
                    Engagement(
                        likes=row.likes, replies=row.replies, shares=row.shares, views=row.views
                    ),
                )
                for row in readings
            ],
        )


def stories_of(rows: Iterable[Stands]) -> Iterator[Story]:
    """Stories of rows that are in order of story and time."""
    for story_id, of_story in groupby(rows, key=lambda row: row.story_id):
        copies = [
            CopyFact(
                row.mention_id,
                row.at,
                row.source,
                spreading.place_of(row.url, namespace=row.namespace, author=row.author),
                None if row.author_id is None else str(row.author_id),
            )
            for row in of_story
        ]
        yield Story(story_id=story_id, copies=copies)


def _length(session: Session, brand_id: int, since: datetime, until: datetime) -> timedelta:
    """How much of [since, until) the brand was collected for."""
    first = happenings.first_at(session, brand_id, since, until)
    return until - (first or until)
