from __future__ import annotations

import csv
import time
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from listener.enrich.sentiment.korean import Korean, load_weights, parts_of
from listener.enrich.sentiment.ngrams import ORDERS, hash_ngrams
from listener.types import Label, Sentiment

SERVICE = Path(__file__).parents[1] / "service_ko.tsv"


@pytest.fixture(scope="module")
def korean() -> Korean:
    return Korean()


def one(korean: Korean, text: str) -> Sentiment:
    return korean.score([text])[0]


@pytest.mark.parametrize(
    "text",
    [
        "배송이 빨라서 정말 좋아요",
        "최고예요",
        "대만족입니다 강력 추천",
        "친절하고 편해요",
        "가성비 갑 재구매 의사 있어요",
        "혜자네요 굿굿 👍",
        "최애 맛집 ㅎㅎ",
    ],
)
def test_praise_is_positive(korean: Korean, text: str) -> None:
    found = one(korean, text)
    assert found.label is Label.POSITIVE
    assert 0 < found.score <= 1
    assert found.confidence == pytest.approx((1 + found.score) / 2)


@pytest.mark.parametrize(
    "text",
    [
        "배송이 너무 늦어요",
        "최악이에요",
        "환불도 안 해주고 연락도 없네요",
        "다시는 안 삽니다",
        "앱이 자꾸 튕겨요 ㅠㅠ",
        "결제하면 먹통 됨 ㅅㅂ",
        "양도 적고 창렬이네요",
    ],
)
def test_reproach_is_negative(korean: Korean, text: str) -> None:
    found = one(korean, text)
    assert found.label is Label.NEGATIVE
    assert -1 <= found.score < 0
    assert found.confidence == pytest.approx((1 - found.score) / 2)


@pytest.mark.parametrize(
    ("meant", "denied"),
    [
        ("불편해요", "불편한 점이 없어요"),
        ("비싸요", "비싸지 않아요"),
        ("실망했어요", "실망할 일이 없어요"),
    ],
)
def test_blame_denied_is_no_blame(korean: Korean, meant: str, denied: str) -> None:
    assert one(korean, denied).score > max(one(korean, meant).score + 0.5, 0)


@pytest.mark.parametrize(
    ("meant", "denied"),
    [
        ("친절해요", "친절하지 않아요"),
        ("깨끗해요", "깨끗하지 못해요"),
        ("만족스러워요", "만족스럽지 않네요"),
        ("추천해요", "추천은 못 하겠어요"),
    ],
)
def test_praise_denied_is_no_praise(korean: Korean, meant: str, denied: str) -> None:
    assert one(korean, denied).score < min(one(korean, meant).score - 0.5, 0)


def test_what_stands_behind_a_contrast_counts_more(korean: Korean) -> None:
    good_last = one(korean, "배송은 느렸지만 제품은 정말 마음에 들어요")
    bad_last = one(korean, "제품은 마음에 들지만 배송이 너무 느려요")
    assert good_last.score > bad_last.score


@pytest.mark.parametrize(
    "text",
    ["배송 조회는 어떻게 하나요?", "영업시간은 오전 10시부터입니다", "재입고는 언제 되나요?"],
)
def test_questions_and_notices_are_neutral(korean: Korean, text: str) -> None:
    assert one(korean, text).label is Label.NEUTRAL


@pytest.mark.parametrize(
    "text",
    [
        "기능은 좋은데 자꾸 튕겨요",
        "디자인은 마음에 드는데 배송이 늦었어요",
        "제품은 마음에 드는데 배송이 너무 늦었어요",
    ],
)
def test_both_sides_are_mixed(korean: Korean, text: str) -> None:
    assert one(korean, text).label is Label.MIXED


@pytest.mark.parametrize("text", ["", "   ", "\n", "\0", "...", "!!!"])
def test_nothing_said_is_neutral_without_confidence(korean: Korean, text: str) -> None:
    found = one(korean, text)
    assert (found.label, found.confidence) == (Label.NEUTRAL, 0.0)
    assert found.score == 0.0


def test_emoji_alone_say_something(korean: Korean) -> None:
    assert one(korean, "👍👍").score > 0
    assert one(korean, "👎").score < 0


def test_a_text_scores_the_same_alone_and_in_a_batch(korean: Korean) -> None:
    texts = [
        "배송이 늦어요",
        "",
        "좋아요 " * 900,
        "🙂👍🏽",
        "\ud800",
        "별로",
        "a\0b",
        "ㅋㅋㅋㅋ",
        "그런데 " * 200 + "좋았지만 실망. " * 80,
    ] * 100
    batch = korean.score(texts)
    alone = {text: one(korean, text) for text in set(texts)}
    assert batch == [alone[text] for text in texts]


def test_an_empty_batch_is_fine(korean: Korean) -> None:
    assert korean.score([]) == []


def test_spelling_that_means_nothing_changes_nothing(korean: Korean) -> None:
    plain = one(korean, "배송 3일 좋아요ㅋㅋ!! OK")
    same = "배송  7일\n좋아요ㅋㅋㅋㅋㅋㅋ!!!!! ok https://shop.example/a/b?c=d @someone"
    assert one(korean, same).score == pytest.approx(plain.score, abs=0.02)


def test_length_alone_makes_no_certainty(korean: Korean) -> None:
    short = "음식은 그럭저럭 먹을 만했고 직원도 보통이었습니다. "
    scores = [one(korean, short * times).score for times in (1, 18, 50)]
    assert max(scores) - min(scores) < 0.6
    assert abs(scores[2] - scores[1]) < 0.15


def test_a_long_text_of_two_minds_is_mixed(korean: Korean) -> None:
    good = "음식이 정말 맛있고 직원분들도 아주 친절했어요. "
    bad = "그런데 화장실이 너무 더럽고 냄새가 나서 최악이었습니다. "
    assert one(korean, good * 10).label is Label.POSITIVE
    assert one(korean, bad * 10).label is Label.NEGATIVE
    assert one(korean, good * 8 + bad * 8).label is Label.MIXED


def test_parts_of_a_long_text_hold_its_ends_and_a_text_without_stops_too() -> None:
    text = "".join(f"{n}번째 문장입니다 그리고 이렇게 길게 이어집니다. " for n in range(400))
    parts = list(parts_of(text))
    assert parts[0].startswith("0번째")
    assert parts[-1].strip().endswith("이어집니다.")
    assert len(parts) <= 18
    assert [len(p) for p in parts_of("가" * 1000)] == [400, 400, 200]
    assert list(parts_of(" " * 500)) == [" " * 400]


def test_hashing_is_the_same_everywhere() -> None:
    grams = hash_ngrams(["배송 늦음", "a"], 1 << 20)
    assert grams.starts.tolist() == [0, 8]
    # " 배송 늦음 " has 7 characters: 7 + 6 + 5 + 4 n-grams; " a " has 3 + 2 + 1.
    assert grams.counts.tolist() == [22.0, 6.0]
    checks = [int(bucket[bucket < 1 << 20].sum()) for bucket in grams.buckets]
    assert checks == [3903942, 4186558, 3115278, 2215550]


def test_ngrams_do_not_reach_into_the_next_text() -> None:
    size = 1 << 20
    together = hash_ngrams(["가나", "다라"], size)
    apart = [hash_ngrams([text], size) for text in ("가나", "다라")]
    for order in range(ORDERS):
        found = together.buckets[order]
        expected = np.concatenate([a.buckets[order][a.buckets[order] < size] for a in apart])
        assert found[found < size].tolist() == expected.tolist()


def test_the_model_file_is_small_and_carries_its_version(korean: Korean) -> None:
    file = resources.files("listener.enrich.sentiment").joinpath("data/korean-2.npz")
    assert len(file.read_bytes()) <= 3_000_000
    assert load_weights().general.table.dtype == np.int8
    assert korean.version == load_weights().version
    assert korean.version.startswith("2-")
    assert one(korean, "좋아요").version == korean.version
    assert one(korean, "좋아요").model == "ko-ngram"


def test_loading_takes_no_time_worth_naming() -> None:
    started = time.process_time()
    Korean().score(["좋아요"])
    assert time.process_time() - started < 1  # 0.1 s alone on a core, measured 2026-11


def test_service_sentences_it_never_saw(korean: Korean) -> None:
    """The floor under docs/model-card.md: hand-written, by others than the training sentences."""
    with SERVICE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    folder = resources.files("listener.enrich.sentiment").joinpath("sentences")
    seen = {
        line.split("\t")[0].strip()
        for path in folder.iterdir()
        if path.name.startswith("ko_")
        for line in path.read_text("utf-8").splitlines()
    }
    assert len(rows) >= 150
    rows = [row for row in rows if row["text"].strip() not in seen]
    found = korean.score([row["text"] for row in rows])
    pairs = list(zip(rows, found, strict=True))
    sides = {"positive", "negative"}
    polar = [(row["label"], s.score) for row, s in pairs if row["label"] in sides]
    right = sum((label == "positive") == (score > 0) for label, score in polar)
    assert right / len(polar) >= 0.86
    opposite = {"positive": Label.NEGATIVE, "negative": Label.POSITIVE}
    wrong = sum(opposite.get(row["label"]) is s.label for row, s in pairs)
    assert wrong / len(rows) <= 0.09


def test_what_holds_no_opinion_weighs_nothing_in_a_mean() -> None:
    """A plain question is about late parcels more often than about good ones, and yet no blame."""
    (asked,) = Korean().score(["배송 조회는 어떻게 하나요?"])
    assert asked.label is Label.NEUTRAL
    assert abs(asked.score) <= 1 - asked.confidence
