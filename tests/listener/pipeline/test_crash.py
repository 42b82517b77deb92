"""Killed at every named point and started again: nothing missing, nothing twice, on both
databases.
"""

from __future__ import annotations

import json
import re
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import listener
from crashing import (
    a_history,
    check_reader,
    collect_all,
    die,
    ingest_whole,
    later,
    left,
    prepare,
    reading,
)
from listener.pipeline import file as file_module
from listener.store.killpoints import POINTS
from listener.types import RawItem

HISTORY = a_history(60)
ELSEWHERE = ("file.", "backfill.", "inbound.", "rescore.")
COLLECTING = [point for point in POINTS if not point.startswith(ELSEWHERE)]


@pytest.fixture(scope="module")
def undisturbed(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a run leaves that nobody kills. It is the same on both databases."""
    path = tmp_path_factory.mktemp("undisturbed") / "listener.db"
    shutil.copyfile(sqlite_template, path)
    url = f"sqlite:///{path}"
    prepare(url)
    collect_all(url, HISTORY, later(0))
    return left(url)


def test_the_world_has_everything_in_it(undisturbed: dict[str, Any]) -> None:
    """Otherwise the tests below would prove little."""
    model: dict[str, RawItem] = {}
    for item in HISTORY:
        model[item.external_id] = item
    alive = sorted((id_, item.text) for id_, item in model.items() if not item.deleted)
    assert [(id_, text) for id_, text, *_ in undisturbed["mentions"]] == [
        (id_, text.strip()) for id_, text in alive
    ]
    assert {kind for _, _, kind, _ in undisturbed["changes"]} >= {"created", "edited", "deleted"}
    assert undisturbed["revisions"]
    assert undisturbed["unmatched"]
    assert undisturbed["stories"]
    assert undisturbed["dirty"] == []


@pytest.mark.parametrize("part", range(4))
def test_killed_while_collecting(database_url: str, undisturbed: dict[str, Any], part: int) -> None:
    """A fourth of the points each, one after the other; every worker dies at the next one."""
    prepare(database_url)
    with reading(database_url) as seen:
        points = COLLECTING[part::4]
        for attempt, point in enumerate(points):
            killed = die(point, partial(collect_all, database_url, HISTORY, later(attempt)))
            assert killed, f"{point} was not reached"
        assert not die("", partial(collect_all, database_url, HISTORY, later(len(points))))
    assert left(database_url) == undisturbed
    check_reader(database_url, seen)


@pytest.mark.parametrize("point", ["file.read", "file.stored", "ingest.committed"])
def test_killed_while_reading_a_file(
    database_url: str, tmp_path: Path, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_module, "BATCH", 7)
    path = tmp_path / "posts.jsonl"
    rows = [{"id": n, "text": f"Haneul {n} -", "date": "2025-03-10T10:00:00Z"} for n in range(30)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "{broken\n")
    prepare(database_url)

    for attempt, times in enumerate((1, 3)):
        work = partial(ingest_whole, database_url, path, later(attempt))
        assert die(f"{point}:{times}", work)
    assert not die("", partial(ingest_whole, database_url, path, later(9)))

    found = left(database_url)
    assert sorted(int(id_) for id_, *_ in found["mentions"]) == list(range(30))
    assert [seq for seq, *_ in found["changes"]] == list(range(1, 31))
    assert found["dirty"] == []
    assert len(path.with_name("posts.jsonl.rejected.jsonl").read_text().splitlines()) == 1


def test_every_point_in_the_code_is_tested() -> None:
    root = Path(listener.__file__).parent
    used = set()
    for file in [*root.glob("store/*.py"), *root.glob("pipeline/*.py")]:
        used |= set(re.findall(r'\breach\("([a-z]+\.[a-z]+)"\)', file.read_text()))
    assert used == set(POINTS)
    assert len(COLLECTING) >= 20
