"""An install with an alert that is about to be told: what tests of deliveries begin with."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from builders import stored_brand
from listener.runtime.clock import utc_now
from listener.runtime.wiring import Services
from listener.store import outbox
from listener.store.tables import AlertRow, BucketRow, DeliveryRow, OutboxRow, SpikeRow

SECRET = "whsec_" + "bGlzdGVuZXIgdGVzdCBzZWNyZXQ="
DIMENSION = "topic:delivery:complaint"
STEP = timedelta(minutes=5)


class Office:
    """An install with an alert, and a clock that can be put forward."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.ahead = timedelta()
        services.clock = lambda: utc_now() + self.ahead
        self.alert_id = self.alert("하늘상회")

    def alert(self, name: str, *, observed: float = 18) -> int:
        """An open alert of a new brand, with one spike and its buckets."""
        now = utc_now()
        with self.services.database.write() as work:
            brand = stored_brand(work.session, name)
            alert = AlertRow(
                brand_id=brand.id, state="open", severity="high", opened_at=now, updated_at=now
            )
            work.session.add(alert)
            work.session.flush()
            spike = SpikeRow(
                brand_id=brand.id,
                alert_id=alert.id,
                dimension=DIMENSION,
                state="open",
                onset_at=now,
                opened_at=now,
                updated_at=now,
                expected=1.5,
                observed=observed,
                score=4.0,
                explanation={
                    "mentions": int(observed),
                    "phrases": [{"text": "택배 파손", "count": 15, "z": 4.0}],
                    "authors": 17,
                    "stories": 18,
                },
            )
            work.session.add(spike)
            work.session.add_all(_buckets(brand.id, int(observed)))
            work.commit()
            return alert.id

    def channel(self, address: str, *, name: str = "", **fields: Any) -> int:
        """Make a channel."""
        given = {"name": name or f"channel {address[-60:]}", "secret": SECRET}
        return self.services.add_channel(address=address, **(given | fields)).id

    def queue(self, channel_id: int, event: str, **refs: Any) -> None:
        """Queue a message of the alert."""
        with self.services.database.write() as work:
            outbox.put(
                work.session,
                channel_id=channel_id,
                alert_id=self.alert_id,
                event=event,
                refs=refs,
                now=self.services.clock(),
            )
            work.commit()

    def tell(self, address: str, event: str = "alert.opened", **fields: Any) -> None:
        """Make a channel and queue a message for it."""
        self.queue(self.channel(address, **fields), event)

    def deliver(self, after: timedelta = timedelta()) -> int:
        """Send what is due then; how many messages were tried."""
        self.ahead += after
        return self.services.deliverer.deliver_due()

    def message(self) -> OutboxRow:
        """The only message."""
        with self.services.database.read() as session:
            return session.scalars(select(OutboxRow)).one()

    def attempts(self) -> list[DeliveryRow]:
        """All attempts, the earliest first."""
        with self.services.database.read() as session:
            return list(session.scalars(select(DeliveryRow).order_by(DeliveryRow.id)))


def _buckets(brand_id: int, observed: int) -> list[BucketRow]:
    """Three hours before the spike with one complaint an hour, and the spike."""
    now = utc_now()
    start = now - timedelta(seconds=now.timestamp() % STEP.total_seconds())
    return [
        BucketRow(
            brand_id=brand_id,
            dimension=DIMENSION,
            step_s=300,
            at=start - place * STEP,
            count=count,
            authors=count,
            stories=count,
        )
        for place, count in ((0, observed), (12, 1), (24, 1), (36, 1))
    ]
