"""A small brand's year as it is stored: rules tried on it, and what a crisis is put down to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from listener.detect.lifecycle import SpikeLife
from listener.pipeline.backtest import Backtester, Wanted
from listener.pipeline.backtest_report import Fire
from listener.pipeline.causes import explain_spike
from listener.settings import Settings
from listener.store import brands, planned, rules, schema, watches
from listener.store.tables import CoverageRow, WatchRow
from listener.store.work import Database
from listener.types import By, MatchMode, Rule, Signal
from year import A_DAY, CAUGHT_UP, DAYS, OUTAGE, START, STEP, Year, local

pytestmark = pytest.mark.timeout(400)  # a year takes a while on a busy machine
HOUR = timedelta(hours=1)
END = START + timedelta(days=DAYS)
TELLING = timedelta(minutes=1)  # until what was collected is known


@dataclass(frozen=True)
class Stored:
    """The year in a database, and the rules that its brand came with."""

    database: Database
    settings: Settings
    year: Year
    brand_id: int
    rules: list[Rule]

    def tried(self, rule: Rule, *, days: int = DAYS, until: datetime = END) -> list[Fire]:
        report = Backtester(self.database, self.settings).run(
            Wanted(rule=rule, days=days, until=until)
        )
        return list(report.a.fires)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    home: Path = tmp_path_factory.mktemp("year")
    settings = Settings(home=home, secret_key="a secret of the tests")  # type: ignore[arg-type]
    home.mkdir(exist_ok=True)
    database = Database(settings.database)
    schema.upgrade(database)
    year = Year("small")
    with database.write() as work:
        brand = brands.create(work.session, name="누리마켓", now=START)
        watch_id = watches.create(
            work.session, source="plaza", params={}, match=MatchMode.TERMS, every=5 * TELLING,
            brand_id=brand.id, now=START,
        ).id  # fmt: skip
        year.store(work.session, brand.id, watch_id, START, END)
        work.session.execute(insert(CoverageRow), list(covered(watch_id)))
        work.session.execute(update(WatchRow).values(covered_to=END))
        campaign = next(one for one in year.harmless if one.name == "campaign")
        planned.create(
            work.session, name="가을 행사", from_at=campaign.at, to_at=campaign.end,
            brand_id=brand.id, now=campaign.at - timedelta(days=7),
        )  # fmt: skip
        found = rules.of_brand(work.session, brand.id)
        work.commit()
    yield Stored(database, settings, year, brand.id, found)
    database.close()


def covered(watch_id: int) -> Iterator[dict[str, object]]:
    """Run by run, known a minute later; the outage when it was caught up."""
    for place in range(DAYS * A_DAY):
        at = START + place * STEP
        missed = OUTAGE[0] <= at < OUTAGE[1]
        known_at = CAUGHT_UP if missed else at + STEP + TELLING
        yield {"watch_id": watch_id, "from_at": at, "to_at": at + STEP, "known_at": known_at}


def rule_of(stored: Stored, origin: str) -> Rule:
    return next(rule for rule in stored.rules if rule.origin == origin)


def test_the_rule_that_comes_with_a_brand_finds_its_crises_and_nothing_else(
    stored: Stored,
) -> None:
    fires = stored.tried(rule_of(stored, "complaints"))
    for crisis in stored.year.crises:
        found = [f for f in fires if crisis.at - HOUR <= f.noticed_at <= crisis.end + HOUR]
        assert found, f"{crisis.name} was not found"
        assert found[0].observed > 3 * found[0].expected
    others = [
        fire.noticed_at
        for fire in fires
        if not any(c.at - HOUR <= fire.noticed_at <= c.end + 6 * HOUR for c in stored.year.crises)
    ]
    assert len(others) <= 3, others
    for since, until in (
        ("2025-05-20 11:00", "2025-05-20 14:00"),  # copies of one story
        ("2025-07-08 13:00", "2025-07-09 12:00"),  # an outage, and what it brought late
        ("2025-09-15 00:00", "2025-09-18 06:00"),  # a planned campaign
        ("2025-10-05 00:00", "2025-10-12 00:00"),  # Chuseok
    ):
        assert not [at for at in others if local(since) <= at < local(until)]


def test_copies_are_a_spike_only_to_who_counts_posts(stored: Stored) -> None:
    wire = next(one for one in stored.year.harmless if one.name == "wire")
    made = rules.made(
        brand_id=stored.brand_id, name="모든 글", signal=Signal.COMPLAINTS, by=By.POSTS
    )
    fires = stored.tried(made, days=3, until=wire.end + 6 * HOUR)
    assert [f for f in fires if wire.at <= f.noticed_at <= wire.end]


@pytest.mark.parametrize(
    ("name", "driver"),
    [
        ("courier", ("topics", "delivery")),
        ("courier", ("phrases", "택배 파업")),
        ("release", ("topics", "app")),
        ("release", ("sources", "app_store")),
        ("release", ("versions", "5.2.0")),
        ("release", ("phrases", "결제 오류")),
        ("surcharge", ("topics", "price")),
        ("surcharge", ("sources", "reddit")),
        ("surcharge", ("phrases", "추가 요금")),
        ("hotline", ("topics", "service")),
        ("hotline", ("phrases", "상담원 연결")),
    ],
)
def test_the_planted_cause_ranks_first(stored: Stored, name: str, driver: tuple[str, str]) -> None:
    crisis = next(one for one in stored.year.crises if one.name == name)
    told = explained(stored, crisis.at, crisis.end)
    kind, cause = driver
    first = told[kind][0]
    assert (first.get("name") or first.get("text")) == cause


def explained(stored: Stored, onset_at: datetime, end: datetime) -> dict[str, list[dict[str, str]]]:
    life = SpikeLife(
        onset_at=onset_at, opened_at=onset_at, risen_at=onset_at, resolved_at=end,
        peak_at=onset_at, peak_score=2.0, peak_count=5, announced_excess=10.0,
    )  # fmt: skip
    with stored.database.read() as session:
        told, _ = explain_spike(session, stored.brand_id, "complaint", life, now=end)
    return told
