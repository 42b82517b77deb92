"""The calendar as people keep it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from builders import NOW
from listener.runtime.wiring import Services
from listener.store import brands, planned

Csrf = Callable[..., str]
SALE = {
    "name": "봄 세일",
    "kind": "campaign",
    "from_day": "2031-03-02",
    "to_day": "2031-03-08",
    "expect": "more",
    "factor": "2.5",
}


@pytest.fixture
def page(empty: Services, visit: Callable[[Services], TestClient]) -> TestClient:
    with empty.database.write() as work:
        brands.create(work.session, name="하늘", now=NOW)
        work.commit()
    return visit(empty)


def events(services: Services) -> list[Any]:
    with services.database.read() as session:
        return planned.rows(session)


def test_an_event_is_added_shown_changed_and_removed(
    page: TestClient, empty: Services, csrf: Csrf
) -> None:
    token = {"csrf": csrf(page, "/calendar")}
    answer = page.post("/calendar", data=SALE | token | {"brand": "1"}, follow_redirects=False)
    assert answer.headers["location"] == "/calendar?month=2031-03"
    (row,) = events(empty)
    # Days of the workspace; the last one is in it.
    assert row.from_at == datetime(2031, 3, 1, 15, tzinfo=UTC)
    assert row.to_at == datetime(2031, 3, 8, 15, tzinfo=UTC)
    assert (row.factor, row.brand_id, row.created_by) == (2.5, 1, "김민아")

    text = page.get("/calendar?month=2031-03").text
    assert "2031년 3월" in text
    assert text.count('class="event campaign') == 7
    assert "평소의 2.5배까지 정상" in text
    form = page.get(f"/calendar/{row.id}").text
    assert 'value="2031-03-08"' in form
    assert 'value="2.5"' in form

    times = {"to_day": "2031-03-02", "from_time": "10:00", "to_time": "18:30", "expect": "quiet"}
    page.post(f"/calendar/{row.id}", data=SALE | token | times)
    (row,) = events(empty)
    assert row.to_at == datetime(2031, 3, 2, 9, 30, tzinfo=UTC)
    assert (row.factor, row.brand_id) == (None, None)
    assert 'value="18:30"' in page.get(f"/calendar/{row.id}").text

    page.post(f"/calendar/{row.id}/remove", data=token)
    assert events(empty) == []
    assert page.get(f"/calendar/{row.id}").status_code == 404


@pytest.mark.parametrize(
    ("wrong", "field", "said"),
    [
        ({"name": " "}, "name", "무엇인지 적어 주세요"),
        ({"from_day": ""}, "from_day", "날짜를 골라 주세요"),
        ({"to_day": "2031-03-01"}, "to_day", "끝이 시작보다 빠릅니다"),
        ({"to_day": "2033-03-01"}, "to_day", "1년까지만"),
        ({"from_time": "25:00"}, "from_time", "09:30처럼"),
        ({"factor": "many"}, "factor", "숫자로"),
        ({"factor": "0"}, "factor", "숫자로"),
    ],
)
def test_what_is_wrong_is_told_at_its_field(
    page: TestClient, empty: Services, csrf: Csrf, wrong: dict[str, str], field: str, said: str
) -> None:
    data = SALE | wrong | {"csrf": csrf(page, "/calendar")}
    answer = page.post("/calendar", data=data)
    assert answer.status_code == 422
    error = answer.text.partition(f'id="{field}-error"')[2].partition("</small>")[0]
    assert said in error
    assert f'value="{data["name"].strip()}"' in answer.text
    assert events(empty) == []


def test_one_day_is_enough(page: TestClient, empty: Services, csrf: Csrf) -> None:
    page.post("/calendar", data=SALE | {"to_day": "", "csrf": csrf(page, "/calendar")})
    (row,) = events(empty)
    assert row.to_at - row.from_at == planned.LONGEST / 366


def test_holidays_are_shown_in_their_month(page: TestClient) -> None:
    text = page.get("/calendar?month=2026-03").text
    assert '<span class="holiday" title="삼일절">' in text
    assert "삼일절 대체 휴일" in text
    assert page.get("/calendar?month=2026-13").status_code == 200
    english = page.get("/calendar?month=2026-03&lang=en").text
    assert '<span class="holiday" title="Independence Movement Day">' in english
    assert "삼일절" not in english
