"""What happens to alerts as time goes by: what was held goes out, growth is told when it may be,
people are reminded, the next in the chain is called, and rules learn from marks.

All is decided from what is stored, under the lock of the brand: two processes never remind twice,
and whoever acknowledges first is not reminded any more.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, aliased

from listener.alert.calibration import Mark, strictness
from listener.alert.life import advance_alerts
from listener.alert.timing import reminder_at
from listener.detect.catalogue import threshold_of
from listener.errors import StorageError
from listener.pipeline.calling import Caller, hours_of
from listener.pipeline.telling import Teller, states_of
from listener.settings import Settings
from listener.store import alerts, brands, held, rules, spikes
from listener.store.killpoints import reach
from listener.store.tables import AlertEventRow, AlertRow, AlertRuleRow, OutboxRow, RuleRow
from listener.store.work import Database

log = logging.getLogger(__name__)

_RECENT = 5_000  # lines of all histories; what people marked is taught within seconds


class Reminders:
    """Sees to alerts between the looks of the watchdog. Keeps nothing in memory."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._hours = hours_of(settings)

    def look(self, *, now: datetime) -> int:
        """Do all that is due; returns how many things that were. Raises StorageError."""
        done = self._release(now)
        with self._database.read() as session:
            waiting = self._waiting(session, now)
            marked = _untaught(session)
        done += sum(self._safely(brand_id, now) for brand_id in waiting)
        return done + (self._teach(now) if marked else 0)

    # --- what was held ---------------------------------------------------------------------------

    def _release(self, now: datetime) -> int:
        with self._database.read() as session:
            if not held.any_due(session, now=now):
                return 0
        with self._database.write() as work:
            session = work.session
            concerned = select(AlertRow.brand_id).join(OutboxRow, OutboxRow.alert_id == AlertRow.id)
            due = (OutboxRow.state == "held") & (OutboxRow.next_try_at <= now)
            spikes.lock(session, set(session.scalars(concerned.where(due))))
            released = held.release(session, now=now)
            caller = Caller(session, now, self._hours)
            channels: dict[int, list[int]] = {}
            for one in released:
                for alert_id in one.alert_ids:
                    channels.setdefault(alert_id, []).append(one.channel_id)
            for alert_id, ids in channels.items():
                caller.was_told(session.get_one(AlertRow, alert_id))
                digest = any(one.digest and alert_id in one.alert_ids for one in released)
                alerts.write(session, alert_id, "told", now=now, channels=ids, digest=digest)
            reach("reminders-before-commit")
            work.commit()
        return len(released)

    # --- who waits -------------------------------------------------------------------------------

    def _waiting(self, session: Session, now: datetime) -> list[int]:
        """The brands with something to tell, to remind of, or to hand on."""
        caller = Caller(session, now, self._hours)
        rows = _open(session)
        caller.know([row.id for row in rows])
        return sorted({row.brand_id for row in rows if _is_due(caller, row, now)})

    def _safely(self, brand_id: int, now: datetime) -> int:
        try:
            return self._see_to(brand_id, now)
        except StorageError:
            raise
        except Exception:
            # What one brand's alerts bring out must not keep the others waiting.
            log.exception("the alerts of brand %s could not be seen to", brand_id)
            return 0

    def _see_to(self, brand_id: int, now: datetime) -> int:
        done = 0
        with self._database.write() as work:
            session = work.session
            spikes.lock(session, [brand_id])
            # What grew, and was not to be told yet.
            Teller(session, brands.get(session, brand_id), now, self._hours).settle()
            caller = Caller(session, now, self._hours)
            for row in _open(session, brand_id):
                done += _remind(session, caller, row, now) + _hand_on(session, caller, row, now)
            reach("reminders-before-commit")
            work.commit()
        return done

    # --- what marks teach ------------------------------------------------------------------------

    def _teach(self, now: datetime) -> int:
        with self._database.write() as work:
            session = work.session
            brand_ids = select(AlertRow.brand_id).where(AlertRow.id.in_(_untaught(session)))
            spikes.lock(session, set(session.scalars(brand_ids)))
            waiting = _untaught(session)  # another process may have been here meanwhile
            for alert_id in waiting:
                changed = {}
                for rule_id in alerts.rules_of(session, [alert_id])[alert_id]:
                    before, after = teach(session, rule_id)
                    if before != after:
                        changed[str(rule_id)] = [before, after]
                alerts.write(session, alert_id, "taught", now=now, rules=changed)
            work.commit()
        return len(waiting)


def teach(session: Session, rule_id: int) -> tuple[float, float]:
    """Set the strictness of a rule by all marks of its alerts; gives it before and after."""
    rule = rules.get(session, rule_id)
    after = strictness(marks_of(session, rule_id), threshold_of(rule) - rule.strictness)
    if after != rule.strictness:
        row = session.get_one(RuleRow, rule_id)
        row.strictness = after
        session.flush()
        log.info("rule %s was taught", rule_id, extra={"before": rule.strictness, "after": after})
    return rule.strictness, after


def marks_of(session: Session, rule_id: int) -> list[Mark]:
    """What people last said of each alert that the rule wanted, at the score that it had then."""
    rows = session.execute(
        select(AlertEventRow.alert_id, AlertEventRow.detail)
        .join(AlertRuleRow, AlertRuleRow.alert_id == AlertEventRow.alert_id)
        .where(AlertRuleRow.rule_id == rule_id, AlertEventRow.kind == "marked")
        .order_by(AlertEventRow.id)
    )
    last = {alert_id: detail for alert_id, detail in rows}
    marks = []
    for detail in last.values():
        score = detail["scores"].get(str(rule_id))
        if detail["verdict"] is not None and score is not None:
            bar = detail["bars"].get(str(rule_id), 0.0)
            marks.append(Mark(score=score, right=detail["verdict"] == "right", bar=bar))
    return marks


def _untaught(session: Session) -> Sequence[int]:
    """The alerts that were marked since their marks were last taught."""
    newest = session.scalar(select(func.max(AlertEventRow.id))) or 0
    later = aliased(AlertEventRow)
    taught = select(later.id).where(
        later.alert_id == AlertEventRow.alert_id,
        later.kind == "taught",
        later.id > AlertEventRow.id,
    )
    return session.scalars(
        select(AlertEventRow.alert_id)
        .where(
            AlertEventRow.id > newest - _RECENT,
            AlertEventRow.kind == "marked",
            ~taught.exists(),
        )
        .distinct()
        .order_by(AlertEventRow.alert_id)
    ).all()


def _open(session: Session, brand_id: int | None = None) -> Sequence[AlertRow]:
    """Open alerts that wait for somebody, were put off, or grew."""
    query = select(AlertRow).where(
        AlertRow.state == "open",
        or_(
            AlertRow.waiting_since.is_not(None),
            AlertRow.snoozed_until.is_not(None),
            AlertRow.grown_at.is_not(None),
        ),
    )
    if brand_id is not None:
        query = query.where(AlertRow.brand_id == brand_id)
    return session.scalars(query.order_by(AlertRow.id)).all()


def _is_due(caller: Caller, row: AlertRow, now: datetime) -> bool:
    if row.grown_at is not None:
        states = states_of(caller.session, [row])
        if advance_alerts(states, [], now=now)[1]:
            return True
    return _reminder_is_due(caller, row, now) or bool(caller.next_in_chain(row))


def _reminder_is_due(caller: Caller, row: AlertRow, now: datetime) -> bool:
    paces = [rule.remind_every for rule in caller.rules_of(row.id) if rule.remind_every]
    at = reminder_at(
        min(paces, default=None),
        reminders=row.reminders,
        told_at=row.told_at,
        waiting_since=row.waiting_since,
        snoozed_until=row.snoozed_until,
    )
    return at is not None and at <= now and bool(caller.awake(row))


def _remind(session: Session, caller: Caller, row: AlertRow, now: datetime) -> int:
    if not _reminder_is_due(caller, row, now):
        return 0
    number = row.reminders + 1
    facts = caller.remind(row, number)
    row.reminders, row.told_at, row.updated_at = number, now, now
    row.snoozed_until = None
    alerts.write(session, row.id, "reminded", now=now, reminder=number, **facts)
    return 1


def _hand_on(session: Session, caller: Caller, row: AlertRow, now: datetime) -> int:
    facts = caller.hand_on(row)
    if not facts:
        return 0
    row.step = max(row.step, facts.get("step", 0))
    row.updated_at = now
    alerts.write(session, row.id, "step", now=now, **facts)
    return 1
