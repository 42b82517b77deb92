"""From an alert to the outbox: who is told of it now, who later, and who in a digest.

Messages are queued in the transaction of their cause. Their ``refs`` are ids only: the words are
made at sending.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from listener.alert.audience import Channels, audience, is_muted, senders
from listener.alert.timing import STORM_HOUR, Hours, hold_until, no_holiday, storm_until
from listener.detect.calendar import holidays_of
from listener.settings import Settings
from listener.store import alerts, held, rules
from listener.store.base import to_us
from listener.store.tables import AlertRow, ChannelRow
from listener.types import Rule, Severity

log = logging.getLogger(__name__)


def hours_of(settings: Settings) -> Hours:
    """The clock and the holidays of an install. Raises InvalidInput for an unknown country."""
    tz = ZoneInfo(settings.timezone)
    if not settings.holidays:
        return Hours(tz, no_holiday)
    days = holidays_of(settings.holidays)
    return Hours(tz, lambda day: days.get(day) is not None)


_Steps: TypeAlias = Mapping[int, Mapping[int, tuple[Rule, ...]]]  # by step, then by channel


class Caller:
    """Queues the messages of the alerts of one transaction."""

    def __init__(self, session: Session, now: datetime, hours: Hours) -> None:
        self.session = session
        self._now = now
        self._hours = hours
        self._channels: Channels | None = None
        self._known: dict[int, list[Rule]] = {}

    def know(self, alert_ids: Sequence[int]) -> None:
        """Read the rules of these alerts at once: they do not change from here on."""
        self._known |= self._rules_of(alert_ids)

    def rules_of(self, alert_id: int) -> list[Rule]:
        """The rules that wanted an alert, as far as they are there and switched on."""
        if alert_id in self._known:
            return self._known[alert_id]
        return self._rules_of([alert_id])[alert_id]

    def _rules_of(self, alert_ids: Sequence[int]) -> dict[int, list[Rule]]:
        wanting = alerts.rules_of(self.session, alert_ids)
        found = rules.by_ids(self.session, {id_ for ids in wanting.values() for id_ in ids})
        return {
            alert_id: [found[id_] for id_ in ids if id_ in found and found[id_].enabled]
            for alert_id, ids in wanting.items()
        }

    def opened(self, row: AlertRow) -> Mapping[str, Any]:
        """Tell those of an alert who have to hear of it at once, and have not yet.

        Gives what the history says of it: ``channels``, and ``held`` with times; empty = nobody.
        """
        return self._open(row, self._uncalled(row, timedelta(0)))

    def hand_on(self, row: AlertRow) -> Mapping[str, Any]:
        """Tell those who are ``next_in_chain``; as ``opened``, with the last ``step``."""
        return self._open(row, self.next_in_chain(row))

    def next_in_chain(self, row: AlertRow) -> _Steps:
        """Who is to be told because nobody has acknowledged the alert for so long, by step.

        Those of the first step only if none of those who heard of it can be reached any more.
        Nobody is called in quiet hours: that comes when they are over, if it is still needed.
        """
        snoozed = row.snoozed_until is not None and self._now < row.snoozed_until
        if row.waiting_since is None or snoozed:
            return {}
        reached = self._all().enabled.intersection(held.told(self.session, row.id))
        found: dict[int, dict[int, tuple[Rule, ...]]] = {}
        for step, channels in self._uncalled(row, self._now - row.waiting_since).items():
            awake = {id_: of for id_, of in channels.items() if self._hold(row, of) is None}
            if awake and (step or not reached):
                found[step] = awake
        return found

    def _uncalled(self, row: AlertRow, elapsed: timedelta) -> _Steps:
        known = held.told(self.session, row.id)
        awake = [rule for rule in self.rules_of(row.id) if not is_muted(rule, self._now)]
        by_step: dict[int, dict[int, tuple[Rule, ...]]] = {}
        for call in audience(awake, self._all(), elapsed).values():
            if call.channel_id not in known:
                by_step.setdefault(call.step, {})[call.channel_id] = call.rules
        return by_step

    def _open(self, row: AlertRow, by_step: _Steps) -> dict[str, Any]:
        told: dict[str, Any] = {}
        for step, channels in sorted(by_step.items()):
            more = {"step": step} if step else {}
            told = _joined(told, self._send(row, "alert.opened", channels, key="", **more)) | more
        return told

    def awake(self, row: AlertRow) -> Mapping[int, tuple[Rule, ...]]:
        """Who has heard of an alert, and may be reminded of it now."""
        heard = [id_ for id_, heard in held.told(self.session, row.id).items() if heard]
        to = senders(self.rules_of(row.id), self._all(), heard, self._now)
        return {id_: of for id_, of in to.items() if of and self._hold(row, of) is None}

    def tell(self, row: AlertRow, event: str, *, but: Collection[int] = ()) -> Mapping[str, Any]:
        """Tell those who have heard of an alert, but these, what became of it; as ``opened``."""
        known = held.told(self.session, row.id)
        heard = [id_ for id_, heard in known.items() if heard and id_ not in but]
        to = senders(self.rules_of(row.id), self._all(), heard, self._now)
        return self._send(row, event, to, key=str(to_us(self._now)))

    def remind(self, row: AlertRow, number: int) -> Mapping[str, Any]:
        """Remind those who are ``awake``; as ``opened``."""
        key = str(to_us(self._now))
        return self._send(row, "alert.reminder", self.awake(row), key=key, reminder=number)

    def hurry(self, row: AlertRow) -> list[int]:
        """Let what is held of an alert go out; gives the channels."""
        channels = held.release_alert(self.session, row.id, now=self._now)
        if channels:
            self.was_told(row)
        return channels

    def was_told(self, row: AlertRow) -> None:
        """People hear of the alert now: from here on somebody is waited for."""
        row.told_at = self._now
        if row.acknowledged_at is None and row.state == "open" and row.waiting_since is None:
            row.waiting_since, row.reminders = self._now, 0

    def _send(
        self,
        row: AlertRow,
        event: str,
        channels: Mapping[int, tuple[Rule, ...]],
        *,
        key: str,
        **refs: Any,
    ) -> dict[str, Any]:
        sent: list[int] = []
        later: dict[str, str] = {}
        refs = alerts.refs_of(self.session, row.id) | refs
        for channel_id, of in channels.items():
            quiet = self._hold(row, of)
            until = quiet or self._storm(row, channel_id)
            queued = held.queue(
                self.session,
                channel_id=channel_id,
                alert_id=row.id,
                event=event,
                event_key=key,
                refs=refs,
                hold_until=until,
                why="quiet" if quiet else "storm",
                now=self._now,
            )
            if queued and until is None:
                sent.append(channel_id)
            elif queued and until is not None:
                later[str(channel_id)] = until.isoformat()
        if sent and event != "alert.resolved":
            self.was_told(row)
        facts = {"alert": row.id, "brand": row.brand_id, "channels": len(sent), "held": len(later)}
        log.info(event, extra=facts)
        told: dict[str, Any] = {"channels": sent} if sent else {}
        return told | ({"held": later} if later else {})

    def _hold(self, row: AlertRow, of: Sequence[Rule]) -> datetime | None:
        return hold_until(of, Severity(row.severity), self._now, self._hours)

    def _storm(self, row: AlertRow, channel_id: int) -> datetime | None:
        told = held.one_by_one(self.session, channel_id, since=self._now - STORM_HOUR)
        due = held.next_due(self.session, channel_id)
        return storm_until(row.id, told, due, self._now)

    def _all(self) -> Channels:
        if self._channels is None:
            on = self.session.execute(
                select(ChannelRow.id, ChannelRow.wants).where(ChannelRow.enabled.is_(True))
            ).all()
            self._channels = Channels(
                enabled=frozenset(id_ for id_, _ in on),
                wanting=frozenset(id_ for id_, wants in on if wants != "notices"),
            )
        return self._channels


def _joined(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Two such facts as one."""
    channels = [*one.get("channels", []), *other.get("channels", [])]
    later = one.get("held", {}) | other.get("held", {})
    told: dict[str, Any] = {"channels": channels} if channels else {}
    return told | ({"held": later} if later else {})
