"""From publication to delivery: an item visible at a source to the webhook received.

Run: ``.venv/bin/python -m benchmarks.latency [--brands N] [--every SECONDS] [--quick]``.
An install with quiet history is run by its real processes (``listener up``). Each
brand has a feed of its own on a loopback address of its own, polled every so many seconds. At
random moments a dozen complaints become visible in one feed at once; the clock runs until the
signed webhook with that brand's ``alert.opened`` has come in. "after the poll" counts from the
request that was the first to see them, so that it holds all of our work and nothing of the waiting.
The aim is the polling interval + 5 s for every one of them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from listener.runtime.wiring import Services, build
from listener.settings import Settings
from listener.store import brands, rules, schema, watches
from listener.store.tables import (
    BrandRow,
    CoverageRow,
    DetectorRow,
    DirtyRow,
    RunRow,
    SpikeRow,
)
from listener.types import MatchMode, Step

AIM = 5.0  # seconds beyond the polling interval
HISTORY = timedelta(days=15)  # that the watches cover …
PAST = timedelta(days=4)  # … and that posts are from
EVERY_POST = timedelta(hours=2)
CALM = ("새 매장이 문을 열었다", "가을 신상품을 공개했다", "어제 들렀는데 구경할 게 많네요")
# Told in a dozen ways: copies of one text would count as one.
TROUBLES = (
    "배송이 일주일째 안 와요. 환불해 주세요",
    "택배 상자가 다 찌그러져서 왔어요. 정말 화나요",
    "주문한 지 열흘인데 아직도 배송 준비 중이라니 최악입니다",
    "고객센터 전화를 아무도 안 받네요. 너무 실망이에요",
    "물건이 깨진 채로 도착했는데 교환도 안 된대요",
    "결제는 두 번 됐는데 취소를 안 해 줍니다. 황당해요",
    "앱이 자꾸 꺼져서 주문을 못 하겠어요. 짜증납니다",
    "송장만 찍어 놓고 출발을 안 하네요. 거짓말이 심해요",
    "반품 신청한 지 보름인데 환불 소식이 없어 답답합니다",
    "엉뚱한 색이 왔어요. 검수를 하기는 하는 건가요, 불쾌하네요",
    "기사님이 문 앞에 던지고 갔어요. 서비스가 엉망이에요",
    "선물로 보냈는데 생일이 지나도록 안 와서 망신당했어요",
)


@dataclass
class Feed:
    """What one brand's feed shows, and when it was first read with news in it."""

    brand: str
    items: list[tuple[str, datetime]] = field(default_factory=list)
    shown_at: float | None = None
    polled_at: float | None = None
    noticed_at: float | None = None
    heard_at: float | None = None

    def show(self, chance: random.Random) -> None:
        """The complaints become visible."""
        now = datetime.now(UTC)
        fresh = [(f"{self.brand} {said} {chance.random():.9f}", now) for said in TROUBLES]
        self.items = fresh + self.items
        self.shown_at = time.time()

    def xml(self) -> bytes:
        """The feed as RSS."""
        entries = "".join(
            f"<item><guid isPermaLink='false'>{hash(text) & 0xFFFFFFFFFF:x}</guid>"
            f"<title>{text}</title><description>{text}</description>"
            f"<author>w{n}@readers.example</author><pubDate>{format_datetime(at)}</pubDate></item>"
            for n, (text, at) in enumerate(self.items)
        )
        return (
            "<?xml version='1.0' encoding='utf-8'?><rss version='2.0'><channel>"
            f"<title>{self.brand}</title><link>http://forum.example/</link>{entries}</channel></rss>"
        ).encode()


class World(ThreadingHTTPServer):
    """All feeds, by the loopback address that they are asked at, and the receiver of webhooks."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, feeds: list[Feed]) -> None:
        super().__init__(("0.0.0.0", 0), _Handler)  # noqa: S104 - many loopback addresses
        self.feeds = {f"127.0.1.{n + 1}": feed for n, feed in enumerate(feeds)}
        self.by_brand = {feed.brand: feed for feed in feeds}

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def heard(self, message: dict[str, Any], at: float) -> None:
        """A webhook came in."""
        told = message["data"].get("alert") or {}
        feed = self.by_brand.get(told.get("brand", ""))
        if message["type"] == "alert.opened" and feed and feed.heard_at is None:
            feed.heard_at = at


class _Handler(BaseHTTPRequestHandler):
    server: World

    def do_GET(self) -> None:
        feed = self.server.feeds.get(self.headers["host"].partition(":")[0])
        if feed is None:
            self.send_error(404)
            return
        body = feed.xml()
        if feed.shown_at is not None and feed.polled_at is None:
            feed.polled_at = time.time()
        self.send_response(200)
        self.send_header("content-type", "application/rss+xml; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        at = time.time()
        self.send_response(204)
        self.end_headers()
        self.server.heard(json.loads(body), at)

    def log_message(self, *_: Any) -> None:
        pass


def set_up(services: Services, world: World, every: timedelta, chance: random.Random) -> None:
    """Brands with watches that cover the past, which their feeds still show, and the channel."""
    schema.upgrade(services.database)
    now = datetime.now(UTC)
    began = now - HISTORY
    # A channel for each brand: of many alerts to one channel, all but five come in digests.
    made = {
        name: services.add_channel(
            name=name, address=f"http://127.0.0.1:{world.port}/hook", secret=None
        ).id
        for name in world.by_brand
    }
    with services.database.write() as work:
        for host, feed in world.feeds.items():
            brand = brands.create(work.session, name=feed.brand, now=began)
            _only_to(work.session, brand.id, made[feed.brand], now)
            watch = watches.create(
                work.session,
                source="feed",
                params={"url": f"http://{host}:{world.port}/feed.xml"},
                match=MatchMode.TERMS,
                every=every,
                brand_id=brand.id,
                now=began,
            )
            # The polls are spread over the interval, as those of a real install are.
            watch.next_run_at = now + every * chance.random()
            watch.covered_to = now
            work.session.add(
                CoverageRow(watch_id=watch.id, from_at=began, to_at=now, known_at=began)
            )
        work.commit()


def _only_to(session: Session, brand_id: int, channel_id: int, now: datetime) -> None:
    for rule in rules.of_brand(session, brand_id):
        rules.update(session, rule.id, steps=(Step(channel_ids=(channel_id,)),), now=now)


def _past(brand: str, chance: random.Random) -> Iterator[tuple[str, datetime]]:
    """A post every other hour, newest first, one in ten of them a complaint."""
    at = datetime.now(UTC)
    for number in range(int(PAST / EVERY_POST)):
        at -= EVERY_POST * chance.uniform(0.5, 1.5)
        said = chance.choice(TROUBLES) if chance.random() < 0.1 else chance.choice(CALM)
        yield f"{brand} {said} ({number}, {chance.random():.6f})", at


def until_ready(services: Services, brand_count: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until every feed was read and every brand has its detectors."""
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit("the service ended; its output is above")
        with services.database.read() as session:
            read = session.scalar(
                select(func.count(func.distinct(RunRow.watch_id))).where(
                    RunRow.finished_at.is_not(None)
                )
            )
            judged = session.scalar(select(func.count(func.distinct(DetectorRow.brand_id))))
            stale = session.scalar(select(func.count()).select_from(DirtyRow))
        if read == brand_count == judged and not stale:
            time.sleep(5)  # the last looks are over by then
            return
        time.sleep(0.5)
    raise SystemExit("the service did not get ready in time")


@contextmanager
def running(home: Path, environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The service's real processes."""
    process = subprocess.Popen(
        [sys.executable, "-m", "listener", "up"], env=environ, start_new_session=True
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def measure(brand_count: int, every: timedelta) -> list[Feed]:
    """Every brand's complaints, one brand at a time, at random moments."""
    chance = random.Random(7)
    feeds = [Feed(f"누리가게{n + 1:02}호") for n in range(brand_count)]
    for feed in feeds:
        feed.items = list(_past(feed.brand, chance))
    world = World(feeds)
    threading.Thread(target=world.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        inside = {
            "LISTENER_HOME": folder,
            "LISTENER_PORT": str(probe.getsockname()[1]),
            "LISTENER_SECRET_KEY": "a secret of the benchmark",
            "LISTENER_LOG_LEVEL": "WARNING",
            "LISTENER_ALLOW_PRIVATE_HOSTS": ",".join(("127.0.0.1", *world.feeds)),
        }
        probe.close()
        settings = Settings(  # type: ignore[call-arg]
            home=Path(folder),
            secret_key=SecretStr(inside["LISTENER_SECRET_KEY"]),
            allow_private_hosts=inside["LISTENER_ALLOW_PRIVATE_HOSTS"],
        )
        services = build(settings)
        set_up(services, world, every, chance)
        clean = {k: v for k, v in os.environ.items() if not k.startswith("LISTENER_")}
        with running(Path(folder), clean | inside) as process:
            until_ready(services, brand_count, process)
            for feed in chance.sample(feeds, len(feeds)):
                time.sleep(chance.uniform(0.5, 5.0))
                feed.show(chance)
            deadline = time.monotonic() + every.total_seconds() + 60
            while time.monotonic() < deadline and any(feed.heard_at is None for feed in feeds):
                time.sleep(0.1)
        _on_the_way(services, world)
        services.close()
    world.shutdown()
    return feeds


def _on_the_way(services: Services, world: World) -> None:
    """When each alert was noticed: the look that found it began."""
    with services.database.read() as session:
        rows = session.execute(
            select(BrandRow.name, func.min(SpikeRow.opened_at))
            .join(SpikeRow, SpikeRow.brand_id == BrandRow.id)
            .where(SpikeRow.alert_id.is_not(None))
            .group_by(BrandRow.name)
        ).all()
    for name, noticed in rows:
        world.by_brand[name].noticed_at = noticed.timestamp()


def told(name: str, values: list[float]) -> str:
    """A line of figures."""
    values = sorted(values)
    p90 = values[min(len(values) - 1, round(0.9 * (len(values) - 1)))]
    return (
        f"  {name:34} min {values[0]:5.1f}  median {statistics.median(values):5.1f}  "
        f"p90 {p90:5.1f}  max {values[-1]:5.1f} s"
    )


def main() -> int:
    """Measure and print; the status is 1 if one of them was later than the aim."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brands", type=int, default=20)
    parser.add_argument("--every", type=float, default=15.0, help="the polling interval, seconds")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    brand_count = 6 if options.quick else options.brands
    every = timedelta(seconds=options.every)
    feeds = measure(brand_count, every)
    heard = [feed for feed in feeds if feed.heard_at is not None]
    print(
        f"  {len(heard)} of {len(feeds)} alerts came; each feed is polled every {options.every:g} s"
    )
    if not heard:
        return 1
    whole = [feed.heard_at - feed.shown_at for feed in heard]  # type: ignore[operator]
    ours = [feed.heard_at - feed.polled_at for feed in heard]  # type: ignore[operator]
    print(told("visible -> webhook received", whole))
    print(told("of it, after the poll", ours))
    # A spike by mere chance, before, would be no news of these.
    noticed = [
        f.noticed_at - f.polled_at
        for f in heard
        if f.noticed_at and f.polled_at and f.noticed_at >= f.polled_at
    ]
    sent = [f.heard_at - f.noticed_at for f in heard if f.noticed_at and f.heard_at]
    print(told("  poll -> the look that finds it", noticed))
    print(told("  that look -> webhook received", sent))
    beyond = max(whole) - options.every
    good = beyond <= AIM and len(heard) == len(feeds)
    print(
        f"  the latest is {beyond:+.1f} s off the interval (aim: at most +{AIM:g} s): "
        f"{'ok' if good else 'MISSED'}"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
