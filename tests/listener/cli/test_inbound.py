"""Webhooks that others post to, from the command line."""

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
    monkeypatch.setenv("LISTENER_PUBLIC_URL", "https://listen.example")

    def command(*arguments: str, status: int = 0) -> str:
        ran = CliRunner().invoke(app, ["inbound", *arguments])
        assert ran.exit_code == status, ran.output
        return ran.stdout if status == 0 else ran.output

    return command


def test_a_webhook_from_its_making_to_its_end(run: Any, tmp_path: Path) -> None:
    number, address, secret = run("add", "Survey", "--preset", "text").strip().split("\t")
    assert address.startswith("https://listen.example/hooks/")
    assert address.endswith(f"/{secret}")
    assert run("list").split("\t")[1:4] == ["Survey", "token", "enabled"]
    told = run("show", number)
    assert secret not in told
    assert json.loads(told)["mapping"]["fields"]["text"]

    payload, mapping = tmp_path / "payload.json", tmp_path / "mapping.json"
    payload.write_text('{"note": "좋아요"}', "utf-8")
    assert "nothing at text" in run("test", number, str(payload), status=1)
    mapping.write_text('{"fields": {"text": "note"}}', "utf-8")
    tried = run("test", number, str(payload), "--mapping", str(mapping), "--save")
    assert json.loads(tried)["items"][0]["text"] == "좋아요"
    assert json.loads(run("show", number))["mapping"]["fields"] == {"text": "note"}

    assert run("replay", number) == "0\n"
    assert "no delivery" in run("replay", number, "--delivery", "in_x", status=1)
    run("remove", number)
    assert run("list") == ""
    assert "no inbound webhook" in run("show", number, status=1)


def test_what_cannot_be_is_told_in_words(run: Any, tmp_path: Path) -> None:
    assert "no preset" in run("add", "a", "--preset", "nope", status=1)
    assert "no scheme" in run("add", "a", "--scheme", "nope", status=1)
    assert "needs the brand" in run("add", "a", "--match", "all", status=1)
    assert "base64" in run("add", "a", "--secret", "whsec_ä", status=1)
    broken = tmp_path / "mapping.json"
    broken.write_text("{", "utf-8")
    assert "not valid JSON" in run("add", "a", "--mapping", str(broken), status=1)
    assert "No such file" in run("test", "1", str(tmp_path / "none.json"), status=1)
