"""Who is told, and when, that collecting fails: one notice per cause, reminders, one recovery.

``decide`` is pure: the notices that are open and the watches as they are, in; what to tell, out.
``Notifier.look`` reads, decides and writes notice and messages in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from listener.alert.notice import Missed, NoticeFacts
from listener.collect import health as healths
from listener.collect.health import (
    MANY,
    Case,
    Facts,
    State,
    Trouble,
    facts_of,
    group,
    health,
    place_of,
)
from listener.settings import Settings
from listener.store import backfills, notices, outbox, watches
from listener.store.tables import NoticeRow
from listener.store.work import Database
from listener.types import Outcome

FAILING = "source.failing"
REMINDER = "source.reminder"
RECOVERED = "source.recovered"

# Failures in a row before people are told. What does not mend itself is told at once; a site that
# refuses or looks different may have a bad moment; the rest is retried.
TRIES: Mapping[State, int] = {
    State.NEEDS_CREDENTIALS: 1,
    State.OUT_OF_BUDGET: 1,
    State.GONE: 1,
    State.LATE: 0,  # it has waited for three intervals
    State.BLOCKED: 2,
    State.SUSPECT: 2,
    State.FAILING: MANY,
}
DAILY = timedelta(days=1)
WEEKLY = timedelta(days=7)
DAYS = 7  # of daily reminders, weekly ones after that
SETTLE = timedelta(minutes=10)
"""A recovery is told once it has lasted this long."""
AGAIN = timedelta(hours=6)
"""Of one cause that comes and goes people are told this often at most."""
SLEPT = timedelta(minutes=5)
"""A pause between two looks that is longer was an outage of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A watch as it is now."""

    case: Case
    facts: Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A notice that is open, or ended a short while ago."""

    id: int
    key: str
    watch_ids: tuple[int, ...]
    opened_at: datetime  # the last time
    told_at: datetime
    reminders: int = 0
    ended_at: datetime | None = None

    @property
    def is_told(self) -> bool:
        """Whether people know of it: not of one that came back and was not repeated yet."""
        return self.told_at >= self.opened_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do: begin a notice for a trouble, or go on with one that is known.

    ``event`` is what people are told, "" = nothing now. ``state`` is open, recovered or closed
    (nobody is left in it, and nothing to be glad of).
    """

    known: Known | None
    trouble: Trouble | None
    state: str = "open"
    event: str = ""
    watch_ids: tuple[int, ...] = ()


def decide(
    known: Sequence[Known], seen: Sequence[Seen], now: datetime, *, up_since: datetime
) -> list[Plan]:
    """What people are to be told of the watches as they are.

    ``known`` are the open notices and those that ended in the last ``AGAIN``. A watch that had no
    chance to run since ``up_since`` neither begins nor repeats a notice: it was our own outage.
    """
    troubles = {trouble.key: trouble for trouble in group(one.case for one in seen)}
    by_id = {one.case.watch_id: one for one in seen}
    plans = [
        _go_on(notice, troubles.pop(notice.key, None), by_id, now, up_since)
        for notice in known
        if notice.ended_at is None
    ]
    latest = sorted(known, key=lambda one: one.told_at)
    ended = {one.key: one for one in latest if one.ended_at is not None}
    for trouble in troubles.values():
        if not any(_counts(by_id[case.watch_id], up_since) for case in trouble.cases):
            continue
        before = ended.get(trouble.key)
        ids = tuple(case.watch_id for case in trouble.cases)
        if before is not None and now - before.told_at < AGAIN:
            # It comes and goes: the old notice is open again, and told of by its next reminder.
            plans.append(Plan(known=before, trouble=trouble, watch_ids=ids))
        else:
            plans.append(Plan(known=None, trouble=trouble, event=FAILING, watch_ids=ids))
    return plans


def _go_on(
    notice: Known,
    trouble: Trouble | None,
    by_id: Mapping[int, Seen],
    now: datetime,
    up_since: datetime,
) -> Plan:
    if trouble is not None:
        ids = tuple(dict.fromkeys((*notice.watch_ids, *(c.watch_id for c in trouble.cases))))
        ids = tuple(id_ for id_ in ids if id_ in by_id)
        due = now - notice.told_at >= _pause(notice) and any(
            _had_chance(by_id[case.watch_id], up_since) for case in trouble.cases
        )
        event = REMINDER if due else ""
        return Plan(known=notice, trouble=trouble, event=event, watch_ids=ids)
    left = [by_id[id_] for id_ in notice.watch_ids if id_ in by_id and by_id[id_].facts.enabled]
    well = [one for one in left if one.case.health.state is State.OK]
    if not well:
        # Paused, deleted, or in another trouble by now, of which another notice tells.
        return Plan(known=notice, trouble=None, state="closed", watch_ids=notice.watch_ids)
    since = max(_well_since(one, notice) for one in well)
    if now - since < SETTLE:
        return Plan(known=notice, trouble=None, watch_ids=notice.watch_ids)
    ids = tuple(one.case.watch_id for one in well)
    event = RECOVERED if notice.is_told else ""
    return Plan(known=notice, trouble=None, state="recovered", event=event, watch_ids=ids)


def _well_since(one: Seen, notice: Known) -> datetime:
    """When it began to do well; a late watch never was anything else by its runs."""
    since = one.facts.since or notice.opened_at
    return since if since > notice.opened_at else one.facts.last_success_at or since


def _pause(notice: Known) -> timedelta:
    if not notice.is_told:
        return AGAIN
    return DAILY if notice.reminders < DAYS else WEEKLY


def _counts(one: Seen, up_since: datetime) -> bool:
    """Whether this watch alone is reason enough to tell people."""
    enough = one.facts.failures >= TRIES[one.case.health.state]
    return enough and _had_chance(one, up_since)


def _had_chance(one: Seen, up_since: datetime) -> bool:
    """Whether what is stored of it is the work of this service as it runs now."""
    return one.case.health.state is State.LATE or one.facts.next_run_at > up_since


@dataclass(slots=True)
class Notifier:
    """Looks after the watches of an install."""

    database: Database
    clock: Callable[[], datetime]
    _up_since: datetime | None = field(default=None, init=False)
    _looked_at: datetime | None = field(default=None, init=False)

    def look(self) -> int:
        """Tell of what began, lasts and ended; returns how many messages were queued.

        Raises StorageError.
        """
        now = self.clock()
        up_since = self._up(now)
        with self.database.write() as work:
            session = work.session
            rows = notices.opened(session, lock=True)
            rows += notices.recent(session, now - AGAIN)
            by_id = {row.id: row for row in rows}
            seen = read(session, now, up_since=up_since)
            plans = decide([_known(row) for row in rows], seen, now, up_since=up_since)
            queued = sum(_carry_out(session, plan, by_id, now) for plan in plans)
            work.commit()
        return queued

    def _up(self, now: datetime) -> datetime:
        """Since when this service runs without a break, as far as it can tell."""
        if self._up_since is None or self._looked_at is None or now - self._looked_at > SLEPT:
            self._up_since = now
        self._looked_at = now
        return self._up_since


def read(session: Session, now: datetime, *, up_since: datetime | None = None) -> list[Seen]:
    """All watches with their health and where they collect."""
    rows = watches.listing(session)
    accounts = notices.accounts(session, rows)
    found = []
    for row in rows:
        facts = facts_of(row)
        connection, base_url = accounts.get(row.id, ("", None))
        case = Case(
            watch_id=row.id,
            source=row.source,
            place=place_of(connection, base_url, row.params),
            health=health(facts, now, up_since=up_since),
            failures=row.failures,
        )
        found.append(Seen(case=case, facts=facts))
    return found


def _known(row: NoticeRow) -> Known:
    return Known(
        id=row.id,
        key=row.key,
        watch_ids=tuple(row.watch_ids),
        opened_at=row.opened_at,
        told_at=row.told_at,
        reminders=row.reminders,
        ended_at=row.ended_at,
    )


def _carry_out(session: Session, plan: Plan, by_id: Mapping[int, NoticeRow], now: datetime) -> int:
    row = by_id[plan.known.id] if plan.known else None
    if row is None:
        if plan.trouble is None:
            return 0
        row = _new(plan.trouble, now)
        session.add(row)
    elif plan.trouble is not None:
        if row.state != "open":
            row.state, row.ended_at, row.reminders = "open", None, 0
            row.opened_at, row.since = now, min(plan.trouble.since or now, now)
        _describe(row, plan.trouble)
    else:
        row.state = plan.state
        row.ended_at = None if plan.state == "open" else now
    if row.watch_ids != list(plan.watch_ids):
        row.watch_ids = list(plan.watch_ids)
    if plan.event:
        row.told_at = now
        row.reminders += plan.event == REMINDER
    session.flush()
    if not plan.event:
        return 0
    return outbox.put_notice(
        session, notice_id=row.id, event=plan.event, event_key=f"{now:%Y%m%d%H%M%S}", now=now
    )


def _new(trouble: Trouble, now: datetime) -> NoticeRow:
    row = NoticeRow(
        key=trouble.key,
        source=trouble.source,
        place=trouble.place,
        cause=trouble.state,
        watch_ids=[case.watch_id for case in trouble.cases],
        state="open",
        since=min(trouble.since or now, now),
        opened_at=now,
        told_at=now,
        reminders=0,
    )
    _describe(row, trouble)
    return row


def _describe(row: NoticeRow, trouble: Trouble) -> None:
    row.outcome = trouble.lead.health.code
    row.reason = trouble.lead.health.detail


# --- what a message says -------------------------------------------------------------------------


def load_facts(
    session: Session, notice_id: int, settings: Settings, title_of: Callable[[str], tuple[str, str]]
) -> NoticeFacts:
    """A notice as its messages tell it, read at the moment of sending. Raises NotFound."""
    row = notices.get(session, notice_id)
    members = notices.watches_of(session, row)
    base = (settings.public_url or f"http://{settings.host}:{settings.port}").rstrip("/")
    words = healths.WORDS.get(row.outcome, healths.WORDS[Outcome.FAILED])
    path = f"/sources/{members[0].id}" if len(members) == 1 else "/sources"
    return NoticeFacts(
        notice_id=row.id,
        source=row.source,
        source_title=title_of(row.source) if row.source else ("여러 원본", "several sources"),
        place=row.place,
        state=row.cause,
        outcome=row.outcome,
        title=words.title,
        reason=words.reason,
        advice=words.advice,
        detail=row.reason,
        watches=tuple((one.id, one.label or one.source) for one in members),
        since=row.since,
        opened_at=row.opened_at,
        reminders=row.reminders,
        ended_at=row.ended_at,
        missed=tuple(_missed(session, row)),
        url=base + path,
    )


def _missed(session: Session, row: NoticeRow) -> list[Missed]:
    found = notices.missed(session, row)
    under_way = {
        row.gap_id for row in backfills.listing(session, watch_ids=[gap.watch_id for gap in found])
    }
    return [
        Missed(
            watch_id=gap.watch_id,
            from_at=gap.from_at,
            to_at=gap.to_at,
            why=gap.why,
            filled=gap.filled_at is not None,
            backfilling=gap.id in under_way,
        )
        for gap in found
    ]
