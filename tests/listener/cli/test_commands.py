"""The installed command, end to end: an install set up, filled and looked over by hand."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from listener.cli import app
from webserver import Play, WebServer

LISTENER = Path(sys.executable).with_name("listener")

Run = Callable[..., "Ran"]

FEED = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0"><channel><title>나루뉴스</title><link>http://news.example/</link>
<item><guid>1</guid><title>누리마켓 배송 지연</title><link>http://news.example/1</link>
<description>누리마켓 배송이 너무 늦어요. 정말 실망입니다.</description>
<pubDate>Mon, 10 Mar 2025 11:00:00 GMT</pubDate></item>
<item><guid>2</guid><title>날씨</title><link>http://news.example/2</link>
<description>내일은 맑겠습니다.</description>
<pubDate>Mon, 10 Mar 2025 10:00:00 GMT</pubDate></item>
</channel></rss>"""


@dataclass(frozen=True)
class Ran:
    """What a command said and how it left."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of an install in a home of its own."""
    for name in [name for name in os.environ if name.startswith("LISTENER_")]:
        monkeypatch.delenv(name)
    given = {"LISTENER_HOME": str(tmp_path / "home"), "LISTENER_ALLOW_PRIVATE_HOSTS": "127.0.0.1"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return dict(os.environ)


@pytest.fixture
def installed(environ: dict[str, str], tmp_path: Path) -> Run:
    """Runs the installed command, in a process of its own."""

    def listener(*arguments: str, said: str | None = None) -> Ran:
        ran = subprocess.run(
            [str(LISTENER), *arguments],
            input=said,
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
            env=environ,
            cwd=tmp_path,
        )
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    return listener


@pytest.fixture
def run(environ: dict[str, str]) -> Iterator[Run]:
    """Runs commands in this process, which spares the imports."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]

    def listener(*arguments: str, said: str | None = None) -> Ran:
        ran = CliRunner().invoke(app, list(arguments), input=said)
        if ran.exception is not None and not isinstance(ran.exception, SystemExit):
            raise ran.exception
        return Ran(ran.exit_code, ran.stdout, ran.stderr)

    yield listener
    root.handlers[:] = handlers
    root.setLevel(level)


def test_from_nothing_to_mentions(installed: Run, run: Run) -> None:
    added = run("brand", "add", "누리마켓", "--alias", "Nurimarket", "--hashtag", "누리")
    assert (added.returncode, added.stdout, added.stderr) == (0, "1\n", "")
    assert "1\t누리마켓\town\tNurimarket, #누리" in run("brand", "list").stdout
    again = installed("brand", "add", "누리마켓")
    assert again.returncode == 1
    assert "Traceback" not in again.stderr
    assert again.stderr.startswith("listener: ")

    with WebServer() as server:
        server.pages["/rss"] = Play(FEED, headers={"Content-Type": "application/rss+xml"})
        address = f"url={server.url}/rss"
        watch = run("watch", "add", "--brand", "누리마켓", "--source", "feed", "--param", address)
        assert watch.stdout == "1\n", watch.stderr
        collected = installed("collect", "--once", "--json")
        (report,) = [json.loads(line) for line in collected.stdout.splitlines()]
        assert list(report) == [
            *("watch", "run", "outcome", "requests", "items", "new", "edited", "rejected"),
            *("gap", "error", "hint", "next_run"),
        ]
        assert (report["watch"], report["outcome"], report["new"]) == (1, "ok", 2)
        assert run("collect", "--once", "--json").stdout == ""  # nothing is due
        server.pages["/rss"] = Play("broken", 500)
        failed = run("collect", "--once", "--watch", "1", "--json")
        assert failed.returncode == 1
        assert json.loads(failed.stdout)["outcome"] == "unavailable"
    assert "\tfailing\t" in run("watch", "list").stdout
    assert run("collect", "--once", "--watch", "7").returncode == 1
    assert run("collect").returncode == 1

    key = run("keys", "create", "bot", "--scope", "read").stdout
    assert key.startswith("lsn_")
    assert key.count("\n") == 1
    listed = run("keys", "list").stdout
    assert "bot" in listed
    assert key.strip() not in listed
    assert run("keys", "create", "bot", "--scope", "everything").returncode == 1

    link = run("user", "add", "minji@example.com", "--name", "김민지").stdout
    assert link.startswith("http://127.0.0.1:8000/login/link?token=")
    secret = run("channel", "add", "ops", "http://127.0.0.1:8123/hook").stdout
    assert secret.startswith("whsec_")
    assert "http://127.0.0.1:8123/hook" in run("channel", "list").stdout
    inside = run("channel", "add", "bad", "http://10.0.0.1/hook")
    assert inside.returncode == 1
    assert "inside the network" in inside.stderr

    doctor = run("doctor")
    assert "database: sqlite, schema up to date" in doctor.stdout
    assert "watch 1 (feed): unavailable" in doctor.stdout
    assert doctor.returncode == 1  # the watch is broken


def test_a_file_is_stored_and_bad_rows_are_told(installed: Run, run: Run, tmp_path: Path) -> None:
    run("brand", "add", "누리마켓")
    file = tmp_path / "reviews.csv"
    file.write_text(
        "id,text,published_at,rating\n"
        "1,배송이 너무 늦어요,2025-03-10T10:00:00+09:00,1\n"
        "2,좋아요,not a date,5\n"
        "3,잘 쓰고 있어요,2025-03-10T11:00:00+09:00,5\n"
    )
    stored = installed("ingest", str(file), "--brand", "누리마켓")
    assert stored.returncode == 0, stored.stderr
    assert stored.stdout.startswith("3 rows: 2 new, 0 edited, 1 rejected, 0 known.")
    assert "Rejected rows:" in stored.stdout
    assert "2 known" in run("ingest", str(file), "--brand", "누리마켓").stdout
    missing = run("ingest", str(tmp_path / "no.csv"))
    assert missing.returncode == 1
    assert missing.stderr.startswith("listener: ")


def test_sources_are_listed_with_their_parameters(run: Run) -> None:
    specs = {spec["name"]: spec for spec in json.loads(run("sources", "--json").stdout)}
    assert specs.keys() >= {"feed"}
    assert "url" in specs["feed"]["params"]["properties"]
    assert run("watch", "add", "--source", "nowhere").returncode == 1
    assert "url" in run("watch", "add", "--source", "feed").stderr


def test_score_keeps_order_and_keys(installed: Run, tmp_path: Path) -> None:
    texts = "배송이 너무 늦어요\n\nGreat shop, fast delivery!\nいいお店です\n"
    scored = installed("score", said=texts)
    assert scored.returncode == 0, scored.stderr
    rows = [json.loads(line) for line in scored.stdout.splitlines()]
    assert len(rows) == 4
    keys = ["language", "sentiment", "label", "confidence", "complaint", "topics", "model"]
    keys += ["version", "tags", "aspects", "rules"]
    assert all(list(row) == keys for row in rows)
    assert (rows[0]["language"], rows[0]["label"], rows[0]["topics"]) == (
        *("ko", "negative"),
        ["delivery"],
    )
    assert (rows[2]["language"], rows[2]["label"]) == ("en", "positive")
    assert (rows[3]["sentiment"], rows[3]["label"]) == (None, None)
    assert not (tmp_path / "home").exists()  # it needs no install
    assert installed("score", str(tmp_path / "no.txt")).returncode == 1


def test_labelled_texts_are_measured(installed: Run, tmp_path: Path) -> None:
    file = tmp_path / "reviews.csv"
    file.write_text("review,stars\n배송이 너무 늦어요,1\nGreat shop!,5\nbroken\n", "utf-8")
    measured = installed("eval", str(file), "--json")
    assert measured.returncode == 0, measured.stderr
    assert json.loads(measured.stdout)["all"]["accuracy"] == 1.0
    assert "line 4" in measured.stderr
    told = installed("eval", str(file)).stdout
    assert "calibration" in told
    assert "100.0 %" in told
    assert installed("eval", "--corrections").returncode == 1
    assert installed("train-overlay").returncode == 1


def test_history_is_read_anew_and_switched(installed: Run, tmp_path: Path) -> None:
    file = tmp_path / "posts.jsonl"
    file.write_text('{"id": "1", "text": "하늘 배송이 늦어요", "date": "2025-03-10"}\n', "utf-8")
    installed("brand", "add", "하늘")
    assert installed("ingest", str(file), "--brand", "하늘").returncode == 0
    assert "in force\t1 read" in installed("generations", "list").stdout
    nothing = installed("rescore", "--compare")
    assert (nothing.returncode, "nothing to compare" in nothing.stderr) == (1, True)

    done = installed("rescore", "--generation", "1")

    assert done.stdout == "Generation 1 is complete.\n", done.stderr
    assert "in force already" in installed("generations", "switch", "1").stderr
    assert "is in force" in installed("generations", "remove", "1").stderr
    assert installed("generations", "remove", "9").returncode == 1


def test_detect_streams_and_never_changes_its_mind(
    installed: Run, run: Run, tmp_path: Path
) -> None:
    start = datetime(2025, 3, 1, tzinfo=UTC)
    lines = ["timestamp,count"]
    for at in range(24 * 14):
        count = "" if at == 100 else str(400 if at in (300, 301) else 5 + at % 24 // 6)
        lines.append(f"{(start + timedelta(hours=at)).isoformat()},{count}")
    whole = installed("detect", "--bucket", "60", said="\n".join(lines))
    assert whole.returncode == 0, whole.stderr
    rows = whole.stdout.splitlines()
    assert rows[0] == "timestamp,count,expected,score,is_spike"
    assert len(rows) == len(lines)
    file = tmp_path / "counts.csv"
    file.write_text("\n".join(lines[:310]))
    part = run("detect", str(file)).stdout.splitlines()
    assert part == rows[:310]
    told = [row.rsplit(",", 1)[1].lower() for row in rows[1:]]
    assert told[300] in ("true", "1")
    assert not any(word in ("true", "1") for word in told[:300])
    wrong = installed("detect", said="a,b\n1,2\n")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("listener: ")
    wrong = installed("detect", "--bucket", "nan", str(file))
    assert wrong.returncode == 1
    assert "buckets last from 1 minute" in wrong.stderr
