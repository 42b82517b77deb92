from __future__ import annotations

from pathlib import Path

import pytest

from listener.enrich.sentiment.korean import Korean, overlay
from listener.enrich.sentiment.korean_overlay import load, save

# "찢었다" is praise among the young; the model knows it from parcels.
TEXTS = [
    f"{what} 완전 찢었다" for what in ("무대", "이번 신곡", "오늘 코디", "디자인", "사장님 센스")
]
OTHERS = [
    "배송이 너무 늦어요",
    "정말 좋아요",
    "상자가 찢어져서 왔어요",
    "배송 조회는 어떻게 하나요?",
]


@pytest.fixture(scope="module")
def korean() -> Korean:
    return Korean()


def scores(model: Korean, texts: list[str]) -> list[float]:
    return [s.score for s in model.score(texts)]


def test_corrections_reach_texts_like_them_and_spare_others(korean: Korean) -> None:
    added = Korean(overlay=overlay(korean, TEXTS, [1.0] * len(TEXTS)))
    unseen = ["공연 완전 찢었다"]
    assert scores(added, unseen)[0] > scores(korean, unseen)[0] + 0.1
    assert scores(added, TEXTS) > scores(korean, TEXTS)
    assert scores(added, OTHERS) == pytest.approx(scores(korean, OTHERS), abs=0.15)


def test_many_one_sided_corrections_do_not_break_it(korean: Korean) -> None:
    texts = [
        f"{n}번 상품 {word}"
        for n in range(10)
        for word in ("찢었다", "미쳤다", "쩐다", "지린다", "돌았다")
    ]
    added = Korean(overlay=overlay(korean, texts, [1.0] * len(texts)))
    assert min(scores(added, texts)) > 0
    assert scores(added, OTHERS) == pytest.approx(scores(korean, OTHERS), abs=0.3)


def test_it_is_repeatable_saved_and_carries_a_version(korean: Korean, tmp_path: Path) -> None:
    made = overlay(korean, TEXTS, [1.0] * len(TEXTS))
    save(made, tmp_path / "one.npz")
    save(overlay(korean, TEXTS, [1.0] * len(TEXTS)), tmp_path / "two.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    again = load(tmp_path / "one.npz")
    assert again.version == made.version
    model = Korean(overlay=again)
    assert model.version == f"{korean.version}+{made.version}"
    assert model.score(["좋아요"])[0].version == model.version
    assert scores(model, TEXTS) == scores(Korean(overlay=made), TEXTS)
    other = overlay(korean, TEXTS, [0.0] * len(TEXTS))
    assert other.version != made.version


def test_an_overlay_of_another_version_is_refused(korean: Korean) -> None:
    from dataclasses import replace

    made = replace(overlay(korean, TEXTS, [1.0] * len(TEXTS)), base="2-0000000000")
    with pytest.raises(ValueError, match="does not fit"):
        Korean(overlay=made).score(["좋아요"])


@pytest.mark.parametrize(("texts", "targets"), [([], []), (["가"], [1.0, 0.0]), (["가"], [2.0])])
def test_nonsense_is_refused(korean: Korean, texts: list[str], targets: list[float]) -> None:
    with pytest.raises(ValueError, match="target"):
        overlay(korean, texts, targets)
