"""The calendar: public holidays as they are known, and what people have planned."""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.dashboard.forms import Form, Sent
from api.dashboard.view import PageView, View, href
from api.routes.schemas import Id
from listener.detect.calendar import holidays_of
from listener.errors import InvalidInput, ListenerError
from listener.store import brands, planned
from listener.store.tables import PlannedEventRow
from listener.types import Brand

router = APIRouter()

HOME = "/calendar"
_DAY = timedelta(days=1)
_AHEAD = timedelta(days=400)  # of holidays to come, so many days are looked through
_NEXT = 5  # of them so many are shown
_OVER = 20  # of what is over so many are listed


@dataclass(frozen=True, slots=True)
class Shown:
    """A planned event with its days in the workspace."""

    row: PlannedEventRow
    first: date
    last: date
    brand: str | None
    when: str
    is_past: bool
    is_now: bool


@dataclass(frozen=True, slots=True)
class Square:
    """A day of the month at hand, or one of the weeks around it."""

    day: date
    is_within: bool
    is_today: bool
    holiday: str
    events: Sequence[Shown]


@router.get(HOME)
def month(view: PageView) -> Response:
    """A month with its holidays and events, and the form of a new one."""
    query = view.request.query_params
    given = {name: query.get(name, "") for name in ("brand", "name", "from_day", "to_day")}
    return _page(view, Form({"kind": "campaign", "expect": "quiet", **given}))


@router.post(HOME)
def add(view: PageView, form: Sent) -> Response:
    """Put an event into the calendar."""
    fields = _typed(view, form)
    if not form.errors:
        try:
            with view.services.database.write() as work:
                planned.create(work.session, **fields, by=_who(view), now=view.now)
                work.commit()
            return view.go(href(HOME, month=form.get("from_day")[:7]), "planned-added")
        except ListenerError as error:
            _blame(form, error, view)
    return _page(view, form, status=422)


@router.get(HOME + "/{event_id}")
def edit(view: PageView, event_id: Id) -> Response:
    """The form of an event."""
    with view.services.database.read() as session:
        row = planned.row_of(session, event_id)
        return _event_page(view, Form(_values(view, row)), row, brands.listing(session))


@router.post(HOME + "/{event_id}")
def change(view: PageView, event_id: Id, form: Sent) -> Response:
    """Change an event."""
    fields = _typed(view, form)
    if not form.errors:
        try:
            with view.services.database.write() as work:
                planned.update(work.session, event_id, **fields)
                work.commit()
            return view.go(href(HOME, month=form.get("from_day")[:7]), "saved")
        except ListenerError as error:
            _blame(form, error, view)
    with view.services.database.read() as session:
        row = planned.row_of(session, event_id)
        return _event_page(view, form, row, brands.listing(session), status=422)


@router.post(HOME + "/{event_id}/remove")
def remove(view: PageView, event_id: Id) -> Response:
    """Take an event out."""
    with view.services.database.write() as work:
        planned.remove(work.session, event_id)
        work.commit()
    return view.go(HOME, "planned-removed")


def _who(view: View) -> str:
    return (view.user.name or view.user.email) if view.user else ""


# --- what was typed ------------------------------------------------------------------------------


def _typed(view: View, form: Form) -> dict[str, Any]:
    """The fields of an event, with what is wrong in the form's errors."""
    first = _day(view, form, "from_day")
    last = _day(view, form, "to_day") if form.get("to_day") else first
    begin, end = _time(view, form, "from_time"), _time(view, form, "to_time")
    fields: dict[str, Any] = {
        "name": form.get("name"),
        "kind": form.get("kind") or "campaign",
        "brand_id": int(form.get("brand")) if form.get("brand").isdecimal() else None,
        "factor": _factor(view, form),
    }
    if not form.get("name"):
        form.errors["name"] = view.say("무엇인지 적어 주세요.", "Say what it is.")
    if first and last:
        fields["from_at"] = datetime.combine(first, begin or time(), view.say.tz)
        fields["to_at"] = (
            datetime.combine(last, end, view.say.tz)
            if end
            else datetime.combine(last + _DAY, time(), view.say.tz)
        )
    return fields


def _day(view: View, form: Form, name: str) -> date | None:
    try:
        found = date.fromisoformat(form.get(name))
    except ValueError:
        found = None
    if found is None or not 1990 <= found.year <= 2100:
        form.errors[name] = view.say("날짜를 골라 주세요.", "Choose a day.")
        return None
    return found


def _time(view: View, form: Form, name: str) -> time | None:
    if not form.get(name):
        return None
    try:
        return time.fromisoformat(form.get(name)).replace(tzinfo=None)
    except ValueError:
        form.errors[name] = view.say("시각은 09:30처럼 적어 주세요.", "Write a time such as 09:30.")
        return None


def _factor(view: View, form: Form) -> float | None:
    if form.get("expect") != "more":
        return None
    typed = form.get("factor").replace(",", ".")
    low, high = planned.FACTORS
    if re.fullmatch(r"\d{1,3}(\.\d{1,2})?", typed) and low <= float(typed) <= high:
        return float(typed)
    form.errors["factor"] = view.say(
        "평소의 몇 배일지 숫자로 적어 주세요. 예: 3",
        "Write how many times the usual, such as 3.",
    )
    return None


def _blame(form: Form, error: ListenerError, view: View) -> None:
    """The store's refusals are those of times; all else was looked at before."""
    field = error.field if isinstance(error, InvalidInput) else ""
    if field == "to_at" and "at most" in str(error):
        form.errors["to_day"] = view.say(
            "1년까지만 넣을 수 있습니다. 더 오래 가는 변화는 저절로 평소가 됩니다.",
            "A year at most: what lasts longer becomes the usual by itself.",
        )
    elif field == "to_at":
        form.errors["to_day"] = view.say("끝이 시작보다 빠릅니다.", "It ends before it begins.")
    else:
        form.blame(error, view.say)


def _values(view: View, row: PlannedEventRow) -> dict[str, str]:
    begin, end = view.say.local(row.from_at), view.say.local(row.to_at)
    is_whole = end.time() == time()
    return {
        "name": row.name,
        "kind": row.kind,
        "brand": str(row.brand_id or ""),
        "from_day": f"{begin:%Y-%m-%d}",
        "from_time": "" if begin.time() == time() else f"{begin:%H:%M}",
        "to_day": f"{(end - _DAY if is_whole else end):%Y-%m-%d}",
        "to_time": "" if is_whole else f"{end:%H:%M}",
        "expect": "quiet" if row.factor is None else "more",
        "factor": "" if row.factor is None else f"{row.factor:g}",
    }


# --- what is shown -------------------------------------------------------------------------------


def _page(view: View, form: Form, *, status: int = 200) -> Response:
    today = view.say.local(view.now).date()
    first = _month(view.request.query_params.get("month"), today)
    weeks = calendar.Calendar(firstweekday=6).monthdatescalendar(first.year, first.month)
    with view.services.database.read() as session:
        every = brands.listing(session)
        rows = planned.rows(session)
        names = {one.id: one.name for one in brands.listing(session, archived=True)}
    shown = [_shown(view, row, names) for row in rows]
    holidays = _holidays(view, weeks[0][0], weeks[-1][-1])
    ahead = _holidays(view, today, today + _AHEAD)
    return view.render(
        "calendar.html",
        status,
        form=form,
        brands=every,
        first=first,
        today=today,
        title=_title(view, first),
        before=f"{first - _DAY:%Y-%m}",
        after=f"{_next_month(first):%Y-%m}",
        weekdays=_weekdays(view),
        weeks=[[_square(day, first, today, holidays, shown) for day in week] for week in weeks],
        coming=[one for one in shown if not one.is_past],
        over=[one for one in reversed(shown) if one.is_past][:_OVER],
        country=view.services.settings.holidays.upper(),
        holidays=sorted(ahead.items())[:_NEXT],
    )


def _event_page(
    view: View, form: Form, row: PlannedEventRow, every: Sequence[Brand], *, status: int = 200
) -> Response:
    return view.render("planned.html", status, form=form, row=row, brands=every)


def _month(given: str | None, today: date) -> date:
    found = re.fullmatch(r"(\d{4})-(\d{2})", given or "")
    if found and 1990 <= int(found[1]) <= 2100 and 1 <= int(found[2]) <= 12:
        return date(int(found[1]), int(found[2]), 1)
    return today.replace(day=1)


def _next_month(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)


def _title(view: View, first: date) -> str:
    return view.say(f"{first.year}년 {first.month}월", f"{first:%B %Y}")


def _weekdays(view: View) -> list[str]:
    return (
        list("일월화수목금토") if view.language == "ko" else "Sun Mon Tue Wed Thu Fri Sat".split()
    )


def _holidays(view: View, since: date, until: date) -> dict[date, str]:
    country, years = view.services.settings.holidays, range(since.year, until.year + 1)
    if not country:
        return {}
    try:
        known = holidays_of(country, years, language=view.language)
    except InvalidInput:  # `listener doctor` tells of it
        return {}
    return {day: name for day, name in known.items() if since <= day <= until}


def _shown(view: View, row: PlannedEventRow, names: Mapping[int, str]) -> Shown:
    say = view.say
    begin, end = say.local(row.from_at), say.local(row.to_at)
    is_whole = begin.time() == time() and end.time() == time()
    last = (end - timedelta(microseconds=1)).date()
    if not is_whole:
        when = say.until(row.from_at, row.to_at)
    elif begin.date() == last:
        when = say.day(last, weekday=True)
    else:
        when = f"{say.day(begin.date(), weekday=True)} – {say.day(last, weekday=True)}"
    return Shown(
        row=row,
        first=begin.date(),
        last=last,
        brand=None if row.brand_id is None else names.get(row.brand_id),
        when=when,
        is_past=row.to_at <= view.now,
        is_now=row.from_at <= view.now < row.to_at,
    )


def _square(
    day: date, first: date, today: date, holidays: Mapping[date, str], shown: Sequence[Shown]
) -> Square:
    return Square(
        day=day,
        is_within=day.month == first.month,
        is_today=day == today,
        holiday=holidays.get(day, ""),
        events=[one for one in shown if one.first <= day <= one.last],
    )
