"""``listener watch list`` says how watches do, and what to do about it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from builders import NOW, stored_brand, stored_watch
from listener.cli import app
from listener.store import schema
from listener.store.tables import WatchRow
from listener.store.work import Database


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("ko", "인증 필요: API 키가 없거나"),
        ("en", "Needs credentials: The API key is missing"),
    ],
)
def test_trouble_is_listed_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str, words: str
) -> None:
    monkeypatch.setenv("LISTENER_HOME", str(tmp_path))
    monkeypatch.setenv("LISTENER_LANGUAGE", language)
    database = Database(f"sqlite:///{tmp_path / 'listener.db'}")
    schema.upgrade(database)
    with database.write() as work:
        watch_id = stored_watch(work.session, brand=stored_brand(work.session), label="우리 앱")
        row = work.session.get_one(WatchRow, watch_id)
        row.health, row.last_success_at = "needs-credentials", NOW
        work.commit()
    database.close()
    said = CliRunner().invoke(app, ["watch", "list"])
    assert said.exit_code == 0, said.output
    first, second = said.output.splitlines()
    assert "\tneeds-credentials\t우리 앱" in first
    assert words in second
