"""Files: every encoding and shape people have, what cannot be used put aside, twice the same."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from builders import NOW, stored_brand
from listener.errors import InvalidInput, NotFound, StorageError
from listener.pipeline import file as file_module
from listener.pipeline.file import FileReport, ingest_file
from listener.pipeline.ingest import Ingest
from listener.store.tables import ChangeRow, MatchRow, MentionRow, RevisionRow
from listener.store.work import Database

Read = Callable[..., FileReport]


@pytest.fixture
def read(ingest: Ingest, database: Database) -> Read:
    """Ingest a file into an install with one brand."""
    with database.write() as work:
        stored_brand(work.session, "Haneul", aliases=["하늘"])
        work.commit()

    def run(path: Path, **options: str) -> FileReport:
        return ingest_file(ingest, path, now=NOW, **options)  # type: ignore[arg-type]

    return run


def stored(database: Database) -> list[MentionRow]:
    with database.read() as session:
        return list(session.query(MentionRow).order_by(MentionRow.id))


KOREAN = (
    '작성자,내용,별점,작성일\n미나,"하늘 배송이, 늦어요 -",2,2025-03-09\n준,좋아요 +,5,2025-03-10\n'
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
def test_csv_in_the_encodings_that_excel_writes(
    read: Read, database: Database, tmp_path: Path, encoding: str
) -> None:
    path = tmp_path / "reviews.csv"
    path.write_bytes(KOREAN.encode(encoding))

    report = read(path)

    assert (report.rows, report.new, report.rejected, report.rejected_file) == (2, 2, 0, None)
    first, second = stored(database)
    assert (first.source, first.namespace, first.text) == (
        *("file", "reviews"),
        "하늘 배송이, 늦어요 -",
    )
    assert (first.rating, first.kind, first.published_precision, first.derived) == (
        *(2.0, "review", "day"),
        True,
    )
    assert second.text == "좋아요 +"


@pytest.mark.parametrize(
    ("name", "sign"), [("a.tsv", "\t"), ("a.csv", ";"), ("a.csv", "|"), ("a.txt", ",")]
)
def test_other_separators(
    read: Read, database: Database, tmp_path: Path, name: str, sign: str
) -> None:
    path = tmp_path / name
    path.write_text(f"id{sign}text\r\n7{sign}hello there\r\n", newline="")
    assert read(path).new == 1
    assert [(m.external_id, m.text) for m in stored(database)] == [("7", "hello there")]


def test_json_lines_keep_what_they_have_beside(
    read: Read, database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "posts.jsonl"
    rows = [
        {"id": 1, "text": "하늘 one", "created_at": "2025-03-10T10:00:00Z", "mood": {"x": 1}},
        {"id": "2", "body": "two", "author": {"username": "mina", "id": 5}},
    ]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n\n")

    assert read(path).new == 2

    one, two = stored(database)
    assert (one.external_id, one.raw) == ("1", {"mood": {"x": 1}})
    assert one.event_at == NOW - timedelta(hours=2)
    assert (two.text, two.event_at) == ("two", NOW)


def test_what_cannot_be_used_is_put_aside(read: Read, database: Database, tmp_path: Path) -> None:
    path = tmp_path / "mixed.csv"
    good = "1,2025-03-10,fine +,4"
    bad = [
        "2,not a date,text,4",
        "3,2025-03-10,,",
        "4,2025-03-10,text,many",
        "5,2025-03-10,text,4,too,many",
        "1,2025-03-10,another text,4",
    ]
    path.write_text("\n".join(["id,date,text,rating", good, *bad, "6,2025-03-10,last +,1"]))

    report = read(path)

    assert (report.rows, report.new, report.rejected) == (7, 2, 5)
    assert report.rejected_file == tmp_path / "mixed.csv.rejected.csv"
    with report.rejected_file.open(encoding="utf-8-sig", newline="") as file:
        rejected = list(csv.DictReader(file))
    assert [int(row["rejected_line"]) for row in rejected] == [3, 4, 5, 6, 7]
    reasons = [row["rejected_reason"] for row in rejected]
    for reason, words in zip(
        reasons, ["date", "text", "rating", "6 fields", "line 2 already"], strict=True
    ):
        assert words in reason
    assert rejected[0]["date"] == "not a date"

    # Mended, the rejected rows can be read in their turn, and nothing is left to reject.
    path.write_text("id,date,text,rating\n1,2025-03-10,fine +,4\n")
    assert read(path).seen == 1
    assert not report.rejected_file.exists()


def test_json_that_is_none(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "posts.jsonl"
    path.write_bytes(
        b'{"text": "fine"}\n'
        b"{not json}\n"
        b"[1, 2]\n"
        b'{"text": "\xff\xfe broken"}\n'
        b'{"txt": "no text"}\n'
        b'{"text": {"a": 1}}\n'
        b'{"text": "' + b"x" * 2_100_000 + b'"}\n'
        b'{"text": "also fine"}\n'
    )

    report = read(path)

    assert (report.rows, report.new, report.rejected) == (8, 2, 6)
    assert report.rejected_file is not None
    rows = [json.loads(line) for line in report.rejected_file.read_text().splitlines()]
    assert [row["rejected_line"] for row in rows] == [2, 3, 4, 5, 6, 7]
    assert rows[0]["line_text"] == "{not json}"
    assert rows[3]["txt"] == "no text"


def test_an_open_quote_does_not_swallow_the_file(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "quote.csv"
    lines = "".join(f"{n},row {n} has some words in it\n" for n in range(8_000))
    path.write_text(f'id,text\n1,"open quote\n{lines}')
    report = read(path)
    assert report.rejected >= 1
    assert report.new > 3_000


def test_doing_it_twice_changes_nothing(read: Read, database: Database, tmp_path: Path) -> None:
    path = tmp_path / "twice.csv"
    rows = ["author,text,date"]
    rows += ["mina,the same words,2025-03-10"] * 3 + [
        f"user{n},words {n} 하늘,2025-03-10" for n in range(20)
    ]
    path.write_text("\n".join(rows))
    first = read(path)
    with database.read() as session:
        before = [(c.seq, c.mention_id) for c in session.query(ChangeRow)]

    again = read(path)

    assert (first.new, again.new, again.edited, again.seen) == (23, 0, 0, 23)
    with database.read() as session:
        assert [(c.seq, c.mention_id) for c in session.query(ChangeRow)] == before
        assert session.query(RevisionRow).count() == 0

    # Another row at the top shifts nothing.
    path.write_text("\n".join([rows[0], "new,on top,2025-03-11", *rows[1:]]))
    more = read(path)
    assert (more.new, more.edited, more.seen) == (1, 0, 23)


def test_broken_off_and_done_again(
    read: Read, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_module, "BATCH", 10)
    path = tmp_path / "long.jsonl"
    path.write_text("".join(json.dumps({"id": n, "text": f"words {n}"}) + "\n" for n in range(35)))
    left = [2]

    def progress(_bytes: int, _rows: int) -> None:
        left[0] -= 1
        if not left[0]:
            raise StorageError("The disk is full, so nothing was stored.")

    with pytest.raises(StorageError):
        read(path, progress=progress)
    assert len(stored(database)) == 20

    report = read(path)
    assert (report.rows, report.new, report.seen) == (35, 15, 20)
    assert [m.external_id for m in stored(database)] == [str(n) for n in range(35)]


def test_progress_tells_bytes_and_rows(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "progress.csv"
    path.write_text("id,text\n" + "".join(f"{n},words\n" for n in range(2_500)))
    told: list[tuple[int, int]] = []

    read(path, progress=lambda done, rows: told.append((done, rows)))

    assert [rows for _, rows in told] == [1_000, 2_000, 2_500]
    assert told[-1][0] == path.stat().st_size


def test_all_rows_belong_to_the_brand_named(read: Read, database: Database, tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_text("text\n배송이 늦어요\n")
    read(path, brand="haneul", namespace="my shop")

    with database.read() as session:
        assert [m.origin for m in session.query(MatchRow)] == ["watch"]
        assert [m.namespace for m in session.query(MentionRow)] == ["my shop"]
    with pytest.raises(NotFound, match="Haneul"):
        read(path, brand="nobody")


def test_our_own_export_comes_back_where_it_was(
    read: Read, database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "export.jsonl"
    rows = [
        {"source": s, "namespace": n, "external_id": "1", "text": f"하늘 {s}{n}", "brands": []}
        for s, n in (("x", ""), ("feed", "https://a.example/rss"), ("x", "other"))
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read(path).new == 3
    assert {(m.source, m.namespace) for m in stored(database)} == {
        ("x", ""),
        ("feed", "https://a.example/rss"),
        ("x", "other"),
    }


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "nothing"), (b"foo,bar\n1,2\n", "'foo', 'bar'"), (b"\x00\x01\x02\xff", "No column")],
)
def test_a_file_without_a_text_column(
    read: Read, tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "wrong.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=words):
        read(path)


def test_a_file_that_is_not_there(read: Read, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no file"):
        read(tmp_path / "none.csv")


def test_a_line_of_a_csv_in_no_encoding_is_rejected_alone(
    read: Read, database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "broken.csv"
    path.write_bytes("text\n하늘 좋아요\n".encode() + b"\xff\xff broken\n" + "하늘 또\n".encode())
    report = read(path)
    assert (report.new, report.rejected) == (2, 1)
    assert [m.text for m in stored(database)] == ["하늘 좋아요", "하늘 또"]
