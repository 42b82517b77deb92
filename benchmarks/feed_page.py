"""A page of 50 mentions out of 200,000, asked for by 1 and by 16 clients at once.

Run: ``.venv/bin/python -m benchmarks.feed_page [--mentions N] [--seconds S] [--quick]
[--only sqlite|postgresql]``. A real server in a process of its own on loopback; clients that keep
their connection and read random pages, in another process. The floor is an endpoint of the same app
that returns the bytes of such a page, behind the same middleware and key check. Prints requests per
wall second, milliseconds (median and 99 %), CPU milliseconds of the server for one page (with
PostgreSQL's own), and the share of the floor's rate.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median, quantiles

import orjson
import psutil
import uvicorn
from fastapi import APIRouter, FastAPI
from starlette.responses import Response

from api import auth
from api.app import create_app
from api.deps import Json, encode_cursor
from listener.store import access, brands, schema
from listener.store.base import to_us
from listener.store.feed import MentionFilter, changes_after
from listener.store.tables import (
    AuthorRow,
    ChangeRow,
    CounterRow,
    GenerationRow,
    MatchRow,
    MentionRow,
    ReadingRow,
)
from listener.store.upsert import Bulk, insert_update
from listener.store.work import Database
from tests.postgres import postgres

NOW = datetime(2025, 3, 10, 12, tzinfo=UTC)
PAGE = 50
BRANDS = 100
AUTHORS = 20_000
BATCH = 20_000
CLIENTS = (1, 16)
SERVER = "autovacuum = on\nshared_buffers = 256MB\nmax_wal_size = 2GB\n"
TEXTS = (
    "{} 배송이 너무 늦어서 화가 나요. 어제 주문했는데 아직도 준비 중이라고 합니다",
    "{} 포장이 꼼꼼하고 가격도 좋아서 다음에도 여기서 살게요",
    "{} support was friendly and quick, but the app keeps crashing at checkout",
    "오늘 {} 매장에 다녀왔는데 직원분이 친절하게 설명해 주셨어요. 재고가 없어 아쉬웠지만 다음 주에 "
    "들어온다고 하니 다시 가 보려고 합니다. "
    "색상이 사진이랑 조금 다르긴 해도 마감은 괜찮아 보였어요",
)

_MENTIONS = Bulk(
    MentionRow,
    (
        *("id", "source", "namespace", "external_id", "kind", "url", "author_id", "text"),
        *("content_hash", "language", "published_at", "published_precision", "event_at"),
        *("event_clamped", "seen_at", "is_own", "solicited", "derived"),
    ),
)
_AUTHORS = Bulk(
    AuthorRow, ("id", "source", "namespace", "native_id", "handle", "name", "pseudonym")
)
_MATCHES = Bulk(MatchRow, ("mention_id", "brand_id", "origin", "spans", "event_at"))
_READINGS = Bulk(
    ReadingRow,
    (
        *("mention_id", "brand_id", "generation_id", "language"),
        *("score", "label", "confidence", "complaint", "topics"),
    ),
)
_CHANGES = Bulk(ChangeRow, ("seq", "mention_id", "kind", "at"))


def fill(database: Database, count: int) -> str:
    """``count`` mentions that match a brand each, every tenth two; gives an API key."""
    draw = random.Random(1)
    start = to_us(NOW - timedelta(days=28))
    with database.write() as work:
        names = [
            brands.create(work.session, name=f"브랜드{n:03}", now=NOW).name for n in range(BRANDS)
        ]
        generation = GenerationRow(
            key="bench",
            models={"ko": ["korean-ngram", "1"], "en": ["vader", "3.3"]},
            rules_version="1",
            created_at=NOW,
            active=True,
        )
        work.session.add(generation)
        work.session.flush()
        _AUTHORS.run(
            work.session,
            [
                (n, "plaza", "", f"u{n}", f"user{n}", f"User {n}", f"a_{n:020}")
                for n in ids(AUTHORS)
            ],
        )
        _, token = access.add_key(work.session, "bench", now=NOW)
        work.commit()
    numbers = iter(ids(count))
    while batch := list(islice(numbers, BATCH)):
        rows: list[list[tuple[object, ...]]] = [[], [], [], []]
        for n in batch:
            at = start + n * 2_000_000
            brand = draw.randrange(BRANDS)
            text = draw.choice(TEXTS).format(names[brand]) + f" {n}"
            language = "en" if text[7:14] == "support" else "ko"
            rows[0].append(
                (
                    *(n, "plaza", "", f"{n:08}", "post", f"https://plaza.example/posts/{n}"),
                    *(1 + n % AUTHORS, text, f"{n:032x}", language, at, "exact", at),
                    *(False, at, False, False, False),
                )
            )
            score = round(draw.uniform(-1, 1), 3)
            reading = (
                *(generation.id, language, score, "negative" if score < 0 else "positive"),
                *(0.9, score < -0.5, '["delivery"]' if score < 0 else "[]"),
            )
            rows[2].append((n, 0, *reading))
            for matched in {brand, brand if n % 10 else (brand + 1) % BRANDS}:
                spans = orjson.dumps([["text", 0, 6, names[matched]]]).decode()
                rows[1].append((n, matched + 1, "term", spans, at))
                rows[2].append((n, matched + 1, *reading))
            rows[3].append((n, n, "created", at))
        with database.write() as work:
            bulks = (_MENTIONS, _MATCHES, _READINGS, _CHANGES)
            for bulk, values in zip(bulks, rows, strict=True):
                bulk.run(work.session, values)
            work.commit()
    with database.write() as work:
        counter = {"name": "change", "value": count}
        insert_update(work.session, CounterRow, [counter], key=["name"], update=["value"])
        work.commit()
    with database.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()
    return token


def ids(count: int) -> range:
    """From 1 on."""
    return range(1, count + 1)


# --- the server, in a process of its own ---------------------------------------------------------


def make_app() -> FastAPI:
    """The real app, and the floor beside it."""
    app = create_app()
    with app.state.services.database.read() as session:
        page = changes_after(session, MentionFilter(), None, limit=PAGE)
    mark = encode_cursor(f"m:{page.mark.seq}:{page.mark.since}:{MentionFilter().fingerprint()}")
    body = bytes(Json({"items": page.items, "next_cursor": mark}).body)
    router = APIRouter(dependencies=[auth.Reads])

    @router.get("/floor")
    async def floor() -> Response:
        return Response(body, media_type="application/json")

    app.include_router(router)
    return app


@contextmanager
def server(home: Path, url: str) -> Iterator[tuple[int, psutil.Process]]:
    """Serve that database; gives the port and the process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = {
        **os.environ,
        "LISTENER_HOME": str(home),
        "LISTENER_DATABASE_URL": url,
        "LISTENER_SECRET_KEY": "a secret of the benchmark",
    }
    command = [sys.executable, "-m", "benchmarks.feed_page", "--serve", str(port)]
    process = subprocess.Popen(command, env=environ)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("The server did not start.") from None
                time.sleep(0.1)
        yield port, psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


# --- the clients, in a process of their own ------------------------------------------------------


async def ask(
    port: int, paths: Sequence[str], token: str, clients: int, seconds: float
) -> dict[str, object]:
    """Keep ``clients`` connections busy; gives what each request took, in milliseconds."""
    took: list[float] = []
    size = 0
    stop = time.perf_counter() + seconds

    async def client(number: int) -> None:
        nonlocal size
        draw = random.Random(number)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        while (start := time.perf_counter()) < stop:
            request = (
                f"GET {draw.choice(paths)} HTTP/1.1\r\nHost: bench\r\n"
                f"Authorization: Bearer {token}\r\n\r\n"
            )
            writer.write(request.encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode())
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            size = length
            took.append((time.perf_counter() - start) * 1000)
        writer.close()

    await asyncio.gather(*(client(number) for number in range(clients)))
    return {"took": took, "size": size}


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run gave."""

    rate: float
    median_ms: float
    slowest_ms: float
    cpu_ms: float
    database_ms: float
    size: int


def measure(
    port: int,
    paths: Sequence[str],
    token: str,
    clients: int,
    seconds: float,
    process: psutil.Process,
) -> Figures:
    """One run of the clients, with the CPU time that the server (and PostgreSQL) took meanwhile."""
    before = cpu(process), postgres_cpu()
    given = {
        "port": port,
        "paths": list(paths),
        "token": token,
        "clients": clients,
        "seconds": seconds,
    }
    command = [sys.executable, "-m", "benchmarks.feed_page", "--ask"]
    done = subprocess.run(
        command, input=json.dumps(given), text=True, capture_output=True, check=True
    )
    told = orjson.loads(done.stdout)
    took = told["took"]
    return Figures(
        rate=len(took) / seconds,
        median_ms=median(took),
        slowest_ms=quantiles(took, n=100)[98],
        cpu_ms=(cpu(process) - before[0]) * 1000 / len(took),
        database_ms=(postgres_cpu() - before[1]) * 1000 / len(took),
        size=told["size"],
    )


def cpu(process: psutil.Process) -> float:
    """CPU seconds of a process so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def postgres_cpu() -> float:
    """CPU seconds of the benchmark's PostgreSQL so far, all processes together."""
    total = 0.0
    for child in psutil.Process().children(recursive=True):
        try:
            if child.name() == "postgres":
                total += cpu(child)
        except psutil.NoSuchProcess:
            continue
    return total


def run(name: str, url: str, home: Path, mentions: int, seconds: float) -> None:
    """Fill, serve, measure, print."""
    started = time.perf_counter()
    database = Database(url)
    schema.upgrade(database)
    token = fill(database, mentions)
    database.close()
    print(f"\n{name}: {mentions:,} mentions, filled in {time.perf_counter() - started:.0f} s")
    draw = random.Random(2)
    fingerprint = MentionFilter().fingerprint()
    starts = [draw.randrange(max(1, mentions - PAGE)) for _ in range(500)]
    cursors = [encode_cursor(f"m:{seq}:{mentions}:{fingerprint}") for seq in starts]
    pages = [f"/api/v1/mentions?limit={PAGE}&cursor={cursor}" for cursor in cursors]
    with server(home, url) as (port, process):
        for paths in (["/floor"], pages):
            measure(port, paths, token, 4, 1.0, process)  # statements compile, caches fill
        print(
            f"{'':10}{'clients':>8}{'pages/s':>10}{'median':>10}{'99 %':>10}{'CPU':>10}{'+ db':>9}"
        )
        for clients in CLIENTS:
            floor = measure(port, ["/floor"], token, clients, seconds, process)
            page = measure(port, pages, token, clients, seconds, process)
            for what, figures in (("floor", floor), ("page", page)):
                print(
                    f"{what:10}{clients:8}{figures.rate:10,.0f}{figures.median_ms:7.2f} ms"
                    f"{figures.slowest_ms:7.2f} ms{figures.cpu_ms:7.2f} ms"
                    f"{figures.database_ms:6.2f} ms"
                )
            print(
                f"{'':10}{page.rate / floor.rate:.2f} of the floor's rate (aim: 0.25), "
                f"{page.size / 1000:.0f} kB a page"
            )


def main() -> None:
    """Measure on SQLite and on PostgreSQL."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mentions", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each run")
    parser.add_argument("--quick", action="store_true", help="20,000 mentions, 2 seconds")
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--ask", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        uvicorn.run(
            "benchmarks.feed_page:make_app",
            factory=True,
            port=given.serve,
            log_level="error",
            access_log=False,
            server_header=False,
        )
        return
    if given.ask:
        sys.stdout.buffer.write(orjson.dumps(asyncio.run(ask(**json.load(sys.stdin)))))
        return
    mentions = 20_000 if given.quick else given.mentions
    seconds = 2.0 if given.quick else given.seconds
    print("A page of the mention feed")
    with tempfile.TemporaryDirectory() as folder:
        if given.only != "postgresql":
            url = f"sqlite:///{folder}/listener.db"
            run("SQLite", url, Path(folder), mentions, seconds)
        if given.only != "sqlite":
            with postgres(SERVER) as url:
                run("PostgreSQL", url, Path(folder), mentions, seconds)


if __name__ == "__main__":
    main()
