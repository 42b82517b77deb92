"""Reads what is stored by another generation of models and rules, and puts that in force.

New readings lie beside the old ones until the switch: nobody sees them, no change is told. What a
generation has read is not read again, so that broken off at any place it goes on from there.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy.orm import Session

from listener.errors import Conflict, ListenerError, StorageError
from listener.pipeline.readers import Missing, Reading, Shelf
from listener.store import buckets, generations, leases, rescoring
from listener.store.generations import Switch
from listener.store.killpoints import reach
from listener.store.tables import RescoreRow
from listener.store.work import Database, is_deadlock

T = TypeVar("T")

log = logging.getLogger(__name__)

_CHUNK = 500
_FORGET = 5_000  # mention ids a transaction
_LEASE = "rescore"
_LENGTH = timedelta(seconds=30)
_TRIES = 5
_WAIT = 1.0  # seconds between two looks at what another process does


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a generation is."""

    generation: int
    done: int
    total: int
    finished: bool
    by_another: bool = False  # another process reads; this one looks on


class Rescorer:
    """Reads history anew. One process at a time does it; others look on."""

    def __init__(self, database: Database, readers: Shelf, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._readers = readers
        self._clock = clock
        self._noted = ""
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"

    def begin(
        self,
        generation_id: int | None = None,
        *,
        since: datetime | None = None,
        switch: bool = False,
    ) -> int:
        """Write down that what is stored is to be read by a generation (None = by the present
        models and rules); gives its number. ``switch``: put it in force once it is complete.

        Raises NotFound, and Missing where it cannot be read by any more.
        """
        now = self._clock()
        with self._database.write() as work:
            session = work.session
            if generation_id is None:
                reader, rules = self._readers.current(session)
                generation_id = generations.ensure(session, reader.versions, now=now, rules=rules)
            else:
                self._readers.of(session, generation_id)
            rescoring.begin(session, generation_id, since=since, switch=switch, now=now)
            work.commit()
        return generation_id

    def run(
        self,
        generation_id: int,
        *,
        progress: Callable[[Progress], None] = lambda _: None,
        go_on: Callable[[], bool] = lambda: True,
    ) -> bool:
        """Read until the generation is complete; gives whether it is. Where it was asked for, it is
        put in force then. Raises Missing, StorageError.
        """
        with self._database.read() as session:
            reader = self._readers.of(session, generation_id)
        try:
            while go_on():
                done = _again(lambda: self._step(generation_id, reader))
                progress(done)
                if done.finished:
                    self._switch_if_wanted(generation_id)
                    return True
                if done.by_another:
                    time.sleep(_WAIT)
            return False
        finally:
            with self._database.write() as work:
                leases.release(work.session, _LEASE, self._holder)
                work.commit()

    def note(self) -> None:
        """Write down by which models and rules this process reads, where these have changed."""
        with self._database.read() as session:
            reader, rules = self._readers.current(session)
        if reader.versions.key == self._noted:
            return
        with self._database.write() as work:
            now = self._clock()
            own = generations.ensure(work.session, reader.versions, now=now, rules=rules)
            generations.set_present(work.session, own)
            work.commit()
        self._noted = reader.versions.key

    def work(self, go_on: Callable[[], bool] = lambda: True) -> None:
        """Go on with all that was asked for. What cannot go on is marked with the reason."""
        self.note()
        with self._database.read() as session:
            waiting = [row.generation_id for row in rescoring.unfinished(session)]
        for generation_id in waiting:
            try:
                self.run(generation_id, go_on=go_on)
            except (Missing, Conflict) as error:
                self._fail(generation_id, error)
            if not go_on():
                return

    def switch(self, generation_id: int, *, force: bool = False, by: str = "") -> Switch:
        """Put a generation in force: one announced change. All buckets are stale from then on.

        Where it had read everything, what came since is read first. Raises NotFound, and Conflict
        where it is in force already, or (without ``force``) where it has not read all that is
        stored.
        """
        reader = self._reader_of_complete(generation_id)
        return _again(lambda: self._switch(generation_id, reader, force=force, by=by))

    def _switch(
        self, generation_id: int, reader: Reading | None, *, force: bool, by: str
    ) -> Switch:
        now = self._clock()
        with self._database.write() as work:
            session = work.session
            generations.lock(session)
            active = generations.get(session, generation_id).active
            lacking = rescoring.lacking(session, generation_id)
            if reader is not None and 0 < lacking <= _CHUNK:
                lacking -= self._catch_up(session, generation_id, reader)
            if lacking and not force and not active:
                raise Conflict(
                    f"Generation {generation_id} has not read {lacking} of the stored mentions:"
                    " they would show as not scored.",
                    hint=f"`listener rescore --generation {generation_id}` reads them; --force"
                    " switches all the same.",
                )
            done = generations.switch(session, generation_id, now=now, by=by)
            marked = buckets.mark_every(session)
            work.commit()
        log.info("generation %s is in force", generation_id, extra={"buckets": marked})
        return done

    def remove(
        self, generation_id: int, *, progress: Callable[[int], None] = lambda _: None
    ) -> None:
        """Delete a generation with its readings, in small transactions. ``progress`` hears up to
        which mention. Raises NotFound, Conflict for the one in force.
        """
        with self._database.read() as session:
            if generations.get(session, generation_id).active:
                raise Conflict(
                    f"Generation {generation_id} is in force.", hint="Switch to another one first."
                )
        after: int | None = 0
        while after is not None:
            with self._database.write() as work:
                after = rescoring.forget(work.session, generation_id, after_id=after, limit=_FORGET)
                if after is None:
                    generations.remove(work.session, generation_id)
                work.commit()
            if after is not None:
                progress(after)

    def _step(self, generation_id: int, reader: Reading) -> Progress:
        """Read one page, or see that there is none left."""
        now = self._clock()
        with self._database.write() as work:
            mine = leases.acquire(work.session, _LEASE, self._holder, now=now, length=_LENGTH)
            work.commit()
        with self._database.read() as session:
            row = rescoring.get(session, generation_id)
            if row is None:
                raise Conflict(f"Generation {generation_id} was removed meanwhile.")
            if not mine or row.finished_at is not None:
                return _progress(row, by_another=not mine)
            page = rescoring.page(
                session, generation_id, after_id=row.upto, since=row.since, limit=_CHUNK
            )
        read = reader.read([mention for _, mention, _ in page], [found for _, _, found in page])
        reach("rescore.read")
        with self._database.write() as work:
            session = work.session
            pairs = [(id_, one) for (id_, _, _), one in zip(page, read, strict=True)]
            row = session.get_one(RescoreRow, generation_id, with_for_update=True)
            row.done += rescoring.write(session, generation_id, pairs)
            row.updated_at = now
            if page:
                row.upto = page[-1][0]
            elif rescoring.lacking(session, generation_id, since=row.since):
                row.upto = 0  # some were edited or matched anew while they were read
            else:
                row.finished_at = now
            row.total = max(row.total, row.done)
            reach("rescore.written")
            work.commit()
            return _progress(row)

    def _switch_if_wanted(self, generation_id: int) -> None:
        with self._database.read() as session:
            row = rescoring.get(session, generation_id)
            wanted = row is not None and row.switch
            in_force = generations.active_id(session) == generation_id
        if not wanted:
            return
        if not in_force:
            self.switch(generation_id)
        with self._database.write() as work:
            work.session.get_one(RescoreRow, generation_id).switch = False
            work.commit()

    def _reader_of_complete(self, generation_id: int) -> Reading | None:
        """The reader of a generation that history was read by to its end; None = not, or gone."""
        with self._database.read() as session:
            row = rescoring.get(session, generation_id)
            if row is None or row.finished_at is None or row.since is not None:
                return None
            try:
                return self._readers.of(session, generation_id)
            except Missing:
                return None

    def _catch_up(self, session: Session, generation_id: int, reader: Reading) -> int:
        """Read what came since history was read, while nobody stores more; gives how many."""
        page = rescoring.page(session, generation_id, after_id=0, since=None, limit=_CHUNK)
        read = reader.read([mention for _, mention, _ in page], [found for _, _, found in page])
        pairs = [(id_, one) for (id_, _, _), one in zip(page, read, strict=True)]
        return rescoring.write(session, generation_id, pairs)

    def _fail(self, generation_id: int, error: ListenerError) -> None:
        log.error("generation %s: %s", generation_id, error.message)
        with self._database.write() as work:
            row = work.session.get(RescoreRow, generation_id)
            if row is not None:
                row.error = str(error)
                work.commit()


def _again(call: Callable[[], T]) -> T:
    """Call it, and again where PostgreSQL ended a circle of waiting with it."""
    for _ in range(_TRIES - 1):
        try:
            return call()
        except StorageError as error:
            if not is_deadlock(error):
                raise
            log.info("rescoring is tried again: deadlock")
    return call()


def _progress(row: RescoreRow, *, by_another: bool = False) -> Progress:
    finished = row.finished_at is not None
    return Progress(row.generation_id, row.done, row.total, finished, by_another)
