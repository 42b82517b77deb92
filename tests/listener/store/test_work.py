"""The unit of work: writers take turns."""

from __future__ import annotations

import threading
import time

from sqlalchemy import text

from listener.store.work import Database

WRITE = text("UPDATE counter SET value = value + 1 WHERE name = 'change'")


def test_a_writer_that_goes_on_and_on_lets_others_write(sqlite: Database) -> None:
    begun, over = threading.Event(), threading.Event()

    def write_on() -> None:
        until = time.monotonic() + 8
        while not over.is_set() and time.monotonic() < until:
            with sqlite.write() as work:
                work.session.execute(WRITE)
                begun.set()
                time.sleep(0.2)
                work.commit()

    busy = threading.Thread(target=write_on)
    busy.start()
    begun.wait()
    asked = time.monotonic()
    with sqlite.write() as work:
        work.session.execute(WRITE)
        waited = time.monotonic() - asked
        work.commit()
    over.set()
    busy.join()

    assert waited < 5, "and not until the other one has nothing more to do"


def test_it_tells_how_long_others_could_not_write(database: Database) -> None:
    with database.write() as work:
        time.sleep(0.05)
        work.session.execute(WRITE)
        time.sleep(0.02)
        work.commit()
        time.sleep(0.05)
    assert 0.02 <= work.held_s < 0.05
    with database.write() as nothing:
        pass
    assert nothing.held_s == 0
