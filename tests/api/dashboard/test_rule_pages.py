"""Rules of alerts as people read, change and try them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from builders import NOW
from listener.runtime.clock import utc_now
from listener.runtime.tasks import answer_job
from listener.runtime.wiring import Services
from listener.store import brands, rules
from listener.store.tables import ChannelRow, JobRow
from listener.types import By, Rule, Scope, Sensitivity, Severity, Signal, Step

Csrf = Callable[..., str]
RULE = {
    "brand": "1",
    "topic": "delivery",
    "signal": "complaints",
    "sensitivity": "high",
    "min_count": "8",
    "by": "stories",
    "severity": "",
    "step0_who": "all",
    "remind": "30",
    "enabled": "yes",
}


@pytest.fixture
def page(empty: Services, visit: Callable[[Services], TestClient]) -> TestClient:
    """Logged in where there is a brand with its rules, and two channels."""
    with empty.database.write() as work:
        brand = brands.create(work.session, name="하늘", now=NOW)
        if not rules.of_brand(work.session, brand.id):
            rules.add_defaults(work.session, brand.id, competitor=False, now=NOW)
        for name in ("홍보팀", "팀장"):
            work.session.add(
                ChannelRow(
                    name=name,
                    kind="webhook",
                    address=b"",
                    address_shown="https://a",
                    wants="both",
                    language="ko",
                    enabled=True,
                    created_at=NOW,
                )
            )
        work.commit()
    return visit(empty)


@pytest.fixture
def send(page: TestClient, csrf: Csrf) -> Callable[..., Any]:
    token = csrf(page, "/rules/new")

    def post(path: str, **fields: str) -> Any:
        return page.post(path, data={"csrf": token} | fields, follow_redirects=False)

    return post


def last(services: Services) -> Rule:
    with services.database.read() as session:
        return max(rules.listing(session), key=lambda rule: rule.id)


def error(text: str, field: str) -> str:
    return text.partition(f'id="{field}-error"')[2].partition("</small>")[0]


def test_rules_stand_there_as_sentences(page: TestClient) -> None:
    text = page.get("/rules").text
    assert "하늘의 불만이 평소보다 크게 늘면 바로 모두에게 알립니다." in text
    assert "하늘의 언급이 평소보다 크게 늘면 화면에 보이고, 알리지는 않습니다." in text
    assert "민감도 보통(헛알림이 석 달에 한 번쯤)" in text
    english = page.get("/rules?lang=en").text
    assert "When complaints rise far above the usual for 하늘, tell everybody at once." in english
    assert "Complaints rise" in english  # rules that came with the brand are called in English


def test_without_a_brand_the_form_leads_to_where_one_begins(
    empty: Services, visit: Callable[[Services], TestClient]
) -> None:
    client = visit(empty)
    answer = client.get("/rules/new", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/rules")
    text = client.get("/rules").text
    assert "아직 브랜드가 없습니다" in text
    assert "/rules/new" not in text


def test_a_rule_is_made_of_what_was_chosen(send: Callable[..., Any], empty: Services) -> None:
    answer = send(
        "/rules/new",
        **RULE
        | {"step0_who": "some", "step0_ch1": "yes", "step1_after": "30", "step1_who": "some"},
        step1_ch2="yes",
        step2_after="60",
        step2_who="all",
        quiet="yes",
        quiet_from="22:30",
        quiet_to="07:00",
        working_days="yes",
    )
    rule = last(empty)
    assert answer.headers["location"] == f"/rules#r{rule.id}"
    assert rule.name == "배송 · 불만 급증"
    assert (rule.signal, rule.scope) == (Signal.COMPLAINTS, Scope(topic="delivery"))
    assert (rule.sensitivity, rule.by, rule.min_count) == (Sensitivity.HIGH, By.STORIES, 8)
    assert rule.steps == (
        Step(channel_ids=(1,)),
        Step(after=timedelta(minutes=30), channel_ids=(2,)),
        Step(after=timedelta(hours=1)),
    )
    assert (rule.quiet_from, rule.quiet_to, rule.working_days) == (22 * 60 + 30, 7 * 60, True)
    assert rule.remind_every == timedelta(minutes=30)


def test_the_form_says_the_rule_again(
    page: TestClient, send: Callable[..., Any], empty: Services
) -> None:
    with empty.database.write() as work:
        made = rules.create(
            work.session,
            brand_id=1,
            name="한밤의 규칙",
            signal="negative",
            scope=Scope(source="feed", language="ko"),
            by="authors",
            sensitivity="highest",
            severity="high",
            min_count=3,
            quiet_from=0,
            quiet_to=1439,
            steps=(Step(channel_ids=(2,)), Step(after=timedelta(minutes=45))),
            remind_every=None,
            now=NOW,
        )
        work.commit()
    text = page.get(f"/rules/{made.id}").text
    fields = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', text))
    assert fields["quiet_to"] == "23:59"
    assert "45분" in text  # no length that is offered, yet the rule's own
    typed = {
        "topic": "", "source": "feed", "language": "ko", "country": "", "signal": "negative",
        "sensitivity": "highest", "by": "authors", "severity": "high", "min_count": "3",
        "name": "한밤의 규칙", "quiet": "yes", "quiet_from": "00:00", "quiet_to": "23:59",
        "step0_who": "some", "step0_ch2": "yes", "step1_who": "all", "step1_after": "45",
        "remind": "", "enabled": "yes",
    }  # fmt: skip
    for name, value in typed.items():
        if value and name not in ("enabled", "quiet") and not name.startswith("step0_ch"):
            assert f'value="{value}"' in text, name
    send(f"/rules/{made.id}", **typed)
    assert last(empty) == made


@pytest.mark.parametrize(
    ("wrong", "field", "said"),
    [
        ({"min_count": "many"}, "min_count", "1 이상의 숫자"),
        ({"min_count": "0"}, "min_count", "1 이상의 숫자"),
        ({"signal": "weather"}, "signal", "골라 주세요"),
        ({"brand": ""}, "brand", "어느 브랜드인지"),
        ({"topic": "*", "source": "feed"}, "topic", "한 곳에서만"),
        ({"step0_who": "some"}, "step0_who", "하나 이상"),
        ({"step1_after": "60", "step1_who": "all", "step2_after": "30", "step2_who": "all"},
         "step2_who", "늦은 시간"),
        ({"quiet": "yes", "quiet_from": "night", "quiet_to": "07:00"}, "quiet_from", "22:00처럼"),
        ({"quiet": "yes", "quiet_from": "07:00", "quiet_to": "07:00"}, "quiet_to", "같습니다"),
        ({"remind": "1"}, "remind", "5분보다"),
        ({"name": "x" * 201}, "name", "200자"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_field(
    send: Callable[..., Any], empty: Services, wrong: dict[str, str], field: str, said: str
) -> None:
    before = last(empty)
    answer = send("/rules/new", **RULE | wrong)
    assert answer.status_code == 422
    assert said in error(answer.text, field)
    assert last(empty) == before


def test_rules_are_switched_unmuted_and_removed(
    page: TestClient, send: Callable[..., Any], empty: Services
) -> None:
    rule = last(empty)
    send(f"/rules/{rule.id}/switch", enabled="")
    assert not last(empty).enabled
    assert "꺼짐" in page.get(f"/rules/{rule.id}").text
    with empty.database.write() as work:
        until = utc_now() + timedelta(days=1)
        rules.update(
            work.session, rule.id, muted_until=until, strictness=0.6, enabled=True, now=NOW
        )
        work.commit()
    text = page.get("/rules").text
    assert "까지 조용히" in text
    assert "대답을 배워 더 까다로워짐" in text
    send(f"/rules/{rule.id}/unmute")
    assert last(empty).muted_until is None
    send(f"/rules/{rule.id}/forget")
    assert last(empty).strictness == 0
    send(f"/rules/{rule.id}/remove")
    assert last(empty).id != rule.id
    assert page.get(f"/rules/{rule.id}").status_code == 404


def test_what_a_form_does_not_ask_stays(send: Callable[..., Any], empty: Services) -> None:
    with empty.database.write() as work:
        rule = rules.listing(work.session)[0]
        rules.update(work.session, rule.id, strictness=0.3, now=NOW)
        work.commit()
    send(f"/rules/{rule.id}", **RULE | {"severity": "high", "brand": "99"})
    with empty.database.read() as session:
        changed = rules.get(session, rule.id)
    assert (changed.strictness, changed.origin, changed.brand_id) == (0.3, "complaints", 1)
    assert changed.severity is Severity.HIGH


# --- on the past ---------------------------------------------------------------------------------


def work_off(services: Services) -> None:
    while answer_job(services):
        pass


def job_of(services: Services) -> JobRow:
    with services.database.read() as session:
        return session.scalars(select(JobRow).order_by(JobRow.id.desc())).first()  # type: ignore[return-value]


def test_a_hint_tells_how_often_it_would_have_told(
    client: TestClient, services: Services, csrf: Csrf
) -> None:
    data = RULE | {"csrf": csrf(client), "topic": "", "sensitivity": "normal", "min_count": "5"}
    text = client.post("/rules/hint", data=data).text
    assert "새벽결의 불만이 평소보다 크게 늘면 바로 모두에게 알립니다." in text
    client.post("/rules/hint", data=data | {"sensitivity": "high"})
    job = job_of(services)
    with services.database.read() as session:
        (left,) = session.scalars(select(JobRow))  # nobody waits for the first one any more
    assert left.payload["rule"]["sensitivity"] == "high"
    assert "되짚어 보는 중" in client.get(f"/backtests/{job.id}/hint").text
    work_off(services)
    hint = client.get(f"/backtests/{job.id}/hint").text
    assert re.search("지난 30일 동안 [1-9]번", hint)
    assert "불만 " in hint
    assert "hx-get" not in hint
    client.post("/rules/hint", data=data | {"min_count": "x"})
    assert job_of(services).id == job.id
    viral = client.post("/rules/hint", data=data | {"signal": "viral"}).text
    assert "지난 일로는 시험할 수 없습니다" in viral


def test_two_settings_stand_side_by_side_and_one_is_saved(
    client: TestClient, services: Services, csrf: Csrf
) -> None:
    with services.database.write() as work:
        rules.add_missing_defaults(work.session, now=utc_now())
        rule = rules.of_brand(work.session, 1)[0]
        work.commit()
    token = {"csrf": csrf(client)}
    changed = RULE | token | {"topic": "", "sensitivity": "highest", "min_count": "3"}
    answer = client.post(
        f"/rules/{rule.id}", data=changed | {"action": "test"}, follow_redirects=False
    )
    path = answer.headers["location"]
    assert 'hx-trigger="load delay:1s"' in client.get(path).text
    work_off(services)
    text = client.get(path).text
    assert "hx-trigger" not in text
    for words in ("지금 설정", "바꾼 설정", "저장된 설정", "이 설정으로 저장", "둘 다 알림"):
        assert words in text
    result = job_of(services).result
    assert result is not None
    assert len(re.findall('class="fire"', text)) == sum(
        len(result["compared"][name]) for name in ("only_a", "only_b", "both")
    )
    assert 'class="mention' in client.get(result["a"]["fires"][-1]["link"]).text

    client.post(f"{path}/save", data=token | {"which": "b"})
    with services.database.read() as session:
        saved = rules.get(session, rule.id)
    assert (saved.sensitivity, saved.min_count) == (Sensitivity.HIGHEST, 3)
    assert saved.origin == rule.origin

    again = client.post(
        f"{path}/again", data=token | {"days": "365", "sensitivity": ""}, follow_redirects=False
    )
    assert again.headers["location"] != path
    assert "지난 365일로 시험" in client.get(again.headers["location"]).text
    assert job_of(services).payload["days"] == 365
    assert job_of(services).payload["compare"] is None


def test_a_new_rule_is_saved_from_its_test(
    client: TestClient, services: Services, csrf: Csrf
) -> None:
    token = {"csrf": csrf(client)}
    answer = client.post(
        "/rules/new", data=RULE | token | {"action": "test"}, follow_redirects=False
    )
    before = last(services)
    work_off(services)
    path = answer.headers["location"]
    assert "이 설정으로 저장" in client.get(path).text
    client.post(f"{path}/save", data=token | {"which": "a"})
    assert last(services) != before
    saved = last(services)
    assert saved.scope == Scope(topic="delivery")
    assert "저장된 설정" in client.get(path).text
    client.post(f"{path}/save", data=token | {"which": "a"})
    assert last(services) == saved  # sent twice, saved once


def test_a_test_that_is_not_there_or_cannot_be(
    client: TestClient, services: Services, csrf: Csrf
) -> None:
    token = {"csrf": csrf(client)}
    assert client.get("/backtests/999").status_code == 404
    assert client.post("/backtests", data=token).status_code == 404
    with services.database.write() as work:
        rule = rules.create(work.session, brand_id=1, name="퍼짐", signal="viral", now=utc_now())
        work.commit()
    answer = client.post("/backtests", data=token | {"rule": str(rule.id)})
    assert "지난 일로 시험할 수 없습니다" in answer.text


def test_a_rule_that_came_with_the_brand_is_called_in_the_language_of_the_reader(
    page: TestClient, send: Callable[..., Any], empty: Services
) -> None:
    assert 'value="Complaints rise"' in page.get("/rules/1?lang=en").text
    send("/rules/1", **RULE | {"name": "Complaints rise"})
    with empty.database.read() as session:
        assert rules.get(session, 1).name == "불만 급증"
