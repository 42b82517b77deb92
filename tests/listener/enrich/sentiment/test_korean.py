from __future__ import annotations

import csv
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from listener.enrich.sentiment.korean import ORDERS, Korean, hash_ngrams, load_weights
from listener.types import Label, Sentiment

SERVICE = Path(__file__).parents[1] / "service_ko.tsv"


@pytest.fixture(scope="module")
def korean() -> Korean:
    return Korean()


def one(korean: Korean, text: str) -> Sentiment:
    return korean.score([text])[0]


@pytest.mark.parametrize(
    "text",
    ["배송이 빨라서 정말 좋아요", "최고예요", "대만족입니다 강력 추천", "친절하고 편해요"],
)
def test_praise_is_positive(korean: Korean, text: str) -> None:
    found = one(korean, text)
    assert found.label is Label.POSITIVE
    assert 0 < found.score <= 1
    assert found.confidence == pytest.approx((1 + found.score) / 2)


@pytest.mark.parametrize(
    "text",
    ["배송이 너무 늦어요", "최악이에요", "환불도 안 해주고 연락도 없네요", "다시는 안 삽니다"],
)
def test_reproach_is_negative(korean: Korean, text: str) -> None:
    found = one(korean, text)
    assert found.label is Label.NEGATIVE
    assert -1 <= found.score < 0
    assert found.confidence == pytest.approx((1 - found.score) / 2)


@pytest.mark.parametrize("text", ["", "   ", "\n", "\0"])
def test_nothing_said_is_neutral_without_confidence(korean: Korean, text: str) -> None:
    found = one(korean, text)
    assert (found.label, found.confidence) == (Label.NEUTRAL, 0.0)
    assert found.score == 0.0


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
    ] * 200
    batch = korean.score(texts)
    alone = {text: one(korean, text) for text in set(texts)}
    assert batch == [alone[text] for text in texts]


def test_an_empty_batch_is_fine(korean: Korean) -> None:
    assert korean.score([]) == []


def test_spelling_that_means_nothing_changes_nothing(korean: Korean) -> None:
    plain = one(korean, "배송 3일 좋아요ㅋㅋ!! OK")
    same = "배송  7일\n좋아요ㅋㅋㅋㅋㅋㅋ!!!!! ok https://shop.example/a/b?c=d @someone"
    assert one(korean, same).score == pytest.approx(plain.score, abs=0.02)


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
    file = resources.files("listener.enrich.sentiment").joinpath("data/korean-1.npz")
    assert len(file.read_bytes()) <= 3_000_000
    assert load_weights().table.dtype == np.int8
    assert korean.version == load_weights().version
    assert one(korean, "좋아요").version == korean.version
    assert one(korean, "좋아요").model == "ko-ngram"


def test_service_sentences_it_never_saw(korean: Korean) -> None:
    """The floor under docs/model-card.md: hand-written before training, on another subject."""
    with SERVICE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    trained = resources.files("listener.enrich.sentiment").joinpath("data/service_ko_train.tsv")
    seen = {line.split("\t")[0] for line in trained.read_text("utf-8").splitlines()}
    assert len(rows) >= 1000
    assert not seen & {row["text"] for row in rows}
    found = korean.score([row["text"] for row in rows])
    pairs = list(zip(rows, found, strict=True))
    polar = [
        (row["label"], s.score) for row, s in pairs if row["label"] in {"positive", "negative"}
    ]
    right = sum((label == "positive") == (score > 0) for label, score in polar)
    assert right / len(polar) >= 0.71
    opposite = {"positive": Label.NEGATIVE, "negative": Label.POSITIVE}
    wrong = sum(opposite.get(row["label"]) is s.label for row, s in pairs)
    assert wrong / len(rows) <= 0.175
