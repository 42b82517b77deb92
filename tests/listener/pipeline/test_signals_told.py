"""The other signals through the whole watchdog: from what was collected to one alert, told once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from builders import NOW, a_mention, a_read_mention, a_reading, stored_brand, stored_watch
from listener.pipeline.rollup import roll_up
from listener.pipeline.watchdog import Watchdog
from listener.settings import Settings
from listener.store import channels, coverage, engagement
from listener.store.tables import AlertRow, MentionRow, OutboxRow, SpikeRow, WatchRow
from listener.store.work import Database
from listener.types import Engagement, Kind, RawAuthor
from writing import write

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class World:
    """A brand with its default rules, a channel, and 16 days of five ratings each."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.watchdog = Watchdog(database, settings)
        start = NOW - 16 * DAY
        with database.write() as work:
            self.brand = stored_brand(work.session, "Haneul", now=start)
            self.watch = stored_watch(work.session, brand=self.brand, now=start)
            channels.add(
                work.session,
                name="ops",
                kind="webhook",
                address=b"encrypted",
                address_shown="https://ops.example",
                secret=None,
                language="ko",
                now=start,
            )
            work.commit()
        stars = (5, 4, 5, 2, 5)
        self.rate(
            [
                (start + day * DAY + n * 4 * HOUR + 7 * MINUTE, stars[(n + day) % 5])
                for day in range(16)
                for n in range(5)
            ]
        )
        self.cover(start, NOW)
        self.look(NOW)

    def rate(self, ratings: list[tuple[datetime, int]]) -> None:
        """Reviews, each by somebody else; low ones are negative."""
        write(
            self.database,
            *(
                a_read_mention(
                    a_mention(
                        f"{at:%m%d%H%M}-{stars}",
                        f"후기 {at:%m%d%H%M}",
                        kind=Kind.REVIEW,
                        published_at=at,
                        rating=float(stars),
                        rating_min=1.0,
                        rating_max=5.0,
                        author=RawAuthor(native_id=f"u{at:%m%d%H%M}"),
                    ),
                    brand_ids=(self.brand.id,),
                    reading=a_reading(
                        (stars - 3) / 2, complaint=stars < 3, topics=(), language="ko"
                    ),
                )
                for at, stars in ratings
            ),
            now=max(at for at, _ in ratings),
        )

    def cover(self, start: datetime, end: datetime) -> None:
        with self.database.write() as work:
            coverage.add(work.session, self.watch, start, end, now=end)
            work.session.execute(
                update(WatchRow).where(WatchRow.id == self.watch).values(covered_to=end)
            )
            work.commit()

    def look(self, at: datetime) -> int:
        roll_up(self.database)
        return self.watchdog.look(now=at)

    def rows(self, table: type[Any]) -> list[Any]:
        with self.database.read() as session:
            return list(session.scalars(select(table).order_by(table.id)))


@pytest.fixture
def world(sqlite: Database, settings: Settings) -> World:
    return World(sqlite, settings)


def test_a_viral_complaint_is_one_alert_from_first_to_last(world: World) -> None:
    assert world.rows(SpikeRow) == []
    at = NOW + 5 * MINUTE
    post = a_mention("big", "불만 글", published_at=at, author=RawAuthor(native_id="x"))
    write(world.database, a_read_mention(post, brand_ids=(world.brand.id,)), now=at)
    (id_,) = [row.id for row in world.rows(MentionRow) if row.external_id == "big"]
    with world.database.write() as work:
        told = {id_: Engagement(likes=4000, replies=900)}
        engagement.note(work.session, told, {}, now=NOW + HOUR)
        work.commit()
    world.cover(NOW, NOW + HOUR)
    world.look(NOW + HOUR)
    (spike,) = world.rows(SpikeRow)
    assert (spike.dimension, spike.state, spike.observed) == (f"viral:{id_}", "open", 4900.0)
    assert spike.explanation["signal"]["replies"] == 900
    assert spike.mention_ids == [id_]
    (alert,) = world.rows(AlertRow)
    assert (alert.state, alert.severity) == ("open", "high")
    world.look(NOW + HOUR + 5 * MINUTE)
    world.cover(NOW + HOUR, NOW + 14 * HOUR)
    world.look(NOW + 14 * HOUR)
    (spike,) = world.rows(SpikeRow)
    assert spike.state == "resolved"
    assert [row.event for row in world.rows(OutboxRow)] == ["alert.opened", "alert.resolved"]


def test_ten_bad_ratings_in_an_afternoon_are_an_alert_of_the_mean(world: World) -> None:
    """At five ratings a day."""
    world.rate([(NOW + n * 20 * MINUTE, 1) for n in range(1, 11)])
    for hours in range(1, 5):
        world.cover(NOW + (hours - 1) * HOUR, NOW + hours * HOUR)
        world.look(NOW + hours * HOUR)
    spikes = {row.dimension: row for row in world.rows(SpikeRow)}
    rating = spikes["mean:rating"]
    assert rating.state == "open"
    assert rating.observed > 3 * rating.expected
    assert "share:negative" in spikes
    (alert,) = world.rows(AlertRow)
    assert {row.alert_id for row in spikes.values()} == {alert.id}, "one event"
