"""What people do with alerts, and the history of each: every action is one row with who and when.

``act`` is the one way in for the dashboard, the API and the links in messages. It takes the lock
that the watchdog and reminders take, so that whoever comes second sees what the first did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from listener.errors import InvalidInput, NotFound
from listener.store import held, planned, spikes
from listener.store.base import to_us
from listener.store.tables import (
    AlertEventRow,
    AlertRow,
    AlertRuleRow,
    PlannedEventRow,
    RuleRow,
    SpikeRow,
    UserRow,
)

VERDICTS = ("right", "false")
LONGEST_SNOOZE = timedelta(days=30)
LONGEST_MUTE = timedelta(days=366)
NOTE_LENGTH = 2_000


def act(
    session: Session,
    alert_id: int,
    action: str,
    *,
    by: str,
    now: datetime,
    user_id: int | None = None,
    **detail: Any,
) -> AlertRow:
    """Do something with an alert for somebody, and write it into its history.

    ``by`` is who, as it is shown; ``user_id`` the user, if it is one. ``action`` with its
    ``detail``, each of which can be taken back:

    - ``acknowledge``: somebody sees to it; who was first stays. ``undo=True`` asks for somebody;
    - ``assign``, ``to`` = a user's id, or None;
    - ``snooze``, ``until`` = when to be reminded, or None: tell nothing of it until then;
    - ``mute``, ``until`` or None, ``what`` = "rules" (those of the alert, or one ``rule_id``) or
      "brand" (all rules of the brand): these tell nothing until then;
    - ``planned``, ``name``, ``until``, ``factor`` = None, ``kind`` = "campaign": puts an event from
      the onset on into the calendar, and closes the alert;
    - ``mark``, ``verdict`` = "right", "false" (closes it) or None: teaches its rules;
    - ``note``, ``text``.

    Raises NotFound, and InvalidInput that names the field.
    """
    do = _ACTIONS.get(action)
    if do is None:
        raise InvalidInput(f"An action is one of {', '.join(_ACTIONS)}.", field="action")
    row = _locked(session, alert_id)
    told = do(session, row, now=now, by=by, user_id=user_id, **detail)
    if told is not None:
        kind, facts = told
        row.updated_at = now
        write(session, row.id, kind, now=now, by=by, **facts)
    session.flush()
    return row


def write(
    session: Session, alert_id: int, kind: str, *, now: datetime, by: str = "", **detail: Any
) -> None:
    """Add a line to an alert's history; ``by`` empty = the service itself."""
    session.add(AlertEventRow(alert_id=alert_id, at=now, kind=kind, by=by[:200], detail=detail))
    session.flush()


def events(
    session: Session, alert_id: int, *, after_id: int | None = None, limit: int = 500
) -> Sequence[AlertEventRow]:
    """The history of an alert, the earliest first."""
    query = select(AlertEventRow).where(AlertEventRow.alert_id == alert_id)
    if after_id is not None:
        query = query.where(AlertEventRow.id > after_id)
    return session.scalars(query.order_by(AlertEventRow.id).limit(limit)).all()


def acknowledged_by(session: Session, row: AlertRow) -> str:
    """Who said first that they have seen it, as it is shown; "" = nobody, or nobody knows."""
    if row.acknowledged_at is None:
        return ""
    by = session.scalar(
        select(AlertEventRow.by)
        .where(
            AlertEventRow.alert_id == row.id,
            AlertEventRow.at >= row.acknowledged_at,
            AlertEventRow.by != "",
        )
        .order_by(AlertEventRow.at, AlertEventRow.id)
        .limit(1)
    )
    return by or ""


def rules_of(session: Session, alert_ids: Sequence[int]) -> dict[int, dict[int, float]]:
    """The rules that wanted each alert, with the highest score at which they did."""
    found: dict[int, dict[int, float]] = {alert_id: {} for alert_id in alert_ids}
    rows = session.execute(
        select(AlertRuleRow.alert_id, AlertRuleRow.rule_id, AlertRuleRow.score)
        .where(AlertRuleRow.alert_id.in_(alert_ids))
        .order_by(AlertRuleRow.rule_id)
    )
    for alert_id, rule_id, score in rows:
        found[alert_id][rule_id] = score
    return found


def refs_of(session: Session, alert_id: int) -> dict[str, Any]:
    """What a message of an alert refers to."""
    rows = spikes.of_alert(session, alert_id)
    return {"alert_id": alert_id, "spike_ids": [row.id for row in rows]}


def summary_of(row: AlertRow, members: Sequence[SpikeRow]) -> dict[str, Any]:
    """An alert that is over, in numbers. Those of mentions are of its largest spike, as the spikes
    of one event count the same mentions.

    Keys: from, to, minutes (from the first onset to the end of the last spike), spikes, spike_id,
    series, observed, expected, score, stories, authors, topics (names, strongest first), severity,
    acknowledged_after_min (None = nobody did), reminders, and ended where no calm ended it: silent
    (nothing was collected any more) or unwatched (no rule listens any more).
    """
    wanted = [spike for spike in members if spike.wanted] or list(members)
    if not wanted:
        return {}
    lead = max(wanted, key=lambda spike: (spike.observed - spike.expected, spike.score))
    begin = min(spike.onset_at for spike in wanted)
    end = max(spike.resolved_at or row.resolved_at or row.updated_at for spike in wanted)
    told = lead.explanation or {}
    seen = row.acknowledged_at
    ended = {spike.detail.get("ended", "") for spike in wanted}
    summary = {
        "from": begin.isoformat(),
        "to": end.isoformat(),
        "minutes": round((end - begin).total_seconds() / 60),
        "spikes": len(members),
        "spike_id": lead.id,
        "series": lead.dimension,
        "observed": lead.observed,
        "expected": round(lead.expected, 2),
        "score": round(max(spike.score for spike in wanted), 2),
        "stories": told.get("stories"),
        "authors": told.get("authors"),
        "topics": [one["name"] for one in told.get("topics", [])[:3]],
        "severity": row.severity,
        "acknowledged_after_min": (
            None if seen is None else round((seen - row.opened_at).total_seconds() / 60)
        ),
        "reminders": row.reminders,
    }
    # Where one of them ended in calm, the event did.
    return summary | ({"ended": min(ended)} if all(ended) else {})


def _locked(session: Session, alert_id: int) -> AlertRow:
    row = session.get(AlertRow, alert_id)
    if row is None:
        raise NotFound(f"There is no alert {alert_id}.")
    spikes.lock(session, [row.brand_id])
    session.refresh(row)
    return row


# --- actions: each gives the kind and detail of its line in the history; None = nothing changed ---

_Told = tuple[str, dict[str, Any]] | None


def _acknowledge(
    session: Session,
    row: AlertRow,
    *,
    now: datetime,
    by: str,
    user_id: int | None,
    undo: bool = False,
) -> _Told:
    if undo:
        if row.acknowledged_at is None:
            return None
        row.acknowledged_at = row.acknowledged_by = None
        if row.state == "open" and any(held.told(session, row.id).values()):
            row.waiting_since = now
            row.reminders = 0
        return "acknowledged", {"undone": True}
    if row.acknowledged_at is not None:
        return None
    _see_to(session, row, now=now, user_id=user_id)
    for channel_id in held.webhooks(session, list(held.told(session, row.id))):
        held.queue(
            session,
            channel_id=channel_id,
            alert_id=row.id,
            event="alert.acknowledged",
            event_key=_key(now),
            refs=refs_of(session, row.id) | {"by": by},
            now=now,
        )
    return "acknowledged", {}


def _assign(
    session: Session, row: AlertRow, *, now: datetime, by: str, user_id: int | None, to: int | None
) -> _Told:
    name = ""
    if to is not None:
        user = session.get(UserRow, to)
        if user is None or user.disabled_at is not None:
            raise InvalidInput(f"There is no user {to}.", field="to")
        name = user.name or user.email
    if row.assigned_to == to:
        return None
    row.assigned_to = to
    return "assigned", {"to": to, "name": name}


def _snooze(
    session: Session,
    row: AlertRow,
    *,
    now: datetime,
    by: str,
    user_id: int | None,
    until: datetime | None,
) -> _Told:
    if until is None:
        if row.snoozed_until is None:
            return None
        row.snoozed_until = None
        return "snoozed", {"until": None}
    if row.state != "open":
        raise InvalidInput("This alert is over already.", field="until")
    _check_until(until, now, LONGEST_SNOOZE)
    row.snoozed_until = until
    held.withdraw(session, row.id)
    held.put_off(session, row.id, until=until)
    return "snoozed", {"until": until.isoformat()}


def _mute(
    session: Session,
    row: AlertRow,
    *,
    now: datetime,
    by: str,
    user_id: int | None,
    until: datetime | None,
    what: str = "rules",
    rule_id: int | None = None,
) -> _Told:
    if what not in ("rules", "brand"):
        raise InvalidInput("What is muted is rules or brand.", field="what")
    if until is not None:
        _check_until(until, now, LONGEST_MUTE)
    query = select(RuleRow).where(RuleRow.brand_id == row.brand_id).order_by(RuleRow.id)
    if what == "rules":
        query = query.where(RuleRow.id.in_(rules_of(session, [row.id])[row.id]))
    if rule_id is not None:
        query = query.where(RuleRow.id == rule_id)
    rules = session.scalars(query).all()
    if not rules:
        raise InvalidInput(
            "The rules of this alert are gone.",
            field="rule_id" if rule_id is not None else "what",
            hint="Mute the brand instead.",
        )
    for rule in rules:
        rule.muted_until = until
        rule.updated_at = now
    if until is not None:
        held.withdraw(session, row.id)
    ids = [rule.id for rule in rules]
    return "muted", {"what": what, "rules": ids, "until": until and until.isoformat()}


def _planned(
    session: Session,
    row: AlertRow,
    *,
    now: datetime,
    by: str,
    user_id: int | None,
    name: str,
    until: datetime,
    factor: float | None = None,
    kind: str = "campaign",
) -> _Told:
    if row.verdict == "planned":
        raise InvalidInput("This alert is in the calendar already.", field="action")
    onset = session.scalar(select(func.min(SpikeRow.onset_at)).where(SpikeRow.alert_id == row.id))
    event = planned.create(
        session,
        name=name,
        from_at=onset or row.opened_at,
        to_at=until,
        brand_id=row.brand_id,
        kind=kind,
        factor=factor,
        by=by,
        now=now,
    )
    row.verdict, row.verdict_at = "planned", now
    _see_to(session, row, now=now, user_id=user_id)
    _close(session, row, now=now)
    return "planned", {
        "event_id": event.id,
        "name": event.name,
        "until": until.isoformat(),
        "factor": factor,
    }


def _mark(
    session: Session,
    row: AlertRow,
    *,
    now: datetime,
    by: str,
    user_id: int | None,
    verdict: str | None,
) -> _Told:
    if verdict is not None and verdict not in VERDICTS:
        raise InvalidInput(f"A verdict is one of {', '.join(VERDICTS)}.", field="verdict")
    was = row.verdict
    if was == verdict:
        return None
    if was == "planned":
        _unplan(session, row)
    row.verdict = verdict
    row.verdict_at = None if verdict is None else now
    if verdict is not None:
        _see_to(session, row, now=now, user_id=user_id)
    if verdict == "false":
        _close(session, row, now=now)
    elif was in ("false", "planned"):
        _open_again(session, row)
    # As it is now: what the alert grows to later was not judged.
    scores = rules_of(session, [row.id])[row.id]
    bars = session.execute(
        select(RuleRow.id, RuleRow.strictness).where(RuleRow.id.in_(scores)).order_by(RuleRow.id)
    )
    return "marked", {
        "verdict": verdict,
        "was": was,
        "scores": {str(id_): score for id_, score in scores.items()},
        "bars": {str(id_): bar for id_, bar in bars},
    }


def _note(
    session: Session, row: AlertRow, *, now: datetime, by: str, user_id: int | None, text: str
) -> _Told:
    text = text.replace("\0", " ").strip()
    if not text:
        raise InvalidInput("A note needs words.", field="text")
    if len(text) > NOTE_LENGTH:
        raise InvalidInput(f"A note has at most {NOTE_LENGTH} characters.", field="text")
    return "note", {"text": text}


_ACTIONS: Mapping[str, Callable[..., _Told]] = {
    "acknowledge": _acknowledge,
    "assign": _assign,
    "snooze": _snooze,
    "mute": _mute,
    "planned": _planned,
    "mark": _mark,
    "note": _note,
}


def _check_until(until: datetime, now: datetime, longest: timedelta) -> None:
    if until.tzinfo is None:
        raise InvalidInput("A time needs a time zone.", field="until")
    if not now < until <= now + longest:
        raise InvalidInput(f"That is not within the next {longest.days} days.", field="until")


def _see_to(session: Session, row: AlertRow, *, now: datetime, user_id: int | None) -> None:
    """Somebody knows of it: nobody needs to be reminded."""
    if row.acknowledged_at is None:
        row.acknowledged_at, row.acknowledged_by = now, user_id
    row.waiting_since = None
    held.withdraw(session, row.id)


def _close(session: Session, row: AlertRow, *, now: datetime) -> None:
    """End it by word of people, and tell those who heard of it."""
    row.snoozed_until = row.grown_at = None
    held.withdraw(session, row.id, held=True)
    if row.state != "open":
        return
    row.state, row.resolved_at = "resolved", now
    row.summary = summary_of(row, spikes.of_alert(session, row.id))
    refs = refs_of(session, row.id) | {"verdict": row.verdict}
    for channel_id, heard in held.told(session, row.id).items():
        if heard:
            held.queue(
                session,
                channel_id=channel_id,
                alert_id=row.id,
                event="alert.resolved",
                event_key=_key(now),
                refs=refs,
                now=now,
            )


def _open_again(session: Session, row: AlertRow) -> None:
    """It was closed by mistake: it goes on if its spikes do. Nobody is told."""
    if any(spike.state == "open" for spike in spikes.of_alert(session, row.id)):
        row.state, row.resolved_at, row.summary = "open", None, None


def _unplan(session: Session, row: AlertRow) -> None:
    """Take out of the calendar what was put in for this alert, if it is still there."""
    made = session.scalar(
        select(AlertEventRow)
        .where(AlertEventRow.alert_id == row.id, AlertEventRow.kind == "planned")
        .order_by(AlertEventRow.id.desc())
        .limit(1)
    )
    if made is not None:
        event = session.get(PlannedEventRow, made.detail.get("event_id"))
        if event is not None:
            session.delete(event)


def _key(now: datetime) -> str:
    return str(to_us(now))
