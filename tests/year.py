"""A year of three made-up brands, small, middle and large, with what happened to them.

Numbers come from a seed, so that every run sees the same year: rhythms of day and week, growth,
moods that last for hours, Chuseok, an outage, a campaign, 300 copies of one press release, and
crises whose cause is known. ``Year.store`` writes mentions; ``Year.complaints`` gives the same as
counts, where there are too many to store.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from listener.store.base import Base, to_us
from listener.store.tables import (
    AuthorRow,
    GenerationRow,
    MatchRow,
    MentionRow,
    MentionStoryRow,
    MentionWatchRow,
    ReadingRow,
    StoryRow,
)

SEOUL = ZoneInfo("Asia/Seoul")
START = datetime(2025, 1, 1, tzinfo=SEOUL).astimezone(UTC)
DAYS = 365
STEP = timedelta(minutes=5)
A_DAY = 288  # buckets
SIZES = {"small": 6.0, "middle": 120.0, "large": 3000.0}  # mentions a day
COMPLAINTS = 0.2  # share of them that complain
# Chuseok of 2025, and the other days on which nobody works in Korea.
OFF = frozenset(
    date.fromisoformat(day)
    for day in (
        "2025-01-01 2025-01-28 2025-01-29 2025-01-30 2025-03-03 2025-05-05 2025-05-06 2025-06-03"
        " 2025-06-06 2025-08-15 2025-10-03 2025-10-06 2025-10-07 2025-10-08 2025-10-09 2025-12-25"
    ).split()
)
TOPICS = ("delivery", "price", "service", "app")
SOURCES = ("bluesky", "reddit", "app_store")
_HOURS = (5, 3, 2, 1, 1, 2, 4, 8, 11, 12, 12, 11, 12, 11, 11, 12, 12, 12, 13, 14, 15, 15, 13, 9)
_WORDS = (
    "오늘 주문 상품 사용 후기 가격 매장 직원 포장 색상 크기 품질 재구매 추천 선물 행사 쿠폰 회원"
    " 검색 화면 메뉴 설명 사진 비교 이번 처음 친구 가족 아침 저녁 주말 생각 느낌 정도 보통 그냥"
).split()


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that happened, from ``at`` for ``lasts``: ``extra`` mentions above the usual.

    ``cause`` is what every one of them has: topic, source, phrase, version.
    """

    name: str
    at: datetime
    lasts: timedelta
    extra: int
    complaint: bool = True
    one_story: bool = False
    shape: str = "step"  # step | burst | ramp
    topic: str = "delivery"
    source: str = ""  # "" = everywhere
    phrase: str = ""
    version: str = ""

    @property
    def end(self) -> datetime:
        return self.at + self.lasts


def local(text: str) -> datetime:
    """A time of Seoul, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=SEOUL).astimezone(UTC)


def crises(size: str) -> list[Happening]:
    """What an alert has to tell of: their excess grows with the brand as its noise does."""
    scale = {"small": 1.0, "middle": 3.0, "large": 25.0}[size]

    def extra(count: int) -> int:
        return round(count * scale)

    return [
        Happening(
            name="courier", at=local("2025-04-10 14:20"), lasts=timedelta(hours=5),
            extra=extra(22), topic="delivery", phrase="택배 파업",
        ),
        Happening(
            name="release", at=local("2025-06-18 21:05"), lasts=timedelta(minutes=90),
            extra=extra(16), shape="burst", topic="app", source="app_store",
            phrase="결제 오류", version="5.2.0",
        ),
        Happening(
            name="surcharge", at=local("2025-08-20 10:00"), lasts=timedelta(hours=10),
            extra=extra(40), shape="ramp", topic="price", source="reddit", phrase="추가 요금",
        ),
        Happening(
            name="hotline", at=local("2025-11-12 09:30"), lasts=timedelta(hours=3),
            extra=extra(18), topic="service", phrase="상담원 연결",
        ),
    ]  # fmt: skip


def harmless(size: str) -> list[Happening]:
    """What must call nobody."""
    scale = {"small": 1.0, "middle": 4.0, "large": 40.0}[size]
    return [
        Happening(
            name="wire", at=local("2025-05-20 11:00"), lasts=timedelta(hours=2), extra=300,
            one_story=True, topic="price", source="reddit", phrase="보도 자료",
        ),
        Happening(
            name="campaign", at=local("2025-09-15 00:00"), lasts=timedelta(days=3),
            extra=round(60 * scale), topic="price", phrase="가을 행사",
        ),
    ]  # fmt: skip


OUTAGE = (local("2025-07-08 13:00"), local("2025-07-08 22:00"))  # collected the next morning
CAUGHT_UP = local("2025-07-09 08:00")


class Year:
    """The year of one brand."""

    def __init__(self, size: str, seed: int = 1) -> None:
        self.size = size
        self.crises = crises(size)
        self.harmless = harmless(size)
        self._random = np.random.default_rng([seed, sorted(SIZES).index(size)])

    @cached_property
    def usual(self) -> NDArray[np.int64]:
        """Mentions in each bucket of the year with nothing happening."""
        buckets = np.arange(DAYS * A_DAY)
        local_start = START.astimezone(SEOUL)
        hour = np.array(_HOURS, dtype=float)[(buckets % A_DAY) // 12]
        days = [local_start.date() + timedelta(days=n) for n in range(DAYS)]
        off = np.array([day.weekday() >= 5 or day in OFF for day in days])
        rate = hour / hour.mean() * np.where(off, 0.65, 1.1)[buckets // A_DAY]
        rate *= np.linspace(0.8, 1.3, len(buckets))
        rate *= SIZES[self.size] / A_DAY / rate.mean()
        mood = self._moods(len(buckets), 0.2, 24)
        rate = rate * mood * self._random.gamma(12, 1 / 12, len(buckets))
        return np.asarray(self._random.poisson(rate), dtype=np.int64)

    def _moods(self, length: int, deviation: float, memory: float) -> NDArray[np.float64]:
        keep = math.exp(-1 / memory)
        steps = self._random.normal(0, deviation * math.sqrt(1 - keep * keep), length)
        moods = np.empty(length)
        mood = 0.0
        for place, step in enumerate(steps):
            mood = keep * mood + step
            moods[place] = mood
        return np.exp(moods - deviation**2 / 2)

    @cached_property
    def usual_complaints(self) -> NDArray[np.int64]:
        """How many of them complain."""
        return np.asarray(self._random.binomial(self.usual, COMPLAINTS), dtype=np.int64)

    def times(self, happening: Happening) -> list[datetime]:
        """When the mentions of a happening come, in order."""
        random = np.random.default_rng([to_us(happening.at) % 2**32, happening.extra])
        if happening.shape == "burst":
            at = np.minimum(random.exponential(0.3, happening.extra), 1.0)
        elif happening.shape == "ramp":
            at = np.sqrt(random.random(happening.extra))
        else:
            at = random.random(happening.extra)
        return [happening.at + float(x) * happening.lasts for x in np.sort(at)]

    def complaints(self) -> NDArray[np.int64]:
        """Complaints in each bucket, every story counted once. The outage is in it as collected."""
        counts = self.usual_complaints.copy()
        for happening in (*self.crises, *self.harmless):
            if not happening.complaint:
                continue
            times = self.times(happening)
            for at in times[:1] if happening.one_story else times:
                counts[(at - START) // STEP] += 1
        return counts

    def store(
        self, session: Session, brand_id: int, watch_id: int, since: datetime, until: datetime
    ) -> int:
        """Write the mentions of [since, until) as ingest, screening and rescoring would; how many.

        Each is known a minute after it was published, those of the outage when it was caught up.
        """
        return _Writer(self, session, brand_id, watch_id).write(since, until)


@dataclass(frozen=True, slots=True)
class _Said:
    at: datetime
    complaint: bool
    topic: str
    source: str
    text: str
    author: int
    version: str | None = None
    story: str | None = None


class _Writer:
    def __init__(self, year: Year, session: Session, brand_id: int, watch_id: int) -> None:
        self._year = year
        self._session = session
        self._brand_id = brand_id
        self._watch_id = watch_id
        self._random = np.random.default_rng([3, brand_id])

    def write(self, since: datetime, until: datetime) -> int:
        said = sorted(
            [one for one in self._all() if since <= one.at < until], key=lambda one: one.at
        )
        generation_id = self._generation()
        authors = self._authors({one.author for one in said})
        rows: dict[type[Base], list[dict[str, object]]] = {
            kind: [] for kind in (MentionRow, MatchRow, ReadingRow, MentionWatchRow)
        }
        first = self._next_id()
        stories: dict[str, list[int]] = {}
        for mention_id, one in enumerate(said, start=first):
            seen_at = one.at + timedelta(minutes=1)
            if OUTAGE[0] <= seen_at < OUTAGE[1]:
                seen_at = CAUGHT_UP
            rows[MentionRow].append(
                {
                    "id": mention_id, "source": one.source, "namespace": "",
                    "external_id": f"{self._brand_id}-{mention_id}", "kind": "post",
                    "text": one.text, "content_hash": one.story or f"{mention_id:032x}",
                    "author_id": authors[one.author], "language": "ko", "published_at": one.at,
                    "published_precision": "exact", "event_at": one.at, "seen_at": seen_at,
                    "product_version": one.version,
                }
            )  # fmt: skip
            rows[MatchRow].append(
                {"mention_id": mention_id, "brand_id": self._brand_id, "origin": "term",
                 "spans": [], "event_at": one.at}
            )  # fmt: skip
            score = -0.7 if one.complaint else 0.4
            for brand_id in (0, self._brand_id):
                rows[ReadingRow].append(
                    {"mention_id": mention_id, "brand_id": brand_id,
                     "generation_id": generation_id, "language": "ko", "score": score,
                     "label": "negative" if one.complaint else "positive", "confidence": 0.9,
                     "complaint": one.complaint, "topics": [one.topic], "tags": []}
                )  # fmt: skip
            rows[MentionWatchRow].append({"mention_id": mention_id, "watch_id": self._watch_id})
            if one.story:
                stories.setdefault(one.story, []).append(mention_id)
        for kind, values in rows.items():
            if values:
                self._session.execute(insert(kind), values)
        self._stories(stories, {m: one for m, one in enumerate(said, start=first)})
        self._session.flush()
        return len(said)

    def _all(self) -> Iterator[_Said]:
        year, random = self._year, self._random
        complaints, usual = year.usual_complaints, year.usual
        for bucket in np.flatnonzero(usual):
            for place in range(usual[bucket]):
                at = START + int(bucket) * STEP + timedelta(seconds=float(random.random() * 299))
                words = random.choice(_WORDS, 7)
                yield _Said(
                    at,
                    place < complaints[bucket],
                    str(random.choice(TOPICS)),
                    str(random.choice(SOURCES)),
                    "누리마켓 " + " ".join(words),
                    int(random.integers(400)),
                    "5.1.0" if random.random() < 0.3 else None,
                )
        for number, happening in enumerate((*year.crises, *year.harmless)):
            for place, at in enumerate(year.times(happening)):
                words = random.choice(_WORDS, 4)
                text = f"누리마켓 {happening.phrase} {' '.join(words)}"
                story = None
                if happening.one_story:
                    text, story = f"누리마켓 {happening.phrase} 전문을 전합니다", f"{number:032x}"
                yield _Said(
                    at,
                    happening.complaint,
                    happening.topic,
                    happening.source or str(random.choice(SOURCES)),
                    text,
                    10_000 * (number + 1) + place,
                    happening.version or None,
                    story,
                )

    def _generation(self) -> int:
        row = GenerationRow(
            key=f"year-{self._brand_id}", models={"ko": ["made-up", "1"]}, rules_version="1",
            created_at=START, active_from=START, active=True,
        )  # fmt: skip
        self._session.add(row)
        self._session.flush()
        return row.id

    def _authors(self, numbers: set[int]) -> dict[int, int]:
        rows = [
            AuthorRow(
                source="bluesky", native_id=f"{self._brand_id}-{n}", handle=f"writer{n}",
                pseudonym=f"p{self._brand_id}-{n}",
            )
            for n in sorted(numbers)
        ]  # fmt: skip
        self._session.add_all(rows)
        self._session.flush()
        return {n: row.id for n, row in zip(sorted(numbers), rows, strict=True)}

    def _next_id(self) -> int:
        return (self._session.scalar(select(func.max(MentionRow.id))) or 0) + 1

    def _stories(self, stories: dict[str, list[int]], said: dict[int, _Said]) -> None:
        for ids in stories.values():
            story = StoryRow(
                lead_id=ids[0], copies=len(ids), first_at=said[ids[0]].at, last_at=said[ids[-1]].at
            )
            self._session.add(story)
            self._session.flush()
            links: Sequence[dict[str, object]] = [
                {"mention_id": m, "story_id": story.id, "kind": "exact"} for m in ids
            ]
            self._session.execute(insert(MentionStoryRow), links)
