"""Files as a source: JSONL, CSV and TSV are read in batches and go the way of every mention.

Doing it twice changes nothing, and after a crash doing it again completes it. What cannot be used
is written beside the file with line and reason; the rest is stored.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby, islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson

from listener.errors import InvalidInput
from listener.pipeline.ingest import Ingest, Origin
from listener.pipeline.rows import ALIASES, columns_of, fingerprint
from listener.store import brands
from listener.store.killpoints import reach
from listener.types import Brand, RawItem

BATCH = 1_000
_ENCODINGS = ("utf-8", "cp949")
_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_LONGEST_LINE = 2_000_000  # bytes of one JSON line

Progress = Callable[[int, int], None]  # bytes of the file read so far, rows so far


@dataclass(slots=True)
class FileReport:
    """What became of a file. ``seen`` rows were known and unchanged."""

    rows: int = 0
    new: int = 0
    edited: int = 0
    seen: int = 0
    rejected: int = 0
    rejected_file: Path | None = None


class _Line(NamedTuple):
    """A row as it stands in the file, or (``wrong``) why it is none."""

    number: int
    row: Mapping[str, Any]
    text: str = ""  # of a line that could not be read
    wrong: str | None = None


def ingest_file(
    ingest: Ingest,
    path: Path,
    *,
    brand: str | None = None,
    namespace: str | None = None,
    progress: Progress = lambda _bytes, _rows: None,
    now: datetime,
) -> FileReport:
    """Store the mentions of a file; with ``brand`` (name or number) all of them belong to it.

    ``namespace`` is where the rows' ids are unique, by default the file's name. Raises NotFound for
    the brand, InvalidInput for a file without a column for the text, StorageError.
    """
    if not path.is_file():
        raise InvalidInput(f"There is no file {path}.", field="file")
    with ingest.database.read() as session:
        owner = brands.find(session, brand) if brand else None
    report = FileReport()
    once = _Once()
    with ExitStack() as stack:
        file = stack.enter_context(path.open("rb"))
        lines = _lines(path, file)
        stack.callback(lines.close)
        rejects = stack.enter_context(_Rejects(path))
        while some := list(islice(lines, BATCH)):
            wrong: list[tuple[_Line, str]] = []
            items: list[tuple[_Line, str, RawItem]] = []
            for line in some:
                try:
                    source, item = _item(line, namespace or path.stem, ingest)
                    items.append((line, source, once.check(line.number, source, item)))
                except InvalidInput as error:
                    wrong.append((line, str(error)))
            reach("file.read")
            wrong += _store(ingest, items, owner, report, now)
            for line, why in sorted(wrong, key=lambda one: one[0].number):
                rejects.add(line, why)
            report.rows += len(some)
            progress(file.tell(), report.rows)
        report.rejected = rejects.count
        report.rejected_file = rejects.path if rejects.count else None
    return report


def _store(
    ingest: Ingest,
    items: list[tuple[_Line, str, RawItem]],
    owner: Brand | None,
    report: FileReport,
    now: datetime,
) -> list[tuple[_Line, str]]:
    """Store one batch, source by source (an export has several); gives what was refused."""
    refused = []
    items.sort(key=lambda one: one[1])
    for source, group in groupby(items, key=lambda one: one[1]):
        of_source = list(group)
        stored = ingest.items(
            [item for _, _, item in of_source], Origin(source=source, brand=owner), now=now
        )
        reach("file.stored")
        refused += [(of_source[one.at][0], str(one.why)) for one in stored.rejected]
        report.new += stored.new
        report.edited += stored.edited
        report.seen += stored.seen
    return refused


def _item(line: _Line, namespace: str, ingest: Ingest) -> tuple[str, RawItem]:
    if line.wrong is not None:
        raise InvalidInput(line.wrong)
    return columns_of(tuple(line.row)).item(line.row, namespace=namespace, zone=ingest.zone)


class _Once:
    """Gives ids to rows that have none, and refuses an id that the file gives to two mentions.

    Otherwise the two would overwrite each other each time the file is read.
    """

    def __init__(self) -> None:
        self._derived: Counter[str] = Counter()
        self._seen: dict[tuple[str, str, str], tuple[int, str]] = {}

    def check(self, number: int, source: str, item: RawItem) -> RawItem:
        print_ = fingerprint(item)
        if item.derived:
            before = self._derived[print_]
            self._derived[print_] += 1
            return replace(item, external_id=f"{print_}-{before}" if before else print_)
        key = (source, item.namespace, item.external_id)
        first, other = self._seen.setdefault(key, (number, print_))
        if other != print_:
            raise InvalidInput(
                f"The id {item.external_id[:40]!r} is in line {first} already, with another text.",
                field="external_id",
            )
        return item


# --- reading --------------------------------------------------------------------------------------


def _lines(path: Path, file: io.BufferedReader) -> Generator[_Line, None, None]:
    encoding = _encoding(file)
    suffix = path.suffix.lower()
    start = file.peek(64)[:64].removeprefix(codecs.BOM_UTF8).lstrip()
    if suffix in (".jsonl", ".ndjson", ".json") or (
        suffix not in (".csv", ".tsv") and start.startswith(b"{")
    ):
        return _json_lines(file, encoding)
    return _csv_lines(file, encoding, suffix)


def _encoding(file: io.BufferedReader) -> str:
    """UTF-8 or CP949 (what Excel writes on Korean Windows), whichever fits the whole file.

    If neither does it is UTF-8 with broken bytes, and the rows that hold them are rejected.
    """
    start = file.read(4)
    file.seek(0)
    for bom, encoding in _BOMS.items():
        if start.startswith(bom):
            return encoding
    for encoding in _ENCODINGS:
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            while chunk := file.read(1 << 20):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            continue
        else:
            return encoding
        finally:
            file.seek(0)
    return "utf-8"


def _json_lines(file: io.BufferedReader, encoding: str) -> Generator[_Line, None, None]:
    if encoding == "utf-16":
        raise InvalidInput("The file is UTF-16.", hint="Save it as UTF-8.", field="file")
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
            while (rest := file.readline(_LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
            yield _Line(number, {}, line[:200].decode(encoding, "replace"), "The line is too long.")
            continue
        line = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        if not line.strip():
            continue
        try:
            row = orjson.loads(line.decode(encoding))
        except (UnicodeDecodeError, orjson.JSONDecodeError) as error:
            what = "JSON" if isinstance(error, orjson.JSONDecodeError) else "UTF-8"
            shown = line.decode(encoding, "replace").rstrip()
            yield _Line(number, {}, shown, f"This is not valid {what}.")
            continue
        if not isinstance(row, dict):
            yield _Line(number, {}, line.decode(encoding).rstrip(), "This is not a JSON object.")
            continue
        yield _Line(number, row)


def _csv_lines(file: io.BufferedReader, encoding: str, suffix: str) -> Generator[_Line, None, None]:
    text = io.TextIOWrapper(file, encoding, errors="surrogateescape", newline="")
    try:
        first = text.readline()
        text.seek(0)
        reader = csv.reader(text, delimiter=_delimiter(first, suffix))
        header = [name.strip().lstrip("\ufeff") for name in next(_rows(reader), ([], ""))[0]]
        _check_header(header)
        for values, wrong in _rows(reader):
            number = reader.line_num
            row = dict(zip(header, values, strict=False))
            if wrong:
                yield _Line(number, row, "", wrong)
            elif not any(values):
                continue
            elif len(values) > len(header) and any(values[len(header) :]):
                many = f"The row has {len(values)} fields, the first line names {len(header)}."
                yield _Line(number, row, "", many)
            elif any("\udc80" <= char <= "\udcff" for value in values for char in value):
                yield _Line(number, row, "", "This is neither valid UTF-8 nor CP949.")
            else:
                yield _Line(number, row)
    finally:
        text.detach()  # the caller closes the file


def _rows(reader: Any) -> Iterator[tuple[list[str], str | None]]:
    while True:
        try:
            yield next(reader), None
        except StopIteration:
            return
        except csv.Error as error:
            yield [], f"This is not valid CSV ({error})."


def _delimiter(first: str, suffix: str) -> str:
    if suffix == ".tsv":
        return "\t"
    return max(",;\t|", key=lambda sign: (first.count(sign), sign == ","))


def _check_header(header: Sequence[str]) -> None:
    fields = columns_of(tuple(header)).fields
    if "text" not in fields and "title" not in fields and "rating" not in fields:
        found = ", ".join(repr(name) for name in header[:12] if name) or "nothing"
        raise InvalidInput(
            f"No column of the file is the text; its first line names {found}.",
            field="text",
            hint=f"Name the column one of: {', '.join(ALIASES['text'][:4])}, 내용, 리뷰.",
        )


# --- what was rejected ----------------------------------------------------------------------------


class _Rejects:
    """The file of rejected rows: made when the first one comes, and gone if there is none.

    It has the format of the original, so that it can be mended and read in its turn.
    """

    def __init__(self, original: Path) -> None:
        is_csv = original.suffix.lower() in (".csv", ".tsv")
        self.path = original.with_name(f"{original.name}.rejected.{'csv' if is_csv else 'jsonl'}")
        self.count = 0
        self._is_csv = is_csv
        self._file: IO[str] | None = None
        self._header: list[str] = []

    def __enter__(self) -> _Rejects:
        self.path.unlink(missing_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, line: _Line, why: str) -> None:
        """Write one row down. Raises InvalidInput if there is no writing beside the file."""
        self.count += 1
        if self._file is None:
            self._open(line)
        assert self._file is not None  # noqa: S101 - just opened
        if self._is_csv:
            values = [line.row.get(name, "") for name in self._header]
            csv.writer(self._file).writerow([line.number, why, *values])
            return
        row = line.row or {"line_text": line.text}
        told = {"rejected_line": line.number, "rejected_reason": why, **row}
        self._file.write(orjson.dumps(told, default=str).decode() + "\n")

    def _open(self, line: _Line) -> None:
        try:
            self._file = self.path.open("w", encoding="utf-8", errors="replace", newline="")
        except OSError as error:
            raise InvalidInput(
                f"Rejected rows cannot be written to {self.path}: {error.strerror}.",
                field="file",
                hint="Copy the file to a folder in which you may write.",
            ) from error
        if self._is_csv:
            self._header = list(line.row)
            names = ["rejected_line", "rejected_reason", *self._header]
            self._file.write("\ufeff")  # Excel
            csv.writer(self._file).writerow(names)
