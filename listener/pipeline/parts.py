"""How much of a long job goes into one transaction: so much that no other writer waits for long."""

from __future__ import annotations

LONG = 0.2  # seconds


class Parts:
    """The size of the next part, from how long the last one held the lock.

    What a part takes depends on the texts, the disk, and on what else the machine has to do; a
    fixed size is too large for a busy one and too small for an idle one.
    """

    def __init__(self, first: int, *, most: int) -> None:
        self.size = first
        self._most = most

    def took(self, seconds: float) -> None:
        """The last part held the lock for so long."""
        if seconds > LONG:
            self.size = max(1, int(self.size * LONG / seconds))
        elif seconds < LONG / 2:
            self.size = min(self._most, self.size * 2)
