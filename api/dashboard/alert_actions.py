"""What people do with an alert, as forms on its page: see to it, put it off, say what it was.

A page that shows an alert gives ``acting`` to its template and includes ``_alert_actions.html``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.dashboard import rule_words
from api.dashboard.forms import ANYWHERE, Form, Sent
from api.dashboard.names import Pair
from api.dashboard.view import PageView, View
from api.routes.schemas import Id
from listener.errors import InvalidInput, NotFound
from listener.store import access, alerts, brands, planned, rules, spikes
from listener.store.access import User
from listener.store.tables import AlertRow

router = APIRouter()

_MORNING = time(9)
# How long by code; None = until nine in the morning of a day that is worked out.
SNOOZES: Mapping[str, tuple[Pair, timedelta | None]] = {
    "1h": (("1시간", "1 hour"), timedelta(hours=1)),
    "3h": (("3시간", "3 hours"), timedelta(hours=3)),
    "8h": (("8시간", "8 hours"), timedelta(hours=8)),
    "morning": (("내일 아침 9시까지", "Until 9 tomorrow"), None),
    "monday": (("월요일 아침 9시까지", "Until 9 on Monday"), None),
}
MUTES: Mapping[str, tuple[Pair, timedelta | None]] = {
    "3h": (("3시간", "3 hours"), timedelta(hours=3)),
    "1d": (("하루", "a day"), timedelta(days=1)),
    "7d": (("1주", "a week"), timedelta(days=7)),
    "30d": (("30일", "30 days"), timedelta(days=30)),
}
_FLASHES = {
    "acknowledge": "acknowledged",
    "assign": "alert-assigned",
    "snooze": "alert-snoozed",
    "mute": "alert-muted",
    "planned": "alert-planned",
    "mark": "alert-marked",
    "note": "alert-noted",
}


@dataclass(frozen=True, slots=True)
class Acting:
    """An alert with what can be done about it now. ``form`` holds what was refused, if anything.

    ``failed`` is the action whose form to show open. ``rules`` are those that wanted the
    alert, by id.
    """

    alert: AlertRow
    brand: str
    back: str
    people: Sequence[User]
    names: Mapping[int, str]
    rules: Mapping[int, str]
    is_snoozed: bool
    muted_until: datetime | None
    today: date
    form: Form = field(default_factory=Form)
    failed: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.alert.state == "open"

    @property
    def assigned(self) -> str:
        """Who takes care, by name; empty where nobody was named."""
        return self.names.get(self.alert.assigned_to or 0, "")

    @property
    def snoozes(self) -> Mapping[str, tuple[Pair, timedelta | None]]:
        """How long it may be put off."""
        return SNOOZES

    @property
    def mutes(self) -> Mapping[str, tuple[Pair, timedelta | None]]:
        """How long its rules may be silent."""
        return MUTES

    @property
    def seen_by(self) -> str:
        """Who said that they have seen it; empty where a link did."""
        return self.names.get(self.alert.acknowledged_by or 0, "")


def acting(
    session: Session,
    view: View,
    alert: AlertRow | None,
    *,
    spike_id: int | None = None,
    form: Form | None = None,
    failed: str = "",
) -> Acting | None:
    """What ``_alert_actions.html`` needs; None where there is no alert to act on."""
    if alert is None:
        return None
    users = access.list_users(session)
    scores = alerts.rules_of(session, [alert.id])[alert.id]
    wanted = list(rules.by_ids(session, scores).values())
    muted = [one.muted_until for one in wanted if one.muted_until and one.muted_until > view.now]
    return Acting(
        alert=alert,
        brand=brands.get(session, alert.brand_id).name,
        back=str(spike_id or ""),
        people=[user for user in users if user.disabled_at is None],
        names={user.id: user.name or user.email for user in users},
        rules={rule.id: rule_words.title(view, rule) for rule in wanted},
        is_snoozed=alert.snoozed_until is not None and alert.snoozed_until > view.now,
        muted_until=max(muted) if wanted and len(muted) == len(wanted) else None,
        today=view.say.local(view.now).date(),
        form=form or Form(),
        failed=failed,
    )


@router.get("/alerts/{alert_id}")
def show(view: PageView, alert_id: Id) -> Response:
    """The page of an alert: that of its spike that says most."""
    with view.services.database.read() as session:
        if session.get(AlertRow, alert_id) is None:
            raise NotFound(f"There is no alert {alert_id}.")
        rows = spikes.of_alert(session, alert_id)
        if rows:
            lead = max(
                rows, key=lambda row: (row.state == "open", row.dimension != "all", row.score)
            )
            return view.go(f"/spikes/{lead.id}")
        return _page(session, view, alert_id, Form(), "", 200)


@router.post("/alerts/{alert_id}/{action}")
def act(view: PageView, alert_id: Id, action: str, form: Sent) -> Response:
    """Do one of the things, and come back to where it was asked for."""
    read = _READERS.get(action)
    if read is None:
        raise NotFound(f"Nothing of the name {action!r} can be done with an alert.")
    detail = read(view, form)
    if not form.errors:
        try:
            with view.services.database.write() as work:
                alerts.act(work.session, alert_id, action, **_by(view), now=view.now, **detail)
                work.commit()
            back = form.get("spike")
            path = f"/spikes/{back}" if back.isdecimal() else f"/alerts/{alert_id}"
            return view.go(f"{path}#alert", _FLASHES[action])
        except InvalidInput as error:
            form.errors[_FIELDS.get(error.field or "", ANYWHERE)] = _refused(view, error)
    with view.services.database.read() as session:
        return _page(session, view, alert_id, form, action, 422)


def _page(
    session: Session, view: View, alert_id: int, form: Form, failed: str, status: int
) -> Response:
    alert = session.get(AlertRow, alert_id)
    if alert is None:
        raise NotFound(f"There is no alert {alert_id}.")
    back = int(form.get("spike")) if form.get("spike").isdecimal() else None
    made = acting(session, view, alert, spike_id=back, form=form, failed=failed)
    return view.render("alert.html", status, acting=made)


def _by(view: View) -> dict[str, Any]:
    assert view.user is not None  # noqa: S101 - page_view lets nobody else in
    return {"by": view.user.name or view.user.email, "user_id": view.user.id}


# --- what was typed, by action -------------------------------------------------------------------


def _acknowledge(view: View, form: Form) -> dict[str, Any]:
    return {"undo": form.get("undo") == "yes"}


def _assign(view: View, form: Form) -> dict[str, Any]:
    if form.get("to") == "me" and view.user:
        return {"to": view.user.id}
    return {"to": int(form.get("to")) if form.get("to").isdecimal() else None}


def _snooze(view: View, form: Form) -> dict[str, Any]:
    return {"until": None if form.get("undo") else _until(view, form, SNOOZES)}


def _mute(view: View, form: Form) -> dict[str, Any]:
    what = form.get("what") or "rules"
    return {"what": what, "until": None if form.get("undo") else _until(view, form, MUTES)}


def _planned(view: View, form: Form) -> dict[str, Any]:
    say = view.say
    if not form.get("name"):
        form.errors["name"] = say("무슨 일이었는지 적어 주세요.", "Say what it was.")
    try:
        last = date.fromisoformat(form.get("until"))
    except ValueError:
        last = date.min
    ends = datetime.combine(last, time(), say.tz) + timedelta(days=1) if last > date.min else None
    if ends is None or not view.now < ends <= view.now + planned.LONGEST - timedelta(days=1):
        form.errors["until"] = say(
            "오늘부터 1년 안의 날짜를 골라 주세요.", "Choose a day from today on, within a year."
        )
    return {
        "name": form.get("name"),
        "until": ends,
        "factor": _factor(view, form),
        "kind": form.get("kind") or "campaign",
    }


def _factor(view: View, form: Form) -> float | None:
    if form.get("expect") != "more":
        return None
    typed = form.get("factor").replace(",", ".")
    low, high = planned.FACTORS
    if re.fullmatch(r"\d{1,3}(\.\d{1,2})?", typed) and low <= float(typed) <= high:
        return float(typed)
    form.errors["factor"] = view.say("숫자로 적어 주세요. 예: 3", "Write a number, such as 3.")
    return None


def _mark(view: View, form: Form) -> dict[str, Any]:
    return {"verdict": form.get("verdict") or None}


def _note(view: View, form: Form) -> dict[str, Any]:
    if not form.get("text"):
        form.errors["text"] = view.say("메모를 적어 주세요.", "Write a note.")
    elif len(form.get("text")) > alerts.NOTE_LENGTH:
        form.errors["text"] = view.say(
            "메모가 너무 깁니다. 2,000자까지 적을 수 있습니다.", "2,000 characters at most."
        )
    return {"text": form.get("text")}


_READERS = {
    "acknowledge": _acknowledge,
    "assign": _assign,
    "snooze": _snooze,
    "mute": _mute,
    "planned": _planned,
    "mark": _mark,
    "note": _note,
}
# Fields of the store by what they are called in the forms.
_FIELDS = {name: name for name in ("name", "until", "factor", "text", "to", "what", "verdict")}


def _until(
    view: View, form: Form, lengths: Mapping[str, tuple[Pair, timedelta | None]]
) -> datetime | None:
    found = lengths.get(form.get("until"))
    if found is None:
        form.errors["until"] = view.say("언제까지인지 골라 주세요.", "Choose until when.")
        return None
    length = found[1]
    if length is not None:
        return view.now + length
    today = view.say.local(view.now).date()
    days = 1 if form.get("until") == "morning" else 7 - today.weekday()
    return datetime.combine(today + timedelta(days=days), _MORNING, view.say.tz)


def _refused(view: View, error: InvalidInput) -> str:
    """Why it could not be done, in words; these are the few that a form may run into."""
    for begins, ko in (
        ("This alert is over", "이미 끝난 알림입니다."),
        ("The rules of this alert", "이 알림을 울린 규칙이 이제 없습니다. 브랜드 전체를 고르세요."),
        ("This alert is in the calendar", "이미 일정에 넣은 알림입니다."),
        ("There is no user", "그 사람은 이제 없습니다. 다른 사람을 골라 주세요."),
    ):
        if error.message.startswith(begins):
            return view.say(ko, str(error))
    return view.say("이 값은 쓸 수 없습니다. 다시 골라 주세요.", str(error))
