"""Every command explains itself with an example, and starts quickly."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
import typer
from typer.testing import CliRunner

from listener.cli import app


def _commands() -> Iterator[tuple[str, ...]]:
    def walk(command: object, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        inner = getattr(command, "commands", None)
        if inner is None:
            yield path
            return
        for name, one in inner.items():
            yield from walk(one, (*path, name))

    yield from walk(typer.main.get_command(app), ())


ALL = sorted(_commands())


def test_the_commands_are_those_that_others_rely_on() -> None:
    names = {" ".join(path) for path in ALL}
    assert names >= {
        *("brand add", "watch add", "collect", "ingest", "keys create", "sources"),
        *("doctor", "score", "detect", "up", "demo", "channel add", "user add", "db upgrade"),
    }


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_shows_an_example(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*path, "--help"])
    assert result.exit_code == 0
    flat = " ".join(click.unstyle(result.output).split())
    assert "Example: `" in flat
    assert f"listener {' '.join(path)}" in flat


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--help"], ["sqlalchemy", "numpy", "scrapy", "requests", "fastapi", "rich", "pydantic"]),
        (["score", "--help"], ["sqlalchemy", "numpy", "scrapy", "requests"]),
        (["score", "/dev/null"], ["sqlalchemy", "scrapy", "requests", "apprise", "fastapi"]),
        (["detect", "/dev/null"], ["sqlalchemy", "scrapy", "requests", "apprise", "fastapi"]),
    ],
)
def test_a_command_loads_only_what_it_needs(arguments: list[str], heavy: list[str]) -> None:
    code = (
        "import sys\n"
        "from listener.cli import app\n"
        f"app({arguments!r}, standalone_mode=False)\n"
        f"found = [name for name in {heavy!r} if name in sys.modules]\n"
        "sys.stderr.write(repr(found))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.stderr.endswith("[]")
