"""Particles follow the sound of the word, whatever script it ends in."""

from __future__ import annotations

import pytest

from listener.alert.korean import final_of, with_particle


@pytest.mark.parametrize(
    ("word", "pair", "expected"),
    [
        ("배송", "이/가", "배송이"),
        ("택배사", "이/가", "택배사가"),
        ("불만", "은/는", "불만은"),
        ("문의", "은/는", "문의는"),
        ("환불", "을/를", "환불을"),
        ("재구매", "을/를", "재구매를"),
        ("서울", "으로/로", "서울로"),  # ㄹ counts as a vowel here
        ("부산", "으로/로", "부산으로"),
        ("대구", "으로/로", "대구로"),
        ("품질", "과/와", "품질과"),
        ("파손", "이라는/라는", "파손이라는"),
        ("3", "이/가", "3이"),  # 삼
        ("2.5", "이/가", "2.5가"),  # 오
        ("10", "을/를", "10을"),  # 십
        ("7", "으로/로", "7로"),  # 칠
        ("12%", "이/가", "12%가"),  # 퍼센트
        ("X", "이/가", "X가"),  # 엑스
        ("SNS", "은/는", "SNS는"),
        ("FM", "은/는", "FM은"),  # 엠
        ("Instagram", "이/가", "Instagram이"),
        ("YouTube", "을/를", "YouTube를"),
        ("TikTok", "은/는", "TikTok은"),
        ("X(트위터)", "은/는", "X(트위터)는"),
        ("새벽결’", "이/가", "새벽결’이"),
        ("배송 지연!", "을/를", "배송 지연!을"),
        ("", "이/가", "가"),
        ("!!!", "은/는", "!!!는"),
    ],
)
def test_particles(word: str, pair: str, expected: str) -> None:
    assert with_particle(word, pair) == expected


def test_finals() -> None:
    assert [final_of(w) for w in ("가", "각", "갈", "sing", "ml")] == ["", "ㅇ", "ㄹ", "ㅇ", "ㄹ"]
