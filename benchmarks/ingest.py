"""The whole write path: cleaning, matching against 100 brands, reading, storing, counting buckets.

Run: ``.venv/bin/python -m benchmarks.ingest [--mentions N] [--quick] [--only sqlite|postgresql]``.
Mixed Korean and English texts that this file makes up: 70 / 20 / 10 % of about 90 / 250 / 1,500
characters, then a run in which all are short. Prints mentions per CPU second (of this process, and
with PostgreSQL's) and per wall second, where the time goes, and the floor: bare ``executemany`` of
the very same rows into the same tables, in the same transactions.
"""

from __future__ import annotations

import argparse
import gc
import pickle
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
import psycopg
from sqlalchemy import make_url

from listener.enrich.reader import Reader
from listener.match.matcher import Matcher
from listener.pipeline import ingest as ingest_module
from listener.pipeline.ingest import Ingest
from listener.pipeline.rollup import roll_up
from listener.security import Secrets
from listener.settings import Settings
from listener.store import brands, changes, mentions, schema, search, watches
from listener.store.upsert import Bulk
from listener.store.work import Database, UnitOfWork
from listener.types import (
    Batch,
    Engagement,
    MatchMode,
    RawAuthor,
    RawItem,
    State,
)
from tests.postgres import postgres

NOW = datetime(2025, 3, 10, 12, tzinfo=UTC)
BATCH = 1_000
WARM_UP = 2_000  # mentions that are not counted: models load, statements compile
MIX = ((0.7, 90), (0.2, 250), (0.1, 1_500))
SHORT = ((1.0, 90),)
# A server as people run one, but for the wait for the disk: that would measure the disk.
SERVER = "full_page_writes = on\nautovacuum = on\nshared_buffers = 256MB\nmax_wal_size = 2GB\n"

KOREAN = (
    "배송이 너무 늦어서 화가 나요|어제 주문했는데 오늘 도착했어요|포장이 꼼꼼해서 좋았습니다|"
    "고객센터가 전화를 안 받네요|환불 요청한 지 일주일째입니다|색상이 사진이랑 조금 달라요|"
    "재구매 의사 있습니다|가격 대비 만족스러워요|앱이 자꾸 멈춰서 결제가 안 됩니다|"
    "직원분이 친절하게 설명해 주셨어요|사이즈가 작게 나온 편이에요|생각보다 무겁고 불편해요|"
    "선물용으로 샀는데 반응이 좋네요|품절이라 한 달을 기다렸어요|소리가 커서 반품했습니다|"
    "디자인은 예쁜데 마감이 아쉬워요|매장에 재고가 없다고 하더라고요|쿠폰이 적용되지 않았어요|"
    "아이가 정말 좋아합니다|다음에도 여기서 살게요|별로예요 다시는 안 사요|무난하게 쓰기 좋아요"
).split("|")
ENGLISH = (
    "delivery took two weeks and nobody answered|love the new colour|great value for money|"
    "the app keeps crashing at checkout|support was friendly and quick|works exactly as described|"
    "arrived broken and the refund is still pending|not what the picture shows|"
    "would buy again in a heartbeat|the strap broke after three days|"
    "my kids can't get enough of it|"
    "way too expensive for what it is|waiting on hold for an hour now|battery drains overnight|"
    "the store near me never has it in stock|packaging was neat and plastic free|"
    "quite disappointed with the quality|setup took five minutes"
).split("|")
SYLLABLES = "가나다라마바사아자차카타파하고노도로모보소오조초코토포호구누두루무부수우주추쿠투푸후"


@dataclass
class Sums:
    """CPU seconds by part; parts do not overlap."""

    seconds: dict[str, float] = field(default_factory=dict)
    _inside: list[list[float]] = field(default_factory=list)

    def timed(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call with its own time added up, without that of timed calls inside it."""

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            inner = [0.0]
            self._inside.append(inner)
            start = time.process_time()
            try:
                return call(*args, **kwargs)
            finally:
                took = time.process_time() - start
                self._inside.pop()
                if self._inside:
                    self._inside[-1][0] += took
                self.seconds[part] = self.seconds.get(part, 0.0) + took - inner[0]

        return wrapped


class Texts:
    """Made-up mentions, the same for the same seed."""

    def __init__(self, mix: Sequence[tuple[float, int]], seed: int) -> None:
        self._random = random.Random(seed)
        self._mix = mix
        self.brands = [self._name(n) for n in range(100)]

    def _name(self, number: int) -> tuple[str, str]:
        korean = "".join(self._random.choices(SYLLABLES, k=3 + number % 2))
        english = "".join(self._random.choices("bdfgklmnprstvz", k=3)) + f"a{number:02}"
        return korean, english.title()

    def text(self) -> str:
        """One text; two in three name a brand."""
        draw = self._random
        (length,) = draw.choices([n for _, n in self._mix], [share for share, _ in self._mix])
        length = int(length * draw.uniform(0.6, 1.4))
        korean = draw.random() < 0.7
        words, size = [], 0
        while size < length:
            words.append(draw.choice(KOREAN if korean else ENGLISH))
            size += len(words[-1]) + 2
        if draw.random() < 0.67:
            name = draw.choice(self.brands)[0 if korean else 1]
            particle = draw.choice(("이", "에서", "는", "")) if korean else ""
            words.insert(draw.randrange(len(words)), name + particle)
        return f"{'. '.join(words)} {draw.randrange(10**6)}"

    def items(self, count: int) -> Iterator[RawItem]:
        """Raw items over four weeks."""
        draw = self._random
        for number in range(count):
            author = draw.randrange(count // 4 + 1)
            rated = draw.random() < 0.3
            yield RawItem(
                external_id=f"{number:08}",
                text=self.text(),
                url=f"https://plaza.example/posts/{number}?utm_source=x",
                author=RawAuthor(native_id=f"u{author}", handle=f"user{author}", followers=author),
                published_at=NOW - timedelta(seconds=draw.randrange(28 * 86_400)),
                rating=float(draw.randint(1, 5)) if rated else None,
                rating_max=5.0 if rated else None,
                engagement=Engagement(likes=draw.randrange(50), replies=draw.randrange(5)),
                raw={"id": number, "lang": "ko", "likes": 3},
            )


class Install:
    """A database with 100 brands, and what stores a batch of one watch in it."""

    def __init__(self, url: str, texts: Texts) -> None:
        self.database = Database(url)
        schema.upgrade(self.database)
        settings = Settings(home=Path(tempfile.gettempdir()))
        self.ingest = Ingest(self.database, Reader.default(), settings, Secrets(b"k" * 32))
        with self.database.write() as work:
            for korean, english in texts.brands:
                brands.create(work.session, name=korean, aliases=[english], now=NOW)
            row = watches.create(
                work.session,
                source="plaza",
                params={},
                match=MatchMode.TERMS,
                every=timedelta(minutes=10),
                now=NOW,
            )
            claim = watches.claim(work.session, row.id, now=NOW, lease=timedelta(days=1))
            assert claim is not None
            self.claim = claim
            work.commit()
        with self.database.read() as session:
            self.watch = watches.load(session, row.id, lambda _: {})

    def store(self, items: Sequence[RawItem]) -> None:
        """The way of every batch."""
        batch = Batch(items=tuple(items), state=State(cursor={"since": items[-1].external_id}))
        self.ingest.batch(batch, self.watch, self.claim, covered_to=NOW, now=NOW)


class Recorder:
    """Clocks on the parts of the path, and a copy of what is inserted.

    The copies are pickled: millions of live objects would slow down the garbage collector. What
    that takes (``cpu``, ``wall``) is not the path's.
    """

    def __init__(self) -> None:
        self.sums = Sums()
        self.cpu = self.wall = 0.0
        self._batches: list[list[bytes]] = []

    def batches(self) -> Iterator[Iterator[tuple[str, list[tuple[Any, ...]]]]]:
        """Statements and rows of each transaction."""
        for batch in self._batches:
            yield (pickle.loads(copy) for copy in batch)  # noqa: S301 - our own

    def begin(self) -> None:
        """The next transaction."""
        self._batches.append([])

    @contextmanager
    def running(self) -> Iterator[None]:
        """Record what happens in the block."""
        timed, insert = self.sums.timed, Bulk.run

        def copied(bulk: Bulk, session: Any, rows: Sequence[tuple[Any, ...]]) -> int:
            wall, cpu = time.perf_counter(), time.process_time()
            self._batches[-1].append(pickle.dumps((bulk._sqlite, list(rows))))
            self.wall += time.perf_counter() - wall
            self.cpu += time.process_time() - cpu
            return insert(bulk, session, rows)

        with ExitStack() as stack:
            for owner, name, part, call in (
                (Bulk, "run", "insert statements", copied),
                (ingest_module, "to_mention", "clean", None),
                (Matcher, "match", "match", None),
                (Reader, "read", "read (language, sentiment, topics)", None),
                (mentions, "known", "look up what is known", None),
                (search, "put", "search tokens", None),
                (mentions, "upsert", "make rows", None),
                (changes, "record", "changes", None),
                (UnitOfWork, "commit", "commit", None),
                (Ingest, "_store", "the rest of ingest", None),
            ):
                clocked = timed(part, call or getattr(owner, name))
                stack.enter_context(mock.patch.object(owner, name, clocked))
            yield


@dataclass
class Result:
    """What one run took, in seconds."""

    mentions: int
    wall: float
    cpu: float
    server: float
    floor_wall: float
    floor_cpu: float
    floor_server: float
    parts: dict[str, float]
    rollup: float
    buckets: int


def measure(place: Place, mix: Sequence[tuple[float, int]], count: int, batch: int) -> Result:
    """Store ``count`` mentions, then the same rows bare into a copy of the database."""
    texts = Texts(mix, seed=1)
    items = list(texts.items(count + WARM_UP))
    install = Install(place.url("whole"), texts)
    for start in range(0, WARM_UP, batch):
        install.store(items[start : min(start + batch, WARM_UP)])
    install.database.close()
    bare = Database(place.copy("whole", "bare"))

    recorder = Recorder()
    gc.collect()
    gc.freeze()  # the items made above are no part of the path either
    with recorder.running():
        before, wall, cpu = place.cpu(), time.perf_counter(), time.process_time()
        for start in range(WARM_UP, len(items), batch):
            recorder.begin()
            install.store(items[start : start + batch])
        wall = time.perf_counter() - wall - recorder.wall
        cpu = time.process_time() - cpu - recorder.cpu
        server = place.cpu() - before

    before = place.cpu()
    floor_wall, floor_cpu = insert_bare(bare, recorder)
    floor_server = place.cpu() - before

    rollup = time.perf_counter()
    buckets = roll_up(install.database)
    rollup = time.perf_counter() - rollup
    install.database.close()
    bare.close()
    return Result(
        *(count, wall, cpu, server, floor_wall, floor_cpu, floor_server),
        *(recorder.sums.seconds, rollup, buckets),
    )


def insert_bare(bare: Database, recorder: Recorder) -> tuple[float, float]:
    """The floor: the same rows in the same transactions, and nothing else; wall and CPU seconds."""
    wall = cpu = 0.0
    for batch in recorder.batches():
        statements = [(bare_statement(bare, statement), rows) for statement, rows in batch if rows]
        wall, cpu = wall - time.perf_counter(), cpu - time.process_time()
        with bare.engine.begin() as connection:
            for statement, rows in statements:
                connection.exec_driver_sql(statement, rows)
        wall, cpu = wall + time.perf_counter(), cpu + time.process_time()
    return wall, cpu


def bare_statement(bare: Database, statement: str) -> str:
    """The plain INSERT as the database at hand spells it."""
    if bare.is_sqlite:
        return statement
    return statement.replace('"rowid"', '"mention_id"').replace("?", "%s")


class Place:
    """Where databases are made, for one run."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def url(self, name: str) -> str:
        """A new database."""
        return f"sqlite:///{self._folder / name}.db"

    def copy(self, name: str, to: str) -> str:
        """A copy of a closed database."""
        shutil.copyfile(self._folder / f"{name}.db", self._folder / f"{to}.db")
        return self.url(to)

    def cpu(self) -> float:
        """CPU seconds that a server has used."""
        return 0.0


class PostgresPlace(Place):
    """The same on a PostgreSQL server of our own, which is our only child process."""

    name = "postgresql"

    def __init__(self, server: str) -> None:
        self._server = make_url(server)

    def url(self, name: str) -> str:
        self._execute(f"CREATE DATABASE {name}")
        return self._url(name)

    def copy(self, name: str, to: str) -> str:
        self._execute(f"CREATE DATABASE {to} TEMPLATE {name}")
        return self._url(to)

    def cpu(self) -> float:
        total = 0.0
        for process in psutil.Process().children(recursive=True):
            used = process.cpu_times()
            total += used.user + used.system
            if process.ppid() == psutil.Process().pid:  # the server, with those that ended
                total += used.children_user + used.children_system
        return total

    def _url(self, name: str) -> str:
        return self._server.set(database=name).render_as_string(hide_password=False)

    def _execute(self, statement: str) -> None:
        url = self._server.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def place_of(name: str) -> Iterator[Place]:
    """A fresh place of either kind."""
    if name == "sqlite":
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            yield Place(Path(folder))
    else:
        with postgres(SERVER) as url:
            yield PostgresPlace(url)


def show(name: str, texts: str, result: Result) -> None:
    """Print one run."""
    count, parts = result.mentions, sorted(result.parts.items(), key=lambda part: -part[1])
    print(f"\n{name}, {texts}: {count:,} mentions")
    print(f"  {_rates(count, result.cpu, result.server, result.wall)}")
    floor = _rates(count, result.floor_cpu, result.floor_server, result.floor_wall)
    print(f"  {floor}: the floor, bare inserts of the same rows")
    rolled = f"{count / result.rollup:,.0f} mentions per wall second"
    print(f"  {rolled}: counted into {result.buckets:,} buckets")
    print("  where our CPU time goes, in microseconds a mention:")
    for part, seconds in parts:
        print(f"    {seconds / count * 1e6:7.1f}  {seconds / result.cpu:4.0%}  {part}")


def _rates(count: int, cpu: float, server: float, wall: float) -> str:
    both = f" ({count / (cpu + server):,.0f} with the server's)" if server else ""
    return f"{count / cpu:,.0f} mentions per CPU second{both}, {count / wall:,.0f} per wall second"


def main() -> None:
    """Run on both databases, mixed and short."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mentions", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=1_000, help="mentions in one transaction")
    parser.add_argument("--quick", action="store_true", help="10,000 mentions")
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    parser.add_argument("--texts", choices=("mixed", "short"))
    chosen = parser.parse_args()
    count = 10_000 if chosen.quick else chosen.mentions
    for name in ("sqlite", "postgresql"):
        for texts, mix in (("mixed", MIX), ("short", SHORT)):
            if chosen.only in (None, name) and chosen.texts in (None, texts):
                with place_of(name) as place:
                    show(name, f"{texts} texts", measure(place, mix, count, chosen.batch))


if __name__ == "__main__":
    main()
