"""Corrections on a mention's page, and the page of models and rules."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from starlette.testclient import TestClient

from api.dashboard.i18n import Speaker
from listener.enrich.rules import compile_rules
from listener.enrich.rulesfile import read_rules_text
from listener.runtime.tasks import answer_job
from listener.runtime.wiring import Services
from listener.store import corrections, feed, generations, rule_sets
from listener.store.feed import MentionFilter

Csrf = Callable[..., str]
Visit = Callable[[Services], TestClient]


def negative(services: Services) -> int:
    """A mention that is read as a negative complaint."""
    with services.database.read() as session:
        wanted = MentionFilter(labels=("negative",), complaint=True, brand_id=1)
        (_at, item), *_ = feed.newest(session, wanted, limit=1)
    return item.id


def edit_rules(services: Services) -> None:
    """Other rules, as the editor saves them."""
    _name, text = read_rules_text()
    with services.database.write() as work:
        edited = text + "\n# edited\n"
        version = compile_rules(edited).version
        rule_sets.save(work.session, edited, version, by="kim", now=services.clock())
        work.commit()


def test_a_reading_is_corrected_and_restored(services: Services, visit: Visit, csrf: Csrf) -> None:
    browser = visit(services)
    id_ = negative(services)
    page = f"/mentions/{id_}"
    token = csrf(browser)
    form = {"csrf": token, "brand": "", "label": "positive", "complaint": "yes"}

    answer = browser.post(f"{page}/correct", data=form)

    assert answer.status_code == 200
    assert "바로잡았습니다" in answer.text
    assert "김민아" in answer.text
    with services.database.read() as session:
        item = feed.get(session, id_).item
        assert item.corrected == ["label"], "what is as shown is not said"
        assert item.sentiment is not None
        assert item.sentiment.label == "positive"
    topics = form | {"topics": "sent", "topic_price": "on"}
    browser.post(f"{page}/correct", data=topics)
    with services.database.read() as session:
        (said,) = corrections.of_mention(session, id_)
    assert (said.label, said.complaint, said.topics) == ("positive", None, ["price"])
    assert "달라진 것이 없습니다" in browser.post(f"{page}/correct", data=topics).text

    answer = browser.post(f"{page}/correct/undo", data={"csrf": token, "brand": ""})

    assert "되돌렸습니다" in answer.text
    with services.database.read() as session:
        assert feed.get(session, id_).item.corrected == []
    assert browser.post(f"{page}/correct", data={"label": "positive"}).status_code == 403
    refused = browser.post(f"{page}/correct", data=form | {"label": "great"})
    assert refused.status_code == 404


def test_models_are_rescored_compared_and_switched(
    services: Services, visit: Visit, csrf: Csrf
) -> None:
    edit_rules(services)
    browser = visit(services)
    token = csrf(browser)
    page = browser.get("/models").text
    assert "사용 중" in page
    assert "저장한 규칙을 준비하고 있습니다" in page

    services.rescorer.note()
    page = browser.get("/models").text
    assert "새 묶음" in page
    assert "이전 글도 새로 판정하기" in page
    asked = browser.post("/models/rescore", data={"csrf": token, "generation": ""})
    assert "서비스에 맡겼습니다" in asked.text
    assert answer_job(services)
    assert "건을 판정했습니다" in browser.get("/models").text
    services.rescorer.work()

    page = browser.get("/models").text
    assert "이 묶음으로 바꾸기" in page
    assert "판정이 달라지는 글 0건" in page
    browser.post("/models/2/switch", data={"csrf": token})
    assert answer_job(services)

    with services.database.read() as session:
        assert generations.active_id(session) == 2
        (done,) = generations.switches(session)
    assert done.by == "김민아"
    assert "바꾼 기록" in browser.get("/models?lang=ko").text
    services.roll_up()
    page = browser.get("/").text
    assert "모델 바꿈" in page
    assert "다른 모델과 규칙으로 바꾸고" in page


def test_the_comparison_tells_of_topics(services: Services, visit: Visit, csrf: Csrf) -> None:
    _name, text = read_rules_text()
    edited = text + '\n[taxonomy.area.sky]\nname_ko = "하늘빛"\nko = ["배송"]\nen = []\n'
    with services.database.write() as work:
        version = compile_rules(edited).version
        rule_sets.save(work.session, edited, version, by="kim", now=services.clock())
        work.commit()
    browser = visit(services)
    services.rescorer.begin()
    services.rescorer.work()

    page = browser.get("/models?lang=ko").text

    assert "건수가 달라지는 주제" in page
    row = re.search(r"하늘빛</th><td class=\"n\">0</td><td class=\"n\">([\d,]+)</td>", page)
    assert row is not None
    assert row[1] != "0"


def test_a_refused_switch_says_why(services: Services, visit: Visit, csrf: Csrf) -> None:
    edit_rules(services)
    services.rescorer.note()
    browser = visit(services)

    browser.post("/models/2/switch", data={"csrf": csrf(browser)})
    assert answer_job(services)

    page = browser.get("/models?lang=en").text
    assert "has not read" in page
    assert "edited here" in page
    assert browser.get("/models?with=999").status_code == 200


def test_numbers_are_not_ugly() -> None:
    say = Speaker("ko", ZoneInfo("Asia/Seoul"), datetime(2026, 1, 1, tzinfo=UTC))
    assert say.number(-0.001, 2) == "0.00"
    assert say.number(-1234.5, 1) == "-1,234.5"
    assert [say.percent(x) for x in (1, 0.9994, 0.99, 0.004)] == ["100%", ">99%", "99%", "0.4%"]


@pytest.mark.parametrize("path", ["/models", "/models?with=1", "/models?with=x"])
def test_the_page_of_an_empty_install(empty: Services, visit: Visit, path: str) -> None:
    assert visit(empty).get(path).status_code == 200
