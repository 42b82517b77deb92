"""``/api/v1/rules``: what is worth an alert and who is told, and trying that on the past."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.auth import Writes
from api.deps import Json, Now, ServicesDep
from api.routes.mentions import brand_id
from api.routes.schemas import Body, Id
from listener.errors import Conflict, InvalidInput, NotFound
from listener.rules import HAPPENING
from listener.store import jobs, rule_json, rules
from listener.store.tables import JobRow
from listener.types import Rule, Signal

router = APIRouter(prefix="/api/v1/rules", tags=["rules"])

KIND = "backtest"
SignalName = Literal[
    "mentions", "negative", "complaints", "low_ratings", "negative_share", "rating",
    "net_sentiment", "new_topic", "viral", "spreading",
]  # fmt: skip
ByName = Literal["posts", "stories", "authors"]
SensitivityName = Literal["low", "normal", "high", "highest"]
SeverityName = Literal["low", "medium", "high"]
_SCOPE = 'Only these mentions; `"*"`: each by itself, as a series of its own.'
_BY = "What counts as one: every post, every story at its first copy, every author once a day."
_SENSITIVITY = (
    "How often a quiet series may raise a spike by chance: about once a year, a quarter, a month, "
    "a week."
)


class ScopeModel(Body):
    """Which of a brand's mentions; null = all."""

    topic: str | None = Field(None, max_length=60, description=_SCOPE)
    source: str | None = Field(None, max_length=40, description=_SCOPE)
    language: str | None = Field(None, max_length=8, description=_SCOPE)
    country: str | None = Field(None, max_length=8, description=_SCOPE)


class StepModel(Body):
    """Who is told when nobody has acknowledged the alert so long after it opened."""

    after_s: int = Field(0, ge=0, le=7 * 86_400, description="The first step is at 0.")
    channel_ids: list[int] | None = Field(
        None, description="Null: every enabled channel that wants alerts. Empty: nobody."
    )


class _Fields(Body):
    by: ByName = Field("stories", description=_BY)
    sensitivity: SensitivityName = Field("normal", description=_SENSITIVITY)
    min_count: int = Field(
        5, ge=1, le=1_000_000, description="Mentions in a spike before it tells."
    )
    severity: SeverityName | None = Field(None, description="Null: by the size of the spike.")
    quiet_from: str | None = Field(None, description="Local time of day.", examples=["22:00"])
    quiet_to: str | None = Field(None, examples=["07:00"])
    working_days: bool = Field(False, description="Wait on days off, too.")
    remind_every_s: int | None = Field(
        1800, ge=300, description="Until somebody acknowledges; null: never."
    )
    enabled: bool = True
    strictness: float = Field(
        0.0,
        ge=-3,
        le=3,
        description="Added to the score that a spike must reach: what marks have taught.",
    )


class RuleIn(_Fields):
    """A new rule."""

    brand: str | int = Field(description="Name or id of the brand.")
    name: str = Field(min_length=1, max_length=200, examples=["배송 불만"])
    signal: SignalName
    scope: ScopeModel | None = None
    steps: list[StepModel] | None = Field(
        None, max_length=5, description="Null: everybody, at once."
    )


class RuleTried(_Fields):
    """A rule that need not be saved. Left out of ``compare``, a field is that of the rule."""

    name: str = Field("", max_length=200)
    signal: SignalName = "complaints"
    scope: ScopeModel | None = None
    steps: list[StepModel] | None = Field(
        None, max_length=5, description="Null: everybody, at once."
    )


class RulePatch(Body):
    """What to change; fields that are left out stay."""

    name: str | None = Field(None, max_length=200)
    signal: SignalName | None = None
    scope: ScopeModel | None = None
    by: ByName | None = None
    sensitivity: SensitivityName | None = None
    min_count: int | None = Field(None, ge=1, le=1_000_000)
    severity: SeverityName | None = None
    quiet_from: str | None = None
    quiet_to: str | None = None
    working_days: bool | None = None
    steps: list[StepModel] | None = Field(None, max_length=5)
    remind_every_s: int | None = Field(None, ge=300)
    enabled: bool | None = None
    muted_until: AwareDatetime | None = None
    strictness: float | None = Field(None, ge=-3, le=3)


_NULLABLE = ("severity", "quiet_from", "quiet_to", "remind_every_s", "muted_until")


class RuleOut(BaseModel):
    """What is worth an alert, and who is told."""

    id: int = Field(description="0: it is not saved.")
    brand_id: int
    name: str
    signal: SignalName
    scope: ScopeModel
    by: ByName = Field(description=_BY)
    sensitivity: SensitivityName = Field(description=_SENSITIVITY)
    min_count: int
    severity: SeverityName | None
    quiet_from: str | None
    quiet_to: str | None
    working_days: bool
    steps: list[StepModel]
    remind_every_s: int | None
    enabled: bool
    muted_until: datetime | None
    strictness: float
    origin: str = Field(description="Which of the rules that come with a brand; empty: made here.")


class Rules(BaseModel):
    """Rules by brand, in the order in which they were made."""

    items: list[RuleOut]


class RuleQuery(BaseModel):
    """Which rules."""

    brand: str | None = Field(None, max_length=200, description="Name or id of a brand.")
    enabled: bool | None = Field(None, description="Only those that are on, or off.")


# --- rules ---------------------------------------------------------------------------------------


@router.get("", response_model=Rules, operation_id="list_rules")
def list_rules(services: ServicesDep, query: Annotated[RuleQuery, Query()]) -> Response:
    """The rules of alerts."""
    with services.database.read() as session:
        brand = None if query.brand is None else brand_id(session, query.brand)
        found = rules.listing(session, brand_id=brand, enabled=query.enabled)
    return Json({"items": [rule_json.to_json(rule) for rule in found]})


@router.get("/{rule_id}", response_model=RuleOut, operation_id="get_rule")
def get_rule(services: ServicesDep, rule_id: Id) -> Response:
    """One rule."""
    with services.database.read() as session:
        return Json(rule_json.to_json(rules.get(session, rule_id)))


@router.post(
    "",
    status_code=201,
    response_model=RuleOut,
    operation_id="create_rule",
    dependencies=[Writes],
)
def create_rule(services: ServicesDep, now: Now, body: RuleIn) -> Response:
    """Make a rule. The watchdog looks by it from its next look on."""
    with services.database.write() as work:
        brand = brand_id(work.session, str(body.brand))
        rule = rule_json.unsaved(_given(body), brand)
        made = rules.add(work.session, rule, now=now)
        work.commit()
    return Json(rule_json.to_json(made), 201)


@router.patch(
    "/{rule_id}", response_model=RuleOut, operation_id="change_rule", dependencies=[Writes]
)
def change_rule(services: ServicesDep, now: Now, rule_id: Id, body: RulePatch) -> Response:
    """Change a rule, switch it off, or mute it for a time."""
    given = body.model_dump(mode="json", exclude_unset=True)
    for name, value in given.items():
        if value is None and name not in _NULLABLE:
            raise InvalidInput("This may not be null.", field=name, hint="Leave it out.")
    with services.database.write() as work:
        rule = rules.update(work.session, rule_id, now=now, **rule_json.fields_of(given))
        work.commit()
    return Json(rule_json.to_json(rule))


@router.delete("/{rule_id}", status_code=204, operation_id="delete_rule", dependencies=[Writes])
def delete_rule(services: ServicesDep, rule_id: Id) -> Response:
    """Remove a rule. What only it watched is watched no more; its open spikes end."""
    with services.database.write() as work:
        rules.delete(work.session, rule_id)
        work.commit()
    return Response(status_code=204)


# --- trying them on the past ---------------------------------------------------------------------


class BacktestIn(Body):
    """What to try: a saved rule by its id, or one that is not saved, with its brand."""

    rule_id: int | None = Field(None, ge=1, description="A saved rule.")
    brand: str | int | None = Field(None, description="Of a rule that is not saved.")
    rule: RuleTried | None = Field(
        None,
        description="A rule that is not saved; with `rule_id` what to change of the saved one.",
    )
    compare: RuleTried | None = Field(
        None, description="Other settings to try beside it; what is left out is as in the rule."
    )
    days: int = Field(365, ge=1, le=730)
    until: AwareDatetime | None = Field(None, description="Null: now.")
    judge_as: Literal["auto", "known", "on_time"] = Field(
        "auto",
        description="`known`: by what was known at each moment. `on_time`: as if all had come when "
        "it was said, for imports and back-fills. `auto`: the latter where most came late.",
    )


class CauseOut(BaseModel):
    """What there is more of than in the week before."""

    name: str
    count: int
    share: float | None
    excess: float | None


class FireOut(BaseModel):
    """A spike that the rule would have wanted."""

    number: int
    dimension: str = Field(description="The series.", examples=["topic:delivery:complaint"])
    by: ByName
    sensitivity: SensitivityName
    onset_at: datetime
    noticed_at: datetime
    resolved_at: datetime | None
    observed: float
    expected: float
    score: float = Field(description="-log10 of how many such are to be expected in 30 days.")
    once_in_days: float = Field(description="The same in words: 10^score * 30.")
    severity: SeverityName
    trend: bool = Field(description="A slow burn: only half a day or more shows it.")
    noticed_observed: float = Field(description="As it stood when it was noticed.")
    noticed_expected: float
    noticed_score: float
    alert: int = Field(description="Number of its alert.")
    topics: list[CauseOut]
    phrases: list[CauseOut]
    sources: list[CauseOut]
    filter: dict[str, str] = Field(description="Parameters of `/api/v1/mentions`.")
    link: str = Field(description="The mentions, in the dashboard.")
    mark: str | None = Field(description="What people said of the alert of that time.")
    spike_id: int | None = Field(description="The stored spike that is the same.")


class TellingOut(BaseModel):
    """Something that people would have been told."""

    at: datetime
    event: str = Field(examples=["alert.opened"])
    heard_at: datetime = Field(description="Later in quiet hours and on days off.")


class AlertFireOut(BaseModel):
    """An alert that would have been raised."""

    number: int
    opened_at: datetime
    resolved_at: datetime | None
    severity: SeverityName
    told: list[TellingOut]
    fires: list[int]


class MissedOut(BaseModel):
    """An alert that was marked right, at which the rule stays silent."""

    alert_id: int
    at: datetime


class MarksOut(BaseModel):
    """What people's marks say of the alerts; null where nothing was marked."""

    right: int
    false: int
    unmarked: int
    missed: list[MissedOut]
    precision: float | None
    recall: float | None


class SeriesTold(BaseModel):
    """One series of the rule."""

    dimension: str
    by: ByName
    sensitivity: SensitivityName
    mentions: int
    fires: int


class PointOut(BaseModel):
    """One place of the timeline."""

    at: datetime
    count: float
    expected: float | None
    collected: float


class NoteOut(BaseModel):
    """Something that has to be known to read the result right."""

    code: str
    ko: str
    en: str


class ResultOut(BaseModel):
    """What one rule would have done."""

    rule: RuleOut
    since: datetime
    until: datetime
    days: float = Field(description="Of the time, what could be judged.")
    judged_as: Literal["known", "on_time"]
    fires: list[FireOut]
    alerts: list[AlertFireOut]
    alerts_a_week: float | None
    marks: MarksOut
    series: list[SeriesTold]
    timeline: list[PointOut]
    timeline_step_s: int
    notes: list[NoteOut]
    took_s: float


class ComparedOut(BaseModel):
    """How two results differ: numbers of alerts."""

    only_a: list[int]
    only_b: list[int]
    both: list[tuple[int, int]]
    earlier_s: float | None = Field(description="By how much B is earlier; negative: later.")


class ReportOut(BaseModel):
    """One result, or two."""

    a: ResultOut
    b: ResultOut | None
    compared: ComparedOut | None


class BacktestOut(BaseModel):
    """A backtest, and how far it is."""

    id: int
    state: Literal["pending", "running", "done", "failed", "cancelled"]
    progress: float | None = Field(description="From 0 to 1.")
    result: ReportOut | None
    error: str | None
    created_at: datetime
    finished_at: datetime | None


@router.post(
    "/backtest",
    status_code=202,
    response_model=BacktestOut,
    operation_id="backtest_rule",
    dependencies=[Writes],
)
def backtest_rule(services: ServicesDep, now: Now, body: BacktestIn) -> Response:
    """Try a rule on the stored past: when it would have fired, how often, and how right. Ask
    `/api/v1/rules/backtests/{job_id}` for the result, which is kept for a day.
    """
    with services.database.write() as work:
        rule = _tried(work.session, body)
        other = None if body.compare is None else _over(rule, body.compare)
        for one in (rule, other):
            if one is not None and Signal(one.signal) in HAPPENING:
                raise InvalidInput(
                    "This signal looks at single posts and stories as they are right now: it cannot"
                    " be tried on the past.",
                    field="signal",
                )
        payload = {
            "rule": rule_json.to_json(rule),
            "compare": None if other is None else rule_json.to_json(other),
            "days": body.days,
            "until": (body.until or now).isoformat(),
            "judge_as": body.judge_as,
        }
        job_id = jobs.ask(work.session, KIND, payload, now=now)
        answer = Json(_told(_job(work.session, job_id)), 202)
        work.commit()
    return answer


@router.get("/backtests/{job_id}", response_model=BacktestOut, operation_id="get_backtest")
def get_backtest(services: ServicesDep, job_id: Id) -> Response:
    """How far a backtest is, and what came out."""
    with services.database.read() as session:
        return Json(_told(_job(session, job_id)))


@router.delete(
    "/backtests/{job_id}",
    status_code=204,
    operation_id="cancel_backtest",
    dependencies=[Writes],
)
def cancel_backtest(services: ServicesDep, now: Now, job_id: Id) -> Response:
    """Stop a backtest that nobody needs any more."""
    with services.database.write() as work:
        _job(work.session, job_id)
        if not jobs.cancel(work.session, job_id, now=now):
            raise Conflict(f"Backtest {job_id} is over already.")
        work.commit()
    return Response(status_code=204)


def _given(body: Body) -> dict[str, Any]:
    """What was sent, without what stands for a default."""
    given: dict[str, Any] = body.model_dump(mode="json")
    return {
        name: value
        for name, value in given.items()
        if value is not None or name not in ("scope", "steps")
    }


def _tried(session: Session, body: BacktestIn) -> Rule:
    if body.rule_id is not None:
        rule = rules.get(session, body.rule_id)
        return rule if body.rule is None else _over(rule, body.rule)
    if body.rule is None or body.brand is None:
        raise InvalidInput(
            "Say which rule: `rule_id`, or `rule` with its `brand`.", field="rule_id"
        )
    brand = brand_id(session, str(body.brand))
    return rule_json.unsaved(_given(body.rule), brand)


def _over(rule: Rule, changes: RuleTried) -> Rule:
    """The rule with what was sent in place of its own."""
    given: Mapping[str, Any] = changes.model_dump(mode="json", exclude_unset=True)
    return rule_json.from_json(rule_json.to_json(rule) | dict(given))


def _job(session: Session, job_id: int) -> JobRow:
    row = jobs.get(session, job_id)
    if row is None or row.kind != KIND:
        raise NotFound(f"There is no backtest {job_id}.", hint="Results are kept for a day.")
    return row


def _told(row: JobRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in BacktestOut.model_fields}
