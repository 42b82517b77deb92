"""The reader follows edited rules and overlays; old generations are read by again, or say why."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import NOW, a_mention, a_read_mention, a_reading, stored_brand
from listener.enrich import rulesfile
from listener.enrich.rules import compile_rules
from listener.errors import InvalidInput
from listener.pipeline import overlay
from listener.pipeline.readers import Missing, Readers
from listener.store import corrections, generations, overlays, rule_sets
from listener.store.tables import GenerationRow
from listener.store.work import Database
from writing import write

TEXT = '[taxonomy.area.delivery]\nko = ["배송"]\n'  # compiled at once, unlike those that ship


@pytest.fixture(autouse=True)
def short_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short rules in the place of those that ship."""
    real = rulesfile.read_rules_text

    def read(path: Path | None = None) -> tuple[str, str]:
        return ("rules.toml", TEXT) if path is None else real(path)

    monkeypatch.setattr(rulesfile, "read_rules_text", read)


def save(database: Database, text: str) -> str:
    version = compile_rules(text).version
    with database.write() as work:
        rule_sets.save(work.session, text, version, by="kim", now=NOW)
        work.commit()
    return version


def ensure(database: Database, readers: Readers) -> int:
    with database.write() as work:
        reader, rules = readers.current(work.session)
        made = generations.ensure(work.session, reader.versions, now=NOW, rules=rules)
        work.commit()
    return made


def test_edited_rules_are_followed_without_a_restart(sqlite: Database) -> None:
    readers = Readers()
    with sqlite.read() as session:
        first = readers.current(session)
        assert readers.current(session) is first, "compiled once"
        assert first[1].origin == "built-in"

    version = save(sqlite, TEXT + "\n# ours\n")

    with sqlite.read() as session:
        reader, rules = readers.current(session)
        assert (reader.versions.rules_version, rules.origin) == (version, "edited")
        assert rule_sets.current(session) == rule_sets.get(session, version)
    with sqlite.write() as work:
        rule_sets.reset(work.session)
        work.commit()
    with sqlite.read() as session:
        assert readers.current(session)[0].versions == first[0].versions
        assert [one.active for one in rule_sets.listing(session)] == [False]


def test_a_file_comes_before_edited_rules(sqlite: Database, tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(TEXT + "\n# file\n", "utf-8")
    save(sqlite, TEXT + "\n# ours\n")
    with sqlite.read() as session:
        reader, rules = Readers(file).current(session)
    assert rules.origin == "file"
    assert reader.versions.rules_version == compile_rules(TEXT + "\n# file\n").version


def test_an_old_generation_is_read_by_again(sqlite: Database) -> None:
    save(sqlite, TEXT + "\n# first\n")
    readers = Readers()
    old = ensure(sqlite, readers)
    write(sqlite, a_read_mention(brand_ids=()))
    save(sqlite, TEXT + "\n# second\n")
    new = ensure(sqlite, readers)

    with sqlite.read() as session:
        wanted = generations.get(session, old).key
        assert readers.of(session, old).versions.key == wanted
        assert readers.of(session, new).versions.key != wanted


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"models": {"ko": ["ko-ngram", "0-none"]}}, "version '0-none' of ko-ngram"),
        ({"models": {"ko": ["nobody", "1"]}}, "no sentiment model 'nobody'"),
        ({"rules_version": "000000000000"}, "applies its rules"),
    ],
)
def test_what_is_missing_is_said(
    sqlite: Database, changed: dict[str, object], message: str
) -> None:
    readers = Readers()
    first = ensure(sqlite, readers)
    with sqlite.write() as work:
        row = work.session.get_one(GenerationRow, first)
        row.key = "another"
        for name, value in changed.items():
            setattr(row, name, value)
        work.commit()
    with sqlite.read() as session:
        with pytest.raises(Missing, match=message):
            readers.of(session, first)
        now = readers.now(session)
    assert now.in_force == first
    assert now.beside is not None, "rather by something like it than not at all"


def corrected(database: Database, count: int) -> None:
    """Corrections of a word that the shipped model takes for bad."""
    with database.write() as work:
        stored_brand(work.session)
        work.commit()
    texts = [f"{n}번째 먹어 봤는데 맛이 미쳤네" for n in range(count)]
    write(database, *(a_read_mention(a_mention(str(n), t)) for n, t in enumerate(texts)))
    write(database, a_read_mention(a_mention("en", "bad"), reading=a_reading(language="en")))
    with database.write() as work:
        for n in range(1, count + 2):
            corrections.correct(work.session, n, label="positive", by="kim", now=NOW)
        work.commit()


def test_too_few_corrections_train_nothing(sqlite: Database) -> None:
    corrected(sqlite, 29)
    with pytest.raises(InvalidInput, match="There are 29 corrected labels of Korean texts; 30 are"):
        overlay.train(sqlite, now=NOW)


def test_an_overlay_makes_a_generation_of_its_own(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlay, "_FOLDS", 2)
    corrected(sqlite, 30)
    readers = Readers()
    before = ensure(sqlite, readers)

    made = overlay.train(sqlite, now=NOW)

    assert (made.examples, made.polar, made.kept) == (30, 30, True)
    assert made.after is not None
    assert made.before is not None
    assert made.after >= made.before
    with sqlite.read() as session:
        reader, _ = readers.current(session)
        assert reader.versions.models["ko"] == ("ko-ngram", made.version)
        (reading,) = reader.read_texts(["오늘 먹어 봤는데 맛이 미쳤네"])
        assert reading.sentiment is not None
        assert reading.sentiment.label == "positive"
        assert reading.sentiment.version == made.version
    after = ensure(sqlite, readers)
    assert after != before
    with sqlite.read() as session:
        again = Readers().of(session, after)
        assert again.versions.models["ko"] == ("ko-ngram", made.version)
        assert len(overlays.listing(session)) == 1
    with sqlite.write() as work:
        overlays.reset(work.session, "ko-ngram")
        work.commit()
    with sqlite.read() as session:
        assert "+" not in readers.current(session)[0].versions.models["ko"][1]
        assert readers.of(session, after).versions.models["ko"][1] == made.version


def test_edited_rules_that_a_release_cannot_use_stop_nothing(
    sqlite: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with sqlite.write() as work:
        rule_sets.save(work.session, "[taxonomy.area.x]\nko = ['((']\n", "broken", by="a", now=NOW)
        work.commit()
    with sqlite.read() as session:
        reader, rules = Readers().current(session)
    assert rules.origin == "built-in"
    assert reader.read_texts(["배송이 너무 늦어요"])[0].topics == ("delivery",)
    assert "the built-in ones are" in caplog.text
