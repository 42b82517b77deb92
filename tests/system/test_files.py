"""Nonsense in files, and hostile words in posts, through the command and out at every edge."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "]]><script>alert(2)</script><![CDATA[",
    "</script><svg onload=alert(3)>",
    '"><iframe src=javascript:alert(4)>',
    "{{ 7*7 }}${7*7}<%= 7*7 %>",
]


@pytest.fixture
def install(make_install: Callable[..., Any]) -> Any:
    made = make_install()
    made.brand("하늘마트")
    return made


def test_files_that_are_none_are_refused_in_words(install: Any) -> None:
    for name, content, words in (
        ("picture.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, "No column"),
        ("empty.csv", b"", "No column"),
        ("wide.jsonl", '{"text":"하늘마트"}'.encode("utf-16"), "UTF-16"),
    ):
        file: Path = install.home / name
        file.write_bytes(content)
        done = install.run("ingest", file)
        assert done.returncode == 1, name
        assert words in done.stderr, (name, done.stderr)
        assert "Traceback" not in done.stderr
    assert not install.rows("SELECT id FROM mention")


def test_rows_that_cannot_be_used_lie_beside_the_file_and_the_rest_is_stored(install: Any) -> None:
    well = '{"id":"1","text":"하늘마트 좋아요","published_at":"2025-03-10T12:00:00+09:00"}'.encode()
    rows: list[bytes] = [
        well,
        b"this is no JSON",
        b"[1,2]",
        b'{"id":"2","text":"' + b"x" * 2_500_000 + b'"}',
        b'{"id":"3","text":"\xff\xfe"}',
        '{"id":"1","text":"하늘마트 같은 번호, 다른 글"}'.encode(),
        well,
        '{"id":"4","text":"하늘마트 별점","rating":9,"rating_min":1,"rating_max":5}'.encode(),
        '{"id":"5","text":"하늘마트 먼 훗날","published_at":"2999-01-01T00:00:00Z"}'.encode(),
        '{"id":"6","text":"하늘마트","published_at":"gestern"}'.encode(),
        b'{"id":"7","text":""}',
        '{"id":"8","text":["하늘마트"]}'.encode(),
        '{"id":"9","text":"하늘마트 \\u0000 \\ud83d"}'.encode(),
        '{"id":"10","text":"하늘마트 좋아요"}'.encode(),
    ]
    file: Path = install.home / "odd.jsonl"
    file.write_bytes(b"\n".join(rows) + b"\n")
    out = install.ok("ingest", file)
    beside = file.with_name("odd.jsonl.rejected.jsonl")
    rejected = [json.loads(line) for line in beside.read_text().splitlines()]
    lines = {one["rejected_line"] for one in rejected}
    assert lines == {2, 3, 4, 5, 6, 8, 10, 11, 12, 13}, rejected
    assert all(one["rejected_reason"] for one in rejected)
    assert f"{len(rejected)} rejected" in out
    stored = install.rows("SELECT external_id, event_at, event_clamped, seen_at FROM mention")
    assert {row["external_id"] for row in stored} == {"1", "5", "10"}
    future = next(row for row in stored if row["external_id"] == "5")
    assert future["event_clamped"] == 1
    assert future["event_at"] <= future["seen_at"]
    changes = len(install.rows("SELECT seq FROM change"))
    assert " 0 new, 0 edited" in install.ok("ingest", file)
    assert len(install.rows("SELECT seq FROM change")) == changes


def test_excel_from_korea_and_the_mended_rejects_are_read(install: Any) -> None:
    file: Path = install.home / "excel.csv"
    file.write_bytes("번호,내용\r\n1,하늘마트 좋아요\r\n2,하늘마트,너무,많다\r\n".encode("cp949"))
    assert "2 rows: 1 new, 0 edited, 1 rejected" in install.ok("ingest", file)
    beside = file.with_name("excel.csv.rejected.csv")
    assert "fields" in beside.read_text("utf-8-sig").splitlines()[1]


def test_hostile_words_run_nowhere(install: Any, wait: Callable[..., Any]) -> None:
    file: Path = install.home / "hostile.jsonl"
    rows = [
        {"id": n, "text": f"하늘마트 {bad}", "title": bad, "author": bad, "url": "javascript:1"}
        for n, bad in enumerate(HOSTILE)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    install.run("ingest", file)
    link = install.ok("user", "add", "mina@shop.example")
    key = install.ok("keys", "create", "reader")
    install.start("serve")
    wait(lambda: install.get("/readyz")[0] == 200)

    status, page = install.get("/api/v1/mentions", key)
    assert status == 200
    told = json.loads(page)["items"]
    assert len(told) == len(install.rows("SELECT id FROM mention")) >= 1
    assert not [item for item in told if (item["url"] or "").startswith("javascript")]

    session = _login(install, link)
    for path in ("/", "/mentions", "/mentions?q=<script>alert(9)</script>", "/mentions/1"):
        answer = session.get(install.url + path, timeout=20)
        assert answer.status_code == 200, path
        policy = answer.headers.get("content-security-policy", "")
        assert "script-src" in policy or "default-src" in policy
        assert "unsafe-inline" not in policy.partition("style-src")[0]
        for bad in (*HOSTILE[:5], "<script>alert(9)", "javascript:1"):
            assert bad not in answer.text, (path, bad)
        assert "49$49" not in answer.text

    for name in ("rss", "atom"):
        status, text = install.get(f"/feeds/mentions.{name}?key={key}")
        assert status == 200, name
        for element in ET.fromstring(text).iter():  # noqa: S314 - our own
            kind = element.tag.rpartition("}")[2]
            if kind == "link":
                address = element.get("href") or element.text or ""
                assert address.startswith("http://127.0.0.1"), address
            elif kind != "title" or element.get("type") != "text":  # Atom says that it is no HTML
                assert "<script" not in (element.text or "")
                assert "<img" not in (element.text or "")


def _login(install: Any, link: str) -> requests.Session:
    session = requests.Session()
    page = session.get(link, timeout=20)  # a page with a button: link checkers must not use it up
    assert page.status_code == 200
    session.post(
        install.url + "/login/link",
        data={"token": link.partition("token=")[2]},
        headers={"Origin": install.url},
        timeout=20,
    )
    assert session.cookies, "no session"
    return session
