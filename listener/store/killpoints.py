"""Named places where the crash tests kill the process; anywhere else they do nothing."""

from __future__ import annotations

import os
import signal

# Set before the start: a name of ``POINTS``, or ``*`` for any; with ``:3`` the third time it is
# reached.
VARIABLE = "LISTENER_KILL_AT"

POINTS = (
    "collect.claimed",
    "collect.loaded",
    "collect.yielded",
    "ingest.cleaned",
    "ingest.read",
    "ingest.begun",
    "ingest.authors",
    "ingest.mentions",
    "ingest.matches",
    "ingest.readings",
    "ingest.search",
    "ingest.inserted",
    "ingest.updated",
    "ingest.edited",
    "ingest.deleted",
    "ingest.engagement",
    "ingest.marked",
    "ingest.advanced",
    "changes.numbered",
    "changes.written",
    "ingest.recorded",
    "ingest.committed",
    "collect.stored",
    "collect.ended",
    "finish.written",
    "finish.committed",
    "backfill.stored",
    "backfill.ended",
    "screen.read",
    "screen.taken",
    "screen.stories",
    "screen.flags",
    "screen.written",
    "screen.committed",
    "rollup.taken",
    "rollup.counted",
    "rollup.deleted",
    "rollup.written",
    "rollup.committed",
    "file.read",
    "file.stored",
    "inbound.mapped",
    "inbound.stored",
    "rescore.read",
    "rescore.written",
)


class _Trigger:
    """Counts how often the wanted point was reached."""

    def __init__(self) -> None:
        self.name = ""
        self.left = 0

    def arm(self, wanted: str) -> None:
        self.name, _, times = wanted.partition(":")
        self.left = int(times or 1)

    def reach(self, name: str) -> None:
        if self.name and self.name in (name, "*"):
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


_trigger = _Trigger()
_trigger.arm(os.environ.get(VARIABLE, ""))
arm = _trigger.arm
reach = _trigger.reach
