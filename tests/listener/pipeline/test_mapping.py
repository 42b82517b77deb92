from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from listener.errors import InvalidInput
from listener.pipeline.mapping import (
    PRESETS,
    FieldMapping,
    map_payload,
    payload_of,
    preset,
    read_mapping,
)
from listener.types import Kind, Precision, RawItem

SEOUL = ZoneInfo("Asia/Seoul")

TYPEFORM: dict[str, Any] = {
    "event_id": "e1",
    "event_type": "form_response",
    "form_response": {
        "form_id": "f1",
        "token": "tok1",
        "submitted_at": "2025-03-10T10:00:00Z",
        "definition": {"id": "f1", "title": "구매 뒤 설문", "fields": []},
        "answers": [
            {"type": "number", "number": 0, "field": {"id": "a", "type": "opinion_scale"}},
            {"type": "text", "text": "배송이 늦어요", "field": {"id": "b", "type": "long_text"}},
            {"type": "choice", "choice": {"label": "앱"}, "field": {"id": "c"}},
        ],
    },
}
ZENDESK: dict[str, Any] = {
    "type": "zen:event-type:ticket.created",
    "time": "2025-03-10T11:00:00Z",
    "detail": {
        "id": "5",
        "subject": "환불",
        "description": "환불이 안 돼요",
        "requester_id": "9",
        "created_at": "2025-03-10T10:00:00Z",
        "via": {"channel": "web"},
    },
    "event": {},
}


def one(payload: Any, mapping: FieldMapping | dict[str, str]) -> RawItem:
    """The only item of a payload."""
    if isinstance(mapping, dict):
        mapping = read_mapping({"fields": mapping})
    (item,) = mapped(payload, mapping)
    return item


def mapped(payload: Any, mapping: FieldMapping) -> tuple[RawItem, ...]:
    return map_payload(payload, mapping, namespace="hook", delivery="d1", zone=SEOUL).items


# --- presets -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [one.name for one in PRESETS])
def test_presets_are_mappings_that_can_be_saved(name: str) -> None:
    mapping = preset(name).mapping
    assert read_mapping(orjson.loads(orjson.dumps(mapping.as_json()))) == mapping
    assert preset(name).title_ko
    assert preset(name).help_ko


def test_typeform_is_a_survey_of_which_zero_is_a_rating() -> None:
    item = one(TYPEFORM, preset("typeform").mapping)
    assert (item.rating, item.rating_min, item.rating_max) == (0.0, 0.0, 10.0)
    assert (item.kind, item.solicited) == (Kind.SURVEY, True)
    assert (item.external_id, item.text) == ("tok1", "배송이 늦어요")
    assert item.published_at == datetime(2025, 3, 10, 10, tzinfo=UTC)
    assert item.touchpoint == "구매 뒤 설문"


def test_typeform_events_that_are_no_response_are_skipped() -> None:
    found = map_payload(
        {"event_type": "form_response_partial"},
        preset("typeform").mapping,
        namespace="hook",
        delivery="d",
        zone=SEOUL,
    )
    assert found.items == ()
    assert "event_type" in found.skipped


def test_formbricks_takes_texts_and_the_first_number() -> None:
    data = {
        "id": "r1",
        "createdAt": "2025-03-10T10:00:00.000Z",
        "updatedAt": "2025-03-10T10:01:00.000Z",
        "surveyId": "s1",
        "data": {"nps": 9, "why": "빨라요", "more": "친절해요"},
        "meta": {"country": "KR", "url": "https://shop.example/done"},
        "language": None,
    }
    item = one({"event": "responseFinished", "data": data}, preset("formbricks").mapping)
    assert (item.rating, item.rating_max, item.country) == (9.0, 10.0, "KR")
    assert item.text == "빨라요\n친절해요"
    assert mapped({"event": "responseCreated", "data": data}, preset("formbricks").mapping) == ()


def test_google_forms_in_both_shapes() -> None:
    api = {
        "responseId": "g1",
        "lastSubmittedTime": "2025-03-10T10:00:00Z",
        "answers": {
            "a": {"textAnswers": {"answers": [{"value": "하나"}, {"value": "둘"}]}},
            "b": {"textAnswers": {"answers": [{"value": "셋"}]}},
        },
    }
    assert one(api, preset("google-forms").mapping).text == "하나\n둘\n셋"
    trigger = one({"namedValues": {"의견": ["좋아요"]}}, preset("google-forms").mapping)
    assert (trigger.text, trigger.derived) == ("좋아요", True)


def test_zendesk_tickets_comments_and_deletions() -> None:
    mapping = preset("zendesk").mapping
    ticket = one(ZENDESK, mapping)
    assert (ticket.external_id, ticket.parent_id, ticket.kind) == ("5", None, Kind.TICKET)
    comment = {"id": 77, "body": "처리했습니다", "author": {"id": "1", "is_staff": True}}
    answer = one(ZENDESK | {"event": {"comment": comment}}, mapping)
    assert (answer.external_id, answer.parent_id, answer.thread_id) == ("5-77", "5", "5")
    assert answer.is_own
    assert answer.published_at == datetime(2025, 3, 10, 11, tzinfo=UTC)
    gone = one(ZENDESK | {"type": "zen:event-type:ticket.soft_deleted"}, mapping)
    assert (gone.external_id, gone.deleted, gone.text) == ("5", True, "")


def test_intercom_freshdesk_and_plain_text() -> None:
    source = {"body": "<p>안녕하세요</p>", "subject": "", "author": {"type": "user", "id": "u"}}
    item = {"id": "1", "created_at": 1741600800, "source": source}
    first = one({"data": {"item": item}}, preset("intercom").mapping)
    assert (first.external_id, first.html, first.is_own) == ("1", True, False)
    assert first.published_at == datetime(2025, 3, 10, 10, tzinfo=UTC)
    part = {"id": "2", "body": "<p>네</p>", "author": {"type": "admin", "id": "a"}}
    parts = {"conversation_parts": {"conversation_parts": [part]}}
    reply = one({"data": {"item": item | parts}}, preset("intercom").mapping)
    assert (reply.external_id, reply.thread_id, reply.is_own) == ("2", "1", True)

    ticket = {"ticket_id": 3, "ticket_subject": "문의", "ticket_description": "<div>왜요</div>"}
    fresh = one({"freshdesk_webhook": ticket}, preset("freshdesk").mapping)
    assert (fresh.external_id, fresh.title) == ("3", "문의")

    slack = one(payload_of("서버가 느려요".encode(), "text/plain"), preset("text").mapping)
    assert slack.text == "서버가 느려요"
    form = payload_of(b"text=%EB%8A%90%EB%A0%A4%EC%9A%94&user_name=mina", FORM)
    assert one(form, preset("text").mapping).author is not None


FORM = "application/x-www-form-urlencoded"


# --- paths ---------------------------------------------------------------------------------------


def test_names_of_all_kinds_need_no_quotes() -> None:
    payload = {"응답": {"만족도-점수": 4, "한 마디": "좋아요"}, "list": [{"x": "y"}]}
    item = one(payload, {"text": "응답.한 마디", "rating": "응답.만족도-점수", "place": "list.0.x"})
    assert (item.text, item.rating, item.place) == ("좋아요", 4.0, "y")
    assert one(payload, {"text": "list[-1].x"}).text == "y"
    assert one(payload, {"text": "nothing || list[0].x"}).text == "y"


def test_lists_of_items_share_what_stands_above_them() -> None:
    mapping = read_mapping(
        {
            "items": "data.rows",
            "when": "state != 'draft'",
            "fields": {"text": "body", "product": "$.data.product", "kind": "=review"},
        }
    )
    rows = [{"body": "a"}, {"body": "b", "state": "draft"}, {"body": "c"}]
    found = mapped({"data": {"product": "컵", "rows": rows}}, mapping)
    assert [(item.text, item.product, item.kind) for item in found] == [
        ("a", "컵", Kind.REVIEW),
        ("c", "컵", Kind.REVIEW),
    ]
    assert len({item.external_id for item in found}) == 2
    assert all(item.derived for item in found)
    with pytest.raises(InvalidInput, match="path of the items"):
        mapped({"rows": []}, mapping)
    assert mapped({"data": {"rows": []}}, mapping) == ()


def test_ids_that_are_made_are_those_of_the_delivery() -> None:
    mapping = read_mapping({"fields": {"text": "a"}})

    def made(delivery: str) -> str:
        found = map_payload({"a": "x"}, mapping, namespace="n", delivery=delivery, zone=SEOUL)
        return found.items[0].external_id

    assert made("d1") == made("d1") != made("d2")


def test_dates_without_one_have_no_precision() -> None:
    assert one({"a": "x"}, {"text": "a"}).published_precision is Precision.NONE
    exact = one({"a": "x", "ts": "1741600800.123"}, {"text": "a", "published_at": "ts"})
    assert exact.published_at == datetime(2025, 3, 10, 10, tzinfo=UTC)
    day = one({"a": "x", "d": "2025-03-10"}, {"text": "a", "published_at": "d"})
    assert day.published_precision is Precision.DAY


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "JSON object"),
        ({"fields": {}}, "needs fields"),
        ({"fields": {"txet": "a"}}, "no field 'txet'"),
        ({"fields": {"text": 3}}, "not a text"),
        ({"fields": {"text": "a["}}, "cannot be read"),
        ({"fields": {"text": "(" * 400}}, "cannot be read"),
        ({"fields": {"text": "a" * 501}}, "longer than 500"),
        ({"fields": {"url": "a"}}, "text, the title or the rating"),
        ({"fields": {"text": "a", "kind": "=poem"}}, "no kind"),
        ({"fields": {"text": "a"}, "item": "b"}, "no 'item'"),
        ({"fields": {"text": "a"}, "items": "b[?"}, "cannot be read"),
    ],
)
def test_mappings_that_cannot_be_are_refused_in_words(given: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read_mapping(given)


@pytest.mark.parametrize(
    ("payload", "fields", "said"),
    [
        ({}, {"text": "a.b"}, r"nothing at text \(a\.b\)"),
        ({"a": "x", "r": "viel"}, {"text": "a", "rating": "r"}, "'viel' is not a number"),
        ({"a": "x", "d": "gestern"}, {"text": "a", "published_at": "d"}, "not understood"),
        ({"a": 11}, {"rating": "a", "rating_min": "=0", "rating_max": "=10"}, "0 to 10"),
        ({"a": 3}, {"text": "length(a)"}, "cannot be read here"),
        ({"gone": True}, {"text": "a", "deleted": "gone"}, "needs the id"),
    ],
)
def test_payloads_that_do_not_fit_are_refused_in_words(
    payload: Any, fields: dict[str, str], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        one(payload, fields)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b"{broken", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
    ],
)
def test_bodies_that_are_nothing(body: bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        payload_of(body, "application/json")


def test_a_delivery_holds_a_thousand_items_at_most() -> None:
    mapping = read_mapping({"items": "@", "fields": {"text": "a"}})
    with pytest.raises(InvalidInput, match="1,000"):
        mapped([{"a": "x"}] * 1_001, mapping)
