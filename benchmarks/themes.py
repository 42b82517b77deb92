"""What one look for themes costs at its bounds: 30,000 mentions of a brand, in seconds and memory.

Run ``python -m benchmarks themes [--quick]``. The floor is splitting the same texts at spaces and
counting the words. One brand is looked at once an hour, so that the share of an hour is what it
takes of one core. CPU seconds.
"""

from __future__ import annotations

import random
import resource
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

from benchmarks.match import KOREAN
from listener.analyze.themes import Said, find_themes

NOW = datetime(2026, 11, 22, tzinfo=UTC)
MOST = 30_000


def mentions(count: int) -> list[Said]:
    """Texts of one to four sentences over five weeks, the words a little different each time."""
    chance = random.Random(1)
    syllables = "가나다라마바사아자차카타파하고노도로모보소오조초코토포호"
    found = []
    for number in range(count):
        made = "".join(chance.choices(syllables, k=3))
        parts = [*chance.sample(KOREAN, chance.randint(1, 4)), f"{made}이 좋아요"]
        at = NOW - timedelta(seconds=1 + chance.random() * 35 * 86_400)
        found.append(Said(number, at, ". ".join(parts), str(chance.randrange(count // 2))))
    return found


def main() -> None:
    """Print the figures."""
    count = 5_000 if "--quick" in sys.argv else MOST
    said = mentions(count)
    began = time.process_time()
    Counter(word for one in said for word in one.text.split())
    floor = time.process_time() - began
    began = time.process_time()
    found = find_themes(said, now=NOW)
    took = time.process_time() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000
    print(f"mentions            {count:,}, themes {len(found)}")
    print(f"splitting, counting {floor:.2f} s")
    print(f"one look            {took:.2f} s = {count / took:,.0f} mentions/s")
    print(f"of one core         {took / 3600:.2%} for one brand, looked at every hour")
    print(f"memory              {memory:,.0f} MB at most")


if __name__ == "__main__":
    main()
