"""Which mentions a spike is about: the filter that its page, its links and the API share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from listener.pipeline.causes import filter_of_spike
from listener.pipeline.evidence import to_mention_filter
from listener.store.tables import SpikeRow

ONSET = datetime(2026, 3, 2, 5, 5, tzinfo=UTC)
NOW = ONSET + timedelta(hours=3, microseconds=17)
VOICES = {"own": "false", "flagged": "false"}


def row(dimension: str, **change: Any) -> SpikeRow:
    values: dict[str, Any] = {"brand_id": 4, "onset_at": ONSET, "explanation": {}, "scope": {}}
    return SpikeRow(dimension=dimension, **{**values, **change})


@pytest.mark.parametrize(
    ("dimension", "change", "expected"),
    [
        ("all", {}, VOICES),
        ("complaint", {}, {"complaint": "true", **VOICES}),
        ("low_rating", {}, {"low_rating": "true", **VOICES}),
        (
            "topic:delivery:complaint",
            {},
            {"topic": "delivery", "complaint": "true", **VOICES},
        ),
        ("source:x:negative", {}, {"source": "x", "sentiment": "negative", **VOICES}),
        ("share:negative:topic:price", {}, {"topic": "price", "sentiment": "negative", **VOICES}),
        ("mean:rating", {}, {"rated": "true", **VOICES}),
        ("rule:7", {"scope": {"source": "x", "language": "ko"}}, None),
        ("spread:9", {}, {"story": "9"}),
        (
            "new:foreignmatter",
            {"explanation": {"signal": {"phrase": "foreign matter"}}},
            {"q": "foreign matter", **VOICES},
        ),
    ],
)
def test_the_filter_of_a_spike(
    dimension: str, change: dict[str, Any], expected: dict[str, str] | None
) -> None:
    found = filter_of_spike(row(dimension, **change), now=NOW, count_flagged=False)
    times = {"since": "2026-03-02T05:05:00Z", "until": "2026-03-02T08:05:00Z"}
    wanted = expected if expected is not None else change["scope"] | VOICES
    assert found == {"brand": "4", **wanted, **times}
    assert to_mention_filter(found).brand_id == 4


def test_a_spike_that_is_over_ends_where_it_ended() -> None:
    over = row("all", resolved_at=ONSET + timedelta(hours=1))
    found = filter_of_spike(over, now=NOW, count_flagged=True)
    assert found["until"] == "2026-03-02T06:05:00Z"
    assert "flagged" not in found  # they are counted as all others


def test_one_post_is_no_list() -> None:
    assert filter_of_spike(row("viral:5"), now=NOW, count_flagged=False) == {}
