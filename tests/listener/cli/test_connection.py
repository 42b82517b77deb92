"""``listener connection``: secrets come from a prompt, a file, a pipe or the environment."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from listener.cli import app

SECRET = "AAAAAAAAAAAAAAAAAAAAAsecretofthetests1"


@pytest.fixture(autouse=True)
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("LISTENER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LISTENER_HOME", str(tmp_path / "home"))


def run(*arguments: str, said: str | None = None) -> Result:
    return CliRunner().invoke(app, ["connection", *arguments], input=said)


def listed() -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(run("list", "--json").stdout)
    return found


@pytest.mark.parametrize("way", ["file", "stdin", "env", "prompt"])
def test_a_secret_is_read_from_where_it_is_said(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(SECRET + "\n")
    monkeypatch.setenv("MY_TOKEN", SECRET)
    given, said = {
        "file": (f"bearer_token=@{tmp_path / 'token'}", None),
        "stdin": ("bearer_token=-", SECRET),
        "env": ("bearer_token=env:MY_TOKEN", None),
        "prompt": ("bearer_token", SECRET + "\n"),
    }[way]
    made = run("add", "x", "main", "--credential", given, "--budget-usd", "50", said=said)
    assert made.exit_code == 0, made.output
    assert made.stdout.strip().splitlines()[-1].endswith("1")
    assert SECRET not in made.output
    (one,) = listed()
    assert (one["credentials"], one["budget_usd"]) == (["bearer_token"], 50)
    text = run("list").output
    assert "$0.00 of $50.00 a month" in text
    assert SECRET not in text


def test_a_secret_on_the_command_line_is_refused() -> None:
    refused = run("add", "x", "main", "--credential", f"bearer_token={SECRET}")
    assert refused.exit_code == 1
    assert "shell's history" in refused.output
    assert SECRET not in refused.output


def test_a_connection_is_changed_and_removed() -> None:
    run("add", "x", "main", "--credential", "bearer_token=-", said=SECRET)
    assert run("edit", "main", "--budget-calls", "1,000", "--name", "other").exit_code == 0
    (one,) = listed()
    assert (one["name"], one["budget_calls"], one["missing"]) == ("other", 1000, [])
    assert run("edit", "other", "--remove-credential", "bearer_token").exit_code == 0
    assert listed()[0]["missing"] == ["bearer_token"]
    failed = run("test", "other")
    assert failed.exit_code == 1
    assert "needs Bearer token" in failed.output
    assert run("remove", "other").exit_code == 0
    assert listed() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "nowhere", "main"), "There is no source"),
        (("add", "x", "main", "--credential", "colour=-"), "nothing to read"),
        (("add", "x", "main", "--budget-usd", "plenty"), "no amount"),
        (("add", "x", "main", "--credential", "bearer_token=@/no/such/file"), "cannot be read"),
        (("remove", "7"), "There is no connection 7"),
    ],
)
def test_mistakes_are_told_in_words(arguments: tuple[str, ...], said: str) -> None:
    ran = run(*arguments)
    assert ran.exit_code == 1
    assert said in ran.output
