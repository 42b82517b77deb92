"""Dates, ratings and columns as people write them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from listener.errors import InvalidInput
from listener.pipeline.rows import Columns, fits_scale, stars, when
from listener.types import Kind, Precision

SEOUL = ZoneInfo("Asia/Seoul")
HALF_PAST_THREE = datetime(2025, 3, 10, 6, 30, tzinfo=UTC)  # 15:30 in Seoul


@pytest.mark.parametrize(
    "value",
    [
        "2025-03-10T15:30:00+09:00",
        "2025-03-10T06:30:00Z",
        "2025-03-10 15:30",
        "2025-03-10T15:30:00.000",
        "2025.03.10 15:30",
        "2025. 3. 10. 오후 3:30",
        "2025. 3. 10. (월) 오후 3:30",
        "2025년 3월 10일 15시 30분",
        "2025/3/10 03:30 PM",
        "2025/03/10 3:30:00 pm",
        "1741588200",
        "1741588200000",
        "Mon, 10 Mar 2025 15:30:00 +0900",
    ],
)
def test_points_in_time(value: str) -> None:
    assert when(value, SEOUL) == (HALF_PAST_THREE, Precision.EXACT)


@pytest.mark.parametrize(
    "value",
    ["2025-03-10", "2025.3.10", "2025. 3. 10.", "2025년 3월 10일", "20250310", "2025/03/10"],
)
def test_days_are_days_of_the_workspace(value: str) -> None:
    assert when(value, SEOUL) == (datetime(2025, 3, 9, 15, tzinfo=UTC), Precision.DAY)


@pytest.mark.parametrize(
    "value",
    ["3/10/2025", "yesterday", "2025-13-01", "2025-02-30", "10", "어제", "2025-03-10T25:00"],
)
def test_dates_that_are_not_understood(value: str) -> None:
    with pytest.raises(InvalidInput, match="not understood"):
        when(value, SEOUL)


def test_no_date() -> None:
    assert when("", SEOUL) == (None, Precision.NONE)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("4", (4.0, None, None)),
        ("4,5", (4.5, None, None)),
        ("4점", (4.0, None, None)),
        ("4.5/5", (4.5, 1.0, 5.0)),
        ("9 / 10", (9.0, 0.0, 10.0)),
        ("★★★☆☆", (3.0, 1.0, 5.0)),
        ("⭐️⭐️", (2.0, 1.0, 5.0)),
        ("", (None, None, None)),
    ],
)
def test_ratings(value: str, expected: tuple[float | None, ...]) -> None:
    assert stars(value) == expected


@pytest.mark.parametrize("value", ["good", "nan", "1e99", "/5"])
def test_ratings_that_are_none(value: str) -> None:
    with pytest.raises(InvalidInput, match="rating"):
        stars(value)


def test_columns_are_found_under_the_names_people_give_them() -> None:
    columns = Columns(["번호", "작성자", "Review Text", "별점", "작성일", "상품명", "메모"])
    row = {
        "번호": "17",
        "작성자": "미나",
        "Review Text": "좋아요",
        "별점": "5",
        "작성일": "2025-03-10",
        "상품명": "상자",
        "메모": "VIP",
    }
    source, item = columns.item(row, namespace="shop", zone=SEOUL)
    assert source == "file"
    assert (item.external_id, item.namespace, item.text, item.kind) == (
        *("17", "shop", "좋아요"),
        Kind.REVIEW,
    )
    assert item.author is not None
    assert item.author.handle == "미나"
    assert (item.rating, item.product, item.raw) == (5.0, "상자", {"메모": "VIP"})
    assert item.published_precision is Precision.DAY


def test_a_row_of_our_own_export_goes_back_to_its_source() -> None:
    row = {
        "id": 12,
        "seq": 99,
        "change": "created",
        "source": "x",
        "namespace": "",
        "external_id": "777",
        "kind": "post",
        "url": "https://x.example/777",
        "author": {"handle": "a_0123", "name": ""},
        "title": None,
        "text": "hello",
        "language": "en",
        "sentiment": {"score": 0.1},
        "complaint": False,
        "topics": ["delivery"],
        "rating": 4,
        "rating_min": 0,
        "rating_max": 10,
        "published_at": "2025-03-10T06:30:00+00:00",
        "published_precision": "exact",
        "seen_at": "2025-03-10T06:31:00+00:00",
        "brands": [{"id": 1}],
    }
    source, item = Columns(list(row)).item(row, namespace="file", zone=SEOUL)
    assert (source, item.namespace, item.external_id) == ("x", "", "777")
    assert (item.rating, item.rating_min, item.rating_max, item.raw) == (4.0, 0.0, 10.0, None)
    assert item.published_at == HALF_PAST_THREE
    assert item.author is not None
    assert item.author.handle == "a_0123"


def test_a_column_named_source_alone_is_just_a_column() -> None:
    row = {"text": "hello", "source": "네이버", "id": "1"}
    source, item = Columns(list(row)).item(row, namespace="f", zone=SEOUL)
    assert (source, item.namespace, item.raw) == ("file", "f", {"source": "네이버"})


def test_a_rating_off_its_scale_is_refused_in_words() -> None:
    with pytest.raises(InvalidInput, match="9 does not fit its scale, 1 to 5"):
        fits_scale(9.0, 1.0, 5.0)
    fits_scale(9.0, 0.0, 10.0)
    fits_scale(9.0, None, None)


# --- surveys -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nps", "NPS score", "추천지수", "Likelihood to recommend"])
def test_nps_goes_from_zero_to_ten_and_was_asked_for(name: str) -> None:
    _, item = Columns(["id", name, "comment"]).item(
        {"id": "1", name: "0", "comment": "다시는 안 사요"}, namespace="f", zone=SEOUL
    )
    assert (item.rating, item.rating_min, item.rating_max) == (0.0, 0.0, 10.0)
    assert (item.kind, item.solicited) == (Kind.SURVEY, True)


def test_nps_above_ten_is_refused() -> None:
    with pytest.raises(InvalidInput, match="0 to 10"):
        Columns(["nps", "text"]).item({"nps": "11", "text": "a"}, namespace="f", zone=SEOUL)


@pytest.mark.parametrize("name", ["csat", "CES", "만족도"])
def test_other_surveys_tell_their_scale_or_have_none(name: str) -> None:
    columns = Columns([name, "text", "만점", "solicited"])
    _, item = columns.item({name: "4", "text": "a"}, namespace="f", zone=SEOUL)
    assert (item.rating, item.rating_max, item.kind) == (4.0, None, Kind.SURVEY)
    assert item.solicited
    row = {name: "4", "text": "a", "만점": "5", "solicited": "no"}
    _, told = columns.item(row, namespace="f", zone=SEOUL)
    assert (told.rating_max, told.solicited) == (5.0, False)


def test_a_rating_comes_before_a_survey_beside_it() -> None:
    _, item = Columns(["rating", "nps", "text"]).item(
        {"rating": "5", "nps": "9", "text": "a"}, namespace="f", zone=SEOUL
    )
    assert (item.rating, item.kind, item.solicited) == (5.0, Kind.REVIEW, False)
    assert item.raw == {"nps": "9"}
