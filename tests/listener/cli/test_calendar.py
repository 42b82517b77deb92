"""The calendar from the command line."""

from __future__ import annotations

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


def test_an_event_from_its_making_to_its_end(run: Any) -> None:
    run("brand", "add", "누리마켓")
    days = ("--from", "2031-03-02", "--to", "2031-03-08")
    number = run(
        "calendar", "add", "봄 세일", *days, "--brand", "누리마켓", "--factor", "3"
    ).strip()
    hours = ("--from", "2031-04-01T10:00", "--to", "2031-04-01T09:00Z")
    run("calendar", "add", "발표", *hours, "--kind", "launch")
    first, second = run("calendar", "list").splitlines()
    # The last day is in it; times without a zone are those of the workspace.
    assert first.split("\t")[1:] == [
        "2031-03-02T00:00", "2031-03-09T00:00", "campaign", "x3", "누리마켓", "봄 세일",
    ]  # fmt: skip
    assert second.split("\t")[1:] == [
        "2031-04-01T10:00", "2031-04-01T18:00", "launch", "-", "all brands", "발표",
    ]  # fmt: skip
    run("calendar", "remove", number)
    assert run("calendar", "list", "--brand", "누리마켓") == second + "\n"
    assert "no planned event" in run("calendar", "remove", number, status=1)


def test_what_is_long_over_is_listed_on_demand(run: Any) -> None:
    run("calendar", "add", "옛날", "--from", "2020-01-01", "--to", "2020-01-02")
    assert run("calendar", "list") == ""
    assert "옛날" in run("calendar", "list", "--all")


def test_what_cannot_be_is_told_in_words(run: Any) -> None:
    def add(begin: str, end: str, *more: str) -> str:
        said: str = run("calendar", "add", "x", "--from", begin, "--to", end, *more, status=1)
        return said

    assert "--from 'soon' is no day" in add("soon", "2031-01-01")
    assert "ends before" in add("2031-01-02", "2031-01-01")
    assert "A kind is one of" in add("2031-01-01", "2031-01-01", "--kind", "party")
    assert "no brand named" in add("2031-01-01", "2031-01-01", "--brand", "nobody")


def test_holidays_with_substitutes_or_none(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told = run("calendar", "holidays", "--year", "2026")
    assert "2026-03-01\t" in told
    assert "2026-03-02\t" in told  # 삼일절 falls on a Sunday: Monday stands in
    monkeypatch.setenv("LISTENER_HOLIDAYS", "")
    assert run("calendar", "holidays", "--year", "2026") == ""
