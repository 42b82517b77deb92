"""A whole service is killed again and again, and tells everything once all the same."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from listener.store import outbox
from webserver import Play, WebServer

WHOLE = "하늘마트 배송이 너무 늦어요"  # so short that each is a complaint of its own, no copy


class Story:
    """A feed with four weeks of calm and an hour of complaints, to which more are added."""

    def __init__(self, server: WebServer) -> None:
        self.server = server
        now = datetime.now(UTC)
        self.posts = [
            (f"old-{n}", "하늘마트에서 장을 봤어요", now - timedelta(hours=4 * n + 2))
            for n in range(160)
        ]
        self.posts += [(f"wave-{n}", WHOLE, now - timedelta(seconds=20 * n)) for n in range(60)]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on)
        self._show()

    def __enter__(self) -> Story:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def ids(self) -> set[str]:
        return {name for name, _, _ in self.posts}

    def _go_on(self) -> None:
        while not self._over.wait(0.25):
            self.posts.append((f"live-{len(self.posts)}", WHOLE, datetime.now(UTC)))
            self._show()

    def _show(self) -> None:
        entries = "".join(
            f"<item><guid isPermaLink='false'>{name}</guid><title>{text} {name}</title>"
            f"<pubDate>{format_datetime(at)}</pubDate></item>"
            for name, text, at in reversed(self.posts)
        )
        head = "<?xml version='1.0'?><rss version='2.0'><channel><title>소식</title>"
        body = f"{head}{entries}</channel></rss>"
        page = Play(body, headers={"Content-Type": "application/rss+xml"})
        self.server.pages = {**self.server.pages, "/feed": page}


class Reader:
    """Follows the feed of mentions by its cursor, however often the web goes away."""

    def __init__(self, install: Any, key: str) -> None:
        self.held: dict[int, str] = {}
        self.told: Counter[tuple[int, int]] = Counter()
        self.last = 0
        self._ask = lambda path: install.get(path, key)
        self._cursor = ""

    def read(self) -> None:
        """Everything there is up to now; nothing while the web is away."""
        while True:
            more = f"&cursor={self._cursor}" if self._cursor else ""
            status, body = self._ask(f"/api/v1/mentions?limit=50{more}")
            if status == 0:
                return
            assert status == 200, body
            page = json.loads(body)
            for item in page["items"]:
                assert item["seq"] > self.last
                self.last = item["seq"]
                self.told[item["id"], item["seq"]] += 1
                if item["change"] in ("left", "deleted"):
                    self.held.pop(item["id"], None)
                else:
                    self.held[item["id"]] = item["external_id"]
            self._cursor = page["next_cursor"]
            if not page["items"]:
                return


def children(pid: int) -> list[int]:
    """The processes that a process started."""
    with contextlib.suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def command(pid: int) -> str:
    """The command line of a process."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


def kill(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def pass_time(install: Any) -> None:
    """As if the dead one's lease and claims had run out: the test need not wait for them."""
    install.change("UPDATE lease SET until = 0")
    install.change("UPDATE watch SET claim_until = 0 WHERE claim_until IS NOT NULL")
    install.change("UPDATE outbox SET claim_until = 0 WHERE claim_until IS NOT NULL")


def test_nothing_is_missing_or_doubled_however_often_processes_are_killed(
    make_install: Callable[..., Any], server: WebServer, wait: Callable[..., Any]
) -> None:
    dice = random.Random(11)
    install = make_install({"LISTENER_ALLOW_PRIVATE_HOSTS": f"127.0.0.1:{server.port}"})
    install.watch("feed", install.brand("하늘마트"), url=f"{server.url}/feed")
    install.change("UPDATE watch SET every_s = 1")
    server.pages = {"/hook": [Play("later", 500), Play("taken")]}
    install.ok("channel", "add", "ops", f"{server.url}/hook")
    key = install.ok("keys", "create", "reader")
    reader = Reader(install, key)
    with Story(server) as story:
        service = install.start("up")
        wait(lambda: install.get("/readyz")[0] == 200)
        for victim in ("work", "all"):
            seen = len(reader.told)
            deadline = time.monotonic() + 40
            while len(reader.told) == seen and time.monotonic() < deadline:
                reader.read()
                time.sleep(0.05)
            assert len(reader.told) > seen, f"nothing new arrives before {victim}"
            time.sleep(dice.uniform(0, 1.5))
            started = children(service.pid)
            if victim == "all":
                kill([service.pid, *started])
                service.wait()
                pass_time(install)
                service = install.start("up")
            else:
                kill([pid for pid in started if command(pid).rstrip().endswith(victim)])
                pass_time(install)
            install.change("UPDATE watch SET next_run_at = 0")
        hooks = lambda: [seen for seen in server.seen if seen.path == "/hook"]  # noqa: E731
        wait(lambda: len(hooks()) >= 2, 40)
    wait(lambda: len(install.rows("SELECT id FROM mention")) == len(story.ids), 40)
    wait(lambda: reader.read() or len(reader.held) == len(story.ids), 20)
    install.end()

    stored = [row["external_id"] for row in install.rows("SELECT external_id FROM mention")]
    assert sorted(stored) == sorted(story.ids)
    assert sorted(reader.held.values()) == sorted(story.ids)
    assert set(reader.told.values()) == {1}
    assert not install.rows("SELECT id FROM run WHERE outcome = 'failed'")
    ids = defaultdict(set)
    for seen in hooks():
        told = json.loads(seen.body)
        ids[told["type"], told["data"]["alert"]["id"]].add(seen.headers["webhook-id"])
    assert ("alert.opened", 1) in ids
    assert all(len(one) == 1 for one in ids.values()), ids


@pytest.mark.torture  # long; test_scheduler does the same with less around it
def test_of_two_that_work_one_leads_and_the_other_takes_over(
    make_install: Callable[..., Any], server: WebServer, wait: Callable[..., Any]
) -> None:
    install = make_install({"LISTENER_ALLOW_PRIVATE_HOSTS": f"127.0.0.1:{server.port}"})
    install.watch("feed", install.brand("하늘마트"), url=f"{server.url}/feed")
    install.change("UPDATE watch SET every_s = 1")
    with Story(server):
        first = install.start("work")
        holder = lambda: [row["holder"] for row in install.rows("SELECT holder FROM lease")]  # noqa: E731
        wait(lambda: any(f":{first.pid}:" in one for one in holder()))
        second = install.start("work")
        wait(lambda: len(install.rows("SELECT id FROM run WHERE finished_at > 0")) >= 2)
        assert any(f":{first.pid}:" in one for one in holder())
        first.send_signal(signal.SIGTERM)
        assert first.wait(20) == 0
        wait(lambda: any(f":{second.pid}:" in one for one in holder()), 10)
        runs = len(install.rows("SELECT id FROM run"))
        install.change("UPDATE watch SET next_run_at = 0")
        wait(lambda: len(install.rows("SELECT id FROM run")) > runs)
    install.end()
    spans = install.rows("SELECT started_at, finished_at FROM run ORDER BY started_at")
    for one, other in itertools.pairwise(spans):
        assert one["finished_at"] is None or one["finished_at"] <= other["started_at"]


def test_ingest_that_was_killed_is_completed_by_doing_it_again(
    make_install: Callable[..., Any], wait: Callable[..., Any]
) -> None:
    install = make_install()
    install.brand("하늘마트")
    file = install.home / "many.csv"
    lines = [f"{n},{WHOLE} {n},2025-03-10T12:00:00+09:00" for n in range(3_000)]
    file.write_text("id,text,published_at\n" + "\n".join(lines) + "\n")
    process = install.start("ingest", file)
    count = lambda: len(install.rows("SELECT id FROM mention"))  # noqa: E731
    wait(count)
    process.kill()
    process.wait()
    assert 0 < count() < 3_000
    first = install.ok("ingest", file)
    assert first.startswith("3000 rows")
    assert " 0 rejected" in first
    assert count() == 3_000
    assert len(install.rows("SELECT DISTINCT external_id FROM mention")) == 3_000
    assert " 0 new, 0 edited, 0 rejected, 3000 known" in install.ok("ingest", file)
    changes = install.rows("SELECT mention_id, count(*) AS n FROM change GROUP BY 1")
    assert {row["n"] for row in changes} == {1}


def test_a_crawl_whose_starter_was_killed_ends(
    make_install: Callable[..., Any], server: WebServer, wait: Callable[..., Any]
) -> None:
    install = make_install({"LISTENER_ALLOW_PRIVATE_HOSTS": f"127.0.0.1:{server.port}"})
    server.play({"/robots.txt": Play("", 404), "/shop": Play("", how="silent")})
    watch = install.watch("reviews", install.brand("하늘마트"), url=f"{server.url}/shop")
    process = install.start("collect", "--once", "--watch", watch, "--json")
    wait(lambda: "/shop" in server.paths)
    crawls = [pid for pid in children(process.pid) if "scrapy" in command(pid)]
    assert crawls
    process.kill()
    process.wait()
    wait(lambda: "scrapy" not in command(crawls[0]), 10)


def test_the_sample_web_ends_with_its_parent(wait: Callable[..., Any]) -> None:
    starter = (
        "import os,subprocess,sys,time;"
        "p=subprocess.Popen([sys.executable,'-m','listener.sample_web','--days','1','--parent',"
        "str(os.getpid())],stdout=subprocess.PIPE);"
        "p.stdout.readline();print(p.pid,flush=True);time.sleep(60)"
    )
    with _python(starter) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert "sample_web" in command(pid)
        parent.kill()
    wait(lambda: "sample_web" not in command(pid), 10)


@contextlib.contextmanager
def _python(code: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        yield process


def test_killed_in_mid_delivery_the_message_comes_again_under_its_id(
    make_install: Callable[..., Any], server: WebServer, wait: Callable[..., Any]
) -> None:
    """A receiver has read the request and answers slowly; the process dies; nothing is lost."""
    install = make_install({"LISTENER_ALLOW_PRIVATE_HOSTS": "127.0.0.1"})
    server.pages["/hook"] = [Play(how="silent"), Play()]
    install.ok("channel", "add", "ops", f"{server.url}/hook")
    with install.services() as services, services.database.write() as work:
        outbox.put(
            work.session,
            channel_id=1,
            alert_id=None,
            event="test",
            refs={},
            now=datetime.now(UTC),
        )
        work.commit()
    process = install.start("work")
    wait(lambda: server.seen)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (row,) = install.rows("SELECT state, attempts, claim_token FROM outbox")
    assert (row["state"], row["attempts"]) == ("pending", 1)
    assert row["claim_token"]
    install.change("UPDATE outbox SET claim_until = 0")  # as if the two minutes were over
    install.change("DELETE FROM lease")
    install.start("work")
    wait(lambda: len(server.seen) == 2)
    wait(lambda: install.rows("SELECT 1 FROM outbox WHERE state = 'sent'"))
    first, second = server.seen
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert len(install.rows("SELECT 1 FROM delivery")) == 1
