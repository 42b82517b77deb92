"""How a watch is doing, in words for people, and what they can do about it. Pure.

Runs leave facts on the watch (how the last one ended, how many failed in a row, when one last
succeeded); here they become a state, a reason and an advice, in Korean and English. Screens, API,
command line and notices all tell the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from listener.types import Outcome

Pair = tuple[str, str]  # Korean, English
NOTHING: Pair = ("", "")

LEAST_PATIENCE = timedelta(minutes=15)
"""A watch is never called late before this."""

OVERDUE = timedelta(minutes=2)
"""What a worker may take to come to a watch that is due."""

LONG_RUN = timedelta(hours=2)
"""A run in progress excuses a watch for this long."""

MANY = 3
"""So many failures in a row are no passing trouble."""


class State(StrEnum):
    """How a watch is doing."""

    OK = "ok"
    NEW = "new"
    PAUSED = "paused"
    LATE = "late"
    FAILING = "failing"
    SUSPECT = "suspect"
    BLOCKED = "blocked"
    NEEDS_CREDENTIALS = "needs-credentials"
    OUT_OF_BUDGET = "out-of-budget"
    GONE = "gone"


STATE_OF: Mapping[str, State] = {
    "new": State.NEW,
    Outcome.OK: State.OK,
    Outcome.UNCHANGED: State.OK,
    Outcome.SUSPECT: State.SUSPECT,
    Outcome.LAYOUT_CHANGED: State.SUSPECT,
    Outcome.RATE_LIMITED: State.FAILING,
    Outcome.UNAVAILABLE: State.FAILING,
    Outcome.FAILED: State.FAILING,
    Outcome.BLOCKED: State.BLOCKED,
    Outcome.NEEDS_CREDENTIALS: State.NEEDS_CREDENTIALS,
    Outcome.OUT_OF_BUDGET: State.OUT_OF_BUDGET,
    Outcome.GONE: State.GONE,
}
TROUBLED = frozenset(State) - {State.OK, State.NEW, State.PAUSED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is stored of a watch. ``outcome`` is that of the last run, or "new"."""

    enabled: bool
    every: timedelta
    outcome: str
    created_at: datetime
    next_run_at: datetime
    reason: str = ""  # what the source or the run said, in its own words
    failures: int = 0  # in a row
    since: datetime | None = None  # when the outcome became this one
    last_success_at: datetime | None = None
    claim_until: datetime | None = None  # somebody is at it until then


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """A state in words. ``tone`` is good, wait, warn, bad or idle; ``code`` names the words used.

    ``detail`` is what the source said, in its own language.
    """

    state: State
    code: str
    tone: str
    title: Pair
    reason: Pair
    advice: Pair
    detail: str = ""
    since: datetime | None = None

    @property
    def is_trouble(self) -> bool:
        """Whether somebody should have a look."""
        return self.state in TROUBLED


@dataclass(frozen=True, slots=True)
class Words:
    """What is said of an outcome: its tone and name, what it means, what to do."""

    tone: str
    title: Pair
    reason: Pair
    advice: Pair


def health(facts: Facts, now: datetime, *, up_since: datetime | None = None) -> Health:
    """Judge a watch by its facts.

    Late is a watch without success for more than three intervals (and 15 minutes) although it is
    due and nothing else is wrong: nobody comes to it. ``up_since`` is when this service began: what
    it could not do before that makes no watch late.
    """
    outcome = facts.outcome
    if not facts.enabled:
        return _said("paused", State.PAUSED, facts)
    state = STATE_OF.get(outcome, State.FAILING)
    if state in (State.OK, State.NEW) and is_late(facts, now, up_since):
        return _late(facts, now)
    if state is State.NEW and _is_running(facts, now):
        return _said("first-run", state, facts)
    said = _said(outcome if outcome in WORDS else Outcome.FAILED, state, facts)
    if state is State.FAILING and facts.failures:
        return _failing(said, facts)
    return said


def facts_of(row: Any) -> Facts:
    """The facts of a watch as the store has it: any object with the columns of a watch."""
    return Facts(
        enabled=row.enabled,
        every=timedelta(seconds=row.every_s),
        outcome=row.health,
        reason=row.health_reason,
        failures=row.failures,
        since=row.health_since,
        created_at=row.created_at,
        last_success_at=row.last_success_at,
        next_run_at=row.next_run_at,
        claim_until=row.claim_until,
    )


def is_late(facts: Facts, now: datetime, up_since: datetime | None = None) -> bool:
    """Whether a watch should have been collected by now."""
    last = facts.last_success_at or facts.created_at
    last = max(last, up_since) if up_since else last
    patience = max(3 * facts.every, LEAST_PATIENCE)
    if _is_running(facts, now):
        patience += LONG_RUN
    elif now - facts.next_run_at < OVERDUE:
        return False  # its turn comes later: the source asked for that
    return now - last > patience


def _is_running(facts: Facts, now: datetime) -> bool:
    return facts.claim_until is not None and facts.claim_until > now


def _late(facts: Facts, now: datetime) -> Health:
    since = facts.last_success_at or facts.created_at
    code = "long-run" if _is_running(facts, now) else "late"
    said = _said(code, State.LATE, facts)
    return Health(
        state=State.LATE,
        code=code,
        tone=said.tone,
        title=said.title,
        reason=said.reason,
        advice=said.advice,
        since=since,
    )


def _failing(said: Health, facts: Facts) -> Health:
    """With how often it failed: a first failure is no reason to get up."""
    often = facts.failures >= MANY
    ko, en = said.reason
    times = "time" if facts.failures == 1 else "times"
    return Health(
        state=said.state,
        code=said.code,
        tone="bad" if often else "warn",
        title=said.title,
        reason=(
            f"{ko} 연속 {facts.failures}번째입니다.",
            f"{en} It happened {facts.failures} {times} in a row.",
        ),
        advice=said.advice
        if often
        else ("알아서 다시 시도합니다. 아직 할 일은 없습니다.", "It is retried by itself."),
        detail=said.detail,
        since=said.since,
    )


def _said(code: str, state: State, facts: Facts) -> Health:
    words = WORDS[code]
    return Health(
        state=state,
        code=code,
        tone=words.tone,
        title=words.title,
        reason=words.reason,
        advice=words.advice,
        detail=facts.reason,
        since=facts.since,
    )


# --- one cause, told once ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A watch in trouble and where it collects."""

    watch_id: int
    source: str
    place: str  # the name of the connection, or a host: see ``place_of``
    health: Health
    failures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """All watches that fail for one cause, the worst of them in front."""

    source: str  # "" = several
    place: str
    state: State
    cases: tuple[Case, ...]

    @property
    def key(self) -> str:
        """What tells one trouble from another."""
        return f"{self.source}|{self.place}|{self.state}"

    @property
    def lead(self) -> Case:
        """The watch that tells most: it has failed most often."""
        return self.cases[0]

    @property
    def since(self) -> datetime | None:
        """When the first of them began."""
        return min((c.health.since for c in self.cases if c.health.since), default=None)


def place_of(connection: str, base_url: str | None, params: Mapping[str, str]) -> str:
    """What watches must share to fail for one cause: the account, else the host they ask."""
    if connection:
        return connection
    for value in (base_url or "", *params.values()):
        if value.startswith(("http://", "https://")):
            try:
                host = urlsplit(value.split()[0]).hostname
            except ValueError:
                continue
            if host:
                return host
    return ""


def group(cases: Iterable[Case]) -> list[Trouble]:
    """Watches in trouble by cause, the largest trouble first.

    Late ones are one group, whatever their source: it is our worker that does not come.
    """
    found: dict[tuple[str, str, State], list[Case]] = {}
    for case in cases:
        state = case.health.state
        if state not in TROUBLED:
            continue
        where = ("", "") if state is State.LATE else (case.source, case.place)
        found.setdefault((*where, state), []).append(case)
    troubles = [
        Trouble(
            source=source,
            place=place,
            state=state,
            cases=tuple(sorted(those, key=lambda case: (-case.failures, case.watch_id))),
        )
        for (source, place, state), those in found.items()
    ]
    return sorted(troubles, key=lambda one: (SEVERITY[one.state], -len(one.cases), one.key))


SEVERITY: Mapping[State, int] = {
    State.LATE: 0,
    State.NEEDS_CREDENTIALS: 1,
    State.GONE: 2,
    State.BLOCKED: 3,
    State.FAILING: 4,
    State.SUSPECT: 5,
    State.OUT_OF_BUDGET: 6,
    State.NEW: 7,
    State.OK: 8,
    State.PAUSED: 9,
}
"""The order in which troubles are told."""


# --- the words -----------------------------------------------------------------------------------

WORDS: dict[str, Words] = {
    "new": Words(
        "wait",
        ("첫 수집 대기", "Waiting for its first run"),
        ("아직 한 번도 수집하지 않았습니다.", "It was not collected yet."),
        ("곧 시작합니다. 기다려 주세요.", "It starts soon."),
    ),
    "first-run": Words(
        "wait",
        ("첫 수집 중", "First run"),
        ("처음으로 수집하고 있습니다.", "It is being collected for the first time."),
        ("첫 결과가 곧 나타납니다.", "The first mentions show up soon."),
    ),
    "paused": Words(
        "idle",
        ("일시 중지", "Paused"),
        ("누군가 수집을 멈추었습니다.", "Somebody stopped it."),
        ("다시 수집하려면 ‘다시 시작’을 누르세요.", "Press “Resume” to collect again."),
    ),
    "late": Words(
        "bad",
        ("늦어지는 중", "Late"),
        (
            "수집할 때가 지났는데 아무도 수집하지 않았습니다.",
            "It was due a while ago and nobody collected it.",
        ),
        (
            "관리자에게 수집기(listener work)가 실행 중인지, 밀린 수집이 많지 않은지 확인을 "
            "요청하세요.",
            "Ask your administrator whether the collector (listener work) is running and keeps up.",
        ),
    ),
    "long-run": Words(
        "bad",
        ("오래 걸리는 중", "Taking long"),
        ("수집 한 번이 끝나지 않고 있습니다.", "A run does not come to its end."),
        (
            "관리자에게 기록(log)을 보고 수집기를 다시 시작해 달라고 요청하세요.",
            "Ask your administrator to look at the log and restart the collector.",
        ),
    ),
    Outcome.OK: Words(
        "good",
        ("정상", "Healthy"),
        ("빠짐없이 수집하고 있습니다.", "Everything is being collected."),
        NOTHING,
    ),
    Outcome.UNCHANGED: Words(
        "good",
        ("정상 (새 글 없음)", "Healthy (nothing new)"),
        ("원본에 새 글이 없습니다.", "The source has nothing new."),
        NOTHING,
    ),
    Outcome.SUSPECT: Words(
        "warn",
        ("확인 필요", "Suspicious"),
        (
            "평소와 다릅니다. 글이나 별점이 있던 곳이 비어 있어, 0건으로 세지 않습니다.",
            "It is not as usual: posts or parts of them are missing. It is not counted as zero.",
        ),
        (
            "원본 페이지를 열어 보세요. 정말 조용한 것이면 ‘이대로가 정상’을 누르고, 아니면 "
            "관리자에게 알리세요.",
            "Open the page. If it is really quiet, press “This is normal”; if not, tell your "
            "administrator.",
        ),
    ),
    Outcome.RATE_LIMITED: Words(
        "warn",
        ("속도 제한", "Slowed down"),
        ("원본이 천천히 요청하라고 했습니다.", "The source asked us to slow down."),
        (
            "알아서 다시 시도합니다. 자주 일어나면 수집 간격을 늘리세요.",
            "It is retried by itself. If it happens often, collect less often.",
        ),
    ),
    Outcome.OUT_OF_BUDGET: Words(
        "warn",
        ("사용량 소진", "Out of budget"),
        (
            "이 기간에 쓰기로 한 사용량을 다 썼습니다.",
            "What may be used in this period is used up.",
        ),
        (
            "기간이 바뀌면 이어집니다. 급하면 한도를 올리거나 수집 간격을 늘리세요.",
            "It goes on with the next period. Raise the limit, or collect less often.",
        ),
    ),
    Outcome.NEEDS_CREDENTIALS: Words(
        "bad",
        ("인증 필요", "Needs credentials"),
        (
            "API 키가 없거나, 틀리거나, 권한이 부족합니다.",
            "The API key is missing, wrong or too weak.",
        ),
        (
            "관리자에게 이 원본의 API 키 설정을 요청하세요.",
            "Ask your administrator to set the API key of this source.",
        ),
    ),
    Outcome.BLOCKED: Words(
        "bad",
        ("차단됨", "Blocked"),
        (
            "원본이 수집을 거부합니다(robots.txt 또는 403). 우회하지 않습니다.",
            "The source refuses us (robots.txt or 403). We do not work around it.",
        ),
        (
            "원본의 공식 API나 허락을 받는 방법을 알아보세요.",
            "Look for an official API, or ask the site for permission.",
        ),
    ),
    Outcome.LAYOUT_CHANGED: Words(
        "bad",
        ("형식이 바뀜", "Layout changed"),
        (
            "페이지의 모양이 예전과 달라 읽지 못합니다.",
            "The page looks different and cannot be read.",
        ),
        (
            "주소가 맞는지 확인하고, 맞다면 관리자에게 알리세요.",
            "Check the address; if it is right, tell your administrator.",
        ),
    ),
    Outcome.GONE: Words(
        "bad",
        ("사라짐", "Gone"),
        ("이 주소는 더 이상 없습니다.", "This address no longer exists."),
        ("새 주소로 다시 추가하고 이것은 지우세요.", "Add the new address and remove this one."),
    ),
    Outcome.UNAVAILABLE: Words(
        "warn",
        ("연결 안 됨", "Not reachable"),
        ("원본이 응답하지 않습니다.", "The source does not answer."),
        (
            "알아서 다시 시도합니다. 오래가면 주소를 확인하세요.",
            "It is retried by itself. If it lasts, check the address.",
        ),
    ),
    Outcome.FAILED: Words(
        "bad",
        ("실패", "Failed"),
        (
            "수집 중 예상하지 못한 문제가 생겼습니다.",
            "Something unexpected happened while collecting.",
        ),
        (
            "관리자에게 아래의 자세한 내용을 알려 주세요.",
            "Show your administrator the details below.",
        ),
    ),
    Outcome.LOST: Words(
        "wait",
        ("넘겨줌", "Taken over"),
        ("다른 수집기가 이어받았습니다.", "Another collector took over."),
        NOTHING,
    ),
}
"""By outcome, and by the states that no outcome tells (new, first-run, paused, late, long-run)."""
