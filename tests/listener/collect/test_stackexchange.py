"""Stack Exchange beyond its recorded answers: words of its errors, deletions, lanes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from listener.collect.base import Position
from listener.collect.sources.stackexchange import StackExchange
from listener.errors import InvalidInput
from listener.net.client import Net
from listener.types import Brand, Kept, State, Watch
from webserver import Play, WebServer

SEARCH = "/2.3/search/advanced"
HEADERS = {"Content-Type": "application/json"}
BRAND = Brand(id=1, name="nurimarket")


def wrapped(*items: Any, more: bool = False) -> Play:
    answer = {"items": items, "has_more": more, "quota_max": 300, "quota_remaining": 299}
    return Play(json.dumps(answer), headers=HEADERS)


def a_question(number: int, at: int, answers: int = 0) -> dict[str, Any]:
    return {
        "question_id": number, "title": f"Q{number}", "body": "<p>nurimarket</p>",
        "creation_date": at, "last_activity_date": at, "answer_count": answers,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("said", "field"),
    [("No site found for name `x`", "site"), ("tagged is not a tag", "query")],
)
def test_what_the_api_refuses_is_the_users_to_mend(
    server: WebServer,
    net: Net,
    make_watch: Callable[..., Watch],
    now: datetime,
    said: str,
    field: str,
) -> None:
    error = {"error_id": 400, "error_message": said, "error_name": "bad_parameter"}
    server.pages[SEARCH] = Play(json.dumps(error), status=400, headers=HEADERS)
    watch = make_watch("stackexchange", base_url=server.url, brand=BRAND)
    with pytest.raises(InvalidInput, match=said) as caught:
        list(StackExchange(net).collect(watch, State(), now=now))
    assert caught.value.field == field


def test_a_watch_needs_words_a_tag_or_a_brand(
    net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    with pytest.raises(InvalidInput) as caught:
        list(StackExchange(net).collect(make_watch("stackexchange"), State(), now=now))
    assert caught.value.field == "query"


def test_answers_that_cannot_be_read_do_not_stop_the_questions(
    server: WebServer, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    at = int(now.timestamp())
    server.pages[SEARCH] = [
        wrapped(a_question(2, at - 60, answers=1), more=True),
        wrapped(a_question(1, at - 90)),
    ]
    watch = make_watch("stackexchange", base_url=server.url, brand=BRAND)
    batches = list(StackExchange(net).collect(watch, State(), now=now))
    assert [item.external_id for batch in batches for item in batch.items] == ["2", "1"]
    assert [batch.notices for batch in batches if batch.notices]
    assert batches[-1].complete


def test_a_server_that_knows_no_upper_end_is_not_asked_for_ever(
    server: WebServer, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    at = int(now.timestamp())
    server.pages[SEARCH] = wrapped(a_question(2, at - 60), a_question(1, at - 90), more=True)
    watch = make_watch("stackexchange", base_url=server.url, brand=BRAND)
    assert list(StackExchange(net).collect(watch, State(), now=now))[-1].complete
    assert len(server.seen) == 2


def test_more_than_a_run_walks_is_handed_over_in_the_middle_of_answers(
    server: WebServer, make_net: Callable[..., Net], make_watch: Callable[..., Watch], now: datetime
) -> None:
    at = int(now.timestamp())
    server.pages[SEARCH] = [
        wrapped(a_question(2, at - 60, answers=1), more=True),
        wrapped(a_question(1, at - 90)),
    ]
    answer = {"answer_id": 9, "question_id": 2, "body": "<p>…</p>", "creation_date": at}
    server.pages["/2.3/questions/2/answers"] = wrapped(answer)
    watch = make_watch("stackexchange", base_url=server.url, brand=BRAND)
    source = StackExchange(make_net(max_pages=1))
    batches = list(source.collect(watch, State(), now=now))
    (rest,) = batches[-1].rest
    more = list(source.backfill(watch, rest.state, pages=5, now=now + timedelta(days=2)))
    assert [item.external_id for batch in more for item in batch.items] == ["9", "1"]
    assert more[0].items[0].title == "Q2"


def test_deleted_posts_are_told(
    server: WebServer, net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    server.pages["/2.3/posts/1;2"] = wrapped({"post_id": 2, "post_type": "answer"})
    watch = make_watch("stackexchange", base_url=server.url, brand=BRAND)
    kept = [Kept(external_id=name, namespace="stackoverflow") for name in ("1", "2")]
    (batch,) = StackExchange(net).refresh(watch, kept, now=now)
    assert [(item.external_id, item.deleted) for item in batch.items] == [("1", True)]
    assert server.seen[-1].query["site"] == "stackoverflow"

    server.pages["/2.3/posts/1;2"] = wrapped()
    (batch,) = StackExchange(net).refresh(watch, kept, now=now)
    assert batch.items == ()


def test_requests_with_a_key_and_without_are_charged_apart(
    net: Net, make_watch: Callable[..., Watch], now: datetime
) -> None:
    quotas = {quota.unit: quota.amount for quota in StackExchange.spec.quotas}
    assert quotas == {"keyless": 300, "keyed": 10_000}
    for credentials, unit in (({}, "keyless"), ({"key": "k"}, "keyed")):
        watch = make_watch("stackexchange", brand=BRAND, credentials=credentials)
        asked = StackExchange(net).request(watch, Position(now=now, lane="stackoverflow"))
        assert asked.charge == {"calls": 1, unit: 1}
