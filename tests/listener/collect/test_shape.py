"""What a source read is of the types that all else expects: else it is told, or left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from builders import NOW
from listener.collect.shape import WrongType, checked
from listener.types import Engagement, RawAuthor, RawItem

ITEM = RawItem(
    external_id="1",
    text="누리마켓",
    title="배송",
    url="https://a.example/1",
    author=RawAuthor(native_id="7", name="mina", followers=3),
    published_at=NOW,
    language="ko",
    media=("https://a.example/1.jpg",),
    engagement=Engagement(likes=1, replies=None),
)


def with_(**fields: Any) -> RawItem:
    return replace(ITEM, **fields)


def test_a_sound_item_passes_as_it_is() -> None:
    assert checked([ITEM])[0] is ITEM


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"external_id": 7}, r"the id of an item has another type \(int\)"),
        ({"external_id": None}, "the id of an item"),
        ({"external_id": ""}, "the id of an item is missing"),
        ({"text": ["a"]}, r"the text of an item has another type \(list\)"),
        ({"title": 7}, "the title of an item"),
        ({"published_at": "2025-03-10"}, "the date of an item"),
    ],
)
def test_what_an_item_cannot_do_without_is_told(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(WrongType, match=words):
        checked([with_(**fields)])


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"url": 7}, {"url": None}),
        ({"language": ["ko"]}, {"language": None}),
        ({"parent_id": {"id": "1"}}, {"parent_id": None}),
        ({"media": ("https://a.example/1.jpg", 7)}, {"media": ("https://a.example/1.jpg",)}),
        (
            {"author": RawAuthor(native_id=7, name={}, followers="3")},  # type: ignore[arg-type]
            {"author": RawAuthor(native_id="7", followers=3)},
        ),
        (
            {"engagement": Engagement(likes="1.2K", replies="12", shares=3.0, views=True)},  # type: ignore[arg-type]
            {"engagement": Engagement(replies=12, shares=3)},
        ),
    ],
)
def test_a_side_field_of_another_type_is_read_or_left_out(
    given: dict[str, Any], wanted: dict[str, Any]
) -> None:
    assert checked([with_(**given)]) == (with_(**wanted),)
