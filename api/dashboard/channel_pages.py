"""Alert channels: where alerts go, a test, and what became of each message."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy import delete
from starlette.responses import Response

from api.dashboard import names
from api.dashboard.forms import Form, Sent
from api.dashboard.view import PageView, View
from api.deps import MadeChannel
from api.routes.schemas import Id
from listener.errors import ListenerError
from listener.store import channels, history, jobs, outbox
from listener.store.tables import ChannelRow, OutboxRow

router = APIRouter()

_ATTEMPTS = 30


@router.get("/channels")
def listing(view: PageView) -> Response:
    """All channels and the latest attempts."""
    return _page(view, Form({"language": view.language}))


@router.post("/channels")
def add(view: PageView, form: Sent) -> Response:
    """Add a channel; a webhook's secret is shown in the answer and never again."""
    if not form.get("name") or len(form.get("name")) > 100:
        form.errors["name"] = view.say("이름을 100자 안으로 적어 주세요.", "Write a name.")
    if not form.get("address"):
        form.errors["address"] = view.say("보낼 주소를 적어 주세요.", "Write an address.")
    made: MadeChannel | None = None
    if not form.errors:
        try:
            made = view.services.wiring.add_channel(
                name=form.get("name"),
                address=form.get("address"),
                kind="",
                language=form.get("language") if form.get("language") in ("ko", "en") else "",
                secret=None,
            )
        except ListenerError as error:
            at = "name" if error.code == "conflict" else "address"
            form.blame(error, view.say, place=at)
    if made is None:
        return _page(view, form, status=422)
    if form.get("wants") in names.WANTS:
        with view.services.database.write() as work:
            channels.get(work.session, made.id).wants = form.get("wants")
            work.commit()
    if made.secret is None:
        return view.go("/channels", "saved")
    return _page(view, Form({"language": view.language}), made=made)


def _page(
    view: View, form: Form, *, status: int = 200, made: MadeChannel | None = None
) -> Response:
    with view.services.database.read() as session:
        found = channels.listing(session)
        sent = history.deliveries(session, limit=_ATTEMPTS)
    return view.render("channels.html", status, found=found, sent=sent, form=form, made=made)


@router.get("/channels/sent")
def sent(view: PageView) -> Response:
    """The latest attempts: the page asks for them again and again."""
    with view.services.database.read() as session:
        rows = history.deliveries(session, limit=_ATTEMPTS)
    return view.render("_sent.html", sent=rows)


@router.post("/channels/{channel_id}/test")
def test(view: PageView, channel_id: Id) -> Response:
    """Send a test message."""
    with view.services.database.write() as work:
        channels.get(work.session, channel_id)
        jobs.ask(work.session, "test-channel", {"channel_id": channel_id}, now=view.now)
        work.commit()
    return view.go("/channels", "test-sent")


@router.post("/channels/{channel_id}/switch")
def switch(view: PageView, channel_id: Id, form: Sent) -> Response:
    """Switch it on or off."""
    with view.services.database.write() as work:
        channels.get(work.session, channel_id).enabled = form.get("enabled") == "yes"
        work.commit()
    return view.go("/channels", "saved")


@router.post("/channels/{channel_id}/wants")
def want(view: PageView, channel_id: Id, form: Sent) -> Response:
    """Choose what goes there: alerts, notices or both."""
    if form.get("wants") in names.WANTS:
        with view.services.database.write() as work:
            channels.get(work.session, channel_id).wants = form.get("wants")
            work.commit()
    return view.go("/channels", "saved")


@router.post("/channels/{channel_id}/remove")
def remove(view: PageView, channel_id: Id) -> Response:
    """Remove it with what was to be sent, and was sent, over it."""
    with view.services.database.write() as work:
        channels.get(work.session, channel_id)
        work.session.execute(delete(ChannelRow).where(ChannelRow.id == channel_id))
        work.commit()
    return view.go("/channels", "channel-removed")


@router.post("/messages/{outbox_id}/retry")
def retry(view: PageView, outbox_id: Id, form: Sent) -> Response:
    """Try a message again that was given up."""
    with view.services.database.write() as work:
        outbox.revive(work.session, outbox_id, now=view.now)
        row = work.session.get(OutboxRow, outbox_id)
        work.commit()
    spike = form.get("spike")
    back = f"/spikes/{spike}" if row is not None and spike.isdecimal() else "/channels"
    return view.go(back, "retried")
