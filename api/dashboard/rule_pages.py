"""Rules of alerts: what is worth an alert and who is told, as sentences that people change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fastapi import APIRouter
from sqlalchemy import case, func, select
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.dashboard import backtest_pages, rule_form, rule_words
from api.dashboard.forms import Form, Sent
from api.dashboard.view import PageView, View, href
from api.routes.schemas import Id
from listener.errors import InvalidInput
from listener.store import brands, channels, rules
from listener.store.tables import AlertRow, AlertRuleRow
from listener.types import Brand, Rule, Signal

router = APIRouter()

HOME = "/rules"
_LATELY = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Record:
    """What a rule did lately: alerts that it wanted, and what people said of them."""

    alerts: int = 0
    right: int = 0
    false: int = 0


@dataclass(frozen=True, slots=True)
class Shown:
    """A rule in the list."""

    rule: Rule
    title: str
    sentence: str
    conditions: Sequence[str]
    record: Record
    is_muted: bool


@router.get(HOME)
def listing(view: PageView) -> Response:
    """All rules in words, by brand."""
    wanted = view.request.query_params.get("brand", "")
    with view.services.database.read() as session:
        every = brands.listing(session)
        if wanted not in {str(brand.id) for brand in every}:
            wanted = ""
        groups = [
            (brand, _shown(session, view, brand))
            for brand in sorted(every, key=lambda one: (one.competitor, one.name))
            if wanted in ("", str(brand.id))
        ]
        has_channel = bool(_channel_names(session))
    return view.render(
        "rules.html",
        groups=groups,
        words=rule_words,
        brands=every,
        chosen=wanted,
        has_channel=has_channel,
    )


@router.get(HOME + "/new")
def new(view: PageView) -> Response:
    """The form of a new rule."""
    query = view.request.query_params
    with view.services.database.read() as session:
        every = brands.listing(session)
    if not every:
        return view.go(HOME)  # which tells where to begin
    known = {str(brand.id) for brand in every}
    first = next((str(one.id) for one in every if not one.competitor), "")
    rule = Rule(id=0, brand_id=0, name="", signal=Signal.COMPLAINTS)
    brand = query.get("brand", "")
    values = rule_form.values_of(view, rule) | {"brand": brand if brand in known else first}
    return _form(view, Form(values), None)


@router.post(HOME + "/new")
def add(view: PageView, form: Sent) -> Response:
    """Save a new rule, or try it on the past."""
    return _sent(view, form, None)


@router.post(HOME + "/hint")
def hint(view: PageView, form: Sent) -> Response:
    """How often the rule as typed would have told something in the last 30 days."""
    present = None
    if form.get("id").isdecimal():
        with view.services.database.read() as session:
            present = rules.by_ids(session, [int(form.get("id"))]).get(int(form.get("id")))
    rule = rule_form.rule_of(view, form, present)
    job_id = None if rule is None else backtest_pages.ask_hint(view, rule)
    return view.render("_rule_hint.html", job_id=job_id, sentence=_line(view, rule))


@router.get(HOME + "/{rule_id}")
def edit(view: PageView, rule_id: Id) -> Response:
    """The form of a rule."""
    with view.services.database.read() as session:
        rule = rules.get(session, rule_id)
    return _form(view, Form(rule_form.values_of(view, rule)), rule)


@router.post(HOME + "/{rule_id}")
def change(view: PageView, rule_id: Id, form: Sent) -> Response:
    """Change a rule, or try the change on the past."""
    with view.services.database.read() as session:
        rule = rules.get(session, rule_id)
    form.values["brand"] = str(rule.brand_id)  # a rule stays with its brand
    return _sent(view, form, rule)


@router.post(HOME + "/{rule_id}/switch")
def switch(view: PageView, rule_id: Id, form: Sent) -> Response:
    """Switch a rule on or off."""
    with view.services.database.write() as work:
        rule = rules.update(
            work.session, rule_id, enabled=form.get("enabled") == "yes", now=view.now
        )
        work.commit()
    return view.go(f"{_back(form, rule)}#r{rule_id}", "saved")


@router.post(HOME + "/{rule_id}/unmute")
def unmute(view: PageView, rule_id: Id, form: Sent) -> Response:
    """Let a muted rule tell again."""
    with view.services.database.write() as work:
        rule = rules.update(work.session, rule_id, muted_until=None, now=view.now)
        work.commit()
    return view.go(f"{_back(form, rule)}#r{rule_id}", "saved")


@router.post(HOME + "/{rule_id}/forget")
def forget(view: PageView, rule_id: Id) -> Response:
    """Forget what marks have taught the rule."""
    with view.services.database.write() as work:
        rules.update(work.session, rule_id, strictness=0.0, now=view.now)
        work.commit()
    return view.go(f"{HOME}/{rule_id}", "saved")


@router.post(HOME + "/{rule_id}/remove")
def remove(view: PageView, rule_id: Id) -> Response:
    """Remove a rule; its alerts stay."""
    with view.services.database.write() as work:
        rules.delete(work.session, rule_id)
        work.commit()
    return view.go(HOME, "rule-removed")


def _back(form: Form, rule: Rule) -> str:
    return href(HOME, brand=rule.brand_id if form.get("only") else None)


def _sent(view: View, form: Form, present: Rule | None) -> Response:
    rule = rule_form.rule_of(view, form, present)
    if rule is None:
        return _form(view, form, present, status=422)
    action = form.get("action")
    if action == "hint":
        return _form(view, form, present, job_id=backtest_pages.ask_hint(view, rule))
    if action == "test":
        return backtest_pages.begin(view, rule)
    try:
        rule_id = save(view, rule)
    except InvalidInput as error:
        rule_form.blame(view, form, error)
        return _form(view, form, present, status=422)
    return view.go(f"{HOME}#r{rule_id}", "rule-saved")


def save(view: View, rule: Rule) -> int:
    """Store a rule as it is, a new one or a changed one; gives its id. Raises InvalidInput,
    NotFound.
    """
    with view.services.database.write() as work:
        if rule.id:
            fields = {name: getattr(rule, name) for name in _CHANGED}
            rules.update(work.session, rule.id, now=view.now, **fields)
            rule_id = rule.id
        else:
            brands.get(work.session, rule.brand_id)
            rule_id = rules.add(work.session, rule, now=view.now).id
        work.commit()
    return rule_id


_CHANGED = (
    *("name", "signal", "scope", "by", "sensitivity", "min_count", "severity", "quiet_from"),
    *("quiet_to", "working_days", "steps", "remind_every", "enabled"),
)


# --- what is shown -------------------------------------------------------------------------------


def _line(view: View, rule: Rule | None) -> str:
    """The sentence of a rule as it was typed."""
    if rule is None:
        return ""
    with view.services.database.read() as session:
        brand = brands.get(session, rule.brand_id).name
        return rule_words.sentence(view, rule, brand, _channel_names(session))


def _channel_names(session: Session) -> dict[int, str]:
    return {row.id: row.name for row in channels.listing(session)}


def _form(
    view: View,
    form: Form,
    rule: Rule | None,
    *,
    status: int = 200,
    job_id: int | None = None,
) -> Response:
    with view.services.database.read() as session:
        offered = rule_form.choices(session, view, form)
        typed = rule_form.rule_of(view, Form(dict(form.values)), rule) if job_id else rule
        line = ""
        brand: Brand | None = None
        if rule is not None:
            brand = brands.get(session, rule.brand_id)
        if typed is not None:
            owner = brands.get(session, typed.brand_id)
            line = rule_words.sentence(view, typed, owner.name, _channel_names(session))
        record = _records(session, view, [rule.id]).get(rule.id) if rule else None
    return view.render(
        "rule.html",
        status,
        form=form,
        rule=rule,
        brand=brand,
        title=rule_words.title(view, rule) if rule else view.say("규칙 추가", "Add a rule"),
        offered=offered,
        words=rule_words,
        lengths=lambda name: rule_form.lengths(form, name),
        record=record or Record(),
        sentence=line,
        job_id=job_id,
    )


def _shown(session: Session, view: View, brand: Brand) -> list[Shown]:
    found = rules.of_brand(session, brand.id)
    records = _records(session, view, [rule.id for rule in found])
    names = _channel_names(session)
    return [
        Shown(
            rule=rule,
            title=rule_words.title(view, rule),
            sentence=rule_words.sentence(view, rule, brand.name, names),
            conditions=rule_words.conditions(view, rule),
            record=records.get(rule.id, Record()),
            is_muted=rule.muted_until is not None and rule.muted_until > view.now,
        )
        for rule in found
    ]


def _records(session: Session, view: View, rule_ids: Sequence[int]) -> Mapping[int, Record]:
    def said(verdict: str) -> Any:
        return func.sum(case((AlertRow.verdict == verdict, 1), else_=0))

    rows = session.execute(
        select(AlertRuleRow.rule_id, func.count(), said("right"), said("false"))
        .join(AlertRow, AlertRow.id == AlertRuleRow.alert_id)
        .where(AlertRuleRow.rule_id.in_(rule_ids), AlertRow.opened_at >= view.now - _LATELY)
        .group_by(AlertRuleRow.rule_id)
    )
    return {rule_id: Record(count, right or 0, false or 0) for rule_id, count, right, false in rows}
