"""Budgets through the whole of a run: the watch stops with a gap and goes on where it stopped."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from fakex import FakeX
from listener.errors import ConfigError
from listener.runtime.tasks import answer_job
from listener.runtime.wiring import Services, build
from listener.settings import Settings
from listener.store import brands, gaps, jobs, schema, watches
from listener.store.tables import MentionRow
from listener.types import MatchMode

LAST_DAY = datetime(2025, 3, 31, 3, 0, tzinfo=UTC)  # noon in Seoul
NEXT_MONTH = datetime(2025, 3, 31, 15, 0, tzinfo=UTC)  # midnight in Seoul


@pytest.fixture
def services(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """A real install at noon of the last day of March."""
    monkeypatch.delenv("LISTENER_X__BEARER_TOKEN", raising=False)
    built = build(settings.model_copy(update={"allow_private_hosts": "127.0.0.1"}))
    schema.upgrade(built.database)
    built.clock = lambda: LAST_DAY
    yield built
    built.close()


def watch_x(services: Services, server: FakeX, **budget: int) -> int:
    made = services.connections.add(
        "x",
        name="main",
        base_url=server.url,
        credentials={"bearer_token": "t0p-s3cret"},
        **budget,  # type: ignore[arg-type]
    )
    with services.database.write() as work:
        brand = brands.create(work.session, name="하늘", now=LAST_DAY)
        row = watches.create(
            work.session,
            source="x",
            params={"query": "하늘"},
            match=MatchMode.ALL,
            every=timedelta(minutes=10),
            brand_id=brand.id,
            connection_id=made,
            now=LAST_DAY,
        )
        work.commit()
    return row.id


def mentions(services: Services) -> int:
    with services.database.read() as session:
        return session.scalar(select(func.count()).select_from(MentionRow)) or 0


def test_a_watch_without_budget_stops_with_a_gap_and_goes_on(services: Services) -> None:
    with FakeX(LAST_DAY, 50) as server:
        watch = watch_x(services, server, budget_micro_usd=1_500_000)
        (report,) = services.collect_once(watch)
        assert report["outcome"] == "ok"
        server.count, server.now = 150, LAST_DAY + timedelta(minutes=100)
        services = _at(services, LAST_DAY + timedelta(minutes=100))
        (report,) = services.collect_once(watch)
        assert report["outcome"] == "out-of-budget"
        assert "budget for X (Twitter) (main) of $1.50 a month" in report["error"]
        assert report["next_run"].startswith("2025-03-31T15:00")
        assert report["gap"]["why"] == "budget"
        assert mentions(services) == 100
        assert server.micro_usd <= 1_500_000
        assert services.connections.facts(1).health == "out-of-budget"

        services = _at(services, NEXT_MONTH)
        (report,) = services.collect_once(watch)
        assert report["outcome"] == "ok"
        assert mentions(services) == 150
        assert server.posts == 150  # the walk went on where it had stopped
        with services.database.read() as session:
            assert all(gap.to_at is not None for gap in gaps.listing(session, watch_ids=[watch]))


def test_a_raised_budget_makes_the_watch_due_at_once(services: Services) -> None:
    with FakeX(LAST_DAY, 50) as server:
        watch = watch_x(services, server, budget_micro_usd=100_000)
        (report,) = services.collect_once(watch)
        assert report["outcome"] == "out-of-budget"
        services.connections.change(1, budget_micro_usd=5_000_000)
        (report,) = services.collect_once()
        assert report["watch"] == watch
        assert report["outcome"] == "ok"
        assert mentions(services) == 50


def test_a_preview_tells_what_the_watch_would_cost(services: Services) -> None:
    with FakeX(LAST_DAY, 700) as server:
        watch_x(services, server, budget_micro_usd=20_000_000)
        payload = {
            "source": "x",
            "params": {"query": "하늘"},
            "match": "terms",
            "connection_id": 1,
            "every_s": 600,
        }
        with services.database.write() as work:
            job = jobs.ask(work.session, "preview", payload, now=LAST_DAY)
            work.commit()
        assert answer_job(services)
        with services.database.read() as session:
            row = jobs.get(session, job)
            assert row is not None
            assert row.error is None
            result = row.result or {}
        assert server.posts == 20  # a preview reads little, since each post costs
        assert server.counts == 1
    ahead = result["forecast"]
    assert ahead["volume_a_day"] == 100
    assert ahead["usd_a_month"] == pytest.approx(45.6)
    assert not ahead["fits"]
    assert "한 달 정해 둔 예산($20.00)를 넘습니다" in ahead["words"]["ko"]
    assert services.connections.facts(1).usage[-1].used == 20 * 15_000 + 5_000


def test_the_settings_account_has_a_budget_too(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LISTENER_X__BUDGET_USD", "$1,000.50")
    monkeypatch.setenv("LISTENER_X__BUDGET_CALLS", "300")
    own = {cap.unit: cap.amount for cap in services.purses.terms("x|").caps if cap.own}
    assert own == {"calls": 300, "micro_usd": 1_000_500_000}
    monkeypatch.setenv("LISTENER_X__BUDGET_USD", "plenty")
    with pytest.raises(ConfigError, match="LISTENER_X__BUDGET_USD is no amount"):
        services.purses.terms("x|")


def _at(services: Services, now: datetime) -> Services:
    """The same install later."""
    later = build(services.settings)
    later.clock = lambda: now
    return later
