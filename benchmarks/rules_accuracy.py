"""Prints precision, recall and F1 of complaints, intents, topics and urgency on labelled texts.

python -m benchmarks.rules_accuracy FILE.tsv [FILE.tsv ...] [--wrong COLUMN]
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from listener.enrich.measure import macro_f1, measure_rows
from listener.enrich.reader import Reader


def main() -> None:
    """Print a table for each file; with --wrong also the texts of which a column was not met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--wrong", choices=["complaint", "intents", "topics", "urgency"])
    arguments = parser.parse_args()
    reader = Reader.default()
    for path in arguments.files:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        print(f"\n{path.name}: {len(rows):,} texts")
        for kind, table in measure_rows(rows, reader.read_texts).items():
            print(f"  {kind}: macro-F1 {macro_f1(table):.3f}")
            for name, one in table.items():
                print(
                    f"    {name:<18} n {one.meant:>5}  found {one.found:>5}"
                    f"  precision {one.precision:.2f}  recall {one.recall:.2f}  F1 {one.f1:.2f}"
                )
        if arguments.wrong:
            _print_wrong(rows, reader, arguments.wrong)


def _print_wrong(rows: list[dict[str, str]], reader: Reader, column: str) -> None:
    readings = reader.read_texts([row["text"] for row in rows])
    for row, reading in zip(rows, readings, strict=True):
        tags = [tag.split(":") for tag in reading.tags]
        found = {
            "complaint": str(int(bool(reading.complaint))),
            "topics": ",".join(sorted(reading.topics)),
            "intents": ",".join(sorted(name for kind, name in tags if kind == "intent")),
            "urgency": ",".join(sorted(name for kind, name in tags if kind == "urgency")),
        }[column]
        meant = ",".join(sorted(filter(None, row[column].split(","))))
        if meant != found:
            score = reading.sentiment and round(reading.sentiment.score, 2)
            print(f"{meant or '-':<28} {found or '-':<28} {score}  {row['text']}")


if __name__ == "__main__":
    main()
