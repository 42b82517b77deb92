from __future__ import annotations

import csv
import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from listener.enrich.sentiment import korean_linear as linear
from listener.enrich.sentiment import train_korean as training
from listener.enrich.sentiment.korean import Korean, load_weights


def test_minimises() -> None:
    scale = np.array([1.0, 10.0, 100.0])
    goal = np.array([3.0, -2.0, 0.5])

    def loss(point: linear.Floats) -> tuple[float, linear.Floats]:
        return float(scale @ (point - goal) ** 2), 2 * scale * (point - goal)

    assert linear.minimise(loss, np.zeros(3), 100) == pytest.approx(goal, abs=1e-2)


def test_the_layer_of_the_score_is_calibrated() -> None:
    chance = np.random.default_rng(3)
    inputs = np.stack((chance.normal(0, 2, 20_000), np.ones(20_000)), axis=1)
    truth = 1 / (1 + np.exp(-(0.5 * inputs[:, 0] + 0.7)))
    targets = (chance.random(20_000) < truth).astype(float)
    found = training.fit_score(inputs, targets, np.ones(20_000))
    assert found == pytest.approx([0.5, 0.7], abs=0.05)


def test_the_layer_of_the_label_finds_its_classes() -> None:
    chance = np.random.default_rng(4)
    inputs = np.concatenate((chance.normal(0, 1, (900, 2)), np.ones((900, 1))), axis=1)
    classes = np.select([inputs[:, 0] > 0.7, inputs[:, 1] > 0.7], [1, 2], 0).astype(np.intp)
    table = training.fit_label(inputs, classes, np.ones(900))
    assert ((inputs @ table.T).argmax(axis=1) == classes).mean() > 0.85


def test_figures() -> None:
    scores = np.array([0.9, 0.8, -0.9, 0.2])
    targets = np.array([1.0, 1.0, 0.0, 0.0])
    found = training.figures(scores, targets)
    assert (found["n"], found["accuracy"], found["balanced"]) == (4, 0.75, 0.75)
    assert found["brier"] == pytest.approx((0.05**2 + 0.1**2 + 0.05**2 + 0.6**2) / 4, abs=1e-4)
    assert training.macro_f1(["a", "b", "b"], ["a", "b", "a"]) == pytest.approx(2 / 3)


def test_quantises_within_half_a_step() -> None:
    table = np.random.default_rng(1).normal(0, 0.3, 4096)
    packed, scale = linear.quantise(table)
    inside = np.abs(table) < 127 * scale
    assert np.abs(packed * scale - table)[inside].max() <= scale / 2 + 1e-9


def test_sentences_are_read_by_domain_and_once(tmp_path: Path) -> None:
    (tmp_path / "ko_apps.tsv").write_text(
        "text\tlabel\n튕겨요\tnegative\n좋아요\tpositive\n", "utf-8"
    )
    (tmp_path / "ko_shop.tsv").write_text('text\tlabel\n"좋아요\tmixed\n튕겨요\tneutral\n', "utf-8")
    (tmp_path / "en_shop.tsv").write_text("text\tlabel\ngood\tpositive\n", "utf-8")
    found = training.read_sentences(tmp_path)
    assert [(e.text, e.label, e.domain, e.target) for e in found] == [
        ("튕겨요", "negative", "apps", 0.0),
        ("좋아요", "positive", "apps", 1.0),
        ('"좋아요', "mixed", "shop", 0.5),
    ]


def test_equal_texts_stand_on_one_side_and_the_held_out_sentences_on_none() -> None:
    assert training.part_of(" 좋아요 ", 26, 38) == training.part_of("좋아요", 26, 38)
    parts = [training.part_of(str(n), 64, 26) for n in range(2000)]
    assert 0.2 < parts.count("test") / 2000 < 0.3
    assert 0.07 < parts.count("tune") / 2000 < 0.13


def write(path: Path, header: list[str], rows: list[list[object]], *, quoted: bool = False) -> None:
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        if quoted:
            csv.writer(file, delimiter="\t", lineterminator="\n").writerows([header, *rows])
        else:
            file.writelines("\t".join(map(str, row)) + "\n" for row in [header, *rows])


def test_trains_from_files_and_gives_the_same_bytes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Small files of the real layout, quotes and all. Good and bad are two words; the rest is noise.
    films: list[list[object]] = [
        [f'"{n}번" 영화 {"훌륭" if n % 2 else "지루"}하다', n % 2, 10 if n % 2 else 1, "train", n]
        for n in range(300)
    ]
    header = ["text", "label", "rating", "split", "id"]
    write(tmp_path / "nsmc_train150k.tsv.gz", header, films)
    between: list[list[object]] = [[f"그냥 {n}", "neu", 5 + n % 4, "train", n] for n in range(20)]
    write(tmp_path / "nsmc_neutral.tsv.gz", header, between)
    comments: list[list[object]] = [
        [
            f'이 "가게" {n} {"훌륭" if good else "지루"}',
            ("neg", "pos")[good] if n % 5 else "mixed",
            4 * good + (not n % 5),
            4 * (not good) + (not n % 5),
            "",
            "val",
        ]
        for n in range(150)
        for good in (n % 2 == 0,)
    ]
    header = ["text", "label", "n_pos_emotions", "n_neg_emotions", "emotions", "split"]
    write(tmp_path / "ko_kote_val.tsv.gz", header, comments, quoted=True)

    examples = training.read_examples(tmp_path)
    assert all('""' not in example.text for example in examples)
    own = [e for e in examples if e.source == "service"]
    assert len(own) > 5000
    assert {e.label for e in own} == {"positive", "negative", "neutral", "mixed"}
    assert {e.part for e in examples} == {"train", "tune", "test"}
    few = [e for e in examples if e.source != "service"] + own[::80]

    monkeypatch.setattr(training, "ITERATIONS", 2)
    monkeypatch.setattr(training, "ITERATIONS_SMALL", 2)
    monkeypatch.setattr(training.pool, "EPOCHS", 2)
    weights, report = training.train(few)
    training.save(weights, tmp_path / "one.npz")
    training.save(training.train(few)[0], tmp_path / "two.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    assert load_weights(tmp_path / "one.npz").version == weights.version == report["version"]
    assert training.signed(replace(weights, uncertain=0.5)).version != weights.version
    good, bad = Korean(tmp_path / "one.npz").score(["영화 훌륭하다", "영화 지루하다"])
    assert good.score > 0.2 > -0.2 > bad.score
