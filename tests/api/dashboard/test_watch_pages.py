"""A watch on any web page, set up by selectors with a preview before it is saved."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import story
from listener.runtime.clock import utc_now
from listener.runtime.tasks import answer_job
from listener.runtime.wiring import Services, build
from listener.settings import Settings
from listener.store import access, brands, jobs, schema
from webserver import Play, WebServer

Csrf = Callable[..., str]
Visit = Callable[[Services], TestClient]

FORM = {"source": "page", "match": "terms", "brand": "", "every": "30", "action": "preview"}
REVIEWS = "".join(
    f'<li class="rv" data-id="{number}"><b>{title}</b><p>{text}</p><i>{who}</i>'
    f"<time>2025-03-0{day}</time><em>{rating}점</em></li>"
    for number, title, text, who, day, rating in (
        (901, "느려요", "누리마켓 배송이 <b>너무</b> 늦어요", "김하늘", 9, 2),
        (900, "좋아요", "잘 왔어요", "이바다", 8, 5),
    )
)


def _stored(services: Services, params: dict[str, str], result: dict[str, Any]) -> int:
    """A preview that the runtime has answered."""
    payload = {"source": "page", "params": params, "match": "terms", "brand_id": None}
    now = utc_now()
    with services.database.write() as work:
        job_id = jobs.ask(work.session, "preview", payload, now=now)
        job = jobs.claim(work.session, now=now, length=timedelta(minutes=1))
        assert job is not None
        jobs.answer(work.session, job, result=result, now=now)
        work.commit()
    return job_id


def _item(**fields: Any) -> dict[str, Any]:
    return {
        "title": None, "text": "", "url": None, "author": None, "published_at": None,
        "rating": None, "rating_max": None, "matched": False, "spans": [], "language": "ko",
        "label": None, "complaint": None, "topics": [],
    } | fields  # fmt: skip


def test_the_form_has_modes_and_selectors_in_words(empty: Services, visit: Visit) -> None:
    page = visit(empty).get("/watches/new?source=page").text
    assert "알아서 판단" in page
    assert "직접 지정 (CSS 선택자·XPath)" in page
    assert "Asia/Seoul" in page
    for name in ("item", "title", "text", "author", "date", "rating", "link", "next"):
        assert f'name="p.{name}"' in page
    inside = page.partition("<details><summary>")[2].partition("</details>")[0]
    assert 'name="p.item"' in inside
    assert 'name="p.url"' not in inside


@pytest.mark.parametrize("bad", ["li[", "//li[", "p:nosuch("])
def test_a_selector_that_is_none_is_told_at_its_field(
    empty: Services, visit: Visit, csrf: Csrf, bad: str
) -> None:
    client = visit(empty)
    sent = FORM | {"csrf": csrf(client), "p.url": "https://shop.example/r", "p.author": bad}
    answer = client.post("/watches/new", data=sent | {"p.mode": "selectors"})
    assert answer.status_code == 422
    assert 'id="p.author-error"' in answer.text
    assert 'id="p.text-error"' not in answer.text
    assert "<details open>" in answer.text
    assert "hx-get" not in answer.text.partition('id="preview"')[2]


def test_the_preview_is_a_table_with_rates_and_marks(empty: Services, visit: Visit) -> None:
    client = visit(empty)
    items = [
        _item(
            title="느려요 <b>",
            text="누리마켓 배송이 늦어요",
            author="김하늘",
            published_at="2025-03-09T00:00:00+00:00",
            rating=2.0,
            rating_max=5.0,
            matched=True,
            spans=[["text", 0, 4, "누리마켓"]],
            url="https://shop.example/r/1",
        ),
        _item(text="잘 왔어요", published_at=None),
    ]
    params = {"url": "https://shop.example/r", "rating": "em", "author": ".w", "link": "a"}
    result = {"found": 2, "matched": 1, "items": items, "notices": [], "forecast": None}
    page = client.get(f"/watches/preview/{_stored(empty, params, result)}").text
    assert page.count("<tr") == 3
    assert re.search(r"<mark[^>]*>누리마켓</mark>", page)
    assert "느려요 &lt;b&gt;" in page
    assert "2/5" in page
    rates = re.findall(r">(\d+)%<", page)
    assert rates == ["50", "100", "50", "50", "50", "50"]
    assert "아무것도 찾지 못했습니다" not in page


def test_a_selector_that_hits_nothing_is_told(empty: Services, visit: Visit) -> None:
    result = {"found": 1, "matched": 0, "items": [_item(text="글")], "notices": []}
    job_id = _stored(empty, {"url": "https://shop.example/r", "author": ".nobody"}, result)
    page = visit(empty).get(f"/watches/preview/{job_id}").text
    assert "(.nobody)가 아무것도 찾지 못했습니다" in page
    assert (
        page.count("아무것도 찾지 못했습니다") == 1
    )  # fields without a selector are nobody's fault


def test_a_page_is_previewed_by_the_runtime(tmp_path: Path, visit: Visit, csrf: Csrf) -> None:
    with WebServer() as server:
        server.play({"/r": Play(f"<html lang='ko'><ul>{REVIEWS}</ul></html>")})
        host = server.url.removeprefix("http://")
        services = build(
            Settings(home=tmp_path, secret_key="a secret of the tests", allow_private_hosts=host)  # type: ignore[arg-type]
        )
        schema.upgrade(services.database)
        with services.database.write() as work:
            access.add_user(work.session, story.EMAIL, name="김민아", now=utc_now())
            brands.create(work.session, name="누리마켓", now=utc_now())
            work.commit()
        client = visit(services)
        fields = {"item": "li.rv", "title": "b", "text": "p", "author": "i", "date": "time"}
        sent = FORM | {"csrf": csrf(client), "p.url": f"{server.url}/r", "p.mode": "selectors"}
        sent |= {f"p.{name}": text for name, text in fields.items()} | {"p.rating": "em"}
        asked = client.post("/watches/new", data=sent).text
        found = re.search(r'hx-get="(/watches/preview/\d+)"', asked)
        assert found is not None
        assert answer_job(services)
        page = client.get(found.group(1)).text
        services.close()
    assert "2건을 읽었고" in page
    assert re.search(r"<mark[^>]*>누리마켓</mark>", page)
    assert re.findall(r">(\d+)%<", page) == ["100"] * 5 + ["100"]
