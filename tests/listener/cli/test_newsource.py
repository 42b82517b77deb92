"""The skeleton of a source: complete, found by itself, and red until it is filled in."""

from __future__ import annotations

import json
import types
from pathlib import Path

import pytest

from listener.cli.newsource import make
from listener.collect.base import Poller
from listener.collect.registry import spec_json
from listener.errors import Conflict, InvalidInput

ROOT = Path(__file__).parents[3]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "listener" / "collect" / "sources").mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "sources.md").write_text("# Sources\n\n## feed\n", "utf-8")
    return tmp_path


def test_it_has_all_that_a_source_needs_and_is_red(checkout: Path) -> None:
    made = make("plaza", checkout)
    assert len(made) == 8
    module = types.ModuleType("plaza")
    source = (checkout / "listener/collect/sources/plaza.py").read_text("utf-8")
    exec(compile(source, "plaza.py", "exec"), module.__dict__)  # noqa: S102
    plaza: type[Poller] = module.Plaza
    assert spec_json(plaza.spec)["params"]["required"] == ["query"]
    with pytest.raises(NotImplementedError):
        plaza.parse(plaza.__new__(plaza), None, None, None)  # type: ignore[arg-type]
    for case in ("ok", "empty", "changed-layout"):
        folder = checkout / "tests/fixtures/plaza" / case
        assert json.loads((folder / "meta.json").read_text("utf-8"))["runs"]
        assert not (folder / "expected.json").exists()  # which the fixture test misses
    docs = (checkout / "docs/sources.md").read_text("utf-8")
    assert "## feed" in docs
    assert "\n## plaza\n" in docs


def test_nothing_is_overwritten(checkout: Path) -> None:
    make("plaza", checkout)
    with pytest.raises(Conflict):
        make("plaza", checkout)
    with pytest.raises(Conflict):
        make("feed", checkout)


@pytest.mark.parametrize("name", ["Plaza", "../plaza", "a b", "1st", ""])
def test_a_name_that_cannot_be_one(checkout: Path, name: str) -> None:
    with pytest.raises(InvalidInput):
        make(name, checkout)


def test_only_in_a_checkout(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no checkout"):
        make("plaza", tmp_path)
