"""Parts of a long job: as large as they may be, and no larger."""

from __future__ import annotations

from listener.pipeline.parts import LONG, Parts


def test_parts_become_smaller_at_once_and_larger_step_by_step() -> None:
    parts = Parts(100, most=500)
    parts.took(LONG * 10)
    assert parts.size == 10
    parts.took(LONG * 100)
    assert parts.size == 1, "something has to be done"
    parts.took(LONG * 0.8)
    assert parts.size == 1
    for _ in range(12):
        parts.took(LONG / 10)
    assert parts.size == 500
