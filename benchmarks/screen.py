"""Screening on SQLite: texts per second, and what one costs as more is stored.

Run: ``.venv/bin/python -m benchmarks.screen [--mentions N] [--step N]``. The texts are those of
``benchmarks/ingest.py`` in their lengths (70 / 20 / 10 % of about 90 / 250 / 1,500 characters), of
random words, one in twelve a copy of one of the 200 before; before them short ones of about 15
characters, which have no bands. Ingest and rollup are not timed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import NamedTuple

from benchmarks.ingest import MIX, NOW, SYLLABLES, Texts
from listener.pipeline.ingest import Ingest, Origin
from listener.pipeline.screening import screen
from listener.security import Secrets
from listener.settings import Settings
from listener.store import brands, schema
from listener.store.work import Database
from listener.types import Mention, RawItem, Reading, ReadMention


class Unread:
    """Says nothing of a text: reading is not what is measured."""

    def __init__(self) -> None:
        self.versions = Versions("none", {}, "none")

    def read(
        self, mentions: Sequence[Mention], matches: Sequence[Sequence[object]]
    ) -> list[ReadMention]:
        """Unscored, and of no brand."""
        reading = Reading(language="ko", sentiment=None, complaint=None, topics=())
        return [ReadMention(mention=one, reading=reading, matches=()) for one in mentions]


class Versions(NamedTuple):
    """Of nothing."""

    key: str
    models: Mapping[str, tuple[str, str]]
    rules_version: str


def mixed(count: int) -> Iterator[RawItem]:
    """Texts of the mix, each of words of its own, with copies among them."""
    draw, latest = Random(7), [""]
    for number, item in enumerate(Texts(MIX, 7).items(count)):
        words = ("".join(draw.choices(SYLLABLES, k=draw.randint(2, 4))) for _ in item.text.split())
        text = latest[draw.randrange(len(latest))] if number % 12 == 11 else " ".join(words)
        latest = [*latest[-199:], text]
        yield replace(item, text=text)


def short(count: int) -> Iterator[RawItem]:
    """Texts that say too little to be told as copies."""
    texts = ("배송이 늦어요", "맛있게 잘 먹었어요", "재구매 의사 있습니다", "the app is slow")
    for number, item in enumerate(Texts(MIX, 8).items(count)):
        yield replace(item, external_id=f"s{number}", text=f"{texts[number % 4]} {number % 100}")


def run(ingest: Ingest, items: Iterator[RawItem], step: int, name: str) -> None:
    """Store and screen by steps, and print what each took."""
    stored = 0
    while some := list(islice(items, step)):
        for start in range(0, len(some), 1_000):
            ingest.items(some[start : start + 1_000], Origin(source="plaza"), now=NOW)
        begun, cpu = time.perf_counter(), time.process_time()
        done = screen(ingest.database, now=NOW)
        wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
        stored += done
        print(
            f"{name:6} {stored:>8,} stored: {done / wall:>7,.0f} texts/s,"
            f" {done / cpu:>7,.0f} texts/cpu-s, {1e6 * cpu / done:>5.0f} cpu-µs a text",
            flush=True,
        )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mentions", type=int, default=200_000)
    parser.add_argument("--step", type=int, default=20_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'bench.db'}")
        schema.upgrade(database)
        with database.write() as work:
            for korean, english in Texts(MIX, 7).brands[:3]:
                brands.create(work.session, name=korean, aliases=[english], now=NOW)
            work.commit()
        settings = Settings(home=Path(folder), mask="none", unmatched_days=3_000)
        ingest = Ingest(database, Unread(), settings, Secrets(b"k" * 32))  # type: ignore[arg-type]
        run(ingest, short(options.step), options.step, "short")
        run(ingest, mixed(options.mentions), options.step, "mixed")
        database.close()


if __name__ == "__main__":
    main()
