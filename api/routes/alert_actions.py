"""``/api/v1/alerts/{id}/…``: what people do with an alert, and its history."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field
from starlette.responses import Response

from api.auth import Principal, Who, Writes, name_of
from api.deps import Json, Now, Page, PageQuery, Services, ServicesDep, key_of, page_of
from api.routes.alerts import AlertOut, alerts_told
from api.routes.schemas import LARGEST_ID, Body, Id
from listener.store import alerts, history

router = APIRouter(prefix="/api/v1/alerts/{alert_id}", tags=["alerts"])


class AcknowledgeIn(Body):
    """Somebody sees to it, or nobody does after all."""

    undo: bool = Field(False, description="Take it back: people are reminded again.")


class AssignIn(Body):
    """Who takes care of it."""

    to: Annotated[int, Field(ge=1, le=LARGEST_ID)] | None = Field(
        description="A user's id; null: nobody in particular.", examples=[1]
    )


class SnoozeIn(Body):
    """Until when nothing is told of it."""

    until: AwareDatetime | None = Field(
        description="Then people are reminded, if it still goes on; null: wake it now."
    )


class MuteIn(Body):
    """Whose alerts are not told, and until when."""

    until: AwareDatetime | None = Field(description="At most a year away; null: tell them again.")
    what: Literal["rules", "brand"] = Field(
        "rules", description="The rules that wanted this alert, or all rules of its brand."
    )
    rule_id: Annotated[int, Field(ge=1, le=LARGEST_ID)] | None = Field(
        None, description="Only this one of them."
    )


class PlannedIn(Body):
    """What it was, for the calendar: from its onset on."""

    name: str = Field(min_length=1, max_length=200, examples=["봄 세일"])
    until: AwareDatetime = Field(description="When it ends.")
    kind: Literal["campaign", "launch", "other"] = "campaign"
    factor: float | None = Field(
        None,
        ge=0.1,
        le=100,
        description="How many times the usual is expected meanwhile; null: nothing is told of it, "
        "and nothing learnt from it.",
    )


class MarkIn(Body):
    """Whether it was worth telling."""

    verdict: Literal["right", "false"] | None = Field(
        description="`false` closes the alert; both teach its rules. Null takes the mark back."
    )


class NoteIn(Body):
    """Words for those who look at it later."""

    text: str = Field(min_length=1, max_length=alerts.NOTE_LENGTH)


class AlertEventOut(BaseModel):
    """One thing that happened to an alert, or that somebody did with it."""

    id: int
    at: datetime
    kind: str = Field(
        description="opened, told, raised, escalated, reminded, step, reopened, resolved; "
        "acknowledged, assigned, snoozed, muted, planned, marked, taught, note.",
        examples=["acknowledged"],
    )
    by: str = Field(description='Who; `""`: the service itself.', examples=["Mina"])
    detail: dict[str, Any] = Field(description="What else there is to say: see docs/alerts.md.")


@router.get("/history", response_model=Page[AlertEventOut], operation_id="list_alert_history")
def list_history(
    services: ServicesDep, alert_id: Id, query: Annotated[PageQuery, Query()]
) -> Response:
    """All that happened to an alert and what people did with it, the earliest first."""
    after = key_of(query.cursor, "alert-event")
    with services.database.read() as session:
        history.get_alert(session, alert_id)
        rows = alerts.events(session, alert_id, after_id=after, limit=query.limit + 1)
    told = [{name: getattr(row, name) for name in AlertEventOut.model_fields} for row in rows]
    return page_of(told, limit=query.limit, name="alert-event", key=lambda one: one["id"])


@router.post(
    "/acknowledge",
    response_model=AlertOut,
    operation_id="acknowledge_alert",
    dependencies=[Writes],
)
def acknowledge_alert(
    services: ServicesDep, now: Now, who: Who, alert_id: Id, body: AcknowledgeIn | None = None
) -> Response:
    """Say that you have seen it, so that nobody is reminded. Who was first stays."""
    undo = body is not None and body.undo
    return _act(services, who, now, alert_id, "acknowledge", undo=undo)


@router.post("/assign", response_model=AlertOut, operation_id="assign_alert", dependencies=[Writes])
def assign_alert(
    services: ServicesDep, now: Now, who: Who, alert_id: Id, body: AssignIn
) -> Response:
    """Say who takes care of it."""
    return _act(services, who, now, alert_id, "assign", to=body.to)


@router.post("/snooze", response_model=AlertOut, operation_id="snooze_alert", dependencies=[Writes])
def snooze_alert(
    services: ServicesDep, now: Now, who: Who, alert_id: Id, body: SnoozeIn
) -> Response:
    """Tell nothing of it for a while, at most 30 days; high severity that is new breaks that."""
    return _act(services, who, now, alert_id, "snooze", until=body.until)


@router.post("/mute", response_model=AlertOut, operation_id="mute_alert", dependencies=[Writes])
def mute_alert(services: ServicesDep, now: Now, who: Who, alert_id: Id, body: MuteIn) -> Response:
    """Let its rules, or all rules of the brand, tell nothing for a while."""
    return _act(services, who, now, alert_id, "mute", **body.model_dump())


@router.post("/planned", response_model=AlertOut, operation_id="plan_alert", dependencies=[Writes])
def plan_alert(
    services: ServicesDep, now: Now, who: Who, alert_id: Id, body: PlannedIn
) -> Response:
    """Say that it was planned: it goes into the calendar from its onset on, and is closed."""
    return _act(services, who, now, alert_id, "planned", **body.model_dump())


@router.post("/mark", response_model=AlertOut, operation_id="mark_alert", dependencies=[Writes])
def mark_alert(services: ServicesDep, now: Now, who: Who, alert_id: Id, body: MarkIn) -> Response:
    """Say whether it was right or false. Within seconds its rules have learnt from it."""
    return _act(services, who, now, alert_id, "mark", verdict=body.verdict)


@router.post("/notes", response_model=AlertOut, operation_id="note_on_alert", dependencies=[Writes])
def note_on_alert(
    services: ServicesDep, now: Now, who: Who, alert_id: Id, body: NoteIn
) -> Response:
    """Write a note into its history."""
    return _act(services, who, now, alert_id, "note", text=body.text)


def _act(
    services: Services, who: Principal, now: datetime, alert_id: int, action: str, **detail: Any
) -> Response:
    with services.database.write() as work:
        row = alerts.act(
            work.session,
            alert_id,
            action,
            by=name_of(who),
            user_id=who.user.id if who.user else None,
            now=now,
            **detail,
        )
        work.commit()
        return Json(alerts_told(work.session, [row])[0])
