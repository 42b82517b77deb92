"""Writes docs/accuracy.md: how good the shipped reader is on texts it was not trained on.

python tools/accuracy.py [--data FOLDER] — without the folder of training data the section of what
is measured on its held-out parts stays as it was.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from listener import __version__
from listener.enrich.evaluate import TOLD, Example, Figures, measure
from listener.enrich.measure import macro_f1, measure_rows
from listener.enrich.reader import Reader
from listener.types import Label, Reading

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "accuracy.md"
SENTENCES = ROOT / "tests" / "listener" / "enrich"
BEGIN, END = "<!-- held-out parts: begin -->", "<!-- held-out parts: end -->"
FEW = 20  # domains with fewer texts are not ranked
HEAD = """# How good the readings are

Made by `make accuracy`; do not edit. No figure here is of a text that the model in question was
trained on. `listener eval FILE` measures the same on texts of your own, and
`listener eval --corrections` on what people corrected in your install: those figures count for
you, more than any of these.

Two classes: texts meant as positive or negative, told by the sign of the score. Three: mixed and
uncertain count as neutral. Balanced: the mean recall of the classes. ECE: the expected calibration
error in 10 bins, of the chance (1 + score) / 2 that a text is positive.

"""


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description="Write docs/accuracy.md.")
    parser.add_argument("--data", type=Path, help="folder with the training data")
    parser.add_argument("--now", type=datetime.fromisoformat, default=datetime.now(UTC))
    arguments = parser.parse_args()
    reader = Reader.default()
    day = f"{arguments.now:%Y-%m-%d}"
    parts = [HEAD, *own_sentences(reader, day), "## Held-out parts of the training data\n\n"]
    parts.append(trained(arguments.data, day) if arguments.data else kept())
    PAGE.write_text("".join(parts), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")


# --- our own sentences ---------------------------------------------------------------------------


def own_sentences(reader: Reader, day: str) -> Iterator[str]:
    """The section of the sentences that are kept out of training, by language."""
    versions = reader.versions
    models = ", ".join(f"{c}: {name} {no}" for c, (name, no) in sorted(versions.models.items()))
    yield "## Our own service sentences\n\n"
    yield (
        f"Measured {day} with Listener {__version__}, {models}, rules {versions.rules_version}.\n"
        "The sentences (`tests/listener/enrich/service_ko.tsv`, `service_en.tsv`) were written and"
        " labelled by those\nwho build Listener, about shops, delivery, apps, service and more;"
        " they are kept out of training. Their\nfigures were looked at while models and rules were"
        " made, and people who write test sentences think alike:\nexpect less on the texts of"
        " strangers.\n\n"
    )
    for code, name in (("ko", "Korean"), ("en", "English")):
        path = SENTENCES / f"service_{code}.tsv"
        if path.exists():
            yield from language(reader, name, rows_of(path))


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a labelled table."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def language(reader: Reader, name: str, rows: Sequence[dict[str, str]]) -> Iterator[str]:
    """All tables of one language."""
    readings = reader.read_texts([row["text"] for row in rows])
    examples = [Example(line, row["text"], Label(row["label"])) for line, row in enumerate(rows, 2)]
    whole = measure(examples, readings)
    yield f"### {name}: {whole.n:,} sentences\n\n"
    yield from table(SENTIMENT, [("all", *sentiment(whole)), *domains(rows, examples, readings)])
    yield from confusion(whole)
    yield from found(rows, readings)
    yield from weak_spots(rows, examples, readings)


SENTIMENT = (
    *("domain", "n", "not scored", "accuracy", "balanced", "macro-F1"),
    *("3: accuracy", "3: balanced", "3: macro-F1", "ECE"),
)


def sentiment(one: Figures) -> tuple[str, ...]:
    """The cells of a line of figures."""
    shares = [one.accuracy, one.balanced, one.macro_f1]
    shares += [one.accuracy_3, one.balanced_3, one.macro_f1_3]
    ece = "–" if one.ece is None else f"{one.ece:.3f}"
    return (str(one.n), str(one.unscored), *map(share, shares), ece)


def by_domain(
    rows: Sequence[dict[str, str]], examples: Sequence[Example], readings: Sequence[Reading]
) -> dict[str, Figures]:
    """Figures of each domain, by name."""
    return {
        domain: measure(
            [e for e, row in zip(examples, rows, strict=True) if row["domain"] == domain],
            [r for r, row in zip(readings, rows, strict=True) if row["domain"] == domain],
            5,
        )
        for domain in sorted({row["domain"] for row in rows})
    }


def domains(
    rows: Sequence[dict[str, str]], examples: Sequence[Example], readings: Sequence[Reading]
) -> Iterator[tuple[str, ...]]:
    """A line of each domain."""
    for domain, one in by_domain(rows, examples, readings).items():
        yield domain, *sentiment(one)


def confusion(whole: Figures) -> Iterator[str]:
    """Which label was told as which."""
    lines = []
    for meant in ("negative", "neutral", "positive", "mixed"):
        counts = [str(whole.confusion.get((meant, str(label)), 0)) for label in TOLD]
        lines.append((meant, *counts))
    yield from table(("meant ＼ told", *map(str, TOLD)), lines)


def found(rows: Sequence[Mapping[str, str]], readings: Sequence[Reading]) -> Iterator[str]:
    """Complaint, topics, intents and urgency."""
    lines: list[tuple[str, ...]] = []
    for kind, figures in measure_rows(rows, lambda _: readings).items():
        if kind == "complaint":
            (one,) = figures.values()
            lines.append(
                (kind, str(one.meant), share(one.precision), share(one.recall), share(one.f1))
            )
            continue
        lines.append((f"**{kind}**, macro-F1", "", "", "", share(macro_f1(figures))))
        for name, one in figures.items():
            if one.meant and kind != "main topic":
                cells = (one.precision, one.recall, one.f1)
                lines.append((f"{kind}: {name}", str(one.meant), *map(share, cells)))
    yield from table(("what", "n", "precision", "recall", "F1"), lines)


def weak_spots(
    rows: Sequence[dict[str, str]], examples: Sequence[Example], readings: Sequence[Reading]
) -> Iterator[str]:
    """Where it is worst, with sentences of our own that it gets wrong."""
    ranked = sorted(
        (one.balanced, domain, one)
        for domain, one in by_domain(rows, examples, readings).items()
        if one.balanced is not None and one.polar >= FEW
    )
    if not ranked:
        return
    yield "Weak spots: the worst domains by balanced accuracy, and what is surest told wrong:\n\n"
    for balanced, domain, one in ranked[:3]:
        yield f"- **{domain}** ({share(balanced)})\n"
        for wrong in one.worst[:3]:
            yield f"  - “{wrong.text}” is {wrong.meant}, told {wrong.told} ({wrong.score:+.2f})\n"
    yield "\n"


# --- training data -------------------------------------------------------------------------------


def kept() -> str:
    """The section as the page has it."""
    page = PAGE.read_text("utf-8") if PAGE.exists() else ""
    before, begin, rest = page.partition(BEGIN)
    inside, end, _ = rest.partition(END)
    if not (before and begin and end):
        inside = '\nNot measured yet: `make accuracy ARGS="--data FOLDER"` does.\n'
    return f"{BEGIN}{inside}{END}\n"


def trained(folder: Path, day: str) -> str:
    """The section measured anew: trains the models again, which takes minutes."""
    from listener.enrich.sentiment import train_english, train_korean

    korean, korean_report = train_korean.train(train_korean.read_examples(folder), everything=False)
    english, english_report = train_english.train(
        train_english.read_examples(folder), train_english.read_lexicon()
    )
    told = (
        f"\nMeasured {day} on the texts (chosen by hash) that a fit did not see; the shipped models"
        " are then fitted\nunder the same settings on all texts. Sources:"
        " [model-card.md](model-card.md).\n\n"
    )
    parts = [told]
    for name, version, report in (
        ("Korean", korean.version, korean_report),
        ("English", english.version, english_report),
    ):
        parts.append(f"### {name}, fit {version}\n\n")
        groups = {k: v for k, v in report.items() if isinstance(v, dict) and "n" in v}
        names = list(dict.fromkeys(k for v in groups.values() for k in v if k != "confusion"))
        lines = [(group, *(number(v.get(n)) for n in names)) for group, v in groups.items()]
        parts += table(("texts", *names), lines)
    return f"{BEGIN}{''.join(parts)}{END}\n"


# --- cells ---------------------------------------------------------------------------------------


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table in Markdown."""
    yield f"| {' | '.join(head)} |\n| {' | '.join('---' for _ in head)} |\n"
    for line in lines:
        yield f"| {' | '.join(line)} |\n"
    yield "\n"


def share(value: float | None) -> str:
    """A share in percent."""
    return "–" if value is None else f"{100 * value:.1f} %"


def number(value: Any) -> str:
    """A number as a report has it."""
    return "–" if value is None else f"{value:g}"


if __name__ == "__main__":
    main()
