"""Forecasts: what a watch will use up, told before it is saved."""

from __future__ import annotations

from datetime import timedelta

import pytest

from builders import NOW, a_raw
from listener.collect.sources.x import X
from listener.net.budget import terms
from listener.pipeline.forecast import Asking, forecast, volume_of
from listener.types import Kind, MatchMode, Quota, SourceSpec, Watch

FREE = SourceSpec(
    name="naver",
    title="Naver",
    title_ko="네이버",
    every=timedelta(minutes=10),
    kind=Kind.POST,
    quotas=(Quota(unit="calls", amount=25_000, per="day", zone="Asia/Seoul"),),
)
TEN = timedelta(minutes=10)
POSTS = Asking(charge={"calls": 1, "post": 100, "user": 100}, by_item=frozenset({"post", "user"}))


def told(spec: SourceSpec, asking: Asking, every: timedelta = TEN, **given: float | None) -> dict:  # type: ignore[type-arg]
    calls, usd = given.pop("calls", None), given.pop("usd", None)
    caps = terms(
        spec,
        calls=None if calls is None else int(calls),
        micro_usd=None if usd is None else round(usd * 1e6),
        zone="UTC",
    )
    return forecast(spec, every, asking, terms=caps, **given)  # type: ignore[arg-type]


def test_calls_a_day_are_runs_times_lanes_beside_the_quota() -> None:
    found = told(FREE, Asking(lanes=4))
    assert found["calls_a_day"] == 576
    (limit,) = found["limits"]
    assert (limit["expected"], limit["limit"], limit["fits"]) == (576, 25_000, True)
    assert found["fits"]
    assert found["usd_a_month"] == 0
    assert found["words"]["ko"].startswith("하루에 약 576번 요청합니다.")
    assert "2%" in found["words"]["ko"]
    assert "2% of the source's quota (25,000 calls a day)" in found["words"]["en"]


def test_what_does_not_fit_says_what_to_do() -> None:
    found = told(FREE, Asking(lanes=4), calls=100)
    assert not found["fits"]
    assert "예산(요청 100)를 넘습니다" in found["words"]["ko"]
    assert "more than your budget" in found["words"]["en"]


def test_money_follows_the_volume() -> None:
    found = told(X.spec, POSTS, volume=200.0, usd=50)
    assert found["usd_a_month"] == pytest.approx(200 * 0.015 * 30.4, abs=0.01)
    assert not found["fits"]
    assert "$91.20" in found["words"]["ko"]
    assert told(X.spec, POSTS, volume=50.0, usd=50)["fits"]


def test_without_a_volume_only_the_upper_bound_is_known() -> None:
    found = told(X.spec, POSTS, usd=50)
    assert found["usd_a_month"] is None
    assert found["usd_a_month_at_most"] == pytest.approx(144 * 100 * 0.015 * 30.4, abs=0.01)
    assert "at most" in found["words"]["en"]
    assert found["fits"]  # nobody knows


def test_a_busy_word_needs_more_pages() -> None:
    found = told(X.spec, POSTS, timedelta(days=1), volume=1_000.0)
    assert found["calls_a_day"] == 10


def test_the_volume_is_told_by_the_times_on_the_first_page() -> None:
    watch = Watch(
        id=0,
        source="x",
        params={},
        match=MatchMode.TERMS,
        every=TEN,
        connection=None,  # type: ignore[arg-type]
    )
    items = [a_raw(str(n), published_at=NOW - timedelta(hours=n)) for n in range(1, 13)]
    assert volume_of(object(), watch, items, NOW) == 24  # type: ignore[arg-type]
    assert volume_of(object(), watch, items[:3], NOW) is None  # type: ignore[arg-type]
