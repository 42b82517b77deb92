"""Rules and backtests from the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from listener.cli import app


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command in an install of its own."""
    for name in [name for name in os.environ if name.startswith("LISTENER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LISTENER_HOME", str(tmp_path / "home"))

    def command(*arguments: str, status: int = 0) -> str:
        ran = CliRunner().invoke(app, list(arguments))
        assert ran.exit_code == status, ran.output
        return ran.stdout if status == 0 else ran.output

    return command


@pytest.fixture
def history(tmp_path: Path, run: Any) -> Path:
    """Two weeks of complaints, eight a day, and forty within two hours of the eleventh day."""
    lines = ["id,text,published_at"]
    for hour in range(14 * 24):
        day, clock = divmod(hour, 24)
        count = 20 if (day, clock) in ((10, 9), (10, 10)) else int(hour % 3 == 0)
        for place in range(count):
            at = f"2026-01-{day + 5:02}T{clock:02}:{place * 2:02}:00Z"
            lines.append(f"{hour}-{place},누리마켓 배송이 너무 늦어요 환불해 주세요,{at}")
    path = tmp_path / "reviews.csv"
    path.write_text("\n".join(lines), "utf-8")
    run("brand", "add", "누리마켓")
    run("ingest", str(path), "--brand", "누리마켓")
    return path


def test_rules_are_made_changed_and_removed(run: Any) -> None:
    run("brand", "add", "누리마켓")
    before = run("rules", "list").splitlines()
    settings = ("topic=delivery", "sensitivity=high", "quiet_from=22:00", "quiet_to=07:00")
    number = run("rules", "add", "누리마켓", "배송 불만", "complaints", *settings).strip()
    told = json.loads(run("rules", "show", number))
    assert (told["scope"]["topic"], told["sensitivity"]) == ("delivery", "high")
    assert (told["quiet_from"], told["quiet_to"]) == ("22:00", "07:00")
    run("rules", "set", number, "min_count=12", "enabled=false", "topic=none")
    line = run("rules", "list", "--brand", "누리마켓").splitlines()[-1]
    assert line.split("\t") == [
        number, "누리마켓", "배송 불만", "complaints", "by stories", "sensitivity high",
        "at least 12", "off",
    ]  # fmt: skip
    assert "a number" in run("rules", "set", number, "min_count=many", status=1)
    assert "name=value" in run("rules", "set", number, "enabled", status=1)
    assert "sensitivity" in run("rules", "set", number, "sensitivity=huge", status=1)
    assert "no 'colour'" in run("rules", "set", number, "colour=red", status=1)
    run("rules", "remove", number)
    assert run("rules", "list").splitlines() == before
    assert "no rule" in run("rules", "show", number, status=1)


def test_a_rule_is_tried_on_the_past(run: Any, history: Path) -> None:
    number = run("rules", "list").split("\t")[0]
    when = ("--days", "14", "--until", "2026-01-19", "--by", "posts", "--sensitivity", "high")
    told = run("rules", "backtest", number, *when)
    lines = told.splitlines()
    assert "alerts in" in lines[0]
    assert "^" in lines[2]
    assert "complaint" in told
    assert "2026-01-15 18:" in told  # 9 o'clock in UTC, in Seoul
    assert "note: 100% of the mentions came long after they were said" in told

    compared = run("rules", "backtest", number, *when, "--compare", "min_count=1000")
    assert compared.startswith("A: complaints by posts sensitivity high at least 5\n")
    assert compared.splitlines()[-1].startswith("both 0, only A 1 (#1), only B 0")

    report = json.loads(run("rules", "backtest", number, *when, "--json"))
    assert report["b"] is None
    (fire,) = report["a"]["fires"]
    assert fire["observed"] > 30 > fire["expected"] * 3
    assert report["a"]["judged_as"] == "on_time"

    known = run("rules", "backtest", number, *when, "--judge-as", "known")
    assert known.startswith("0 alerts")
    assert "One of" in run("rules", "backtest", number, "--judge-as", "later", status=1)
