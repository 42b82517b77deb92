"""CPU seconds that a backtest of a year takes, at three volumes: ``python -m benchmarks.backtest``.

A made-up brand with a watch that runs every 10 minutes: complaints by a daily rhythm, three in a
hundred some hours late, an outage, a surge every two months. Beside it stands what walking through
every look would take, measured on some days and scaled to a year.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from sqlalchemy import insert

from listener.pipeline.backtest import Backtester, Wanted
from listener.settings import Settings
from listener.store import brands, schema
from listener.store.tables import (
    CoverageRow,
    GenerationRow,
    MatchRow,
    MentionRow,
    ReadingRow,
    WatchRow,
)
from listener.store.work import Database
from listener.types import By, Rule, Sensitivity, Signal

START = datetime(2025, 1, 1, tzinfo=UTC)
POLL = timedelta(minutes=10)
DAY = timedelta(days=1)
VOLUMES = {"small": 1.2, "middle": 24.0, "large": 600.0}  # complaints a day
_PART = 20_000


def main() -> None:
    """Print a row for each volume."""
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("--days", type=int, default=365)
    told.add_argument("--looks", type=int, default=5, help="days that are walked look by look")
    given = told.parse_args()
    print(
        f"{'volume':8}{'complaints':>12}{'alerts':>8}{'seconds':>9}{'look by look':>14}{'ratio':>7}"
    )
    for name, a_day in VOLUMES.items():
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            database = Database(f"sqlite:///{home}/listener.db")
            schema.upgrade(database)
            stored = _store(database, a_day, given.days)
            tester = Backtester(database, Settings(home=home, secret_key="x" * 32))  # type: ignore[call-arg,arg-type]
            began = time.process_time()
            whole = tester.run(_wanted(given.days, given.days)).a
            quick = time.process_time() - began
            tester.run(_wanted(given.looks, given.looks, exact=True))
            walked = (time.process_time() - began - quick) / given.looks * given.days
            database.close()
        print(
            f"{name:8}{stored:12,}{len(whole.alerts):8}{quick:9.1f}{walked:14.0f}"
            f"{walked / quick:7.0f}"
        )


def _wanted(until: int, days: int, *, exact: bool = False) -> Wanted:
    rule = Rule(
        id=0, brand_id=1, name="-", signal=Signal.COMPLAINTS, by=By.POSTS,
        sensitivity=Sensitivity.NORMAL,
    )  # fmt: skip
    at = START + until * DAY
    return Wanted(rule=rule, days=days, until=at, exact=exact, explained=0, judge_as="known")


def _store(database: Database, a_day: float, days: int) -> int:
    random = np.random.default_rng(7)
    outage = (START + 120 * DAY, START + 120 * DAY + timedelta(hours=9))
    with database.write() as work:
        session = work.session
        brand = brands.create(session, name="Haneul", now=START)
        generation = GenerationRow(
            key="benchmark", models={}, rules_version="1", created_at=START, active=True
        )
        watch = WatchRow(
            brand_id=brand.id, source="feed", params={}, match="terms", every_s=600,
            next_run_at=START, created_at=START, covered_to=START + days * DAY,
        )  # fmt: skip
        session.add_all([generation, watch])
        session.flush()
        pieces = []
        for number in range(days * 144):
            since = START + number * POLL
            known = outage[1] if outage[0] <= since + POLL < outage[1] else since + POLL
            pieces.append(
                {"watch_id": watch.id, "from_at": since, "to_at": since + POLL, "known_at": known}
            )
        session.execute(insert(CoverageRow), pieces)
        rows: list[tuple[datetime, datetime]] = []
        total = 0
        for said_at in _times(random, a_day, days):
            polled = START + ((said_at - START) // POLL + 1) * POLL
            if random.random() < 0.03:
                polled += timedelta(hours=float(random.exponential(2)))
            if outage[0] <= polled < outage[1]:
                polled = outage[1]
            rows.append((said_at, polled))
            if len(rows) == _PART:
                total += _write(session, rows, total, brand.id, generation.id)
                rows.clear()
        total += _write(session, rows, total, brand.id, generation.id)
        work.commit()
    return total


def _times(random: np.random.Generator, a_day: float, days: int) -> Iterator[datetime]:
    for hour in range(days * 24):
        rate = a_day / 24 * (1 + 0.7 * math.sin((hour % 24 - 9) / 24 * 2 * math.pi))
        if hour % (60 * 24) in range(1000, 1004):  # a surge
            rate = rate * 3 + 6
        start = START + timedelta(hours=hour)
        for share in np.sort(random.random(int(random.poisson(rate)))):
            yield start + timedelta(seconds=round(float(share) * 3599))


def _write(
    session: object, rows: list[tuple[datetime, datetime]], before: int, brand: int, generation: int
) -> int:
    if not rows:
        return 0
    ids = range(before + 1, before + 1 + len(rows))
    execute = session.execute  # type: ignore[attr-defined]
    execute(
        insert(MentionRow),
        [
            {
                "id": id_, "source": "feed", "namespace": "", "external_id": str(id_),
                "kind": "post", "text": "-", "content_hash": f"{id_:032x}", "language": "ko",
                "published_precision": "exact", "event_at": said_at, "seen_at": seen_at,
            }
            for id_, (said_at, seen_at) in zip(ids, rows, strict=True)
        ],
    )  # fmt: skip
    execute(
        insert(MatchRow),
        [
            {"mention_id": id_, "brand_id": brand, "origin": "term", "spans": [], "event_at": at}
            for id_, (at, _) in zip(ids, rows, strict=True)
        ],
    )
    execute(
        insert(ReadingRow),
        [
            {
                "mention_id": id_, "brand_id": brand, "generation_id": generation,
                "language": "ko", "score": -0.6, "label": "negative", "complaint": True,
                "topics": ["delivery"], "tags": [],
            }
            for id_ in ids
        ],
    )  # fmt: skip
    return len(rows)


if __name__ == "__main__":
    main()
