"""Alert channels: where alerts go, a test, what became of each message, and what was given up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from fastapi import APIRouter
from sqlalchemy import delete
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.dashboard import names
from api.dashboard.forms import Form, Sent
from api.dashboard.view import PageView, View
from api.deps import MadeChannel
from api.routes.schemas import Id
from listener.alert.services import BY_NAME, SERVICES, Service, build_address, service_of
from listener.errors import InvalidInput, ListenerError, NotFound
from listener.store import channels, history, jobs, outbox
from listener.store.tables import ChannelRow, JobRow, OutboxRow

router = APIRouter()

LATELY = timedelta(days=7)  # for so long a message that was given up is a warning
_ATTEMPTS = 30
_DEAD = 50
_FIELD = "field-"  # before the names of a service's fields: they might be called like ours


@router.get("/channels")
def listing(view: PageView) -> Response:
    """All channels and the latest attempts."""
    service = view.request.query_params.get("service", "")
    return _page(view, Form({"language": view.language, "service": service}))


@router.get("/channels/fields")
def fields(view: PageView) -> Response:
    """What the chosen service asks for: the form fetches it when another one is chosen."""
    chosen = BY_NAME.get(view.request.query_params.get("service", ""), SERVICES[0])
    return view.render("_channel_fields.html", chosen=chosen, form=Form(), prefix=_FIELD)


@router.post("/channels")
def add(view: PageView, form: Sent) -> Response:
    """Add a channel; a webhook's secret is shown in the answer and never again."""
    if not form.get("name") or len(form.get("name")) > 100:
        form.errors["name"] = view.say("이름을 100자 안으로 적어 주세요.", "Write a name.")
    service = BY_NAME.get(form.get("service"))
    address = form.get("address") if service is None else _address(view, service, form)
    if not address and not form.errors:
        form.errors["address"] = view.say("보낼 주소를 적어 주세요.", "Write an address.")
    made: MadeChannel | None = None
    if not form.errors:
        try:
            made = view.services.wiring.add_channel(
                name=form.get("name"),
                address=address,
                kind="",
                language=form.get("language") if form.get("language") in ("ko", "en") else "",
                secret=None,
            )
        except ListenerError as error:
            at = "name" if error.code == "conflict" else _place(service)
            form.errors.setdefault(at, _why(view, error))
    if made is None:
        return _page(view, form, status=422)
    if form.get("wants") in names.WANTS:
        with view.services.database.write() as work:
            channels.get(work.session, made.id).wants = form.get("wants")
            work.commit()
    if made.secret is None:
        return view.go("/channels", "saved")
    return _page(view, Form({"language": view.language}), made=made)


def _address(view: View, service: Service, form: Form) -> str:
    """The address that the fields make; "" with errors in the form where they make none."""
    typed = {field.name: form.get(_FIELD + field.name) for field in service.fields}
    missing = [f for f in service.fields if f.required and not (typed[f.name] or f.default)]
    for field in missing:
        form.errors[_FIELD + field.name] = view.say("꼭 적어야 하는 칸입니다.", "This is needed.")
    if missing:
        return ""
    try:
        return build_address(service.name, typed)
    except InvalidInput as error:
        example = next((f.example for f in service.fields if f.name == error.field), "")
        form.errors[_FIELD + (error.field or service.fields[0].name)] = view.say(
            "이 서비스의 주소나 값이 아닙니다. 예: {e}",
            "This is no address or value of that service. Such as: {e}",
            e=example or service.form,
        )
        return ""


def _place(service: Service | None) -> str:
    """The field to blame for an address that cannot be used."""
    return "address" if service is None else _FIELD + service.fields[0].name


def _why(view: View, error: ListenerError) -> str:
    blamed = Form()
    blamed.blame(error, view.say, place="address")
    said = next(iter(blamed.errors.values()))
    if view.language == "ko" and isinstance(error, InvalidInput):
        return "Apprise가 아는 주소가 아닙니다. 형식과 토큰을 다시 확인해 주세요."
    return said


def _page(
    view: View, form: Form, *, status: int = 200, made: MadeChannel | None = None
) -> Response:
    tested = view.request.query_params.get("tested", "")
    with view.services.database.read() as session:
        found = channels.listing(session)
        sent = history.deliveries(session, limit=_ATTEMPTS)
        dead = outbox.listing(session, state="dead", limit=_DEAD)
        given_up = outbox.dead_by_channel(session)
        job = _test(session, int(tested)) if tested.isdecimal() and len(tested) < 16 else None
    return view.render(
        "channels.html",
        status,
        found=found,
        sent=sent,
        dead=dead,
        given_up=given_up,
        job=job,
        test=None,
        form=form,
        made=made,
        services=SERVICES,
        service_of=service_of,
        chosen=BY_NAME.get(form.get("service"), SERVICES[0]),
        prefix=_FIELD,
    )


@router.get("/channels/sent")
def sent(view: PageView) -> Response:
    """The latest attempts: the page asks for them again and again."""
    with view.services.database.read() as session:
        rows = history.deliveries(session, limit=_ATTEMPTS)
    return view.render("_sent.html", sent=rows)


@router.post("/channels/{channel_id}/test")
def test(view: PageView, channel_id: Id) -> Response:
    """Send a test message; its result appears on the page."""
    with view.services.database.write() as work:
        channels.get(work.session, channel_id)
        job_id = jobs.ask(work.session, "test-channel", {"channel_id": channel_id}, now=view.now)
        work.commit()
    return view.go(f"/channels?tested={job_id}#channel-{channel_id}", "test-sent")


@router.get("/channels/test/{job_id}")
def tested(view: PageView, job_id: Id) -> Response:
    """What came of a test so far."""
    with view.services.database.read() as session:
        job = _test(session, job_id)
        if job is None:
            raise NotFound(f"There is no test {job_id}.")
        message_id = (job.result or {}).get("message_id")
        found = outbox.listing(session, message_id=str(message_id)) if message_id else []
    return view.render("_channel_test.html", job=job, test=next(iter(found), None))


def _test(session: Session, job_id: int) -> JobRow | None:
    job = session.get(JobRow, job_id)
    return job if job is not None and job.kind == "test-channel" else None


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


@router.post("/channels/{channel_id}/retry")
def retry_all(view: PageView, channel_id: Id) -> Response:
    """Try all messages of the channel again that were given up."""
    with view.services.database.write() as work:
        channels.get(work.session, channel_id)
        outbox.revive_all(work.session, channel_id, now=view.now)
        work.commit()
    return view.go("/channels", "retried")


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


def undelivered(session: Session, view: View) -> Sequence[tuple[str, int]]:
    """Channels to which messages were given up lately, with how many: a warning on the overview."""
    counts = outbox.dead_by_channel(session, since=view.now - LATELY)
    return [(one.name, counts[one.id]) for one in channels.listing(session) if one.id in counts]
