"""How long a look of the watchdog takes: 50 brands, 40 series each, a fortnight of history.

Prints milliseconds a brand: of the first look, of one with nothing new, of one with new mentions in
a bucket that is not over, of one with a bucket that ended, and of one with items that came hours
late. Run: ``make bench`` or ``python -m benchmarks.watchdog``.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from listener.pipeline.rollup import mark_late
from listener.pipeline.watchdog import Watchdog
from listener.settings import Settings
from listener.store import brands, buckets, coverage, pulses, rules, schema, spikes, watches
from listener.store.base import to_us
from listener.store.buckets import Mark, Numbers
from listener.store.tables import WatchRow
from listener.store.work import Database
from listener.types import Brand, MatchMode, Scope, Signal

NOW = datetime(2025, 3, 10, 12, 0, tzinfo=UTC)
STEP = timedelta(minutes=5)
TOPICS = [f"topic{n}" for n in range(1, 15)]


class Bench:
    """Brands whose buckets are written directly, as the rollup would."""

    def __init__(self, folder: Path, *, size: int, days: int) -> None:
        settings = Settings(home=folder)
        self.database = Database(settings.database)
        schema.upgrade(self.database)
        self._random = random.Random(1)
        self._size, self._days = size, days
        self.made = [self._make(n) for n in range(size)]
        self.watchdog = Watchdog(self.database, settings)

    def _make(self, number: int) -> tuple[Brand, int]:
        since = NOW - timedelta(days=self._days)
        with self.database.write() as work:
            brand = brands.create(work.session, name=f"Brand {number}", now=since)
            for signal in (Signal.NEGATIVE, Signal.MENTIONS):
                rules.create(
                    work.session,
                    brand_id=brand.id,
                    name=f"each topic: {signal}",
                    signal=signal,
                    scope=Scope(topic="*"),
                    now=since,
                )
            row = watches.create(
                work.session,
                source="feed",
                params={},
                match=MatchMode.TERMS,
                every=timedelta(minutes=5),
                brand_id=brand.id,
                now=since,
            )
            work.commit()
        self.count(brand, since, NOW)
        self.cover(row.id, since, NOW)
        return brand, row.id

    def count(self, brand: Brand, since: datetime, until: datetime, *, more: int = 0) -> None:
        """Mentions of [since, until): about ten an hour."""
        counted: dict[tuple[Mark, str], Numbers] = {}
        marks = []
        at = since
        while at < until:
            mark = (brand.id, to_us(at))
            marks.append(mark)
            for _ in range(more or self._poisson(10 / 12)):
                names = ["all", "language:ko", "source:feed"]
                topic = self._random.choice(TOPICS)
                names.append(f"topic:{topic}")
                if self._random.random() < 0.3 or more:
                    names += ["negative", f"topic:{topic}:negative"]
                    names += ["complaint", f"topic:{topic}:complaint"]
                for name in names:
                    n = counted[mark, name].count + 1 if (mark, name) in counted else 1
                    counted[mark, name] = Numbers(n, n, n, 0.0, n, n, n)
            at += STEP
        with self.database.write() as work:
            for brand_id, changes in spikes.changes(work.session, marks, counted).items():
                mark_late(work.session, brand_id, changes)
            buckets.replace(work.session, marks, counted)
            pulses.beat(work.session, {brand.id})
            work.commit()

    def cover(self, watch_id: int, since: datetime, until: datetime) -> None:
        """The watch has collected all of that."""
        with self.database.write() as work:
            coverage.add(work.session, watch_id, since, until, now=until)
            work.session.get_one(WatchRow, watch_id).covered_to = until
            work.commit()

    def look(self, what: str, now: datetime) -> None:
        """Look, and say how long it took."""
        began, cpu = time.perf_counter(), time.process_time()
        self.watchdog.look(now=now)
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        print(
            f"{what:46} {1000 * took / self._size:8.1f} ms a brand"
            f" {1000 * cpu / self._size:8.1f} ms of CPU"
        )

    def _poisson(self, mean: float) -> int:
        total, count = 0.0, -1
        while total < mean:
            total += self._random.expovariate(1.0)
            count += 1
        return count


def main() -> None:
    """Build it and look."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brands", type=int, default=50)
    parser.add_argument("--days", type=int, default=14)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), size=given.brands, days=given.days)
        bench.look("first look: all detectors are built", NOW + timedelta(minutes=1))
        with bench.database.read() as session:
            sizes = [len(spikes.heads(session, brand.id)) for brand, _ in bench.made]
        print(f"{given.brands} brands, {statistics.mean(sizes):.0f} series each")
        bench.look("nothing new", NOW + timedelta(minutes=1, seconds=10))
        for brand, _ in bench.made:
            bench.count(brand, NOW, NOW + STEP, more=1)
        bench.look("a mention in the bucket that is not over", NOW + timedelta(minutes=2))
        for _, watch_id in bench.made:
            bench.cover(watch_id, NOW, NOW + STEP)
        bench.look("a bucket ended", NOW + timedelta(minutes=6))
        for brand, _ in bench.made:
            bench.count(brand, NOW - timedelta(hours=3), NOW - timedelta(hours=3) + STEP, more=1)
        bench.look("an item came three hours late", NOW + timedelta(minutes=7))


if __name__ == "__main__":
    main()
