"""200 random kills per database: `make torture`. The seed is printed; LISTENER_TORTURE_SEED
repeats it.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from functools import partial
from pathlib import Path

import pytest

from crashing import a_history, check_reader, collect_all, die, later, left, prepare, reading

KILLS = int(os.environ.get("LISTENER_TORTURE_KILLS", "200"))
HISTORY_PER_KILL = 24
REACHES = 130  # a worker dies after at most so many points: about five batches


@pytest.mark.torture
def test_random_kills(database_url: str, sqlite_template: Path, tmp_path: Path) -> None:
    seed = int(os.environ.get("LISTENER_TORTURE_SEED", "0")) or random.randrange(1, 10**6)
    draw = random.Random(seed)
    sys.stderr.write(f"\nLISTENER_TORTURE_SEED={seed}\n")
    history = a_history(KILLS * HISTORY_PER_KILL, seed)
    prepare(database_url)
    kills = 0
    with reading(database_url) as seen:
        while kills < KILLS:
            attempt = partial(collect_all, database_url, history, later(kills))
            assert die(f"*:{draw.randint(1, REACHES)}", attempt), "the history was too short"
            kills += 1
        assert not die("", partial(collect_all, database_url, history, later(kills)))

    undisturbed = tmp_path / "undisturbed.db"
    shutil.copyfile(sqlite_template, undisturbed)
    url = f"sqlite:///{undisturbed}"
    prepare(url)
    assert not die("", partial(collect_all, url, history, later(0)))
    assert left(database_url) == left(url)
    check_reader(database_url, seen)
