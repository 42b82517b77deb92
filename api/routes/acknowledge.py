"""``POST /api/v1/acknowledge/{token}``: what the link in a message is good for, without a key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from fastapi import Path as InPath
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.deps import Json, Now, Services, ServicesDep
from api.routes.schemas import Body
from listener.alert.links import read_token
from listener.errors import NotFound
from listener.store import alerts, channels, history, spikes
from listener.store.access import User
from listener.store.tables import AlertRow, BrandRow

router = APIRouter(prefix="/api/v1", tags=["alerts"])

NAME_LENGTH = 60
Token = Annotated[str, InPath(max_length=200, description="The last part of the message's link.")]


class AcknowledgeIn(Body):
    """Who has seen it, if they care to say."""

    name: str = Field("", max_length=NAME_LENGTH, examples=["Minji"])


class AcknowledgeOut(BaseModel):
    """The alert, as it stands now."""

    alert_id: int
    acknowledged_at: datetime
    acknowledged_by: str = Field(description="Who was first to say so.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What somebody who holds a link is shown: no more than the message said already."""

    alert_id: int
    brand: str
    dimension: str
    state: str
    opened_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str


@router.post(
    "/acknowledge/{token}", response_model=AcknowledgeOut, operation_id="acknowledge_by_link"
)
def acknowledge_by_link(
    services: ServicesDep, now: Now, token: Token, body: AcknowledgeIn | None = None
) -> Response:
    """Acknowledge the alert of a message by its link: the token is all that is needed.

    It is good for that alert only, for seven days. Doing it again changes nothing.
    """
    seen = acknowledge(services, token, name=body.name if body else "", user=None, now=now)
    return Json(
        {
            "alert_id": seen.alert_id,
            "acknowledged_at": seen.acknowledged_at,
            "acknowledged_by": seen.acknowledged_by,
        }
    )


def look(services: Services, token: str, *, now: datetime) -> Seen:
    """The alert that a token is good for; changes nothing. Raises NotFound, LinkExpired."""
    claim = read_token(services.secrets, token, now=now)
    with services.database.read() as session:
        return _seen(session, history.get_alert(session, claim.alert_id))


def acknowledge(
    services: Services, token: str, *, name: str, user: User | None, now: datetime
) -> Seen:
    """Acknowledge by a token, as that user, or else in the name of the channel that it was sent to.

    Raises NotFound, LinkExpired.
    """
    claim = read_token(services.secrets, token, now=now)
    with services.database.write() as work:
        by = user.name or user.email if user else _by(work.session, claim.channel_id, name)
        row = alerts.act(
            work.session,
            claim.alert_id,
            "acknowledge",
            by=by,
            user_id=user.id if user else None,
            now=now,
        )
        work.commit()
        return _seen(work.session, row)


def _by(session: Session, channel_id: int, name: str) -> str:
    try:
        channel = channels.get(session, channel_id).name
    except NotFound:  # it was removed since
        channel = "link"
    name = " ".join(name.split())[:NAME_LENGTH]
    return f"{name} ({channel})" if name else channel


def _seen(session: Session, row: AlertRow) -> Seen:
    rows = spikes.of_alert(session, row.id)
    lead = max(rows, key=lambda one: one.score, default=None)
    return Seen(
        alert_id=row.id,
        brand=session.get_one(BrandRow, row.brand_id).name,
        dimension=lead.dimension if lead else "all",
        state=row.state,
        opened_at=row.opened_at,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=alerts.acknowledged_by(session, row),
    )
