from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from listener.enrich.sentiment import train_korean as training
from listener.enrich.sentiment.korean import Korean, load_weights
from listener.types import Label


def test_minimises() -> None:
    scale = np.array([1.0, 10.0, 100.0])
    goal = np.array([3.0, -2.0, 0.5])

    def loss(point: training.Floats) -> tuple[float, training.Floats]:
        return float(scale @ (point - goal) ** 2), 2 * scale * (point - goal)

    assert training.minimise(loss, np.zeros(3), 100) == pytest.approx(goal, abs=1e-2)


def test_calibrates() -> None:
    chance = np.random.default_rng(3)
    margins = chance.normal(0, 2, 20_000)
    truth = 1 / (1 + np.exp(-(0.5 * margins + 0.7)))
    targets = (chance.random(20_000) < truth).astype(float)
    slope, offset = training.calibrate(margins, targets)
    assert slope == pytest.approx(0.5, abs=0.05)
    assert offset == pytest.approx(0.7, abs=0.05)


def test_figures() -> None:
    scores = np.array([0.9, 0.8, -0.9, 0.2])
    targets = np.array([1.0, 1.0, 0.0, 0.0])
    found = training.figures(scores, targets, 0.3)
    assert (found["n"], found["accuracy"], found["balanced"]) == (4, 0.75, 0.75)
    assert (found["outside band"], found["right there"]) == (0.75, 1.0)
    assert found["brier"] == pytest.approx((0.05**2 + 0.1**2 + 0.05**2 + 0.6**2) / 4, abs=1e-4)


def test_quantises_within_half_a_step() -> None:
    table = np.random.default_rng(1).normal(0, 0.3, 4096)
    packed, scale = training.quantise(table)
    inside = np.abs(table) < 127 * scale
    assert np.abs(packed * scale - table)[inside].max() <= scale / 2 + 1e-9


def write(path: Path, header: list[str], rows: list[list[object]], *, quoted: bool = False) -> None:
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        if quoted:
            csv.writer(file, delimiter="\t", lineterminator="\n").writerows([header, *rows])
        else:
            file.writelines("\t".join(map(str, row)) + "\n" for row in [header, *rows])


def test_trains_from_files_and_gives_the_same_bytes_again(tmp_path: Path) -> None:
    # Small files of the real layout, quotes and all. Good and bad are two words; the rest is noise.
    films: list[list[object]] = [
        [f'"{n}번" 영화 {"훌륭" if n % 2 else "지루"}하다', n % 2, 10 if n % 2 else 1, "train", n]
        for n in range(400)
    ]
    header = ["text", "label", "rating", "split", "id"]
    write(tmp_path / "nsmc_train150k.tsv.gz", header, films)
    between: list[list[object]] = [[f"그냥 {n}", "neu", 5 + n % 4, "train", n] for n in range(40)]
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
        for n in range(200)
        for good in (n % 2 == 0,)
    ]
    header = ["text", "label", "n_pos_emotions", "n_neg_emotions", "emotions", "split"]
    write(tmp_path / "ko_kote_val.tsv.gz", header, comments, quoted=True)

    examples = training.read_examples(tmp_path)
    assert all('""' not in example.text for example in examples)
    parts = {example.text: example.part for example in examples}
    assert set(parts.values()) == {"train", "tune", "test"}
    assert {e.part for e in examples if e.source == "service"} == {"train"}

    weights, report = training.train(examples, 1 << 12)
    training.save(weights, tmp_path / "one.npz")
    training.save(training.train(examples, 1 << 12)[0], tmp_path / "two.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    assert load_weights(tmp_path / "one.npz").version == weights.version == report["version"]
    good, bad = Korean(tmp_path / "one.npz").score(["영화 훌륭하다", "영화 지루하다"])
    assert good.label is Label.POSITIVE
    assert bad.label is Label.NEGATIVE
