"""An install with brands, rules and channels, whose spikes a test opens and ends by hand."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update

from builders import NOW, stored_brand
from listener.detect.lifecycle import Event, Ongoing, Opened, Resolved, SpikeLife
from listener.pipeline.calling import hours_of
from listener.pipeline.reminders import Reminders
from listener.pipeline.telling import Series, Teller
from listener.settings import Settings
from listener.store import alerts, channels, rules, spikes
from listener.store.tables import (
    AlertEventRow,
    AlertRow,
    ChannelRow,
    OutboxRow,
    RuleRow,
    SpikeRow,
)
from listener.store.work import Database
from listener.types import Brand, Rule, Signal, Step


class Desk:
    """One brand with a rule that tells everybody, and channels 1 (ops) and 2 (care)."""

    def __init__(self, database: Database, settings: Settings, **rule: Any) -> None:
        self.database = database
        self.settings = settings
        self.hours = hours_of(settings)
        self.reminders = Reminders(database, settings)
        self.now = NOW
        self._open: dict[tuple[int, str], tuple[int, SpikeLife]] = {}
        with database.write() as work:
            for name in ("ops", "care"):
                channels.add(
                    work.session,
                    name=name,
                    kind="webhook",
                    address=b"encrypted",
                    address_shown="https://ops.example",
                    secret=None,
                    language="ko",
                    now=NOW,
                )
            work.commit()
        self.brand = self.add_brand("Haneul")
        self.rule = self.add_rule(**rule)

    def add_brand(self, name: str) -> Brand:
        with self.database.write() as work:
            brand = stored_brand(work.session, name)
            # Only the rules of the test.
            work.session.execute(delete(RuleRow).where(RuleRow.brand_id == brand.id))
            work.commit()
        return brand

    def add_rule(self, brand: Brand | None = None, **fields: Any) -> Rule:
        with self.database.write() as work:
            brand_id = (brand or self.brand).id
            given: dict[str, Any] = {"name": "complaints", "signal": Signal.COMPLAINTS} | fields
            rule = rules.create(work.session, brand_id=brand_id, now=NOW, **given)
            work.commit()
        return rule

    # --- time and spikes -------------------------------------------------------------------------

    def wait(self, **time: float) -> None:
        """Let time pass, and the service look after its alerts once."""
        self.now += timedelta(**time)
        self.remind()

    def remind(self) -> int:
        return self.reminders.look(now=self.now)

    def spike(
        self,
        dimension: str = "complaint",
        *,
        brand: Brand | None = None,
        observed: float = 12,
        score: float = 1.5,
        escalated: bool = False,
        rules: tuple[Rule, ...] | None = None,
    ) -> None:
        """A spike opens, or goes on with these numbers."""
        brand = brand or self.brand
        row_id, life = self._open.get((brand.id, dimension), (None, None))
        spike = SpikeLife(
            onset_at=life.onset_at if life else self.now,
            opened_at=life.opened_at if life else self.now,
            risen_at=self.now,
            peak_at=self.now,
            peak_score=score,
            peak_count=observed,
            observed=observed,
            expected=2.0,
            announced_excess=observed - 2,
        )
        event: Event = Opened(spike)
        if life is not None:
            event = Ongoing(spike, escalated, not life.is_open)
        self._happens(brand, dimension, row_id, event, rules)

    def calm(self, dimension: str = "complaint", *, brand: Brand | None = None) -> None:
        """A spike is over."""
        brand = brand or self.brand
        row_id, life = self._open[brand.id, dimension]
        values = life.dump() | {"resolved_at": self.now.isoformat()}
        self._happens(brand, dimension, row_id, Resolved(SpikeLife.load(values)), None)

    def _happens(
        self,
        brand: Brand,
        dimension: str,
        row_id: int | None,
        event: Event,
        watching: tuple[Rule, ...] | None,
    ) -> None:
        with self.database.write() as work:
            spikes.lock(work.session, [brand.id])
            if watching is None:
                watching = tuple(rules.of_brand(work.session, brand.id))
            series = Series(dimension=dimension, row_id=row_id, rules=watching)
            teller = Teller(work.session, brand, self.now, self.hours)
            teller.tell(series, [event], ({"stories": 9, "authors": 8}, []))
            teller.settle()
            row = work.session.scalars(
                select(SpikeRow)
                .where(SpikeRow.brand_id == brand.id, SpikeRow.dimension == dimension)
                .order_by(SpikeRow.id.desc())
                .limit(1)
            ).one()
            work.commit()
            self._open[brand.id, dimension] = row.id, event.spike

    def act(self, action: str, alert_id: int = 1, **detail: Any) -> AlertRow:
        with self.database.write() as work:
            row = alerts.act(work.session, alert_id, action, by="Mina", now=self.now, **detail)
            work.commit()
        return row

    # --- what is stored --------------------------------------------------------------------------

    def alert(self, alert_id: int = 1) -> AlertRow:
        with self.database.read() as session:
            return session.get_one(AlertRow, alert_id)

    def alerts(self) -> list[AlertRow]:
        with self.database.read() as session:
            return list(session.scalars(select(AlertRow).order_by(AlertRow.id)))

    def rows(self, channel: int = 1) -> list[OutboxRow]:
        with self.database.read() as session:
            return list(
                session.scalars(
                    select(OutboxRow)
                    .where(OutboxRow.channel_id == channel)
                    .order_by(OutboxRow.created_at, OutboxRow.id)
                )
            )

    def told(self, channel: int = 1) -> list[str]:
        """The events that went out to a channel, in their order."""
        return [row.event for row in self.rows(channel) if row.state in ("pending", "sent")]

    def deliver(self) -> None:
        """What is queued goes out."""
        with self.database.write() as work:
            pending = update(OutboxRow).where(OutboxRow.state == "pending")
            work.session.execute(pending.values(state="sent", attempts=1))
            work.commit()

    def held(self, channel: int = 1) -> list[datetime]:
        """Until when messages to a channel are held."""
        return [row.next_try_at for row in self.rows(channel) if row.state == "held"]

    def history(self, alert_id: int = 1) -> list[str]:
        with self.database.read() as session:
            return [row.kind for row in alerts.events(session, alert_id)]

    def last(self, kind: str, alert_id: int = 1) -> AlertEventRow:
        with self.database.read() as session:
            found = [row for row in alerts.events(session, alert_id) if row.kind == kind]
        return found[-1]

    def get_rule(self, rule_id: int | None = None) -> Rule:
        with self.database.read() as session:
            return rules.get(session, rule_id or self.rule.id)

    def change_rule(self, **fields: Any) -> None:
        with self.database.write() as work:
            rules.update(work.session, self.rule.id, now=self.now, **fields)
            work.commit()

    def remove_channel(self, channel: int) -> None:
        with self.database.write() as work:
            work.session.execute(delete(ChannelRow).where(ChannelRow.id == channel))
            work.commit()


def chain(*minutes_and_channels: tuple[float, tuple[int, ...] | None]) -> tuple[Step, ...]:
    """Steps of an escalation chain: after so many minutes, these channels."""
    return tuple(
        Step(after=timedelta(minutes=minutes), channel_ids=ids)
        for minutes, ids in minutes_and_channels
    )
